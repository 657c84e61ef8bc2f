from __future__ import annotations

import pytest

from respq.config import (
    CLIENT_NAME_BYTES_MAX,
    HISTORY_MAX,
    HISTORY_TEXT_BYTES_MAX,
    NAME_BYTES_MAX,
)
from tests.harness import START_MS, Harness

OPS = b"ops"


@pytest.fixture
def harness() -> Harness:
    harness = Harness()
    harness.say("CLIENT SETNAME ops")
    return harness


def history(harness: Harness, job_id: bytes) -> list[tuple[int, str, str, str]]:
    """Return the events with their times since the start."""
    reply = harness.say(f"QHISTORY q {job_id.decode()}")
    assert isinstance(reply, list), reply
    return [
        (
            each[b"at_ms"] - START_MS,
            *(each[name].decode() for name in (b"event", b"who", b"text")),
        )
        for each in reply
    ]


def pop(harness: Harness, consumer: str = "w") -> str:
    receipt = harness.say(f"QPOP q CONSUMER {consumer}")[1]
    assert isinstance(receipt, bytes)
    return receipt.decode()


def test_a_job_tells_when_it_was_pushed_and_who_has_it(harness: Harness) -> None:
    job = harness.say("QPUSH q x")
    assert history(harness, job) == [(0, "pushed", "", "")]

    harness.pass_ms(5)
    pop(harness)

    until = f"until {START_MS + 30_005}"
    assert history(harness, job) == [(0, "pushed", "", ""), (5, "leased", "w", until)]


@pytest.mark.parametrize("crashes", [False, True])
def test_every_delivery_is_told_with_who_had_it_and_how_it_ended(
    harness: Harness, crashes: bool
) -> None:
    job = harness.say("QPUSH q x ATTEMPTS 3")
    harness.pass_ms(1)
    receipt = pop(harness, "w1")
    harness.pass_ms(1)
    harness.say(f"QNACK q {receipt} ERROR broken DELAY 10")
    harness.pass_ms(10)
    receipt = pop(harness, "w2")
    harness.say(f"QNACK q {receipt} SILENT")
    harness.say("QPOP q CONSUMER w3 LEASE 5")
    harness.pass_ms(5)
    receipt = pop(harness, "w4")
    harness.say(f"QNACK q {receipt}")
    if crashes:
        harness.crash()

    assert history(harness, job) == [
        (0, "pushed", "", ""),
        (1, "leased", "w1", ""),
        (2, "nacked", "w1", "broken"),
        (12, "ready", "", ""),
        (12, "leased", "w2", ""),
        (12, "silent", "w2", ""),
        (12, "leased", "w3", ""),
        (17, "expired", "w3", ""),
        (17, "leased", "w4", ""),
        (17, "dead", "w4", "attempts: broken"),
    ]


def test_a_job_that_waits_says_until_when(harness: Harness) -> None:
    job = harness.say("QPUSH q x DELAY 10")
    assert history(harness, job) == [
        (0, "pushed", "", ""),
        (0, "delayed", "", f"until {START_MS + 10}"),
    ]

    harness.pass_ms(10)
    assert history(harness, job) == [(0, "pushed", "", ""), (10, "ready", "", "")]


@pytest.mark.parametrize("crashes", [False, True])
def test_the_end_of_a_first_delay_is_told_for_ever(harness: Harness, crashes: bool) -> None:
    job = harness.say("QPUSH q x DELAY 10")
    harness.pass_ms(10)
    harness.pass_ms(5)
    receipt = pop(harness)
    harness.say(f"QNACK q {receipt} DELAY 20")
    if crashes:
        harness.compact(len(harness.journal))
        harness.crash()
    harness.pass_ms(20)

    assert history(harness, job) == [
        (0, "pushed", "", ""),
        (10, "ready", "", ""),
        (15, "leased", "w", ""),
        (15, "nacked", "w", ""),
        (35, "ready", "", ""),
    ]


