"""What was written wrong, and how it is told."""

from __future__ import annotations

import pytest
from IPython.core.error import UsageError

from tests.magics.conftest import Notebook, new_login
from wxcode_jupyter.magics import UsageMistake


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
        ("log --limit many", "--limit: a whole number is expected, not 'many'"),
        ("log --limit 0", "--limit: 0 events .* 1 or more"),
        ("log --limit -5", "1 or more is expected"),
        ("run login --max-turns x", "--max-turns: a whole number is expected, not 'x'"),
        ("run login --budget-usd cheap", "--budget-usd: a number is expected, not 'cheap'"),
        ("terminal --rows 2.5", "--rows: a whole number is expected"),
        ("report --file night.doc", r"night\.doc: .* ending \(\.md, \.markdown, \.json, \.xml\), or of --format"),
        ("report --file night", r"\.json"),
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
