"""nats-server with JetStream, built by install_rivals.sh.

A work queue is a stream with the work-queue policy and a durable pull consumer with explicit acks,
whose limits on what is in flight are raised above 50 connections with 50 jobs each; all else has
its defaults. Those of the server have an fsync every two minutes, which is none of our modes.
"""

from __future__ import annotations

import json

from generator import Workload
from server import CONFIGURATION, Mode, Rival, program_output
from wire import ask_line, ask_nats

_SYNC_INTERVAL = {Mode.EVERYSEC: "1s", Mode.ALWAYS: "always"}
_API = "$JS.API"


class Nats(Rival):
    """A stand-alone NATS server with JetStream."""

    name = "nats"
    program = "nats-server"
    install = "bench/install_rivals.sh nats"

    def version(self) -> str:
        """Return what ``nats-server --version`` prints."""
        return program_output(self.executable() or self.program, "--version")

    def arguments(self, mode: Mode, port: str, directory: str) -> list[str]:
        """Return the flags; there is none for the interval between fsyncs."""
        common = ["-a", "127.0.0.1", "-p", port, "-js", "-sd", directory]
        return [*common, "-c", f"{directory}/{CONFIGURATION}"] if mode in _SYNC_INTERVAL else common

    def configuration(self, mode: Mode) -> str:
        """Return the interval between fsyncs of the stores."""
        interval = _SYNC_INTERVAL.get(mode)
        return f"jetstream {{ sync_interval: {interval} }}\n" if interval else ""

    def is_ready(self, port: int) -> bool:
        """Tell whether it introduces itself, which it does when JetStream is up."""
        return ask_line(port, "PING").startswith(b"INFO ")

    def ask(self, port: int, command: str) -> bytes:
        """Send a request to JetStream's API: the end of its subject, and its body."""
        subject, _, body = command.partition(" ")
        reply = ask_nats(port, f"{_API}.{subject}", body)
        error = None if reply.startswith(b"-") else json.loads(reply).get("error")
        return f"-{error['description']}".encode() if error else reply

    def facts(self, port: int) -> dict[str, str]:
        """Return where the stream is stored, and how many jobs are left: acked ones are gone."""
        stream = json.loads(self.ask(port, "STREAM.INFO.jobs"))
        return {
            "storage": stream["config"]["storage"],
            "jobs_left": str(stream["state"]["messages"]),
        }


SERVER = Nats()


def _cycle(storage: str) -> Workload:
    stream = {"name": "jobs", "subjects": ["jobs"], "retention": "workqueue", "storage": storage}
    consumer = {
        "durable_name": "workers",
        "ack_policy": "explicit",
        "max_ack_pending": -1,
        "max_waiting": 10_000,
    }
    consumer_request = {"stream_name": "jobs", "config": consumer}
    return Workload(
        protocol="nats",
        prepare=(
            f"STREAM.CREATE.jobs {json.dumps(stream)}",
            f"CONSUMER.CREATE.jobs.workers {json.dumps(consumer_request)}",
            "STREAM.PURGE.jobs",
        ),
        steps=(
            "push=jobs {payload}",
            f'take={_API}.CONSUMER.MSG.NEXT.jobs.workers {{"batch":1,"no_wait":true}}',
            "ack={taken} +ACK",
        ),
    )


CYCLES = {mode: _cycle("memory" if mode is Mode.MEMORY else "file") for mode in Mode}
"""Publish and wait for the stream's acknowledgement, pull one message, ack it and wait for the
answer. Pulling many messages by one request is left out, as QPOP COUNT is."""
