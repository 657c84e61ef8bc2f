"""queued, built by install_rivals.sh: it has one mode, an fdatasync before each answer."""

from __future__ import annotations

from generator import Workload
from server import Mode, Rival, program_output
from wire import ask_http


class Queued(Rival):
    """A server with its own settings."""

    name = "queued"
    program = "queued"
    install = "bench/install_rivals.sh queued"

    def version(self) -> str:
        """Return what ``queued --version`` prints."""
        return program_output(self.executable() or self.program, "--version")

    def arguments(self, mode: Mode, port: str, directory: str) -> list[str]:
        """Return where it listens and keeps its files."""
        assert mode is Mode.ALWAYS
        return ["--interface", "127.0.0.1", "--port", port, "--data-dir", directory]

    def is_ready(self, port: int) -> bool:
        """Tell whether it says that it is healthy."""
        return not ask_http(port, "GET", "/healthz").startswith(b"-")

    def ask(self, port: int, command: str) -> bytes:
        """Create a queue; one that is there stays as it is."""
        answer = ask_http(port, "PUT", f"/queue/{command}")
        return b"" if b"QueueAlreadyExists" in answer else answer

    def facts(self, port: int) -> dict[str, str]:
        """Return how many jobs are left, and how many deletes found nothing."""
        lines = ask_http(port, "GET", "/queue/jobs/metrics").decode().splitlines()
        metrics = dict(line.rsplit(" ", 1) for line in lines if " " in line)
        return {
            "jobs_left": metrics["message_counter"],
            "deletes_of_nothing": metrics["missing_delete_counter"],
        }


SERVER = Queued()

CYCLE = Workload(
    protocol="queued",
    prepare=("jobs",),
    steps=("push=push jobs {payload}", "take=poll jobs", "ack=delete jobs {taken}"),
)
"""One request for all jobs that a connection has in flight."""
