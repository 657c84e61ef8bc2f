"""Connections that keep bytes for as long as they like, lose them, and die on one side first.

    client ── requests ──► Wire ──► Connection (the server's own)
           ◄── replies ───      ◄── write

A wire is the transport of a real `Connection`. What that writes is parsed at once, and put
beside the request that it answers: that is when the laws look whether it may be said already. The
client hears of it later, or never.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from hiredis import Reader

from respq.server.connection import Connection
from tests.simulation.virtual import ProcessLoop, Timeline

if TYPE_CHECKING:
    from tests.simulation.laws import Ear

HIGH_WATER_BYTES = 2_000
GRID_S = 0.5
"""Many requests arrive at the same instant: at one of those that are so far apart."""


class Lost:
    """What a client has instead of a reply that never came."""

    def __repr__(self) -> str:
        return "LOST"


LOST = Lost()


class Request:
    """What a client asked, and what it has of it."""

    __slots__ = (
        "db",
        "highest_fence",
        "is_greeting",
        "is_repeated",
        "protocol",
        "queued",
        "reply",
        "words",
    )

    def __init__(self, words: Sequence[bytes]) -> None:
        self.words = words
        self.reply: Any = LOST
        self.queued: Sequence[Request] = ()
        """What EXEC is to run."""
        self.db = 0
        """The database that its connection has selected."""
        self.protocol = 2
        """In which its reply is written."""
        self.is_greeting = False
        """Whether it is said at the begin of a connection, for all that follow."""
        self.is_repeated = False
        """Whether its payloads have been sent before."""
        self.highest_fence = 0
        """That had been answered when it was sent."""

    def encode(self) -> bytes:
        """Return the bytes of it."""
        parts = [b"*%d\r\n" % len(self.words)]
        parts += [b"$%d\r\n%b\r\n" % (len(word), word) for word in self.words]
        return b"".join(parts)


class Wire(asyncio.Transport):
    """One connection, both directions of it."""

    def __init__(
        self,
        timeline: Timeline,
        chance: Random,
        loop: ProcessLoop,
        *,
        name: str,
        on_asked: Callable[[Request], None],
        on_written: Callable[[Wire, list[tuple[Request | None, Any]]], None],
        on_reply: Callable[[Request | None, Any], None],
        on_end: Callable[[], None],
    ) -> None:
        super().__init__()
        self.name = name
        self.is_slow = False
        """The client does not read."""
        self.db = 0
        self.protocol = 2
        """Chosen by what was sent so far, as is the database."""
        self.ear: Ear | None = None
        """What the client listens to; for the laws."""
        self.is_hurried = False
        """The client has no time for the network."""
        self._timeline = timeline
        self._chance = chance
        self._loop = loop
        self._on_asked = on_asked
        self._on_written = on_written
        self._on_reply = on_reply
        self._on_end = on_end
        self._connection: Connection | None = None
        self._reader = Reader()
        self._asked: deque[Request] = deque()
        self._to_server: deque[bytes] = deque()
        self._arrives_s = 0.0
        self._returns_s = 0.0
        self._unread: deque[tuple[Request | None, Any, int]] = deque()
        self._unread_bytes = 0
        self._is_broken = False
        """Nothing gets through any more, whoever knows it."""
        self._is_at_end = False
        self._is_closing = False
        self._is_over = False
        self._has_ended_for_client = False
        self._reads = True
        self._is_paused = False

    def connect(self, connection: Connection) -> None:
        """Have the server take the connection."""
        self._connection = connection
        connection.connection_made(self)

    # The client's side.

    def send(self, requests: Sequence[Request]) -> None:
        """Send a pipeline; it arrives in one piece, or in some."""
        if self._is_at_end:
            return  # There is nobody who would hear of it.
        self._asked.extend(requests)
        for request in requests:
            self._choose(request)
            self._on_asked(request)
        pieces = [request.encode() for request in requests]
        if self._chance.random() > 0.1:
            data = b"".join(pieces)
            pieces = [data]
            if self._chance.random() < 0.1:
                cut = self._chance.randrange(len(data))
                pieces = [data[:cut], data[cut:]]
        for piece in pieces:
            when_s = self._timeline.now_s + self._delay_s()
            if self._chance.random() < 0.6 and not self.is_hurried:
                when_s = (when_s // GRID_S + 1) * GRID_S
            self._arrives_s = max(self._arrives_s, when_s)
            self._timeline.at(self._arrives_s, self._arrive, piece)

    def _choose(self, request: Request) -> None:
        """Note what a request chooses for itself and those behind it, or what was chosen before."""
        match request.words:
            case [b"SELECT", db]:
                self.db = int(db)
            case [b"HELLO", protocol]:
                self.protocol = int(protocol)
        request.db, request.protocol = self.db, self.protocol

    @property
    def is_heard(self) -> bool:
        """Whether all that the server writes is taken for the client's."""
        return not (self._is_closing or self._is_over or self._is_at_end)

    def half_close(self) -> None:
        """Say that nothing more will come."""
        self._is_at_end = True
        self._arrives_s = max(self._arrives_s, self._timeline.now_s + self._delay_s())
        self._timeline.at(self._arrives_s, self._arrive, b"")

    def break_off(self) -> None:
        """Lose all that is on the way; each side hears of it some time."""
        self._is_broken = True
        self._timeline.after(self._chance.expovariate(1 / 3.0), self._lose)
        self._timeline.after(self._chance.expovariate(1 / 2.0), self._end_for_client)

    def read_again(self) -> None:
        """Have the client read what is waiting."""
        self.is_slow = False
        self._deliver()

    def server_died(self, *, loses: bool) -> None:
        """Be cut by the end of the process; ``loses`` what is on the way to the client."""
        self._is_over = self._is_closing = True
        self._is_broken = self._is_broken or loses
        when_s = max(self._returns_s, self._timeline.now_s) + self._delay_s()
        self._timeline.at(when_s, self._end_for_client)

    def _end_for_client(self) -> None:
        if not self._has_ended_for_client:
            self._has_ended_for_client = True
            self._on_end()

    def _delay_s(self) -> float:
        return self._chance.expovariate(1 / (2.0 if self._chance.random() < 0.05 else 0.02))

    # On the way.

    def _arrive(self, data: bytes) -> None:
        if self._is_broken or self._is_over or not self._loop.is_alive:
            return
        self._to_server.append(data)
        self._read()

    def _read(self) -> None:
        connection = self._connection
        while self._reads and self._to_server and not self._is_closing:
            data = self._to_server.popleft()
            assert connection is not None
            if data:
                connection.data_received(data)
            elif not connection.eof_received():
                self.close()

    def _lose(self) -> None:
        if self._loop.is_alive and not self._is_over:
            self._is_closing = True
            self._end(ConnectionResetError())

    def _end(self, error: Exception | None) -> None:
        if not self._is_over and self._loop.is_alive:
            self._is_over = True
            assert self._connection is not None
            self._connection.connection_lost(error)
            self._timeline.at(
                max(self._returns_s, self._timeline.now_s) + 0.001, self._end_for_client
            )

    def _deliver(self) -> None:
        while self._unread and not self.is_slow:
            request, reply, size = self._unread.popleft()
            self._unread_bytes -= size
            if not self._is_broken and not self._has_ended_for_client:
                self._on_reply(request, reply)
        if self._is_paused and self._unread_bytes <= HIGH_WATER_BYTES // 4 and not self._is_over:
            self._is_paused = False
            if self._loop.is_alive and self._connection is not None:
                self._connection.resume_writing()

    # What the server's connection calls.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_over:
            return
        self._reader.feed(bytes(data))
        written: list[tuple[Request | None, Any]] = []
        while (reply := self._reader.gets()) is not False:
            is_message = isinstance(reply, list) and reply[:1] == [b"pmessage"]
            written.append((None if is_message else self._asked.popleft(), reply))
        self._on_written(self, written)
        for place, (request, reply) in enumerate(written):
            size = len(data) if place == 0 else 0
            self._unread_bytes += size
            self._unread.append((request, reply, size))
        self._returns_s = max(self._returns_s, self._timeline.now_s + self._delay_s())
        self._timeline.at(self._returns_s, self._deliver)
        if self._unread_bytes > HIGH_WATER_BYTES and not self._is_paused:
            self._is_paused = True
            assert self._connection is not None
            self._connection.pause_writing()

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._loop.call_soon(self._end, None)

    def abort(self) -> None:
        if not self._is_over:
            self._is_closing = True
            self._is_broken = True
            self._loop.call_soon(self._end, None)

    def is_closing(self) -> bool:
        return self._is_closing

    def pause_reading(self) -> None:
        self._reads = False

    def resume_reading(self) -> None:
        self._reads = True
        if self._to_server:
            self._loop.call_soon(self._read)

    def get_write_buffer_size(self) -> int:
        return self._unread_bytes if self.is_slow else 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return (self.name, 1) if name in ("peername", "sockname") else default
