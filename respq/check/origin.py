"""Where jobs come from whose id nobody was told: each needs a push that had no answer.

Schedules, THEN and a redrive to another queue make jobs, too.
"""

from __future__ import annotations

from collections.abc import Iterator

from respq.check.case import Finding, finding
from respq.check.history import Delivery, Edit, History, Job, Look, Push, Queue, Source
from respq.check.lines import Request


def invented(history: History) -> Iterator[Finding]:
    """Give each such job what may have made it, and find those that nothing can have made."""
    for queue in history.queues.values():
        if not queue.is_renamed:
            yield from _invented_in(queue)


def _invented_in(queue: Queue) -> Iterator[Finding]:
    by_payload: dict[str, list[tuple[Job, Request]]] = {}
    for job in queue.jobs.values():
        if any(isinstance(event, Push) for event in job.events):
            continue
        seen = _sighting(job)
        if seen is None:
            continue
        request, payload = seen
        candidates = [*queue.sources.get(payload, ()), *queue.sources.get(None, ())]
        is_edited = any(isinstance(event, Edit) for event in job.events)
        if is_edited:
            candidates = [each for some in queue.sources.values() for each in some]
        job.sources = tuple(each for each in candidates if not request.is_before(each.push.request))
        if not job.sources:
            yield finding(f"job {job} is there, and nobody pushed it", request)
            continue
        if len(job.sources) == 1:
            job.sources[0].made.append(job)
        if is_edited or queue.sources.get(None):
            continue
        if all(each.is_single for each in candidates):
            by_payload.setdefault(payload, []).append((job, request))
    for payload, jobs in by_payload.items():
        yield from _too_many(queue, payload, jobs)


def _sighting(job: Job) -> tuple[Request, str] | None:
    """Return the first answer that had the job in it, and what it carried then."""
    first: Delivery | Look | None = None
    for event in job.events:
        is_seen = isinstance(event, Delivery) or (isinstance(event, Look) and event.phase)
        if is_seen and (first is None or event.request.end_ms < first.request.end_ms):
            assert isinstance(event, Delivery | Look)
            first = event
    return None if first is None else (first.request, first.payload)


def _too_many(queue: Queue, payload: str, jobs: list[tuple[Job, Request]]) -> Iterator[Finding]:
    sources: list[Source] = queue.sources[payload]
    if len(jobs) > len(sources):
        yield finding(
            f"{len(jobs)} jobs of {queue.name} have the payload {payload!r} and an id that no push "
            f"was told, and only {len(sources)} of its pushes had no answer",
            *(each.push.request for each in sources),
            *(request for _, request in jobs),
        )
