import errno
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from respq.engine.state import State
from respq.errors import DataDirectoryHeld, JournalBroken, JournalRefused, StartRefused
from respq.journal import copy as copying
from respq.journal.copy import Extent, backup, restore
from respq.journal.disk import DiskJournal
from respq.journal.replay import replay
from respq.journal.segment import Segment
from respq.journal.snapshot import Moved
from respq.journal.tail import read_boot, read_tail
from respq.journal.verify import verify
from tests.harness import image
from tests.journal.history import History
from tests.journal.processes import fingerprint, flip
from tests.journal.recorded import Recorded

SEGMENT_BYTES = 600


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    """Fill several segments."""
    recorded = Recorded(tmp_path / "data", SEGMENT_BYTES)
    for number in range(12):
        recorded.say(f"QPUSH mail job-{number} PRIORITY {number % 3}")
    recorded.say("QPOP mail COUNT 4")
    recorded.say("QPUSH later x DELAY 1h ID one")
    return recorded


def report_nothing(sentence: str) -> None:
    raise AssertionError(sentence)


def started(path: Path) -> dict[str, object]:
    """Return the state that a server has which starts on a directory."""
    state = State()
    with closing(DiskJournal(str(path), fsync="always", segment_bytes=SEGMENT_BYTES)) as journal:
        replay(journal, state, report_nothing)
    return image(state)


def left(tmp_path: Path) -> set[str]:
    return set(os.listdir(tmp_path))


def test_a_server_starts_on_a_backup_with_the_state_of_then(
    recorded: Recorded, tmp_path: Path
) -> None:
    then = image(recorded.engine.state)

    extent = backup(str(tmp_path / "data"), str(tmp_path / "saved"), report_nothing)
    recorded.say("QPUSH mail after")
    recorded.close()

    assert verify(str(tmp_path / "saved")).is_whole
    assert started(tmp_path / "saved") == then
    assert (extent.first, extent.last) == (1, recorded.position - 1)
    assert extent.now_ms == recorded.now_ms
    assert extent.batches == recorded.position - 1
    assert extent.records > extent.batches
    assert extent.blob_bytes > 80 * extent.batches
    assert left(tmp_path) == {"data", "saved"}


def test_a_backup_has_a_tail_that_fits_and_the_segments_of_the_journal(
    recorded: Recorded, tmp_path: Path
) -> None:
    recorded.close()

    backup(str(tmp_path / "data"), str(tmp_path / "saved"), report_nothing)

    tail = read_tail(str(tmp_path / "saved" / "tail"))
    assert tail is not None
    assert (tail.position, tail.durable_position) == (recorded.position, recorded.position)
    assert tail.boot == read_boot()
    saved, data = (verify(str(tmp_path / each)).segments for each in ("saved", "data"))
    assert [(each.name, each.first, each.last) for each in saved] == [
        (each.name, each.first, each.last) for each in data if each.batches
    ]
    assert len(saved) > 2


