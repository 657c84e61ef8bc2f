"""What a reply promises, seen from outside: the system calls before it, and disks that fail."""

from __future__ import annotations

import re
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.requirements import strace
from tests.server.disk import traced
from tests.server.wire import Wire, request, requests
from tests.server_process import ServerProcess

CALLS = "pwrite64,fdatasync,fsync,write,writev,sendto,sendmsg"
END = "stopped status=0"
_CALL = re.compile(r"^\d+ +(\w+)\(\d+<([^>]*)>(.*)$")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. (fdatasync|fsync) resumed>")


class Trace:
    """The system calls of a server, as strace wrote them: in order, by name, file and rest."""

    def __init__(self, log: Path) -> None:
        while END not in (text := log.read_text()):
            pass  # The server is gone; strace is just behind.
        self.lines = text.splitlines()

    def events(self) -> Iterator[str]:
        """Yield ``write`` and ``sync`` of the log of the journal, ``tail``, and ``reply``."""
        syncing: set[str] = set()
        for line in self.lines:
            if resumed := _RESUMED.match(line):
                if resumed[1] in syncing:
                    syncing.remove(resumed[1])
                    yield "sync"
                continue
            call = _CALL.match(line)
            if call is None:
                continue
            name, file, rest = call.groups()
            if name in ("fdatasync", "fsync"):
                if not file.endswith("-wal"):
                    continue
                if rest.endswith("<unfinished ...>"):
                    syncing.add(line.split()[0])
                else:
                    yield "sync"
            elif file.endswith("-wal"):
                yield "write"
            elif file.endswith("/tail"):
                yield "tail"
            elif file.startswith("socket:") and '"$' in rest:
                yield "reply"


def pushed(tmp_path: Path, *flags: str, count: int = 40) -> list[str]:
    """Return what a server does that is asked for single and pipelined pushes, until its end."""
    log = tmp_path / "trace"
    memory = "--memory" in flags
    data_dir = None if memory else tmp_path / "data"
    rest = [flag for flag in flags if flag != "--memory"]
    with ServerProcess(data_dir, *rest, wrapper=traced(log, CALLS)) as server:
        with Wire(server.port) as client, Wire(server.port) as other:
            for number in range(count):
                client.ask("QPUSH", "q", number)
                if number % 4 == 0:
                    other.send(request("QPUSH", "q", "x") * 20)
                    other.read_many(20)
        assert server.stop() == 0
    events = list(Trace(log).events())
    return events[: len(events) - events[::-1].index("reply")]


def test_always_syncs_the_log_between_the_last_write_and_the_first_reply(tmp_path: Path) -> None:
    events = pushed(tmp_path, "--fsync", "always")

    assert events.count("reply") >= 50
    place = 0
    while "reply" in events[place:]:
        reply = events.index("reply", place)
        written = len(events[:reply]) - events[:reply][::-1].index("write")
        assert "sync" in events[written:reply], f"a reply without a sync: {events[place:reply]}"
        assert "tail" in events[written:reply]
        place = reply + 1


def test_no_and_everysec_reply_without_waiting_for_the_disk(tmp_path: Path) -> None:
    for mode in ("no", "everysec"):
        (tmp_path / mode).mkdir()
        events = pushed(tmp_path / mode, "--fsync", mode)

        assert events.count("reply") >= 50
        assert events.count("write") >= 50
        assert events.count("sync") < 10


def test_everysec_syncs_within_a_second_what_it_has_answered(tmp_path: Path) -> None:
    log = tmp_path / "trace"
    wrapper = traced(log, "fdatasync")
    with (
        ServerProcess(tmp_path / "data", "--fsync", "everysec", wrapper=wrapper) as server,
        Wire(server.port) as client,
    ):
        for number in range(2):
            synced = log.read_text().count("cache.db-wal")
            client.ask("QPUSH", "q", number)

            while log.read_text().count("cache.db-wal") == synced:
                assert client.say("PING") == b"PONG"


