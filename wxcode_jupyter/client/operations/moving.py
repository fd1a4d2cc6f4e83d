"""Projects as files, to go on with on another machine or in another folder."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ...evidence import Imported
from .. import parse
from ..values import Project
from .base import Operations, key_of


class MovingOperations(Operations):
    """Exports and imports projects."""

    def export_project(self, project: Project | str, file: str | os.PathLike[str]) -> Path:
        """Write a project into a file on this side, whole or not at all, and return its path; one that is there goes.

        The workspace's own files are not in it. The project stays as it is: once it was imported elsewhere, go on at
        one of the two places only.

        Raises:
            SessionAlive: Claude works.
            OSError: The file cannot be written.
        """
        path, key = Path(file).absolute(), key_of(project)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as aside:
            try:
                self._router.save(f"output-projects/{key}/export", aside, project_id=key)
                aside.flush()
                os.replace(aside.name, path)
            except BaseException:
                os.unlink(aside.name)
                raise
        return path

    def import_project(
        self, file: str | os.PathLike[str], *, workspace_path: str | None = None, name: str | None = None
    ) -> Imported:
        """Make a project of an exported file, in a folder of the server's machine; without one the server makes it.

        Raises:
            InvalidBody: The file is damaged, of another version of the format, or no exported project.
            ConversationExists: This store, or Claude Code in that folder, has its conversation already.
            NameTaken: Another project has the name: give another ``name``.
            FolderTaken, InvalidPath: The folder cannot be had.
            OSError: The file cannot be read.
        """
        with open(file, "rb") as opened:
            answer = self._router.upload("imports", opened, {"name": name, "workspace_path": workspace_path})
        return parse.checked(parse.imported, answer, "an import")
