from __future__ import annotations

import pytest

from respq.engine.jobs import delivery
from tests.harness import WAITS, Harness


@pytest.fixture
def filled(harness: Harness) -> Harness:
    harness.say("QMPUSH q 3 a b c")
    return harness


def popped(harness: Harness, count: int = 9) -> list[str]:
    return [payload.decode() for _, _, payload in harness.say(f"QPOP q COUNT {count}")]


def limit(harness: Harness, words: str = "RATELIMIT 10s") -> int:
    receipt = harness.say("QPOP q")[1].decode()
    reply = harness.say(f"QNACK q {receipt} {words}")
    assert isinstance(reply, int), reply
    return reply


@pytest.mark.parametrize("crashes", [False, True])
def test_a_worker_that_met_a_rate_limit_closes_the_queue_for_a_while(
    filled: Harness, crashes: bool
) -> None:
    assert limit(filled) == 1
    if crashes:
        filled.crash()

    assert popped(filled) == []
    assert filled.say("QPOP q COUNT 2 NOACK") == []
    filled.pass_ms(9_999)
    assert popped(filled) == []

    filled.pass_ms(1)
    assert popped(filled) == ["a", "b", "c"]


def test_it_does_not_count_and_the_job_stays_first_in_line(filled: Harness) -> None:
    job_id, receipt, _ = filled.say("QPOP q")
    filled.say(f"QNACK q {receipt.decode()} RATELIMIT 10s ERROR slow")

    facts = filled.say(f"QSHOW q {job_id.decode()}")
    assert (facts[b"attempts"], facts[b"phase"], facts[b"error"]) == (0, b"ready", b"slow")
    assert filled.say("QPEEK q")[0] == job_id
    assert filled.say("QSTATS q")[b"q"][b"nacked_total"] == 1


def test_jobs_given_back_together_keep_their_order(filled: Harness) -> None:
    receipts = [receipt.decode() for _, receipt, _ in filled.say("QPOP q COUNT 2")]

    due = filled.say(f"QNACK q {' '.join(receipts)} 9:9 RATELIMIT 1s WITHDUE")

    assert due == [filled.now_ms + 1_000, filled.now_ms + 1_000, -2]
    filled.pass_ms(1_000)
    assert popped(filled) == ["a", "b", "c"]


def test_a_stale_receipt_closes_nothing(filled: Harness) -> None:
    assert filled.say("QNACK q 9:9 RATELIMIT 10s") == 0
    assert popped(filled) == ["a", "b", "c"]


def test_the_longer_of_two_limits_holds(filled: Harness) -> None:
    receipts = [receipt.decode() for _, receipt, _ in filled.say("QPOP q COUNT 2")]
    filled.say(f"QNACK q {receipts[0]} RATELIMIT 10s")
    reply = filled.say(f"QNACK q {receipts[1]} RATELIMIT 5s WITHDUE")

    assert reply == [filled.now_ms + 10_000]
    filled.pass_ms(9_999)
    assert popped(filled) == []
    filled.pass_ms(1)
    assert len(popped(filled)) == 3


def test_a_limit_that_came_later_may_last_longer(filled: Harness) -> None:
    receipts = [receipt.decode() for _, receipt, _ in filled.say("QPOP q COUNT 2")]
    filled.say(f"QNACK q {receipts[0]} RATELIMIT 5s")
    filled.say(f"QNACK q {receipts[1]} RATELIMIT 10s")

    filled.pass_ms(9_999)
    assert popped(filled) == []
    filled.pass_ms(1)
    assert len(popped(filled)) == 3


@pytest.mark.parametrize("settings", ["GROUPCONCURRENCY 2", "GROUPCONCURRENCY 1", "FAIR YES"])
@pytest.mark.parametrize("crashes", [False, True])
def test_where_groups_matter_only_the_group_is_closed(
    harness: Harness, settings: str, crashes: bool
) -> None:
    harness.say(f"QUEUE CREATE q {settings}")
    for payload, group in (("a", "g"), ("b", "g"), ("c", "h")):
        harness.say(f"QPUSH q {payload} GROUP {group}")
    harness.say("QPUSH q d")
    limit(harness)
    if crashes:
        harness.crash()

    assert set(popped(harness)) == {"c", "d"}
    facts = harness.say("QUEUE GET q")
    assert (facts[b"closed_until_ms"], facts[b"closed_groups"]) == (0, 1)
    harness.pass_ms(9_999)
    assert popped(harness) == []
    harness.pass_ms(1)
    assert popped(harness)[0] == "a"


def test_where_groups_do_not_matter_the_queue_is_closed(harness: Harness) -> None:
    harness.say("QPUSH q a GROUP g")
    harness.say("QPUSH q b GROUP h")
    limit(harness)

    assert popped(harness) == []
    assert harness.say("QUEUE GET q")[b"closed_until_ms"] == harness.now_ms + 10_000


