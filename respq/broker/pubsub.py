"""Channels and patterns: who listens to what, and what each of them is to hear.

What is said on a channel is heard by those who listen to it by name, in the order of their
subscriptions, and then by those whose pattern matches, pattern by pattern: who does both
hears it twice, as in Redis. Who hears a channel is remembered until somebody begins or
ceases to listen, so that a pattern costs nothing for a channel that is used again.

What happens to the jobs of a queue is said on the channel ``q:<queue>:<event>``, outside
database 0 ``q@<db>:<queue>:<event>``. The engine takes note of it only while somebody listens
who could hear such a channel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from respq.broker.glob import glob
from respq.broker.session import Session
from respq.config import CHANNELS_MAX, PATTERNS_MAX, ROUTES_MAX
from respq.engine.core import EngineCore
from respq.engine.jobs.events import Told
from respq.errors import TooBig
from respq.resp.replies import Push, Replies

Said = tuple[bytes, bytes]
"""A channel, and what is said there."""
_Listeners = dict[bytes, dict[Session, None]]
_Route = list[tuple[bytes | None, list[Session]]]
"""The pattern, None for the name itself, and who listens to it."""
_WILD: Final = (b"*", b"?", b"[", b"\\")


class PubSub:
    """The subscriptions of all sessions."""

    def __init__(self, engine: EngineCore) -> None:
        self.channels: _Listeners = {}
        self.patterns: _Listeners = {}
        self._engine = engine
        self._matches: dict[bytes, Callable[[bytes], bool]] = {}
        """By pattern."""
        self._routes: dict[bytes, _Route] = {}
        """By channel."""
        self._queue_listeners = 0
        """Channels and patterns by which events of queues can be heard."""

    def check(
        self, session: Session, *, channels: Iterable[bytes] = (), patterns: Iterable[bytes] = ()
    ) -> None:
        """Raise `TooBig` unless a session may listen to these as well."""
        for what, own, more, limit in (
            ("channels", session.channels, channels, CHANNELS_MAX),
            ("patterns", session.patterns, patterns, PATTERNS_MAX),
        ):
            count = len(own.keys() | more)
            if count > limit:
                raise TooBig(
                    f"a connection listens to {limit} {what} at most, these would make it {count}"
                )

    def subscribe(self, session: Session, channel: bytes) -> None:
        """Have a session hear what is said on a channel."""
        self._add(self.channels, session.channels, session, channel, _is_of_queues(channel))

    def subscribe_pattern(self, session: Session, pattern: bytes) -> None:
        """Have a session hear what is said on every channel that matches."""
        if pattern not in self._matches:
            self._matches[pattern] = glob(pattern)
        self._add(self.patterns, session.patterns, session, pattern, _may_match_queues(pattern))

    def unsubscribe(self, session: Session, channel: bytes) -> None:
        """End a subscription to a channel, if there is one."""
        self._remove(self.channels, session.channels, session, channel, _is_of_queues(channel))

    def unsubscribe_pattern(self, session: Session, pattern: bytes) -> None:
        """End a subscription to a pattern, if there is one."""
        self._remove(self.patterns, session.patterns, session, pattern, _may_match_queues(pattern))
        if pattern not in self.patterns:
            self._matches.pop(pattern, None)

    def forget(self, session: Session) -> None:
        """End all subscriptions of a session."""
        for channel in list(session.channels):
            self.unsubscribe(session, channel)
        for pattern in list(session.patterns):
            self.unsubscribe_pattern(session, pattern)

    def heard(self, said: Iterable[Said]) -> Mapping[Session, Replies]:
        """Return the messages that each session is to get, in the order in which they are said.

        A message is the same object for all who get it, so that it is encoded once.
        """
        rows: dict[Session, Replies] = {}
        for channel, payload in said:
            for pattern, sessions in self._route(channel):
                if pattern is None:
                    message = Push((b"message", channel, payload))
                else:
                    message = Push((b"pmessage", pattern, channel, payload))
                for session in sessions:
                    row = rows.get(session)
                    if row is None:
                        row = rows[session] = Replies()
                    row.append(message)
        return rows

    def _route(self, channel: bytes) -> _Route:
        route = self._routes.get(channel)
        if route is None:
            route = [(None, [*self.channels[channel]])] if channel in self.channels else []
            route += [
                (pattern, [*sessions])
                for pattern, sessions in self.patterns.items()
                if self._matches[pattern](channel)
            ]
            if len(self._routes) >= ROUTES_MAX:
                self._routes.clear()
            self._routes[channel] = route
        return route

    def _add(
        self,
        listeners: _Listeners,
        own: dict[bytes, None],
        session: Session,
        name: bytes,
        of_queues: bool,
    ) -> None:
        if name in own:
            return
        own[name] = None
        if name not in listeners:
            listeners[name] = {}
            self._queue_listeners += of_queues
        listeners[name][session] = None
        self._changed(session)

    def _remove(
        self,
        listeners: _Listeners,
        own: dict[bytes, None],
        session: Session,
        name: bytes,
        of_queues: bool,
    ) -> None:
        if name not in own:
            return
        del own[name]
        del listeners[name][session]
        if not listeners[name]:
            del listeners[name]
            self._queue_listeners -= of_queues
        self._changed(session)

    def _changed(self, session: Session) -> None:
        self._routes.clear()
        self._engine.listening = self._queue_listeners > 0
        session.decide_guard()


def channel_of(event: Told) -> Said:
    """Return where an event is told, and what is said there."""
    db, queue, what, job_id = event
    if db:
        return b"q@%d:%b:%b" % (db, queue, what), job_id
    return b"q:%b:%b" % (queue, what), job_id


def _is_of_queues(channel: bytes) -> bool:
    return channel.startswith((b"q:", b"q@"))


def _may_match_queues(pattern: bytes) -> bool:
    """Tell whether a channel that begins with ``q`` can match; when in doubt, yes."""
    return pattern.startswith((b"q", *_WILD))
