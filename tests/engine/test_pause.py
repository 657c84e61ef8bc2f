from __future__ import annotations

import pytest

from respq.config import IDLE_QUEUE_MS
from respq.errors import Paused
from respq.resp.replies import OK
from tests.harness import WAITS, Harness

REFUSED = "PAUSED queue 'q' takes no jobs: QUEUE RESUME ends that"


@pytest.fixture
def filled(harness: Harness) -> Harness:
    harness.say("QPUSH q x")
    return harness


def test_a_queue_that_is_paused_takes_nothing_and_gives_nothing(filled: Harness) -> None:
    assert filled.say("QUEUE PAUSE q") == OK

    assert filled.refusal("QPUSH q y") == REFUSED
    assert filled.refusal("QPUSH q y PRIORITY 3") == REFUSED
    assert filled.refusal("QMPUSH q 2 y z") == REFUSED
    for pop in ("QPOP q COUNT 2", "QPOP q COUNT 2 NOACK"):
        assert filled.say(pop) == []
    assert filled.say("QLEN q") == 1


def test_each_direction_is_paused_by_itself(filled: Harness) -> None:
    filled.say("QUEUE PAUSE q OUT")
    filled.say("QPUSH q y")
    assert filled.say("QPOP q COUNT 2") == []

    filled.say("QUEUE PAUSE q IN")
    filled.say("QUEUE RESUME q OUT")
    assert filled.refusal("QPUSH q z") == REFUSED
    assert [payload for _, _, payload in filled.say("QPOP q COUNT 9")] == [b"x", b"y"]


def test_a_pause_survives_a_restart(filled: Harness) -> None:
    filled.say("QUEUE PAUSE q")
    filled.crash(down_ms=1_000)

    assert filled.refusal("QPUSH q y") == REFUSED
    assert filled.say("QPOP q COUNT 1") == []


@pytest.mark.parametrize("crashes", [False, True])
def test_a_pause_ends_when_its_time_is_over(filled: Harness, crashes: bool) -> None:
    filled.say("QUEUE PAUSE q OUT FOR 10s")
    filled.say("QUEUE PAUSE q IN FOR 20s")
    if crashes:
        filled.crash()
    filled.pass_ms(9_999)
    assert filled.say("QPOP q COUNT 1") == []

    filled.pass_ms(1)
    assert len(filled.say("QPOP q COUNT 1")) == 1
    assert filled.refusal("QPUSH q y") == (
        "PAUSED queue 'q' takes no jobs for another 10000 ms: QUEUE RESUME ends that"
    )

    filled.pass_ms(10_000)
    assert isinstance(filled.say("QPUSH q y"), bytes)


def test_a_pause_that_ended_while_the_server_was_down_is_over(filled: Harness) -> None:
    filled.say("QUEUE PAUSE q FOR 10s")
    filled.crash(down_ms=60_000)
    filled.pass_ms(0)

    assert filled.say("QPOP q")[2] == b"x"


def test_the_later_pause_says_how_long(filled: Harness) -> None:
    filled.say("QUEUE PAUSE q OUT FOR 10s")
    filled.say("QUEUE PAUSE q OUT FOR 5s")
    filled.pass_ms(5_000)
    assert filled.say("QPOP q")[2] == b"x"

    filled.say("QUEUE PAUSE q OUT FOR 5s")
    filled.say("QUEUE PAUSE q OUT")
    filled.pass_ms(IDLE_QUEUE_MS * 9)
    assert filled.say("QPOP q COUNT 1") == []


@pytest.mark.parametrize(
    "pop", ["QPOP q BLOCK 0", "QMPOP 2 other q BLOCK 0", "QPOP q NOACK BLOCK 0"]
)
@pytest.mark.parametrize("end", ["QUEUE RESUME q", "QUEUE RESUME q OUT", None])
def test_a_client_that_waits_is_served_when_the_pause_ends(
    filled: Harness, pop: str, end: str | None
) -> None:
    client = filled.client()
    filled.say("QUEUE PAUSE q FOR 10s")
    assert client.say(pop) is WAITS
    filled.pass_ms(5_000)
    assert client.inbox == []

    if end is None:
        filled.pass_ms(5_000)
    else:
        filled.say(end)

    assert len(client.inbox) == 1


