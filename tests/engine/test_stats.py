"""QSTATS WITH and RESET: what is measured of queues; and SLO."""

from __future__ import annotations

from typing import Any

import pytest

from respq.engine.jobs import inspect
from tests.harness import Harness, image

MINUTE_MS = 60_000
NOTHING = {
    b"wait_p50_ms": 0,
    b"wait_p90_ms": 0,
    b"wait_p99_ms": 0,
    b"wait_max_ms": 0,
    b"wait_mean_ms": 0.0,
    b"slo_ms": 0,
    b"slo_share": None,
    b"service_p50_ms": 0,
    b"service_p90_ms": 0,
    b"service_p99_ms": 0,
    b"service_max_ms": 0,
    b"service_mean_ms": 0.0,
    b"workers_needed": 0,
} | {
    b"%b_rate_%b" % (name, span): 0.0
    for name in (b"pushed", b"popped", b"acked", b"failed")
    for span in (b"1m", b"5m", b"15m")
}


def measured(harness: Harness, queue: str = "q", kind: str = "ALL") -> dict[bytes, Any]:
    """Return what WITH adds to the facts of a queue, or of the server for an empty name."""
    plain, more = harness.say(f"QSTATS {queue}"), harness.say(f"QSTATS {queue} WITH {kind}")
    if queue:
        plain, more = plain[queue.encode()], more[queue.encode()]
    assert list(more)[: len(plain)] == list(plain)
    assert {name: more[name] for name in plain} == plain
    return {name: value for name, value in more.items() if name not in plain}


def push_and_pop(harness: Harness, wait_ms: int, queue: str = "q") -> str:
    """Let a job wait; return its receipt."""
    harness.say(f"QPUSH {queue} x")
    harness.pass_ms(wait_ms)
    receipt: bytes = harness.say(f"QPOP {queue}")[1]
    return receipt.decode()


def cycle(harness: Harness, wait_ms: int, service_ms: int, queue: str = "q") -> None:
    """Have a job wait, be worked at, and be done."""
    receipt = push_and_pop(harness, wait_ms, queue)
    harness.pass_ms(service_ms)
    assert harness.say(f"QACK {queue} {receipt}") == 1


def waits(harness: Harness, queue: str = "q") -> tuple[int, float]:
    """Return the longest and the mean."""
    facts = measured(harness, queue, "LATENCY")
    return facts[b"wait_max_ms"], facts[b"wait_mean_ms"]


# The command.


def test_what_is_not_asked_for_is_not_told(harness: Harness) -> None:
    harness.say("QPUSH q x")

    kinds = {kind: set(measured(harness, "q", kind)) for kind in ("RATES", "LATENCY", "TIMINGS")}

    assert set.union(*kinds.values()) == set(measured(harness)) == set(NOTHING)
    assert sum(map(len, kinds.values())) == len(NOTHING)
    assert set(measured(harness, "")) == set(NOTHING) - {b"slo_ms"}


@pytest.mark.parametrize("line", ["QSTATS q WITH all", "qstats q with ALL", "QSTATS q wItH aLl"])
def test_the_words_may_be_in_any_case(harness: Harness, line: str) -> None:
    harness.say("QUEUE CREATE q")

    assert harness.say(line) == harness.say("QSTATS q WITH ALL")


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("QSTATS q WITH SPEED", "ERR WITH is one of RATES, LATENCY, TIMINGS, ALL, not 'SPEED'"),
        ("QSTATS WITH", "ERR syntax error near 'WITH': WITH RATES|LATENCY|TIMINGS|ALL"),
        ("QSTATS q WITH RATES WITH TIMINGS", "ERR syntax error near 'WITH'"),
        ("QSTATS q WITH RATES RESET", "ERR syntax error near 'RESET'"),
        ("QSTATS q RESET RESET", "ERR syntax error near 'RESET'"),
        ("QSTATS RESET q", "ERR syntax error near 'q'"),
        ("QSTATS WITH RATES q", "ERR syntax error near 'q'"),
        ("QSTATS q nothing RESET", "NOQUEUE there is no queue 'nothing'"),
        ("QSTATS nothing WITH ALL", "NOQUEUE there is no queue 'nothing'"),
        ("QUEUE SET q SLO -1", "ERR SLO is milliseconds, or a number with ms, s, m, h or d, not"),
        ("QUEUE SET q SLO 36501d", "ERR SLO is from 0 to 3153600000000 ms, not '36501d'"),
        ("QUEUE CREATE r SLO", "ERR syntax error near 'SLO': SLO ms"),
        ("QUEUE CREATE r SLO 1s SLO 2s", "ERR syntax error near 'SLO'"),
    ],
)
def test_bad_input_is_named_and_forgets_nothing(harness: Harness, line: str, error: str) -> None:
    cycle(harness, 20, 30)
    before = measured(harness)

    assert harness.refusal(line).startswith(error)
    assert measured(harness) == before


