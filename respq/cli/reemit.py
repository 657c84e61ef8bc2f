r"""Pushing again what a journal says was pushed, acknowledged or dead.

    from position 100  to position 812
    queue "mail"  db 0  acked 12  gone 3
    into "again"  pushed 9  already there 0

Each job gets an id that is made of its number and its old id, so that whoever does it twice
pushes nothing twice as long as the server knows the ids.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import hiredis

from respq.cli.connection import Unanswered
from respq.cli.states import with_moment
from respq.cli.values import plain, quoted, word
from respq.config import DURATION_MS_MAX, NAME_BYTES_MAX
from respq.engine.jobs.inspect import backoff_text, priority_text
from respq.engine.records import JobOptions
from respq.journal.gathering import Gathered, Harvest, gather
from respq.journal.journal import BatchSource
from respq.journal.moment import Moment, NotHeld

WINDOW_JOBS = 500
WINDOW_BYTES = 4 * 1024 * 1024
"""What is sent before answers are read: far under what one connection may have unread."""
PROGRESS_JOBS = 10_000
"""After how many jobs it is said how far it has come."""
_WAIT_TOLD_MS = 1_000

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Range:
    """Which jobs are pushed again."""

    begin: Moment
    end: Moment
    db: int
    queue: bytes
    which: str


class Stopped(Exception):
    """Not all was pushed; the message says why, and where to go on."""


class Server(Protocol):
    """Whoever answers requests."""

    def ask(self, requests: Sequence[Sequence[bytes]]) -> list[Any]:
        """Return the answers to requests, errors among them."""


def select(journal: BatchSource, wanted: Range, report: Report) -> Harvest:
    """Return what is to be pushed again.

    Raises:
        JournalRefused, StartRefused: see `gather`.
    """
    try:
        return gather(
            journal,
            wanted.begin,
            wanted.end,
            (wanted.db, wanted.queue),
            wanted.which,
            report,
        )
    except NotHeld as refusal:
        raise with_moment(refusal) from refusal


def selection_lines(harvest: Harvest, wanted: Range, *, as_json: bool) -> Iterator[str]:
    """Yield what was found where."""
    count = len(harvest.jobs) + harvest.gone
    if as_json:
        yield _json(
            {
                "from": harvest.first,
                "to": harvest.last,
                "queue": wanted.queue,
                "db": wanted.db,
                wanted.which: count,
                "gone": harvest.gone,
                "nameless": harvest.nameless,
            }
        )
        return
    yield f"from position {harvest.first}  to position {harvest.last}"
    yield (
        f"queue {quoted(wanted.queue)}  db {wanted.db}  {wanted.which} {count}  gone {harvest.gone}"
    )


def selection_notes(harvest: Harvest) -> Iterator[str]:
    """Yield sentences about what cannot be done as it was."""
    if harvest.gone:
        yield f"compaction has deleted what {_jobs(harvest.gone)} had: not to be pushed again"
    if harvest.nameless:
        yield (
            f"{_jobs(harvest.nameless)} left out, of queues whose names compaction has deleted: "
            "none of them is known to be meant"
        )
    depending = sum(1 for job in harvest.jobs if job.options is not None and job.options.depends)
    if depending:
        yield f"{_jobs(depending)} waited for others by DEPENDS: pushed again without it"


def command_lines(harvest: Harvest, into: bytes, *, as_json: bool) -> Iterator[str]:
    """Yield the commands that would be sent, a line each."""
    for job in harvest.jobs:
        command = push_command(job, into)
        if as_json:
            yield _json({"position": job.position, "id": job.id, "command": command})
        else:
            name, queue, payload, *options = command
            words = [word(each) for each in options]
            yield "  " + " ".join([name.decode(), word(queue), quoted(payload), *words])


def result_line(into: bytes, tally: Tally, *, as_json: bool) -> str:
    """Return what came of it."""
    if as_json:
        return _json({"into": into, "pushed": tally.pushed, "already_there": tally.repeated})
    return f"into {quoted(into)}  pushed {tally.pushed}  already there {tally.repeated}"


@dataclass(slots=True)
class Tally:
    """How far it has come."""

    pushed: int = 0
    repeated: int = 0
    """Those of which the server said that it has them, or had them lately."""

    @property
    def done(self) -> int:
        """Jobs that the server answered for."""
        return self.pushed + self.repeated


def push_all(
    server: Server, jobs: Sequence[Gathered], into: bytes, tally: Tally, report: Report
) -> None:
    """Push jobs in their order; count them in ``tally`` and report how far it has come.

    Raises:
        Stopped: the server refused one, or did not answer, or somebody interrupted it.
    """
    said = 0
    for window in _windows(jobs):
        try:
            _push(server, window, into, tally, report)
        except (Unanswered, _Refused) as fault:
            raise _stopped(str(fault), window[0], tally, len(jobs)) from fault
        except KeyboardInterrupt as fault:
            raise _stopped("interrupted", window[0], tally, len(jobs)) from fault
        if tally.done // PROGRESS_JOBS > said and tally.done < len(jobs):
            said = tally.done // PROGRESS_JOBS
            report(f"{tally.done} of {len(jobs)} jobs done, up to position {window[-1].position}")


class _Refused(Exception):
    """The server's error for one of the jobs."""


