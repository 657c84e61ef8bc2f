"""What must hold, read from two sides: what was committed, and what clients were told.

`Ledger` reads every record that was ever committed, the forgotten ones too, with as little
knowledge of the server as it takes to say what a record must not do: it is no second `apply`.
`Laws` holds what clients were told against it, and the state of the server as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hiredis import PushNotification

from respq.config import ANSWER_WINDOW_MS
from respq.engine.batch import decode_batch
from respq.engine.codec import decode_records
from respq.engine.jobs.job import (
    BLOCKED,
    BY_LEASE_END,
    BY_REDRIVE,
    DEAD,
    DELAYED,
    DONE,
    LEASED,
    READY,
    TAKEN,
)
from respq.engine.records import (
    ChildrenDied,
    ChildrenFreed,
    EpochStarted,
    JobCancelled,
    JobDied,
    JobDone,
    JobDue,
    JobEdited,
    JobReleased,
    JobRemoved,
    JobRestored,
    JobReturned,
    JobsAcked,
    JobsLeased,
    JobsPushed,
    JobTouched,
    JobUndone,
    QueueDropped,
    QueueMade,
    QueuePurged,
    Record,
    ScheduleFired,
    ScheduleRemoved,
    ScheduleSet,
    Trimmed,
)
from respq.engine.state import State
from tests.property.events import Expected

if TYPE_CHECKING:
    from tests.simulation.network import Request, Wire

GONE = -1
ALL_PHASES = -1
WHILE_LOADING = frozenset(
    b"HELLO AUTH SELECT CLIENT CONFIG INFO COMMAND TIME MULTI EXEC DISCARD RESET QUIT "
    b"PSUBSCRIBE PUNSUBSCRIBE SUBSCRIBE UNSUBSCRIBE PUBLISH PUBSUB".split()
)
"""Commands that a server answers which is still reading its journal."""
SLOT = b"slot of "
"""How the payloads of schedules begin that the ledger counts."""


class Broken(Exception):
    """A law that does not hold; the message names it and what was seen."""


def demand(holds: object, law: str, *seen: object) -> None:
    """Raise `Broken` unless it holds."""
    if not holds:
        raise Broken(f"{law}: {', '.join(map(repr, seen))}")


@dataclass(slots=True)
class Entry:
    """One job in the ledger."""

    number: int
    queue: int
    phase: int
    payload: bytes
    order: int
    id: bytes
    pushed_ms: int
    due_ms: int = 0
    depends: set[int] = field(default_factory=set)
    fence: int = 0
    was_done: bool = False
    """Whether it ended by an ack."""
    was_lost: bool = False
    """Whether it was dead, or is gone without an ack."""
    is_vague: bool = False
    """Whether it was thrown away or not the ledger cannot tell."""
    is_out_of_order: bool = False
    """It came back behind its equals, or before them."""


@dataclass(slots=True)
class Rhythm:
    """What a schedule has done by now."""

    payload: bytes
    runs_before: int
    """When it was set with this payload."""
    runs: int
    last_ms: int
    next_ms: int
    pushed: int = 0
    is_over: bool = False


class Ledger:
    """Everything that was ever committed, and what becomes of each job by it."""

    def __init__(self) -> None:
        self.blobs: list[bytes] = []
        self._begin()

    def _begin(self) -> None:
        self.jobs: dict[int, Entry] = {}
        self.dbs: dict[int, int] = {}
        """By number of a queue."""
        self.by_id: dict[tuple[int, bytes], int] = {}
        """Numbers by database and id."""
        self.told: list[tuple[bytes, bytes]] = []
        """Channel and payload of each message that somebody may hear."""
        self.told_before = 0
        """How many there were before the last batch."""
        self._expected = Expected([])
        self.holders: dict[int, int] = {}
        """Number of the job that was handed out under each fence."""
        self.ended: set[int] = set()
        """Fences of deliveries that ended by an ack."""
        self.came: set[bytes] = set()
        """Payloads of all jobs that were ever pushed."""
        self.pushed: dict[int, int] = {}
        """How many jobs were pushed into each queue."""
        self.rhythms: dict[int, Rhythm] = {}
        self.payloads: dict[bytes, Rhythm] = {}
        self.asked: set[tuple[int, bytes]] = getattr(self, "asked", set())
        """Receipts that clients have sent to end a delivery well, and in which database."""
        self.homes: dict[bytes, int] = getattr(self, "homes", {})
        """The database for which a payload was sent."""
        self.refused: set[bytes] = getattr(self, "refused", set())
        """Payloads whose push was answered with an error, and not sent again."""
        self.now_ms = 0
        self.next_number = self.next_fence = 0
        self.highest_fence = 0
        self.epoch = 0
        self.trimmed = 0

    @property
    def last(self) -> int:
        """Return the position of the last batch."""
        return len(self.blobs)

    def cut(self, last: int) -> None:
        """Forget what was behind a position: it went with the machine."""
        blobs = self.blobs[:last]
        self.blobs = []
        self._begin()
        for position, blob in enumerate(blobs, 1):
            self.add(position, blob)

    def add(self, position: int, blob: bytes) -> None:
        """Read a batch that was committed."""
        demand(position == self.last + 1, "positions rise by one", position, self.last)
        header, body, _ = decode_batch(blob, None)
        self.blobs.append(blob)
        demand(header.now_ms >= self.now_ms, "time never runs backwards", header, self.now_ms)
        demand(header.next_fence >= self.next_fence, "no fence is drawn again", header)
        demand(header.next_number >= self.next_number, "no number is drawn again", header)
        self.now_ms = header.now_ms
        self.next_fence, self.next_number = header.next_fence, header.next_number
        self.told_before = len(self.told)
        for record in decode_records(body):
            self._read(record)
            self.told += self._expected.said_of(record)
        demand(self.highest_fence < header.next_fence, "no fence is drawn again", header)
        for rhythm in self.payloads.values():
            fired = rhythm.runs - rhythm.runs_before
            may = (fired, fired + 1) if rhythm.is_over else (fired,)
            demand(rhythm.pushed in may, "a slot is one job", rhythm)

    # One method for the records of a kind.

    def _read(self, record: Record) -> None:
        match record:
            case EpochStarted():
                demand(record.epoch > self.epoch, "epochs rise", record, self.epoch)
                self.epoch = record.epoch
            case Trimmed():
                demand(self.trimmed < record.before <= self.last, "what is trimmed rises", record)
                self.trimmed = record.before
            case QueueMade() if not record.totals:
                self.dbs[record.number] = record.db
            case QueueMade():
                db = self.dbs[record.number]
                demand(record.db == db, "databases never mix", record, db)
                pushed = self.pushed.get(record.number, 0)
                demand(record.totals[0] == pushed, "totals are said again", record, pushed)
            case JobsPushed():
                self._pushed(record)
            case JobReturned():
                entry = self._entry(record.number)
                demand(entry.phase == GONE or entry.is_vague, "what returns was taken", entry)
                self._move(entry, READY, record.order)
            case JobRestored():
                self._restored(record)
            case JobsLeased():
                self._leased(record)
            case JobTouched():
                entry = self._held(record.number, record)
                entry.due_ms = record.until_ms
            case JobsAcked():
                for number in record.numbers:
                    self._acked(number, GONE, record)
            case JobDone():
                self._acked(record.number, DONE, record)
            case JobReleased():
                self._released(record)
            case JobDue():
                self._due(record)
            case JobDied():
                entry = self._there(record.number, record)
                self._move(entry, DEAD, record.order, record.due_ms)
                entry.was_lost = True
                entry.depends.clear()
            case JobUndone():
                entry = self._held(record.number, record)
                self._move(entry, READY, entry.order)
            case JobCancelled():
                self._held(record.number, record)
            case JobRemoved():
                entry = self._there(record.number, record)
                entry.was_done = entry.was_done or record.cause == TAKEN
                entry.was_lost = entry.was_lost or not entry.was_done
                self._move(entry, GONE, entry.order)
            case JobEdited():
                entry = self._there(record.number, record)
                demand(entry.phase != LEASED or entry.is_vague, "nobody holds it", record)
                if record.payload is not None:
                    entry.payload = record.payload
                entry.is_out_of_order = True
                self._move(entry, record.phase, record.order, record.due_ms)
            case ChildrenFreed():
                self._freed(record)
            case ChildrenDied():
                self._orphaned(record)
            case QueuePurged() | QueueDropped():
                self._thrown_away(record)
            case ScheduleSet() | ScheduleFired() | ScheduleRemoved():
                self._scheduled(record)
            case _:
                pass

    def _entry(self, number: int) -> Entry:
        entry = self.jobs.get(number)
        demand(entry is not None, "a job is pushed before all else", number)
        assert entry is not None
        return entry

    def _there(self, number: int, record: Record) -> Entry:
        entry = self._entry(number)
        demand(entry.phase != GONE or entry.is_vague, "what is gone stays gone", entry, record)
        return entry

    def _held(self, number: int, record: Record) -> Entry:
        entry = self._there(number, record)
        demand(entry.phase == LEASED or entry.is_vague, "only who holds a job ends", entry, record)
        return entry

    @staticmethod
    def _move(entry: Entry, phase: int, order: int, due_ms: int = 0) -> None:
        entry.phase, entry.order, entry.due_ms = phase, order, due_ms

    def _pushed(self, record: JobsPushed) -> None:
        options = record.options
        before = record.order - record.first if record.order else 0
        db = self.dbs[record.queue]
        self.pushed[record.queue] = self.pushed.get(record.queue, 0) + len(record.payloads)
        for number, payload in enumerate(record.payloads, record.first):
            demand(number not in self.jobs, "no number is drawn again", record)
            demand(payload not in self.refused, "what is refused has no effect", record)
            demand(number < self.next_number, "numbers are below the next one", record)
            demand(self.homes.get(payload, db) == db, "databases never mix", record, db)
            own = options.id if options is not None else None
            name = db, b"%d-%d" % (record.pushed_ms, number) if own is None else own
            if name in self.by_id:
                earlier = self.jobs[self.by_id[name]]
                over = record.pushed_ms - earlier.pushed_ms >= ANSWER_WINDOW_MS
                over = over and (earlier.phase == GONE or earlier.is_vague)
                demand(over, "an id is pushed once", earlier, record)
            depends = set(options.depends) if options is not None else set()
            phase = BLOCKED if depends else DELAYED if record.due_ms else READY
            self.jobs[number] = Entry(
                *(number, record.queue, phase, payload, number + before),
                *(name[1], record.pushed_ms),
                due_ms=record.due_ms,
                depends=depends,
                is_out_of_order=bool(before),
            )
            self.by_id[name] = number
            self.came.add(payload)
            if payload.startswith(SLOT):
                self.payloads[payload].pushed += 1

    def _restored(self, record: JobRestored) -> None:
        """Look whether what compaction says again is how things are."""
        entry = self._there(record.number, record)
        if entry.is_vague:
            return
        said = record.queue, record.phase, record.order, record.payload, record.fence
        known = entry.queue, entry.phase, entry.order, entry.payload, entry.fence
        demand(said == known, "what is said again is how things are", entry, record)
        demand(record.due_ms == entry.due_ms, "its time is said again", entry, record)
        left = set(record.options.depends) if record.options is not None else set()
        demand(left == entry.depends, "what it waits for is said again", entry, record)

    def _leased(self, record: JobsLeased) -> None:
        for fence, number in enumerate(record.numbers, record.fence):
            entry = self._there(number, record)
            demand(entry.phase == READY or entry.is_vague, "one holds a job", entry, record)
            demand(fence > self.highest_fence, "fences only rise", entry, record)
            demand(not entry.depends, "parents come first", entry, record)
            demand(record.until_ms >= record.leased_ms, "a lease lasts", record)
            self.highest_fence = entry.fence = fence
            self.holders[fence] = number
            self._move(entry, LEASED, entry.order, record.until_ms)
            entry.is_vague = False

    def _acked(self, number: int, phase: int, record: JobsAcked | JobDone) -> None:
        entry = self._held(number, record)
        due_ms = record.until_ms if isinstance(record, JobDone) else 0
        receipt = b"%d:%b" % (entry.fence, entry.id)
        asked = (self.dbs[entry.queue], receipt) in self.asked
        demand(asked, "an ack is somebody's who was given the job", entry, record)
        self.ended.add(entry.fence)
        entry.was_done = True
        self._move(entry, phase, entry.order, due_ms)

    def _released(self, record: JobReleased) -> None:
        entry = self._there(record.number, record)
        if not entry.is_vague:
            if record.cause == BY_REDRIVE:
                demand(entry.phase == DEAD, "only the dead are redriven", entry, record)
            else:
                demand(entry.phase == LEASED, "only who holds a job ends", entry, record)
            if record.cause == BY_LEASE_END:
                demand(record.released_ms >= entry.due_ms, "no lease ends early", entry, record)
        entry.is_out_of_order = True
        self._move(entry, DELAYED if record.due_ms else READY, record.order, record.due_ms)

    def _due(self, record: JobDue) -> None:
        entry = self._there(record.number, record)
        demand(entry.phase == DELAYED or entry.is_vague, "only what waits is due", entry, record)
        if not record.by:
            demand(self.now_ms >= record.due_ms, "nothing is due early", entry, record)
        self._move(entry, READY, record.order)
        entry.is_out_of_order = True

    def _freed(self, record: ChildrenFreed) -> None:
        parent = self._entry(record.parent)
        demand(parent.was_done or parent.is_vague, "only the done free children", parent, record)
        for place, number in enumerate(record.numbers):
            entry = self._there(number, record)
            demand(record.parent in entry.depends or entry.is_vague, "it waits", entry, record)
            entry.depends.discard(record.parent)
            if not entry.depends:
                late = entry.due_ms > record.freed_ms
                due_ms = entry.due_ms if late else 0
                self._move(entry, DELAYED if late else READY, record.order + place, due_ms)

    def _orphaned(self, record: ChildrenDied) -> None:
        parent = self._entry(record.parent)
        lost = parent.was_lost or parent.is_vague
        demand(lost, "only a lost parent takes children along", parent, record)
        for place, number in enumerate(record.numbers):
            entry = self._there(number, record)
            demand(record.parent in entry.depends or entry.is_vague, "it waits", entry, record)
            entry.depends.clear()
            entry.was_lost = True
            self._move(entry, DEAD, record.order + place, record.due_ms)

    def _thrown_away(self, record: QueuePurged | QueueDropped) -> None:
        phase = record.phase if isinstance(record, QueuePurged) else ALL_PHASES
        for entry in self.jobs.values():
            if entry.queue != record.queue or entry.phase == GONE:
                continue
            if phase == ALL_PHASES:
                entry.was_lost = entry.was_lost or not entry.was_done
                self._move(entry, GONE, entry.order)
            elif phase == entry.phase:
                entry.is_vague = True

    def _scheduled(self, record: ScheduleSet | ScheduleFired | ScheduleRemoved) -> None:
        rhythm = self.rhythms.get(record.number)
        if isinstance(record, ScheduleSet):
            if rhythm is None or rhythm.payload != record.payload:
                rhythm = Rhythm(
                    record.payload, record.runs, record.runs, record.last_ms, record.next_ms
                )
                self.rhythms[record.number] = self.payloads[record.payload] = rhythm
            rhythm.next_ms = record.next_ms
            return
        demand(rhythm is not None, "a schedule is set before all else", record)
        assert rhythm is not None
        if isinstance(record, ScheduleRemoved):
            rhythm.is_over = True
            return
        if record.runs != rhythm.runs:
            demand(record.runs == rhythm.runs + 1, "a schedule fires once at a time", record)
            demand(record.last_ms > rhythm.last_ms, "no slot fires twice", record, rhythm)
            demand(record.last_ms <= self.now_ms, "no slot fires early", record, self.now_ms)
        demand(record.next_ms > rhythm.last_ms, "schedules go on", record, rhythm)
        rhythm.runs, rhythm.last_ms, rhythm.next_ms = record.runs, record.last_ms, record.next_ms

    def compare(self, state: State) -> None:
        """Hold the jobs of a state of the same position against the ledger."""
        there = {}
        away = set()
        for queue in state.queues.values():
            totals = queue.totals
            pushed = self.pushed.get(queue.number, 0)
            demand(totals.pushed == pushed, "totals count each push", queue.name, totals, pushed)
            for job in queue:
                entry = self.jobs.get(job.number)
                if entry is None or not entry.is_vague:
                    there[job.number] = job.phase, job.order, job.fence, job.payload
                    if isinstance(job.payload, int):
                        away.add(job.number)
        known = {
            entry.number: (
                *(entry.phase, entry.order, entry.fence),
                len(entry.payload) if entry.number in away else entry.payload,
            )
            for entry in self.jobs.values()
            if entry.phase != GONE and not entry.is_vague
        }
        if there != known:
            wrong = {
                number: (known.get(number), there.get(number))
                for number in sorted(known.keys() | there.keys())
                if known.get(number) != there.get(number)
            }
            raise Broken(f"no job is lost or invented: committed and there: {wrong}")


def payloads_of(words: Sequence[bytes]) -> Sequence[bytes]:
    """Return the payloads that a request would push, but for those that are not its own."""
    match words[0]:
        case b"QPUSH":
            return words[2:3]
        case b"QMPUSH":
            return words[3 : 3 + int(words[2])]
        case b"QMOVE":
            return words[5:6]
        case b"QSCHED" if words[1] == b"ADD":
            return words[4:5]
        case _:
            return ()


class Laws:
    """The ledger, and what clients were told."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.replies = 0
        """That were held against the ledger."""
        self.messages = 0
        self.comparisons = 0
        """Of replies in both protocols."""
        self._told_acked: set[int] = set()
        """Numbers of jobs whose ack was answered."""
        self._told: dict[int, int] = {}
        """The highest fence of each job that somebody was told."""
        self.highest_fence = 0
        """That somebody was told."""
        self._sent: set[bytes] = set()
        """Payloads that somebody has asked to push."""
        self._in_order = 0
        """The last one that the lone consumer of equals was given."""

    def committed(self, position: int, blob: bytes) -> None:
        """Take a batch that may be answered for from now on."""
        self.ledger.add(position, blob)

    def forgotten(self, position: int) -> None:
        """Look whether batches before a position may be forgotten by what is committed."""
        trimmed = self.ledger.trimmed
        demand(position <= trimmed, "only what was said again is forgotten", position, trimmed)

    def lost(self, last: int) -> None:
        """Forget what went with the machine, behind a position, as the mode allows."""
        if last == self.ledger.last:
            return
        refused, self.ledger.refused = self.ledger.refused, set()
        self.ledger.cut(last)  # It may hold the first of two pushes of which one was refused.
        self.ledger.refused = refused
        holders, jobs = self.ledger.holders, self.ledger.jobs
        self._told_acked = {n for n in self._told_acked if n in jobs and jobs[n].was_done}
        self._told = {n: f for n, f in self._told.items() if holders.get(f) == n}
        self.highest_fence = max(self._told.values(), default=0)
        self._in_order = 0

    def sent(self, request: Request) -> None:
        """Note what a client asks before it does."""
        request.highest_fence = self.highest_fence
        words = request.words
        payloads = payloads_of(words)
        request.is_repeated = not self._sent.isdisjoint(payloads)
        self._sent.update(payloads)
        self.ledger.refused.difference_update(payloads)
        self.ledger.homes.update((each, request.db) for each in payloads)
        if b"THEN" in words[3:]:
            self.ledger.homes[words[words.index(b"THEN") + 2]] = request.db
        if words[0] == b"QACK":
            self.ledger.asked.update((request.db, each) for each in words[2:])
        elif words[0] == b"QMOVE":
            self.ledger.asked.add((request.db, words[3]))

    def written(self, request: Request, reply: Any, *, is_loading: bool = False) -> None:
        """Hold a reply against what is committed at the moment at which it is sent."""
        self._look_at_loading(request, reply, is_loading=is_loading)
        if request.words[0] == b"ECHO" and isinstance(reply, bytes) and reply != b"QUEUED":
            in_order = reply == request.words[1]
            demand(in_order, "replies come in the order of requests", request.words, reply)
        if reply is None or reply == b"QUEUED":
            return
        if isinstance(reply, Exception):
            demand("internal" not in str(reply), "no command fails unexpectedly", request.words)
            for each in request.queued or (request,):
                self._refused(each)
            return
        self.replies += 1
        match request.words[0]:
            case b"QPUSH" | b"QMOVE" if isinstance(reply, bytes):
                self._pushed(request, [reply])
                if request.words[0] == b"QMOVE":
                    self._acked(request, request.words[3])
            case b"QMPUSH":
                self._pushed(request, reply)
            case b"QPOP" | b"QMPOP":
                self._popped(request, reply)
            case b"QACK" if reply == len(request.words) - 2:
                for receipt in request.words[2:]:
                    self._acked(request, receipt)
            case b"EXEC":
                for each, its_reply in zip(request.queued, reply, strict=True):
                    self.written(each, its_reply)
            case _:
                pass

    @staticmethod
    def _look_at_loading(request: Request, reply: Any, *, is_loading: bool) -> None:
        """Have all that needs the journal be refused while it is read, and nothing else."""
        is_refused = isinstance(reply, Exception) and str(reply).startswith("LOADING ")
        if is_refused:
            demand(is_loading, "all is answered when the journal is read", request.words)
        if is_loading:
            may = request.words[0] in WHILE_LOADING
            demand(may or is_refused, "nothing is answered from half of the journal", reply)
            demand(not (may and is_refused), "what needs no journal is answered", request.words)

    def _refused(self, request: Request) -> None:
        """Hold an error against what has come; it may be of an earlier push of the same."""
        payloads = set(payloads_of(request.words))
        is_fine = request.is_repeated or not self.ledger.came & payloads
        demand(is_fine, "what is refused has no effect", request.words)
        self.ledger.refused |= payloads

    def _number(self, request: Request, job_id: bytes) -> int:
        """Return the number of a job that a reply names."""
        by_id = self.ledger.by_id
        number = by_id.get((request.db, job_id))
        elsewhere = number is None and [db for db, each in by_id if each == job_id]
        demand(not elsewhere, "databases never mix", request.db, request.words, job_id, elsewhere)
        demand(number is not None, "no reply before its commit", request.words, job_id)
        assert number is not None
        return number

    def _pushed(self, request: Request, ids: list[bytes]) -> None:
        for each in ids:
            self._number(request, each)

    def _popped(self, request: Request, reply: Any) -> None:
        if request.words[0] == b"QMPOP":
            reply = reply[1]
        elif not (reply == [] or isinstance(reply[0], list)):
            reply = [reply]
        for job_id, receipt, payload in reply:
            number = self._number(request, job_id)
            entry = self.ledger.jobs[number]
            demand(number not in self._told_acked, "what was acked stays gone", entry, receipt)
            if receipt is None:
                continue
            fence = int(receipt.partition(b":")[0])
            holder = self.ledger.holders.get(fence)
            demand(holder == number, "no reply before its commit", request.words, receipt, holder)
            demand(
                fence > request.highest_fence,
                "fences only rise",
                request.words,
                receipt,
                request.highest_fence,
            )
            demand(fence > self._told.get(number, 0), "a delivery is told once", entry, receipt)
            edited = entry.is_out_of_order or entry.payload == payload
            demand(edited, "the payload is what was pushed", entry, payload)
            self._told[number] = fence
            self.highest_fence = max(self.highest_fence, fence)
            if request.words[1] == b"fifo":
                self._look_at_order(entry)

    def _look_at_order(self, entry: Entry) -> None:
        """Have a lone consumer get equals in the order of their pushes."""
        last = self._in_order
        if not entry.is_out_of_order:
            demand(entry.number > last, "equals go in the order of their pushes", entry, last)
            self._in_order = entry.number

    def _acked(self, request: Request, receipt: bytes) -> None:
        fence, _, job_id = receipt.partition(b":")
        number = self._number(request, job_id)
        done = int(fence) in self.ledger.ended
        demand(done, "no reply before its commit", request.words, receipt)
        # `highest_fence` of the request is what anybody was told before it was sent.
        later = self._told.get(number, 0)
        known = later <= request.highest_fence
        demand(int(fence) >= later or not known, "a stale receipt is worth nothing", receipt, later)
        self._told_acked.add(number)

    # Messages of channels.

    def heard(self, wire: Wire, message: Sequence[bytes]) -> None:
        """Hold a message of a channel against what is committed."""
        *_, channel, said = message
        self.messages += 1
        place = channel.partition(b":")[0]
        db = int(place[2:]) if place != b"q" else 0
        if not channel.endswith(b":purged"):
            is_known = (db, said) in self.ledger.by_id
            demand(is_known, "nothing is told before its commit", message)
        is_pushed = isinstance(message, PushNotification)
        demand(is_pushed == (wire.protocol == 3), "a message is no reply", message)
        demand(wire.ear is not None, "only who listens is told", message)
        assert wire.ear is not None
        wire.ear.hear(channel, said)

    def subscribed(self, wire: Wire, request: Request, reply: Any) -> None:
        """Take note that a client listens from now on, or no more."""
        is_pushed = isinstance(reply, PushNotification)
        demand(is_pushed == (request.protocol == 3), "protocols are not mixed", reply)
        if request.words[0] == b"PSUBSCRIBE":
            wire.ear = Ear(self.ledger, request.words[1])
        else:
            self.listened(wire, self.ledger.told_before)
            wire.ear = None

    def listened(self, wire: Wire, until: int) -> None:
        """Look whether a client was told all that it listens to, of the first ``until``."""
        if wire.ear is not None:
            wire.ear.has_heard(until)

    def compared(self, replies: Sequence[tuple[Request | None, Any]]) -> None:
        """Have replies of one turn to the same question say the same in both protocols."""
        for (first, said), (_, _), (again, says) in zip(
            replies, replies[1:], replies[2:], strict=False
        ):
            if first is None or again is None or first.words != again.words:
                continue
            if first.protocol != again.protocol and first.words[0] != b"HELLO":
                alike = meaning(said) == meaning(says)
                demand(alike, "both protocols say the same", first.words, said, says)
                self.comparisons += 1


