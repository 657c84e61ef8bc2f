"""Sets in the journal, and when they are large; beside a real Redis in tests/compat."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respq.engine.keys.records import (
    KeyMade,
    KeyRemoved,
    KeyRestored,
    RestoreBegin,
    RestoreEnd,
    RestorePiece,
)
from respq.engine.keys.sets import (
    HASHTABLE,
    LISTPACK,
    RECORD_MEMBERS_MAX,
    Set,
    SetAdded,
    SetRemoved,
    difference,
    intersection,
    union,
)
from tests.engine.keys.compacting import (
    check_a_crash_loses_nothing,
    check_changes_come_out_right,
    check_what_lives_is_estimated,
    said,
)
from tests.harness import Harness, image

WRONG = "WRONGTYPE Operation against a key holding the wrong kind of value"


def fill(harness: Harness, name: str, count: int, size: int = 5) -> None:
    """Make a set of many members, none of which is an integer."""
    words = [b"SADD", name.encode()]
    harness.default.ask(*words, *(b"m%0*d" % (size, number) for number in range(count)))


def integers(harness: Harness, name: str, first: int, last: int) -> None:
    harness.default.ask(b"SADD", name.encode(), *(b"%d" % each for each in range(first, last + 1)))


@pytest.mark.parametrize(
    "line",
    [
        *("SADD q a", "SREM q a", "SMEMBERS q", "SISMEMBER q a", "SMISMEMBER q a b", "SCARD q"),
        *("SPOP q", "SPOP q 2", "SPOP q 0", "SRANDMEMBER q", "SRANDMEMBER q 2", "SMOVE q s a"),
        *("SMOVE s q a", "SINTER s q", "SINTER none q", "SINTERCARD 2 s q", "SINTERSTORE x q s"),
        *("SUNION s q", "SUNIONSTORE x s q", "SDIFF s q", "SDIFFSTORE x none q", "SSCAN q 0"),
    ],
)
@pytest.mark.parametrize("made", ["QPUSH q x", "SET q x", "ZADD q 1 x"])
def test_what_is_no_set_is_of_the_wrong_type(harness: Harness, made: str, line: str) -> None:
    harness.say("SADD s a")
    harness.say(made)
    before = len(harness.journal)

    assert harness.refusal(line) == WRONG
    assert len(harness.journal) == before


@pytest.mark.parametrize("line", ["SINTERSTORE q s", "SUNIONSTORE q s", "SDIFFSTORE q none"])
def test_what_keeps_its_outcome_does_not_overwrite_a_queue(harness: Harness, line: str) -> None:
    harness.say("SADD s a")
    harness.say("QPUSH q x")

    assert harness.refusal(line) == WRONG
    harness.say("DEL q")
    harness.say("SET q x EX 10")
    harness.say(line)
    assert harness.say("TTL q") in (-1, -2)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("SPOP s -1", "value is out of range, must be positive"),
        ("SPOP s x", "value is out of range, must be positive"),
        ("SPOP s 1 2", "syntax error near '2'"),
        ("SRANDMEMBER s x", "value is not an integer or out of range"),
        ("SRANDMEMBER s 1 2", "syntax error near '2'"),
        ("SINTERCARD 0 s", "numkeys should be greater than 0"),
        ("SINTERCARD x s", "numkeys should be greater than 0"),
        ("SINTERCARD 2 s", "Number of keys can't be greater than number of args"),
        ("SINTERCARD 1 s LIMIT -1", "LIMIT can't be negative"),
        ("SINTERCARD 1 s FOO", "syntax error near 'FOO'"),
        ("SSCAN s x", "invalid cursor"),
        ("SSCAN s 0 COUNT 0", "syntax error"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_redis(
    harness: Harness, line: str, error: str
) -> None:
    harness.say("SADD s a")

    assert harness.refusal(line) == f"ERR {error}"


def test_what_changes_nothing_is_not_in_the_journal(harness: Harness) -> None:
    harness.say("SADD s a")
    harness.say("SADD t b")
    before = len(harness.journal)

    for line in ("SADD s a a", "SREM s b", "SMOVE s t b", "SMOVE none t b", "SREM none a"):
        assert harness.say(line) == 0
    assert harness.say("SMOVE s s a") == 1
    assert harness.say("SPOP s 0") == []
    assert len(harness.journal) == before


def test_a_record_says_what_is_so_in_the_end(harness: Harness) -> None:
    harness.say("SADD s 1 2 2")
    harness.say("SADD s 2 a")
    harness.say("SREM s none 1 1")
    harness.say("SMOVE s t a")
    harness.say("SUNIONSTORE s t")

    assert said(harness, 0) == [
        KeyMade(1, 0, b"s", Set.code),
        SetAdded(1, [b"1", b"2"]),
        SetAdded(1, [b"a"], LISTPACK),
        SetRemoved(1, [b"1"]),
        SetRemoved(1, [b"a"]),
        KeyMade(2, 0, b"t", Set.code),
        SetAdded(2, [b"a"], LISTPACK),
        KeyRemoved(1),
        KeyMade(3, 0, b"s", Set.code),
        SetAdded(3, [b"a"], LISTPACK),
    ]


def test_a_move_is_there_whole_or_not_at_all(harness: Harness) -> None:
    harness.say("SADD s a")
    before = len(harness.journal)

    assert harness.say("SMOVE s t a") == 1
    assert len(harness.journal) == before + 1
    harness.crash()
    assert harness.say("KEYS *") == [b"t"]
    assert harness.say("SMEMBERS t") == [b"a"]


def test_a_member_that_is_moved_to_where_it_is_leaves_its_source(harness: Harness) -> None:
    harness.say("SADD s a b")
    harness.say("SADD t a")

    assert harness.say("SMOVE s t a") == 1
    assert harness.say("SMEMBERS s") == [b"b"]
    assert harness.say("SMEMBERS t") == [b"a"]


def test_what_was_popped_is_out_of_the_set_also_after_a_crash(harness: Harness) -> None:
    fill(harness, "s", 300)
    popped = {harness.say("SPOP s"), *harness.say("SPOP s 9")}
    since = len(harness.journal)
    popped |= {*harness.say("SPOP s 90")}
    (record,) = said(harness, since)
    assert isinstance(record, SetRemoved)
    assert len(record.members) == 90

    harness.crash()
    assert len(popped) == 100
    assert {*harness.say("SMEMBERS s")} == {b"m%05d" % number for number in range(300)} - popped
    assert len(harness.say("SPOP s 999")) == 200
    harness.crash()
    assert harness.say("KEYS *") == []


def test_many_members_are_said_in_several_records_of_one_transaction(harness: Harness) -> None:
    fill(harness, "s", 2 * RECORD_MEMBERS_MAX + 2)
    assert [type(each) for each in said(harness, 0)[1:]] == [SetAdded] * 3
    since = len(harness.journal)
    harness.say(f"SPOP s {RECORD_MEMBERS_MAX + 1}")

    assert [type(each) for each in said(harness, since)] == [SetRemoved, SetRemoved]
    assert (since, len(harness.journal)) == (1, 2)
    harness.say("SUNIONSTORE t s")
    harness.crash()
    assert harness.say("SCARD s") == harness.say("SCARD t") == RECORD_MEMBERS_MAX + 1


@pytest.mark.parametrize(
    "line", ["SREM s a b c", "SPOP s 2", "SDIFFSTORE s s s", "SINTERSTORE s x"]
)
def test_an_emptied_one_is_gone_also_after_a_crash(harness: Harness, line: str) -> None:
    harness.say("SADD s a b")
    harness.say("EXPIRE s 100")
    harness.say(line)

    assert harness.say("EXISTS s") == 0
    harness.crash()
    assert harness.say("KEYS *") == []
    harness.say("SADD s a")
    assert harness.say("TTL s") == -1


def test_it_expires_at_its_millisecond(harness: Harness) -> None:
    harness.say("SADD s a")
    harness.say("PEXPIRE s 10")

    harness.pass_ms(9)
    assert harness.say("SADD s b") == 1
    harness.pass_ms(1)
    assert harness.say("SCARD s") == 0


def test_one_that_is_over_but_still_there_begins_anew(harness: Harness) -> None:
    harness.say("SADD s a")
    harness.say("PEXPIRE s 10")
    harness.now_ms += 10

    assert harness.say("SISMEMBER s a") == 0
    assert harness.say("SADD s a") == 1
    assert harness.say("PTTL s") == -1


CHANGES = [
    *("SADD s m00001 new", "SREM s m00005 m00050 m00095", "SMOVE s t m00009", "SPOP s", "DEL s"),
    *("SPOP s 40", "SPOP s 149", "SPOP s 150", "RENAME s y", "EXPIRE s 10", "FLUSHDB", "SET s x"),
    *("COPY s y", "MOVE s 1", f"SADD s {'x' * 65}", "SUNIONSTORE s s", "SDIFFSTORE s s s"),
]


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("respq.engine.keys.sets.PIECE_BYTES", 300)


def filled(harness: Harness) -> None:
    fill(harness, "s", 150)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("line", CHANGES)
def test_whatever_happens_while_it_is_said_again_comes_out_right(line: str) -> None:
    check_changes_come_out_right(filled, 1, 7, line, "SADD s m00003 m00042 m00091 m00149")


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("line", CHANGES)
def test_a_crash_while_it_is_said_again_loses_nothing(line: str) -> None:
    check_a_crash_loses_nothing(filled, 1, 7, line)


@pytest.mark.usefixtures("small_pieces")
def test_a_large_one_is_said_again_in_pieces_and_a_small_one_in_one_record(
    harness: Harness,
) -> None:
    fill(harness, "s", 100)
    harness.say("SADD y a")
    harness.compact(2)

    kinds = [type(each) for each in said(harness, 2)][:-1]
    assert kinds == [RestoreBegin, *[RestorePiece] * 3, RestoreEnd, KeyRestored]


def test_what_lives_is_estimated(harness: Harness) -> None:
    fill(harness, "s", 2_000, 50)
    harness.say("SADD y a")

    check_what_lives_is_estimated(harness)


@pytest.mark.parametrize(
    ("first", "last", "words", "encoding"),
    [
        (1, 512, 0, b"intset"),
        (1, 513, 0, b"hashtable"),
        (1, 127, 1, b"listpack"),
        (1, 128, 1, b"hashtable"),
        (1, 0, 128, b"listpack"),
        (1, 0, 129, b"hashtable"),
    ],
)
def test_its_encoding_is_that_of_redis_and_stays(
    harness: Harness, first: int, last: int, words: int, encoding: bytes
) -> None:
    if last:
        integers(harness, "s", first, last)
        assert harness.say("OBJECT ENCODING s") == (b"hashtable" if last > 512 else b"intset")
    if words:
        fill(harness, "s", words)
    for line in ("SUNIONSTORE t s", "SINTERSTORE u s s", "SDIFFSTORE v s"):
        harness.say(line)
    assert [harness.say(f"OBJECT ENCODING {name}") for name in "stuv"] == [encoding] * 4
    harness.say(f"SPOP s {last + words - 1}")
    for _ in range(2):
        assert harness.say("OBJECT ENCODING s") == encoding
        harness.crash()
        assert harness.say("OBJECT ENCODING s") == encoding
        harness.compact(len(harness.journal))


@pytest.mark.parametrize(
    ("lines", "encoding"),
    [
        (["SADD s 1 -9223372036854775808 9223372036854775807"], b"intset"),
        (["SADD s 1 01"], b"listpack"),
        (["SADD s 9223372036854775808"], b"listpack"),
        (["SADD s 1 a", "SREM s a"], b"listpack"),
        (["SADD s a 1", "SREM s a"], b"listpack"),
        (["SADD s {long}"], b"listpack"),
        (["SADD s {long}x"], b"hashtable"),
        (["SADD s 1", "SADD s {long}x"], b"hashtable"),
        (["SADD s a", "SMOVE s t a", "RENAME t s"], b"listpack"),
        (["SADD t 1", "SMOVE t s 1"], b"intset"),
        (["SADD t 1", "SADD s a", "SMOVE t s 1"], b"listpack"),
        (["SADD s" + " a" * 129], b"hashtable"),
        (["SADD s" + " 1" * 512], b"intset"),
        (["SADD s" + " 1" * 513], b"hashtable"),
        (["SADD s 1", "SADD s" + " 2" * 513], b"hashtable"),
        (["SADD t a 1", "SADD u 1", "SINTERSTORE s t u"], b"intset"),
        (["SADD t a 1", "SADD u 2", "SUNIONSTORE s t u"], b"listpack"),
    ],
)
def test_what_comes_first_and_how_many_come_at_once_tell_in_the_encoding(
    harness: Harness, lines: list[str], encoding: bytes
) -> None:
    for line in lines:
        harness.say(line.format(long="x" * 64))

    assert harness.say("OBJECT ENCODING s") == encoding


@pytest.mark.parametrize("line", ["SPOP s", "SPOP s 2", "SPOP s 9"])
def test_what_was_popped_for_a_client_that_is_gone_is_put_back(harness: Harness, line: str) -> None:
    harness.say("SADD s 1 2 a")
    harness.say("PEXPIRE s 1000")
    before = image(harness.engine.state)["keys"]
    client = harness.client()
    client.say(line)
    assert image(harness.engine.state)["keys"] != before

    harness.undo(client)

    after = image(harness.engine.state)["keys"]
    assert [key[1:] for key in after.values()] == [key[1:] for key in before.values()]


def test_it_is_not_put_back_over_what_has_come_meanwhile(harness: Harness) -> None:
    client = harness.client()
    for made in ("SADD s a", "SET s x", "QPUSH s x"):
        harness.say("DEL s")
        harness.say("SADD s a")
        client.say("SPOP s")
        harness.say(made)
        before = image(harness.engine.state)["keys"]
        harness.undo(client)
        assert image(harness.engine.state)["keys"] == before


def test_it_is_not_put_back_when_its_time_is_over(harness: Harness) -> None:
    for elapsed_ms, count in ((9, 1), (10, 0)):
        harness.say("SADD s a")
        harness.say("PEXPIRE s 10")
        client = harness.client()
        client.say("SPOP s")
        harness.pass_ms(elapsed_ms)
        harness.undo(client)
        assert harness.say("SCARD s") == count
        harness.say("DEL s")


def test_a_scan_returns_what_is_there_all_the_time(harness: Harness) -> None:
    fill(harness, "s", 1_000)
    cursor, found = b"0", []
    for step in range(1_000):
        cursor, members = harness.say(f"SSCAN s {cursor.decode()} COUNT 20")
        found += members
        if cursor == b"0":
            break
        harness.say(f"SADD s new{step} other{step}")
        harness.say(f"SREM s new{step - 1}")

    assert cursor == b"0"
    assert step > 5
    assert {b"m%05d" % number for number in range(1_000)} <= {*found}
    assert len(found) == len({*found})


@pytest.mark.parametrize("size", [5, 300])
def test_members_are_popped_each_as_likely(harness: Harness, size: int) -> None:
    popped: Counter[bytes] = Counter()
    for _ in range(100):
        fill(harness, "s", size)
        popped[harness.say("SPOP s")] += 1
        popped.update(harness.say(f"SPOP s {size // 2}"))

    assert len(popped) == size
    for times in popped.values():
        assert 0.4 < times / (100 * (1 + size // 2) / size) < 1.6


def test_so_many_are_drawn_again_and_again_and_no_more(harness: Harness) -> None:
    harness.say("SADD s a")

    refused = harness.refusal("SRANDMEMBER s -10001")
    assert refused == "TOOBIG up to 10000 are drawn with repetition at once, not 10001"
    assert harness.say("SRANDMEMBER s -10000") == (b"a",) * 10_000


@given(st.lists(st.sets(st.sampled_from([b"", b"a", b"b", b"c", b"1"])), min_size=1, max_size=4))
def test_combinations_have_the_members_of_plain_sets(plain: list[set[bytes]]) -> None:
    values = [Set.of_pieces(iter([[HASHTABLE, [*each]]])) for each in plain]

    assert sorted(union(values)) == sorted(set().union(*plain))
    assert sorted(intersection(values)) == sorted(plain[0].intersection(*plain))
    assert sorted(difference(values)) == sorted(plain[0].difference(*plain[1:]))


def test_sorted_sets_are_combined_with_sets_whose_members_have_the_score_1(
    harness: Harness,
) -> None:
    harness.say("SADD s a b")
    harness.say("ZADD z 5 b 6 c")

    assert harness.say("ZUNION 2 s z WITHSCORES") == [b"a", 1.0, b"b", 6.0, b"c", 6.0]
    assert harness.say("ZINTERSTORE y 2 s z WEIGHTS 3 1") == 1
    assert harness.say("ZSCORE y b") == 8.0
    assert harness.say("ZDIFF 2 s z WITHSCORES") == [b"a", 1.0]
    assert harness.say("ZINTERCARD 2 z s") == 1


@pytest.mark.parametrize("line", ["SUNIONSTORE x s", "SPOP s 3"])
def test_what_no_transaction_can_hold_is_refused(
    harness: Harness, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.say("SADD s abc def" if line.startswith("SU") else "SADD s abc def ghi jkl")
    size = 10 if line.startswith("SU") else 15

    monkeypatch.setattr("respq.engine.keys.value.TRANSACTION_BYTES_MAX", size - 1)
    before = len(harness.journal)
    assert harness.refusal(line).startswith(f"TOOBIG the value takes {size} bytes")
    assert len(harness.journal) == before
    monkeypatch.setattr("respq.engine.keys.value.TRANSACTION_BYTES_MAX", size)
    harness.say(line)
    assert len(harness.journal) == before + 1


def test_a_large_one_is_freed_in_slices(harness: Harness) -> None:
    fill(harness, "s", 5_000)
    value: Any = harness.engine.key_of(harness.now_ms, 0, b"s", Set).value  # type: ignore[union-attr]
    harness.say("DEL s")

    assert harness.engine.state.is_behind
    left = []
    while harness.broker.tick(harness.now_ms):
        left.append(len(value))
    assert left == sorted(left, reverse=True)
    assert left[0] > 0
    assert len(value) == 0


def test_random_changes_leave_it_as_it_must_be() -> None:
    harness = Harness()
    draw = random.Random(7)
    plain: set[bytes] = set()
    for _ in range(600):
        member = b"%d" % draw.randrange(300)
        match draw.randrange(5):
            case 0 | 1 | 2:
                harness.default.ask(b"SADD", b"s", member, b"x" + member)
                plain |= {member, b"x" + member}
            case 3:
                harness.default.ask(b"SREM", b"s", member)
                plain.discard(member)
            case _:
                plain -= {*harness.say("SPOP s 2")}
    assert {*harness.say("SMEMBERS s")} == plain
    assert image(harness.replayed()) == image(harness.engine.state)
