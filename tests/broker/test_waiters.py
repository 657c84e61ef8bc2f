from __future__ import annotations

import pytest

from respq.errors import Unblocked
from respq.resp.replies import NULL_ARRAY
from tests.harness import WAITS, Client, Harness


def waiting(harness: Harness, line: str) -> Client:
    """Connect a client that waits."""
    client = harness.client()
    assert client.say(line) is WAITS
    return client


def got(client: Client) -> list[bytes]:
    """Return the payloads that reached a waiting client by QPOP."""
    return [reply[2] for reply in client.inbox]


# What wakes.


@pytest.mark.parametrize("line", ["QPOP q BLOCK 0", "QMPOP 1 q BLOCK 0"])
def test_a_push_serves_who_waits(harness: Harness, line: str) -> None:
    client = waiting(harness, line)

    job_id = harness.say("QPUSH q x")

    assert len(client.inbox) == 1
    assert harness.phase("q", job_id) == "leased"
    assert client.session.waiter is None


def test_who_finds_a_job_does_not_wait(harness: Harness) -> None:
    harness.say("QPUSH q x")

    assert harness.say("QPOP q BLOCK 0")[2] == b"x"
    assert harness.broker.waiters.count == 0


def test_a_delay_that_is_over_serves_who_waits(harness: Harness) -> None:
    harness.say("QPUSH q x DELAY 10")
    client = waiting(harness, "QPOP q BLOCK 0")

    harness.pass_ms(9)
    assert got(client) == []
    harness.pass_ms(1)
    assert got(client) == [b"x"]


def test_a_lease_that_ends_serves_who_waits(harness: Harness) -> None:
    harness.say("QPUSH q x")
    harness.say("QPOP q LEASE 10")
    client = waiting(harness, "QPOP q BLOCK 0")

    harness.pass_ms(9)
    assert got(client) == []
    harness.pass_ms(1)
    assert got(client) == [b"x"]


def test_a_nack_serves_who_waits(harness: Harness) -> None:
    harness.say("QPUSH q x")
    receipt = harness.say("QPOP q")[1].decode()
    client = waiting(harness, "QPOP q BLOCK 0")

    harness.say(f"QNACK q {receipt} SILENT")

    assert got(client) == [b"x"]


def test_a_redrive_serves_who_waits(harness: Harness) -> None:
    harness.say("QPUSH q x")
    receipt = harness.say("QPOP q")[1].decode()
    harness.say(f"QNACK q {receipt} FATAL")
    client = waiting(harness, "QPOP q BLOCK 0")

    harness.say("QDLQ REDRIVE q")

    assert got(client) == [b"x"]


def test_a_queue_that_takes_the_name_serves_who_waits(harness: Harness) -> None:
    client = waiting(harness, "QPOP q BLOCK 0")
    harness.say("QPUSH other x")

    harness.say("QUEUE RENAME other q")

    assert got(client) == [b"x"]


def test_a_pop_that_is_undone_serves_who_waits(harness: Harness) -> None:
    harness.say("QPUSH q x")
    lost = harness.client()
    lost.say("QPOP q")
    client = waiting(harness, "QPOP q BLOCK 0")

    harness.undo(lost)

    assert got(client) == [b"x"]


def test_a_schedule_serves_who_waits(harness: Harness) -> None:
    harness.say("QSCHED ADD q s x EVERY 10")
    client = waiting(harness, "QPOP q BLOCK 0")

    harness.pass_ms(10)

    assert got(client) == [b"x"]


def test_a_transaction_serves_who_waits_when_it_is_done(harness: Harness) -> None:
    client = waiting(harness, "QPOP q BLOCK 0")
    for line in ("MULTI", "QPUSH q urgent PRIORITY 1", "QPUSH q first PRIORITY 9"):
        harness.say(line)
    assert got(client) == []

    harness.say("EXEC")

    assert got(client) == [b"first"]
    assert harness.say("QLEN q") == 1


def test_a_job_in_another_database_wakes_nobody(harness: Harness) -> None:
    client = waiting(harness, "QPOP q BLOCK 0")
    other = harness.client()
    other.say("SELECT 1")

    other.say("QPUSH q x")

    assert got(client) == []


def test_a_job_whose_ttl_is_over_wakes_nobody(harness: Harness) -> None:
    harness.say("QPUSH q x TTL 10")
    lost = harness.client()
    lost.say("QPOP q")
    client = waiting(harness, "QPOP q BLOCK 0")
    harness.now_ms += 10

    harness.undo(lost)

    assert got(client) == []
    assert client.session.waiter is not None


# Who is first.


def test_the_longest_waiter_is_served_first(harness: Harness) -> None:
    clients = [waiting(harness, "QPOP q BLOCK 0") for _ in range(3)]

    for payload in "abc":
        harness.say(f"QPUSH q {payload}")

    assert [got(client) for client in clients] == [[b"a"], [b"b"], [b"c"]]


def test_several_jobs_serve_several_waiters_the_most_urgent_first(harness: Harness) -> None:
    clients = [waiting(harness, "QPOP q BLOCK 0") for _ in range(2)]

    for line in (
        "MULTI",
        "QPUSH q low",
        "QPUSH q high PRIORITY 9",
        "QPUSH q mid PRIORITY 5",
        "EXEC",
    ):
        harness.say(line)

    assert [got(client) for client in clients] == [[b"high"], [b"mid"]]
    assert harness.say("QLEN q") == 1


def test_a_waiter_takes_as_many_as_it_asked_for(harness: Harness) -> None:
    client = waiting(harness, "QPOP q COUNT 2 BLOCK 0")
    second = waiting(harness, "QPOP q BLOCK 0")

    harness.say("QMPUSH q 4 a b c d")

    assert [job[2] for job in client.inbox[0]] == [b"a", b"b"]
    assert got(second) == [b"c"]


