"""What each command and its reply say of jobs and queues.

A command that was refused had no effect, so it says nothing. Where it is not sure what a
command did, what it may have done is noted, and the laws are silent about it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Literal

from respq.check import words as w
from respq.check.history import (
    Delivery,
    Edit,
    End,
    History,
    Job,
    Look,
    Part,
    Push,
    Queue,
    Removal,
    Source,
    Touch,
    stored,
)
from respq.check.lines import BadLine, Call, text

_SILENT = {"QLEN", "QPEEK", "QSCAN", "QHISTORY", "QEXPLAIN", "QWAIT", "QKICK", "QWORKER", "QUIT"}
"""They end no job, and make none."""
_UNJUDGED = {
    *("FLUSHDB", "FLUSHALL", "SWAPDB", "RENAME", "RENAMENX", "MOVE", "COPY", "RESTORE"),
    *("EVAL", "EVALSHA", "FCALL"),
}
_NO_JOB = ("NOJOB", "NOQUEUE")
_PHASES = ("ready", "delayed", "leased", "dead", "blocked")


def note(history: History, call: Call) -> None:
    """Add what one command says.

    Raises:
        BadLine: if the command, or its reply, is not one that the checker knows.
    """
    reader = _READERS.get(call.name)
    if reader is not None:
        if call.error is None or reader is _qshow:
            if len(call.words) < _WORDS_MIN.get(call.name, 2):
                raise BadLine(call.line, f"{call.name} has too few words")
            reader(history, call)
    elif call.error is None and (call.name in _UNJUDGED or _is_unknown(call.name)):
        raise BadLine(call.line, f"{call.name} is a command that the checker cannot judge")


def _is_unknown(name: str) -> bool:
    return name.startswith("Q") and name not in _SILENT


# Pushes


def _push(call: Call, found: w.Options, payload: str | None) -> Push:
    return Push(
        call.request,
        None if payload is None else stored(payload),
        priority=found.get("PRIORITY", [""])[0],
        lease_ms=w.duration_ms(call, found, "LEASE"),
        maxlease_ms=w.duration_ms(call, found, "MAXLEASE"),
        is_prompt=found.keys().isdisjoint(("DELAY", "AT", "DEPENDS", "JITTER")),
        may_vanish="TTL" in found,
        may_repeat=not found.keys().isdisjoint(("ID", "IDMP", "DEDUP")),
        may_fail=not found.keys().isdisjoint(("IDMP", "DEDUP", "NX", "DEPENDS")),
    )


def _follow(history: History, call: Call, found: w.Options, queue: Queue) -> None:
    """Note what the options of a push may do to others than its own job."""
    if "THEN" in found:
        name, payload = found["THEN"]
        history.queue(call.db, name).may_make_jobs(Push(call.request, stored(payload)))
    if found.get("ON", [""])[0].upper() == "REPLACE":
        queue.may_replace_jobs(call.request)


def _pushed(
    history: History, call: Call, queue: Queue, push: Push, job_id: Any, named: str | None
) -> None:
    """Note one push: it was told an id, or it named one, or it may have made a job."""
    queue.priorities.add(push.priority)
    if call.is_answered:
        if job_id is not None:
            queue.job(text(call.line, job_id)).events.append(push)
        return
    part = Part(push=push)
    if named is not None:
        part.job = queue.job(named)
        part.job.events.append(push)
    else:
        part.source = Source(push, is_single=True)
        queue.sources[push.payload].append(part.source)
    if not call.is_alone or call.name == "QMOVE":
        history.part(call.request, part)


def _qpush(history: History, call: Call) -> None:
    queue = history.queue(call.db, call.words[1])
    found = w.options(call, 3, w.PUSH)
    push = _push(call, found, call.words[2])
    _follow(history, call, found, queue)
    _pushed(history, call, queue, push, call.reply, found.get("ID", [None])[0])


def _qmpush(history: History, call: Call) -> None:
    queue = history.queue(call.db, call.words[1])
    count = w.number(call, call.words[2:3])
    payloads: list[str | None] = [*call.words[3 : 3 + count]]
    found = w.options(call, 3 + count, w.PUSH)
    _follow(history, call, found, queue)
    ids: list[Any] = [None] * count
    if call.is_answered and call.reply is not None:
        if not isinstance(call.reply, list):
            raise w.unreadable(call)
        ids = call.reply
    if len(ids) != len(payloads):
        if "IDMP" not in found:
            raise w.unreadable(call)
        payloads = [None] * len(ids)  # Those of the call that this one repeats.
    for job_id, payload in zip(ids, payloads, strict=True):
        _pushed(history, call, queue, _push(call, found, payload), job_id, None)


def _qmove(history: History, call: Call) -> None:
    fence, source_id = w.split(_receipt(call, 3))
    source = history.queue(call.db, call.words[1]).job(source_id)
    target = history.queue(call.db, call.words[2])
    found = w.options(call, 4, w.MOVE)
    _follow(history, call, found, target)
    end = End(call.request, "move", fence, call.is_answered)
    source.events.append(end)
    if not call.is_answered and call.is_alone:
        history.part(call.request, Part(job=source, end=end))
    payload = found["PAYLOAD"][0] if "PAYLOAD" in found else None
    push = _push(call, found, payload)
    # Within EXEC a move whose receipt is stale fails, and the rest is done.
    push.may_fail |= not call.is_alone
    if payload is None:
        push.payload = _payload_of(source, fence)
    _pushed(history, call, target, push, call.reply, found.get("ID", [None])[0])


def _payload_of(job: Job, fence: int) -> str | None:
    """Return what a job carried in a delivery, if that has been read; nobody edits it then."""
    for event in job.events:
        if isinstance(event, Delivery) and event.fence == fence:
            return event.payload
    return None


def _qsched(history: History, call: Call) -> None:
    if call.words[1].upper() != "ADD":
        return
    if len(call.words) < 5:
        raise BadLine(call.line, "QSCHED ADD has too few words")
    queue = history.queue(call.db, call.words[2])
    found = w.options(call, 5, w.SCHEDULE)
    _follow(history, call, found, queue)
    queue.may_make_jobs(_push(call, found, call.words[4]))


# Deliveries


def _qpop(history: History, call: Call) -> None:
    found = w.options(call, 2, w.POP)
    queue = history.queue(call.db, call.words[1])
    if not call.is_answered:
        _popped_blindly(call, queue, found)
    elif call.reply is not None:
        jobs = call.reply if "COUNT" in found else [call.reply]
        _delivered(history, call, queue, found, jobs)


def _qmpop(history: History, call: Call) -> None:
    end = 2 + w.number(call, call.words[1:2])
    known: dict[str, int] = w.POP | {"WEIGHTS": end - 2}
    found = w.options(call, end, known)
    if not call.is_answered:
        for name in call.words[2:end]:
            _popped_blindly(call, history.queue(call.db, name), found)
    elif call.reply is not None:
        if not isinstance(call.reply, list) or len(call.reply) != 2:
            raise w.unreadable(call)
        name, jobs = call.reply
        _delivered(history, call, history.queue(call.db, text(call.line, name)), found, jobs)


def _popped_blindly(call: Call, queue: Queue, found: w.Options) -> None:
    queue.blind_pops.append(call.request)
    if "NOACK" in found:
        queue.may_lose_jobs(call.request)


def _delivered(history: History, call: Call, queue: Queue, found: w.Options, jobs: Any) -> None:
    if not isinstance(jobs, list):
        raise w.unreadable(call)
    lease_ms = w.duration_ms(call, found, "LEASE")
    for place, each in enumerate(jobs):
        if not isinstance(each, list) or len(each) < 3:
            raise w.unreadable(call)
        job_id, receipt, payload = (
            None if part is None else text(call.line, part) for part in each[:3]
        )
        fence, said_id = (0, job_id) if receipt is None else w.split(_checked(call, receipt))
        if job_id is None or payload is None or said_id != job_id:
            raise w.unreadable(call)
        job = queue.job(job_id)
        delivery = Delivery(
            call.request, job, (call.place, place), fence, lease_ms, stored(payload)
        )
        job.events.append(delivery)
        history.deliveries.append(delivery)


# Ends


def _receipt(call: Call, place: int) -> str:
    if place >= len(call.words):
        raise BadLine(call.line, f"{call.name} has too few words")
    return _checked(call, call.words[place])


def _checked(call: Call, receipt: str) -> str:
    fence, colon, job_id = receipt.partition(":")
    if not (fence.isdecimal() and colon and job_id):
        raise BadLine(call.line, f"{receipt!r} is not a receipt")
    return receipt


def _qack(history: History, call: Call) -> None:
    _ended(history, call, "ack", w.options(call, w.receipts(call, 2)[1], w.ACK))


def _qnack(history: History, call: Call) -> None:
    _ended(history, call, "nack", w.options(call, w.receipts(call, 2)[1], w.NACK))


def _ended(history: History, call: Call, kind: Literal["ack", "nack"], found: w.Options) -> None:
    queue = history.queue(call.db, call.words[1])
    given, end = w.receipts(call, 2)
    is_repeated = len(given) < end - 2
    for receipt, is_sure in zip(given, _outcomes(call, given, is_repeated, found), strict=True):
        if is_sure is False:
            continue
        fence, job_id = w.split(receipt)
        event = End(call.request, kind, fence, is_sure is True)
        job = queue.job(job_id)
        job.events.append(event)
        # A job that was given back is there. A strict ack with a stale receipt in it ends none.
        is_part = kind == "ack" and "STRICT" not in found
        if is_part and not (call.is_alone or call.is_answered):
            history.part(call.request, Part(job=job, end=event))


def _outcomes(
    call: Call, given: list[str], is_repeated: bool, found: w.Options
) -> list[bool | None]:
    """Return of each receipt whether it was good; None where that is not known."""
    if not call.is_answered:
        return [None] * len(given)
    if "WITHDUE" in found:
        if not isinstance(call.reply, list) or len(call.reply) < len(given):
            raise w.unreadable(call)
        return [None] * len(given) if is_repeated else [due != -2 for due in call.reply]
    if not isinstance(call.reply, int):
        raise w.unreadable(call)
    if call.reply in (0, len(given)):
        return [call.reply > 0] * len(given)
    return [None] * len(given)


def _qtouch(history: History, call: Call) -> None:
    queue = history.queue(call.db, call.words[1])
    end = w.receipts(call, 2)[1]
    found = w.options(call, end, w.TOUCH)
    lease_ms = w.duration_ms(call, found, "LEASE")
    given = call.words[2:end]
    untils: list[Any] = [None] * len(given)
    if call.is_answered:
        if not isinstance(call.reply, list) or len(call.reply) != len(given):
            raise w.unreadable(call)
        untils = call.reply
    for receipt, until in zip(given, untils, strict=True):
        # Below 0 the receipt was good, but the lease stayed as it was.
        if until is None or until > 0:
            fence, job_id = w.split(receipt)
            queue.job(job_id).events.append(Touch(call.request, fence, lease_ms, until is not None))


def _qdel(history: History, call: Call) -> None:
    ids = list(dict.fromkeys(call.words[2:]))
    if call.is_answered and call.reply == 0:
        return
    is_sure = call.is_answered and call.reply == len(ids)
    queue = history.queue(call.db, call.words[1])
    for job_id in ids:
        queue.job(job_id).events.append(Removal(call.request, "deleted", is_sure))


def _qcancel(history: History, call: Call) -> None:
    if call.is_answered and call.reply == 0:
        return
    job = history.queue(call.db, call.words[1]).job(call.words[2])
    job.events.append(Removal(call.request, "cancelled", call.is_answered))


def _qedit(history: History, call: Call) -> None:
    history.queue(call.db, call.words[1]).job(call.words[2]).events.append(Edit(call.request))


# Queues


def _qdlq(history: History, call: Call) -> None:
    what = call.words[1].upper()
    upper = [word.upper() for word in call.words[3:]]
    queue = history.queue(call.db, call.words[2])
    if what == "PURGE" or (what == "REDRIVE" and "TO" in upper):
        queue.may_lose_jobs(call.request)
    if what == "REDRIVE" and "TO" in upper[:-1]:
        target = history.queue(call.db, call.words[3 + upper.index("TO") + 1])
        anything = Push(call.request, None, lease_ms=0, maxlease_ms=0, may_vanish=True)
        target.may_make_jobs(anything)


def _queue(history: History, call: Call) -> None:
    what = call.words[1].upper()
    if what == "LIST":
        return
    if len(call.words) < 3:
        raise BadLine(call.line, "QUEUE has too few words")
    queue = history.queue(call.db, call.words[2])
    if what in ("PURGE", "DROP"):
        queue.may_lose_jobs(call.request)
    elif what in ("CREATE", "SET"):
        _configured(call, queue)
    elif what == "PAUSE":
        queue.is_set = True
    elif what == "RENAME":
        queue.is_renamed = True
        history.queue(call.db, call.words[3]).is_renamed = True


def _configured(call: Call, queue: Queue) -> None:
    upper = [word.upper() for word in call.words]
    queue.is_set = True
    for name, value in zip(upper[3:], call.words[4:], strict=False):
        if name == "LEASE":
            queue.lease_ms = min(queue.lease_ms, w.read_duration_ms(call, value))
    queue.may_vanish |= not {"TTL", "EXPIRED", "KEEPDEAD", "OVERFLOW"}.isdisjoint(upper[3:])
    queue.is_grouped |= not {"FAIR", "GROUPCONCURRENCY"}.isdisjoint(upper[3:])
    if upper[1] == "CREATE":
        said = dict(pairwise(upper[3:]))
        queue.orders.add((said.get("ORDER", "MAX"), said.get("PRIORITIES", "NUMERIC")))


def _del(history: History, call: Call) -> None:
    for name in call.words[1:]:
        history.queue(call.db, name).may_lose_jobs(call.request)


def _qflow(history: History, call: Call) -> None:
    if call.words[1].upper() == "CANCEL":
        history.queue(call.db, call.words[2]).may_lose_jobs(call.request)


# Looks


def _qshow(history: History, call: Call) -> None:
    if not call.is_answered or (call.error is not None and not call.error.startswith(_NO_JOB)):
        return
    job = history.queue(call.db, call.words[1]).job(call.words[2])
    if call.error is not None:
        job.events.append(Look(call.request, "", 0, ""))
        return
    facts = w.mapping(call, call.reply)
    try:
        look = Look(
            call.request,
            text(call.line, facts["phase"]),
            int(facts["fence"]),
            stored(text(call.line, facts["payload"])),
        )
    except (KeyError, TypeError, ValueError):
        raise w.unreadable(call) from None
    job.events.append(look)


def _qstats(history: History, call: Call) -> None:
    names = [word.upper() for word in call.words[1:]]
    if not call.is_answered or not names or names[0] in ("WITH", "RESET") or "RESET" in names:
        return
    for name, counts in w.mapping(call, call.reply).items():
        facts = w.mapping(call, counts)
        queue = history.queue(call.db, name)
        if queue.counts is None or queue.counts[0].end_ms < call.request.end_ms:
            try:
                queue.counts = call.request, sum(int(facts[phase]) for phase in _PHASES)
            except (KeyError, TypeError, ValueError):
                raise w.unreadable(call) from None


_READERS: dict[str, Callable[[History, Call], None]] = {
    "QPUSH": _qpush,
    "QMPUSH": _qmpush,
    "QMOVE": _qmove,
    "QSCHED": _qsched,
    "QPOP": _qpop,
    "QMPOP": _qmpop,
    "QACK": _qack,
    "QNACK": _qnack,
    "QTOUCH": _qtouch,
    "QDEL": _qdel,
    "QCANCEL": _qcancel,
    "QEDIT": _qedit,
    "QDLQ": _qdlq,
    "QUEUE": _queue,
    "QFLOW": _qflow,
    "DEL": _del,
    "QSHOW": _qshow,
    "QSTATS": _qstats,
}
_WORDS_MIN = {
    "QPUSH": 3,
    "QMPUSH": 4,
    "QMOVE": 4,
    "QACK": 3,
    "QNACK": 3,
    "QTOUCH": 3,
    "QDEL": 3,
    "QCANCEL": 3,
    "QEDIT": 3,
    "QDLQ": 3,
    "QFLOW": 3,
    "QSHOW": 3,
    "QSTATS": 1,
}
