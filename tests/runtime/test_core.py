"""Replies after commits: a real core and event loop over a journal that obeys the test."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import pytest

from respq.broker.broker import Broker
from respq.config import TURN_CLIENTS_MAX, Settings
from respq.engine.batch import decode_batch
from respq.engine.codec import decode_records
from respq.engine.engine import Engine
from respq.engine.records import JobsAcked, JobsLeased
from respq.engine.state import State
from respq.errors import CommitFailed
from respq.handlers import command_table
from respq.journal.journal import Journal
from respq.journal.memory import MemoryJournal
from respq.journal.replay import replay
from respq.resp.encoder import encode
from respq.resp.parser import Arrived
from respq.resp.replies import Replies, Reply
from respq.resp.run import Run
from respq.runtime import core
from respq.runtime.client import Pops
from respq.runtime.clock import Clock
from respq.runtime.committer import Committer
from respq.runtime.core import Core
from respq.runtime.linger import Linger
from respq.runtime.zones import load_zone
from tests.harness import image

LIMIT_S = 20.0


class ObedientJournal(MemoryJournal):
    """Takes a batch when the test lets it, or fails, or says that it failed but took it."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.arrived = threading.Semaphore(0)
        """Released whenever a batch has come to the gate."""
        self.fails = False
        self.tears = False
        self.on_append: Callable[[], None] = lambda: None
        self.appends = 0
        self.syncs = 0
        self.running = 0

    def append(self, position: int, blob: bytes, checksum: int) -> None:
        self.running += 1
        assert self.running == 1, "two commits at once"
        self.arrived.release()
        self.on_append()
        assert self.gate.wait(LIMIT_S)
        self.running -= 1
        if self.fails:
            raise CommitFailed("no space left")
        super().append(position, blob, checksum)
        self.appends += 1
        if self.tears:
            raise CommitFailed("written, but never confirmed")

    def sync(self) -> None:
        assert self.running == 0, "a sync in the middle of a commit"
        self.syncs += 1
        if self.fails:
            raise CommitFailed("no space left")


class Remote:
    """A client without a socket: what reached it, and whether anything still can."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.has_arrived = False
        self.held_count = 0
        self.received: list[bytes] = []
        self.is_closed = False
        self.is_throttled = False
        self.on_release: Callable[[], None] = lambda: None
        self.on_resume: Callable[[], None] = lambda: None
        number = len(rig.core.clients) + 1
        self.session = rig.broker.open_session(number)
        rig.core.clients[number] = self

    def send(self, *lines: str, stateless: bool = False) -> None:
        """Have the core execute a read of one command a line."""
        requests: Arrived = [line.encode().split() for line in lines]
        now_ms = self.rig.core.begin_turn()
        self.take_turn(requests, sum(map(len, lines)), now_ms, stateless=stateless)

    def arrive(self, *lines: str) -> None:
        """Have a read of one command a line executed at the end of the turn."""
        requests: Arrived = [line.encode().split() for line in lines]
        if len(lines) == 1:
            *words, last = lines[0].encode().split()
            self.rig.core.arrive_alone(self, (tuple(words), last), len(lines[0]))
        else:
            self.rig.core.arrive(self, requests, sum(map(len, lines)))

    def arrive_run(self, *lines: str) -> None:
        """Have a pipeline of one command a line, alike but for their last word, executed."""
        requests = [line.encode().split() for line in lines]
        run = Run(requests[0][:-1], [request[-1] for request in requests])
        self.rig.core.arrive_run(self, run, sum(map(len, lines)))

    # What the core calls.

    def take_turn(
        self, requests: Arrived, size: int, now_ms: int, *, stateless: bool = False
    ) -> None:
        self.has_arrived = False
        out, _ = self.rig.broker.execute_all(self.session, requests, now_ms)
        if out:
            pops = self.session.take_pops()
            self.rig.core.hold(self, b"".join(out), pops, stateless=stateless)
        self.rig.core.received((self,), size)

    def resume(self) -> None:
        self.on_resume()

    def waits(self) -> None:
        self.has_arrived = False

    def release(self, data: bytes, pops: Pops) -> None:
        if self.is_closed:
            self.rig.core.undo(pops)
            return
        self.received.append(data)
        self.on_release()

    def answer(self, reply: Reply) -> None:
        data = encode(reply, self.session.protocol)
        self.rig.core.hold(self, data, self.session.take_pops(), stateless=False)

    def tell(self, messages: Replies) -> None:
        self.rig.core.hold_all([(self, encode(messages, self.session.protocol), ())])

    def end(self) -> None:
        self.is_closed = True

    def throttle(self, stop: bool) -> None:
        self.is_throttled = stop


class Rig:
    """A core that serves from a journal."""

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self.journal: Any = journal
        self.failures: list[BaseException] = []
        state = State()
        read = replay(journal, state, self.failures.append)  # type: ignore[arg-type]
        self.engine = Engine(state, load_zone)
        self.broker = Broker(self.engine, command_table(), settings)
        self.wall_ms = 1_700_000_000_000.0
        self.steady_ms = 0.0
        clock = Clock(
            lambda: int(self.wall_ms * 1_000) * 1_000, lambda: int(self.steady_ms * 1_000) * 1_000
        )
        loop = asyncio.get_running_loop()
        self.core = Core(self.broker, clock, settings, loop, fail=self.failures.append)
        self.committer = Committer(
            journal, position=read.next_position, checksum=read.checksum, epoch=read.epoch + 1
        )
        self.core.start(self.committer, None)
        self.commit_in_thread()

    def commit_in_thread(self) -> None:
        """Have commits run in the writer thread, however fast they are."""
        self.committer.inline = False
        self.committer.figures.average_ms = 1e9

    def commit_inline(self) -> None:
        """Have commits run in the loop."""
        self.committer.inline = True
        self.committer.figures.average_ms = 0.0

    def replayed(self) -> dict[str, Any]:
        state = State()
        replay(self.journal, state, lambda sentence: None)
        return image(state)


async def turns(count: int = 10) -> None:
    """Let the loop turn, so that everything is done that needs no commit."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until something has come from the writer thread."""
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110 - whatever a test can see, not one event
            await asyncio.sleep(0)


