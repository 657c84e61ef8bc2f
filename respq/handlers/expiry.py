"""Instants of expiry, as the commands of Redis take and refuse them."""

from __future__ import annotations

from typing import Annotated, Any, Final

from respq.broker.command import Arg, ArgGroup
from respq.engine.keys.strings import INTEGER_MAX, INTEGER_MIN, NOT_AN_INTEGER, integer_or_none
from respq.errors import RespqError, SyntaxFault

KEEP_TTL: Final = b"KEEPTTL"
PERSIST: Final = b"PERSIST"
Term = tuple[bytes, bytes]
"""The word of an option, and its value; it is read when the request is known to be in order."""


def redis_integer(raw: bytes) -> int:
    """Return an integer of 64 bits, or raise Redis' text alone."""
    number = integer_or_none(raw)
    if number is None:
        raise SyntaxFault(NOT_AN_INTEGER)
    return number


def instant_of(raw: bytes, word: bytes, now_ms: int, name: str) -> int:
    """Return when a value is over: ``EX`` and ``PX`` count from now, ``…AT`` do not.

    Raises `RespqError` for none that is after 1970, in the name of the command.
    """
    amount = redis_integer(raw)
    unit = 1_000 if word.startswith(b"EX") else 1
    start = 0 if word.endswith(b"AT") else now_ms
    if amount <= 0 or amount * unit > INTEGER_MAX - start:
        raise invalid_expiry(name)
    return amount * unit + start


def invalid_expiry(name: str) -> RespqError:
    """Return Redis' error for an instant that is none."""
    return RespqError(f"invalid expire time in '{name}' command")


def later(raw: bytes, unit: int, start: int, name: str) -> int:
    """Return an instant of EXPIRE and its kin, which may lie in the past."""
    amount = redis_integer(raw)
    if not INTEGER_MIN <= amount * unit <= INTEGER_MAX - start:
        raise invalid_expiry(name)
    return amount * unit + start


def _term(word: bytes, value: str) -> Arg:
    kind = "unix-time" if word.endswith(b"AT") else "integer"
    return Arg(
        lambda raw: (word, raw), kind=kind, values=(value,), token=word, excludes="expiration"
    )


def _one(**named: Any) -> Term | None:
    for name, value in named.items():
        return (name.upper().encode(), b"") if value is True else value
    return None


_TERMS: Final = {
    "ex": _term(b"EX", "seconds"),
    "px": _term(b"PX", "milliseconds"),
    "exat": _term(b"EXAT", "unix-time-seconds"),
    "pxat": _term(b"PXAT", "unix-time-milliseconds"),
}
SetExpiry = Annotated[
    Term | None,
    ArgGroup(_one, {**_TERMS, "keepttl": Arg(bool, token=KEEP_TTL, excludes="expiration")}),
]
GetExpiry = Annotated[
    Term | None,
    ArgGroup(_one, {**_TERMS, "persist": Arg(bool, token=PERSIST, excludes="expiration")}),
]
