"""``gsd``, ``next``, ``init``, and GSD's phases in ``status``."""

from __future__ import annotations

from typing import Any

import pytest

from tests.magics.conftest import Notebook
from tests.magics.test_completion import complete
from tests.support.fake_world import no_gsd
from wxcode_jupyter.errors import AlreadyInitialized, CommandFailed, GsdMissing
from wxcode_jupyter.magics import CommandResult, Help, NextStep, UsageMistake
from wxcode_jupyter.models import CommandStatus

WARNING = "GSD's new-milestone deletes the phase folders that are not archived: 01-old."


def phase(number: str, name: str, status: str, done: int = 0, total: int = 0) -> dict[str, Any]:
    return {"number": number, "name": name, "status": status, "plans_done": done, "plans_total": total}


def command(name: str, description: str = "", hint: str = "") -> dict[str, Any]:
    return {"name": name, "spelling": f"/gsd:{name}", "description": description, "argument_hint": hint}


@pytest.fixture
def gsd(demo: Notebook) -> Notebook:
    """A notebook whose project is in the middle of a milestone."""
    demo.api.gsd = {
        "installed": True,
        "layout": "commands/gsd",
        "version": "1.20.5",
        "commands": [
            command("execute-phase", "Execute all plans in a phase", "<phase-number> [--gaps-only]"),
            command("new-milestone", "Start a new milestone cycle"),
            command("plan-phase", "Create detailed phase plan", "[phase]"),
            command("progress", "Check project progress"),
        ],
        "progress": {
            "has_project": True,
            "version": "v1.1",
            "name": "Reminders",
            "phases_done": 1,
            "phases": [
                phase("4", "Calendar", "verified", 1, 1),
                phase("5", "Bell", "in_progress", 1, 2),
                phase("5.1", "<b>Sound</b>", "not_started"),
            ],
        },
        "next": {
            "command": "execute-phase",
            "arguments": "5",
            "text": "/gsd:execute-phase 5",
            "reason": "phase 5 (Bell) has 1 of 2 plans done",
            "phase": "5",
            "also": ["/gsd:progress"],
        },
        "warning": WARNING,
    }
    return demo


def sent(notebook: Notebook) -> list[str]:
    return [body["text"] for body in notebook.posted("/commands")]


