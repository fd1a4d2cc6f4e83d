"""Which project: made once, listed, found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.magics.conftest import Notebook, new_login
from wxcode_jupyter.magics import ProjectCard, UsageMistake


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
