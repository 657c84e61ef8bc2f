from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo

import pytest

from respq.engine.jobs.schedule import CATCHUP_FIRES_MAX
from respq.resp.replies import NULL_ARRAY
from tests.harness import START_MS, Harness

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
FIRST_MINUTE_MS = START_MS - START_MS % MINUTE_MS + MINUTE_MS
"""The first whole minute behind the start."""


def count(harness: Harness, queue: str = "q") -> int:
    """Return how many jobs are ready."""
    ready: int = harness.say(f"QLEN {queue}")
    return ready


def pushed_at(harness: Harness) -> list[int]:
    """Return when the jobs of the queue were pushed, in order."""
    return [job.pushed_ms for job in sorted(harness.queue("q"), key=lambda job: job.number)]


def show(harness: Harness, name: str = "s") -> dict[bytes, object]:
    facts: dict[bytes, object] = harness.say(f"QSCHED SHOW q {name}")
    return facts


def names(harness: Harness) -> list[bytes]:
    return [facts[b"name"] for facts in harness.say("QSCHED LIST q")]


def unknown_zone(name: str) -> tzinfo:
    raise KeyError(name)


# Firing.


def test_an_interval_fires_to_the_millisecond_and_counts_from_its_making(harness: Harness) -> None:
    assert harness.say("QSCHED ADD q s payload EVERY 10s") == 1

    harness.pass_ms(9_999)
    assert count(harness) == 0
    harness.pass_ms(1)
    assert count(harness) == 1
    harness.pass_ms(9_999)
    assert count(harness) == 1
    harness.pass_ms(1)
    assert count(harness) == 2
    assert (show(harness)[b"runs"], show(harness)[b"last_ms"]) == (2, START_MS + 20_000)


def test_a_cron_fires_at_its_minutes(harness: Harness) -> None:
    harness.say("QSCHED ADD q s payload CRON '* * * * *'")

    harness.pass_ms(FIRST_MINUTE_MS - START_MS - 1)
    assert count(harness) == 0
    harness.pass_ms(1)
    assert count(harness) == 1
    harness.pass_ms(MINUTE_MS)
    assert pushed_at(harness) == [FIRST_MINUTE_MS, FIRST_MINUTE_MS + MINUTE_MS]


def test_a_cron_goes_by_the_clock_of_its_zone(harness: Harness) -> None:
    for zone in ("UTC", "Europe/Berlin", "Asia/Kolkata"):
        harness.say(f"QSCHED ADD q {zone} x CRON '30 2 * * *' TZ {zone}")

    utc, berlin, kolkata = (
        harness.say(f"QSCHED NEXT q {zone}")[0] % DAY_MS
        for zone in ("UTC", "Europe/Berlin", "Asia/Kolkata")
    )

    half_past_two_ms = 2 * HOUR_MS + HOUR_MS // 2
    assert utc == half_past_two_ms
    assert berlin == half_past_two_ms - HOUR_MS  # In November.
    assert kolkata == half_past_two_ms - 5 * HOUR_MS - HOUR_MS // 2 + DAY_MS


def test_an_instant_fires_once_and_the_schedule_is_gone(harness: Harness) -> None:
    harness.say(f"QSCHED ADD q s payload AT {START_MS + 500}")

    harness.pass_ms(499)
    assert count(harness) == 0
    harness.pass_ms(1)
    assert count(harness) == 1
    assert names(harness) == []
    harness.pass_ms(DAY_MS)
    assert count(harness) == 1


def test_an_instant_that_has_passed_fires_at_once(harness: Harness) -> None:
    harness.say(f"QSCHED ADD q s payload AT {START_MS - 1}")

    harness.pass_ms(0)

    assert count(harness) == 1


def test_every_slot_fires_however_late_it_is_found_due(harness: Harness) -> None:
    harness.say("QSCHED ADD q s payload EVERY 10")

    harness.pass_ms(105)

    assert count(harness) == 10
    assert show(harness)[b"next_ms"] == START_MS + 110


