from __future__ import annotations

from typing import Any

import pytest

from respq.config import COUNT_MAX, ERROR_BYTES_MAX, TRANSACTION_BYTES_MAX
from respq.engine.jobs.job import Job
from respq.engine.jobs.retry import DEFAULT_BACKOFF, delay_ms
from tests.harness import START_MS, Client, Harness


def push(harness: Harness, payload: str = "x", options: str = "", queue: str = "q") -> bytes:
    job_id: bytes = harness.say(f"QPUSH {queue} {payload} {options}")
    return job_id


def pop(harness: Harness, options: str = "", queue: str = "q") -> str:
    """Pop a job, which must be there, and return its receipt."""
    receipt: bytes = harness.say(f"QPOP {queue} {options}")[1]
    return receipt.decode()


def there(harness: Harness, job_id: bytes) -> Job:
    job = harness.job("q", job_id)
    assert job is not None
    return job


def ready_payloads(harness: Harness) -> list[bytes]:
    return [payload for _, payload in harness.say("QPEEK q COUNT 100")]


# Leases.


def test_a_popped_job_is_leased_and_no_one_else_gets_it(harness: Harness) -> None:
    job_id = push(harness)

    popped_id, receipt, payload = harness.say("QPOP q")

    assert (popped_id, payload) == (job_id, b"x")
    assert receipt == b"1:" + job_id
    assert harness.phase("q", job_id) == "leased"
    assert harness.say("QPOP q COUNT 10") == []


def test_a_lease_ends_at_its_millisecond_and_not_before(harness: Harness) -> None:
    job_id = push(harness)
    pop(harness, "LEASE 30s")

    harness.pass_ms(29_999)
    assert harness.phase("q", job_id) == "leased"
    harness.pass_ms(1)
    assert harness.phase("q", job_id) == "ready"
    assert there(harness, job_id).attempts == 1


@pytest.mark.parametrize(
    ("queue_options", "push_options", "pop_options", "lease_ms"),
    [
        ("", "", "", 30_000),
        ("LEASE 7s", "", "", 7_000),
        ("LEASE 7s", "LEASE 5s", "", 5_000),
        ("LEASE 7s", "LEASE 5s", "LEASE 3s", 3_000),
    ],
)
def test_the_nearest_word_on_the_lease_counts(
    harness: Harness, queue_options: str, push_options: str, pop_options: str, lease_ms: int
) -> None:
    harness.say(f"QUEUE CREATE q {queue_options}")
    job_id = push(harness, options=push_options)

    pop(harness, pop_options)

    assert there(harness, job_id).due_ms == START_MS + lease_ms


def test_fences_rise_over_all_queues_and_restarts(harness: Harness) -> None:
    fences = []
    for queue in ("a", "b", "a"):
        push(harness, queue=queue)
        fences.append(int(pop(harness, "LEASE 1", queue).partition(":")[0]))
    harness.pass_ms(1)
    for _ in range(2):
        harness.crash()
        fences.append(int(pop(harness, "LEASE 1s", "a").partition(":")[0]))

    assert fences == sorted(set(fences))


def test_a_pop_of_several_takes_the_most_urgent_in_order(harness: Harness) -> None:
    for priority in (1, 3, 2):
        push(harness, f"p{priority}", f"PRIORITY {priority}")

    assert [job[2] for job in harness.say("QPOP q COUNT 2")] == [b"p3", b"p2"]
    assert [job[2] for job in harness.say("QPOP q COUNT 2")] == [b"p1"]


def test_a_job_taken_without_a_lease_is_gone_at_once(harness: Harness) -> None:
    job_id = push(harness)

    assert harness.say("QPOP q NOACK") == [job_id, None, b"x"]

    assert harness.phase("q", job_id) == "gone"
    totals = harness.queue("q").totals
    assert (totals.popped, totals.acked) == (1, 1)


# Acks.


def test_an_acked_job_is_gone_and_stays_gone(harness: Harness) -> None:
    job_id = push(harness)
    receipt = pop(harness)

    assert harness.say(f"QACK q {receipt}") == 1

    assert harness.phase("q", job_id) == "gone"
    assert harness.say(f"QACK q {receipt}") == 0
    harness.crash(down_ms=100_000)
    assert harness.phase("q", job_id) == "gone"


