"""Writers in processes of their own, which can be killed, and what they leave."""

import hashlib
import subprocess
import sys
from pathlib import Path


def start_writer(
    data_dir: Path, *options: str, under: tuple[str, ...] = ()
) -> subprocess.Popen[str]:
    command = [*under, sys.executable, "-m", "tests.journal.writer", str(data_dir), *options]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )


def read_until(writer: subprocess.Popen[str], *ends: str) -> list[str]:
    """Return what the writer says, up to a line that begins with one of ``ends``."""
    assert writer.stdout is not None
    lines = []
    for line in writer.stdout:
        lines.append(line.strip())
        if line.startswith(ends):
            return lines
    raise AssertionError(f"the writer ended, it had said {lines[-3:]}")


def kill(writer: subprocess.Popen[str]) -> list[str]:
    """Kill -9; return what the writer had still said."""
    assert writer.stdin is not None
    assert writer.stdout is not None
    writer.kill()
    rest = writer.stdout.read().splitlines()
    writer.wait()
    writer.stdin.close()
    writer.stdout.close()
    return rest


def leave(writer: subprocess.Popen[str]) -> None:
    """Let the writer end without closing its journal."""
    assert writer.stdin is not None
    assert writer.stdout is not None
    writer.stdin.close()
    assert writer.wait(timeout=30) == 0
    writer.stdout.close()


def make_killed(data_dir: Path, *options: str) -> None:
    """Leave a journal as `kill -9` leaves it, everything still in the write-ahead log."""
    writer = start_writer(data_dir, *options)
    read_until(writer, "done")
    kill(writer)


def fingerprint(data_dir: Path) -> dict[str, str]:
    """Return the digest of every file that holds data; no process may have the journal open.

    The lock holds a pid, and ``-shm`` files what SQLite computes from the log.
    """
    return {
        str(path.relative_to(data_dir)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(data_dir.rglob("*"))
        if path.is_file() and path.name != "lock" and not path.name.endswith("-shm")
    }


def flip(path: Path, place: int) -> None:
    """Change one byte of a file."""
    data = bytearray(path.read_bytes())
    data[place] ^= 0x40
    path.write_bytes(data)
