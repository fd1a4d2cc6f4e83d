"""The file that a project travels in: a zip, whose format is this page.

========================== ============================================================================================
``manifest.json``          ``format`` ("wxcode-project"), ``version`` (1), ``package`` (who wrote it), ``exported_at``,
                           ``project``, ``options``, ``lineage`` (the conversations by ``seq``), ``transcripts_folder``
                           (where the CLI kept them) and ``transcripts``: by conversation id ``bytes`` and ``sha256``
``milestones.jsonl``       the milestones, their contexts included, a JSON object a line, oldest first
``commands.jsonl``         the commands, by ``seq``
``events.jsonl``           the events, by ``seq``
``transcripts/<id>.jsonl`` what the CLI has written of each conversation, as it stood there: paths are those of the
                           machine and folder that it comes from
========================== ============================================================================================

Objects have the fields of `models.py`, times in ISO 8601 with their zone. Whoever reads version 1 passes over fields
that it does not know; another version, and a file in the zip that is not in this table, is refused. The workspace's own
files are not in it.

What is read may come from anybody: nothing is ever unpacked to a path that the file names, and how much may be read is
bounded, by what the zip declares and by what comes.
"""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, asdict, fields
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import IO, Any, TypeVar, get_args, get_type_hints

from .._version import __version__
from ..claude.foreign import read_json
from ..errors import InvalidBody, InvalidId
from ..models import ClaudeSession, Command, Event, Milestone, OutputProject, now
from ..store.documents import encode

FORMAT, VERSION = "wxcode-project", 1
MANIFEST = "manifest.json"

#: What is read at most: of the manifest and of any line, of the whole file unpacked, and how many files are in it.
LINE_LIMIT_BYTES = 64 << 20
TOTAL_LIMIT_BYTES = 4 << 30
FILES_LIMIT = 10_000

MILESTONES, COMMANDS, EVENTS = PARTS = ("milestones.jsonl", "commands.jsonl", "events.jsonl")
_ID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_TRANSCRIPT = re.compile(rf"transcripts/({_ID})\.jsonl")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OverflowError, UnicodeError)
Part = Milestone | Command | Event
P = TypeVar("P", OutputProject, ClaudeSession, Milestone, Command, Event)


def transcript_name(claude_session_id: str) -> str | None:
    """Return the name of a conversation's transcript in the zip; None for an id that is none of the CLI's."""
    if not re.fullmatch(_ID, claude_session_id):
        return None
    return f"transcripts/{claude_session_id}.jsonl"


def to_json(value: Any) -> str:
    """Return one of our values as a line has it."""
    return json.dumps(asdict(value), default=_encode_time, ensure_ascii=True)


def manifest_of(
    project: OutputProject,
    options: Mapping[str, Any],
    lineage: Iterable[ClaudeSession],
    transcripts_folder: str,
    transcripts: Mapping[str, Mapping[str, Any]],
) -> str:
    """Return the text of a manifest."""
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "package": f"wxcode_jupyter {__version__}",
        "exported_at": now(),
        "project": asdict(project),
        "options": options,
        "lineage": [asdict(entry) for entry in lineage],
        "transcripts_folder": transcripts_folder,
        "transcripts": transcripts,
    }
    return json.dumps(manifest, default=_encode_time, indent=1)


