from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from respq.engine.timers import NEVER_MS, Timers

INSTANTS = st.integers(1, 12)


class TimersMachine(RuleBasedStateMachine):
    """The index against a plain dict of number to instant."""

    def __init__(self) -> None:
        super().__init__()
        self.timers: Timers[str] = Timers()
        self.model: dict[int, int] = {}
        self.next_number = 1

    @rule(due_ms=INSTANTS)
    def add(self, due_ms: int) -> None:
        self.timers.add(due_ms, self.next_number, f"object {self.next_number}")
        self.model[self.next_number] = due_ms
        self.next_number += 1

    @rule(due_ms=INSTANTS, count=st.integers(1, 3))
    def add_several(self, due_ms: int, count: int) -> None:
        numbers = range(self.next_number, self.next_number + count)
        self.timers.add_all(due_ms, {number: f"object {number}" for number in numbers})
        self.model |= dict.fromkeys(numbers, due_ms)
        self.next_number += count

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.model)))
        self.timers.remove(self.model.pop(number), number)

    @rule(now_ms=INSTANTS, limit=st.integers(1, 20))
    def ask_what_is_due(self, now_ms: int, limit: int) -> None:
        due = sorted((due_ms, number) for number, due_ms in self.model.items() if due_ms <= now_ms)

        assert self.timers.due(now_ms, limit) == [f"object {n}" for _, n in due[:limit]]

    @invariant()
    def it_holds_what_was_added(self) -> None:
        assert self.timers.entries() == {(due_ms, n) for n, due_ms in self.model.items()}

    @invariant()
    def the_first_instant_is_known(self) -> None:
        assert self.timers.first_ms == min(self.model.values(), default=NEVER_MS)


TestTimersMachine = TimersMachine.TestCase


def test_nothing_is_due_the_millisecond_before() -> None:
    timers: Timers[str] = Timers()
    timers.add(100, 1, "it")

    assert timers.due(99, 10) == []
    assert timers.due(100, 10) == ["it"]


@given(st.integers(1, 50), st.integers(1, 60))
def test_what_is_due_together_comes_in_the_order_of_adding(count: int, limit: int) -> None:
    timers: Timers[int] = Timers()
    for number in range(count, 0, -1):
        timers.add(5, number, number)

    assert timers.due(5, limit) == list(range(count, 0, -1))[:limit]
