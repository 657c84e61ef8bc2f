"""Huey on respq and on a real Redis."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.compat.frameworks.both import Both, kills, outcomes
from tests.compat.frameworks.workload import AROUND


def a_day(name: str, **more: Any) -> dict[str, Any]:
    return {
        "pending": [3, 3],
        "results": [3, 3],
        "pipeline": [1, 3, 6],
        "chord": 60,
        "mapped": [1, 2, 3],
        "locked": [True, "TaskLockedException('unable to acquire lock press')"],
        "pressed": f"{name} first",
        "limited": ["a", "b", "RateLimitExceeded('letters'"],
        "later": 9,
        "never": "ValueError('never fails')",
        "revoked": [False, False],
        "left": [0, 0],
        **more,
    }


def by_priority(name: str) -> dict[str, Any]:
    order = [2, 5, 1, 3, 0, 4]
    return {
        "pending": order,
        "last": 6,
        "order": [f"{name} add ({number},)" for number in (*order, 6)],
        "flushed": [0, 0],
    }


EXPECTED = {
    "plain": a_day("plain", read=[7, False]),
    "expiring": a_day("expiring", read=[7, True], expires=True),
    "urgent": by_priority("urgent"),
    "both": by_priority("both"),
}


@pytest.mark.parametrize("protocol", [2, 3])
def test_huey_does_what_it_does_on_redis(running: Both, tmp_path: Path, protocol: int) -> None:
    told = outcomes("huey", running, tmp_path, protocol)

    assert told.redis == EXPECTED
    assert told.respq == EXPECTED


def test_every_job_that_huey_was_answered_for_is_done_after_a_kill(
    tmp_path: Path, show: Callable[[str, Both], None]
) -> None:
    left = kills("huey", tmp_path, protocol=3)

    show("huey", left)
    assert left.respq.lost == []
    assert len(left.respq.answered) > 2 * AROUND
