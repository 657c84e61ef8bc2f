"""Redis' commands about sets."""

from __future__ import annotations

from typing import Annotated

from respq.broker.call import Call
from respq.broker.command import Arg, Flags
from respq.broker.table import CommandTable
from respq.engine.keys import combine, sets
from respq.engine.keys.combine import Source
from respq.engine.keys.draws import Draws
from respq.engine.keys.sets import Set, TakenMembers
from respq.handlers.arguments import Cursor, Key
from respq.handlers.members import (
    CardLimit,
    DrawCount,
    Match,
    Member,
    PopCount,
    ScanCount,
    above_zero,
    check_draws,
    walked,
)
from respq.resp.replies import Reply, SetOf

TABLE = CommandTable()
_READ = Flags.READONLY | Flags.DRAIN
_GROW = Flags.WRITE | Flags.DENYOOM
_TAKE = Flags.WRITE | Flags.FAST
NumKeys = Annotated[
    int,
    Arg(
        above_zero("numkeys").read,
        kind="integer",
        counts=True,
        missing="Number of keys can't be greater than number of args",
    ),
]


def _read(call: Call, name: bytes) -> Set | None:
    return sets.read(call.engine, call.now_ms, call.db, name)


def _read_all(call: Call, names: tuple[bytes, ...]) -> list[Set]:
    return sets.read_all(call.engine, call.now_ms, call.db, names)


def _store(call: Call, destination: bytes, members: list[bytes]) -> int:
    return sets.store(call.engine, call.db, destination, members)


@TABLE.command("SADD", group="sets", since="0.1.0", flags=_GROW | Flags.FAST)
def sadd(call: Call, key: Key, *member: Member) -> Reply:
    """Put members into a set; return how many are new."""
    return sets.add(call.engine, call.now_ms, call.db, key, member)


@TABLE.command("SREM", group="sets", since="0.1.0", flags=_TAKE)
def srem(call: Call, key: Key, *member: Member) -> Reply:
    """Remove members; return how many there were."""
    return sets.remove(call.engine, call.now_ms, call.db, key, member)


@TABLE.command("SMEMBERS", group="sets", since="0.1.0", flags=_READ)
def smembers(call: Call, key: Key) -> Reply:
    """Return every member of a set."""
    return SetOf(_read(call, key) or ())


@TABLE.command("SISMEMBER", group="sets", since="0.1.0", flags=_READ | Flags.FAST)
def sismember(call: Call, key: Key, member: Member) -> Reply:
    """Tell whether a set has a member."""
    return int(member in (_read(call, key) or ()))


@TABLE.command("SMISMEMBER", group="sets", since="0.1.0", flags=_READ | Flags.FAST)
def smismember(call: Call, key: Key, *member: Member) -> Reply:
    """Tell of each of several members whether a set has it."""
    found = _read(call, key) or ()
    return [int(each in found) for each in member]


@TABLE.command("SCARD", group="sets", since="0.1.0", flags=_READ | Flags.FAST)
def scard(call: Call, key: Key) -> Reply:
    """Return how many members a set has."""
    return len(_read(call, key) or ())


@TABLE.command("SPOP", group="sets", since="0.1.0", flags=_TAKE)
def spop(call: Call, key: Key, count: PopCount = None) -> Reply:
    """Take members, drawn at random, out of a set."""
    found = call.engine.key_of(call.now_ms, call.db, key, Set)
    members: list[bytes] = []
    if found is not None and count != 0:
        members = sets.pop(call.engine, found, 1 if count is None else count)
        call.session.pops.append((TakenMembers(found, members), 0))
    if count is None:
        return members[0] if members else None
    return SetOf(members)


@TABLE.command("SRANDMEMBER", group="sets", since="0.1.0", flags=_READ)
def srandmember(call: Call, key: Key, count: DrawCount = None) -> Reply:
    """Return members drawn at random."""
    if count is not None:
        check_draws(count)
    found = _read(call, key)
    if count is None:
        return None if found is None else found.members.pick(Draws(call.engine).below)[0]
    if found is None:
        return ()
    return tuple([member for member, _ in Draws(call.engine).entries(found.members, count)])


@TABLE.command("SMOVE", group="sets", since="0.1.0", flags=_TAKE)
def smove(call: Call, source: Key, destination: Key, member: Member) -> Reply:
    """Move a member from one set to another; tell whether it was there."""
    return int(sets.move(call.engine, call.now_ms, call.db, source, destination, member))


@TABLE.command("SINTER", group="sets", since="0.1.0", flags=_READ)
def sinter(call: Call, *key: Key) -> Reply:
    """Return the members of all of several sets."""
    return SetOf(sets.intersection(_read_all(call, key)))


@TABLE.command("SINTERCARD", group="sets", since="0.1.0", flags=_READ)
def sintercard(call: Call, numkeys: NumKeys, *key: Key, limit: CardLimit = 0) -> Reply:
    """Count the members that all of several sets have."""
    return combine.intersection_count([Source(each) for each in _read_all(call, key)], limit)


@TABLE.command("SINTERSTORE", group="sets", since="0.1.0", flags=_GROW)
def sinterstore(call: Call, destination: Key, *key: Key) -> Reply:
    """Have a key be the intersection of several sets; return how many members it has."""
    return _store(call, destination, sets.intersection(_read_all(call, key)))


@TABLE.command("SUNION", group="sets", since="0.1.0", flags=_READ)
def sunion(call: Call, *key: Key) -> Reply:
    """Return the members of any of several sets."""
    return SetOf(sets.union(_read_all(call, key)))


@TABLE.command("SUNIONSTORE", group="sets", since="0.1.0", flags=_GROW)
def sunionstore(call: Call, destination: Key, *key: Key) -> Reply:
    """Have a key be the union of several sets; return how many members it has."""
    return _store(call, destination, sets.union(_read_all(call, key)))


@TABLE.command("SDIFF", group="sets", since="0.1.0", flags=_READ)
def sdiff(call: Call, *key: Key) -> Reply:
    """Return the members of the first of several sets that are in none of the others."""
    return SetOf(sets.difference(_read_all(call, key)))


@TABLE.command("SDIFFSTORE", group="sets", since="0.1.0", flags=_GROW)
def sdiffstore(call: Call, destination: Key, *key: Key) -> Reply:
    """Have a key be the difference of several sets; return how many members it has."""
    return _store(call, destination, sets.difference(_read_all(call, key)))


@TABLE.command("SSCAN", group="sets", since="0.1.0", flags=_READ)
def sscan(
    call: Call, key: Key, cursor: Cursor, *, match: Match = None, count: ScanCount = 10
) -> Reply:
    """Walk through the members of a set, some at a time."""
    scanned = _read(call, key)
    if scanned is None:
        return [b"0", ()]
    following, found = walked(scanned.members, cursor, match, count)
    return [following, tuple([member for member, _ in found])]
