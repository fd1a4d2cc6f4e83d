"""What a wait ends with, for people, for programs and for scrapbook."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.magics.conftest import Notebook
from wxcode_jupyter.errors import CommandFailed
from wxcode_jupyter.magics import CommandResult, MilestoneResult
from wxcode_jupyter.magics.evidence import spoken
from wxcode_jupyter.magics.export import SCRAP_TYPE, to_plain

FILES = [
    {"path": "src/a.py", "kind": "added", "added_lines": 12, "deleted_lines": 0},
    {"path": "logo.png", "kind": "changed", "added_lines": None, "deleted_lines": None},
]
CHANGES = {
    "checkpoint": "refs/wxcode/m/1",
    "reason": "",
    "files": FILES,
    "added": 1,
    "changed": 1,
    "deleted": 0,
    "added_lines": 12,
    "deleted_lines": 3,
}
SUMMARY: dict[str, Any] = {
    "usage": {
        "messages": 2,
        "input_tokens": 1234,
        "output_tokens": 56,
        "cache_creation_tokens": 0,
        "cache_read_tokens": 7890,
        "models": ["opus"],
    },
    "questions": [
        {"question": "Which colour?", "answer": "Red", "at": "2026-01-02T03:04:05+00:00"},
        {"question": "Really?", "answer": None, "at": None},
    ],
}
TIMES = {"accepted_at": "2026-01-02T03:04:05+00:00", "delivering_at": "2026-01-02T03:04:04+00:00"}


def tell(notebook: Notebook) -> None:
    """Let the server have evidence of every command."""
    api = notebook.api
    api.changes, api.summary = CHANGES, SUMMARY
    api.happen(api.accept(**TIMES), api.end(last_message="Planned.", completed_at="2026-01-02T03:05:35+00:00"))


def test_waiting_for_a_milestone_ends_with_what_became_of_it(demo: Notebook) -> None:
    tell(demo)
    result = demo.run("%%wx new login --start --wait\n# Login\n")
    assert isinstance(result, MilestoneResult)
    shown = repr(result)
    for line in (
        "duration     1 min 30 s",
        "tokens       1,234 in, 56 out, in 2 answers of opus; cache: 0 written, 7,890 read",
        "asked        Which colour? -> Red",
        "asked        Really? -> (no answer)",
        "files        1 added, 1 changed, 0 deleted (+12 -3) since refs/wxcode/m/1",
        "added    +12 -0  src/a.py",
        "changed  binary  logo.png",
        "Claude said  Planned.",
        "❯ red",  # the last screen
    ):
        assert line in shown, shown
    assert ", acknowledged " in shown and ", ended " in shown
    html = result._repr_mimebundle_()["text/html"]
    assert "src/a.py" in html and "1,234 in" in html


def planning(milestone: str, *phases: tuple[str, str, int, int], archived: tuple[str, ...] = ()) -> dict[str, Any]:
    names = ("name", "status", "plans_total", "plans_done")
    told = [{"number": str(n), **dict(zip(names, phase, strict=True))} for n, phase in enumerate(phases, 1)]
    return {"milestone": milestone, "phases": told, "archived": list(archived)}


LOGIN, BUILT = ("Login", "verified", 1, 1), ("Logout", "built", 2, 2)


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        (
            planning("v1.0 One", LOGIN, ("Logout", "planned", 2, 0)),
            planning("v1.0 One", LOGIN, BUILT),
            [
                "phases   v1.0 One: 1 of 2 phases before, 1 of 2 phases after",
                "2 Logout: planned -> built, 2 of 2 plans",
            ],
        ),
        (
            planning("v1.0 One", LOGIN, archived=("v0.9",)),
            planning("v1.1 Two", ("<b>Next", "not_started", 0, 0)),
            ["phases   v1.0 One: 1 of 1 phase before, v1.1 Two: 0 of 1 phase after", "1 <b>Next: not started"],
        ),
        (planning(""), planning("v1.0", BUILT), ["phases   v1.0: 0 of 1 phase after", "1 Logout: built, 2 of 2 plans"]),
        (planning("v1.0", LOGIN), planning("", archived=("v1.0",)), ["v1.0: 1 of 1 phase before, v1.0 archived after"]),
    ],
)
def test_phases_before_and_after(
    demo: Notebook, before: dict[str, Any], after: dict[str, Any], lines: list[str]
) -> None:
    tell(demo)
    demo.api.summary = {"planning": {"before": before, "after": after}}
    result = demo.run("%wx send --wait --no-screen go on")
    shown = "\n".join(" ".join(line.split()) for line in repr(result).splitlines())
    for line in lines:
        assert " ".join(line.split()) in shown, shown
    assert "<b>Next" not in result._repr_mimebundle_()["text/html"]
    assert result.to_dict()["evidence"]["summary"]["planning"]["after"]["milestone"] == after["milestone"]


def test_phases_that_are_not_known_are_not_told(demo: Notebook) -> None:
    tell(demo)
    assert "phases" not in repr(demo.run("%wx send --wait go on"))


def test_a_gsd_command_that_left_nothing_says_what_is_missing(demo: Notebook) -> None:
    demo.api.happen(demo.api.accept(), demo.api.end(outcome="asks", missing="a plan of phase 2", last_message="Hm."))
    shown = repr(demo.run("%wx send --wait /gsd:plan-phase 2"))
    assert "Claude ended its turn without a plan of phase 2" in shown
    project_id = next(iter(demo.api.projects))
    demo.api.emit(project_id, "command_completed", command_id="c", outcome="asks", missing="a plan of phase 2")
    assert "asks: without a plan of phase 2" in repr(demo.run("%wx log --limit 1"))
    assert "completed, asks" in shown


@pytest.mark.parametrize(
    ("still", "badge"), [("phases in ROADMAP.md", "login  [in_progress, asks]"), (None, "login  [in_progress]")]
)
def test_a_milestone_whose_command_left_nothing_is_not_shown_as_if_all_were_well(
    demo: Notebook, still: str | None, badge: str
) -> None:
    demo.run("%%wx new login\n# Login\n")
    demo.api.happen(demo.api.accept(), demo.api.end(outcome="asks", missing="phases in ROADMAP.md"))
    demo.api.summary = {"missing_still": still}
    assert badge in repr(demo.run("%wx start login --wait"))


def test_permissions_are_named_and_who_answered(demo: Notebook) -> None:
    tell(demo)
    asked = [
        ("permission", "Bash: rm a.txt", ["No"], "terminal", "2026-01-02T03:05:00+00:00"),
        ("question", "Which colour?", ["Red"], "policy", "2026-01-02T03:05:10+00:00"),
        ("permission", "Bash: too early", ["Yes"], "user", "2026-01-02T03:00:00+00:00"),
        ("permission", "Bash: too late", [], None, "2026-01-02T04:00:00+00:00"),
    ]
    demo.api.questions[next(iter(demo.api.projects))] = [
        {
            "id": f"{number:024}",
            "output_project_id": next(iter(demo.api.projects)),
            "kind": kind,
            "title": title,
            "items": [{"question": title, "options": [{"label": "Yes"}]}],
            "asked_at": at,
            "answer": answer,
            "answered_by": by,
        }
        for number, (kind, title, answer, by, at) in enumerate(asked)
    ]
    shown = repr(demo.run("%%wx new login --start --wait\n# Login\n"))
    assert [line.partition("asked")[2].strip() for line in shown.splitlines() if line.startswith("  asked")] == [
        "Really? -> (no answer)",
        "Bash: rm a.txt -> No (by terminal)",
        "Which colour? -> Red (by policy)",
    ]


def test_the_last_screen_stays_out_of_a_notebook_that_is_kept(demo: Notebook) -> None:
    tell(demo)
    result = demo.run("%%wx new login --start --wait --no-screen\n# Login\n")
    assert "❯" not in repr(result)
    assert not [path for _, path, _ in demo.api.requests if path.endswith("/screen")]


def test_many_files_are_cut_and_counted(demo: Notebook) -> None:
    tell(demo)
    files = [{"path": f"{n}.txt", "kind": "added", "added_lines": 1, "deleted_lines": 0} for n in range(30)]
    demo.api.changes = {**CHANGES, "files": files, "added": 1999}
    shown = repr(demo.run("%%wx new login --start --wait\n# Login\n"))
    assert "19.txt" in shown and "20.txt" not in shown
    assert "1980 more" in shown


def test_a_command_of_no_milestone_has_no_files_and_no_checkpoint(demo: Notebook) -> None:
    tell(demo)
    result = demo.run("%wx send --wait hello")
    assert isinstance(result, CommandResult)
    assert "1,234 in" in repr(result) and "refs/wxcode" not in repr(result)
    assert not [path for _, path, _ in demo.api.requests if path.endswith("/changes")]


def test_a_workspace_without_a_repository_says_so(demo: Notebook) -> None:
    tell(demo)
    demo.api.changes = {}
    assert "files        unknown: The workspace is in no git repository." in repr(
        demo.run("%%wx new login --start --wait\n# Login\n")
    )


def test_a_checkpoint_that_failed_is_said_at_once(demo: Notebook) -> None:
    demo.run("%%wx new login\n# Login\n")
    demo.api.summary = {"warnings": ["No checkpoint was made before this milestone: git is missing."]}
    assert "git is missing" in repr(demo.run("%wx start login"))


def test_work_that_failed_shows_what_became_of_it_above_the_error(
    demo: Notebook, capsys: pytest.CaptureFixture[str]
) -> None:
    demo.api.changes = CHANGES
    demo.api.happen(demo.api.accept(**TIMES), demo.api.end("failed", error="API Error: 400"))
    with pytest.raises(CommandFailed):
        demo.run("%%wx new login --start --wait -o kept\n# Login\n")
    assert "src/a.py" in capsys.readouterr().out
    kept = demo.variables["kept"]
    assert not kept.ok and kept.evidence.changes.added == 1


def test_a_result_is_json_for_programs_and_a_scrap_for_scrapbook(demo: Notebook) -> None:
    tell(demo)
    result = demo.run("%%wx new login --start --wait --no-screen\n# Login\n")
    plain = json.loads(json.dumps(result.to_dict()))
    assert plain["ok"] is True
    assert plain["milestone"]["status"] == "in_progress"
    assert plain["evidence"]["changes"]["files"][0]["path"] == "src/a.py"
    assert plain["evidence"]["summary"]["usage"]["output_tokens"] == 56
    scrap = result._repr_mimebundle_()[SCRAP_TYPE]
    assert scrap == {"name": "wxcode.login", "data": result.to_dict(), "encoder": "json", "version": 1}


def test_every_result_is_json(demo: Notebook) -> None:
    demo.run("%%wx new login\n# Login\n")
    for line in ("projects", "list", "status", "log", "screen", "doctor", "start login", "send hi", "project demo", ""):
        assert json.loads(json.dumps(demo.run(f"%wx {line}").to_dict()))["ok"] in (True, False)


def test_plain_values() -> None:
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    assert to_plain({1: (moment, {2}), "e": CommandFailed("no", command_id="c")}) == {
        "1": ["2026-01-02T00:00:00+00:00", [2]],
        "e": {"type": "CommandFailed", "message": "no", "code": "command_failed"},
    }
    assert to_plain(KeyboardInterrupt("x")) == {"type": "KeyboardInterrupt", "message": "x"}
    assert to_plain(object).startswith("<class")


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, ""), (0.04, "0.0 s"), (59.94, "59.9 s"), (192, "3 min 12 s"), (7500, "2 h 5 min")]
)
def test_times_as_people_write_them(seconds: float | None, text: str) -> None:
    assert spoken(seconds) == text