def scenario(
    test: Callable[[Rig], Awaitable[None]], settings: Settings | None = None
) -> ObedientJournal:
    """Run a test in a loop of its own; the writer thread is gone behind it."""
    journal = ObedientJournal()

    async def run() -> None:
        rig = Rig(settings or Settings(), journal)
        try:
            await test(rig)
        finally:
            journal.gate.set()
            rig.committer.stop()

    asyncio.run(run())
    return journal


@pytest.fixture(params=["thread", "inline"])
def mode(request: pytest.FixtureRequest) -> Iterator[Callable[[Rig], None]]:
    chosen: dict[str, Callable[[Rig], None]] = {
        "thread": Rig.commit_in_thread,
        "inline": Rig.commit_inline,
    }
    return chosen[request.param]  # type: ignore[return-value]


# Held until the commit.


def test_a_reply_leaves_when_its_commit_is_done_and_not_before() -> None:
    async def test(rig: Rig) -> None:
        client = Remote(rig)
        rig.journal.gate.clear()

        client.send("QUEUE CREATE q")

        await turns()
        assert client.received == []
        assert rig.journal.arrived.acquire(timeout=LIMIT_S)
        rig.journal.gate.set()
        await until(lambda: client.received)
        assert client.received == [b"+OK\r\n"]
        assert rig.core.is_settled

    assert scenario(test).appends == 1


def test_what_was_answered_is_in_the_journal(mode: Callable[[Rig], None]) -> None:
    async def test(rig: Rig) -> None:
        mode(rig)
        client = Remote(rig)
        for number in range(20):
            client.send(f"QPUSH q p{number}", "QPOP q", f"QPUSH q o{number}")
            await until(lambda: rig.core.is_settled)
            assert len(client.received) == number + 1
            assert rig.replayed() == image(rig.engine.state)

    scenario(test)


def test_a_read_waits_for_what_it_may_have_seen() -> None:
    async def test(rig: Rig) -> None:
        writer, reader = Remote(rig), Remote(rig)
        rig.journal.gate.clear()
        writer.send("QPUSH q x")
        reader.send("QLEN q")
        await turns()
        assert rig.journal.arrived.acquire(timeout=LIMIT_S)
        late_reader = Remote(rig)
        late_reader.send("QLEN q")  # Nothing is open now, but the commit is under way.

        await turns()
        assert reader.received == late_reader.received == []

        rig.journal.gate.set()
        await until(lambda: late_reader.received)
        assert writer.received
        assert reader.received == late_reader.received == [b":1\r\n"]

    scenario(test)


def test_a_read_leaves_at_once_when_everything_is_committed() -> None:
    async def test(rig: Rig) -> None:
        client = Remote(rig)

        client.send("QLEN q")

        assert client.received == [b":0\r\n"]

    assert scenario(test).appends == 0


def test_a_stateless_reply_waits_for_nobody_elses_commit() -> None:
    async def test(rig: Rig) -> None:
        writer, pinger = Remote(rig), Remote(rig)
        rig.journal.gate.clear()
        writer.send("QPUSH q x")
        await turns()

        pinger.send("PING", stateless=True)

        assert pinger.received == [b"+PONG\r\n"]
        assert writer.received == []

    scenario(test)


def test_a_stateless_reply_keeps_its_place_behind_those_that_wait() -> None:
    async def test(rig: Rig) -> None:
        client = Remote(rig)
        rig.journal.gate.clear()
        client.send("QUEUE CREATE q")
        client.send("PING", stateless=True)
        await turns()
        client.send("PING", stateless=True)
        await turns()
        assert client.received == []

        rig.journal.gate.set()
        await until(lambda: len(client.received) == 3)

        assert client.received == [b"+OK\r\n", b"+PONG\r\n", b"+PONG\r\n"]
        assert client.held_count == 0

    scenario(test)


