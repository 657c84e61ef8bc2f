from __future__ import annotations

import pytest

from respq.engine.jobs import administer, push
from respq.resp.replies import OK
from tests.harness import Harness


def payloads(harness: Harness) -> list[bytes]:
    return [payload for _, payload in harness.say("QPEEK q COUNT 99")]


def held(harness: Harness) -> int:
    count = harness.say("QUEUE GET q")[b"waiting_bytes"]
    assert isinstance(count, int)
    return count


@pytest.fixture
def full(harness: Harness) -> Harness:
    """Hold ten bytes in a queue that holds no more."""
    harness.say("QUEUE CREATE q MAXBYTES 10")
    harness.say("QMPUSH q 2 aaaaa bbbbb")
    return harness


@pytest.mark.parametrize("crashes", [False, True])
def test_a_full_queue_refuses(full: Harness, crashes: bool) -> None:
    if crashes:
        full.crash()
    error = "MAXLEN queue 'q' holds payloads of 10 bytes, 1 more would be over its MAXBYTES of 10"

    assert full.refusal("QPUSH q d") == error
    assert full.refusal("QMPUSH q 2 d ''") == error
    assert full.refusal("QPUSH q d DELAY 5s PRIORITY 9") == error
    assert isinstance(full.say("QPUSH q ''"), bytes)


def test_the_bytes_are_those_of_what_waits(harness: Harness) -> None:
    harness.say("QUEUE CREATE q MAXBYTES 1000 KEEP 1h")
    harness.say("QMPUSH q 4 aa aa aa aa")
    parent = harness.say("QPUSH q bbb DELAY 5s").decode()
    harness.say(f"QPUSH q cccc DEPENDS 1 {parent}")
    assert held(harness) == 15

    receipts = [receipt.decode() for _, receipt, _ in harness.say("QPOP q COUNT 3")]
    assert held(harness) == 9
    harness.say(f"QACK q {receipts[0]}")
    harness.say(f"QNACK q {receipts[1]} FATAL")
    assert held(harness) == 9
    harness.say(f"QNACK q {receipts[2]} DELAY 9s")
    assert held(harness) == 11
    harness.pass_ms(9_000)
    harness.crash()
    assert held(harness) == 11
    harness.say("QPOP q NOACK")
    harness.say("QDLQ REDRIVE q")
    assert held(harness) == 11
    harness.say("QUEUE PURGE q STATE READY")
    assert held(harness) == 0  # The parent is gone, and what waited for it is dead.


def test_a_pop_that_is_undone_counts_again(full: Harness) -> None:
    client = full.client()
    client.say("QPOP q COUNT 2")
    assert held(full) == 0

    full.undo(client)

    assert held(full) == 10


def test_the_oldest_make_room_for_as_many_bytes(full: Harness) -> None:
    full.say("QUEUE SET q OVERFLOW DROPOLDEST")

    full.say("QPUSH q cc")
    assert payloads(full) == [b"bbbbb", b"cc"]
    full.say("QMPUSH q 2 d ddd")
    assert payloads(full) == [b"cc", b"d", b"ddd"]
    assert full.say("QSTATS q")[b"q"][b"evicted_total"] == 2


def test_what_could_never_fit_drops_nothing(full: Harness) -> None:
    full.say("QUEUE SET q OVERFLOW DROPOLDEST")

    assert full.refusal("QPUSH q 12345678901").startswith("MAXLEN ")


def test_delayed_jobs_are_not_dropped(harness: Harness) -> None:
    harness.say("QUEUE CREATE q MAXBYTES 10 OVERFLOW DROPOLDEST")
    harness.say("QPUSH q aaaaaa DELAY 5s")
    harness.say("QPUSH q bbbb")

    assert harness.refusal("QPUSH q ccccc").startswith("MAXLEN ")
    harness.say("QPUSH q cccc")
    assert payloads(harness) == [b"cccc"]


def test_both_limits_hold(harness: Harness) -> None:
    harness.say("QUEUE CREATE q MAXLEN 3 MAXBYTES 10 OVERFLOW DROPOLDEST")
    harness.say("QMPUSH q 3 a b c")

    harness.say("QPUSH q dddddddd")
    assert payloads(harness) == [b"b", b"c", b"dddddddd"]
    harness.say("QPUSH q ee")
    assert payloads(harness) == [b"dddddddd", b"ee"]


def test_a_job_that_replaces_another_needs_room_for_what_it_is_larger_by(full: Harness) -> None:
    full.say("QPOP q NOACK")
    full.say("QPUSH q kkk DEDUP k")
    full.say("QUEUE SET q OVERFLOW DROPOLDEST")

    assert full.refusal("QPUSH q 123456 DEDUP k ON REPLACE").startswith("MAXLEN ")
    full.say("QPUSH q 12345 DEDUP k ON REPLACE")
    assert payloads(full) == [b"bbbbb", b"12345"]


