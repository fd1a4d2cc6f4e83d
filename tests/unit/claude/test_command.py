"""The command line of the CLI, and which of the user's arguments may stand in it."""

from __future__ import annotations

import uuid

import pytest

from wxcode_jupyter.claude.command import PERMISSION_MODES, CommandLine, check_arguments, command_line
from wxcode_jupyter.errors import ConversationUnknown, InvalidBody

ID = "7f2ac6b8-47d9-4a1c-bef1-06270dffb98d"


def build(*arguments: str, resume: str | None = None, mode: str = "default", model: str | None = None) -> CommandLine:
    return command_line(
        ["npx", "claude"],
        resume=resume,
        settings_path="/s/settings.json",
        permission_mode=mode,
        model=model,
        arguments=arguments,
    )


def test_a_new_conversation_has_an_id_of_our_choice() -> None:
    line = build()
    expected = ("npx", "claude", "--settings", "/s/settings.json", "--permission-mode", "default", "--session-id")
    assert line.argv == (*expected, line.claude_session_id)
    assert uuid.UUID(line.claude_session_id).version == 4
    assert line.resumes is False
    assert build().claude_session_id != line.claude_session_id


def test_a_resumed_one_keeps_its_id() -> None:
    line = build(resume=ID)
    assert line.argv[-2:] == ("--resume", ID)
    assert "--session-id" not in line.argv
    assert (line.claude_session_id, line.resumes) == (ID, True)


@pytest.mark.parametrize("resume", ["--dangerously-skip-permissions", "-p", "", "a", f"{ID} ", f"{ID}\n", ID[:-1]])
def test_an_id_that_is_none_is_not_passed_on(resume: str) -> None:
    with pytest.raises(ConversationUnknown, match="--fresh") as caught:
        build(resume=resume)
    assert caught.value.claude_session_id == resume


@pytest.mark.parametrize("mode", PERMISSION_MODES)
@pytest.mark.parametrize("resume", [None, ID])
def test_mode_and_settings_are_always_passed(mode: str, resume: str | None) -> None:
    argv = build("--verbose", resume=resume, mode=mode, model="opus").argv
    assert argv[argv.index("--permission-mode") + 1] == mode
    assert argv[argv.index("--settings") + 1] == "/s/settings.json"
    assert argv[argv.index("--model") + 1] == "opus"


@pytest.mark.parametrize("mode", ["", "Default", "yolo", "--print", "default "])
def test_a_mode_that_the_cli_does_not_have(mode: str) -> None:
    with pytest.raises(InvalidBody) as caught:
        build(mode=mode)
    assert caught.value.field == "permission_mode"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--verbose",),
        ("--add-dir", "../lib", "/opt/x"),
        ("--append-system-prompt", "Be brief. Don't ask -- decide."),
        ("--append-system-prompt=-p is fine in a value",),
        ("--allowedTools", "Bash(git *)", "Edit"),
        ("--mcp-config", "m.json", "--strict-mcp-config"),
        ("--debug", "api"),
        ("-d", "api"),
        ("--model", "opus", ""),
    ],
)
def test_arguments_that_stand_behind_ours(arguments: tuple[str, ...]) -> None:
    line = build(*arguments, resume=ID)
    # Behind ours: an argument that takes several values, or whose value was forgotten, has nothing of ours to swallow.
    assert line.argv == (*build(resume=ID).argv, *arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--settings", "{}"),
        ("--settings={}",),
        ("--setting-sources", "user"),
        ("--session-id", ID),
        (f"--session-id={ID}",),
        ("--resume",),
        ("--resume=x",),
        ("-r",),
        (f"-r{ID}",),
        ("-r=x",),
        ("--continue",),
        ("-c",),
        ("--fork-session",),
        ("--no-session-persistence",),
        ("--print",),
        ("-p",),
        ("-pc",),
        ("-dp",),
        ("-cp",),
        ("-dr", "x"),
        ("--output-format", "json"),
        ("--output-format=json",),
        ("--input-format=stream-json",),
        ("--permission-mode", "plan"),
        ("--permission-mode=bypassPermissions",),
        ("--dangerously-skip-permissions",),
        ("--allow-dangerously-skip-permissions",),
        ("--permission-prompt-tool", "x"),
        ("--worktree",),
        ("-w",),
        ("--tmux",),
        ("--help",),
        ("-h",),
        ("--version",),
        ("-v",),
        ("--bare",),
        ("--disable-slash-commands",),
        ("--",),
        ("--", "a prompt"),
        ("--verbose", "--settings", "{}"),
        ("--verbose", "-p"),
        ("--add-dir", "x", "--resume"),
    ],
)
def test_arguments_that_are_refused(arguments: tuple[str, ...]) -> None:
    with pytest.raises(InvalidBody) as caught:
        check_arguments(arguments)
    assert caught.value.field == "claude_args"
    assert "refused" in caught.value.message


@pytest.mark.parametrize("arguments", [("mcp", "list"), ("do it",), ("",), ("update",)])
def test_a_prompt_or_a_subcommand_is_refused(arguments: tuple[str, ...]) -> None:
    with pytest.raises(InvalidBody, match="prompt or a subcommand"):
        check_arguments(arguments)


@pytest.mark.parametrize("character", ["\0", "\n", "\r", "\x1b", "\t"])
def test_control_characters_are_refused(character: str) -> None:
    with pytest.raises(InvalidBody, match="control"):
        check_arguments(["--append-system-prompt", f"a{character}b"])


@pytest.mark.parametrize(
    ("argument", "remedy"),
    [
        ("--permission-mode=plan", "the option permission_mode"),
        ("--dangerously-skip-permissions", "bypassPermissions"),
        ("--resume=x", "resumed by itself"),
        ("-p", "out of our hands"),
    ],
)
def test_a_refusal_says_what_to_do_instead(argument: str, remedy: str) -> None:
    with pytest.raises(InvalidBody, match=remedy):
        check_arguments([argument])


def test_the_line_is_checked_as_a_whole() -> None:
    with pytest.raises(InvalidBody):
        build("--resume", ID)


@pytest.mark.parametrize("arguments", [("--verbose", "do this"), ("--model=opus", "do this"), ("do this",)])
def test_a_prompt_behind_a_flag_is_refused(arguments: tuple[str, ...]) -> None:
    with pytest.raises(InvalidBody, match="would be read as a prompt"):
        check_arguments(arguments)
    assert check_arguments(("--add-dir", "one", "two")) == ("--add-dir", "one", "two")
