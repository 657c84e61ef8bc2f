from __future__ import annotations

import random
import re
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respq.config import ARGUMENTS_MAX, BULK_BYTES_MAX, INLINE_BYTES_MAX, MIB
from respq.errors import ProtocolFault, RespqError, TooBig
from respq.resp.encoder import encode
from respq.resp.parser import Parser
from respq.resp.run import Run
from tests.fuzz.parser import array_of, feed, singly, stream_of
from tests.resp.real_redis import RealRedis, real_redis, replies_in

PING = b"*1\r\n$4\r\nPING\r\n"

FAULTS = [
    (b"*2147483648\r\n", "invalid multibulk length"),
    (b"*9223372036854775808\r\n", "invalid multibulk length"),
    (b"*abc\r\n", "invalid multibulk length"),
    (b"*\r\n", "invalid multibulk length"),
    (b"*+1\r\n", "invalid multibulk length"),
    (b"*01\r\n", "invalid multibulk length"),
    (b"*-0\r\n", "invalid multibulk length"),
    (b"*-9223372036854775809\r\n", "invalid multibulk length"),
    (b"*1\r\n$-1\r\n", "invalid bulk length"),
    (b"*1\r\n$\r\n", "invalid bulk length"),
    (b"*1\r\n$01\r\nx\r\n", "invalid bulk length"),
    (b"*1\r\n$+4\r\nPING\r\n", "invalid bulk length"),
    (b"*1\r\n$4x\r\nPING\r\n", "invalid bulk length"),
    (b"*1\r\n$536870913\r\n", "invalid bulk length"),
    (b"*1\r\n:5\r\n", "expected '$', got ':'"),
    (b"*2\r\n$4\r\nECHO\r\n+x\r\n", "expected '$', got '+'"),
    (b"*1\r\n*1\r\n$4\r\nPING\r\n", "expected '$', got '*'"),
    (b"*1\r\n~1\r\n$4\r\nPING\r\n", "expected '$', got '~'"),
    (b"*1\r\n=8\r\ntxt:PING\r\n", "expected '$', got '='"),
    (b"*1\r\n_\r\n", "expected '$', got '_'"),
    (b"*1\r\n\xff\r\n", "expected '$', got '\udcff'"),
    (b"*1\r\n\r\n", "expected '$', got '\r'"),
    (b'ECHO "a\r\n', "unbalanced quotes in request"),
    (b"ECHO 'a\r\n", "unbalanced quotes in request"),
    (b'ECHO "a"b\r\n', "unbalanced quotes in request"),
    (b"*" + b"1" * 70_000, "too big mbulk count string"),
    (b"*1\r\n$" + b"1" * 70_000, "too big bulk count string"),
    (b"a" * 70_000, "too big inline request"),
]
STRANGERS_FAULTS = [
    (b"*11\r\n", "unauthenticated multibulk length"),
    (b"*1\r\n$16385\r\n", "unauthenticated bulk length"),
    (b"*1048576\r\n", "unauthenticated multibulk length"),
    (b"*1\r\n$536870913\r\n", "invalid bulk length"),
]


def make_parser(
    bulk_bytes_max: int = 16 * MIB, query_bytes_max: int = 64 * MIB, authenticated: bool = True
) -> Parser:
    return Parser(
        bulk_bytes_max=bulk_bytes_max,
        query_bytes_max=query_bytes_max,
        authenticated=authenticated,
    )


def feed_all(parser: Parser, pieces: list[bytes]) -> list[object]:
    """Feed pieces and return the requests, and errors by class and text."""
    answers: list[object] = []
    for piece in pieces:
        for each in singly(feed(parser, piece)):
            answers.append((type(each), str(each)) if isinstance(each, RespqError) else each)
    return answers


def every_byte(stream: bytes) -> list[bytes]:
    return [stream[at : at + 1] for at in range(len(stream))]


def fault(text: str) -> tuple[type, str]:
    return (ProtocolFault, f"Protocol error: {text}")


# Requests.


