"""What is said of a command whose text went in together with another's."""

from __future__ import annotations

import pytest

from wxcode_jupyter.models import Command, CommandStatus
from wxcode_jupyter.service.endings import ended
from wxcode_jupyter.service.mixing import MIXED, UNCERTAIN, Others, mixed

COMMAND = Command("c", "p", "build")


@pytest.mark.parametrize(
    ("prompts", "reason"),
    [
        ([], ""),
        (["what time is it?"], f"{UNCERTAIN}what time is it?"),
        (["please build", "what time is it?"], f"{MIXED}please build"),
    ],
)
def test_the_prompt_that_has_the_text_is_named_before_others(prompts: list[str], reason: str) -> None:
    others = Others()
    for prompt in prompts:
        others.add(prompt)
    assert others.reason(COMMAND) == reason
    others.clear()
    assert others.reason(COMMAND) == ""


def test_a_prompt_that_speaks_of_a_limit_is_none() -> None:
    error = mixed("usage limit reached, build")
    assert ended(CommandStatus.FAILED, error=error)["status"] is CommandStatus.FAILED
