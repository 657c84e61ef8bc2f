"""``kill -9`` at any instant loses nothing that was answered, and doubles nothing."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.crash.storm import checked, storm


def answered(history: Path) -> Counter[str]:
    """Return how often each command was answered."""
    lines = [json.loads(line) for line in history.read_text().splitlines()]
    done = [line for line in lines if line.get("reply") is not None]
    return Counter(line["command"][0] for line in done)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("fsync", "kills", "seed"), [("always", 14, 1), ("everysec", 3, 2), ("no", 3, 3)]
)
def test_no_answered_work_is_lost_or_doubled_by_kills(
    tmp_path: Path, fsync: str, kills: int, seed: int
) -> None:
    history = storm(tmp_path, kills=kills, fsync=fsync, seed=seed)

    result = checked(history)
    assert (result.returncode, result.stdout.count("\n")) == (0, 1), result.stdout + result.stderr
    expected = {"QPUSH", "QMPUSH", "QPOP", "QMPOP", "QACK", "QNACK", "QMOVE", "EXEC", "QSCHED"}
    assert expected <= set(answered(history)), "the storm did not do what it is there for"
    # The journal was compacted while all that went on.
    assert not (tmp_path / "data" / "segment-00000001").exists()
