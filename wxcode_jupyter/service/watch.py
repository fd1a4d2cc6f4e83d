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
GIVEN_BACK_S = 0.5  # how long the prompt must stand in an idle box again before its turn counts as interrupted
SILENT_S = 10.0  # how long an idle box without that must stand before a turn counts as ended without a hook

_HOOKS_DISABLED = (
    "Claude Code is up, but its hooks do not fire (disableAllHooks, or another --settings): commands could not be "
    "acknowledged. Allow hooks in its settings, then stop and resume."
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
        self._waits_since = clock()
        self._title_idle = True
        self._undelivered: Attention | None = None
        self._surfaced = False  # whether anything came of the text that was not delivered
        self._since: dict[str, float] = {}  # condition -> since when it has held

    def see(self, view: ScreenView) -> None:
        """Take a new screen."""
        self.reading = screens.read(view)
        self._surfaced = self._surfaced or bool(self.reading.box) or self.reading.asks
        self.text = view.text
        self._title_idle = not view.title or view.title.startswith("✳")

    def begin(self) -> None:
        """The CLI starts, or has restarted itself: the box must be seen again."""
        self.ready = False
        self._waits_since = self._clock()
        self._undelivered = None
        self._since.clear()

    def mark_ready(self, *, started: bool) -> bool:
        """Tell whether the session has just become ready: its conversation has started, and the box is there."""
        if self.ready or not started or self.reading.kind is not Kind.BOX:
            return False
        self.ready = True
        return True

    def undelivered(self, message: str, view: ScreenView) -> None:
        """A text did not get into the box as it should: somebody must look, until the box is free again.

        A box that has stayed free tells nothing: the CLI may yet read the text, and would read another one behind it.
        """
        self._surfaced = False
        self.see(view)
        self._undelivered = Attention("delivery", message, self.text)
        self._since.clear()

    def attention(self, *, started: bool, turn: bool) -> Attention | None:
        """Return why a person is needed now, if one is.

        Args:
            started: Whether ``SessionStart`` has come.
            turn: Whether a turn runs: a menu then is Claude's question, not a reason of its own.
        """
        reading = self.reading
        if reading.asks and not (reading.kind is Kind.MENU and turn):
            return Attention(reading.kind.value, reading.message, self.text)
        if self._undelivered is not None:
            if not reading.free or not self._surfaced:
                return self._undelivered
            self._undelivered = None
        if self.ready:
            return None
        if not started and self._held("box without hook", reading.kind is Kind.BOX) > HOOKS_EXPECTED_S:
            return Attention("hooks_disabled", _HOOKS_DISABLED, self.text)
        if self._clock() - self._waits_since > self._ready_timeout_s:
            return Attention("not_ready", _NOT_READY, self.text)
        return None

    def silent_end(self, turns: Turns) -> bool:
        """Tell whether the turn that should run has ended without a hook.

        Three signs: the prompt stands in an idle box again (an interrupt before the first token), the transcript says
        that a hook refused it, or nothing at all has happened beside an idle box for ten seconds. On a slow machine
        an idle box alone proves nothing: the spinner comes late.
        """
        idle = turns.active and self.reading.kind is Kind.BOX and not self.reading.busy and self._title_idle
        given_back = idle and not turns.awaits_hook and self.holds(turns.text)
        refused = idle and not given_back and turns.blocked
        ended = (
            self._held("given back", given_back) >= GIVEN_BACK_S,
            self._held("refused", refused) >= GIVEN_BACK_S,
            self._held("silent", idle) >= SILENT_S,
        )
        if any(ended):
            self._since.clear()
        return any(ended)

    def holds(self, text: str) -> bool:
        """Whether this text stands in the box."""
        return bool(self.reading.box) and screens.holds(self.reading.box or "", text)

    def _held(self, name: str, condition: bool) -> float:
        """Return for how many seconds a condition has held without a break."""
        if not condition:
            self._since.pop(name, None)
            return 0.0
        return self._clock() - self._since.setdefault(name, self._clock())
