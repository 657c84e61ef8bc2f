"""Redis' commands about the server as a process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Annotated

from respq.broker.call import Call
from respq.broker.command import Arg, Flags
from respq.broker.glob import glob
from respq.broker.table import CommandTable
from respq.config import DATABASES, Settings
from respq.errors import RespqError
from respq.resp.replies import OK, Reply

TABLE = CommandTable()
_READ = Flags.STATELESS | Flags.LOADING | Flags.DRAIN
_SECRET = "password"

Parameter = Annotated[bytes, Arg(bytes, kind="pattern")]
Word = Annotated[bytes, Arg(bytes)]
Save = Annotated[bytes | None, Arg(bytes, words=(b"NOSAVE", b"SAVE"))]
Now = Annotated[bool, Arg(bool, token=b"NOW")]
Force = Annotated[bool, Arg(bool, token=b"FORCE")]


@TABLE.command("TIME", group="server", since="0.1.0", flags=_READ | Flags.FAST)
def time_of_day(call: Call) -> Reply:
    """Return the time of the server: unix seconds, and the microseconds of the second."""
    seconds, rest_ms = divmod(call.now_ms, 1_000)
    return [b"%d" % seconds, b"%d" % (rest_ms * 1_000)]


@TABLE.command(
    "CONFIG GET", group="server", since="0.1.0", flags=_READ | Flags.ADMIN | Flags.NOSCRIPT
)
def config_get(call: Call, *parameter: Parameter) -> Reply:
    """Return the settings whose names match, by Redis' names and by our own."""
    matchers = [glob(pattern.lower()) for pattern in parameter]
    return {
        name: value
        for name, value in _parameters(call.broker.settings)
        if any(matches(name) for matches in matchers)
    }


@TABLE.command("ROLE", group="server", since="0.1.0", flags=_READ | Flags.FAST | Flags.NOSCRIPT)
def role(call: Call) -> Reply:
    """Return what the server is to others: a master without replicas."""
    return [b"master", 0, []]


@TABLE.command("CLUSTER", group="server", since="0.1.0", flags=_READ)
def cluster(call: Call, *subcommand: Word) -> Reply:
    """Refuse, so that clients learn that the server is no part of a cluster."""
    raise RespqError("This instance has cluster support disabled")


@TABLE.command(
    "SHUTDOWN",
    group="server",
    since="0.1.0",
    flags=Flags.ADMIN | Flags.DRAIN | Flags.REFUSED_IN_MULTI | Flags.NOSCRIPT,
)
def shutdown(call: Call, *, save: Save = None, now: Now = False, force: Force = False) -> Reply:
    """Stop the server as SIGTERM does; with NOW it does not wait for acks."""
    broker = call.broker
    if save == b"SAVE" and broker.settings.memory and not force:
        raise RespqError(
            "Errors trying to SHUTDOWN: the server keeps no journal, so there is nothing to "
            "save to; say NOSAVE, or FORCE"
        )
    broker.stop_wanted = True
    broker.stop_now = broker.stop_now or now
    # As with Redis nobody gets a reply: clients take one for a refusal.
    broker.kill(call.session)
    return OK


def _parameters(settings: Settings) -> Iterator[tuple[bytes, bytes]]:
    """Yield names and values, Redis' first; what only the owner should know is not there."""
    redis = {
        "appendfsync": settings.fsync,
        "appendonly": not settings.memory,
        "bind": settings.host,
        "client-query-buffer-limit": settings.query_buffer_bytes_max,
        "databases": DATABASES,
        "dir": settings.data_dir,
        "loglevel": settings.log_level,
        "lua-time-limit": settings.script_ms_max,
        "maxclients": settings.maxclients,
        "maxmemory": settings.maxmemory,
        "maxmemory-policy": "noeviction",
        "port": settings.port,
        "proto-max-bulk-len": settings.payload_bytes_max,
        "protected-mode": settings.protected_mode,
        "save": "",
        "timeout": settings.idle_timeout_ms // 1_000,
        "unixsocket": settings.unix_socket,
    }
    own = {each.name: getattr(settings, each.name) for each in fields(Settings)}
    for name, value in (redis | own).items():
        if name != _SECRET:
            yield name.encode(), _shown(value)


def _shown(value: object) -> bytes:
    """Return a value as CONFIG GET writes it."""
    if isinstance(value, bool):
        return b"yes" if value else b"no"
    return str(value).encode(errors="surrogateescape")