@pytest.mark.parametrize("delay", ["", " DELAY 20"])
def test_that_the_parents_were_done_is_told_for_ever(harness: Harness, delay: str) -> None:
    parent = harness.say("QPUSH q parent")
    job = harness.say(f"QPUSH q x DEPENDS 1 {parent.decode()}{delay}")
    harness.pass_ms(5)
    harness.say(f"QACK q {pop(harness)}")
    harness.pass_ms(30)
    pop(harness)
    harness.crash()

    due = [(20, "ready", "", "")] if delay else []
    until = f"until {START_MS + 30_035}"
    assert history(harness, job) == [
        (0, "pushed", "", ""),
        (5, "freed", "", ""),
        *due,
        (35, "leased", "w", until),
    ]


def test_a_job_tells_who_changed_it(harness: Harness) -> None:
    job = harness.say("QPUSH q x DELAY 1d")
    name = job.decode()
    harness.pass_ms(1)
    harness.say(f"QEDIT q {name} PRIORITY 3 DELAY 2d")
    harness.pass_ms(1)
    harness.say("QKICK q")
    pop(harness)
    harness.pass_ms(1)
    harness.say(f"QCANCEL q {name} REASON obsolete")
    other = harness.client()
    harness.crash()

    until = f"until {START_MS + 30_002}"
    assert history(harness, job) == [
        (0, "pushed", "", ""),
        (1, "edited", "ops", "priority delay"),
        (2, "kicked", "ops", ""),
        (2, "leased", "w", until),
        (3, "cancelled", "ops", "obsolete"),
    ]
    assert other.session.address  # What stands for a client without a name.


def test_a_client_without_a_name_is_told_by_its_address() -> None:
    harness = Harness()
    job = harness.say("QPUSH q x DELAY 1d")
    harness.say("QKICK q")

    assert history(harness, job)[1] == (0, "kicked", harness.default.session.address, "")


def test_a_redriven_job_keeps_its_history(harness: Harness) -> None:
    job = harness.say("QPUSH q x")
    harness.say(f"QNACK q {pop(harness)} FATAL ERROR bad")
    harness.pass_ms(7)
    harness.say("QDLQ REDRIVE q")
    harness.crash()

    assert history(harness, job) == [
        (0, "pushed", "", ""),
        (0, "leased", "w", ""),
        (0, "dead", "w", "fatal: bad"),
        (7, "redriven", "ops", ""),
    ]


def test_a_job_whose_ttl_is_over_says_so(harness: Harness) -> None:
    job = harness.say("QPUSH q x TTL 5")
    harness.pass_ms(5)

    assert history(harness, job) == [(0, "pushed", "", ""), (5, "dead", "", "expired")]


def test_a_job_that_died_with_its_parent_says_so(harness: Harness) -> None:
    parent = harness.say("QPUSH q x").decode()
    child = harness.say(f"QPUSH q y DEPENDS 1 {parent}")
    assert history(harness, child) == [(0, "pushed", "", ""), (0, "blocked", "", "")]

    harness.say(f"QCANCEL q {parent}")

    assert history(harness, child) == [
        (0, "pushed", "", ""),
        (0, "dead", "", f"its parent {parent} was thrown away"),
    ]


def test_a_job_that_is_kept_tells_who_did_it(harness: Harness) -> None:
    job = harness.say("QPUSH q x KEEP 1h")
    receipt = pop(harness)
    harness.pass_ms(9)
    harness.say(f"QACK q {receipt}")
    harness.crash()

    assert history(harness, job) == [
        (0, "pushed", "", ""),
        (0, "leased", "w", ""),
        (9, "acked", "w", ""),
    ]


def test_a_pop_that_was_undone_is_told(harness: Harness) -> None:
    job = harness.say("QPUSH q x")
    client = harness.client()
    client.say("QPOP q CONSUMER w")
    harness.pass_ms(2)
    harness.undo(client)
    harness.crash()

    assert history(harness, job) == [
        (0, "pushed", "", ""),
        (0, "leased", "w", ""),
        (2, "undone", "w", ""),
    ]


