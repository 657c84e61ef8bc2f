"""Commands about streams, without consumer groups.

Ids are explicit: what the clocks say differs. XREAD names each stream once, because a map of RESP3
would have it twice; and where it waits there is one, since 7.0 serves the first stream alone of
those that a transaction adds to.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.compat.families.family import KEYS, Family, command, some_of

SMALL = st.tuples(st.integers(0, 3), st.integers(0, 3)).map(lambda parts: b"%d-%d" % parts)
LARGE = st.sampled_from(
    [
        *(b"18446744073709551615-18446744073709551615", b"18446744073709551615-0"),
        *(b"0-18446744073709551615", b"9223372036854775808-9223372036854775808"),
    ]
)
ODD = st.sampled_from(
    [
        *(b"0-0", b"0", b"1", b"2", b"-", b"+", b"", b"x", b"1-", b"-1", b"1-x", b"1--1", b"+1-+1"),
        *(b" 1-1", b"1 -1", b"01-01", b"1-1-1", b"1.5", b"*", b"1-*", b"(1-1", b"1-1\x00x", b">"),
        *(b" -1", b"1-\t-5", b"18446744073709551616", b"1" * 128, b"-0-1", b"-00", b"$"),
    ]
)
IDS = st.one_of(SMALL, SMALL, SMALL, ODD, LARGE)
NEW_IDS = st.one_of(
    st.integers(1, 40).map(lambda ms: b"%d-*" % ms),
    st.integers(1, 40).map(lambda ms: b"%d-1" % ms),
    IDS.filter(lambda each: each != b"*"),
)
ENDS = st.one_of(
    IDS,
    SMALL.map(lambda each: b"(" + each),
    st.integers(0, 40).map(lambda ms: b"%d" % ms),
    st.sampled_from(
        [
            *(b"-", b"+", b"-", b"+", b"(-", b"(+", b"(", b"((1", b"(0-0", b"(0", b"(5"),
            b"(18446744073709551615-18446744073709551615",
        ]
    ),
)
WORDS = st.sampled_from([b"", b"f", b"maxlen", b"NOMKSTREAM", b"g", b"v", b"1", b"\x00\xff"])
PAIRS = st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=3)
COUNTS = some_of(
    *(["COUNT", 1], ["COUNT", 2], ["COUNT", 0], ["COUNT", -1], ["count", 9], ["COUNT", "x"]),
    *("COUNT", "FOO"),
)
_LENGTHS = st.sampled_from([0, 1, 2, 3, 3, 5, -1, "x", ""])
_SIGNS = st.sampled_from([[], ["="], ["~"]])
_LIMITS: list[list[object]] = [["LIMIT", 0], ["LIMIT", 1], ["LIMIT", 100], ["LIMIT", -1], ["LIMIT"]]
TRIMS = st.one_of(
    st.tuples(st.just("MAXLEN"), _SIGNS, _LENGTHS).map(list),
    st.tuples(st.just("minid"), _SIGNS, ENDS).map(list),
    st.tuples(st.just("MAXLEN"), st.just("~"), _LENGTHS, st.sampled_from(_LIMITS[:3])).map(list),
    st.tuples(st.just("LIMIT"), st.just(9), st.just("MINID"), st.just("~"), SMALL).map(list),
    st.tuples(st.sampled_from(["MAXLEN", "MINID"]), st.just(1), st.sampled_from(_LIMITS)).map(list),
)
LEADING = st.one_of(
    st.sampled_from([[], [], ["NOMKSTREAM"], ["MAXLEN", 1, "MINID", 1], ["LIMIT", 0]]), TRIMS
)
READ_IDS = st.one_of(SMALL, SMALL, st.sampled_from([b"0", b"$", b"0-0", b"+", b"-", b">", b"x"]))


def _streams(most: int) -> st.SearchStrategy[list[Any]]:
    names = st.lists(KEYS, min_size=1, max_size=most, unique=True)
    return names.flatmap(
        lambda each: st.lists(READ_IDS, min_size=len(each), max_size=len(each)).map(
            lambda ids: ["STREAMS", *each, *ids]
        )
    )


def _without_nodes(reply: Any) -> Any:
    """Return figures without those of a tree, which is another one."""
    kind, fields = reply
    if kind == "%":
        return kind, [each for each in fields if not each[0][1].startswith(b"radix")]
    pairs = zip(fields[::2], fields[1::2], strict=True)
    return kind, [each for each in pairs if not each[0][1].startswith(b"radix")]


FAMILY = Family(
    [
        command("XADD", KEYS, NEW_IDS, PAIRS),
        command("XADD", KEYS, NEW_IDS, PAIRS),
        command("XADD", KEYS, st.integers(1, 99).map(lambda ms: b"%d-*" % ms), PAIRS),
        command("XADD", KEYS, LEADING, NEW_IDS, PAIRS),
        command("XADD", KEYS, LEADING, LEADING, NEW_IDS, PAIRS),
        command("XADD", KEYS, LEADING, NEW_IDS, WORDS),
        command("XADD", KEYS, NEW_IDS, PAIRS, WORDS),
        command("XADD", KEYS, LEADING, NEW_IDS),
        command("XLEN", KEYS),
        command("XRANGE", KEYS, ENDS, ENDS, COUNTS),
        command("XRANGE", KEYS, st.just("-"), st.just("+"), COUNTS),
        command("XREVRANGE", KEYS, ENDS, ENDS, COUNTS),
        command("XREVRANGE", KEYS, st.just("+"), st.just("-"), COUNTS),
        command("XREAD", COUNTS, _streams(3)),
        command("XREAD", st.sampled_from(["BLOCK"]), st.just(0), COUNTS, _streams(1)),
        command("XREAD", st.just("BLOCK"), st.sampled_from([-1, "x", "", "1.5"]), _streams(2)),
        command("XREAD", st.just("COUNT"), st.just(1), st.just("BLOCK"), st.just(0), _streams(1)),
        command("XREAD", "STREAMS", st.lists(KEYS, min_size=1, max_size=5)),
        command("XREAD", KEYS, "STREAMS", KEYS),
        command("XTRIM", KEYS, TRIMS),
        command("XTRIM", KEYS, TRIMS),
        command("XTRIM", KEYS, st.sampled_from([["FOO", 1], ["MAXLEN", 1, "FOO"], ["LIMIT", 5]])),
        command("XDEL", KEYS, st.lists(SMALL, min_size=1, max_size=4)),
        command("XDEL", KEYS, st.lists(IDS, min_size=1, max_size=3)),
        command("XSETID", KEYS, IDS),
        command(
            "XSETID",
            KEYS,
            IDS,
            some_of(["ENTRIESADDED", 9], ["ENTRIESADDED", 0], ["ENTRIESADDED", -1], "FOO"),
            some_of(["MAXDELETEDID", "1-1"], ["MAXDELETEDID", "0-0"], ["maxdeletedid", "5-0"]),
        ),
        command("XINFO", "STREAM", KEYS),
        command(
            "XINFO", "STREAM", KEYS, "FULL", some_of(["COUNT", 1], ["COUNT", 0], ["COUNT", -1])
        ),
    ],
    looks={
        b"stream": [
            ["XRANGE", "{key}", "-", "+"],
            ["XINFO", "STREAM", "{key}"],
            ["OBJECT", "ENCODING", "{key}"],
        ]
    },
    normal={b"XINFO": _without_nodes},
)
