"""Messages of channels on their way to one client: held for a commit, then written.

They are no replies, so nothing that goes by the replies that a connection still owes (how far
it is executed ahead of the disk, when it may be closed) counts them. Nobody asked for them one
by one, so nothing slows down who causes them: what is held, and what is written and not read,
is therefore limited together, and a client that is over the limit is cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from respq.runtime.client import Pops

if TYPE_CHECKING:
    from respq.server.connection import Connection


class Mailbox:
    """What the core holds messages for, instead of the connection itself."""

    __slots__ = ("_connection", "_held_bytes", "held_count")

    def __init__(self, connection: Connection) -> None:
        self.held_count = 0
        self._held_bytes = 0
        self._connection = connection

    def send(self, data: bytes) -> None:
        """Have messages written when what they tell of is committed, or cut the client."""
        connection = self._connection
        if connection.transport.is_closing():
            return
        if connection.cut_if_over_limit(self._held_bytes + len(data)):
            return
        self._held_bytes += len(data)
        connection.core.hold_all(((self, data, ()),))

    def release(self, data: bytes, _: Pops) -> None:
        """Write messages whose time has come."""
        self._held_bytes -= len(data)
        transport = self._connection.transport
        if not transport.is_closing():
            transport.write(data)
