"""A connection to a running server, for commands that have something done by it."""

from __future__ import annotations

import os
import re
import socket
import ssl
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
_REDIS_PORT = 6379
_REDIS_DATABASES_MAX = 2**31
"""Redis has as many as its settings say."""
_PASSWORD_OF_REDIS = "REDISCLI_AUTH"
"""The variable from which redis-cli takes the password."""

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
    db: int | None = None
    """None for one that names no database, which is 0 where one is needed."""
    tls: bool = False

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read redis://[[user]:password@]host[:port][/db], or unix://[[user]:password@]/path.

        Raises:
            BadSetting: it is neither.
        """
        return _address(url, _PORT, DATABASES, {"redis": False})

    @classmethod
    def parse_redis(cls, url: str) -> Address:
        """Read the same for a Redis: with its port, any database, and rediss:// for TLS."""
        return _address(url, _REDIS_PORT, _REDIS_DATABASES_MAX, {"redis": False, "rediss": True})

    @classmethod
    def default(cls) -> Address:
        """Return where a server with our environment and working directory would be."""
        host, port = given("host", os.environ), given("port", os.environ)
        # An address that stands for all interfaces can be listened on, not called.
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        return cls(host, port)

    def __str__(self) -> str:
        return self.path or f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def _address(url: str, port_unsaid: int, databases: int, schemes: dict[str, bool]) -> Address:
    """Read an address.

    Args:
        url: as the user gave it.
        port_unsaid: where it names none.
        databases: how many there are.
        schemes: that go over a network, and whether by TLS.
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
        return Address(path=path, user=user, password=password)
    if parts.scheme not in schemes or not parts.hostname:
        places = [f"{each}://host:port/database" for each in schemes]
        raise BadSetting(
            f"'{shown}' is no address of a server: give {', '.join(places)} or unix:///path"
        )
    return Address(
        parts.hostname,
        port_unsaid if port is None else port,
        "",
        user,
        password,
        _database(shown, path, databases),
        schemes[parts.scheme],
    )


def _database(url: str, path: str, databases: int) -> int | None:
    digits = path.strip("/")
    if not digits:
        return None
    if not (digits.isascii() and digits.isdigit()) or int(digits) >= databases:
        raise BadSetting(f"'{url}' has no database: they are 0 to {databases - 1}, not '{digits}'")
    return int(digits)


def _connected(address: Address) -> socket.socket:
    if not address.path:
        reached = socket.create_connection((address.host, address.port), _ANSWER_S)
        if not address.tls:
            return reached
        try:
            # SSL_CERT_FILE names an authority of one's own.
            return ssl.create_default_context().wrap_socket(reached, server_hostname=address.host)
        except BaseException:
            reached.close()
            raise
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

    def __init__(self, address: Address, *, to_redis: bool = False) -> None:
        """Connect, give the password if one is asked for, and choose the database.

        Args:
            address: of the server. If it has no password, and one is asked for, it is that of
                our settings, or
            to_redis: that which redis-cli would take from the environment.

        Raises:
            Unanswered: nobody is there, or whoever it is does not let us in.
        """
        self._address = address
        self._to_redis = to_redis
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
        select = [b"SELECT", b"%d" % (self._address.db or 0)]
        if not password:
            [answer] = self.ask([select])
            if not str(answer).startswith("NOAUTH"):
                return self._check(answer)
            password = self._password_unsaid()
            if not password:
                return self._check(answer)
        names = [self._address.user, password] if self._address.user else [password]
        words = [each.encode(errors="surrogateescape") for each in names]
        for answer in self.ask([[b"AUTH", *words], select]):
            self._check(answer)
        return None

    def _password_unsaid(self) -> str:
        if self._to_redis:
            return os.environ.get(_PASSWORD_OF_REDIS, "")
        return str(given("password", os.environ))

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
        except OSError as fault:
            raise self._unanswered(fault) from fault
        except hiredis.ProtocolError as fault:
            raise Unanswered(f"{self._address} does not speak the protocol of Redis") from fault
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
