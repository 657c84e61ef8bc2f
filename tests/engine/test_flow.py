"""DEPENDS, FLOW and QFLOW: jobs that wait for others."""

from __future__ import annotations

from itertools import pairwise

import pytest

from respq.config import FLOW_SLICE
from respq.engine.codec import decode_records
from respq.engine.jobs import flow
from respq.engine.records import ChildrenFreed
from respq.resp.replies import NULL_ARRAY
from tests.harness import START_MS, WAITS, Harness


def push(harness: Harness, payload: str, *parents: str, options: str = "") -> str:
    depends = f" DEPENDS {len(parents)} {' '.join(parents)}" if parents else ""
    job_id: bytes = harness.say(f"QPUSH q {payload} ID {payload}{depends}{options}")
    return job_id.decode()


def done(harness: Harness, payload: str) -> None:
    """Pop a job, which is to be the next, and acknowledge it."""
    _, receipt, got = harness.say("QPOP q")
    assert got.decode() == payload
    assert harness.say(f"QACK q {receipt.decode()}") == 1


def phases(harness: Harness, *ids: str) -> list[str]:
    return [harness.phase("q", each.encode()) for each in ids]


def test_a_job_waits_until_every_parent_is_done(harness: Harness) -> None:
    push(harness, "a")
    push(harness, "b")
    push(harness, "c", "a", "b")
    assert phases(harness, "a", "b", "c") == ["ready", "ready", "blocked"]
    assert harness.say("QSHOW q c")[b"depends"] == [b"a", b"b"]

    done(harness, "a")
    harness.crash()
    assert harness.say("QSHOW q c")[b"depends"] == [b"b"]
    done(harness, "b")

    harness.crash()
    done(harness, "c")
    assert len(harness.queue("q")) == 0


def test_the_end_of_a_parent_and_what_it_frees_are_one_transaction(harness: Harness) -> None:
    push(harness, "a")
    push(harness, "b", "a")
    receipt = harness.say("QPOP q")[1].decode()
    before = len(harness.journal)

    harness.default.pipeline(f"QACK q {receipt}", "QACK q 99:x")

    assert len(harness.journal) == before + 1
    assert phases(harness, "b") == ["ready"]


def test_who_waits_gets_what_is_freed(harness: Harness) -> None:
    push(harness, "a")
    push(harness, "b", "a")
    receipt = harness.say("QPOP q")[1].decode()
    client = harness.client()
    assert client.say("QPOP q BLOCK 0") is WAITS

    harness.say(f"QACK q {receipt}")

    assert [reply[2] for reply in client.inbox] == [b"b"]


def test_a_parent_that_is_kept_when_done_frees_too(harness: Harness) -> None:
    push(harness, "a", options=" KEEP 1h")
    push(harness, "b", "a")
    done(harness, "a")

    assert phases(harness, "a", "b") == ["done", "ready"]
    push(harness, "c", "a")
    assert phases(harness, "c") == ["ready"]


def test_a_pop_for_good_frees(harness: Harness) -> None:
    push(harness, "a")
    push(harness, "b", "a")

    harness.say("QPOP q NOACK")

    assert phases(harness, "b") == ["ready"]


def test_a_retry_frees_nobody(harness: Harness) -> None:
    push(harness, "a")
    push(harness, "b", "a")

    harness.say(f"QNACK q {harness.say('QPOP q')[1].decode()} DELAY 0")

    assert phases(harness, "a", "b") == ["ready", "blocked"]


def test_children_are_freed_in_order_and_after_what_is_ready(harness: Harness) -> None:
    push(harness, "a")
    for each in "bcd":
        push(harness, each, "a", options=" PRIORITY 0")
    harness.say("QMPUSH q 2 e1 e2 DEPENDS 1 a FRONT")
    push(harness, "f", "a", options=" PRIORITY 9")
    push(harness, "z")
    done(harness, "a")

    harness.crash()
    payloads = [payload for _, payload in harness.say("QPEEK q COUNT 9")]
    assert payloads == [b"f", b"e1", b"e2", b"z", b"b", b"c", b"d"]


