"""DEDUP, NX and DUPLICATES: what a push is told whose job is there already."""

from __future__ import annotations

import pytest

from respq.resp.replies import NULL_ARRAY
from tests.harness import Harness


def payloads(harness: Harness, name: str = "q") -> list[bytes]:
    return [payload for _, payload in harness.say(f"QPEEK {name} COUNT 99")]


def pop(harness: Harness, name: str = "q") -> str:
    receipt: bytes = harness.say(f"QPOP {name}")[1]
    return receipt.decode()


@pytest.fixture
def first(harness: Harness) -> bytes:
    job_id: bytes = harness.say("QPUSH q a DEDUP k")
    return job_id


def test_a_key_that_is_held_answers_with_its_job(harness: Harness, first: bytes) -> None:
    assert harness.say("QPUSH q b DEDUP k") == first
    assert harness.say("QPUSH q b DEDUP k ON RETURN PRIORITY 5") == first
    assert payloads(harness) == [b"a"]


def test_another_key_and_another_queue_are_something_else(harness: Harness, first: bytes) -> None:
    assert harness.say("QPUSH q b DEDUP other") != first
    harness.say("QPUSH r c DEDUP k")
    harness.say("QPUSH q d")

    assert payloads(harness) == [b"a", b"b", b"d"]
    assert payloads(harness, "r") == [b"c"]


@pytest.mark.parametrize("end", ["QACK q {}", "QNACK q {} FATAL", "QDEL q {id}", "QUEUE PURGE q"])
def test_it_is_free_when_the_job_is_gone_or_dead(harness: Harness, first: bytes, end: str) -> None:
    receipt = pop(harness)
    assert harness.say("QPUSH q b DEDUP k") == first
    harness.crash()
    assert harness.say("QPUSH q b DEDUP k") == first

    harness.say(end.format(receipt, id=first.decode()))

    assert harness.say("QPUSH q b DEDUP k") != first
    assert payloads(harness) == [b"b"]


def test_a_retry_keeps_its_key_and_is_not_refused(harness: Harness, first: bytes) -> None:
    receipt = pop(harness)
    assert harness.say(f"QNACK q {receipt} DELAY 5s") == 1
    assert harness.say("QPUSH q b DEDUP k") == first
    harness.pass_ms(5_000)

    assert harness.say("QPUSH q b DEDUP k") == first
    assert payloads(harness) == [b"a"]


def test_until_start_it_is_free_when_the_job_is_handed_out(harness: Harness) -> None:
    first = harness.say("QPUSH q a DEDUP k UNTIL START")
    assert harness.say("QPUSH q b DEDUP k UNTIL START") == first
    receipt = pop(harness)
    second = harness.say("QPUSH q b DEDUP k UNTIL START")
    harness.crash()

    # What was let go is not taken back.
    harness.say(f"QNACK q {receipt} DELAY 0")

    assert second != first
    assert harness.say("QPUSH q c DEDUP k UNTIL START") == second
    assert payloads(harness) == [b"b", b"a"]


def test_a_redriven_job_does_not_take_its_key_back(harness: Harness, first: bytes) -> None:
    harness.say(f"QNACK q {pop(harness)} FATAL")
    second = harness.say("QPUSH q b DEDUP k")
    harness.say("QDLQ REDRIVE q")

    assert payloads(harness) == [b"b", b"a"]
    assert harness.say("QPUSH q c DEDUP k") == second
    harness.crash()
    assert harness.say("QPUSH q c DEDUP k") == second


def test_an_undone_pop_without_a_lease_takes_it_back_if_it_is_free(
    harness: Harness, first: bytes
) -> None:
    client = harness.client()
    client.say("QPOP q NOACK")
    harness.undo(client)
    assert harness.say("QPUSH q b DEDUP k") == first

    client.say("QPOP q NOACK")
    second = harness.say("QPUSH q b DEDUP k")
    harness.undo(client)

    assert harness.say("QPUSH q c DEDUP k") == second
    assert payloads(harness) == [b"a", b"b"]


