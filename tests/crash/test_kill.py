"""``kill -9`` at any instant loses nothing that was answered, and doubles nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.storm import storm


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("fsync", "kills", "seed"), [("always", 14, 1), ("everysec", 3, 2), ("no", 3, 3)]
)
def test_no_answered_work_is_lost_or_doubled_by_kills(
    tmp_path: Path, fsync: str, kills: int, seed: int
) -> None:
    history, wrong = storm(tmp_path / "data", kills=kills, fsync=fsync, seed=seed)

    assert wrong == []
    kinds = {event.kind for event in history.events if event.answered_s}
    assert kinds == {"push", "pop", "ack", "nack"}, "the storm did not do what it is there for"
