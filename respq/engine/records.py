"""Journal records: the facts from which the whole state can be rebuilt.

A record is a fact, not a request: due times, fences and orders are resolved when it is
emitted. It changes exactly one object, from the record and that object alone, and is
absolute. Objects are named by server-wide numbers that are never used again.

Some kinds are *runs*: `JobsPushed`, `JobsLeased`, `JobsAcked`, `ChildrenFreed` and `ChildrenDied`
say of several jobs of one queue what happened to them at the same instant in the same way. A
run stands for as many facts as it names jobs: each job takes what concerns it, and an absent
one is passed over alone. A single push, pop or ack is a run of one.

The ``tag`` is the record's code on disk. It stands for one kind *and* one layout: a
layout that changes gets a new tag, and the old class stays to be read (tests/golden).

    journal    1-9     a new writer took over, old batches may go
    queues     10-19   made, set, renamed, purged, dropped, paused
    jobs       20-39   pushed or restored (full state), then changes of one job
    schedules  40-49
    answers    50-59   what a repeated push is told, windows in which it is one, and gates
    workers    60-69   what an operator wants of one, by its name
    keys       70-149  see engine/keys/families.py

Every job record carries its queue's number, so that totals can be counted from the
record alone, even when the job itself is gone.
"""

from __future__ import annotations

import msgspec

from respq.engine.jobs.dedup import Dedup
from respq.engine.jobs.history import Event
from respq.engine.jobs.rate import Rate
from respq.engine.jobs.retry import Backoff
from respq.engine.keys.families import KeyRecord
from respq.engine.record import Record as Record


class QueueSettings(msgspec.Struct, array_like=True, frozen=True):
    """What QUEUE CREATE and SET may choose; ``None`` stands for the server's default."""

    text: bool = False
    """Priorities are bytes, compared lexicographically."""
    min_first: bool = False
    """The smallest priority is the most urgent."""
    lease_ms: int | None = None
    attempts: int | None = None
    backoff: Backoff | None = None
    ttl_ms: int | None = None
    drop_expired: bool = False
    """A job whose ttl is over is dropped; otherwise it is dead."""
    maxlen: int | None = None
    """At how many READY, DELAYED and BLOCKED jobs a push finds it full; None for no limit."""
    drop_oldest: bool = False
    """A push makes room in a full queue; otherwise it is refused."""
    concurrency: int | None = None
    """How many jobs may be LEASED at once; None for no limit."""
    keepdead_ms: int | None = None
    """How long a dead letter is kept; None for ever."""
    rate: Rate | None = None
    """How many jobs are given out in a time; None for no limit."""
    push_rate: Rate | None = None
    """How many jobs are taken in a time; None for no limit."""
    refuse_duplicates: bool = False
    """No two live jobs may have the same payload."""
    keep_ms: int | None = None
    """How long a job is kept when it is done; None for not at all."""
    group_concurrency: int | None = None
    """How many jobs of a group may be LEASED at once; None for no limit."""
    fair: bool = False
    """Groups take turns."""
    maxbytes: int | None = None
    """At how many bytes of READY, DELAYED and BLOCKED payloads a push finds it full."""
    slo_ms: int | None = None
    """How long a job should be READY at most before it is handed out; None for no such aim."""


