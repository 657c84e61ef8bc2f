"""QKICK: delayed jobs that are ready now."""

from __future__ import annotations

from tests.harness import Harness


def payloads(harness: Harness) -> list[bytes]:
    return [payload for _, payload in harness.say("QPEEK q COUNT 99")]


def test_the_next_to_be_due_are_kicked_first(harness: Harness) -> None:
    for payload, delay in (("late", "9s"), ("soon", "2s"), ("later", "10s"), ("mid", "5s")):
        harness.say(f"QPUSH q {payload} DELAY {delay}")

    assert harness.say("QKICK q COUNT 2") == 2
    assert harness.say("QKICK q") == 1

    harness.crash()
    assert payloads(harness) == [b"soon", b"mid", b"late"]
    harness.pass_ms(10_000)
    assert payloads(harness) == [b"soon", b"mid", b"late", b"later"]
    assert harness.say("QKICK q COUNT 10") == 0


def test_of_jobs_that_are_due_about_the_same_time_the_first_is_kicked(harness: Harness) -> None:
    for delay in (3_007, 3_001, 3_003, 3_000, 3_002):
        harness.say(f"QPUSH q d{delay} DELAY {delay}")

    assert harness.say("QKICK q COUNT 3") == 3

    assert payloads(harness) == [b"d3000", b"d3001", b"d3002"]


def test_jobs_are_kicked_by_their_ids(harness: Harness) -> None:
    ids = [harness.say(f"QPUSH q {each} DELAY 5s").decode() for each in "abc"]
    ready = harness.say("QPUSH q ready").decode()

    assert harness.say(f"QKICK q IDS 5 {ids[2]} {ready} {ids[0]} {ids[0]} none") == 2

    assert payloads(harness) == [b"ready", b"c", b"a"]


def test_one_that_backs_off_is_kicked_and_its_attempts_stay(harness: Harness) -> None:
    job_id = harness.say("QPUSH q a").decode()
    harness.say(f"QNACK q {harness.say('QPOP q')[1].decode()} DELAY 1h")

    assert harness.say("QKICK q") == 1

    assert harness.say(f"QSHOW q {job_id}")[b"attempts"] == 1
    assert payloads(harness) == [b"a"]


def test_one_that_was_put_in_front_is_in_front(harness: Harness) -> None:
    harness.say("QPUSH q a")
    harness.say("QPUSH q b DELAY 5s FRONT")

    harness.say("QKICK q")

    assert payloads(harness) == [b"b", b"a"]


def test_there_may_be_nothing_to_kick(harness: Harness) -> None:
    assert harness.say("QKICK nowhere COUNT 5") == 0
    assert harness.say("QKICK nowhere IDS 1 x") == 0
    assert harness.refusal("QKICK q IDS 2 x") == (
        "ERR syntax error near 'IDS': IDS numids id [id ...]"
    )
    assert harness.refusal("QKICK q COUNT 0").startswith("ERR COUNT is from 1 ")
    assert harness.refusal("QKICK q COUNT 1 IDS 1 x") == "ERR syntax error near 'IDS'"


def test_who_waits_gets_what_is_kicked(harness: Harness) -> None:
    client = harness.client()
    harness.say("QPUSH q a DELAY 1h")
    client.say("QPOP q BLOCK 0 NOACK")

    harness.say("QKICK q")

    assert [reply[2] for reply in client.inbox] == [b"a"]