@pytest.mark.parametrize(
    ("pass_ms", "phase"), [(0, "delayed"), (4_999, "delayed"), (5_000, "ready")]
)
def test_a_delay_counts_from_the_push(harness: Harness, pass_ms: int, phase: str) -> None:
    push(harness, "a")
    push(harness, "b", "a", options=" DELAY 5s")
    harness.pass_ms(pass_ms)
    done(harness, "a")

    assert phases(harness, "b") == [phase]
    harness.pass_ms(5_000)
    done(harness, "b")


def test_a_ttl_ends_a_job_that_is_blocked(harness: Harness) -> None:
    push(harness, "a")
    push(harness, "b", "a", options=" TTL 5s")
    push(harness, "c", "b")

    harness.pass_ms(5_000)

    assert phases(harness, "a", "b", "c") == ["ready", "dead", "dead"]
    done(harness, "a")


def test_a_job_whose_ttl_ends_with_that_of_its_parent_is_a_dead_letter(harness: Harness) -> None:
    harness.say("QUEUE CREATE q KEEPDEAD 1h")
    push(harness, "a", options=" TTL 5s")
    push(harness, "b", "a", options=" TTL 5s")
    push(harness, "c", "b", options=" TTL 5s")

    harness.pass_ms(5_000)

    assert phases(harness, "a", "b", "c") == ["dead"] * 3
    harness.pass_ms(3_600_000)
    assert phases(harness, "a", "b", "c") == ["gone"] * 3


@pytest.mark.parametrize(
    ("line", "how"),
    [
        ("QNACK q {} FATAL", "is dead"),
        ("QDEL q a", "was thrown away"),
        ("QCANCEL q a", "was thrown away"),
    ],
)
def test_a_parent_that_ends_otherwise_takes_its_children_with_it(
    harness: Harness, line: str, how: str
) -> None:
    push(harness, "a")
    push(harness, "b", "a")
    push(harness, "c", "b")
    push(harness, "other")
    push(harness, "d", "other", "a")
    receipt = harness.say("QPOP q")[1].decode()

    harness.say(line.format(receipt))
    if "CANCEL" in line:
        assert phases(harness, "b") == ["blocked"]
        harness.say(f"QACK q {receipt}")

    harness.crash()
    assert phases(harness, "b", "c", "d", "other") == ["dead", "dead", "dead", "ready"]
    facts = harness.say("QSHOW q b")
    assert (facts[b"reason"], facts[b"error"]) == (b"parent", f"its parent a {how}".encode())
    assert harness.say("QSHOW q c")[b"error"] == b"its parent b is dead"


def test_a_parent_that_makes_room_for_its_child_takes_it_with_it(harness: Harness) -> None:
    harness.say("QUEUE CREATE q MAXLEN 2 OVERFLOW DROPOLDEST")
    push(harness, "a")
    push(harness, "b")

    push(harness, "c", "b", "a")

    assert phases(harness, "a", "b", "c") == ["gone", "ready", "dead"]
    assert harness.say("QSHOW q c")[b"error"] == b"its parent a was thrown away"
    harness.crash()
    assert phases(harness, "c") == ["dead"]


def test_a_parent_that_is_replaced_by_its_child_takes_it_with_it(harness: Harness) -> None:
    push(harness, "a", options=" DEDUP k")

    push(harness, "b", "a", options=" DEDUP k ON REPLACE")

    assert phases(harness, "a", "b") == ["gone", "dead"]
    harness.crash()
    assert phases(harness, "b") == ["dead"]


def test_a_child_that_is_redriven_waits_for_nobody(harness: Harness) -> None:
    push(harness, "a")
    push(harness, "b", "a")
    harness.say("QDEL q a")

    assert harness.say("QDLQ REDRIVE q") == 1

    done(harness, "b")


def test_a_child_that_is_cancelled_or_thrown_away_waits_no_more(harness: Harness) -> None:
    push(harness, "a")
    push(harness, "b", "a")
    push(harness, "c", "a")

    assert harness.say("QCANCEL q b") == 1
    assert harness.say("QDEL q c") == 1
    done(harness, "a")

    assert len(harness.queue("q")) == 0


