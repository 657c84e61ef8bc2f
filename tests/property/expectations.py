"""What a reply must be by the model, and what it then does to the model."""

from __future__ import annotations

from fnmatch import fnmatchcase
from fractions import Fraction
from itertools import groupby
from typing import Any

from hiredis import ReplyError

from respq.errors import RespqError
from respq.resp.replies import NULL_ARRAY, OK
from tests.property.commands import (
    TEXT_PRIORITIES,
    Ack,
    Cancel,
    Create,
    Delete,
    Edit,
    Kick,
    Move,
    Nack,
    Pause,
    Pop,
    PopOfMany,
    Push,
    Redrive,
    Rename,
    Said,
    Schedule,
    ThrowAway,
    Touch,
)
from tests.property.model import FOREVER_MS, WINDOW_MS, Model, ModelJob, ModelQueue
from tests.property.schedules import ModelSchedule

GROWING = (Push, Move, Edit)
"""What is refused while memory or the disk is short; what ends jobs never is."""


def expect(model: Model, said: Said, reply: Any, now_ms: int) -> None:
    """Check the reply to a command and let the model do the same."""
    _expect(model, said, reply, now_ms)
    model.settle(now_ms)
    model.think_of_turns()


def _expect(model: Model, said: Said, reply: Any, now_ms: int) -> None:
    if model.is_short and isinstance(said.spec, GROWING):
        assert is_shortage(reply)
        return
    paused = model.queues[said.queue].pauses if said.queue in model.queues else {}
    match spec := said.spec:
        case Ack() | Nack() | Move() if "ACK" in paused:
            assert _is_error(reply, "PAUSED")
        case Touch() if "TOUCH" in paused:
            assert _is_error(reply, "PAUSED")
        case Push():
            _expect_push(model, spec, reply, now_ms, said.ids)
        case Pop():
            _expect_pop(model, spec, reply, now_ms)
        case PopOfMany():
            _expect_pop_of_many(model, spec, reply, now_ms)
        case Ack():
            _expect_ack(model, said, spec, reply, now_ms)
        case Move():
            job = model.held(said.receipts[0], said.queue, now_ms)
            if job is None or job.cancelled:
                assert _is_error(reply, "BADRECEIPT" if job is None else "CANCELLED")
                return
            _expect_push(model, spec.push, reply, now_ms, [])
            if not isinstance(reply, RespqError | ReplyError):
                model.finish(job, now_ms)
        case Cancel():
            found = model.find(spec.queue, said.ids[0])
            assert reply == int(found is not None and found.phase not in ("dead", "done"))
            if reply and found is not None and found.phase == "leased":
                found.cancelled, found.error = True, "x"
            elif reply and found is not None:
                model.throw_away(found)
        case Kick():
            _expect_kick(model, spec, said.ids, reply)
        case Edit():
            _expect_edit(model, spec, said.ids[0], reply, now_ms)
        case Nack():
            answers = list(zip(said.receipts, reply, strict=True))
            # What is put in front of the others is in order if the last goes there first.
            for receipt, due_ms in answers[::-1] if spec.goes_front else answers:
                held = model.held(receipt, said.queue, now_ms)
                if held is not None and spec.outcome == "RATELIMIT":
                    opens_ms = held.queue.close(held, now_ms + spec.closed)
                    assert due_ms in (opens_ms, -1)
                    due_ms = min(due_ms, 0)
                _expect_nack(model, spec, held, due_ms, now_ms)
        case Delete():
            there = [each for each in dict.fromkeys(said.ids) if model.has(spec.queue, each)]
            assert reply == len(there)
            for each in there:
                model.throw_away(model.queues[spec.queue].jobs[each])
        case Touch():
            for receipt, end_ms in zip(said.receipts, reply, strict=True):
                _expect_touch(spec, model.held(receipt, said.queue, now_ms), end_ms, now_ms)


