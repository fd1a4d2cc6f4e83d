"""The API in memory with a Claude that does what GSD's commands say, one after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from tests.support.fake_api import FakeApi
from tests.support.fake_world import no_gsd

Effect = Callable[[dict[str, Any]], dict[str, Any] | None]


class GsdApi:
    """Lets ``api`` carry out every command that is queued: with each request for events one goes a step on.

    Args:
        api: The API.
        steps: GSD's commands that bring the milestone to where it is wanted, in order; each is done by one turn. The
            milestone's own one comes before them.

    Attributes:
        effects: What becomes of a command instead, by its text: gets the command, may return fields of its end; a
            ``missing`` among them is missing still, and the step is not done; nor is it with ``advances`` false.
        running: Whether Claude does anything.
    """

    def __init__(self, api: FakeApi, *steps: str) -> None:
        self._api = api
        self._left = deque(steps)
        self._done = 0
        self.effects: dict[str, Effect] = {}
        self.running = True
        self._show()
        api.happen(self._go_on)

    def _go_on(self) -> None:
        self._api.happen(self._go_on)
        under_way = [item for item in self._api.commands.values() if item["status"] in ("queued", "accepted")]
        if not self.running or not under_way:
            return
        command = under_way[0]
        if command["status"] == "queued":
            self._api.set_command(command["id"], "accepted", accepted_at=command["created_at"])
            if command["milestone_id"]:
                self._api.milestones[command["milestone_id"]]["status"] = "in_progress"
        else:
            self._end(command)

    def _end(self, command: dict[str, Any]) -> None:
        effect = self.effects.get(command["text"])
        fields = dict((effect(command) if effect else None) or {})
        advances = fields.pop("advances", True)
        if missing := fields.get("missing"):
            self._api.summary_of[command["id"]] = {"missing_still": missing}
        elif advances and self._left and command["text"] == self._left[0]:
            self._left.popleft()
            self._done += 1
        given = {"outcome": "asks" if missing else "finished", "completed_at": command["created_at"], **fields}
        self._api.set_command(command["id"], str(given.pop("status", "completed")), **given)
        self._show()

    def _show(self) -> None:
        text = self._left[0] if self._left else ""
        name, _, arguments = text.removeprefix("/gsd:").partition(" ")
        step: dict[str, Any] = {
            "command": name,
            "arguments": arguments,
            "text": text,
            "reason": "it is next",
            "phase": None,
            "also": [],
        }
        phase = {"number": "1", "name": "It", "status": "planned", "plans_total": 9, "plans_done": self._done}
        progress = {"has_project": True, "version": "v1.0", "phases": [phase], "phases_done": 0}
        told = {"installed": True, "progress": progress, "next": step if text else None, "reached": not text}
        self._api.gsd = {**no_gsd(), **told}
