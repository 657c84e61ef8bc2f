"""The most urgent goes first, where that is owed.

It is owed when a job was surely ready during the whole time of a pop that gave a less urgent
one: its push had been answered before, it was due at once, nobody had got it, and it was there
afterwards. A pop without an answer may have had it, so nothing is owed while one is about.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from respq.check.case import Case, Finding, finding
from respq.check.history import Delivery, Edit, History, Job, Push, Queue
from respq.check.lines import Request

_Urgency: TypeAlias = tuple[int, ...]
"""The smallest goes first."""
_Line: TypeAlias = list[tuple[_Urgency, int, "_Ready"]]
"""A heap; the number keeps jobs from being compared."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """A job that was surely ready from the answer of its push until a time."""

    job: Job
    urgency: _Urgency
    push: Request
    until_ms: float


def order(history: History) -> Iterator[Finding]:
    """Find pops that passed over a more urgent job."""
    by_queue: dict[str, list[Delivery]] = {}
    for delivery in history.deliveries:
        by_queue.setdefault(delivery.job.queue.name, []).append(delivery)
    for name, deliveries in by_queue.items():
        queue = history.queues[name]
        if queue.is_grouped or queue.is_renamed or _kind(queue) is None:
            continue
        if len(queue.priorities) > 1:
            yield from _passed_over(queue, deliveries)


def _kind(queue: Queue) -> tuple[str, str] | None:
    """Return its ORDER and PRIORITIES, or None if they may have changed."""
    if len(queue.orders) > 1 or (queue.orders and queue.removal is not None):
        return None
    return next(iter(queue.orders), ("MAX", "NUMERIC"))


def _passed_over(queue: Queue, deliveries: list[Delivery]) -> Iterator[Finding]:
    ready = sorted(_ready_jobs(queue), key=lambda each: each.push.end_ms)
    line: _Line = []
    come = 0
    deliveries.sort(key=_times)
    # All of a pipeline have the same times: they are one pop.
    for (start_ms, end_ms), together in groupby(deliveries, key=_times):
        while come < len(ready) and ready[come].push.end_ms < start_ms:
            heapq.heappush(line, (ready[come].urgency, come, ready[come]))
            come += 1
        known = [(each, _urgency(queue, each.job)) for each in together]
        given = [(each, urgency) for each, urgency in known if urgency is not None]
        if not given:
            continue
        least, urgency = max(given, key=lambda each: each[1])
        passed = _take_more_urgent(line, urgency, start_ms, end_ms)
        if passed is not None:
            yield finding(
                f"job {least.job} was handed out while the more urgent job {passed.job} was ready",
                passed.push,
                least.request,
            )


def _times(delivery: Delivery) -> tuple[float, float]:
    return delivery.request.start_ms, delivery.request.end_ms


def _take_more_urgent(line: _Line, than: _Urgency, start_ms: float, end_ms: float) -> _Ready | None:
    """Return a job that is more urgent and was ready all the time; each is returned once."""
    aside: _Line = []
    found = None
    while found is None and line and line[0][0] < than:
        entry = heapq.heappop(line)
        if entry[2].until_ms > end_ms:
            found = entry[2]
        elif entry[2].until_ms > start_ms:
            aside.append(entry)
    for entry in aside:
        heapq.heappush(line, entry)
    return found


def _ready_jobs(queue: Queue) -> Iterator[_Ready]:
    blind_from_ms = _BlindPops(queue.blind_pops)
    for job in queue.jobs.values():
        case = Case(job)
        if len(case.pushes) != 1 or case.removals or case.is_shadowed or queue.may_vanish:
            continue
        (push,) = case.pushes
        urgency = _urgency(queue, job)
        if urgency is None or not push.request.is_answered or not push.is_prompt:
            continue
        if push.may_vanish:
            continue
        until_ms = min(_untouched_until_ms(case), blind_from_ms(push.request.start_ms))
        if until_ms > push.request.end_ms:
            yield _Ready(job, urgency, push.request, until_ms)


def _untouched_until_ms(case: Case) -> float:
    """Return until when a job surely waited for its first delivery."""
    first = [each.request.start_ms for each in (*case.deliveries, *case.taken)]
    if first:
        return min(first)
    waiting = (
        each.request.start_ms for each in case.looks if each.phase == "ready" and not each.fence
    )
    return max(waiting, default=-math.inf)


class _BlindPops:
    """Pops without an answer, which may hold any job that was pushed before they happened."""

    def __init__(self, pops: list[Request]) -> None:
        self._pops = sorted(pops, key=lambda each: each.end_ms)
        self._start_ms = [math.inf]
        for each in reversed(self._pops):
            self._start_ms.append(min(self._start_ms[-1], each.start_ms))
        self._start_ms.reverse()

    def __call__(self, pushed_ms: float) -> float:
        """Return from when on one of them may hold what was pushed at that time."""
        return self._start_ms[bisect_left(self._pops, pushed_ms, key=lambda each: each.end_ms)]


def _urgency(queue: Queue, job: Job) -> _Urgency | None:
    """Return how urgent a job is, if that is certain."""
    priorities = set()
    for event in job.events:
        if isinstance(event, Edit):
            return None
        if isinstance(event, Push):
            if event.may_fail and queue.sources:
                return None  # It may have been told of a job that another push made.
            priorities.add(event.priority)
    if len(priorities) != 1:
        return None
    (priority,) = priorities
    kind = _kind(queue)
    assert kind is not None
    if kind[1] == "TEXT":
        text = priority.encode(errors="surrogateescape")
        if kind[0] == "MIN":
            return (*(each + 1 for each in text), 0)
        return (*(255 - each for each in text), 256)
    try:
        number = int(priority or "0")
    except ValueError:
        return None
    return (number if kind[0] == "MIN" else -number,)