def test_a_queue_whose_name_is_an_option_cannot_be_named(harness: Harness) -> None:
    harness.say("QPUSH with x")
    harness.say("QPUSH Reset x")

    assert harness.refusal("QSTATS with").startswith("ERR syntax error near 'with'")
    assert harness.say("QSTATS Reset").text == b"OK"
    assert harness.say("COMMAND GETKEYS QSTATS with with ALL") == []
    assert harness.say("QSTATS")[b"ready"] == 2


def test_asking_changes_nothing_and_is_not_recorded(harness: Harness) -> None:
    cycle(harness, 20, 30)
    harness.pass_ms(7_000)
    before, length = image(harness.engine.state), len(harness.journal)

    measured(harness)
    harness.say("QSTATS RESET")

    assert (image(harness.engine.state), len(harness.journal)) == (before, length)


def test_a_queue_that_nobody_has_used_has_nothing_measured(harness: Harness) -> None:
    harness.say("QUEUE CREATE q")

    assert measured(harness) == NOTHING
    assert harness.queue("q").meter is None


def test_what_is_refused_is_not_measured(harness: Harness) -> None:
    harness.say("QUEUE CREATE q MAXLEN 1")

    assert harness.refusal("QMPUSH q 2 a b").startswith("MAXLEN ")
    harness.say("QPOP q")
    harness.say("QACK q 1:1700000000000-2")

    assert harness.queue("q").meter is None


# Rates.


def test_rates_are_those_of_what_happens(harness: Harness) -> None:
    for _ in range(120):
        harness.say("QMPUSH q 4 a b c d")
        receipts = [receipt.decode() for _, receipt, _ in harness.say("QPOP q COUNT 3 LEASE 500")]
        harness.say(f"QACK q {receipts[0]}")
        harness.say(f"QNACK q {receipts[1]} FATAL")
        harness.pass_ms(1_000)  # The lease of the third ends.

    facts = measured(harness, "q", "RATES")

    expected = {b"pushed": 4, b"popped": 3, b"acked": 1, b"failed": 2}
    for name, rate in expected.items():
        for span in (b"1m", b"5m", b"15m"):
            assert facts[b"%b_rate_%b" % (name, span)] == pytest.approx(rate, rel=0.02)


def test_what_is_popped_at_this_moment_counts(harness: Harness) -> None:
    harness.say("QMPUSH q 3 a b c")
    harness.pass_ms(10_000)
    harness.say("QPOP q COUNT 3")

    assert measured(harness)[b"popped_rate_15m"] == pytest.approx(0.3, rel=0.02)


def test_a_rate_decays_when_nothing_happens(harness: Harness) -> None:
    for _ in range(15 * 60):
        harness.say("QMPUSH q 9 a b c d e f g h i")
        harness.pass_ms(1_000)
    assert measured(harness)[b"pushed_rate_1m"] == pytest.approx(9, abs=0.1)

    harness.pass_ms(10 * MINUTE_MS)

    assert measured(harness)[b"pushed_rate_1m"] < 0.01
    assert 2 < measured(harness)[b"pushed_rate_15m"] < 6


def test_the_jobs_of_a_schedule_and_what_follows_on_others_count(harness: Harness) -> None:
    harness.say("QSCHED ADD q tick x EVERY 1s")
    harness.say("QPUSH other x THEN r y")
    receipt = harness.say("QPOP other LEASE 1h")[1].decode()
    for _ in range(60):
        harness.pass_ms(1_000)
    harness.say(f"QACK other {receipt}")

    assert measured(harness)[b"pushed_rate_1m"] == pytest.approx(1, rel=0.05)
    assert measured(harness, "r")[b"pushed_rate_1m"] == pytest.approx(1, rel=0.02)


# Waits and services.


