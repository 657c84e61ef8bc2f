"""What every part of the engine stands on: the state, and the one way to change it."""

from __future__ import annotations

from collections.abc import Iterable

from respq.config import NAME_BYTES_MAX
from respq.engine.jobs.cron import Zones
from respq.engine.jobs.events import Told, events_of
from respq.engine.jobs.job import DELAYED, Job
from respq.engine.jobs.queue import DEFAULT_SETTINGS, FOREVER_MS, Queue
from respq.engine.keys.records import KeyRemoved
from respq.engine.keys.watch import Name, Watch, Watches
from respq.engine.records import QueueMade, QueueSettings, Record
from respq.engine.state import APPLY, State
from respq.errors import NoQueue, Paused, SyntaxFault, TooBig, WrongType

WRONG_TYPE = "Operation against a key holding the wrong kind of value"
"""Redis' text."""


class EngineCore:
    """A state, and the records emitted since they were last taken.

    The engine checks, then emits: a method raises before its first record or not at all.
    """

    def __init__(self, state: State, zones: Zones) -> None:
        self.state = state
        self.zones = zones
        self.records: list[Record] = []
        """Emitted and not yet taken, oldest first."""
        self.sizes: list[int] = []
        """Transactions of several records: flat pairs of index and length."""
        self.changes = 0
        """Records emitted ever: what has been found to be so is so as long as it stands."""
        self._listening = False
        self._watches = Watches()
        self._observed = False
        """Whether anybody listens or watches."""
        self.serving = False
        """Whether it is a client that has waited whose command runs; kept by the broker."""
        self.expired_keys = 0
        """How many keys went because their time was over, since the start."""
        self.lost_items = 0
        """How many things that were popped for clients who were gone could not be put back."""
        self.draws = 0
        """How often something was drawn at random."""
        self.events: list[Told] = []
        """What happened since the broker last told it, oldest first."""

    def emit(self, record: Record) -> None:
        """Make a fact true and remember it for the journal."""
        if self._observed:
            self._observe(record)
        APPLY[record.__class__](self.state, record)  # As `State.apply`, without a call.
        self.records.append(record)
        self.changes += 1

    def emit_again(self, record: Record) -> None:
        """Say again for the journal what is so: nobody is told."""
        self.state.apply(record)
        self.records.append(record)
        self.changes += 1

    def _observe(self, record: Record) -> None:
        if self._listening:
            self.events += events_of(self.state, record)
        if self._watches:
            self._watches.note(self.state, record)

    @property
    def listening(self) -> bool:
        """Whether anybody may want to know of events; kept by the broker."""
        return self._listening

    @listening.setter
    def listening(self, listening: bool) -> None:
        self._listening = listening
        self._observed = listening or bool(self._watches)

    def watch(self, watch: Watch, now_ms: int, names: Iterable[Name]) -> None:
        """Have a client be told if one of these keys or queues changes from now on."""
        names = list(names)
        for db, name in names:
            key = self.state.keys.names[db].find(name)
            if key is not None and key.is_over(now_ms):
                self.emit(KeyRemoved(key.number))
        self._watches.add(watch, names)
        self._observed = True

    def unwatch(self, watch: Watch) -> None:
        """Have it be told no more."""
        self._watches.remove(watch)
        watch.is_broken = False
        self._observed = self._listening or bool(self._watches)

    def has_changed(self, watch: Watch, now_ms: int) -> bool:
        """Tell whether something that a client watches is not as it was, or has expired."""
        if not watch.names:
            return False
        keys = [self.state.keys.names[db].find(name) for db, name in watch.names]
        return watch.is_broken or any(key is not None and key.is_over(now_ms) for key in keys)

    def end_transaction(self, start: int) -> None:
        """Make one transaction of the records emitted since there were ``start``."""
        length = len(self.records) - start
        if length > 1:
            self.sizes += (start, length)

    def take_records(self) -> tuple[list[Record], list[int]]:
        """Hand over the records and the sizes of transactions, and begin anew."""
        taken = self.records, self.sizes
        self.records, self.sizes = [], []
        return taken

    def take_events(self) -> list[Told]:
        """Hand over the events, and begin anew."""
        events, self.events = self.events, []
        return events

    def next_number(self) -> int:
        """Draw a server-wide number: an object's name, or a place in an order."""
        number = self.state.next_number
        self.state.next_number = number + 1
        return number

    def next_order(self, *, front: bool = False) -> int:
        """Draw a place behind all jobs, or before them: one below 0."""
        return self.draw_front(1) if front else self.next_number()

    def place_of(self, job: Job, *, front: bool = False) -> int:
        """Draw the place at which a job comes back: behind all others, or before them.

        Where groups are in strict order, one that was handed out before keeps its place.
        """
        options = job.options
        grouped = options is not None and options.group is not None
        if grouped and job.queue.settings.group_concurrency == 1 and job.fence and not front:
            return job.order
        return self.next_order(front=front or (job.order < 0 and job.phase == DELAYED))

    def draw_front(self, count: int) -> int:
        """Draw places before all jobs, and return the first of them; the others follow it."""
        self.state.first_order -= count
        return self.state.first_order

    def queue(self, db: int, name: bytes) -> Queue:
        """Return the queue of that name; raise `NoQueue` if there is none."""
        queue = self.state.names[db].get(name)
        if queue is None:
            self.refuse_key(db, name)
            raise NoQueue(f"there is no queue '{shown(name)}'")
        return queue

    def queue_or_none(self, db: int, name: bytes, now_ms: int = 0) -> Queue | None:
        """Return the queue of that name, if there is one; raises as `refuse_key`."""
        queue = self.state.names[db].get(name)
        if queue is None:
            self.refuse_key(db, name, now_ms)
        return queue

    def refuse_key(self, db: int, name: bytes, now_ms: int = 0) -> None:
        """Raise `WrongType` for the name of a key that is no queue, unless it is over.

        To a client that has waited for a queue there is just none.
        """
        key = self.state.keys.names[db].find(name)
        if key is not None and not key.is_over(now_ms) and not self.serving:
            raise WrongType(WRONG_TYPE)

    def queue_or_new(self, now_ms: int, db: int, name: bytes) -> Queue:
        """Return the queue of that name; make it if there is none. Its name has been checked."""
        queue = self.state.names[db].get(name)
        return self.make_queue(now_ms, db, name) if queue is None else queue

    def make_queue(
        self,
        now_ms: int,
        db: int,
        name: bytes,
        settings: QueueSettings = DEFAULT_SETTINGS,
        *,
        configured: bool = False,
    ) -> Queue:
        """Make a queue that does not exist yet; its name has been checked.

        Raises `WrongType` if a key has it.
        """
        key = self.state.keys.names[db].find(name)
        if key is not None:
            if not key.is_over(now_ms):
                raise WrongType(WRONG_TYPE)
            self.emit(KeyRemoved(key.number))
        number = self.next_number()
        self.emit(QueueMade(number, db, name, now_ms, configured, settings))
        return self.state.names[db][name]


def check_name(what: str, name: bytes) -> None:
    """Raise unless ``name`` is 1 to `NAME_BYTES_MAX` bytes of any kind."""
    if not name:
        raise SyntaxFault(f"{what} is empty, it needs 1 to {NAME_BYTES_MAX} bytes")
    if len(name) > NAME_BYTES_MAX:
        raise TooBig(f"{what} is {len(name)} bytes long, the limit is {NAME_BYTES_MAX}")


def paused(now_ms: int, queue: Queue, until_ms: int, what: str) -> Paused:
    """Return the error for what a queue takes none of until then."""
    end = "" if until_ms == FOREVER_MS else f" for another {until_ms - now_ms} ms"
    return Paused(f"queue '{shown(queue.name)}' takes no {what}{end}: QUEUE RESUME ends that")


def shown(name: bytes) -> str:
    """Return a client's bytes as text for a message, cut if long."""
    text = name[:64].decode("ascii", "backslashreplace")
    return text + "…" if len(name) > 64 else text
