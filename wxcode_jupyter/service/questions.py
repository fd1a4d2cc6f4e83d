"""What one CLI waits for: opened by hooks and the screen, closed by hooks, the screen, or an answer given here.

Hooks say that something is asked, and of `AskUserQuestion` everything about it; a permission's real options stand in
its menu only. A question counts as asked once somebody could answer it: at its hook, or when its menu is seen. Its end
is told by `PostToolUse` with the answer, or by a menu that is gone: a refused permission fires no hook, and neither
does a tool that fails. Nothing here waits or presses keys; time comes from an injected clock.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..claude import asking
from ..claude.answering import AskScript, MenuScript
from ..claude.asking import Reply
from ..claude.hooks import HookEvent
from ..claude.screens import Kind
from ..claude.sheet import Sheet, squeeze
from ..errors import AlreadyAnswered, AttentionNeeded, NotFound
from ..models import Question, QuestionItem, QuestionKind, now
from .recorder import Recorder

GONE_S = 1.0  # how long a menu must be gone before its question counts as ended
UNKNOWN_S = 8.0  # after how long a menu that is not recognised, or that no hook tells of, counts as asked
_KEPT = 100  # how many questions of a process are remembered
_TITLE_LIMIT = 160


@dataclass(slots=True)
class Claim:
    """An answer that is being given: who gives it, what it is, and the keys for it."""

    by: str
    replies: tuple[Reply, ...]
    script: AskScript | MenuScript


@dataclass(slots=True, eq=False)
class Asked:
    """A question, and what is known of it besides."""

    question: Question
    tool_input: Mapping[str, Any] = field(default_factory=dict)
    prompt_id: str | None = None
    announced: bool = False
    shown: bool = False  # whether its menu has been on the screen
    seen: Sheet | None = None  # and what it looked like, where it was recognised
    interrupted: bool = False
    claim: Claim | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Questions:
    """The questions of one CLI's process.

    Args:
        project_id: Whose process it is.
        recorder: Takes the events ``question`` and ``answered``.
        clock: Seconds that only rise.
    """

    def __init__(self, project_id: str, recorder: Recorder, clock: Callable[[], float]) -> None:
        self._project_id = project_id
        self._recorder = recorder
        self._clock = clock
        self._asked: list[Asked] = []
        self._since: dict[str, float] = {}  # condition -> since when it has held

    @property
    def waiting(self) -> bool:
        """Whether Claude waits for an answer."""
        return any(asked.announced for asked in self._open())

    @property
    def pending(self) -> bool:
        """Whether anything is asked, or about to be: the screen has to be seen to know its end."""
        return bool(self._open())

    def all(self) -> tuple[Question, ...]:
        """Return the questions of this process, those that were answered too, in the order in which they were asked."""
        return tuple(asked.question for asked in self._asked if asked.announced)

    def has(self, question_id: str) -> bool:
        """Whether a question is one of this process."""
        return any(question.id == question_id for question in self.all())

    # -- what is heard and seen -----------------------------------------------------------------------------------

    def hear(self, event: HookEvent) -> None:
        """Take a hook event."""
        if event.name in ("PreToolUse", "PermissionRequest"):
            self._went_on()
        tool, given = str(event.data.get("tool_name", "")), event.data.get("tool_input")
        given = given if isinstance(given, Mapping) else {}
        match event.name:
            case "PreToolUse" | "PermissionRequest" if tool == asking.ASK:
                if not any(asked.tool_input.get("questions") == given.get("questions") for asked in self._open()):
                    self._ask(event, given, asking.items_of(given))
            case "PermissionRequest":
                self._ask_permission(event, tool, given)
            case "PostToolUse":
                self._used(tool, given)
            case "Stop" | "StopFailure" | "SessionEnd":
                self.drop_all()
            case "UserPromptSubmit" | "SessionStart":
                # 2.1.330 reports what is queued during a turn at once, under that turn's id.
                for asked in self._open():
                    if event.prompt_id is None or event.prompt_id != asked.prompt_id:
                        self._end(asked, None)

    def see(self, sheet: Sheet | None, kind: Kind, *, turn: bool) -> None:
        """Take what the screen shows now; to be called again while nothing changes, because time decides.

        Args:
            sheet: The menu, as far as one is recognised.
            kind: What the screen shows altogether.
            turn: Whether a turn runs.
        """
        menu = sheet if kind in (Kind.MENU, Kind.OTHER) else None
        # What a hook of the user's has allowed never shows a menu: the one that shows may be of another further on.
        asked = next((each for each in self._open() if _fits(each, menu)), next(iter(self._open()), None))
        if asked is None:
            if self._held("menu", kind is Kind.MENU and turn) >= UNKNOWN_S:
                self._ask_menu(menu)
            return
        self._held("menu", False)
        if asked.question.kind is QuestionKind.PERMISSION and asked.seen is None:
            self._await_menu(asked, menu, kind)
        asked.shown = asked.shown or menu is not None or kind is Kind.MENU
        # A hook of the user's may have answered or refused it before its menu was drawn.
        unasked = asked.announced and not asked.shown and kind is Kind.BOX
        if self._held(f"unasked {asked.question.id}", unasked) >= UNKNOWN_S:
            self._end(asked, None)
            return
        gone = asked.shown and (self._shows_another(asked, menu) if menu else kind is not Kind.MENU)
        if self._held(f"gone {asked.question.id}", gone) >= GONE_S:
            self._end(asked, self._answerer(asked, ()))

    def interrupted(self) -> None:
        """Note that what is asked now will end because the turn is interrupted."""
        for asked in self._open():
            asked.interrupted = True

    def drop_all(self) -> None:
        """Nothing is asked any longer."""
        for asked in self._open():
            self._end(asked, None)

    # -- answering ------------------------------------------------------------------------------------------------

    def claim(self, question_id: str, choices: list[Any] | None, text: str | None, by: str) -> Asked:
        """Take a question for answering; ``release`` it when nothing came of it.

        Raises:
            NotFound: It is none of this process's.
            InvalidBody: The answer does not fit.
            AlreadyAnswered: It is asked no longer, or somebody else answers it now.
            AttentionNeeded: Its menu was not recognised.
        """
        asked = next((each for each in self._asked if each.announced and each.question.id == question_id), None)
        if asked is None:
            raise NotFound("There is no such question.", what="question", identifier=question_id)
        if not asked.question.open or asked.claim is not None:
            raise already_answered(asked.question)
        items = asked.question.items
        if not any(item.options for item in items):
            raise AttentionNeeded(
                "Its menu was not recognised on the screen, so nothing is pressed: answer it in the terminal.",
                screen="",
            )
        replies = asking.replies(items, choices, text)
        if asked.question.kind is QuestionKind.QUESTION:
            script: AskScript | MenuScript = AskScript(items, replies)
        else:
            assert asked.seen is not None  # where its options were read
            script = MenuScript(asked.seen, replies[0].labels[0])
        asked.claim = Claim(by, replies, script)
        return asked

    def release(self, asked: Asked) -> None:
        """Let others answer it."""
        asked.claim = None

    # -- the parts ------------------------------------------------------------------------------------------------

    def _open(self) -> list[Asked]:
        return [asked for asked in self._asked if asked.question.open]

    def _ask(self, event: HookEvent, given: Mapping[str, Any], items: tuple[QuestionItem, ...]) -> None:
        title = "; ".join(item.question for item in items) or asking.ASK
        question = self._question(event.key, QuestionKind.QUESTION, title, items, event)
        asked = Asked(question, given, event.prompt_id)
        self._asked.append(asked)
        self._announce(asked)

    def _ask_permission(self, event: HookEvent, tool: str, given: Mapping[str, Any]) -> None:
        subject = asking.subject_of(given)
        title = f"{tool}: {subject}" if subject else tool
        item = QuestionItem(f"May Claude use {tool}?")
        question = self._question(event.key, QuestionKind.PERMISSION, title, (item,), event)
        self._asked.append(Asked(replace(question, tool_name=tool, subject=subject), given, event.prompt_id))

    def _ask_menu(self, menu: Sheet | None) -> None:
        above = [line.strip() for line in menu.above.splitlines() if line.strip()] if menu else []
        title = above[-1] if above else "Claude Code shows a menu"
        item = QuestionItem(title, asking.options_of(menu) if menu else ())
        key = f"menu-{now().isoformat()}"
        asked = Asked(self._question(key, QuestionKind.MENU, title, (item,), None), shown=True, seen=menu)
        self._asked.append(asked)
        self._announce(asked)

    def _question(
        self, key: str, kind: QuestionKind, title: str, items: tuple[QuestionItem, ...], event: HookEvent | None
    ) -> Question:
        origin = f"{self._project_id}:{event.claude_session_id if event else ''}:{key}"
        identifier = hashlib.sha256(origin.encode()).hexdigest()[:24]
        line = " ".join(title.split())
        line = line if len(line) <= _TITLE_LIMIT else line[: _TITLE_LIMIT - 1] + "…"
        return Question(
            identifier, self._project_id, kind, line, items, asked_at=(event.at if event else None) or now()
        )

    def _await_menu(self, asked: Asked, menu: Sheet | None, kind: Kind) -> None:
        """A permission is asked once its menu shows what can be chosen; one that does not come is asked without."""
        if menu is not None and _fits(asked, menu):
            above = [line.strip() for line in menu.above.splitlines() if line.strip()]
            item = QuestionItem(above[-1] if above else asked.question.title, asking.options_of(menu))
            asked.question = replace(asked.question, items=(item,))
            asked.seen = menu
            self._announce(asked)
        elif self._held(f"unknown {asked.question.id}", kind is not Kind.BOX) >= UNKNOWN_S:
            self._announce(asked)  # its options may come yet, on a slow machine

    def _shows_another(self, asked: Asked, menu: Sheet) -> bool:
        """Whether the menu is that of the next question in line: the CLI shows one after another."""
        if len(self._open()) < 2 or asked.seen is None or asked.question.kind is QuestionKind.QUESTION:
            return False
        return squeeze(menu.above) != squeeze(asked.seen.above)

    def _announce(self, asked: Asked) -> None:
        if asked.announced:
            return
        asked.announced = True
        del self._asked[:-_KEPT]
        question = asked.question
        data = {
            "question_id": question.id,
            "kind": question.kind.value,
            "title": question.title,
            "items": [
                {
                    "question": item.question,
                    "header": item.header,
                    "multi_select": item.multi_select,
                    "options": [option.label for option in item.options],
                    "free_text": item.free_text,
                }
                for item in question.items
            ],
        }
        self._recorder.emit("question", data, key=f"question:{question.id}")

    def _went_on(self) -> None:
        """Claude goes on: what Enter was pressed for is over, although no hook may have said so."""
        for asked in self._open():
            if (
                asked.claim is not None
                and asked.claim.script.confirmed
                and asked.question.kind is not QuestionKind.QUESTION
            ):
                self._end(asked, asked.claim.by)

    def _used(self, tool: str, given: Mapping[str, Any]) -> None:
        """A tool has been used: what it asked is answered."""
        for asked in self._asked[::-1]:
            question = asked.question
            if question.kind is QuestionKind.QUESTION and tool == asking.ASK:
                same = asked.tool_input.get("questions") == given.get("questions")
            else:
                same = question.tool_name == tool and asked.tool_input == given
            if same and (question.open or (not question.answer and tool == asking.ASK)):
                answers = asking.answers_of(given, question.items)
                if question.open:
                    self._end(asked, self._answerer(asked, answers), answers)
                else:  # its menu was gone before the hook came
                    asked.question = replace(question, answer=answers)
                return

    def _answerer(self, asked: Asked, answers: tuple[str, ...]) -> str | None:
        claim = asked.claim
        if claim is None or not claim.script.confirmed:
            return None if asked.interrupted else "terminal"
        ours = [squeeze(reply.shown) for reply in claim.replies]
        return claim.by if not any(answers) or [squeeze(text) for text in answers] == ours else "terminal"

    def _end(self, asked: Asked, by: str | None, answers: tuple[str, ...] = ()) -> None:
        if by is not None and not answers and asked.claim is not None and by == asked.claim.by:
            answers = tuple(reply.shown for reply in asked.claim.replies)
        asked.question = replace(asked.question, answered_at=now(), answered_by=by, answer=answers)
        asked.ended.set()
        self._since.clear()
        if asked.announced:
            question = asked.question
            data = {
                "question_id": question.id,
                "kind": question.kind.value,
                "title": question.title,
                "answer": list(answers),
                "answered_by": by,
            }
            self._recorder.emit("answered", data, key=f"answered:{question.id}")

    def _held(self, name: str, condition: bool) -> float:
        """Return for how many seconds a condition has held without a break."""
        if not condition:
            self._since.pop(name, None)
            return 0.0
        return self._clock() - self._since.setdefault(name, self._clock())


def _fits(asked: Asked, menu: Sheet | None) -> bool:
    """Whether a menu asks for a permission that has not been seen asked."""
    unseen = asked.question.kind is QuestionKind.PERMISSION and asked.seen is None
    return unseen and menu is not None and asking.asks_permission(menu, asked.question.subject)


def already_answered(question: Question) -> AlreadyAnswered:
    """Return the error for an answer that came too late."""
    if question.open:
        return AlreadyAnswered("Somebody else is answering it now.", question_id=question.id)
    how = f" ({'; '.join(question.answer)}, by {question.answered_by})" if any(question.answer) else ""
    return AlreadyAnswered(f"It is answered already{how}.", question_id=question.id)
