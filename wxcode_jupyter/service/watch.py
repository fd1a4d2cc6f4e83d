"""What the screen of a session has been saying, over time: is somebody needed, has a turn ended without a hook?

Fed with screens, asked for conclusions; time comes from an injected clock. A hook or the transcript is believed
before the screen, and a screen only when it has stood for a while.
"""

from __future__ import annotations

from collections.abc import Callable

from ..claude import screens
from ..claude.screens import Kind, Reading
from ..models import Attention
from ..terminal.screen import ScreenView
from .turns import Turns

HOOKS_EXPECTED_S = 10.0  # from a visible box to SessionStart; 0.1 s on an idle machine
STOPPED_S = 2.0  # how long the box must be idle after a Stop that the transcript does not confirm
GIVEN_BACK_S = 0.5  # how long the prompt must stand in an idle box again before its turn counts as interrupted
SILENT_S = 10.0  # how long an idle box must stand, and nothing be heard, before a turn counts as ended without a hook
STANDS_S = 1.0  # how long a text that came late must stand in the box alone: a slow CLI may show the rest later
KEPT_S = 2.0  # how long a text that was sent must stand in an idle box before it counts as forgotten there
MENU_S = 0.5  # how long a menu that is not recognised must stand: a screen that is half drawn looks like one
WITHDRAWN_S = 5.0  # how long the box must be empty again before a text without Enter counts as taken out by the user

_HOOKS_DISABLED = (
    "Claude Code is up, but its hooks do not fire (disableAllHooks, another --settings, or a full disk): commands "
    "could not be acknowledged. Allow hooks in its settings, then stop and resume."
)
_NOT_READY = "Claude Code has not become ready. The screen may say why."


