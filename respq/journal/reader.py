"""Reading segments: for the journal that appends, and for commands that only look."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence

from respq.engine.batch import stored_checksum
from respq.errors import JournalBroken
from respq.journal.directory import DataDirectory
from respq.journal.segment import Segment
from respq.journal.tail import Tail, read_boot, read_tail


def read_segments(segments: Sequence[Segment], position: int) -> Iterator[tuple[int, bytes]]:
    """Yield position and blob from ``position`` on, a query a segment.

    Raises:
        JournalBroken: SQLite cannot read what comes next.
    """
    awaited = position
    for segment in segments:
        try:
            for found, blob in segment.rows(position):
                yield found, blob
                awaited = found + 1
        except sqlite3.Error as error:
            raise unreadable(segment, awaited, error) from error


def find_ranges(segments: Sequence[Segment]) -> int:
    """Learn which positions each segment holds; return the last position, 0 if there is none.

    Raises:
        JournalBroken: a segment cannot be read, or does not begin where the one before ends.
    """
    last = 0
    for segment in segments:
        try:
            segment.find_range()
        except sqlite3.Error as error:
            raise unreadable(segment, last + 1, error) from error
        if segment.last:
            if last and segment.first != last + 1:
                raise JournalBroken(
                    last + 1, f"{segment.name} should begin here, and begins at {segment.first}"
                )
            last = segment.last
    return last


def checksum_at(segments: Sequence[Segment], position: int) -> int | None:
    """Return the checksum that the batch at a position carries; None if there is no such batch."""
    found, blob = next(read_segments(segments, position), (0, b""))
    return stored_checksum(blob) if found == position else None


def unreadable(segment: Segment, position: int, error: sqlite3.Error) -> JournalBroken:
    """Return the refusal of a segment that SQLite cannot read."""
    return JournalBroken(position, f"{segment.name} cannot be read: {error}")


class ReadOnlyJournal:
    """A journal to look into, held so that no server starts meanwhile, and never changed.

    It opens whatever is there, also what a server would refuse. What SQLite needs beside a
    log that a crash left (the ``-shm`` file, which holds no data) is removed at `close`.
    """

    def __init__(self, data_dir: str) -> None:
        """Take the directory.

        Raises:
            DataDirectoryHeld: a server, or another reader, has it.
            StartRefused: there is no journal.
        """
        self._directory = DataDirectory(data_dir, create=False)
        numbers = self._directory.segment_numbers()
        self.segments = [Segment(self._directory.segment_path(number)) for number in numbers]
        self.path = self._directory.path
        self.tail: Tail | None = read_tail(self._directory.tail_path)
        self.boot = read_boot()
        self._foreign = set(self._shared_memory_files())

    def read(self, position: int) -> Iterator[tuple[int, bytes]]:
        """Yield position and blob, in order, from ``position`` on; see `Journal.read`."""
        return read_segments(self.segments, position)

    def rows_of(self, segment: Segment, position: int = 1) -> Iterator[tuple[int, bytes]]:
        """Yield position and blob of one segment, from ``position`` on."""
        return read_segments([segment], position)

    def cut(self, position: int) -> bool:
        """Return whether a server would cut this batch; the batch stays."""
        return self.tail is not None and self.tail.proves_unanswered(position, self.boot)

    def close(self) -> None:
        """Let go of the directory; a second call does nothing."""
        for path in self._shared_memory_files() - self._foreign:
            os.unlink(path)
        self._directory.release()

    def _shared_memory_files(self) -> set[str]:
        paths = (os.path.join(segment.path, "cache.db-shm") for segment in self.segments)
        return {path for path in paths if os.path.exists(path)}
