"""Redis' commands about keys; queues are keys."""

from __future__ import annotations

from typing import Annotated

from respq.broker.call import Call
from respq.broker.command import Arg, Flags
from respq.broker.glob import glob
from respq.broker.table import CommandTable
from respq.handlers.arguments import Cursor, Key, Pattern, ScanCount
from respq.resp.replies import Reply, Simple

TABLE = CommandTable()
_READ = Flags.READONLY | Flags.DRAIN
_QUEUE_TYPE = Simple(b"queue")
_NO_TYPE = Simple(b"none")
Match = Annotated[bytes | None, Arg(bytes, kind="pattern", values=("pattern",), token=b"MATCH")]
Type = Annotated[bytes | None, Arg(bytes, values=("type",), token=b"TYPE")]


@TABLE.command("TYPE", group="keys", since="0.1.0", flags=_READ | Flags.FAST)
def type_of(call: Call, key: Key) -> Reply:
    """Tell what kind of value a key holds."""
    return _QUEUE_TYPE if key in call.engine.state.names[call.db] else _NO_TYPE


@TABLE.command("EXISTS", group="keys", since="0.1.0", flags=_READ | Flags.FAST)
def exists(call: Call, *key: Key) -> Reply:
    """Count how many of the keys exist; one named twice counts twice."""
    names = call.engine.state.names[call.db]
    return sum(each in names for each in key)


@TABLE.command("DEL", group="keys", since="0.1.0", flags=Flags.WRITE)
def delete(call: Call, *key: Key) -> Reply:
    """Remove keys with all they hold; return how many there were."""
    return sum(call.engine.drop_queue(call.db, each) for each in key)


@TABLE.command("KEYS", group="keys", since="0.1.0", flags=_READ, categories=("dangerous",))
def keys(call: Call, pattern: Pattern) -> Reply:
    """List the keys of this database whose names match a pattern."""
    matches = glob(pattern)
    return [name for name in call.engine.state.names[call.db] if matches(name)]


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
    # The cursor is the number of the last queue seen. Numbers only rise and never change,
    # so whatever is there from the first call to the last is returned, and once.
    matches = glob(match) if match is not None else None
    found: list[Reply] = []
    seen = 0
    last = 0
    for number in call.engine.state.queues.irange(cursor, inclusive=(False, True)):
        queue = call.engine.state.queues[number]
        if queue.db != call.db:
            continue
        if seen == count:
            return [b"%d" % last, found]
        seen += 1
        last = number
        wanted = type_name is None or type_name.lower() == b"queue"
        if wanted and (matches is None or matches(queue.name)):
            found.append(queue.name)
    return [b"0", found]


@TABLE.command("DBSIZE", group="keys", since="0.1.0", flags=_READ | Flags.FAST)
def dbsize(call: Call) -> Reply:
    """Return how many keys this database has."""
    return len(call.engine.state.names[call.db])
