"""Compaction: the oldest batches of the journal are read, and what lives of them is said again.

    idle ── the journal has grown ──► survey: how much of it lives?
      ▲                                  │ less than half
      │                                  ▼
      └── half of it, or all is seen ── pass: read a batch, say again what lives, `Trimmed`, …
                                              │ now and then
                                              ▼
                                        the journal forgets what lies before

All of it goes in slices of a millisecond between the commits, and takes a fixed share of the loop's
time at most. Each slice is part of an ordinary batch, and notes there what has been looked at
(`Trimmed`): a restart goes on where it stood. The journal forgets only when that is committed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from time import perf_counter
from typing import Final

from respq.engine.batch import BrokenBatch
from respq.engine.codec import UnreadableRecord, decode_records, encode_records
from respq.engine.engine import Engine
from respq.engine.records import Trimmed
from respq.engine.relocate import living_bytes
from respq.errors import JournalBroken
from respq.journal.journal import Journal
from respq.journal.recovery import Chain

DEAD_SHARE: Final = 2
"""A journal that is this many times as large as what lives in it is compacted."""
SLICE_S: Final = 0.001
SLICE_BYTES: Final = 64 * 1024
"""Of full records in one slice."""
READ_BYTES: Final = 256 * 1024
"""Of batches that are read at once beside the loop."""
PAUSE: Final = 5
"""How many times as long as a slice no other follows."""
CROWDED_PAUSE: Final = 1
"""The same for a journal that has grown beyond twice what it may be: what lives is said again too
slowly."""
_AWAIT_S: Final = 0.001
"""How long to wait at least until the next slice."""
_NEVER_BYTES: Final = 1 << 62
_READING: Final = -1
"""What a task yields instead of bytes when it waits for a batch to be read."""

Row = tuple[int, bytes]


class Compactor:
    """Decides when the journal is compacted, and does it slice by slice."""

    def __init__(
        self,
        engine: Engine,
        journal: Journal,
        *,
        segment_bytes: int,
        report: Callable[[str], None],
        reader: Executor | None = None,
        stopwatch_s: Callable[[], float] = perf_counter,
    ) -> None:
        """Begin idle.

        Args:
            engine: whose state the journal holds; replayed.
            journal: where to read and what to trim.
            segment_bytes: what the journal forgets at once; if it is not larger, it is left as it
                is.
            report: called with a sentence if the journal cannot be read any more.
            reader: where batches are read; a thread of its own by default.
            stopwatch_s: by which is measured how long slices take.
        """
        self.engine = engine
        self.journal = journal
        self.segment_bytes = segment_bytes
        self.live_bytes = 0
        """About how many bytes full records of everything take, when it was last looked at."""
        self.passes = 0
        self.relocated = 0
        """Objects that were said again."""
        self.relocated_bytes = 0
        self._report = report
        self._task: Iterator[int] | None = None
        self._now_ms = 0
        self._next_s = 0.0
        self._look_bytes = 0
        self._crowded = False
        trimmed = engine.state.trimmed
        self._seen = trimmed or Trimmed(before=1, checksum=0, below=1)
        """What the next `Trimmed` says: all before that position has been looked at."""
        self._noted = self._seen.before
        """What the last one says."""
        self._trim = (self._noted, 0) if trimmed is not None else None
        """Before which position to forget, and in which batch that is noted."""
        self._read_bytes = 0
        self._unnoted_bytes = 0
        self._untrimmed_bytes = 0
        self._stopwatch_s = stopwatch_s
        self._reader = reader or ThreadPoolExecutor(1, thread_name_prefix="compaction-reader")

    @property
    def is_idle(self) -> bool:
        """Whether nothing is to be done until more is written."""
        return self._task is None

    def is_due(self, written_bytes: int) -> bool:
        """Tell whether there is something to do now.

        ``written_bytes`` is what was committed since the start.
        """
        if self._task is None:
            return written_bytes >= self._look_bytes
        return self._stopwatch_s() >= self._next_s

    def look_soon(self) -> None:
        """Look in the next turn how much of the journal lives, however little was written."""
        if self._look_bytes < _NEVER_BYTES:
            self._look_bytes = 0

    def wait_s(self) -> float:
        """Return how long it is to the next slice."""
        return max(0.0, self._next_s - self._stopwatch_s())

    def step(self, now_ms: int, written_bytes: int) -> None:
        """Do one slice; what it said is in the engine's records then."""
        began_s = self._stopwatch_s()
        self._now_ms = now_ms
        if self._task is None:
            self._task = self._look()
        said = 0
        try:
            for size in self._task:
                if size == _READING:
                    break
                said += size
                if said >= SLICE_BYTES or self._stopwatch_s() - began_s >= SLICE_S:
                    break
            else:
                self._task = None
                more_bytes = max(self.segment_bytes // 4, self.journal.size_bytes() // 8)
                self._look_bytes = written_bytes + more_bytes
        except (JournalBroken, BrokenBatch, UnreadableRecord) as fault:
            # What is in memory is right; but a start would come to the same place.
            self._report(
                f"the journal cannot be compacted beyond position {self._seen.before}: {fault}"
            )
            self._task = None
            self._look_bytes = _NEVER_BYTES
        self._note_seen(said)
        ended_s = self._stopwatch_s()
        pause = CROWDED_PAUSE if self._crowded else PAUSE
        self._next_s = ended_s + max(pause * (ended_s - began_s), _AWAIT_S)

    def trim_before(self, committed: int) -> int:
        """Return before which position the journal should forget now; 0 for none.

        ``committed`` is the position of the last batch that is.
        """
        if self._trim is None or self._trim[1] > committed:
            return 0
        (before, _), self._trim = self._trim, None
        return before

    def close(self) -> None:
        """Stop reading; the journal may be closed then."""
        self._task = None
        self._look_bytes = _NEVER_BYTES
        self._reader.shutdown()

    def _look(self) -> Iterator[int]:
        """Find out how much of the journal lives, and compact it as long as it is worth it."""
        is_gain = True
        while is_gain and self.journal.size_bytes() > self.segment_bytes:
            live_bytes = 0
            for part in living_bytes(self.engine.state):
                live_bytes += part
                yield 0
            self.live_bytes = live_bytes
            end = self.journal.sealed_before()
            if end <= self._seen.before or not self._is_worth_it():
                break
            self.passes += 1
            said_bytes, read_bytes = self.relocated_bytes, self._read_bytes
            yield from self._pass(end)
            # While it went on there was written more. But if most of it lived, or was thought not
            # to, then another pass would only move it around.
            said_bytes = self.relocated_bytes - said_bytes
            is_gain = DEAD_SHARE * said_bytes < self._read_bytes - read_bytes
        self._crowded = False

    def _is_worth_it(self) -> bool:
        size, allowed = self.journal.size_bytes(), DEAD_SHARE * self.live_bytes
        self._crowded = size > 2 * (allowed + self.segment_bytes)
        return size > max(allowed, self.segment_bytes)

    def _pass(self, end: int) -> Iterator[int]:
        """Look at the batches before position ``end``, until enough is forgotten."""
        chain = Chain()
        rows = iter(self.journal.read(self._seen.before))
        reading = self._fetch(rows, end)
        while self._seen.before < end:
            while not reading.done():
                yield _READING
            read = reading.result()
            if not read:
                raise JournalBroken(self._seen.before, "there is nothing any more")
            if read[-1][0] + 1 < end:
                reading = self._fetch(rows, end)
            for position, blob in read:
                yield from self._look_at(position, blob, chain)
                if self._untrimmed_bytes >= self.segment_bytes // 16 and not self._is_worth_it():
                    return

    def _look_at(self, position: int, blob: bytes, chain: Chain) -> Iterator[int]:
        """Say again what lives of a batch."""
        batch = chain.admit(position, blob)
        if batch is None:
            # It is void: the next one follows the one before it.
            self._seen = Trimmed(position + 1, self._seen.checksum, self._seen.below)
        else:
            header, body, checksum = batch
            for record in self.engine.relocate(self._now_ms, position, decode_records(body)):
                if record is None:
                    yield 0
                    continue
                size = len(encode_records((record,), ()))
                self.relocated += 1
                self.relocated_bytes += size
                yield size
            self._seen = Trimmed(position + 1, checksum, header.next_number)
        self._read_bytes += len(blob)
        self._unnoted_bytes += len(blob)
        self._untrimmed_bytes += len(blob)
        yield 0

    def _fetch(self, rows: Iterator[Row], end: int) -> Future[list[Row]]:
        """Have the next batches before ``end`` read beside the loop: the disk may be slow."""
        return self._reader.submit(_read_some, rows, end)

    def _note_seen(self, said: int) -> None:
        """Note what has been looked at, and have it forgotten if that is a good deal.

        With what was said it is noted at once, so that a restart does not say it again.
        """
        before = self._seen.before
        is_over = self._task is None
        if before > self._noted and (
            said or is_over or self._unnoted_bytes >= self.segment_bytes // 64
        ):
            self._noted = before
            self._unnoted_bytes = 0
            self.engine.emit(self._seen)
            if is_over or self._untrimmed_bytes >= self.segment_bytes // 16:
                self._untrimmed_bytes = 0
                self._trim = before, self.engine.state.position


def _read_some(rows: Iterator[Row], end: int) -> list[Row]:
    """Return the next rows, as many as are read at once, and none from ``end`` on."""
    read: list[Row] = []
    size = 0
    while size < READ_BYTES and (not read or read[-1][0] + 1 < end):
        row = next(rows, None)
        if row is None or row[0] >= end:
            break
        read.append(row)
        size += len(row[1])
    return read
