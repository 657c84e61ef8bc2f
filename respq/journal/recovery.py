"""Recovery: from blobs in a journal to batches that follow one another.

A journal keeps blobs; this decides whether they are the history that was written. Each
must be at the position after the last, whole, name the checksum of the one before, and come
from a writer of the same epoch or a later one. The first may have any position: whether the
batches before it were forgotten on purpose only the last `Trimmed` tells, so that is checked at
the end. Two things may differ:

- *A fenced writer's batch.* A new writer begins with an epoch record at the next position;
  what an older writer, not knowing it, still puts behind is void: it follows a batch other
  than the one it lies behind. The chain goes on over it. (Our own journals refuse a taken
  position and hold a lock, so there it cannot happen; a replicated log may do it.)
- *The last batch, torn and never answered for.* It is cut, if the journal is certain that
  no reply was sent on it, and reported.

Anything else is damage, and stops the start: nothing is skipped silently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from respq.engine.batch import (
    BatchHeader,
    BrokenBatch,
    NewerFormat,
    Unchained,
    decode_batch,
    previous_checksum,
)
from respq.engine.codec import UnreadableRecord, decode_records
from respq.engine.records import AnyRecord, Trimmed
from respq.errors import JournalBroken, NewerJournal
from respq.journal.journal import BatchSource


class Misplaced(BrokenBatch):
    """A batch that is whole, but not where it belongs."""


class Begin(NamedTuple):
    """Where a journal begins."""

    position: int
    previous: int | None
    """The checksum that its first batch names; None if that is damaged."""


class Chain:
    """The place where the next batch must join on."""

    def __init__(self) -> None:
        self.position = 0  # of the next batch; 0 before the first
        self.epoch = 0  # of the newest writer
        self.begin: Begin | None = None
        self._checksum: int | None = None  # of the last batch; None if that is not known

    def admit(self, position: int, blob: bytes) -> tuple[BatchHeader, bytes, int] | None:
        """Add the batch found at ``position``; return header, body, checksum; None if it is void.

        Raises:
            BrokenBatch: it does not belong there, is damaged, or of a newer format; the chain
                is as it was.
        """
        if self.begin is None:
            self._begin(position, blob)
        if position > self.position:
            raise Misplaced(f"it is missing, the next batch has position {position}")
        if position < self.position:
            raise Misplaced(f"here the batch of position {position} comes again")
        try:
            header, body, checksum = decode_batch(blob, self._checksum)
        except Unchained as fault:
            if fault.header.epoch >= self.epoch:
                raise
            self.position += 1
            return None
        if header.position != position:
            raise Misplaced(f"the batch there was written for position {header.position}")
        if header.epoch < self.epoch:
            raise Misplaced(f"its writer has epoch {header.epoch}, the one before {self.epoch}")
        self.position, self.epoch, self._checksum = position + 1, header.epoch, checksum
        return header, body, checksum

    def _begin(self, position: int, blob: bytes) -> None:
        """Take the first batch for where the journal begins, whatever it follows."""
        self.position = position
        if position == 1:
            self._checksum = 0
        try:
            decode_batch(blob, self._checksum)
        except BrokenBatch:
            previous = None  # `admit` says what is the matter.
        else:
            previous = previous_checksum(blob)
        self.begin = Begin(position, previous)

    def check_begin(self, trimmed: Trimmed | None) -> None:
        """Find out whether everything is there that the last `Trimmed` does not excuse.

        Raises:
            JournalBroken: batches are missing before the first.
        """
        begin = self.begin
        if begin is None or begin.position == 1:
            return
        if trimmed is None or begin.position > trimmed.before:
            needed = 1 if trimmed is None else trimmed.before
            raise JournalBroken(
                needed, f"it is missing, the first batch has position {begin.position}"
            )
        if begin.position == trimmed.before and begin.previous != trimmed.checksum:
            raise JournalBroken(begin.position, "it does not follow the batch that was there last")

    def skip_to(self, position: int) -> None:
        """Await ``position`` next, behind damage: what it follows cannot be known."""
        self.position, self._checksum = position, None


def read_batches(
    journal: BatchSource, report: Callable[[str], None], chain: Chain
) -> Iterator[tuple[BatchHeader, bytes, int]]:
    """Yield header, body and checksum of each batch, from the first on.

    Args:
        journal: where they lie.
        report: called with a sentence for everything that was passed over.
        chain: what they are joined to; where it begins is for the caller to check.

    Raises:
        JournalBroken: what is there is not the whole history.
        NewerJournal: a newer respq wrote it.
    """
    rows = journal.read(1)
    for position, blob in rows:
        try:
            batch = chain.admit(position, blob)
        except NewerFormat as fault:
            raise NewerJournal(position, str(fault)) from fault
        except (Misplaced, Unchained) as fault:
            raise JournalBroken(chain.position, str(fault)) from fault
        except BrokenBatch as fault:
            if next(rows, None) is None and journal.cut(position):
                report(f"cut the batch at position {position}, never answered for: {fault}")
                return
            raise JournalBroken(position, str(fault)) from fault
        if batch is None:
            report(f"passed over the batch at position {position}: its writer had been replaced")
        else:
            yield batch


def read_records(position: int, body: bytes) -> list[AnyRecord]:
    """Return the records of the batch at a position.

    Raises:
        NewerJournal: one of them is of a kind that this version does not know.
    """
    try:
        return decode_records(body)
    except UnreadableRecord as error:
        # The batch is whole, so this is how it was written.
        reason = f"it holds a record that this one cannot read ({error})"
        raise NewerJournal(position, reason) from error


def last_trimmed(records: Iterable[AnyRecord], before: Trimmed | None) -> Trimmed | None:
    """Return the last `Trimmed` of these records, or the one ``before`` if they hold none."""
    for record in records:
        if isinstance(record, Trimmed):
            before = record
    return before
