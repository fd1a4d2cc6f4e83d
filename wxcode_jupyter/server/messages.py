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
    "lost": {
        "en": "{count} bytes of output are no longer kept.",
        "pt-BR": "{count} bytes da saida nao estao mais guardados.",
    },
}


def message(name: str, language: str, *, count: int = 0) -> str:
    """Return a message; English where the language has none. ``count`` is for those that tell a number."""
    texts = _MESSAGES[name]
    return texts.get(language, texts["en"]).format(count=count)
