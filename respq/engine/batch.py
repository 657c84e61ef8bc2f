"""One batch of the journal as bytes: a frame that proves itself and names the one before it.

    0   version     ┐ these two lie here in every format, for ever, so that a newer
    8   checksum    ┘ format is told apart from damage
    16  previous    checksum of the batch before; 0 in the first
    24  position
    32  epoch       of the writer
    40  now_ms
    48  next_number
    56  next_fence
    64  next_order
    72  record_count
    80  body        transactions of records, opaque here

All fields are unsigned, 8 bytes, little endian. The checksum is the CRC-32 of everything
in the frame but itself, `previous` included: so the batches form a chain, in which none
can be changed, dropped, doubled or moved unseen, and yet each can be read alone. A CRC
finds accidents, not forgers: whoever can write the data directory can write a journal.
"""

from __future__ import annotations

import struct
from zlib import crc32

import msgspec

FORMAT_VERSION = 1

_START = struct.Struct("<QQ")
_REST = struct.Struct("<8Q")
HEADER_BYTES = _START.size + _REST.size


class BatchHeader(msgspec.Struct, frozen=True):
    """What every batch says before its records."""

    version: int
    position: int
    epoch: int
    now_ms: int
    next_number: int
    next_fence: int
    next_order: int
    record_count: int


class BrokenBatch(Exception):
    """Bytes that are not a whole batch; the message is the reason."""


class NewerFormat(BrokenBatch):
    """A whole batch in a format that this version does not know yet."""


class Unchained(BrokenBatch):
    """A whole batch that does not follow the one it was read after."""

    def __init__(self, header: BatchHeader, previous: int, expected: int) -> None:
        super().__init__(
            f"it follows a batch with checksum {previous:08x}, but the one before it has "
            f"{expected:08x}"
        )
        self.header = header


def encode_batch(header: BatchHeader, body: bytes, previous_checksum: int) -> tuple[bytes, int]:
    """Return the bytes of a batch and their checksum, which the next batch must name."""
    rest = _REST.pack(
        previous_checksum,
        header.position,
        header.epoch,
        header.now_ms,
        header.next_number,
        header.next_fence,
        header.next_order,
        header.record_count,
    )
    checksum = _checksum(header.version, rest, body)
    return b"".join((_START.pack(header.version, checksum), rest, body)), checksum


def decode_batch(blob: bytes, previous_checksum: int | None) -> tuple[BatchHeader, bytes, int]:
    """Return header, body and checksum of a batch.

    Args:
        blob: the frame, as `encode_batch` made it.
        previous_checksum: of the batch before; None for a batch that is read on its own.

    Raises:
        BrokenBatch: the frame is damaged.
        NewerFormat: the frame is whole, but of a later respq.
        Unchained: the frame is whole, but follows another batch.
    """
    if len(blob) < HEADER_BYTES:
        raise BrokenBatch(f"{len(blob)} bytes are too few for a batch")
    version, checksum = _START.unpack_from(blob)
    rest, body = blob[_START.size : HEADER_BYTES], blob[HEADER_BYTES:]
    found = _checksum(version, rest, body)
    if found != checksum:
        raise BrokenBatch(f"its checksum is {found:08x} where {checksum:08x} was written")
    if version > FORMAT_VERSION:
        raise NewerFormat(f"it has format {version}, this respq reads up to {FORMAT_VERSION}")
    if version == 0:
        raise BrokenBatch("it has format 0, which never was")
    previous, *fields = _REST.unpack(rest)
    header = BatchHeader(version, *fields)
    if previous_checksum is not None and previous != previous_checksum:
        raise Unchained(header, previous, previous_checksum)
    return header, body, checksum


def previous_checksum(blob: bytes) -> int:
    """Return the checksum of the batch before, as a whole batch names it."""
    previous: int = _REST.unpack_from(blob, _START.size)[0]
    return previous


def stored_checksum(blob: bytes) -> int | None:
    """Return the checksum that a frame carries, unproven; None if it is too short for one."""
    if len(blob) < _START.size:
        return None
    checksum: int = _START.unpack_from(blob)[1]
    return checksum


def _checksum(version: int, rest: bytes, body: bytes) -> int:
    return crc32(body, crc32(rest, crc32(version.to_bytes(8, "little"))))
