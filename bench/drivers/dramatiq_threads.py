"""Dramatiq on Redis, one worker process with its default of eight threads."""

from __future__ import annotations

import threading

import dramatiq
import jobs
from dramatiq.brokers.redis import RedisBroker
from dramatiq.worker import Worker

phase, port, count = jobs.arguments()
broker = RedisBroker(port=port)
dramatiq.set_broker(broker)
lock = threading.Lock()


@dramatiq.actor(queue_name="jobs")
def task(payload: str) -> None:
    """Count under a lock: there are eight threads."""
    with lock:
        jobs.noop(payload)


if phase == "push":
    jobs.push(lambda: task.send(jobs.PAYLOAD), count)
worker = Worker(broker, worker_threads=8)
jobs.expect(count)
worker.start()
threading.Event().wait()
