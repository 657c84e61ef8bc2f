"""Redis' commands about strings."""

from __future__ import annotations

from typing import Annotated

from respq.broker.call import Call
from respq.broker.command import Arg, Flags
from respq.broker.table import CommandTable
from respq.engine.keys import strings
from respq.engine.keys.strings import INTEGER_MIN, String
from respq.errors import RespqError
from respq.handlers.arguments import Bulk, Key
from respq.handlers.expiry import (
    KEEP_TTL,
    PERSIST,
    GetExpiry,
    SetExpiry,
    instant_of,
    redis_integer,
)
from respq.resp.replies import OK, Reply

TABLE = CommandTable()
_READ = Flags.READONLY | Flags.DRAIN
_GROW = Flags.WRITE | Flags.DENYOOM
Integer = Annotated[int, Arg(redis_integer, kind="integer")]
Double = Annotated[bytes, Arg(bytes, kind="double")]
Condition = Annotated[bytes, Arg(bytes, words=(b"NX", b"XX"), excludes="condition")]
Get = Annotated[bool, Arg(bool, token=b"GET")]
Seconds = Annotated[bytes, Arg(bytes, kind="integer")]
Pairs = Annotated[bytes, Arg(bytes, kind="key", values=("key", "value"), is_key=True, step=2)]


def _get(call: Call, key: bytes) -> bytes | None:
    return strings.read(call.engine, call.now_ms, call.db, key)


def _set(call: Call, key: bytes, value: bytes, expires_ms: int | None = 0) -> None:
    strings.write(call.engine, call.now_ms, call.db, key, value, expires_ms=expires_ms)


@TABLE.command("GET", group="strings", since="0.1.0", flags=_READ | Flags.FAST)
def get(call: Call, key: Key) -> Reply:
    """Return a string."""
    return _get(call, key)


@TABLE.command("SET", group="strings", since="0.1.0", flags=_GROW)
def set_string(
    call: Call,
    key: Key,
    value: Bulk,
    *,
    condition: Condition = b"",
    get_old: Get = False,
    expiry: SetExpiry = None,
) -> Reply:
    """Set a string, whatever the key held before."""
    expires_ms: int | None = 0
    if expiry is not None:
        word, raw = expiry
        expires_ms = None if word == KEEP_TTL else instant_of(raw, word, call.now_ms, "set")
    old = _get(call, key) if get_old else None
    if condition:
        is_there = call.engine.has_name(call.now_ms, call.db, key)
        if is_there != (condition == b"XX"):
            return old
    _set(call, key, value, expires_ms)
    return old if get_old else OK


@TABLE.command("SETNX", group="strings", since="0.1.0", flags=_GROW | Flags.FAST)
def setnx(call: Call, key: Key, value: Bulk) -> Reply:
    """Set a string if there is no such key."""
    if call.engine.has_name(call.now_ms, call.db, key):
        return 0
    _set(call, key, value)
    return 1


@TABLE.command("SETEX", group="strings", since="0.1.0", flags=_GROW)
def setex(call: Call, key: Key, seconds: Seconds, value: Bulk) -> Reply:
    """Set a string that expires after some seconds."""
    _set(call, key, value, instant_of(seconds, b"EX", call.now_ms, "setex"))
    return OK


@TABLE.command("PSETEX", group="strings", since="0.1.0", flags=_GROW)
def psetex(call: Call, key: Key, milliseconds: Seconds, value: Bulk) -> Reply:
    """Set a string that expires after some milliseconds."""
    _set(call, key, value, instant_of(milliseconds, b"PX", call.now_ms, "psetex"))
    return OK


@TABLE.command("GETSET", group="strings", since="0.1.0", flags=_GROW | Flags.FAST)
def getset(call: Call, key: Key, value: Bulk) -> Reply:
    """Set a string, and return what it was."""
    old = _get(call, key)
    _set(call, key, value)
    return old


@TABLE.command("GETDEL", group="strings", since="0.1.0", flags=Flags.WRITE | Flags.FAST)
def getdel(call: Call, key: Key) -> Reply:
    """Return a string, and remove it."""
    old = _get(call, key)
    if old is not None:
        call.engine.remove_name(call.db, key)
    return old


@TABLE.command("GETEX", group="strings", since="0.1.0", flags=Flags.WRITE | Flags.FAST)
def getex(call: Call, key: Key, *, expiry: GetExpiry = None) -> Reply:
    """Return a string, and have it expire, or not."""
    found = call.engine.key_of(call.now_ms, call.db, key, String)
    if found is None:
        return None
    data = found.value.data
    if expiry is not None:
        word, raw = expiry
        until_ms = 0 if word == PERSIST else instant_of(raw, word, call.now_ms, "getex")
        call.engine.expire_key(call.now_ms, found, until_ms)
    return data


