"""Redis' commands about the connection itself; CLIENT has a module of its own."""

from __future__ import annotations

import hmac
from typing import Annotated

from respq.broker.call import Call
from respq.broker.command import Arg, Flags
from respq.broker.table import CommandTable
from respq.config import DATABASES, REDIS_VERSION
from respq.errors import NoAuth, NoProto, RespqError, SyntaxFault, WrongPass
from respq.handlers.arguments import Bulk, Integer, read_integer
from respq.handlers.client import read_client_name
from respq.resp.replies import OK, Reply, Simple

TABLE = CommandTable()
_PONG = Simple(b"PONG")
_RESET = Simple(b"RESET")
_USER = b"default"
"""The one user that there is."""
_ANY_TIME = Flags.FAST | Flags.STATELESS | Flags.DRAIN
_BEFORE_AUTH = _ANY_TIME | Flags.NO_AUTH | Flags.LOADING | Flags.NOSCRIPT
_AT_LAST = _BEFORE_AUTH | Flags.NO_MULTI | Flags.SUBSCRIBED
_BAD_PROTOCOL = "Protocol version is not an integer or out of range"


def _read_protocol(raw: bytes) -> int:
    try:
        protocol = read_integer(raw)
    except SyntaxFault:
        raise SyntaxFault(_BAD_PROTOCOL) from None
    if protocol not in (2, 3):
        raise NoProto("unsupported protocol version")
    return protocol


def _read_credentials(username: bytes, password: bytes) -> tuple[bytes, bytes]:
    return username, password


Protocol = Annotated[int | None, Arg(_read_protocol, kind="integer", values=("protover",))]
Credentials = Annotated[
    tuple[bytes, bytes] | None,
    Arg(_read_credentials, values=("username", "password"), token=b"AUTH"),
]
SetName = Annotated[bytes | None, Arg(read_client_name, values=("clientname",), token=b"SETNAME")]
Username = Annotated[bytes | None, Arg(bytes, optional=True)]
Message = Annotated[bytes | None, Arg(bytes)]


@TABLE.command("HELLO", group="connection", since="0.1.0", flags=_BEFORE_AUTH)
def hello(
    call: Call,
    protover: Protocol = None,
    *,
    auth: Credentials = None,
    setname: SetName = None,
) -> Reply:
    """Choose the protocol of the connection, and show what the server is."""
    session = call.session
    if protover is None and (auth is not None or setname is not None):
        raise SyntaxFault(_BAD_PROTOCOL)
    if auth is not None:
        _authenticate(call, *auth)
    if not session.authenticated:
        raise NoAuth(
            "HELLO must be called with the client already authenticated, otherwise the "
            "HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client "
            "and select the RESP protocol version at the same time"
        )
    if setname is not None:
        session.name = setname
    if protover is not None:
        session.speak(protover)
    return {
        b"server": b"redis",
        b"version": REDIS_VERSION.encode(),
        b"proto": session.protocol,
        b"id": session.id,
        b"mode": b"standalone",
        b"role": b"master",
        b"modules": [],
    }


@TABLE.command("AUTH", group="connection", since="0.1.0", flags=_BEFORE_AUTH)
def auth(call: Call, username: Username, password: Bulk) -> Reply:
    """Prove to know the password of the server."""
    if username is None and not call.broker.settings.password:
        raise RespqError(
            "AUTH <password> called without any password configured for the default user. "
            "Are you sure your configuration is correct?"
        )
    _authenticate(call, _USER if username is None else username, password)
    return OK


@TABLE.command("PING", group="connection", since="0.1.0", flags=_ANY_TIME | Flags.SUBSCRIBED)
def ping(call: Call, message: Message = None) -> Reply:
    """Answer PONG, or the message."""
    if call.session.only_listens:
        return [b"pong", message or b""]
    return _PONG if message is None else message


@TABLE.command("ECHO", group="connection", since="0.1.0", flags=_ANY_TIME)
def echo(_: Call, message: Bulk) -> Reply:
    """Return the message."""
    return message


@TABLE.command("QUIT", group="connection", since="0.1.0", flags=_AT_LAST)
def quit_connection(call: Call) -> Reply:
    """Close the connection after this reply."""
    call.broker.stop_listening(call.session)
    call.session.closing = True
    return OK


@TABLE.command("RESET", group="connection", since="0.1.0", flags=_AT_LAST)
def reset(call: Call) -> Reply:
    """Bring the connection back to the state of a new one."""
    call.broker.stop_listening(call.session)
    call.session.start_over(authenticated=not call.broker.settings.password)
    return _RESET


@TABLE.command("SELECT", group="connection", since="0.1.0", flags=_ANY_TIME | Flags.LOADING)
def select(call: Call, index: Integer) -> Reply:
    """Choose the database of the connection; each is a namespace of its own."""
    if not 0 <= index < DATABASES:
        raise RespqError("DB index is out of range")
    call.session.select(index)
    return OK


def _authenticate(call: Call, username: bytes, password: bytes) -> None:
    """Take the session in, or raise `WrongPass`; without a password every one is right."""
    expected = call.broker.settings.password.encode()
    # The comparison takes as long for a wrong password that begins right as for any other.
    is_right = hmac.compare_digest(expected, password) or not expected
    if username != _USER or not is_right:
        raise WrongPass("invalid username-password pair or user is disabled.")
    call.session.authenticate()
