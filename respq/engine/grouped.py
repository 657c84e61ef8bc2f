"""The READY jobs of a queue whose groups have a limit, or take turns.

    groups    name -> its READY jobs in their order, and how many of its jobs are held
    open      priority -> tie -> group: those that may give out a job, by their first one

Of the open groups with the most urgent first job the next is the one whose job came first; or,
where groups take turns, the one that has waited for longest since it gave out a job. Jobs
without a group stand together, as a group without a limit.

Each change of a group's first job or of what it holds moves it within ``open``: O(log groups).
The methods that `ReadyOrder` has do the same for who calls them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Container, Iterable, Iterator
from functools import cmp_to_key
from heapq import merge
from itertools import chain, islice

from sortedcontainers import SortedDict

from respq.engine.jobs.job import DELAYED, LEASED, READY, Job
from respq.engine.ordered import ReadyOrder

GROUPS_SEEN_MAX = 1_000
"""Among which the oldest and the least urgent job is looked for: nothing may stall the loop."""


class Group:
    """The jobs of one group that are READY or held."""

    __slots__ = ("held", "name", "place", "ready", "turn")

    def __init__(self, name: bytes, *, min_first: bool) -> None:
        self.name = name
        self.ready = ReadyOrder(min_first=min_first)
        self.held = 0
        """How many of its jobs keep others from being given out."""
        self.turn = 0
        self.place: tuple[int | bytes, int] | None = None
        """Where it stands among the open ones; None if it is not open."""


class GroupedOrder:
    """Jobs by priority, then by their order or by turns, as far as their groups allow."""

    __slots__ = (
        "_end",
        "_gates",
        "_groups",
        "_min_first",
        "_open",
        "_turns",
        "count",
        "fair",
        "limit",
    )

    def __init__(
        self,
        *,
        min_first: bool,
        limit: int | None,
        fair: bool,
        gates: Container[bytes] = (),
    ) -> None:
        self.limit = limit
        self.fair = fair
        self.count = 0
        self._gates = gates
        """Names of groups that give out nothing for now; the queue keeps them."""
        self._min_first = min_first
        self._end = 0 if min_first else -1
        self._groups: dict[bytes, Group] = {}
        self._open: dict[int | bytes, dict[int, Group]] = SortedDict()
        self._turns = 0

    @property
    def claimable(self) -> int:
        """How many jobs might go out: 0 if none may."""
        return self.count if self._open else 0

    def holds(self, job: Job) -> bool:
        """Tell whether a job keeps others of its group from being given out.

        In strict order, which is a limit of one, so does one that waits to be tried again.
        """
        if job.phase == LEASED:
            return True
        return job.phase == DELAYED and self.limit == 1 and job.fence > 0

    def hold(self, job: Job) -> None:
        """Count a job that holds; see `holds`."""
        group = self._group(job)
        group.held += 1
        self._refresh(group)

    def free(self, job: Job) -> None:
        """Count it no more."""
        group = self._group(job)
        group.held -= 1
        self._refresh(group)

    def held(self, group: bytes) -> int:
        """Return how many jobs of a group hold."""
        found = self._groups.get(group)
        return found.held if found is not None else 0

    def is_closed(self, group: bytes) -> bool:
        """Tell whether a group may give out nothing, for what it holds or for its gate."""
        found = self._groups.get(group)
        return group in self._gates if found is None else self._is_closed(found)

    def gate_moved(self, group: bytes) -> None:
        """Look at a group again whose gate was closed or opened."""
        found = self._groups.get(group)
        if found is not None:
            self._refresh(found)

    def append(self, job: Job) -> None:
        """Put a job behind its equals; one that keeps its place in strict order goes there."""
        group = self._group(job)
        if self.limit == 1 and job.fence and group.name:
            group.ready.restore(job)
        else:
            group.ready.append(job)
        self.count += 1
        self._refresh(group)

    def extend(self, priority: int | bytes, jobs: Collection[Job]) -> None:
        """Put jobs without a group and of one priority, in their order, behind their equals."""
        group = self._groups.get(b"") or self._new_group(b"")
        group.ready.extend(priority, jobs)
        self.count += len(jobs)
        self._refresh(group)

    def restore(self, job: Job) -> None:
        """Put a job back where its order says."""
        group = self._group(job)
        group.ready.restore(job)
        self.count += 1
        self._refresh(group)

    def first(self) -> Job | None:
        """Return the job that is next without taking it; None if no group may give one out."""
        if not self._open:
            return None
        bucket = self._open.peekitem(self._end)[1]  # type: ignore[attr-defined]
        group: Group = bucket.peekitem(0)[1]
        return group.ready.first()

    def head(self, count: int) -> list[Job]:
        """Return the job that is next in a list, which is empty if there is none."""
        first = self.first() if count else None
        return [] if first is None else [first]

    def expendables(self) -> Iterator[Job]:
        """Yield the jobs that would be missed least first; of the groups that are seen."""
        groups = islice(self._groups.values(), GROUPS_SEEN_MAX)
        lines = [group.ready.expendables() for group in groups]
        return merge(*lines, key=cmp_to_key(self._by_lack_of_urgency))

    def remove(self, job: Job) -> None:
        """Take a job out."""
        group = self._group(job)
        group.ready.remove(job)
        self.count -= 1
        self._refresh(group)

    def end_turn(self, job: Job) -> None:
        """Have the group of a job that is given out, and is still here, wait for its next turn.

        One whose job is gone otherwise keeps its turn: it gave out nothing.
        """
        if self.fair:
            self._turns += 1
            self._group(job).turn = self._turns

    def remove_all(self, jobs: list[Job]) -> None:
        """Take jobs out that are given out."""
        for job in jobs:
            self.end_turn(job)
            self.remove(job)

    def disown(self, job: Job) -> None:
        """Let entries of a job that was removed be nobody's; see `ReadyOrder.disown`."""
        group = self._groups.get(_name(job))
        if group is not None:
            group.ready.disown(job)

    def parts(self) -> Iterable[deque[Job]]:
        """Return the deques that it consists of."""
        return chain.from_iterable(group.ready.parts() for group in self._groups.values())

    def clear(self) -> None:
        """Forget every job."""
        for group in self._groups.values():
            group.ready.clear()
        self._groups.clear()
        self._open.clear()
        self.count = 0

    def oldest_since_ms(self) -> int | None:
        """Return since when the longest waiting job is READY; None if there is none."""
        groups = islice(self._groups.values(), GROUPS_SEEN_MAX)
        ages = (group.ready.oldest_since_ms() for group in groups)
        return min((since_ms for since_ms in ages if since_ms is not None), default=None)

    def __iter__(self) -> Iterator[Job]:
        """Yield the jobs by priority and order, whatever their groups allow."""
        lines = [iter(group.ready) for group in self._groups.values()]
        return merge(*lines, key=cmp_to_key(self._by_urgency))

    def _is_closed(self, group: Group) -> bool:
        full = self.limit is not None and group.held >= self.limit
        return bool(group.name) and (full or group.name in self._gates)

    def _by_urgency(self, one: Job, other: Job) -> int:
        """Compare jobs: below 0 if ``one`` goes first."""
        if one.priority == other.priority:
            return one.order - other.order
        smaller = one.priority < other.priority  # type: ignore[operator]
        return -1 if smaller == self._min_first else 1

    def _by_lack_of_urgency(self, one: Job, other: Job) -> int:
        """Compare jobs: below 0 if ``one`` would be missed less."""
        if one.priority == other.priority:
            return one.order - other.order
        return self._by_urgency(other, one)

    def _group(self, job: Job) -> Group:
        name = _name(job)
        return self._groups.get(name) or self._new_group(name)

    def _new_group(self, name: bytes) -> Group:
        group = self._groups[name] = Group(name, min_first=self._min_first)
        self._turns += 1
        group.turn = self._turns
        return group

    def _refresh(self, group: Group) -> None:
        """Have a group stand where its first job and what it holds say."""
        first = group.ready.first()
        if first is None or self._is_closed(group):
            place = None
        else:
            place = first.priority, group.turn if self.fair else first.order
        if place != group.place:
            if group.place is not None:
                priority, tie = group.place
                bucket = self._open[priority]
                del bucket[tie]
                if not bucket:
                    del self._open[priority]
            if place is not None:
                bucket = self._open.get(place[0]) or self._open.setdefault(place[0], SortedDict())
                bucket[place[1]] = group
            group.place = place
        if first is None and not group.held:
            del self._groups[group.name]

    def check(self, jobs: Collection[Job]) -> None:
        """Assert that the groups are those of ``jobs``, all of the queue."""
        held: dict[bytes, int] = {}
        ready: dict[bytes, int] = {}
        for job in jobs:
            if self.holds(job):
                held[_name(job)] = held.get(_name(job), 0) + 1
            if job.phase == READY:
                ready[_name(job)] = ready.get(_name(job), 0) + 1
        groups = self._groups
        assert {name: group.held for name, group in groups.items() if group.held} == held
        assert {n: group.ready.count for n, group in groups.items() if group.ready.count} == ready
        open_groups = [group for bucket in self._open.values() for group in bucket.values()]
        assert {group.name for group in open_groups} == {
            name for name in ready if not self.is_closed(name)
        }
        for group in open_groups:
            first = group.ready.first()
            assert first is not None
            assert group.place == (first.priority, group.turn if self.fair else first.order)


def _name(job: Job) -> bytes:
    """Return the group of a job; empty for none."""
    options = job.options
    return (options.group if options is not None else None) or b""
