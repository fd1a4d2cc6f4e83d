"""What the end of a turn means: examples as Claude and GSD write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from wxcode_jupyter.claude.outcome import Limit, asks, limit_of

ASKS = {
    "a question": "Done. Which database should I use?",
    "shall I": "Planned.\n\nShall I go on?",
    "gsd's yes / adjust": "## Phase 1: Billing\n\n- invoices\n- taxes\n\nDoes this match your vision? (yes / adjust)",
    "answers behind it": "Approve the roadmap? yes / adjust / show file",
    "y/n": "Overwrite `config.toml`? [y/N]",
    "bold": "I found two ways.\n\n**Which one do you prefer?**",
    "bold with a remark": "**Ready to execute?** (about 20 minutes)",
    "numbered options": "How should I go on?\n\n1. Keep the schema\n2. Migrate it\n3. Start anew",
    "options with remarks": "What would you like to do next?\n\n- **Plan** — make the plans\n- **Skip** — go on",
    "lettered options": "Which of these?\n a) one\n b) two",
    "a list of questions": "Before I begin:\n1. Which years?\n2. Which currency?",
    "gsd's checkpoint": "╔═══╗\n║  CHECKPOINT: Verification Required  ║\n╚═══╝\n\n──────\n"
    '→ YOUR ACTION: Type "approved" or describe issues\n──────',
    "an answer is waited for": "The plan is in PLAN.md. I am waiting for your approval before I touch anything.",
    "please confirm": "I would delete 14 files. Please confirm.",
    "reply with": "Reply with the number of the option.",
    "which, without a mark": "Let me know which one you prefer.",
    "a recommendation behind it": "Should I migrate the table now? I recommend it.",
    "after code": "Here is the draft:\n\n```sql\nSELECT 1;\n```\n\nDoes that look right?",
    "before code": "Shall I run this?\n\n```sh\nmake clean\n```",
    "quoted": '> "Is the total before or after tax?"',
    "an emoji behind it": "Shall we? 🚀",
    "portuguese": "Encontrei duas opções. Qual delas você prefere?",
    "portuguese, options": "Como deseja continuar?\n\n1. Manter o esquema\n2. Migrar",
    "portuguese, without a mark": "O plano está pronto. Aguardo sua confirmação.",
    "portuguese, sim / ajustar": "O roteiro está correto? (sim / ajustar)",
    "portuguese, recommended": "Posso apagar a tabela antiga? Recomendo que sim.",
    "japanese": "続けますか？",
}
FINISHED = {
    "done": "All tests pass.",
    "nothing": "",
    "rhetorical": "Why does this work? Because the index is unique.\n\nThe migration is done.",
    "rhetorical, same line": "Why is it slow? The index was missing; it is there now.",
    "a heading that asks": "## What changed?\n\n- the schema\n- the tests\n\nEverything is committed.",
    "a heading that asks, last list": "### Why?\n\nIt was slow.\n\n- now it is fast",
    "the question is code": "The script now prints:\n\n```\nContinue? [y/N]\n```",
    "the question is code, unclosed": "It prints:\n\n```\nContinue?",
    "a pattern in code": "I searched for `colou?r?`",
    "an address": "See https://example.org/?q=1 for more.",
    "courtesy": "Done. Is there anything else?",
    "courtesy, longer": "Is there anything else you would like me to change?",
    "portuguese courtesy": "Pronto. Mais alguma coisa?",
    "an offer without a question": "Done. Let me know if you would like changes.",
    "gsd's next step": "## ▶ Next Up\n\n**Phase 1: Billing** — invoices\n\n`/gsd:plan-phase 1`\n\n"
    "<sub>`/clear` first → fresh context window</sub>\n\n---\n\n"
    "**Also available:**\n- `/gsd:discuss-phase 1` — gather context first\n\n---",
    "a list of what was done": "I did this:\n\n1. Made the table\n2. Wrote the tests",
    "questions that were settled": "Open questions, now settled:\n- Which years? 2024 and 2025.",
    "portuguese": "Tudo pronto. Os testes passam.",
    "portuguese, rhetorical": "Por que funciona? Porque o índice é único.",
}


@pytest.mark.parametrize("name", ASKS)
def test_what_asks(name: str) -> None:
    assert asks(ASKS[name])


@pytest.mark.parametrize("name", FINISHED)
def test_what_does_not(name: str) -> None:
    assert not asks(FINISHED[name])


def test_no_message_asks_nothing() -> None:
    assert not asks(None)


@pytest.mark.parametrize("text", ["?" * 50_000, "a? " * 20_000, "1. x\n" * 20_000, "`" * 50_001, "yes / " * 10_000])
def test_a_hostile_text_takes_no_time(text: str) -> None:
    asks(text)  # the suite's own time limit is the assertion


SAID = datetime(2026, 11, 22, 18, 40, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("error", "resets_at"),
    [
        ("rate_limit: You've hit your session limit · resets 8pm (UTC)", datetime(2026, 11, 22, 20, tzinfo=UTC)),
        ("You've hit your 5-hour limit · resets 8:39pm (UTC)", datetime(2026, 11, 22, 20, 39, tzinfo=UTC)),
        ("You've hit your session limit · resets 6:40pm (UTC)", datetime(2026, 11, 22, 18, 40, tzinfo=UTC)),
        ("You've hit your session limit · resets 3pm (UTC)", datetime(2026, 11, 23, 15, 0, tzinfo=UTC)),
        ("You've hit your limit · resets 3am (Europe/Berlin)", datetime(2026, 11, 23, 2, 0, tzinfo=UTC)),
        ("You’ve hit your limit · resets 9pm (America/Sao_Paulo)", datetime(2026, 11, 23, 0, 0, tzinfo=UTC)),
        ("5-hour limit reached ∙ resets 12am (UTC)", datetime(2026, 11, 23, 0, 0, tzinfo=UTC)),
        ("You've hit your weekly limit · resets Nov 25, 8:39pm (UTC)", datetime(2026, 11, 25, 20, 39, tzinfo=UTC)),
        ("You've hit your weekly limit · resets Jan 2 at 7am (UTC)", datetime(2027, 1, 2, 7, 0, tzinfo=UTC)),
        ("You've hit your Opus limit · resets Jan 2, 2028, 7am (UTC)", datetime(2028, 1, 2, 7, 0, tzinfo=UTC)),
        ("Claude AI usage limit reached|1795000000", datetime.fromtimestamp(1795000000, UTC)),
        ("You've hit your monthly spend limit. /model to switch models.", None),
        ("You've hit your limit · resets Nov 31, 8pm (UTC)", None),
        ("You've hit your limit · resets soon", None),
    ],
)
def test_a_limit(error: str, resets_at: datetime | None) -> None:
    assert limit_of(error, said_at=SAID) == Limit(resets_at)


def test_a_time_without_a_zone_is_the_machines_own() -> None:
    limit = limit_of("You've hit your session limit · resets 8:39pm", said_at=SAID)
    assert limit is not None
    assert limit.resets_at is not None
    assert limit.resets_at > SAID
    assert (limit.resets_at.astimezone().hour, limit.resets_at.minute) == (20, 39)


@pytest.mark.parametrize(
    "error",
    [
        None,
        "",
        "Interrupted.",
        "API Error: Request rejected (429) · limit",
        "rate_limit: API Error: Server is temporarily limiting requests (not your usage limit) · try again",
        "API Error: 529 overloaded",
        "Context limit reached · /compact or /clear to continue",
        "Prompt is too long",
    ],
)
def test_another_error(error: str | None) -> None:
    assert limit_of(error, said_at=SAID) is None


@pytest.mark.timeout(30)  # minutes, where a line is looked at whole
@pytest.mark.parametrize("tail", ["?" * 200_000, "?" + " " * 200_000 + ".x"])
def test_an_odd_message_is_judged_at_once(tail: str) -> None:
    assert not asks(f"Really{tail}")
