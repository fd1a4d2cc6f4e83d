"""The folder of a project where something is about to be done in it: made before its first session, missed after it."""

from __future__ import annotations

import os

from ..errors import InvalidPath
from ..models import OutputProject
from ..store.base import Store
from ..workspace import resolve_workspace
from .config import Config


async def workspace_for(config: Config, store: Store, project: OutputProject) -> str:
    """Return the real path of a project's folder, which is made where the project never had a conversation.

    Raises:
        InvalidPath: The folder cannot be a workspace; or it is gone, and with it what a conversation is about.
        StoreUnavailable: Whether there was a conversation cannot be known now.
    """
    had_one = project.claude_session_id is not None or bool(await store.load_lineage(project.id))
    workspace = resolve_workspace(project.workspace_path, config.roots, create=not had_one)
    if had_one:
        _check_there(project, workspace)
    return workspace


def _check_there(project: OutputProject, workspace: str) -> None:
    if not os.path.isdir(workspace):
        path = project.workspace_path
        raise InvalidPath(
            f"The folder of the project {project.name!r} is gone: {path} was moved or deleted, and what Claude's "
            "conversation is about with it. Move it back. Or, to begin anew in an empty one, make it (mkdir) and use "
            "`%wxmilestone resume --fresh`; or make a new project where the folder is now.",
            path=path,
        )
