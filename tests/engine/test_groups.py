"""GROUP, GROUPCONCURRENCY and FAIR."""

from __future__ import annotations

from collections import Counter

import pytest

from respq.resp.replies import NULL_ARRAY, OK
from tests.harness import WAITS, Harness


def push(harness: Harness, payloads: str, group: str = "", options: str = "") -> None:
    for payload in payloads.split():
        harness.say(f"QPUSH q {payload}{f' GROUP {group}' if group else ''}{options}")


def pop(harness: Harness) -> tuple[bytes, str] | None:
    """Pop a job; return its payload and its receipt."""
    reply = harness.say("QPOP q")
    return None if reply is NULL_ARRAY else (reply[2], reply[1].decode())


def pop_all(harness: Harness) -> list[bytes]:
    return [payload for _, _, payload in harness.say("QPOP q COUNT 999")]


@pytest.fixture
def strict(harness: Harness) -> Harness:
    harness.say("QUEUE CREATE q GROUPCONCURRENCY 1")
    push(harness, "a1 a2 a3", "a")
    push(harness, "b1 b2", "b")
    return harness


def test_without_a_setting_a_group_is_only_a_name(harness: Harness) -> None:
    push(harness, "a1 a2", "a")
    push(harness, "b1", "b")

    assert pop_all(harness) == [b"a1", b"a2", b"b1"]
    assert harness.say("QSHOW q 1700000000000-2")[b"group"] == b"a"


def test_no_more_of_a_group_are_out_than_may_be(strict: Harness) -> None:
    assert pop_all(strict) == [b"a1", b"b1"]
    assert pop(strict) is None
    assert strict.say("QLEN q") == 3
    strict.crash()
    assert pop(strict) is None


def test_the_next_of_a_group_goes_out_when_one_is_done(strict: Harness) -> None:
    taken = [pop(strict), pop(strict)]
    assert taken[0] is not None
    client = strict.client()
    assert client.say("QPOP q BLOCK 0") is WAITS

    strict.say(f"QACK q {taken[0][1]}")

    assert [reply[2] for reply in client.inbox] == [b"a2"]
    assert pop(strict) is None


@pytest.mark.parametrize("limit", [2, 3])
def test_a_limit_may_be_larger(harness: Harness, limit: int) -> None:
    harness.say(f"QUEUE CREATE q GROUPCONCURRENCY {limit}")
    push(harness, "a1 a2 a3 a4", "a")
    push(harness, "b1", "b")

    assert pop_all(harness) == [b"a%d" % each for each in range(1, limit + 1)] + [b"b1"]


def test_jobs_without_a_group_have_no_limit(strict: Harness) -> None:
    push(strict, "x y z")

    assert pop_all(strict) == [b"a1", b"b1", b"x", b"y", b"z"]


@pytest.mark.parametrize(
    "back",
    ["QNACK q {} DELAY 0", "QNACK q {} SILENT", "QNACK q {} DELAY 5s", "lease", "QNACK q {}"],
)
def test_strict_order_holds_over_retries(strict: Harness, back: str) -> None:
    taken = pop(strict)
    assert taken is not None
    assert taken[0] == b"a1"

    if back == "lease":
        strict.pass_ms(30_000)
    else:
        strict.say(back.format(taken[1]))
    # While it waits to be tried again nothing overtakes it, after a crash too.
    strict.crash()
    popped = pop_all(strict)
    if b"a1" not in popped:
        strict.pass_ms(5_000)
        popped += pop_all(strict)

    assert popped in ([b"a1", b"b1"], [b"b1", b"a1"])


def test_a_job_that_dies_lets_the_next_one_go(strict: Harness) -> None:
    taken = pop(strict)
    assert taken is not None

    strict.say(f"QNACK q {taken[1]} FATAL")

    assert pop_all(strict) == [b"a2", b"b1"]


@pytest.mark.parametrize("line", ["QDEL q {}", "QCANCEL q {}"])
def test_a_job_that_waits_to_be_tried_again_and_is_thrown_away_lets_the_next_one_go(
    strict: Harness, line: str
) -> None:
    taken = pop(strict)
    assert taken is not None
    strict.say(f"QNACK q {taken[1]} DELAY 1h")
    assert pop_all(strict) == [b"b1"]

    strict.say(line.format(taken[1].partition(":")[2]))

    assert pop_all(strict) == [b"a2"]


def test_with_a_larger_limit_a_retry_holds_nobody(harness: Harness) -> None:
    harness.say("QUEUE CREATE q GROUPCONCURRENCY 2")
    push(harness, "a1 a2 a3", "a")
    taken = pop(harness)
    assert taken is not None

    harness.say(f"QNACK q {taken[1]} DELAY 1h")

    assert pop_all(harness) == [b"a2", b"a3"]