def test_a_request_comes_out_with_its_last_byte_and_not_before() -> None:
    parser = make_parser()
    stream = array_of(b"QPUSH", b"mail", b"hello")

    for byte in every_byte(stream)[:-1]:
        assert parser.feed(byte) == []
    assert parser.feed(b"\n") == [[b"QPUSH", b"mail", b"hello"]]


@given(
    requests=st.lists(st.lists(st.binary(max_size=120), min_size=1, max_size=12), max_size=40),
    data=st.data(),
)
def test_requests_come_out_as_they_went_in_however_they_are_cut(
    requests: list[list[bytes]], data: st.DataObject
) -> None:
    stream = b"".join(array_of(*each) for each in requests)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    pieces = [
        stream[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True)
    ]

    assert feed_all(make_parser(), [stream]) == requests
    assert feed_all(make_parser(), pieces) == requests
    assert feed_all(make_parser(), every_byte(stream)) == requests


def test_inline_requests_and_arrays_mix_in_one_pipeline() -> None:
    stream = b'PING\r\n%bSET a "b c"\n  \r\n%b' % (PING, array_of(b"GET", b"a")) * 30

    answers = feed_all(make_parser(), [stream])

    assert answers == [[b"PING"], [b"PING"], [b"SET", b"a", b"b c"], [b"GET", b"a"]] * 30


def test_blank_lines_and_empty_arrays_give_nothing() -> None:
    assert feed_all(make_parser(), [b"\r\n\n \t \r\n*0\r\n*-1\r\n*-7\r\n", PING]) == [[b"PING"]]


def test_http_comes_out_as_inline_requests() -> None:
    stream = b"POST /x HTTP/1.1\r\nHost: here\r\n\r\n"

    answers = feed_all(make_parser(), [stream])

    assert answers == [[b"POST", b"/x", b"HTTP/1.1"], [b"Host:", b"here"]]


def test_resp3_types_outside_of_an_array_are_inline_requests_as_in_redis() -> None:
    assert feed_all(make_parser(), [b":5\r\n#t\r\n%1\r\n"]) == [[b":5"], [b"#t"], [b"%1"]]


def test_the_two_bytes_behind_a_bulk_are_skipped_as_redis_does() -> None:
    stream = b"*1\r\n$4\r\nPINGZZ" * 100

    assert feed_all(make_parser(), [stream]) == [[b"PING"]] * 100
    assert feed_all(make_parser(), every_byte(stream)) == [[b"PING"]] * 100


def test_a_nul_is_a_byte_like_any_other() -> None:
    assert feed_all(make_parser(), [b"PING a\0b\r\n"]) == [[b"PING", b"a\0b"]]
    assert feed_all(make_parser(), [b"*1\0\r\n"]) == [fault("invalid multibulk length")]


@pytest.mark.parametrize("payload", [b"\r\n*3\r\n", b"+(=~|>%", b"*2147483647\r\n", b"$5\r\n", b""])
def test_a_long_pipeline_may_carry_any_payload(payload: bytes) -> None:
    commands = [[b"QPUSH", b"q", b"%d" % at + payload] for at in range(500)]
    stream = b"".join(array_of(*each) for each in commands)

    assert feed_all(make_parser(), [stream]) == commands


def test_a_hundred_thousand_arguments_in_small_pieces_are_one_request() -> None:
    arguments = [b"QMPUSH", *(b"%d" % at for at in range(100_000))]
    stream = array_of(*arguments)

    pieces = [stream[at : at + 7] for at in range(0, len(stream), 7)]

    assert feed_all(make_parser(), pieces) == [arguments]
    assert feed_all(make_parser(), [stream + PING]) == [arguments, [b"PING"]]


def test_bulks_behind_a_wide_request_are_not_taken_into_it() -> None:
    arguments = [b"argument"] * 150
    stream = array_of(*arguments) + b"$2\r\nab\r\n" * 100

    answers = feed_all(make_parser(), [stream])

    assert answers == [arguments, *[[b"$2"], [b"ab"]] * 100]


