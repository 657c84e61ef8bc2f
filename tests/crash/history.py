"""What clients recorded, and whether it agrees with what the server promised.

A record is written *before* a request is sent and completed when its answer arrives. A
request without an answer may have happened or not; one with an answer happened. All times
are of one monotonic clock.

Laws:
    an answered push is there, or somebody may have acknowledged it
    an answered ack stays gone
    a job that was popped and not given back is still held under that very fence
    fences rise: a pop sent after another was answered has a larger one
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["push", "pop", "ack", "nack"]


@dataclass(slots=True)
class Event:
    """One request about one job."""

    kind: Kind
    sent_s: float
    job: str = ""
    payload: str = ""
    fence: int = 0
    answered_s: float = 0.0
    """0 if no answer came."""
    done: bool = True
    """Whether the answer said that it took effect; False for a stale receipt."""


@dataclass(slots=True)
class Found:
    """What the server says of a job in the end."""

    phase: str
    payload: str
    fence: int


@dataclass
class History:
    """Everything that all clients recorded."""

    events: list[Event] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, event: Event) -> Event:
        """Record a request that is about to be sent."""
        event.sent_s = time.monotonic()
        with self._lock:
            self.events.append(event)
        return event

    def answer(self, event: Event) -> None:
        """Record that its answer has arrived; its other fields are set already."""
        event.answered_s = time.monotonic()

    def jobs(self) -> set[str]:
        """Return the ids of all jobs whose push was answered."""
        return {e.job for e in self.events if e.kind == "push" and e.answered_s}

    def violations(self, found: dict[str, Found]) -> list[str]:
        """Return a sentence for everything that must not be.

        ``found`` holds what is there in the end; a job that is missing in it is gone.
        """
        by_job: dict[str, list[Event]] = {}
        for event in self.events:
            if event.job:
                by_job.setdefault(event.job, []).append(event)
        wrong = self._fences_that_fall()
        for job in self.jobs():
            wrong += _wrong_about(job, by_job[job], found.get(job))
        return wrong

    def _fences_that_fall(self) -> list[str]:
        pops = [e for e in self.events if e.kind == "pop" and e.answered_s and e.fence]
        wrong = []
        by_answer = sorted(pops, key=lambda e: e.answered_s)
        highest = 0
        place = 0
        for later in sorted(pops, key=lambda e: e.sent_s):
            while place < len(by_answer) and by_answer[place].answered_s < later.sent_s:
                highest = max(highest, by_answer[place].fence)
                place += 1
            if later.fence <= highest:
                wrong.append(
                    f"job {later.job} was popped with fence {later.fence}, after fence "
                    f"{highest} had been answered"
                )
        return wrong


def _wrong_about(job: str, events: list[Event], found: Found | None) -> list[str]:
    """Return what is wrong about one job whose push was answered."""
    payload = next(e.payload for e in events if e.kind == "push")
    acks = [e for e in events if e.kind == "ack"]
    answered_acks = [e for e in acks if e.answered_s and e.done]
    wrong = []
    if answered_acks and found is not None:
        wrong.append(f"job {job} is {found.phase}, but its ack was answered")
    if not acks and found is None:
        wrong.append(f"job {job} is lost: its push was answered, and nobody acknowledged it")
    if found is not None and found.payload != payload:
        wrong.append(f"job {job} has payload {found.payload!r} instead of {payload!r}")
    if len(answered_acks) > 1:
        wrong.append(f"job {job} was acknowledged {len(answered_acks)} times")
    wrong += _wrong_deliveries(job, events, found)
    return wrong


def _wrong_deliveries(job: str, events: list[Event], found: Found | None) -> list[str]:
    """Find deliveries that began while an earlier one was still held.

    Leases outlast the test, so a delivery ends only by its holder's own ack or nack, answered
    or not.
    """
    wrong = []
    pops = sorted(
        (e for e in events if e.kind == "pop" and e.answered_s), key=lambda e: e.answered_s
    )
    for index, pop in enumerate(pops):
        ends = [e for e in events if e.kind in ("ack", "nack") and e.fence == pop.fence]
        if ends:
            continue
        if index + 1 < len(pops):
            wrong.append(
                f"job {job} was delivered with fence {pops[index + 1].fence} while fence "
                f"{pop.fence} was still held"
            )
        elif found is not None and (found.phase, found.fence) != ("leased", pop.fence):
            wrong.append(
                f"job {job} is {found.phase} with fence {found.fence}, but fence {pop.fence} "
                "was never given back"
            )
    return wrong
