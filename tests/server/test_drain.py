"""The end of a server that is asked to end: nobody is left without an answer."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server.waiting import until_blocked
from tests.server.wire import Wire, requests
from tests.server_process import ServerProcess

REFUSAL = "SHUTDOWN the server is shutting down: connect to it again in a moment"
LONG = ("--drain-ms", "1h")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server that would wait for acks for an hour."""
    with ServerProcess(tmp_path / "data", *LONG) as server:
        yield server
        assert not [line for line in server.log if " error " in line or "Traceback" in line]


def drain(server: ServerProcess, client: Wire, signal_number: int = signal.SIGTERM) -> None:
    """Send a signal, and return when the server has heard it."""
    os.kill(server.pid, signal_number)
    while client.say("QPUSH before-the-drain x") != REFUSAL:
        pass


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_when_the_last_lease_is_acknowledged(
    server: ServerProcess, signal_number: int
) -> None:
    with Wire(server.port) as worker, Wire(server.port) as blocked, Wire(server.port) as other:
        worker.send(requests("QPUSH work a\nQPUSH work b\nQPUSH work c\nQPOP work\nQPOP work"))
        first, second = (delivery[1] for delivery in worker.read_many(5)[3:])
        blocked.send(requests("QPOP nothing BLOCK 0\nPING\nQPOP work"))
        until_blocked(other)

        drain(server, other, signal_number)

        assert blocked.read_many(3) == [None, b"PONG", REFUSAL]
        for line in ("QPUSH work x", "QPOP work", "QPOP work BLOCK 0", "QMPOP 1 work", "DEL work"):
            assert other.say(line) == REFUSAL
        other.send(requests("MULTI\nQPUSH work x\nEXEC"))
        assert other.read_many(3)[1:] == [
            REFUSAL,
            "EXECABORT Transaction discarded because of previous errors.",
        ]
        with pytest.raises(ConnectionRefusedError):
            Wire(server.port)
        assert other.say("QLEN work") == 1
        assert worker.ask("QTOUCH", "work", first)[0] > 0
        assert worker.ask("QNACK", "work", first, "SILENT") == 1
        assert worker.ask("QACK", "work", second) == 1

        assert server.wait() == 0
        assert blocked.rest() == worker.rest() == other.rest() == []
    server.start()
    with Wire(server.port) as client:
        deliveries = [client.say("QPOP work") for _ in range(3)]
        assert [delivery and delivery[2] for delivery in deliveries] == [b"c", b"a", None]


def test_a_lease_that_nobody_ends_is_waited_for_no_longer_than_the_limit(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, "--drain-ms", "50")
    with server, Wire(server.port) as worker:
        worker.send(requests("QPUSH work a\nQPUSH work b\nQPOP work LEASE 1h"))
        receipt = worker.read_many(3)[2][1]

        assert server.stop() == 0

        server.start()
        with Wire(server.port) as other:
            assert other.say("QLEN work") == 1
            assert other.ask("QACK", "work", receipt) == 1


def test_a_second_signal_leaves_at_once(server: ServerProcess) -> None:
    with Wire(server.port) as worker, Wire(server.port) as other:
        worker.send(requests("QPUSH work a\nQPOP work LEASE 1h"))
        receipt = worker.read_many(2)[1][1]
        drain(server, other)

        assert server.stop() == 0

    server.start()
    with Wire(server.port) as client:
        assert client.ask("QACK", "work", receipt) == 1


def test_leases_are_not_waited_for_when_no_client_is_left_to_end_them(
    server: ServerProcess,
) -> None:
    with Wire(server.port) as worker:
        worker.send(requests("QPUSH work a\nQPOP work LEASE 1h"))
        worker.read_many(2)

    assert server.stop() == 0


def test_idle_clients_are_not_waited_for(server: ServerProcess) -> None:
    with Wire(server.port) as idle:
        idle.say("QPUSH work a")

        assert server.stop() == 0
        assert idle.rest() == []


def test_what_was_answered_before_the_end_is_there_after_it(server: ServerProcess) -> None:
    count = 20_000
    stream = requests("".join(f"QPUSH work x ID j{number}\n" for number in range(count)))
    with Wire(server.port) as client:
        sender = threading.Thread(target=send_what_is_taken, args=(client.send, stream))
        sender.start()
        replies = client.read_many(1_000)

        os.kill(server.pid, signal.SIGTERM)

        replies += client.rest()
        sender.join()
        assert server.wait() == 0
    answered = [reply for reply in replies if isinstance(reply, bytes)]
    assert set(replies) - set(answered) <= {REFUSAL}
    assert answered == [b"j%d" % number for number in range(len(answered))]
    server.start()
    with Wire(server.port) as client:
        kept = client.say("QLEN work")
        assert len(answered) <= kept <= count


def send_what_is_taken(send: Callable[[bytes], None], stream: bytes) -> None:
    try:
        send(stream)
    except ConnectionError:
        return


def test_shutdown_does_as_the_signal_and_closes_without_a_reply(server: ServerProcess) -> None:
    with Wire(server.port) as worker, Wire(server.port) as caller:
        worker.send(requests("QPUSH work a\nQPOP work"))
        receipt = worker.read_many(2)[1][1]

        caller.send(requests("SHUTDOWN"))

        assert caller.rest() == []
        assert worker.say("QPUSH work x") == REFUSAL
        assert worker.say("PING") == b"PONG"
        assert worker.ask("QACK", "work", receipt) == 1
        assert server.wait() == 0


def test_shutdown_now_waits_for_no_ack(server: ServerProcess) -> None:
    with Wire(server.port) as worker, Wire(server.port) as caller:
        worker.send(requests("QPUSH work a\nQPOP work LEASE 1h"))
        receipt = worker.read_many(2)[1][1]

        caller.send(requests("QPUSH work b\nSHUTDOWN NOW"))

        assert server.wait() == 0
    server.start()
    with Wire(server.port) as client:
        assert client.ask("QACK", "work", receipt) == 1
        assert client.say("QPOP work")[2] == b"b"


def test_pops_in_the_same_pipeline_as_shutdown_are_put_back(server: ServerProcess) -> None:
    with Wire(server.port) as caller:
        caller.say("QPUSH work a")
        caller.send(requests("QPOP work LEASE 1h\nSHUTDOWN\nQPUSH never x"))

        caller.rest()
        assert server.wait() == 0
    server.start()
    with Wire(server.port) as client:
        assert client.say("QPOP work")[2] == b"a"
        assert client.say("EXISTS never") == 0


def test_the_end_is_told_in_the_log(server: ServerProcess) -> None:
    assert server.stop() == 0

    assert re.search(r" info +draining leased=0 limit_ms=3600000\n", "".join(server.log))
    assert re.search(r" info +stopped status=0\n", server.log[-1])
