"""Celery on respq and on a real Redis."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.compat.frameworks.both import Both, kills, outcomes
from tests.compat.frameworks.workload import AROUND

EXPECTED = {
    "queues": {"waiting": 7, "purged": 3, "left": 0},
    "priorities": [f"urgent {priority}" for priority in (0, 0, 3, 5, 6, 9, 9)],
    "canvas": {
        "group": [*range(0, 20, 2)],
        "chain": 16,
        "chord": [*range(0, 16, 2)],
        "group in a chain": 11,
        "chord in a chord": [6, 6],
        "chunks": [[0, 2], [4, 6], [8, 10]],
        "starmap": [3, 7],
        "counted chord": 56,
        "linked": 2,
        "broken chord": True,
    },
    "control": {
        "ping": [["processes@shop", {"ok": "pong"}], ["thread@shop", {"ok": "pong"}]],
        "limited": [{"thread@shop": {"ok": "new rate limit set successfully"}}],
        "queues": ["late", "thread", "urgent"],
        "registered": True,
        "transport": "redis",
        "active": [True],
        "terminated": True,
        "revoked": True,
        "done all the same": [],
    },
    "results": {
        "returned": 5,
        "kept": True,
        "progress": {"done": 1, "of": 2},
        "at last": "slow",
        "raised": "ValueError('no')",
        "state": "FAILURE",
        "traceback": "ValueError: no",
        "forgotten": "PENDING",
    },
    "times": {
        "early": [False, False],
        "expired": True,
        "retries": 2,
        "runs of a job whose process died": 2,
    },
    "orphan": ["orphan", 2],
    "status": 0,
}


@pytest.mark.parametrize(("protocol", "redis_major"), [(2, 7), (3, None)])
def test_celery_does_what_it_does_on_redis(
    running: Both, tmp_path: Path, protocol: int, redis_major: int | None
) -> None:
    told = outcomes("celery", running, tmp_path, protocol, redis_major)

    assert told.redis == EXPECTED
    assert told.respq == EXPECTED


def test_every_job_that_celery_was_answered_for_is_done_after_a_kill(
    tmp_path: Path, show: Callable[[str, Both], None]
) -> None:
    left = kills("celery", tmp_path, protocol=3)

    show("celery", left)
    assert left.respq.lost == []
    assert len(left.respq.answered) > 2 * AROUND
