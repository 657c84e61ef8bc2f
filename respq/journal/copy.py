"""A journal copied into a data directory of its own: a backup, and a backup taken back.

The copy is made beside its place, under a name that begins with a dot. It is read back, as a start
would read it, is on the disk, and only then gets its name: whoever finds it under that finds all of
it. What goes wrong leaves nothing behind, but for a process that is killed.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Protocol

from diskcache import Timeout

from respq.engine.batch import HEADER_BYTES, BatchHeader
from respq.engine.records import Trimmed
from respq.errors import JournalRefused, StartRefused
from respq.journal.directory import DataDirectory, fsync_directory
from respq.journal.journal import BatchSource
from respq.journal.reader import ReadOnlyJournal, checksum_at, read_segments
from respq.journal.recovery import Chain, last_trimmed, read_batches, read_records
from respq.journal.segment import Segment
from respq.journal.snapshot import Moved, Snapshot
from respq.journal.tail import Tail, TailFile, check_tail, read_boot

_FAULTS = (sqlite3.Error, OSError, Timeout)
_TRANSACTION_BYTES = 1 << 22
"""So much is written at once: SQLite's log does not grow far beyond it."""
_ATTEMPTS = 10
"""So often a backup begins anew when segments are deleted before they were opened."""

Report = Callable[[str], None]


@dataclass(slots=True)
class Extent:
    """How much there is of a journal."""

    first: int = 0
    last: int = 0
    """Positions; 0 if there is no batch."""
    now_ms: int = 0
    """Time of the last batch."""
    batches: int = 0
    records: int = 0
    blob_bytes: int = 0

    def count(self, header: BatchHeader, body: bytes, records: int) -> None:
        """Count one more batch."""
        self.now_ms = header.now_ms
        self.batches += 1
        self.records += records
        self.blob_bytes += HEADER_BYTES + len(body)


class Source(Protocol):
    """A journal to be copied, segment by segment."""

    path: str
    segments: list[Segment]
    tail: Tail | None
    boot: bytes

    def rows_of(self, segment: Segment, position: int = 1) -> Iterator[tuple[int, bytes]]:
        """Yield position and blob of one segment, from ``position`` on."""
        ...

    def cut(self, position: int) -> bool:
        """Return whether a server would cut this batch, if it is torn and the last."""
        ...


def backup(data_dir: str, target: str, report: Report) -> Extent:
    """Copy a journal into a directory that is to be, while its server goes on.

    Args:
        data_dir: where the journal lies.
        target: a directory that is not there, or is empty.
        report: called with a sentence for everything that was left out.

    Raises:
        JournalRefused: ``target`` is taken, or cannot be written.
        StartRefused: there is no journal, or it is broken.
    """
    for _ in range(_ATTEMPTS):
        with suppress(Moved), closing(Snapshot(data_dir)) as source:
            return copy(source, target, report)
    raise JournalRefused(
        f"the segments in '{data_dir}' are deleted faster than they can be opened: try again"
    )


def restore(saved: str, data_dir: str, report: Report) -> Extent:
    """Copy a backup to where a server is to have it; see `backup`."""
    with closing(ReadOnlyJournal(saved)) as source:
        return copy(source, data_dir, report)


def copy(source: Source, target: str, report: Report) -> Extent:
    """Copy a journal, and compare the copy with its tail."""
    with NewDirectory(target, source) as new:
        # The newest first: a server that is started meanwhile waits for those who read its log.
        for segment in reversed(source.segments):
            new.add(segment.number, source.rows_of(segment))
        extent = measure(new, report)
        at = partial(checksum_at, new.segments)
        if lost := check_tail(source.tail, extent.last, at, source.boot):
            report(lost)
        new.finish()
    return extent


def measure(journal: BatchSource, report: Report) -> Extent:
    """Read every batch and record, as a start would, and say how much they are.

    Raises:
        JournalBroken: what is there is not the whole history.
        StartRefused: a newer respq wrote it.
    """
    extent, chain = Extent(), Chain()
    trimmed: Trimmed | None = None
    for header, body, _ in read_batches(journal, report, chain):
        records = read_records(header.position, body)
        trimmed = last_trimmed(records, trimmed)
        extent.count(header, body, len(records))
    chain.check_begin(trimmed)
    if chain.begin is not None:
        extent.first, extent.last = chain.begin.position, chain.position - 1
    return extent


