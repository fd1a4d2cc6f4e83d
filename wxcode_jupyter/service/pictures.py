"""Pictures of a project's ``.planning/`` from before and after each command: by what GSD left it is judged.

They are files of ours (``<data_dir>/planning/<project id>/<command id>.<before|after>.json.gz``), so that they outlive
the server and need no git. One that is missing (an older command, a full disk) makes nothing fail: what it would have
told is unknown then.
"""

from __future__ import annotations

import gzip
import json
import logging
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..claude.gsd import read_command
from ..claude.planning import Planning, PlanningTree, find_missing, read_tree, understand
from ..evidence import PhaseState, PlanningChange, PlanningState
from ..folders import make_private, open_private
from ..models import Command
from .endings import judged

log = logging.getLogger(__name__)

_KEPT = 1000  # files of a project: two for each command


class Pictures:
    """Takes and compares the pictures of one project. Its methods read and write files: they belong in a thread.

    Args:
        data_dir: Where our data is kept.
        project_id: The project.
        workspace: Its folder.
    """

    def __init__(self, data_dir: str, project_id: str, workspace: str) -> None:
        self._folder = Path(data_dir, "planning", project_id)
        self._workspace = workspace

    def take_before(self, command: Command) -> None:
        """Keep what ``.planning/`` is now that the command is about to be typed; an earlier attempt's is replaced."""
        self._keep(command, "before", read_tree(self._workspace))

    def judge(self, command: Command, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Keep what ``.planning/`` is now that the command has ended, and return its fields as that judges them.

        Args:
            command: The command.
            fields: What `endings.ended` says of it, with what else is to be stored.
        """
        after = self._load(command, "after")  # there already, if its end could not be stored the first time
        if after is None:
            after = read_tree(self._workspace)
            self._keep(command, "after", after)
        return judged(fields, self._missing(command, after))

    def missing_still(self, command: Command) -> str | None:
        """Return what the command should have left and has not until now, by itself or by what came after it.

        None once a milestone was archived since its end: the phases that it was about may be gone from `.planning/`.
        """
        ended, present = self._load(command, "after"), read_tree(self._workspace)
        if ended is not None and len(understand(present).archived) > len(understand(ended).archived):
            return None
        return self._missing(command, present)

    def change(self, command: Command) -> PlanningChange | None:
        """Return the phases before and after the command (of one that has not ended: now); None where unknown."""
        before = self._load(command, "before")
        if before is None:
            return None
        after = self._load(command, "after") if command.status.final else read_tree(self._workspace)
        return None if after is None else PlanningChange(_state(understand(before)), _state(understand(after)))

    def _missing(self, command: Command, after: PlanningTree) -> str | None:
        named, before = read_command(command.text), self._load(command, "before")
        return find_missing(*named, before, after) if named and before else None

    def _keep(self, command: Command, moment: str, tree: PlanningTree) -> None:
        written = {
            "exists": tree.exists,
            "folders": sorted(tree.folders),
            "files": sorted(tree.files),
            "texts": dict(tree.texts),
        }
        try:
            make_private(self._folder)
            path = self._path(command, moment)
            with open(path.with_suffix(".new"), "wb", opener=open_private) as file:
                file.write(gzip.compress(json.dumps(written).encode("ascii")))
            path.with_suffix(".new").replace(path)
            self._prune()
        except OSError as error:
            log.warning("What .planning/ is %s the command %s could not be kept: %s", moment, command.id, error)

    def _load(self, command: Command, moment: str) -> PlanningTree | None:
        try:
            found = json.loads(gzip.decompress(self._path(command, moment).read_bytes()))
            return PlanningTree(found["exists"], frozenset(found["folders"]), frozenset(found["files"]), found["texts"])
        except FileNotFoundError:
            return None
        except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
            log.warning("What .planning/ was %s the command %s cannot be read: %s", moment, command.id, error)
            return None

    def _path(self, command: Command, moment: str) -> Path:
        return self._folder / f"{command.id}.{moment}.json.gz"

    def _prune(self) -> None:
        """Remove the oldest files, where there are too many."""
        files = sorted(self._folder.iterdir(), key=lambda file: file.stat().st_mtime_ns)
        for file in files[:-_KEPT]:
            file.unlink(missing_ok=True)


def _state(planning: Planning) -> PlanningState:
    return PlanningState(
        " ".join(filter(None, (planning.version, planning.name))),
        tuple(
            PhaseState(phase.number, phase.name, phase.status.value, phase.plans_total, phase.plans_done)
            for phase in planning.phases
        ),
        tuple(item.version for item in planning.archived),
    )
