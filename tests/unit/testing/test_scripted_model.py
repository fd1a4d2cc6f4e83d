from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from wxcode_jupyter.testing.scripted_model import Cut, Fail, Rule, Say, ScriptedModel, Use

TOOLS = [{"name": "Bash"}]


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=20, trust_env=False) as client:
        yield client


def body(*messages: Any, stream: bool = False, tools: list[dict[str, str]] | None = None) -> dict[str, Any]:
    """Build a request; texts alternate between user and assistant, other things stand as they are."""
    roles = ("user", "assistant")
    turned = [
        {"role": roles[index % 2], "content": item} if isinstance(item, (str, list)) else item
        for index, item in enumerate(messages)
    ]
    return {"model": "m", "stream": stream, "messages": turned, "tools": TOOLS if tools is None else tools}


def post(client: httpx.Client, model: ScriptedModel, request: dict[str, Any]) -> httpx.Response:
    return client.post(f"{model.url}/v1/messages?beta=true", json=request)


def answer(client: httpx.Client, model: ScriptedModel, request: dict[str, Any]) -> str:
    response = post(client, model, request)
    assert response.status_code == 200, response.text
    return "".join(block.get("text", "") for block in response.json()["content"])


def streamed_text(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if line.startswith("data: "):
            yield json.loads(line[6:]).get("delta", {}).get("text", "")


def test_without_a_rule_the_prompt_is_echoed(client: httpx.Client, scripted_model: ScriptedModel) -> None:
    assert answer(client, scripted_model, body("x" * 100)) == "ok: " + "x" * 60
    assert scripted_model.prompts == ["x" * 100]


def test_rules_are_taken_in_order_and_used_up(client: httpx.Client) -> None:
    with ScriptedModel([Rule("a", [Say("A")]), Rule(None, [Say("first")]), Rule(None, [Say("second")])]) as model:
        asked = [answer(client, model, body(text)) for text in ("a", "b", "a", "c", "d")]
    assert asked == ["A", "first", "A", "second", "ok: d"]


def test_a_turn_goes_on_after_the_result_of_its_tool(client: httpx.Client) -> None:
    rules = [Rule("go", [Use("Bash", {"command": "echo {{prompt}}"}, "Let me."), Use("Bash"), Say("done")])]
    with ScriptedModel(rules) as model:
        first = post(client, model, body("go on")).json()
        assert first["stop_reason"] == "tool_use"
        text, call = first["content"]
        assert (text["text"], call["name"], call["input"]) == ("Let me.", "Bash", {"command": "echo go on"})
        second = post(client, model, body("go on", [call], [result_of(call)])).json()["content"][0]
        assert second["type"] == "tool_use" and second["id"] != call["id"]
        talk = body("go on", [call], [result_of(call)], [second], [result_of(second)])
        assert answer(client, model, talk) == "done"
        assert model.prompts == ["go on"]


def result_of(call: dict[str, Any]) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call["id"], "content": "fine"}


@pytest.mark.parametrize("step", [Say("hi", context_tokens=190_000), Use("Bash", context_tokens=190_000)])
def test_an_answer_says_how_full_the_context_is(client: httpx.Client, step: Say | Use) -> None:
    with ScriptedModel([Rule("long", [step])]) as model:
        assert post(client, model, body("long")).json()["usage"]["input_tokens"] == 190_000
        assert post(client, model, body("short")).json()["usage"]["input_tokens"] < 100
        stream = post(client, model, body("long", stream=True)).text.splitlines()
    start = json.loads(next(line for line in stream if line.startswith("data: ")).removeprefix("data: "))
    assert start["message"]["usage"]["input_tokens"] == 190_000


@pytest.mark.parametrize("identifier", ["toolu_01AbCt12", "toolu_0000s000", "toolu_"])
def test_a_result_for_another_model_begins_a_turn(
    client: httpx.Client, scripted_model: ScriptedModel, identifier: str
) -> None:
    old = {"type": "tool_use", "id": identifier, "name": "Bash", "input": {}}
    assert answer(client, scripted_model, body("go", [old], [result_of(old)])) == "ok: "


