from __future__ import annotations

import pytest

from tests.harness import WAITS, Harness


@pytest.fixture
def limited(harness: Harness) -> Harness:
    """Have five jobs in a queue of which two may be leased at once."""
    harness.say("QUEUE CREATE q CONCURRENCY 2")
    harness.say("QMPUSH q 5 a b c d e")
    return harness


def pop(harness: Harness, words: str = "COUNT 9") -> list[str]:
    """Pop jobs and return their receipts."""
    return [receipt.decode() for _, receipt, _ in harness.say(f"QPOP q {words}")]


def test_no_more_jobs_are_leased_than_may_be(limited: Harness) -> None:
    assert len(pop(limited)) == 2
    assert pop(limited) == []
    assert limited.say("QLEN q") == 3


def test_a_restart_knows_what_is_leased(limited: Harness) -> None:
    held = pop(limited, "COUNT 1")
    limited.crash()

    assert len(pop(limited)) == 1
    limited.say(f"QACK q {held[0]}")
    assert len(pop(limited)) == 1


@pytest.mark.parametrize(
    "end", ["QACK q {}", "QNACK q {}", "QNACK q {} FATAL", "QNACK q {} SILENT"]
)
def test_the_end_of_a_delivery_makes_room_for_another(limited: Harness, end: str) -> None:
    held = pop(limited)

    limited.say(end.format(held[0]))

    assert len(pop(limited)) == 1


@pytest.mark.parametrize("how", ["ack", "nack", "lease", "delete", "undo", "purge", "more"])
def test_who_waits_is_served_when_there_is_room(limited: Harness, how: str) -> None:
    first = limited.client()
    job_id, receipt, _ = first.say("QPOP q LEASE 5s")
    pop(limited)
    waiting = limited.client()
    assert waiting.say("QPOP q BLOCK 0") is WAITS

    match how:
        case "ack":
            limited.say(f"QACK q {receipt.decode()}")
        case "nack":
            limited.say(f"QNACK q {receipt.decode()}")
        case "lease":
            limited.pass_ms(5_000)
        case "delete":
            limited.say(f"QDEL q {job_id.decode()}")
        case "undo":
            first.pops = [(limited.job("q", job_id), int(receipt.split(b":")[0]))]  # type: ignore[list-item]
            limited.undo(first)
        case "purge":
            limited.say("QUEUE PURGE q")
            limited.say("QPUSH q new")
        case "more":
            limited.say("QUEUE SET q CONCURRENCY 0")

    assert len(waiting.inbox) == 1


def test_each_end_serves_one_of_those_who_wait(limited: Harness) -> None:
    held = pop(limited)
    waiting = [limited.client() for _ in range(3)]
    for client in waiting:
        client.say("QPOP q BLOCK 0")

    limited.say(f"QACK q {held[0]}")
    assert [len(client.inbox) for client in waiting] == [1, 0, 0]

    limited.default.pipeline(f"QACK q {held[1]}", "QLEN q")
    assert [len(client.inbox) for client in waiting] == [1, 1, 0]


def test_a_pipeline_of_pops_gets_no_more(limited: Harness) -> None:
    replies = limited.default.pipeline(*["QPOP q"] * 4)

    assert [reply is None for reply in replies] == [False, False, True, True]


def test_a_pop_of_many_goes_on_to_the_next_queue(limited: Harness) -> None:
    limited.say("QPUSH other x")
    pop(limited)

    assert limited.say("QMPOP 2 q other")[0] == b"other"


def test_what_is_taken_for_good_is_not_leased(limited: Harness) -> None:
    assert len(limited.say("QPOP q COUNT 2 NOACK")) == 2
    held = pop(limited)

    # It goes out as long as there is room for a lease.
    assert limited.say("QPOP q COUNT 9 NOACK") == []
    limited.say(f"QACK q {held[0]}")
    assert len(limited.say("QPOP q COUNT 9 NOACK")) == 1


def test_a_smaller_limit_takes_nothing_away(limited: Harness) -> None:
    held = pop(limited)
    limited.say("QUEUE SET q CONCURRENCY 1")

    limited.say(f"QACK q {held[0]}")
    assert pop(limited) == []
    limited.say(f"QACK q {held[1]}")
    assert len(pop(limited)) == 1


def test_a_paused_queue_gives_nothing_however_much_room_there_is(limited: Harness) -> None:
    limited.say("QUEUE PAUSE q OUT")

    assert pop(limited) == []


def test_no_limit_is_zero(limited: Harness) -> None:
    assert limited.say("QUEUE GET q")[b"CONCURRENCY"] == 2
    limited.say("QUEUE SET q CONCURRENCY 0")
    assert limited.say("QUEUE GET q")[b"CONCURRENCY"] == 0
    assert len(pop(limited)) == 5


def test_what_cannot_be_read_is_named(limited: Harness) -> None:
    assert limited.refusal("QUEUE SET q CONCURRENCY -1") == (
        "ERR CONCURRENCY is from 0 to 9223372036854775807, not -1"
    )
