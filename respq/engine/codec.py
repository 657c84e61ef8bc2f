"""The body of a batch: records as MessagePack.

A body is ``[records, sizes]``: the records of all transactions in order, each an array
that begins with its tag, and the transactions that hold more than one record as flat
pairs ``index, length``. Records outside those pairs are transactions of their own, so
the common case (a push, a pop, an ack) costs no byte and no allocation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from respq.engine.records import AnyRecord, Record


class UnreadableRecord(Exception):
    """A record that this version cannot decode."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[list[AnyRecord], list[int]])


def encode_records(records: Sequence[Record], sizes: Sequence[int]) -> bytes:
    """Return the body for ``records``; ``sizes`` are the flat pairs of index and length."""
    return _encoder.encode((records, sizes))


def decode_body(body: bytes) -> tuple[list[AnyRecord], list[int]]:
    """Return the records of a body and its flat pairs of index and length.

    Raises:
        UnreadableRecord: if the bytes are no body, or hold a record of an unknown kind.
    """
    try:
        return _decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise UnreadableRecord(str(error)) from error


def decode_records(body: bytes) -> list[AnyRecord]:
    """Return the records of a body in order."""
    return decode_body(body)[0]


def transactions(body: bytes) -> Iterator[list[AnyRecord]]:
    """Yield the records of a body, one list a transaction."""
    records, sizes = decode_body(body)
    position = 0
    for index, length in zip(sizes[::2], sizes[1::2], strict=True):
        for single in records[position:index]:
            yield [single]
        yield records[index : index + length]
        position = index + length
    for single in records[position:]:
        yield [single]
