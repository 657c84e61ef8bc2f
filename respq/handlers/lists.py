"""Redis' commands about lists."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Annotated, Final

from respq.broker.call import Call, Wait
from respq.broker.command import Arg, Flags, RunAnswer, near
from respq.broker.table import CommandTable
from respq.engine.engine import Engine
from respq.engine.keys import lists
from respq.engine.keys.key import Key as ListKey
from respq.engine.keys.lists import List, TakenItems
from respq.engine.keys.strings import INTEGER_MAX
from respq.errors import RespqError, SyntaxFault
from respq.handlers.arguments import Bulk, Key
from respq.handlers.expiry import redis_integer
from respq.handlers.members import Integer, MultiCount, NumKeys, at_least, pop_count
from respq.handlers.timeout import LastTimeout, Timeout, blocking_ms
from respq.resp.encoder import encode, encode_bulks, encode_integers
from respq.resp.replies import NULL_ARRAY, OK, Reply

TABLE = CommandTable()
_READ = Flags.READONLY | Flags.DRAIN
_GROW = Flags.WRITE | Flags.DENYOOM
_TAKE = Flags.WRITE
LEFT: Final = b"LEFT"
RIGHT: Final = b"RIGHT"


def _side(raw: bytes) -> bool:
    """Return whether it is the left one."""
    word = raw.upper()
    if word not in (LEFT, RIGHT):
        raise SyntaxFault(near(raw))
    return word == LEFT


def _behind(raw: bytes) -> bool:
    """Return whether it says AFTER."""
    word = raw.upper()
    if word not in (b"BEFORE", b"AFTER"):
        raise SyntaxFault(near(raw))
    return word == b"AFTER"


def _rank(raw: bytes) -> int:
    rank = redis_integer(raw)
    if rank < -INTEGER_MAX:
        raise RespqError(
            f"value is out of range, value must between {-INTEGER_MAX} and {INTEGER_MAX}"
        )
    if rank == 0:
        raise RespqError(
            "RANK can't be zero: use 1 to start from the first match, 2 from the second ... "
            "or use negative to start from the end of the list"
        )
    return rank


def _not_negative(option: bytes) -> Arg:
    """Return an option whose value is 0 or more, with Redis' error for what is not."""
    read = at_least(0, f"{option.decode()} can't be negative")
    shown = {b"COUNT": "num-matches", b"MAXLEN": "len"}[option]
    return Arg(read, kind="integer", values=(shown,), token=option)


Index = Annotated[bytes, Arg(bytes, kind="integer")]
"""Read when the list has been found, as in Redis."""
From = Annotated[bool, Arg(_side, values=("LEFT|RIGHT",))]
To = Annotated[bool, Arg(_side, values=("LEFT|RIGHT",))]
Where = Annotated[bool, Arg(_behind, values=("BEFORE|AFTER",))]
End = Annotated[bytes, Arg(bytes, words=(LEFT, RIGHT), excludes="end")]
PopCount = Annotated[int | None, Arg(pop_count, kind="integer")]
Rank = Annotated[int, Arg(_rank, kind="integer", values=("rank",), token=b"RANK")]
Matches = Annotated[int | None, _not_negative(b"COUNT")]
MaxLen = Annotated[int, _not_negative(b"MAXLEN")]


@TABLE.command("LPUSH", group="lists", since="0.1.0", flags=_GROW | Flags.FAST)
def lpush(call: Call, key: Key, *element: Bulk) -> Reply:
    """Put items before the first one of a list."""
    return lists.push(call.engine, call.now_ms, call.db, key, element, at_front=True)


@TABLE.command("RPUSH", group="lists", since="0.1.0", flags=_GROW | Flags.FAST)
def rpush(call: Call, key: Key, *element: Bulk) -> Reply:
    """Put items behind the last one of a list."""
    return lists.push(call.engine, call.now_ms, call.db, key, element, at_front=False)


@TABLE.command("LPUSHX", group="lists", since="0.1.0", flags=_GROW | Flags.FAST)
def lpushx(call: Call, key: Key, *element: Bulk) -> Reply:
    """Put items before the first one of a list, if it is there."""
    return lists.push_if_there(call.engine, call.now_ms, call.db, key, element, at_front=True)


