"""Commands as values: what hypothesis draws, and the lines that go to the server."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st

from tests.property.model import FOLLOWED, Model
from tests.property.schedules import Rhythm

TEXT_PRIORITIES = {-1: "z", 0: "", 1: "a", 2: "ab"}

NAMES = st.sampled_from(["a", "b"])
SHORT_MS = st.sampled_from([1, 2, 3, 10, 50])
LEASES = st.none() | SHORT_MS
WEIGHTS = st.none() | st.sampled_from([(0, 0, 0), (1, 1, 1), (9, 1, 1), (1, 99, 1)])
PICKS = st.lists(st.integers(0, 5), min_size=1, max_size=3)
PRIORITIES = st.integers(-1, 2)
RECENT_RECEIPTS = 6
BOUND_MS = 100_000
ERRORS = st.none() | st.sampled_from(["smtp-1", "smtp-2", "user"])
PATTERNS = st.none() | st.sampled_from(["*", "smtp*", "smtp-?", "[us]*", "*[1-9]", "its*", "user"])


@dataclass(frozen=True)
class Push:
    queue: str
    count: int = 1
    priority: int = 0
    delay: int | None = None
    ttl: int | None = None
    attempts: int | None = None
    lease: int | None = None
    id: str | None = None
    idmp: int | None = None
    front: bool = False
    dedup: Dedup | None = None
    nx: bool = False
    maxlease: int | None = None
    then: bool = False
    """Whether its ack pushes a job into the queue `FOLLOWED`, of which nobody else knows."""
    keep: int | None = None
    group: str | None = None
    picks: tuple[int, ...] = ()
    """Of the jobs that are to be done before."""

    @property
    def payloads(self) -> list[str]:
        return ["p"] if self.count == 1 else [f"p{each}" for each in range(self.count)]


@dataclass(frozen=True)
class Dedup:
    key: str
    until_start: bool
    window: int | None
    on: str | None


@dataclass(frozen=True)
class Pop:
    queue: str
    count: int | None = None
    lease: int | None = None
    noack: bool = False


@dataclass(frozen=True)
class PopOfMany:
    queues: list[str]
    lease: int | None
    weights: tuple[int, int, int] | None = None
    """Of which there are as many as queues; all 0 for FAIR, and None for STRICT."""
    count: int | None = None
    noack: bool = False

    @property
    def words(self) -> str:
        words = f"QMPOP {len(self.queues)} {' '.join(self.queues)}"
        if self.weights is not None:
            weights = " ".join(str(each) for each in self.weights[: len(self.queues)])
            words += f" WEIGHTS {weights}" if any(self.weights) else " FAIR"
        return words + option("COUNT", self.count) + option("LEASE", self.lease)


@dataclass(frozen=True)
class Ack:
    picks: list[int]
    strict: bool = False


@dataclass(frozen=True)
class Move:
    picks: list[int]
    push: Push


@dataclass(frozen=True)
class Cancel:
    queue: str
    picks: list[int]


@dataclass(frozen=True)
class Kick:
    """All delayed jobs, or some of a queue's jobs."""

    queue: str
    picks: list[int]


@dataclass(frozen=True)
class Edit:
    queue: str
    picks: list[int]
    priority: int | None
    delay: int | None
    ttl: int | None
    attempts: int | None
    lease: int | None


@dataclass(frozen=True)
class Nack:
    picks: list[int]
    outcome: str
    delay: int | None
    front: bool
    closed: int
    """How long RATELIMIT is."""
    error: str | None

    @property
    def goes_front(self) -> bool:
        """Whether it is said, or meant, that the job goes before others."""
        return (self.front and self.outcome != "FATAL") or self.outcome == "RATELIMIT"


@dataclass(frozen=True)
class Touch:
    picks: list[int]
    lease: int


@dataclass(frozen=True)
class Delete:
    queue: str
    picks: list[int]


Spec = Push | Pop | PopOfMany | Ack | Nack | Touch | Delete | Move | Cancel | Kick | Edit

