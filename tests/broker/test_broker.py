"""Runs of one command are taken together; the law is that nobody can tell."""

from __future__ import annotations

import gc
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from respq.broker.call import Wait
from respq.broker.session import Session
from respq.engine.keys.value import Taken
from respq.errors import ProtocolFault, TooBig
from respq.resp.encoder import encode
from respq.resp.parser import Arrived
from tests.harness import Client, Harness, arrived, discard, image

QUEUES = {
    b"plain": "QPUSH plain x",
    b"min": "QUEUE CREATE min ORDER MIN",
    b"text": "QUEUE CREATE text PRIORITIES TEXT",
    b"brief": "QUEUE CREATE brief TTL 5 EXPIRED DROP",
    b"leased": "QUEUE CREATE leased LEASE 3 ATTEMPTS 1",
    b"waited": "QUEUE CREATE waited",
}
NAMES = st.sampled_from([*QUEUES, b"missing"])
LISTS = st.sampled_from([b"list", b"waited", b"plain"])
HASHES = st.sampled_from([b"hash", b"list", b"plain"])
ZSETS = st.sampled_from([b"zset", b"waited", b"list"])
SCORES = st.sampled_from([b"1", b"2.5", b"-0", b"inf", b"no number"])
# Numbers are drawn alike in both servers, so that receipts can be foretold.
RECEIPTS = st.builds(
    lambda fence, number: b"%d:1700000000000-%d" % (fence, number),
    st.integers(1, 12),
    st.integers(1, 30),
)
WORDS = st.sampled_from([b"a", b"bb", b""]) | RECEIPTS
REQUESTS = st.one_of(
    st.tuples(st.just(b"QPUSH"), NAMES, WORDS),
    st.tuples(st.just(b"QPOP"), NAMES),
    st.tuples(st.just(b"QACK"), NAMES, WORDS),
    st.tuples(st.just(b"QPUSH"), NAMES, WORDS, st.just(b"PRIORITY"), st.just(b"1")),
    st.tuples(st.sampled_from([b"qpush", b"QNACK"]), NAMES, WORDS),
    st.tuples(st.sampled_from([b"LPUSH", b"RPUSH"]), LISTS, WORDS),
    st.tuples(st.sampled_from([b"LPOP", b"RPOP"]), LISTS),
    st.tuples(st.sampled_from([b"LPOP", b"RPOP"]), LISTS, st.just(b"2")),
    st.tuples(st.sampled_from([b"HSET", b"HSETNX"]), HASHES, WORDS, WORDS),
    st.tuples(st.just(b"ZADD"), ZSETS, SCORES, WORDS),
    st.tuples(st.sampled_from([b"ZPOPMIN", b"ZPOPMAX"]), ZSETS),
)
READS = st.lists(
    st.tuples(st.lists(st.tuples(REQUESTS, st.integers(1, 5)), max_size=6), st.integers(0, 6)),
    max_size=5,
)


ALIKE = ["QPOP waited BLOCK 0", "QPOP waited BLOCK 0", "QPOP waited BLOCK 5"]
UNLIKE = [
    "QPOP waited LEASE 7 BLOCK 0",
    "QMPOP 2 other waited BLOCK 0",
    "QPOP waited COUNT 2 BLOCK 4",
    "QPOP waited BLOCK 3 NOACK",
    "BLPOP list 0",
    "BRPOP waited list 0",
    "BLMPOP 4 1 list LEFT COUNT 2",
    "BZPOPMIN zset waited 0",
    "BZMPOP 4 1 zset MAX COUNT 2",
]
WAITS_FOR = st.one_of(
    st.lists(st.sampled_from(ALIKE), max_size=5),
    st.lists(st.sampled_from(ALIKE + UNLIKE), max_size=5),
)


def prepared(waits: list[str]) -> tuple[Harness, list[Client]]:
    harness = Harness()
    for line in QUEUES.values():
        harness.say(line)
    waiting = [harness.client() for _ in waits]
    for client, line in zip(waiting, waits, strict=True):
        client.say(line)
    return harness, waiting


def inboxes(waiting: list[Client]) -> list[Any]:
    return [[encode(reply, 2) for reply in client.inbox] for client in waiting]


def one_by_one(client: Client, requests: list[list[bytes]]) -> bytes:
    """Run requests by themselves, and return the replies as they are on the wire."""
    return b"".join(encode(client.ask(*request), 2) for request in requests)


