"""Redis' commands about keys, whatever they hold; queues are keys."""

from __future__ import annotations

from typing import Annotated

from respq.broker.call import Call
from respq.broker.command import Arg, Flags
from respq.broker.glob import glob
from respq.broker.table import CommandTable
from respq.config import DATABASES
from respq.engine.core import shown
from respq.engine.keys.keyed import QUEUE
from respq.engine.keys.space import AnyKey
from respq.errors import RespqError, WrongType
from respq.handlers.arguments import Cursor, Key, Pattern, ScanCount
from respq.handlers.expiry import later, redis_integer
from respq.resp.replies import OK, Reply, Simple

TABLE = CommandTable()
_READ = Flags.READONLY | Flags.DRAIN
_WRITE = Flags.WRITE
_DANGEROUS = ("dangerous",)
NO_KEY, NO_END = -2, -1
"""What TTL and its kin answer of a key that is not there, and of one that stays."""
Match = Annotated[bytes | None, Arg(bytes, kind="pattern", values=("pattern",), token=b"MATCH")]
Type = Annotated[bytes | None, Arg(bytes, values=("type",), token=b"TYPE")]
Integer = Annotated[int, Arg(redis_integer, kind="integer")]
Database = Annotated[
    int | None, Arg(redis_integer, kind="integer", values=("destination-db",), token=b"DB")
]
Replace = Annotated[bool, Arg(bool, token=b"REPLACE")]
Instant = Annotated[bytes, Arg(bytes, kind="integer")]
UnixTime = Annotated[bytes, Arg(bytes, kind="unix-time")]
Conditions = Annotated[bytes, Arg(bytes, values=("NX|XX|GT|LT",), optional=True)]
How = Annotated[bytes, Arg(bytes, words=(b"ASYNC", b"SYNC"), excludes="how")]


@TABLE.command("TYPE", group="keys", since="0.1.0", flags=_READ | Flags.FAST)
def type_of(call: Call, key: Key) -> Reply:
    """Tell what kind of value a key holds."""
    return Simple(call.engine.type_of(call.now_ms, call.db, key))


@TABLE.command("EXISTS", group="keys", since="0.1.0", flags=_READ | Flags.FAST)
def exists(call: Call, *key: Key) -> Reply:
    """Count how many of the keys exist; one named twice counts twice."""
    return _count(call, key)


def _count(call: Call, names: tuple[bytes, ...]) -> int:
    return sum([call.engine.has_name(call.now_ms, call.db, each) for each in names])


@TABLE.command("TOUCH", group="keys", since="0.1.0", flags=_READ | Flags.FAST)
def touch(call: Call, *key: Key) -> Reply:
    """Count how many of the keys exist, as EXISTS."""
    return _count(call, key)


@TABLE.command("DEL", group="keys", since="0.1.0", flags=_WRITE)
def delete(call: Call, *key: Key) -> Reply:
    """Remove keys with all they hold; return how many there were."""
    return _delete(call, key)


def _delete(call: Call, names: tuple[bytes, ...]) -> int:
    return sum([call.engine.delete_name(call.now_ms, call.db, each) for each in names])


@TABLE.command("UNLINK", group="keys", since="0.1.0", flags=_WRITE | Flags.FAST)
def unlink(call: Call, *key: Key) -> Reply:
    """Remove keys with all they hold, as DEL."""
    return _delete(call, key)


@TABLE.command("KEYS", group="keys", since="0.1.0", flags=_READ, categories=_DANGEROUS)
def keys(call: Call, pattern: Pattern) -> Reply:
    """List the keys of this database whose names match a pattern."""
    matches = glob(pattern)
    return [name for name in call.engine.all_names(call.now_ms, call.db) if matches(name)]


@TABLE.command("SCAN", group="keys", since="0.1.0", flags=_READ)
def scan(
    call: Call,
    cursor: Cursor,
    *,
    match: Match = None,
    count: ScanCount = 10,
    type_name: Type = None,
) -> Reply:
    """Walk through the keys of this database, some at a time."""
    # The cursor is the number of the last key seen. Numbers only rise and never change,
    # so whatever is there from the first call to the last is returned.
    matches = glob(match) if match is not None else None
    wanted = type_name.lower() if type_name is not None else None
    found: list[Reply] = []
    last = 0
    for seen, (number, name, kind) in enumerate(
        call.engine.names_after(call.now_ms, call.db, cursor)
    ):
        if seen == count:
            return [b"%d" % last, found]
        last = number
        if wanted in (None, kind) and (matches is None or matches(name)):
            found.append(name)
    return [b"0", found]


@TABLE.command("RANDOMKEY", group="keys", since="0.1.0", flags=_READ)
def randomkey(call: Call) -> Reply:
    """Return the name of some key."""
    return call.engine.random_name(call.now_ms, call.db)


