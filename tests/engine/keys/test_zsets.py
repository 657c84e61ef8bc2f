"""Sorted sets in the journal and for those who wait; beside a real Redis in tests/compat."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respq.engine.keys.combine import Source, difference, intersection, union
from respq.engine.keys.ranges import MemberRange, ScoreRange, limited, rank_span
from respq.engine.keys.records import KeyRestored, RestoreBegin, RestoreEnd, RestorePiece
from respq.engine.keys.zsets import (
    RECORD_MEMBERS_MAX,
    Zset,
    ZsetAdded,
    ZsetRangeRemoved,
    ZsetRemoved,
)
from respq.resp.replies import NULL_ARRAY
from tests.engine.keys.compacting import (
    check_a_crash_loses_nothing,
    check_changes_come_out_right,
    check_what_lives_is_estimated,
    said,
)
from tests.harness import WAITS, Harness, image

WRONG = "WRONGTYPE Operation against a key holding the wrong kind of value"


def zset_of(*pairs: tuple[float, bytes]) -> Zset:
    zset = Zset()
    zset.add_piece([False, [score for score, _ in pairs], [member for _, member in pairs]])
    return zset


def add(harness: Harness, name: str, count: int, size: int = 5) -> None:
    """Make a sorted set of many members, whose scores fall while their names rise."""
    words = [b"ZADD", name.encode()]
    for number in range(count):
        words += [b"%d" % (count - number), b"%0*d" % (size, number)]
    harness.default.ask(*words)


@pytest.mark.parametrize(
    "line",
    [
        *("ZADD q 1 a", "ZADD q INCR 1 a", "ZINCRBY q 1 a", "ZREM q a", "ZCARD q", "ZSCORE q a"),
        *("ZMSCORE q a", "ZRANK q a", "ZREVRANK q a WITHSCORE", "ZCOUNT q 0 1", "ZLEXCOUNT q - +"),
        *("ZRANGE q 0 1", "ZREVRANGE q 0 1", "ZRANGEBYSCORE q 0 1", "ZREVRANGEBYSCORE q 0 1"),
        *("ZRANGEBYLEX q - +", "ZREVRANGEBYLEX q + -", "ZRANGESTORE x q 0 1", "ZPOPMIN q"),
        *("ZPOPMAX q 2", "ZMPOP 2 none q MIN", "BZPOPMIN none q 0", "BZPOPMAX q 0", "ZUNION 1 q"),
        *("BZMPOP 0 1 q MIN", "ZREMRANGEBYRANK q 0 1", "ZREMRANGEBYSCORE q 0 1", "ZDIFF 2 z q"),
        *("ZREMRANGEBYLEX q - +", "ZRANDMEMBER q", "ZRANDMEMBER q 2", "ZSCAN q 0", "ZINTER 2 z q"),
        *("ZINTERCARD 2 z q", "ZUNIONSTORE x 2 z q", "ZINTERSTORE x 1 q", "ZDIFFSTORE x 2 z q"),
    ],
)
@pytest.mark.parametrize("made", ["QPUSH q x", "SET q x"])
def test_what_is_no_sorted_set_is_of_the_wrong_type(harness: Harness, made: str, line: str) -> None:
    harness.say("ZADD z 1 a")
    harness.say(made)

    assert harness.refusal(line) == WRONG


@pytest.mark.parametrize(
    "line",
    ["ZRANGESTORE q z 0 -1", "ZUNIONSTORE q 1 z", "ZINTERSTORE q 1 z", "ZDIFFSTORE q 1 none"],
)
def test_what_keeps_its_outcome_does_not_overwrite_a_queue(harness: Harness, line: str) -> None:
    harness.say("ZADD z 1 a")
    harness.say("QPUSH q x")

    assert harness.refusal(line) == WRONG
    harness.say("DEL q")
    harness.say("SET q x EX 10")
    harness.say(line)
    assert harness.say("TTL q") in (-1, -2)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("ZADD z NX XX 1 a", "XX and NX options at the same time are not compatible"),
        ("ZADD z NX GT 1 a", "GT, LT, and/or NX options at the same time are not compatible"),
        ("ZADD z INCR 1 a 2 b", "INCR option supports a single increment-element pair"),
        ("ZADD z 1 a 2", "syntax error"),
        ("ZADD z NX XX CH", "syntax error"),
        ("ZADD z 1 a x b", "value is not a valid float"),
        ("ZADD z INCR -inf top", "resulting score is not a number (NaN)"),
        ("ZINCRBY z -inf top", "resulting score is not a number (NaN)"),
        ("ZINCRBY z nan top", "value is not a valid float"),
        ("ZRANGE z a b", "value is not an integer or out of range"),
        ("ZRANGE z 0 (x BYSCORE", "min or max is not a float"),
        ("ZRANGE z a b BYLEX", "min or max not valid string range item"),
        (
            "ZRANGE z 0 1 LIMIT 0 1",
            "syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
        ),
        (
            "ZRANGE z - + BYLEX WITHSCORES",
            "syntax error, WITHSCORES not supported in combination with BYLEX",
        ),
        ("ZRANGEBYSCORE z 0 1 LIMIT 0 x", "value is not an integer or out of range"),
        ("ZPOPMIN z -1", "value is out of range, must be positive"),
        ("ZMPOP 0 z MIN", "numkeys should be greater than 0"),
        ("ZMPOP 1 z MIN COUNT 0", "count should be greater than 0"),
        ("ZMPOP 2 z MIN", "syntax error: MIN | MAX is missing"),
        ("ZUNION 0 z", "at least 1 input key is needed for 'zunion' command"),
        ("ZUNION 1 z WEIGHTS x", "weight value is not a float"),
        ("ZUNION 1 z AGGREGATE AVG", "syntax error near 'AVG'"),
        ("ZINTERCARD 1 z LIMIT -1", "LIMIT can't be negative"),
        ("BZPOPMIN none -1", "timeout is negative"),
        ("BZPOPMIN none x", "timeout is not a float or out of range"),
        ("BZPOPMIN none 1e30", "timeout is out of range"),
        ("BZPOPMIN none inf", "timeout is out of range"),
        ("ZRANDMEMBER z WITHSCORES", "value is not an integer or out of range"),
        ("ZRANDMEMBER z 9223372036854775807 WITHSCORES", "value is out of range"),
        ("ZSCAN z 0 COUNT 0", "syntax error"),
        ("ZPOPMIN z 1 2", "syntax error near '2'"),
        ("ZSCAN z x", "invalid cursor"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_redis(
    harness: Harness, line: str, error: str
) -> None:
    harness.say("ZADD z 1 a inf top")

    assert harness.refusal(line) == f"ERR {error}"


def test_a_rank_comes_with_its_score_if_that_is_wanted(harness: Harness) -> None:
    harness.say("ZADD z 1 a 2.5 b")

    assert harness.say("ZRANK z b WITHSCORE") == [1, 2.5]
    assert harness.say("ZREVRANK z b WITHSCORE") == [0, 2.5]
    assert harness.say("ZRANK z c WITHSCORE") is NULL_ARRAY
    assert harness.say("ZREVRANK none b WITHSCORE") is NULL_ARRAY
    assert harness.say("ZRANK z c") is None


def test_zero_has_no_sign(harness: Harness) -> None:
    """As in a listpack of Redis, which keeps integers."""
    harness.say("ZADD z -0 a -1 b")
    harness.say("ZINCRBY z 1 b")

    assert [str(score) for score in harness.say("ZMSCORE z a b")] == ["0.0", "0.0"]


def test_what_changes_nothing_is_not_in_the_journal(harness: Harness) -> None:
    harness.say("ZADD z 1 a")
    before = len(harness.journal)

    for line in ("ZADD z 1 a", "ZADD z NX 5 a", "ZADD z XX 1 b", "ZADD z GT CH 0 a", "ZREM z b"):
        assert harness.say(line) == 0
    assert harness.say("ZADD z NX INCR 1 a") is None
    assert harness.say("ZPOPMIN z 0") == []
    assert harness.say("ZREMRANGEBYSCORE z 5 1") == 0

    assert len(harness.journal) == before


def test_a_record_says_what_is_so_in_the_end(harness: Harness) -> None:
    harness.say("ZADD z 1 a 1 b 3 a")
    harness.say("ZINCRBY z 0.5 a")
    harness.say("ZADD z 5 c 6 d 7 e")
    harness.say("ZPOPMAX z")
    harness.say("ZPOPMIN z 2")
    harness.say("ZREM z none c")

    assert said(harness, 0)[1:] == [
        ZsetAdded(1, [3.0, 1.0], [b"a", b"b"]),
        ZsetAdded(1, [3.5], [b"a"]),
        ZsetAdded(1, [5.0, 6.0, 7.0], [b"c", b"d", b"e"]),
        ZsetRemoved(1, [b"e"]),
        ZsetRangeRemoved(1, 1.0, b"b", 3.5, b"a"),
        ZsetRemoved(1, [b"c"]),
    ]


def test_many_members_are_said_in_several_records_of_one_transaction(harness: Harness) -> None:
    add(harness, "z", RECORD_MEMBERS_MAX + 1)

    assert [type(each) for each in said(harness, 0)[1:]] == [ZsetAdded, ZsetAdded]
    assert len(harness.journal) == 1
    harness.say("ZUNIONSTORE y 1 z")
    harness.say("ZREMRANGEBYRANK z 1 -2")
    harness.crash()
    assert harness.say("ZCARD y") == RECORD_MEMBERS_MAX + 1
    assert harness.say("ZCARD z") == 2


@pytest.mark.parametrize(
    "line",
    [
        "ZREM z a b",
        "ZPOPMIN z 2",
        "ZREMRANGEBYLEX z - +",
        "ZMPOP 1 z MAX COUNT 9",
        "ZDIFFSTORE z 2 z z",
    ],
)
def test_an_emptied_one_is_gone_also_after_a_crash(harness: Harness, line: str) -> None:
    harness.say("ZADD z 0 a 0 b")
    harness.say("EXPIRE z 100")
    harness.say(line)

    assert harness.say("EXISTS z") == 0
    harness.crash()
    assert harness.say("KEYS *") == []
    harness.say("ZADD z 1 a")
    assert harness.say("TTL z") == -1


def test_it_expires_at_its_millisecond(harness: Harness) -> None:
    harness.say("ZADD z 1 a")
    harness.say("PEXPIRE z 10")

    harness.pass_ms(9)
    assert harness.say("ZADD z 2 b") == 1
    harness.pass_ms(1)
    assert harness.say("ZCARD z") == 0


def test_one_that_is_over_but_still_there_begins_anew(harness: Harness) -> None:
    harness.say("ZADD z 1 a")
    harness.say("PEXPIRE z 10")
    harness.now_ms += 10

    assert harness.say("ZSCORE z a") is None
    assert harness.say("ZINCRBY z 5 a") == 5.0
    assert harness.say("PTTL z") == -1


CHANGES = [
    *("ZADD z 999 00001", "ZADD z -1 00090", "ZADD z 50.5 new", "ZREM z 00005 00050 00095"),
    *("ZINCRBY z 1000 00099", "ZPOPMIN z 3", "ZPOPMAX z 3", "ZREMRANGEBYRANK z 20 70", "DEL z"),
    *("ZREMRANGEBYSCORE z (10 20", "RENAME z y", "ZUNIONSTORE z 1 z", "ZREMRANGEBYRANK z 0 -1"),
    *("EXPIRE z 10", "FLUSHDB", "SET z x", "COPY z y", "MOVE z 1", "ZRANGESTORE z z 0 1"),
]


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("respq.engine.keys.zsets.PIECE_BYTES", 300)


def filled(harness: Harness) -> None:
    add(harness, "z", 100)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("line", CHANGES)
def test_whatever_happens_while_it_is_said_again_comes_out_right(line: str) -> None:
    check_changes_come_out_right(filled, 1, 9, line, "ZADD z 5 00003 55 00042 95 00091")


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("line", CHANGES)
def test_a_crash_while_it_is_said_again_loses_nothing(line: str) -> None:
    check_a_crash_loses_nothing(filled, 1, 9, line)


@pytest.mark.usefixtures("small_pieces")
def test_a_large_one_is_said_again_in_pieces_and_a_small_one_in_one_record(
    harness: Harness,
) -> None:
    add(harness, "z", 100)
    harness.say("ZADD y 1 a")
    harness.compact(2)

    kinds = [type(each) for each in said(harness, 2)][:-1]
    assert kinds == [RestoreBegin, *[RestorePiece] * 6, RestoreEnd, KeyRestored]


def test_what_lives_is_estimated(harness: Harness) -> None:
    add(harness, "z", 2_000, 50)
    harness.say("ZADD y 1 a")

    check_what_lives_is_estimated(harness)


@pytest.mark.parametrize(
    ("members", "encoding"),
    [(128, b"listpack"), (129, b"skiplist")],
)
def test_its_encoding_is_that_of_redis_and_stays(
    harness: Harness, members: int, encoding: bytes
) -> None:
    add(harness, "z", members)
    assert harness.say("OBJECT ENCODING z") == encoding
    harness.say("ZREMRANGEBYRANK z 1 -1")
    assert harness.say("OBJECT ENCODING z") == encoding
    harness.crash()
    assert harness.say("OBJECT ENCODING z") == encoding
    harness.compact(len(harness.journal))
    harness.crash()
    assert harness.say("OBJECT ENCODING z") == encoding


def test_a_long_member_tells_in_the_encoding(harness: Harness) -> None:
    harness.say(f"ZADD z 1 {'x' * 64}")
    assert harness.say("OBJECT ENCODING z") == b"listpack"
    harness.say(f"ZADD z 1 {'x' * 65}")
    assert harness.say("OBJECT ENCODING z") == b"skiplist"


def test_who_has_waited_longest_is_served_first(harness: Harness) -> None:
    first, second, third = harness.client(), harness.client(), harness.client()
    assert first.say("BZPOPMIN z 0") is WAITS
    assert second.say("BZMPOP 0 2 y z MAX COUNT 2") is WAITS
    assert third.say("BZPOPMAX z 0") is WAITS

    harness.say("ZADD z 1 a 2 b 3 c 4 d 5 e")

    assert first.inbox == [[b"z", b"a", 1.0]]
    assert second.inbox == [[b"z", [[b"e", 5.0], [b"d", 4.0]]]]
    assert third.inbox == [[b"z", b"c", 3.0]]
    assert harness.say("ZRANGE z 0 -1") == (b"b",)


def test_of_several_keys_the_first_counts(harness: Harness) -> None:
    client = harness.client()
    client.say("BZPOPMIN a b 0")
    harness.say("MULTI")
    harness.say("ZADD b 1 of-b")
    harness.say("ZADD a 2 of-a")
    assert client.inbox == []
    harness.say("EXEC")

    assert client.inbox == [[b"a", b"of-a", 2.0]]
    assert client.say("BZPOPMAX a b 0") == [b"b", b"of-b", 1.0]


@pytest.mark.parametrize(
    "line",
    ["ZUNIONSTORE z 1 y", "ZRANGESTORE z y 0 -1", "RENAME y z", "COPY y z", "ZINCRBY z 1 a"],
)
def test_whatever_makes_a_sorted_set_serves_who_waits_for_it(harness: Harness, line: str) -> None:
    harness.say("ZADD y 1 a")
    client = harness.client()
    client.say("BZPOPMIN z 0")

    harness.say(line)

    assert client.inbox == [[b"z", b"a", 1.0]]


def test_who_waits_goes_on_waiting_when_the_name_is_something_else(harness: Harness) -> None:
    client = harness.client()
    client.say("BZPOPMIN z 0")

    harness.say("SET z x")
    harness.say("DEL z")
    harness.say("QPUSH z x")
    harness.say("DEL z")
    assert client.inbox == []
    harness.say("ZADD z 1 a")
    assert client.inbox == [[b"z", b"a", 1.0]]


def test_a_wait_ends_at_its_millisecond(harness: Harness) -> None:
    client = harness.client()
    client.say("BZPOPMIN z 0.1")
    for line in ("BZMPOP 0.001 1 z MIN", "BZPOPMAX z 0.0001"):
        other = harness.client()
        assert other.say(line) is WAITS
        harness.pass_ms(1)
        assert other.inbox == [NULL_ARRAY]

    harness.pass_ms(97)
    assert client.inbox == []
    harness.pass_ms(1)
    assert client.inbox == [NULL_ARRAY]


def test_nothing_blocks_in_a_transaction(harness: Harness) -> None:
    for line in ("MULTI", "BZPOPMIN z 0", "BZMPOP 0 1 z MIN", "ZADD z 1 a", "BZPOPMAX z 0"):
        harness.say(line)

    assert harness.say("EXEC") == [NULL_ARRAY, NULL_ARRAY, 1, [b"z", b"a", 1.0]]


@pytest.mark.parametrize(
    "line",
    ["BZPOPMIN z 0", "ZPOPMIN z", "ZPOPMIN z 2", "BZMPOP 0 1 z MAX COUNT 3", "ZMPOP 1 z MIN"],
)
def test_what_was_popped_for_a_client_that_is_gone_is_put_back(harness: Harness, line: str) -> None:
    harness.say("ZADD z 1 a 2 b 3 c")
    harness.say("PEXPIRE z 1000")
    before = image(harness.engine.state)["keys"]
    client = harness.client()
    client.say(line)

    harness.undo(client)

    after = image(harness.engine.state)["keys"]
    assert [key[1:] for key in after.values()] == [key[1:] for key in before.values()]


def test_what_is_put_back_goes_to_the_next_who_waits(harness: Harness) -> None:
    first, second = harness.client(), harness.client()
    first.say("BZPOPMIN z 0")
    second.say("BZPOPMIN z 0")
    harness.say("ZADD z 1 a")

    harness.undo(first)

    assert second.inbox == [[b"z", b"a", 1.0]]


def test_it_is_not_put_back_over_what_has_come_meanwhile(harness: Harness) -> None:
    client = harness.client()
    for made, left in (("ZADD z 9 a", 9.0), ("SET z x", None), ("QPUSH z x", None)):
        harness.say("DEL z")
        harness.say("ZADD z 1 a")
        client.say("ZPOPMIN z")
        harness.say(made)
        before = image(harness.engine.state)["keys"]
        harness.undo(client)
        assert image(harness.engine.state)["keys"] == before
        if left is not None:
            assert harness.say("ZSCORE z a") == left


def test_it_is_not_put_back_when_its_time_is_over(harness: Harness) -> None:
    for elapsed_ms, count in ((9, 1), (10, 0)):
        harness.say("ZADD z 1 a")
        harness.say("PEXPIRE z 10")
        client = harness.client()
        client.say("ZPOPMIN z")
        harness.pass_ms(elapsed_ms)
        harness.undo(client)
        assert harness.say("ZCARD z") == count
        harness.say("DEL z")


def test_a_scan_returns_what_is_there_all_the_time_whatever_its_scores_become(
    harness: Harness,
) -> None:
    add(harness, "z", 1_000)
    cursor, found = b"0", []
    for step in range(1_000):
        cursor, parts = harness.say(f"ZSCAN z {cursor.decode()} COUNT 20")
        found += parts[::2]
        if cursor == b"0":
            break
        harness.say(f"ZADD z {step * 37 % 1_000} {step * 101 % 1_000:05} {step} new{step}")
        harness.say(f"ZREM z new{step - 1}")

    assert cursor == b"0"
    assert step > 5
    assert {b"%05d" % number for number in range(1_000)} <= {*found}
    assert len(found) == len({*found})


def test_so_many_are_drawn_again_and_again_and_no_more(harness: Harness) -> None:
    harness.say("ZADD z 1 a")

    refused = harness.refusal("ZRANDMEMBER z -10001")
    assert refused == "TOOBIG up to 10000 are drawn with repetition at once, not 10001"
    assert harness.say("ZRANDMEMBER z -10000") == (b"a",) * 10_000


def test_members_are_drawn_each_as_likely(harness: Harness) -> None:
    add(harness, "z", 5)
    drawn = [harness.say("ZRANDMEMBER z") for _ in range(500)]

    assert all(60 < drawn.count(member) < 140 for member in {*drawn})
    assert len({*drawn}) == 5
    for count in (1, 3, 4):
        members = [member for _ in range(300) for member in harness.say(f"ZRANDMEMBER z {count}")]
        for each in {*members}:
            assert 0.7 < members.count(each) / (60 * count) < 1.3
        assert all(len({*harness.say(f"ZRANDMEMBER z {count}")}) == count for _ in range(20))
    assert len(harness.say("ZRANDMEMBER z 9")) == 5
    assert len(harness.say("ZRANDMEMBER z -9")) == 9


SCORES = st.one_of(st.sampled_from([0.0, -0.0, math.inf, -math.inf]), st.floats(-3, 3).map(round))
ENTRIES = st.dictionaries(st.binary(max_size=2), SCORES, max_size=12)


@given(ENTRIES, SCORES, SCORES, st.booleans(), st.booleans())
def test_a_range_of_scores_is_what_a_look_at_each_finds(
    scores: dict[bytes, float], least: float, most: float, above: bool, below: bool
) -> None:
    zset = zset_of(*((score, member) for member, score in scores.items()))
    start, stop = ScoreRange(least, most, above, below).span(zset)

    assert list(zset.entries)[start:stop] == [
        (score, member)
        for score, member in zset.entries
        if (score > least if above else score >= least)
        and (score < most if below else score <= most)
    ]


@given(
    st.sets(st.binary(max_size=2), max_size=12),
    st.none() | st.binary(max_size=2),
    st.none() | st.binary(max_size=2),
    st.booleans(),
    st.booleans(),
)
def test_a_range_of_members_is_what_a_look_at_each_finds(
    members: set[bytes], least: bytes | None, most: bytes | None, above: bool, below: bool
) -> None:
    zset = zset_of(*((1.0, member) for member in members))
    wanted = MemberRange(least, most, above, below)

    for backward in (False, True):
        start, stop = wanted.span(zset, backward=backward)
        assert [member for _, member in zset.entries[start:stop]] == [
            member
            for member in sorted(members)
            if (least is None or (member > least if above else member >= least))
            and (most is None or (member < most if below else member <= most))
        ]


@given(st.integers(0, 6), st.integers(-9, 9), st.integers(-9, 9), st.booleans())
def test_a_range_of_ranks_is_that_of_a_list(
    size: int, first: int, last: int, backward: bool
) -> None:
    zset = zset_of(*((float(number), b"%d" % number) for number in range(size)))
    numbers = [*range(size)][:: -1 if backward else 1]
    start, stop = rank_span(zset, first, last, backward=backward)

    begin = max(0, first + size if first < 0 else first)
    end = last + size if last < 0 else last
    expected = numbers[begin : max(0, end + 1)]
    assert [*range(start, stop)][:: -1 if backward else 1] == expected


@given(st.integers(0, 5), st.integers(0, 5), st.integers(-2, 6), st.integers(-2, 6), st.booleans())
def test_a_limit_passes_over_some_and_takes_some(
    start: int, length: int, offset: int, count: int, backward: bool
) -> None:
    places = [*range(start, start + length)][:: -1 if backward else 1]
    first, last = limited((start, start + length), offset, count, backward=backward)

    left = [] if offset < 0 else places[offset:]
    expected = left if count < 0 else left[:count]
    assert [*range(first, last)][:: -1 if backward else 1] == expected


@given(st.lists(ENTRIES, min_size=1, max_size=3))
def test_combinations_have_the_members_of_plain_sets(all_scores: list[dict[bytes, float]]) -> None:
    sources = [
        Source(zset_of(*((score, member) for member, score in each.items()))) for each in all_scores
    ]
    members = [{*each} for each in all_scores]

    assert {*union(sources, b"SUM")} == set().union(*members)
    assert {*intersection(sources, b"MIN")} == members[0].intersection(*members)
    assert difference(sources) == {
        member: score
        for member, score in all_scores[0].items()
        if member in members[0].difference(*members[1:])
    }
    for scores in (union(sources, b"SUM"), intersection(sources, b"SUM")):
        assert not any(math.isnan(score) for score in scores.values())


def test_infinities_that_cancel_out_are_nothing(harness: Harness) -> None:
    harness.say("ZADD a inf x 0 y")
    harness.say("ZADD b -inf x inf y")

    assert harness.say("ZUNION 2 a b WITHSCORES") == [b"x", 0.0, b"y", math.inf]
    assert harness.say("ZINTER 2 a b WITHSCORES") == [b"x", 0.0, b"y", math.inf]
    assert harness.say("ZUNION 1 b WEIGHTS 0 WITHSCORES") == [b"x", 0.0, b"y", 0.0]


@pytest.mark.parametrize("line", ["ZUNIONSTORE x 1 z", "ZRANGESTORE x z 0 -1"])
def test_an_outcome_that_no_transaction_can_hold_is_refused(
    harness: Harness, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.say("ZADD z 1 abc")
    size = harness.engine.key_of(harness.now_ms, 0, b"z", Zset).value.full_bytes  # type: ignore[union-attr]

    monkeypatch.setattr("respq.engine.keys.value.TRANSACTION_BYTES_MAX", size - 1)
    assert harness.refusal(line).startswith(f"TOOBIG the value takes {size} bytes")
    monkeypatch.setattr("respq.engine.keys.value.TRANSACTION_BYTES_MAX", size)
    assert harness.say(line) == 1


def test_a_large_one_is_freed_in_slices(harness: Harness) -> None:
    add(harness, "z", 5_000)
    value: Any = harness.engine.key_of(harness.now_ms, 0, b"z", Zset).value  # type: ignore[union-attr]
    harness.say("DEL z")

    assert harness.engine.state.is_behind
    left = []
    while harness.broker.tick(harness.now_ms):
        left.append(len(value.entries))
    assert left == sorted(left, reverse=True)
    assert left[0] > 0
    assert len(value.entries) == len(value.scores) == 0


def test_random_changes_leave_the_index_as_it_must_be() -> None:
    harness = Harness()
    draw = random.Random(7)
    for _ in range(300):
        member = draw.randrange(40)
        harness.say(
            draw.choice(
                [
                    f"ZADD z {draw.randrange(9)} {member} {draw.randrange(9)} {member + 1}",
                    f"ZINCRBY z {draw.choice([1, -1, 0.5])} {member}",
                    f"ZREM z {member} {member + 2}",
                    f"ZREMRANGEBYSCORE z {draw.randrange(9)} {draw.randrange(4)}",
                    f"ZPOPMIN z {draw.randrange(3)}",
                ]
            )
        )
    assert image(harness.replayed()) == image(harness.engine.state)
