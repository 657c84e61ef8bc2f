"""SORT beside a real Redis: the same lines on both, the same replies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.handlers.real_redis import RealRedis, RedisConnection, say
from tests.harness import Harness, decoded

KEYS = """
RPUSH l 3 1 2 10 1
RPUSH words b a ab A
RPUSH hosts c a b
RPUSH odd 0x10 1e1 inf -inf 1.5 -0 0
RPUSH mixed 1 x
SADD set 3 1 2
ZADD z 3 a 1 b 2 c
MSET w_1 5 w_2 4 w_3 -1 x_1 abc x_10 abb w_3-end 1 ->a a a->b
HSET h_1 f 9 g x
HSET h_2 f 1
HSET a f 3
SET s x
"""
SORTED = """
SORT l
SORT l ASC
SORT l DESC
SORT l ALPHA
SORT l ALPHA DESC
SORT words ALPHA
SORT odd
SORT odd DESC
SORT set
SORT set DESC
SORT z ALPHA
SORT hosts ALPHA desc limit 1 1
SORT nothere
SORT nothere BY w_* GET #
"""
LIMITED = """
SORT l LIMIT 1 2
SORT l LIMIT -5 2
SORT l LIMIT 1 -1
SORT l LIMIT 1 -7
SORT l LIMIT 5 1
SORT l LIMIT 9 2
SORT l LIMIT 0 0
SORT l LIMIT 1 9223372036854775807
SORT l LIMIT x 1
SORT l LIMIT 1 9223372036854775808
"""
BY_OTHERS = """
SORT l BY w_*
SORT l BY w_* DESC
SORT l BY w_* GET # GET w_*
SORT l BY w_*-end
SORT l BY h_*->f
SORT l BY h_*->f DESC GET h_*->g GET #
SORT l BY h_*
SORT l BY *->f
SORT l BY w_* ALPHA GET #
SORT l BY w_* ALPHA DESC LIMIT 1 3
SORT l BY x_* ALPHA
SORT l BY nothing_*
SORT hosts BY #* ALPHA GET *->f GET ->* GET *-> GET *->b GET nostar GET w_1 GET # GET ##
"""
AS_IT_IS = """
SORT l BY nosort
SORT l BY nosort DESC
SORT l BY nosort LIMIT 1 2
SORT l BY nosort DESC LIMIT 1 2
SORT l BY # GET #
SORT mixed BY nosort
SORT z BY nosort
SORT z BY nosort DESC
SORT z BY nosort LIMIT 1 1
SORT z BY nosort DESC LIMIT 1 1
SORT z BY nosort DESC LIMIT 4 1
"""
STORED = """
SORT l STORE d
LRANGE d 0 -1
EXPIRE d 1000
SORT l GET w_* GET nothing_* STORE d
LRANGE d 0 -1
TTL d
SORT set BY nosort STORE d
LRANGE d 0 -1
SORT set BY nosort DESC STORE d
LRANGE d 0 -1
SORT z BY nosort DESC LIMIT 1 1 STORE s
LRANGE s 0 -1
SORT l STORE l
LRANGE l 0 -1
SORT l LIMIT 9 1 STORE d
EXISTS d
SORT nothere STORE l
EXISTS l
"""
REFUSED = """
SORT z
SORT mixed
SORT mixed STORE d
EXISTS d
SORT l BY x_*
SORT s
SORT s STORE d
SORT h_1
SORT_RO s
SORT
SORT_RO
"""
READ_ONLY = """
SORT_RO l
SORT_RO l BY w_* DESC LIMIT 0 2 GET # GET h_*->f
SORT_RO z BY nosort
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRedis]:
    server = RealRedis(Path(tmp_path_factory.mktemp("redis")))
    yield server
    server.close()


