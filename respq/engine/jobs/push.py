"""How jobs come into a queue, and what a repeated push is told.

A push with ID or IDMP keeps its answer for ten minutes as an object of its own, so that
a producer that never saw the reply gets the same id again, also when the job is long
acknowledged and the server was restarted in between. What two producers bring, or one by two
pushes, is the same by its dedup key (dedup.py).
"""

from __future__ import annotations

from itertools import islice

import msgspec

from respq.config import ANSWER_WINDOW_MS, EVICTED_MAX, META_BYTES_MAX
from respq.engine.core import EngineCore, check_name, paused, shown
from respq.engine.jobs.dedup import REPLACE, RETURN, Dedup, DedupTerms, given_key, payload_key
from respq.engine.jobs.job import DEAD, DONE, EVICTED, LEASED, REPLACED, Job, job_id
from respq.engine.jobs.queue import Queue
from respq.engine.jobs.rate import Rate
from respq.engine.jobs.retry import Backoff
from respq.engine.records import (
    AnswerKept,
    FollowUp,
    JobOptions,
    JobRemoved,
    JobsPushed,
    Labels,
    WindowOpened,
)
from respq.errors import (
    BadPriority,
    Cycle,
    Duplicate,
    MaxLen,
    NoJob,
    RateLimited,
    SyntaxFault,
    TooBig,
    WrongState,
    WrongType,
)

PRIORITY_MIN = -(1 << 63)
PRIORITY_MAX = (1 << 64) - 1


class PushTerms(msgspec.Struct, frozen=True):
    """What a push asks for beyond its payload."""

    priority: bytes | None = None
    """As given; how it is read depends on the queue."""
    delay_ms: int = 0
    at_ms: int = 0
    attempts: int | None = None
    backoff: Backoff | None = None
    lease_ms: int | None = None
    maxlease_ms: int | None = None
    ttl_ms: int | None = None
    then: FollowUp | None = None
    keep_ms: int | None = None
    group: bytes | None = None
    depends: tuple[bytes, ...] = ()
    """Ids of jobs that are to be done before."""
    flow: bytes | None = None
    id: bytes | None = None
    idmp: tuple[bytes, int] | None = None
    """A producer and its own number for this push."""
    dedup: DedupTerms | None = None
    nx: bool = False
    """A repetition is told nothing, instead of what the first push was told."""
    front: bool = False
    """Before the jobs of its priority, instead of behind them."""
    name: bytes = b""
    tags: tuple[bytes, ...] = ()
    meta: bytes = b""
    trace: bytes = b""

    @property
    def labels(self) -> Labels | None:
        """What the job carries about itself; None for nothing."""
        if not (self.name or self.tags or self.meta or self.trace):
            return None
        return Labels(self.name, self.tags, self.meta, self.trace)