def test_two_models_give_no_id_twice(client: httpx.Client) -> None:
    """Claude Code drops a call, and its result, whose id the conversation that is resumed has already."""
    answers: list[dict[str, Any]] = []
    for _ in range(2):
        with ScriptedModel([Rule("go", [Use("Bash"), Say("not this")])]) as model:
            answers.append(post(client, model, body("go")).json())
            call = answers[0]["content"][0]
            if len(answers) == 2:
                assert answer(client, model, body("go", [call], [result_of(call)])) == "ok: "
    first, second = answers
    assert first["id"] != second["id"]
    assert first["content"][0]["id"] != second["content"][0]["id"]


def test_an_interrupted_tool_call_does_not_go_on(client: httpx.Client) -> None:
    with ScriptedModel([Rule("go", [Use("Bash"), Say("not this")])]) as model:
        call = post(client, model, body("go")).json()["content"][0]
        interrupt = {"type": "text", "text": "[Request interrupted by user for tool use]"}
        after = [result_of(call), interrupt, {"type": "text", "text": "something else"}]
        assert answer(client, model, body("go", [call], after)) == "ok: something else"
        assert model.prompts == ["go", "something else"]


def test_the_retry_of_a_failure_gets_the_next_step(client: httpx.Client) -> None:
    with ScriptedModel([Rule("go", [Fail(529, "busy {{prompt}}"), Fail(500), Say("back")])]) as model:
        responses = [post(client, model, body("go")) for _ in range(3)]
        assert [response.status_code for response in responses] == [529, 500, 200]
        assert responses[0].json()["error"] == {"type": "overloaded_error", "message": "busy go"}
        assert model.prompts == ["go"]


def test_a_failure_that_is_the_last_step_repeats(client: httpx.Client) -> None:
    with ScriptedModel([Rule("go", [Fail(400)], times=1)]) as model:
        assert [post(client, model, body("go")).status_code for _ in range(3)] == [400] * 3
        assert answer(client, model, body([{"type": "text", "text": "go"}, {"type": "text", "text": "next"}]))
        assert model.prompts == ["go", "next"], "the CLI sends the unanswered prompt again, before the new one"


def test_a_stream_comes_word_by_word(client: httpx.Client, scripted_model: ScriptedModel) -> None:
    scripted_model.add(Rule("go", [Say("one two\nthree", slow_s=0.01)]))
    with client.stream("POST", f"{scripted_model.url}/v1/messages", json=body("go", stream=True)) as response:
        texts = [text for text in streamed_text(response.iter_lines()) if text]
    assert texts == ["one ", "two\n", "three"]


def test_a_cut_stream_ends_in_the_middle(client: httpx.Client) -> None:
    with ScriptedModel([Rule("go", [Cut("one two"), Say("whole")])]) as model:
        seen: list[str] = []
        with (
            pytest.raises(httpx.RemoteProtocolError),
            client.stream("POST", f"{model.url}/v1/messages", json=body("go", stream=True)) as response,
        ):
            seen.extend(streamed_text(response.iter_lines()))
        assert "".join(seen) == "one two"
        assert answer(client, model, body("go")) == "whole"


def test_a_cut_without_a_stream_is_a_closed_connection(client: httpx.Client) -> None:
    with ScriptedModel([Rule("go", [Cut()])]) as model, pytest.raises(httpx.RemoteProtocolError):
        post(client, model, body("go"))


def test_a_gate_holds_the_answer_back(client: httpx.Client) -> None:
    with (
        ScriptedModel([Rule("go", [Say("now", gate="begin")])]) as model,
        ThreadPoolExecutor(1) as pool,
    ):
        waiting = pool.submit(answer, client, model, body("go"))
        model.wait_for(lambda: model.prompts == ["go"])
        assert not waiting.done()
        model.gate("begin").set()
        assert waiting.result(10) == "now"


def test_hold_stops_after_the_first_line(client: httpx.Client) -> None:
    with (
        ScriptedModel([Rule("go", [Say("one two\nthree four", hold="middle")])]) as model,
        client.stream("POST", f"{model.url}/v1/messages", json=body("go", stream=True)) as response,
    ):
        texts = (text for text in streamed_text(response.iter_lines()) if text)
        assert [next(texts), next(texts)] == ["one ", "two\n"]
        assert client_of(model).post(f"{model.url}/gates/middle").status_code == 200
        assert list(texts) == ["three ", "four"]


