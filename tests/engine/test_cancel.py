"""QCANCEL, and what the holder of a cancelled job is told."""

from __future__ import annotations

import pytest

from tests.harness import Harness


def held(harness: Harness, options: str = "") -> tuple[str, str]:
    """Push a job and pop it; return its id and its receipt."""
    job_id = harness.say(f"QPUSH q a{options}").decode()
    return job_id, harness.say("QPOP q")[1].decode()


@pytest.mark.parametrize("options", ["", " DELAY 5s"])
def test_a_job_that_waits_is_gone(harness: Harness, options: str) -> None:
    job_id = harness.say(f"QPUSH q a{options}").decode()

    assert harness.say(f"QCANCEL q {job_id}") == 1

    harness.crash()
    harness.pass_ms(5_000)
    assert harness.say("QPOP q") != [b"a"]
    assert harness.refusal(f"QSHOW q {job_id}").startswith("NOJOB ")
    assert harness.queue("q").totals.cancelled == 1
    assert harness.say(f"QCANCEL q {job_id}") == 0


def test_its_holder_is_told_when_it_touches(harness: Harness) -> None:
    job_id, receipt = held(harness)

    assert harness.say(f"QCANCEL q {job_id} REASON obsolete") == 1

    harness.crash()
    assert harness.say(f"QTOUCH q {receipt}") == [-1]
    shown = harness.say(f"QSHOW q {job_id}")
    assert (shown[b"cancelled"], shown[b"error"]) == (1, b"obsolete")


def test_an_ack_of_a_cancelled_job_counts_nothing_and_ends_it(harness: Harness) -> None:
    job_id, receipt = held(harness)
    other = held(harness)[1]
    harness.say(f"QCANCEL q {job_id}")

    assert harness.say(f"QACK q {receipt} {other}") == 1

    harness.crash()
    totals = harness.queue("q").totals
    assert (totals.cancelled, totals.acked, len(harness.queue("q"))) == (1, 1, 0)


def test_a_pipeline_of_acks_knows_which_is_cancelled(harness: Harness) -> None:
    receipts = [held(harness) for _ in range(3)]
    harness.say(f"QCANCEL q {receipts[1][0]}")

    replies = harness.default.pipeline(*[f"QACK q {receipt}" for _, receipt in receipts])

    assert replies == [1, 0, 1]
    assert len(harness.queue("q")) == 0


def test_a_strict_ack_of_it_is_refused(harness: Harness) -> None:
    job_id, receipt = held(harness)
    other = held(harness)[1]
    harness.say(f"QCANCEL q {job_id} REASON obsolete")

    assert harness.refusal(f"QACK q {other} {receipt} STRICT") == (
        f"CANCELLED job '{job_id}' is cancelled: obsolete"
    )
    assert harness.say(f"QACK q {other} STRICT") == 1


@pytest.mark.parametrize("outcome", ["FAIL", "SILENT", "FATAL"])
def test_it_is_not_tried_again_when_it_is_given_back(harness: Harness, outcome: str) -> None:
    job_id, receipt = held(harness)
    harness.say(f"QCANCEL q {job_id}")

    assert harness.say(f"QNACK q {receipt} {outcome} WITHDUE") == [-1]

    totals = harness.queue("q").totals
    assert (totals.cancelled, totals.nacked, totals.dead) == (1, 1, 0)
    assert len(harness.queue("q")) == 0


def test_nor_when_its_lease_ends(harness: Harness) -> None:
    job_id, _ = held(harness)
    harness.say(f"QCANCEL q {job_id}")

    harness.pass_ms(30_000)

    totals = harness.queue("q").totals
    assert (totals.cancelled, totals.expired) == (1, 1)
    assert len(harness.queue("q")) == 0


def test_a_cancelled_job_that_was_never_handed_over_is_gone(harness: Harness) -> None:
    client = harness.client()
    job_id = harness.say("QPUSH q a").decode()
    client.say("QPOP q")
    harness.say(f"QCANCEL q {job_id}")

    harness.undo(client)

    assert len(harness.queue("q")) == 0
    assert harness.queue("q").totals.cancelled == 1


def test_a_dead_letter_and_a_job_that_is_not_there_are_not_cancelled(harness: Harness) -> None:
    job_id, receipt = held(harness)
    harness.say(f"QNACK q {receipt} FATAL")

    assert harness.say(f"QCANCEL q {job_id}") == 0
    assert harness.say("QCANCEL q none") == 0
    assert harness.say("QCANCEL nowhere none") == 0
    assert harness.say("QDLQ COUNT q") == 1


def test_a_dedup_key_is_free_when_a_cancelled_job_is_over(harness: Harness) -> None:
    job_id, receipt = held(harness, " DEDUP k")
    harness.say(f"QCANCEL q {job_id}")
    assert harness.say("QPUSH q b DEDUP k").decode() == job_id

    harness.say(f"QACK q {receipt}")

    assert harness.say("QPUSH q b DEDUP k").decode() != job_id
