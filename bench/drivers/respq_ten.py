"""respq through redis-py, ten jobs at a time: QMPUSH; QPOP COUNT 10, the jobs, one QACK."""

from __future__ import annotations

import jobs
import redis

BATCH = 10

phase, port, count = jobs.arguments()
assert count % BATCH == 0
client = redis.Redis(port=port)
if phase == "push":
    payloads = [jobs.PAYLOAD] * BATCH
    jobs.push(lambda: client.execute_command("QMPUSH", "jobs", BATCH, *payloads), count // BATCH)
jobs.expect(count)
while deliveries := client.execute_command("QPOP", "jobs", "COUNT", BATCH, "BLOCK", "1s"):
    acked = client.execute_command("QACK", "jobs", *(receipt for _, receipt, _ in deliveries))
    assert acked == len(deliveries)
    for _, _, payload in deliveries:
        jobs.noop(payload)
jobs.report_missing(count)
