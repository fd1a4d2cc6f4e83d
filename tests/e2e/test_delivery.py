"""Commands reach Claude whole, in order and exactly once, and what it does not take fails with the reason."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest

from tests.support.cli import each_cli
from tests.support.conversation import asked
from tests.support.job import Job
from wxcode_jupyter.models import Command, CommandStatus, SessionState
from wxcode_jupyter.testing.scripted_model import Fail, Rule, Say

pytestmark = [pytest.mark.cli, pytest.mark.timeout(180)]

MENU = "Do you want to proceed?\n❯ 1. Yes\n  2. No, exit\n\nEnter to confirm · Esc to cancel"
HOUSE_RULES = """
case $(cat) in
    *forbidden*) echo 'not in this house' >&2; exit 2 ;;
    *stopped*) echo '{"continue": false, "stopReason": "enough"}' ;;
esac
"""
TEXTS = {
    "one line": 'What\'s in `a b`? It costs $5, "quoted".',
    "three lines": "first\n  second, indented\nthird",
    "forty lines": "\n".join(f"{number}. line of a longer text" for number in range(40)),
    "a file at its end": "look at @notes.md",
    "a name at its end": "ask @nobody",
    "emoji": "family 👩‍👩‍👧, flag 🇧🇷, thumb 👍🏽, heart ❤️ and 漢字",
    "combining": "e\u0301le\u0300ve, n\u0303, a\u030a: ação",
    "other scripts": "हिन्दी में क्षत्रिय, ภาษาไทย กำลัง, עִבְרִית, العربية, می‌خواهم, தமிழ், 한국어",
    "joiners of scripts": " ".join(
        f"{letter}{mark}{letter}"
        for letters, marks in (
            ("\u0628\u0647\u06a9\u0915\u0995\u0a15\u0a95\u0b15\u0b95\u0c15\u0c95\u0d15\u0d9a", "\u200c\u200d"),
            ("\u1820", "\u180b"),
            ("\u0e01\u0e81\u1000\u1780", "\u200b"),
        )
        for letter in letters
        for mark in marks
    ),
    "more emoji": "keys 1️⃣ #️⃣, ©️ ™️ ‼️ ▶️ 〰️, 👩‍❤️‍👨 🏳️‍🌈 👩🏽‍⚖️ 🐈‍⬛",
    "a path": "/etc/hosts is a file",
    "looks like a menu": MENU,
    "one long line": "word " * 1000 + "end",
    "a shell command": "!touch never",
    "a note": "# Title\n\n- [ ] a task",
    "a backslash at its end": "go on\\",
    "nothing but a backslash": "\\",
    "lines with a backslash at their ends": "one \\\ntwo \\",
    "a mark of the CLI": "[Pasted text #1 +3 lines]",
}


@each_cli
def test_every_text_reaches_the_model_as_it_is(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version) as job:
        (job.workspace / "notes.md").write_text("# Notes\n")
        project = job.project()
        for number, text in enumerate(TEXTS.values(), 1):
            job.ask(project, text)
            # The CLI composes accents; nothing else changes.
            assert job.model.prompts[number - 1 :] == [unicodedata.normalize("NFC", text)]


@each_cli
@pytest.mark.parametrize("kind", ["lines", "one line"])
def test_a_text_of_64_kib_arrives_whole(tmp_path: Path, cli_version: str, kind: str) -> None:
    words = [f"word{number:06d}" for number in range(6000)]
    text = ("\n" if kind == "lines" else " ").join(words)[: 64 << 10]
    assert len(text.encode()) == 64 << 10
    with Job(tmp_path, cli_version) as job:
        project = job.project()
        job.ask(project, text)
        assert job.model.prompts == [text]


@each_cli
def test_commands_sent_to_a_busy_claude_go_out_in_order_and_once(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version, rules=[Rule("first", [Say("now", gate="begin")])]) as job:
        project = job.project()
        first = job.client.send(project, "first: wait for me")
        job.until_status(first, CommandStatus.ACCEPTED)
        texts = [f"number {number}" for number in range(5)]
        commands = [job.client.send(project, text) for text in texts]
        assert job.client.session(project).queued == 5
        assert job.model.prompts == [first.text]

        job.model.gate("begin").set()
        ended = [job.done(command) for command in (first, *commands)]
        assert job.model.prompts == [first.text, *texts] == asked(job)
        assert [command.last_message for command in ended] == ["now", *(f"ok: {text}" for text in texts)]
        moments = [moment for each in ended for moment in (each.accepted_at, each.completed_at)]
        assert moments == sorted(moments, key=str)


@each_cli
def test_what_the_cli_does_not_take_fails_with_the_reason(tmp_path: Path, cli_version: str) -> None:
    settings = tmp_path / "home" / ".claude" / "settings.json"
    settings.parent.mkdir(parents=True)
    rules = tmp_path / "house-rules"
    rules.write_text(HOUSE_RULES)
    hook = {"hooks": [{"type": "command", "command": f"sh {rules}"}]}
    settings.write_text(json.dumps({"hooks": {"UserPromptSubmit": [hook]}}))
    with Job(tmp_path, cli_version, rules=[Rule("bad", [Fail(400, "this is scripted")])]) as job:
        project = job.project()
        unknown = job.client.send(project, "/no-such-command with words")
        blocked = job.client.send(project, "something forbidden")
        wrong = job.client.send(project, "a bad idea")
        fine = job.client.send(project, "a fine idea")
        stopped = job.client.send(project, "something to be stopped")

        assert "Unknown command: /no-such-command" in failed(job, unknown)
        assert "not in this house" in failed(job, blocked)
        assert "this is scripted" in failed(job, wrong)
        job.done(fine)
        assert "Operation stopped by hook: enough" in failed(job, stopped)
        assert job.model.prompts == ["a bad idea", "a fine idea"]
        assert "something forbidden" not in asked(job)
        assert job.client.session(project).state is SessionState.IDLE


def failed(job: Job, command: Command) -> str:
    """Wait until the command has failed, and return why."""
    return str(job.until_status(command, CommandStatus.FAILED).error)
