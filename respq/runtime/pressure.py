"""Pressure: when memory or the disk is short, what makes the state grow is refused.

    memory    ok ──── 80 % ───► warning ──── 90 % ───► critical
              ▲                    │                       │
              └──── under 70 % ────┴───────────────────────┘

A timer reads the resident memory, and what `Space` found on the disk, a few times a second;
commands look at nothing (`Broker.refuse_growth`). What ends jobs is never refused: it is the
way out.

From the warning on, payloads that are not needed soon are let go, until enough is free
(engine/payloads.py).

glibc keeps what is freed in pieces: of 200,000 jobs of 2 KB that are all done it keeps 490 MB of
504, and gives back 427 when it is told to (`malloc_trim`, 32 ms). So from the warning on it is
told to now and then, or a shortage would never end.
"""

from __future__ import annotations

import asyncio
import ctypes
import resource
from collections.abc import Callable, Iterator
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from respq.errors import DiskShort, MemoryShort, RespqError
from respq.runtime.committer import Committer
from respq.runtime.compactor import Compactor
from respq.runtime.space import Space

if TYPE_CHECKING:
    from respq.runtime.core import Core

LOOK_S: Final = 0.1
COMPACT_S: Final = 5.0
"""While the disk is short, compaction looks for something to do so often."""
TRIM_S: Final = 1.0
"""From the warning on, the allocator gives back what it has so often, …"""
BUSY_TRIM_S: Final = 0.2
"""… and so often while payloads are let go: they are no room before it has given them back."""
TRIM_SHARE: Final = 10
"""One in so many seconds at most goes by with that: it takes the longer the more there is."""
OK: Final = 0
WARNING: Final = 1
CRITICAL: Final = 2
LEVEL_NAMES: Final = ("ok", "warning", "critical")
WARNING_PERCENT: Final = 80
CRITICAL_PERCENT: Final = 90
OK_PERCENT: Final = 70
KEEP_PERCENT: Final = 60
"""Up to here a start keeps the payloads that it comes by: the rest is for what else jobs take."""
LET_GO_S: Final = 0.003
"""For so long at most payloads are let go in one slice."""
LET_GO_PAUSE: Final = 3
"""How many times as long as a slice no other follows."""
CROWDED_PAUSE: Final = 1
CROWDED_PERCENT: Final = 85
"""The same from here on: pushes come faster than payloads are let go."""

_PAGE_BYTES: Final = resource.getpagesize()


