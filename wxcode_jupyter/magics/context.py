"""What one kernel remembers: its client, the project it works on, the commands it sent."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from ..client import Client, Policy, Project
from ..errors import NotFound
from ..plain import clean
from .frontend import is_attended
from .grammar import Mistake, nearest
from .live import Live, Subject
from .progress import ProgressPrinter
from .results import Result


class Context:
    """State of ``%wxmilestone`` in one kernel.

    Args:
        shell: The IPython shell.
        client: A connected client; by default one is connected when the first subcommand needs it.
    """

    def __init__(self, shell: InteractiveShell, client: Client | None = None) -> None:
        self.shell = shell
        self._client = client
        self._selected: str | None = None
        #: Ids of the commands that this kernel sent and has not seen ending, by project.
        self.sent: dict[str, set[str]] = {}
        #: Gives what is known of the work so far: ``-o`` keeps it when the subcommand fails.
        self.partial: Callable[[], Result] | None = None
        #: What this line's options say to Claude's questions, where it waits.
        self.policy: Policy | None = None

    @property
    def client(self) -> Client:
        """The client, connected at the first use. Raises ``ServerUnreachable``."""
        if self._client is None:
            self._client = Client.connect(say=self.say)
        return self._client

    @property
    def connected(self) -> Client | None:
        """The client if there is one: completion must not start a server."""
        return self._client

    @property
    def attended(self) -> bool:
        """Whether somebody sits there."""
        return is_attended(self.shell)

    @property
    def selected(self) -> str | None:
        """Id of the project last used in this kernel."""
        return self._selected

    def live(self, subject: Subject, project_id: str, **what: str) -> Live | None:
        """Return what a card is to follow, with the server that has it; None where there is no front end."""
        if not self.attended:
            return None
        return Live(subject, project_id, self.client.info(project_id).pid, **what)

    def begin(self) -> None:
        """Begin a line: nothing is known of it yet."""
        self.partial = None
        self.policy = None

    def say(self, line: str) -> None:
        """Print a line at once, without control characters."""
        print(clean(line), flush=True)

    def printer(self) -> ProgressPrinter:
        """Return an observer that prints progress."""
        return ProgressPrinter(self.say)

    def variables(self, local: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the variables that a line may name: the notebook's, and those of the function it stands in."""
        return {**self.shell.user_ns, **(local or {})}

    def select(self, project: Project) -> Project:
        """Make a project the one that is used from now on."""
        self._selected = project.id
        return project

    def project(self, named: str | None) -> Project:
        """Return the project that a line means, and use it from now on.

        The order: its name, the last one used in this kernel, ``WXCODE_PROJECT``, the one whose folder the working
        directory is in.

        Raises:
            Mistake: No project is meant, or none has the name.
        """
        if named:
            return self.select(self._named(named))
        if self._selected:
            return self.client.get_project(self._selected)
        if configured := os.environ.get("WXCODE_PROJECT"):
            return self.select(self._named(configured))
        folder = os.path.realpath(os.getcwd())
        while True:
            for found in self.client.projects(workspace_path=folder):
                return self.select(found)
            if folder == os.path.dirname(folder):
                break
            folder = os.path.dirname(folder)
        names = ", ".join(project.name for project in self.client.projects()[:8])
        known = f" There are: {names}." if names else ""
        raise Mistake(f"No project is selected.{known}", "%wxmilestone project NAME")

    def _named(self, name: str) -> Project:
        try:
            return self.client.project(name)
        except NotFound:
            names = [project.name for project in self.client.projects()]
            raise Mistake(
                f"There is no project {name!r}{nearest(name, names)}.", f"%wxmilestone project {name}   makes it"
            ) from None
