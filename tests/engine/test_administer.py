from __future__ import annotations

import gc

import pytest

from respq.engine.jobs.push import PushTerms
from respq.engine.jobs.queue import Queue
from tests.harness import Harness

DAY_MS = 86_400_000


def crowd(harness: Harness, queue: str = "q") -> dict[str, str]:
    """Fill a queue with a job of each phase and a schedule; return the receipts."""
    say = harness.say
    held = {}
    say(f"QPUSH {queue} held PRIORITY 9 ID held")
    held["held"] = say(f"QPOP {queue} LEASE 1m")[1].decode()
    say(f"QPUSH {queue} dead PRIORITY 9 TTL 1h ID dead")
    say(f"QNACK {queue} {say(f'QPOP {queue}')[1].decode()} FATAL")
    say(f"QPUSH {queue} ready TTL 30s ID ready")
    say(f"QPUSH {queue} delayed DELAY 20s TTL 40s ID delayed")
    say(f"QSCHED ADD {queue} tick scheduled EVERY 10s")
    return held


# Making and setting.


def test_a_created_queue_has_its_settings(harness: Harness) -> None:
    line = (
        "QUEUE CREATE q ORDER min PRIORITIES text LEASE 5s ATTEMPTS 7 "
        "BACKOFF LINEAR 2s MAX 1m JITTER 3 TTL 1h EXPIRED drop "
        "MAXLEN 9 OVERFLOW dropoldest CONCURRENCY 3 KEEPDEAD 7d RATE 9 per 1m "
        "DUPLICATES refuse MAXBYTES 99 PUSHRATE 8 PER 1s KEEP 1h GROUPCONCURRENCY 2 FAIR yes "
        "SLO 5s"
    )

    harness.say(line)
    harness.crash()

    assert harness.say("QUEUE GET q") == {
        b"ORDER": b"MIN",
        b"PRIORITIES": b"TEXT",
        b"LEASE": 5_000,
        b"ATTEMPTS": 7,
        b"BACKOFF": b"LINEAR 2000 MAX 60000 JITTER 3",
        b"TTL": 3_600_000,
        b"EXPIRED": b"DROP",
        b"MAXLEN": 9,
        b"MAXBYTES": 99,
        b"OVERFLOW": b"DROPOLDEST",
        b"CONCURRENCY": 3,
        b"GROUPCONCURRENCY": 2,
        b"FAIR": b"YES",
        b"KEEPDEAD": 604_800_000,
        b"KEEP": 3_600_000,
        b"RATE": b"9 PER 60000",
        b"DUPLICATES": b"REFUSE",
        b"PUSHRATE": b"8 PER 1000",
        b"SLO": 5_000,
        b"paused_in_ms": 0,
        b"paused_out_ms": 0,
        b"paused_ack_ms": 0,
        b"paused_touch_ms": 0,
        b"waiting_bytes": 0,
        b"closed_until_ms": 0,
        b"closed_groups": 0,
    }


def test_a_queue_is_not_created_twice(harness: Harness) -> None:
    harness.say("QPUSH q x")

    assert harness.refusal("QUEUE CREATE q").startswith("EXISTS ")


def test_settings_that_are_not_named_stay(harness: Harness) -> None:
    harness.say("QUEUE CREATE q LEASE 5s TTL 1h")

    harness.say("QUEUE SET q ATTEMPTS 9 TTL 0")

    settings = harness.say("QUEUE GET q")
    assert (settings[b"LEASE"], settings[b"ATTEMPTS"], settings[b"TTL"]) == (5_000, 9, 0)


@pytest.mark.parametrize("change", ["ORDER MIN", "PRIORITIES TEXT", "LEASE 9s ORDER MIN"])
def test_what_orders_the_jobs_cannot_change(harness: Harness, change: str) -> None:
    harness.say("QUEUE CREATE q ORDER MAX")

    assert harness.refusal(f"QUEUE SET q {change}").startswith("IMMUTABLE ")
    assert harness.say("QUEUE SET q ORDER MAX PRIORITIES NUMERIC LEASE 1s")


def test_a_queue_that_is_not_there_is_said_to_be_so(harness: Harness) -> None:
    for line in (
        "QUEUE SET q LEASE 1s",
        "QUEUE GET q",
        "QUEUE RENAME q r",
        "QUEUE PURGE q",
        "QUEUE DROP q",
        "QSTATS q",
    ):
        assert harness.refusal(line) == "NOQUEUE there is no queue 'q'"


