from __future__ import annotations

import pytest

from respq.config import ANSWERS_MAX, Settings
from respq.engine.jobs.push import PushTerms
from tests.harness import START_MS, Harness

WINDOW_MS = 600_000


def payloads(harness: Harness, queue: str = "q") -> list[bytes]:
    """Return the payloads of the ready jobs in the order of pops."""
    return [payload for _, payload in harness.say(f"QPEEK {queue} COUNT 100")]


def test_a_pushed_job_is_ready_and_keeps_what_it_was_given(harness: Harness) -> None:
    job_id = harness.say("QPUSH q hello")

    assert harness.phase("q", job_id) == "ready"
    facts = harness.say(f"QSHOW q {job_id.decode()}")
    assert facts[b"payload"] == b"hello"
    assert facts[b"pushed_ms"] == START_MS
    assert job_id.startswith(b"%d-" % START_MS)


def test_equals_go_out_in_the_order_of_their_pushes(harness: Harness) -> None:
    for name in ("a", "b", "c"):
        harness.say(f"QPUSH q {name}")

    assert payloads(harness) == [b"a", b"b", b"c"]


def test_the_largest_priority_goes_first_unless_the_queue_says_min(harness: Harness) -> None:
    harness.say("QUEUE CREATE min ORDER MIN")
    for queue in ("max", "min"):
        for priority in (0, 7, -3, 7):
            harness.say(f"QPUSH {queue} p{priority} PRIORITY {priority}")

    assert payloads(harness, "max") == [b"p7", b"p7", b"p0", b"p-3"]
    assert payloads(harness, "min") == [b"p-3", b"p0", b"p7", b"p7"]


def test_text_priorities_are_compared_as_bytes(harness: Harness) -> None:
    harness.say("QUEUE CREATE q PRIORITIES TEXT ORDER MIN")
    for priority in ("b", "a", "ab", "B"):
        harness.say(f"QPUSH q {priority} PRIORITY {priority}")
    harness.say("QPUSH q none")

    assert payloads(harness) == [b"none", b"B", b"a", b"ab", b"b"]


@pytest.mark.parametrize("priority", [-(2**63), 2**64 - 1])
def test_a_priority_at_the_limit_is_kept(harness: Harness, priority: int) -> None:
    job_id = harness.say(f"QPUSH q x PRIORITY {priority}")

    assert harness.say(f"QSHOW q {job_id.decode()}")[b"priority"] == b"%d" % priority


@pytest.mark.parametrize(
    "priority",
    [str(-(2**63) - 1), str(2**64), "1.5", "high", "''", "+1", "1_0", "--1", "9" * 5_000],
)
def test_a_priority_that_is_no_integer_in_range_is_refused(harness: Harness, priority: str) -> None:
    assert harness.refusal(f"QPUSH q x PRIORITY {priority}").startswith("BADPRIORITY ")


def test_a_text_priority_over_the_limit_of_names_is_refused(harness: Harness) -> None:
    harness.say("QUEUE CREATE q PRIORITIES TEXT")

    assert harness.say(f"QPUSH q x PRIORITY {'p' * 255}")
    assert harness.refusal(f"QPUSH q x PRIORITY {'p' * 256}").startswith("TOOBIG ")


def test_a_delayed_job_is_ready_at_its_millisecond_and_not_before(harness: Harness) -> None:
    job_id = harness.say("QPUSH q x DELAY 5s")

    harness.pass_ms(4_999)
    assert harness.phase("q", job_id) == "delayed"
    assert harness.say("QPOP q") is not None
    harness.pass_ms(1)
    assert harness.phase("q", job_id) == "ready"


def test_a_job_for_an_instant_is_ready_then(harness: Harness) -> None:
    job_id = harness.say(f"QPUSH q x AT {START_MS + 100}")

    harness.pass_ms(99)
    assert harness.phase("q", job_id) == "delayed"
    harness.pass_ms(1)
    assert harness.phase("q", job_id) == "ready"


@pytest.mark.parametrize("options", ["DELAY 0", f"AT {START_MS}", f"AT {START_MS - 1}", "AT 1"])
def test_what_is_due_already_is_ready_at_once(harness: Harness, options: str) -> None:
    job_id = harness.say(f"QPUSH q x {options}")

    assert harness.phase("q", job_id) == "ready"
    assert harness.job("q", job_id).due_ms == 0  # type: ignore[union-attr]


def test_a_job_that_comes_due_stands_behind_those_that_were_ready(harness: Harness) -> None:
    harness.say("QPUSH q late DELAY 20")
    harness.say("QPUSH q soon DELAY 10")
    harness.say("QPUSH q ready")

    harness.pass_ms(20)

    assert payloads(harness) == [b"ready", b"soon", b"late"]


