"""Sessions that outlive their server, as a second server finds them; a stand-in runs in claude's place."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.support.job import alive, until
from tests.support.kept import Servers, begin
from tests.support.mongod import Mongod
from tests.support.processes import processes_of


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    with Servers(tmp_path) as servers:
        yield servers


def test_the_next_server_has_the_session_from_its_start(servers: Servers) -> None:
    first, api = servers.start()
    path, pid = begin(api)
    first.kill()
    _, api = servers.start()
    assert api.json("GET", path)["pid"] == pid
    assert api.json("POST", path, json={})["pid"] == pid
    assert "stop it" in api.refused("POST", path, 409, "session_alive", json={"fresh": True})["message"]
    api.json("DELETE", path)
    until(lambda: not alive(pid))
    assert api.json("POST", path, json={})["pid"] != pid


def test_a_server_that_does_not_keep_sessions_takes_over_and_ends_them(servers: Servers) -> None:
    first, api = servers.start()
    path, pid = begin(api)
    first.stop()
    assert alive(pid)
    second, api = servers.start(keep_sessions=False)
    assert api.json("GET", path)["pid"] == pid
    second.stop()
    assert not alive(pid)


def test_one_that_ended_while_nobody_was_there_is_started_again(servers: Servers) -> None:
    first, api = servers.start()
    path, pid = begin(api)
    first.kill()
    os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid))
    _, api = servers.start()
    assert api.json("GET", path)["state"] == "stopped"
    assert api.json("POST", path, json={})["pid"] != pid


def test_a_server_with_another_store_leaves_them_alone(servers: Servers) -> None:
    first, api = servers.start()
    path, pid = begin(api)
    first.kill()
    with Mongod() as mongod:
        other, api = servers.start(store_url=f"{mongod.url}/wxcode")
        api.refused("GET", path, 404, "not_found")
        workspace = str(servers.folder / "workspaces" / "taxes")
        taken = api.create_project("mine", workspace_path=workspace)["id"]
        held = api.refused("POST", f"/output-projects/{taken}/session", 409, "held_elsewhere", json={})
        assert "keeper stop" in held["message"]
        other.stop()
    assert alive(pid)
    _, api = servers.start()
    assert api.json("GET", path)["pid"] == pid


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_what_could_not_be_taken_over_at_the_start_is_when_it_is_asked_for(servers: Servers, method: str) -> None:
    with Mongod() as mongod:
        url = f"{mongod.url}/wxcode"
        first, api = servers.start(store_url=url)
        path, pid = begin(api)
        first.kill()
        mongod.stop()
        server, api = servers.start(store_url=url)
        until(lambda: "not taken over" in server.log())
        mongod.start()
        until(lambda: api.get(path).status_code == 200)
        answer = api.json("POST", path, json={}) if method == "POST" else api.json("DELETE", path)
        assert answer["pid"] == (pid if method == "POST" else None)
        assert alive(pid) is (method == "POST")
        server.stop()


def test_what_writes_nothing_for_long_is_ended_although_no_server_comes(servers: Servers) -> None:
    first, api = servers.start(silence_limit_s=1.0)
    path, pid = begin(api)
    first.kill()
    until(lambda: not alive(pid))
    _, api = servers.start()
    assert api.json("GET", path)["state"] == "stopped"
    assert api.json("POST", path, json={})["pid"] != pid


def test_after_a_reboot_the_last_screen_is_shown_and_the_conversation_resumed(servers: Servers) -> None:
    first, api = servers.start()
    path, pid = begin(api)
    screen = path.replace("/session", "/screen")
    until(lambda: "stand-in up" in api.get(screen).text)
    assert api.get(screen).headers["Wxcode-Session"] == "live"
    keeper = next(pid for pid, line in processes_of(first.folder / "home").items() if "terminal.keeper" in line)
    first.kill()
    os.kill(keeper, signal.SIGKILL)
    until(lambda: not alive(pid))
    _, api = servers.start()
    assert api.json("GET", path)["state"] == "stopped"
    shown = api.get(screen)
    assert "stand-in up: session-id" in shown.text
    assert shown.headers["Wxcode-Session"] == "ended"
    assert api.json("POST", path, json={})["pid"] != pid
    until(lambda: api.get(screen).headers["Wxcode-Session"] == "live")


def test_the_screen_of_a_session_that_another_server_has_is_that_of_a_live_one(servers: Servers) -> None:
    _, api = servers.start()
    path, _ = begin(api)
    screen = path.replace("/session", "/screen")
    until(lambda: "stand-in up" in api.get(screen).text)
    _, other = servers.start()
    shown = other.get(screen)
    assert "stand-in up" in shown.text
    assert shown.headers["Wxcode-Session"] == "live"
    api.json("DELETE", path)


def test_a_session_that_never_wrote_has_no_last_screen(servers: Servers) -> None:
    _, api = servers.start()
    path, _ = begin(api)
    [sessions] = servers.folder.glob(f"**/sessions/{path.split('/')[2]}")
    project = api.create_project("no taxes")["id"]
    (sessions.parent / project / "0123456789abcdef01234567").mkdir(parents=True)  # the server died before the spawn
    api.refused("GET", f"/output-projects/{project}/screen", 409, "session_not_running")
    api.json("DELETE", path)


def test_at_a_server_without_a_user_only_what_works_goes_on(servers: Servers) -> None:
    first, api = servers.start(headless=True, claude_args=["--box"])
    (path, pid), (other, busy) = begin(api), begin(api, "busy")
    until(lambda: api.json("GET", path)["state"] == "idle")
    api.json("POST", other.replace("/session", "/commands"), 202, json={"text": "wait for it"})
    until(lambda: api.json("GET", other)["state"] == "busy")
    first.stop()
    assert (alive(pid), alive(busy)) == (False, True)
    assert "1 session(s) go on without this server" in first.log()
    _, api = servers.start(claude_args=["--box"])
    until(lambda: [api.json("GET", each)["state"] for each in (path, other)] == ["stopped", "busy"])


def test_work_is_activity_and_to_idle_is_none(servers: Servers) -> None:
    server, api = servers.start(claude_args=["--box"])
    path, _ = begin(api)

    def active_at() -> datetime:
        status = httpx.get(f"{server.url}api/status", headers={"Authorization": f"token {server.token}"}).json()
        return datetime.fromisoformat(status["last_activity"])

    until(lambda: api.json("GET", path)["state"] == "idle")
    api.json("POST", path.replace("/session", "/commands"), 202, json={"text": "wait for it"})
    until(lambda: api.json("GET", path)["state"] == "busy")
    since = datetime.now(UTC)  # nothing is asked of the API from here on but the status, which is no activity
    until(lambda: active_at() > since)