def test_those_who_go_on_take_turns_and_let_others_arrive_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(core, "TURN_MS_MAX", 0)

    async def test(rig: Rig) -> None:
        went_on: list[int] = []

        def go_on(which: int) -> None:
            went_on.append(which)
            if len(went_on) < 8:
                rig.core.resume_soon(clients[which])

        clients = [Remote(rig) for _ in range(3)]
        for which, client in enumerate(clients):
            client.on_resume = partial(go_on, which)
            rig.core.resume_soon(client)
        for _ in range(3):
            await turns(1)
        assert went_on == [0, 1, 2]

        await turns(20)
        assert went_on[:8] == [0, 1, 2, 0, 1, 2, 0, 1]

    scenario(test)


def test_a_share_is_shorter_where_others_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "SHARE_MS_MAX", 60_000)
    monkeypatch.setattr(core, "TURN_MS_MAX", 3_600_000)

    async def test(rig: Rig) -> None:
        now_s = time.perf_counter()
        alone_s = rig.core.share_ends_s()
        Remote(rig).arrive("PING")
        together_s = rig.core.share_ends_s()

        assert together_s < now_s + 1_800 < alone_s

    scenario(test)


def test_turns_tell_the_linger_when_they_begin_and_end() -> None:
    async def test(rig: Rig) -> None:
        linger = rig.core.linger = Linger(rig.core.loop, time.perf_counter, linger_us=10**12)
        assert not linger.is_awake

        Remote(rig).arrive("PING")
        await turns()

        assert linger.is_awake

    scenario(test)


def test_without_a_journal_replies_leave_at_the_end_of_the_turn() -> None:
    async def test(rig: Rig) -> None:
        rig.core.committer = None
        client = Remote(rig)

        client.send("QPUSH q x")
        client.send("QLEN q")
        await turns()

        assert len(client.received) == 2
        assert rig.core.is_settled

    assert scenario(test).appends == 0


# One commit at a time.


def test_what_arrives_during_a_commit_is_the_next_batch() -> None:
    async def test(rig: Rig) -> None:
        clients = [Remote(rig) for _ in range(5)]
        rig.journal.gate.clear()
        clients[0].send("QPUSH q x")
        await turns()
        assert rig.journal.arrived.acquire(timeout=LIMIT_S)
        for client in clients[1:]:
            client.send("QPUSH q x")
            await turns()
        assert not rig.journal.arrived.acquire(blocking=False)

        rig.journal.gate.set()
        await until(lambda: all(client.received for client in clients))

    assert scenario(test).appends == 2


def test_the_next_commit_begins_before_the_replies_of_the_last_are_written() -> None:
    async def test(rig: Rig) -> None:
        first, second = Remote(rig), Remote(rig)
        rig.journal.gate.clear()
        first.send("QPUSH q x")
        await turns()
        assert rig.journal.arrived.acquire(timeout=LIMIT_S)
        second.send("QPUSH q y")
        await turns()
        begun: list[bool] = []
        first.on_release = lambda: begun.append(rig.journal.arrived.acquire(timeout=LIMIT_S))

        rig.journal.gate.set()
        await until(lambda: second.received)

        assert begun == [True]

    scenario(test)


def test_a_large_batch_is_closed_within_the_turn() -> None:
    async def test(rig: Rig) -> None:
        rig.journal.gate.clear()
        client = Remote(rig)

        client.send(f"QPUSH q {'x' * 2_000}")

        assert rig.journal.arrived.acquire(timeout=LIMIT_S)  # The loop has not turned yet.
        rig.journal.gate.set()
        await until(lambda: client.received)

    scenario(test, Settings(batch_bytes_max=1_000))


def test_replies_keep_their_order_when_commits_move_into_the_loop() -> None:
    async def test(rig: Rig) -> None:
        client = Remote(rig)
        rig.journal.gate.clear()
        client.send("QUEUE CREATE q")
        await turns()
        assert rig.journal.arrived.acquire(timeout=LIMIT_S)
        client.send("QUEUE EXISTS q", "QUEUE CREATE r")
        await turns()
        rig.commit_inline()

        rig.journal.gate.set()
        await until(lambda: len(client.received) == 2)

        assert client.received == [b"+OK\r\n", b":1\r\n+OK\r\n"]

    assert scenario(test).appends == 2


