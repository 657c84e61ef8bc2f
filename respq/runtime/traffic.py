"""What passed through the server; plain numbers, read when metrics are scraped."""

from __future__ import annotations

from time import perf_counter
from typing import Final

SAMPLE_EVERY: Final = 32
"""One command, or what is executed together with it, of so many is timed: two clock readings
for each would cost 86 ns."""
BUCKETS_S: Final = (0.000_005, 0.000_01, 0.000_02, 0.000_05, 0.000_1, 0.000_5, 0.001, 0.01, 0.1)


class Durations:
    """Counts by command and bucket; plain integers, read when metrics are scraped."""

    __slots__ = ("counts", "sums_s")

    def __init__(self) -> None:
        self.counts: dict[str, list[int]] = {}
        """By command; bucket i is up to ``BUCKETS_S[i]``, the last is beyond."""
        self.sums_s: dict[str, float] = {}

    def add(self, command: str, elapsed_s: float) -> None:
        """Count one execution."""
        counts = self.counts.get(command)
        if counts is None:
            counts = self.counts[command] = [0] * (len(BUCKETS_S) + 1)
            self.sums_s[command] = 0.0
        bucket = 0
        while bucket < len(BUCKETS_S) and elapsed_s > BUCKETS_S[bucket]:
            bucket += 1
        counts[bucket] += 1
        self.sums_s[command] += elapsed_s


class Traffic:
    """Counts since the start of the process."""

    __slots__ = (
        "_until_sample",
        "commands_total",
        "connections_total",
        "cut_total",
        "durations",
        "rejected_total",
    )

    def __init__(self) -> None:
        self.commands_total = 0
        self.connections_total = 0
        self.rejected_total = 0
        """Connections turned away at maxclients."""
        self.cut_total = 0
        """Connections closed because more was to be sent than they may have unread."""
        self.durations = Durations()
        self._until_sample = 0
        """Commands until the next one is timed."""

    def begin(self) -> float:
        """Return when commands begin to be executed, in seconds; 0 if they are not timed."""
        return perf_counter() if self._until_sample <= 0 else 0.0

    def end(self, name: str, count: int, began_s: float) -> None:
        """Count commands that were executed, and each its share of the time if it was taken."""
        self.commands_total += count
        self._until_sample -= count
        if began_s and count:
            self.durations.add(name, (perf_counter() - began_s) / count)
            self._until_sample = SAMPLE_EVERY
