"""How many jobs a queue gives out in a time, as a bucket that fills by itself.

The bucket holds as many jobs as the rate allows in its time, so that many may go at once after a
pause; it is refilled job by job. Only one number is kept: until when what was given out is paid
for. It is counted in parts of a millisecond, one for each job of the rate, so that it stays whole.
"""

from __future__ import annotations

import msgspec


class Rate(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """At most ``jobs`` in ``per_ms``; part of a queue's record, so the order of fields is fixed."""

    jobs: int
    per_ms: int

    def spend(self, paid_until: int, now_ms: int, count: int) -> int:
        """Return until when all is paid for after ``count`` jobs more."""
        return max(paid_until, now_ms * self.jobs) + count * self.per_ms

    def left(self, paid_until: int, now_ms: int) -> int:
        """Return how many jobs may go now; 0 to ``jobs``."""
        owed = max(paid_until - now_ms * self.jobs, 0)
        return max(0, self.jobs - -(-owed // self.per_ms))

    def opens_ms(self, paid_until: int, count: int = 1) -> int:
        """Return the first millisecond at which ``count`` jobs may go, if fewer may now."""
        return -(-(paid_until + count * self.per_ms) // self.jobs) - self.per_ms