def test_a_job_that_was_only_delayed_holds_nobody(strict: Harness) -> None:
    push(strict, "c1", "c", " DELAY 5s")
    push(strict, "c2", "c")

    assert pop_all(strict) == [b"a1", b"b1", b"c2"]


def test_priorities_come_first_within_and_between_groups(strict: Harness) -> None:
    push(strict, "b9", "b", " PRIORITY 9")
    push(strict, "c5", "c", " PRIORITY 5")

    assert pop_all(strict) == [b"b9", b"c5", b"a1"]


@pytest.mark.parametrize("order", ["ORDER MIN", "ORDER MAX PRIORITIES TEXT"])
def test_every_kind_of_priority_is_ordered(harness: Harness, order: str) -> None:
    harness.say(f"QUEUE CREATE q GROUPCONCURRENCY 1 {order}")
    for priority in (3, 1, 2):
        push(harness, f"p{priority}", f"g{priority}", f" PRIORITY {priority}")

    expected = [b"p1", b"p2", b"p3"] if "MIN" in order else [b"p3", b"p2", b"p1"]
    assert [payload for _, payload in harness.say("QPEEK q COUNT 9")] == expected
    assert pop_all(harness) == expected


def test_a_job_put_in_front_is_first_of_its_group(strict: Harness) -> None:
    push(strict, "a0", "a", " FRONT")

    assert pop_all(strict) == [b"a0", b"b1"]


def test_an_undone_pop_frees_the_group(strict: Harness) -> None:
    client = strict.client()
    client.say("QPOP q")

    strict.undo(client)

    assert pop_all(strict) == [b"a1", b"b1"]


def test_a_pipeline_of_pops_and_acks_keeps_to_it(strict: Harness) -> None:
    replies = strict.default.pipeline("QPOP q", "QPOP q", "QPOP q")

    assert [reply and reply[2] for reply in replies] == [b"a1", b"b1", None]
    acks = [f"QACK q {reply[1].decode()}" for reply in replies if reply]
    assert strict.default.pipeline(*acks) == [1, 1]
    assert pop_all(strict) == [b"a2", b"b2"]


def test_pops_for_good_hold_nobody(strict: Harness) -> None:
    jobs = strict.say("QPOP q COUNT 9 NOACK")

    assert [payload for _, _, payload in jobs] == [b"a1", b"a2", b"a3", b"b1", b"b2"]


def test_a_pop_for_good_waits_for_a_group_that_is_held(strict: Harness) -> None:
    assert pop_all(strict) == [b"a1", b"b1"]

    assert strict.say("QPOP q NOACK") is NULL_ARRAY


def test_a_ttl_that_is_over_frees_nobody_and_holds_nobody(strict: Harness) -> None:
    push(strict, "c1", "c", " TTL 1s")
    push(strict, "c2", "c")
    strict.pass_ms(1_000)

    assert pop_all(strict) == [b"a1", b"b1", b"c2"]


def test_a_setting_may_come_and_go(harness: Harness) -> None:
    push(harness, "a1 a2 a3", "a")
    push(harness, "b1", "b")
    harness.say("QUEUE SET q GROUPCONCURRENCY 1")
    assert pop_all(harness) == [b"a1", b"b1"]
    harness.say("QUEUE SET q GROUPCONCURRENCY 2")
    assert pop_all(harness) == [b"a2"]
    client = harness.client()
    assert client.say("QPOP q BLOCK 0") is WAITS

    harness.say("QUEUE SET q GROUPCONCURRENCY 0")

    assert [reply[2] for reply in client.inbox] == [b"a3"]
    harness.crash()
    assert harness.say("QUEUE GET q")[b"GROUPCONCURRENCY"] == 0


def test_a_large_queue_is_not_put_into_another_order(harness: Harness) -> None:
    for _ in range(2):
        harness.say("QMPUSH q 5001 " + " ".join(["x"] * 5_001))

    assert harness.refusal("QUEUE SET q FAIR YES").startswith("STATE queue 'q' holds 10002 jobs")
    assert harness.say("QUEUE SET q FAIR NO GROUPCONCURRENCY 0 LEASE 5s") == OK


def test_a_purge_and_the_oldest_leave_no_group(strict: Harness) -> None:
    pop(strict)
    strict.say("QUEUE SET q MAXLEN 4 OVERFLOW DROPOLDEST")
    push(strict, "c", "c", " PRIORITY 3")
    assert [payload for _, payload in strict.say("QPEEK q COUNT 9")] == [b"c", b"a3", b"b1", b"b2"]
    assert strict.say("QSTATS q")[b"q"][b"oldest_ready_ms"] == 0

    strict.say("QUEUE PURGE q")

    assert strict.say("QLEN q") == 0
    push(strict, "a9", "a")
    assert pop_all(strict) == [b"a9"]


