"""Streams in the journal and for those who wait; beside a real Redis in tests/compat."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respq.engine.keys.ids import (
    ID_MAX,
    SEQ_MAX,
    id_of,
    next_id,
    parse_end,
    parse_id,
    parse_new_id,
    parse_start,
    show_id,
)
from respq.engine.keys.records import KeyRestored, RestoreBegin, RestoreEnd, RestorePiece
from respq.engine.keys.streams import (
    TRIM_LIMIT,
    Stream,
    StreamAdded,
    StreamDeleted,
    StreamSet,
    StreamTrimmed,
    Trim,
)
from respq.errors import RespqError
from respq.resp.replies import NULL_ARRAY
from tests.engine.keys.compacting import (
    check_a_crash_loses_nothing,
    check_changes_come_out_right,
    check_what_lives_is_estimated,
    said,
    steps,
)
from tests.harness import START_MS, WAITS, Harness, decoded, image

WRONG = "WRONGTYPE Operation against a key holding the wrong kind of value"
INVALID = "ERR Invalid stream ID specified as stream command argument"
SMALLER = "ERR The ID specified in XADD is equal or smaller than the target stream top item"


def fill(harness: Harness, name: str, count: int, size: int = 5, first: int = 1) -> None:
    """Add entries at the milliseconds from ``first`` on, in one transaction."""
    harness.say("MULTI")
    for ms in range(first, first + count):
        harness.say(f"XADD {name} {ms}-0 n {ms:0{size}}")
    harness.say("EXEC")


def ids(harness: Harness, name: str) -> list[bytes]:
    return [entry[0] for entry in harness.say(f"XRANGE {name} - +")]


def value(harness: Harness, name: str) -> Stream:
    key = harness.engine.key_of(harness.now_ms, 0, name.encode(), Stream)
    assert key is not None
    return key.value


@pytest.mark.parametrize(
    "line",
    [
        *("XADD q * a 1", "XADD q NOMKSTREAM 1-1 a 1", "XLEN q", "XRANGE q - +", "XREVRANGE q + -"),
        *("XREAD STREAMS q 0", "XREAD BLOCK 0 STREAMS s q $ $", "XTRIM q MAXLEN 0", "XDEL q 1-1"),
        *("XDEL q x", "XSETID q 1-1", "XINFO STREAM q", "XINFO STREAM q FULL"),
    ],
)
@pytest.mark.parametrize("made", ["QPUSH q x", "SET q x"])
def test_what_is_no_stream_is_of_the_wrong_type(harness: Harness, made: str, line: str) -> None:
    harness.say("XADD s 1-1 a 1")
    harness.say(made)

    assert harness.refusal(line) == WRONG


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("XADD s 5-1 a 1", SMALLER),
        ("XADD s 5-0 a 1", SMALLER),
        ("XADD s 4-* a 1", SMALLER),
        ("XADD s 0-0 a 1", "ERR The ID specified in XADD must be greater than 0-0"),
        ("XADD q 0 a 1", "ERR The ID specified in XADD must be greater than 0-0"),
        ("XADD s x a 1", INVALID),
        ("XADD s - a 1", INVALID),
        ("XADD s MAXLEN", "ERR wrong number of arguments for 'xadd' command"),
        ("XADD s MAXLEN 5 NOMKSTREAM *", "ERR wrong number of arguments for 'xadd' command"),
        ("XADD s MAXLEN 5 NOMKSTREAM LIMIT 5", "ERR wrong number of arguments for 'xadd' command"),
        ("XADD s 6-1 a 1 b", "ERR wrong number of arguments for 'xadd' command"),
        ("XADD s MAXLEN x 6-1 a 1", "ERR value is not an integer or out of range"),
        ("XADD s MAXLEN -1 6-1 a 1", "ERR The MAXLEN argument must be >= 0."),
        ("XADD s MAXLEN ~ 1 LIMIT -1 6-1 a 1", "ERR The LIMIT argument must be >= 0."),
        ("XADD s MAXLEN 1 MINID 1 6-1 a 1", "ERR syntax error near 'MINID'"),
        (
            "XADD s MAXLEN 1 LIMIT 5 6-1 a 1",
            "ERR syntax error, LIMIT cannot be used without the special ~ option",
        ),
        (
            "XADD s LIMIT 5 6-1 a 1",
            "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
        ),
        ("XTRIM s LIMIT 5", "ERR syntax error: MAXLEN is missing"),
        ("XTRIM s MINID x", INVALID),
        ("XTRIM s MAXLEN 5 FOO", "ERR syntax error near 'FOO'"),
        ("XTRIM s MAXLEN", "ERR wrong number of arguments for 'xtrim' command"),
        ("XRANGE s (- +", INVALID),
        ("XRANGE s - (0-0", "ERR invalid end ID for the interval"),
        (f"XRANGE s ({SEQ_MAX}-{SEQ_MAX} +", "ERR invalid start ID for the interval"),
        ("XRANGE s - + COUNT x", "ERR value is not an integer or out of range"),
        ("XREAD STREAMS s t 0", "ERR Unbalanced 'xread' list of streams: for each stream key an ID "
         "or '$' must be specified."),
        ("XREAD COUNT 5 s 0", "ERR syntax error near 's'"),
        ("XREAD BLOCK -1 STREAMS s 0", "ERR timeout is negative"),
        ("XREAD BLOCK x STREAMS s 0", "ERR timeout is not an integer or out of range"),
        (f"XREAD BLOCK {2**63 - 1} STREAMS s $", "ERR timeout is out of range"),
        ("XREAD STREAMS s +", INVALID),
        (
            "XREAD STREAMS s >",
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> "
            "<consumer> option.",
        ),
        ("XDEL s 5-1 x", INVALID),
        ("XSETID none 1-1", "ERR no such key"),
        ("XSETID s 5-0", SMALLER.replace("XADD is equal or", "XSETID is")),
        (
            "XSETID s 6-0 ENTRIESADDED 0",
            "ERR The entries_added specified in XSETID is smaller than the target stream length",
        ),
        ("XSETID s 6-0 ENTRIESADDED -1", "ERR entries_added must be positive"),
        (
            "XSETID s 6-0 MAXDELETEDID 6-1",
            "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
        ),
        ("XINFO STREAM none", "ERR no such key"),
        ("XINFO STREAM s COUNT 5", "ERR syntax error: COUNT belongs to FULL"),
        (
            "EVAL \"return redis.call('xread', 'BLOCK', '0', 'STREAMS', 's', '$')\" 0",
            "ERR xread command is not allowed with BLOCK option from scripts script: "
            "6bcd7aa3b1e6e0e8d5be2a2a1ae8e38d6f8bbd32, on @user_script:1.",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_the_words_of_redis(
    harness: Harness, line: str, error: str
) -> None:
    harness.say("XADD s 5-1 a 1")
    harness.say("QPUSH q x")

    refused = harness.refusal(line)
    assert refused.partition(" script: ")[0] == error.partition(" script: ")[0]


def test_the_clock_names_entries_and_goes_on_behind_the_last(harness: Harness) -> None:
    assert harness.say("XADD s * a 1") == b"%d-0" % START_MS
    assert harness.say("XADD s * a 2") == b"%d-1" % START_MS
    harness.pass_ms(1)
    assert harness.say("XADD s * a 3") == b"%d-0" % (START_MS + 1)
    assert harness.say(f"XADD s {START_MS + 1}-* a 4") == b"%d-1" % (START_MS + 1)
    assert harness.say(f"XADD s {START_MS + 90} a 5") == b"%d-0" % (START_MS + 90)
    assert harness.say("XADD s * a 6") == b"%d-1" % (START_MS + 90)


@pytest.mark.parametrize("gone", ["", "XDEL s {last}", "XTRIM s MAXLEN 0", "XADD s MAXLEN 0 * a 1"])
def test_ids_rise_over_a_restart_although_the_clock_steps_back(harness: Harness, gone: str) -> None:
    harness.say("XADD s * a 1")
    harness.pass_ms(5)
    last = harness.say("XADD s * a 2").decode()
    if gone:
        harness.say(gone.format(last=last))
    last = harness.say("XINFO STREAM s")[b"last-generated-id"].decode()

    for _ in range(2):
        harness.crash(down_ms=-1_000)
        assert harness.refusal(f"XADD s {last} a 1") == SMALLER
        ms, _, seq = last.partition("-")
        last = harness.say("XADD s * a 3").decode()
        assert last == f"{ms}-{int(seq) + 1}"
        harness.compact(len(harness.journal))


def test_a_sequence_that_is_full_goes_over_into_the_milliseconds(harness: Harness) -> None:
    ms = START_MS + 50
    harness.say(f"XADD s {ms}-{SEQ_MAX} a 1")

    assert harness.refusal(f"XADD s {ms}-* a 1") == SMALLER
    assert harness.say("XADD s * a 1") == b"%d-0" % (ms + 1)
    harness.say(f"XADD s {SEQ_MAX}-{SEQ_MAX} a 1")
    assert harness.refusal("XADD s * a 1") == (
        "ERR The stream has exhausted the last possible ID, unable to add more items"
    )
    harness.crash()
    assert harness.say("XREVRANGE s + - COUNT 1") == [[b"%d-%d" % (SEQ_MAX, SEQ_MAX), (b"a", b"1")]]


def test_a_record_says_what_is_so_in_the_end(harness: Harness) -> None:
    harness.say("XADD s * a 1 a 2")
    harness.say("XADD s MAXLEN 1 * a 3")
    harness.say("XDEL s 1-1 9")
    harness.say(f"XDEL s {START_MS}-1 {START_MS}-1 5")
    harness.say("XSETID s 1700000000009-5 MAXDELETEDID 1700000000001-0")
    harness.say("XADD s 1700000000010-* a 4")
    harness.say("XTRIM s MINID + ")
    harness.say(f"XTRIM s MINID {START_MS + 11}")

    assert said(harness)[1:] == [
        StreamAdded(1, START_MS, 0, 1, [b"a", b"1", b"a", b"2"]),
        StreamAdded(1, START_MS, 1, 2, [b"a", b"3"]),
        StreamTrimmed(1, START_MS, 0),
        StreamDeleted(1, [START_MS, 1]),
        StreamSet(1, START_MS + 9, 5, 2, START_MS + 1, 0),
        StreamAdded(1, START_MS + 10, 0, 3, [b"a", b"4"]),
        StreamTrimmed(1, START_MS + 10, 0),
    ]


def test_what_changes_nothing_is_not_in_the_journal(harness: Harness) -> None:
    harness.say("XADD s 5-1 a 1")
    before = len(harness.journal)

    for line in ("XTRIM s MAXLEN 1", "XTRIM s MINID 5", "XTRIM s MAXLEN ~ 0 LIMIT 0", "XDEL s 1"):
        if "~" not in line:
            assert harness.say(line) == 0
    assert harness.say("XTRIM s MINID ~ 5-1") == 0
    assert harness.say("XADD none NOMKSTREAM * a 1") is None
    assert harness.say("XTRIM none MAXLEN 0") == harness.say("XDEL none x") == 0

    assert len(harness.journal) == before


def test_one_without_entries_stays_and_its_name_is_taken(harness: Harness) -> None:
    harness.say("XADD s 1-1 a 1")
    harness.say("XDEL s 1-1")
    harness.say("XADD t MAXLEN 0 5-5 a 1")

    for _ in range(2):
        assert harness.say("TYPE s") == harness.say("TYPE t")
        assert harness.say("XLEN s") == harness.say("XLEN t") == 0
        assert harness.say("XRANGE t - +") == harness.say("XREVRANGE t + -") == []
        info = harness.say("XINFO STREAM t")
        assert (info[b"first-entry"], info[b"last-entry"]) == (None, None)
        assert harness.refusal("XADD t 5-5 a 1") == SMALLER
        harness.compact(len(harness.journal))
        harness.crash()
    harness.say("DEL t")
    assert harness.say("XADD t 1-1 a 1") == b"1-1"


def test_it_expires_at_its_millisecond(harness: Harness) -> None:
    harness.say("XADD s 5-1 a 1")
    harness.say("PEXPIRE s 10")

    harness.pass_ms(9)
    assert harness.say("XADD s 6-1 a 2") == b"6-1"
    harness.now_ms += 1
    assert harness.say("XLEN s") == 0
    assert harness.say("XADD s 1-1 a 2") == b"1-1"
    assert harness.say("PTTL s") == -1


def test_a_trim_with_a_tilde_takes_whole_blocks(harness: Harness) -> None:
    fill(harness, "s", 350)

    assert harness.say("XTRIM s MAXLEN ~ 351") == 0
    assert harness.say("XTRIM s MAXLEN ~ 240") == 100
    assert harness.say("XTRIM s MINID ~ 301") == 200
    assert harness.say("XTRIM s MINID ~ 350") == 0
    fill(harness, "s", 100, first=1_000)
    assert harness.say("XTRIM s MAXLEN ~ 0 LIMIT 149") == 100
    assert harness.say("XTRIM s MAXLEN ~ 0 LIMIT 49") == 0
    assert harness.say("XADD s MAXLEN ~ 0 LIMIT 0 5000 a 1") == b"5000-0"
    assert harness.say("XLEN s") == 0


def test_large_entries_make_small_blocks(harness: Harness) -> None:
    for _ in range(10):
        harness.say(f"XADD s * a {'x' * 1_500}")

    assert harness.say("XTRIM s MAXLEN ~ 5") == 4


def test_a_trim_with_a_tilde_ends_somewhere_unless_told() -> None:
    stream = Stream()
    stream.add_piece(
        [[], [part for at in range(1, 10_301) for part in (at, 0)], [[b"f", b"v"]] * 10_300]
    )

    assert stream.removed_by(Trim(0, 0, True, TRIM_LIMIT)) == (10_000, id_of(10_000, 0))
    assert stream.removed_by(Trim(0, 0, True)) == (10_300, id_of(10_300, 0))
    assert stream.removed_by(Trim(7)) == (10_293, id_of(10_293, 0))
    assert stream.removed_by(Trim(None, id_of(42, 0))) == (41, id_of(41, 0))
    assert stream.removed_by(Trim(20_000)) == stream.removed_by(Trim(None, 5)) == (0, 0)


CHANGES = [
    *(
        "XADD s 999-0 n new",
        "XADD s MAXLEN 3 999-0 n new",
        "XDEL s 5 50 95 100",
        "XTRIM s MAXLEN 0",
    ),
    *(
        "XTRIM s MAXLEN 30",
        "XTRIM s MINID 70",
        "XTRIM s MINID 101",
        "XSETID s 500-5 MAXDELETEDID 1",
    ),
    *("RENAME s y", "EXPIRE s 10", "FLUSHDB", "SET s x", "COPY s y", "MOVE s 1", "DEL s"),
    "XADD s MAXLEN ~ 0 LIMIT 0 999-0 n new",
]
AFTER = ["XADD s * n after", "XDEL s 3 42 91 999", "XADD s MAXLEN 60 * n more"]


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("respq.engine.keys.streams.PIECE_BYTES", 400)
    monkeypatch.setattr("respq.engine.keys.streams.BLOCK_ENTRIES", 7)


def filled(harness: Harness) -> None:
    fill(harness, "s", 100)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("line", CHANGES)
def test_whatever_happens_while_it_is_said_again_comes_out_right(line: str) -> None:
    check_changes_come_out_right(filled, 1, 9, line, *AFTER)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("line", CHANGES)
def test_a_crash_while_it_is_said_again_loses_nothing(line: str) -> None:
    check_a_crash_loses_nothing(filled, 1, 9, line)


@pytest.mark.usefixtures("small_pieces")
def test_ids_that_were_set_back_while_it_is_said_again_come_out_right() -> None:
    """The copy has read beyond the ids that are given then."""
    for step in range(9):
        harness = Harness()
        fill(harness, "s", 40)
        for number, _ in enumerate(steps(harness, 1)):
            if number == step:
                for line in (
                    *("XDEL s 40 39 38 37 36", "XSETID s 40-0 MAXDELETEDID 1", "XSETID s 35-1"),
                    *("XADD s 36-1 n x", "XADD s 37-0 n other", "XADD s 90-0 n y"),
                ):
                    harness.say(line)
        assert ids(harness, "s")[-3:] == [b"36-1", b"37-0", b"90-0"]
        assert image(harness.replayed()) == image(harness.engine.state), step


@pytest.mark.usefixtures("small_pieces")
def test_a_large_one_is_said_again_in_pieces_and_a_small_one_in_one_record(
    harness: Harness,
) -> None:
    fill(harness, "s", 100)
    harness.say("XADD t 1-1 a 1")
    harness.say("XADD u MAXLEN 0 1-1 a 1")
    harness.compact(3)

    kinds = [type(each) for each in said(harness, 3)][:-1]
    assert kinds == [RestoreBegin, *[RestorePiece] * 5, RestoreEnd, KeyRestored, KeyRestored]


def test_what_lives_is_estimated(harness: Harness) -> None:
    fill(harness, "s", 2_000, 50, first=START_MS)
    harness.say("XADD t 1-1 a 1")

    check_what_lives_is_estimated(harness)


def test_all_who_wait_get_what_comes(harness: Harness) -> None:
    harness.say("XADD s 1-1 a 1")
    clients = [harness.client() for _ in range(4)]
    lines = [
        *("XREAD BLOCK 0 STREAMS s $", "XREAD BLOCK 0 COUNT 5 STREAMS t s 0 1-1"),
        *("XREAD BLOCK 0 STREAMS s 5", "XREAD BLOCK 0 COUNT 1 STREAMS s $"),
    ]
    clients[3].say("HELLO 3")
    for client, line in zip(clients, lines, strict=True):
        assert client.say(line) is WAITS

    harness.say("XADD s 2-1 a 2")

    entries = [[b"2-1", (b"a", b"2")]]
    assert [client.inbox for client in clients] == [
        [[[b"s", entries]]],
        [[[b"s", entries]]],
        [],
        [{b"s": entries}],
    ]
    harness.say("XADD s 9-9 a 3")
    assert clients[2].inbox == [[[b"s", [[b"9-9", (b"a", b"3")]]]]]


def test_the_last_id_that_was_given_is_that_of_the_beginning_of_the_wait(harness: Harness) -> None:
    harness.say("XADD s 5-1 a 1")
    harness.say("XDEL s 5-1")
    client = harness.client()
    client.say("XREAD BLOCK 0 STREAMS t s $ $")

    harness.say("XADD s MAXLEN 0 6-1 a 2")  # It is gone again.
    harness.say("XSETID s 7-0")
    assert client.inbox == []
    harness.say("MULTI")
    harness.say("XADD s 8-1 a 3")
    harness.say("XADD t 1-1 a 4")
    harness.say("XADD s 8-2 a 5")
    harness.say("EXEC")

    assert client.inbox == [
        [
            [b"t", [[b"1-1", (b"a", b"4")]]],
            [b"s", [[b"8-1", (b"a", b"3")], [b"8-2", (b"a", b"5")]]],
        ]
    ]


def test_two_who_ask_for_the_same_at_other_times_wait_for_something_else(harness: Harness) -> None:
    first, second = harness.client(), harness.client()
    harness.say("XADD s 1-1 a 1")
    first.say("XREAD BLOCK 0 STREAMS s $")
    harness.say("XADD s MAXLEN 0 2-1 a 2")
    second.say("XREAD BLOCK 0 STREAMS s $")

    harness.say("DEL s")
    harness.say("XADD s 2-1 a 3")

    assert first.inbox == [[[b"s", [[b"2-1", (b"a", b"3")]]]]]
    assert second.inbox == []


@pytest.mark.parametrize("line", ["RENAME y s", "COPY y s", "XADD s 1-1 a 1"])
def test_whatever_makes_a_stream_serves_who_waits_for_it(harness: Harness, line: str) -> None:
    harness.say("XADD y 1-1 a 1")
    client = harness.client()
    client.say("XREAD BLOCK 0 STREAMS s $")

    harness.say(line)

    assert client.inbox == [[[b"s", [[b"1-1", (b"a", b"1")]]]]]


def test_who_waits_goes_on_waiting_when_the_name_is_something_else(harness: Harness) -> None:
    client = harness.client()
    client.say("XREAD BLOCK 0 STREAMS s $")

    for line in ("SET s x", "DEL s", "QPUSH s x", "DEL s", "ZADD s 1 a", "DEL s"):
        harness.say(line)
    assert client.inbox == []
    harness.say("XADD s 1-1 a 1")
    assert client.inbox == [[[b"s", [[b"1-1", (b"a", b"1")]]]]]


def test_a_wait_ends_at_its_millisecond(harness: Harness) -> None:
    client = harness.client()
    client.say("XREAD BLOCK 100 STREAMS s $")

    harness.pass_ms(99)
    assert client.inbox == []
    harness.pass_ms(1)
    assert client.inbox == [NULL_ARRAY]


def test_nothing_blocks_in_a_transaction(harness: Harness) -> None:
    for line in ("MULTI", "XREAD BLOCK 0 STREAMS s $", "XADD s 1-1 a 1", "XREAD STREAMS s 0"):
        harness.say(line)

    assert harness.say("EXEC") == [NULL_ARRAY, b"1-1", [[b"s", [[b"1-1", (b"a", b"1")]]]]]


def test_a_script_reads_and_adds(harness: Harness) -> None:
    script = """
        redis.call('xadd', KEYS[1], '1-1', 'a', '1')
        return redis.call('xread', 'STREAMS', KEYS[1], '0')
    """
    reply = harness.default.ask(b"EVAL", script.encode(), b"1", b"s")
    assert decoded(reply) == ([b"s", [[b"1-1", [b"a", b"1"]]]],)


def test_the_keys_of_a_read_are_known_before_it_runs(harness: Harness) -> None:
    for line, names in (
        ("XREAD COUNT 5 BLOCK 0 STREAMS a b 0 $", [b"a", b"b"]),
        ("xread streams streams 0", [b"streams"]),
        ("XREAD COUNT streams STREAMS a 0", [b"a"]),
    ):
        assert harness.say(f"COMMAND GETKEYS {line}") == names
    assert harness.say("COMMAND GETKEYS XREAD STREAMS a b 0") == []


def test_what_a_large_trim_removes_is_freed_in_slices(harness: Harness) -> None:
    fill(harness, "s", 5_000)
    harness.say("XTRIM s MAXLEN 10")

    assert harness.say("XLEN s") == 10
    left = [sum(len(block.rows) for block in each.blocks) for each in remains(harness)]
    assert left == [pytest.approx(4_990, abs=200)]
    ticks = 0
    while harness.broker.tick(harness.now_ms):
        ticks += 1
    assert ticks > 1
    assert remains(harness) == []
    assert image(harness.replayed()) == image(harness.engine.state)


def remains(harness: Harness) -> list[Any]:
    return [*harness.engine.state.keys.remains]


def test_a_large_one_is_freed_in_slices(harness: Harness) -> None:
    fill(harness, "s", 5_000)
    stream = value(harness, "s")
    harness.say("DEL s")

    left = []
    while harness.broker.tick(harness.now_ms):
        left.append(sum(len(block.rows) for block in stream.blocks))
    assert left == sorted(left, reverse=True)
    assert left[0] > 0
    assert stream.blocks == []


def test_random_changes_leave_the_index_as_it_must_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("respq.engine.keys.streams.BLOCK_ENTRIES", 4)
    harness = Harness()
    draw = random.Random(7)
    entries: dict[int, tuple[bytes, ...]] = {}
    last = 0
    for _ in range(400):
        at = draw.randrange(last + 2)
        match draw.randrange(6):
            case 0 | 1 | 2:
                last += draw.randrange(1, 3)
                harness.say(f"XADD s {last} n {at}")
                entries[last] = (b"n", b"%d" % at)
            case 3:
                assert harness.say(f"XDEL s {at}") == (entries.pop(at, None) is not None)
            case 4 if draw.random() < 0.3:
                gone = [each for each in entries if each < at - 5]
                assert harness.say(f"XTRIM s MINID {max(0, at - 5)}") == len(gone)
                for each in gone:
                    del entries[each]
            case 5:
                to = at + draw.randrange(20)
                found = [[b"%d-0" % each, entries[each]] for each in entries if at <= each <= to]
                assert harness.say(f"XRANGE s {at} {to}") == found
                assert harness.say(f"XREVRANGE s {to} {at} COUNT 3") == found[::-1][:3]
                assert (
                    harness.say(f"XRANGE s ({at} {to} COUNT 2")
                    == [each for each in found if each[0] != b"%d-0" % at][:2]
                )
    assert image(harness.replayed()) == image(harness.engine.state)


@given(st.integers(0, SEQ_MAX), st.integers(0, SEQ_MAX))
def test_an_id_is_read_as_it_is_shown(ms: int, seq: int) -> None:
    entry_id = id_of(ms, seq)

    assert parse_id(show_id(entry_id)) == parse_start(show_id(entry_id)) == entry_id
    assert parse_new_id(show_id(entry_id)) == (ms, seq)
    assert parse_new_id(b"%d-*" % ms) == (ms, None)
    assert parse_end(b"%d" % ms) == id_of(ms, SEQ_MAX)


@given(st.integers(0, ID_MAX - 1), st.integers(0, 2**50))
def test_the_next_id_is_the_first_of_its_moment_that_is_above_the_last(
    last: int, now_ms: int
) -> None:
    found = next_id(last, now_ms)

    assert last < found
    assert found == id_of(now_ms, 0) or found == last + 1
    assert found >= id_of(now_ms, 0)


@pytest.mark.parametrize(
    ("raw", "entry_id"),
    [
        (b"1", id_of(1, 0)),
        (b" \t+1-01", id_of(1, 1)),
        (b"1- -1", id_of(1, SEQ_MAX)),
        (b"1--01", id_of(1, SEQ_MAX)),
        (b"1-1\x00x", id_of(1, 1)),
        (b"18446744073709551615", id_of(SEQ_MAX, 0)),
    ],
)
def test_an_id_may_be_written_as_c_reads_it(raw: bytes, entry_id: int) -> None:
    assert parse_id(raw) == entry_id


@pytest.mark.parametrize(
    "raw",
    [
        *(
            b"",
            b"-",
            b"+",
            b"*",
            b"x",
            b"1-",
            b"1-x",
            b"1-1-1",
            b"1--1",
            b"1.5",
            b"1 ",
            b"-1",
            b"$",
        ),
        *(b"18446744073709551616", b"0" * 128, b"\x00", b"\xb2"),
    ],
)
def test_what_is_no_id_is_refused(raw: bytes) -> None:
    with pytest.raises(RespqError, match="Invalid stream ID"):
        parse_id(raw)