class TestGsd:
    @pytest.mark.parametrize(
        ("line", "text"),
        [
            ("progress", "/gsd:progress"),
            ("/gsd-progress", "/gsd:progress"),
            ("gsd:plan-phase 3 --gaps", "/gsd:plan-phase 3 --gaps"),
            ('plan-phase  it\'s "quoted" $x -p', '/gsd:plan-phase it\'s "quoted" $x -p'),
            ("plan-phase {{number}}", "/gsd:plan-phase 7"),
            ("-- plan-phase 3 --wait", "/gsd:plan-phase 3 --wait"),
        ],
    )
    def test_a_command_goes_out_in_its_spelling_with_its_arguments(self, gsd: Notebook, line: str, text: str) -> None:
        gsd.variables["number"] = 7
        result = gsd.run(f"%wxmilestone gsd {line}")
        assert isinstance(result, CommandResult)
        assert sent(gsd) == [text]
        assert result.command.text == text

    @pytest.mark.parametrize("line", ["--wait --timeout 5m plan-phase 3", "plan-phase 3 --wait --timeout 5m"])
    def test_options_stand_first_or_last(self, gsd: Notebook, line: str) -> None:
        gsd.api.happen(gsd.api.accept(), gsd.api.end(outcome="finished"))
        result = gsd.run(f"%wxmilestone gsd {line}")
        assert result.command.status is CommandStatus.COMPLETED
        assert sent(gsd) == ["/gsd:plan-phase 3"]

    def test_clear_goes_first(self, gsd: Notebook) -> None:
        gsd.run("%wxmilestone gsd execute-phase 5 --clear -o kept")  # only long options are cut off the end
        gsd.run("%wxmilestone gsd --clear progress")
        assert sent(gsd) == ["/gsd:execute-phase 5 --clear -o kept", "/clear", "/gsd:progress"]

    def test_failures_are_raised(self, gsd: Notebook) -> None:
        gsd.api.happen(gsd.api.accept(), gsd.api.end("failed", error="the API is away"))
        with pytest.raises(CommandFailed, match="the API is away"):
            gsd.run("%wxmilestone gsd progress --wait")

    @pytest.mark.parametrize(("name", "near"), [("plan-phases", "plan-phase"), ("exec-phase", "execute-phase")])
    def test_an_unknown_command_is_a_mistake_with_the_nearest(self, gsd: Notebook, name: str, near: str) -> None:
        with pytest.raises(UsageMistake, match=rf"no command '{name}'; the nearest: .*{near}"):
            gsd.run(f"%wxmilestone gsd {name}")
        assert sent(gsd) == []

    def test_without_gsd(self, demo: Notebook) -> None:
        for line in ("gsd progress", "next --run"):
            with pytest.raises(GsdMissing, match="doctor"):
                demo.run(f"%wxmilestone {line}")
        assert "doctor" in repr(demo.run("%wxmilestone gsd"))
        assert "doctor" in repr(demo.run("%wxmilestone next"))

    def test_the_warning_stands_on_the_card_of_a_new_milestone_only(self, gsd: Notebook) -> None:
        assert WARNING in repr(gsd.run("%wxmilestone gsd new-milestone"))
        assert WARNING not in repr(gsd.run("%wxmilestone gsd progress"))
        gsd.run("%%wxmilestone new login\n# Login\n")
        assert WARNING in repr(gsd.run("%wxmilestone start login"))
        gsd.api.accept()()
        assert WARNING not in repr(gsd.run("%wxmilestone start login"))  # it runs: what is cleared is cleared


class TestHelp:
    @pytest.mark.parametrize("line", ["gsd", "gsd --help", "gsd?"])
    def test_the_installed_commands(self, gsd: Notebook, line: str) -> None:
        shown = gsd.run(f"%wxmilestone {line}")
        assert isinstance(shown, Help)
        assert "GSD 1.20.5 in /w/demo" in shown.text
        assert "  plan-phase     Create detailed phase plan" in shown.text
        assert "COMMAND [ARGS]" in shown.text

    def test_one_command(self, gsd: Notebook) -> None:
        shown = gsd.run("%wxmilestone gsd execute-phase?")
        assert shown.text.startswith("/gsd:execute-phase <phase-number> [--gaps-only]")
        assert "Execute all plans" in shown.text

    def test_without_a_project_the_usage_is_there(self, notebook: Notebook) -> None:
        shown = notebook.run("%wxmilestone gsd --help")
        assert "--clear" in shown.text
        assert "No project is selected" in repr(shown)

    def test_completion(self, gsd: Notebook) -> None:
        assert {"plan-phase", "progress"} <= set(complete(gsd, "%wx gsd p"))
        assert "--clear" in complete(gsd, "%wx gsd --c")
        assert "plan-phase" not in complete(gsd, "%wx gsd progress p")


