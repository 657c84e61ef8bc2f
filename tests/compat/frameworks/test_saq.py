"""saq on respq and on a real Redis."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.compat.frameworks.both import Both, kills, outcomes
from tests.compat.frameworks.workload import AROUND

EXPECTED = {
    "twice": None,
    "dropped": ["aborted", "not wanted"],
    "counts": [1, 0, 2],
    "listed": [{"a": 1, "b": 2}],
    "applied": 4,
    "mapped": [5, 6, 7],
    "error": "ValueError: bad fails",
    "background": [
        ["complete", 8],
        ["complete", "third succeeds"],
        ["complete", "slowly succeeds"],
        ["failed", "ValueError: never fails"],
        ["failed", "TimeoutError"],
    ],
    "aborted": ["aborted", "enough"],
    "held": ["complete", "held", 1.0],
    "kept for": True,
    "left nothing": None,
    "workers": [1, "default", 0],
}


@pytest.mark.parametrize("protocol", [2, 3])
def test_saq_does_what_it_does_on_redis(running: Both, tmp_path: Path, protocol: int) -> None:
    told = outcomes("saq", running, tmp_path, protocol)

    assert told.redis == EXPECTED
    assert told.respq == EXPECTED


def test_every_job_that_saq_was_answered_for_is_done_after_a_kill(
    tmp_path: Path, show: Callable[[str, Both], None]
) -> None:
    left = kills("saq", tmp_path, protocol=3)

    show("saq", left)
    assert left.respq.lost == []
    assert len(left.respq.answered) > 2 * AROUND
