"""Messages over real sockets: their order, who is cut, and what else a connection is told."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis._parsers import _HiredisParser, _RESP2Parser, _RESP3Parser

from respq.config import KIB, MIB
from tests.requirements import redis_cli
from tests.server.disk import slow
from tests.server.waiting import until, until_blocked, until_connected
from tests.server.wire import Wire, request, requests, resident_mib
from tests.server_process import ServerProcess


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """A server that keeps nothing."""
    with ServerProcess(None) as server:
        yield server
        assert "Traceback" not in "".join(server.log)


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Wire]:
    with Wire(server.port) as client:
        yield client


def stat(client: Wire, name: str) -> int:
    """Return a number of INFO stats."""
    lines = client.say("INFO stats").decode().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).partition(":")[2])


@pytest.mark.parametrize("flags", [["--memory"], ["--fsync", "always"], ["--fsync", "everysec"]])
def test_all_is_told_in_its_order_while_several_clients_are_at_work(
    tmp_path: Path, flags: list[str]
) -> None:
    per_client, clients = 300, 4

    def work(port: int) -> None:
        with Wire(port) as client:
            for number in range(per_client):
                client.send(requests(f"QPUSH mail {number}\nQPOP mail"))
                _, (_, receipt, _) = client.read_many(2)
                assert client.ask("QACK", "mail", receipt) == 1

    with ServerProcess(tmp_path / "data", *flags) as server, Wire(server.port) as ear:
        assert ear.say("PSUBSCRIBE q:*") == [b"psubscribe", b"q:*", 1]
        workers = [threading.Thread(target=work, args=(server.port,)) for _ in range(clients)]
        for worker in workers:
            worker.start()
        told = ear.read_many(3 * per_client * clients)
        for worker in workers:
            worker.join()
        assert ear.ask("PING", "end") == [b"pong", b"end"]

    seen: dict[bytes, list[bytes]] = {}
    for kind, pattern, channel, job_id in told:
        assert (kind, pattern) == (b"pmessage", b"q:*")
        seen.setdefault(channel.rpartition(b":")[2], []).append(job_id)
        before = {b"pushed": b"", b"leased": b"pushed", b"acked": b"leased"}
        earlier = before[channel.rpartition(b":")[2]]
        assert not earlier or job_id in seen[earlier]
    assert seen.keys() == {b"pushed", b"leased", b"acked"}
    assert {len(set(ids)) for ids in seen.values()} == {per_client * clients}
    assert seen[b"pushed"] == sorted(seen[b"pushed"], key=lambda each: int(each.split(b"-")[1]))
    assert seen[b"leased"] == seen[b"pushed"]


@pytest.mark.parametrize("address", ["port", "socket"])
def test_a_listener_that_does_not_read_is_cut_and_counted_and_others_hear_all(
    tmp_path: Path, address: str
) -> None:
    path = str(tmp_path / "socket")
    flags = ("--unix-socket", path, "--output-buffer-bytes-max", "256kb")
    count = 400

    with ServerProcess(None, *flags) as server, Wire(path) as other, Wire(path) as ear:
        where = path if address == "socket" else server.port
        with Wire(where, receive_bytes=4 * KIB) as deaf:
            for each in (deaf, ear):
                assert each.say("SUBSCRIBE news")[0] == b"subscribe"
            heard: list[Any] = []
            receivers = []
            for number in range(count):
                message = b"%06d" % number + b"x" * 30 * KIB
                receivers.append(other.ask("PUBLISH", "news", message))
                heard += ear.read_many(1)  # Or it could be cut for being slow, too.
            assert receivers[0] == 2
            assert receivers[-1] == 1
            assert [each[2][:6] for each in heard] == [b"%06d" % number for number in range(count)]
            assert stat(other, "client_output_buffer_limit_disconnections") == 1
            assert stat(other, "pubsub_channels") == 1
            until_connected(other, 2)
            assert any("client closed: it does not read" in line for line in server.log)
            assert len(deaf.rest()) < count


def test_a_listener_that_does_not_read_takes_no_more_memory_than_its_limit(
    server: ServerProcess, client: Wire
) -> None:
    before_mib = resident_mib(server.pid)
    cut = stat(client, "client_output_buffer_limit_disconnections")
    with Wire(server.port, receive_bytes=4 * KIB) as deaf:
        deaf.say("PSUBSCRIBE big*")
        message = request("PUBLISH", "big", b"x" * MIB)
        for _ in range(200):
            client.send(message)
            client.read()
        assert stat(client, "client_output_buffer_limit_disconnections") == cut + 1
        assert resident_mib(server.pid) - before_mib < 128


def test_what_is_held_for_a_commit_counts_against_the_limit(tmp_path: Path) -> None:
    flags = ("--output-buffer-bytes-max", "128kb")
    with (
        ServerProcess(tmp_path / "data", *flags, wrapper=slow(sync_ms=150)) as server,
        Wire(server.port) as writer,
        Wire(server.port) as other,
        Wire(server.port) as ear,
    ):
        ear.say("SUBSCRIBE news")
        writer.send(requests("QPUSH mail x"))
        assert other.say("PING") == b"PONG"
        for _ in range(20):  # The commit is under way, and all this is held behind it.
            other.send(request("PUBLISH", "news", b"x" * 30 * KIB))
        other.read_many(20)
        writer.read()

        assert stat(other, "client_output_buffer_limit_disconnections") == 1
        assert ear.rest() == []


@pytest.mark.parametrize(
    ("greeting", "line"),
    [("HELLO 2", "RESET"), ("HELLO 2", "PING"), ("HELLO 2", "HELLO 3"), ("HELLO 3", "HELLO 2")],
)
def test_no_reply_overtakes_a_message_that_is_held_for_a_commit(
    tmp_path: Path, greeting: str, line: str
) -> None:
    with (
        ServerProcess(tmp_path / "data", wrapper=slow(sync_ms=150)) as server,
        Wire(server.port) as writer,
        Wire(server.port) as other,
        Wire(server.port) as ear,
    ):
        ear.say(greeting)
        ear.say("SUBSCRIBE q:mail:pushed")
        writer.send(requests("QPUSH mail x"))
        assert other.say("PING") == b"PONG"  # It is executed, and its commit under way.

        ear.send(requests(line))
        told = ear.read()
        ear.read()

        assert told == [b"message", b"q:mail:pushed", writer.read()]
        if line == "RESET":
            assert ear.say("QLEN nothing") == 0


def test_a_job_whose_reply_stands_behind_a_message_is_put_back_when_its_client_is_gone(
    tmp_path: Path,
) -> None:
    with (
        ServerProcess(tmp_path / "data", wrapper=slow(sync_ms=150)) as server,
        Wire(server.port) as other,
        Wire(server.port) as pinger,
        Wire(server.port) as gone,
    ):
        gone.say("HELLO 3")
        gone.send(requests("SUBSCRIBE q:work:pushed\nQPOP work BLOCK 0"))
        until_blocked(pinger)
        other.send(requests("QPUSH work x"))
        assert pinger.say("PING") == b"PONG"
        gone.reset()

        until_connected(pinger, 2)
        other.read()

        facts = other.say("QSTATS work")[1]
        counts = dict(zip(facts[::2], facts[1::2], strict=True))
        assert (counts[b"popped_total"], counts[b"undone_total"], counts[b"ready"]) == (1, 1, 1)


def test_a_waiting_listener_is_given_its_job_and_its_messages(
    server: ServerProcess, client: Wire
) -> None:
    with Wire(server.port) as both:
        both.say("HELLO 3")
        both.say("SUBSCRIBE q:work:pushed news")
        both.read()
        both.send(requests("QPOP work BLOCK 0\nQLEN work"))
        until_blocked(client)
        client.say("PUBLISH news hello")
        job_id = client.say("QPUSH work x")

        told = both.read_many(4)

    assert [b"message", b"news", b"hello"] in told
    assert [b"message", b"q:work:pushed", job_id] in told
    replies = [each for each in told if not isinstance(each, list) or each[0] != b"message"]
    assert replies[0][0] == job_id
    assert replies[1] == 0


def test_a_listener_is_not_closed_for_its_silence() -> None:
    with (
        ServerProcess(None, "--idle-timeout-ms", "200") as server,
        Wire(server.port) as ear,
        Wire(server.port) as silent,
    ):
        ear.say("SUBSCRIBE news")

        assert silent.rest() == []

        with Wire(server.port) as other:
            assert other.say("PUBLISH news hello") == 1
        assert ear.read() == [b"message", b"news", b"hello"]


@pytest.mark.parametrize("how", ["close", "close_our_side", "reset"])
def test_subscriptions_end_with_the_connection(
    server: ServerProcess, client: Wire, how: str
) -> None:
    with Wire(server.port) as ear:
        ear.say("SUBSCRIBE gone")
        ear.say("PSUBSCRIBE gone*")
        assert client.say("PUBLISH gone x") == 2

        getattr(ear, how)()

        until(lambda: client.say("PUBSUB NUMSUB gone") == [b"gone", 0])
        until(lambda: client.say("PUBSUB NUMPAT") == 0)
        assert client.say("PUBLISH gone x") == 0


def test_in_resp2_a_listener_is_refused_all_else_however_it_arrives(
    server: ServerProcess, client: Wire
) -> None:
    refusal = (
        "ERR Can't execute 'qpush': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
        "are allowed in this context"
    )
    with Wire(server.port) as ear:
        ear.send(requests("SUBSCRIBE news\nQPUSH quiet x\nQPUSH quiet y"))
        assert ear.read_many(3) == [[b"subscribe", b"news", 1], refusal, refusal]
        assert ear.say("QPUSH quiet x") == refusal
        ear.send(requests("QPUSH quiet x\nQPUSH quiet y\nUNSUBSCRIBE\nQPUSH quiet z"))
        replies = ear.read_many(4)

        assert replies[:3] == [refusal, refusal, [b"unsubscribe", b"news", 0]]
        assert client.say("QLEN quiet") == 1


def test_quit_answers_and_closes(server: ServerProcess, client: Wire) -> None:
    with Wire(server.port) as ear:
        ear.send(requests("SUBSCRIBE news\nQUIT"))

        assert ear.rest() == [[b"subscribe", b"news", 1], b"OK"]
        assert client.say("PUBSUB NUMSUB news") == [b"news", 0]


# Clients.


@pytest.mark.parametrize(
    ("protocol", "parser"),
    [(2, _HiredisParser), (3, _HiredisParser), (2, _RESP2Parser), (3, _RESP3Parser)],
)
def test_redis_py_listens(server: ServerProcess, protocol: int, parser: Any) -> None:
    pool = redis.ConnectionPool(port=server.port, protocol=protocol, parser_class=parser)
    with redis.Redis(connection_pool=pool) as r, r.pubsub() as pubsub:
        handled: list[Any] = []
        pubsub.subscribe("q:rp:acked", **{"q:rp:pushed": handled.append})
        pubsub.psubscribe("news.*")
        job_id = r.execute_command("QPUSH", "rp", "x")
        receipt = r.execute_command("QPOP", "rp")[1]
        assert r.execute_command("QACK", "rp", receipt) == 1
        assert r.publish("news.1", "fine") == 1
        assert (b"q:rp:acked", 1) in r.pubsub_numsub("q:rp:acked")
        assert r.pubsub_numpat() == 1
        assert r.pubsub_channels("q:rp:*") == [b"q:rp:acked", b"q:rp:pushed"]

        heard: list[Any] = []
        until(lambda: take(pubsub, heard) and len(heard) == 5)
        pubsub.check_health()
        pubsub.unsubscribe()
        pubsub.punsubscribe()
        ended: list[Any] = []
        until(lambda: take(pubsub, ended) and not pubsub.subscribed)

    assert [each["type"] for each in heard[:3]] == ["subscribe", "subscribe", "psubscribe"]
    assert [(each["channel"], each["data"]) for each in heard[3:]] == [
        (b"q:rp:acked", job_id),
        (b"news.1", b"fine"),
    ]
    assert heard[4]["pattern"] == b"news.*"
    assert [(each["channel"], each["data"]) for each in handled] == [(b"q:rp:pushed", job_id)]
    assert [each["type"] for each in ended] == ["unsubscribe", "unsubscribe", "punsubscribe"]
    pool.disconnect()


def take(pubsub: Any, heard: list[Any]) -> bool:
    """Wait a little for a message, and keep it."""
    message = pubsub.get_message(timeout=0.1)
    if message is not None:
        heard.append(message)
    return True


def test_redis_cli_listens(server: ServerProcess, client: Wire) -> None:
    command = [redis_cli(), "-p", str(server.port), "PSUBSCRIBE", "q:cli:*"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        lines = iter(program.stdout.readline, "")
        assert [next(lines) for _ in range(3)] == ["psubscribe\n", "q:cli:*\n", "1\n"]

        job_id = client.say("QPUSH cli x").decode()

        assert [next(lines) for _ in range(4)] == [
            "pmessage\n",
            "q:cli:*\n",
            "q:cli:pushed\n",
            f"{job_id}\n",
        ]
        program.kill()
