"""The same commands on respq and on a real Redis: the same replies, and the same is left.

respq is in the hand (tests/harness.py), so that every index is checked after each command and its
clock is virtual; the clock of Redis is real. What expires soon is over for both after a `Pass`;
whatever else expires is far away, or has passed. A sequence that differs is tried again, since a
machine may halt for longer than a key lasts.

A family of keys is a module in tests/compat/families with its commands and how to look at what
they leave. Commands that may block are sent without a timeout: where respq waits, Redis must, and
both must be served by the same command later.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.compat.families import (
    hashes,
    keys,
    lists,
    scripts,
    sets,
    sort,
    streams,
    strings,
    zsets,
)
from tests.compat.families.family import Family, Normal, Request
from tests.compat.families.keys import PASS_MS
from tests.handlers.real_redis import RealRedis, RedisConnection, tree
from tests.harness import WAITS, Client, Harness, image

FAMILIES: tuple[Family, ...] = (
    keys.FAMILY,
    keys.TRANSACTIONS,
    sort.FAMILY,
    scripts.FAMILY,
    strings.FAMILY,
    lists.FAMILY,
    hashes.FAMILY,
    sets.FAMILY,
    zsets.FAMILY,
    streams.FAMILY,
)
CLIENTS = 3
DATABASES = (0, 1)
TRIES = 3
LOOKS, LOOK_S = 50, 0.02
QUEUED = "+", b"QUEUED"


@dataclass(frozen=True)
class Pass:
    """Time passes until everything is over that does not last."""


@dataclass(frozen=True)
class Said:
    client: int
    request: Request


Step = Pass | Said


def steps_of(families: tuple[Family, ...] = FAMILIES) -> st.SearchStrategy[list[Step]]:
    """Return sequences of the commands of families, on a few connections."""
    commands = st.one_of([each for family in families for each in family.commands])
    said = st.builds(Said, st.sampled_from([0, 0, 0, 1, 2]), commands)
    return st.lists(st.one_of([said] * 40 + [st.just(Pass())]), min_size=5, max_size=60)


class Pair:
    """One client of each."""

    def __init__(self, harness: Harness, redis: RealRedis, protocol: int) -> None:
        self.ours: Client = harness.client()
        self.theirs: RedisConnection = redis.connect()
        self.waits: Request = []
        """What both are blocked in."""
        self.queued: list[Request] | None = None
        self.protocol = protocol
        if protocol == 3:
            self.ours.say("HELLO 3")
            self.theirs.say("HELLO 3")

    def say(self, request: Request) -> tuple[Any, Any]:
        """Run a command on both; return their replies as far as they must be the same."""
        reply = self.ours.ask(*request)
        self.theirs.send(request)
        if reply is WAITS:
            self.waits = request
            return None, None
        return self._both(request, tree(reply, self.protocol), self.theirs.read())

    def served(self) -> tuple[Any, Any]:
        """Return the replies to what they were blocked in, if respq has given one."""
        if not self.waits or not self.ours.inbox:
            return None, None
        request, self.waits = self.waits, []
        ours = tree(self.ours.inbox.pop(0), self.protocol)
        return self._both(request, ours, self.theirs.read())

    def _both(self, request: Request, ours: Any, theirs: Any) -> tuple[Any, Any]:
        name = request[0].upper()
        requests = [request]
        if name == b"MULTI" and self.queued is None:
            self.queued = []
        elif name in (b"EXEC", b"DISCARD"):
            requests, self.queued = self.queued or [], None
            whole = ours[0], theirs[0]
            if name == b"EXEC" and whole == ("*", "*") and ours[1] and theirs[1]:
                zipped = zip(requests, ours[1], strict=True), zip(requests, theirs[1], strict=True)
                return tuple([normal(*each) for each in side] for side in zipped)  # type: ignore[return-value]
        elif self.queued is not None and ours == QUEUED:
            self.queued.append(request)
        return normal(request, ours), normal(request, theirs)


NORMAL: dict[bytes, Normal] = {
    name: each for family in FAMILIES for name, each in family.normal.items()
}


def normal(request: Request, reply: Any) -> Any:
    """Return what of a reply must be the same."""
    reply = _with_plain_errors(reply)
    name = request[0].upper()
    if name not in NORMAL or reply[0] == "-" or reply[1] is None or reply == QUEUED:
        return reply
    return NORMAL[name](reply)


def _with_plain_errors(reply: Any) -> Any:
    """Return a reply in which no error names the word at which it was found, as ours do."""
    kind, value = reply
    if kind == "-":
        text = value.partition(b" script: ")[0].partition(b" near ")[0]
        # 7.0 has this name in capitals.
        text = text.replace(b"Unbalanced XREAD", b"Unbalanced 'xread'")
        text = text.replace(b"XREAD command", b"xread command")
        return kind, b"ERR syntax error" if text.startswith(b"ERR syntax error") else text
    if isinstance(value, list) and kind != "%":
        return kind, [_with_plain_errors(each) for each in value]
    return reply


def first_difference(steps: list[Step], redis: RealRedis, protocol: int) -> str:
    """Return the first step at which two servers differ, and how; an empty text for none."""
    for _ in range(TRIES):
        found = _difference(steps, redis, protocol)
        if not found:
            break
    return found


def _difference(steps: list[Step], redis: RealRedis, protocol: int) -> str:
    harness = Harness()
    boss = Pair(harness, redis, protocol)
    boss.theirs.say("FLUSHALL")
    pairs = [Pair(harness, redis, protocol) for _ in range(CLIENTS)]
    try:
        for number, step in enumerate(steps):
            found = _step_differs(step, harness, pairs, boss)
            if found:
                return f"step {number}, {step}: {found}"
        left = _left_differs(boss)
        if not left:
            _is_kept(harness)
        return left
    finally:
        for pair in [boss, *pairs]:
            pair.theirs.close()


def _step_differs(step: Step, harness: Harness, pairs: list[Pair], boss: Pair) -> str:
    if isinstance(step, Pass):
        harness.pass_ms(PASS_MS)
        time.sleep(PASS_MS / 1_000)
    elif not pairs[step.client].waits:
        # By the wall clock as much time passes as Redis takes; here none does.
        ours, theirs = pairs[step.client].say(step.request)
        if ours != theirs:
            return f"respq {ours}, Redis {theirs}"
    for pair in pairs:
        ours, theirs = pair.served()
        if ours != theirs:
            return f"a waiting client: respq {ours}, Redis {theirs}"
    blocked = sum(bool(pair.waits) for pair in pairs)
    if blocked and not _redis_has_wait(boss, blocked):
        return f"respq has {blocked} clients wait, Redis has not"
    return ""


def _redis_has_wait(boss: Pair, blocked: int) -> bool:
    """Tell whether so many clients wait; Redis may not have read yet what they asked for."""
    for _ in range(LOOKS):
        if b"blocked_clients:%d\r\n" % blocked in boss.theirs.say("INFO clients")[1]:
            return True
        time.sleep(LOOK_S)
    return False


def _left_differs(boss: Pair) -> str:
    """Compare all that is left in both."""
    for db in DATABASES:
        boss.say([b"SELECT", b"%d" % db])
        found = boss.say([b"KEYS", b"*"])
        if found[0] != found[1]:
            return f"database {db}: respq {found[0]}, Redis {found[1]}"
        for _, name in found[0][1]:
            kind, _ = boss.say([b"TYPE", name])
            looks = next(f.looks[kind[1]] for f in FAMILIES if kind[1] in f.looks)
            for look in [["TYPE", "{key}"], ["PTTL", "{key}"], *looks]:
                request = [name if word == "{key}" else word.encode() for word in look]
                ours, theirs = boss.say(request)
                if ours != theirs:
                    return f"{request}: respq {ours}, Redis {theirs}"
    return ""


def _is_kept(harness: Harness) -> None:
    """Assert that the journal has all of it, also when it was compacted."""
    for batches in (0, len(harness.journal) // 2, len(harness.journal)):
        harness.compact(batches)
        assert image(harness.replayed()) == image(harness.engine.state)
