"""KEEP, RESULT and QWAIT: what becomes of a job when it is done."""

from __future__ import annotations

import pytest

from respq.resp.replies import NULL_ARRAY
from tests.harness import WAITS, Client, Harness


def pop(harness: Harness, options: str = "") -> str:
    receipt: bytes = harness.say(f"QPOP q{options}")[1]
    return receipt.decode()


def push(harness: Harness, options: str = "") -> str:
    job_id: bytes = harness.say(f"QPUSH q a{options}")
    return job_id.decode()


@pytest.mark.parametrize(("queue", "job"), [("", " KEEP 10s"), ("10s", ""), ("99s", " KEEP 10s")])
def test_a_job_is_kept_with_its_result(harness: Harness, queue: str, job: str) -> None:
    if queue:
        harness.say(f"QUEUE CREATE q KEEP {queue}")
    job_id = push(harness, job)

    assert harness.say(f"QACK q {pop(harness)} RESULT 42") == 1

    harness.crash(0)
    facts = harness.say(f"QSHOW q {job_id}")
    assert (facts[b"phase"], facts[b"result"]) == (b"done", b"42")
    assert facts[b"due_ms"] == harness.now_ms + 10_000
    assert harness.say(f"QWAIT q {job_id}") == [b"done", b"42"]
    assert harness.say("QPOP q") is NULL_ARRAY
    harness.pass_ms(9_999)
    assert harness.say(f"QWAIT q {job_id}") == [b"done", b"42"]
    harness.pass_ms(1)
    assert harness.say(f"QWAIT q {job_id}") == [b"gone", b""]
    assert harness.queue("q").totals.acked == 1
    assert len(harness.queue("q")) == 0


def test_a_job_that_says_0_is_not_kept(harness: Harness) -> None:
    harness.say("QUEUE CREATE q KEEP 10s")
    push(harness, " KEEP 0")

    harness.say(f"QACK q {pop(harness)} RESULT 42")

    assert len(harness.queue("q")) == 0


def test_a_setting_that_ends_keeps_what_is_kept(harness: Harness) -> None:
    harness.say("QUEUE CREATE q KEEP 10s")
    job_id = push(harness)
    harness.say(f"QACK q {pop(harness)}")
    harness.say("QUEUE SET q KEEP 0")
    push(harness)
    harness.say(f"QACK q {pop(harness)}")

    assert [job.id.decode() for job in harness.queue("q")] == [job_id]


def test_acks_of_several_and_in_a_pipeline(harness: Harness) -> None:
    ids = [push(harness, " KEEP 10s"), push(harness), push(harness, " KEEP 10s")]
    receipts = [pop(harness) for _ in ids]

    assert harness.say(f"QACK q {receipts[0]} {receipts[1]} RESULT x") == 2
    assert harness.default.pipeline(f"QACK q {receipts[2]}", f"QACK q {receipts[2]}") == [1, 0]

    replies = [harness.say(f"QWAIT q {each}") for each in ids]
    assert replies == [[b"done", b"x"], [b"gone", b""], [b"done", b""]]


def test_a_done_job_is_no_dead_letter_and_holds_no_key(harness: Harness) -> None:
    job_id = push(harness, " KEEP 10s DEDUP k ID mine")
    harness.say(f"QACK q {pop(harness)}")

    assert harness.say("QDLQ COUNT q") == 0
    assert harness.say(f"QCANCEL q {job_id}") == 0
    assert harness.refusal("QEDIT q mine PAYLOAD x") == "STATE job 'mine' is done: push another"
    assert harness.say("QSCAN q 0 STATE DONE")[1] == [b"mine"]
    assert harness.say("QSTATS q")[b"q"][b"done"] == 1
    assert harness.say("QPUSH q b DEDUP k") != b"mine"
    assert harness.say("QPUSH q b ID mine") == b"mine"


def test_a_ttl_does_not_end_what_is_done(harness: Harness) -> None:
    job_id = push(harness, " KEEP 10s TTL 1s")
    harness.say(f"QACK q {pop(harness)}")

    harness.pass_ms(9_999)

    assert harness.say(f"QWAIT q {job_id}") == [b"done", b""]


def test_a_stale_receipt_of_it_says_so(harness: Harness) -> None:
    push(harness, " KEEP 10s")
    receipt = pop(harness)
    harness.say(f"QACK q {receipt}")

    assert harness.say(f"QACK q {receipt}") == 0
    assert harness.refusal(f"QACK q {receipt} STRICT").endswith(
        "the job is done since 1700000000000"
    )


@pytest.mark.parametrize("line", ["QDEL q {}", "QUEUE PURGE q"])
def test_it_can_be_thrown_away_and_is_counted_once(harness: Harness, line: str) -> None:
    job_id = push(harness, " KEEP 10s")
    harness.say(f"QACK q {pop(harness)}")

    assert harness.say(line.format(job_id)) == 1

    totals = harness.queue("q").totals
    assert (totals.acked, totals.deleted, totals.purged) == (1, 0, 0)
    assert len(harness.queue("q")) == 0


