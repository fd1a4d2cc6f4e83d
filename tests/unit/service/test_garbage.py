"""Whatever hooks and a transcript tell, those who listen go on: one tool call must not end a session for ever."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.garbage import VALUES, distorted, nested
from wxcode_jupyter.claude.hooks import EVENTS, HookEvent
from wxcode_jupyter.claude.open_hook import OpenHook
from wxcode_jupyter.claude.transcript import parse
from wxcode_jupyter.models import Command, CommandStatus, LineageCause, OutputProject
from wxcode_jupyter.service.events import EventLog
from wxcode_jupyter.service.lineage import Lineage
from wxcode_jupyter.service.questions import Questions
from wxcode_jupyter.service.recorder import Recorder
from wxcode_jupyter.service.recovery import Recovery, resolve
from wxcode_jupyter.service.turns import Turns
from wxcode_jupyter.store.base import Store

TEXT = "build the thing"
QUESTION = distorted(question=st.text(), header=st.text(), options=st.lists(distorted(label=st.text()), max_size=2))
DATA = distorted(
    prompt_id=st.just("p"),
    prompt=st.just(TEXT),
    source=st.sampled_from(["startup", "clear", "compact"]),
    tool_name=st.sampled_from(["AskUserQuestion", "Bash"]),
    tool_input=distorted(questions=st.lists(QUESTION, max_size=2), answers=VALUES, command=st.text()),
    background_tasks=st.lists(distorted(id=st.text(), status=st.just("running")), max_size=2),
    last_assistant_message=st.text(),
    error=st.text(),
)
HOOKS = st.builds(lambda key, name, data: HookEvent(key, name, "s", data), st.text(), st.sampled_from(EVENTS), DATA)
LINES = distorted(
    type=st.sampled_from(["user", "assistant", "attachment"]),
    promptId=st.just("p"),
    message=distorted(content=st.sampled_from([TEXT, "[Request interrupted by user]"])),
).map(lambda entry: json.dumps(entry).encode())


class Nowhere:
    """Takes what would be recorded."""

    def emit(self, kind: str, data: dict[str, Any], *, key: str) -> None:
        json.dumps(data)


@settings(deadline=None)
@given(st.lists(HOOKS | LINES, max_size=8))
def test_the_listeners_take_anything(story: list[HookEvent | bytes]) -> None:
    def nowhere(event: HookEvent) -> OpenHook:
        return OpenHook(Path("nowhere"), event.key)

    turns, questions = Turns(), Questions("0" * 24, cast(Recorder, Nowhere()), lambda: 0.0, nowhere)
    turns.submit(Command("0" * 24, "1" * 24, TEXT))
    for told in story:
        if isinstance(told, HookEvent):
            turns.on_hook(told)
            questions.hear(told)
        elif (entry := parse(told)) is not None:
            turns.on_entry(entry)
        turns.settle()
    turns.on_exit()
    turns.settle()


@settings(deadline=None)
@given(st.lists(HOOKS, max_size=5), st.lists(LINES, max_size=5))
def test_what_a_dead_session_left_is_settled(events: list[HookEvent], lines: list[bytes]) -> None:
    command = Command("0" * 24, "1" * 24, TEXT, status=CommandStatus.ACCEPTED)
    entries = [entry for line in lines if (entry := parse(line)) is not None]
    resolve(command, events, entries)


async def test_a_project_starts_again_whatever_its_dead_sessions_left(
    store: Store, events: EventLog, project: OutputProject, tmp_path: Path
) -> None:
    await Lineage(store, project.id).follow("s", LineageCause.NEW)
    sessions = tmp_path / "data" / "sessions" / project.id
    spool = sessions / "1" / "spool"
    spool.mkdir(parents=True)
    (spool / "1-1.json").write_bytes(nested(3000))
    (spool / "2-1.json").mkdir()
    (spool / "3-1.json").write_bytes(b'{"hook_event_name": ["Stop"], "session_id": "s"}')
    start = {"hook_event_name": "SessionStart", "session_id": "next", "source": "clear", "transcript_path": "\0"}
    (spool / f"{4 * 10**18}-1.json").write_text(json.dumps(start))
    (sessions / "2").mkdir()
    (sessions / "2" / "spool").write_text("no folder")
    (sessions / "no-session").write_text("a file")
    command = await store.append_command(Command(store.new_id(), project.id, TEXT))
    found = {"status": CommandStatus.ACCEPTED, "claude_session_id": "next", "prompt_id": "p"}
    await store.move_command(command.id, {CommandStatus.QUEUED}, found)

    await Recovery(store, events, str(tmp_path / "data"), {"HOME": str(tmp_path)}).run(project.id, "/w")
    assert (await store.get_project(project.id)).claude_session_id == "next"
    assert (await store.get_command(command.id)).status is CommandStatus.INTERRUPTED
    assert [path.name for path in sessions.iterdir()] == ["no-session"]
