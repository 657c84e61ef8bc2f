"""The whole check: lines in, findings out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from respq.check import SLACK_MS
from respq.check.case import Case, Finding
from respq.check.commands import note
from respq.check.counts import counted
from respq.check.fences import fences
from respq.check.history import History
from respq.check.jobs import LAWS, LEASE_LAWS
from respq.check.lines import Lines
from respq.check.order import order
from respq.check.origin import invented
from respq.check.whole import halves


@dataclass(frozen=True, slots=True)
class Report:
    """What a history holds, and what is wrong with it."""

    requests: int
    answered: int
    jobs: int
    findings: list[Finding]
    """By the lines in which they show."""


def check(lines: Iterable[bytes], *, slack_ms: float = SLACK_MS, skew_ms: float = 0.0) -> Report:
    """Check a history.

    Args:
        lines: of the format that docs/checking.md describes, in any order.
        slack_ms: how much shorter a lease may be than it should.
        skew_ms: how far the clocks of the recording machines may be apart.

    Raises:
        BadLine: for the first line that cannot be used.
    """
    history = History()
    reader = Lines(skew_ms)
    for call in reader.read(lines):
        note(history, call)
    # This comes first: the laws of a job ask what may have made it.
    found = list(invented(history))
    for job in history.jobs():
        case = Case(job)
        for law in LAWS:
            found += law(case)
        for lease_law in LEASE_LAWS:
            found += lease_law(case, slack_ms)
    found += fences(history)
    found += order(history)
    found += halves(history, slack_ms)
    found += counted(history)
    found.sort(key=lambda each: (each.lines, each.text))
    jobs = sum(len(queue.jobs) for queue in history.queues.values())
    return Report(reader.requests, reader.answered, jobs, found)