def test_a_job_that_is_put_back_after_a_pop_without_a_lease_keeps_its_history(
    harness: Harness,
) -> None:
    job = harness.say("QPUSH q x")
    harness.say(f"QNACK q {pop(harness)} SILENT")
    before = history(harness, job)
    client = harness.client()
    client.say("QPOP q NOACK")
    harness.undo(client)

    assert history(harness, job) == before


def test_the_latest_events_are_kept_and_long_texts_are_cut(harness: Harness) -> None:
    job = harness.say("QPUSH q x ATTEMPTS 0")
    for number in range(HISTORY_MAX):
        harness.say(f"QNACK q {pop(harness)} DELAY 0 ERROR {number}{'e' * 1_000}")
    harness.crash()

    events = history(harness, job)
    assert len(events) == 1 + HISTORY_MAX
    assert events[0] == (0, "pushed", "", "")
    assert events[1] == (0, "leased", "w", "")
    assert events[2][3] == f"{HISTORY_MAX // 2}{'e' * 1_000}"[:HISTORY_TEXT_BYTES_MAX]


def test_a_job_that_was_never_tried_carries_no_history(harness: Harness) -> None:
    harness.say("QPUSH q x DELAY 5")
    harness.pass_ms(5)
    job_id = harness.say("QPOP q")[0]

    job = harness.job("q", job_id)
    assert job is not None
    assert job.notes is None


def test_what_is_not_there_has_no_history(harness: Harness) -> None:
    assert harness.refusal("QHISTORY q 1-1") == "NOQUEUE there is no queue 'q'"
    harness.say("QPUSH q x")
    assert harness.refusal("QHISTORY q 1-1") == "NOJOB queue 'q' has no job '1-1'"


def test_what_was_done_to_a_job_stands_where_it_happened(harness: Harness) -> None:
    job = harness.say("QPUSH q x DELAY 10")
    name = job.decode()
    harness.pass_ms(1)
    harness.say(f"QEDIT q {name} PAYLOAD y")
    assert [event for _, event, _, _ in history(harness, job)] == ["pushed", "delayed", "edited"]

    harness.pass_ms(9)
    assert [event for _, event, _, _ in history(harness, job)] == ["pushed", "edited", "ready"]
    harness.pass_ms(1)
    harness.say(f"QEDIT q {name} PAYLOAD z")
    events = ["pushed", "edited", "ready", "edited"]
    assert [event for _, event, _, _ in history(harness, job)] == events

    pop(harness)
    harness.say(f"QCANCEL q {name}")  # In the millisecond of the lease.
    events += ["leased", "cancelled"]
    assert [event for _, event, _, _ in history(harness, job)] == events


def test_a_job_that_was_edited_before_its_time_is_told_to_be_ready_only_then(
    harness: Harness,
) -> None:
    job = harness.say("QPUSH q x DELAY 10")
    harness.pass_ms(10)
    harness.pass_ms(5)
    harness.say(f"QEDIT q {job.decode()} PAYLOAD y")

    assert [each[:2] for each in history(harness, job)] == [
        (0, "pushed"),
        (10, "ready"),
        (15, "edited"),
    ]


@pytest.mark.parametrize("line", ["QKICK q", "QKICK q IDS 1 j", "QEDIT q j LEASE 9"])
def test_of_the_name_of_a_client_so_much_is_kept_as_a_name_may_be_long(
    harness: Harness, line: str
) -> None:
    harness.say("QPUSH q x ID j DELAY 1h")
    harness.say(f"CLIENT SETNAME {'n' * CLIENT_NAME_BYTES_MAX}")

    harness.say(line)

    assert "n" * NAME_BYTES_MAX in [who for _, _, who, _ in history(harness, b"j")]
