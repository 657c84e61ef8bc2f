import logging
import os
import shutil
import sqlite3
import threading
from pathlib import Path

import pytest

from respq.engine.batch import BatchHeader
from respq.errors import CommitFailed, DataDirectoryHeld, JournalBroken, StartRefused
from respq.journal.copy import backup
from respq.journal.disk import DiskJournal
from respq.journal.journal import PositionTaken
from respq.journal.recovery import Chain, read_batches
from respq.journal.segment import Segment
from respq.journal.tail import Tail, read_boot, read_tail
from tests.journal.history import History, expect, read_all
from tests.journal.processes import fingerprint, flip, kill, make_killed, read_until, start_writer

MIB = 1 << 20


def open_journal(path: Path, fsync: str = "always", segment_bytes: int = MIB) -> DiskJournal:
    return DiskJournal(str(path), fsync=fsync, segment_bytes=segment_bytes)


def write(path: Path, count: int, segment_bytes: int = MIB, fsync: str = "always") -> None:
    """Make a journal and close it."""
    journal = open_journal(path, fsync, segment_bytes)
    History().append_to(journal, count)
    journal.close()


def broken_at(path: Path, reason: str | None = None) -> int:
    """Open and read a journal that must be refused; return the position."""
    with pytest.raises(JournalBroken, match=reason) as caught:
        open_and_read(path)
    return caught.value.position


def open_and_read(path: Path) -> list[tuple[BatchHeader, bytes]]:
    journal = open_journal(path)
    try:
        return read_all(journal)
    finally:
        journal.close()


def segments(path: Path) -> list[str]:
    return sorted(name for name in os.listdir(path) if name.startswith("segment"))


def append_behind_its_back(path: Path, segment: str, position: int, blob: bytes) -> None:
    """Put a row into a segment without its journal."""
    writer = Segment(str(path / segment))
    writer.open("always")
    writer.append(position, blob)
    writer.close()


@pytest.fixture(scope="module")
def killed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("killed") / "data"
    make_killed(path, "--count", "60")
    return path


@pytest.fixture
def killed(killed_once: Path, tmp_path: Path) -> Path:
    """A journal of 60 batches, as `kill -9` leaves it."""
    return Path(shutil.copytree(killed_once, tmp_path / "data"))


# --- opening and closing


@pytest.mark.parametrize("fsync", ["always", "everysec", "no"])
def test_everything_is_there_after_a_restart(tmp_path: Path, fsync: str) -> None:
    write(tmp_path, 40, segment_bytes=1_000, fsync=fsync)

    journal = open_journal(tmp_path, fsync)

    assert read_all(journal) == expect(40)
    journal.close()


def test_appending_goes_on_after_a_restart(tmp_path: Path) -> None:
    history = History()
    for _ in range(4):
        journal = open_journal(tmp_path, segment_bytes=2_000)
        history.append_to(journal, 7)
        journal.close()

    assert open_and_read(tmp_path) == expect(28)


def test_a_closed_journal_leaves_no_log_and_an_exact_tail(tmp_path: Path) -> None:
    write(tmp_path, 10, fsync="no")

    assert os.listdir(tmp_path / "segment-00000001") == ["cache.db"]
    tail = read_tail(str(tmp_path / "tail"))
    assert tail is not None
    assert (tail.position, tail.durable_position) == (10, 10)


