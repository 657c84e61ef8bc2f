"""What must hold of every family while a key of it is said again for compaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from respq.engine.codec import decode_records
from respq.engine.record import Record
from respq.engine.relocate import living_bytes
from tests.harness import Harness, image

Fill = Callable[[Harness], None]
"""Makes what is to be said again."""


def said(harness: Harness, since: int = 0) -> list[Record]:
    """Return the records of the batches from one on."""
    return [each for body in harness.journal[since:] for each in decode_records(body)]


def steps(harness: Harness, batches: int) -> Iterator[None]:
    """Go on with a compaction, each record in a batch of its own."""
    for _ in harness.compaction(batches):
        harness.settle()
        yield


def check_changes_come_out_right(fill: Fill, batches: int, count: int, *lines: str) -> None:
    """Say commands at each of the first steps of a compaction; the journal has what is live."""
    for step in range(count):
        harness = Harness()
        fill(harness)
        for number, _ in enumerate(steps(harness, batches)):
            if number == step:
                for line in lines:
                    harness.say(line)
                assert image(harness.replayed()) == image(harness.engine.state)
        assert image(harness.replayed()) == image(harness.engine.state), step
        harness.compact(len(harness.journal))
        assert image(harness.replayed()) == image(harness.engine.state), step


def check_a_crash_loses_nothing(fill: Fill, batches: int, count: int, line: str) -> None:
    """Crash behind each of the first steps of a compaction, and a command that came then."""
    for step in range(count):
        harness = Harness()
        fill(harness)
        for number, _ in enumerate(steps(harness, batches)):
            if number == step:
                break
        harness.say(line)
        before = image(harness.engine.state)
        harness.crash()
        assert image(harness.engine.state) == before
        for _ in range(2):
            harness.compact(len(harness.journal))
            assert image(harness.replayed()) == before


def check_what_lives_is_estimated(harness: Harness) -> None:
    """Assert that what lives is about as large as what compaction writes of it."""
    before = sum(living_bytes(harness.engine.state))
    since = len(harness.journal)

    harness.compact(since)

    assert before == pytest.approx(sum(map(len, harness.journal[since:])), rel=0.05)
