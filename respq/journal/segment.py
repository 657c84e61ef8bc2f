"""One segment of the journal: a diskcache directory with a row for each batch.

diskcache is a cache, and as one it may forget. What makes it an append store that does not:

- no eviction, no culling, no size limit: nothing is deleted but by us;
- every value in its row (`disk_min_file_size`): larger ones would go to side files that
  diskcache never fsyncs;
- `sqlite_synchronous` FULL for `always`: SQLite then fsyncs the write-ahead log in each
  commit. NORMAL for the other modes: a commit is safe from the end of the process, the log
  is fsynced by `sync` and before a checkpoint;
- `BlobDisk`: bytes in, bytes out; nothing is pickled, and above all nothing unpickled;
- diskcache's unique index on the key, which refuses a position that is taken.

A batch is one INSERT, a transaction by itself. `Cache.add` would be BEGIN IMMEDIATE, a SELECT
for the key, the INSERT, COMMIT. What diskcache keeps up for a cache only, its counts (by
triggers) and an index of expiry times, is dropped while a segment is open for appending; it
makes both anew when it opens a directory (54 ms for 100,000 rows). Together that is 28 µs an
append instead of 58, beside the fsync, and 2 pages of log instead of 4 for 100 bytes.

The other settings are measured. `wal_autocheckpoint` bounds the append that copies the log
into the database: the worst of 5,000 appends of 20 KB took 5–9 ms at 1,000 pages (once 19), 7–23 at
2,000, 15–20 at 4,000; at 250 all of them together took 6–35 % longer. `auto_vacuum` would
write a page of pointers more in each commit, for deletions that never come; a page cache
of 2 MiB is as fast as diskcache's 32; and a memory map would turn an I/O error into a signal
that kills the process.

A sealed segment has no log beside it, and is read as an immutable file. One whose log
holds something, or that a process has open, is read through SQLite's locks, by a connection
that cannot write. No other code may open cache.db in a process that appends: closing it would
drop SQLite's locks.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any, NoReturn

from diskcache import Cache, Disk, Timeout
from diskcache.core import DBNAME, MODE_RAW

from respq.journal.directory import fsync_directory
from respq.journal.journal import PositionTaken

SETTINGS: dict[str, str | int] = {
    "eviction_policy": "none",
    "cull_limit": 0,
    "size_limit": 2**50,
    "statistics": 0,
    "tag_index": 0,
    "disk_min_file_size": 2**30,
    "sqlite_auto_vacuum": 0,
    "sqlite_cache_size": 512,
    "sqlite_journal_mode": "wal",
    "sqlite_mmap_size": 0,
    "sqlite_wal_autocheckpoint": 1_000,
}
SYNCHRONOUS = {"always": 2, "everysec": 1, "no": 1}
BUSY_SECONDS = 10
"""How long to wait for a stranger's lock, as of someone's sqlite3 shell, before giving up."""

FREED_BYTES = 4 << 20
"""How much of a file that is deleted is freed at once."""
FREE_PAUSE_S = 0.02

_INSERT = (
    "INSERT INTO Cache (key, raw, store_time, access_time, mode, value)"
    f" VALUES (?, 1, 0, 0, {MODE_RAW}, ?)"
)
"""A row as `Cache.add` writes it, but for the times, which nobody asks for."""

_COUNTS = ("count_insert", "count_delete", "size_insert", "size_update", "size_delete")
"""Triggers by which diskcache counts."""

_fdatasync = getattr(os, "fdatasync", os.fsync)  # macOS has only the latter


class BlobDisk(Disk):  # type: ignore[misc]
    """Integer keys and bytes values, in the row, as they are; everything else is refused."""

    def put(self, key: object) -> tuple[int, bool]:
        """Return what diskcache stores for a key."""
        if type(key) is not int:
            _refuse("key", key)
        return key, True

    def get(self, key: object, raw: object) -> int:
        """Return the key of a row."""
        if type(key) is not int or not raw:
            _refuse("key", key)
        return key

    def store(
        self,
        value: object,
        read: object,
        key: object = None,  # noqa: ARG002
    ) -> tuple[int, int, None, memoryview]:
        """Return what diskcache stores for a value."""
        if type(value) is not bytes or read:
            _refuse("value", value)
        return 0, MODE_RAW, None, memoryview(value)

    def fetch(self, mode: object, filename: object, value: object, read: object) -> bytes:
        """Return the value of a row."""
        if mode != MODE_RAW or filename is not None or type(value) is not bytes or read:
            _refuse("value", value)
        return value


def _refuse(what: str, thing: object) -> NoReturn:
    raise TypeError(f"a {what} of the journal is never {type(thing).__name__}")


class _Store(Cache):  # type: ignore[misc]
    """diskcache's `Cache` over one connection, whichever thread calls.

    diskcache keeps a connection for each thread, and closes only that of the thread that
    asks. The journal is called by one thread at a time: one connection then needs no
    reopening, keeps its page cache, and is closed when we say so.
    """

    connection: sqlite3.Connection | None = None

    @property
    def _con(self) -> sqlite3.Connection:
        if self.connection is None:
            self.connection = sqlite3.connect(
                os.path.join(self.directory, DBNAME),
                timeout=self.timeout,
                isolation_level=None,
                check_same_thread=False,
            )
            # Of its own accord it is FULL: until `_open_store` sets the mode each change of the
            # settings would be an fsync.
            for name, value in {**SETTINGS, "sqlite_synchronous": 1}.items():
                if name.startswith("sqlite_"):
                    pragma = f"PRAGMA {name.removeprefix('sqlite_')} = {value}"
                    self.connection.execute(pragma).fetchall()
        return self.connection

    def close(self) -> None:
        """Close the connection; SQLite then empties and removes the log."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Have damage told of as such: SQLite quotes what is damaged, which may be no text any more."""
    try:
        yield
    except UnicodeDecodeError as error:
        message = error.object.decode("utf-8", "backslashreplace")
        raise sqlite3.DatabaseError(message) from None