def test_a_ready_job_is_dead_when_its_ttl_is_over_and_not_before(harness: Harness) -> None:
    job_id = harness.say("QPUSH q x TTL 1s")

    harness.pass_ms(999)
    assert harness.phase("q", job_id) == "ready"
    harness.pass_ms(1)
    assert harness.phase("q", job_id) == "dead"
    assert harness.say(f"QSHOW q {job_id.decode()}")[b"reason"] == b"expired"


def test_a_job_whose_ttl_is_over_is_dropped_where_the_queue_says_so(harness: Harness) -> None:
    harness.say("QUEUE CREATE q EXPIRED DROP TTL 1s")
    job_id = harness.say("QPUSH q x")
    kept = harness.say("QPUSH q y TTL 2s")

    harness.pass_ms(999)
    assert harness.phase("q", job_id) == "ready"
    harness.pass_ms(1)

    assert (harness.phase("q", job_id), harness.phase("q", kept)) == ("gone", "ready")
    assert harness.queue("q").totals.dropped == 1


def test_a_job_whose_ttl_ends_now_is_not_handed_out_though_no_tick_has_come(
    harness: Harness,
) -> None:
    harness.say("QPUSH q x TTL 10")
    harness.say("QPUSH q y")

    harness.now_ms += 10

    assert harness.say("QPOP q")[2] == b"y"
    assert harness.say("QPOP q NOACK COUNT 5") == []


def test_the_ttl_of_the_queue_binds_when_a_job_is_pushed(harness: Harness) -> None:
    harness.say("QUEUE CREATE q TTL 1s")
    job_id = harness.say("QPUSH q x")
    harness.say("QUEUE SET q TTL 1h")

    harness.pass_ms(1_000)

    assert harness.phase("q", job_id) == "dead"


def test_a_delay_until_the_ttl_is_over_is_refused(harness: Harness) -> None:
    assert "after its ttl" in harness.refusal("QPUSH q x DELAY 100 TTL 100")
    assert harness.say("QPUSH q x DELAY 99 TTL 100")


def test_a_repeated_id_is_told_the_first_answer_for_ten_minutes(harness: Harness) -> None:
    assert harness.say("QPUSH q first ID order-1") == b"order-1"
    harness.say(f"QACK q {harness.say('QPOP q')[1].decode()}")

    harness.pass_ms(WINDOW_MS - 1)
    assert harness.say("QPUSH q again ID order-1") == b"order-1"
    assert harness.say("QLEN q") == 0
    harness.pass_ms(1)
    assert harness.say("QPUSH q new ID order-1") == b"order-1"
    assert payloads(harness) == [b"new"]


def test_the_id_of_a_live_job_is_not_pushed_again_however_old_it_is(harness: Harness) -> None:
    harness.say("QPUSH q first ID order-1")

    harness.pass_ms(10 * WINDOW_MS)

    assert harness.say("QPUSH q again ID order-1") == b"order-1"
    assert payloads(harness) == [b"first"]


def test_a_repetition_is_recognized_after_a_crash(harness: Harness) -> None:
    harness.say("QPUSH q x ID order-1")
    pushed = harness.say("QMPUSH q 2 a b IDMP me 7")
    for _ in range(3):
        harness.say(f"QACK q {harness.say('QPOP q')[1].decode()}")

    harness.crash(down_ms=WINDOW_MS - 1)

    assert harness.say("QPUSH q x ID order-1") == b"order-1"
    assert harness.say("QMPUSH q 2 a b IDMP me 7") == pushed
    assert harness.say("QLEN q") == 0


def test_a_repetition_is_recognized_after_a_purge(harness: Harness) -> None:
    pushed = harness.say("QPUSH q x IDMP me 1")

    harness.say("QUEUE PURGE q")

    assert harness.say("QPUSH q x IDMP me 1") == pushed
    assert harness.say("QLEN q") == 0


def test_an_idmp_pair_covers_the_whole_call(harness: Harness) -> None:
    pushed = harness.say("QMPUSH q 3 a b c IDMP me 1")

    assert harness.say("QMPUSH q 3 a b c IDMP me 1") == pushed
    assert harness.say("QMPUSH q 1 other IDMP me 1") == pushed
    assert payloads(harness) == [b"a", b"b", b"c"]


def test_producers_and_queues_count_for_themselves(harness: Harness) -> None:
    for queue, producer, number in (
        ("q", "me", 1),
        ("q", "you", 1),
        ("q", "me", 2),
        ("r", "me", 1),
    ):
        harness.say(f"QPUSH {queue} {producer}{number} IDMP {producer} {number}")

    assert payloads(harness, "q") == [b"me1", b"you1", b"me2"]
    assert payloads(harness, "r") == [b"me1"]


def test_a_producer_cannot_take_the_place_of_an_id(harness: Harness) -> None:
    harness.say("QPUSH q a ID x")
    harness.say("QPUSH q b IDMP id:x 0")
    harness.say("QPUSH q c IDMP x 0")

    assert payloads(harness) == [b"a", b"b", b"c"]


