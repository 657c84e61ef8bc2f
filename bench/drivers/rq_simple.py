"""RQ with its SimpleWorker, which runs jobs in its own process; results are not kept."""

from __future__ import annotations

import logging

import jobs
import redis
from rq import Queue, SimpleWorker

logging.disable(logging.WARNING)
phase, port, count = jobs.arguments()
connection = redis.Redis(port=port)
queue = Queue("jobs", connection=connection)
if phase == "push":
    jobs.push(lambda: queue.enqueue(jobs.noop, jobs.PAYLOAD, result_ttl=0), count)
worker = SimpleWorker([queue], connection=connection)
jobs.expect(count)
worker.work(burst=True, logging_level="ERROR")
jobs.report_missing(count)
