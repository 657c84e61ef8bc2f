"""Commands for queues as objects, and for what can be counted about them."""

from __future__ import annotations

from respq.broker.call import Call
from respq.broker.command import Flags
from respq.broker.table import CommandTable
from respq.engine.core import shown
from respq.engine.jobs.administer import PAUSABLE
from respq.engine.jobs.inspect import (
    check_metered,
    queue_facts,
    queue_figures,
    server_facts,
    server_figures,
    settings_facts,
)
from respq.engine.jobs.queue import ANY_PHASE
from respq.errors import NoQueue
from respq.handlers.arguments import (
    Directions,
    Figures,
    Key,
    PauseFor,
    Phase,
    QueueChanges,
    ResetFigures,
    StatsKeys,
)
from respq.resp.replies import OK, Reply

TABLE = CommandTable()
_WRITE = Flags.WRITE
_READ = Flags.READONLY | Flags.DRAIN
_BOTH_WAYS = ("puts_ms", "pops_ms")


@TABLE.command("QUEUE CREATE", group="queue", since="0.1.0", flags=_WRITE | Flags.DENYOOM)
def queue_create(call: Call, queue: Key, *, changes: QueueChanges = None) -> Reply:
    """Make a queue with settings."""
    call.engine.create_queue(call.now_ms, call.db, queue, changes or {})
    return OK


@TABLE.command("QUEUE SET", group="queue", since="0.1.0", flags=_WRITE)
def queue_set(call: Call, queue: Key, *, changes: QueueChanges = None) -> Reply:
    """Change settings of a queue; those that are not named stay."""
    call.engine.set_queue(call.db, queue, changes or {})
    return OK


@TABLE.command("QUEUE GET", group="queue", since="0.1.0", flags=_READ | Flags.FAST)
def queue_get(call: Call, queue: Key) -> Reply:
    """Show the settings of a queue."""
    return dict(settings_facts(call.engine.queue(call.db, queue)))


@TABLE.command("QUEUE LIST", group="queue", since="0.1.0", flags=_READ)
def queue_list(call: Call) -> Reply:
    """List the queues of this database, oldest first."""
    return [q.name for q in call.engine.state.queues.values() if q.db == call.db]


@TABLE.command("QUEUE EXISTS", group="queue", since="0.1.0", flags=_READ | Flags.FAST)
def queue_exists(call: Call, queue: Key) -> Reply:
    """Tell whether there is a queue of that name."""
    return int(queue in call.engine.state.names[call.db])


@TABLE.command("QUEUE RENAME", group="queue", since="0.1.0", flags=_WRITE)
def queue_rename(call: Call, queue: Key, newname: Key) -> Reply:
    """Give a queue another name."""
    call.engine.rename_queue(call.db, queue, newname)
    return OK


@TABLE.command("QUEUE PURGE", group="queue", since="0.1.0", flags=_WRITE)
def queue_purge(call: Call, queue: Key, *, state: Phase = None) -> Reply:
    """Throw the jobs of a queue away; the queue and its schedules stay."""
    found = call.engine.queue(call.db, queue)
    return call.engine.purge(call.now_ms, found, ANY_PHASE if state is None else state)


@TABLE.command("QUEUE DROP", group="queue", since="0.1.0", flags=_WRITE)
def queue_drop(call: Call, queue: Key) -> Reply:
    """Remove a queue with all its jobs and schedules."""
    if not call.engine.drop_queue(call.db, queue):
        raise NoQueue(f"there is no queue '{shown(queue)}'")
    return OK


@TABLE.command("QUEUE PAUSE", group="queue", since="0.1.0", flags=_WRITE)
def queue_pause(
    call: Call,
    queue: Key,
    *,
    what: Directions = (),
    for_ms: PauseFor = None,
) -> Reply:
    """Have a queue take no jobs, or give none out, or let none be finished."""
    call.engine.pause_queue(call.now_ms, call.db, queue, what or _BOTH_WAYS, for_ms=for_ms)
    return OK


@TABLE.command("QUEUE RESUME", group="queue", since="0.1.0", flags=_WRITE)
def queue_resume(
    call: Call,
    queue: Key,
    *,
    what: Directions = (),
) -> Reply:
    """End the pauses of a queue."""
    return int(call.engine.resume_queue(call.db, queue, what or PAUSABLE))


@TABLE.command("QSTATS", group="queue", since="0.1.0", flags=_READ)
def qstats(
    call: Call, *queue: StatsKeys, figures: Figures = (), reset: ResetFigures = False
) -> Reply:
    """Count jobs by phase and what has happened to them, for queues or for the server."""
    state, now_ms = call.engine.state, call.now_ms
    found = [call.engine.queue(call.db, name) for name in dict.fromkeys(queue)]
    if reset:
        call.engine.forget_meters(found or state.queues.values())
        return OK
    if queue:
        if figures:
            check_metered(found)
        return {
            each.name: {**queue_facts(each, now_ms), **queue_figures(each, now_ms, figures)}
            for each in found
        }
    measured = server_figures(state, now_ms, figures)
    return {**server_facts(state, now_ms), **measured, **_journal_facts(call)}


def _journal_facts(call: Call) -> dict[bytes, int | str]:
    """Return how large the journal is and how much of it lives; nothing where there is none."""
    persistence = call.broker.figures().get("persistence", {})
    return {
        name: persistence[f"respq_{name.decode()}"]
        for name in (b"journal_bytes", b"journal_live_bytes", b"compaction_running")
        if f"respq_{name.decode()}" in persistence
    }