class Producing(EngineCore):
    """Pushes."""

    def is_follow_up_barred(self, now_ms: int, job: Job) -> bool:
        """Tell whether what follows on a job is to go where a key is that is no queue."""
        then = job.options.then if job.options is not None else None
        key = self.state.keys.names[job.queue.db].find(then.queue) if then is not None else None
        return key is not None and not key.is_over(now_ms)

    def check_follow_up(self, now_ms: int, job: Job) -> None:
        """Raise `WrongType` where `follow_up` could not push: a job is not done without it."""
        if self.is_follow_up_barred(now_ms, job):
            then = job.options.then if job.options is not None else None
            name = shown(then.queue) if then is not None else ""
            raise WrongType(f"THEN of the job names '{name}', a key that is no queue: remove it")

    def follow_up(self, now_ms: int, job: Job) -> None:
        """Push what follows on a job that is done, if anything does.

        It is never refused: nobody could be told. `check_follow_up` has been there before.
        """
        then = job.options.then if job.options is not None else None
        if then is None:
            return
        queue = self.queue_or_new(now_ms, job.queue.db, then.queue)
        self.put_one(now_ms, queue, then.payload, b"" if queue.settings.text else 0)

    def put_one(
        self,
        now_ms: int,
        queue: Queue,
        payload: bytes,
        priority: int | bytes,
        delay_ms: int = 0,
        ttl_ms: int | None = None,
        options: JobOptions | None = None,
    ) -> int:
        """Put a job into a queue that may not refuse it, and return its number."""
        ttl_ms = ttl_ms if ttl_ms is not None else queue.settings.ttl_ms
        if ttl_ms is not None:
            options = msgspec.structs.replace(options or _NO_OPTIONS, expires_ms=now_ms + ttl_ms)
        due_ms = now_ms + delay_ms if delay_ms else 0
        return self._put(now_ms, queue, [payload], priority, due_ms, options)[0]

    def push(self, now_ms: int, db: int, name: bytes, payloads: list[bytes]) -> range:
        """Put jobs with no options into a queue, and return their numbers.

        Raises:
            TooBig: for a name over its limit.
            SyntaxFault: for an empty one.
            Paused, Duplicate, RateLimited, MaxLen: see `_admit`.
        """
        queue = self.state.names[db].get(name)
        if queue is None:
            check_name("queue name", name)
            queue = self.make_queue(now_ms, db, name)
        elif queue.is_guarded:
            self._admit(now_ms, queue, payloads)
        settings = queue.settings
        ttl_ms = settings.ttl_ms
        options = None if ttl_ms is None else JobOptions(expires_ms=now_ms + ttl_ms)
        priority = b"" if settings.text else 0
        return self._put(now_ms, queue, payloads, priority, 0, options)

    def _put(
        self,
        now_ms: int,
        queue: Queue,
        payloads: list[bytes],
        priority: int | bytes,
        due_ms: int,
        options: JobOptions | None,
        order: int = 0,
    ) -> range:
        """Put jobs into a queue, and return their numbers."""
        if now_ms >= queue.next_sample_ms:
            queue.measure(now_ms)
        state = self.state
        first = state.next_number
        state.next_number = end = first + len(payloads)
        if queue.settings.refuse_duplicates and (options is None or options.dedup is None):
            # Each holds a key of its own, unless another has it: what follows on a job may come
            # all the same. It is decided here, for the journal may forget that other.
            places = list(enumerate(payloads))
            # Of those that go before all others the last one is put there first.
            for place, payload in reversed(places) if order < 0 else places:
                key, its = payload_key(payload), options
                if key not in queue.keys:
                    its = msgspec.structs.replace(options or _NO_OPTIONS, dedup=Dedup(key))
                self.emit(
                    JobsPushed(
                        queue.number,
                        first + place,
                        [payload],
                        priority,
                        now_ms,
                        due_ms,
                        its,
                        order + place if order else 0,
                    )
                )
            return range(first, end)
        self.emit(
            JobsPushed(queue.number, first, payloads, priority, now_ms, due_ms, options, order)
        )
        return range(first, end)

    def push_many(
        self, now_ms: int, db: int, name: bytes, payloads: list[bytes], terms: PushTerms
    ) -> list[bytes] | None:
        """Put jobs into a queue, all or none, and return their ids in order.

        The ids are those of the first push if ``terms`` repeat an ID or an IDMP, or a key
        that is held. With NX a repetition is answered None instead.

        Raises:
            TooBig: for a name over its limit.
            SyntaxFault: for an id that looks like one of the server's own.
            Duplicate: if the key is held and the producer wants to know.
            WrongState: if the job that holds it is to be replaced, but is handed out.
            BadPriority: for a priority that the queue cannot order.
            NoJob, WrongState, Cycle: see `_parents`.
            Paused, Duplicate, RateLimited, MaxLen: see `_admit`.
        """
        check_name("queue name", name)
        if terms.then is not None:
            check_name("queue name of THEN", terms.then.queue)
        if terms.dedup is not None and terms.nx and terms.dedup.on is not None:
            raise SyntaxFault("syntax error: NX and ON both say what becomes of a repetition")
        queue = self.queue_or_none(db, name, now_ms)
        keys = _answer_keys(terms)
        answer = self._answer(now_ms, queue, keys, terms.id)
        if answer is not None:
            return None if terms.nx else answer
        replaced = None
        if terms.dedup is not None and queue is not None:
            key = given_key(terms.dedup.key)
            holder = _holder(now_ms, queue, key)
            if holder is not None:
                if terms.nx:
                    return None
                replaced = _replaced(queue, key, holder, terms.dedup)
                if replaced is None:
                    self._keep_answer(now_ms, queue, keys, [holder])
                    return [holder]
        priority = read_priority(terms.priority, text=queue is not None and queue.settings.text)
        due_ms = terms.at_ms or (now_ms + terms.delay_ms if terms.delay_ms else 0)
        if due_ms <= now_ms:
            due_ms = 0
        ttl_ms = terms.ttl_ms
        if ttl_ms is None and queue is not None:
            ttl_ms = queue.settings.ttl_ms
        expires_ms = None if ttl_ms is None else now_ms + ttl_ms
        if expires_ms is not None and due_ms >= expires_ms:
            raise SyntaxFault(
                f"the job would be due {due_ms - now_ms} ms from now, after its ttl of {ttl_ms} ms"
            )

        parents = _parents(now_ms, queue, terms, self.state.next_number) if terms.depends else {}
        if queue is None:
            queue = self.make_queue(now_ms, db, name)
        elif queue.is_guarded:
            try:
                self._admit(now_ms, queue, payloads, keyed=terms.dedup is not None, out=replaced)
            except Duplicate:
                if terms.nx:
                    return None
                raise
        if replaced is not None:
            self.emit(JobRemoved(queue.number, replaced.number, REPLACED))
        options = _options(terms, expires_ms, tuple(parents))
        order = self.draw_front(len(payloads)) if terms.front else 0
        numbers = self._put(now_ms, queue, payloads, priority, due_ms, options, order)
        for number, parent in parents.items():
            if queue.job(number) is None:
                # It had to make room, or was replaced: nobody waited for it yet.
                self.state.ended.append((queue, number, parent, False))
        ids = [terms.id] if terms.id else [job_id(now_ms, number) for number in numbers]
        self._keep_answer(now_ms, queue, keys, ids)
        if terms.dedup is not None and terms.dedup.window_ms:
            key, until_ms = given_key(terms.dedup.key), now_ms + terms.dedup.window_ms
            self.emit(WindowOpened(queue.number, self.next_number(), key, ids[0], until_ms))
        return ids

    def _keep_answer(self, now_ms: int, queue: Queue, keys: list[bytes], ids: list[bytes]) -> None:
        for key in keys:
            self.emit(AnswerKept(queue.number, key, ids, now_ms + ANSWER_WINDOW_MS))

    def _admit(
        self,
        now_ms: int,
        queue: Queue,
        payloads: list[bytes],
        *,
        keyed: bool = False,
        out: Job | None = None,
    ) -> None:
        """Let jobs into a queue that is guarded; they hold keys of their own if not ``keyed``.

        ``out`` is a job that goes as they come.

        Raises:
            Paused: if the queue takes no jobs for now.
            Duplicate: if it refuses duplicates, and has one of them or is given one twice.
            RateLimited: if they would come too soon after others.
            MaxLen: if it is full.
        """
        if queue.pauses.puts_ms:
            raise paused(now_ms, queue, queue.pauses.puts_ms, "jobs")
        settings = queue.settings
        if settings.refuse_duplicates and not keyed:
            self._refuse_duplicates(queue, payloads)
        if settings.push_rate is not None:
            _check_push_rate(now_ms, queue, settings.push_rate, len(payloads))
        if settings.maxlen is not None or settings.maxbytes is not None:
            self._make_room(queue, payloads, out)

    def _refuse_duplicates(self, queue: Queue, payloads: list[bytes]) -> None:
        if len(set(payloads)) < len(payloads):
            raise SyntaxFault(
                f"the same payload is given twice, and queue '{shown(queue.name)}' refuses "
                "duplicates: give each once"
            )
        if not queue.keys:
            return
        for payload in payloads:
            job = queue.keys.get(payload_key(payload))
            if job is not None:
                raise Duplicate(job.id, f"has the same payload in queue '{shown(queue.name)}'")

    def throws_away(self, db: int, name: bytes, payloads: list[bytes]) -> bool:
        """Tell whether so many more jobs would have a queue throw others away, or be refused."""
        queue = self.state.names[db].get(name)
        if queue is None or not queue.settings.drop_oldest:
            return False
        jobs_left, bytes_left = _room_left(queue, len(payloads), sum(map(len, payloads)))
        return jobs_left < queue.ready.count or bytes_left < queue.ready_bytes

    def _make_room(self, queue: Queue, payloads: list[bytes], out: Job | None) -> None:
        """Let jobs find room in a queue with a limit, or raise `MaxLen`.

        Nothing is dropped for one that replaces another.
        """
        settings = queue.settings
        more, more_bytes = len(payloads), sum(map(len, payloads))
        if out is not None:
            more, more_bytes = 0, more_bytes - out.payload_bytes
        jobs_left, bytes_left = _room_left(queue, more, more_bytes)
        drops = settings.drop_oldest and out is None
        if jobs_left < (0 if drops else queue.ready.count):
            raise MaxLen(
                f"queue '{shown(queue.name)}' holds {queue.waiting_count} jobs, {more} more would "
                f"be over its MAXLEN of {settings.maxlen}"
            )
        if bytes_left < (0 if drops else queue.ready_bytes):
            raise no_room_for_bytes(queue, more_bytes)
        evicted = []
        jobs, held_bytes = queue.ready.count, queue.ready_bytes
        for job in islice(queue.ready.expendables(), len(payloads) + EVICTED_MAX):
            if jobs <= jobs_left and held_bytes <= bytes_left:
                break
            evicted.append(job.number)
            jobs -= 1
            held_bytes -= job.payload_bytes
        limit = settings.maxbytes
        if held_bytes > bytes_left and limit is not None and queue.waiting_bytes <= limit:
            # Of one that holds more than a limit that was lowered some go with each push.
            raise MaxLen(
                f"over {len(evicted)} jobs of queue '{shown(queue.name)}' would have to go for "
                f"{more_bytes} bytes: push less at once"
            )
        for number in evicted:
            self.emit(JobRemoved(queue.number, number, EVICTED))

    def _answer(
        self, now_ms: int, queue: Queue | None, keys: list[bytes], job_id: bytes | None
    ) -> list[bytes] | None:
        """Return what the first push of the same ID or IDMP was answered."""
        if queue is None:
            return None
        if job_id is not None and job_id in queue.ids:
            return [job_id]
        for key in keys:
            answer = queue.answers.get(key)
            if answer is not None and answer.until_ms > now_ms:
                return answer.ids
        return None


