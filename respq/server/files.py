"""How many files the process may have open, and so how many clients at once."""

from __future__ import annotations

import contextlib
import resource
from dataclasses import replace

from respq.config import Settings
from respq.server.logs import Log

RESERVED_FILES = 128
"""For the journal, the listeners, the sidecar and those who are turned away."""


def fit_clients(settings: Settings, log: Log) -> Settings:
    """Raise the limit of open files for ``maxclients``, or lower ``maxclients`` to the limit.

    A server that runs out of files cannot open the next segment of its journal: clients must
    never be able to take the last one.
    """
    wanted = settings.maxclients + RESERVED_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            with contextlib.suppress(OSError, ValueError):  # Only root may raise this one.
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, wanted))
                hard = wanted
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return settings
    maxclients = max(soft - RESERVED_FILES, 1)
    log.warning(
        "maxclients is lowered: the process may not open as many files; raise `ulimit -n`",
        maxclients=maxclients,
        wanted=settings.maxclients,
        open_files_max=soft,
    )
    return replace(settings, maxclients=maxclients)
