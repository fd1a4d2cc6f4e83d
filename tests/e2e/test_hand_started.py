"""A `claude` that somebody starts by hand in a project's conversation."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import each_cli
from tests.support.cli_terminal import START_TIMEOUT_S, CliTerminal
from tests.support.job import Job, until
from wxcode_jupyter.claude.running import find_running
from wxcode_jupyter.errors import ConversationInUse

pytestmark = pytest.mark.cli


@each_cli
def test_it_is_reported_instead_of_a_second_one_being_started(tmp_path: Path, cli_version: str) -> None:
    with Job(tmp_path, cli_version) as job:
        project = job.project()
        job.ask(project, "said to ours")
        job.client.stop(project)
        [conversation] = job.transcripts()
        argv = [str(job.executable), "--settings", '{"tui": "default"}', "--resume", conversation]
        with CliTerminal(argv, env=job.home.env(), cwd=job.workspace) as hand:
            hand.wait_for(lambda: find_running(job.home.env(), conversation), START_TIMEOUT_S, "it runs")
            with pytest.raises(ConversationInUse, match=f"pid {hand.pid} on /dev/pts/.* since .*--fresh") as refused:
                job.client.resume(project)
            assert refused.value.pid == hand.pid
            assert not job.client.session(project).state.live
            fresh = job.client.resume(project, fresh=True)
            assert fresh.beside == ()
            job.client.stop(project)
        job.client.resume(project, claude_session_id=conversation)  # what a killed one leaves behind does not count
        job.ask(project, "said to ours again")
        assert job.model.user_texts(job.model.turn_requests[-1]) == ["said to ours", "said to ours again"]
        with CliTerminal(argv, env=job.home.env(), cwd=job.workspace) as hand:
            [line] = until(lambda: job.client.session(project).beside, timeout_s=START_TIMEOUT_S)
            assert f"pid {hand.pid}" in line
            told = [event for event in job.client.events(project) if event.type == "claude_beside"]
            assert [event.data["pid"] for event in told] == [hand.pid]
        assert job.client.session(project).beside == ()
