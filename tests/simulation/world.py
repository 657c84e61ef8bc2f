"""A world in one thread: a server that dies, its disk, its clocks, its clients, and the laws.

    scripts ─► Actor ─► Wire ─► Connection ─► Core ─► Broker ─► Engine      all but Wire, Disk
                                               │ Committer ─► journal ─► Disk   and clocks is real
    laws ◄── replies as they are written ──────┘          └─► ledger of all that was committed

Everything is drawn from one seed: the same seed is the same run, byte for byte, whatever the
machine does meanwhile. After each event that changed the state, or each few of them, every index
is checked; after each end of a process, and now and then, what the journal alone gives is compared
with the state.
"""

from __future__ import annotations

import hashlib
import struct
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, cast
from unittest.mock import patch

from respq import __version__
from respq.broker.broker import Broker
from respq.broker.session import Session
from respq.config import Settings
from respq.engine import engine as engine_module
from respq.engine import payloads
from respq.engine.engine import Engine
from respq.engine.jobs import flow, purge
from respq.engine.jobs.job import BLOCKED, DEAD, DONE
from respq.engine.records import EpochStarted
from respq.engine.state import AWAY, State
from respq.errors import CommitFailed, DiskShort
from respq.handlers import command_table
from respq.journal.replay import Replayed, replay
from respq.runtime.clock import Clock
from respq.runtime.committer import Committer
from respq.runtime.compactor import Compactor
from respq.runtime.core import Core
from respq.runtime.payloads import PayloadReader, read_batches
from respq.runtime.zones import load_zone
from respq.server.app import StoppedWhileLoading
from respq.server.connection import Connection
from tests.harness import discard, image, payloads_by
from tests.simulation import clients
from tests.simulation.clients import Command, Script, Shared
from tests.simulation.disk import Disk, Fault, SimulatedJournal, SimulatedWriter
from tests.simulation.laws import Broken, Laws, demand
from tests.simulation.network import GRID_S, LOST, Request, Wire
from tests.simulation.virtual import Beside, Killed, ProcessLoop, Timeline

START_MS = 1_700_000_000_000
REPLAY_EVERY = 150
"""Changes between two comparisons of the state with what the journal gives."""
MOST_LATE_MS = 5_000
"""After so long something that is due and not done is forgotten."""
QUIET_S = 400.0
"""At the end, without faults and new work: whatever was begun goes on by itself."""
NOTICED_S = 300.0
"""Until when somebody asks for something, and so shows the server that the clock has jumped."""


class Log:
    """What a server says, to nobody."""

    def debug(self, *_: object, **__: object) -> None: ...
    def info(self, *_: object, **__: object) -> None: ...
    def warning(self, *_: object, **__: object) -> None: ...
    def error(self, *_: object, **__: object) -> None: ...