def _expect_ack(model: Model, said: Said, spec: Ack, reply: Any, now_ms: int) -> None:
    held = [model.held(each, said.queue, now_ms) for each in said.receipts]
    good = {job for job in held if job is not None}
    if spec.strict and (None in held or any(job.cancelled for job in good)):
        assert _is_error(reply, "BADRECEIPT") or _is_error(reply, "CANCELLED")
        return
    assert reply == sum(not job.cancelled for job in good)
    for job in good:
        if job.cancelled:
            model.throw_away(job)
        else:
            model.finish(job, now_ms)


def _expect_touch(spec: Touch, job: ModelJob | None, end_ms: int, now_ms: int) -> None:
    if job is None or job.cancelled:
        assert end_ms == (0 if job is None else -1)
        return
    until_ms = now_ms + spec.lease
    if job.maxlease_ms is not None and until_ms > job.leased_ms + job.maxlease_ms:
        until_ms = max(job.due_ms, job.leased_ms + job.maxlease_ms)
        if until_ms == job.due_ms:
            assert end_ms == -2
            return
    assert end_ms == until_ms
    job.due_ms = until_ms


def _expect_kick(model: Model, spec: Kick, ids: list[bytes], reply: Any) -> None:
    queue = model.queues.get(spec.queue)
    jobs = queue.in_phase("delayed") if queue is not None else []
    if spec.picks:
        jobs = [job for each in dict.fromkeys(ids) for job in jobs if job.id == each]
        for job in jobs:
            model.release(job, 0, front=job.rank < 0 and not job.queue.keeps_its_place(job))
    else:
        # Those that would be due in the same millisecond come in any order.
        for _, together in groupby(sorted(jobs, key=due), key=due):
            back, front = model.next_rank(), model.next_rank(front=True)
            for job in together:
                rank: float = front if job.rank < 0 else back
                if job.queue.keeps_its_place(job):
                    rank = job.rank
                model.release(job, 0)
                job.rank = rank
    assert reply == len(jobs)


def due(job: ModelJob) -> int:
    return job.due_ms


def _expect_edit(model: Model, spec: Edit, job_id: bytes, reply: Any, now_ms: int) -> None:
    job = model.find(spec.queue, job_id)
    if job is None:
        assert _is_error(reply, "NOJOB") or _is_error(reply, "NOQUEUE")
        return
    held = job.phase in ("leased", "done")
    if held or (job.phase == "dead" and spec.delay is not None):
        assert _is_error(reply, "STATE")
        return
    more = len("edited") - len(job.payload)
    grows = job.phase != "dead" and more > 0
    if grows and 0 < job.queue.maxbytes < job.queue.waiting_bytes + more:
        assert _is_error(reply, "MAXLEN")
        return
    phase, due_ms, expires_ms = job.phase, job.due_ms, job.expires_ms
    if spec.delay is not None:
        due_ms = now_ms + spec.delay if spec.delay else 0
        phase = "delayed" if spec.delay else "ready"
    if job.phase == "blocked":
        phase = "blocked"
    if spec.ttl is not None:
        expires_ms = now_ms + spec.ttl if spec.ttl else None
    late = expires_ms is not None and due_ms >= expires_ms
    if late and phase in ("delayed", "blocked"):
        assert _is_error(reply, "ERR")
        return
    assert reply in (OK, b"OK")
    priority = job.priority
    if spec.priority:
        priority = _priority(Push(spec.queue, priority=spec.priority), job.queue)
    moves = (priority, phase) != (job.priority, job.phase) and phase != "dead"
    if moves and (job.rank < 0 or not job.queue.keeps_its_place(job)):
        job.rank = model.next_rank(front=job.rank < 0)
    job.priority, job.phase, job.due_ms, job.expires_ms = priority, phase, due_ms, expires_ms
    job.attempts_max = job.attempts_max if spec.attempts is None else spec.attempts
    job.lease_ms = job.lease_ms if spec.lease is None else spec.lease
    job.payload = "edited"


