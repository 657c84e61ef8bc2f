"""What the metrics say of queues, read a slice each turn so that no client waits for it.

The first `LABELLED_QUEUES_MAX` queues, by number, have a row of their own; the others are
*folded*: one row for each database. By number, because a queue then never loses its row to
a newer one.

A counter must not fall, else its reader takes that for a restart and counts the whole of it
again; the sum over the folded queues would fall whenever one of them vanishes or gets a row
of its own. So a folded row counts what its queues have done since the process started, as
the growth from one reading to the next.
"""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from respq.config import LABELLED_QUEUES_MAX, SCRAPE_SLICE
from respq.engine.jobs.inspect import oldest_ready_ms
from respq.engine.jobs.job import PHASE_NAMES
from respq.engine.jobs.queue import TOTALS, Queue
from respq.runtime.core import Core

FOLDED_LABEL: Final = "~other"
_CHUNKS: Final = 256
_CONTROLS: Final = {code: f"\\x{code:02x}" for code in (*range(32), 127)}
_TOTALS: Final = struct.Struct(f"<{len(TOTALS)}q")


@dataclass(slots=True)
class Row:
    """What is said of one queue, or of the folded ones of a database."""

    db: int
    label: str
    oldest_ms: int = 0
    counts: list[int] = field(default_factory=lambda: [0] * len(PHASE_NAMES))
    """Jobs by phase."""
    totals: list[int] = field(default_factory=lambda: [0] * len(TOTALS))


@dataclass(slots=True)
class Reading:
    """All queues at about one time."""

    rows: list[Row] = field(default_factory=list)
    queues_count: int = 0
    folded_count: int = 0


class QueueReader:
    """Reads the queues of a core, slice by slice."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.folds = Folds(core.clock.now_ms())

    async def read(self) -> Reading:
        """Return the rows; none while the journal is being read back.

        It takes a turn of the loop for every `SCRAPE_SLICE` queues. One call at a time, and
        the rows are good until the next.
        """
        reading = Reading()
        if self._core.broker.loading:  # Another thread is building the state.
            return reading
        queues = self._core.engine.state.queues
        folds = self.folds
        folds.start_over()
        last = 0
        while numbers := list(islice(queues.irange(last, inclusive=(False, True)), SCRAPE_SLICE)):
            now_ms = self._core.clock.now_ms()
            for number in numbers:
                reading.queues_count += 1
                if reading.queues_count <= LABELLED_QUEUES_MAX:
                    folds.forget(number)
                    reading.rows.append(_row(queues[number], now_ms))
                else:
                    reading.folded_count += 1
                    folds.add(queues[number], now_ms)
            last = numbers[-1]
            await asyncio.sleep(0)
        if folds.known_count != reading.folded_count:
            await self._forget_vanished()
        reading.rows += folds.rows()
        return reading

    async def _forget_vanished(self) -> None:
        """Forget the folded queues that are gone."""
        queues = self._core.engine.state.queues
        for chunk in self.folds.known:
            for number in [each for each in chunk if each not in queues]:
                del chunk[number]
            await asyncio.sleep(0)


class Folds:
    """The folded queues: a row for each database that has or had some."""

    def __init__(self, opened_ms: int) -> None:
        self._opened_ms = opened_ms
        self._rows: dict[int, Row] = {}
        self.known: tuple[dict[int, bytes], ...] = tuple({} for _ in range(_CHUNKS))
        """By number, the totals when last read: as bytes, which no garbage collection walks,
        in many dicts, of which none grows so far that its resize stalls the loop."""

    @property
    def known_count(self) -> int:
        """How many queues are remembered."""
        return sum(map(len, self.known))

    def start_over(self) -> None:
        """Begin another reading: jobs and ages are summed anew, what was done is kept."""
        for row in self._rows.values():
            row.oldest_ms = 0
            row.counts = [0] * len(PHASE_NAMES)

    def add(self, queue: Queue, now_ms: int) -> None:
        """Fold a queue into the row of its database."""
        row = self._rows.get(queue.db)
        if row is None:
            row = self._rows[queue.db] = Row(queue.db, FOLDED_LABEL)
        row.oldest_ms = max(row.oldest_ms, oldest_ready_ms(queue, now_ms))
        for phase, count in enumerate(queue.counts):
            row.counts[phase] += count
        totals = queue.totals.as_list()
        packed = _TOTALS.pack(*totals)
        chunk = self.known[queue.number % _CHUNKS]
        before = chunk.get(queue.number)
        if packed == before:
            return
        chunk[queue.number] = packed
        if before is not None:
            known = _TOTALS.unpack(before)
        elif queue.made_ms < self._opened_ms:
            return  # What it did before this process is not counted.
        else:
            known = (0,) * len(TOTALS)
        for place, total in enumerate(totals):
            row.totals[place] += total - known[place]

    def forget(self, number: int) -> None:
        """Take it that a queue, folded so far or not, is not folded any more."""
        self.known[number % _CHUNKS].pop(number, None)

    def rows(self) -> list[Row]:
        """Return the rows in order of database."""
        return [self._rows[db] for db in sorted(self._rows)]


def _row(queue: Queue, now_ms: int) -> Row:
    return Row(
        queue.db,
        queue_label(queue.name),
        oldest_ready_ms(queue, now_ms),
        list(queue.counts),
        queue.totals.as_list(),
    )


def queue_label(name: bytes) -> str:
    r"""Return a queue's name as text that no other name gives.

    Bytes that are not UTF-8 and control characters are written as ``\xff``, a backslash as
    two, so that a name which holds such text stays apart from one which holds the byte.
    """
    if name == FOLDED_LABEL.encode():
        return "\\x7eother"
    text = name.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    return text.translate(_CONTROLS)
