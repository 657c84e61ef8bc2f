"""Commands for schedules."""

from __future__ import annotations

from respq.broker.call import Call
from respq.broker.command import Flags
from respq.broker.table import CommandTable
from respq.engine.jobs.inspect import schedule_facts
from respq.engine.jobs.push import PushTerms
from respq.engine.jobs.schedule import ALLOW, CATCHUP_ONE, Rhythm
from respq.errors import SyntaxFault, TooBig
from respq.handlers.arguments import (
    Bulk,
    Catchup,
    Count,
    Cron,
    Every,
    FireJitter,
    Key,
    Keys,
    MaxRuns,
    Overlap,
    RhythmAt,
    RhythmEnd,
    RhythmStart,
    ScheduleOptions,
    Zone,
)
from respq.resp.replies import Reply

TABLE = CommandTable()
_WRITE = Flags.WRITE
_READ = Flags.READONLY | Flags.DRAIN


@TABLE.command("QSCHED ADD", group="schedule", since="0.1.0", flags=_WRITE | Flags.DENYOOM)
def qsched_add(
    call: Call,
    queue: Key,
    name: Bulk,
    payload: Bulk,
    *,
    cron: Cron = b"",
    every_ms: Every = 0,
    at_ms: RhythmAt = 0,
    zone: Zone = b"",
    start_ms: RhythmStart = 0,
    end_ms: RhythmEnd = 0,
    runs_max: MaxRuns = 0,
    jitter: FireJitter = 0,
    catchup: Catchup = CATCHUP_ONE,
    overlap: Overlap = ALLOW,
    terms: ScheduleOptions = None,
) -> Reply:
    """Push a job again and again by cron or interval, or once at an instant."""
    limit = call.broker.settings.payload_bytes_max
    if len(payload) > limit:
        raise TooBig(f"payload is {len(payload)} bytes, the limit is {limit}: push a key to it")
    if not (cron or every_ms or at_ms):
        raise SyntaxFault("syntax error: give one of CRON, EVERY and AT")
    if zone and not cron:
        raise SyntaxFault("syntax error near 'TZ': it goes with CRON")
    if at_ms and (start_ms or end_ms):
        word = "START" if start_ms else "END"
        raise SyntaxFault(f"syntax error near '{word}': it goes with CRON and EVERY")
    created = call.engine.set_schedule(
        call.now_ms,
        call.db,
        queue,
        name,
        payload,
        Rhythm(cron, zone, every_ms, at_ms, start_ms, end_ms),
        terms or PushTerms(),
        runs_max=runs_max,
        catchup=catchup,
        jitter=jitter,
        overlap=overlap,
    )
    return int(created)


@TABLE.command("QSCHED LIST", group="schedule", since="0.1.0", flags=_READ)
def qsched_list(call: Call, *queue: Keys) -> Reply:
    """Show the schedules of queues, or of all queues of this database."""
    state = call.engine.state
    if queue:
        queues = [call.engine.queue(call.db, name) for name in queue]
    else:
        queues = [each for each in state.queues.values() if each.db == call.db]
    return [
        dict(schedule_facts(each, schedule))
        for each in queues
        for schedule in each.schedules.values()
    ]


@TABLE.command("QSCHED SHOW", group="schedule", since="0.1.0", flags=_READ | Flags.FAST)
def qsched_show(call: Call, queue: Key, name: Bulk) -> Reply:
    """Show everything about one schedule."""
    schedule = call.engine.schedule(call.db, queue, name)
    return dict(schedule_facts(call.engine.queue(call.db, queue), schedule))


@TABLE.command("QSCHED DEL", group="schedule", since="0.1.0", flags=_WRITE | Flags.FAST)
def qsched_del(call: Call, queue: Key, name: Bulk) -> Reply:
    """Remove a schedule; the jobs it has pushed stay."""
    return int(call.engine.remove_schedule(call.db, queue, name))


@TABLE.command("QSCHED PAUSE", group="schedule", since="0.1.0", flags=_WRITE | Flags.FAST)
def qsched_pause(call: Call, queue: Key, name: Bulk) -> Reply:
    """Let a schedule fire no more until it is resumed."""
    return int(call.engine.pause_schedule(call.db, queue, name))


@TABLE.command("QSCHED RESUME", group="schedule", since="0.1.0", flags=_WRITE | Flags.FAST)
def qsched_resume(call: Call, queue: Key, name: Bulk) -> Reply:
    """Let a paused schedule fire again."""
    return int(call.engine.resume_schedule(call.now_ms, call.db, queue, name))


@TABLE.command("QSCHED RUN", group="schedule", since="0.1.0", flags=_WRITE | Flags.DENYOOM)
def qsched_run(call: Call, queue: Key, name: Bulk) -> Reply:
    """Push the job of a schedule now, beside its rhythm; return the job's id."""
    return call.engine.run_schedule(call.now_ms, call.db, queue, name)


@TABLE.command("QSCHED NEXT", group="schedule", since="0.1.0", flags=_READ | Flags.FAST)
def qsched_next(call: Call, queue: Key, name: Bulk, *, count: Count = None) -> Reply:
    """Return when a schedule fires next, in unix milliseconds."""
    return list(call.engine.next_fires(call.now_ms, call.db, queue, name, count or 1))
