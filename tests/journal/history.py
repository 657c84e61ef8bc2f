"""Batches to put into a journal, and what a journal must give back."""

import random

from respq.engine.batch import FORMAT_VERSION, BatchHeader, encode_batch
from respq.engine.codec import encode_records
from respq.engine.records import EpochStarted
from respq.journal.journal import BatchSource, Journal
from respq.journal.recovery import Chain, read_batches


class History:
    """A chain of batches; the same seed and sizes give the same bytes."""

    def __init__(self, body_bytes: int = 100, epoch: int = 1) -> None:
        self.body_bytes = body_bytes
        self.epoch = epoch
        self.position = 0
        self.checksum = 0

    def body(self, position: int) -> bytes:
        """Return one record, with so much random text that the body has its size."""
        text = random.Random(position).randbytes(self.body_bytes).hex()
        longest = encode_records([EpochStarted(1, 0, text[: self.body_bytes])], [])
        spare = 2 * self.body_bytes - len(longest)
        return encode_records([EpochStarted(1, 0, text[:spare])], [])

    def header(self, position: int) -> BatchHeader:
        return BatchHeader(FORMAT_VERSION, position, self.epoch, position * 10, 1, 1, 1, 1)

    def next(self) -> tuple[int, bytes, int]:
        """Make the next batch: position, blob and checksum."""
        self.position += 1
        header, body = self.header(self.position), self.body(self.position)
        blob, self.checksum = encode_batch(header, body, self.checksum)
        return self.position, blob, self.checksum

    def append_to(self, journal: Journal, count: int) -> None:
        for _ in range(count):
            journal.append(*self.next())


def read_all(journal: BatchSource) -> list[tuple[BatchHeader, bytes]]:
    """Read a journal of which nothing may be passed over."""
    reports: list[str] = []
    chain = Chain()
    batches = [(header, body) for header, body, _ in read_batches(journal, reports.append, chain)]
    chain.check_begin(None)
    assert reports == []
    return batches


def expect(count: int, body_bytes: int = 100) -> list[tuple[BatchHeader, bytes]]:
    """Return the first batches of a `History`, as recovery gives them."""
    history = History(body_bytes)
    return [(history.header(each), history.body(each)) for each in range(1, count + 1)]