PLAIN_PUSH = st.builds(Push, NAMES, st.just(1), PRIORITIES, group=st.sampled_from([None, "g", "h"]))
DYING_PUSH = st.builds(
    Push,
    NAMES,
    st.integers(1, 4),
    PRIORITIES,
    ttl=st.sampled_from([None, 1_000]),
    then=st.booleans(),
)
POP = st.builds(Pop, NAMES, st.integers(1, 3), LEASES, st.booleans())
DELETE = st.builds(Delete, NAMES, PICKS)
ACK = st.builds(Ack, PICKS, st.booleans())
NACK = st.builds(
    Nack,
    PICKS,
    st.sampled_from(["FAIL", "SILENT", "FATAL", "RATELIMIT"]),
    st.none() | SHORT_MS,
    st.booleans(),
    SHORT_MS,
    ERRORS,
)
PUSH = st.builds(
    Push,
    NAMES,
    st.integers(1, 3),
    PRIORITIES,
    st.none() | SHORT_MS,
    st.none() | SHORT_MS,
    st.none() | st.integers(0, 2),
    LEASES,
    st.none() | st.sampled_from(["x", "y"]),
    st.none() | st.integers(1, 2),
    st.booleans(),
    st.none()
    | st.builds(
        Dedup,
        st.sampled_from(["k", "l"]),
        st.booleans(),
        st.none() | SHORT_MS,
        st.sampled_from([None, "RETURN", "REJECT", "REPLACE"]),
    ),
    st.booleans(),
    st.none() | SHORT_MS,
    st.booleans(),
    st.none() | st.sampled_from([0, 20]),
    st.sampled_from([None, "g", "h"]),
    st.just(()) | st.lists(st.integers(0, 5), min_size=1, max_size=2).map(tuple),
)
FILLING_PUSH = st.builds(
    Push,
    NAMES,
    st.integers(1, 3),
    PRIORITIES,
    st.sampled_from([None, None, 3]),
    front=st.booleans(),
    dedup=st.none() | st.just(Dedup("k", False, None, "REPLACE")),
    group=st.sampled_from([None, "g", "h"]),
    picks=st.sampled_from([(), (), (0,), (1, 2)]),
)
GROUPED_PUSH = st.builds(
    Push,
    NAMES,
    st.integers(1, 3),
    st.sampled_from([0, 0, 0, 1]),
    group=st.sampled_from([None, "g", "h"]),
)
SPECS: st.SearchStrategy[Spec] = st.one_of(
    PLAIN_PUSH,
    PUSH,
    POP,
    st.builds(
        PopOfMany,
        st.lists(NAMES, min_size=1, max_size=3),
        LEASES,
        WEIGHTS,
        st.none() | st.integers(1, 3),
        st.booleans(),
    ),
    ACK,
    NACK,
    st.builds(Touch, PICKS, SHORT_MS),
    DELETE,
    st.builds(Move, PICKS.map(lambda picks: picks[:1]), PLAIN_PUSH),
    st.builds(Cancel, NAMES, PICKS.map(lambda picks: picks[:1])),
    st.builds(Kick, NAMES, st.just([]) | PICKS),
    st.builds(
        Edit,
        NAMES,
        PICKS.map(lambda picks: picks[:1]),
        st.none() | PRIORITIES,
        st.none() | st.sampled_from([0, 1, 10, 50]),
        st.none() | st.sampled_from([0, 3, 50]),
        st.none() | st.integers(0, 2),
        LEASES,
    ),
)
RUNS: st.SearchStrategy[tuple[Spec, int]] = st.tuples(
    st.one_of(
        st.builds(Push, NAMES), st.builds(Pop, NAMES), st.builds(Ack, PICKS.map(lambda p: p[:1]))
    ),
    st.integers(1, 4),
)
"""The plainest commands, and how often each follows on itself: the broker takes them together."""


