"""What must hold of each job."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TypeAlias

from respq.check.case import Case, Finding, finding
from respq.check.history import Delivery, End, Look, Touch
from respq.check.lines import Request

Law: TypeAlias = Callable[[Case], Iterator[Finding]]
LeaseLaw: TypeAlias = Callable[[Case, float], Iterator[Finding]]
"""Takes how many milliseconds a lease may be shorter than it should, too."""


def lost(case: Case) -> Iterator[Finding]:
    """A job that was there is there until somebody ends it."""
    for look in case.looks:
        if look.phase or case.may_be_gone(look.request):
            continue
        proof = case.proof_before(look.request)
        if proof is not None:
            yield finding(
                f"job {case.job} is lost: it was there, nobody ended it, and it is gone",
                proof,
                look.request,
            )
            return


def resurrected(case: Case) -> Iterator[Finding]:
    """A job that was acknowledged, taken for good or deleted does not come back."""
    for end in case.ends:
        if end.kind != "nack" and end.is_sure:
            yield from _back_after(case, end.request, "acknowledged", end.fence)
    for taken in case.taken:
        yield from _back_after(case, taken.request, "taken with NOACK", math.inf)
    for removal in case.removals:
        if removal.is_sure:
            yield from _back_after(case, removal.request, removal.kind, math.inf)


def _back_after(case: Case, end: Request, how: str, fence: float) -> Iterator[Finding]:
    """Find the job behind its end; a larger fence is behind it at any time."""
    if case.may_be_pushed_again(end):
        return
    for delivery in case.deliveries:
        if delivery.fence == fence:
            continue
        if end.is_before(delivery.request):
            yield finding(
                f"job {case.job} was handed out with fence {delivery.fence} after it had been "
                f"{how}",
                end,
                delivery.request,
            )
            return
        if delivery.fence > fence:
            yield finding(
                f"job {case.job} was {how} by the receipt with fence {fence}, and handed out with "
                f"fence {delivery.fence}: either the receipt was stale, or the job came back",
                end,
                delivery.request,
            )
            return
    for taken in case.taken:
        if end.is_before(taken.request):
            yield finding(
                f"job {case.job} was handed out after it had been {how}", end, taken.request
            )
            return
    for look in case.looks:
        if look.phase not in ("", "done") and end.is_before(look.request):
            if how == "cancelled" and look.phase == "leased":
                continue
            yield finding(
                f"job {case.job} is {look.phase} after it had been {how}", end, look.request
            )
            return


def good_when_stale(case: Case) -> Iterator[Finding]:
    """A receipt ends one delivery once, and is good for nothing afterwards."""
    for fence in dict.fromkeys(each.fence for each in case.ends):
        ends = [each.request for each in case.ends_of(fence) if each.is_sure]
        if len(ends) > 1:
            yield finding(
                f"job {case.job} was ended {len(ends)} times by the receipt with fence {fence}",
                *ends,
            )
    nacks = [each for each in case.ends if each.kind == "nack" and each.is_sure]
    touches = [each for each in case.touches if each.is_sure]
    goods: list[End | Touch] = [*nacks, *touches]
    for good in goods:
        newer = case.soonest_after(good.fence)
        if newer is not None and newer.request.is_before(good.request):
            yield finding(
                f"the receipt with fence {good.fence} of job {case.job} was good after the job had "
                "been handed out anew",
                newer.request,
                good.request,
            )
    for touch in touches:
        for end in case.ends_of(touch.fence):
            if end.is_sure and end.request.is_before(touch.request):
                yield finding(
                    f"the receipt with fence {touch.fence} of job {case.job} was good after it had "
                    "ended the delivery",
                    end.request,
                    touch.request,
                )


def two_receipts(case: Case, slack_ms: float) -> Iterator[Finding]:
    """A job is not handed out again while its lease lasts and nobody gave it back."""
    for delivery in case.deliveries:
        later = case.soonest_after(delivery.fence)
        if later is None or _is_acknowledged(case, delivery):
            continue
        if later.request.is_before(delivery.request):
            continue  # It came back, or its fence fell: other laws say so.
        if later.request.end_ms + slack_ms >= case.lease_ends_ms(delivery, later.request):
            continue
        if case.may_be_given_back(delivery.fence, later.request):
            continue
        if case.may_be_pushed_again(delivery.request):
            continue
        what = f"with fence {later.fence}" if later.fence else "with NOACK"
        yield finding(
            f"job {case.job} was handed out {what} while the lease of fence {delivery.fence} "
            "lasted",
            delivery.request,
            later.request,
        )
    if len(case.taken) > 1:
        yield finding(
            f"job {case.job} was taken with NOACK {len(case.taken)} times",
            *(each.request for each in case.taken),
        )


def _is_acknowledged(case: Case, delivery: Delivery) -> bool:
    return any(each.is_sure and each.kind != "nack" for each in case.ends_of(delivery.fence))


def let_go(case: Case, slack_ms: float) -> Iterator[Finding]:
    """What QSHOW says of a job is what its deliveries say."""
    for look in case.looks:
        if not look.phase:
            continue
        before = [each for each in case.deliveries if each.request.is_before(look.request)]
        if not before or len(case.pushes) > 1:
            continue
        last = before[-1]
        if look.fence < last.fence:
            yield finding(
                f"job {case.job} has fence {look.fence}, after it was handed out with fence "
                f"{last.fence}",
                last.request,
                look.request,
            )
        elif _is_held(case, last, look, slack_ms) and (look.phase, look.fence) != (
            "leased",
            last.fence,
        ):
            yield finding(
                f"job {case.job} is {look.phase} with fence {look.fence} while the lease of fence "
                f"{last.fence} lasts",
                last.request,
                look.request,
            )


def _is_held(case: Case, delivery: Delivery, look: Look, slack_ms: float) -> bool:
    """Whether nothing can have ended a delivery before the job was looked at."""
    if look.request.end_ms + slack_ms >= case.lease_ends_ms(delivery, look.request):
        return False
    if case.queue.removal is not None and not look.request.is_before(case.queue.removal):
        return False
    enders = [each.request for each in case.ends_of(delivery.fence)]
    enders += [each.request for each in case.removals]
    return all(look.request.is_before(each) for each in enders)


def changed(case: Case) -> Iterator[Finding]:
    """A job carries the payload that it was pushed with, and is not there before its push."""
    sent = {each.payload for each in case.pushes}
    if not sent or None in sent or case.edits or case.is_shadowed:
        return
    seen = [(each.request, each.payload) for each in (*case.deliveries, *case.taken)]
    seen += [(each.request, each.payload) for each in case.looks if each.phase]
    for request, payload in seen:
        if payload not in sent:
            yield finding(
                f"job {case.job} was pushed with the payload {case.pushes[0].payload!r}, and has "
                f"{payload!r}",
                case.pushes[0].request,
                request,
            )
            return
    for request, _ in seen:
        if all(request.is_before(each.request) for each in case.pushes):
            yield finding(
                f"job {case.job} was there before it was pushed", request, case.pushes[0].request
            )
            return


def told_twice(case: Case) -> Iterator[Finding]:
    """No two pushes are told the same id, unless one repeats the other."""
    plain = [each for each in case.pushes if not each.may_repeat and each.request.is_answered]
    if len(plain) > 1 and not case.queue.is_set:
        yield finding(
            f"{len(plain)} pushes were told the id {case.job}", *(each.request for each in plain)
        )


LAWS: tuple[Law, ...] = (lost, resurrected, good_when_stale, changed, told_twice)
LEASE_LAWS: tuple[LeaseLaw, ...] = (two_receipts, let_go)
