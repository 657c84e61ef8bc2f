import os
import pickle
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from diskcache import Cache
from diskcache.core import MODE_BINARY, MODE_PICKLE, MODE_RAW

from respq.journal.journal import PositionTaken
from respq.journal.segment import BlobDisk, Segment


@pytest.fixture
def segment(tmp_path: Path) -> Iterator[Segment]:
    segment = Segment.create(str(tmp_path / "segment-00000001"), "always")
    yield segment
    segment.abandon()


def pragma(segment: Segment, name: str) -> object:
    return segment.connection.execute(f"PRAGMA {name}").fetchone()[0]


@pytest.mark.parametrize(("fsync", "synchronous"), [("always", 2), ("everysec", 1), ("no", 1)])
@pytest.mark.parametrize("reopened", [False, True])
def test_the_pragmas_of_the_mode_are_in_force_on_the_connection_that_appends(
    tmp_path: Path, fsync: str, synchronous: int, reopened: bool
) -> None:
    segment = Segment.create(str(tmp_path / "segment-00000001"), fsync)
    if reopened:
        segment.close()
        segment.open(fsync)

    segment.append(1, b"blob")

    assert segment._store._con is segment.connection
    in_force = {
        name: pragma(segment, name)
        for name in (
            "synchronous",
            "journal_mode",
            "auto_vacuum",
            "cache_size",
            "mmap_size",
            "wal_autocheckpoint",
        )
    }
    assert in_force == {
        "synchronous": synchronous,
        "journal_mode": "wal",
        "auto_vacuum": 0,
        "cache_size": 512,
        "mmap_size": 0,
        "wal_autocheckpoint": 1_000,
    }
    segment.close()


def test_a_segment_takes_the_mode_of_its_last_opening(tmp_path: Path) -> None:
    segment = Segment.create(str(tmp_path / "segment-00000001"), "no")
    segment.close()

    segment.open("always")

    assert pragma(segment, "synchronous") == 2
    segment.close()


def test_diskcache_neither_evicts_nor_counts_nor_pickles(segment: Segment) -> None:
    store = segment._store

    assert store.eviction_policy == "none"
    assert store.cull_limit == 0
    assert store.size_limit == 2**50
    assert store.statistics == 0
    assert store.tag_index == 0
    assert type(store.disk) is BlobDisk
    assert store.disk.min_file_size == 2**30


def test_a_large_value_lies_in_its_row_and_in_no_file_beside(segment: Segment) -> None:
    segment.append(1, bytes(3_000_000))
    segment.close()

    assert os.listdir(segment.path) == ["cache.db"]
    assert list(segment.rows(1)) == [(1, bytes(3_000_000))]


def test_nothing_but_bytes_under_numbers_is_stored() -> None:
    disk = BlobDisk("unused")

    for key in ("1", 1.0, b"1", None, True, (1,)):
        with pytest.raises(TypeError, match="a key of the journal is never"):
            disk.put(key)
    for value in ("text", 1, None, bytearray(b"x"), [b"x"]):
        with pytest.raises(TypeError, match="a value of the journal is never"):
            disk.store(value, False)
    with pytest.raises(TypeError):
        disk.store(b"bytes", True)


def test_nothing_is_ever_unpickled() -> None:
    disk = BlobDisk("unused")
    pickled = pickle.dumps(1)

    with pytest.raises(TypeError):
        disk.get(pickled, False)
    for mode, filename, value in (
        (MODE_PICKLE, None, pickled),
        (MODE_PICKLE, "file", None),
        (MODE_BINARY, "file", None),
        (MODE_RAW, None, "text"),
    ):
        with pytest.raises(TypeError):
            disk.fetch(mode, filename, value, False)


def test_what_is_stored_is_what_is_fetched() -> None:
    disk = BlobDisk("unused")
    key, raw = disk.put(7)
    _, mode, filename, value = disk.store(b"blob", False)

    assert disk.get(key, raw) == 7
    assert disk.fetch(mode, filename, bytes(value), False) == b"blob"


def test_diskcache_itself_refuses_a_taken_key(segment: Segment) -> None:
    segment.append(1, b"first")

    with pytest.raises(PositionTaken):
        segment.append(1, b"second")

    assert list(segment.rows(1)) == [(1, b"first")]


def test_creation_clears_what_a_crash_left_of_an_earlier_one(tmp_path: Path) -> None:
    new = tmp_path / "segment-00000001.new"
    new.mkdir()
    (new / "cache.db").write_bytes(b"half a database")

    segment = Segment.create(str(tmp_path / "segment-00000001"), "always")
    segment.append(1, b"blob")
    segment.close()

    assert os.listdir(tmp_path) == ["segment-00000001"]
    assert list(segment.rows(1)) == [(1, b"blob")]


def test_a_checkpoint_empties_the_log(segment: Segment) -> None:
    segment.append(1, b"blob")
    assert segment.log_bytes() > 0

    assert segment.checkpoint()

    assert segment.log_bytes() == 0
    assert list(segment.rows(1)) == [(1, b"blob")]


def test_a_reader_under_way_keeps_the_log_and_closing_does_not_wait_for_it(
    segment: Segment,
) -> None:
    for position in (1, 2, 3):
        segment.append(position, b"blob")
    rows = segment.rows(1)
    next(rows)
    segment.append(4, b"blob")

    segment.close()

    assert segment.log_bytes() > 0
    assert [position for position, _ in rows] == [2, 3]
    assert [position for position, _ in segment.rows(1)] == [1, 2, 3, 4]


def test_an_abandoned_segment_keeps_its_log_and_everything_in_it(segment: Segment) -> None:
    segment.append(1, b"blob")
    log = (Path(segment.path) / "cache.db-wal").read_bytes()

    segment.abandon()

    assert (Path(segment.path) / "cache.db-wal").read_bytes() == log
    assert list(segment.rows(1)) == [(1, b"blob")]