def test_an_ack_counts_until_the_last_millisecond_of_the_lease(harness: Harness) -> None:
    push(harness)
    push(harness)
    first, second = pop(harness, "LEASE 100"), pop(harness, "LEASE 100")

    harness.now_ms += 99
    assert harness.say(f"QACK q {first}") == 1
    # The tick that ends the lease need not have come.
    harness.now_ms += 1
    assert harness.say(f"QACK q {second}") == 0
    assert harness.say(f"QTOUCH q {second}") == [0]
    assert harness.say(f"QNACK q {second} WITHDUE") == [-2]


def test_a_stale_receipt_does_not_touch_the_new_delivery(harness: Harness) -> None:
    job_id = push(harness)
    stale = pop(harness, "LEASE 100")
    harness.pass_ms(100)
    fresh = pop(harness)

    assert harness.say(f"QACK q {stale}") == 0
    assert harness.say(f"QNACK q {stale} FATAL") == 0
    assert harness.say(f"QTOUCH q {stale}") == [0]

    assert harness.phase("q", job_id) == "leased"
    assert harness.say(f"QACK q {fresh}") == 1


def test_a_receipt_of_another_queue_counts_nothing(harness: Harness) -> None:
    job_id = push(harness)
    push(harness, queue="other")
    receipt = pop(harness)

    assert harness.say(f"QACK other {receipt}") == 0
    assert harness.say(f"QACK nowhere {receipt}") == 0

    assert harness.phase("q", job_id) == "leased"


def test_a_receipt_given_twice_counts_once(harness: Harness) -> None:
    push(harness)
    push(harness)
    first, second = pop(harness), pop(harness)

    assert harness.say(f"QACK q {first} {first}") == 1
    assert harness.say(f"QNACK q {second} {second} WITHDUE FATAL") == [-1, -2]


def test_a_receipt_given_twice_drops_an_expired_job_once(harness: Harness) -> None:
    harness.say("QUEUE CREATE q EXPIRED DROP")
    push(harness, options="TTL 10")
    receipt = pop(harness)
    harness.pass_ms(10)

    assert harness.say(f"QNACK q {receipt} {receipt} WITHDUE") == [-1, -2]

    # A second record for it would be a change of nothing, which no start forgives.
    assert harness.replayed().passed_over == 0
    assert harness.queue("q").totals.dropped == 1


@pytest.mark.parametrize("word", ["junk", "1", ":", "1:", ":1", "x:1", "-1:5", "1 :5", "''"])
def test_what_is_no_receipt_is_a_syntax_error_and_changes_nothing(
    harness: Harness, word: str
) -> None:
    push(harness)
    receipt = pop(harness)

    for line in (f"QACK q {receipt} '{word}'", f"QNACK q {receipt} '{word}'", f"QTOUCH q '{word}'"):
        assert harness.refusal(line).startswith("ERR ")


# Nacks.


def test_a_fail_counts_and_comes_back_after_its_backoff(harness: Harness) -> None:
    job_id = push(harness, options="BACKOFF FIXED 1s JITTER 0")
    receipt = pop(harness)

    assert harness.say(f"QNACK q {receipt} WITHDUE") == [START_MS + 1_000]

    harness.pass_ms(999)
    assert harness.phase("q", job_id) == "delayed"
    harness.pass_ms(1)
    assert harness.phase("q", job_id) == "ready"
    job = there(harness, job_id)
    assert job.notes is not None
    assert (job.notes.failures, job.notes.crashes) == (1, 0)


@pytest.mark.parametrize(
    ("backoff", "delays"),
    [
        ("FIXED 100 JITTER 0", [100, 100, 100, 100]),
        ("LINEAR 100 JITTER 0", [100, 200, 300, 400]),
        ("EXPONENTIAL 100 JITTER 0", [100, 200, 400, 800]),
        ("EXPONENTIAL 100 MAX 300 JITTER 0", [100, 200, 300, 300]),
    ],
)
@pytest.mark.parametrize("where", ["job", "queue"])
def test_backoff_grows_with_the_attempts(
    harness: Harness, backoff: str, delays: list[int], where: str
) -> None:
    harness.say(f"QUEUE CREATE q {f'BACKOFF {backoff}' if where == 'queue' else ''}")
    push(harness, options=f"ATTEMPTS 0 {f'BACKOFF {backoff}' if where == 'job' else ''}")

    for delay in delays:
        due_ms = harness.say(f"QNACK q {pop(harness)} WITHDUE")[0]
        assert due_ms == harness.now_ms + delay
        harness.pass_ms(delay)


