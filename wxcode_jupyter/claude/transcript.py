"""The CLI's transcript: the truth about what was asked.

One JSON object a line in ``<config>/projects/<folder>/<session id>.jsonl``, where ``<folder>`` is the working
directory with everything but letters and digits replaced by ``-``. Read incrementally by byte offset; only complete
lines count. A hard link keeps a transcript from the CLI's own cleaning (``cleanupPeriodDays``) and follows it,
because the CLI appends to the same inode over every ``--resume``.
"""

from __future__ import annotations

import glob
import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from ..folders import make_private
from .foreign import read_json

log = logging.getLogger(__name__)

#: Also "[Request interrupted by user for tool use]".
_INTERRUPTED = re.compile(r"\[Request interrupted by user[^\]\n]*\]")
#: What the CLI writes for its own commands, `/clear` among them, in 2.1.197 with a prompt id; the entry of a user's own
#: slash command begins with `<command-message>`.
_LOCAL = ("<command-name>", "<local-command-", "<bash-input>", "<bash-stdout>")
_OUTPUT = re.compile(r"\s*<local-command-std(?:out|err)>(.*)</local-command-std(?:out|err)>\s*", re.S)
_OWN = re.compile(
    r"<command-name>(/.*?)</command-name>\s*<command-message>.*?</command-message>"
    r"(?:\s*<command-args>(.*?)</command-args>)?\s*",
    re.S,
)
_READ_BYTES = 1 << 20
#: After `max_tokens`, `model_context_window_exceeded` and, in 2.1.330, `refusal` the CLI makes the model go on.
_ENDS_ANSWER = ("end_turn", "stop_sequence")
#: In 2.1.197 the begun text of an interrupted answer has this for a model, and "stop_sequence".
_NO_MODEL = "<synthetic>"


Kind = Literal[
    "prompt",
    "interrupt",
    "assistant",
    "failed",
    "ended",
    "unknown_command",
    "blocked",
    "stopped",
    "queued",
    "unqueued",
    "emptied",
    "joined",
    "own_command",
    "own_output",
]

#: How the CLI's notes that say something about a turn begin; none of them carries a prompt id.
_NOTES: tuple[tuple[str, Kind], ...] = (
    ("Unknown command: ", "unknown_command"),
    ("UserPromptSubmit operation blocked by hook", "blocked"),
    ("Operation stopped by hook", "stopped"),
)