def test_memory_writes_nothing_and_says_so(tmp_path: Path) -> None:
    log = tmp_path / "trace"
    with ServerProcess(None, wrapper=traced(log, CALLS)) as server:
        with Wire(server.port) as client:
            client.say("QPUSH q x")
        banner = "".join(server.log)
        server.kill()
        server.start()
        with Wire(server.port) as client:
            assert client.say("QLEN q") == 0

    assert "  data        nothing is kept: --memory\n" in banner
    assert "  durability  memory: everything is lost when the process ends\n" in banner
    assert "pwrite64" not in log.read_text()


@pytest.mark.parametrize("mode", ["always", "everysec", "no"])
def test_no_mode_loses_an_answered_job_when_the_process_is_killed(
    tmp_path: Path, mode: str
) -> None:
    server = ServerProcess(tmp_path, "--fsync", mode)
    with server:
        with Wire(server.port) as client:
            client.send(requests("QPUSH q x\n") * 5_000)
            answered = [client.read() for _ in range(2_500)]
            server.kill()
        server.start()

        with Wire(server.port) as client:
            kept = client.say("QPEEK q COUNT 10000")
    assert [job for job, _ in kept][: len(answered)] == answered


# Disks that fail.


Tracer = subprocess.Popen[str]


def no_space_left(server: ServerProcess) -> None:
    """Let the files of a server grow no more."""
    log = Path(str(server.data_dir), "segment-00000001", "cache.db-wal")
    limit = log.stat().st_size + 20_000
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (limit, limit))


def sync_fails(server: ServerProcess) -> Tracer:
    return inject(server, "fdatasync,fsync:error=EIO")


def write_fails(server: ServerProcess) -> Tracer:
    return inject(server, "pwrite64:error=ENOSPC")


def inject(server: ServerProcess, fault: str) -> Tracer:
    """Let system calls of a running server fail from now on; the tracer ends with it."""
    calls = fault.partition(":")[0]
    command = [strace(), "-f", "-o", "/dev/null", "-e", f"trace={calls}", "-e", f"inject={fault}"]
    tracer = subprocess.Popen([*command, "-p", str(server.pid)], stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    assert "attached" in tracer.stderr.readline()
    return tracer


@pytest.mark.parametrize("fault", [no_space_left, sync_fails, write_fails])
def test_a_failing_disk_ends_the_server_without_a_reply_and_nothing_answered_is_lost(
    tmp_path: Path, fault: Callable[[ServerProcess], Tracer | None]
) -> None:
    with ServerProcess(tmp_path / "data") as server:
        with Wire(server.port) as client, Wire(server.port) as blocked:
            answered = [client.ask("QPUSH", "q", f"before-{number}") for number in range(50)]
            blocked.send(requests("QPOP nothing BLOCK 0"))

            tracer = fault(server)
            sent = 0
            try:
                while sent < 200:
                    sent += 1
                    answered.append(client.ask("QPUSH", "q", f"after-{sent}-" + "x" * 500))
            except ConnectionError:
                pass
            assert len(answered) < 50 + sent
            assert blocked.rest() == []
            assert client.rest() == []

        assert server.wait() == 1
        if tracer is not None:
            tracer.communicate()
        log = "".join(server.log)
        assert re.search(
            r" error   stopping: the journal failed; the next start reads back everything that was "
            r"answered reason=batch \d+ could not be written in '.*data': .+\n",
            log,
        )
        assert "Traceback" not in log
        assert log.endswith(" stopped status=1\n")

        server.start()
        with Wire(server.port) as client:
            kept = [job for job, _ in client.say("QPEEK q COUNT 10000")]
            assert kept[: len(answered)] == answered
            # The one that was not answered is there whole, or not at all.
            assert len(kept) - len(answered) in (0, 1)


def test_a_sync_of_every_second_that_fails_ends_the_server(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", "--fsync", "everysec") as server:
        with Wire(server.port) as client:
            job = client.say("QPUSH q x")
            tracer = sync_fails(server)

            assert client.rest() == []
        assert server.wait() == 1
        tracer.communicate()
        log = "".join(server.log)
        assert re.search(
            r"journal failed; .* reason=the journal could not be made durable in ", log
        )

        server.start()
        with Wire(server.port) as client:
            assert client.say("QPEEK q")[0] == job
