"""QMPOP FAIR and WEIGHTS: which of several queues is next."""

from __future__ import annotations

from collections import Counter

import pytest

from respq.resp.replies import NULL_ARRAY
from tests.harness import WAITS, Harness


@pytest.fixture
def three(harness: Harness) -> Harness:
    """Hold 2,000 jobs in each of three queues."""
    for name in "abc":
        harness.say(f"QMPUSH {name} 2000 {' '.join([name] * 2_000)}")
    return harness


def served(harness: Harness, options: str, times: int = 600) -> Counter[bytes]:
    return Counter(harness.say(f"QMPOP 3 a b c {options}")[0] for _ in range(times))


@pytest.mark.parametrize("noack", ["", " NOACK"])
def test_fair_gives_each_queue_the_same(three: Harness, noack: str) -> None:
    shares = served(three, "FAIR" + noack)

    # 200 each, give or take what a fair die would.
    assert set(shares) == {b"a", b"b", b"c"}
    assert all(150 <= share <= 250 for share in shares.values())


def test_weights_are_shares(three: Harness) -> None:
    shares = served(three, "WEIGHTS 6 3 1 NOACK", 1_000)

    assert 530 <= shares[b"a"] <= 670
    assert 240 <= shares[b"b"] <= 360
    assert 60 <= shares[b"c"] <= 140


def test_strict_is_what_happens_without_a_word(three: Harness) -> None:
    assert served(three, "STRICT", 20) == served(three, "", 20) == {b"a": 20}


def test_a_queue_that_gives_out_nothing_takes_no_part(three: Harness) -> None:
    three.say("QUEUE PAUSE a OUT")
    three.say("QUEUE PURGE b")

    assert served(three, "WEIGHTS 1000000 1000000 1", 50) == {b"c": 50}
    assert three.say("QMPOP 2 a b FAIR") is NULL_ARRAY


def test_a_queue_whose_jobs_are_all_over_is_passed_over(harness: Harness) -> None:
    harness.say("QUEUE CREATE a EXPIRED DROP")
    harness.say("QPUSH a x TTL 5")
    harness.say("QPUSH b y")

    reply = harness.broker.execute(
        harness.default.session, b"QMPOP 2 a b WEIGHTS 1000000 1".split(), harness.now_ms + 5
    )

    harness.settle()
    harness.pass_ms(5)
    assert isinstance(reply, list)
    assert reply[0] == b"b"


def test_all_jobs_come_from_the_queue_that_was_drawn(three: Harness) -> None:
    name, jobs = three.say("QMPOP 3 a b c FAIR COUNT 9")

    assert [job[2] for job in jobs] == [name] * 9


def test_who_waits_gets_the_first_that_comes(harness: Harness) -> None:
    client = harness.client()
    assert client.say("QMPOP 2 a b WEIGHTS 5 1 BLOCK 0") is WAITS

    harness.say("QPUSH b x")

    assert client.inbox[0][0] == b"b"


def test_what_cannot_be_read(harness: Harness) -> None:
    assert harness.refusal("QMPOP 2 a b WEIGHTS 1") == (
        "ERR 2 queues need as many WEIGHTS, but there are 1"
    )
    assert harness.refusal("QMPOP 2 a b WEIGHTS 1 2 3").endswith("but there are 3")
    assert harness.refusal("QMPOP 2 a b WEIGHTS 0 1") == (
        "ERR a weight is from 1 to 1000000, not 0"
    )
    shape = "ERR syntax error near 'WEIGHTS': WEIGHTS weight [weight ...]"
    assert harness.refusal("QMPOP 2 a b WEIGHTS") == shape
    assert harness.refusal("QMPOP 2 a b WEIGHTS COUNT 2") == shape
    assert harness.refusal("QMPOP 2 a b FAIR WEIGHTS 1 2") == "ERR syntax error near 'WEIGHTS'"
    assert harness.refusal("QMPOP 2 a b STRICT FAIR") == "ERR syntax error near 'FAIR'"
