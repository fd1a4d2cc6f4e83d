"""One process per project, whoever starts it; its end, whatever ends it; and nothing left behind."""

from __future__ import annotations

import asyncio
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.cli import each_cli
from tests.support.job import Job, alive, command_line_of, open_descriptors, until
from tests.support.processes import cli_processes, processes_of
from tests.support.server import WxServer
from wxcode_jupyter.client.values import Project
from wxcode_jupyter.errors import CliMissing, HeldElsewhere
from wxcode_jupyter.models import CommandStatus, SessionInfo, SessionState
from wxcode_jupyter.store import open_store
from wxcode_jupyter.testing.scripted_model import Rule, Say, Use

pytestmark = [pytest.mark.cli, pytest.mark.timeout(180)]

STARTS = 30


@each_cli
def test_thirty_starts_at_once_give_one_process(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version) as job, job.server.client() as other, httpx.Client() as rest:
        project = job.project()

        def start(number: int) -> int | None:
            if number % 3 == 2:
                answer = rest.post(session_url(job.server, project), headers=authorized(job.server), json={})
                return int(answer.raise_for_status().json()["pid"])
            return (job.client if number % 3 else other).start_session(project).pid

        with ThreadPoolExecutor(STARTS) as pool:
            pids = list(pool.map(start, range(STARTS)))
        assert len(set(pids)) == 1
        assert cli_processes(job.home.path, job.executable) == pids[:1]
        job.ask(project, "hello")
        assert cli_processes(job.home.path, job.executable) == pids[:1]
        assert [event.type for event in job.client.events(project)].count("session_started") == 1


