"""A mapping that grows without a stall, and that can be walked while it changes.

    places   2 ** bits of them, one for each beginning of a hash; neighbours may share a bucket
    buckets  dicts of up to `BUCKET_MAX` entries, one for each range of hashes, in no order

A bucket that is full is parted in two, and the places are doubled where that takes more of them;
two that hold little are joined, and the places are halved where none needs so many. What a single
change can cost does not depend on how many entries there are, but for the places, which are
references, one for some ninety entries. A walk goes through the hashes from 0 on: whatever is
there all the time is met once, however buckets are parted and joined meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, Generic, TypeVar

V = TypeVar("V")

BUCKET_MAX: Final = 128
"""Fewer are walked at once, as Redis walks what it keeps in one piece."""
BITS_MAX: Final = 32
_HASH_BITS: Final = 64
_HASH_MASK: Final = (1 << _HASH_BITS) - 1


class _Bucket(dict[bytes, V]):
    __slots__ = ("bits", "index")

    bits: int
    """How many bits all hashes in it have in common."""
    index: int
    """Where it is among the buckets."""


class Hashed(Generic[V]):
    """Entries by the hash of their key, which is another one in each process."""

    __slots__ = ("_buckets", "_narrow", "_places", "_shift", "count")

    def __init__(self) -> None:
        self._start_over()

    def _start_over(self) -> None:
        first: _Bucket[V] = _Bucket()
        first.bits = first.index = 0
        self._buckets = [first]
        self._places = [first]
        self._shift = _HASH_BITS
        self._narrow = 1
        """How many buckets have one place: without any there are too many places."""
        self.count = 0
        """Of the entries."""

    def __len__(self) -> int:
        """Return how many entries there are."""
        return self.count

    def __iter__(self) -> Iterator[bytes]:
        """Yield every key."""
        for bucket in self._buckets:
            yield from bucket

    def items(self) -> Iterator[tuple[bytes, V]]:
        """Yield every entry."""
        for bucket in self._buckets:
            yield from bucket.items()

    def find(self, key: bytes) -> V | None:
        """Return the value of a key; None if it is not there."""
        return self._places[(hash(key) & _HASH_MASK) >> self._shift].get(key)

    def find_all(self, keys: Iterable[bytes]) -> list[V | None]:
        """Return the value of each of several keys."""
        places, shift = self._places, self._shift
        return [places[(hash(key) & _HASH_MASK) >> shift].get(key) for key in keys]

    def put(self, key: bytes, value: V) -> V | None:
        """Set an entry; return the value that it had, None if it was not there."""
        place = (hash(key) & _HASH_MASK) >> self._shift
        bucket = self._places[place]
        old = bucket.get(key)
        bucket[key] = value
        if old is None:
            self._note_growth(bucket, place)
        return old

    def put_all(self, keys: Sequence[bytes], values: Sequence[V]) -> list[V | None]:
        """Set an entry for each key; return the values that they had, one after the other."""
        places, shift = self._places, self._shift
        if len(places) == 1 < len(keys) <= BUCKET_MAX - self.count and len({*keys}) == len(keys):
            # What follows, without a loop.
            whole = places[0]
            had = [*map(whole.get, keys)]
            whole.update(zip(keys, values, strict=True))
            self.count = len(whole)
            return had
        olds = []
        for key, value in zip(keys, values, strict=True):
            place = (hash(key) & _HASH_MASK) >> shift
            bucket = places[place]
            old = bucket.get(key)
            bucket[key] = value
            olds.append(old)
            if old is None:
                self._note_growth(bucket, place)
                places, shift = self._places, self._shift
        return olds

    def _note_growth(self, bucket: _Bucket[V], place: int) -> None:
        self.count += 1
        if len(bucket) > BUCKET_MAX:
            self._part(bucket, place)

    def take(self, key: bytes) -> V | None:
        """Remove an entry, and return its value; None if it was not there."""
        bucket = self._places[(hash(key) & _HASH_MASK) >> self._shift]
        value = bucket.pop(key, None)
        if value is not None:
            self.count -= 1
            if not self.count:
                self._start_over()
            elif len(bucket) <= BUCKET_MAX // 2:
                self._join(bucket, (hash(key) & _HASH_MASK) >> self._shift)
        return value

    def pick(self, below: Callable[[int], int]) -> tuple[bytes, V]:
        """Return an entry, each as likely, of one or more.

        Args:
            below: draws a number from 0 on that is below another; it is called some times.
        """
        buckets = self._buckets
        bucket, nth = buckets[0], self.count
        if len(buckets) == 1:
            nth = below(self.count)
        while nth >= len(bucket):
            bucket = buckets[below(len(buckets))]
            nth = below(BUCKET_MAX + 1)
        return next(islice(bucket.items(), nth, None))

    def walked(self) -> Iterator[tuple[bytes, V]]:
        """Yield every entry; what comes or goes meanwhile may be among them, or not."""
        cursor, found = self.walk(0, 1)
        yield from found
        while cursor:
            cursor, found = self.walk(cursor, 1)
            yield from found

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

    def let_go(self, limit: int) -> bool:
        """Remove about ``limit`` entries; return whether there are more."""
        for key, _ in self.walk(0, limit)[1]:
            self.take(key)
        return bool(self)

    def check(self) -> None:
        """Assert that each entry lies where it is looked for, and that places are not too many."""
        buckets = self._buckets
        assert self.count == sum(map(len, buckets))
        assert self._narrow == sum(self._width(each) == 1 for each in buckets) > 0
        assert len(self._places) == sum(map(self._width, buckets)) == 1 << _HASH_BITS - self._shift
        for index, bucket in enumerate(buckets):
            assert bucket.index == index
            for key in bucket:
                assert self._places[(hash(key) & _HASH_MASK) >> self._shift] is bucket

    def _width(self, bucket: _Bucket[V]) -> int:
        """Return how many places a bucket has."""
        return 1 << (_HASH_BITS - self._shift - bucket.bits)

    def _part(self, bucket: _Bucket[V], place: int) -> None:
        """Part a bucket in two, by the next bit of the hashes."""
        if bucket.bits == BITS_MAX:
            return
        if self._width(bucket) == 1:
            self._places = [each for each in self._places for _ in range(2)]
            self._shift -= 1
            self._narrow = 0
            place *= 2
        low: _Bucket[V] = _Bucket()
        high: _Bucket[V] = _Bucket()
        low.bits = high.bits = bucket.bits + 1
        low.index, high.index = bucket.index, len(self._buckets)
        self._buckets[low.index] = low
        self._buckets.append(high)
        bit = 1 << _HASH_BITS - low.bits
        for key, value in bucket.items():
            (high if hash(key) & bit else low)[key] = value
        half = self._width(low)
        first = place // (2 * half) * 2 * half
        self._places[first : first + 2 * half] = [low] * half + [high] * half
        if half == 1:
            self._narrow += 2

    def _join(self, bucket: _Bucket[V], place: int) -> None:
        """Join a bucket with its neighbour, and so on, where both hold half of one at most."""
        while bucket.bits:
            half = self._width(bucket)
            first = place // (2 * half) * 2 * half
            low, high = self._places[first], self._places[first + half]
            if low.bits != high.bits or len(low) + len(high) > BUCKET_MAX // 2:
                return
            bucket = _Bucket(low)
            bucket.update(high)
            bucket.bits, bucket.index = low.bits - 1, low.index
            self._buckets[low.index] = bucket
            last = self._buckets.pop()
            if last is not high:
                last.index = high.index
                self._buckets[high.index] = last
            self._places[first : first + 2 * half] = [bucket] * (2 * half)
            if half == 1:
                self._narrow -= 2
            while not self._narrow:
                self._places = self._places[::2]
                self._shift += 1
                self._narrow = sum(self._width(each) == 1 for each in self._buckets)
                place //= 2
