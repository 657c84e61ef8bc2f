from __future__ import annotations

import enum
import math
import struct
from collections.abc import Callable, Iterator
from typing import Any

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from respq.errors import BadReceipt, ProtocolFault, RespqError, SyntaxFault
from respq.resp.encoder import encode, encode_deliveries, encode_ids
from respq.resp.replies import NULL_ARRAY, OK, Push, Replies, Reply, SetOf, Simple, Verbatim


def read_back(data: bytes) -> Any:
    reader = hiredis.Reader()
    reader.feed(data)
    return reader.gets()


@pytest.mark.parametrize(
    ("reply", "resp2", "resp3"),
    [
        (0, b":0\r\n", b":0\r\n"),
        (1_023, b":1023\r\n", b":1023\r\n"),
        (1_024, b":1024\r\n", b":1024\r\n"),
        (-1, b":-1\r\n", b":-1\r\n"),
        (2**63, b":9223372036854775808\r\n", b":9223372036854775808\r\n"),
        (b"", b"$0\r\n\r\n", b"$0\r\n\r\n"),
        (b"a\r\n", b"$3\r\na\r\n\r\n", b"$3\r\na\r\n\r\n"),
        (None, b"$-1\r\n", b"_\r\n"),
        (NULL_ARRAY, b"*-1\r\n", b"_\r\n"),
        (OK, b"+OK\r\n", b"+OK\r\n"),
        (Simple(b"QUEUED"), b"+QUEUED\r\n", b"+QUEUED\r\n"),
        ([], b"*0\r\n", b"*0\r\n"),
        ((), b"*0\r\n", b"*0\r\n"),
        ([1, [None, b"a"]], b"*2\r\n:1\r\n*2\r\n$-1\r\n$1\r\na\r\n", None),
        ([1, [None, b"a"]], None, b"*2\r\n:1\r\n*2\r\n_\r\n$1\r\na\r\n"),
        ({b"a": 1}, b"*2\r\n$1\r\na\r\n:1\r\n", b"%1\r\n$1\r\na\r\n:1\r\n"),
        ({}, b"*0\r\n", b"%0\r\n"),
        ({b"a": {b"b": True}}, None, b"%1\r\n$1\r\na\r\n%1\r\n$1\r\nb\r\n#t\r\n"),
        (True, b":1\r\n", b"#t\r\n"),
        (False, b":0\r\n", b"#f\r\n"),
        ({b"x"}, b"*1\r\n$1\r\nx\r\n", b"~1\r\n$1\r\nx\r\n"),
        (frozenset({b"x"}), b"*1\r\n$1\r\nx\r\n", b"~1\r\n$1\r\nx\r\n"),
        (SetOf([b"b", [1]]), b"*2\r\n$1\r\nb\r\n*1\r\n:1\r\n", b"~2\r\n$1\r\nb\r\n*1\r\n:1\r\n"),
        (Verbatim(b"text"), b"$4\r\ntext\r\n", b"=8\r\ntxt:text\r\n"),
        (Push([b"message", 1]), b"*2\r\n$7\r\nmessage\r\n:1\r\n", b">2\r\n$7\r\nmessage\r\n:1\r\n"),
        (Replies([1, Push([2])]), b":1\r\n*1\r\n:2\r\n", b":1\r\n>1\r\n:2\r\n"),
        (1.5, b"$3\r\n1.5\r\n", b",1.5\r\n"),
        (math.inf, b"$3\r\ninf\r\n", b",inf\r\n"),
        (-math.inf, b"$4\r\n-inf\r\n", b",-inf\r\n"),
        (math.nan, b"$3\r\nnan\r\n", b",nan\r\n"),
    ],
)
def test_a_reply_is_written_in_the_shape_of_its_protocol(
    reply: Reply, resp2: bytes | None, resp3: bytes | None
) -> None:
    assert resp2 is None or encode(reply, 2) == resp2
    assert resp3 is None or encode(reply, 3) == resp3


@given(values=st.lists(st.binary(max_size=20), max_size=5), size=st.integers(0, 3_000))
def test_a_tuple_of_bulk_strings_reads_back(values: list[bytes], size: int) -> None:
    for at in range(len(values)):
        some_long = [*values]
        some_long[at] *= size

        assert read_back(encode(tuple(some_long), 2)) == some_long
        assert encode(tuple(some_long), 3) == encode(list(some_long), 2)


def test_a_list_of_jobs_reads_back() -> None:
    jobs = [(b"1700-%d" % at, b"%d:1700-%d" % (at, at), b"x" * at) for at in range(1_500)]

    assert read_back(encode(jobs, 2)) == [list(job) for job in jobs]
    assert encode(jobs, 2) == encode(jobs, 3)


# Errors.


def test_an_error_has_its_prefix_and_its_message() -> None:
    assert encode(BadReceipt("receipt is stale"), 2) == b"-BADRECEIPT receipt is stale\r\n"
    assert encode(ProtocolFault("Protocol error: x"), 3) == b"-ERR Protocol error: x\r\n"


