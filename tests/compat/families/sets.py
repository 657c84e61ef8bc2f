"""Commands about sets.

How Redis would keep a set is not looked at: 7.0 knows no listpacks of them.
"""

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

MEMBERS = st.sampled_from([b"", b"a", b"b", b"c", b"aa", b"\x00\xff", b"1", b"2", b"-3", b"m" * 65])
SOME_MEMBERS = st.lists(MEMBERS, min_size=1, max_size=5)
SOME_KEYS = st.lists(KEYS, min_size=1, max_size=3)
COUNTED_KEYS = SOME_KEYS.map(lambda names: [len(names), *names])
COUNTS = some_of(0, 1, -2, 9, "x", "", [1, 1], "-" + "9" * 19, "-9223372036854775808")
SCANS = some_of(["COUNT", 1], ["MATCH", "[ab]*"], ["MATCH", "x", "COUNT", 5])
LIMITS = some_of(["LIMIT", 1], ["LIMIT", 0], ["LIMIT", 9])


def _drawn(reply: Any) -> Any:
    """Return how many were drawn, and in which shape."""
    kind, items = reply
    return (kind, [kind_alone(each) for each in items]) if kind in "*~" else kind_alone(reply)


def _scan(reply: Any) -> Any:
    cursor, found = reply[1]
    return cursor, in_any_order(found)


def _combined(name: str) -> list[Commands]:
    return [command(f"S{name}", SOME_KEYS), command(f"S{name}STORE", KEYS, SOME_KEYS)]


FAMILY = Family(
    [
        command("SADD", KEYS, SOME_MEMBERS),
        command("SADD", KEYS, SOME_MEMBERS),
        command("SADD", KEYS, SOME_MEMBERS),
        command("SREM", KEYS, SOME_MEMBERS),
        command("SREM", KEYS, MEMBERS),
        command("SMEMBERS", KEYS),
        command("SISMEMBER", KEYS, MEMBERS),
        command("SMISMEMBER", KEYS, SOME_MEMBERS),
        command("SCARD", KEYS),
        command("SPOP", KEYS, st.sampled_from([0, 99, 99, -1, "x", [1, 1]])),
        command("SRANDMEMBER", KEYS, COUNTS),
        command("SMOVE", KEYS, KEYS, MEMBERS),
        command("SMOVE", KEYS, KEYS, MEMBERS),
        *_combined("INTER"),
        *_combined("UNION"),
        *_combined("DIFF"),
        command("SINTERCARD", COUNTED_KEYS, LIMITS),
        command("SINTERCARD", st.sampled_from([0, -1, 2, "x", 2**63 - 1]), KEYS),
        command("SINTERCARD", 1, KEYS, st.sampled_from([["LIMIT", -1], ["LIMIT", "x"], "FOO"])),
        command("SSCAN", KEYS, st.sampled_from([0, 0, 0, "x"]), SCANS),
        command("ZUNION", COUNTED_KEYS, some_of("WITHSCORES", ["WEIGHTS", 2])),
        command("ZINTERSTORE", KEYS, COUNTED_KEYS),
        command("ZDIFF", COUNTED_KEYS),
    ],
    looks={b"set": [["SMEMBERS", "{key}"], ["SCARD", "{key}"]]},
    normal={
        **dict.fromkeys((b"SMEMBERS", b"SINTER", b"SUNION", b"SDIFF", b"SPOP"), in_any_order),
        b"SRANDMEMBER": _drawn,
        b"SSCAN": _scan,
    },
)
