"""Settings and limits: the one table of each.

A setting is a field of `Settings`; its metadata carry the unit and the sentence that
`respq serve --help`, CONFIG GET and docs/operations.md show. Precedence is flags, then
``RESPQ_*`` environment, then ``respq.toml``, then the default here. This module is pure:
the command line reads the environment and the file and passes them in.

A limit below is a bound that no one has needed to change yet: each names its reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from respq.errors import BadSetting

KIB = 1024
MIB = 1024 * KIB

REDIS_VERSION = "7.2.4"
"""What HELLO and INFO say: below 7.0 Sidekiq refuses, from 7.4 on Huey sends HEXPIRE."""
DATABASES = 16
"""Redis' default; SELECT beyond it gets Redis' error."""
NAME_BYTES_MAX = 255
"""Queue, schedule, consumer and client-chosen id: a name is for people and labels."""
CLIENT_NAME_BYTES_MAX = 4 * KIB
"""CLIENT SETNAME and SETINFO: Redis has no limit, but CLIENT LIST shows every one of them."""
PATTERN_BYTES_MAX = 4 * KIB
"""Of a glob: names are shorter, and a pattern is compiled before it is asked."""
CHANNELS_MAX = 10_000
"""Channels that one connection listens to: each takes memory as long as it does."""
CHANNEL_BYTES_MAX = 4 * KIB
"""Of a channel's name: Redis has no limit, but lists every one that is listened to."""
PATTERNS_MAX = 1_000
"""Patterns that one connection listens to: a message on a new channel is tried against each."""
ROUTES_MAX = 10_000
"""Channels for which it is remembered who hears what is said there."""
COUNT_MAX = 10_000
"""Jobs of one pop, payloads of one push: bounds the time of one command."""
AHEAD_JOBS = 1_000
"""At the head of a queue, whose payloads are kept in memory and read back ahead of need: as many
are handed out in some milliseconds."""
AHEAD_BYTES_MAX = 4 * MIB
"""Of the payloads of these."""
AHEAD_BYTES_MIN = 4 * KIB
"""The same where so many queues have jobs that more of each would fill the memory."""
READ_BYTES_MAX = 4 * MIB
"""Of batches that are read for payloads in one go: those who wait for the first of them wait for
all."""
EVICTED_MAX = 1_000
"""Jobs more than it brings that one push throws away, of a queue whose limit was lowered."""
TAGS_MAX = 64
"""Of one job."""
META_BYTES_MAX = 16 * KIB
"""Of one job's META."""
GATES_MAX = 1_000
"""Groups of one queue that workers have closed: beyond, a rate limit closes the queue. QUEUE RESUME
opens them at once."""
FLOW_SLICE = 500
"""Children that are told in one go of a parent that ended; it takes about a millisecond."""
CANCEL_SLICE = 200
"""Jobs of a flow that are cancelled in one turn; it takes some 4 ms."""
PARENTS_MAX = 1_000
"""Of one job."""
LOG_LINES_MAX = 10
"""Lines that holders wrote which stay with a job, the latest; each is cut as an error is."""
HISTORY_MAX = 32
"""Transitions that a job remembers, the latest."""
HISTORY_TEXT_BYTES_MAX = 256
"""Of the text of one; its last error stays with the job in full."""
ERROR_BYTES_MAX = 4 * KIB
"""Of an ERROR text: longer ones are cut, because a nack must not fail for its traceback."""
ARGUMENTS_MAX = 1_048_576
"""Elements of one request, as Redis."""
INLINE_BYTES_MAX = 64 * KIB
"""An inline command or a header line, as Redis."""
UNAUTHENTICATED_ARGUMENTS_MAX = 10
"""Before AUTH, as Redis: a stranger cannot make the server allocate."""
UNAUTHENTICATED_BULK_BYTES_MAX = 16 * KIB
"""Before AUTH, as Redis."""
BULK_BYTES_MAX = 512 * MIB
"""A declared bulk above it is no mistake but an attack: the connection is closed."""
TRANSACTION_BYTES_MAX = 64 * MIB
"""Of one transaction in the journal; over it the command is refused before it starts."""
QUEUED_COMMANDS_MAX = 100_000
"""Between MULTI and EXEC."""
ANSWER_WINDOW_MS = 600_000
"""How long a repeated ID or IDMP gets its first answer."""
ANSWERS_MAX = 100_000
"""Answers kept for one queue; the oldest go first."""
IDLE_QUEUE_MS = 24 * 3_600_000
"""An empty queue that was never configured disappears after this long."""
RESTART_LEASE_MS = 30_000
"""A lease that ended while the server was down lives on for at most this long at start."""
DURATION_MS_MAX = 100 * 365 * 86_400_000
"""A hundred years: any longer is a unit mistaken."""
SCHEDULES_MAX = 100_000
"""Schedules of one queue."""
WORKERS_MAX = 10_000
"""Workers that are remembered, as many as connections: a name for each job must not fill the
memory. And orders for workers, which stand until somebody ends them."""
UNSEEN_WORKER_MS = 24 * 3_600_000
"""A worker that holds nothing and has no order is forgotten when it was unseen for so long."""
DUE_SLICE = 250
"""Due transitions emitted before a turn's first command: one slice stays under 3 ms."""
PURGE_SLICE = 1_000
"""Jobs of one phase that are thrown away in one turn; it takes about 2 ms."""
PURGE_WALK = 10_000
"""Jobs that are looked at for it; it takes about 1 ms."""
FREE_SLICE = 2_000
"""Purged jobs, and entries of what they stood in, freed in one turn."""
TURN_COMMANDS_MAX = 256
"""Commands of runs of one connection in one turn: a long pipeline yields to the others."""
RUN_GAIN = 4
"""Commands of a run that take as long as one that is executed by itself."""
GROUPED_RUN_MAX = 64
"""Commands of a pipeline that is executed together with those of other clients."""
GROUPED_COMMANDS_MAX = 4_000
"""… and of all such pipelines in one turn: it takes some 4 ms."""
SHARE_MS_MAX = 1
"""After so long a client with many requests leaves what is left to a later turn, if others wait."""
TURN_MS_MAX = 4
"""After so long a turn leaves what it has not executed to the next one."""
TURN_CLIENTS_MAX = 250
"""Clients that ask for the same, as many different things, or ends of waits: more end a turn while
sockets are still read, or of ten thousand at once all would wait until the last was read."""
LINGER_US = 500
"""So long the loop looks for requests again and again before it sleeps, where they have come at
shorter intervals on average; 0 for never."""
TURN_REPLY_BYTES_MAX = 1 * MIB
"""Replies of one connection in one turn: beyond, it is not executed further until they are sent."""
RUN_MAX = 128
"""Requests that are carried out as one: their replies are all made before any is sent."""
TURNS_HELD_MAX = 64
"""Turns of one connection whose replies wait for the disk: beyond, it is not read."""
SUMMED_QUEUES_MAX = 1_000
"""Queues whose sums INFO shows unasked: each takes a microsecond or two."""
METERED_QUEUES_MAX = 200
"""Queues of which QSTATS tells at once what is measured: each takes some 50 microseconds."""
LABELLED_QUEUES_MAX = 1_000
"""Queues with time series of their own: each costs a monitoring system sixteen."""
SCRAPE_SLICE = 100
"""Queues read for the metrics in one turn: one slice stays under 1 ms."""
SCRIPTS_MAX = 1_000
"""Scripts that are remembered: whoever writes values into their texts must not fill the memory."""
SCRIPTS_BYTES_MAX = 64 * MIB
"""Of the text of all of them."""
SCRIPT_STEPS = 1_000
"""Instructions after which it is looked whether a script's time is over: some 30 microseconds, but
one of them may copy a string of megabytes."""
SCRIPT_COROUTINES_MAX = 10_000
"""Made by scripts, of which each leaves a little behind: then Lua is started anew."""
SCRIPT_REPLY_DEPTH_MAX = 1_000
"""Of arrays in one another: a table that holds itself has no end."""
SCRIPT_TOKENS_MAX = 2_000
"""Values handed to a script at once: Lua's stack takes 8,000, the caller's own among them."""

