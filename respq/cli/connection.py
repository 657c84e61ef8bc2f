"""A connection to a running server, for commands that have something done by it."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

import hiredis

from respq.cli.settings import given
from respq.config import DATABASES, Settings
from respq.errors import BadSetting
from respq.resp.encoder import encode

_ANSWER_S = 30
"""How long one answer may take, the fsync of a slow disk included."""
_READ_BYTES = 64 * 1024
_PORT = Settings().port

Reply = Any
"""What hiredis makes of a reply: bytes, integers, lists, None, or a `hiredis.ReplyError`."""


class Unanswered(Exception):
    """The server could not be reached, or did not answer."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is, and how one gets in."""

    host: str = ""
    port: int = 0
    path: str = ""
    """Of a Unix socket, instead."""
    user: str = ""
    password: str = ""
    db: int = 0

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read redis://[[user]:password@]host[:port][/db], or unix://[[user]:password@]/path.

        Raises:
            BadSetting: it is neither.
        """
        shown = re.sub("//.*@", "//", url)
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as fault:
            raise BadSetting(f"'{shown}' is no address of a server: {fault}") from None
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        path = unquote(parts.path)
        if parts.query or parts.fragment:
            raise BadSetting(f"'{shown}' says more than address and database: leave it out")
        if parts.scheme == "unix" and path and not parts.hostname:
            return cls(path=path, user=user, password=password)
        if parts.scheme != "redis" or not parts.hostname:
            raise BadSetting(
                f"'{shown}' is no address of a server: give redis://host:port/database "
                "or unix:///path"
            )
        return cls(
            parts.hostname,
            _PORT if port is None else port,
            "",
            user,
            password,
            _database(shown, path),
        )

    @classmethod
    def default(cls) -> Address:
        """Return where a server with our environment and working directory would be."""
        host, port = given("host", os.environ), given("port", os.environ)
        # An address that stands for all interfaces can be listened on, not called.
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        return cls(host, port)

    def __str__(self) -> str:
        return self.path or f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def _database(url: str, path: str) -> int:
    digits = path.strip("/")
    if not digits:
        return 0
    if not (digits.isascii() and digits.isdigit()) or int(digits) >= DATABASES:
        raise BadSetting(f"'{url}' has no database: they are 0 to {DATABASES - 1}, not '{digits}'")
    return int(digits)


def _connected(address: Address) -> socket.socket:
    if not address.path:
        return socket.create_connection((address.host, address.port), _ANSWER_S)
    connected = socket.socket(socket.AF_UNIX)
    try:
        connected.settimeout(_ANSWER_S)
        connected.connect(address.path)
    except BaseException:
        connected.close()
        raise
    return connected


class Connection:
    """Requests and their answers; use it as a context manager."""

    def __init__(self, address: Address) -> None:
        """Connect, give the password if one is asked for, and choose the database.

        Raises:
            Unanswered: nobody is there, or whoever it is does not let us in.
        """
        self._address = address
        self._reader = hiredis.Reader()
        try:
            self._socket = _connected(address)
        except OSError as fault:
            raise self._unanswered(fault) from fault
        try:
            self._enter()
        except BaseException:
            self._socket.close()
            raise

    def _enter(self) -> None:
        password = self._address.password
        select = [b"SELECT", b"%d" % self._address.db]
        if not password:
            [answer] = self.ask([select])
            if not str(answer).startswith("NOAUTH"):
                return self._check(answer)
            password = given("password", os.environ)
            if not password:
                return self._check(answer)
        names = [self._address.user, password] if self._address.user else [password]
        words = [each.encode(errors="surrogateescape") for each in names]
        for answer in self.ask([[b"AUTH", *words], select]):
            self._check(answer)
        return None

    def _check(self, answer: Reply) -> None:
        if isinstance(answer, hiredis.ReplyError):
            raise Unanswered(f"{self._address} does not let us in: {answer}")

    def ask(self, requests: Sequence[Sequence[bytes]]) -> list[Reply]:
        """Send requests at once and return their answers, errors among them.

        Raises:
            Unanswered: the connection broke before all had come.
        """
        answers: list[Reply] = []
        try:
            self._socket.sendall(b"".join([encode([*each], 2) for each in requests]))
            while len(answers) < len(requests):
                answer = self._reader.gets()
                if answer is not False:
                    answers.append(answer)
                    continue
                received = self._socket.recv(_READ_BYTES)
                if not received:
                    raise ConnectionError("it closed the connection")
                self._reader.feed(received)
        except (OSError, hiredis.ProtocolError) as fault:
            raise self._unanswered(fault) from fault
        return answers

    def _unanswered(self, fault: Exception) -> Unanswered:
        return Unanswered(f"no answer from {self._address}: {fault}")

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()
