from __future__ import annotations

import pytest

from respq.resp.short import read_short
from tests.fuzz.parser import array_of

GOOD = b"*3\r\n$5\r\nQPUSH\r\n$1\r\nq\r\n$10\r\n0123456789\r\n"


@pytest.mark.parametrize("size", [0, 1, 9, 10, 99, 100, 999, 1_000, 9_999, 10_000, 1_000_000])
def test_a_short_request_is_read_with_arguments_of_any_size(size: int) -> None:
    request = [b"QPUSH", b"q", b"x" * size, b"ID", b"7"]
    stream = array_of(*request)

    assert read_short(b"before" + stream + b"after", 6, len(stream)) == (request, 6 + len(stream))
    assert read_short(stream, 0, len(stream) - 1) is None


@pytest.mark.parametrize("count", range(1, 10))
def test_a_request_of_up_to_nine_arguments_is_short(count: int) -> None:
    request = [b"a" * 9] * count

    assert read_short(array_of(*request), 0, 1_000) == (
        request,
        4 + 15 * count,
    )


@pytest.mark.parametrize("size", range(len(GOOD)))
def test_a_request_that_is_cut_is_none(size: int) -> None:
    assert read_short(GOOD[:size], 0, 1_000) is None


@pytest.mark.parametrize(
    "stream",
    [
        b"PING\r\n",
        b"*10\r\n" + b"$1\r\nx\r\n" * 10,
        b"*0\r\n",
        b"*1\r\n$10\r\n0123456789\r\n",
        b"*2\r\n$1\r\nx\r\n$01\r\ny\r\n",
        b"*2\r\n$1\r\nx\r\n$-1\r\n",
        b"*2\r\n$1\r\nx\r\n:5\r\nyyyyyyyyy",
        b"*2\r\n$1\r\nx\r\n+1\r\ny\r\n",
        b"*2\r\n$1\r\nx\r\n$1\n\ny\r\n",
    ],
)
def test_anything_less_plain_is_none(stream: bytes) -> None:
    assert read_short(stream, 0, 1_000) is None
