"""A disk that outlives processes, and the journal that one of them has on it.

    segments     batches as the page cache has them: what a process leaves that is killed
    durable      up to here the disk has them: what the machine leaves, and by chance some more
    confirmed    up to here `append` returned: what may have been answered for

Faults are told beforehand: the next commit is refused, is written but not confirmed, or is torn,
or there is no space for a while.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Literal

from respq.errors import CommitFailed
from respq.journal.journal import PositionTaken
from tests.simulation.virtual import ProcessLoop, Timeline

Fault = Literal["", "refused", "unconfirmed", "torn"]
PACES_S = {"fast": (0.000_05, 0.000_4), "slow": (0.002, 0.06), "stuck": (0.5, 12.0)}
SYNC_EVERY_S = 1.0
MOST_LATE_S = 0.3
"""How much later than each second `everysec` may be."""


class Segment:
    """Batches that are forgotten together."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.rows: dict[int, bytes] = {}
        self.written_s: dict[int, float] = {}
        self.size = 0
        self.is_sealed = False

    @property
    def last(self) -> int:
        """Return the position of the last batch, or the one before the first if there is none."""
        return self.first + len(self.rows) - 1


class Disk:
    """What is left when a process or a machine ends."""

    def __init__(self, timeline: Timeline, chance: Random, *, mode: str, segment_bytes: int):
        self.timeline = timeline
        self.chance = chance
        self.mode = mode
        self.segment_bytes = segment_bytes
        self.segments = [Segment(1)]
        self.retiring: list[Segment] = []
        """Forgotten, but still there; oldest first."""
        self.durable = self.confirmed = 0
        self.knows_boot = True
        """Whether the machine is the one at which the last batch was confirmed."""
        self.pace = "fast"
        self.fault: Fault = ""
        self.trim_fails = False
        self.full_until_s = 0.0
        self.on_commit: Callable[[int, bytes], None] = lambda position, blob: None
        self.on_trim: Callable[[int], None] = lambda position: None
        self.on_begin: Callable[[float], None] = lambda seconds: None
        """Told how long the work will take that the writer begins."""
        self.is_torn = False
        """Whether the last batch is."""
        self._seconds: float | None = None
        self._slow_until_s = 0.0
        """Until when nothing is promised about seconds, so long does each write take."""

    @property
    def last(self) -> int:
        return self.segments[-1].last

    def draw_seconds(self) -> float:
        """Return how long the next write will take."""
        seconds = self._seconds = self.chance.uniform(*PACES_S[self.pace])
        if seconds > 0.1:
            self._slow_until_s = max(self._slow_until_s, self.timeline.now_s + 4 * seconds + 2)
        return seconds

    def take_seconds(self) -> float:
        """Return how long the write takes that is made now."""
        seconds, self._seconds = self._seconds or self.draw_seconds(), None
        return seconds

    def rows(self) -> list[tuple[int, bytes]]:
        """Return all batches that are not forgotten."""
        return [row for segment in self.segments for row in segment.rows.items()]

    def size_bytes(self) -> int:
        return sum(segment.size for segment in self.segments)

    def whole_until(self) -> int:
        """Return the last position but for a batch that is torn."""
        return self.last - self.is_torn

    def remove_last(self) -> None:
        """Take the last batch off."""
        self.is_torn = False
        segment = next(each for each in reversed(self.segments) if each.rows)
        position = segment.last
        segment.size -= len(segment.rows.pop(position))
        del segment.written_s[position]
        while len(self.segments) > 1 and not self.segments[-1].rows:
            self.segments.pop()
        self.segments[-1].is_sealed = False

    @property
    def is_stuck(self) -> bool:
        """Whether nothing is promised about seconds, or was not a moment ago."""
        return self.timeline.now_s < self._slow_until_s

    def too_old_to_lose_s(self) -> float:
        """Return the instant before which nothing may be lost with the machine in `everysec`."""
        return 0.0 if self.is_stuck else self.timeline.now_s - SYNC_EVERY_S - MOST_LATE_S

    def end(self, *, machine: bool) -> tuple[int, float]:
        """Keep what is left when the process, or the machine with it, ends.

        Returns the last position that is left, and when the oldest batch that is not was written.
        """
        while self.retiring and self.chance.random() < 0.5:
            self.retiring.pop(0)  # It was deleted just in time.
        self.segments[:0] = self.retiring
        self.retiring = []
        lost_s = float("inf")
        if machine:
            self.knows_boot = False
            if self.is_torn:
                self.remove_last()  # The log ends before what is not whole.
            kept = self.chance.randint(min(self.durable, self.last), self.last)
            if self.chance.random() < 0.5:
                kept = min(self.durable, self.last)
            while self.last > kept:
                segment = self.segments[-1]
                lost_s = min(lost_s, segment.written_s[self.last])
                self.remove_last()
        self.confirmed = min(self.confirmed, self.last)
        return self.last, lost_s

    def begin(self) -> None:
        """Make durable what a starting process found, and seal all but the last segment."""
        self.durable = self.last
        for segment in self.segments[:-1]:
            segment.is_sealed = True


