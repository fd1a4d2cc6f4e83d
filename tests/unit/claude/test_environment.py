"""What the CLI's process inherits, and what it does not."""

from __future__ import annotations

import pytest

from wxcode_jupyter.claude.environment import child_environment

#: Every name that CLI 2.1.197 or 2.1.330 added to the environment of a hook or of a Bash command and that says
#: "you run inside me" (observed; the rest, such as SHLVL, is the shell's).
OBSERVED_MARKERS = (
    "AI_AGENT",
    "CLAUDECODE",
    "CLAUDE_CODE_CHILD_NOTES_DIR",
    "CLAUDE_CODE_CHILD_SESSION",
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_CODE_EXECPATH",
    "CLAUDE_CODE_MESSAGING_SOCKET",
    "CLAUDE_CODE_MESSAGING_TOKEN",
    "CLAUDE_CODE_SESSION_ATTENDED",
    "CLAUDE_CODE_SESSION_ID",
    "CLAUDE_CODE_SSE_PORT",
    "CLAUDE_EFFORT",
    "CLAUDE_ENV_FILE",
    "CLAUDE_PID",
    "CLAUDE_PROJECT_DIR",
)
SERVER_NAMES = (
    "CONFIGPROXY_AUTH_TOKEN",
    "JPY_PARENT_PID",
    "JPY_SESSION_NAME",
    "JUPYTERHUB_API_TOKEN",
    "JUPYTERHUB_USER",
    "JUPYTER_GATEWAY_AUTH_TOKEN",
    "JUPYTER_GATEWAY_HTTP_PWD",
    "JUPYTER_COOKIE_SECRET_FILE",
    "JUPYTER_TOKEN",
    "KERNEL_ID",
    "WXCODE_STORE_URL",
    "WXCODE_TOKEN",
)
TERMINAL_NAMES = ("COLUMNS", "KITTY_WINDOW_ID", "LINES", "STY", "TERM_PROGRAM", "TERM_SESSION_ID", "TMUX", "TMUX_PANE")
USER_NAMES = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_BASE_URL",
    "AWS_PROFILE",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
    "CLAUDE_CODE_EFFORT_LEVEL",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_SUBAGENT_MODEL",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CONFIG_DIR",
    "DISABLE_AUTOUPDATER",
    "DISABLE_TELEMETRY",
    "GIT_EDITOR",
    "HOME",
    "HTTPS_PROXY",
    "IS_SANDBOX",
    "JUPYTER_CONFIG_DIR",
    "LC_TIME",
    "PATH",
    "PYTHONPATH",
    "SSH_AUTH_SOCK",
    "VIRTUAL_ENV",
)


@pytest.mark.parametrize("name", OBSERVED_MARKERS + SERVER_NAMES + TERMINAL_NAMES)
def test_is_left_out(name: str) -> None:
    assert name not in child_environment({name: "x"})


@pytest.mark.parametrize("name", USER_NAMES)
def test_is_kept(name: str) -> None:
    assert child_environment({name: "x"})[name] == "x"


def test_the_terminal_is_ours() -> None:
    environment = child_environment({"TERM": "dumb", "COLORTERM": "24bit"})
    assert environment["TERM"] == "xterm-256color"
    assert environment["COLORTERM"] == "truecolor"


@pytest.mark.parametrize("name", ["LANG", "LC_ALL", "LC_CTYPE"])
def test_a_locale_is_kept(name: str) -> None:
    environment = child_environment({name: "pt_BR.UTF-8"})
    assert environment[name] == "pt_BR.UTF-8"
    assert ("LANG" in environment) == (name == "LANG")


@pytest.mark.parametrize("base", [{}, {"LANG": ""}, {"LC_TIME": "pt_BR.UTF-8"}])
def test_without_a_locale_it_is_utf8(base: dict[str, str]) -> None:
    assert child_environment(base)["LANG"] == "C.UTF-8"


def test_an_editor_set_by_an_enclosing_session_goes_with_it() -> None:
    assert "GIT_EDITOR" not in child_environment({"CLAUDECODE": "1", "GIT_EDITOR": "true"})
    assert child_environment({"CLAUDECODE": "1", "GIT_EDITOR": "vim"})["GIT_EDITOR"] == "vim"
    assert child_environment({"GIT_EDITOR": "true"})["GIT_EDITOR"] == "true"


def test_allow_keeps_what_is_denied_by_default() -> None:
    base = {"KERNEL_USERNAME": "a", "KERNEL_ID": "b", "JUPYTER_TOKEN": "c"}
    kept = child_environment(base, allow=("KERNEL_U*",))
    assert "KERNEL_USERNAME" in kept
    assert "KERNEL_ID" not in kept
    assert "JUPYTER_TOKEN" not in kept


def test_deny_removes_more_and_wins_over_allow() -> None:
    base = {"AWS_SECRET": "a", "aws_lower": "b", "JUPYTER_TOKEN": "c"}
    kept = child_environment(base, allow=("JUPYTER_*",), deny=("AWS_*", "JUPYTER_T*"))
    assert "AWS_SECRET" not in kept
    assert "JUPYTER_TOKEN" not in kept
    assert kept["aws_lower"] == "b"


def test_extra_wins_over_everything() -> None:
    kept = child_environment({"A": "1", "TERM": "x"}, deny=("A",), extra={"A": "2", "TERM": "y", "WXCODE_SPOOL": "z"})
    assert (kept["A"], kept["TERM"], kept["WXCODE_SPOOL"]) == ("2", "y", "z")


def test_the_base_is_not_changed() -> None:
    base = {"JUPYTER_TOKEN": "x"}
    child_environment(base)
    assert base == {"JUPYTER_TOKEN": "x"}


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("MY_SERVER", False),  # whatever the variable is called
        ("ANTHROPIC_API_KEY", True),  # a gateway of the hub's takes the hub's token
        ("CLAUDE_CODE_OAUTH_TOKEN", True),
    ],
)
def test_a_secret_of_the_servers_is_found_under_other_names(name: str, kept: bool) -> None:
    base = {
        "JUPYTER_TOKEN": "0123456789abcdef",
        name: "http://host/?token=0123456789abcdef",
        "OTHER": "0123456789abcde",
    }
    environment = child_environment(base)
    assert (name in environment, "OTHER" in environment) == (kept, True)
    assert name in child_environment(base, allow=[name])


def test_a_secret_that_is_given_is_found_and_a_short_one_is_not_looked_for() -> None:
    base = {"MONGO_URL": "mongodb://u:p%40ssword@h/", "PATH": "/bin", "TINY": "x", "JUPYTER_TOKEN": "bin"}
    environment = child_environment(base, secrets=["p%40ssword"])
    assert "MONGO_URL" not in environment
    assert (environment["PATH"], environment["TINY"]) == ("/bin", "x")
