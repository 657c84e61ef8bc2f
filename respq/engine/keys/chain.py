"""A sequence of bytes that grows and shrinks at both ends, and can be copied at once.

    front    the first items, the very first of them last
    blocks   those in between, in blocks that never change
    back     the last items

Ends are Python lists, pushed to and popped from where that is O(1). An end that is longer than
`END_MAX` has its inner part made a block; one that is empty takes a block over, or half of the
other end. What changes in the middle replaces a block. So a copy of the moment shares all blocks:
it takes no longer than to copy the ends, and the references to the blocks.

``starts`` has the place of the first item of each block, counted from anywhere: what matters is
the distance. A place is found by halving, whatever the sizes of the blocks have come to be.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

import msgspec

BLOCK: Final = 512
"""Items of a block, unless something is put in or taken out there."""
END_MAX: Final = 2 * BLOCK


class Block(msgspec.Struct, frozen=True, gc=False):
    """Some items, and how many bytes they have together."""

    items: tuple[bytes, ...]
    size: int


def _block(items: Sequence[bytes]) -> Block:
    return Block(tuple(items), sum(map(len, items)))


class Chain:
    """A sequence of bytes; a place is counted from 0, and exists where it is asked for."""

    __slots__ = ("back", "blocks", "count", "front", "size", "starts")

    def __init__(self) -> None:
        self.front: list[bytes] = []
        self.blocks: list[Block] = []
        self.starts: list[int] = []
        self.back: list[bytes] = []
        self.count = 0
        """Of all items."""
        self.size = 0
        """Of all items in bytes."""

    def __len__(self) -> int:
        """Return how many items there are."""
        return self.count

    def __iter__(self) -> Iterator[bytes]:
        """Yield every item."""
        for run in self.runs():
            yield from run

    def runs(self) -> list[Sequence[bytes]]:
        """Return all items as they are now, in runs; what changes later does not change these."""
        return [self.front[::-1], *[block.items for block in self.blocks], self.back[:]]

    # At the ends.

    @property
    def first(self) -> bytes:
        """The first item."""
        if self.front:
            return self.front[-1]
        return self.blocks[0].items[0] if self.blocks else self.back[0]

    @property
    def last(self) -> bytes:
        """The last item."""
        if self.back:
            return self.back[-1]
        return self.blocks[-1].items[-1] if self.blocks else self.front[0]

    def append(self, items: Sequence[bytes]) -> None:
        """Put items behind the last one, one after the other."""
        back = self.back
        back += items
        self._grow(items)
        if len(back) > END_MAX:
            self._part_back()

    def prepend(self, items: Sequence[bytes]) -> None:
        """Put items before the first one, one after the other: the last of them is first then."""
        front = self.front
        front += items
        self._grow(items)
        if len(front) > END_MAX:
            self._part_front()

    def drop_first(self, count: int = 1) -> Sequence[Block]:
        """Remove the first items; return the blocks that are gone, if any."""
        if not self.front:
            self._fill_front()
        if count < len(self.front):
            self._drop(self.front, len(self.front) - count, len(self.front))
            return ()
        left = count - len(self.front)
        self._drop(self.front, 0, len(self.front))
        whole = 0
        while whole < len(self.blocks) and len(self.blocks[whole].items) <= left:
            left -= len(self.blocks[whole].items)
            whole += 1
        gone = self._drop_blocks(0, whole)
        if left and self.blocks:
            self._fill_front()
            self._drop(self.front, len(self.front) - left, len(self.front))
        elif left:
            self._drop(self.back, 0, left)
        return gone

    def drop_last(self, count: int = 1) -> Sequence[Block]:
        """Remove the last items; return the blocks that are gone, if any."""
        if not self.back:
            self._fill_back()
        if count < len(self.back):
            self._drop(self.back, len(self.back) - count, len(self.back))
            return ()
        left = count - len(self.back)
        self._drop(self.back, 0, len(self.back))
        end = len(self.blocks)
        while end and len(self.blocks[end - 1].items) <= left:
            left -= len(self.blocks[end - 1].items)
            end -= 1
        gone = self._drop_blocks(end, len(self.blocks))
        if left and self.blocks:
            self._fill_back()
            self._drop(self.back, len(self.back) - left, len(self.back))
        elif left:
            self._drop(self.front, 0, left)
        return gone

    def _grow(self, items: Sequence[bytes]) -> None:
        if len(items) == 1:
            self.count += 1
            self.size += len(items[0])
        else:
            self.count += len(items)
            self.size += sum(map(len, items))

    def _drop(self, end: list[bytes], start: int, stop: int) -> None:
        if stop - start == 1:
            self.size -= len(end.pop(start))
            self.count -= 1
        elif stop > start:
            self.size -= sum(map(len, end[start:stop]))
            self.count -= stop - start
            del end[start:stop]

    def _drop_blocks(self, start: int, stop: int) -> list[Block]:
        gone = self.blocks[start:stop]
        for block in gone:
            self.size -= block.size
            self.count -= len(block.items)
        del self.blocks[start:stop], self.starts[start:stop]
        return gone

    def _part_front(self) -> None:
        """Make blocks of all but what an end should have."""
        inner = (len(self.front) - BLOCK) // BLOCK * BLOCK
        items = self.front[:inner][::-1]
        blocks = [_block(items[start : start + BLOCK]) for start in range(0, inner, BLOCK)]
        start = (self.starts[0] if self.starts else 0) - inner
        self.starts[:0] = range(start, start + inner, BLOCK)
        self.blocks[:0] = blocks
        del self.front[:inner]

    def _part_back(self) -> None:
        inner = (len(self.back) - BLOCK) // BLOCK * BLOCK
        start = self.starts[-1] + len(self.blocks[-1].items) if self.starts else 0
        self.starts += range(start, start + inner, BLOCK)
        self.blocks += [
            _block(self.back[start : start + BLOCK]) for start in range(0, inner, BLOCK)
        ]
        del self.back[:inner]

    def _fill_front(self) -> None:
        """Take something over from behind; the front is empty."""
        if self.blocks:
            self.front += reversed(self.blocks.pop(0).items)
            del self.starts[0]
        else:
            half = (len(self.back) + 1) // 2
            self.front += reversed(self.back[:half])
            del self.back[:half]

    def _fill_back(self) -> None:
        if self.blocks:
            self.back += self.blocks.pop().items
            del self.starts[-1]
        else:
            half = (len(self.front) + 1) // 2
            self.back += reversed(self.front[:half])
            del self.front[:half]

    # Anywhere: O(log n) to find it, and of a block or an end to change it.

    def item(self, place: int) -> bytes:
        """Return the item at a place."""
        if place < len(self.front):
            return self.front[~place]
        behind = place - self.count
        if -behind <= len(self.back):
            return self.back[behind]
        number, offset = self._find(place)
        return self.blocks[number].items[offset]

    def slice(self, start: int, stop: int) -> list[bytes]:
        """Return the items from one place up to another."""
        front_end, back_start = len(self.front), self.count - len(self.back)
        found: list[bytes] = []
        if start < front_end:
            found = self.front[max(0, front_end - stop) : front_end - start][::-1]
            start = front_end
        if start < min(stop, back_start):
            number, offset = self._find(start)
            left = min(stop, back_start) - start
            while left > 0:
                part = self.blocks[number].items[offset : offset + left]
                found += part
                left -= len(part)
                number, offset = number + 1, 0
            start = back_start
        if start < stop:
            found += self.back[start - back_start : stop - back_start]
        return found

    def places_of(self, item: bytes, limit: int, *, backward: bool = False) -> Iterator[int]:
        """Yield the places where an item is, among the first ``limit``; or the last, from there."""
        runs = self.runs()
        if not backward:
            start = 0
            for run in runs:
                for place in _indexes(run, item):
                    if start + place >= limit:
                        return
                    yield start + place
                start += len(run)
                if start >= limit:
                    return
            return
        end = self.count
        for run in reversed(runs):
            end -= len(run)
            for place in reversed([*_indexes(run, item)]):
                if end + place < self.count - limit:
                    return
                yield end + place
            if end <= self.count - limit:
                return

    def replace(self, place: int, item: bytes) -> None:
        """Have another item be at a place."""
        self.size += len(item) - len(self.item(place))
        behind = place - self.count
        if place < len(self.front):
            self.front[~place] = item
        elif -behind <= len(self.back):
            self.back[behind] = item
        else:
            number, offset = self._find(place)
            items = self.blocks[number].items
            self.blocks[number] = _block((*items[:offset], item, *items[offset + 1 :]))

    def insert(self, place: int, item: bytes) -> None:
        """Have an item be at a place, and what was there and behind be one further on."""
        back_start = self.count - len(self.back)
        self.count += 1
        self.size += len(item)
        if place <= len(self.front):
            self.front.insert(len(self.front) - place, item)
            if len(self.front) > END_MAX:
                self._part_front()
        elif place >= back_start:
            self.back.insert(place - back_start, item)
            if len(self.back) > END_MAX:
                self._part_back()
        else:
            number, offset = self._find(place)
            items = self.blocks[number].items
            items = (*items[:offset], item, *items[offset:])
            parts = [items] if len(items) <= END_MAX else [items[:BLOCK], items[BLOCK:]]
            self.blocks[number : number + 1] = map(_block, parts)
            self._count_anew()

    def remove(self, places: Sequence[int]) -> None:
        """Remove the items at some places, which rise."""
        in_front = bisect_left(places, len(self.front))
        before_back = bisect_left(places, self.count - len(self.back))
        back_start = self.count - len(self.back)
        for place in reversed(places[before_back:]):
            self._drop(self.back, place - back_start, place - back_start + 1)
        if in_front < before_back:
            self._remove_inside(places[in_front:before_back])
        front_end = len(self.front)
        for place in places[:in_front]:
            self._drop(self.front, front_end - 1 - place, front_end - place)

    def _remove_inside(self, places: Sequence[int]) -> None:
        offsets: dict[int, list[int]] = {}
        for place in places:
            number, offset = self._find(place)
            offsets.setdefault(number, []).append(offset)
        first = min(offsets)
        blocks = self.blocks[:first]
        for number, block in enumerate(self.blocks[first:], first):
            if number in offsets:
                items = [*block.items]
                for offset in reversed(offsets[number]):
                    self._drop(items, offset, offset + 1)
                if blocks and len(blocks[-1].items) + len(items) <= BLOCK:
                    items = [*blocks.pop().items, *items]
                if items:
                    blocks.append(_block(items))
            else:
                blocks.append(block)
        self.blocks = blocks
        self._count_anew()

    def _find(self, place: int) -> tuple[int, int]:
        """Return the number of the block that has a place, and where in it that is."""
        counted = place - len(self.front) + self.starts[0]
        number = bisect_right(self.starts, counted) - 1
        return number, counted - self.starts[number]

    def _count_anew(self) -> None:
        lengths = [len(block.items) for block in self.blocks]
        self.starts = [*accumulate(lengths[:-1], initial=0)] if lengths else []

    # Besides.

    def free(self, limit: int) -> bool:
        """Let go of up to about ``limit`` items; return whether there are more. It is of no use."""
        for end in (self.front, self.back):
            start = max(0, len(end) - limit)
            limit -= len(end) - start
            del end[start:]
        while limit > 0 and self.blocks:
            limit -= len(self.blocks.pop().items)
        return bool(self.front or self.back or self.blocks)

    def check(self) -> None:
        """Assert that its parts agree."""
        items = [*self]
        assert (self.count, self.size) == (len(items), sum(map(len, items)))
        assert len(self.front) <= END_MAX
        assert len(self.back) <= END_MAX
        lengths = [len(block.items) for block in self.blocks]
        assert all(0 < length <= END_MAX for length in lengths)
        first = self.starts[0] if self.starts else 0
        starts = [*accumulate(lengths, initial=first)][:-1]
        assert self.starts == starts
        assert all(block == _block(block.items) for block in self.blocks)


def _indexes(run: Sequence[bytes], item: bytes) -> Iterator[int]:
    start = 0
    while True:
        try:
            start = run.index(item, start)
        except ValueError:
            return
        yield start
        start += 1
