"""Keys beside queues: one namespace, expiry, names, and what is refused."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from respq.config import DATABASES, DUE_SLICE, FREE_SLICE
from respq.engine.keys.key import Key
from respq.engine.keys.keyed import Keyed
from respq.engine.keys.strings import String, StringWritten
from respq.engine.keys.value import Taken
from respq.errors import WrongType
from respq.resp.replies import NULL_ARRAY, OK, Simple
from tests.harness import START_MS, WAITS, Harness

WRONG = "WRONGTYPE Operation against a key holding the wrong kind of value"
QUEUE_LINES = [
    *("QPUSH s x", "QPUSH s x PRIORITY 5", "QMPUSH s 2 a b", "QPOP s", "QPOP s COUNT 2 NOACK"),
    *("QMPOP 2 q s", "QMPOP 2 q s FAIR", "QPOP s BLOCK 0", "QACK s 1:x", "QNACK s 1:x", "QLEN s"),
    *("QTOUCH s 1:x", "QMOVE s q 1:x", "QPEEK s", "QSCAN s 0", "QSHOW s x", "QHISTORY s x"),
    *("QEXPLAIN s x", "QWAIT s x", "QKICK s", "QEDIT s x TTL 5", "QCANCEL s x", "QDEL s x"),
    *("QDLQ COUNT s", "QDLQ LIST s", "QDLQ REDRIVE s", "QDLQ REDRIVE q TO s", "QDLQ PURGE s"),
    *("QUEUE CREATE s", "QUEUE SET s LEASE 5s", "QUEUE GET s", "QUEUE RENAME s t"),
    *("QUEUE RENAME q s", "QUEUE PURGE s", "QUEUE DROP s", "QUEUE PAUSE s", "QUEUE RESUME s"),
    *("QSTATS s", "QSCHED ADD s n x EVERY 1h", "QSCHED LIST s", "QSCHED SHOW s n"),
    *("QFLOW SHOW s f", "QFLOW CANCEL s f"),
]


@pytest.mark.parametrize("line", QUEUE_LINES)
def test_a_queue_command_on_another_key_is_of_the_wrong_type(harness: Harness, line: str) -> None:
    harness.say("QPUSH q x")
    harness.say("QPOP q")
    harness.say("SET s x")

    assert harness.refusal(line) == WRONG


@pytest.mark.parametrize(
    "line",
    [
        *("GET q", "SET q x", "SET q x GET", "SETEX q 5 x", "PSETEX q 5 x", "GETSET q x"),
        *("GETDEL q", "GETEX q", "MSET a 1 q 2", "APPEND q x", "STRLEN q", "INCR q"),
        *("INCRBYFLOAT q 1", "GETRANGE q 0 1", "SETRANGE q 0 x", "SETRANGE q 0 ''"),
        *("RENAME s q", "COPY s q REPLACE", "COPY q r", "MOVE q 1"),
    ],
)
def test_a_command_of_redis_does_not_touch_a_queue(harness: Harness, line: str) -> None:
    harness.say("QPUSH q x")
    harness.say("SET s x")

    assert harness.refusal(line) == WRONG


def test_a_queue_does_not_expire_and_says_why(harness: Harness) -> None:
    harness.say("QPUSH q x")

    assert harness.refusal("EXPIRE q 10").startswith("WRONGTYPE queue 'q' cannot expire")
    assert [harness.say(f"{each} q") for each in ("TTL", "PTTL", "EXPIRETIME")] == [-1, -1, -1]
    assert harness.say("PERSIST q") == 0


def test_a_name_that_is_free_again_can_be_a_queue_and_a_key_in_turn(harness: Harness) -> None:
    harness.say("SET x 1 PX 10")
    assert harness.refusal("QPUSH x job") == WRONG
    harness.pass_ms(10)
    harness.say("QPUSH x job")
    assert harness.refusal("SET x 1") == WRONG
    harness.say("DEL x")

    assert harness.say("SET x 2") == OK


def test_a_key_that_is_over_but_still_there_is_in_nobodys_way(harness: Harness) -> None:
    """More may expire at once than one slice of a turn removes."""
    for name in ("queue", "string", "renamed", "copied", "list"):
        harness.say(f"SET {name} 1 PX 10")
    harness.say("SET other 1")
    harness.now_ms += 10

    assert harness.say("GET string") is None
    assert harness.say("EXISTS queue string") == harness.say("DEL string") == 0
    assert harness.say("TYPE string") == Simple(b"none")
    assert harness.say("KEYS *") == harness.say("SCAN 0")[1] == [b"other"]
    assert harness.say("RANDOMKEY") == b"other"
    assert harness.say("TTL string") == -2
    assert harness.say("QLEN queue") == 0
    harness.say("QPUSH queue job")
    assert harness.say("APPEND string x") == 1
    assert harness.say("COPY other copied") == harness.say("RENAMENX other renamed") == 1
    harness.pass_ms(0)
    assert sorted(harness.say("KEYS *")) == [b"copied", b"queue", b"renamed", b"string"]


def test_a_key_is_there_until_its_millisecond(harness: Harness) -> None:
    harness.say("SET a 1 PX 100")

    harness.pass_ms(99)
    assert harness.say("PTTL a") == 1
    harness.pass_ms(1)
    assert harness.say("DBSIZE") == 0
    assert harness.engine.expired_keys == 1


def test_of_many_that_expire_at_once_each_turn_removes_a_slice(harness: Harness) -> None:
    for number in range(DUE_SLICE + 1):
        harness.say(f"SET {number} x PX 10")
    harness.now_ms += 10

    assert harness.broker.tick(harness.now_ms)
    harness.settle()
    assert harness.say("DBSIZE") == 1
    assert not harness.broker.tick(harness.now_ms)
    harness.settle()
    assert harness.say("DBSIZE") == 0


def test_an_expiry_holds_over_a_crash_and_a_time_that_passed_while_down(harness: Harness) -> None:
    harness.say("SET a 1 PX 100")
    harness.say("SET b 1 PX 100")
    harness.say("PERSIST b")
    harness.crash(down_ms=99)
    assert harness.say("PTTL a") == 1

    harness.crash(down_ms=1)
    harness.pass_ms(0)

    assert harness.say("KEYS *") == [b"b"]


def test_expiries_are_counted_for_info(harness: Harness) -> None:
    harness.say("SET a 1 PX 100")
    harness.say("SET b 1 PX 300")
    harness.say("SET c 1")
    harness.say("QPUSH q x")
    harness.pass_ms(50)

    assert b"db0:keys=4,expires=2,avg_ttl=150\r\n" in harness.say("INFO keyspace").text


def test_scan_returns_what_is_there_all_the_time_whatever_comes_and_goes(harness: Harness) -> None:
    for number in range(30):
        harness.say(f"SET k{number} x" if number % 3 else f"QPUSH k{number} x")
    harness.say("SELECT 1")
    harness.say("SET elsewhere x")
    harness.say("SELECT 0")
    found: list[bytes] = []
    cursor = b"0"
    for step in range(100):
        cursor, names = harness.say(f"SCAN {cursor.decode()} COUNT 4")
        found += names
        harness.say(f"SET new{step} x")
        harness.say(f"DEL new{step - 1}")
        if step == 3:
            harness.say("RENAME k29 last")
            harness.say("SET k28 again EX 100")
        if cursor == b"0":
            break

    assert cursor == b"0"
    assert {b"k%d" % number for number in range(29)} | {b"last"} <= {*found}
    assert len(found) == len({*found})


def test_scan_tells_types_apart(harness: Harness) -> None:
    harness.say("SET s x")
    harness.say("QPUSH q x")

    assert harness.say("SCAN 0 TYPE STRING") == [b"0", [b"s"]]
    assert harness.say("SCAN 0 TYPE queue") == [b"0", [b"q"]]
    assert harness.say("SCAN 0 TYPE list") == [b"0", []]


def test_randomkey_finds_every_key_and_queue(harness: Harness) -> None:
    for name in ("a", "b", "c"):
        harness.say(f"SET {name} x")
    harness.say("QPUSH q x")

    assert {harness.say("RANDOMKEY") for _ in range(200)} == {b"a", b"b", b"c", b"q"}


def test_a_rename_takes_the_place_of_what_had_the_name(harness: Harness) -> None:
    harness.say("SET a 1 PX 100")
    harness.say("SET b 2")
    harness.say("RENAME a b")

    assert harness.say("KEYS *") == [b"b"]
    assert harness.say("PTTL b") == 100
    harness.crash()
    assert harness.say("GET b") == b"1"


def test_a_queue_is_renamed_over_a_key_only_when_that_is_gone(harness: Harness) -> None:
    harness.say("QPUSH q x")
    harness.say("SET s x")
    harness.say("QPUSH r x")

    assert harness.refusal("RENAME q s") == WRONG
    assert harness.refusal("RENAME q r").startswith("EXISTS ")
    assert harness.say("RENAMENX q s") == harness.say("RENAMENX q r") == 0
    assert harness.say("RENAME q t") == OK
    assert harness.say("QLEN t") == 1


def test_a_flush_removes_all_of_a_database_and_no_fence_falls(harness: Harness) -> None:
    harness.say("QPUSH q x")
    receipt = harness.say("QPOP q")[1].decode()
    for number in range(10):
        harness.say(f"SET {number} x PX 100")
    harness.say("SELECT 1")
    harness.say("SET kept x")
    harness.say("SELECT 0")
    harness.say("FLUSHDB")
    harness.say("QPUSH q x")

    assert harness.say("DBSIZE") == 1
    assert harness.say("QPOP q")[1].startswith(b"2:")
    assert harness.say(f"QACK q {receipt}") == 0
    harness.pass_ms(100)
    harness.crash()
    assert [len(harness.engine.all_names(harness.now_ms, db)) for db in (0, 1)] == [1, 1]
    assert harness.say("FLUSHALL") == OK
    assert [harness.engine.names_count(db) for db in range(DATABASES)] == [0] * DATABASES


def test_what_was_flushed_is_freed_in_slices(harness: Harness) -> None:
    for number in range(FREE_SLICE + 1):
        harness.broker.execute(
            harness.default.session,
            [b"SET", b"%d" % number, b"x", b"PX", b"10"],
            harness.now_ms,
        )
    harness.say("FLUSHALL")
    keys = harness.engine.state.keys
    assert sum(map(len, keys.graveyard)) == FREE_SLICE + 1

    assert harness.broker.tick(harness.now_ms)
    assert sum(map(len, keys.graveyard)) == 1
    assert not harness.broker.tick(harness.now_ms)
    assert not harness.engine.state.is_behind


def test_who_waits_for_a_queue_goes_on_waiting_when_the_name_is_another_key(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(String, "deliverable", 1)  # As a list with something in it.
    one, many = harness.client(), harness.client()
    assert one.say("QPOP x BLOCK 0") is WAITS
    assert many.say("QMPOP 2 x q BLOCK 0") is WAITS

    harness.say("SET x 1")
    assert (one.inbox, many.inbox) == ([], [])
    harness.say("QPUSH q job")
    assert [reply[0] for reply in many.inbox] == [b"q"]

    harness.say("DEL x")
    harness.say("QPUSH x job")
    assert [reply[2] for reply in one.inbox] == [b"job"]


@pytest.mark.parametrize("line", ["SET x 1", "COPY y x", "RENAME y x", "APPEND x 1", "INCR x"])
def test_what_puts_something_into_a_key_is_news_to_who_waits_for_its_name(
    harness: Harness, line: str
) -> None:
    harness.say("SET y 1")
    state = harness.engine.state
    state.watched = {(0, b"x"): None}

    with patch.object(harness.broker, "serve"):
        harness.say(line)

    assert {*state.news} == {(0, b"x")}


def test_a_job_is_not_done_while_its_follow_up_has_nowhere_to_go(harness: Harness) -> None:
    harness.say("QPUSH q x THEN s y")
    harness.say("SET s 1")
    receipt = harness.say("QPOP q")[1].decode()

    barred = "WRONGTYPE THEN of the job names 's', a key that is no queue: remove it"
    assert harness.refusal(f"QACK q {receipt}") == barred
    assert harness.refusal(f"QMOVE q r {receipt}") == barred
    harness.say("DEL s")
    assert harness.say(f"QACK q {receipt}") == 1
    assert harness.say("QLEN s") == 1


def test_a_job_that_is_taken_for_good_stays_where_its_follow_up_has_nowhere_to_go(
    harness: Harness,
) -> None:
    harness.say("QPUSH q x THEN s y")
    harness.say("SET s 1")

    assert harness.say("QPOP q NOACK") is NULL_ARRAY
    harness.say("DEL s")
    assert harness.say("QPOP q NOACK")[2] == b"x"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("RENAME nothing a", "no such key"),
        ("RENAMENX nothing a", "no such key"),
        ("COPY a a", "source and destination objects are the same"),
        ("COPY a b DB 16", "DB index is out of range"),
        ("COPY a b DB x", "value is not an integer or out of range"),
        ("MOVE a 0", "source and destination objects are the same"),
        ("MOVE a 16", "DB index is out of range"),
        ("MOVE a -1", "DB index is out of range"),
        ("EXPIRE a x", "value is not an integer or out of range"),
        ("EXPIRE a 9223372036854775807", "invalid expire time in 'expire' command"),
        ("PEXPIRE a 9223372036854775807", "invalid expire time in 'pexpire' command"),
        ("EXPIRE a 1 NX GT", "NX and XX, GT or LT options at the same time are not compatible"),
        ("EXPIRE a 1 GT LT", "GT and LT options at the same time are not compatible"),
        ("EXPIRE a 1 SOON", "Unsupported option SOON"),
        ("FLUSHALL LATER", "syntax error near 'LATER'"),
        ("SET a x EX 5 PX 5", "syntax error near 'PX'"),
        ("SET a x EX 0", "invalid expire time in 'set' command"),
        ("GETEX a EX 0", "invalid expire time in 'getex' command"),
        ("MSET a 1 b", "wrong number of arguments for 'mset' command"),
        ("INCR a", "value is not an integer or out of range"),
        ("SETRANGE a -1 x", "offset is out of range"),
        (
            "SETRANGE a 16777216 x",
            "string exceeds maximum allowed size (proto-max-bulk-len)",
        ),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_redis(
    harness: Harness, line: str, error: str
) -> None:
    harness.say("SET a x")

    assert harness.refusal(line) == f"ERR {error}"


def test_a_value_that_no_transaction_can_hold_is_not_copied(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("respq.engine.keys.value.TRANSACTION_BYTES_MAX", 4)
    harness.say("SET a 12345")

    assert harness.refusal("COPY a b").startswith("TOOBIG the value takes 5 bytes")
    harness.say("SET a 1234")
    assert harness.say("COPY a b") == 1


def test_another_type_is_none_to_who_was_waiting_and_refused_where_it_must_be(
    harness: Harness,
) -> None:
    harness.say("QPUSH q x")
    engine = harness.engine

    engine.serving = True

    assert engine.key_of(START_MS, 0, b"q", String) is None
    with pytest.raises(WrongType):
        engine.strict_key_of(START_MS, 0, b"q", String)
    with pytest.raises(WrongType):
        engine.key_or_new(START_MS, 0, b"q", String)
    engine.serving = False
    with pytest.raises(WrongType):
        engine.key_of(START_MS, 0, b"q", String)


def test_what_was_taken_out_of_a_key_is_put_back_when_nobody_gets_it(harness: Harness) -> None:
    class TakenByte(Taken):
        family = String

        def fill(self, keys: Keyed, key: Key[String]) -> None:
            keys.emit(StringWritten(key.number, len(key.value.data), b"".join(self.things)))

    harness.say("SET s ab")
    key = harness.engine.find_key(START_MS, 0, b"s")
    assert key is not None
    client = harness.client()
    client.pops = [(TakenByte(key, [b"c"]), 0)]

    harness.undo(client)

    assert harness.say("GET s") == b"abc"
