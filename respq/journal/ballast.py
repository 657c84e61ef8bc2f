"""The ballast: a file in the data directory that takes room as long as nobody else needs it.

When the disk is full, its upper half is given to those who end jobs; the lower half is kept for
the next start, which has to write before it can answer anybody. It is made anew when there is
room again.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress


def _reserve_nothing(*_: int) -> None:
    raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))


_reserve = getattr(os, "posix_fallocate", _reserve_nothing)  # macOS has none


def free_bytes(path: str) -> int:
    """Return how much can be written to the file system of a path."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


class Ballast:
    """One such file."""

    def __init__(self, path: str, size_bytes: int) -> None:
        """Touch nothing yet.

        Args:
            path: where it lies, or will.
            size_bytes: how large it is to be; 0 for none.
        """
        self.path = path
        self.size_bytes = size_bytes

    def held_bytes(self) -> int:
        """Return how large it is now; 0 if there is none."""
        try:
            return os.stat(self.path).st_size
        except FileNotFoundError:
            return 0

    def free_bytes(self) -> int:
        """Return how much can be written beside it."""
        return free_bytes(os.path.dirname(self.path))

    def make(self) -> None:
        """Make it as large as it is to be.

        Raises:
            OSError: there is no room, or the file system cannot reserve any; it is as before.
        """
        if not self.size_bytes:
            self.remove()
            return
        held = self.held_bytes()
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            try:
                if held < self.size_bytes:
                    _reserve(file, 0, self.size_bytes)
            except OSError:
                os.ftruncate(file, held)
                raise
            os.ftruncate(file, self.size_bytes)
        finally:
            os.close(file)

    def halve(self) -> None:
        """Give up what is over half of its size."""
        os.truncate(self.path, min(self.held_bytes(), self.size_bytes // 2))

    def remove(self) -> None:
        """Give up all of it; a second call does nothing."""
        with suppress(FileNotFoundError):
            os.unlink(self.path)
