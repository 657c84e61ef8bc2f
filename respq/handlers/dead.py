"""Commands for dead letters."""

from __future__ import annotations

from respq.broker.call import Call
from respq.broker.command import Flags
from respq.broker.table import CommandTable
from respq.config import COUNT_MAX
from respq.engine.jobs.inspect import job_facts
from respq.engine.jobs.job import DEAD
from respq.handlers.arguments import Count, DryRun, ErrorPattern, Key, PerSecond, ToQueue
from respq.resp.replies import Reply

TABLE = CommandTable()
_WRITE = Flags.WRITE
_READ = Flags.READONLY | Flags.DRAIN


@TABLE.command("QDLQ COUNT", group="queue", since="0.1.0", flags=_READ | Flags.FAST)
def qdlq_count(call: Call, queue: Key) -> Reply:
    """Return how many dead letters a queue has."""
    return call.engine.dead_count(call.db, queue)


@TABLE.command("QDLQ LIST", group="queue", since="0.1.0", flags=_READ)
def qdlq_list(call: Call, queue: Key, *, count: Count = None) -> Reply:
    """Show dead letters, the longest dead first."""
    dead = call.engine.dead(call.db, queue, count or COUNT_MAX)
    payloads = call.engine.payloads(dead[0].queue, dead) if dead else []
    return [dict(job_facts(*each)) for each in zip(dead, payloads, strict=True)]


@TABLE.command("QDLQ REDRIVE", group="queue", since="0.1.0", flags=_WRITE)
def qdlq_redrive(
    call: Call,
    queue: Key,
    *,
    count: Count = None,
    per_second: PerSecond = 0,
    to: ToQueue = None,
    matches: ErrorPattern = None,
    dry_run: DryRun = False,
) -> Reply:
    """Make dead letters ready again with all their attempts."""
    return call.engine.redrive(
        call.now_ms,
        call.db,
        queue,
        count or COUNT_MAX,
        per_second=per_second,
        to=to,
        matches=matches,
        dry_run=dry_run,
        by=call.who,
    )


@TABLE.command("QDLQ PURGE", group="queue", since="0.1.0", flags=_WRITE)
def qdlq_purge(call: Call, queue: Key) -> Reply:
    """Throw all dead letters of a queue away."""
    found = call.engine.queue_or_none(call.db, queue, call.now_ms)
    return call.engine.purge(call.now_ms, found, DEAD) if found is not None else 0