class Process:
    """One life of the server: what `respq.server.app` puts together, on simulated seams."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.log = Log()
        self.settings = world.settings
        self.is_stopping = False
        self.loop = ProcessLoop(world.timeline, world.chance)  # type: ignore[abstract]
        self.loop.on_error = self.fail
        self.began_s = world.timeline.now_s
        """When it was ready."""
        self.starts_short = False
        """Whether there is a shortage when it is ready."""
        self.compactor: Compactor | None = None
        self.wires: dict[int, Wire] = {}
        """By session id."""
        self.payload_reader: PayloadReader | None = None
        self._next_session_id = 1
        self.journal = SimulatedJournal(world.disk, self.loop)
        self.engine = Engine(State(), load_zone)
        self.broker = Broker(
            self.engine, command_table(), self.settings, report=world.unexpected.append
        )
        self.broker.loading = True
        self.clock = Clock(world.wall_ns, world.steady_ns, self.loop.stopwatch_s)
        self.core = Core(self.broker, self.clock, self.settings, self.loop, fail=self.fail)
        self.writer = SimulatedWriter(world.disk, self.loop)

    @property
    def is_loading(self) -> bool:
        """Whether the journal is still being read back."""
        return self.broker.loading

    def load(self) -> None:
        """Read the journal back, with clients about meanwhile, and open for business."""
        world, journal, engine = self.world, self.journal, self.engine
        replayed = Replayed()
        keeps = world.other_chance.random() < 0.5
        replay(
            Reading(self),
            engine.state,
            lambda sentence: None,
            replayed,
            keeps_payloads=lambda: keeps,
        )
        self.clock.start_from(replayed.now_ms)
        epoch = replayed.epoch + 1
        self.committer = Committer(
            journal,
            position=replayed.next_position,
            checksum=replayed.checksum,
            epoch=epoch,
            writer=self.writer,
            stopwatch_s=world.disk_stopwatch_s,
        )
        self.compactor = Compactor(
            engine,
            journal,
            segment_bytes=self.settings.segment_bytes,
            report=world.unexpected.append,
            reader=Beside(world.timeline, self.loop, world.reading_s),
            stopwatch_s=self.loop.stopwatch_s,
        )
        self.payload_reader = PayloadReader(
            self.core,
            cast(Any, journal),
            report=world.unexpected.append,
            reader=Beside(world.timeline, self.loop, world.payloads_s),
        )
        demand(not engine.changes, "nothing is done while the journal is read", engine.records)
        world.laws.ledger.compare(engine.state)
        engine.emit(EpochStarted(epoch, self.clock.now_ms(), __version__))
        if self.starts_short:
            world.refuse_growth(self)
        engine.start(self.clock.now_ms())
        self.core.start(self.committer, self.compactor, self.payload_reader)
        self.broker.loading = False
        self.began_s = world.timeline.now_s
        self.core.begin_turn()

    # What a `Connection` asks of a server.

    def open_session(self, client: Connection, address: str, local_address: str) -> Session:
        """Make the session of a new connection."""
        session_id = self._next_session_id
        self._next_session_id += 1
        self.core.clients[session_id] = client
        self.wires[session_id] = cast(Wire, client.transport)
        return self.broker.open_session(
            session_id,
            address=address,
            local_address=local_address,
            buffered=client.buffered,
            created_ms=self.clock.now_ms(),
        )

    def close_session(self, client: Connection) -> None:
        """Forget a connection that is gone."""
        self.core.clients.pop(client.session.id, None)
        self.wires.pop(client.session.id, None)
        self.broker.close_session(client.session)

    def stop(self) -> None:
        """Drain."""
        self.is_stopping = True
        self.core.stop_compacting()
        self.broker.drain()
        self.core.begin_turn()

    def fail(self, error: BaseException) -> None:
        """End because the journal failed; nothing else may end a server."""
        self.core.failed = True
        if isinstance(error, CommitFailed):
            self.world.process_failed(self)
        else:
            self.world.unexpected.append(error)

    def connect(self, wire: Wire) -> None:
        """Take a connection."""
        wire.connect(Connection(cast(Any, self)))


class Reading:
    """The journal of a process that reads it back: the world goes on while it does."""

    def __init__(self, process: Process) -> None:
        self.cut = process.journal.cut
        self._process = process

    def read(self, position: int) -> Iterator[tuple[int, bytes]]:
        """Yield position and blob as the journal does, each in its time."""
        process, world = self._process, self._process.world
        rows = list(process.journal.read(position))
        began_s = world.timeline.now_s
        ends_s = world.loaded_s(process) if rows else began_s
        for place, row in enumerate(rows, 1):
            yield row
            world.go_on(process, began_s + (ends_s - began_s) * place / len(rows))


@dataclass
class Death:
    """How the server is to end."""

    machine: bool
    commits: int
    """At which of the next ones at the latest."""


class Actor:
    """Plays a script: connects, asks, and gives it the replies, or that there are none."""

    def __init__(
        self, world: World, name: str, script: Script, greeting: Sequence[Command] = ()
    ) -> None:
        self.world = world
        self.name = name
        self.greeting = greeting
        """What it says first on each connection."""
        self.wire: Wire | None = None
        self._script = script
        self._asked: list[Request] = []
        self._missing = 0
        self._go_on(None)

    def _go_on(self, replies: list[Any] | None) -> None:
        """Let the script say what comes next."""
        wanted = self._script.send(cast(Any, replies))
        if isinstance(wanted, float):
            self.world.timeline.after(wanted, self._go_on, None)
        else:
            self._asked = [Request(_words(command)) for command in wanted]
            if self._asked[-1].words[0] == b"EXEC":
                begin = next(n for n, each in enumerate(self._asked) if each.words == [b"MULTI"])
                self._asked[-1].queued = self._asked[begin + 1 : -1]
            self._missing = len(self._asked)
            self._ask()

    def _ask(self) -> None:
        greetings: list[Request] = []
        if self.wire is None:
            self.wire = self.world.connect(self)
            greetings = [Request(_words(command)) for command in self.greeting]
            for request in greetings:
                request.is_greeting = True
        if self.wire is None:
            self.world.timeline.after(self.world.chance.uniform(0.1, 4.0), self._ask)
            return
        self.wire.is_hurried = self.world.shared.is_hurried
        self.wire.send(greetings + self._asked)

    def written(self, wire: Wire, replies: list[tuple[Request | None, Any]]) -> None:
        """Have the laws look at what the server says at once, as it says it."""
        world, laws, process = self.world, self.world.laws, self.world.process
        is_loading = process is not None and process.is_loading
        for request, reply in replies:
            world.digest.update(repr((self.name, reply)).encode())
            if request is None:
                laws.heard(wire, reply)
                continue
            world.count["replies while loading"] += is_loading
            laws.written(request, reply, is_loading=is_loading)
            if request.words[0] in (b"PSUBSCRIBE", b"PUNSUBSCRIBE"):
                laws.subscribed(wire, request, reply)
        laws.compared(replies)

    def received(self, request: Request | None, reply: Any) -> None:
        """Take a reply; a message is heard and forgotten, and a greeting needs none."""
        if request is None or request.is_greeting:
            return
        request.reply = reply
        self._missing -= 1
        self.world.count["replies"] += 1
        if not self._missing:
            self._finish()

    def disconnected(self) -> None:
        """Learn that the connection is gone."""
        self.wire = None
        if self._missing:
            self.world.count["lost replies"] += self._missing
            self._missing = 0
            self._finish()

    def _finish(self) -> None:
        replies = [request.reply for request in self._asked]
        self._go_on(replies)


def _words(command: Command) -> Sequence[bytes]:
    return command.encode().split() if isinstance(command, str) else command


@dataclass
class World:
    """Everything, and what happens to it."""

    seed: int
    hours: float
    check_every: int = 1
    """So many events change the state between two looks at every index: those take long."""
    count: Counter[str] = field(default_factory=Counter)
    """What happened, how often."""
    steps: int = 0
    unexpected: list[Any] = field(default_factory=list)
    """Errors that nobody foresaw."""

    def __post_init__(self) -> None:
        chance = self.chance = Random(self.seed)
        self.other_chance = Random(f"payloads {self.seed}")
        """By which payloads are let go and read back: that is to change little else of a run."""
        self.timeline = Timeline()
        self.digest = hashlib.sha256()
        self.laws = Laws()
        self.settings = Settings(
            fsync=chance.choice(("always", "always", "everysec", "no")),
            segment_bytes=chance.choice((2_048, 8_192, 40_000)),
            batch_bytes_max=chance.choice((300, 262_144)),
            uncommitted_bytes_max=chance.choice((600, 67_108_864)),
            output_buffer_bytes_max=chance.choice((6_000, 67_108_864)),
        )
        self.disk = Disk(
            self.timeline,
            chance,
            mode=self.settings.fsync,
            segment_bytes=self.settings.segment_bytes,
        )
        self.disk.on_commit = self.committed
        self.disk.on_trim = self.laws.forgotten
        self.disk.on_begin = self._begin_commit
        self.wall_ahead_ms = 0.0
        self.jumped_s = 0.0
        self.is_quiet = False
        self.process: Process | None = None
        self.shared = Shared(chance)
        self._checked = -1
        self._unchecked = 0
        self._compared = 0
        self._late_since_s: float | None = None
        self._disk_s = 0.0
        self._stopping_s = 0.0
        self._death: Death | None = None

    # Clocks.

    def wall_ms(self) -> float:
        """Return what the wall clock shows, which jumps."""
        return START_MS + self.timeline.now_s * 1_000 + self.wall_ahead_ms

    def wall_ns(self) -> int:
        """Return the same in nanoseconds, to the microsecond: a float holds no more."""
        return round(self.wall_ms() * 1_000) * 1_000

    def steady_ns(self) -> int:
        """Return what the steady clock shows."""
        return round(self.timeline.now_s * 1_000_000_000)

    def disk_stopwatch_s(self) -> float:
        """Return the time that the disk has taken; asked before and behind each commit."""
        return self._disk_s

    def reading_s(self) -> float:
        """Return how long it takes to read some batches."""
        return self.chance.expovariate(1 / (0.001 if self.disk.pace == "fast" else 0.1))

    def payloads_s(self) -> float:
        """Return how long it takes to read some batches for their payloads."""
        return self.other_chance.expovariate(1 / self.other_chance.choice((0.000_1, 0.01, 1.0)))

    def committed(self, position: int, blob: bytes) -> None:
        """Let the time of a commit pass, and note it in the ledger."""
        seconds = self.disk.take_seconds()
        self._disk_s += seconds
        process = self.process
        if process is not None and process.committer.inline:
            self.timeline.spend(seconds)
        self.digest.update(struct.pack("<dq", self.timeline.now_s, position) + blob)
        try:
            self.laws.committed(position, blob)
        except Broken as broken:
            self.unexpected.append(broken)  # Whoever commits takes it for a fault of the disk.
            raise
        self.count["commits"] += 1
        if process is not None and process.committer.inline and self._is_to_die(process):
            raise Killed

    def _begin_commit(self, seconds: float) -> None:
        """Have a process that is to die do so while the disk is at it, or just behind."""
        if self.process is not None and self._is_to_die(self.process):
            self.timeline.after(seconds * self.chance.uniform(0.0, 1.2), self._die)

    def _is_to_die(self, process: Process) -> bool:
        """Tell whether the server ends with this commit, if possible one of several slices."""
        death = self._death
        if death is None:
            return False
        death.commits -= 1
        state = process.engine.state
        is_halfway = state.untold or state.cancelling or state.purging
        return bool(is_halfway) or death.commits <= 0

    # The run.

    def run(self) -> None:
        """Play it all; raise `Broken` for a law that does not hold."""
        with small_slices():
            try:
                self._run()
            finally:
                if self.process is not None:
                    discard(self.process.engine.state)

    def _run(self) -> None:
        self._start()
        self._cast()
        end_s = self.hours * 3_600
        self._plan_fault()
        self._let_go_later()
        while self.timeline.next_s() < end_s:
            self._step()
        self.is_quiet = self.shared.quiet = True
        self.shared.is_hurried = False
        self._death = None
        self.disk.pace, self.disk.fault, self.disk.full_until_s = "fast", "", 0.0
        self.disk.trim_fails = False
        self._clock_corrected()
        self._start_again()
        for actor in self.actors:
            if actor.wire is not None:
                actor.wire.read_again()
        while self.timeline.next_s() < end_s + QUIET_S:
            self._step()
        self._settle()
        self._crash(machine=True)
        self._start()
        self._settle()

    def _cast(self) -> None:
        """Have everybody begin."""
        shared, chance = self.shared, self.chance
        self._pace = pace = chance.choice((30.0, 60.0, 90.0))
        scripts: list[tuple[str, Script]] = [
            *(
                (name, clients.producer(shared, pace, clients.HOMES.get(name, 0)))
                for name in (f"producer {each}" for each in range(3))
            ),
            *((f"w{each}", clients.worker(shared, f"w{each}", pace / 2)) for each in range(4)),
            ("in order", clients.in_order(shared, pace * 2)),
            ("its consumer", clients.in_order_consumer(shared, pace)),
            ("parents", clients.parents(shared, pace)),
            ("scheduler", clients.scheduler(shared, pace * 3)),
            ("operator", clients.operator(shared, pace / 4)),
            ("prober", clients.prober(shared, pace * 2)),
            ("wanderer", clients.wanderer(shared, pace * 2)),
            ("comparer", clients.comparer(shared, pace * 2)),
            ("talker", clients.talker(shared, pace * 2)),
            ("listener", clients.listener(shared)),
        ]
        self.actors = [Actor(self, name, script, self._greeting(name)) for name, script in scripts]

    def _greeting(self, name: str) -> list[Command]:
        """Return how somebody greets a server: by the protocol and the database, if at all."""
        chance = self.chance
        in_resp3 = name != "listener" and (name == "talker" or chance.random() < 0.4)
        db = clients.HOMES.get(name, 0)
        greeting: list[Command] = ["HELLO 3"] * in_resp3
        greeting += [f"SELECT {db}"] * (db != 0)
        return greeting if chance.random() < 0.5 else greeting[::-1]

    def _step(self) -> None:
        """Let the next thing happen, and look at the laws."""
        try:
            self.timeline.step()
        except Killed:
            self._die()
        self.steps += 1
        process = self.process
        if self.unexpected:
            error = self.unexpected[0]
            if isinstance(error, Broken):
                raise error
            if isinstance(error, BaseException):
                raise Broken(f"nothing fails unexpectedly: {_trace(error)}") from error
            raise Broken(f"nothing fails unexpectedly: {error}")
        if process is None or process.core.failed:
            return
        engine = process.engine
        if process.is_loading:
            demand(not engine.changes, "nothing is done while the journal is read", engine.records)
            return
        if engine.changes != self._checked:
            self._checked = engine.changes
            self._unchecked += 1
            if self._unchecked >= self.check_every:
                self._unchecked = 0
                check(process, self.laws.ledger.now_ms)
            self._compared += 1
            if self._compared >= REPLAY_EVERY and process.core.is_settled:
                self._compared = 0
                self.compare()
        self._look_for_the_late(process)

    def compare(self) -> None:
        """Hold the state against what the journal gives, and what was committed."""
        process = self.process
        assert process is not None
        if process.is_loading or not process.core.is_settled:
            return
        self.count["replays"] += 1
        live, replayed = process.engine.state, State()
        end = replay(process.journal, replayed, lambda sentence: None)
        demand(end.next_position == process.committer.position, "all is in the journal", end)
        now_ms = end.now_ms
        payload = payloads_by(live, partial(read_batches, cast(Any, process.journal)))
        there, given = image(live, now_ms, payload), image(replayed, now_ms)
        if there != given:
            raise Broken(f"the journal gives the state: {_difference(there, given)}")
        self.laws.ledger.compare(live)
        discard(replayed)
        if not (process.engine.events or process.broker.outbox):
            for wire in process.wires.values():
                if wire.is_heard:
                    self.laws.listened(wire, len(self.laws.ledger.told))

    def _look_for_the_late(self, process: Process) -> None:
        """Find what is due and not done."""
        due_ms = process.broker.next_deadline_ms()
        now_s = self.timeline.now_s
        since_s = max(process.began_s, self.jumped_s) + MOST_LATE_MS / 1_000
        late = due_ms < self.wall_ms() - MOST_LATE_MS and now_s > since_s
        if not late or self.disk.is_stuck:
            self._late_since_s = None
        elif self._late_since_s is None:
            self._late_since_s = now_s
        elif now_s - self._late_since_s > MOST_LATE_MS / 1_000:
            raise Broken(f"what is due is done: since {due_ms}, and it is {self.wall_ms()}")

    def _settle(self) -> None:
        """Let everything that is under way be done, and compare."""
        self._start_again()
        for _ in range(20_000):
            process = self.process
            if process is not None and process.core.is_settled and not process.engine.records:
                break
            self._step()
        self.compare()
        process = self.process
        assert process is not None, "the server is not there at the end"
        blocked_for_good(process.engine.state)

    # The server's lives.

    def _start(self) -> None:
        """Begin a life; what it finds must be all that the mode promises."""
        self.count["starts"] += 1
        self._checked = -1
        if self.count["starts"] > 1 and not self.is_quiet and self.chance.random() < 0.3:
            self._clock_jumps(0.0)  # A machine that comes up may not know what time it is.
        process = self.process = Process(self)
        try:
            process.load()
        except StoppedWhileLoading:
            self.count["ends while loading"] += 1
            if self.process is process:
                self._crash(machine=False)
                self.timeline.after(self._down_s(), self._start_again)
            return
        check(process, 0)
        blocked_for_good(process.engine.state)

    def loaded_s(self, process: Process) -> float:
        """Return when a process will have read its journal; some do not live to see it."""
        began_s, chance = self.timeline.now_s, self.chance
        ends_s = began_s + chance.expovariate(1 / chance.choice((0.1, 2.0, 15.0)))
        if chance.random() < 0.2:
            return began_s
        if chance.random() < 0.6:
            ends_s = (ends_s // GRID_S + 1) * GRID_S
        if chance.random() < 0.2 and not self.is_quiet:
            machine = chance.random() < 0.5
            self.timeline.at(chance.uniform(began_s, ends_s), self._end_now, process, machine)
        return ends_s

    def go_on(self, process: Process, until_s: float) -> None:
        """Let everything happen until then, and perhaps some of what happens then, too.

        Raises:
            StoppedWhileLoading: the process has ended meanwhile, or is to.
        """
        more = self.chance.randrange(8)
        while self.timeline.next_s() < until_s or (self.timeline.next_s() == until_s and more):
            more -= self.timeline.next_s() == until_s
            self._step()
            if self.process is not process or process.is_stopping:
                raise StoppedWhileLoading
        self.timeline.now_s = max(self.timeline.now_s, until_s)

    def process_failed(self, process: Process) -> None:
        """Have a process whose journal failed leave soon, as the server does."""
        self.count["commits that failed"] += 1
        self.timeline.after(self.chance.uniform(0.0, 0.2), self._leave, process)

    def _leave(self, process: Process) -> None:
        if self.process is process:
            self._crash(machine=False)
            self.timeline.after(self.chance.uniform(0.1, 20.0), self._start_again)

    def _start_again(self) -> None:
        if self.process is None:
            self._start()

    def _crash(self, *, machine: bool) -> None:
        """End the process, or the machine with it."""
        process, self.process = self.process, None
        if process is None:
            return
        process.loop.is_alive = False
        if process.compactor is not None:
            self.count["jobs relocated"] += process.compactor.relocated
        self.count["payloads let go"] += process.engine.state.payloads_let_go
        self.count["payloads read back"] += process.engine.state.payloads_read
        if self.disk.mode == "always" and not machine and self.chance.random() < 0.3:
            self.disk.fault = "torn"
        process.writer.end(finish=self.chance.random() < 0.5)
        self.disk.fault = ""
        oldest_s = self.disk.too_old_to_lose_s()
        confirmed = self.disk.confirmed
        last, lost_s = self.disk.end(machine=machine)
        if self.disk.mode == "always" or not machine:
            demand(last >= confirmed, "what was answered is not lost", last, confirmed)
        if self.disk.mode == "everysec":
            demand(lost_s >= oldest_s, "a second is lost at most", lost_s, oldest_s)
        self._find_out(last)
        for wire in list(process.wires.values()):
            wire.server_died(loses=machine or self.chance.random() < 0.5)
        discard(process.engine.state)

    def _find_out(self, last: int) -> None:
        """Have the ledger agree with the disk, which may have less, or one batch more."""
        self.laws.lost(min(last, self.laws.ledger.last))
        for position, blob in self.disk.rows():
            if position > self.laws.ledger.last and position <= self.disk.whole_until():
                self.laws.committed(position, blob)

    # Faults.

    def _plan_fault(self) -> None:
        self.timeline.after(self.chance.expovariate(1 / (self._pace * 6)), self._have_fault)

    def _have_fault(self) -> None:
        if self.is_quiet:
            return
        self._plan_fault()
        fault = self.chance.choice(FAULTS)
        self.count[name_of(fault)] += 1
        fault(self)

    def _process_killed(self) -> None:
        self._kill(machine=False)

    def _machine_lost(self) -> None:
        self._kill(machine=True)

    def _end_now(self, process: Process, machine: bool) -> None:
        if self.process is process:
            self._death = Death(machine, commits=0)
            self._die()

    def _kill(self, *, machine: bool) -> None:
        """Have a process die now, or at one of its next commits."""
        self._death = Death(machine, self.chance.choice((1, 30, 200)))
        if self.chance.random() < 0.2:
            self._die()

    def _die(self) -> None:
        death, self._death = self._death, None
        if death is not None:
            self._crash(machine=death.machine)
            self.timeline.after(self._down_s(), self._start_again)

    def _down_s(self) -> float:
        mean_s = self.chance.choice((0.5, 5.0, 60.0, 900.0))
        return self.chance.expovariate(1 / mean_s)

    def _server_stopped(self) -> None:
        process = self.process
        if process is None or process.core.failed:
            return
        if process.is_loading:
            process.is_stopping = True
            return
        process.stop()
        self._stopping_s = self.timeline.now_s
        self.timeline.after(0.05, self._look_at_drain, process)

    def _look_at_drain(self, process: Process) -> None:
        if self.process is not process or process.core.failed:
            return
        if process.core.is_settled and self.timeline.now_s - self._stopping_s > 2.0:
            self.compare()
            process.journal.close()
            self._crash(machine=False)
            self.timeline.after(self._down_s(), self._start_again)
            return
        process.core.begin_turn()
        self.timeline.after(0.05, self._look_at_drain, process)

    def _commit_fails(self) -> None:
        faults: tuple[Fault, ...] = ("refused", "unconfirmed", "torn")
        self.disk.fault = self.chance.choice(faults)

    def _disk_full(self) -> None:
        self.disk.full_until_s = self.timeline.now_s + self.chance.expovariate(1 / 60.0)

    def _trim_fails(self) -> None:
        self.disk.trim_fails = True

    def _disk_slow(self) -> None:
        self.disk.pace = self.chance.choice(("slow", "slow", "slow", "stuck"))
        self.timeline.after(self.chance.expovariate(1 / 60.0), self._disk_fast)

    def _disk_fast(self) -> None:
        self.disk.pace = "fast"

    def _growth_refused(self) -> None:
        process = self.process
        if process is not None and process.is_loading:
            process.starts_short = True
        elif process is not None and not process.core.failed:
            self.refuse_growth(process)

    def _let_go_later(self) -> None:
        if not self.is_quiet:
            mean_s = self._pace * 4
            self.timeline.after(self.other_chance.expovariate(1 / mean_s), self._let_go_later)
            self._let_go()

    def _let_go(self) -> None:
        """Have no payload in memory but for some at the head of each queue."""
        process = self.process
        if process is not None and not process.is_loading and not process.core.failed:
            committed = process.committer.position - 1
            for _ in process.engine.letting_go(committed, 0):
                pass
            for queue in process.engine.state.queues.values():
                for job in queue:
                    is_there = isinstance(job.payload, bytes) or job.position <= committed
                    demand(is_there, "what is not in the journal is in memory", job.number)

    def refuse_growth(self, process: Process) -> None:
        """Have there be a shortage for a while."""
        shortage = DiskShort("there is too little space")
        process.broker.refuse_growth(process.core.begin_turn(), shortage)
        self.timeline.after(self.chance.expovariate(1 / 90.0), self._growth_taken, process)

    def _growth_taken(self, process: Process) -> None:
        if self.process is process and not process.core.failed:
            process.broker.refuse_growth(process.core.begin_turn(), None)

    def _clock_jumps(self, most: float = 1.0) -> None:
        size_s = self.chance.choice((2.0, 40.0, 4_000.0))
        self.wall_ahead_ms += self.chance.uniform(-1.0, most) * size_s * 1_000
        self.jumped_s = self.timeline.now_s + NOTICED_S
        # While the wall is behind, the server's time runs at half speed: catch up some day.
        self.timeline.after(self.chance.expovariate(1 / 200.0), self._clock_corrected)

    def _clock_corrected(self) -> None:
        self.wall_ahead_ms = max(self.wall_ahead_ms, 0.0)
        self.jumped_s = self.timeline.now_s + NOTICED_S

    def _rush(self) -> None:
        self.shared.is_hurried = True
        self.disk.pace = self.chance.choice(("fast", "slow", "slow"))
        self.timeline.after(3.0, self._end_of_rush)
        if self.chance.random() < 0.4:
            self.timeline.after(self.chance.uniform(1.6, 3.0), self._end_now, self.process, True)

    def _end_of_rush(self) -> None:
        self.shared.is_hurried = False

    def _wires(self) -> list[Wire]:
        return [actor.wire for actor in self.actors if actor.wire is not None]

    def _connection_lost(self) -> None:
        for wire in self._some_wires():
            wire.break_off()

    def _connection_half_closed(self) -> None:
        for wire in self._some_wires():
            wire.half_close()

    def _client_does_not_read(self) -> None:
        for wire in self._some_wires():
            wire.is_slow = True
            self.timeline.after(self.chance.expovariate(1 / 20.0), wire.read_again)

    def _some_wires(self) -> list[Wire]:
        wires = self._wires()
        return self.chance.sample(wires, min(len(wires), self.chance.choice((1, 1, 3, 20))))

    # Connections.

    def connect(self, actor: Actor) -> Wire | None:
        """Return a new connection; None if there is no server."""
        process = self.process
        if process is None or process.core.failed or process.is_stopping:
            return None
        self.count["connections"] += 1
        wire = Wire(
            self.timeline,
            self.chance,
            process.loop,
            name=actor.name,
            on_asked=self.laws.sent,
            on_written=actor.written,
            on_reply=actor.received,
            on_end=actor.disconnected,
        )
        process.connect(wire)
        return wire


FAULTS = (
    *(World._process_killed, World._process_killed, World._machine_lost, World._machine_lost),
    *(World._server_stopped, World._commit_fails, World._disk_full, World._trim_fails),
    *(World._disk_slow, World._disk_slow, World._clock_jumps, World._connection_lost),
    *(World._connection_lost, World._connection_lost, World._connection_half_closed),
    *(World._client_does_not_read, World._rush, World._growth_refused),
)


def name_of(fault: Callable[[World], None]) -> str:
    """Return what a fault is called."""
    return fault.__name__.strip("_").replace("_", " ")


@contextmanager
def small_slices() -> Iterator[None]:
    """Have what goes in slices do so with few jobs, too."""
    with ExitStack() as stack:
        for module, name, size in (
            *((purge, "PURGE_SLICE", 2), (flow, "FLOW_SLICE", 1), (flow, "CANCEL_SLICE", 2)),
            *((engine_module, "DUE_SLICE", 3), (engine_module, "FREE_SLICE", 3)),
            *((payloads, "LET_GO_BYTES_MIN", 0), (payloads, "AHEAD_JOBS", 2)),
        ):
            stack.enter_context(patch.object(module, name, size))
        yield


def check(process: Process, now_ms: int) -> None:
    """Check every index of a server, its totals, and that no one waits in vain.

    ``now_ms`` is not in the future: what is allowed from then on is allowed now.
    """
    engine = process.engine
    try:
        engine.check()
    except AssertionError as error:
        raise Broken(f"every index agrees with the jobs: {_trace(error)}") from error
    for queue in engine.state.queues.values():
        totals = queue.totals
        gone = totals.acked + totals.dropped + totals.purged + totals.deleted + totals.moved
        gone += totals.evicted + totals.forgotten + totals.replaced + totals.cancelled
        there = sum(queue.counts) - len(queue.done)
        came = totals.pushed + totals.returned
        demand(came == there + gone, "totals add up", queue.name, totals, queue.counts)
        waits = (queue.db, queue.name) in process.broker.waiters.names
        demand(not (waits and queue.deliverable(now_ms)), "nobody waits in vain", queue.name)
        waits = (AWAY, queue.number) in process.broker.waiters.names
        is_read = engine.state.wanted or engine.state.reading
        demand(not waits or is_read, "nobody waits in vain for a payload", queue.name)


def blocked_for_good(state: State) -> None:
    """Look whether every job that waits for another will be told when that ends, or has ended."""
    told = {(queue.number, parent) for queue, parent, _, _ in (*state.untold, *state.ended)}
    for queue in state.queues.values():
        for parent in queue.children:
            job = queue.job(parent)
            ended = job is None or job.phase in (DEAD, DONE)
            demand(
                not ended or (queue.number, parent) in told,
                "who waits for a job is told of its end",
                queue.name,
                parent,
                [each.number for each in queue if each.phase == BLOCKED],
            )


def _difference(there: Any, given: Any, path: str = "") -> str:
    """Return where two images differ, and how."""
    if isinstance(there, dict) and isinstance(given, dict):
        for key in [*there, *(each for each in given if each not in there)]:
            if there.get(key, LOST) != given.get(key, LOST):
                return _difference(there.get(key, LOST), given.get(key, LOST), f"{path}/{key}")
    return f"at {path} there is {there!r}, and the journal gives {given!r}"


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)[-3:])
