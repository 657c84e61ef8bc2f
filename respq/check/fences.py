"""Fences rise over all deliveries of the server, and none is given twice."""

from __future__ import annotations

from collections.abc import Iterator

from respq.check.case import Finding, finding
from respq.check.history import Delivery, History


def fences(history: History) -> Iterator[Finding]:
    """Find fences that fall, and fences that are there twice."""
    deliveries = [each for each in history.deliveries if each.fence]
    yield from _repeated(deliveries)
    yield from _fallen(deliveries)


def _repeated(deliveries: list[Delivery]) -> Iterator[Finding]:
    given: dict[int, Delivery] = {}
    for delivery in deliveries:
        first = given.setdefault(delivery.fence, delivery)
        if first is not delivery:
            yield finding(
                f"fence {delivery.fence} was given twice: to job {first.job} and to job "
                f"{delivery.job}",
                first.request,
                delivery.request,
            )


def _fallen(deliveries: list[Delivery]) -> Iterator[Finding]:
    """Compare each delivery with all that were answered before it was asked for."""
    by_answer = sorted(deliveries, key=lambda each: each.request.end_ms)
    by_start = sorted(
        deliveries, key=lambda each: (each.request.start_ms, each.request.line, each.place)
    )
    highest: Delivery | None = None
    before: Delivery | None = None
    """The one that stands before it in the same line."""
    place = 0
    for later in by_start:
        while place < len(by_answer) and by_answer[place].request.is_before(later.request):
            if highest is None or by_answer[place].fence > highest.fence:
                highest = by_answer[place]
            place += 1
        earlier = highest
        if before is not None and before.request is later.request:
            earlier = before if highest is None or before.fence > highest.fence else highest
        # An equal fence was given twice, which is said once.
        if earlier is not None and later.fence < earlier.fence:
            yield finding(
                f"job {later.job} was handed out with fence {later.fence} after fence "
                f"{earlier.fence} had been given to job {earlier.job}",
                earlier.request,
                later.request,
            )
        before = later
