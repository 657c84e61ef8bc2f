"""A mapping that grows without a stall, and that can be walked while it changes.

    places   2 ** bits of them, one for each beginning of a hash; neighbours may share a bucket
    buckets  dicts of up to `BUCKET_MAX` entries, one for each range of hashes

A bucket that is full is parted in two, and the places are doubled where that takes more of them:
what a single change can cost does not depend on how many entries there are, but for the
places, which are references, one for some ninety entries. A walk goes through the hashes from 0
on: whatever is there all the time is met once, however buckets are parted meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Generic, TypeVar

V = TypeVar("V")

BUCKET_MAX: Final = 128
"""Fewer are walked at once, as Redis walks what it keeps in one piece."""
BITS_MAX: Final = 32
_HASH_BITS: Final = 64
_HASH_MASK: Final = (1 << _HASH_BITS) - 1


class _Bucket(dict[bytes, V]):
    __slots__ = ("bits",)

    bits: int
    """How many bits all hashes in it have in common."""


class Hashed(Generic[V]):
    """Entries by the hash of their key, which is another one in each process."""

    __slots__ = ("_count", "_places", "_shift")

    def __init__(self) -> None:
        self._start_over()

    def _start_over(self) -> None:
        first: _Bucket[V] = _Bucket()
        first.bits = 0
        self._places = [first]
        self._shift = _HASH_BITS
        self._count = 0

    def __len__(self) -> int:
        """Return how many entries there are."""
        return self._count

    def __iter__(self) -> Iterator[bytes]:
        """Yield every key."""
        for bucket in self._buckets():
            yield from bucket

    def items(self) -> Iterator[tuple[bytes, V]]:
        """Yield every entry."""
        for bucket in self._buckets():
            yield from bucket.items()

    def find(self, key: bytes) -> V | None:
        """Return the value of a key; None if it is not there."""
        return self._places[(hash(key) & _HASH_MASK) >> self._shift].get(key)

    def put(self, key: bytes, value: V) -> None:
        """Set an entry."""
        bucket = self._places[(hash(key) & _HASH_MASK) >> self._shift]
        before = len(bucket)
        bucket[key] = value
        if len(bucket) != before:
            self._count += 1
            if before >= BUCKET_MAX:
                self._part(bucket, (hash(key) & _HASH_MASK) >> self._shift)

    def take(self, key: bytes) -> V | None:
        """Remove an entry, and return its value; None if it was not there."""
        value = self._places[(hash(key) & _HASH_MASK) >> self._shift].pop(key, None)
        if value is not None:
            self._count -= 1
            if not self._count:
                self._start_over()
        return value

    def walk(self, cursor: int, count: int) -> tuple[int, list[tuple[bytes, V]]]:
        """Return about ``count`` entries from ``cursor`` on, and where to go on; 0 for the end."""
        found: list[tuple[bytes, V]] = []
        while len(found) < count:
            place = (cursor & _HASH_MASK) >> self._shift
            bucket = self._places[place]
            start = place >> (_HASH_BITS - self._shift - bucket.bits) << _HASH_BITS - bucket.bits
            if start == cursor:
                found += bucket.items()
            else:
                # It was parted when the walk stopped here, and is not any more.
                found += [each for each in bucket.items() if hash(each[0]) & _HASH_MASK >= cursor]
            cursor = start + (1 << _HASH_BITS - bucket.bits)
            if cursor > _HASH_MASK:
                return 0, found
        return cursor, found

    def _buckets(self) -> Iterator[_Bucket[V]]:
        place = 0
        while place < len(self._places):
            bucket = self._places[place]
            yield bucket
            place += 1 << (_HASH_BITS - self._shift - bucket.bits)

    def _part(self, bucket: _Bucket[V], place: int) -> None:
        """Part a bucket in two, by the next bit of the hashes."""
        if bucket.bits == BITS_MAX:
            return
        if bucket.bits == _HASH_BITS - self._shift:
            self._places = [each for each in self._places for _ in range(2)]
            self._shift -= 1
            place *= 2
        low: _Bucket[V] = _Bucket()
        high: _Bucket[V] = _Bucket()
        low.bits = high.bits = bucket.bits + 1
        bit = 1 << _HASH_BITS - low.bits
        for key, value in bucket.items():
            (high if hash(key) & bit else low)[key] = value
        half = 1 << (_HASH_BITS - self._shift - low.bits)
        first = place // (2 * half) * 2 * half
        self._places[first : first + 2 * half] = [low] * half + [high] * half