@TABLE.command("MGET", group="strings", since="0.1.0", flags=_READ | Flags.FAST)
def mget(call: Call, *key: Key) -> Reply:
    """Return several strings; null for a key that is none."""
    found = [call.engine.find_key(call.now_ms, call.db, each) for each in key]
    return [
        each.value.data if each is not None and isinstance(each.value, String) else None
        for each in found
    ]


@TABLE.command("MSET", group="strings", since="0.1.0", flags=_GROW)
def mset(call: Call, *pair: Pairs) -> Reply:
    """Set several strings, all or none."""
    for key in pair[::2]:
        call.engine.refuse_queue(call.db, key)
    for key, value in zip(pair[::2], pair[1::2], strict=True):
        _set(call, key, value)
    return OK


@TABLE.command("MSETNX", group="strings", since="0.1.0", flags=_GROW)
def msetnx(call: Call, *pair: Pairs) -> Reply:
    """Set several strings if there is none of the keys."""
    if any(call.engine.has_name(call.now_ms, call.db, key) for key in pair[::2]):
        return 0
    for key, value in zip(pair[::2], pair[1::2], strict=True):
        _set(call, key, value)
    return 1


@TABLE.command("APPEND", group="strings", since="0.1.0", flags=_GROW | Flags.FAST)
def append(call: Call, key: Key, value: Bulk) -> Reply:
    """Write behind the end of a string, and return how long it is then."""
    most = call.broker.settings.payload_bytes_max
    return strings.append(call.engine, call.now_ms, call.db, key, value, most)


@TABLE.command("STRLEN", group="strings", since="0.1.0", flags=_READ | Flags.FAST)
def strlen(call: Call, key: Key) -> Reply:
    """Return how many bytes a string has."""
    return len(_get(call, key) or b"")


@TABLE.command("INCR", group="strings", since="0.1.0", flags=_GROW | Flags.FAST)
def incr(call: Call, key: Key) -> Reply:
    """Add one to an integer."""
    return strings.add(call.engine, call.now_ms, call.db, key, 1)


@TABLE.command("DECR", group="strings", since="0.1.0", flags=_GROW | Flags.FAST)
def decr(call: Call, key: Key) -> Reply:
    """Subtract one from an integer."""
    return strings.add(call.engine, call.now_ms, call.db, key, -1)


@TABLE.command("INCRBY", group="strings", since="0.1.0", flags=_GROW | Flags.FAST)
def incrby(call: Call, key: Key, increment: Integer) -> Reply:
    """Add to an integer."""
    return strings.add(call.engine, call.now_ms, call.db, key, increment)


@TABLE.command("DECRBY", group="strings", since="0.1.0", flags=_GROW | Flags.FAST)
def decrby(call: Call, key: Key, decrement: Integer) -> Reply:
    """Subtract from an integer."""
    if decrement == INTEGER_MIN:
        raise RespqError("decrement would overflow")
    return strings.add(call.engine, call.now_ms, call.db, key, -decrement)


@TABLE.command("INCRBYFLOAT", group="strings", since="0.1.0", flags=_GROW | Flags.FAST)
def incrbyfloat(call: Call, key: Key, increment: Double) -> Reply:
    """Add to a number with decimals."""
    return strings.add_float(call.engine, call.now_ms, call.db, key, increment)


@TABLE.command("GETRANGE", group="strings", since="0.1.0", flags=_READ)
def getrange(call: Call, key: Key, start: Integer, end: Integer) -> Reply:
    """Return a part of a string, by its first and its last place."""
    return _part(call, key, start, end)


def _part(call: Call, key: bytes, start: int, end: int) -> bytes:
    data = _get(call, key) or b""
    if start < 0 and end < 0 and start > end:
        return b""
    first = max(0, start + len(data) if start < 0 else start)
    last = max(0, end + len(data) if end < 0 else end)
    return data[first : last + 1]


@TABLE.command("SUBSTR", group="strings", since="0.1.0", flags=_READ)
def substr(call: Call, key: Key, start: Integer, end: Integer) -> Reply:
    """Return a part of a string; an old name of GETRANGE."""
    return _part(call, key, start, end)


@TABLE.command("SETRANGE", group="strings", since="0.1.0", flags=_GROW)
def setrange(call: Call, key: Key, offset: Integer, value: Bulk) -> Reply:
    """Write into a string from some place on, and return how long it is then."""
    most = call.broker.settings.payload_bytes_max
    return strings.overwrite(call.engine, call.now_ms, call.db, key, offset, value, most)
