"""Cards that follow the server by themselves: JupyterLab in Chromium, the real CLI, and a kernel that is busy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.support.job import until
from tests.support.lab import FOR_EVER, Lab
from wxcode_jupyter.models import Question
from wxcode_jupyter.testing.scripted_model import Rule, Say, Use

pytestmark = [pytest.mark.cli, pytest.mark.timeout(300), pytest.mark.xdist_group("lab")]

SETUP = "%load_ext wxcode_jupyter\n%wx project demo"
COLOUR: dict[str, Any] = {
    "question": "Which colour?",
    "header": "Colour",
    "multiSelect": False,
    "options": [{"label": "Red", "description": "warm"}, {"label": "<i>Blue</i>", "description": "cold"}],
}
TOPPINGS: dict[str, Any] = {
    "question": "Which toppings?",
    "header": "Toppings",
    "multiSelect": True,
    "options": [{"label": "Ham", "description": ""}, {"label": "Olives", "description": ""}],
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab"), "2.1.330") as lab:
        yield lab


def says(card: Locator, text: str) -> None:
    expect(card).to_contain_text(text)


def test_a_card_follows_while_the_kernel_is_busy(lab: Lab) -> None:
    lab.model.add(Rule("first work", [Say("It is done.", gate="first")]))
    notebook = lab.open("follows", SETUP, "%wx project another", "%wx status", "%wx send -p demo first work", FOR_EVER)
    notebook.run(0)
    notebook.run(1)
    elsewhere = notebook.run(2).locator("wxcode-card")
    says(elsewhere, "follows the server")
    elsewhere.evaluate("(c) => { const copy = c.cloneNode(true); copy.dataset.server = '1'; c.replaceWith(copy); }")
    says(elsewhere, "Not followed: the server of this page does not have the session")

    card = notebook.run(3).locator("wxcode-card")
    says(card, "follows the server")
    notebook.keep_the_kernel_busy(4)
    says(card, "accepted")
    says(card, "busy")

    notebook.page.route("**/wxcode/api/**", lambda route: route.abort())
    says(card, "cannot be reached")
    notebook.page.unroute("**/wxcode/api/**")
    says(card, "follows the server")

    lab.model.gate("first").set()
    says(card, "completed, finished")
    says(card, "It is done.")
    expect(card).not_to_contain_text("follows the server")


def test_a_form_answers_while_the_kernel_is_busy(lab: Lab) -> None:
    lab.model.add(asking("paint it", COLOUR, TOPPINGS))
    notebook = lab.open("form", SETUP, "%wx send paint it", FOR_EVER, theme="dark")
    notebook.run(0)
    card = notebook.run(1).locator("wxcode-card")
    notebook.keep_the_kernel_busy(2)
    form = card.get_by_role("form", name="Claude asks")
    says(form, "<i>Blue</i> cold")  # what Claude writes is text

    form.get_by_role("button", name="Answer").click()
    says(form, "Which colour? Choose an answer.")
    until(lambda: down(form.get_by_role("radio", name="Red"), form.get_by_role("radio", name="Blue")))
    form.get_by_role("checkbox", name="Ham").press("Space")
    form.get_by_role("checkbox", name="Olives").check()
    form.get_by_role("button", name="Answer").press("Enter")
    says(form, "Which colour?<i>Blue</i>Which toppings?Ham, OlivesAnswered by user.")
    says(card, "completed, finished")
    expect(form.get_by_role("button")).to_have_count(0)


def test_who_is_late_is_told_who_was_first(lab: Lab) -> None:
    lab.model.add(asking("ask me", COLOUR))
    command = lab.client.send(lab.project, "ask me")
    question = until(lambda: open_question(lab), timeout_s=60, what="a question")
    notebook = lab.open("late", SETUP, "%wx questions")
    notebook.run(0)
    form = notebook.run(1).get_by_role("form", name="Claude asks: Which colour?")
    form.get_by_label("An answer of your own", exact=False).last.fill("as the sea")

    polls = Stale()
    notebook.page.route("**/questions?*", polls)
    until(lambda: polls.come(notebook.page), timeout_s=60, what="a poll")
    lab.client.answer(question, "Red")
    form.get_by_role("button", name="Answer").click()
    says(form, "Too late: It is answered already (Red, by user).")

    asked = notebook.page.get_by_role("form", name="Claude asks: Bash: ls")
    for options, there in (([], "answer there"), ([{"label": "Yes"}], "Yes")):  # they may come later than the question
        polls.added = [permission(options)]
        says(asked, there)

    polls.over = True
    says(form, "Which colour?RedToo late")
    says(asked, "It is asked no longer.")
    notebook.page.unroute_all(behavior="wait")
    lab.client.wait_for(command, timeout_s=60)


class Stale:
    """Answers polls for questions as the first one was answered, with what a test adds, until it is over."""

    def __init__(self) -> None:
        self.added: list[dict[str, Any]] = []
        self.over = False
        self._first: list[dict[str, Any]] = []

    def __call__(self, route: Route) -> None:
        if self.over:
            route.continue_()
            return
        self._first = self._first or route.fetch().json()["questions"]
        questions = [*self._first, *self.added]
        route.fulfill(json={"questions": questions, "total": len(questions)})

    def come(self, page: Page) -> bool:
        """Let the browser go on for a moment, and return whether there was a poll."""
        page.wait_for_timeout(50)
        return bool(self._first)


def permission(options: list[dict[str, str]]) -> dict[str, Any]:
    item = {"question": "Do you want to proceed?", "header": "", "multi_select": False, "free_text": False}
    asked = {"kind": "permission", "title": "Bash: ls", "subject": "ls", "answered_at": None}
    return {"id": "6" * 24, **asked, "items": [{**item, "options": options}]}


def down(here: Locator, below: Locator) -> bool:
    """Press an arrow, which is the form's and not JupyterLab's; again where the click before has moved the focus."""
    here.press("ArrowDown")
    return below.is_checked()


def asking(prompt: str, *questions: dict[str, Any]) -> Rule:
    return Rule(prompt, [Use("AskUserQuestion", {"questions": list(questions)}), Say("as you like")])


def open_question(lab: Lab) -> Question | None:
    return next((question for question in lab.client.questions(lab.project) if question.open), None)
