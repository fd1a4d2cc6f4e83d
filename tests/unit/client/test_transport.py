from __future__ import annotations

import httpx
import pytest

from tests.support.fake_api import TOKEN, FakeApi
from wxcode_jupyter.client.transport import Endpoint, Transport
from wxcode_jupyter.errors import HeldElsewhere, ServerUnreachable, WxcodeError

ID = "0123456789abcdef01234567"


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


def transport_to(api: FakeApi) -> Transport:
    return Transport(Endpoint("http://h:1/base", TOKEN), transport=_rebased(api), sleep=lambda pause_s: None)


def _rebased(api: FakeApi) -> httpx.MockTransport:
    api.base_path = "/base/wxcode/api/v1/"
    return api.transport()


def test_the_token_goes_into_the_header_and_nowhere_else(api: FakeApi) -> None:
    transport = transport_to(api)
    transport.request("GET", "info")
    assert api.headers[0]["authorization"] == f"token {TOKEN}"
    assert TOKEN not in repr(transport.endpoint)
    assert TOKEN not in str(transport.endpoint)


@pytest.mark.parametrize("failures", [1, 2])
def test_a_get_is_repeated(api: FakeApi, failures: int) -> None:
    api.failures.extend([httpx.ReadError("gone")] * failures)
    assert transport_to(api).request("GET", "info")["version"] == "0"


def test_a_post_whose_answer_was_lost_is_not_repeated(api: FakeApi) -> None:
    api.failures.append(httpx.ReadError("gone"))
    with pytest.raises(ServerUnreachable, match="unknown"):
        transport_to(api).request("POST", "output-projects", body={"id": ID, "name": "a"})
    assert len(api.headers) == 1


def test_a_post_that_never_arrived_is_repeated(api: FakeApi) -> None:
    api.failures.append(httpx.ConnectError("refused"))
    assert transport_to(api).request("POST", "output-projects", body={"id": ID, "name": "a"})["name"] == "a"


def test_a_marked_post_is_repeated(api: FakeApi) -> None:
    api.failures.append(httpx.ReadError("gone"))
    answer = transport_to(api).request("POST", "output-projects", body={"id": ID, "name": "a"}, repeatable=True)
    assert answer["name"] == "a"


def test_a_reason_becomes_its_class_with_its_details(api: FakeApi) -> None:
    holder = {"url": "http://h:2/", "pid": 7, "host": "x"}
    body = {"message": "Held.", "reason": "held_elsewhere", "details": {"holder": holder, "message": "m"}}
    api.failures.append((409, body))
    with pytest.raises(HeldElsewhere, match="Held") as caught:
        transport_to(api).request("POST", "anything")
    assert caught.value.holder == holder


@pytest.mark.parametrize(
    ("status", "body", "hint"),
    [
        (403, {"message": f"Forbidden {TOKEN}"}, "WXCODE_TOKEN"),
        (302, {}, "refuses"),
        (404, {"message": "Not Found"}, "server extension list"),
    ],
)
def test_a_server_that_is_none_of_ours_is_unreachable(
    api: FakeApi, status: int, body: dict[str, str], hint: str
) -> None:
    api.failures.append((status, body))
    with pytest.raises(ServerUnreachable, match=hint) as caught:
        transport_to(api).request("GET", "info")
    assert TOKEN not in str(caught.value)


def test_an_unknown_reason_is_told_as_it_is(api: FakeApi) -> None:
    api.failures.append((500, {"message": "It broke.", "reason": "of_tomorrow"}))
    with pytest.raises(WxcodeError, match="It broke"):
        transport_to(api).request("GET", "info")


def test_what_is_no_json_is_no_server_of_ours() -> None:
    html = httpx.MockTransport(lambda request: httpx.Response(200, text="<html>"))
    with pytest.raises(ServerUnreachable, match="no JSON"):
        Transport(Endpoint("http://h:1/"), transport=html).request("GET", "info")


def test_only_remote_servers_are_reached_through_a_proxy() -> None:
    assert Endpoint("http://127.0.0.1:8888/").is_local
    assert Endpoint("http+unix://%2Ftmp%2Fs/x/", socket_path="/tmp/s").api_url == "http://localhost/x/wxcode/api/v1/"
    assert not Endpoint("https://hub.example/user/me/").is_local
