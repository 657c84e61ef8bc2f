r"""The state of some moment as lines, and what differs between two.

    position 812  2026-11-22T10:06:00.123Z
    queue "mail"  db 0  ready 1  delayed 0  leased 1  dead 0  done 0  blocked 0  ...
      pushed 9  popped 8  acked 7
      1795341960123-8  ready  priority 0  payload "hello\x00"

As JSON each line is an object.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from respq.cli.values import instant, plain, quoted, word
from respq.engine.jobs.inspect import job_facts, priority_text, queue_facts
from respq.engine.jobs.job import PHASE_NAMES
from respq.engine.jobs.queue import Queue
from respq.engine.state import State
from respq.errors import JournalRefused
from respq.journal.journal import BatchSource
from respq.journal.moment import Moment, NotHeld, rebuild
from respq.journal.replay import Replayed

Named = tuple[int, bytes]
"""Database and name of a queue."""
Report = Callable[[str], None]


def overview(
    journal: BatchSource, moment: Moment, wanted: Named | None, report: Report, *, as_json: bool
) -> Iterator[str]:
    """Yield a line for the moment, and lines for each queue, or for one and its jobs.

    Raises:
        JournalRefused: the journal does not hold the moment, or there was no such queue.
        StartRefused: it cannot be read up to there.
    """
    state, replayed = _rebuilt(journal, moment, report)
    queues = _queues(state, wanted)
    if wanted is not None and not queues:
        raise JournalRefused(f"there was no {_title(wanted)}")
    position = replayed.next_position - 1
    if as_json:
        yield _json({"position": position, "now_ms": replayed.now_ms})
    else:
        yield f"position {position}  {instant(replayed.now_ms)}"
    for queue in queues:
        yield from _queue_lines(queue, replayed.now_ms, as_json=as_json)
        if wanted is not None:
            yield from _job_lines(queue, as_json=as_json)


def difference(
    journal: BatchSource,
    one: Moment,
    other: Moment,
    wanted: Named | None,
    report: Report,
    *,
    as_json: bool,
) -> Iterator[str]:
    """Yield what differs between two moments, whichever is the earlier, queue by queue.

    Raises:
        JournalRefused: the journal does not hold one of them.
        StartRefused: it cannot be read up to there.
    """
    placed = [_placed(journal, each, wanted, report) for each in (one, other)]
    first, second = sorted(placed, key=attrgetter("position"))
    if as_json:
        yield _json({"from": first.position, "to": second.position})
    else:
        yield (
            f"from position {first.position}  {instant(first.now_ms)}  "
            f"to position {second.position}  {instant(second.now_ms)}"
        )
    names = {**first.names, **second.names}
    for number in sorted(names, key=lambda each: names[each]):
        yield from _queue_diff(number, first, second, as_json=as_json)


def _rebuilt(journal: BatchSource, moment: Moment, report: Report) -> tuple[State, Replayed]:
    try:
        return rebuild(journal, moment, report)
    except NotHeld as refusal:
        raise with_moment(refusal) from refusal


def with_moment(refusal: NotHeld) -> JournalRefused:
    """Return the refusal with where and when it would be otherwise."""
    return JournalRefused(f"{refusal} position {refusal.position}, {instant(refusal.now_ms)}")


def _queues(state: State, wanted: Named | None) -> list[Queue]:
    """Return the queues to be shown, by database and name."""
    queues = sorted(state.queues.values(), key=attrgetter("db", "name"))
    return [each for each in queues if wanted is None or (each.db, each.name) == wanted]


def _title(queue: Named) -> str:
    return f"queue {quoted(queue[1])}  db {queue[0]}"


def _json(facts: dict[str, Any]) -> str:
    return json.dumps({name: plain(value) for name, value in facts.items()})


def _queue_lines(queue: Queue, now_ms: int, *, as_json: bool) -> Iterator[str]:
    facts = {name.decode(): value for name, value in queue_facts(queue, now_ms).items()}
    if as_json:
        yield _json({"queue": queue.name, "db": queue.db, **facts})
        return
    totals = {name: value for name, value in facts.items() if name.endswith("_total")}
    counts = [f"{name} {value!r}" for name, value in facts.items() if name not in totals]
    yield "  ".join([_title((queue.db, queue.name)), *counts])
    counted = [f"{name.removesuffix('_total')} {each!r}" for name, each in totals.items() if each]
    if counted:
        yield "  " + "  ".join(counted)


def _job_lines(queue: Queue, *, as_json: bool) -> Iterator[str]:
    for job in sorted(queue, key=attrgetter("number")):
        if as_json:
            yield _json(
                {name.decode(): value for name, value in job_facts(job, job.payload_here).items()}
            )
            continue
        phase, priority = PHASE_NAMES[job.phase].decode(), priority_text(job.priority)
        payload = quoted(job.payload_here)
        yield f"  {word(job.id)}  {phase}  priority {word(priority)}  payload {payload}"


@dataclass(frozen=True, slots=True)
class _Placed:
    """Where every job was at a moment."""

    position: int
    now_ms: int
    names: dict[int, Named]
    """Database and name of each queue, by its number."""
    jobs: dict[int, dict[int, tuple[bytes, str]]]
    """Id and phase of its jobs, by their numbers."""


def _placed(journal: BatchSource, moment: Moment, wanted: Named | None, report: Report) -> _Placed:
    state, replayed = _rebuilt(journal, moment, report)
    phases = [name.decode() for name in PHASE_NAMES]
    queues = _queues(state, wanted)
    return _Placed(
        replayed.next_position - 1,
        replayed.now_ms,
        {queue.number: (queue.db, queue.name) for queue in queues},
        {
            queue.number: {job.number: (job.id, phases[job.phase]) for job in queue}
            for queue in queues
        },
    )


def _queue_diff(number: int, first: _Placed, second: _Placed, *, as_json: bool) -> Iterator[str]:
    was, now = first.names.get(number), second.names.get(number)
    before, after = first.jobs.get(number, {}), second.jobs.get(number, {})
    came = [after[each] for each in sorted(after.keys() - before.keys())]
    went = [before[each] for each in sorted(before.keys() - after.keys())]
    changed = [
        (*before[each], after[each][1])
        for each in sorted(before.keys() & after.keys())
        if before[each][1] != after[each][1]
    ]
    if was == now and not (came or went or changed):
        return
    shown = now or was
    assert shown is not None
    if as_json:
        yield _json(
            {
                "queue": shown[1],
                "db": shown[0],
                "was": None if was is None else was[1],
                "is": None if now is None else now[1],
                "came": came,
                "went": went,
                "changed": changed,
            }
        )
        return
    words = [_title(shown), *_fate(was, now)]
    words += [f"came {len(came)}", f"went {len(went)}", f"changed {len(changed)}"]
    yield "  ".join(words)
    yield from (f"  + {word(job_id)}  {phase}" for job_id, phase in came)
    yield from (f"  - {word(job_id)}  {phase}" for job_id, phase in went)
    yield from (f"  ~ {word(job_id)}  {phase} to {then}" for job_id, phase, then in changed)


def _fate(was: Named | None, now: Named | None) -> list[str]:
    if was is None:
        return ["new"]
    if now is None:
        return ["gone"]
    return [] if was == now else [f"was {_title(was)}"]
