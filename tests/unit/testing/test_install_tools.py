from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

NPM = """#!/bin/sh
# Stands in for npm: what is tested is what we make of its result. It notes each call and fills the folder.
echo "$@" >> "$CALLS"
while [ "$1" != --prefix ]; do shift; done
mkdir -p "$2/node_modules/@anthropic-ai/claude-code-linux-x64"
touch "$2/node_modules/@anthropic-ai/claude-code-linux-x64/claude"
exit ${NPM_STATUS:-0}
"""


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    path = Path(__file__).parents[3] / "scripts" / "install_tools.py"
    spec = importlib.util.spec_from_file_location("install_tools", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text(NPM)
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{npm.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    return tmp_path / "calls"


def test_each_tool_is_installed_once_and_whole(script: ModuleType, calls: Path, tmp_path: Path) -> None:
    root = tmp_path / "tools"
    assert script.main([str(root)]) == 0
    assert (root / "claude-2.1.330" / "claude").resolve().name == "claude"
    asked = calls.read_text().splitlines()
    assert len(asked) == len(script.TOOLS)
    assert all(line.endswith(tool.spec) for line, tool in zip(asked, script.TOOLS, strict=True))
    assert all("--ignore-scripts" in line for line in asked)
    assert script.main([str(root)]) == 0
    assert calls.read_text().splitlines() == asked, "the second run has nothing to do"
    assert sorted(path.name for path in root.iterdir()) == sorted(tool.folder for tool in script.TOOLS)


def test_what_is_named_is_all_that_is_installed(
    script: ModuleType, calls: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main([str(tmp_path), "claude-2.1.330"]) == 0
    assert [line.split()[-1] for line in calls.read_text().splitlines()] == ["@anthropic-ai/claude-code@2.1.330"]
    with pytest.raises(SystemExit):
        script.main([str(tmp_path), "claude-2"])
    assert "unknown: claude-2; there are claude-2.1.197" in capsys.readouterr().err


def test_a_folder_without_its_stamp_is_made_anew(script: ModuleType, calls: Path, tmp_path: Path) -> None:
    tool = script.TOOLS[0]
    (tmp_path / tool.folder).mkdir()
    assert script.install(tool, tmp_path)
    assert (tmp_path / tool.folder / "claude").exists()


def test_a_failing_npm_leaves_nothing(
    script: ModuleType, calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NPM_STATUS", "7")
    root = tmp_path / "tools"
    assert script.main([str(root)]) == 1
    assert list(root.iterdir()) == []
    assert "npm install @anthropic-ai/claude-code@2.1.197 failed (7)" in capsys.readouterr().err


def test_a_missing_npm_is_named(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert script.main([str(tmp_path / "tools")]) == 1
    assert "npm is missing" in capsys.readouterr().err
