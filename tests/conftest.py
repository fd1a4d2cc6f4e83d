"""Fixtures and settings of all tests, and CI's second try."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.mongod_fixtures import mongo_url, mongod

__all__ = ["mongo_url", "mongod"]

_UNIT = Path(__file__).parent / "unit"

# The same examples in each run, so that a change is judged by what it changes; `HYPOTHESIS_PROFILE=default` looks for
# new ones.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test of real processes a second try in CI, and in CI only.

    Thousands of tests start CLIs, kernels and browsers on a loaded machine: one time in very many a port that a kernel
    was promised is taken, or a process stands still for longer than any limit. A defect of ours fails twice, or is told
    by `pytest_terminal_summary`. A unit test has no such excuse.
    """
    if not os.environ.get("CI"):
        return
    for item in items:
        if not item.path.is_relative_to(_UNIT):
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell in full why a test needed its second try."""
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.section(f"first try of {report.nodeid}", sep="_", yellow=True)
        terminalreporter.line(report.longreprtext)
