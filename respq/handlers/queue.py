"""Commands that put jobs into queues, take them out, and end their deliveries."""

from __future__ import annotations

from itertools import islice

from respq.broker.call import Call, Wait
from respq.broker.command import Flags, RunAnswer
from respq.broker.table import CommandTable
from respq.engine.engine import Engine
from respq.engine.jobs.delivery import DUE_STALE, FAIL, FATAL, SILENT
from respq.engine.jobs.inspect import delivery_facts, history_facts, job_facts
from respq.engine.jobs.job import Job, job_id
from respq.engine.jobs.push import PushTerms
from respq.errors import SyntaxFault, TooBig
from respq.handlers.arguments import (
    Block,
    Bulk,
    Consumer,
    Count,
    Cursor,
    EditOptions,
    ErrorText,
    Front,
    ItemsCount,
    JobIds,
    Key,
    KickCount,
    KickIds,
    Lease,
    LogLine,
    NackDelay,
    NoAck,
    Outcome,
    Payload,
    Phase,
    Progress,
    PushManyOptions,
    PushOptions,
    RateLimit,
    Reason,
    Receipt,
    Result,
    Strict,
    Turns,
    Weights,
    WithDue,
    WithMeta,
)
from respq.resp.encoder import encode, encode_deliveries, encode_ids
from respq.resp.replies import NULL_ARRAY, OK, Reply

TABLE = CommandTable()
SCANNED = 10
"""Jobs that QSCAN looks at unless it is told how many."""
_GROW = Flags.WRITE | Flags.DENYOOM | Flags.FAST
_TAKE = Flags.WRITE | Flags.BLOCKING | Flags.FAST
_FINISH = Flags.WRITE | Flags.FAST | Flags.DRAIN
_READ = Flags.READONLY | Flags.FAST | Flags.DRAIN
_SCAN = Flags.READONLY | Flags.DRAIN
_DELETE = Flags.WRITE | Flags.FAST


@TABLE.command("QPUSH", group="queue", since="0.1.0", flags=_GROW)
def qpush(call: Call, queue: Key, payload: Bulk, *, terms: PushOptions = None) -> Reply:
    """Put a job into a queue and return its id."""
    if len(payload) > call.broker.settings.payload_bytes_max:
        raise _too_big(call, payload)
    if terms is None:
        [number] = call.engine.push(call.now_ms, call.db, queue, [payload])
        return job_id(call.now_ms, number)
    _check_sizes(call, *_then(terms))
    ids = call.engine.push_many(call.now_ms, call.db, queue, [payload], terms)
    return None if ids is None else ids[0]


@TABLE.command("QMPUSH", group="queue", since="0.1.0", flags=_GROW)
def qmpush(
    call: Call,
    queue: Key,
    numpayloads: ItemsCount,
    *payload: Bulk,
    terms: PushManyOptions = None,
) -> Reply:
    """Put several jobs into a queue, all or none, and return their ids."""
    terms = terms or PushTerms()
    _check_sizes(call, *payload, *_then(terms))
    ids = call.engine.push_many(call.now_ms, call.db, queue, list(payload), terms)
    return NULL_ARRAY if ids is None else list(ids)


@TABLE.command("QPOP", group="queue", since="0.1.0", flags=_TAKE)
def qpop(
    call: Call,
    queue: Key,
    *,
    count: Count = None,
    block_ms: Block = None,
    lease_ms: Lease = None,
    consumer: Consumer = b"",
    noack: NoAck = False,
    withmeta: WithMeta = False,
) -> Reply | Wait:
    """Lease the most urgent ready jobs of a queue, or wait for one."""
    if consumer:
        call.engine.admit(call.now_ms, consumer)
    jobs = _pop(call, queue, count or 1, lease_ms, consumer, noack)
    if not jobs:
        nothing: Reply = NULL_ARRAY if count is None else []
        return nothing if block_ms is None else Wait((queue,), block_ms, nothing)
    if count is None:
        return _delivery(jobs[0], noack, withmeta)
    return [_delivery(job, noack, withmeta) for job in jobs]