def _holder(now_ms: int, queue: Queue, key: bytes) -> bytes | None:
    """Return the id of the job that holds a dedup key, or for which a window does."""
    job = queue.keys.get(key)
    if job is not None:
        return job.id
    window = queue.windows.get(key)
    return window.id if window is not None and window.until_ms > now_ms else None


def _replaced(queue: Queue, key: bytes, holder: bytes, terms: DedupTerms) -> Job | None:
    """Return the job that a push with a key that is held replaces, None if it is told the id.

    Raises:
        Duplicate: if it wants neither, or if what it would replace is done.
        WrongState: if that is handed out.
    """
    job = queue.keys.get(key)
    if terms.on == REPLACE and job is not None and job.phase != LEASED:
        return job
    if terms.on in (None, RETURN):
        return None
    if terms.on == REPLACE and job is not None:
        raise WrongState(
            f"job '{shown(holder)}' is leased and cannot be replaced: "
            "push without REPLACE, or when it is done"
        )
    state = "holds" if job is not None else "is done, and its WINDOW holds"
    raise Duplicate(holder, f"{state} the key '{shown(terms.key)}'")


def _room_left(queue: Queue, more: int, more_bytes: int) -> tuple[int, int]:
    """Return how many READY jobs, and bytes of them, may stay when so much more comes."""
    settings = queue.settings
    others = queue.waiting_count - queue.ready.count
    return (
        _ready_left(settings.maxlen, queue.ready.count, others, more),
        _ready_left(settings.maxbytes, queue.ready_bytes, queue.unready_bytes, more_bytes),
    )


