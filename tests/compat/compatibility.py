"""What of Redis 7 respq is known to lack or to do otherwise: the tables of docs/compatibility.md.

tests/compat/test_compatibility.py plays every difference on both servers, and asks both for their
commands. ``make pages`` writes the tables.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parents[2] / "docs" / "compatibility.md"
_TABLES: Final = re.compile(r"^<!-- (differences|left-out):.*?^<!-- /\1 -->$", re.M | re.S)


@dataclass(frozen=True)
class Difference:
    """A command that is answered otherwise."""

    command: str
    """As one types it into redis-cli."""
    redis: str
    """The reply of Redis 7.0 as redis-cli prints it."""
    respq: str
    why: str
    after: tuple[str, ...] = ()
    """What was said before on the same connection."""


DIFFERENCES: Final = (
    Difference(
        "SET a 1 LATER",
        "(error) ERR syntax error",
        "(error) ERR syntax error near 'LATER'",
        "The word that is wrong is named.",
    ),
    Difference(
        "SET a 1 EX 50 EX 60",
        "OK",
        "(error) ERR syntax error near 'EX'",
        "Of an option that is given twice nobody knows which was meant.",
    ),
    Difference(
        "ZMPOP 1 z COUNT 1 MIN",
        "(error) ERR syntax error",
        "(nil)",
        "What follows the keys stands in any order.",
    ),
    Difference(
        "ZSCORE z a",
        '"3.2999999999999998"',
        '"3.3"',
        "As few digits as name the number, as in Redis 7.2.",
        ("ZADD z 3.3 a",),
    ),
    Difference(
        "SETRANGE a 20000000 x",
        "(integer) 20000001",
        "(error) ERR string exceeds maximum allowed size (proto-max-bulk-len)",
        "A string is no longer than a payload may be (`--payload-bytes-max`).",
    ),
    Difference(
        "SUBSCRIBE a",
        "QUEUED",
        "(error) ERR Command not allowed inside a transaction",
        "What channels say has no place among the replies of EXEC.",
        ("MULTI",),
    ),
    Difference(
        "CONFIG SET maxmemory 1gb",
        "OK",
        "(error) ERR unknown subcommand 'SET'. Try CONFIG HELP.",
        "Settings are given at the start.",
    ),
    Difference(
        "EVAL \"return {pcall(string.find, ('a'):rep(6000), ('a'):rep(6000))}\" 0",
        "1) (integer) 1\n2) (integer) 1\n3) (integer) 6000",
        '1) (nil)\n2) "pattern too complex"',
        "A pattern has at most 5,000 bytes: Lua ends the process when a search goes too deep.",
    ),
    Difference(
        'EVAL "return #tostring(cjson.null) > 15" 0',
        "(nil)",
        "(integer) 1",
        "It is no null pointer; it is equal only to itself, as there.",
    ),
)

LEFT_OUT: Final = {
    "BITCOUNT BITFIELD BITFIELD_RO BITOP BITPOS GETBIT SETBIT": "bitmaps",
    "PFADD PFCOUNT PFDEBUG PFMERGE PFSELFTEST": "HyperLogLog",
    "GEOADD GEODIST GEOHASH GEOPOS GEORADIUS GEORADIUSBYMEMBER GEORADIUSBYMEMBER_RO GEORADIUS_RO "
    "GEOSEARCH GEOSEARCHSTORE": "places on the earth",
    "XACK XAUTOCLAIM XCLAIM XGROUP XINFO|CONSUMERS XINFO|GROUPS XPENDING XREADGROUP": (
        "consumer groups; leases of a queue do what they are for"
    ),
    "LCS": "takes time with the product of two lengths, in which nobody else would be served",
    "DUMP MIGRATE RESTORE RESTORE-ASKING": "in a format that is Redis' own; `respq import` copies",
    "OBJECT|IDLETIME": "nobody counts when a key was last read",
    "SWAPDB": "each key knows its database",
    "FCALL FCALL_RO FUNCTION SCRIPT|DEBUG": "functions and the debugger; there are scripts",
    "SPUBLISH SSUBSCRIBE SUNSUBSCRIBE PUBSUB|SHARDCHANNELS PUBSUB|SHARDNUMSUB": "no shards",
    "CLIENT|CACHING CLIENT|GETREDIR CLIENT|TRACKING CLIENT|TRACKINGINFO": "no caches of clients",
    "CLIENT|PAUSE CLIENT|UNPAUSE": "[QUEUE PAUSE](../commands/queue/queue-pause.md) pauses a queue",
    "CLIENT|REPLY": "a reply is what a queue is asked for",
    "ASKING READONLY READWRITE": "no cluster",
    "FAILOVER PSYNC REPLCONF REPLICAOF SLAVEOF SYNC WAIT": "no replication",
    "BGREWRITEAOF BGSAVE LASTSAVE SAVE": (
        "what was answered is in the journal; `respq backup` copies it"
    ),
    "ACL": "one user, `default`, with one password",
    "CONFIG|REWRITE CONFIG|RESETSTAT CONFIG|SET": "settings are given at the start",
    "COMMAND|GETKEYSANDFLAGS": "COMMAND GETKEYS tells the keys",
    "LATENCY MEMORY SLOWLOG MONITOR": (
        "[metrics](metrics.md) and [INFO](../commands/server/info.md) tell of times and memory"
    ),
    "DEBUG LOLWUT MODULE": "of Redis' own inside",
}
"""Commands of Redis 7 that there are not, and why.

A bar parts the words of one, as in Redis; a first word stands for all that begin with it.
"""


def words_of(names: str) -> list[str]:
    """Return the names of a line of `LEFT_OUT`."""
    return [name.replace("|", " ") for name in names.split()]


def refreshed(text: str) -> str:
    """Return the page with its tables as they should be."""
    tables = {"differences": _differences(), "left-out": _left_out()}
    return _TABLES.sub(
        lambda found: "\n".join(
            [
                f"<!-- {found[1]}: `make pages` writes it -->",
                *tables[found[1]],
                f"<!-- /{found[1]} -->",
            ]
        ),
        text,
    )


def _differences() -> list[str]:
    lines = []
    for each in DIFFERENCES:
        lines += ["", each.why, "", "```"]
        lines += [f"> {line}" for line in (*each.after, each.command)]
        lines += [*_reply("Redis", each.redis), *_reply("respq", each.respq), "```"]
    return [*lines, ""]


def _reply(server: str, reply: str) -> list[str]:
    first, *others = reply.splitlines()
    return [f"{server}: {first}", *(f"       {line}" for line in others)]


def _left_out() -> list[str]:
    rows = [
        f"| {', '.join(f'`{name}`' for name in words_of(names))} | {why} |"
        for names, why in LEFT_OUT.items()
    ]
    return ["", "| there is no | because |", "|---|---|", *rows, ""]
