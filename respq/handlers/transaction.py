"""Several commands as one transaction of one batch, if what they are about has not changed."""

from __future__ import annotations

from respq.broker.call import Call
from respq.broker.command import Flags
from respq.broker.table import CommandTable
from respq.errors import RespqError
from respq.handlers.arguments import Key
from respq.resp.replies import OK, Reply

TABLE = CommandTable()
_FLAGS = Flags.NO_MULTI | Flags.FAST | Flags.DRAIN | Flags.LOADING | Flags.NOSCRIPT


@TABLE.command("MULTI", group="transactions", since="0.1.0", flags=_FLAGS)
def multi(call: Call) -> Reply:
    """Queue the commands that follow instead of running them."""
    if call.session.queued is not None:
        raise RespqError("MULTI calls can not be nested")
    call.session.begin_transaction()
    return OK


@TABLE.command("EXEC", group="transactions", since="0.1.0", flags=_FLAGS)
def execute(call: Call) -> Reply:
    """Run the queued commands as one transaction, if nothing that is watched has changed."""
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


# Not while the journal is read: what is to be watched is not there yet.
@TABLE.command(
    "WATCH",
    group="transactions",
    since="0.1.0",
    flags=Flags.NO_MULTI | Flags.FAST | Flags.DRAIN | Flags.NOSCRIPT,
)
def watch(call: Call, *key: Key) -> Reply:
    """Have the next EXEC do nothing if one of these keys changes before it."""
    if call.session.queued is not None:
        raise RespqError("WATCH inside MULTI is not allowed")
    call.engine.watch(call.session.watch, call.now_ms, [(call.db, each) for each in key])
    return OK


@TABLE.command(
    "UNWATCH",
    group="transactions",
    since="0.1.0",
    flags=Flags.FAST | Flags.DRAIN | Flags.LOADING | Flags.NOSCRIPT,
)
def unwatch(call: Call) -> Reply:
    """Watch no key any more."""
    call.engine.unwatch(call.session.watch)
    return OK
