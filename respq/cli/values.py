"""Values of the journal as people and programs read them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import msgspec

_SHOWN_BYTES_MAX = 256
"""Of a value in a line for people; JSON has all of it."""
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}


def instant(now_ms: int) -> str:
    """Return an instant as ISO 8601 in UTC; one beyond the calendar as its number."""
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=now_ms)
    except OverflowError:
        return str(now_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def quoted(value: bytes) -> str:
    """Return bytes in quotes: text as it is, what is none or cannot be seen by its code."""
    text = value[:_SHOWN_BYTES_MAX].decode(errors="surrogateescape")
    shown = "".join(
        _ESCAPES.get(each) or (each if each.isprintable() else _code(each)) for each in text
    )
    return f'"{shown}"' + (f"... {len(value)} bytes" if len(value) > _SHOWN_BYTES_MAX else "")


def word(text: bytes) -> str:
    """Return an id or a priority, in quotes only where it needs them."""
    shown = quoted(text)
    return shown if len(text) + 2 != len(shown) or b" " in text else shown[1:-1]


def _code(character: str) -> str:
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:
        # How surrogateescape carries a byte that is part of no character.
        return f"\\x{number - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def plain(value: object) -> object:
    """Return a value as what JSON knows."""
    match value:
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                return {"base64": base64.b64encode(value).decode()}
        case list() | tuple():
            return [plain(each) for each in value]
        case msgspec.Struct():
            return {name: plain(each) for name, each in msgspec.structs.asdict(value).items()}
        case _:
            return value
