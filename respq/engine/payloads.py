"""Payloads in memory and in the journal.

Each payload is in the journal, in the batch that says its job in full (`Job.position`). Memory
keeps those that are wanted soon and lets go of others when it gets short: such a payload is
*away*, and only its length stays with the job.

    in memory ── memory is short: `letting_go` ──► away
        ▲                                            │ somebody needs it: `PayloadsAway`
        └────────── `put_back` ◄── its batch is read ┘

Whether a payload is here or away is no state: no record tells it, and no reply depends on it but in
when it comes. What needs one that is away stops with `PayloadsAway` before it changes anything, and
is run again when the payload is here. Before the jobs at the head of a queue are needed their
batches are asked for (`present`), so a worker seldom waits.

Payloads of batches that are not committed are never let go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, takewhile
from typing import Final

from respq.config import AHEAD_BYTES_MAX, AHEAD_BYTES_MIN, AHEAD_JOBS
from respq.engine.core import EngineCore, shown
from respq.engine.jobs.job import BY_READING, LEASED, READY, UNREADABLE, Job, Notes
from respq.engine.jobs.queue import CHUNK_BITS, Queue
from respq.engine.records import JobDied, JobRestored, JobsPushed, Record
from respq.errors import UnreadablePayload

LET_GO_BYTES_MIN: Final = 64
"""A shorter payload is not worth it."""
_STRIDE: Final = 256
"""Jobs that are looked at before `letting_go` may stop."""

Batches = Mapping[int, Sequence[Record] | None]
"""The records of batches by position; None for one that cannot be read."""


class PayloadsAway(Exception):
    """Payloads of a queue have to be read first; nothing was begun that is not whole."""

    def __init__(self, queue: Queue) -> None:
        super().__init__(f"payloads of queue '{shown(queue.name)}' are away")
        self.queue = queue


class Payloads(EngineCore):
    """The part of the engine that knows where payloads are."""

    def payload(self, job: Job) -> bytes:
        """Return the payload of a job.

        Raises:
            PayloadsAway: it has to be read first.
            UnreadablePayload: it cannot be read.
        """
        payload = self.payloads(job.queue, (job,))[0]
        if payload is None:
            raise UnreadablePayload(
                f"the payload of job '{shown(job.id)}' cannot be read from the journal at "
                f"position {job.position}: respq journal verify says more"
            )
        return payload

    def payloads(self, queue: Queue, jobs: Sequence[Job]) -> list[bytes | None]:
        """Return the payloads of jobs of a queue, None for one that cannot be read.

        Raises:
            PayloadsAway: some have to be read first.
        """
        unreadable = self.state.unreadable
        away = [
            job for job in jobs if isinstance(job.payload, int) and job.position not in unreadable
        ]
        if away:
            self._ask(queue, away)
            raise PayloadsAway(queue)
        return [None if isinstance(job.payload, int) else job.payload for job in jobs]

    def present(self, now_ms: int, queue: Queue, at_head: list[Job], count: int) -> list[Job]:
        """Return those of the jobs at the head of a queue whose payloads are here, up to one away.

        Those that are next are asked for. A job whose payload cannot be read is a dead letter.
        ``count`` is how many jobs are to go out in all if none has yet, else 0.

        Raises:
            PayloadsAway: if none has, and the payload of one that is to is away; of very many the
                first count.
        """
        queue.look_ahead_in -= len(at_head)
        if queue.look_ahead_in <= 0:
            self._look_ahead(queue)
        unreadable = self.state.unreadable
        while at_head and isinstance(at_head[0].payload, int):
            if at_head[0].position not in unreadable:
                break
            self._bury_unreadable(now_ms, at_head[0])
            at_head = queue.ready.head(len(at_head))
        here = list(takewhile(lambda job: isinstance(job.payload, bytes), at_head))
        if len(here) < count:
            # Where groups matter the first at the head need not be the first of those near.
            near = _near(queue, AHEAD_BYTES_MAX, count)
            self.payloads(queue, [*at_head[len(here) : len(here) + 1], *near])
        return here

    def _bury_unreadable(self, now_ms: int, job: Job) -> None:
        notes = job.notes or Notes()
        self.emit(
            JobDied(
                job.queue.number,
                job.number,
                self.next_number(),
                BY_READING,
                UNREADABLE,
                now_ms,
                notes.failures,
                notes.crashes,
                b"its payload cannot be read from the journal at position %d" % job.position,
                job.queue.keeps_dead_until(now_ms),
            )
        )

    def _look_ahead(self, queue: Queue) -> None:
        """Ask for the payloads that will be needed next, and note when to look again."""
        near = list(_near(queue, AHEAD_BYTES_MAX))
        away = [job for job in near if isinstance(job.payload, int)]
        self._ask(queue, away)
        if not away and len(near) == queue.ready.count:
            queue.has_away = False
        queue.look_ahead_in = max(1, len(near) // 2)

    def _ask(self, queue: Queue, away: Iterable[Job]) -> None:
        """Have the batches read in which payloads are that are away."""
        state = self.state
        for job in away:
            position = job.position
            if isinstance(job.payload, int) and position not in state.unreadable:
                asked = state.reading if position in state.reading else state.wanted
                asked.setdefault(position, {})[queue.number] = None

    def take_wanted(self, count: int) -> dict[int, dict[int, None]]:
        """Hand over up to ``count`` positions that are to be read, the first that were asked for.

        With each go the numbers of the queues that wait for it.
        """
        wanted = self.state.wanted
        return {position: wanted.pop(position) for position in [*islice(wanted, count)]}

    def want_again(self, asked: dict[int, dict[int, None]]) -> None:
        """Have positions read next that were taken, and not read yet."""
        self.state.wanted = {**asked, **self.state.wanted}

    def is_needed(self, position: int, queues: Iterable[int]) -> bool:
        """Tell whether one of these queues has a job at its head whose payload is in that batch.

        Compaction may have said them again, and the journal have forgotten it, meanwhile.
        """
        found = filter(None, map(self.state.queues.get, queues))
        return any(job.position == position for queue in found for job in queue.ready.head(1))

    def put_back(self, batches: Batches, asked: Mapping[int, Iterable[int]]) -> None:
        """Give jobs the payloads that batches hold, and have those told who wait for them.

        ``asked`` are the queues that wait, by position, as `take_wanted` returned them.
        """
        state = self.state
        told: dict[int, None] = {}
        for position, records in batches.items():
            if records is None:
                state.unreadable.add(position)
            else:
                self._put_back(position, records)
            told |= dict.fromkeys(asked.get(position, ()))
        for number in told:
            state.tell_payloads(number)

    def _put_back(self, position: int, records: Sequence[Record]) -> None:
        state = self.state
        for queue_number, number, payload in payloads_of(records):
            queue = state.queues.get(queue_number)
            job = queue.job(number) if queue is not None else None
            if job is not None and job.position == position:
                if isinstance(job.payload, int):
                    state.payloads_read += 1
                    job.queue.warm.add(number >> CHUNK_BITS)
                # Of several that a batch has of a job the last one holds.
                job.payload = payload

    def letting_go(self, committed: int, limit_bytes: int) -> Iterator[int]:
        """Let go of payloads of batches up to ``committed`` that are not needed soon.

        First of those that are the last to be needed. Yields now and then how many bytes it was
        since; the caller may stop there and go on in a later turn. ``limit_bytes`` is what
        memory may hold in all.
        """
        queues = [queue for queue in self.state.queues.values() if queue.warm]
        share = limit_bytes // 20 // max(1, len(queues))
        near_bytes = min(AHEAD_BYTES_MAX, max(AHEAD_BYTES_MIN, share))
        for queue in queues:
            near = {job.number for job in _near(queue, near_bytes)}
            for place in sorted(queue.warm, reverse=True):
                yield from self._let_go_of(queue, place, near, committed)
            yield 0

    def _let_go_of(self, queue: Queue, place: int, near: set[int], committed: int) -> Iterator[int]:
        """Let go of the payloads of a chunk of jobs, but for those that are near."""
        state = self.state
        jobs = list(queue.jobs.get(place, {}).values())
        is_cold = place != state.next_number >> CHUNK_BITS
        for start in range(0, len(jobs), _STRIDE):
            freed = 0
            for job in jobs[start : start + _STRIDE]:
                payload = job.payload
                if isinstance(payload, int) or len(payload) < LET_GO_BYTES_MIN:
                    continue
                if job.number in near or job.position > committed:
                    is_cold = False
                    continue
                freed += len(payload)
                job.payload = state.length(len(payload))
                state.payloads_let_go += 1
                if job.phase in (READY, LEASED):
                    queue.has_away = True
            yield freed
        if is_cold:
            queue.warm.discard(place)


def payloads_of(records: Iterable[Record]) -> Iterator[tuple[int, int, bytes]]:
    """Yield queue, number and payload of each job that records say in full, in their order."""
    for record in records:
        if isinstance(record, JobsPushed):
            for number, payload in enumerate(record.payloads, record.first):
                yield record.queue, number, payload
        elif isinstance(record, JobRestored):
            yield record.queue, record.number, record.payload


def _near(queue: Queue, bytes_max: int, count: int = AHEAD_JOBS) -> Iterator[Job]:
    """Yield up to ``count`` jobs that are handed out next, as many of them as are to be at hand."""
    size = 0
    for job in islice(queue.ready, min(count, AHEAD_JOBS)):
        yield job
        size += job.payload_bytes
        if size >= bytes_max:
            return
