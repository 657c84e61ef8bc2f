"""Reading payloads back from a journal on the disk, beside the loop."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from respq.config import Settings
from respq.engine.records import JobsPushed
from respq.errors import JournalBroken
from respq.journal.disk import DiskJournal
from respq.runtime import payloads
from respq.runtime.payloads import PayloadReader, read_batches
from tests.runtime.test_core import Remote, Rig

LIMIT_S = 60.0
SEGMENT_BYTES = 64 * 1024


class Damaged(DiskJournal):
    """A journal that cannot be read at some positions, and counts how often it is sought in."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(str(data_dir), fsync="no", segment_bytes=SEGMENT_BYTES)
        self.damaged: dict[int, bytes | Exception] = {}
        self.seeks = 0

    def read(self, position: int) -> Iterator[tuple[int, bytes]]:
        self.seeks += 1
        for found, blob in super().read(position):
            there = self.damaged.get(found, blob)
            if isinstance(there, Exception):
                raise there
            yield found, there


class Server(Rig):
    """A core that reads payloads back."""

    def __init__(self, journal: Damaged) -> None:
        super().__init__(Settings(), journal)
        self.reports: list[str] = []
        self.reader = PayloadReader(self.core, journal, report=self.reports.append)
        self.core.payload_reader = self.reader
        self.broker.read_payloads = self.reader.read_now

    async def push(self, count: int) -> None:
        """Have jobs pushed, a commit each, and their payloads let go."""
        client = Remote(self)
        for number in range(count):
            client.arrive(f"QPUSH q {number:0100d}")
            await self.settled()
        for queue in self.engine.state.queues.values():
            for job in queue:
                job.payload, queue.has_away = 100, True

    async def settled(self) -> None:
        async with asyncio.timeout(LIMIT_S):
            await asyncio.sleep(0)
            while not self.core.is_settled:  # noqa: ASYNC110 - nothing tells it
                await asyncio.sleep(0)

    async def answered(self, client: Remote, count: int) -> list[bytes]:
        async with asyncio.timeout(LIMIT_S):
            while len(client.received) < count:  # noqa: ASYNC110 - nothing tells it
                await asyncio.sleep(0.001)
        return client.received


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Damaged]:
    journal = Damaged(tmp_path)
    yield journal
    journal.close()


def scenario(journal: Damaged, test: Callable[[Server], Awaitable[None]]) -> None:
    async def run() -> None:
        server = Server(journal)
        try:
            await test(server)
        finally:
            server.committer.stop()
            server.reader.close()

    asyncio.run(run())


def test_pops_get_what_was_pushed_from_all_segments(journal: Damaged) -> None:
    async def test(server: Server) -> None:
        await server.push(1_500)
        assert len(journal._segments) > 2
        client = Remote(server)
        for number in range(1_500):
            client.arrive("QPOP q NOACK")
            await server.answered(client, number + 1)
        assert [b"%0100d" % number in reply for number, reply in enumerate(client.received)] == (
            [True] * 1_500
        )
        # Read ahead, many at a time.
        assert journal.seeks < 100

    scenario(journal, test)


def test_a_transaction_reads_in_the_loop(journal: Damaged) -> None:
    async def test(server: Server) -> None:
        await server.push(3)
        client = Remote(server)
        client.send("MULTI", "QPOP q COUNT 3", "EXEC")
        await server.answered(client, 1)
        assert all(b"%0100d" % number in b"".join(client.received) for number in range(3))

    scenario(journal, test)


def test_what_cannot_be_read_is_reported_and_the_next_goes_out(journal: Damaged) -> None:
    async def test(server: Server) -> None:
        await server.push(2)
        first = next(iter(server.engine.queue(0, b"q"))).position
        journal.damaged = {first: b"\0" * 200}
        client = Remote(server)
        client.arrive("QPOP q")
        await server.answered(client, 1)
        assert b"%0100d" % 1 in client.received[0]
        assert server.reports == [f"the batch at position {first} cannot be read back"]
        assert server.engine.queue(0, b"q").totals.unreadable == 1

    scenario(journal, test)


def test_nothing_is_read_behind_the_end(journal: Damaged) -> None:
    async def test(server: Server) -> None:
        await server.push(2)
        server.reader.close()
        client = Remote(server)
        client.arrive("QPOP q")
        await asyncio.sleep(0.01)
        assert client.received == []

    scenario(journal, test)


def test_batches_are_read_in_one_go_where_they_are_near(journal: Damaged) -> None:
    async def test(server: Server) -> None:
        await server.push(100)
        journal.seeks = 0
        read = read_batches(journal, [1, 2, 4, 10, 60, 61, 1_000])
        assert sorted(read) == [1, 2, 4, 10, 60, 61, 1_000]
        assert read[1_000] is None
        pushed = [each for records in read.values() for each in records or ()]
        assert [p.payloads[0][-2:] for p in pushed if isinstance(p, JobsPushed)] == [
            *(b"00", b"01", b"03", b"09", b"59", b"60")
        ]
        assert journal.seeks == 3

    scenario(journal, test)


def test_what_is_too_much_for_one_go_is_left(
    journal: Damaged, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(server: Server) -> None:
        await server.push(20)
        monkeypatch.setattr(payloads, "READ_BYTES_MAX", 500)
        assert 1 < len(read_batches(journal, range(1, 21))) < 5
        client = Remote(server)
        client.arrive("QPOP q COUNT 20")
        (reply,) = await server.answered(client, 1)
        assert all(b"%0100d" % number in reply for number in range(20))

    scenario(journal, test)


def test_what_fails_for_want_of_something_is_tried_again(
    journal: Damaged, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(server: Server) -> None:
        await server.push(1)
        monkeypatch.setattr(payloads, "TRY_S", 0)
        broken = JournalBroken(1, "unable to open database file")
        broken.__cause__ = sqlite3.OperationalError()
        position = next(iter(server.engine.queue(0, b"q"))).position
        journal.damaged = {position: broken}
        journal.seeks = 0

        assert read_batches(journal, [position]) == {position: None}
        assert journal.seeks == payloads.TRIES

        broken.__cause__ = sqlite3.DatabaseError()
        journal.seeks = 0
        assert read_batches(journal, [position]) == {position: None}
        assert journal.seeks == 1

    scenario(journal, test)
