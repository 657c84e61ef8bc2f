"""The commands that the harness itself sends: is it up, how does it run, begin anew."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from typing import Any

import hiredis

TIMEOUT_SECONDS = 60


def ask_redis(port: int, *words: str) -> bytes:
    """Send one command in the Redis protocol and return its reply, a bulk string unwrapped.

    Only replies of one line and bulk strings are understood.
    """
    parts = [f"*{len(words)}\r\n".encode()]
    parts += [f"${len(word.encode())}\r\n{word}\r\n".encode() for word in words]
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as connection:
        connection.sendall(b"".join(parts))
        with connection.makefile("rb") as replies:
            line = replies.readline().rstrip(b"\r\n")
            if line.startswith(b"$") and line != b"$-1":
                return replies.read(int(line[1:]))
            return line


def redis_info(port: int) -> dict[str, str]:
    """Return the fields of INFO."""
    lines = ask_redis(port, "INFO").decode(errors="replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def ask_line(port: int, line: str) -> bytes:
    """Send one line of a text protocol and return the first line of the reply."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as connection:
        connection.sendall(f"{line}\r\n".encode())
        with connection.makefile("rb") as replies:
            return replies.readline().rstrip(b"\r\n")


class Pipeline:
    """One connection in the Redis protocol, on which commands are sent many at once."""

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