def _expect_push(model: Model, spec: Push, reply: Any, now_ms: int, parents: list[bytes]) -> None:
    known = model.queues.get(spec.queue)
    job_id = spec.id.encode() if spec.id and spec.count == 1 else None
    keys: list[object] = [("id", job_id)] * (job_id is not None)
    keys += [spec.idmp] * (spec.idmp is not None)
    ids = reply if isinstance(reply, list) else [reply]
    if known is not None:
        answers = [[job_id]] if job_id in known.jobs else []
        found = (known.answers.get(key, ([], 0)) for key in keys)
        answers += [given for given, until_ms in found if until_ms > now_ms]
        if answers and spec.nx:
            assert reply in (None, NULL_ARRAY)
            return
        if answers:
            assert ids == (answers[0] if spec.count > 1 else answers[0][:1])
            return
    replaced = None
    if known is not None and spec.count == 1 and spec.dedup is not None:
        held = known.holder(spec.dedup.key)
        window_id, until_ms = known.windows.get(spec.dedup.key, (b"", 0))
        on = None if spec.nx else spec.dedup.on
        if held is None and until_ms <= now_ms:
            pass
        elif spec.nx:
            assert reply is None
            return
        elif on == "REPLACE" and held is not None and held.phase == "leased":
            assert _is_error(reply, "STATE")
            return
        elif on == "REJECT" or (on == "REPLACE" and held is None):
            assert _is_error(reply, "DUPLICATE")
            return
        elif on == "REPLACE":
            replaced = held
        else:
            assert ids == [held.id if held is not None else window_id]
            for key in keys:
                known.answers[key] = (ids, now_ms + WINDOW_MS)
            return
    ttl_ms = spec.ttl if spec.ttl is not None else known.ttl_ms if known else None
    if ttl_ms is not None and spec.delay is not None and spec.delay >= ttl_ms:
        assert isinstance(reply, RespqError)
        return
    refusal = _refusal_of_parents(known, job_id, parents, now_ms)
    if refusal:
        assert _is_error(reply, refusal)
        return
    if known is not None and "IN" in known.pauses:
        assert _is_error(reply, "PAUSED")
        return
    named = spec.count == 1 and spec.dedup is not None
    refuses = known is not None and known.refuse_duplicates and not named
    if known and refuses and any(known.holder(f"payload {each}") for each in spec.payloads):
        assert reply in (None, NULL_ARRAY) if spec.nx else _is_error(reply, "DUPLICATE")
        return
    if known is not None and not known.may_push(spec.count, now_ms):
        assert known.push_rate is not None
        assert _is_error(reply, "RATELIMIT" if spec.count <= known.push_rate[0] else "ERR")
        return
    there = known.jobs if known is not None else {}
    waits_for = {each for each in parents if each in there and there[each].phase != "done"}
    if known is not None and not model.make_room(known, spec.payloads, replaced):
        assert _is_error(reply, "MAXLEN")
        return
    if replaced is not None:
        model.throw_away(replaced)
    queue = model.queue(spec.queue, now_ms)
    queue.pushes += [now_ms] * spec.count
    queue.active_ms = now_ms
    assert len(set(ids)) == spec.count
    ranks = [model.next_rank(front=spec.front) for _ in ids]
    for each, rank, payload in zip(ids, sorted(ranks), spec.payloads, strict=True):
        assert each == job_id or each.startswith(b"%d-" % now_ms)
        assert each == job_id or each not in model.finished
        queue.jobs[each] = ModelJob(
            each,
            queue,
            _priority(spec, queue),
            "delayed" if spec.delay else "ready",
            rank,
            now_ms + spec.delay if spec.delay else 0,
            None if ttl_ms is None else now_ms + ttl_ms,
            spec.attempts,
            spec.lease,
            maxlease_ms=spec.maxlease,
            then=spec.then,
            keep=spec.keep,
            group=spec.group,
            parents=set(waits_for),
            payload=payload,
        )
        if waits_for:
            queue.jobs[each].phase = "blocked"
        if named:
            assert spec.dedup is not None
            queue.jobs[each].key = spec.dedup.key
            queue.jobs[each].until_start = spec.dedup.until_start
            if spec.dedup.window is not None:
                queue.windows[spec.dedup.key] = (each, now_ms + spec.dedup.window)
        elif queue.refuse_duplicates:
            queue.jobs[each].key = f"payload {payload}"
    for key in keys:
        queue.answers[key] = (ids, now_ms + WINDOW_MS)