def test_what_compaction_deletes_meanwhile_is_in_the_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = Recorded(tmp_path / "data", SEGMENT_BYTES)
    kept = recorded.say("QPUSH mail kept")
    for number in range(30):
        recorded.say(f"QPUSH busy {number}")
        recorded.say("QPOP busy NOACK")
    then, position = image(recorded.engine.state), recorded.position
    add = copying.NewDirectory.add

    def compact_first(new: copying.NewDirectory, *arguments: object) -> int:
        if recorded.position == position:
            recorded.forget(position - 10)
        return add(new, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(copying.NewDirectory, "add", compact_first)
    backup(str(tmp_path / "data"), str(tmp_path / "saved"), report_nothing)
    recorded.close()

    assert not (tmp_path / "data" / "segment-00000001").exists()
    assert (tmp_path / "saved" / "segment-00000001").exists()
    assert started(tmp_path / "saved") == then
    assert kept is not None


def test_a_compacted_journal_is_saved_from_where_it_begins(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path / "data", SEGMENT_BYTES)
    for number in range(30):
        recorded.say(f"QPUSH busy {number}")
    recorded.forget(20)
    then = image(recorded.engine.state)

    extent = backup(str(tmp_path / "data"), str(tmp_path / "saved"), report_nothing)
    recorded.close()

    assert extent.first > 1
    assert started(tmp_path / "saved") == then


def test_a_snapshot_that_fails_is_taken_anew(
    recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded.close()
    hold, tries = Segment.hold, list[str]()

    def fail_twice(segment: Segment) -> None:
        tries.append(segment.name)
        if len(tries) <= 2:
            raise Moved(segment.name)
        hold(segment)

    monkeypatch.setattr(Segment, "hold", fail_twice)
    extent = backup(str(tmp_path / "data"), str(tmp_path / "saved"), report_nothing)

    assert extent.last == recorded.position


def test_a_snapshot_that_always_fails_is_given_up(
    recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded.close()

    def fail(segment: Segment) -> None:
        raise Moved(segment.name)

    monkeypatch.setattr(Segment, "hold", fail)

    with pytest.raises(JournalRefused, match="deleted faster than they can be opened"):
        backup(str(tmp_path / "data"), str(tmp_path / "saved"), report_nothing)
    assert left(tmp_path) == {"data"}


@pytest.mark.parametrize("damage", ["batch", "tail", "end", "beginning"])
def test_a_damaged_journal_is_no_backup_and_leaves_nothing(
    recorded: Recorded, tmp_path: Path, damage: str
) -> None:
    recorded.close()
    data = tmp_path / "data"
    names = sorted(each.name for each in data.glob("segment-*"))
    if damage == "batch":
        database = data / names[1] / "cache.db"
        flip(database, database.read_bytes().index(b"job-"))
    elif damage == "tail":
        (data / "tail").unlink()
    elif damage == "end":
        for name in names[-2:]:
            shutil.rmtree(data / name)
    else:
        shutil.rmtree(data / names[0])
    before = fingerprint(data)

    with pytest.raises(JournalBroken):
        backup(str(data), str(tmp_path / "saved"), report_nothing)

    assert left(tmp_path) == {"data"}
    assert fingerprint(data) == before


def test_a_torn_batch_that_was_never_answered_for_is_left_out_and_reported(tmp_path: Path) -> None:
    with closing(DiskJournal(str(tmp_path / "data"), fsync="no", segment_bytes=1 << 20)) as journal:
        recorded = Recorded(tmp_path / "other")
        recorded.say("QPUSH mail a")
        recorded.close()
        (_, blob), *_ = recorded.disk.read(1)
        journal.append(1, blob, recorded.checksums[1])
    segment = Segment(str(tmp_path / "data" / "segment-00000001"))
    segment.open("always")
    segment.append(2, b"torn")
    segment.close()
    reports: list[str] = []

    extent = backup(str(tmp_path / "data"), str(tmp_path / "saved"), reports.append)

    assert extent.last == 1
    assert len(reports) == 1
    assert "cut the batch at position 2" in reports[0]
    assert verify(str(tmp_path / "saved")).notes == []


def test_an_empty_directory_takes_a_backup(recorded: Recorded, tmp_path: Path) -> None:
    recorded.close()
    (tmp_path / "saved").mkdir()

    backup(str(tmp_path / "data"), str(tmp_path / "saved"), report_nothing)

    assert verify(str(tmp_path / "saved")).is_whole


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("journal", "holds a journal, which would be lost"),
        ("file", "is no directory"),
        ("full", "is not empty"),
        ("orphan", "there is no directory"),
        ("inside", "lies in the directory of the journal"),
    ],
)
@pytest.mark.parametrize("direction", [backup, restore])
def test_what_is_there_is_not_overwritten(
    recorded: Recorded, tmp_path: Path, kind: str, reason: str, direction: object
) -> None:
    recorded.close()
    target = tmp_path / "saved"
    if kind == "journal":
        with closing(DiskJournal(str(target), fsync="no", segment_bytes=1 << 20)) as journal:
            History().append_to(journal, 1)
    elif kind == "file":
        target.write_text("mine")
    elif kind == "full":
        target.mkdir()
        (target / "notes").write_text("mine")
    elif kind == "inside":
        target = tmp_path / "data" / "saved"
    else:
        target = tmp_path / "nowhere" / "saved"
    before = {each: each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()}

    with pytest.raises(JournalRefused, match=reason):
        (backup if direction is backup else restore)(
            str(tmp_path / "data"), str(target), report_nothing
        )

    assert {each: each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()} == before


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), sqlite3.OperationalError("disk is full")],
)
@pytest.mark.parametrize("place", ["create", "append", "close"])
def test_a_full_disk_is_one_line_and_leaves_nothing(
    recorded: Recorded,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    place: str,
) -> None:
    recorded.close()

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Segment, place, fail)

    with pytest.raises(JournalRefused, match=r"saved' cannot be written: .* (left|full)") as caught:
        backup(str(tmp_path / "data"), str(tmp_path / "saved"), report_nothing)

    assert "\n" not in str(caught.value)
    assert left(tmp_path) == {"data"}


