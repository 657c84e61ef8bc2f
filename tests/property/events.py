"""What listeners must hear, told from the journal alone: names and ids are those of its records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from respq.engine.codec import decode_records
from respq.engine.jobs import job as jobs
from respq.engine.keys.families import KeyRecord
from respq.engine.records import (
    AnswerKept,
    AnyRecord,
    ChildrenDied,
    ChildrenFreed,
    EpochStarted,
    FlowCancelling,
    GateClosed,
    GateOpened,
    JobCancelled,
    JobDied,
    JobDone,
    JobDue,
    JobEdited,
    JobOptions,
    JobReleased,
    JobRemoved,
    JobRestored,
    JobReturned,
    JobsAcked,
    JobsLeased,
    JobsPushed,
    JobTouched,
    JobUndone,
    QueueDropped,
    QueueMade,
    QueuePaused,
    QueuePurged,
    QueueRenamed,
    QueueSet,
    ScheduleFired,
    ScheduleRemoved,
    ScheduleSet,
    Trimmed,
    WindowClosed,
    WindowOpened,
    WorkerOrdered,
)

_REMOVED = {
    jobs.TAKEN: "acked",
    jobs.EXPIRED: "dropped",
    jobs.HELD_EXPIRED: "dropped",
    jobs.NACKED_EXPIRED: "dropped",
    jobs.DELETED: "deleted",
    jobs.EVICTED: "evicted",
    jobs.FORGOTTEN: "forgotten",
    jobs.REPLACED: "replaced",
    jobs.CANCELLED: "cancelled",
    jobs.HELD_CANCELLED: "",
    jobs.NACKED_CANCELLED: "",
    jobs.OVER: "over",
    jobs.MOVED: "redriven",
}
_RELEASED = {
    jobs.BY_NACK: "nacked",
    jobs.BY_SILENT: "nacked",
    jobs.BY_LEASE_END: "expired",
    jobs.BY_REDRIVE: "redriven",
}


class Expected:
    """Reads a journal as it grows."""

    def __init__(self, journal: list[bytes]) -> None:
        self._journal = journal
        self._read = 0
        self._names: dict[int, tuple[int, bytes]] = {}
        self._ids: dict[int, bytes] = {}
        self._due: dict[int, int] = {}
        self._parents: dict[int, set[int]] = {}
        self._cancelled: set[int] = set()

    def take(self) -> list[tuple[bytes, bytes]]:
        """Return channel and payload of each message that what is new in the journal gives."""
        said: list[tuple[bytes, bytes]] = []
        for body in self._journal[self._read :]:
            for record in decode_records(body):
                said += self.said_of(record)
        self._read = len(self._journal)
        return said

    def said_of(self, record: AnyRecord) -> Iterator[tuple[bytes, bytes]]:
        """Yield channel and payload of each message that the next record gives."""
        for queue, word, payload in self._of(record):
            db, name = self._names[queue]
            place = b"q@%d" % db if db else b"q"
            yield b"%b:%b:%b" % (place, name, word.encode()), payload

    def _of(self, record: AnyRecord) -> Iterator[tuple[int, str, bytes]]:
        if isinstance(record, KeyRecord):
            return
        match record:
            case QueueMade():
                self._names[record.number] = record.db, record.name
            case QueueRenamed():
                db, _ = self._names[record.queue]
                self._names[record.queue] = db, record.name
            case QueuePurged():
                if record.count:
                    yield record.queue, "purged", b"%d" % record.count
            case JobsPushed():
                for place in range(len(record.payloads)):
                    number = record.first + place
                    self._know(number, record.pushed_ms, record.due_ms, record.options)
                    yield record.queue, "pushed", self._ids[number]
            case JobReturned():
                yield record.queue, "undone", self._ids[record.number]
            case JobDue():
                yield record.queue, "ready", self._ids[record.number]
            case JobsLeased():
                yield from self._run(record, "leased")
            case JobsAcked():
                yield from self._run(record, "acked")
            case ChildrenDied():
                yield from self._run(record, "dead")
            case JobDone():
                yield record.queue, "acked", self._ids[record.number]
            case JobDied():
                yield record.queue, "dead", self._ids[record.number]
            case JobReleased():
                yield record.queue, _RELEASED[record.cause], self._ids[record.number]
            case JobUndone():
                yield record.queue, "undone", self._ids[record.number]
            case JobCancelled():
                self._cancelled.add(record.number)
                yield record.queue, "cancelled", self._ids[record.number]
            case JobRemoved():
                again = record.cause == jobs.CANCELLED and record.number in self._cancelled
                if _REMOVED[record.cause] and not again:
                    yield record.queue, _REMOVED[record.cause], self._ids[record.number]
            case JobEdited():
                self._due[record.number] = record.due_ms
                yield record.queue, "edited", self._ids[record.number]
            case ChildrenFreed():
                for number in record.numbers:
                    self._parents[number].discard(record.parent)
                    if not self._parents[number] and self._due[number] <= record.freed_ms:
                        yield record.queue, "ready", self._ids[number]
            case (
                EpochStarted()
                | Trimmed()
                | QueueSet()
                | QueueDropped()
                | QueuePaused()
                | JobRestored()
                | JobTouched()
                | ScheduleSet()
                | ScheduleFired()
                | ScheduleRemoved()
                | AnswerKept()
                | WindowOpened()
                | FlowCancelling()
                | GateClosed()
                | GateOpened()
                | WorkerOrdered()
                | WindowClosed()
            ):
                pass
            case _:
                assert_never(record)

    def _know(self, number: int, pushed_ms: int, due_ms: int, options: JobOptions | None) -> None:
        own = options.id if options is not None else None
        self._ids[number] = own or b"%d-%d" % (pushed_ms, number)
        self._due[number] = due_ms
        self._parents[number] = set(options.depends) if options is not None else set()

    def _run(
        self, record: JobsLeased | JobsAcked | ChildrenDied, word: str
    ) -> Iterator[tuple[int, str, bytes]]:
        for number in record.numbers:
            yield record.queue, word, self._ids[number]
