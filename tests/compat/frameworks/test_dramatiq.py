"""Dramatiq on respq and on a real Redis."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.compat.frameworks.both import Both, kills, outcomes
from tests.compat.frameworks.workload import AROUND

EXPECTED = {
    "queues": {"waiting": 3, "left": 0},
    "priorities": ["begun first", "first", "high 0", "high 1", "low 0", "low 1"],
    "results": {
        "returned": 5,
        "again": 5,
        "raised": "actor raised ValueError: no such article",
        "missing": True,
    },
    "canvas": {
        "pipeline": 16,
        "of each": [3, 6, 16],
        "group": [*range(0, 16, 2)],
        "group of pipelines": [0, 4, 8],
    },
    "times": {"early": []},
    "failures": {
        "runs of what failed twice": 3,
        "dead": ["fail", "hopeless", "nobody", "write"],
        "runs of what is hopeless": 3,
        "done all the same": [],
    },
    "limits": {
        "bucket": [True, True, False, False],
        "window": [True, True, False, False],
        "at once": [True, True, False, True],
        "alone": True,
        "barrier": [True, False, True, True, True],
    },
    "orphan": ["orphan", 2],
}


@pytest.mark.parametrize("protocol", [2, 3])
def test_dramatiq_does_what_it_does_on_redis(running: Both, tmp_path: Path, protocol: int) -> None:
    told = outcomes("dramatiq", running, tmp_path, protocol)

    assert told.redis == EXPECTED
    assert told.respq == EXPECTED


def test_every_job_that_dramatiq_was_answered_for_is_done_after_a_kill(
    tmp_path: Path, show: Callable[[str, Both], None]
) -> None:
    left = kills("dramatiq", tmp_path, protocol=3)

    show("dramatiq", left)
    assert left.respq.lost == []
    assert len(left.respq.answered) > 2 * AROUND
