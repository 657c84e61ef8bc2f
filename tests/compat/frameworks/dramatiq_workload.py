"""Dramatiq: priorities, delays, retries, results, pipelines, groups, dead letters, limiters."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis
from dramatiq import Message, group, pipeline
from dramatiq.errors import BrokerConnectionError
from dramatiq.rate_limits import (
    Barrier,
    BucketRateLimiter,
    ConcurrentRateLimiter,
    WindowRateLimiter,
)
from dramatiq.results import ResultFailure, ResultMissing

from tests.compat.frameworks import dramatiq_jobs as jobs
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

LIMIT_MS = int(LIMIT_S * 1000)
DAY_MS = 86_400_000


def worker(threads: int, *options: str) -> Sequence[str]:
    """Return the arguments of ``dramatiq``."""
    return [
        *("-m", "dramatiq", jobs.__name__),
        *("--processes", "1", "--threads", str(threads), *options),
    ]


def story(place: Place) -> dict[str, Any]:
    """Have jobs done in every way, by two workers, of which one is killed."""
    # A worker sorts by priority what it has fetched.
    os.environ["dramatiq_queue_prefetch"] = "8"  # noqa: SIM112
    told = {"queues": queues()}
    with workers(
        worker(1, "--queues", "urgent", "late"), worker(4, "--queues", "default"), again=False
    ) as (first, _):
        told["priorities"] = priorities()
        orphan = jobs.late.send("orphan")
        until(lambda: "begun orphan" in noted(), "a worker has a job")
        end(first)
        open_gate("late")
        told["results"] = results()
        told["canvas"] = canvas()
        told["times"] = times()
        told["failures"] = failures()
        told["limits"] = limits()
        with workers(worker(1, "--queues", "late")):
            told["orphan"] = [orphan.get_result(block=True, timeout=LIMIT_MS)]
        told["orphan"] += [noted().count("begun orphan")]
        jobs.broker.join("default", timeout=LIMIT_MS)
    return told


def queues() -> Any:
    """Push jobs that no worker takes, and take them away."""
    for number in range(3):
        jobs.broker.enqueue(jobs.write.message(f"unwanted {number}").copy(queue_name="late"))
    waiting = jobs.broker.do_qsize("late")
    jobs.broker.flush("late")
    return {"waiting": waiting, "left": jobs.broker.do_qsize("late")}


def priorities() -> Any:
    """Have a worker choose among the jobs that it has fetched."""
    jobs.hold.send("first")
    until(lambda: "begun first" in noted(), "a worker is busy")
    for number in range(2):
        jobs.low.send(f"low {number}")
    for number in range(2):
        jobs.high.send(f"high {number}")
    until(lambda: jobs.broker.client.llen("dramatiq:urgent") == 0, "it has fetched the others")
    open_gate()
    until(lambda: len(noted()) == 6, "all are done")
    return noted()


def results() -> Any:
    """Look at what a job returns and raises, and wait for what is not there yet."""
    good, bad = jobs.add.send(2, 3), jobs.fail.send("no such article")
    told = {
        "returned": good.get_result(block=True, timeout=LIMIT_MS),
        "again": good.get_result(),
        "raised": failure(bad),
    }
    try:
        jobs.add.message(1, 1).get_result()
    except ResultMissing:
        return told | {"missing": True}
    return told


def failure(message: Message[Any]) -> str:
    """Return the error in which a job ends."""
    try:
        message.get_result(block=True, timeout=LIMIT_MS)
    except ResultFailure as error:
        return str(error)
    return "none"


def canvas() -> Any:
    """Put jobs together."""
    add, double = jobs.add, jobs.double
    line = pipeline([add.message(1, 2), double.message(), add.message(10)]).run()
    several = group([add.message(i, i) for i in range(8)])
    several.add_completion_callback(jobs.write.message("the group is done"))
    several.run()
    lines = group([add.message(i, i) | double.message() for i in range(3)]).run()
    add.send_with_options(args=(20, 1), on_success=jobs.write_result)
    told = {
        "pipeline": line.get_result(block=True, timeout=LIMIT_MS),
        "of each": list(line.get_results(block=True, timeout=LIMIT_MS)),
        "group": list(several.get_results(block=True, timeout=LIMIT_MS)),
        "group of pipelines": list(lines.get_results(block=True, timeout=LIMIT_MS)),
    }
    expected = {"the group is done", "add returned 21"}
    until(lambda: expected <= set(noted()), "the callbacks are done")
    return told


def times() -> Any:
    """Have a job done later."""
    now = time.monotonic()
    delays = {f"after {delay_ms} ms": delay_ms for delay_ms in (700, 300)}
    for line, delay_ms in delays.items():
        jobs.write.send_with_options(args=(line,), delay=delay_ms)
    done: dict[str, float] = {}
    while len(done) < len(delays):
        done |= {
            line: time.monotonic() - now for line in delays if line in noted() and line not in done
        }
        time.sleep(0.01)
    return {"early": [line for line, delay_ms in delays.items() if done[line] < delay_ms / 1000]}


def failures() -> Any:
    """Have jobs fail for a while, and for good."""
    client = jobs.broker.client
    flaky = jobs.flaky.send(2)
    jobs.hopeless.send()
    jobs.broker.enqueue(jobs.write.message("nobody does it").copy(actor_name="nobody"))
    old = jobs.write.send_with_options(args=("too old",), max_age=1, delay=200)
    told = {"runs of what failed twice": flaky.get_result(block=True, timeout=LIMIT_MS)}
    until(lambda: "hopeless given up after 2 retries" in noted(), "a job is given up")
    until(lambda: client.zcard("dramatiq:default.XQ") == 4, "four are dead letters")
    letters = client.hgetall("dramatiq:default.XQ.msgs").values()
    return told | {
        "dead": sorted(Message.decode(letter).actor_name for letter in letters),
        "runs of what is hopeless": noted().count("hopeless"),
        "done all the same": [line for line in noted() if line == str(old.args[0])],
    }


def limits() -> Any:
    """Let a few through, and not more."""
    backend = jobs.limits
    told: dict[str, Any] = {}
    for kind, limiter in {
        "bucket": BucketRateLimiter(backend, "bucket", limit=2, bucket=DAY_MS),
        "window": WindowRateLimiter(backend, "window", limit=2, window=60),
        "at once": ConcurrentRateLimiter(backend, "at once", limit=2),
    }.items():
        with (
            limiter.acquire(raise_on_failure=False) as one,
            limiter.acquire(raise_on_failure=False) as two,
            limiter.acquire(raise_on_failure=False) as three,
        ):
            told[kind] = [one, two, three]
        with limiter.acquire(raise_on_failure=False) as afterwards:
            told[kind].append(afterwards)
    payers = {f"payer {number}" for number in range(6)}
    for payer in payers:
        jobs.pay.send(payer)
    until(lambda: payers <= set(noted()) and noted()[-1] == "has paid", "all have paid")
    at_till = [line for line in noted() if line in payers | {"pays", "has paid"}]
    told["alone"] = all(
        at_till[at] == "pays" and at_till[at + 2] == "has paid" for at in range(0, len(at_till), 3)
    )
    return told | {"barrier": barrier(backend)}


def barrier(backend: Any) -> list[bool]:
    """Wait for each other."""
    gate = Barrier(backend, "barrier", ttl=LIMIT_MS)
    created = [gate.create(3), gate.create(3)]
    passed: list[bool] = []
    waiting = [
        threading.Thread(target=lambda: passed.append(gate.wait(timeout=LIMIT_MS)))
        for _ in range(2)
    ]
    for thread in waiting:
        thread.start()
    until(lambda: backend.client.get("barrier") == b"1", "two wait")
    passed.append(gate.wait(timeout=LIMIT_MS))
    for thread in waiting:
        thread.join(LIMIT_S)
    return [*created, *passed]


def outlive(place: Place) -> dict[str, Any]:
    """Push at once, for later, in a pipeline and in a group, while the server is killed.

    A worker keeps what it had fetched when its connection broke, and sometimes forgets it; another
    gets it when this one has ended. So the worker is restarted when the server is back.
    """
    write = jobs.write

    def plain(name: str) -> bool:
        return bool(write.send(name))

    def delayed(name: str) -> bool:
        return bool(write.send_with_options(args=(name,), delay=300))

    def piped(name: str) -> bool:
        before = write.message(f"before {name}")
        behind = write.message_with_options(args=(name,), pipe_ignore=True)
        return bool(pipeline([before, behind]).run())

    def grouped(name: str) -> bool:
        members = group([write.message(f"{part} of {name}") for part in ("one", "two")])
        members.add_completion_callback(write.message(name))
        return bool(members.run())

    def hold(name: str) -> bool:
        return bool(jobs.hold.send(name))

    pid_file = directory() / "dramatiq.pid"
    threading.Thread(target=deploy, args=(pid_file,), daemon=True).start()
    ways = {"plain": plain, "delayed": delayed, "piped": piped, "grouped": grouped}
    return push_and_do(
        place,
        ways,
        hold,
        (BrokerConnectionError, redis.RedisError),
        worker(1, "--pid-file", str(pid_file)),
    )


def deploy(pid_file: Path) -> None:
    """Ask the worker to end when the server is back; it is started again."""
    until((directory() / "restarted").exists, "the server is back")
    until(lambda: "held" in noted(), "the worker is at work again")
    os.kill(int(pid_file.read_text()), signal.SIGTERM)
