"""Two hundred sessions are started and stopped in a row: nothing of them is left but their record."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pymongo
import pytest

from tests.server.api import Api
from tests.server.conftest import make_server
from tests.support.faults import keeper_of
from tests.support.job import until
from tests.support.mongod import Mongod
from tests.support.processes import open_files, processes_of, resident_bytes
from tests.support.server import WxServer

SESSIONS = 200
PROJECTS = 10  # each is started and stopped again and again
GROWTH_BYTES = 16 << 20

pytestmark = [pytest.mark.mongod, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Traces:
    """What there is while no session lives."""

    processes: Counter[str]
    descriptors: Counter[str]
    files: frozenset[str]


def test_of_two_hundred_in_a_row_nothing_is_left(tmp_path: Path) -> None:
    with Mongod() as mongod:
        url = f"{mongod.url}/wxcode"
        server = make_server(tmp_path, store_url=url, max_sessions=2)
        with server, Api(server) as api:
            paths = [f"/output-projects/{api.create_project(f'many {n}')['id']}/session" for n in range(PROJECTS)]
            holder = api.create_project("the one that goes on")  # else keeper and emulator end in between
            api.json("POST", f"/output-projects/{holder['id']}/session", json={})
            for path in paths:
                start_and_stop(api, path)
            before, memory = traces_of(server), memory_of(server)

            pids = {start_and_stop(api, path) for _ in range(SESSIONS // PROJECTS) for path in paths}

            until(lambda: traces_of(server) == before, what=f"{before}")
            assert len(pids) == SESSIONS
            for name, bytes_now in memory_of(server).items():
                assert bytes_now - memory[name] < GROWTH_BYTES, name
            assert holders(url) == [holder["id"]]
            api.json("DELETE", f"/output-projects/{holder['id']}/session")
        until(lambda: not processes_of(server.folder / "home"))


def start_and_stop(api: Api, path: str) -> int:
    """Start a session and stop it; return its process."""
    pid = api.json("POST", path, json={})["pid"]
    stopped = api.json("DELETE", path)
    assert stopped["state"] == "exited"
    return int(pid)


def traces_of(server: WxServer) -> Traces:
    """Look at processes, descriptors and files; those of the session that goes on are among them all the time."""
    home = server.folder / "home"
    processes = processes_of(home)
    descriptors = Counter(
        f"{path.partition(':')[0]} of {name}"
        for name, pid in (("server", server.pid), ("keeper", keeper_of(home)))
        for path in open_files(pid)
    )
    files = frozenset(
        str(path.relative_to(server.folder))
        for folder in ("data", "runtime")
        for path in (server.folder / "jupyter" / folder / "wxcode").rglob("*")
    )
    return Traces(Counter(line.partition(" --")[0] for line in processes.values()), descriptors, files)


def memory_of(server: WxServer) -> dict[str, int]:
    """Return the memory of server and keeper."""
    return {"server": resident_bytes(server.pid), "keeper": resident_bytes(keeper_of(server.folder / "home"))}


def holders(url: str) -> list[str]:
    """Return the projects whose lease somebody has, as the database has them."""
    with pymongo.MongoClient[dict[str, object]](url) as client:
        return [str(row["_id"]) for row in client.get_default_database()["wx_leases"].find({"holder": {"$ne": None}})]
