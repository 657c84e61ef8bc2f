"""Redis' commands about sorted sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

from respq.broker.call import Call, Wait
from respq.broker.command import Arg, Flags, RunAnswer
from respq.broker.table import CommandTable
from respq.engine.core import shown
from respq.engine.engine import Engine
from respq.engine.keys import combine, zsets
from respq.engine.keys.combine import MAX, MIN, SUM, Source
from respq.engine.keys.doubles import parse_double
from respq.engine.keys.draws import Draws
from respq.engine.keys.ranges import (
    MemberRange,
    ScoreRange,
    Span,
    limited,
    parse_members,
    parse_scores,
    rank_span,
)
from respq.engine.keys.strings import NOT_AN_INTEGER
from respq.engine.keys.zsets import Entry, TakenEntries, Terms, Zset
from respq.errors import RespqError, SyntaxFault
from respq.handlers.arguments import Bulk, Cursor, Key
from respq.handlers.expiry import redis_integer
from respq.handlers.members import (
    CardLimit,
    DrawCount,
    Integer,
    Limit,
    Match,
    Member,
    MultiCount,
    NumKeys,
    PopCount,
    ScanCount,
    check_draws,
    walked,
)
from respq.handlers.timeout import LastTimeout, Timeout, blocking_ms
from respq.resp.encoder import encode, encode_integers, show_double
from respq.resp.replies import NULL_ARRAY, Reply

TABLE = CommandTable()
_READ = Flags.READONLY | Flags.DRAIN
_GROW = Flags.WRITE | Flags.DENYOOM
_TAKE = Flags.WRITE
_WAIT = Flags.WRITE | Flags.BLOCKING | Flags.FAST | Flags.NOSCRIPT


def _score(raw: bytes) -> float:
    score = parse_double(raw)
    if score is None:
        raise RespqError("value is not a valid float")
    return score


def _numkeys_of(command: str) -> Arg:
    def read(raw: bytes) -> int:
        number = redis_integer(raw)
        if number < 1:
            raise RespqError(f"at least 1 input key is needed for '{command}' command")
        return number

    return Arg(read, kind="integer", counts=True)


def _flag(token: bytes) -> Arg:
    return Arg(bool, token=token)


def _term(token: bytes) -> Arg:
    return Arg(bool, token=token, leads=True)


Score = Annotated[float, Arg(_score, kind="double")]
Pairs = Annotated[bytes, Arg(bytes, kind="double", values=("score", "member"), step=2)]
Least = Annotated[bytes, Arg(bytes, values=("min",))]
Most = Annotated[bytes, Arg(bytes, values=("max",))]
Nx = Annotated[bool, _term(b"NX")]
Xx = Annotated[bool, _term(b"XX")]
Gt = Annotated[bool, _term(b"GT")]
Lt = Annotated[bool, _term(b"LT")]
Ch = Annotated[bool, _term(b"CH")]
Incr = Annotated[bool, _term(b"INCR")]
WithScore = Annotated[bool, _flag(b"WITHSCORE")]
WithScores = Annotated[bool, _flag(b"WITHSCORES")]
Rev = Annotated[bool, _flag(b"REV")]
By = Annotated[bytes, Arg(bytes, words=(b"BYSCORE", b"BYLEX"), excludes="by")]
End = Annotated[bytes, Arg(bytes, words=(MIN, MAX), excludes="end")]
Weights = Annotated[
    tuple[bytes, ...],
    Arg(lambda *raw: raw, kind="double", values=("weight",), token=b"WEIGHTS", as_counted=True),
]
Aggregate = Annotated[bytes, Arg(bytes, values=("SUM|MIN|MAX",), token=b"AGGREGATE")]


def _read(call: Call, name: bytes) -> Zset | None:
    return zsets.read(call.engine, call.now_ms, call.db, name)


def _shown(call: Call, entries: Sequence[Entry], *, with_scores: bool) -> Reply:
    """Return members, or these with their scores: in RESP3 in pairs, in RESP2 in a row."""
    if not with_scores:
        return tuple([member for _, member in entries])
    if call.session.protocol == 3:
        return [[member, score] for score, member in entries]
    return [part for score, member in entries for part in (member, score)]


@TABLE.command("ZADD", group="zsets", since="0.1.0", flags=_GROW | Flags.FAST)
def zadd(
    call: Call,
    key: Key,
    *pair: Pairs,
    nx: Nx = False,
    xx: Xx = False,
    gt: Gt = False,
    lt: Lt = False,
    ch: Ch = False,
    incr: Incr = False,
) -> Reply:
    """Give members of a sorted set scores; put in those that are not there."""
    if len(pair) == 2 and not (nx or xx or gt or lt or ch or incr):
        return zsets.put(call.engine, call.now_ms, call.db, key, _score(pair[0]), pair[1])
    if len(pair) % 2:
        raise SyntaxFault("syntax error")
    if nx and xx:
        raise RespqError("XX and NX options at the same time are not compatible")
    if (nx and (gt or lt)) or (gt and lt):
        raise RespqError("GT, LT, and/or NX options at the same time are not compatible")
    if incr and len(pair) > 2:
        raise RespqError("INCR option supports a single increment-element pair")
    pairs = [*zip(map(_score, pair[::2]), pair[1::2], strict=True)]
    terms = Terms(nx, xx, gt, lt, incr)
    outcome = zsets.add(call.engine, call.now_ms, call.db, key, pairs, terms)
    if incr:
        return outcome.score
    return outcome.added + (outcome.updated if ch else 0)


@TABLE.run("ZADD", needs_queue=False)
def zadd_run(
    engine: Engine, now_ms: int, db: int, key: bytes, scores: list[bytes], members: list[bytes]
) -> RunAnswer:
    """Give each member its score, up to the first one that comes again."""
    members = _before_repetition(members)
    numbers = [*map(_score, scores[: len(members)])]
    return encode_integers(zsets.put_each(engine, now_ms, db, key, numbers, members)), []


def _before_repetition(members: list[bytes]) -> list[bytes]:
    """Return the members before the first one that was among them already."""
    if len(set(members)) == len(members):
        return members
    seen: set[bytes] = set()
    for place, member in enumerate(members):
        if member in seen:
            return members[:place]
        seen.add(member)
    return members


@TABLE.command("ZINCRBY", group="zsets", since="0.1.0", flags=_GROW | Flags.FAST)
def zincrby(call: Call, key: Key, increment: Score, member: Member) -> Reply:
    """Add to the score of a member, and return it."""
    terms = Terms(incr=True)
    pairs = [(increment, member)]
    return zsets.add(call.engine, call.now_ms, call.db, key, pairs, terms).score


@TABLE.command("ZREM", group="zsets", since="0.1.0", flags=_TAKE | Flags.FAST)
def zrem(call: Call, key: Key, *member: Member) -> Reply:
    """Remove members; return how many there were."""
    return zsets.remove(call.engine, call.now_ms, call.db, key, member)


@TABLE.command("ZCARD", group="zsets", since="0.1.0", flags=_READ | Flags.FAST)
def zcard(call: Call, key: Key) -> Reply:
    """Return how many members a sorted set has."""
    zset = _read(call, key)
    return len(zset) if zset is not None else 0


@TABLE.command("ZSCORE", group="zsets", since="0.1.0", flags=_READ | Flags.FAST)
def zscore(call: Call, key: Key, member: Member) -> Reply:
    """Return the score of a member."""
    zset = _read(call, key)
    return zset.score_of(member) if zset is not None else None


@TABLE.command("ZMSCORE", group="zsets", since="0.1.0", flags=_READ | Flags.FAST)
def zmscore(call: Call, key: Key, *member: Member) -> Reply:
    """Return the scores of members; null for what is none."""
    zset = _read(call, key)
    return [zset.score_of(each) if zset is not None else None for each in member]


@TABLE.command("ZRANK", group="zsets", since="0.1.0", flags=_READ | Flags.FAST)
def zrank(call: Call, key: Key, member: Member, *, withscore: WithScore = False) -> Reply:
    """Return how many members come before one, from the smallest score on."""
    return _rank(call, key, member, withscore, backward=False)


@TABLE.command("ZREVRANK", group="zsets", since="0.1.0", flags=_READ | Flags.FAST)
def zrevrank(call: Call, key: Key, member: Member, *, withscore: WithScore = False) -> Reply:
    """Return how many members come before one, from the largest score on."""
    return _rank(call, key, member, withscore, backward=True)


def _rank(call: Call, key: bytes, member: bytes, withscore: bool, *, backward: bool) -> Reply:
    zset = _read(call, key)
    score = zset.score_of(member) if zset is not None else None
    if zset is None or score is None:
        return NULL_ARRAY if withscore else None
    rank: int = zset.entries.index((score, member))
    if backward:
        rank = len(zset) - 1 - rank
    return [rank, score] if withscore else rank


@TABLE.command("ZCOUNT", group="zsets", since="0.1.0", flags=_READ | Flags.FAST)
def zcount(call: Call, key: Key, min_score: Least, max_score: Most) -> Reply:
    """Count the members with scores in a range."""
    return _count(call, key, parse_scores(min_score, max_score))


@TABLE.command("ZLEXCOUNT", group="zsets", since="0.1.0", flags=_READ | Flags.FAST)
def zlexcount(call: Call, key: Key, min_member: Least, max_member: Most) -> Reply:
    """Count the members in a range, where all scores are the same."""
    return _count(call, key, parse_members(min_member, max_member))


def _count(call: Call, key: bytes, wanted: ScoreRange | MemberRange) -> int:
    zset = _read(call, key)
    if zset is None:
        return 0
    start, stop = wanted.span(zset)
    return stop - start


@TABLE.command("ZRANGE", group="zsets", since="0.1.0", flags=_READ)
def zrange(
    call: Call,
    key: Key,
    start: Bulk,
    stop: Bulk,
    *,
    by: By = b"",
    rev: Rev = False,
    limit: Limit = None,
    withscores: WithScores = False,
) -> Reply:
    """Return the members from one rank, score or member to another."""
    found = _found(call, key, (start, stop), by, limit, backward=rev, with_scores=withscores)
    return _shown(call, found, with_scores=withscores)


@TABLE.command("ZREVRANGE", group="zsets", since="0.1.0", flags=_READ)
def zrevrange(
    call: Call, key: Key, start: Bulk, stop: Bulk, *, withscores: WithScores = False
) -> Reply:
    """Return the members from one rank to another, the largest score first."""
    found = _found(call, key, (start, stop), b"", None, backward=True)
    return _shown(call, found, with_scores=withscores)


@TABLE.command("ZRANGEBYSCORE", group="zsets", since="0.1.0", flags=_READ)
def zrangebyscore(
    call: Call,
    key: Key,
    min_score: Least,
    max_score: Most,
    *,
    withscores: WithScores = False,
    limit: Limit = None,
) -> Reply:
    """Return the members with scores in a range, the smallest first."""
    found = _found(call, key, (min_score, max_score), b"BYSCORE", limit)
    return _shown(call, found, with_scores=withscores)


@TABLE.command("ZREVRANGEBYSCORE", group="zsets", since="0.1.0", flags=_READ)
def zrevrangebyscore(
    call: Call,
    key: Key,
    max_score: Most,
    min_score: Least,
    *,
    withscores: WithScores = False,
    limit: Limit = None,
) -> Reply:
    """Return the members with scores in a range, the largest first."""
    found = _found(call, key, (max_score, min_score), b"BYSCORE", limit, backward=True)
    return _shown(call, found, with_scores=withscores)


@TABLE.command("ZRANGEBYLEX", group="zsets", since="0.1.0", flags=_READ)
def zrangebylex(
    call: Call, key: Key, min_member: Least, max_member: Most, *, limit: Limit = None
) -> Reply:
    """Return the members in a range, where all scores are the same."""
    found = _found(call, key, (min_member, max_member), b"BYLEX", limit)
    return _shown(call, found, with_scores=False)


@TABLE.command("ZREVRANGEBYLEX", group="zsets", since="0.1.0", flags=_READ)
def zrevrangebylex(
    call: Call, key: Key, max_member: Most, min_member: Least, *, limit: Limit = None
) -> Reply:
    """Return the members in a range, the last first, where all scores are the same."""
    found = _found(call, key, (max_member, min_member), b"BYLEX", limit, backward=True)
    return _shown(call, found, with_scores=False)


@TABLE.command("ZRANGESTORE", group="zsets", since="0.1.0", flags=_GROW)
def zrangestore(
    call: Call,
    destination: Key,
    source: Key,
    start: Least,
    stop: Most,
    *,
    by: By = b"",
    rev: Rev = False,
    limit: Limit = None,
) -> Reply:
    """Have a key be what ZRANGE returns of another; return how many that are."""
    found = _found(call, source, (start, stop), by, limit, backward=rev)
    scores = {member: score for score, member in found}
    return zsets.store(call.engine, call.db, destination, scores)


def _found(
    call: Call,
    name: bytes,
    words: tuple[bytes, bytes],
    by: bytes,
    limit: tuple[int, int] | None,
    *,
    backward: bool = False,
    with_scores: bool = False,
) -> list[Entry]:
    """Return the entries that a range has, in the order of the reply."""
    if not by and limit is not None and limit[1] != -1:
        raise SyntaxFault(
            "syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX"
        )
    if by == b"BYLEX" and with_scores:
        raise SyntaxFault("syntax error, WITHSCORES not supported in combination with BYLEX")
    least, most = reversed(words) if backward else words
    span = 0, 0
    if not by:
        first, last = map(redis_integer, words)
        zset = _read(call, name)
        if zset is not None:
            span = rank_span(zset, first, last, backward=backward)
    elif by == b"BYSCORE":
        scores = parse_scores(least, most)
        zset = _read(call, name)
        if zset is not None:
            span = scores.span(zset)
    else:
        members = parse_members(least, most)
        zset = _read(call, name)
        if zset is not None:
            span = members.span(zset, backward=backward)
    if zset is None:
        return []
    if by and limit is not None:
        span = limited(span, *limit, backward=backward)
    found: list[Entry] = zset.entries[slice(*span)]
    return found[::-1] if backward else found


@TABLE.command("ZREMRANGEBYRANK", group="zsets", since="0.1.0", flags=_TAKE)
def zremrangebyrank(call: Call, key: Key, start: Integer, stop: Integer) -> Reply:
    """Remove the members from one rank to another; return how many there were."""
    return _remove(call, key, lambda zset: rank_span(zset, start, stop))


@TABLE.command("ZREMRANGEBYSCORE", group="zsets", since="0.1.0", flags=_TAKE)
def zremrangebyscore(call: Call, key: Key, min_score: Least, max_score: Most) -> Reply:
    """Remove the members with scores in a range; return how many there were."""
    return _remove(call, key, parse_scores(min_score, max_score).span)


@TABLE.command("ZREMRANGEBYLEX", group="zsets", since="0.1.0", flags=_TAKE)
def zremrangebylex(call: Call, key: Key, min_member: Least, max_member: Most) -> Reply:
    """Remove the members in a range, where all scores are the same; return how many there were."""
    return _remove(call, key, parse_members(min_member, max_member).span)


def _remove(call: Call, name: bytes, span_in: Callable[[Zset], Span]) -> int:
    key = call.engine.key_of(call.now_ms, call.db, name, Zset)
    if key is None:
        return 0
    return len(zsets.remove_span(call.engine, key, *span_in(key.value)))


@TABLE.command("ZPOPMIN", group="zsets", since="0.1.0", flags=_TAKE | Flags.FAST)
def zpopmin(call: Call, key: Key, count: PopCount = None) -> Reply:
    """Take the members with the smallest scores out of a sorted set."""
    return _pop_one(call, key, count, largest=False)


@TABLE.command("ZPOPMAX", group="zsets", since="0.1.0", flags=_TAKE | Flags.FAST)
def zpopmax(call: Call, key: Key, count: PopCount = None) -> Reply:
    """Take the members with the largest scores out of a sorted set."""
    return _pop_one(call, key, count, largest=True)


@TABLE.run("ZPOPMIN", needs_queue=False, resp2_only=True)
def zpopmin_run(
    engine: Engine, now_ms: int, db: int, key: bytes, requests: list[bytes]
) -> RunAnswer:
    """Take the member with the smallest score for each request, as far as they last."""
    return _pop_run(engine, now_ms, db, key, requests, largest=False)


@TABLE.run("ZPOPMAX", needs_queue=False, resp2_only=True)
def zpopmax_run(
    engine: Engine, now_ms: int, db: int, key: bytes, requests: list[bytes]
) -> RunAnswer:
    """Take the member with the largest score for each request, as far as they last."""
    return _pop_run(engine, now_ms, db, key, requests, largest=True)


def _pop_run(
    engine: Engine, now_ms: int, db: int, name: bytes, requests: list[bytes], *, largest: bool
) -> RunAnswer:
    key = engine.key_of(now_ms, db, name, Zset)
    if key is None:
        return [], []
    entries = zsets.pop(engine, key, len(requests), largest=largest)
    replies = [encode((member, show_double(score)), 2) for score, member in entries]
    return replies, [(TakenEntries(key, (entry,)), 0) for entry in entries]


def _pop_one(call: Call, key: bytes, count: int | None, *, largest: bool) -> Reply:
    popped = _pop(call, (key,), 1 if count is None else count, largest)
    entries = popped[1] if popped is not None else []
    if count is None:
        return [part for score, member in entries for part in (member, score)]
    return _shown(call, entries, with_scores=True)


def _pop(
    call: Call, names: Sequence[bytes], count: int, largest: bool
) -> tuple[bytes, list[Entry]] | None:
    """Pop from the first of these that is a sorted set; None if there is none."""
    for name in names:
        key = call.engine.key_of(call.now_ms, call.db, name, Zset)
        if key is not None:
            entries = zsets.pop(call.engine, key, count, largest=largest)
            if entries:
                call.session.pops.append((TakenEntries(key, entries), 0))
            return name, entries
    return None


@TABLE.command("ZMPOP", group="zsets", since="0.1.0", flags=_TAKE)
def zmpop(call: Call, numkeys: NumKeys, *key: Key, end: End, count: MultiCount = 1) -> Reply:
    """Take members out of the first of several sorted sets that is there."""
    popped = _pop(call, key, count, end == MAX)
    return NULL_ARRAY if popped is None else _shown_multi(*popped)


def _shown_multi(name: bytes, entries: list[Entry]) -> Reply:
    return [name, [[member, score] for score, member in entries]]


@TABLE.command("BZPOPMIN", group="zsets", since="0.1.0", flags=_WAIT)
def bzpopmin(call: Call, *key: Key, timeout: LastTimeout) -> Reply | Wait:
    """Take the member with the smallest score out of a sorted set, or wait for one."""
    return _pop_or_wait(call, key, timeout, largest=False)


@TABLE.command("BZPOPMAX", group="zsets", since="0.1.0", flags=_WAIT)
def bzpopmax(call: Call, *key: Key, timeout: LastTimeout) -> Reply | Wait:
    """Take the member with the largest score out of a sorted set, or wait for one."""
    return _pop_or_wait(call, key, timeout, largest=True)


def _pop_or_wait(
    call: Call, names: tuple[bytes, ...], timeout: bytes, *, largest: bool
) -> Reply | Wait:
    timeout_ms = blocking_ms(timeout, call.now_ms)
    popped = _pop(call, names, 1, largest)
    if popped is None:
        return Wait(names, timeout_ms, NULL_ARRAY)
    name, ((score, member),) = popped
    return [name, member, score]


@TABLE.command("BZMPOP", group="zsets", since="0.1.0", flags=_TAKE | Flags.BLOCKING)
def bzmpop(
    call: Call, timeout: Timeout, numkeys: NumKeys, *key: Key, end: End, count: MultiCount = 1
) -> Reply | Wait:
    """Take members out of the first of several sorted sets that is there, or wait for one."""
    timeout_ms = blocking_ms(timeout, call.now_ms)
    popped = _pop(call, key, count, end == MAX)
    return Wait(key, timeout_ms, NULL_ARRAY) if popped is None else _shown_multi(*popped)


@TABLE.command("ZRANDMEMBER", group="zsets", since="0.1.0", flags=_READ)
def zrandmember(
    call: Call, key: Key, count: DrawCount = None, *, withscores: WithScores = False
) -> Reply:
    """Return members drawn at random."""
    if count is None:
        if withscores:
            raise SyntaxFault(NOT_AN_INTEGER)
        zset = _read(call, key)
        return None if zset is None else zset.entries[Draws(call.engine).below(len(zset))][1]
    check_draws(count, in_pairs=withscores)
    zset = _read(call, key)
    if zset is None or not count:
        return []
    places = Draws(call.engine).places(len(zset), count)
    return _shown(call, [zset.entries[place] for place in places], with_scores=withscores)


@TABLE.command("ZSCAN", group="zsets", since="0.1.0", flags=_READ)
def zscan(
    call: Call, key: Key, cursor: Cursor, *, match: Match = None, count: ScanCount = 10
) -> Reply:
    """Walk through the members of a sorted set, some at a time."""
    zset = _read(call, key)
    if zset is None:
        return [b"0", []]
    following, found = walked(zset.scores, cursor, match, count)
    return [following, [part for member, score in found for part in (member, show_double(score))]]


def _combined(
    call: Call,
    operation: Callable[[Sequence[Source], bytes], dict[bytes, float]],
    names: tuple[bytes, ...],
    weights: tuple[bytes, ...],
    aggregate: bytes,
) -> dict[bytes, float]:
    """Carry out an operation on sorted sets; Redis looks at these before it reads the options."""
    sources = combine.sources(call.engine, call.now_ms, call.db, names)
    for source, weight in zip(sources, weights, strict=False):
        factor = parse_double(weight)
        if factor is None:
            raise RespqError("weight value is not a float")
        source.weight = factor
    if aggregate.upper() not in (SUM, MIN, MAX):
        raise SyntaxFault(f"syntax error near '{shown(aggregate)}'")
    return operation(sources, aggregate.upper())


def _in_order(call: Call, scores: dict[bytes, float], *, with_scores: bool) -> Reply:
    entries = sorted([(score, member) for member, score in scores.items()])
    return _shown(call, entries, with_scores=with_scores)


@TABLE.command("ZUNION", group="zsets", since="0.1.0", flags=_READ)
def zunion(
    call: Call,
    numkeys: Annotated[int, _numkeys_of("zunion")],
    *key: Key,
    weights: Weights = (),
    aggregate: Aggregate = SUM,
    withscores: WithScores = False,
) -> Reply:
    """Return the members of any of several sorted sets."""
    scores = _combined(call, combine.union, key, weights, aggregate)
    return _in_order(call, scores, with_scores=withscores)


@TABLE.command("ZUNIONSTORE", group="zsets", since="0.1.0", flags=_GROW)
def zunionstore(
    call: Call,
    destination: Key,
    numkeys: Annotated[int, _numkeys_of("zunionstore")],
    *key: Key,
    weights: Weights = (),
    aggregate: Aggregate = SUM,
) -> Reply:
    """Have a key be the union of several sorted sets; return how many members it has."""
    scores = _combined(call, combine.union, key, weights, aggregate)
    return zsets.store(call.engine, call.db, destination, scores)


@TABLE.command("ZINTER", group="zsets", since="0.1.0", flags=_READ)
def zinter(
    call: Call,
    numkeys: Annotated[int, _numkeys_of("zinter")],
    *key: Key,
    weights: Weights = (),
    aggregate: Aggregate = SUM,
    withscores: WithScores = False,
) -> Reply:
    """Return the members of all of several sorted sets."""
    scores = _combined(call, combine.intersection, key, weights, aggregate)
    return _in_order(call, scores, with_scores=withscores)


@TABLE.command("ZINTERSTORE", group="zsets", since="0.1.0", flags=_GROW)
def zinterstore(
    call: Call,
    destination: Key,
    numkeys: Annotated[int, _numkeys_of("zinterstore")],
    *key: Key,
    weights: Weights = (),
    aggregate: Aggregate = SUM,
) -> Reply:
    """Have a key be the intersection of several sorted sets; return how many members it has."""
    scores = _combined(call, combine.intersection, key, weights, aggregate)
    return zsets.store(call.engine, call.db, destination, scores)


@TABLE.command("ZINTERCARD", group="zsets", since="0.1.0", flags=_READ)
def zintercard(
    call: Call,
    numkeys: Annotated[int, _numkeys_of("zintercard")],
    *key: Key,
    limit: CardLimit = 0,
) -> Reply:
    """Count the members that all of several sorted sets have."""
    sources = combine.sources(call.engine, call.now_ms, call.db, key)
    return combine.intersection_count(sources, limit)


@TABLE.command("ZDIFF", group="zsets", since="0.1.0", flags=_READ)
def zdiff(
    call: Call,
    numkeys: Annotated[int, _numkeys_of("zdiff")],
    *key: Key,
    withscores: WithScores = False,
) -> Reply:
    """Return the members of the first of several sorted sets that are in none of the others."""
    sources = combine.sources(call.engine, call.now_ms, call.db, key)
    return _in_order(call, combine.difference(sources), with_scores=withscores)


@TABLE.command("ZDIFFSTORE", group="zsets", since="0.1.0", flags=_GROW)
def zdiffstore(
    call: Call,
    destination: Key,
    numkeys: Annotated[int, _numkeys_of("zdiffstore")],
    *key: Key,
) -> Reply:
    """Have a key be the difference of several sorted sets; return how many members it has."""
    sources = combine.sources(call.engine, call.now_ms, call.db, key)
    return zsets.store(call.engine, call.db, destination, combine.difference(sources))