class SimulatedJournal:
    """A `Journal` on a simulated disk, for as long as its process lives."""

    def __init__(self, disk: Disk, loop: ProcessLoop) -> None:
        self.disk = disk
        self._loop = loop
        self._failed = False
        disk.begin()

    def append(self, position: int, blob: bytes, checksum: int) -> None:
        disk = self.disk
        if self._failed:
            raise CommitFailed(f"batch {position} is refused: the journal failed")
        if position <= disk.last:
            raise PositionTaken(f"there is a batch at position {position} already")
        if position > disk.last + 1:
            raise ValueError(f"batch {position} would leave a gap after {disk.last}")
        fault, disk.fault = disk.fault, ""
        if disk.timeline.now_s < disk.full_until_s or fault == "refused":
            self._fail(f"batch {position}: no space left")
        if disk.segments[-1].size >= disk.segment_bytes:
            self._turn_segment()
        if fault == "torn" and disk.knows_boot:
            cut = disk.chance.randrange(len(blob))
            self._write(position, blob[:cut])
            disk.is_torn = True
            self._fail(f"batch {position} is torn")
        self._write(position, blob)
        if fault == "unconfirmed":
            self._fail(f"batch {position} was written, but not confirmed")
        if disk.mode == "always":
            disk.durable = position
        disk.confirmed = position
        disk.knows_boot = True
        disk.on_commit(position, blob)

    def read(self, position: int) -> Iterator[tuple[int, bytes]]:
        return iter([row for row in self.disk.rows() if row[0] >= position])

    def cut(self, position: int) -> bool:
        disk = self.disk
        if position != disk.last or position != disk.confirmed + 1 or not disk.knows_boot:
            return False
        disk.remove_last()
        disk.durable = disk.last
        return True

    def trim(self, position: int) -> None:
        disk = self.disk
        if disk.trim_fails:
            disk.trim_fails = False
            self._fail("a segment could not be retired")
        self.sync()
        disk.on_trim(position)
        while len(disk.segments) > 1 and disk.segments[0].last < position:
            if not disk.segments[0].is_sealed:
                break
            disk.retiring.append(disk.segments.pop(0))
            disk.timeline.after(disk.chance.uniform(0.0, 20.0), self._delete)

    def sealed_before(self) -> int:
        for segment in self.disk.segments:
            if not segment.is_sealed:
                return segment.first
        return self.disk.last + 1

    def sync(self) -> None:
        if self._failed:
            raise CommitFailed("the journal failed")
        if self.disk.timeline.now_s < self.disk.full_until_s:
            self._fail("the journal could not be made durable")
        self.disk.durable = self.disk.last

    def close(self) -> None:
        if not self._failed:
            self.sync()

    def size_bytes(self) -> int:
        return self.disk.size_bytes()

    def _write(self, position: int, blob: bytes) -> None:
        segment = self.disk.segments[-1]
        segment.rows[position] = blob
        segment.written_s[position] = self.disk.timeline.now_s
        segment.size += len(blob)

    def _turn_segment(self) -> None:
        disk = self.disk
        full = disk.segments[-1]
        if disk.mode != "always":
            disk.durable = disk.last
        disk.timeline.after(disk.chance.uniform(0.0, 2.0), self._seal, full)
        disk.segments.append(Segment(full.last + 1))

    def _seal(self, segment: Segment) -> None:
        if self._loop.is_alive:
            segment.is_sealed = True

    def _delete(self) -> None:
        if self._loop.is_alive and self.disk.retiring:
            self.disk.retiring.pop(0)

    def _fail(self, why: str) -> None:
        self._failed = True
        raise CommitFailed(why)


class SimulatedWriter:
    """A `Writer` whose work takes as long as the disk does, and is done at the end of it."""

    def __init__(self, disk: Disk, loop: ProcessLoop) -> None:
        self._disk = disk
        self._loop = loop
        self._work: Callable[[], None] | None = None

    def put(self, work: Callable[[], None]) -> None:
        assert self._work is None, "two commits at once"
        self._work = work
        seconds = self._disk.draw_seconds()
        self._disk.timeline.after(seconds, self._run)
        self._disk.on_begin(seconds)

    def stop(self) -> None:
        """Do nothing: whoever stops the server waits until it is settled."""

    def end(self, *, finish: bool) -> None:
        """Be killed in the middle of some work, or between its end and the loop's knowing."""
        work, self._work = self._work, None
        if finish and work is not None:
            work()

    def _run(self) -> None:
        if not self._loop.is_alive or self._work is None:
            return
        work, self._work = self._work, None
        work()
