"""The application whose jobs Celery runs: its settings and its tasks.

The addresses of the broker and of the results are told on the command line of a worker.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from typing import Any

from celery import Celery, Task, shared_task

from tests.compat.frameworks.workload import note, note_when_open, noted

VISIBLE_S = 3
"""When the job of a worker that died comes back. Celery's default is an hour."""
TICK_S = 0.5


def application(*, ordered: bool, current: bool) -> Celery:
    """Return the application, which joins a chord by a sorted set or by a list that it counts."""
    made = Celery("shop", set_as_current=current)
    made.conf.update(
        worker_prefetch_multiplier=1,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        result_expires=3600,
        broker_transport_options={
            "visibility_timeout": VISIBLE_S,
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
        },
        result_backend_transport_options={"result_chord_ordered": ordered},
        beat_schedule={"tick": {"task": tick.name, "schedule": TICK_S}},
        beat_max_loop_interval=TICK_S,
    )
    return made


@shared_task
def add(x: int, y: int) -> int:
    return x + y


@shared_task
def double(x: int) -> int:
    return 2 * x


@shared_task
def total(numbers: Sequence[int]) -> int:
    return sum(numbers)


@shared_task
def listed(values: Sequence[Any]) -> list[Any]:
    return [*values]


@shared_task(ignore_result=True)
def write(line: str) -> None:
    note(line)


@shared_task
def write_last(lines: Sequence[str], line: str) -> None:
    """Note a line when others were noted."""
    note(line)


@shared_task(ignore_result=True)
def tick() -> None:
    note("tick")


@shared_task
def fail(why: str) -> None:
    raise ValueError(why)


@shared_task(bind=True, max_retries=5)
def flaky(self: Task, failures: int) -> int:
    """Fail so often; return the retries that it took."""
    if self.request.retries < failures:
        raise self.retry(countdown=0.1, exc=ConnectionError("the shop is closed"))
    return int(self.request.retries)


@shared_task
def clock() -> float:
    return time.time()


@shared_task(acks_late=True, reject_on_worker_lost=True)
def die_once() -> int:
    """Kill the process that runs it, the first time; return how often it ran."""
    note("dies once")
    if noted().count("dies once") == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return noted().count("dies once")


@shared_task(bind=True)
def progress(self: Task, line: str) -> str:
    self.update_state(state="PROGRESS", meta={"done": 1, "of": 2})
    return note_when_open(line)


@shared_task(acks_late=True)
def hold(line: str) -> str:
    return note_when_open(line)


app = application(ordered=True, current=True)
counting = application(ordered=False, current=False)
