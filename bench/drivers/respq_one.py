"""respq through redis-py, one command at a time: QPUSH; QPOP, the job, QACK."""

from __future__ import annotations

import jobs
import redis

phase, port, count = jobs.arguments()
client = redis.Redis(port=port)
if phase == "push":
    jobs.push(lambda: client.execute_command("QPUSH", "jobs", jobs.PAYLOAD), count)
jobs.expect(count)
while delivery := client.execute_command("QPOP", "jobs", "BLOCK", "1s"):
    _, receipt, payload = delivery
    # The ack comes first in the measured time, so that the last job is not reported without it.
    acked = client.execute_command("QACK", "jobs", receipt)
    assert acked == 1
    jobs.noop(payload)
jobs.report_missing(count)
