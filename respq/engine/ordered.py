"""The READY jobs of a queue in the order in which they are handed out.

    buckets   priority -> deque of jobs, oldest order first      (sorted by priority)
    head      the deque of the most urgent priority              (cached)

Push and pop touch one deque; the sorted keys only move when a priority appears or
vanishes. The last bucket stays when it runs empty, because most queues have one priority
and swing around empty.

A job that leaves from the middle (its ttl is over) stays in its deque as a *ghost* and is
skipped when it comes to the head: removing it there would cost O(depth). Its entries are
counted per job, since it may come back behind its own ghost. When half of the entries are
ghosts the deques are rebuilt.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from operator import attrgetter

from sortedcontainers import SortedDict

from respq.engine.jobs.job import Job

PRIORITIES_SEEN_MAX = 1_000
"""Among which the oldest job is looked for: a metric must not stall the loop."""
GHOSTS_MIN = 64
"""Fewer are not worth a rebuild."""


class ReadyOrder:
    """Jobs by priority, then by their order."""

    __slots__ = ("_buckets", "_end", "_ghosts", "_ghosts_count", "_head", "count")

    def __init__(self, *, min_first: bool) -> None:
        self._buckets: dict[int | bytes, deque[Job]] = SortedDict()
        self._end = 0 if min_first else -1
        self._head: deque[Job] | None = None
        self._ghosts: dict[int, int] = {}
        self._ghosts_count = 0
        self.count = 0

    def append(self, job: Job) -> None:
        """Put a job behind its equals, or before them: its order is larger or smaller than theirs.

        Orders below 0 are those of jobs that were put before others.
        """
        bucket = self._buckets.get(job.priority)
        if bucket is None:
            bucket = self._new_bucket(job.priority)
        if job.order < 0 and bucket and bucket[0].order > job.order:
            bucket.appendleft(job)
        else:
            bucket.append(job)
        self.count += 1

    def extend(self, priority: int | bytes, jobs: Collection[Job]) -> None:
        """Put jobs of one priority, in their order, behind their equals."""
        bucket = self._buckets.get(priority)
        if bucket is None:
            bucket = self._new_bucket(priority)
        bucket.extend(jobs)
        self.count += len(jobs)

    def restore(self, job: Job) -> None:
        """Put a job back where its order says."""
        if self._ghosts:
            self._rebuild()  # A ghost shows the order that its job has by now.
        bucket = self._buckets.get(job.priority)
        if bucket is None:
            bucket = self._new_bucket(job.priority)
        place = 0
        for other in bucket:
            if other.order > job.order:
                break
            place += 1
        bucket.insert(place, job)
        self.count += 1

    def first(self) -> Job | None:
        """Return the most urgent job without taking it."""
        head = self._head
        if head and not self._ghosts:
            return head[0]
        return self._clean_head()[0] if self.count else None

    def head(self, count: int) -> list[Job]:
        """Return up to ``count`` of the most urgent jobs, perhaps fewer, none only if empty."""
        head = self._head
        if self._ghosts or not head:
            first = self.first()
            return [] if first is None else [first]
        return [head[0]] if count == 1 else list(islice(head, count))

    def expendables(self) -> Iterator[Job]:
        """Yield the jobs, those first that would be missed least: the least urgent, in line."""
        ghosts = dict(self._ghosts)
        priorities = self._buckets if self._end else reversed(self._buckets)
        for priority in priorities:
            yield from _present(self._buckets[priority], ghosts)

    def remove(self, job: Job) -> None:
        """Take a job out: at once if it is first or last of its equals, else it leaves a ghost."""
        head = self._head
        if not head or head[0] is not job or self._ghosts:
            self._remove_slowly(job)
            return
        head.popleft()
        self.count -= 1
        if not head and len(self._buckets) > 1:
            self._drop_empty_head()

    def disown(self, job: Job) -> None:
        """Let entries of a job that was removed be nobody's: another object has its number now.

        They are told apart by a number that no job has.
        """
        ghosts = self._ghosts.pop(job.number, 0)
        if ghosts:
            job.number = -job.number
            self._ghosts[job.number] = self._ghosts.get(job.number, 0) + ghosts

    def remove_all(self, jobs: list[Job]) -> None:
        """Take several jobs out: all at once if they are the first ones."""
        head = self._head
        count = len(jobs)
        # Compared as lists, for which the same object is equal without a look into it.
        if not self._ghosts and head and count < len(head) and [*islice(head, count)] == jobs:
            for _ in range(count):
                head.popleft()
            self.count -= count
            return
        for job in jobs:
            self.remove(job)

    def _remove_slowly(self, job: Job) -> None:
        """Take out a job that ghosts may stand before, or that is not the next one."""
        bucket = self._buckets[job.priority]
        self._shed(bucket)
        self.count -= 1
        if bucket[0] is job:
            bucket.popleft()
            if not bucket and len(self._buckets) > 1:
                del self._buckets[job.priority]
                self._head = self._buckets.peekitem(self._end)[1]  # type: ignore[attr-defined]
            return
        if bucket[-1] is job and job.number not in self._ghosts:
            bucket.pop()
            return
        self._ghosts[job.number] = self._ghosts.get(job.number, 0) + 1
        self._ghosts_count += 1
        if self._ghosts_count > GHOSTS_MIN and self._ghosts_count > self.count:
            self._rebuild()

    def __iter__(self) -> Iterator[Job]:
        """Yield the jobs, most urgent first."""
        ghosts = dict(self._ghosts)
        priorities = self._buckets if self._end == 0 else reversed(self._buckets)
        for priority in priorities:
            yield from _present(self._buckets[priority], ghosts)

    def clear(self) -> None:
        """Forget every job."""
        self._buckets.clear()
        self._head = None
        self._ghosts.clear()
        self._ghosts_count = 0
        self.count = 0

    def parts(self) -> Iterable[deque[Job]]:
        """Return the deques that it consists of."""
        return self._buckets.values()

    def oldest_since_ms(self) -> int | None:
        """Return since when the longest waiting job is READY; None if there is none.

        Of more than `PRIORITIES_SEEN_MAX` priorities the least urgent are looked at: in them
        jobs wait longest.
        """
        first = self.first()
        if first is None or (len(self._buckets) == 1 and not self._ghosts):
            return None if first is None else self._oldest_since_ms(self._buckets[first.priority])
        least_urgent = (
            slice(None, PRIORITIES_SEEN_MAX) if self._end else slice(-PRIORITIES_SEEN_MAX, None)
        )
        priorities = self._buckets.keys()[least_urgent]  # type: ignore[index]
        seen = [self._buckets[priority] for priority in priorities]
        if self._ghosts:
            for bucket in seen:
                self._shed(bucket)
        return min((self._oldest_since_ms(bucket) for bucket in seen if bucket), default=None)

    def _new_bucket(self, priority: int | bytes) -> deque[Job]:
        if not self._head:
            self._buckets.clear()  # An empty head is the only bucket.
        bucket: deque[Job] = deque()
        self._buckets[priority] = bucket
        self._head = self._buckets.peekitem(self._end)[1]  # type: ignore[attr-defined]
        return bucket

    def _drop_empty_head(self) -> None:
        """Forget the most urgent priorities that hold no entry, but for the last bucket."""
        buckets = self._buckets
        while len(buckets) > 1:
            priority, bucket = buckets.peekitem(self._end)  # type: ignore[attr-defined]
            if bucket:
                break
            del buckets[priority]
        self._head = buckets.peekitem(self._end)[1]  # type: ignore[attr-defined]

    def _clean_head(self) -> deque[Job]:
        """Remove ghosts until a job stands first; there must be one."""
        while True:
            head = self._head
            assert head is not None
            self._shed(head)
            if head:
                return head
            self._drop_empty_head()

    def _shed(self, bucket: deque[Job]) -> None:
        """Remove the ghosts that stand first in a bucket."""
        while bucket:
            number = bucket[0].number
            ghosts = self._ghosts.get(number)
            if not ghosts:
                return
            bucket.popleft()
            self._ghosts_count -= 1
            if ghosts == 1:
                del self._ghosts[number]
            else:
                self._ghosts[number] = ghosts - 1

    def _oldest_since_ms(self, bucket: deque[Job]) -> int:
        """Return since when the longest waiting job of a bucket is READY; a job stands first.

        Of jobs that were put before others the last one has waited for longest, and behind it
        stands the one that has of the rest. Among many ghosts it may be another.
        """
        first = bucket[0]
        if first.order >= 0:
            return first.since_ms
        behind = bisect_left(bucket, 0, key=attrgetter("order"))
        seen = islice(bucket, max(0, behind - 1), behind + GHOSTS_MIN)
        return min(
            (job.since_ms for job in seen if job.number not in self._ghosts),
            default=first.since_ms,
        )

    def _rebuild(self) -> None:
        jobs = list(self)
        self.clear()
        for job in jobs:
            self.append(job)


def _present(bucket: deque[Job], ghosts: dict[int, int]) -> Iterator[Job]:
    """Yield the jobs of a bucket, and count off their ghosts that are met."""
    for job in bucket:
        if ghosts.get(job.number):
            ghosts[job.number] -= 1
        else:
            yield job
