"""The application whose jobs Dramatiq runs: its broker and its actors."""

from __future__ import annotations

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import GroupCallbacks
from dramatiq.rate_limits import ConcurrentRateLimiter
from dramatiq.rate_limits.backends import RedisBackend as Limits
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend as Kept

from tests.compat.frameworks.workload import LIMIT_S, URL, note, note_when_open, noted

PATIENT = f"{os.environ[URL]}&socket_timeout={LIMIT_S + 10}"
"""redis-py gives up after five seconds, and a result may be waited for longer."""
GONE_MS = 4_000
"""After how much silence a worker counts as dead. Dramatiq's default is a minute."""
ALWAYS = 1_000_000
"""Jobs of dead workers are looked for at every call, not at one of a thousand."""

limits = Limits(url=PATIENT)
broker = RedisBroker(url=PATIENT, heartbeat_timeout=GONE_MS, maintenance_chance=ALWAYS)
broker.add_middleware(Results(backend=Kept(url=PATIENT)))
broker.add_middleware(GroupCallbacks(limits))
dramatiq.set_broker(broker)

one_at_a_time = ConcurrentRateLimiter(limits, "till", limit=1)


@dramatiq.actor(store_results=True)
def add(x: int, y: int) -> int:
    return x + y


@dramatiq.actor(store_results=True)
def double(x: int) -> int:
    return 2 * x


@dramatiq.actor
def write(line: str) -> None:
    note(line)


@dramatiq.actor
def write_result(data: dict[str, object], result: object) -> None:
    """Note what a job returned."""
    note(f"{data['actor_name']} returned {result}")


@dramatiq.actor
def write_end(data: dict[str, object], why: dict[str, object]) -> None:
    """Note that a job was given up."""
    note(f"{data['actor_name']} given up after {why['retries']} retries")


@dramatiq.actor(queue_name="urgent", priority=0)
def high(line: str) -> None:
    note(line)


@dramatiq.actor(queue_name="urgent", priority=100)
def low(line: str) -> None:
    note(line)


@dramatiq.actor(queue_name="urgent", priority=0)
def hold(line: str) -> None:
    note_when_open(line)


@dramatiq.actor(queue_name="late", store_results=True)
def late(line: str) -> str:
    return note_when_open(line, "late")


@dramatiq.actor(max_retries=0, store_results=True)
def fail(why: str) -> None:
    raise ValueError(why)


@dramatiq.actor(max_retries=3, min_backoff=50, max_backoff=100, store_results=True)
def flaky(failures: int) -> int:
    """Fail so often; return how often it ran."""
    note("flaky")
    if (runs := noted().count("flaky")) <= failures:
        raise ConnectionError("the shop is closed")
    return runs


@dramatiq.actor(max_retries=2, min_backoff=50, max_backoff=100, on_retry_exhausted="write_end")
def hopeless() -> None:
    note("hopeless")
    raise ConnectionError("the shop is closed for good")


@dramatiq.actor(max_retries=None, min_backoff=20, max_backoff=50)
def pay(line: str) -> None:
    """Be alone with the till, or come again."""
    with one_at_a_time.acquire():
        note("pays")
        note(line)
        note("has paid")
