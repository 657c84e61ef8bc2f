"""Payloads that are not in memory: what waits for them, what does not, and what becomes of them."""

from __future__ import annotations

import pytest

from respq.engine.codec import decode_records
from respq.engine.state import State
from respq.errors import ShuttingDown, UnreadablePayload
from respq.resp.replies import NULL_ARRAY
from tests.harness import WAITS, Client, Harness, image


def away(harness: Harness) -> list[bytes]:
    """Return the ids of the jobs of queue q whose payloads are not in memory."""
    return [job.id for job in harness.queue("q") if isinstance(job.payload, int)]


def payloads(jobs: list[list[bytes]]) -> list[bytes]:
    return [payload for _, _, payload in jobs]


@pytest.fixture
def slow(harness: Harness) -> Harness:
    """Three jobs whose payloads are away, and a journal that is read when the test says so."""
    for payload in "abc":
        harness.say(f"QPUSH q {payload}")
    harness.let_go()
    harness.reads = False
    return harness


def test_jobs_whose_payloads_are_away_go_out_in_order_with_what_was_pushed(
    harness: Harness,
) -> None:
    for payload in "abc":
        harness.say(f"QPUSH q {payload} PRIORITY {ord(payload)}")
    harness.let_go()
    assert len(away(harness)) == 3

    popped = [harness.say("QPOP q")[2] for _ in "abc"]

    assert popped == [b"c", b"b", b"a"]
    assert harness.say("QPOP q") is NULL_ARRAY


def test_who_pops_waits_until_the_payload_is_read(slow: Harness) -> None:
    assert slow.say("QPOP q") is WAITS
    assert slow.say("QLEN q") == 3

    slow.read()

    assert [each[2] for each in slow.default.inbox] == [b"a"]
    assert slow.say("QLEN q") == 2


def test_others_go_on_meanwhile(slow: Harness) -> None:
    slow.say("QPUSH other x")
    assert slow.say("QPOP q") is WAITS

    assert slow.client().say("QPOP other")[2] == b"x"
    assert slow.client().say("QPUSH q d") is not WAITS


def test_clients_are_served_in_the_order_in_which_they_asked(slow: Harness) -> None:
    clients = [slow.client() for _ in "abc"]
    for client in clients:
        assert client.say("QPOP q") is WAITS

    slow.read()

    assert [client.inbox[0][2] for client in clients] == [b"a", b"b", b"c"]


def test_one_who_has_waited_for_a_job_is_served_before_who_came_later(harness: Harness) -> None:
    harness.reads = False
    first, second = harness.client(), harness.client()
    assert first.say("QPOP q BLOCK 0") is WAITS
    harness.say("QUEUE PAUSE q OUT")
    harness.say("QPUSH q a")
    harness.say("QPUSH q b")
    harness.let_go()
    harness.say("QUEUE RESUME q")
    assert second.say("QPOP q BLOCK 0") is WAITS

    harness.read()

    assert (first.inbox[0][2], second.inbox[0][2]) == (b"a", b"b")


def test_a_wait_for_a_payload_can_become_one_for_a_job_again(slow: Harness) -> None:
    client = slow.client()
    assert client.say("QPOP q BLOCK 5000") is WAITS
    slow.say("QUEUE PAUSE q OUT")
    slow.read()
    assert client.inbox == []

    slow.pass_ms(4_999)
    assert client.inbox == []
    slow.pass_ms(1)
    assert client.inbox == [NULL_ARRAY]


def test_who_has_gone_takes_nothing(slow: Harness) -> None:
    client = slow.client()
    assert client.say("QPOP q") is WAITS
    slow.broker.close_session(client.session)

    slow.read()

    assert slow.say("QLEN q") == 3
    assert slow.engine.state.watched == {}


def test_a_pop_of_several_waits_for_all_of_them(slow: Harness) -> None:
    slow.say("QPUSH q d")
    assert slow.say("QPOP q COUNT 10") is WAITS

    slow.read()

    assert payloads(slow.default.inbox[0]) == [b"a", b"b", b"c", b"d"]


