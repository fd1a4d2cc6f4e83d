"""The choice among content types."""

from __future__ import annotations

import pytest

from wxcode_jupyter.server.accept import preferred

OFFERED = ("text/plain", "text/html", "text/x-ansi")


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", "text/plain"),
        ("*/*", "text/plain"),
        ("image/png", "text/plain"),
        ("text/html", "text/html"),
        ("TEXT/HTML; charset=utf-8", "text/html"),
        ("text/plain;q=0.5, text/html;q=0.4", "text/plain"),
        ("text/plain;q=0.5, text/x-ansi", "text/x-ansi"),
        ("text/html;q=0, */*;q=0.1", "text/plain"),
        ("text/*;q=0.3, text/html;q=0.9", "text/html"),
        ("text/html;q=nonsense", "text/plain"),
        (",,;", "text/plain"),
    ],
)
def test_the_best_of_what_is_offered(accept: str, chosen: str) -> None:
    assert preferred(accept, OFFERED) == chosen