@TABLE.command("QMPOP", group="queue", since="0.1.0", flags=_TAKE)
def qmpop(
    call: Call,
    numqueues: ItemsCount,
    *queue: Key,
    turns: Turns = b"STRICT",
    weights: Weights = (),
    count: Count = None,
    block_ms: Block = None,
    lease_ms: Lease = None,
    consumer: Consumer = b"",
    noack: NoAck = False,
    withmeta: WithMeta = False,
) -> Reply | Wait:
    """Lease the most urgent ready jobs of one of several queues."""
    if weights and len(weights) != len(queue):
        raise SyntaxFault(f"{len(queue)} queues need as many WEIGHTS, but there are {len(weights)}")
    if consumer:
        call.engine.admit(call.now_ms, consumer)
    for name in queue:
        call.engine.queue_or_none(call.db, name, call.now_ms)
    if turns == b"FAIR":
        weights = (1,) * len(queue)
    names = call.engine.draw_order(call.now_ms, call.db, queue, weights) if weights else queue
    for name in names:
        jobs = _pop(call, name, count or 1, lease_ms, consumer, noack)
        if jobs:
            return [name, [_delivery(job, noack, withmeta) for job in jobs]]
    return NULL_ARRAY if block_ms is None else Wait(queue, block_ms, NULL_ARRAY)


@TABLE.command("QACK", group="queue", since="0.1.0", flags=_FINISH)
def qack(
    call: Call, queue: Key, *receipt: Receipt, result: Result = b"", strict: Strict = False
) -> Reply:
    """Finish deliveries: their jobs are done."""
    if result:
        _check_sizes(call, result)
    good = call.engine.ack(call.now_ms, call.db, queue, receipt, strict=strict, result=result)
    return sum(good)


@TABLE.command("QMOVE", group="queue", since="0.1.0", flags=_GROW)
def qmove(
    call: Call,
    source: Key,
    destination: Key,
    receipt: Bulk,
    *,
    payload: Payload = None,
    terms: PushOptions = None,
) -> Reply:
    """Finish a delivery and push a job into another queue, both or neither."""
    terms = terms or PushTerms()
    _check_sizes(call, payload or b"", *_then(terms))
    ids = call.engine.move(call.now_ms, call.db, source, destination, receipt, payload, terms)
    return None if ids is None else ids[0]


# Pipelines, and clients that ask at the same time, are runs: taken together they cost a third.


@TABLE.run("QPUSH")
def qpush_run(
    engine: Engine, now_ms: int, db: int, queue: bytes, payloads: list[bytes]
) -> RunAnswer:
    """Put each payload into the queue."""
    if len(payloads) > 1 and engine.throws_away(db, queue, payloads):
        # Each makes room for itself: of two that come one by one the first may have to go.
        return [], []
    return encode_ids(now_ms, engine.push(now_ms, db, queue, payloads)), []


@TABLE.run("QPOP", besides="block_ms")
def qpop_run(
    engine: Engine, now_ms: int, db: int, queue: bytes, requests: list[bytes]
) -> RunAnswer:
    """Lease a job for each request, as far as they last."""
    jobs = engine.lease(now_ms, db, queue, count=len(requests))
    # Of a job that goes out it is in memory.
    payloads: list[bytes] = [job.payload for job in jobs]  # type: ignore[misc]
    replies = encode_deliveries([job.receipt for job in jobs], payloads)
    return replies, [(job, job.fence) for job in jobs]


@TABLE.run("QACK")
def qack_run(
    engine: Engine, now_ms: int, db: int, queue: bytes, receipts: list[bytes]
) -> RunAnswer:
    """Finish the delivery of each receipt."""
    good = engine.ack(now_ms, db, queue, receipts)
    return [_ACKED if each else _NOT_ACKED for each in good], []


_ACKED, _NOT_ACKED = encode(1, 2), encode(0, 2)


