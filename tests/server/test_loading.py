"""A server that reads its journal back: it says so, and what it cannot do yet it refuses."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.server.wire import Wire, request, requests
from tests.server_process import ServerProcess

REFUSAL = "LOADING respq is loading the journal in memory"
JOBS = 500_000
ANSWERED = [
    "HELLO 2",
    "SELECT 0",
    "CLIENT ID",
    "CLIENT LIST",
    "CLIENT SETNAME someone",
    "COMMAND COUNT",
    "COMMAND INFO QPUSH",
    "CONFIG GET maxclients",
    "TIME",
    "INFO",
    "INFO everything",
    "RESET",
]
REFUSED = [
    "PING",
    "ECHO x",
    "QPUSH other x",
    "QPOP other",
    "QPOP other BLOCK 1",
    "QLEN q",
    "QSTATS",
    "DBSIZE",
    "KEYS *",
    "SCAN 0",
    "SHUTDOWN",
]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with a journal that takes a while; it was killed."""
    directory = tmp_path_factory.mktemp("large")
    server = ServerProcess(directory / "data", "--unix-socket", str(directory / "socket"))
    with server:
        with Wire(server.port) as client:
            for _ in range(JOBS // 10_000):
                client.send(request("QMPUSH", "q", 10_000, *range(10_000)))
            for _ in range(JOBS // 10_000):
                client.read()
        server.kill()
        yield server
        assert "Traceback" not in "".join(server.log)


@pytest.fixture
def server(large: ServerProcess) -> Iterator[ServerProcess]:
    """The same server, which a test has for itself."""
    yield large
    large.kill()


def listening(server: ServerProcess) -> Wire:
    """Launch the server, and return the first connection that it takes."""
    server.launch()
    while True:
        # A port is no good for this: who tries one too often gets connected to itself.
        with contextlib.suppress(ConnectionRefusedError, FileNotFoundError):
            return Wire(server.flags[-1])


def test_everything_but_the_service_is_there_while_the_journal_is_read(
    server: ServerProcess,
) -> None:
    seen = 0
    with listening(server) as client:
        while (reply := client.say("PING")) == REFUSAL:
            before = b"loading:1\r" in client.say("INFO persistence")
            for line in ANSWERED:
                said = client.say(line)
                assert not isinstance(said, str), f"{line}: {said}"
            refused = [client.say(line) for line in REFUSED if line != "SHUTDOWN"]
            client.send(requests("MULTI\nQPUSH other x\nEXEC"))
            refused_in_multi = client.read_many(3)
            if before and client.say("PING") == REFUSAL:
                seen += 1
                assert set(refused) == {REFUSAL}
                assert refused_in_multi == [
                    b"OK",
                    REFUSAL,
                    "EXECABORT Transaction discarded because of previous errors.",
                ]

        assert reply == b"PONG"
        assert seen > 0, "the journal is too small for this test"
        assert b"loading:0\r" in client.say("INFO persistence")
        assert client.say("QLEN q") == JOBS


def test_shutdown_is_refused_while_the_journal_is_read(server: ServerProcess) -> None:
    with listening(server) as client:
        assert client.say("SHUTDOWN") == REFUSAL
        server.until_ready()
        assert client.say("PING") == b"PONG"


def test_a_signal_while_the_journal_is_read_ends_the_server_and_changes_nothing(
    server: ServerProcess,
) -> None:
    with listening(server) as client:
        assert server.stop() == 0

        assert client.rest() == []
    assert "stopped while the journal was being read back" in server.log[-1]
    server.start()
    with Wire(server.port) as client:
        assert client.say("QLEN q") == JOBS
