"""What we need of libghostty beyond pyghostty's ``Terminal``, each call by a name of its own; worker process only."""

from __future__ import annotations

import weakref
from typing import Any

from pyghostty import Terminal
from pyghostty._ffi import check, ffi, lib
from pyghostty.core import init_sized

from ..plain import clean_line
from .screen import TITLE_LIMIT

# A sequence that is not finished within this makes a snapshot impossible until it is.
UNFINISHED_BYTES = 8 << 20

_SCROLLBACK_BYTES = 64 << 20
_GRAPHEMES = 2027
_ALTERNATE = 1


def open_terminal(cols: int, rows: int, history: int, fg: tuple[int, int, int], bg: tuple[int, int, int]) -> Terminal:
    """Return a terminal that counts widths by graphemes, as the clients do.

    Args:
        history: How many rows of scrollback to keep, roughly.
        fg: Default colour, so that a program that asks whether the background is dark gets an answer.
        bg: The same.
    """
    terminal = Terminal(cols, rows, scrollback=history, fg=fg, bg=bg)
    # What no program can ask for: so a cursor whose shape nobody has set can be told from one that is set to a block.
    _set(terminal, "DEFAULT_CURSOR_STYLE", "GhosttyTerminalCursorStyle", lib.GHOSTTY_TERMINAL_CURSOR_STYLE_BLOCK_HOLLOW)
    _set(terminal, "MODE_DEFAULT", "GhosttyTerminalModeConfig", {"mode": _GRAPHEMES, "value": True})
    _set_limits(terminal)
    return terminal


def encode(terminal: Terminal) -> bytes:
    """Return the whole state in libghostty's own format; an unfinished sequence of any sane length is in it.

    Raises:
        GhosttyError: That sequence is longer than ``UNFINISHED_BYTES``.
    """
    data, length = ffi.new("uint8_t**"), ffi.new("size_t*")
    check(lib.ghostty_snapshot_encode_alloc(terminal._t[0], ffi.NULL, data, length), "snapshot_encode")
    try:
        return bytes(ffi.buffer(data[0], length[0]))
    finally:
        lib.ghostty_free(ffi.NULL, data[0], length[0])


def decode(data: bytes) -> Terminal:
    """Return the terminal of which ``data`` is the state.

    Raises:
        GhosttyError: It is not one, or of another version of libghostty.
    """
    decoder = ffi.new("GhosttySnapshotDecoder*")
    check(lib.ghostty_snapshot_decoder_new_buf(ffi.NULL, decoder, data, len(data)), "snapshot_decoder")
    try:
        limit = ffi.new("size_t*", UNFINISHED_BYTES)
        option = lib.GHOSTTY_SNAPSHOT_DECODER_OPT_MAX_CONTINUATION_BYTES
        check(lib.ghostty_snapshot_decoder_set(decoder[0], option, limit), "snapshot_decoder_set")
        state = ffi.new("GhosttyTerminal*")
        check(lib.ghostty_snapshot_decoder_decode(decoder[0], state), "snapshot_decode")
    finally:
        lib.ghostty_snapshot_decoder_free(decoder[0])
    terminal = Terminal.__new__(Terminal)  # as its constructor does, around a state that exists
    terminal._t = state
    terminal._unknown_cb = terminal._reply_cb = terminal._cb_err = None
    terminal._free = weakref.finalize(terminal, lib.ghostty_terminal_free, state[0])
    _set_limits(terminal)
    return terminal


def clone(terminal: Terminal) -> Terminal:
    """Return a copy, to look at what only a change makes visible; raise ``GhosttyError`` as ``encode``."""
    return decode(encode(terminal))


def is_alternate(terminal: Terminal) -> bool:
    """Return whether the alternate screen shows."""
    return bool(terminal.get("active_screen", "GhosttyTerminalScreen") == _ALTERNATE)


def title(terminal: Terminal) -> str:
    """Return the window title, as ``Screen.title``."""
    text = terminal.get("title", "GhosttyString")
    return clean_line(bytes(ffi.buffer(text.ptr, text.len)).decode(errors="replace"), TITLE_LIMIT) if text.len else ""