@TABLE.command("QNACK", group="queue", since="0.1.0", flags=_FINISH)
def qnack(
    call: Call,
    queue: Key,
    *receipt: Receipt,
    outcome: Outcome = FAIL,
    closed_ms: RateLimit = 0,
    delay_ms: NackDelay = None,
    error: ErrorText = b"",
    front: Front = False,
    withdue: WithDue = False,
) -> Reply:
    """Give deliveries back: to be tried again, or as dead letters."""
    if outcome == FATAL and delay_ms is not None:
        raise SyntaxFault("syntax error near 'DELAY': a dead letter waits for nothing")
    if outcome == FATAL and front:
        raise SyntaxFault("syntax error near 'FRONT': a dead letter stands in no line")
    if closed_ms and delay_ms is not None:
        raise SyntaxFault("syntax error near 'DELAY': RATELIMIT says how long to wait")
    if closed_ms and front:
        raise SyntaxFault("syntax error near 'FRONT': with RATELIMIT it goes there by itself")
    due = call.engine.nack(
        call.now_ms,
        call.db,
        queue,
        receipt,
        outcome=SILENT if closed_ms else outcome,
        delay=delay_ms,
        error=error,
        front=front or closed_ms > 0,
        closed_ms=closed_ms,
    )
    return list(due) if withdue else sum(each != DUE_STALE for each in due)


@TABLE.command("QTOUCH", group="queue", since="0.1.0", flags=_FINISH)
def qtouch(
    call: Call,
    queue: Key,
    *receipt: Receipt,
    lease_ms: Lease = None,
    progress: Progress = -1,
    line: LogLine = b"",
) -> Reply:
    """Let the leases of deliveries last longer, counted from now."""
    return list(
        call.engine.touch(
            call.now_ms,
            call.db,
            queue,
            receipt,
            lease_ms=lease_ms,
            progress=progress,
            line=line,
        )
    )


@TABLE.command("QLEN", group="queue", since="0.1.0", flags=_READ)
def qlen(call: Call, queue: Key) -> Reply:
    """Return how many jobs of a queue are ready."""
    found = call.engine.queue_or_none(call.db, queue, call.now_ms)
    return found.ready.count if found is not None else 0


@TABLE.command("QPEEK", group="queue", since="0.1.0", flags=_READ)
def qpeek(call: Call, queue: Key, *, count: Count = None) -> Reply:
    """Show the ready jobs that would be popped next, without taking them."""
    found = call.engine.queue_or_none(call.db, queue, call.now_ms)
    jobs = [*islice(found.ready, count or 1)] if found is not None else []
    payloads = call.engine.payloads(found, jobs) if found is not None else []
    shown_jobs: list[Reply] = [(j.id, payload) for j, payload in zip(jobs, payloads, strict=True)]
    if count is not None:
        return shown_jobs
    return shown_jobs[0] if shown_jobs else NULL_ARRAY


@TABLE.command("QSHOW", group="queue", since="0.1.0", flags=_READ)
def qshow(call: Call, queue: Key, job: Bulk) -> Reply:
    """Show everything about one job."""
    found = call.engine.find_job(call.db, queue, job)
    return dict(job_facts(found, *call.engine.payloads(found.queue, (found,))))


@TABLE.command("QEXPLAIN", group="queue", since="0.1.0", flags=_SCAN)
def qexplain(call: Call, queue: Key, job: Bulk) -> Reply:
    """Say why a job is not delivered."""
    phase, causes = call.engine.explain(call.now_ms, call.db, queue, job)
    return {b"phase": phase, b"causes": [list(cause) for cause in causes]}


@TABLE.command("QHISTORY", group="queue", since="0.1.0", flags=_READ)
def qhistory(call: Call, queue: Key, job: Bulk) -> Reply:
    """Show what has happened to a job, and who did it."""
    events = history_facts(call.engine.find_job(call.db, queue, job))
    return [dict(event) for event in events]


@TABLE.command("QSCAN", group="queue", since="0.1.0", flags=_SCAN)
def qscan(
    call: Call, queue: Key, cursor: Cursor, *, state: Phase = None, count: Count = None
) -> Reply:
    """Walk through the jobs of a queue, some at a time."""
    found = call.engine.queue_or_none(call.db, queue, call.now_ms)
    ids: list[Reply] = []
    last = 0
    # As in SCAN the cursor is the number of the last job seen: it never changes.
    for seen, job in enumerate(found.after(cursor) if found is not None else ()):
        if seen == (count or SCANNED):
            return [b"%d" % last, ids]
        last = job.number
        if state is None or job.phase == state:
            ids.append(job.id)
    return [b"0", ids]


