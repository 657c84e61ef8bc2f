"""CLIENT: the connections of the server, one's own and others'."""

from __future__ import annotations

from typing import Annotated

from respq.broker.call import Call
from respq.broker.command import Arg, Flags
from respq.broker.session import Session
from respq.broker.table import CommandTable
from respq.config import CLIENT_NAME_BYTES_MAX
from respq.engine.core import shown
from respq.errors import RespqError, SyntaxFault, Unblocked
from respq.handlers.arguments import Bulk, one_of, read_integer
from respq.resp.replies import OK, Reply, Verbatim

TABLE = CommandTable()
_OWN = Flags.STATELESS | Flags.LOADING | Flags.DRAIN | Flags.NOSCRIPT
_OTHERS = Flags.ADMIN | Flags.LOADING | Flags.DRAIN | Flags.NOSCRIPT
_USER = b"default"
_TYPES = (b"normal", b"master", b"replica", b"pubsub")


def _check_attribute(what: str, value: bytes) -> None:
    """Raise unless a value can stand in a line of CLIENT LIST."""
    if any(not 0x21 <= byte <= 0x7E for byte in value):
        raise RespqError(f"{what} cannot contain spaces, newlines or special characters.")
    if len(value) > CLIENT_NAME_BYTES_MAX:
        raise RespqError(f"{what} is {len(value)} bytes long, the limit is {CLIENT_NAME_BYTES_MAX}")


def read_client_name(raw: bytes) -> bytes:
    """Return the name that a client gives itself."""
    _check_attribute("Client names", raw)
    return raw


def _read_id(raw: bytes) -> int:
    try:
        number = read_integer(raw)
    except SyntaxFault:
        number = 0
    if number < 1:
        raise RespqError("client-id should be greater than 0")
    return number


def _read_ids(*raw: bytes) -> frozenset[int]:
    try:
        return frozenset(map(read_integer, raw))
    except SyntaxFault:
        raise RespqError("Invalid client ID") from None


def _read_type(raw: bytes) -> bytes:
    name = raw.lower()
    if name == b"slave":
        return b"replica"
    if name not in _TYPES:
        raise RespqError(f"Unknown client type '{shown(raw)}'")
    return name


def _read_user(raw: bytes) -> bytes:
    if raw != _USER:
        raise RespqError(f"No such user '{shown(raw)}'")
    return raw


Name = Annotated[bytes, Arg(read_client_name, values=("connection-name",))]
Number = Annotated[int, Arg(read_integer, kind="integer", values=("client-id",))]
Attribute = Annotated[bytes, Arg(bytes, values=("LIB-NAME|LIB-VER",))]
_ON_OFF = {b"ON": True, b"OFF": False}
Eviction = Annotated[bool, Arg(one_of("NO-EVICT", _ON_OFF), values=("ON|OFF",))]
Touching = Annotated[bool, Arg(one_of("NO-TOUCH", _ON_OFF), values=("ON|OFF",))]
TypeFilter = Annotated[
    bytes | None,
    Arg(
        _read_type,
        values=("NORMAL|MASTER|REPLICA|PUBSUB",),
        token=b"TYPE",
        excludes="filter",
    ),
]
IdsFilter = Annotated[
    frozenset[int] | None,
    Arg(
        _read_ids,
        kind="integer",
        values=("client-id",),
        token=b"ID",
        many=True,
        excludes="filter",
    ),
]
OldAddress = Annotated[bytes | None, Arg(bytes, values=("ip:port",))]
KillId = Annotated[int | None, Arg(_read_id, kind="integer", values=("client-id",), token=b"ID")]
KillType = Annotated[
    bytes | None, Arg(_read_type, values=("NORMAL|MASTER|REPLICA|PUBSUB",), token=b"TYPE")
]
KillUser = Annotated[bytes | None, Arg(_read_user, values=("username",), token=b"USER")]
KillAddress = Annotated[bytes | None, Arg(bytes, values=("ip:port",), token=b"ADDR")]
KillLocalAddress = Annotated[bytes | None, Arg(bytes, values=("ip:port",), token=b"LADDR")]
SkipMe = Annotated[
    bool | None,
    Arg(
        one_of("SKIPME", {b"YES": True, b"NO": False}),
        values=("YES|NO",),
        token=b"SKIPME",
    ),
]
Reason = Annotated[bytes, Arg(bytes, words=(b"TIMEOUT", b"ERROR"))]


@TABLE.command("CLIENT ID", group="connection", since="0.1.0", flags=_OWN)
def client_id(call: Call) -> Reply:
    """Return the number of this connection."""
    return call.session.id


@TABLE.command("CLIENT INFO", group="connection", since="0.1.0", flags=_OWN)
def client_info(call: Call) -> Reply:
    """Show this connection as CLIENT LIST does."""
    return Verbatim(_line(call.session, call.now_ms))


@TABLE.command("CLIENT LIST", group="connection", since="0.1.0", flags=_OTHERS | Flags.STATELESS)
def client_list(call: Call, *, kind: TypeFilter = None, ids: IdsFilter = None) -> Reply:
    """Show the connections, one a line."""
    sessions = call.broker.sessions.values()
    lines = [
        _line(session, call.now_ms)
        for session in sessions
        if (ids is None or session.id in ids) and kind in (None, _kind(session))
    ]
    return Verbatim(b"".join(lines))


@TABLE.command("CLIENT SETNAME", group="connection", since="0.1.0", flags=_OWN)
def client_setname(call: Call, name: Name) -> Reply:
    """Give this connection a name; an empty one takes it away."""
    call.session.name = name
    return OK


@TABLE.command("CLIENT GETNAME", group="connection", since="0.1.0", flags=_OWN)
def client_getname(call: Call) -> Reply:
    """Return the name of this connection."""
    return call.session.name or None


