"""A project leaves as a file and goes on elsewhere: all of it, or nothing."""

from __future__ import annotations

import asyncio
import io
import json
import os
import zipfile
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.service.conftest import StubSessions
from wxcode_jupyter.claude.transcript import transcript_path
from wxcode_jupyter.errors import ConversationExists, InvalidBody, InvalidPath, NameTaken, SessionAlive
from wxcode_jupyter.models import (
    ClaudeSession,
    Command,
    CommandStatus,
    Event,
    LineageCause,
    Milestone,
    MilestoneStatus,
    OutputProject,
    ProjectOptions,
    SessionState,
)
from wxcode_jupyter.service import archive
from wxcode_jupyter.service.config import Config
from wxcode_jupyter.service.events import EventLog
from wxcode_jupyter.service.exports import Exports
from wxcode_jupyter.service.imports import Imports
from wxcode_jupyter.service.keepsake import copy
from wxcode_jupyter.service.kept_text import KeptText
from wxcode_jupyter.service.projects import Projects
from wxcode_jupyter.store.base import Store
from wxcode_jupyter.store.sqlite import SqliteStore

FIRST, SECOND = "0b8f3c52-58a8-4d3c-9a52-0c7f2f1f7a11", "1c8f3c52-58a8-4d3c-9a52-0c7f2f1f7a22"


class Place:
    """A machine: a store, a HOME, a folder for workspaces."""

    def __init__(self, config: Config, store: Store, sessions: StubSessions) -> None:
        self.config, self.store, self.sessions = config, store, sessions
        sessions.variables = dict(config.environment)
        projects = Projects(config, store, sessions.typed())
        self.exports = Exports(config, store, sessions.typed())
        self.imports = Imports(config, store, EventLog(store), sessions.typed(), projects)

    @property
    def home(self) -> Path:
        return Path(self.config.environment["HOME"])

    def transcript(self, workspace: str, conversation: str) -> Path:
        return Path(transcript_path(self.config.environment, workspace, conversation))

    def files(self) -> list[str]:
        """Whatever is there, but for the store's own files."""
        root = self.home.parent
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if "store" not in path.parts)

    async def export(self, project: OutputProject) -> bytes:
        async with self.exports.open(project.id) as file:
            return file.read()


@pytest.fixture
def here(config: Config, store: Store, sessions: StubSessions) -> Place:
    return Place(config, store, sessions)


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Place]:
    root = tmp_path / "there"
    root.joinpath("home").mkdir(parents=True)
    config = Config(
        data_dir=str(root / "data"),
        runtime_dir=str(root / "run"),
        workspace_root=str(root / "workspaces"),
        allowed_workspace_roots=(str(root),),
        environment={"HOME": str(root / "home"), "PATH": "/usr/bin:/bin"},
    )
    store = SqliteStore(root / "store" / "wxcode.sqlite3")
    await store.open()
    yield Place(config, store, StubSessions(store))
    await store.close()


@pytest.fixture
async def worked(here: Place, project: OutputProject) -> OutputProject:
    """A project with something of everything."""
    store, folder = here.store, project.workspace_path
    await store.set_options(project.id, ProjectOptions("acceptEdits", "opus", ("--verbose",), trust=True))
    for conversation, cause in ((FIRST, LineageCause.NEW), (SECOND, LineageCause.CLEAR)):
        path = here.transcript(folder, conversation)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"cwd": folder, "said": f"{folder}/x, {folder}-y, {path}"}) + "\n")
        await store.append_lineage(ClaudeSession(project.id, conversation, cause, born=True, transcript_path=str(path)))
    await store.set_first_session_id(project.id, SECOND)
    milestone = Milestone(store.new_id(), project.id, "login", status=MilestoneStatus.IN_PROGRESS, context="# Login\n")
    await store.create_milestone(milestone)
    for status in (CommandStatus.COMPLETED, CommandStatus.ACCEPTED, CommandStatus.QUEUED):
        command = Command(store.new_id(), project.id, f"a {status} one", milestone_id=milestone.id, status=status)
        await store.append_command(command)
    await store.append_event(Event(project.id, "milestone_status", {"milestone_id": milestone.id, "$odd": [1, None]}))
    return await store.get_project(project.id)