@TABLE.command("QWAIT", group="queue", since="0.1.0", flags=Flags.READONLY | Flags.BLOCKING)
def qwait(call: Call, queue: Key, job: Bulk, *, block_ms: Block = None) -> Reply | Wait:
    """Return how a job ended, or wait for that."""
    ending = call.engine.ending(call.db, queue, job)
    if not isinstance(ending, int):
        return list(ending)
    return NULL_ARRAY if block_ms is None else Wait((ending,), block_ms, NULL_ARRAY)


@TABLE.command("QCANCEL", group="queue", since="0.1.0", flags=_DELETE)
def qcancel(call: Call, queue: Key, job: Bulk, *, reason: Reason = b"") -> Reply:
    """Have a job not be done, also when a worker is at it."""
    return int(call.engine.cancel(call.now_ms, call.db, queue, job, reason, call.who))


@TABLE.command("QKICK", group="queue", since="0.1.0", flags=_DELETE)
def qkick(call: Call, queue: Key, *, count: KickCount = None, ids: KickIds = ()) -> Reply:
    """Make delayed jobs ready now."""
    if ids:
        return call.engine.kick_these(call.now_ms, call.db, queue, ids, call.who)
    return call.engine.kick(call.now_ms, call.db, queue, count or 1, call.who)


@TABLE.command("QEDIT", group="queue", since="0.1.0", flags=Flags.WRITE | Flags.DENYOOM)
def qedit(call: Call, queue: Key, job: Bulk, *, terms: EditOptions = None) -> Reply:
    """Change a job that waits or is dead."""
    if terms is None:
        raise SyntaxFault("syntax error: say what to change")
    _check_sizes(call, terms.payload or b"")
    call.engine.edit(call.now_ms, call.db, queue, job, terms, call.who)
    return OK


@TABLE.command("QDEL", group="queue", since="0.1.0", flags=_DELETE)
def qdel(call: Call, queue: Key, *job: JobIds) -> Reply:
    """Throw jobs away, whatever their phase."""
    return call.engine.delete(call.db, queue, job)


def _pop(
    call: Call, queue: bytes, count: int, lease_ms: int | None, consumer: bytes, noack: bool
) -> list[Job]:
    """Take jobs out and remember them until their reply is handed to the transport."""
    session = call.session
    if noack:
        jobs = call.engine.take(call.now_ms, session.db, queue, count=count, holder=consumer)
        session.pops += [(job, 0) for job in jobs]
        return jobs
    jobs = call.engine.lease(
        call.now_ms, session.db, queue, count=count, lease_ms=lease_ms, holder=consumer
    )
    for job in jobs:
        session.pops.append((job, job.fence))
    return jobs


def _delivery(job: Job, noack: bool, withmeta: bool) -> Reply:
    """Return ``[id, receipt, payload]``, the receipt null without a lease, facts behind."""
    if not (noack or withmeta):
        return _plain_delivery(job)
    reply: list[Reply] = [job.id, None if noack else job.receipt, job.payload_here]
    if withmeta:
        reply.append(dict(delivery_facts(job)))
    return reply


def _plain_delivery(job: Job) -> tuple[bytes, bytes, bytes]:
    receipt = job.receipt
    payload: bytes = job.payload  # type: ignore[assignment]
    return (receipt[receipt.index(b":") + 1 :], receipt, payload)


def _then(terms: PushTerms) -> tuple[bytes, ...]:
    """Return the payload of what follows on the job, if anything does."""
    return () if terms.then is None else (terms.then.payload,)


def _check_sizes(call: Call, *payloads: bytes) -> None:
    for payload in payloads:
        if len(payload) > call.broker.settings.payload_bytes_max:
            raise _too_big(call, payload)


def _too_big(call: Call, payload: bytes) -> TooBig:
    return TooBig(
        f"payload is {len(payload)} bytes, the limit is "
        f"{call.broker.settings.payload_bytes_max}: keep large data elsewhere and push a key"
    )
