"""What the package logs is one line each in another logger, whatever text is in it."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from wxcode_jupyter.server.logs import PlainRelay, relay

# No lone surrogate: the report of a test goes, with what was logged, from process to process as UTF-8.
EVIL = "name\n[E 2026-01-01 00:00:00 ServerApp] forged\r\x1b[2J\x9b31m\u2028\u202e\x00"
WRITTEN = r"name\n[E 2026-01-01 00:00:00 ServerApp] forged\r\x1b[2J\x9b31m\u2028\u202e\x00"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What the server's logger has written; the package ``evil`` logs into it."""
    stream = io.StringIO()
    server, package = logging.getLogger("evil-server"), logging.getLogger("evil")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    server.addHandler(handler)
    server.propagate = False
    server.setLevel(logging.INFO)
    relay(package, server)
    yield stream
    server.removeHandler(handler)
    package.handlers.clear()


def test_arguments_and_messages_are_one_line(written: io.StringIO) -> None:
    logging.getLogger("evil.part").warning("Project %s: %r", EVIL, 7)
    logging.getLogger("evil").error("%s", EVIL)
    logging.getLogger("evil.part").debug("below the server's level")
    assert written.getvalue() == f"WARNING evil.part Project {WRITTEN}: 7\nERROR evil {WRITTEN}\n"


def test_a_traceback_keeps_its_lines_and_nothing_else(written: io.StringIO) -> None:
    try:
        raise ValueError(EVIL)
    except ValueError:
        logging.getLogger("evil.part").exception("It failed: %s", EVIL, stack_info=True)
    first, *others = written.getvalue().split("\n")
    assert first == f"ERROR evil.part It failed: {WRITTEN}"
    assert others[0] == "Traceback (most recent call last):"
    assert r"forged\r\x1b[2J\x9b31m\u2028\u202e\x00" in written.getvalue()
    assert not set("\r\x1b\x9b\u2028\u202e\x00") & set(written.getvalue())


def test_the_record_of_others_is_left_as_it_was(written: io.StringIO, caplog: pytest.LogCaptureFixture) -> None:
    part = logging.getLogger("evil.part")
    part.addHandler(caplog.handler)
    part.warning("%s", EVIL)
    part.removeHandler(caplog.handler)
    assert caplog.records[0].args == (EVIL,)
    assert WRITTEN in written.getvalue()


def test_a_second_server_of_the_process_takes_over(written: io.StringIO) -> None:
    relay(logging.getLogger("evil"), logging.getLogger("evil-server"))
    logging.getLogger("evil.part").warning("once")
    assert written.getvalue() == "WARNING evil.part once\n"


def test_a_wrong_call_is_told_and_raises_nothing(written: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = logging.LogRecord("evil.part", logging.WARNING, __file__, 1, "%d", ("no number",), None)
    PlainRelay(logging.getLogger("evil-server")).handle(wrong)
    assert "--- Logging error ---" in capsys.readouterr().err
    assert written.getvalue() == ""
