"""What is lost when: ``make losses`` measures the table of the README.

For each mode of `--fsync` a server runs for some seconds, and a client notes what it was answered
for (tests/crash/answered.py). Then, at moments all over the run:

- killed: everything that the server wrote is there, as when its process is killed;
- cut off: nothing is there that it had not synced, as when the power fails (journal/power.py).

Another start on what is left tells which of the jobs that were answered for are gone.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from unittest import mock

from respq.engine.state import State
from respq.errors import StartRefused
from respq.journal import disk as disks
from respq.journal.disk import DiskJournal
from respq.journal.replay import replay
from tests.journal.power import Disk, moments, put, trace

MODES: Final = ("always", "everysec", "no")


@dataclass
class Loss:
    """The most that was lost at one moment."""

    moments: int = 0
    jobs: int = 0
    ms: int = 0
    """From the answer to the first lost job to the last answer."""

    def add(self, answered: list[int], found: int) -> None:
        """Take one moment: when each job was answered for, and how many of them are there."""
        self.moments += 1
        if found < len(answered):
            self.jobs = max(self.jobs, len(answered) - found)
            self.ms = max(self.ms, answered[-1] - answered[found])

    def __str__(self) -> str:
        """Return it as a cell of the table."""
        if not self.jobs:
            return f"nothing, at {self.moments} moments"
        return f"up to {self.jobs:,} jobs of the last {self.ms / 1_000:.1f} s"


def measure(
    fsync: str, directory: Path, seconds: float, every: int, seed: int
) -> tuple[Loss, Loss]:
    """Return what kills and what power cuts lose, tried at one in ``every`` calls of the server."""
    log, data = directory / "log", directory / "data"
    trace(log, "tests.crash.answered", str(data), "--fsync", fsync, "--seconds", str(seconds))
    disk, chance = Disk(data), random.Random(seed)
    killed, cut = Loss(), Loss()
    for _ in moments(disk, log):
        if chance.random() < 1 / every:
            answered = answers(disk)
            for loss, files in ((killed, disk.written()), (cut, disk.left(chance, 0.0))):
                loss.add(answered, found(files, disk.root, directory / "left"))
    return killed, cut


def answers(disk: Disk) -> list[int]:
    """Return when each job was answered for, by what the client has printed."""
    lines = b"".join(disk.said).decode().splitlines()
    return [int(line.split()[1]) for line in lines]


def found(files: dict[str, bytes | None], root: str, to: Path) -> int:
    """Start on these files; return how many jobs are there, the first that were pushed."""
    shutil.rmtree(to, ignore_errors=True)
    put(files, root, to)
    with mock.patch.object(disks, "read_boot", return_value=b"another boot    "):
        try:
            journal = DiskJournal(str(to), fsync="no", segment_bytes=1 << 26)
        except StartRefused:
            return 0  # There is no whole beginning of a journal yet.
        state = State()
        replay(journal, state, lambda _: None)
        journal.close()
    numbers = sorted(
        int(job.payload)
        for queue in state.queues.values()
        for chunk in queue.jobs.values()
        for job in chunk.values()
    )
    assert numbers == [*range(1, len(numbers) + 1)], "a job is missing in the middle"
    return len(numbers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each run")
    parser.add_argument("--every", type=int, default=10, help="one in so many calls is a moment")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    sys.stdout.write("| `--fsync` | process killed | power fails |\n|---|---|---|\n")
    for fsync in MODES:
        with tempfile.TemporaryDirectory(prefix="respq-losses-") as directory:
            killed, cut = measure(
                fsync, Path(directory), options.seconds, options.every, options.seed
            )
        sys.stdout.write(f"| `{fsync}` | {killed} | {cut} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
