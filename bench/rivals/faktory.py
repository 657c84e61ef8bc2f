"""Faktory, built by install_rivals.sh, and the redis-server of Debian in which it keeps its jobs.

It starts a Redis of its own with a configuration file that it writes itself and calls not to be
edited. By that a job is answered before anything is written, and a snapshot follows after 30
seconds at the earliest; Faktory has no stronger mode. It is measured as it comes, but for the page
that it shows people, which is off as respq's sidecar is.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from generator import Workload
from server import MeasurementFailed, Mode, Rival, program_output
from wire import ask_faktory, ask_line

_REDIS_CONFIGURATION = Path("/tmp/redis.conf")
"""Where Faktory writes it, unless there is one already."""
_REDIS_PERSISTENCE = "save 120 1; save 30 5"


class Faktory(Rival):
    """A Faktory in its only mode; what is lost when it dies is what `Mode.MEMORY` may lose."""

    name = "faktory"
    program = "faktory"
    install = "bench/install_rivals.sh faktory; apt-get install redis-server"

    def executable(self) -> str | None:
        """Return the path of the program; without redis-server it does not start."""
        return super().executable() if shutil.which("redis-server") else None

    def version(self) -> str:
        """Return the version that ``faktory -v`` prints before its licence."""
        return program_output(self.executable() or self.program, "-v").partition(" Copyright")[0]

    def arguments(self, mode: Mode, port: str, directory: str) -> list[str]:
        """Return the flags; development is its default, and asks for no password."""
        assert mode is Mode.MEMORY
        binding = ["-b", f"127.0.0.1:{port}", "-w", ":0", "-e", "development"]
        return [*binding, "-d", directory, "-c", directory]

    def shown_command(self, mode: Mode) -> str:
        """Return the command line, and what decides in Redis' file when a job is on the disk."""
        return f"{super().shown_command(mode)}  # {_REDIS_CONFIGURATION}: {_REDIS_PERSISTENCE}"

    def is_ready(self, port: int) -> bool:
        """Tell whether it greets, which it does when its Redis is up."""
        return ask_line(port, "").startswith(b"+HI ")

    def ask(self, port: int, command: str) -> bytes:
        """Send a command in Faktory's own protocol."""
        return ask_faktory(port, command)

    def facts(self, port: int) -> dict[str, str]:
        """Return how many jobs are left: acked ones are gone.

        Raises:
            MeasurementFailed: when its Redis was configured by a file that is not Faktory's.
        """
        lines = _REDIS_CONFIGURATION.read_text().splitlines()
        persistence = "; ".join(line for line in lines if line.startswith(("save", "append")))
        if persistence != _REDIS_PERSISTENCE:
            raise MeasurementFailed(f"{_REDIS_CONFIGURATION} is not Faktory's: {persistence}")
        data = json.loads(self.ask(port, "INFO"))["faktory"]
        return {
            "jobs_left": str(data["total_enqueued"]),
            "jobs_reserved": str(data["sets"]["working"]),
        }


SERVER = Faktory()

CYCLE = Workload(
    protocol="faktory",
    prepare=("FLUSH",),
    steps=("push=PUSH jobs {payload}", "take=FETCH jobs", "ack=ACK {taken}"),
)
"""Each a command; PUSHB, which pushes many, is left out, as QMPUSH is."""