def test_groups_that_come_to_matter_find_their_gates(harness: Harness) -> None:
    harness.say("QUEUE CREATE q FAIR YES")
    harness.say("QPUSH q a GROUP g")
    limit(harness)
    harness.say("QUEUE SET q FAIR NO")
    assert popped(harness, 1) == ["a"]
    harness.say("QPUSH q b GROUP g")
    harness.say("QUEUE SET q FAIR YES")

    assert popped(harness) == []
    harness.pass_ms(10_000)
    assert popped(harness) == ["b"]


@pytest.mark.parametrize("pop", ["QPOP q BLOCK 0", "QMPOP 2 o q BLOCK 0"])
@pytest.mark.parametrize("settings", ["", "FAIR YES"])
def test_a_client_that_waits_is_served_when_the_gate_opens(
    harness: Harness, pop: str, settings: str
) -> None:
    harness.say(f"QUEUE CREATE q {settings}")
    harness.say("QPUSH q a GROUP g")
    limit(harness)
    client = harness.client()
    assert client.say(pop) is WAITS
    harness.pass_ms(9_999)
    assert client.inbox == []

    harness.pass_ms(1)

    assert len(client.inbox) == 1


def test_a_resume_opens_the_gates(filled: Harness) -> None:
    limit(filled)
    assert filled.say("QUEUE RESUME q IN") == 0
    assert popped(filled) == []

    assert filled.say("QUEUE RESUME q OUT") == 1

    assert popped(filled) == ["a", "b", "c"]
    filled.pass_ms(20_000)


def test_a_dropped_queue_takes_its_gates_with_it(filled: Harness) -> None:
    limit(filled)
    filled.say("QUEUE DROP q")
    filled.say("QPUSH q a")

    assert popped(filled) == ["a"]
    filled.pass_ms(20_000)


def test_why_a_job_waits_is_explained(harness: Harness) -> None:
    harness.say("QUEUE CREATE q FAIR YES")
    grouped = harness.say("QPUSH q a GROUP g")
    limit(harness)

    phase, causes = harness.say(f"QEXPLAIN q {grouped.decode()}").values()

    until = harness.now_ms + 10_000
    assert phase == b"ready"
    assert causes == [
        [
            b"ratelimit",
            b"a worker met a rate limit: its group 'g' gives out nothing until %d" % until,
        ]
    ]


def test_why_a_job_of_a_closed_queue_waits_is_explained(filled: Harness) -> None:
    limit(filled)
    first = filled.say("QPEEK q")[0].decode()

    assert [word for word, _ in filled.say(f"QEXPLAIN q {first}")[b"causes"]] == [b"ratelimit"]


def test_a_cancelled_job_is_gone_all_the_same(filled: Harness) -> None:
    job_id, receipt, _ = filled.say("QPOP q")
    filled.say(f"QCANCEL q {job_id.decode()}")

    assert filled.say(f"QNACK q {receipt.decode()} RATELIMIT 1s WITHDUE") == [-1]
    assert filled.phase("q", job_id) == "gone"
    assert popped(filled) == []
    filled.pass_ms(1_000)
    assert popped(filled) == ["b", "c"]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("RATELIMIT 0", "ERR RATELIMIT is from 1 to 3153600000000 ms, not '0'"),
        ("RATELIMIT", "ERR syntax error near 'RATELIMIT': RATELIMIT ms"),
        ("FAIL RATELIMIT 1s", "ERR syntax error near 'RATELIMIT'"),
        ("RATELIMIT 1s FATAL", "ERR syntax error near 'FATAL'"),
        (
            "RATELIMIT 1s DELAY 5s",
            "ERR syntax error near 'DELAY': RATELIMIT says how long to wait",
        ),
        (
            "RATELIMIT 1s FRONT",
            "ERR syntax error near 'FRONT': with RATELIMIT it goes there by itself",
        ),
    ],
)
def test_what_contradicts_it_is_refused(filled: Harness, words: str, error: str) -> None:
    receipt = filled.say("QPOP q")[1].decode()
    assert filled.refusal(f"QNACK q {receipt} {words}") == error


def test_beyond_so_many_groups_a_rate_limit_closes_the_queue(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "GATES_MAX", 2)
    harness.say("QUEUE CREATE q FAIR YES")
    for group in "abcd":
        harness.say(f"QPUSH q {group} GROUP {group}")
    receipts = [receipt.decode() for _, receipt, _ in harness.say("QPOP q COUNT 3")]
    for receipt in receipts[:2]:
        harness.say(f"QNACK q {receipt} RATELIMIT 10s")
    assert harness.say("QUEUE GET q")[b"closed_groups"] == 2

    harness.say(f"QNACK q {receipts[2]} RATELIMIT 5s")

    assert popped(harness) == []
    harness.pass_ms(5_000)
    assert sorted(popped(harness)) == ["c", "d"]


def test_closed_groups_are_counted_only_where_groups_matter(harness: Harness) -> None:
    harness.say("QUEUE CREATE q FAIR YES")
    harness.say("QPUSH q a GROUP g")
    limit(harness)
    harness.say("QUEUE SET q FAIR NO")

    assert harness.say("QUEUE GET q")[b"closed_groups"] == 0
