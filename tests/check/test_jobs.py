"""Each law of a job finds its violation, and is silent where it may be otherwise."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.check.recording import Recording

History = Callable[[Recording], None]
JOB = ["1-1", "7:1-1", "hi"]
AGAIN = ["1-1", "8:1-1", "hi"]


def pushed(r: Recording, options: str = "") -> None:
    r.say(f"QPUSH mail hi {options}", "1-1")


def popped(r: Recording, options: str = "") -> None:
    pushed(r)
    r.say(f"QPOP mail {options}", JOB)


# What is fine


def whole_life(r: Recording) -> None:
    popped(r)
    r.say("QTOUCH mail 7:1-1", [30_000])
    r.shown("1-1", "leased", 7)
    r.say("QNACK mail 7:1-1 SILENT", 1)
    r.shown("1-1", "ready", 7)
    r.say("QPOP mail", AGAIN)
    r.say("QACK mail 7:1-1", 0)
    r.say("QACK mail 8:1-1", 1)
    r.say("QACK mail 8:1-1", 0)
    r.say("QTOUCH mail 8:1-1", [0])
    r.gone("1-1")


def gone_by_an_ack_without_an_answer(r: Recording) -> None:
    popped(r)
    r.unanswered("QACK mail 7:1-1")
    r.gone("1-1")


def there_for_all_an_ack_without_an_answer(r: Recording) -> None:
    popped(r)
    r.unanswered("QACK mail 7:1-1")
    r.shown("1-1", "leased", 7)


def gone_before_its_push_was_answered(r: Recording) -> None:
    r.say("QPUSH mail hi ID x", "x", at=0, end=100)
    r.now_ms = 10
    r.gone("x")


def gone_by_one_of_two_acks(r: Recording) -> None:
    popped(r)
    r.say("QACK mail 7:1-1 7:1-9", 1)
    r.gone("1-1")


def gone_by_a_deletion(r: Recording) -> None:
    pushed(r)
    r.say("QDEL mail 1-1", 1)
    r.gone("1-1")


def gone_by_a_purge_at_that_time(r: Recording) -> None:
    pushed(r)
    r.say("QUEUE PURGE mail", 1, at=20, end=50)
    r.now_ms = 30
    r.gone("1-1")


def gone_by_its_ttl(r: Recording) -> None:
    pushed(r, "TTL 5s")
    r.gone("1-1")


def gone_from_a_queue_that_drops(r: Recording) -> None:
    r.say("QUEUE CREATE mail MAXLEN 5 OVERFLOW DROPOLDEST", "OK")
    pushed(r)
    r.gone("1-1")


def gone_with_a_pop_that_takes(r: Recording) -> None:
    pushed(r)
    r.unanswered("QPOP mail NOACK")
    r.gone("1-1")


def gone_with_its_name(r: Recording) -> None:
    pushed(r)
    r.say("QUEUE RENAME mail post", "OK")
    r.gone("1-1")


def gone_and_replaced(r: Recording) -> None:
    pushed(r, "DEDUP k")
    r.say("QPUSH mail ho DEDUP k ON REPLACE", "1-2")
    r.gone("1-1")


def done_and_kept(r: Recording) -> None:
    pushed(r, "KEEP 1h")
    r.say("QPOP mail", JOB)
    r.say("QACK mail 7:1-1 RESULT 5", 1)
    r.shown("1-1", "done", 7)
    r.gone("1-1")


def pushed_again_under_its_id(r: Recording) -> None:
    for fence in (7, 8):
        r.say("QPUSH mail hi ID x", "x")
        r.say("QPOP mail", ["x", f"{fence}:x", "hi"])
        r.say(f"QACK mail {fence}:x", 1)


def cancelled_while_leased(r: Recording) -> None:
    popped(r)
    r.say("QCANCEL mail 1-1", 1)
    r.shown("1-1", "leased", 7)
    r.say("QACK mail 7:1-1", 0)
    r.gone("1-1")


def handed_out_while_its_nack_was_on_its_way(r: Recording) -> None:
    popped(r)
    r.say("QNACK mail 7:1-1 SILENT", 1, at=40, end=90)
    r.say("QPOP mail", AGAIN, at=50)


def handed_out_after_a_nack_without_an_answer(r: Recording) -> None:
    popped(r)
    r.unanswered("QNACK mail 7:1-1 SILENT")
    r.say("QPOP mail", AGAIN)


def handed_out_when_the_lease_was_over(r: Recording) -> None:
    popped(r)
    r.say("QPOP mail", AGAIN, at=30_020)


def handed_out_within_the_slack(r: Recording) -> None:
    popped(r)
    r.say("QPOP mail", AGAIN, at=29_020)


def handed_out_after_a_shorter_lease(r: Recording) -> None:
    popped(r, "LEASE 5s")
    r.say("QPOP mail", AGAIN, at=5_020)


def handed_out_after_the_lease_of_its_push(r: Recording) -> None:
    pushed(r, "LEASE 5s")
    r.say("QPOP mail", JOB)
    r.say("QPOP mail", AGAIN, at=5_020)


def handed_out_after_the_longest_lease_of_its_push(r: Recording) -> None:
    pushed(r, "MAXLEASE 5s")
    r.say("QPOP mail LEASE 1h", JOB)
    r.say("QPOP mail", AGAIN, at=5_020)


def handed_out_after_the_lease_of_its_queue(r: Recording) -> None:
    r.say("QUEUE SET mail LEASE 5s", "OK")
    popped(r)
    r.say("QPOP mail", AGAIN, at=5_030)


def handed_out_after_a_touch_that_was_shorter(r: Recording) -> None:
    popped(r)
    r.say("QTOUCH mail 7:1-1 LEASE 2s", [2_030])
    r.say("QPOP mail", AGAIN, at=2_040)


def handed_out_after_a_touch_that_may_have_been_the_last(r: Recording) -> None:
    popped(r)
    r.unanswered("QTOUCH mail 7:1-1 LEASE 2s")
    r.say("QTOUCH mail 7:1-1", [30_040])
    r.say("QPOP mail", AGAIN, at=2_040)


def handed_out_after_an_edit(r: Recording) -> None:
    pushed(r)
    r.say("QEDIT mail 1-1 LEASE 1s PAYLOAD ho", "OK")
    r.say("QPOP mail", ["1-1", "7:1-1", "ho"])
    r.say("QPOP mail", ["1-1", "8:1-1", "ho"], at=1_040)


def told_again_what_a_push_without_an_answer_made(r: Recording) -> None:
    r.unanswered("QPUSH mail hi IDMP p 1")
    r.say("QPUSH mail ho IDMP p 1", "1-1")
    r.say("QPOP mail", JOB)


FINE = (
    whole_life,
    gone_by_an_ack_without_an_answer,
    there_for_all_an_ack_without_an_answer,
    gone_before_its_push_was_answered,
    gone_by_one_of_two_acks,
    gone_by_a_deletion,
    gone_by_a_purge_at_that_time,
    gone_by_its_ttl,
    gone_from_a_queue_that_drops,
    gone_with_a_pop_that_takes,
    gone_with_its_name,
    gone_and_replaced,
    done_and_kept,
    pushed_again_under_its_id,
    cancelled_while_leased,
    handed_out_while_its_nack_was_on_its_way,
    handed_out_after_a_nack_without_an_answer,
    handed_out_when_the_lease_was_over,
    handed_out_within_the_slack,
    handed_out_after_a_shorter_lease,
    handed_out_after_the_lease_of_its_push,
    handed_out_after_the_longest_lease_of_its_push,
    handed_out_after_the_lease_of_its_queue,
    handed_out_after_a_touch_that_was_shorter,
    handed_out_after_a_touch_that_may_have_been_the_last,
    handed_out_after_an_edit,
    told_again_what_a_push_without_an_answer_made,
)


@pytest.mark.parametrize("history", FINE, ids=lambda each: each.__name__)
def test_what_may_be_is_no_finding(history: History) -> None:
    recording = Recording()
    history(recording)

    assert recording.findings() == []


# What is not


def lost(r: Recording) -> None:
    pushed(r)
    r.gone("1-1")


def lost_with_its_queue(r: Recording) -> None:
    pushed(r)
    r.refused("QSHOW mail 1-1", "NOQUEUE there is no queue 'mail'")


def lost_while_leased(r: Recording) -> None:
    popped(r)
    r.gone("1-1")


def lost_after_a_nack(r: Recording) -> None:
    popped(r)
    r.say("QNACK mail 7:1-1", 1)
    r.gone("1-1")


def lost_though_acked_afterwards(r: Recording) -> None:
    popped(r)
    r.gone("1-1")
    r.say("QACK mail 7:1-1", 1)


def lost_though_a_stale_receipt_was_acked(r: Recording) -> None:
    pushed(r)
    r.say("QACK mail 6:1-1", 0)
    r.gone("1-1")


def lost_before_a_purge(r: Recording) -> None:
    pushed(r)
    r.gone("1-1")
    r.say("QUEUE PURGE mail", 1)


def lost_after_a_refused_ack(r: Recording) -> None:
    popped(r)
    r.refused("QACK mail 7:1-1 STRICT", "BADRECEIPT receipt '7:1-1' is stale")
    r.gone("1-1")


def lost_of_several(r: Recording) -> None:
    r.say("QMPUSH mail 2 hi ho", ["1-1", "1-2"])
    r.gone("1-2")


def lost_of_a_transaction(r: Recording) -> None:
    r.exec(["QPUSH mail hi", "QPUSH mail ho"], ["1-1", "1-2"])
    r.gone("1-2")


def lost_on_its_way(r: Recording) -> None:
    popped(r)
    r.say("QMOVE mail sent 7:1-1", "1-2")
    r.gone("1-2", "sent")


def acked_and_there(r: Recording) -> None:
    popped(r)
    r.say("QACK mail 7:1-1", 1)
    r.shown("1-1", "ready", 7)


def acked_and_handed_out(r: Recording) -> None:
    popped(r)
    r.say("QACK mail 7:1-1", 1)
    r.say("QPOP mail", AGAIN)


def moved_and_handed_out(r: Recording) -> None:
    popped(r)
    r.say("QMOVE mail sent 7:1-1", "1-2")
    r.say("QPOP mail", AGAIN)


def acked_by_a_stale_receipt(r: Recording) -> None:
    popped(r, "LEASE 1s")
    r.say("QPOP mail", AGAIN, at=5_000)
    r.say("QACK mail 7:1-1", 1)


def acked_while_it_was_handed_out(r: Recording) -> None:
    popped(r, "LEASE 1s")
    r.say("QPOP mail", AGAIN, at=5_000, end=5_100)
    r.say("QACK mail 7:1-1", 1, at=5_050)


def deleted_and_handed_out(r: Recording) -> None:
    pushed(r)
    r.say("QDEL mail 1-1", 1)
    r.say("QPOP mail", JOB)


def cancelled_and_handed_out(r: Recording) -> None:
    pushed(r)
    r.say("QCANCEL mail 1-1", 1)
    r.say("QPOP mail", JOB)


def taken_and_handed_out(r: Recording) -> None:
    pushed(r)
    r.say("QPOP mail NOACK", ["1-1", None, "hi"])
    r.say("QPOP mail", JOB)


def taken_twice(r: Recording) -> None:
    pushed(r)
    r.say("QPOP mail NOACK", ["1-1", None, "hi"], at=20, end=50)
    r.say("QPOP mail NOACK", ["1-1", None, "hi"], at=30, end=60)


def acked_twice(r: Recording) -> None:
    popped(r)
    r.say("QACK mail 7:1-1", 1)
    r.say("QACK mail 7:1-1", 1)


def acked_after_a_nack(r: Recording) -> None:
    popped(r)
    r.say("QNACK mail 7:1-1 WITHDUE", [0])
    r.say("QACK mail 7:1-1", 1)


def touched_after_a_nack(r: Recording) -> None:
    popped(r)
    r.say("QNACK mail 7:1-1", 1)
    r.say("QTOUCH mail 7:1-1", [30_040])


def touched_by_a_stale_receipt(r: Recording) -> None:
    popped(r, "LEASE 1s")
    r.say("QPOP mail", AGAIN, at=5_000)
    r.say("QTOUCH mail 7:1-1", [35_000])


def handed_out_while_leased(r: Recording) -> None:
    popped(r)
    r.say("QPOP mail", AGAIN, at=28_000)


def handed_out_while_an_ack_was_not_answered(r: Recording) -> None:
    popped(r)
    r.unanswered("QACK mail 7:1-1")
    r.say("QPOP mail", AGAIN)


def handed_out_before_its_nack(r: Recording) -> None:
    popped(r)
    r.say("QPOP mail", AGAIN)
    r.unanswered("QNACK mail 7:1-1")


def handed_out_after_a_touch(r: Recording) -> None:
    popped(r)
    r.say("QTOUCH mail 7:1-1", [55_000], at=25_000)
    r.say("QPOP mail", AGAIN, at=50_000)


def taken_while_leased(r: Recording) -> None:
    popped(r)
    r.say("QPOP mail NOACK", ["1-1", None, "hi"])


def handed_out_while_leased_by_its_schedule(r: Recording) -> None:
    r.say("QSCHED ADD mail s hi EVERY 5s", 1)
    r.say("QPOP mail", JOB)
    r.say("QPOP mail", AGAIN)


def ready_while_leased(r: Recording) -> None:
    popped(r)
    r.shown("1-1", "ready", 7)


def leased_to_another(r: Recording) -> None:
    popped(r)
    r.shown("1-1", "leased", 8)


def shown_with_an_older_fence(r: Recording) -> None:
    popped(r)
    r.say("QNACK mail 7:1-1", 1)
    r.shown("1-1", "ready", 6)


def shown_with_another_payload(r: Recording) -> None:
    pushed(r)
    r.shown("1-1", payload="ho")


def handed_out_with_another_payload(r: Recording) -> None:
    pushed(r)
    r.say("QPOP mail", ["1-1", "7:1-1", "ho"])


def handed_out_with_a_long_payload_that_differs_at_its_end(r: Recording) -> None:
    r.say(f"QPUSH mail {'x' * 100}1", "1-1")
    r.say("QPOP mail", ["1-1", "7:1-1", f"{'x' * 100}2"])


def moved_with_another_payload(r: Recording) -> None:
    popped(r)
    r.say("QMOVE mail sent 7:1-1", "1-2")
    r.shown("1-2", payload="ho", queue="sent")


def handed_out_before_its_push(r: Recording) -> None:
    r.say("QPOP mail", JOB)
    r.say("QPUSH mail hi", "1-1")


def told_to_two(r: Recording) -> None:
    pushed(r)
    pushed(r)


WRONG = (
    (lost, "lines 1 and 2: job mail/1-1 is lost"),
    (lost_with_its_queue, "lines 1 and 2: job mail/1-1 is lost"),
    (lost_while_leased, "lines 1 and 3: job mail/1-1 is lost"),
    (lost_after_a_nack, "lines 1 and 4: job mail/1-1 is lost"),
    (lost_though_acked_afterwards, "lines 1 and 3: job mail/1-1 is lost"),
    (lost_though_a_stale_receipt_was_acked, "lines 1 and 3: job mail/1-1 is lost"),
    (lost_before_a_purge, "lines 1 and 2: job mail/1-1 is lost"),
    (lost_after_a_refused_ack, "lines 1 and 4: job mail/1-1 is lost"),
    (lost_of_several, "lines 1 and 2: job mail/1-2 is lost"),
    (lost_of_a_transaction, "lines 1 and 2: job mail/1-2 is lost"),
    (lost_on_its_way, "lines 3 and 4: job sent/1-2 is lost"),
    (acked_and_there, "lines 3 and 4: job mail/1-1 is ready after it had been acknowledged"),
    (acked_and_handed_out, "lines 3 and 4: job mail/1-1 was handed out with fence 8 after"),
    (moved_and_handed_out, "lines 3 and 4: job mail/1-1 was handed out with fence 8 after"),
    (acked_by_a_stale_receipt, "lines 3 and 4: job mail/1-1 was acknowledged by the receipt"),
    (acked_while_it_was_handed_out, "lines 3 and 4: job mail/1-1 was acknowledged by"),
    (deleted_and_handed_out, "lines 2 and 3: job mail/1-1 was handed out with fence 7 after"),
    (cancelled_and_handed_out, "had been cancelled"),
    (taken_and_handed_out, "after it had been taken with NOACK"),
    (taken_twice, "lines 2 and 3: job mail/1-1 was taken with NOACK 2 times"),
    (acked_twice, "lines 3 and 4: job mail/1-1 was ended 2 times by the receipt with fence 7"),
    (acked_after_a_nack, "lines 3 and 4: job mail/1-1 was ended 2 times"),
    (touched_after_a_nack, "lines 3 and 4: the receipt with fence 7 of job mail/1-1 was good"),
    (touched_by_a_stale_receipt, "lines 3 and 4: the receipt with fence 7 of job mail/1-1"),
    (handed_out_while_leased, "lines 2 and 3: job mail/1-1 was handed out with fence 8 while"),
    (handed_out_while_an_ack_was_not_answered, "while the lease of fence 7 lasted"),
    (handed_out_before_its_nack, "while the lease of fence 7 lasted"),
    (handed_out_after_a_touch, "while the lease of fence 7 lasted"),
    (taken_while_leased, "was handed out with NOACK while the lease of fence 7 lasted"),
    (handed_out_while_leased_by_its_schedule, "while the lease of fence 7 lasted"),
    (ready_while_leased, "lines 2 and 3: job mail/1-1 is ready with fence 7 while the lease"),
    (leased_to_another, "lines 2 and 3: job mail/1-1 is leased with fence 8 while the lease"),
    (shown_with_an_older_fence, "lines 2 and 4: job mail/1-1 has fence 6"),
    (shown_with_another_payload, "lines 1 and 2: job mail/1-1 was pushed with the payload 'hi'"),
    (handed_out_with_another_payload, "lines 1 and 2: job mail/1-1 was pushed with the payload"),
    (handed_out_with_a_long_payload_that_differs_at_its_end, "'xxxxxxxxxxxxxxxx… of 101 "),
    (moved_with_another_payload, "lines 3 and 4: job sent/1-2 was pushed with the payload 'hi'"),
    (handed_out_before_its_push, "lines 1 and 2: job mail/1-1 was there before it was pushed"),
    (told_to_two, "lines 1 and 2: 2 pushes were told the id mail/1-1"),
)


@pytest.mark.parametrize(
    ("history", "said"), WRONG, ids=lambda each: getattr(each, "__name__", "said")
)
def test_what_must_not_be_is_found_and_nothing_else(history: History, said: str) -> None:
    recording = Recording()
    history(recording)

    findings = recording.findings()

    assert len(findings) == 1, findings
    assert said in findings[0]


def test_clocks_that_may_be_apart_make_the_checker_careful() -> None:
    recording = Recording()
    popped(recording)
    recording.gone("1-1")
    recording.say("QACK mail 7:1-1", 1)

    assert len(recording.findings(skew_ms=4)) == 1
    assert recording.findings(skew_ms=5) == []


def test_the_slack_is_as_much_as_was_asked_for() -> None:
    recording = Recording()
    popped(recording)
    recording.say("QPOP mail", AGAIN, at=29_000)

    assert len(recording.findings(slack_ms=1_018)) == 1
    assert recording.findings(slack_ms=1_019) == []


@pytest.mark.parametrize(("down", "count"), [(False, 0), (True, 1)])
def test_what_was_not_answered_does_not_happen_after_the_server_was_down(
    down: bool, count: int
) -> None:
    recording = Recording()
    recording.unanswered("QPUSH mail hi ID x", gave_up=12)
    if down:
        recording.down(15)
    recording.say("QPUSH mail hi ID x", "x")
    recording.say("QPOP mail", ["x", "7:x", "hi"])
    recording.say("QACK mail 7:x", 1)
    recording.say("QPOP mail", ["x", "8:x", "hi"])

    # Without the mark the first push may have come last, and made a job of that id anew.
    assert len(recording.findings()) == count


def test_a_replacement_ends_none_without_a_key() -> None:
    recording = Recording()
    pushed(recording)
    recording.say("QPUSH mail ho DEDUP k ON REPLACE", "1-2")
    recording.gone("1-1")

    assert len(recording.findings()) == 1
