"""The tail: the newest batch that may have been answered for, beside the journal.

SQLite forgives what we must not: when one bit of a write-ahead log flips, it takes the log
to end there, and everything behind is gone without an error. So after each commit and
before its replies the journal overwrites this file: one record, in place, not fsynced.

    0   position          of the newest batch
    8   checksum          of it
    16  durable_position  up to here the disk has it, whatever happens to the machine
    24  boot              16 bytes: the boot of the machine at which this was written
    40  check             CRC-32 of the 40 bytes before
                          (integers unsigned, 8 bytes, little endian)

What it proves depends on what happened since.

- *The process ended, however it did* (the boot is this one): the page cache still has every
  write, so the record is exact. A journal that ends before it has lost answered work, and
  is refused. A batch one position after it was committed, but never answered for.
- *The machine ended.* The file may be older than the journal, by as much as the kernel had
  not yet written back: then it proves less, never more, and no batch can be said to be
  unanswered. In the modes `everysec` and `no` it may also be newer than the journal. What
  lies between `durable_position` and `position` is what those modes may lose with the
  machine: that loss is reported, not refused. Less than `durable_position` is refused.

A machine that does not tell its boot counts as the same one, except that nothing is ever
cut on its word: in doubt a journal is refused, or kept.

The file is made, and fsynced with its name, before the first batch; a record of 48 bytes
lies in one sector of the disk and one page of memory, and is written by one call. So
beside batches a missing or torn tail is damage too, and refused: to go on without it would
excuse any loss.
"""

from __future__ import annotations

import os
import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from zlib import crc32

from respq.errors import JournalBroken

_RECORD = struct.Struct("<QQQ16s")
_CHECK = struct.Struct("<Q")
TAIL_BYTES = _RECORD.size + _CHECK.size
UNKNOWN_BOOT = bytes(16)


def read_boot() -> bytes:
    """Return what the kernel calls this boot of the machine; `UNKNOWN_BOOT` if it does not."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return uuid.UUID(file.read().strip()).bytes
    except (OSError, ValueError):
        return UNKNOWN_BOOT


@dataclass(frozen=True, slots=True)
class Tail:
    """One record of the tail file."""

    position: int
    checksum: int
    durable_position: int
    boot: bytes

    def encode(self) -> bytes:
        """Return the bytes of the file."""
        record = _RECORD.pack(self.position, self.checksum, self.durable_position, self.boot)
        return record + _CHECK.pack(crc32(record))

    @classmethod
    def decode(cls, data: bytes) -> Tail | None:
        """Return the record; None if it is torn."""
        record = data[: _RECORD.size]
        if len(data) != TAIL_BYTES or _CHECK.pack(crc32(record)) != data[_RECORD.size :]:
            return None
        return cls(*_RECORD.unpack(record))

    def proves_unanswered(self, position: int, boot: bytes) -> bool:
        """Whether no reply can have been sent on the batch at ``position``."""
        return position == self.position + 1 and self.boot == boot != UNKNOWN_BOOT

    def excuses(self, last: int, boot: bytes) -> bool:
        """Whether a journal may end at ``last``, before the tail: the machine took the rest."""
        restarted = UNKNOWN_BOOT not in (self.boot, boot) and self.boot != boot
        return restarted and last >= self.durable_position


def read_tail(path: str) -> Tail | None:
    """Return what a tail file says; None if it is missing or torn."""
    try:
        with open(path, "rb") as file:
            return Tail.decode(file.read(TAIL_BYTES + 1))
    except FileNotFoundError:
        return None


def check_tail(
    tail: Tail | None, last: int, checksum_at: Callable[[int], int | None], boot: bytes
) -> str:
    """Compare a journal that ends at ``last`` with its tail.

    Args:
        tail: what `read_tail` returned.
        last: position of the last batch; 0 if there is none.
        checksum_at: gives the checksum that the batch at a position carries.
        boot: what `read_boot` returned.

    Returns:
        What the machine took with it, as a sentence; empty if nothing.

    Raises:
        JournalBroken: answered batches are missing, or nothing shows that none are.
    """
    if tail is None:
        if last == 0:
            return ""
        raise JournalBroken(
            last, "its tail file is missing or torn, so nothing shows that no batch is missing"
        )
    if last < tail.position:
        if not tail.excuses(last, boot):
            raise JournalBroken(last + 1, f"what was answered for goes on to {tail.position}")
        return (
            f"what came after position {last}, up to {tail.position}, went with the machine, "
            "as --fsync everysec and no allow"
        )
    if tail.position and checksum_at(tail.position) != tail.checksum:
        raise JournalBroken(tail.position, "this is not the batch that was answered for")
    return ""


class TailFile:
    """The tail file of a journal that is being written."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)

    def write(self, tail: Tail) -> None:
        """Overwrite the record."""
        os.pwrite(self._descriptor, tail.encode(), 0)

    def sync(self) -> None:
        """Make the record durable."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)
