"""THEN and QMOVE: a job that follows on another, in one transaction."""

from __future__ import annotations

from respq.engine.codec import transactions
from respq.engine.records import JobsAcked, JobsPushed, QueueMade
from tests.harness import Harness


def payloads(harness: Harness, name: str) -> list[bytes]:
    return [payload for _, payload in harness.say(f"QPEEK {name} COUNT 99")]


def pop(harness: Harness, name: str = "q", options: str = "") -> str:
    receipt: bytes = harness.say(f"QPOP {name}{options}")[1]
    return receipt.decode()


def test_the_ack_pushes_what_follows(harness: Harness) -> None:
    harness.say("QPUSH q a THEN mail done")
    receipt = pop(harness)
    harness.crash()
    assert harness.say("EXISTS mail") == 0

    assert harness.say(f"QACK q {receipt}") == 1

    harness.crash()
    assert payloads(harness, "mail") == [b"done"]
    assert harness.say(f"QACK q {receipt}") == 0
    assert payloads(harness, "mail") == [b"done"]


def test_the_ack_and_what_follows_are_one_transaction(harness: Harness) -> None:
    harness.say("QPUSH q a THEN mail done")
    receipt = pop(harness)

    harness.say(f"QACK q {receipt}")

    (transaction,) = transactions(harness.journal[-1])
    assert [type(record) for record in transaction] == [JobsAcked, QueueMade, JobsPushed]


def test_it_goes_to_the_queue_that_is_there_though_that_is_empty(harness: Harness) -> None:
    harness.say("QUEUE CREATE mail LEASE 7s")
    harness.say("QPUSH mail x ID mine")
    harness.say("QPOP mail NOACK")
    harness.say("QPUSH q a THEN mail done")

    harness.say(f"QACK q {pop(harness)}")

    assert harness.say("QUEUE GET mail")[b"LEASE"] == 7_000
    assert harness.say("QPUSH mail x ID mine") == b"mine"
    assert harness.say("QSTATS mail")[b"mail"][b"pushed_total"] == 2


def test_a_nack_and_a_death_push_nothing_and_the_retry_does(harness: Harness) -> None:
    harness.say("QMPUSH q 2 a b THEN mail done")
    harness.say(f"QNACK q {pop(harness)} FATAL")
    harness.say(f"QNACK q {pop(harness)} DELAY 0")
    assert harness.say("EXISTS mail") == 0

    harness.say(f"QACK q {pop(harness)}")

    assert payloads(harness, "mail") == [b"done"]


def test_acks_of_several_push_one_each(harness: Harness) -> None:
    harness.say("QMPUSH q 2 a b THEN mail done")
    harness.say("QPUSH q c")
    receipts = [pop(harness) for _ in range(3)]

    assert harness.default.pipeline(*[f"QACK q {each}" for each in receipts]) == [1, 1, 1]

    assert payloads(harness, "mail") == [b"done", b"done"]


def test_a_pop_for_good_pushes_it_too(harness: Harness) -> None:
    harness.say("QPUSH q a THEN mail done")

    harness.say("QPOP q NOACK")

    assert payloads(harness, "mail") == [b"done"]


def test_a_cancelled_job_pushes_nothing(harness: Harness) -> None:
    job_id = harness.say("QPUSH q a THEN mail done").decode()
    receipt = pop(harness)
    harness.say(f"QCANCEL q {job_id}")

    assert harness.say(f"QACK q {receipt}") == 0

    assert harness.say("EXISTS mail") == 0


def test_a_queue_that_is_full_or_paused_does_not_refuse_it(harness: Harness) -> None:
    harness.say(
        "QUEUE CREATE mail MAXLEN 1 TTL 1h PRIORITIES TEXT DUPLICATES REFUSE PUSHRATE 1 PER 1h"
    )
    harness.say("QPUSH mail done PRIORITY z")
    harness.say("QUEUE PAUSE mail IN")
    harness.say("QPUSH q a THEN mail done")

    harness.say(f"QACK q {pop(harness)}")

    assert payloads(harness, "mail") == [b"done", b"done"]
    harness.pass_ms(3_600_000)
    assert harness.say("QDLQ COUNT mail") == 2


