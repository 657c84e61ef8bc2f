"""QWORKER: who is known, what each holds, and what each is told to do."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from respq.config import UNSEEN_WORKER_MS
from respq.engine.jobs import workers
from respq.errors import RespqError
from respq.resp.replies import OK
from tests.harness import START_MS, WAITS, Client, Harness, discard, image

QUIET_TEXT = f"worker 'w1' is quiet since {START_MS}: QWORKER RESUME lets it take jobs"
STOP_TEXT = f"worker 'w1' is to stop since {START_MS}: give back what it holds, and end"


def listed(harness: Harness) -> dict[str, tuple[str, int, int]]:
    """Return state, number of held jobs and seen_ms, by name."""
    return {
        facts[b"name"].decode(): (facts[b"state"].decode(), facts[b"held"], facts[b"seen_ms"])
        for facts in harness.say("QWORKER LIST")
    }


def show(harness: Harness, name: str = "w1") -> dict[str, Any]:
    facts: dict[bytes, Any] = harness.say(f"QWORKER SHOW {name}")
    return {key.decode(): value for key, value in facts.items()}


def pop(harness: Harness, name: str = "w1", options: str = "") -> str:
    receipt: bytes = harness.say(f"QPOP q CONSUMER {name}{options}")[1]
    return receipt.decode()


def error(reply: object) -> str:
    assert isinstance(reply, RespqError), reply
    return f"{reply.prefix} {reply}"


def told(client: Client) -> list[str]:
    return [error(reply) for reply in client.inbox]


# Who is known.


def test_a_worker_is_known_from_its_first_pop(harness: Harness) -> None:
    assert harness.say("QWORKER LIST") == []

    harness.say("QPOP q CONSUMER w1")

    assert listed(harness) == {"w1": ("active", 0, START_MS)}


def test_who_names_no_consumer_is_not_known(harness: Harness) -> None:
    harness.say("QMPUSH q 3 a b c")

    harness.say("QPOP q")
    harness.say("QMPOP 1 q")
    harness.say("QPOP q NOACK")

    assert harness.say("QWORKER LIST") == []


def test_workers_are_listed_by_name_over_all_databases(harness: Harness) -> None:
    harness.say("QPOP q CONSUMER w2")
    harness.say("SELECT 3")
    harness.say("QMPOP 2 q r CONSUMER w1")

    assert [*listed(harness)] == ["w1", "w2"]


def test_what_it_holds_is_shown_in_the_order_in_which_it_got_it(harness: Harness) -> None:
    harness.say("QMPUSH q 2 a b")
    harness.say("QPOP q COUNT 2 CONSUMER w1")
    harness.say("SELECT 3")
    harness.say("QPUSH r c ID mine")
    harness.pass_ms(5)
    harness.say("QMPOP 1 r CONSUMER w1 LEASE 1h")

    facts = show(harness)

    assert (facts["held"], facts["popped"]) == (3, 3)
    assert facts["jobs"] == [
        [b"q", b"%d-2" % START_MS, START_MS + 30_000, 0],
        [b"q", b"%d-3" % START_MS, START_MS + 30_000, 0],
        [b"r", b"mine", START_MS + 5 + 3_600_000, 3],
    ]
    assert (facts["first_seen_ms"], facts["seen_ms"]) == (START_MS, START_MS + 5)
    assert (facts["state"], facts["ordered_ms"], facts["by"]) == (b"active", 0, b"")


@pytest.mark.parametrize(
    "line",
    [
        "QACK q {}",
        "QACK q {} RESULT 42",
        "QNACK q {}",
        "QNACK q {} SILENT",
        "QNACK q {} FATAL",
        "QMOVE q r {}",
        "QUEUE PURGE q",
        "QUEUE PURGE q STATE LEASED",
        "QUEUE DROP q",
    ],
)
def test_a_job_is_not_held_any_more_however_its_delivery_ends(harness: Harness, line: str) -> None:
    harness.say("QPUSH q a")
    receipt = pop(harness)
    assert show(harness)["held"] == 1

    harness.say(line.format(receipt))

    assert (show(harness)["held"], show(harness)["jobs"]) == (0, [])


def test_nor_when_its_lease_ends(harness: Harness) -> None:
    harness.say("QPUSH q a")
    pop(harness)

    harness.pass_ms(29_999)
    assert show(harness)["held"] == 1
    harness.pass_ms(1)
    assert show(harness)["held"] == 0


def test_nor_when_its_reply_never_reached_it(harness: Harness) -> None:
    harness.say("QPUSH q a")
    pop(harness)

    harness.undo(harness.default)

    assert show(harness)["held"] == 0
    assert pop(harness, "w2")
    assert [show(harness, name)["held"] for name in ("w1", "w2")] == [0, 1]


def test_a_job_that_was_given_for_good_counts_and_is_not_held(harness: Harness) -> None:
    harness.say("QPUSH q a")

    harness.say("QPOP q NOACK CONSUMER w1")

    assert (show(harness)["popped"], show(harness)["held"]) == (1, 0)


def test_a_pop_and_a_touch_are_signs_of_life(harness: Harness) -> None:
    harness.say("QPUSH q a")
    receipt = pop(harness, options=" LEASE 1h")
    harness.pass_ms(5)
    assert show(harness)["seen_ms"] == START_MS

    harness.say(f"QTOUCH q {receipt}")
    assert show(harness)["seen_ms"] == START_MS + 5
    harness.pass_ms(2)
    harness.say("QPOP empty CONSUMER w1")
    assert show(harness)["seen_ms"] == START_MS + 7


def test_who_waits_is_there_however_long_ago_it_asked(harness: Harness) -> None:
    waiting = harness.client()
    assert waiting.say("QPOP q BLOCK 0 CONSUMER w1") is WAITS

    harness.pass_ms(3 * UNSEEN_WORKER_MS)

    assert listed(harness) == {"w1": ("active", 0, harness.now_ms)}
    assert show(harness)["first_seen_ms"] == START_MS


def test_no_more_than_a_thousand_of_its_jobs_are_named(harness: Harness) -> None:
    for _ in range(11):
        harness.say("QMPUSH q 100 " + "x " * 100)
    harness.say("QPOP q COUNT 1001 CONSUMER w1")

    facts = show(harness)

    assert (facts["held"], len(facts["jobs"])) == (1_001, 1_000)


def test_a_worker_that_nobody_knows_cannot_be_shown(harness: Harness) -> None:
    refused = harness.refusal("QWORKER SHOW w9")

    assert refused == "ERR no such worker 'w9': QWORKER LIST names those there are"


@pytest.mark.parametrize("command", ["SHOW", "QUIET", "STOP", "RESUME"])
def test_bad_names(harness: Harness, command: str) -> None:
    empty = harness.refusal(f"QWORKER {command} ''")
    assert empty == "ERR worker name is empty, it needs 1 to 255 bytes"
    assert harness.refusal(f"QWORKER {command} {'x' * 256}").startswith("TOOBIG worker name is 256")
    assert harness.refusal(f"QWORKER {command}").startswith("ERR wrong number of arguments")


# Orders.


def test_a_quiet_worker_gets_no_more_jobs(harness: Harness) -> None:
    harness.say("QPUSH q a")

    assert harness.say("QWORKER QUIET w1") == OK

    assert harness.refusal("QPOP q CONSUMER w1") == f"PAUSED {QUIET_TEXT}"
    assert harness.say("QPOP q CONSUMER w2")[2] == b"a"


def test_a_worker_that_is_to_stop_gets_no_more_jobs(harness: Harness) -> None:
    harness.say("QPUSH q a")

    assert harness.say("QWORKER STOP w1") == OK

    assert harness.refusal("QPOP q CONSUMER w1") == f"SHUTDOWN {STOP_TEXT}"
    assert harness.say("QPOP q")[2] == b"a"


@pytest.mark.parametrize(
    "line",
    [
        "QPOP q CONSUMER w1 BLOCK 0",
        "QPOP q CONSUMER w1 NOACK",
        "QPOP q CONSUMER w1 COUNT 5 WITHMETA",
        "QPOP empty CONSUMER w1 BLOCK 5s",
        "QMPOP 2 empty q CONSUMER w1",
        "QMPOP 2 empty q FAIR CONSUMER w1",
        "QMPOP 1 empty FAIR CONSUMER w1 BLOCK 0",
        "QMPOP 2 empty q WEIGHTS 1 2 CONSUMER w1 NOACK",
    ],
)
@pytest.mark.parametrize(("order", "text"), [("QUIET", QUIET_TEXT), ("STOP", STOP_TEXT)])
def test_every_form_of_a_pop_is_answered_at_once_and_changes_nothing(
    harness: Harness, line: str, order: str, text: str
) -> None:
    harness.say("QPUSH q a")
    harness.say(f"QWORKER {order} w1")

    assert harness.refusal(line).endswith(text)

    assert harness.say("QLEN q") == 1


def test_in_a_transaction_the_error_stands_in_the_place_of_the_pop(harness: Harness) -> None:
    harness.say("QPUSH q a")
    harness.say("QWORKER QUIET w1")
    for line in ("MULTI", "QPOP q CONSUMER w1 BLOCK 0", "QPUSH q b"):
        harness.say(line)

    refused, pushed = harness.say("EXEC")

    assert error(refused) == f"PAUSED {QUIET_TEXT}"
    assert pushed == b"%d-3" % START_MS
    assert harness.say("QLEN q") == 2


def test_an_order_within_a_transaction_holds_from_its_place_on(harness: Harness) -> None:
    harness.say("QMPUSH q 3 a b c")
    pops = "QPOP q CONSUMER w1"
    for line in ("MULTI", pops, "QWORKER STOP w1", pops, "QWORKER RESUME w1", pops):
        harness.say(line)

    first, stopped, refused, resumed, last = harness.say("EXEC")

    assert (first[2], stopped, resumed, last[2]) == (b"a", OK, 1, b"b")
    assert error(refused) == f"SHUTDOWN {STOP_TEXT}"


def test_a_pipeline_of_pops_is_refused_one_by_one(harness: Harness) -> None:
    harness.say("QMPUSH q 3 a b c")
    harness.say("QWORKER QUIET w1")

    replies = harness.default.pipeline(
        *["QPOP q CONSUMER w1"] * 3, "QPOP q", "QPOP q", "QPOP q CONSUMER w1"
    )

    assert [str(replies[place]) for place in (0, 1, 2, 5)] == [f"PAUSED {QUIET_TEXT}"] * 4
    assert [reply[2] for reply in replies[3:5]] == [b"a", b"b"]


def test_a_worker_that_waits_is_told_at_once_and_others_are_not(harness: Harness) -> None:
    lines = {
        "quiet": "QPOP q BLOCK 0 CONSUMER w1",
        "of several": "QMPOP 2 q r BLOCK 1h CONSUMER w1 COUNT 2",
        "another": "QPOP q BLOCK 0 CONSUMER w2",
        "nobody": "QPOP q BLOCK 0",
        "for an end": "QWAIT q w1 BLOCK 0",
    }
    harness.say("QPUSH q x ID w1 DELAY 1h")
    clients = {name: harness.client() for name in lines}
    assert {clients[name].say(line) for name, line in lines.items()} == {WAITS}

    harness.say("QWORKER QUIET w1")

    assert told(clients["quiet"]) == told(clients["of several"]) == [f"PAUSED {QUIET_TEXT}"]
    assert [name for name in lines if clients[name].inbox == []] == [
        "another",
        "nobody",
        "for an end",
    ]
    harness.say("QPUSH q a")
    harness.say("QPUSH q b")
    assert [clients[name].inbox[0][2] for name in ("another", "nobody")] == [b"a", b"b"]
    assert harness.broker.waiters.count == 1


def test_an_order_in_a_transaction_is_told_to_who_waits(harness: Harness) -> None:
    waiting = harness.client()
    waiting.say("QPOP q BLOCK 0 CONSUMER w1")

    for line in ("MULTI", "QPUSH q a", "QWORKER STOP w1", "QWORKER RESUME w1", "EXEC"):
        harness.say(line)

    assert told(waiting) == [f"SHUTDOWN {STOP_TEXT}"]
    assert harness.say("QLEN q") == 1
    assert pop(harness)


def test_a_resumed_worker_gets_jobs_again(harness: Harness) -> None:
    harness.say("QPUSH q a")
    harness.say("QWORKER STOP w1")

    assert harness.say("QWORKER RESUME w1") == 1

    assert harness.say("QPOP q CONSUMER w1")[2] == b"a"
    assert listed(harness)["w1"][0] == "active"


def test_there_may_be_nothing_to_resume(harness: Harness) -> None:
    harness.say("QPOP q CONSUMER w1")

    assert harness.say("QWORKER RESUME w1") == 0
    assert harness.say("QWORKER RESUME w2") == 0

    assert [*listed(harness)] == ["w1"]
    assert harness.journal == []


def test_the_same_order_again_changes_nothing(harness: Harness) -> None:
    harness.say("QWORKER QUIET w1")
    before = image(harness.engine.state), len(harness.journal)
    harness.pass_ms(9)

    assert harness.say("QWORKER QUIET w1") == OK

    assert (image(harness.engine.state), len(harness.journal)) == before


def test_the_later_of_two_orders_holds(harness: Harness) -> None:
    harness.say("QWORKER QUIET w1")
    harness.pass_ms(9)

    harness.say("QWORKER STOP w1")
    assert (show(harness)["state"], show(harness)["ordered_ms"]) == (b"stop", START_MS + 9)
    harness.say("QWORKER QUIET w1")
    assert show(harness)["state"] == b"quiet"


def test_a_worker_can_be_told_before_it_comes(harness: Harness) -> None:
    harness.say("QWORKER QUIET w1")

    assert listed(harness) == {"w1": ("quiet", 0, 0)}
    facts = show(harness)
    assert [facts[name] for name in ("first_seen_ms", "seen_ms", "popped", "jobs")] == [0, 0, 0, []]

    harness.pass_ms(3)
    harness.refusal("QPOP q CONSUMER w1")
    # One that asks in vain is there all the same.
    assert listed(harness) == {"w1": ("quiet", 0, START_MS + 3)}


def test_who_said_so_is_shown_by_name_or_else_by_address(harness: Harness) -> None:
    harness.say("QWORKER QUIET w1")
    assert show(harness)["by"] == b"127.0.0.1:50001"

    harness.say("CLIENT SETNAME deploy")
    harness.say("QWORKER STOP w1")
    assert show(harness)["by"] == b"deploy"

    harness.say(f"CLIENT SETNAME {'x' * 4_000}")
    harness.say("QWORKER QUIET w1")
    assert show(harness)["by"] == b"x" * 255


def test_orders_survive_a_crash(harness: Harness) -> None:
    harness.say("QPUSH q a")
    harness.say("QWORKER QUIET w1")
    harness.say("QWORKER STOP w2")
    harness.say("QWORKER QUIET w3")
    harness.say("QWORKER RESUME w3")

    harness.crash(down_ms=60_000)

    assert listed(harness) == {"w1": ("quiet", 0, 0), "w2": ("stop", 0, 0)}
    assert (show(harness)["ordered_ms"], show(harness)["by"]) == (START_MS, b"127.0.0.1:50001")
    assert harness.refusal("QPOP q CONSUMER w1") == f"PAUSED {QUIET_TEXT}"
    assert harness.say("QPOP q CONSUMER w3")[2] == b"a"


# What becomes of the jobs that it holds.


@pytest.mark.parametrize("order", ["QUIET", "STOP"])
def test_what_is_held_may_be_ended(harness: Harness, order: str) -> None:
    harness.say("QMPUSH q 3 a b c")
    first, second, third = (pop(harness) for _ in range(3))
    harness.say(f"QWORKER {order} w1")

    assert harness.say(f"QACK q {first} STRICT") == 1
    assert harness.say(f"QNACK q {second} SILENT") == 1
    assert harness.say(f"QMOVE q r {third}")

    assert (show(harness)["held"], harness.say("QLEN q"), harness.say("QLEN r")) == (0, 1, 1)


def test_a_quiet_worker_may_touch(harness: Harness) -> None:
    harness.say("QPUSH q a")
    receipt = pop(harness)
    harness.say("QWORKER QUIET w1")
    harness.pass_ms(5)

    assert harness.say(f"QTOUCH q {receipt}") == [START_MS + 30_005]


def test_one_that_is_to_stop_is_told_when_it_touches_and_the_lease_stays(harness: Harness) -> None:
    harness.say("QPUSH q a")
    receipt = pop(harness)
    harness.say("QWORKER STOP w1")
    harness.pass_ms(5)
    journaled = len(harness.journal)

    assert harness.say(f"QTOUCH q {receipt} LEASE 1h") == [-3]

    assert len(harness.journal) == journaled
    harness.pass_ms(29_994)
    assert show(harness)["held"] == 1
    harness.pass_ms(1)
    assert (show(harness)["held"], harness.say("QLEN q")) == (0, 1)


def test_what_it_says_of_the_work_is_kept_all_the_same(harness: Harness) -> None:
    harness.say("QPUSH q a ID mine")
    receipt = pop(harness)
    harness.say("QWORKER STOP w1")
    harness.pass_ms(5)

    assert harness.say(f"QTOUCH q {receipt} PROGRESS 40 LOG 'half of it'") == [-3]

    harness.crash()
    facts = harness.say("QSHOW q mine")
    assert (facts[b"progress"], facts[b"log"]) == (40, [b"half of it"])
    assert facts[b"due_ms"] == START_MS + 30_000
    assert harness.say(f"QTOUCH q {receipt}") == [-3]
    harness.say("QWORKER RESUME w1")
    assert harness.say(f"QTOUCH q {receipt}") == [harness.now_ms + 30_000]


def test_lost_and_cancelled_come_before_the_order(harness: Harness) -> None:
    harness.say("QMPUSH q 3 a b c")
    receipts = [pop(harness) for _ in range(3)]
    harness.say(f"QACK q {receipts[0]}")
    harness.say(f"QCANCEL q {receipts[1].partition(':')[2]}")

    harness.say("QWORKER STOP w1")

    assert harness.say(f"QTOUCH q {' '.join(receipts)}") == [0, -1, -3]


def test_the_order_comes_before_maxlease(harness: Harness) -> None:
    harness.say("QPUSH q a MAXLEASE 5s")
    receipt = pop(harness)
    assert harness.say(f"QTOUCH q {receipt} LEASE 1h") == [-2]

    harness.say("QWORKER STOP w1")

    assert harness.say(f"QTOUCH q {receipt} LEASE 1h") == [-3]


def test_only_the_jobs_of_the_worker_that_is_to_stop_are_told_so(harness: Harness) -> None:
    harness.say("QMPUSH q 3 a b c")
    receipts = [pop(harness, "w1"), pop(harness, "w2"), harness.say("QPOP q")[1].decode()]

    harness.say("QWORKER STOP w1")

    ends = harness.say(f"QTOUCH q {' '.join(receipts)}")
    assert ends == [-3, START_MS + 30_000, START_MS + 30_000]


# After a restart.


def test_who_holds_jobs_is_known_again_after_a_crash(harness: Harness) -> None:
    harness.say("QMPUSH q 4 a b c d")
    pop(harness, options=" LEASE 1h")
    harness.pass_ms(5)
    pop(harness, options=" LEASE 1h")
    pop(harness, "w2")
    harness.say("QPOP empty CONSUMER w3")
    harness.say("QPOP q")

    harness.crash(down_ms=1_000)

    assert listed(harness) == {
        "w1": ("active", 2, START_MS + 5),
        "w2": ("active", 1, START_MS + 5),
    }
    facts = show(harness)
    assert (facts["first_seen_ms"], facts["popped"]) == (START_MS, 2)
    assert [job[1] for job in facts["jobs"]] == [b"%d-%d" % (START_MS, each) for each in (2, 3)]


def test_a_lease_that_ended_meanwhile_is_held_as_long_as_it_lives_on(harness: Harness) -> None:
    harness.say("QPUSH q a")
    receipt = pop(harness, options=" LEASE 10s")

    harness.crash(down_ms=60_000)

    assert show(harness)["jobs"] == [
        [b"q", receipt.partition(":")[2].encode(), START_MS + 70_000, 0]
    ]
    harness.pass_ms(9_999)
    assert show(harness)["held"] == 1
    harness.pass_ms(1)
    assert show(harness)["held"] == 0


# Bounds.


def test_one_that_was_unseen_for_a_day_is_forgotten(harness: Harness) -> None:
    harness.say("QPOP q CONSUMER w1")

    harness.pass_ms(UNSEEN_WORKER_MS - 1)
    assert [*listed(harness)] == ["w1"]
    harness.pass_ms(1)
    assert harness.refusal("QWORKER SHOW w1").startswith("ERR no such worker 'w1'")
    assert listed(harness) == {}


def test_but_not_one_that_holds_a_job_or_has_an_order(harness: Harness) -> None:
    harness.say("QPUSH q a")
    receipt = pop(harness, options=f" LEASE {2 * UNSEEN_WORKER_MS}")
    harness.say("QPOP q CONSUMER w2")
    harness.say("QWORKER QUIET w2")

    harness.pass_ms(UNSEEN_WORKER_MS)

    assert listed(harness) == {"w1": ("active", 1, START_MS), "w2": ("quiet", 0, START_MS)}
    harness.say(f"QACK q {receipt}")
    harness.say("QWORKER RESUME w2")
    assert listed(harness) == {}


def test_of_too_many_the_longest_unseen_is_forgotten(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "WORKERS_MAX", 3)
    for name in ("w1", "w2", "w3", "w1"):
        harness.say(f"QPOP q CONSUMER {name}")
        harness.pass_ms(1)
    assert [*listed(harness)] == ["w1", "w2", "w3"]

    harness.say("QPOP q CONSUMER w4")

    assert [*listed(harness)] == ["w1", "w3", "w4"]


def test_but_none_that_holds_a_job_or_has_an_order(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "WORKERS_MAX", 3)
    harness.say("QPUSH q a")
    receipt = pop(harness, "w1")
    harness.say("QPOP q CONSUMER w2")
    harness.say("QWORKER QUIET w2")
    harness.say("QPOP q CONSUMER w3")

    harness.say("QPOP q CONSUMER w4")
    assert [*listed(harness)] == ["w1", "w2", "w4"]

    harness.say("QWORKER QUIET w4")
    harness.say("QPOP q CONSUMER w5")
    assert [*listed(harness)] == ["w1", "w2", "w4", "w5"]
    harness.say(f"QACK q {receipt}")
    harness.say("QPOP q CONSUMER w6")
    assert [*listed(harness)] == ["w2", "w4", "w6"]


def test_there_is_a_limit_to_orders(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "WORKERS_MAX", 2)
    harness.say("QWORKER QUIET w1")
    harness.say("QWORKER QUIET w2")

    refused = harness.refusal("QWORKER QUIET w3")

    assert refused == (
        "TOOBIG 2 workers are quiet or to stop, the limit is 2: "
        "QWORKER RESUME those that are gone before 'w3'"
    )
    assert harness.say("QWORKER STOP w2") == OK
    harness.say("QWORKER RESUME w1")
    assert harness.say("QWORKER QUIET w3") == OK


def kept(harness: Harness, name: bytes = b"w1") -> int:
    """Return how many deliveries are kept for a worker, over or not."""
    worker = harness.engine.workers.get(name)
    assert worker is not None
    return len(worker.deliveries)


def test_deliveries_that_are_over_are_swept_out(harness: Harness) -> None:
    harness.say("QMPUSH q 300 " + "x " * 300)
    harness.say("QPOP q COUNT 20 CONSUMER w1")
    most = 0

    for _ in range(280):
        harness.say(f"QACK q {pop(harness)}")
        most = max(most, kept(harness))

    assert 20 < most <= 2 * 20
    assert (show(harness)["held"], show(harness)["popped"]) == (20, 300)


def test_those_of_one_that_asks_no_more_are_swept_out_when_others_ask(harness: Harness) -> None:
    harness.say("QMPUSH q 400 " + "x " * 400)
    for name in ("w1", "w2"):
        jobs = harness.say(f"QPOP q COUNT 100 CONSUMER {name}")
        harness.say("QACK q " + " ".join(job[1].decode() for job in jobs))
    harness.say("QPOP q COUNT 50 CONSUMER holder")

    for _ in range(150):
        harness.say(f"QACK q {pop(harness, 'w3')}")

    assert (kept(harness, b"w1"), kept(harness, b"w2"), kept(harness, b"holder")) == (0, 0, 50)


def test_one_that_asks_in_vain_sweeps_too(harness: Harness) -> None:
    harness.say("QPUSH q x")
    harness.say(f"QACK q {pop(harness)}")

    harness.say("QPOP q CONSUMER w2")

    assert kept(harness) == 0


@pytest.mark.parametrize(("count", "looked_at"), [(1, 4 + 2), (10, 4 + 20), (100, 4 + 200)])
def test_a_sweep_is_no_longer_than_the_pop_however_many_are_held(
    harness: Harness, count: int, looked_at: int
) -> None:
    harness.say("QMPUSH q 900 " + "x " * 900)
    harness.say("QPOP q COUNT 700 CONSUMER w1")
    harness.crash()  # A round begins with what was found again.
    workers = harness.engine.workers
    assert workers.left_to_sweep(b"w1") <= kept(harness) == 700
    while workers.left_to_sweep(b"w1") < 500:
        harness.say("QPOP empty CONSUMER w1")
    left = workers.left_to_sweep(b"w1")

    harness.say(f"QPOP q COUNT {count} CONSUMER w1")

    assert left - workers.left_to_sweep(b"w1") == looked_at


def test_a_list_of_the_workers_sweeps_all(harness: Harness) -> None:
    harness.say("QMPUSH q 90 " + "x " * 90)
    harness.say("QPOP q COUNT 30 CONSUMER w2 LEASE 1h")
    harness.say("QPOP q COUNT 60 CONSUMER w1")
    harness.pass_ms(30_000)
    assert (kept(harness, b"w1"), kept(harness, b"w2")) == (60, 30)

    assert listed(harness)["w1"] == ("active", 0, START_MS)

    assert (kept(harness, b"w1"), kept(harness, b"w2")) == (0, 30)


def test_a_sweep_does_not_change_the_order_in_which_jobs_are_shown(harness: Harness) -> None:
    harness.say("QMPUSH q 60 " + "x " * 60)
    harness.say("QPOP q COUNT 20 CONSUMER w1")

    for _ in range(7):
        pop(harness)
        harness.say(f"QACK q {pop(harness)}")
        jobs = [int(job[1].partition(b"-")[2]) for job in show(harness)["jobs"]]
        assert jobs == sorted(jobs)
        assert show(harness)["held"] == len(jobs)

    assert len(jobs) == 27


def test_no_job_that_is_done_is_kept_in_memory_for_its_worker(harness: Harness) -> None:
    harness.say("QPUSH q a")
    harness.say(f"QACK q {pop(harness)}")
    worker = harness.engine.workers.get(b"w1")

    assert worker is not None
    assert {type(each) for pair in worker.deliveries for each in pair} == {bytes, int}


# Whatever happens.

NAMES = ("w1", "w2", "w3", "")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["push", "pop", "pop of many", "noack", "ack", "nack", "touch", "undo"])
        | st.sampled_from(["quiet", "stop", "resume", "list"])
        | st.sampled_from(["pass", "crash", "purge", "drop", "cancel"]),
        st.sampled_from(NAMES),
        st.integers(0, 9),
    ),
    max_size=60,
)


def run_step(harness: Harness, what: str, name: str, number: int, receipts: list[str]) -> None:
    queue = f"q{number % 2}"
    consumer = f" CONSUMER {name}" if name else ""
    held = receipts[number % len(receipts)] if receipts else "9:x"
    lines = {
        "push": f"QMPUSH {queue} {number + 1} {'x ' * (number + 1)}",
        "pop": f"QPOP {queue} COUNT {number + 1} LEASE {number * 7 + 1}{consumer}",
        "pop of many": f"QMPOP 2 q0 q1 COUNT 2{consumer}",
        "noack": f"QPOP {queue} NOACK{consumer}",
        "ack": f"QACK {queue} {held}",
        "nack": f"QNACK {queue} {held} DELAY {number}",
        "touch": f"QTOUCH {queue} {held} LEASE {number + 1} PROGRESS {number}",
        "quiet": f"QWORKER QUIET {name or 'w1'}",
        "stop": f"QWORKER STOP {name or 'w1'}",
        "resume": f"QWORKER RESUME {name or 'w1'}",
        "purge": f"QUEUE PURGE {queue}",
        "drop": f"QUEUE DROP {queue}",
        "cancel": f"QCANCEL {queue} {held.partition(':')[2]}",
        "list": "QWORKER LIST",
    }
    if what == "pass":
        harness.pass_ms(number * 5)
    elif what == "crash":
        harness.crash(down_ms=number)
    elif what == "undo":
        harness.undo(harness.default)
    else:
        reply = harness.say(lines[what])
        if what in ("pop", "pop of many") and isinstance(reply, list) and reply:
            jobs = reply if what == "pop" else reply[1]
            receipts += [job[1].decode() for job in jobs]


@settings(max_examples=60)
@given(steps=STEPS)
def test_what_a_worker_holds_is_what_is_leased_to_it(steps: list[tuple[str, str, int]]) -> None:
    harness = Harness()
    receipts: list[str] = []
    orders: dict[str, str] = {}
    states = {"quiet": "quiet", "stop": "stop", "resume": "active"}

    for what, name, number in steps:
        run_step(harness, what, name, number, receipts)
        if what in states:
            orders[name or "w1"] = states[what]

        leased = Counter(
            job.holder.decode()
            for queue in harness.engine.state.queues.values()
            for job in queue.leases.values()
        )
        said = listed(harness)
        assert {each: held for each, (_, held, _) in said.items() if held} == {
            each: count for each, count in leased.items() if each
        }
        standing = {each: order for each, order in orders.items() if order != "active"}
        assert {e: state for e, (state, _, _) in said.items() if state != "active"} == standing
    discard(harness.engine.state)
