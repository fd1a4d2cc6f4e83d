"""Which of the prompts that the CLI reports is the command."""

from __future__ import annotations

import pytest

from wxcode_jupyter.claude.prompts import has_within, same_prompt

TEXT, OTHERS = "build the thing", "what time is it?"
WRAPPED = '\n\n<pasted_content id="39d9">\nline 0\nline 1\n</pasted_content id="39d9">\n'


@pytest.mark.parametrize(
    ("reported", "meant", "same"),
    [
        (TEXT, TEXT, True),
        (" build  the\nthing", TEXT, True),
        (WRAPPED, "line 0\nline 1", True),
        (WRAPPED, "line 0\nline 2", False),
        ("[Pasted text #1 +39 lines]", "line\n" * 40, True),
        ("e\u0301t\u00e9", "\u00e9te\u0301", True),
        (f"<ide_selection>a file\nis open</ide_selection>\n{TEXT}", TEXT, True),
        (f"<ide_opened_file>a</ide_opened_file>please {TEXT}", TEXT, False),
        (f"do not {'a long text ' * 5}", "a long text " * 5, False),
        (f"{'a long text ' * 5} of mine", "a long text " * 5, False),
        ("a long text " * 19, "a long text " * 20, False),
        ("yesterday", "yes", False),
        ("please say yes", "yes", False),
        (OTHERS, TEXT, False),
        ("", TEXT, False),
    ],
)
def test_which_prompt_is_the_commands(reported: str, meant: str, same: bool) -> None:
    assert same_prompt(reported, meant) is same


@pytest.mark.parametrize(
    ("reported", "meant", "within"),
    [
        (TEXT, TEXT, False),
        (WRAPPED, "line 0\nline 1", False),
        (f"wait {WRAPPED}", "line 0\nline 1", True),
        (f"please wait {TEXT}", TEXT, True),
        ("/clearslow", "/clear", True),
        (f"{TEXT[:5]} {TEXT[5:]}, slowly", TEXT, True),
        (OTHERS, TEXT, False),
    ],
)
def test_which_prompt_has_the_commands_within(reported: str, meant: str, within: bool) -> None:
    assert has_within(reported, meant) is within
