"""A real server in a process of its own, to be talked to and to be killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

READY_S = 60.0


class ServerProcess:
    """``respq serve`` on free ports; use it as a context manager."""

    def __init__(
        self,
        data_dir: Path | str | None,
        *flags: str,
        port: int = 0,
        wrapper: Sequence[str] = (),
    ) -> None:
        """Prepare to start.

        Args:
            data_dir: of the journal; None keeps none.
            flags: further flags of ``respq serve``.
            port: to listen on; 0 takes a free one.
            wrapper: a command that runs the server, with its arguments.
        """
        self.data_dir = data_dir
        self.flags = flags
        self.wrapper = wrapper
        self.port = port
        """Of the running server; kept over `restart`, so that clients find it again."""
        self.http_port = 0
        self.log: list[str] = []
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._ready = threading.Event()

    def start(self) -> None:
        """Start, and return when it is ready."""
        self.launch()
        self.until_ready()

    def launch(self) -> None:
        """Start, and return at once."""
        where = ["--memory"] if self.data_dir is None else ["--data-dir", str(self.data_dir)]
        http = [] if "--http" in self.flags else ["--no-http"]
        # Hundreds of directories are kept for a while: each would have one.
        ballast = [] if "--ballast-bytes" in self.flags else ["--ballast-bytes", "0"]
        command = [*self.wrapper, sys.executable, "-m", "respq", "serve", "--port", str(self.port)]
        self._process = subprocess.Popen(
            [*command, *where, *http, *ballast, *self.flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={k: v for k, v in os.environ.items() if not k.startswith("RESPQ_")},
        )
        self._ready = threading.Event()
        self._reader = threading.Thread(
            target=self._read, args=(self._process, self._ready), daemon=True
        )
        self._reader.start()

    def until_ready(self) -> None:
        """Return when it is open for business."""
        assert self._process is not None
        if not self._ready.wait(READY_S) or self._process.poll() is not None:
            self.kill()
            raise AssertionError("the server did not start:\n" + "".join(self.log[-30:]))

    def _read(self, process: subprocess.Popen[str], ready: threading.Event) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.log.append(line)
            if match := re.search(r"^  address +\S+?:(\d+)", line):
                self.port = int(match[1])
            if match := re.search(r"^  health +http://\S+?:(\d+)", line):
                self.http_port = int(match[1])
            if "QACK" in line:  # The last line of the banner.
                ready.set()
        ready.set()

    def kill(self) -> None:
        """End it as a power cut would end the process: at once, with no chance to say anything."""
        if self._process is not None:
            self._process.kill()
            self._ended()

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """Ask it to end, and return its exit status."""
        assert self._process is not None
        self._process.send_signal(signal_number)
        return self._ended()

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    def wait(self) -> int:
        """Return the exit status when it has ended by itself."""
        return self._ended()

    def _ended(self) -> int:
        assert self._process is not None
        assert self._reader is not None
        status = self._process.wait(READY_S)
        self._reader.join(READY_S)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None
        return status

    def __enter__(self) -> ServerProcess:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