def test_a_large_bulk_in_pieces_is_one_argument() -> None:
    payload = random.Random(1).randbytes(16 * MIB)
    stream = PING + array_of(b"QPUSH", b"q", payload) + PING

    pieces = [stream[at : at + 65_536] for at in range(0, len(stream), 65_536)]

    assert feed_all(make_parser(), pieces) == [[b"PING"], [b"QPUSH", b"q", payload], [b"PING"]]


# Faults.


@pytest.mark.parametrize(("stream", "text"), FAULTS)
def test_bytes_that_are_no_request_are_a_fault_behind_what_came_before(
    stream: bytes, text: str
) -> None:
    before = array_of(b"QPUSH", b"q", b"x" * 64) * 40

    whole = feed_all(make_parser(), [before + stream + PING])
    cut = feed_all(make_parser(), every_byte(before + stream + PING))

    assert whole == cut == [[b"QPUSH", b"q", b"x" * 64]] * 40 + [fault(text)]


def test_nothing_comes_after_a_fault() -> None:
    parser = make_parser()

    parser.feed(b"*1\r\n:5\r\n")

    assert parser.failed
    assert parser.feed(PING) == []


@pytest.mark.parametrize("alien", [b"+x\r\n", b"(1\r\n", b"=5\r\ntxt:a\r\n", b":1\r\n", b"*0\r\n"])
def test_an_argument_of_another_type_is_found_in_the_midst_of_a_long_pipeline(alien: bytes) -> None:
    good = array_of(b"QACK", b"q", b"12:1700-1")
    stream = good * 60 + b"*2\r\n$4\r\nECHO\r\n" + alien + good * 60

    answers = feed_all(make_parser(), [stream])

    assert answers[:-1] == [[b"QACK", b"q", b"12:1700-1"]] * 60
    assert answers[-1] == fault(f"expected '$', got '{alien[:1].decode()}'")


def test_the_largest_count_is_taken_and_one_more_is_a_fault() -> None:
    assert feed_all(make_parser(), [b"*%d\r\n" % ARGUMENTS_MAX]) == []
    assert feed_all(make_parser(), [b"*%d\r\n" % (ARGUMENTS_MAX + 1)]) == [
        fault("invalid multibulk length")
    ]


def test_a_line_may_be_64_kib_long_and_not_a_byte_longer() -> None:
    line = b"x" * INLINE_BYTES_MAX

    for pieces in ([line + b"\n"], every_byte(line + b"\n")):
        assert feed_all(make_parser(), pieces) == [[line]]
    for pieces in ([line + b"x\n"], every_byte(line + b"x")):
        assert feed_all(make_parser(), pieces) == [fault("too big inline request")]


def test_the_end_of_a_line_of_64_kib_may_be_cut() -> None:
    header = b"*" + b"1" * (INLINE_BYTES_MAX - 1)

    for pieces in ([header + b"\r\n"], [header + b"\r", b"\n"], [header, b"\r", b"\n"]):
        assert feed_all(make_parser(), pieces) == [fault("invalid multibulk length")]


# Limits.


def test_an_argument_over_the_limit_is_refused_in_its_place() -> None:
    large = array_of(b"QPUSH", b"q", b"x" * 101, b"ID", b"y" * 150)
    stream = PING + array_of(b"QPUSH", b"q", b"x" * 100) + large + PING

    whole = feed_all(make_parser(bulk_bytes_max=100), [stream])
    cut = feed_all(make_parser(bulk_bytes_max=100), every_byte(stream))

    assert whole == cut
    assert [each if isinstance(each, list) else each[0] for each in whole] == [  # type: ignore[index]
        [b"PING"],
        [b"QPUSH", b"q", b"x" * 100],
        TooBig,
        [b"PING"],
    ]


def test_an_inline_argument_over_the_limit_is_refused_too() -> None:
    answers = make_parser(bulk_bytes_max=4).feed(b"ECHO 12345\r\nECHO 1234\r\n")

    assert isinstance(answers[0], TooBig)
    assert answers[1] == [b"ECHO", b"1234"]


