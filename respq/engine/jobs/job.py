"""One job: what it is, where it stands, why it stands there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from respq.engine.jobs.history import Event

if TYPE_CHECKING:
    from respq.engine.jobs.queue import Queue
    from respq.engine.records import JobOptions

READY: Final = 0
DELAYED: Final = 1
LEASED: Final = 2
DEAD: Final = 3
DONE: Final = 4
BLOCKED: Final = 5
PHASE_NAMES: Final = (b"ready", b"delayed", b"leased", b"dead", b"done", b"blocked")
"""Names of the phases by their code; the codes stand in the journal."""

BY_NACK: Final = 0
BY_SILENT: Final = 1
BY_LEASE_END: Final = 2
BY_REDRIVE: Final = 3
BY_TTL: Final = 4
BY_READING: Final = 5
"""Causes of `JobReleased` and `JobDied`; the codes stand in the journal."""

TAKEN: Final = 0
EXPIRED: Final = 1
HELD_EXPIRED: Final = 2
"""As EXPIRED, found when the lease ended."""
NACKED_EXPIRED: Final = 3
"""As EXPIRED, found when its holder gave it back."""
PURGED: Final = 4
DELETED: Final = 5
EVICTED: Final = 6
FORGOTTEN: Final = 7
REPLACED: Final = 8
CANCELLED: Final = 9
HELD_CANCELLED: Final = 10
"""As CANCELLED, when the lease ended."""
NACKED_CANCELLED: Final = 11
"""As CANCELLED, when its holder gave it back."""
MOVED: Final = 13
"""A dead letter was redriven to another queue."""
OVER: Final = 12
"""A job that was done is not kept any longer."""
"""Causes of `JobRemoved`; the codes stand in the journal."""

NOT_DEAD: Final = 0
ATTEMPTS_SPENT: Final = 1
FATAL: Final = 2
TTL_OVER: Final = 3
PARENT_ENDED: Final = 4
UNREADABLE: Final = 5
REASON_NAMES: Final = (b"", b"attempts", b"fatal", b"expired", b"parent", b"unreadable")
"""Reasons of `JobDied`; the codes stand in the journal."""


class Notes(msgspec.Struct, gc=False):
    """What has become of a job so far beyond its place; most jobs never have any."""

    failures: int = 0
    """Deliveries that ended in a counted nack."""
    crashes: int = 0
    """Deliveries whose lease ended."""
    error: bytes = b""
    """What the last nack said."""
    reason: int = NOT_DEAD
    """Why it is dead."""
    cancelled: bool = False
    """Its holder has not been told, or has not given it back yet; ``error`` says why."""
    progress: int = 0
    """What its holder said last, in percent."""
    log: tuple[bytes, ...] = ()
    """The latest lines that its holders wrote."""
    result: bytes = b""
    """What its holder acknowledged it with, while it is kept."""
    history: tuple[Event, ...] = ()
    """See history.py."""


class Job(msgspec.Struct, gc=False):
    """A unit of work.

    The garbage collector does not track jobs (a full pass over a million costs 255 ms):
    nothing but their queue may refer back to them in a cycle, and a queue that is dropped
    empties its indexes.
    """

    queue: Queue
    number: int
    payload: bytes | int
    """Its length while only the journal has it; see payloads.py."""
    priority: int | bytes
    pushed_ms: int
    since_ms: int
    """When it came into its phase."""
    order: int
    """Its place among jobs of equal priority; dead letters stand in it too."""
    phase: int
    due_ms: int
    """End of the delay, of the lease, or of how long it is kept dead or done; 0 for none.

    Of a BLOCKED job it is that of the delay that may come after it.
    """
    options: JobOptions | None
    position: int = 0
    """In the journal, of the newest batch that has it in full."""
    notes: Notes | None = None
    fence: int = 0
    """Of the last delivery; 0 before the first."""
    holder: bytes = b""
    receipt: bytes = b""
    """Of the delivery it is in; derived, kept while LEASED."""
    ready_ms: int = 0
    """When the delay of its push was over; 0 if it had none, or it ended otherwise."""

    @property
    def id(self) -> bytes:
        """The id that clients know."""
        options = self.options
        if options is not None and options.id is not None:
            return options.id
        return job_id(self.pushed_ms, self.number)

    @property
    def payload_here(self) -> bytes:
        """Its payload, which must be in memory, as it is where payloads are never let go."""
        payload = self.payload
        assert isinstance(payload, bytes), f"the payload of job {self.number} is away"
        return payload

    @property
    def payload_bytes(self) -> int:
        """How long its payload is."""
        payload = self.payload
        return payload if isinstance(payload, int) else len(payload)

    @property
    def timer_ms(self) -> int:
        """When something happens to it without anyone's doing; 0 for never."""
        options = self.options
        if self.phase == BLOCKED:
            return (options.expires_ms if options is not None else None) or 0
        if options is None or options.expires_ms is None or self.phase in (LEASED, DEAD, DONE):
            return self.due_ms
        # A ttl does not end a delivery; a job that comes back after it is not handed out again.
        return min(self.due_ms, options.expires_ms) if self.due_ms else options.expires_ms

    @property
    def attempts(self) -> int:
        """Deliveries that count: failed ones and those whose lease ended."""
        notes = self.notes
        return notes.failures + notes.crashes if notes is not None else 0


def job_id(pushed_ms: int, number: int) -> bytes:
    """Return the id of a job whose producer gave none."""
    return b"%d-%d" % (pushed_ms, number)


def is_receipt(text: bytes) -> bool:
    """Tell whether ``text`` has the form of a receipt, ``digits:id``."""
    fence, colon, job_id = text.partition(b":")
    return bool(colon) and fence.isdigit() and bool(job_id)
