"""What `respq journal verify` finds: every segment, every batch and the tail, unchanged.

Recovery stops at the first damage; this goes on behind it, so that one look shows all of it.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field

from respq.engine.batch import BrokenBatch, NewerFormat, Unchained, stored_checksum
from respq.engine.records import Trimmed
from respq.errors import JournalBroken, NewerJournal
from respq.journal.reader import ReadOnlyJournal
from respq.journal.recovery import Chain, last_trimmed, read_records
from respq.journal.segment import Segment
from respq.journal.tail import Tail, check_tail


@dataclass(slots=True)
class Fault:
    """Damage: where, and what."""

    position: int
    reason: str


@dataclass(slots=True)
class SegmentReport:
    """What one segment holds."""

    name: str
    file_bytes: int
    batches: int = 0
    first: int = 0
    last: int = 0
    blob_bytes: int = 0
    faults: list[Fault] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """What a data directory holds."""

    path: str
    tail: Tail | None
    segments: list[SegmentReport] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    tail_fault: Fault | None = None

    @property
    def is_whole(self) -> bool:
        """Whether a server would start on it."""
        return self.tail_fault is None and not any(each.faults for each in self.segments)


def verify(data_dir: str) -> Report:
    """Check every batch of a journal, also of one that will not start; nothing is changed.

    Raises:
        DataDirectoryHeld: a server has the directory.
        StartRefused: there is no journal.
    """
    with closing(ReadOnlyJournal(data_dir)) as journal:
        return _Verification(journal).run()


class _Verification:
    """One walk over a journal."""

    def __init__(self, journal: ReadOnlyJournal) -> None:
        self._journal = journal
        self._chain = Chain()
        self._answered: int | None = None  # checksum that the batch at the tail carries
        self._trimmed: Trimmed | None = None
        self._torn: tuple[SegmentReport, Fault] | None = None  # the batch just seen, if damaged
        self._report = Report(journal.path, journal.tail)

    def run(self) -> Report:
        """Walk, and return what was found."""
        for segment in self._journal.segments:
            self._report.segments.append(self._walk(segment))
        if self._torn is not None:
            self._forgive(*self._torn)
        self._compare_begin()
        self._compare_tail()
        return self._report

    def _walk(self, segment: Segment) -> SegmentReport:
        found = SegmentReport(segment.name, segment.size_bytes())
        tail = self._journal.tail
        try:
            for position, blob in segment.rows(0):
                found.batches += 1
                found.first = found.first or position
                found.last = position
                found.blob_bytes += len(blob)
                if tail is not None and position == tail.position:
                    self._answered = stored_checksum(blob)
                self._torn = None
                self._admit(position, blob, found)
        except sqlite3.Error as error:
            found.faults.append(Fault(self._chain.position, f"cannot be read: {error}"))
            self._torn = None
        return found

    def _admit(self, position: int, blob: bytes, found: SegmentReport) -> None:
        chain = self._chain
        try:
            batch = chain.admit(position, blob)
            if batch is None:
                self._report.notes.append(f"the batch at position {position} is void")
            else:
                self._trimmed = last_trimmed(read_records(position, batch[1]), self._trimmed)
        except NewerJournal as error:
            found.faults.append(_newer(position, error.reason))
        except NewerFormat as error:
            found.faults.append(_newer(chain.position, str(error)))
            chain.skip_to(position + 1)
        except BrokenBatch as error:
            fault = Fault(chain.position, str(error))
            found.faults.append(fault)
            if position != chain.position or isinstance(error, Unchained):
                # Damage lies before it; in itself it may be whole, and what follows joins on.
                chain.skip_to(position)
                self._admit(position, blob, found)
                return
            chain.skip_to(position + 1)
            if type(error) is BrokenBatch:
                self._torn = found, fault

    def _forgive(self, found: SegmentReport, fault: Fault) -> None:
        """Take the torn last batch for what it is, if recovery would."""
        if self._journal.cut(fault.position):
            found.faults.remove(fault)
            self._report.notes.append(
                f"the batch at position {fault.position} is torn, but was never answered for: "
                "the next start cuts it"
            )

    def _compare_begin(self) -> None:
        try:
            self._chain.check_begin(self._trimmed)
        except JournalBroken as error:
            # There is a segment, for there is a first batch.
            self._report.segments[0].faults.insert(0, Fault(error.position, error.reason))

    def _compare_tail(self) -> None:
        last = max((each.last for each in self._report.segments), default=0)
        try:
            lost = check_tail(
                self._journal.tail, last, lambda _: self._answered, self._journal.boot
            )
        except JournalBroken as error:
            self._report.tail_fault = Fault(error.position, error.reason)
        else:
            if lost:
                self._report.notes.append(lost)


def _newer(position: int, reason: str) -> Fault:
    return Fault(position, f"it is of a newer respq: {reason}; start that one")