@TABLE.command("RPUSHX", group="lists", since="0.1.0", flags=_GROW | Flags.FAST)
def rpushx(call: Call, key: Key, *element: Bulk) -> Reply:
    """Put items behind the last one of a list, if it is there."""
    return lists.push_if_there(call.engine, call.now_ms, call.db, key, element, at_front=False)


@TABLE.command("LPOP", group="lists", since="0.1.0", flags=_TAKE | Flags.FAST)
def lpop(call: Call, key: Key, count: PopCount = None) -> Reply:
    """Take the first items out of a list."""
    return _pop_some(call, key, count, at_front=True)


@TABLE.command("RPOP", group="lists", since="0.1.0", flags=_TAKE | Flags.FAST)
def rpop(call: Call, key: Key, count: PopCount = None) -> Reply:
    """Take the last items out of a list."""
    return _pop_some(call, key, count, at_front=False)


# Pipelines, and clients that ask at the same time, are runs.


@TABLE.run("LPUSH", needs_queue=False)
def lpush_run(engine: Engine, now_ms: int, db: int, key: bytes, elements: list[bytes]) -> RunAnswer:
    """Put each item before the first one of the list."""
    return _push_run(engine, now_ms, db, key, elements, at_front=True)


@TABLE.run("RPUSH", needs_queue=False)
def rpush_run(engine: Engine, now_ms: int, db: int, key: bytes, elements: list[bytes]) -> RunAnswer:
    """Put each item behind the last one of the list."""
    return _push_run(engine, now_ms, db, key, elements, at_front=False)


def _push_run(
    engine: Engine, now_ms: int, db: int, key: bytes, elements: list[bytes], *, at_front: bool
) -> RunAnswer:
    count = lists.push(engine, now_ms, db, key, elements, at_front=at_front)
    return encode_integers(range(count - len(elements) + 1, count + 1)), []


@TABLE.run("LPOP", needs_queue=False)
def lpop_run(engine: Engine, now_ms: int, db: int, key: bytes, requests: list[bytes]) -> RunAnswer:
    """Take the first item for each request, as far as they last."""
    return _pop_run(engine, now_ms, db, key, requests, at_front=True)


@TABLE.run("RPOP", needs_queue=False)
def rpop_run(engine: Engine, now_ms: int, db: int, key: bytes, requests: list[bytes]) -> RunAnswer:
    """Take the last item for each request, as far as they last."""
    return _pop_run(engine, now_ms, db, key, requests, at_front=False)


def _pop_run(
    engine: Engine, now_ms: int, db: int, name: bytes, requests: list[bytes], *, at_front: bool
) -> RunAnswer:
    key = engine.key_of(now_ms, db, name, List)
    if key is None:
        return [], []
    items = lists.pop(engine, key, len(requests), at_front=at_front)
    return encode_bulks(items), [(TakenItems(key, (item,), at_front), 0) for item in items]


def _pop_some(call: Call, name: bytes, count: int | None, *, at_front: bool) -> Reply:
    session = call.session
    key = call.engine.key_of(call.now_ms, call.db, name, List)
    if key is None:
        return None if count is None else NULL_ARRAY
    if count is None:
        item = lists.pop_one(call.engine, key, at_front=at_front)
        session.pops.append((TakenItems(key, (item,), at_front), 0))
        return item
    return _pop(call, key, count, at_front)


def _pop(call: Call, key: ListKey[List], count: int, at_front: bool) -> Reply:
    items = lists.pop(call.engine, key, count, at_front=at_front)
    if items:
        call.session.pops.append((TakenItems(key, items, at_front), 0))
    return tuple(items)


@TABLE.command("LLEN", group="lists", since="0.1.0", flags=_READ | Flags.FAST)
def llen(call: Call, key: Key) -> Reply:
    """Return how many items a list has."""
    items = lists.read(call.engine, call.now_ms, call.db, key)
    return items.count if items is not None else 0


@TABLE.command("LRANGE", group="lists", since="0.1.0", flags=_READ)
def lrange(call: Call, key: Key, start: Integer, stop: Integer) -> Reply:
    """Return the items from one index to another."""
    items = lists.read(call.engine, call.now_ms, call.db, key)
    if items is None:
        return []
    return tuple(items.slice(*lists.span_of(items, start, stop)))