def test_whoever_waits_for_several_names_takes_the_first_that_has_a_job(harness: Harness) -> None:
    client = waiting(harness, "QMPOP 3 a b c BLOCK 0")

    for line in ("MULTI", "QPUSH c 1", "QPUSH b 2", "EXEC"):
        harness.say(line)

    name, jobs = client.inbox[0]
    assert (name, jobs[0][2]) == (b"b", b"2")
    assert harness.broker.waiters.names == {}
    harness.say("QPUSH a 3")
    assert len(client.inbox) == 1


def test_news_of_one_name_give_nobody_what_another_has_waited_for_longer(
    harness: Harness,
) -> None:
    longest = waiting(harness, "QPOP b BLOCK 0")
    later = waiting(harness, "QMPOP 2 b a BLOCK 0")

    for line in ("MULTI", "QPUSH a 1", "QPUSH b 2", "EXEC"):
        harness.say(line)

    assert got(longest) == [b"2"]
    assert later.inbox[0][0] == b"a"


def test_a_name_given_twice_is_waited_for_once(harness: Harness) -> None:
    client = waiting(harness, "QMPOP 2 q q BLOCK 0")

    harness.say("QPUSH q x")

    assert len(client.inbox) == 1
    assert harness.broker.waiters.names == {}


def test_who_waits_is_not_overtaken_within_one_read(harness: Harness) -> None:
    client = waiting(harness, "QPOP q BLOCK 0")
    harness.say("QUEUE CREATE q")

    replies = harness.default.pipeline("QPUSH q a", "QPUSH q b", "QPOP q", "QPOP q")

    assert got(client) == [b"a"]
    assert replies[2][2] == b"b"
    assert replies[3] is None


# Time.


@pytest.mark.parametrize("line", ["QPOP q BLOCK 100", "QMPOP 2 q r BLOCK 100"])
def test_a_wait_ends_at_its_millisecond_and_not_before(harness: Harness, line: str) -> None:
    client = waiting(harness, line)

    harness.pass_ms(99)
    assert client.inbox == []
    harness.pass_ms(1)
    assert client.inbox == [NULL_ARRAY]
    harness.say("QPUSH q x")
    assert client.inbox == [NULL_ARRAY]


def test_a_wait_for_several_jobs_ends_with_none(harness: Harness) -> None:
    client = waiting(harness, "QPOP q COUNT 5 BLOCK 10")

    harness.pass_ms(10)

    assert client.inbox == [[]]


def test_a_wait_without_an_end_has_none(harness: Harness) -> None:
    client = waiting(harness, "QPOP q BLOCK 0")

    harness.pass_ms(400 * 86_400_000)

    assert client.inbox == []


def test_a_job_that_comes_in_the_last_millisecond_is_handed_out(harness: Harness) -> None:
    harness.say("QPUSH q x DELAY 100")
    client = waiting(harness, "QPOP q BLOCK 100")

    harness.pass_ms(100)

    assert got(client) == [b"x"]


def test_the_next_deadline_is_that_of_the_first_to_give_up(harness: Harness) -> None:
    waiting(harness, "QPOP q BLOCK 500")
    client = waiting(harness, "QPOP q BLOCK 100")
    assert harness.broker.next_deadline_ms() == harness.now_ms + 100

    harness.broker.close_session(client.session)

    assert harness.broker.next_deadline_ms() == harness.now_ms + 500


# Leaving.


def test_a_client_that_is_gone_gets_nothing_and_the_next_one_does(harness: Harness) -> None:
    first, second = (waiting(harness, "QPOP q BLOCK 0") for _ in range(2))

    harness.broker.close_session(first.session)
    harness.say("QPUSH q x")

    assert got(first) == []
    assert got(second) == [b"x"]


@pytest.mark.parametrize("line", ["QPOP q BLOCK 0", "QMPOP 2 q r BLOCK 5000"])
def test_when_the_last_one_is_gone_nothing_is_left_of_the_wait(harness: Harness, line: str) -> None:
    client = waiting(harness, line)

    harness.broker.close_session(client.session)

    waiters = harness.broker.waiters
    assert (waiters.names, waiters.count, waiters.deadlines.entries()) == ({}, 0, set())


def test_an_unblocked_client_is_told_that_there_is_nothing(harness: Harness) -> None:
    client = waiting(harness, "QPOP q BLOCK 0")

    assert harness.say(f"CLIENT UNBLOCK {client.session.id}") == 1

    assert client.inbox == [NULL_ARRAY]
    assert harness.say(f"CLIENT UNBLOCK {client.session.id}") == 0


def test_an_unblocked_client_is_told_of_it_if_that_is_wanted(harness: Harness) -> None:
    client = waiting(harness, "QPOP q BLOCK 0")

    assert harness.say(f"CLIENT UNBLOCK {client.session.id} ERROR") == 1

    assert isinstance(client.inbox[0], Unblocked)


def test_a_killed_client_gets_no_job(harness: Harness) -> None:
    client = waiting(harness, "QPOP q BLOCK 0")

    harness.say(f"CLIENT KILL ID {client.session.id}")
    harness.say("QPUSH q x")

    assert client.inbox == []
    assert harness.say("QLEN q") == 1


def test_a_server_that_drains_lets_nobody_wait(harness: Harness) -> None:
    client = waiting(harness, "QPOP q BLOCK 0")

    harness.broker.drain()
    harness.settle()

    assert client.inbox == [NULL_ARRAY]
    assert harness.broker.waiters.count == 0
