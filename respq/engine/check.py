"""The invariants that tie the indexes to the objects, for tests and for doubt."""

from __future__ import annotations

from itertools import pairwise

from msgspec.structs import astuple

from respq.engine.jobs.job import BLOCKED, DEAD, DELAYED, DONE, LEASED, PHASE_NAMES, READY
from respq.engine.jobs.queue import DELAY_BITS, FOREVER_MS, Queue
from respq.engine.keys.space import AnyKey
from respq.engine.state import State


def check(state: State) -> None:
    """Assert every invariant of a live state; O(everything)."""
    timed: set[tuple[int, int]] = set()
    for number, queue in state.queues.items():
        assert queue.number == number < state.next_number
        assert state.names[queue.db][queue.name] is queue
        timed |= _check_queue(queue, state)
    assert sum(map(len, state.names)) == len(state.queues)
    timed |= _check_keys(state)
    buried = {
        (job.timer_ms, job.number)
        for chunk in state.graveyard
        for job in chunk.values()
        if job.timer_ms
    } | {
        (key.expires_ms, key.number)
        for chunk in state.keys.graveyard
        for key in chunk.values()
        if key.expires_ms
    }
    assert state.timers.entries() == timed | buried
    first_ms = min((due_ms for due_ms, _ in timed | buried), default=state.timers.first_ms)
    assert state.timers.first_ms == first_ms
    assert {s.number for q in state.queues.values() for s in q.schedules.values()} == set(
        state.schedules
    )


def _check_keys(state: State) -> set[tuple[int, int]]:
    """Assert what holds of keys; return the timers that they must have."""
    keys = state.keys
    for db, (names, chunks) in enumerate(zip(keys.names, keys.chunks, strict=True)):
        found: list[AnyKey] = [key for chunk in chunks.values() for key in chunk.values()]
        assert all(chunks.values())
        assert dict(names) == {key.name: key for key in found}
        assert not names.keys() & state.names[db].keys()
        for key in found:
            assert key.db == db
            assert key.number < state.next_number
            assert not key.value.is_empty or not state.live
            key.value.check()
            assert keys.key(key.number) is key
        ends = [key.expires_ms for key in found if key.expires_ms]
        assert (keys.expiring[db], keys.ends_ms[db]) == (len(ends), sum(ends))
    return {(key.expires_ms, key.number) for key in keys if key.expires_ms}


def _check_queue(queue: Queue, state: State) -> set[tuple[int, int]]:
    """Assert what holds within a queue; return the timers that it must have."""
    counts = [0] * len(PHASE_NAMES)
    timed = set()
    for job in queue:
        assert queue.job(job.number) is job
        assert job.queue is queue
        assert job.number < state.next_number
        assert state.first_order <= job.order < state.next_number
        assert job.fence < state.next_fence
        due = job.phase in (DELAYED, LEASED, DONE)
        assert (job.due_ms > 0) == due or job.phase in (DEAD, BLOCKED)
        assert (job.options is not None and job.options.depends != ()) == (job.phase == BLOCKED)
        assert bool(job.receipt) == (job.phase == LEASED)
        assert (job.notes is not None and job.notes.reason > 0) == (job.phase == DEAD)
        counts[job.phase] += 1
        if job.timer_ms:
            timed.add((job.timer_ms, job.number))
    assert queue.counts == tuple(counts)
    delayed = {(job.due_ms >> DELAY_BITS, job.number) for job in queue if job.phase == DELAYED}
    assert queue.delayed.entries() == delayed
    assert len(queue) == sum(counts)
    ready = list(queue.ready)
    assert len(ready) == counts[READY] == queue.ready.count
    assert all(job.phase == READY for job in ready)
    if queue.groups is not None:
        queue.groups.check(list(queue))
    elif ready:
        assert queue.ready.first() is ready[0]
    sign = 1 if queue.settings.min_first else -1
    for earlier, later in pairwise(ready):
        if earlier.priority == later.priority:
            assert earlier.order < later.order
        else:
            assert (earlier.priority < later.priority) == (sign > 0)  # type: ignore[operator]
    assert {r: j.number for r, j in queue.leases.items()} == {
        j.receipt: j.number for j in queue if j.phase == LEASED
    }
    assert queue.done == {j.number: j for j in queue if j.phase == DONE}
    assert (queue.number in state.cancelling) == bool(queue.cancelling)
    assert (queue.number in state.purging) == bool(queue.purging)
    assert list(queue.dead) == [
        j.number for j in sorted(queue, key=lambda j: j.order) if j.phase == DEAD
    ]
    assert dict(queue.ids) == {
        j.options.id: j for j in queue if j.options is not None and j.options.id is not None
    }
    assert queue.children == _children(queue)
    assert queue.orphaned.keys() <= queue.children.keys()
    assert queue.flows == _flows(queue)
    assert dict(queue.keys) == {
        j.options.dedup.key: j
        for j in queue
        if j.options is not None and j.options.dedup is not None
    }
    for window in queue.windows.values():
        timed.add((window.until_ms, window.number))
    for gate in queue.gates.values():
        timed.add((gate.until_ms, gate.number))
    for schedule in queue.schedules.values():
        assert state.schedules[schedule.number] is schedule
        if schedule.next_ms and not schedule.paused and not state.schedules_held:
            timed.add((schedule.next_ms, schedule.number))
    settings = queue.settings
    limits = settings.concurrency is not None or settings.rate is not None
    grouped = settings.group_concurrency is not None or settings.fair
    assert (queue.groups is not None) == grouped
    closed = queue.pauses.pops_ms > 0 or b"" in queue.gates
    assert queue.is_limited == (limits or closed or grouped)
    counted = settings.maxbytes is not None
    bytes_in = [0] * len(PHASE_NAMES)
    for job in queue:
        assert isinstance(job.payload, bytes) or job.phase != READY or queue.has_away
        bytes_in[job.phase] += job.payload_bytes * counted
    assert queue.ready_bytes == bytes_in[READY]
    assert queue.unready_bytes == bytes_in[DELAYED] + bytes_in[BLOCKED]
    guards = settings.maxlen is not None or settings.push_rate is not None or counted
    assert queue.is_guarded == (guards or settings.refuse_duplicates or queue.pauses.puts_ms > 0)
    pauses = {*astuple(queue.pauses)} - {0}
    assert queue.configured or not (pauses or queue.rate_opens_ms)
    assert queue.look_ms <= min(pauses - {FOREVER_MS}, default=queue.look_ms)
    assert queue.look_ms or (queue.configured and not pauses - {FOREVER_MS})
    if queue.look_ms:
        timed.add((queue.look_ms, queue.number))
    return timed


def _children(queue: Queue) -> dict[int, dict[int, None]]:
    children: dict[int, dict[int, None]] = {}
    for job in queue:
        for parent in job.options.depends if job.options is not None else ():
            children.setdefault(parent, {})[job.number] = None
    return children


def _flows(queue: Queue) -> dict[bytes, dict[int, None]]:
    flows: dict[bytes, dict[int, None]] = {}
    for job in queue:
        if job.options is not None and job.options.flow is not None:
            flows.setdefault(job.options.flow, {})[job.number] = None
    return flows
