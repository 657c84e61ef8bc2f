"""A real Redis to compare with: what it answers to raw bytes."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator

import hiredis

from tests.requirements import redis_server


class RealRedis:
    """A redis-server on a loopback port, asked by raw bytes."""

    def __init__(self, port: int) -> None:
        self.port = port

    def answers(self, stream: bytes) -> list[object]:
        """Send a stream, close our side, and return every reply that came until the end."""
        received = bytearray()
        # A server that has closed for a fault may reset what it did not read.
        with (
            contextlib.suppress(ConnectionError),
            socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection,
        ):
            connection.sendall(stream)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65_536):
                received += piece
        return replies_in(received)


def replies_in(data: bytes | bytearray) -> list[object]:
    """Return the replies that ``data`` holds, errors as their text."""
    nothing = object()
    reader = hiredis.Reader(notEnoughData=nothing)
    reader.feed(bytes(data))
    replies = iter(reader.gets, nothing)
    return [str(each) if isinstance(each, hiredis.ReplyError) else each for each in replies]


@contextlib.contextmanager
def real_redis(*options: str) -> Iterator[RealRedis]:
    """Run a redis-server without persistence for as long as the block lasts."""
    program = redis_server()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as directory:
        server = subprocess.Popen(
            [
                *(program, "--port", str(port), "--bind", "127.0.0.1", "--dir", directory),
                *("--save", "", "--appendonly", "no", *options),
            ],
            stdout=subprocess.DEVNULL,
        )
        try:
            _wait_until_it_listens(port)
            yield RealRedis(port)
        finally:
            server.kill()
            server.wait()


def _wait_until_it_listens(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