def test_a_closed_journal_takes_nothing(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.close()

    with pytest.raises(CommitFailed, match="failed or was closed"):
        journal.append(1, b"blob", 0)


def test_two_journals_cannot_have_one_directory(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)

    with pytest.raises(DataDirectoryHeld, match=f"'{tmp_path}' is held .*pid {os.getpid()}"):
        open_journal(tmp_path)

    History().append_to(journal, 1)
    journal.close()
    open_journal(tmp_path).close()


def test_two_processes_cannot_have_one_directory(tmp_path: Path) -> None:
    writer = start_writer(tmp_path, "--count", "3")
    read_until(writer, "done")

    with pytest.raises(DataDirectoryHeld, match=f"pid {writer.pid}"):
        open_journal(tmp_path)

    kill(writer)
    assert open_and_read(tmp_path) == expect(3)


def test_a_refused_start_lets_go_of_the_directory(tmp_path: Path) -> None:
    write(tmp_path, 3)
    tail = (tmp_path / "tail").read_bytes()
    (tmp_path / "tail").unlink()
    broken_at(tmp_path)

    (tmp_path / "tail").write_bytes(tail)

    open_journal(tmp_path).close()


def test_leftovers_of_a_crash_are_cleared_at_start(tmp_path: Path) -> None:
    write(tmp_path, 3)
    for name in ("segment-00000002.new", "segment-00000000.retired"):
        shutil.copytree(tmp_path / "segment-00000001", tmp_path / name)

    journal = open_journal(tmp_path)

    assert segments(tmp_path) == ["segment-00000001"]
    assert read_all(journal) == expect(3)
    journal.close()


def test_a_disk_that_is_full_refuses_the_start(tmp_path: Path) -> None:
    (tmp_path / "tail").symlink_to("/dev/full")

    with pytest.raises(StartRefused, match="No space left"):
        open_journal(tmp_path)


# --- segments


def test_a_full_segment_is_followed_by_the_next(tmp_path: Path) -> None:
    write(tmp_path, 24, segment_bytes=1_800)  # ten batches of 180 in each

    assert segments(tmp_path) == ["segment-00000001", "segment-00000002", "segment-00000003"]


def test_the_next_segment_is_made_when_the_last_is_half_full(tmp_path: Path) -> None:
    history = History()
    journal = open_journal(tmp_path, segment_bytes=1_800)

    history.append_to(journal, 4)
    assert segments(tmp_path) == ["segment-00000001"]
    history.append_to(journal, 1)
    journal.close()
    assert segments(tmp_path) == ["segment-00000001", "segment-00000002"]


def test_a_segment_that_could_not_be_made_ahead_is_made_when_it_is_needed(tmp_path: Path) -> None:
    history = History()
    journal = open_journal(tmp_path, segment_bytes=1_800)
    (tmp_path / "segment-00000002.new").write_text("in the way")
    history.append_to(journal, 10)

    (tmp_path / "segment-00000002.new").unlink()
    history.append_to(journal, 10)

    assert read_all(journal) == expect(20)
    journal.close()


def test_a_segment_that_cannot_be_made_at_all_fails_the_commit(tmp_path: Path) -> None:
    history = History()
    journal = open_journal(tmp_path, segment_bytes=1_800)
    (tmp_path / "segment-00000002.new").write_text("in the way")
    history.append_to(journal, 10)

    with pytest.raises(CommitFailed, match="batch 11 could not be written") as caught:
        history.append_to(journal, 1)

    assert isinstance(caught.value.__cause__, OSError)
    (tmp_path / "segment-00000002.new").unlink()
    with pytest.raises(CommitFailed, match="failed or was closed"):
        journal.append(11, b"blob", 0)
    journal.close()


def trim(journal: DiskJournal, position: int) -> None:
    """Trim, when full segments are sealed, and return when old ones are gone."""
    journal._keeper.submit(int).result()
    journal.trim(position)
    journal._keeper.submit(int).result()


def test_trim_retires_whole_segments_and_never_the_last(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, segment_bytes=1_800)
    History().append_to(journal, 30)

    trim(journal, 20)
    assert segments(tmp_path)[0] == "segment-00000002"
    trim(journal, 21)
    assert segments(tmp_path)[0] == "segment-00000003"
    trim(journal, 1_000)
    assert segments(tmp_path)[0] == "segment-00000003"
    assert [position for position, _ in journal.read(1)] == list(range(21, 31))
    journal.close()


def test_a_trimmed_journal_opens_and_goes_on(tmp_path: Path) -> None:
    history = History()
    journal = open_journal(tmp_path, segment_bytes=1_800)
    history.append_to(journal, 30)
    trim(journal, 21)
    journal.close()

    journal = open_journal(tmp_path, segment_bytes=1_800)
    history.append_to(journal, 1)

    assert [position for position, _ in journal.read(1)] == list(range(21, 32))
    journal.close()


def test_a_segment_that_is_being_sealed_is_left_for_the_next_time(tmp_path: Path) -> None:
    history = History()
    journal = open_journal(tmp_path, segment_bytes=1_800)
    history.append_to(journal, 9)
    gate = threading.Event()
    journal._keeper.submit(gate.wait, 20)
    history.append_to(journal, 3)
    journal.trim(11)

    assert segments(tmp_path)[0] == "segment-00000001"
    assert journal.sealed_before() == 1
    gate.set()
    trim(journal, 11)
    assert segments(tmp_path)[0] == "segment-00000002"
    assert journal.sealed_before() == 11
    journal.close()


def test_a_segment_that_cannot_be_deleted_fails_the_next_trim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = History()
    journal = open_journal(tmp_path, segment_bytes=1_800)
    history.append_to(journal, 30)

    def refuse(segment: Segment) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Segment, "retire", refuse)
    trim(journal, 21)

    with pytest.raises(CommitFailed, match="could not be retired"):
        journal.trim(21)
    assert segments(tmp_path)[0] == "segment-00000001"
    with pytest.raises(CommitFailed):
        history.append_to(journal, 1)


