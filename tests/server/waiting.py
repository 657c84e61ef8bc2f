"""How a test waits for what can only be seen from outside: it asks, and asks again."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.server.wire import Wire


def until(asked: Callable[[], bool]) -> None:
    """Ask until the answer is yes; a question takes a while, and the test has a timeout."""
    while not asked():
        pass


def until_blocked(client: Wire, count: int = 1) -> None:
    """Return when so many clients are blocked."""
    until(lambda: b"blocked_clients:%d\r" % count in client.say("INFO clients"))


def until_connected(client: Wire, count: int) -> None:
    """Return when so many clients are connected, the one that asks included."""
    until(lambda: b"connected_clients:%d\r" % count in client.say("INFO clients"))


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Stop a process, so that all that is sent meanwhile arrives at once."""
    os.kill(pid, signal.SIGSTOP)
    try:
        # The small letter is for a process that is being traced.
        until(lambda: Path(f"/proc/{pid}/stat").read_text().split()[2] in "Tt")
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