def test_a_purge_and_a_drop_take_all(harness: Harness) -> None:
    push(harness, "a")
    push(harness, "b", "a")
    assert harness.say("QUEUE PURGE q") == 2
    push(harness, "c")
    push(harness, "d", "c")
    harness.say("QUEUE DROP q")
    assert harness.say("EXISTS q") == 0


def test_blocked_jobs_count_for_the_limit_and_hold_their_key(harness: Harness) -> None:
    harness.say("QUEUE CREATE q MAXLEN 2")
    push(harness, "a")
    push(harness, "b", "a", options=" DEDUP k")

    assert harness.refusal("QPUSH q c").startswith("MAXLEN ")
    assert harness.say("QPUSH q c DEDUP k") == b"b"
    stats = harness.say("QSTATS q")[b"q"]
    assert (stats[b"ready"], stats[b"blocked"]) == (1, 1)
    assert harness.say("QSCAN q 0 STATE BLOCKED")[1] == [b"b"]


def test_a_blocked_job_is_edited(harness: Harness) -> None:
    push(harness, "a")
    push(harness, "b", "a")

    harness.say("QEDIT q b PAYLOAD new PRIORITY 3 DELAY 5s")
    done(harness, "a")

    assert phases(harness, "b") == ["delayed"]
    harness.pass_ms(5_000)
    done(harness, "new")


def test_several_jobs_wait_for_the_same(harness: Harness) -> None:
    push(harness, "a")
    ids = harness.say("QMPUSH q 3 x y z DEPENDS 1 a")
    assert phases(harness, *[each.decode() for each in ids]) == ["blocked"] * 3

    done(harness, "a")

    assert [job[2] for job in harness.say("QPOP q COUNT 9")] == [b"x", b"y", b"z"]


# Which parents may be named.


def test_a_parent_that_is_gone_was_done(harness: Harness) -> None:
    server_made = harness.say("QPUSH q a").decode()
    push(harness, "b")
    harness.say("QPOP q COUNT 2 NOACK")

    assert push(harness, "c", server_made, "b") == "c"

    assert phases(harness, "c") == ["ready"]


def test_a_parent_that_never_was_is_refused(harness: Harness) -> None:
    push(harness, "a")
    number = harness.engine.state.next_number

    for parent in ("none", f"{START_MS}-{number}", f"{START_MS + 1}-1", "1-99999999999999999999"):
        refusal = harness.refusal(f"QPUSH q x DEPENDS 2 a {parent}")
        assert refusal == f"NOJOB there is no job '{parent}' to wait for: push it first"
    assert harness.refusal("QPUSH nowhere x DEPENDS 1 a").startswith("NOJOB ")
    assert harness.say("EXISTS nowhere") == 0


def test_a_dead_parent_is_refused(harness: Harness) -> None:
    push(harness, "a")
    harness.say(f"QNACK q {harness.say('QPOP q')[1].decode()} FATAL")

    assert harness.refusal("QPUSH q x DEPENDS 1 a") == (
        "STATE job 'a' is dead: nothing can wait for it"
    )


def test_a_job_does_not_wait_for_itself(harness: Harness) -> None:
    assert harness.refusal("QPUSH q x ID x DEPENDS 1 x") == "CYCLE job 'x' would wait for itself"
    push(harness, "a")
    # A repetition is told so before its parents are looked at.
    assert harness.say("QPUSH q a ID a DEPENDS 1 a") == b"a"


def test_what_cannot_be_read(harness: Harness) -> None:
    shape = "ERR syntax error near 'DEPENDS': DEPENDS numids id [id ...]"
    for words in ("", " 0", " x a", " 2 a", " -1 a"):
        assert harness.refusal(f"QPUSH q x DEPENDS{words}") == shape
    assert harness.refusal("QPUSH q x DEPENDS 1 a b") == "ERR syntax error near 'b'"
    many = " ".join(["a"] * 1_001)
    assert harness.refusal(f"QPUSH q x DEPENDS 1001 {many}") == (
        "ERR the number of DEPENDS is from 1 to 1000, not 1001"
    )