async def test_all_of_it_is_there_again(here: Place, there: Place, worked: OutputProject) -> None:
    done = await there.imports.load(io.BytesIO(await here.export(worked)))
    made = await there.store.get_project(done.project_id)
    assert made.workspace_path == str(there.home.parent / "workspaces" / "billing")
    assert replace(made, workspace_path="", created_at=worked.created_at, updated_at=worked.updated_at) == replace(
        worked, workspace_path=""
    )
    assert (done.conversations, done.milestones, done.commands) == (2, 1, 3)
    assert [
        (entry.claude_session_id, entry.cause, entry.born) for entry in await there.store.load_lineage(made.id)
    ] == [
        (FIRST, LineageCause.NEW, True),
        (SECOND, LineageCause.CLEAR, True),
    ]
    [milestone] = (await there.store.list_milestones(output_project_id=made.id)).items
    assert (await there.store.get_milestone(milestone.id)).context == "# Login\n"
    commands = (await there.store.list_commands(made.id)).items
    assert [(command.text, command.status) for command in commands] == [
        ("a completed one", CommandStatus.COMPLETED),
        ("a accepted one", CommandStatus.INTERRUPTED),
        ("a queued one", CommandStatus.INTERRUPTED),
    ]
    assert {command.milestone_id for command in commands} == {milestone.id}
    first, *others, last = await there.store.load_events(made.id)
    assert first.data == {"milestone_id": milestone.id, "$odd": [1, None]}
    assert others == []
    assert (last.type, last.data["from"]) == ("imported", worked.workspace_path)


async def test_transcripts_name_the_new_folder(here: Place, there: Place, worked: OutputProject) -> None:
    target = str(there.home.parent / "moved here")
    done = await there.imports.load(io.BytesIO(await here.export(worked)), workspace_path=target)
    path = there.transcript(target, FIRST)
    assert json.loads(path.read_bytes()) == {
        "cwd": target,
        "said": f"{target}/x, {worked.workspace_path}-y, {path}",
    }
    assert path.stat().st_mode & 0o777 == 0o600
    assert (await there.store.load_lineage(done.project_id))[0].transcript_path == str(path)
    links = list(Path(there.config.data_dir).rglob(path.name))
    assert [os.path.samefile(link, path) for link in links] == [True]


async def test_what_gives_rights_is_not_taken_over(here: Place, there: Place, worked: OutputProject) -> None:
    done = await there.imports.load(io.BytesIO(await here.export(worked)))
    assert await there.store.get_options(done.project_id) == ProjectOptions(model="opus")
    assert done.left_out == {"claude_args": ["--verbose"], "trust": True, "permission_mode": "acceptEdits"}


async def test_a_transcript_that_only_the_store_has_comes_along(
    here: Place, there: Place, worked: OutputProject
) -> None:
    path = here.transcript(worked.workspace_path, FIRST)
    await copy(KeptText(here.store, worked.id, FIRST), str(path))
    path.unlink()
    done = await there.imports.load(io.BytesIO(await here.export(worked)))
    assert done.conversations == 2
    assert there.transcript(done.workspace_path, FIRST).exists()


async def test_the_same_store_does_not_get_a_conversation_twice(here: Place, worked: OutputProject) -> None:
    file = await here.export(worked)
    before = here.files()
    with pytest.raises(ConversationExists, match="must not run twice"):
        await here.imports.load(io.BytesIO(file), name="again")
    assert here.files() == before
    await here.store.delete_project(worked.id)
    with pytest.raises(ConversationExists, match="leftover"):
        await here.imports.load(io.BytesIO(file), workspace_path=worked.workspace_path)
    assert here.files() == before
    assert (await here.store.list_projects()).total == 0


