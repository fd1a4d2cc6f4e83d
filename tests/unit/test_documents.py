"""The pages of the project say what is there: their links lead somewhere, their lists are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wxcode_jupyter.claude.gsd import INSTALL_COMMAND, NEW_PROJECT_TEMPLATE
from wxcode_jupyter.errors import WxcodeError
from wxcode_jupyter.server.extension import WxcodeApp

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *sorted(f"docs/{page.name}" for page in ROOT.glob("docs/*.md")),
)

#: Set by our own code only.
INTERNAL_TRAITS = {"headless"}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+)", (ROOT / page).read_text())
    local = [link for link in links if not link.startswith("https://")]
    assert [link for link in local if not (ROOT / page).parent.joinpath(link).exists()] == []


def test_the_configuration_is_listed_whole() -> None:
    section = _section("Configuration")
    listed = set(re.findall(r"(?m)^\| `(\w+)` \|", section))
    # Those that we declare, not those that every extension application has.
    assert listed == set(vars(WxcodeApp)) & set(WxcodeApp.class_traits(config=True)) - INTERNAL_TRAITS
    assert NEW_PROJECT_TEMPLATE in section


def test_the_errors_of_troubleshooting_exist() -> None:
    named = set(re.findall(r"(?m)^\| `([A-Z]\w+)`", _section("Troubleshooting")))
    assert named
    assert named <= {kind.__name__ for kind in _kinds(WxcodeError)}


def test_the_install_command_is_ours() -> None:
    assert INSTALL_COMMAND in _section("A tour")


def _section(title: str) -> str:
    found = re.search(rf"(?ms)^## {title}\n(.*?)(?=^## |\Z)", (ROOT / "README.md").read_text())
    assert found is not None, f"README.md has no section {title!r}"
    return found[1]


def _kinds(root: type[WxcodeError]) -> set[type[WxcodeError]]:
    return {root}.union(*(_kinds(kind) for kind in root.__subclasses__()))
