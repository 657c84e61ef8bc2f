"""The whole server: what is started in which order, and how it ends.

start    listen (answers -LOADING) → read the journal back → settle what happened
         meanwhile → open for business
drain    stop listening → answer those who wait → take acks until no job is leased or
         the time is over → commit → close the journal
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from respq import __version__
from respq.broker.broker import Broker, Figures
from respq.broker.session import Session
from respq.config import Settings
from respq.engine.engine import Engine
from respq.engine.records import EpochStarted
from respq.engine.state import State
from respq.errors import CommitFailed, ScriptOverdue
from respq.handlers import command_table
from respq.journal.disk import DiskJournal
from respq.journal.journal import BatchSource
from respq.journal.replay import Replayed, replay
from respq.runtime.clock import Clock
from respq.runtime.committer import Committer
from respq.runtime.compactor import Compactor
from respq.runtime.core import Core
from respq.runtime.linger import Linger
from respq.runtime.payloads import PayloadReader
from respq.runtime.pressure import LEVEL_NAMES, resident_bytes
from respq.runtime.space import Space
from respq.runtime.zones import load_zone
from respq.server.connection import Connection
from respq.server.files import fit_clients
from respq.server.idle import IdleTimeout
from respq.server.listener import Listeners
from respq.server.logs import Log, open_log
from respq.server.memory import fit_memory
from respq.server.processors import usable_processors

if TYPE_CHECKING:
    from respq.http.app import Sidecar

_DRAIN_LOOK_S = 0.02
_LINGER_PROCESSORS_MIN = 2
"""Of one alone a loop that stays awake takes what its clients need to ask again."""
_CONFIGURE_GC = (5_000, 1, 30_000)
"""Jobs are not tracked, so what a collection walks is mostly what never dies: seldom, and few.