def test_a_wait_is_from_ready_to_handed_out_and_a_service_from_there_to_the_ack(
    harness: Harness,
) -> None:
    cycle(harness, 200, 40)
    cycle(harness, 400, 60)

    facts = measured(harness)

    assert (facts[b"wait_max_ms"], facts[b"wait_mean_ms"]) == (400, 300)
    assert (facts[b"service_max_ms"], facts[b"service_mean_ms"]) == (60, 50)
    assert (facts[b"wait_p50_ms"], facts[b"wait_p99_ms"]) == (207, 400)
    assert (facts[b"service_p50_ms"], facts[b"service_p90_ms"]) == (43, 60)


def test_a_delayed_job_ages_neither_the_queue_nor_its_wait(harness: Harness) -> None:
    harness.say("QPUSH q x DELAY 10s")
    harness.pass_ms(10_000)
    assert harness.say("QSTATS q")[b"q"][b"oldest_ready_ms"] == 0

    harness.pass_ms(30)
    assert harness.say("QSTATS q")[b"q"][b"oldest_ready_ms"] == 30
    harness.say("QPOP q")

    assert waits(harness) == (30, 30)


@pytest.mark.parametrize("failing", ["QNACK q {} DELAY 5s", "QNACK q {} SILENT", ""])
def test_a_job_that_is_tried_again_has_waited_since_it_was_ready_again(
    harness: Harness, failing: str
) -> None:
    receipt = push_and_pop(harness, 1_000)
    if failing:
        harness.say(failing.format(receipt))
    harness.pass_ms(30_000 if not failing else 5_000 if "DELAY" in failing else 0)
    harness.say("QSTATS q RESET")

    harness.pass_ms(70)
    harness.say("QPOP q")

    assert waits(harness) == (70, 70)


def test_a_job_that_waited_for_others_has_waited_since_they_were_done(harness: Harness) -> None:
    parent = harness.say("QPUSH q parent")
    harness.say(f"QPUSH q child DEPENDS 1 {parent.decode()}")
    receipt = harness.say("QPOP q")[1].decode()
    harness.pass_ms(9_000)
    harness.say(f"QACK q {receipt}")

    harness.pass_ms(50)
    harness.say("QPOP q")

    assert waits(harness)[0] == 50


def test_a_job_without_a_lease_has_waited_and_has_no_service(harness: Harness) -> None:
    receipt = push_and_pop(harness, 10)
    harness.say("QMPUSH q 3 a b c")
    harness.pass_ms(90)
    assert len(harness.say("QPOP q COUNT 3 NOACK")) == 3
    harness.say(f"QACK q {receipt}")

    facts = measured(harness)

    assert (facts[b"wait_max_ms"], facts[b"wait_mean_ms"]) == (90, (10 + 3 * 90) / 4)
    assert (facts[b"service_max_ms"], facts[b"service_mean_ms"]) == (90, 90)


@pytest.mark.parametrize("failing", ["QNACK q {} FATAL", "QNACK q {}", "QTOUCH q {}"])
def test_what_is_not_acknowledged_has_no_service(harness: Harness, failing: str) -> None:
    receipt = push_and_pop(harness, 10)
    harness.pass_ms(90)
    harness.say(failing.format(receipt))

    assert measured(harness)[b"service_max_ms"] == 0


def test_a_touch_does_not_shorten_the_service(harness: Harness) -> None:
    receipt = push_and_pop(harness, 10)
    harness.pass_ms(20_000)
    harness.say(f"QTOUCH q {receipt}")
    harness.pass_ms(20_000)
    harness.say(f"QACK q {receipt}")

    assert measured(harness)[b"service_max_ms"] == 40_000


@pytest.mark.parametrize("words", ["KEEP 1h", "THEN other y", "TTL 1h", "GROUP g"])
def test_a_job_with_options_is_measured_as_well(harness: Harness, words: str) -> None:
    harness.say(f"QPUSH q x {words}")
    harness.pass_ms(100)
    receipt = harness.say("QPOP q")[1].decode()
    harness.pass_ms(200)
    harness.say(f"QACK q {receipt}")

    facts = measured(harness)

    assert (facts[b"wait_mean_ms"], facts[b"service_mean_ms"]) == (100, 200)


