"""Two kernels make the same milestone at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.server import WxServer
from wxcode_jupyter.client import Client
from wxcode_jupyter.magics.grammar import Mistake
from wxcode_jupyter.magics.milestones import ensure_milestone
from wxcode_jupyter.models import Milestone

NewProject = Callable[..., dict[str, Any]]
Made = Milestone | Mistake


class Kernels:
    """Two kernels with a client each; neither creates its first milestone before the other has looked for it."""

    def __init__(self, server: WxServer, monkeypatch: pytest.MonkeyPatch) -> None:
        self._server = server
        create, both, mine = Client.new_milestone, threading.Barrier(2, timeout=30), threading.local()

        def create_late(client: Client, *arguments: Any, **fields: Any) -> Milestone:
            if not hasattr(mine, "waited"):
                mine.waited = True
                both.wait()
            return create(client, *arguments, **fields)

        monkeypatch.setattr(Client, "new_milestone", create_late)

    def ensure(self, project: dict[str, Any], texts: tuple[str, str], *, again: bool = False) -> list[Made]:
        """Make a milestone with each of the two texts at once; return what became of it."""

        def make(text: str) -> Made:
            with self._server.client() as client:
                found = client.get_project(project["id"])
                try:
                    return ensure_milestone(client, found, "login", text, element_id=None, again=again, usage="")[0]
                except Mistake as mistake:
                    return mistake

        with ThreadPoolExecutor(2) as threads:
            return list(threads.map(make, texts))

    def milestones(self, project: dict[str, Any]) -> tuple[Milestone, ...]:
        with self._server.client() as client:
            return tuple(client.milestone(item) for item in client.milestones(project["id"]))


@pytest.fixture
def kernels(server: WxServer, monkeypatch: pytest.MonkeyPatch) -> Kernels:
    return Kernels(server, monkeypatch)


def test_with_the_same_text_both_get_the_same(kernels: Kernels, new_project: NewProject) -> None:
    project = new_project()
    one, other = kernels.ensure(project, ("Users sign in.", "Users sign in.\n"))
    assert one == other
    assert kernels.milestones(project) == (one,)


def test_with_another_text_one_of_them_is_told(kernels: Kernels, new_project: NewProject) -> None:
    project = new_project()
    made = kernels.ensure(project, ("Users sign in.", "Users sign out."))
    [milestone] = kernels.milestones(project)
    assert milestone in made
    [mistake] = [item for item in made if isinstance(item, Mistake)]
    assert "another text" in str(mistake)


def test_with_another_text_both_get_theirs_where_one_more_is_asked_for(
    kernels: Kernels, new_project: NewProject
) -> None:
    project = new_project()
    texts = ("Users sign in.", "Users sign out.")
    made = [item for item in kernels.ensure(project, texts, again=True) if isinstance(item, Milestone)]
    assert tuple(item.context for item in made) == texts
    assert {item.id for item in kernels.milestones(project)} == {item.id for item in made}
