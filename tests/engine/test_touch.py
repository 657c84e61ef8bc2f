"""QTOUCH: MAXLEASE, PROGRESS and LOG."""

from __future__ import annotations

from respq.config import ERROR_BYTES_MAX
from tests.harness import START_MS, Harness


def pop(harness: Harness, options: str = "") -> str:
    receipt: bytes = harness.say(f"QPOP q{options}")[1]
    return receipt.decode()


def show(harness: Harness) -> dict[bytes, object]:
    (job,) = list(harness.queue("q"))
    facts: dict[bytes, object] = harness.say(f"QSHOW q {job.id.decode()}")
    return facts


def test_a_lease_lasts_no_longer_than_maxlease_over_all_touches(harness: Harness) -> None:
    harness.say("QPUSH q a LEASE 10s MAXLEASE 15s")
    receipt = pop(harness)
    harness.pass_ms(4_000)
    assert harness.say(f"QTOUCH q {receipt}") == [START_MS + 14_000]
    harness.crash()
    harness.pass_ms(4_000)
    assert harness.say(f"QTOUCH q {receipt}") == [START_MS + 15_000]
    assert harness.say(f"QTOUCH q {receipt}") == [-2]
    assert harness.say(f"QTOUCH q {receipt} LEASE 1h") == [-2]
    # It may be made shorter, and longer again.
    assert harness.say(f"QTOUCH q {receipt} LEASE 1s") == [START_MS + 9_000]
    assert harness.say(f"QTOUCH q {receipt} LEASE 1h") == [START_MS + 15_000]

    harness.pass_ms(7_000)

    assert harness.say(f"QTOUCH q {receipt}") == [0]
    assert harness.say("QLEN q") == 1


def test_the_next_delivery_has_all_of_it_again(harness: Harness) -> None:
    harness.say("QPUSH q a MAXLEASE 5s")
    pop(harness)
    harness.pass_ms(5_000)

    receipt = pop(harness, " LEASE 2s")

    assert harness.say(f"QTOUCH q {receipt} LEASE 1h") == [START_MS + 10_000]


def test_a_pop_gets_no_longer_lease_than_that(harness: Harness) -> None:
    harness.say("QPUSH q a MAXLEASE 5s")

    assert harness.say("QPOP q LEASE 1h WITHMETA")[3][b"lease_until_ms"] == START_MS + 5_000


def test_progress_and_log_are_shown_and_survive_a_crash(harness: Harness) -> None:
    harness.say("QPUSH q a")
    receipt = pop(harness)

    harness.say(f"QTOUCH q {receipt} PROGRESS 10 LOG fetched")
    harness.say(f"QTOUCH q {receipt} LOG parsed")
    harness.say(f"QTOUCH q {receipt} PROGRESS 60")

    harness.crash()
    facts = show(harness)
    assert (facts[b"progress"], facts[b"log"]) == (60, [b"fetched", b"parsed"])


def test_another_attempt_begins_at_0_and_keeps_the_log(harness: Harness) -> None:
    harness.say("QPUSH q a")
    harness.say(f"QTOUCH q {pop(harness)} PROGRESS 10 LOG one")
    harness.pass_ms(30_000)
    assert (show(harness)[b"progress"], show(harness)[b"log"]) == (0, [b"one"])

    receipt = pop(harness)
    harness.say(f"QTOUCH q {receipt} LOG two")
    harness.say(f"QNACK q {receipt} FATAL ERROR no")

    assert show(harness)[b"log"] == [b"one", b"two"]
    harness.say("QDLQ REDRIVE q")
    assert show(harness)[b"log"] == [b"one", b"two"]


def test_the_latest_ten_lines_are_kept_and_long_ones_cut(harness: Harness) -> None:
    harness.say("QPUSH q a")
    receipt = pop(harness)

    for number in range(12):
        harness.say(f"QTOUCH q {receipt} LOG {number}")
    harness.say(f"QTOUCH q {receipt} LOG {'x' * 9_999}")

    log = show(harness)[b"log"]
    assert log == [b"%d" % number for number in range(3, 12)] + [b"x" * ERROR_BYTES_MAX]


def test_what_is_said_when_the_lease_cannot_last_longer_is_noted(harness: Harness) -> None:
    harness.say("QPUSH q a MAXLEASE 5s")
    receipt = pop(harness)

    assert harness.say(f"QTOUCH q {receipt} PROGRESS 99 LOG nearly") == [-2]

    assert (show(harness)[b"progress"], show(harness)[b"log"]) == (99, [b"nearly"])


def test_bad_values(harness: Harness) -> None:
    assert harness.refusal("QTOUCH q 5:a PROGRESS 101") == "ERR PROGRESS is from 0 to 100, not 101"
    assert harness.refusal("QPUSH q a MAXLEASE 0").startswith("ERR MAXLEASE is from 1 ")
