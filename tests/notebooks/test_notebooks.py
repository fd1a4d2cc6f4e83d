"""The notebooks as a scheduler runs them: real papermill, kernels, server and CLI; only the model is scripted."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pymongo
import pytest
from bson import ObjectId

from tests.notebooks.rig import NOTEBOOKS, QUICKSTART, RETURN_VISIT, Executed, Papermill, joined, run, write_notebook
from tests.support.cli import claude_executable
from tests.support.job import Job, phase_rule
from wxcode_jupyter import Client
from wxcode_jupyter.magics.export import SCRAP_TYPE
from wxcode_jupyter.models import CommandStatus, MilestoneStatus
from wxcode_jupyter.testing.scripted_model import Fail, Rule, Say, ScriptedModel
from wxcode_jupyter.testing.world import World

pytestmark = [pytest.mark.cli, pytest.mark.timeout(240)]

NEWEST = "2.1.330"
PROJECT = "%load_ext wxcode_jupyter\n%wxmilestone project quickstart --workspace {}"


# -- the main job ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cli_version", "kind"), [("2.1.197", "embedded"), (NEWEST, "mongodb")])
def test_two_notebooks_share_one_conversation(
    tmp_path: Path, cli_version: str, kind: str, request: pytest.FixtureRequest
) -> None:
    store_url: str = request.getfixturevalue("mongo_url") if kind == "mongodb" else ""
    with Job(tmp_path, cli_version, store_url=store_url, rules=[phase_rule(1), phase_rule(2)], gsd="1.20.5") as job:
        environment = {**job.server.environment(), "WXCODE_STORE_URL": store_url}
        first = run(QUICKSTART, tmp_path / "run", environment, workspace=str(job.workspace))
        assert first.exit_code == 0, first.printed
        project = job.client.project("quickstart")
        [invoices] = job.client.milestones(project)
        assert invoices.status is MilestoneStatus.IN_PROGRESS
        assert job.model.prompts == [command_of(invoices.id)]

        second = run(RETURN_VISIT, tmp_path / "run", environment)
        assert second.exit_code == 0, second.printed
        invoices, orders = job.client.milestones(project)
        assert (invoices.status, orders.status) == (MilestoneStatus.COMPLETED, MilestoneStatus.IN_PROGRESS)
        question = job.model.prompts[-1]
        assert job.model.prompts == [command_of(invoices.id), command_of(orders.id), question]
        heard = " ".join(job.model.user_texts(job.model.turn_requests[-1]))
        assert invoices.id in heard and orders.id in heard and question in heard

        # One conversation: in both notebooks, in the store, and in the CLI's own file.
        [conversation] = job.transcripts()
        assert job.client.get_project(project).claude_session_id == conversation
        if store_url:
            assert stored_conversation(store_url, project.id) == conversation
        assert conversation in first.text("status")
        assert conversation in second.text("resume")
        assert conversation in second.text("status")
        assert f"[{MilestoneStatus.COMPLETED}]" in second.text("complete")
        for executed in (first, second):
            shows_cards_for_everybody(executed)
        assert not headless_servers(environment), "the running server is the one that was used"

        if cli_version == NEWEST:
            runs_again(job, tmp_path, environment)


def runs_again(job: Job, folder: Path, environment: dict[str, str]) -> None:
    """Run All a second time: what exists is found, and nothing but the question is sent again."""
    project = job.client.project("quickstart")
    before, milestones = list(job.model.prompts), job.client.milestones(project)
    job.client.stop(project)
    first = run(QUICKSTART, folder / "again", environment, workspace=str(job.workspace))
    second = run(RETURN_VISIT, folder / "again", environment)
    assert (first.exit_code, second.exit_code) == (0, 0), first.printed + second.printed
    assert job.client.milestones(project) == milestones
    assert job.model.prompts == [*before, before[-1]]
    assert "It exists already" in first.text("new")
    assert [job.client.get_project(project).claude_session_id] == job.transcripts()


def shows_cards_for_everybody(executed: Executed) -> None:
    """Results stand in the notebook as text and as HTML that needs no script and no widget."""
    written = json.dumps(executed.notebook)
    for unwanted in ("application/vnd.jupyter.widget", "application/javascript", "<script", "widgets"):
        assert unwanted not in written
    results = [
        output["data"]
        for cell in executed.notebook["cells"]
        for output in cell.get("outputs", [])
        if output["output_type"] == "execute_result"
    ]
    assert len(results) >= 5
    for data in results:
        assert set(data) - {SCRAP_TYPE} == {"text/plain", "text/html"}
        assert joined(data["text/html"]).startswith('<div style="')
        assert "object at 0x" not in joined(data["text/plain"])


def test_the_notebooks_are_committed_without_outputs_and_for_any_python() -> None:
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        notebook = json.loads(path.read_text())
        assert notebook["metadata"]["kernelspec"]["name"] == "python3"
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
        assert [cell["id"] for cell in code if "parameters" in cell["metadata"].get("tags", [])] == ["parameters"]


# -- nobody there ------------------------------------------------------------------------------------------------------


def test_an_untrusted_folder_stops_the_run_at_once(tmp_path: Path) -> None:
    with Job(tmp_path, NEWEST, gsd="1.20.5", trusted=False) as job:
        began = time.monotonic()
        executed = run(QUICKSTART, tmp_path / "run", job.server.environment(), workspace=str(job.workspace))
        assert time.monotonic() - began < 20
        assert executed.exit_code == 1
        for shown in (executed.printed, executed.text("start")):
            assert f"TrustRequired: Claude Code asks whether the folder {job.workspace} is trusted" in shown
            assert '%wxmilestone project "quickstart" --trust' in shown
        assert executed.outputs("status") == []
        assert job.model.requests == []
        assert not job.home.trusts(job.workspace)
        [command] = job.client.commands(job.client.project("quickstart"))
        assert command.status is CommandStatus.QUEUED


def test_a_command_that_fails_stops_the_run_with_the_reason(tmp_path: Path) -> None:
    rules = [Rule("new-milestone", [Fail(400, "the scripted model refuses")])]
    with Job(tmp_path, NEWEST, rules=rules, gsd="1.20.5") as job:
        executed = run(QUICKSTART, tmp_path / "run", job.server.environment(), workspace=str(job.workspace))
        assert executed.exit_code == 1
        for shown in (executed.printed, executed.text("start")):
            assert "CommandFailed" in shown
            assert "the scripted model refuses" in shown
        assert executed.outputs("status") == []


def test_the_end_of_patience_is_not_the_end_of_the_work(tmp_path: Path) -> None:
    with Job(tmp_path, NEWEST, rules=[Rule("dig", [Say("struck gold", gate="gold")])]) as job:
        notebook = write_notebook(
            tmp_path / "impatient.ipynb",
            PROJECT.format(job.workspace),
            "%wxmilestone send dig for gold",
            "%wxmilestone wait --timeout 1s --on-timeout leave",
            "print('too far')",
        )
        executed = run(notebook, tmp_path / "run", job.server.environment())
        assert executed.exit_code == 1
        assert "CommandTimeout: The limit of 1 s has passed" in executed.text("c2")
        assert "Claude works on" in executed.text("c2")
        assert executed.outputs("c3") == []
        [command] = job.client.commands(job.client.project("quickstart"))
        assert not command.status.final
        job.model.gate("gold").set()
        assert job.done(command).last_message == "struck gold"


# -- no server there ---------------------------------------------------------------------------------------------------


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[World, ScriptedModel]]:
    """A user's machine on which no server runs; what is started there ends with it, in order."""
    with ScriptedModel([phase_rule(1)]) as model:
        world = World(tmp_path, model.url, claude_executable(NEWEST))
        try:
            yield world, model
        finally:
            killed = world.end_processes()
    assert killed == {}


