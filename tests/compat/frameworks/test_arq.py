"""arq on respq and on a real Redis."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.compat.frameworks.both import Both, kills, outcomes
from tests.compat.frameworks.workload import AROUND

EXPECTED = {
    "burst": {
        "twice": None,
        "queued": ["add", "add", "fail", "forget", "hurry", "nobody knows it"],
        "statuses": ["queued", "queued", "deferred"],
        "outcomes": [
            3,
            "ValueError('bad fails')",
            "JobExecutionFailed(\"function 'nobody knows it' not found\")",
            3,
            "ResultNotFound('Not waiting for job result because the job is not in queue. "
            "Is the worker function configured to keep result?')",
            "TimeoutError()",
        ],
        "other": 5,
        "twice, when it is done": None,
        "results": ["add", "add", "add", "fail", "hurry", "nobody knows it"],
        "info": ["add", [1, 2], 1, True, None],
        "left": [0, 1],
    },
    "background": {
        "in progress": "in_progress",
        "aborted": [True, "CancelledError()"],
        "aborted before": [True, "CancelledError()"],
        "outcomes": [
            *(10, "second succeeds"),
            *("JobExecutionFailed('max 2 retries exceeded')", "held"),
        ],
        "health": 0,
        "notes": [
            "a worker starts",
            *(f"add {numbers}" for numbers in ("(1, 2)", "(10,)", "(3,)", "(4,)", "(5,)")),
            *("bad", "begun aborted", "begun held", "begun slow"),
            *("held", "second", "third", "ticks"),
        ],
    },
}


@pytest.mark.parametrize("protocol", [2, 3])
def test_arq_does_what_it_does_on_redis(running: Both, tmp_path: Path, protocol: int) -> None:
    told = outcomes("arq", running, tmp_path, protocol)

    assert told.redis == EXPECTED
    assert told.respq == EXPECTED


def test_every_job_that_arq_was_answered_for_is_done_after_a_kill(
    tmp_path: Path, show: Callable[[str, Both], None]
) -> None:
    left = kills("arq", tmp_path, protocol=2)

    show("arq", left)
    assert left.respq.lost == []
    assert len(left.respq.answered) > 2 * AROUND
