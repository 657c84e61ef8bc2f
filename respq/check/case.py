"""One job: its events sorted out, and what is sure about it."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from respq.check.history import (
    Delivery,
    Edit,
    End,
    Job,
    Look,
    Push,
    Queue,
    Removal,
    Touch,
)
from respq.check.lines import Request


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be."""

    lines: tuple[int, ...]
    """Where it shows."""
    text: str

    def __str__(self) -> str:
        where = " and ".join(
            filter(None, (", ".join(map(str, self.lines[:-1])), str(self.lines[-1])))
        )
        return f"line{'s' * (len(self.lines) > 1)} {where}: {self.text}"


def finding(text: str, *requests: Request) -> Finding:
    """Return what is wrong with the lines in which it shows."""
    return Finding(tuple(sorted({each.line for each in requests})), text)


_Fenced = TypeVar("_Fenced", End, Touch)


def _by_fence(events: list[_Fenced]) -> dict[int, list[_Fenced]]:
    found: dict[int, list[_Fenced]] = {}
    for event in events:
        found.setdefault(event.fence, []).append(event)
    return found


class Case:
    """The events of one job by their kinds."""

    __slots__ = (
        "_ends_of",
        "_soonest",
        "_touches_of",
        "deliveries",
        "edits",
        "ends",
        "job",
        "looks",
        "pushes",
        "queue",
        "removals",
        "taken",
        "touches",
    )

    def __init__(self, job: Job) -> None:
        self.job = job
        self.queue: Queue = job.queue
        self.pushes: list[Push] = []
        self.deliveries: list[Delivery] = []
        """With a receipt, by their fences: in the order in which they happened."""
        self.taken: list[Delivery] = []
        """By NOACK."""
        self.ends: list[End] = []
        self.touches: list[Touch] = []
        self.looks: list[Look] = []
        self.removals: list[Removal] = []
        self.edits: list[Edit] = []
        for event in job.events:
            match event:
                case Push():
                    self.pushes.append(event)
                case Delivery():
                    (self.deliveries if event.fence else self.taken).append(event)
                case End():
                    self.ends.append(event)
                case Touch():
                    self.touches.append(event)
                case Look():
                    self.looks.append(event)
                case Removal():
                    self.removals.append(event)
                case Edit():
                    self.edits.append(event)
        self.deliveries.sort(key=lambda each: each.fence)
        # A job may have failed thousands of times: nothing looks at all for each of all.
        self._ends_of = _by_fence(self.ends)
        self._touches_of = _by_fence(self.touches)
        self._soonest = self._soonest_from()

    def _soonest_from(self) -> list[Delivery | None]:
        """Return for each delivery, and the end, which from there on was answered first."""
        soonest = min(self.taken, key=lambda each: each.request.end_ms, default=None)
        found = [soonest]
        for delivery in reversed(self.deliveries):
            if soonest is None or delivery.request.end_ms < soonest.request.end_ms:
                soonest = delivery
            found.append(soonest)
        found.reverse()
        return found

    def soonest_after(self, fence: int) -> Delivery | None:
        """Return which of the deliveries behind a fence was answered first."""
        return self._soonest[bisect_right(self.deliveries, fence, key=lambda each: each.fence)]

    def ends_of(self, fence: int) -> Sequence[End]:
        """Return the acks, moves and nacks of a receipt."""
        return self._ends_of.get(fence, ())

    def touches_of(self, fence: int) -> Sequence[Touch]:
        """Return the touches of a receipt."""
        return self._touches_of.get(fence, ())

    @property
    def origins(self) -> list[Push]:
        """The pushes that may have made the job."""
        return self.pushes or [source.push for source in self.job.sources]

    @property
    def is_known(self) -> bool:
        """Whether there is anything that may have made it."""
        return bool(self.pushes or self.job.sources)

    @property
    def is_shadowed(self) -> bool:
        """Whether a push that had no answer may have made it, and those with one repeated it."""
        return bool(self.queue.sources) and any(each.may_fail for each in self.pushes)

    def sightings(self) -> Iterator[Request]:
        """Yield the requests whose answers had the job in them."""
        yield from (each.request for each in self.deliveries)
        yield from (each.request for each in self.taken)
        yield from (each.request for each in self.looks if each.phase)

    def proofs(self) -> Iterator[Request]:
        """Yield the answered requests by which the job was there at some time."""
        yield from (each.request for each in self.pushes if each.request.is_answered)
        yield from self.sightings()

    def proof_before(self, request: Request) -> Request | None:
        """Return what shows that the job had been there before a request, or None."""
        proofs = (each for each in self.proofs() if each.is_before(request))
        return min(proofs, key=lambda each: each.end_ms, default=None)

    def may_be_gone(self, request: Request, but: Request | None = None) -> bool:
        """Whether anything may have ended the job before a request, ``but`` one aside."""
        if self.queue.may_vanish or any(each.may_vanish for each in self.origins):
            return True
        enders = [each.request for each in self.ends if each.kind != "nack"]
        enders += [each.request for each in self.taken]
        enders += [each.request for each in self.removals]
        if self.queue.removal is not None:
            enders.append(self.queue.removal)
        if self.queue.replacement is not None and any(each.may_fail for each in self.origins):
            enders.append(self.queue.replacement)
        return any(not request.is_before(each) for each in enders if each is not but)

    def may_be_pushed_again(self, after: Request) -> bool:
        """Whether the id may stand for another job after a request that ended the first."""
        return len(self.pushes) > 1 and any(
            not each.request.is_before(after) for each in self.pushes
        )

    def may_be_given_back(self, fence: int, before: Request) -> bool:
        """Whether a nack of a receipt may have taken effect before a request."""
        return any(
            each.kind == "nack" and not before.is_before(each.request)
            for each in self.ends_of(fence)
        )

    def lease_ends_ms(self, delivery: Delivery, seen: Request) -> float:
        """Return until when a delivery surely lasts, as far as touches before ``seen`` say.

        A lease begins when its pop takes effect, which is not before it was sent. Of the
        touches any may be the last, but for those that were answered before another that
        counted was sent.
        """
        changes = [(delivery.request, delivery.lease_ms, True)] + [
            (each.request, each.lease_ms, each.is_sure)
            for each in self.touches_of(delivery.fence)
            if not seen.is_before(each.request)
        ]
        last_start_ms = max(request.start_ms for request, _, is_sure in changes if is_sure)
        lasts = (
            request.start_ms + self._lease_ms(lease_ms)
            for request, lease_ms, _ in changes
            if request.end_ms >= last_start_ms
        )
        return min(*lasts, delivery.request.start_ms + self._maxlease_ms(), math.inf)

    def _lease_ms(self, said_ms: int | None) -> int:
        if self.edits or not self.is_known or self.is_shadowed:
            return 0
        if said_ms is not None:
            return said_ms
        default_ms = self.queue.lease_ms
        return min(default_ms if each.lease_ms is None else each.lease_ms for each in self.origins)

    def _maxlease_ms(self) -> float:
        limits = [each.maxlease_ms for each in self.origins if each.maxlease_ms is not None]
        return min(limits, default=math.inf)
