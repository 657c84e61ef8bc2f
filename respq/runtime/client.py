"""Connections as the core sees them: one, and those that ask alike in one turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Protocol

from respq.broker.session import Pop, Session
from respq.resp.parser import Arrived
from respq.resp.replies import Reply

Pops = Sequence[Pop]


class Client(Protocol):
    """A connection as the core sees it."""

    session: Session
    has_arrived: bool
    """Some of its requests are to be executed at the end of this turn."""
    held_count: int

    def take_turn(self, requests: Arrived, size: int, now_ms: int) -> None:
        """Execute requests of ``size`` bytes, and hold their replies."""

    def waits(self) -> None:
        """Be blocked from now on, by the request that arrived alone."""

    def release(self, data: bytes, pops: Pops) -> None:
        """Send a reply whose time has come; undo its pops if the transport is closed."""

    def answer(self, reply: Reply) -> None:
        """Take the reply of a wait that is over."""

    def end(self) -> None:
        """Close at once."""

    def throttle(self, stop: bool) -> None:
        """Stop or go on reading: there is too much that is not committed."""


@dataclass(slots=True)
class Group:
    """Clients that have one request each, with the same words before the last argument."""

    clients: list[Client]
    lasts: list[bytes]
    sizes: list[int]
    """Bytes of each request."""

    def without_closing(self) -> Group:
        """Return those whose session goes on."""
        for client in self.clients:
            if client.session.closing:
                stays = [not client.session.closing for client in self.clients]
                return Group(
                    list(compress(self.clients, stays)),
                    list(compress(self.lasts, stays)),
                    list(compress(self.sizes, stays)),
                )
        return self

    def by_last(self) -> dict[bytes, Group]:
        """Return the groups of those who ask for the same, by what that is."""
        lasts = self.lasts
        if lasts.count(lasts[0]) == len(lasts):
            return {lasts[0]: self}
        groups: dict[bytes, Group] = {}
        for client, last, size in zip(self.clients, lasts, self.sizes, strict=True):
            group = groups.setdefault(last, Group([], [], []))
            group.clients.append(client)
            group.lasts.append(last)
            group.sizes.append(size)
        return groups

    def parted(self, count: int) -> tuple[Group, Group]:
        """Return the first ``count``, and the others."""
        clients, lasts, sizes = self.clients, self.lasts, self.sizes
        return Group(clients[:count], lasts[:count], sizes[:count]), Group(
            clients[count:], lasts[count:], sizes[count:]
        )
