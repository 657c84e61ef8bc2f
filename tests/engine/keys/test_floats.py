"""INCRBYFLOAT to the last digit, beside a real Redis in tests/compat/test_differential.py."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respq.engine.keys.floats import parse_long_double, round_to_long_double, show_long_double


def total(first: bytes, second: bytes) -> bytes | None:
    numbers = parse_long_double(first), parse_long_double(second)
    assert numbers[0] is not None
    assert numbers[1] is not None
    rounded = round_to_long_double(numbers[0], numbers[1])
    return None if rounded is None else show_long_double(rounded)


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        (b"0", b"0.1", b"0.1"),
        (b"3.0", b"1.000000000000000005", b"4.00000000000000001"),
        (b"1", b"1e17", b"100000000000000001"),
        (b"1", b"-1", b"0"),
        (b"0", b"-1e-30", b"0"),
        (b"0x1p4", b".5", b"16.5"),
        (b"1e30", b"0", b"1000000000000000000024696061952"),
        (b"123456789012345678901234567890", b"0", b"123456789012345678899921813504"),
        (b"inf", b"1", None),
        (b"1e4932", b"1e4932", None),
    ],
)
def test_sums_are_written_as_redis_writes_them(
    first: bytes, second: bytes, text: bytes | None
) -> None:
    assert total(first, second) == text


def test_a_number_may_have_thousands_of_digits() -> None:
    """Python alone reads and writes 4,300 of them."""
    text = total(b"0", b"9" * 4_900)

    assert text is not None
    assert len(text) == 4_901
    assert text.startswith(b"10000000000000000000270831223069034983322405250407")
    assert total(b"1", b"0." + b"0" * 4_400 + b"1") == b"1"
    assert parse_long_double(b"9" * 5_000) is None


@pytest.mark.parametrize(
    "text", [b"", b" 1", b"1 ", b"x", b"nan", b"1e5000", b"1e-5000", b"1e99999999", b"0x", b"--1"]
)
def test_what_is_no_number(text: bytes) -> None:
    assert parse_long_double(text) is None


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_integer_of_64_bits_is_kept(number: int) -> None:
    assert total(b"%d" % number, b"0") == b"%d" % number


@given(st.fractions())
def test_a_number_of_64_bits_of_mantissa_is_its_own_nearest(number: Fraction) -> None:
    rounded = round_to_long_double(number, Fraction(0))
    assert rounded is not None

    assert round_to_long_double(rounded, Fraction(0)) == rounded
    assert abs(rounded - number) <= abs(number) / 2**64
