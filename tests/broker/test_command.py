from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import permutations
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respq.broker.call import Call
from respq.broker.command import Arg, ArgGroup, Command, Flags
from respq.broker.table import CommandTable
from respq.config import COUNT_MAX
from respq.engine.jobs.job import is_receipt
from respq.engine.jobs.retry import DEFAULT_BACKOFF, EXPONENTIAL, FIXED, Backoff
from respq.errors import RespqError, SyntaxFault
from respq.handlers import arguments, command_table
from respq.resp.replies import Reply
from tests.handlers.real_redis import RealRedis, RedisConnection
from tests.harness import Harness

TABLE = CommandTable()
Key = Annotated[bytes, Arg(bytes, kind="key", is_key=True)]
Word = Annotated[bytes, Arg(bytes)]
MaybeWord = Annotated[bytes | None, Arg(bytes, optional=True)]
Words = Annotated[bytes, Arg(bytes, optional=True)]
Receipt = Annotated[bytes, Arg(bytes, matches=is_receipt)]
Number = Annotated[int, Arg(int, values=("n",), token=b"COUNT")]
Pair = Annotated[
    tuple[bytes, bytes] | None, Arg(lambda a, b: (a, b), values=("a", "b"), token=b"PAIR")
]
Flag = Annotated[bool, Arg(bool, token=b"NX")]
Mood = Annotated[bytes, Arg(bytes, words=(b"FAIL", b"FATAL"))]
Delay = Annotated[int, Arg(int, values=("ms",), token=b"DELAY", excludes="delay")]
At = Annotated[int, Arg(int, values=("unix-ms",), token=b"AT", excludes="delay")]
Group = Annotated[
    dict[str, Any] | None,
    ArgGroup(
        dict, {"size": Arg(int, values=("n",), token=b"SIZE"), "name": Arg(bytes, token=b"AS")}
    ),
]

Place = Annotated[int, Arg(int, last=True)]
PerKey = Annotated[
    tuple[int, ...],
    Arg(lambda *n: tuple(map(int, n)), values=("n",), token=b"EACH", as_counted=True),
]
Ending = Annotated[bytes | None, Arg(bytes, optional=True, then_options=True)]
Leading = Annotated[bool, Arg(bool, token=b"NX", leads=True)]
LeadingToo = Annotated[bool, Arg(bool, token=b"XX", leads=True)]
LeadingNumber = Annotated[int, Arg(int, values=("n",), token=b"COUNT", leads=True)]
Least = Annotated[
    tuple[bytes, int],
    ArgGroup(
        lambda **given: given.popitem(),
        {
            "least": Arg(
                lambda sign, n: (sign, int(n)),
                values=("n",),
                token=b"LEAST",
                signs=(b"=", b"~"),
                excludes="which",
            ),
            "most": Arg(int, values=("n",), token=b"MOST", excludes="which"),
        },
    ),
]
Behind = Annotated[bytes, Arg(bytes, behind_leads=True)]
Couples = Annotated[bytes, Arg(bytes, values=("field", "value"), step=2)]
Lists = Annotated[
    bytes, Arg(bytes, kind="key", values=("key", "id"), is_key=True, step=2, token=b"STREAMS")
]


@TABLE.command("PLAIN", group="g", since="0", flags=Flags.WRITE)
def plain(call: Call, key: Key, word: Word) -> Reply:
    """Take two words."""
    return 1


@TABLE.command("OPTIONS", group="g", since="0", flags=Flags.WRITE)
def options(
    call: Call,
    key: Key,
    *,
    count: Number = 1,
    pair: Pair = None,
    nx: Flag = False,
    mood: Mood = b"FAIL",
    delay_ms: Delay = 0,
    at_ms: At = 0,
    group: Group = None,
) -> Reply:
    """Take options."""
    return 1


@TABLE.command("COUNTED", group="g", since="0", flags=Flags.WRITE)
def counted(call: Call, numkeys: arguments.ItemsCount, *key: Key, count: Number = 1) -> Reply:
    """Take as many keys as it says."""
    return 1


@TABLE.command("MATCHED", group="g", since="0", flags=Flags.WRITE)
def matched(call: Call, key: Key, *receipt: Receipt, count: Number = 1) -> Reply:
    """Take receipts as far as they look like some."""
    return 1


@TABLE.command("LEFT", group="g", since="0", flags=Flags.WRITE)
def left(call: Call, first: MaybeWord, second: Word) -> Reply:
    """Take one word or two."""
    return 1