def test_of_a_cancelled_job_the_end_is_no_service(harness: Harness) -> None:
    receipts = [push_and_pop(harness, 10) for _ in range(2)]
    harness.say(f"QCANCEL q {receipts[0].split(':')[1]}")
    harness.pass_ms(500)
    assert harness.say(f"QACK q {receipts[0]} {receipts[1]}") == 1

    facts = measured(harness)

    assert facts[b"service_mean_ms"] == 500
    assert facts[b"acked_rate_15m"] == pytest.approx(1, rel=0.01)


def test_the_first_job_stands_for_all_that_go_out_within_ten_milliseconds(harness: Harness) -> None:
    harness.say("QPUSH q a")
    harness.pass_ms(80)
    harness.say("QMPUSH q 3 b c d")
    harness.pass_ms(20)
    replies = harness.default.pipeline("QPOP q", "QPOP q")

    assert waits(harness) == (100, 100)
    harness.pass_ms(9)
    harness.say("QPOP q")
    assert waits(harness) == (100, 100)
    harness.pass_ms(1)
    harness.say("QPOP q")
    assert waits(harness) == (100, (300 + 30) / 4)
    harness.pass_ms(100)
    harness.default.pipeline(*(f"QACK q {receipt.decode()}" for _, receipt, _ in replies))
    assert measured(harness)[b"service_mean_ms"] == 110


def test_times_are_forgotten_after_ten_minutes_at_the_latest(harness: Harness) -> None:
    cycle(harness, 200, 0)
    harness.pass_ms(10 * MINUTE_MS - 201)
    assert waits(harness) == (200, 200)

    harness.pass_ms(1)

    assert waits(harness) == (0, 0)


def test_what_goes_out_when_others_become_old_does_not_go_with_them(harness: Harness) -> None:
    cycle(harness, 200, 0)
    harness.say("QMPUSH q 2 a b")
    harness.pass_ms(5 * MINUTE_MS - 201)
    harness.say("QPOP q")
    harness.pass_ms(1)
    harness.say("QPOP q")

    harness.pass_ms(5 * MINUTE_MS)

    assert waits(harness) == (5 * MINUTE_MS - 200, 5 * MINUTE_MS - 200)


def test_an_ack_after_a_long_silence_is_of_today(harness: Harness) -> None:
    harness.say("QPUSH q x")
    receipt = harness.say("QPOP q LEASE 1d")[1].decode()
    harness.pass_ms(60 * MINUTE_MS)
    harness.say(f"QACK q {receipt}")
    harness.pass_ms(5 * MINUTE_MS)

    assert measured(harness)[b"service_max_ms"] == 60 * MINUTE_MS


# Workers.


