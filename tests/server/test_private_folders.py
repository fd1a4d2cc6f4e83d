"""What is ours alone is looked at when the server starts."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tests.server.api import Api
from tests.server.conftest import make_server
from tests.support.job import until

OTHER = 4242


def test_what_was_open_to_others_is_closed_and_said_once(tmp_path: Path) -> None:
    data = tmp_path / "jupyter" / "data" / "wxcode"
    session = data / "sessions" / "1"
    session.mkdir(parents=True)
    for folder in (data, data / "sessions", session):
        folder.chmod(0o777)
    (session / "settings.json").write_text("{}")
    (session / "settings.json").chmod(0o644)
    runtime = tmp_path / "jupyter" / "runtime" / "wxcode"
    runtime.mkdir(parents=True)
    runtime.chmod(0o755)

    with make_server(tmp_path) as server:
        for path in (data, session, runtime):
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert stat.S_IMODE((session / "settings.json").stat().st_mode) == 0o600
        said = [line for line in server.log().splitlines() if "open to other users" in line]
    told = "4 files and folders were open to other users, and are closed now"
    assert said[0].endswith(f"{told}: {data}, {data}/sessions, {session}, ...")
    assert len(said) == 2


def test_what_somebody_else_owns_keeps_the_server_from_starting(tmp_path: Path) -> None:
    planted = tmp_path / "jupyter" / "data" / "wxcode" / "wxcode.sqlite3"
    planted.parent.mkdir(parents=True)
    planted.write_bytes(b"")
    server = make_server(tmp_path)
    me = os.geteuid()
    if me == 0:
        os.chown(planted, OTHER, OTHER)
        told = f"{planted} belongs to user {OTHER}, and only user 0"
    else:  # who cannot give anything away is told to be somebody else
        config = tmp_path / "jupyter" / "config" / "jupyter_config.py"
        lines = "import wxcode_jupyter.service.privacy as privacy\nprivacy.secure.__kwdefaults__['me'] = 4242\n"
        config.write_text(config.read_text() + lines)
        told = f"{planted.parent} belongs to user {me}, and only user {OTHER}"

    server.begin()
    try:
        assert until(lambda: server.exit_code, what="the server's end") == 1
    finally:
        server.stop()
    last = server.log().splitlines()[-1]
    assert "wxcode_jupyter refuses to run: " in last
    assert told in last
    assert "chown" in last
    assert planted.read_bytes() == b""


def test_whatever_the_umask_is_nothing_of_ours_is_open_to_others(tmp_path: Path) -> None:
    server = make_server(tmp_path)
    config = tmp_path / "jupyter" / "config" / "jupyter_config.py"
    config.write_text(f"import os\nos.umask(0)\n{config.read_text()}")
    with server, Api(server) as api:
        project = api.create_project("open")
        path = f"/output-projects/{project['id']}"
        api.json("POST", f"{path}/session")
        until(lambda: list((tmp_path / "jupyter" / "data" / "wxcode").glob("sessions/*/*/journal/*")))
        found = open_to_others(tmp_path / "jupyter" / "data" / "wxcode")
        found |= open_to_others(tmp_path / "jupyter" / "runtime" / "wxcode")
        found |= open_to_others(tmp_path / "home" / ".wxcode")
        holder = tmp_path / "home" / ".wxcode" / "projects" / project["id"] / ".milestones"
    # In a workspace it is like the workspace's own; here nobody gets to it.
    assert found == {str(holder): "drwxr-xr-x"}


def open_to_others(folder: Path) -> dict[str, str]:
    """Return what others may do something with, and how."""
    found = {}
    for path in (folder, *folder.rglob("*")):
        mode = path.lstat().st_mode
        if mode & 0o077 and not stat.S_ISLNK(mode):
            found[str(path)] = stat.filemode(mode)
    return found