# Renaming.


def test_a_renamed_queue_is_the_same_queue(harness: Harness) -> None:
    harness.say("QUEUE CREATE q LEASE 5s")
    harness.say("QPUSH q a ID mine")
    harness.say("QPUSH q b DELAY 10")
    harness.say("QSCHED ADD q s scheduled EVERY 20")

    harness.say("QUEUE RENAME q r")
    harness.pass_ms(20)

    assert harness.say("QUEUE EXISTS q") == 0
    assert [payload for _, payload in harness.say("QPEEK r COUNT 9")] == [b"a", b"b", b"scheduled"]
    assert harness.say("QPUSH r again ID mine") == b"mine"
    assert harness.say("QUEUE GET r")[b"LEASE"] == 5_000
    assert harness.say("QPUSH q new") is not None
    assert harness.say("QLEN q") == 1


def test_a_name_that_is_taken_is_refused(harness: Harness) -> None:
    harness.say("QPUSH q x")
    harness.say("QPUSH r x")

    assert harness.refusal("QUEUE RENAME q r").startswith("EXISTS ")
    assert harness.refusal("QUEUE RENAME q q").startswith("EXISTS ")
    assert harness.refusal(f"QUEUE RENAME q {'n' * 256}").startswith("TOOBIG ")
    assert harness.refusal("QUEUE RENAME q ''").startswith("ERR ")


def test_a_queue_is_not_renamed_while_a_job_is_leased(harness: Harness) -> None:
    harness.say("QPUSH q x")
    harness.say("QPOP q LEASE 100")

    harness.pass_ms(99)
    assert harness.refusal("QUEUE RENAME q r").startswith("STATE ")
    harness.pass_ms(1)
    assert harness.say("QUEUE RENAME q r")


def test_a_name_is_free_after_its_queue_was_renamed_or_dropped(harness: Harness) -> None:
    harness.say("QPUSH a first")
    harness.say("QUEUE RENAME a b")
    harness.say("QPUSH a second")
    harness.say("QUEUE DROP b")
    harness.say("QUEUE RENAME a b")

    harness.crash()

    assert harness.say("QUEUE LIST") == [b"b"]
    assert harness.say("QPOP b")[2] == b"second"


# Purging and dropping.


def test_a_purge_takes_the_jobs_of_every_phase_and_leaves_the_schedules(harness: Harness) -> None:
    held = crowd(harness)

    assert harness.say("QUEUE PURGE q") == 4

    assert len(harness.queue("q")) == 0
    assert harness.say(f"QACK q {held['held']}") == 0
    assert harness.say("QDLQ COUNT q") == 0
    harness.pass_ms(10_000)
    assert harness.say("QPOP q")[2] == b"scheduled"
    totals = harness.queue("q").totals
    assert (totals.pushed, totals.purged, totals.acked, totals.dropped) == (5, 4, 0, 0)


def test_nothing_that_was_purged_comes_back_when_its_time_comes(harness: Harness) -> None:
    crowd(harness)
    harness.say("QSCHED DEL q tick")
    harness.say("QUEUE PURGE q")

    harness.pass_ms(3_600_000)

    assert len(harness.queue("q")) == 0
    totals = harness.queue("q").totals
    assert (totals.expired, totals.dead, totals.dropped) == (0, 1, 0)


def test_a_purge_of_an_empty_queue_records_nothing(harness: Harness) -> None:
    harness.say("QUEUE CREATE q")
    batches = len(harness.journal)

    assert harness.say("QUEUE PURGE q") == 0

    assert len(harness.journal) == batches


def test_what_is_pushed_behind_a_purge_stays(harness: Harness) -> None:
    crowd(harness)
    harness.say("QUEUE PURGE q")
    harness.say("QPUSH q new ID other")

    harness.crash()

    assert [payload for _, payload in harness.say("QPEEK q COUNT 9")] == [b"new"]


def test_a_drop_takes_everything(harness: Harness) -> None:
    held = crowd(harness)

    harness.say("QUEUE DROP q")
    harness.pass_ms(3_600_000)

    assert harness.say("QUEUE LIST") == []
    assert harness.say(f"QACK q {held['held']}") == 0
    assert harness.engine.state.schedules == {}
    assert harness.say("DBSIZE") == 0