def test_backoff_counts_crashes_as_attempts_too(harness: Harness) -> None:
    push(harness, options="ATTEMPTS 0 BACKOFF LINEAR 100 JITTER 0")
    pop(harness, "LEASE 1")
    harness.pass_ms(1)

    assert harness.say(f"QNACK q {pop(harness)} WITHDUE") == [harness.now_ms + 200]


def test_the_default_backoff_has_a_jitter_that_is_recorded(harness: Harness) -> None:
    job_id = push(harness)

    due_ms = harness.say(f"QNACK q {pop(harness)} WITHDUE")[0]

    number = there(harness, job_id).number
    assert due_ms == START_MS + delay_ms(DEFAULT_BACKOFF, 1, number)
    assert 900 <= due_ms - START_MS <= 1_100
    harness.crash()
    assert there(harness, job_id).due_ms == due_ms


@pytest.mark.parametrize("outcome", ["FAIL", "SILENT"])
def test_a_delay_replaces_the_backoff(harness: Harness, outcome: str) -> None:
    job_id = push(harness)

    assert harness.say(f"QNACK q {pop(harness)} {outcome} DELAY 5s WITHDUE") == [START_MS + 5_000]
    harness.pass_ms(5_000)
    assert harness.say(f"QNACK q {pop(harness)} {outcome} DELAY 0 WITHDUE") == [0]
    assert harness.phase("q", job_id) == "ready"


def test_a_silent_nack_counts_nothing_and_is_ready_behind_its_equals(harness: Harness) -> None:
    job_id = push(harness, "first", "ATTEMPTS 1")
    push(harness, "second")

    for _ in range(5):
        assert harness.say(f"QNACK q {pop(harness)} SILENT") == 1

    job = there(harness, job_id)
    assert job.attempts == 0
    assert ready_payloads(harness) == [b"second", b"first"]


@pytest.mark.parametrize(("options", "limit"), [("", 3), ("ATTEMPTS 1", 1), ("ATTEMPTS 5", 5)])
def test_a_job_is_dead_when_its_attempts_are_spent_and_not_before(
    harness: Harness, options: str, limit: int
) -> None:
    job_id = push(harness, options=options)

    for _ in range(limit - 1):
        assert harness.say(f"QNACK q {pop(harness)} DELAY 0 WITHDUE") == [0]
    assert harness.say(f"QNACK q {pop(harness)} DELAY 0 WITHDUE ERROR last") == [-1]

    facts = harness.say(f"QSHOW q {job_id.decode()}")
    assert (facts[b"phase"], facts[b"reason"]) == (b"dead", b"attempts")
    assert (facts[b"failures"], facts[b"crashes"], facts[b"error"]) == (limit, 0, b"last")


def test_nacks_and_lease_ends_spend_the_same_attempts_and_are_counted_apart(
    harness: Harness,
) -> None:
    job_id = push(harness)
    harness.say(f"QNACK q {pop(harness)} DELAY 0 ERROR once")
    pop(harness, "LEASE 10")
    harness.pass_ms(10)
    pop(harness, "LEASE 10")

    harness.pass_ms(9)
    assert harness.phase("q", job_id) == "leased"
    harness.pass_ms(1)

    facts = harness.say(f"QSHOW q {job_id.decode()}")
    assert (facts[b"phase"], facts[b"reason"]) == (b"dead", b"attempts")
    assert (facts[b"failures"], facts[b"crashes"], facts[b"error"]) == (1, 2, b"once")


def test_without_a_limit_a_job_never_dies_of_its_attempts(harness: Harness) -> None:
    harness.say("QUEUE CREATE q ATTEMPTS 0")
    job_id = push(harness)

    for _ in range(50):
        harness.say(f"QNACK q {pop(harness)} DELAY 0")
        pop(harness, "LEASE 1")
        harness.pass_ms(1)

    assert harness.phase("q", job_id) == "ready"
    assert there(harness, job_id).attempts == 100


def test_a_fatal_nack_makes_a_dead_letter_at_once(harness: Harness) -> None:
    job_id = push(harness, options="ATTEMPTS 0")

    assert harness.say(f"QNACK q {pop(harness)} FATAL ERROR 'no such user' WITHDUE") == [-1]

    facts = harness.say(f"QSHOW q {job_id.decode()}")
    assert (facts[b"phase"], facts[b"reason"]) == (b"dead", b"fatal")
    assert (facts[b"failures"], facts[b"error"]) == (1, b"no such user")