def test_a_pop_of_many_goes_on_to_the_next_queue(filled: Harness) -> None:
    filled.say("QPUSH other y")
    filled.say("QUEUE PAUSE q OUT")

    assert filled.say("QMPOP 2 q other")[0] == b"other"


def test_what_is_held_may_be_finished(filled: Harness) -> None:
    filled.say("QMPUSH q 2 y z")
    held = [receipt.decode() for _, receipt, _ in filled.say("QPOP q COUNT 3")]
    filled.say("QUEUE PAUSE q")

    assert filled.say(f"QACK q {held[0]}") == 1
    assert filled.say(f"QNACK q {held[1]}") == 1
    assert filled.say(f"QTOUCH q {held[2]} LEASE 5s") == [filled.now_ms + 5_000]


@pytest.mark.parametrize("ending", ["QACK q {}", "QACK q {} STRICT", "QNACK q {}", "QMOVE q o {}"])
def test_a_queue_may_let_nothing_be_finished(filled: Harness, ending: str) -> None:
    receipt = filled.say("QPOP q")[1].decode()
    filled.say("QUEUE PAUSE q ACK FOR 10s")
    filled.crash()

    assert filled.refusal(ending.format(receipt)) == (
        "PAUSED queue 'q' takes no acks for another 10000 ms: QUEUE RESUME ends that"
    )
    assert filled.say(f"QTOUCH q {receipt}") == [filled.now_ms + 30_000]
    filled.pass_ms(9_999)
    assert isinstance(filled.say(ending.format(receipt)), Paused)

    filled.pass_ms(1)
    assert not isinstance(filled.say(ending.format(receipt)), Paused)
    assert filled.say("QSTATS q")[b"q"][b"leased"] == 0


def test_acks_in_a_pipeline_are_refused_too(filled: Harness) -> None:
    filled.say("QPUSH q y")
    receipts = [receipt.decode() for _, receipt, _ in filled.say("QPOP q COUNT 2")]
    filled.say("QUEUE PAUSE q ACK")

    replies = filled.default.pipeline(*(f"QACK q {each}" for each in receipts))

    assert [str(each)[:29] for each in replies] == ["PAUSED queue 'q' takes no ack"] * 2
    assert filled.say("QUEUE RESUME q ACK") == 1
    assert filled.default.pipeline(*(f"QACK q {each}" for each in receipts)) == [1, 1]


def test_a_queue_may_let_no_lease_be_held_for_longer(filled: Harness) -> None:
    receipt = filled.say("QPOP q LEASE 10s")[1].decode()
    filled.say("QUEUE PAUSE q TOUCH")

    assert filled.refusal(f"QTOUCH q {receipt} LEASE 20s") == (
        "PAUSED queue 'q' takes no touches: QUEUE RESUME ends that"
    )
    filled.pass_ms(9_999)
    assert filled.say(f"QACK q {receipt}") == 1


def test_leases_end_while_nothing_may_be_finished(filled: Harness) -> None:
    receipt = filled.say("QPOP q LEASE 10s")[1].decode()
    filled.say("QUEUE PAUSE q ACK")
    filled.pass_ms(10_000)
    filled.say("QUEUE RESUME q")

    assert filled.say(f"QACK q {receipt}") == 0
    assert filled.say("QLEN q") == 1


def test_a_pause_without_a_word_lets_work_be_finished_and_a_resume_ends_all(
    filled: Harness,
) -> None:
    filled.say("QUEUE PAUSE q")
    assert pauses(filled) == (-1, -1, 0, 0)

    filled.say("QUEUE PAUSE q ACK TOUCH FOR 1s")
    assert pauses(filled) == (-1, -1, filled.now_ms + 1_000, filled.now_ms + 1_000)

    assert filled.say("QUEUE RESUME q") == 1
    assert pauses(filled) == (0, 0, 0, 0)


