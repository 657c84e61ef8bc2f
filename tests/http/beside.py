"""A core in a loop, a sidecar beside it, and somebody who asks it.

The loop runs only while something is asked; time is what the test says it is.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from respq.broker.broker import Broker
from respq.broker.call import Wait
from respq.broker.session import Session
from respq.config import Settings
from respq.engine.engine import Engine
from respq.engine.state import State
from respq.errors import CommitFailed
from respq.handlers import command_table
from respq.http.app import Sidecar
from respq.journal.ballast import Ballast
from respq.journal.journal import Journal
from respq.journal.memory import MemoryJournal
from respq.resp.parser import Arrived
from respq.resp.replies import Replies, Reply
from respq.runtime.client import Pops
from respq.runtime.clock import Clock
from respq.runtime.committer import Committer
from respq.runtime.compactor import Compactor
from respq.runtime.core import Core
from respq.runtime.pressure import Pressure
from respq.runtime.space import Space
from respq.runtime.zones import load_zone

START_MS = 1_700_000_000_000
OPENMETRICS = "application/openmetrics-text; version=1.0.0"

T = TypeVar("T")


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """A connection, as far as the core sees it."""

    has_arrived = False
    held_count = 0

    def __init__(self, session: Session) -> None:
        self.session = session

    def take_turn(self, requests: Arrived, size: int, now_ms: int) -> None:
        """Take no part: here commands are run by `Beside.ask`."""

    def resume(self) -> None:
        """Go on."""

    def waits(self) -> None:
        """Be blocked from now on."""

    def release(self, data: bytes, pops: Pops) -> None:
        """Take a reply."""

    def answer(self, reply: Reply) -> None:
        """Take the reply of a wait that is over."""

    def tell(self, messages: Replies) -> None:
        """Take messages of channels."""

    def end(self) -> None:
        """Close at once."""

    def throttle(self, stop: bool) -> None:
        """Stop or go on reading."""


class Exposition:
    """Metrics as a reader sees them."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self.families = {family.name: family for family in families}
        self.samples = [sample for family in self.families.values() for sample in family.samples]

    def value(self, name: str, **labels: str) -> float | None:
        """Return the value of the one sample of that name and labels; None if there is none."""
        found = [each.value for each in self.samples if each[:2] == (name, labels)]
        assert len(found) < 2, f"{name} {labels} is there twice"
        return found[0] if found else None

    def labels(self, name: str, label: str) -> list[str]:
        """Return the values of a label of a sample, in order of appearance, each once."""
        found = (each.labels[label] for each in self.samples if each.name == name)
        return list(dict.fromkeys(found))


class Beside:
    """Opens everything when made; `close` it."""

    def __init__(self, journal: Journal | None = None) -> None:
        self.runner = asyncio.Runner()
        self.now_ms = START_MS
        self.free_bytes = 1 << 40
        """On the disk of the journal."""
        self.run(self._open(journal))
        self.session = self.client()

    async def _open(self, journal: Journal | None) -> None:
        settings = Settings(http_port=0)
        state = State()
        self.broker = Broker(Engine(state, load_zone), command_table(), settings)
        clock = Clock(lambda: self.now_ms * 1_000_000, lambda: self.now_ms * 1_000_000)
        loop = asyncio.get_running_loop()
        self.core = Core(self.broker, clock, settings, loop, fail=lambda _: None)
        state.build_indexes()
        if journal is not None:
            compactor = Compactor(
                self.broker.engine, journal, segment_bytes=settings.segment_bytes, report=print
            )
            self.core.start(Committer(journal, position=1, checksum=0, epoch=1), compactor)
            ballast = Ballast("/nowhere/ballast", 0)
            self.core.pressure.space = Space(ballast, 1_000, print, lambda: self.free_bytes)
        self.sidecar = Sidecar(self.core, settings)
        await self.sidecar.open()

    def close(self) -> None:
        self.run(self.sidecar.close())
        if self.core.committer is not None:
            self.core.committer.stop()
            self.core.stop_compacting()
        self.runner.close()

    def run(self, story: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(story)

    # The server.

    def client(self) -> Session:
        """Connect another client."""
        session_id = len(self.core.clients) + 1
        session = self.broker.open_session(session_id)
        self.core.clients[session_id] = Client(session)
        return session

    def ask(self, *request: bytes, session: Session | None = None) -> Any:
        """Run one command; its reply is held as a connection would, and then returned."""
        asker = session or self.session
        reply = self.broker.execute(asker, list(request), self.core.begin_turn())
        if not isinstance(reply, Wait):
            self.core.hold(self.core.clients[asker.id], b"", asker.take_pops(), stateless=False)
        return reply

    def say(self, line: str, session: Session | None = None) -> Any:
        """Run one command of plain words."""
        return self.ask(*line.encode().split(), session=session)

    def pass_ms(self, elapsed_ms: int) -> None:
        """End the turn of the loop, and let time pass."""
        self.run(asyncio.sleep(0))
        self.now_ms += elapsed_ms

    def look(self, *, used_bytes: int, free_bytes: int = 1 << 40) -> None:
        """Have memory and disk looked at when they are so."""
        pressure = self.core.pressure
        pressure.limit_bytes = 1_000
        pressure.read_used = lambda: used_bytes
        self.free_bytes = free_bytes
        if pressure.space is not None:
            pressure.space.look()
        self.run(self._look(pressure))

    async def _look(self, pressure: Pressure) -> None:
        pressure.look()

    def settle(self) -> None:
        """Let the loop run until everything is committed, or cannot be."""

        while not self.core.is_settled and not self.core.failed:
            self.run(asyncio.sleep(0))

    # Those who ask the sidecar.

    def get(self, path: str, *, method: str = "GET", accept: str = "") -> Answer:
        return self.run(self.fetch(path, method, accept))

    async def fetch(self, path: str, method: str, accept: str) -> Answer:
        url = f"http://127.0.0.1:{self.sidecar.port}{path}"
        async with (
            aiohttp.ClientSession() as http,
            http.request(method, url, headers={"Accept": accept} if accept else {}) as answer,
        ):
            return Answer(answer.status, dict(answer.headers), await answer.text())

    def metrics(self) -> Exposition:
        """Scrape as Prometheus does, and read what comes."""
        answer = self.get("/metrics", accept=OPENMETRICS)
        assert answer.status == 200
        return Exposition(text_string_to_metric_families(answer.body))


class BrokenJournal(MemoryJournal):
    """A disk that takes nothing any more."""

    def append(self, position: int, blob: bytes, checksum: int) -> None:
        raise CommitFailed("the disk is gone")


class HungJournal(MemoryJournal):
    """A disk that does not come back until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def append(self, position: int, blob: bytes, checksum: int) -> None:
        self.let_go.wait()
        super().append(position, blob, checksum)


class Lines(logging.Handler):
    """Collects what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
