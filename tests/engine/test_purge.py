from __future__ import annotations

import pytest

from respq.config import PURGE_SLICE
from respq.engine.jobs import purge
from respq.engine.jobs.job import PHASE_NAMES
from tests.harness import WAITS, Harness

PHASES = [name.decode() for name in PHASE_NAMES]


def fill(harness: Harness, each: int = 2) -> None:
    """Have a queue with ``each`` jobs in each phase, and some more that block and are blocked."""
    harness.say("QUEUE CREATE q KEEP 1h")
    many = f"QMPUSH q {each} {' '.join(['x'] * each)}"
    harness.say(many)
    for _, receipt, _ in harness.say(f"QPOP q COUNT {each}"):
        harness.say(f"QACK q {receipt.decode()}")
    harness.say(many)
    for _, receipt, _ in harness.say(f"QPOP q COUNT {each}"):
        harness.say(f"QNACK q {receipt.decode()} FATAL")
    harness.say(many)
    harness.say(f"QPOP q COUNT {each} LEASE 1d")
    parent = harness.say("QPUSH q parent DELAY 1d").decode()
    for _ in range(each - 1):
        harness.say("QPUSH q x DELAY 1d")
    harness.say(f"{many} DEPENDS 1 {parent}")
    harness.say(many)
    assert counts(harness) == dict.fromkeys(PHASES, each)


def counts(harness: Harness) -> dict[str, int]:
    facts = harness.say("QSTATS q")[b"q"]
    return {name: facts[name.encode()] for name in PHASES}


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("crashes", [False, True])
def test_only_the_jobs_of_that_state_are_gone(harness: Harness, phase: str, crashes: bool) -> None:
    fill(harness)

    assert harness.say(f"QUEUE PURGE q STATE {phase}") == 2
    if crashes:
        harness.crash()

    left = dict.fromkeys(PHASES, 2) | {phase: 0}
    if phase == "delayed":  # What waits for a job that was thrown away is dead.
        left |= {"blocked": 0, "dead": 4}
    assert counts(harness) == left
    purged = harness.say("QSTATS q")[b"q"][b"purged_total"]
    assert purged == (0 if phase == "done" else 2)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("crashes", [False, True])
def test_many_go_in_slices_over_a_crash_too(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, phase: str, crashes: bool
) -> None:
    monkeypatch.setattr(purge, "PURGE_SLICE", 3)
    monkeypatch.setattr(purge, "PURGE_WALK", 7)
    fill(harness, 10)

    assert harness.say(f"QUEUE PURGE q STATE {phase}") == 10
    assert counts(harness)[phase] > 0
    if crashes:
        harness.crash()
    harness.pass_ms(0)

    left = dict.fromkeys(PHASES, 10) | {phase: 0}
    if phase == "delayed":
        left |= {"blocked": 0, "dead": 20}
    assert counts(harness) == left
    assert harness.queue("q").purging == {}
    assert harness.broker.next_deadline_ms() > harness.now_ms


def test_a_slice_takes_no_more_than_its_share(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purge, "PURGE_SLICE", 3)
    fill(harness, 10)
    harness.say("QUEUE PURGE q STATE READY")

    for left in (7, 4, 1):
        assert harness.queue("q").ready.count == left
        more = harness.broker.tick(harness.now_ms)
        harness.settle()
        assert more == (left > 1)
    assert harness.queue("q").ready.count == 0


def test_what_comes_into_the_state_later_stays(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purge, "PURGE_SLICE", 1)
    harness.say("QMPUSH q 5 a b c d e")
    _, receipt, _ = harness.say("QPOP q")
    harness.say("QPUSH q later DELAY 1h")
    harness.say("QUEUE PURGE q STATE READY")
    harness.now_ms += 1
    harness.say(f"QNACK q {receipt.decode()} SILENT")
    harness.say("QPUSH q f")

    harness.pass_ms(0)

    assert [payload for _, payload in harness.say("QPEEK q COUNT 9")] == [b"a", b"f"]


def test_what_is_purged_does_not_die_of_a_parent_that_is_purged(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purge, "PURGE_SLICE", 2)
    parent = harness.say("QPUSH q x").decode()
    for _ in range(5):
        parent = harness.say(f"QPUSH q x DEPENDS 1 {parent}").decode()

    assert harness.say("QUEUE PURGE q STATE BLOCKED") == 5
    harness.pass_ms(0)

    assert counts(harness) == dict.fromkeys(PHASES, 0) | {"ready": 1}


def test_a_million_of_one_state_alone_are_one_record(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purge, "PURGE_SLICE", 1)
    harness.say("QMPUSH q 5 a b c d e")
    batches = len(harness.journal)

    assert harness.say("QUEUE PURGE q STATE READY") == 5

    assert len(harness.journal) == batches + 1
    assert harness.say("QLEN q") == 0


def test_a_purge_of_everything_ends_one_that_goes_on(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purge, "PURGE_SLICE", 1)
    fill(harness, 3)
    harness.say("QUEUE PURGE q STATE READY")
    harness.say("QUEUE PURGE q")
    harness.say("QPUSH q new")
    harness.pass_ms(0)

    assert harness.say("QLEN q") == 1


@pytest.mark.parametrize("command", ["QUEUE DROP q", "DEL q"])
def test_a_queue_may_be_dropped_while_a_purge_goes_on(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(purge, "PURGE_SLICE", 1)
    fill(harness, 3)
    harness.say("QUEUE PURGE q STATE DEAD")
    harness.say(command)
    harness.pass_ms(0)

    assert harness.say("QUEUE EXISTS q") == 0


def test_receipts_of_purged_jobs_are_stale_and_who_waits_for_one_is_told(harness: Harness) -> None:
    harness.say("QPUSH q stays")
    harness.say("QPUSH q x PRIORITY 9")
    job_id, receipt, _ = harness.say("QPOP q")
    client = harness.client()
    assert client.say(f"QWAIT q {job_id.decode()} BLOCK 0") is WAITS

    harness.say("QUEUE PURGE q STATE LEASED")

    assert harness.say(f"QACK q {receipt.decode()}") == 0
    assert client.inbox == [[b"gone", b""]]


def test_a_dead_letter_box_of_any_size_is_emptied(harness: Harness) -> None:
    harness.say("QPUSH q stays")
    count = PURGE_SLICE + 1
    for _ in range(count):
        harness.say("QPUSH q x PRIORITY 9 TTL 1")
    harness.pass_ms(1)
    assert harness.say("QDLQ PURGE q") == count
    harness.pass_ms(0)

    assert harness.say("QDLQ COUNT q") == 0
    assert harness.say("QLEN q") == 1


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("STATE", "ERR syntax error near 'STATE': STATE READY|DELAYED|LEASED|DEAD|DONE|BLOCKED"),
        (
            "STATE gone",
            "ERR STATE is one of READY, DELAYED, LEASED, DEAD, DONE, BLOCKED, not 'gone'",
        ),
        ("READY", "ERR syntax error near 'READY'"),
    ],
)
def test_what_cannot_be_read_is_named(harness: Harness, words: str, error: str) -> None:
    harness.say("QPUSH q x")
    assert harness.refusal(f"QUEUE PURGE q {words}") == error
