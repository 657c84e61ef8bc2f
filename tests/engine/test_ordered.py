from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from respq.engine.jobs.job import DEAD, LEASED, READY, Job
from respq.engine.jobs.queue import Queue
from respq.engine.ordered import ReadyOrder

QUEUE = Queue(1)
PRIORITIES = st.sampled_from([-1, 0, 1, 2**64 - 1])


def make_job(number: int, priority: int | bytes = 0, since_ms: int = 0) -> Job:
    return Job(QUEUE, number, b"", priority, since_ms, since_ms, number, READY, 0, None)


class OrderMachine(RuleBasedStateMachine):
    """The order against a list that is sorted anew each time."""

    min_first = False

    def __init__(self) -> None:
        super().__init__()
        self.order = ReadyOrder(min_first=self.min_first)
        self.ready: list[Job] = []
        self.away: list[Job] = []
        self.next_order = 1
        self.first_order = 0

    def model(self) -> list[Job]:
        by_order = sorted(self.ready, key=lambda job: job.order)
        return sorted(by_order, key=lambda job: job.priority, reverse=not self.min_first)

    def leave(self, job: Job, phase: int) -> None:
        self.order.remove(job)
        self.ready.remove(job)
        job.phase = phase
        self.away.append(job)

    @rule(priority=PRIORITIES)
    def push(self, priority: int) -> None:
        job = make_job(self.next_order, priority)
        self.next_order += 1
        self.ready.append(job)
        self.order.append(job)

    @rule(priority=PRIORITIES, count=st.integers(1, 2))
    def push_in_front(self, priority: int, count: int) -> None:
        for _ in range(count):
            job = make_job(self.next_order, priority)
            self.next_order += 1
            self.enter_in_front(job)

    def enter_in_front(self, job: Job) -> None:
        self.first_order -= 1
        job.order = self.first_order
        self.ready.append(job)
        self.order.append(job)

    @precondition(lambda self: any(job.phase == LEASED for job in self.away))
    @rule(data=st.data())
    def come_back_before_its_equals(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from([job for job in self.away if job.phase == LEASED]))
        self.away.remove(job)
        job.phase = READY
        self.enter_in_front(job)

    @precondition(lambda self: self.ready)
    @rule()
    def make_room(self) -> None:
        least = self.model()[-1].priority
        expendables = list(self.order.expendables())
        assert sorted(map(id, expendables)) == sorted(map(id, self.model()))
        job = expendables[0]
        assert job is next(each for each in self.model() if each.priority == least)
        self.leave(job, DEAD)

    @precondition(lambda self: self.ready)
    @rule()
    def pop(self) -> None:
        first = self.order.first()
        assert first is self.model()[0]
        self.leave(first, LEASED)

    @precondition(lambda self: self.ready)
    @rule(count=st.integers(1, 4))
    def pop_several(self, count: int) -> None:
        head = self.order.head(count)
        assert 1 <= len(head) <= count
        assert head == self.model()[: len(head)]
        self.order.remove_all(head)
        for job in head:
            self.ready.remove(job)
            job.phase = LEASED
            self.away.append(job)

    @precondition(lambda self: self.ready)
    @rule(data=st.data())
    def leave_from_anywhere(self, data: st.DataObject) -> None:
        self.leave(data.draw(st.sampled_from(self.ready)), DEAD)

    @precondition(lambda self: self.away)
    @rule(data=st.data())
    def come_back_behind_its_equals(self, data: st.DataObject) -> None:
        job = self.away.pop(data.draw(st.integers(0, len(self.away) - 1)))
        job.phase = READY
        job.order = self.next_order
        self.next_order += 1
        self.ready.append(job)
        self.order.append(job)

    @precondition(lambda self: any(job.phase == LEASED for job in self.away))
    @rule(data=st.data())
    def come_back_to_the_old_place(self, data: st.DataObject) -> None:
        # Only what was popped comes back so; it may have been popped long ago.
        job = data.draw(st.sampled_from([job for job in self.away if job.phase == LEASED]))
        self.away.remove(job)
        job.phase = READY
        self.ready.append(job)
        self.order.restore(job)

    @rule()
    def clear(self) -> None:
        self.order.clear()
        self.ready.clear()

    @invariant()
    def it_yields_what_a_sorted_list_would(self) -> None:
        assert list(self.order) == self.model()
        assert self.order.count == len(self.ready)

    @invariant()
    def the_first_is_that_of_a_sorted_list(self) -> None:
        model = self.model()
        assert self.order.first() is (model[0] if model else None)