def test_replies_keep_their_order_whatever_the_mode_and_the_pace() -> None:
    async def test(rig: Rig) -> None:
        clients = [Remote(rig) for _ in range(3)]
        for number in range(300):
            client = clients[number % 3]
            if number % 7 == 0:
                rig.journal.gate.clear()
            if number % 11 == 0:
                rig.commit_inline() if number % 2 and rig.journal.gate.is_set() else (
                    rig.commit_in_thread()
                )
            client.send(f"ECHO {number}" if number % 3 else f"QUEUE CREATE q{number}")
            client.send(f"ECHO e{number}", stateless=True)
            if number % 5 == 0:
                rig.journal.gate.set()
                await turns(number % 4)
            if not rig.journal.gate.is_set() and rig.committer.inline:
                rig.journal.gate.set()
        rig.journal.gate.set()
        await until(lambda: all(len(client.received) == 200 for client in clients))

        for place, client in enumerate(clients):
            echoes = [data for data in client.received if b"e" in data]
            expected = [f"e{number}" for number in range(place, 300, 3)]
            assert echoes == [f"${len(e)}\r\n{e}\r\n".encode() for e in expected]

    scenario(test)


# A commit that fails.


def test_a_failed_commit_sends_nothing_and_stops(mode: Callable[[Rig], None]) -> None:
    async def test(rig: Rig) -> None:
        mode(rig)
        writer, reader = Remote(rig), Remote(rig)
        rig.journal.fails = True

        writer.send("QPUSH q x")
        reader.send("QLEN q")
        await until(lambda: rig.failures)
        await turns()

        assert isinstance(rig.failures[0], CommitFailed)
        assert writer.received == reader.received == []
        assert rig.core.failed

    assert scenario(test).appends == 0


def test_nothing_that_was_not_committed_is_told_after_the_failure(
    mode: Callable[[Rig], None],
) -> None:
    async def test(rig: Rig) -> None:
        mode(rig)
        writer, reader = Remote(rig), Remote(rig)
        rig.journal.fails = True
        writer.send("QPUSH q x")
        await until(lambda: rig.failures)
        rig.journal.fails = False

        reader.send("QLEN q")
        writer.send("QPUSH q y")
        reader.send("QLEN q")
        await turns()

        assert writer.received == reader.received == []
        assert len(rig.failures) == 1

    assert scenario(test).appends == 0


def test_a_batch_that_was_written_but_not_confirmed_is_not_answered(
    mode: Callable[[Rig], None],
) -> None:
    async def test(rig: Rig) -> None:
        mode(rig)
        client = Remote(rig)
        rig.journal.tears = True

        client.send("QPUSH q x")
        await until(lambda: rig.failures)
        await turns()

        assert client.received == []

    # It may be there or not at the next start: nobody was told either.
    assert scenario(test).appends == 1


def test_what_was_held_behind_a_failed_commit_is_not_committed_either() -> None:
    async def test(rig: Rig) -> None:
        first, second = Remote(rig), Remote(rig)
        rig.journal.gate.clear()
        first.send("QPUSH q x")
        await turns()
        assert rig.journal.arrived.acquire(timeout=LIMIT_S)
        second.send("QPUSH q y")
        await turns()

        rig.journal.fails = True
        rig.journal.gate.set()
        await until(lambda: rig.failures)
        rig.journal.fails = False
        await turns()

        assert first.received == second.received == []

    assert scenario(test).appends == 0


# Too much that is not committed.


def test_reading_stops_while_too_much_is_uncommitted_and_goes_on_after() -> None:
    async def test(rig: Rig) -> None:
        client, other = Remote(rig), Remote(rig)
        rig.journal.gate.clear()
        client.send("QPUSH q x")
        await turns()
        client.send(f"QPUSH q {'x' * 600}")
        assert not client.is_throttled
        other.send(f"QPUSH q {'x' * 600}")

        assert (client.is_throttled, other.is_throttled) == (False, True)

        rig.journal.gate.set()
        await until(lambda: len(client.received) == 2 and other.received)
        assert not other.is_throttled

    scenario(test, Settings(uncommitted_bytes_max=1_000))


# Pops whose reply cannot be handed over.


@pytest.mark.parametrize("options", ["", " NOACK", " COUNT 2"])
def test_a_pop_is_undone_when_its_client_is_gone_at_release(options: str) -> None:
    async def test(rig: Rig) -> None:
        client, other = Remote(rig), Remote(rig)
        client.send("QPUSH q a", "QPUSH q b", "QPUSH q c")
        await until(lambda: client.received)
        rig.journal.gate.clear()
        client.send(f"QPOP q{options}")
        await turns()
        client.is_closed = True

        rig.journal.gate.set()
        await until(lambda: rig.core.is_settled and not client.held_count)
        await turns()
        other.send("QPEEK q COUNT 9", "QPOP q")
        await until(lambda: other.received)

        assert sorted(job.payload for job in rig.engine.state.names[0][b"q"]) == [b"a", b"b", b"c"]
        assert other.received[0].count(b"\r\na\r\n") == 2  # Seen in its old place, then popped.
        totals = rig.engine.state.names[0][b"q"].totals
        assert totals.undone == (2 if "COUNT" in options else 1)
        assert totals.redelivered == 0
        await until(lambda: rig.core.is_settled)
        assert rig.replayed() == image(rig.engine.state)

    scenario(test)


