"""Kill a server again and again under its clients, and check what they recorded.

``make storm`` runs this for 200 kills; the test runs twenty. The seed decides what the clients
do and when the kills come; what the machine does in between is chance.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.crash.clients import Worker, look_up
from tests.crash.recorder import Recorder
from tests.server_process import ServerProcess

WORKERS = 4


def storm(directory: Path, *, kills: int, fsync: str, seed: int) -> Path:
    """Return the history of ``kills`` kills."""
    chance = random.Random(seed)
    history = directory / "history.jsonl"
    # So small that compaction runs again and again.
    server = ServerProcess(directory / "data", "--fsync", fsync, "--segment-bytes", "64kb")
    server.start()
    with Recorder(history) as recorder:
        workers = [
            Worker(number, server.port, 2 + number % 2, recorder, chance.randrange(1 << 30))
            for number in range(WORKERS)
        ]
        try:
            for worker in workers:
                worker.start()
            for _ in range(kills):
                time.sleep(chance.uniform(0.02, 0.4))
                server.kill()
                recorder.down()
                server.start()
            _end(workers)
            look_up(server.port, recorder, set().union(*(worker.seen for worker in workers)))
        finally:
            server.kill()
    return history


def _end(workers: list[Worker]) -> None:
    for worker in workers:
        worker.stopping.set()
    for worker in workers:
        worker.join(60)
        assert not worker.is_alive(), "a client hangs"
        if worker.failure is not None:
            raise worker.failure


def checked(history: Path) -> subprocess.CompletedProcess[str]:
    """Return what ``respq check`` says of a history."""
    return subprocess.run(
        [sys.executable, "-m", "respq", "check", str(history)],
        capture_output=True,
        text=True,
        check=False,
    )


def main() -> int:
    """Run a storm from the command line; return 1 if anything was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--fsync", default="always", choices=("always", "everysec", "no"))
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--keep", type=Path, help="where to leave the history")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        history = storm(
            Path(directory), kills=arguments.kills, fsync=arguments.fsync, seed=arguments.seed
        )
        result = checked(history)
        if arguments.keep is not None:
            arguments.keep.write_bytes(history.read_bytes())
    sys.stdout.write(f"{arguments.kills} kills, seed {arguments.seed}, fsync {arguments.fsync}\n")
    sys.stdout.write(result.stdout + result.stderr)
    return result.returncode


if __name__ == "__main__":
    raise SystemExit(main())
