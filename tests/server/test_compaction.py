"""Compaction of a real server: the directory stays small, and a start finds everything."""

from __future__ import annotations

import contextlib
import fnmatch
import os
import time
from pathlib import Path

import pytest
import redis

from respq.journal.verify import verify
from tests.crash.clients import connect
from tests.server_process import ServerProcess

SEGMENT_BYTES = 256 * 1024
LIMIT_S = 60.0


def disk_bytes(path: Path, *, with_logs: bool = False) -> int:
    """Return the size of all segments; SQLite's log beside the last may have 4 MB by itself.

    A segment may be forgotten while it is looked at.
    """
    pattern = "cache.db*" if with_logs else "cache.db"
    total = 0
    for segment in path.glob("segment-*"):
        for name in fnmatch.filter(next(os.walk(segment), ("", [], []))[2], pattern):
            with contextlib.suppress(FileNotFoundError):
                total += (segment / name).stat().st_size
    return total


def churn(client: redis.Redis, count: int) -> None:
    """Have jobs pushed and finished, ten pipelines of each."""
    for _ in range(10):
        pipeline = client.pipeline(transaction=False)
        for number in range(count // 10):
            pipeline.execute_command("QPUSH", "busy", f"{number:0100}")
        pipeline.execute()
        jobs = client.execute_command("QPOP", "busy", "COUNT", count // 10)
        client.execute_command("QACK", "busy", *[job[1] for job in jobs])


def facts(client: redis.Redis, queue: str) -> dict[str, int]:
    """Return what QSTATS says of a queue."""
    _, flat = client.execute_command("QSTATS", queue)
    return dict(zip(flat[::2], flat[1::2], strict=True))


def until_idle(client: redis.Redis) -> dict[str, int]:
    """Return INFO when compaction has begun and come to its end.

    It is asked three times in a row: a look that is due begins with the turn of the first.
    """
    ends_s = time.monotonic() + LIMIT_S
    idle = 0
    while time.monotonic() < ends_s:
        info = client.info("persistence")
        is_idle = info["respq_compaction_passes"] and not info["respq_compaction_running"]
        idle = idle + 1 if is_idle else 0
        if idle == 3:
            return dict(info)
        time.sleep(0.02)
    raise AssertionError(f"compaction does not end: {info}")


@pytest.mark.parametrize("fsync", ["always", "everysec"])
def test_the_directory_stays_small_and_everything_lives_on(tmp_path: Path, fsync: str) -> None:
    flags = ("--fsync", fsync, "--segment-bytes", str(SEGMENT_BYTES))
    with ServerProcess(tmp_path, *flags) as server:
        client = connect(server.port)
        say = client.execute_command
        later = [say("QPUSH", "later", f"job {n}", "DELAY", "1d") for n in range(200)]
        say("QPUSH", "held", "mine", "ID", "one", "DEDUP", "k", "WINDOW", "1h")
        _, receipt, _ = say("QPOP", "held", "LEASE", "1h")
        say("QPUSH", "fail", "dead", "ATTEMPTS", "1")
        say("QNACK", "fail", say("QPOP", "fail")[1])
        say("QSCHED", "ADD", "later", "nightly", "x", "EVERY", "1h")
        say("QUEUE", "PAUSE", "held", "IN")
        for _ in range(10):
            churn(client, 3_000)
        info = until_idle(client)

        assert info["respq_compaction_relocated"] > 200
        flat = say("QSTATS")
        stats = dict(zip(flat[::2], flat[1::2], strict=True))
        assert stats["journal_bytes"] == info["respq_journal_bytes"]
        assert stats["journal_live_bytes"] == info["respq_journal_live_bytes"]
        assert stats["compaction_running"] == 0
        assert 0 < info["respq_journal_live_bytes"] < 64 * 1024
        assert disk_bytes(tmp_path) < 4 * SEGMENT_BYTES
        assert not (tmp_path / "segment-00000001").exists()
        client.close()
        server.kill()

        assert verify(str(tmp_path)).is_whole
        server.start()
        client = connect(server.port)
        say = client.execute_command
        assert say("QLEN", "busy") == 0
        assert [say("QSHOW", "later", job) is not None for job in later] == [True] * 200
        assert say("QSTATS", "busy")[1] is not None
        with pytest.raises(redis.ResponseError, match="takes no jobs"):
            say("QPUSH", "held", "more")
        say("QUEUE", "RESUME", "held")
        assert say("QPUSH", "held", "mine", "ID", "one") == "one"
        assert say("QACK", "held", receipt) == 1
        churn(client, 1_000)
        client.close()


def test_an_idle_server_writes_nothing(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, "--segment-bytes", str(SEGMENT_BYTES)) as server:
        client = connect(server.port)
        churn(client, 6_000)
        until_idle(client)
        before = client.info("persistence")["respq_journal_position"]
        time.sleep(0.3)

        assert client.info("persistence")["respq_journal_position"] == before
        client.close()


@pytest.mark.timeout(300)
def test_two_million_jobs_leave_no_more_than_the_bound(tmp_path: Path) -> None:
    """Three times what lives and 128 MiB, with segments as large as they are by default."""
    rounds, batch = 200, 10_000
    payloads = [f"{number:0100}" for number in range(batch)]
    with ServerProcess(tmp_path) as server:
        client = connect(server.port)
        say = client.execute_command
        say("QMPUSH", "later", 1_000, *payloads[:1_000], "DELAY", "30d")
        say("QUEUE", "CREATE", "fail", "ATTEMPTS", "1")
        say("QMPUSH", "fail", 1_000, *payloads[:1_000])
        for job in say("QPOP", "fail", "COUNT", 1_000):
            say("QNACK", "fail", job[1])
        for number in range(100):
            say("QSCHED", "ADD", "later", f"s{number}", "x", "EVERY", "30d")
            say("QPUSH", "once", "x", "DEDUP", f"k{number}", "WINDOW", "30d")
        largest = 0
        for _ in range(rounds):
            say("QMPUSH", "busy", batch, *payloads)
            jobs = say("QPOP", "busy", "COUNT", batch)
            assert say("QACK", "busy", *[job[1] for job in jobs]) == batch
            largest = max(largest, disk_bytes(tmp_path, with_logs=True))
        live_bytes = until_idle(client)["respq_journal_live_bytes"]
        client.close()
        server.kill()
        server.start()
        client = connect(server.port)
        say = client.execute_command

        assert 0 < live_bytes < 1 << 20
        assert largest < 3 * live_bytes + (128 << 20)
        assert say("QLEN", "busy") == 0
        assert client.info("queues")["pushed_total"] == rounds * batch + 2_100
        assert facts(client, "later")["delayed"] == 1_000
        assert facts(client, "fail")["dead"] == 1_000
        assert len(say("QSCHED", "LIST", "later")) == 100
        assert say("QPUSH", "once", "x", "DEDUP", "k7", "WINDOW", "30d") is not None
        assert say("QLEN", "once") == 100
        client.close()
