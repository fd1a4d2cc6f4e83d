"""Pytest plugin: fixtures for projects that build on wxcode_jupyter. Imports stand in the fixtures, to stay light."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .scripted_model import ScriptedModel


@pytest.fixture
def scripted_model() -> Iterator[ScriptedModel]:
    """Give a running scripted model without rules; add them with ``scripted_model.add(Rule(...))``."""
    from .scripted_model import ScriptedModel

    with ScriptedModel() as model:
        yield model
