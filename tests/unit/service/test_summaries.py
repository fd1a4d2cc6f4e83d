"""The summary of a command: from the CLI's transcript, or from the link to it that is kept."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.claude.test_usage import RECORDED, prompts
from wxcode_jupyter.claude.transcript import folder_of_links, keep
from wxcode_jupyter.models import ClaudeSession, Command, LineageCause, OutputProject
from wxcode_jupyter.service.checkpoints import Checkpoints
from wxcode_jupyter.service.config import Config
from wxcode_jupyter.service.events import EventLog
from wxcode_jupyter.service.summaries import Summaries
from wxcode_jupyter.store.base import Store

PATH = RECORDED / "2.1.330" / "usage.jsonl"


@pytest.fixture
def summaries(config: Config, store: Store, events: EventLog) -> Summaries:
    return Summaries(config, store, Checkpoints(config, store, events))


async def test_tokens_and_questions_come_from_the_transcript_also_when_the_cli_has_deleted_it(
    summaries: Summaries, config: Config, store: Store, project: OutputProject, tmp_path: Path
) -> None:
    transcript = tmp_path / "s-1.jsonl"
    shutil.copy(PATH, transcript)
    entry = ClaudeSession(project.id, "s-1", LineageCause.NEW, transcript_path=str(transcript))
    await store.append_lineage(entry)
    command = Command(store.new_id(), project.id, "do it", prompt_id=prompts(PATH)["do it"], claude_session_id="s-1")
    await store.append_command(command)
    found = await summaries.summarize(command.id)
    assert found.usage is not None and found.usage.output_tokens == 35 + 79 + 9
    assert [(asked.question, asked.answer) for asked in found.questions] == [("Which colour do you want?", "Red")]

    assert keep(str(transcript), folder_of_links(config.data_dir, project.id))
    transcript.unlink()
    assert await summaries.summarize(command.id) == found


async def test_what_no_transcript_has_is_unknown_and_not_nothing(
    summaries: Summaries, store: Store, project: OutputProject
) -> None:
    command = Command(store.new_id(), project.id, "do it")
    await store.append_command(command)
    assert (await summaries.summarize(command.id)).usage is None
    lost = replace(command, id=store.new_id(), prompt_id="p", claude_session_id="s")
    await store.append_command(lost)
    assert (await summaries.summarize(lost.id)).usage is None