@TABLE.command("ALL", group="g", since="0", flags=Flags.WRITE)
def take_all(call: Call, *word: Words) -> Reply:
    """Take whatever there is."""
    return 1


@TABLE.command("BEHIND", group="g", since="0", flags=Flags.WRITE)
def behind(call: Call, *key: Key, place: Place) -> Reply:
    """Take keys, and a number behind them."""
    return 1


@TABLE.command("WEIGHED", group="g", since="0", flags=Flags.WRITE)
def weighed(
    call: Call, numkeys: arguments.ItemsCount, *key: Key, mood: Mood, each: PerKey = ()
) -> Reply:
    """Take keys, and a number for each of them."""
    return 1


@TABLE.command("LEAD", group="g", since="0", flags=Flags.WRITE)
def lead(call: Call, key: Key, *word: Word, nx: Leading = False, xx: LeadingToo = False) -> Reply:
    """Take flags that stand before words."""
    return 1


@TABLE.command("FIRST", group="g", since="0", flags=Flags.WRITE)
def first(
    call: Call,
    key: Key,
    word: Behind,
    *couple: Couples,
    nx: Leading = False,
    count: LeadingNumber = 0,
) -> Reply:
    """Take options that stand before a word and couples."""
    return 1


@TABLE.command("LISTS", group="g", since="0", flags=Flags.WRITE)
def lists(call: Call, *stream: Lists, count: LeadingNumber = 0) -> Reply:
    """Take keys behind a word, and as many ids behind them."""
    return 1


@TABLE.command("CHOOSE", group="g", since="0", flags=Flags.WRITE)
def choose(call: Call, key: Key, *, which: Least, count: Number = 1) -> Reply:
    """Take one of two options, which must be given."""
    return 1


@TABLE.command("ENDS", group="g", since="0", flags=Flags.WRITE)
def ends(call: Call, first: Word, second: Ending) -> Reply:
    """Take two words, and find any more when it runs."""
    return 1


@TABLE.command("BOX PUT", group="g", since="0", flags=Flags.WRITE)
def box_put(call: Call, key: Key) -> Reply:
    """Take a word behind two."""
    return 1


def command(name: str) -> Command:
    return next(each for each in TABLE if each.name == name)


def bind(line: str) -> tuple[list[Any], dict[str, Any]]:
    words = line.encode().split()
    name = "BOX PUT" if words[0] == b"BOX" else words[0].decode()
    return command(name).bind(words)


def refusal(line: str) -> str:
    with pytest.raises(RespqError) as caught:
        bind(line)
    return f"{caught.value.prefix} {caught.value}"


# Arguments.


def test_words_become_arguments_in_order() -> None:
    assert bind("PLAIN a b") == ([b"a", b"b"], {})
    assert bind("BOX PUT a") == ([b"a"], {})


def test_an_argument_that_others_must_follow_can_be_left_out() -> None:
    assert bind("LEFT b") == ([None, b"b"], {})
    assert bind("LEFT a b") == ([b"a", b"b"], {})


def test_a_variadic_takes_all_that_is_left() -> None:
    assert bind("ALL") == ([], {})
    assert bind("ALL a b a") == ([b"a", b"b", b"a"], {})


def test_words_that_belong_together_come_in_pairs_only() -> None:
    command = command_table().entries[b"MSET"]
    assert isinstance(command, Command)

    assert command.bind([b"MSET", b"a", b"1", b"b", b"2"]) == ([b"a", b"1", b"b", b"2"], {})
    assert command.key_positions([b"MSET", b"a", b"1", b"b", b"2"]) == [1, 3]
    assert (command.arity, command.syntax) == (-3, "MSET key value [key value ...]")
    with pytest.raises(SyntaxFault, match="wrong number of arguments for 'mset' command"):
        command.bind([b"MSET", b"a", b"1", b"b"])


def test_a_counted_variadic_takes_as_many_as_it_says() -> None:
    assert bind("COUNTED 2 a b") == ([2, b"a", b"b"], {})
    assert bind("COUNTED 1 COUNT COUNT 5") == ([1, b"COUNT"], {"count": 5})
    assert (
        refusal("COUNTED 3 a b") == "ERR syntax error: 3 arguments should follow, but there are 2"
    )
    assert refusal("COUNTED 1 a b") == "ERR syntax error near 'b'"
    assert refusal("COUNTED 0 a") == "ERR the count is from 1 to 10000, not 0"
    assert refusal("COUNTED 99999999999999999999 a").startswith("ERR value is not an integer")