def test_an_undone_pop_goes_to_the_client_that_waits(mode: Callable[[Rig], None]) -> None:
    async def test(rig: Rig) -> None:
        mode(rig)
        client, waiting = Remote(rig), Remote(rig)
        client.send("QPUSH q a")
        await until(lambda: client.received)
        client.send("QPOP q")
        waiting.send("QPOP q BLOCK 0")
        client.is_closed = True

        await until(lambda: waiting.received)

        assert b"\r\na\r\n" in waiting.received[0]
        assert rig.replayed() == image(rig.engine.state)

    scenario(test)


def test_what_a_served_client_is_given_goes_back_when_it_is_gone() -> None:
    async def test(rig: Rig) -> None:
        waiting, client = Remote(rig), Remote(rig)
        waiting.send("QPOP q BLOCK 0")
        rig.core.clients.pop(waiting.session.id)  # Its connection is lost in this very turn.

        client.send("QPUSH q a")
        await until(lambda: client.received and rig.core.is_settled)

        assert rig.engine.state.names[0][b"q"].ready.count == 1

    scenario(test)


# Time.


def test_a_waiting_client_is_answered_when_its_time_is_over() -> None:
    async def test(rig: Rig) -> None:
        client = Remote(rig)
        client.send("QPOP q BLOCK 100")
        rig.wall_ms += 99
        rig.core.begin_turn()
        await turns()
        assert client.received == []

        rig.wall_ms += 1
        rig.core.begin_turn()
        await turns()

        assert client.received == [b"*-1\r\n"]

    scenario(test)


def test_the_alarm_rings_without_any_client() -> None:
    async def test(rig: Rig) -> None:
        client, waiting = Remote(rig), Remote(rig)
        waiting.send("QPOP q BLOCK 0")
        client.send("QPUSH q a DELAY 1")
        await until(lambda: client.received)

        rig.wall_ms += 1

        await until(lambda: waiting.received)
        assert b"\r\na\r\n" in waiting.received[0]

    scenario(test)


def test_what_is_due_happens_before_the_first_command_of_a_turn() -> None:
    async def test(rig: Rig) -> None:
        client = Remote(rig)
        client.send("QPUSH q a DELAY 10")
        await until(lambda: client.received)
        rig.wall_ms += 10

        client.send("QLEN q")
        await until(lambda: len(client.received) == 2)

        assert client.received[1] == b":1\r\n"

    scenario(test)


def test_what_fell_due_while_the_server_was_down_happens_before_the_first_command() -> None:
    async def test(rig: Rig) -> None:
        client = Remote(rig)
        client.send("QPUSH q a DELAY 10")
        await until(lambda: client.received and rig.core.is_settled)
        again = Rig(rig.core.settings, rig.journal)
        again.wall_ms = rig.wall_ms + 10
        first = Remote(again)

        first.send("QLEN q")
        await until(lambda: first.received)

        assert first.received == [b":1\r\n"]
        again.committer.stop()

    scenario(test)


def test_all_that_is_due_happens_slice_by_slice_with_no_client_asking() -> None:
    async def test(rig: Rig) -> None:
        client = Remote(rig)
        for _ in range(5):
            client.send(f"QMPUSH q 1000 {' '.join(['x'] * 1_000)} DELAY 10")
        await until(lambda: len(client.received) == 5)
        rig.wall_ms += 10

        rig.core.begin_turn()

        await until(lambda: rig.engine.state.names[0][b"q"].ready.count == 5_000)
        await until(lambda: rig.core.is_settled)
        assert rig.replayed() == image(rig.engine.state)

    scenario(test)


def test_purged_jobs_are_freed_with_no_client_asking() -> None:
    async def test(rig: Rig) -> None:
        client = Remote(rig)
        client.send(f"QMPUSH q 9000 {' '.join(['x'] * 9_000)}", "QUEUE PURGE q")
        await until(lambda: client.received)

        await until(lambda: not rig.engine.state.graveyard)

    scenario(test)


# everysec.


def test_the_journal_is_synced_between_commits_once_a_second_if_there_is_need() -> None:
    async def test(rig: Rig) -> None:
        rig.core._sync(rig.committer)
        await turns()
        assert rig.journal.syncs == 0
        client = Remote(rig)
        client.send("QPUSH q x")
        await until(lambda: client.received)

        rig.core._sync(rig.committer)
        client.send("QPUSH q y")
        await until(lambda: len(client.received) == 2)

        assert rig.journal.syncs == 1

    scenario(test, Settings(fsync="everysec"))


def test_a_sync_that_is_due_comes_before_the_next_commit() -> None:
    syncs_before_append: list[int] = []

    async def test(rig: Rig) -> None:
        rig.journal.on_append = lambda: syncs_before_append.append(rig.journal.syncs)
        client = Remote(rig)
        rig.journal.gate.clear()
        client.send("QPUSH q x")
        await until(lambda: syncs_before_append)
        client.send("QPUSH q y")  # The next batch begins as soon as this one has been written.

        rig.core._sync(rig.committer)
        rig.journal.gate.set()

        await until(lambda: len(client.received) == 2)
        assert syncs_before_append == [0, 1]

    scenario(test, Settings(fsync="everysec"))


