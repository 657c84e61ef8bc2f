import shutil
from contextlib import closing
from pathlib import Path

import pytest

from respq.errors import JournalBroken, StartRefused
from respq.journal.disk import DiskJournal
from respq.journal.segment import Segment
from respq.journal.snapshot import Moved, Snapshot
from tests.journal.history import History
from tests.journal.processes import fingerprint, kill, make_killed, read_until, start_writer


def open_journal(path: Path) -> DiskJournal:
    """Open a journal with ten batches in a segment."""
    return DiskJournal(str(path), fsync="always", segment_bytes=1_800)


def positions(snapshot: Snapshot) -> list[int]:
    return [position for segment in snapshot.segments for position, _ in snapshot.rows_of(segment)]


def names(path: Path) -> set[str]:
    return {str(each.relative_to(path)) for each in path.rglob("*")}


@pytest.fixture
def writer_of_25(tmp_path: Path) -> Path:
    """Leave a stopped journal of 25 batches."""
    with closing(open_journal(tmp_path)) as journal:
        History().append_to(journal, 25)
    return tmp_path


def test_a_stopped_journal_is_read_whole_and_stays_as_it_is(writer_of_25: Path) -> None:
    before, there = fingerprint(writer_of_25), names(writer_of_25)

    with closing(Snapshot(str(writer_of_25))) as snapshot:
        assert positions(snapshot) == list(range(1, 26))

    assert fingerprint(writer_of_25) == before
    assert names(writer_of_25) == there


def test_a_killed_journal_is_read_with_what_is_in_its_log(tmp_path: Path) -> None:
    make_killed(tmp_path, "--count", "20")
    before, there = fingerprint(tmp_path), names(tmp_path)

    with closing(Snapshot(str(tmp_path))) as snapshot:
        assert positions(snapshot) == list(range(1, 21))

    assert fingerprint(tmp_path) == before
    assert names(tmp_path) == there


def test_a_snapshot_needs_no_lock_and_keeps_nobody_out(tmp_path: Path) -> None:
    writer = start_writer(tmp_path, "--count", "30", "--segment-bytes", "1800")
    read_until(writer, "done")

    with closing(Snapshot(str(tmp_path))) as first, closing(Snapshot(str(tmp_path))) as second:
        assert positions(first) == positions(second) == list(range(1, 31))

    kill(writer)
    with closing(Snapshot(str(tmp_path))) as snapshot:
        assert positions(snapshot) == list(range(1, 31))
        with closing(open_journal(tmp_path)):
            pass


def test_what_is_written_afterwards_is_not_in_it(tmp_path: Path) -> None:
    history = History()
    with closing(open_journal(tmp_path)) as journal:
        history.append_to(journal, 13)
        with closing(Snapshot(str(tmp_path))) as snapshot:
            history.append_to(journal, 20)

            assert positions(snapshot) == list(range(1, 14))


def test_what_is_deleted_afterwards_stays_readable(tmp_path: Path) -> None:
    history = History()
    with closing(open_journal(tmp_path)) as journal:
        history.append_to(journal, 35)
        journal._keeper.submit(int).result()
        with closing(Snapshot(str(tmp_path))) as snapshot:
            journal.trim(31)
            journal._keeper.submit(int).result()
            assert not (tmp_path / "segment-00000001").exists()

            assert positions(snapshot) == list(range(1, 36))


def test_a_segment_that_vanishes_before_it_is_opened_makes_it_begin_anew(
    writer_of_25: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = Segment.hold

    def vanish(segment: Segment) -> None:
        shutil.rmtree(segment.path, ignore_errors=True)
        hold(segment)

    monkeypatch.setattr(Segment, "hold", vanish)

    with pytest.raises(Moved):
        Snapshot(str(writer_of_25))


def test_batches_that_come_between_two_looks_leave_no_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history, hold = History(), Segment.hold
    with closing(open_journal(tmp_path)) as journal:
        history.append_to(journal, 16)
        journal._keeper.submit(int).result()  # The third segment is there, and empty.

        def hold_late(segment: Segment) -> None:
            if segment.number == 3 and not segment.last:
                history.append_to(journal, 8)
            hold(segment)

        monkeypatch.setattr(Segment, "hold", hold_late)
        with closing(Snapshot(str(tmp_path))) as snapshot:
            assert positions(snapshot) == list(range(1, 25))


def test_a_server_that_starts_on_what_lay_still_makes_it_begin_anew(writer_of_25: Path) -> None:
    with (
        closing(Snapshot(str(writer_of_25))) as snapshot,
        closing(open_journal(writer_of_25)),
        pytest.raises(Moved),
    ):
        positions(snapshot)


def test_a_missing_segment_is_damage_and_not_taken_for_compaction(writer_of_25: Path) -> None:
    shutil.rmtree(writer_of_25 / "segment-00000002")

    with pytest.raises(JournalBroken, match="should begin here, and begins at 21"):
        Snapshot(str(writer_of_25))


def test_a_segment_that_sqlite_cannot_read_is_damage(writer_of_25: Path) -> None:
    (writer_of_25 / "segment-00000002" / "cache.db").write_bytes(b"no database at all " * 300)

    with pytest.raises(JournalBroken, match="segment-00000002 cannot be read") as caught:
        Snapshot(str(writer_of_25))

    assert caught.value.position == 11


def test_there_must_be_a_journal(tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match="no journal"):
        Snapshot(str(tmp_path))

    assert names(tmp_path) == set()