def test_an_error_is_one_line_whatever_its_message_holds() -> None:
    assert encode(SyntaxFault("a\r\nb\nc"), 2) == b"-ERR a  b c\r\n"


def test_bytes_of_a_client_come_back_in_an_error_as_they_were() -> None:
    name = b"\xff\xc3\xa9".decode("utf-8", "surrogateescape")

    assert encode(SyntaxFault(f"unknown '{name}'"), 2) == b"-ERR unknown '\xff\xc3\xa9'\r\n"


def test_text_that_has_no_bytes_is_no_obstacle_to_an_error() -> None:
    assert encode(RespqError("a\ud800b"), 2) == b"-ERR a?b\r\n"


def test_an_error_in_an_array_keeps_its_place() -> None:
    assert encode([1, BadReceipt("old"), 2], 2) == b"*3\r\n:1\r\n-BADRECEIPT old\r\n:2\r\n"


# Types.


def test_a_subclass_is_written_as_its_base() -> None:
    class Phase(enum.IntEnum):
        READY = 7

    class Late(BadReceipt):
        pass

    for _ in range(2):
        assert encode(Phase.READY, 2) == b":7\r\n"
        assert encode(Late("x"), 2) == b"-BADRECEIPT x\r\n"


@pytest.mark.parametrize("value", ["text", object(), 1j, [b"a", "text"], {b"a": "text"}])
def test_a_value_that_is_no_reply_is_refused(value: Any) -> None:
    for protocol in (2, 3):
        with pytest.raises(TypeError):
            encode(value, protocol)


# Doubles: the texts are those of Redis 7.2.


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, b"0"),
        (-0.0, b"-0"),
        (3.0, b"3"),
        (-3.0, b"-3"),
        (0.1, b"0.1"),
        (-2.5, b"-2.5"),
        (3.141592653589793, b"3.141592653589793"),
        (123456.789, b"123456.789"),
        (1e-5, b"0.00001"),
        (1e-6, b"0.000001"),
        (1e-7, b"1e-7"),
        (-1.5e-7, b"-1.5e-7"),
        (0.00012345, b"1.2345e-4"),
        (0.0012345, b"0.0012345"),
        (1e17, b"100000000000000000"),
        (2.0**62, b"4611686018427387904"),
        (1e19, b"1e+19"),
        (1.2345678901234568e22, b"12345678901234568000000"),
        (1.2345678901234568e24, b"1.2345678901234568e+24"),
        (5e-324, b"5e-324"),
        (1.7976931348623157e308, b"1.7976931348623157e+308"),
    ],
)
def test_a_double_is_as_short_as_in_redis(value: float, text: bytes) -> None:
    assert encode(value, 3) == b",%b\r\n" % text
    assert encode(value, 2) == b"$%d\r\n%b\r\n" % (len(text), text)


@given(st.floats(allow_nan=False))
def test_a_double_reads_back_to_the_bit(value: float) -> None:
    bits: Callable[[float], bytes] = struct.Struct("d").pack

    assert bits(float(encode(value, 3)[1:-2])) == bits(value)


@pytest.mark.parametrize("payload", [b"", b"x", b"a\r\nb", b"x" * 5_000])
def test_deliveries_are_arrays_of_id_receipt_and_payload(payload: bytes) -> None:
    receipts = [b"9:17-5", b"10:17-6", b"1234:x", b"12:a:bc", b"1:2:3:4", b"7:" + b"i" * 255]

    replies = encode_deliveries(receipts, [payload] * len(receipts))

    ids = [b"17-5", b"17-6", b"x", b"a:bc", b"2:3:4", b"i" * 255]
    for reply, job_id, receipt in zip(replies, ids, receipts, strict=True):
        assert (
            reply == encode([job_id, receipt, payload], 2) == encode((job_id, receipt, payload), 3)
        )


@pytest.mark.parametrize("numbers", [range(7, 8), range(8, 13), range(99, 102), range(998, 1_001)])
def test_ids_are_bulk_strings(numbers: range) -> None:
    assert encode_ids(1_700, numbers) == [encode(b"1700-%d" % each, 2) for each in numbers]


def test_a_push_that_many_get_is_encoded_once_for_each_protocol() -> None:
    class Items(list[Reply]):
        reads = 0

        def __iter__(self) -> Iterator[Reply]:
            self.reads += 1
            return super().__iter__()

    items = Items([b"message", 1])
    push = Push(items)

    in_resp2 = {encode(Replies([push, push]), 2) for _ in range(3)}
    assert (in_resp2, items.reads) == ({2 * b"*2\r\n$7\r\nmessage\r\n:1\r\n"}, 1)
    in_resp3 = {encode(Replies([push, push]), 3) for _ in range(3)}
    assert (in_resp3, items.reads) == ({2 * b">2\r\n$7\r\nmessage\r\n:1\r\n"}, 2)
