"""An answer is known to have been said before the hook that confirms it can be heard."""

from __future__ import annotations

from typing import cast

import pytest

from wxcode_jupyter.claude.open_hook import OpenHook
from wxcode_jupyter.models import Question, QuestionItem, QuestionKind
from wxcode_jupyter.service.answering import _tell_hook
from wxcode_jupyter.service.asked import Asked, Claim


class Hook:
    """Stands for a hook that prints what it is told, or ends without."""

    def __init__(self, claim: Claim, *, prints: bool) -> None:
        self.claim = claim
        self.prints = prints
        self.told_while_it_waited: list[bool] = []

    def answer(self, _decision: object) -> bool:
        return True

    @property
    def waits(self) -> bool:
        self.told_while_it_waited.append(self.claim.told)
        return len(self.told_while_it_waited) < 2

    def take_back(self) -> bool:
        return self.prints


@pytest.mark.parametrize("prints", [True, False])
async def test_a_claim_is_told_while_its_hook_has_the_answer(prints: bool) -> None:
    item = QuestionItem("May Claude use Bash?")
    asked = Asked(Question("q" * 24, "0" * 24, QuestionKind.PERMISSION, "Bash", (item,)))
    claim = Claim("policy", (), {"behavior": "allow"}, None)
    hook = Hook(claim, prints=prints)
    asked.opened(cast(OpenHook, hook))
    await _tell_hook(asked, claim)
    assert hook.told_while_it_waited == [True, True]
    assert claim.told is prints
