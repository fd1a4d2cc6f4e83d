"""The session: what is sent, waited for, shown and stopped."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.magics.conftest import Notebook, new_login
from wxcode_jupyter.errors import CommandFailed, SessionNotRunning, UsageLimited
from wxcode_jupyter.magics import CommandResult, EventLog, Help, Screen, SessionStatus, UsageMistake
from wxcode_jupyter.models import SessionState


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("%wxmilestone send is it Bob's $HOME?", "is it Bob's $HOME?"),
        ("x = %wx send does it work?", "does it work?"),
        ("%wx send why??", "why??"),
        ("if True:\n    %wx send (is it", "(is it"),
        ("%%wxmilestone send\nline one?\n  line two\n", "line one?\n  line two\n"),
        ("%wx send {{greeting}} you", "hello you"),
    ],
)
def test_send_keeps_the_text(demo: Notebook, cell: str, text: str) -> None:
    demo.variables["greeting"] = "hello"
    demo.run(cell)
    assert demo.posted("commands")[-1]["text"] == text


def test_ipythons_help_still_works(demo: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    demo.run("%wxmilestone?")
    assert "durable Claude Code" in capsys.readouterr().out
    help_of_start = demo.run("%wxmilestone start?")
    assert isinstance(help_of_start, Help)
    assert "--wait" in help_of_start.text
    assert "projects" in demo.run("%wxmilestone").text


def test_send_and_wait(demo: Notebook) -> None:
    demo.api.happen(demo.api.accept(), demo.api.end(last_message="4", outcome="finished"))
    result = demo.run("%wxmilestone send --wait what is 2 + 2?")
    assert isinstance(result, CommandResult)
    assert result.command.last_message == "4"
    assert "4" in repr(result)


def test_wait_raises_what_failed_since_it_was_sent(demo: Notebook) -> None:
    demo.run("%wxmilestone send hello")
    demo.api.end("failed", error="a hook blocked it")()
    with pytest.raises(CommandFailed, match="a hook blocked it"):
        demo.run("%wxmilestone wait")
    assert demo.run("%wxmilestone wait").state is SessionState.IDLE


def test_wait_ends_with_what_became_of_the_commands_of_that_time(demo: Notebook) -> None:
    demo.run("%wxmilestone send before")
    demo.api.accept()()
    demo.api.end(last_message="Done before.", outcome="finished")()
    demo.run("%wxmilestone wait")
    demo.run("%wxmilestone send hello")
    newest = list(demo.api.commands)[-1]
    demo.api.happen(
        lambda: demo.api.set_command(newest, "accepted", accepted_at=moment()),
        lambda: demo.api.set_command(newest, "completed", completed_at=moment(), last_message="4", outcome="asks"),
    )
    result = demo.run("%wxmilestone wait --no-screen")
    (evidence,) = result.evidence
    assert (evidence.summary.command.text, evidence.screen) == ("hello", "")
    assert "acknowledged" in repr(result) and "ended its turn with a question" in repr(result)
    assert result.to_dict()["evidence"][0]["summary"]["command"]["last_message"] == "4"
    assert demo.run("%wxmilestone wait").evidence == ()


def moment() -> str:
    return datetime.now(UTC).isoformat()


@pytest.mark.parametrize("option", ["", "--on-limit fail "])
def test_a_wait_that_ends_at_a_usage_limit_fails_where_that_is_said(demo: Notebook, option: str) -> None:
    demo.run("%wxmilestone send hello")
    demo.api.happen(
        demo.api.accept(), demo.api.end(outcome="limited", resets_at=moment(), last_message="You've hit your limit")
    )
    with pytest.raises(UsageLimited, match="hit your limit"):
        demo.run(f"%wxmilestone wait {option}")


def test_status_log_screen(demo: Notebook) -> None:
    new_login(demo)
    demo.run("%wxmilestone start login")
    status = demo.run("%wxmilestone status")
    assert isinstance(status, SessionStatus)
    assert (status.state, status.milestones[0].element_name) == (SessionState.IDLE, "login")
    log = demo.run("%wxmilestone log --limit 2")
    assert isinstance(log, EventLog)
    assert [event.type for event in log] == ["session_state", "command_queued"]
    screen = demo.run("%wxmilestone screen")
    assert isinstance(screen, Screen)
    assert (str(screen), "\x1b" in repr(screen)) == ("❯ \x1b[31mred\x1b[0m", False)
    assert demo.run("%wxmilestone terminal").text == screen.text


def test_a_screen_in_other_forms(demo: Notebook) -> None:
    demo.run("%wxmilestone resume")
    html = demo.run("%wxmilestone screen --format html")
    assert str(html) == '<pre><span style="color:red">red</span></pre>'
    assert html._repr_mimebundle_()["text/html"].endswith(str(html))
    assert "red" in html.text
    ansi = demo.run("%wxmilestone screen --format ansi")
    assert ansi._repr_mimebundle_() == {"text/plain": str(ansi)}
    assert "\x1b[31mred" in str(ansi)
    with pytest.raises(UsageMistake, match="the nearest is 'html'"):
        demo.run("%wxmilestone screen --format htm")


def test_the_raw_log(demo: Notebook, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SessionNotRunning):
        demo.run("%wxmilestone log --raw")
    demo.run("%wxmilestone resume")
    output = demo.run("%wxmilestone log --raw")
    assert bytes(output) == b"\x1b[31mred\x1b[0m \xff"
    assert "\x1b[31mred\x1b[0m \ufffd" in capsys.readouterr().out
    file = tmp_path / "it is raw.log"
    output = demo.run(f"%wxmilestone log --raw --file '{file}'")
    assert file.read_bytes() == bytes(output)
    assert str(file) in repr(output)
    assert "red" not in capsys.readouterr().out
    demo.run(f"%wxmilestone log --asciicast '{tmp_path}/it.cast'")
    assert tmp_path.joinpath("it.cast").read_bytes() == b'{"version": 2}'
    with pytest.raises(UsageMistake, match="cannot be written"):
        demo.run(f"%wxmilestone log --raw --file '{tmp_path}'")
    with pytest.raises(UsageMistake, match="--raw"):
        demo.run("%wxmilestone log --file x")


def test_a_screen_is_looked_for_in_vain_without_an_error(demo: Notebook) -> None:
    screen = demo.run("%wxmilestone screen")
    assert str(screen) == ""
    assert "%wxmilestone resume" in repr(screen)
    demo.run("%wxmilestone resume")
    assert "red" in str(screen.refresh())


def test_withdraw(demo: Notebook) -> None:
    first, second, third = [demo.run(f"%wxmilestone send {text}").command for text in ("one", "two", "three")]
    assert demo.run("%wxmilestone withdraw").command.id == third.id
    assert demo.run(f"%wxmilestone withdraw {first.id}").command.withdrawn
    assert demo.run("%wxmilestone withdraw").command.id == second.id
    with pytest.raises(UsageMistake, match="waits in the queue"):
        demo.run("%wxmilestone withdraw")
    assert "0 failed, 3 not done" in repr(demo.run("%wxmilestone report"))


def test_interrupt_stop_resume(demo: Notebook) -> None:
    assert demo.run("%wxmilestone resume").state is SessionState.IDLE
    assert demo.run("%wxmilestone interrupt").state is SessionState.IDLE
    assert demo.run("%wxmilestone stop").state is SessionState.STOPPED
    demo.run("%wxmilestone resume --fresh")
    assert demo.posted("/session") == [{}, {"fresh": True}]


def test_what_a_usage_limit_holds_is_shown_and_sent_by_resume_now(demo: Notebook) -> None:
    demo.run("%wxmilestone send hello")
    (project,) = demo.api.projects
    demo.api.set_session(project, "idle", queued=1, limited_until="2026-11-22T17:00:00+00:00")
    status = demo.run("%wxmilestone status")
    assert status.session.limited_until == datetime(2026, 11, 22, 17, tzinfo=UTC)
    assert "held by a usage limit until 2026-11-22" in repr(status)
    assert demo.run("%wxmilestone resume").session.limited_until is not None
    assert demo.run("%wxmilestone resume --now").session.limited_until is None


def test_doctor(demo: Notebook) -> None:
    report = demo.run("%wxmilestone doctor")
    assert not report.ok
    assert "npx @opengsd/gsd-core" in repr(report)
    words = [line.split("  ")[1].strip() for line in repr(report).splitlines()[1:]]
    assert words == ["ok", "MISSING", "TO DO"]


def test_a_claude_beside_ours_is_told_of(demo: Notebook) -> None:
    demo.run("%wx resume")
    assert "in use beside" not in repr(demo.run("%wx status"))
    session = next(iter(demo.api.sessions.values()))
    session["beside"] = ["pid 77 on /dev/pts/3, since 2026-11-23 07:19 UTC"]
    shown = repr(demo.run("%wx status"))
    assert "pid 77 on /dev/pts/3" in shown
    assert "end it" in shown