def test_a_job_gets_what_the_schedule_was_told(harness: Harness) -> None:
    harness.say(
        "QSCHED ADD q s payload EVERY 10 PRIORITY 5 DELAY 20 TTL 1m ATTEMPTS 9 LEASE 7s "
        "BACKOFF FIXED 3s"
    )

    harness.pass_ms(10)

    (job,) = harness.queue("q")
    assert (job.payload, job.priority, job.due_ms) == (b"payload", 5, START_MS + 30)
    assert job.options is not None
    assert job.options.expires_ms == START_MS + 10 + MINUTE_MS
    assert (job.options.attempts, job.options.lease_ms) == (9, 7_000)
    assert job.options.backoff is not None
    assert job.options.backoff.base_ms == 3_000


def test_the_ttl_of_the_queue_holds_for_scheduled_jobs(harness: Harness) -> None:
    harness.say("QUEUE CREATE q TTL 5 EXPIRED DROP")
    harness.say("QSCHED ADD q s payload EVERY 10")

    harness.pass_ms(10)
    harness.pass_ms(4)
    assert count(harness) == 1
    harness.now_ms += 1
    assert harness.say("QPOP q") is NULL_ARRAY


def test_runs_end_at_their_maximum(harness: Harness) -> None:
    harness.say("QSCHED ADD q s payload EVERY 10 MAXRUNS 3")

    harness.pass_ms(29)
    assert (count(harness), names(harness)) == (2, [b"s"])
    harness.pass_ms(1)
    assert (count(harness), names(harness)) == (3, [])
    harness.pass_ms(100)
    assert count(harness) == 3


def test_a_run_by_hand_is_beside_the_rhythm(harness: Harness) -> None:
    harness.say("QSCHED ADD q s payload EVERY 10 MAXRUNS 1")

    job_id = harness.say("QSCHED RUN q s")

    assert harness.phase("q", job_id) == "ready"
    assert show(harness)[b"runs"] == 0
    harness.pass_ms(10)
    assert count(harness) == 2


def test_a_fire_is_one_transaction(harness: Harness) -> None:
    harness.say("QSCHED ADD q s payload EVERY 10")
    harness.now_ms += 10

    harness.engine.tick(harness.now_ms)

    assert harness.engine.sizes == [0, 2]
    harness.settle()


def test_schedules_of_one_millisecond_fire_in_the_order_of_their_making(harness: Harness) -> None:
    for name in ("b", "a", "c"):
        harness.say(f"QSCHED ADD q {name} {name} EVERY 10")

    harness.pass_ms(10)

    assert [payload for _, payload in harness.say("QPEEK q COUNT 9")] == [b"b", b"a", b"c"]


# Replacing, pausing, removing.


def test_a_schedule_of_the_same_name_is_replaced(harness: Harness) -> None:
    harness.say("QSCHED ADD q s old EVERY 10")
    harness.pass_ms(10)

    assert harness.say("QSCHED ADD q s new EVERY 50") == 0

    assert names(harness) == [b"s"]
    assert show(harness)[b"runs"] == 1
    harness.pass_ms(49)
    assert count(harness) == 1
    harness.pass_ms(1)
    assert [payload for _, payload in harness.say("QPEEK q COUNT 9")] == [b"old", b"new"]


def test_a_maximum_that_has_been_reached_is_refused(harness: Harness) -> None:
    harness.say("QSCHED ADD q s x EVERY 10")
    harness.pass_ms(30)

    assert harness.refusal("QSCHED ADD q s x EVERY 10 MAXRUNS 3").startswith("STATE ")
    assert harness.say("QSCHED ADD q s x EVERY 10 MAXRUNS 4") == 0
    harness.pass_ms(10)
    assert names(harness) == []


def test_a_paused_schedule_does_not_fire_and_does_not_make_up_for_it(harness: Harness) -> None:
    harness.say("QSCHED ADD q s x EVERY 10")

    assert harness.say("QSCHED PAUSE q s") == 1
    assert harness.say("QSCHED PAUSE q s") == 0
    harness.pass_ms(35)
    assert count(harness) == 0
    assert harness.say("QSCHED RESUME q s") == 1
    assert harness.say("QSCHED RESUME q s") == 0

    harness.pass_ms(4)
    assert count(harness) == 0
    harness.pass_ms(1)
    assert count(harness) == 1


def test_a_pause_that_ends_before_the_next_slot_changes_nothing(harness: Harness) -> None:
    harness.say("QSCHED ADD q s x EVERY 10")
    harness.say("QSCHED PAUSE q s")
    harness.pass_ms(9)

    harness.say("QSCHED RESUME q s")

    harness.pass_ms(1)
    assert count(harness) == 1


