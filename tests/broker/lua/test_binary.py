"""What the libraries bit, struct and cmsgpack compute; beside Redis in tests/compat."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respq.broker.lua.binary import (
    BadFormat,
    bit,
    low_bits,
    pack_double,
    pack_integer,
    struct_pack,
    struct_size,
    struct_unpack,
    unpack_double,
    unpack_integer,
)

UINT32 = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0, 0), (1.5, 2), (2.5, 2), (-1, 2**32 - 1), (2**32 + 5, 5), (-1.5, 2**32 - 2)],
)
def test_a_number_is_rounded_to_even_and_taken_modulo_two_to_the_32(
    number: float, expected: int
) -> None:
    assert low_bits(number) == expected


@given(UINT32)
def test_results_are_signed_and_keep_their_bits(value: int) -> None:
    result = bit(b"tobit", value)

    assert isinstance(result, int)
    assert -(2**31) <= result < 2**31
    assert result % 2**32 == value
    assert bit(b"bnot", bit(b"bnot", value)) == result  # type: ignore[arg-type]
    assert bit(b"bswap", bit(b"bswap", value)) == result  # type: ignore[arg-type]
    assert bit(b"ror", bit(b"rol", value, 7), 7) == result  # type: ignore[arg-type]


@given(st.floats(allow_nan=False))
def test_a_double_comes_back_from_messagepack(number: float) -> None:
    packed = pack_double(number)

    assert packed[0] == (0xCA if len(packed) == 5 else 0xCB)
    assert unpack_double(packed[1:]) == number


@given(st.integers(-(2**53), 2**53))
def test_an_integer_comes_back_from_eight_bytes(number: int) -> None:
    assert unpack_integer(pack_integer(number), True) == number


@given(
    st.sampled_from(["<", ">"]),
    st.lists(
        st.one_of(
            st.tuples(st.just("b"), st.integers(-128, 127)),
            st.tuples(st.just("H"), st.integers(0, 65_535)),
            st.tuples(st.just("i3"), st.integers(-(2**23), 2**23 - 1)),
            st.tuples(st.just("l"), st.integers(-(2**53), 2**53)),
            st.tuples(st.just("d"), st.floats(allow_nan=False)),
            st.tuples(st.just("c3"), st.binary(min_size=3, max_size=3)),
            st.tuples(st.just("s"), st.binary(max_size=5).filter(lambda text: b"\0" not in text)),
        ),
        max_size=6,
    ),
)
def test_what_is_packed_is_unpacked(order: str, fields: list[tuple[str, Any]]) -> None:
    shape = (order + "".join(letter for letter, _ in fields)).encode()
    values = tuple(value for _, value in fields)

    packed = struct_pack(shape, b"nil", *values)

    assert struct_unpack(shape, packed, 1) == (*values, len(packed) + 1)


def test_alignment_is_asked_for() -> None:
    assert struct_size(b"bi") == 5
    assert struct_size(b"!4bi") == 8
    assert struct_pack(b"!4bi", b"nil", 1, 2) == b"\1\0\0\0\2\0\0\0"


@pytest.mark.parametrize(
    ("pack", "error"),
    [
        (lambda: struct_pack(b"i", b"nil"), ("number expected, got nil", 2, "pack")),
        (lambda: struct_pack(b"bi", b"table", 1), ("number expected, got table", 3, "pack")),
        (lambda: struct_pack(b"i", b"nil", b"x"), ("number expected, got string", 2, "pack")),
        (lambda: struct_pack(b"c5", b"nil", b"abc"), ("string too short", 3, "pack")),
        (lambda: struct_pack(b"z", b"nil"), ("invalid format option 'z'", 1, "pack")),
        (lambda: struct_pack(b"!3i", b"nil", 1), ("alignment 3 is not a power of 2",)),
        (lambda: struct_unpack(b"i", b"ab", 1), ("data string too short", 2, "unpack")),
        (lambda: struct_unpack(b"i", b"", 0), ("offset must be 1 or greater", 3, "unpack")),
        (lambda: struct_unpack(b"s", b"abc", 1), ("unfinished string in data",)),
        (lambda: struct_unpack(b"c0", b"a", 1), ("format 'c0' needs a previous size",)),
        (lambda: struct_size(b"s"), ("option 's' has no fixed size", 1, "size")),
    ],
)
def test_what_cannot_be_packed_is_told(pack: Any, error: tuple[Any, ...]) -> None:
    with pytest.raises(BadFormat) as found:
        pack()

    assert found.value.args == error
