"""Sets: members, in buckets, so that a million of them stall nothing.

All records say of members what holds then, whatever was before. So a copy in pieces need not be
of one moment: what has changed since its begin is said behind it, and holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from respq.engine.keys.draws import Draws
from respq.engine.keys.hashed import Hashed
from respq.engine.keys.records import KeyRemoved
from respq.engine.keys.strings import integer_or_none
from respq.engine.keys.value import PIECE_BYTES, Piece, Scored, Taken, check_size
from respq.engine.record import Record

if TYPE_CHECKING:
    from respq.engine.keys.key import Key
    from respq.engine.keys.keyed import Keyed

INTSET, LISTPACK, HASHTABLE = range(3)
"""How Redis would keep a set: each only until it has to take the next."""
_ENCODINGS: Final = b"intset", b"listpack", b"hashtable"
_INTSET_MAX: Final = 512
_LISTPACK_MAX: Final = 128
_LISTPACK_BYTES_MAX: Final = 64
_SCORE: Final = 1.0
_HEAD_BYTES: Final = 2
"""Of a member in the journal, besides itself."""
RECORD_MEMBERS_MAX: Final = 1_000
"""Members in one record."""


class SetAdded(Record, tag=110):
    """Members are in a set."""

    number: int
    members: list[bytes]
    form: int = INTSET
    """As of `Set`."""


class SetRemoved(Record, tag=111):
    """Members are not in a set."""

    number: int
    members: list[bytes]


SetRecord = SetAdded | SetRemoved


class Set(Scored, gc=False, eq=False):
    """The value of a set."""

    members: Any = msgspec.field(default_factory=Hashed)
    """Each with the score that it has where sorted sets are combined."""
    members_bytes: int = 0
    form: int = INTSET

    code: ClassVar[int] = 3
    type_name: ClassVar[bytes] = b"set"

    def __len__(self) -> int:
        """Return how many members there are."""
        return len(self.members)

    def __iter__(self) -> Iterator[bytes]:
        """Yield every member."""
        return iter(self.members)

    def __contains__(self, member: bytes) -> bool:
        """Tell whether it has a member."""
        return self.members.find(member) is not None

    @property
    def encoding(self) -> bytes:
        """``intset``, ``listpack`` or ``hashtable``."""
        return _ENCODINGS[self.form]

    @property
    def is_empty(self) -> bool:
        """Whether there is no member."""
        return not self.members

    @property
    def full_bytes(self) -> int:
        """Of its members."""
        return _size(self.members_bytes, len(self.members))

    def scored(self) -> Iterator[tuple[float, bytes]]:
        """Yield 1 with each member."""
        return ((score, member) for member, score in self.members.items())

    def score_of(self, member: bytes) -> float | None:
        """Return 1 for a member; None if it is none."""
        return self.members.find(member)  # type: ignore[no-any-return]

    def pieces(self) -> Iterator[Piece]:
        """Yield its form, and members."""
        members: list[bytes] = []
        size = 0
        for member, _ in self.members.walked():
            if size >= PIECE_BYTES:
                yield [self.form, members]
                members, size = [], 0
            members.append(member)
            size += _size(len(member), 1)
        yield [self.form, members]

    def add_piece(self, items: Piece) -> None:
        """Take the next members."""
        form, members = items
        self._put(members, form)

    def plain(self) -> Any:
        """Return its members, and its form."""
        return sorted(self.members), self.form

    def check(self) -> None:
        """Assert that its size is that of its members."""
        self.members.check()
        assert self.members_bytes == sum(map(len, self.members))

    def free(self, limit: int) -> bool:
        """Let go of some members."""
        return self.members.let_go(limit)  # type: ignore[no-any-return]

    def _put(self, members: Sequence[bytes], form: int) -> None:
        put = self.members.put
        for member in members:
            if put(member, _SCORE) is None:
                self.members_bytes += len(member)
        self.form = max(self.form, form)

    def _added(self, record: SetAdded) -> None:
        self._put(record.members, record.form)

    def _removed(self, record: SetRemoved) -> None:
        for member in record.members:
            # A copy in pieces may be ahead of its changes.
            if self.members.take(member) is not None:
                self.members_bytes -= len(member)

    applies: ClassVar[Mapping[type[Record], Callable[[Any, Any], None]]] = {
        SetAdded: _added,
        SetRemoved: _removed,
    }


def _size(members_bytes: int, count: int) -> int:
    return members_bytes + _HEAD_BYTES * count


def _is_integer(member: bytes) -> bool:
    return integer_or_none(member) is not None


def read(keys: Keyed, now_ms: int, db: int, name: bytes) -> Set | None:
    """Return a set; None if there is none."""
    key = keys.key_of(now_ms, db, name, Set)
    return key.value if key is not None else None


def read_all(keys: Keyed, now_ms: int, db: int, names: Sequence[bytes]) -> list[Set]:
    """Return the sets of these names; an empty one where there is none."""
    return [read(keys, now_ms, db, name) or Set() for name in names]


def add(keys: Keyed, now_ms: int, db: int, name: bytes, members: Sequence[bytes]) -> int:
    """Put members into a set; return how many are new."""
    key = keys.strict_key_of(now_ms, db, name, Set)
    value = key.value if key is not None else Set()
    fresh = [each for each in dict.fromkeys(members) if each not in value]
    if fresh:
        form = _form_with(value, fresh, members)
        number = (key or keys.make_key(db, name, Set)).number
        _emit_members(keys, number, fresh, form)
    return len(fresh)


def _form_with(value: Set, fresh: Sequence[bytes], members: Sequence[bytes]) -> int:
    """Return the form of a set with these members, of which some are fresh.

    Redis looks at how many words there are, at the first one if it makes the set, and then at one
    by one.
    """
    form, size = value.form, len(value)
    if not size and not _is_integer(members[0]):
        form = LISTPACK
    if len(members) > (_INTSET_MAX if form == INTSET else _LISTPACK_MAX):
        # A set that is made with too many for an intset has too many for a listpack.
        return HASHTABLE
    for member in fresh:
        if form == INTSET and _is_integer(member):
            fits = size < _INTSET_MAX
        else:
            form = max(form, LISTPACK)
            fits = size < _LISTPACK_MAX and len(member) <= _LISTPACK_BYTES_MAX
        if not fits:
            return HASHTABLE
        size += 1
    return form


def _emit_members(keys: Keyed, number: int, members: list[bytes], form: int) -> None:
    """Have members be in a set, in as many records as it takes."""
    for at in range(0, len(members), RECORD_MEMBERS_MAX):
        keys.emit(SetAdded(number, members[at : at + RECORD_MEMBERS_MAX], form))


def remove(keys: Keyed, now_ms: int, db: int, name: bytes, members: Sequence[bytes]) -> int:
    """Remove members; return how many there were."""
    key = keys.key_of(now_ms, db, name, Set)
    if key is None:
        return 0
    found = [each for each in dict.fromkeys(members) if each in key.value]
    if found:
        keys.emit(SetRemoved(key.number, found))
    return len(found)


def move(
    keys: Keyed, now_ms: int, db: int, source: bytes, destination: bytes, member: bytes
) -> bool:
    """Move a member from one set to another; return whether it was there."""
    key = keys.key_of(now_ms, db, source, Set)
    if key is None:
        return False
    keys.strict_key_of(now_ms, db, destination, Set)
    if member not in key.value:
        return False
    if source != destination:
        keys.emit(SetRemoved(key.number, [member]))
        add(keys, now_ms, db, destination, [member])
    return True


def pop(keys: Keyed, key: Key[Set], count: int) -> list[bytes]:
    """Take up to ``count`` members, drawn at random, out of a set.

    Raises `TooBig` for what no transaction can hold.
    """
    if count >= len(key.value):
        members = [*key.value]
        keys.emit(KeyRemoved(key.number))
        return members
    members = [member for member, _ in Draws(keys).entries(key.value.members, count)]
    check_size(_size(sum(map(len, members)), len(members)))
    for start in range(0, len(members), RECORD_MEMBERS_MAX):
        keys.emit(SetRemoved(key.number, members[start : start + RECORD_MEMBERS_MAX]))
    return members


def union(sets: Sequence[Set]) -> list[bytes]:
    """Return the members of any of the sets."""
    return [*dict.fromkeys(member for each in sets for member in each)]


def intersection(sets: Sequence[Set]) -> list[bytes]:
    """Return the members of all of the sets."""
    smallest, *others = sorted(sets, key=len)
    return [member for member in smallest if all(member in each for each in others)]


def difference(sets: Sequence[Set]) -> list[bytes]:
    """Return the members of the first of the sets that are in none of the others."""
    first, *others = sets
    return [member for member in first if not any(member in each for each in others)]


def store(keys: Keyed, db: int, name: bytes, members: list[bytes]) -> int:
    """Have a key be the set of these, whatever it was; with nothing in it there is none.

    Raises:
        WrongType: for a queue.
        TooBig: for what no transaction can hold.
    """
    keys.refuse_queue(db, name)
    check_size(_size(sum(map(len, members)), len(members)))
    keys.remove_name(db, name)
    if members:
        key = keys.make_key(db, name, Set)
        _emit_members(keys, key.number, members, _form_of(members))
    return len(members)


def _form_of(members: Sequence[bytes]) -> int:
    """Return the form of a set that is made of these at once."""
    if len(members) <= _INTSET_MAX and all(map(_is_integer, members)):
        return INTSET
    is_small = len(members) <= _LISTPACK_MAX and max(map(len, members)) <= _LISTPACK_BYTES_MAX
    return LISTPACK if is_small else HASHTABLE


class TakenMembers(Taken):
    """Members that were popped for a client."""

    __slots__ = ("form",)

    family = Set

    def __init__(self, key: Key[Set], members: Sequence[bytes]) -> None:
        super().__init__(key, members)
        self.form = key.value.form

    def fill(self, keys: Keyed, key: Key[Set]) -> None:
        """Put those in that have not come back meanwhile."""
        fresh = [each for each in self.things if each not in key.value]
        _emit_members(keys, key.number, fresh, self.form)