# Many.


@pytest.fixture
def children(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have 35 jobs wait for one, and be told in slices of 10."""
    monkeypatch.setattr(flow, "FLOW_SLICE", 10)
    push(harness, "a")
    harness.say(f"QMPUSH q 35 {' '.join(['x'] * 35)} DEPENDS 1 a")


@pytest.mark.usefixtures("children")
def test_many_children_are_freed_in_slices(harness: Harness) -> None:
    receipt = harness.say("QPOP q")[1].decode()

    harness.say(f"QACK q {receipt}")

    assert harness.say("QLEN q") == 10
    assert harness.broker.next_deadline_ms() == 0
    harness.broker.tick(harness.now_ms)
    harness.settle()
    assert harness.say("QLEN q") == 20
    # What is left is found again after a crash.
    harness.crash()
    harness.pass_ms(0)
    assert harness.say("QLEN q") == 35


@pytest.mark.usefixtures("children")
def test_many_children_of_a_dead_parent_die_in_slices(harness: Harness) -> None:

    harness.say(f"QNACK q {harness.say('QPOP q')[1].decode()} FATAL")

    assert harness.say("QDLQ COUNT q") == 11
    harness.crash()
    harness.pass_ms(0)
    assert harness.say("QDLQ COUNT q") == 36


@pytest.mark.usefixtures("children")
def test_a_dead_parent_is_not_forgotten_before_its_children_are_told(harness: Harness) -> None:
    harness.say(f"QNACK q {harness.say('QPOP q')[1].decode()} FATAL")

    assert harness.say("QDLQ PURGE q") == 11

    # The others are told that their parent was thrown away.
    harness.crash()
    harness.pass_ms(0)
    assert harness.say("QDLQ COUNT q") == len(harness.queue("q")) == 25


@pytest.mark.parametrize("end", ["QACK q {}", "QNACK q {} FATAL"])
def test_a_fan_of_10_000_and_a_chain_of_10_000(harness: Harness, end: str) -> None:
    harness.engine.push(harness.now_ms, 0, b"q", [b"root"])
    root = harness.say("QPEEK q")[0].decode()
    harness.say(f"QMPUSH q 10000 {' '.join(['x'] * 10_000)} DEPENDS 1 {root}")
    last = root
    for _ in range(100):
        # A hundred links of the chain, each with a hundred beside it.
        ids = harness.say(f"QMPUSH q 100 {' '.join(['y'] * 100)} DEPENDS 1 {last}")
        last = ids[-1].decode()

    harness.say(end.format(harness.say("QPOP q")[1].decode()))
    harness.pass_ms(0)

    stats = harness.say("QSTATS q")[b"q"]
    if "NACK" in end:
        assert (stats[b"dead"], stats[b"blocked"]) == (20_001, 0)
    else:
        assert (stats[b"ready"], stats[b"blocked"]) == (10_100, 9_900)


def test_slices_are_small_records(harness: Harness) -> None:
    push(harness, "a")
    harness.say(f"QMPUSH q 1200 {' '.join(['x'] * 1_200)} DEPENDS 1 a")
    before = len(harness.journal)

    harness.say("QPOP q NOACK")
    harness.pass_ms(0)

    records = [each for body in harness.journal[before:] for each in decode_records(body)]
    freed = [each for each in records if isinstance(each, ChildrenFreed)]
    assert [len(each.numbers) for each in freed] == [FLOW_SLICE, FLOW_SLICE, 200]
    assert all(earlier.order < later.order for earlier, later in pairwise(freed))


# Flows by name.


def test_a_flow_is_shown_and_cancelled(harness: Harness) -> None:
    push(harness, "a", options=" FLOW f NAME fetch KEEP 1h")
    push(harness, "b", "a", options=" FLOW f")
    push(harness, "c", "b", options=" FLOW f")
    push(harness, "other", "a")
    done(harness, "a")
    harness.crash()

    shown = harness.say("QFLOW SHOW q f")
    counts = {name: count for name, count in shown.items() if count and name != b"jobs"}
    assert counts == {b"done": 1, b"ready": 1, b"blocked": 1}
    assert shown[b"jobs"] == [
        [b"a", b"done", b"fetch"],
        [b"b", b"ready", b""],
        [b"c", b"blocked", b""],
    ]
    assert harness.say("QFLOW SHOW q f COUNT 1")[b"jobs"] == [[b"a", b"done", b"fetch"]]

    assert harness.say("QFLOW CANCEL q f REASON enough") == 2

    assert phases(harness, "a", "b", "c", "other") == ["done", "gone", "gone", "ready"]
    assert harness.say("QFLOW CANCEL q f") == 0
    assert harness.queue("q").totals.cancelled == 2


def test_cancelling_a_flow_takes_those_with_it_that_wait_for_it(harness: Harness) -> None:
    push(harness, "a", options=" FLOW f")
    push(harness, "outside", "a")

    harness.say("QFLOW CANCEL q f")

    assert phases(harness, "a", "outside") == ["gone", "dead"]


def test_a_job_of_a_flow_that_is_held_is_told(harness: Harness) -> None:
    push(harness, "a", options=" FLOW f")
    receipt = harness.say("QPOP q")[1].decode()

    assert harness.say("QFLOW CANCEL q f") == 1

    assert harness.say(f"QTOUCH q {receipt}") == [-1]


def test_a_flow_that_is_not_there_is_empty(harness: Harness) -> None:
    push(harness, "a")

    assert harness.say("QFLOW SHOW q none")[b"jobs"] == []
    assert harness.say("QFLOW CANCEL q none") == 0
    assert harness.refusal("QFLOW SHOW nowhere f").startswith("NOQUEUE ")
    assert harness.say("QPOP q") is not NULL_ARRAY


@pytest.mark.parametrize("crashes", [False, True])
def test_a_flow_of_many_jobs_is_cancelled_in_slices(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, crashes: bool
) -> None:
    monkeypatch.setattr(flow, "CANCEL_SLICE", 3)
    push(harness, "first", options=" FLOW f")
    harness.say(f"QMPUSH q 10 {' '.join('0123456789')} FLOW f DEPENDS 1 first")
    receipt = harness.say("QPOP q")[1].decode()

    assert harness.say("QFLOW CANCEL q f REASON enough") == 11
    assert harness.queue("q").blocked_count == 7
    push(harness, "later", options=" FLOW f")
    harness.say(f"QACK q {receipt}")  # It is not cancelled yet, and frees what is not either.
    if crashes:
        harness.crash()
    harness.pass_ms(0)

    assert harness.queue("q").totals.cancelled == 10
    assert [id for id, _, _ in harness.say("QFLOW SHOW q f")[b"jobs"]] == [b"later"]
    assert harness.queue("q").cancelling == {}
    assert harness.broker.next_deadline_ms() > harness.now_ms


@pytest.mark.parametrize("end", ["QUEUE PURGE q", "QUEUE DROP q"])
def test_a_queue_may_be_emptied_while_a_flow_is_being_cancelled(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(flow, "CANCEL_SLICE", 3)
    harness.say(f"QMPUSH q 10 {' '.join('0123456789')} FLOW f")
    harness.say("QFLOW CANCEL q f")
    harness.say(end)
    harness.pass_ms(0)

    assert harness.say("QLEN q") == 0
    assert not harness.engine.state.is_behind


def test_two_flows_are_cancelled_one_after_the_other(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "CANCEL_SLICE", 3)
    for name in "fg":
        harness.say(f"QMPUSH q 10 {' '.join('0123456789')} FLOW {name}")
        assert harness.say(f"QFLOW CANCEL q {name}") == 10
    harness.pass_ms(0)

    assert harness.say("QLEN q") == 0
    assert harness.queue("q").totals.cancelled == 20


THROWN_AWAY = {
    "QUEUE PURGE q STATE READY": 0,
    "QFLOW CANCEL q f": 0,
    "QDEL q {ids}": 0,
    "QMPUSH q 9 1 2 3 4 5 6 7 8 9": 9,
}


@pytest.mark.parametrize("command", THROWN_AWAY)
def test_children_of_parents_that_are_thrown_away_are_told_before_a_crash(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(flow, "FLOW_SLICE", 2)
    harness.say("QUEUE CREATE q MAXLEN 18 OVERFLOW DROPOLDEST")
    parents = [each.decode() for each in harness.say("QMPUSH q 9 a b c d e f g h i FLOW f")]
    children = [harness.say(f"QPUSH q x DEPENDS 1 {parent}").decode() for parent in parents]

    harness.say(command.format(ids=" ".join(parents)))
    harness.crash()  # Before any other turn.
    harness.pass_ms(0)

    assert phases(harness, *children) == ["dead"] * 9
    assert harness.say("QLEN q") == THROWN_AWAY[command]


def test_a_dead_parent_may_be_thrown_away_before_all_its_children_are_told(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "FLOW_SLICE", 2)
    push(harness, "a")
    children = [harness.say("QPUSH q x DEPENDS 1 a").decode() for _ in range(9)]
    harness.say(f"QNACK q {harness.say('QPOP q')[1].decode()} FATAL")

    assert harness.say("QDEL q a") == 1
    harness.crash()
    harness.pass_ms(0)

    assert phases(harness, *children) == ["dead"] * 9


def test_a_parent_that_is_done_may_be_thrown_away_before_all_its_children_are_told(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "FLOW_SLICE", 2)
    push(harness, "a", options=" KEEP 1h")
    children = [harness.say("QPUSH q x DEPENDS 1 a").decode() for _ in range(9)]
    done(harness, "a")

    assert harness.say("QUEUE PURGE q STATE DONE") == 1
    harness.crash()
    harness.pass_ms(0)

    assert phases(harness, *children) == ["ready"] * 9


@pytest.mark.parametrize("end", ["QDEL q a", "QCANCEL q a", "QUEUE PURGE q STATE READY"])
@pytest.mark.parametrize("slices", range(6))
def test_children_of_one_that_is_thrown_away_are_told_in_slices(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, end: str, slices: int
) -> None:
    monkeypatch.setattr(flow, "FLOW_SLICE", 2)
    push(harness, "a")
    children = [harness.say("QPUSH q x DEPENDS 1 a").decode() for _ in range(9)]

    harness.say(end)
    for told in range(slices):
        assert harness.say("QDLQ COUNT q") == min(2 + 2 * told, 9)
        harness.broker.tick(harness.now_ms)
        harness.settle()
    harness.crash()
    harness.pass_ms(0)

    assert phases(harness, *children) == ["dead"] * 9
    errors = {harness.say(f"QSHOW q {each}")[b"error"] for each in children}
    assert errors == {b"its parent a was thrown away"}
    assert harness.queue("q").orphaned == {}


def test_nothing_is_left_of_a_parent_whose_children_went_before_they_were_told(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "FLOW_SLICE", 1)
    push(harness, "a")
    children = [harness.say("QPUSH q x DEPENDS 1 a").decode() for _ in range(3)]
    harness.say("QDEL q a")
    assert len(harness.queue("q").orphaned) == 1

    harness.say(f"QDEL q {' '.join(children)}")

    assert harness.queue("q").orphaned == {}
    harness.crash()
    assert harness.queue("q").orphaned == {}


@pytest.mark.parametrize("end", ["QUEUE PURGE q", "QUEUE DROP q"])
def test_a_queue_may_be_emptied_before_all_children_are_told(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(flow, "FLOW_SLICE", 1)
    push(harness, "a")
    for _ in range(3):
        harness.say("QPUSH q x DEPENDS 1 a")
    harness.say("QDEL q a")

    harness.say(end)
    harness.pass_ms(0)
    harness.say("QPUSH q y")

    assert harness.say("QLEN q") == 1