@TABLE.command("LINDEX", group="lists", since="0.1.0", flags=_READ)
def lindex(call: Call, key: Key, index: Index) -> Reply:
    """Return the item at an index."""
    items = lists.read(call.engine, call.now_ms, call.db, key)
    if items is None:
        return None
    place = lists.place_of(items, redis_integer(index))
    return items.item(place) if place is not None else None


@TABLE.command("LPOS", group="lists", since="0.1.0", flags=_READ)
def lpos(
    call: Call,
    key: Key,
    element: Bulk,
    *,
    rank: Rank = 1,
    count: Matches = None,
    maxlen: MaxLen = 0,
) -> Reply:
    """Return at which indexes an item is in a list."""
    items = lists.read(call.engine, call.now_ms, call.db, key)
    places: list[int] = []
    if items is not None:
        found = items.places_of(element, maxlen or items.count, backward=rank < 0)
        first = abs(rank) - 1
        if first < items.count:
            most = items.count if count == 0 else count or 1
            places = [*islice(found, first, min(first + most, items.count))]
    if count is not None:
        return [*places]
    return places[0] if places else None


@TABLE.command("LSET", group="lists", since="0.1.0", flags=_GROW)
def lset(call: Call, key: Key, index: Index, element: Bulk) -> Reply:
    """Have another item be at an index."""
    found = call.engine.key_of(call.now_ms, call.db, key, List)
    if found is None:
        raise RespqError("no such key")
    lists.replace(call.engine, found, redis_integer(index), element)
    return OK


@TABLE.command("LINSERT", group="lists", since="0.1.0", flags=_GROW)
def linsert(call: Call, key: Key, where: Where, pivot: Bulk, element: Bulk) -> Reply:
    """Put an item before or behind another one."""
    found = call.engine.key_of(call.now_ms, call.db, key, List)
    if found is None:
        return 0
    return lists.insert(call.engine, found, pivot, element, behind=where)


@TABLE.command("LREM", group="lists", since="0.1.0", flags=_TAKE)
def lrem(call: Call, key: Key, count: Integer, element: Bulk) -> Reply:
    """Remove items that are this one; return how many there were."""
    found = call.engine.key_of(call.now_ms, call.db, key, List)
    return lists.remove(call.engine, found, count, element) if found is not None else 0


@TABLE.command("LTRIM", group="lists", since="0.1.0", flags=_TAKE)
def ltrim(call: Call, key: Key, start: Integer, stop: Integer) -> Reply:
    """Keep the items from one index to another, and no others."""
    found = call.engine.key_of(call.now_ms, call.db, key, List)
    if found is not None:
        lists.trim(call.engine, found, start, stop)
    return OK


@TABLE.command("LMOVE", group="lists", since="0.1.0", flags=_GROW)
def lmove(call: Call, source: Key, destination: Key, wherefrom: From, whereto: To) -> Reply:
    """Take an item off an end of a list, and put it at an end of another."""
    return _move(call, source, destination, wherefrom, whereto)


@TABLE.command("RPOPLPUSH", group="lists", since="0.1.0", flags=_GROW)
def rpoplpush(call: Call, source: Key, destination: Key) -> Reply:
    """Take the last item of a list, and put it before the first one of another."""
    return _move(call, source, destination, False, True)


def _move(
    call: Call, source: bytes, destination: bytes, from_front: bool, to_front: bool
) -> bytes | None:
    return lists.move(
        call.engine,
        call.now_ms,
        call.db,
        source,
        destination,
        from_front=from_front,
        to_front=to_front,
    )


@TABLE.command("LMPOP", group="lists", since="0.1.0", flags=_TAKE)
def lmpop(call: Call, numkeys: NumKeys, *key: Key, end: End, count: MultiCount = 1) -> Reply:
    """Take items out of the first of several lists that is there."""
    popped = _pop_first(call, key, count, end == LEFT)
    return NULL_ARRAY if popped is None else popped


def _pop_first(
    call: Call, names: Sequence[bytes], count: int, at_front: bool
) -> list[Reply] | None:
    """Pop from the first of these that is a list; None if there is none."""
    for name in names:
        key = call.engine.key_of(call.now_ms, call.db, name, List)
        if key is not None:
            return [name, _pop(call, key, count, at_front)]
    return None


