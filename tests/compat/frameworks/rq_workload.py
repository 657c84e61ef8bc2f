"""RQ: its three workers, scheduler, cron, retries, dependencies, results."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry as Reconnect
from rq import Callback, Queue, Repeat, Retry, SimpleWorker, Worker
from rq.command import send_stop_job_command
from rq.cron import get_cron_job_ids
from rq.exceptions import DuplicateJobError
from rq.group import Group
from rq.job import Dependency, Job
from rq.results import Result

from tests.compat.frameworks.workload import (
    LIMIT_S,
    Place,
    directory,
    note,
    note_when_open,
    noted,
    push_and_do,
    until,
    workers,
)

SOON = timedelta(seconds=1)

# Jobs


def add(*numbers: int) -> int:
    note(f"add {numbers}")
    return sum(numbers)


def fail(name: str) -> None:
    note(name)
    raise ValueError(f"{name} fails")


def succeed_at(attempt: int, name: str) -> str:
    """Fail until the attempt with this number."""
    note(name)
    if noted().count(name) < attempt:
        raise ValueError(f"{name} fails")
    return f"{name} succeeds"


def die(name: str) -> None:
    """Be killed, as the kernel does where memory is short."""
    note(name)
    os.kill(os.getpid(), signal.SIGKILL)


def linger(name: str) -> None:
    """Do nothing for a long time."""
    note(name)
    time.sleep(LIMIT_S)


def note_success(job: Job, connection: redis.Redis, result: Any) -> None:
    note(f"on success: {result}")


def note_failure(job: Job, connection: redis.Redis, *error: Any) -> None:
    note(f"on failure: {error[1]}")


# What is asked of them


def standing(job: Job) -> Any:
    """Return what became of a job: its status, and its result or the end of its traceback."""
    latest = job.latest_result()
    if latest is None:
        return [job.get_status().value]
    failed = latest.type is Result.Type.FAILED
    what = latest.exc_string.strip().splitlines()[-1] if failed else latest.return_value
    return [job.get_status().value, latest.type.name, what]


def awaited_result(job: Job) -> Any:
    """Wait for a job and return its result."""
    try:
        return Result.fetch_latest(job, timeout=int(LIMIT_S)).return_value
    except KeyError:
        return "RQ cannot read what XREAD answers on RESP3"


def command(place: Place, *words: str) -> Sequence[str]:
    """Return the arguments of a program of RQ."""
    name, *rest = words
    return ["-m", "rq.cli", name, "--url", place.url, *rest]


def story(place: Place) -> dict[str, Any]:
    """Have jobs done in every way."""
    connection = redis.Redis.from_url(place.url)
    parts = (several_queues, retries, dependencies, group, bookkeeping, background)
    told = {part.__name__: part(place, connection) for part in parts}
    connection.close()
    return told


def work(connection: redis.Redis, *names: str) -> None:
    """Have a worker in this process do what is there."""
    worker = SimpleWorker(list(names), connection=connection)
    worker.work(burst=True, logging_level="CRITICAL")


def several_queues(place: Place, connection: redis.Redis) -> Any:
    """Do what is in the first of two queues before what is in the second."""
    high, low = (Queue(name, connection=connection) for name in ("high", "low"))
    jobs = [low.enqueue(add, 1, 2), low.enqueue(add, 3, at_front=True), high.enqueue(add, 4, 5)]
    jobs += high.enqueue_many([Queue.prepare_data(add, (6,)), Queue.prepare_data(fail, ("seven",))])
    positions = [job.get_position() for job in jobs]

    work(connection, "high", "low")

    failed = high.failed_job_registry
    first = [*noted()]
    counts = [high.count, len(failed), high.finished_job_registry.count]
    failed.requeue(jobs[-1].id)
    work(connection, "high")
    return {
        "positions": positions,
        "order": first,
        "counts": counts,
        "standings": [standing(job) for job in jobs],
        "results of the one that was requeued": len(jobs[-1].results()),
        "queues": sorted(queue.name for queue in Queue.all(connection=connection)),
    }


def retries(place: Place, connection: redis.Redis) -> Any:
    """Fail a few times, then succeed, or not."""
    queue = Queue("retries", connection=connection)
    callbacks = {"on_success": Callback(note_success), "on_failure": Callback(note_failure)}
    good = queue.enqueue(succeed_at, 3, "third", retry=Retry(max=3), **callbacks)
    bad = queue.enqueue(succeed_at, 3, "never", retry=Retry(max=1), **callbacks)

    work(connection, "retries")

    for job in (good, bad):
        job.refresh()
    said = [line for line in noted() if line.startswith("on ")]
    return [standing(good), good.retries_left, standing(bad), bad.retries_left, said]


def dependencies(place: Place, connection: redis.Redis) -> Any:
    """Do jobs when those are done that they wait for."""
    queue = Queue("dependencies", connection=connection)
    bad = queue.enqueue(fail, "parent")
    good = [queue.enqueue(add, 10), queue.enqueue(add, 20)]
    both = queue.enqueue(add, 30, depends_on=good)
    behind = queue.enqueue(add, 40, depends_on=both)
    never = queue.enqueue(add, 50, depends_on=bad)
    anyway = queue.enqueue(add, 60, depends_on=Dependency(jobs=[bad], allow_failure=True))
    cancelled = queue.enqueue(add, 70, depends_on=bad)
    cancelled.cancel()
    deferred = queue.deferred_job_registry.count

    work(connection, "dependencies")

    jobs = [both, behind, never, anyway, cancelled]
    return [deferred, queue.deferred_job_registry.count, *(standing(job) for job in jobs)]


def group(place: Place, connection: redis.Redis) -> Any:
    """Find jobs by their group, and refuse a second one with an id."""
    queue = Queue("group", connection=connection)
    made = Group.create(connection=connection, name="sums")
    made.enqueue_many(
        queue, [Queue.prepare_data(add, (each,), job_id=f"sum-{each}") for each in (7, 8)]
    )
    queue.enqueue(add, 9, job_id="once", unique=True)
    try:
        queue.enqueue(add, 9, job_id="once", unique=True)
    except DuplicateJobError as error:
        refused = str(error)

    work(connection, "group")

    found = Group.fetch("sums", connection=connection).get_jobs()
    return [refused, sorted((job.id, job.return_value()) for job in found)]


def bookkeeping(place: Place, connection: redis.Redis) -> Any:
    """Keep what is said of jobs for as long as it is to be kept."""
    queue = Queue("books", connection=connection)
    kept = queue.enqueue(add, 1, meta={"by": "ann"}, result_ttl=500, description="one")
    gone = queue.enqueue(add, 2, result_ttl=0)
    empty = Queue("emptied", connection=connection)
    emptied = [empty.enqueue(add, 3), empty.enqueue(add, 4)]
    in_time = queue.enqueue(linger, "in time", job_timeout=1)

    work(connection, "books")

    found = queue.fetch_job(kept.id)
    found.meta["seen"] = True
    found.save_meta()
    return {
        "meta": found.get_meta(refresh=True),
        "described": found.description,
        "kept for": 490 < connection.ttl(kept.key) <= 500,
        "gone": [Job.exists(gone.id, connection), connection.ttl(gone.key)],
        "emptied": [
            empty.empty(),
            empty.count,
            *(Job.exists(job.id, connection) for job in emptied),
        ],
        "too slow": standing(in_time)[:2],
        "keys": len(list(connection.scan_iter("rq:job:*", count=7)))
        == len(connection.keys("rq:job:*")),
    }


def background(place: Place, connection: redis.Redis) -> Any:
    """Have processes do it: forking workers with a scheduler, and cron."""
    queue = Queue("background", connection=connection)
    crontab = directory() / "crontab.py"
    crontab.write_text(
        f"from rq import cron\nfrom {__name__} import add\n"
        "cron.register(add, 'background', args=(0, 1), interval=1, name='often')\n"
        "cron.register(add, 'background', args=(9, 9), cron='0 0 1 1 *')\n"
    )
    worker = command(place, "worker", "--with-scheduler", "--name", f"forking-{place.protocol}")
    with workers([*worker, "background"], command(place, "cron", str(crontab)), again=False):
        done = queue.enqueue(add, 100)
        waited = awaited_result(done)
        killed = queue.enqueue(die, "killed")
        stopped = queue.enqueue(linger, "stopped")
        until(lambda: "stopped" in noted(), "a job lingers")
        busy = [each.get_state() for each in Worker.all(connection=connection)]
        send_stop_job_command(connection, stopped.id)

        later = queue.enqueue_in(SOON, add, 200)
        past = queue.enqueue_at(datetime.now(UTC) - SOON, add, 300)
        again = queue.enqueue(succeed_at, 2, "again", retry=Retry(max=2, interval=1))
        repeated = queue.enqueue(add, 400, repeat=Repeat(times=1, interval=1))
        jobs = [later, past, again, killed, stopped]
        until(
            lambda: all(job.is_finished or job.is_failed or job.is_stopped for job in jobs),
            "all are done",
        )
        until(lambda: noted().count("add (400,)") == 2, "a job is repeated")
        until(lambda: noted().count("add (0, 1)") >= 2, "cron has run twice")
        until(lambda: repeated.is_finished, "the repetition is finished")
        history = get_cron_job_ids("often", connection)
    return {
        "waited for": waited,
        "workers": busy,
        "standings": [standing(job) for job in jobs],
        "results of the repeated": len(repeated.results()),
        "cron jobs": len(history) >= 2,
    }


# A kill in the middle


def outlive(place: Place) -> dict[str, Any]:
    """Push at once, for later, and behind another job, while the server is killed."""
    connection = redis.Redis.from_url(place.url, retry=Reconnect(NoBackoff(), 0))
    high, low = (Queue(name, connection=connection) for name in ("high", "low"))

    def plain(name: str) -> bool:
        return bool(low.enqueue(note, name, job_id=name.replace(" ", "-")))

    def urgent(name: str) -> bool:
        return bool(high.enqueue(note, name))

    def delayed(name: str) -> bool:
        return bool(low.enqueue_in(SOON, note, name))

    def behind(name: str) -> bool:
        parent = low.enqueue(note, f"before {name}")
        return bool(low.enqueue(note, name, depends_on=parent))

    def hold(name: str) -> bool:
        return bool(high.enqueue(note_when_open, name))

    # Its scheduler ends with the connection; the worker's maintenance starts it again, when the
    # worker has waited for a job for 15 seconds less than its ttl.
    options = ["--with-scheduler", "--maintenance-interval", "1", "--worker-ttl", "16"]
    worker = command(place, "worker", *options, "high", "low")
    ways = {"plain": plain, "urgent": urgent, "delayed": delayed, "behind": behind}
    return push_and_do(place, ways, hold, (redis.RedisError,), worker)
