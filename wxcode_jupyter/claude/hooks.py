"""Claude's hooks: how they are installed, and how their events come back.

Every session has a folder with a copy of ``relay.sh``; `--settings` adds hooks that run it beside the user's own. An
event becomes a file in ``spool/`` (complete or absent), so that nothing is lost while no server runs. A reader
removes a file only when what it says has been stored: events may come twice after a crash, never not at all.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import shlex
import shutil
import stat
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..folders import make_private, open_private
from .foreign import read_json
from .open_hook import OpenHook

log = logging.getLogger(__name__)

#: The events seen firing in 2.1.197 and 2.1.330 (`claude-code-facts.md`, "Hooks").
EVENTS = (
    "SessionStart",
    "SessionEnd",
    "UserPromptExpansion",
    "UserPromptSubmit",
    "PreToolUse",
    "PostToolUse",
    "PermissionRequest",
    "PreCompact",
    "Stop",
    "StopFailure",
)

_DOUBTED = ".doubted"
#: A file of the spool with more is no event, and not read: one of a tool has what the tool is given.
EVENT_LIMIT_BYTES = 64 << 20

_ASKS_S = 2_000_000  # how long an open hook may wait, 23 days: in ms it has to fit 31 bits


@dataclass(frozen=True, slots=True)
class HookEvent:
    """One event as the CLI reported it.

    Attributes:
        key: Unique within the session, the same when the event is read again.
        name: One of ``EVENTS``.
        claude_session_id: The conversation it happened in.
        data: The CLI's JSON, whole.
    """

    key: str
    name: str
    claude_session_id: str
    data: Mapping[str, Any]

    @property
    def at(self) -> datetime | None:
        """When the relay ran (UTC), which may be long before the event is read; None for a key that is no time."""
        try:
            return datetime.fromtimestamp(int(self.key.partition("-")[0]) / 1e9, UTC)
        except (ValueError, OverflowError, OSError):
            return None

    @property
    def transcript_path(self) -> str | None:
        """Where the CLI keeps the transcript of this conversation: a file that has its id for a name.

        None for any other: what is named here is read, and copied into the store.
        """
        value = self.data.get("transcript_path")
        named = isinstance(value, str) and value.endswith(f"{self.claude_session_id}.jsonl")
        return str(value) if named and ".." not in str(value).split("/") else None

    @property
    def prompt_id(self) -> str | None:
        """The id that the prompt's entry in the transcript carries as ``promptId``."""
        value = self.data.get("prompt_id")
        return value if isinstance(value, str) else None


class HookSpool:
    """The folder in which a session's hook events arrive.

    ``install`` makes it before the CLI starts; ``load`` may be called at any time, by any process.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.poke_path = str(self.folder / "poke")
        self.settings_path = str(self.folder / "settings.json")
        self._spool = self.folder / "spool"
        self._answers = self.folder / "answers"

    def install(self, *, tui: str) -> None:
        """Write relay, fifo and settings. ``tui`` is ``default`` (inline, keeps scrollback) or ``fullscreen``.

        Naming the renderer also keeps 2.1.330 from asking for it in a menu after ``SessionStart``.
        """
        for folder in (self._spool, self._answers):
            make_private(folder)
        relay = self.folder / "relay.sh"
        shutil.copyfile(Path(__file__).with_name("relay.sh"), relay)
        relay.chmod(0o500)
        os.mkfifo(self.poke_path, 0o600)
        shell = f"/bin/sh {shlex.quote(str(relay))}"
        hooks = {event: [{"hooks": [_command(shell)]}] for event in EVENTS}
        hooks["PermissionRequest"] = [{"hooks": [{**_command(f"{shell} asks"), "timeout": _ASKS_S}]}]
        with open(self.settings_path, "w", encoding="utf-8", opener=open_private) as file:
            json.dump({"hooks": hooks, "tui": tui}, file)

    def load(self, seen: Collection[str] = ()) -> list[HookEvent]:
        """Return the events that are waiting, in the order in which they arrived.

        Those whose keys are ``seen`` are left out, and not read again: while the store is away they may be thousands.
        A file that holds no event, or cannot be read, is reported in the log and put aside (`*.bad`), once: whatever
        stands in the folder, nothing is raised. What is nested deeper than ``foreign.DEPTH`` is None.
        """
        events = []
        for name in sorted(entry for entry in _names(self._spool) if entry.endswith(".json") and entry not in seen):
            path = self._spool / name
            try:
                events.append(_event(name, read_json(_read(path))))
            except FileNotFoundError:
                continue
            except (ValueError, OSError):
                _put_aside(path)
        return events

    def open_hook(self, event: HookEvent) -> OpenHook:
        """Return the hook of an event, which may wait for an answer: that of ``PermissionRequest`` does."""
        return OpenHook(self._answers, event.key)

    def set_aside(self, key: str) -> None:
        """Take an event out of what ``load`` finds, without forgetting it."""
        with suppress(OSError):
            (self._spool / key).rename(self._spool / f"{key}{_DOUBTED}")

    def take_back(self, key: str) -> None:
        """Have ``load`` find an event again that was set aside."""
        with suppress(OSError):
            (self._spool / f"{key}{_DOUBTED}").rename(self._spool / key)

    def remove(self, key: str) -> None:
        """Forget an event that has been stored."""
        (self._spool / key).unlink(missing_ok=True)


def _read(path: Path) -> bytes:
    """Return what a regular file holds; anything else could make us wait, or never end. Raises ``OSError``."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode) or status.st_size > EVENT_LIMIT_BYTES:
        os.close(fd)
        raise OSError(errno.EINVAL, "It is no file, or larger than any event", str(path))
    with open(fd, "rb") as file:
        return file.read()


def _command(shell: str) -> dict[str, Any]:
    # `|| :` because a missing program would exit 2 or 127, and 2 makes the CLI refuse every prompt.
    return {"type": "command", "command": f"{shell} 2>/dev/null || :"}


def _event(key: str, data: Any) -> HookEvent:
    """Return the event. Raises ``ValueError`` for what is none."""
    if isinstance(data, dict):
        name, session_id = data.get("hook_event_name"), data.get("session_id")
        if isinstance(name, str) and isinstance(session_id, str):
            return HookEvent(key, name, session_id, data)
    raise ValueError("It is no hook event.")


def _put_aside(path: Path) -> None:
    try:
        path.rename(path.with_suffix(".bad"))
    except OSError as error:
        log.warning("A hook event could be neither read nor put aside: %s", error)
    else:
        log.warning("A hook event could not be read and was put aside: %s", path)


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        log.warning("The hook events of a session cannot be read: %s", error)
        return []
