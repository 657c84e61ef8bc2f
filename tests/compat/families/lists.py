"""Commands about lists."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.compat.families.family import KEYS, Family, command, some_of
from tests.compat.families.strings import INTEGERS

ITEMS = st.sampled_from([b"", b"a", b"a", b"b", b"c", b"\x00\xff", b"12", b"x" * 5_000])
MANY = st.lists(ITEMS, min_size=1, max_size=6)
INDEXES = st.one_of(st.integers(-7, 7), INTEGERS)
COUNTS = some_of(0, 1, 2, 5, -1, "x", "", [1, 1], "9223372036854775808")
SIDES = st.sampled_from(["LEFT", "RIGHT", "left", "right", "UP"])
ENDS = st.sampled_from(["LEFT", "right", "MIDDLE", "LEFT RIGHT"])
TIMEOUTS = st.sampled_from([0, 0, 0, "0.0", -1, "x", "nan", "-0.0001", ""])
_POSITION_OPTIONS: list[list[str]] = [
    *(["RANK", rank] for rank in ("1", "2", "-1", "-2", "0", "x", "1.5", "9223372036854775807")),
    *(["count", count] for count in ("0", "1", "2", "-1", "x")),
    *(["MAXLEN", length] for length in ("0", "2", "4", "-1")),
    ["COUNT"],
    ["FOO", "1"],
]
POSITION_OPTIONS = st.lists(
    st.sampled_from(_POSITION_OPTIONS),
    max_size=3,
    unique_by=lambda option: option[0].upper(),
)


def _keys_with_number() -> st.SearchStrategy[list[Any]]:
    return st.lists(KEYS, min_size=1, max_size=3).map(lambda names: [len(names), *names])


def _encoding(reply: Any) -> Any:
    """Return a reply to OBJECT: before 7.2 every list of Redis is a quicklist."""
    return ("$", b"listpack") if reply == ("$", b"quicklist") else reply


FAMILY = Family(
    [
        command("LPUSH", KEYS, MANY),
        command("RPUSH", KEYS, MANY),
        command("RPUSH", KEYS, MANY),
        command("LPUSHX", KEYS, MANY),
        command("RPUSHX", KEYS, MANY),
        command("LPOP", KEYS, COUNTS),
        command("RPOP", KEYS, COUNTS),
        command("LLEN", KEYS),
        command("LRANGE", KEYS, INDEXES, INDEXES),
        command("LINDEX", KEYS, INDEXES),
        command("LSET", KEYS, INDEXES, ITEMS),
        command("LINSERT", KEYS, st.sampled_from(["BEFORE", "after", "BESIDE"]), ITEMS, ITEMS),
        command("LREM", KEYS, st.one_of(st.integers(-3, 3), INTEGERS), ITEMS),
        command("LTRIM", KEYS, INDEXES, INDEXES),
        command("LPOS", KEYS, ITEMS, POSITION_OPTIONS),
        command("LMOVE", KEYS, KEYS, SIDES, SIDES),
        command("RPOPLPUSH", KEYS, KEYS),
        command("LMPOP", _keys_with_number(), ENDS, some_of(["COUNT", 2], ["COUNT", 0], "COUNT")),
        command("LMPOP", st.sampled_from([0, -1, "x", 9]), KEYS, ENDS),
        command("BLPOP", st.lists(KEYS, min_size=1, max_size=3), TIMEOUTS),
        command("BRPOP", st.lists(KEYS, min_size=1, max_size=3), TIMEOUTS),
        command("BLMOVE", KEYS, KEYS, SIDES, SIDES, TIMEOUTS),
        command("BRPOPLPUSH", KEYS, KEYS, TIMEOUTS),
        command("BLMPOP", TIMEOUTS, _keys_with_number(), ENDS, some_of(["COUNT", 2])),
    ],
    looks={b"list": [["LRANGE", "{key}", "0", "-1"], ["LLEN", "{key}"]]},
    normal={b"OBJECT": _encoding},
)
