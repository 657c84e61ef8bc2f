"""A client that is nothing but a socket: what it sends and reads are bytes."""

from __future__ import annotations

import shlex
import socket
import struct
from types import TracebackType
from typing import Any

import hiredis

TIMEOUT_S = 60.0
"""Only a server that hangs is this slow."""
_NOTHING = object()
_error_text: Any = str
"""hiredis takes anything that it can call, its stubs want an exception."""


def request(*words: bytes | str | int) -> bytes:
    """Return a command as it goes over the wire."""
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(
        b"$%d\r\n%b\r\n" % (len(part), part) for part in parts
    )


def requests(text: str) -> bytes:
    """Return commands, one a line and written as in a shell, as they go over the wire."""
    return b"".join(request(*shlex.split(line)) for line in text.strip().splitlines())


class Wire:
    """One connection; use it as a context manager.

    Replies are Python values: bulk and simple strings are ``bytes``, an error is its text.
    """

    def __init__(self, address: int | str, *, receive_bytes: int = 0) -> None:
        """Connect to a port of this machine, or to a Unix socket.

        Args:
            address: port or path.
            receive_bytes: what the kernel may hold for us; 0 for what it thinks fit.
        """
        family = socket.AF_INET if isinstance(address, int) else socket.AF_UNIX
        self.socket = socket.socket(family)
        self.socket.settimeout(TIMEOUT_S)
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        try:
            if isinstance(address, int):
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.socket.connect(("127.0.0.1", address))
            else:
                self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
        self._reader = hiredis.Reader(replyError=_error_text, notEnoughData=_NOTHING)

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def address(self) -> str:
        """Our end, as CLIENT LIST shows it."""
        host, port = self.socket.getsockname()
        return f"{host}:{port}"

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def read(self) -> Any:
        """Return the next reply."""
        while (reply := self._reader.gets()) is _NOTHING:
            piece = self.socket.recv(1 << 18)
            if not piece:
                raise ConnectionResetError("the server closed the connection")
            self._reader.feed(piece)
        return reply

    def read_many(self, count: int) -> list[Any]:
        """Return the next replies."""
        return [self.read() for _ in range(count)]

    def say(self, line: str) -> Any:
        """Run one command, written as in a shell, and return its reply."""
        return self.ask(*shlex.split(line))

    def ask(self, *words: bytes | str | int) -> Any:
        """Run one command of any words, and return its reply."""
        self.send(request(*words))
        return self.read()

    def rest(self) -> list[Any]:
        """Return every reply until the server closes the connection."""
        replies = []
        try:
            while True:
                replies.append(self.read())
        except ConnectionError:  # It may reset what it has not read.
            return replies

    def close_our_side(self) -> None:
        """Say that nothing more will be sent; replies can still be read."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Be gone as a client whose process was killed with data unread: without a word."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        """Close the connection; a second call does nothing."""
        self.socket.close()


def resident_mib(pid: int) -> int:
    """Return the memory that a process has now."""
    return _status_kib(pid, "VmRSS") // 1024


def peak_mib(pid: int) -> int:
    """Return the most memory that a process has had."""
    return _status_kib(pid, "VmHWM") // 1024


def _status_kib(pid: int, name: str) -> int:
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        fields = dict(line.split(":", 1) for line in status)
    return int(fields[name].split()[0])
