"""SORT: what is in a list, a set or a sorted set, in order, or what other keys say of it.

A pattern is the name of another key, in which what is sorted stands for the first ``*``:

    weight_*        the string of that name
    user_*->name    a field of the hash of that name; an arrow with nothing behind it is none
    #               what is sorted itself
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from respq.engine.core import WRONG_TYPE
from respq.engine.keys.doubles import parse_double
from respq.engine.keys.hashes import Hash
from respq.engine.keys.lists import List
from respq.engine.keys.sets import Set
from respq.engine.keys.strings import String
from respq.engine.keys.zsets import Zset
from respq.errors import RespqError, WrongType

if TYPE_CHECKING:
    from respq.engine.keys.keyed import Keyed

ITSELF: Final = b"#"
_SPACE: Final = b" \t\n\v\f\r"


class Sorting(msgspec.Struct, frozen=True):
    """What SORT is told besides the key."""

    by: bytes | None = None
    """A pattern; one without a star leaves the order as it is."""
    offset: int = 0
    count: int = -1
    """How many to return; below 0 for all."""
    get: tuple[bytes, ...] = ()
    """Patterns of what to return for each; none for what is sorted itself."""
    descending: bool = False
    alpha: bool = False
    """Compare bytes, not numbers."""
    repeatable: bool = False
    """Have some order, even where it is to be left as it is: that of a set is as it happens."""


def sorted_items(
    keys: Keyed, now_ms: int, db: int, name: bytes, sorting: Sorting
) -> list[bytes | None]:
    """Return what is asked for, None for what is not there.

    Raises:
        WrongType: the key holds something else.
        RespqError: what is to be compared is no number.
    """
    items, ordered = _items(keys, now_ms, db, name, sorting)
    if not ordered:
        items = _in_order(keys, now_ms, db, items, sorting)
    start = max(sorting.offset, 0)
    items = items[start:] if sorting.count < 0 else items[start : start + sorting.count]
    if not sorting.get:
        return [*items]
    return [_looked_up(keys, now_ms, db, each, item) for item in items for each in sorting.get]


def _items(
    keys: Keyed, now_ms: int, db: int, name: bytes, sorting: Sorting
) -> tuple[Sequence[bytes], bool]:
    """Return what a key holds, and whether that is its order already."""
    key = keys.find_key(now_ms, db, name)
    if key is None:
        keys.refuse_queue(db, name)
        return (), True
    stays = sorting.by is not None and b"*" not in sorting.by
    match key.value:
        case List() as value:
            items = [*value.items]
        case Zset() as value:
            items = [member for _, member in value.entries]
        case Set() as value:
            return [*value], stays and not sorting.repeatable
        case _:
            raise WrongType(WRONG_TYPE)
    if stays and sorting.descending:
        items.reverse()
    return items, stays


def _in_order(
    keys: Keyed, now_ms: int, db: int, items: Sequence[bytes], sorting: Sorting
) -> Sequence[bytes]:
    by = sorting.by
    if by is not None and b"*" not in by:
        return sorted(items, reverse=sorting.descending)
    marks: Sequence[bytes | None] = items
    if by is not None:
        marks = [_looked_up(keys, now_ms, db, by, item) for item in items]
    if not sorting.alpha:
        weighed = sorted(zip(map(_weight, marks), items, strict=True), reverse=sorting.descending)
        return [item for _, item in weighed]
    # What is not there comes first.
    places = sorted(
        range(len(items)),
        key=lambda place: (marks[place] is not None, marks[place] or b""),
        reverse=sorting.descending,
    )
    return [items[place] for place in places]


def _weight(mark: bytes | None) -> float:
    """Return the number that C's strtod finds; 0 for what is not there."""
    text = (mark or b"").partition(b"\0")[0]
    weight = parse_double(text.lstrip(_SPACE)) if text else 0.0
    if weight is None:
        raise RespqError("One or more scores can't be converted into double")
    return weight


def _looked_up(keys: Keyed, now_ms: int, db: int, pattern: bytes, item: bytes) -> bytes | None:
    """Return what a pattern says of an item; None for nothing."""
    if pattern == ITSELF:
        return item
    before, star, after = pattern.partition(b"*")
    if not star:
        return None
    after, arrow, field = after.partition(b"->")
    if not field:
        after, arrow = after + arrow, b""
    key = keys.find_key(now_ms, db, before + item + after)
    if key is None:
        return None
    if arrow:
        return key.value.find(field) if isinstance(key.value, Hash) else None
    return key.value.data if isinstance(key.value, String) else None
