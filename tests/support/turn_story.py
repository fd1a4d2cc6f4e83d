"""A command's fate told in words, for the tests of `service/turns.py`."""

from __future__ import annotations

from collections.abc import Iterable

from wxcode_jupyter.claude.hooks import HookEvent
from wxcode_jupyter.claude.transcript import Entry
from wxcode_jupyter.models import Command
from wxcode_jupyter.service.changes import Accepted, Answered, Bound, Change, Ended, Lingers, Requeued, Unanswered
from wxcode_jupyter.service.turns import Turns

TEXT, OTHERS = "build the thing", "what time is it?"
MIXTURE = f"please wait {TEXT}"


class Story:
    """A sequence of steps, told in words, and the changes that came out of it.

    ``submit``: Enter was pressed for a command; ``stand``: its text was put in without Enter. ``hook p`` / ``user u`` /
    ``mixed u``: the CLI reports the command's prompt, one of the user's, or the command's behind what the user has
    typed, under this id. ``entry p`` / ``own u`` / ``mixture u``, ``interrupt p``,
    ``unknown /x``, ``blocked``, ``stopped``, ``answer``, ``words``, ``error``, ``ended``, ``queued``, ``unqueued``,
    ``emptied``, ``joined``: entries of the transcript. ``halt p``: Claude has stopped, and may be sent on; ``stop p``:
    it was not, as the transcript says once it has the prompt. ``fail p``, ``tool p``, ``start``, ``compact``: other
    hooks; ``all``: there are no more hooks from before. ``idle``, ``silent``: looks at the screen. ``exit``: it is
    dead.
    """

    def __init__(self) -> None:
        self.turns = Turns()
        self.changes: list[Change] = []
        self.submitted: list[str] = []
        self.newest = ""
        self.stopped: set[str] = set()

    def tell(self, step: str) -> None:
        """Let one step happen."""
        word, _, prompt_id = step.partition(" ")
        turns = self.turns
        match word:
            case "submit":
                self.submitted.append(f"c{len(self.submitted)}")
                turns.submit(Command(self.submitted[-1], "project", TEXT))
            case "hook" | "user" | "mixed":
                asked = {"hook": TEXT, "user": OTHERS, "mixed": MIXTURE}[word]
                self._hook("UserPromptSubmit", prompt_id, prompt=asked)
            case "stand":
                self.submitted.append(f"c{len(self.submitted)}")
                turns.stand(Command(self.submitted[-1], "project", TEXT))
            case "answer" | "words":
                turns.on_entry(Entry("assistant", "said", None, final=word == "answer"))
            case "ended":
                turns.on_entry(Entry("ended", "", None))
            case "error":
                turns.on_entry(Entry("failed", "API Error: 400", None))
            case "halt" | "stop":
                self._hook("Stop", prompt_id, last_assistant_message="done")
                if word == "stop":
                    self.stopped.add(prompt_id or self.newest)
            case "fail":
                self._hook("StopFailure", prompt_id, error="unknown", last_assistant_message="API Error: 400")
            case "tool":
                self._hook("PreToolUse", prompt_id)
            case "start":
                self._hook("SessionStart", "", source="clear")
            case "compact":
                self._hook("SessionStart", "", source="compact")
            case "all":
                turns.begin_unannounced(turns.unannounced)
            case "entry" | "own" | "mixture":
                self.newest = prompt_id
                asked = {"entry": TEXT, "own": OTHERS, "mixture": MIXTURE}[word]
                turns.on_entry(Entry("prompt", asked, prompt_id))
            case "queued" | "unqueued" | "emptied":
                turns.on_entry(Entry(word, OTHERS, None))
            case "joined":
                turns.on_entry(Entry("joined", TEXT, None))
            case "interrupt":
                turns.on_entry(Entry("interrupt", "[Request interrupted by user]", prompt_id or None))
            case "unknown":
                turns.on_entry(Entry("unknown_command", f"Unknown command: {prompt_id}", None))
            case "blocked":
                turns.on_entry(Entry("blocked", f"blocked by hook:\nnot here\n\nOriginal prompt: {TEXT}", None))
            case "stopped":
                turns.on_entry(Entry("stopped", "Operation stopped by hook: enough", None))
            case "idle":
                turns.on_idle_box()
            case "silent":
                turns.give_up()
            case "exit":
                turns.on_exit()
            case _:
                raise ValueError(step)
        self.changes += turns.settle()
        if self.newest in self.stopped:
            self.stopped.discard(self.newest)
            self.tell("ended")

    def _hook(self, name: str, prompt_id: str, **data: str) -> None:
        found = {"prompt_id": prompt_id} if prompt_id else {}
        self.turns.on_hook(HookEvent("key", name, "session", {**data, **found}))


def told(steps: Iterable[str]) -> Story:
    """Return the story of these steps."""
    story = Story()
    for step in steps:
        story.tell(step)
    return story


def in_words(change: Change) -> str:
    """Return a change as the tests write it."""
    match change:
        case Bound(_, prompt_id):
            return f"bound {prompt_id}"
        case Accepted(command, prompt_id):
            return f"accepted {prompt_id}" if command else f"user's {prompt_id}"
        case Ended(_, status):
            return status.value
        case Answered(prompt_id):
            return f"answered {prompt_id}"
        case Unanswered(prompt_id, error):
            assert error
            return f"unanswered {prompt_id}"
        case Lingers(_, tasks):
            return f"waits for {len(tasks)}"
        case Requeued():
            return "requeued"
