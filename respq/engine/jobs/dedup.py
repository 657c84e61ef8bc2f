"""Keys by which a push is known to be a repetition of another.

A job holds its key while it lives, or until it is handed out; a window holds a key until an
instant, as an object of its own that outlives the job. A key is free when neither holds it.
What a job let go of it never takes back: a dead letter that is redriven may run beside its
successor.
"""

from __future__ import annotations

from hashlib import sha256

import msgspec

RETURN, REJECT, REPLACE = b"RETURN", b"REJECT", b"REPLACE"


class Dedup(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The key that a job holds; part of its record, so the order of fields is fixed."""

    key: bytes
    """By `given_key` or `payload_key`."""
    until_start: bool = False
    """It is let go when the job is handed out; otherwise when the job is gone or dead."""


class DedupTerms(msgspec.Struct, frozen=True):
    """What a push asks for by DEDUP."""

    key: bytes
    until_start: bool = False
    window_ms: int = 0
    """For how long the key is held at least; 0 for no longer than the job does."""
    on: bytes | None = None
    """What becomes of a repetition; None leaves it to RETURN, or to NX."""


def given_key(key: bytes) -> bytes:
    """Return a producer's key as it is kept: apart from those of payloads."""
    return b"=%b" % key


def payload_key(payload: bytes) -> bytes:
    """Return the key of a payload, 33 bytes."""
    return b"#%b" % sha256(payload).digest()


def shown_key(dedup: Dedup | None) -> bytes:
    """Return the key that a producer gave and that its job still holds; empty for none."""
    return dedup.key[1:] if dedup is not None and dedup.key[:1] == b"=" else b""