def test_editing_keeps_to_the_group(strict: Harness) -> None:
    strict.say("QEDIT q 1700000000000-2 PRIORITY -1")
    strict.say("QEDIT q 1700000000000-3 PAYLOAD a2x")

    assert pop_all(strict) == [b"a2x", b"b1"]


# Taking turns.


def test_groups_take_turns(harness: Harness) -> None:
    harness.say("QUEUE CREATE q FAIR YES")
    push(harness, "a1 a2 a3 a4", "a")
    push(harness, "b1 b2", "b")
    push(harness, "x1")

    assert pop_all(harness) == [b"a1", b"b1", b"x1", b"a2", b"b2", b"a3", b"a4"]


def test_one_noisy_group_does_not_starve_the_others(harness: Harness) -> None:
    harness.say("QUEUE CREATE q FAIR YES")
    harness.say("QMPUSH q 5000 " + " ".join(["noisy"] * 5_000) + " GROUP noisy")
    for number in range(9):
        harness.say(f"QMPUSH q 100 {' '.join([f'g{number}'] * 100)} GROUP g{number}")

    served = Counter(payload for _, _, payload in harness.say("QPOP q COUNT 500"))

    shares = list(served.values())
    assert len(shares) == 10
    # Jain's index of fairness: 1 if all get the same, 1 / n if one gets all.
    assert sum(shares) ** 2 / (len(shares) * sum(each**2 for each in shares)) >= 0.95


def test_the_most_urgent_priority_takes_its_turn_first(harness: Harness) -> None:
    harness.say("QUEUE CREATE q FAIR YES")
    push(harness, "a1 a2", "a")
    push(harness, "b1", "b")
    push(harness, "a8 a9", "a", " PRIORITY 9")

    assert pop_all(harness) == [b"a8", b"a9", b"b1", b"a1", b"a2"]


def test_a_group_that_comes_later_does_not_catch_up(harness: Harness) -> None:
    harness.say("QUEUE CREATE q FAIR YES")
    push(harness, "a1 a2 a3 a4 a5", "a")
    harness.say("QPOP q COUNT 3 NOACK")
    push(harness, "b1 b2 b3", "b")

    assert pop_all(harness) == [b"a4", b"b1", b"a5", b"b2", b"b3"]


def test_turns_and_a_limit_go_together(harness: Harness) -> None:
    harness.say("QUEUE CREATE q FAIR YES GROUPCONCURRENCY 1")
    push(harness, "a1 a2", "a")
    push(harness, "b1 b2", "b")
    first = harness.say("QPOP q COUNT 2")
    assert pop(harness) is None

    harness.say(f"QACK q {first[1][1].decode()}")
    harness.say(f"QACK q {first[0][1].decode()}")

    assert pop_all(harness) == [b"a2", b"b2"]


def test_a_group_needs_a_name(harness: Harness) -> None:
    assert harness.refusal("QPUSH q a GROUP ''").startswith("ERR GROUP is empty")
    assert harness.refusal("QUEUE CREATE q FAIR maybe").startswith("ERR FAIR is one of NO, YES")


@pytest.mark.parametrize("end", ["QDEL q {}", "QCANCEL q {}", "QPUSH q x DEDUP k ON REPLACE"])
def test_a_group_keeps_its_turn_when_a_job_of_it_is_gone_otherwise(
    harness: Harness, end: str
) -> None:
    harness.say("QUEUE CREATE q FAIR YES")
    first = harness.say("QPUSH q a1 GROUP a DEDUP k").decode()
    harness.say("QPUSH q a2 GROUP a")
    harness.say("QPUSH q b1 GROUP b")

    harness.say(end.format(first))

    # It gave out nothing, and has waited for longer than the other.
    assert harness.say("QPOP q NOACK")[2] == b"a2"
    assert harness.say("QPOP q NOACK")[2] == b"b1"


def test_a_group_keeps_its_turn_when_a_job_of_it_dies_or_makes_room(harness: Harness) -> None:
    harness.say("QUEUE CREATE q FAIR YES MAXLEN 4 OVERFLOW DROPOLDEST")
    harness.say("QPUSH q a1 GROUP a TTL 5")
    harness.say("QMPUSH q 2 a2 a3 GROUP a")
    harness.say("QPUSH q b1 GROUP b")

    harness.pass_ms(5)
    harness.say("QMPUSH q 2 b2 b3 GROUP b")

    assert harness.say("QPOP q NOACK")[2] == b"a3"
    assert harness.say("QPOP q NOACK")[2] == b"b1"
