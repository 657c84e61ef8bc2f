"""Huey: its list, priority and expiring storage; schedules, retries, locks, results."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import redis
from huey import (
    Huey,
    PriorityRedisExpireHuey,
    PriorityRedisHuey,
    RedisExpireHuey,
    RedisHuey,
    chord,
    crontab,
)
from huey.exceptions import TaskException
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.compat.frameworks.workload import (
    LIMIT_S,
    URL,
    Place,
    note,
    note_when_open,
    noted,
    open_gate,
    push_and_do,
    until,
    workers,
)

LATER_S = 2
"""A job is due behind the kill: one that the scheduler just took is in nobody's hands."""


def jobs_of(app: Huey) -> SimpleNamespace:
    """Return the jobs of an application."""

    @app.task()
    def add(*numbers: int) -> int:
        note(f"{app.name} add {numbers}")
        return sum(numbers)

    @app.task()
    def total(numbers: Sequence[int]) -> int:
        return sum(numbers)

    @app.task()
    def succeed_at(attempt: int, name: str) -> str:
        """Fail until the attempt with this number."""
        note(f"{app.name} {name}")
        if noted().count(f"{app.name} {name}") < attempt:
            raise ValueError(f"{name} fails")
        return f"{name} succeeds"

    @app.task()
    @app.lock_task("press")
    def press(name: str) -> str:
        return note_when_open(name, f"{app.name} open")

    @app.task()
    @app.rate_limit("letters", limit=2, per=10**9, retry=False)
    def post(name: str) -> str:
        return note(name)

    @app.task()
    def complain(error: Exception) -> str:
        return note(f"{app.name} complains: {error}")

    @app.task()
    def follow(name: str, before: str) -> str:
        return note(name)

    @app.periodic_task(crontab())
    def tick() -> None:
        note(f"{app.name} ticks")

    return SimpleNamespace(
        add=add,
        total=total,
        succeed_at=succeed_at,
        press=press,
        post=post,
        complain=complain,
        follow=follow,
        note=app.task(name="note")(note),
        hold=app.task(name="hold")(note_when_open),
    )


PATIENT = f"{os.environ[URL]}&socket_timeout={LIMIT_S}"
plain = RedisHuey("plain", url=PATIENT, notify_result=True)
urgent = PriorityRedisHuey("urgent", url=PATIENT)
expiring = RedisExpireHuey("expiring", url=PATIENT, expire_time=600, notify_result=True)
both = PriorityRedisExpireHuey("both", url=PATIENT, expire_time=1, blocking=False)
JOBS = {app.name: jobs_of(app) for app in (plain, urgent, expiring, both)}


def consumer(name: str, *words: str) -> Sequence[str]:
    """Return the arguments of a consumer."""
    return ["-m", "huey.bin.huey_consumer", f"{__name__}.{name}", *words]


def story(place: Place) -> dict[str, Any]:
    """Have jobs done in every way."""
    with ThreadPoolExecutor() as pool:
        days = {
            "plain": pool.submit(a_day, plain, "--workers", "2", "--worker-type", "process"),
            "expiring": pool.submit(a_day, expiring, "--workers", "2"),
            "urgent": pool.submit(by_priority, urgent),
            "both": pool.submit(by_priority, both),
        }
        return {name: day.result() for name, day in days.items()}


def outcome(result: Any) -> Any:
    """Wait for a job and return its result, or its error."""
    try:
        return result.get(blocking=True, timeout=LIMIT_S)
    except TaskException as error:
        return error.metadata["error"].partition(",")[0]


