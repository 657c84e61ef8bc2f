"""Fuzz of the request parser: mutated streams, cut anywhere, against an obvious reading.

    make fuzz ARGS=SEED      round after round, until a law is broken

The laws of a round: a stream gives the same requests fed whole, byte by byte, and in
random pieces; they are those of `reference`, which reads a finished stream in the
simplest way; only a fault is last, and nothing comes after it; nothing else is raised.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from respq.errors import ProtocolFault, RespqError, TooBig
from respq.resp.inline import split_inline
from respq.resp.parser import Arrived, Parser
from respq.resp.run import Run

MIB = 1024 * 1024
LINE_BYTES_MAX = 64 * 1024

Answer = list[bytes] | tuple[str, str]
"""A request, or the class and the text of an error."""


@dataclass(frozen=True)
class Limits:
    bulk_bytes_max: int = 16 * MIB
    query_bytes_max: int = 64 * MIB
    authenticated: bool = True

    def parser(self) -> Parser:
        return Parser(
            bulk_bytes_max=self.bulk_bytes_max,
            query_bytes_max=self.query_bytes_max,
            authenticated=self.authenticated,
        )


# The obvious reading.


class Cut(Exception):
    pass


def reference(stream: bytes, limits: Limits) -> list[Answer]:
    """Return what a stream is, read from its beginning to its end."""
    answers: list[Answer] = []
    position = 0
    try:
        while position < len(stream):
            read = array if stream.startswith(b"*", position) else inline
            answer, position = read(stream, position, limits)
            if answer:
                answers.append(answer)
    except Cut:
        pass
    except ProtocolFault as fault:
        answers.append(("ProtocolFault", str(fault)))
    return answers


def inline(stream: bytes, start: int, limits: Limits) -> tuple[Answer, int]:
    stop = line_end(stream, start, b"\n", "inline request")
    line = stream[start:stop]
    if stop + 1 - start > limits.query_bytes_max:
        raise over_query_limit(limits)
    words = split_inline(line[:-1] if line.endswith(b"\r") else line)
    if words is None:
        raise ProtocolFault("Protocol error: unbalanced quotes in request")
    longest = max((len(word) for word in words), default=0)
    return too_big(longest, limits) if longest > limits.bulk_bytes_max else words, stop + 1


def array(stream: bytes, start: int, limits: Limits) -> tuple[Answer, int]:
    stop = header_end(stream, start, "mbulk count string")
    count = number(stream[start + 1 : stop])
    used = stop + 2 - start
    if used > limits.query_bytes_max:
        raise over_query_limit(limits)
    if count is None or count > 1024 * 1024:
        raise ProtocolFault("Protocol error: invalid multibulk length")
    if count > 10 and not limits.authenticated:
        raise ProtocolFault("Protocol error: unauthenticated multibulk length")
    arguments: list[bytes] = []
    refusal: Answer | None = None
    position = stop + 2
    for _ in range(count):
        stop = header_end(stream, position, "bulk count string")
        if stream[position : position + 1] != b"$":
            got = stream[position : position + 1].decode("utf-8", "surrogateescape")
            raise ProtocolFault(f"Protocol error: expected '$', got '{got}'")
        size = number(stream[position + 1 : stop])
        if size is None or size < 0 or size > 512 * MIB:
            raise ProtocolFault("Protocol error: invalid bulk length")
        if size > 16 * 1024 and not limits.authenticated:
            raise ProtocolFault("Protocol error: unauthenticated bulk length")
        used += stop + 2 - position + size + 2
        if size > limits.bulk_bytes_max:
            refusal = refusal or too_big(size, limits)
        if refusal is None and used > limits.query_bytes_max:
            raise over_query_limit(limits)
        if stop + 2 + size + 2 > len(stream):
            raise Cut
        arguments.append(stream[stop + 2 : stop + 2 + size])
        position = stop + 2 + size + 2
    return refusal or arguments, position


def header_end(stream: bytes, start: int, kind: str) -> int:
    stop = line_end(stream, start, b"\r", kind)
    if stop + 1 == len(stream):
        raise Cut
    return stop


def line_end(stream: bytes, start: int, mark: bytes, kind: str) -> int:
    stop = stream.find(mark, start)
    if (stop if stop >= 0 else len(stream)) - start > LINE_BYTES_MAX:
        raise ProtocolFault(f"Protocol error: too big {kind}")
    if stop < 0:
        raise Cut
    return stop


def number(text: bytes) -> int | None:
    if not text.removeprefix(b"-").isdigit() or len(text) > 20 or b"%d" % int(text) != text:
        return None
    return int(text) if -(2**63) <= int(text) < 2**63 else None


def too_big(size: int, limits: Limits) -> Answer:
    return "TooBig", (
        f"argument of {size} bytes is over the limit of {limits.bulk_bytes_max} bytes: "
        "keep the data elsewhere and send a reference"
    )


def over_query_limit(limits: Limits) -> ProtocolFault:
    return ProtocolFault(f"Protocol error: too big request, over {limits.query_bytes_max} bytes")


# The parser, fed in pieces.


def parse(stream: bytes, cuts: list[int], limits: Limits) -> list[Answer]:
    """Return what the parser makes of a stream that arrives cut at these places."""
    parser = limits.parser()
    answers: list[Answer] = []
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        requests = feed(parser, stream[start:stop])
        while parser.held:
            requests += parser.feed(b"")
        for request in singly(requests):
            assert not answers or answers[-1][0] != "ProtocolFault", "something follows a fault"
            answers.append(answer_of(request))
        assert parser.failed == bool(answers and answers[-1][0] == "ProtocolFault")
    return answers


def feed(parser: Parser, data: bytes) -> Arrived:
    """Return what a read brings, as a connection takes it."""
    alone = parser.feed_alone(data)
    return parser.feed(data) if alone is None else [[*alone[0], alone[1]]]


def singly(arrived: Arrived) -> Iterator[list[bytes] | RespqError]:
    """Yield each request, those of runs too."""
    for each in arrived:
        if isinstance(each, Run):
            yield from each
        else:
            yield each


def answer_of(request: list[bytes] | RespqError) -> Answer:
    if isinstance(request, list):
        assert request, "an empty request"
        assert all(type(argument) is bytes for argument in request)
        return request
    assert isinstance(request, ProtocolFault | TooBig)
    return type(request).__name__, str(request)


# Streams that are nearly right.

NAMES = [b"QPUSH", b"QPOP", b"QACK", b"PING", b"SET", b"q", b"a-queue", b"12:1700-3", b""]
ODD = [
    *(b":5\r\n", b"+OK\r\n", b"-ERR no\r\n", b"$4\r\nPING\r\n", b"_\r\n", b"#t\r\n", b",1.5\r\n"),
    *(b"~2\r\n$1\r\na\r\n$1\r\nb\r\n", b"%1\r\n$1\r\na\r\n$1\r\nb\r\n", b"(123\r\n", b"%0\r\n"),
    *(b"=5\r\ntxt:a\r\n", b"|1\r\n+a\r\n+b\r\n", b">2\r\n+a\r\n+b\r\n", b"!3\r\nabc\r\n"),
    *(b"*1\r\n*1\r\n$1\r\na\r\n", b"*2\r\n$1\r\na\r\n+b\r\n", b"*1\r\n:5\r\n", b"*1\r\n$-1\r\n"),
    *(b"*0\r\n", b"*-1\r\n", b"*-10\r\n", b"*01\r\n", b"*+1\r\n", b"*99\r\n", b"*2147483647\r\n"),
    *(
        b"*1\r\n=5\r\ntxt:a\r\n",
        b"*1\r\n(5\r\n",
        b"*1\r\n~1\r\n+a\r\n",
        b"*1\r\n%1\r\n+a\r\n+b\r\n",
    ),
    *(b"*1\r\n$536870912\r\n", b"*1\r\n$536870913\r\n", b"*1\r\n$9223372036854775808\r\n"),
    *(b"\r\n", b"\n", b" \r\n", b"PING\r\n", b"SET \"a b\" 'c'\r\n", b'"\\x41\\n"\r\n', b'a"b\r\n'),
    *(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"*1\r\n$1\r\naZZ", b"*1\rZ$1\rZa\r\n", b"\0\r\n"),
]
ALPHABET = b"*$\r\n\r\n0123456789-+:~|>%=(_#,!\"'\\ x\0\xff"


def stream_of(dice: random.Random) -> bytes:
    """Return a stream of requests, most often with something wrong in it."""
    parts = [some_request(dice) for _ in range(dice.choice([1, 3, 30, 80]))]
    for _ in range(dice.choice([0, 0, 0, 1, 1, 2])):
        parts.insert(dice.randrange(len(parts) + 1), dice.choice(ODD))
    stream = bytearray(b"".join(parts))
    for _ in range(dice.choice([0, 0, 0, 1, 1, 2, 5])):
        mutate(stream, dice)
    return bytes(stream)


def some_request(dice: random.Random) -> bytes:
    count = dice.choice(
        [1, 1, 2, 3, 3, 3, 3, 3, 3, 4, 5, 7, 9, 10, dice.choice([11, 99, 100, 300])]
    )
    kinds = "nnnt" if count > 10 else "nnnnnnnnnttttaaor" + dice.choice("nnnnnl")
    arguments = [some_argument(dice, dice.choice(kinds)) for _ in range(count)]
    return array_of(*arguments)


def array_of(*arguments: bytes) -> bytes:
    """Return a request as every client writes it."""
    return b"*%d\r\n" % len(arguments) + b"".join(
        b"$%d\r\n%b\r\n" % (len(each), each) for each in arguments
    )


def some_argument(dice: random.Random, kind: str) -> bytes:
    match kind:
        case "n":
            return dice.choice(NAMES)
        case "t":
            return b"x" * dice.choice([1, 9, 10, 64, 99, 100])
        case "a":
            return bytes(dice.choices(ALPHABET, k=dice.randrange(30)))
        case "o":
            return dice.choice(ODD) * dice.choice([1, 1, 5])
        case "r":
            return dice.randbytes(dice.choice([5, 50, 150]))
        case _:
            return b"y" * dice.choice([999, 1_000, 2_500, 17_000])


def mutate(stream: bytearray, dice: random.Random) -> None:
    start = dice.randrange(len(stream) + 1)
    stop = min(len(stream), start + dice.choice([1, 1, 2, 5, 30]))
    match dice.randrange(5):
        case 0:
            stream[start:stop] = bytes(dice.choices(ALPHABET, k=stop - start))
        case 1:
            stream[start:start] = bytes(dice.choices(ALPHABET, k=dice.choice([1, 1, 2, 4])))
        case 2:
            del stream[start:stop]
        case 3:
            stream[start:start] = stream[start:stop]
        case _:
            stream[start:start] = dice.choice(ODD)


def some_limits(dice: random.Random) -> Limits:
    if dice.random() < 0.6:
        return Limits()
    return Limits(
        bulk_bytes_max=dice.choice([16 * MIB, 16_384, 2_000, 80, 8]),
        query_bytes_max=dice.choice([64 * MIB, 20_000, 3_000, 300, 50]),
        authenticated=dice.choice([True, True, False]),
    )


def some_cuts(dice: random.Random, size: int) -> list[int]:
    if size < 2:
        return []
    return sorted(dice.sample(range(1, size), k=dice.randrange(min(size - 1, 40))))


def check_round(seed: int) -> int:
    """Run one round and return the bytes of its stream; AssertionError if a law is broken."""
    dice = random.Random(seed)
    stream, limits = stream_of(dice), some_limits(dice)
    want = reference(stream, limits)
    every_byte = list(range(1, len(stream)))
    for cuts in ([], every_byte, some_cuts(dice, len(stream)), some_cuts(dice, len(stream))):
        got = parse(stream, cuts, limits)
        if got != want:
            raise AssertionError(
                f"seed {seed}, {limits}, {len(cuts)} cuts\n"
                f"stream {stream!r}\nwant {want}\ngot  {got}"
            )
    return len(stream)
