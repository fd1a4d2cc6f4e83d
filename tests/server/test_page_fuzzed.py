"""What `openapi.yaml` promises is so, for all that it allows and for what it does not: schemathesis over the page.

In CI the same requests each time; ``HYPOTHESIS_PROFILE=default`` looks for new ones, and for more.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation

from tests.server.api import API, Api, install_gsd
from tests.server.conftest import make_server
from tests.support.server import WxServer
from wxcode_jupyter.server.schemas import openapi

Operation = APIOperation[Any, Any, Any, Any]

SCHEMA = schemathesis.openapi.from_dict(openapi())
OPERATIONS: list[Operation] = [found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)]
ACCEPTANCE: Any = CHECKS.get_one("positive_data_acceptance")
REFUSAL: Any = CHECKS.get_one("negative_data_rejection")
WITH_INPUT = [each for each in OPERATIONS if each.path_parameters or each.query or each.body]

#: To a plain request, as they are sent here, these answer 426 whatever it has; test_router.py opens them.
SOCKETS = {"GET /output-projects/{id}/terminal", "GET /milestones/{id}/terminal"}

#: What a schema cannot say, and the page has in words: what is printable, a folder that is allowed, a text that Claude
#: Code takes as a prompt, an exported file. Every other refusal of what fits the page is a mistake of the page or ours.
FIELDS_IN_WORDS = {"name", "element_name", "stack_id", "model", "permission_mode", "claude_args", "brief", "fresh"}
REASONS_IN_WORDS = {"invalid_path", "invalid_request", "unsupported_command"}

_REPEATABLE = settings().derandomize
few = settings(max_examples=12 if _REPEATABLE else 100, deadline=None, suppress_health_check=list(HealthCheck))
fewer = settings(few, max_examples=3 if _REPEATABLE else 100)


@schemathesis.serializer("application/zip")
def _as_it_is(_context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[WxServer]:
    with make_server(folder / "fuzzed", max_sessions=100) as server:
        yield server
        log = server.log()
    assert "Traceback" not in log
    assert "Uncaught" not in log


@pytest.fixture(scope="module")
def known(server: WxServer) -> Iterator[dict[str, list[str]]]:
    """Ids that there are, by the first part of a path: with them a request gets further than "no such project"."""
    with Api(server) as api:
        project = api.create_project("one")
        install_gsd(project)
        body = {"output_project_id": project["id"], "element_name": "one"}
        milestones = [api.json("POST", "/milestones", 201, json=body)["id"] for _each in range(3)]
        path = f"/output-projects/{project['id']}"
        command = api.json("POST", f"{path}/commands", 202, json={"text": "one"})
        yield {"output-projects": [project["id"]], "milestones": milestones, "commands": [command["id"]]}
        api.delete(f"{path}/session")


@pytest.fixture(scope="module")
def session(server: WxServer) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"token {server.token}"
        yield session


def test_no_operation_of_the_page_is_left_out() -> None:
    methods = [method for path in openapi()["paths"].values() for method in path if method != "parameters"]
    assert len(OPERATIONS) == len(methods)


def send(case: Case[Any], server: WxServer, session: requests.Session) -> Any:
    session.cookies.clear()
    return case.call(f"{server.url}{API}", session=session, timeout=30)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_what_the_page_allows_is_answered_as_it_says(
    operation: Operation, server: WxServer, session: requests.Session, known: dict[str, list[str]]
) -> None:
    known_here = known.get(operation.path.split("/")[1], [])

    @few
    @given(operation.as_strategy(GenerationMode.POSITIVE), st.data())
    def run(case: Case[Any], data: st.DataObject) -> None:
        if case.path_parameters:
            case.path_parameters["id"] = data.draw(st.sampled_from([*known_here, case.path_parameters["id"]]))
        response = send(case, server, session)
        case.validate_response(response, excluded_checks=[ACCEPTANCE])  # but see below
        if response.status_code == 400:
            error = response.json()
            in_words = error["reason"] in REASONS_IN_WORDS or error["details"].get("field") in FIELDS_IN_WORDS
            assert in_words or operation.label == "POST /imports", error
        else:
            allowed = (426,) if operation.label in SOCKETS else (200, 201, 202, 204, 404, 409)
            assert response.status_code in allowed, response.text

    run()


@pytest.mark.parametrize("operation", WITH_INPUT, ids=lambda operation: operation.label)
def test_what_the_page_does_not_allow_is_refused(
    operation: Operation, server: WxServer, session: requests.Session
) -> None:
    excluded = [REFUSAL] if operation.label in SOCKETS else []

    @few
    @given(operation.as_strategy(GenerationMode.NEGATIVE))
    def run(case: Case[Any]) -> None:
        case.validate_response(send(case, server, session), excluded_checks=excluded)

    run()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_without_a_token_everything_is_refused(operation: Operation, server: WxServer) -> None:
    with requests.Session() as stranger:
        stranger.trust_env = False

        @fewer
        @given(operation.as_strategy(GenerationMode.POSITIVE))
        def run(case: Case[Any]) -> None:
            response = send(case, server, stranger)
            assert response.status_code == 403, response.text
            case.validate_response(response, excluded_checks=[ACCEPTANCE])

        run()
