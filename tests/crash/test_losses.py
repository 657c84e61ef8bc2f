"""The table of the README of what is lost when, measured for some seconds."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.crash.losses import Loss, answers, found, measure
from tests.journal.power import Disk


def measured(directory: Path, fsync: str) -> tuple[Loss, Loss]:
    if shutil.which("strace") is None:
        assert os.environ.get("CI") != "true", "strace is missing"
        pytest.skip("strace is not installed")
    return measure(fsync, directory, seconds=1.5, every=25, seed=3)


@pytest.mark.timeout(300)
def test_by_default_nothing_is_lost(tmp_path: Path) -> None:
    killed, cut = measured(tmp_path, "always")

    assert killed.jobs == cut.jobs == 0
    assert killed.moments == cut.moments > 20


@pytest.mark.timeout(300)
def test_everysec_loses_nothing_when_the_process_is_killed(tmp_path: Path) -> None:
    killed, _ = measured(tmp_path, "everysec")

    assert killed.jobs == 0
    assert killed.moments > 20


@pytest.mark.timeout(300)
def test_without_syncs_only_power_cuts_lose(tmp_path: Path) -> None:
    """So the check above can fail."""
    killed, cut = measured(tmp_path, "no")

    assert killed.jobs == 0
    assert cut.jobs > 0


def test_nothing_is_there_before_a_journal_was_begun(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "data")

    assert answers(disk) == []
    assert found({}, disk.root, tmp_path / "left") == 0
