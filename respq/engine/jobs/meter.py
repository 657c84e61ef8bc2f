"""How busy a queue has been of late: rates, how long jobs waited, how long work took.

It is kept in memory alone. No record speaks of it and replay knows nothing of it: the engine makes
a meter when a queue is first used, so that a restart, or forgetting it, begins anew.

Rates are averages that decay: what happened a minute ago counts 1/e of what happens now in the
average over a minute. They are made of samples of the queue's totals. Whatever is about to change
one of these calls for a sample first if ``next_ms`` has come; so all that a sample finds happened
before ``next_ms``, at a rate that is taken as constant, and what came after it was idle.

    sample      next_ms              now
      |  count jobs |      none       |        the average is (older * decay + count * weight) / age

Such an average begins at 0. It is divided by the share of its weight that lies in the meter's life
(`_age`), which makes it the average so far as long as the meter is younger than its horizon.

Of the jobs that go out within `SPACING_MS` the first is measured, and stands for all until the next
one is: for as many as the totals say. The same goes for those that are acknowledged. However many
there are, measuring a queue takes no more than some hundred microseconds in a second.

Times are counted in buckets, in two generations: the older one is dropped whole.

    ms      0 1 2 … 15 | 16 17 | 18 19 | … | 30 31 | 32 … 35 | …     eight buckets to an octave
"""

from __future__ import annotations

from collections.abc import Iterable
from math import exp, expm1
from typing import Final

from respq.engine.jobs.job import Job

SAMPLE_MS = 5_000
SPACING_MS = 10
GENERATION_MS = 300_000
"""Times of the last one to two generations are shown."""
HORIZONS_MS = (60_000, 300_000, 900_000)
LEAST_AGE_MS = 1_000
"""Jobs a second cannot be told of less than a second."""
COUNTED = ("pushed", "popped", "acked", "failed")
Counts = tuple[int, int, int, int]
"""Of a queue since it was made, in the order of `COUNTED`."""
Rates = tuple[tuple[float, ...], ...]
"""In jobs a second, by `COUNTED`, then by `HORIZONS_MS`."""


