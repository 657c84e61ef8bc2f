"""QEXPLAIN: each cause of a job not being delivered."""

from __future__ import annotations

from tests.harness import START_MS, Harness


def push(harness: Harness, job_id: str = "j", options: str = "") -> None:
    harness.say(f"QPUSH q x ID {job_id}{options}")


def causes(harness: Harness, job_id: str = "j") -> dict[str, str]:
    reply = harness.say(f"QEXPLAIN q {job_id}")
    return {word.decode(): text.decode() for word, text in reply[b"causes"]}


def test_nothing_keeps_a_job_that_is_next(harness: Harness) -> None:
    push(harness)

    assert harness.say("QEXPLAIN q j") == {b"phase": b"ready", b"causes": []}


def test_others_stand_before_it(harness: Harness) -> None:
    push(harness, "other", " PRIORITY 5")
    push(harness)

    assert causes(harness) == {"behind": "1 jobs stand before it"}


def test_many_others_are_not_counted(harness: Harness) -> None:
    for _ in range(2):
        harness.say("QMPUSH q 6000 " + " ".join(["x"] * 6_000))
    push(harness)

    assert causes(harness) == {"behind": "10000 jobs or more stand before it"}


def test_its_queue_is_paused(harness: Harness) -> None:
    push(harness)
    harness.say("QUEUE PAUSE q OUT")
    assert causes(harness) == {"paused": "its queue gives out nothing until QUEUE RESUME"}

    harness.say("QUEUE PAUSE q OUT FOR 5s")

    until_ms = START_MS + 5_000
    assert causes(harness) == {"paused": f"its queue gives out nothing until {until_ms}"}


def test_as_many_are_leased_as_may_be(harness: Harness) -> None:
    harness.say("QUEUE CREATE q CONCURRENCY 1")
    push(harness, "other")
    harness.say("QPOP q")
    push(harness)

    assert causes(harness) == {"concurrency": "1 jobs are leased, CONCURRENCY is 1"}


def test_as_many_went_out_as_may_in_a_time(harness: Harness) -> None:
    harness.say("QUEUE CREATE q RATE 1 PER 10s")
    push(harness, "other")
    harness.say("QPOP q NOACK")
    push(harness)

    assert causes(harness) == {"rate": f"RATE lets the next job go at {START_MS + 10_000}"}


def test_its_group_holds_as_many_as_may_be(harness: Harness) -> None:
    harness.say("QUEUE CREATE q GROUPCONCURRENCY 1")
    push(harness, "other", " GROUP g")
    harness.say("QPOP q")
    push(harness, options=" GROUP g")

    assert causes(harness) == {"group": "1 jobs of its group 'g' are held, GROUPCONCURRENCY is 1"}


def test_its_ttl_is_over_though_no_tick_has_come(harness: Harness) -> None:
    push(harness, options=" TTL 5s")

    reply = harness.broker.execute(
        harness.default.session, [b"QEXPLAIN", b"q", b"j"], START_MS + 5_000
    )

    assert isinstance(reply, dict)
    assert reply[b"causes"] == [[b"expired", b"its ttl is over since 1700000005000"]]


def test_all_causes_are_told(harness: Harness) -> None:
    harness.say("QUEUE CREATE q CONCURRENCY 1 RATE 1 PER 10s GROUPCONCURRENCY 1")
    push(harness, "first", " GROUP g")
    harness.say("QPOP q")
    push(harness, "other", " GROUP g")
    push(harness, options=" GROUP g")
    harness.say("QUEUE PAUSE q OUT")

    assert list(causes(harness)) == ["paused", "concurrency", "rate", "group", "behind"]


def test_it_is_delayed(harness: Harness) -> None:
    push(harness, options=" DELAY 5s")

    assert causes(harness) == {"delayed": f"it is ready at {START_MS + 5_000}"}


def test_it_failed_and_waits(harness: Harness) -> None:
    push(harness)
    harness.say(f"QNACK q {harness.say('QPOP q')[1].decode()} DELAY 5s ERROR 'no route'")

    assert causes(harness)["failed"] == "1 attempts failed, the last with: no route"


def test_somebody_holds_it(harness: Harness) -> None:
    push(harness)
    harness.say("QPOP q LEASE 5s CONSUMER bob")
    assert causes(harness) == {"leased": f"'bob' holds it until {START_MS + 5_000}"}

    harness.say("QCANCEL q j")

    assert causes(harness)["cancelled"] == "it is not wanted any more: nothing was said"


def test_somebody_without_a_name_holds_it(harness: Harness) -> None:
    push(harness)
    harness.say("QPOP q LEASE 5s")

    assert causes(harness) == {"leased": f"a worker holds it until {START_MS + 5_000}"}


def test_it_waits_for_others(harness: Harness) -> None:
    push(harness, "a")
    push(harness, "b", " DELAY 5s")
    push(harness, options=" DEPENDS 2 a b")

    assert harness.say("QEXPLAIN q j") == {
        b"phase": b"blocked",
        b"causes": [
            [b"blocked", b"it waits for 'a', which is ready"],
            [b"blocked", b"it waits for 'b', which is delayed"],
        ],
    }


def test_it_is_dead(harness: Harness) -> None:
    push(harness)
    harness.say(f"QNACK q {harness.say('QPOP q')[1].decode()} FATAL ERROR 'no such user'")

    assert causes(harness) == {"dead": "fatal: no such user: QDLQ REDRIVE gives it another chance"}


def test_it_is_done(harness: Harness) -> None:
    push(harness, options=" KEEP 5s")
    harness.say(f"QACK q {harness.say('QPOP q')[1].decode()}")

    assert causes(harness) == {"done": f"it is kept until {START_MS + 5_000}"}


def test_what_is_not_there(harness: Harness) -> None:
    assert harness.refusal("QEXPLAIN q j").startswith("NOQUEUE ")
    push(harness)
    assert harness.refusal("QEXPLAIN q none").startswith("NOJOB ")
