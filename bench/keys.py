"""What is asked of keys that are no queues, in the same words of respq and of Redis."""

from __future__ import annotations

import hashlib
import shlex
from pathlib import Path

from generator import Workload

_SCRIPTS = Path(__file__).parent / "scripts"

LPUSH = Workload(("push=LPUSH jobs {payload}",), prepare=("DEL jobs",))
RPOP = Workload((*LPUSH.steps, "take=RPOP jobs"), prepare=LPUSH.prepare)
BRPOP = Workload((*LPUSH.steps, "take:1=BRPOP jobs 0"), prepare=LPUSH.prepare)
"""The item is there: nobody waits."""
HSET = Workload(("push=HSET hash {queue} {payload}",), prepare=("DEL hash",))
"""With 1,000 queues, 1,000 fields."""
ZADD = Workload(("push=ZADD zset {serial} {serial}",), prepare=("DEL zset",))
ZPOPMIN = Workload((*ZADD.steps, "take:0=ZPOPMIN zset"), prepare=ZADD.prepare)


def _evalsha(name: str, arguments: str) -> Workload:
    script = (_SCRIPTS / name).read_text()
    sha = hashlib.sha1(script.encode()).hexdigest()
    load = f"SCRIPT LOAD {shlex.quote(script)}"
    return Workload((f"push=EVALSHA {sha} {arguments}",), prepare=("FLUSHALL", load))


SMALL_SCRIPT = _evalsha("increment.lua", "1 counter 2")
LARGE_SCRIPT = _evalsha("dispatch.lua", "4 waiting delayed active jobs 1000 {serial} {payload}")
