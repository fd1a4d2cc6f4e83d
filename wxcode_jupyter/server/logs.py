"""What any part of the package logs, in the server's log: one line each, whatever text is in it."""

from __future__ import annotations

import copy
import logging

from ..plain import visible


class PlainRelay(logging.Handler):
    """Hands records on to another logger, with the control characters of their texts written out.

    A filter would not do: one of a logger is not asked about what its children log, and one of the server's handlers
    goes when its administrator configures others. Tracebacks keep their line breaks and tabs.

    Args:
        to: The logger that writes them.
    """

    def __init__(self, to: logging.Logger) -> None:
        super().__init__()
        self._to = to
        self._formatter = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        """See ``logging.Handler``."""
        try:
            self._to.handle(self._plain(record))
        except Exception:  # what a handler does with a call of logging that is wrong, or a log that cannot be written
            self.handleError(record)

    def _plain(self, record: logging.LogRecord) -> logging.LogRecord:
        plain = copy.copy(record)
        plain.msg, plain.args = visible(record.getMessage()), None
        if record.exc_info:
            plain.exc_text = self._formatter.formatException(record.exc_info)
        if plain.exc_text:
            plain.exc_text = visible(plain.exc_text, keep="\n\t")
        if record.stack_info:
            plain.stack_info = visible(record.stack_info, keep="\n\t")
        return plain


def relay(package: logging.Logger, to: logging.Logger) -> None:
    """Have everything that a package's loggers log written by another logger, at its level, and by nobody else."""
    package.handlers = [handler for handler in package.handlers if not isinstance(handler, PlainRelay)]
    package.addHandler(PlainRelay(to))
    package.propagate = False
    package.setLevel(to.level)
