"""Huey on Redis, one worker thread; results are not kept."""

from __future__ import annotations

import logging
import threading

import jobs
from huey import RedisHuey

logging.disable(logging.WARNING)
phase, port, count = jobs.arguments()
huey = RedisHuey("jobs", port=port, results=False, blocking=True)
task = huey.task(name="noop")(jobs.noop)
if phase == "push":
    jobs.push(lambda: task(jobs.PAYLOAD), count)
consumer = huey.create_consumer(workers=1, worker_type="thread", periodic=False)
jobs.expect(count)
consumer.start()
threading.Event().wait()
