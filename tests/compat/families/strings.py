"""Commands about strings."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from tests.compat.families.family import KEYS, Family, command, some_of
from tests.compat.families.keys import NEVER_S, SHORT_MS

INTEGERS = st.sampled_from(
    [
        *(b"0", b"1", b"-1", b"10", b"9223372036854775807", b"-9223372036854775808"),
        *(b"9223372036854775808", b"-0", b"+1", b"01", b" 1", b"1 ", b"", b"1.5", b"x"),
    ]
)
FLOATS = st.one_of(
    st.sampled_from(
        [
            *(b"0.1", b"-0.1", b"1e3", b"1.5e-3", b"3.0", b".5", b"5.", b"-0", b"0x1p4", b"0x.8"),
            *(b"inf", b"-inf", b"nan", b"1e400", b"1e5000", b"1e-5000", b"", b" 1", b"1 ", b"x"),
            *(b"1e18", b"123456789012345678901234567890", b"0.000000000000000001", b"1e-18"),
        ]
    ),
    st.floats(-1e6, 1e6).map(lambda number: repr(number).encode()),
    st.decimals(-1000, 1000, places=17).map(lambda number: format(number, "f").encode()),
)
VALUES = st.one_of(
    INTEGERS,
    FLOATS,
    st.sampled_from([b"\x00\xff\r\n", b"x" * 44, b"x" * 45, b"word"]),
    st.binary(max_size=5),
)
PLACES = st.one_of(st.integers(-12, 12), INTEGERS)
_SET_OPTIONS: list[Sequence[object]] = [
    *(["NX"], ["XX"], ["GET"], ["KEEPTTL"], ["get"], ["FOO"]),
    *(["EX", NEVER_S], ["PX", SHORT_MS], ["PX", NEVER_S], ["EX", 0], ["EX", "x"], ["EX"]),
    *(["EXAT", 1_000], ["EXAT", 99_999_999_999], ["PXAT", 99_999_999_999_000], ["PX", -1]),
    ["EX", 9_223_372_036_854_775_807],
]
SET_OPTIONS = st.lists(
    st.sampled_from(_SET_OPTIONS),
    max_size=3,
    unique_by=lambda option: str(option[0]).upper(),
)
"""An option that is given twice is an error of respq alone."""
GET_OPTIONS = some_of(
    *(["EX", NEVER_S], ["PX", SHORT_MS], ["PERSIST"], ["EXAT", 1_000], ["PX", 0], ["FOO"]),
    *(["PERSIST", "EX", 10], ["PXAT", 99_999_999_999_000]),
)

FAMILY = Family(
    [
        command("GET", KEYS),
        command("SET", KEYS, VALUES),
        command("SET", KEYS, VALUES, SET_OPTIONS),
        command("SETNX", KEYS, VALUES),
        command("SETEX", KEYS, st.sampled_from([NEVER_S, 0, -1, "x", 2**62]), VALUES),
        command("PSETEX", KEYS, st.sampled_from([SHORT_MS, NEVER_S, 0, "x"]), VALUES),
        command("GETSET", KEYS, VALUES),
        command("GETDEL", KEYS),
        command("GETEX", KEYS, GET_OPTIONS),
        command("MGET", st.lists(KEYS, min_size=1, max_size=3)),
        command("MSET", st.lists(st.tuples(KEYS, VALUES), min_size=1, max_size=3)),
        command("MSET", KEYS, VALUES, KEYS),
        command("MSETNX", st.lists(st.tuples(KEYS, VALUES), min_size=1, max_size=3)),
        command("APPEND", KEYS, VALUES),
        command("STRLEN", KEYS),
        command("INCR", KEYS),
        command("DECR", KEYS),
        command("INCRBY", KEYS, INTEGERS),
        command("DECRBY", KEYS, INTEGERS),
        command("INCRBYFLOAT", KEYS, FLOATS),
        command("GETRANGE", KEYS, PLACES, PLACES),
        command("SUBSTR", KEYS, PLACES, PLACES),
        command("SETRANGE", KEYS, PLACES, VALUES),
    ],
    looks={b"string": [["GET", "{key}"], ["STRLEN", "{key}"], ["OBJECT", "ENCODING", "{key}"]]},
)