def test_papermill_alone_is_enough(world: tuple[World, ScriptedModel], tmp_path: Path) -> None:
    machine, model = world
    machine.install_gsd(claude_executable(NEWEST).parents[1] / "gsd-1.14.0" / "node_modules" / ".bin" / "gsd-core")
    executed = run(QUICKSTART, tmp_path / "run", machine.env(), workspace=str(machine.workspace))
    assert executed.exit_code == 0, executed.printed
    assert "Starting a wxcode server for this user" in executed.text("project")
    [server] = machine.servers()
    with Client.connect(environ=server.environ) as client:
        assert client.info().headless
        assert client.info().store_url.startswith(f"sqlite://{machine.env()['JUPYTER_DATA_DIR']}/")
        project = client.project("quickstart")
        [milestone] = client.milestones(project)
        assert milestone.status is MilestoneStatus.IN_PROGRESS
        assert [project.claude_session_id] == [path.stem for path in machine.transcripts()]
    [prompt] = model.prompts
    assert prompt == f"/gsd-new-milestone .milestones/{milestone.id}/MILESTONE-CONTEXT.md"
    running = machine.processes().values()
    assert [line for line in running if line.startswith(f"{machine.home.claude} ")], "the session outlives the kernel"


def test_two_runs_at_once_start_one_server(world: tuple[World, ScriptedModel], tmp_path: Path) -> None:
    machine, model = world
    runs = []
    for name in ("ana", "ben"):
        workspace = machine.home.path / name
        workspace.mkdir()
        machine.home.trust(workspace)
        notebook = write_notebook(
            tmp_path / f"{name}.ipynb",
            f"%load_ext wxcode_jupyter\n%wxmilestone project {name} --workspace {workspace}",
            f"%wxmilestone send --wait hello from {name}",
        )
        runs.append(Papermill(notebook, tmp_path / name, machine.env()))
    ended = [run.finish() for run in runs]
    assert [executed.exit_code for executed in ended] == [0, 0], "\n".join(executed.printed for executed in ended)
    assert sorted(model.prompts) == ["hello from ana", "hello from ben"]
    [server] = machine.servers()
    with Client.connect(environ=server.environ) as client:
        assert client.info().headless
        assert sorted(project.name for project in client.projects()) == ["ana", "ben"]


def command_of(milestone_id: str) -> str:
    return f"/gsd:new-milestone .milestones/{milestone_id}/MILESTONE-CONTEXT.md"


def stored_conversation(url: str, project_id: str) -> object:
    with pymongo.MongoClient[dict[str, object]](url) as client:
        found = client.get_default_database()["output_projects"].find_one({"_id": ObjectId(project_id)})
    assert found is not None
    return found["claude_session_id"]


def headless_servers(environment: dict[str, str]) -> list[Path]:
    return list(Path(environment["JUPYTER_RUNTIME_DIR"]).glob("wxcode-headless-*.pid"))
