"""Compaction in a real core and event loop: what is forgotten, when, and what it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from respq.config import Settings
from respq.engine.batch import decode_batch
from respq.engine.codec import decode_records
from respq.engine.records import Trimmed
from respq.errors import CommitFailed
from respq.runtime.compactor import Compactor
from tests.harness import image
from tests.runtime.test_core import LIMIT_S, ObedientJournal, Remote, Rig

SEGMENT_BYTES = 4_096


class WatchedJournal(ObedientJournal):
    """Forgets nothing that a committed batch does not say may be forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.trims: list[int] = []
        self.trim_fails = False
        self.damaged = 0
        """Position of a batch that cannot be read as it was written."""
        self.sealed = 1 << 60

    def read(self, position: int) -> Iterator[tuple[int, bytes]]:
        for each, blob in super().read(position):
            yield each, blob[:-1] + bytes([blob[-1] ^ 1]) if each == self.damaged else blob

    def sealed_before(self) -> int:
        """Return a position behind which there is no more than a segment, as the disk does."""
        rows = [*super(ObedientJournal, self).read(1)]
        open_bytes = 0
        while rows and open_bytes < SEGMENT_BYTES // 2:
            open_bytes += len(rows.pop()[1])
        return min(self.sealed, rows[-1][0] + 1 if rows else 1)

    def trim(self, position: int) -> None:
        assert self.running == 0, "a trim in the middle of a commit"
        if self.trim_fails:
            raise CommitFailed("no such disk")
        blobs = (blob for _, blob in super(ObedientJournal, self).read(1))
        said = [each for blob in blobs for each in decode_records(decode_batch(blob, None)[1])]
        noted = [each.before for each in said if isinstance(each, Trimmed)]
        assert position <= noted[-1]
        super().trim(position)
        self.trims.append(position)

    @property
    def first(self) -> int:
        return next(super(ObedientJournal, self).read(1))[0]


