"""SORT of a list and a set, where what it compares are bytes.

Redis forgets to clear errno before it reads numbers, and rebuilds a sorted set that it sorts.
tests/handlers/test_sort.py has what is left.
"""

from __future__ import annotations

from hypothesis import strategies as st

from tests.compat.families.family import KEYS, Family, command, some_of

LIST, SET = b"items", b"members"
SORTED = st.sampled_from([LIST, LIST, SET])
# Names of keys, so that there is something to look up.
NAMES = st.lists(st.one_of(KEYS, st.sampled_from([b"", b"1", b"\xff"])), min_size=1, max_size=4)
LIMITS = some_of(["LIMIT", 0, 2], ["LIMIT", 1, -1], ["LIMIT", -1, 9], ["LIMIT", 9, 1], "LIMIT 0 x")
GETS = some_of(["GET", "*"], ["GET", "*->a"], ["GET", "#", "GET", "nothing"], ["get", "a"], "GET")
ORDERS = some_of("ASC", "desc", ["ASC", "LATER"])

FAMILY = Family(
    [
        command("RPUSH", LIST, NAMES),
        command("SADD", SET, NAMES),
        command("SORT", SORTED, LIMITS, GETS, "ALPHA", ORDERS),
        command("SORT", LIST, "BY", "nosort", LIMITS, GETS, ORDERS),
        command("SORT", SORTED, "BY", "nosort", "STORE", KEYS, LIMITS, GETS, ORDERS),
        command("SORT_RO", SORTED, "alpha", ORDERS, LIMITS, GETS),
        command("SORT_RO", SORTED, "ALPHA", "STORE", KEYS),
    ]
)
