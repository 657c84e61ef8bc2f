"""Memory and disk in a real core and event loop, with readings that the test makes up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from respq.config import Settings
from respq.engine.jobs.job import READY
from respq.journal.ballast import Ballast
from respq.runtime import pressure as pressure_module
from respq.runtime.pressure import (
    CRITICAL,
    OK,
    WARNING,
    Pressure,
    next_level,
    resident_bytes,
)
from respq.runtime.space import Space
from tests.harness import image
from tests.runtime.test_core import Remote, Rig, scenario, turns, until

OOM = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"


@pytest.mark.parametrize(
    ("readings", "levels"),
    [
        ([0, 799, 800, 899], [OK, OK, WARNING, WARNING]),
        ([899, 900, 1_000, 5_000], [WARNING, CRITICAL, CRITICAL, CRITICAL]),
        ([900, 899, 800, 700, 699], [CRITICAL, CRITICAL, CRITICAL, CRITICAL, OK]),
        ([800, 799, 700, 699, 799], [WARNING, WARNING, WARNING, OK, OK]),
        ([950, 0, 950], [CRITICAL, OK, CRITICAL]),
    ],
)
def test_levels_rise_at_80_and_90_percent_and_end_under_70(
    readings: list[int], levels: list[int]
) -> None:
    level = OK
    found = []
    for used in readings:
        level = next_level(level, used, 1_000)
        found.append(level)

    assert found == levels


@pytest.mark.parametrize("level", [OK, CRITICAL])
def test_without_a_limit_nothing_is_short(level: int) -> None:
    assert next_level(level, 1 << 60, 0) == OK


def test_the_resident_memory_is_that_of_this_process() -> None:
    before = resident_bytes()
    held = b"x" * (64 << 20)

    assert before > 4 << 20
    assert resident_bytes() > before + len(held) // 2


class Watched:
    """A server of 1,000 bytes, and what is read of its memory and its disk."""

    def __init__(self, rig: Rig, directory: Path) -> None:
        self.rig = rig
        self.used = 0
        self.free = 1 << 40
        self.reports: list[str] = []
        self.pressure: Pressure = rig.core.pressure
        self.pressure.read_used = lambda: self.used
        self.pressure.report = lambda sentence, **_: self.reports.append(sentence)
        ballast = Ballast(str(directory / "ballast"), 0)
        self.space = Space(ballast, 1_000, self.reports.append, lambda: self.free)
        self.pressure.space = self.space

    def look(self, used: int = 0, free: int = 1 << 40) -> None:
        self.used, self.free = used, free
        self.space.look()
        self.pressure.look()


def watched(tmp_path: Path, test: Callable[[Watched], Awaitable[None]]) -> None:
    async def run(rig: Rig) -> None:
        await test(Watched(rig, tmp_path))

    scenario(run, Settings(maxmemory=1_000))


def said(client: Remote) -> bytes:
    received, client.received = b"".join(client.received), []
    return received


def test_growth_is_refused_while_memory_is_critical(tmp_path: Path) -> None:
    async def test(server: Watched) -> None:
        client = Remote(server.rig)
        for used, is_taken in ((899, True), (900, False), (700, False), (699, True)):
            server.look(used)
            client.arrive("QPUSH q x")
            await until(lambda: client.received and server.rig.core.is_settled)

            assert (said(client) != OOM) is is_taken, used

        assert server.reports == [
            "memory is getting short: over 80 % of maxmemory",
            "memory is short: over 90 % of maxmemory, so what makes the state grow is refused with "
            "-OOM",
            "memory is no longer short",
        ]

    watched(tmp_path, test)


def test_growth_is_refused_while_the_disk_is_short(tmp_path: Path) -> None:
    async def test(server: Watched) -> None:
        client = Remote(server.rig)
        for free, is_taken in ((1_000, True), (999, False), (1_249, False), (1_250, True)):
            server.look(free=free)
            client.arrive("QPUSH q x")
            await until(lambda: client.received and server.rig.core.is_settled)

            reply = said(client)
            assert reply.startswith(b"-MISCONF ") is not is_taken, free
            if not is_taken:
                assert f"has room for {free} bytes; ".encode() in reply
                assert b"until it has room for 1250: make room" in reply

        assert server.reports == [
            "the disk is short, so what makes the state grow is refused with -MISCONF",
            "the disk is no longer short",
        ]

    watched(tmp_path, test)


def test_a_disk_that_gets_short_is_looked_at_at_once(tmp_path: Path) -> None:
    async def test(server: Watched) -> None:
        server.pressure.watch(server.space)
        server.free = 999

        await asyncio.to_thread(server.space.look)
        await turns()

        assert server.rig.broker.shortage is not None

    watched(tmp_path, test)


def test_of_both_memory_is_told_as_in_redis(tmp_path: Path) -> None:
    async def test(server: Watched) -> None:
        client = Remote(server.rig)
        told = []
        for used in (900, 0):
            server.look(used, free=0)
            client.arrive("QPUSH q x")
            await turns()
            told.append(said(client).split()[0])

        assert told == [b"-OOM", b"-MISCONF"]

    watched(tmp_path, test)


def test_clients_who_push_at_the_same_time_are_each_refused(tmp_path: Path) -> None:
    async def test(server: Watched) -> None:
        rig = server.rig
        Remote(rig).send("QUEUE CREATE q", "QPUSH q a", "QPUSH q b")
        clients = [Remote(rig) for _ in range(9)]
        server.look(900)

        for client in clients[:3]:
            client.arrive("QPUSH q x")
        for client in clients[3:6]:
            client.arrive_run("QPUSH q x", "QPUSH q y")
        for client in clients[6:8]:
            client.arrive("QPOP q")
        clients[8].arrive("QLEN q", "QPUSH q x", "QPUSH q x")
        await until(lambda: all(client.received for client in clients) and rig.core.is_settled)

        assert [said(client) for client in clients[:3]] == [OOM] * 3
        assert [said(client) for client in clients[3:6]] == [OOM * 2] * 3
        assert [said(client).split()[-1] for client in clients[6:8]] == [b"a", b"b"]
        assert said(clients[8]).endswith(OOM * 2)
        assert rig.broker.growth_refused == {"OOM": 11, "MISCONF": 0}
        assert all(not client.has_arrived for client in clients)

    watched(tmp_path, test)


def test_what_schedules_missed_is_pushed_and_committed_when_it_is_over(tmp_path: Path) -> None:
    async def test(server: Watched) -> None:
        rig = server.rig
        client = Remote(rig)
        client.send("QSCHED ADD q s x EVERY 1h")
        await until(lambda: rig.core.is_settled)
        server.look(900)
        rig.wall_ms += 7_200_000
        rig.steady_ms += 7_200_000
        rig.core.begin_turn()
        await turns()
        assert rig.core.is_settled
        assert rig.engine.queue(0, b"q").counts[READY] == 0

        server.look(0)
        await turns()
        await until(lambda: rig.core.is_settled)

        assert rig.engine.queue(0, b"q").counts[READY] == 1
        assert rig.replayed() == image(rig.engine.state)

    watched(tmp_path, test)


def test_it_looks_by_itself_until_it_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pressure_module, "LOOK_S", 0.0)

    async def test(server: Watched) -> None:
        server.pressure.start()
        assert server.pressure.level == OK
        server.used = 900
        await until(lambda: server.pressure.level == CRITICAL)

        server.pressure.stop()
        server.used = 0
        await asyncio.sleep(0.01)

        assert server.pressure.level == CRITICAL

    watched(tmp_path, test)


def test_memory_is_given_back_now_and_then_while_it_is_short_or_getting_so(
    tmp_path: Path,
) -> None:
    async def test(server: Watched) -> None:
        given: list[int] = []
        now_s = [1_000.0]
        server.pressure.clock_s = lambda: now_s[0]
        server.pressure.give_back = lambda: given.append(server.used)

        looks = [(0.0, 799, 0), (0.0, 800, 1), (0.9, 900, 1), (0.1, 900, 2), (1.0, 699, 2)]
        for passed_s, used, count in looks:
            now_s[0] += passed_s
            server.look(used)
            trimming = server.pressure._trimming
            if trimming is not None:
                await trimming

            assert len(given) == count, used

    watched(tmp_path, test)


def test_payloads_that_are_not_needed_soon_are_let_go_from_the_warning_on(tmp_path: Path) -> None:
    async def test(server: Watched) -> None:
        client = Remote(server.rig)
        client.send(*[f"QPUSH q {number:0100}" for number in range(200)])
        await until(lambda: server.rig.core.is_settled)
        jobs = list(server.rig.engine.queue(0, b"q").ready)

        server.look(799)
        assert all(isinstance(job.payload, bytes) for job in jobs)

        server.look(800)
        kept = [isinstance(job.payload, bytes) for job in jobs]
        assert kept == [True] * 41 + [False] * 159  # 4 KiB
        assert server.rig.engine.state.payloads_let_go == 159

    watched(tmp_path, test)


def test_what_is_let_go_makes_up_for_what_is_too_much_and_not_for_more(tmp_path: Path) -> None:
    async def test(server: Watched) -> None:
        client = Remote(server.rig)
        client.send(*[f"QPUSH q {number:0100}" for number in range(2_000)])
        await until(lambda: server.rig.core.is_settled)
        state = server.rig.engine.state
        server.pressure.clock_s = lambda: 0.0  # Nothing is given back meanwhile.

        server.look(800)
        once = state.payloads_let_go
        assert 0 < once < 1_000
        server.look(800)
        assert state.payloads_let_go == once

        # As many bytes have come as were let go, or more.
        client.send(*[f"QPUSH q {number:0100}" for number in range(once)])
        await until(lambda: server.rig.core.is_settled)
        server.look(800)
        assert state.payloads_let_go > once

    watched(tmp_path, test)


def test_compaction_looks_now_and_then_while_the_disk_is_short(tmp_path: Path) -> None:
    class Counting:
        looks = 0

        def look_soon(self) -> None:
            self.looks += 1

        def is_due(self, _: int) -> bool:
            return False

        def trim_before(self, _: int) -> int:
            return 0

    async def test(server: Watched) -> None:
        compactor: Any = Counting()
        server.rig.core.compactor = compactor
        now_s = [1_000.0]
        server.pressure.clock_s = lambda: now_s[0]
        server.look()
        assert compactor.looks == 0

        for passed_s, looks in ((0.0, 1), (4.9, 1), (0.1, 2), (0.1, 2)):
            now_s[0] += passed_s
            server.look(free=0)
            assert compactor.looks == looks
        server.rig.core.compactor = None

    watched(tmp_path, test)
