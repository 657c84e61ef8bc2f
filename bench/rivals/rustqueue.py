"""RustQueue, built by install_rivals.sh: its server over TCP, in its binary protocol.

Its storages are not quite our modes. The hybrid one answers from memory and writes what changed
each second, which is what `Mode.EVERYSEC` may lose; redb is set to an fsync for each write. It
logs every request, unless it is told not to.
"""

from __future__ import annotations

import json

from generator import Workload
from server import CONFIGURATION, Mode, Rival, free_port, program_output
from wire import ask_line

_STORAGE = {
    Mode.MEMORY: 'backend = "in_memory"',
    Mode.EVERYSEC: 'backend = "hybrid"',
    Mode.ALWAYS: 'backend = "redb"\ndurability = "immediate"',
}


class RustQueue(Rival):
    """A server with one storage for each mode."""

    name = "rustqueue"
    program = "rustqueue"
    install = "bench/install_rivals.sh rustqueue"

    def version(self) -> str:
        """Return what ``rustqueue --version`` prints."""
        return program_output(self.executable() or self.program, "--version")

    def arguments(self, mode: Mode, port: str, directory: str) -> list[str]:  # noqa: ARG002
        """Return the flags; the port for HTTP comes from the environment."""
        return ["serve", "-c", f"{directory}/{CONFIGURATION}", "--tcp-port", port]

    def environment(self, mode: Mode, port: int, directory: str) -> dict[str, str]:  # noqa: ARG002
        """Return the port for HTTP, which nobody uses here."""
        return {"RUSTQUEUE_HTTP_PORT": str(free_port())}

    def configuration(self, mode: Mode) -> str:
        """Return its storage, and how much it logs."""
        storage = f'[storage]\n{_STORAGE[mode]}\npath = "jobs"\n'
        return f'[server]\nhost = "127.0.0.1"\n{storage}[logging]\nlevel = "warn"\n'

    def is_ready(self, port: int) -> bool:
        """Tell whether it counts jobs."""
        return "counts" in self._stats(port)

    def facts(self, port: int) -> dict[str, str]:
        """Return how many jobs are left; it keeps those that were acked for a week."""
        counts = self._stats(port)["counts"]
        return {"jobs_left": str(counts["waiting"] + counts["active"])}

    def _stats(self, port: int) -> dict[str, dict[str, int]]:
        answer = ask_line(port, '{"cmd":"stats","queue":"jobs"}')
        stats: dict[str, dict[str, int]] = json.loads(answer)
        return stats


SERVER = RustQueue()

CYCLE = Workload(
    protocol="rustqueue",
    steps=("push=push jobs {payload}", "take=pull jobs", "ack=ack {taken}"),
)
"""One request for all jobs that a connection has in flight."""
