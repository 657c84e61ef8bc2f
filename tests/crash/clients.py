"""Clients that record what they did, over redis-py, while the server dies under them."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.crash.recorder import LOST, Recorder, Words

LEASE_MS = 3_600_000
"""Outlasts the test: a delivery ends only by what its holder does."""
QUEUES = 3
FIRES_MS = 50
"""How often a schedule pushes."""


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
    """Does whatever clients do until told to stop; survives a dying server."""

    def __init__(
        self, number: int, port: int, protocol: int, recorder: Recorder, seed: int
    ) -> None:
        super().__init__(daemon=True)
        self.name = f"worker-{number}"
        self.recorder = recorder
        self.random = random.Random(seed)
        self.client = connect(port, protocol)
        self.stopping = threading.Event()
        self.failure: BaseException | None = None
        self.seen: set[tuple[str, str]] = set()
        """Queues and ids of the jobs that it has heard of, or named."""
        self._pushed = 0

    def run(self) -> None:
        """Work until `stopping`."""
        steps = (
            *(self._push, self._push_several, self._push_pipelined, self._push_in_multi),
            *(self._pop, self._pop, self._pop_several, self._pop_of_several, self._schedule),
        )
        while not self.stopping.is_set():
            try:
                self.random.choice(steps)()
            except LOST:
                self.client.connection_pool.disconnect()
                time.sleep(0.02)
            except BaseException as error:
                self.failure = error
                return

    def _call(self, *words: Any) -> Any:
        return self.recorder.call(self.client, self.name, *words)

    def _queue(self) -> str:
        return f"q{self.random.randrange(QUEUES)}"

    def _payload(self) -> str:
        self._pushed += 1
        return f"{self.name}-{self._pushed}-" + "x" * self.random.choice((0, 50, 3_000))

    def _new_id(self, queue: str) -> str:
        """Return an id of our own; whether its push is answered or not, it is looked up later."""
        self._pushed += 1
        job_id = f"{self.name}.{self._pushed}"
        self.seen.add((queue, job_id))
        return job_id

    def _told(self, queue: str, ids: list[Any]) -> None:
        self.seen.update((queue, job_id) for job_id in ids)

    # Pushes

    def _push(self) -> None:
        queue = self._queue()
        options: list[Any] = ["PRIORITY", self.random.randrange(3), "ATTEMPTS", 0]
        if self.random.random() < 0.2:
            options += ["DELAY", self.random.randrange(500)]
        if self.random.random() < 0.2:
            options += ["ID", self._new_id(queue)]
        self._told(queue, [self._call("QPUSH", queue, self._payload(), *options)])

    def _push_several(self) -> None:
        queue = self._queue()
        payloads = [self._payload() for _ in range(4)]
        self._told(queue, self._call("QMPUSH", queue, 4, *payloads, "ATTEMPTS", 0))

    def _push_pipelined(self) -> None:
        queue = self._queue()
        pushes: list[Words] = [("QPUSH", queue, self._payload(), "ATTEMPTS", 0) for _ in range(5)]
        self._told(queue, self.recorder.pipeline(self.client, self.name, pushes))

    def _push_in_multi(self) -> None:
        queue = self._queue()
        self.recorder.transaction(
            self.client, self.name, [self._named_push(queue) for _ in range(3)]
        )

    def _named_push(self, queue: str) -> Words:
        return ("QPUSH", queue, self._payload(), "ATTEMPTS", 0, "ID", self._new_id(queue))

    def _schedule(self) -> None:
        """Have a schedule fire for a while; its jobs are those that nobody pushed."""
        name = f"s{self.random.randrange(2)}"
        payload = f"{name} of {self.name}"
        rhythm = ("EVERY", FIRES_MS, "MAXRUNS", 1_000_000, "ATTEMPTS", 0)
        if self.random.random() < 0.1:
            self._call("QSCHED", "ADD", self._queue(), name, payload, *rhythm)

    # Deliveries

    def _pop(self) -> None:
        queue = self._queue()
        # Short ones end while the server is down, too.
        lease_ms = LEASE_MS if self.random.random() < 0.9 else 300
        popped = self._call("QPOP", queue, "LEASE", lease_ms)
        if popped is not None:
            self._finish(queue, popped)

    def _pop_several(self) -> None:
        queue = self._queue()
        popped = self._call("QPOP", queue, "LEASE", LEASE_MS, "COUNT", 12)
        receipts = [receipt for _, receipt, _ in popped]
        self._told(queue, [job_id for job_id, _, _ in popped])
        if receipts:
            self._call("QACK", queue, *receipts)

    def _pop_of_several(self) -> None:
        names = [f"q{number}" for number in range(QUEUES)]
        popped = self._call("QMPOP", QUEUES, *names, "FAIR", "LEASE", LEASE_MS)
        if popped is not None:
            queue, (job,) = popped
            self._finish(queue, job)

    def _finish(self, queue: str, popped: list[Any]) -> None:
        job_id, receipt, _ = popped
        self._told(queue, [job_id])
        chance = self.random.random()
        if chance < 0.1:
            self._call("QTOUCH", queue, receipt, "LEASE", LEASE_MS)
        if chance < 0.4:
            self._call("QACK", queue, receipt)
        elif chance < 0.6:
            self._move(queue, receipt)
        elif chance < 0.7:
            self._ack_and_push_in_multi(queue, receipt)
        elif chance < 0.8:
            self._call("QNACK", queue, receipt, "SILENT")
        elif chance < 0.9:
            self._call("QNACK", queue, receipt, "DELAY", 20)
        elif chance < 0.92:
            self._call("QDEL", queue, job_id)

    def _move(self, queue: str, receipt: str) -> None:
        target = self._queue()
        try:
            moved = self._call(
                "QMOVE", queue, target, receipt, "ATTEMPTS", 0, "ID", self._new_id(target)
            )
        except redis.ResponseError as refusal:
            if not str(refusal).startswith("BADRECEIPT"):
                raise
        else:
            self._told(target, [moved])

    def _ack_and_push_in_multi(self, queue: str, receipt: str) -> None:
        commands: list[Words] = [("QACK", queue, receipt), self._named_push(self._queue())]
        self.recorder.transaction(self.client, self.name, commands)


def look_up(port: int, recorder: Recorder, jobs: set[tuple[str, str]]) -> None:
    """Ask the server about every job, and record what it says."""
    client = connect(port)
    wanted = sorted(jobs)
    for chunk in _chunks(wanted, 500):
        looks: list[Words] = [("QSHOW", queue, job_id) for queue, job_id in chunk]
        recorder.look(client, "look-up", looks)
    recorder.look(client, "look-up", [("QSTATS", f"q{number}") for number in range(QUEUES)])
    client.close()


def _chunks(wanted: list[tuple[str, str]], count: int) -> Iterator[list[tuple[str, str]]]:
    for start in range(0, len(wanted), count):
        yield wanted[start : start + count]