@TABLE.command("BLPOP", group="lists", since="0.1.0", flags=_TAKE | Flags.BLOCKING | Flags.NOSCRIPT)
def blpop(call: Call, *key: Key, timeout: LastTimeout) -> Reply | Wait:
    """Take the first item out of a list, or wait for one."""
    return _pop_or_wait(call, key, timeout, at_front=True)


@TABLE.command("BRPOP", group="lists", since="0.1.0", flags=_TAKE | Flags.BLOCKING | Flags.NOSCRIPT)
def brpop(call: Call, *key: Key, timeout: LastTimeout) -> Reply | Wait:
    """Take the last item out of a list, or wait for one."""
    return _pop_or_wait(call, key, timeout, at_front=False)


@TABLE.run("BLPOP", needs_queue=False)
def blpop_run(engine: Engine, now_ms: int, db: int, key: bytes, timeouts: list[bytes]) -> RunAnswer:
    """Take the first item for each request, as far as they last."""
    return _pop_named_run(engine, now_ms, db, key, timeouts, at_front=True)


@TABLE.run("BRPOP", needs_queue=False)
def brpop_run(engine: Engine, now_ms: int, db: int, key: bytes, timeouts: list[bytes]) -> RunAnswer:
    """Take the last item for each request, as far as they last."""
    return _pop_named_run(engine, now_ms, db, key, timeouts, at_front=False)


def _pop_named_run(
    engine: Engine, now_ms: int, db: int, name: bytes, timeouts: list[bytes], *, at_front: bool
) -> RunAnswer:
    for timeout in set(timeouts):
        blocking_ms(timeout, now_ms)
    replies, pops = _pop_run(engine, now_ms, db, name, timeouts, at_front=at_front)
    head = b"*2\r\n" + encode(name, 2)
    return [head + reply for reply in replies], pops


def _pop_or_wait(
    call: Call, names: tuple[bytes, ...], timeout: bytes, *, at_front: bool
) -> Reply | Wait:
    timeout_ms = blocking_ms(timeout, call.now_ms)
    for name in names:
        key = call.engine.key_of(call.now_ms, call.db, name, List)
        if key is not None:
            item = lists.pop_one(call.engine, key, at_front=at_front)
            call.session.pops.append((TakenItems(key, (item,), at_front), 0))
            return name, item
    return Wait(names, timeout_ms, NULL_ARRAY)


@TABLE.command("BLMPOP", group="lists", since="0.1.0", flags=_TAKE | Flags.BLOCKING)
def blmpop(
    call: Call, timeout: Timeout, numkeys: NumKeys, *key: Key, end: End, count: MultiCount = 1
) -> Reply | Wait:
    """Take items out of the first of several lists that is there, or wait for one."""
    timeout_ms = blocking_ms(timeout, call.now_ms)
    popped = _pop_first(call, key, count, end == LEFT)
    return Wait(key, timeout_ms, NULL_ARRAY) if popped is None else popped


@TABLE.command(
    "BLMOVE", group="lists", since="0.1.0", flags=_GROW | Flags.BLOCKING | Flags.NOSCRIPT
)
def blmove(
    call: Call, source: Key, destination: Key, wherefrom: From, whereto: To, timeout: Timeout
) -> Reply | Wait:
    """Take an item off an end of a list, and put it at an end of another; or wait for one."""
    return _move_or_wait(call, source, destination, timeout, wherefrom, whereto)


@TABLE.command(
    "BRPOPLPUSH", group="lists", since="0.1.0", flags=_GROW | Flags.BLOCKING | Flags.NOSCRIPT
)
def brpoplpush(call: Call, source: Key, destination: Key, timeout: Timeout) -> Reply | Wait:
    """Take the last item of a list, and put it before the first one of another; or wait for one."""
    return _move_or_wait(call, source, destination, timeout, False, True)


def _move_or_wait(
    call: Call,
    source: bytes,
    destination: bytes,
    timeout: bytes,
    from_front: bool,
    to_front: bool,
) -> Reply | Wait:
    timeout_ms = blocking_ms(timeout, call.now_ms)
    item = _move(call, source, destination, from_front, to_front)
    # Where nothing blocks, Redis has no array be null but the item.
    return Wait((source,), timeout_ms, NULL_ARRAY, null_inside=True) if item is None else item
