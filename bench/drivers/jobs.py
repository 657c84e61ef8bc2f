"""The job that every framework runs, and the clock around it.

A driver is called as ``python NAME.py push|work PORT COUNT`` and prints one line of JSON: how many
seconds it took. ``push`` enqueues COUNT jobs, one after the other, as a producer does; ``work``
runs until COUNT jobs were done, each by a call of `noop`, and counts from the first of them.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import NoReturn

PAYLOAD = "a" * 64

_done = 0
_wanted = 0
_began = 0.0


def noop(_: str = PAYLOAD) -> None:
    """Do nothing; the last job that is wanted ends the process."""
    global _done, _began
    if not _done:
        _began = time.perf_counter()
    _done += 1
    if _done == _wanted:
        _report()


def arguments() -> tuple[str, int, int]:
    """Return what to do, the port of the server, and how many jobs."""
    phase, port, count = sys.argv[1:4]
    return phase, int(port), int(count)


def push(enqueue: Callable[[], object], count: int) -> NoReturn:
    """Call ``enqueue`` for each job, and report how long that took."""
    global _began
    _began = time.perf_counter()
    for _ in range(count):
        enqueue()
    _report()


def report_since(began: float) -> NoReturn:
    """Report how long it is since ``began``, a `time.perf_counter`."""
    global _began
    _began = began
    _report()


def expect(count: int) -> None:
    """Have the last of so many jobs report."""
    global _wanted
    _wanted = count


def report_missing(count: int) -> NoReturn:
    """Say that a worker came to its end before all jobs were done."""
    print(json.dumps({"problem": f"{_done} of {count} jobs were done"}), flush=True)
    os._exit(1)


def _report() -> NoReturn:
    print(json.dumps({"seconds": time.perf_counter() - _began}), flush=True)
    # A worker in threads or an event loop cannot be left in any other way that all share.
    os._exit(0)
