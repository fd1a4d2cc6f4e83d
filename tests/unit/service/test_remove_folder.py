"""A dead session's folder is removed by whoever comes first, and by nobody's mistake twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from wxcode_jupyter.service.recovery import remove_folder


def test_several_remove_one_folder_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    for number in range(300):
        (folder / f"spool-{number % 7}").mkdir(parents=True, exist_ok=True)
        (folder / f"spool-{number % 7}" / str(number)).touch()

    with ThreadPoolExecutor(8) as threads:
        for removal in [threads.submit(remove_folder, str(folder)) for _ in range(8)]:
            removal.result()

    remove_folder(str(folder))
    assert not folder.exists()


def test_what_cannot_be_removed_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError):
        file = tmp_path / "file"
        file.touch()
        remove_folder(str(file))