def test_a_queue_made_anew_knows_nothing_of_the_dropped_one(harness: Harness) -> None:
    held = crowd(harness)
    harness.say("DEL q")

    harness.say("QPUSH q new ID held")

    assert harness.say("QPOP q")[2] == b"new"
    assert harness.say(f"QACK q {held['held']}") == 0
    assert harness.queue("q").totals.pushed == 1


@pytest.mark.parametrize("command", ["QUEUE DROP q", "QUEUE PURGE q"])
def test_jobs_that_are_gone_are_freed_in_slices_soon_after(command: str) -> None:
    harness = Harness()
    for _ in range(5_000):
        harness.engine.push(harness.now_ms, 0, b"q", [b"x"])
    harness.say(command)
    state = harness.engine.state
    assert sum(map(len, state.graveyard)) == sum(map(len, state.remains)) == 5_000
    assert harness.broker.next_deadline_ms() <= harness.now_ms

    left = []
    while harness.broker.tick(harness.now_ms):
        left.append(sum(map(len, [*state.graveyard, *state.remains])))

    assert left == [8_000, 6_000, 4_000, 2_000]
    assert state.graveyard == state.remains == []
    assert harness.broker.next_deadline_ms() > harness.now_ms


def test_timers_go_on_while_the_dead_are_freed() -> None:
    harness = Harness()
    for number in range(4_000):
        terms = PushTerms(delay_ms=number % 50 + 1)
        harness.engine.push_many(harness.now_ms, 0, b"gone", [b"x"], terms)
    job_id = harness.say("QPUSH q x DELAY 50")
    harness.say("QUEUE DROP gone")

    harness.pass_ms(50)

    assert harness.phase("q", job_id) == "ready"
    assert harness.engine.state.graveyard == []


def queues_in_memory() -> int:
    gc.collect()
    return sum(type(each) is Queue for each in gc.get_objects())


def test_a_dropped_queue_leaves_no_memory_behind() -> None:
    harness = Harness()
    crowd(harness)
    count = queues_in_memory()

    harness.say("QUEUE DROP q")
    harness.pass_ms(0)
    harness.journal.clear()
    harness.default.pops.clear()

    # Jobs refer to their queue unseen by the garbage collector: a cycle would stay for ever.
    assert queues_in_memory() == count - 1


# Idle queues.


def test_an_empty_queue_that_nobody_configured_is_gone_after_a_day(harness: Harness) -> None:
    harness.say("QPUSH q x")
    harness.say(f"QACK q {harness.say('QPOP q')[1].decode()}")

    harness.pass_ms(DAY_MS - 1)
    assert harness.say("QUEUE EXISTS q") == 1
    harness.pass_ms(1)
    assert harness.say("QUEUE EXISTS q") == 0


def test_use_keeps_an_idle_queue_for_another_day(harness: Harness) -> None:
    harness.say("QPUSH q x")
    harness.pass_ms(DAY_MS // 2)
    harness.say("QPOP q NOACK")
    harness.say("QPUSH q y")
    harness.say("QPOP q NOACK")

    harness.pass_ms(DAY_MS - 1)
    assert harness.say("QUEUE EXISTS q") == 1
    harness.pass_ms(1)
    assert harness.say("QUEUE EXISTS q") == 0


@pytest.mark.parametrize(
    "line",
    [
        "QUEUE CREATE q",
        "QPUSH q x",
        "QPUSH q x DELAY 30d",
        "QSCHED ADD q s x EVERY 300d",
        "QPUSH q x TTL 1h",
    ],
)
def test_a_queue_that_is_configured_or_holds_anything_stays(harness: Harness, line: str) -> None:
    harness.say(line)

    harness.pass_ms(10 * DAY_MS)
    harness.crash(down_ms=10 * DAY_MS)
    harness.pass_ms(0)

    assert harness.say("QUEUE EXISTS q") == 1


def test_a_setting_makes_a_queue_stay(harness: Harness) -> None:
    harness.say("QPUSH q x")
    harness.say("QUEUE SET q LEASE 1m")
    harness.say("QPOP q NOACK")

    harness.pass_ms(10 * DAY_MS)

    assert harness.say("QUEUE EXISTS q") == 1


def test_a_queue_that_was_idle_over_a_restart_is_gone_too(harness: Harness) -> None:
    harness.say("QPUSH q x")
    harness.say("QPOP q NOACK")

    harness.crash(down_ms=DAY_MS)
    harness.pass_ms(0)

    assert harness.say("QUEUE EXISTS q") == 0