class MinOrderMachine(OrderMachine):
    min_first = True


TestOrderMachine = OrderMachine.TestCase
TestMinOrderMachine = MinOrderMachine.TestCase


@given(st.lists(st.tuples(st.binary(max_size=3), st.booleans())), st.booleans())
def test_text_priorities_are_compared_byte_by_byte(
    steps: list[tuple[bytes, bool]], min_first: bool
) -> None:
    order = ReadyOrder(min_first=min_first)
    ready: list[Job] = []

    for number, (priority, pops) in enumerate(steps, 1):
        ready.append(make_job(number, priority))
        order.append(ready[-1])
        ready.sort(key=lambda job: job.number)
        ready.sort(key=lambda job: job.priority, reverse=not min_first)
        if pops:
            first = order.first()
            assert first is ready.pop(0)
            order.remove(first)

    assert list(order) == ready


def test_many_jobs_that_leave_from_the_middle_are_forgotten_in_time() -> None:
    order = ReadyOrder(min_first=False)
    jobs = [make_job(number) for number in range(1, 1_001)]
    for job in jobs:
        order.append(job)

    for job in jobs[1:-1]:
        order.remove(job)

    assert list(order) == [jobs[0], jobs[-1]]
    assert sum(map(len, order._buckets.values())) <= 2 + 64


def test_a_job_put_back_stands_before_the_later_and_behind_the_earlier() -> None:
    order = ReadyOrder(min_first=False)
    jobs = [make_job(number) for number in range(1, 6)]
    for job in jobs:
        order.append(job)
    for job in jobs[:3]:
        order.remove(job)

    for index in (1, 2, 0):
        order.restore(jobs[index])

    assert list(order) == jobs


def test_a_job_is_put_back_behind_its_elders_though_a_ghost_stands_before_them() -> None:
    order = ReadyOrder(min_first=False)
    first, ghost, elder, popped, last = jobs = [make_job(number) for number in range(1, 6)]
    for job in jobs:
        order.append(job)
    for job in (first, ghost, elder, popped):
        order.remove(job)
    for job in (first, ghost, elder):
        order.restore(job)
    order.remove(ghost)  # From the middle: its entry stays, and shows where the job is next.
    ghost.order = 6
    order.append(ghost)

    order.restore(popped)

    assert list(order) == [first, elder, popped, last, ghost]


@pytest.mark.parametrize("min_first", [False, True])
def test_the_oldest_is_found_over_all_priorities(min_first: bool) -> None:
    order = ReadyOrder(min_first=min_first)
    assert order.oldest_since_ms() is None
    jobs = [make_job(1, 5, since_ms=30), make_job(2, 7, since_ms=10), make_job(3, 6, since_ms=20)]
    for job in jobs:
        order.append(job)

    assert order.oldest_since_ms() == 10
    order.remove(jobs[1])
    assert order.oldest_since_ms() == 20
    order.remove(jobs[2])
    order.remove(jobs[0])
    assert order.oldest_since_ms() is None


def test_the_oldest_is_found_behind_ghosts_of_a_lesser_priority() -> None:
    order = ReadyOrder(min_first=False)
    jobs = [make_job(1, 5, since_ms=30), make_job(2, 1, since_ms=10), make_job(3, 1, since_ms=20)]
    for job in jobs:
        order.append(job)
    order.remove(jobs[1])
    jobs[1].phase = DEAD

    assert order.oldest_since_ms() == 20