def color(terminal: Terminal, name: str) -> str | None:
    """Return a colour (``FOREGROUND``, ``CURSOR_DEFAULT``...) as ``rr/gg/bb``, ``None`` where there is none."""
    out = ffi.new("GhosttyColorRgb*")
    result = lib.ghostty_terminal_get(terminal._t[0], getattr(lib, f"GHOSTTY_TERMINAL_DATA_COLOR_{name}"), out)
    if result == lib.GHOSTTY_NO_VALUE:
        return None
    check(result, f"terminal_get {name}")
    return _rgb(out[0])


def palette(terminal: Terminal, suffix: str = "") -> list[str]:
    """Return the 256 colours as ``rr/gg/bb``; those before the program changed any with suffix ``_DEFAULT``."""
    out = ffi.new("GhosttyColorRgb[256]")
    name = getattr(lib, f"GHOSTTY_TERMINAL_DATA_COLOR_PALETTE{suffix}")
    check(lib.ghostty_terminal_get(terminal._t[0], name, out), "terminal_get palette")
    return [_rgb(entry) for entry in out]


def cursor_shape(terminal: Terminal) -> tuple[int, bool]:
    """Return the cursor's visual style (a ``GHOSTTY_RENDER_STATE_CURSOR_VISUAL_STYLE_*``), and whether it blinks."""
    state = ffi.new("GhosttyRenderState*")
    check(lib.ghostty_render_state_new(ffi.NULL, state), "render_state_new")
    try:
        check(lib.ghostty_render_state_update(state[0], terminal._t[0]), "render_state_update")
        shape, blinks = ffi.new("GhosttyRenderStateCursorVisualStyle*"), ffi.new("bool*")
        for key, out in (("VISUAL_STYLE", shape), ("BLINKING", blinks)):
            name = getattr(lib, f"GHOSTTY_RENDER_STATE_DATA_CURSOR_{key}")
            check(lib.ghostty_render_state_get(state[0], name, out), f"render_state_get {key}")
        return int(shape[0]), bool(blinks[0])
    finally:
        lib.ghostty_render_state_free(state[0])


def describe(terminal: Terminal, *extras: str) -> bytes:
    """Return the sequences that make parts of the state which have no accessor; none for what is the default.

    Args:
        extras: ``scrolling_region``, or of the active screen ``hyperlink``, ``protection``, ``kitty_keyboard``,
            ``charsets``.
    """
    # The formatter describes around a selection, which cannot be empty: what the one cell looks like is taken away.
    return _format(terminal, extras).removeprefix(_format(terminal, ()))


def tab_stops(terminal: Terminal) -> bytes:
    """Return the sequences that set all tab stops, the default ones too; the cursor is at home then."""
    return _format(terminal, ("tabstops",)).removesuffix(_format(terminal, ()))


def _format(terminal: Terminal, extras: tuple[str, ...]) -> bytes:
    options = init_sized("GhosttyFormatterTerminalOptions")
    options.emit = lib.GHOSTTY_FORMATTER_FORMAT_VT
    for extra in extras:
        setattr(options.extra if hasattr(options.extra, extra) else options.extra.screen, extra, True)
    selection = init_sized("GhosttySelection")
    corner = terminal.ref(0, 0)
    selection.start = selection.end = corner[0]
    options.selection = selection
    formatter = ffi.new("GhosttyFormatter*")
    check(lib.ghostty_formatter_terminal_new(ffi.NULL, formatter, terminal._t[0], options[0]), "formatter_new")
    try:
        data, length = ffi.new("uint8_t**"), ffi.new("size_t*")
        check(lib.ghostty_formatter_format_alloc(formatter[0], ffi.NULL, data, length), "format")
        text = bytes(ffi.buffer(data[0], length[0]))
        lib.ghostty_free(ffi.NULL, data[0], length[0])
        return text
    finally:
        lib.ghostty_formatter_free(formatter[0])


def _rgb(entry: Any) -> str:
    return f"{entry.r:02x}/{entry.g:02x}/{entry.b:02x}"


def _set_limits(terminal: Terminal) -> None:
    _set(terminal, "SCROLLBACK_MAX_BYTES", "size_t", _SCROLLBACK_BYTES)
    _set(terminal, "CONTINUATION_MAX_BYTES", "size_t", UNFINISHED_BYTES)


def _set(terminal: Terminal, option: str, ctype: str, value: Any) -> None:
    name = getattr(lib, f"GHOSTTY_TERMINAL_OPT_{option}")
    check(lib.ghostty_terminal_set(terminal._t[0], name, ffi.new(f"{ctype}*", value)), f"terminal_set {option}")