def test_the_last_error_stays_until_another_one_is_given(harness: Harness) -> None:
    job_id = push(harness, options="ATTEMPTS 0")

    errors = []
    for option in ("ERROR one", "", "SILENT", "SILENT ERROR two", "FAIL"):
        harness.say(f"QNACK q {pop(harness)} DELAY 0 {option}")
        errors.append(harness.say(f"QSHOW q {job_id.decode()}")[b"error"])

    assert errors == [b"one", b"one", b"one", b"two", b"two"]


def test_a_long_error_is_cut_rather_than_refused(harness: Harness) -> None:
    job_id = push(harness)

    assert harness.say(f"QNACK q {pop(harness)} ERROR {'e' * 5_000}") == 1

    assert harness.say(f"QSHOW q {job_id.decode()}")[b"error"] == b"e" * 4_096


def test_an_error_kept_with_as_many_jobs_as_may_be_does_not_burst_a_transaction() -> None:
    assert COUNT_MAX * ERROR_BYTES_MAX < TRANSACTION_BYTES_MAX


def test_a_nack_of_several_tells_of_each(harness: Harness) -> None:
    push(harness, options="ATTEMPTS 1")
    push(harness, options="BACKOFF FIXED 9 JITTER 0")
    receipts = [pop(harness), "99:1-1", pop(harness)]

    line = f"QNACK q {' '.join(receipts)}"

    assert harness.say(f"{line} WITHDUE") == [-1, -2, START_MS + 9]
    assert harness.say(line) == 0


def test_settings_are_read_when_the_attempt_ends(harness: Harness) -> None:
    job_id = push(harness)
    receipt = pop(harness)

    harness.say("QUEUE SET q ATTEMPTS 1")
    harness.say(f"QNACK q {receipt}")

    assert harness.phase("q", job_id) == "dead"


# Touches.


def test_a_touched_lease_lasts_from_now(harness: Harness) -> None:
    job_id = push(harness)
    receipt = pop(harness, "LEASE 10s")
    harness.pass_ms(9_999)

    assert harness.say(f"QTOUCH q {receipt} LEASE 10s") == [harness.now_ms + 10_000]

    harness.pass_ms(9_999)
    assert harness.phase("q", job_id) == "leased"
    harness.pass_ms(1)
    assert harness.phase("q", job_id) == "ready"


def test_a_touch_may_shorten_a_lease(harness: Harness) -> None:
    job_id = push(harness)
    receipt = pop(harness)

    harness.say(f"QTOUCH q {receipt} LEASE 5")
    harness.pass_ms(5)

    assert harness.phase("q", job_id) == "ready"


def test_a_touch_without_a_lease_takes_the_jobs_own(harness: Harness) -> None:
    push(harness, options="LEASE 5s")
    receipt = pop(harness, "LEASE 1")

    assert harness.say(f"QTOUCH q {receipt} 9:9-9") == [START_MS + 5_000, 0]


# A ttl and a delivery.


def test_a_ttl_does_not_end_a_delivery(harness: Harness) -> None:
    job_id = push(harness, options="TTL 100")
    receipt = pop(harness)

    harness.pass_ms(5_000)

    assert harness.phase("q", job_id) == "leased"
    assert harness.say(f"QACK q {receipt}") == 1


def test_a_job_whose_ttl_passed_in_its_delivery_does_not_come_back(harness: Harness) -> None:
    crashed, failed = push(harness, options="TTL 100"), push(harness, options="TTL 100")
    pop(harness, "LEASE 200")
    receipt = pop(harness)
    harness.pass_ms(150)

    harness.say(f"QNACK q {receipt} DELAY 0 ERROR late")
    harness.pass_ms(50)

    for job_id in (crashed, failed):
        facts = harness.say(f"QSHOW q {job_id.decode()}")
        assert (facts[b"phase"], facts[b"reason"]) == (b"dead", b"expired")
    assert there(harness, crashed).notes.crashes == 1  # type: ignore[union-attr]
    assert there(harness, failed).notes.failures == 1  # type: ignore[union-attr]


