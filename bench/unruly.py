"""The jobs of a soak that go wrong: late, tried again, forgotten, given up, each accounted for.

A thread pushes jobs with a delay and ends their deliveries in all the ways there are. It knows
of every job whether it is over, so it notices one that is lost, one that comes back after its
ack was answered, and a stale receipt that is still taken.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque

from pipeline import Pipeline

QUEUE = "unruly"
TICK_SECONDS = 0.02
LEASE_MS = 1_000
LATE_SECONDS = 3.0
"""So long after a lease that it is over, however the clocks of both sides stand."""
DELAY_MS_MAX = 10_000
PAYLOAD_BYTES = 64
POPPED_MAX = 100
"""In one tick."""
FATES = {"ack": 70, "retry": 10, "later": 8, "forget": 9, "fatal": 3}
"""How a delivery ends, and in how many of a hundred."""
PURGE_COUNT = 100
"""Dead letters that are purged together: left alone, they would be memory that grows."""
DRAIN_SECONDS_MAX = 60.0


class Unruly(threading.Thread):
    """Pushes ``rate`` jobs a second, on average, until `stop`; then `drain`."""

    def __init__(self, port: int, rate: int, seed: int) -> None:
        super().__init__(name="unruly", daemon=True)
        self.pushed_count = 0
        self.acked_count = 0
        self.dead_count = 0
        self.late_count = 0
        """Receipts that were given back when they were stale, and refused."""
        self.faults: list[str] = []
        """What must not happen, in words."""
        self.is_stopping = threading.Event()
        self._rate = rate
        self._random = random.Random(seed)
        self._pipeline = Pipeline(port)
        self._live: set[bytes] = set()
        self._dead_unpurged = 0
        self._forgotten: deque[tuple[float, bytes]] = deque()
        """Receipts that nobody gave back, by when their lease is long over."""

    def run(self) -> None:
        """Push and work, some of both in each tick."""
        owed = 0.0
        try:
            while not self.is_stopping.wait(TICK_SECONDS):
                owed += self._rate * TICK_SECONDS
                self._push(int(owed))
                owed -= int(owed)
                self._work()
                if self._dead_unpurged >= PURGE_COUNT:
                    self._purge_dead()
        except (OSError, ValueError) as error:
            self.faults.append(f"the unruly client broke: {error!r}")

    def stop(self) -> None:
        """Push no more, and wait until the thread is at its end."""
        self.is_stopping.set()
        self.join()

    def drain(self) -> None:
        """Finish what is left; whatever is not to be had is a fault."""
        ends_at = time.monotonic() + DRAIN_SECONDS_MAX
        while (self._live or self._forgotten) and time.monotonic() < ends_at and not self.faults:
            self._work(fate="ack")
            time.sleep(TICK_SECONDS)
        if self._live and not self.faults:
            self.faults.append(f"{len(self._live)} unruly jobs were pushed and never came back")
        self._purge_dead()

    def _purge_dead(self) -> None:
        """Throw away the dead letters, as many as there must be."""
        [purged] = self._pipeline.ask([["QDLQ", "PURGE", QUEUE]])
        if purged != self._dead_unpurged:
            self.faults.append(f"{purged} dead letters, where {self._dead_unpurged} were made")
        self._dead_unpurged = 0

    def _push(self, count: int) -> None:
        first = self.pushed_count
        payloads = [b"%0*d" % (PAYLOAD_BYTES, serial) for serial in range(first, first + count)]
        replies = self._pipeline.ask(
            [
                ["QPUSH", QUEUE, payload, "ATTEMPTS", "1000", "DELAY", str(self._delay_ms())]
                for payload in payloads
            ]
        )
        for payload, reply in zip(payloads, replies, strict=True):
            self._expect(isinstance(reply, bytes), "a push", reply)
            self._live.add(payload)
        self.pushed_count += count

    def _delay_ms(self) -> int:
        return self._random.randrange(DELAY_MS_MAX)

    def _work(self, fate: str | None = None) -> None:
        """Pop what is ready and end each delivery by chance, or by the one fate."""
        pop = ["QPOP", QUEUE, "COUNT", str(POPPED_MAX), "LEASE", str(LEASE_MS)]
        [deliveries] = self._pipeline.ask([pop])
        if not isinstance(deliveries, list):
            self.faults.append(f"a pop was answered {deliveries!r}")
            return
        now = time.monotonic()
        fates = self._random.choices([*FATES], [*FATES.values()], k=len(deliveries))
        commands: list[list[str | bytes]] = []
        ended: list[tuple[str, bytes]] = []
        for (_, receipt, payload), drawn in zip(deliveries, fates, strict=True):
            if payload not in self._live:
                self.faults.append(f"the job {payload!r} came back after it was over")
            chosen = fate or drawn
            if chosen == "forget":
                self._forgotten.append((now + LATE_SECONDS, receipt))
                continue
            commands.append(self._ending(chosen, receipt))
            ended.append((chosen, payload))
        late = 0
        while self._forgotten and self._forgotten[0][0] < now:
            commands.append(["QACK", QUEUE, self._forgotten.popleft()[1]])
            late += 1
        replies = self._pipeline.ask(commands)
        for (chosen, payload), reply in zip(ended, replies, strict=False):
            self._expect(reply == 1, f"the end of a delivery by {chosen}", reply)
            if chosen in ("ack", "fatal"):
                self._live.discard(payload)
            self.acked_count += chosen == "ack"
            self.dead_count += chosen == "fatal"
            self._dead_unpurged += chosen == "fatal"
        for reply in replies[len(ended) :]:
            self._expect(reply == 0, "an ack by a stale receipt", reply)
        self.late_count += late

    def _ending(self, fate: str, receipt: bytes) -> list[str | bytes]:
        if fate == "ack":
            return ["QACK", QUEUE, receipt]
        nack: list[str | bytes] = ["QNACK", QUEUE, receipt]
        match fate:
            case "later":
                return [*nack, "SILENT", "DELAY", str(self._delay_ms())]
            case "fatal":
                return [*nack, "FATAL", "ERROR", "given up"]
        return [*nack, "DELAY", str(self._delay_ms()), "ERROR", "tried in vain"]

    def _expect(self, is_fine: bool, what: str, reply: object) -> None:
        if not is_fine:
            self.faults.append(f"{what} was answered {reply!r}")
