"""A conversation that ends before a milestone's first prompt, made by the CLI of the one that has it."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ..claude import transcript
from ..claude.fork import BEGINNING, fork_line, message_before
from ..errors import ConversationUnknown
from ..models import Command, OutputProject
from ..store.base import Store
from ..workspace import real_path
from .config import Config
from .keepsake import bring_back

_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Cut:
    """A conversation to go on with; ``path`` is None for one in which nothing was said yet."""

    claude_session_id: str
    path: str | None


async def cut_before(
    config: Config, store: Store, project: OutputProject, commands: Sequence[Command], environment: Mapping[str, str]
) -> Cut | str:
    """Make the conversation that ends before the first of a milestone's commands, or say why there is none to make.

    The old one stays as it is, and may be in use.

    Raises:
        ConversationUnknown: the CLI did not do it; nothing was made.
    """
    first = next((command for command in commands if command.prompt_id and command.claude_session_id), None)
    if first is None or first.prompt_id is None or first.claude_session_id is None:
        return "nothing of the milestone is in it."
    workspace = real_path(project.workspace_path)
    lineage = await store.load_lineage(project.id)
    entries = [entry for entry in lineage if entry.claude_session_id == first.claude_session_id]
    told = next((entry.transcript_path for entry in entries if entry.transcript_path), None)
    old = transcript.find(environment, workspace, first.claude_session_id, known=told)
    if entries and not os.path.exists(old):  # noqa: ASYNC240 - one look at a local file
        old = await bring_back(store, config.data_dir, entries[-1], environment, workspace)
    message = await asyncio.to_thread(_message_before, old, first.prompt_id)
    if message is None:
        return "it cannot be cut before the milestone, because it was compacted there or its transcript is gone."
    new = str(uuid.uuid4())
    if message == BEGINNING:
        return Cut(new, None)
    line = fork_line(config.claude_command, old=first.claude_session_id, new=new, message=message)
    code, said = await _run(line, workspace, environment)
    path = transcript.find(environment, workspace, new)
    if code != 0 or not os.path.exists(path):  # noqa: ASYNC240 - one look at a local file
        raise ConversationUnknown(
            f"Claude Code did not go back in the conversation {first.claude_session_id}; nothing was changed. It "
            f"said: {said[-400:] or 'nothing'}",
            claude_session_id=first.claude_session_id,
        )
    return Cut(new, path)


def _message_before(path: str, prompt_id: str) -> str | None:
    try:
        with open(path, "rb") as file:
            return message_before(file, prompt_id)
    except FileNotFoundError:
        return None


async def _run(line: Sequence[str], workspace: str, environment: Mapping[str, str]) -> tuple[int | None, str]:
    """Run a command to its end, or for two minutes, and return its exit code (None: too late) and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *line,
        cwd=workspace,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            printed, _ = await process.communicate()
    except TimeoutError:
        return None, f"nothing, for {_TIMEOUT_S:g} s"
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return process.returncode, " ".join(printed.decode("utf-8", "replace").split())
