"""What is queued between MULTI and EXEC, and how much of it."""

from __future__ import annotations

from respq.broker.command import Command
from respq.broker.session import Session
from respq.config import QUEUED_COMMANDS_MAX, TRANSACTION_BYTES_MAX
from respq.errors import RespqError, SyntaxFault, TooBig
from respq.resp.replies import Reply, Simple

QUEUED = Simple(b"QUEUED")


def enqueue(session: Session, command: Command, request: list[bytes]) -> Reply:
    """Keep a request until EXEC; raise what is wrong with it by now."""
    command.check_arity(request)
    if command.is_refused_in_multi:
        raise RespqError("Command not allowed inside a transaction")
    queued = session.queued
    assert queued is not None
    if session.tainted:
        return QUEUED  # Nothing of it will be run: as in Redis it takes no memory.
    size = session.queued_bytes + command.size_bytes(request)
    if len(queued) == QUEUED_COMMANDS_MAX or size > TRANSACTION_BYTES_MAX:
        count = len(queued) + 1
        queued.clear()
        session.queued_bytes = 0
        raise _over_the_limit(count, size)
    queued.append((command, request))
    session.queued_bytes = size
    return QUEUED


def _over_the_limit(count: int, size: int) -> RespqError:
    """Return the error for a transaction of too many commands, or of too many bytes."""
    if count > QUEUED_COMMANDS_MAX:
        return SyntaxFault(
            f"the transaction has over {QUEUED_COMMANDS_MAX} commands, the limit: split it"
        )
    return TooBig(
        f"the transaction holds {size} bytes, the limit is {TRANSACTION_BYTES_MAX}: split it"
    )
