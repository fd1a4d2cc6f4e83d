"""The terminal's bundle: built where it is missing or old, with a Node.js from PyPI where the machine has none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import hatch_build

ROOT = Path(hatch_build.__file__).parent


def hook(root: Path) -> hatch_build.BundleHook:
    return hatch_build.BundleHook(str(root), {}, None, None, "", "wheel")  # type: ignore[arg-type]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The sources with a bundle that is theirs."""
    sources = tmp_path / hatch_build.SOURCES
    shutil.copytree(ROOT / hatch_build.SOURCES, sources, ignore=shutil.ignore_patterns("node_modules", "build"))
    bundle = tmp_path / hatch_build.BUNDLE
    bundle.parent.mkdir(parents=True)
    bundle.write_text(f"/* ipyxterm {hatch_build.digest(tmp_path)} */\n")
    return tmp_path


def test_a_bundle_that_is_its_sources_needs_nothing(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert hook(tree).dependencies() == []
    hook(tree).initialize("standard", {})


@pytest.mark.parametrize("path", ["", None])
def test_one_that_is_missing_or_old_needs_node(tree: Path, path: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if path is not None:
        monkeypatch.setenv("PATH", path)
    expected = [hatch_build.NODE] if path is not None else []
    with open(tree / hatch_build.SOURCES / "src" / "index.ts", "a") as file:
        file.write("// changed\n")
    assert hook(tree).dependencies() == expected
    (tree / hatch_build.BUNDLE).unlink()
    assert hook(tree).dependencies() == expected


def test_the_bundle_of_this_tree_is_its_sources() -> None:
    assert hatch_build.digest(ROOT) in (ROOT / hatch_build.BUNDLE).read_text().partition("\n")[0]
