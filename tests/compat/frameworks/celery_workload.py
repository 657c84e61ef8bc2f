"""Celery: processes and threads, its canvas, priorities, times, results, beat, remote control."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
from celery import chain, chord, group
from celery.exceptions import ChordError, TaskRevokedError
from celery.result import AsyncResult
from kombu.exceptions import OperationalError

from tests.compat.frameworks import celery_jobs as jobs
from tests.compat.frameworks.celery_jobs import app
from tests.compat.frameworks.workload import (
    LIMIT_S,
    Place,
    directory,
    end,
    noted,
    open_gate,
    push_and_do,
    until,
    workers,
)

ANSWER_S = 2.0
"""How long the answer of a worker is waited for; without one it is asked again."""
PRIORITIES = (9, 3, 0, 6, 5, 0, 9)
"""Celery has a list for each of the steps 0, 3, 6 and 9, and takes from that of 0 first."""
PROCESSES, THREAD = "processes@shop", "thread@shop"


class Events(threading.Thread):
    """Hears what workers tell of their jobs."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.heard: set[tuple[str, str]] = set()
        """Kinds of events, and the jobs that they are about."""

    def run(self) -> None:
        """Listen until the program ends."""
        with app.connection() as connection:
            app.events.Receiver(connection, handlers={"*": self._hear}).capture(limit=None)

    def _hear(self, event: dict[str, Any]) -> None:
        self.heard.add((event["type"], event.get("uuid", "")))


def connect(place: Place) -> Sequence[str]:
    """Tell this program where the server is; return what tells it to a worker.

    Kombu takes the protocol that is the default of redis-py; only the results have a choice.
    """
    broker = f"redis://127.0.0.1:{place.port}/{place.protocol}"
    results = f"redis://127.0.0.1:{place.port}/{place.protocol + 1}?protocol={place.protocol}"
    app.conf.update(broker_url=broker, result_backend=results)
    return ["--broker", broker, "--result-backend", results]


def worker(where: Sequence[str], application: str, *options: str) -> Sequence[str]:
    """Return the arguments of ``celery worker``."""
    return ["-m", "celery", "--app", application, *where, "worker", "-l", "INFO", *options]


def ask(node: str, what: str) -> Any:
    """Return what a worker answers to ``celery inspect`` of something; None if nothing."""
    answers = getattr(app.control.inspect([node], timeout=ANSWER_S), what)()
    return answers and answers.get(node)


def raises(result: AsyncResult, kind: type[Exception]) -> bool:
    """Return whether a job ends in this error."""
    try:
        result.get(LIMIT_S)
    except kind:
        return True
    return False


def story(place: Place) -> dict[str, Any]:
    """Have jobs done in every way, by two workers, of which one is killed."""
    where = connect(place)
    told = {"queues": queues()}
    events = Events()
    events.start()
    with workers(
        worker(
            *(where, f"{jobs.__name__}:counting", "-n", THREAD, "-Q", "urgent,late,thread"),
            *("--pool", "threads", "--concurrency", "1"),
        ),
        worker(
            *(where, f"{jobs.__name__}:app", "-n", PROCESSES, "--concurrency", "2", "--events"),
            *("--beat", "--schedule", str(directory() / "beat")),
        ),
        again=False,
    ) as (thread, processes):
        for node in (THREAD, PROCESSES):
            until(lambda node=node: ask(node, "ping"), f"{node} answers")  # type: ignore[misc]
        urgent = {f"urgent {priority}" for priority in PRIORITIES}
        until(lambda: urgent <= set(noted()), "what is urgent is done")
        told["priorities"] = [line for line in noted() if line.startswith("urgent")]
        told["canvas"] = canvas()
        told["control"] = control()
        orphan = jobs.hold.apply_async(("orphan",), queue="late")
        until(lambda: "begun orphan" in noted(), "a worker has a job")
        end(thread)
        app.control.add_consumer("late", destination=[PROCESSES], reply=True, timeout=ANSWER_S)
        told["results"] = results()
        told["times"] = times()
        until(lambda: noted().count("tick") > 1, "beat")
        last = jobs.add.delay(1, 1)
        for kind in ("task-received", "task-started", "task-succeeded"):
            until(lambda kind=kind: (kind, last.id) in events.heard, kind)  # type: ignore[misc]
        told["orphan"] = [orphan.get(LIMIT_S), noted().count("begun orphan")]
        app.control.shutdown(destination=[PROCESSES])
        told["status"] = processes.wait(LIMIT_S)
    return told


def queues() -> Any:
    """Push jobs that no worker takes yet; take some of them away."""
    for number in range(3):
        jobs.write.apply_async((f"unwanted {number}",), queue="unwanted")
    for priority in PRIORITIES:
        jobs.write.apply_async((f"urgent {priority}",), queue="urgent", priority=priority)
    with app.connection_for_write() as connection:
        channel = connection.default_channel
        return {
            "waiting": channel.queue_declare("urgent", passive=True).message_count,
            "purged": channel.queue_purge("unwanted"),
            "left": channel.queue_declare("unwanted").message_count,
        }