def test_times_run_on(filled: Harness) -> None:
    filled.say("QPUSH q short TTL 5s")
    filled.say("QUEUE PAUSE q")

    filled.pass_ms(5_000)

    assert filled.say("QDLQ COUNT q") == 1


def test_a_schedule_goes_on_pushing(filled: Harness) -> None:
    filled.say("QSCHED ADD q tick x EVERY 10s")
    filled.say("QUEUE PAUSE q")

    filled.pass_ms(10_000)

    assert filled.say("QLEN q") == 2


def test_a_repeated_push_gets_its_answer(harness: Harness) -> None:
    harness.say("QPUSH q x ID mine")
    harness.say("QUEUE PAUSE q")

    assert harness.say("QPUSH q x ID mine") == b"mine"


def test_a_paused_queue_is_kept_however_idle_it_is(filled: Harness) -> None:
    filled.say("QPOP q NOACK")
    filled.say("QUEUE PAUSE q FOR 1m")

    filled.pass_ms(IDLE_QUEUE_MS * 3)

    assert filled.say("QUEUE EXISTS q") == 1


def test_a_queue_that_is_dropped_takes_its_pause_with_it(filled: Harness) -> None:
    filled.say("QUEUE PAUSE q FOR 10s")
    filled.say("QUEUE DROP q")
    filled.say("QPUSH q y")

    assert filled.say("QPOP q")[2] == b"y"
    filled.pass_ms(20_000)


def test_the_settings_show_the_pauses(filled: Harness) -> None:
    assert pauses(filled) == (0, 0, 0, 0)
    filled.say("QUEUE PAUSE q IN")
    filled.say("QUEUE PAUSE q OUT FOR 1s")
    assert pauses(filled) == (-1, filled.now_ms + 1_000, 0, 0)


def pauses(harness: Harness) -> tuple[int, ...]:
    facts = harness.say("QUEUE GET q")
    return tuple(facts[b"paused_%b_ms" % each] for each in (b"in", b"out", b"ack", b"touch"))


def test_a_resume_says_whether_there_was_a_pause(filled: Harness) -> None:
    assert filled.say("QUEUE RESUME q") == 0
    filled.say("QUEUE PAUSE q IN")
    assert filled.say("QUEUE RESUME q OUT") == 0
    assert filled.say("QUEUE RESUME q") == 1
    assert filled.say("QUEUE RESUME q") == 0


def test_the_same_pause_again_records_nothing(filled: Harness) -> None:
    filled.say("QUEUE PAUSE q")
    batches = len(filled.journal)

    filled.say("QUEUE PAUSE q")

    assert len(filled.journal) == batches


def test_a_queue_that_is_not_there_is_not_paused(harness: Harness) -> None:
    for command in ("PAUSE", "RESUME"):
        assert harness.refusal(f"QUEUE {command} q") == "NOQUEUE there is no queue 'q'"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("FOR 0", "ERR FOR is from 1 to 3153600000000 ms, not '0'"),
        ("FOR -5", "ERR FOR is milliseconds, or a number with ms, s, m, h or d, not '-5'"),
        ("IN IN", "ERR syntax error near 'IN'"),
        ("SOON", "ERR syntax error near 'SOON'"),
        ("FOR", "ERR syntax error near 'FOR': FOR ms"),
    ],
)
def test_what_cannot_be_read_is_named(filled: Harness, words: str, error: str) -> None:
    assert filled.refusal(f"QUEUE PAUSE q {words}") == error


def test_a_pipeline_of_pushes_is_refused_command_by_command(filled: Harness) -> None:
    filled.say("QUEUE PAUSE q IN")

    replies = filled.default.pipeline(*["QPUSH q y"] * 3, "QLEN q")

    assert [str(reply) for reply in replies[:3]] == [REFUSED] * 3
    assert replies[3] == 1