class ScreenWatch:
    """Follows the screens of one session.

    Attributes:
        reading: What the newest screen says.
        text: The newest screen as text, without blank rows at its end.
        ready: Whether the input box has been seen since the conversation started.
    """

    def __init__(self, clock: Callable[[], float], *, ready_timeout_s: float) -> None:
        self.reading = Reading(Kind.OTHER, None, False, "")
        self.text = ""
        self.ready = False
        self._clock = clock
        self._ready_timeout_s = ready_timeout_s
        self._waits_since = self._heard_at = self._worked_at = clock()
        self._title_idle = True
        self._undelivered: Attention | None = None
        self._surfaced = False  # whether anything came of the text that was not delivered
        self._hooks_missed = False
        self._since: dict[str, float] = {}  # condition -> since when it has held

    def see(self, view: ScreenView) -> None:
        """Take a new screen."""
        self.reading = screens.read(view)
        self.text = view.text
        # A cursor left at the start of a text makes the box look empty: any change shows that the CLI reads again.
        moved = self._undelivered is not None and self.text != self._undelivered.screen
        self._surfaced = self._surfaced or bool(self.reading.box) or self.reading.asks or moved
        self._title_idle = not view.title or view.title.startswith("✳")

    def begin(self) -> None:
        """The CLI starts, or has restarted itself: the box must be seen again."""
        self.ready = False
        self._waits_since = self._clock()
        self._since.clear()

    @property
    def quiet_s(self) -> float:
        """For how many seconds nothing has been heard of the CLI, since Enter was pressed at the most."""
        return self._clock() - self._heard_at

    @property
    def unworked_s(self) -> float:
        """For how many seconds nothing has been heard of what runs in the background."""
        return self._clock() - self._worked_at

    def worked(self) -> None:
        """Something in the background has begun, ended, or used a tool."""
        self._worked_at = self._clock()

    def heard(self) -> None:
        """Something was heard of the CLI, or Enter was pressed: no turn has ended in silence."""
        self._heard_at = self._clock()
        self._since.pop("silent", None)
        self._since.pop("stopped", None)

    def hooks(self, *, missed: bool) -> None:
        """Note that a prompt was taken and no hook has told of it, or that hooks fire."""
        self._hooks_missed = missed

    def mark_ready(self, *, started: bool) -> bool:
        """Tell whether the session has just become ready: its conversation has started, and the box is there."""
        if self.ready or not started or self.reading.kind is not Kind.BOX:
            return False
        self.ready = True
        return True

    def undelivered(self, message: str, view: ScreenView) -> None:
        """A text did not get into the box as it should, and Enter was not pressed: somebody must look."""
        self._surfaced = False
        self.see(view)
        self._undelivered = Attention("delivery", message, self.text)
        self._since.clear()

    def delivered(self) -> None:
        """It is known what became of the text that stood there."""
        self._undelivered = None

    def withdrawn(self, *, turn: bool, inherited: bool = False) -> bool:
        """Tell whether the text that was put in without Enter has been taken out of the box again, and no turn runs.

        A box that has stayed free tells nothing: the CLI may yet read the text, and would read another one behind it.
        One that has just become free does not either: the user may have pressed Enter. Of a text that is ``inherited``
        nobody knows whether the server that died had begun to type it: there a box that stays free for long has to do.
        A text that the CLI reads only then stands beside itself, for which Enter is not pressed.
        """
        free = (self._surfaced or inherited) and self.reading.free and not turn
        return self._held("withdrawn", free) >= (WITHDRAWN_S if self._surfaced else SILENT_S)

    def is_left(self) -> bool:
        """Tell whether something has been standing in the box for a while, and no turn runs."""
        return self._held("left", bool(self.reading.box) and not self.reading.busy) >= WITHDRAWN_S

    def attention(self, *, started: bool, turn: bool) -> Attention | None:
        """Return why a person is needed now, if one is.

        Args:
            started: Whether ``SessionStart`` has come.
            turn: Whether a turn runs: a menu then is Claude's question, not a reason of its own.
        """
        reading = self.reading
        menu = self._held("menu", reading.kind is Kind.MENU and not turn) >= MENU_S
        if menu or (reading.asks and reading.kind is not Kind.MENU):
            return Attention(reading.kind.value, reading.message, self.text)
        if self._undelivered is not None:
            return self._undelivered
        if self._hooks_missed and not turn:
            return Attention("hooks_disabled", _HOOKS_DISABLED, self.text)
        if self.ready:
            return None
        if not started and self._held("box without hook", reading.kind is Kind.BOX) > HOOKS_EXPECTED_S:
            return Attention("hooks_disabled", _HOOKS_DISABLED, self.text)
        if self._clock() - self._waits_since > self._ready_timeout_s:
            return Attention("not_ready", _NOT_READY, self.text)
        return None

    def silent_end(self, turns: Turns) -> bool:
        """Tell whether the turn that should run has ended without a hook.

        Four signs: the prompt stands in an idle box again (an interrupt before the first token), the transcript says
        that a hook refused it, Claude has stopped and nothing happens beside an idle box for two seconds, or nothing at
        all has happened there for ten. On a slow machine an idle box alone proves nothing: the spinner comes late.
        """
        running = turns.active and not turns.lingers
        idle = running and self.reading.kind is Kind.BOX and not self.reading.busy and self._title_idle
        given_back = idle and not turns.awaits_hook and self.holds(turns.text)
        refused = idle and not given_back and turns.blocked
        ended = (
            self._held("given back", given_back) >= GIVEN_BACK_S,
            self._held("refused", refused) >= GIVEN_BACK_S,
            self._held("stopped", idle and turns.stopped) >= STOPPED_S,
            self._held("silent", idle) >= SILENT_S,
        )
        if any(ended):
            self._since.clear()
        return any(ended)

    def stands(self, text: str) -> bool:
        """Tell whether the text that was put in without Enter has stood in the box, alone, for a while."""
        return self._held("stands", self.reading.kind is Kind.BOX and self.holds(text)) >= STANDS_S

    def keeps(self, text: str, *, turn: bool) -> bool:
        """Tell whether a text that was sent stands in the box still, long after its turn."""
        idle = self.reading.kind is Kind.BOX and not self.reading.busy and self._title_idle and not turn
        return self._held("kept", idle and self.holds(text)) >= KEPT_S

    def holds(self, text: str) -> bool:
        """Whether this text stands in the box."""
        return bool(self.reading.box) and screens.holds(self.reading.box or "", text)

    def _held(self, name: str, condition: bool) -> float:
        """Return for how many seconds a condition has held without a break."""
        if not condition:
            self._since.pop(name, None)
            return 0.0
        return self._clock() - self._since.setdefault(name, self._clock())
