"""INFO: the state of the server as text, in the sections and words of Redis.

What the broker and the engine know is put together here; what only the process knows
(memory, uptime, the journal) comes from ``broker.figures`` and goes into the same sections.
Sizes are told as numbers; the ``_human`` lines behind them are made here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Annotated

from respq import __version__
from respq.broker.call import Call
from respq.broker.command import Arg, Flags
from respq.broker.table import CommandTable
from respq.config import DATABASES, REDIS_VERSION, SUMMED_QUEUES_MAX
from respq.engine.jobs.inspect import server_facts
from respq.resp.replies import Reply, Verbatim

TABLE = CommandTable()
Facts = dict[str, int | str]
Section = Annotated[bytes, Arg(bytes, optional=True)]
_KIB = 1024


@TABLE.command(
    "INFO",
    group="server",
    since="0.1.0",
    flags=Flags.LOADING | Flags.DRAIN,
    categories=("dangerous",),
)
def info(call: Call, *section: Section) -> Reply:
    """Show facts and figures of the server, by section."""
    wanted = _wanted(section)
    if not section and len(call.engine.state.queues) > SUMMED_QUEUES_MAX:
        wanted -= {_QUEUES}
    figures = call.broker.figures() if wanted else {}
    parts = [
        _text(name, facts(call) | dict(figures.get(name, {})))
        for name, facts in _SECTIONS.items()
        if name in wanted
    ]
    return Verbatim("\r\n".join(parts).encode(errors="surrogateescape"))


def _wanted(names: Iterable[bytes]) -> frozenset[str]:
    """Return the sections that are asked for; nobody minds an unknown name."""
    asked = {name.decode("ascii", "replace").lower() for name in names} or {"default"}
    if asked & {"all", "everything"}:
        return frozenset(_SECTIONS)
    if "default" in asked:
        asked |= _SECTIONS.keys() - {_COMMANDSTATS}
    return frozenset(asked & _SECTIONS.keys())


def _text(name: str, facts: Facts) -> str:
    """Return a section; a size gets a line for people behind it."""
    lines = [f"# {_TITLES.get(name, name.capitalize())}"]
    for fact, value in facts.items():
        lines.append(f"{fact}:{value}")
        if fact in _SIZES and isinstance(value, int):
            lines.append(f"{fact}_human:{_human(value)}")
    return "".join(f"{line}\r\n" for line in lines)


def _human(size_bytes: int) -> str:
    """Return a size as Redis writes it for people."""
    if size_bytes < _KIB:
        return f"{size_bytes}B"
    power = min((size_bytes.bit_length() - 1) // 10, 4)
    return f"{size_bytes / _KIB**power:.2f}{'KMGT'[power - 1]}"


def _server(call: Call) -> Facts:
    return {
        "redis_version": REDIS_VERSION,
        "respq_version": __version__,
        "redis_mode": "standalone",
        "arch_bits": sys.maxsize.bit_length() + 1,
        "server_time_usec": call.now_ms * 1_000,
    }


def _clients(call: Call) -> Facts:
    broker = call.broker
    return {
        "connected_clients": len(broker.sessions),
        "maxclients": broker.settings.maxclients,
        "blocked_clients": broker.waiters.count,
    }


def _memory(call: Call) -> Facts:
    return {"maxmemory": call.broker.settings.maxmemory, "maxmemory_policy": "noeviction"}


def _persistence(call: Call) -> Facts:
    return {
        "loading": int(call.broker.loading),
        "aof_enabled": int(not call.broker.settings.memory),
    }


def _stats(call: Call) -> Facts:
    table, pubsub = call.broker.table, call.broker.pubsub
    return {
        "total_commands_processed": sum(command.calls for command in table),
        "total_error_replies": sum(command.failures for command in table),
        "expired_keys": call.engine.expired_keys,
        "lost_items": call.engine.lost_items,
        "pubsub_channels": len(pubsub.channels),
        "pubsub_patterns": len(pubsub.patterns),
    }


def _replication(_: Call) -> Facts:
    return {"role": "master", "connected_slaves": 0}


def _commandstats(call: Call) -> Facts:
    return {
        f"cmdstat_{command.full_name}": f"calls={command.calls},failed_calls={command.failures}"
        for command in call.broker.table
        if command.calls or command.failures
    }


def _cluster(_: Call) -> Facts:
    return {"cluster_enabled": 0}


def _keyspace(call: Call) -> Facts:
    if call.broker.loading:
        return {}  # The replay is changing it, in another thread.
    facts: Facts = {}
    keys = call.engine.state.keys
    for db in range(DATABASES):
        count, expiring = call.engine.names_count(db), keys.expiring[db]
        if count:
            left_ms = keys.ends_ms[db] // expiring - call.now_ms if expiring else 0
            facts[f"db{db}"] = f"keys={count},expires={expiring},avg_ttl={max(0, left_ms)}"
    return facts


def _queues(call: Call) -> Facts:
    if call.broker.loading:
        return {}
    totals: Facts = {}
    for name, value in server_facts(call.engine.state, call.now_ms).items():
        assert isinstance(value, int), "what is told of all queues are counts and ages"
        totals[name.decode()] = value
    return totals


def _process(_: Call) -> Facts:
    return {}


_COMMANDSTATS = "commandstats"
_QUEUES = "queues"
_TITLES = {"cpu": "CPU"}
_SIZES = frozenset(("used_memory", "used_memory_rss", "used_memory_peak", "maxmemory"))
_SECTIONS: dict[str, Callable[[Call], Facts]] = {
    "server": _server,
    "clients": _clients,
    "memory": _memory,
    "persistence": _persistence,
    "stats": _stats,
    "replication": _replication,
    "cpu": _process,
    _COMMANDSTATS: _commandstats,
    "cluster": _cluster,
    "keyspace": _keyspace,
    _QUEUES: _queues,
}
"""In the order in which they are shown."""
