"""MULTI, EXEC, DISCARD: several commands as one transaction of one batch."""

from __future__ import annotations

from respq.broker.call import Call
from respq.broker.command import Flags
from respq.broker.table import CommandTable
from respq.errors import RespqError
from respq.resp.replies import OK, Reply

TABLE = CommandTable()
_FLAGS = Flags.NO_MULTI | Flags.FAST | Flags.DRAIN | Flags.LOADING


@TABLE.command("MULTI", group="transactions", since="0.1.0", flags=_FLAGS)
def multi(call: Call) -> Reply:
    """Queue the commands that follow instead of running them."""
    if call.session.queued is not None:
        raise RespqError("MULTI calls can not be nested")
    call.session.begin_transaction()
    return OK


@TABLE.command("EXEC", group="transactions", since="0.1.0", flags=_FLAGS)
def execute(call: Call) -> Reply:
    """Run the queued commands as one transaction, and return their replies."""
    if call.session.queued is None:
        raise RespqError("EXEC without MULTI")
    return call.broker.exec_transaction(call.session, call.now_ms)


@TABLE.command("DISCARD", group="transactions", since="0.1.0", flags=_FLAGS)
def discard(call: Call) -> Reply:
    """Forget the queued commands."""
    if call.session.queued is None:
        raise RespqError("DISCARD without MULTI")
    call.session.end_transaction()
    return OK