def canvas() -> Any:
    """Put jobs together."""
    add, double, listed, total = jobs.add, jobs.double, jobs.listed, jobs.total
    on_thread = {"queue": "thread"}
    parts = {
        "group": group(add.s(i, i) for i in range(10)),
        "chain": chain(add.s(1, 2), double.s(), add.s(10)),
        "chord": chord([add.s(i, i) for i in range(8)], listed.s()),
        "group in a chain": chain(add.s(1, 1), group(double.s(), add.s(5)), total.s()),
        "chord in a chord": chord(
            [chord([add.s(1, 1), add.s(2, 2)], total.s()), add.s(3, 3)], listed.s()
        ),
        "chunks": add.chunks([(i, i) for i in range(6)], 2).group(),
        "starmap": add.starmap([(1, 2), (3, 4)]),
        "counted chord": chord(
            [add.s(i, i).set(**on_thread) for i in range(8)], total.s().set(**on_thread)
        ),
    }
    linked = add.apply_async((1, 1), link=jobs.write.si("linked"))
    broken = chord([add.s(1, 1), jobs.fail.s("in the header")], total.s()).delay()
    pushed = {name: part.delay() for name, part in parts.items()}
    told = {name: result.get(LIMIT_S) for name, result in pushed.items()}
    until(lambda: "linked" in noted(), "the linked job is done")
    told["linked"] = linked.get(LIMIT_S)
    return told | {"broken chord": raises(AsyncResult(broken.id), ChordError)}


def control() -> Any:
    """Ask workers, tell them, and take jobs back that they have."""
    everyone = app.control.inspect(limit=2, timeout=ANSWER_S).ping()
    limited = app.control.rate_limit(
        jobs.total.name, "1000/s", destination=[THREAD], reply=True, timeout=ANSWER_S
    )
    later = jobs.write.apply_async(("revoked",), countdown=1.5)
    running = jobs.hold.delay("terminated")
    until(lambda: "begun terminated" in noted(), "a job runs")
    until(lambda: later.id in scheduled(), "a job waits for its time in a worker")
    active = [task["id"] == running.id for task in ask(PROCESSES, "active")]
    later.revoke()
    running.revoke(terminate=True)
    return {
        "ping": sorted(everyone.items()),
        "limited": limited,
        "queues": sorted(queue["name"] for queue in ask(THREAD, "active_queues")),
        "registered": jobs.hold.name in ask(THREAD, "registered"),
        "transport": ask(PROCESSES, "stats")["broker"]["transport"],
        "active": active,
        "terminated": raises(running, TaskRevokedError),
        "revoked": raises(AsyncResult(later.id), TaskRevokedError),
        "done all the same": [line for line in noted() if line in ("terminated", "revoked")],
    }


def scheduled() -> list[str]:
    """Return the jobs that the worker with processes holds until their time comes."""
    return [each["request"]["id"] for each in ask(PROCESSES, "scheduled") or ()]


def results() -> Any:
    """Look at what a job returns and raises, and at what is known of it meanwhile."""
    good, bad, slow = jobs.add.delay(2, 3), jobs.fail.delay("no"), jobs.progress.delay("slow")
    until(lambda: slow.state == "PROGRESS", "progress is known")
    known = slow.info
    open_gate()
    told = {
        "returned": good.get(LIMIT_S),
        "kept": 3000 < app.backend.client.ttl(app.backend.get_key_for_task(good.id)) <= 3600,
        "progress": known,
        "at last": slow.get(LIMIT_S),
        "raised": repr(bad.get(LIMIT_S, propagate=False)),
        "state": bad.state,
        "traceback": bad.traceback.splitlines()[-1],
    }
    good.forget()
    return told | {"forgotten": AsyncResult(good.id).state}


def times() -> Any:
    """Have jobs done later, not any more, and once more."""
    now = time.time()
    counted = jobs.clock.apply_async(countdown=0.6)
    dated = jobs.clock.apply_async(eta=datetime.fromtimestamp(now + 0.8, UTC))
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    expired = jobs.add.apply_async((1, 1), expires=long_ago)
    tried, died = jobs.flaky.delay(2), jobs.die_once.delay()
    return {
        "early": [counted.get(LIMIT_S) < now + 0.6, dated.get(LIMIT_S) < now + 0.8],
        "expired": raises(expired, TaskRevokedError),
        "retries": tried.get(LIMIT_S),
        "runs of a job whose process died": died.get(LIMIT_S),
    }


def outlive(place: Place) -> dict[str, Any]:
    """Push at once, for later, in a chain and in a chord, while the server is killed.

    The worker has no hand free for a second job when the server is killed: what BRPOP has
    answered and Celery has not yet written among the unacknowledged is in its hands alone.
    """
    where = connect(place)
    write = jobs.write

    def plain(name: str) -> bool:
        return bool(write.delay(name))

    def delayed(name: str) -> bool:
        return bool(write.apply_async((name,), countdown=0.5))

    def chained(name: str) -> bool:
        return bool(chain(write.si(f"before {name}"), write.si(name)).delay())

    def joined(name: str) -> bool:
        header = [jobs.add.si(each, each) for each in range(2)]
        return bool(chord(header, jobs.write_last.s(name)).delay())

    def hold(name: str) -> bool:
        return bool(jobs.hold.delay(name))

    ways = {"plain": plain, "delayed": delayed, "chained": chained, "joined": joined}
    options = ["-n", PROCESSES, "--concurrency", "1"]
    return push_and_do(
        place,
        ways,
        hold,
        (OperationalError, redis.RedisError, OSError),
        worker(where, f"{jobs.__name__}:app", *options),
    )