class Times:
    """How often something took how long; sum and maximum are exact, shares to an eighth."""

    __slots__ = ("_counts", "max_ms", "sum_ms")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        """By bucket; three bits behind the leading one are kept of a time."""
        self.max_ms = 0
        self.sum_ms = 0

    def add(self, ms: int, count: int) -> None:
        """Count that it took so long, for ``count`` jobs."""
        shift = ms.bit_length() - 4
        bucket = ms if shift <= 0 else (shift << 3) + (ms >> shift)
        counts = self._counts
        counts[bucket] = counts.get(bucket, 0) + count
        self.sum_ms += ms * count
        if ms > self.max_ms:
            self.max_ms = ms

    def merge(self, other: Times) -> None:
        """Add what another has counted."""
        for bucket, count in other._counts.items():
            self._counts[bucket] = self._counts.get(bucket, 0) + count
        self.sum_ms += other.sum_ms
        self.max_ms = max(self.max_ms, other.max_ms)

    @property
    def count(self) -> int:
        """For how many jobs it was counted."""
        return sum(self._counts.values())

    @property
    def mean_ms(self) -> float:
        """The mean; 0 of nothing."""
        return self.sum_ms / (self.count or 1)

    def within_ms(self, percent: int) -> int:
        """Return the time within which it was done for so many of a hundred; 0 of nothing.

        It is never less than the true one, and at most an eighth more.
        """
        left = -(-self.count * percent // 100)
        for bucket in sorted(self._counts):
            left -= self._counts[bucket]
            if left <= 0:
                return min(_last_of(bucket), self.max_ms)
        return 0


def _last_of(bucket: int) -> int:
    """Return the longest time of a bucket."""
    shift = max(0, (bucket >> 3) - 1)
    return ((bucket - (shift << 3) + 1) << shift) - 1


class Generation:
    """What was measured in a time."""

    __slots__ = ("delivered", "in_time", "services", "waits")

    def __init__(self) -> None:
        self.waits = Times()
        """From READY until handed out."""
        self.services = Times()
        """From there until acknowledged."""
        self.delivered = 0
        """Jobs of which is known whether they waited for too long."""
        self.in_time = 0
        """Those that did not."""


_NOTHING: Final = Generation()
"""Before anything was measured; never added to."""


class Meter:
    """What is measured of a queue."""

    __slots__ = (
        "_averages",
        "_before",
        "_began_ms",
        "_counts",
        "_popped",
        "_recent",
        "_sampled_ms",
        "_served",
        "_service_ms",
        "_slo_ms",
        "_turn_ms",
        "_wait_ms",
        "next_ms",
        "taken",
    )

    def __init__(self, now_ms: int, counts: Counts) -> None:
        self._began_ms = self._sampled_ms = now_ms
        self._counts = counts
        self._averages = [[0.0] * len(HORIZONS_MS) for _ in COUNTED]
        """Not divided by age."""
        self._slo_ms = 0
        """What the generations call in time."""
        self._before = _NOTHING
        self._recent = Generation()
        _, self._popped, self._served, _ = counts
        """Of how many jobs the times are counted."""
        self._wait_ms = self._service_ms = 0
        """Those of the jobs since."""
        self.taken = 0
        """Jobs that count as acknowledged, but were handed out without a lease."""
        self._turn_ms = now_ms + GENERATION_MS
        """When the next generation begins."""
        self.next_ms = now_ms + SAMPLE_MS
        """When to `advance` before anything is counted or measured."""

    def advance(self, now_ms: int, counts: Counts) -> None:
        """Take a sample of the counts, and drop what was measured too long ago."""
        _, popped, acked, _ = counts
        self._settle_waits(popped)
        self._settle_services(acked)
        self._sample(now_ms, counts)
        if now_ms >= self._turn_ms:
            turns = 1 + (now_ms - self._turn_ms) // GENERATION_MS
            self._before = self._recent if turns == 1 else Generation()
            self._recent = Generation()
            self._turn_ms += turns * GENERATION_MS
        self.next_ms = min(self._sampled_ms + SAMPLE_MS, self._turn_ms)

    def _sample(self, now_ms: int, counts: Counts) -> None:
        busy_until_ms = min(now_ms, self.next_ms)
        busy_ms, idle_ms = busy_until_ms - self._sampled_ms, now_ms - busy_until_ms
        for place, horizon_ms in enumerate(HORIZONS_MS):
            decay, idle = exp(-(busy_ms + idle_ms) / horizon_ms), exp(-idle_ms / horizon_ms)
            # What came all in this millisecond has not decayed.
            share = -expm1(-busy_ms / horizon_ms) / busy_ms if busy_ms else 1 / horizon_ms
            weight = 1_000 * share * idle
            for averages, count, known in zip(self._averages, counts, self._counts, strict=True):
                averages[place] = averages[place] * decay + (count - known) * weight
        self._counts = counts
        self._sampled_ms = now_ms

    def note_wait(self, ms: int, popped: int) -> None:
        """Take it that jobs are handed out after ``ms`` from now on, when ``popped`` were."""
        if ms != self._wait_ms:
            self._settle_waits(popped)
            self._wait_ms = ms

    def note_service(self, ms: int, acked: int) -> None:
        """Take it that deliveries are acknowledged after ``ms`` from now on."""
        if ms != self._service_ms:
            self._settle_services(acked)
            self._service_ms = ms

    def _settle_waits(self, popped: int) -> None:
        if popped > self._popped:
            self._recent.waits.add(self._wait_ms, popped - self._popped)
            self._popped = popped

    def _settle_services(self, acked: int) -> None:
        served = acked - self.taken
        if served > self._served:
            self._recent.services.add(self._service_ms, served - self._served)
            self._served = served

    def judge(self, jobs: Iterable[Job], now_ms: int, slo_ms: int) -> None:
        """Count which of the jobs that are handed out now have waited for ``slo_ms`` at most."""
        if slo_ms != self._slo_ms:
            for generation in (self._before, self._recent):
                generation.delivered = generation.in_time = 0
            self._slo_ms = slo_ms
        in_time = [now_ms - job.since_ms <= slo_ms for job in jobs]
        self._recent.delivered += len(in_time)
        self._recent.in_time += sum(in_time)

    # What follows is as of the last `advance`.

    @property
    def rates(self) -> Rates:
        """How many jobs a second there were."""
        age = [self._age(horizon_ms) for horizon_ms in HORIZONS_MS]
        return tuple(
            tuple(average / share for average, share in zip(averages, age, strict=True))
            for averages in self._averages
        )

    def _age(self, horizon_ms: int) -> float:
        """Return the share of an average's weight that lies in the life of the meter."""
        return -expm1(-max(self._sampled_ms - self._began_ms, LEAST_AGE_MS) / horizon_ms)

    @property
    def waits(self) -> tuple[Times, Times]:
        """How long jobs were READY before they were handed out; to be merged."""
        return self._before.waits, self._recent.waits

    @property
    def services(self) -> tuple[Times, Times]:
        """How long acknowledged deliveries took; to be merged."""
        return self._before.services, self._recent.services

    def in_time(self, slo_ms: int) -> tuple[int, int]:
        """Return how many deliveries were within ``slo_ms``, and of how many that is known."""
        if slo_ms != self._slo_ms:
            return 0, 0
        before, recent = self._before, self._recent
        return before.in_time + recent.in_time, before.delivered + recent.delivered


def merged(parts: Iterable[Times]) -> Times:
    """Return all that was counted in any of the parts."""
    whole = Times()
    for part in parts:
        whole.merge(part)
    return whole