def test_a_sync_that_fails_stops_like_a_commit_that_fails() -> None:
    async def test(rig: Rig) -> None:
        client = Remote(rig)
        client.send("QPUSH q x")
        await until(lambda: client.received)
        rig.journal.fails = True

        rig.core._sync(rig.committer)
        await until(lambda: rig.failures)

        assert rig.core.failed

    scenario(test, Settings(fsync="everysec"))


# What arrives in one turn.


def test_what_arrives_in_a_turn_is_executed_at_its_end_and_committed_together() -> None:
    async def test(rig: Rig) -> None:
        first, second = Remote(rig), Remote(rig)

        first.arrive("QPUSH q a")
        second.arrive("QPUSH r b", "QLEN r")

        assert rig.engine.records == []
        await until(lambda: first.received and second.received)
        assert first.received[0].startswith(b"$")
        assert second.received[0].endswith(b":1\r\n")

    assert scenario(test).appends == 1


def test_clients_who_want_the_same_are_served_together_and_each_gets_its_own_reply(
    mode: Callable[[Rig], None],
) -> None:
    async def test(rig: Rig) -> None:
        mode(rig)
        owner = Remote(rig)
        owner.send("QMPUSH q 2 a b")
        await until(lambda: rig.core.is_settled)
        clients = [Remote(rig) for _ in range(3)]

        for client in clients:
            client.arrive("QPOP q")

        await until(lambda: all(client.received for client in clients))
        replies = [client.received[0] for client in clients]
        assert [reply.split(b"\r\n")[-2] for reply in replies] == [b"a", b"b", b"*-1"]
        assert rig.replayed() == image(rig.engine.state)
        receipts = [reply.split(b"\r\n")[4].decode() for reply in replies[:2]]

        clients[0].arrive(f"QACK q {receipts[0]}")
        clients[1].arrive("QACK q 1:stale-1")
        clients[2].arrive("QACK q junk")

        await until(lambda: all(len(client.received) == 2 for client in clients))
        answers = [client.received[1] for client in clients]
        assert answers[:2] == [b":1\r\n", b":0\r\n"]
        assert answers[2].startswith(b"-ERR 'junk' is not a receipt")
        assert rig.replayed() == image(rig.engine.state)

    journal = scenario(test)
    records = [
        record
        for _, blob in journal.read(1)
        for record in decode_records(decode_batch(blob, None)[1])
    ]
    assert [r.numbers for r in records if isinstance(r, JobsLeased)] == [[2, 3]]
    assert [r.numbers for r in records if isinstance(r, JobsAcked)] == [[2]]


def test_short_pipelines_of_several_clients_are_executed_together_and_answered_apart(
    mode: Callable[[Rig], None],
) -> None:
    async def test(rig: Rig) -> None:
        mode(rig)
        clients = [Remote(rig) for _ in range(3)]
        clients[0].arrive_run("QPUSH q first", "QPUSH q second")
        clients[1].arrive("QPUSH q third")
        await until(lambda: clients[0].received and clients[1].received)
        assert clients[0].received[0].count(b"$") == 2
        assert clients[1].received[0].count(b"$") == 1

        for client in clients:
            client.received.clear()
            client.arrive_run("QPOP q", "QPOP q")
        await until(lambda: clients[2].received)
        await until(lambda: rig.core.is_settled)

        payloads = [
            [line for line in b"".join(client.received).split(b"\r\n") if line.isalpha()]
            for client in clients
        ]
        assert payloads == [[b"first", b"second"], [b"third"], []]
        nulls = [b"".join(client.received).count(b"*-1\r\n") for client in clients]
        assert nulls == [0, 1, 2]
        assert not any(client.has_arrived for client in clients)
        assert rig.replayed() == image(rig.engine.state)

        receipts = [
            line.decode()
            for client in clients
            for line in b"".join(client.received).split(b"\r\n")
            if b":" in line
        ]
        clients[0].received.clear()
        clients[0].arrive_run(*[f"QACK q {receipt}" for receipt in (*receipts, "1:stale-1")])
        await until(lambda: clients[0].received)
        assert b"".join(clients[0].received) == b":1\r\n" * 3 + b":0\r\n"
        assert rig.replayed() == image(rig.engine.state)

    scenario(test)


def test_a_pipeline_for_several_queues_is_answered_in_its_own_order() -> None:
    async def test(rig: Rig) -> None:
        owner, mixed, plain = Remote(rig), Remote(rig), Remote(rig)
        owner.send("QPUSH a of-a", "QPUSH b of-b", "QPUSH a also-of-a")
        await until(lambda: rig.core.is_settled)

        mixed.arrive_run("QPOP b", "QPOP a", "QPOP b")
        plain.arrive("QPOP a")
        await until(lambda: mixed.received and plain.received)

        lines = b"".join(mixed.received).split(b"\r\n")
        payloads = [line for line in lines if b"of" in line or line == b"*-1"]
        assert payloads[0] == b"of-b"
        assert payloads[1] in (b"of-a", b"also-of-a")
        assert payloads[2] == b"*-1"

    scenario(test)


