"""The power fails while a journal is compacted: also in the middle of deleting a segment."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path

import pytest

from respq.engine.batch import stored_checksum
from respq.engine.state import State
from respq.errors import JournalBroken, StartRefused
from respq.journal import disk as disks
from respq.journal.disk import DiskJournal
from respq.journal.replay import replay
from tests.harness import image
from tests.journal.compacting import SEGMENT_BYTES, digest
from tests.journal.power import Disk, moments, put, trace

ANSWERED, DURABLE = "", "durable "


class Cuts:
    """Starts on what is left when the power fails, and what they found."""

    def __init__(self, disk: Disk, notes: Path, scratch: Path, seed: int) -> None:
        self.disk = disk
        self.notes = {int(each): note for each, note in json.loads(notes.read_text()).items()}
        self.to = scratch / "left"
        self.chance = random.Random(seed)
        self.count = 0
        self.retiring = 0
        """Cuts while a segment had lost its name and was not gone."""
        self.excused = 0
        """Starts on a journal whose first batch had been forgotten."""
        self.overdue = 0
        """Starts on a journal that still had batches of which the last `Trimmed` says that they
        may go: it was cut between the batch that says all of them again and their deletion."""

    @property
    def is_retiring(self) -> bool:
        """Whether a segment has lost its name and is not gone."""
        return any(name.endswith(".retired") for name in self.disk.names())

    def told(self, word: str) -> int:
        """Return the last position that the process had told with this word."""
        lines = b"".join(self.disk.said).decode().splitlines()
        told = (line.removeprefix(word) for line in lines if line.startswith(word))
        return max((int(each) for each in told if each.isdigit()), default=0)

    def check(self, share: float, word: str) -> int:
        """Let the power fail now, and start elsewhere; return the last position that is there."""
        self.count += 1
        self.retiring += self.is_retiring
        shutil.rmtree(self.to, ignore_errors=True)
        put(self.disk.left(self.chance, share), self.disk.root, self.to)
        least, most = self.told(word), self.told(ANSWERED) + 1
        try:
            journal = DiskJournal(str(self.to), fsync="no", segment_bytes=SEGMENT_BYTES)
        except StartRefused:
            # There is no whole beginning of a journal yet.
            assert least == 0
            return 0
        state, reports = State(), list[str]()
        last = replay(journal, state, reports.append).next_position - 1
        rows = [*journal.read(1)]
        journal.close()

        assert reports == []
        assert least <= last <= most
        for position, blob in rows:
            assert stored_checksum(blob) == self.notes[position][0]
        if last:
            assert digest(image(state)["queues"]) == self.notes[last][1]
            first = rows[0][0]
            assert [position for position, _ in rows] == [*range(first, last + 1)]
            self.excused += first > 1
            self.overdue += state.trimmed is not None and first < state.trimmed.before
        return last


def traced(directory: Path, *options: str) -> Path:
    """Return the trace of a process that compacts its journal all the time."""
    if shutil.which("strace") is None:
        assert os.environ.get("CI") != "true", "strace is missing"
        pytest.skip("strace is not installed")
    log = directory / "log"
    trace(log, "tests.journal.compacting", str(directory / "data"), *options)
    return log


def cut_everywhere(tmp_path: Path, scratch: Path, fsync: str, share: float, *options: str) -> Cuts:
    """Check at every step of a deletion, behind every sixth sync, and at some other moments."""
    log = traced(tmp_path, "--fsync", fsync, *options)
    disk = Disk(tmp_path / "data")
    cuts = Cuts(disk, tmp_path / "data.json", scratch, seed=11)
    word = ANSWERED if fsync == "always" else DURABLE
    syncs = namings = 0
    was_retiring = False
    for _ in moments(disk, log):
        is_named = len(disk.namings) > namings and (cuts.is_retiring or was_retiring)
        is_synced = disk.syncs > syncs and (disk.syncs % 6 == 0 or cuts.is_retiring)
        syncs, namings, was_retiring = disk.syncs, len(disk.namings), cuts.is_retiring
        if is_named or is_synced or cuts.chance.random() < 0.01:
            cuts.check(share, word)
    assert cuts.check(share, word) == cuts.told(ANSWERED)
    return cuts


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("fsync", "share"),
    [("always", 0.0), ("always", 0.5), ("always", 1.0), ("everysec", 0.0), ("everysec", 0.5)],
)
def test_what_is_not_excused_outlasts_the_power_in_the_middle_of_compaction(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch, fsync: str, share: float
) -> None:
    monkeypatch.setattr(disks, "read_boot", lambda: b"another boot    ")

    cuts = cut_everywhere(tmp_path, scratch, fsync, share)

    assert cuts.retiring > 8
    assert cuts.excused > 30
    assert cuts.overdue > 30


def test_a_segment_that_goes_before_its_batches_are_said_again_would_be_missed(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check above can fail: where a segment is retired before the `Trimmed` is written."""
    monkeypatch.setattr(disks, "read_boot", lambda: b"another boot    ")

    with pytest.raises(JournalBroken, match="it is missing, the first batch has position"):
        cut_everywhere(tmp_path, scratch, "always", 0.0, "--early")
