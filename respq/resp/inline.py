r"""Inline requests: a line of words, as people type it into telnet.

Redis' rules: words are parted by white space; ``"…"`` knows ``\xHH \n \r \t \b \a`` and
takes any other escaped byte for itself; ``'…'`` knows only ``\'``; a quoted part may follow
bare bytes, and only white space or the end may follow it.
"""

from __future__ import annotations

import re

_WORD = re.compile(
    rb"""(?P<bare>[^ \n\r\t"']*)
    (?: "(?P<double>(?:\\.|[^"\\])*+)"(?!\S)
      | '(?P<single>(?:\\'|[^'])*+)'(?!\S) )?""",
    re.VERBOSE | re.DOTALL,
)
_BLANKS = re.compile(rb"\s*")
_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}


def split_inline(line: bytes) -> list[bytes] | None:
    """Split a line, its end cut off, into words; None if a quote is not closed properly."""
    if b'"' not in line and b"'" not in line and b"\v" not in line and b"\f" not in line:
        return line.split()
    words = []
    position = _skip_blanks(line, 0)
    while position < len(line):
        word = _WORD.match(line, position)
        assert word is not None  # every part of the pattern may be empty
        position = word.end()
        if line[position : position + 1] in (b'"', b"'"):
            return None
        words.append(_text(word))
        position = _skip_blanks(line, position)
    return words


def _skip_blanks(line: bytes, position: int) -> int:
    blanks = _BLANKS.match(line, position)
    assert blanks is not None
    return blanks.end()


def _text(word: re.Match[bytes]) -> bytes:
    bare, double, single = word.group("bare", "double", "single")
    if double is not None:
        return bare + _ESCAPE.sub(_unescape, double)
    if single is not None:
        return bare + single.replace(b"\\'", b"'")
    return bare


def _unescape(escape: re.Match[bytes]) -> bytes:
    code, byte = escape.groups()
    return bytes.fromhex(code.decode()) if code is not None else _ESCAPED.get(byte, byte)
