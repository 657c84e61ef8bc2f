"""arq: deferred jobs, retries, aborts, results, cron, several queues."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from arq import ArqRedis, Retry, Worker, cron, func
from arq.connections import RedisSettings
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry as Reconnect
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError, RedisError

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


def connect(url: str, **options: Any) -> ArqRedis:
    """Return a client that speaks the protocol of the URL, which arq's own settings cannot say."""
    return ArqRedis(ConnectionPool.from_url(url, **options))


# Jobs


async def add(context: Context, *numbers: int) -> int:
    note(f"add {numbers}")
    return sum(numbers)


async def fail(context: Context, name: str) -> None:
    note(name)
    raise ValueError(f"{name} fails")


async def succeed_at(context: Context, attempt: int, name: str) -> str:
    """Ask to be tried again until the attempt with this number."""
    note(name)
    if context["job_try"] < attempt:
        raise Retry(defer=0.2)
    return f"{name} succeeds"


async def linger(context: Context, name: str) -> None:
    note(f"begun {name}")
    await asyncio.sleep(LIMIT_S)


async def hold(context: Context, name: str) -> str:
    """Begin, and end when the gate is open."""
    note(f"begun {name}")
    await until_async((directory() / "open").exists, "the gate is open")
    return note(name)


async def note_it(context: Context, name: str) -> str:
    return note(name)


async def tick(context: Context) -> None:
    note("ticks")


async def greet(context: Context) -> None:
    note("a worker starts")


FUNCTIONS = [
    *(add, fail, linger, hold, note_it),
    func(succeed_at, max_tries=2, keep_result=600),
    func(linger, name="hurry", timeout=0.2),
    func(add, name="forget", keep_result=0),
]


class Settings:
    """Of the worker."""

    functions = FUNCTIONS
    cron_jobs: ClassVar = [cron(tick, second=set(range(60)))]
    redis_pool = connect(os.environ[URL])
    redis_settings = RedisSettings.from_dsn(os.environ[URL])
    """Of its health check, and of the worker that has no pool."""
    on_startup = greet
    allow_abort_jobs = True
    poll_delay = 0.05
    job_timeout = 30
    health_check_interval = 1


PATIENT = {
    **vars(Settings),
    "cron_jobs": [],
    "redis_pool": None,
    "redis_settings": replace(
        Settings.redis_settings,
        retry=Reconnect(ConstantBackoff(0.1), 600),
        retry_on_error=[ConnectionError],
    ),
}
"""A worker that waits for a server that is away, instead of ending."""


async def outcome(job: Any) -> Any:
    """Wait for a job and return its result, or its error."""
    try:
        return await job.result(timeout=LIMIT_S, poll_delay=0.02)
    except BaseException as error:
        return repr(error)


def story(place: Place) -> dict[str, Any]:
    """Have jobs done in every way."""
    return asyncio.run(a_day(place))


async def a_day(place: Place) -> dict[str, Any]:
    arq = connect(place.url)
    told = {"burst": await in_a_burst(arq)}
    with workers(["-m", "arq", f"{__name__}.Settings"], again=False):
        told["background"] = await in_the_background(arq)
    await arq.aclose()
    return told


async def in_a_burst(arq: ArqRedis) -> dict[str, Any]:
    """Have a worker in this process do what is there."""
    now = datetime.now(UTC)
    jobs = [
        await arq.enqueue_job("add", 1, 2, _job_id="sum"),
        await arq.enqueue_job("fail", "bad"),
        await arq.enqueue_job("nobody knows it"),
        await arq.enqueue_job("add", 3, _defer_until=now - timedelta(minutes=1)),
        await arq.enqueue_job("forget", 4),
        await arq.enqueue_job("hurry", "slow"),
    ]
    twice = await arq.enqueue_job("add", 1, 2, _job_id="sum")
    other = await arq.enqueue_job("add", 5, _queue_name="another")
    deferred = await arq.enqueue_job("add", 6, _defer_by=3600, _queue_name="another")
    queued = await arq.queued_jobs()
    told: dict[str, Any] = {
        "twice": twice,
        "queued": sorted(each.function for each in queued),
        "statuses": [(await job.status()).value for job in (jobs[0], other, deferred)],
    }

    for name, limit in (("arq:queue", -1), ("another", 1)):
        worker = Worker(
            FUNCTIONS,
            queue_name=name,
            redis_pool=arq,
            burst=True,
            max_burst_jobs=limit,
            poll_delay=0.01,
            handle_signals=False,
        )
        await worker.async_run()

    told["outcomes"] = [await outcome(job) for job in jobs]
    told["other"] = await outcome(other)
    told["twice, when it is done"] = await arq.enqueue_job("add", 1, 2, _job_id="sum")
    told["results"] = sorted(each.function for each in await arq.all_job_results())
    info = await jobs[0].info()
    told["info"] = [info.function, list(info.args), info.job_try, info.success, info.score]
    told["left"] = [await arq.zcard("arq:queue"), await arq.zcard("another")]
    return told


async def in_the_background(arq: ArqRedis) -> dict[str, Any]:
    """Have a process do it."""
    later = await arq.enqueue_job("add", 10, _defer_by=1)
    retried = await arq.enqueue_job("succeed_at", 2, "second")
    never = await arq.enqueue_job("succeed_at", 3, "third")
    slow = await arq.enqueue_job("linger", "aborted")
    await until_async(lambda: "begun aborted" in noted(), "a job lingers")
    held = await arq.enqueue_job("hold", "held")
    await until_async(lambda: "begun held" in noted(), "a job is held")
    told: dict[str, Any] = {"in progress": (await held.status()).value}
    told["aborted"] = [await slow.abort(timeout=LIMIT_S, poll_delay=0.02), await outcome(slow)]
    waiting = await arq.enqueue_job("add", 11, _defer_by=3600)
    told["aborted before"] = [await waiting.abort(timeout=LIMIT_S), await outcome(waiting)]
    open_gate()
    told["outcomes"] = [await outcome(each) for each in (later, retried, never, held)]
    await until_async(lambda: noted().count("ticks") >= 2, "cron has run twice")
    check = ["-m", "arq", "--check", f"{__name__}.Settings"]
    told["health"] = await (await asyncio.create_subprocess_exec(sys.executable, *check)).wait()
    told["notes"] = sorted({*noted()})
    return told


# A kill in the middle


def outlive(place: Place) -> dict[str, Any]:
    """Push at once and for later while the server is killed."""
    with asyncio.Runner() as runner:
        arq = connect(place.url)

        def push(name: str, function: str = "note_it", **options: Any) -> bool:
            # A connection that breaks between WATCH and EXEC gives None: nothing is enqueued.
            return runner.run(arq.enqueue_job(function, name, **options)) is not None

        ways = {
            "at once": push,
            "delayed": lambda name: push(name, _defer_by=1),
            "named": lambda name: push(name, _job_id=name),
        }
        worker = ["-m", "arq", f"{__name__}.PATIENT"]
        held = lambda name: push(name, "hold")  # noqa: E731
        told = push_and_do(place, ways, held, (RedisError, OSError), worker)
        runner.run(arq.aclose())
    return told