@TABLE.command("CLIENT SETINFO", group="connection", since="0.1.0", flags=_OWN)
def client_setinfo(call: Call, attribute: Attribute, value: Bulk) -> Reply:
    """Say which library this connection uses: LIB-NAME or LIB-VER."""
    session = call.session
    name = attribute.lower()
    if name not in (b"lib-name", b"lib-ver"):
        raise RespqError(f"Unrecognized option '{shown(attribute)}'")
    _check_attribute(shown(attribute), value)
    if name == b"lib-name":
        session.library = value
    else:
        session.library_version = value
    return OK


@TABLE.command("CLIENT KILL", group="connection", since="0.1.0", flags=_OTHERS)
def client_kill(
    call: Call,
    address: OldAddress = None,
    *,
    number: KillId = None,
    kind: KillType = None,
    user: KillUser = None,
    addr: KillAddress = None,
    laddr: KillLocalAddress = None,
    skipme: SkipMe = None,
) -> Reply:
    """Close the connection from an address, or those that all filters fit."""
    filters = (number, kind, user, addr, laddr, skipme)
    if address is not None:
        if any(each is not None for each in filters):
            raise SyntaxFault("syntax error: an address alone, or filters")
        if not _kill(call, addr=address, skipme=False):
            raise RespqError("No such client")
        return OK
    if all(each is None for each in filters):
        raise SyntaxFault("wrong number of arguments for 'client|kill' command")
    return _kill(call, number=number, kind=kind, addr=addr, laddr=laddr, skipme=skipme is not False)


@TABLE.command("CLIENT UNBLOCK", group="connection", since="0.1.0", flags=_OTHERS)
def client_unblock(call: Call, number: Number, *, reason: Reason = b"TIMEOUT") -> Reply:
    """End the wait of another connection, as if its time were over or with an error."""
    session = call.broker.sessions.get(number)
    if session is None:
        return 0
    error = Unblocked("client unblocked via CLIENT UNBLOCK") if reason == b"ERROR" else None
    return int(call.broker.unblock(session, error))


@TABLE.command(
    "CLIENT NO-EVICT", group="connection", since="0.1.0", flags=_OTHERS | Flags.STATELESS
)
def client_no_evict(call: Call, enabled: Eviction) -> Reply:
    """Accept Redis' wish to be spared when memory is short; no client is ever evicted."""
    call.session.no_evict = enabled
    return OK


@TABLE.command("CLIENT NO-TOUCH", group="connection", since="0.1.0", flags=_OWN)
def client_no_touch(call: Call, enabled: Touching) -> Reply:
    """Accept Redis' wish that reading a key shall not count as its use; nobody counts it."""
    call.session.no_touch = enabled
    return OK


def _kill(
    call: Call,
    *,
    number: int | None = None,
    kind: bytes | None = None,
    addr: bytes | None = None,
    laddr: bytes | None = None,
    skipme: bool,
) -> int:
    """Close every connection that fits; the caller's own one after its reply."""
    broker = call.broker
    fitting = [
        session
        for session in broker.sessions.values()
        if (number is None or session.id == number)
        and kind in (None, _kind(session))
        and (addr is None or _encoded(session.address) == addr)
        and (laddr is None or _encoded(session.local_address) == laddr)
        and not (skipme and session is call.session)
    ]
    for session in fitting:
        if session is call.session:
            session.closing = True
        else:
            broker.kill(session)
    return len(fitting)


def _line(session: Session, now_ms: int) -> bytes:
    """Return the facts of a connection in Redis' words and order.

    What only a Redis has (reply buffers of its own, redirection) is zero: parsers of this
    line ask for it.
    """
    unread_bytes, unsent_bytes = session.buffered()
    queued = session.queued
    command = session.command
    facts = {
        "id": session.id,
        "addr": session.address,
        "laddr": session.local_address,
        "fd": session.fd,
        "name": session.name.decode(),
        "age": max(0, now_ms - session.created_ms) // 1_000,
        "idle": max(0, now_ms - session.call.now_ms) // 1_000,
        "flags": _flags(session),
        "db": session.db,
        "sub": len(session.channels),
        "psub": len(session.patterns),
        "ssub": 0,
        "multi": -1 if queued is None else len(queued),
        "qbuf": unread_bytes,
        "qbuf-free": 0,
        "argv-mem": 0,
        "multi-mem": session.queued_bytes,
        "rbs": 0,
        "rbp": 0,
        "obl": unsent_bytes,
        "oll": 0,
        "omem": 0,
        "tot-mem": unread_bytes + unsent_bytes + session.queued_bytes,
        "events": "r",
        "cmd": "NULL" if command is None else command.full_name,
        "user": _USER.decode(),
        "redir": -1,
        "resp": session.protocol,
        "lib-name": session.library.decode(),
        "lib-ver": session.library_version.decode(),
    }
    return _encoded(" ".join(f"{name}={value}" for name, value in facts.items())) + b"\n"


def _kind(session: Session) -> bytes:
    """Return the type of a connection, by which they are filtered."""
    return b"pubsub" if session.is_subscribed else b"normal"


def _flags(session: Session) -> str:
    """Return Redis' letters for what a connection is in."""
    letters = "".join(
        letter
        for letter, holds in (
            ("P", session.is_subscribed),
            ("x", session.queued is not None),
            ("b", session.waiter is not None),
            ("c", session.closing),
            ("e", session.no_evict),
            ("T", session.no_touch),
        )
        if holds
    )
    return letters or "N"


def _encoded(address: str) -> bytes:
    """Return an address as bytes; the path of a Unix socket may be no text."""
    return address.encode(errors="surrogateescape")
