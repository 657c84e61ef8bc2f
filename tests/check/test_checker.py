"""A server that keeps its promises gives no finding, whatever its clients do.

Random clients drive the whole core in virtual time, over crashes and compaction. Their
requests are recorded as those of many at once: each as if it had been on its way for a while
before and after it happened, some without their answer, some without having happened at all.
A server that breaks a promise now and then, behind their backs, is found out by them.

For a long run: ``RESPQ_CHECK_SEEDS=500 pytest tests/check/test_checker.py -k keeps``.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from typing import Any

import pytest

from respq.check.checker import check
from respq.errors import RespqError
from respq.resp.replies import NullArray, Simple
from tests.harness import Harness, decoded

SEEDS = int(os.environ.get("RESPQ_CHECK_SEEDS", "8"))
QUEUES = ("a", "b", "c")
LINGER_MS = 40


class Clients:
    """Many clients of one server, and what they recorded."""

    def __init__(self, seed: int, *, compacts: bool = True) -> None:
        self.chance = random.Random(seed)
        self.harness = Harness()
        self.compacts = compacts
        self.lines: list[dict[str, Any]] = []
        self.receipts: list[tuple[str, str]] = []
        self.jobs: set[tuple[str, str]] = set()
        self._made = 0
        self._within_ms = 0.0
        """What passed of the current millisecond."""

    # What clients say

    def _queue(self) -> str:
        return self.chance.choice(QUEUES)

    def _payload(self) -> str:
        self._made += 1
        return self.chance.choice((f"p{self._made}", "same", f"{'x' * 99}{self._made}"))

    def _push_options(self, queue: str) -> str:
        said = ""
        for option, odds in (
            (f"PRIORITY {self.chance.randrange(4)}", 0.6),
            (f"DELAY {self.chance.randrange(300)}", 0.2),
            ("TTL 5s", 0.02),
            (f"LEASE {self.chance.choice((50, 700))}", 0.2),
            ("MAXLEASE 400", 0.1),
            ("KEEP 1s", 0.1),
            ("THEN b follow", 0.05),
            ("ATTEMPTS 0", 0.5),
            ("FRONT", 0.1),
            ("GROUP g", 0.2),
        ):
            said += f" {option}" * (self.chance.random() < odds)
        return said

    def _id(self, queue: str) -> str:
        if self.chance.random() > 0.3:
            return ""
        self._made += self.chance.random() < 0.8  # Else it is pushed again.
        self.jobs.add((queue, f"id{self._made}"))
        return f" ID id{self._made}"

    def push(self) -> str:
        queue = self._queue()
        more = self.chance.choice((self._id(queue), self._id(queue), " DEDUP k", " IDMP p 7"))
        if self.chance.random() < 0.05:
            more = " DEDUP k ON REPLACE"
        return f"QPUSH {queue} {self._payload()}{self._push_options(queue)}{more}"

    def push_several(self) -> str:
        queue = self._queue()
        options = self._push_options(queue)
        return f"QMPUSH {queue} 2 {self._payload()} {self._payload()}{options}"

    def pop(self) -> str:
        lease = f" LEASE {self.chance.choice((30, 600, 60_000))}" * (self.chance.random() < 0.7)
        count = f" COUNT {self.chance.randrange(1, 4)}" * (self.chance.random() < 0.3)
        taken = " NOACK" * (self.chance.random() < 0.05)
        if self.chance.random() < 0.2:
            return f"QMPOP 2 a b{lease}{count}{taken}"
        return f"QPOP {self._queue()}{lease}{count}{taken}"

    def _receipt(self) -> tuple[str, str]:
        if not self.receipts:
            return "a", "1:1-1"
        return self.chance.choice(self.receipts[-8:])

    def end(self) -> str:
        queue, receipt = self._receipt()
        other = self._receipt()[1]
        return self.chance.choice(
            (
                f"QACK {queue} {receipt}",
                f"QACK {queue} {receipt} {other}",
                f"QACK {queue} {receipt} STRICT",
                f"QNACK {queue} {receipt}",
                f"QNACK {queue} {receipt} {other} SILENT WITHDUE",
                f"QNACK {queue} {receipt} DELAY 20",
                f"QNACK {queue} {receipt} FATAL",
                f"QTOUCH {queue} {receipt}",
                f"QTOUCH {queue} {receipt} LEASE {self.chance.choice((20, 900))}",
                f"QMOVE {queue} {self._queue()} {receipt}{self._push_options(queue)}",
                f"QMOVE {queue} c {receipt} PAYLOAD {self._payload()}{self._id('c')}",
            )
        )

    def look(self) -> str:
        queue, job = self.chance.choice(sorted(self.jobs)) if self.jobs else ("a", "1-1")
        return self.chance.choice((f"QSHOW {queue} {job}", f"QSTATS {queue}"))

    def administer(self) -> str:
        queue, job = self.chance.choice(sorted(self.jobs)) if self.jobs else ("a", "1-1")
        return self.chance.choice(
            (
                f"QDEL {queue} {job}",
                f"QCANCEL {queue} {job}",
                f"QEDIT {queue} {job} PRIORITY 3",
                f"QEDIT {queue} {job} LEASE 20 PAYLOAD edited",
                f"QKICK {queue} COUNT 5",
                f"QSCHED ADD {queue} s tick EVERY 90 LEASE 80",
                f"QDLQ REDRIVE {queue}",
                "QDLQ REDRIVE b TO c",
                "QDLQ PURGE b",
                "QUEUE SET b LEASE 100",
                "QUEUE PAUSE b FOR 50",
                "QUEUE PURGE c",
                "QUEUE DROP c",
            )
        )

    # What is recorded

    def step(self) -> None:
        chance = self.chance.random()
        if chance < 0.02:
            self.crash()
        elif chance < 0.04 and self.compacts:
            self.harness.compact(20)
        elif chance < 0.3:
            self.harness.pass_ms(self.chance.choice((1, 5, 40, 300)))
            self._within_ms = 0.0
        elif chance < 0.36:
            self._transaction([self._say() for _ in range(self.chance.randrange(1, 4))])
        else:
            self._request(self._say())

    def _say(self) -> str:
        kinds: tuple[Callable[[], str], ...] = (
            *(self.push, self.push, self.push_several, self.pop, self.pop, self.end, self.end),
            *(self.end, self.look),
        )
        if self.chance.random() < 0.04:
            return self.administer()
        return self.chance.choice(kinds)()

    def crash(self) -> None:
        self.lines.append({"down": self._time_ms()})
        self.harness.crash(self.chance.choice((1, 10, 2_000)))
        self._within_ms = 0.0

    def _time_ms(self) -> float:
        self._within_ms += 0.001
        return self.harness.now_ms + self._within_ms

    def _request(self, said: str) -> None:
        line: dict[str, Any] = {"command": said.split()}
        self._record(line, lambda: self.harness.say(said))

    def _transaction(self, commands: list[str]) -> None:
        def run() -> Any:
            self.harness.say("MULTI")
            for command in commands:
                self.harness.say(command)
            return self.harness.say("EXEC")

        words = [command.split() for command in commands]
        self._record({"command": ["EXEC"], "commands": words}, run)

    def _record(self, line: dict[str, Any], run: Callable[[], Any]) -> None:
        at_ms = self._time_ms()
        line |= {"client": "c", "start": at_ms - self._linger_ms()}
        fate = self.chance.random()
        if fate < 0.1:
            if fate < 0.07:
                run()
                if fate < 0.02:
                    self.harness.undo(self.harness.default)
            line |= {"end": None, "gave_up": at_ms + self.chance.random()}
        else:
            reply = plain(run())
            line |= {"end": at_ms + self._linger_ms()}
            line |= {"error": reply["error"]} if is_error(reply) else {"reply": reply}
            self._hear(line)
        self.lines.append(line)

    def _linger_ms(self) -> float:
        return self.chance.choice((0.0001, self.chance.random() * LINGER_MS))

    def _hear(self, line: dict[str, Any]) -> None:
        """Note the ids and receipts of an answer."""
        commands = line.get("commands", [line["command"]])
        replies = line.get("reply") if "commands" in line else [line.get("reply")]
        for words, reply in zip(commands, replies or (), strict=False):
            if is_error(reply) or reply is None:
                continue
            if words[0] in ("QPUSH", "QMPUSH", "QMOVE"):
                queue = words[1 + (words[0] == "QMOVE")]
                ids = reply if isinstance(reply, list) else [reply]
                self.jobs.update((queue, job) for job in ids)
            elif words[0] in ("QPOP", "QMPOP"):
                queue, jobs = reply if words[0] == "QMPOP" else (words[1], reply)
                if words[0] == "QPOP" and "COUNT" not in words:
                    jobs = [reply]
                for job, receipt, _ in jobs:
                    self.jobs.add((queue, job))
                    if receipt is not None:
                        self.receipts.append((queue, receipt))

    def look_up(self) -> None:
        for queue, job in sorted(self.jobs):
            self._look_up(f"QSHOW {queue} {job}")
        for queue in QUEUES:
            self._look_up(f"QSTATS {queue}")

    def _look_up(self, said: str) -> None:
        at_ms = self._time_ms()
        reply = plain(self.harness.say(said))
        answer = {"error": reply["error"]} if is_error(reply) else {"reply": reply}
        self.lines.append({"start": at_ms, "end": at_ms + 0.0001, "command": said.split()} | answer)

    def findings(self) -> list[str]:
        raw = [json.dumps(line).encode() for line in self.lines]
        return [str(each) for each in check(raw, slack_ms=1).findings]


def is_error(reply: Any) -> bool:
    return isinstance(reply, dict) and reply.keys() == {"error"}


def plain(reply: Any) -> Any:
    """Return a reply as JSON has it."""
    match reply:
        case RespqError():
            return {"error": f"{reply.prefix} {reply}"}
        case bytes():
            return reply.decode()
        case Simple():
            return reply.text.decode()
        case NullArray():
            return None
        case dict():
            return {plain(name): plain(value) for name, value in reply.items()}
        case list() | tuple():
            return [plain(each) for each in reply]
        case None | int() | float():
            return reply
    return plain(decoded(reply))


def walked(seed: int, steps: int) -> Clients:
    clients = Clients(seed)
    for _ in range(steps):
        clients.step()
    clients.look_up()
    return clients


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_server_that_keeps_its_promises_gives_no_finding(seed: int) -> None:
    clients = walked(seed, 400)

    assert clients.findings() == []


def forget_the_end_of_the_journal(clients: Clients) -> None:
    del clients.harness.journal[-2:], clients.harness.drawn[-2:]
    clients.crash()


def throw_a_job_away(clients: Clients) -> None:
    jobs = sorted(each for each in clients.jobs if each[0] == "a")
    for queue, job in clients.chance.sample(jobs, min(3, len(jobs))):
        clients.harness.say(f"QDEL {queue} {job}")


def invent_a_job(clients: Clients) -> None:
    clients.harness.say("QPUSH a secret PRIORITY 9")


def take_a_lease_away(clients: Clients) -> None:
    for queue, receipt in clients.receipts[-3:]:
        clients.harness.say(f"QNACK {queue} {receipt} SILENT")


def give_the_least_urgent_first(clients: Clients) -> None:
    for queue in QUEUES:
        clients.harness.say(f"QUEUE CREATE {queue} ORDER MIN")


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("break_a_promise", "said"),
    [
        (forget_the_end_of_the_journal, ""),
        (throw_a_job_away, "is lost"),
        (invent_a_job, "nobody pushed it"),
        (take_a_lease_away, "while the lease of fence"),
        (give_the_least_urgent_first, "more urgent"),
    ],
)
def test_one_that_breaks_a_promise_is_found_out(
    seed: int, break_a_promise: Callable[[Clients], None], said: str
) -> None:
    # What is said again by compaction would be forgotten with the end of the journal.
    clients = Clients(seed, compacts=False)
    for step in range(500):
        clients.step()
        if step % 20 == 0:
            break_a_promise(clients)
    clients.look_up()

    findings = clients.findings()

    assert [each for each in findings if said in each], findings
