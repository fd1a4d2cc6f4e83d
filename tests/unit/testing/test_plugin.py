from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_another_project_gets_the_fixture_by_installing_us(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import urllib.request\n"
        "def test_it(scripted_model):\n"
        "    request = urllib.request.Request(scripted_model.url + '/', method='HEAD')\n"
        "    assert urllib.request.urlopen(request).status == 200\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:asyncio", "-W", "error", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_plugin_itself_stays_light() -> None:
    code = (
        "import sys, wxcode_jupyter.testing.plugin\n"
        "print(sorted(m for m in sys.modules if m.startswith('wxcode_jupyter.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "scripted_model" not in done.stdout
