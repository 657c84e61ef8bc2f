"""Disks that are slow, or fail: strace stands between the server and the kernel."""

from __future__ import annotations

from pathlib import Path

from tests.requirements import strace

SYNCS = "fdatasync,fsync"


def slow(sync_ms: int, *, every: int = 1) -> list[str]:
    """Return the wrapper of a server for which one fsync in ``every`` takes so long."""
    return _inject(f"{SYNCS}:delay_enter={sync_ms}ms:when=1+{every}", Path("/dev/null"))


def traced(log: Path, calls: str) -> list[str]:
    """Return the wrapper of a server whose system calls are written to a file."""
    return [*_strace(log), "-y", "-s", "64", "-e", f"trace={calls}"]


def _inject(fault: str, log: Path) -> list[str]:
    calls = fault.partition(":")[0]
    return [*_strace(log), "-e", f"trace={calls}", "-e", f"inject={fault}"]


def _strace(log: Path) -> list[str]:
    # With -D the server itself is our child, and strace watches from aside.
    return [strace(), "-D", "-f", "-qq", "--seccomp-bpf", "-o", str(log)]