# --- commits


def test_another_writer_at_the_position_is_refused_by_the_store(tmp_path: Path) -> None:
    history = History()
    journal = open_journal(tmp_path)
    history.append_to(journal, 3)
    append_behind_its_back(tmp_path, "segment-00000001", 4, b"another writer's")

    with pytest.raises(PositionTaken):
        history.append_to(journal, 1)

    assert list(journal.read(1))[-1] == (4, b"another writer's")
    journal.close()


def test_a_damaged_database_fails_the_commit_with_its_cause(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal._segments[-1].connection.execute("DROP TABLE Cache")

    with pytest.raises(CommitFailed, match="no such table") as caught:
        journal.append(1, b"blob", 0)

    assert isinstance(caught.value.__cause__, sqlite3.Error)
    with pytest.raises(CommitFailed):
        journal.append(1, b"blob", 0)
    journal.close()
    assert (tmp_path / "segment-00000001" / "cache.db-wal").stat().st_size > 0


def test_a_full_disk_fails_the_commit_and_loses_nothing_before(tmp_path: Path) -> None:
    writer = start_writer(
        tmp_path, "--count", "1000", "--body-bytes", "2000", "--file-bytes-max", "300000"
    )

    said = read_until(writer, "failed", "done")
    kill(writer)

    assert said[-1] == "failed OperationalError"
    answered = [int(line) for line in said if line.isdigit()]
    assert 5 < len(answered) < 1_000
    journal = open_journal(tmp_path)
    found = read_all(journal)
    assert found == expect(len(found), body_bytes=2_000)
    assert len(answered) <= len(found) <= len(answered) + 1
    journal.close()


def test_threads_take_turns_and_the_last_closes_for_all(tmp_path: Path) -> None:
    def open_files() -> list[str]:
        links = (f"/proc/self/fd/{each}" for each in os.listdir("/proc/self/fd"))
        return [os.readlink(each) for each in links if os.path.exists(each)]

    history, errors = History(), []
    journal = open_journal(tmp_path, segment_bytes=1_800)

    def append() -> None:
        try:
            history.append_to(journal, 1)
        except BaseException as error:
            errors.append(error)

    for _ in range(30):
        thread = threading.Thread(target=append)
        thread.start()
        thread.join()
        append()
    thread = threading.Thread(target=journal.close)
    thread.start()
    thread.join()

    assert errors == []
    assert [each for each in open_files() if each.startswith(str(tmp_path))] == []
    assert open_and_read(tmp_path) == expect(60)


# --- the tail


def test_the_tail_names_the_last_batch_before_append_returns(tmp_path: Path) -> None:
    history = History()
    journal = open_journal(tmp_path)
    for _ in range(3):
        position, blob, checksum = history.next()
        journal.append(position, blob, checksum)

        assert read_tail(str(tmp_path / "tail")) == Tail(position, checksum, position, read_boot())
    journal.close()


def test_the_tail_of_the_relaxed_modes_tells_what_is_durable(tmp_path: Path) -> None:
    def durable() -> int:
        tail = read_tail(str(tmp_path / "tail"))
        assert tail is not None
        return tail.durable_position

    history = History()
    journal = open_journal(tmp_path, "everysec")

    history.append_to(journal, 3)
    assert durable() == 0
    journal.sync()
    assert durable() == 3
    history.append_to(journal, 2)
    assert durable() == 3
    journal.close()
    assert durable() == 5


def test_what_is_durable_includes_every_segment_but_the_active(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, "no", segment_bytes=1_800)
    History().append_to(journal, 11)

    tail = read_tail(str(tmp_path / "tail"))

    assert tail is not None
    assert (tail.position, tail.durable_position) == (11, 10)
    journal.close()


def test_a_batch_behind_the_tail_is_kept(tmp_path: Path) -> None:
    history = History()
    journal = open_journal(tmp_path)
    history.append_to(journal, 3)
    journal.close()
    append_behind_its_back(tmp_path, "segment-00000001", 4, history.next()[1])

    journal = open_journal(tmp_path)

    assert read_all(journal) == expect(4)
    history.append_to(journal, 1)
    assert read_all(journal) == expect(5)
    journal.close()


@pytest.mark.parametrize("segment_bytes", [MIB, 600])
def test_a_torn_batch_behind_the_tail_is_cut_for_good(tmp_path: Path, segment_bytes: int) -> None:
    history, reports = History(), list[str]()
    journal = open_journal(tmp_path, "always", segment_bytes)
    history.append_to(journal, 3)
    journal.close()
    # Half full at 600 bytes, it has an empty segment behind it, which will be the active one.
    assert len(segments(tmp_path)) == (1 if segment_bytes == MIB else 2)
    append_behind_its_back(tmp_path, "segment-00000001", 4, b"torn")

    journal = open_journal(tmp_path)
    batches = read_batches(journal, reports.append, Chain())
    assert [header.position for header, *_ in batches] == [1, 2, 3]
    history.append_to(journal, 2)
    journal.close()

    assert len(reports) == 1
    assert open_and_read(tmp_path) == expect(5)


def test_a_torn_batch_at_the_tail_is_refused(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    History().append_to(journal, 3)
    journal.append(4, b"0123456789 torn, but answered for", int.from_bytes(b"89 torn,", "little"))
    journal.close()

    assert broken_at(tmp_path, "too few") == 4


def test_a_torn_batch_after_the_end_of_the_machine_is_refused(tmp_path: Path) -> None:
    write(tmp_path, 3)
    tail = read_tail(str(tmp_path / "tail"))
    assert tail is not None
    other = Tail(tail.position, tail.checksum, tail.durable_position, b"another boot 123")
    (tmp_path / "tail").write_bytes(other.encode())
    append_behind_its_back(tmp_path, "segment-00000001", 4, b"torn")

    assert broken_at(tmp_path, "too few") == 4


@pytest.mark.parametrize("damage", [b"", b"torn"])
def test_batches_beside_a_torn_tail_are_refused(tmp_path: Path, damage: bytes) -> None:
    write(tmp_path, 3)
    (tmp_path / "tail").write_bytes(damage)

    assert broken_at(tmp_path, "tail file is missing or torn") == 3


def test_a_tail_of_another_history_is_refused(tmp_path: Path) -> None:
    write(tmp_path, 3)
    tail = read_tail(str(tmp_path / "tail"))
    assert tail is not None
    (tmp_path / "tail").write_bytes(Tail(3, tail.checksum ^ 1, 3, tail.boot).encode())

    assert broken_at(tmp_path, "not the batch that was answered for") == 3


def test_what_the_machine_took_in_a_relaxed_mode_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, 3, fsync="everysec")
    (tmp_path / "tail").write_bytes(Tail(9, 1, 3, b"another boot 123").encode())

    with caplog.at_level(logging.WARNING):
        journal = open_journal(tmp_path, "everysec")

    assert "ends early: what came after position 3, up to 9, went" in caplog.text
    assert read_all(journal) == expect(3)
    journal.close()


def test_the_next_batch_ends_the_excuse_for_what_the_machine_took(tmp_path: Path) -> None:
    write(tmp_path, 3, fsync="everysec")
    (tmp_path / "tail").write_bytes(Tail(9, 1, 3, b"another boot 123").encode())
    history = History()
    for _ in range(3):
        history.next()

    journal = open_journal(tmp_path, "everysec")
    history.append_to(journal, 1)
    journal.close()

    tail = read_tail(str(tmp_path / "tail"))
    assert tail == Tail(4, history.checksum, 4, read_boot())


# --- damage


def test_a_killed_process_loses_nothing(killed: Path) -> None:
    journal = open_journal(killed)

    assert read_all(journal) == expect(60)
    journal.close()


def test_nothing_is_left_in_the_log_when_the_journal_is_open(killed: Path) -> None:
    log = killed / "segment-00000001" / "cache.db-wal"
    assert log.stat().st_size > 100_000

    journal = open_journal(killed)

    assert log.stat().st_size == 0
    journal.close()


@pytest.mark.parametrize("percent", [0, 3, 25, 50, 75, 99])
def test_a_flipped_byte_in_the_log_is_refused_and_nothing_is_touched(
    killed: Path, percent: int
) -> None:
    log = killed / "segment-00000001" / "cache.db-wal"
    flip(log, log.stat().st_size * percent // 100)
    before = fingerprint(killed)

    position = broken_at(killed, "what was answered for goes on to 60")

    assert abs(position - (1 + 60 * percent / 100)) < 4
    assert fingerprint(killed) == before


@pytest.mark.parametrize("kept", [0, 31, 4_152, 200_000, -1])
def test_a_truncated_log_is_refused_and_nothing_is_touched(killed: Path, kept: int) -> None:
    log = killed / "segment-00000001" / "cache.db-wal"
    os.truncate(log, kept % log.stat().st_size)
    before = fingerprint(killed)

    broken_at(killed, "what was answered for goes on to 60")

    assert fingerprint(killed) == before


def test_a_missing_log_is_refused(killed: Path) -> None:
    (killed / "segment-00000001" / "cache.db-wal").unlink()

    assert broken_at(killed) == 1


def test_no_flipped_byte_of_a_database_changes_what_is_read(tmp_path: Path) -> None:
    write(tmp_path / "whole", 60)
    size = (tmp_path / "whole" / "segment-00000001" / "cache.db").stat().st_size
    refused = 0

    for place in range(0, size, 331):
        path = Path(shutil.copytree(tmp_path / "whole", tmp_path / "damaged"))
        flip(path / "segment-00000001" / "cache.db", place)
        try:
            assert open_and_read(path) == expect(60)
        except StartRefused:
            refused += 1
        shutil.rmtree(path)

    assert refused > 20  # the rest hit unused space, or what diskcache keeps for itself


@pytest.mark.parametrize(
    ("was", "became", "reason"),
    [
        (b"disk_pickle_protocol", b"disk_tickle_protocol", "settings are damaged: .* 'tickle_"),
        (b"store_time REAL", b"stora_time REAL", "no column named store_time"),
        (b"UNIQUE INDEX", b"UNIQ\xd5E INDEX", r"malformed database schema .*UNIQ\\xd5E"),
    ],
)
def test_damage_around_the_batches_is_found_before_anything_is_appended(
    tmp_path: Path, was: bytes, became: bytes, reason: str
) -> None:
    write(tmp_path / "data", 3)
    database = tmp_path / "data" / "segment-00000001" / "cache.db"
    database.write_bytes(database.read_bytes().replace(was, became, 1))

    with pytest.raises(StartRefused, match=f"segment-00000001 cannot be .*{reason}.*`respq "):
        open_journal(tmp_path / "data")


def test_a_backup_is_the_way_out_where_only_what_is_around_the_batches_is_damaged(
    tmp_path: Path,
) -> None:
    write(tmp_path / "data", 3)
    database = tmp_path / "data" / "segment-00000001" / "cache.db"
    content = database.read_bytes()
    database.write_bytes(content.replace(b"disk_pickle", b"disk_tickle", 1))
    with pytest.raises(StartRefused, match="start on a copy: `respq backup` takes what can be"):
        open_journal(tmp_path / "data")

    backup(str(tmp_path / "data"), str(tmp_path / "copy"), pytest.fail)

    assert open_and_read(tmp_path / "copy") == expect(3)


def test_a_flipped_byte_of_a_blob_is_refused_with_its_position(tmp_path: Path) -> None:
    write(tmp_path, 30, segment_bytes=1_800)
    database = tmp_path / "segment-00000002" / "cache.db"
    flip(database, database.read_bytes().index(History().body(17)) + 50)

    assert broken_at(tmp_path, "its checksum is") == 17


@pytest.mark.parametrize(("missing", "position"), [(1, 1), (2, 11), (3, 21)])
def test_a_missing_segment_is_refused_with_its_position(
    tmp_path: Path, missing: int, position: int
) -> None:
    write(tmp_path, 30, segment_bytes=1_800)
    shutil.rmtree(tmp_path / f"segment-0000000{missing}")
    before = fingerprint(tmp_path)

    assert broken_at(tmp_path) == position

    if missing > 1:  # the first is missed only when the batches are read
        assert fingerprint(tmp_path) == before


def test_a_journal_without_segments_but_with_a_tail_is_refused(tmp_path: Path) -> None:
    write(tmp_path, 3)
    shutil.rmtree(tmp_path / "segment-00000001")

    assert broken_at(tmp_path, "goes on to 3") == 1


@pytest.mark.parametrize("name", ["segment-00000002", "segment-00000003"])
def test_a_position_in_two_segments_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path, 30, segment_bytes=1_800)
    append_behind_its_back(tmp_path, name, 10, b"once more")

    assert broken_at(tmp_path, f"{name} should begin here, and begins at 10") in (11, 21)


def test_an_emptied_database_is_refused(tmp_path: Path) -> None:
    write(tmp_path, 30, segment_bytes=1_800)
    os.truncate(tmp_path / "segment-00000002" / "cache.db", 0)

    assert broken_at(tmp_path, "segment-00000002 cannot be read: no such table") == 11


def test_a_missing_database_is_refused_and_not_made(tmp_path: Path) -> None:
    write(tmp_path, 30, segment_bytes=1_800)
    (tmp_path / "segment-00000002" / "cache.db").unlink()

    assert broken_at(tmp_path, "segment-00000002 cannot be read") == 11
    assert os.listdir(tmp_path / "segment-00000002") == []


def test_damage_found_while_reading_is_refused_with_the_next_position(tmp_path: Path) -> None:
    write(tmp_path, 30)
    journal = open_journal(tmp_path)
    journal._segments[-1].connection.execute("UPDATE Cache SET value = 'text' WHERE key = 8")

    with pytest.raises(JournalBroken) as caught:
        list(journal.read(1))

    assert caught.value.position == 8
    journal.close()


# --- fsync, as the kernel sees it


def trace(tmp_path: Path, *options: str) -> list[str]:
    """Run a writer under strace; return its syncs and its words, in order."""
    if shutil.which("strace") is None:
        assert os.environ.get("CI") != "true", "strace is missing"
        pytest.skip("strace is not installed")
    log = tmp_path / "trace"
    calls = "trace=fsync,fdatasync,write"
    writer = start_writer(
        tmp_path / "data", *options, under=("strace", "-f", "-y", "-e", calls, "-o", str(log))
    )
    said, _ = writer.communicate(timeout=60)
    assert said.endswith("done\n")
    return log.read_text().splitlines()


def syncs_before_words(lines: list[str]) -> dict[str, int]:
    """Count the syncs of a log between each word of the writer and the word before."""
    counts, count = dict[str, int](), 0
    for line in lines:
        if "sync(" in line and "cache.db-wal>" in line:
            count += 1
        elif "write(1<" in line:
            word = line.split('"')[1].removesuffix("\\n")
            counts[word] = counts.get(word, 0) + count
            count = 0
    return counts


def test_each_append_of_the_mode_always_syncs_the_log_before_it_returns(tmp_path: Path) -> None:
    counts = syncs_before_words(trace(tmp_path, "--count", "20", "--segment-bytes", "1800"))

    assert all(counts[str(position)] >= 1 for position in range(1, 21))


def test_the_mode_everysec_syncs_the_log_when_it_is_told_to(tmp_path: Path) -> None:
    options = ("--fsync", "everysec", "--count", "20", "--sync")

    counts = syncs_before_words(trace(tmp_path, *options))

    assert counts["sync"] == 20
    # The first append makes the log, and SQLite syncs its head.
    assert all(counts[str(position)] == 0 for position in range(2, 21))


def test_a_new_segment_is_durable_by_name_before_its_first_batch(tmp_path: Path) -> None:
    lines = trace(tmp_path, "--count", "15", "--segment-bytes", "1800")

    first_use = next(
        number for number, line in enumerate(lines) if "segment-00000002/cache.db-wal>" in line
    )
    made = next(
        number
        for number, line in enumerate(lines)
        if "fsync(" in line and "segment-00000002.new>" in line
    )
    assert any("fsync(" in line and f"<{tmp_path}/data>)" in line for line in lines[made:first_use])