def test_workers_needed_are_arrivals_times_the_time_that_each_takes(harness: Harness) -> None:
    harness.say("QUEUE CREATE q LEASE 1h")
    receipts: list[str] = []
    for second in range(600):
        harness.say("QMPUSH q 2 a b")
        receipts += [receipt.decode() for _, receipt, _ in harness.say("QPOP q COUNT 2")]
        if second >= 4:  # Each job takes 4 seconds.
            harness.say(f"QACK q {receipts.pop(0)} {receipts.pop(0)}")
        harness.pass_ms(1_000)

    facts = measured(harness)

    assert facts[b"service_mean_ms"] == 4_000
    assert facts[b"pushed_rate_5m"] == pytest.approx(2, abs=0.01)
    # Not one more because the average is a hair over the rate.
    assert facts[b"workers_needed"] in (8, 9)
    assert facts[b"workers_needed"] == -(-facts[b"pushed_rate_5m"] * 4 // 1)


def test_no_worker_is_needed_where_nothing_comes_in_or_nothing_was_measured(
    harness: Harness,
) -> None:
    harness.say("QPUSH q x")
    assert measured(harness)[b"workers_needed"] == 0
    receipt = harness.say("QPOP q")[1].decode()
    harness.say(f"QACK q {receipt}")
    # However little there is to do, somebody must do it.
    assert measured(harness)[b"workers_needed"] == 1

    harness.pass_ms(600 * MINUTE_MS)
    assert measured(harness)[b"workers_needed"] == 0


# SLO.


def test_the_share_is_of_deliveries_whose_job_waited_for_no_longer(harness: Harness) -> None:
    harness.say("QUEUE CREATE q SLO 5s")
    assert measured(harness)[b"slo_share"] is None
    push_and_pop(harness, 5_000)
    assert measured(harness)[b"slo_share"] == 1

    push_and_pop(harness, 5_001)

    facts = measured(harness, "q", "LATENCY")
    assert (facts[b"slo_ms"], facts[b"slo_share"]) == (5_000, 0.5)


def test_each_job_is_looked_at_and_not_only_the_first(harness: Harness) -> None:
    harness.say("QUEUE CREATE q SLO 1s")
    harness.say("QPUSH q a")
    harness.pass_ms(600)
    harness.say("QMPUSH q 3 b c d")
    harness.pass_ms(600)
    harness.say("QPOP q COUNT 2")
    harness.say("QPOP q NOACK")
    harness.say("QPOP q")

    assert measured(harness)[b"slo_share"] == 0.75


def test_an_slo_does_not_judge_what_was_before(harness: Harness) -> None:
    push_and_pop(harness, 9_000)
    harness.say("QUEUE SET q SLO 1s")
    assert measured(harness)[b"slo_share"] is None
    push_and_pop(harness, 0)
    assert measured(harness)[b"slo_share"] == 1

    harness.say("QUEUE SET q SLO 2s")
    assert measured(harness)[b"slo_share"] is None
    push_and_pop(harness, 2_001)
    assert measured(harness)[b"slo_share"] == 0
    harness.say("QUEUE SET q SLO 0")
    facts = measured(harness)
    assert (facts[b"slo_ms"], facts[b"slo_share"]) == (0, None)


def test_an_slo_holds_for_the_next_job_in_the_same_millisecond(harness: Harness) -> None:
    harness.say("QMPUSH q 2 a b")
    harness.say("QPOP q")
    harness.say("QUEUE SET q SLO 1s")
    harness.say("QPOP q")

    assert measured(harness)[b"slo_share"] == 1


def test_the_share_is_of_the_last_ten_minutes_at_most(harness: Harness) -> None:
    harness.say("QUEUE CREATE q SLO 1s")
    push_and_pop(harness, 2_000)
    harness.pass_ms(10 * MINUTE_MS - 2_001)
    assert measured(harness)[b"slo_share"] == 0

    harness.pass_ms(1)

    assert measured(harness)[b"slo_share"] is None


def test_an_slo_is_a_setting_that_survives_a_crash_and_others_stay(harness: Harness) -> None:
    harness.say("QUEUE CREATE q SLO 90s LEASE 7s")
    harness.say("QUEUE SET q ATTEMPTS 9")
    harness.crash()

    settings = harness.say("QUEUE GET q")
    assert (settings[b"SLO"], settings[b"LEASE"], settings[b"ATTEMPTS"]) == (90_000, 7_000, 9)
    harness.say("QUEUE SET q SLO 0")
    assert harness.say("QUEUE GET q")[b"SLO"] == 0


# The server.


def test_for_the_server_rates_are_sums_and_times_are_of_all_queues(harness: Harness) -> None:
    harness.say("QUEUE CREATE q SLO 1s")
    harness.say("QUEUE CREATE r SLO 20ms")
    other = harness.client()
    other.say("SELECT 3")
    for _ in range(3):
        cycle(harness, 10, 100, "q")
        cycle(harness, 30, 700, "r")
        cycle(harness, 50, 100, "s")
        other.say("QPUSH t x")
    harness.pass_ms(5_000)

    whole = measured(harness, "")
    parts = [measured(harness, queue) for queue in "qrs"]
    parts.append(other.say("QSTATS t WITH ALL")[b"t"])

    for name in [name for name in whole if b"_rate_" in name]:
        assert whole[name] == pytest.approx(sum(part[name] for part in parts), abs=0.002)
    assert (whole[b"wait_max_ms"], whole[b"wait_mean_ms"]) == (50, 30)
    assert (whole[b"wait_p50_ms"], whole[b"wait_p99_ms"]) == (31, 50)
    assert (whole[b"service_max_ms"], whole[b"service_mean_ms"]) == (700, 300)
    assert whole[b"slo_share"] == 0.5
    assert whole[b"workers_needed"] == sum(part[b"workers_needed"] for part in parts)
    assert whole[b"workers_needed"] >= 3


def test_a_server_without_queues_has_nothing_measured(harness: Harness) -> None:
    assert measured(harness, "") == {k: v for k, v in NOTHING.items() if k != b"slo_ms"}


# What forgets, and what does not.


@pytest.mark.parametrize("line", ["QSTATS q RESET", "QSTATS RESET", "qstats q r reset"])
def test_a_reset_forgets_what_was_measured_and_no_total(harness: Harness, line: str) -> None:
    cycle(harness, 20, 30)
    cycle(harness, 20, 30, "r")
    before = harness.say("QSTATS")

    assert harness.say(line).text == b"OK"

    assert measured(harness) == NOTHING
    assert (measured(harness, "r") == NOTHING) == (line != "QSTATS q RESET")
    assert harness.say("QSTATS") == before


def test_after_a_reset_it_begins_anew(harness: Harness) -> None:
    for _ in range(60):
        cycle(harness, 500, 500)
    harness.say("QSTATS q RESET")

    cycle(harness, 70, 90)

    facts = measured(harness)
    assert (facts[b"wait_mean_ms"], facts[b"service_mean_ms"]) == (70, 90)
    assert facts[b"pushed_rate_15m"] == pytest.approx(1, rel=0.01)


def test_after_a_crash_totals_are_there_and_measuring_begins_anew(harness: Harness) -> None:
    harness.say("QUEUE CREATE q SLO 1s")
    for _ in range(60):
        cycle(harness, 500, 500)
    receipt = push_and_pop(harness, 10)
    before = harness.say("QSTATS q")

    harness.crash()

    assert harness.say("QSTATS q") == before
    assert measured(harness) == NOTHING | {b"slo_ms": 1_000}
    harness.pass_ms(300)
    harness.say(f"QACK q {receipt}")
    facts = measured(harness)
    assert facts[b"service_mean_ms"] == 300
    assert facts[b"acked_rate_15m"] == pytest.approx(1, rel=0.01)
    assert facts[b"pushed_rate_15m"] == 0


def test_replay_makes_no_meter(harness: Harness) -> None:
    cycle(harness, 20, 30)

    assert harness.queue("q").meter is not None
    assert [queue.meter for queue in harness.replayed().queues.values()] == [None]


def test_a_renamed_queue_keeps_what_was_measured_and_a_dropped_one_does_not(
    harness: Harness,
) -> None:
    cycle(harness, 20, 30)
    harness.say("QUEUE RENAME q r")
    assert waits(harness, "r") == (20, 20)
    harness.say("QUEUE PURGE r")
    assert waits(harness, "r") == (20, 20)

    harness.say("QUEUE DROP r")
    harness.say("QUEUE CREATE r")

    assert waits(harness, "r") == (0, 0)


def test_a_pop_that_is_undone_stays_measured_and_counts_as_its_total_does(
    harness: Harness,
) -> None:
    harness.say("QPUSH q x")
    harness.pass_ms(40)
    harness.say("QPOP q")
    harness.undo(harness.default)

    assert waits(harness) == (40, 40)
    assert harness.say("QSTATS q")[b"q"][b"popped_total"] == 1


def test_who_waited_for_a_job_measures_it_too(harness: Harness) -> None:
    client = harness.client()
    client.say("QPOP q BLOCK 0")
    harness.say("QPUSH q x DELAY 1s")
    harness.pass_ms(1_000)
    assert len(client.inbox) == 1

    facts = measured(harness)

    assert (facts[b"wait_max_ms"], facts[b"popped_rate_15m"]) == (0, pytest.approx(1, rel=0.01))


def test_a_transaction_is_measured_as_its_commands_are(harness: Harness) -> None:
    harness.say("MULTI")
    harness.say("QPUSH q x")
    harness.say("QPOP q")
    harness.say("EXEC")

    facts = measured(harness)

    assert facts[b"pushed_rate_1m"] == facts[b"popped_rate_1m"] == pytest.approx(1, rel=0.01)


def test_so_many_queues_are_not_summed_up_that_others_would_wait(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspect, "METERED_QUEUES_MAX", 2)
    for name in "abc":
        harness.say(f"QUEUE CREATE {name}")
    harness.say("QPUSH a x")
    harness.say("QPUSH b x")
    assert harness.say("QSTATS WITH ALL")[b"pushed_total"] == 2

    harness.say("QPUSH c x")

    assert harness.refusal("QSTATS WITH ALL").startswith("TOOBIG 3 queues are too many")
    assert harness.say("QSTATS")[b"pushed_total"] == 3
    assert harness.refusal("QSTATS a b c WITH ALL").startswith("TOOBIG 3 queues are too many")
    assert len(harness.say("QSTATS a b a WITH ALL")) == 2
