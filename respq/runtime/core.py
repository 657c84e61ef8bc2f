"""The core of the server: executes what has arrived, commits it, then lets replies go.

    arrived ─► broker ─► records ─► the open batch         replies ─► held with it
                                          │ end of the turn
                                          ▼
                              the batch in flight ── committed ──► its replies leave

A reply waits for the newest batch that its execution could have seen: the open one if it
holds records, else the one in flight; reads too, since what they read may not be durable
yet. With neither it leaves at once. One commit is in flight at a time; what arrives
meanwhile forms the next batch, which is started before the replies of the last are written.

A turn is one round of the event loop: it ends when every socket that was ready has been
read, or so many that the first of them would wait too long. Only then is executed what
arrived. Those clients asked at the same time, so they may be served in any order; of clients
with one request each, those who want the same of the same queue are served together
(`Broker.execute_together`). They come first, and a turn that has become long leaves the rest
to the next.

A commit that fails is the end: memory is ahead of the disk and cannot go back. Held
replies are dropped and the process stops; a restart replays the journal.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat

from respq.broker.broker import Broker
from respq.broker.command import Command
from respq.config import (
    GROUPED_COMMANDS_MAX,
    SHARE_MS_MAX,
    TURN_CLIENTS_MAX,
    TURN_MS_MAX,
    Settings,
)
from respq.engine.timers import NEVER_MS
from respq.resp.parser import Arrived
from respq.resp.replies import Replies
from respq.resp.run import Run
from respq.resp.short import Alone, Words
from respq.runtime.client import Client, Group, Pops, Receiver
from respq.runtime.clock import Clock
from respq.runtime.committer import Batch, Committer
from respq.runtime.compactor import Compactor
from respq.runtime.lag import STALL_S, LoopLag, Stalls
from respq.runtime.linger import Linger
from respq.runtime.payloads import PayloadReader
from respq.runtime.pressure import Pressure
from respq.runtime.traffic import Traffic

_SYNC_EVERY_S = 1.0


Held = tuple[Receiver, bytes, Pops]
Arrival = tuple[Client, Arrived, int]
"""Who asks for what, and how many bytes it was."""
AloneArrival = tuple[Client, Alone, int]
"""The same of one request."""


class Core:
    """Turns, commits, and the replies that wait for them."""

    def __init__(
        self,
        broker: Broker,
        clock: Clock,
        settings: Settings,
        loop: asyncio.AbstractEventLoop,
        *,
        fail: Callable[[BaseException], None],
    ) -> None:
        self.broker = broker
        self.engine = broker.engine
        self.clock = clock
        self.settings = settings
        self.loop = loop
        self.committer: Committer | None = None
        """None while loading, and for good where no journal is kept."""
        self.compactor: Compactor | None = None
        """Likewise."""
        self.payload_reader: PayloadReader | None = None
        """Likewise."""
        self.clients: dict[int, Client] = {}
        """By session id."""
        self.traffic = Traffic()
        self.lag = LoopLag(loop)
        self.stalls = Stalls()
        self.failed = False
        self.uncommitted_bytes = 0
        """Received since the open batch began, an upper bound of its size."""
        self._fail = fail
        self._stopwatch_s = clock.stopwatch_s
        self._arrivals: deque[Arrival] = deque()
        self._alone: AloneArrival | None = None
        """What began the turn, if it was one request, until another comes to be grouped with it."""
        self._groups: dict[tuple[int, Words], Group] = {}
        """By the database and the words before the last argument."""
        self._grouped_count = 0
        """Commands in runs among them."""
        self._resuming: deque[Client] = deque()
        """Those who are to go on with what arrived before, the longest waiting first."""
        self._resumes_soon = False
        self._open: list[Held] = []
        self._flight: list[Held] = []
        self._in_flight = False
        self._turn_is_open = False
        self._turn_began_s = 0.0
        self._is_behind = False
        """Whether more is due than was done in this turn, or may be."""
        self.linger: Linger | None = None
        """None where the loop may sleep whenever it likes."""
        self._throttled: list[Client] = []
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_ms = NEVER_MS
        self._now_ms = 0
        self._unsynced = False
        self._sync_is_due = False
        self._has_compacted = False
        """Whether a slice of compaction is in the open batch."""
        self._compacts_later = False
        self.pressure = Pressure(self, settings.maxmemory)

    # Turns.

    def begin_turn(self) -> int:
        """Return the time of this turn of the loop.

        The first call of a turn does everything that is due by then, and has the turn ended
        when the loop has read every socket that was ready.
        """
        if self._turn_is_open:
            return self._now_ms
        self._turn_is_open = True
        self.loop.call_soon(self.end_turn)
        self._turn_began_s = began_s = self._stopwatch_s()
        if self.linger is not None:
            self.linger.begin(began_s)
        now_ms = self._now_ms = self.clock.now_ms()
        if self._alarm_ms <= now_ms or self._is_behind:
            self._is_behind = self.broker.tick(now_ms)
        return now_ms

    def arrive(self, client: Client, requests: Arrived, size: int) -> None:
        """Have requests of ``size`` bytes executed at the end of this turn.

        Until then it lets no more arrive: ``has_arrived`` tells it.
        """
        client.has_arrived = True
        self._arrivals.append((client, requests, size))
        if not self._turn_is_open:
            self.begin_turn()
        elif len(self._arrivals) > TURN_CLIENTS_MAX:
            self.end_turn()

    def arrive_alone(self, client: Client, request: Alone, size: int) -> None:
        """Have one request executed at the end of this turn, together with those like it.

        Of a session that is not guarded: it is not in MULTI, and need not authenticate.
        """
        client.has_arrived = True
        if not self._turn_is_open:
            self._alone = client, request, size
            self.begin_turn()
            return
        if self._alone is not None:
            first, self._alone = self._alone, None
            self._group(*first)
        self._group(client, request, size)

    def _group(self, client: Client, request: Alone, size: int) -> None:
        """Put a request together with those like it."""
        words, last = request
        key = client.session.db, words
        group = self._groups.get(key)
        if group is None:
            self._groups[key] = Group([client], [last], [1], [size])
            if len(self._groups) > TURN_CLIENTS_MAX:
                self.end_turn()
        else:
            clients = group.clients
            clients.append(client)
            group.lasts.append(last)
            group.counts.append(1)
            group.sizes.append(size)
            if len(clients) > TURN_CLIENTS_MAX:
                self.end_turn()

    def arrive_run(self, client: Client, run: Run, size: int) -> None:
        """Do the same for a short pipeline, a narrow run, if the turn does not get too long."""
        self._grouped_count += len(run)
        if self._grouped_count > GROUPED_COMMANDS_MAX:
            self.arrive(client, [run], size)
            return
        client.has_arrived = True
        key = client.session.db, tuple(run.head)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group()
        group.add(client, run.lasts, size)
        if not self._turn_is_open:
            self.begin_turn()

    def share_ends_s(self) -> float:
        """Return when the stopwatch shows that a client has had its share of a turn."""
        others_wait = self._resuming or self._arrivals or self._groups or self._alone is not None
        return self._stopwatch_s() + (SHARE_MS_MAX if others_wait else TURN_MS_MAX) / 1_000

    def resume_soon(self, client: Client) -> None:
        """Have a client go on with what arrived before, in the next round of the loop or later."""
        self._resuming.append(client)
        if not self._resumes_soon:
            self._resumes_soon = True
            self.loop.call_soon(self._resume)

    def _resume(self) -> None:
        """Let those go on who wait for it, as long as half a turn lasts: others have arrived."""
        ends_s = self._stopwatch_s() + TURN_MS_MAX / 2_000
        try:
            for _ in range(len(self._resuming)):
                self._resuming.popleft().resume()
                if self._stopwatch_s() > ends_s:
                    break
        finally:
            self._resumes_soon = bool(self._resuming)
            if self._resumes_soon:
                self.loop.call_soon(self._resume)

    def _execute_arrivals(self) -> None:
        """Execute what arrived, but for clients that were killed meanwhile.

        Single requests come first, together with those like them; what would make the turn too
        long is left to the next one.
        """
        self.deliver()  # A client whose wait is over may have said more: it is answered in order.
        # Where others went on before, there is half of a turn left all the same.
        ends_s = max(
            self._turn_began_s + TURN_MS_MAX / 1_000, self._stopwatch_s() + TURN_MS_MAX / 2_000
        )
        groups, self._groups = iter(self._groups.items()), {}
        self._grouped_count = 0
        if self._alone is not None:
            (client, (words, last), size), self._alone = self._alone, None
            if not client.session.closing:
                client.take_turn([[*words, last]], size, self._now_ms)
        for (db, words), group in groups:
            self._execute_group(db, words, group.without_closing())
            if self._stopwatch_s() > ends_s:
                self._groups = dict(groups)
        arrivals = self._arrivals
        while arrivals:
            client, requests, size = arrivals.popleft()
            if not client.session.closing:
                client.take_turn(requests, size, self._now_ms)
            if self._stopwatch_s() > ends_s:
                break

    def _execute_group(self, db: int, words: Words, group: Group) -> None:
        """Execute the requests of several clients that differ in the last argument at most."""
        if not group.clients:
            return
        command = self.broker.run_command(words)
        if command is not None:
            self._execute_together(command, db, words, words[1], group)
            return
        for last, alike in group.by_last().items():
            command = None if last is None else self.broker.run_command_of(words, last)
            if command is None or last is None:
                self._execute_singly(words, alike)
            else:
                key = words[1] if len(words) > 1 else last
                self._execute_together(command, db, words, key, alike)

    def _execute_together(
        self, command: Command, db: int, words: Words, key: bytes, group: Group
    ) -> None:
        """Execute the requests of several clients, who want the same of the same queue."""
        clients = group.clients
        if command.run_resp2_only and any(each.session.protocol != 2 for each in clients):
            self._execute_singly(words, group)
            return
        began_s = self.traffic.begin()
        columns = command.run_columns(words, group.lasts)
        replies, pops = self.broker.execute_together(command, db, key, columns, self._now_ms)
        count = len(replies)
        if not count:
            self._execute_rest(command, words, key, group)
            return
        self.traffic.end(command.name, count, began_s)
        if count == len(clients) == len(group.lasts):
            for client in clients:
                client.has_arrived = False
                client.session.ran(command, self._now_ms)
            self.hold_all(zip(clients, replies, zip(pops) if pops else repeat(())))  # noqa: B905
            self.received(clients, sum(group.sizes))
            return
        held: list[Held] = []
        rest = Group()
        start = 0
        for client, lasts, size in group.members():
            end = start + len(lasts)
            client.session.ran(command, self._now_ms)
            if start < count:
                held.append((client, b"".join(replies[start:end]), pops[start:end]))
            if end <= count:
                client.has_arrived = False
            else:
                rest.add(client, lasts[max(0, count - start) :], size)
            start = end
        self.hold_all(held)
        self.received(clients, sum(group.sizes))
        if rest.clients:
            self._execute_rest(command, words, key, rest)

    def _execute_rest(self, command: Command, words: Words, key: bytes, group: Group) -> None:
        """Have clients wait for what others had, or execute what they ask one after the other."""
        lasts = group.lasts
        if command.blocking and len(group.clients) == len(lasts) == lasts.count(lasts[0]):
            sessions = [client.session for client in group.clients]
            request = (*words, lasts[0])
            if self.broker.wait_together(command, key, request, sessions, self._now_ms):
                self.traffic.commands_total += len(sessions)
                for client in group.clients:
                    client.waits()
                return
        self._execute_singly(words, group)

    def _execute_singly(self, words: Words, group: Group) -> None:
        """Execute the requests of several clients, one client after the other."""
        for client, lasts, size in group.members():
            first = [*words, lasts[0]]
            run: Arrived = [first] if len(lasts) == 1 else [Run([*words], lasts)]
            client.take_turn(run, size, self._now_ms)

    def end_turn(self) -> None:
        """Execute what arrived, commit it, and see to it that the next turn comes in time."""
        if not self._turn_is_open:
            return  # It was ended before the loop came to it.
        is_lone = not self._groups and len(self._arrivals) + (self._alone is not None) == 1
        if self._alone is not None or self._arrivals or self._groups:
            try:
                self._execute_arrivals()
            except Exception as error:
                self._failed(error)
                return
        self._turn_is_open = False
        broker = self.broker
        if broker.outbox or broker.closing or self.engine.events:
            self.deliver()
        if self.engine.state.wanted and self.payload_reader is not None:
            self.payload_reader.read()
        if self.compactor is not None and not self._has_compacted:
            self._compact(self.compactor)
        if not self._in_flight:
            self._commit()
            if not self._in_flight:
                self._forget_old()
        ended_s = self._stopwatch_s()
        turn_s = ended_s - self._turn_began_s
        if turn_s > STALL_S:
            self.stalls.add(turn_s)
        if self.linger is not None:
            self.linger.end(ended_s, is_lone=is_lone)
        deadline_ms = broker.next_deadline_ms()
        if deadline_ms < self._alarm_ms and not broker.loading:
            self._set_alarm(deadline_ms)
        if self._is_behind or self._arrivals or self._groups:
            self.begin_turn()

    def deliver(self) -> None:
        """Hand replies of finished waits, and messages, to their clients; end those who must go.

        What has happened in queues is told here: a message is held no earlier than the records
        that it tells of were emitted, so it is in their batch or behind it.
        """
        broker = self.broker
        while broker.outbox or broker.closing or self.engine.events:
            broker.tell_events()
            outbox, broker.outbox = broker.outbox, []
            closing, broker.closing = broker.closing, []
            for session, reply in outbox:
                client = self.clients.get(session.id)
                if isinstance(reply, Replies):
                    if client is not None:
                        client.tell(reply)
                elif client is None:
                    self.undo(session.take_pops())
                else:
                    client.answer(reply)
            for session in closing:
                client = self.clients.get(session.id)
                if client is not None:
                    client.end()

    def _set_alarm(self, deadline_ms: int) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_ms = deadline_ms
        # Loops round to a millisecond and may be early by one.
        delay_s = min(max(deadline_ms - self._now_ms, 0) / 1_000 + 0.000_5, 3_600.0)
        self._alarm = self.loop.call_later(delay_s, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self.begin_turn()  # It looks at the alarm for what is due.
        self._alarm_ms = NEVER_MS

    # Replies.

    def hold(self, client: Client, data: bytes, pops: Pops, *, stateless: bool) -> None:
        """Send ``data`` to a client as soon as what it depends on is committed.

        A stateless reply depends on nothing, but keeps its place behind those that wait.
        """
        if stateless and not client.held_count and not self.failed:
            client.release(data, pops)
        else:
            self.hold_all([(client, data, pops)])

    def hold_all(self, replies: Iterable[Held]) -> None:
        """Send replies to their clients as soon as what they depend on is committed."""
        if self.failed:
            return  # They may have seen what is not on the disk, and never will be.
        if self.engine.records:
            held = self._open
        elif self._in_flight:
            held = self._flight
        else:
            for client, data, pops in replies:
                client.release(data, pops)
            return
        for reply in replies:
            reply[0].held_count += 1
            held.append(reply)

    def undo(self, pops: Pops) -> None:
        """Put back what was popped in a reply that nobody will get, last pop first."""
        if not pops:
            return
        now_ms = self.begin_turn()
        for job, fence in reversed(pops):
            start = len(self.engine.records)
            self.engine.undo(now_ms, job, fence)
            if self.engine.state.ended:
                self.engine.settle(now_ms)
            self.engine.end_transaction(start)
        self.broker.serve(now_ms)

    def received(self, clients: Sequence[Client], size: int) -> None:
        """Count what a turn's requests took; stop reading while too much is uncommitted."""
        if not self.engine.records:
            return
        self.uncommitted_bytes += size
        if not self._in_flight:
            # The turn's end commits in any case: there is nothing that a client could wait for.
            if self.uncommitted_bytes > self.settings.batch_bytes_max:
                self._commit()
        elif self.uncommitted_bytes > self.settings.uncommitted_bytes_max:
            for client in clients:
                client.throttle(True)
            self._throttled += clients

    # Commits.

    def _commit(self) -> None:
        """Commit the open batch, if it holds anything, and nothing is in flight."""
        if self.failed:
            return
        engine = self.engine
        committer = self.committer
        records, sizes = engine.take_records() if engine.records else ([], [])
        self._has_compacted = False
        held, self._open = self._open, []
        self.uncommitted_bytes = 0
        if committer is None or not records:
            self._release(held)
            return
        self._unsynced = True
        state = engine.state
        turn_ms = (self._stopwatch_s() - self._turn_began_s) * 1_000
        batch = Batch(records, sizes, self._now_ms, state.next_number, state.next_fence, turn_ms)
        state.position += 1
        if committer.inline:
            try:
                committer.commit(batch)
            except Exception as error:
                self._failed(error)
                return
            self._release(held)
        else:
            self._in_flight = True
            self._flight = held
            committer.in_thread(lambda: self._in_thread(lambda: committer.commit(batch)))

    def _compact(self, compactor: Compactor) -> None:
        """Have a slice of compaction in the open batch, if one is due."""
        assert self.committer is not None
        written_bytes = self.committer.figures.bytes
        if self.failed or not compactor.is_due(written_bytes):
            return
        self._has_compacted = True
        try:
            compactor.step(self._now_ms, written_bytes)
        except Exception as error:
            self._failed(error)
            return
        if not compactor.is_idle and not self._compacts_later:
            self._compacts_later = True
            self.loop.call_later(compactor.wait_s(), self._compact_later)

    def _compact_later(self) -> None:
        self._compacts_later = False
        self.begin_turn()

    def _forget_old(self) -> bool:
        """Have the journal forget what has been said again; return whether it is at it.

        Nothing is committed meanwhile, as if it were a batch.
        """
        if self.compactor is None or self.committer is None or self.failed:
            return False
        before = self.compactor.trim_before(self.committer.position - 1)
        if not before:
            return False
        journal = self.committer.journal
        self._in_flight = True
        self.committer.in_thread(lambda: self._in_thread(lambda: journal.trim(before)))
        return True

    def _in_thread(self, work: Callable[[], None]) -> None:
        """Run in the writer thread, and tell the loop how it went."""
        try:
            work()
        except BaseException as error:
            self.loop.call_soon_threadsafe(self._failed, error)
        else:
            self.loop.call_soon_threadsafe(self._committed)

    def _committed(self) -> None:
        """The batch in flight is durable: start the next one, then let its replies go."""
        held, self._flight = self._flight, []
        self._in_flight = False
        if self.failed:
            return
        if self.committer is not None and self.committer.inline:
            # An inline commit releases its own replies: these come before them.
            self._release(held)
            held = []
        self._has_compacted = False
        if not (self._sync_if_due() or self._forget_old()) and self.engine.records:
            self._commit()
        self._release(held)
        if self._throttled:
            throttled, self._throttled = self._throttled, []
            for client in throttled:
                client.throttle(False)

    def _release(self, held: list[Held]) -> None:
        for client, data, pops in held:
            client.held_count -= 1
            client.release(data, pops)

    def _failed(self, error: BaseException) -> None:
        self.failed = True
        self._flight = []
        self._open = []
        self._fail(error)

    # Start and end.

    def start(
        self,
        committer: Committer | None,
        compactor: Compactor | None,
        payload_reader: PayloadReader | None = None,
    ) -> None:
        """Begin to commit, to compact and to read payloads; the state has been read back."""
        self.committer = committer
        self.compactor = compactor
        self.payload_reader = payload_reader
        if payload_reader is not None:
            self.broker.read_payloads = payload_reader.read_now
        # A turn may be open that began before the clock knew the time of the journal.
        self._now_ms = self.clock.now_ms()
        self._is_behind = True
        if committer is not None and self.settings.fsync == "everysec":
            self.loop.call_later(_SYNC_EVERY_S, self._sync, committer)

    def _sync(self, committer: Committer) -> None:
        """Make the last second durable, now or before the next commit.

        It does not wait for a pause between commits: under load there may be none.
        """
        if self.failed:
            return
        self.loop.call_later(_SYNC_EVERY_S, self._sync, committer)
        self._sync_is_due = self._unsynced
        if not self._in_flight:
            self._sync_if_due()

    def _sync_if_due(self) -> bool:
        """Begin a sync if it is time; return whether it is under way.

        Nothing is committed meanwhile, as if it were a batch.
        """
        if not self._sync_is_due or self.committer is None:
            return False
        self._sync_is_due = self._unsynced = False
        self._in_flight = True
        journal = self.committer.journal
        self.committer.in_thread(lambda: self._in_thread(journal.sync))
        return True

    def stop_compacting(self) -> None:
        """Leave the journal as it is from now on; a second call does nothing."""
        if self.compactor is not None:
            self.compactor.close()
            self.compactor = None

    @property
    def is_settled(self) -> bool:
        """Whether everything emitted is committed."""
        return not self._in_flight and not self.engine.records