#: What happens to a prompt in the CLI's queue; one that is dequeued begins a turn, and has an entry of its own.
_QUEUE: Mapping[str, Kind] = {"enqueue": "queued", "remove": "unqueued", "popAll": "emptied"}
_SLASH = re.compile(
    r"<command-message>.*?</command-message>\s*<command-name>(/.*?)</command-name>"
    r"(?:\s*<command-args>(.*?)</command-args>)?\s*",
    re.S,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a transcript that says something about a turn.

    Attributes:
        kind: ``prompt`` (the CLI took a user's prompt), ``interrupt`` (Esc after the first token), ``assistant`` (a
            text of Claude's), ``failed`` (the error of the API that ended the turn), ``ended`` (the turn is over and
            its Stop hooks have run; comes neither after an interrupt nor, in 2.1.330, after ``failed``),
            ``unknown_command``, ``blocked`` (a hook of the user's refused the prompt, which is not in the conversation)
            or ``stopped`` (a hook ended the turn, whose prompt is). Of the queue that the CLI has itself for what is
            typed while a turn runs: ``queued``, ``unqueued``, ``emptied`` (taken back into the box), and ``joined`` for
            a prompt that went from there into the running turn. ``own_command`` is one of the CLI's own (`/compact`),
            ``own_output`` what the CLI said of it; both are written when it is over.
        text: The text as the transcript has it, a slash command as it was typed; a pasted prompt may be wrapped by the
            CLI, so compare ids where there are any, not texts.
        prompt_id: The id that the hooks call ``prompt_id``; None where the entry has none.
        final: Whether this text of an ``assistant`` is of an answer with which the model was done, rather than of one
            that uses a tool. A Stop hook of the user's may send it on: only ``ended`` says that the turn is over.
        at: When the CLI wrote the entry (UTC); None where it does not say.
    """

    kind: Kind
    text: str
    prompt_id: str | None
    final: bool = False
    at: datetime | None = None


def transcript_path(environment: Mapping[str, str], cwd: str, claude_session_id: str) -> str:
    """Return where the CLI keeps the transcript of a conversation held in ``cwd`` (an absolute, real path)."""
    config = environment.get("CLAUDE_CONFIG_DIR") or os.path.join(environment.get("HOME", ""), ".claude")
    folder = re.sub(r"[^A-Za-z0-9]", "-", cwd)
    return os.path.join(config, "projects", folder, f"{claude_session_id}.jsonl")


def find(environment: Mapping[str, str], cwd: str, claude_session_id: str, *, known: str | None = None) -> str:
    """Return where the transcript is: where the CLI said (``known``), where it should be, or wherever it is found.

    The CLI shortens folder names of more than 200 characters, so that a path cannot always be computed.
    """
    computed = known or transcript_path(environment, cwd, claude_session_id)
    if os.path.exists(computed):
        return computed
    config = environment.get("CLAUDE_CONFIG_DIR") or os.path.join(environment.get("HOME", ""), ".claude")
    name = f"{glob.escape(claude_session_id)}.jsonl"
    return next((str(path) for path in Path(config, "projects").glob(f"*/{name}")), computed)


def looked_for(environment: Mapping[str, str], cwd: str, claude_session_id: str, *, known: str | None = None) -> str:
    """Return where the CLI looks for a conversation that is resumed in ``cwd``, in the HOME of this environment.

    What the CLI has said once (``known``) counts where that was in the same HOME. It comes from a store that other
    programs write, too, and something may be written there: any other path is none.
    """
    projects = Path(transcript_path(environment, cwd, claude_session_id)).parents[1]
    said = Path(os.path.normpath(known)) if known else None
    if said and projects in said.parents and said.name == f"{claude_session_id}.jsonl":
        return str(said)
    return find(environment, cwd, claude_session_id)


def keep(path: str, folder: str) -> bool:
    """Hard-link the transcript into ``folder`` (same file system), so that the CLI's cleaning cannot take it.

    Idempotent. Returns False where the file is not there yet, or no hard link can be made (other file system).
    """
    link = os.path.join(folder, os.path.basename(path))
    try:
        if os.path.exists(link) and os.path.samefile(link, path):
            return True
        make_private(folder)
        aside = f"{link}.{os.getpid()}"
        os.link(path, aside)
        os.replace(aside, link)
    except (OSError, ValueError):  # a path that the CLI has named may be none at all
        return False
    return True


def restore(path: str, folder: str) -> bool:
    """Put a transcript that is gone back at ``path``, from the link that ``keep`` has made; tell whether it was done.

    Raises:
        OSError: The folder cannot be made, or the link.
    """
    kept = kept_at(folder, Path(path).stem)
    if os.path.exists(path) or not os.path.exists(kept):
        return False
    make_private(os.path.dirname(path))
    os.link(kept, path)
    return True


class Transcript:
    """Follows one transcript file.

    ``load`` returns what was appended since the last call; a file that is not there yet is an empty one, and so is one
    that cannot be read, which the log tells once. ``offset`` is how many of its bytes have been read.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.offset = 0
        self._rest = b""
        self._reported = False

    def load(self) -> list[Entry]:
        """Return the new entries, in order. Raises nothing, whatever the file holds."""
        entries: list[Entry] = []
        with self._tolerance():
            entries.extend(self._entries())
        return entries

    def first(self, kind: Kind) -> str | None:
        """Return the text of the first entry of a kind from here on, and read no further."""
        found: list[str] = []
        with self._tolerance():
            found.extend(islice((entry.text for entry in self._entries() if entry.kind == kind), 1))
        return found[0] if found else None

    def skip(self) -> None:
        """Pass over what is complete in the file now, at a cost that does not depend on its length.

        A line that is still being written comes with the next ``load``.
        """
        self.offset, self._rest = 0, b""
        with self._tolerance():
            fd = open_to_read(self.path)
            try:
                self.offset = end_of_lines(fd)
            finally:
                os.close(fd)

    @contextmanager
    def _tolerance(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:  # ValueError: a path that is none
            if not self._reported:
                self._reported = True
                log.warning("The transcript %r cannot be read: %s", self.path, error)

    def _entries(self) -> Iterator[Entry]:
        fd = open_to_read(self.path)
        try:
            while chunk := os.pread(fd, _READ_BYTES, self.offset):
                self.offset += len(chunk)
                *lines, self._rest = (self._rest + chunk).split(b"\n")
                for line in lines:
                    if (entry := parse(line)) is not None:
                        yield entry
        finally:
            os.close(fd)


def open_to_read(path: str) -> int:
    """Return a descriptor of a transcript, which the caller closes. Raises ``OSError``, ``ValueError`` for no path."""
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a fifo must not make us wait for its writer


def end_of_lines(fd: int) -> int:
    """Return the offset after the last newline, 0 where there is none."""
    end = os.fstat(fd).st_size
    while end:
        start = max(0, end - _READ_BYTES)
        if (newline := os.pread(fd, end - start, start).rfind(b"\n")) >= 0:
            return start + newline + 1
        end = start
    return 0


def first_prompt(path: str) -> str | None:
    """Return what was asked first, without reading further; None where nothing is known."""
    return Transcript(path).first("prompt")


def load_all(path: str) -> list[Entry]:
    """Return every entry of a transcript, an absent one being empty."""
    return Transcript(path).load()


def parse(line: bytes) -> Entry | None:
    """Read one line; None for what says nothing about a turn, and for what is no JSON (a torn write after a crash)."""
    try:
        data = read_json(line)
    except ValueError:
        return None
    if not isinstance(data, dict) or data.get("isSidechain") or data.get("isMeta") or data.get("isCompactSummary"):
        return None
    entry = _entry(data)
    return replace(entry, at=written_at(data)) if entry else None


def _entry(data: Mapping[str, Any]) -> Entry | None:
    match data.get("type"):
        case "user":
            return _user(data)
        case "assistant":
            return _assistant(data)
        case "queue-operation" if (kind := _QUEUE.get(str(data.get("operation")))) is not None:
            return Entry(kind, str(data.get("content") or ""), None)
        case "attachment":
            return _attachment(data.get("attachment"))
        case "system" if data.get("subtype") == "turn_duration":
            return Entry("ended", "", None)
        case "system":
            note = str(data.get("content", ""))
            if said := _OUTPUT.fullmatch(note):
                return Entry("own_output", said[1], None)
            return next((Entry(said, note, None) for begin, said in _NOTES if note.startswith(begin)), None)
    return None


def _attachment(data: Any) -> Entry | None:
    if isinstance(data, dict) and data.get("type") == "queued_command" and isinstance(data.get("prompt"), str):
        return Entry("joined", data["prompt"], None)
    return None


def _user(data: Mapping[str, Any]) -> Entry | None:
    said_id = data.get("promptId")
    prompt_id = said_id if isinstance(said_id, str) else None
    text = _text(data)
    if _INTERRUPTED.fullmatch(text.strip()):
        return Entry("interrupt", text, prompt_id)
    if said := _OUTPUT.fullmatch(text):
        return Entry("own_output", said[1], None)
    if own := _OWN.fullmatch(text):  # without a prompt id in 2.1.330
        return Entry("own_command", " ".join(part for part in own.groups() if part), None)
    kinds = [block.get("type") for block in _blocks(data)]
    if prompt_id is None or not kinds or "tool_result" in kinds or text.startswith(_LOCAL):
        return None
    if slash := _SLASH.fullmatch(text):
        text = " ".join(part for part in slash.groups() if part)
    return Entry("prompt", text, prompt_id)


def _assistant(data: Mapping[str, Any]) -> Entry | None:
    text = _text(data)
    if not text:
        return None
    if data.get("isApiErrorMessage"):
        return Entry("failed", text, None)
    return Entry("assistant", text, None, final=_ends_answer(data["message"]))


def written_at(data: Mapping[str, Any]) -> datetime | None:
    """Return when the CLI wrote a line (UTC), None where it does not say."""
    try:
        at = datetime.fromisoformat(data["timestamp"])
        return at.astimezone(UTC) if at.tzinfo else None
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _ends_answer(message: Mapping[str, Any]) -> bool:
    return message.get("stop_reason") in _ENDS_ANSWER and message.get("model") != _NO_MODEL


def _text(data: Mapping[str, Any]) -> str:
    return "".join(str(block.get("text", "")) for block in _blocks(data) if block.get("type") == "text")


def _blocks(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    message = data.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def kept_at(folder: str, claude_session_id: str) -> str:
    """Return where ``keep`` puts a conversation's link."""
    return os.path.join(folder, f"{claude_session_id}.jsonl")


def folder_of_links(data_dir: str, project_id: str) -> str:
    """Return the folder in which a project's transcripts are kept by hard link."""
    return str(Path(data_dir) / "transcripts" / project_id)
