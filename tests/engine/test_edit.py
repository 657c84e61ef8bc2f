"""QEDIT: a job that waits, or is dead, is another."""

from __future__ import annotations

import pytest

from tests.harness import START_MS, Harness


def payloads(harness: Harness) -> list[bytes]:
    return [payload for _, payload in harness.say("QPEEK q COUNT 99")]


@pytest.fixture
def ids(harness: Harness) -> list[str]:
    return [harness.say(f"QPUSH q {each}").decode() for each in "abcd"]


def test_another_payload_keeps_its_place(harness: Harness, ids: list[str]) -> None:
    harness.say(f"QEDIT q {ids[1]} PAYLOAD new")

    harness.crash()
    assert payloads(harness) == [b"a", b"new", b"c", b"d"]


@pytest.mark.parametrize("place", range(4))
def test_another_priority_moves_it(harness: Harness, ids: list[str], place: int) -> None:
    expected = [b"a", b"b", b"c", b"d"]
    expected.insert(0, expected.pop(place))

    harness.say(f"QEDIT q {ids[place]} PRIORITY 3")
    assert payloads(harness) == expected
    harness.say(f"QEDIT q {ids[place]} PRIORITY -3")
    assert payloads(harness) == [*expected[1:], expected[0]]
    harness.say(f"QEDIT q {ids[place]} PRIORITY 0")
    assert payloads(harness) == [*expected[1:], expected[0]]

    harness.crash()
    assert [job[2] for job in harness.say("QPOP q COUNT 9 NOACK")] == [*expected[1:], expected[0]]


def test_it_may_go_to_and_fro_among_many(harness: Harness, ids: list[str]) -> None:
    for number in range(300):
        harness.say(f"QEDIT q {ids[number % 3 + 1]} PRIORITY {number % 2}")

    assert sorted(payloads(harness)) == [b"a", b"b", b"c", b"d"]
    assert len(harness.say("QPOP q COUNT 9")) == 4


def test_a_delay_hides_it_and_none_brings_it_back(harness: Harness, ids: list[str]) -> None:
    harness.say(f"QEDIT q {ids[0]} DELAY 5s")
    assert payloads(harness) == [b"b", b"c", b"d"]
    harness.say(f"QEDIT q {ids[0]} DELAY 9s PAYLOAD new")
    harness.pass_ms(8_999)
    assert payloads(harness) == [b"b", b"c", b"d"]
    harness.say(f"QEDIT q {ids[0]} DELAY 0")
    assert payloads(harness) == [b"b", b"c", b"d", b"new"]
    harness.say(f"QEDIT q {ids[1]} AT {START_MS + 20_000}")
    harness.crash(30_000)
    harness.pass_ms(0)
    assert payloads(harness) == [b"c", b"d", b"new", b"b"]