class Ear:
    """What one client is to hear: from some moment on all of its channels, and in their order.

    It is not known which messages of the batch in which it began to listen were said before. So
    there are several places in the line of all messages at which it may be, until it hears more.
    """

    def __init__(self, ledger: Ledger, pattern: bytes) -> None:
        self._ledger = ledger
        self._begin = pattern[:-1]
        self._places = list(range(ledger.told_before, len(ledger.told) + 1))

    def _next(self, place: int) -> int:
        """Return the place of the next message for it, or the end."""
        told = self._ledger.told
        while place < len(told) and not told[place][0].startswith(self._begin):
            place += 1
        return place

    def hear(self, channel: bytes, said: bytes) -> None:
        """Go on behind a message."""
        told = self._ledger.told
        places = dict.fromkeys(map(self._next, self._places))
        there = [each for each in places if each < len(told)]
        heard = [each + 1 for each in there if told[each] == (channel, said)]
        missed = [told[each] for each in there]
        demand(heard, "who listens hears all, once, in its order", channel, said, missed)
        self._places = heard

    def has_heard(self, until: int) -> None:
        """Look whether there was nothing more to be heard of the first ``until``."""
        places = [self._next(each) for each in self._places]
        told = self._ledger.told
        missed = [told[each] for each in places if each < until]
        demand(len(missed) < len(places), "who listens hears all, once, in its order", missed)
        self._places = [each for each in places if each >= until]


def meaning(reply: Any) -> Any:
    """Return what a reply says, whichever of the protocols it was written in."""
    match reply:
        case dict():
            return [meaning(each) for pair in reply.items() for each in pair]
        case list():
            return [meaning(each) for each in reply]
        case bool():
            return int(reply)
        case float():
            return repr(reply).removesuffix(".0").encode()
        case Exception():
            return str(reply)
        case _:
            return reply
