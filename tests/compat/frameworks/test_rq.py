"""RQ on respq and on a real Redis."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.compat.frameworks.both import Both, kills, outcomes
from tests.compat.frameworks.workload import AROUND


def finished(result: Any) -> list[Any]:
    return ["finished", "SUCCESSFUL", result]


def failed(error: str) -> list[Any]:
    return ["failed", "FAILED", error]


EXPECTED = {
    "several_queues": {
        "positions": [1, 0, 0, 1, 2],
        "order": ["add (4, 5)", "add (6,)", "seven", "add (3,)", "add (1, 2)"],
        "counts": [0, 1, 2],
        "standings": [*map(finished, (3, 3, 9, 6)), failed("ValueError: seven fails")],
        "results of the one that was requeued": 2,
        "queues": ["high", "low"],
    },
    "retries": [
        finished("third succeeds"),
        1,
        failed("ValueError: never fails"),
        0,
        [
            "on failure: third fails",
            "on failure: never fails",
            "on failure: third fails",
            "on failure: never fails",
            "on success: third succeeds",
        ],
    ],
    "dependencies": [4, 1, finished(30), finished(40), ["deferred"], finished(60), ["canceled"]],
    "group": ["Job with ID 'once' already exists", [["sum-7", 7], ["sum-8", 8]]],
    "bookkeeping": {
        "meta": {"by": "ann", "seen": True},
        "described": "one",
        "kept for": True,
        "gone": [False, -2],
        "emptied": [2, 0, False, False],
        "too slow": ["failed", "FAILED"],
        "keys": True,
    },
    "background": {
        "workers": ["busy"],
        "standings": [
            *(finished(200), finished(300), finished("again succeeds")),
            failed("Work-horse terminated unexpectedly; waitpid returned 9 (signal 9);"),
            ["stopped", "FAILED", "Job stopped by user, work-horse terminated."],
        ],
        "results of the repeated": 2,
        "cron jobs": True,
    },
}
WAITED_FOR = {2: 100, 3: "RQ cannot read what XREAD answers on RESP3"}


@pytest.mark.parametrize("protocol", [2, 3])
def test_rq_does_what_it_does_on_redis(running: Both, tmp_path: Path, protocol: int) -> None:
    told = outcomes("rq", running, tmp_path, protocol)

    assert told.redis["background"].pop("waited for") == WAITED_FOR[protocol]
    assert told.respq["background"].pop("waited for") == WAITED_FOR[protocol]
    assert told.redis == EXPECTED
    assert told.respq == EXPECTED


def test_every_job_that_rq_was_answered_for_is_done_after_a_kill(
    tmp_path: Path, show: Callable[[str, Both], None]
) -> None:
    left = kills("rq", tmp_path, protocol=3)

    show("rq", left)
    assert left.respq.lost == []
    assert len(left.respq.answered) > 2 * AROUND
