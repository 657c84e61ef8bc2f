"""Commands for flows: jobs that belong together."""

from __future__ import annotations

from respq.broker.call import Call
from respq.broker.command import Flags
from respq.broker.table import CommandTable
from respq.engine.jobs.inspect import flow_facts, jobs_named
from respq.handlers.arguments import Bulk, Count, Key, Reason
from respq.resp.replies import Reply

TABLE = CommandTable()
SHOWN = 1_000
"""Jobs that QFLOW SHOW names unless it is told how many."""


@TABLE.command("QFLOW SHOW", group="queue", since="0.1.0", flags=Flags.READONLY | Flags.DRAIN)
def qflow_show(call: Call, queue: Key, flow: Bulk, *, count: Count = None) -> Reply:
    """Show how far a flow is, and the jobs of it that are there."""
    jobs = call.engine.show_flow(call.db, queue, flow)
    named: list[Reply] = [list(each) for each in jobs_named(jobs[: count or SHOWN])]
    return {**flow_facts(jobs), b"jobs": named}


@TABLE.command("QFLOW CANCEL", group="queue", since="0.1.0", flags=Flags.WRITE)
def qflow_cancel(call: Call, queue: Key, flow: Bulk, *, reason: Reason = b"") -> Reply:
    """Cancel the jobs of a flow that are still to be done."""
    return call.engine.cancel_flow(call.now_ms, call.db, queue, flow, reason, call.who)
