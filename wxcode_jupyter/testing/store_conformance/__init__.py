"""The promises of `store/base.py`, as tests that any backend can run.

Derive from `StoreConformance` in a test module (pytest-asyncio, ``asyncio_mode = auto``) and give it two fixtures::

    class TestMyStore(StoreConformance):
        @pytest.fixture
        async def open_another(self, tmp_path):  # () -> an opened store on this test's data; closed by the fixture
            ...

        @pytest.fixture
        async def store(self, open_another):
            return await open_another()

The data must be empty at the start of each test. A backend that shares ``output_projects`` and ``milestones`` with the
wxcode application runs `SharedDocumentsConformance` too, with a fixture ``wxcode`` that writes as wxcode does
(`SharedCollections`).
"""

from __future__ import annotations

from .events import EventPromises
from .leases import LeasePromises
from .lifecycle import LifecyclePromises
from .lineage import LineagePromises
from .milestones import MilestonePromises
from .projects import ProjectPromises
from .queue import CommandPromises
from .shared import SharedCollections, SharedDocumentsConformance
from .transcripts import TranscriptPromises
from .values import OpenAnother

__all__ = ["OpenAnother", "SharedCollections", "SharedDocumentsConformance", "StoreConformance"]


class StoreConformance(
    LifecyclePromises,
    ProjectPromises,
    LeasePromises,
    LineagePromises,
    MilestonePromises,
    CommandPromises,
    EventPromises,
    TranscriptPromises,
):
    """Every promise that holds for all backends."""
