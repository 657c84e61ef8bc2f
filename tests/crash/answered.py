"""A server and its client in one process: ``python -m tests.crash.answered DIRECTORY``.

The client pushes one job after the other, and prints the number of each when it was answered for,
with the milliseconds since the first. In a trace of the process these lines stand among the calls
by which the server wrote its journal.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

import uvloop

from respq.config import Settings
from respq.server.app import Server
from respq.server.logs import open_log

QUEUE = b"jobs"


async def push(directory: Path, fsync: str, rate: int, seconds: float) -> None:
    """Serve, and be the client, until the time is over."""
    socket = directory.with_suffix(".sock")
    settings = Settings(
        data_dir=str(directory),
        fsync=fsync,
        port=0,
        unix_socket=str(socket),
        http=False,
        ballast_bytes=0,
        protected_mode=False,
    )
    server = Server(settings, open_log("error", "text"))
    await server.start()
    reader, writer = await asyncio.open_unix_connection(str(socket))
    began_s = time.monotonic()
    for number in range(1, int(rate * seconds) + 1):
        payload = b"%d" % number
        writer.write(b"QPUSH %b %b\r\n" % (QUEUE, payload))
        head = await reader.readline()
        await reader.readexactly(int(head[1:]) + 2)
        passed_s = time.monotonic() - began_s
        sys.stdout.write(f"{number} {passed_s * 1_000:.0f}\n")
        sys.stdout.flush()
        await asyncio.sleep(max(0.0, number / rate - passed_s))
    writer.close()
    server.stop()
    await server.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--fsync", default="always")
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    work = push(options.directory, options.fsync, options.rate, options.seconds)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


if __name__ == "__main__":
    main()