@dataclass(frozen=True)
class Create:
    """QUEUE CREATE, or QUEUE SET if there is such a queue."""

    queue: str
    min_first: bool = False
    text: bool = False
    lease: int | None = None
    attempts: int = 3
    ttl: int | None = None
    drop: bool = False
    maxlen: int = 0
    drop_oldest: bool = False
    maxbytes: int = 0
    concurrency: int = 0
    keepdead: int = 0
    keep: int = 0
    group_concurrency: int = 0
    fair: bool = False
    rate: tuple[int, int] | None = None
    """Jobs, and in how many milliseconds."""
    push_rate: tuple[int, int] | None = None
    refuse_duplicates: bool = False


@dataclass(frozen=True)
class Redrive:
    queue: str
    count: int
    rate: int | None
    to: str | None
    error: str | None
    dry_run: bool

    @property
    def line(self) -> str:
        line = f"QDLQ REDRIVE {self.queue} COUNT {self.count}{option('RATE', self.rate)}"
        line += option("TO", self.to) + option("ERROR", self.error)
        return line + " DRYRUN" * self.dry_run


@dataclass(frozen=True)
class ThrowAway:
    queue: str
    command: str
    state: str | None = None
    """Of the jobs that a purge is for; None for all."""


@dataclass(frozen=True)
class Rename:
    queue: str
    new_name: str


