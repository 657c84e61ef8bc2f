"""Compile the load generator and run it."""

from __future__ import annotations

import json
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server import BUILD, MeasurementFailed, Server

HERE = Path(__file__).parent
SOURCES = HERE / "loadgen"
PROGRAM = BUILD / "loadgen"
PAYLOAD_BYTES = 64
WARM_UP_SECONDS = 0.3
SPARE_SECONDS = 120
"""What a run may take beyond its own seconds; a silent server ends it long before."""

Measured = dict[str, Any]
"""The generator's line of JSON (loadgen.c, `report`)."""


@dataclass(frozen=True)
class Workload:
    """What is done with a job, in the words of one server's protocol (loadgen/steps.c)."""

    steps: tuple[str, ...]
    protocol: str = "resp"
    prepare: tuple[str, ...] = ()
    """Commands that leave the server as every run shall find it, in the words of `Rival.ask`."""
    unpipelined_steps: tuple[str, ...] = ()
    """Instead of ``steps`` where nothing is pipelined, if that makes a difference."""

    def steps_under(self, load: Load) -> tuple[str, ...]:
        """Return the steps under a load."""
        unpipelined = load.pipeline == 1 and self.unpipelined_steps
        return self.unpipelined_steps if unpipelined else self.steps


@dataclass(frozen=True)
class Load:
    """How a workload is run: for some seconds, or for an exact count of jobs."""

    connections: int = 50
    pipeline: int = 1
    idle: int = 0
    seconds: float = 0
    count: int = 0
    rate: int = 0
    """Pushes a second by the clock, with ``consumers`` in blocking pops (loadgen/schedule.c)."""
    consumers: int = 0
    payload_bytes: int = PAYLOAD_BYTES
    queues: int = 1
    """Round which jobs go where a workload names ``{queue}``."""

    def __str__(self) -> str:
        """Return how the table shows it."""
        if self.rate:
            clients = f"{self.connections:,} producers, {self.consumers:,} consumers"
            return f"{self.rate:,} jobs/s, {clients}"
        idle = f" + {self.idle:,} idle" if self.idle else ""
        plural = "" if self.connections == 1 else "s"
        return f"P={self.pipeline}, {self.connections:,} connection{plural}{idle}"


def compile_generator() -> None:
    """Build the generator where a source is newer than it.

    Raises:
        MeasurementFailed: without a compiler, or when it refuses.
    """
    sources = sorted(SOURCES.glob("*.c"))
    newest = max(path.stat().st_mtime for path in SOURCES.iterdir())
    if PROGRAM.exists() and PROGRAM.stat().st_mtime > newest:
        return
    PROGRAM.parent.mkdir(exist_ok=True)
    command = ["gcc", "-O2", "-std=gnu11", "-Wall", "-Wextra", "-o", str(PROGRAM)]
    try:
        done = subprocess.run([*command, *map(str, sources)], capture_output=True, text=True)
    except FileNotFoundError:
        raise MeasurementFailed("the load generator needs gcc: apt-get install gcc") from None
    if done.returncode != 0:
        raise MeasurementFailed(f"the load generator does not compile:\n{done.stderr}")


def prepare(server: Server, workload: Workload) -> None:
    """Leave the server as the workload wants to find it, and quiet.

    Raises:
        MeasurementFailed: when the server refuses.
    """
    for command in workload.prepare:
        reply = server.rival.ask(server.port, command)
        if reply.startswith(b"-"):
            reason = reply[1:].decode(errors="replace")
            raise MeasurementFailed(f"{server.rival.name} refused {command}: {reason}")
    server.wait_until_quiet()


def generate(server: Server, workload: Workload, load: Load) -> Measured:
    """Run a workload against a server and return what the generator reports.

    The server's own share of a processor, from the warm-up to the last reply, is added as
    ``server_cpu``; ``process_cpu_seconds`` is what its process used in the measured seconds alone.

    Raises:
        MeasurementFailed: when any reply was an error, the run did not end, or nothing was done.
    """
    watching = ["--process", str(server.pid())]
    command = [str(PROGRAM), *watching, *_arguments(workload, load, str(server.port))]
    cpu_before = server.cpu_seconds()
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=load.seconds + SPARE_SECONDS
        )
        measured: Measured = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise MeasurementFailed(f"{server.rival.name}: the run did not end") from None
    except json.JSONDecodeError:
        raise MeasurementFailed(f"the load generator broke: {done.stderr.strip()}") from None
    if measured["errors"]:
        raise MeasurementFailed(f"{server.rival.name}: {measured['reason']}")
    if measured["jobs"] == 0:
        raise MeasurementFailed(
            f"{server.rival.name}: none of {load.connections * load.pipeline:,} jobs in flight"
            f" was done in {load.seconds:g} s"
        )
    seconds = measured["seconds"] + measured["drain_seconds"]
    seconds += 0 if load.count else WARM_UP_SECONDS
    measured["server_cpu"] = round((server.cpu_seconds() - cpu_before) / max(seconds, 1e-3), 3)
    return measured


def fill(server: Server, workload: Workload, count: int) -> Measured:
    """Push exactly ``count`` jobs by the workload's first step."""
    push = Workload(workload.steps[:1], workload.protocol)
    return generate(server, push, Load(connections=8, pipeline=200, count=count))


def shown_command(workload: Workload, load: Load) -> str:
    """Return how the generator is called, with a placeholder for the port, for people."""
    return shlex.join([PROGRAM.name, *_arguments(workload, load, "PORT")])


def _arguments(workload: Workload, load: Load, port: str) -> list[str]:
    length = (
        ["--count", str(load.count)]
        if load.count
        else ["--seconds", str(load.seconds), "--warm-up", str(WARM_UP_SECONDS)]
    )
    words = ["--port", port, "--protocol", workload.protocol]
    words += ["--connections", str(load.connections)]
    words += ["--pipeline", str(load.pipeline), "--idle", str(load.idle)]
    words += ["--payload-bytes", str(load.payload_bytes), *length]
    if load.queues > 1:
        words += ["--queues", str(load.queues)]
    if load.rate:
        words += ["--rate", str(load.rate), "--consumers", str(load.consumers)]
    for step in workload.steps_under(load):
        words += ["--step", step]
    return words
