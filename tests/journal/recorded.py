"""A server in the palm of the hand whose journal is on the disk as well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from respq.engine.batch import FORMAT_VERSION, BatchHeader, encode_batch
from respq.engine.codec import decode_records
from respq.engine.records import Trimmed
from respq.journal.disk import DiskJournal
from tests.harness import Harness, image


class Recorded(Harness):
    """A harness, and a data directory that gets each of its batches at once."""

    def __init__(self, data_dir: Path, segment_bytes: int = 1 << 26, fsync: str = "no") -> None:
        super().__init__()
        self.disk = DiskJournal(str(data_dir), fsync=fsync, segment_bytes=segment_bytes)
        self.images: dict[int, Any] = {}
        """The queues behind each batch."""
        self.times: dict[int, int] = {}
        self.checksums = {0: 0}

    @property
    def position(self) -> int:
        """Of the last batch."""
        return len(self.journal)

    @property
    def queues(self) -> Any:
        """The queues as they are now."""
        return image(self.engine.state)["queues"]

    def settle(self) -> None:
        """Do what every harness does, and write what it recorded."""
        before = self.position
        super().settle()
        if self.position > before:
            self._write()

    def forget(self, batches: int) -> None:
        """Say again what lives of the oldest batches, and have the disk forget them."""
        for position in range(1, batches + 1):
            records = decode_records(self.journal[position - 1])
            for _ in self.engine.relocate(self.now_ms, position, records):
                pass
        checksum = self.checksums[batches]
        self.engine.emit(Trimmed(batches + 1, checksum, self.drawn[batches - 1]))
        self.settle()
        self.disk._keeper.submit(int).result()
        self.disk.trim(batches + 1)
        self.disk._keeper.submit(int).result()

    def close(self) -> None:
        """Leave the journal as a server does that was stopped."""
        self.disk.close()

    def _write(self) -> None:
        state, position, body = self.engine.state, self.position, self.journal[-1]
        header = BatchHeader(
            FORMAT_VERSION,
            position,
            1,
            self.now_ms,
            state.next_number,
            state.next_fence,
            1,
            len(decode_records(body)),
        )
        blob, checksum = encode_batch(header, body, self.checksums[position - 1])
        self.disk.append(position, blob, checksum)
        self.checksums[position] = checksum
        self.images[position] = self.queues
        self.times[position] = self.now_ms
