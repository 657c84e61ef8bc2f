"""What a handler is given, and the one thing it may return besides a reply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from respq.config import NAME_BYTES_MAX
from respq.resp.replies import Reply

if TYPE_CHECKING:
    from respq.broker.broker import Broker
    from respq.broker.session import Session
    from respq.engine.engine import Engine

FOREVER_MS = 0


@dataclass(slots=True)
class Call:
    """The engine, the session and the time of the turn: all a handler may look at.

    One object a session; the broker sets ``now_ms`` before each command.
    """

    broker: Broker
    engine: Engine
    session: Session
    now_ms: int = 0
    db: int = 0
    """What the session has selected; kept by it."""

    @property
    def who(self) -> bytes:
        """Who asks: the name that the client gave itself, or else its address.

        Cut, because it is written down with each job of what is asked.
        """
        # The path of a Unix socket may be no text.
        who = self.session.name or self.session.address.encode(errors="surrogateescape")
        return who[:NAME_BYTES_MAX]


@dataclass(frozen=True, slots=True)
class Wait:
    """Run the same command again when one of ``names`` has news.

    After ``timeout_ms`` (`FOREVER_MS` for none), and at once where nothing may block, the
    reply is ``otherwise``; there it is null, if ``null_inside``.
    """

    names: tuple[bytes | int, ...]
    """Queues by name, or jobs by number."""
    timeout_ms: int
    otherwise: Reply
    db: int | None = None
    """In which database the names are; None for the one that the session has selected. `AWAY` if
    they are numbers of queues whose payloads have to be read before the command can run."""
    arguments: tuple[bytes, ...] | None = None
    """What the command is to be run again with, where that is not what the request says: one of
    its words means what was so at first, as ``$`` of XREAD. Options stay as they are."""
    null_inside: bool = False
