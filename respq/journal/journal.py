"""What a journal is: an ordered store of batches with three operations.

`append` refuses a position that is taken, so that a second writer is fenced and never
merged; `read` gives what is there in order; `trim` forgets the oldest. Anything that can do
these can be the journal: memory, the local disk, a replicated log. A journal takes blobs as
they are, and knows of them only where their checksum lies: what they mean, and whether they
follow one another, is recovery's question.

Calls come from one thread at a time, not always the same one. An iterator that `read`
returned may be driven while others append: it gives what was there when it was asked, and
perhaps what came later.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from respq.errors import CommitFailed


class PositionTaken(CommitFailed):
    """Another writer has written at this position: this one is fenced and must stop."""


class BatchSource(Protocol):
    """The part of a journal that recovery needs."""

    def read(self, position: int) -> Iterator[tuple[int, bytes]]:
        """Yield position and blob, in order, from ``position`` on.

        Raises:
            JournalBroken: what lies there cannot be read.
        """
        ...

    def cut(self, position: int) -> bool:
        """Forget the last batch, which is torn; False, and no change, if it may be answered for.

        True only if it is certain that no reply was sent on the batch at ``position``.
        """
        ...


class Journal(BatchSource, Protocol):
    """An append store of batches; positions rise by one from 1."""

    def append(self, position: int, blob: bytes, checksum: int) -> None:
        """Write the next batch, as durable as the mode says when this returns.

        Args:
            position: one more than the last.
            blob: the bytes of the batch.
            checksum: of the batch, as `encode_batch` returned it.

        Raises:
            PositionTaken: there is a batch at ``position`` already.
            CommitFailed: it could not be written. Memory is ahead of the journal then, so the
                process must stop; a journal that failed takes nothing any more.
        """
        ...

    def trim(self, position: int) -> None:
        """Forget batches before ``position``, as far as they can be forgotten cheaply.

        Batches that are still there are durable when this returns: some of them say again what
        the forgotten ones said.

        Raises:
            CommitFailed: the disk refused.
        """
        ...

    def sealed_before(self) -> int:
        """Return before which position batches can be read at leisure, in nobody's way."""
        ...

    def sync(self) -> None:
        """Make durable what was appended; `everysec` calls this each second.

        Raises:
            CommitFailed: the disk refused.
        """
        ...

    def close(self) -> None:
        """Make everything durable and let go; a second call does nothing."""
        ...

    def size_bytes(self) -> int:
        """Return the space that the journal takes; other threads may ask, beside the writer."""
        ...
