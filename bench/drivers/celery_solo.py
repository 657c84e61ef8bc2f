"""Celery on its Redis transport, one worker process without a pool; results are not kept."""

from __future__ import annotations

import jobs
from celery import Celery

phase, port, count = jobs.arguments()
app = Celery("bench", broker=f"redis://127.0.0.1:{port}/0")
app.conf.update(task_ignore_result=True, worker_redirect_stdouts=False)
task = app.task(name="noop")(jobs.noop)
if phase == "push":
    jobs.push(lambda: task.delay(jobs.PAYLOAD), count)
worker = app.Worker(pool="solo", loglevel="ERROR", quiet=True)
jobs.expect(count)
worker.start()
jobs.report_missing(count)
