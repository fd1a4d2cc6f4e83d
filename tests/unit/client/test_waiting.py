"""The clock and the sleeping are the test's: each sleep moves the clock, each look at the events moves the world."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.support.waited_world import WaitedWorld
from wxcode_jupyter.client import Policy, Project, transport
from wxcode_jupyter.client.following import OUTAGE_S, STEP_S
from wxcode_jupyter.client.limits import OnLimit
from wxcode_jupyter.client.policies import OnQuestion
from wxcode_jupyter.client.waiting import Watch
from wxcode_jupyter.errors import (
    AnswerNeeded,
    AttentionNeeded,
    CommandFailed,
    CommandTimeout,
    ConversationUnknown,
    ServerUnreachable,
    SessionExited,
    SessionNotRunning,
    StoreUnavailable,
    TrustRequired,
    UsageLimited,
)
from wxcode_jupyter.models import SessionInfo, SessionState


class World(WaitedWorld):
    def watch(
        self,
        *,
        timeout_s: float | None = None,
        attended: bool = False,
        policy: Policy | None = None,
        on_limit: OnLimit | None = None,
    ) -> Watch:
        return Watch(
            self.client,
            self.project.id,
            timeout_s=timeout_s,
            attended=attended,
            policy=policy,
            on_limit=on_limit,
            observer=self.told.append,
            clock=lambda: self.time,
            sleep=self.nap,
        )

    def session(self, state: str, **fields: object) -> Callable[[], None]:
        return lambda: self.api.set_session(self.project.id, state, **fields)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(transport, "_PAUSE_S", 0)
    return World()


def test_a_command_is_followed_to_its_end(world: World) -> None:
    command = world.client.send(world.project, "hello")
    world.api.happen(
        world.api.accept(),
        lambda: world.api.emit(world.project.id, "tool_started", tool_name="Bash", summary="pytest -q"),
        lambda: None,
        lambda: world.api.emit(world.project.id, "assistant_message", text="All 3 tests pass."),
        world.api.end(last_message="Done."),
    )
    ended = world.watch().until_final(command)
    assert ended.last_message == "Done."
    kinds = [progress.kind for progress in world.told]
    assert kinds == [
        "command_queued",
        "command_accepted",
        "session_state",
        "tool_started",
        "assistant_message",
        "command_completed",
        "session_state",
    ]
    assert "Bash: pytest -q" in [progress.text for progress in world.told]
    assert max(world.naps) <= STEP_S


@pytest.mark.parametrize(("status", "hint"), [("failed", "the hook refused it"), ("interrupted", "interrupted")])
def test_a_command_that_does_not_succeed_is_raised(world: World, status: str, hint: str) -> None:
    command = world.client.send(world.project, "hello")
    world.api.happen(world.api.accept(), world.api.end(status, error="the hook refused it"))
    with pytest.raises(CommandFailed, match=hint) as caught:
        world.watch().until_final(command)
    assert caught.value.command_id == command.id


def test_the_limit_is_kept_and_says_that_claude_works_on(world: World) -> None:
    command = world.client.send(world.project, "hello")
    with pytest.raises(CommandTimeout, match="Claude works on"):
        world.watch(timeout_s=7).until_final(command)
    assert world.time == pytest.approx(7)


def test_an_untrusted_folder_is_raised_at_once_where_nobody_is(world: World) -> None:
    command = world.client.send(world.project, "hello")
    world.api.show_trust_screen(world.project.id)
    with pytest.raises(TrustRequired, match="%wxmilestone trust") as caught:
        world.watch().until_final(command)
    assert caught.value.workspace_path == world.project.workspace_path
    assert world.naps == []


def test_somebody_is_told_once_and_waited_for(world: World) -> None:
    command = world.client.send(world.project, "hello")
    world.api.show_trust_screen(world.project.id)
    world.api.happen(*[lambda: None] * 30, world.session("idle"), world.api.accept(), world.api.end())
    world.watch(attended=True).until_final(command)
    assert [progress.kind for progress in world.told].count("needed") == 1


def test_other_screens_are_raised_with_their_text(world: World) -> None:
    shown = {"kind": "menu", "message": "A menu is open.", "screen": "1. one\n2. two"}
    command = world.client.send(world.project, "hello")
    world.api.set_session(world.project.id, "attention", attention=shown)
    with pytest.raises(AttentionNeeded, match=r"2\. two"):
        world.watch().until_final(command)


DATABASE = {
    "question": "Which database?",
    "options": [
        {"label": "MongoDB", "description": "documents"},
        {"label": "SQLite (Recommended)", "description": "a file"},
    ],
}
PERMISSION = {
    "question": "Do you want to proceed?",
    "options": [{"label": text} for text in ("Yes", "Yes, always", "No")],
}


def asks(world: World, **more: Any) -> Callable[[], None]:
    return lambda: (world.api.ask(world.project.id, DATABASE, **more), None)[1]


def asks_permission(world: World, command: str) -> Callable[[], None]:
    fields = {"kind": "permission", "tool_name": "Bash", "subject": command, "title": f"Bash: {command}"}
    return lambda: (world.api.ask(world.project.id, PERMISSION, **fields), None)[1]


def test_a_question_is_raised_with_what_is_asked(world: World) -> None:
    command = world.client.send(world.project, "hello")
    world.api.happen(world.api.accept(), asks(world))
    with pytest.raises(AnswerNeeded, match=r"Which database\?\n +1\. MongoDB: documents\n +2\. SQLite") as caught:
        world.watch().until_final(command)
    (question,) = caught.value.questions
    assert question["items"][0]["question"] == "Which database?"
    assert "wxmilestone answer" in str(caught.value)


@pytest.mark.parametrize(
    ("policy", "answer"),
    [
        (Policy("first"), "MongoDB"),
        (Policy("recommended"), "SQLite (Recommended)"),
        (Policy("fail", {"which data*": "MongoDB"}), "MongoDB"),
        (Policy("first", {"Which database?": {"text": "none"}}), "{'text': 'none'}"),
    ],
)
def test_a_policy_answers(world: World, policy: Policy, answer: str) -> None:
    command = world.client.send(world.project, "hello")
    world.api.happen(world.api.accept(), asks(world), world.api.end())
    world.watch(policy=policy).until_final(command)
    (question,) = world.client.questions(world.project)
    assert (question.answer, question.answered_by) == ((answer,), "policy")
    said = [progress.text for progress in world.told if progress.kind == "answered"]
    assert said == [f"Which database?: {answer} (by policy)"]


@pytest.mark.parametrize("attended", [True, False])
def test_a_prepared_answer_that_does_not_fit_needs_somebody(world: World, attended: bool) -> None:
    command = world.client.send(world.project, "hello")
    world.api.happen(world.api.accept(), asks(world))
    with pytest.raises(AnswerNeeded, match="The prepared answer was not taken"):
        world.watch(policy=Policy("fail", {"*": "Oracle"}), attended=attended).until_final(command)


@pytest.mark.parametrize("on_question", ["fail", "first", "recommended"])
def test_permissions_are_given_by_patterns_only(world: World, on_question: OnQuestion) -> None:
    command = world.client.send(world.project, "hello")
    world.api.happen(
        world.api.accept(), asks_permission(world, "npm test -- x"), asks_permission(world, "npm test; rm -rf .")
    )
    policy = Policy(on_question, {"*": "Yes", "permission:Bash: npm test*": "Yes"})
    with pytest.raises(AnswerNeeded, match=r"Permission for Bash: npm test; rm -rf \."):
        world.watch(policy=policy).until_final(command)
    assert [question.answer for question in world.client.questions(world.project)] == [("Yes",), ()]


def test_a_question_may_be_waited_for_where_nobody_is(world: World) -> None:
    command = world.client.send(world.project, "hello")
    world.api.happen(world.api.accept(), asks(world), *[lambda: None] * 5, world.api.end())
    world.watch(policy=Policy("wait")).until_final(command)
    assert [progress.kind for progress in world.told].count("needed") == 1


def test_a_timeout_interrupts_where_the_policy_says_so(world: World) -> None:
    command = world.client.send(world.project, "hello")
    world.api.happen(world.api.accept())
    with pytest.raises(CommandTimeout, match="Claude was interrupted"):
        world.watch(timeout_s=3, policy=Policy(on_timeout="interrupt")).until_final(command)
    assert ("POST", f"output-projects/{world.project.id}/session/interrupt", None) in world.api.requests


def test_a_timeout_of_what_waits_in_the_queue_interrupts_nothing(world: World) -> None:
    command = world.client.send(world.project, "hello")
    with pytest.raises(CommandTimeout, match="Claude works on"):
        world.watch(timeout_s=3, policy=Policy(on_timeout="interrupt")).until_final(command)
    assert not [path for _, path, _ in world.api.requests if path.endswith("interrupt")]


def test_a_wait_says_that_its_command_was_withdrawn(world: World) -> None:
    command = world.client.send(world.project, "hello")

    def withdraw() -> None:
        world.client.withdraw(command)

    world.api.happen(withdraw)
    with pytest.raises(CommandFailed, match="withdrawn before it was delivered") as caught:
        world.watch(timeout_s=3).until_final(command)
    assert caught.value.error == "withdrawn"


def test_the_end_of_the_cli_ends_the_wait(world: World) -> None:
    command = world.client.send(world.project, "hello")
    world.api.happen(world.session("exited", exit_code=1, message="It was killed.", screen="last words"))
    with pytest.raises(SessionExited, match=r"exit code 1\). It was killed.\n    last words") as caught:
        world.watch().until_final(command)
    assert caught.value.exit_code == 1


def test_a_command_that_ended_with_the_cli_has_succeeded(world: World) -> None:
    command = world.client.send(world.project, "hello")
    world.api.happen(world.api.accept(), world.api.end(), world.session("exited", exit_code=0))
    assert world.watch().until_final(command).status.final


def test_an_unknown_conversation_has_its_own_error(world: World) -> None:
    shown = {"kind": "conversation_unknown", "message": "The CLI does not know it: --fresh.", "screen": ""}
    world.api.set_session(world.project.id, "exited", attention=shown)
    with pytest.raises(ConversationUnknown, match="--fresh"):
        world.watch().until_started()


def test_idle_means_nothing_is_queued_either(world: World) -> None:
    world.client.send(world.project, "one")
    world.api.happen(lambda: None, world.api.accept(), world.api.end())
    assert world.watch().until_idle().state is SessionState.IDLE
    assert world.api.steps == type(world.api.steps)()


def test_what_failed_before_the_wait_is_raised_by_it(world: World) -> None:
    command = world.client.send(world.project, "one")
    world.api.end("failed", error="blocked")()
    with pytest.raises(CommandFailed, match="blocked"):
        world.watch().until_idle([command.id])


def test_a_wait_for_nothing_is_an_error(world: World) -> None:
    world.client.stop(world.project)
    with pytest.raises(SessionNotRunning, match="resume"):
        world.watch().until_idle()


def test_an_attended_wait_ends_where_claude_asks(world: World) -> None:
    world.client.send(world.project, "one")
    world.api.happen(world.api.accept(), asks(world))
    assert world.watch(attended=True).until_idle().state is SessionState.WAITING


def test_a_start_is_waited_for_no_longer_than_the_limit(world: World) -> None:
    world.api.set_session(world.project.id, "starting")
    assert world.watch(timeout_s=3).until_started().state is SessionState.STARTING
    assert world.time == pytest.approx(3)


def test_a_server_that_restarts_is_waited_for(world: World) -> None:
    command = world.client.send(world.project, "hello")
    world.api.happen(world.api.accept(), world.api.end())
    world.api.failures.extend([httpx.ConnectError("refused")] * 6)
    world.watch().until_final(command)
    assert [progress.kind for progress in world.told].count("server") == 2


def test_a_server_that_stays_away_is_an_error(world: World) -> None:
    command = world.client.send(world.project, "hello")
    world.api.failures.extend([httpx.ConnectError("refused")] * 3000)
    with pytest.raises(ServerUnreachable):
        world.watch().until_final(command)
    assert world.time == pytest.approx(OUTAGE_S, abs=1)


def test_a_store_that_is_away_for_a_moment_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    command = world.client.send(world.project, "hello")
    world.api.happen(world.api.accept(), world.api.end())
    answer, away = world.client.session, iter(range(5))

    def session(project: Project | str) -> SessionInfo:
        if next(away, None) is not None:
            raise StoreUnavailable("The store is away.", url="mongodb://h")
        return answer(project)

    monkeypatch.setattr(world.client, "session", session)
    world.watch().until_final(command)
    assert [progress.kind for progress in world.told].count("server") == 2


def held(world: World) -> str:
    """Let a usage limit hold what is queued, and return until when."""
    until = "2026-11-22T17:00:00+00:00"
    world.api.set_session(world.project.id, "idle", queued=1, limited_until=until)
    return until


def test_a_limit_that_holds_the_queue_is_raised_at_once_where_nobody_is(world: World) -> None:
    command = world.client.send(world.project, "build it")
    until = held(world)
    with pytest.raises(UsageLimited, match="goes out by itself") as caught:
        world.watch().until_final(command)
    assert (caught.value.command_id, caught.value.resets_at) == (command.id, until)
    with pytest.raises(UsageLimited, match="resume --now"):
        world.watch(attended=True, on_limit="fail").until_idle()
    assert world.time == 0.0


@pytest.mark.parametrize(("attended", "on_limit"), [(True, None), (False, "wait")])
def test_a_limit_that_holds_the_queue_is_waited_for_and_told_once(
    world: World, attended: bool, on_limit: OnLimit | None
) -> None:
    command = world.client.send(world.project, "build it")
    held(world)
    world.api.happen(
        *[lambda: world.api.emit(world.project.id, "tool_finished")] * 3,
        lambda: world.api.set_session(world.project.id, "busy", queued=0, limited_until=None),
        world.api.accept(),
        world.api.end(outcome="finished"),
    )
    assert world.watch(attended=attended, on_limit=on_limit).until_final(command).outcome == "finished"
    assert [progress.kind for progress in world.told].count("limit") == 1


def test_a_limit_holds_nothing_that_runs_already(world: World) -> None:
    command = world.client.send(world.project, "build it")
    world.api.accept()()
    held(world)
    world.api.happen(world.api.end(outcome="finished"))
    assert world.watch().until_final(command).outcome == "finished"
