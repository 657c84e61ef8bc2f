"""Lists in the journal and for those who wait; beside a real Redis in tests/compat."""

from __future__ import annotations

import random
from typing import Any

import pytest

from respq.engine.keys.lists import (
    RECORD_PLACES_MAX,
    List,
    ListInserted,
    ListPopped,
    ListPushed,
    ListRemoved,
    ListSet,
)
from respq.engine.keys.records import (
    KeyRemoved,
    KeyRestored,
    RestoreBegin,
    RestoreEnd,
    RestorePiece,
)
from respq.resp.replies import NULL_ARRAY
from tests.engine.keys.compacting import (
    check_a_crash_loses_nothing,
    check_changes_come_out_right,
    check_what_lives_is_estimated,
    said,
    steps,
)
from tests.harness import WAITS, Client, Harness, image

WRONG = "WRONGTYPE Operation against a key holding the wrong kind of value"


def fill(harness: Harness, name: str, count: int, size: int = 5) -> None:
    """Make a list of many items, which are numbers."""
    items = [b"%0*d" % (size, number) for number in range(count)]
    harness.default.ask(b"RPUSH", name.encode(), *items)


def items_of(harness: Harness, name: str = "l") -> list[bytes]:
    return [*harness.say(f"LRANGE {name} 0 -1")]


