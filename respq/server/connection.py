"""One client's socket: bytes to requests, replies to bytes, and when to stop reading.

What a read brings is executed in one turn of the core: all its requests run, their replies
are joined, and one write sends them when the core lets them go.

    socket ─► parser ─► arrival ─► turn ─► held by the core ─► transport
         └─► unread ─► parser ─► backlog ─┘

What is beyond the limits of a turn waits in the backlog, and the socket is not read while
there is one. Behind a blocked command it is read on, because that is the only way to learn that
the client is gone; but what comes then stays unread bytes, which take no more than they are.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from respq.config import (
    GROUPED_RUN_MAX,
    KIB,
    RUN_GAIN,
    TURN_CLIENTS_MAX,
    TURN_COMMANDS_MAX,
    TURNS_HELD_MAX,
)
from respq.errors import ProtocolFault, RespqError
from respq.resp.encoder import encode
from respq.resp.parser import Arrived, Parser
from respq.resp.pipeline import is_dense
from respq.resp.replies import Replies, Reply
from respq.resp.run import Run
from respq.runtime.client import Pops
from respq.server.mailbox import Mailbox

if TYPE_CHECKING:
    from respq.server.app import Server

_PIECE_BYTES = 32 * KIB
"""Of a long pipeline so much is parsed at once; others wait meanwhile."""


class Connection(asyncio.Protocol):
    """A client of the core, and the protocol of its transport."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.core = server.core
        self.broker = server.broker
        self.has_arrived = False
        self.held_count = 0
        self._unread = bytearray()
        self._backlog: deque[list[bytes] | Run | RespqError] = deque()
        self._was_heard = True
        self._silent_since_s = 0.0
        self._unsent_bytes = 0
        self._is_resuming = False
        self._is_throttled = False
        self._peer_is_slow = False
        self._is_paused = False
        self._is_at_end = False
        self._mailbox: Mailbox | None = None
        """Made for the first message, and gone with the connection: it refers back."""

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a new client, or turn it away when there are too many."""
        # uvloop's transports are no subclass of asyncio's.
        self.transport = transport = cast(asyncio.Transport, transport)
        address, local_address = _address(transport, "peername"), _address(transport, "sockname")
        self.session = self.server.open_session(self, address, local_address)
        settings = self.server.settings
        self._unread_bytes_max = settings.query_buffer_bytes_max
        self.parser = Parser(
            bulk_bytes_max=settings.payload_bytes_max,
            query_bytes_max=settings.query_buffer_bytes_max,
            authenticated=self.session.authenticated,
        )
        if len(self.core.clients) > settings.maxclients:
            self.core.traffic.rejected_total += 1
            transport.write(b"-ERR max number of clients reached\r\n")
            transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        """Forget the client; what it waited for goes to others."""
        self.server.close_session(self)
        self._mailbox = None
        self._unread.clear()
        self._backlog.clear()

    def eof_received(self) -> bool:
        """Answer what was asked before the client closed its side, then close ours."""
        self._is_at_end = True
        if self.session.waiter is not None:
            self._give_up_waiting()
            if len(self.broker.outbox) > TURN_CLIENTS_MAX:
                self.core.end_turn()
            return True
        return bool(self.held_count or self._has_more())

    def pause_writing(self) -> None:
        """Stop reading from a client that does not read its replies."""
        self._peer_is_slow = True
        self._look_at_reading()

    def resume_writing(self) -> None:
        """Go on: the client has read what was waiting."""
        self._peer_is_slow = False
        self._look_at_reading()
        self._resume_soon()

    def data_received(self, data: bytes) -> None:
        """Have executed what has arrived, or keep it until its turn comes."""
        self._was_heard = True
        if (
            self.has_arrived
            or self._is_resuming
            or self._backlog
            or self._unread
            or self.session.waiter is not None
            or (len(data) > _PIECE_BYTES and is_dense(data, 0))
        ):
            self._unread += data
            self._resume_soon()
            if len(self._unread) > self._unread_bytes_max and self.session.waiter is not None:
                self._end_waiting(
                    f"there are over {self._unread_bytes_max} bytes behind a command that blocks"
                )
            self._look_at_reading()
            return
        alone = self.parser.feed_alone(data)
        if alone is None:
            requests = self.parser.feed(data)
            if len(requests) == 1 and not self.session.guarded:
                run = requests[0]
                if isinstance(run, Run) and run.is_narrow and len(run) <= GROUPED_RUN_MAX:
                    self.core.arrive_run(self, run, len(data))
                    return
            if requests:
                self.core.arrive(self, requests, len(data))
        elif self.session.guarded:
            self.core.arrive(self, [[*alone[0], alone[1]]], len(data))
        else:
            self.core.arrive_alone(self, alone, len(data))

    # What the core calls.

    def release(self, data: bytes, pops: Pops) -> None:
        """Write a reply; if nobody can get it any more, put back what it popped."""
        transport = self.transport
        if (
            transport.is_closing()
            # One that closed its side is most often a worker that is gone.
            or (pops and self._is_at_end)
            or (self._peer_is_slow and self.cut_if_over_limit())
        ):
            self.core.undo(pops)
            transport.abort()
            return
        transport.write(data)
        if self.held_count:
            return
        if self.session.closing or (self._is_at_end and not self._has_more()):
            transport.close()
        elif self._is_paused:
            self._look_at_reading()
            self._resume_soon()

    def waits(self) -> None:
        """Be blocked from now on, by the request that arrived alone."""
        self.has_arrived = False
        if self._is_at_end:
            self._give_up_waiting()
        if self._is_paused:
            self._look_at_reading()

    def answer(self, reply: Reply) -> None:
        """Send the reply of a wait that is over, and go on behind it."""
        data = encode(reply, self.session.protocol)
        self.core.hold(self, data, self.session.take_pops(), stateless=False)
        self._resume_soon()

    def tell(self, messages: Replies) -> None:
        """Send messages of channels, unless the client has said that it wants no more."""
        if self.session.closing or self._is_at_end:
            return
        if self._mailbox is None:
            self._mailbox = Mailbox(self)
        self._mailbox.send(encode(messages, self.session.protocol))

    def end(self) -> None:
        """Close at once; what is held is undone when its time comes."""
        self.transport.abort()

    def throttle(self, stop: bool) -> None:
        """Stop or go on reading, because of what is not committed yet."""
        self._is_throttled = stop
        self._look_at_reading()
        if not stop:
            self._resume_soon()

    def fileno(self) -> int:
        """Return the number of the socket, for CLIENT LIST."""
        sock = self.transport.get_extra_info("socket")
        return sock.fileno() if sock is not None else -1

    def buffered(self) -> tuple[int, int]:
        """Return the bytes of requests that wait to be run, and of replies not yet sent."""
        return _size_bytes(self._backlog) + len(
            self._unread
        ), self.transport.get_write_buffer_size()

    def end_if_silent(self, now_s: float, timeout_s: float) -> None:
        """Close at once if nothing came, and nothing that was sent was read, for too long."""
        session = self.session
        # Who listens is silent by nature, as Redis has it.
        waits = (
            session.waiter is not None or session.is_subscribed or self.held_count or self._backlog
        )
        unsent_bytes = self.transport.get_write_buffer_size()
        if self._was_heard or waits or unsent_bytes != self._unsent_bytes:
            self._was_heard = False
            self._unsent_bytes = unsent_bytes
            self._silent_since_s = now_s
        elif now_s - self._silent_since_s >= timeout_s:
            self.server.log.debug("client closed: it is silent", address=self.session.address)
            self.end()

    def cut_if_over_limit(self, more_bytes: int = 0) -> bool:
        """Close at once, and count it, if more is unsent than a connection may have.

        ``more_bytes`` are still to be sent. Returns whether it was closed.
        """
        unsent_bytes = self.transport.get_write_buffer_size() + more_bytes
        if unsent_bytes <= self.server.settings.output_buffer_bytes_max:
            return False
        self.core.traffic.cut_total += 1
        self.server.log.warning(
            "client closed: it does not read what is sent to it",
            address=self.session.address,
            unsent_bytes=unsent_bytes,
        )
        self.end()
        return True

    # Turns.

    def take_turn(self, requests: Arrived, size: int, now_ms: int) -> None:
        """Execute requests of ``size`` bytes, and hold what is to be said."""
        self._take_end_of_wait()
        self.has_arrived = False
        first = requests[0]
        if len(requests) > 1 or (isinstance(first, Run) and len(first) > TURN_COMMANDS_MAX):
            self._backlog.extend(requests)
            requests = self._share_of_backlog()
        self._execute_share(requests, size, now_ms)
        if self._unread:
            self._resume_soon()

    def _take_end_of_wait(self) -> None:
        """Have the reply of a wait that is over stand before what came behind it."""
        if self.broker.outbox:
            self.core.deliver()

    def _execute_share(self, requests: Arrived, size: int, now_ms: int) -> None:
        """Execute what is not too much for a turn; what must not happen stops the server."""
        try:
            self._execute(requests, now_ms)
            self.core.received((self,), size)
        except Exception as error:
            self.server.fail(error)
            return
        if self._backlog or self.held_count > TURNS_HELD_MAX:
            self._look_at_reading()
            self._resume_soon()

    def _share_of_backlog(self) -> Arrived:
        """Take off the backlog what may be executed in one turn."""
        requests: Arrived = []
        left = TURN_COMMANDS_MAX
        while self._backlog and left > 0:
            request = self._backlog.popleft()
            if not isinstance(request, Run):
                left -= RUN_GAIN
            elif len(request) <= left:
                left -= len(request)
            else:
                self._backlog.appendleft(request.after(left))
                request, left = request.first(left), 0
            requests.append(request)
        return requests

    def _execute(self, requests: Arrived, now_ms: int) -> None:
        """Run requests until one blocks or ends the session; hold what is to be said."""
        session = self.session
        began_s = self.core.traffic.begin()
        ends_s = self.core.share_ends_s()
        out, left = self.broker.execute_all(session, requests, now_ms, ends_s)
        if left:
            self._backlog.extendleft(reversed(left))
        command = session.command
        waits = session.waiter is not None
        self.core.traffic.end(
            command.name if command is not None else "", len(out) + waits, began_s
        )
        if waits or session.closing:
            if waits and self._is_at_end:
                self._give_up_waiting()
            self._look_at_reading()
        if not (session.authenticated and self.parser.authenticated):
            # What the parser kept until it knew who is asking is to come next.
            self.parser.authenticated = session.authenticated
            self._resume_soon()
        if session.killed:
            self.core.undo(session.take_pops())
        elif out:
            # Only one alone is worth asking: a PING is not to wait for somebody else's disk.
            alone = len(requests) == 1 and isinstance(requests[0], list)
            stateless = alone and command is not None and command.stateless
            if stateless and self._mailbox is not None:
                # Messages keep their place, too: behind RESET or HELLO they would pass for replies.
                stateless = not self._mailbox.held_count
            data = out[0] if len(out) == 1 else b"".join(out)
            pops = session.take_pops() if session.pops else []
            self.core.hold(self, data, pops, stateless=stateless)
        if self.broker.stop_wanted and not self.server.is_stopping:
            self.server.stop()

    def _give_up_waiting(self) -> None:
        """Have a client that closed its side wait no more: nobody would take the job."""
        self.broker.unblock(self.session)
        self.core.begin_turn()

    def _end_waiting(self, why: str) -> None:
        """End a wait with an error, and then the connection."""
        self.session.closing = True
        self._unread.clear()
        self.broker.unblock(self.session, ProtocolFault(f"Protocol error: {why}"))
        self.core.begin_turn()

    def _resume_soon(self) -> None:
        waits = self._backlog or self._unread or self.parser.held
        if waits and not self._is_resuming:
            self._is_resuming = True
            self.core.resume_soon(self)

    def resume(self) -> None:
        """Take a turn for what has been waiting."""
        self._is_resuming = False
        if self.has_arrived:
            return  # What is unread stands behind that, and is resumed when its turn has come.
        if self._must_wait() or self.session.waiter is not None or self.transport.is_closing():
            self._look_at_reading()  # What is paused is resumed when the reason is gone.
            return
        self._take_end_of_wait()
        while not self._backlog and (self._unread or self.parser.held):
            piece = bytes(self._unread[:_PIECE_BYTES])
            del self._unread[:_PIECE_BYTES]
            self._backlog += self.parser.feed(piece)
        if self._backlog:
            requests = self._share_of_backlog()
            self._execute_share(requests, _size_bytes(requests), self.core.begin_turn())
        self._look_at_reading()
        self._resume_soon()

    def _has_more(self) -> bool:
        """Tell whether something that was received is still to be executed."""
        return bool(self.has_arrived or self._backlog or self._unread)

    def _must_wait(self) -> bool:
        """Tell whether nothing more can be executed now, or at all."""
        return (
            self._is_throttled
            or self._peer_is_slow
            or self.session.closing
            or self.held_count > TURNS_HELD_MAX
        )

    def _look_at_reading(self) -> None:
        """Read exactly while nothing speaks against it."""
        transport = self.transport
        has_more = bool(self._backlog or self._unread)
        pause = self._must_wait() or (has_more and self.session.waiter is None)
        if pause is self._is_paused or transport.is_closing():
            return
        self._is_paused = pause
        if pause:
            transport.pause_reading()
        else:
            transport.resume_reading()


def _size_bytes(requests: Iterable[list[bytes] | Run | RespqError]) -> int:
    """Return how many bytes there are in requests."""
    return sum(
        each.size_bytes if isinstance(each, Run) else sum(map(len, each))
        for each in requests
        if not isinstance(each, RespqError)
    )


def _address(transport: asyncio.Transport, which: str) -> str:
    """Return an address as Redis writes it."""
    address = transport.get_extra_info(which)
    if isinstance(address, tuple):
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        return f"{host}:{address[1]}"
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family == socket.AF_UNIX:
        return f"{sock.getsockname()}:0"
    return "?:0"