async def test_of_the_same_file_twice_at_once_one_is_refused(here: Place, there: Place, worked: OutputProject) -> None:
    file = await here.export(worked)
    loading = [there.imports.load(io.BytesIO(file), name=name) for name in ("one", "two", "three")]
    outcomes = await asyncio.gather(*loading, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["ConversationExists"] * 2 + ["Imported"]
    assert (await there.store.list_projects()).total == 1


async def test_on_one_machine_it_moves_to_another_folder(here: Place, worked: OutputProject) -> None:
    file, target = await here.export(worked), str(here.home.parent / "moved")
    milestones = await here.store.list_milestones(output_project_id=worked.id)
    await here.store.delete_project(worked.id)
    done = await here.imports.load(io.BytesIO(file), workspace_path=target)
    assert (done.project_id, done.workspace_path, done.claude_session_id) == (worked.id, target, SECOND)
    assert await here.store.list_milestones(output_project_id=worked.id) == milestones
    assert here.transcript(target, SECOND).exists()


async def test_ids_that_the_store_has_become_new_ones(here: Place, project: OutputProject) -> None:
    store = here.store
    milestone = Milestone(store.new_id(), project.id, "login")
    await store.create_milestone(milestone)
    await store.append_command(Command(store.new_id(), project.id, "go", milestone_id=milestone.id))
    await store.append_event(Event(project.id, "e", {"milestone_id": milestone.id, "project": project.id}))
    done = await here.imports.load(io.BytesIO(await here.export(project)), name="copy")
    assert done.project_id != project.id
    [copy] = (await store.list_milestones(output_project_id=done.project_id)).items
    assert copy.id != milestone.id
    [command] = (await store.list_commands(done.project_id)).items
    assert command.milestone_id == copy.id
    event = (await store.load_events(done.project_id))[0]
    assert event.data == {"milestone_id": copy.id, "project": done.project_id}


async def test_a_name_that_is_taken_says_how_to_give_another(here: Place, there: Place, worked: OutputProject) -> None:
    file = await here.export(worked)
    await there.store.create_project(OutputProject(there.store.new_id(), "billing", "/other"), ProjectOptions())
    before = there.files()
    with pytest.raises(NameTaken, match="--name"):
        await there.imports.load(io.BytesIO(file))
    assert there.files() == before
    assert (await there.imports.load(io.BytesIO(file), name="other")).name == "other"


async def test_a_folder_that_may_not_be_had(here: Place, there: Place, worked: OutputProject) -> None:
    before = there.files()
    with pytest.raises(InvalidPath):
        await there.imports.load(io.BytesIO(await here.export(worked)), workspace_path="/not/allowed")
    deep = there.home.parent / ("d" * 200)
    with pytest.raises(InvalidPath, match="characters"):
        await there.imports.load(io.BytesIO(await here.export(worked)), workspace_path=str(deep))
    assert there.files() == before
    assert (await there.store.list_projects()).total == 0


async def test_a_file_that_is_there_stays_when_the_import_fails(
    here: Place, there: Place, worked: OutputProject
) -> None:
    target = there.home.parent / "has files"
    target.mkdir()
    target.joinpath("main.py").write_text("print()\n")
    other = there.transcript(str(target), SECOND)
    other.parent.mkdir(parents=True)
    other.write_text("{}\n")
    before = there.files()
    with pytest.raises(ConversationExists, match="leftover"):
        await there.imports.load(io.BytesIO(await here.export(worked)), workspace_path=str(target))
    left = [path for path in there.files() if path not in before]
    assert [path for path in left if not (there.home.parent / path).is_dir()] == []
    assert (await there.store.list_projects()).total == 0


@pytest.mark.parametrize("state", [SessionState.BUSY, SessionState.STARTING, SessionState.WAITING])
async def test_nothing_is_exported_while_claude_works(here: Place, worked: OutputProject, state: SessionState) -> None:
    here.sessions.alive, here.sessions.state = True, state  # type: ignore[attr-defined]
    with pytest.raises(SessionAlive, match="wait until"):
        await here.export(worked)


Change = Callable[[dict[str, bytes]], None]


def manifest(**changes: Any) -> Change:
    def change(parts: dict[str, bytes]) -> None:
        said = json.loads(parts["manifest.json"])
        parts["manifest.json"] = json.dumps(said | changes).encode()

    return change


def part(name: str, text: bytes) -> Change:
    def change(parts: dict[str, bytes]) -> None:
        parts[name] = text

    return change


def without(name: str) -> Change:
    def change(parts: dict[str, bytes]) -> None:
        del parts[name]

    return change


HOSTILE: dict[str, Change] = {
    "a path that leaves its folder": part("../../evil", b"x"),
    "an absolute path": part("/etc/evil", b"x"),
    "a path within the transcripts": part("transcripts/../../evil.jsonl", b"x"),
    "a transcript of no conversation": part("transcripts/2c8f3c52-58a8-4d3c-9a52-0c7f2f1f7a33.jsonl", b"{}\n"),
    "another transcript": part(f"transcripts/{FIRST}.jsonl", b"{}\n"),
    "a transcript that is cut off": part(f"transcripts/{FIRST}.jsonl", b"{"),
    "no transcript": without(f"transcripts/{FIRST}.jsonl"),
    "no commands": without("commands.jsonl"),
    "no manifest": without("manifest.json"),
    "a manifest that is none": part("manifest.json", b"[]"),
    "a manifest that is no JSON": part("manifest.json", b"\xff{"),
    "another format": manifest(format="other"),
    "a newer version": manifest(version=2),
    "a version that is none": manifest(version=True),
    "a project that is none": manifest(project=5),
    "a project without a name": manifest(project={"id": "0" * 24}),
    "an id that is none": manifest(project={"id": "../x", "name": "x", "workspace_path": "/x"}),
    "a lineage that is none": manifest(lineage={"a": 1}),
    "a cause that is none": manifest(lineage=[{"output_project_id": "0" * 24, "claude_session_id": "x", "cause": "x"}]),
    "options that are none": manifest(options="all"),
    "a model that is none": manifest(options={"model": 5}),
    "a model that is an option": manifest(options={"model": "--dangerously"}),
    "a time that is none": manifest(exported_at="yesterday"),
    "a line that is no JSON": part("events.jsonl", b"{\n"),
    "a line of another kind": part("commands.jsonl", b'{"name": 1}\n'),
    "a line that is cut off": part("milestones.jsonl", b'{"id": "'),
    "a text that is none": part(
        "commands.jsonl", b'{"id": "%s", "output_project_id": "%s", "text": 5}\n' % (b"0" * 24, b"0" * 24)
    ),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_file_that_does_not_fit_leaves_nothing(
    here: Place, there: Place, worked: OutputProject, change: Change
) -> None:
    with zipfile.ZipFile(io.BytesIO(await here.export(worked))) as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    change(parts)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for name, text in parts.items():
            packed.writestr(name, text)
    before = there.files()
    with pytest.raises(InvalidBody):
        await there.imports.load(file)
    assert there.files() == before
    assert (await there.store.list_projects()).total == 0


async def test_a_file_that_is_cut_off_or_altered_leaves_nothing(
    here: Place, there: Place, worked: OutputProject
) -> None:
    whole = await here.export(worked)
    before = there.files()
    for size in range(0, len(whole), max(1, len(whole) // 40)):
        with pytest.raises(InvalidBody):
            await there.imports.load(io.BytesIO(whole[:size]))
    begins = whole.index(b"manifest.json")  # its data come after its name
    damaged = (
        whole[: begins + 40] + bytes(byte ^ 0x55 for byte in whole[begins + 40 : begins + 60]) + whole[begins + 60 :]
    )
    with pytest.raises(InvalidBody):
        await there.imports.load(io.BytesIO(damaged))
    assert there.files() == before
    assert (await there.store.list_projects()).total == 0


async def test_a_bomb_is_refused_before_it_is_unpacked(
    here: Place, there: Place, worked: OutputProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = io.BytesIO(await here.export(worked))
    monkeypatch.setattr(archive, "TOTAL_LIMIT_BYTES", 1000)
    with pytest.raises(InvalidBody, match="larger"):
        await there.imports.load(file)
    monkeypatch.undo()
    monkeypatch.setattr(archive, "LINE_LIMIT_BYTES", 100)
    with pytest.raises(InvalidBody, match=r"too large|too long"):
        await there.imports.load(file)
