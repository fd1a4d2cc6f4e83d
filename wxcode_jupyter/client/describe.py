"""Events in words, for progress lines and logs."""

from __future__ import annotations

from ..models import Event


def describe(event: Event) -> str:
    """Return an event in words; one that this version does not know comes as its fields."""
    data = event.data
    match event.type:
        case "session_state":
            return f"{data.get('previous', '?')} -> {data.get('state', '?')}"
        case "session_exited":
            return _joined(f"exit code {data.get('exit_code')}", data.get("message"))
        case "session_id_changed":
            return f"{data.get('claude_session_id') or data.get('new')} ({data.get('cause')})"
        case "attention":
            return _joined(data.get("kind"), data.get("message"))
        case "command_queued":
            return str(data.get("text", ""))
        case "command_completed":
            missing = f"without {data['missing']}" if data.get("missing") else ""
            return _joined(data.get("outcome"), missing)  # what Claude said comes as an event of its own
        case "question":
            return str(data.get("title", ""))
        case "answered":
            by = data.get("answered_by") or "nobody"
            return _joined(data.get("title"), f"{'; '.join(data.get('answer') or ['?'])} (by {by})")
        case "tool_started" if "tool_name" in data:
            return _joined(data.get("tool_name"), data.get("summary"))
        case "tool_finished":
            return str(data.get("tool_name", ""))
        case "assistant_message":
            return str(data.get("text", ""))
        case "checkpoint_made" | "rewound":
            return str(data.get("ref", ""))
        case "phases_unarchived" | "checkpoint_failed" | "conversation_doubted":
            return str(data.get("message", ""))
        case "background":
            return f"the turn is over, and waits for {'; '.join(data.get('tasks') or ['?'])}"
        case "background_let_go":
            return f"runs on, and is waited for no longer: {'; '.join(data.get('tasks') or ['?'])}"
        case "claude_beside":
            return f"another claude has the conversation open (pid {data.get('pid', '?')})"
        case "forked":
            return _joined(data.get("name"), data.get("ref"))
        case "queue_held":
            return f"a usage limit lasts until {data.get('until', '?')}"
        case "milestone_status":
            return str(data.get("status", ""))
        case _:
            shown = {k: v for k, v in data.items() if not k.endswith("_id") and v not in (None, "", [], {})}
            return ", ".join(f"{key}={value}" for key, value in shown.items())


def _joined(*parts: object) -> str:
    return ": ".join(str(part) for part in parts if part not in (None, ""))