def client_of(model: ScriptedModel) -> httpx.Client:
    return httpx.Client(base_url=model.url, trust_env=False, headers={"Connection": "close"})


def test_side_requests_take_nothing_from_the_script(client: httpx.Client) -> None:
    with ScriptedModel([Rule(None, [Say("mine")])]) as model:
        assert "title" in json.loads(answer(client, model, body("Write a title", tools=[])))
        assert answer(client, model, body("real")) == "mine"
        assert model.prompts == ["real"]
        assert len(model.requests) == 2 and len(model.turn_requests) == 1
        assert model.user_texts(model.turn_requests[0]) == ["real"]


def test_other_routes(client: httpx.Client, scripted_model: ScriptedModel) -> None:
    url = scripted_model.url
    assert client.head(f"{url}/").status_code == 200
    assert client.post(f"{url}/v1/messages/count_tokens", json=body("hello")).json()["input_tokens"] > 0
    assert client.get(f"{url}/api/hello").status_code == 404
    assert client.post(f"{url}/api/event_logging", json={}).status_code == 404
    assert client.post(f"{url}/v1/messages", content=b"no json").status_code == 400


def test_requests_are_served_at_once(client: httpx.Client) -> None:
    with (
        ScriptedModel([Rule("slow", [Say("slow", gate="g")])]) as model,
        ThreadPoolExecutor(1) as pool,
    ):
        slow = pool.submit(answer, client, model, body("slow"))
        model.wait_for(lambda: "slow" in model.prompts)
        assert answer(client, model, body("quick")) == "ok: quick"
        model.gate("g").set()
        assert slow.result(10) == "slow"


def test_wait_for_tells_what_came_instead(client: httpx.Client, scripted_model: ScriptedModel) -> None:
    answer(client, scripted_model, body("something"))
    with pytest.raises(TimeoutError, match="something"):
        scripted_model.wait_for(lambda: "else" in scripted_model.prompts, timeout_s=0.05)


def test_a_client_that_leaves_ends_its_answer(client: httpx.Client) -> None:
    """The thread of an answer that nobody waits for ends, though its gate is never opened."""
    with ScriptedModel([Rule("go", [Say("now", gate="never")])]) as model:
        threads = threading.active_count()
        with socket.create_connection(("127.0.0.1", int(model.url.rpartition(":")[2]))) as connection:
            payload = json.dumps(body("go", stream=True)).encode()
            head = f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: {len(payload)}\r\n\r\n"
            connection.sendall(head.encode() + payload)
            model.wait_for(lambda: model.prompts == ["go"])
        model.wait_for(lambda: threading.active_count() <= threads, timeout_s=10)


def test_close_ends_answers_and_idle_connections(client: httpx.Client) -> None:
    threads = threading.active_count()
    model = ScriptedModel([Rule("go", [Say("now", gate="never")])])
    model.start()
    answer(client, model, body("leaves an idle connection"))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(post, client, model, body("go"))
        model.wait_for(lambda: "go" in model.prompts)
        model.close()
        with pytest.raises(httpx.RemoteProtocolError):
            waiting.result(10)
    model.close()
    assert threading.active_count() == threads


def test_a_model_that_was_never_started_can_be_closed() -> None:
    ScriptedModel().close()


def test_as_a_process(tmp_path: Path, client: httpx.Client) -> None:
    script = tmp_path / "script.yaml"
    script.write_text("rules: [{contains: hi, steps: [{say: 'hello {{prompt}}', gate: g}]}]")
    log = tmp_path / "requests.jsonl"
    with start("--script", str(script), "--log", str(log)) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        client.post(f"{url}/gates/g")
        response = client.post(f"{url}/v1/messages", json=body("hi"))
        assert response.json()["content"][0]["text"] == "hello hi"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    recorded = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["side"], line["body"]["messages"][0]["content"]) for line in recorded] == [(False, "hi")]


def test_a_process_with_a_broken_script_says_so(tmp_path: Path) -> None:
    script = tmp_path / "script.yaml"
    script.write_text("rules: [{steps: []}]")
    with start("--script", str(script)) as process:
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "script.yaml: rule 1" in errors


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "wxcode_jupyter.testing.scripted_model", *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={"PATH": os.environ["PATH"]}
    )
