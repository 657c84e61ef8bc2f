"""A transaction without an answer is there as a whole or not at all.

An answer that shows one part says by when it had happened; one that shows the lack of another
says when it had not yet. The two must not cross.
"""

from __future__ import annotations

from collections.abc import Iterator

from respq.check.case import Case, Finding, finding
from respq.check.history import End, History, Job, Part, Transaction
from respq.check.lines import Request


def halves(history: History, slack_ms: float) -> Iterator[Finding]:
    """Find transactions of which some is there and some is not."""
    for transaction in history.transactions.values():
        if len(transaction.parts) > 1:
            yield from _half(transaction, slack_ms)


def _half(transaction: Transaction, slack_ms: float) -> Iterator[Finding]:
    done: list[Request] = []
    undone: list[Request] = []
    for part in transaction.parts:
        for found, shown in ((done, _shown(part)), (undone, _lacking(part, slack_ms))):
            if shown is not None:
                found.append(shown)
    if not done or not undone:
        return
    first = min(done, key=lambda each: each.end_ms)
    last = max(undone, key=lambda each: each.start_ms)
    # They may be of one request, as when a QPOP shows what a QMOVE took and what it pushed.
    if first is last or first.is_before(last):
        yield finding(
            f"of the transaction in line {transaction.request.line} one part is there and another "
            "is not",
            transaction.request,
            first,
            last,
        )


def _shown(part: Part) -> Request | None:
    """Return the first answer that shows that a part has happened."""
    if part.end is not None:
        assert part.job is not None
        return _shown_end(Case(part.job), part.end)
    job = _pushed_job(part)
    return (
        None
        if job is None
        else min(Case(job).sightings(), key=lambda each: each.end_ms, default=None)
    )


def _shown_end(case: Case, end: End) -> Request | None:
    """Return the first look that does not find a job which only this can have ended."""
    gone = (
        each.request
        for each in case.looks
        if not each.phase
        and case.proof_before(each.request) is not None
        and not case.may_be_gone(each.request, but=end.request)
    )
    return min(gone, key=lambda each: each.end_ms, default=None)


def _lacking(part: Part, slack_ms: float) -> Request | None:
    """Return the last answer that shows that a part has not happened."""
    if part.end is not None:
        assert part.job is not None
        return _lacking_end(Case(part.job), part.end, slack_ms)
    if part.push is None or part.push.may_fail or part.push.may_vanish:
        return None
    job = _pushed_job(part)
    if job is None or job.queue.is_set or job.queue.is_renamed or part.source is not None:
        return None
    case = Case(job)
    absent = (
        each.request for each in case.looks if not each.phase and not case.may_be_gone(each.request)
    )
    return max(absent, key=lambda each: each.start_ms, default=None)


def _lacking_end(case: Case, end: End, slack_ms: float) -> Request | None:
    """Return the last answer with a job in it whose receipt would have been good to end it."""
    delivery = next((each for each in case.deliveries if each.fence == end.fence), None)
    others = [each for each in case.ends_of(end.fence) if each is not end]
    if delivery is None or others or case.removals or case.queue.removal is not None:
        return None
    if case.queue.is_renamed or len(case.pushes) > 1 or case.queue.is_set:
        return None
    seen = [each.request for each in case.deliveries if each.fence > end.fence]
    seen += [each.request for each in case.looks if each.phase not in ("", "done")]
    there = (
        each
        for each in seen
        if end.request.start_ms < each.end_ms
        and each.end_ms + slack_ms < case.lease_ends_ms(delivery, each)
    )
    return max(there, key=lambda each: each.start_ms, default=None)


def _pushed_job(part: Part) -> Job | None:
    """Return the job that only this push can have made, if it is known."""
    if part.source is not None:
        return part.source.made[0] if len(part.source.made) == 1 else None
    if part.job is None or len(Case(part.job).pushes) != 1:
        return None
    return part.job