class TestNext:
    def test_it_is_shown_with_its_reason(self, gsd: Notebook) -> None:
        result = gsd.run("%wxmilestone next")
        assert isinstance(result, NextStep)
        assert result.gsd.next
        assert result.gsd.next.text == result.to_dict()["gsd"]["next"]["text"] == "/gsd:execute-phase 5"
        shown = repr(result)
        assert "phase 5 (Bell) has 1 of 2 plans done" in shown
        assert "/gsd:progress" in shown
        assert "1 of 3 phases" in shown
        assert sent(gsd) == []

    def test_run_sends_it_once(self, gsd: Notebook) -> None:
        first = gsd.run("%wxmilestone next --run")
        again = gsd.run("%wxmilestone next --run")
        assert sent(gsd) == ["/gsd:execute-phase 5"]
        assert again.command.id == first.command.id
        assert "on its way already" in repr(again)

    def test_run_and_wait(self, gsd: Notebook) -> None:
        gsd.api.happen(*[gsd.api.accept(), gsd.api.end(outcome="finished")] * 2)
        assert gsd.run("%wxmilestone next --run --clear --wait").command.status is CommandStatus.COMPLETED
        assert sent(gsd) == ["/clear", "/gsd:execute-phase 5"]

    def test_nothing_is_sent_into_a_context_that_could_not_be_cleared(self, gsd: Notebook) -> None:
        gsd.api.happen(gsd.api.accept(), gsd.api.end("failed", error="no session"))
        with pytest.raises(CommandFailed, match="/clear"):
            gsd.run("%wxmilestone next --run --clear --wait")
        assert sent(gsd) == ["/clear"]

    def test_what_needs_a_text_is_not_run(self, gsd: Notebook) -> None:
        gsd.api.gsd["next"] = {
            "command": "new-milestone",
            "arguments": "",
            "text": "/gsd:new-milestone",
            "reason": "the last milestone is archived",
            "phase": None,
            "also": [],
        }
        with pytest.raises(UsageMistake, match="%%wxmilestone new"):
            gsd.run("%wxmilestone next --run")
        assert "%%wxmilestone new" in repr(gsd.run("%wxmilestone next"))


class TestInit:
    def test_run_all_twice_is_one_command(self, gsd: Notebook) -> None:
        gsd.api.gsd["progress"]["has_project"] = False
        gsd.variables["name"] = "Billing"
        gsd.api.happen(gsd.api.accept(), gsd.api.end(outcome="finished"))
        first = gsd.run("%%wxmilestone init --wait\n# {{name}}\n")
        assert gsd.posted("/gsd/init")[0]["brief"] == "# Billing\n"
        assert first.command.status is CommandStatus.COMPLETED
        assert "there is no PROJECT.md yet" in repr(first)
        gsd.api.gsd["progress"]["has_project"] = True
        again = gsd.run("%%wxmilestone init --wait\n# {{name}}\n")
        assert again.command.id == first.command.id
        assert "PROJECT.md is there" in repr(again)
        with pytest.raises(AlreadyInitialized):
            gsd.run("%%wxmilestone init\n# Another\n")

    def test_a_context_instead_of_a_cell(self, gsd: Notebook) -> None:
        gsd.api.gsd["progress"]["has_project"] = False
        gsd.variables["brief"] = "# {{not a variable}}"
        gsd.run("%wxmilestone init --context brief")
        assert gsd.posted("/gsd/init")[0]["brief"] == "# {{not a variable}}"


class TestStatus:
    def test_phases_and_the_next_step(self, gsd: Notebook) -> None:
        status = gsd.run("%wxmilestone status")
        shown = repr(status)
        assert "GSD   v1.1 Reminders: 1 of 3 phases" in shown
        assert "next  /gsd:execute-phase 5: phase 5 (Bell) has 1 of 2 plans done" in shown
        assert "5 Bell            in progress  1 of 2 plans" in shown
        assert "5.1 <b>Sound</b>  not started" in shown
        html = status._repr_mimebundle_()["text/html"]
        assert "&lt;b&gt;Sound" in html
        assert "<b>Sound" not in html
        assert status.gsd.progress.phases[1].plans_total == 2

    def test_of_many_phases_those_that_are_left(self, gsd: Notebook) -> None:
        done = [phase(str(number), "Done", "verified") for number in range(1, 6)]
        left = [phase(str(number), "Left", "not_started") for number in range(6, 15)]
        gsd.api.gsd["progress"].update(phases=[*done, *left], phases_done=5)
        shown = repr(gsd.run("%wxmilestone status"))
        assert "5 of 14 phases" in shown
        assert "6 Left" in shown
        assert "Done" not in shown
        assert "and 3 more" in shown

    def test_nothing_of_gsd_where_there_is_none(self, demo: Notebook) -> None:
        demo.api.gsd = no_gsd()
        assert "GSD" not in repr(demo.run("%wxmilestone status"))
