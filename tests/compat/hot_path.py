"""A worker's commands on whichever redis-py is on the path; prints the replies as JSON.

    python hot_path.py PORT [no-hiredis]

Run by the test as a program of its own, because a process has one redis-py.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Generator
from typing import Any

if "no-hiredis" in sys.argv:
    sys.modules["hiredis"] = None  # type: ignore[assignment]

import redis
import redis.asyncio

BINARY = b"\x00\xff\r\n$5\r\n"
Command = tuple[Any, ...]
Batch = tuple[str, list[Command]]
"""How to send commands, and which: ``single``, ``pipeline`` or ``multi``."""
Story = Generator[Batch, list[Any], None]


def single(*command: Any) -> Batch:
    return "single", [command]


def story() -> Story:
    """Yield what is to be sent, and get the replies."""
    yield single("DEL", "q", "other")
    yield single("QPUSH", "q", "hello")
    yield single("QPUSH", "q", BINARY, "ID", "j1", "PRIORITY", 5)
    yield single("QMPUSH", "q", 3, "a", "b", "c", "PRIORITY", -1)
    yield single("QPUSH", "q", "x", "FOO")
    yield single("QLEN", "q")
    yield single("QPEEK", "q", "COUNT", 2)
    popped = yield single("QPOP", "q")
    yield single("QTOUCH", "q", popped[0][1], "LEASE", "1h")
    yield single("QACK", "q", popped[0][1])
    yield single("QACK", "q", popped[0][1])
    popped = yield single("QPOP", "q", "COUNT", 2, "CONSUMER", "me")
    yield single("QNACK", "q", popped[0][0][1], "SILENT")
    yield single("QNACK", "q", popped[0][1][1], "DELAY", "1h", "ERROR", "no", "WITHDUE")
    yield single("QMPOP", 2, "nothing", "q", "COUNT", 10)
    yield single("QMPOP", 2, "nothing", "nobody")
    yield single("QPOP", "q")
    yield single("QPOP", "q", "COUNT", 5)
    yield single("QPOP", "q", "BLOCK", 5)
    yield single("QPUSH", "q", "later", "DELAY", 20)
    yield single("QPOP", "q", "BLOCK", 30_000)
    yield single("QPUSH", "q", "now")
    yield single("QPOP", "q", "BLOCK", 30_000, "NOACK")
    yield single("QSTATS", "q")
    for kind in ("pipeline", "multi"):
        commands: list[Command] = [("QPUSH", "other", "x")] * 5
        commands += [("QPOP", "other")] * 3
        commands += [("QPOP", "other", "COUNT", 9), ("QPOP", "other"), ("QPOP", "other", "FOO")]
        commands += [("QACK", "other", "1:stale"), ("QLEN", "other"), ("QLEN", "nothing")]
        yield kind, commands
    yield single("QSTATS", "other", "q")
    yield single("QACK", "q", "junk")
    yield single("DEL", "q", "other")


def plain(value: Any) -> Any:
    """Return a reply as JSON can hold it: bytes as text, anything unexpected by its type.

    What differs from run to run is replaced: ids, fences, instants.
    """
    if isinstance(value, bytes):
        text = re.sub(r"\b1\d{12}-\d+", "<id>", value.decode("latin-1"))
        return re.sub(r"^\d+:", "<fence>:", text)
    if isinstance(value, redis.ResponseError):
        return {"error": str(value)}
    if type(value) is int:
        return "<time>" if value > 1_000_000_000_000 else value
    if type(value) in (list, tuple):
        return [plain(each) for each in value]
    if type(value) is dict:
        return {"map": {plain(key): plain(each) for key, each in value.items()}}
    return value if value is None else {type(value).__name__: str(value)}


def run(port: int, protocol: int) -> list[Any]:
    """Tell the story by the blocking client."""
    client = redis.Redis(port=port, protocol=protocol, socket_timeout=60)
    replies: list[Any] = []
    steps = story()
    kind, commands = next(steps)
    while True:
        found: list[Any] = []
        if kind == "single":
            try:
                found = [client.execute_command(*commands[0])]
            except redis.ResponseError as error:
                found = [error]
        else:
            pipe = client.pipeline(transaction=kind == "multi")
            for command in commands:
                pipe.execute_command(*command)
            found = pipe.execute(raise_on_error=False)
        replies.append([kind, plain(found)])
        try:
            kind, commands = steps.send(found)
        except StopIteration:
            client.close()
            return replies


async def run_async(port: int, protocol: int) -> list[Any]:
    """Tell the story by the asyncio client."""
    client = redis.asyncio.Redis(port=port, protocol=protocol, socket_timeout=60)
    replies: list[Any] = []
    steps = story()
    kind, commands = next(steps)
    while True:
        found: list[Any] = []
        if kind == "single":
            try:
                found = [await client.execute_command(*commands[0])]
            except redis.ResponseError as error:
                found = [error]
        else:
            pipe = client.pipeline(transaction=kind == "multi")
            for command in commands:
                pipe.execute_command(*command)
            found = await pipe.execute(raise_on_error=False)
        replies.append([kind, plain(found)])
        try:
            kind, commands = steps.send(found)
        except StopIteration:
            await client.aclose()
            return replies


def main() -> None:
    port = int(sys.argv[1])
    told: dict[str, Any] = {"version": redis.__version__}
    for protocol in (2, 3):
        told[f"blocking RESP{protocol}"] = run(port, protocol)
        told[f"asyncio RESP{protocol}"] = asyncio.run(run_async(port, protocol))
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