def test_strict_pops_of_several_queues_do_not_pass_over_one_whose_payloads_are_away(
    slow: Harness,
) -> None:
    slow.say("QPUSH other x")
    assert slow.say("QMPOP 2 q other STRICT") is WAITS

    slow.read()

    assert slow.default.inbox[0][0] == b"q"


def test_in_a_transaction_payloads_are_read_at_once(slow: Harness) -> None:
    slow.say("MULTI")
    slow.say("QPOP q NOACK")
    slow.say("QPOP q COUNT 2")

    first, rest = slow.say("EXEC")

    assert first[2] == b"a"
    assert payloads(rest) == [b"b", b"c"]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("QPEEK q COUNT 3", [b"a", b"b", b"c"]),
        ("QSHOW q {id}", [b"a"]),
        ("QPOP q NOACK", [b"a"]),
    ],
)
def test_what_shows_payloads_waits_for_them(slow: Harness, line: str, shown: list[bytes]) -> None:
    first = away(slow)[0].decode()
    assert slow.say(line.format(id=first)) is WAITS

    slow.read()

    (reply,) = slow.default.inbox
    if isinstance(reply, dict):
        reply = [(b"", reply[b"payload"])]
    elif not isinstance(reply[0], tuple | list):
        reply = [reply]
    assert [each[-1] for each in reply] == shown


def test_payloads_go_with_a_move_and_a_redrive(harness: Harness) -> None:
    harness.lets_go = True
    harness.say("QPUSH q a ATTEMPTS 1")
    harness.say("QPUSH q b")
    for outcome in ("FATAL", "FAIL DELAY 0"):
        harness.say(f"QNACK q {harness.say('QPOP q')[1].decode()} {outcome}")
    harness.say(f"QMOVE q moved {harness.say('QPOP q')[1].decode()}")
    harness.say("QDLQ REDRIVE q TO again")

    assert harness.say("QPOP moved")[2] == b"b"
    assert harness.say("QPOP again")[2] == b"a"


def test_an_edited_payload_is_the_one_that_is_read_back(harness: Harness) -> None:
    job_id = harness.say("QPUSH q old").decode()
    harness.say(f"QEDIT q {job_id} PAYLOAD new")
    harness.say(f"QEDIT q {job_id} PRIORITY 7")
    harness.let_go()

    assert harness.say("QPOP q")[2] == b"new"


def test_the_last_of_several_payloads_in_one_batch_is_read_back(harness: Harness) -> None:
    harness.say("MULTI")
    harness.say("QPUSH q old ID mine")
    harness.say("QEDIT q mine PAYLOAD new")
    harness.say("EXEC")
    harness.let_go()

    assert harness.say("QPOP q")[2] == b"new"


def test_a_replay_need_not_keep_payloads() -> None:
    harness = Harness()
    for payload in "abc":
        harness.say(f"QPUSH q {payload}")
    harness.say("QPUSH q later DELAY 5s")
    state = State()
    state.keeps_payloads = False
    for state.position, body in enumerate(harness.journal, 1):
        for record in decode_records(body):
            state.apply(record)
    state.keeps_payloads = True
    state.next_number, state.next_fence = 1_000, 1_000
    state.position = len(harness.journal) + 1
    state.build_indexes()
    again = Harness()
    again.journal, again.now_ms = harness.journal, harness.now_ms
    again._start(state)
    again.default = again.client()

    assert len(away(again)) == 4
    assert payloads(again.say("QPOP q COUNT 5")) == [b"a", b"b", b"c"]
    again.pass_ms(5_000)
    assert again.say("QPOP q")[2] == b"later"


def test_a_payload_that_is_not_committed_stays(harness: Harness) -> None:
    harness.broker.execute(harness.default.session, [b"QPUSH", b"q", b"a"], harness.now_ms)

    harness.let_go()

    assert away(harness) == []
    harness.settle()
    harness.let_go()
    assert len(away(harness)) == 1


