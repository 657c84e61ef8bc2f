"""Commands about keys, whatever they hold."""

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
    words,
)

SHORT_MS = 40
"""Over when the other clock has passed `PASS_MS`."""
PASS_MS = 60
NEVER_S = 1_000_000
PAST = st.sampled_from([-1, 0, 1, 1_000])
FAR_S = st.sampled_from([99_999_999_998, 99_999_999_999])
BAD = st.sampled_from([b"", b"x", b"1.5", b"9223372036854775807", b"-9223372036854775808", b" 1"])
CONDITIONS = st.lists(st.sampled_from(["NX", "XX", "GT", "LT", "gt", "FOO"]), max_size=2)
SECONDS = st.one_of(st.integers(NEVER_S, NEVER_S + 2), PAST.filter(lambda s: s < 1), BAD)
MILLISECONDS = st.one_of(
    st.just(SHORT_MS),
    st.integers(NEVER_S, NEVER_S + 2).map(lambda s: s * 1_000),
    PAST.filter(lambda ms: ms < 1),
    BAD,
)
DATABASE = st.sampled_from([0, 0, 1, 16, -1, b"x"])


def roughly(reply: Any) -> Any:
    """Return a time in which two clocks may be some seconds apart."""
    kind, value = reply
    if kind != ":" or int(value) < 0:
        return reply
    # The short ones are over, or not, by what the other commands say.
    return kind, "some" if int(value) < 1_000 else "many"


def _scan(reply: Any) -> Any:
    cursor, found = reply[1]
    return cursor, in_any_order(found)


FAMILY = Family(
    [
        command("DEL", st.lists(KEYS, min_size=1, max_size=3)),
        command("UNLINK", st.lists(KEYS, min_size=1, max_size=3)),
        command("EXISTS", st.lists(KEYS, min_size=1, max_size=3)),
        command("TOUCH", st.lists(KEYS, min_size=1, max_size=3)),
        command("TYPE", KEYS),
        command("RENAME", KEYS, KEYS),
        command("RENAMENX", KEYS, KEYS),
        command(
            "COPY", KEYS, KEYS, some_of("REPLACE", ["DB", 1], ["DB", 16], ["REPLACE", "DB", 1])
        ),
        command("MOVE", KEYS, DATABASE),
        command("SELECT", st.sampled_from([0, 0, 0, 1])),
        command("KEYS", st.sampled_from(["*", "[ab]", "?", "x*"])),
        command("SCAN", 0, "COUNT", 1000, some_of(["MATCH", "[ab]"], ["TYPE", "string"])),
        command("RANDOMKEY"),
        command("DBSIZE"),
        command("FLUSHDB", some_of("ASYNC", "SYNC", "LATER")),
        command("FLUSHALL", some_of("ASYNC")),
        command("EXPIRE", KEYS, SECONDS, CONDITIONS),
        command("PEXPIRE", KEYS, MILLISECONDS, CONDITIONS),
        command("EXPIREAT", KEYS, st.one_of(FAR_S, PAST, BAD), CONDITIONS),
        command("PEXPIREAT", KEYS, st.one_of(FAR_S.map(lambda s: s * 1_000), PAST), CONDITIONS),
        command("TTL", KEYS),
        command("PTTL", KEYS),
        command("EXPIRETIME", KEYS),
        command("PEXPIRETIME", KEYS),
        command("PERSIST", KEYS),
        command("OBJECT", "FREQ", KEYS),
        command("OBJECT", "ENCODING", "none"),
    ],
    normal={
        b"KEYS": in_any_order,
        b"SCAN": _scan,
        b"RANDOMKEY": kind_alone,
        b"TTL": roughly,
        b"PTTL": roughly,
        b"EXPIRETIME": roughly,
        b"PEXPIRETIME": roughly,
    },
)

TRANSACTIONS = Family(
    [
        command("MULTI"),
        command("MULTI"),
        command("EXEC"),
        command("EXEC"),
        command("DISCARD"),
        command("WATCH", st.lists(KEYS, min_size=1, max_size=2)),
        command("WATCH", st.lists(KEYS, min_size=1, max_size=2)),
        command("UNWATCH"),
        st.just(words("NOSUCH")),
    ]
)
