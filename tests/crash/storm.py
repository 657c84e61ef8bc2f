"""Kill a server again and again under its clients, and check what they recorded.

``make storm`` runs this for hundreds of kills; the test runs twenty. The seed decides what
the clients do and when the kills come; what the machine does in between is chance.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.crash.clients import Worker, look_up
from tests.crash.history import History
from tests.server_process import ServerProcess

WORKERS = 4


def storm(data_dir: Path, *, kills: int, fsync: str, seed: int) -> tuple[History, list[str]]:
    """Return the history of ``kills`` kills, and what is wrong with it."""
    chance = random.Random(seed)
    # So small that compaction runs again and again.
    server = ServerProcess(data_dir, "--fsync", fsync, "--segment-bytes", "64kb")
    history = History()
    server.start()
    workers = [
        Worker(number, server.port, 2 + number % 2, history, chance.randrange(1 << 30))
        for number in range(WORKERS)
    ]
    try:
        for worker in workers:
            worker.start()
        for _ in range(kills):
            time.sleep(chance.uniform(0.02, 0.4))
            server.kill()
            server.start()
        for worker in workers:
            worker.stopping.set()
        for worker in workers:
            worker.join(60)
            assert not worker.is_alive(), "a client hangs"
            if worker.failure is not None:
                raise worker.failure
        return history, history.violations(look_up(server.port, history.jobs()))
    finally:
        server.kill()


def main() -> int:
    """Run a storm from the command line; return 1 if anything was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--fsync", default="always", choices=("always", "everysec", "no"))
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as data_dir:
        history, wrong = storm(
            Path(data_dir) / "data",
            kills=arguments.kills,
            fsync=arguments.fsync,
            seed=arguments.seed,
        )
    answered = sum(event.answered_s > 0 for event in history.events)
    sys.stdout.write(
        f"{arguments.kills} kills, seed {arguments.seed}, fsync {arguments.fsync}: "
        f"{len(history.events)} requests, {answered} answered, {len(wrong)} violations\n"
    )
    sys.stdout.write("".join(f"  {each}\n" for each in wrong[:50]))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