def test_a_matched_variadic_ends_where_the_options_begin() -> None:
    assert bind("MATCHED k 1:a 2:b COUNT 3") == ([b"k", b"1:a", b"2:b"], {"count": 3})
    assert bind("MATCHED k junk") == ([b"k", b"junk"], {})  # For the handler to refuse.
    assert refusal("MATCHED k junk COUNT 3") == "ERR syntax error near 'junk'"
    assert refusal("MATCHED k 1:a junk") == "ERR syntax error near 'junk'"


# Options.


@pytest.mark.parametrize("order", list(permutations(["COUNT 5", "pair x y", "Nx", "AT 7"])))
def test_options_stand_in_any_order_and_case(order: tuple[str, ...]) -> None:
    _, named = bind(f"OPTIONS k {' '.join(order)}")

    assert named == {"count": 5, "pair": (b"x", b"y"), "nx": True, "at_ms": 7}


def test_one_of_several_words_is_given_as_it_is_declared() -> None:
    assert bind("OPTIONS k fatal")[1] == {"mood": b"FATAL"}


def test_a_group_of_options_is_one_value_of_those_that_were_given() -> None:
    assert bind("OPTIONS k")[1] == {}
    assert bind("OPTIONS k AS x")[1] == {"group": {"name": b"x"}}
    assert bind("OPTIONS k AS x COUNT 2 SIZE 3")[1] == {
        "count": 2,
        "group": {"size": 3, "name": b"x"},
    }


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("OPTIONS k BOGUS", "BOGUS"),
        ("OPTIONS k COUNT 1 COUNT 2", "COUNT"),
        ("OPTIONS k NX NX", "NX"),
        ("OPTIONS k FAIL FATAL", "FATAL"),
        ("OPTIONS k DELAY 1 AT 2", "AT"),
        ("OPTIONS k AT 2 DELAY 1", "DELAY"),
        ("OPTIONS k SIZE 1 AS a SIZE 2", "SIZE"),
        ("OPTIONS k NX 5", "5"),
        (f"OPTIONS k {'x' * 1000}", "x" * 64),
    ],
)
def test_what_cannot_stand_there_is_named(line: str, word: str) -> None:
    assert refusal(line) == f"ERR syntax error near '{word}'"


def test_bytes_that_are_no_text_are_named_as_text() -> None:
    with pytest.raises(SyntaxFault, match=re.escape(r"near '\xff\x80'")):
        command("OPTIONS").bind([b"OPTIONS", b"k", b"\xff\x80"])


@pytest.mark.parametrize("line", ["OPTIONS k COUNT", "OPTIONS k PAIR a", "OPTIONS k NX AT"])
def test_an_option_without_its_value_is_refused(line: str) -> None:
    assert refusal(line).startswith("ERR syntax error near ")


def test_options_may_stand_before_an_argument() -> None:
    given = {"nx": True, "count": 6}

    assert bind("FIRST k x f v") == ([b"k", b"x", b"f", b"v"], {})
    assert bind("FIRST k nx COUNT 5 COUNT 6 NX x NX v") == ([b"k", b"x", b"NX", b"v"], given)
    for line in ("FIRST k NX NX NX NX", "FIRST k COUNT 5 x", "FIRST k COUNT 5 NX x"):
        assert refusal(line) == "ERR wrong number of arguments for 'first' command"
    assert bind("FIRST k x COUNT 5") == ([b"k", b"x", b"COUNT", b"5"], {})
    assert command("FIRST").syntax == "FIRST key [NX] [COUNT n] word field value [field value ...]"


def test_keys_behind_a_word_have_each_an_argument_behind_them() -> None:
    assert bind("LISTS streams a b 1 2") == ([b"a", b"b", b"1", b"2"], {})
    assert bind("LISTS COUNT 5 STREAMS STREAMS 1") == ([b"STREAMS", b"1"], {"count": 5})
    for line in ("LISTS a STREAMS b 1", "LISTS COUNT 5 a b", "LISTS COUNT 5 STREAMS"):
        assert refusal(line).startswith("ERR syntax error")
    assert refusal("LISTS STREAMS a b 1").startswith("ERR Unbalanced 'lists' list of streams")
    assert command("LISTS").syntax == "LISTS [COUNT n] STREAMS key [key ...] id [id ...]"
    assert command("LISTS").arity == -4


