"""Runs of a pipeline: read by splitting, and never otherwise than the exact reader would."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respq.resp.run import Run, gather, read_run
from tests.fuzz.parser import Limits, array_of, parse

MAX = 16 * 1024
PING = b"*1\r\n$4\r\nPING\r\n"


def pipeline(*lasts: bytes) -> bytes:
    return b"".join(array_of(b"QPUSH", b"mail", last) for last in lasts)


def read(data: bytes, bytes_max: int = MAX) -> tuple[list[bytes], int]:
    run, stop = read_run(data, 0, bytes_max)
    assert not run or run.head == [b"QPUSH", b"mail"]
    return run.lasts, stop


@pytest.mark.parametrize(
    "lasts",
    [
        [b"a", b"b", b"c"],
        [b"a", b"", b"bcd"],
        [b"", b"", b""],
        [b"a\r\n", b"\r\n", b"\r\n$1\r\n"],
        [b"x" * 999, b"y"],
        [array_of(b"QPUSH", b"mail", b"1"), array_of(b"QPUSH", b"mail", b"2")],
        [b"inner " + pipeline(b"1", b"2"), b"a"],
    ],
)
def test_requests_that_differ_in_their_last_argument_are_a_run(lasts: list[bytes]) -> None:
    data = pipeline(*lasts)
    found, stop = read(data)

    # What looks like a request within an argument may end a run early, never add to it.
    assert found == lasts[: len(found)]
    assert stop == (len(pipeline(*found)) if found else 0)
    if not any(b"QPUSH" in last for last in lasts):
        assert found == lasts


def test_a_run_of_a_command_with_the_key_alone_repeats_the_key() -> None:
    run, stop = read_run(array_of(b"QPOP", b"mail") * 5, 0, MAX)

    assert (run.head, run.lasts, stop) == ([b"QPOP"], [b"mail"] * 5, 5 * 24)


@pytest.mark.parametrize(
    "follower",
    [
        PING,
        array_of(b"QPUSH", b"other", b"c"),
        array_of(b"QPUSH", b"mail", b"c", b"PRIORITY", b"7"),
        pipeline(b"c")[:-1],
        pipeline(b"c")[:-2],
        pipeline(b"cut off")[:30],
        pipeline(b"c")[:-3] + b"xx\r\n",
        b"*3\r\n$5\r\nQPUSH\r\n$4\r\nmail\r\n$01\r\nc\r\n",
        b"*3\r\n$5\r\nQPUSH\r\n$4\r\nmail\r\n$-1\r\n",
        b"*3\r\n$5\r\nQPUSH\r\n$4\r\nmail\r\n:5\r\n",
        b"PING\r\n",
    ],
)
@pytest.mark.parametrize("lasts", [[b"a", b"b"], [b"a", b"bb"]])
def test_a_run_ends_before_what_is_not_of_it(lasts: list[bytes], follower: bytes) -> None:
    before = pipeline(*lasts)

    assert read(before + follower) == (lasts, len(before))


@pytest.mark.parametrize("data", [PING * 9, pipeline(b"a"), pipeline(b"a") + PING, b"PING\r\n" * 9])
def test_there_is_no_run_of_one_nor_of_commands_without_arguments(data: bytes) -> None:
    assert read(data) == ([], 0)


def test_a_run_is_no_longer_than_it_may_be() -> None:
    data = pipeline(*[b"x" * 10] * 50)
    each = len(data) // 50

    for bytes_max in range(each, 4 * each):
        found, stop = read(data, bytes_max)
        assert stop <= bytes_max
        assert len(found) == (0 if bytes_max < 2 * each else bytes_max // each)


def test_the_rest_of_a_run_is_a_run() -> None:
    run = Run([b"QACK", b"q"], [b"1:a", b"2:b", b"3:c"])

    assert list(run.after(1)) == [[b"QACK", b"q", b"2:b"], [b"QACK", b"q", b"3:c"]]
    assert (len(run), len(run.after(3)), run.size_bytes) == (3, 0, 3 * 5 + 9)


def test_requests_for_one_key_that_differ_in_more_than_the_last_argument_are_a_run() -> None:
    requests = [[b"HSET", b"hash", b"field", b"1"], [b"HSET", b"hash", b"other", b"2"]]
    get = [b"HGET", b"hash", b"field"]

    whole = gather([*requests])
    run, *others = gather([*requests, get, get, requests[0], [b"HSET", b"other", b"field", b"1"]])

    assert isinstance(run, Run)
    assert (run.head, run.columns) == ([b"HSET", b"hash"], ([b"field", b"other"], [b"1", b"2"]))
    assert [[*each] for each in whole if isinstance(each, Run)] == [requests]
    assert others == [get, get, requests[0], [b"HSET", b"other", b"field", b"1"]]
    assert (len(run), run.size_bytes, run.is_narrow) == (2, 2 * 8 + 10 + 2, False)
    assert [*run.first(1), *run.after(1)] == requests


WORD = st.sampled_from([b"a", b"b", b""])


@given(st.lists(st.lists(WORD, min_size=1, max_size=5), min_size=1, max_size=8))
def test_gathered_requests_are_the_same_in_the_same_order(requests: list[list[bytes]]) -> None:
    gathered = gather([*requests])

    assert [
        words for each in gathered for words in (each if isinstance(each, Run) else [each])
    ] == requests
    assert all(len(each) > 1 for each in gathered if isinstance(each, Run))


PIECES = st.sampled_from(
    [b"", b"a", b"bb", b"\r\n", b"$1\r\n", b"x" * 150, pipeline(b"1", b"2"), b"*3\r\n$5\r\nQPUSH"]
)
COMMANDS = st.one_of(
    st.builds(lambda last: array_of(b"QPUSH", b"mail", last), PIECES),
    st.builds(lambda last: array_of(b"QPUSH", last, b"x" * 20), PIECES),
    st.just(array_of(b"QPOP", b"mail")),
    st.just(b"QPUSH mail inline\r\n"),
)


@given(st.lists(st.tuples(COMMANDS, st.integers(1, 60)), max_size=6), st.data())
def test_pipelines_are_read_as_they_are_one_byte_at_a_time(
    parts: list[tuple[bytes, int]], data: st.DataObject
) -> None:
    stream = b"".join(command * count for command, count in parts)
    spoilt = data.draw(st.integers(0, len(stream)), label="spoilt at")
    stream = (
        stream[:spoilt] + data.draw(st.sampled_from([b"", b"\r", b"$", b"x"])) + stream[spoilt:]
    )
    limits = Limits(bulk_bytes_max=1 << 20, query_bytes_max=1 << 20, authenticated=True)

    whole = parse(stream, [], limits)
    ends = [*accumulate(len(command) for command, count in parts for _ in range(count))]

    assert whole == parse(stream, list(range(1, len(stream))), limits)
    assert whole == parse(stream, [end for end in ends if end < len(stream)], limits)
