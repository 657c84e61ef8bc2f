"""Why a job is not delivered: every cause that there is, as far as it holds now."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from respq.engine.core import shown
from respq.engine.jobs.amend import Amending
from respq.engine.jobs.job import (
    BLOCKED,
    DEAD,
    DELAYED,
    DONE,
    LEASED,
    PHASE_NAMES,
    READY,
    REASON_NAMES,
    Job,
    Notes,
)
from respq.engine.jobs.queue import FOREVER_MS, Queue

AHEAD_MAX = 10_000
"""So many jobs are counted that stand before one."""

Cause = tuple[bytes, bytes]
"""A word for programs, and a text for people."""


class Explaining(Amending):
    """Answers to what an operator asks of a job."""

    def explain(
        self, now_ms: int, db: int, name: bytes, job_id: bytes
    ) -> tuple[bytes, list[Cause]]:
        """Return the phase of a job, and why it does not go out; no cause if it would be next.

        Raises:
            NoQueue, NoJob: if it is not there.
        """
        job = self.find_job(db, name, job_id)
        causes = self._waits(now_ms, job) if job.phase == READY else self._is_not_ready(job)
        return PHASE_NAMES[job.phase], [(word, text.encode()) for word, text in causes]

    def _waits(self, now_ms: int, job: Job) -> Iterator[tuple[bytes, str]]:
        """Yield what keeps a READY job from the next pop, whatever would suffice first."""
        queue = job.queue
        settings = queue.settings
        options = job.options
        group = (options.group if options is not None else None) or b""
        if options is not None and options.expires_ms is not None and options.expires_ms <= now_ms:
            yield b"expired", f"its ttl is over since {options.expires_ms}"
        if queue.pauses.pops_ms:
            until = "QUEUE RESUME" if queue.pauses.pops_ms == FOREVER_MS else queue.pauses.pops_ms
            yield b"paused", f"its queue gives out nothing until {until}"
        yield from _closed_gates(queue, group)
        if settings.concurrency is not None and len(queue.leases) >= settings.concurrency:
            yield (
                b"concurrency",
                f"{len(queue.leases)} jobs are leased, CONCURRENCY is {settings.concurrency}",
            )
        rate = settings.rate
        if rate is not None and not rate.left(queue.paid_until, now_ms):
            opens_ms = rate.opens_ms(queue.paid_until)
            yield b"rate", f"RATE lets the next job go at {opens_ms}"
        limit = settings.group_concurrency
        held = queue.groups.held(group) if queue.groups is not None else 0
        if group and limit is not None and held >= limit:
            yield (
                b"group",
                f"{held} jobs of its group '{shown(group)}' are held, GROUPCONCURRENCY is {limit}",
            )
        ahead = 0
        for other in islice(queue.ready, AHEAD_MAX):
            if other is job:
                break
            ahead += 1
        if ahead == AHEAD_MAX:
            yield b"behind", f"{AHEAD_MAX} jobs or more stand before it"
        elif ahead:
            yield b"behind", f"{ahead} jobs stand before it"

    @staticmethod
    def _is_not_ready(job: Job) -> Iterator[tuple[bytes, str]]:
        """Yield why a job is in another phase."""
        notes = job.notes or Notes()
        if job.phase == DELAYED:
            yield b"delayed", f"it is ready at {job.due_ms}"
            if job.attempts:
                yield b"failed", f"{job.attempts} attempts failed, the last with: {_said(notes)}"
        elif job.phase == LEASED:
            holder = f"'{shown(job.holder)}'" if job.holder else "a worker"
            yield b"leased", f"{holder} holds it until {job.due_ms}"
            if notes.cancelled:
                yield b"cancelled", f"it is not wanted any more: {_said(notes)}"
        elif job.phase == BLOCKED and job.options is not None:
            for number in job.options.depends[:AHEAD_MAX]:
                parent = job.queue.job(number)
                if parent is not None:
                    yield (
                        b"blocked",
                        f"it waits for '{shown(parent.id)}', which is "
                        f"{PHASE_NAMES[parent.phase].decode()}",
                    )
        elif job.phase == DEAD:
            reason = REASON_NAMES[notes.reason].decode()
            yield b"dead", f"{reason}: {_said(notes)}: QDLQ REDRIVE gives it another chance"
        elif job.phase == DONE:
            yield b"done", f"it is kept until {job.due_ms}"


def _closed_gates(queue: Queue, group: bytes) -> Iterator[tuple[bytes, str]]:
    for name in dict.fromkeys((b"", group)):
        gate = queue.gates.get(name)
        if gate is not None and (not name or queue.groups is not None):
            what = f"its group '{shown(name)}'" if name else "its queue"
            yield (
                b"ratelimit",
                f"a worker met a rate limit: {what} gives out nothing until {gate.until_ms}",
            )


def _said(notes: Notes) -> str:
    return shown(notes.error) or "nothing was said"
