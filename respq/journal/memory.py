"""A journal in memory: for ``--memory``, for tests and for embedding."""

from __future__ import annotations

from collections.abc import Iterator

from respq.journal.journal import PositionTaken


class MemoryJournal:
    """Batches by position; everything is gone when the process ends."""

    def __init__(self) -> None:
        self._blobs: dict[int, bytes] = {}
        self._last = 0
        self._bytes = 0

    def append(self, position: int, blob: bytes, checksum: int) -> None:  # noqa: ARG002
        """Keep the next batch; see `Journal.append`."""
        if position <= self._last:
            raise PositionTaken(f"there is a batch at position {position} already")
        if position > self._last + 1:
            raise ValueError(f"batch {position} would leave a gap after {self._last}")
        self._blobs[position] = blob
        self._bytes += len(blob)
        self._last = position

    def read(self, position: int) -> Iterator[tuple[int, bytes]]:
        """Yield position and blob, in order, from ``position`` on."""
        first = self._last + 1 - len(self._blobs)
        for each in range(max(position, first), self._last + 1):
            yield each, self._blobs[each]

    def cut(self, position: int) -> bool:  # noqa: ARG002
        """Return False: what was appended here was whole, and may have been answered for."""
        return False

    def trim(self, position: int) -> None:
        """Forget the batches before ``position``."""
        first = self._last + 1 - len(self._blobs)
        for each in range(first, min(position, self._last + 1)):
            self._bytes -= len(self._blobs.pop(each))

    def sealed_before(self) -> int:
        """Return the next position: nothing is in the way of anything here."""
        return self._last + 1

    def sync(self) -> None:
        """Do nothing: no mode makes memory durable."""

    def close(self) -> None:
        """Do nothing, so that tests can read what a stopped server left."""

    def size_bytes(self) -> int:
        """Return the bytes of all batches kept."""
        return self._bytes
