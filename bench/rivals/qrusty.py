"""Qrusty, built by install_rivals.sh: over HTTP, and over WebSocket.

With RocksDB a write is in its log when it is answered, but that log is not synced: what a crash of
the machine takes is what the kernel has not written yet. So it stands beside `Mode.EVERYSEC`,
which promises more.
"""

from __future__ import annotations

import json
import tomllib

from generator import Workload
from server import CRATES, Mode, Rival
from wire import ask_http

_STORAGE = {Mode.MEMORY: "memory", Mode.EVERYSEC: "rocksdb"}
_JSON = "application/json"
_QUEUE = json.dumps({"name": "jobs", "config": {"ordering": "MaxFirst"}})


class Qrusty(Rival):
    """A server, which has variables instead of arguments."""

    name = "qrusty"
    program = "qrusty"
    install = "bench/install_rivals.sh qrusty"

    def version(self) -> str:
        """Return the name and version of the crate; the program does not tell them."""
        installed = tomllib.loads((CRATES / ".crates.toml").read_text())["v1"]
        return next(" ".join(key.split()[:2]) for key in installed if key.startswith("qrusty "))

    def arguments(self, mode: Mode, port: str, directory: str) -> list[str]:  # noqa: ARG002
        """Return nothing."""
        return []

    def environment(self, mode: Mode, port: int, directory: str) -> dict[str, str]:
        """Return its variables; unless it is told not to, it logs each connection."""
        return _variables(mode, str(port), directory)

    def shown_command(self, mode: Mode) -> str:
        """Return its variables and its name."""
        variables = _variables(mode, "PORT", "DIR").items()
        return " ".join([*(f"{name}={value}" for name, value in variables), self.program])

    def is_ready(self, port: int) -> bool:
        """Tell whether it lists its queues."""
        return not ask_http(port, "GET", "/queues").startswith(b"-")

    def ask(self, port: int, command: str) -> bytes:
        """Create a queue, or delete it; one that is not there is deleted well."""
        if command == "create":
            return ask_http(port, "POST", "/create-queue", _QUEUE.encode(), _JSON)
        answer = ask_http(port, "DELETE", "/delete-queue/jobs")
        return b"" if b"not found" in answer else answer

    def facts(self, port: int) -> dict[str, str]:
        """Return how many jobs are left: acked ones are gone."""
        return {"jobs_left": str(json.loads(ask_http(port, "GET", "/queue-stats/jobs"))["total"])}


def _variables(mode: Mode, port: str, directory: str) -> dict[str, str]:
    return {
        "BIND_ADDR": f"127.0.0.1:{port}",
        "DATA_PATH": directory,
        "STORAGE_MODE": _STORAGE[mode],
        "RUST_LOG": "warn",
    }


SERVER = Qrusty()

_BEGIN_ANEW = ("delete", "create")
HTTP_CYCLE = Workload(
    protocol="qrusty-http",
    prepare=_BEGIN_ANEW,
    steps=("push=publish jobs {payload}", "take=consume jobs", "ack=ack jobs {taken}"),
)
"""A batch for all jobs that a connection has in flight; there is none to consume by."""
WEBSOCKET_CYCLE = Workload(
    protocol="qrusty-websocket",
    prepare=_BEGIN_ANEW,
    steps=("push=publish jobs {payload}", "take=credit jobs", "ack=ack jobs {taken}"),
)
"""As many credits as a connection has in flight, and a batch of acks; there is none to publish."""
