"""One client as the broker sees it: no socket, only what it has said so far."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from respq.broker.call import Call
from respq.engine.jobs.job import Job
from respq.engine.keys.value import Taken
from respq.engine.keys.watch import Watch

if TYPE_CHECKING:
    from respq.broker.broker import Broker
    from respq.broker.command import Command
    from respq.broker.waiters import Waiter

Pop = tuple[Job | Taken, int]
"""A job that was handed out and the fence of that delivery, 0 without a lease; or what was taken
out of a key, and 0."""


def nothing_buffered() -> tuple[int, int]:
    """Return the sizes of buffers that are empty, or that nobody tells."""
    return 0, 0


class Session:
    """The state of one connection."""

    __slots__ = (
        "address",
        "authenticated",
        "buffered",
        "call",
        "channels",
        "closing",
        "command",
        "created_ms",
        "db",
        "fd",
        "guarded",
        "id",
        "killed",
        "library",
        "library_version",
        "local_address",
        "name",
        "no_evict",
        "no_touch",
        "only_listens",
        "patterns",
        "pops",
        "protocol",
        "queued",
        "queued_bytes",
        "tainted",
        "waiter",
        "watch",
    )

    def __init__(
        self,
        broker: Broker,
        session_id: int,
        *,
        address: str = "",
        local_address: str = "",
        created_ms: int = 0,
        authenticated: bool = True,
        fd: int = -1,
        buffered: Callable[[], tuple[int, int]] = nothing_buffered,
    ) -> None:
        self.id = session_id
        self.address = address
        self.local_address = local_address
        self.created_ms = created_ms
        self.fd = fd
        self.buffered = buffered
        """Tells how many bytes of requests are unread and of replies unsent, for CLIENT LIST."""
        self.library = b""
        self.library_version = b""
        self.waiter: Waiter | None = None
        """The wait that it is blocked in."""
        self.pops: list[Pop] = []
        """Handed out in replies that have not gone to the transport yet."""
        self.closing = False
        """The connection ends after the replies so far."""
        self.killed = False
        """The connection ends now, whatever is left to be sent, the reply to this one too."""
        self.command: Command | None = None
        """The last one it ran."""
        self.watch = Watch()
        """The keys that it watches."""
        self.call = Call(broker, broker.engine, self, created_ms)
        self.channels: dict[bytes, None] = {}
        """What it listens to, in order of its subscriptions; kept by `PubSub`, as are …"""
        self.patterns: dict[bytes, None] = {}
        self.start_over(authenticated=authenticated)

    def start_over(self, *, authenticated: bool) -> None:
        """Return to the state of a new connection, as RESET does."""
        self.protocol = 2
        self.select(0)
        self.name = b""
        self.no_evict = False
        self.no_touch = False
        self.authenticated = authenticated
        self.end_transaction()

    def select(self, db: int) -> None:
        """Choose the database."""
        self.db = self.call.db = db

    @property
    def is_subscribed(self) -> bool:
        """Whether it listens to anything."""
        return bool(self.channels or self.patterns)

    def decide_guard(self) -> None:
        """Note whether a request needs more than a look-up to be admitted."""
        self.only_listens = self.protocol == 2 and self.is_subscribed
        """Whether it can tell messages from replies only because it asks for little else."""
        self.guarded = not self.authenticated or self.queued is not None or self.only_listens

    def speak(self, protocol: int) -> None:
        """Choose the protocol."""
        self.protocol = protocol
        self.decide_guard()

    def begin_transaction(self) -> None:
        """Queue commands from now on."""
        self.queued: list[tuple[Command, list[bytes]]] | None = []
        self.queued_bytes = 0
        self.tainted = False
        self.decide_guard()

    def end_transaction(self) -> None:
        """Run commands at once from now on, and watch nothing."""
        if self.watch.names:
            self.call.engine.unwatch(self.watch)
        self.queued = None
        self.queued_bytes = 0
        self.tainted = False
        self.decide_guard()

    def authenticate(self) -> None:
        """Remember that the password was right."""
        self.authenticated = True
        self.decide_guard()

    def ran(self, command: Command, now_ms: int) -> None:
        """Note a command that was carried out together with others."""
        self.command = command
        self.call.now_ms = now_ms

    def let_go(self) -> None:
        """Let go of what refers back to it: the connection is gone, and it runs nothing more.

        The garbage collector would hardly ever come by.
        """
        del self.call

    def take_pops(self) -> list[Pop]:
        """Hand over the pops whose replies are about to be held, and begin anew."""
        pops, self.pops = self.pops, []
        return pops
