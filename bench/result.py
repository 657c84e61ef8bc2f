"""What a measured row yields: the lines of the table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Protocol


@dataclass(frozen=True)
class Target:
    """A bound that PERFORMANCE's table sets."""

    bound: float
    at_least: bool = True

    def is_reached(self, value: float) -> bool:
        """Tell whether a value is on the right side."""
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        """Return the bound with its sign."""
        return f"{'≥' if self.at_least else '≤'} {self.bound:,}"


@dataclass
class Line:
    """One line of the table. What could not be had is None, and ``problem`` says why."""

    row: str
    title: str
    load: str
    unit: str
    ours: list[float] = field(default_factory=list)
    """A value for each round."""
    theirs: list[float] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    """What the table says in brackets behind a side's value."""
    target: Target | None = None
    judges_ratio: bool = True
    """The target is one for the ratio, not for our own value."""
    problem: str | None = None
    commands: dict[str, str] = field(default_factory=dict)
    """The command line of each side, with PORT and DIR for what changes."""
    loads: dict[str, str] = field(default_factory=dict)
    """How the load generator was called for each side."""
    facts: dict[str, dict[str, str]] = field(default_factory=dict)
    """What each running server said about itself."""
    rounds: list[dict[str, Any]] = field(default_factory=list)
    """All that was measured, for the record."""

    @property
    def ratio(self) -> float | None:
        """Return the ratio of the medians, ours to theirs."""
        if not self.ours or not self.theirs:
            return None
        return median(self.ours) / median(self.theirs)

    @property
    def spread(self) -> tuple[float, float] | None:
        """Return the least and the greatest ratio of one round."""
        pairs = [ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=False)]
        return (min(pairs), max(pairs)) if pairs else None

    @property
    def verdict(self) -> str:
        """Return how the line stands to its target."""
        judged = self.ratio if self.judges_ratio else median(self.ours) if self.ours else None
        if self.problem is not None:
            return self.problem
        if self.target is None or judged is None:
            return ""
        return "reached" if self.target.is_reached(judged) else "MISSED"


@dataclass(frozen=True)
class Bench:
    """How long and where to measure."""

    rounds: int
    seconds: float
    directory: Path
    """Where the servers' directories go."""


class Row(Protocol):
    """A row of the table; a kind of row is a class with these."""

    @property
    def name(self) -> str:
        """Return what ``--rows`` calls it."""

    @property
    def title(self) -> str:
        """Return what the table calls it."""

    def measure(self, bench: Bench) -> Iterator[Line]:
        """Measure and yield each line as soon as it is there."""


def missing(rivals: Sequence[Any]) -> str | None:
    """Return which of the rivals are not installed, None when all are."""
    absent = [rival for rival in rivals if rival.executable() is None]
    return "; ".join(f"{each.name} is missing: {each.install}" for each in absent) or None
