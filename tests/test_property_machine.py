"""The laws of the whole core, under whatever order of commands, waits, crashes and time.

After every step: replay equals live, every index agrees with the jobs (`Harness.settle`), the
engine's jobs are those of a plain model and stand in its order (tests/property), the totals of
each queue add up, fences only rise, a job is in one delivery at most, what is acked stays
gone, and a listener hears what the journal says, in its order.

The default run takes some seconds. For a long one::

    RESPQ_PROPERTY_EXAMPLES=2000 RESPQ_PROPERTY_STEPS=60 pytest tests/test_property_machine.py
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from respq.engine.jobs import purge as purges
from respq.engine.jobs.job import DELAYED, PHASE_NAMES, Job
from respq.engine.records import JobOptions
from respq.errors import DiskShort, ExecAbort, MemoryShort
from respq.resp.replies import NULL_ARRAY
from tests.harness import WAITS, Client, Harness, discard, image
from tests.property.commands import (
    DELETE,
    DYING_PUSH,
    ERRORS,
    FILLING_PUSH,
    GROUPED,
    GROUPED_PUSH,
    LEASES,
    NAMES,
    ORDERS,
    POP,
    PURGES,
    REDRIVES,
    ROLLING,
    RUNS,
    SCHEDULES,
    SHARED,
    SHORT_MS,
    SPECS,
    WEIGHTS,
    Create,
    Delete,
    Kick,
    Nack,
    Order,
    Pause,
    Pop,
    PopOfMany,
    Push,
    Redrive,
    Rename,
    Schedule,
    Spec,
    ThrowAway,
    option,
    say,
)
from tests.property.events import Expected
from tests.property.expectations import (
    GROWING,
    expect,
    expect_gone,
    expect_made,
    expect_paused,
    expect_redriven,
    expect_renamed,
    expect_scheduled,
    is_shortage,
)
from tests.property.model import IDLE_MS, ORPHANED, WINDOW_MS, Model, ModelJob, ModelQueue

EXAMPLES = int(os.environ.get("RESPQ_PROPERTY_EXAMPLES", "60"))
STEPS = int(os.environ.get("RESPQ_PROPERTY_STEPS", "40"))
PLACES = st.integers(0, 2)
ELAPSED_MS = st.one_of(
    st.integers(0, 12), st.sampled_from([49, 50, 29_999, 30_000, WINDOW_MS, IDLE_MS, IDLE_MS * 2])
)
SHORTAGES = st.sampled_from([MemoryShort("memory is short"), DiskShort("the disk is short")])
SLOTS_MS = st.sampled_from([0, 6_999, 7_000, 39_999, 60_000, 100_000, IDLE_MS])


@dataclass
class Waiting:
    client: Client
    names: list[str]
    lease: int | None
    deadline_ms: int
    """0 for none."""


class QueueServer(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.harness = Harness()
        self.slices = patch.object(purges, "PURGE_SLICE", 2)
        self.slices.start()
        self.model = Model()
        self.clients = [self.harness.client() for _ in range(3)]
        self.waiting: list[Waiting] = []
        """Longest first."""
        self.expected = Expected(self.harness.journal)
        self.compaction: Iterator[None] = iter(())
        """What goes on, if anything."""
        self.listen()

    def listen(self) -> None:
        """Have a client hear all that happens from now on."""
        self.expected.take()
        self.listener = self.harness.client()
        self.listener.say("PSUBSCRIBE q:*")

    @property
    def now_ms(self) -> int:
        return self.harness.now_ms

    # Clients.

    @rule(spec=SPECS, place=PLACES)
    def run(self, spec: Spec, place: int) -> None:
        said = say(spec, self.model)
        expect(self.model, said, self.clients[place].say(said.line), self.now_ms)
        self.settle()

    @rule(
        specs=st.lists(SPECS, min_size=1, max_size=5),
        place=PLACES,
        end=st.booleans(),
        shortage=st.sampled_from([None] * 7 + [MemoryShort("memory is short")]),
    )
    def run_a_transaction(
        self, specs: list[Spec], place: int, end: bool, shortage: MemoryShort | None
    ) -> None:
        client = self.clients[place]
        # The order in which a QKICK of all leaves jobs is known only when it is looked at.
        specs = sorted(specs, key=lambda spec: isinstance(spec, Kick) and not spec.picks)
        all_said = [say(spec, self.model) for spec in specs]
        client.say("MULTI")
        for said in all_said:
            is_refused = self.model.is_short and isinstance(said.spec, GROWING)
            assert is_shortage(client.say(said.line)) is is_refused
        if shortage is not None:
            self.be_short(shortage)
        grows = any(isinstance(spec, GROWING) for spec in specs)
        if end and self.model.is_short and grows:
            assert isinstance(client.say("EXEC"), ExecAbort)
        elif end:
            for said, reply in zip(all_said, client.say("EXEC"), strict=True):
                expect(self.model, said, reply, self.now_ms)
        else:
            client.say("DISCARD")
        self.settle()

    @rule(
        push=DYING_PUSH, errors=st.lists(ERRORS, min_size=4, max_size=4), again=st.none() | REDRIVES
    )
    def let_jobs_die(self, push: Push, errors: list[str | None], again: Redrive | None) -> None:
        name, errors = push.queue, errors[: push.count]
        self.run(push, 0)
        self.run(Pop(name, len(errors)), 0)
        for pick, error in enumerate(errors):
            self.run(Nack([pick], "FATAL", None, False, 1, error), 0)
        if again is not None:
            self.administer(replace(again, queue=name))

    @rule(
        create=ROLLING,
        pushes=st.lists(FILLING_PUSH, min_size=1, max_size=5),
        length=st.sampled_from([0, 0, 3]),
    )
    def overfill(self, create: Create, pushes: list[Push], length: int) -> None:
        self.administer(create)
        for push in pushes:
            self.run(replace(push, queue=create.queue), 0)
        if length:
            self.run_a_pipeline([(Push(create.queue), length)], 0)

    @rule(
        create=GROUPED,
        groups=st.lists(st.sampled_from([None, "g", "h"]), min_size=2, max_size=4),
        limits=st.lists(SHORT_MS, min_size=1, max_size=3),
    )
    def meet_rate_limits(self, create: Create, groups: list[str | None], limits: list[int]) -> None:
        self.administer(create)
        for group in groups:
            self.run(Push(create.queue, group=group), 0)
        self.run(Pop(create.queue, len(limits)), 0)
        for pick, closed in enumerate(limits):
            self.run(Nack([pick], "RATELIMIT", None, False, closed, None), 0)

    @rule(
        purge=PURGES,
        parents=st.integers(1, 4),
        delay=st.none() | SHORT_MS,
        picks=st.lists(st.integers(0, 5), min_size=1, max_size=2).map(tuple),
    )
    def purge_one_state(
        self, purge: ThrowAway, parents: int, delay: int | None, picks: tuple[int, ...]
    ) -> None:
        self.run(Push(purge.queue, parents, delay=delay), 0)
        self.run(Push(purge.queue, 2, picks=picks), 0)
        self.administer(purge)

    @rule(
        create=SHARED,
        pushes=st.lists(GROUPED_PUSH, min_size=1, max_size=4),
        specs=st.lists(POP | DELETE, min_size=1, max_size=4),
    )
    def take_turns(self, create: Create, pushes: list[Push], specs: list[Pop | Delete]) -> None:
        self.administer(create)
        for spec in (*pushes, *specs):
            self.run(replace(spec, queue=create.queue), 0)

    @rule(runs=st.lists(RUNS, min_size=1, max_size=4), place=PLACES)
    def run_a_pipeline(self, runs: list[tuple[Spec, int]], place: int) -> None:
        all_said = [say(spec, self.model) for spec, length in runs for _ in range(length)]
        replies = self.clients[place].pipeline(*(said.line for said in all_said))
        for said, reply in zip(all_said, replies, strict=True):
            # Whoever waited for what was pushed or acknowledged before had it first.
            before = 0
            if isinstance(said.spec, Pop):
                before = fence(reply[1]) if reply is not None else 0
                reply = [] if reply is None else [reply]
            self.take_inboxes(before)
            expect(self.model, said, reply, self.now_ms)
        self.settle()

    @rule(specs=st.lists(SPECS, max_size=2), pop=POP, place=PLACES, late=st.sampled_from([0, 0, 9]))
    def lose_the_reply_of_a_pop(self, pop: Pop, specs: list[Spec], place: int, late: int) -> None:
        client = self.clients[place]
        said = say(pop, self.model)
        expect(self.model, said, client.say(said.line), self.now_ms)
        lost, client.pops = client.pops, []
        for spec in specs:
            self.run(spec, place)
        self.pass_ms(late)
        client.pops = lost
        for job, fence in reversed(lost):
            assert isinstance(job, Job)
            self.model.undo(job.id, fence, self.now_ms)
        self.harness.undo(client)
        self.settle()

    @rule(
        names=st.lists(NAMES, min_size=1, max_size=2, unique=True),
        block=st.sampled_from([0, 1, 5, 10, 30_000]),
        lease=LEASES,
        weights=WEIGHTS,
    )
    def wait(
        self,
        names: list[str],
        block: int,
        lease: int | None,
        weights: tuple[int, int, int] | None,
    ) -> None:
        client = self.harness.client()
        what = f"QPOP {names[0]}{option('LEASE', lease)}"
        if len(names) > 1:
            what = PopOfMany(names, lease, weights).words
        reply = client.say(f"{what} BLOCK {block}")
        waiting = Waiting(client, names, lease, self.now_ms + block if block else 0)
        if reply is WAITS:
            self.waiting.append(waiting)
        else:
            self.take_reply(waiting, reply)
        self.settle()

    @precondition(lambda self: self.waiting)
    @rule(pick=st.integers(0, 5), kind=st.sampled_from(["gone", "unblocked", "killed"]))
    def give_up(self, pick: int, kind: str) -> None:
        waiting = self.waiting.pop(pick % len(self.waiting))
        session = waiting.client.session
        if kind == "gone":
            self.harness.broker.close_session(session)
        elif kind == "killed":
            self.clients[0].say(f"CLIENT KILL ID {session.id}")
        else:
            assert self.clients[0].say(f"CLIENT UNBLOCK {session.id}") == 1
            assert waiting.client.inbox == [NULL_ARRAY]
        self.settle()

    # Operators.

    @rule(order=ORDERS)
    def administer(self, order: Order) -> None:
        name, harness = order.queue, self.harness
        match order:
            case Create():
                self.create(order)
            case Redrive():
                listed = [facts[b"id"] for facts in harness.say(f"QDLQ LIST {name}")]
                expect_redriven(self.model, order, listed, harness.say(order.line), self.now_ms)
            case ThrowAway():
                reply = harness.say(f"{order.command} {name}{option('STATE', order.state)}")
                expect_gone(self.model, order, reply, self.now_ms)
            case Pause():
                line = f"QUEUE RESUME {name}{order.directions}"
                if not order.resume:
                    line = f"QUEUE PAUSE {name}{order.directions}{option('FOR', order.for_ms)}"
                expect_paused(self.model, order, harness.say(line), self.now_ms)
            case Rename():
                reply = harness.say(f"QUEUE RENAME {name} {order.new_name}")
                expect_renamed(self.model, order, reply)
            case Schedule():
                reply = harness.say(order.line(self.now_ms))
                expect_scheduled(self.model, order, reply, self.now_ms)
        self.settle()

    def create(self, order: Create) -> None:
        new = order.queue not in self.model.queues
        if new and self.model.is_short:
            assert is_shortage(self.harness.say(f"QUEUE CREATE {order.queue}"))
            return
        options = f"ATTEMPTS {order.attempts} TTL {order.ttl or 0}{option('LEASE', order.lease)}"
        options += f" EXPIRED {'DROP' if order.drop else 'DEAD'} MAXLEN {order.maxlen}"
        options += f" MAXBYTES {order.maxbytes}"
        options += f" OVERFLOW {'DROPOLDEST' if order.drop_oldest else 'REJECT'}"
        options += f" CONCURRENCY {order.concurrency} KEEPDEAD {order.keepdead} "
        options += f"KEEP {order.keep} GROUPCONCURRENCY {order.group_concurrency} "
        options += f"FAIR {'YES' if order.fair else 'NO'} "
        options += "NORATE" if order.rate is None else "RATE {} PER {}".format(*order.rate)
        options += " DUPLICATES " + ("REFUSE" if order.refuse_duplicates else "ALLOW")
        push_rate = order.push_rate
        options += " PUSHRATE {} PER {}".format(*push_rate) if push_rate else " NOPUSHRATE"
        if new:
            options += f" ORDER {'MIN' if order.min_first else 'MAX'}"
            options += f" PRIORITIES {'TEXT' if order.text else 'NUMERIC'}"
        self.harness.say(f"QUEUE {'CREATE' if new else 'SET'} {order.queue} {options}")
        expect_made(self.model, order, self.now_ms)

    # Time and accidents.

    @rule(elapsed_ms=ELAPSED_MS, late=st.booleans())
    def time_passes(self, elapsed_ms: int, late: bool) -> None:
        until_ms = self.now_ms + elapsed_ms
        # A late turn finds all at once what was due meanwhile.
        while not late and self.harness.broker.next_deadline_ms() <= until_ms:
            due_ms = self.harness.broker.next_deadline_ms()
            self.pass_ms(max(0, due_ms - self.now_ms))
        self.pass_ms(until_ms - self.now_ms)

    @rule(
        name=NAMES,
        steps=st.lists(
            st.tuples(SCHEDULES, SLOTS_MS, st.sampled_from(["on time", "late", "down", "down"])),
            min_size=1,
            max_size=4,
        ),
    )
    def let_schedules_fire(self, name: str, steps: list[tuple[Schedule, int, str]]) -> None:
        for schedule, elapsed_ms, how in steps:
            self.administer(replace(schedule, queue=name))
            if how == "down":
                self.crash(elapsed_ms, None, None)
            else:
                self.time_passes(elapsed_ms, how == "late")

    @rule(
        shortage=SHORTAGES,
        specs=st.lists(SPECS, max_size=4),
        elapsed_ms=ELAPSED_MS | SLOTS_MS,
        lasts=st.sampled_from([False, False, True]),
    )
    def live_through_a_shortage(
        self,
        shortage: MemoryShort | DiskShort,
        specs: list[Spec],
        elapsed_ms: int,
        lasts: bool,
    ) -> None:
        self.be_short(shortage)
        for spec in specs:
            self.run(spec, 0)
        self.time_passes(elapsed_ms, False)
        if not lasts:
            self.have_enough()

    def be_short(self, shortage: MemoryShort | DiskShort) -> None:
        """Have there be too little memory, or too little of the disk, as `Pressure` finds it."""
        self.harness.broker.refuse_growth(self.now_ms, shortage)
        self.model.is_short = True
        self.settle()

    @precondition(lambda self: self.model.is_short)
    @rule()
    def have_enough(self) -> None:
        self.harness.broker.refuse_growth(self.now_ms, None)
        self.harness.settle()
        self.count_arrived()
        self.model.is_short = False
        self.model.make_up(self.now_ms)
        self.settle()

    @rule(batches=st.integers(1, 40), forget=st.booleans(), steps=st.integers(1, 80))
    def compact(self, batches: int, forget: bool, steps: int) -> None:
        self.compaction = self.harness.compaction(batches, forget=forget)
        self.compact_on(steps)

    @rule(steps=st.integers(1, 80))
    def compact_on(self, steps: int) -> None:
        for _ in islice(self.compaction, steps):
            pass
        self.settle()

    @rule(for_good=st.booleans())
    def let_go(self, for_good: bool) -> None:
        """No payload stays in memory; from now on, or at this moment."""
        self.harness.lets_go, self.model.payloads_away = for_good, True
        self.harness.let_go()

    @rule(
        down_ms=ELAPSED_MS,
        unanswered=st.none() | SPECS,
        shortage=st.sampled_from([None] * 5 + [DiskShort("the disk is short")]),
    )
    def crash(self, down_ms: int, unanswered: Spec | None, shortage: DiskShort | None) -> None:
        if unanswered is not None:
            request = say(unanswered, self.model).line.encode().split()
            self.harness.broker.execute(self.clients[0].session, request, self.now_ms)
        self.harness.crash(down_ms, shortage)
        self.count_arrived()
        self.model.restart(self.now_ms, is_short=shortage is not None)
        self.waiting.clear()
        self.compaction = iter(())
        self.listen()
        self.clients = [self.harness.client() for _ in range(3)]
        self.settle()

    # Between the steps.

    def settle(self) -> None:
        self.pass_ms(0)

    def pass_ms(self, elapsed_ms: int) -> None:
        self.harness.pass_ms(elapsed_ms)
        self.count_arrived()
        self.model.pass_to(self.now_ms)
        self.adopt()
        self.learn_why()
        self.forget_idle()
        self.collect()
        self.look_at_order()

    def unknown_jobs(self) -> list[tuple[ModelQueue, list[Job]]]:
        """Return the jobs of each queue whose ids the model does not know, in order."""
        return [
            (model, sorted((job for job in queue if job.id not in model.jobs), key=push_order))
            for name, queue in self.harness.engine.state.names[0].items()
            if (model := self.model.queues.get(name.decode())) is not None
        ]

    def payload(self, job: Job) -> str:
        """Return the payload of a job as the model knows it."""
        return self.harness.payload(job).decode()

    def count_arrived(self) -> None:
        """Tell the model what has come that it is about to think of."""
        self.model.arrived.clear()
        for model, jobs in self.unknown_jobs():
            self.model.arrived.update((model, self.payload(job)) for job in jobs)
            self.model.arrived.subtract((model, job.payload) for job in model.nameless)

    def adopt(self) -> None:
        """Tell the model of the ids of jobs that nobody was told of, and check what they are."""
        for model, jobs in self.unknown_jobs():
            ids: dict[str, list[bytes]] = {}
            for job in jobs:
                ids.setdefault(self.payload(job), []).append(job.id)
            self.model.name(model, ids)
            for job in jobs:
                known = model.jobs[job.id]
                assert job.priority == known.priority
                if known.jitter_ms and job.phase == DELAYED:
                    assert 0 < job.due_ms - job.pushed_ms <= known.jitter_ms
                    known.phase, known.due_ms = "delayed", job.due_ms

    def learn_why(self) -> None:
        """Tell the model why those jobs are dead of which it knows two reasons."""
        for queue in self.harness.engine.state.queues.values():
            jobs = self.model.queues[queue.name.decode()].jobs
            for job in queue.dead.values():
                known = jobs[job.id]
                if known.may_have_expired:
                    known.error, known.may_have_expired = _error_of(job), False

    def forget_idle(self) -> None:
        names = self.harness.engine.state.names[0]
        for name, queue in list(self.model.queues.items()):
            if name.encode() not in names:
                assert not queue.configured
                assert not queue.jobs
                assert not queue.schedules
                assert queue.active_ms + IDLE_MS <= self.now_ms
                del self.model.queues[name]

    def collect(self) -> None:
        """Take what waiting clients were told, and check that no one waits in vain."""
        self.take_inboxes()
        for each in list(self.waiting):
            if each.client.inbox:
                assert each.client.inbox == [NULL_ARRAY]
                assert 0 < each.deadline_ms <= self.now_ms
                self.waiting.remove(each)
        for each in self.waiting:
            assert not any(self.model.claimable(name, self.now_ms) for name in each.names)
            assert not 0 < each.deadline_ms <= self.now_ms

    def look_at_order(self) -> None:
        """Check the order of the jobs, and tell the model of what it could not know of it."""
        for name, queue in self.harness.engine.state.names[0].items():
            model = self.model.queues[name.decode()]
            check_order(model, [model.jobs[job.id] for job in queue.ready])
            ranks = [model.jobs[job.id].rank for job in queue.dead.values()]
            assert ranks == sorted(ranks)
            self.model.learn_order(model, {job.id: job.order for job in queue})

    def take_inboxes(self, before: int = 0) -> None:
        """Take what waiting clients were given, as they were served.

        Left alone is what was given for a command that the model does not know of yet: a job
        that it has not, or not as one that may go out, or by a fence from ``before`` on.
        """
        served = [each for each in self.waiting if each.client.pops]
        for each in sorted(served, key=lambda each: each.client.pops[0][1]):
            job, given = each.client.pops[0]
            assert isinstance(job, Job)
            queue = self.model.queues.get(job.queue.name.decode())
            if queue is None or job.id not in queue.jobs or queue.is_closed(self.now_ms):
                continue
            known = queue.jobs[job.id]
            if known.phase != "ready" or queue.is_full(known.group):
                continue
            if 0 < before <= given:
                continue
            (reply,) = each.client.inbox
            name = self.take_reply(each, reply)
            # The longest waiter for a name comes first.
            assert each is next(other for other in self.waiting if name in other.names)
            self.waiting.remove(each)

    def take_reply(self, waiting: Waiting, reply: Any) -> str:
        """Let the model lease what a client was given; return the name of the queue."""
        name = waiting.names[0]
        if len(waiting.names) > 1:
            name, (reply,) = reply[0].decode(), reply[1]
        self.model.lease(reply[0], reply[1], name, self.now_ms, waiting.lease)
        return name

    def teardown(self) -> None:
        discard(self.harness.engine.state)
        self.slices.stop()

    # The laws.

    @invariant()
    def the_journal_rebuilds_the_state(self) -> None:
        replayed = self.harness.replayed()
        assert image(replayed, self.now_ms) == self.harness.image()
        discard(replayed)

    @invariant()
    def the_jobs_are_those_of_the_model(self) -> None:
        names = self.harness.engine.state.names[0]
        assert {name.decode() for name in names} == set(self.model.queues)
        for name, queue in names.items():
            model = self.model.queues[name.decode()]
            assert {job.id: facts_of(job) for job in queue} == {
                job.id: facts_in_model(job) for job in model.jobs.values()
            }
            assert set(queue.leases) == {job.receipt for job in model.in_phase("leased")}

    @invariant()
    def the_schedules_are_those_of_the_model(self) -> None:
        for name, queue in self.harness.engine.state.names[0].items():
            schedules = self.model.queues[name.decode()].schedules
            assert {
                each.payload.decode(): (each.next_ms, each.runs, each.skipped, each.paused)
                for each in queue.schedules.values()
            } == {
                payload: (each.next_ms, each.runs, each.skipped, each.paused)
                for payload, each in schedules.items()
            }

    @invariant()
    def the_keys_are_those_of_the_model(self) -> None:
        for name, queue in self.harness.engine.state.names[0].items():
            jobs = self.model.queues[name.decode()].jobs.values()
            named = {job.id for job in jobs if job.key is not None}
            assert {job.id for job in queue.keys.values()} == named

    @invariant()
    def the_totals_add_up(self) -> None:
        for queue in self.harness.engine.state.queues.values():
            totals = queue.totals
            gone = totals.acked + totals.dropped + totals.purged + totals.deleted
            gone += (
                totals.evicted
                + totals.forgotten
                + totals.replaced
                + totals.cancelled
                + totals.moved
            )
            assert totals.pushed + totals.returned == sum(queue.counts) - len(queue.done) + gone

    @invariant()
    def what_happens_is_told_once_and_in_its_order(self) -> None:
        told = [message[2:] for message in self.listener.messages()]
        assert told == self.expected.take()

    @invariant()
    def nothing_unexpected_was_reported(self) -> None:
        assert self.harness.errors == []


def fence(receipt: bytes) -> int:
    """Return the fence of a receipt."""
    return int(receipt.partition(b":")[0])


def facts_of(job: Job) -> tuple[object, ...]:
    """Return what a job of the engine is like, in the words of the model."""
    options = job.options or JobOptions()
    return (
        *(PHASE_NAMES[job.phase].decode(), job.due_ms, job.attempts, options.expires_ms),
        *(options.attempts, options.lease_ms, options.maxlease_ms, options.keep_ms),
        *(options.then is not None, (options.group or b"").decode()),
        _error_of(job),
    )


def _error_of(job: Job) -> str:
    error = job.notes.error.decode() if job.notes is not None else ""
    if not error.startswith(ORPHANED):
        return error
    return ORPHANED  # Which of its parents ended first the model does not know.


def facts_in_model(job: ModelJob) -> tuple[object, ...]:
    """Return what a job of the model is like."""
    return (
        *(job.phase, job.due_ms, job.attempts, job.expires_ms),
        *(job.attempts_max, job.lease_ms, job.maxlease_ms, job.keep, job.then, job.group or ""),
        job.error,
    )


def push_order(job: Job) -> int:
    """Return by what the jobs of a queue come in the order of their push."""
    return job.number


def check_order(queue: ModelQueue, ready: list[ModelJob]) -> None:
    """Assert that jobs stand by priority, and among equals by rank."""
    for earlier, later in pairwise(ready):
        if earlier.priority == later.priority:
            assert earlier.rank <= later.rank
        else:
            first = earlier.priority < later.priority  # type: ignore[operator]
            assert first is queue.min_first


TestQueueServer = QueueServer.TestCase
TestQueueServer.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
