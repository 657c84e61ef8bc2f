"""A mapping that never grows so far that one resize stalls the loop.

A dict of 1.4 million entries takes 43 ms to grow. Beyond `WHOLE_MAX` entries these lie in
`SHARDS` dicts, by hash; below it there is one, which is as fast as a dict where many keys
are added, removed or looked up at once.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from itertools import chain
from typing import Final, TypeVar

K = TypeVar("K")
V = TypeVar("V")

WHOLE_MAX: Final = 1 << 15
"""Parting as many takes about 3 ms."""
SHARDS: Final = 256


class Spread(MutableMapping[K, V]):
    """Entries in no order."""

    __slots__ = ("_shards", "_whole")

    def __init__(self) -> None:
        self._whole: dict[K, V] = {}
        self._shards: list[dict[K, V]] = []
        """Empty while all is in one dict."""

    def add_all(self, entries: dict[K, V]) -> None:
        """Set several entries."""
        if self._shards:
            for key, value in entries.items():
                self._shards[hash(key) % SHARDS][key] = value
            return
        self._whole.update(entries)
        if len(self._whole) > WHOLE_MAX:
            self._part()

    def get_all(self, keys: Sequence[K]) -> list[V | None]:
        """Return the value of each key, None for one that is not there."""
        if self._shards:
            return [self._shards[hash(key) % SHARDS].get(key) for key in keys]
        return list(map(self._whole.get, keys))

    def remove_all(self, keys: Sequence[K]) -> None:
        """Remove several keys; raise `KeyError` for one that is not there."""
        if not self._shards:
            whole = self._whole
            for key in keys:
                del whole[key]
            return
        for key in keys:
            del self._shards[hash(key) % SHARDS][key]
        if keys and not self._dict_of(keys[-1]) and not any(self._shards):
            self._shards = []

    def __getitem__(self, key: K) -> V:
        """Return the value of a key; raise `KeyError` if it is not there."""
        return self._dict_of(key)[key]

    def find(self, key: K) -> V | None:
        """Return the value of a key, None if it is not there; `get` raises and catches."""
        shards = self._shards
        return (shards[hash(key) % SHARDS] if shards else self._whole).get(key)

    def __setitem__(self, key: K, value: V) -> None:
        """Set one entry."""
        if self._shards:
            self._shards[hash(key) % SHARDS][key] = value
            return
        self._whole[key] = value
        if len(self._whole) > WHOLE_MAX:
            self._part()

    def __delitem__(self, key: K) -> None:
        """Remove one key; raise `KeyError` if it is not there."""
        self.remove_all((key,))

    def __iter__(self) -> Iterator[K]:
        """Yield the keys."""
        return chain(self._whole, *self._shards)

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._whole) + sum(map(len, self._shards))

    def parts(self) -> list[dict[K, V]]:
        """Return the dicts that it consists of."""
        return [self._whole, *self._shards]

    def _dict_of(self, key: K) -> dict[K, V]:
        return self._shards[hash(key) % SHARDS] if self._shards else self._whole

    def _part(self) -> None:
        whole, self._whole = self._whole, {}
        self._shards = [{} for _ in range(SHARDS)]
        self.add_all(whole)