@TABLE.command("DBSIZE", group="keys", since="0.1.0", flags=_READ | Flags.FAST)
def dbsize(call: Call) -> Reply:
    """Return how many keys this database has."""
    return call.engine.names_count(call.db)


@TABLE.command("RENAME", group="keys", since="0.1.0", flags=_WRITE)
def rename(call: Call, key: Key, newkey: Key) -> Reply:
    """Give a key another name; what had that name is gone."""
    _rename(call, key, newkey, replace=True)
    return OK


@TABLE.command("RENAMENX", group="keys", since="0.1.0", flags=_WRITE | Flags.FAST)
def renamenx(call: Call, key: Key, newkey: Key) -> Reply:
    """Give a key another name, if no key has it."""
    return int(_rename(call, key, newkey, replace=False))


def _rename(call: Call, name: bytes, new_name: bytes, *, replace: bool) -> bool:
    """Rename a key or a queue; return False for a name that is taken, if it is not to be."""
    engine, now_ms, db = call.engine, call.now_ms, call.db
    is_queue = engine.type_of(now_ms, db, name) == QUEUE
    key = None if is_queue else engine.key_present(now_ms, db, name)
    if not replace and engine.has_name(now_ms, db, new_name):
        return False
    if name == new_name:
        return True
    if key is not None:
        engine.place_key(key, db, new_name)
    else:
        engine.rename_queue(db, name, new_name)
    return True


@TABLE.command("COPY", group="keys", since="0.1.0", flags=_WRITE | Flags.DENYOOM)
def copy(
    call: Call, source: Key, destination: Key, *, db: Database = None, replace: Replace = False
) -> Reply:
    """Make a key like another."""
    target = call.db if db is None else _checked(db)
    if (target, destination) == (call.db, source):
        raise RespqError("source and destination objects are the same")
    engine, now_ms = call.engine, call.now_ms
    engine.refuse_queue(call.db, source)
    key = engine.find_key(now_ms, call.db, source)
    if key is None or (not replace and engine.has_name(now_ms, target, destination)):
        return 0
    engine.copy_key(key, target, destination)
    return 1


@TABLE.command("MOVE", group="keys", since="0.1.0", flags=_WRITE | Flags.FAST)
def move(call: Call, key: Key, db: Integer) -> Reply:
    """Take a key to another database."""
    engine, now_ms = call.engine, call.now_ms
    if _checked(db) == call.db:
        raise RespqError("source and destination objects are the same")
    engine.refuse_queue(call.db, key)
    found = engine.find_key(now_ms, call.db, key)
    if found is None or engine.has_name(now_ms, db, key):
        return 0
    engine.place_key(found, db, key)
    return 1


def _checked(db: int) -> int:
    if not 0 <= db < DATABASES:
        raise RespqError("DB index is out of range")
    return db


@TABLE.command("FLUSHDB", group="keys", since="0.1.0", flags=_WRITE, categories=_DANGEROUS)
def flushdb(call: Call, *, how: How = b"") -> Reply:
    """Remove every key and every queue of this database."""
    call.engine.flush(call.db)
    return OK


@TABLE.command("FLUSHALL", group="keys", since="0.1.0", flags=_WRITE, categories=_DANGEROUS)
def flushall(call: Call, *, how: How = b"") -> Reply:
    """Remove every key and every queue of all databases."""
    for db in range(DATABASES):
        call.engine.flush(db)
    return OK


@TABLE.command("EXPIRE", group="keys", since="0.1.0", flags=_WRITE | Flags.FAST)
def expire(call: Call, key: Key, seconds: Instant, *condition: Conditions) -> Reply:
    """Have a key expire after some seconds."""
    return _expire(call, key, seconds, 1_000, call.now_ms, "expire", condition)


@TABLE.command("PEXPIRE", group="keys", since="0.1.0", flags=_WRITE | Flags.FAST)
def pexpire(call: Call, key: Key, milliseconds: Instant, *condition: Conditions) -> Reply:
    """Have a key expire after some milliseconds."""
    return _expire(call, key, milliseconds, 1, call.now_ms, "pexpire", condition)


@TABLE.command("EXPIREAT", group="keys", since="0.1.0", flags=_WRITE | Flags.FAST)
def expireat(call: Call, key: Key, unix_time_seconds: UnixTime, *condition: Conditions) -> Reply:
    """Have a key expire at an instant in unix seconds."""
    return _expire(call, key, unix_time_seconds, 1_000, 0, "expireat", condition)


@TABLE.command("PEXPIREAT", group="keys", since="0.1.0", flags=_WRITE | Flags.FAST)
def pexpireat(
    call: Call, key: Key, unix_time_milliseconds: UnixTime, *condition: Conditions
) -> Reply:
    """Have a key expire at an instant in unix milliseconds."""
    return _expire(call, key, unix_time_milliseconds, 1, 0, "pexpireat", condition)


