import os
import shutil
from pathlib import Path

import pytest

from respq.engine.batch import BatchHeader, encode_batch
from respq.engine.codec import encode_records
from respq.errors import DataDirectoryHeld, StartRefused
from respq.journal.disk import DiskJournal
from respq.journal.segment import Segment
from respq.journal.tail import Tail, read_tail
from respq.journal.verify import Report, verify
from tests.journal.history import History
from tests.journal.processes import fingerprint, flip, make_killed

EMPTY = encode_records([], [])
"""The body of a batch without records."""


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A journal of 25 batches of 180 bytes, ten in a segment."""
    journal = DiskJournal(str(tmp_path), fsync="always", segment_bytes=1_800)
    History().append_to(journal, 25)
    journal.close()
    return tmp_path


def faults(report: Report) -> list[tuple[str, int]]:
    return [(each.name, fault.position) for each in report.segments for fault in each.faults]


def verify_unchanged(data_dir: Path) -> Report:
    before = fingerprint(data_dir)
    report = verify(str(data_dir))
    assert fingerprint(data_dir) == before
    return report


def put(data_dir: Path, segment: str, position: int, blob: bytes) -> None:
    writer = Segment(str(data_dir / segment))
    writer.open("always")
    writer.append(position, blob)
    writer.close()


def test_a_whole_journal_is_reported_segment_by_segment(data_dir: Path) -> None:
    report = verify_unchanged(data_dir)

    assert report.is_whole
    assert report.notes == []
    found = [(each.name, each.batches, each.first, each.last) for each in report.segments]
    assert found == [
        ("segment-00000001", 10, 1, 10),
        ("segment-00000002", 10, 11, 20),
        ("segment-00000003", 5, 21, 25),
        ("segment-00000004", 0, 0, 0),
    ]
    assert [each.blob_bytes for each in report.segments] == [1_800, 1_800, 900, 0]
    assert all(each.file_bytes > 20_000 for each in report.segments)
    assert report.tail is not None
    assert report.tail.position == 25


def test_what_a_kill_left_is_whole_and_stays_as_it_is(tmp_path: Path) -> None:
    make_killed(tmp_path, "--count", "20")

    report = verify_unchanged(tmp_path)

    assert report.is_whole
    assert report.segments[0].batches == 20


def test_every_damaged_batch_is_found_in_one_look(data_dir: Path) -> None:
    for segment, position in ((1, 4), (2, 12), (2, 20)):
        database = data_dir / f"segment-0000000{segment}" / "cache.db"
        flip(database, database.read_bytes().index(History().body(position)) + 50)

    report = verify_unchanged(data_dir)

    assert not report.is_whole
    assert faults(report) == [
        ("segment-00000001", 4),
        ("segment-00000002", 12),
        ("segment-00000002", 20),
    ]
    assert report.tail_fault is None


def test_a_gap_is_one_fault_and_the_rest_is_judged_by_itself(data_dir: Path) -> None:
    shutil.rmtree(data_dir / "segment-00000002")

    report = verify_unchanged(data_dir)

    assert faults(report) == [("segment-00000003", 11)]
    assert report.segments[1].batches == 5


def test_a_changed_batch_is_found_where_the_next_does_not_follow_it(data_dir: Path) -> None:
    segment = Segment(str(data_dir / "segment-00000001"))
    segment.find_range()
    segment.open("always")
    forged = encode_batch(BatchHeader(1, 10, 1, 0, 1, 1, 1, 1), EMPTY, 7)[0]
    segment.remove_last()
    segment.append(10, forged)
    segment.close()

    assert faults(verify_unchanged(data_dir)) == [
        ("segment-00000001", 10),
        ("segment-00000002", 11),
    ]


def test_a_position_in_two_segments_is_a_fault(data_dir: Path) -> None:
    put(data_dir, "segment-00000003", 10, b"once more")

    report = verify_unchanged(data_dir)

    assert ("segment-00000003", 21) in faults(report)


def test_a_segment_that_sqlite_cannot_read_is_a_fault_and_the_next_is_still_read(
    data_dir: Path,
) -> None:
    os.truncate(data_dir / "segment-00000002" / "cache.db", 0)

    report = verify_unchanged(data_dir)

    assert faults(report) == [("segment-00000002", 11), ("segment-00000003", 11)]
    assert "cannot be read" in report.segments[1].faults[0].reason
    assert report.segments[2].batches == 5


def test_a_journal_that_ends_before_its_tail_is_a_fault_of_the_tail(data_dir: Path) -> None:
    shutil.rmtree(data_dir / "segment-00000003")

    report = verify_unchanged(data_dir)

    assert not report.is_whole
    assert faults(report) == []
    assert report.tail_fault is not None
    assert report.tail_fault.position == 21


def test_a_tail_without_any_segment_is_a_fault(data_dir: Path) -> None:
    for number in range(1, 5):
        shutil.rmtree(data_dir / f"segment-0000000{number}")

    report = verify_unchanged(data_dir)

    assert report.tail_fault is not None
    assert report.tail_fault.position == 1


def test_a_missing_tail_is_a_fault(data_dir: Path) -> None:
    (data_dir / "tail").unlink()

    report = verify_unchanged(data_dir)

    assert report.tail is None
    assert report.tail_fault is not None
    assert "missing or torn" in report.tail_fault.reason


def test_a_tail_of_another_history_is_a_fault(data_dir: Path) -> None:
    tail = read_tail(str(data_dir / "tail"))
    assert tail is not None
    (data_dir / "tail").write_bytes(Tail(25, tail.checksum ^ 1, 25, tail.boot).encode())

    report = verify_unchanged(data_dir)

    assert report.tail_fault is not None
    assert "not the batch" in report.tail_fault.reason


def test_a_torn_batch_that_a_start_would_cut_is_a_note(data_dir: Path) -> None:
    put(data_dir, "segment-00000003", 26, b"torn")

    report = verify_unchanged(data_dir)

    assert report.is_whole
    assert len(report.notes) == 1
    assert "position 26 is torn" in report.notes[0]


def test_a_torn_batch_that_may_be_answered_is_a_fault(data_dir: Path) -> None:
    put(data_dir, "segment-00000003", 26, b"torn")
    put(data_dir, "segment-00000003", 27, b"torn")

    assert faults(verify_unchanged(data_dir)) == [
        ("segment-00000003", 26),
        ("segment-00000003", 27),
    ]


@pytest.mark.parametrize(("version", "body"), [(2, EMPTY), (1, b"\x92\x91\x91\x7f\x90")])
def test_what_a_newer_version_wrote_is_a_fault_and_said_to_be_newer(
    data_dir: Path, version: int, body: bytes
) -> None:
    tail = read_tail(str(data_dir / "tail"))
    assert tail is not None
    header = BatchHeader(version, 26, 1, 0, 1, 1, 1, 1)
    put(data_dir, "segment-00000003", 26, encode_batch(header, body, tail.checksum)[0])

    report = verify_unchanged(data_dir)

    assert faults(report) == [("segment-00000003", 26)]
    assert "it is of a newer respq: it h" in report.segments[2].faults[0].reason


def test_a_void_batch_is_a_note(tmp_path: Path) -> None:
    journal = DiskJournal(str(tmp_path), fsync="always", segment_bytes=1_800)
    first, first_sum = encode_batch(BatchHeader(1, 1, 1, 0, 1, 1, 1, 1), EMPTY, 0)
    second, second_sum = encode_batch(BatchHeader(1, 2, 2, 0, 1, 1, 1, 1), EMPTY, first_sum)
    void, void_sum = encode_batch(BatchHeader(1, 3, 1, 0, 1, 1, 1, 1), b"", first_sum)
    journal.append(1, first, first_sum)
    journal.append(2, second, second_sum)
    journal.append(3, void, void_sum)
    journal.close()

    report = verify_unchanged(tmp_path)

    assert report.is_whole
    assert report.notes == ["the batch at position 3 is void"]


def test_what_the_machine_took_is_a_note(data_dir: Path) -> None:
    (data_dir / "tail").write_bytes(Tail(30, 1, 25, b"another boot 123").encode())

    report = verify_unchanged(data_dir)

    assert report.is_whole
    assert "went with the machine" in report.notes[0]


def test_a_live_journal_is_not_verified(tmp_path: Path) -> None:
    journal = DiskJournal(str(tmp_path), fsync="always", segment_bytes=1_800)

    with pytest.raises(DataDirectoryHeld):
        verify(str(tmp_path))

    journal.close()


def test_a_directory_without_a_journal_is_refused_and_left_empty(tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match="there is no journal"):
        verify(str(tmp_path))

    assert os.listdir(tmp_path) == []


def test_a_journal_can_be_verified_again_after_a_verification(data_dir: Path) -> None:
    verify(str(data_dir))

    assert verify(str(data_dir)).is_whole