def test_an_idmp_pair_is_free_again_when_its_window_ends(harness: Harness) -> None:
    harness.say("QPUSH q a IDMP me 1")

    harness.pass_ms(WINDOW_MS - 1)
    harness.say("QPUSH q b IDMP me 1")
    assert payloads(harness) == [b"a"]
    harness.pass_ms(1)
    harness.say("QPUSH q c IDMP me 1")
    assert payloads(harness) == [b"a", b"c"]


def test_a_repetition_does_not_begin_a_new_window(harness: Harness) -> None:
    harness.say("QPUSH q a IDMP me 1")
    harness.pass_ms(WINDOW_MS - 1)
    harness.say("QPUSH q a IDMP me 1")

    harness.pass_ms(1)
    harness.say("QPUSH q b IDMP me 1")

    assert payloads(harness) == [b"a", b"b"]


def test_the_newest_answers_are_kept_up_to_the_limit(harness: Harness) -> None:
    def push(number: int) -> bytes:
        terms = PushTerms(idmp=(b"me", number))
        ids = harness.engine.push_many(harness.now_ms, 0, b"q", [b"x"], terms)
        assert ids is not None
        return ids[0]

    ids = [push(number) for number in range(ANSWERS_MAX + 1)]

    answers = harness.queue("q").answers
    assert len(answers) == ANSWERS_MAX
    assert push(1) == ids[1]
    assert push(ANSWERS_MAX) == ids[-1]
    assert push(0) != ids[0]  # The oldest was forgotten; it is a new push.
    harness.settle()


def test_answers_whose_window_is_over_make_room(harness: Harness) -> None:
    for number in range(10):
        harness.say(f"QPUSH q x IDMP me {number}")

    harness.pass_ms(WINDOW_MS)
    for number in range(10, 15):
        harness.say(f"QPUSH q x IDMP me {number}")

    assert len(harness.queue("q").answers) == 5


@pytest.mark.parametrize("job_id", ["1-1", f"{START_MS}-2", "0-0"])
def test_an_id_that_could_be_the_servers_own_is_refused(harness: Harness, job_id: str) -> None:
    assert "looks like the server's own" in harness.refusal(f"QPUSH q x ID {job_id}")


@pytest.mark.parametrize("option", ["ID {}", "IDMP {} 1"])
def test_a_name_that_is_empty_or_too_long_is_refused(harness: Harness, option: str) -> None:
    assert "is empty" in harness.refusal(f"QPUSH q x {option.format(repr(''))}")
    assert harness.refusal(f"QPUSH q x {option.format('i' * 256)}").startswith("TOOBIG ")


@pytest.mark.parametrize("name", [b"q" * 255, b"\x00", b"\xff\r\n ", b"%s"])
def test_a_queue_may_have_any_bytes_for_a_name(harness: Harness, name: bytes) -> None:
    job_id = harness.default.ask(b"QPUSH", name, b"x")

    assert harness.default.ask(b"QPOP", name)[0] == job_id


@pytest.mark.parametrize("options", ["", "PRIORITY 1"])
def test_a_queue_name_that_is_empty_or_too_long_is_refused(harness: Harness, options: str) -> None:
    assert "queue name is empty" in harness.refusal(f"QPUSH '' x {options}")
    assert harness.refusal(f"QPUSH {'q' * 256} x {options}").startswith("TOOBIG ")


def test_databases_do_not_know_of_each_other(harness: Harness) -> None:
    other = harness.client()
    other.say("SELECT 3")

    harness.say("QPUSH q here ID x")
    other.say("QPUSH q there ID x")

    assert payloads(harness) == [b"here"]
    assert other.say("QPOP q")[2] == b"there"


def test_of_several_payloads_all_are_pushed_or_none() -> None:
    harness = Harness(Settings(payload_bytes_max=10))

    assert harness.refusal(f"QMPUSH q 3 a {'b' * 11} c").startswith("TOOBIG ")
    assert harness.refusal(f"QPUSH q {'b' * 11}").startswith("TOOBIG ")
    assert len(harness.say(f"QMPUSH q 3 a {'b' * 10} c")) == 3
    assert len(harness.journal) == 1


def test_a_job_stores_only_what_its_push_gave(harness: Harness) -> None:
    plain = harness.say("QPUSH q x DELAY 10 PRIORITY 4")
    full = harness.say("QPUSH q x LEASE 7s ATTEMPTS 2 BACKOFF FIXED 100 MAX 200 JITTER 0")

    assert harness.job("q", plain).options is None  # type: ignore[union-attr]
    options = harness.job("q", full).options  # type: ignore[union-attr]
    assert options is not None
    assert (options.lease_ms, options.attempts, options.expires_ms) == (7_000, 2, None)
