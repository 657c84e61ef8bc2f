from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
import redis
from click.testing import CliRunner, Result

from respq.cli.main import main
from respq.journal.verify import verify
from tests.crash.clients import connect
from tests.journal.recorded import Recorded
from tests.server_process import ServerProcess

SEGMENT_BYTES = 64 * 1024
LIMIT_S = 60.0


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    """Leave a stopped journal of three batches."""
    recorded = Recorded(tmp_path / "data")
    for number in range(3):
        recorded.say(f"QPUSH mail {number}")
    recorded.close()
    return recorded


def run(*words: str | Path, **environ: str) -> Result:
    return CliRunner().invoke(main, [*map(str, words)], env=environ)


def test_a_backup_says_what_it_holds(recorded: Recorded, tmp_path: Path) -> None:
    result = run("backup", tmp_path / "saved", "--data-dir", tmp_path / "data")

    assert result.exit_code == 0, result.output
    facts, where = result.output.splitlines()
    assert re.fullmatch(
        r"position 3  time 2023-11-14T22:13:20\.000Z  batches 3  records \d+  bytes \d+", facts
    )
    assert where == f"backup of {tmp_path / 'data'} in {tmp_path / 'saved'}"
    assert recorded.position == 3
    assert verify(str(tmp_path / "saved")).is_whole


def test_the_journal_is_where_serve_would_have_it(recorded: Recorded, tmp_path: Path) -> None:
    result = run("backup", tmp_path / "saved", RESPQ_DATA_DIR=str(tmp_path / "data"))

    assert result.exit_code == 0, result.output
    assert f"position {recorded.position} " in result.output


def test_a_backup_is_restored(recorded: Recorded, tmp_path: Path) -> None:
    run("backup", tmp_path / "saved", "--data-dir", tmp_path / "data")

    result = run("restore", tmp_path / "saved", "--data-dir", tmp_path / "again")

    assert result.exit_code == 0, result.output
    facts, where = result.output.splitlines()
    assert facts.startswith(f"position {recorded.position}  time ")
    assert where == f"restored {tmp_path / 'saved'} to {tmp_path / 'again'}"
    assert verify(str(tmp_path / "again")).is_whole


@pytest.mark.parametrize("command", ["backup", "restore"])
@pytest.mark.parametrize("problem", ["taken", "absent", "broken", "setting"])
def test_a_refusal_is_one_line_and_leaves_nothing(
    recorded: Recorded, tmp_path: Path, command: str, problem: str
) -> None:
    data, target = tmp_path / "data", tmp_path / "target"
    environ = {}
    if problem == "taken":
        target.mkdir()
        (target / "tail").write_bytes(b"")
    elif problem == "absent":
        data = tmp_path / "absent"
    elif problem == "broken":
        (data / "tail").unlink()
    else:
        environ["RESPQ_DATADIR"] = "x"
    before = sorted(os.listdir(tmp_path))

    words: list[str | Path] = [target, "--data-dir", data]
    if command == "restore":
        words = [data, "--data-dir", target]
    if problem == "setting":
        words = words[:1]
    result = run(command, *words, **environ)

    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert sorted(os.listdir(tmp_path)) == before
    assert recorded.position == 3


def test_sigterm_ends_a_backup_and_leaves_nothing(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path / "data")
    recorded.say("QPUSH mail x")
    recorded.close()
    slow = (
        "import time, respq.journal.copy as copy, respq.cli.main as cli\n"
        "copy.measure = lambda *_: (print('busy', flush=True), time.sleep(60))\n"
        "cli.main()"
    )
    command = [sys.executable, "-c", slow, "backup", str(tmp_path / "saved")]
    process = subprocess.Popen(
        [*command, "--data-dir", str(tmp_path / "data")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "busy\n"
    assert len(os.listdir(tmp_path)) == 2

    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=30) == 128 + signal.SIGTERM
    process.stdout.close()
    assert os.listdir(tmp_path) == ["data"]


class Load(threading.Thread):
    """Pushes and finishes jobs, and remembers those that stay; until told to stop."""

    def __init__(self, port: int, number: int) -> None:
        super().__init__(daemon=True)
        self.client = connect(port)
        self.number = number
        self.stopping = threading.Event()
        self.kept: list[str] = []
        """Ids of jobs in `keep` whose push was answered."""
        self.fences: list[int] = []
        self.rounds = 0

    def run(self) -> None:
        """Work until `stopping`, or until the server is gone."""
        try:
            while not self.stopping.is_set():
                self._round()
        except redis.ConnectionError:
            return

    def _round(self) -> None:
        say = self.client.execute_command
        self.kept.append(say("QPUSH", "keep", f"{self.number}-{self.rounds}"))
        say("QMPUSH", "busy", 50, *[f"{n:0200}" for n in range(50)])
        jobs = say("QPOP", "busy", "COUNT", 50)
        self.fences += [int(receipt.partition(":")[0]) for _, receipt, _ in jobs]
        if jobs:
            say("QACK", "busy", *[receipt for _, receipt, _ in jobs])
        self.rounds += 1


@pytest.mark.parametrize("fsync", ["always", "no"])
def test_everything_answered_before_a_backup_under_load_is_in_it(
    tmp_path: Path, fsync: str
) -> None:
    data = tmp_path / "data"
    flags = ("--fsync", fsync, "--segment-bytes", str(SEGMENT_BYTES))
    answered: list[list[str]] = []
    with ServerProcess(data, *flags) as server:
        loads = [Load(server.port, number) for number in range(3)]
        for load in loads:
            load.start()
        ends_s = time.monotonic() + LIMIT_S
        while len(answered) < 5 or (data / "segment-00000001").exists():
            assert time.monotonic() < ends_s, "compaction deletes nothing"
            time.sleep(0.2)
            answered.append([each for load in loads for each in list(load.kept)])
            fence = max((fence for load in loads for fence in list(load.fences)), default=0)
            result = run("backup", tmp_path / f"saved-{len(answered)}", "--data-dir", data)
            assert result.exit_code == 0, result.output
        server.kill()
        for load in loads:
            load.join(30)
            load.client.close()

    saved = [tmp_path / f"saved-{number}" for number in range(1, len(answered) + 1)]
    assert sorted(tmp_path.iterdir()) == sorted([data, *saved])
    assert all(verify(str(each)).is_whole for each in saved)
    assert answered[-1]
    for directory, kept in ((saved[0], answered[0]), (saved[-1], answered[-1])):
        with ServerProcess(directory, *flags) as server, closing(connect(server.port)) as client:
            assert set(kept) <= scanned(client, "keep")
            client.execute_command("QPUSH", "after", "x")
            receipt = client.execute_command("QPOP", "after")[1]
    assert int(receipt.partition(":")[0]) > fence > 0


def scanned(client: redis.Redis, queue: str) -> set[str]:
    """Return the ids of all jobs of a queue."""
    found, cursor = set[str](), "0"
    while True:
        cursor, jobs = client.execute_command("QSCAN", queue, cursor, "COUNT", 1_000)
        found |= set(jobs)
        if cursor == "0":
            return found


def test_a_backup_of_a_killed_server_has_everything_it_answered(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as server:
        client = connect(server.port)
        jobs = [client.execute_command("QPUSH", "mail", n) for n in range(100)]
        client.close()
        server.kill()

    result = run("backup", tmp_path / "saved", "--data-dir", tmp_path / "data")

    assert result.exit_code == 0, result.output
    with ServerProcess(tmp_path / "saved") as server, closing(connect(server.port)) as client:
        assert client.execute_command("QLEN", "mail") == len(jobs)