A collection of the middle generation walks what two of the young one have left: 10,000 objects
at most, one or two ms, while queues are made by the thousand and all of them stay.
"""
_SWITCH_INTERVAL_S = 0.001
"""How long the writer thread waits for the interpreter while the loop is busy; 5 ms by default."""


class StoppedWhileLoading(Exception):
    """A signal came before the journal was read back; nothing has been changed."""


class Server:
    """A server in one event loop."""

    def __init__(self, settings: Settings, log: Log) -> None:
        self.settings = settings
        self.log = log
        self.loop = asyncio.get_running_loop()
        self.loop.set_exception_handler(self._callback_failed)
        self.run_id = secrets.token_hex(20)
        self.started_s = time.monotonic()
        self.engine = Engine(State(), load_zone)
        self.clock = Clock()
        self.broker = Broker(
            self.engine,
            command_table(),
            settings,
            figures=self.figures,
            report=lambda error: log.error("a command failed unexpectedly", cause=error),
            log=lambda level, text: log.by_level(level)("a script says", text=text),
            stopwatch_s=self.clock.stopwatch_s,
        )
        self.broker.loading = True
        self.core = Core(self.broker, self.clock, settings, self.loop, fail=self.fail)
        self.core.pressure.report = log.warning
        if usable_processors() >= _LINGER_PROCESSORS_MIN:
            self.core.linger = Linger(self.loop, self.clock.stopwatch_s)
        self.sidecar = _sidecar(self.core, settings)
        self.listeners = Listeners(settings, lambda: Connection(self))
        self.connections: dict[int, Connection] = {}
        """By session id."""
        self.idle = IdleTimeout(self.loop, self.connections.values, settings.idle_timeout_ms)
        self.journal: DiskJournal | None = None
        self.replayed = Replayed()
        self.status = 0
        """What the process will exit with."""
        self._next_session_id = 1
        self._ended = asyncio.Event()
        self.is_stopping = False
        self._drain_ends_s = 0.0

    # Start.

    async def start(self) -> None:
        """Listen, read the journal back, open for business.

        Raises:
            StartRefused: and everything is closed again.
            StoppedWhileLoading: likewise.
        """
        settings = self.settings
        try:
            if not settings.memory:
                self.journal = DiskJournal(
                    settings.data_dir, fsync=settings.fsync, segment_bytes=settings.segment_bytes
                )
            await self.listeners.open()
            if self.sidecar is not None:
                await self.sidecar.open()
            self.core.lag.start()
            self.idle.start()
            await self._load()
        except BaseException:
            await self._close()
            raise

    async def _load(self) -> None:
        """Read the journal back, in a thread so that clients are answered meanwhile."""
        started_s = time.monotonic()
        settings = self.settings
        state = self.engine.state
        if self.journal is not None:
            await asyncio.to_thread(
                replay,
                _Stoppable(self.journal, self),
                state,
                self._report_recovery,
                self.replayed,
                keeps_payloads=self.core.pressure.has_room,
            )
        else:
            state.build_indexes()
        self.clock.start_from(self.replayed.now_ms)
        if self.journal is not None:
            await self._watch_space(self.journal)
        committer = compactor = payload_reader = None
        if self.journal is not None:
            epoch = self.replayed.epoch + 1
            committer = Committer(
                self.journal,
                position=self.replayed.next_position,
                checksum=self.replayed.checksum,
                epoch=epoch,
            )
            compactor = Compactor(
                self.engine,
                self.journal,
                segment_bytes=settings.segment_bytes,
                report=self.log.error,
            )
            payload_reader = PayloadReader(self.core, self.journal, report=self.log.error)
            self.engine.emit(EpochStarted(epoch, self.clock.now_ms(), __version__))
        self.core.pressure.look()  # It decides whether schedules fire now.
        self.engine.start(self.clock.now_ms())
        self.core.start(committer, compactor, payload_reader)
        self.core.pressure.start()
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_CONFIGURE_GC)
        self.broker.loading = False
        self.core.begin_turn()
        self.log.info(
            "ready",
            address=self.listeners.shown(),
            data_dir="none" if settings.memory else settings.data_dir,
            durability=durability(settings),
            maxmemory=settings.maxmemory,
            records=self.replayed.records,
            seconds=round(time.monotonic() - started_s, 3),
        )

    async def _watch_space(self, journal: DiskJournal) -> None:
        settings = self.settings
        ballast = journal.ballast(settings.ballast_bytes)
        space = Space(ballast, settings.disk_free_bytes_min, self.log.warning)
        await asyncio.to_thread(space.look)
        self.core.pressure.watch(space)
        space.start()

    def _report_recovery(self, sentence: str) -> None:
        self.log.warning(sentence)

    # Clients.

    def open_session(self, client: Connection, address: str, local_address: str) -> Session:
        """Make the session of a new connection."""
        session_id = self._next_session_id
        self._next_session_id += 1
        self.core.traffic.connections_total += 1
        self.core.clients[session_id] = self.connections[session_id] = client
        return self.broker.open_session(
            session_id,
            address=address,
            local_address=local_address,
            fd=client.fileno(),
            buffered=client.buffered,
            created_ms=self.clock.now_ms(),
        )

    def close_session(self, client: Connection) -> None:
        """Forget a connection that is gone."""
        self.core.clients.pop(client.session.id, None)
        self.connections.pop(client.session.id, None)
        self.broker.close_session(client.session)
        client.session.let_go()

    # End.

    def stop(self) -> None:
        """Begin to drain; a second call leaves at once."""
        if self.is_stopping:
            self._ended.set()
            return
        self.is_stopping = True
        self.log.info("draining", leased=self._leased_count(), limit_ms=self.settings.drain_ms)
        self.listeners.close()
        self.core.stop_compacting()
        self._drain_ends_s = time.monotonic() + self.settings.drain_ms / 1_000
        if not self.broker.loading:
            self.broker.drain()
            self.core.begin_turn()
        self._look_at_drain()

    def _look_at_drain(self) -> None:
        waits = self._leased_count() and self.core.clients and not self.broker.stop_now
        if waits and time.monotonic() < self._drain_ends_s:
            self.loop.call_later(_DRAIN_LOOK_S, self._look_at_drain)
        elif not self.core.is_settled and not self.core.failed:
            self.core.begin_turn()
            self.loop.call_later(_DRAIN_LOOK_S, self._look_at_drain)
        else:
            self._ended.set()

    def _leased_count(self) -> int:
        if self.broker.loading:
            return 0
        return sum(len(queue.leases) for queue in self.engine.state.queues.values())

    def fail(self, error: BaseException) -> None:
        """Stop because memory and journal can no longer agree; nothing more is answered."""
        self.core.failed = True
        self.status = 1
        if isinstance(error, CommitFailed):
            self.log.error(f"stopping: the journal failed; {_AFTER_A_FAILURE}", reason=error)
        elif isinstance(error, ScriptOverdue):
            self.log.error(f"stopping: {error}; {_AFTER_A_FAILURE}")
        else:
            self.log.error(
                f"stopping: a command failed after its first change; {_AFTER_A_FAILURE}",
                cause=error,
            )
        self._ended.set()

    def _callback_failed(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Stop for what no one caught in a turn; report what only one connection suffers from."""
        error = context.get("exception")
        if error is not None and "handle" in context:
            self.fail(error)
        else:
            self.log.error(str(context.get("message")), cause=error)

    async def wait(self) -> int:
        """Return the exit status when the server has ended."""
        await self._ended.wait()
        try:
            await self._close()
        except CommitFailed as error:
            self.status = 1
            self.log.error("the journal could not be closed", cause=error)
        self.log.info("stopped", status=self.status)
        return self.status

    async def _close(self) -> None:
        self.listeners.close()
        if self.sidecar is not None:
            await self.sidecar.close()
        self.core.lag.stop()
        self.core.pressure.stop()
        self.idle.stop()
        for client in list(self.connections.values()):
            if self.core.failed:
                client.end()
            else:
                client.transport.close()
        await asyncio.sleep(0)
        if self.core.committer is not None:
            self.core.committer.stop()
        self.core.stop_compacting()
        if self.core.payload_reader is not None:
            self.core.payload_reader.close()
        if self.core.pressure.space is not None:
            self.core.pressure.space.stop()
        if self.journal is not None:
            self.journal.close()

    # Facts.

    def figures(self) -> Figures:
        """Return what INFO says of the process."""
        core = self.core
        uptime_s = int(time.monotonic() - self.started_s)
        committer = core.committer
        usage = resource.getrusage(resource.RUSAGE_SELF)
        persistence: dict[str, int | str] = {
            "loading": int(self.broker.loading),
            "respq_durability": durability(self.settings),
            "respq_loaded_records": self.replayed.records,
        }
        if committer is not None and self.journal is not None:
            commits = committer.figures
            persistence |= {
                "respq_commit_mode": committer.mode,
                "respq_commits": commits.batches,
                "respq_committed_records": commits.records,
                "respq_commit_average_us": int(commits.average_ms * 1_000),
                "respq_commit_max_us": int(commits.max_ms * 1_000),
                "respq_journal_bytes": self.journal.size_bytes(),
                "respq_journal_position": committer.position - 1,
            }
        compactor = core.compactor
        if compactor is not None:
            persistence |= {
                "respq_journal_live_bytes": compactor.live_bytes,
                "respq_compaction_running": int(not compactor.is_idle),
                "respq_compaction_passes": compactor.passes,
                "respq_compaction_relocated": compactor.relocated,
                "respq_compaction_relocated_bytes": compactor.relocated_bytes,
            }
        pressure = core.pressure
        if pressure.space is not None:
            persistence |= {
                "respq_disk_free_bytes": pressure.space.free_bytes,
                "respq_disk_free_bytes_min": pressure.space.floor_bytes,
                "respq_disk_short": int(pressure.space.is_short),
                "respq_ballast_bytes": pressure.space.held_bytes,
            }
        peak_bytes = usage.ru_maxrss * 1024
        return {
            "server": {
                "run_id": self.run_id,
                "process_id": os.getpid(),
                "tcp_port": self.listeners.port,
                "uptime_in_seconds": uptime_s,
                "uptime_in_days": uptime_s // 86_400,
            },
            "memory": {
                # Where it is not Linux the peak is the best there is.
                "used_memory": resident_bytes() or peak_bytes,
                "used_memory_peak": peak_bytes,
                "respq_memory_level": LEVEL_NAMES[pressure.level],
                "respq_payloads_let_go": self.engine.state.payloads_let_go,
                "respq_payloads_read_back": self.engine.state.payloads_read,
                "respq_payload_batches_read": self.engine.state.batches_read,
            },
            "cpu": {
                "used_cpu_sys": f"{usage.ru_stime:.6f}",
                "used_cpu_user": f"{usage.ru_utime:.6f}",
            },
            "persistence": persistence,
            "stats": {
                "total_connections_received": core.traffic.connections_total,
                "total_commands_processed": core.traffic.commands_total,
                "rejected_connections": core.traffic.rejected_total,
                "client_output_buffer_limit_disconnections": core.traffic.cut_total,
                **{
                    f"respq_refused_{prefix.lower()}": count
                    for prefix, count in self.broker.growth_refused.items()
                },
                "respq_loop_lag_max_us": int(self.core.lag.max_ms * 1_000),
                "respq_loop_stall_max_us": int(self.core.stalls.max_s * 1_000_000),
            },
        }


