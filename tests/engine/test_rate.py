from __future__ import annotations

import pytest

from tests.harness import WAITS, Harness


@pytest.fixture
def limited(harness: Harness) -> Harness:
    """Have nine jobs in a queue that gives out two in ten seconds."""
    harness.say("QUEUE CREATE q RATE 2 PER 10s")
    harness.say("QMPUSH q 9 a b c d e f g h i")
    return harness


def pop(harness: Harness, words: str = "") -> list[bytes]:
    return [payload for _, _, payload in harness.say(f"QPOP q COUNT 99{words}")]


@pytest.mark.parametrize("words", ["", " NOACK"])
def test_no_more_goes_out_than_the_rate_allows(limited: Harness, words: str) -> None:
    assert pop(limited, words) == [b"a", b"b"]
    assert pop(limited, words) == []
    limited.pass_ms(4_999)
    assert pop(limited, words) == []
    limited.pass_ms(1)
    assert pop(limited, words) == [b"c"]
    limited.pass_ms(60_000)
    assert pop(limited, words) == [b"d", b"e"]


def test_a_restart_forgets_nothing(limited: Harness) -> None:
    pop(limited, " NOACK")
    limited.crash(down_ms=4_000)
    assert pop(limited) == []
    limited.pass_ms(1_000)
    assert pop(limited) == [b"c"]
    limited.crash()
    assert pop(limited) == []


@pytest.mark.parametrize("words", ["QPOP q", "QPOP q NOACK", "QPOP q COUNT 5", "QMPOP 2 other q"])
def test_who_waits_is_served_when_the_rate_allows_it(limited: Harness, words: str) -> None:
    pop(limited)
    waiting = [limited.client() for _ in range(3)]
    for client in waiting:
        assert client.say(f"{words} BLOCK 0") is WAITS

    limited.pass_ms(4_999)
    assert [len(client.inbox) for client in waiting] == [0, 0, 0]
    limited.pass_ms(1)
    assert [len(client.inbox) for client in waiting] == [1, 0, 0]
    limited.pass_ms(5_000)
    assert [len(client.inbox) for client in waiting] == [1, 1, 0]


def test_who_waits_for_a_job_is_served_later_if_the_rate_is_spent(harness: Harness) -> None:
    harness.say("QUEUE CREATE q RATE 1 PER 10s")
    harness.say("QPUSH q a")
    pop(harness)
    client = harness.client()
    client.say("QPOP q BLOCK 0")
    harness.say("QPUSH q b")
    assert client.inbox == []

    harness.pass_ms(10_000)

    assert len(client.inbox) == 1


def test_clients_that_ask_together_get_no_more(limited: Harness) -> None:
    replies = limited.default.pipeline(*["QPOP q"] * 5)

    assert [reply is None for reply in replies] == [False, False, True, True, True]


def test_a_job_that_is_tried_again_counts_again(limited: Harness) -> None:
    receipt = limited.say("QPOP q")[1].decode()
    limited.say(f"QNACK q {receipt} DELAY 0 FRONT")
    assert pop(limited) == [b"a"]

    assert pop(limited) == []


def test_the_queue_is_as_open_as_its_narrowest_limit(limited: Harness) -> None:
    limited.say("QUEUE SET q CONCURRENCY 1")
    assert pop(limited, " LEASE 1h") == [b"a"]
    limited.pass_ms(60_000)
    assert pop(limited) == []


def test_a_pause_and_a_rate_hold_together(limited: Harness) -> None:
    pop(limited)
    client = limited.client()
    client.say("QPOP q BLOCK 0")
    limited.say("QUEUE PAUSE q FOR 20s")
    limited.pass_ms(19_999)
    assert client.inbox == []
    limited.pass_ms(1)
    assert len(client.inbox) == 1


def test_another_rate_begins_anew_and_the_same_does_not(limited: Harness) -> None:
    pop(limited)
    limited.say("QUEUE SET q RATE 2 PER 10s LEASE 1m")
    assert pop(limited) == []

    limited.say("QUEUE SET q RATE 3 PER 10s")

    assert pop(limited) == [b"c", b"d", b"e"]


def test_without_a_rate_all_goes_out(limited: Harness) -> None:
    assert limited.say("QUEUE GET q")[b"RATE"] == b"2 PER 10000"
    pop(limited)
    client = limited.client()
    client.say("QPOP q BLOCK 0")

    limited.say("QUEUE SET q NORATE")

    assert len(client.inbox) == 1
    assert limited.say("QUEUE GET q")[b"RATE"] == b""
    assert len(pop(limited)) == 6


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("RATE 0 PER 1s", "ERR the number of RATE is from 1 to 1000000, not 0"),
        ("RATE -1 PER 1s", "ERR the number of RATE is from 1 to 1000000, not -1"),
        ("RATE 5 PER 0", "ERR the time of RATE is from 1 to 3153600000000 ms, not '0'"),
        ("RATE 5 IN 1s", "ERR RATE is n PER ms: PER should stand where 'IN' does"),
        ("RATE 5 PER", "ERR syntax error near 'RATE': RATE n PER ms"),
        ("RATE 5 PER 1s NORATE", "ERR syntax error near 'NORATE'"),
    ],
)
def test_what_cannot_be_read_is_named(limited: Harness, words: str, error: str) -> None:
    assert limited.refusal(f"QUEUE SET q {words}") == error
