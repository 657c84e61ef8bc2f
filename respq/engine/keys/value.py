"""What a family of keys has to be."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import msgspec

from respq.config import TRANSACTION_BYTES_MAX
from respq.engine.record import Record
from respq.errors import TooBig

if TYPE_CHECKING:
    from respq.engine.keys.key import Key
    from respq.engine.keys.keyed import Keyed

PIECE_BYTES: Final = 32 * 1024
"""About how much of a value one record of a copy holds: a slice of compaction takes two."""

Piece = list[Any]


class Value(msgspec.Struct, gc=False, eq=False):
    """What a key holds. Only `applies` and `add_piece` change it.

    It is made empty, without arguments. The garbage collector does not track it: nothing that it
    holds may refer back to it.
    """

    code: ClassVar[int]
    """Of the family, in records."""
    type_name: ClassVar[bytes]
    """What TYPE answers."""
    applies: ClassVar[Mapping[type[Record], Callable[[Any, Any], Value | None]]]
    """For each record of the family what it does to a value: the value and the record go in.

    What a value let go of may come out as another one: it is freed in slices if it is large.
    """

    def __len__(self) -> int:
        """Return how many things there are in it."""
        return 1

    @property
    @abstractmethod
    def encoding(self) -> bytes:
        """Redis' name for how it would lie in Redis' memory."""

    @property
    def is_empty(self) -> bool:
        """Whether its key is to go, after a record of the family was applied."""
        return False

    @property
    def deliverable(self) -> int:
        """How much there is for clients that wait for its name."""
        return 0

    @property
    @abstractmethod
    def full_bytes(self) -> int:
        """About how many bytes its pieces take in the journal; O(1), or from a sample."""

    @abstractmethod
    def pieces(self) -> Iterator[Piece]:
        """Yield a copy of it in parts of about `PIECE_BYTES`, at least one.

        The copy is of the moment when the first part is asked for: what changes between two parts
        must not be in a later one; unless all records of the family say what is so afterwards,
        whatever was before, for then what has changed holds in the end.
        """

    @abstractmethod
    def add_piece(self, items: Piece) -> None:
        """Take the next part of a copy."""

    @abstractmethod
    def plain(self) -> Any:
        """Return all of it as plain values, to be compared."""

    def check(self) -> None:
        """Assert that its parts agree."""

    def free(self, limit: int) -> bool:  # noqa: ARG002 - for those who override it
        """Let go of up to ``limit`` things in it; return whether there are more.

        It belongs to no key any more. One that takes long to be freed at once should override it.
        """
        return False

    @classmethod
    def of_pieces(cls, pieces: Iterator[Piece]) -> Self:
        """Return a value of the parts of a copy."""
        value = cls()
        for piece in pieces:
            value.add_piece(piece)
        return value


class Scored(Value, gc=False, eq=False):
    """A value of members with scores, which ZUNION and its kin combine; all 1 in a plain set."""

    @abstractmethod
    def __len__(self) -> int:
        """Return how many members there are."""

    @abstractmethod
    def scored(self) -> Iterator[tuple[float, bytes]]:
        """Yield every score with its member, in the order of the value."""

    @abstractmethod
    def score_of(self, member: bytes) -> float | None:
        """Return the score of a member; None if it is none."""


def check_size(size: int) -> None:
    """Raise `TooBig` for a value, or what of one is changed, that no transaction can hold."""
    if size > TRANSACTION_BYTES_MAX:
        raise TooBig(f"the value takes {size} bytes, a transaction {TRANSACTION_BYTES_MAX} at most")


class Taken(ABC):
    """What a command took out of a key for a client, as BLPOP does.

    Its handler puts it into ``session.pops``, with 0: if the reply cannot be handed to the client,
    it is put back.
    """

    __slots__ = ("db", "expires_ms", "name", "things")

    family: ClassVar[type[Value]]

    def __init__(self, key: Key[Any], things: Sequence[Any]) -> None:
        self.db, self.name, self.expires_ms = key.db, key.name, key.expires_ms
        self.things = things
        """Items, members, or the like; what was taken first comes first."""

    def put_back(self, keys: Keyed, now_ms: int) -> None:
        """Emit what puts it back where it came from, unless its time is over by now.

        If the name is that of something else, it is lost, and counted.
        """
        if keys.type_of(now_ms, self.db, self.name) not in (b"none", self.family.type_name):
            keys.lost_items += len(self.things)
            return
        key = keys.key_of(now_ms, self.db, self.name, self.family)
        if key is None:
            if 0 < self.expires_ms <= now_ms:
                return
            key = keys.make_key(self.db, self.name, self.family, expires_ms=self.expires_ms)
        self.fill(keys, key)

    @abstractmethod
    def fill(self, keys: Keyed, key: Key[Any]) -> None:
        """Emit what puts it into a key of the family, which may be new and empty."""
