"""A real server whose disk, or whose memory, is full."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server.wire import Wire, request
from tests.server_process import ServerProcess

MIB = 1 << 20
DISK_MIB = 64
FLAGS = (
    *("--segment-bytes", "2mb"),
    *("--disk-free-bytes-min", "16mb"),
    *("--ballast-bytes", "16mb"),
)
PAYLOAD = "x" * 1_000
LIMIT_S = 30.0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, so small that it is soon full."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(path)]
    if shutil.which("mount") is None:
        pytest.skip("there is no mount")
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted: {mounted.stderr.strip()}")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


def fill(disk: Path) -> None:
    """Have others take all that is left of a disk, in one go: not what the server makes room of."""
    with (disk / "others").open("ab") as file:
        while True:
            size, free = file.seek(0, os.SEEK_END), shutil.disk_usage(disk).free
            if not free:
                return
            with contextlib.suppress(OSError):  # The server has taken some of that meanwhile.
                os.posix_fallocate(file.fileno(), size, free)
                return


def until(condition: Callable[[], bool]) -> None:
    ends_s = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < ends_s
        time.sleep(0.01)


def push_until_refused(client: Wire, payload: str = PAYLOAD) -> tuple[list[bytes], str]:
    """Push until the first refusal; return the ids of what was taken, and the refusal."""
    taken: list[bytes] = []
    while True:
        client.send(request("QPUSH", "q", payload) * 20)
        replies = client.read_many(20)
        taken += [each for each in replies if isinstance(each, bytes)]
        refused = [each for each in replies if not isinstance(each, bytes)]
        if refused:
            return taken, str(refused[0])


def finish(client: Wire, count: int) -> list[bytes]:
    """Pop and acknowledge jobs, each in commits of its own; return their ids."""
    finished = []
    for _ in range(count):
        job, receipt, _ = client.say("QPOP q")
        assert client.ask("QACK", "q", receipt) == 1
        finished.append(job)
    return finished


def finish_all(client: Wire) -> None:
    """Pop and acknowledge whatever is ready, a thousand at once."""
    while jobs := client.say("QPOP q COUNT 1000"):
        assert client.ask("QACK", "q", *[job[1] for job in jobs]) == len(jobs)


def test_a_server_on_a_full_disk_refuses_pushes_takes_acks_and_starts_again(disk: Path) -> None:
    ballast = disk / "data" / "ballast"
    with ServerProcess(disk / "data", *FLAGS) as server:
        with Wire(server.port) as client:
            pushed, refusal = push_until_refused(client)
            assert refusal.startswith("MISCONF the disk of the journal has room for ")
            assert len(pushed) > 5_000
            assert ballast.stat().st_size == 16 * MIB
            assert shutil.disk_usage(disk).free > 8 * MIB
            finished = finish(client, 50)

            fill(disk)
            until(lambda: ballast.stat().st_size == 8 * MIB)
            finished += finish(client, 50)
            client.send(request("MULTI") + request("QPOP", "q") + request("EXEC"))
            *_, ((held, receipt, _),) = client.read_many(3)
            assert str(client.say("QPUSH q x")).startswith("MISCONF ")
            fill(disk)
            server.kill()

        server.start()
        assert any("the ballast was given up" in line for line in server.log)
        with Wire(server.port) as client:
            assert client.say("QLEN q") == len(pushed) - len(finished) - 1
            assert finished == pushed[:100]
            assert client.ask("QACK", "q", receipt) == 1
            assert held == pushed[100]
            assert finish(client, 20) == pushed[101:121]
            assert str(client.say("QPUSH q x")).startswith("MISCONF ")

            (disk / "others").unlink()
            finish_all(client)
            until(lambda: isinstance(client.say("QPUSH q x"), bytes))
            until(lambda: ballast.exists() and ballast.stat().st_size == 16 * MIB)
        assert server.stop() == 0


def test_acks_alone_make_room_again(disk: Path) -> None:
    with ServerProcess(disk / "data", *FLAGS) as server, Wire(server.port) as client:
        push_until_refused(client)

        finish_all(client)

        until(lambda: isinstance(client.say("QPUSH q x"), bytes))


def test_a_shortage_of_memory_ends_when_its_jobs_are_done() -> None:
    payload = "x" * 2_000
    with ServerProcess(None, "--maxmemory", "150mb") as server, Wire(server.port) as client:
        pushed, refusal = push_until_refused(client, payload)
        assert refusal.startswith("OOM ")
        assert len(pushed) > 10_000
        assert client.say("QLEN q") == len(pushed)

        finish_all(client)

        until(lambda: isinstance(client.say("QPUSH q x"), bytes))
        assert b"respq_memory_level:ok\r\n" in client.say("INFO memory")
        until(lambda: any("memory is no longer short" in line for line in server.log))
        assert any("memory is short: over 90 % of maxmemory" in line for line in server.log)


def test_a_server_says_what_its_limit_of_memory_is_and_holds_it(tmp_path: Path) -> None:
    with (
        ServerProcess(tmp_path, "--maxmemory", "20mb") as server,
        Wire(server.port) as client,
    ):
        assert client.say("CONFIG GET maxmemory") == [b"maxmemory", b"20971520"]
        assert client.say("QPUSH q x") == (
            "OOM command not allowed when used memory > 'maxmemory'."
        )
        assert client.say("QPOP q") is None
        assert b"respq_memory_level:critical\r\n" in client.say("INFO memory")
        assert b"respq_refused_oom:1\r\n" in client.say("INFO stats")
        assert server.stop() == 0


def test_a_server_without_a_limit_finds_one(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, "--log-level", "debug") as server, Wire(server.port) as client:
        name, limit = client.say("CONFIG GET maxmemory")
        assert name == b"maxmemory"
        assert int(limit) > 0
        assert b"maxmemory:%b\r\n" % limit in client.say("INFO memory")
        log = "".join(server.log)
        assert f"maxmemory was found maxmemory={int(limit)} source=" in log
        assert log.count(f" maxmemory={int(limit)} records=") == 1
        assert isinstance(client.say("QPUSH q x"), bytes)
