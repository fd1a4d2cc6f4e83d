"""What the terminal's status frames say, in the configured language."""

from __future__ import annotations

LANGUAGES = ("en", "pt-BR")

_MESSAGES: dict[str, dict[str, str]] = {
    "connecting": {"en": "Connecting...", "pt-BR": "Conectando..."},
    "preparing": {"en": "Preparing the session...", "pt-BR": "Preparando a sessao..."},
    "reconnecting": {
        "en": "Reconnecting to the existing session...",
        "pt-BR": "Reconectando a sessao existente...",
    },
    "resuming": {"en": "Resuming the conversation...", "pt-BR": "Retomando a conversa..."},
    "connected": {"en": "Connected.", "pt-BR": "Conectado."},
}


def message(name: str, language: str) -> str:
    """Return a message; English where the language has none."""
    texts = _MESSAGES[name]
    return texts.get(language, texts["en"])
