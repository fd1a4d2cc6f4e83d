"""A session that lives can be seen and used while the store is away."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.server.api import Api
from tests.server.conftest import make_server
from tests.support.job import until
from tests.support.mongod import Mongod


@pytest.mark.mongod
def test_a_live_session_is_seen_and_used_without_the_store(tmp_path: Path) -> None:
    with (
        Mongod() as mongod,
        make_server(tmp_path, store_url=f"{mongod.url}/wx", claude_args=["--box"]) as server,
        Api(server) as api,
    ):
        path = f"/output-projects/{api.create_project('one')['id']}"
        session = f"{path}/session"
        command = api.json("POST", f"{path}/commands", 202, json={"text": "wait until Esc"})
        until(lambda: api.json("GET", f"/commands/{command['id']}")["status"] == "accepted")
        api.json("POST", f"{path}/commands", 202, json={"text": "one more"})
        assert api.json("GET", session)["queued"] == 1

        mongod.kill()
        api.refused("GET", path, 503, "store_unavailable")
        seen = api.json("GET", session)
        assert (seen["state"], seen["queued"]) == ("busy", 1)
        api.refused("POST", f"{session}/trust", 409, "attention_needed")
        assert api.json("POST", f"{session}/interrupt")["pid"] == seen["pid"]
        until(lambda: api.json("GET", session)["state"] == "idle")

        mongod.start()
        until(lambda: api.json("GET", f"{path}/commands", params={"status": "queued"})["total"] == 0)
