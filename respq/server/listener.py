"""Where clients come in: TCP and, if wanted, a Unix socket."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
import sys
from collections.abc import Callable

from respq.config import Settings
from respq.errors import StartRefused

BACKLOG = 4_096
"""Connections that the kernel holds while the loop is busy; it caps this at somaxconn."""
KEEPALIVE_S = 300
"""Redis' default: a client whose machine is gone without a word is noticed some minutes later."""
_PROBES, _PROBE_S = 3, 100


class Listeners:
    """The listening sockets of a server."""

    def __init__(self, settings: Settings, protocol: Callable[[], asyncio.Protocol]) -> None:
        self._settings = settings
        self._protocol = protocol
        self._servers: list[asyncio.Server] = []
        self._unix_socket_is_ours = False
        self.port = settings.port

    async def open(self) -> None:
        """Listen; raise `StartRefused` if an address cannot be had."""
        loop = asyncio.get_running_loop()
        settings = self._settings
        try:
            server = await loop.create_server(
                self._protocol, settings.host, settings.port, backlog=BACKLOG
            )
        except OSError as error:
            raise StartRefused(
                f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}; "
                "choose another --port, or stop what listens there"
            ) from error
        self._servers.append(server)
        for each in server.sockets:
            _keep_alive(each)
        self.port = server.sockets[0].getsockname()[1]
        if settings.unix_socket:
            self._servers.append(await self._open_unix(loop, settings.unix_socket))

    async def _open_unix(self, loop: asyncio.AbstractEventLoop, path: str) -> asyncio.Server:
        try:
            _remove_stale(path)
            server = await loop.create_unix_server(self._protocol, path, backlog=BACKLOG)
        except OSError as error:
            raise StartRefused(
                f"cannot listen on the Unix socket {path}: {error.strerror or error}"
            ) from error
        self._unix_socket_is_ours = True
        return server

    def close(self) -> None:
        """Take no new clients."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        if self._unix_socket_is_ours:
            self._unix_socket_is_ours = False
            if os.path.exists(self._settings.unix_socket):
                os.unlink(self._settings.unix_socket)

    def shown(self) -> str:
        """Return the addresses for people."""
        unix = f" and {self._settings.unix_socket}" if self._settings.unix_socket else ""
        return f"{self._settings.host}:{self.port}{unix}"


def _keep_alive(listening: socket.socket) -> None:
    """Have the kernel look whether silent clients are still there; accepted sockets inherit it."""
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_S)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _PROBE_S)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)


def _remove_stale(path: str) -> None:
    """Remove a socket file that nobody listens on; raise `OSError` if anything else is there.

    The event loop would remove the socket of a living server as well.
    """
    if not os.path.lexists(path):
        return
    if not stat.S_ISSOCK(os.stat(path).st_mode):
        raise OSError(errno.EADDRINUSE, "there is a file, and it is no socket")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        else:
            raise OSError(errno.EADDRINUSE, "another process listens there")
