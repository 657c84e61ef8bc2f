from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respq.broker.glob import glob
from respq.config import PATTERN_BYTES_MAX
from respq.errors import TooBig

PATTERNS = st.lists(
    st.sampled_from([b"*", b"?", b"[", b"]", b"^", b"-", b"\\", b"a", b"b", b"c", b"\n", b"\xff"]),
    max_size=9,
).map(b"".join)
NAMES = st.lists(st.sampled_from([b"a", b"b", b"c", b"]", b"-", b"\\", b"\n", b"\xff"]), max_size=7)


def slow_match(pattern: bytes, name: bytes) -> bool:
    """Match as Redis' stringmatchlen does, byte by byte with backtracking."""
    if not pattern:
        return not name
    first = pattern[:1]
    if first == b"*":
        return any(slow_match(pattern[1:], name[cut:]) for cut in range(len(name) + 1))
    if not name:
        return False
    if first == b"[":
        matches, rest = slow_class(pattern[1:], name[0])
        return matches and slow_match(rest, name[1:])
    if first == b"\\" and len(pattern) > 1:
        pattern = pattern[1:]
        first = pattern[:1]
    elif first == b"?":
        first = name[:1]
    return first == name[:1] and slow_match(pattern[1:], name[1:])


def slow_class(pattern: bytes, byte: int) -> tuple[bool, bytes]:
    """Tell whether a byte is in the class that a pattern begins with; return what follows it."""
    negated = pattern[:1] == b"^"
    pattern = pattern[negated:]
    found = False
    while pattern:
        if pattern[0] == ord("\\") and len(pattern) >= 2:
            found = found or pattern[1] == byte
            pattern = pattern[2:]
        elif pattern[0] == ord("]"):
            pattern = pattern[1:]
            break
        elif len(pattern) >= 3 and pattern[1] == ord("-"):
            low, high = sorted((pattern[0], pattern[2]))
            found = found or low <= byte <= high
            pattern = pattern[3:]
        else:
            found = found or pattern[0] == byte
            pattern = pattern[1:]
    return found is not negated, pattern


@given(PATTERNS, NAMES.map(b"".join))
def test_it_matches_as_the_slow_reference_does(pattern: bytes, name: bytes) -> None:
    assert glob(pattern)(name) is slow_match(pattern, name)


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        (b"*", [b"", b"anything\n"], []),
        (b"mail", [b"mail"], [b"mails", b"Mail", b""]),
        (b"mail:*", [b"mail:", b"mail:a"], [b"mail", b"a mail:"]),
        (b"*:in:*", [b"a:in:b", b":in:"], [b"a:in", b"in:"]),
        (b"h?llo", [b"hello", b"h\nllo"], [b"hllo", b"heello"]),
        (b"h[ae]llo", [b"hello", b"hallo"], [b"hillo"]),
        (b"h[^e]llo", [b"hallo"], [b"hello"]),
        (b"h[a-c]llo", [b"hbllo"], [b"hdllo"]),
        (b"h[c-a]llo", [b"hbllo"], [b"hdllo"]),
        (rb"a\*b", [b"a*b"], [b"aXb"]),
        (rb"[\]]", [b"]"], [b"\\"]),
        (b"[]", [], [b"", b"]", b"a"]),
        (b"[^]", [b"a", b"]"], [b""]),
        (b"[abc", [b"a", b"c"], [b"[abc"]),
        (b"a\\", [b"a\\"], [b"a"]),
        (b"a*a", [b"aa", b"aba"], [b"a"]),
    ],
)
def test_a_pattern_matches_what_it_says(
    pattern: bytes, matching: list[bytes], other: list[bytes]
) -> None:
    matches = glob(pattern)

    assert [name for name in [*matching, *other] if matches(name)] == matching


def test_many_stars_take_no_exponential_time() -> None:
    # A backtracking matcher would need longer than the age of the universe.
    assert not glob(b"*a" * 120 + b"*b")(b"a" * 255)
    assert not glob(b"*?" * 120 + b"*b")(b"a" * 255)


def test_a_pattern_over_the_limit_is_refused() -> None:
    assert glob(b"*" * PATTERN_BYTES_MAX)(b"anything")
    with pytest.raises(TooBig):
        glob(b"*" * (PATTERN_BYTES_MAX + 1))
