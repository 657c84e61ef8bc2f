"""The data directory: what may lie in it, and the lock that makes it one process' own.

    lock                held by `flock`; the pid in it is for people
    tail                the newest batch that was answered for (tail.py)
    ballast             room for when there is none left (ballast.py)
    segment-00000001    batches, oldest first (segment.py)
    segment-00000002    ┐ the last may still be empty: it is made ahead of need
    *.new  *.retired    ┘ half made, half deleted: cleared at the next start

The kernel drops the lock with the process, however it ends, so a held directory is never
stale. Names that are not of this table are refused before anything is made, so that a
mistyped ``--data-dir`` cannot scatter a journal over someone's files. Hidden files and
``lost+found`` are other programs' habits, and pass.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import shutil

from respq.errors import DataDirectoryHeld, StartRefused
from respq.journal.ballast import Ballast, free_bytes

log = logging.getLogger(__name__)

_SEGMENT = re.compile(r"segment-(\d{8,})")
_LEFTOVER = re.compile(r"segment-\d{8,}\.(new|retired)")
_OTHERS = ("lock", "tail", "ballast", "lost+found")


def fsync_directory(path: str) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class DataDirectory:
    """A data directory, held until `release`."""

    def __init__(self, data_dir: str, *, create: bool, hold: bool = True) -> None:
        """Take the directory.

        Args:
            data_dir: its path.
            create: make it where there is none, write our pid into the lock, and give up the
                ballast if the disk is nearly full. A reader makes and changes nothing.
            hold: keep others out. Who only looks at what a server goes on writing cannot.

        Raises:
            DataDirectoryHeld: another process has it.
            StartRefused: it is missing, not ours, or not usable.
        """
        self.path = os.path.abspath(data_dir)
        if os.path.expandvars(self.path) != self.path:
            # diskcache would replace the variable, and put the journal elsewhere.
            raise StartRefused(f"the data directory '{self.path}' has the name of a variable in it")
        try:
            if create:
                _make_directory(self.path)
            self._refuse_strangers()
            self._lock: int | None = self._take_lock(create=create, hold=hold)
            if not hold:
                self.release()
        except OSError as error:
            raise StartRefused(
                f"the data directory '{self.path}' cannot be used: {error.strerror}"
            ) from error

    @property
    def tail_path(self) -> str:
        """Where the tail lies."""
        return os.path.join(self.path, "tail")

    @property
    def ballast_path(self) -> str:
        """Where the ballast lies."""
        return os.path.join(self.path, "ballast")

    def segment_path(self, number: int) -> str:
        """Where the segment of that number lies."""
        return os.path.join(self.path, f"segment-{number:08}")

    def segment_numbers(self) -> list[int]:
        """Return the numbers of the segments there are, oldest first."""
        matches = (_SEGMENT.fullmatch(name) for name in os.listdir(self.path))
        return sorted(int(match[1]) for match in matches if match)

    def clear_leftovers(self) -> None:
        """Delete segments that a crash left half made or half deleted."""
        for name in os.listdir(self.path):
            if _LEFTOVER.fullmatch(name):
                shutil.rmtree(os.path.join(self.path, name))

    def release(self) -> None:
        """Let another process have the directory; a second call does nothing."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _refuse_strangers(self) -> None:
        for name in sorted(os.listdir(self.path)):
            ours = name in _OTHERS or _SEGMENT.fullmatch(name) or _LEFTOVER.fullmatch(name)
            if not ours and not name.startswith("."):
                raise StartRefused(
                    f"'{self.path}' holds '{name}', which is not respq's: "
                    "give the journal a directory of its own"
                )

    def _take_lock(self, *, create: bool, hold: bool) -> int:
        # The lock file is never deleted: two processes could then lock two files of one name.
        flags = os.O_RDWR | os.O_CREAT if create else os.O_RDONLY
        try:
            lock = os.open(os.path.join(self.path, "lock"), flags, 0o644)
        except FileNotFoundError:
            raise StartRefused(f"there is no journal in '{self.path}'") from None
        try:
            if hold:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if create:
                self._make_room()
                os.truncate(lock, 0)
                os.pwrite(lock, b"%d\n" % os.getpid(), 0)
        except BlockingIOError:
            holder = os.read(lock, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(lock)
            raise DataDirectoryHeld(
                f"the data directory '{self.path}' is held by another process (pid {holder}): "
                "stop it, or give this one another directory"
            ) from None
        except BaseException:
            os.close(lock)
            raise
        return lock

    def _make_room(self) -> None:
        """Give up the ballast if less is free than it takes: a start has to write."""
        ballast = Ballast(self.ballast_path, 0)
        held = ballast.held_bytes()
        if held and free_bytes(self.path) < held:
            ballast.remove()
            log.warning(
                "the disk of '%s' is nearly full: the ballast was given up to make room for this "
                "start",
                self.path,
            )


def _make_directory(path: str) -> None:
    """Make a directory and those above it, each durable by name before it is used."""
    parent = os.path.dirname(path)
    with contextlib.suppress(FileExistsError):
        if not os.path.isdir(parent):
            _make_directory(parent)
        os.mkdir(path)
        fsync_directory(parent)