def a_day(app: Huey, *words: str) -> dict[str, Any]:
    """Use all that is there."""
    jobs = JOBS[app.name]
    waiting = [jobs.add(1, 2), jobs.add(3)]
    revoked = jobs.add(100)
    revoked.revoke()
    told: dict[str, Any] = {"pending": [app.pending_count(), len(app.pending())]}
    with workers(consumer(app.name, *words), again=False):
        told["results"] = [outcome(each) for each in waiting]
        later = jobs.add.schedule((4, 5), delay=1)
        app.enqueue(jobs.succeed_at.s(2, "second", retries=2, retry_delay=1).error(jobs.complain))
        never = app.enqueue(jobs.succeed_at.s(3, "never", retries=1))
        pipeline = app.enqueue(jobs.add.s(1).then(jobs.add, 2).then(jobs.add, 3))
        together = app.enqueue(chord([jobs.add.s(each) for each in (10, 20, 30)], jobs.total.s()))
        told["pipeline"] = [outcome(each) for each in pipeline]
        told["chord"] = outcome(together)
        told["mapped"] = [outcome(each) for each in jobs.add.map([1, 2, 3])]

        pressed = jobs.press(f"{app.name} first")
        until(lambda: f"begun {app.name} first" in noted(), "a job has the lock")
        told["locked"] = [app.is_locked("press"), outcome(jobs.press(f"{app.name} second"))]
        open_gate(f"{app.name} open")
        told["pressed"] = outcome(pressed)
        until(lambda: not app.is_locked("press"), "the lock is free")
        told["limited"] = [outcome(jobs.post(each)) for each in ("a", "b", "c")]

        told["later"] = outcome(later)
        until(lambda: noted().count(f"{app.name} second") == 2, "a job is tried a second time")
        until(lambda: f"{app.name} complains: second fails" in noted(), "an error is handled")
        until(lambda: f"{app.name} ticks" in noted(), "a periodic job runs")
        told["never"] = outcome(never)
        told["revoked"] = [revoked.is_revoked(), f"{app.name} add (100,)" in noted()]
        told["left"] = [app.pending_count(), app.scheduled_count()]
        read = jobs.add(7)
        told["read"] = [outcome(read), app.storage.has_data_for_key(read.id)]
    if app is expiring:
        told["expires"] = 500 < app.storage.conn.ttl(app.storage.result_key(read.id)) <= 600
    return told


def notes_of(app: Huey) -> list[str]:
    return [line for line in noted() if line.startswith(app.name)]


def by_priority(app: Huey) -> dict[str, Any]:
    """Have the most urgent jobs done first."""
    jobs = JOBS[app.name]
    for number, priority in enumerate((None, 5, 10, 5, -1, 10)):
        app.enqueue(jobs.add.s(number, priority=priority))
    told: dict[str, Any] = {"pending": [each.args[0] for each in app.pending()]}
    with workers(consumer(app.name, "--no-periodic"), again=False):
        until(lambda: len(notes_of(app)) == 6, "the jobs are done")
        last = jobs.add.schedule((6,), delay=1, priority=100)
        told["last"] = outcome(last)
    if app is both:
        until(lambda: app.result_count() == 0, "results expire")
    told["order"] = notes_of(app)
    app.flush()
    told["flushed"] = [app.pending_count(), app.result_count()]
    return told


# A kill in the middle


def outlive(place: Place) -> dict[str, Any]:
    """Push at once, for later, and before a second job, while the server is killed."""
    pool = redis.ConnectionPool.from_url(place.url, retry=Retry(NoBackoff(), 0))
    app = RedisHuey("plain", connection_pool=pool)
    jobs = jobs_of(app)

    def at_once(name: str) -> bool:
        return bool(jobs.note(name))

    def delayed(name: str) -> bool:
        return bool(jobs.note.schedule((name,), delay=LATER_S))

    def behind(name: str) -> bool:
        return bool(app.enqueue(jobs.note.s(f"before {name}").then(jobs.follow, name)))

    def hold(name: str) -> bool:
        return bool(jobs.hold(name))

    ways = {"at once": at_once, "delayed": delayed, "behind": behind}
    worker = consumer("plain", "--no-periodic")
    return push_and_do(place, ways, hold, (redis.RedisError,), worker)
