"""Against a real Redis and a server of ours in processes of their own."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hiredis
import pytest
import redis
from click.testing import CliRunner, Result

from respq.cli import moving
from respq.cli.connection import Address, Connection
from respq.cli.importing import doubts
from respq.cli.kinds import KINDS
from respq.cli.main import main
from respq.cli.moving import Left, Mover, Tally
from respq.cli.sides import Side, Stopped
from tests.requirements import openssl
from tests.resp.real_redis import real_redis
from tests.server_process import ServerProcess

Client = Any
"""redis-py's, of bytes; its types do not say so."""
PASSWORD = "p@ss/word"
YEAR_MS = 365 * 86_400_000
IN_A_YEAR_MS = int(time.time() * 1_000) + YEAR_MS


def client_of(port: int, db: int = 0) -> Client:
    return redis.Redis(port=port, db=db, protocol=2)


@pytest.fixture(scope="module")
def redis_port() -> Iterator[int]:
    with real_redis("--databases", "32", "--enable-debug-command", "yes") as real:
        yield real.port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server") / "data") as server:
        yield server


@pytest.fixture
def source(redis_port: int) -> Iterator[Client]:
    """Connect to the real Redis, which has nothing in it."""
    with client_of(redis_port) as client:
        client.flushall()
        yield client


@pytest.fixture
def target(server: ServerProcess) -> Iterator[Client]:
    """Connect to a server of ours that has nothing in it."""
    with client_of(server.port) as client:
        client.flushall()
        yield client


def port_of(client: Client) -> int:
    return int(client.connection_pool.connection_kwargs["port"])


def url_of(client: Client) -> str:
    return f"redis://127.0.0.1:{port_of(client)}"


def run(source: str, *words: str, **environ: str) -> Result:
    return CliRunner().invoke(main, ["import", source, *words], env=environ)


def moved(source: Client, target: Client, *words: str) -> Result:
    return run(url_of(source), "--server", url_of(target), *words)


def lines(result: Result, status: int = 0) -> list[str]:
    assert result.exit_code == status, result.output
    return result.stdout.splitlines()


@contextmanager
def sides(source: Client, target: Client) -> Iterator[tuple[Doctored, Doctored]]:
    """Connect to both, by way of a test."""
    with (
        Connection(Address("127.0.0.1", port_of(source))) as reads,
        Connection(Address("127.0.0.1", port_of(target))) as writes,
    ):
        yield Doctored(reads), Doctored(writes)


