"""The extension in its server: found, configured, alone on its workspaces, and gone without a trace."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from traitlets import Float, Integer, TraitError
from traitlets.config import Config

from tests.server.api import UNKNOWN_ID, Api
from tests.server.conftest import make_server
from tests.server.sockets import Socket
from tests.support.server import WxServer
from tests.support.terminal import processes_with, until
from wxcode_jupyter._version import __version__
from wxcode_jupyter.server.extension import WxcodeApp

#: interfaces.md, section 7.
NAMES = set(
    "store_url workspace_root claude_command claude_args permission_mode trust_own_workspaces new_project_command tui "
    "milestone_command allowed_workspace_roots max_sessions idle_timeout_s scrollback_limit_bytes language env_allow "
    "env_deny".split()
)
TRAITS = WxcodeApp.class_own_traits(config=True)


def test_jupyter_finds_it_enabled_and_ok(tmp_path: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        **{f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("CONFIG", "DATA", "RUNTIME")},
    }
    listing = subprocess.run(
        [sys.executable, "-m", "jupyter_server", "extension", "list"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    text = re.sub(r"\x1b\[\d*m", "", listing.stdout + listing.stderr)

    assert re.search(r"^\s*wxcode_jupyter enabled$", text, re.M), text
    assert re.search(rf"^\s*wxcode_jupyter {re.escape(__version__)} OK$", text, re.M), text


class TestConfiguration:
    def test_every_promised_name_is_there(self) -> None:
        assert set(TRAITS) >= NAMES

    @pytest.mark.parametrize("name", sorted(TRAITS))
    def test_every_trait_explains_itself(self, name: str) -> None:
        trait = TRAITS[name]

        assert len(trait.help) > 20
        if isinstance(trait, Integer | Float):
            unit = "bytes" if name.endswith("_bytes") else "in seconds" if name.endswith("_s") else "number of"
            assert unit in trait.help

    def test_defaults(self) -> None:
        config = WxcodeApp().to_config()

        assert config.claude_command == ("claude",)
        assert config.permission_mode == "default"
        assert config.idle_timeout_s == 0
        assert config.workspace_root == os.path.expanduser("~/.wxcode/workspaces")
        assert not config.trust_own_workspaces

    def test_what_is_configured_arrives(self, monkeypatch: pytest.MonkeyPatch) -> None:
        chosen: dict[str, Any] = {
            "store_url": "sqlite:///srv/wx.sqlite3",
            "workspace_root": "/srv/workspaces",
            "claude_command": ["node", "cli.js"],
            "claude_args": ["--debug"],
            "permission_mode": "plan",
            "trust_own_workspaces": True,
            "new_project_command": "/gsd:new-project @{brief_path}",
            "milestone_command": "/wxcode:new-milestone {context_path}",
            "allowed_workspace_roots": ["/srv"],
            "max_sessions": 3,
            "idle_timeout_s": 1.5,
            "scrollback_limit_bytes": 1 << 21,
            "language": "pt-BR",
            "tui": "fullscreen",
            "env_allow": ["JPY_X"],
            "env_deny": ["AWS_*"],
        }
        assert set(chosen) == NAMES

        config = WxcodeApp(config=Config({"WxcodeApp": chosen})).to_config()

        for name, value in chosen.items():
            assert getattr(config, name) == (tuple(value) if isinstance(value, list) else value)

    def test_the_environment_names_a_store_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WXCODE_STORE_URL", "mongodb://from-environment/")
        assert WxcodeApp().to_config().store_url == "mongodb://from-environment/"
        assert WxcodeApp(store_url="mongodb://chosen/").to_config().store_url == "mongodb://chosen/"

    @pytest.mark.parametrize(
        ("name", "value", "says"),
        [
            ("permission_mode", "yolo", "bypassPermissions"),
            ("language", "de", "pt-BR"),
            ("tui", "classic", "fullscreen"),
            ("claude_command", [], "name"),
            ("claude_args", ["--resume", "x"], "resumed by itself"),
            ("claude_args", ["--dangerously-skip-permissions"], "permission_mode"),
            ("claude_args", ["-p"], "-p"),
            ("milestone_command", "/x {nonsense}", "{context_path}"),
            ("milestone_command", "/x {", "milestone_command"),
            ("new_project_command", "/x {context_path}", "{brief_path}"),
            ("max_sessions", 0, "1"),
            ("idle_timeout_s", -1.0, "0"),
            ("scrollback_limit_bytes", 1000, "1048576"),
        ],
    )
    def test_what_cannot_be_is_refused(self, name: str, value: Any, says: str) -> None:
        with pytest.raises(TraitError) as raised:
            WxcodeApp(config=Config({"WxcodeApp": {name: value}}))

        assert name in str(raised.value)
        assert says in str(raised.value)

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({"claude_args": ["--resume", "x"], "max_sessions": 7}, "claude_args: The argument --resume is refused"),
            (
                {"store_url": "redis://user:hunter2@127.0.0.1/"},
                "'redis://user:***@127.0.0.1/' is no address of a store",
            ),
        ],
    )
    def test_no_server_starts_with_it(self, options: dict[str, Any], says: str, tmp_path: Path) -> None:
        server = make_server(tmp_path, **options)
        with pytest.raises(AssertionError):
            server.start()

        last = server.log().splitlines()[-1]
        assert "Bad configuration of wxcode_jupyter" in last
        assert says in last
        assert "Traceback" not in server.log()
        assert "hunter2" not in server.log()


class TestTwoServers:
    @pytest.fixture
    def workspace(self, folder: Path, request: pytest.FixtureRequest) -> Path:
        workspace = folder / "shared" / re.sub(r"\W", "-", request.node.name)
        workspace.mkdir(parents=True)
        return workspace

    def test_with_stores_of_their_own(self, server: WxServer, other_server: WxServer, workspace: Path) -> None:
        with make_api(server, workspace) as (here, path), make_api(other_server, workspace) as (there, other):
            here.json("POST", f"{path}/session")
            self.check_held(there, other, by=server)

            here.json("DELETE", f"{path}/session")
            there.json("POST", f"{other}/session")
            self.check_held(here, path, by=other_server)
            there.json("DELETE", f"{other}/session")

    async def test_with_one_store(self, server: WxServer, folder: Path, workspace: Path) -> None:
        """The second shares data folder, runtime folder and keeper; it must not touch what the first has there."""
        with (
            make_server(folder / "main", allowed_workspace_roots=[str(folder)]) as second,
            Api(second) as there,
            make_api(server, workspace) as (here, path),
        ):
            async with await Socket.connect(server, f"{path}/terminal") as client:
                session_id = (await client.wait_connected())["session_id"]
                await client.wait_text("stand-in up")

                self.check_held(there, path, by=server)

                await client.type("hook SessionStart\r")
                await until(lambda: there.json("GET", path)["claude_session_id"] == session_id)
                await client.type("echo still th''ere\r")
                await client.wait_text("still there")

            here.json("DELETE", f"{path}/session")
            there.json("POST", f"{path}/session")
            self.check_held(here, path, by=second)

    def check_held(self, api: Api, path: str, *, by: WxServer) -> None:
        """Check that a start is refused, and that it says who is in the way, without saying too much."""
        error = api.refused("POST", f"{path}/session", 409, "held_elsewhere")

        holder = error["details"]["holder"]
        assert holder["url"] == by.url
        assert holder["pid"] == by.pid
        assert holder["host"]
        assert by.url in error["message"]
        assert by.token not in str(error)
        assert api.json("GET", f"{path}/session")["state"] in ("stopped", "exited")


@contextmanager
def make_api(server: WxServer, workspace: Path) -> Iterator[tuple[Api, str]]:
    """Give a client of a server, and the route of a project of this workspace there; its session ends with it."""
    with Api(server) as api:
        path = f"/output-projects/{api.create_project(workspace.name, workspace_path=str(workspace))['id']}"
        yield api, path
        api.json("DELETE", f"{path}/session")


class TestShutdown:
    """Every process of a server's world has its HOME: server, keeper, emulator, session, and what runs in it."""

    @pytest.fixture
    def working(self, tmp_path: Path) -> Iterator[WxServer]:
        server = make_server(tmp_path / "it").start()
        try:
            with Api(server) as api:
                for name in ("one", "two"):
                    path = f"/output-projects/{api.create_project(name)['id']}"
                    api.json("POST", f"{path}/session")
                    api.get(f"{path}/screen")  # the emulator is up
            yield server
        finally:
            server.stop()

    def processes(self, server: WxServer) -> list[int]:
        return processes_with(f"HOME={server.folder / 'home'}")

    async def test_in_order(self, working: WxServer) -> None:
        assert len(self.processes(working)) >= 4

        working.stop()

        await until(lambda: self.processes(working) == [])
        self.check_nothing_is_left(working)
        assert "Traceback" not in working.log()
        assert "ERROR" not in working.log()

    async def test_killed(self, working: WxServer) -> None:
        working.kill()

        await until(lambda: self.processes(working) == [])
        with make_server(working.folder) as again, Api(again) as api:
            for project in api.json("GET", "/output-projects")["projects"]:
                path = f"/output-projects/{project['id']}"
                assert api.json("POST", f"{path}/session")["state"] == "starting"
                assert api.json("DELETE", f"{path}/session")["exit_code"] == -signal.SIGTERM
        await until(lambda: self.processes(working) == [])
        self.check_nothing_is_left(working)

    def check_nothing_is_left(self, server: WxServer) -> None:
        data = server.folder / "jupyter" / "data" / "wxcode"
        assert list(data.glob("sessions/*/*")) == []
        assert list(server.folder.glob("workspaces/*/.milestones/.holder.json")) == []
        assert list((server.folder / "jupyter" / "runtime").rglob("*.sock")) == []


