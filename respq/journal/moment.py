"""A moment in the past of a journal, and the state that was then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from respq.engine.batch import BatchHeader
from respq.engine.records import Trimmed
from respq.engine.state import State
from respq.errors import JournalRefused
from respq.journal.journal import BatchSource
from respq.journal.recovery import Chain, read_batches, read_records
from respq.journal.replay import Replayed, replay


@dataclass(frozen=True, slots=True)
class Moment:
    """When: behind the batch at a position, or behind the last one of an instant; else the end."""

    position: int | None = None
    at_ms: int | None = None

    def includes(self, header: BatchHeader) -> bool:
        """Whether a batch had been written by then."""
        if self.position is not None:
            return header.position <= self.position
        return self.at_ms is None or header.now_ms <= self.at_ms


class NotHeld(JournalRefused):
    """The journal does not hold the moment; the message ends before where and when it could."""

    def __init__(self, what: str, position: int, now_ms: int) -> None:
        super().__init__(what)
        self.position = position
        self.now_ms = now_ms


def rebuild(
    journal: BatchSource, moment: Moment, report: Callable[[str], None]
) -> tuple[State, Replayed]:
    """Return the state as it was at a moment; what is damaged behind it does not matter.

    Raises:
        NotHeld: the journal does not hold that moment.
        JournalBroken: what is there up to it is not the whole history.
        StartRefused: a newer respq wrote it.
    """
    first = _first_whole(journal, report)
    if first is not None and not moment.includes(first):
        if first.position == 1:
            raise NotHeld("the journal begins later, at", first.position, first.now_ms)
        raise NotHeld(
            "compaction has forgotten what was then; the first moment that can be rebuilt is",
            first.position,
            first.now_ms,
        )
    state = State()
    replayed = replay(journal, state, report, until=moment.includes)
    if moment.position is not None and replayed.next_position <= moment.position:
        raise NotHeld("the journal ends at", replayed.next_position - 1, replayed.now_ms)
    return state, replayed


def _first_whole(journal: BatchSource, report: Callable[[str], None]) -> BatchHeader | None:
    """Return the header of the first batch with which a state can be rebuilt; None for none.

    Where compaction has forgotten the beginning, that is the one by which all that was forgotten
    had been said again.
    """
    chain = Chain()
    for header, body, _ in read_batches(journal, report, chain):
        assert chain.begin is not None
        if chain.begin.position == 1:
            return header
        for record in read_records(header.position, body):
            if isinstance(record, Trimmed) and record.before >= chain.begin.position:
                return header
    return None
