"""Whether a `SessionStart` is the CLI's own: its file in ``<config>/sessions`` has to name the same conversation.

The spool is a folder of files that whoever runs as this user can write, and the programs that the model runs do. One
line there would put another conversation in the project's place. So an id that is new is followed only when the CLI
that runs in this terminal says the same in a file of its own (`claude/running.py`), which it rewrites with each change.
What comes meanwhile waits, seconds at most; an id that the file goes on contradicting is not followed, and that is
told. Should the file name it later after all, it is followed then: no `/clear` is lost by a slow machine.

Where there is no such file (an older CLI, one in another container, one that has ended) nothing contradicts the hook,
and it is believed, as it is of a session that was found dead. This keeps out a stray or careless writer. It cannot keep
out a program of the same user that means it: that may forge the file as well, or trace the CLI itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..claude.hooks import HookEvent

#: How long the CLI's file may say otherwise; hundredths of a second were seen.
GRACE_S = 5.0
#: How long it must have said otherwise when the CLI ends, to be believed afterwards.
FIRM_S = 2.0


class Witness:
    """Judges the events of one session.

    Args:
        look: Returns the conversations that the CLI's own file names now, empty where there is none.
        clock: Seconds that only rise.

    Attributes:
        waits: Whether something was held back that has to be looked at again soon.
        doubted: Events that were not believed, by their conversation; the newest of each.
    """

    def __init__(self, look: Callable[[], frozenset[str]], clock: Callable[[], float]) -> None:
        self.waits = False
        self.doubted: dict[str, HookEvent] = {}
        self._look = look
        self._clock = clock
        self._contradicted_at: dict[str, float] = {}  # by key, since when

    def admit(self, events: Sequence[HookEvent], present: str) -> tuple[list[HookEvent], list[HookEvent]]:
        """Divide events, in their order, into those that can be heard now and those that are not believed.

        What is in neither waits behind one that may yet be confirmed: it is about that conversation.

        Args:
            events: What the spool has that was not heard yet.
            present: The conversation's id as it is known.
        """
        heard: list[HookEvent] = []
        doubted: list[HookEvent] = []
        self.waits = False
        for number, event in enumerate(events):
            if event.name != "SessionStart" or event.claude_session_id == present:
                heard.append(event)
            elif self._confirms(event, events[number + 1 :]):
                self._contradicted_at.pop(event.key, None)
                self.doubted.pop(event.claude_session_id, None)
                present = event.claude_session_id
                heard.append(event)
            elif self.waits:
                break
            else:
                self._contradicted_at.pop(event.key, None)
                self.doubted[event.claude_session_id] = event
                doubted.append(event)
        return heard, doubted

    def reconsidered(self) -> HookEvent | None:
        """Return one of the doubted whose conversation the CLI's file names now, None where that is none."""
        opened = self._look() if self.doubted else frozenset()
        return next((event for name, event in self.doubted.items() if name in opened), None)

    def _confirms(self, event: HookEvent, later: Sequence[HookEvent]) -> bool:
        """Tell whether to believe an event; where that is to be seen, ``waits`` is set."""
        opened, since = self._look(), self._contradicted_at.get(event.key)
        if not opened:
            return since is None or self._clock() - since < FIRM_S
        # Of one that another has followed the file can say nothing any more.
        started = {each.claude_session_id for each in later if each.name == "SessionStart"}
        if event.claude_session_id in opened or started & opened:
            return True
        since = self._contradicted_at.setdefault(event.key, self._clock())
        self.waits = self._clock() - since < GRACE_S
        return False
