"""The journal on the local disk: segments in a data directory, and a tail beside them.

                 ┌ sealed ──────────────────────────────────┐  ┌ active ─┐  ┌ ahead ─┐
    data_dir/    segment-00000001   segment-00000002   …        …            (empty)

`append` commits a row to the active segment, then overwrites the tail. When the active
segment is half full the next one is made, and when it is full it is sealed (its log moved into
its database): both in a thread of their own, because either takes some fsyncs and no
append should wait for them.

A start looks before it touches: every segment is read without a write, and compared with the
tail; a start that is refused has changed nothing, so that whatever can still be rescued is
still there. Then the logs are checkpointed, before anything is read: what only the page cache
held, or a disk that failed an fsync, is on the disk before anyone hears of it.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from diskcache import Timeout

from respq.errors import CommitFailed, StartRefused
from respq.journal.ballast import Ballast
from respq.journal.directory import DataDirectory, fsync_directory
from respq.journal.journal import PositionTaken
from respq.journal.reader import checksum_at, find_ranges, read_segments
from respq.journal.segment import Segment
from respq.journal.tail import Tail, TailFile, check_tail, read_boot, read_tail

log = logging.getLogger(__name__)

_FAULTS = (sqlite3.Error, OSError, Timeout)


class DiskJournal:
    """A `Journal` in a data directory."""

    def __init__(self, data_dir: str, *, fsync: str, segment_bytes: int) -> None:
        """Open the journal, making it where there is none.

        Args:
            data_dir: its directory; nobody else may have it.
            fsync: ``always``, ``everysec`` or ``no``.
            segment_bytes: size at which a segment is sealed.

        Raises:
            DataDirectoryHeld: another process has the directory.
            JournalBroken: a segment cannot be read, or answered batches are missing.
            StartRefused: the directory cannot be used.
        """
        self._fsync = fsync
        self._segment_bytes = segment_bytes
        self._directory = DataDirectory(data_dir, create=True)
        self._boot = read_boot()
        self._segments: list[Segment] = []
        self._keeper = ThreadPoolExecutor(1, thread_name_prefix="segment-keeper")
        self._ahead: Future[Segment] | None = None
        self._sealing: Future[None] | None = None
        self._retiring: list[Future[None]] = []
        self._tail: Tail | None = None
        self._tail_file: TailFile | None = None
        self._last = self._durable = 0
        self._active_bytes = 0
        self._failed = False
        try:
            self._look()
            self._touch()
        except _FAULTS as error:
            self._abandon()
            raise StartRefused(
                f"the journal in '{self._directory.path}' cannot be opened: {error}"
            ) from error
        except BaseException:
            self._abandon()
            raise

    def append(self, position: int, blob: bytes, checksum: int) -> None:
        """Commit the next batch; see `Journal.append`."""
        if self._failed or self._tail_file is None:
            raise CommitFailed(f"batch {position} is refused: the journal failed or was closed")
        if position <= self._last:
            raise PositionTaken(f"there is a batch at position {position} already")
        if position > self._last + 1:
            raise ValueError(f"batch {position} would leave a gap after {self._last}")
        try:
            if self._active_bytes >= self._segment_bytes:
                self._turn_segment()
            self._segments[-1].append(position, blob)
            self._last = position
            if self._fsync == "always":
                self._durable = position
            self._tail = Tail(position, checksum, self._durable, self._boot)
            self._tail_file.write(self._tail)
        except _FAULTS as error:
            raise self._failure(f"batch {position} could not be written", error) from error
        self._active_bytes += len(blob)
        if self._ahead is None and self._active_bytes * 2 >= self._segment_bytes:
            self._ahead = self._make_segment()

    def read(self, position: int) -> Iterator[tuple[int, bytes]]:
        """Yield position and blob, in order, from ``position`` on; see `Journal.read`."""
        # An empty segment is read too: it may have its first batch before the turn comes to it.
        wanted = [each for each in [*self._segments] if each.last >= position or not each.last]
        return read_segments(wanted, position)

    def cut(self, position: int) -> bool:
        """Forget the torn last batch, if it was never answered for; see `BatchSource.cut`."""
        proven = self._tail is not None and self._tail.proves_unanswered(position, self._boot)
        if position != self._last or not proven:
            return False
        segment = next(each for each in reversed(self._segments) if each.last)
        if segment.is_open:
            segment.remove_last()
        else:
            segment.open(self._fsync)
            segment.remove_last()
            segment.close()
        self._last = self._durable = position - 1
        return True

    def trim(self, position: int) -> None:
        """Have the sealed segments deleted that hold nothing from ``position`` on.

        The keeper does it, one after the other, and nobody waits for it: what it could not delete
        a later call reports, and until then nothing behind it goes.
        """
        try:
            self._check_retiring()
            self.sync()  # What was said again must not be lost with the machine.
            segments, old = self._segments, []
            while len(segments) > 1 and segments[0].last < position and not segments[0].is_open:
                old.append(segments.pop(0))
            if old:
                self._retiring.append(self._keeper.submit(_retire, old, tuple(self._retiring)))
        except _FAULTS as error:
            raise self._failure("a segment could not be retired", error) from error

    def sealed_before(self) -> int:
        """Return the position at which the segments begin that are still open."""
        for segment in self._segments:
            if segment.is_open:
                return segment.first or self._last + 1
        return self._last + 1

    def sync(self) -> None:
        """Make durable what was appended; see `Journal.sync`."""
        if self._tail is None or self._tail_file is None or self._durable == self._last:
            return
        try:
            self._segments[-1].sync()
            self._durable = self._last
            self._tail = Tail(self._last, self._tail.checksum, self._durable, self._boot)
            self._tail_file.write(self._tail)
        except _FAULTS as error:
            raise self._failure("the journal could not be made durable", error) from error

    def close(self) -> None:
        """Make everything durable and let go of the directory; a second call does nothing."""
        try:
            if self._tail_file is not None and not self._failed:
                self.sync()
                self._await_sealing()
                for each in self._retiring:
                    each.result()
                self._segments[-1].close()
                if self._ahead is not None and self._ahead.exception() is None:
                    self._ahead.result().close()
                self._tail_file.sync()
        except _FAULTS as error:
            raise self._failure("the journal could not be closed", error) from error
        finally:
            self._abandon()

    def ballast(self, size_bytes: int) -> Ballast:
        """Return the ballast of this size beside the segments; it need not be there yet."""
        return Ballast(self._directory.ballast_path, size_bytes)

    def size_bytes(self) -> int:
        """Return the space that all segments take."""
        return sum(segment.size_bytes() for segment in self._segments)

    def _look(self) -> None:
        """Find what there is, and refuse what cannot be trusted, without a change."""
        numbers = self._directory.segment_numbers()
        self._segments = [Segment(self._directory.segment_path(each)) for each in numbers]
        self._last = find_ranges(self._segments)
        self._tail = read_tail(self._directory.tail_path)
        lost = check_tail(self._tail, self._last, partial(checksum_at, self._segments), self._boot)
        if lost:
            log.warning("the journal in '%s' ends early: %s", self._directory.path, lost)

    def _touch(self) -> None:
        """Make durable what was found, and open the journal for appending."""
        self._directory.clear_leftovers()
        self._tail_file = TailFile(self._directory.tail_path)
        if self._tail is None:
            self._tail_file.write(Tail(0, 0, 0, self._boot))
            self._tail_file.sync()
            fsync_directory(self._directory.path)
        if not self._segments:
            self._segments.append(self._make_segment().result())
        for segment in self._segments:
            active = segment is self._segments[-1]
            if active or segment.log_bytes():
                self._active_bytes = self._open_segment(segment)
            if segment.is_open and not active:
                segment.close()
        self._durable = self._last

    def _open_segment(self, segment: Segment) -> int:
        """Open a segment, put what its log holds on the disk, and return the size of its blobs."""
        try:
            if not segment.is_open:
                segment.open(self._fsync)
            emptied, blob_bytes = segment.checkpoint(), segment.blob_bytes()
            if segment is self._segments[-1]:
                segment.check()
        except (sqlite3.Error, Timeout) as error:
            raise StartRefused(
                f"{segment.path} cannot be opened: {error}; if it is neither a permission, the "
                "disk nor another program, start on a copy: `respq backup` takes what can be read"
            ) from error
        if not emptied:
            raise StartRefused(f"{segment.path} is being read by another process: stop it")
        return blob_bytes

    def _make_segment(self) -> Future[Segment]:
        """Have the next segment made by the keeper."""
        number = self._segments[-1].number + 1 if self._segments else 1
        path = self._directory.segment_path(number)
        return self._keeper.submit(Segment.create, path, self._fsync)

    def _turn_segment(self) -> None:
        """Seal the active segment, and append to the next from now on."""
        if self._ahead is None or self._ahead.exception() is not None:
            # It may have failed for want of space, and the space be there by now.
            self._ahead = self._make_segment()
        following, full = self._ahead.result(), self._segments[-1]
        if self._fsync != "always":
            # Otherwise the machine could end with batches of the next segment on the disk and
            # some before them not: a gap, where the mode only allows an early end.
            full.sync()
            self._durable = self._last
        self._await_sealing()
        self._sealing = self._keeper.submit(full.close)
        self._segments.append(following)
        self._ahead = None
        self._active_bytes = 0

    def _check_retiring(self) -> None:
        """Raise what went wrong with the segments that have been retired."""
        for each in self._retiring:
            if each.done():
                each.result()
        self._retiring = [each for each in self._retiring if not each.done()]

    def _await_sealing(self) -> None:
        """Wait until no segment is being sealed; raise what went wrong with the last."""
        if self._sealing is not None:
            self._sealing.result()

    def _failure(self, what: str, error: Exception) -> CommitFailed:
        # An fsync that failed once may succeed when it is tried again, without the data: the
        # kernel has let go of it. So the first failure is the last.
        self._failed = True
        reason = str(error) or "SQLite could not begin a transaction"
        return CommitFailed(f"{what} in '{self._directory.path}': {reason}")

    def _abandon(self) -> None:
        """Let go of everything, whatever state it is in."""
        self._keeper.shutdown()
        if self._ahead is not None and self._ahead.exception() is None:
            self._ahead.result().abandon()
        for segment in self._segments:
            segment.abandon()
        if self._tail_file is not None:
            self._tail_file.close()
            self._tail_file = None
        self._directory.release()


def _retire(segments: Sequence[Segment], before: Sequence[Future[None]]) -> None:
    """Delete segments, oldest first: one that stays must have nothing missing behind it."""
    for each in before:
        each.result()
    for segment in segments:
        segment.retire()