def test_a_window_holds_the_key_after_the_job_is_done(harness: Harness) -> None:
    first = harness.say("QPUSH q a DEDUP k WINDOW 10s")
    harness.say(f"QACK q {pop(harness)}")
    harness.pass_ms(9_999)
    assert harness.say("QPUSH q b DEDUP k") == first
    harness.crash(0)
    assert harness.say("QPUSH q b DEDUP k") == first

    harness.pass_ms(1)

    assert harness.say("QPUSH q b DEDUP k") != first


def test_a_window_that_ends_while_the_server_is_down_is_over(harness: Harness) -> None:
    harness.say("QPUSH q a DEDUP k WINDOW 10s")
    harness.say(f"QACK q {pop(harness)}")

    harness.crash(10_000)

    harness.say("QPUSH q b DEDUP k")
    assert payloads(harness) == [b"b"]


def test_a_job_that_outlives_its_window_holds_the_key(harness: Harness) -> None:
    first = harness.say("QPUSH q a DEDUP k WINDOW 1s")
    harness.pass_ms(5_000)

    assert harness.say("QPUSH q b DEDUP k") == first


def test_windows_go_with_the_queue_and_stay_through_a_purge(harness: Harness) -> None:
    first = harness.say("QPUSH q a DEDUP k WINDOW 10s")
    harness.say("QUEUE PURGE q")
    assert harness.say("QPUSH q b DEDUP k") == first

    harness.say("QUEUE DROP q")

    assert harness.say("QPUSH q b DEDUP k WINDOW 10s") != first
    harness.pass_ms(20_000)
    harness.say("QPUSH q c DEDUP k")
    assert payloads(harness) == [b"b"]


def test_a_queue_with_an_open_window_is_not_idle(harness: Harness) -> None:
    first = harness.say("QPUSH q a DEDUP k WINDOW 10d")
    harness.say(f"QACK q {pop(harness)}")

    harness.pass_ms(9 * 86_400_000)

    assert harness.say("QPUSH q b DEDUP k") == first


def test_on_reject_the_push_is_refused_with_the_id(harness: Harness, first: bytes) -> None:
    refusal = harness.refusal("QPUSH q b DEDUP k ON REJECT")

    assert refusal == f"DUPLICATE {first.decode()} holds the key 'k'"
    assert payloads(harness) == [b"a"]


def test_on_reject_a_window_refuses_too(harness: Harness) -> None:
    first = harness.say("QPUSH q a DEDUP k WINDOW 10s").decode()
    harness.say(f"QACK q {pop(harness)}")

    refusal = f"DUPLICATE {first} is done, and its WINDOW holds the key 'k'"
    assert harness.refusal("QPUSH q b DEDUP k ON REJECT") == refusal
    assert harness.refusal("QPUSH q b DEDUP k ON REPLACE") == refusal


def test_on_replace_the_waiting_job_makes_way(harness: Harness, first: bytes) -> None:
    harness.say("QPUSH q other")

    second = harness.say("QPUSH q b DEDUP k ON REPLACE DELAY 5s")
    third = harness.say("QPUSH q c DEDUP k ON REPLACE PRIORITY 3")

    assert len({first, second, third}) == 3
    assert payloads(harness) == [b"c", b"other"]
    assert harness.refusal(f"QSHOW q {first.decode()}").startswith("NOJOB ")
    assert harness.queue("q").totals.replaced == 2
    assert harness.say("QPUSH q d DEDUP k") == third
    harness.crash()
    assert harness.say("QPUSH q d DEDUP k") == third


def test_a_job_that_is_leased_is_not_replaced(harness: Harness, first: bytes) -> None:
    pop(harness)

    assert harness.refusal("QPUSH q b DEDUP k ON REPLACE") == (
        f"STATE job '{first.decode()}' is leased and cannot be replaced: "
        "push without REPLACE, or when it is done"
    )