class Archive:
    """An exported project, read. Everything that does not fit raises ``InvalidBody`` with what is wrong.

    Attributes:
        project: The project as it was where it comes from.
        options: Its options.
        lineage: Its conversations.
        transcripts_folder: Where their transcripts were.
        exported_at: When it was exported.

    Args:
        file: The zip, opened for reading in binary mode.
    """

    def __init__(self, file: IO[bytes]) -> None:
        with _complaints():
            self._zip = zipfile.ZipFile(file)
            self._check_directory()
            manifest = self._read_manifest()
        self.exported_at = _time(manifest.get("exported_at"))
        self.project = _value(OutputProject, manifest.get("project"), "the project")
        self.options = _mapping(manifest.get("options"), "the options")
        self.lineage = tuple(
            _value(ClaudeSession, entry, "a conversation") for entry in _list(manifest.get("lineage"), "the lineage")
        )
        self.transcripts_folder = str(manifest.get("transcripts_folder") or "")
        self._transcripts = _mapping(manifest.get("transcripts"), "the transcripts")
        self._check_transcripts()

    @property
    def conversations(self) -> tuple[str, ...]:
        """The ids of the conversations whose transcripts it has."""
        return tuple(self._transcripts)

    def check(self) -> None:
        """Read all of it once, and raise ``InvalidBody`` for the first thing that does not fit."""
        for name in PARTS:
            for _ in self.values(name):
                pass
        for claude_session_id in self.conversations:
            for _ in self.transcript(claude_session_id):
                pass

    def values(self, name: str) -> Iterator[Part]:
        """Yield the milestones, commands or events, as they are in the file of this name."""
        for line in self._lines(name):
            try:
                read = read_json(line)
            except ValueError:
                raise InvalidBody(f"The file is damaged: {name} has a line that is no JSON.", field=name) from None
            yield _part(name, read)

    def transcript(self, claude_session_id: str) -> Iterator[bytes]:
        """Yield the lines of a conversation's transcript; that it is the one that was written is known at the end."""
        hasher, length = sha256(), 0
        for line in self._lines(f"transcripts/{claude_session_id}.jsonl"):
            hasher.update(line)
            length += len(line)
            yield line
        told = self._transcripts[claude_session_id]
        if (told.get("bytes"), told.get("sha256")) != (length, hasher.hexdigest()):
            raise InvalidBody(f"The file is damaged: the transcript of {claude_session_id} is not what was exported.")

    def _check_directory(self) -> None:
        entries = self._zip.infolist()
        names = [entry.filename for entry in entries]
        for entry in entries:
            if entry.filename not in (MANIFEST, *PARTS) and not _TRANSCRIPT.fullmatch(entry.filename):
                raise InvalidBody(f"{entry.filename!r:.120} is no file of an exported project.")
            if entry.compress_type not in _METHODS or entry.flag_bits & 1:
                raise InvalidBody(f"{entry.filename!r:.120} is packed in a way that no export uses.")
        if len(set(names)) != len(names) or len(names) > FILES_LIMIT:
            raise InvalidBody("The file has too many files in it, or one twice.")
        if sum(entry.file_size for entry in entries) > TOTAL_LIMIT_BYTES:
            raise InvalidBody(f"The file is larger than {TOTAL_LIMIT_BYTES >> 30} GiB when it is unpacked.")
        if missing := {MANIFEST, *PARTS} - set(names):
            raise InvalidBody(f"This is no exported project: {', '.join(sorted(missing))} is missing in it.")

    def _read_manifest(self) -> Mapping[str, Any]:
        with self._zip.open(MANIFEST) as file:
            text = file.read(LINE_LIMIT_BYTES + 1)
        if len(text) > LINE_LIMIT_BYTES:
            raise InvalidBody("The manifest is too large.", field=MANIFEST)
        try:
            manifest = _mapping(read_json(text), "the manifest")
        except ValueError:
            raise InvalidBody("The file is damaged: its manifest is no JSON.", field=MANIFEST) from None
        if manifest.get("format") != FORMAT:
            raise InvalidBody("This is no exported project: its manifest says something else.", field="format")
        if manifest.get("version") != VERSION or isinstance(manifest["version"], bool):
            raise InvalidBody(
                f"The file has version {manifest.get('version')!r:.20} of the format, and this wxcode_jupyter knows "
                f"{VERSION}. Upgrade wxcode_jupyter, or export the project again with this version.",
                field="version",
            )
        return manifest

    def _check_transcripts(self) -> None:
        packed = {found[1] for name in self._zip.namelist() if (found := _TRANSCRIPT.fullmatch(name))}
        if packed != set(self._transcripts):
            raise InvalidBody("The file is damaged: the transcripts are not those that its manifest names.")
        if not packed <= {entry.claude_session_id for entry in self.lineage}:
            raise InvalidBody("The file has a transcript of a conversation that is not the project's.")
        for told in self._transcripts.values():
            _mapping(told, "a transcript")

    def _lines(self, name: str) -> Iterator[bytes]:
        with _complaints(), self._zip.open(name) as file:
            while line := file.readline(LINE_LIMIT_BYTES):
                if not line.endswith(b"\n"):
                    raise InvalidBody(f"{name} has a line that is cut off, or too long.", field=name)
                yield line


@contextmanager
def _complaints() -> Iterator[None]:
    """Turn what Python says of a zip that is none, or is damaged, into an error for whoever gave it."""
    try:
        yield
    except _BROKEN as error:
        raise InvalidBody(f"The file is damaged, or no exported project: {error!s:.200}") from error


def _part(name: str, told: Any) -> Part:
    what = f"a line of {name}"
    match name:
        case "milestones.jsonl":
            return _value(Milestone, told, what)
        case "commands.jsonl":
            return _value(Command, told, what)
        case _:
            return _value(Event, told, what)


def _value(kind: type[P], told: Any, what: str) -> P:
    """Return a value of ours as a line tells it, with every field that is needed, each of its type."""
    said = _mapping(told, what)
    values: dict[str, Any] = {}
    hints = get_type_hints(kind)
    for field in fields(kind):
        if field.name in said:
            values[field.name] = _field(hints[field.name], said[field.name], f"{field.name} of {what}")
        elif field.default is MISSING and field.default_factory is MISSING:
            raise InvalidBody(f"The file does not fit: {field.name} of {what} is missing.", field=field.name)
    value = kind(**values)
    try:
        encode(value)  # what a store would refuse is refused before anything is made
    except (InvalidBody, InvalidId) as error:
        raise InvalidBody(f"The file does not fit: {what}: {error.message}") from error
    return value


def _field(hint: Any, told: Any, what: str) -> Any:
    expected = get_args(hint)[0] if type(None) in get_args(hint) else hint
    if told is None:
        return None
    if expected is datetime:
        return _time(told)
    if isinstance(expected, type) and issubclass(expected, StrEnum):
        if told not in list(expected):
            raise InvalidBody(f"The file does not fit: {what} is {told!r:.60}.")
        return expected(told)
    if expected in (str, int, bool) and type(told) is not expected:
        raise InvalidBody(f"The file does not fit: {what} is no {expected.__name__}.")
    return told if expected in (str, int, bool) else _mapping(told, what)


def _time(told: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(told)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidBody(f"The file does not fit: {told!r:.60} is no time with a zone.")
    return moment


def _mapping(told: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(told, dict):
        raise InvalidBody(f"The file does not fit: {what} is no object.")
    return told


def _list(told: Any, what: str) -> list[Any]:
    if not isinstance(told, list):
        raise InvalidBody(f"The file does not fit: {what} is no list.")
    return told


def _encode_time(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in an export")
