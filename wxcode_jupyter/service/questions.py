"""What one CLI waits for: opened by hooks and the screen, closed by hooks, the screen, or an answer given here.

Hooks say that something is asked, and of `AskUserQuestion` everything about it; a permission's real options stand in
its menu only. A question counts as asked once somebody could answer it: at its hook, or when its menu is seen. Its end
is told by `PostToolUse` with the answer, or by a menu that is gone: a refused permission fires no hook, and neither
does a tool that fails. A hook that waits for the answer is let go with its question. Nothing here waits or presses
keys; time comes from an injected clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ..claude import asking
from ..claude.hooks import HookEvent
from ..claude.open_hook import NO, YES, OpenHook
from ..claude.screens import Kind
from ..claude.sheet import Sheet, squeeze
from ..errors import NotFound
from ..models import Question, QuestionItem, QuestionKind, QuestionOption, now
from .asked import Asked, already_answered, unrecognised
from .recorder import Recorder

GONE_S = 1.0  # how long a menu must be gone before its question counts as ended
UNKNOWN_S = 8.0  # after how long a menu that is not recognised, or that no hook tells of, counts as asked
_KEPT = 100  # how many questions of a process are remembered
_TITLE_LIMIT = 160


class Questions:
    """The questions of one CLI's process.

    Args:
        project_id: Whose process it is.
        recorder: Takes the events ``question`` and ``answered``.
        clock: Seconds that only rise.
        open_hook: Gives the hook of an event, which waits for an answer.
    """

    def __init__(
        self,
        project_id: str,
        recorder: Recorder,
        clock: Callable[[], float],
        open_hook: Callable[[HookEvent], OpenHook],
    ) -> None:
        self._project_id = project_id
        self._recorder = recorder
        self._clock = clock
        self._open_hook = open_hook
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

    def needs(self, key: str) -> bool:
        """Whether a hook event tells of something that is open: whoever takes the session over has to hear it."""
        return any(key in asked.told_by for asked in self._open())

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
                same = (asked for asked in self._open() if asked.tool_input.get("questions") == given.get("questions"))
                asked = next(same, None) or self._ask(event, given, asking.items_of(given))
                asked.told_by.append(event.key)
                if event.name == "PermissionRequest":
                    asked.opened(self._open_hook(event))
            case "PermissionRequest":
                self._ask_permission(event, tool, given)
            case "PostToolUse":
                self._used(tool, given)
            case "Stop" | "StopFailure" | "SessionEnd":
                self.drop_all()
            case "UserPromptSubmit" | "SessionStart":
                # 2.1.330 reports what is queued during a turn at once, under that turn's id.
                for each in self._open():
                    if event.prompt_id is None or event.prompt_id != each.prompt_id:
                        self._end(each, each.given_by)

    def see(self, sheet: Sheet | None, kind: Kind, *, turn: bool) -> None:
        """Take what the screen shows now; to be called again while nothing changes, because time decides.

        Args:
            sheet: The menu, as far as one is recognised.
            kind: What the screen shows altogether.
            turn: Whether a turn runs.
        """
        menu = sheet if kind in (Kind.MENU, Kind.OTHER) else None
        # What a hook of the user's has allowed never shows a menu: the one that shows may be of another further on.
        asked = next((each for each in self._open() if each.fits(menu)), next(iter(self._open()), None))
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
        """Note that what is asked now will end because the turn is interrupted, or the process is ended."""
        for asked in self._open():
            asked.interrupted = True

    def drop_all(self) -> None:
        """Nothing is asked any longer."""
        for asked in self._open():
            self._end(asked, asked.given_by)

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
            raise unrecognised()
        asked.claim = asked.prepare(asking.replies(items, choices, text), by)
        return asked

    def release(self, asked: Asked) -> None:
        """Let others answer it."""
        asked.claim = None

    # -- the parts ------------------------------------------------------------------------------------------------

    def _open(self) -> list[Asked]:
        return [asked for asked in self._asked if asked.question.open]

    def _ask(self, event: HookEvent, given: Mapping[str, Any], items: tuple[QuestionItem, ...]) -> Asked:
        title = "; ".join(item.question for item in items) or asking.ASK
        question = self._question(event.key, QuestionKind.QUESTION, title, items, event)
        asked = Asked(question, given, event.prompt_id)
        self._asked.append(asked)
        self._announce(asked)
        return asked

    def _ask_permission(self, event: HookEvent, tool: str, given: Mapping[str, Any]) -> None:
        subject = asking.subject_of(given)
        title = f"{tool}: {subject}" if subject else tool
        item = QuestionItem(f"May Claude use {tool}?")
        question = self._question(event.key, QuestionKind.PERMISSION, title, (item,), event)
        asked = Asked(replace(question, tool_name=tool, subject=subject), given, event.prompt_id)
        asked.opened(self._open_hook(event))
        asked.told_by.append(event.key)
        self._asked.append(asked)

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
        if menu is not None and asked.fits(menu):
            above = [line.strip() for line in menu.above.splitlines() if line.strip()]
            item = QuestionItem(above[-1] if above else asked.question.title, asking.options_of(menu))
            asked.question = replace(asked.question, items=(item,))
            asked.seen = menu
            self._announce(asked)
        elif self._held(f"unknown {asked.question.id}", kind is not Kind.BOX) >= UNKNOWN_S:
            if not asked.announced:  # what else its menu offers may be read yet, on a slow machine
                plain = tuple(QuestionOption(label) for label in (YES, NO))
                asked.question = replace(asked.question, items=(replace(asked.question.items[0], options=plain),))
            self._announce(asked)

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
            if asked.given_by is not None:
                self._end(asked, asked.given_by)

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
        if claim is None or not claim.confirmed:
            return None if asked.interrupted else "terminal"
        ours = [squeeze(reply.shown) for reply in claim.replies]
        return claim.by if not any(answers) or [squeeze(text) for text in answers] == ours else "terminal"

    def _end(self, asked: Asked, by: str | None, answers: tuple[str, ...] = ()) -> None:
        if by is not None and not answers and asked.claim is not None and by == asked.claim.by:
            answers = tuple(reply.shown for reply in asked.claim.replies)
        asked.question = replace(asked.question, answered_at=now(), answered_by=by, answer=answers)
        asked.ended.set()
        if asked.hook is not None:
            asked.hook.release()
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