def test_an_instant_that_passed_in_a_pause_fires_when_it_ends(harness: Harness) -> None:
    harness.say(f"QSCHED ADD q s x AT {START_MS + 10}")
    harness.say("QSCHED PAUSE q s")
    harness.pass_ms(1_000)

    harness.say("QSCHED RESUME q s")
    harness.pass_ms(0)

    assert (count(harness), names(harness)) == (1, [])


def test_a_removed_schedule_fires_no_more(harness: Harness) -> None:
    harness.say("QSCHED ADD q s x EVERY 10")
    harness.pass_ms(10)

    assert harness.say("QSCHED DEL q s") == 1
    assert harness.say("QSCHED DEL q s") == 0

    harness.pass_ms(100)
    assert count(harness) == 1
    assert harness.refusal("QSCHED SHOW q s").startswith("NOSCHED ")


@pytest.mark.parametrize(
    "line", ["QSCHED SHOW q s", "QSCHED PAUSE q s", "QSCHED RESUME q s", "QSCHED RUN q s"]
)
def test_a_schedule_that_is_not_there_is_said_to_be_so(harness: Harness, line: str) -> None:
    assert harness.refusal(line) == "NOSCHED queue 'q' has no schedule 's'"


# What comes next.


def test_the_next_fires_are_those_that_happen(harness: Harness) -> None:
    harness.say("QSCHED ADD q s x CRON '*/20 * * * *' MAXRUNS 4")
    foretold = harness.say("QSCHED NEXT q s COUNT 10")

    harness.pass_ms(3 * HOUR_MS)

    assert len(foretold) == 4
    assert names(harness) == []
    assert count(harness) == 4
    assert all(each % (20 * MINUTE_MS) == 0 for each in foretold)


def test_of_a_paused_schedule_nothing_is_foretold(harness: Harness) -> None:
    harness.say("QSCHED ADD q s x EVERY 10")
    harness.say("QSCHED PAUSE q s")

    assert harness.refusal("QSCHED NEXT q s").startswith("STATE ")


# Catching up.


@pytest.mark.parametrize(
    ("catchup", "fires"), [("", 1), ("CATCHUP NONE", 0), ("CATCHUP ONE", 1), ("CATCHUP ALL", 10)]
)
@pytest.mark.parametrize("rhythm", ["EVERY 1m", "CRON '* * * * *'"])
def test_what_was_missed_while_down_is_made_up_for_as_told(
    harness: Harness, catchup: str, fires: int, rhythm: str
) -> None:
    harness.pass_ms(FIRST_MINUTE_MS - START_MS)
    harness.say(f"QSCHED ADD q s x {rhythm} {catchup}")

    harness.crash(down_ms=10 * MINUTE_MS + 30_000)
    harness.pass_ms(0)

    assert count(harness) == fires
    assert show(harness)[b"runs"] == fires
    assert show(harness)[b"next_ms"] == FIRST_MINUTE_MS + 11 * MINUTE_MS
    harness.pass_ms(29_999)
    assert count(harness) == fires
    harness.pass_ms(1)
    assert count(harness) == fires + 1


@pytest.mark.parametrize(("catchup", "fires"), [("NONE", 0), ("ONE", 1), ("ALL", 1)])
def test_an_instant_that_passed_while_down_is_made_up_for_as_told(
    harness: Harness, catchup: str, fires: int
) -> None:
    harness.say(f"QSCHED ADD q s x AT {START_MS + 10} CATCHUP {catchup}")

    harness.crash(down_ms=10)
    harness.pass_ms(0)

    assert (count(harness), names(harness)) == (fires, [])


@pytest.mark.parametrize("rhythm", ["EVERY 1m", "CRON '* * * * *'"])
def test_of_too_many_missed_slots_the_latest_are_made_up_for(harness: Harness, rhythm: str) -> None:
    harness.pass_ms(FIRST_MINUTE_MS - START_MS)
    harness.say(f"QSCHED ADD q s x {rhythm} CATCHUP ALL")

    harness.crash(down_ms=(10 * CATCHUP_FIRES_MAX + 3) * MINUTE_MS)
    harness.pass_ms(0)

    assert count(harness) == CATCHUP_FIRES_MAX
    assert show(harness)[b"last_ms"] == harness.now_ms
    assert show(harness)[b"next_ms"] == harness.now_ms + MINUTE_MS


