"""A journal at one moment, read from outside while its server goes on.

Nobody is stopped and no lock is taken but SQLite's own. The segments are opened oldest first,
and each is held as it is then: what compaction deletes once it is open stays readable. If one
vanishes before that, or a server starts on what seemed to lie still, what was seen is of no one
moment, and the caller begins anew.

What was answered before the beginning is in it: each segment is looked at after that, the
newest last. Batches may come in between two looks, the first of them in a segment that was
looked at already: then that one is looked at again, and has all its batches by then.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sqlite3
from collections.abc import Iterator
from itertools import pairwise

from respq.journal.directory import DataDirectory
from respq.journal.reader import find_ranges, read_segments, unreadable
from respq.journal.segment import Segment
from respq.journal.tail import Tail, read_boot, read_tail

_TAIL_READS = 100
"""So often a tail is read that is torn: its server may just be writing it."""


class Moved(Exception):
    """The server changed what was being opened: begin anew."""


class Snapshot:
    """What a journal held at a moment; nothing of it is changed."""

    def __init__(self, data_dir: str) -> None:
        """Hold what is there.

        Raises:
            Moved: a segment was deleted, or came into use, meanwhile.
            JournalBroken: a segment cannot be read, or batches are missing.
            StartRefused: there is no journal.
        """
        _allow_files()
        directory = DataDirectory(data_dir, create=False, hold=False)
        self.path = directory.path
        self.boot = read_boot()
        self.tail = _settled_tail(directory.tail_path)
        self.segments = [Segment(directory.segment_path(n)) for n in directory.segment_numbers()]
        self._still = [
            each for each in self.segments if not each.is_shared and not each.log_bytes()
        ]
        try:
            self._hold_all()
        except BaseException:
            self.close()
            raise

    def rows_of(self, segment: Segment, position: int = 1) -> Iterator[tuple[int, bytes]]:
        """Yield position and blob of one segment, from ``position`` on, and let go of it.

        Raises:
            Moved: it came into use while it was read.
        """
        yield from read_segments([segment], position)
        segment.let_go()
        self._check_still(segment)

    def cut(self, position: int) -> bool:
        """Return whether a server would cut this batch, if it is torn and the last."""
        return self.tail is not None and self.tail.proves_unanswered(position, self.boot)

    def close(self) -> None:
        """Let go of everything; a second call does nothing."""
        for segment in self.segments:
            segment.let_go()

    def _hold_all(self) -> None:
        last = 0
        for segment in self.segments:
            try:
                segment.hold()
                segment.find_range()
            except sqlite3.Error as error:
                if not os.path.isdir(segment.path):
                    raise Moved(segment.name) from error
                raise unreadable(segment, last + 1, error) from error
            last = segment.last or last
        filled = [segment for segment in self.segments if segment.last]
        for earlier, later in pairwise(filled):
            if later.first > earlier.last + 1:
                earlier.hold()
                earlier.find_range()
        for segment in self.segments:
            self._check_still(segment)
        find_ranges(self.segments)

    def _check_still(self, segment: Segment) -> None:
        """See that nobody writes into a file that is read as one that never changes."""
        if segment in self._still and segment.is_shared:
            raise Moved(segment.name)


def _settled_tail(path: str) -> Tail | None:
    for _ in range(_TAIL_READS):
        tail = read_tail(path)
        if tail is not None:
            return tail
    return None


def _allow_files() -> None:
    """Let the process have a file open for each segment."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
