"""A real Redis to compare with, and replies as trees that keep what RESP says of them."""

from __future__ import annotations

import io
import socket
import subprocess
from pathlib import Path
from typing import Any, BinaryIO

from respq.resp.encoder import encode
from respq.resp.replies import Reply
from tests.harness import Client
from tests.requirements import redis_server

TIMEOUT_S = 20.0
Tree = tuple[str, Any]
"""The type byte and the value: bytes, a list of trees, or a list of pairs of trees."""


class RealRedis:
    """``redis-server`` on a Unix socket."""

    def __init__(self, directory: Path) -> None:
        self._path = str(directory / "redis.sock")
        self._process = subprocess.Popen(
            [redis_server(), "--port", "0", "--unixsocket", self._path, "--save", ""],
            cwd=directory,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if b"ready to accept connections" in line.lower():
                return
        raise AssertionError(f"redis-server ended with status {self._process.wait()}")

    def connect(self) -> RedisConnection:
        """Return a new connection."""
        return RedisConnection(self._path)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


class RedisConnection:
    """One connection to the real Redis."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(TIMEOUT_S)
        self._socket.connect(path)
        self._stream = self._socket.makefile("rb")

    def say(self, line: str) -> Tree:
        """Run one command and return its reply."""
        self.send(line.encode().split())
        return self.read()

    def send(self, words: list[bytes]) -> None:
        """Send a command; its reply is to be read."""
        request = [b"*%d\r\n" % len(words)]
        request += [b"$%d\r\n%b\r\n" % (len(word), word) for word in words]
        self._socket.sendall(b"".join(request))

    def read(self) -> Tree:
        """Return what comes next, be it a reply or a message."""
        return tree_from(self._stream)

    def read_bytes(self) -> bytes:
        """Return what comes next as it came."""
        copy = _Copy(self._stream)
        tree_from(copy)
        return bytes(copy.taken)

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()
        self._socket.close()


class _Copy(io.BufferedIOBase):
    """Keeps what is read of a stream."""

    def __init__(self, stream: BinaryIO) -> None:
        self.taken = bytearray()
        self._stream = stream

    def readline(self, size: int | None = -1, /) -> bytes:
        line = self._stream.readline()
        self.taken += line
        return line

    def read(self, size: int | None = -1, /) -> bytes:
        data = self._stream.read(-1 if size is None else size)
        self.taken += data
        return data


def tree(reply: Reply, protocol: int) -> Tree:
    """Return a reply of ours as it is on the wire."""
    return tree_from(io.BytesIO(encode(reply, protocol)))


def say(client: Client, line: str) -> Tree:
    """Run one command on a client in the hand, and return its reply as it is on the wire."""
    reply = client.say(line)
    return tree(reply, client.session.protocol)


def tree_from(stream: BinaryIO | io.BufferedIOBase) -> Tree:
    """Read one reply."""
    line = stream.readline()
    kind, rest = chr(line[0]), line[1:-2]
    match kind:
        case "+" | "-" | ":" | "," | "#" | "_" | "(":
            return kind, rest
        case "$" | "=":
            length = int(rest)
            return (kind, stream.read(length + 2)[:-2]) if length >= 0 else (kind, None)
        case "*" | "~" | ">":
            return kind, [tree_from(stream) for _ in range(int(rest))]
        case "%":
            return kind, [(tree_from(stream), tree_from(stream)) for _ in range(int(rest))]
    raise AssertionError(f"not RESP: {line!r}")