@given(READS, WAITS_FOR)
def test_a_run_does_what_its_requests_do_one_by_one(
    reads: list[tuple[list[tuple[tuple[bytes, ...], int]], int]], waits: list[str]
) -> None:
    (together, waiting), (apart, other_waiting) = prepared(waits), prepared(waits)

    for repeated, elapsed_ms in reads:
        requests = [list(words) for words, times in repeated for _ in range(times)]
        session = together.default.session
        out, left = together.broker.execute_all(session, arrived(requests), together.now_ms)
        assert left == []
        together.default.pops = session.take_pops()
        together.settle()

        assert b"".join(out) == one_by_one(apart.default, requests)
        assert image(together.engine.state) == image(apart.engine.state)
        assert inboxes(waiting) == inboxes(other_waiting)
        for harness in (together, apart):
            harness.pass_ms(elapsed_ms)

    assert image(together.replayed()) == image(together.engine.state)
    assert together.errors == []
    for harness in (together, apart):
        discard(harness.engine.state)


POPS = [b"QPOP", b"LPOP", b"RPOP", b"ZPOPMIN", b"ZPOPMAX"]
PUSHES = {b"L": "RPUSH", b"R": "RPUSH", b"Z": "ZADD", b"H": "HSET"}
"""By how a command begins, what has something to be there for it; else it is QPUSH."""


@given(
    NAMES | LISTS | ZSETS,
    st.sampled_from([b"QPUSH", b"QACK", b"LPUSH", b"RPUSH", b"HSET", b"ZADD", *POPS]),
    SCORES,
    st.lists(WORDS, min_size=1, max_size=6),
    WAITS_FOR,
)
def test_requests_of_several_clients_do_together_what_they_do_one_by_one(
    name: bytes, command: bytes, score: bytes, lasts: list[bytes], waits: list[str]
) -> None:
    (together, waiting), (apart, other_waiting) = prepared(waits), prepared(waits)
    push = PUSHES.get(command[:1], "QPUSH")
    for harness in (together, apart):
        for number in range(3):
            words = f"{number} x{number}" if push in ("ZADD", "HSET") else "x"
            harness.default.pipeline(f"{push} {name.decode()} {words}")
        harness.default.pipeline(f"QPOP {name.decode()}")
    head = [command, name, score] if command in (b"HSET", b"ZADD") else [command, name]
    if command in POPS:
        head, lasts = [command], [name] * len(lasts)
    requests = [[*head, last] for last in lasts]

    broker = together.broker
    alike = broker.run_command(head) or broker.run_command_of(head, lasts[0])
    assert alike is not None
    columns = alike.run_columns(head, lasts)
    replies, pops = broker.execute_together(alike, 0, name, columns, together.now_ms)
    assert len(pops) in (0, len(replies))
    replies += [one_by_one(together.default, [each]) for each in requests[len(replies) :]]
    together.settle()

    assert replies == [one_by_one(apart.default, [each]) for each in requests]
    assert image(together.engine.state) == image(apart.engine.state)
    assert image(together.replayed()) == image(together.engine.state)
    assert inboxes(waiting) == inboxes(other_waiting)
    for harness in (together, apart):
        discard(harness.engine.state)


@given(
    st.sampled_from([b"BLPOP", b"BRPOP"]),
    st.lists(st.sampled_from([b"0", b"0.5", b"-1", b"soon"]), min_size=2, max_size=6),
    st.sampled_from(["RPUSH name a b c d e f", "RPUSH name a b", "ZADD name 1 a", "QPUSH name a"]),
)
def test_a_run_of_what_may_block_does_what_its_requests_do_one_by_one(
    command: bytes, timeouts: list[bytes], push: str
) -> None:
    together, apart = Harness(), Harness()
    told = []
    requests = [[command, b"name", timeout] for timeout in timeouts]
    singly: list[Arrived] = [[each] for each in requests]
    for harness, reads in ((together, [arrived(requests)]), (apart, singly)):
        harness.say(push)
        session = harness.default.session
        out: list[bytes] = []
        for read in reads:
            if session.waiter is None:
                out += harness.broker.execute_all(session, read, harness.now_ms)[0]
        things = [pop.things for pop, _ in session.pops if isinstance(pop, Taken)]
        told.append((out, session.waiter is not None, things))

    assert told[0] == told[1]
    assert image(together.engine.state) == image(apart.engine.state)


