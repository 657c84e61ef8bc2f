import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from respq.engine.batch import BatchHeader, encode_batch
from respq.engine.codec import encode_records
from respq.engine.state import State
from respq.errors import JournalBroken, JournalRefused, StartRefused
from respq.journal.disk import DiskJournal
from respq.journal.reader import ReadOnlyJournal
from respq.journal.repair import Plan, repair, survey
from respq.journal.replay import Replayed, replay
from respq.journal.segment import Segment
from respq.journal.tail import read_tail
from respq.journal.verify import verify
from tests.harness import image
from tests.journal.processes import fingerprint, flip
from tests.journal.recorded import Recorded

SEGMENT_BYTES = 600


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    """Leave a stopped journal of several segments: 20 pushes, and 6 pops between them."""
    recorded = Recorded(tmp_path / "data", SEGMENT_BYTES)
    for number in range(20):
        recorded.say(f"QPUSH mail job-{number:02}")
        recorded.pass_ms(10)
        if number % 3 == 2:
            recorded.say("QPOP mail")
    recorded.close()
    return recorded


def segment_of(path: Path, position: int) -> Path:
    """Return the directory of the segment that holds a position."""
    for each in verify(str(path)).segments:
        if each.batches and each.first <= position <= each.last:
            return path / each.name
    raise AssertionError(position)


def damage(path: Path, position: int) -> None:
    """Flip a byte of a batch."""
    where = segment_of(path, position)
    blob = dict(Segment(str(where)).rows(1))[position]
    database = where / "cache.db"
    flip(database, database.read_bytes().index(blob[16:]) + 70)


def planned(path: Path) -> Plan:
    """Look at a journal, of which nothing may change."""
    before = fingerprint(path)
    with closing(ReadOnlyJournal(str(path))) as journal:
        plan = survey(journal)
    assert fingerprint(path) == before
    return plan


def repaired(path: Path) -> Path:
    """Repair a journal; return where its originals are."""
    with closing(ReadOnlyJournal(str(path))) as journal:
        return Path(repair(journal, survey(journal)))


def started(path: Path) -> tuple[State, Replayed]:
    """Start on a journal, as a server does."""
    state = State()
    with closing(DiskJournal(str(path), fsync="always", segment_bytes=SEGMENT_BYTES)) as journal:
        return state, replay(journal, state, lambda _: None)


def queues(state: State) -> object:
    return image(state)["queues"]


def test_a_whole_journal_needs_no_repair(recorded: Recorded, tmp_path: Path) -> None:
    plan = planned(tmp_path / "data")

    assert not plan.is_needed
    assert (plan.kept.first, plan.kept.last) == (1, recorded.position)
    assert plan.dropped.last == 0
    assert plan.missing is None


