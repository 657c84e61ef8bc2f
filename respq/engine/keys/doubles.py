"""Numbers as C's strtod reads them, as far as Redis lets a client write them."""

from __future__ import annotations

import math
import re
from typing import Final

_NUMBER: Final = re.compile(
    rb"[ \t\n\v\f\r]*([+-]?(?:"
    rb"0x(?:[0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(?:p[+-]?\d+)?"
    rb"|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
    rb"|inf(?:inity)?|nan(?:\([0-9a-z_]*\))?))",
    re.IGNORECASE,
)
_DIGITS_MAX: Final = 300
"""So many fit into a double, whichever they are."""
_MANTISSA: Final = re.compile(rb"[+-]?(?:0x([0-9a-f.]*)|([\d.]*))", re.IGNORECASE)


def parse_double(text: bytes) -> float | None:
    """Return the number that all of ``text`` is; None for none, NaN, or one that is out of range.

    Out of range is what is too large, and what is too small to be told from 0.
    """
    if text.replace(b".", b"", 1).isdigit() and len(text) < _DIGITS_MAX:
        # Most are written so.
        number = float(text)
        return None if number == 0 and text.strip(b"0.") else number
    found = _NUMBER.fullmatch(text)
    if found is None or text[:1].isspace():
        return None
    number = _value(found[1])
    if math.isnan(number):
        return None
    if math.isinf(number):
        return number if b"inf" in text.lower() else None
    return None if number == 0 and _is_not_zero(text) else number


def parse_bound(text: bytes) -> float | None:
    """Return the number that a bound of a range of scores is; None for none, or NaN.

    As in Redis, which looks less closely here, no text at all is 0, and it ends with a zero byte.
    """
    text = text.partition(b"\0")[0]
    if not text:
        return 0.0
    found = _NUMBER.fullmatch(text)
    number = math.nan if found is None else _value(found[1])
    return None if math.isnan(number) else number


def _value(text: bytes) -> float:
    digits = text.decode().lower()
    if "nan" in digits:
        return math.nan
    if "x" not in digits:
        return float(digits)
    try:
        return float.fromhex(digits)
    except OverflowError:
        return -math.inf if digits[0] == "-" else math.inf


def _is_not_zero(text: bytes) -> bool:
    found = _MANTISSA.match(text)
    assert found is not None
    return bool((found[1] or found[2] or b"").strip(b"0."))
