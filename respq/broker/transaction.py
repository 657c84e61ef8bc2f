"""What is queued between MULTI and EXEC, and how much of it."""

from __future__ import annotations

from respq.broker.command import Command, Flags
from respq.broker.session import Session
from respq.config import QUEUED_COMMANDS_MAX, TRANSACTION_BYTES_MAX
from respq.errors import RespqError, SyntaxFault, TooBig
from respq.resp.replies import Reply, Simple

QUEUED = Simple(b"QUEUED")


def enqueue(session: Session, command: Command, request: list[bytes]) -> Reply:
    """Keep a request until EXEC; raise what is wrong with it by now."""
    command.check_arity(request)
    if Flags.REFUSED_IN_MULTI in command.flags:
        raise RespqError("Command not allowed inside a transaction")
    queued = session.queued
    assert queued is not None
    if session.tainted:
        return QUEUED  # Nothing of it will be run: as in Redis it takes no memory.
    size = session.queued_bytes + command.size_bytes(request)
    limit = _transaction_limit(len(queued) + 1, size)
    if limit is not None:
        queued.clear()
        session.queued_bytes = 0
        raise limit
    queued.append(request)
    session.queued_bytes = size
    return QUEUED


def _transaction_limit(count: int, size: int) -> RespqError | None:
    """Return what is wrong with the size of a transaction, if anything is."""
    if count > QUEUED_COMMANDS_MAX:
        return SyntaxFault(
            f"the transaction has over {QUEUED_COMMANDS_MAX} commands, the limit: split it"
        )
    if size > TRANSACTION_BYTES_MAX:
        return TooBig(
            f"the transaction holds {size} bytes, the limit is {TRANSACTION_BYTES_MAX}: split it"
        )
    return None
