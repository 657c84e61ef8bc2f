"""Start, watch and kill one server process.

A `Rival` is a description (where its program is, what its command line looks like in a
durability mode); a `Server` is one running process of it, on a free loopback port and in a
directory of its own that goes away with it. Every server leaves by SIGKILL: nothing that it would
do on the way out is measured, and nothing can keep it alive.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from wire import ask_redis

BUILD = Path(__file__).parent / "build"
"""Where the load generator is compiled, and install_rivals.sh puts what it builds."""
CRATES = BUILD / "crates"
"""Where it has cargo install what is written in Rust."""
CONFIGURATION = "server.conf"
"""A server's configuration file, in the directory it runs in."""
START_SECONDS_MAX = 180
"""A replay of millions of records is the slowest start that a row asks for."""
QUIET_SECONDS_MAX = 10
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class MeasurementFailed(Exception):
    """A row cannot be measured; the text says why and goes into the table."""


class Mode(StrEnum):
    """What an answered write has survived when the answer comes."""

    MEMORY = "memory"
    """Nothing is written."""
    EVERYSEC = "everysec"
    """Written, and an fsync each second."""
    ALWAYS = "always"
    """An fsync before the answer."""


class Rival(ABC):
    """A server that can be measured."""

    name: ClassVar[str]
    program: ClassVar[str]
    install: ClassVar[str]
    """What to do where it is missing."""

    def executable(self) -> str | None:
        """Return the path of the program, None where it is not installed."""
        path = os.pathsep.join([str(BUILD), str(CRATES / "bin"), os.environ.get("PATH", "")])
        return shutil.which(self.program, path=path)

    @abstractmethod
    def version(self) -> str:
        """Return what the installed program says of itself."""

    @abstractmethod
    def arguments(self, mode: Mode, port: str, directory: str) -> list[str]:
        """Return the arguments that make it run in a mode."""

    def environment(self, mode: Mode, port: int, directory: str) -> dict[str, str]:  # noqa: ARG002
        """Return the variables that its environment has besides."""
        return {}

    def configuration(self, mode: Mode) -> str:  # noqa: ARG002
        """Return what its file `CONFIGURATION` holds; without a text there is no such file."""
        return ""

    @abstractmethod
    def is_ready(self, port: int) -> bool:
        """Tell whether it answers commands; OSError counts as no."""

    def ask(self, port: int, command: str) -> bytes:
        """Send a command of a workload's ``prepare``, quoted as in a shell; ``-`` is a refusal."""
        return ask_redis(port, *shlex.split(command))

    def facts(self, port: int) -> dict[str, str]:  # noqa: ARG002
        """Return what the running server says about how it runs, for the record."""
        return {}

    def shown_command(self, mode: Mode) -> str:
        """Return the command line with placeholders, and the configuration, for people."""
        command = shlex.join([self.program, *self.arguments(mode, "PORT", "DIR")])
        text = " ".join(self.configuration(mode).split())
        return f"{command}  # {CONFIGURATION}: {text}" if text else command


class Server:
    """One process of a rival: ``with Server(rival, mode, parent) as server:``."""

    def __init__(self, rival: Rival, mode: Mode, parent: Path) -> None:
        self.rival = rival
        self.mode = mode
        self.directory = Path(tempfile.mkdtemp(prefix=f"{rival.name}-", dir=parent))
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Server:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self) -> float:
        """Start the process, wait until it answers, and return how many seconds that took.

        Raises:
            MeasurementFailed: when it ends before, or does not answer in time.
        """
        executable = self.rival.executable()
        if executable is None:
            raise MeasurementFailed(f"{self.rival.name} is missing: {self.rival.install}")
        self.port = free_port()
        data = self.directory / "data"
        data.mkdir(exist_ok=True)
        if text := self.rival.configuration(self.mode):
            (data / CONFIGURATION).write_text(text)
        log = self.directory / "log"
        arguments = self.rival.arguments(self.mode, str(self.port), str(data))
        # A setting in the environment would be one that the shown command line does not show.
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("RESPQ_")
        } | self.rival.environment(self.mode, self.port, str(data))
        began = time.monotonic()
        with log.open("wb") as output:
            # Its own session, so that Ctrl-C reaches the harness alone, which then kills in order.
            self._process = subprocess.Popen(
                [executable, *arguments],
                cwd=data,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        while not self._answers():
            took = time.monotonic() - began
            if self._process.poll() is not None or took > START_SECONDS_MAX:
                raise MeasurementFailed(f"{self.rival.name} did not start: {_last_line(log)}")
            time.sleep(0.005)
        return time.monotonic() - began

    def kill(self) -> None:
        """Kill the process and those it started, and wait for its end; the directory stays."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def rss_bytes(self) -> int:
        """Return the resident memory of the process."""
        return self._memory_bytes("VmRSS")

    def peak_rss_bytes(self) -> int:
        """Return the most resident memory that the process has had."""
        return self._memory_bytes("VmHWM")

    def cpu_seconds(self) -> float:
        """Return the processor time that the process and those it started have used so far."""
        leader, ticks = str(self.pid()), 0
        if not Path(f"/proc/{leader}").exists():
            raise MeasurementFailed(f"{self.rival.name} ended while it was measured")
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # others come and go
                after_name = path.read_text().rpartition(")")[2].split()
                if after_name[3] == leader:  # its session
                    ticks += sum(map(int, after_name[11:15]))  # and of its children that ended
        return ticks / _TICKS_PER_SECOND

    def wait_until_quiet(self) -> None:
        """Wait until the process hardly uses the processor: what a run left is then done."""
        for _ in range(QUIET_SECONDS_MAX * 10):
            before = self.cpu_seconds()
            time.sleep(0.1)
            if self.cpu_seconds() - before <= 1 / _TICKS_PER_SECOND:
                return

    def pid(self) -> int:
        """Return the number of the process; raise `MeasurementFailed` when there is none."""
        if self._process is None:
            raise MeasurementFailed(f"{self.rival.name} is not running")
        return self._process.pid

    def _memory_bytes(self, name: str) -> int:
        for line in Path(f"/proc/{self.pid()}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        raise MeasurementFailed(f"{self.rival.name} ended while it was measured")

    def _answers(self) -> bool:
        try:
            return self.rival.is_ready(self.port)
        except OSError:
            return False


def program_output(*command: str) -> str:
    """Return what a short command prints, on one line."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return " ".join((done.stdout + done.stderr).split())


def free_port() -> int:
    """Return a port of loopback on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it said nothing"
