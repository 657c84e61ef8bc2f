"""A server in the palm of the hand: broker, engine, virtual clock, journal in a list.

Every step is settled: its records go through the codec into the journal, and every index
is checked. `crash` throws the state away and reads it back from the journal.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from typing import Any

import pytest
from hiredis import Reader

from respq.broker.broker import Broker
from respq.broker.call import Wait
from respq.broker.session import Pop, Session
from respq.config import Settings
from respq.engine import payloads
from respq.engine.codec import decode_records, encode_records
from respq.engine.engine import Engine
from respq.engine.jobs.job import PHASE_NAMES, Job, Notes
from respq.engine.jobs.queue import Queue
from respq.engine.keys.space import Keyspace
from respq.engine.records import AnyRecord, Trimmed
from respq.engine.spread import Spread
from respq.engine.state import AWAY, State
from respq.errors import RespqError
from respq.handlers import command_table
from respq.resp.encoder import encode
from respq.resp.parser import Arrived
from respq.resp.replies import Encoded, Push, Replies, Reply
from respq.resp.run import Run, gather
from respq.runtime.zones import load_zone

START_MS = 1_700_000_000_000


class Waits:
    """What `Client.say` returns when the client is blocked."""

    def __repr__(self) -> str:
        return "WAITS"


WAITS = Waits()


class Client:
    """One client; what reaches it later is in ``inbox``."""

    def __init__(self, harness: Harness, session: Session) -> None:
        self.harness = harness
        self.session = session
        self.inbox: list[Any] = []
        self.pops: list[Pop] = []
        """Of the last reply that it was sent."""

    def say(self, line: str) -> Any:
        """Run one command, written as in a shell."""
        return self.ask(*(word.encode() for word in shlex.split(line)))

    def ask(self, *request: bytes) -> Any:
        """Run one command, and return its reply or `WAITS`."""
        reply = self.harness.broker.execute(self.session, list(request), self.harness.now_ms)
        self.pops = self.session.take_pops()
        self.harness.settle()
        if isinstance(reply, Wait) and reply.db == AWAY:
            return self.take_answer() if self.session.waiter is None else WAITS
        return WAITS if isinstance(reply, Wait) else reply

    def take_answer(self) -> Any:
        """Take the last reply out of what reached it."""
        place = max(at for at, each in enumerate(self.inbox) if not isinstance(each, Push))
        return self.inbox.pop(place)

    def messages(self) -> list[tuple[Any, ...]]:
        """Take what it was told on channels and has not looked at, each message as a tuple."""
        told = [each for each in self.inbox if isinstance(each, Push)]
        self.inbox = [each for each in self.inbox if not isinstance(each, Push)]
        return [tuple(each.items) for each in told]

    def pipeline(self, *lines: str) -> list[Any]:
        """Run the commands of one read, and return their replies as a client reads them."""
        requests = arrived([word.encode() for word in shlex.split(line)] for line in lines)
        out: list[bytes] = []
        pops: list[Pop] = []
        left = requests
        while left:
            more, left = self.harness.broker.execute_all(self.session, left, self.harness.now_ms)
            out += more
            pops += self.session.take_pops()
            waits = self.session.waiter is not None
            self.harness.settle()
            if waits and self.session.waiter is not None:
                break
            if waits:
                # It waited for payloads.
                out.append(encode(self.take_answer(), self.session.protocol))
                pops += self.pops
        self.pops = pops
        reader = Reader()
        reader.feed(b"".join(out))
        return [reader.gets() for _ in out]


class Harness:
    """Drives a `Broker` through virtual time and keeps what its engine recorded."""

    def __init__(self, settings: Settings | None = None, *, lets_go: bool = False) -> None:
        """Begin with an empty server.

        With ``lets_go`` no payload stays in memory behind a step, however small.
        """
        self.settings = settings or Settings()
        self.lets_go = lets_go
        self.reads = True
        """Whether payloads that are wanted are put back at the end of each step; see `read`."""
        self.damaged: set[int] = set()
        """Positions of batches that cannot be read back."""
        self.now_ms = START_MS
        self.journal: list[bytes] = []
        self.forgotten = 0
        """How many of the oldest batches a replay does not see any more."""
        self.drawn: list[int] = []
        """The next number behind each batch."""
        self.clients: dict[int, Client] = {}
        self._start(State())
        self.engine.state.build_indexes()
        self.default = self.client()

    def _start(self, state: State) -> None:
        self.engine = Engine(state, load_zone)
        self.errors: list[Exception] = []
        self.broker = Broker(self.engine, command_table(), self.settings, report=self.errors.append)
        self.broker.read_payloads = self._read_some

    def client(self) -> Client:
        """Connect another client."""
        session_id = len(self.clients) + 1
        session = self.broker.open_session(
            session_id, address=f"127.0.0.1:{50_000 + session_id}", created_ms=self.now_ms
        )
        client = self.clients[session_id] = Client(self, session)
        return client

    def say(self, line: str) -> Any:
        """Run one command as the default client."""
        return self.default.say(line)

    def refusal(self, line: str) -> str:
        """Run one command that must be refused and leave no trace; return the error line."""
        before = self.image(), len(self.journal)
        reply = self.say(line)
        assert isinstance(reply, RespqError), reply
        assert (self.image(), len(self.journal)) == before
        return f"{reply.prefix} {reply}"

    def pass_ms(self, elapsed_ms: int) -> None:
        """Let time pass, and everything happen that is due then."""
        self.now_ms += elapsed_ms
        while self.broker.tick(self.now_ms):
            self.settle()
        self.settle()

    def undo(self, client: Client) -> None:
        """Have a client's last reply never reach it, as the runtime does then."""
        pops, client.pops = client.pops, []
        for job, fence in reversed(pops):
            self.engine.undo(self.now_ms, job, fence)
            self.engine.settle(self.now_ms)
        self.broker.serve(self.now_ms)
        self.settle()

    def settle(self) -> None:
        """Journal what was emitted, hand out replies, check every index."""
        records, sizes = self.engine.take_records()
        if records:
            self.journal.append(encode_records(records, sizes))
            self.engine.state.position = len(self.journal) + 1
            self.drawn.append(self.engine.state.next_number)
        self.broker.tell_events()
        outbox, self.broker.outbox = self.broker.outbox, []
        for session, reply in outbox:
            client = self.clients[session.id]
            if isinstance(reply, Replies):
                client.inbox += reply
                continue
            client.pops = session.take_pops()
            client.inbox.append(decoded(reply))
        if self.lets_go:
            self.let_go()
        self.engine.check()
        if self.engine.state.wanted and self.reads:
            self.read()

    def let_go(self) -> None:
        """Have no payload in memory but for those that are not in the journal yet."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(payloads, "LET_GO_BYTES_MIN", 0)
            patch.setattr(payloads, "AHEAD_JOBS", 0)
            for _ in self.engine.letting_go(len(self.journal), 0):
                pass

    def read(self) -> None:
        """Put payloads back that are wanted, as the runtime does between turns."""
        self._read_some()
        self.broker.serve(self.now_ms)
        self.settle()

    def _read_some(self) -> None:
        asked = self.engine.take_wanted(1_000)
        self.engine.put_back(
            {
                at: None if at in self.damaged else decode_records(self.journal[at - 1])
                for at in asked
            },
            asked,
        )

    def payload(self, job: Job) -> bytes:
        """Return the payload of a job, wherever it is."""
        if isinstance(job.payload, bytes):
            return job.payload
        records = decode_records(self.journal[job.position - 1])
        *_, found = (p for _, number, p in payloads.payloads_of(records) if number == job.number)
        return found

    def replayed(self) -> State:
        """Return the state that the journal alone gives."""
        state = State()
        for state.position, body in enumerate(self.journal[self.forgotten :], self.forgotten + 1):
            for record in decode_records(body):
                state.apply(record)
        state.next_number = self.engine.state.next_number
        state.next_fence = self.engine.state.next_fence
        # A change of an object that is not there would keep the server from starting.
        below = state.trimmed.below if state.trimmed is not None else 1
        assert state.passed_over < below
        assert not state.unmade
        state.position = len(self.journal) + 1
        state.build_indexes()
        return state

    def compaction(self, batches: int, *, forget: bool = True) -> Iterator[None]:
        """Say again what lives of the oldest batches, record by record, then forget them."""
        end = min(self.forgotten + batches, len(self.journal))
        if end == self.forgotten:
            return
        for position in range(self.forgotten + 1, end + 1):
            records = decode_records(self.journal[position - 1])
            for _ in self.engine.relocate(self.now_ms, position, records):
                yield
        self.engine.emit(Trimmed(end + 1, 0, self.drawn[end - 1]))
        self.settle()
        if forget:
            self.forgotten = end

    def compact(self, batches: int) -> None:
        """Compact at one go."""
        for _ in self.compaction(batches):
            pass

    def crash(self, down_ms: int = 0, shortage: RespqError | None = None) -> None:
        """Lose everything but the journal, and start again from it; clients are gone.

        There may be a shortage when it starts.
        """
        state = self.replayed()
        discard(self.engine.state)
        self._start(state)
        self.clients.clear()
        self.now_ms += down_ms
        if shortage is not None:
            self.broker.refuse_growth(self.now_ms, shortage)
        self.engine.start(self.now_ms)
        self.settle()
        self.default = self.client()

    def image(self) -> dict[str, Any]:
        """Return everything about the state, with all payloads, wherever they are."""
        return image(
            self.engine.state,
            self.now_ms,
            payloads_by(
                self.engine.state, lambda positions: {at: self._records(at) for at in positions}
            ),
        )

    def _records(self, position: int) -> list[AnyRecord]:
        return decode_records(self.journal[position - 1])

    def queue(self, name: str) -> Queue:
        """Return a queue of database 0."""
        return self.engine.queue(0, name.encode())

    def job(self, queue: str, job_id: bytes) -> Job | None:
        """Return a job by its id."""
        found = self.engine.state.names[0].get(queue.encode())
        return found.find(job_id) if found is not None else None

    def phase(self, queue: str, job_id: bytes) -> str:
        """Return the phase of a job by name, ``gone`` if there is no such job."""
        job = self.job(queue, job_id)
        return PHASE_NAMES[job.phase].decode() if job is not None else "gone"


def decoded(reply: Reply) -> Reply:
    """Return a reply that may be encoded already as if it were not."""
    if not isinstance(reply, Encoded):
        return reply
    reader = Reader()
    reader.feed(reply.data)
    return tuple(reader.gets())


def arrived(requests: Iterable[list[bytes]]) -> Arrived:
    """Return requests as the parser does for a pipeline: those that make a run as one."""
    made: Arrived = []
    others: list[list[bytes]] = []
    for head, alike in groupby(requests, lambda request: request[:-1]):
        run = Run(head, [request[-1] for request in alike])
        if head and len(run) > 1:
            made += [*gather(others), run]
            others = []
        else:
            others += run
    return [*made, *gather(others)]


def discard(state: State) -> None:
    """Let a state be freed: its jobs refer to their queue unseen by the garbage collector."""
    for queue in state.queues.values():
        queue.jobs, queue.leases, queue.dead, queue.ids = {}, Spread(), {}, Spread()
        queue.ready.clear()
    state.graveyard.clear()
    state.remains.clear()
    state.keys = Keyspace()


def image(
    state: State, now_ms: int = 0, payload: Callable[[Job], bytes | int] = attrgetter("payload")
) -> dict[str, Any]:
    """Return everything about a state as plain values that can be compared.

    Answers that are over by ``now_ms`` are left out: whether they are still there is all the same.
    ``payload`` finds the payload of a job.
    """
    return {
        "numbers": (state.next_number, state.next_fence),
        "queues": {
            number: _queue_image(queue, now_ms, payload) for number, queue in state.queues.items()
        },
        "names": [{name: q.number for name, q in names.items()} for names in state.names],
        "schedules": {number: _fields(s) for number, s in state.schedules.items()},
        "keys": {
            key.number: (key.db, key.name, key.expires_ms, key.value.code, key.value.plain())
            for key in state.keys
        },
        "key names": [
            {name: key.number for name, key in keys.items()} for keys in state.keys.names
        ],
        "orders": {name: _fields(order) for name, order in state.orders.items()},
    }


def payloads_by(
    state: State, read: Callable[[list[int]], payloads.Batches]
) -> Callable[[Job], bytes | int]:
    """Return what finds the payload of each job of a state, in the journal if it is away."""
    jobs = [job for queue in state.queues.values() for job in queue]
    away = {job.position for job in jobs if isinstance(job.payload, int)}
    said = {
        (position, number): payload
        for position, records in read(sorted(away)).items()
        for _, number, payload in payloads.payloads_of(records or ())
    }

    def find(job: Job) -> bytes | int:
        if isinstance(job.payload, int):
            return said[job.position, job.number]
        return job.payload

    return find


def _queue_image(
    queue: Queue, now_ms: int, payload: Callable[[Job], bytes | int]
) -> dict[str, Any]:
    return {
        "about": (queue.number, queue.db, queue.name, queue.made_ms, queue.active_ms),
        "configured": queue.configured,
        "pauses": _fields(queue.pauses),
        "paid_until": (queue.paid_until, queue.push_paid_until),
        "settings": queue.settings,
        "totals": queue.totals.as_list(),
        "counts": list(queue.counts),
        "jobs": {job.number: (payload(job), *_job_image(job)) for job in queue},
        "ready": [job.number for job in queue.ready],
        "leases": {receipt: job.number for receipt, job in queue.leases.items()},
        "dead": list(queue.dead),
        "ids": {job_id: job.number for job_id, job in queue.ids.items()},
        "keys": {key: job.number for key, job in queue.keys.items()},
        "flows": {flow: sorted(members) for flow, members in queue.flows.items()},
        "purging": queue.purging,
        "orphaned": queue.orphaned,
        "cancelling": {flow: _fields(each) for flow, each in queue.cancelling.items()},
        "gates": {group: gate.until_ms for group, gate in queue.gates.items()},
        "windows": {key: (w.id, w.until_ms) for key, w in queue.windows.items()},
        "answers": {
            key: (a.ids, a.until_ms) for key, a in queue.answers.items() if a.until_ms > now_ms
        },
        "schedules": {name: s.number for name, s in queue.schedules.items()},
    }


def _job_image(job: Job) -> tuple[Any, ...]:
    notes = job.notes
    return (
        job.priority,
        job.pushed_ms,
        job.since_ms,
        job.order,
        job.phase,
        job.due_ms,
        job.options,
        None if notes is None or notes == Notes() else _fields(notes),
        job.fence,
        job.holder,
        job.receipt,
        job.ready_ms,
    )


def _fields(struct: Any) -> tuple[Any, ...]:
    return tuple(getattr(struct, name) for name in struct.__struct_fields__)
