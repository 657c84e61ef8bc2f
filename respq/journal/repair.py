"""What can be saved of a journal that no server starts on: the longest prefix that is whole.

    whole │ damage │ behind it
    ──────┼────────┼──────────
     kept │   dropped: what is behind may be whole in itself, but nothing says what it followed

Nothing is changed before it has been said what would be dropped. The repaired journal is built, and
started in memory, beside the old one. Then the tail that fits it is written, the old segments
are moved aside, newest first, and the new ones into their place, oldest first: a start between two
of these steps finds a journal that ends before its tail, and refuses it.

The numbers and fences that dropped batches had drawn are not drawn again, as far as they can be
read: a batch without records says at the end how far the counters had come.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from respq.engine.batch import (
    BatchHeader,
    BrokenBatch,
    NewerFormat,
    decode_batch,
    encode_batch,
    stored_checksum,
)
from respq.engine.codec import UnreadableRecord, decode_records, encode_records
from respq.engine.records import Trimmed
from respq.engine.state import State
from respq.errors import JournalBroken, JournalRefused, NewerJournal
from respq.journal.copy import Extent, NewDirectory, write_tail
from respq.journal.directory import DataDirectory, fsync_directory
from respq.journal.reader import ReadOnlyJournal
from respq.journal.recovery import Chain, last_trimmed, read_records
from respq.journal.replay import replay
from respq.journal.segment import Segment
from respq.journal.tail import Tail, check_tail
from respq.journal.verify import Fault


@dataclass(slots=True)
class Dropped:
    """Batches that would be lost, of which some can still be read."""

    first: int = 0
    last: int = 0
    """Positions of those that are there."""
    batches: int = 0
    """Those that can be read."""
    damaged: int = 0
    records: Counter[str] = field(default_factory=Counter)
    """Of those that can be read, by kind."""
    from_ms: int = 0
    to_ms: int = 0
    """Between which times they were written."""
    counters: tuple[int, int, int] = (0, 0, 0)
    """How far numbers, fences and orders had come."""

    def add(self, position: int, blob: bytes) -> None:
        """Count one more."""
        self.first = min(self.first or position, position)
        self.last = max(self.last, position)
        try:
            header, body, _ = decode_batch(blob, None)
        except BrokenBatch:
            self.damaged += 1
            return
        self.batches += 1
        with suppress(UnreadableRecord):
            self.records.update(type(record).__name__ for record in decode_records(body))
        self.from_ms = self.from_ms or header.now_ms
        self.to_ms = max(self.to_ms, header.now_ms)
        self.counters = _highest(self.counters, header)


@dataclass(slots=True)
class Plan:
    """What a repair would do."""

    kept: Extent = field(default_factory=Extent)
    dropped: Dropped = field(default_factory=Dropped)
    faults: list[Fault] = field(default_factory=list)
    """Where the whole prefix ends and why, what cannot be read, and what the tail says."""
    missing: tuple[int, int] | None = None
    """First and last position of what was answered for and is nowhere."""
    header: BatchHeader | None = None
    """Of the last batch that is kept."""
    checksum: int = 0
    """Of the same."""

    @property
    def is_needed(self) -> bool:
        """Whether a server would not start as it is."""
        return bool(self.faults)


def survey(journal: ReadOnlyJournal) -> Plan:
    """Find out what can be kept, and what not; nothing is changed.

    Raises:
        JournalRefused: nothing can be kept, or nothing should be dropped.
    """
    return _Survey(journal).run()


class _Survey:
    """One walk over a journal, behind the damage too."""

    def __init__(self, journal: ReadOnlyJournal) -> None:
        self._journal = journal
        self._plan = Plan()
        self._chain = Chain()
        self._trimmed: Trimmed | None = None
        self._answered: int | None = None  # checksum that the batch at the tail carries, if kept

    def run(self) -> Plan:
        """Walk, and return what was found."""
        plan = self._plan
        for position, blob in self._rows():
            if plan.faults:
                plan.dropped.add(position, blob)
            else:
                self._admit(position, blob)
        self._forgive()
        self._judge_beginning()
        self._judge_end()
        return plan

    def _rows(self) -> Iterator[tuple[int, bytes]]:
        for segment in self._journal.segments:
            try:
                yield from segment.rows(0)
            except sqlite3.Error as error:
                reason = f"{segment.name} cannot be read: {error}"
                self._plan.faults.append(Fault(self._chain.position or 1, reason))

    def _admit(self, position: int, blob: bytes) -> None:
        plan, chain, tail = self._plan, self._chain, self._journal.tail
        try:
            batch = chain.admit(position, blob)
            records = [] if batch is None else read_records(position, batch[1])
        except NewerFormat as fault:
            raise JournalRefused(_newer(position, fault)) from fault
        except NewerJournal as fault:
            raise JournalRefused(_newer(position, fault.reason)) from fault
        except BrokenBatch as fault:
            plan.faults.append(Fault(chain.position, str(fault)))
            plan.dropped.add(position, blob)
            return
        self._trimmed = last_trimmed(records, self._trimmed)
        if batch is not None:
            plan.header, body, plan.checksum = batch
            plan.kept.count(plan.header, body, len(records))
        plan.kept.last = position
        if tail is not None and position == tail.position:
            self._answered = stored_checksum(blob)

    def _forgive(self) -> None:
        """Let a torn last batch be, if a start would cut it."""
        plan, dropped = self._plan, self._plan.dropped
        is_alone = len(plan.faults) == 1 and (dropped.batches, dropped.damaged) == (0, 1)
        is_next = dropped.last == plan.kept.last + 1
        if is_alone and is_next and self._journal.cut(dropped.last):
            plan.faults.clear()
            plan.dropped = Dropped()

    def _judge_beginning(self) -> None:
        plan, chain, tail = self._plan, self._chain, self._journal.tail
        if chain.begin is not None:
            plan.kept.first = chain.begin.position
        fault = next(iter(plan.faults), None)
        if not plan.kept.last and (fault is not None or (tail is not None and tail.position)):
            reason = fault.reason if fault is not None else "there is no batch at all"
            raise JournalRefused(_hopeless(reason))
        try:
            chain.check_begin(self._trimmed)
        except JournalBroken as error:
            raise JournalRefused(_hopeless(f"position {error.position}, {error.reason}")) from error

    def _judge_end(self) -> None:
        plan, tail = self._plan, self._journal.tail
        try:
            check_tail(tail, plan.kept.last, lambda _: self._answered, self._journal.boot)
        except JournalBroken as error:
            plan.faults.append(Fault(error.position, error.reason))
        seen = max(plan.kept.last, plan.dropped.last)
        if plan.faults and tail is not None and seen < tail.position:
            plan.missing = seen + 1, tail.position


def repair(journal: ReadOnlyJournal, plan: Plan) -> str:
    """Do what a survey has found; return where the originals are kept.

    Raises:
        JournalRefused: it cannot be done; nothing was changed, or the message says what.
        StartRefused: a server would not start on what would be kept.
    """
    when = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    repaired, aside = f"{journal.path}.repaired-{when}", f"{journal.path}.before-repair-{when}"
    for path in (repaired, aside):
        if os.path.lexists(path):
            raise JournalRefused(f"'{path}' is there already: try again in a second")
    if os.path.ismount(journal.path):
        raise JournalRefused(
            f"a file system is mounted at '{journal.path}', so nothing can be kept beside it: "
            "copy it to a directory elsewhere, and repair that"
        )
    with NewDirectory(repaired, journal) as new:
        position = plan.kept.first
        for segment in journal.segments:
            if position <= plan.kept.last:
                rows = _up_to(plan.kept.last, segment, position)
                position = (new.add(segment.number, rows) or position - 1) + 1
        lift = _lifting(plan)
        if lift is not None:
            new.add(new.segments[-1].number + 1, [lift])
        replay(new, State(), lambda _: None)
        new.finish()
    try:
        _exchange(journal.path, repaired, aside)
    except OSError as error:
        raise JournalRefused(
            f"the repaired journal could not be put into its place: {error.strerror}; it is in "
            f"'{repaired}' as far as it is not in '{journal.path}', the originals in '{aside}'"
        ) from error
    return aside


def _up_to(last: int, segment: Segment, position: int) -> Iterator[tuple[int, bytes]]:
    """Yield the rows of a segment from one position to another, and look at none behind."""
    for each, blob in segment.rows(position):
        yield each, blob
        if each == last:
            return


def _lifting(plan: Plan) -> tuple[int, bytes] | None:
    """Return a batch that says how far the counters had come; None if nothing dropped says it."""
    header, dropped = plan.header, plan.dropped
    if header is None or not dropped.batches:
        return None
    number, fence, order = _highest(dropped.counters, header)
    now_ms = max(header.now_ms, dropped.to_ms)
    lifted = BatchHeader(
        header.version, plan.kept.last + 1, header.epoch, now_ms, number, fence, order, 0
    )
    return lifted.position, encode_batch(lifted, encode_records([], []), plan.checksum)[0]


def _highest(counters: tuple[int, int, int], header: BatchHeader) -> tuple[int, int, int]:
    number, fence, order = counters
    return (
        max(number, header.next_number),
        max(fence, header.next_fence),
        max(order, header.next_order),
    )


def _exchange(data_dir: str, repaired: str, aside: str) -> None:
    """Put the repaired segments into the place of the old ones, which are kept aside."""
    DataDirectory(aside, create=True).release()
    old, new = (os.path.join(each, "tail") for each in (data_dir, repaired))
    if os.path.lexists(old):
        copied = os.path.join(aside, "tail")
        shutil.copyfile(old, copied)
        with open(copied, "rb") as file:
            os.fsync(file.fileno())
    with open(new, "rb") as file:
        fits = Tail.decode(file.read())
    assert fits is not None
    write_tail(old, fits)
    fsync_directory(data_dir)
    for name in sorted(os.listdir(data_dir), reverse=True):
        if name.startswith("segment-"):
            os.rename(os.path.join(data_dir, name), os.path.join(aside, name))
    fsync_directory(aside)
    fsync_directory(data_dir)
    for name in sorted(os.listdir(repaired)):
        if name.startswith("segment-"):
            os.rename(os.path.join(repaired, name), os.path.join(data_dir, name))
    fsync_directory(data_dir)
    shutil.rmtree(repaired)


def _hopeless(reason: str) -> str:
    return f"nothing can be repaired: the journal has no whole beginning: {reason}"


def _newer(position: int, reason: object) -> str:
    return (
        f"the batch at position {position} is whole, but of a newer respq: {reason}; "
        "nothing should be dropped, start that one"
    )
