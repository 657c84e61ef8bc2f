"""A process whose journal is compacted all the time: ``python -m tests.journal.compacting``.

It prints each position when its append has returned, `durable` with a position that was synced,
and `done` at the end. Beside the data directory it then leaves, for each position, the checksum of
the batch and a digest of the queues behind it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from itertools import count
from pathlib import Path
from pprint import pformat
from typing import Any

from respq.journal import segment
from respq.runtime.compactor import Compactor
from tests.journal.recorded import Recorded

SEGMENT_BYTES = 2_400
ROUNDS = 40


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def digest(queues: Any) -> str:
    """Return a short word for an image of queues."""
    return hashlib.sha256(pformat(queues).encode()).hexdigest()[:16]


class Server(Recorded):
    """Compacts its journal as the runtime does, a slice at a time, whatever it is worth."""

    def __init__(self, data_dir: Path, fsync: str, *, is_early: bool) -> None:
        super().__init__(data_dir, SEGMENT_BYTES, fsync)
        self.is_early = is_early
        ticks = count()
        self.compactor = Compactor(
            self.engine,
            self.disk,
            segment_bytes=SEGMENT_BYTES,
            report=tell,
            stopwatch_s=lambda: next(ticks) / 5_000,
        )

    def settle(self) -> None:
        """Do what every harness does, and say what is written then."""
        before = self.position
        super().settle()
        if self.position > before:
            tell(str(self.position))

    def compact_on(self) -> None:
        """Do a slice, and forget what may be forgotten then."""
        self.compactor.step(self.now_ms, 0)
        if self.is_early and (before := self.compactor.trim_before(self.position + 1)):
            self.disk.trim(before)
            self.disk._keeper.submit(int).result()
        self.settle()
        if before := self.compactor.trim_before(self.position):
            self.disk.trim(before)
            tell(f"durable {self.position}")

    def work(self) -> None:
        """Have most jobs done at once, and some wait or be held for long."""
        for number in range(ROUNDS):
            self.pass_ms(1)
            self.say(f"QPUSH done {number:050}")
            self.compact_on()
            self.say("QPOP done NOACK")
            self.compact_on()
            if number % 6 == 0:
                self.say(f"QPUSH later {number:050} DELAY 1d")
                self.compact_on()
            if number % 15 == 7:
                self.say(f"QPUSH held {number:050}")
                self.say("QPOP held LEASE 1h")
                self.compact_on()
            if number % 10 == 9:
                self.disk.sync()
                tell(f"durable {self.position}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--fsync", default="always")
    parser.add_argument("--early", action="store_true", help="forget before it is written, wrongly")
    options = parser.parse_args()
    # So that what the keeper frees bit by bit of large files is bits of these, too.
    segment.FREED_BYTES, segment.FREE_PAUSE_S = 16 << 10, 0.002
    server = Server(options.data_dir, options.fsync, is_early=options.early)
    server.work()
    server.compactor.close()
    server.close()
    notes = {
        position: (server.checksums[position], digest(image))
        for position, image in server.images.items()
    }
    options.data_dir.with_suffix(".json").write_text(json.dumps(notes))
    tell("done")


if __name__ == "__main__":
    main()
