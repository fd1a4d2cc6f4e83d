"""The CLI's transcripts: what in them is a prompt, how they are followed, and how they are kept."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.garbage import distorted, files, nested
from tests.support.recorded_screens import VERSIONS
from wxcode_jupyter.claude.transcript import Entry, Kind, Transcript, find, keep, load_all, parse, transcript_path

RECORDED = Path(__file__).parents[2] / "data" / "transcripts"
FOR_TOOL_USE = "[Request interrupted by user for tool use]"

OWN = "<command-name>/compact</command-name>\n            <command-message>compact</command-message>\n  "
#: What was done in the recorded conversation -> its prompts, interrupts and unknown commands.
EXPECTED = {
    "clear": [("own_command", "/clear"), ("own_output", ""), ("prompt", "after clear")],
    "compact": [("prompt", "remember me"), ("own_command", "/compact"), ("prompt", "after compact")],
    "interrupts": [
        ("prompt", "before token"),  # interrupted before the first token: nothing says so
        ("prompt", "in the middle"),
        ("interrupt", "[Request interrupted by user]"),
        ("prompt", "and now"),
    ],
    "slash": [
        ("prompt", "/gsd:new-milestone .milestones/x/MILESTONE-CONTEXT.md"),
        ("prompt", "/gsd:new-milestone .milestones/y/MILESTONE-CONTEXT.md"),
        ("unknown_command", "Unknown command: /nonesuch"),
    ],
    "tools": [
        ("prompt", "touch it"),
        ("prompt", "ask me"),
        ("prompt", "write it"),
        ("interrupt", FOR_TOOL_USE),
        ("prompt", "ask two"),
        ("interrupt", FOR_TOOL_USE),
    ],
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", EXPECTED)
def test_a_recorded_conversation(version: str, name: str) -> None:
    entries = load_all(str(RECORDED / version / f"{name}.jsonl"))
    told = [entry for entry in entries if entry.kind != "assistant"]
    if name == "compact":  # each version says something else of it: the one compacted, the other did not
        said = told.pop(2)
        assert said.kind == "own_output"
        assert "Not enough messages" in said.text or "Compacted" in said.text
    assert [(entry.kind, entry.text) for entry in told] == EXPECTED[name]
    prompts = [entry.prompt_id for entry in entries if entry.kind == "prompt"]
    assert len(set(prompts)) == len(prompts)
    assert None not in prompts


@pytest.mark.parametrize("version", VERSIONS)
def test_an_interrupt_has_the_id_of_its_prompt(version: str) -> None:
    entries = load_all(str(RECORDED / version / "interrupts.jsonl"))
    assert entries[3].kind == "interrupt"
    assert entries[3].prompt_id == entries[1].prompt_id


def line(text: object, **fields: Any) -> bytes:
    entry = {"type": "user", "promptId": "p", "message": {"role": "user", "content": text}} | fields
    return json.dumps(entry).encode()


def prompt(text: str) -> Entry:
    return Entry("prompt", text, "p")


def queue(kind: Kind, text: str) -> Entry:
    return Entry(kind, text, None)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (line("hello"), prompt("hello")),
        (line([{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]), prompt("ab")),
        (line([{"type": "image"}]), prompt("")),
        (
            line("[Request interrupted by user] is what it said"),
            prompt("[Request interrupted by user] is what it said"),
        ),
        (line("<command-message>x</command-message>"), prompt("<command-message>x</command-message>")),
        (
            line("<command-message>x</command-message>\n<command-name>/x</command-name>"),
            prompt("/x"),
        ),
        (
            line(
                "<command-message>x</command-message>\n<command-name>/x</command-name>\n"
                "<command-args>a <b>\nc</command-args>"
            ),
            prompt("/x a <b>\nc"),
        ),
        (
            json.dumps({"type": "queue-operation", "operation": "enqueue", "content": "x"}).encode(),
            queue("queued", "x"),
        ),
        (json.dumps({"type": "queue-operation", "operation": "remove"}).encode(), queue("unqueued", "")),
        (
            json.dumps({"type": "queue-operation", "operation": "popAll", "content": "x"}).encode(),
            queue("emptied", "x"),
        ),
        (json.dumps({"type": "queue-operation", "operation": "dequeue"}).encode(), None),
        (
            json.dumps({"type": "attachment", "attachment": {"type": "queued_command", "prompt": "x"}}).encode(),
            queue("joined", "x"),
        ),
        (json.dumps({"type": "attachment", "attachment": {"type": "date"}}).encode(), None),
        (line("hello", type="assistant", promptId=None), Entry("assistant", "hello", None)),
        (line([{"type": "tool_use", "name": "Bash"}], type="assistant"), None),
        (
            line("API Error: 400 no", type="assistant", isApiErrorMessage=True),
            Entry("failed", "API Error: 400 no", None),
        ),
        (line([{"type": "tool_result", "content": "done"}]), None),
        (line("hello", promptId=None), None),
        (line("hello", promptId=7), None),
        (line("hello", isMeta=True), None),
        (line("hello", isSidechain=True), None),
        (line("hello", isCompactSummary=True), None),
        (line("<command-name>/clear</command-name>"), None),
        (line("<local-command-stdout>x</local-command-stdout>"), Entry("own_output", "x", None)),
        (line("<local-command-stderr>x\ny</local-command-stderr>"), Entry("own_output", "x\ny", None)),
        (line(f"{OWN}<command-args></command-args>", promptId=None), Entry("own_command", "/compact", None)),
        (line(f"{OWN}<command-args>all of it</command-args>"), Entry("own_command", "/compact all of it", None)),
        (line("<bash-input>ls</bash-input>"), None),
        (line("hello", type="attachment"), None),
        (line("hello", message=None), None),
        (line("hello", message="hello"), None),
        (line(None), None),
        (line({"type": "text"}), None),
        (line(["hello", 7]), None),
        (
            json.dumps({"type": "system", "content": "Unknown command: /x"}).encode(),
            Entry("unknown_command", "Unknown command: /x", None),
        ),
        (
            json.dumps({"type": "system", "content": "UserPromptSubmit operation blocked by hook:\nno"}).encode(),
            Entry("blocked", "UserPromptSubmit operation blocked by hook:\nno", None),
        ),
        (
            json.dumps({"type": "system", "content": "Operation stopped by hook: no"}).encode(),
            Entry("stopped", "Operation stopped by hook: no", None),
        ),
        (
            json.dumps({"type": "system", "subtype": "turn_duration", "durationMs": 51, "isMeta": False}).encode(),
            Entry("ended", "", None),
        ),
        (json.dumps({"type": "system", "subtype": "stop_hook_summary"}).encode(), None),
        (json.dumps({"type": "system", "content": None}).encode(), None),
        (b"", None),
        (b"[]", None),
        (b"null", None),
        (b'{"type": "us', None),
        (b"\xff\xfe\x00", None),
        (line("hello")[:-1] + line("hello"), None),
    ],
)
def test_one_line(data: bytes, expected: Entry | None) -> None:
    assert parse(data) == expected


WHOLE = b"".join(line(f"prompt {n} é\u2028", promptId=f"p{n}") + b"\n" for n in range(20)) + line("torn")[:-9]


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.integers(0, len(WHOLE)), max_size=12))
def test_each_entry_comes_once_however_the_file_grows(cuts: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.jsonl")
        transcript, entries = Transcript(str(path)), []
        for start, end in pairwise(sorted({0, *cuts, len(WHOLE)})):
            with path.open("ab") as file:
                file.write(WHOLE[start:end])
            entries += transcript.load()
        assert [entry.prompt_id for entry in entries] == [f"p{n}" for n in range(20)]
        assert transcript.load() == []


@given(st.integers(0, len(WHOLE)), st.integers(0, len(WHOLE)))
@settings(deadline=None)
def test_what_was_there_at_a_skip_is_no_news(at: int, loaded: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.jsonl")
        path.write_bytes(WHOLE[: min(loaded, at)])
        transcript = Transcript(str(path))
        transcript.load()
        path.write_bytes(WHOLE[:at])
        transcript.skip()
        path.write_bytes(WHOLE)
        assert [entry.prompt_id for entry in transcript.load()] == [f"p{n}" for n in range(WHOLE[:at].count(b"\n"), 20)]


def test_a_file_that_is_not_there_yet_is_skipped_to_its_beginning(tmp_path: Path) -> None:
    transcript = Transcript(str(tmp_path / "t.jsonl"))
    transcript.skip()
    (tmp_path / "t.jsonl").write_bytes(line("hello") + b"\n")
    assert [entry.text for entry in transcript.load()] == ["hello"]


def test_a_skip_finds_the_last_line_behind_a_long_one_that_is_being_written(tmp_path: Path) -> None:
    path, torn = tmp_path / "t.jsonl", line("x" * 3_000_000)
    path.write_bytes(line("before") + b"\n" + torn[:-9])
    transcript = Transcript(str(path))
    transcript.skip()
    with path.open("ab") as file:
        file.write(torn[-9:] + b"\n")
    assert [len(entry.text) for entry in transcript.load()] == [3_000_000]


def test_a_skip_does_not_read_what_it_passes_over(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    with path.open("wb") as file:
        file.truncate(1 << 36)  # 64 GiB that take no room
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + line("torn")[:-9])
    transcript = Transcript(str(path))
    transcript.skip()
    with path.open("ab") as file:
        file.write(line("torn")[-9:] + b"\n")
    assert [entry.text for entry in transcript.load()] == ["torn"]


def test_a_line_counts_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    transcript = Transcript(str(path))
    assert transcript.load() == []  # not there yet
    path.write_bytes(line("hello"))
    assert transcript.load() == []
    with path.open("ab") as file:
        file.write(b"\n")
    assert [entry.text for entry in transcript.load()] == ["hello"]


def test_a_long_transcript_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(b"".join(line("x" * 700_000, promptId=f"p{n}") + b"\n" for n in range(5)))
    assert [entry.prompt_id for entry in load_all(str(path))] == [f"p{n}" for n in range(5)]


@pytest.mark.parametrize(
    ("environment", "cwd", "expected"),
    [
        ({"HOME": "/home/ada"}, "/w/my.app_1", "/home/ada/.claude/projects/-w-my-app-1/id.jsonl"),
        ({"HOME": "/home/ada"}, "/w/É x", "/home/ada/.claude/projects/-w---x/id.jsonl"),
        ({"HOME": "/home/ada", "CLAUDE_CONFIG_DIR": "/c"}, "/w", "/c/projects/-w/id.jsonl"),
        ({"HOME": "/home/ada", "CLAUDE_CONFIG_DIR": ""}, "/w", "/home/ada/.claude/projects/-w/id.jsonl"),
    ],
)
def test_where_a_transcript_is(environment: dict[str, str], cwd: str, expected: str) -> None:
    assert transcript_path(environment, cwd, "id") == expected


class TestKeep:
    def test_it_follows_the_file_and_survives_it(self, tmp_path: Path) -> None:
        path, links = tmp_path / "id.jsonl", tmp_path / "links"
        path.write_bytes(b"one\n")
        assert keep(str(path), str(links))
        assert keep(str(path), str(links))
        with path.open("ab") as file:
            file.write(b"two\n")
        path.unlink()
        assert (links / "id.jsonl").read_bytes() == b"one\ntwo\n"
        assert os.listdir(links) == ["id.jsonl"]
        assert links.stat().st_mode & 0o777 == 0o700

    def test_a_file_that_was_replaced_is_kept_in_its_place(self, tmp_path: Path) -> None:
        path, links = tmp_path / "id.jsonl", tmp_path / "links"
        path.write_bytes(b"old\n")
        assert keep(str(path), str(links))
        (tmp_path / "new").write_bytes(b"new\n")
        os.replace(tmp_path / "new", path)
        assert keep(str(path), str(links))
        assert (links / "id.jsonl").samefile(path)

    def test_what_is_not_there_is_not_kept(self, tmp_path: Path) -> None:
        assert not keep(str(tmp_path / "id.jsonl"), str(tmp_path / "links"))

    def test_what_was_cleaned_away_stays_kept(self, tmp_path: Path) -> None:
        path, links = tmp_path / "id.jsonl", tmp_path / "links"
        path.write_bytes(b"one\n")
        keep(str(path), str(links))
        path.unlink()
        assert not keep(str(path), str(links))
        assert (links / "id.jsonl").read_bytes() == b"one\n"

    def test_another_file_system_is_no_error(self, tmp_path: Path) -> None:
        assert not keep("/proc/self/status", str(tmp_path / "links"))


def test_a_transcript_in_a_folder_whose_name_the_cli_has_shortened_is_found(tmp_path: Path) -> None:
    shortened = tmp_path / ".claude/projects" / ("x" * 200 + "-1a2b3c")
    shortened.mkdir(parents=True)
    (shortened / "id.jsonl").write_text("{}\n")
    environment, cwd = {"HOME": str(tmp_path)}, "/" + "/".join(["long"] * 60)
    assert find(environment, cwd, "id") == str(shortened / "id.jsonl")
    assert find(environment, cwd, "other") == transcript_path(environment, cwd, "other")


def test_an_entry_that_is_nested_deeply_is_an_entry_like_any_other() -> None:
    deep = b'{"type": "user", "promptId": "p", "toolUseResult": %s, "message": {"content": "hello"}}' % nested(3000)
    assert parse(deep) == prompt("hello")


@pytest.mark.parametrize("prompt_id", [["p"], {"p": 1}, 7, None])
def test_a_prompt_id_that_is_no_text_is_none(prompt_id: object) -> None:
    assert parse(line("hello", promptId=prompt_id)) is None
    assert parse(line("[Request interrupted by user]", promptId=prompt_id)) == Entry(
        "interrupt", "[Request interrupted by user]", None
    )


BLOCKS = distorted(type=st.sampled_from(["text", "tool_result"]), text=st.sampled_from(["hello", FOR_TOOL_USE]))
ENTRIES = distorted(
    type=st.sampled_from(["user", "assistant", "queue-operation", "attachment", "system"]),
    promptId=st.just("p"),
    subtype=st.just("turn_duration"),
    operation=st.just("enqueue"),
    content=st.just("Unknown command: /x"),
    timestamp=st.sampled_from(["2026-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00"]),
    attachment=distorted(type=st.just("queued_command"), prompt=st.text()),
    message=distorted(content=st.lists(BLOCKS, max_size=3), stop_reason=st.just("end_turn")),
)


@settings(deadline=None)
@given(st.lists(files(ENTRIES), max_size=4))
def test_whatever_a_transcript_holds_it_is_read(lines: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.jsonl")
        path.write_bytes(b"\n".join([*lines, WHOLE]))
        entries = Transcript(str(path)).load()
    assert [entry.prompt_id for entry in entries][-20:] == [f"p{n}" for n in range(20)]
    for entry in entries:
        assert entry.prompt_id is None or isinstance(entry.prompt_id, str)
        entry.text.encode()


def no_file(folder: Path) -> str:
    (folder / "is-a-folder").mkdir()
    return str(folder / "is-a-folder")


def fifo(folder: Path) -> str:
    os.mkfifo(folder / "fifo")
    return str(folder / "fifo")


def no_path(folder: Path) -> str:
    return f"{folder}/\0"


def below_a_file(folder: Path) -> str:
    (folder / "file").write_text("")
    return str(folder / "file" / "t.jsonl")


@pytest.mark.parametrize("make", [no_file, no_path, fifo, below_a_file])
def test_a_transcript_that_cannot_be_read_is_empty(
    make: Callable[[Path], str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    transcript = Transcript(make(tmp_path))
    assert transcript.load() == transcript.load() == []
    transcript.skip()
    assert transcript.load() == []
    assert len(caplog.records) <= 1  # a fifo that nobody writes to has nothing to read


def test_a_path_that_is_none_is_not_kept(tmp_path: Path) -> None:
    assert not keep(no_path(tmp_path), str(tmp_path / "links"))


@pytest.mark.parametrize("session_id", ["**", "[", "../x", "a/**", "\0", ""])
def test_an_id_that_is_none_finds_nothing(session_id: str, tmp_path: Path) -> None:
    (tmp_path / ".claude" / "projects" / "elsewhere").mkdir(parents=True)
    assert not os.path.exists(find({"HOME": str(tmp_path)}, "/w", session_id))
