"""The main job and its failures with every secret in reach, and then all that was left is searched for them."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pymongo
import pytest
import websocket

from tests.notebooks.rig import run, write_notebook
from tests.support.cli import CLI_VERSIONS
from tests.support.job import Job, phase_rule
from tests.support.mongod import Mongod
from tests.support.server import WxServer
from wxcode_jupyter import Client
from wxcode_jupyter.client.values import Project
from wxcode_jupyter.errors import ServerUnreachable, StoreUnavailable
from wxcode_jupyter.models import SessionState
from wxcode_jupyter.testing.claude_home import API_KEY

pytestmark = [pytest.mark.cli, pytest.mark.timeout(300)]

STORE_PASSWORD = "p4ssw0rd-of-the-store"
WRONG_TOKEN = "w7ong-token-that-somebody-typed"
#: What the CLI's own environment may have: it is the user's.
USERS = {"AWS_SECRET_ACCESS_KEY": "aws-s3cret-0f-the-user", "GITHUB_TOKEN": "ghp-t0ken-0f-the-user"}
#: And what it may not.
SERVERS = {
    "JUPYTERHUB_API_TOKEN": "hub-t0ken-0f-the-server",
    "CONFIGPROXY_AUTH_TOKEN": "pr0xy-token-of-the-hub",
    "JUPYTER_COOKIE_SECRET": "c00kie-secret-of-jupyter",
}


@pytest.fixture
def mongod() -> Iterator[Mongod]:
    with Mongod(authorization=True) as server:
        with pymongo.MongoClient[dict[str, Any]](server.url) as client:
            client.admin.command("createUser", "wx", pwd=STORE_PASSWORD, roles=["root"])
        yield server


def test_with_mongodb_no_secret_is_left_anywhere(tmp_path: Path, mongod: Mongod) -> None:
    url = f"mongodb://wx:{STORE_PASSWORD}@{mongod.location}/wx?authSource=admin"
    variables = {"WXCODE_STORE_URL": url, "A_COPY": f"mongodb://wx:{STORE_PASSWORD}@elsewhere/"}
    with world(tmp_path, CLI_VERSIONS[1], variables) as job:
        secrets = secrets_of(job)
        project = work(job, secrets)
        papermill(job, tmp_path)
        with pymongo.MongoClient[dict[str, Any]](url) as client:
            documents = [str(item) for name in client.wx.list_collection_names() for item in client.wx[name].find()]
        job.client.stop(project)  # it would go on without its server
        mongod.kill()
        with pytest.raises(StoreUnavailable) as away:
            job.client.get_project(project)
        told = [str(away.value), repr(away.value.details), str(job.client.doctor(None))]
        mongod.start()
        job.server.stop()
        assert len(documents) > 20
        assert "***" in str(away.value)
        assert found_in(secrets, [*documents, *told]) == []
        assert found_below(secrets, tmp_path) == []


def test_with_the_embedded_store_no_secret_is_left_anywhere(tmp_path: Path) -> None:
    with world(tmp_path, CLI_VERSIONS[0], {}) as job:
        secrets = secrets_of(job)
        work(job, secrets)
        [store] = (tmp_path / "jupyter").glob("**/wxcode.sqlite3")
        with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as connection:
            assert connection.execute("SELECT count(*) FROM events").fetchone()[0] > 10
        job.server.stop()
        assert found_below(secrets, tmp_path) == []


@contextmanager
def world(folder: Path, cli_version: str, variables: dict[str, str]) -> Iterator[Job]:
    """Give a server with secrets in its environment."""
    job = Job(folder, cli_version, rules=[phase_rule(1)], gsd="1.20.5")
    environment = {**job.home.env(), **USERS, **SERVERS, **variables}
    job.server = WxServer(folder, environment, job.executable, keep_sessions=True)
    with job:
        yield job


def secrets_of(job: Job) -> list[str]:
    """Return everything that must be seen nowhere."""
    return [job.server.token, WRONG_TOKEN, STORE_PASSWORD, API_KEY, *USERS.values(), *SERVERS.values()]


def work(job: Job, secrets: list[str]) -> Project:
    """Do the main job, and what goes wrong beside it; look at the processes; leave what is shown in files."""
    client, server = job.client, job.server
    project = job.project(permission_mode="acceptEdits")
    milestone = client.new_milestone(project, "Invoices", context="# Invoices\n")
    job.done(client.start_milestone(milestone))
    asked_with_the_token_in_the_address(server, project)

    session = client.session(project)
    assert session.pid is not None
    told = [str(session), str(client.doctor(project)), client.screen(project)]
    assert found_in(secrets, command_lines()) == []
    inherited = environment_of(session.pid)
    assert inherited | USERS == inherited
    assert inherited["ANTHROPIC_API_KEY"] == API_KEY
    assert found_in([*SERVERS.values(), server.token, STORE_PASSWORD], inherited.values()) == []
    assert found_in(secrets, environment_of(keeper_of(session.pid)).values()) == []

    for token in (WRONG_TOKEN, ""):
        with pytest.raises(ServerUnreachable) as refused:
            Client.connect(environ={"WXCODE_SERVER_URL": server.url, "WXCODE_TOKEN": token})
        told.append(str(refused.value))
    told += keeper_status(server)
    archive = client.export_project(project, job.folder / "exported.zip")
    with zipfile.ZipFile(archive) as packed:
        told += [packed.read(name).decode("utf-8", "replace") for name in packed.namelist()]
    (job.folder / "recording.cast").write_bytes(client.recording(project))
    told += [str(event) for event in client.events(project)]

    # A CLI that fails, in the same terminal.
    client.stop(project)
    client.update_project(project, claude_args=["--mcp-config", "/nowhere/at/all.json"])
    client.start_session(project)
    told.append(str(job.until_state(project, SessionState.EXITED)))
    client.update_project(project, claude_args=[])
    assert found_in(secrets, told) == []
    return project


def asked_with_the_token_in_the_address(server: WxServer, project: Project) -> None:
    """Do what a page without a cookie does: Jupyter takes the token from the address, too."""
    path = f"{server.url}wxcode/api/v1/output-projects/{project.id}"
    for token, status in ((server.token, 200), (WRONG_TOKEN, 403)):
        reply = httpx.get(
            f"{path}?token={token}", headers={"Referer": f"{server.url}lab?token={token}"}, trust_env=False
        )
        assert reply.status_code == status
        assert token not in reply.text
        assert httpx.get(f"{path}/none?token={token}", trust_env=False).status_code in (403, 404)
    address = path.replace("http", "ws", 1) + "/terminal?token="
    websocket.create_connection(address + server.token, timeout=60).close()
    with pytest.raises(websocket.WebSocketBadStatusException):
        websocket.create_connection(address + WRONG_TOKEN, timeout=60)


def keeper_status(server: WxServer) -> list[str]:
    """Return what the command line says of the keeper."""
    line = [sys.executable, "-m", "wxcode_jupyter", "keeper", "status"]
    done = subprocess.run(line, env=server.environment(), capture_output=True, text=True, timeout=60, check=True)
    assert "keeps 1 session" in done.stdout
    return [done.stdout, done.stderr]


def papermill(job: Job, folder: Path) -> None:
    """Run a notebook that works and one that has the wrong token; what they wrote is below the folder."""
    cells = [
        f"%load_ext wxcode_jupyter\n%wxmilestone project demo --workspace {job.workspace}",
        "%wxmilestone resume",
        "%wxmilestone status",
        "%wxmilestone doctor",
        "%wxmilestone terminal",
        "%wxmilestone log",
    ]
    environment = {**job.server.environment(), "WXCODE_SERVER_URL": job.server.url}
    notebook = write_notebook(folder / "works.ipynb", *cells)
    done = run(notebook, folder / "run", {**environment, "WXCODE_TOKEN": job.server.token})
    assert done.exit_code == 0, done.printed
    refused = write_notebook(folder / "fails.ipynb", *cells)
    failed = run(refused, folder / "run", {**environment, "WXCODE_TOKEN": WRONG_TOKEN})
    assert failed.exit_code != 0
    (folder / "run" / "printed").write_text(done.printed + failed.printed)


def found_in(secrets: Iterable[str], texts: Iterable[str]) -> list[tuple[str, str]]:
    """Return what is in a text, with a little of what is around it."""
    found = []
    for text in texts:
        for secret in secrets:
            if (at := text.find(secret)) >= 0:
                found.append((secret, text[max(0, at - 80) : at + 80]))
    return found


def found_below(secrets: Iterable[str], folder: Path) -> list[tuple[str, str]]:
    """Return what is in a file, or in its name, below a folder: logs, journals, the store, notebooks, all of it.

    Left out are the CLI's own files in HOME (it remembers the end of the key) and Jupyter's announcement of the server,
    which is how its owner's other programs get the token (0600).
    """
    found = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        clis = inside.parts[0] == "home" and inside.parts[1:2] != (".wxcode",)
        if not path.is_file() or path.is_symlink() or clis or path.name.startswith("jpserver-"):
            continue
        content = path.read_bytes()
        found += [(secret, str(inside)) for secret in secrets if secret.encode() in content or secret in str(inside)]
    return found


def command_lines() -> list[str]:
    """Return the command lines of all processes."""
    lines = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with suppress(OSError):
                lines.append((process / "cmdline").read_bytes().decode("utf-8", "replace"))
    return lines


def environment_of(pid: int) -> dict[str, str]:
    """Return the environment that a process was started with."""
    entries = Path(f"/proc/{pid}/environ").read_bytes().decode("utf-8", "replace").split("\0")
    return dict(entry.split("=", 1) for entry in entries if entry)


def keeper_of(pid: int) -> int:
    """Return the keeper of a session: the parent of its process."""
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    assert "wxcode_jupyter.terminal.keeper" in Path(f"/proc/{parent}/cmdline").read_text()
    return parent