def test_a_refused_replacement_leaves_the_job(harness: Harness, first: bytes) -> None:
    assert harness.refusal("QPUSH q b DEDUP k ON REPLACE PRIORITY x").startswith("BADPRIORITY ")
    harness.say("QUEUE PAUSE q IN")
    assert harness.refusal("QPUSH q b DEDUP k ON REPLACE").startswith("PAUSED ")

    assert payloads(harness) == [b"a"]
    assert harness.say("QPUSH q b DEDUP k") == first


def test_a_replacement_needs_no_room(harness: Harness, first: bytes) -> None:
    harness.say("QUEUE SET q MAXLEN 1")

    harness.say("QPUSH q b DEDUP k ON REPLACE")

    assert payloads(harness) == [b"b"]
    assert harness.refusal("QPUSH q c").startswith("MAXLEN ")


def test_a_replacement_begins_a_new_window(harness: Harness) -> None:
    harness.say("QPUSH q a DEDUP k WINDOW 10s")
    harness.pass_ms(5_000)
    second = harness.say("QPUSH q b DEDUP k WINDOW 10s ON REPLACE")
    harness.say(f"QACK q {pop(harness)}")
    harness.pass_ms(9_999)
    assert harness.say("QPUSH q c DEDUP k") == second

    harness.pass_ms(1)

    assert harness.say("QPUSH q c DEDUP k") != second


def test_with_nx_a_repetition_is_told_nothing(harness: Harness, first: bytes) -> None:
    assert harness.say("QPUSH q b DEDUP k NX") is None
    assert harness.say("QPUSH q b DEDUP j NX") is not None
    assert harness.say("QPUSH q c ID mine NX") == b"mine"
    assert harness.say("QPUSH q c ID mine NX") is None
    assert harness.say("QMPUSH q 2 d e IDMP me 1 NX") is not None
    assert harness.say("QMPUSH q 2 d e IDMP me 1 NX") is NULL_ARRAY

    assert payloads(harness) == [b"a", b"b", b"c", b"d", b"e"]
    assert harness.refusal("QPUSH q b DEDUP k ON REJECT NX") == (
        "ERR syntax error: NX and ON both say what becomes of a repetition"
    )


def test_a_repeated_idmp_is_told_what_the_first_was(harness: Harness, first: bytes) -> None:
    assert harness.say("QPUSH q b DEDUP k IDMP me 1") == first
    harness.say(f"QACK q {pop(harness)}")

    # The reply was lost, and the key is free by now.
    assert harness.say("QPUSH q b DEDUP k IDMP me 1") == first
    assert payloads(harness) == []


def test_who_came_while_the_key_was_held_does_not_get_it_when_that_is_forgotten(
    harness: Harness,
) -> None:
    harness.say("QUEUE CREATE q DUPLICATES REFUSE")
    harness.say("QPUSH q same")
    harness.say("QPUSH before x THEN q same")
    harness.say(f"QACK before {harness.say('QPOP before')[1].decode()}")
    harness.say(f"QACK q {harness.say('QPOP q')[1].decode()}")
    harness.compact(2)  # The push of the job that held the key.

    harness.crash()

    assert isinstance(harness.say("QPUSH q same"), bytes)


def test_nor_does_one_that_came_back_while_it_was_held(harness: Harness) -> None:
    harness.say("QUEUE CREATE q DUPLICATES REFUSE")
    harness.say("QPUSH q same")
    worker = harness.client()
    worker.say("QPOP q NOACK")
    holder = harness.say("QPUSH q same").decode()
    harness.undo(worker)
    harness.say(f"QDEL q {holder}")
    harness.compact(4)  # The push of the job that held the key.

    harness.crash()

    assert harness.phase("q", holder.encode()) == "gone"
    assert isinstance(harness.say("QPUSH q same"), bytes)


