"""What live cards and terminals are made of: served by the extension, and in the wheel."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.server.conftest import make_server
from wxcode_jupyter import ipyxterm, server

ROOT = Path(__file__).parents[2]
STATIC = Path(server.__file__).with_name("static")
BUNDLE = Path(ipyxterm.__file__).with_name("static") / "ipyxterm.js"
FILES = sorted(path.name for path in STATIC.iterdir())


def test_every_file_is_served_with_its_type(tmp_path: Path) -> None:
    with make_server(tmp_path) as running:
        for name in FILES:
            answer = httpx.get(f"{running.url}static/wxcode_jupyter/{name}", params={"token": running.token})
            assert answer.status_code == 200, name
            assert answer.content == (STATIC / name).read_bytes()
            kind = "text/css" if name.endswith(".css") else "javascript"
            assert kind in answer.headers["content-type"]
            assert "no-cache" in answer.headers["cache-control"]  # an upgrade is seen at the next reload


def test_the_terminals_bundle_is_served(tmp_path: Path) -> None:
    with make_server(tmp_path) as running:
        answer = httpx.get(f"{running.url}static/wxcode_jupyter/ipyxterm.js", params={"token": running.token})
        assert answer.content == BUNDLE.read_bytes()
        assert "javascript" in answer.headers["content-type"]


def test_under_a_base_url_of_its_own(tmp_path: Path) -> None:
    """As under JupyterHub: the routes and these files are where the page's ``baseUrl`` says."""
    server = make_server(tmp_path)
    with open(tmp_path / "jupyter" / "config" / "jupyter_config.py", "a") as config:
        config.write("\nc.ServerApp.base_url = '/user/ana/'\n")
    with server as running, running.client() as client:
        assert running.url.endswith("/user/ana/")
        assert client.info().pid == running.pid
        answer = httpx.get(f"{running.url}static/wxcode_jupyter/cards.js", params={"token": running.token})
        assert answer.status_code == 200


def test_what_they_name_is_there() -> None:
    named = set()
    for name in FILES:
        named |= set(re.findall(r'from "\./([\w.]+)"|new URL\("([\w.]+\.css)"', (STATIC / name).read_text()))
    assert {module or style for module, style in named} == set(FILES) - {"cards.js"}


@pytest.mark.parametrize("name", FILES)
def test_no_text_becomes_markup(name: str) -> None:
    text = (STATIC / name).read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|DOMParser", text)


def test_the_wheel_has_them(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert {f"wxcode_jupyter/server/static/{name}" for name in FILES} <= names
        assert {"wxcode_jupyter/ipyxterm/static/ipyxterm.js", "wxcode_jupyter/ipyxterm/loader.js"} <= names
        assert not [name for name in names if "ipyxterm/js/" in name]
