"""saq: scheduled jobs, retries, aborts, heartbeats, results, cron."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from saq import CronJob, Job, Queue, Status
from saq.job import TERMINAL_STATUSES
from saq.queue.base import JobError
from saq.queue.redis import RedisQueue

from tests.compat.frameworks.workload import (
    LIMIT_S,
    URL,
    Place,
    directory,
    note,
    noted,
    open_gate,
    push_and_do,
    until_async,
    workers,
)

Context = dict[str, Any]
SWEPT = "saq:default:sweep"
"""Is there when a worker has swept: until then it may take a job for stuck that it just took."""


async def add(context: Context, *, a: int, b: int = 0) -> int:
    note(f"add {a} {b}")
    return a + b


async def fail(context: Context, *, name: str) -> None:
    note(name)
    raise ValueError(f"{name} fails")


async def succeed_at(context: Context, *, attempt: int, name: str) -> str:
    """Fail until the attempt with this number."""
    note(name)
    if context["job"].attempts < attempt:
        raise ValueError(f"{name} fails")
    return f"{name} succeeds"


async def hold(context: Context, *, name: str) -> str:
    """Begin, tell of progress, and end when the gate is open."""
    note(f"begun {name}")
    await context["job"].update(progress=0.5)
    await until_async((directory() / "open").exists, "the gate is open")
    return note(name)


async def linger(context: Context, *, name: str) -> None:
    note(f"begun {name}")
    await asyncio.sleep(LIMIT_S)


def note_it(context: Context, *, name: str) -> str:
    return note(name)


async def tick(context: Context) -> None:
    note("ticks")


SETTINGS = {
    "queue": Queue.from_url(os.environ[URL]),
    "functions": [add, fail, succeed_at, hold, linger, note_it, tick],
    "concurrency": 10,
    "cron_jobs": [CronJob(tick, cron="* * * * * */1")],
    "timers": {"worker_info": 1},
}
ONE_BY_ONE = {**SETTINGS, "cron_jobs": [], "concurrency": 1}


async def standing(job: Job) -> Any:
    """Wait for a job; return its status, and its result or the end of its traceback."""
    await until_ended(job)
    error = (job.error or "").strip().splitlines()
    return [job.status.value, error[-1] if error else job.result]


async def until_ended(job: Job) -> None:
    async def ended() -> bool:
        await job.refresh()
        return job.status in TERMINAL_STATUSES

    await until_async(ended, f"{job} ends")


def story(place: Place) -> dict[str, Any]:
    """Have jobs done in every way."""
    return asyncio.run(a_day(place))


async def a_day(place: Place) -> dict[str, Any]:
    queue, idle = (Queue.from_url(place.url, name=name) for name in ("default", "idle"))
    await queue.connect()
    await idle.enqueue("add", a=1, b=2, key="sum")
    await idle.enqueue("add", a=3, scheduled=int(time.time()) + 3600)
    twice = await idle.enqueue("add", a=1, b=2, key="sum")
    dropped = await idle.enqueue("add", a=100)
    await dropped.abort("not wanted")
    told: dict[str, Any] = {
        "twice": twice,
        "dropped": await standing(dropped),
        "counts": [await idle.count(kind) for kind in ("queued", "active", "incomplete")],
        "listed": [job.kwargs async for job in idle.iter_jobs([Status.QUEUED]) if job.key == "sum"],
    }
    with workers(["-m", "saq", f"{__name__}.SETTINGS"], again=False):
        await until_async(lambda: queue.redis.exists(SWEPT), "a worker is there")
        told["applied"] = await queue.apply("add", a=4, timeout=30)
        told["mapped"] = await queue.map("add", [{"a": each} for each in (5, 6, 7)])
        try:
            await queue.apply("fail", name="bad", retries=1)
        except JobError as error:
            told["error"] = str(error).strip().splitlines()[-1]
        held = await queue.enqueue("hold", name="held", timeout=0)
        aborted = await queue.enqueue("linger", name="aborted", timeout=0)
        later = int(time.time()) + 1
        jobs = [
            await queue.enqueue("add", a=8, scheduled=later),
            await queue.enqueue("succeed_at", attempt=3, name="third", retries=3),
            await queue.enqueue("succeed_at", attempt=2, name="slowly", retries=2, retry_delay=0.1),
            await queue.enqueue("succeed_at", attempt=3, name="never", retries=2),
            await queue.enqueue("linger", name="slow", timeout=1),
        ]
        await until_async(lambda: {"begun held", "begun aborted"} <= {*noted()}, "both have begun")
        await aborted.abort("enough")
        told["background"] = [await standing(job) for job in jobs]
        told["aborted"] = await standing(aborted)
        open_gate()
        told["held"] = [*await standing(held), held.progress]
        gone = await queue.enqueue("add", a=9, ttl=-1)
        await until_async(lambda: "add 9 0" in noted(), "a job is done that leaves nothing")
        kept = await queue.enqueue("add", a=10, ttl=500)
        await until_ended(kept)
        told["kept for"] = 490 < await queue.redis.ttl(kept.id) <= 500
        told["left nothing"] = await queue.job(gone.key)
        await until_async(lambda: noted().count("ticks") >= 2, "cron has run twice")
        info = await queue.info(jobs=True)
        told["workers"] = [len(info["workers"]), info["name"], info["queued"]]
    await queue.disconnect()
    await idle.disconnect()
    return told


# A kill in the middle


def outlive(place: Place) -> dict[str, Any]:
    """Push at once and for later while the server is killed."""
    with asyncio.Runner() as runner:
        client = Redis.from_url(place.url, retry=Retry(NoBackoff(), 0))
        queue = RedisQueue(client)

        def push(name: str, function: str = "note_it", **options: Any) -> bool:
            return runner.run(queue.enqueue(function, name=name, **options)) is not None

        ways = {
            "at once": push,
            "delayed": lambda name: push(name, scheduled=int(time.time()) + 1),
            "named": lambda name: push(name, key=name),
        }

        async def has_swept() -> bool:
            return bool(await client.exists(SWEPT))

        def held(name: str) -> bool:
            return runner.run(has_swept()) and push(name, "hold", timeout=0)

        worker = ["-m", "saq", f"{__name__}.ONE_BY_ONE"]
        told = push_and_do(place, ways, held, (RedisError, OSError), worker)
        runner.run(queue.disconnect())
    return told
