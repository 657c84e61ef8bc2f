"""The test of the simulation: servers that are wrong in one thing are caught, each by a law."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec
import pytest

from respq.broker import broker as broker_module
from respq.broker.broker import Broker
from respq.broker.call import Wait
from respq.broker.command import Command
from respq.broker.pubsub import PubSub, Said
from respq.broker.session import Session
from respq.engine import payloads, relocate
from respq.engine.core import EngineCore
from respq.engine.engine import Engine
from respq.engine.jobs import delivery
from respq.engine.jobs.events import Told
from respq.engine.jobs.flow import Flowing
from respq.engine.jobs.full import job_in_full
from respq.engine.jobs.job import DELAYED, Job
from respq.engine.jobs.queue import Queue
from respq.engine.jobs.schedule import Scheduling
from respq.engine.payloads import payloads_of
from respq.engine.records import (
    AnswerKept,
    JobRestored,
    JobsPushed,
    JobTouched,
    Record,
    ScheduleSet,
)
from respq.engine.state import State
from respq.errors import DiskShort
from respq.resp import encoder
from respq.resp.replies import Push, Replies, Reply
from respq.resp.short import Alone
from respq.runtime import committer
from respq.runtime.client import Client, Pops
from respq.runtime.clock import Clock
from respq.runtime.compactor import Compactor
from respq.runtime.core import Core, Held
from respq.server.mailbox import Mailbox
from tests.simulation.laws import Broken
from tests.simulation.run import play

SEEDS = (3, 5, 13)
HOURS = 0.4

LIVING: dict[Any, Any] = relocate._LIVING
Patch = pytest.MonkeyPatch
Mutant = Callable[[Patch], None]
MUTANTS: dict[str, tuple[Mutant, str]] = {}
"""By name; with the law, or several with a bar between, by which it is caught."""


def mutant(law: str) -> Callable[[Mutant], Mutant]:
    def keep(each: Mutant) -> Mutant:
        MUTANTS[each.__name__] = each, law
        return each

    return keep


@mutant("no reply before its commit|nothing is told before its commit")
def reply_before_commit(patch: Patch) -> None:
    def hold_all(_: Core, replies: Iterator[Held]) -> None:
        for client, data, pops in replies:
            client.release(data, pops)

    patch.setattr(Core, "hold_all", hold_all)


@mutant("the journal gives the state|its time is said again")
def apply_without_emit(patch: Patch) -> None:
    emit = EngineCore.emit

    def emit_most(engine: EngineCore, record: Record) -> None:
        if isinstance(record, JobTouched):
            engine.state.apply(record)
            engine.changes += 1
        else:
            emit(engine, record)

    patch.setattr(EngineCore, "emit", emit_most)


@mutant("no fence is drawn again")
def fence_reused(patch: Patch) -> None:
    begin = committer.Batch.__init__

    def begin_lower(batch: committer.Batch, *arguments: Any) -> None:
        begin(batch, *arguments)
        batch.next_fence = max(1, batch.next_fence - 2)

    patch.setattr(committer.Batch, "__init__", begin_lower)


@mutant("every index agrees with the jobs")
def timer_lost(patch: Patch) -> None:
    time = State._time

    def time_most(state: State, job: Job) -> None:
        if job.phase != DELAYED or job.number % 5:
            time(state, job)

    patch.setattr(State, "_time", time_most)


@mutant("what is due is done")
def alarm_lost(patch: Patch) -> None:
    patch.setattr(Core, "_ring", lambda core: None)


@mutant("a slot is one job")
def double_fire(patch: Patch) -> None:
    fire = Scheduling._fire

    def fire_twice(
        engine: Scheduling, now_ms: int, schedule: ScheduleSet, slot_ms: int, next_ms: int
    ) -> None:
        engine._push_of(now_ms, schedule)
        fire(engine, now_ms, schedule, slot_ms, next_ms)

    patch.setattr(Scheduling, "_fire", fire_twice)


@mutant("no slot fires twice")
def slot_fired_again_after_a_restart(patch: Patch) -> None:
    def catch_up(engine: Scheduling, now_ms: int) -> None:
        for schedule in list(engine.state.schedules.values()):
            if schedule.last_ms and not schedule.paused:
                engine._fire(now_ms, schedule, schedule.last_ms, schedule.next_ms)

    patch.setattr(Scheduling, "catch_up", catch_up)


@mutant("the journal gives the state|no job is lost or invented|cannot be read back")
def compaction_drops_a_live_job(patch: Patch) -> None:
    say = LIVING[JobsPushed]

    def say_most(state: State, record: JobsPushed, position: int, now_ms: int) -> Iterator[Record]:
        for full in say(state, record, position, now_ms):
            if isinstance(full, JobRestored) and full.number % 3:
                yield full

    patch.setitem(LIVING, JobsPushed, say_most)


@mutant("who waits for a job is told of its end")
def ack_of_a_parent_retired_before_its_children_are_freed(patch: Patch) -> None:
    patch.setattr(Flowing, "find_ended", lambda engine: None)


@mutant("what is said again is how things are|equals go in the order")
def order_lost_on_relocation(patch: Patch) -> None:
    def in_full_anywhere(kind: type[JobRestored], job: Job, payload: bytes) -> JobRestored:
        return msgspec.structs.replace(job_in_full(kind, job, payload), order=job.number)

    patch.setattr(relocate, "job_in_full", in_full_anywhere)


@mutant("the journal gives the state|an id is pushed once")
def answer_forgotten_by_compaction(patch: Patch) -> None:
    patch.delitem(LIVING, AnswerKept)


@mutant("an ack is somebody's who was given|a stale receipt is worth|no reply before its commit")
def stale_receipt_accepted(patch: Patch) -> None:
    def leased(queue: Queue | None, receipts: list[bytes]) -> list[Job | None]:
        found = []
        for receipt in receipts:
            job = queue.find(receipt.partition(b":")[2]) if queue is not None else None
            found.append(job if job is not None and job.receipt else None)
        return found

    patch.setattr(delivery, "_leased", leased)


@mutant("only what was said again is forgotten")
def forgotten_before_it_is_committed(patch: Patch) -> None:
    trim_before = Compactor.trim_before
    patch.setattr(Compactor, "trim_before", lambda compactor, _: trim_before(compactor, 1 << 60))


@mutant("a second is lost at most")
def second_not_synced(patch: Patch) -> None:
    patch.setattr(Core, "_sync", lambda core, committer: None)


@mutant("nobody waits in vain")
def news_not_told(patch: Patch) -> None:
    patch.setattr(State, "_tell_waiters", lambda state, queue: None)


@mutant("nothing is due early|no slot fires early")
def done_before_its_time(patch: Patch) -> None:
    tick = Engine.tick
    patch.setattr(Engine, "tick", lambda engine, now_ms: tick(engine, now_ms + 1_500))
    next_ms = Engine.next_deadline_ms
    patch.setattr(Engine, "next_deadline_ms", lambda engine: next_ms(engine) - 1_500)


@mutant("time never runs backwards")
def clock_goes_back(patch: Patch) -> None:
    patch.setattr(Clock, "now_ms", lambda clock: clock._wall_ns() // 1_000_000)


@mutant("nothing is done while the journal is read|nothing fails unexpectedly|nobody waits in vain")
def effect_before_it_is_refused(patch: Patch) -> None:
    execute = Broker.execute

    def execute_first(
        broker: Broker, session: Session, request: list[bytes], now_ms: int
    ) -> Reply | Wait:
        if broker.loading:
            broker.loading = False
            execute(broker, session, request, now_ms)
            broker.loading = True
        return execute(broker, session, request, now_ms)

    patch.setattr(Broker, "execute", execute_first)


@mutant("nothing is answered from half of the journal")
def answered_while_loading(patch: Patch) -> None:
    check = Broker._check_guards

    def check_most(broker: Broker, session: Session, command: Command) -> None:
        if command.name != "PING":
            check(broker, session, command)

    patch.setattr(Broker, "_check_guards", check_most)


@mutant("what is refused has no effect")
def pushed_and_refused(patch: Patch) -> None:
    execute = Broker.execute

    def refuse_some(
        broker: Broker, session: Session, request: list[bytes], now_ms: int
    ) -> Reply | Wait:
        reply = execute(broker, session, request, now_ms)
        if request[0] == b"QPUSH" and isinstance(reply, bytes) and reply.endswith(b"7"):
            return DiskShort("there is too little space")
        return reply

    patch.setattr(Broker, "execute", refuse_some)


@mutant("databases never mix")
def clients_of_two_databases_served_together(patch: Patch) -> None:
    arrive_alone = Core.arrive_alone

    def arrive_anywhere(core: Core, client: Client, request: Alone, size: int) -> None:
        db, client.session.db = client.session.db, 0
        arrive_alone(core, client, request, size)
        client.session.db = db

    patch.setattr(Core, "arrive_alone", arrive_anywhere)


@mutant("databases never mix")
def queue_made_in_the_first_database(patch: Patch) -> None:
    queue_or_new = EngineCore.queue_or_new

    def in_the_first(engine: EngineCore, now_ms: int, db: int, name: bytes) -> Queue:
        return queue_or_new(engine, now_ms, 0 if name == b"b" else db, name)

    patch.setattr(EngineCore, "queue_or_new", in_the_first)


@mutant("nothing is told before its commit|who listens hears all")
def message_told_in_another_database(patch: Patch) -> None:
    def in_the_first(event: Told) -> tuple[bytes, bytes]:
        _, queue, what, job_id = event
        return b"q:%b:%b" % (queue, what), job_id

    patch.setattr(broker_module, "channel_of", in_the_first)


@mutant("who listens hears all, once, in its order")
def message_lost(patch: Patch) -> None:
    send = Mailbox.send
    count = iter(range(1_000_000))

    def send_most(mailbox: Mailbox, data: bytes) -> None:
        if next(count) % 50:
            send(mailbox, data)

    patch.setattr(Mailbox, "send", send_most)


@mutant("who listens hears all, once, in its order")
def last_message_lost(patch: Patch) -> None:
    """It is never found by what comes behind it."""
    send = Mailbox.send

    def send_few(mailbox: Mailbox, data: bytes) -> None:
        if mailbox._connection.session.protocol == 2:
            send(mailbox, data)

    patch.setattr(Mailbox, "send", send_few)


@mutant("who listens hears all, once, in its order")
def messages_in_the_wrong_order(patch: Patch) -> None:
    heard = PubSub.heard

    def heard_backwards(pubsub: PubSub, said: Iterable[Said]) -> Mapping[Session, Replies]:
        return heard(pubsub, reversed([*said]))

    patch.setattr(PubSub, "heard", heard_backwards)


@mutant(
    "replies come in the order of requests|no reply before its commit|nothing fails unexpectedly"
)
def reply_before_those_that_wait_for_the_disk(patch: Patch) -> None:
    hold = Core.hold

    def hold_some(core: Core, client: Client, data: bytes, pops: Pops, *, stateless: bool) -> None:
        if stateless:
            client.release(data, pops)
        else:
            hold(core, client, data, pops, stateless=False)

    patch.setattr(Core, "hold", hold_some)


@mutant("both protocols say the same")
def map_cut_short(patch: Patch) -> None:
    write = encoder._RESP3[dict]
    patch.setitem(encoder._RESP3, dict, lambda pairs: write(dict([*pairs.items()][:-1])))


@mutant("a message is no reply|protocols are not mixed")
def message_in_the_wrong_protocol(patch: Patch) -> None:
    patch.setitem(encoder._RESP3, Push, encoder._RESP2[Push])


@mutant(
    "the payload is what was pushed|the journal gives the state|no job is lost|what is said again"
)
def payload_of_another_put_back(patch: Patch) -> None:
    def of_the_next(records: Iterable[Record]) -> Iterator[tuple[int, int, bytes]]:
        found = [*payloads_of(records)]
        for (queue, number, _), (*_, payload) in zip(found, found[1:] + found[:1], strict=True):
            yield queue, number, payload

    patch.setattr(payloads, "payloads_of", of_the_next)


@mutant("nobody waits in vain for a payload")
def payloads_read_and_nobody_told(patch: Patch) -> None:
    patch.setattr(State, "tell_payloads", lambda state, number: None)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_server_that_is_wrong_is_caught(name: str, monkeypatch: Patch) -> None:
    mutate, law = MUTANTS[name]
    mutate(monkeypatch)

    with pytest.raises(Broken, match=law):
        play_all()


def test_the_right_one_is_not() -> None:
    play_all()


def play_all() -> None:
    for seed in SEEDS:
        play(seed, HOURS, check_every=4)