def test_an_edited_payload_needs_room(full: Harness) -> None:
    job_id = full.say("QPEEK q")[0].decode()

    assert full.refusal(f"QEDIT q {job_id} PAYLOAD 123456") == (
        "MAXLEN queue 'q' holds payloads of 10 bytes, 1 more would be over its MAXBYTES of 10"
    )
    full.say(f"QEDIT q {job_id} PAYLOAD 12 PRIORITY 3")
    assert held(full) == 7
    full.say(f"QEDIT q {job_id} PAYLOAD 1234")
    assert held(full) == 9


def test_the_bytes_are_counted_when_the_limit_is_set(harness: Harness) -> None:
    harness.say("QMPUSH q 2 aaaaa bbbbb")
    harness.say("QUEUE SET q MAXBYTES 12")
    assert held(harness) == 10
    assert harness.refusal("QPUSH q ccc").startswith("MAXLEN ")

    harness.say("QUEUE SET q MAXBYTES 0")
    assert held(harness) == 0
    harness.say("QPUSH q ccc")
    harness.say("QUEUE SET q MAXBYTES 13")
    assert held(harness) == 13


def test_it_is_not_set_on_too_many_jobs(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(administer, "COUNTED_MAX", 2)
    harness.say("QMPUSH q 3 a b c")

    assert harness.refusal("QUEUE SET q MAXBYTES 9") == (
        "STATE queue 'q' holds 3 jobs: MAXBYTES can be set while it holds 2 at most"
    )
    harness.say("QPOP q NOACK")
    assert harness.say("QUEUE SET q MAXBYTES 9") == OK
    harness.say("QPUSH q d")
    assert harness.say("QUEUE SET q MAXBYTES 3") == OK


def test_a_pipeline_is_refused_from_the_first_on_that_finds_no_room(harness: Harness) -> None:
    harness.say("QUEUE CREATE q MAXBYTES 3")

    replies = harness.default.pipeline(*[f"QPUSH q {each}" for each in "abcde"])

    assert [str(reply)[:6] == "MAXLEN" for reply in replies] == [False] * 3 + [True] * 2


@pytest.mark.parametrize("limit", ["-1", "many", "1.5"])
def test_a_limit_that_is_none_is_refused(harness: Harness, limit: str) -> None:
    assert harness.refusal(f"QUEUE CREATE q MAXBYTES {limit}").startswith("ERR ")


def test_a_pipeline_throws_away_what_single_pushes_do(harness: Harness) -> None:
    harness.say("QUEUE CREATE q MAXBYTES 4 OVERFLOW DROPOLDEST")
    harness.say("QMPUSH q 2 aa bb PRIORITY 2")

    harness.default.pipeline("QPUSH q cc", "QPUSH q dd", "QPUSH q ee")

    assert payloads(harness) == [b"bb", b"ee"]


def test_a_push_for_which_too_many_would_have_to_go_is_refused(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "EVICTED_MAX", 2)
    harness.say("QUEUE CREATE q MAXBYTES 10 OVERFLOW DROPOLDEST")
    harness.say("QMPUSH q 10 a b c d e f g h i j")

    assert harness.refusal("QPUSH q 1234") == (
        "MAXLEN over 3 jobs of queue 'q' would have to go for 4 bytes: push less at once"
    )
    harness.say("QPUSH q 123")
    assert held(harness) == 10


def test_a_queue_whose_limit_was_lowered_comes_down_to_it_step_by_step(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "EVICTED_MAX", 2)
    harness.say("QUEUE CREATE q MAXBYTES 10 OVERFLOW DROPOLDEST")
    harness.say("QMPUSH q 10 a b c d e f g h i j")
    harness.say("QUEUE SET q MAXBYTES 4")

    left = []
    for _ in range(4):
        harness.say("QPUSH q x")
        left.append(held(harness))

    assert left == [8, 6, 4, 4]


def test_in_a_queue_whose_groups_take_turns_the_least_urgent_goes_first(harness: Harness) -> None:
    harness.say("QUEUE CREATE q MAXBYTES 6 OVERFLOW DROPOLDEST FAIR YES")
    for payload, group, priority in (("aa", "g", 5), ("bb", "h", 1), ("cc", "g", 1)):
        harness.say(f"QPUSH q {payload} GROUP {group} PRIORITY {priority}")

    harness.say("QPUSH q ddd")

    assert sorted(payloads(harness)) == [b"aa", b"ddd"]
