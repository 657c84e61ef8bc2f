from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respq.resp.pipeline import is_dense, read_arguments, read_requests, slice_before
from tests.fuzz.parser import array_of

GOOD = b"*2\r\n$4\r\nECHO\r\n$1\r\nx\r\n"
BULK = b"$1\r\nx\r\n"
# What begins a request, and what stands where an argument should, hiredis takes all of it.
ALIEN_ROOTS = [
    b"~1\r\n$4\r\nPING\r\n",
    b"|1\r\n$1\r\na\r\n$1\r\nb\r\n",
    b">1\r\n$4\r\nPING\r\n",
    b"%1\r\n$1\r\na\r\n$1\r\nb\r\n",
    b"%0\r\n",
    b"*0\r\n",
    b"*-1\r\n",
    b"$0\r\n\r\n",
    b"$4\r\nPING\r\n",
    b"$-1\r\n",
    b"+PING\r\n",
    b"+\r\n",
    b"-ERR\r\n",
    b":5\r\n",
    b"(5\r\n",
    b",5\r\n",
    b"_\r\n",
    b"#t\r\n",
    b"=8\r\ntxt:PING\r\n",
]
ALIEN_ARGUMENTS = [
    b"+x\r\n",
    b"(5\r\n",
    b"=5\r\ntxt:x\r\n",
    b"-ERR\r\n",
    b":5\r\n",
    b",5\r\n",
    b"_\r\n",
    b"#t\r\n",
    b"$-1\r\n",
    b"*-1\r\n",
    b"*0\r\n",
    b"~0\r\n",
    b">0\r\n",
    b"%0\r\n",
    b"|0\r\n",
    b"*1\r\n$1\r\nx\r\n",
    b"%1\r\n*0\r\n$1\r\nx\r\n",
    b"%1\r\n%0\r\n$1\r\nx\r\n",
]


def looks_plain(argument: bytes) -> bool:
    return re.search(rb"[*~%|>=]\d", argument) is None


PLAIN = st.binary(max_size=30).filter(looks_plain)


@given(requests=st.lists(st.lists(PLAIN, min_size=1, max_size=9), min_size=1))
def test_whole_requests_are_read_as_they_were_sent(requests: list[list[bytes]]) -> None:
    piece = b"".join(array_of(*each) for each in requests)

    assert read_requests(piece) == requests


@given(arguments=st.lists(PLAIN, min_size=1))
def test_whole_arguments_are_read_as_they_were_sent(arguments: list[bytes]) -> None:
    piece = b"".join(b"$%d\r\n%b\r\n" % (len(each), each) for each in arguments)

    assert read_arguments(piece) == arguments


@pytest.mark.parametrize("alien", ALIEN_ROOTS)
def test_a_root_of_another_type_is_left_to_the_exact_reader(alien: bytes) -> None:
    for piece in (alien, GOOD + alien, alien + GOOD, GOOD + alien + GOOD):
        assert read_requests(piece) is None


@pytest.mark.parametrize("alien", ALIEN_ARGUMENTS)
def test_an_argument_of_another_type_is_left_to_the_exact_reader(alien: bytes) -> None:
    for piece in (b"*1\r\n" + alien, GOOD + b"*3\r\n" + BULK + alien + BULK + GOOD):
        assert read_requests(piece) is None
    for piece in (alien, BULK + alien, alien + BULK):
        assert read_arguments(piece) is None


def test_an_alien_is_not_balanced_by_the_same_byte_in_an_argument() -> None:
    assert read_requests(b"*2\r\n+x\r\n$1\r\n+\r\n") is None
    assert read_requests(b"*2\r\n$1\r\n+\r\n$1\r\nx\r\n") == [[b"+", b"x"]]


@pytest.mark.parametrize("size", range(1, len(GOOD)))
def test_a_piece_that_is_cut_is_left_to_the_exact_reader(size: int) -> None:
    assert read_requests(GOOD + GOOD[:size]) is None


@pytest.mark.parametrize("mark", [b"*100", b"~1", b"|1", b">1", b"%1", b"=1"])
def test_what_hiredis_should_not_see_is_left_to_the_exact_reader(mark: bytes) -> None:
    for before in (b"", GOOD, b"*1\r\n", b"*1\r\n$1\r\nxZZ"):
        assert read_requests(before + mark + b"\r\n" + BULK * 100) is None


@pytest.mark.parametrize("payload", [b"~1.", b"a=5 b", b"100%", b">", b"|x|", b"*99.", b"+(=~|>%"])
def test_a_payload_that_only_resembles_a_header_is_read(payload: bytes) -> None:
    assert read_requests(array_of(b"ECHO", payload)) == [[b"ECHO", payload]]


def test_an_array_of_99_is_read() -> None:
    assert read_requests(b"*99\r\n" + BULK * 99) == [[b"x"] * 99]


def test_nothing_is_no_request() -> None:
    assert read_requests(b"") is None
    assert read_arguments(b"") is None


def test_a_slice_ends_before_the_last_line_that_begins_with_the_mark() -> None:
    data = GOOD * 3

    assert slice_before(b"*", data, len(GOOD), len(data) - 1) == GOOD
    assert slice_before(b"*", data + b"*1", 0, 1_000) == data
    assert slice_before(b"*", b"*1\r\n$4\r\nPI", 0, 1_000) == b""


def test_a_slice_ends_with_the_data_if_that_is_the_end_of_a_line() -> None:
    assert slice_before(b"*", GOOD * 3, len(GOOD), 1_000) == GOOD * 2


def test_short_lines_are_dense_and_long_ones_are_not() -> None:
    assert is_dense(b"x" * 600 + GOOD * 30, 600)
    assert not is_dense(b"*2\r\n$4\r\nECHO\r\n$600\r\n" + b"x" * 600 + b"\r\n" + GOOD * 30, 0)
