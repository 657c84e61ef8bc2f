"""Messages after commits: a real core and event loop over a journal that obeys the test."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import repeat

import pytest
from hiredis import Reader

from respq.config import Settings
from respq.engine.batch import decode_batch
from respq.runtime.client import Pops
from tests.property.events import Expected
from tests.runtime.test_core import LIMIT_S, Remote, Rig, mode, scenario, turns, until

__all__ = ["mode"]  # A fixture.


def listener(rig: Rig, line: str = "PSUBSCRIBE q*") -> Remote:
    """Return a client that hears all that happens in queues, in RESP3."""
    remote = Remote(rig)
    remote.session.speak(3)
    remote.send(line)
    assert remote.received.pop().startswith(b">3\r\n")
    return remote


def heard(remote: Remote) -> list[tuple[bytes, bytes]]:
    """Return channel and payload of the messages among what a client was sent."""
    reader = Reader()
    reader.feed(b"".join(remote.received))
    sent = iter(reader.gets, False)
    return [tuple(each[-2:]) for each in sent if isinstance(each, list) and b"message" in each[0]]


def words(remote: Remote) -> list[bytes]:
    return [channel.rpartition(b":")[2] for channel, _ in heard(remote)]


def journaled(rig: Rig) -> list[bytes]:
    """Return the records of each batch that the journal holds."""
    return [decode_batch(blob, None)[1] for _, blob in rig.journal.read(1)]


def test_a_message_leaves_when_its_commit_is_done_and_not_before() -> None:
    async def test(rig: Rig) -> None:
        ear, client = listener(rig), Remote(rig)
        rig.journal.gate.clear()

        client.send("QPUSH q x")

        await turns()
        assert rig.journal.arrived.acquire(timeout=LIMIT_S)
        client.send("QPOP q")
        await turns()
        assert ear.received == []

        rig.journal.gate.set()
        await until(lambda: len(words(ear)) == 2)
        assert words(ear) == [b"pushed", b"leased"]
        assert rig.core.is_settled

    assert scenario(test).appends == 2


def test_a_message_does_not_wait_for_a_later_commit() -> None:
    async def test(rig: Rig) -> None:
        ear, client = listener(rig), Remote(rig)
        client.send("QPUSH q x")
        await until(lambda: words(ear) == [b"pushed"])
        rig.journal.gate.clear()
        client.send("QPUSH q y")
        await turns()

        assert words(ear) == [b"pushed"]

    scenario(test)


def test_nothing_is_told_of_what_was_not_committed(mode: Callable[[Rig], None]) -> None:
    async def test(rig: Rig) -> None:
        mode(rig)
        ear, client = listener(rig), Remote(rig)
        rig.journal.fails = True

        client.send("QPUSH q x", "PUBLISH q:q:pushed y")
        await until(lambda: rig.failures)
        rig.journal.fails = False
        client.send("QPUSH q z", "PUBLISH q:q:pushed y")
        await turns()

        assert ear.received == client.received == []

    scenario(test)


def test_what_is_due_is_told_after_its_commit(mode: Callable[[Rig], None]) -> None:
    async def test(rig: Rig) -> None:
        mode(rig)
        ear, client = listener(rig), Remote(rig)
        client.send("QPUSH q x", "QPUSH q y DELAY 40", "QPOP q LEASE 40")
        await until(lambda: len(words(ear)) == 3)
        ear.received.clear()
        appends = rig.journal.appends
        seen: list[list[bytes]] = []
        rig.journal.on_append = lambda: seen.append(words(ear))
        rig.steady_ms += 40
        rig.wall_ms += 40

        await until(lambda: len(words(ear)) == 2)

        assert rig.journal.appends == appends + 1
        assert seen == [[]]
        assert words(ear) == [b"ready", b"expired"]

    scenario(test)


def test_a_transaction_is_told_after_its_commit_and_at_once() -> None:
    async def test(rig: Rig) -> None:
        ear, client = listener(rig, "PSUBSCRIBE *"), Remote(rig)
        rig.journal.gate.clear()

        client.send("MULTI", "QPUSH q x", "PUBLISH news y", "QPOP q", "EXEC")

        await turns()
        assert rig.journal.arrived.acquire(timeout=LIMIT_S)
        assert ear.received == client.received == []
        rig.journal.gate.set()
        await until(lambda: ear.received)
        assert [channel for channel, _ in heard(ear)] == [b"q:q:pushed", b"news", b"q:q:leased"]

    assert scenario(test).appends == 1


def test_what_is_undone_is_told_after_its_commit(mode: Callable[[Rig], None]) -> None:
    async def test(rig: Rig) -> None:
        mode(rig)
        ear, client = listener(rig), Remote(rig)
        client.send("QPUSH q x")
        await until(lambda: client.received)
        client.is_closed = True
        told: list[list[bytes]] = []
        rig.journal.on_append = lambda: told.append(words(ear))

        client.send("QPOP q")
        await until(lambda: len(words(ear)) == 3)

        assert words(ear) == [b"pushed", b"leased", b"undone"]
        assert told[-1] == [b"pushed", b"leased"]

    scenario(test)


def test_what_a_lost_client_was_given_is_told_back() -> None:
    async def test(rig: Rig) -> None:
        ear, waiting, client = listener(rig), Remote(rig), Remote(rig)
        waiting.send("QPOP q BLOCK 0")
        rig.core.clients.pop(waiting.session.id)  # Its connection is lost in this very turn.

        client.send("QPUSH q x")
        await until(lambda: len(words(ear)) == 3)

        assert words(ear) == [b"pushed", b"leased", b"undone"]

    scenario(test)


def test_what_is_published_waits_for_what_its_publisher_may_have_seen() -> None:
    async def test(rig: Rig) -> None:
        ear, client = listener(rig, "SUBSCRIBE news"), Remote(rig)
        client.send("PUBLISH news 1")
        await turns()
        assert heard(ear) == [(b"news", b"1")]
        rig.journal.gate.clear()
        Remote(rig).send("QPUSH q x")
        await turns()
        assert rig.journal.arrived.acquire(timeout=LIMIT_S)

        client.send("PUBLISH news 2")

        await turns()
        assert len(heard(ear)) == 1
        rig.journal.gate.set()
        await until(lambda: len(heard(ear)) == 2)

    scenario(test)


def test_the_reply_to_an_unsubscribe_stands_behind_the_last_message() -> None:
    async def test(rig: Rig) -> None:
        ear, client = listener(rig), Remote(rig)
        rig.journal.gate.clear()
        client.send("QPUSH q x")
        ear.send("PUNSUBSCRIBE")
        client.send("QPUSH q y")
        await turns()
        assert ear.received == []

        rig.journal.gate.set()
        await until(lambda: len(client.received) == 2)

        sent = b"".join(ear.received)
        assert words(ear) == [b"pushed"]
        assert sent.index(b"pmessage") < sent.index(b"punsubscribe")

    scenario(test)


def test_a_message_takes_nothing_that_belongs_to_a_reply() -> None:
    async def test(rig: Rig) -> None:
        both, client = Remote(rig), Remote(rig)
        released: list[tuple[bytes, int]] = []

        def release(data: bytes, pops: Pops) -> None:
            released.append((data[:2], len(pops)))

        both.release = release  # type: ignore[method-assign]
        both.session.speak(3)
        both.send("SUBSCRIBE q:q:pushed q:q:leased news")
        both.send("QPOP q BLOCK 0")

        client.send("PUBLISH news first", "QPUSH q x")
        await until(lambda: len(released) == 4)

        # What was said before, the reply to the wait, what has happened meanwhile.
        assert released[1:] == [(b">3", 0), (b"*3", 1), (b">3", 0)]

    scenario(test)


def test_without_a_journal_messages_leave_at_the_end_of_the_turn() -> None:
    async def test(rig: Rig) -> None:
        rig.core.committer = None
        ear, client = listener(rig), Remote(rig)

        client.send("QPUSH q x")

        assert ear.received == []
        await turns(1)
        assert words(ear) == [b"pushed"]

    scenario(test)


def test_a_batch_that_is_closed_within_the_turn_is_told_after_it() -> None:
    async def test(rig: Rig) -> None:
        ear, client = listener(rig), Remote(rig)
        rig.journal.gate.clear()

        client.send(f"QPUSH q {'x' * 600}")
        assert rig.journal.arrived.acquire(timeout=LIMIT_S)  # Within the turn.
        await turns()

        assert ear.received == []
        rig.journal.gate.set()
        await until(lambda: words(ear) == [b"pushed"])

    scenario(test, Settings(batch_bytes_max=500))


@pytest.mark.parametrize("fsync", ["always", "everysec"])
def test_all_is_told_once_in_the_order_of_the_records_whatever_the_pace(fsync: str) -> None:
    """Also: when a message is there, its record is in the journal."""

    async def test(rig: Rig) -> None:
        dice = random.Random(7)
        ear, clients = listener(rig), [Remote(rig) for _ in range(4)]
        late: list[bytes] = []

        def is_true() -> None:
            journal = Expected(journaled(rig)).take()
            told = heard(ear)
            late.extend(channel for channel, _ in told[len(journal) :])
            assert told == journal[: len(told)]

        ear.on_release = is_true
        for place in range(250):
            client = dice.choice(clients)
            queue = dice.choice("qr")
            match dice.randrange(7):
                case 0 | 1:
                    client.arrive(f"QPUSH {queue} p{place}")
                case 2:
                    client.send(f"QPOP {queue} LEASE 5", f"QPUSH {queue} o{place}")
                case 3:
                    client.send("MULTI", f"QPUSH q m{place}", f"QPOP {queue} NOACK", "EXEC")
                case 4:
                    client.send(*repeat(f"QPUSH {queue} x DELAY 3", 3))
                case 5:
                    client.is_closed = not client.is_closed
                    client.send(f"QPOP {queue} COUNT 2")
                case 6:
                    rig.steady_ms += 3
                    rig.wall_ms += 3
            if dice.random() < 0.2:
                dice.choice((rig.commit_inline, rig.commit_in_thread))()
            if dice.random() < 0.5:
                await turns(dice.randrange(4))
        await until(lambda: rig.core.is_settled and not ear.held_count)
        await turns()

        assert late == []
        expected = Expected(journaled(rig)).take()
        assert heard(ear) == expected
        assert len({channel for channel, _ in expected}) > 8

    scenario(test, Settings(fsync=fsync))
