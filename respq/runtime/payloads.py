"""Reading payloads back from the journal, beside the loop.

At the end of a turn the batches that are wanted (engine/payloads.py) are read in a thread of their
own; when they are there, the commands that wait for them run again. Commands in a transaction
cannot wait: for them the loop reads itself.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from respq.config import READ_BYTES_MAX
from respq.engine.batch import BrokenBatch, decode_batch
from respq.engine.codec import UnreadableRecord, decode_records
from respq.engine.records import AnyRecord
from respq.errors import JournalBroken
from respq.journal.journal import Journal

if TYPE_CHECKING:
    from respq.runtime.core import Core

POSITIONS_MAX: Final = 256
"""That are read in one go."""
SKIP_MAX: Final = 16
"""So many batches in between are rather read than sought over."""
TRIES: Final = 3
TRY_S: Final = 0.2
"""What cannot be read for want of files or locks is tried again after so long."""

Read = dict[int, list[AnyRecord] | None]


class PayloadReader:
    """Reads the batches that are wanted."""

    def __init__(
        self,
        core: Core,
        journal: Journal,
        *,
        report: Callable[[str], None],
        reader: Executor | None = None,
    ) -> None:
        """Begin with nothing to read.

        Args:
            core: whose engine wants payloads, in whose turns they are put back.
            journal: where they lie.
            report: called with a sentence for a batch that cannot be read.
            reader: where it is read; a thread of its own by default.
        """
        self._core = core
        self._journal = journal
        self._report = report
        self._reader = reader or ThreadPoolExecutor(1, thread_name_prefix="payload-reader")
        self._is_closed = False

    def read(self) -> None:
        """Begin to read what is wanted, unless a reading is under way."""
        engine = self._core.engine
        if engine.state.reading or self._is_closed:
            return
        engine.state.reading = asked = engine.take_wanted(POSITIONS_MAX)
        if asked:
            future = self._reader.submit(read_batches, self._journal, sorted(asked))
            future.add_done_callback(self._done)

    def read_now(self) -> None:
        """Read what is wanted in this thread."""
        engine = self._core.engine
        asked = {**engine.state.reading, **engine.take_wanted(POSITIONS_MAX)}
        self._put_back(read_batches(self._journal, sorted(asked)), asked)

    def close(self) -> None:
        """Read no more; the journal may be closed then."""
        self._is_closed = True
        self._reader.shutdown()

    def _done(self, future: Future[Read]) -> None:
        """Have the loop take what was read; called from the reader."""
        self._core.loop.call_soon_threadsafe(self._arrived, future)

    def _arrived(self, future: Future[Read]) -> None:
        if self._is_closed or self._core.failed:
            return
        now_ms = self._core.begin_turn()
        state = self._core.engine.state
        asked, state.reading = state.reading, {}
        self._put_back(future.result(), asked)
        self._core.broker.serve(now_ms)

    def _put_back(self, read: Read, asked: dict[int, dict[int, None]]) -> None:
        engine = self._core.engine
        engine.state.batches_read += len(read)
        for position, records in read.items():
            if records is None and engine.is_needed(position, asked[position]):
                self._report(f"the batch at position {position} cannot be read back")
        engine.put_back(read, asked)
        # What would have taken too long in one go is wanted still.
        engine.want_again({each: asked[each] for each in asked if each not in read})


def read_batches(journal: Journal, positions: Iterable[int]) -> Read:
    """Return the records of batches, None for one that cannot be read.

    ``positions`` rise; those beyond `READ_BYTES_MAX` are left out.
    """
    read: Read = {}
    rows: Iterator[tuple[int, bytes]] = iter(())
    reached, size = -SKIP_MAX - 1, 0
    for position in positions:
        if size >= READ_BYTES_MAX:
            break
        is_near = reached < position <= reached + SKIP_MAX
        blob, rows = _blob_at(journal, position, rows if is_near else None)
        reached = position
        read[position] = None if blob is None else _records_of(position, blob)
        size += len(blob) if blob is not None else 0
    return read


def _blob_at(
    journal: Journal, position: int, rows: Iterator[tuple[int, bytes]] | None
) -> tuple[bytes | None, Iterator[tuple[int, bytes]]]:
    """Return the blob at a position, None if there is none, and the rows behind it."""
    for tried in range(TRIES):
        if tried:
            time.sleep(TRY_S)
        if rows is None or tried:
            rows = iter(journal.read(position))
        try:
            for found, blob in rows:
                if found >= position:
                    return (blob if found == position else None), rows
        except JournalBroken as broken:
            if not isinstance(broken.__cause__, sqlite3.OperationalError):
                break
        else:
            break
    return None, iter(())


def _records_of(position: int, blob: bytes) -> list[AnyRecord] | None:
    try:
        header, body, _ = decode_batch(blob, None)
        return decode_records(body) if header.position == position else None
    except (BrokenBatch, UnreadableRecord):
        return None
