"""Redis' commands about streams, but for consumer groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import islice
from typing import Annotated, Final

from respq.broker.call import Call, Wait
from respq.broker.command import Arg, ArgGroup, Flags
from respq.broker.table import CommandTable
from respq.engine.keys import streams
from respq.engine.keys.ids import NewId, parse_end, parse_id, parse_new_id, parse_start, show_id
from respq.engine.keys.streams import TRIM_LIMIT, Entry, Stream, Trim
from respq.errors import RespqError, SyntaxFault
from respq.handlers.arguments import Key
from respq.handlers.expiry import redis_integer
from respq.handlers.timeout import blocking_whole_ms
from respq.resp.replies import NULL_ARRAY, OK, Reply

TABLE = CommandTable()
_READ = Flags.READONLY | Flags.DRAIN
_GROW = Flags.WRITE | Flags.DENYOOM
_FULL_COUNT: Final = 10


def _not_below_zero(what: str) -> Callable[[bytes], int]:
    def read(raw: bytes) -> int:
        number = redis_integer(raw)
        if number < 0:
            raise RespqError(f"The {what} argument must be >= 0.")
        return number

    return read


def _entries_added(raw: bytes) -> int:
    number = redis_integer(raw)
    if number < 0:
        raise RespqError("entries_added must be positive")
    return number


def _trim(
    *,
    maxlen: tuple[bytes, int] | None = None,
    minid: tuple[bytes, int] | None = None,
    limit: int | None = None,
) -> Trim:
    """Return what is to be removed, from its options."""
    sign, threshold = maxlen or minid or (b"", 0)
    if limit and maxlen is minid is None:
        raise SyntaxFault(
            "syntax error, LIMIT cannot be used without specifying a trimming strategy"
        )
    approximate = sign == b"~"
    if limit is not None and not approximate:
        raise SyntaxFault("syntax error, LIMIT cannot be used without the special ~ option")
    if limit is None:
        limit = TRIM_LIMIT if approximate else 0
    if maxlen is None:
        return Trim(None, threshold, approximate, limit)
    return Trim(threshold, 0, approximate, limit)


_SIGNS: Final = (b"=", b"~")
_MAXLEN: Final = Arg(
    lambda sign, raw: (sign, _not_below_zero("MAXLEN")(raw)),
    kind="integer",
    values=("threshold",),
    token=b"MAXLEN",
    signs=_SIGNS,
    excludes="strategy",
)
_MINID: Final = Arg(
    lambda sign, raw: (sign, parse_id(raw)),
    values=("threshold",),
    token=b"MINID",
    signs=_SIGNS,
    excludes="strategy",
)
_LIMIT: Final = Arg(_not_below_zero("LIMIT"), kind="integer", values=("count",), token=b"LIMIT")
_TRIMS: Final = {"maxlen": _MAXLEN, "minid": _MINID, "limit": _LIMIT}
TrimTerms = Annotated[Trim, ArgGroup(_trim, _TRIMS)]
LeadingTrim = Annotated[
    Trim | None,
    ArgGroup(_trim, {name: replace(arg, leads=True) for name, arg in _TRIMS.items()}),
]
NoMkStream = Annotated[bool, Arg(bool, token=b"NOMKSTREAM", leads=True)]
EntryId = Annotated[NewId | None, Arg(parse_new_id, values=("id",), behind_leads=True)]
Pairs = Annotated[bytes, Arg(bytes, values=("field", "value"), step=2)]
Ids = Annotated[bytes, Arg(bytes)]
Start = Annotated[int, Arg(parse_start)]
End = Annotated[int, Arg(parse_end)]
_COUNT: Final = Arg(redis_integer, kind="integer", values=("count",), token=b"COUNT")
Count = Annotated[int | None, _COUNT]
LeadingCount = Annotated[int, replace(_COUNT, leads=True)]
Block = Annotated[
    bytes | None,
    Arg(bytes, kind="integer", values=("milliseconds",), token=b"BLOCK", leads=True),
]
Streams = Annotated[
    bytes,
    Arg(bytes, kind="key", values=("key", "id"), is_key=True, step=2, token=b"STREAMS"),
]
Id = Annotated[int, Arg(parse_id)]
EntriesAdded = Annotated[
    int | None,
    Arg(_entries_added, kind="integer", values=("entries-added",), token=b"ENTRIESADDED"),
]
MaxDeletedId = Annotated[int, Arg(parse_id, values=("max-deleted-id",), token=b"MAXDELETEDID")]
Full = Annotated[bool, Arg(bool, token=b"FULL")]


def _read(call: Call, name: bytes) -> Stream | None:
    return streams.read(call.engine, call.now_ms, call.db, name)


def _shown(entries: Iterable[Entry]) -> list[Reply]:
    return [[show_id(entry_id), row] for entry_id, row in entries]


@TABLE.command("XADD", group="streams", since="0.1.0", flags=_GROW | Flags.FAST)
def xadd(
    call: Call,
    key: Key,
    entry_id: EntryId,
    *pair: Pairs,
    nomkstream: NoMkStream = False,
    trim: LeadingTrim = None,
) -> Reply:
    """Put an entry at the end of a stream; return its id."""
    if len(pair) % 2:
        raise SyntaxFault("wrong number of arguments for 'xadd' command")
    added = streams.add(
        call.engine,
        call.now_ms,
        call.db,
        key,
        entry_id,
        pair,
        trim=trim,
        may_make=not nomkstream,
    )
    return None if added is None else show_id(added)


@TABLE.command("XLEN", group="streams", since="0.1.0", flags=_READ | Flags.FAST)
def xlen(call: Call, key: Key) -> Reply:
    """Return how many entries a stream has."""
    stream = _read(call, key)
    return stream.length if stream is not None else 0


@TABLE.command("XRANGE", group="streams", since="0.1.0", flags=_READ)
def xrange(call: Call, key: Key, start: Start, end: End, *, count: Count = None) -> Reply:
    """Return the entries from one id to another."""
    return _between(call, key, start, end, count)


@TABLE.command("XREVRANGE", group="streams", since="0.1.0", flags=_READ)
def xrevrange(call: Call, key: Key, end: End, start: Start, *, count: Count = None) -> Reply:
    """Return the entries from one id back to another, the last first."""
    return _between(call, key, start, end, count, backward=True)


def _between(
    call: Call, key: bytes, start: int, end: int, count: int | None, *, backward: bool = False
) -> Reply:
    stream = _read(call, key)
    if stream is None:
        return []
    if count is not None and count <= 0:
        return NULL_ARRAY
    found = stream.entries_backward(start, end) if backward else stream.entries(start, end)
    return _shown(islice(found, count))


@TABLE.command("XREAD", group="streams", since="0.1.0", flags=Flags.READONLY | Flags.BLOCKING)
def xread(
    call: Call, *stream: Streams, count: LeadingCount = 0, block: Block = None
) -> Reply | Wait:
    """Return what comes behind an id in each of several streams, or wait for it."""
    timeout_ms = None
    if block is not None:
        if call.broker.scripts.own(call.session):
            raise RespqError("xread command is not allowed with BLOCK option from scripts")
        timeout_ms = blocking_whole_ms(block, call.now_ms)
    names, words = stream[: len(stream) // 2], stream[len(stream) // 2 :]
    read = []
    for name, word in zip(names, words, strict=True):
        each = _read(call, name)
        read.append((name, each, _behind(each, word)))
    most = count if count > 0 else None
    found = [
        (name, _shown(islice(each.entries(entry_id + 1), most)))
        for name, each, entry_id in read
        if each is not None and each.top_id > entry_id
    ]
    if found:
        return dict(found) if call.session.protocol == 3 else [[*each] for each in found]
    if timeout_ms is None:
        return NULL_ARRAY
    # ``$`` is the last id of now, whatever comes before there is news.
    behind = [show_id(entry_id) for _, _, entry_id in read]
    return Wait(names, timeout_ms, NULL_ARRAY, arguments=(*names, *behind))


def _behind(stream: Stream | None, word: bytes) -> int:
    """Return the id behind which a client wants to read on."""
    if word == b"$":
        return stream.last_id if stream is not None else 0
    if word == b">":
        raise RespqError(
            "The > ID can be specified only when calling XREADGROUP using the GROUP "
            "<group> <consumer> option."
        )
    return parse_id(word)


@TABLE.command("XTRIM", group="streams", since="0.1.0", flags=Flags.WRITE)
def xtrim(call: Call, key: Key, *, trim: TrimTerms) -> Reply:
    """Remove entries in front of a stream; return how many."""
    found = call.engine.key_of(call.now_ms, call.db, key, Stream)
    if found is None:
        return 0
    return streams.trim_key(call.engine, found, trim)


@TABLE.command("XDEL", group="streams", since="0.1.0", flags=Flags.WRITE | Flags.FAST)
def xdel(call: Call, key: Key, *entry_id: Ids) -> Reply:
    """Remove entries by their ids; return how many there were."""
    found = call.engine.key_of(call.now_ms, call.db, key, Stream)
    if found is None:
        return 0
    return streams.remove(call.engine, found, [*map(parse_id, entry_id)])


@TABLE.command("XSETID", group="streams", since="0.1.0", flags=_GROW | Flags.FAST)
def xsetid(
    call: Call,
    key: Key,
    last_id: Id,
    *,
    entries_added: EntriesAdded = None,
    max_deleted_id: MaxDeletedId = 0,
) -> Reply:
    """Have a stream go on behind an id."""
    if last_id < max_deleted_id:
        raise RespqError(
            "The ID specified in XSETID is smaller than the provided max_deleted_entry_id"
        )
    found = streams.present(call.engine, call.now_ms, call.db, key)
    streams.set_last_id(call.engine, found, last_id, entries_added, max_deleted_id)
    return OK


@TABLE.command("XINFO STREAM", group="streams", since="0.1.0", flags=_READ)
def xinfo_stream(call: Call, key: Key, *, full: Full = False, count: Count = None) -> Reply:
    """Return the figures of a stream, with its ends or its first entries."""
    if count is not None and not full:
        raise SyntaxFault("syntax error: COUNT belongs to FULL")
    stream = streams.present(call.engine, call.now_ms, call.db, key).value
    figures: dict[bytes, Reply] = {
        b"length": stream.length,
        b"radix-tree-keys": len(stream.blocks),
        b"radix-tree-nodes": len(stream.blocks) + 1,
        b"last-generated-id": show_id(stream.last_id),
        b"max-deleted-entry-id": show_id(stream.deleted_id),
        b"entries-added": stream.entries_added,
        b"recorded-first-entry-id": show_id(stream.first_id),
    }
    if full:
        most = _FULL_COUNT if count is None or count < 0 else count or None
        figures[b"entries"] = _shown(islice(stream.entries(0), most))
        figures[b"groups"] = []
        return figures
    figures[b"groups"] = 0
    first = _shown(islice(stream.entries(0), 1))
    last = _shown(stream.entries(stream.top_id)) if stream.length else []
    figures[b"first-entry"] = first[0] if first else None
    figures[b"last-entry"] = last[0] if last else None
    return figures