@pytest.mark.parametrize("outcome", ["FAIL", "SILENT"])
@pytest.mark.parametrize(("expired", "phase"), [("DEAD", "dead"), ("DROP", "gone")])
def test_a_job_that_would_come_back_when_its_ttl_is_over_is_at_its_end(
    harness: Harness, outcome: str, expired: str, phase: str
) -> None:
    harness.say(f"QUEUE CREATE q EXPIRED {expired}")
    too_late, in_time = push(harness, options="TTL 1s"), push(harness, options="TTL 1s")

    assert harness.say(f"QNACK q {pop(harness)} {outcome} DELAY 1s WITHDUE") == [-1]
    assert harness.say(f"QNACK q {pop(harness)} {outcome} DELAY 999 WITHDUE") == [START_MS + 999]

    assert harness.phase("q", too_late) == phase
    assert harness.phase("q", in_time) == "delayed"
    harness.pass_ms(999)
    assert harness.phase("q", in_time) == "ready"


# Undo: a delivery that never reached its worker.


@pytest.fixture
def lost(harness: Harness) -> Client:
    """A client whose connection ends before its reply is sent."""
    return harness.client()


def test_an_undone_pop_is_ready_in_its_old_place_and_not_counted(
    harness: Harness, lost: Client
) -> None:
    job_id = push(harness, "first", "ATTEMPTS 1")
    push(harness, "second")
    lost.say("QPOP q")

    harness.undo(lost)

    assert ready_payloads(harness) == [b"first", b"second"]
    assert there(harness, job_id).attempts == 0
    totals = harness.queue("q").totals
    assert (totals.undone, totals.redelivered, totals.nacked, totals.expired) == (1, 0, 0, 0)


@pytest.mark.parametrize("options", ["", "NOACK"])
def test_several_pops_undone_stand_as_before(harness: Harness, lost: Client, options: str) -> None:
    for number, priority in enumerate((1, 5, 5, 0, 1, 5)):
        push(harness, f"j{number}", f"PRIORITY {priority}")
    before = ready_payloads(harness)
    lost.say(f"QPOP q COUNT 4 {options}")

    harness.undo(lost)

    assert ready_payloads(harness) == before


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (1, 0, 2)])
def test_the_order_of_undoing_does_not_matter(harness: Harness, order: tuple[int, ...]) -> None:
    for number in range(5):
        push(harness, f"j{number}")
    before = ready_payloads(harness)
    clients = [harness.client() for _ in range(3)]
    for client in clients:
        client.say("QPOP q")

    for index in order:
        harness.undo(clients[index])

    assert ready_payloads(harness) == before


def test_what_was_pushed_meanwhile_stays_behind_an_undone_pop(
    harness: Harness, lost: Client
) -> None:
    push(harness, "old")
    lost.say("QPOP q")
    push(harness, "new")

    harness.undo(lost)

    assert ready_payloads(harness) == [b"old", b"new"]


def test_a_pop_undone_in_a_transaction_goes_back_too(harness: Harness, lost: Client) -> None:
    for name in ("a", "b"):
        push(harness, name)
    for line in ("MULTI", "QPOP q", "QPOP q NOACK", "EXEC"):
        lost.say(line)
    assert harness.say("QLEN q") == 0

    harness.undo(lost)

    assert ready_payloads(harness) == [b"a", b"b"]


def test_a_delivery_that_is_over_is_not_undone(harness: Harness, lost: Client) -> None:
    job_id = push(harness)
    receipt = lost.say("QPOP q LEASE 100")[1].decode()
    harness.pass_ms(100)
    fresh = pop(harness)

    harness.undo(lost)

    assert harness.phase("q", job_id) == "leased"
    assert harness.say(f"QACK q {receipt}") == 0
    assert harness.say(f"QACK q {fresh}") == 1


def test_a_job_taken_without_a_lease_comes_back_as_it_was(harness: Harness, lost: Client) -> None:
    job_id = push(harness, "x", "PRIORITY 7 ID mine TTL 1h ATTEMPTS 9")
    harness.say(f"QNACK q {pop(harness)} DELAY 0 ERROR once")
    before = harness.say("QSHOW q mine")
    lost.say("QPOP q NOACK")
    assert harness.phase("q", job_id) == "gone"

    harness.undo(lost)

    assert harness.say("QSHOW q mine") == before
    totals = harness.queue("q").totals
    assert (totals.pushed, totals.acked, totals.undone, totals.returned) == (1, 1, 1, 1)
    harness.pass_ms(3_600_000)
    assert harness.phase("q", job_id) == "dead"


