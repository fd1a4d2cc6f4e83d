"""The Messages API on loopback, answered from a script: the real Claude Code CLI runs against it without an account.

In a test::

    with ScriptedModel([Rule("pwd", [Use("Bash", {"command": "pwd"}), Say("that is where we are")])]) as model:
        ...  # start the CLI with ANTHROPIC_BASE_URL=model.url, see claude_home.py
        model.wait_for(lambda: "pwd please" in model.prompts)

As a process of its own, whose first line of output is its URL::

    python -m wxcode_jupyter.testing.scripted_model --script script.yaml --port 0 --log requests.jsonl

The script language stands in `model_script`. Every request is recorded; the CLI's own side requests (for a title, or
for a summary) are answered and recorded too, but take nothing from the script. Retries are noticed by their
messages, parallel requests are served by a thread each, and a client that goes away in mid-stream ends its answer.

Routes: ``POST /v1/messages`` (streaming or not), ``POST /v1/messages/count_tokens``, ``HEAD /`` and, for scripts of
another process, ``POST /gates/<name>``, which opens a gate. Everything else is 404.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from . import model_wire as wire
from .model_http import Exchange, ModelServer
from .model_script import Cut, Fail, Rule, Say, ScriptError, Step, Use, load_script, render

__all__ = ["Cut", "Fail", "Rule", "Say", "ScriptedModel", "Use", "load_script"]

OK_LENGTH = 60


@dataclass(slots=True)
class _Turn:
    """One prompt and the steps that answer it."""

    number: int
    steps: list[Step]
    variables: Mapping[str, str]


class ScriptedModel:
    """A Messages API that answers from a script and remembers what it was asked. Thread-safe.

    Args:
        rules: The script; more can be added with `add` while it runs.
        port: Port on loopback, 0 for any free one.
        log: File to which each request is appended as one line of JSON: ``{"at", "path", "side", "body"}``.
    """

    def __init__(self, rules: Iterable[Rule] = (), *, port: int = 0, log: Path | None = None) -> None:
        self._rules = list(rules)
        self._taken: dict[int, int] = {}
        self._turns: list[_Turn] = []
        self._conversations: set[tuple[str, ...]] = set()
        self._failing: dict[str, tuple[_Turn, int]] = {}
        self._gates: dict[str, threading.Event] = {}
        self._requests: list[dict[str, Any]] = []
        self._prompts: list[str] = []
        self._log = log
        self._mark = secrets.token_hex(4)
        self._changed = threading.Condition(threading.RLock())
        self._server = ModelServer(port, self._serve)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The address for ``ANTHROPIC_BASE_URL``."""
        return self._server.url

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The bodies of all requests for messages so far, side requests included, in the order of their arrival."""
        with self._changed:
            return list(self._requests)

    @property
    def turn_requests(self) -> list[dict[str, Any]]:
        """The bodies of the requests that belong to the user's turns."""
        return [body for body in self.requests if not wire.is_side_request(body)]

    @property
    def prompts(self) -> list[str]:
        """The prompts received, one for each turn that began, in order; system reminders are left out."""
        with self._changed:
            return list(self._prompts)

    @staticmethod
    def user_texts(request: Mapping[str, Any]) -> list[str]:
        """Return all texts of the user in a request: the earlier conversation and the new prompt."""
        return wire.user_texts(request)

    def start(self) -> None:
        """Begin to serve, on threads of its own."""
        self._server.start()

    def close(self) -> None:
        """End every answer that is under way, and all threads."""
        self._server.close()

    def add(self, *rules: Rule) -> None:
        """Append rules to the script."""
        with self._changed:
            self._rules.extend(rules)

    def gate(self, name: str) -> threading.Event:
        """Return the gate of this name: setting it lets the steps that wait for it go on."""
        with self._changed:
            return self._gates.setdefault(name, threading.Event())

    def wait_for(self, predicate: Callable[[], object], timeout_s: float = 30.0) -> None:
        """Block until ``predicate()`` is true; it is looked at after each request and every 50 ms.

        Raises:
            TimeoutError: It was not after ``timeout_s`` seconds; the message lists the prompts received.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not predicate():
                if time.monotonic() > deadline:
                    raise TimeoutError(f"not within {timeout_s:g} s; prompts received: {self._prompts!r:.2000}")
                self._changed.wait(0.05)

    def _serve(self, exchange: Exchange) -> None:
        path = exchange.path.partition("?")[0]
        if exchange.method == "HEAD" and path == "/":
            exchange.answer(200, b"")
        elif exchange.method == "POST" and path == "/v1/messages":
            self._answer_messages(exchange)
        elif exchange.method == "POST" and path == "/v1/messages/count_tokens":
            exchange.answer_json(200, {"input_tokens": wire.estimate_tokens(exchange.json().get("messages", []))})
        elif exchange.method == "POST" and path.startswith("/gates/"):
            self.gate(path.removeprefix("/gates/")).set()
            exchange.answer_json(200, {})
        else:
            exchange.answer_json(404, wire.error(404, f"{exchange.method} {path}"))

    def _answer_messages(self, exchange: Exchange) -> None:
        body = exchange.json()
        side = wire.is_side_request(body)
        with self._changed:
            turn, index = (None, 0) if side else self._place(body)
            self._record(exchange.path, side, body)
        if turn is None:
            self._send(exchange, body, Say(wire.side_answer(body)), "side")
            return
        step = turn.steps[index] if index < len(turn.steps) else Say("ok")
        step = render(step, turn.variables)
        # The place in the script travels in the id of the tool call and comes back with its result. A conversation that
        # is resumed has the ids of the models before: the CLI drops a call whose id it knows, and its result.
        self._send(exchange, body, step, f"{self._mark}t{turn.number:04d}s{index:03d}")

    def _place(self, body: wire.Body) -> tuple[_Turn, int]:
        """Find the turn and the step of a request: a retry, the next one of a turn, or a new turn."""
        digest = hashlib.sha256(json.dumps([wire.user_texts(body), wire.tool_result_ids(body)]).encode()).hexdigest()
        failed = self._failing.pop(digest) if digest in self._failing else None
        turn, index = failed or self._continued(body) or (self._begin(body), 0)
        if index < len(turn.steps) and isinstance(turn.steps[index], (Fail, Cut)):
            self._failing[digest] = turn, min(index + 1, len(turn.steps) - 1)
        return turn, index

    def _continued(self, body: wire.Body) -> tuple[_Turn, int] | None:
        ids = wire.tool_result_ids(body)
        if not ids or wire.interrupted(body):
            return None
        mark, separator, place = ids[-1].removeprefix("toolu_").partition("t")
        if not separator or mark != self._mark:
            return None  # a call of an earlier model, whose conversation is resumed here
        number, _, index = place.partition("s")
        return self._turns[int(number)], int(index) + 1

    def _begin(self, body: wire.Body) -> _Turn:
        prompt = self._new_prompt(body)
        variables = {"prompt": prompt, "cwd": wire.working_directory(body) or ""}
        steps: list[Step] = [Say(f"ok: {prompt[:OK_LENGTH]}")]
        for number, rule in enumerate(self._rules):
            found = rule.variables(prompt)
            if found is not None and (rule.limit is None or self._taken.get(number, 0) < rule.limit):
                self._taken[number] = self._taken.get(number, 0) + 1
                steps = list(rule.steps)
                variables |= found
                break
        turn = _Turn(len(self._turns), steps, variables)
        self._turns.append(turn)
        self._prompts.append(prompt)
        return turn

    def _new_prompt(self, body: wire.Body) -> str:
        """Return the prompt of a new turn, without the prompts before it that were never answered.

        After an error the CLI sends the unanswered prompt and the next one in one message: what an earlier request
        had at its end is old.
        """
        texts = tuple(wire.user_texts(body))
        fresh = wire.new_texts(body)
        for known in range(len(texts) - 1, len(texts) - len(fresh), -1):
            if texts[:known] in self._conversations:
                fresh = list(texts[known:])
                break
        self._conversations.add(texts)
        return wire.prompt_of(fresh)

    def _record(self, path: str, side: bool, body: dict[str, Any]) -> None:
        self._requests.append(body)
        if self._log is not None:
            line = {"at": time.time(), "path": path, "side": side, "body": body}
            with self._log.open("a", encoding="utf-8") as log:
                log.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._changed.notify_all()

    def _send(self, exchange: Exchange, body: dict[str, Any], step: Step, place: str) -> None:
        exchange.pause(step.delay_s)
        if step.gate is not None:
            exchange.wait(self.gate(step.gate))
        if isinstance(step, Fail):
            exchange.answer_json(step.status, wire.error(step.status, step.message), step.headers)
            return
        blocks = [wire.text_block(step.text)] if step.text else []
        if isinstance(step, Use):
            blocks.append(wire.tool_block(f"toolu_{place}", step.tool, step.input))
        context_tokens = step.context_tokens if isinstance(step, Say | Use) else None
        answer = wire.message(body, f"msg_{place}", blocks, context_tokens=context_tokens)
        if not body.get("stream"):
            if isinstance(step, Cut):
                exchange.cut()
            else:
                exchange.answer_json(200, answer)
            return
        with exchange.streaming() as send:
            self._stream(exchange, send, step, answer)

    def _stream(self, exchange: Exchange, send: Callable[[bytes], None], step: Step, answer: Mapping[str, Any]) -> None:
        words = 0
        for event in wire.stream(answer):
            if isinstance(step, Cut) and event.startswith(b"event: content_block_stop"):
                exchange.cut()
                return
            if b'"text_delta"' in event:
                if words == self._first_part(step) and step.hold is not None:
                    exchange.wait(self.gate(step.hold))
                if words:
                    exchange.pause(step.slow_s)
                words += 1
            send(event)

    @staticmethod
    def _first_part(step: Step) -> int:
        """Return the number of words that are sent before ``hold``: the CLI shows complete lines only."""
        text = "" if isinstance(step, Fail) else step.text
        first_line, line_break, rest = text.partition("\n")
        return len(wire.words(first_line + line_break)) if rest else 1


def main(arguments: list[str] | None = None) -> int:
    """Serve a script until SIGTERM or SIGINT; the URL is the first line of the output."""
    parser = argparse.ArgumentParser(prog="scripted_model", description="The Messages API, answered from a script.")
    parser.add_argument("--script", type=Path, help="rules as YAML or JSON; without it every prompt is echoed")
    parser.add_argument("--port", type=int, default=0, help="on loopback; 0: any free one")
    parser.add_argument("--log", type=Path, help="append every request to this file, a JSON line each")
    options = parser.parse_args(arguments)
    try:
        rules = load_script(options.script) if options.script else []
    except (OSError, ScriptError) as error:
        print(error, file=sys.stderr)
        return 2
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with ScriptedModel(rules, port=options.port, log=options.log) as model:
        print(model.url, flush=True)
        ended.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
