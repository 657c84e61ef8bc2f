"""How long commands of Redis wait: seconds, which may have decimals, or whole milliseconds."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import Annotated

from respq.broker.command import Arg
from respq.engine.keys.floats import parse_long_double, round_to_long_double
from respq.engine.keys.strings import INTEGER_MAX, integer_or_none
from respq.errors import RespqError

Timeout = Annotated[bytes, Arg(bytes, kind="double")]
LastTimeout = Annotated[bytes, Arg(bytes, kind="double", values=("timeout",), last=True)]

_SIMPLE_DIGITS = 10


def blocking_ms(raw: bytes, now_ms: int) -> int:
    """Return for how many milliseconds a client wants to wait, 0 for ever; or raise Redis' error.

    What is less than a millisecond is one.
    """
    if raw.isdigit() and len(raw) < _SIMPLE_DIGITS:
        # Nearly all are, and exact numbers take 6 µs.
        return _checked(int(raw) * 1_000, now_ms)
    seconds = parse_long_double(raw)
    if seconds is None:
        raise RespqError("timeout is not a float or out of range")
    # Rounded as Redis does: 0.1 seconds are a little more than 100 milliseconds.
    exact = round_to_long_double(seconds * 1_000, Fraction(0))
    if exact is None or abs(exact) > INTEGER_MAX:
        raise RespqError(f"timeout is {'negative' if seconds < 0 else 'out of range'}")
    return _checked(ceil(exact), now_ms)


def blocking_whole_ms(raw: bytes, now_ms: int) -> int:
    """Return the same of a word that has milliseconds in it."""
    timeout_ms = integer_or_none(raw)
    if timeout_ms is None:
        raise RespqError("timeout is not an integer or out of range")
    return _checked(timeout_ms, now_ms)


def _checked(timeout_ms: int, now_ms: int) -> int:
    if timeout_ms < 0:
        raise RespqError("timeout is negative")
    if timeout_ms > INTEGER_MAX - now_ms:
        raise RespqError("timeout is out of range")
    return timeout_ms
