"""Commands about hashes."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.compat.families.family import (
    KEYS,
    Family,
    command,
    in_any_order,
    kind_alone,
    some_of,
)
from tests.compat.families.strings import FLOATS, INTEGERS, VALUES

FIELDS = st.sampled_from([b"", b"a", b"b", b"c", b"aa", b"\x00\xff", b"1", b"m" * 65])
LONG = st.sampled_from([b"x" * 64, b"x" * 65])
VALUE = st.one_of(VALUES, VALUES, FLOATS, LONG)
SOME_FIELDS = st.lists(FIELDS, min_size=1, max_size=3)
PAIRS = st.lists(st.tuples(FIELDS, VALUE), min_size=1, max_size=4)
COUNTS = some_of(
    *(0, 1, -2, 9, "x", "", ["2", "WITHVALUES"], ["-2", "withvalues"], "WITHVALUES"),
    *(["1", "FOO"], ["1", "WITHVALUES", "x"], ["9223372036854775807", "WITHVALUES"]),
    "-" + "9" * 19,
)
SCANS = some_of(["COUNT", 1], ["MATCH", "[ab]*"], ["MATCH", "x", "COUNT", 5])


def _pairs_in_any_order(reply: Any) -> Any:
    kind, items = reply
    return kind, sorted(zip(items[::2], items[1::2], strict=True) if kind == "*" else items)


def _scan(reply: Any) -> Any:
    cursor, found = reply[1]
    return cursor, _pairs_in_any_order(found)


def _drawn(reply: Any) -> Any:
    """Return how many were drawn, and in which shape."""
    kind, items = reply
    return (kind, [kind_alone(each) for each in items]) if kind == "*" else kind_alone(reply)


FAMILY = Family(
    [
        command("HSET", KEYS, PAIRS),
        command("HSET", KEYS, PAIRS),
        command("HSET", KEYS, PAIRS, FIELDS),
        command("HMSET", KEYS, PAIRS),
        command("HMSET", KEYS, PAIRS, FIELDS),
        command("HSETNX", KEYS, FIELDS, VALUE),
        command("HGET", KEYS, FIELDS),
        command("HMGET", KEYS, SOME_FIELDS),
        command("HGETALL", KEYS),
        command("HDEL", KEYS, SOME_FIELDS),
        command("HDEL", KEYS, FIELDS),
        command("HEXISTS", KEYS, FIELDS),
        command("HLEN", KEYS),
        command("HKEYS", KEYS),
        command("HVALS", KEYS),
        command("HSTRLEN", KEYS, FIELDS),
        command("HINCRBY", KEYS, FIELDS, INTEGERS),
        command("HINCRBY", KEYS, FIELDS, st.integers(-9, 9)),
        command("HINCRBYFLOAT", KEYS, FIELDS, FLOATS),
        command("HINCRBYFLOAT", KEYS, FIELDS, INTEGERS),
        command("HRANDFIELD", KEYS, COUNTS),
        command("HSCAN", KEYS, st.sampled_from([0, 0, 0, "x"]), SCANS),
    ],
    looks={
        b"hash": [["HGETALL", "{key}"], ["HLEN", "{key}"], ["OBJECT", "ENCODING", "{key}"]],
    },
    normal={
        b"HGETALL": _pairs_in_any_order,
        b"HKEYS": in_any_order,
        b"HVALS": in_any_order,
        b"HRANDFIELD": _drawn,
        b"HSCAN": _scan,
    },
)
