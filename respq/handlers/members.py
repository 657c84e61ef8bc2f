"""What the commands about lists, hashes, sets and sorted sets have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar

from respq.broker.command import Arg
from respq.broker.glob import glob
from respq.config import COUNT_MAX
from respq.engine.keys.hashed import Hashed
from respq.engine.keys.strings import INTEGER_MAX
from respq.errors import RespqError, SyntaxFault, TooBig
from respq.handlers.expiry import redis_integer

V = TypeVar("V")


def at_least(least: int, refusal: str) -> Callable[[bytes], int]:
    """Return what reads an integer of that or more, with Redis' error for everything else."""

    def read(raw: bytes) -> int:
        try:
            number = redis_integer(raw)
        except SyntaxFault:
            number = least - 1
        if number < least:
            raise RespqError(refusal)
        return number

    return read


def above_zero(what: str) -> Arg:
    """Return a number of keys, or a count, with Redis' error for what is none."""
    read = at_least(1, f"{what} should be greater than 0")
    return Arg(read, kind="integer", counts=what == "numkeys")


pop_count = at_least(0, "value is out of range, must be positive")
"""Reads how much is to be popped of one key, perhaps nothing."""


def _scan_count(raw: bytes) -> int:
    count = redis_integer(raw)
    if count < 1:
        raise SyntaxFault("syntax error")
    return count


Integer = Annotated[int, Arg(redis_integer, kind="integer")]
Member = Annotated[bytes, Arg(bytes)]
PopCount = Annotated[int | None, Arg(pop_count, kind="integer", then_options=True)]
NumKeys = Annotated[int, above_zero("numkeys")]
MultiCount = Annotated[
    int, Arg(above_zero("count").read, kind="integer", values=("count",), token=b"COUNT")
]
DrawCount = Annotated[int | None, Arg(redis_integer, kind="integer", then_options=True)]
Match = Annotated[bytes | None, Arg(bytes, kind="pattern", values=("pattern",), token=b"MATCH")]
ScanCount = Annotated[int, Arg(_scan_count, kind="integer", values=("count",), token=b"COUNT")]
Limit = Annotated[
    tuple[int, int] | None,
    Arg(
        lambda offset, count: (redis_integer(offset), redis_integer(count)),
        kind="integer",
        values=("offset", "count"),
        token=b"LIMIT",
    ),
]
CardLimit = Annotated[
    int,
    Arg(
        at_least(0, "LIMIT can't be negative"),
        kind="integer",
        values=("limit",),
        token=b"LIMIT",
    ),
]


def check_draws(count: int, *, in_pairs: bool = False) -> None:
    """Raise Redis' error for a number of draws that is out of range; `TooBig` for too many.

    Below 0 it is so many of which each may come again, which Redis would draw for as long as
    it takes.
    """
    if count < -INTEGER_MAX:
        raise RespqError(
            f"value is out of range, value must between {-INTEGER_MAX} and {INTEGER_MAX}"
        )
    if in_pairs and not -INTEGER_MAX // 2 <= count <= INTEGER_MAX // 2:
        raise RespqError("value is out of range")
    if -count > COUNT_MAX:
        raise TooBig(f"up to {COUNT_MAX} are drawn with repetition at once, not {-count}")


def walked(
    entries: Hashed[V], cursor: int, match: bytes | None, count: int
) -> tuple[bytes, list[tuple[bytes, V]]]:
    """Return the next cursor of a scan, and what it found that matches."""
    following, found = entries.walk(cursor, count)
    if match is not None:
        matches = glob(match)
        found = [each for each in found if matches(each[0])]
    return b"%d" % following, found
