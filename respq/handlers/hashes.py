"""Redis' commands about hashes."""

from __future__ import annotations

from typing import Annotated

from respq.broker.call import Call
from respq.broker.command import Arg, Flags, RunAnswer
from respq.broker.table import CommandTable
from respq.engine.engine import Engine
from respq.engine.keys import hashes
from respq.engine.keys.draws import Draws
from respq.engine.keys.hashes import Hash
from respq.engine.keys.strings import NOT_AN_INTEGER
from respq.errors import SyntaxFault
from respq.handlers.arguments import Bulk, Cursor, Key
from respq.handlers.members import DrawCount, Integer, Match, ScanCount, check_draws, walked
from respq.resp.encoder import encode_integers
from respq.resp.replies import OK, Reply

TABLE = CommandTable()
_READ = Flags.READONLY | Flags.DRAIN
_GROW = Flags.WRITE | Flags.DENYOOM
Double = Annotated[bytes, Arg(bytes, kind="double")]
Pairs = Annotated[bytes, Arg(bytes, values=("field", "value"), step=2)]
WithValues = Annotated[bool, Arg(bool, token=b"WITHVALUES")]


def _read(call: Call, name: bytes) -> Hash | None:
    return hashes.read(call.engine, call.now_ms, call.db, name)


def _put(call: Call, name: bytes, words: tuple[bytes, ...]) -> int:
    return hashes.put(call.engine, call.now_ms, call.db, name, words)


@TABLE.command("HSET", group="hashes", since="0.1.0", flags=_GROW | Flags.FAST)
def hset(call: Call, key: Key, *pair: Pairs) -> Reply:
    """Give fields of a hash values; return how many of them are new."""
    return _put(call, key, pair)


@TABLE.run("HSET", needs_queue=False)
def hset_run(
    engine: Engine, now_ms: int, db: int, key: bytes, fields: list[bytes], values: list[bytes]
) -> RunAnswer:
    """Give each field its value."""
    return encode_integers(hashes.put_each(engine, now_ms, db, key, fields, values)), []


@TABLE.command("HSETNX", group="hashes", since="0.1.0", flags=_GROW | Flags.FAST)
def hsetnx(call: Call, key: Key, field: Bulk, value: Bulk) -> Reply:
    """Give a field a value if it has none."""
    found = _read(call, key)
    if found is not None and found.find(field) is not None:
        return 0
    return _put(call, key, (field, value))


@TABLE.command("HMSET", group="hashes", since="0.1.0", flags=_GROW | Flags.FAST)
def hmset(call: Call, key: Key, *pair: Pairs) -> Reply:
    """Give fields of a hash values; an old name of HSET."""
    _put(call, key, pair)
    return OK


@TABLE.command("HGET", group="hashes", since="0.1.0", flags=_READ | Flags.FAST)
def hget(call: Call, key: Key, field: Bulk) -> Reply:
    """Return the value of a field."""
    found = _read(call, key)
    return found.find(field) if found is not None else None


@TABLE.command("HMGET", group="hashes", since="0.1.0", flags=_READ | Flags.FAST)
def hmget(call: Call, key: Key, *field: Bulk) -> Reply:
    """Return the values of fields; null for what is none."""
    found = _read(call, key)
    return [found.find(each) if found is not None else None for each in field]


@TABLE.command("HGETALL", group="hashes", since="0.1.0", flags=_READ)
def hgetall(call: Call, key: Key) -> Reply:
    """Return every field of a hash with its value."""
    found = _read(call, key)
    return dict(found.entries.items()) if found is not None else {}


@TABLE.command("HDEL", group="hashes", since="0.1.0", flags=Flags.WRITE | Flags.FAST)
def hdel(call: Call, key: Key, *field: Bulk) -> Reply:
    """Remove fields; return how many there were."""
    return hashes.remove(call.engine, call.now_ms, call.db, key, field)


@TABLE.command("HEXISTS", group="hashes", since="0.1.0", flags=_READ | Flags.FAST)
def hexists(call: Call, key: Key, field: Bulk) -> Reply:
    """Tell whether a hash has a field."""
    found = _read(call, key)
    return int(found is not None and found.find(field) is not None)


@TABLE.command("HLEN", group="hashes", since="0.1.0", flags=_READ | Flags.FAST)
def hlen(call: Call, key: Key) -> Reply:
    """Return how many fields a hash has."""
    found = _read(call, key)
    return len(found) if found is not None else 0


@TABLE.command("HKEYS", group="hashes", since="0.1.0", flags=_READ)
def hkeys(call: Call, key: Key) -> Reply:
    """Return every field of a hash."""
    found = _read(call, key)
    return tuple(found.entries) if found is not None else ()


@TABLE.command("HVALS", group="hashes", since="0.1.0", flags=_READ)
def hvals(call: Call, key: Key) -> Reply:
    """Return the value of every field of a hash."""
    found = _read(call, key)
    return tuple([value for _, value in found.entries.items()]) if found is not None else ()


@TABLE.command("HSTRLEN", group="hashes", since="0.1.0", flags=_READ | Flags.FAST)
def hstrlen(call: Call, key: Key, field: Bulk) -> Reply:
    """Return how long the value of a field is."""
    found = _read(call, key)
    value = found.find(field) if found is not None else None
    return len(value) if value is not None else 0


@TABLE.command("HINCRBY", group="hashes", since="0.1.0", flags=_GROW | Flags.FAST)
def hincrby(call: Call, key: Key, field: Bulk, increment: Integer) -> Reply:
    """Add to the integer that a field has, and return it."""
    return hashes.add(call.engine, call.now_ms, call.db, key, field, increment)


@TABLE.command("HINCRBYFLOAT", group="hashes", since="0.1.0", flags=_GROW | Flags.FAST)
def hincrbyfloat(call: Call, key: Key, field: Bulk, increment: Double) -> Reply:
    """Add to the number that a field has, and return it."""
    return hashes.add_float(call.engine, call.now_ms, call.db, key, field, increment)


@TABLE.command("HRANDFIELD", group="hashes", since="0.1.0", flags=_READ)
def hrandfield(
    call: Call, key: Key, count: DrawCount = None, *, withvalues: WithValues = False
) -> Reply:
    """Return fields drawn at random."""
    if count is None:
        if withvalues:
            raise SyntaxFault(NOT_AN_INTEGER)
        found = _read(call, key)
        return None if found is None else found.entries.pick(Draws(call.engine).below)[0]
    check_draws(count, in_pairs=withvalues)
    found = _read(call, key)
    if found is None:
        return ()
    pairs = Draws(call.engine).entries(found.entries, count)
    if not withvalues:
        return tuple([field for field, _ in pairs])
    if call.session.protocol == 3:
        return [[field, value] for field, value in pairs]
    return tuple([part for pair in pairs for part in pair])


@TABLE.command("HSCAN", group="hashes", since="0.1.0", flags=_READ)
def hscan(
    call: Call, key: Key, cursor: Cursor, *, match: Match = None, count: ScanCount = 10
) -> Reply:
    """Walk through the fields of a hash, some at a time."""
    scanned = _read(call, key)
    if scanned is None:
        return [b"0", ()]
    following, found = walked(scanned.entries, cursor, match, count)
    return [following, tuple([part for pair in found for part in pair])]