def test_everything_before_the_damage_is_kept_and_a_server_starts(
    recorded: Recorded, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    damage(data, 12)
    with pytest.raises(JournalBroken):
        started(data)
    plan = planned(data)

    repaired(data)

    assert (plan.kept.first, plan.kept.last) == (1, 11)
    assert verify(str(data)).is_whole
    state, _ = started(data)
    assert queues(state) == recorded.images[11]


def test_it_says_what_would_be_dropped_and_what_of_it_can_be_read(
    recorded: Recorded, tmp_path: Path
) -> None:
    damage(tmp_path / "data", 12)
    damage(tmp_path / "data", 20)

    plan = planned(tmp_path / "data")

    assert [each.position for each in plan.faults] == [12, 12]
    assert "its checksum is" in plan.faults[0].reason
    assert f"answered for goes on to {recorded.position}" in plan.faults[1].reason
    dropped = plan.dropped
    assert (dropped.first, dropped.last) == (12, recorded.position)
    assert dropped.damaged == 2
    assert dropped.batches == recorded.position - 13
    assert dropped.records["JobsPushed"] + dropped.records["JobsLeased"] == dropped.batches
    assert dropped.from_ms == recorded.times[13]
    assert dropped.to_ms == recorded.times[recorded.position]
    assert plan.missing is None


def test_the_originals_are_kept_beside_the_directory(recorded: Recorded, tmp_path: Path) -> None:
    data = tmp_path / "data"
    damage(data, 12)
    before = fingerprint(data)

    aside = repaired(data)

    assert aside.parent == tmp_path
    assert aside.name.startswith("data.before-repair-20")
    assert fingerprint(aside) == before
    assert not verify(str(aside)).is_whole
    assert sorted(os.listdir(tmp_path)) == ["data", aside.name]
    assert recorded.position > 12


def test_the_tail_fits_what_is_kept(recorded: Recorded, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.rmtree(segment_of(data, recorded.position))
    shutil.rmtree(segment_of(data, 15))
    last = verify(str(data)).segments[-1].last or 0

    repaired(data)

    tail = read_tail(str(data / "tail"))
    assert tail is not None
    ends = max(each.last for each in verify(str(data)).segments)
    assert tail.position == ends
    assert last >= 0


def test_numbers_and_fences_that_were_drawn_behind_the_damage_are_not_drawn_again(
    recorded: Recorded, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    damage(data, 12)
    drawn = recorded.engine.state

    repaired(data)

    state, replayed = started(data)
    assert state.next_number == drawn.next_number
    assert state.next_fence == drawn.next_fence
    assert replayed.now_ms == recorded.times[recorded.position]


def test_what_was_answered_for_and_is_nowhere_is_told(recorded: Recorded, tmp_path: Path) -> None:
    data = tmp_path / "data"
    gone = segment_of(data, recorded.position)
    first = next(each.first for each in verify(str(data)).segments if each.name == gone.name)
    shutil.rmtree(gone)

    plan = planned(data)
    repaired(data)

    assert plan.missing == (first, recorded.position)
    assert plan.dropped.last == 0
    assert verify(str(data)).is_whole
    assert queues(started(data)[0]) == recorded.images[first - 1]


def test_what_lies_behind_a_gap_is_dropped(recorded: Recorded, tmp_path: Path) -> None:
    data = tmp_path / "data"
    gone = next(each for each in verify(str(data)).segments if each.first > 1)
    shutil.rmtree(data / gone.name)

    plan = planned(data)
    repaired(data)

    assert plan.kept.last == gone.first - 1
    assert (plan.dropped.first, plan.dropped.last) == (gone.last + 1, recorded.position)
    assert plan.dropped.damaged == 0
    assert verify(str(data)).is_whole
    assert queues(started(data)[0]) == recorded.images[gone.first - 1]


def test_a_segment_that_sqlite_cannot_read_is_dropped_with_all_behind_it(
    recorded: Recorded, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    broken = next(each for each in verify(str(data)).segments if each.first > 1)
    os.truncate(data / broken.name / "cache.db", 0)

    plan = planned(data)
    repaired(data)

    assert plan.kept.last == broken.first - 1
    assert f"{broken.name} cannot be read" in plan.faults[0].reason
    assert plan.dropped.first == broken.last + 1
    assert verify(str(data)).is_whole
    assert queues(started(data)[0]) == recorded.images[broken.first - 1]


@pytest.mark.parametrize("torn", [False, True])
def test_a_missing_tail_is_made_anew_and_nothing_is_dropped(
    recorded: Recorded, tmp_path: Path, torn: bool
) -> None:
    data = tmp_path / "data"
    if torn:
        (data / "tail").write_bytes(b"torn")
    else:
        (data / "tail").unlink()

    plan = planned(data)
    repaired(data)

    assert plan.is_needed
    assert plan.kept.last == recorded.position
    assert plan.dropped.last == 0
    assert verify(str(data)).is_whole
    assert queues(started(data)[0]) == recorded.images[recorded.position]


def test_a_torn_batch_that_a_start_would_cut_needs_no_repair(
    recorded: Recorded, tmp_path: Path
) -> None:
    where = Segment(str(segment_of(tmp_path / "data", recorded.position)))
    where.open("always")
    where.append(recorded.position + 1, b"torn")
    where.close()

    plan = planned(tmp_path / "data")

    assert not plan.is_needed
    assert plan.dropped.last == 0


def test_torn_batches_that_a_start_would_not_cut_are_dropped(
    recorded: Recorded, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    where = Segment(str(segment_of(data, recorded.position)))
    where.open("always")
    for position in (recorded.position + 1, recorded.position + 2):
        where.append(position, b"torn")
    where.close()

    plan = planned(data)
    repaired(data)

    assert (plan.dropped.damaged, plan.dropped.batches) == (2, 0)
    assert verify(str(data)).is_whole
    assert queues(started(data)[0]) == recorded.images[recorded.position]


def remove_first(path: Path) -> None:
    shutil.rmtree(path / "segment-00000001")


def damage_first(path: Path) -> None:
    damage(path, 1)


def remove_all(path: Path) -> None:
    for each in path.glob("segment-*"):
        shutil.rmtree(each)


@pytest.mark.parametrize("harm", [remove_first, damage_first, remove_all])
def test_nothing_can_be_done_without_the_beginning(
    recorded: Recorded, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    data = tmp_path / "data"
    harm(data)
    before = fingerprint(data)

    with pytest.raises(JournalRefused, match=r"nothing can be repaired: .* no whole beginning"):
        repaired(data)

    assert fingerprint(data) == before
    assert os.listdir(tmp_path) == ["data"]
    assert recorded.position > 1


def test_a_compacted_journal_is_repaired_behind_what_says_its_beginning_again(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    recorded = Recorded(data, SEGMENT_BYTES)
    for number in range(30):
        recorded.say(f"QPUSH mail job-{number:02}")
    recorded.forget(20)
    trimmed = recorded.position
    for number in range(5):
        recorded.say(f"QPUSH mail late-{number}")
    recorded.close()
    shutil.copytree(data, tmp_path / "other" / "data")
    damage(data, trimmed + 3)

    plan = planned(data)
    repaired(data)

    assert plan.kept.first > 1
    assert plan.kept.last == trimmed + 2
    assert queues(started(data)[0]) == recorded.images[trimmed + 2]
    # Without that batch the jobs of the deleted segments are nowhere.
    damage(tmp_path / "other" / "data", trimmed)
    with pytest.raises(JournalRefused, match="no whole beginning"):
        planned(tmp_path / "other" / "data")


def append(path: Path, recorded: Recorded, version: int, body: bytes) -> None:
    """Put a whole batch behind the last."""
    where = Segment(str(segment_of(path, recorded.position)))
    header = BatchHeader(version, recorded.position + 1, 1, 0, 1, 1, 1, 1)
    where.open("always")
    checksum = recorded.checksums[recorded.position]
    where.append(header.position, encode_batch(header, body, checksum)[0])
    where.close()


@pytest.mark.parametrize(
    ("version", "body"), [(2, encode_records([], [])), (1, b"\x92\x91\x91\xcd\xff\xff\x90")]
)
def test_what_a_newer_version_wrote_is_not_dropped(
    recorded: Recorded, tmp_path: Path, version: int, body: bytes
) -> None:
    append(tmp_path / "data", recorded, version, body)

    with pytest.raises(JournalRefused, match=r"of a newer respq: .* start that one"):
        planned(tmp_path / "data")


@pytest.mark.parametrize("steps", range(12))
def test_a_crash_in_the_middle_leaves_a_journal_that_is_refused_or_repaired(
    recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """Of the renames that put the repaired segments into their place only some happen."""
    data = tmp_path / "data"
    damage(data, 12)
    rename, done = os.rename, 0

    def stop(old: str, new: str) -> None:
        nonlocal done
        if "before-repair" in new or str(data) + os.sep in new:
            if done == steps:
                raise OSError(5, "the machine ends here")
            done += 1
        rename(old, new)

    monkeypatch.setattr(os, "rename", stop)
    try:
        repaired(data)
        is_done = True
    except JournalRefused:
        is_done = False
    monkeypatch.undo()

    try:
        state, _ = started(data)
    except StartRefused:
        assert not is_done
    else:
        assert queues(state) == recorded.images[11]