@each_cli
def test_a_second_server_finds_the_workspace_held_and_its_client_follows(
    tmp_path: Path, cli_version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Job(tmp_path, cli_version) as job, job.new_server() as second, second.client() as there:
        monkeypatch.setenv("JUPYTER_RUNTIME_DIR", job.server.environment()["JUPYTER_RUNTIME_DIR"])
        project = job.project()
        job.ask(project, "said to the first")
        held = job.client.session(project)

        refused = httpx.post(session_url(second, project), headers=authorized(second), json={})
        assert refused.status_code == 409
        assert refused.json()["reason"] == "held_elsewhere"
        assert refused.json()["details"]["holder"] | {"host": ""} == {
            "url": job.server.url,
            "pid": job.server.pid,
            "host": "",
        }

        assert there.start_session(project).pid == held.pid
        assert job.done(there.send(project, "said through the second")).claude_session_id == held.claude_session_id
        assert job.model.prompts == ["said to the first", "said through the second"]

        job.client.stop(project)
        taken = httpx.post(session_url(second, project), headers=authorized(second), json={})
        assert taken.status_code == 200
        assert taken.json()["claude_session_id"] == held.claude_session_id
        assert job.client.start_session(project).pid == taken.json()["pid"], "the first one's client follows as well"


@each_cli
def test_a_server_with_a_store_of_its_own_cannot_take_the_same_workspace(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version) as job:
        project = job.project()
        held = job.client.start_session(project)
        second = job.new_server(folder=tmp_path / "second", allowed_workspace_roots=[str(tmp_path)])
        with second, second.client() as there:
            same_folder = there.create_project("other", workspace_path=str(job.workspace))
            with pytest.raises(HeldElsewhere) as refused:
                there.start_session(same_folder)
            assert refused.value.holder["pid"] == job.server.pid
            with pytest.raises(HeldElsewhere):
                there.send(same_folder, "not to be typed")
            assert there.commands(same_folder) == ()
            assert cli_processes(job.home.path, job.executable) == [held.pid]

            job.client.stop(project)
            there.send(same_folder, "now it is free")
            job.model.wait_for(lambda: job.model.prompts == ["now it is free"])


def test_a_missing_cli_is_told_before_anything_is_queued(tmp_path: Path) -> None:
    with Job(tmp_path, "2.1.330", claude_command=["claude-that-is-not-there"]) as job:
        project = job.project()
        for act in (job.client.start_session, lambda project: job.client.send(project, "hello")):
            with pytest.raises(CliMissing, match="npm install"):
                act(project)
        assert job.client.commands(project) == ()
        assert job.client.session(project).state is SessionState.STOPPED
        assert job.client.get_project(project).claude_session_id is None
        assert sessions_folders(job, project) == []


def test_a_cli_that_ends_at_once_is_told_with_what_it_said(tmp_path: Path) -> None:
    program = tmp_path / "broken"
    program.write_text("#!/bin/sh\necho boom: no such thing\nexit 3\n")
    program.chmod(0o700)
    with Job(tmp_path, "2.1.330", claude_command=[str(program)]) as job:
        project = job.project()
        command = job.client.send(project, "hello")
        exited = job.until_state(project, SessionState.EXITED)
        assert exited.exit_code == 3
        assert "boom: no such thing" in exited.message
        assert exited.screen == "boom: no such thing"
        assert (exited.queued, job.client.command(command).status) == (1, CommandStatus.QUEUED)
        assert job.client.get_project(project).claude_session_id is None
        until(lambda: sessions_folders(job, project) == [])


@each_cli
def test_a_killed_cli_is_noticed_and_its_conversation_resumed(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version) as job:
        project = job.project()
        job.ask(project, "before the kill")
        before = job.client.session(project)
        kill(before)
        exited = job.until_state(project, SessionState.EXITED)
        assert (exited.exit_code, exited.pid) == (-signal.SIGKILL, None)
        after = job.client.start_session(project)
        assert after.claude_session_id == before.claude_session_id
        line = command_line_of(after.pid)
        assert line[line.index("--resume") + 1] == before.claude_session_id
        job.ask(project, "after the kill")
        assert job.model.user_texts(job.model.turn_requests[-1]) == ["before the kill", "after the kill"]
        assert job.transcripts() == [before.claude_session_id]


@each_cli
def test_a_killed_cli_leaves_no_tool_running(tmp_path: Path, cli_version: str) -> None:
    rules = [Rule("work", [Use("Bash", {"command": "tail -f /dev/null", "timeout": 600000}), Say("never said")])]
    with Job(tmp_path, cli_version, rules=rules) as job:
        project = job.project(permission_mode="bypassPermissions")
        job.client.send(project, "work for long")
        until(lambda: "tail -f /dev/null" in processes_of(job.home.path).values())
        kill(job.client.session(project))
        job.until_state(project, SessionState.EXITED)
        until(lambda: not any("tail -f" in line for line in processes_of(job.home.path).values()))


@each_cli
def test_claude_and_its_tools_see_neither_our_tokens_nor_an_enclosing_session(tmp_path: Path, cli_version: str) -> None:
    look = Rule("look", [Use("Bash", {"command": "env -0 > environment"}), Say("seen")])
    job = Job(tmp_path, cli_version, rules=[look])
    secret = {"JUPYTERHUB_API_TOKEN": "s-hub", "CONFIGPROXY_AUTH_TOKEN": "s-proxy", "WXCODE_TOKEN": "s-wxcode"}
    marks = {"CLAUDE_CODE_SSE_PORT": "1", "TMUX": "/nowhere,1,0", "TERM_PROGRAM": "vscode", "JPY_PARENT_PID": "1"}
    outside = job.home.env(FROM_THE_USER="kept", CLAUDECODE="1", **secret, **marks)
    job.server = WxServer(tmp_path, outside, job.executable)
    with job:
        project = job.project(permission_mode="bypassPermissions")
        job.ask(project, "look around")
        inside = dict(entry.split("=", 1) for entry in (job.workspace / "environment").read_text().split("\0") if entry)
        assert not inside.keys() & {"JUPYTER_TOKEN", *secret, *marks}
        assert not [name for name, value in inside.items() if job.server.token in value or value in secret.values()]
        assert (inside["FROM_THE_USER"], inside["PWD"]) == ("kept", str(job.workspace))


@each_cli
def test_starting_and_stopping_leaves_nothing_behind(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version) as job:
        project = job.project()

        def round_trip() -> None:
            job.client.start_session(project)
            job.until_state(project, SessionState.IDLE)
            terminal = job.terminal(project)
            terminal.wait_connected()
            assert job.client.stop(project).state is SessionState.EXITED
            assert terminal.wait_closed() == 1000
            terminal.close()

        round_trip()  # opens what stays open: the keeper's connection, the emulator's
        descriptors, others = open_descriptors(job.server.pid), set(processes_of(job.home.path))
        for _ in range(3):
            round_trip()
        until(lambda: open_descriptors(job.server.pid) <= descriptors)
        until(lambda: set(processes_of(job.home.path)) <= others, what=str(processes_of(job.home.path)))
        until(lambda: sessions_folders(job, project) == [])
        assert not (job.workspace / ".milestones").exists()


@each_cli
def test_the_servers_end_ends_the_cli_and_every_helper(tmp_path: Path, cli_version: str) -> None:
    rules = [Rule("work", [Use("Bash", {"command": "tail -f /dev/null", "timeout": 600000}), Say("never said")])]
    with Job(tmp_path, cli_version, rules=rules) as job:
        project = job.project(permission_mode="bypassPermissions")
        job.client.send(project, "work for long")
        pid = job.until_state(project, SessionState.BUSY).pid
        assert pid is not None
        until(lambda: "tail -f /dev/null" in processes_of(job.home.path).values())
        job.server.stop()
        until(lambda: not alive(pid), timeout_s=1.0)
        # The keeper stays three seconds longer, for a server that is only being restarted.
        until(lambda: not processes_of(job.home.path), timeout_s=10.0, what=str(processes_of(job.home.path)))


@each_cli
def test_two_projects_live_side_by_side(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version) as job:
        one, two = job.project("one"), job.client.create_project("two", trust=True)
        commands = [job.client.send(each, f"said to {each.name}") for each in (one, two)]
        ended = [job.done(command) for command in commands]
        sessions = [job.client.session(each) for each in (one, two)]
        assert len({session.pid for session in sessions}) == 2
        assert [command.claude_session_id for command in ended] == [each.claude_session_id for each in sessions]
        assert sorted(job.model.prompts) == ["said to one", "said to two"]
        assert job.transcripts() == [sessions[0].claude_session_id]

        job.client.stop(one)
        assert job.client.session(two).state is SessionState.IDLE
        job.ask(two, "said again")


@each_cli
def test_a_transcript_outlives_the_clis_own_cleaning(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version) as job:
        project = job.project()
        conversation = job.ask(project, "worth keeping").claude_session_id
        link = tmp_path / "jupyter/data/wxcode/transcripts" / project.id / f"{conversation}.jsonl"
        [original] = job.home.transcripts(job.workspace)
        assert link.samefile(original)
        job.ask(project, "this too")
        job.client.stop(project)
        original.unlink()
        assert "worth keeping" in link.read_text()
        assert "this too" in link.read_text()


@each_cli
def test_a_conversation_in_a_folder_whose_name_the_cli_shortens_is_resumed(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version) as job:
        folder = tmp_path.joinpath(*["a-part-of-a-long-path"] * 10)
        folder.mkdir(parents=True)
        project = job.client.create_project("deep", workspace_path=str(folder), trust=True)
        conversation = job.ask(project, "said in the depths").claude_session_id
        [original] = job.home.transcripts(folder)
        assert (original.stem, len(original.parent.name) < len(str(folder))) == (conversation, True)

        job.client.stop(project)
        after = job.client.start_session(project)
        assert after.claude_session_id == conversation
        line = command_line_of(after.pid)
        assert line[line.index("--resume") + 1] == conversation
        assert job.ask(project, "said again").claude_session_id == conversation
        assert job.model.user_texts(job.model.turn_requests[-1]) == ["said in the depths", "said again"]
        assert job.home.transcripts(folder) == [original]
        link = tmp_path / "jupyter/data/wxcode/transcripts" / project.id / original.name
        assert link.samefile(original)


@each_cli
def test_a_conversation_that_the_cli_compacts_by_itself_goes_on(tmp_path: Path, cli_version: str) -> None:
    full = 190_000  # tokens; the window below is the smallest that the CLI takes
    rules = [Rule("long", [Use("Bash", {"command": "pwd"}, context_tokens=full), Say("done", context_tokens=full)])]
    job = Job(tmp_path, cli_version, rules=rules)
    job.server = WxServer(tmp_path, job.home.env(CLAUDE_CODE_AUTO_COMPACT_WINDOW="100000"), job.executable)
    with job:
        project = job.project(permission_mode="bypassPermissions")
        job.ask(project, "an earlier one")
        compacted_in_the_turn = job.ask(project, "a long piece of work")
        compacted_before_it = job.ask(project, "and then?")

        assert compacted_in_the_turn.last_message == "done"
        assert compacted_before_it.last_message == "ok: and then?"
        assert job.model.prompts == ["an earlier one", "a long piece of work", "and then?"]
        events = job.client.events(project)
        sources = [event.data["source"] for event in events if event.type == "session_started"]
        assert sources == ["startup", "compact", "compact"]
        conversation = job.client.session(project).claude_session_id
        assert job.transcripts() == [conversation]
        assert asyncio.run(lineage(job, project)) == [(conversation, "new")]

        job.client.stop(project)
        assert job.client.start_session(project).claude_session_id == conversation
        assert job.ask(project, "still there?").claude_session_id == conversation


def session_url(server: WxServer, project: Project) -> str:
    return f"{server.url}wxcode/api/v1/output-projects/{project.id}/session"


def authorized(server: WxServer) -> dict[str, str]:
    return {"Authorization": f"token {server.token}"}


def sessions_folders(job: Job, project: Project) -> list[str]:
    """Return the folders of live and dead sessions that are left in the server's data."""
    folder = job.folder / "jupyter/data/wxcode/sessions" / project.id
    return os.listdir(folder) if folder.is_dir() else []


async def lineage(job: Job, project: Project) -> list[tuple[str, str]]:
    """Return the conversation ids of the project, and why each came to be."""
    store = open_store(None, str(job.folder / "jupyter/data/wxcode"))
    await store.open()
    try:
        return [(entry.claude_session_id, entry.cause.value) for entry in await store.load_lineage(project.id)]
    finally:
        await store.close()


def kill(session: SessionInfo) -> None:
    assert session.pid is not None
    os.kill(session.pid, signal.SIGKILL)
