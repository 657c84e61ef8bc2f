"""The power fails at any moment: what was answered is there, and nothing else."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from respq.errors import StartRefused
from respq.journal import disk as disks
from respq.journal.disk import DiskJournal
from tests.journal.history import expect, read_all
from tests.journal.power import Disk, moments, put, trace

SEGMENT_BYTES = 1_800
COUNT = 24


def traced(directory: Path, fsync: str) -> Path:
    """Return the trace of a writer that fills two segments and a part of the third."""
    if shutil.which("strace") is None:
        assert os.environ.get("CI") != "true", "strace is missing"
        pytest.skip("strace is not installed")
    log, size = directory / "log", str(SEGMENT_BYTES)
    options = ("--count", str(COUNT), "--segment-bytes", size, "--fsync", fsync)
    trace(log, "tests.journal.writer", str(directory / "data"), *options)
    return log


def answered(disk: Disk) -> int:
    """Return how many batches the writer had said it has."""
    return sum(line.isdigit() for line in b"".join(disk.said).decode().split())


def check(disk: Disk, chance: random.Random, share: float, to: Path) -> int:
    """Let the power fail now, start again elsewhere; return how many batches are there."""
    shutil.rmtree(to, ignore_errors=True)
    put(disk.left(chance, share), disk.root, to)
    try:
        journal = DiskJournal(str(to), fsync="always", segment_bytes=SEGMENT_BYTES)
    except StartRefused:
        # Nothing was ever answered for: there is no whole beginning of a journal yet.
        assert answered(disk) == 0
        return 0
    found = read_all(journal)
    journal.close()
    assert found == expect(len(found))
    return len(found)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_what_was_answered_outlasts_the_power(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    monkeypatch.setattr(disks, "read_boot", lambda: b"another boot    ")
    log = traced(tmp_path, "always")
    disk, chance = Disk(tmp_path / "data"), random.Random(7)
    seen, checked = 0, 0

    for _ in moments(disk, log):
        # Behind every second sync, and at some moments in between.
        is_synced, seen = disk.syncs > seen, disk.syncs
        if (is_synced and disk.syncs % 2) or chance.random() < 0.02:
            found = check(disk, chance, share, scratch / "left")
            assert answered(disk) <= found <= answered(disk) + 1
            checked += 1

    assert checked > 50
    assert check(disk, chance, share, scratch / "left") == answered(disk) == COUNT


def test_what_is_not_synced_would_not(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check above can fail: with `--fsync no` it does."""
    monkeypatch.setattr(disks, "read_boot", lambda: b"another boot    ")
    log = traced(tmp_path, "no")
    disk, chance = Disk(tmp_path / "data"), random.Random(7)
    lost = 0

    for _ in moments(disk, log):
        if answered(disk) in (5, 15) and not lost:
            lost += answered(disk) - check(disk, chance, 0.0, scratch / "left")

    assert lost > 0
