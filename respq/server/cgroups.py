"""What the cgroups of this process, and those above them, say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")


def files(root: Path, controller: str, names: tuple[str, str]) -> Iterator[Path]:
    """Yield where a controller would have a file, in the process' cgroup and in those above it.

    Args:
        root: of the file system; another one in tests.
        controller: ``memory`` or ``cpu``.
        names: what the file is called in version 2, and in version 1.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            mount, name = root / "sys/fs/cgroup", names[0]
        elif controller in controllers.split(","):
            mount, name = root / "sys/fs/cgroup" / controller, names[1]
        else:
            continue
        # A container may see only its own cgroup, at the root, and be told the path of the host.
        directory = mount / path.lstrip("/")
        for each in (directory, *directory.parents):
            if each.is_relative_to(mount):
                yield each / name


def words_in(file: Path) -> list[str]:
    """Return the words in a file; none if it cannot be read."""
    try:
        return file.read_text().split()
    except OSError:
        return []
