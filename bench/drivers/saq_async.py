"""saq, one worker process with its default of ten jobs at once; results are not kept."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import jobs
from saq import Queue, Worker

phase, port, count = jobs.arguments()
queue = Queue.from_url(f"redis://127.0.0.1:{port}/0", name="jobs")


async def noop(_: Any, *, payload: str) -> None:
    """Call the job."""
    jobs.noop(payload)


async def push() -> None:
    """Enqueue one after the other."""
    await queue.connect()
    began = time.perf_counter()
    for _ in range(count):
        await queue.enqueue("noop", payload=jobs.PAYLOAD, ttl=-1)
    jobs.report_since(began)


async def work() -> None:
    """Run until the last job ends the process."""
    worker = Worker(queue, functions=[("noop", noop)], concurrency=10)
    jobs.expect(count)
    await queue.connect()
    await worker.start()


asyncio.run(push() if phase == "push" else work())