class Pauses(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Until when a queue refuses what; 0 if it does not, `FOREVER_MS` until somebody says so."""

    puts_ms: int = 0
    pops_ms: int = 0
    """To a pop it looks empty."""
    acks_ms: int = 0
    touches_ms: int = 0


class Labels(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a producer says about a job to people and tools; the queue does not look at it."""

    name: bytes = b""
    """The kind of work."""
    tags: tuple[bytes, ...] = ()
    meta: bytes = b""
    """JSON."""
    trace: bytes = b""
    """A traceparent of W3C Trace Context."""


class FollowUp(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A job that is pushed when another is acknowledged."""

    queue: bytes
    payload: bytes


class JobOptions(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a push gave beyond payload, priority and delay; ``None`` leaves it to the queue."""

    id: bytes | None = None
    attempts: int | None = None
    backoff: Backoff | None = None
    lease_ms: int | None = None
    expires_ms: int | None = None
    """Instant at which the ttl is over."""
    labels: Labels | None = None
    dedup: Dedup | None = None
    """None also when the job has let go of its key."""
    maxlease_ms: int | None = None
    """How long a delivery may last at most, however often it is touched."""
    then: FollowUp | None = None
    keep_ms: int | None = None
    group: bytes | None = None
    depends: tuple[int, ...] = ()
    """Numbers of the jobs that are to be done before this one may go out."""
    flow: bytes | None = None


class EpochStarted(Record, tag=1):
    """A writer with a new epoch begins; batches of older epochs behind it are void."""

    epoch: int
    started_ms: int
    respq_version: str


class Trimmed(Record, tag=2):
    """Whatever lives and was made before a position is said again behind it."""

    before: int
    """Batches before this position may be forgotten."""
    checksum: int
    """Of the last of them."""
    below: int
    """The numbers that had been drawn by then are smaller."""


class QueueMade(Record, tag=10):
    """A queue exists; full state. ``totals`` is empty for a new one.

    A queue that is there stays as it is, as a job does (`JobRestored`).
    """

    number: int
    db: int
    name: bytes
    made_ms: int
    configured: bool
    settings: QueueSettings
    totals: list[int] = msgspec.field(default_factory=list)
    pauses: Pauses = Pauses()
    paid_until: int = 0
    push_paid_until: int = 0
    """See `Rate`."""
    active_ms: int = 0
    """When it was last used; 0 for when it was made."""
    purging: dict[int, tuple[int, int]] = msgspec.field(default_factory=dict)
    orphaned: dict[int, bytes] = msgspec.field(default_factory=dict)
    """As in `Queue`."""


class QueueSet(Record, tag=11):
    """The settings of a queue are these now."""

    queue: int
    settings: QueueSettings


class QueueRenamed(Record, tag=12):
    """A queue has another name, in the same database."""

    queue: int
    name: bytes


class QueuePurged(Record, tag=13):
    """The jobs of a queue in ``phase`` (or in any: -1) with numbers below ``below`` are gone.

    Of a phase those from ``first`` on that came into it at ``at_ms`` or before; the others of them
    are to follow.
    """

    queue: int
    phase: int
    below: int
    count: int
    """How many they were, for the totals."""
    first: int = 0
    at_ms: int = 0


class QueueDropped(Record, tag=14):
    """A queue is gone with all that was in it."""

    queue: int


class QueuePaused(Record, tag=15):
    """The pauses of a queue are these now."""

    queue: int
    pauses: Pauses


class JobsPushed(Record, tag=20):
    """Jobs entered a queue: READY, or DELAYED until ``due_ms`` if that is not 0, or BLOCKED.

    Their numbers count up from ``first``, one for each payload. A job's order is its number,
    or counts up from ``order`` if that is not 0.
    """

    queue: int
    first: int
    payloads: list[bytes]
    priority: int | bytes
    pushed_ms: int
    due_ms: int
    options: JobOptions | None
    order: int = 0


class JobRestored(Record, tag=21):
    """A job as it stands; full state. Bumps no total.

    A job that is there stays as it is: it is said again only where an older saying is to go.
    """

    queue: int
    number: int
    payload: bytes
    priority: int | bytes
    pushed_ms: int
    due_ms: int
    options: JobOptions | None
    phase: int
    order: int
    since_ms: int
    fence: int
    holder: bytes
    failures: int
    crashes: int
    error: bytes
    reason: int
    cancelled: bool = False
    progress: int = 0
    log: tuple[bytes, ...] = ()
    result: bytes = b""
    history: tuple[Event, ...] = ()
    ready_ms: int = 0


class JobsLeased(Record, tag=22):
    """A worker holds jobs until ``until_ms``; ``attempt`` counts from 1.

    Their fences count up from ``fence``, one for each number.
    """

    queue: int
    numbers: list[int]
    until_ms: int
    fence: int
    attempt: int
    leased_ms: int
    holder: bytes


class JobTouched(Record, tag=23):
    """A lease lasts until ``until_ms`` now, and what its holder says of the work."""

    queue: int
    number: int
    until_ms: int
    progress: int = -1
    """-1 leaves it as it was."""
    line: bytes = b""


class JobsAcked(Record, tag=24):
    """Jobs are finished and forgotten."""

    queue: int
    numbers: list[int]


class JobReleased(Record, tag=25):
    """A job left its holder or the dead letters: READY, or DELAYED until ``due_ms``."""

    queue: int
    number: int
    cause: int
    order: int
    due_ms: int
    released_ms: int
    failures: int
    crashes: int
    error: bytes
    by: bytes = b""
    """Who redrove it."""


class JobDue(Record, tag=26):
    """The delay of a job is over: READY."""

    queue: int
    number: int
    order: int
    due_ms: int
    by: bytes = b""
    """Who ended it; empty if its time had come."""


class JobDied(Record, tag=27):
    """A job is a dead letter, with the reason and what its last holder said.

    It is kept until ``due_ms``, for ever if that is 0.
    """

    queue: int
    number: int
    order: int
    cause: int
    reason: int
    died_ms: int
    failures: int
    crashes: int
    error: bytes
    due_ms: int = 0


class JobUndone(Record, tag=28):
    """A delivery never reached its worker: READY again in the old place, nothing counted."""

    queue: int
    number: int
    undone_ms: int


class JobRemoved(Record, tag=29):
    """A job is gone without an ack, for ``cause``; at ``taken_ms`` if it was taken."""

    queue: int
    number: int
    cause: int
    taken_ms: int = 0


class JobReturned(JobRestored, tag=30):
    """A job that was taken without a lease never reached its worker: it is back as it was."""


class JobCancelled(Record, tag=31):
    """A job that somebody holds is not wanted any more; ``reason`` is what its holder is told."""

    queue: int
    number: int
    reason: bytes
    cancelled_ms: int
    by: bytes


class JobEdited(Record, tag=32):
    """A job that nobody holds is another now, or stands elsewhere."""

    queue: int
    number: int
    payload: bytes | None
    """None for the one that it has. One that is new is in a full record behind this one, too."""
    priority: int | bytes
    due_ms: int
    options: JobOptions | None
    phase: int
    order: int
    since_ms: int
    edited_ms: int
    by: bytes
    what: bytes
    """What was edited, in words."""


class JobDone(Record, tag=33):
    """A job is finished, and kept with its result until ``until_ms``."""

    queue: int
    number: int
    until_ms: int
    done_ms: int
    result: bytes


class ChildrenFreed(Record, tag=34):
    """A parent is done. Children that wait for no other are READY, or DELAYED as they were to be.

    Their orders count up from ``order``, one for each number.
    """

    queue: int
    parent: int
    numbers: list[int]
    order: int
    freed_ms: int


class ChildrenDied(Record, tag=35):
    """A parent ended otherwise: its children are dead letters, kept until ``due_ms`` or for ever.

    Their orders count up from ``order``, one for each number.
    """

    queue: int
    parent: int
    numbers: list[int]
    order: int
    died_ms: int
    error: bytes
    due_ms: int
    more: bool = False
    """The parent is gone, and others of its children are to follow."""


class FlowCancelling(Record, tag=36):
    """The jobs of a flow below a number are still to be cancelled, the last first; 0 for none."""

    queue: int
    flow: bytes
    below: int
    reason: bytes
    by: bytes


class ScheduleSet(Record, tag=40):
    """A schedule stands like this; full state.

    Exactly one of ``cron`` (with ``zone``), ``every_ms`` and ``at_ms`` is set.
    """

    number: int
    queue: int
    name: bytes
    payload: bytes
    cron: bytes
    zone: bytes
    every_ms: int
    at_ms: int
    priority: int | bytes
    delay_ms: int
    ttl_ms: int | None
    options: JobOptions | None
    catchup: int
    runs_max: int
    """0 for no limit."""
    runs: int
    next_ms: int
    """0 when it will not fire again."""
    last_ms: int
    paused: bool
    made_ms: int
    jitter_ms: int = 0
    """By how much a job may be later than its slot."""
    skips_overlap: bool = False
    """A slot passes while the job of an earlier one is still to be done."""
    start_ms: int = 0
    end_ms: int = 0
    """Between which it fires; 0 for no such bound."""
    last_job: int = 0
    """Number of the job of the last fire."""
    skipped: int = 0


class ScheduleFired(Record, tag=41):
    """A schedule pushed its job for ``last_ms`` and fires next at ``next_ms`` (0: never).

    Or it skipped a slot: ``skipped`` counts these.
    """

    queue: int
    number: int
    runs: int
    last_ms: int
    next_ms: int
    last_job: int = 0
    skipped: int = 0


class ScheduleRemoved(Record, tag=42):
    """A schedule is gone."""

    queue: int
    number: int


class AnswerKept(Record, tag=50):
    """A push with this key was answered with these ids; a repetition is told the same."""

    queue: int
    key: bytes
    ids: list[bytes]
    until_ms: int


class WindowOpened(Record, tag=51):
    """A key is held until ``until_ms``, whatever becomes of the job that brought it."""

    queue: int
    number: int
    key: bytes
    id: bytes
    """Of that job."""
    until_ms: int


class WindowClosed(Record, tag=52):
    """A key is held by no window any more."""

    queue: int
    number: int
    key: bytes


class GateClosed(Record, tag=53):
    """A group of a queue gives out nothing until then; the whole queue if ``group`` is empty."""

    queue: int
    number: int
    group: bytes
    until_ms: int


class GateOpened(Record, tag=54):
    """It gives out jobs again."""

    queue: int
    number: int
    group: bytes


class WorkerOrdered(Record, tag=60):
    """What a worker is to do from now on: one of the orders of `engine.jobs.workers`."""

    name: bytes
    order: int
    ordered_ms: int
    by: bytes
    """The client that said so."""


AnyRecord = (
    EpochStarted
    | Trimmed
    | QueueMade
    | QueueSet
    | QueueRenamed
    | QueuePurged
    | QueueDropped
    | QueuePaused
    | JobsPushed
    | JobRestored
    | JobsLeased
    | JobTouched
    | JobsAcked
    | JobReleased
    | JobDue
    | JobDied
    | JobUndone
    | JobRemoved
    | JobReturned
    | JobCancelled
    | JobEdited
    | JobDone
    | ChildrenFreed
    | ChildrenDied
    | FlowCancelling
    | ScheduleSet
    | ScheduleFired
    | ScheduleRemoved
    | AnswerKept
    | WindowOpened
    | WindowClosed
    | GateClosed
    | GateOpened
    | WorkerOrdered
    | KeyRecord
)
