"""A row about a backlog that memory does not hold: most of its payloads lie in the journal alone.

    push ──► resident memory ──► kill -9, cold start ──► kill -9, start with next to no memory
                                                                         │
                      a server that has all in memory ──── in turn ──── pop and ack, cold files

That payloads were let go while it was pushed, and read back while it was popped, is checked by the
server's own INFO: without that the numbers would be of something else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from generator import Load, Measured, generate, shown_command
from result import Bench, Line, Target, missing
from rivals import respq
from server import MeasurementFailed, Mode, Server
from single import files_of, forget_pages, start_cold
from wire import redis_info

MODE = Mode.EVERYSEC
PAYLOAD_BYTES = 1_024
PUSHED_AT_ONCE = 1_000_000
"""By one run of the generator, which may take two minutes."""
MAXMEMORY_MIB = 6 * 1_024
"""For as many jobs as `FOR_JOBS`; for fewer as much less, but not less than the next one."""
FOR_JOBS = 10_000_000
MAXMEMORY_MIB_MIN = 360
"""For trials: 200,000 jobs take 305 MiB, so that payloads are let go and no push can be refused."""
STARVED = respq.Respq("--maxmemory", "32mb")
"""With so little a start keeps no payloads: the server itself takes more."""
POPPED_MAX = 100_000
"""In one round."""
HELD = 3
"""As many times what is popped as the server in memory has: if most were gone, it would compact."""
READ_BACK_SHARE_MIN = 0.95
CAT_RATIO_MAX = 1.3


@dataclass(frozen=True)
class Backlog:
    """What it takes to push, to hold, to start with and to pop more than fits into memory."""

    name: str
    title: str
    jobs: int
    ready_seconds_max: float
    """To be ready after a kill, unless the disk takes longer."""

    @property
    def maxmemory_mib(self) -> int:
        """Return what the server may use; all payloads would be more."""
        return max(MAXMEMORY_MIB_MIN, MAXMEMORY_MIB * self.jobs // FOR_JOBS)

    def measure(self, bench: Bench) -> Iterator[Line]:
        """Yield a line for pushing, one for the memory, one for the start and one for popping."""
        pushing = self._line("push", "jobs/s", None)
        resident = self._line("resident memory, beside maxmemory", "MiB", 1.0)
        ready = self._line(
            "time to ready after kill -9, cold, beside `cat` of the journal",
            "s",
            self.ready_seconds_max,
        )
        ready.judges_ratio = False
        popping = self._line("pop and ack from disk, beside from memory", "jobs/s", None)
        popping.commands = {
            "ours": STARVED.shown_command(MODE),
            "theirs": respq.SERVER.shown_command(MODE),
        }
        limited = respq.Respq("--maxmemory", f"{self.maxmemory_mib}mb")
        for line in (pushing, resident, ready):
            line.commands["ours"] = limited.shown_command(MODE)
        lines = (pushing, resident, ready, popping)
        try:
            if limited.executable() is not None:
                with Server(limited, MODE, bench.directory) as server:
                    self._push(server, pushing, resident)
                    self._start(bench, server, ready)
                    self._pop(bench, server, popping)
        except (MeasurementFailed, OSError) as failure:
            for line in lines:
                line.problem = str(failure)
        yield from lines

    def _line(self, what: str, unit: str, bound: float | None) -> Line:
        return Line(
            self.name,
            f"{self.title}: {what}",
            f"{self.jobs:,} jobs of {PAYLOAD_BYTES:,} bytes",
            unit,
            target=None if bound is None else Target(bound, at_least=False),
            problem=missing([respq.SERVER]),
        )

    def _push(self, server: Server, pushing: Line, resident: Line) -> None:
        """Push all jobs; a refusal ends the row."""
        runs = fill(server, self.jobs)
        peak_mib = server.peak_rss_bytes() / 2**20
        server.wait_until_quiet()
        let_go, _ = payload_counts(server)
        if let_go == 0:
            raise MeasurementFailed(f"{self.jobs:,} payloads fit into {self.maxmemory_mib} MiB")
        pushing.ours.append(self.jobs / sum(run["seconds"] for run in runs))
        pushing.rounds += runs
        pushing.facts["ours"] = server.rival.facts(server.port)
        resident.ours.append(server.rss_bytes() / 2**20)
        resident.theirs.append(self.maxmemory_mib)
        resident.notes["ours"] = f"peak {peak_mib:,.0f}; {let_go:,} payloads were let go"
        resident.rounds.append({"peak_mib": peak_mib, "payloads_let_go": let_go})

    def _start(self, bench: Bench, server: Server, ready: Line) -> None:
        """Start from a cold cache; that a disk is slow is not the server's fault."""
        for _ in range(bench.rounds):
            start_cold(server, self.jobs, ready)
        cat_seconds = round(CAT_RATIO_MAX * median(ready.theirs), 1)
        ready.target = Target(max(self.ready_seconds_max, cat_seconds), at_least=False)

    def _pop(self, bench: Bench, server: Server, popping: Line) -> None:
        """Pop from one server whose payloads are away, and from one that has them, in turn."""
        popped = min(POPPED_MAX, self.jobs // 10 // bench.rounds)
        load = Load(connections=1, pipeline=200, count=popped, payload_bytes=PAYLOAD_BYTES)
        for key in ("ours", "theirs"):
            popping.loads[key] = shown_command(respq.POP, load)
        server.kill()
        server.rival = STARVED
        server.start()
        files = files_of(server)
        with Server(respq.SERVER, MODE, bench.directory) as beside:
            fill(beside, HELD * bench.rounds * popped)
            _, read_before = payload_counts(server)
            for _ in range(bench.rounds):
                for each in (server, beside):
                    each.wait_until_quiet()
                forget_pages(files)
                from_disk = generate(server, respq.POP, load)
                from_memory = generate(beside, respq.POP, load)
                popping.ours.append(from_disk["jobs_per_second"])
                popping.theirs.append(from_memory["jobs_per_second"])
                popping.rounds.append({"ours": from_disk, "theirs": from_memory})
            for key, each in (("ours", server), ("theirs", beside)):
                popping.facts[key] = each.rival.facts(each.port)
            _, read_after = payload_counts(server)
            let_go_beside, _ = payload_counts(beside)
        read_back, all_popped = read_after - read_before, bench.rounds * popped
        if read_back < READ_BACK_SHARE_MIN * all_popped:
            raise MeasurementFailed(f"of {all_popped:,} payloads {read_back:,} came from the disk")
        if let_go_beside:
            raise MeasurementFailed(f"memory is short: {let_go_beside:,} payloads were let go")
        popping.notes["ours"] = f"{read_back:,} read back for {all_popped:,}"


def fill(server: Server, jobs: int) -> list[Measured]:
    """Push jobs in runs that do not take too long, each with the resident memory at its end."""
    runs = []
    for done in range(0, jobs, PUSHED_AT_ONCE):
        count = min(PUSHED_AT_ONCE, jobs - done)
        load = Load(connections=8, pipeline=200, count=count, payload_bytes=PAYLOAD_BYTES)
        runs.append(generate(server, respq.PUSH, load) | {"rss_bytes": server.rss_bytes()})
    return runs


def payload_counts(server: Server) -> tuple[int, int]:
    """Return how many payloads a server has let go since its start, and how many read back."""
    info = redis_info(server.port, "memory")
    return int(info["respq_payloads_let_go"]), int(info["respq_payloads_read_back"])
