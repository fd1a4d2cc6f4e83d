"""What holds on every route; events, and what the server says of itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.api import UNKNOWN_ID, Api
from tests.server.routes import REQUESTS, Operation
from tests.support.server import WxServer
from wxcode_jupyter import __version__


class TestEveryRoute:
    @pytest.mark.parametrize("operation", [each for each in REQUESTS if "{id}" in each.pattern], ids=str)
    def test_ids_that_are_none(self, operation: Operation, api: Api) -> None:
        for bad in ("1", "0123456789ABCDEF01234567", "0" * 25, "%00", "..%2F..", "é"):
            api.refused(operation.method.upper(), operation.pattern.replace("{id}", bad), 400, "invalid_id")

    @pytest.mark.parametrize("operation", [each for each in REQUESTS if "{id}" in each.pattern], ids=str)
    def test_ids_that_nothing_has(self, operation: Operation, api: Api) -> None:
        body = {"/output-projects/{id}": {"name": "x"}, "/milestones/{id}": {"status": "failed"}}.get(operation.pattern)
        if operation.pattern.endswith("/commands"):
            body = {"text": "x"}
        if operation.pattern.endswith("/init"):
            body = {"brief": "x"}
        if operation.pattern.endswith("/fork"):
            body = {"name": "x"}

        api.refused(operation.method.upper(), operation.path, 404, "not_found", json=body or {})

    @pytest.mark.parametrize(
        "body",
        [
            b"{",
            b"\xff\xfe",
            b'{"name": "x",}',
            b"[" * 100_000,
            b'{"name":' * 100_000,
            b"9" * 10_000,
        ],
        ids=["cut", "no UTF-8", "comma", "deep list", "deep object", "long number"],
    )
    def test_a_body_that_is_no_json(self, body: bytes, api: Api) -> None:
        error = api.refused("POST", "/output-projects", 400, "invalid_body", content=body)

        assert error["details"] == {"field": ""}

    @pytest.mark.parametrize("depth", [10, 300, 700, 900, 950, 990])
    def test_deep_json_in_a_field(self, depth: int, api: Api) -> None:
        nested = "[" * depth + "]" * depth
        api.refused("POST", "/output-projects", 400, "invalid_body", content=f'{{"name": {nested}}}')

    @pytest.mark.parametrize("body", ["[]", '"x"', "7", "null", "true", "[{}]"])
    def test_json_that_is_no_object(self, body: str, api: Api) -> None:
        api.refused("POST", "/output-projects", 400, "invalid_body", content=body)

    @pytest.mark.parametrize("path", ["/", "/nonsense", f"/output-projects/{UNKNOWN_ID}/nonsense", "/commands"])
    def test_routes_that_are_none(self, path: str, api: Api) -> None:
        for method in ("GET", "POST", "PATCH", "DELETE", "PUT"):
            api.refused(method, path, 404, "not_found")

    def test_methods_that_a_route_has_not(self, api: Api) -> None:
        api.refused("PUT", "/info", 405, "method_not_allowed", json={})

    @pytest.mark.parametrize("query", ["name=%ff", "limit=%ff", "skip=%ff"])
    def test_a_query_that_is_no_text(self, api: Api, query: str) -> None:
        error = api.refused("GET", f"/output-projects?{query}", 400, "invalid_request")

        assert "unicode" in error["message"].lower()

    @pytest.mark.parametrize("path", ["/output-projects", "/milestones"])
    @pytest.mark.parametrize(
        ("name", "value"), [("skip", "-1"), ("limit", "0"), ("limit", "1001"), ("limit", "x"), ("skip", "9" * 5000)]
    )
    def test_pages_that_cannot_be(self, path: str, name: str, value: str, api: Api) -> None:
        error = api.refused("GET", path, 400, "invalid_body", params={name: value})

        assert error["details"] == {"field": name}


class TestEvents:
    def test_pages(self, api: Api, path: str) -> None:
        for text in ("one", "two"):
            api.json("POST", f"{path}/commands", 202, json={"text": text})
        events = f"{path}/events"
        everything = api.json("GET", events)
        queued = [event for event in everything["events"] if event["type"] == "command_queued"]
        assert [event["data"]["text"] for event in queued] == ["one", "two"]
        assert set(queued[0]) == {"type", "seq", "created_at", "data"}
        seqs = [event["seq"] for event in everything["events"]]
        assert seqs == sorted(set(seqs))

        first = api.json("GET", events, params={"limit": 1})
        assert first["events"] == everything["events"][:1]
        rest = api.json("GET", events, params={"after": first["last_seq"], "limit": len(seqs) - 1})
        assert rest["events"] == everything["events"][1:]
        end = api.json("GET", events, params={"after": 10**12})
        assert end == {"events": [], "last_seq": 10**12}

    @pytest.mark.parametrize(
        ("name", "value"), [("after", "-1"), ("after", "x"), ("after", "²"), ("limit", "0"), ("limit", "1001")]
    )
    def test_pages_that_cannot_be(self, name: str, value: str, api: Api, path: str) -> None:
        error = api.refused("GET", f"{path}/events", 400, "invalid_body", params={name: value})

        assert error["details"] == {"field": name}


class TestServer:
    def test_info(self, server: WxServer, api: Api) -> None:
        info = api.json("GET", "/info")

        assert info["version"] == __version__
        assert info["pid"] == server.pid
        assert info["store_kind"] == "embedded"
        assert info["workspace_root"] == str(server.folder / "workspaces")
        assert info["headless"] is False

    def test_doctor(self, api: Api, project: dict[str, Any]) -> None:
        def checks(**query: str) -> dict[str, dict[str, Any]]:
            return {check["name"]: check for check in api.json("GET", "/doctor", params=query)["checks"]}

        general = checks()
        assert general["store"]["ok"]
        assert general["data folder"]["ok"]
        assert general["runtime folder"]["ok"]
        assert not general["login"]["ok"]

        of_project = checks(project_id=project["id"])
        assert set(general) < set(of_project)
        assert of_project["workspace"]["ok"]
        assert not of_project["GSD"]["ok"]
        assert [name for name, check in of_project.items() if check["to_do"]] == ["trust"]
        assert all(check["ok"] or check["remedy"] for check in of_project.values())
        api.refused("GET", "/doctor", 400, "invalid_id", params={"project_id": "x"})
        api.refused("GET", "/doctor", 404, "not_found", params={"project_id": UNKNOWN_ID})

    def test_screen_is_text(self, api: Api, path: str) -> None:
        api.json("POST", f"{path}/session")

        response = api.get(f"{path}/screen")

        assert response.status_code == 200
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