def _refusal_of_parents(
    queue: ModelQueue | None, job_id: bytes | None, parents: list[bytes], now_ms: int
) -> str:
    """Return the prefix of the error for the first parent that cannot be one."""
    for each in parents:
        if each == job_id:
            return "CYCLE"
        if queue is None or each not in queue.jobs:
            # An earlier command of the same transaction ended it: it was there.
            answers = queue.answers if queue is not None else {}
            _, until_ms = answers.get(("id", each), ([], 0))
            if b"-" not in each and until_ms <= now_ms:
                return "NOJOB"
        elif queue.jobs[each].phase == "dead":
            return "STATE"
    return ""


def is_shortage(reply: Any) -> bool:
    """Tell whether a reply is the error for what would make the state grow too much."""
    return _is_error(reply, "OOM") or _is_error(reply, "MISCONF")


def _is_error(reply: Any, prefix: str) -> bool:
    """Tell whether a reply, perhaps one that a client has read, is an error of that kind."""
    if isinstance(reply, RespqError):
        return reply.prefix == prefix
    return isinstance(reply, ReplyError) and str(reply).startswith(f"{prefix} ")


def _priority(spec: Push, queue: ModelQueue) -> int | bytes:
    return TEXT_PRIORITIES[spec.priority].encode() if queue.text else spec.priority


def _expect_pop(model: Model, spec: Pop, reply: Any, now_ms: int) -> None:
    _expect_jobs(model, spec, spec.queue, reply, now_ms)


def _expect_jobs(
    model: Model, spec: Pop | PopOfMany, name: str, jobs: list[Any], now_ms: int
) -> None:
    for job_id, receipt, _ in jobs:
        if spec.noack:
            assert receipt is None
            model.take(job_id, name, now_ms)
        else:
            model.lease(job_id, receipt, name, now_ms, spec.lease)
    if len(jobs) < (spec.count or 1) and not (jobs and model.may_get_fewer(name)):
        assert model.claimable(name, now_ms) == []


def _expect_pop_of_many(model: Model, spec: PopOfMany, reply: Any, now_ms: int) -> None:
    """Check that jobs came from a queue that may have been next, or that none had any.

    Whose turn it is by weight is for the engine to know.
    """
    name = None if reply is NULL_ARRAY else reply[0].decode()
    assert name is None or name in spec.queues
    for each in spec.queues:
        if each == name:
            break
        if name is None or spec.weights is None:
            assert model.claimable(each, now_ms) == []
    if name is not None:
        assert 1 <= len(reply[1]) <= (spec.count or 1)
        _expect_jobs(model, spec, name, reply[1], now_ms)


def _expect_nack(model: Model, spec: Nack, job: ModelJob | None, due_ms: int, now_ms: int) -> None:
    if job is None:
        assert due_ms == -2
        return
    if job.cancelled:
        assert due_ms == -1
        model.throw_away(job)
        return
    job.attempts += spec.outcome in ("FAIL", "FATAL")
    job.error = spec.error or job.error
    if spec.outcome == "FATAL" or (spec.outcome == "FAIL" and job.is_spent()):
        assert due_ms == -1
        model.die(job, now_ms)
    elif due_ms == -1:
        # It would have come back when its ttl is over.
        backoff_ms = 3_600_000 if spec.outcome == "FAIL" else 0
        assert job.is_over(now_ms + (backoff_ms if spec.delay is None else spec.delay))
        model.expire(job, now_ms)
    else:
        assert not job.is_over(due_ms or now_ms)
        if spec.delay is not None and spec.outcome != "RATELIMIT":
            assert due_ms == now_ms + spec.delay
        elif spec.outcome in ("SILENT", "RATELIMIT"):
            assert due_ms == 0
        else:
            assert 900 <= due_ms - now_ms <= 3_600_000
        model.release(job, due_ms, front=spec.goes_front)


