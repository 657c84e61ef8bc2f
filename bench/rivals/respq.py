"""respq itself, from this checkout, with its defaults but for the durability mode.

The sidecar is off only because a second port would have to be found for it.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

from generator import Workload
from server import Mode, Rival, program_output
from wire import ask_redis, redis_info

_ROOT = Path(__file__).parents[2]
_DURABILITY = {
    Mode.MEMORY: ["--memory"],
    Mode.EVERYSEC: ["--fsync", "everysec"],
    Mode.ALWAYS: ["--fsync", "always"],
}
_TOLD = (
    "version",
    "durability",
    "commit_mode",
    "commits",
    "committed_records",
    "commit_average_us",
    "loop_lag_max_us",
    "loop_stall_max_us",
)
"""The fields of INFO, less their ``respq_``, that belong into the record."""


class Respq(Rival):
    """The server of this checkout."""

    name = "respq"
    program = "respq"
    install = "make a virtual environment and run `pip install -e .`"

    def __init__(self, *flags: str) -> None:
        """Run with further flags."""
        self._flags = flags

    def executable(self) -> str | None:
        """Return the program of the checkout's environment, else that of this Python, else any."""
        for directory in (_ROOT / ".venv" / "bin", Path(sys.executable).parent):
            if (directory / self.program).exists():
                return str(directory / self.program)
        return shutil.which(self.program)

    def version(self) -> str:
        """Return what ``respq --version`` prints."""
        return program_output(self.executable() or self.program, "--version")

    def arguments(self, mode: Mode, port: str, directory: str) -> list[str]:
        """Return the subcommand and its flags."""
        common = ["serve", "--port", port, "--no-http", "--data-dir", directory]
        return [*common, *_DURABILITY[mode], *self._flags]

    def is_ready(self, port: int) -> bool:
        """Tell whether PING is answered by PONG; while it replays it is ``-LOADING``."""
        return ask_redis(port, "PING") == b"+PONG"

    def facts(self, port: int) -> dict[str, str]:
        """Return the fields of INFO that say how it commits."""
        info = redis_info(port)
        return {name: info[f"respq_{name}"] for name in _TOLD if f"respq_{name}" in info}


SERVER = Respq()

CYCLE = Workload(
    prepare=("DEL jobs",),
    steps=("push=QPUSH jobs {payload}", "take:1=QPOP jobs", "ack=QACK jobs {taken}"),
)

BLOCKED = replace(CYCLE, steps=(CYCLE.steps[0], "take:1=QPOP jobs BLOCK 0", CYCLE.steps[2]))
"""The cycle with consumers that wait for a job."""

QUEUES_CYCLE = Workload(
    steps=("push=QPUSH {queue} {payload}", "take:1=QPOP {queue}", "ack=QACK {queue} {taken}"),
)
"""The cycle on many queues; what is left in them stays."""

QUEUES_BLOCKED = replace(
    QUEUES_CYCLE,
    steps=(QUEUES_CYCLE.steps[0], "take:1=QPOP {queue} BLOCK 0", QUEUES_CYCLE.steps[2]),
)
"""The same with consumers that wait, each on the queue whose turn it is."""

PRIORITY_CYCLE = Workload(
    prepare=("DEL jobs", "QUEUE CREATE jobs PRIORITIES TEXT"),
    steps=(
        "push=QPUSH jobs {payload} PRIORITY {queue}",
        "take:1=QPOP jobs",
        "ack=QACK jobs {taken}",
    ),
)
"""The cycle with as many priorities as there would be queues."""

LATER = "later"
DELAYED = Workload(steps=(f"push=QPUSH {LATER} {{payload}} DELAY 1d",))
HELD = Workload(steps=("push=QPUSH held {payload}", "take:1=QPOP held LEASE 1d"))
"""Jobs that are there beside what is measured."""


def delayed_by(seconds: int) -> Workload:
    """Return pushes of jobs that come due so soon."""
    return Workload(steps=(f"push=QPUSH {LATER} {{payload}} DELAY {seconds}s",))


PUSH = Workload(prepare=("DEL jobs",), steps=CYCLE.steps[:1])

POP = Workload(steps=CYCLE.steps[1:])
"""The rest of the cycle, for jobs that are there."""
