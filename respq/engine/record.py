"""What every journal record is; the kinds are in records.py and, of keys, in engine/keys."""

from __future__ import annotations

import msgspec


class Record(msgspec.Struct, array_like=True, gc=False):
    """Base of all records."""
