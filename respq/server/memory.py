"""How much memory the process may take: as it is set, or as the machine and its cgroups say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from respq.config import Settings
from respq.server.cgroups import ROOT, files, words_in
from respq.server.logs import Log


def fit_memory(settings: Settings, log: Log) -> Settings:
    """Return settings whose ``maxmemory`` is the limit that holds; 0 if none is known."""
    if settings.maxmemory:
        return settings
    limit_bytes, source = find_limit(machine_bytes())
    log.debug("maxmemory was found", maxmemory=limit_bytes, source=source)
    return replace(settings, maxmemory=limit_bytes)


def machine_bytes() -> int:
    """Return the memory of the machine; 0 if it is not known."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def find_limit(machine_bytes: int, root: Path = ROOT) -> tuple[int, str]:
    """Return the smallest limit in bytes, and where it was found: ``cgroup`` or ``machine``.

    The limit of a cgroup that has none is larger than any machine.
    """
    found = [(limit, "cgroup") for limit in _cgroup_limits(root) if limit]
    if machine_bytes:
        found.append((machine_bytes, "machine"))
    return min(found, default=(0, "nowhere"))


def _cgroup_limits(root: Path) -> Iterator[int]:
    """Yield the limits of the process' cgroups and of those above them, of both versions."""
    for file in files(root, "memory", ("memory.max", "memory.limit_in_bytes")):
        for word in words_in(file):
            if word.isdigit():  # Else it is "max".
                yield int(word)
