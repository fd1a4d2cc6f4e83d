"""Real runtime files, and real HTTP to stand-ins for servers; tests/magics/test_headless.py meets the real one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_api import TOKEN, FakeApi
from wxcode_jupyter import Client
from wxcode_jupyter.client import ServerInfo, discovery
from wxcode_jupyter.client.transport import Endpoint
from wxcode_jupyter.errors import HeldElsewhere, ServerUnreachable


class Runtime:
    """This user's runtime directory, and servers announced in it under pids of live processes."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack

    def process(self) -> int:
        """Return the pid of a process that lives as long as the test."""
        process = self._stack.enter_context(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE))
        assert process.stdin is not None
        self._stack.callback(process.stdin.close)
        return process.pid

    def announce(self, api: FakeApi, *, pid: int | None = None, **fields: Any) -> Endpoint:
        """Serve the API and announce it."""
        pid = pid or self.process()
        url = self._stack.enter_context(api.serve())
        info = {"url": url, "token": TOKEN, "pid": pid, "sock": "", **fields}
        (self.folder / f"jpserver-{pid}.json").write_text(json.dumps(info))
        return Endpoint(url, TOKEN, None, pid)


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    for name in ("runtime", "data", "config"):
        (tmp_path / name).mkdir(mode=0o700)
        monkeypatch.setenv(f"JUPYTER_{name.upper()}_DIR", str(tmp_path / name))
    monkeypatch.setattr(discovery, "_PROBE_TIMEOUT_S", 10.0)
    with ExitStack() as stack:
        yield Runtime(tmp_path / "runtime", stack)


def ours(tmp_path: Path) -> FakeApi:
    api = FakeApi()
    api.store_url = f"sqlite:///{tmp_path}/data/wxcode/wxcode.sqlite3"
    return api


def find(**environ: str) -> Endpoint:
    return discovery.find(environ, start=False)


def test_the_named_server_comes_first(runtime: Runtime, tmp_path: Path) -> None:
    runtime.announce(ours(tmp_path))
    named = FakeApi()
    with named.serve() as url:
        found = find(WXCODE_SERVER_URL=url, WXCODE_TOKEN=TOKEN)
        assert (found.url, found.token) == (url, TOKEN)
        assert find(WXCODE_SERVER_URL=f"{url}?token={TOKEN}") == found


@pytest.mark.parametrize(
    ("url", "hint"), [("localhost:8888", "no address"), ("http://127.0.0.1:1/", "does not answer")]
)
def test_a_named_server_that_is_none_is_an_error(runtime: Runtime, tmp_path: Path, url: str, hint: str) -> None:
    runtime.announce(ours(tmp_path))
    with pytest.raises(ServerUnreachable, match=hint):
        find(WXCODE_SERVER_URL=url, WXCODE_TOKEN=TOKEN)


def test_a_wrong_token_is_told_and_not_shown(runtime: Runtime) -> None:
    with FakeApi().serve() as url, pytest.raises(ServerUnreachable, match="WXCODE_TOKEN") as caught:
        find(WXCODE_SERVER_URL=url, WXCODE_TOKEN="wrong-and-secret")
    assert "wrong-and-secret" not in str(caught.value)


def test_the_server_that_started_the_kernel(runtime: Runtime, tmp_path: Path) -> None:
    parent = runtime.announce(FakeApi())  # with another store: it is the parent that counts
    runtime.announce(ours(tmp_path))
    assert find(JPY_PARENT_PID=str(parent.pid)).url == parent.url


def test_a_parent_without_us_is_passed_over(runtime: Runtime, tmp_path: Path) -> None:
    without = FakeApi()
    without.base_path = "/nothing/"
    parent = runtime.announce(without)
    same = runtime.announce(ours(tmp_path))
    assert find(JPY_PARENT_PID=str(parent.pid)).url == same.url
    assert find(JPY_PARENT_PID=str(runtime.process())).url == same.url  # papermill: no server at all
    assert find(JPY_PARENT_PID="").url == same.url


def test_a_server_with_another_store_is_not_ours(runtime: Runtime, tmp_path: Path) -> None:
    runtime.announce(FakeApi())
    with pytest.raises(ServerUnreachable, match="running"):
        find()
    mongo = FakeApi()
    mongo.store_kind, mongo.store_url = "mongodb", "mongodb://me:***@h:1/wxcode?w=1"
    announced = runtime.announce(mongo)
    assert find(WXCODE_STORE_URL="mongodb://me:se/c@ret@h:1").url == announced.url
    with pytest.raises(ServerUnreachable, match="running"):
        find(WXCODE_STORE_URL="mongodb://me:secret@h:1/other")


def test_stale_files_are_passed_over(runtime: Runtime, tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    runtime.announce(ours(tmp_path), pid=gone.pid)
    (runtime.folder / "jpserver-1.json").write_text("{")
    (runtime.folder / "jpserver-2.json").write_text("[]")
    assert list(discovery.announced()) == []


def test_the_newest_is_asked_first(runtime: Runtime, tmp_path: Path) -> None:
    first, second = runtime.announce(ours(tmp_path)), runtime.announce(ours(tmp_path))
    os.utime(runtime.folder / f"jpserver-{first.pid}.json", (1, 1))
    assert [item.url for item in discovery.announced()] == [second.url, first.url]


@pytest.mark.parametrize(
    ("store_url", "environ", "shared"),
    [
        ("mongodb://h/wxcode", {"WXCODE_STORE_URL": "mongodb://h"}, True),
        ("mongodb://h/wxcode", {}, False),
        ("sqlite:////a/b.sqlite3", {"WXCODE_STORE_URL": "sqlite:////a/b.sqlite3"}, True),
        ("sqlite:////elsewhere/b.sqlite3", {}, False),
    ],
)
def test_what_the_same_store_is(store_url: str, environ: dict[str, str], shared: bool) -> None:
    kind = "mongodb" if store_url.startswith("mongodb") else "embedded"
    assert discovery.shares_store(ServerInfo("0", store_url, kind, "/w", 1), environ) is shared


def held_by(holder: dict[str, Any]) -> tuple[int, Any]:
    return 409, {"message": "The workspace is held.", "reason": "held_elsewhere", "details": {"holder": holder}}


def test_a_held_project_is_followed_to_its_holder(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    home, away = FakeApi(), FakeApi()
    holder = runtime.announce(away)
    with home.serve() as url, Client(Endpoint(url, TOKEN)) as client:
        project = client.create_project("demo")
        away.projects, away.sessions = home.projects, dict(home.sessions)
        real = home.answer

        def refuse(method: str, path: str, body: Any) -> tuple[int, Any]:
            if path.endswith("/session"):
                return held_by({"url": holder.url, "pid": holder.pid, "host": socket.gethostname()})
            return real(method, path, body)

        monkeypatch.setattr(home, "answer", refuse)
        client.start_session(project)
        assert client.session(project).pid == 4711
        assert [path for _, path, _ in away.requests] == [f"output-projects/{project.id}/session"] * 2
        assert client.project("demo") == project


@pytest.mark.parametrize("holder", [{"url": "http://far:1/", "pid": 1, "host": "far"}, {"url": None, "pid": 1}, None])
def test_a_holder_out_of_reach_is_named(runtime: Runtime, holder: dict[str, Any] | None) -> None:
    error = HeldElsewhere("The workspace is held.", holder=holder)
    with pytest.raises(HeldElsewhere, match="WXCODE_SERVER_URL") as caught:
        discovery.holder_of(error, asked=Endpoint("http://h:1/"))
    assert caught.value.holder == holder