@pytest.fixture
def redis(server: RealRedis) -> Iterator[RedisConnection]:
    connection = server.connect()
    connection.say("FLUSHALL")
    yield connection
    connection.close()


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize(
    "lines", [SORTED, LIMITED, BY_OTHERS, AS_IT_IS, STORED, REFUSED, READ_ONLY]
)
def test_it_answers_as_redis_does(redis: RedisConnection, lines: str, protocol: int) -> None:
    client = Harness().default
    redis.say(f"HELLO {protocol}")
    say(client, f"HELLO {protocol}")

    for line in (*KEYS.strip().splitlines(), *lines.strip().splitlines()):
        assert say(client, line) == redis.say(line), line


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1e-400", "nan", "1x", "0x"])
def test_what_is_no_number_of_c_is_refused(number: str) -> None:
    harness = Harness()
    harness.say(f"RPUSH l 1 {number}")

    assert harness.refusal("SORT l") == "ERR One or more scores can't be converted into double"


def test_no_text_is_zero_and_text_ends_with_a_zero_byte() -> None:
    client = Harness().default
    client.ask(b"RPUSH", b"l", b"1", b"", b"-1\0x", b" 2")

    assert client.say("SORT l") == [b"-1\0x", b"", b"1", b" 2"]


@pytest.mark.parametrize("line", ["SORT l BY", "SORT l LIMIT 1", "SORT l GET", "SORT l STORE"])
def test_an_option_without_its_value_is_a_syntax_error(line: str) -> None:
    assert str(Harness().say(line)).startswith("syntax error near")


def test_a_queue_is_neither_sorted_nor_overwritten() -> None:
    harness = Harness()
    harness.say("QPUSH q job")
    harness.say("RPUSH l 1")

    assert "wrong kind of value" in str(harness.say("SORT q"))
    assert "wrong kind of value" in str(harness.say("SORT l STORE q"))
    assert harness.say("QLEN q") == 1


def test_a_script_gets_a_set_in_some_order_that_is_always_the_same() -> None:
    client = Harness().default
    client.say("SADD set c a d b")

    script = b"return redis.call('SORT', 'set', 'BY', 'nosort')"
    assert decoded(client.ask(b"EVAL", script, b"0")) == (b"a", b"b", b"c", b"d")


def test_its_list_is_there_after_a_restart() -> None:
    harness = Harness()
    harness.say("RPUSH l 3 1 2")
    harness.say("SORT l STORE d")

    harness.crash()

    assert harness.say("LRANGE d 0 -1") == (b"1", b"2", b"3")


def test_a_list_of_many_is_made_of_several_records() -> None:
    harness = Harness()
    client = harness.client()
    items = [b"%d" % number for number in range(25_000)]
    client.ask(b"RPUSH", b"l", *items[::-1])

    assert harness.say("SORT l STORE d") == len(items)
    harness.crash()

    assert harness.say("LRANGE d 0 -1") == tuple(items)


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        ("SORT l", [b"l"]),
        ("SORT l BY store GET STORE LIMIT 0 1 alpha store d", [b"l", b"d"]),
        ("SORT l STORE", [b"l"]),
        ("SORT_RO l BY w_*", [b"l"]),
    ],
)
def test_its_keys_are_told_wherever_they_stand(command: str, keys: list[bytes]) -> None:
    assert Harness().say(f"COMMAND GETKEYS {command}") == keys


def test_redis_names_the_same_keys(redis: RedisConnection) -> None:
    command = "COMMAND GETKEYS SORT l BY store GET STORE LIMIT 0 1 alpha store d"

    assert say(Harness().default, command) == redis.say(command)


def test_clients_are_told_that_its_keys_move() -> None:
    (found,) = Harness().say("COMMAND INFO SORT")
    flags = {each.text for each in found[2]}

    assert {b"write", b"denyoom", b"movablekeys"} <= flags
    assert found[3:6] == [1, 1, 1]
    assert [spec[b"begin_search"][b"type"] for spec in found[8]] == [b"index", b"unknown"]
