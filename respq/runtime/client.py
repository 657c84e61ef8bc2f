"""Connections as the core sees them: one, and those that ask alike in one turn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from respq.broker.session import Pop, Session
from respq.resp.parser import Arrived
from respq.resp.replies import Replies, Reply

Pops = Sequence[Pop]


class Receiver(Protocol):
    """What bytes are held for until a commit."""

    held_count: int

    def release(self, data: bytes, pops: Pops) -> None:
        """Send what its time has come for; undo its pops if the transport is closed."""


class Client(Receiver, Protocol):
    """A connection as the core sees it."""

    session: Session
    has_arrived: bool
    """Some of its requests are to be executed at the end of this turn."""

    def take_turn(self, requests: Arrived, size: int, now_ms: int) -> None:
        """Execute requests of ``size`` bytes, and hold their replies."""

    def resume(self) -> None:
        """Execute some of what arrived before and was too much for one turn."""

    def waits(self) -> None:
        """Be blocked from now on, by the request that arrived alone."""

    def answer(self, reply: Reply) -> None:
        """Take the reply of a wait that is over."""

    def tell(self, messages: Replies) -> None:
        """Take messages of channels: they answer nothing that it asked."""

    def end(self) -> None:
        """Close at once."""

    def throttle(self, stop: bool) -> None:
        """Stop or go on reading: there is too much that is not committed."""


@dataclass(slots=True)
class Group:
    """Clients whose requests have the same words before the last argument."""

    clients: list[Client] = field(default_factory=list)
    lasts: list[bytes] = field(default_factory=list)
    """The last arguments of the first client, then those of the second, and so on."""
    counts: list[int] = field(default_factory=list)
    """How many each client has."""
    sizes: list[int] = field(default_factory=list)
    """Bytes that each client sent."""

    def add(self, client: Client, lasts: list[bytes], size: int) -> None:
        """Add a client with at least one request."""
        self.clients.append(client)
        self.lasts += lasts
        self.counts.append(len(lasts))
        self.sizes.append(size)

    def members(self) -> Iterator[tuple[Client, list[bytes], int]]:
        """Yield each client with its last arguments and the bytes that it sent."""
        start = 0
        for client, count, size in zip(self.clients, self.counts, self.sizes, strict=True):
            yield client, self.lasts[start : start + count], size
            start += count

    def without_closing(self) -> Group:
        """Return those whose session goes on."""
        for client in self.clients:
            if client.session.closing:
                group = Group()
                for member in self.members():
                    if not member[0].session.closing:
                        group.add(*member)
                return group
        return self

    def by_last(self) -> dict[bytes | None, Group]:
        """Return the groups of those who ask for the same, by what that is.

        None are those who ask for several things.
        """
        lasts = self.lasts
        if lasts.count(lasts[0]) == len(lasts):
            return {lasts[0]: self}
        groups: dict[bytes | None, Group] = {}
        for client, own, size in self.members():
            wanted = own[0] if own.count(own[0]) == len(own) else None
            groups.setdefault(wanted, Group()).add(client, own, size)
        return groups
