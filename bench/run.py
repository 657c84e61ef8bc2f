"""Measure respq beside other servers: ``python bench/run.py``.

Prints a table as it goes and keeps the run as JSON. bench/README.md says how it is measured.
"""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

import report
from backlog import Backlog
from generator import PAYLOAD_BYTES, compile_generator
from result import Bench, Line, Row
from rivals import (
    beanstalkd,
    faktory,
    nats,
    qrusty,
    queued,
    rabbitmq,
    redis,
    respq,
    rustqueue,
)
from server import MeasurementFailed
from single import JobMemory, Startup
from table import LONG_ROWS, ROWS

RIVALS = (
    respq.SERVER,
    redis.SERVER,
    beanstalkd.SERVER,
    nats.SERVER,
    faktory.SERVER,
    rabbitmq.SERVER,
    rustqueue.SERVER,
    qrusty.SERVER,
    queued.SERVER,
)
SIZED = (Backlog, JobMemory, Startup)
"""The rows that `--jobs` is for."""


def main() -> int:
    options = read_arguments()
    if options.list:
        for row in (*ROWS, *LONG_ROWS):
            print(f"{row.name:32} {row.title}")
        return 0
    rows = [sized(row, options.jobs) for row in chosen_rows(options.rows, full=options.full)]
    signal.signal(signal.SIGTERM, leave)
    allow_many_files()
    try:
        compile_generator()
    except MeasurementFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    lines: list[Line] = []
    with tempfile.TemporaryDirectory(prefix="respq-bench-", dir=options.dir) as directory:
        bench = Bench(options.rounds, options.seconds, Path(directory))
        _print_preamble(bench)
        try:
            measure(rows, bench, lines)
            complete = True
        except KeyboardInterrupt:
            print("\ninterrupted: the lines above are all there is", file=sys.stderr)
            complete = False
        content = report.document(bench, RIVALS, lines, complete=complete)
    print(f"\nservers:\n{report.configuration(lines)}")
    print(f"\nkept as {report.save(content, options.json)}")
    return 0 if complete else 130


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="", help="names parted by commas; default all")
    parser.add_argument("--full", action="store_true", help="the long rows, too")
    parser.add_argument("--jobs", type=int, help="how many, in rows that push a number of jobs")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each side, alternating")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each run")
    parser.add_argument("--json", type=Path, help="where to keep the run; default bench/results/")
    parser.add_argument("--dir", help="where the servers keep their files; default the temp dir")
    parser.add_argument("--list", action="store_true", help="print the rows and leave")
    return parser.parse_args()


def chosen_rows(names: str, *, full: bool) -> Sequence[Row]:
    known = {row.name: row for row in (*ROWS, *LONG_ROWS)}
    wanted = [name for name in names.split(",") if name]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        sys.exit(f"no row is called {', '.join(unknown)}; see --list")
    return [known[name] for name in wanted] or (ROWS + LONG_ROWS if full else ROWS)


def sized(row: Row, jobs: int | None) -> Row:
    """Return a row with another number of jobs, if it has one, to try it."""
    return replace(row, jobs=jobs) if jobs and isinstance(row, SIZED) else row


def measure(rows: Sequence[Row], bench: Bench, lines: list[Line]) -> None:
    """Measure the rows in order, printing and collecting each line as it comes.

    A row that breaks for a reason nobody foresaw is a line that says so; the others go on.
    """
    print(report.heading())
    for row in rows:
        try:
            for line in row.measure(bench):
                lines.append(line)
                print(report.table_line(line), flush=True)
        except Exception as error:
            broken = Line(row.name, row.title, "–", "–", problem=f"broke: {error!r}")
            lines.append(broken)
            print(report.table_line(broken), flush=True)


def _print_preamble(bench: Bench) -> None:
    for rival in RIVALS:
        known = rival.version() if rival.executable() else f"MISSING: {rival.install}"
        print(f"{rival.name}: {known}")
    facts = report.machine(bench.directory)
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    if facts["filesystem"] in ("tmpfs", "ramfs"):
        print("WARNING: the files are kept in memory, so an fsync costs nothing; use --dir")
    print(f"{bench.rounds} rounds of {bench.seconds:g} s, {PAYLOAD_BYTES}-byte payloads\n")


def leave(_number: int, _frame: FrameType | None) -> None:
    """End as Ctrl-C does, so that no server outlives the harness."""
    raise KeyboardInterrupt


def allow_many_files() -> None:
    """Servers inherit the limit, and 4,000 connections need more than the usual 1,024 files."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    sys.exit(main())
