from pathlib import Path

import pytest

from respq.errors import DataDirectoryHeld, StartRefused
from respq.journal.disk import DiskJournal
from respq.journal.reader import ReadOnlyJournal
from respq.journal.recovery import Chain, read_batches
from respq.journal.segment import Segment
from tests.journal.history import History, expect, read_all
from tests.journal.processes import fingerprint, make_killed


def write(path: Path, count: int) -> None:
    journal = DiskJournal(str(path), fsync="always", segment_bytes=1_800)
    History().append_to(journal, count)
    journal.close()


def test_a_reader_sees_every_batch(tmp_path: Path) -> None:
    write(tmp_path, 25)

    journal = ReadOnlyJournal(str(tmp_path))

    assert read_all(journal) == expect(25)
    assert [position for position, _ in journal.read(24)] == [24, 25]
    journal.close()


def test_a_reader_of_what_a_kill_left_changes_nothing(tmp_path: Path) -> None:
    make_killed(tmp_path, "--count", "20")
    names = {path.name for path in tmp_path.rglob("*")}
    before = fingerprint(tmp_path)

    journal = ReadOnlyJournal(str(tmp_path))
    found = read_all(journal)
    journal.close()

    assert found == expect(20)
    assert fingerprint(tmp_path) == before
    assert {path.name for path in tmp_path.rglob("*")} == names


def test_a_reader_removes_what_sqlite_made_for_it(tmp_path: Path) -> None:
    make_killed(tmp_path, "--count", "20")
    shared_memory = tmp_path / "segment-00000001" / "cache.db-shm"
    shared_memory.unlink()

    journal = ReadOnlyJournal(str(tmp_path))
    assert read_all(journal) == expect(20)
    assert shared_memory.exists()
    journal.close()

    assert not shared_memory.exists()


def test_a_reader_and_a_server_exclude_each_other(tmp_path: Path) -> None:
    write(tmp_path, 3)
    reader = ReadOnlyJournal(str(tmp_path))
    with pytest.raises(DataDirectoryHeld):
        DiskJournal(str(tmp_path), fsync="always", segment_bytes=1_800)
    reader.close()

    server = DiskJournal(str(tmp_path), fsync="always", segment_bytes=1_800)
    with pytest.raises(DataDirectoryHeld):
        ReadOnlyJournal(str(tmp_path))
    server.close()


def test_there_must_be_a_journal_to_read(tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match="no journal"):
        ReadOnlyJournal(str(tmp_path))


def test_a_reader_passes_over_a_torn_batch_that_a_server_would_cut(tmp_path: Path) -> None:
    write(tmp_path, 3)
    segment = Segment(str(tmp_path / "segment-00000001"))
    segment.open("always")
    segment.append(4, b"torn")
    segment.close()
    before, reports = fingerprint(tmp_path), list[str]()

    journal = ReadOnlyJournal(str(tmp_path))
    found = [(header, body) for header, body, _ in read_batches(journal, reports.append, Chain())]
    journal.close()

    assert found == expect(3)
    assert len(reports) == 1
    assert fingerprint(tmp_path) == before