def test_an_interrupted_backup_leaves_nothing(
    recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded.close()

    def interrupt(*_: object) -> Extent:
        raise KeyboardInterrupt

    monkeypatch.setattr(copying, "measure", interrupt)

    with pytest.raises(KeyboardInterrupt):
        backup(str(tmp_path / "data"), str(tmp_path / "saved"), report_nothing)
    assert left(tmp_path) == {"data"}


def test_nothing_has_the_name_of_a_backup_before_all_of_it_is_there(
    recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded.close()
    rename, seen = os.rename, list[tuple[str, bool]]()

    def watch(old: str, new: str) -> None:
        if new == str(tmp_path / "saved"):
            seen.append((os.path.basename(old), verify_as_it_lies(old)))
        rename(old, new)

    def verify_as_it_lies(path: str) -> bool:
        assert not (tmp_path / "saved").exists()
        shutil.copytree(path, tmp_path / "looked at")
        return verify(str(tmp_path / "looked at")).is_whole

    monkeypatch.setattr(os, "rename", watch)
    backup(str(tmp_path / "data"), str(tmp_path / "saved"), report_nothing)

    ((name, is_whole),) = seen
    assert name.startswith(".saved.")
    assert name.endswith(".partial")
    assert is_whole


def test_a_restored_journal_goes_on_from_its_own_counters(
    recorded: Recorded, tmp_path: Path
) -> None:
    state = recorded.engine.state
    then, counters = image(state), (state.next_number, state.next_fence)
    backup(str(tmp_path / "data"), str(tmp_path / "saved"), report_nothing)
    recorded.say("QPOP mail COUNT 3")
    recorded.close()
    before = fingerprint(tmp_path / "saved")

    extent = restore(str(tmp_path / "saved"), str(tmp_path / "restored"), report_nothing)

    assert extent.last == recorded.position - 1
    assert started(tmp_path / "restored") == then
    assert then["numbers"] == counters
    assert fingerprint(tmp_path / "saved") == before


def test_a_damaged_backup_is_not_restored(recorded: Recorded, tmp_path: Path) -> None:
    recorded.close()
    backup(str(tmp_path / "data"), str(tmp_path / "saved"), report_nothing)
    database = next((tmp_path / "saved").glob("segment-*/cache.db"))
    flip(database, database.read_bytes().index(b"job-"))

    with pytest.raises(JournalBroken, match="its checksum is"):
        restore(str(tmp_path / "saved"), str(tmp_path / "restored"), report_nothing)

    assert left(tmp_path) == {"data", "saved"}


def test_a_backup_that_a_server_uses_is_not_restored(recorded: Recorded, tmp_path: Path) -> None:
    with pytest.raises(DataDirectoryHeld):
        restore(str(tmp_path / "data"), str(tmp_path / "restored"), report_nothing)
    recorded.close()


def test_there_must_be_a_backup_to_restore(tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()

    with pytest.raises(StartRefused, match="no journal"):
        restore(str(tmp_path / "saved"), str(tmp_path / "restored"), report_nothing)

    assert left(tmp_path) == {"saved"}
