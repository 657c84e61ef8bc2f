"""A real server with more payloads than it may have memory for."""

from __future__ import annotations

import time
from pathlib import Path

import redis

from tests.crash.clients import connect
from tests.server_process import ServerProcess

MIB = 1 << 20
COUNT = 120_000
PAYLOAD = "x" * 1_016
LIMIT = ("--maxmemory", str(160 * MIB), "--fsync", "no")


def payload(number: int) -> str:
    return f"{number:08}{PAYLOAD}"


def fill(client: redis.Redis) -> None:
    """Push as many bytes as three quarters of the limit, and then some: 117 MiB of payloads.

    A machine that pushes faster than it lets go is told to wait a moment.
    """
    for first in range(0, COUNT, 200):
        numbers = range(first, first + 200)
        while True:
            try:
                client.execute_command("QMPUSH", "q", 200, *map(payload, numbers))
                break
            except redis.exceptions.OutOfMemoryError:
                time.sleep(0.05)


def take(client: redis.Redis, first: int, count: int) -> None:
    """Take jobs, which must be those that follow, whole."""
    for at in range(first, first + count, 500):
        jobs = client.execute_command("QPOP", "q", "COUNT", 500)
        assert [job[2] for job in jobs] == [payload(number) for number in range(at, at + 500)]
        assert client.execute_command("QACK", "q", *[job[1] for job in jobs]) == 500


def test_a_backlog_beyond_the_memory_is_taken_and_given_out_in_order(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, *LIMIT) as server:
        client = connect(server.port)
        fill(client)
        take(client, 0, 10_000)
        info = client.info()
        assert info["respq_payloads_let_go"] > 10_000
        assert info["respq_payloads_read_back"] > 0
        assert info["used_memory"] < 160 * MIB
        client.close()
        server.kill()

        server.start()
        client = connect(server.port)
        # A start keeps as many as fit.
        assert client.info()["used_memory"] < 130 * MIB
        take(client, 10_000, COUNT - 10_000)
        info = client.info()
        assert info["respq_payloads_read_back"] > 10_000
        assert client.execute_command("QLEN", "q") == 0
        client.close()
