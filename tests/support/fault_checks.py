"""What must hold at the end of every run, whatever has died in it."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from pathlib import Path

from tests.support.conversation import asked
from tests.support.fault_plan import TAG, Victim
from tests.support.fault_run import FaultRun
from tests.support.job import until
from tests.support.processes import processes_of
from wxcode_jupyter.models import CommandStatus, LineageCause


def check(run: FaultRun) -> None:
    """Check commands, conversations, and, after the session was stopped, that nothing is left. The run is over then."""
    run.ask(lambda: run.job.client.stop(run.project))
    check_commands(run)
    check_conversations(run)
    check_nothing_left(run)


def check_commands(run: FaultRun) -> None:
    """Each is completed, or its turn was cut; it is in the transcripts at most once, and there exactly if accepted."""
    asked_tags = Counter(tag for text in asked(run.job) for tag in set(TAG.findall(text)))
    texts = set(asked(run.job))
    outlives = run.plan.keep_sessions and {fault.victim for fault in run.plan.faults} <= {Victim.SERVER, Victim.MONGOD}
    for command in run.commands:
        assert command.status.final, command
        accepted = command.accepted_at is not None
        if tag := TAG.search(command.text):
            assert asked_tags[tag[0]] == (1 if accepted else 0), (asked_tags, command)
            if accepted and not command.text.startswith("/"):
                assert command.text in texts, (texts, command)
            if command.status is CommandStatus.COMPLETED:
                assert (command.outcome, command.last_message) == ("finished", f"heard {tag[0]}"), command
        if command.status is not CommandStatus.COMPLETED:
            # Of what was not accepted none is given up; and no turn is cut where nothing but servers has died.
            assert (command.status, accepted) == (CommandStatus.INTERRUPTED, True), command
            assert command.error, command
            assert not outlives, command


def check_conversations(run: FaultRun) -> None:
    """The lineage has every conversation once, and no other was ever written into."""
    history = run.ask(lambda: run.job.client.conversations(run.project))
    ids = [entry.claude_session_id for entry in history]
    assert len(set(ids)) == len(ids), history
    assert ids[-1] == run.ask(lambda: run.job.client.get_project(run.project)).claude_session_id
    causes = [entry.cause for entry in history]
    assert causes[0] is LineageCause.NEW
    assert set(causes[1:]) <= {LineageCause.CLEAR, LineageCause.UNBORN}, causes
    clears = [command for command in run.commands if command.text == "/clear" and command.accepted_at]
    assert causes.count(LineageCause.CLEAR) == len(clears), (causes, clears)
    where = {tag: path.stem for path in run.job.home.transcripts(run.job.workspace) for tag in _tags_in(path)}
    assert set(where.values()) <= set(ids), (where, ids)
    born = {entry.claude_session_id for entry in history if entry.born}
    assert set(where.values()) <= born, (where, history)
    for command in run.commands:
        tag = TAG.search(command.text)
        if tag and command.accepted_at:
            assert command.claude_session_id == where[tag[0]], (where, command)


def check_nothing_left(run: FaultRun) -> None:
    """No terminal is open in server or keeper once the session has ended, and no process lives after both."""
    pids = [run.job.server.pid, *run.keepers()]
    until(lambda: not [path for pid in pids for path in _open_files(pid) if path.startswith("/dev/ptmx")])
    run.end_processes()
    until(lambda: not processes_of(run.job.home.path), what="no process")


def _tags_in(path: Path) -> set[str]:
    return set(TAG.findall(path.read_text()))


def _open_files(pid: int) -> list[str]:
    found = []
    with suppress(FileNotFoundError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with suppress(FileNotFoundError):
                found.append(os.readlink(f"/proc/{pid}/fd/{name}"))
    return found
