"""How many processors the process may use: as it is pinned, and as its cgroups say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from respq.server.cgroups import ROOT, files, words_in


def usable_processors(pinned: int | None = None, root: Path = ROOT) -> float:
    """Return how many processors' time the process may take.

    Args:
        pinned: on how many it may run; None asks the system.
        root: of the file system; another one in tests.
    """
    if pinned is None:
        can_ask = hasattr(os, "sched_getaffinity")
        pinned = len(os.sched_getaffinity(0)) if can_ask else os.cpu_count() or 1
    return min([float(pinned), *_quotas(root)])


def _quotas(root: Path) -> Iterator[float]:
    """Yield the quotas of the cgroups, in processors."""
    for file in files(root, "cpu", ("cpu.max", "cpu.cfs_quota_us")):
        words = words_in(file)
        if file.name == "cpu.cfs_quota_us":
            words += words_in(file.with_name("cpu.cfs_period_us"))
        # Without one it is "max", or -1.
        if len(words) == 2 and all(map(str.isdigit, words)):
            yield int(words[0]) / int(words[1])
