"""Esc, pressed for somebody who is not at the keyboard: only where there is something that it ends.

In an idle box two of them open the CLI's Rewind menu, behind which every command waits.
"""

from __future__ import annotations

from collections.abc import Callable

from ..claude import delivery
from ..terminal.session import TerminalSession
from .questions import Questions
from .turns import Turns
from .watch import ScreenWatch

_AGAIN_S = 1.0  # how long one has to show its effect: the CLI's turn may be over some time before we know
_SHOWS_S = 5.0  # how long the screen is looked at for what one has opened after all


class Escape:
    """Presses Esc in the terminal of one session.

    Args:
        terminal: Of the session.
        turns: What runs in it.
        watch: What its screen says.
        questions: What is asked in it.
        clock: Tells the time, in seconds.
    """

    def __init__(
        self,
        terminal: TerminalSession,
        turns: Turns,
        watch: ScreenWatch,
        questions: Questions,
        clock: Callable[[], float],
    ) -> None:
        self._terminal = terminal
        self._turns = turns
        self._watch = watch
        self._questions = questions
        self._clock = clock
        self._pressed_at = float("-inf")

    @property
    def shows(self) -> bool:
        """Whether the screen may yet show what Esc has done."""
        return self._clock() - self._pressed_at < _SHOWS_S

    async def press(self) -> None:
        """Press Esc where a turn runs, a menu is open or a text of ours stands; else nothing happens.

        Nor does anything within a second after it was pressed. Raises ``TerminalClosed``.
        """
        self._watch.see(await self._terminal.screen())
        if self._ends_something() and self._clock() - self._pressed_at >= _AGAIN_S:
            self._questions.interrupted()
            self._pressed_at = self._clock()
            await self._terminal.write(delivery.ESCAPE)

    def _ends_something(self) -> bool:
        reading = self._watch.reading
        menu = self._questions.waiting or (reading.box is None and (reading.asks or self._watch.ready))
        turn = not self._turns.lingers and (self._turns.active or reading.busy)
        return menu or turn or self._turns.standing is not None