def test_those_at_the_head_stay_and_those_that_are_last_go_first(harness: Harness) -> None:
    for number in range(4_100):
        harness.broker.execute(
            harness.default.session, [b"QPUSH", b"q", b"%064d" % number], harness.now_ms
        )
    harness.settle()

    for _ in harness.engine.letting_go(len(harness.journal), 1 << 40):
        pass

    numbers = [job.number for job in harness.queue("q").ready]
    kept = {job.number for job in harness.queue("q") if isinstance(job.payload, bytes)}
    assert kept == set(numbers[:1_000])


def test_short_payloads_stay(harness: Harness) -> None:
    harness.say("QPUSH q short DELAY 1h")
    harness.say(f"QPUSH q {'x' * 64} DELAY 1h")

    for _ in harness.engine.letting_go(len(harness.journal), 1 << 40):
        pass

    assert [job.payload for job in harness.queue("q")] == [b"short", 64]


def test_a_job_whose_payload_cannot_be_read_is_a_dead_letter_and_the_next_goes_out(
    harness: Harness,
) -> None:
    lost = harness.say("QPUSH q lost").decode()
    harness.say("QPUSH q next")
    harness.let_go()
    harness.damaged = {harness.queue("q").job(int(lost.split("-")[1])).position}  # type: ignore[union-attr]

    assert harness.say("QPOP q")[2] == b"next"

    facts = harness.say(f"QSHOW q {lost}")
    assert (facts[b"phase"], facts[b"reason"], facts[b"payload"]) == (b"dead", b"unreadable", None)
    assert b"position" in facts[b"error"]
    assert harness.say("QSTATS q")[b"q"][b"unreadable_total"] == 1
    assert [each[b"payload"] for each in harness.say("QDLQ LIST q")] == [None]
    assert harness.say("QDLQ REDRIVE q TO elsewhere") == 0
    assert harness.say("QDLQ REDRIVE q") == 1
    assert harness.say("QPOP q") is not WAITS
    assert harness.phase("q", lost.encode()) == "dead"
    harness.damaged.clear()


def test_a_move_of_a_job_whose_payload_cannot_be_read_is_refused(harness: Harness) -> None:
    harness.say("QPUSH q x")
    receipt = harness.say("QPOP q")[1].decode()
    harness.let_go()
    position = next(iter(harness.queue("q"))).position
    harness.damaged = {position}

    reply = harness.say(f"QMOVE q other {receipt}")

    assert isinstance(reply, UnreadablePayload)
    assert f"position {position}" in str(reply)
    assert harness.say(f"QMOVE q other {receipt} PAYLOAD new") is not None
    harness.damaged.clear()


def test_client_unblock_does_not_end_a_wait_that_is_over_in_a_moment(slow: Harness) -> None:
    client = slow.client()
    assert client.say("QPOP q") is WAITS

    assert slow.say(f"CLIENT UNBLOCK {client.session.id}") == 0
    slow.read()
    assert client.inbox[0][2] == b"a"


def test_a_server_that_stops_tells_who_waits_for_a_payload(slow: Harness) -> None:
    client = slow.client()
    assert client.say("QPOP q") is WAITS

    slow.broker.drain()
    slow.settle()

    assert isinstance(client.inbox[0], ShuttingDown)
    slow.broker.draining = False


def test_clients_that_pop_together_wait_together(slow: Harness) -> None:
    clients: list[Client] = [slow.client() for _ in "ab"]
    command = slow.broker.run_command_of([b"QPOP"], b"q")
    assert command is not None

    replies, _ = slow.broker.execute_together(command, 0, b"q", [[b"q", b"q"]], slow.now_ms)

    assert replies == []
    for client in clients:
        assert client.say("QPOP q") is WAITS
    slow.read()
    assert [client.inbox[0][2] for client in clients] == [b"a", b"b"]


def test_what_is_done_with_payloads_away_is_journaled_as_with_payloads_here(
    harness: Harness,
) -> None:
    for payload in "abc":
        harness.say(f"QPUSH q {payload}")
    harness.let_go()
    harness.say("QPOP q COUNT 2")
    harness.say("QPUSH q d")

    assert image(harness.replayed(), harness.now_ms) == harness.image()
