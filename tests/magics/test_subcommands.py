from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from IPython.core.error import UsageError

from tests.magics.conftest import Notebook
from wxcode_jupyter.errors import (
    AnswerNeeded,
    AttentionNeeded,
    CommandFailed,
    CommandTimeout,
    MilestoneFailed,
    SessionExited,
    SessionNotRunning,
    TrustRequired,
    UsageLimited,
)
from wxcode_jupyter.magics import (
    CommandResult,
    EventLog,
    Help,
    MilestoneResult,
    ProjectCard,
    Screen,
    SessionStatus,
    UsageMistake,
)
from wxcode_jupyter.models import CommandStatus, MilestoneStatus, SessionState

NEW = "%%wxmilestone new login\n# Login\nUsers sign in.\n"


def new_login(notebook: Notebook) -> MilestoneResult:
    result = notebook.run(NEW)
    assert isinstance(result, MilestoneResult)
    return result


# -- projects --------------------------------------------------------------------------------------------------------


def test_project_is_made_once_and_keeps_its_options(notebook: Notebook) -> None:
    first = notebook.run("%wxmilestone project demo --permission-mode plan --claude-arg --verbose")
    again = notebook.run("%wxmilestone project demo")
    assert isinstance(first, ProjectCard)
    assert (first.is_new, again.is_new) == (True, False)
    assert again.project == first.project
    changed = notebook.run("%wxmilestone project demo --model opus")
    assert changed.project.options.permission_mode == "plan"
    assert changed.project.options.model == "opus"
    assert notebook.posted("output-projects")[0]["claude_args"] == ["--verbose"]


def test_a_project_keeps_its_folder(notebook: Notebook, tmp_path: Path) -> None:
    made = notebook.run("%wxmilestone project demo --workspace here")
    assert made.project.workspace_path == str(tmp_path / "here")
    notebook.run("%wxmilestone project demo --workspace here")
    with pytest.raises(UsageMistake, match="keeps its folder"):
        notebook.run("%wxmilestone project demo --workspace there")


def test_an_empty_folder_is_the_servers_own(notebook: Notebook) -> None:
    notebook.variables["workspace"] = ""
    notebook.run('%wxmilestone project demo --workspace "{{workspace}}"')
    notebook.run('%wxmilestone project demo --workspace "{{workspace}}"')
    assert [body.get("workspace_path") for body in notebook.posted("output-projects")] == [None]


def test_projects_and_list(demo: Notebook) -> None:
    assert [item.name for item in demo.run("%wxmilestone projects")] == ["demo"]
    new_login(demo)
    listed = demo.run("%wx list")
    assert [item.element_name for item in listed] == ["login"]
    demo.run("%%wx new two\ntext")
    assert [item.element_name for item in listed.refresh()] == ["login", "two"]


