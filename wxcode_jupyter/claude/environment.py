"""The environment of the CLI's process: the server's, less what is none of Claude's business.

Claude runs programs, and what they print ends up in a conversation: the tokens of Jupyter and of this package stay
out. So do the markers by which a CLI tells its children that they run inside it (a server that was started from a
Claude session has them, and the new CLI would take itself for a nested one), and the names of a terminal that is not
ours. What the user configures (``ANTHROPIC_*``, ``CLAUDE_CONFIG_DIR``, ``CLAUDE_CODE_USE_BEDROCK``...) stays.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase

#: Jupyter's and our own: tokens, and names by which a program would take itself for a kernel or a single-user server.
SERVER_NAMES = (
    "CONFIGPROXY_AUTH_TOKEN",
    "JPY_*",
    "JUPYTERHUB_*",
    "JUPYTER_*TOKEN",
    "JUPYTER_*PASSWORD",
    "JUPYTER_*SECRET*",
    "JUPYTER_GATEWAY_*",
    "JUPYTER_SERVER_ROOT",
    "JUPYTER_SERVER_URL",
    "KERNEL_*",
    "WXCODE_*",
)

#: What the CLI sets for the programs it runs (seen with 2.1.197 and 2.1.330 in hooks and in Bash), and the names of
#: the hosts that it can run in: IDE, SDK, cloud, background job. None of them is a user's configuration.
CLAUDE_MARKERS = (
    "AI_AGENT",
    "CLAUDECODE",
    "CLAUDE_AGENT_SDK_*",
    "CLAUDE_BG_*",
    "CLAUDE_BRIDGE_*",
    "CLAUDE_CODE_*_FILE_DESCRIPTOR",
    "CLAUDE_CODE_BRIDGE_*",
    "CLAUDE_CODE_CHILD_*",
    "CLAUDE_CODE_CONTAINER_ID",
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_CODE_EXECPATH",
    "CLAUDE_CODE_HOST_*",
    "CLAUDE_CODE_MESSAGING_*",
    "CLAUDE_CODE_PARKED_*",
    "CLAUDE_CODE_RELAUNCH_*",
    "CLAUDE_CODE_REMOTE*",
    "CLAUDE_CODE_RESUME_FROM_SESSION",
    "CLAUDE_CODE_RESUME_PROMPT",
    "CLAUDE_CODE_RESUME_REASON",
    "CLAUDE_CODE_SDK_*",
    "CLAUDE_CODE_SESSION_*",
    "CLAUDE_CODE_SPAWN*",
    "CLAUDE_CODE_SSE_PORT",
    "CLAUDE_CODE_TMUX_*",
    "CLAUDE_CODE_TOOL_USE_ID",
    "CLAUDE_EFFORT",
    "CLAUDE_ENV_FILE",
    "CLAUDE_JOB_DIR",
    "CLAUDE_PID",
    "CLAUDE_PLUGIN_DATA",
    "CLAUDE_PLUGIN_ROOT",
    "CLAUDE_PROJECT_DIR",
    "CLAUDE_RUNNER_*",
    "CLAUDE_SESSION_*",
    "CLAUDE_SKILL_DIR",
)

#: The terminal that the server happens to run in; the CLI draws, asks and escapes differently in each of them.
TERMINAL_NAMES = (
    "ALACRITTY_*",
    "COLORFGBG",
    "COLUMNS",
    "GHOSTTY_*",
    "ITERM_*",
    "KITTY_*",
    "KONSOLE_*",
    "LC_TERMINAL*",
    "LINES",
    "STY",
    "TERMCAP",
    "TERMINAL_EMULATOR",
    "TERM_*",
    "TMUX*",
    "VTE_VERSION",
    "WEZTERM_*",
    "WINDOWID",
    "WT_SESSION",
)

DENIED_NAMES = SERVER_NAMES + CLAUDE_MARKERS + TERMINAL_NAMES

#: Whose values are looked for in all others.
_SECRET_NAMES = (
    "CONFIGPROXY_AUTH_TOKEN",
    "JUPYTERHUB_*TOKEN",
    "JUPYTERHUB_*KEY",
    "JUPYTER_*TOKEN",
    "JUPYTER_*PASSWORD",
    "JUPYTER_*SECRET*",
    "WXCODE_*TOKEN",
)
_CLAUDES_NAMES = ("ANTHROPIC_*", "CLAUDE_*")
_SECRET_LENGTH = 8

_LOCALE_NAMES = ("LC_ALL", "LC_CTYPE", "LANG")


def child_environment(
    base: Mapping[str, str],
    *,
    allow: Sequence[str] = (),
    deny: Sequence[str] = (),
    secrets: Collection[str] = (),
    extra: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the environment in which the CLI is started.

    Args:
        base: The server's environment; it is not changed.
        allow: Patterns (``fnmatch``, case matters) of names that are kept although they are denied by default.
        deny: Patterns of names that are removed as well; they win over ``allow``.
        secrets: What no variable may contain, whatever its name is, unless that is in ``allow``, or is one of Claude's
            own (a gateway may take Jupyter's token). So are the tokens and passwords in what is denied by default;
            those of fewer than 8 characters are too common to be looked for.
        extra: What is set in any case: it wins over everything.
    """
    told = {value for name, value in base.items() if _matches(name, _SECRET_NAMES)} | set(secrets)
    hidden = [secret for secret in told if len(secret) >= _SECRET_LENGTH]

    def stays(name: str, value: str) -> bool:
        if _matches(name, deny):
            return False
        if _matches(name, allow):
            return True
        if _matches(name, DENIED_NAMES):
            return False
        return _matches(name, _CLAUDES_NAMES) or not any(secret in value for secret in hidden)

    kept = {name: value for name, value in base.items() if stays(name, value)}
    # The CLI gives its children an editor that writes nothing; a user's commit would end up empty.
    if "CLAUDECODE" in base and kept.get("GIT_EDITOR") == "true":
        del kept["GIT_EDITOR"]
    if not any(kept.get(name) for name in _LOCALE_NAMES):
        kept["LANG"] = "C.UTF-8"
    return kept | {"TERM": "xterm-256color", "COLORTERM": "truecolor"} | dict(extra or {})


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