class _Stoppable:
    """A journal that is not read on when the server is to stop."""

    def __init__(self, journal: BatchSource, server: Server) -> None:
        self._journal = journal
        self._server = server
        self.cut = journal.cut

    def read(self, position: int) -> Iterator[tuple[int, bytes]]:
        """Yield position and blob as the journal does."""
        for batch in self._journal.read(position):
            if self._server.is_stopping:
                raise StoppedWhileLoading
            yield batch


def _sidecar(core: Core, settings: Settings) -> Sidecar | None:
    if not settings.http:
        return None
    # Not at the top: its libraries take more than half of the time of a start.
    from respq.http.app import Sidecar

    return Sidecar(core, settings)


def durability(settings: Settings) -> str:
    """Return the word for what a reply promises."""
    return "memory" if settings.memory else settings.fsync


def run(settings: Settings) -> int:
    """Serve until a signal or SHUTDOWN ends it; return the exit status.

    Raises:
        StartRefused: why it could not start.
    """
    log = open_log(settings.log_level, settings.log_format)
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    settings = fit_memory(fit_clients(settings, log), log)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_serve(settings, log))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:  # Where there are no wheels for it, asyncio does.
        return asyncio.new_event_loop
    return uvloop.new_event_loop


async def _serve(settings: Settings, log: Log) -> int:
    server = Server(settings, log)
    for number in (signal.SIGINT, signal.SIGTERM):
        server.loop.add_signal_handler(number, server.stop)
    try:
        await server.start()
    except StoppedWhileLoading:
        log.info("stopped while the journal was being read back", status=0)
        return 0
    sys.stdout.write(_banner(settings, server.listeners, server.sidecar))
    sys.stdout.flush()
    return await server.wait()


