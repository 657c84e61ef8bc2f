"""Saying again what lives, so that the oldest batches of a journal can be forgotten.

A batch holds the full records of what was made in it. Whatever of that still lives, and has not
been said in full since, is said again, as it stands, in an ordinary batch. From then on nobody
needs the old one: changes in it are of objects that are gone, or that have been said again behind
it. Saying something again changes nothing: where the object is, the record is passed over
(`State`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from respq.engine.codec import encode_records
from respq.engine.jobs.full import job_in_full, queue_in_full
from respq.engine.jobs.job import Job
from respq.engine.keys.records import KeyMade, KeyRestored, RestoreBegin
from respq.engine.keys.space import in_full
from respq.engine.payloads import Payloads
from respq.engine.records import (
    AnswerKept,
    FlowCancelling,
    GateClosed,
    JobRestored,
    JobReturned,
    JobsPushed,
    QueueMade,
    Record,
    ScheduleSet,
    WindowOpened,
    WorkerOrdered,
)
from respq.engine.state import State

_KEY_BYTES, _END_BYTES = 12, 8
"""Of the full record of a key, besides its name and its value, and of an instant of expiry."""
_SAMPLES: Final = 32
"""Jobs of a chunk, or other things of a queue, whose size stands for that of the others."""


class Relocating(Payloads):
    """The part of the engine that keeps the journal from growing for ever."""

    def relocate(
        self, now_ms: int, position: int, records: Sequence[Record]
    ) -> Iterator[Record | None]:
        """Say again what lives of what the batch at ``position`` made.

        Yields each record that was emitted, and None behind each that was looked at: the caller may
        stop there and go on in a later turn.
        """
        for record in records:
            find = _LIVING.get(type(record))
            for living in find(self.state, record, position, now_ms) if find is not None else ():
                full = self._job_in_full(living, records) if isinstance(living, Job) else living
                self.emit_again(full)
                yield full
            yield None

    def _job_in_full(self, job: Job, records: Sequence[Record]) -> JobRestored:
        """Return the full record of a job of a batch, which has its payload if that is away."""
        if isinstance(job.payload, int):
            # It stays here: where it is from now on is not committed yet.
            self.put_back({job.position: records}, {})
        return job_in_full(JobRestored, job, self.payload(job))


Living = Iterator[Record | Job]


def _of_push(state: State, record: JobsPushed, position: int, _: int) -> Living:
    queue = state.queues.get(record.queue)
    if queue is None:
        return
    for number in range(record.first, record.first + len(record.payloads)):
        job = queue.job(number)
        if job is not None and job.position == position:
            yield job


def _of_restored(state: State, record: JobRestored, position: int, _: int) -> Living:
    queue = state.queues.get(record.queue)
    job = queue.job(record.number) if queue is not None else None
    if job is not None and job.position == position:
        yield job


def _of_queue(state: State, record: QueueMade, position: int, _: int) -> Living:
    queue = state.queues.get(record.number)
    if queue is not None and queue.position == position:
        yield queue_in_full(queue)


def _of_schedule(state: State, record: ScheduleSet, position: int, _: int) -> Living:
    schedule = state.schedules.get(record.number)
    if schedule is not None and state.placed[record.number] == position:
        yield msgspec.structs.replace(schedule)


def _of_answer(state: State, record: AnswerKept, _: int, now_ms: int) -> Living:
    queue = state.queues.get(record.queue)
    if queue is not None and record.until_ms > now_ms and queue.answers.get(record.key) == record:
        yield record


def _of_window(state: State, record: WindowOpened, _: int, __: int) -> Living:
    queue = state.queues.get(record.queue)
    if queue is not None and queue.windows.get(record.key) == record:
        yield record


def _of_gate(state: State, record: GateClosed, _: int, __: int) -> Living:
    queue = state.queues.get(record.queue)
    if queue is not None and queue.gates.get(record.group) == record:
        yield record


def _of_flow(state: State, record: FlowCancelling, _: int, __: int) -> Living:
    queue = state.queues.get(record.queue)
    if queue is not None and queue.cancelling.get(record.flow) == record:
        yield record


def _of_order(state: State, record: WorkerOrdered, _: int, __: int) -> Living:
    if state.orders.get(record.name) == record:
        yield record


def _of_key(
    state: State, record: KeyMade | KeyRestored | RestoreBegin, position: int, _: int
) -> Living:
    key = state.keys.key(record.number)
    if key is not None and key.position == position:
        yield from in_full(state.keys, key)


_LIVING: Final[dict[type[Record], Callable[[State, Any, int, int], Living]]] = {
    JobsPushed: _of_push,
    JobRestored: _of_restored,
    JobReturned: _of_restored,
    QueueMade: _of_queue,
    ScheduleSet: _of_schedule,
    AnswerKept: _of_answer,
    WindowOpened: _of_window,
    GateClosed: _of_gate,
    FlowCancelling: _of_flow,
    WorkerOrdered: _of_order,
    KeyMade: _of_key,
    KeyRestored: _of_key,
    RestoreBegin: _of_key,
}
"""Full records, with what yields anew those of them whose object lives as they said it last; the
job where it is one."""


def living_bytes(state: State) -> Iterator[int]:
    """Yield about how many bytes full records of everything would take, part by part.

    Some jobs of each chunk stand for the others. The caller may stop after each part and go on in
    a later turn; what changes meanwhile may be counted or not.
    """
    for number in list(state.queues):
        queue = state.queues.get(number)
        if queue is None:
            continue
        total = _size([queue_in_full(queue)])
        for held in (queue.windows, queue.gates, queue.answers, queue.schedules):
            total += _sampled(len(held), iter(held.values()))
        for place in list(queue.jobs):
            chunk = queue.jobs.get(place, {})
            every = len(chunk) // _SAMPLES + 1
            jobs = [job for at, job in enumerate(chunk.values()) if at % every == 0]
            total += _sampled(len(chunk), (job_in_full(JobRestored, job, b"") for job in jobs))
            total += len(chunk) * sum(job.payload_bytes for job in jobs) // max(1, len(jobs))
            yield total
            total = 0
        yield total
    yield _sampled(len(state.orders), iter(state.orders.values()))
    for chunks in state.keys.chunks:
        for place in list(chunks):
            chunk = chunks.get(place, {})
            every = len(chunk) // _SAMPLES + 1
            keys = [key for at, key in enumerate(chunk.values()) if at % every == 0]
            sampled = sum(
                _KEY_BYTES
                + _END_BYTES * (key.expires_ms > 0)
                + len(key.name)
                + key.value.full_bytes
                for key in keys
            )
            yield sampled * len(chunk) // max(1, len(keys))


def _sampled(count: int, things: Iterator[Record]) -> int:
    """Return about how many bytes a number of records take of which some are given."""
    samples = [each for each, _ in zip(things, range(_SAMPLES + 1), strict=False)]
    return count * _size(samples) // len(samples) if samples else 0


def _size(records: list[Record]) -> int:
    return len(encode_records(records, ()))
