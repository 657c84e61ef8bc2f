"""The whole server without its sockets: requests in, replies out.

`execute` runs one request. A reply for anybody but the caller (a client that waited and
was served, one that was unblocked) goes to `outbox`, as do messages to those who listen to a
channel, which alone are `Replies`; a session that must be closed goes to `closing`. The
runtime empties both, and has the events of queues told before (`tell_events`). Nothing here
knows when a reply may leave: that is the runtime's (runtime/core.py).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import heappop, heappush
from typing import Any

from respq.broker.call import FOREVER_MS, Wait
from respq.broker.command import Bound, Command, Flags, RunAnswer
from respq.broker.pubsub import PubSub, Said, channel_of
from respq.broker.scripting import Scripts
from respq.broker.session import Session, nothing_buffered
from respq.broker.table import CommandTable, Container
from respq.broker.transaction import enqueue
from respq.broker.waiters import Name, Waiter, Waiters
from respq.config import (
    RUN_MAX,
    TURN_REPLY_BYTES_MAX,
    Settings,
)
from respq.engine.engine import Engine
from respq.engine.payloads import PayloadsAway
from respq.engine.state import AWAY
from respq.errors import (
    DiskShort,
    ExecAbort,
    Loading,
    MemoryShort,
    NoAuth,
    ProtocolFault,
    RespqError,
    ShuttingDown,
    SyntaxFault,
)
from respq.resp.encoder import encode
from respq.resp.parser import Arrived
from respq.resp.replies import NULL_ARRAY, Encoded, Replies, Reply
from respq.resp.run import Run

_BOUNDS_MAX, _BOUND_WORDS_MAX = 1_000, 16
"""Requests whose meaning is remembered, and words of one."""
_SHOWN_BYTES = 128
"""Of words that a client sent, in errors."""
_HTTP_WORDS = frozenset((b"POST", b"HOST:"))
"""As in Redis: what else would be run is the body of a request that a browser was tricked into."""
Figures = Mapping[str, Mapping[str, int | str]]
"""What INFO shows: section, name, value."""


class Broker:
    """Runs commands against the engine, and again for the clients that wait."""

    def __init__(
        self,
        engine: Engine,
        table: CommandTable,
        settings: Settings,
        *,
        figures: Callable[[], Figures] = dict,
        report: Callable[[Exception], None] = lambda _: None,
        log: Callable[[str, str], None] = lambda _, __: None,
        stopwatch_s: Callable[[], float] = float,
    ) -> None:
        self.engine = engine
        self.table = table
        self.settings = settings
        self.figures = figures
        """Facts of the process for INFO, which only the runtime can know."""
        self.report = report
        """Told of every unexpected exception that became ``-ERR internal``."""
        self.log = log
        """Takes what scripts have to say: debug, info or warning, and the text."""
        self.stopwatch_s = stopwatch_s
        """Tells how long scripts run; of its own no time passes."""
        self.sessions: dict[int, Session] = {}
        self.waiters = Waiters()
        engine.state.watched = self.waiters.names
        engine.state.awaited = self.waiters.awaited
        self.pubsub = PubSub(engine)
        self.scripts = Scripts(self)
        self.outbox: list[tuple[Session, Reply]] = []
        self.closing: list[Session] = []
        self.loading = False
        self.draining = False
        self.shortage: RespqError | None = None
        """What commands that make the state grow are answered now; None if they run."""
        self.growth_refused = {MemoryShort.prefix: 0, DiskShort.prefix: 0}
        """How many were answered so, by its prefix."""
        self.read_payloads: Callable[[], None] = _no_payloads
        """Reads at once the batches that are wanted; set by whoever has the journal."""
        self.stop_wanted = False
        """SHUTDOWN was called."""
        self.stop_now = False
        """… with NOW: leases that are out are not waited for."""
        self._commands: dict[bytes, Command] = {}
        """By name: those that need no more than a look-up to be admitted, …"""
        self._runs: dict[bytes, Command] = {}
        """… and of them those that can be carried out together."""
        self._know_commands()
        self._bounds: dict[tuple[bytes, ...], Bound] = {}
        """What requests that may block mean: by their words, for they are repeated."""
        self._asked: tuple[Command, Bound, int, int, int] | None = None
        """What the last client that had to wait asked for, and when nothing had changed since."""
        self._wait = Wait((), 0, None)
        """… and how it waits."""

    def _know_commands(self) -> None:
        """Note which commands run without further questions; while there is a shortage, fewer."""
        self._commands = {
            name: entry
            for name, entry in self.table.entries.items()
            if isinstance(entry, Command)
            and (self.shortage is None or Flags.DENYOOM not in entry.flags)
        }
        self._runs = {name: each for name, each in self._commands.items() if each.run is not None}

    def open_session(self, session_id: int, **about: Any) -> Session:
        """Make a session for a new client; it must authenticate if a password is set."""
        session = Session(self, session_id, authenticated=not self.settings.password, **about)
        self.sessions[session_id] = session
        return session

    def close_session(self, session: Session) -> None:
        """Forget a client that is gone; what it waits for is served to others."""
        self.sessions.pop(session.id, None)
        if session.waiter is not None:
            self.waiters.remove(session.waiter)
        if session.is_subscribed:
            self.pubsub.forget(session)
        # What refers back to the session would keep it, and all that it holds, for the
        # garbage collector.
        session.end_transaction()
        session.buffered = nothing_buffered
        session.closing = True

    def execute(self, session: Session, request: list[bytes], now_ms: int) -> Reply | Wait:
        """Run one request; a `Wait` says that the client is blocked now.

        A refusal becomes an error reply. An unexpected exception is ``-ERR internal`` as long
        as nothing was emitted; after an emit it is a bug that no reply can mend, and it
        leaves this function.
        """
        command = self._commands.get(request[0])
        if command is None or session.guarded or self.loading or self.draining:
            admitted = self._admit(session, request)
            if not isinstance(admitted, Command):
                return admitted
            command = admitted
        session.command = command
        command.calls += 1
        if command.blocking:
            return self._execute_blocking(session, command, request, now_ms)
        session.call.now_ms = now_ms
        engine = self.engine
        state = engine.state
        start = len(engine.records)
        try:
            if len(request) == command.plain_length:
                reply = command.handler(session.call, *request[command.words_count :])
            else:
                arguments, options = command.bind(request)
                reply = command.handler(session.call, *arguments, **options)
        except PayloadsAway as away:
            reply = _until_read(away)
            self.waiters.add((session,), command, command.bind(request), reply, now_ms)
        except Exception as error:
            return self._refused(command, error, start)
        if state.ended:
            engine.settle(now_ms)
        if len(engine.records) - start > 1:
            engine.end_transaction(start)
        if state.news:
            self.serve(now_ms)
        return reply  # type: ignore[no-any-return]

    def _execute_blocking(
        self, session: Session, command: Command, request: list[bytes], now_ms: int
    ) -> Reply | Wait:
        """Run a request that may block; clients who wait ask for the same again and again."""
        engine = self.engine
        start = len(engine.records)
        try:
            bound = self._bound(command, tuple(request))
        except Exception as error:
            return self._refused(command, error, start)
        reply = self._ask(session, command, bound, now_ms)
        if isinstance(reply, Wait):
            self.waiters.add((session,), command, bound, reply, now_ms)
        engine.end_transaction(start)
        if engine.state.news:
            self.serve(now_ms)
        return reply

    def wait_together(
        self,
        command: Command,
        key: bytes,
        request: tuple[bytes, ...],
        sessions: Sequence[Session],
        now_ms: int,
    ) -> bool:
        """Have clients wait who ask a queue for the same, if there is nothing in it.

        `execute_together` has answered others of the kind, as far as it went. Returns whether
        they wait; if not, each request is to be executed.
        """
        bound = self._bound(command, request)
        if not bound[1] or self.loading or self.draining:
            return False
        if self.engine.deliverable(now_ms, sessions[0].db, key):
            return False
        failures = command.failures
        wait = self._ask(sessions[0], command, bound, now_ms)
        if not isinstance(wait, Wait):
            command.failures = failures  # Each is to be refused by itself.
            return False
        command.calls += len(sessions)
        for session in sessions:
            session.ran(command, now_ms)
        self.waiters.add(sessions, command, bound, wait, now_ms)
        return True

    def _ask(self, session: Session, command: Command, bound: Bound, now_ms: int) -> Reply | Wait:
        """Call a handler that may block, or tell at once how a client has to wait."""
        asked = command, bound, session.db, self.engine.changes, now_ms
        if asked == self._asked:
            return self._wait  # Nothing has changed since somebody was told to.
        reply = self._call(session, command, bound, now_ms)
        if isinstance(reply, Wait) and reply.db is None:
            self._asked, self._wait = asked, reply
        return reply

    def _bound(self, command: Command, request: tuple[bytes, ...]) -> Bound:
        """Return what `Command.bind` makes of a request that may block, and remember it."""
        bound = self._bounds.get(request)
        if bound is None:
            bound = command.bind([*request])
            if len(request) <= _BOUND_WORDS_MAX:
                if len(self._bounds) >= _BOUNDS_MAX:
                    self._bounds.clear()
                self._bounds[request] = bound
        return bound

    def execute_all(
        self, session: Session, requests: Arrived, now_ms: int, ends_s: float = math.inf
    ) -> tuple[list[bytes], Arrived]:
        """Run requests in order, until one blocks or ends the session, or the replies are long.

        None is begun when the stopwatch shows ``ends_s``, but for the first.

        What the parser refused stands among them as the error; of bytes that are no protocol
        at all, it is the last. Returns the encoded replies, and the requests that were not
        run; if ``session.waiter`` is set then, the last that was run has no reply yet.
        """
        if len(requests) == 1 and isinstance(requests[0], list):
            # What follows, without a loop.
            reply = self.execute(session, requests[0], now_ms)
            return ([] if isinstance(reply, Wait) else [encode(reply, session.protocol)]), []
        out: list[bytes] = []
        out_bytes = 0
        left = deque(requests)
        stopwatch_s = self.stopwatch_s
        while left and not session.closing and out_bytes <= TURN_REPLY_BYTES_MAX:
            if out and stopwatch_s() > ends_s:
                break
            request = left.popleft()
            if isinstance(request, Run):
                replies = self._execute_run(session, request, now_ms)
                out += replies
                out_bytes += sum(map(len, replies))
                if len(replies) < len(request):
                    rest = request.after(len(replies))
                    left.extendleft([rest] if len(replies) == RUN_MAX else reversed([*rest]))
                continue
            if isinstance(request, list):
                reply = self.execute(session, request, now_ms)
            else:
                session.closing = session.closing or isinstance(request, ProtocolFault)
                reply = request
            if isinstance(reply, Wait):
                break
            data = encode(reply, session.protocol)
            out.append(data)
            out_bytes += len(data)
        return out, list(left)

    def _execute_run(self, session: Session, run: Run, now_ms: int) -> list[bytes]:
        """Carry out the first requests of a run together; return their encoded replies."""
        if len(run) > RUN_MAX:
            run = run.first(RUN_MAX)
        head, lasts = run.head, run.lasts
        command = self.run_command(head, len(run.columns))
        if command is None and run.is_narrow and lasts.count(lasts[0]) == len(lasts):
            command = self.run_command_of(head, lasts[0])
        if command is None or session.guarded:
            return []
        if command.run_resp2_only and session.protocol != 2:
            return []
        session.ran(command, now_ms)
        key = head[1] if len(head) > 1 else lasts[0]
        columns = command.run_columns(head, *run.columns)
        replies, pops = self.execute_together(command, session.db, key, columns, now_ms)
        session.pops += pops
        return replies

    def run_command(self, words: Sequence[bytes], behind: int = 1) -> Command | None:
        """Return the command by which requests with these words can be carried out together.

        The words are what comes before the last arguments, the key among them; of arguments
        there are ``behind``, which may be any. None if they cannot.
        """
        command = self._runs.get(words[0]) if len(words) > 1 else None
        if command is None or command.run_length != len(words) + behind:
            return None
        return command

    def run_command_of(self, words: Sequence[bytes], last: bytes) -> Command | None:
        """Return the same for requests with these words and this last argument."""
        command = self._runs.get(words[0]) if words else None
        if command is None or command.run_length > 2:
            return None
        try:
            return command if command.can_run(self._bound(command, (*words, last))) else None
        except RespqError:
            return None

    def execute_together(
        self, command: Command, db: int, key: bytes, columns: Sequence[list[bytes]], now_ms: int
    ) -> RunAnswer:
        """Carry out requests for one key, as far as they go.

        Their sessions have selected ``db`` and are not guarded. The columns are what
        `CommandTable.run` says. Returns the encoded replies of the first of them, perhaps of
        none, and their pops, one each or none.
        """
        state = self.engine.state
        if self.loading or self.draining:
            return [], []
        if command.run_needs_queue and key not in state.names[db]:
            return [], []
        if self.waiters.unlike and (db, key) in self.waiters.unlike:
            # One who wants two jobs would get them, and was to get the first alone.
            return [], []
        if command.blocking and not self.engine.deliverable(now_ms, db, key):
            return [], []
        assert command.run is not None
        start = len(self.engine.records)
        try:
            answer = command.run(self.engine, now_ms, db, key, *columns)
        except PayloadsAway:
            return [], []
        except RespqError:
            if len(self.engine.records) != start:
                raise
            return [], []
        command.calls += len(answer[0])
        if state.ended:
            self.engine.settle(now_ms)
        if len(self.engine.records) - start > 1:
            self.engine.end_transaction(start)
        if state.news:
            self.serve(now_ms)
        return answer

    def _call(self, session: Session, command: Command, bound: Bound, now_ms: int) -> Reply | Wait:
        """Call a handler with what was bound before; refusals are as in `execute`."""
        session.call.now_ms = now_ms
        start = len(self.engine.records)
        arguments, options = bound
        try:
            reply: Reply | Wait = command.handler(session.call, *arguments, **options)
        except PayloadsAway as away:
            reply = _until_read(away)
        except Exception as error:
            return self._refused(command, error, start)
        if self.engine.state.ended:
            self.engine.settle(now_ms)
        return reply

    def _refused(self, command: Command, error: Exception, start: int) -> RespqError:
        """Return the error reply for what a handler raised, if it emitted nothing before."""
        if len(self.engine.records) != start:
            raise error
        command.failures += 1
        if isinstance(error, RespqError):
            return _bare(error)
        self.report(error)
        return RespqError("internal error: the server's log has more")

    def _admit(self, session: Session, request: list[bytes]) -> Command | Reply:
        """Return the command to run now, or the reply to a request that does not run (now)."""
        command = None
        try:
            command = self._commands.get(request[0]) or self.resolve(request)
            self._check_guards(session, command)
            if session.queued is not None and not command.is_never_queued:
                return enqueue(session, command, request)
        except RespqError as error:
            if command is not None:
                command.failures += 1
            if session.queued is not None:
                session.tainted = True
            session.closing = session.closing or isinstance(error, ProtocolFault)
            return _bare(error)
        return command

    def resolve(self, request: list[bytes]) -> Command:
        """Return the command that a request names, in any case; raise if there is none."""
        name = request[0].upper()
        entry = self.table.entries.get(name)
        if isinstance(entry, Command):
            return entry
        if isinstance(entry, Container):
            if len(request) < 2:
                if entry.bare is not None:
                    return entry.bare
                raise SyntaxFault(f"wrong number of arguments for '{entry.name.lower()}' command")
            command = entry.find(request[1].upper())
            if command is not None:
                return command
            raise SyntaxFault(f"unknown subcommand '{_text(request[1])}'. Try {entry.name} HELP.")
        if name in _HTTP_WORDS:
            raise ProtocolFault("Protocol error: this is HTTP, and the port is for Redis clients")
        arguments = ""
        for word in request[1:]:
            if len(arguments) >= _SHOWN_BYTES:  # Redis' way to cut them.
                break
            arguments += f"'{_text(word[: _SHOWN_BYTES - len(arguments)])}' "
        raise SyntaxFault(
            f"unknown command '{_text(request[0])}', with args beginning with: {arguments}"
        )

    def tick(self, now_ms: int) -> bool:
        """Let time pass, in one slice; return whether more is due already."""
        more = self.engine.tick(now_ms)
        if self.engine.state.news:
            self.serve(now_ms)
        for waiter in self.waiters.deadlines.due(now_ms, len(self.sessions) + 1):
            self.waiters.remove(waiter)
            self.outbox.append((waiter.session, waiter.otherwise))
        return more

    def next_deadline_ms(self) -> int:
        """Return the earliest instant at which `tick` has something to do."""
        return min(self.engine.next_deadline_ms(), self.waiters.deadlines.first_ms)

    def serve(self, now_ms: int) -> None:
        """Run the commands of waiting clients again for the names that have news."""
        state = self.engine.state
        while state.news:
            names, state.news = dict.fromkeys(state.news), []
            # Not name by name: whoever waits for several could be given, for the news of one,
            # what another has waited for longer. So each name's first waiter stands in line.
            tried: set[int] = set()
            line: list[tuple[int, Name, Waiter]] = []
            for name in names:
                self._line_up(line, name, tried, now_ms)
            while line:
                number, name, waiter = heappop(line)
                if waiter.session.waiter is waiter and number not in tried:
                    others = line[0][0] if line else None
                    if not waiter.can_run or not self._serve_alike(waiter, name, others, now_ms):
                        self._serve_waiter(waiter, tried, now_ms)
                self._line_up(line, name, tried, now_ms)
        if state.endings:
            state.endings.clear()

    def _line_up(
        self, line: list[tuple[int, Name, Waiter]], name: Name, tried: set[int], now_ms: int
    ) -> None:
        """Put the longest waiting client for a name into line, if there is anything for it."""
        if self.engine.deliverable(now_ms, *name):
            waiter = self.waiters.first(name, besides=tried)
            if waiter is not None:
                heappush(line, (waiter.number, name, waiter))

    def _serve_alike(self, first: Waiter, name: Name, before: int | None, now_ms: int) -> bool:
        """Serve those who wait for the same, from the first on, as far as it lasts.

        The numbers of all are below ``before``, if that is not None: somebody who waits for
        another name has waited longer than the rest. Returns whether anybody was served.
        """
        db, key = name
        if key not in self.engine.state.names[db]:
            return False  # Something else has come to be there than a queue.
        limit = min(self.engine.deliverable(now_ms, db, key), RUN_MAX)
        alike = self.waiters.alike(first, name, before, limit)
        run = first.command.run
        assert run is not None
        try:
            replies, pops = run(self.engine, now_ms, db, key, [key] * len(alike))
        except PayloadsAway:
            return False
        for waiter, reply, pop in zip(alike, replies, pops, strict=False):
            self.waiters.remove(waiter)
            waiter.session.pops.append(pop)
            self.outbox.append((waiter.session, Encoded(reply)))
        return bool(replies)

    def _serve_waiter(self, waiter: Waiter, tried: set[int], now_ms: int) -> None:
        """Run a waiting client's command again; if it still waits, note that it was tried."""
        start = len(self.engine.records)
        self.engine.serving = True
        try:
            reply = self._call(waiter.session, waiter.command, waiter.bound, now_ms)
        finally:
            self.engine.serving = False
        self.engine.end_transaction(start)
        if isinstance(reply, Wait):
            tried.add(waiter.number)
            self.waiters.move(waiter, reply)
        else:
            self.waiters.remove(waiter)
            self.outbox.append((waiter.session, reply))

    def unblock(self, session: Session, error: RespqError | None = None) -> bool:
        """End a client's wait as if its time were over; return whether it was waiting.

        One whose command runs as soon as payloads have been read is not, unless the server stops.
        """
        waiter = session.waiter
        if waiter is None or (waiter.is_away and not self.draining):
            return False
        self.waiters.remove(waiter)
        self.outbox.append((session, waiter.otherwise if error is None else error))
        return True

    def publish(self, channel: bytes, payload: bytes) -> int:
        """Say something on a channel; return how often it is heard."""
        self.tell_events()
        return self._say(((channel, payload),))

    def tell_events(self) -> None:
        """Say what has happened in queues since the last call, to those who listen now.

        It has to be done before subscriptions change, and before the outbox is emptied.
        """
        if self.engine.events:
            self._say(map(channel_of, self.engine.take_events()))

    def _say(self, said: Iterable[Said]) -> int:
        rows = self.pubsub.heard(said)
        self.outbox += rows.items()
        return sum(map(len, rows.values()))

    def take_messages(self, session: Session) -> Replies:
        """Return what a session is to hear before the reply to the request that it runs.

        What others did in the same turn, or it did itself in the same pipeline, was heard by
        those who listened then, and in the order in which it was done.
        """
        self.tell_events()
        taken = Replies()
        if session.is_subscribed:
            left = []
            for each in self.outbox:
                if each[0] is session and isinstance(each[1], Replies):
                    taken += each[1]
                else:
                    left.append(each)
            self.outbox = left
        return taken

    def stop_listening(self, session: Session) -> None:
        """End all subscriptions of a session, which hears nothing more."""
        self.take_messages(session)
        self.pubsub.forget(session)

    def kill(self, session: Session) -> None:
        """Have the runtime close a client's connection at once; nothing is popped for it."""
        session.killed = session.closing = True
        self.close_session(session)
        self.closing.append(session)

    def drain(self) -> None:
        """Take no new work from now on, and answer those who wait for some."""
        self.draining = True
        for session in list(self.sessions.values()):
            self.unblock(session)

    def refuse_growth(self, now_ms: int, shortage: RespqError | None) -> None:
        """Answer commands that make the state grow with an error; with None, run them again.

        Schedules push nothing meanwhile. What they missed is made up for at the end of it, as
        after a start.
        """
        was_short, is_short = self.shortage is not None, shortage is not None
        self.shortage = shortage
        if was_short == is_short:
            return
        self._know_commands()
        self.engine.hold_schedules(now_ms, is_short)
        if self.engine.state.news:
            self.serve(now_ms)

    def check_growth(self, command: Command) -> None:
        """Raise the shortage there is, if the command would make the state grow."""
        shortage = self.shortage
        if shortage is not None and Flags.DENYOOM in command.flags:
            self.growth_refused[shortage.prefix] += 1
            raise type(shortage)(str(shortage))

    def _check_growth_of_all(self, commands: Iterable[Command]) -> None:
        """Raise if one of the commands of a transaction would make the state grow."""
        try:
            for command in commands:
                self.check_growth(command)
        except (MemoryShort, DiskShort) as error:
            # These are Redis' words.
            reason = f"{error.prefix} {error}"
            raise ExecAbort(f"Transaction discarded because of: {reason}") from error

    def exec_transaction(self, session: Session, now_ms: int) -> Reply:
        """Run the queued commands of a session as one transaction."""
        queued = session.queued
        assert queued is not None, "EXEC has checked it"
        tainted, changed = session.tainted, self.engine.has_changed(session.watch, now_ms)
        session.end_transaction()
        if self.shortage is not None:
            self._check_growth_of_all(command for command, _ in queued)
        if tainted:
            raise ExecAbort("Transaction discarded because of previous errors.")
        if changed:
            return NULL_ARRAY
        if self.draining:
            for command, _ in queued:
                # All or nothing: an ack whose push may not run any more would lose a job.
                self._check_guards(session, command)
        return [
            self.execute_inside(session, command, request, now_ms) for command, request in queued
        ]

    def execute_inside(
        self, session: Session, command: Command, request: list[bytes], now_ms: int
    ) -> Reply:
        """Run a request inside of another command, EXEC or a script, as a part of it."""
        command.calls += 1
        call, engine = session.call, self.engine
        call.now_ms = now_ms
        start = len(engine.records)
        try:
            if len(request) == command.plain_length:
                reply = command.handler(call, *request[command.words_count :])
            else:
                arguments, options = command.bind(request)
                reply = command.handler(call, *arguments, **options)
        except PayloadsAway as away:
            reply = _until_read(away)
        except Exception as error:
            return self._refused(command, error, start)
        if engine.state.ended:
            engine.settle(now_ms)
        while isinstance(reply, Wait) and reply.db == AWAY:
            self.read_payloads()
            reply = self._call(session, command, command.bind(request), now_ms)
        if not isinstance(reply, Wait):
            return reply  # type: ignore[no-any-return]
        # Nothing else blocks there.
        return None if reply.null_inside else reply.otherwise

    def _check_guards(self, session: Session, command: Command) -> None:
        """Raise what keeps a command from running at this time or in this session."""
        flags = command.flags
        if not session.authenticated and Flags.NO_AUTH not in flags:
            raise NoAuth("Authentication required.")
        if session.only_listens and Flags.SUBSCRIBED not in flags:
            raise RespqError(
                f"Can't execute '{command.full_name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / "
                "PING / QUIT / RESET are allowed in this context"
            )
        if self.loading and Flags.LOADING not in flags:
            raise Loading("respq is loading the journal in memory")
        if self.draining and Flags.DRAIN not in flags:
            raise ShuttingDown(str(_STOPPING))
        self.check_growth(command)


def _until_read(away: PayloadsAway) -> Wait:
    """Return the wait of a command that cannot run before payloads have been read."""
    return Wait((away.queue.number,), FOREVER_MS, _STOPPING, AWAY)


_STOPPING = ShuttingDown("the server is shutting down: connect to it again in a moment")


def _no_payloads() -> None:
    raise AssertionError("payloads are away, and there is no journal")


def _bare(error: RespqError) -> RespqError:
    """Return an error without the way that it came.

    Its traceback holds frames that hold the error: a cycle, and in it the request, which may
    be of any size, until the garbage collector comes by.
    """
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return error


def _text(word: bytes) -> str:
    return word[:_SHOWN_BYTES].decode("ascii", "backslashreplace")
