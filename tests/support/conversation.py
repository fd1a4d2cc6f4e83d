"""What the CLI's transcripts say was asked."""

from __future__ import annotations

import re
from typing import Any

from tests.support.job import Job

_WRAPPING = re.compile(r"\s*<pasted_content[^>]*>\n?(.*?)\n?</pasted_content[^>]*>\s*", re.DOTALL)
_NOT_ASKED = ("[Request interrupted", "<command-name>", "<local-command-", "<bash-", "<task-notification>")


def asked(job: Job) -> list[str]:
    """Return the user's prompts in all conversations of the workspace, in order, each as often as it stands there."""
    texts = []
    for path in job.home.transcripts(job.workspace):
        for entry in job.home.read_transcript(path):
            text = _text(entry)
            if text and not text.startswith(_NOT_ASKED):
                texts.append(_WRAPPING.sub(lambda found: found[1], text).strip())
    return texts


def _text(entry: dict[str, Any]) -> str:
    if entry.get("type") != "user" or entry.get("isMeta") or entry.get("isSidechain"):
        return ""
    content = entry["message"]["content"]
    if isinstance(content, str):
        return content
    return "".join(block["text"] for block in content if block["type"] == "text")