def test_a_refused_request_may_be_longer_than_any_that_is_taken() -> None:
    parser = make_parser(bulk_bytes_max=100, query_bytes_max=1_000)

    answers = parser.feed(array_of(b"QPUSH", b"q", b"x" * 5_000, b"y" * 90) + PING)

    assert isinstance(answers[0], TooBig)
    assert answers[1] == [b"PING"]


def test_a_refused_request_with_a_fault_in_it_is_a_fault() -> None:
    answers = feed_all(make_parser(bulk_bytes_max=2), [b"*2\r\n$3\r\nabc\r\n:5\r\n"])

    assert answers == [fault("expected '$', got ':'")]


def test_discarded_bytes_are_not_stored() -> None:
    parser = make_parser(bulk_bytes_max=1_000)
    piece = b"x" * MIB
    tracemalloc.start()

    assert parser.feed(b"*3\r\n$5\r\nQPUSH\r\n$1\r\nq\r\n$%d\r\n" % BULK_BYTES_MAX) == []
    for _ in range(BULK_BYTES_MAX // MIB):
        assert parser.feed(piece) == []
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    answers = parser.feed(b"\r\n" + PING)

    assert isinstance(answers[0], TooBig)
    assert answers[1] == [b"PING"]
    assert peak_bytes < 2 * MIB


def test_a_request_may_be_as_long_as_the_limit_and_not_a_byte_longer() -> None:
    stream = array_of(b"QPUSH", b"q", b"x" * 64)

    for pieces in ([stream], every_byte(stream)):
        fits = feed_all(make_parser(query_bytes_max=len(stream)), pieces)
        is_over = feed_all(make_parser(query_bytes_max=len(stream) - 1), pieces)

        assert fits == [[b"QPUSH", b"q", b"x" * 64]]
        assert is_over == [fault(f"too big request, over {len(stream) - 1} bytes")]


def test_many_requests_together_may_be_longer_than_the_limit_of_one() -> None:
    parser = make_parser(query_bytes_max=100)

    assert feed_all(parser, [PING * 1_000]) == [[b"PING"]] * 1_000


def test_a_request_over_the_limit_is_a_fault_before_its_bulk_has_come() -> None:
    answers = feed_all(make_parser(query_bytes_max=1_000), [b"*1\r\n$2000\r\n"])

    assert answers == [fault("too big request, over 1000 bytes")]


@pytest.mark.parametrize(
    "stream",
    [
        b"*2147483647\r\n",
        b"*%d\r\n" % ARGUMENTS_MAX,
        b"*99\r\n" * 20_000,
        b"*2\r\n$0\r\n\r\n" * 10_000,
        b"~99999999\r\n" * 500,
        b">99999999\r\n" * 500,
        b"*1\r\n|99999999\r\n" * 500,
        b"*1\r\n$536870912\r\n",
        b"*1\r\n$16777216\r\nx",
    ],
)
def test_a_header_takes_no_memory(stream: bytes) -> None:
    parser = make_parser()
    tracemalloc.start()

    parser.feed(PING * 200 + stream)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak_bytes < 8 * MIB


def test_what_a_failed_parser_held_is_freed() -> None:
    parser = make_parser()
    tracemalloc.start()

    parser.feed(b"*2\r\n$16000000\r\n")
    for _ in range(15):
        parser.feed(b"x" * 1_000_000)
    held_bytes = tracemalloc.get_traced_memory()[0]
    parser.feed(b"x" * 1_000_002 + b":5\r\n")
    freed_bytes = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert parser.failed
    assert held_bytes > 15_000_000
    assert freed_bytes < 100_000


# Strangers.


@pytest.mark.parametrize(("stream", "text"), STRANGERS_FAULTS)
def test_strangers_have_lower_limits(stream: bytes, text: str) -> None:
    for pieces in ([stream], every_byte(stream)):
        assert feed_all(make_parser(authenticated=False), pieces) == [fault(text)]


def test_strangers_may_send_what_is_within_their_limits() -> None:
    largest = [b"x" * 16_384] * 10

    assert feed_all(make_parser(authenticated=False), [array_of(*largest) * 3]) == [largest] * 3


@pytest.mark.parametrize("more", [[b"x"] * 11, [b"SET", b"a", b"x" * 16_385]])
def test_what_follows_an_auth_in_one_pipeline_waits_for_its_outcome(more: list[bytes]) -> None:
    stream = array_of(b"AUTH", b"secret") + array_of(*more) + PING
    welcome, refused = make_parser(authenticated=False), make_parser(authenticated=False)

    for parser in (welcome, refused):
        assert parser.feed(stream) == [[b"AUTH", b"secret"]]
        assert parser.held
    welcome.authenticated = True

    assert feed_all(welcome, [b""]) == [more, [b"PING"]]
    assert not welcome.held
    assert [type(each) for each in refused.feed(b"")] == [ProtocolFault]
    assert not refused.held


# Redis itself.


@pytest.fixture(scope="module")
def redis() -> Iterator[RealRedis]:
    with real_redis() as server:
        yield server


@pytest.fixture(scope="module")
def guarded_redis() -> Iterator[RealRedis]:
    with real_redis("--requirepass", "secret") as server:
        yield server


@pytest.mark.parametrize(("stream", "_"), FAULTS)
def test_redis_says_the_same_of_a_fault(redis: RealRedis, stream: bytes, _: str) -> None:
    [answer] = make_parser().feed(stream)

    assert isinstance(answer, ProtocolFault)
    assert redis.answers(stream) == replies_in(encode(answer, 2))


@pytest.mark.parametrize(("stream", "_"), STRANGERS_FAULTS)
def test_redis_says_the_same_to_strangers(guarded_redis: RealRedis, stream: bytes, _: str) -> None:
    [answer] = make_parser(authenticated=False).feed(stream)

    assert isinstance(answer, ProtocolFault)
    assert guarded_redis.answers(stream) == replies_in(encode(answer, 2))


@pytest.mark.parametrize(
    "line",
    [
        b"ECHO abc\n",
        b"ECHO  \t abc  \r\n",
        b'ECHO "a b\\x41\\xzz\\n\\r\\t\\b\\a\\q\\"\\\\" \r\n',
        b"ECHO 'a\\'b\\n\"'\r\n",
        b'ECHO a"b c"\r\n',
        b'ECHO ""\r\n',
        b"ECHO a\x0bb\x0c\r\n",
        b"ECHO \x0b\x0cb\r\n",
        b"\"ECHO\"\x0b'a'\r\n",
        b"ECHO a\rb\n",
        b"ECHO \xff\xfe\r\n",
    ],
)
def test_redis_reads_an_inline_request_the_same_way(redis: RealRedis, line: bytes) -> None:
    answers = make_parser().feed(line)

    if isinstance(answers[0], list) and len(answers[0]) == 2:
        assert redis.answers(line) == [answers[0][1]]
    else:
        assert redis.answers(line) == ["ERR wrong number of arguments for 'echo' command"]


def test_redis_finds_as_many_requests_in_mutated_streams_and_the_same_fault() -> None:
    dice = random.Random(2)
    streams = [stream_of(dice) for _ in range(600)]

    with real_redis("--rename-command", "SET", "") as server:
        for stream in filter(is_comparable, streams):
            answers = make_parser().feed(stream)
            replies = server.answers(stream)

            count = sum(len(each) if isinstance(each, Run) else 1 for each in answers)
            assert len(replies) == count, stream
            if answers and isinstance(answers[-1], ProtocolFault):
                assert replies[-1:] == replies_in(encode(answers[-1], 2)), stream


def is_comparable(stream: bytes) -> bool:
    """Whether Redis should agree: it waits at a NUL, takes more arguments, and ends at HTTP."""
    return not re.search(rb"\0|\*\d{7}|Host:", stream) and len(stream) < 12_000
