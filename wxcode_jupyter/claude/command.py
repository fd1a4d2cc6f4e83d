"""The command line of an interactive `claude`, and which arguments of the user's may stand in it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import ConversationUnknown, InvalidBody

#: ``default`` asks before anything risky; 2.1.330 lists it as ``manual`` and takes both names.
PERMISSION_MODES = ("default", "acceptEdits", "plan", "bypassPermissions", "dontAsk", "auto", "manual")

#: Arguments that would take settings (and our hooks), the session, or the terminal itself out of our hands.
_REFUSED = frozenset(
    "--settings --setting-sources --bare --safe-mode "  # hooks come by --settings
    "--session-id --resume -r --continue -c --fork-session --from-pr --no-session-persistence "
    "--print -p --output-format --input-format --include-partial-messages --include-hook-events "
    "--replay-user-messages --json-schema --permission-prompts --permission-prompt-tool "
    "--permission-mode --dangerously-skip-permissions --allow-dangerously-skip-permissions "
    "--bg --background --cloud --desktop --environment --remote --teleport --tmux --worktree -w "
    "--disable-slash-commands --help -h --version -v --".split()
)
#: Options without a value (2.1.330): a bare word behind one is a prompt.
_FLAGS = frozenset(
    "--verbose --chrome --no-chrome --ide --strict-mcp-config --brief --ax-screen-reader --restricted "
    "--exclude-dynamic-system-prompt-sections".split()
)
_INSTEAD = {
    "--permission-mode": "choose it with the option permission_mode",
    "--dangerously-skip-permissions": "choose it with the option permission_mode, as bypassPermissions",
    "--resume": "the project's own conversation is resumed by itself",
    "--session-id": "the project's conversation id is chosen and kept for you",
}


_SESSION_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What is executed: ``argv``, and the conversation id that it starts or resumes."""

    argv: tuple[str, ...]
    claude_session_id: str
    resumes: bool


def check_permission_mode(mode: str) -> str:
    """Return ``mode`` when the CLI has it; raise ``InvalidBody`` (field ``permission_mode``) otherwise."""
    if mode not in PERMISSION_MODES:
        raise InvalidBody(
            f"There is no permission mode {mode!r:.40}; the modes are {', '.join(PERMISSION_MODES)}.",
            field="permission_mode",
        )
    return mode


def check_session_id(claude_session_id: str) -> str:
    """Return a conversation's id when it is one of the CLI's, a UUID, and may stand in a command line.

    Other programs write that field, too, and ``--dangerously-skip-permissions`` would be taken for an option.

    Raises:
        ConversationUnknown: it is none.
    """
    if not _SESSION_ID.fullmatch(claude_session_id):
        raise ConversationUnknown(
            f"The project's conversation id {claude_session_id!r:.60} is none of Claude Code's, which are UUIDs; it "
            "was not passed on. Begin a new conversation with `%wxmilestone resume --fresh`.",
            claude_session_id=claude_session_id,
        )
    return claude_session_id


def check_arguments(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return the extra arguments when each may stand in our command line.

    Raises:
        InvalidBody: for an argument that changes settings, session or printing, for a prompt or subcommand (a first
            word without a dash), and for control characters.
    """
    for position, argument in enumerate(arguments):
        option = argument.partition("=")[0]
        # Short options may be glued to each other and to their values (-pc, -rID).
        glued = re.match(r"-[A-Za-z]*?([prcwhv])", argument) if re.match(r"-[A-Za-z]", argument) else None
        if option in _REFUSED or glued:
            name = f"-{glued.group(1)}" if glued else option
            instead = _INSTEAD.get(option, "it would take the session out of our hands")
            raise InvalidBody(f"The argument {name} is refused: {instead}.", field="claude_args")
        before = arguments[position - 1] if position else ""
        if not argument.startswith("-") and (
            not before or before in _FLAGS or (before.startswith("--") and "=" in before)
        ):
            raise InvalidBody(
                f"{argument!r:.40} would be read as a prompt or a subcommand; send prompts with `%wxmilestone send`.",
                field="claude_args",
            )
        if any(ord(character) < 32 for character in argument):
            raise InvalidBody("Arguments cannot contain control characters.", field="claude_args")
    return tuple(arguments)


def command_line(
    claude_command: Sequence[str],
    *,
    resume: str | None,
    settings_path: str,
    permission_mode: str,
    model: str | None = None,
    arguments: Sequence[str] = (),
) -> CommandLine:
    """Build the command line of an interactive session.

    With ``resume`` the CLI keeps that id (``--resume``); without, a new conversation gets an id chosen here
    (``--session-id``), because interactive mode never prints one. The permission mode is always passed: with none,
    2.1.330 starts in *auto mode*. The user's arguments come last, so that one that takes several values, or whose value
    was forgotten, cannot swallow ours.

    Raises:
        ConversationUnknown: ``resume`` is no id.
        InvalidBody: as ``check_permission_mode`` and ``check_arguments`` do.
    """
    session_id = str(uuid.uuid4()) if resume is None else check_session_id(resume)
    argv = [*claude_command, "--settings", settings_path, "--permission-mode", check_permission_mode(permission_mode)]
    argv += ["--session-id", session_id] if resume is None else ["--resume", session_id]
    if model:
        argv += ["--model", model]
    argv += check_arguments(arguments)
    return CommandLine(tuple(argv), session_id, resume is not None)
