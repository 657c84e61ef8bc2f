"""How long a failed job waits before it is ready again.

A backoff is a formula; the delay it gives is resolved when a job fails and recorded as
a due time, so that a change of the formula never changes the past.
"""

from __future__ import annotations

import struct
from hashlib import blake2b

import msgspec

FIXED, LINEAR, EXPONENTIAL = 0, 1, 2
"""Kinds of backoff: base, base × attempt, base × 2^(attempt − 1). They stand in the journal."""

_DOUBLINGS_MAX = 64
"""Beyond it every base is over every cap; without it attempt 10,000 is a 3,000-digit number."""


class Backoff(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The formula of a job or a queue; part of their records, so the order of fields is fixed.

    ``max_ms`` is a promise: no delay is longer, jitter included. ``jitter_pct`` is 0 to 100.
    """

    kind: int
    base_ms: int
    max_ms: int
    jitter_pct: int


DEFAULT_BACKOFF = Backoff(kind=EXPONENTIAL, base_ms=1_000, max_ms=3_600_000, jitter_pct=10)


def delay_ms(backoff: Backoff, attempt: int, job_number: int) -> int:
    """Return the delay after the failure of a job's ``attempt``-th delivery, counted from 1.

    The jitter comes from a hash of job number and attempt: jobs that failed together come
    back apart, and the same job gives the same answer in every process. Where the cap cuts
    the range of the jitter, delays spread evenly over what is left of it below the cap,
    rather than gather at the cap.
    """
    if backoff.kind == FIXED:
        delay = backoff.base_ms
    elif backoff.kind == LINEAR:
        delay = backoff.base_ms * attempt
    else:
        delay = backoff.base_ms << min(attempt - 1, _DOUBLINGS_MAX)
    delay = min(delay, backoff.max_ms)
    spread = delay * backoff.jitter_pct // 100
    lowest, highest = delay - spread, min(delay + spread, backoff.max_ms)
    return lowest + (_hash(job_number, attempt) * (highest - lowest + 1) >> 64)


def drawn(number: int, salt: int, most: int) -> int:
    """Return 0 to ``most``, each as likely, and always the same for a number and a salt."""
    return _hash(number, salt) * (most + 1) >> 64


def _hash(job_number: int, attempt: int) -> int:
    """Return 64 bits that look random and are the same on every platform."""
    digest = blake2b(struct.pack("<QQ", job_number, attempt), digest_size=8).digest()
    return int.from_bytes(digest, "little")
