"""The middle of everything: a turn that has begun and ends when it is let, and a command that waits behind it."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.conversation import asked
from tests.support.job import Job
from wxcode_jupyter.client.values import Project
from wxcode_jupyter.models import Command, CommandStatus, SessionInfo, SessionState
from wxcode_jupyter.testing.scripted_model import Rule, Say

SAID = "once upon a time, and so on"

#: What the model has to be told: the turn ends when the gate `end` is opened, or never.
LONG_STORY = Rule("long", [Say(SAID, gate="end")])
ENDLESS_STORY = Rule("long", [Say("one\n\ntwo", hold="never")])


@dataclass(frozen=True)
class MidTurn:
    """A turn that runs, what waits behind it, and the session as it was then."""

    project: Project
    command: Command
    waiting: Command
    before: SessionInfo
    prompts: tuple[str, ...]

    def goes_on(self, job: Job) -> SessionInfo:
        """Wait until the turn and what waits have ended well: in the same process, each asked once, in order."""
        ended = job.done(self.command)
        assert (ended.outcome, ended.last_message) == ("finished", SAID)
        job.done(self.waiting)
        now = job.until_state(self.project, SessionState.IDLE)
        assert (now.pid, now.claude_session_id) == (self.before.pid, self.before.claude_session_id)
        assert asked(job) == job.model.prompts == list(self.prompts)
        return now

    def is_resumed(self, job: Job) -> SessionInfo:
        """Start the session again, and wait until the turn is settled as interrupted and what waits has ended well."""
        assert job.client.session(self.project).state is SessionState.STOPPED
        now = job.client.start_session(self.project)
        assert now.claude_session_id == self.before.claude_session_id
        job.until_status(self.command, CommandStatus.INTERRUPTED)
        job.done(self.waiting)
        assert asked(job) == job.model.prompts == list(self.prompts)
        assert job.transcripts() == [self.before.claude_session_id]
        return now


def begin_turn(job: Job, *earlier: str) -> MidTurn:
    """Ask some things in a new project, then for a long story, and queue a command behind it."""
    project = job.project()
    for text in earlier:
        job.ask(project, text)
    command = job.client.send(project, "a long story")
    waiting = job.client.send(project, "and then?")
    job.until_status(command, CommandStatus.ACCEPTED)
    return MidTurn(project, command, waiting, job.client.session(project), (*earlier, command.text, waiting.text))
