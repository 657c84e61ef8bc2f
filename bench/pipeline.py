"""A connection in the Redis protocol on which many commands are sent at once."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from typing import Any

import hiredis
from wire import TIMEOUT_SECONDS


class Pipeline:
    """Sends commands, and reads as many replies."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS)
        self._reader = hiredis.Reader()

    def ask(self, commands: Iterable[Sequence[str | bytes]]) -> list[Any]:
        """Send commands and return their replies; an error is one, as hiredis returns it."""
        packed = [hiredis.pack_command(tuple(command)) for command in commands]  # type: ignore[arg-type]
        self._socket.sendall(b"".join(packed))
        replies: list[Any] = []
        while len(replies) < len(packed):
            reply = self._reader.gets()
            if reply is not False:
                replies.append(reply)
                continue
            data = self._socket.recv(1 << 20)
            if not data:
                raise ConnectionError("the server closed the connection")
            self._reader.feed(data)
        return replies