@dataclass(frozen=True)
class Schedule:
    queue: str
    command: str
    name: str
    every_ms: int = 0
    """0 for each minute, by cron."""
    start: int | None = None
    end: int | None = None
    """In steps of `BOUND_MS`, from the latest one on."""
    catchup: str = "ONE"
    runs: int = 0
    jitter: int = 0
    skip: bool = False

    @property
    def payload(self) -> str:
        return f"by-{self.name}"

    def rhythm(self, now_ms: int) -> Rhythm:
        """Return when it is to fire; the bounds are the same for a while."""
        bounds = [
            0 if steps is None else (now_ms // BOUND_MS + steps) * BOUND_MS
            for steps in (self.start, self.end)
        ]
        return Rhythm(self.every_ms, *bounds)

    def line(self, now_ms: int) -> str:
        line = f"QSCHED {self.command} {self.queue} {self.name}"
        if self.command != "ADD":
            return line
        rhythm = self.rhythm(now_ms)
        line += f" {self.payload}"
        line += f" EVERY {self.every_ms}" if self.every_ms else " CRON '* * * * *'"
        line += option("START", rhythm.start_ms or None) + option("END", rhythm.end_ms or None)
        line += option("MAXRUNS", self.runs or None)
        line += f" CATCHUP {self.catchup} JITTER {self.jitter}"
        return line + f" OVERLAP {'SKIP' if self.skip else 'ALLOW'}"


@dataclass(frozen=True)
class Pause:
    """QUEUE PAUSE, or QUEUE RESUME."""

    queue: str
    directions: str
    for_ms: int | None
    resume: bool


Order = Create | Redrive | ThrowAway | Rename | Schedule | Pause

GROUPED = st.builds(
    Create,
    NAMES,
    group_concurrency=st.sampled_from([0, 0, 2]),
    fair=st.sampled_from([True, True, False]),
)
"""Queues whose groups may be closed one by one."""
PURGES = st.builds(
    ThrowAway,
    NAMES,
    st.just("QUEUE PURGE"),
    st.sampled_from(["ready", "delayed", "leased", "dead", "done", "blocked"]),
)
ROLLING = st.builds(
    Create,
    NAMES,
    st.booleans(),
    maxlen=st.integers(1, 4),
    drop_oldest=st.just(True),
    maxbytes=st.sampled_from([0, 3, 5]),
    group_concurrency=st.sampled_from([0, 1]),
    fair=st.booleans(),
)
"""Queues that hold the newest jobs."""
SHARED = st.builds(
    Create, NAMES, group_concurrency=st.sampled_from([0, 0, 1, 2]), fair=st.just(True)
)
"""Queues whose groups take turns."""
REDRIVES = st.builds(
    Redrive,
    NAMES,
    st.integers(1, 3),
    st.sampled_from([None, 1, 300]),
    st.sampled_from([None, None, None, "a", "b", "c"]),
    PATTERNS,
    st.sampled_from([False, False, False, True]),
)
SCHEDULE_NAMES = st.sampled_from(["s", "t"])
# One that skips slots has an end: there may be days of them, and all are gone through.
OFTEN = st.builds(
    Schedule,
    NAMES,
    st.just("ADD"),
    SCHEDULE_NAMES,
    st.sampled_from([0, 7_000]),
    st.sampled_from([None, None, -1, 0, 1]),
    st.integers(0, 3),
    st.sampled_from(["NONE", "ONE", "ALL", "ALL"]),
    st.integers(0, 4),
    st.sampled_from([0, 0, 5, 50_000]),
    st.booleans(),
)
SELDOM = st.builds(
    Schedule,
    NAMES,
    st.just("ADD"),
    SCHEDULE_NAMES,
    st.sampled_from([1_200_000, 10_800_000]),
    catchup=st.sampled_from(["NONE", "ONE", "ALL"]),
    runs=st.integers(1, 4),
    jitter=st.sampled_from([0, 5]),
)
SCHEDULES = st.one_of(
    OFTEN,
    OFTEN,
    OFTEN,
    SELDOM,
    st.builds(
        Schedule,
        NAMES,
        st.sampled_from(["DEL", "PAUSE", "RESUME", "RESUME", "RUN"]),
        SCHEDULE_NAMES,
    ),
)
ORDERS: st.SearchStrategy[Order] = st.one_of(
    st.builds(
        Create,
        NAMES,
        st.booleans(),
        st.booleans(),
        LEASES,
        st.integers(0, 3),
        st.none() | st.sampled_from([20, 50_000]),
        st.booleans(),
        st.sampled_from([0, 0, 2, 4]),
        st.booleans(),
        st.sampled_from([0, 0, 0, 3, 8]),
        st.sampled_from([0, 0, 1, 2]),
        st.sampled_from([0, 0, 30]),
        st.sampled_from([0, 0, 15]),
        st.sampled_from([0, 0, 1, 2]),
        st.booleans(),
        st.sampled_from([None, None, (1, 7), (3, 50)]),
        st.sampled_from([None, None, (2, 7), (3, 50)]),
        st.sampled_from([False, False, True]),
    ),
    REDRIVES,
    REDRIVES,
    st.builds(ThrowAway, NAMES, st.sampled_from(["QUEUE PURGE", "QUEUE DROP", "QDLQ PURGE"])),
    PURGES,
    st.builds(Rename, NAMES, st.sampled_from(["a", "b", "c"])),
    st.builds(
        Pause,
        NAMES,
        st.sampled_from(["", " IN", " OUT", " IN OUT", " ACK", " TOUCH"]),
        st.sampled_from([3, 50, 30_000]),
        st.just(False),
    ),
    st.builds(
        Pause,
        NAMES,
        st.sampled_from(["", "", " IN", " OUT", " ACK TOUCH"]),
        st.none(),
        st.booleans(),
    ),
    SCHEDULES,
    SCHEDULES,
)


@dataclass(frozen=True)
class Said:
    """A command as it went to the server, with what it named."""

    spec: Spec
    line: str
    queue: str = ""
    receipts: list[bytes] = field(default_factory=list)
    ids: list[bytes] = field(default_factory=list)


def say(spec: Spec, model: Model) -> Said:
    """Write a command as a line; receipts are some of the latest, of its queue or others."""
    match spec:
        case Push():
            ids = _ids(model, spec)
            line = _push_line(spec, model)
            if ids:
                line += f" DEPENDS {len(ids)} {b' '.join(ids).decode()}"
            return Said(spec, line, spec.queue, ids=ids)
        case Pop():
            count = f" COUNT {spec.count}" if spec.count else ""
            line = f"QPOP {spec.queue}{count}{option('LEASE', spec.lease)}"
            return Said(spec, line + " NOACK" * spec.noack, spec.queue)
        case PopOfMany():
            return Said(spec, spec.words + " NOACK" * spec.noack)
        case Delete() | Cancel() | Kick() | Edit():
            ids = _ids(model, spec)
            return Said(spec, _line_with_ids(spec, ids, model), spec.queue, ids=ids)
    known = model.receipts[-RECENT_RECEIPTS:] or [("a", b"77:none")]
    chosen = [known[-1 - pick % len(known)] for pick in spec.picks]
    queue, receipts = chosen[0][0], [receipt for _, receipt in chosen]
    words = f"{queue} {b' '.join(receipts).decode()}"
    match spec:
        case Ack():
            line = f"QACK {words}" + " STRICT" * spec.strict
        case Move():
            priority = _priority_word(spec.push, model)
            line = f"QMOVE {queue} {spec.push.queue} {receipts[0].decode()} PAYLOAD p{priority}"
            line += option("GROUP", spec.push.group)
        case Nack():
            line = f"QNACK {words} {spec.outcome} WITHDUE{option('ERROR', spec.error)}"
            if spec.outcome == "RATELIMIT":
                line = line.replace("RATELIMIT", f"RATELIMIT {spec.closed}")
            elif spec.outcome != "FATAL":
                line += option("DELAY", spec.delay) + " FRONT" * spec.goes_front
        case Touch():
            line = f"QTOUCH {words} LEASE {spec.lease}"
    return Said(spec, line, queue, receipts)


def _line_with_ids(spec: Delete | Cancel | Kick | Edit, ids: list[bytes], model: Model) -> str:
    words = b" ".join(ids).decode()
    match spec:
        case Delete():
            return f"QDEL {spec.queue} {words}"
        case Cancel():
            return f"QCANCEL {spec.queue} {words} REASON x"
        case Kick():
            return f"QKICK {spec.queue} " + (
                f"IDS {len(ids)} {words}" if spec.picks else "COUNT 99"
            )
        case Edit():
            line = f"QEDIT {spec.queue} {words} PAYLOAD edited"
            if spec.priority is not None:
                line += _priority_word(Push(spec.queue, priority=spec.priority), model)
            for word in ("delay", "ttl", "attempts", "lease"):
                line += option(word, getattr(spec, word))
            return line


def _ids(model: Model, spec: Delete | Cancel | Kick | Edit | Push) -> list[bytes]:
    """Return ids of jobs that the queue has by now, or one that it never had."""
    queue = model.queues.get(spec.queue)
    known = list(queue.jobs) if queue is not None else []
    if not known:
        return [b"none"] if spec.picks else []
    return [known[pick % len(known)] for pick in spec.picks]


def _push_line(spec: Push, model: Model) -> str:
    line = f"QMPUSH {spec.queue} {spec.count} {' '.join(spec.payloads)}"
    if spec.count == 1:
        line = f"QPUSH {spec.queue} p{option('ID', spec.id)}"
        if spec.dedup is not None:
            line += f" DEDUP {spec.dedup.key}" + " UNTIL START" * spec.dedup.until_start
            line += option("WINDOW", spec.dedup.window)
            line += "" if spec.nx else option("ON", spec.dedup.on)
    line += _priority_word(spec, model)
    line += f" IDMP me {spec.idmp}" if spec.idmp else ""
    line += " FRONT" * spec.front + " NX" * spec.nx
    line += f" THEN {FOLLOWED} followed" * spec.then
    for word in ("delay", "ttl", "attempts", "lease", "maxlease", "keep", "group"):
        line += option(word, getattr(spec, word))
    return line


def _priority_word(spec: Push, model: Model) -> str:
    queue = model.queues.get(spec.queue)
    if not spec.priority:
        return ""
    text = queue is not None and queue.text
    return f" PRIORITY {TEXT_PRIORITIES[spec.priority] if text else spec.priority}"


def option(token: str, value: object) -> str:
    """Return the words of an option, nothing for one that is not given."""
    return "" if value is None else f" {token} {value}"
