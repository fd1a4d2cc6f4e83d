"""What runs in the page: its own tests, and how much of it a page has to load."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from pathlib import Path

from wxcode_jupyter import ipyxterm

HERE = Path(ipyxterm.__file__).parent
SOURCES = HERE / "js"
BUDGET_BYTES = 190_000


def test_the_typescript_tests_pass() -> None:
    npm = shutil.which("npm")
    assert npm is not None, "Node.js is missing"
    done = subprocess.run([npm, "test"], cwd=SOURCES, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# fail 0" in done.stdout


def test_the_bundle_keeps_its_budget() -> None:
    bundle = (HERE / "static" / "ipyxterm.js").read_bytes()
    assert len(gzip.compress(bundle, 9)) < BUDGET_BYTES


def test_the_loader_is_all_that_a_notebook_keeps() -> None:
    loader = ipyxterm.Terminal._esm
    assert len(loader.encode()) < 1024
    assert loader == (HERE / "loader.js").read_text()


def test_the_lockfile_pins_everything_and_names_no_host() -> None:
    text = (SOURCES / "package-lock.json").read_text()
    packages = json.loads(text)["packages"]
    assert all(item.get("integrity") for name, item in packages.items() if name)
    assert "resolved" not in text
    wanted = json.loads((SOURCES / "package.json").read_text())
    versions = {**wanted["dependencies"], **wanted["devDependencies"]}
    assert all(version[0].isdigit() for version in versions.values())
    assert {name: packages[f"node_modules/{name}"]["version"] for name in versions} == versions
