"""The demo's story: what the scripted model says, and what has to have come of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wxcode_jupyter import Client
from wxcode_jupyter.models import Command, Milestone, MilestoneStatus
from wxcode_jupyter.testing.scripted_model import Rule, Say, ScriptedModel, Use
from wxcode_jupyter.testing.world import World

PROJECT = "quickstart"
FIRST, SECOND = "Invoice form", "Order list"
_PHASES = {1: "invoice-form", 2: "order-list"}
_NEW_MILESTONE = re.compile(r"new-milestone \.milestones/(?P<id>[0-9a-f]{24})/MILESTONE-CONTEXT\.md")
_MOST = 99


class Failed(Exception):
    """The demo did not do what it shows; the message says what."""


@dataclass(frozen=True)
class Outcome:
    """What became of it, once it was found to be right."""

    conversation: str
    transcript: Path
    work: list[tuple[Milestone, Command]]


def rules(workspace: Path) -> list[Rule]:
    """Return the model's script: each milestone gets the next phase that the workspace does not have yet."""
    phases = workspace / ".planning" / "phases"
    done = len(list(phases.iterdir())) if phases.exists() else 0
    script = [_plan(number) for number in range(done + 1, _MOST + 1)]
    remembered = "\n".join(
        f"- {name}: .planning/phases/{n:02d}-{_PHASES[n]}" for n, name in enumerate((FIRST, SECOND), 1)
    )
    return [*script, Rule(re.compile("which milestones", re.IGNORECASE), [Say(remembered)])]


def _plan(number: int) -> Rule:
    """A milestone's turn: read what is wanted, write a plan, say so."""
    folder = f".planning/phases/{number:02d}-{_PHASES.get(number, 'milestone')}"
    phases = "".join(
        f"### Phase {each}: {_PHASES.get(each, 'milestone').replace('-', ' ').capitalize()}\n\n"
        for each in range(1, number + 1)
    )
    plan = f"# Plan {number:02d}-01\n\nThe scripted model of the demo wrote this in Claude's place.\n"
    return Rule(
        _NEW_MILESTONE,
        [
            Use(
                "Read", {"file_path": "{{cwd}}/.milestones/{{id}}/MILESTONE-CONTEXT.md"}, text="I read what is wanted."
            ),
            Use("Write", {"file_path": f"{{{{cwd}}}}/{folder}/{number:02d}-01-PLAN.md", "content": plan}),
            Use("Read", {"file_path": "{{cwd}}/.planning/ROADMAP.md"}),  # what exists must be read before it is written
            Use("Write", {"file_path": "{{cwd}}/.planning/ROADMAP.md", "content": f"# Roadmap\n\n{phases}"}),
            Say(f"Planned in one phase: {folder}.\nI am the demo's scripted model; the terminal around me is real."),
        ],
        times=1,
    )


def examine(client: Client, world: World, model: ScriptedModel) -> Outcome:
    """Check everything that the demo claims, against the store, the CLI's own files and the model.

    Raises:
        Failed: Something is not as it has to be; the message lists all of it.
    """
    project = client.project(PROJECT)
    milestones = {item.element_name: item for item in client.milestones(project)}
    work = [(milestone, client.milestone_command(milestone)) for milestone in milestones.values()]
    begun = [(milestone, command) for milestone, command in work if command is not None]
    transcripts = world.transcripts()
    sources = [event.data.get("source") for event in client.events(project) if event.type == "session_started"]
    heard = " ".join(model.user_texts(model.turn_requests[-1])) if model.turn_requests else ""

    def problems() -> Iterator[str]:
        states = {name: str(item.status) for name, item in milestones.items()}
        if states != {FIRST: MilestoneStatus.COMPLETED, SECOND: MilestoneStatus.IN_PROGRESS}:
            yield f"the milestones are {states}"
        for milestone, command in work:
            if command is None or command.accepted_at is None or command.outcome != "finished":
                yield f"the command of {milestone.element_name!r} is {command}"
            elif (times := model.prompts.count(command.text)) != 1:
                yield f"the model was given {command.text!r} {times} times"
            elif milestone.id not in heard:  # the command stands there as the CLI has expanded it
                yield f"what the model was sent last does not have the milestone {milestone.element_name!r} in it"
        if [path.stem for path in transcripts] != [project.claude_session_id]:
            yield f"the conversation is {project.claude_session_id}, the transcripts are {transcripts}"
        if {command.claude_session_id for _, command in begun} != {project.claude_session_id}:
            yield "the milestones are not in one conversation"
        if sources != ["startup", "resume"]:
            yield f"Claude Code was started as {sources}, not once anew and once by --resume"
        if len(list((world.workspace / ".planning" / "phases").glob("*/*-PLAN.md"))) != len(milestones):
            yield "Claude Code did not write one plan for each milestone"

    if found := list(problems()):
        raise Failed("; ".join(found))
    assert project.claude_session_id is not None  # it equals the name of the only transcript
    return Outcome(project.claude_session_id, transcripts[0], begun)
