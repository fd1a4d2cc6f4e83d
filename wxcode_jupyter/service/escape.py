"""Esc, pressed for somebody who is not at the keyboard: only where there is something that it ends.

In an idle box two of them open the CLI's Rewind menu, behind which every command waits.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ..claude import delivery
from ..terminal.session import TerminalSession
from .questions import Questions
from .turns import Turns
from .watch import ScreenWatch

_AGAIN_S = 1.0  # between two of them: the CLI takes what comes within 0.8 s for one double Esc, and may be ahead of us
_SHOWS_S = 5.0  # how long the screen is looked at for what one has opened after all


class Escape:
    """Presses Esc in the terminal of one session.

    Args:
        terminal: Of the session.
        turns: What runs in it.
        watch: What its screen says.
        questions: What is asked in it.
        changed: Returns when the screen may have changed, within a tenth of a second at the latest.
        clock: Tells the time, in seconds.
    """

    def __init__(
        self,
        terminal: TerminalSession,
        turns: Turns,
        watch: ScreenWatch,
        questions: Questions,
        *,
        changed: Callable[[], Awaitable[None]],
        clock: Callable[[], float],
    ) -> None:
        self._terminal = terminal
        self._turns = turns
        self._watch = watch
        self._questions = questions
        self._changed = changed
        self._clock = clock
        self._pressed_at = float("-inf")

    @property
    def shows(self) -> bool:
        """Whether the screen may yet show what Esc has done."""
        return self._clock() - self._pressed_at < _SHOWS_S

    async def press(self) -> None:
        """Press Esc where a turn runs, a menu is open or a text of ours stands; else nothing happens.

        Pressed a moment ago, it has a second to show its effect; what begins only then is not what was meant. Raises
        ``TerminalClosed``.
        """
        await self._look()
        meant = self._work
        while self._ends_something() and self._clock() - self._pressed_at < _AGAIN_S:
            await self._changed()
            await self._look()
            if self._work != meant:
                return
        if self._ends_something():
            self._questions.interrupted()
            self._pressed_at = self._clock()
            await self._terminal.write(delivery.ESCAPE)

    async def _look(self) -> None:
        self._watch.see(await self._terminal.screen())

    @property
    def _work(self) -> str:
        """What tells the turn that runs from the next one."""
        command = self._turns.command
        return command.id if command else self._turns.text

    def _ends_something(self) -> bool:
        reading = self._watch.reading
        menu = self._questions.waiting or (reading.box is None and (reading.asks or self._watch.ready))
        turn = not self._turns.lingers and (self._turns.active or reading.busy)
        return menu or turn or self._turns.standing is not None