def resident_bytes() -> int:
    """Return the resident memory of this process; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0


def give_back() -> None:
    """Have the allocator give back memory that is free, where it can be told to."""
    if _trim is not None:
        _trim(0)


def _find_trim() -> Callable[[int], int] | None:
    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # It is not glibc.
        return None
    return found


_trim: Final = _find_trim()


def next_level(level: int, used_bytes: int, limit_bytes: int) -> int:
    """Return the level that follows on a level; without a limit of 0 it is always `OK`."""
    if used_bytes * 100 >= limit_bytes * CRITICAL_PERCENT and limit_bytes:
        return CRITICAL
    if used_bytes * 100 < limit_bytes * OK_PERCENT or not limit_bytes:
        return OK
    if used_bytes * 100 >= limit_bytes * WARNING_PERCENT:
        return max(level, WARNING)
    return level


def _tell_nobody(_: str, **__: Any) -> None:
    """Report to nobody."""


class Pressure:
    """Looks at memory and disk for a core, and has its broker refuse growth."""

    def __init__(self, core: Core, limit_bytes: int) -> None:
        """Look at nothing yet.

        Args:
            core: whose broker is told.
            limit_bytes: of the memory; 0 for none.
        """
        self.limit_bytes = limit_bytes
        self.used_bytes = 0
        self.level = OK
        self.space: Space | None = None
        """What is known of the disk; None where no journal is kept. See `watch`."""
        self.reason = ""
        """Why growth is refused, as a sentence; empty if it is not."""
        self.read_used: Callable[[], int] = resident_bytes
        self.report: Callable[..., None] = _tell_nobody
        """Called with a sentence, and numbers by name, when something changes."""
        self.give_back: Callable[[], None] = give_back
        self.clock_s: Callable[[], float] = core.loop.time
        self._core = core
        self._disk_is_short = False
        self._compacts_s = 0.0
        """When to have compaction look at the journal again."""
        self._trims_s = 0.0
        """When to have memory given back again."""
        self._trim_took_s = 0.0
        self._trimming: asyncio.Future[None] | None = None
        self._free_bytes = 0
        """Of payloads that were let go since memory was given back; less what has come since."""
        self._committed_bytes = 0
        self._letting_go: Iterator[int] | None = None
        self._slice: asyncio.TimerHandle | None = None
        """When to go on letting go, if there is more to be done than fits into a slice."""
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Look now, and again and again from now on."""
        self.look()
        self._handle = self._core.loop.call_later(LOOK_S, self.start)

    def watch(self, space: Space) -> None:
        """Look at the disk too, and at once when it gets short."""
        self.space = space
        space.tell_change = self._look_now

    def _look_now(self) -> None:
        """Have the loop look; called from another thread."""
        with suppress(RuntimeError):  # The loop is closed.
            self._core.loop.call_soon_threadsafe(self.look)

    def stop(self) -> None:
        """Look no more."""
        for handle in (self._handle, self._slice):
            if handle is not None:
                handle.cancel()

    def look(self) -> None:
        """Look once, and have growth refused or taken."""
        self.used_bytes = self.read_used()
        level = next_level(self.level, self.used_bytes, self.limit_bytes)
        if level != self.level:
            self._note_level(level)
        space = self.space
        if space is not None and space.is_short != self._disk_is_short:
            self._note_disk(space)
        core = self._core
        if level != OK:
            self._have_given_back()
            if core.committer is not None and self._slice is None:
                self._let_go(core.committer)
        if self._disk_is_short and core.compactor is not None:
            self._have_compacted(core.compactor)
        shortage = self._shortage()
        if shortage is not None or core.broker.shortage is not None:
            # In a turn: what schedules missed is pushed when it is over.
            core.broker.refuse_growth(core.begin_turn(), shortage)

    def _have_given_back(self) -> None:
        """Have memory given back now and then, in a thread."""
        now_s = self.clock_s()
        is_at_it = self._trimming is not None and not self._trimming.done()
        if now_s >= self._trims_s and not is_at_it:
            pause_s = BUSY_TRIM_S if self._letting_go is not None else TRIM_S
            self._trims_s = now_s + max(pause_s, TRIM_SHARE * self._trim_took_s)
            self._free_bytes = 0
            self._trimming = self._core.loop.run_in_executor(None, self._give_back_and_time)

    def _give_back_and_time(self) -> None:
        """Give memory back, and note how long it took."""
        began_s = perf_counter()
        self.give_back()
        self._trim_took_s = perf_counter() - began_s

    def has_room(self) -> bool:
        """Tell whether a start may keep more payloads in memory."""
        return self.read_used() * 100 < self.limit_bytes * KEEP_PERCENT or not self.limit_bytes

    def _let_go(self, committer: Committer) -> None:
        """Let go of payloads, slice by slice, until there is enough that can be given back.

        What has been committed meanwhile has taken some of that.
        """
        self._slice = None
        arrived_bytes = committer.figures.bytes - self._committed_bytes
        self._committed_bytes += arrived_bytes
        self._free_bytes = max(0, self._free_bytes - arrived_bytes)
        excess_bytes = self.used_bytes - self.limit_bytes * OK_PERCENT // 100
        began_s = perf_counter()
        while self._free_bytes < excess_bytes and perf_counter() - began_s < LET_GO_S:
            if self._letting_go is None:
                engine, committed = self._core.engine, committer.position - 1
                self._letting_go = engine.letting_go(committed, self.limit_bytes)
            freed_bytes = next(self._letting_go, None)
            if freed_bytes is None:
                self._letting_go = None
                return  # All that can go has gone.
            self._free_bytes += freed_bytes
        if self._free_bytes < excess_bytes:
            is_crowded = self.used_bytes * 100 >= self.limit_bytes * CROWDED_PERCENT
            pause = CROWDED_PAUSE if is_crowded else LET_GO_PAUSE
            wait_s = pause * (perf_counter() - began_s)
            self._slice = self._core.loop.call_later(wait_s, self._let_go, committer)

    def _have_compacted(self, compactor: Compactor) -> None:
        """Have the journal looked at now and then, though little is written to it any more.

        What is popped and acknowledged meanwhile makes much of it dead.
        """
        now_s = self.clock_s()
        if now_s >= self._compacts_s:
            self._compacts_s = now_s + COMPACT_S
            compactor.look_soon()

    def _shortage(self) -> RespqError | None:
        """Return what commands that make the state grow are answered, and note the reason."""
        if self.level == CRITICAL:
            self.reason = (
                f"memory is short: {self.used_bytes} bytes are used, maxmemory is "
                f"{self.limit_bytes}; what makes the state grow is refused"
            )
            # The words of Redis, with its full stop.
            return MemoryShort("command not allowed when used memory > 'maxmemory'.")
        if self._disk_is_short and self.space is not None:
            space = self.space
            self.reason = (
                f"the disk of the journal has room for {space.room_bytes} bytes; what makes the "
                f"state grow is refused until it has room for {space.back_bytes}"
            )
            return DiskShort(f"{self.reason}: make room; pops and acks go on")
        self.reason = ""
        return None

    def _note_level(self, level: int) -> None:
        sentence = {
            OK: "memory is no longer short",
            WARNING: f"memory is getting short: over {WARNING_PERCENT} % of maxmemory",
            CRITICAL: f"memory is short: over {CRITICAL_PERCENT} % of maxmemory, so what makes the "
            "state grow is refused with -OOM",
        }[level]
        self.level = level
        self.report(sentence, used=self.used_bytes, maxmemory=self.limit_bytes)

    def _note_disk(self, space: Space) -> None:
        self._disk_is_short = space.is_short
        if space.is_short:
            sentence = "the disk is short, so what makes the state grow is refused with -MISCONF"
        else:
            sentence = "the disk is no longer short"
        self.report(sentence, room=space.room_bytes, disk_free_bytes_min=space.floor_bytes)
