"""What happens in a session while its MongoDB is away, and what the database says afterwards."""

from __future__ import annotations

import pymongo
from bson import ObjectId

from tests.support.job import Job, until
from tests.support.keys import write_line
from tests.support.mongod import Mongod
from tests.support.socket import TerminalClient
from wxcode_jupyter.client.values import Project
from wxcode_jupyter.models import SessionState


def clear_during_an_outage(job: Job, mongod: Mongod) -> tuple[Project, TerminalClient, str]:
    """Begin a conversation, kill the database, and let the user begin another one and say something in it.

    Returns the project, the user's terminal and the id of the first conversation.
    """
    project = job.project()
    job.ask(project, "before the outage")
    [old] = job.transcripts()
    job.until_state(project, SessionState.IDLE)
    terminal = job.terminal(project)
    terminal.wait_connected()
    mongod.kill()
    write_line(job, project, terminal, "/clear")
    until(lambda: "before the outage" not in job.client.screen(project))
    write_line(job, project, terminal, "during the outage")
    return project, terminal, old


def lineage(url: str, project_id: str) -> list[tuple[object, object]]:
    """Return the conversation ids of a project and their causes, as the database has them; the url names it."""
    with pymongo.MongoClient[dict[str, object]](url) as client:
        of_project = {"output_project_id": ObjectId(project_id), "barrier": None}
        rows = client.get_default_database()["wx_claude_sessions"].find(of_project)
        return [(row["claude_session_id"], row["cause"]) for row in rows.sort("seq", 1)]