def test_rare_slots_of_a_long_time_are_all_made_up_for(harness: Harness) -> None:
    harness.say("QSCHED ADD q s x CRON '0 0 1 * *' CATCHUP ALL")

    harness.crash(down_ms=366 * DAY_MS)
    harness.pass_ms(0)

    assert count(harness) == 12


def test_a_maximum_of_runs_holds_while_catching_up(harness: Harness) -> None:
    harness.say("QSCHED ADD q all x EVERY 10 CATCHUP ALL MAXRUNS 3")
    harness.say("QSCHED ADD q one x EVERY 10 CATCHUP ONE MAXRUNS 1")
    harness.say("QSCHED ADD q none x EVERY 10 CATCHUP NONE MAXRUNS 1")

    harness.crash(down_ms=1_000)
    harness.pass_ms(0)

    assert count(harness) == 4
    assert names(harness) == [b"none"]


def test_a_paused_schedule_is_not_made_up_for(harness: Harness) -> None:
    harness.say("QSCHED ADD q s x EVERY 10 CATCHUP ALL")
    harness.say("QSCHED PAUSE q s")

    harness.crash(down_ms=1_000)
    harness.pass_ms(0)

    assert count(harness) == 0


def test_a_slot_that_fired_before_the_crash_does_not_fire_again(harness: Harness) -> None:
    harness.say("QSCHED ADD q s x EVERY 10 CATCHUP ALL")
    harness.pass_ms(30)

    harness.crash()
    harness.pass_ms(0)

    assert count(harness) == 3


# A zone that is not known any more.


def with_unknown_zone(harness: Harness, use: Callable[[], object]) -> None:
    zones, harness.engine.zones = harness.engine.zones, unknown_zone
    use()
    harness.engine.zones = zones


def test_a_schedule_whose_zone_is_not_known_any_more_fires_once_more_and_pauses(
    harness: Harness,
) -> None:
    harness.say("QSCHED ADD q s x CRON '* * * * *' TZ Europe/Berlin")

    with_unknown_zone(harness, lambda: harness.pass_ms(5 * MINUTE_MS))

    assert count(harness) == 1
    assert show(harness)[b"paused"] == 1


def test_a_schedule_whose_zone_is_not_known_cannot_be_resumed(harness: Harness) -> None:
    harness.say("QSCHED ADD q s x CRON '* * * * *' TZ Europe/Berlin")
    harness.say("QSCHED PAUSE q s")
    harness.pass_ms(5 * MINUTE_MS)

    def resume() -> None:
        assert harness.refusal("QSCHED RESUME q s").startswith("BADCRON unknown time zone")

    with_unknown_zone(harness, resume)

    harness.say("QSCHED RESUME q s")
    harness.pass_ms(MINUTE_MS)
    assert count(harness) == 1


# Refusals.


@pytest.mark.parametrize(
    ("options", "prefix"),
    [
        ("", "ERR"),
        ("EVERY 0", "ERR"),
        ("EVERY 10 AT 5", "ERR"),
        ("EVERY 10 TZ UTC", "ERR"),
        ("CRON '* * * * *' EVERY 5", "ERR"),
        ("CRON '0 0 30 2 *'", "BADCRON"),
        ("CRON '* * * *'", "BADCRON"),
        ("CRON '* * * * *' TZ Nowhere/Land", "BADCRON"),
        ("EVERY 10 PRIORITY high", "BADPRIORITY"),
        ("EVERY 10 DELAY 5s TTL 5s", "ERR"),
        ("EVERY 10 MAXRUNS 0", "ERR"),
        ("EVERY 10 CATCHUP SOME", "ERR"),
        ("EVERY 10 ID x", "ERR"),
        ("EVERY 10 IDMP x 1", "ERR"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(harness: Harness, options: str, prefix: str) -> None:
    assert harness.refusal(f"QSCHED ADD q s x {options}").startswith(f"{prefix} ")


@pytest.mark.parametrize("name", ["''", "s" * 256])
def test_a_name_that_is_empty_or_too_long_is_refused(harness: Harness, name: str) -> None:
    assert "schedule name is" in harness.refusal(f"QSCHED ADD q {name} x EVERY 1s")
