"""The note by which a server that takes a session over knows how far the one before got with a command."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from wxcode_jupyter.models import Command
from wxcode_jupyter.service.delivery_note import DeliveryNote, Stage

ONE, OTHER = Command("a" * 24, "b" * 24, "one"), Command("c" * 24, "b" * 24, "other")


def test_it_proves_less_from_step_to_step(tmp_path: Path) -> None:
    note = DeliveryNote(tmp_path)
    assert note.stage(ONE) is Stage.UNKNOWN
    note.begin(ONE)
    assert DeliveryNote(tmp_path).stage(ONE) is Stage.UNTYPED
    note.typing()
    assert DeliveryNote(tmp_path).stage(ONE) is Stage.UNENTERED
    note.entering()
    assert note.stage(ONE) is Stage.UNKNOWN
    assert not list(tmp_path.iterdir())


def test_it_is_about_the_last_command_alone(tmp_path: Path) -> None:
    note = DeliveryNote(tmp_path)
    note.begin(OTHER)
    note.typing()
    note.begin(ONE)
    assert (note.stage(ONE), note.stage(OTHER)) == (Stage.UNTYPED, Stage.UNKNOWN)


@pytest.mark.parametrize("torn", [b"", b"aaaa", b"\xff" * 24])
@pytest.mark.parametrize("name", ["untyped", "unentered"])
def test_what_is_torn_proves_nothing(tmp_path: Path, name: str, torn: bytes) -> None:
    (tmp_path / name).write_bytes(torn)
    assert DeliveryNote(tmp_path).stage(ONE) is Stage.UNKNOWN


def test_where_it_cannot_be_written_nothing_is_proved(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    note = DeliveryNote(tmp_path / "gone")
    with caplog.at_level(logging.WARNING):
        note.begin(ONE)
    assert "counts as sent" in caplog.text
    note.typing()
    assert note.stage(ONE) is Stage.UNKNOWN
    note.entering()
