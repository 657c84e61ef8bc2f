"""redis-server from Debian.

Its configuration is Redis' own but for what a row varies, with snapshots off (the append-only
file is the durable one) and without rewrites of that file, which could only slow it down.
"""

from __future__ import annotations

from dataclasses import replace

from generator import Workload
from server import Mode, Rival, program_output
from wire import ask_redis, redis_info

_APPEND_ONLY = {
    Mode.MEMORY: ["--appendonly", "no"],
    Mode.EVERYSEC: ["--appendonly", "yes", "--appendfsync", "everysec"],
    Mode.ALWAYS: ["--appendonly", "yes", "--appendfsync", "always"],
}


class RedisServer(Rival):
    """A stand-alone Redis."""

    name = "redis"
    program = "redis-server"
    install = "apt-get install redis-server"

    def version(self) -> str:
        """Return the version line of redis-server."""
        return program_output(self.program, "--version")

    def arguments(self, mode: Mode, port: str, directory: str) -> list[str]:
        """Return the flags; an empty ``--save`` turns snapshots off."""
        common = ["--port", port, "--bind", "127.0.0.1", "--dir", directory, "--save", ""]
        return [*common, "--auto-aof-rewrite-percentage", "0", *_APPEND_ONLY[mode]]

    def is_ready(self, port: int) -> bool:
        """Tell whether PING is answered by PONG."""
        return ask_redis(port, "PING") == b"+PONG"

    def facts(self, port: int) -> dict[str, str]:
        """Return whether the append-only file is on, as the server sees it."""
        info = redis_info(port)
        return {name: info[name] for name in ("redis_version", "aof_enabled") if name in info}


SERVER = RedisServer()

_PREPARE = ("DEL jobs", "XGROUP CREATE jobs g $ MKSTREAM")
_ADD = "push=XADD jobs * payload {payload}"
_READ = "take:0.1.0.0=XREADGROUP GROUP g {connection} COUNT 1 STREAMS jobs >"

STREAM_CYCLE_PAIRED = Workload(
    prepare=_PREPARE, steps=(_ADD, _READ, "ack=XACK jobs g {taken} ; XDEL jobs {taken}")
)
"""What a careful user of Streams does with a job: XDEL too, or the stream grows for ever.

XACK and XDEL are sent together.
"""

STREAM_CYCLE = replace(
    STREAM_CYCLE_PAIRED,
    unpipelined_steps=(_ADD, _READ, "ack=XACK jobs g {taken}", "ack=XDEL jobs {taken}"),
)
"""The same; without a pipeline each of the four commands waits for its reply."""

STREAM_BLOCKED = replace(
    STREAM_CYCLE_PAIRED,
    steps=(
        _ADD,
        "take:0.1.0.0=XREADGROUP GROUP g {connection} COUNT 1 BLOCK 0 STREAMS jobs >",
        STREAM_CYCLE_PAIRED.steps[2],
    ),
)
"""The cycle with consumers that wait for an entry; XACK and XDEL are sent together."""

LIST_PUSH = Workload(prepare=("DEL jobs",), steps=("push=LPUSH jobs {payload}",))
"""The least that Redis can do to keep a job."""

LIST_BLOCKED = replace(LIST_PUSH, steps=(*LIST_PUSH.steps, "take:1=BRPOP jobs 0"))
"""A queue without acks: a consumer that fails has lost its job."""

LIST_QUEUES_CYCLE = Workload(
    steps=(
        "push=LPUSH {queue} {payload}",
        "take=LMOVE {queue} {connection} RIGHT LEFT",
        "ack=LREM {connection} 1 {taken}",
    ),
)
"""The reliable cycle below, on many lists; what is left in them stays."""

LIST_CYCLE = Workload(
    prepare=("FLUSHALL",),
    steps=(
        "push=LPUSH jobs {payload}",
        "take=LMOVE jobs {connection} RIGHT LEFT",
        "ack=LREM {connection} 1 {taken}",
    ),
)
"""The reliable queue of Redis' manual: a taken job waits for its ack in its taker's own list.

That list is called by the connection's number. All payloads are the same, so LREM always finds one
at the head; with jobs that differ it has to search. Nothing brings back a job whose taker is gone.
"""
