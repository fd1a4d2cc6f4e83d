"""The harness itself: the real CLI, in both versions, really works against the scripted model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import GSD_VERSIONS, CliRig, each_cli, install_gsd, new_session
from tests.support.cli_terminal import DOWN, ENTER, ESCAPE
from wxcode_jupyter.testing.scripted_model import Cut, Fail, Rule, Say, Use

pytestmark = [pytest.mark.cli, each_cli]

QUESTION = {
    "question": "Which colour do you want?",
    "header": "Colour",
    "multiSelect": False,
    "options": [{"label": "Red", "description": "warm"}, {"label": "Blue", "description": "cold"}],
}

MakeRig = Callable[..., CliRig]


@pytest.fixture
def make_rig(tmp_path: Path, cli_version: str) -> Iterator[MakeRig]:
    with ExitStack() as rigs:

        def make(*rules: Rule, **options: Any) -> CliRig:
            return rigs.enter_context(CliRig(tmp_path, cli_version, rules, **options))

        yield make


def test_headless_runs_tools_and_prints_the_answer(make_rig: MakeRig) -> None:
    rig = make_rig(
        Rule("look", [Use("Bash", {"command": "pwd"}), Use("Write", {"file_path": "{{cwd}}/a.txt", "content": "A\n"}),
                      Say("looked")]),
    )  # fmt: skip
    done = rig.headless("look around", "--permission-mode", "acceptEdits")
    assert (done.returncode, done.stdout.strip()) == (0, "looked"), done.stderr
    assert rig.model.prompts == ["look around"]
    assert (rig.workspace / "a.txt").read_text() == "A\n"
    assert str(rig.workspace) in tool_results(rig)[0]


def test_headless_shows_an_error_of_the_api(make_rig: MakeRig) -> None:
    done = make_rig(Rule(None, [Fail(400, "this is scripted")])).headless("anything")
    assert done.returncode == 1
    assert "API Error: 400 this is scripted" in done.stdout


def test_a_prompt_reaches_the_model_and_its_answer_the_screen(make_rig: MakeRig) -> None:
    rig = make_rig()
    *_, session_id = session = new_session()
    terminal = rig.start_ready(*session)
    rig.ask(terminal, "hello there")
    terminal.wait_text("● ok: hello there")
    rig.ask(terminal, "and again")
    terminal.wait_text("● ok: and again")
    assert rig.model.prompts == ["hello there", "and again"]
    assert rig.model.user_texts(rig.model.turn_requests[-1]) == ["hello there", "and again"]
    assert [path.stem for path in rig.home.transcripts(rig.workspace)] == [session_id]
    terminal.wait_for(lambda: len(rig.hooks.events("Stop")) == 2, what="two Stop events")
    assert [event["prompt"] for event in rig.hooks.events("UserPromptSubmit")] == rig.model.prompts


def test_a_long_paste_reaches_the_model_as_it_was(make_rig: MakeRig) -> None:
    rig = make_rig()
    terminal = rig.start_ready()
    text = "\n".join(f"line {number} of a long paste" for number in range(40))
    terminal.paste(text)
    terminal.wait_text(r"\[Pasted text #1 \+39 lines\]")
    terminal.type(ENTER)
    rig.model.wait_for(lambda: rig.model.prompts == [text])


def test_bash_really_runs(make_rig: MakeRig) -> None:
    rig = make_rig(Rule("where", [Use("Bash", {"command": "pwd"}, "Let me look."), Say("there we are")]))
    terminal = rig.start_ready(cols=200)
    rig.ask(terminal, "where are we")
    terminal.wait_text("● there we are")
    assert re.search(rf"● Bash\(pwd\)\n  ⎿\s+{re.escape(str(rig.workspace))}", terminal.screen)
    assert str(rig.workspace) in tool_results(rig)[0]


def test_write_asks_and_then_the_file_appears(make_rig: MakeRig) -> None:
    written = Use("Write", {"file_path": "{{cwd}}/made.txt", "content": "one\ntwo\n"})
    rig = make_rig(Rule("write", [written, Say("written")]))
    terminal = rig.start_ready()
    rig.ask(terminal, "write it")
    terminal.wait_text(r"Do you want to create made\.txt\?")
    assert not (rig.workspace / "made.txt").exists()
    terminal.press(ENTER, lambda: "● written" in terminal.screen)
    assert (rig.workspace / "made.txt").read_text() == "one\ntwo\n"


def test_a_question_is_a_menu_and_its_answer_goes_back(make_rig: MakeRig) -> None:
    rig = make_rig(Rule("ask", [Use("AskUserQuestion", {"questions": [QUESTION]}), Say("as you like")]))
    terminal = rig.start_ready()
    rig.ask(terminal, "ask me")
    terminal.wait_text(r"❯ 1\. Red")
    terminal.press(DOWN, lambda: "❯ 1. Red" not in terminal.screen)
    terminal.wait_text(r"❯ 2\. Blue")
    terminal.press(ENTER, lambda: "● as you like" in terminal.screen)
    assert "Blue" in tool_results(rig)[0]
    (asked,) = rig.hooks.events("PreToolUse")
    assert asked["tool_input"]["questions"] == [QUESTION]


def test_an_error_ends_the_turn_and_the_next_prompt_is_its_own(make_rig: MakeRig) -> None:
    rig = make_rig(Rule("bad", [Fail(400, "this is scripted")]))
    terminal = rig.start_ready()
    rig.ask(terminal, "bad idea")
    terminal.wait_text("API Error: 400 this is scripted")
    terminal.wait_for(lambda: rig.hooks.events("StopFailure"), what="StopFailure")
    rig.ask(terminal, "better idea")
    terminal.wait_text("● ok: better idea")
    assert rig.model.prompts == ["bad idea", "better idea"]


def test_the_cli_retries_what_passes(make_rig: MakeRig) -> None:
    rig = make_rig(Rule("try", [Fail(529), Say("at last")]), Rule("cut", [Cut("only half"), Say("the whole")]))
    terminal = rig.start_ready()
    rig.ask(terminal, "try it")
    terminal.wait_text("● at last")
    rig.ask(terminal, "cut it")
    terminal.wait_text("● the whole")
    assert rig.model.prompts == ["try it", "cut it"]


def test_a_slow_answer_shows_its_first_line_before_it_is_complete(make_rig: MakeRig) -> None:
    rig = make_rig(Rule("slow", [Say("one two\n\nthree four", slow_s=0.02, hold="middle")]))
    terminal = rig.start_ready()
    rig.ask(terminal, "slow please")
    terminal.wait_text("● one two")
    assert "three" not in terminal.screen
    assert not rig.hooks.events("Stop")
    rig.model.gate("middle").set()
    terminal.wait_text("three four")
    terminal.wait_for(lambda: rig.hooks.events("Stop"), what="Stop")


def test_an_interrupted_answer_is_not_sent_again(make_rig: MakeRig) -> None:
    rig = make_rig(Rule("long", [Say("one two\n\nthree four", hold="never")]))
    terminal = rig.start_ready()
    rig.ask(terminal, "long please")
    terminal.wait_text("● one two")
    terminal.type(ESCAPE)
    terminal.wait_text("Interrupted")
    rig.ask(terminal, "short please")
    terminal.wait_text("● ok: short please")
    assert rig.model.prompts == ["long please", "short please"]


def test_an_answer_that_was_not_begun_gives_the_text_back(make_rig: MakeRig) -> None:
    rig = make_rig(Rule("wait", [Say("too late", gate="never")]))
    terminal = rig.start_ready()
    rig.ask(terminal, "wait for me")
    rig.model.wait_for(lambda: rig.model.prompts)
    terminal.wait_text("esc to interrupt")
    terminal.type(ESCAPE)
    terminal.wait_for(lambda: "❯\xa0wait for me" in terminal.screen and "interrupt" not in terminal.screen)


@pytest.mark.parametrize("gsd_version", GSD_VERSIONS)
def test_gsd_is_a_command_of_the_cli(make_rig: MakeRig, gsd_version: str) -> None:
    rig = make_rig()
    command = install_gsd(gsd_version, workspace=rig.workspace, home=rig.home.path)
    terminal = rig.start_ready()
    line = f"{command} .milestones/x/MILESTONE-CONTEXT.md"
    rig.ask(terminal, line)
    rig.model.wait_for(lambda: rig.model.prompts)
    assert rig.model.prompts == [line]
    assert "milestone" in rig.model.user_texts(rig.model.turn_requests[0])[-1]
    (expanded,) = rig.hooks.events("UserPromptExpansion")
    assert (expanded["command_name"], expanded["command_args"]) == tuple(line.removeprefix("/").split())


def test_clear_and_compact_are_no_prompts(make_rig: MakeRig) -> None:
    rig = make_rig()
    terminal = rig.start_ready()
    for text in ("first", "second"):
        rig.ask(terminal, text)
        terminal.wait_text(f"● ok: {text}")
    rig.ask(terminal, "/compact")
    terminal.wait_for(lambda: "compact" in sources(rig), what="SessionStart after /compact")
    rig.ask(terminal, "third")
    terminal.wait_text("● ok: third")
    assert any("- first" in text for text in rig.model.user_texts(rig.model.turn_requests[-1])), "told by the summary"
    rig.ask(terminal, "/clear")
    terminal.wait_for(lambda: "clear" in sources(rig), what="SessionStart after /clear")
    rig.ask(terminal, "fourth")
    terminal.wait_text("● ok: fourth")
    assert rig.model.prompts == ["first", "second", "third", "fourth"]
    assert len(rig.home.transcripts(rig.workspace)) == 2


def test_a_home_that_trusts_nothing_asks_first(make_rig: MakeRig) -> None:
    rig = make_rig(trusted=False)
    terminal = rig.start()
    terminal.wait_text("Yes, I trust this folder")
    assert rig.hooks.events() == []
    rig.home.trust(rig.workspace)
    rig.start_ready()


def sources(rig: CliRig) -> list[str]:
    return [event["source"] for event in rig.hooks.events("SessionStart")]


def tool_results(rig: CliRig) -> list[str]:
    """Return the results of tools that the last request of a turn carries, as text."""
    blocks = [
        block
        for message in rig.model.turn_requests[-1]["messages"]
        if isinstance(message["content"], list)
        for block in message["content"]
        if block["type"] == "tool_result"
    ]
    return [str(block["content"]) for block in blocks]
