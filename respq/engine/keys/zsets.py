"""Sorted sets: members, each with a score, in the order of the scores and then of the members.

    entries   pairs of score and member, sorted: ranges, ranks and ends in O(log n)
    scores    the score of each member, in buckets, so that a million of them stall nothing

All records say of members what holds then, whatever was before. So a copy in pieces need not be
of one moment: what has changed since its begin is said behind it, and holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec
from sortedcontainers import SortedList

from respq.engine.keys.hashed import Hashed
from respq.engine.keys.value import PIECE_BYTES, Piece, Scored, Taken, check_size
from respq.engine.record import Record
from respq.errors import RespqError

if TYPE_CHECKING:
    from respq.engine.keys.key import Key
    from respq.engine.keys.keyed import Keyed

Entry = tuple[float, bytes]
"""A score and a member."""
_LISTPACK_MAX: Final = 128
_LISTPACK_BYTES_MAX: Final = 64
_SCORE_BYTES: Final = 11
"""Of a score in the journal, with the head of its member."""
RECORD_MEMBERS_MAX: Final = 1_000
"""Members in one record."""


class ZsetAdded(Record, tag=120):
    """Members are in a sorted set with these scores."""

    number: int
    scores: list[float]
    members: list[bytes]


class ZsetRemoved(Record, tag=121):
    """Members are not in a sorted set."""

    number: int
    members: list[bytes]


class ZsetRangeRemoved(Record, tag=122):
    """What lies from one entry to another, in the order of a sorted set, is not in it."""

    number: int
    first_score: float
    first: bytes
    last_score: float
    last: bytes


ZsetRecord = ZsetAdded | ZsetRemoved | ZsetRangeRemoved


class Zset(Scored, gc=False, eq=False):
    """The value of a sorted set."""

    entries: Any = msgspec.field(default_factory=SortedList)
    """A list of `Entry`."""
    scores: Any = msgspec.field(default_factory=Hashed)
    members_bytes: int = 0
    is_skiplist: bool = False
    """It has been so large that Redis would not keep it in a listpack any more."""

    code: ClassVar[int] = 4
    type_name: ClassVar[bytes] = b"zset"

    def __len__(self) -> int:
        """Return how many members there are."""
        return len(self.scores)

    @property
    def encoding(self) -> bytes:
        """``listpack`` or ``skiplist``."""
        return b"skiplist" if self.is_skiplist else b"listpack"

    @property
    def is_empty(self) -> bool:
        """Whether there is no member."""
        return not self.scores

    @property
    def deliverable(self) -> int:
        """How many members there are to be popped."""
        return len(self.scores)

    @property
    def full_bytes(self) -> int:
        """Of its members, and their scores."""
        return self.members_bytes + _SCORE_BYTES * len(self.scores)

    def scored(self) -> Iterator[Entry]:
        """Yield its entries in their order."""
        return iter(self.entries)

    def score_of(self, member: bytes) -> float | None:
        """Return the score of a member; None if it is none."""
        return self.scores.find(member)  # type: ignore[no-any-return]

    def pieces(self) -> Iterator[Piece]:
        """Yield whether it is a skiplist, scores and members, in their order."""
        last: Entry | None = None
        while True:
            taken, size = [], 0
            for entry in self.entries.irange(last, inclusive=(False, True)):
                taken.append(entry)
                size += _SCORE_BYTES + len(entry[1])
                if size >= PIECE_BYTES:
                    break
            if taken or last is None:
                scores, members = [each[0] for each in taken], [each[1] for each in taken]
                yield [self.is_skiplist, scores, members]
            if size < PIECE_BYTES:
                return
            last = taken[-1]

    def add_piece(self, items: Piece) -> None:
        """Take the next entries."""
        is_skiplist, scores, members = items
        self._put(scores, members)
        self.is_skiplist = self.is_skiplist or is_skiplist

    def plain(self) -> Any:
        """Return its entries, and whether Redis would have a skiplist."""
        return list(self.entries), self.is_skiplist

    def check(self) -> None:
        """Assert that the entries are those of the scores."""
        self.scores.check()
        by_member = {member: score for score, member in self.entries}
        assert len(by_member) == len(self.entries) == len(self.scores)
        assert by_member == dict(self.scores.items())
        assert self.members_bytes == sum(map(len, by_member))

    def free(self, limit: int) -> bool:
        """Let go of the last entries."""
        entries, scores = self.entries, self.scores
        for _ in range(min(limit, len(entries))):
            scores.take(entries.pop()[1])
        return bool(entries)

    def _put(self, scores: Sequence[float], members: Sequence[bytes]) -> None:
        entries, put = self.entries, self.scores.put
        fresh = [*zip(scores, members, strict=True)]
        for score, member in fresh:
            old = put(member, score)
            if old is not None:
                entries.remove((old, member))
            else:
                self.members_bytes += len(member)
                if len(member) > _LISTPACK_BYTES_MAX:
                    self.is_skiplist = True
        if len(fresh) == 1:
            entries.add(fresh[0])
        else:
            entries.update(fresh)
        if len(entries) > _LISTPACK_MAX:
            self.is_skiplist = True

    def _added(self, record: ZsetAdded) -> None:
        self._put(record.scores, record.members)

    def _removed(self, record: ZsetRemoved) -> None:
        for member in record.members:
            score = self.scores.take(member)
            # A copy in pieces may be ahead of its changes.
            if score is not None:
                self.entries.remove((score, member))
                self.members_bytes -= len(member)

    def _range_removed(self, record: ZsetRangeRemoved) -> None:
        start = self.entries.bisect_left((record.first_score, record.first))
        stop = self.entries.bisect_right((record.last_score, record.last))
        for _, member in self.entries[start:stop]:
            self.scores.take(member)
            self.members_bytes -= len(member)
        del self.entries[start:stop]

    applies: ClassVar[Mapping[type[Record], Callable[[Any, Any], None]]] = {
        ZsetAdded: _added,
        ZsetRemoved: _removed,
        ZsetRangeRemoved: _range_removed,
    }


class Terms(msgspec.Struct, frozen=True):
    """What ZADD is told besides its pairs."""

    nx: bool = False
    xx: bool = False
    gt: bool = False
    lt: bool = False
    incr: bool = False


class Outcome(msgspec.Struct):
    """What became of the pairs."""

    added: int = 0
    updated: int = 0
    score: float | None = None
    """Of the last pair; None if its terms left it alone."""


def read(keys: Keyed, now_ms: int, db: int, name: bytes) -> Zset | None:
    """Return a sorted set; None if there is none."""
    key = keys.key_of(now_ms, db, name, Zset)
    return key.value if key is not None else None


def add(
    keys: Keyed,
    now_ms: int,
    db: int,
    name: bytes,
    pairs: Sequence[Entry],
    terms: Terms,
) -> Outcome:
    """Give members scores, as far as the terms let it.

    Raises `RespqError` where a sum is no number.
    """
    key = keys.strict_key_of(now_ms, db, name, Zset)
    changes: dict[bytes, float] = {}
    outcome = Outcome()
    for score, member in pairs:
        old = changes.get(member)
        if old is None and key is not None:
            old = key.value.score_of(member)
        new = _new_score(old, score, terms)
        outcome.score = new
        if new is None or new == old:
            continue
        changes[member] = new
        if old is None:
            outcome.added += 1
        else:
            outcome.updated += 1
    if changes:
        number = (key or keys.make_key(db, name, Zset)).number
        _emit_scores(keys, number, changes)
    return outcome


def put(keys: Keyed, now_ms: int, db: int, name: bytes, score: float, member: bytes) -> int:
    """Give one member a score, on no terms: what `add` does, for what is asked most."""
    key = keys.strict_key_of(now_ms, db, name, Zset)
    old = key.value.scores.find(member) if key is not None else None
    if old != score:
        number = (key or keys.make_key(db, name, Zset)).number
        keys.emit(ZsetAdded(number, [score + 0.0], [member]))
    return int(old is None)


def put_each(
    keys: Keyed, now_ms: int, db: int, name: bytes, scores: list[float], members: list[bytes]
) -> list[int]:
    """Give each member its score, on no terms; tell for each how many are new: 0 or 1.

    No member comes twice.
    """
    key = keys.strict_key_of(now_ms, db, name, Zset)
    olds = [None] * len(members) if key is None else key.value.scores.find_all(members)
    changes = {
        member: score
        for member, score, old in zip(members, scores, olds, strict=True)
        if score != old
    }
    if changes:
        _emit_scores(keys, (key or keys.make_key(db, name, Zset)).number, changes)
    return [int(old is None) for old in olds]


def _new_score(old: float | None, score: float, terms: Terms) -> float | None:
    if old is None:
        return None if terms.xx else score
    if terms.nx:
        return None
    if terms.incr:
        score += old
        if math.isnan(score):
            raise RespqError("resulting score is not a number (NaN)")
    if (terms.lt and score >= old) or (terms.gt and score <= old):
        return None
    return score


def _emit_scores(keys: Keyed, number: int, scores: Mapping[bytes, float]) -> None:
    """Give members their scores, in as many records as it takes; -0 is 0, as in a listpack."""
    if len(scores) <= RECORD_MEMBERS_MAX:
        if scores:
            keys.emit(ZsetAdded(number, [score + 0.0 for score in scores.values()], [*scores]))
        return
    left = iter(scores.items())
    while some := [*islice(left, RECORD_MEMBERS_MAX)]:
        keys.emit(ZsetAdded(number, [score + 0.0 for _, score in some], [each for each, _ in some]))


def remove(keys: Keyed, now_ms: int, db: int, name: bytes, members: Sequence[bytes]) -> int:
    """Remove members; return how many there were."""
    key = keys.key_of(now_ms, db, name, Zset)
    if key is None:
        return 0
    found = [each for each in dict.fromkeys(members) if key.value.score_of(each) is not None]
    if found:
        keys.emit(ZsetRemoved(key.number, found))
    return len(found)


def remove_span(keys: Keyed, key: Key[Zset], start: int, stop: int) -> list[Entry]:
    """Remove the entries at these places, and return them."""
    entries: list[Entry] = key.value.entries[start:stop]
    if len(entries) == 1:
        keys.emit(ZsetRemoved(key.number, [entries[0][1]]))
    elif entries:
        keys.emit(ZsetRangeRemoved(key.number, *entries[0], *entries[-1]))
    return entries


def pop(keys: Keyed, key: Key[Zset], count: int, *, largest: bool) -> list[Entry]:
    """Take up to ``count`` entries out of a sorted set, the smallest first or the largest."""
    size = len(key.value)
    if count == 1 and size:
        entry: Entry = key.value.entries[-1 if largest else 0]
        keys.emit(ZsetRemoved(key.number, [entry[1]]))
        return [entry]
    if not largest:
        return remove_span(keys, key, 0, min(count, size))
    return remove_span(keys, key, max(0, size - count), size)[::-1]


def store(keys: Keyed, db: int, name: bytes, scores: Mapping[bytes, float]) -> int:
    """Have a key be this sorted set, whatever it was; with nothing in it there is none.

    Raises:
        WrongType: for a queue.
        TooBig: for what no transaction can hold.
    """
    keys.refuse_queue(db, name)
    check_size(sum(map(len, scores)) + _SCORE_BYTES * len(scores))
    keys.remove_name(db, name)
    if scores:
        key = keys.make_key(db, name, Zset)
        _emit_scores(keys, key.number, scores)
    return len(scores)


class TakenEntries(Taken):
    """Entries that were popped for a client."""

    __slots__ = ()

    family = Zset

    def fill(self, keys: Keyed, key: Key[Zset]) -> None:
        """Put those in whose members have not come back meanwhile."""
        back = {
            member: score for score, member in self.things if key.value.score_of(member) is None
        }
        _emit_scores(keys, key.number, back)
