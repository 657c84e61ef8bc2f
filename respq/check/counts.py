"""QSTATS counts what is surely there, and no more than what may be."""

from __future__ import annotations

from collections.abc import Iterator

from respq.check.case import Case, Finding, finding
from respq.check.history import History, Queue
from respq.check.lines import Request


def counted(history: History) -> Iterator[Finding]:
    """Compare the last QSTATS of each queue with its jobs."""
    for queue in history.queues.values():
        if queue.counts is not None and not queue.is_renamed:
            yield from _miscounted(queue, *queue.counts)


def _miscounted(queue: Queue, look: Request, count: int) -> Iterator[Finding]:
    sure = possible = 0
    for job in queue.jobs.values():
        case = Case(job)
        if not case.is_known or all(look.is_before(each.request) for each in case.origins):
            continue
        sure += case.proof_before(look) is not None and not case.may_be_gone(look)
        possible += not _is_surely_gone(case, look)
    if count < sure:
        yield finding(
            f"{queue.name} has {count} jobs that are not done, and at least {sure} must be there",
            look,
        )
    sources = [each for some in queue.sources.values() for each in some]
    if count > possible + len(sources) and all(each.is_single for each in sources):
        yield finding(
            f"{queue.name} has {count} jobs that are not done, and no more than "
            f"{possible + len(sources)} can be there",
            look,
        )


def _is_surely_gone(case: Case, look: Request) -> bool:
    enders = [each.request for each in case.ends if each.is_sure and each.kind != "nack"]
    enders += [each.request for each in case.taken]
    enders += [each.request for each in case.removals if each.is_sure and each.kind == "deleted"]
    return len(case.pushes) < 2 and any(each.is_before(look) for each in enders)