class NewDirectory:
    """A data directory in the making; use it as a context manager."""

    def __init__(self, target: str, source: Source) -> None:
        """Make it, under a name that it has only until it is whole.

        Raises:
            JournalRefused: there is something at ``target``, or nothing to put it into.
            StartRefused: its path cannot be that of a data directory.
        """
        self.path = os.path.abspath(target)
        self.segments: list[Segment] = []
        self._source = source
        parent, name = os.path.split(self.path)
        _refuse_taken(self.path, parent)
        inside = os.path.join(os.path.realpath(source.path), "")
        if os.path.join(os.path.realpath(self.path), "").startswith(inside):
            raise JournalRefused(
                f"'{self.path}' lies in the directory of the journal, which holds nothing else"
            )
        hidden = os.path.join(parent, f".{name}.{secrets.token_hex(4)}.partial")
        try:
            self._directory = DataDirectory(hidden, create=True)
        except StartRefused as refusal:
            if isinstance(refusal.__cause__, OSError):
                raise self._unwritable(refusal.__cause__) from refusal
            raise

    def __enter__(self) -> NewDirectory:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._directory.release()
        # It has another name by now if it is whole.
        shutil.rmtree(self._directory.path, ignore_errors=True)
        if isinstance(error, _FAULTS):
            raise self._unwritable(error) from error

    def add(self, number: int, rows: Iterable[tuple[int, bytes]]) -> int:
        """Write a segment, if there are any rows for it; return the last position, or 0."""
        segment: Segment | None = None
        last = size = 0
        try:
            for last, blob in rows:
                if segment is None:
                    segment = self._begin(number)
                segment.append(last, blob)
                size += len(blob)
                if size >= _TRANSACTION_BYTES:
                    segment.connection.execute("COMMIT")
                    segment.connection.execute("BEGIN")
                    size = 0
            if segment is not None:
                segment.connection.execute("COMMIT")
                segment.close()
        finally:
            if segment is not None and segment.is_open:
                segment.abandon()
        return last

    def read(self, position: int) -> Iterator[tuple[int, bytes]]:
        """Yield position and blob, in order, from ``position`` on; see `Journal.read`."""
        return read_segments(self.segments, position)

    def cut(self, position: int) -> bool:
        """Leave the torn last batch out, if it was never answered for; see `BatchSource.cut`."""
        segment = self.segments[-1]
        if position != segment.last or not self._source.cut(position):
            return False
        segment.open("no")
        segment.remove_last()
        segment.close()
        return True

    def finish(self) -> None:
        """Add the tail, see that all of it is on the disk, and give it its name."""
        last, checksum = 0, 0
        for segment in reversed(self.segments):
            if segment.last:
                last, checksum = segment.last, checksum_at([segment], segment.last) or 0
                break
        write_tail(self._directory.tail_path, Tail(last, checksum, last, read_boot()))
        fsync_directory(self._directory.path)
        os.rename(self._directory.path, self.path)
        fsync_directory(os.path.dirname(self.path))

    def _begin(self, number: int) -> Segment:
        segment = Segment.create(self._directory.segment_path(number), "no")
        segment.connection.execute("BEGIN")
        self.segments.append(segment)
        self.segments.sort(key=lambda each: each.number)
        return segment

    def _unwritable(self, error: BaseException) -> JournalRefused:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return JournalRefused(
            f"'{self.path}' cannot be written: {reason or 'SQLite could not begin a transaction'}"
        )


def write_tail(path: str, tail: Tail) -> None:
    """Have a tail on the disk; its name is for the caller."""
    file = TailFile(path)
    try:
        file.write(tail)
        file.sync()
    finally:
        file.close()


def _refuse_taken(path: str, parent: str) -> None:
    if not os.path.isdir(parent):
        raise JournalRefused(f"there is no directory '{parent}' to put '{path}' into")
    if os.path.ismount(path):
        raise JournalRefused(f"a file system is mounted at '{path}': give a directory in it")
    if not os.path.lexists(path):
        return
    if not os.path.isdir(path):
        raise JournalRefused(f"'{path}' is no directory")
    names = os.listdir(path)
    if any(name == "tail" or name.startswith("segment-") for name in names):
        raise JournalRefused(
            f"'{path}' holds a journal, which would be lost: give a directory that is not there"
        )
    if names:
        raise JournalRefused(f"'{path}' is not empty: give a directory that is not there")
