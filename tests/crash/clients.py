"""Clients that record what they did, over redis-py, while the server dies under them."""

from __future__ import annotations

import random
import threading
import time
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.crash.history import Event, Found, History

LEASE_MS = 3_600_000
"""Outlasts the test: a delivery ends only by what its holder does."""


def connect(port: int, protocol: int = 2) -> redis.Redis:
    """Return a client that never sends anything twice by itself."""
    return redis.Redis(
        port=port,
        protocol=protocol,
        socket_timeout=20,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )


class Worker(threading.Thread):
    """Pushes, pops, acks and gives back until told to stop; survives a dying server."""

    def __init__(self, number: int, port: int, protocol: int, history: History, seed: int) -> None:
        super().__init__(daemon=True)
        self.number = number
        self.history = history
        self.random = random.Random(seed)
        self.client = connect(port, protocol)
        self.stopping = threading.Event()
        self.failure: BaseException | None = None
        self._pushed = 0

    def run(self) -> None:
        """Work until `stopping`."""
        steps = (self._push, self._push_pipelined, self._push_in_multi, self._pop, self._pop)
        while not self.stopping.is_set():
            try:
                self.random.choice(steps)()
            except (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError):
                self.client.connection_pool.disconnect()
                time.sleep(0.02)
            except BaseException as error:
                self.failure = error
                return

    def _queue(self) -> str:
        return f"q{self.random.randrange(3)}"

    def _new_push(self) -> Event:
        self._pushed += 1
        payload = f"{self.number}-{self._pushed}-" + "x" * self.random.choice((0, 50, 3_000))
        return Event("push", 0.0, payload=payload)

    def _answered_push(self, event: Event, queue: str, job: str) -> None:
        event.job = f"{queue}/{job}"
        self.history.answer(event)

    def _push(self) -> None:
        queue = self._queue()
        event = self.history.send(self._new_push())
        job = self.client.execute_command(
            "QPUSH", queue, event.payload, "ATTEMPTS", 0, "PRIORITY", self.random.randrange(3)
        )
        self._answered_push(event, queue, job)

    def _push_pipelined(self) -> None:
        self._push_several(transaction=False)

    def _push_in_multi(self) -> None:
        self._push_several(transaction=True)

    def _push_several(self, *, transaction: bool) -> None:
        queue = self._queue()
        pipe = self.client.pipeline(transaction=transaction)
        events = [self.history.send(self._new_push()) for _ in range(5)]
        for event in events:
            pipe.execute_command("QPUSH", queue, event.payload, "ATTEMPTS", 0)
        for event, job in zip(events, pipe.execute(), strict=True):
            self._answered_push(event, queue, job)

    def _pop(self) -> None:
        queue = self._queue()
        event = self.history.send(Event("pop", 0.0))
        popped: Any = self.client.execute_command("QPOP", queue, "LEASE", LEASE_MS)
        if popped is None:
            return
        job, receipt, _ = popped
        event.job, event.fence = f"{queue}/{job}", int(receipt.partition(":")[0])
        self.history.answer(event)
        chance = self.random.random()
        if chance < 0.6:
            self._end("ack", event, "QACK", queue, receipt)
        elif chance < 0.8:
            self._end("nack", event, "QNACK", queue, receipt, "SILENT")

    def _end(self, kind: Any, pop: Event, *command: str) -> None:
        event = self.history.send(Event(kind, 0.0, job=pop.job, fence=pop.fence))
        event.done = self.client.execute_command(*command) == 1
        self.history.answer(event)


def look_up(port: int, jobs: set[str]) -> dict[str, Found]:
    """Ask the server about every job; those it does not know are left out."""
    client = connect(port)
    wanted = sorted(jobs)
    found = {}
    for start in range(0, len(wanted), 500):
        pipe = client.pipeline(transaction=False)
        batch = wanted[start : start + 500]
        for job in batch:
            queue, _, job_id = job.partition("/")
            pipe.execute_command("QSHOW", queue, job_id)
        for job, reply in zip(batch, pipe.execute(raise_on_error=False), strict=True):
            if isinstance(reply, redis.ResponseError):
                assert str(reply).startswith("NOJOB"), reply
                continue
            facts = dict(zip(reply[::2], reply[1::2], strict=True))
            found[job] = Found(facts["phase"], facts["payload"], int(facts["fence"]))
    client.close()
    return found