def test_attempts_backoff_lease_and_labels(harness: Harness, ids: list[str]) -> None:
    harness.say(
        f"QEDIT q {ids[0]} ATTEMPTS 1 BACKOFF FIXED 5s LEASE 7s MAXLEASE 9s NAME mail TAG a TAG b "
        "META 7 TRACE 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    )
    harness.say(f"QEDIT q {ids[0]} NAME letter")

    harness.crash()
    facts = harness.say(f"QSHOW q {ids[0]}")
    assert (facts[b"attempts_max"], facts[b"name"], facts[b"tags"]) == (1, b"letter", [b"a", b"b"])
    receipt, meta = harness.say("QPOP q WITHMETA")[1::2]
    assert (meta[b"lease_until_ms"], meta[b"meta"]) == (START_MS + 7_000, b"7")
    assert harness.say(f"QTOUCH q {receipt.decode()} LEASE 1h") == [START_MS + 9_000]


def test_a_ttl_counts_from_the_edit_and_may_end(harness: Harness, ids: list[str]) -> None:
    harness.say(f"QEDIT q {ids[0]} TTL 5s")
    harness.say(f"QEDIT q {ids[1]} TTL 5s")
    harness.pass_ms(4_000)
    harness.say(f"QEDIT q {ids[0]} TTL 5s")
    harness.pass_ms(1_000)
    assert payloads(harness) == [b"a", b"c", b"d"]
    harness.say(f"QEDIT q {ids[0]} TTL 0")
    harness.pass_ms(60_000)
    assert payloads(harness) == [b"a", b"c", b"d"]


def test_a_dead_letter_can_be_mended(harness: Harness, ids: list[str]) -> None:
    harness.say(f"QNACK q {harness.say('QPOP q')[1].decode()} FATAL")

    harness.say(f"QEDIT q {ids[0]} PAYLOAD mended PRIORITY 5")

    assert harness.say("QDLQ COUNT q") == 1
    assert harness.refusal(f"QEDIT q {ids[0]} DELAY 5s").startswith("STATE job ")
    harness.crash()
    harness.say("QDLQ REDRIVE q")
    assert payloads(harness)[0] == b"mended"


def test_dead_letters_keep_their_order(harness: Harness, ids: list[str]) -> None:
    for _ in ids:
        harness.say(f"QNACK q {harness.say('QPOP q')[1].decode()} FATAL")

    harness.say(f"QEDIT q {ids[1]} PRIORITY 5 PAYLOAD b2")

    listed = [facts[b"payload"] for facts in harness.say("QDLQ LIST q")]
    assert listed == [b"a", b"b2", b"c", b"d"]
    harness.crash()
    assert [facts[b"payload"] for facts in harness.say("QDLQ LIST q")] == listed
    harness.say("QDLQ REDRIVE q")
    assert payloads(harness) == [b"b2", b"a", b"c", b"d"]


def test_one_that_died_in_the_middle_of_its_line_can_be_mended(harness: Harness) -> None:
    harness.say("QPUSH q first")
    job_id = harness.say("QPUSH q dying TTL 1s").decode()
    harness.say("QPUSH q last")
    harness.pass_ms(1_000)

    harness.say(f"QEDIT q {job_id} PRIORITY 5")
    harness.say("QDLQ REDRIVE q")

    assert payloads(harness) == [b"dying", b"first", b"last"]
    assert [job[2] for job in harness.say("QPOP q COUNT 9")] == [b"dying", b"first", b"last"]


def test_a_job_that_is_held_is_not_edited(harness: Harness, ids: list[str]) -> None:
    harness.say("QPOP q")

    assert harness.refusal(f"QEDIT q {ids[0]} PAYLOAD x") == (
        f"STATE job '{ids[0]}' is leased: edit it when it is back"
    )


def test_what_is_refused_changes_nothing(harness: Harness, ids: list[str]) -> None:
    assert harness.refusal("QEDIT nowhere x PAYLOAD x").startswith("NOQUEUE ")
    assert harness.refusal("QEDIT q none PAYLOAD x").startswith("NOJOB ")
    assert harness.refusal(f"QEDIT q {ids[0]}") == "ERR syntax error: say what to change"
    assert harness.refusal(f"QEDIT q {ids[0]} PAYLOAD x PRIORITY x").startswith("BADPRIORITY ")
    assert harness.refusal(f"QEDIT q {ids[0]} PAYLOAD x DELAY 5s TTL 5s").startswith(
        "ERR the job would"
    )
    assert harness.refusal(f"QEDIT q {ids[0]} DELAY 5s AT 5").startswith(
        "ERR syntax error near 'AT'"
    )

    assert payloads(harness) == [b"a", b"b", b"c", b"d"]


def test_ids_and_keys_follow_it(harness: Harness) -> None:
    harness.say("QPUSH q first")
    harness.say("QPUSH q a ID mine DEDUP k")

    harness.say("QEDIT q mine PRIORITY -1")

    assert harness.say("QPUSH q b DEDUP k") == b"mine"
    assert harness.say("QSHOW q mine")[b"priority"] == b"-1"
    harness.say("QPOP q COUNT 2 NOACK")
    assert harness.say("QPUSH q b DEDUP k") != b"mine"