class Server(Rig):
    """A core that compacts a journal of some KiB."""

    journal: WatchedJournal

    def __init__(self, journal: WatchedJournal) -> None:
        super().__init__(Settings(), journal)
        self.reports: list[str] = []
        self.compact()

    def compact(self, segment_bytes: int = SEGMENT_BYTES) -> Compactor:
        """Have a compactor that begins anew, as after a start."""
        self.compactor = self.core.compactor = Compactor(
            self.engine, self.journal, segment_bytes=segment_bytes, report=self.reports.append
        )
        return self.compactor

    async def finish(self, client: Remote, count: int, size: int = 100) -> None:
        """Have jobs pushed and taken, a commit each."""
        for number in range(count):
            client.arrive(f"QPUSH done {str(number).rjust(size, 'x')}")
            await self.settled()
            client.arrive("QPOP done NOACK")
            await self.settled()

    async def settled(self) -> None:
        async with asyncio.timeout(LIMIT_S):
            await asyncio.sleep(0)
            while not self.core.is_settled:  # noqa: ASYNC110 - nothing tells it
                await asyncio.sleep(0)

    async def compacted(self) -> None:
        """Return when there is nothing to compact any more."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                self.core.begin_turn()
                await asyncio.sleep(0.001)
                if self.compactor.is_idle and self.core.is_settled:
                    return


def scenario(test: Callable[[Server], Awaitable[None]]) -> WatchedJournal:
    """Run a test in a loop of its own; what is left of the journal must be the whole state."""
    journal = WatchedJournal()

    async def run() -> None:
        server = Server(journal)
        try:
            await test(server)
        finally:
            journal.gate.set()
            server.committer.stop()
            server.core.stop_compacting()
        journal.damaged = 0
        if not server.failures:
            assert server.replayed() == image(server.engine.state)

    asyncio.run(run())
    return journal


@pytest.mark.parametrize("inline", [False, True])
def test_a_journal_of_jobs_that_are_done_stays_small(inline: bool) -> None:
    async def test(server: Server) -> None:
        if inline:
            server.commit_inline()
        client = Remote(server)
        client.send("QPUSH later kept DELAY 1d", "QPUSH q one ID mine DEDUP k WINDOW 1h")
        client.send("QSCHED ADD q nightly x EVERY 1h", "QPUSH q two", "QPOP q LEASE 1h")
        await server.finish(client, 200)
        await server.compacted()

        compactor = server.compactor
        assert server.journal.size_bytes() < 2 * SEGMENT_BYTES
        assert compactor.passes > 0
        assert 0 < compactor.live_bytes < 1_500
        assert compactor.relocated_bytes < 60 * compactor.relocated * 10
        assert server.reports == []

    journal = scenario(test)

    assert journal.trims == sorted(journal.trims) != []


def test_a_small_journal_is_left_as_it_is() -> None:
    async def test(server: Server) -> None:
        await server.finish(Remote(server), 10, size=10)
        await server.compacted()

        assert server.journal.size_bytes() < SEGMENT_BYTES
        assert server.compactor.passes == 0

    assert scenario(test).trims == []


def test_a_journal_most_of_which_lives_is_left_as_it_is() -> None:
    async def test(server: Server) -> None:
        client = Remote(server)
        for _ in range(100):
            client.send(f"QPUSH q {'x' * 200}")
        await server.settled()
        await server.compacted()

        assert server.journal.size_bytes() > 4 * SEGMENT_BYTES
        assert server.compactor.live_bytes > server.journal.size_bytes() / 2
        assert server.compactor.passes == 0

    assert scenario(test).trims == []


def test_nothing_is_forgotten_before_it_is_committed_that_it_may_be() -> None:
    async def test(server: Server) -> None:
        server.core.compactor = None
        client = Remote(server)
        await server.finish(client, 100)
        server.compact()
        server.journal.gate.clear()
        for _ in range(50):
            server.core.begin_turn()
            await asyncio.sleep(0.001)
        assert server.journal.trims == []
        assert server.journal.first == 1

        server.journal.gate.set()
        await server.compacted()

        assert server.journal.first > 100

    scenario(test)


def test_a_restart_goes_on_where_the_last_one_stood() -> None:
    async def test(server: Server) -> None:
        server.core.compactor = None
        client = Remote(server)
        client.send(*[f"QPUSH kept {number}" for number in range(20)])
        await server.finish(client, 100)
        server.journal.sealed = server.engine.state.position
        server.compact()
        while server.compactor.relocated < 20:
            server.core.begin_turn()
            await asyncio.sleep(0)
        server.core.stop_compacting()
        await server.settled()
        trimmed = server.engine.state.trimmed
        assert trimmed is not None

        compactor = server.compact()
        await server.compacted()

        assert compactor.relocated == 0
        assert server.journal.first >= trimmed.before

    scenario(test)


def test_what_may_be_forgotten_is_forgotten_after_a_restart() -> None:
    async def test(server: Server) -> None:
        server.core.compactor = None
        client = Remote(server)
        await server.finish(client, 3)
        for position, blob in server.journal.read(1):
            header, body, checksum = decode_batch(blob, None)
            for _ in server.engine.relocate(0, position, decode_records(body)):
                pass
        server.engine.emit(Trimmed(position + 1, checksum, header.next_number))
        server.core.begin_turn()
        await server.settled()

        server.compact()
        await server.compacted()

    journal = scenario(test)

    assert journal.trims == [journal.first]


def test_it_can_be_told_to_look_though_little_was_written() -> None:
    async def test(server: Server) -> None:
        await server.finish(Remote(server), 100)
        await server.compacted()
        compactor, written = server.compactor, server.committer.figures.bytes
        assert not compactor.is_due(written)

        compactor.look_soon()

        assert compactor.is_due(written)
        await server.compacted()
        assert not compactor.is_due(server.committer.figures.bytes)
        compactor.close()
        compactor.look_soon()
        assert not compactor.is_due(written)

    scenario(test)


def test_a_segment_that_is_still_open_is_not_read() -> None:
    async def test(server: Server) -> None:
        server.core.compactor = None
        await server.finish(Remote(server), 100)
        server.journal.sealed = 50
        server.compact()
        await server.compacted()

        assert server.journal.first == 50

    scenario(test)


def test_damage_ends_compaction_and_nothing_else() -> None:
    async def test(server: Server) -> None:
        server.core.compactor = None
        client = Remote(server)
        await server.finish(client, 100)
        server.journal.damaged = 30
        server.compact()
        await server.compacted()

        (report,) = server.reports
        assert "beyond position 30" in report
        assert server.journal.first <= 30
        await server.finish(client, 100)
        assert len(server.reports) == 1
        assert server.failures == []

    scenario(test)


def test_a_journal_that_cannot_forget_ends_the_server() -> None:
    async def test(server: Server) -> None:
        server.core.compactor = None
        client = Remote(server)
        await server.finish(client, 100)
        server.journal.trim_fails = True
        server.compact()
        async with asyncio.timeout(LIMIT_S):
            while not server.failures:
                server.core.begin_turn()
                await asyncio.sleep(0.001)

        assert isinstance(server.failures[0], CommitFailed)
        before = len(client.received)
        client.send("QPUSH q more")
        await asyncio.sleep(0.01)
        assert len(client.received) == before

    scenario(test)