def test_one_of_those_that_exclude_one_another_may_have_to_be_given() -> None:
    assert bind("CHOOSE k MOST 5")[1] == {"which": ("most", 5)}
    assert bind("CHOOSE k COUNT 1 LEAST 5")[1] == {"count": 1, "which": ("least", (b"", 5))}
    assert refusal("CHOOSE k COUNT 1") == "ERR syntax error: LEAST is missing"
    assert refusal("CHOOSE k LEAST 5 MOST 5") == "ERR syntax error near 'MOST'"
    assert command("CHOOSE").arity == -4


@pytest.mark.parametrize("sign", [b"=", b"~"])
def test_a_sign_may_stand_before_a_value(sign: bytes) -> None:
    assert bind(f"CHOOSE k LEAST {sign.decode()} 5")[1] == {"which": ("least", (sign, 5))}
    assert command("CHOOSE").syntax.startswith("CHOOSE key LEAST [= | ~] n | MOST n [COUNT n]")


# The arguments that the server's commands share.


def push_options(line: str) -> Any:
    qpush = command_table().entries[b"QPUSH"]
    assert isinstance(qpush, Command)
    return qpush.bind([b"QPUSH", b"q", b"x", *line.encode().split()])[1]["terms"]


def test_backoff_has_parts_of_its_own() -> None:
    default = DEFAULT_BACKOFF

    assert push_options("BACKOFF fixed 5s").backoff == Backoff(
        FIXED, 5_000, default.max_ms, default.jitter_pct
    )
    assert push_options("BACKOFF EXPONENTIAL 1 JITTER 0 MAX 2m").backoff == Backoff(
        EXPONENTIAL, 1, 120_000, 0
    )
    terms = push_options("BACKOFF FIXED 1 MAX 2 PRIORITY 3 ATTEMPTS 4")
    assert (terms.backoff.max_ms, terms.priority, terms.attempts) == (2, b"3", 4)


@pytest.mark.parametrize(
    "line",
    [
        "BACKOFF",
        "BACKOFF FIXED",
        "BACKOFF SOMETIMES 5",
        "BACKOFF FIXED x",
        "BACKOFF FIXED 5 MAX",
        "BACKOFF FIXED 5 MAX 0",
        "BACKOFF FIXED 5 MAX 1 MAX 2",
        "BACKOFF FIXED 5 JITTER 101",
        "BACKOFF FIXED 5 PRIORITY 1 MAX 2",
        "MAX 5",
        "JITTER 5",
        "IDMP me",
        "IDMP me -1",
        "IDMP me x",
        "DELAY 1 AT 5",
        "DELAY -1",
        "DELAY 1y",
        "DELAY 1.5s",
        "DELAY ms",
        "AT 0",
        "AT -5",
        "AT 1s",
        "TTL 0",
        "LEASE 0",
        "ATTEMPTS -1",
        "ATTEMPTS 1000001",
        "LEASE 36501d",
        "LEASE " + "9" * 5_000,
        "PRIORITY",
    ],
)
def test_values_that_cannot_be_used_are_refused(line: str) -> None:
    with pytest.raises(SyntaxFault):
        push_options(line)


@pytest.mark.parametrize(
    ("word", "ms"),
    [("0", 0), ("7", 7), ("7ms", 7), ("2S", 2_000), ("3m", 180_000), ("1h", 3_600_000)],
)
def test_a_duration_is_milliseconds_or_has_a_unit(word: str, ms: int) -> None:
    assert push_options(f"DELAY {word}").delay_ms == ms


# Whatever comes.


@given(st.lists(st.sampled_from([b"COUNT", b"1", b"AT", b"k", b"1:a", b"NX", b""]), max_size=7))
def test_binding_raises_nothing_but_a_refusal(words: list[bytes]) -> None:
    for each in TABLE:
        request = [*each.name.encode().split(), *words]
        try:
            values, named = each.bind(request)
        except (RespqError, ValueError):  # ValueError: `int` as a reader of this test.
            continue
        each.handler(None, *values, **named)


ANY_WORD = st.binary(max_size=6) | st.sampled_from(
    [b"COUNT", b"BLOCK", b"AT", b"5", b"9" * 5_000, b"-1", b"1:1-1", b"MATCH", b"[", b"BACKOFF"]
)


@given(
    st.sampled_from(sorted(each.name for each in command_table())), st.lists(ANY_WORD, max_size=6)
)
def test_no_request_is_an_internal_error(name: str, words: list[bytes]) -> None:
    harness = Harness()
    if name == "SHUTDOWN":
        return

    harness.default.ask(*name.encode().split(), *words)

    assert harness.errors == []


