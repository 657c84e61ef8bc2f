"""START, END, JITTER and OVERLAP of a schedule."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.harness import START_MS, Harness

HOUR_MS = 3_600_000


def payloads(harness: Harness) -> list[bytes]:
    return [payload for _, payload in harness.say("QPEEK q COUNT 99")]


def next_times(harness: Harness, count: int = 3) -> list[int]:
    times: list[int] = harness.say(f"QSCHED NEXT q s COUNT {count}")
    return times


def test_an_interval_begins_at_its_start(harness: Harness) -> None:
    harness.say(f"QSCHED ADD q s x EVERY 10s START {START_MS + 25_000}")

    assert next_times(harness) == [START_MS + 25_000, START_MS + 35_000, START_MS + 45_000]
    harness.pass_ms(24_999)
    assert payloads(harness) == []
    harness.pass_ms(1)
    assert payloads(harness) == [b"x"]


def test_a_start_that_has_passed_says_where_the_slots_are(harness: Harness) -> None:
    harness.say(f"QSCHED ADD q s x EVERY 10s START {START_MS - 3_000}")

    assert next_times(harness) == [START_MS + 7_000, START_MS + 17_000, START_MS + 27_000]


def test_a_start_that_is_now_has_passed(harness: Harness) -> None:
    harness.say(f"QSCHED ADD q s x EVERY 10s START {START_MS}")

    assert next_times(harness, 1) == [START_MS + 10_000]


def test_a_cron_begins_at_its_start_which_may_be_a_slot(harness: Harness) -> None:
    minute = START_MS // 60_000 * 60_000 + 10 * 60_000
    harness.say(f"QSCHED ADD q s x CRON '* * * * *' START {minute}")

    assert next_times(harness, 2) == [minute, minute + 60_000]


@pytest.mark.parametrize("end_ms", [20_000, 29_999])
def test_nothing_fires_after_the_end_and_the_schedule_is_gone(
    harness: Harness, end_ms: int
) -> None:
    harness.say(f"QSCHED ADD q s x EVERY 10s END {START_MS + end_ms}")
    assert next_times(harness) == [START_MS + 10_000, START_MS + 20_000]
    harness.pass_ms(10_000)
    harness.crash()

    harness.pass_ms(60_000)

    assert payloads(harness) == [b"x", b"x"]
    assert harness.refusal("QSCHED SHOW q s").startswith("NOSCHED ")


def test_a_schedule_that_ends_before_it_begins_is_refused(harness: Harness) -> None:
    error = f"BADCRON it would never fire: END {START_MS + 9_999} is before its first time"
    assert harness.refusal(f"QSCHED ADD q s x EVERY 10s END {START_MS + 9_999}") == error
    assert (
        harness.refusal(
            f"QSCHED ADD q s x EVERY 1s START {START_MS + 99_000} END {START_MS + 9_999}"
        )
        == error
    )
    assert harness.say("EXISTS q") == 0


def test_an_end_that_passed_while_the_server_was_down(harness: Harness) -> None:
    harness.say(f"QSCHED ADD q s x EVERY 10s END {START_MS + 30_000} CATCHUP ALL")

    harness.crash(HOUR_MS)
    harness.pass_ms(0)

    assert payloads(harness) == [b"x"] * 3
    assert harness.refusal("QSCHED SHOW q s").startswith("NOSCHED ")


def test_bounds_are_part_of_the_rhythm(harness: Harness) -> None:
    harness.say("QSCHED ADD q s x EVERY 10s")
    harness.pass_ms(4_000)
    harness.say("QSCHED ADD q s x EVERY 10s")
    assert next_times(harness, 1) == [START_MS + 10_000]

    harness.say(f"QSCHED ADD q s x EVERY 10s START {START_MS + 50_000}")

    assert next_times(harness, 1) == [START_MS + 50_000]
    facts = harness.say("QSCHED SHOW q s")
    assert (facts[b"start_ms"], facts[b"end_ms"]) == (START_MS + 50_000, 0)


@pytest.mark.parametrize("word", ["START", "END"])
def test_an_instant_has_no_bounds(harness: Harness, word: str) -> None:
    refusal = harness.refusal(f"QSCHED ADD q s x AT {START_MS + 5} {word} {START_MS + 9}")

    assert refusal == f"ERR syntax error near '{word}': it goes with CRON and EVERY"


def test_jitter_spreads_the_jobs_and_not_the_slots(harness: Harness) -> None:
    harness.say("QSCHED ADD q s x EVERY 1h JITTER 10m")
    seen = []
    for hour in range(1, 25):
        harness.pass_ms(HOUR_MS)
        [job] = [each for each in harness.queue("q") if each.pushed_ms == START_MS + hour * HOUR_MS]
        due_ms = job.due_ms or job.pushed_ms
        seen.append(due_ms - job.pushed_ms)
    assert all(0 <= each <= 600_000 for each in seen)
    assert len(set(seen)) > 20
    assert max(seen) - min(seen) > 300_000

    # A schedule's jitter of a slot is always the same: another run of this test sees the same.
    assert all(one != other for one, other in pairwise(seen))


def test_jitter_comes_on_top_of_the_delay_and_within_the_ttl(harness: Harness) -> None:
    refusal = harness.refusal("QSCHED ADD q s x EVERY 1h JITTER 10s DELAY 5s TTL 15s")
    assert refusal == "ERR the job would be due after 15000 ms, after its ttl of 15000 ms"
    harness.say("QSCHED ADD q s x EVERY 1h JITTER 1 DELAY 5s")
    harness.pass_ms(HOUR_MS)

    (job,) = harness.queue("q")
    assert job.due_ms - job.pushed_ms in (5_000, 5_001)


def test_a_run_by_hand_has_no_jitter(harness: Harness) -> None:
    harness.say("QSCHED ADD q s x EVERY 1h JITTER 10m")

    harness.say("QSCHED RUN q s")

    assert payloads(harness) == [b"x"]


def test_a_slot_passes_while_the_job_before_is_to_be_done(harness: Harness) -> None:
    harness.say("QSCHED ADD q s x EVERY 10s OVERLAP SKIP")
    harness.pass_ms(10_000)
    receipt = harness.say("QPOP q LEASE 1h")[1].decode()

    for _ in range(2):
        harness.pass_ms(10_000)
    harness.crash()
    harness.pass_ms(10_000)

    facts = harness.say("QSCHED SHOW q s")
    assert (facts[b"runs"], facts[b"skipped"], facts[b"overlap"]) == (1, 3, b"SKIP")
    assert payloads(harness) == []
    harness.say(f"QACK q {receipt}")
    harness.pass_ms(10_000)
    assert payloads(harness) == [b"x"]
    assert harness.say("QSCHED SHOW q s")[b"runs"] == 2


@pytest.mark.parametrize(
    ("line", "fires"),
    [
        ("QACK q {}", True),
        ("QNACK q {} FATAL", True),
        ("QDEL q {id}", True),
        ("QNACK q {} DELAY 1h", False),
        ("QNACK q {} DELAY 0", False),
    ],
)
def test_what_counts_as_done(harness: Harness, line: str, fires: bool) -> None:
    harness.say("QUEUE CREATE q KEEP 1h")
    harness.say("QSCHED ADD q s x EVERY 10s OVERLAP SKIP")
    harness.pass_ms(10_000)
    job_id, receipt, _ = harness.say("QPOP q")
    harness.say(line.format(receipt.decode(), id=job_id.decode()))

    harness.pass_ms(10_000)

    assert harness.say("QSCHED SHOW q s")[b"runs"] == 1 + fires


def test_overlap_is_allowed_otherwise(harness: Harness) -> None:
    harness.say("QSCHED ADD q s x EVERY 10s OVERLAP ALLOW")
    for _ in range(3):
        harness.pass_ms(10_000)

    assert payloads(harness) == [b"x"] * 3


def test_a_skipped_slot_is_no_run(harness: Harness) -> None:
    harness.say("QSCHED ADD q s x EVERY 10s OVERLAP SKIP MAXRUNS 2")
    for _ in range(5):
        harness.pass_ms(10_000)
    harness.say("QPOP q NOACK")
    harness.pass_ms(10_000)

    assert payloads(harness) == [b"x"]
    assert harness.refusal("QSCHED SHOW q s").startswith("NOSCHED ")


def test_what_was_missed_is_one_job_that_does_not_overlap(harness: Harness) -> None:
    harness.say("QSCHED ADD q s x EVERY 10s OVERLAP SKIP CATCHUP ONE")
    harness.pass_ms(10_000)

    harness.crash(HOUR_MS)

    assert payloads(harness) == [b"x"]
    assert harness.say("QSCHED SHOW q s")[b"skipped"] == 1


def test_a_schedule_that_is_resumed_after_its_end_is_gone(harness: Harness) -> None:
    harness.say(f"QSCHED ADD q s x EVERY 10s END {START_MS + 20_000}")
    harness.say("QSCHED PAUSE q s")
    harness.pass_ms(20_001)
    assert len(harness.say("QSCHED LIST q")) == 1

    assert harness.say("QSCHED RESUME q s") == 1

    assert harness.say("QSCHED LIST q") == []
    harness.crash()
    assert harness.say("QSCHED LIST q") == []
    assert harness.say(f"QSCHED ADD q s x EVERY 10s END {START_MS + 90_000}") == 1


@pytest.mark.parametrize("rhythm", ["EVERY 7s", "CRON '* * * * *'"])
def test_of_what_was_missed_only_what_was_before_the_end_is_made_up_for(
    harness: Harness, rhythm: str
) -> None:
    harness.say(f"QSCHED ADD q s x {rhythm} END {START_MS + 100_000} CATCHUP ALL")
    missed = next_times(harness, 99)

    # More slots than are made up for, had they not ended.
    harness.crash(30 * 24 * HOUR_MS)
    harness.pass_ms(0)

    assert len(payloads(harness)) == len(missed)
    assert harness.say("QSCHED LIST q") == []