def _ready_left(limit: int | None, ready: int, others: int, more: int) -> int:
    """Return how much of what is READY may stay when more comes; below 0 if nothing suffices."""
    return ready if limit is None or more <= 0 else min(ready, limit - others - more)


def no_room_for_bytes(queue: Queue, more: int) -> MaxLen:
    """Return the error for payloads for which a queue has no room."""
    return MaxLen(
        f"queue '{shown(queue.name)}' holds payloads of {queue.waiting_bytes} bytes, "
        f"{more} more would be over its MAXBYTES of {queue.settings.maxbytes}"
    )


def _check_push_rate(now_ms: int, queue: Queue, rate: Rate, count: int) -> None:
    name = shown(queue.name)
    if count > rate.jobs:
        raise SyntaxFault(
            f"{count} jobs at once are more than queue '{name}' takes in {rate.per_ms} ms, "
            f"{rate.jobs}: push fewer"
        )
    left = rate.left(queue.push_paid_until, now_ms)
    if left < count:
        retry_ms = rate.opens_ms(queue.push_paid_until, count) - now_ms
        raise RateLimited(
            retry_ms, f"queue '{name}' takes {rate.jobs} jobs in {rate.per_ms} ms: try again then"
        )


def read_priority(given: bytes | None, *, text: bool) -> int | bytes:
    """Return a priority as its queue orders it; raise `BadPriority` if it cannot."""
    if text:
        check_name("priority", given) if given else None
        return given or b""
    if given is None:
        return 0
    try:
        priority = int(given) if _INTEGER_BYTES.issuperset(given) else None
    except ValueError:
        priority = None
    if priority is None:
        raise BadPriority(f"priority '{shown(given)}' is not an integer")
    if not PRIORITY_MIN <= priority <= PRIORITY_MAX:
        raise BadPriority(
            f"priority {shown(given)} is out of range: {PRIORITY_MIN} to {PRIORITY_MAX}"
        )
    return priority


