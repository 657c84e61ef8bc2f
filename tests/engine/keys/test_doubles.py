"""Scores as clients write them; beside a real Redis in tests/compat/test_differential.py."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respq.engine.keys.doubles import parse_bound, parse_double


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"1", 1.0),
        (b"-1.5e3", -1500.0),
        (b".5", 0.5),
        (b"5.", 5.0),
        (b"0x10", 16.0),
        (b"-0x1p-3", -0.125),
        (b"Infinity", math.inf),
        (b"-inf", -math.inf),
        (b"1e-320", 1e-320),
        (b"0e-5000", 0.0),
        (b"0x0p99999999999999999999", 0.0),
    ],
)
def test_what_is_a_number(text: bytes, number: float) -> None:
    assert parse_double(text) == number
    assert parse_bound(text) == number


@pytest.mark.parametrize(
    "text", [b"x", b"1x", b"1e", b"0x", b"nan", b"nan(1)", b"1 ", b"--1", b"i"]
)
def test_what_is_no_number_anywhere(text: bytes) -> None:
    assert parse_double(text) is None
    assert parse_bound(text) is None


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        (b"", 0.0),
        (b" 1", 1.0),
        (b"1\0x", 1.0),
        (b"\0", 0.0),
        (b"1e400", math.inf),
        (b"-0x1p99999", -math.inf),
        (b"1e-5000", 0.0),
        (b"0x1p-99999", 0.0),
    ],
)
def test_what_is_a_bound_but_no_score(text: bytes, bound: float) -> None:
    assert parse_double(text) is None
    assert parse_bound(text) == bound


@given(st.floats(allow_nan=False))
def test_every_double_is_read_back_from_its_text(number: float) -> None:
    assert parse_double(repr(number).encode()) == number
    assert parse_double(number.hex().encode()) == number
