from __future__ import annotations

import pytest

from tests.harness import Harness


def bury(harness: Harness, payload: str, options: str = "") -> bytes:
    """Push a job and make it a dead letter."""
    job_id: bytes = harness.say(f"QPUSH q {payload} PRIORITY 99 {options}")
    receipt = harness.say("QPOP q")[1].decode()
    assert harness.say(f"QNACK q {receipt} FATAL ERROR {payload}-failed") == 1
    return job_id


def dead_payloads(harness: Harness) -> list[bytes]:
    return [facts[b"payload"] for facts in harness.say("QDLQ LIST q")]


def test_dead_letters_are_shown_the_longest_dead_first(harness: Harness) -> None:
    first = harness.say("QPUSH q first ATTEMPTS 1")
    receipt = harness.say("QPOP q")[1].decode()
    for name in ("a", "b"):
        bury(harness, name)
    harness.say(f"QNACK q {receipt}")

    assert dead_payloads(harness) == [b"a", b"b", b"first"]
    assert harness.say("QDLQ COUNT q") == 3
    assert [facts[b"payload"] for facts in harness.say("QDLQ LIST q COUNT 2")] == [b"a", b"b"]
    assert harness.phase("q", first) == "dead"


def test_a_queue_that_is_not_there_has_none(harness: Harness) -> None:
    assert harness.say("QDLQ COUNT nowhere") == 0
    assert harness.say("QDLQ LIST nowhere") == []
    assert harness.say("QDLQ REDRIVE nowhere") == 0
    assert harness.say("QDLQ PURGE nowhere") == 0
    assert harness.journal == []


def test_a_dead_letter_waits_for_ever(harness: Harness) -> None:
    job_id = bury(harness, "x")

    harness.pass_ms(400 * 86_400_000)
    harness.crash(down_ms=400 * 86_400_000)

    assert harness.phase("q", job_id) == "dead"
    assert harness.say("QPOP q") is not None
    assert harness.say("QLEN q") == 0


def test_a_redriven_job_is_ready_with_a_clean_record(harness: Harness) -> None:
    job_id = bury(harness, "x", "ATTEMPTS 2")

    assert harness.say("QDLQ REDRIVE q") == 1

    facts = harness.say(f"QSHOW q {job_id.decode()}")
    assert (facts[b"phase"], facts[b"attempts"], facts[b"reason"]) == (b"ready", 0, b"")
    assert facts[b"error"] == b"x-failed"
    # It has both of its attempts again.
    for phase in ("ready", "dead"):
        receipt = harness.say("QPOP q")[1].decode()
        harness.say(f"QNACK q {receipt} DELAY 0")
        assert harness.phase("q", job_id) == phase


def test_a_redrive_takes_the_longest_dead_and_puts_them_behind_their_equals(
    harness: Harness,
) -> None:
    for name in ("a", "b", "c"):
        bury(harness, name)
    harness.say("QPUSH q ready PRIORITY 99")

    assert harness.say("QDLQ REDRIVE q COUNT 2") == 2

    assert [payload for _, payload in harness.say("QPEEK q COUNT 9")] == [b"ready", b"a", b"b"]
    assert dead_payloads(harness) == [b"c"]
    assert harness.queue("q").totals.redriven == 2


def test_a_job_that_died_of_its_ttl_can_be_redriven(harness: Harness) -> None:
    job_id = harness.say("QPUSH q x TTL 100")
    harness.pass_ms(100)
    assert harness.phase("q", job_id) == "dead"

    harness.say("QDLQ REDRIVE q")
    harness.pass_ms(1_000)

    assert harness.phase("q", job_id) == "ready"
    assert harness.say("QPOP q")[0] == job_id


def test_a_redriven_job_keeps_a_ttl_that_is_not_over(harness: Harness) -> None:
    job_id = bury(harness, "x", "TTL 1s")
    harness.pass_ms(500)

    harness.say("QDLQ REDRIVE q")

    harness.pass_ms(499)
    assert harness.phase("q", job_id) == "ready"
    harness.pass_ms(1)
    assert harness.phase("q", job_id) == "dead"


def test_a_job_can_die_again_and_then_stands_last(harness: Harness) -> None:
    for name in ("a", "b"):
        bury(harness, name, "ATTEMPTS 1")
    harness.say("QDLQ REDRIVE q COUNT 1")

    harness.say(f"QNACK q {harness.say('QPOP q')[1].decode()}")

    assert dead_payloads(harness) == [b"b", b"a"]


def test_a_purge_of_the_dead_leaves_the_living(harness: Harness) -> None:
    held = harness.say("QPUSH q held")
    receipt = harness.say("QPOP q")[1].decode()
    for name in ("a", "b"):
        bury(harness, name)
    ready = harness.say("QPUSH q ready")

    assert harness.say("QDLQ PURGE q") == 2

    assert harness.say("QDLQ COUNT q") == 0
    assert harness.phase("q", ready) == "ready"
    assert harness.phase("q", held) == "leased"
    assert harness.say(f"QACK q {receipt}") == 1
    assert harness.queue("q").totals.purged == 2
    assert harness.say("QDLQ PURGE q") == 0