async def test_a_store_that_is_down(tmp_path: Path) -> None:
    """The server starts, its log and every route that needs the store say so, and what needs none works."""
    routes = [
        ("GET", "/output-projects"),
        ("GET", f"/output-projects/{UNKNOWN_ID}/session"),
        ("POST", f"/output-projects/{UNKNOWN_ID}/session"),
        ("GET", "/milestones"),
        ("GET", f"/commands/{UNKNOWN_ID}"),
    ]
    with make_server(tmp_path, store_url="mongodb://user:hunter2@127.0.0.1:9/wx") as server, Api(server) as api:
        with ThreadPoolExecutor(len(routes) + 1) as threads:
            doctor = threads.submit(api.json, "GET", "/doctor")
            refusals = [threads.submit(api.refused, *route, 503, "store_unavailable") for route in routes]
            errors = [refusal.result() for refusal in refusals]
        assert all("mongodb://user:***@127.0.0.1:9" in error["message"] for error in errors)
        checks = {check["name"]: check for check in doctor.result()["checks"]}
        assert not checks["store"]["ok"]
        assert "WXCODE_STORE_URL" in checks["store"]["remedy"]
        info = api.json("GET", "/info")
        assert info["store_kind"] == "mongodb"

        await until(lambda: "127.0.0.1:9" in server.log())
        at_start = [line for line in server.log().splitlines() if "127.0.0.1:9" in line and "wxcode: " not in line]
        assert len(at_start) == 1
        assert "mongodb://user:***@127.0.0.1:9" in at_start[0]

        assert "hunter2" not in f"{errors} {checks} {info} {server.log()}"
        assert "Traceback" not in server.log()