def check_meta(meta: bytes) -> None:
    """Raise unless ``meta`` is JSON of at most `META_BYTES_MAX` bytes."""
    if len(meta) > META_BYTES_MAX:
        raise TooBig(f"META is {len(meta)} bytes long, the limit is {META_BYTES_MAX}")
    try:
        msgspec.json.decode(meta)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SyntaxFault(f"META is not JSON: {error}") from None


_INTEGER_BYTES = frozenset(b"-0123456789")


def _answer_keys(terms: PushTerms) -> list[bytes]:
    """Return the keys under which the answer to a push is kept."""
    keys = []
    if terms.id is not None:
        check_name("ID", terms.id)
        first, dash, second = terms.id.partition(b"-")
        if dash and first.isdigit() and second.isdigit():
            raise SyntaxFault(
                f"ID '{shown(terms.id)}' looks like the server's own ids: "
                "use one that is not digits-digits"
            )
        keys.append(b"id:%b" % terms.id)
    if terms.idmp is not None:
        producer, number = terms.idmp
        check_name("IDMP producer", producer)
        keys.append(b"%d:%b" % (number, producer))
    return keys


def _parents(
    now_ms: int, queue: Queue | None, terms: PushTerms, next_number: int
) -> dict[int, bytes]:
    """Return the jobs that one is to wait for, ids by number; those that are done do not count.

    Raises:
        Cycle: if it names itself.
        NoJob: if there never was such a job, as far as the queue remembers.
        WrongState: if one is dead.
    """
    parents: dict[int, bytes] = {}
    for parent in terms.depends:
        if parent == terms.id:
            raise Cycle(f"job '{shown(parent)}' would wait for itself")
        job = queue.find(parent) if queue is not None else None
        if job is None:
            if not _was_there(now_ms, queue, parent, next_number):
                raise NoJob(f"there is no job '{shown(parent)}' to wait for: push it first")
        elif job.phase == DEAD:
            raise WrongState(f"job '{shown(parent)}' is dead: nothing can wait for it")
        elif job.phase != DONE:
            parents[job.number] = parent
    return parents


def _was_there(now_ms: int, queue: Queue | None, job_id: bytes, next_number: int) -> bool:
    """Tell whether a job that is not there was: by an id of the server's own, or a recent ID."""
    pushed_ms, dash, number = job_id.partition(b"-")
    if dash and pushed_ms.isdigit() and number.isdigit() and len(number) < 20:
        return int(number) < next_number and len(pushed_ms) < 20 and int(pushed_ms) <= now_ms
    answer = queue.answers.get(b"id:%b" % job_id) if queue is not None else None
    return answer is not None and answer.until_ms > now_ms


def _options(
    terms: PushTerms, expires_ms: int | None, depends: tuple[int, ...]
) -> JobOptions | None:
    """Return what the job must remember of its push, None for nothing."""
    dedup = terms.dedup
    options = JobOptions(
        terms.id,
        terms.attempts,
        terms.backoff,
        terms.lease_ms,
        expires_ms,
        terms.labels,
        None if dedup is None else Dedup(given_key(dedup.key), dedup.until_start),
        terms.maxlease_ms,
        terms.then,
        terms.keep_ms,
        terms.group,
        depends,
        terms.flow,
    )
    return None if options == _NO_OPTIONS else options


_NO_OPTIONS = JobOptions()
