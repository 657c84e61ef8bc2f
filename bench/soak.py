"""Load the server for long, at a share of what it can, and see what changes: ``make soak``.

    python bench/soak.py --minutes 30 --share 0.7

A load is jobs that are pushed by the clock and go through workers that wait for them, and beside
them some that are delayed, tried again, forgotten and given up (unruly.py). The capacity is found
first, on servers of their own: the greatest rate that is kept with a p99 of at most
`TRIAL_P99_MS` from push to pop. Then a fresh server, with an fsync before each reply, gets the
share of it in slices, each a run of the load generator. A line is printed for each slice, and all
is kept as JSON.

The verdict, for which the exit status is 1 if any of it fails:

- memory: a line fitted to the resident memory after the first third rises by at most
  `GROWTH_MAX` of it until the end;
- throughput: every slice kept the rate, and a job costs the server at most `DRIFT_MAX` more
  processor time in the last third than in the first;
- stalls: no turn of the event loop took longer than `STALL_MS_MAX`, not counting what the disk
  took for the longest commit, which is part of a turn where commits are made in the loop;
- disk: the server's files never took more than `DISK_MIB_MAX`, whatever went through them;
- jobs: every one that was pushed came through once, was given up, or is still there, by the
  generator's account, the unruly client's, and the server's own totals.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import linear_regression, median
from typing import Any

import report
from generator import Load, Measured, compile_generator, generate
from rivals import respq
from run import allow_many_files
from server import MeasurementFailed, Mode, Server
from unruly import Unruly
from wire import ask_redis, redis_info

SLICE_SECONDS = 10.0
PRODUCERS, CONSUMERS = 50, 100
RATE_MAX = 64_000
TRIAL_SECONDS = 4.0
TRIAL_P99_MS = 50
"""From push to pop. Beyond, a queue grows that would not be worked off."""
TRIALS = 7
KEPT_SHARE_MIN = 0.98
UNRULY_SHARE = 0.02
"""Of the jobs. Each of them takes several deliveries."""
GROWTH_MAX = 0.03
DRIFT_MAX = 1.15
STALL_MS_MAX = 10.0
DISK_MIB_MAX = 256
"""The journal is to stay under three times what lives in it, a few MiB here, and 128 MiB."""


@dataclass(frozen=True)
class Slice:
    """What was seen at the end of one run of the generator."""

    minutes: float
    jobs_per_second: float
    cpu_us: float
    """Processor time of the server for each job."""
    push_p99_us: float
    pop_p99_us: float
    rss_mib: float
    disk_mib: float
    stall_ms: float
    """The longest turn of the loop so far."""
    commit_ms: float
    """The longest commit so far."""

    def __str__(self) -> str:
        """Return a line of the table."""
        return (
            f"| {self.minutes:5.1f} | {self.jobs_per_second:8,.0f} | {self.cpu_us:6.1f} "
            f"| {self.push_p99_us:8,.0f} | {self.pop_p99_us:8,.0f} | {self.rss_mib:8.1f} "
            f"| {self.disk_mib:8,.0f} | {self.stall_ms:7.1f} | {self.commit_ms:7.1f} |"
        )


HEADING = (
    "| min | jobs/s | CPU µs/job | push p99 µs | to pop p99 µs | RSS MiB | disk MiB "
    "| worst turn ms | worst commit ms |\n|---|---|---|---|---|---|---|---|---|"
)


def main() -> int:
    options = read_arguments()
    allow_many_files()
    try:
        compile_generator()
        with tempfile.TemporaryDirectory(prefix="respq-soak-", dir=options.dir) as directory:
            capacity = options.capacity or find_capacity(Path(directory), options.seed)
            rate = int(capacity * options.share)
            print(f"capacity {capacity:,} jobs/s; loaded with {rate:,} for {options.minutes:g} min")
            check_room(Path(directory))
            content = report.origin([respq.SERVER], Path(directory))
            outcome = soak(Path(directory), rate, options.minutes, options.seed)
    except MeasurementFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    for failed in outcome["failures"]:
        print(f"FAILED: {failed}")
    content |= {"capacity": capacity, "rate": rate, "minutes": options.minutes} | outcome
    print(f"kept as {report.save(content, options.json, '-soak')}")
    print(f"{len(outcome['failures'])} failed" if outcome["failures"] else "passed")
    return 1 if outcome["failures"] else 0


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--share", type=float, default=0.7, help="of the capacity; default 0.7")
    parser.add_argument("--capacity", type=int, help="jobs a second, instead of finding out")
    parser.add_argument("--seed", type=int, default=1, help="of what goes wrong, and when")
    parser.add_argument("--json", type=Path, help="where to keep the run; default bench/results/")
    parser.add_argument("--dir", help="where the server keeps its files; default the temp dir")
    return parser.parse_args()


def find_capacity(directory: Path, seed: int) -> int:
    """Return the greatest rate that is kept, in jobs a second, by halving what is left."""
    low, high = 0, RATE_MAX
    for _ in range(TRIALS):
        rate = (low + high) // 2
        unruly_rate = _unruly_rate(rate)
        with Server(respq.SERVER, Mode.ALWAYS, directory) as server:
            unruly = Unruly(server.port, unruly_rate, seed)
            unruly.start()
            run = generate(server, respq.BLOCKED, _load(rate - unruly_rate, TRIAL_SECONDS))
            unruly.stop()
        is_quick = run["push_to_pop"]["p99_us"] <= TRIAL_P99_MS * 1_000
        is_kept = is_quick and _is_kept(rate - unruly_rate, run)
        low, high = (rate, high) if is_kept else (low, rate)
    if not low:
        raise MeasurementFailed(f"not even {high:,} jobs/s are kept")
    return low


def check_room(directory: Path) -> None:
    """Raise `MeasurementFailed` where a journal that is not compacted would fill the disk."""
    free_mib = shutil.disk_usage(directory).free >> 20
    if free_mib < 8 * DISK_MIB_MAX:
        raise MeasurementFailed(f"{directory} has {free_mib:,} MiB free: give another --dir")


def soak(directory: Path, rate: int, minutes: float, seed: int) -> dict[str, Any]:
    """Load a fresh server, print its slices and return them with what is wrong with them."""
    unruly_rate = _unruly_rate(rate)
    slices: list[Slice] = []
    jobs = 0
    kept = True
    with Server(respq.SERVER, Mode.ALWAYS, directory) as server:
        unruly = Unruly(server.port, unruly_rate, seed)
        began_s = time.monotonic()
        unruly.start()
        print(HEADING)
        while time.monotonic() - began_s < minutes * 60 and not unruly.faults:
            cpu_s = server.cpu_seconds()
            run = generate(server, respq.BLOCKED, _load(rate - unruly_rate, SLICE_SECONDS))
            cpu_s = server.cpu_seconds() - cpu_s
            jobs += run["pushes"]
            kept &= _is_kept(rate - unruly_rate, run)
            slices.append(_slice(server, run, cpu_s, (time.monotonic() - began_s) / 60))
            print(slices[-1], flush=True)
        unruly.stop()
        unruly.drain()
        failures = [*unruly.faults, *_wrong_totals(server, jobs, unruly)]
    counts = {
        "pushed": unruly.pushed_count,
        "acked": unruly.acked_count,
        "given up": unruly.dead_count,
        "stale receipts refused": unruly.late_count,
    }
    print("unruly: " + ", ".join(f"{count:,} {what}" for what, count in counts.items()))
    if not kept:
        failures.append("a slice did not keep the rate")
    failures += _judge(slices)
    return {
        "slices": [asdict(each) for each in slices],
        "jobs": jobs,
        "unruly": counts,
        "failures": failures,
    }


def _unruly_rate(rate: int) -> int:
    return max(1, int(rate * UNRULY_SHARE))


def _load(rate: int, seconds: float) -> Load:
    return Load(connections=PRODUCERS, consumers=CONSUMERS, rate=rate, seconds=seconds)


def _is_kept(rate: int, run: Measured) -> bool:
    return bool(run["jobs_per_second"] >= KEPT_SHARE_MIN * rate)


def _slice(server: Server, run: Measured, cpu_s: float, minutes: float) -> Slice:
    info = redis_info(server.port)
    return Slice(
        minutes,
        run["jobs_per_second"],
        cpu_s / run["pushes"] * 1e6,
        run["push"]["p99_us"],
        run["push_to_pop"]["p99_us"],
        server.rss_bytes() / (1 << 20),
        _disk_bytes(server.directory) / (1 << 20),
        int(info["respq_loop_stall_max_us"]) / 1_000,
        int(info["respq_commit_max_us"]) / 1_000,
    )


def _disk_bytes(directory: Path) -> int:
    size = 0
    for path in directory.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # A segment may go meanwhile.
            size += path.stat().st_size if path.is_file() else 0
    return size


def _wrong_totals(server: Server, jobs: int, unruly: Unruly) -> list[str]:
    """Return where the server's totals are not what its clients know."""
    info = redis_info(server.port)
    wanted = {
        "pushed_total": jobs + unruly.pushed_count,
        "acked_total": jobs + unruly.acked_count,
        "dead_total": unruly.dead_count,
        "purged_total": unruly.dead_count,
    }
    found = {name: int(info[name]) for name in wanted}
    left = sum(int(ask_redis(server.port, "QLEN", name)[1:]) for name in ("jobs", "unruly"))
    wrong = [
        f"{name} is {found[name]:,}, not {count:,}"
        for name, count in wanted.items()
        if found[name] != count
    ]
    return wrong + ([f"{left:,} jobs are left"] if left else [])