def test_the_id_of_a_dead_letter_is_taken_until_it_is_purged(harness: Harness) -> None:
    bury(harness, "x", "ID mine")
    harness.pass_ms(600_000)
    harness.say("QPUSH q again ID mine")
    assert harness.say("QLEN q") == 0

    harness.say("QDLQ PURGE q")
    harness.say("QPUSH q again ID mine")

    assert harness.say("QLEN q") == 1


@pytest.mark.parametrize("command", ["QDLQ REDRIVE q", "QDLQ PURGE q", "QDLQ LIST q"])
def test_the_order_of_death_survives_a_crash(harness: Harness, command: str) -> None:
    for name in ("a", "b", "c"):
        bury(harness, name, "ATTEMPTS 1")
    harness.say("QDLQ REDRIVE q COUNT 1")
    harness.say(f"QNACK q {harness.say('QPOP q')[1].decode()}")

    harness.crash()

    assert dead_payloads(harness) == [b"b", b"c", b"a"]
    harness.say(command)


# Kept for a while.


@pytest.fixture
def keeping(harness: Harness) -> Harness:
    harness.say("QUEUE CREATE q KEEPDEAD 10s")
    return harness


def test_a_dead_letter_is_kept_as_long_as_the_queue_says(keeping: Harness) -> None:
    first = bury(keeping, "a")
    keeping.pass_ms(5_000)
    second = bury(keeping, "b")
    assert keeping.say(f"QSHOW q {second.decode()}")[b"due_ms"] == keeping.now_ms + 10_000

    keeping.pass_ms(4_999)
    assert dead_payloads(keeping) == [b"a", b"b"]
    keeping.pass_ms(1)
    assert dead_payloads(keeping) == [b"b"]
    keeping.crash()
    keeping.pass_ms(5_000)

    assert keeping.say("QDLQ COUNT q") == 0
    assert keeping.phase("q", first) == keeping.phase("q", second) == "gone"
    totals = keeping.queue("q").totals
    assert (totals.forgotten, totals.dead, totals.purged) == (2, 2, 0)


def test_what_was_kept_for_long_enough_while_the_server_was_down_is_gone(keeping: Harness) -> None:
    bury(keeping, "a")
    keeping.crash(down_ms=20_000)
    keeping.pass_ms(0)

    assert keeping.say("QDLQ COUNT q") == 0


@pytest.mark.parametrize("how", ["FATAL", "attempts", "lease", "ttl"])
def test_it_holds_whatever_a_job_died_of(keeping: Harness, how: str) -> None:
    keeping.say("QPUSH q x ATTEMPTS 1 TTL 5s")
    if how != "ttl":
        receipt = keeping.say("QPOP q LEASE 5s")[1].decode()
        if how != "lease":
            keeping.say(f"QNACK q {receipt} {'FATAL' if how == 'FATAL' else ''}")
    keeping.pass_ms(5_000)
    assert keeping.say("QDLQ COUNT q") == 1

    keeping.pass_ms(10_000)

    assert keeping.say("QDLQ COUNT q") == 0


def test_a_redriven_job_is_not_forgotten(keeping: Harness) -> None:
    job_id = bury(keeping, "a")
    keeping.say("QDLQ REDRIVE q")

    keeping.pass_ms(20_000)

    assert keeping.phase("q", job_id) == "ready"


def test_what_was_purged_or_deleted_is_not_forgotten_again(keeping: Harness) -> None:
    bury(keeping, "a")
    keeping.say("QDLQ PURGE q")
    keeping.say("QDEL q " + bury(keeping, "b").decode())
    bury(keeping, "c")
    keeping.say("QUEUE PURGE q")

    keeping.pass_ms(20_000)

    totals = keeping.queue("q").totals
    assert (totals.purged, totals.deleted, totals.forgotten) == (2, 1, 0)


def test_a_new_setting_is_for_those_who_die_from_then_on(harness: Harness) -> None:
    bury(harness, "a")
    harness.say("QUEUE SET q KEEPDEAD 1s")
    bury(harness, "b")
    harness.say("QUEUE SET q KEEPDEAD 0")
    bury(harness, "c")

    harness.pass_ms(3_600_000)

    assert dead_payloads(harness) == [b"a", b"c"]
    assert harness.say("QUEUE GET q")[b"KEEPDEAD"] == 0


# Redriving some, slowly, elsewhere, or only to see.