def _open_store(path: str, fsync: str) -> Any:
    # diskcache writes all its settings, each by itself, whenever it opens a directory. With
    # FULL each is an fsync, fifty in all; none matters before the first batch.
    settings = {"timeout": BUSY_SECONDS, "disk": BlobDisk, "sqlite_synchronous": 1, **SETTINGS}
    try:
        store: Any = _Store(path, **settings)
    except (sqlite3.Error, OSError, Timeout):
        raise
    except Exception as error:
        # It sets what the file says under whatever name it says, and believes all of it.
        raise sqlite3.DatabaseError(f"its settings are damaged: {error}") from error
    with store.transact():
        for name in _COUNTS:
            store.connection.execute(f"DROP TRIGGER Settings_{name}")
        store.connection.execute("DROP INDEX Cache_expire_time")
    store.reset("sqlite_synchronous", SYNCHRONOUS[fsync])
    return store


class Segment:
    """A run of batches in one directory; open for appending, or sealed."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.first = self.last = 0  # positions; 0 while it is empty
        self._store: Any = None
        self._held: sqlite3.Connection | None = None
        self._sealed_bytes: int | None = None

    @classmethod
    def create(cls, path: str, fsync: str) -> Segment:
        """Make an empty segment and open it; under its name it is always whole."""
        new = path + ".new"
        if os.path.exists(new):
            shutil.rmtree(new)
        store = _open_store(new, fsync)
        _checkpoint(store)
        store.close()
        fsync_directory(new)
        os.rename(new, path)
        fsync_directory(os.path.dirname(path))
        segment = cls(path)
        segment.open(fsync)
        return segment

    @property
    def name(self) -> str:
        """The name of the directory."""
        return os.path.basename(self.path)

    @property
    def number(self) -> int:
        """Its place among the segments."""
        return int(self.name.removeprefix("segment-"))

    @property
    def is_open(self) -> bool:
        """Whether it is open for appending."""
        return self._store is not None

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection that appends; the segment must be open."""
        connection: sqlite3.Connection = self._store.connection
        return connection

    def open(self, fsync: str) -> None:
        """Open it for appending in a durability mode."""
        self._sealed_bytes = None
        self._store = _open_store(self.path, fsync)

    def check(self) -> None:
        """Find out whether it takes and gives back what is appended: 50–75 ms for a full one.

        Rows prove themselves when they are read. But SQLite meets damage around them only where it
        goes, and could put new rows where it does not find them again.

        Raises:
            sqlite3.Error: it does not.
        """
        self.connection.execute(f"EXPLAIN {_INSERT}", (0, b"")).fetchall()
        (found,) = self.connection.execute("PRAGMA integrity_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(found.splitlines()[-1])

    def append(self, position: int, blob: bytes) -> None:
        """Commit a row.

        Raises:
            PositionTaken: there is one at ``position``.
        """
        try:
            self._store.connection.execute(_INSERT, (position, blob))
        except sqlite3.IntegrityError as error:
            raise PositionTaken(f"there is a batch at position {position} already") from error
        self.first = self.first or position
        self.last = position

    def remove_last(self) -> None:
        """Delete the last row."""
        self._store.delete(self.last)
        self.last -= 1
        if self.last < self.first:
            self.first = self.last = 0

    def sync(self) -> None:
        """Make durable what was appended in a mode that does not wait for the disk."""
        # What has left the log is in the database: SQLite fsyncs both when it moves it. The
        # log carries none of SQLite's locks, so opening and closing it is harmless.
        with contextlib.suppress(FileNotFoundError):
            log = os.open(self._log_path, os.O_RDONLY)
            try:
                _fdatasync(log)
            finally:
                os.close(log)

    def checkpoint(self) -> bool:
        """Move the log into the database, durably, and empty it; False if a reader forbids."""
        return _checkpoint(self._store)

    def close(self) -> None:
        """Move the log into the database, and close it; a second call does nothing."""
        if self._store is not None:
            # A reader that is under way is not waited for: the log then stays, and keeps.
            self.connection.execute("PRAGMA busy_timeout = 0")
            _checkpoint(self._store)
            self._store.close()
            self._store = None

    def abandon(self) -> None:
        """Close it and leave its log alone: after a failed write no page in memory is proven."""
        if self._store is not None:
            # SQLite moves the log when the last connection closes: this one is still there then.
            witness = self._read_only()
            with contextlib.suppress(sqlite3.Error):
                witness.execute("SELECT count(*) FROM sqlite_master").fetchall()
            self._store.close()
            self._store = None
            witness.close()

    def retire(self) -> None:
        """Delete it: first the name, durably, so that it is never found half there.

        Then its files, from their ends: a commit beside it would have to wait until the file system
        has freed all of a large one.
        """
        retired = self.path + ".retired"
        os.rename(self.path, retired)
        fsync_directory(os.path.dirname(self.path))
        for name in os.listdir(retired):
            path = os.path.join(retired, name)
            for size in range(_file_bytes(path) - FREED_BYTES, 0, -FREED_BYTES):
                os.truncate(path, size)
                time.sleep(FREE_PAUSE_S)
        shutil.rmtree(retired)

    def hold(self) -> None:
        """Have what is read from now on be what is there now, also when the files are deleted.

        A second call moves that to its own moment.

        Raises:
            sqlite3.Error: it cannot be read, or is not there any more.
        """
        if self._held is None:
            self._held = self._read_only()
        elif self._held.in_transaction:
            self._held.execute("ROLLBACK")
        self._held.execute("BEGIN")
        with _told():
            # The moment is that of the first query.
            self._held.execute("SELECT count(*) FROM sqlite_master").fetchall()

    def let_go(self) -> None:
        """End what `hold` began; a second call does nothing."""
        if self._held is not None:
            self._held.close()
            self._held = None

    def find_range(self) -> None:
        """Find the first and the last position.

        Raises:
            sqlite3.Error: it cannot be read.
        """
        # Two queries of one: SQLite seeks for a lone min or max, and scans for both.
        query = "SELECT (SELECT min(key) FROM Cache), (SELECT max(key) FROM Cache)"
        with self._reading() as connection:
            first, last = connection.execute(query).fetchone()
        if type(first) is not type(last) or type(last) not in (int, NoneType):
            raise sqlite3.DataError(f"its keys, from {first!r} to {last!r}, are not positions")
        self.first, self.last = first or 0, last or 0

    def rows(self, position: int) -> Iterator[tuple[int, bytes]]:
        """Yield position and blob from ``position`` on, by one query.

        Raises:
            sqlite3.Error: it cannot be read.
        """
        query = "SELECT key, value FROM Cache WHERE key >= ? ORDER BY key"
        with self._reading() as connection:
            for key, value in connection.execute(query, (position,)):
                if type(key) is not int or type(value) is not bytes:
                    raise sqlite3.DataError(f"the row of key {key!r} is not a batch")
                yield key, value

    def blob_bytes(self) -> int:
        """Return the size of all blobs; SQLite reads their lengths, not the blobs."""
        query = "SELECT coalesce(sum(length(value)), 0) FROM Cache"
        with _told(), contextlib.closing(self._read_only()) as connection:
            size: int = connection.execute(query).fetchone()[0]
        return size

    def log_bytes(self) -> int:
        """Return the size of the write-ahead log."""
        return _file_bytes(self._log_path)

    def size_bytes(self) -> int:
        """Return the space that the segment takes; of a sealed one it is asked only once."""
        if self._sealed_bytes is not None:
            return self._sealed_bytes
        sealed = not self.is_open
        size = _file_bytes(self._database_path) + self.log_bytes()
        if sealed:
            self._sealed_bytes = size
        return size

    @property
    def _database_path(self) -> str:
        return os.path.join(self.path, DBNAME)

    @property
    def _log_path(self) -> str:
        return self._database_path + "-wal"

    @property
    def is_shared(self) -> bool:
        """Whether a process has it open, or was killed with it open."""
        return all(os.path.exists(self._database_path + each) for each in ("-wal", "-shm"))

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with _told():
            if self._held is not None:
                yield self._held
                return
            with contextlib.closing(self._read_only()) as connection:
                yield connection

    def _read_only(self) -> sqlite3.Connection:
        # An immutable file is read without locks, and without the files that SQLite would make
        # for them and leave behind.
        immutable = self._store is None and not self.log_bytes() and not self.is_shared
        uri = f"{Path(self._database_path).as_uri()}?mode=ro&immutable={immutable:d}"
        return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)


def _checkpoint(store: Any) -> bool:
    busy, *_ = store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def _file_bytes(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
