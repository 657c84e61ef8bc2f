"""Time zones by name, from the operating system's database or the tzdata package."""

from __future__ import annotations

from datetime import tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_ZONES_MAX = 1_024
"""There are about 600 names; a bound because clients choose what is looked up."""


@lru_cache(_ZONES_MAX)
def load_zone(name: str) -> tzinfo:
    """Return the time zone called ``name``, such as ``Europe/Berlin``.

    A zone stays as first loaded: a new database is read at the next start.

    Raises:
        KeyError: if there is none, whatever is wrong with the name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as fault:
        # ValueError: an absolute or upward path, a NUL. OSError: a directory, a name too long.
        raise KeyError(name) from fault
