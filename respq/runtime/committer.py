"""Commits: in the loop's thread while the disk is fast, in a thread of its own otherwise.

An inline commit saves two thread switches and the fight for the interpreter, but stalls
every client for as long as the disk takes. So it is used only while commits are short: under
half a millisecond, or, up to two, under the time that the turns before them take to execute,
because then a client waits mostly for its neighbours' commands. The measures are moving
averages; one slow commit changes little, a slow disk changes the mode within a few.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Final, Protocol

from respq.engine.batch import FORMAT_VERSION, BatchHeader, encode_batch
from respq.engine.codec import encode_records
from respq.engine.records import Record
from respq.journal.journal import Journal

INLINE_ALWAYS_MS: Final = 0.5
"""A commit as short as this may be inline whatever the turns take."""
INLINE_MAX_MS: Final = 2.0
"""A longer one never is."""
KEEP_INLINE: Final = 1.4
"""By this factor it may exceed the limit once it is inline, lest the mode flap."""
_WEIGHT: Final = 1 / 16
BUCKETS_MS: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 500.0)


class CommitFigures:
    """What commits were like; plain numbers, read when metrics are scraped."""

    __slots__ = (
        "average_ms",
        "average_turn_ms",
        "batches",
        "bytes",
        "durations",
        "max_ms",
        "records",
        "total_ms",
    )

    def __init__(self) -> None:
        self.batches = 0
        self.records = 0
        self.bytes = 0
        self.total_ms = 0.0
        self.max_ms = 0.0
        self.average_ms = INLINE_MAX_MS
        self.average_turn_ms = 0.0
        """Time that was spent executing what a commit holds."""
        self.durations = [0] * (len(BUCKETS_MS) + 1)
        """Commits by duration; bucket i is up to ``BUCKETS_MS[i]``, the last is beyond."""

    def add(self, records: int, size: int, elapsed_ms: float, turn_ms: float) -> None:
        """Count one commit."""
        self.batches += 1
        self.records += records
        self.bytes += size
        self.total_ms += elapsed_ms
        self.max_ms = max(self.max_ms, elapsed_ms)
        self.average_ms += (elapsed_ms - self.average_ms) * _WEIGHT
        self.average_turn_ms += (turn_ms - self.average_turn_ms) * _WEIGHT
        bucket = 0
        while bucket < len(BUCKETS_MS) and elapsed_ms > BUCKETS_MS[bucket]:
            bucket += 1
        self.durations[bucket] += 1


class Batch:
    """Records that will be committed together, and the counters as they stand behind them."""

    __slots__ = ("next_fence", "next_number", "now_ms", "records", "sizes", "turn_ms")

    def __init__(
        self,
        records: Sequence[Record],
        sizes: Sequence[int],
        now_ms: int,
        next_number: int,
        next_fence: int,
        turn_ms: float,
    ) -> None:
        self.records = records
        self.sizes = sizes
        self.now_ms = now_ms
        self.next_number = next_number
        self.next_fence = next_fence
        self.turn_ms = turn_ms
        """Time that the turn took to execute what it holds."""


class Writer(Protocol):
    """Where commits run that do not run in the loop."""

    def put(self, work: Callable[[], None]) -> None:
        """Run ``work`` beside the loop, after what was given before."""

    def stop(self) -> None:
        """Return when the last work is done."""


class WriterThread:
    """A `Writer` in a thread of its own."""

    def __init__(self) -> None:
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="respq-commit", daemon=True)
        self._thread.start()

    def put(self, work: Callable[[], None]) -> None:
        """Run ``work`` after what was given before."""
        self._work.put(work)

    def stop(self) -> None:
        """End the thread after its last work."""
        self._work.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()


class Committer:
    """Writes batches, one at a time, each chained to the last."""

    def __init__(
        self,
        journal: Journal,
        *,
        position: int,
        checksum: int,
        epoch: int,
        writer: Writer | None = None,
        stopwatch_s: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Begin behind what the journal holds.

        Args:
            journal: where to write.
            position: of the next batch.
            checksum: of the last one.
            epoch: of this writer.
            writer: where commits run that are not inline; a thread of its own by default.
            stopwatch_s: by which is measured how long they take.
        """
        self.journal = journal
        self.position = position
        """Of the next batch."""
        self.figures = CommitFigures()
        self.inline = False
        self._checksum = checksum
        self._epoch = epoch
        self._stopwatch_s = stopwatch_s
        self._writer = WriterThread() if writer is None else writer

    @property
    def mode(self) -> str:
        """Where the next commit runs: inline or thread."""
        return "inline" if self.inline else "thread"

    def commit(self, batch: Batch) -> None:
        """Write a batch in this thread; it is durable, as the mode says, on return.

        Raises:
            CommitFailed: if the journal did not take it.
        """
        body = encode_records(batch.records, batch.sizes)
        header = BatchHeader(
            FORMAT_VERSION,
            self.position,
            self._epoch,
            batch.now_ms,
            batch.next_number,
            batch.next_fence,
            batch.next_number,
            len(batch.records),
        )
        blob, checksum = encode_batch(header, body, self._checksum)
        started = self._stopwatch_s()
        self.journal.append(self.position, blob, checksum)
        elapsed_ms = (self._stopwatch_s() - started) * 1_000
        self._checksum = checksum
        self.position += 1
        self.figures.add(len(batch.records), len(blob), elapsed_ms, batch.turn_ms)
        limit_ms = max(INLINE_ALWAYS_MS, min(self.figures.average_turn_ms, INLINE_MAX_MS))
        if self.inline:
            limit_ms *= KEEP_INLINE
        self.inline = self.figures.average_ms < limit_ms

    def in_thread(self, work: Callable[[], None]) -> None:
        """Run ``work`` in the writer thread, after what was given to it before."""
        self._writer.put(work)

    def stop(self) -> None:
        """End the writer thread after its last work."""
        self._writer.stop()