@pytest.fixture
def letters(harness: Harness) -> Harness:
    """Hold four dead letters: three that timed out, and one in their midst that did not."""
    harness.say("QMPUSH q 4 a b c d ATTEMPTS 1 NAME mail TAG x PRIORITY 7")
    for error in ("timeout 1", "timeout 2", "refused", "timeout 3"):
        harness.say(f"QNACK q {harness.say('QPOP q')[1].decode()} ERROR '{error}'")
    return harness


def ready(harness: Harness, name: str = "q") -> list[bytes]:
    return [payload for _, payload in harness.say(f"QPEEK {name} COUNT 99")]


def test_those_with_an_error_are_redriven(letters: Harness) -> None:
    assert letters.say("QDLQ REDRIVE q ERROR timeout* COUNT 2") == 2
    assert ready(letters) == [b"a", b"b"]
    assert letters.say("QDLQ REDRIVE q ERROR TIMEOUT*") == 0
    assert letters.say("QDLQ REDRIVE q ERROR *[0-9]") == 1
    assert letters.say("QDLQ COUNT q") == 1


def test_a_dry_run_counts_and_does_nothing(letters: Harness) -> None:
    assert letters.say("QDLQ REDRIVE q ERROR timeout* DRYRUN") == 3
    assert letters.say("QDLQ REDRIVE q TO elsewhere COUNT 2 DRYRUN") == 2

    assert letters.say("QDLQ COUNT q") == 4
    assert letters.say("EXISTS elsewhere") == 0


def test_a_rate_spreads_them(letters: Harness) -> None:
    assert letters.say("QDLQ REDRIVE q RATE 2") == 4

    assert ready(letters) == [b"a"]
    letters.crash()
    letters.pass_ms(1_000)
    assert ready(letters) == [b"a", b"b", b"c"]
    letters.pass_ms(500)
    assert ready(letters) == [b"a", b"b", b"c", b"d"]


def test_a_ttl_that_would_be_over_by_then_is_forgotten(harness: Harness) -> None:
    harness.say("QMPUSH q 2 a b TTL 10s")
    for _ in range(2):
        harness.say(f"QNACK q {harness.say('QPOP q')[1].decode()} FATAL")

    harness.pass_ms(9_500)
    harness.say("QDLQ REDRIVE q RATE 1")
    harness.pass_ms(499)
    assert ready(harness) == [b"a"]
    harness.pass_ms(501)

    # The first one was ready in time, and then its ttl was over.
    assert ready(harness) == [b"b"]
    harness.pass_ms(60_000)
    assert ready(harness) == [b"b"]


def test_they_may_go_to_another_queue(letters: Harness) -> None:
    assert letters.say("QDLQ REDRIVE q TO other ERROR timeout* RATE 1") == 3

    letters.crash()
    letters.pass_ms(2_000)
    assert ready(letters, "other") == [b"a", b"b", b"d"]
    assert letters.say("QDLQ COUNT q") == 1
    totals = letters.queue("q").totals
    assert (totals.moved, totals.redriven) == (3, 3)
    facts = letters.say(f"QSHOW other {letters.say('QPEEK other')[0].decode()}")
    assert (facts[b"name"], facts[b"tags"], facts[b"priority"]) == (b"mail", [b"x"], b"7")
    assert (facts[b"attempts"], facts[b"attempts_max"]) == (0, 1)


def test_another_queue_may_order_otherwise_and_refuses_none(letters: Harness) -> None:
    letters.say("QUEUE CREATE other PRIORITIES TEXT MAXLEN 1 DUPLICATES REFUSE")
    letters.say("QUEUE PAUSE other IN")

    assert letters.say("QDLQ REDRIVE q TO other") == 4

    assert ready(letters, "other") == [b"a", b"b", b"c", b"d"]


def test_its_own_queue_is_no_other(letters: Harness) -> None:
    assert letters.say("QDLQ REDRIVE q TO q") == 4

    assert ready(letters) == [b"a", b"b", b"c", b"d"]
    assert letters.queue("q").totals.moved == 0


def test_an_id_and_a_key_stay_behind(harness: Harness) -> None:
    harness.say("QPUSH q a ID mine DEDUP k FLOW f")
    harness.say(f"QNACK q {harness.say('QPOP q')[1].decode()} FATAL")

    harness.say("QDLQ REDRIVE q TO other")

    job_id = harness.say("QPEEK other")[0]
    assert job_id != b"mine"
    assert harness.say(f"QSHOW other {job_id.decode()}")[b"flow"] == b""


def test_what_cannot_be_redriven(letters: Harness) -> None:
    assert letters.refusal("QDLQ REDRIVE q RATE 0") == "ERR RATE is from 1 to 1000000, not 0"
    assert letters.refusal("QDLQ REDRIVE q TO ''").startswith("ERR queue name of TO is empty")
    assert letters.refusal(f"QDLQ REDRIVE q ERROR {'x' * 9_999}").startswith("TOOBIG a pattern")
    assert letters.say("QDLQ REDRIVE nowhere TO other ERROR x") == 0