def _expire(
    call: Call,
    name: bytes,
    raw: bytes,
    unit: int,
    start: int,
    command: str,
    conditions: tuple[bytes, ...],
) -> int:
    wanted = _conditions(conditions)
    until_ms = later(raw, unit, start, command)
    if name in call.engine.state.names[call.db]:
        raise WrongType(
            f"queue '{shown(name)}' cannot expire: its jobs have a TTL, and an empty queue that "
            "nobody configured goes by itself"
        )
    key = call.engine.find_key(call.now_ms, call.db, name)
    if key is None or not _may_expire(key, until_ms, wanted):
        return 0
    # 0 would mean that it stays, and an instant before 1970 is as good as any that has passed.
    call.engine.expire_key(call.now_ms, key, max(1, until_ms))
    return 1


def _conditions(words: tuple[bytes, ...]) -> set[bytes]:
    wanted = set()
    for word in words:
        if word.upper() not in (b"NX", b"XX", b"GT", b"LT"):
            raise RespqError(f"Unsupported option {word.decode('utf-8', 'surrogateescape')}")
        wanted.add(word.upper())
    if b"NX" in wanted and len(wanted) > 1:
        raise RespqError("NX and XX, GT or LT options at the same time are not compatible")
    if {b"GT", b"LT"} <= wanted:
        raise RespqError("GT and LT options at the same time are not compatible")
    return wanted


def _may_expire(key: AnyKey, until_ms: int, wanted: set[bytes]) -> bool:
    now_until = key.expires_ms
    if b"NX" in wanted and now_until:
        return False
    if b"XX" in wanted and not now_until:
        return False
    if b"GT" in wanted and (not now_until or until_ms <= now_until):
        return False
    return not (b"LT" in wanted and now_until and until_ms >= now_until)


@TABLE.command("TTL", group="keys", since="0.1.0", flags=_READ | Flags.FAST)
def ttl(call: Call, key: Key) -> Reply:
    """Return in how many seconds a key expires."""
    return _in_seconds(_time_left(call, key))


@TABLE.command("PTTL", group="keys", since="0.1.0", flags=_READ | Flags.FAST)
def pttl(call: Call, key: Key) -> Reply:
    """Return in how many milliseconds a key expires."""
    return _time_left(call, key)


@TABLE.command("EXPIRETIME", group="keys", since="0.1.0", flags=_READ | Flags.FAST)
def expiretime(call: Call, key: Key) -> Reply:
    """Return when a key expires, in unix seconds."""
    return _in_seconds(_end(call, key))


@TABLE.command("PEXPIRETIME", group="keys", since="0.1.0", flags=_READ | Flags.FAST)
def pexpiretime(call: Call, key: Key) -> Reply:
    """Return when a key expires, in unix milliseconds."""
    return _end(call, key)


def _end(call: Call, name: bytes) -> int:
    key = call.engine.find_key(call.now_ms, call.db, name)
    if key is not None:
        return key.expires_ms or NO_END
    return NO_END if name in call.engine.state.names[call.db] else NO_KEY


def _time_left(call: Call, name: bytes) -> int:
    end = _end(call, name)
    return end - call.now_ms if end > 0 else end


def _in_seconds(milliseconds: int) -> int:
    return (milliseconds + 500) // 1_000 if milliseconds > 0 else milliseconds


@TABLE.command("PERSIST", group="keys", since="0.1.0", flags=_WRITE | Flags.FAST)
def persist(call: Call, key: Key) -> Reply:
    """Have a key not expire."""
    found = call.engine.find_key(call.now_ms, call.db, key)
    if found is None or not found.expires_ms:
        return 0
    call.engine.expire_key(call.now_ms, found, 0)
    return 1


@TABLE.command("OBJECT ENCODING", group="keys", since="0.1.0", flags=_READ)
def object_encoding(call: Call, key: Key) -> Reply:
    """Tell how the value of a key would lie in Redis' memory."""
    if call.engine.type_of(call.now_ms, call.db, key) == QUEUE:
        return QUEUE
    found = call.engine.find_key(call.now_ms, call.db, key)
    return None if found is None else found.value.encoding


@TABLE.command("OBJECT REFCOUNT", group="keys", since="0.1.0", flags=_READ)
def object_refcount(call: Call, key: Key) -> Reply:
    """Answer 1 for a key that is there."""
    return 1 if call.engine.has_name(call.now_ms, call.db, key) else None


@TABLE.command("OBJECT FREQ", group="keys", since="0.1.0", flags=_READ)
def object_freq(call: Call, key: Key) -> Reply:
    """Refuse, as Redis does where no key is ever evicted."""
    if not call.engine.has_name(call.now_ms, call.db, key):
        return None
    raise RespqError(
        "An LFU maxmemory policy is not selected, access frequency not tracked. Please note that "
        "when switching between policies at runtime LRU and LFU data will take some time to adjust."
    )
