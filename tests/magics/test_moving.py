"""``export`` and ``import``: the file is on the kernel's side."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.magics.conftest import Notebook
from wxcode_jupyter.errors import NameTaken
from wxcode_jupyter.magics import ExportResult, ImportResult, UsageMistake


def test_an_export_is_written_whole_for_its_owner(demo: Notebook, tmp_path: Path) -> None:
    file = tmp_path / "my project.zip"
    result = demo.run(f'%wx export "{file}"')
    assert isinstance(result, ExportResult)
    assert file.read_bytes() == b"PK, and so on"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [name for name in os.listdir(tmp_path) if name.startswith(".my")] == []
    for text in (str(file), "git or rsync", "must not run twice"):
        assert text in repr(result)


def test_an_export_that_is_refused_leaves_what_was_there(demo: Notebook, tmp_path: Path) -> None:
    file = tmp_path / "old.zip"
    file.write_text("an older one")
    demo.api.failures.extend([(200, next(iter(demo.api.projects.values()))), (409, {"reason": "session_alive"})])
    with pytest.raises(Exception, match="session_alive"):
        demo.run(f"%wx export {file}")
    assert file.read_text() == "an older one"
    assert [name for name in os.listdir(tmp_path) if name.startswith(".old")] == []


def test_an_import_becomes_the_project_of_the_kernel(demo: Notebook, tmp_path: Path) -> None:
    file = tmp_path / "p.zip"
    file.write_bytes(b"PK and more")
    result = demo.run(f"%wx import --workspace {tmp_path}/there {file}")
    assert isinstance(result, ImportResult)
    assert demo.posted("imports") == [b"PK and more"]
    assert f"workspace_path={tmp_path}/there".replace("/", "%2F") in demo.api.queries[-1].replace("/", "%2F")
    assert demo.magics.context.selected == result.imported.project_id
    for text in ("2 transcripts, 3 milestones, 4 commands", "must not run twice", "resume"):
        assert text in repr(result)
    given = """--permission-mode bypassPermissions --claude-arg=--add-dir --claude-arg='a b' --trust "exported\""""
    assert given in repr(result)


def test_a_name_of_its_own(demo: Notebook, tmp_path: Path) -> None:
    file = tmp_path / "p.zip"
    file.write_bytes(b"PK")
    assert demo.run(f"%wx import {file} --name other").imported.name == "other"
    with pytest.raises(NameTaken):
        demo.run(f"%wx import {file} --name other")


@pytest.mark.parametrize("line", ["export", "import", "import no/such.zip"])
def test_mistakes(demo: Notebook, line: str) -> None:
    with pytest.raises(UsageMistake, match="file"):
        demo.run(f"%wx {line}")
    assert demo.posted("imports") == []
