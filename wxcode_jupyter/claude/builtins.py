"""The CLI's own commands that can be sent: those whose effect can be seen, and how.

None of them fires ``UserPromptSubmit``, and none is a prompt of the conversation. What tells instead (seen with 2.1.197
and 2.1.330) is a hook: ``SessionStart`` names what began the conversation anew, and ``PreCompact`` comes before the
summary is written. The transcript has the command, and after it what the CLI said of it ("Not enough messages to
compact.").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

#: Commands of the CLI's own (2.1.330) that open menus or act without any acknowledgement, and those in ``_EFFECTS``.
BUILT_IN: frozenset[str] = frozenset(
    "/add-dir /agents /bashes /bug /clear /compact /config /context /copy /cost /doctor /effort /exit /export /fast "
    "/feedback /help /hooks /ide /install-github-app /keybindings /login /logout /mcp /memory /mobile /model /new "
    "/output-style /permissions /plan /plugin /privacy-settings /quit /release-notes /remote-control /rename /reset "
    "/resume /rewind /sandbox /skills /stats /status /statusline /tasks /terminal-setup /theme /todos /tui /upgrade "
    "/usage /vim".split()
)

_WORDS_LIMIT = 500  # characters; a longer text is shown in the box as a pasted block


@dataclass(frozen=True, slots=True)
class Effect:
    """How one sees that a command of the CLI's own was carried out.

    Attributes:
        source: The ``source`` of the ``SessionStart`` that follows when it is done.
        begins: The hook event that says that it is being carried out; empty where none does.
        words: Whether text may follow the command, on the same line.
        says: How what the CLI says of it begins when it went well; anything else it says is why it did not.
    """

    source: str
    begins: str = ""
    words: bool = False
    says: str = ""


_EFFECTS: Mapping[str, Effect] = {
    "/clear": Effect("clear"),
    "/compact": Effect("compact", begins="PreCompact", words=True, says="Compacted"),
}
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def effect_of(text: str) -> Effect | None:
    """Return the effect of a command of the CLI's own that can be sent; None for a prompt, and for all others."""
    name, _, words = text.strip().partition(" ")
    effect = _EFFECTS.get(name)
    if effect is None or (words and (not effect.words or "\n" in words or len(words) > _WORDS_LIMIT)):
        return None
    return effect


def is_unsupported(text: str) -> bool:
    """Whether the CLI would take this for a command of its own that cannot be acknowledged."""
    return text.split(maxsplit=1)[0] in BUILT_IN and effect_of(text) is None


def refusal(effect: Effect, said: str) -> str | None:
    """Return why a command had no effect, by what the CLI said of it; None when it went well."""
    plain = _COLOURS.sub("", said).strip()
    return None if plain.startswith(effect.says) else plain