def test_what_replies_otherwise_in_resp3_is_done_one_by_one(harness: Harness) -> None:
    client = harness.client()
    client.say("HELLO 3")
    client.say("ZADD zset 1 a 2 b")

    out, _ = harness.broker.execute_all(
        client.session, arrived([[b"ZPOPMIN", b"zset"]] * 2), harness.now_ms
    )
    harness.settle()

    assert out == [b"*2\r\n$1\r\na\r\n,1\r\n", b"*2\r\n$1\r\nb\r\n,2\r\n"]


def test_what_the_parser_refused_stands_in_its_place(harness: Harness) -> None:
    requests: Arrived = [[b"PING"], TooBig("too big"), [b"PING"]]

    out, left = harness.broker.execute_all(harness.default.session, requests, harness.now_ms)

    assert (out, left) == ([b"+PONG\r\n", b"-TOOBIG too big\r\n", b"+PONG\r\n"], [])
    assert not harness.default.session.closing


def test_nothing_refers_to_a_session_that_is_gone(harness: Harness) -> None:
    gc.collect()
    gc.disable()
    try:
        session = harness.broker.open_session(4_711)
        for line in ("MULTI", "PING", "EXEC", "WATCH key", "SUBSCRIBE channel"):
            harness.broker.execute(session, line.encode().split(), harness.now_ms)
        harness.broker.close_session(session)
        session.let_go()
        del session

        sessions = [each for each in gc.get_objects() if isinstance(each, Session)]
        assert 4_711 not in [each.id for each in sessions]
    finally:
        gc.enable()


def test_bytes_that_are_no_requests_end_the_session(harness: Harness) -> None:
    requests: Arrived = [[b"PING"], ProtocolFault("Protocol error: what?")]

    out, left = harness.broker.execute_all(harness.default.session, requests, harness.now_ms)

    assert (out[1], left) == (b"-ERR Protocol error: what?\r\n", [])
    assert harness.default.session.closing


def test_what_follows_a_command_that_blocks_is_not_run(harness: Harness) -> None:
    client = harness.client()
    requests: Arrived = [[b"PING"], [b"QPOP", b"q", b"BLOCK", b"0"], [b"QPUSH", b"q", b"x"]]

    out, left = harness.broker.execute_all(client.session, requests, harness.now_ms)

    assert (out, left) == ([b"+PONG\r\n"], [[b"QPUSH", b"q", b"x"]])
    assert client.session.waiter is not None
    assert harness.say("QUEUE EXISTS q") == 0


def test_what_would_take_longer_than_its_share_is_left(harness: Harness) -> None:
    instants = iter(range(10))
    harness.broker.stopwatch_s = lambda: next(instants)
    requests: Arrived = [[b"PING"]] * 5

    out, left = harness.broker.execute_all(harness.default.session, requests, harness.now_ms, 1.5)

    assert (out, left) == ([b"+PONG\r\n"] * 3, [[b"PING"]] * 2)


def test_the_first_request_is_run_however_late_it_is(harness: Harness) -> None:
    harness.broker.stopwatch_s = lambda: 2.0
    requests: Arrived = [[b"PING"]] * 5

    out, left = harness.broker.execute_all(harness.default.session, requests, harness.now_ms, 1.5)

    assert (out, left) == ([b"+PONG\r\n"], [[b"PING"]] * 4)


def test_what_follows_a_goodbye_is_not_run(harness: Harness) -> None:
    client = harness.client()
    requests: Arrived = [[b"QUIT"], [b"QPUSH", b"q", b"x"]]

    out, left = harness.broker.execute_all(client.session, requests, harness.now_ms)

    assert (out, left) == ([b"+OK\r\n"], [[b"QPUSH", b"q", b"x"]])
    assert harness.say("QUEUE EXISTS q") == 0


def test_an_unexpected_exception_is_an_internal_error_and_reported() -> None:
    harness = Harness()
    command = harness.broker.table.entries[b"QLEN"]
    command.handler = lambda *_: 1 // 0  # type: ignore[union-attr]

    reply = harness.say("QLEN q")

    assert str(reply).startswith("internal error")
    assert [type(error) for error in harness.errors] == [ZeroDivisionError]
    assert not isinstance(harness.say("QPUSH q x"), Wait)
