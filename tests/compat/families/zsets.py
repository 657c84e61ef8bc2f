"""Commands about sorted sets."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.compat.families.family import (
    KEYS,
    Commands,
    Family,
    command,
    in_any_order,
    kind_alone,
    some_of,
)
from tests.compat.families.strings import INTEGERS

MEMBERS = st.sampled_from([b"", b"a", b"b", b"c", b"aa", b"\x00\xff", b"1", b"m" * 65])
NUMBERS = st.sampled_from([b"0", b"1", b"1", b"1", b"2", b"-1.5", b"inf", b"-inf", b"0.1", b"1e30"])
SCORES = st.one_of(
    NUMBERS,
    NUMBERS,
    st.sampled_from(
        [
            *(b"-0", b"3.0", b".5", b"5.", b"0x10", b"0x1p-3", b"+inf", b"Infinity", b"1e-320"),
            *(b"nan", b"1e400", b"1e-5000", b"", b" 1", b"1 ", b"x", b"1e", b"0x", b"0e-5000"),
            *(b"9007199254740993", b"9223372036854775807", b"-1e17", b"123456789.123456789"),
        ]
    ),
    st.floats(allow_nan=False).map(lambda number: repr(number).encode()),
)
BOUNDS = st.one_of(
    NUMBERS,
    NUMBERS.map(lambda number: b"(" + number),
    st.sampled_from(
        [b"-inf", b"+inf", b"(inf", b"(-inf", b"(", b"", b" 1", b"nan", b"x", b"1\x00x"]
    ),
)
WORDS = st.one_of(
    st.sampled_from([b"-", b"+", b"[", b"(", b"-x", b"+\x00", b"a", b""]),
    MEMBERS.map(lambda member: b"[" + member),
    MEMBERS.map(lambda member: b"(" + member),
)
RANKS = st.one_of(st.integers(-5, 5), INTEGERS)
PAIRS = st.lists(st.tuples(SCORES, MEMBERS), min_size=1, max_size=4)
SAME = st.lists(st.tuples(st.just(0), MEMBERS), min_size=1, max_size=5)
TERMS = st.lists(st.sampled_from(["NX", "XX", "GT", "LT", "CH", "INCR", "ch", "gt"]), max_size=3)
LIMITS = some_of(
    ["LIMIT", 0, 1], ["LIMIT", 1, -1], ["LIMIT", -1, 2], ["LIMIT", 0, 0], ["LIMIT", 5, "x"], "LIMIT"
)
_RANGE_OPTIONS: list[list[object]] = [
    ["REV"],
    ["WITHSCORES"],
    ["LIMIT", 0, 2],
    ["LIMIT", 1, -1],
    ["LIMIT", 0, "x"],
    ["FOO"],
]
RANGE_OPTIONS = st.lists(
    st.sampled_from(_RANGE_OPTIONS), max_size=2, unique_by=lambda option: str(option[0])
)
STORE_OPTIONS = RANGE_OPTIONS.filter(lambda options: ["WITHSCORES"] not in options)
BY_SCORE = st.tuples(BOUNDS, BOUNDS, st.just("BYSCORE"))
BY_LEX = st.tuples(WORDS, WORDS, st.just("BYLEX"))
BY_ANY = st.one_of(st.tuples(RANKS, RANKS), BY_SCORE, BY_LEX)
WITH_SCORES = some_of("WITHSCORES", "withscores", "FOO")
AGGREGATES = some_of(["AGGREGATE", "SUM"], ["AGGREGATE", "min"], ["AGGREGATE", "MAX"])
NO_COUNTS = st.sampled_from([0, -1, "x", 9, 9_223_372_036_854_775_807])
ENDS = st.sampled_from(["MIN", "max"])
TIMEOUTS = st.sampled_from([0, 0, 0, "0.0", -1, "x", "nan", "-0.0001", ""])
COUNTS = st.sampled_from([0, 1, 2, 5, -1, "x", ""])


def _keys_with_number(most: int = 3) -> st.SearchStrategy[list[Any]]:
    return st.lists(KEYS, min_size=1, max_size=most).map(lambda names: [len(names), *names])


def _weighed(name: str, *first: Any, last: Any = ()) -> list[Commands]:
    """Return commands that combine sets, with options that are in order and others that are not.

    Redis finds a wrong type before it looks at most of the options; so these are then of no key.
    """
    weights = st.lists(SCORES, min_size=2, max_size=2).map(lambda each: ["WEIGHTS", *each])
    return [
        command(name, *first, _keys_with_number(), AGGREGATES, last),
        command(name, *first, 2, KEYS, KEYS, weights, AGGREGATES, last),
        command(name, *first, 2, KEYS, KEYS, AGGREGATES, weights, last),
        command(name, *first, NO_COUNTS, KEYS),
        command(name, *first, 1, "none", some_of("FOO", "WEIGHTS", ["AGGREGATE", "AVG"])),
    ]


def doubles_alike(reply: Any) -> Any:
    """Return a reply with numbers as numbers: since 7.2 Redis writes the shortest text."""
    kind, value = reply
    if isinstance(value, list):
        return kind, [doubles_alike(each) for each in value]
    if kind in ("$", ",") and value is not None:
        try:
            return kind, float(value)
        except ValueError:
            return reply
    return reply


def scores_alike(reply: Any) -> Any:
    kind, value = reply
    return doubles_alike(reply) if kind in "*$," else (kind, value)


def _scan(reply: Any) -> Any:
    cursor, (kind, parts) = reply[1]
    pairs = zip(parts[::2], map(doubles_alike, parts[1::2]), strict=True)
    return cursor, in_any_order((kind, list(pairs)))


_SCORED = (
    *("ZADD", "ZSCORE", "ZMSCORE", "ZINCRBY", "ZRANGE", "ZREVRANGE", "ZRANGEBYSCORE"),
    *("ZREVRANGEBYSCORE", "ZPOPMIN", "ZPOPMAX", "ZMPOP", "BZPOPMIN", "BZPOPMAX", "BZMPOP"),
    *("ZUNION", "ZINTER", "ZDIFF"),
)

FAMILY = Family(
    [
        command("ZADD", KEYS, PAIRS),
        command("ZADD", KEYS, SAME),
        command("ZADD", KEYS, st.lists(st.tuples(NUMBERS, MEMBERS), min_size=1, max_size=6)),
        command("ZADD", KEYS, TERMS, PAIRS),
        command("ZADD", KEYS, TERMS, SCORES, MEMBERS),
        command("ZADD", KEYS, SCORES, MEMBERS, SCORES),
        command("ZINCRBY", KEYS, SCORES, MEMBERS),
        command("ZREM", KEYS, st.lists(MEMBERS, min_size=1, max_size=3)),
        command("ZCARD", KEYS),
        command("ZSCORE", KEYS, MEMBERS),
        command("ZMSCORE", KEYS, st.lists(MEMBERS, min_size=1, max_size=3)),
        command("ZRANK", KEYS, MEMBERS),
        command("ZREVRANK", KEYS, MEMBERS),
        command("ZCOUNT", KEYS, BOUNDS, BOUNDS),
        command("ZLEXCOUNT", KEYS, WORDS, WORDS),
        command("ZRANGE", KEYS, BY_ANY, RANGE_OPTIONS),
        command("ZRANGE", KEYS, BY_ANY, RANGE_OPTIONS),
        command("ZRANGESTORE", KEYS, KEYS, BY_ANY, STORE_OPTIONS),
        command("ZREVRANGE", KEYS, RANKS, RANKS, WITH_SCORES),
        command("ZRANGEBYSCORE", KEYS, BOUNDS, BOUNDS, WITH_SCORES, LIMITS),
        command("ZREVRANGEBYSCORE", KEYS, BOUNDS, BOUNDS, WITH_SCORES, LIMITS),
        command("ZRANGEBYLEX", KEYS, WORDS, WORDS, LIMITS),
        command("ZREVRANGEBYLEX", KEYS, WORDS, WORDS, LIMITS),
        command("ZREMRANGEBYRANK", KEYS, RANKS, RANKS),
        command("ZREMRANGEBYSCORE", KEYS, BOUNDS, BOUNDS),
        command("ZREMRANGEBYLEX", KEYS, WORDS, WORDS),
        command("ZPOPMIN", KEYS, some_of(0, 1, 2, -1, "x", [1, 1])),
        command("ZPOPMAX", KEYS, some_of(0, 1, 2, -1, "x")),
        command("ZMPOP", _keys_with_number(), ENDS, some_of(["COUNT", 2], ["COUNT", 0], "COUNT")),
        command("ZMPOP", NO_COUNTS, KEYS, ENDS),
        command("ZMPOP", 1, KEYS, st.sampled_from(["MID", "MIN MAX"])),
        command("BZPOPMIN", st.lists(KEYS, min_size=1, max_size=3), TIMEOUTS),
        command("BZPOPMAX", st.lists(KEYS, min_size=1, max_size=3), TIMEOUTS),
        command("BZMPOP", TIMEOUTS, _keys_with_number(), ENDS, some_of(["COUNT", 2])),
        command(
            "ZRANDMEMBER", KEYS, some_of(0, 1, -2, 9, "x", ["2", "WITHSCORES"], "-" + "9" * 19)
        ),
        command(
            "ZSCAN", KEYS, 0, some_of(["COUNT", 1], ["MATCH", "[ab]*"], ["MATCH", "x", "COUNT", 5])
        ),
        *_weighed("ZUNION", last=some_of("WITHSCORES")),
        *_weighed("ZINTER", last=some_of("WITHSCORES")),
        *_weighed("ZUNIONSTORE", KEYS),
        *_weighed("ZINTERSTORE", KEYS),
        command("ZDIFF", _keys_with_number(), some_of("WITHSCORES")),
        command("ZDIFFSTORE", KEYS, _keys_with_number()),
        command("ZINTERCARD", _keys_with_number(), some_of(["LIMIT", 1], ["LIMIT", 0])),
        command("ZINTERCARD", 1, "none", "LIMIT", COUNTS),
    ],
    looks={
        b"zset": [
            ["ZRANGE", "{key}", "0", "-1", "WITHSCORES"],
            ["ZCARD", "{key}"],
            ["OBJECT", "ENCODING", "{key}"],
        ]
    },
    normal={
        **{name.encode(): scores_alike for name in _SCORED},
        b"ZRANDMEMBER": kind_alone,
        b"ZSCAN": _scan,
    },
)