def _stopped(why: str, first: Gathered, tally: Tally, count: int) -> Stopped:
    return Stopped(
        f"{why}; pushed {tally.pushed}, already there {tally.repeated}, of {_jobs(count)}: "
        f"go on with --from {first.position - 1}"
    )


def _windows(jobs: Sequence[Gathered]) -> Iterator[list[Gathered]]:
    """Yield jobs in lots that can be sent at once."""
    window: list[Gathered] = []
    held_bytes = 0
    for job in jobs:
        if window and (len(window) == WINDOW_JOBS or held_bytes + len(job.payload) > WINDOW_BYTES):
            yield window
            window, held_bytes = [], 0
        window.append(job)
        held_bytes += len(job.payload)
    if window:
        yield window


def _push(
    server: Server, window: list[Gathered], into: bytes, tally: Tally, report: Report
) -> None:
    """Push jobs at once, those again that came too soon for the queue's PUSHRATE."""
    left, refusal = window, None
    while left:
        too_soon, wait_ms = [], 0
        answers = server.ask([push_command(job, into) for job in left])
        for job, answer in zip(left, answers, strict=True):
            if not isinstance(answer, hiredis.ReplyError):
                tally.pushed += answer is not None
                tally.repeated += answer is None
            elif (retry_ms := _retry_ms(str(answer))) is not None:
                too_soon.append(job)
                wait_ms = max(wait_ms, retry_ms)
            elif refusal is None:
                refusal = _Refused(f"job {word(job.id)} was refused: {answer}")
        if refusal is not None:
            raise refusal
        left = too_soon
        if wait_ms >= _WAIT_TOLD_MS:
            report(f"the queue takes no more for {wait_ms} ms: waiting")
        time.sleep(wait_ms / 1_000)


def _retry_ms(error: str) -> int | None:
    """Return after how long a push may come that was refused for its rate; None for all else."""
    prefix, _, rest = error.partition(" ")
    digits = rest.partition(" ")[0]
    return int(digits) if prefix == "RATELIMIT" and digits.isdigit() else None


def push_command(job: Gathered, into: bytes) -> list[bytes]:
    """Return the QPUSH that puts a job into a queue, unless it is or lately was there."""
    command = [b"QPUSH", into, job.payload, b"ID", new_id(job), b"NX"]
    if job.priority not in (0, b""):
        command += [b"PRIORITY", priority_text(job.priority)]
    return command + (_option_words(job, job.options) if job.options is not None else [])


def new_id(job: Gathered) -> bytes:
    """Return the id of a job that is pushed again: always the same, and of no other of its journal.

    An id that a producer gave may come again when its job is done; the number never does.
    """
    made = b"replay:%d-%d" % (job.pushed_ms, job.number)
    given = job.options.id if job.options is not None else None
    return made if given is None else (made + b":" + given)[:NAME_BYTES_MAX]


def _option_words(job: Gathered, options: JobOptions) -> list[bytes]:
    """Return the options that go with it; what is due, waits or is held elsewhere does not."""
    numbers = {
        b"ATTEMPTS": options.attempts,
        b"LEASE": options.lease_ms,
        b"MAXLEASE": options.maxlease_ms,
        b"KEEP": options.keep_ms,
    }
    words = [each for token, n in numbers.items() if n is not None for each in (token, b"%d" % n)]
    if options.expires_ms is not None:
        # As long as it had at first, from now on.
        ttl_ms = min(max(options.expires_ms - job.pushed_ms, 1), DURATION_MS_MAX)
        words += [b"TTL", b"%d" % ttl_ms]
    if options.backoff is not None:
        words += [b"BACKOFF", *backoff_text(options.backoff).split()]
    if options.then is not None:
        words += [b"THEN", options.then.queue, options.then.payload]
    if options.group is not None:
        words += [b"GROUP", options.group]
    labels = options.labels
    if labels is not None:
        texts = {b"NAME": labels.name, b"META": labels.meta, b"TRACE": labels.trace}
        words += [each for token, text in texts.items() if text for each in (token, text)]
        words += [each for tag in labels.tags for each in (b"TAG", tag)]
    return words


def _jobs(count: int) -> str:
    return f"{count} job" if count == 1 else f"{count} jobs"


def _json(facts: dict[str, Any]) -> str:
    return json.dumps({name: plain(value) for name, value in facts.items()})