def _judge(slices: Sequence[Slice]) -> list[str]:
    """Return what is wrong with how the slices went on."""
    third = len(slices) // 3
    if not third:
        return ["there are fewer than three slices: give more --minutes"]
    failures = []
    rest = slices[third:]
    fit = linear_regression([each.minutes for each in rest], [each.rss_mib for each in rest])
    growth = fit.slope * (rest[-1].minutes - rest[0].minutes) / rest[0].rss_mib
    drift = median(each.cpu_us for each in slices[-third:]) / median(
        each.cpu_us for each in slices[:third]
    )
    stall_ms, commit_ms = slices[-1].stall_ms, slices[-1].commit_ms
    print(
        f"memory {growth:+.2%} after the first third, processor time of a job {drift:.2f} of what "
        f"it was, worst turn {stall_ms:.1f} ms, worst commit {commit_ms:.1f} ms"
    )
    if growth > GROWTH_MAX:
        failures.append(f"memory grows: {growth:+.2%}, at most {GROWTH_MAX:.0%}")
    if drift > DRIFT_MAX:
        failures.append(f"a job costs {drift:.2f} of what it did, at most {DRIFT_MAX}")
    disk_mib = max(each.disk_mib for each in slices)
    if disk_mib > DISK_MIB_MAX:
        failures.append(f"the journal took {disk_mib:,.0f} MiB, at most {DISK_MIB_MAX}")
    if stall_ms > STALL_MS_MAX + commit_ms:
        failures.append(
            f"a turn took {stall_ms:.1f} ms, at most {STALL_MS_MAX:g} and the longest commit"
        )
    return failures


if __name__ == "__main__":
    sys.exit(main())
