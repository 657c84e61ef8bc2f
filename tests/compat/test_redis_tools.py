"""redis-cli without a terminal, and redis-benchmark; with one it is in test_redis_cli.py."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.requirements import missing, redis_cli
from tests.server.wire import Wire, request
from tests.server_process import ServerProcess


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    path = tmp_path_factory.mktemp("socket") / "socket"
    with ServerProcess(None, "--password", "secret", "--unix-socket", str(path)) as server:
        yield server


def cli(server: ServerProcess, *words: str, stdin: bytes = b"") -> str:
    """Return what redis-cli writes; it must end well."""
    ended = subprocess.run(
        [redis_cli(), "-p", str(server.port), "-a", "secret", "--no-auth-warning", *words],
        input=stdin,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 0, ended
    assert ended.stderr == b""
    return ended.stdout.decode()


@pytest.mark.parametrize("protocol", ["-2", "-3"])
def test_redis_cli_takes_a_job_through_its_life(server: ServerProcess, protocol: str) -> None:
    job = cli(server, protocol, "QPUSH", "mail", "hello")
    assert re.fullmatch(r"\d{13}-\d+\n", job)
    popped, receipt, payload = cli(server, protocol, "QPOP", "mail").splitlines()
    assert (popped + "\n", payload) == (job, "hello")
    assert cli(server, protocol, "QACK", "mail", receipt) == "1\n"
    assert cli(server, protocol, "QPOP", "mail") == "\n"
    assert cli(server, protocol, "QLEN", "mail") == "0\n"
    assert "ready\n0\n" in cli(server, protocol, "QSTATS").replace(" ", "\n")
    cli(server, "DEL", "mail")


def test_redis_cli_takes_commands_and_payloads_from_its_input(server: ServerProcess) -> None:
    lines = b'QPUSH mail "a b" ID j1\n\nMULTI\nQPUSH mail c ID j2\nQLEN mail\nEXEC\nNOSUCH\n'

    out = cli(server, stdin=lines)

    assert out.splitlines()[:6] == ["j1", "OK", "QUEUED", "QUEUED", "j2", "2"]
    assert "ERR unknown command 'NOSUCH'" in out
    assert cli(server, "-x", "QPUSH", "mail", stdin=b"from\0a file\n").count("-") == 1
    assert cli(server, "-n", "1", "QLEN", "mail") == "0\n"
    assert cli(server, "--scan") == "mail\n"
    assert cli(server, "DEL", "mail") == "1\n"


def test_redis_cli_pushes_in_bulk(server: ServerProcess) -> None:
    stream = b"".join(request("QPUSH", "bulk", f"{number}\r\n") for number in range(5_000))

    out = cli(server, "--pipe", stdin=stream)

    assert out.endswith("errors: 0, replies: 5000\n")
    assert cli(server, "QLEN", "bulk") == "5000\n"
    cli(server, "DEL", "bulk")


def test_redis_cli_speaks_over_the_unix_socket(server: ServerProcess) -> None:
    assert cli(server, "-s", server.flags[-1], "PING") == "PONG\n"


def test_redis_cli_is_told_what_is_wrong(server: ServerProcess) -> None:
    ended = subprocess.run(
        [redis_cli(), "-p", str(server.port), "-e", "QPUSH", "mail", "hello"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert ended.returncode == 1
    assert "NOAUTH Authentication required." in ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        (["-t", "ping", "-n", "5000"], ["PING_INLINE", "PING_MBULK"]),
        (["-t", "ping", "-n", "20000", "-P", "32", "-c", "20"], ["PING_INLINE", "PING_MBULK"]),
        (["-n", "5000", "-P", "10", "QPUSH", "bench", "payload"], ["QPUSH bench payload"]),
    ],
)
def test_redis_benchmark_runs(server: ServerProcess, words: list[str], rows: list[str]) -> None:
    program = shutil.which("redis-benchmark")
    if program is None:
        missing("redis-benchmark")

    ended = subprocess.run(
        [program, "-p", str(server.port), "-a", "secret", "-q", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert ended.returncode == 0, ended
    for row in rows:
        assert re.search(rf"{row}: \d+\.\d+ requests per second", ended.stdout)
    assert "rror" not in ended.stdout + ended.stderr
    with Wire(server.port) as client:
        client.say("AUTH secret")
        assert client.say("QLEN bench") == (5_000 if "QPUSH" in words else 0)
        client.say("DEL bench")