@pytest.mark.parametrize(
    "line",
    [
        *("LPUSH q a", "RPUSH q a", "LPUSHX q a", "RPUSHX q a", "LPOP q", "LPOP q 1", "RPOP q"),
        *("RPOP q 0", "LLEN q", "LRANGE q 0 1", "LINDEX q x", "LPOS q a", "LSET q x a"),
        *("LINSERT q BEFORE a b", "LREM q 0 a", "LTRIM q 0 1", "LMOVE q l LEFT LEFT"),
        *("LMOVE l q LEFT LEFT", "RPOPLPUSH q l", "RPOPLPUSH l q", "LMPOP 2 none q LEFT"),
        *("BLPOP none q 0", "BRPOP q l 0", "BLMOVE q l LEFT LEFT 0", "BLMOVE l q LEFT LEFT 0"),
        *("BRPOPLPUSH q l 0", "BRPOPLPUSH l q 0", "BLMPOP 0 1 q RIGHT"),
    ],
)
@pytest.mark.parametrize("made", ["QPUSH q x", "SET q x", "ZADD q 1 x"])
def test_what_is_no_list_is_of_the_wrong_type(harness: Harness, made: str, line: str) -> None:
    harness.say("RPUSH l a")
    harness.say(made)

    assert harness.refusal(line) == WRONG


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("LPOP l -1", "value is out of range, must be positive"),
        ("RPOP l x", "value is out of range, must be positive"),
        ("LPOP l 1 1", "wrong number of arguments for 'lpop' command"),
        ("LRANGE l a b", "value is not an integer or out of range"),
        ("LINDEX l x", "value is not an integer or out of range"),
        ("LSET l x a", "value is not an integer or out of range"),
        ("LSET l 1 a", "index out of range"),
        ("LSET l -2 a", "index out of range"),
        ("LSET none x a", "no such key"),
        ("LINSERT l BESIDE a b", "syntax error near 'BESIDE'"),
        ("LREM l x a", "value is not an integer or out of range"),
        ("LTRIM l 0 x", "value is not an integer or out of range"),
        ("LMOVE l l UP LEFT", "syntax error near 'UP'"),
        ("LMOVE l l LEFT UP", "syntax error near 'UP'"),
        ("LMPOP 0 l LEFT", "numkeys should be greater than 0"),
        ("LMPOP 1 l LEFT COUNT 0", "count should be greater than 0"),
        ("LMPOP 1 l UP", "syntax error near 'UP'"),
        ("LMPOP 2 l LEFT", "syntax error: LEFT | RIGHT is missing"),
        ("BLMPOP -1 1 l LEFT", "timeout is negative"),
        ("BLPOP none x", "timeout is not a float or out of range"),
        ("BRPOP none -1", "timeout is negative"),
        ("BLMOVE none l LEFT LEFT 1e30", "timeout is out of range"),
        ("BRPOPLPUSH none l inf", "timeout is out of range"),
        ("LPOS l a RANK x", "value is not an integer or out of range"),
        (
            "LPOS l a RANK 0",
            "RANK can't be zero: use 1 to start from the first match, 2 from the second ... "
            "or use negative to start from the end of the list",
        ),
        (
            "LPOS l a RANK -9223372036854775808",
            "value is out of range, value must between -9223372036854775807 and "
            "9223372036854775807",
        ),
        ("LPOS l a COUNT -1", "COUNT can't be negative"),
        ("LPOS l a MAXLEN x", "MAXLEN can't be negative"),
        ("LPOS l a FOO 1", "syntax error near 'FOO'"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_redis(
    harness: Harness, line: str, error: str
) -> None:
    harness.say("RPUSH l a")

    assert harness.refusal(line) == f"ERR {error}"


def test_what_changes_nothing_is_not_in_the_journal(harness: Harness) -> None:
    harness.say("RPUSH l a b")
    before = len(harness.journal)

    assert harness.say("LPUSHX none x") == harness.say("RPUSHX none x") == 0
    assert harness.say("LPOP l 0") == ()
    assert harness.say("LREM l 0 none") == 0
    assert harness.say("LINSERT l BEFORE none x") == -1
    assert harness.say("LINSERT none BEFORE a x") == 0
    harness.say("LTRIM l 0 -1")
    harness.say("LTRIM none 1 0")
    assert harness.say("LMOVE none l LEFT LEFT") is None

    assert len(harness.journal) == before


def test_a_record_says_what_is_taken_out_and_put_in_and_where(harness: Harness) -> None:
    for line in (
        *("RPUSH l a b c", "LPUSH l x y", "LPOP l", "RPOP l 2", "LSET l -1 z", "RPUSH l z b z"),
        *("LINSERT l AFTER a n", "LREM l -2 z", "LTRIM l 1 1", "LMOVE l l LEFT RIGHT"),
        *("LTRIM l 5 9",),
    ):
        harness.say(line)

    assert said(harness, 0)[1:] == [
        ListPushed(1, [b"a", b"b", b"c"], False),
        ListPushed(1, [b"x", b"y"], True),
        ListPopped(1, 1, True),
        ListPopped(1, 2, False),
        ListSet(1, 1, b"z"),
        ListPushed(1, [b"z", b"b", b"z"], False),
        ListRemoved(1, [2, 4]),
        ListPopped(1, 1, False),
        ListPopped(1, 1, True),
        ListPushed(1, [b"z"], False),
        ListPopped(1, 1, True),
        KeyRemoved(1),
    ]


def test_an_item_that_is_put_in_beside_another_is_so_by_its_place(harness: Harness) -> None:
    harness.say("RPUSH l a b b")

    assert harness.say("LINSERT l BEFORE b x") == 4
    assert harness.say("LINSERT l AFTER b y") == 5

    assert said(harness, 1) == [ListInserted(1, 1, b"x"), ListInserted(1, 3, b"y")]
    assert items_of(harness) == [b"a", b"x", b"b", b"y", b"b"]


def test_many_places_are_said_in_several_records_of_one_transaction(harness: Harness) -> None:
    count = RECORD_PLACES_MAX + 1
    harness.default.ask(b"RPUSH", b"l", *[b"x", b"y"] * count)
    since = len(harness.journal)

    assert harness.say("LREM l 0 x") == count

    assert [type(each) for each in said(harness, since)] == [ListRemoved, ListRemoved]
    assert len(harness.journal) == since + 1
    assert {*items_of(harness)} == {b"y"}
    harness.crash()
    assert harness.say("LLEN l") == count


@pytest.mark.parametrize(
    "line",
    [
        *("LPOP l 2", "RPOP l 9", "LREM l 0 a", "LTRIM l 2 -1", "LTRIM l 1 0"),
        *("LMPOP 1 l RIGHT COUNT 2",),
    ],
)
def test_an_emptied_one_is_gone_also_after_a_crash(harness: Harness, line: str) -> None:
    harness.say("RPUSH l a a")
    harness.say("EXPIRE l 100")
    harness.say(line)

    assert harness.say("EXISTS l") == 0
    harness.crash()
    assert harness.say("KEYS *") == []
    harness.say("RPUSH l a")
    assert harness.say("TTL l") == -1


def test_one_that_is_over_but_still_there_begins_anew(harness: Harness) -> None:
    harness.say("RPUSH l a")
    harness.say("PEXPIRE l 10")
    harness.now_ms += 10

    assert harness.say("LPOP l") is None
    assert harness.say("RPUSHX l b") == 0
    assert harness.say("RPUSH l b") == 1
    assert harness.say("PTTL l") == -1


@pytest.mark.parametrize("sides", ["LEFT LEFT", "LEFT RIGHT", "RIGHT LEFT", "RIGHT RIGHT"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_list_may_be_moved_to_itself(harness: Harness, sides: str, count: int) -> None:
    fill(harness, "l", count)
    harness.say("EXPIRE l 100")
    plain = items_of(harness)
    wherefrom, whereto = sides.split()
    item = plain.pop(0 if wherefrom == "LEFT" else -1)
    plain.insert(0 if whereto == "LEFT" else count, item)

    assert harness.say(f"LMOVE l l {sides}") == item

    assert items_of(harness) == plain
    assert harness.say("TTL l") == 100
    harness.crash()
    assert items_of(harness) == plain


CHANGES = [
    *("RPUSH l a b", "LPUSH l a b", "LPOP l 30", "RPOP l 30", "LSET l 50 x", "LSET l 3 x", "DEL l"),
    *("LINSERT l BEFORE 00040 x", "LINSERT l AFTER 00099 x", "LREM l 0 00070", "LTRIM l 20 60"),
    *("LTRIM l 0 0", "LMOVE l l LEFT RIGHT", "LMOVE l m RIGHT LEFT", "LPOP l 100", "RENAME l m"),
    *("EXPIRE l 10", "FLUSHDB", "SET l x", "COPY l m", "MOVE l 1"),
]


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("respq.engine.keys.lists.PIECE_BYTES", 120)
    monkeypatch.setattr("respq.engine.keys.chain.BLOCK", 8)
    monkeypatch.setattr("respq.engine.keys.chain.END_MAX", 16)


def filled(harness: Harness) -> None:
    fill(harness, "l", 100)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("line", CHANGES)
def test_whatever_happens_while_it_is_said_again_comes_out_right(line: str) -> None:
    check_changes_come_out_right(filled, 1, 9, line, "RPUSHX l last", "LPUSHX l first")


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("line", CHANGES)
def test_a_crash_while_it_is_said_again_loses_nothing(line: str) -> None:
    check_a_crash_loses_nothing(filled, 1, 9, line)


@pytest.mark.usefixtures("small_pieces")
def test_what_is_pushed_between_two_pieces_keeps_its_place(harness: Harness) -> None:
    fill(harness, "l", 100)
    plain = items_of(harness)
    for number, _ in enumerate(steps(harness, 1)):
        harness.say(f"RPUSH l r{number}")
        harness.say(f"LPUSH l l{number}")
        plain = [b"l%d" % number, *plain, b"r%d" % number]

    harness.crash()

    assert items_of(harness) == plain


@pytest.mark.usefixtures("small_pieces")
def test_a_large_one_is_said_again_in_pieces_and_a_small_one_in_one_record(
    harness: Harness,
) -> None:
    fill(harness, "l", 100)
    harness.say("RPUSH m a")
    harness.compact(2)

    kinds = [type(each) for each in said(harness, 2)][:-1]
    assert kinds == [RestoreBegin, *[RestorePiece] * 6, RestoreEnd, KeyRestored]


def test_what_lives_is_estimated(harness: Harness) -> None:
    fill(harness, "l", 5_000, 50)
    harness.say("RPUSH m a")

    check_what_lives_is_estimated(harness)


def test_its_encoding_is_that_of_redis(harness: Harness) -> None:
    """8 KiB fit into a listpack; what was larger is a quicklist until it has half of that."""
    for count, encoding in ((8_185 // 5, b"listpack"), (8_185 // 5 + 1, b"quicklist")):
        harness.say("DEL l")
        fill(harness, "l", count)
        assert harness.say("OBJECT ENCODING l") == encoding

    left = 4_089 // 7
    harness.say(f"LTRIM l 0 {left}")
    assert harness.say("OBJECT ENCODING l") == b"quicklist"
    harness.crash()
    assert harness.say("OBJECT ENCODING l") == b"quicklist"
    harness.compact(len(harness.journal))
    harness.crash()
    assert harness.say("OBJECT ENCODING l") == b"quicklist"
    harness.say("RPOP l")
    assert harness.say("OBJECT ENCODING l") == b"listpack"


@pytest.mark.parametrize(
    ("line", "encoding"),
    [
        (f"RPUSH l {'x' * 8_182}", b"listpack"),
        (f"RPUSH l {'x' * 8_183}", b"quicklist"),
        (f"LSET l 0 {'x' * 9_000}", b"quicklist"),
        (f"LINSERT l BEFORE a {'x' * 9_000}", b"quicklist"),
    ],
)
def test_a_long_item_tells_in_the_encoding(harness: Harness, line: str, encoding: bytes) -> None:
    harness.say("RPUSH l a")
    harness.say(line)

    assert harness.say("OBJECT ENCODING l") == encoding
    harness.say("LSET l 0 a")
    harness.say("LREM l 0 " + "x" * 9_000)
    harness.say("LSET l -1 a")
    assert harness.say("OBJECT ENCODING l") == b"listpack"


def test_who_has_waited_longest_is_served_first(harness: Harness) -> None:
    first, second, third = harness.client(), harness.client(), harness.client()
    assert first.say("BLPOP l 0") is WAITS
    assert second.say("BLMPOP 0 2 m l RIGHT COUNT 2") is WAITS
    assert third.say("BRPOP l 0") is WAITS

    harness.say("RPUSH l a b c d e")

    assert first.inbox == [(b"l", b"a")]
    assert second.inbox == [[b"l", (b"e", b"d")]]
    assert third.inbox == [(b"l", b"c")]
    assert items_of(harness) == [b"b"]


def test_of_several_keys_the_first_counts(harness: Harness) -> None:
    client = harness.client()
    client.say("BLPOP a b 0")
    harness.say("MULTI")
    harness.say("RPUSH b of-b")
    harness.say("RPUSH a of-a")
    assert client.inbox == []
    harness.say("EXEC")

    assert client.inbox == [(b"a", b"of-a")]
    assert client.say("BRPOP a b 0") == (b"b", b"of-b")


@pytest.mark.parametrize(
    "line",
    ["LPUSH l a", "RENAME m l", "COPY m l", "LMOVE m l LEFT LEFT", "RPOPLPUSH m l"],
)
def test_whatever_makes_a_list_serves_who_waits_for_it(harness: Harness, line: str) -> None:
    harness.say("RPUSH m a")
    client = harness.client()
    client.say("BLPOP l 0")

    harness.say(line)

    assert client.inbox == [(b"l", b"a")]


def test_what_comes_and_goes_in_a_transaction_is_nothing_for_who_waits(harness: Harness) -> None:
    client = harness.client()
    client.say("BLPOP l 0")
    for line in ("MULTI", "RPUSH l a", "LPOP l", "RPUSH l b c", "LPOP l", "EXEC"):
        harness.say(line)

    assert client.inbox == [(b"l", b"c")]
    assert harness.say("EXISTS l") == 0


def test_what_a_script_pushes_is_seen_behind_it(harness: Harness) -> None:
    client = harness.client()
    client.say("BLPOP l 0")

    pushed = harness.default.ask(
        b"EVAL",
        b"redis.call('RPUSH', KEYS[1], 'a', 'b') redis.call('LPOP', KEYS[1]) "
        b"return redis.call('LLEN', KEYS[1])",
        *(b"1", b"l"),
    )

    assert pushed == 1
    assert client.inbox == [(b"l", b"b")]


def test_who_waits_goes_on_waiting_when_the_name_is_something_else(harness: Harness) -> None:
    client = harness.client()
    client.say("BLPOP l 0")

    for line in ("SET l x", "DEL l", "QPUSH l x", "DEL l", "ZADD l 1 a", "DEL l"):
        harness.say(line)
    assert client.inbox == []
    harness.say("RPUSH l a")
    assert client.inbox == [(b"l", b"a")]


def test_what_is_moved_for_one_who_waited_serves_the_next(harness: Harness) -> None:
    first, second, third = harness.client(), harness.client(), harness.client()
    third.say("BLPOP c 0")
    second.say("BRPOPLPUSH b c 0")
    first.say("BLMOVE a b LEFT RIGHT 0")

    harness.say("RPUSH a x")

    assert (first.inbox, second.inbox, third.inbox) == ([b"x"], [b"x"], [(b"c", b"x")])
    assert harness.say("KEYS *") == []


def test_two_who_move_to_and_fro_are_served_once_each(harness: Harness) -> None:
    first, second = harness.client(), harness.client()
    first.say("BRPOPLPUSH a b 0")
    second.say("BRPOPLPUSH b a 0")

    harness.say("RPUSH a x")

    assert (first.inbox, second.inbox) == ([b"x"], [b"x"])
    assert items_of(harness, "a") == [b"x"]
    assert harness.say("EXISTS b") == 0


def test_a_destination_of_another_kind_is_an_error_to_who_has_waited(harness: Harness) -> None:
    first, second = harness.client(), harness.client()
    first.say("BLMOVE a text LEFT RIGHT 0")
    second.say("BLPOP a 0")
    harness.say("SET text x")

    harness.say("RPUSH a item")

    assert [str(each) for each in first.inbox] == [WRONG.partition(" ")[2]]
    assert second.inbox == [(b"a", b"item")]


def test_a_wait_ends_at_its_millisecond(harness: Harness) -> None:
    client = harness.client()
    client.say("BLPOP l 0.1")
    for line in (
        *("BLMPOP 0.001 1 l LEFT", "BRPOP l 0.0001", "BLMOVE l m LEFT LEFT 0.0005"),
        "BRPOPLPUSH l m 0.001",
    ):
        other = harness.client()
        assert other.say(line) is WAITS
        harness.pass_ms(1)
        assert other.inbox == [NULL_ARRAY]

    harness.pass_ms(95)
    assert client.inbox == []
    harness.pass_ms(1)
    assert client.inbox == [NULL_ARRAY]


def test_a_timeout_of_0_is_for_ever(harness: Harness) -> None:
    client = harness.client()
    client.say("BLPOP l 0")

    harness.pass_ms(1_000_000_000)
    assert client.inbox == []
    harness.say("LPUSH l a")
    assert client.inbox == [(b"l", b"a")]


def test_nothing_blocks_in_a_transaction(harness: Harness) -> None:
    for line in (
        *("MULTI", "BLPOP l 0", "BLMPOP 0 1 l LEFT", "BLMOVE l m LEFT LEFT 0", "BRPOPLPUSH l m 0"),
        *("RPUSH l a", "BRPOP l 0"),
    ):
        harness.say(line)

    assert harness.say("EXEC") == [NULL_ARRAY, NULL_ARRAY, None, None, 1, (b"l", b"a")]


POPS = [
    *("LPOP l", "RPOP l", "LPOP l 2", "RPOP l 2", "LPOP l 9", "BLPOP l 0", "BRPOP none l 0"),
    *("LMPOP 1 l RIGHT COUNT 2", "BLMPOP 0 1 l LEFT COUNT 3"),
]


@pytest.mark.parametrize("line", POPS)
def test_what_was_popped_for_a_client_that_is_gone_is_put_back(harness: Harness, line: str) -> None:
    harness.say("RPUSH l a b c")
    harness.say("PEXPIRE l 1000")
    client = harness.client()
    client.say(line)

    harness.undo(client)

    assert items_of(harness) == [b"a", b"b", b"c"]
    assert harness.say("PTTL l") == 1_000
    assert harness.engine.lost_items == 0


def test_it_is_put_back_at_its_end_whatever_has_come_meanwhile(harness: Harness) -> None:
    first, second = harness.client(), harness.client()
    harness.say("RPUSH l a b c d")
    first.say("LPOP l 2")
    second.say("RPOP l")
    harness.say("LPUSH l x")
    harness.say("RPUSH l y")

    harness.undo(first)
    harness.undo(second)

    assert items_of(harness) == [b"a", b"b", b"x", b"c", b"y", b"d"]


def test_several_that_were_popped_in_a_pipeline_come_back_in_their_order(harness: Harness) -> None:
    client = harness.client()
    harness.say("RPUSH l a b c d e")
    client.pipeline("LPOP l", "RPOP l", "LPOP l", "LPOP l 2")

    harness.undo(client)

    assert items_of(harness) == [b"a", b"b", b"c", b"d", b"e"]


def test_what_is_put_back_goes_to_the_next_who_waits(harness: Harness) -> None:
    first, second = harness.client(), harness.client()
    first.say("BLPOP l 0")
    second.say("BLPOP l 0")
    harness.say("RPUSH l a")

    harness.undo(first)

    assert second.inbox == [(b"l", b"a")]


def test_what_was_moved_for_a_client_that_is_gone_stays_where_it_was_moved_to(
    harness: Harness,
) -> None:
    client = harness.client()
    client.say("BLMOVE l m LEFT LEFT 0")
    harness.say("RPUSH l a")

    harness.undo(client)

    assert items_of(harness, "m") == [b"a"]


@pytest.mark.parametrize("made", ["SET l x", "QPUSH l x", "ZADD l 1 x"])
def test_what_has_no_place_to_come_back_to_is_lost_and_counted(harness: Harness, made: str) -> None:
    client = harness.client()
    harness.say("RPUSH l a b c")
    client.say("LPOP l 3")
    harness.say(made)
    before = image(harness.engine.state)["keys"]

    harness.undo(client)

    assert image(harness.engine.state)["keys"] == before
    assert b"lost_items:3\r\n" in harness.say("INFO stats").text


def test_it_is_not_put_back_when_its_time_is_over(harness: Harness) -> None:
    for elapsed_ms, count in ((9, 1), (10, 0)):
        harness.say("RPUSH l a")
        harness.say("PEXPIRE l 10")
        client = harness.client()
        client.say("LPOP l")
        harness.pass_ms(elapsed_ms)
        harness.undo(client)
        assert harness.say("LLEN l") == count
        harness.say("DEL l")
    assert harness.engine.lost_items == 0


def test_a_client_that_closes_is_served_no_more(harness: Harness) -> None:
    first, second = harness.client(), harness.client()
    first.say("BLPOP l 0")
    second.say("BLPOP l 0")
    harness.broker.close_session(first.session)

    harness.say("RPUSH l a b")

    assert (first.inbox, second.inbox) == ([], [(b"l", b"a")])
    assert items_of(harness) == [b"b"]


def test_what_is_cut_off_a_large_one_is_freed_in_slices(harness: Harness) -> None:
    fill(harness, "l", 20_000)
    harness.say("LTRIM l 4000 -4000")

    assert items_of(harness) == [b"%05d" % number for number in range(4_000, 16_001)]
    remains: list[Any] = harness.engine.state.keys.remains
    assert sum(len(block.items) for each in remains for block in each.items.blocks) > 5_000
    while harness.broker.tick(harness.now_ms):
        pass
    assert remains == []
    assert harness.say("LLEN l") == 12_001


def test_a_large_one_is_freed_in_slices(harness: Harness) -> None:
    fill(harness, "l", 20_000)
    value: Any = harness.engine.key_of(harness.now_ms, 0, b"l", List).value  # type: ignore[union-attr]
    harness.say("LTRIM l 1 0")

    left = []
    while harness.broker.tick(harness.now_ms):
        left.append(sum(map(len, value.items.runs())))
    assert left == sorted(left, reverse=True)
    assert left[0] > 0
    assert [*value.items] == []


def random_line(draw: random.Random, name: str) -> str:
    first, last = draw.randint(-9, 9), draw.randint(-9, 9)
    return draw.choice(
        [
            f"RPUSH {name} {first} {last} {first}",
            f"LPUSH {name} {first} {last}",
            f"RPUSH {name} {'x' * 3_000}",
            f"LPOP {name} {abs(first)}",
            f"RPOP {name}",
            f"LSET {name} {first} {last}",
            f"LINSERT {name} BEFORE {first} {last}",
            f"LREM {name} {last} {first}",
            f"LTRIM {name} {min(abs(first), 1)} -{1 + abs(last) % 2}",
            f"LMOVE {name} m LEFT RIGHT",
            f"RPOPLPUSH m {name}",
        ]
    )


def test_random_changes_are_as_the_journal_has_them() -> None:
    harness = Harness()
    draw = random.Random(7)
    waiting: list[Client] = []
    for _ in range(600):
        if draw.randrange(20) == 0:
            waiting.append(harness.client())
            waiting[-1].say(f"BLMOVE m {draw.choice('lm')} LEFT RIGHT 0")
        harness.say(random_line(draw, "l"))
    assert image(harness.replayed()) == image(harness.engine.state)
    harness.compact(len(harness.journal))
    assert image(harness.replayed()) == image(harness.engine.state)
