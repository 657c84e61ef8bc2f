"""arq, one worker process with its default of ten jobs at once; results are not kept."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import jobs
from arq import create_pool, func
from arq.connections import RedisSettings
from arq.worker import Worker

phase, port, count = jobs.arguments()
settings = RedisSettings(port=port)


async def noop(_: dict[str, Any], payload: str) -> None:
    """Call the job."""
    jobs.noop(payload)


async def push() -> None:
    """Enqueue one after the other."""
    pool = await create_pool(settings)
    began = time.perf_counter()
    for _ in range(count):
        await pool.enqueue_job("noop", jobs.PAYLOAD)
    jobs.report_since(began)


async def work() -> None:
    """Run until no job is left."""
    worker = Worker(
        functions=[func(noop, keep_result=0)],
        redis_settings=settings,
        burst=True,
        poll_delay=0.01,
        handle_signals=False,
    )
    jobs.expect(count)
    await worker.main()
    jobs.report_missing(count)


asyncio.run(push() if phase == "push" else work())
