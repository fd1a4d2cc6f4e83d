"""A project of the API in memory, and a time that only the client's sleeping moves."""

from __future__ import annotations

from tests.support.fake_api import FakeApi
from wxcode_jupyter import Client
from wxcode_jupyter.client import Progress, Project
from wxcode_jupyter.client.transport import Endpoint


class WaitedWorld:
    """``naps`` are the sleeps in seconds, ``told`` is what the observer has heard."""

    def __init__(self) -> None:
        self.api = FakeApi()
        self.client = Client(Endpoint("http://h:1/"), transport=self.api.transport())
        self.project: Project = self.client.create_project("demo")
        self.client.start_session(self.project)
        self.time = 0.0
        self.naps: list[float] = []
        self.told: list[Progress] = []

    def nap(self, duration_s: float) -> None:
        self.naps.append(duration_s)
        self.time += duration_s
