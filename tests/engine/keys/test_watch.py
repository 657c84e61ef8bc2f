"""WATCH: what breaks a transaction, and what does not."""

from __future__ import annotations

import pytest

from respq.config import IDLE_QUEUE_MS
from respq.resp.replies import NULL_ARRAY, OK, Simple
from tests.harness import Harness


def outcome(harness: Harness, *lines: str, watched: str = "a") -> object:
    """Return what EXEC says after others have done something to what is watched."""
    client = harness.client()
    client.say(f"WATCH {watched}")
    for line in lines:
        harness.say(line)
    client.say("MULTI")
    client.say("PING")
    return client.say("EXEC")


RAN = [Simple(b"PONG")]


@pytest.mark.parametrize(
    "line",
    [
        *("SET a 1", "SET a 2", "APPEND a ''", "DEL a", "EXPIRE a 10", "EXPIRE a -1", "PERSIST a"),
        *("RENAME a c", "RENAME b a", "COPY b a REPLACE", "MOVE a 1", "FLUSHDB", "FLUSHALL"),
        *("GETDEL a", "GETEX a PERSIST", "INCRBYFLOAT a 0", "MSET b 1 a 1", "SETRANGE a 0 1"),
    ],
)
def test_a_change_of_a_watched_key_breaks_the_transaction(harness: Harness, line: str) -> None:
    harness.say("SET a 1 EX 100")
    harness.say("SET b 1")

    assert outcome(harness, line) is NULL_ARRAY


@pytest.mark.parametrize(
    "line",
    [
        *("GET a", "SET b 2", "SETNX a 2", "SET a 2 NX", "EXPIRE a 10 NX", "DEL nothing", "TTL a"),
        *("GETEX a", "SETRANGE a 9 ''", "RENAME a a", "COPY a b REPLACE", "INCR a", "TOUCH a"),
    ],
)
def test_what_leaves_a_watched_key_alone_does_not(harness: Harness, line: str) -> None:
    harness.say("SET a x EX 100")
    harness.say("SET b 1")

    assert outcome(harness, line) == RAN


@pytest.mark.parametrize(
    "line",
    ["QPUSH a x", "QPOP a", "QPOP a NOACK", "QUEUE SET a LEASE 5s", "QUEUE RENAME a b", "DEL a"],
)
def test_whatever_happens_in_a_watched_queue_breaks_it_too(harness: Harness, line: str) -> None:
    harness.say("QPUSH a x")

    assert outcome(harness, "QLEN a", "QPEEK a", "QPUSH b x") == RAN
    harness.say("DEL b")
    assert outcome(harness, line) is NULL_ARRAY


def test_a_name_that_comes_to_be_a_queue_or_a_key_breaks_it(harness: Harness) -> None:
    assert outcome(harness, "QPUSH a x") is NULL_ARRAY
    assert outcome(harness, "QUEUE RENAME a b", watched="b") is NULL_ARRAY
    assert outcome(harness, "SET c x", watched="c") is NULL_ARRAY
    assert outcome(harness, "FLUSHALL", watched="nothing") == RAN


def test_a_watched_key_is_that_of_the_database_in_which_it_was_watched(harness: Harness) -> None:
    assert outcome(harness, "SELECT 1", "SET a x") == RAN
    assert outcome(harness, "MOVE a 0", "SELECT 0") is NULL_ARRAY


def test_a_lease_that_ends_breaks_it(harness: Harness) -> None:
    harness.say("QPUSH a x")
    harness.say("QPOP a LEASE 10")
    harness.say("WATCH a")
    harness.say("MULTI")
    harness.say("PING")
    harness.pass_ms(10)

    assert harness.say("EXEC") is NULL_ARRAY


@pytest.mark.parametrize("is_removed", [False, True])
def test_an_expiry_breaks_it_at_its_millisecond(harness: Harness, is_removed: bool) -> None:
    """Also when the key has not been removed yet."""
    for elapsed_ms, reply in ((9, RAN), (10, NULL_ARRAY)):
        harness.say("SET a 1 PX 10")
        harness.say("WATCH a")
        harness.say("MULTI")
        harness.say("PING")
        if is_removed:
            harness.pass_ms(elapsed_ms)
        else:
            harness.now_ms += elapsed_ms
        assert harness.say("EXEC") == reply


def test_what_had_expired_before_it_was_watched_does_not_break_it(harness: Harness) -> None:
    harness.say("SET a 1 PX 10")
    harness.now_ms += 10
    harness.say("WATCH a")
    harness.pass_ms(IDLE_QUEUE_MS)
    harness.say("MULTI")

    assert harness.say("EXEC") == []


def test_own_changes_break_it_too(harness: Harness) -> None:
    harness.say("WATCH a")
    harness.say("SET a 1")
    harness.say("MULTI")
    harness.say("SET a 2")

    assert harness.say("EXEC") is NULL_ARRAY
    assert harness.say("GET a") == b"1"


@pytest.mark.parametrize("lines", [["UNWATCH"], ["MULTI", "DISCARD"], ["MULTI", "EXEC"], ["RESET"]])
def test_what_ends_a_watch(harness: Harness, lines: list[str]) -> None:
    harness.say("WATCH a b")
    harness.say("SET a 1")
    for line in lines:
        harness.say(line)
    assert not harness.engine._observed
    harness.say("SET a 2")
    harness.say("MULTI")

    assert harness.say("EXEC") == []


def test_a_client_that_is_gone_watches_nothing(harness: Harness) -> None:
    client = harness.client()
    client.say("WATCH a")
    assert harness.engine._observed
    harness.broker.close_session(client.session)

    assert not harness.engine._observed


def test_watch_has_no_place_in_a_transaction_and_does_not_spoil_it(harness: Harness) -> None:
    harness.say("MULTI")

    assert harness.refusal("WATCH a") == "ERR WATCH inside MULTI is not allowed"
    assert harness.say("UNWATCH") == Simple(b"QUEUED")
    assert harness.say("EXEC") == [OK]


def test_a_refused_transaction_is_told_apart_from_a_broken_one(harness: Harness) -> None:
    harness.say("WATCH a")
    harness.say("SET a 1")
    harness.say("MULTI")
    harness.say("NOSUCH")

    assert harness.refusal("EXEC").startswith("EXECABORT")
    assert not harness.engine._observed


def test_compaction_breaks_nothing(harness: Harness) -> None:
    harness.say("SET a 1")
    harness.say("QPUSH q x")
    harness.say("WATCH a q")
    harness.compact(len(harness.journal))
    harness.say("MULTI")

    assert harness.say("EXEC") == []


def test_events_are_told_while_somebody_watches_and_after(harness: Harness) -> None:
    listener = harness.client()
    listener.say("SUBSCRIBE q:q:pushed")
    listener.messages()
    harness.say("WATCH q")
    harness.say("QPUSH q x")
    harness.say("UNWATCH")
    harness.say("QPUSH q y")

    assert len(listener.messages()) == 2
