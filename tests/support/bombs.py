"""Output that is meant to hurt whoever shows it: each a piece of bytes, and what it must not bring into the answers."""

from __future__ import annotations

SECRET = "rm -rf evil"
#: Ends whatever a bomb has begun, and resets the terminal.
RESET = b"\x18\x1b\\\x1bc"
_MEGABYTE = 1 << 20


def _numbered(form: bytes, count: int) -> bytes:
    return b"".join(form % number for number in range(count))


#: Their sequences have an end; half a megabyte to two of them each.
BOMBS: dict[str, bytes] = {
    "huge numbers": b"\x1b[999999999999C\x1b[999999999999B\x1b[99999999999999999999999;99999999999H" * 2000,
    "a million parameters": b"\x1b[" + b"1;" * 10**6 + b"m",
    "a number of a million digits": b"\x1b[" + b"9" * 10**6 + b"m",
    "odd parameters": b"\x1b[1;2;3;4;5A\x1b[?1;2;3J\x1b[;;;;;;;;H\x1b[1;2;3r\x1b[38;5m\x1b[38;2;1m\x1b[999m" * 2000,
    "repeat": b"x\x1b[999999999b" * 200,
    "insert and delete": b"x\x1b[999999999@\x1b[999999999P\x1b[999999999X\x1b[999999999L\x1b[999999999M" * 2000,
    "scroll": b"x\x1b[999999999S\x1b[999999999T\x1b[999999999I\x1b[999999999Z" * 2000,
    "sixel": b"\x1bPq" + b"#0;2;0;0;0!999999999~-" * 50_000 + b"\x1b\\",
    "a picture of kitty's": b"\x1b_Ga=T,f=32,s=100000,v=100000;AAAA\x1b\\" * 5000,
    "a picture in parts": b"\x1b_Ga=t,f=32,s=9999,v=9999,m=1;AAAA\x1b\\"
    + (b"\x1b_Gm=1;" + b"A" * 4000 + b"\x1b\\") * 400,
    "a million columns": b"\x1b[8;99999;1000000t\x1b[4;99999;99999t\x1b[9;1t" * 1000,
    "80 and 132 columns": b"\x1b[?40h" + b"\x1b[?3h\x1b[?3l" * 2000,
    "looks": b"\x1b[1;3;4:3;5;7;9;53;38;2;1;2;3;48;2;4;5;6;58:2::1:2:3mx" * 20_000,
    "links": _numbered(b"\x1b]8;;http://x.y/%d\x07a\x1b]8;;\x07", 50_000),
    "long links": _numbered(b"\x1b]8;id=%d;http://x.y/" + b"b" * 9000 + b"\x07a", 100),
    "marks on one cell": b"a" + "\u0301".encode() * 10**5,
    "joined characters": "👩\u200d".encode() * 20_000,
    "titles": _numbered(b"\x1b]2;t%d\x07", 50_000),
    "a long title": b"\x1b]2;" + b"T" * 10**6 + b"\x07",
    "saved titles": b"\x1b]2;" + b"T" * 200 + b"\x07" + b"\x1b[22t" * 100_000,
    "both screens": b"\x1b[?1049hx\x1b[?1049l" * 5000,
    "regions": b"\x1b[5;3r\x1b[1;99999r\x1b[2;3r\x1bM\x1bD\x1b[99S" * 10_000,
    "questions": b"\x1b[c\x1b[>c\x1b[=c\x1b[6n\x1b[5n\x1b[?6n\x1b[18t\x05\x1b[?1$p\x1b]4;0;?\x07\x1b]10;?\x07" * 10_000,
    "questions about texts": (
        f"\x1b]2;{SECRET}\x07\x1b]1;{SECRET}\x07\x1b[21t\x1b[20t\x1bP$q{SECRET}\x1b\\\x1bP+q{SECRET.encode().hex()}\x1b\\"
        f"\x1b]52;c;{SECRET}\x07\x1b]52;c;?\x07\x1b]50;?\x07\x1b[?{SECRET}$p\x05"
    ).encode()
    * 1000,
    "no UTF-8": bytes(range(128, 256)) * 4000,
    "half characters": b"\xf0\x9f\x91" * 100_000,
    "bells": b"\x07" * _MEGABYTE,
    "colours": _numbered(b"\x1b]4;%d;rgb:1/2/3\x07", 20_000),
    "saved cursors": b"\x1b7\x1b8\x1b[s\x1b[u" * 50_000,
    "keyboards": b"\x1b[>1u" * 100_000,
    "lines": b"\n" * _MEGABYTE,
    "wide": ("日" * 40 + "\r\n").encode() * 4000,
    "escapes": b"\x1b" * _MEGABYTE,
    "modes": _numbered(b"\x1b[?%dh", 10_000),
    "tab stops": b"\x1bH\x1b[C" * 50_000,
}
#: Sequences without an end: their beginnings, and what then comes for ever.
ENDLESS: dict[str, tuple[bytes, bytes]] = {
    "title": (b"\x1b]0;", b"A"),
    "clipboard": (b"\x1b]52;c;", b"QUFB"),
    "sixel": (b"\x1bPq", b"#0~"),
    "question": (b"\x1bP$q", b"A"),
    "capability": (b"\x1bP+q", b"41"),
    "application": (b"\x1b_G", b"A"),
    "privacy": (b"\x1b^", b"A"),
    "string": (b"\x1bX", b"A"),
    "parameters": (b"\x1b[", b"1;"),
    "link": (b"\x1b]8;;http://x/", b"A"),
}