def expect_made(model: Model, order: Create, now_ms: int) -> None:
    """Let the model have the settings of a queue that was created or set."""
    new = order.queue not in model.queues
    queue = model.queue(order.queue, now_ms)
    if new:
        queue.min_first, queue.text = order.min_first, order.text
    queue.configured = True
    queue.lease_ms = order.lease or queue.lease_ms
    queue.attempts_max, queue.ttl_ms = order.attempts, order.ttl
    queue.drop_expired = order.drop
    queue.maxlen, queue.drop_oldest = order.maxlen, order.drop_oldest
    queue.maxbytes = order.maxbytes
    queue.concurrency = order.concurrency
    queue.keepdead_ms, queue.keep_ms = order.keepdead, order.keep
    if (queue.group_concurrency, queue.fair) != (order.group_concurrency, order.fair):
        queue.group_concurrency, queue.fair = order.group_concurrency, order.fair
        model.turn += 1
        queue.forget_turns(model.turn)
    if queue.rate != order.rate:
        queue.rate, queue.level = order.rate, Fraction(order.rate[0] if order.rate else 0)
        queue.level_ms = now_ms
    if queue.push_rate != order.push_rate:
        queue.push_rate, queue.pushes = order.push_rate, []
    queue.refuse_duplicates = order.refuse_duplicates


def expect_redriven(
    model: Model, order: Redrive, listed: list[bytes], count: int, now_ms: int
) -> None:
    """Check that the longest dead of those that are meant were given another chance.

    ``listed`` are the ids of all the dead in their order, before.
    """
    queue = model.queues.get(order.queue)
    dead = queue.in_phase("dead") if queue is not None else []
    assert len(listed) == len(dead)
    meant = []
    for job_id, rank in zip(listed, sorted(job.rank for job in dead), strict=True):
        assert queue is not None
        job = queue.jobs[job_id]
        assert job.rank == rank
        if order.error is None or fnmatchcase(job.error, order.error):
            meant.append(job)
    meant = meant[: order.count]
    assert count == len(meant)
    if order.dry_run:
        return
    for place, job in enumerate(meant):
        # The first one now, and so many in a second.
        delay_ms = place * 1_000 // order.rate if order.rate else 0
        if order.to in (None, order.queue):
            _redrive(model, job, now_ms, delay_ms)
        else:
            _redrive_to(model, job, order.to, now_ms, delay_ms)


def _redrive(model: Model, job: ModelJob, now_ms: int, delay_ms: int) -> None:
    job.attempts = 0
    if job.is_over(now_ms + delay_ms):
        job.expires_ms = None
    model.release(job, now_ms + delay_ms if delay_ms else 0)


def _redrive_to(model: Model, job: ModelJob, to: str, now_ms: int, delay_ms: int) -> None:
    """Push a dead letter elsewhere, with all that its push said but for what names it."""
    alike = model.queue(to, now_ms).text == job.queue.text
    new = model.push_unnamed(to, job.payload, now_ms, priority=job.priority if alike else None)
    new.attempts_max, new.lease_ms, new.maxlease_ms = (
        job.attempts_max,
        job.lease_ms,
        job.maxlease_ms,
    )
    new.then, new.keep, new.group = job.then, job.keep, job.group
    if delay_ms:
        new.phase, new.due_ms = "delayed", now_ms + delay_ms
    model.throw_away(job)


