"""Virtual time: what is to happen when, and an event loop for a process that may die.

Everything of a simulation stands in one line of events, those of the server's loop too. Events
of the same instant happen in the order in which they were planned, so a turn of the loop ends
behind all sockets that had something at that instant, as it does in asyncio.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextvars import Context
from heapq import heappop, heappush
from random import Random
from typing import Any, TypeVar, TypeVarTuple


class Killed(SystemExit):
    """The end of a process in the middle of what it does: nothing of it may catch this."""


Happening = Callable[..., object]
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Timeline:
    """The one line of events, and how late it is."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._planned: list[tuple[float, int, Happening, tuple[Any, ...]]] = []
        self._count = 0

    def at(self, when_s: float, happening: Happening, *args: Any) -> None:
        """Have something happen at an instant, behind what is planned for it already."""
        self._count += 1
        heappush(self._planned, (when_s, self._count, happening, args))

    def after(self, delay_s: float, happening: Happening, *args: Any) -> None:
        """Have something happen a while from now."""
        self.at(self.now_s + delay_s, happening, *args)

    def spend(self, elapsed_s: float) -> None:
        """Let time pass in the middle of something."""
        self.now_s += elapsed_s

    def next_s(self) -> float:
        """Return when the next event is planned."""
        return self._planned[0][0] if self._planned else float("inf")

    def step(self) -> None:
        """Let the next thing happen."""
        when_s, _, happening, args = heappop(self._planned)
        self.now_s = max(self.now_s, when_s)
        happening(*args)


class ProcessLoop(asyncio.AbstractEventLoop):
    """The event loop of one process: when that is dead, nothing of it happens any more."""

    def __init__(self, timeline: Timeline, chance: Random) -> None:
        self.is_alive = True
        self.on_error: Callable[[BaseException], None] = _raise
        self._timeline = timeline
        self._chance = chance

    def time(self) -> float:
        return self._timeline.now_s

    def stopwatch_s(self) -> float:
        """Return the time, of which a little passes whenever somebody looks."""
        if self.is_alive:
            slow = self._chance.random() < 0.01
            self._timeline.spend(self._chance.random() * (0.006 if slow else 0.000_05))
        return self._timeline.now_s

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._timeline.after(0.0, self._run, handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._timeline.now_s + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._timeline.at(when, self._run, handle)
        return handle

    def get_debug(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.on_error(context["exception"])

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Do nothing: it is passed over when its time comes."""

    def _run(self, handle: asyncio.Handle) -> None:
        if self.is_alive and not handle.cancelled():
            handle._run()


class Beside(Executor):
    """A thread of a process in which work takes its time."""

    def __init__(self, timeline: Timeline, loop: ProcessLoop, seconds: Callable[[], float]) -> None:
        self._timeline = timeline
        self._loop = loop
        self._seconds = seconds

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()

        def work() -> None:
            if not self._loop.is_alive:
                return
            try:
                result = fn(*args, **kwargs)
            except Exception as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        self._timeline.after(self._seconds(), work)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Do nothing: there is no thread."""


def _raise(error: BaseException) -> None:
    raise error
