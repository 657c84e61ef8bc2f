"""beanstalkd from Debian."""

from __future__ import annotations

from generator import Workload
from server import Mode, Rival, program_output
from wire import ask_line

_BINLOG_FSYNC_MS = {Mode.EVERYSEC: "1000", Mode.ALWAYS: "0"}


class Beanstalkd(Rival):
    """A beanstalkd, with a binlog in the durable modes."""

    name = "beanstalkd"
    program = "beanstalkd"
    install = "apt-get install beanstalkd"

    def version(self) -> str:
        """Return what ``beanstalkd -v`` prints."""
        return program_output(self.program, "-v")

    def arguments(self, mode: Mode, port: str, directory: str) -> list[str]:
        """Return the flags; ``-f 0`` is an fsync for each job that is written."""
        common = ["-l", "127.0.0.1", "-p", port]
        if mode is Mode.MEMORY:
            return common
        return [*common, "-b", directory, "-f", _BINLOG_FSYNC_MS[mode]]

    def is_ready(self, port: int) -> bool:
        """Tell whether it says which tube a new connection uses."""
        return ask_line(port, "list-tube-used") == b"USING default"


SERVER = Beanstalkd()

CYCLE = Workload(
    protocol="beanstalk",
    steps=(
        "push=put 0 0 3600 {payload}",
        "take:1=reserve-with-timeout 0",
        "ack=delete {taken}",
    ),
)
"""put, reserve, delete on the default tube; an hour to run, so that nothing comes back."""