# What Redis says.

REDIS_TEXTS = [
    "PING a b",
    "ECHO",
    "ECHO a b",
    "AUTH",
    "SELECT",
    "CONFIG",
    "CONFIG GET",
    "CONFIG BOGUS",
    "CLIENT",
    "CLIENT SETNAME",
    "CLIENT KILL",
    "CLIENT BOGUS x",
    "COMMAND BOGUS",
    "MULTI x",
    "DISCARD x",
    "EXEC",
    "DISCARD",
    "KEYS",
    "TYPE",
    "EXISTS",
    "DEL",
    "DBSIZE x",
    "SCAN",
    "TIME x",
    "BOGUS",
    "BOGUS a b",
    f"{'B' * 200} a",
    f"BOGUS {'a' * 200} b",
    "BOGUS 1 2 3 4 5 6 7 8 9 10",
]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisConnection]:
    server = RealRedis(tmp_path_factory.mktemp("redis"))
    connection = server.connect()
    yield connection
    connection.close()
    server.close()


@pytest.mark.parametrize(
    ("command", "word", "what"),
    [
        ("QACK", "1:1-1", "receipts"),
        ("QNACK", "1:1-1", "receipts"),
        ("QTOUCH", "1:1-1", "receipts"),
        ("QDEL", "1-1", "jobs"),
    ],
)
def test_no_command_takes_so_many_that_others_would_wait(
    command: str, word: str, what: str
) -> None:
    harness = Harness()
    head = [command.encode(), b"q"]

    assert harness.default.ask(*head, *[word.encode()] * COUNT_MAX) in (0, [0] * COUNT_MAX)
    reply = harness.default.ask(*head, *[word.encode()] * (COUNT_MAX + 1))

    assert isinstance(reply, SyntaxFault)
    assert str(reply) == f"{COUNT_MAX + 1} {what} at once are over the limit of {COUNT_MAX}"


@pytest.mark.parametrize("line", REDIS_TEXTS, ids=lambda line: line[:20])
def test_a_refusal_reads_as_redis_writes_it(redis: RedisConnection, line: str) -> None:
    expected = redis.say(line)

    reply = Harness().say(line)

    assert isinstance(reply, RespqError)
    assert ("-", f"{reply.prefix} {reply}".encode()) == expected


def test_an_argument_may_stand_behind_the_variadic_one() -> None:
    assert command("BEHIND").arity == -3
    assert command("BEHIND").syntax == "BEHIND key [key ...] place"
    assert bind("BEHIND a 5") == ([b"a"], {"place": 5})
    assert bind("BEHIND a b 5") == ([b"a", b"b"], {"place": 5})
    assert command("BEHIND").key_positions([b"BEHIND", b"a", b"b", b"5"]) == [1, 2]
    assert refusal("BEHIND 5") == "ERR wrong number of arguments for 'behind' command"


def test_an_option_may_have_a_value_for_each_of_the_keys_that_are_counted() -> None:
    assert command("WEIGHED").arity == -4
    shown = "WEIGHED numkeys key [key ...] FAIL | FATAL [EACH n [n ...]]"
    assert command("WEIGHED").syntax == shown
    assert bind("WEIGHED 2 a b FAIL EACH 7 8") == (
        [2, b"a", b"b"],
        {"mood": b"FAIL", "each": (7, 8)},
    )
    assert refusal("WEIGHED 2 a b FAIL EACH 7").startswith("ERR syntax error near 'EACH'")
    assert refusal("WEIGHED 2 a b FAIL EACH 7 8 9") == "ERR syntax error near '9'"
    assert refusal("WEIGHED 2 a b EACH 7 8") == "ERR syntax error: FAIL | FATAL is missing"


def test_flags_may_stand_before_the_variadic_one_and_nowhere_else() -> None:
    assert command("LEAD").syntax == "LEAD key [NX] [XX] word [word ...]"
    assert bind("LEAD k xx a") == ([b"k", b"a"], {"xx": True})
    assert bind("LEAD k NX XX NX a NX") == ([b"k", b"a", b"NX"], {"nx": True, "xx": True})
    assert refusal("LEAD k NX XX") == "ERR syntax error"


def test_words_behind_the_last_argument_may_be_no_options_rather_than_too_many() -> None:
    assert bind("ENDS a b") == ([b"a", b"b"], {})
    assert refusal("ENDS a b c") == "ERR syntax error near 'c'"
    assert refusal("ENDS") == "ERR wrong number of arguments for 'ends' command"