def test_pipelines_are_executed_together_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "GROUPED_COMMANDS_MAX", 3)

    async def test(rig: Rig) -> None:
        clients = [Remote(rig) for _ in range(3)]
        for client in clients:
            client.arrive_run("QPUSH q a", "QPUSH q b")
        await until(lambda: all(client.received for client in clients))

        assert all(client.received[0].count(b"$") == 2 for client in clients)
        assert rig.engine.queue(0, b"q").ready.count == 6

    scenario(test)


def test_of_clients_who_ask_together_those_wait_for_whom_nothing_is_left(
    mode: Callable[[Rig], None],
) -> None:
    async def test(rig: Rig) -> None:
        mode(rig)
        owner = Remote(rig)
        owner.send("QPUSH q a")
        await until(lambda: rig.core.is_settled)
        clients = [Remote(rig) for _ in range(3)]
        calls = rig.broker.resolve([b"QPOP"]).calls

        for client in clients:
            client.arrive("QPOP q BLOCK 5000")
        await until(lambda: clients[0].received)

        assert [client.session.waiter is not None for client in clients] == [False, True, True]
        assert [client.has_arrived for client in clients] == [False] * 3
        pop = rig.broker.resolve([b"QPOP"])
        assert pop.calls == calls + 3
        assert [client.session.command for client in clients] == [pop] * 3
        assert [client.session.call.now_ms for client in clients] == [rig.wall_ms] * 3
        owner.send("QMPUSH q 2 b c")
        await until(lambda: all(client.received for client in clients))
        payloads = [client.received[0].split(b"\r\n")[-2] for client in clients]
        assert payloads == [b"a", b"b", b"c"]
        assert rig.replayed() == image(rig.engine.state)

    scenario(test)


def test_clients_who_ask_together_wait_as_long_as_each_said() -> None:
    async def test(rig: Rig) -> None:
        owner, shorter, longer = Remote(rig), Remote(rig), Remote(rig)
        owner.send("QUEUE CREATE q")
        shorter.arrive("QPOP q BLOCK 5")
        longer.arrive("QPOP q BLOCK 500")
        await until(lambda: longer.session.waiter is not None)

        rig.wall_ms += 10
        owner.arrive("PING")
        await until(lambda: shorter.received)

        assert shorter.received == [b"*-1\r\n"]
        assert longer.session.waiter is not None
        assert longer.received == []

    scenario(test)


def test_clients_with_the_same_words_for_different_queues_get_their_own() -> None:
    async def test(rig: Rig) -> None:
        owner = Remote(rig)
        owner.send("QPUSH a of-a", "QPUSH b of-b", "QUEUE CREATE c")
        await until(lambda: rig.core.is_settled)
        names = ["b", "a", "c", "b", "absent"]
        clients = [Remote(rig) for _ in names]

        for client, name in zip(clients, names, strict=True):
            client.arrive(f"QPOP {name}")

        await until(lambda: all(client.received for client in clients))
        payloads = [client.received[0].split(b"\r\n")[-2] for client in clients]
        assert payloads == [b"of-b", b"of-a", b"*-1", b"*-1", b"*-1"]

    scenario(test)


def test_the_end_of_a_wait_is_answered_before_what_came_behind_it_in_the_same_turn() -> None:
    async def test(rig: Rig) -> None:
        client, other = Remote(rig), Remote(rig)
        client.send("QUEUE CREATE q")
        await until(lambda: client.received)
        client.arrive("QPOP q BLOCK 5")
        await until(lambda: client.session.waiter is not None)

        rig.wall_ms += 10
        other.arrive("PING")  # the turn begins: the wait is over
        client.arrive("QPUSH q a")
        await until(lambda: len(client.received) == 3)

        assert client.received[1] == b"*-1\r\n"
        assert client.received[2].startswith(b"$")

    scenario(test)


def test_only_the_pop_of_a_client_that_is_gone_is_undone() -> None:
    async def test(rig: Rig) -> None:
        owner = Remote(rig)
        owner.send("QMPUSH q 3 a b c")
        await until(lambda: rig.core.is_settled)
        clients = [Remote(rig) for _ in range(3)]
        for client in clients:
            client.arrive("QPOP q")
        clients[1].is_closed = True

        await until(lambda: clients[0].received and clients[2].received and rig.core.is_settled)

        queue = rig.engine.queue(0, b"q")
        assert [job.payload for job in queue.ready] == [b"b"]
        assert sorted(job.payload for job in queue.leases.values()) == [b"a", b"c"]

    scenario(test)