def test_reading_a_sealed_segment_leaves_no_trace(segment: Segment) -> None:
    segment.append(1, b"blob")
    segment.close()
    before = (os.listdir(segment.path), os.stat(segment.path).st_mtime_ns)

    assert list(segment.rows(0)) == [(1, b"blob")]
    segment.find_range()

    assert (os.listdir(segment.path), os.stat(segment.path).st_mtime_ns) == before


def test_reading_begins_inside_a_segment(segment: Segment) -> None:
    for position in range(5, 10):
        segment.append(position, b"%d" % position)

    assert list(segment.rows(8)) == [(8, b"8"), (9, b"9")]


def test_the_range_is_found_again(segment: Segment) -> None:
    for position in range(5, 10):
        segment.append(position, b"blob")
    segment.close()

    again = Segment(segment.path)
    again.find_range()

    assert (again.first, again.last) == (5, 9)
    assert again.blob_bytes() == 20


def test_an_empty_segment_has_no_range(segment: Segment) -> None:
    segment.find_range()

    assert (segment.first, segment.last) == (0, 0)
    assert segment.blob_bytes() == 0


def test_removing_the_last_row_frees_its_position(segment: Segment) -> None:
    segment.append(1, b"first")
    segment.append(2, b"torn")

    segment.remove_last()
    segment.append(2, b"second")

    assert list(segment.rows(1)) == [(1, b"first"), (2, b"second")]
    segment.remove_last()
    segment.remove_last()
    assert (segment.first, segment.last) == (0, 0)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE Cache SET value = 'text'",
        "UPDATE Cache SET value = NULL, filename = '00/00/file.val'",
        "UPDATE Cache SET key = '1'",
    ],
)
def test_a_row_that_is_no_batch_is_an_error(segment: Segment, sql: str) -> None:
    segment.append(1, b"blob")
    segment.connection.execute(sql)

    with pytest.raises(sqlite3.Error, match="not a batch"):
        list(segment.rows(0))


def test_keys_that_are_no_positions_are_an_error(segment: Segment) -> None:
    segment.append(1, b"blob")
    segment.connection.execute("UPDATE Cache SET key = 'one'")

    with pytest.raises(sqlite3.Error, match="not positions"):
        segment.find_range()


def test_a_missing_database_is_an_error_and_stays_missing(tmp_path: Path) -> None:
    path = tmp_path / "segment-00000001"
    path.mkdir()

    with pytest.raises(sqlite3.Error):
        Segment(str(path)).find_range()

    assert os.listdir(path) == []


def test_a_retired_segment_is_gone(segment: Segment, tmp_path: Path) -> None:
    segment.append(1, b"blob")
    segment.close()

    segment.retire()

    assert os.listdir(tmp_path) == []


def test_the_size_counts_database_and_log(segment: Segment) -> None:
    segment.append(1, bytes(50_000))

    assert segment.size_bytes() > segment.log_bytes() > 50_000


def test_a_path_with_characters_of_a_uri_is_a_path(tmp_path: Path) -> None:
    directory = tmp_path / "a?mode=rw#b%20c"
    directory.mkdir()
    segment = Segment.create(str(directory / "segment-00000001"), "always")

    segment.append(1, b"blob")
    segment.close()

    assert list(segment.rows(1)) == [(1, b"blob")]


def test_the_size_is_that_of_the_files_before_and_after_sealing(segment: Segment) -> None:
    def files() -> int:
        names = ("cache.db", "cache.db-wal")
        return sum(
            path.stat().st_size for path in Path(segment.path).iterdir() if path.name in names
        )

    segment.append(1, bytes(50_000))
    assert segment.size_bytes() == files()
    segment.close()
    assert segment.size_bytes() == files()
    segment.open("always")
    segment.append(2, bytes(50_000))
    assert segment.size_bytes() == files() > 100_000


def test_an_append_keeps_up_nothing_that_only_a_cache_needs(segment: Segment) -> None:
    kept = "SELECT name FROM sqlite_master WHERE type IN ('trigger', 'index') ORDER BY name"

    assert segment.connection.execute(kept).fetchall() == [
        ("Cache_key_raw",),
        ("sqlite_autoindex_Settings_1",),
    ]


def test_what_was_appended_is_what_diskcache_finds_there(tmp_path: Path) -> None:
    path = str(tmp_path / "segment-00000001")
    segment = Segment.create(path, "always")
    segment.append(1, b"first")
    segment.append(2, b"")
    segment.close()

    with Cache(path, disk=BlobDisk) as cache:
        assert [(key, cache[key]) for key in cache.iterkeys()] == [(1, b"first"), (2, b"")]


def test_what_is_held_is_what_was_there_then_also_when_it_is_deleted(segment: Segment) -> None:
    reader = Segment(segment.path)
    segment.append(1, b"one")
    reader.hold()
    segment.append(2, b"two")

    assert list(reader.rows(1)) == [(1, b"one")]
    reader.hold()
    segment.append(3, b"three")
    assert list(reader.rows(1)) == [(1, b"one"), (2, b"two")]
    segment.close()
    segment.retire()
    assert list(reader.rows(1)) == [(1, b"one"), (2, b"two")]
    reader.let_go()
    reader.let_go()


def test_a_segment_that_is_not_there_cannot_be_held_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        Segment(str(tmp_path / "segment-00000001")).hold()

    assert list(tmp_path.iterdir()) == []


def test_an_open_segment_is_shared_and_a_closed_one_is_not(segment: Segment) -> None:
    assert segment.is_shared
    segment.close()
    assert not segment.is_shared