def test_which_project_is_meant(notebook: Notebook, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(UsageMistake, match="No project is selected"):
        notebook.run("%wxmilestone status")
    for name in ("here", "configured", "named"):
        notebook.run(f"%wxmilestone project {name} --workspace {name}")
    (tmp_path / "here" / "deeper").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here" / "deeper")
    context = notebook.magics.context

    def meant(line: str) -> str:
        name: str = notebook.run(line).project.name
        return name

    assert meant("%wxmilestone status") == "named"  # the last one used
    context._selected = None
    assert meant("%wxmilestone status") == "here"
    context._selected = None
    monkeypatch.setenv("WXCODE_PROJECT", "configured")
    assert meant("%wxmilestone status") == "configured"
    assert meant("%wxmilestone status -p named") == "named"
    assert meant("%wxmilestone status") == "named"
    with pytest.raises(UsageMistake, match="'named'"):
        notebook.run("%wxmilestone status -p nmaed")


# -- milestones ------------------------------------------------------------------------------------------------------


def test_new_with_the_same_name_and_text_gives_what_exists(demo: Notebook) -> None:
    first = new_login(demo)
    assert first.milestone.context == "# Login\nUsers sign in.\n"
    assert new_login(demo).milestone == first.milestone
    with pytest.raises(UsageMistake, match="another text"):
        demo.run("%%wxmilestone new login\nOther.\n")
    other = demo.run("%%wxmilestone new login --again\nOther.\n")
    assert other.milestone.id != first.milestone.id
    assert demo.run("%%wxmilestone new login --again\nOther.\n").milestone == other.milestone
    assert new_login(demo).milestone == first.milestone


def test_the_text_comes_from_a_variable_or_a_file_too(demo: Notebook, tmp_path: Path) -> None:
    demo.variables.update(text="From {{a}} variable", which="one")
    assert demo.run("%wx new {{which}} --context text").milestone.context == "From {{a}} variable"
    (tmp_path / "brief.md").write_text("From a file")
    assert demo.run("%wx new two --context @brief.md").milestone.context == "From a file"
    in_cell = demo.run("%%wx new three\nFrom {{which}}\n")
    assert in_cell.milestone.context == "From one\n"
    for line, hint in (
        ("%wx new four", "cell's body"),
        ("%wx new four --context nothing", "does not exist"),
        ("%wx new four --context @nothing", "cannot be read"),
        ("%%wx new four --context text\nbody", "not in both"),
        ("%%wx new four\n\n  \n", "cell's body"),
        ("%%wx new four\n{{undefined}}", "undefined"),
    ):
        with pytest.raises(UsageMistake, match=hint):
            demo.run(line)


def test_milestones_in_a_loop(demo: Notebook) -> None:
    demo.run("for name in ('a', 'b'):\n    brief = f'Do {name}.'\n    %wx new {{name}} --context brief\n")
    demo.run("def make(local):\n    %wx new {{local}} --context local\nmake('c')\n")
    assert [item["context"] for item in demo.api.milestones.values()] == ["Do a.", "Do b.", "c"]


def test_start_returns_at_once_and_attaches_again(demo: Notebook) -> None:
    new_login(demo)
    started = demo.run("%wxmilestone start login")
    assert started.command.text.startswith("/gsd:new-milestone .milestones/")
    demo.api.accept()()
    again = demo.run(f"%wxmilestone start {started.milestone.id}")
    assert (again.command.id, again.milestone.status) == (started.command.id, MilestoneStatus.IN_PROGRESS)
    assert len(demo.api.commands) == 1


def test_start_and_wait_prints_the_progress(demo: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    new_login(demo)
    api = demo.api
    project_id = next(iter(api.projects))
    api.happen(
        api.accept(),
        lambda: api.emit(project_id, "tool_started", tool_name="Bash", summary="pytest\n-q \x1b[31m"),
        api.end(last_message="Planned."),
    )
    result = demo.run("%wxmilestone start login --wait --timeout 1h")
    assert (result.command.status, result.milestone.status) == (CommandStatus.COMPLETED, MilestoneStatus.IN_PROGRESS)
    assert "wxmilestone complete" in repr(result)
    printed = capsys.readouterr().out
    assert "Bash: pytest -q\n" in printed
    assert "\x1b" not in printed


def test_new_start_wait_in_one_cell_and_run_all_twice(demo: Notebook) -> None:
    demo.api.happen(demo.api.accept(), demo.api.end())
    cell = "%%wxmilestone new login --start --wait\n# Login\n"
    first = demo.run(cell)
    second = demo.run(cell)
    assert second.command == first.command
    assert len(demo.api.milestones) == len(demo.api.commands) == 1


def test_complete_and_fail_mean_the_one_in_progress(demo: Notebook) -> None:
    new_login(demo)
    with pytest.raises(UsageMistake, match="none"):
        demo.run("%wxmilestone complete")
    demo.run("%wxmilestone start login")
    demo.api.accept()()
    demo.api.end()()
    assert demo.run("%wxmilestone complete").milestone.status is MilestoneStatus.COMPLETED
    assert "nothing was started" in repr(demo.run("%wxmilestone start login"))
    assert demo.run("%wxmilestone fail login").milestone.status is MilestoneStatus.FAILED
    with pytest.raises(MilestoneFailed, match="--again"):
        demo.run("%wxmilestone start login --wait")
    with pytest.raises(UsageMistake, match="'login'"):
        demo.run("%wxmilestone start logn")


def test_complete_of_a_name_that_several_have_means_the_one_in_progress(demo: Notebook) -> None:
    first = new_login(demo).milestone
    demo.run(f"%wxmilestone start {first.id}")
    second = demo.run("%%wxmilestone new login --again\nOther.\n").milestone
    with pytest.raises(UsageMistake, match=rf"give an id: {first.id} \(pending\), {second.id} \(pending\)"):
        demo.run("%wxmilestone fail login")
    demo.api.milestones[first.id]["status"] = "in_progress"
    assert demo.run("%wxmilestone complete login").milestone.id == first.id
    with pytest.raises(UsageMistake, match=rf"{first.id} \(completed\), {second.id} \(pending\)"):
        demo.run("%wxmilestone complete login")
    assert demo.run(f"%wxmilestone fail {second.id}").milestone.id == second.id


def test_a_milestone_whose_command_failed_is_told_again(demo: Notebook) -> None:
    new_login(demo)
    demo.run("%wxmilestone start login")
    demo.api.accept()()
    demo.api.end("failed", error="blocked")()
    assert "blocked" in repr(demo.run("%wxmilestone start login"))
    with pytest.raises(CommandFailed, match="blocked"):
        demo.run("%wxmilestone start login --wait")


def test_the_return_visit_starts_the_session_for_what_waits(demo: Notebook) -> None:
    new_login(demo)
    demo.run("%wxmilestone start login")
    demo.api.set_session(next(iter(demo.api.projects)), "stopped")
    assert demo.run("%wxmilestone start login").session.state is SessionState.IDLE


# -- the session -----------------------------------------------------------------------------------------------------


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


# -- somebody is needed ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line", ["start login", "start login --wait", "send hello", "send --wait hello", "resume", "wait"]
)
def test_an_untrusted_folder_stops_an_unattended_notebook(demo: Notebook, line: str) -> None:
    new_login(demo)
    demo.api.trusts = False
    if line == "wait":
        demo.attended = True
        demo.run("%wxmilestone resume")
        demo.attended = False
    with pytest.raises(TrustRequired, match="%wxmilestone trust") as caught:
        demo.run(f"%wxmilestone {line}")
    assert caught.value.workspace_path == "/w/demo"


def test_trust_is_given_by_magic_and_by_option(demo: Notebook) -> None:
    demo.api.trusts = False
    demo.attended = True
    assert demo.run("%wxmilestone resume").state is SessionState.ATTENTION
    assert demo.run("%wxmilestone trust").state is SessionState.IDLE
    assert "does not ask" in repr(demo.run("%wxmilestone trust"))
    demo.api.trusts = False
    demo.run("%wxmilestone project other --trust")
    assert demo.run("%wxmilestone resume").state is SessionState.IDLE
    demo.run("%wxmilestone project third")
    demo.run("%wxmilestone resume")
    demo.run("%wxmilestone project third --trust")
    assert demo.run("%wxmilestone status").state is SessionState.IDLE


def test_an_attended_wait_says_what_is_needed(demo: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    demo.attended = True
    demo.api.trusts = False
    demo.run("%wxmilestone send hello")
    project_id = next(iter(demo.api.projects))
    demo.api.happen(lambda: None, lambda: demo.api.set_session(project_id, "idle"), demo.api.accept(), demo.api.end())
    demo.run("%wxmilestone wait")
    assert capsys.readouterr().out.count("NEEDS YOU: Claude Code asks whether the folder /w/demo is trusted") == 1


def _exits(demo: Notebook) -> None:
    demo.api.set_session(next(iter(demo.api.projects)), "exited", exit_code=1, message="It ended.")


def _asks(demo: Notebook) -> None:
    demo.api.ask(next(iter(demo.api.projects)), {"question": "Which?", "options": [{"label": "a"}]})


def _shows_a_menu(demo: Notebook) -> None:
    shown = {"kind": "menu", "message": "A menu.", "screen": "1. one"}
    demo.api.set_session(next(iter(demo.api.projects)), "attention", attention=shown, screen="1. one")


@pytest.mark.parametrize(
    ("step", "error", "hint"),
    [
        (_exits, SessionExited, "It ended"),
        (_asks, AnswerNeeded, "Which"),
        (_shows_a_menu, AttentionNeeded, "1. one"),
    ],
)
def test_failures_of_the_work_are_raised_and_the_result_is_kept(
    demo: Notebook, step: Any, error: type[Exception], hint: str
) -> None:
    new_login(demo)
    demo.api.happen(demo.api.accept(), lambda: step(demo))
    with pytest.raises(error, match=hint):
        demo.run("%wxmilestone start login --wait -o kept")
    kept = demo.variables["kept"]
    assert isinstance(kept, MilestoneResult)
    assert not kept.ok
    assert isinstance(kept.error, error)
    assert kept.milestone.status is MilestoneStatus.IN_PROGRESS
    assert kept.refresh().ok


def test_the_limit_is_raised(demo: Notebook) -> None:
    with pytest.raises(CommandTimeout, match="Claude works on"):
        demo.run("%wxmilestone send --wait --timeout 0.3 hello")
    with pytest.raises(CommandTimeout):
        demo.run("%wxmilestone wait --timeout 0")


# -- mistakes --------------------------------------------------------------------------------------------------------


def test_a_mistake_is_a_usage_error_where_somebody_reads_it(demo: Notebook) -> None:
    demo.attended = True
    with pytest.raises(UsageError, match=r"no subcommand 'strat'.*'start'"):
        demo.run("%wxmilestone strat login")
    demo.attended = False
    with pytest.raises(UsageMistake, match="'start'"):
        demo.run("%wxmilestone strat login")


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("start login --timeout 5m", "add --wait"),
        ("status -o 5x", "no name of a variable"),
        ("send", "needs a text"),
        ("start", "needs a milestone"),
        ("project", "needs a name"),
        ("log --limit many", "--limit"),
        ("rewnid", "no subcommand"),
        ("init", "brief stands in the cell"),
        ("next --wait", "belong to --run"),
    ],
)
def test_other_mistakes(demo: Notebook, line: str, hint: str) -> None:
    with pytest.raises(UsageMistake, match=hint):
        demo.run(f"%wxmilestone {line}")


def test_results_are_kept_in_variables(demo: Notebook) -> None:
    demo.run("%wxmilestone status -o now\nassert now.ok and now.error is None")
    demo.run("now = %wxmilestone -p demo status\nassert now.project.name == 'demo'")
    with pytest.raises(UsageMistake):
        demo.run("%wxmilestone start nothing -o kept")
    assert isinstance(demo.variables["kept"].error, UsageMistake)


def test_errors_are_shown_without_our_inside(demo: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    new_login(demo)
    demo.run("%wxmilestone fail login")
    demo.shell.run_cell("%wxmilestone start login --wait")  # type: ignore[no-untyped-call]
    shown = capsys.readouterr().out
    assert "MilestoneFailed: The milestone 'login' is marked failed" in shown
    assert "Traceback" not in shown
