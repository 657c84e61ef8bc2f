"""Commands for workers, as known from the CONSUMER names of their pops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from respq.broker.call import Call
from respq.broker.command import Arg, Flags
from respq.broker.session import Session
from respq.broker.table import CommandTable
from respq.engine.jobs.workers import ACTIVE, QUIET, STOP, refusal
from respq.handlers.arguments import read_name
from respq.resp.replies import OK, Reply

TABLE = CommandTable()
_WRITE = Flags.WRITE
_READ = Flags.READONLY | Flags.DRAIN

Worker = Annotated[bytes, Arg(read_name("worker name"), values=("name",))]


@TABLE.command("QWORKER LIST", group="worker", since="0.1.0", flags=_READ)
def qworker_list(call: Call) -> Reply:
    """List the workers that are known or have an order, by name."""
    _see_who_waits(call)
    return [dict(each) for each in call.engine.list_workers(call.now_ms)]


@TABLE.command("QWORKER SHOW", group="worker", since="0.1.0", flags=_READ)
def qworker_show(call: Call, name: Worker) -> Reply:
    """Show everything about one worker, and the jobs that it holds."""
    _see_who_waits(call)
    facts, jobs = call.engine.show_worker(call.now_ms, name)
    return {**facts, b"jobs": [list(job) for job in jobs]}


@TABLE.command("QWORKER QUIET", group="worker", since="0.1.0", flags=_WRITE)
def qworker_quiet(call: Call, name: Worker) -> Reply:
    """Have a worker get no more jobs; it may finish those that it holds."""
    return _order(call, name, QUIET)


@TABLE.command("QWORKER STOP", group="worker", since="0.1.0", flags=_WRITE)
def qworker_stop(call: Call, name: Worker) -> Reply:
    """Have a worker get no more jobs, give back those that it holds, and end."""
    return _order(call, name, STOP)


@TABLE.command("QWORKER RESUME", group="worker", since="0.1.0", flags=_WRITE)
def qworker_resume(call: Call, name: Worker) -> Reply:
    """Let a worker get jobs again."""
    return int(call.engine.order_worker(call.now_ms, name, ACTIVE, call.who))


def _order(call: Call, name: bytes, order: int) -> Reply:
    """Give a worker an order, and tell it at once if it waits for jobs."""
    call.engine.order_worker(call.now_ms, name, order, call.who)
    for session, consumer in _waiting(call):
        if consumer == name:
            call.broker.unblock(session, refusal(call.engine.state.orders[name]))
    return OK


def _see_who_waits(call: Call) -> None:
    """Note that those are there who wait for jobs, however long ago they asked."""
    for _, consumer in _waiting(call):
        call.engine.workers.seen(call.now_ms, consumer)


def _waiting(call: Call) -> Iterator[tuple[Session, bytes]]:
    """Yield the sessions that wait for jobs with a consumer's name, and that name."""
    for session in call.broker.sessions.values():
        if session.waiter is not None:
            _, options = session.waiter.bound
            if "consumer" in options:
                yield session, options["consumer"]
