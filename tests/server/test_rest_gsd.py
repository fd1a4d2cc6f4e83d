"""GSD over REST: what `openapi.yaml` says, from a project without it to one in the middle of a milestone."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.server.api import UNKNOWN_ID, Api, install_gsd
from wxcode_jupyter.client.gsd import gsd_status
from wxcode_jupyter.server import schemas

TREES = Path(__file__).parents[1] / "data" / "planning"
CASES = sorted(f"{case.parent.name}/{case.name}" for case in TREES.glob("*/*") if case.is_dir())


def look(api: Api, path: str) -> dict[str, Any]:
    """Return the answer, which fits the page's schema."""
    found = api.json("GET", f"{path}/gsd")
    schemas.check("Gsd", found)
    return found


def test_without_gsd(api: Api, path: str) -> None:
    found = look(api, path)
    assert (found["installed"], found["next"]) == (False, None)
    assert gsd_status(found).progress.phases == ()


@pytest.mark.parametrize("case", CASES)
def test_every_tree_fits_the_page(api: Api, path: str, project: dict[str, Any], case: str) -> None:
    install_gsd(project)
    shutil.copytree(TREES / case, project["workspace_path"], dirs_exist_ok=True)
    found = look(api, path)
    assert found["layout"] == "commands/gsd"
    assert found["progress"]["project"] == "Billing"
    understood = gsd_status(found)
    assert len(understood.progress.phases) == found["progress"]["phases_total"]
    assert understood.command("gsd-new-milestone") == understood.command("new-milestone") is not None


def test_the_next_step_towards_a_goal(api: Api, path: str, project: dict[str, Any]) -> None:
    install_gsd(project)
    for name in ("plan-phase", "execute-phase"):
        command = Path(project["workspace_path"], ".claude", "commands", "gsd", f"{name}.md")
        command.write_text(f"---\nname: gsd:{name}\n---\n")
    shutil.copytree(TREES / "get-shit-done-cc-1.20.5" / "mid-phase", project["workspace_path"], dirs_exist_ok=True)
    assert look(api, path)["reached"] is None
    towards = {goal: api.json("GET", f"{path}/gsd?until={goal}") for goal in ("planned", "built", "verified")}
    for found in towards.values():
        schemas.check("Gsd", found)
        assert gsd_status(found).reached is False
    # Phase 2 is in the middle; phase 3 has no plan, and discuss-phase is not installed here.
    assert towards["planned"]["next"]["text"] == "/gsd:plan-phase 3"
    assert towards["built"]["next"] == towards["verified"]["next"]
    assert towards["built"]["next"]["text"] == "/gsd:execute-phase 2"
    error = api.refused("GET", f"{path}/gsd?until=done", 400, "invalid_body")
    assert error["details"] == {"field": "until"}


def test_the_page_is_strict_enough_to_be_checked_against() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({}, schemas.openapi()["components"]["schemas"]["Gsd"])


def test_init_twice_is_one_command(api: Api, path: str, project: dict[str, Any]) -> None:
    install_gsd(project)
    command = Path(project["workspace_path"], ".claude", "commands", "gsd", "new-project.md")
    command.write_text("---\nname: gsd:new-project\n---\n")
    Path(project["workspace_path"], ".planning", "PROJECT.md").unlink()
    first = api.json("POST", f"{path}/gsd/init", 202, json={"brief": "# Billing\n"})
    again = api.json("POST", f"{path}/gsd/init", 202, json={"brief": "# Billing\n"})
    assert first["id"] == again["id"]
    assert first["text"].startswith("/gsd:new-project @.milestones/PROJECT-BRIEF-")
    api.refused("POST", f"{path}/gsd/init", 409, "already_initialized", json={"brief": "# Shop\n"})


def test_init_refusals(api: Api, path: str, project: dict[str, Any]) -> None:
    api.refused("POST", f"{path}/gsd/init", 409, "gsd_missing", json={"brief": "# Billing\n"})
    api.refused("POST", f"{path}/gsd/init", 400, "invalid_body", json={"brief": ""})
    install_gsd(project)
    api.refused("POST", f"{path}/gsd/init", 409, "already_initialized", json={"brief": "# Billing\n"})
    api.refused("GET", f"/output-projects/{UNKNOWN_ID}/gsd", 404, "not_found")
