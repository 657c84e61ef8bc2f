from __future__ import annotations

from tests.harness import Harness


def order(harness: Harness) -> list[bytes]:
    return [payload for _, payload in harness.say("QPEEK q COUNT 99")]


def pop_all(harness: Harness) -> list[bytes]:
    return [payload for _, _, payload in harness.say("QPOP q COUNT 99")]


def test_a_job_pushed_in_front_is_next(harness: Harness) -> None:
    harness.say("QPUSH q a")
    harness.say("QPUSH q b FRONT")
    harness.say("QPUSH q c FRONT")
    harness.say("QPUSH q d")

    assert order(harness) == [b"c", b"b", b"a", b"d"]
    harness.crash()
    assert pop_all(harness) == [b"c", b"b", b"a", b"d"]


def test_priority_comes_first(harness: Harness) -> None:
    harness.say("QPUSH q urgent PRIORITY 5")
    harness.say("QPUSH q x")
    harness.say("QPUSH q front FRONT")

    assert order(harness) == [b"urgent", b"front", b"x"]


def test_jobs_pushed_together_keep_their_order(harness: Harness) -> None:
    harness.say("QPUSH q last")
    harness.say("QMPUSH q 3 a b c FRONT")
    harness.say("QMPUSH q 2 x y FRONT")

    assert order(harness) == [b"x", b"y", b"a", b"b", b"c", b"last"]
    harness.crash()
    assert order(harness) == [b"x", b"y", b"a", b"b", b"c", b"last"]


def test_a_delayed_job_is_put_in_front_when_it_is_due(harness: Harness) -> None:
    harness.say("QPUSH q late DELAY 10s FRONT")
    harness.say("QPUSH q early")
    harness.say("QPUSH q first FRONT")
    harness.crash()

    harness.pass_ms(10_000)

    assert order(harness) == [b"late", b"first", b"early"]


def test_what_is_put_in_front_after_a_restart_is_still_the_first(harness: Harness) -> None:
    harness.say("QPUSH q a FRONT")
    harness.say("QPUSH q b FRONT")
    harness.crash()

    harness.say("QPUSH q c FRONT")

    assert order(harness) == [b"c", b"b", b"a"]


def test_a_job_given_back_in_front_is_next(harness: Harness) -> None:
    harness.say("QMPUSH q 3 a b c")
    held = [receipt.decode() for _, receipt, _ in harness.say("QPOP q COUNT 2")]

    assert harness.say(f"QNACK q {' '.join(held)} SILENT FRONT WITHDUE") == [0, 0]

    assert order(harness) == [b"a", b"b", b"c"]
    harness.crash()
    assert order(harness) == [b"a", b"b", b"c"]


def test_a_job_that_waits_for_its_backoff_is_put_in_front_then(harness: Harness) -> None:
    harness.say("QMPUSH q 2 a b BACKOFF FIXED 1s JITTER 0")
    receipt = harness.say("QPOP q")[1].decode()

    harness.say(f"QNACK q {receipt} FRONT")
    harness.pass_ms(1_000)

    assert order(harness) == [b"a", b"b"]


def test_the_next_failure_without_it_goes_behind_again(harness: Harness) -> None:
    harness.say("QPUSH q a FRONT")
    harness.say("QPUSH q b")
    receipt = harness.say("QPOP q")[1].decode()
    harness.say(f"QNACK q {receipt} DELAY 0")

    assert order(harness) == [b"b", b"a"]


def test_a_lease_that_ends_goes_behind(harness: Harness) -> None:
    harness.say("QPUSH q a FRONT")
    harness.say("QPUSH q b")
    harness.say("QPOP q LEASE 1s")
    harness.pass_ms(1_000)

    assert order(harness) == [b"b", b"a"]


def test_a_pop_that_was_undone_is_back_in_its_place(harness: Harness) -> None:
    harness.say("QPUSH q b")
    harness.say("QPUSH q a FRONT")
    client = harness.client()
    client.say("QPOP q")
    harness.say("QPUSH q first FRONT")

    harness.undo(client)

    assert order(harness) == [b"first", b"a", b"b"]


def test_the_receipts_answers_stand_in_their_order(harness: Harness) -> None:
    harness.say("QMPUSH q 2 a b")
    held = [receipt.decode() for _, receipt, _ in harness.say("QPOP q COUNT 2")]

    reply = harness.say(f"QNACK q {held[0]} 9:9-9 {held[1]} SILENT DELAY 5 FRONT WITHDUE")

    assert reply == [harness.now_ms + 5, -2, harness.now_ms + 5]


def test_a_receipt_given_twice_counts_once(harness: Harness) -> None:
    harness.say("QPUSH q a")
    receipt = harness.say("QPOP q")[1].decode()

    assert harness.say(f"QNACK q {receipt} {receipt} SILENT FRONT") == 1


def test_a_dead_letter_stands_in_no_line(harness: Harness) -> None:
    harness.say("QPUSH q a")
    receipt = harness.say("QPOP q")[1].decode()

    assert harness.refusal(f"QNACK q {receipt} FATAL FRONT") == (
        "ERR syntax error near 'FRONT': a dead letter stands in no line"
    )


def test_the_age_of_the_oldest_job_is_not_that_of_the_one_in_front(harness: Harness) -> None:
    harness.say("QPUSH q old")
    harness.pass_ms(5_000)
    harness.say("QPUSH q a FRONT")
    harness.pass_ms(1_000)
    harness.say("QPUSH q b FRONT")

    assert harness.say("QSTATS q")[b"q"][b"oldest_ready_ms"] == 6_000
    harness.say("QDEL q " + harness.say("QPEEK q COUNT 3")[2][0].decode())
    assert harness.say("QSTATS q")[b"q"][b"oldest_ready_ms"] == 1_000