def expect_gone(model: Model, order: ThrowAway, reply: Any, now_ms: int) -> None:
    """Check that a queue, its jobs or its dead letters are gone."""
    queue = model.queues.get(order.queue)
    if queue is None:
        assert reply == 0 or isinstance(reply, RespqError)
    elif order.command == "QUEUE DROP":
        del model.queues[order.queue]
    elif order.command == "QUEUE PURGE" and order.state is None:
        assert reply == len(queue.jobs)
        queue.jobs.clear()
    else:
        gone = queue.in_phase(order.state or "dead")
        assert reply == len(gone)
        for job in gone:
            if job.phase in ("dead", "done"):
                del queue.jobs[job.id]
            else:
                model.throw_away(job)
        if len(gone) == reply and not queue.jobs:
            model.ended.clear()
        model.settle(now_ms)


def expect_paused(model: Model, order: Pause, reply: Any, now_ms: int) -> None:
    """Let the model pause a queue, or end its pauses."""
    queue = model.queues.get(order.queue)
    if queue is None:
        assert _is_error(reply, "NOQUEUE")
        return
    until_ms = 0 if order.resume else FOREVER_MS if order.for_ms is None else now_ms + order.for_ms
    what = order.directions.split()
    if not what:
        what = ["IN", "OUT", "ACK", "TOUCH"] if order.resume else ["IN", "OUT"]
    before = dict(queue.pauses)
    queue.pauses |= dict.fromkeys(what, until_ms)
    queue.pauses = {each: end for each, end in queue.pauses.items() if end}
    changed = before != queue.pauses
    queue.configured |= changed
    if order.resume and "OUT" in what:
        changed |= bool(queue.gates)
        queue.gates.clear()
    assert reply == (int(changed) if order.resume else OK)


def expect_scheduled(model: Model, order: Schedule, reply: Any, now_ms: int) -> None:
    """Let the model do with a schedule what was done."""
    if model.is_short and order.command in ("ADD", "RUN"):
        assert is_shortage(reply)
        return
    queue = model.queues.get(order.queue)
    old = queue.schedules.get(order.payload) if queue is not None else None
    if order.command == "ADD":
        _expect_schedule_added(model, order, old, reply, now_ms)
    elif queue is None or old is None:
        assert reply == 0 if order.command == "DEL" else _is_error(reply, "NOSCHED")
    elif order.command == "DEL":
        assert reply == 1
        del queue.schedules[order.payload]
    elif order.command == "RUN":
        assert reply.startswith(b"%d-" % now_ms)
        model.push_of(queue, old, now_ms)
    else:
        pause = order.command == "PAUSE"
        assert reply == int(old.paused is not pause)
        if old.paused and not pause and old.next_ms <= now_ms:
            # What it would have pushed in the pause is not made up for.
            model.go_on(queue, old, old.slot_after(now_ms))
        old.paused = pause


def _expect_schedule_added(
    model: Model, order: Schedule, old: ModelSchedule | None, reply: Any, now_ms: int
) -> None:
    rhythm = order.rhythm(now_ms)
    if old is not None and 0 < order.runs <= old.runs:
        assert _is_error(reply, "STATE")
        return
    next_ms = rhythm.first(now_ms)
    if 0 < rhythm.end_ms < next_ms:
        assert _is_error(reply, "BADCRON")
        return
    assert reply == int(old is None)
    schedule = ModelSchedule(
        *(order.payload, rhythm, next_ms, order.catchup, order.runs, order.jitter, order.skip)
    )
    if old is not None:
        schedule.runs, schedule.skipped = old.runs, old.skipped
        schedule.paused, schedule.last = old.paused, old.last
        if old.rhythm == rhythm:
            schedule.next_ms = old.next_ms
    model.queue(order.queue, now_ms).schedules[order.payload] = schedule


def expect_renamed(model: Model, order: Rename, reply: Any) -> None:
    """Check that a queue has its new name, or that it had to keep the old one."""
    queue = model.queues.get(order.queue)
    if queue is None or order.new_name in model.queues or queue.in_phase("leased"):
        assert isinstance(reply, RespqError)
        return
    del model.queues[order.queue]
    model.queues[order.new_name] = queue