_SIZES = {
    "": 1,
    "b": 1,
    "kb": KIB,
    "kib": KIB,
    "mb": MIB,
    "mib": MIB,
    "gb": KIB * MIB,
    "gib": KIB * MIB,
}
_DURATIONS = {"": 1, "ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def _setting(default: Any, doc: str, *, unit: str = "", choices: tuple[str, ...] = ()) -> Any:
    return field(default=default, metadata={"doc": doc, "unit": unit, "choices": choices})


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set when the server starts."""

    host: str = _setting("127.0.0.1", "address to listen on for RESP")
    port: int = _setting(6479, "port for RESP; 0 takes a free one", unit="port")
    unix_socket: str = _setting("", "path of a Unix socket to listen on as well")
    http: bool = _setting(True, "serve health and metrics over HTTP")
    http_host: str = _setting("127.0.0.1", "address to listen on for HTTP")
    http_port: int = _setting(8479, "port for HTTP; 0 takes a free one", unit="port")
    data_dir: str = _setting("respq-data", "directory of the journal")
    memory: bool = _setting(False, "keep no journal: everything is lost when the process ends")
    fsync: str = _setting(
        "always", "when a commit is on the disk", choices=("always", "everysec", "no")
    )
    password: str = _setting("", "what clients must give by AUTH or HELLO; empty asks for none")
    protected_mode: bool = _setting(True, "refuse to listen beyond this machine without a password")
    maxclients: int = _setting(10_000, "connections at once")
    payload_bytes_max: int = _setting(16 * MIB, "largest payload of a job", unit="bytes")
    query_buffer_bytes_max: int = _setting(
        64 * MIB, "largest request, and what one connection may have unread", unit="bytes"
    )
    output_buffer_bytes_max: int = _setting(
        64 * MIB,
        "replies and messages held for one connection that does not read them",
        unit="bytes",
    )
    uncommitted_bytes_max: int = _setting(
        64 * MIB, "executed but uncommitted bytes; beyond, sockets are not read", unit="bytes"
    )
    batch_bytes_max: int = _setting(256 * KIB, "size at which a batch is closed", unit="bytes")
    segment_bytes: int = _setting(
        64 * MIB, "size at which a journal segment is closed", unit="bytes"
    )
    maxmemory: int = _setting(
        0,
        "memory of the process; near it, what makes the state grow is refused; 0 takes the limit "
        "of the cgroup, or of the machine",
        unit="bytes",
    )
    disk_free_bytes_min: int = _setting(
        128 * MIB,
        "free space on the disk of the journal under which what makes the state grow is refused; "
        "0 never refuses",
        unit="bytes",
    )
    ballast_bytes: int = _setting(
        64 * MIB,
        "size of a file in the data directory that is given up when the disk is full; 0 for none",
        unit="bytes",
    )
    idle_timeout_ms: int = _setting(
        0, "close a connection that is silent this long; 0 never", unit="ms"
    )
    drain_ms: int = _setting(10_000, "how long SIGTERM waits for acks of leased jobs", unit="ms")
    script_ms_max: int = _setting(
        5_000, "time after which a script that has written nothing is stopped", unit="ms"
    )
    script_written_ms_max: int = _setting(
        30_000,
        "time after which the server stops for a script that has written: none of it is kept",
        unit="ms",
    )
    script_memory_bytes_max: int = _setting(
        64 * MIB, "memory that a script may take, garbage included", unit="bytes"
    )
    log_level: str = _setting(
        "info", "least level that is logged", choices=("debug", "info", "warning", "error")
    )
    log_format: str = _setting("text", "shape of a log line", choices=("text", "json"))

    @classmethod
    def resolve(cls, *sources: Mapping[str, Any]) -> Settings:
        """Build settings from mappings of name to value or text, the first source winning.

        Raises:
            BadSetting: for an unknown name or a value that the setting cannot take.
        """
        chosen: dict[str, Any] = {}
        table = {each.name: each for each in fields(cls)}
        for source in sources:
            for name, value in source.items():
                if name not in table:
                    raise BadSetting(f"unknown setting '{name}'")
                if name not in chosen:
                    chosen[name] = read_setting(name, value)
        settings = cls(**chosen)
        settings.refuse_contradictions()
        return settings

    def refuse_contradictions(self) -> None:
        """Raise `BadSetting` for values that are fine alone but not together."""
        hosts = (self.host, self.http_host) if self.http else (self.host,)
        exposed = [host for host in hosts if host not in ("127.0.0.1", "::1", "localhost")]
        if exposed and self.protected_mode and not self.password:
            raise BadSetting(
                f"listening on {exposed[0]} without a password would open the server to everyone: "
                "set a password (RESPQ_PASSWORD) or pass --no-protected-mode"
            )
        if self.script_memory_bytes_max < MIB:
            raise BadSetting(
                f"script_memory_bytes_max {self.script_memory_bytes_max} is too little for any "
                "script: 1mb is the least"
            )
        if self.payload_bytes_max > self.query_buffer_bytes_max:
            raise BadSetting(
                f"payload_bytes_max {self.payload_bytes_max} is larger than "
                f"query_buffer_bytes_max {self.query_buffer_bytes_max}: raise the latter"
            )


def read_setting(name: str, value: Any) -> Any:
    """Return ``value``, or the text of it, as the type of the setting ``name``."""
    spec = next(each for each in fields(Settings) if each.name == name)
    unit, choices = spec.metadata["unit"], spec.metadata["choices"]
    text = str(value).strip()
    if isinstance(spec.default, bool):
        if text.lower() in ("1", "true", "yes", "on"):
            return True
        if text.lower() in ("0", "false", "no", "off"):
            return False
        raise BadSetting(f"{name} is yes or no, not '{text}'")
    if isinstance(spec.default, int):
        scales = {"ms": _DURATIONS, "bytes": _SIZES}.get(unit, {"": 1})
        match = re.fullmatch(r"(\d+)\s*([a-z]*)", text.lower())
        if match is None or match[2] not in scales:
            raise BadSetting(f"{name} is a number{' of ' + unit if unit else ''}, not '{text}'")
        number = int(match[1]) * scales[match[2]]
        if unit == "port" and number > 65_535:
            raise BadSetting(f"{name} is a port from 0 to 65535, not {number}")
        return number
    if choices and text not in choices:
        raise BadSetting(f"{name} is one of {', '.join(choices)}, not '{text}'")
    return text