def test_a_pop_for_good_keeps_nothing(harness: Harness) -> None:
    push(harness, " KEEP 10s")

    harness.say("QPOP q NOACK")

    assert len(harness.queue("q")) == 0


def test_a_follow_up_comes_with_it(harness: Harness) -> None:
    push(harness, " KEEP 10s THEN mail done")

    harness.say(f"QACK q {pop(harness)} RESULT x")

    assert harness.say("QLEN mail") == 1


# Waiting for the end.


@pytest.fixture
def waiter(harness: Harness) -> Client:
    push(harness, " ID mine KEEP 0")
    client = harness.client()
    assert client.say("QWAIT q mine BLOCK 0") is WAITS
    return client


def test_who_waits_is_told_the_result_though_it_is_not_kept(
    harness: Harness, waiter: Client
) -> None:
    receipt = pop(harness)
    assert waiter.inbox == []

    harness.say(f"QACK q {receipt} RESULT 42")

    assert waiter.inbox == [[b"done", b"42"]]
    assert harness.engine.state.endings == {}
    assert harness.broker.waiters.awaited == {}


def test_all_who_wait_are_told(harness: Harness, waiter: Client) -> None:
    others = [harness.client() for _ in range(3)]
    for each in others:
        assert each.say("QWAIT q mine BLOCK 10s") is WAITS
    harness.broker.close_session(others[0].session)

    harness.say(f"QACK q {pop(harness)}")

    assert [each.inbox for each in (waiter, *others)] == [
        [[b"done", b""]],
        [],
        [[b"done", b""]],
        [[b"done", b""]],
    ]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["QNACK q {} FATAL ERROR no"], [b"dead", b"no"]),
        (["QCANCEL q mine REASON late", "QNACK q {}"], [b"cancelled", b"late"]),
        (["QNACK q {} SILENT", "QCANCEL q mine"], [b"cancelled", b""]),
        (["QDEL q mine"], [b"gone", b""]),
        (["QUEUE PURGE q"], [b"gone", b""]),
        (["QUEUE DROP q"], [b"gone", b""]),
        (["QNACK q {} SILENT", "QPOP q NOACK"], [b"done", b""]),
        (["QMOVE q r {}"], [b"done", b""]),
    ],
)
def test_every_end_is_told(
    harness: Harness, waiter: Client, lines: list[str], told: list[bytes]
) -> None:
    receipt = pop(harness)

    for line in lines:
        assert waiter.inbox == []
        harness.say(line.format(receipt))

    assert waiter.inbox == [told]


def test_a_retry_is_no_end(harness: Harness, waiter: Client) -> None:
    harness.say(f"QNACK q {pop(harness)} DELAY 1s")
    harness.pass_ms(1_000)
    harness.pass_ms(0)
    assert waiter.inbox == []

    harness.say(f"QACK q {pop(harness)}")

    assert waiter.inbox == [[b"done", b""]]


def test_a_wait_ends_with_null(harness: Harness) -> None:
    job_id = push(harness)
    assert harness.say(f"QWAIT q {job_id}") is NULL_ARRAY
    client = harness.client()
    assert client.say(f"QWAIT q {job_id} BLOCK 5s") is WAITS

    harness.pass_ms(5_000)

    assert client.inbox == [NULL_ARRAY]
    assert harness.broker.waiters.awaited == {}


def test_in_a_transaction_nobody_waits(harness: Harness) -> None:
    job_id = push(harness)
    for line in ("MULTI", f"QWAIT q {job_id} BLOCK 0"):
        harness.say(line)

    assert harness.say("EXEC") == [NULL_ARRAY]


def test_a_job_that_never_was_is_gone(harness: Harness) -> None:
    assert harness.say("QWAIT q none BLOCK 0") == [b"gone", b""]


def test_those_who_wait_for_jobs_and_for_ends_do_not_disturb_one_another(
    harness: Harness, waiter: Client
) -> None:
    receipt = pop(harness)
    worker = harness.client()
    assert worker.say("QPOP q BLOCK 0 NOACK") is WAITS

    harness.say("QPUSH q b")
    harness.say(f"QACK q {receipt} RESULT x")

    assert [reply[2] for reply in worker.inbox] == [b"b"]
    assert waiter.inbox == [[b"done", b"x"]]


def test_a_large_result_is_refused(harness: Harness) -> None:
    harness.broker.settings = type(harness.settings)(payload_bytes_max=16)
    push(harness)

    assert harness.refusal(f"QACK q {pop(harness)} RESULT {'x' * 17}").startswith("TOOBIG ")
