"""What has happened to a job, as far as its own object remembers it.

A transition is noted when a delivery ends, or when somebody changes the job: so that a job that
is pushed, handed out and acknowledged costs nothing. What has not ended yet is told from the job
as it stands: when it was pushed, and since when it is in its phase.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from respq.config import HISTORY_MAX, HISTORY_TEXT_BYTES_MAX

if TYPE_CHECKING:
    from respq.engine.jobs.job import Job

LEASED: Final = 0
NACKED: Final = 1
SILENT: Final = 2
EXPIRED: Final = 3
REDRIVEN: Final = 4
DUE: Final = 5
KICKED: Final = 6
UNDONE: Final = 7
EDITED: Final = 8
CANCELLED: Final = 9
DIED: Final = 10
ACKED: Final = 11
FREED: Final = 12
EVENT_NAMES: Final = (
    b"leased",
    b"nacked",
    b"silent",
    b"expired",
    b"redriven",
    b"ready",
    b"kicked",
    b"undone",
    b"edited",
    b"cancelled",
    b"dead",
    b"acked",
    b"freed",
)
"""Names of the events by their code; the codes stand in the journal."""


class Event(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One transition."""

    at_ms: int
    what: int
    who: bytes = b""
    """The worker or the client that did it; empty for none."""
    text: bytes = b""


def after(
    job: Job, at_ms: int, what: int, who: bytes = b"", text: bytes = b""
) -> tuple[Event, ...]:
    """Return the history of a job after one event more; the oldest beyond `HISTORY_MAX` go."""
    history = job.notes.history if job.notes is not None else ()
    return (*history, Event(at_ms, what, who, text[:HISTORY_TEXT_BYTES_MAX]))[-HISTORY_MAX:]


def after_delivery(job: Job, at_ms: int, what: int, text: bytes = b"") -> tuple[Event, ...]:
    """Return the history of a LEASED job whose delivery ends: that it began, and how it ended."""
    history = job.notes.history if job.notes is not None else ()
    began = Event(job.since_ms, LEASED, job.holder)
    ended = Event(at_ms, what, job.holder, text[:HISTORY_TEXT_BYTES_MAX])
    return (*history, began, ended)[-HISTORY_MAX:]