@pytest.mark.parametrize("options", ["", "NOACK"])
def test_a_pop_of_a_queue_that_was_dropped_is_not_undone(
    harness: Harness, lost: Client, options: str
) -> None:
    push(harness)
    lost.say(f"QPOP q {options}")
    harness.say("QUEUE DROP q")
    push(harness, "new")

    harness.undo(lost)

    assert ready_payloads(harness) == [b"new"]


def test_a_leased_job_that_was_purged_is_not_undone(harness: Harness, lost: Client) -> None:
    push(harness)
    lost.say("QPOP q")
    harness.say("QUEUE PURGE q")

    harness.undo(lost)

    assert ready_payloads(harness) == []


def test_a_job_that_comes_back_finds_its_queue_under_the_new_name(
    harness: Harness, lost: Client
) -> None:
    push(harness)
    lost.say("QPOP q NOACK")
    harness.say("QUEUE RENAME q other")

    harness.undo(lost)

    assert harness.say("QLEN other") == 1


def test_a_taken_job_does_not_come_back_when_its_id_was_pushed_anew(
    harness: Harness, lost: Client
) -> None:
    push(harness, "old", "ID mine")
    harness.pass_ms(600_000)
    lost.say("QPOP q NOACK")
    push(harness, "new", "ID mine")

    harness.undo(lost)

    assert ready_payloads(harness) == [b"new"]


def test_an_undone_pop_whose_ttl_is_over_is_dead(harness: Harness, lost: Client) -> None:
    job_id = push(harness, options="TTL 100")
    lost.say("QPOP q")
    harness.pass_ms(100)

    harness.undo(lost)
    harness.pass_ms(0)

    assert harness.phase("q", job_id) == "dead"


# Restart.


@pytest.mark.parametrize(
    ("lease", "down_ms", "extra_ms"),
    [
        ("60s", 10_000, 50_000),  # Not over yet: it ends when it would have.
        ("10s", 10_000, 10_000),  # Over at the very start: as long again.
        ("10s", 60_000, 10_000),
        ("60s", 60_000, 30_000),  # At most half a minute.
        ("60s", 3_600_000, 30_000),
    ],
)
def test_a_lease_that_ended_while_the_server_was_down_lives_on_for_a_while(
    harness: Harness, lease: str, down_ms: int, extra_ms: int
) -> None:
    job_id = push(harness)
    receipt = pop(harness, f"LEASE {lease}")

    harness.crash(down_ms)

    harness.pass_ms(extra_ms - 1)
    assert harness.phase("q", job_id) == "leased"
    other = push(harness)
    harness.pass_ms(1)
    assert harness.phase("q", job_id) == "ready"
    assert harness.say(f"QACK q {receipt}") == 0
    assert harness.phase("q", other) == "ready"


def test_a_receipt_is_good_after_a_restart(harness: Harness) -> None:
    job_id = push(harness)
    receipt = pop(harness)

    harness.crash(down_ms=60_000)

    assert harness.say(f"QTOUCH q {receipt}") == [harness.now_ms + 30_000]
    assert harness.say(f"QACK q {receipt}") == 1
    assert harness.phase("q", job_id) == "gone"


# What the consumer is told.


def test_withmeta_tells_which_attempt_it_is(harness: Harness) -> None:
    push(harness, options="PRIORITY 4")
    harness.say(f"QNACK q {pop(harness)} DELAY 0 ERROR once")

    meta: dict[bytes, Any] = harness.say("QPOP q WITHMETA LEASE 9s")[3]

    assert meta[b"attempt"] == 2
    assert meta[b"attempts_max"] == 3
    assert meta[b"error"] == b"once"
    assert meta[b"priority"] == b"4"
    assert meta[b"lease_until_ms"] == START_MS + 9_000


def test_who_holds_a_job_is_shown_while_it_is_held(harness: Harness) -> None:
    job_id = push(harness)
    pop(harness, "CONSUMER worker-7 LEASE 10")

    assert harness.say(f"QSHOW q {job_id.decode()}")[b"consumer"] == b"worker-7"
    harness.pass_ms(10)
    assert harness.say(f"QSHOW q {job_id.decode()}")[b"consumer"] == b""