def test_a_queue_may_refuse_duplicates(harness: Harness) -> None:
    harness.say("QUEUE CREATE q DUPLICATES REFUSE")
    first = harness.say("QPUSH q a").decode()
    refusal = f"DUPLICATE {first} has the same payload in queue 'q'"
    assert harness.refusal("QPUSH q a") == refusal
    assert harness.refusal("QPUSH q a PRIORITY 3") == refusal
    assert harness.refusal("QMPUSH q 2 b a") == refusal
    assert harness.say("QPUSH q a NX") is None
    assert harness.say("QMPUSH q 2 b c") is not None
    assert harness.refusal("QMPUSH q 2 d d").startswith("ERR the same payload is given twice")
    assert payloads(harness) == [b"a", b"b", b"c"]
    harness.crash()
    assert harness.refusal("QPUSH q a") == refusal

    receipt = pop(harness)
    assert harness.refusal("QPUSH q a") == refusal
    harness.say(f"QNACK q {receipt} DELAY 0")  # Its own retry is no duplicate.
    assert payloads(harness) == [b"b", b"c", b"a"]
    harness.say("QPOP q COUNT 3 NOACK")

    harness.say("QPUSH q a")
    assert payloads(harness) == [b"a"]


def test_a_queue_that_refuses_duplicates_looks_at_a_key_that_is_given(harness: Harness) -> None:
    harness.say("QUEUE CREATE q DUPLICATES REFUSE")
    first = harness.say("QPUSH q a DEDUP k")

    assert harness.say("QPUSH q a") != first
    assert harness.say("QPUSH q b DEDUP k") == first


def test_a_pipeline_is_refused_from_the_first_repetition_on(harness: Harness) -> None:
    harness.say("QUEUE CREATE q DUPLICATES REFUSE")

    replies = harness.default.pipeline("QPUSH q a", "QPUSH q b", "QPUSH q a", "QPUSH q c")

    assert [str(reply)[:9] == "DUPLICATE" for reply in replies] == [False, False, True, False]
    assert payloads(harness) == [b"a", b"b", b"c"]


def test_what_was_pushed_before_the_setting_holds_nothing(harness: Harness) -> None:
    harness.say("QPUSH q a")
    harness.say("QUEUE SET q DUPLICATES REFUSE")
    harness.say("QPUSH q a")
    assert harness.refusal("QPUSH q a").startswith("DUPLICATE ")

    harness.say("QUEUE SET q DUPLICATES ALLOW")

    harness.say("QPUSH q a")
    assert payloads(harness) == [b"a"] * 3


def test_a_schedule_is_not_refused(harness: Harness) -> None:
    harness.say("QUEUE CREATE q DUPLICATES REFUSE")
    harness.say("QSCHED ADD q s a EVERY 1s MAXRUNS 2")

    harness.pass_ms(5_000)

    assert payloads(harness) == [b"a", b"a"]
    assert harness.refusal("QPUSH q a").startswith("DUPLICATE ")


def test_an_index_of_keys_holds_no_job_that_is_gone(harness: Harness) -> None:
    for number in range(50):
        harness.say(f"QPUSH q a DEDUP {number} WINDOW 1s")
    harness.say("QPOP q COUNT 50 NOACK")
    harness.pass_ms(1_000)

    queue = harness.queue("q")
    assert (len(queue.keys), len(queue.windows)) == (0, 0)


def test_jobs_before_others_keep_their_order_where_duplicates_are_refused(harness: Harness) -> None:
    harness.say("QUEUE CREATE q DUPLICATES REFUSE")
    harness.say("QPUSH q old")
    harness.say("QMPUSH q 3 one two three FRONT")
    order = [payload for _, payload in harness.say("QPEEK q COUNT 9")]
    assert order == [b"one", b"two", b"three", b"old"]

    harness.crash()

    assert [payload for _, payload in harness.say("QPEEK q COUNT 9")] == order