class Doctored:
    """A server of which some answers are others, or at which things happen in between."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.requests: list[Sequence[bytes]] = []
        self.answers: dict[bytes, Any] = {}
        """By the first word of the request."""
        self.before: Callable[[Sequence[bytes]], object] = lambda request: None

    def ask(self, requests: Sequence[Sequence[bytes]]) -> list[Any]:
        for each in requests:
            self.before(each)
        self.requests += requests
        answers = self.connection.ask(requests)
        return [
            self.answers.get(request[0], answer)
            for request, answer in zip(requests, answers, strict=True)
        ]


def copied(
    source: Doctored, target: Doctored, *, replace: bool = False
) -> tuple[Tally, list[Left]]:
    """Copy database 0, and return what became of it."""
    left: list[Left] = []
    mover = Mover(
        Side(source, "source"),
        Side(target, "target"),
        replace=replace,
        tell=left.append,
        note=lambda sentence: None,
    )
    tally = Tally(0, 0)
    mover.copy(tally, 0)
    return tally, left


def holdings(client: Client, databases: int = 16) -> dict[tuple[int, bytes], Any]:
    """Return all that a server has: what each key is, when it expires, what is in it."""
    found = {}
    for db in range(databases):
        with client_of(port_of(client), db) as each:
            for name in each.scan_iter(count=1_000):
                kind = each.type(name)
                found[db, name] = (kind, each.pexpiretime(name), content(each, kind, name))
    return found


def content(client: Client, kind: bytes, name: bytes) -> Any:
    match kind:
        case b"string":
            return client.get(name)
        case b"list":
            return client.lrange(name, 0, -1)
        case b"hash":
            return client.hgetall(name)
        case b"set":
            return client.smembers(name)
        case b"zset":
            return client.zrange(name, 0, -1, withscores=True)
        case b"stream":
            facts = client.xinfo_stream(name)
            told = ("last-generated-id", "entries-added", "max-deleted-entry-id", "groups")
            return client.xrange(name), [facts[each] for each in told]
    return None


ALL_BYTES = bytes(range(256))


def fill_strings(client: Client) -> None:
    client.mset({"text": "hello", "empty": "", "binary": ALL_BYTES, "number": "17", "": "nameless"})
    client.set(ALL_BYTES, "by a strange name")
    client.set("x" * 10_000, "by a long name")
    client.set("long", b"\0\r\n" * 1_000_000)
    client.set("ends", "soon", pxat=IN_A_YEAR_MS + 123)


def fill_bits(client: Client) -> None:
    """Fill in what is a string, but not made by a command that we have."""
    client.setbit("bits", 4_000, 1)
    client.pfadd("about", *range(1_000))


def fill_lists(client: Client) -> None:
    client.rpush("elements", "first", "", ALL_BYTES, "first", "17", b"x" * 100_000)
    client.rpush("one element", "alone")
    client.pexpireat("one element", IN_A_YEAR_MS)
    client.lpush("many elements", *range(3_000))


def fill_hashes(client: Client) -> None:
    client.hset("fields", mapping={"a": "1", "": "nameless", "empty": "", ALL_BYTES: ALL_BYTES})
    client.hset("one field", "field", b"x" * 100_000)
    client.pexpireat("one field", IN_A_YEAR_MS)
    client.hset("many fields", mapping={f"field:{number}": number for number in range(3_000)})


def fill_sets(client: Client) -> None:
    client.sadd("members", "a", "", ALL_BYTES, "17", b"x" * 100_000)
    client.sadd("integers", 1, -1, 2**63 - 1, -(2**63))
    client.pexpireat("integers", IN_A_YEAR_MS)
    client.sadd("many integers", *range(400))
    client.sadd("many members", *(f"member:{number}" for number in range(3_000)))


def fill_streams(client: Client) -> None:
    client.xadd("entries", {"a": 1, "": "", ALL_BYTES: ALL_BYTES}, "0-1")
    client.execute_command("XADD", "entries", "5-5", "twice", "1", "twice", "2")
    client.xadd("entries", {"large": b"x" * 100_000}, f"5-{2**64 - 1}")
    client.xadd("entries", {"other": "fields"}, f"{2**63}-0")
    client.pexpireat("entries", IN_A_YEAR_MS)
    for number in range(3_000):
        client.xadd("many entries", {"number": number}, f"{number // 3 + 1}-{number}")
    client.xadd("last", {"a": 1}, f"{2**64 - 1}-{2**64 - 1}")
    for name in ("deleted", "trimmed"):
        for number in range(1, 6):
            client.xadd(name, {"a": 1}, f"{number}-0")
    client.xdel("deleted", "2-0", "5-0")
    client.xtrim("trimmed", maxlen=2, approximate=False)
    client.xadd("trimmed empty", {"a": 1}, "7-7")
    client.xtrim("trimmed empty", maxlen=0, approximate=False)
    client.xadd("emptied", {"a": 1}, "7-7")
    client.xdel("emptied", "7-7")


def fill_never(client: Client) -> None:
    """Make a stream that never had an entry."""
    client.xgroup_create("never", "group", mkstream=True)
    client.xgroup_destroy("never", "group")


def fill_zsets(client: Client) -> None:
    scores = {"a": 0.1, "b": float("inf"), "c": float("-inf"), "": -0.0, ALL_BYTES: 5e-324}
    client.zadd("scores", {**scores, "g": 1.7976931348623157e308, "h": 2**53 + 1, "i": 1 / 3})
    client.zadd("one score", {"alone": 1})
    client.pexpireat("one score", IN_A_YEAR_MS)
    client.zadd("equals", {f"member:{number}": number % 7 for number in range(3_000)})


def fill_places(client: Client) -> None:
    client.geoadd("places", (13.361389, 38.115556, "Palermo"))


FAMILIES = {
    "string": fill_strings,
    "hash": fill_hashes,
    "list": fill_lists,
    "set": fill_sets,
    "zset": fill_zsets,
    "stream": fill_streams,
}


def fill(client: Client) -> None:
    for each in FAMILIES.values():
        each(client)


@pytest.mark.parametrize(
    ("family", "made"),
    [*FAMILIES.items(), ("string", fill_bits), ("zset", fill_places), ("stream", fill_never)],
)
def test_the_values_of_a_type_come_as_they_are(
    source: Client, target: Client, family: str, made: Callable[[Client], None]
) -> None:
    made(source)
    count = source.dbsize()

    assert lines(moved(source, target)) == [
        f"db 0  copied {count}  already there 0  gone 0  left 0",
        f"copied  {family} {count}",
    ]
    assert holdings(target) == holdings(source)
    assert lines(moved(source, target)) == [
        f"db 0  copied 0  already there {count}  gone 0  left 0"
    ]


def test_all_of_it_comes(source: Client, target: Client) -> None:
    for db in range(0, 16, 5):
        with client_of(port_of(source), db) as client:
            fill(client)
            fill_bits(client)
            fill_places(client)
            fill_never(client)
    count = source.dbsize()

    told = lines(moved(source, target))

    assert told[:4] == [
        f"db {db}  copied {count}  already there 0  gone 0  left 0" for db in range(0, 16, 5)
    ]
    assert told[4].startswith("copied  hash 12  list 12  set 16  stream ")
    assert holdings(target) == holdings(source)


def test_every_database_comes_unless_some_are_named(source: Client, target: Client) -> None:
    for db in range(16):
        with client_of(port_of(source), db) as client:
            client.set("db", db)
            client.set(f"only:{db}", db)

    named = lines(moved(source, target, "--db", "3", "--db", "5", "--db", "3"))
    assert [line.partition("  ")[0] for line in named] == ["db 3", "db 5", "copied"]
    assert {db for db, _ in holdings(target)} == {3, 5}
    by_address = run(url_of(source) + "/4", "--server", url_of(target))
    assert lines(by_address)[0] == "db 4  copied 2  already there 0  gone 0  left 0"

    every = lines(moved(source, target))
    assert len(every) == 17
    assert every[3] == "db 3  copied 0  already there 2  gone 0  left 0"
    assert holdings(target) == holdings(source)


def test_a_database_goes_into_another_where_the_address_says_so(
    source: Client, target: Client
) -> None:
    with client_of(port_of(source), 20) as client:
        client.set("a", 1)
    source.set("b", 1)

    refused = lines(moved(source, target, "--db", "20"), 3)
    assert refused == [
        "db 20  copied 0  already there 0  gone 0  left 1",
        "left 1  the target has no such database",
    ]
    into = run(url_of(source) + "/20", "--server", url_of(target) + "/5")
    assert lines(into)[0] == "db 20  copied 1  already there 0  gone 0  left 0"
    assert holdings(target) == {(5, b"a"): (b"string", -1, b"1")}


def test_ends_are_instants_also_where_the_source_tells_only_how_long(target: Client) -> None:
    with (
        real_redis("--rename-command", "PEXPIRETIME", "") as older,
        client_of(older.port) as source,
    ):
        source.set("ends", "x", pxat=IN_A_YEAR_MS)
        source.set("stays", "x")

        assert lines(moved(source, target))[0].startswith("db 0  copied 2  ")
        again = lines(moved(source, target))

    assert abs(target.pexpiretime("ends") - IN_A_YEAR_MS) <= moving.SAME_END_MS
    assert target.pexpiretime("stays") == -1
    assert again == ["db 0  copied 0  already there 2  gone 0  left 0"]


def test_what_the_target_has_is_left_as_it_is_unless_it_is_to_be_replaced(
    source: Client, target: Client
) -> None:
    fill(source)
    target.set("text", "mine")
    target.zadd("number", {"another": 1})
    target.set("long", "short")
    target.set("empty", "", px=100_000)
    target.set("untouched", "mine")
    before, names = holdings(target), ["empty", "long", "number", "text"]

    told = lines(moved(source, target), 3)

    assert sorted(told[:4]) == [
        f'left  db 0  "{name}"  the target has another value' for name in names
    ]
    assert told[4].endswith("  already there 0  gone 0  left 4")
    assert told[-1] == "left 4  the target has another value"
    assert {key: value for key, value in holdings(target).items() if key in before} == before

    replaced = lines(moved(source, target, "--replace"))
    there = source.dbsize() - 4
    assert replaced[0] == f"db 0  copied 4  already there {there}  gone 0  left 0"
    assert holdings(target) == {**before, **holdings(source)}


def test_a_queue_of_the_target_is_never_replaced(source: Client, target: Client) -> None:
    source.zadd("small", {"a": 1})
    source.set("large", "x" * 1_000_000)
    for name in ("small", "large"):
        target.execute_command("QPUSH", name, "a job")

    for words in ((), ("--replace",)):
        told = lines(moved(source, target, *words), 3)
        assert told[2:] == [
            "db 0  copied 0  already there 0  gone 0  left 2",
            "left 2  the target has a queue of that name",
        ]
    assert target.execute_command("QLEN", "small") == 1
    assert target.execute_command("QLEN", "large") == 1


def add_list(client: Client, number: int) -> None:
    client.rpush("large", f"element:{number}")


def add_hash(client: Client, number: int) -> None:
    client.hset("large", f"field:{number}", number)


def add_set(client: Client, number: int) -> None:
    client.sadd("large", f"member:{number}")


def add_zset(client: Client, number: int) -> None:
    client.zadd("large", {f"member:{number}": number % 7})


def add_stream(client: Client, number: int) -> None:
    client.xadd("large", {"number": number}, f"{number + 1}-1")


ADD = {
    "list": add_list,
    "hash": add_hash,
    "set": add_set,
    "zset": add_zset,
    "stream": add_stream,
}
"""What puts one thing more into a key."""


def add(client: Client, family: str, numbers: Iterable[int]) -> None:
    with client.pipeline(transaction=False) as pipeline:
        for number in numbers:
            ADD[family](pipeline, number)
        pipeline.execute()


@pytest.mark.parametrize("family", ADD)
def test_a_large_key_goes_in_pieces(source: Client, target: Client, family: str) -> None:
    add(source, family, range(30_000))

    with sides(source, target) as (reads, writes):
        tally, left = copied(reads, writes)

    assert tally.copied == {family: 1}
    assert left == []
    kind = KINDS[family.encode()]
    assert kind.whole(b"large") not in reads.requests
    command, *_ = kind.piece(b"large", kind.start, 1)
    assert len([each for each in reads.requests if each[0] == command]) > 4
    assert max(map(len, writes.requests)) <= 2 + 2 * moving.COMMAND_ITEMS
    assert max(sum(map(len, each)) for each in writes.requests) <= moving.COMMAND_BYTES
    assert holdings(target) == holdings(source)
    with sides(source, target) as (reads, writes):
        assert copied(reads, writes)[0].there == 1


def test_few_items_that_are_large_go_by_themselves(source: Client, target: Client) -> None:
    source.hset("large", mapping={f"field:{number}": b"x" * 600_000 for number in range(10)})

    with sides(source, target) as (reads, writes):
        tally, left = copied(reads, writes)

    assert (tally.copied, left) == ({"hash": 1}, [])
    assert [b"HGETALL", b"large"] not in reads.requests
    assert max(sum(map(len, each)) for each in writes.requests) < 700_000
    assert holdings(target) == holdings(source)


@pytest.mark.parametrize("family", ADD)
@pytest.mark.parametrize("count", [10, 1_000])
def test_what_differs_in_one_thing_is_another_value(
    source: Client, target: Client, family: str, count: int
) -> None:
    add(source, family, range(count))
    add(target, family, [*range(count - 1), 1_000_000])
    before = holdings(target)

    assert lines(moved(source, target), 3)[-1] == "left 1  the target has another value"
    assert holdings(target) == before
    assert lines(moved(source, target, "--replace"))[-1] == f"copied  {family} 1"
    assert holdings(target) == holdings(source)


@pytest.mark.parametrize("count", [10, 1_000])
def test_a_hash_whose_fields_expire_is_left(source: Client, target: Client, count: int) -> None:
    """Ask as if of a Redis 7.4 or newer."""
    for number in range(count):
        source.hset("large", f"field:{number}", number)
    source.hset("stays", "field", 1)

    with sides(source, target) as (reads, writes):
        passed = reads.ask

        def ask(requests: Sequence[Sequence[bytes]]) -> list[Any]:
            newer = [each for each in requests if each[0] != b"HPEXPIRETIME"]
            answers = iter(passed(newer))
            return [
                [IN_A_YEAR_MS if each == b"field:7" else -1 for each in request[4:]]
                if request[0] == b"HPEXPIRETIME"
                else next(answers)
                for request in requests
            ]

        reads.ask = ask  # type: ignore[method-assign]
        tally, left = copied(reads, writes)

    assert left == [Left(0, b"large", moving.FIELD_ENDS)]
    assert tally.copied == {"hash": 1}
    assert target.keys() == [b"stays"]


def test_a_stream_with_groups_is_left(source: Client, target: Client) -> None:
    for number in range(300):
        source.xadd("grouped", {"number": number})
    source.xgroup_create("grouped", "group", "0")
    source.xgroup_create("waiting", "group", mkstream=True)

    told = lines(moved(source, target), 3)

    assert sorted(told[:2]) == [
        'left  db 0  "grouped"  a stream with consumer groups',
        'left  db 0  "waiting"  a stream with consumer groups',
    ]
    assert target.dbsize() == 0


def test_a_node_of_a_cluster_is_read_key_by_key(target: Client) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        bus = str(free.getsockname()[1])
    with (
        real_redis("--cluster-enabled", "yes", "--cluster-port", bus) as real,
        client_of(real.port) as source,
    ):
        source.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)
        while b"cluster_state:ok" not in source.execute_command("CLUSTER", "INFO"):
            time.sleep(0.01)
        for number in range(20):
            source.set(f"key:{number}", number)

        result = moved(source, target)

        assert lines(result)[0] == "db 0  copied 20  already there 0  gone 0  left 0"
        assert result.stderr.startswith("note: the source is one node of a cluster")
        assert holdings(target) == holdings(source, 1)


def test_a_key_that_changes_while_it_is_read_is_read_again(source: Client, target: Client) -> None:
    source.zadd("large", {f"member:{number}": number for number in range(1_000)})
    source.set("small", "before")
    changes: dict[tuple[bytes, ...], Callable[[], object]] = {
        (b"ZRANGE", b"large"): lambda: source.zadd("large", {"another": 1}),
        (b"GET", b"small"): lambda: source.set("small", "after"),
    }

    def meddle(request: Sequence[bytes]) -> None:
        changes.pop(tuple(request[:2]), lambda: None)()

    with sides(source, target) as (reads, writes):
        reads.before = meddle
        tally, left = copied(reads, writes)

    assert changes == {}
    assert tally.copied == {"zset": 1, "string": 1}
    assert left == []
    assert target.get("small") == b"after"
    assert holdings(target) == holdings(source)


def test_a_key_that_changes_all_the_time_is_left_and_others_are_not(
    source: Client, target: Client
) -> None:
    source.mset({f"key:{number}": number for number in range(20)})
    source.zadd("restless", {f"member:{number}": number for number in range(1_000)})

    def meddle(request: Sequence[bytes]) -> None:
        if request[:2] == [b"ZRANGE", b"restless"]:
            source.zincrby("restless", 1, "member:1")

    with sides(source, target) as (reads, writes):
        reads.before = meddle
        tally, left = copied(reads, writes)

    assert left == [Left(0, b"restless", moving.CHANGED)]
    assert tally.copied == {"string": 20}
    assert set(target.keys()) == set(source.keys("key:*"))


def test_a_key_that_goes_meanwhile_is_counted(source: Client, target: Client) -> None:
    source.mset({"a": 1, "b": 2, "c": 3})

    def meddle(request: Sequence[bytes]) -> None:
        if request[0] == b"WATCH":
            source.delete("b")
        if request == [b"GET", b"c"]:
            source.delete("c")

    with sides(source, target) as (reads, writes):
        reads.before = meddle
        tally, left = copied(reads, writes)

    assert (tally.copied, tally.gone, left) == ({"string": 1}, 2, [])
    assert target.keys() == [b"a"]


def test_an_end_that_has_passed_at_the_target_leaves_the_key(
    source: Client, target: Client
) -> None:
    source.set("stays", "x")
    source.set("ends", "x", px=100_000)
    later_s = int(time.time()) + 200

    with sides(source, target) as (reads, writes):
        writes.answers[b"TIME"] = [b"%d" % later_s, b"0"]
        tally, left = copied(reads, writes)

    assert left == [Left(0, b"ends", moving.PASSED)]
    assert tally.copied == {"string": 1}
    assert target.keys() == [b"stays"]


def test_a_name_that_is_taken_meanwhile_is_not_overwritten(source: Client, target: Client) -> None:
    source.mset({"a": 1, "b": 2})
    source.zadd("large", {f"member:{number}": number for number in range(1_000)})

    def meddle(request: Sequence[bytes]) -> None:
        if request == [b"SET", b"a", b"1"]:
            target.set("a", "mine")
        if request[0] == b"RENAMENX":
            target.set("large", "mine")

    with sides(source, target) as (reads, writes):
        writes.before = meddle
        tally, left = copied(reads, writes)

    assert {(each.key, each.reason) for each in left} == {
        (b"a", moving.OTHER_VALUE),
        (b"large", moving.OTHER_VALUE),
    }
    assert tally.copied == {"string": 1}
    assert target.mget("a", "b", "large") == [b"mine", b"2", b"mine"]
    assert target.dbsize() == 3


def test_a_piece_that_was_gone_before_the_end_is_no_whole_key(
    source: Client, target: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "PIECE_ITEMS", 100)
    source.zadd("large", {f"member:{number}": number for number in range(1_000)})
    met: list[int] = []

    def meddle(request: Sequence[bytes]) -> None:
        # As if nothing had been written for so long that what was there has expired.
        if request[0] == b"ZADD" and request[2] != b"0" and not met:
            met.append(target.delete(request[1]))

    with sides(source, target) as (reads, writes):
        writes.before = meddle
        tally, left = copied(reads, writes)

    assert met == [1]
    assert (tally.copied, left) == ({"zset": 1}, [])
    assert holdings(target) == holdings(source)


def test_what_is_no_type_of_ours_is_left(source: Client, target: Client) -> None:
    source.set("document", "{}")

    with sides(source, target) as (reads, writes):
        reads.answers[b"TYPE"] = b"ReJSON-RL"
        tally, left = copied(reads, writes)

    assert left == [Left(0, b"document", moving.UNKNOWN_TYPE, "ReJSON-RL")]
    assert tally.copied == {}


def test_what_is_larger_than_the_target_takes_is_left(source: Client) -> None:
    source.set("short", "x" * 1_000)
    source.set("long", "x" * 1_025)
    source.set("longer", "x" * 100_000)
    source.zadd("members", {"x": 1, "y" * 1_025: 2})
    source.set("n" * 1_025, "by a long name")

    with (
        ServerProcess(None, "--payload-bytes-max", "1kb") as small,
        client_of(small.port) as target,
    ):
        told = lines(moved(source, target), 3)

        assert target.keys() == [b"short"]
    assert told[-1] == "left 4  larger than the target takes"


def test_what_one_may_not_look_at_is_left(source: Client, target: Client) -> None:
    source.mset({"mine:1": 1, "mine:2": 2, "other:1": 1, "other:2": 2})
    source.acl_setuser(
        "reader", enabled=True, passwords=["+secret"], keys=["mine:*"], commands=["+@all"]
    )
    try:
        url = f"redis://reader:secret@127.0.0.1:{port_of(source)}"
        told = lines(run(url, "--server", url_of(target)), 3)
    finally:
        source.acl_deluser("reader")

    assert sorted(target.keys()) == [b"mine:1", b"mine:2"]
    assert told[-1] == "left 2  refused by the source"
    assert "NOPERM" in told[0]


def test_what_the_target_refuses_is_left_and_the_rest_is_not(
    source: Client, target: Client
) -> None:
    source.mset({"a": 1, "b": 2, "c": 3})
    refusal = hiredis.ReplyError("ERR unknown command 'SET', with args beginning with: 'b' '2'")

    with sides(source, target) as (reads, writes):

        def ask(requests: Sequence[Sequence[bytes]]) -> list[Any]:
            sent = [[b"NONE"] if each == [b"SET", b"b", b"2"] else each for each in requests]
            return passed(sent)

        passed = writes.ask
        writes.ask = ask  # type: ignore[method-assign]
        tally, left = copied(reads, writes)

    assert [(each.key, each.reason) for each in left] == [(b"b", "refused by the target")]
    assert str(refusal).startswith(left[0].detail.split("'")[0])
    assert tally.copied == {"string": 2}
    assert sorted(target.keys()) == [b"a", b"c"]


@pytest.mark.parametrize("error", ["OOM command not allowed", "MISCONF the disk", "LOADING it"])
def test_a_target_that_takes_nothing_stops_it(source: Client, target: Client, error: str) -> None:
    source.set("a", 1)

    with sides(source, target) as (reads, writes):
        writes.answers[b"SET"] = hiredis.ReplyError(error)
        with pytest.raises(Stopped, match=f"^the target refuses: {error}$"):
            copied(reads, writes)


def test_a_respq_can_be_the_source_and_its_queues_are_left(target: Client) -> None:
    with ServerProcess(None) as other, client_of(other.port) as source:
        fill(source)
        source.execute_command("QPUSH", "jobs", "a job")

        told = lines(moved(source, target), 3)

        assert told[-1] == "left 1  a queue"
        assert told[0] == 'left  db 0  "jobs"  a queue'
        source.delete("jobs")
        assert holdings(target) == holdings(source)


def test_json_is_an_object_a_line(source: Client, target: Client) -> None:
    source.mset({"a": 1, b"\xff": 2})
    target.set(b"\xff", "mine")

    assert list(map(json.loads, lines(moved(source, target, "--json"), 3))) == [
        {"db": 0, "key": {"base64": "/w=="}, "left": "the target has another value"},
        {
            "db": 0,
            "copied": {"string": 1},
            "already_there": 0,
            "gone": 0,
            "left": {"the target has another value": 1},
        },
    ]


def test_progress_is_told(source: Client, target: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "PROGRESS_S", 0)
    monkeypatch.setattr(moving, "PIECE_ITEMS", 100)
    source.zadd("large", {f"member:{number}": number for number in range(150)})

    result = moved(source, target)

    assert result.stderr.splitlines() == [
        'note: db 0: 0 of 1 keys: 100 items of "large"',
        'note: db 0: 0 of 1 keys: 150 items of "large"',
        "note: db 0: 1 of 1 keys",
    ]


def started(source: Client, target: Client) -> subprocess.Popen[str]:
    """Start an import in a process of its own."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "respq", "import", url_of(source)),
            *("--server", url_of(target)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def fill_for_a_while(client: Client) -> None:
    fill(client)
    client.mset({f"key:{number}": number for number in range(1_000)})
    pipeline = client.pipeline()
    for start in range(0, 100_000, 10_000):
        names = range(start, start + 10_000)
        pipeline.zadd("large", {f"member:{number:09}": number for number in names})
    pipeline.execute()


def until_half(target: Client) -> None:
    """Return when a part of the largest key is at the target."""
    deadline = time.monotonic() + 60
    while not any(
        target.type(name) == b"zset" and target.zcard(name) > 10_000
        for name in target.keys("respq:import:*")
    ):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_part_of(target: Client, source: Client) -> bool:
    """Tell whether each key is whole, but for one of no name that goes by itself."""
    there, all_of_it = holdings(target, 1), holdings(source, 1)
    unnamed = [name for _, name in there if name.startswith(b"respq:import:")]
    assert all(0 < target.pttl(name) <= moving.TEMPORARY_MS for name in unnamed)
    return all(all_of_it[key] == value for key, value in there.items() if key[1] not in unnamed)


def forget_unnamed(target: Client) -> None:
    for name in target.keys("respq:import:*"):
        target.delete(name)


@pytest.mark.parametrize(
    ("number", "status", "says"),
    [
        (signal.SIGKILL, -signal.SIGKILL, ""),
        (signal.SIGTERM, 128 + signal.SIGTERM, ""),
        (signal.SIGINT, 1, "Error: interrupted: do it again, and it goes on\n"),
    ],
)
def test_whoever_is_ended_in_the_middle_leaves_no_half_and_goes_on(
    source: Client, target: Client, number: signal.Signals, status: int, says: str
) -> None:
    fill_for_a_while(source)
    process = started(source, target)
    until_half(target)

    process.send_signal(number)
    told, errors = process.communicate(timeout=60)

    assert process.returncode == status
    assert errors.endswith(says)
    assert bool(told) == (number != signal.SIGKILL)
    assert not target.exists("large")
    assert is_part_of(target, source)
    again = lines(moved(source, target))
    assert re.match("db 0  copied [1-9][0-9]*  already there [1-9]", again[0])
    forget_unnamed(target)
    assert holdings(target) == holdings(source)


def test_a_target_that_is_killed_in_the_middle_has_no_half_and_gets_the_rest(
    source: Client, tmp_path: Path
) -> None:
    fill_for_a_while(source)
    server = ServerProcess(tmp_path / "data")
    server.start()
    with client_of(server.port) as target:
        process = started(source, target)
        until_half(target)

        server.kill()
        told, errors = process.communicate(timeout=60)

        assert process.returncode == 1
        assert errors.startswith(f"Error: no answer from 127.0.0.1:{server.port}: ")
        assert errors.endswith(": do it again, and it goes on\n")
        assert told.startswith("db 0  copied ")
    with ServerProcess(tmp_path / "data") as server, client_of(server.port) as target:
        assert is_part_of(target, source)
        again = lines(moved(source, target))
        assert re.match("db 0  copied [1-9][0-9]*  already there [1-9]", again[0])
        forget_unnamed(target)
        assert holdings(target) == holdings(source)


def test_what_is_written_meanwhile_is_copied_as_it_was_at_some_moment(
    source: Client, target: Client
) -> None:
    # Each write makes all that is under a name the same number.
    names = [f"key:{number}" for number in range(200)]
    source.mset(dict.fromkeys(names, 0))
    members = [f"member:{number}" for number in range(400)]
    source.zadd("large", dict.fromkeys(members, 0))
    stopping = threading.Event()

    def write() -> None:
        with client_of(port_of(source)) as client:
            for number in range(1, 1_000_000):
                client.mset(dict.fromkeys(names[number % 10 :: 10], number))
                if number % 50 == 0:
                    client.zadd("large", dict.fromkeys(members, number))
                if stopping.wait(0.002):
                    return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        result = moved(source, target)
    finally:
        stopping.set()
        writer.join()

    assert result.exit_code in (0, 3)
    assert len(set(dict(target.zrange("large", 0, -1, withscores=True)).values())) <= 1
    assert target.zcard("large") in (0, len(members))
    assert lines(moved(source, target, "--replace"))[0].endswith("  gone 0  left 0")
    assert holdings(target) == holdings(source)


def test_a_password_is_in_the_address_or_where_redis_cli_has_it(target: Client) -> None:
    with real_redis("--requirepass", PASSWORD) as real:
        with redis.Redis(port=real.port, password=PASSWORD) as source:
            source.set("a", 1)
            source.acl_setuser(
                "ann", enabled=True, passwords=["+secret"], keys=["*"], commands=["+@all"]
            )
        place, into = f"127.0.0.1:{real.port}", ("--server", url_of(target))
        given = run(f"redis://:p%40ss%2Fword@{place}", *into)
        user = run(f"redis://ann:secret@{place}", *into)
        variable = run(f"redis://{place}", *into, REDISCLI_AUTH=PASSWORD)
        ours = run(f"redis://{place}", *into, RESPQ_PASSWORD=PASSWORD)
        wrong = run(f"redis://:x@{place}", *into)

    assert lines(given)[0].startswith("db 0  copied 1  ")
    assert lines(user)[0].startswith("db 0  copied 0  already there 1  ")
    assert lines(variable)[0].startswith("db 0  copied 0  already there 1  ")
    for refused, says in ((ours, "NOAUTH"), (wrong, "WRONGPASS")):
        assert refused.exit_code == 1
        assert refused.stderr.startswith(f"Error: {place} does not let us in: {says}")
        assert refused.stderr.count("\n") == 1


def test_the_target_is_where_serve_would_be(source: Client) -> None:
    source.set("a", 1)
    with ServerProcess(None, "--password", PASSWORD) as server:
        environ = {"RESPQ_PORT": str(server.port), "RESPQ_PASSWORD": PASSWORD}

        assert lines(run(url_of(source), **environ))[0].startswith("db 0  copied 1  ")


def test_tls_is_spoken_where_the_address_says_so(target: Client, tmp_path: Path) -> None:
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    subprocess.run(
        [
            *(openssl(), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    tls = ("--tls-port", str(port), "--tls-cert-file", certificate, "--tls-key-file", key)
    with real_redis(*tls, "--tls-auth-clients", "no") as real:
        with client_of(real.port) as source:
            source.set("a", 1)
        into = ("--server", url_of(target))
        trusted = run(f"rediss://localhost:{port}", *into, SSL_CERT_FILE=certificate)
        unknown = run(f"rediss://localhost:{port}", *into, SSL_CERT_FILE="")
        plain = run(f"redis://localhost:{port}", *into)

    assert lines(trusted)[0].startswith("db 0  copied 1  ")
    assert unknown.exit_code == plain.exit_code == 1
    assert "CERTIFICATE_VERIFY_FAILED" in unknown.stderr
    assert plain.stderr.startswith(f"Error: no answer from localhost:{port}: ")


@contextmanager
def answering(*answers: bytes) -> Iterator[str]:
    """Answer the requests of one client by these bytes, and yield the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                for answer in answers:
                    client.recv(65_536)
                    client.sendall(answer)
                client.recv(65_536)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], "does not speak the protocol of Redis"),
        ([b"-ERR unknown command 'SELECT'\r\n"], "does not let us in: ERR unknown command"),
        ([b"+OK\r\n", b"$9\r\nloading:1\r\n"], "the source is loading its data: try again when it"),
        ([b"+OK\r\n", b"-LOADING Redis is loading\r\n"], "the source refuses: LOADING Redis is"),
        ([b"+OK\r\n", b"-NOPERM no INFO\r\n"], "the source refuses INFO: NOPERM no INFO"),
    ],
)
def test_a_source_that_cannot_be_read_is_one_line(
    target: Client, answers: Sequence[bytes], says: str
) -> None:
    with answering(*answers) as url:
        result = run(url, "--server", url_of(target))

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert says in result.stderr
    assert result.stderr.count("\n") == 1


def test_nobody_there_is_one_line(source: Client, target: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        nowhere = f"redis://127.0.0.1:{unused.getsockname()[1]}"

    for result in (
        run(nowhere, "--server", url_of(target)),
        run(url_of(source), "--server", nowhere),
        run("unix:///nowhere", "--server", url_of(target)),
    ):
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: no answer from ")
        assert result.stderr.count("\n") == 1


def test_a_target_must_be_a_respq_and_another_server(source: Client, target: Client) -> None:
    source.set("a", 1)
    no_respq = moved(source, source)
    itself = moved(target, target)

    assert no_respq.exit_code == itself.exit_code == 1
    assert "Error: the target is no respq" in no_respq.stderr
    assert "Error: source and target are the same server" in itself.stderr
    assert source.keys() == [b"a"]


def test_doubts_are_told_before(target: Client, source: Client) -> None:
    with sides(source, target) as (reads, writes):
        now_s = int(time.time())
        reads.answers[b"TIME"] = [b"%d" % (now_s - 100), b"0"]
        side = Side(reads, "source")
        side.info["cluster_enabled"] = "1"
        told = list(doubts(side, Side(writes, "target")))

    assert told[0] == "the source is one node of a cluster, and only what is there is copied"
    assert re.match("the clocks are (100|101)[.0-9]+ s apart, that of the source being b", told[1])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "Missing argument 'URL'"),
        (("localhost:6379",), "'localhost:6379' is no address of a server: give redis://"),
        (("http://localhost",), "or unix:///path"),
        (("redis://:secret@x:high",), "'redis://x:high' is no address"),
        (("redis://x/mail",), "not 'mail'"),
        (("redis://x/1", "--db", "2"), "the address names a database, and --db too"),
        (("redis://x", "--server", "redis://y/1"), "--server names a database: say which one"),
        (("redis://x", "--server", "rediss://y"), "'rediss://y' is no address of a server"),
        (("redis://x", "--server", "redis://y/16"), "'redis://y/16' has no database"),
        (("redis://x", "--db", "-1"), "-1 is not in the range x>=0"),
    ],
)
def test_what_cannot_be_meant_is_bad_usage(words: tuple[str, ...], says: str) -> None:
    result = CliRunner().invoke(main, ["import", *words])

    assert result.exit_code == 2
    assert says in " ".join(result.stderr.split())
    assert "secret" not in result.stderr