def _banner(settings: Settings, listeners: Listeners, sidecar: Sidecar | None) -> str:
    kept = "nothing is kept: --memory" if settings.memory else os.path.abspath(settings.data_dir)
    cli = f"redis-cli -p {listeners.port}"
    return (
        f"respq {__version__} is ready\n"
        f"  address     {listeners.shown()}\n"
        f"  health      {_health(settings, sidecar)}\n"
        f"  data        {kept}\n"
        f"  durability  {_PROMISES[durability(settings)]}\n"
        "  try\n"
        f'    {cli} QPUSH mail "hello"\n'
        f"    {cli} QPOP mail\n"
        f"    {cli} QACK mail RECEIPT   # the second line that QPOP printed\n"
    )


def _health(settings: Settings, sidecar: Sidecar | None) -> str:
    if sidecar is None:
        return "none: --no-http"
    return f"http://{settings.http_host}:{sidecar.port}/healthz"


_AFTER_A_FAILURE = "the next start reads back everything that was answered"
_PROMISES = {
    "always": "always: a reply is sent when the disk has it",
    "everysec": "everysec: a crash of the machine may lose the last second, of respq nothing",
    "no": "no: a crash of the machine may lose what it had not written, of respq nothing",
    "memory": "memory: everything is lost when the process ends",
}
