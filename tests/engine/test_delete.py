from __future__ import annotations

import pytest

from tests.harness import WAITS, Harness

PHASES = ("ready", "delayed", "leased", "dead")


def make(harness: Harness, phase: str) -> str:
    """Push a job and bring it into a phase; return its id."""
    delay = " DELAY 10s" if phase == "delayed" else ""
    job_id: str = harness.say(f"QPUSH q {phase}{delay}").decode()
    if phase in ("leased", "dead"):
        receipt = harness.say("QPOP q")[1].decode()
        if phase == "dead":
            harness.say(f"QNACK q {receipt} FATAL")
    assert harness.phase("q", job_id.encode()) == phase
    return job_id


@pytest.mark.parametrize("phase", PHASES)
def test_a_job_is_thrown_away_whatever_its_phase(harness: Harness, phase: str) -> None:
    job_id = make(harness, phase)

    assert harness.say(f"QDEL q {job_id}") == 1

    assert harness.phase("q", job_id.encode()) == "gone"
    totals = harness.queue("q").totals
    assert (totals.deleted, totals.acked, totals.purged, totals.dropped) == (1, 0, 0, 0)
    assert harness.say(f"QDEL q {job_id}") == 0
    harness.pass_ms(60_000)
    harness.crash()
    assert harness.say("QPOP q") is not None
    assert harness.phase("q", job_id.encode()) == "gone"
    assert harness.queue("q").totals.deleted == 1


def test_the_receipt_of_a_deleted_job_is_worth_nothing(harness: Harness) -> None:
    job_id = harness.say("QPUSH q x").decode()
    receipt = harness.say("QPOP q")[1].decode()
    harness.say(f"QDEL q {job_id}")

    assert harness.say(f"QTOUCH q {receipt}") == [0]
    assert harness.say(f"QNACK q {receipt}") == 0
    assert harness.say(f"QACK q {receipt}") == 0


def test_only_what_is_there_counts_and_each_once(harness: Harness) -> None:
    first = harness.say("QPUSH q x").decode()
    harness.say("QPUSH q y ID mine")
    other = harness.say("QPUSH elsewhere z").decode()

    assert harness.say(f"QDEL q {first} mine {first} {other} junk 1-1") == 2
    assert harness.say("QLEN q") == 0
    assert harness.say("QLEN elsewhere") == 1


def test_nothing_is_deleted_from_a_queue_that_is_not_there(harness: Harness) -> None:
    assert harness.say("QDEL nowhere 1-2") == 0
    assert harness.journal == []


def test_a_job_in_the_middle_leaves_the_order_of_the_others(harness: Harness) -> None:
    ids = [harness.say(f"QPUSH q {each}").decode() for each in range(5)]

    harness.say(f"QDEL q {ids[1]} {ids[3]}")

    assert [payload for _, payload in harness.say("QPEEK q COUNT 9")] == [b"0", b"2", b"4"]
    assert [harness.say("QPOP q")[2] for _ in range(3)] == [b"0", b"2", b"4"]


def test_a_push_that_is_repeated_after_a_delete_makes_no_job(harness: Harness) -> None:
    harness.say("QPUSH q x ID mine")
    harness.say("QDEL q mine")

    assert harness.say("QPUSH q x ID mine") == b"mine"
    assert harness.say("QLEN q") == 0


def test_a_client_that_waits_goes_on_waiting(harness: Harness) -> None:
    job_id = harness.say("QPUSH q x DELAY 10s").decode()
    other = harness.client()
    assert other.say("QPOP q BLOCK 0") is WAITS

    harness.say(f"QDEL q {job_id}")
    harness.pass_ms(20_000)

    assert other.inbox == []