@pytest.mark.parametrize("count", [1, 2])
def test_what_a_client_asked_is_not_done_after_it_was_killed_in_the_same_turn(count: int) -> None:
    async def test(rig: Rig) -> None:
        killer, victim, other = Remote(rig), Remote(rig), Remote(rig)
        killer.arrive(*["PING", f"CLIENT KILL ID {victim.session.id}"][-count:])
        victim.arrive(*["QPUSH q lost"] * count)
        other.arrive("QPUSH q kept")
        assert not victim.session.closing

        await until(lambda: killer.received and other.received)

        assert [job.payload for job in rig.engine.queue(0, b"q").ready] == [b"kept"]
        assert victim.received == []

    scenario(test)


def test_a_long_turn_leaves_pipelines_to_the_next_and_is_no_stall(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(core, "TURN_MS_MAX", 0)

    async def test(rig: Rig) -> None:
        clients = [Remote(rig) for _ in range(3)]
        for client in clients:
            client.arrive("QPUSH q a", "QPUSH q b")
        single = Remote(rig)
        single.arrive("QPUSH q of-one-who-asks-for-one-thing")
        executed = []
        for client in (*clients, single):
            client.on_release = lambda client=client: executed.append(client)  # type: ignore[misc]

        await asyncio.sleep(0)
        after_a_turn = len(rig.engine.records)
        await until(lambda: len(executed) == 4)

        assert after_a_turn < 1 + 1 + 3 * 2
        payloads = [job.payload for job in rig.engine.queue(0, b"q").ready]
        assert payloads == [b"of-one-who-asks-for-one-thing", *[b"a", b"b"] * 3]
        assert rig.replayed() == image(rig.engine.state)

    scenario(test)


def test_a_long_turn_leaves_single_requests_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "TURN_MS_MAX", 0)

    async def test(rig: Rig) -> None:
        clients = [Remote(rig) for _ in range(4)]
        for number, client in enumerate(clients):
            client.arrive(f"QPUSH q{number} PRIORITY 1 of-{number}")
        executed: list[Remote] = []
        for client in clients:
            client.on_release = lambda client=client: executed.append(client)  # type: ignore[misc]

        await asyncio.sleep(0)
        arrived_after_a_turn = [client.has_arrived for client in clients]
        await until(lambda: len(executed) == 4)

        assert arrived_after_a_turn == [False, True, True, True]
        assert executed == clients

    scenario(test)


@pytest.mark.parametrize("queue", ["q", "q{}"])
@pytest.mark.parametrize("pipeline", [1, 2])
def test_of_many_who_ask_at_once_the_first_do_not_wait_for_the_last(
    queue: str, pipeline: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core, "TURN_MS_MAX", 60_000)

    async def test(rig: Rig) -> None:
        clients = [Remote(rig) for _ in range(3 * TURN_CLIENTS_MAX)]
        for number, client in enumerate(clients):
            client.arrive(*[f"QPUSH {queue.format(number)} a"] * pipeline)
        executed_while_they_arrived = sum(not client.has_arrived for client in clients)
        await until(lambda: all(client.received for client in clients))

        assert executed_while_they_arrived == 2 * (TURN_CLIENTS_MAX + 1)
        await until(lambda: rig.core.is_settled)
        assert rig.replayed() == image(rig.engine.state)

    scenario(test)


def test_a_turn_that_holds_up_the_loop_is_counted_as_a_stall() -> None:
    async def test(rig: Rig) -> None:
        rig.commit_inline()
        client = Remote(rig)
        rig.journal.on_append = lambda: time.sleep(0.02)
        client.arrive("QPUSH q a")
        await until(lambda: client.received)

        assert rig.core.stalls.max_s >= 0.02
        assert sum(rig.core.stalls.counts[-7:]) == 1

    scenario(test)


def test_a_turn_that_breaks_stops_the_server() -> None:
    async def test(rig: Rig) -> None:
        clients = [Remote(rig) for _ in range(2)]
        rig.engine.state.names = ()
        for client in clients:
            client.arrive("QPUSH q a")

        await turns()

        assert [type(failure) for failure in rig.failures] == [IndexError]
        assert [client.received for client in clients] == [[], []]
        assert rig.core.failed

    scenario(test)


def test_a_turn_in_which_the_journal_was_read_to_its_end_is_no_earlier_than_that() -> None:
    async def test(rig: Rig) -> None:
        rig.commit_inline()
        rig.broker.loading = True
        client = Remote(rig)
        client.arrive("QPUSH q a")  # It has begun a turn.
        journal_ms = int(rig.wall_ms) + 60_000

        rig.core.clock.start_from(journal_ms)
        rig.core.start(rig.committer, None)
        rig.broker.loading = False
        await until(lambda: client.received)

        (_, blob), *_ = rig.journal.read(1)
        assert decode_batch(blob, None)[0].now_ms == journal_ms
        assert b"%d-" % journal_ms in client.received[0]

    scenario(test)