def test_a_schedule_hands_it_on(harness: Harness) -> None:
    harness.say("QSCHED ADD q s a EVERY 1s THEN mail done")
    harness.pass_ms(1_000)

    harness.say(f"QACK q {pop(harness)}")

    assert payloads(harness, "mail") == [b"done"]


def test_a_follow_up_that_cannot_be_is_refused_at_the_push(harness: Harness) -> None:
    assert harness.refusal(f"QPUSH q a THEN {'n' * 300} done").startswith(
        "TOOBIG queue name of THEN is 300 bytes"
    )
    assert harness.refusal("QPUSH q a THEN mail").startswith("ERR syntax error near 'THEN'")
    assert harness.refusal(f"QSCHED ADD q s a EVERY 1s THEN {'n' * 300} done").startswith("TOOBIG ")
    assert harness.say("EXISTS q") == 0


# QMOVE.


def test_a_move_ends_one_job_and_pushes_another(harness: Harness) -> None:
    harness.say("QPUSH q a NAME report TAG x")
    receipt = pop(harness)

    job_id = harness.say(f"QMOVE q mail {receipt} PRIORITY 5")

    harness.crash()
    assert len(harness.queue("q")) == 0
    facts = harness.say(f"QSHOW mail {job_id.decode()}")
    assert (facts[b"payload"], facts[b"priority"]) == (b"a", b"5")
    assert (facts[b"name"], facts[b"tags"]) == (b"report", [b"x"])
    assert harness.refusal(f"QMOVE q mail {receipt}").startswith("BADRECEIPT ")
    assert payloads(harness, "mail") == [b"a"]


def test_it_may_bring_another_payload_and_labels(harness: Harness) -> None:
    harness.say("QPUSH q a NAME report TAG x")

    job_id = harness.say(f"QMOVE q mail {pop(harness)} PAYLOAD b NAME letter DELAY 5s ID mine")

    assert job_id == b"mine"
    facts = harness.say("QSHOW mail mine")
    assert (facts[b"payload"], facts[b"name"], facts[b"tags"]) == (b"b", b"letter", [])
    assert facts[b"phase"] == b"delayed"


def test_a_move_that_is_refused_leaves_the_delivery(harness: Harness) -> None:
    harness.say("QUEUE CREATE mail MAXLEN 1")
    harness.say("QPUSH mail x")
    harness.say("QPUSH q a")
    receipt = pop(harness)

    assert harness.refusal(f"QMOVE q mail {receipt}").startswith("MAXLEN ")
    assert harness.refusal("QMOVE q mail junk").startswith("ERR 'junk' is not a receipt")
    assert harness.refusal(f"QMOVE q mail {receipt} PRIORITY x").startswith("BADPRIORITY ")

    assert harness.say(f"QACK q {receipt}") == 1


def test_a_move_of_a_cancelled_job_is_refused(harness: Harness) -> None:
    job_id = harness.say("QPUSH q a").decode()
    receipt = pop(harness)
    harness.say(f"QCANCEL q {job_id}")

    assert harness.refusal(f"QMOVE q mail {receipt}").startswith("CANCELLED ")


def test_a_repeated_push_is_told_its_id_and_the_delivery_ends(harness: Harness) -> None:
    harness.say("QMPUSH q 2 a b")
    harness.say(f"QMOVE q mail {pop(harness)} ID mine")

    assert harness.say(f"QMOVE q mail {pop(harness)} ID mine NX") is None

    assert len(harness.queue("q")) == 0
    assert payloads(harness, "mail") == [b"a"]


def test_a_job_may_move_within_its_queue(harness: Harness) -> None:
    harness.say("QPUSH q a")

    harness.say(f"QMOVE q q {pop(harness)} PAYLOAD again")

    assert payloads(harness, "q") == [b"again"]
    assert len(harness.queue("q")) == 1
