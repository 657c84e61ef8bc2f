"""What clients do: scripts that say what to ask next, and for how long to think.

A script yields a number of seconds, or a pipeline of commands, and is sent the replies to it. A
reply is `LOST` if the connection ended before it came; the next pipeline goes over a new one. A
command is a line; what may hold any bytes is given as words.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.simulation.laws import SLOT
from tests.simulation.network import LOST

Command = str | Sequence[bytes]
Script = Generator[float | list[Command], list[Any], None]
Delivery = tuple[bytes, bytes, bytes]
"""Queue, id, receipt."""

OTHER_DB = 3
DATABASES = (0, OTHER_DB)
HOMES = dict.fromkeys(("producer 2", "w2", "w3", "in order", "its consumer"), OTHER_DB)
"""The database of those who are not at home in the first one."""
QUEUES = ("a", "b", "g")
PATTERNS = ("*", "x*", "?o*")


@dataclass
class Shared:
    """What clients tell one another beside the server."""

    chance: Random
    is_hurried: bool = False
    """Nobody thinks."""
    quiet: bool = False
    """Nobody begins anything any more."""
    ids: dict[str, list[bytes]] = field(default_factory=dict)
    """Recent jobs of each queue, of all databases."""
    own_ids: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    """Recent ids of clients' own making, of each queue, and the database each was for."""
    deliveries: list[Delivery] = field(default_factory=list)
    """Recent ones, over or not."""
    count: int = 0

    def name(self) -> str:
        """Return a word that nobody has used."""
        self.count += 1
        return f"n{self.count}"

    def own_id(self, db: int, queue: str) -> str:
        """Return an id for a job: a new one, or one of a job of another database."""
        known = self.own_ids.setdefault(queue, [])
        elsewhere = [each for each in known if each[0] != db]
        if elsewhere:
            known.remove(elsewhere[-1])
            return elsewhere[-1][1]
        known.append((db, f"id-{self.name()}"))
        del known[:-8]
        return known[-1][1]

    def pushed(self, queue: str, reply: Any) -> None:
        """Note ids that a push was answered with."""
        ids = reply if isinstance(reply, list) else [reply]
        known = self.ids.setdefault(queue, [])
        known += [each for each in ids if isinstance(each, bytes) and each != b"QUEUED"]
        del known[:-12]

    def given(self, deliveries: list[Delivery]) -> None:
        """Note what a worker was given."""
        self.deliveries += deliveries
        del self.deliveries[:-12]

    def an_id(self, queue: str) -> str:
        """Return a job that may be there."""
        return self.chance.choice(self.ids.get(queue) or [b"1-1"]).decode()


def a_job(shared: Shared) -> tuple[str, str]:
    """Return a queue, and a job that it may have."""
    queue = shared.chance.choice((*QUEUES, "flow"))
    return queue, shared.an_id(queue)


def deliveries(command: str, reply: Any) -> list[Delivery]:
    """Return what a pop gave; jobs without a receipt are left out."""
    if not isinstance(reply, list) or not reply:
        return []
    queue = command.split()[1].encode()
    if command.startswith("QMPOP"):
        queue, reply = reply
    elif not isinstance(reply[0], list):
        reply = [reply]
    return [(queue, each[0], each[1]) for each in reply if each[1] is not None]


def is_to_repeat(reply: Any) -> bool:
    """Tell whether a client that gets this asks again: it came in vain, or too early."""
    return reply is LOST or (isinstance(reply, Exception) and str(reply).startswith("LOADING "))


def thinks(shared: Shared, mean_s: float) -> float:
    """Return how long somebody waits who is busy now and then."""
    if shared.is_hurried:
        return 0.001
    return 0.0 if shared.chance.random() < 0.3 else shared.chance.expovariate(1 / mean_s)


# Producers.


def producer(shared: Shared, mean_s: float, db: int) -> Script:
    """Push all kinds of jobs, alone, in pipelines, in transactions; repeat some unanswered."""
    chance = shared.chance
    while True:
        yield thinks(shared, mean_s)
        if shared.quiet:
            continue
        queue = chance.choice(QUEUES)
        kind = chance.random()
        if kind < 0.3:
            lines: list[Command] = [f"QPUSH {queue} {shared.name()}"]
        elif kind < 0.5:
            lines = [f"QPUSH {queue} {shared.name()}" for _ in range(chance.randint(2, 8))]
        elif kind < 0.6:
            lines = [_push_many(shared, queue)]
        elif kind < 0.7:
            pushes = [_push(shared, db, queue) for _ in range(chance.randint(1, 4))]
            lines = ["MULTI", *pushes, chance.choice(("EXEC", "EXEC", "EXEC", "DISCARD"))]
        else:
            lines = [_push(shared, db, queue)]
        for _ in range(3):
            replies = yield lines
            for reply in replies:
                shared.pushed(queue, reply)
            if not is_to_repeat(replies[-1]) or "ID" not in str(lines[0]):
                break


def _push_many(shared: Shared, queue: str) -> str:
    payloads = [shared.name() for _ in range(shared.chance.randint(1, 5))]
    line = f"QMPUSH {queue} {len(payloads)} {' '.join(payloads)}"
    if shared.chance.random() < 0.3:
        line += f" IDMP me {shared.chance.randrange(30)}"
    return line


def _push(shared: Shared, db: int, queue: str) -> str:
    chance = shared.chance
    line = f"QPUSH {queue} {shared.name()}{'x' * chance.choice((0, 0, 30, 400))}"
    if chance.random() < 0.2:
        line += f" ID {shared.own_id(db, queue)}"
    for share, options in (
        (0.3, [f"PRIORITY {each}" for each in (-1, 1, 2)]),
        (0.3, [f"DELAY {each}" for each in (500, 20_000, 300_000, 3_000_000)]),
        (0.1, ["TTL 8000", "TTL 600000"]),
        (0.2, ["ATTEMPTS 1", "ATTEMPTS 2", "ATTEMPTS 0"]),
        (0.2, ["LEASE 400", "LEASE 8000", "LEASE 200000"]),
        (0.1, ["DEDUP k", "DEDUP l WINDOW 30000", "DEDUP m UNTIL START", "DEDUP k ON REPLACE"]),
        (0.3, ["GROUP x", "GROUP y", "GROUP z"]),
        (0.1, [f"THEN b {shared.name()}"]),
        (0.1, ["KEEP 60000"]),
        (0.1, ["FRONT"]),
        (0.1, ["NAME mail TAG t META {}"]),
        (0.1, ["MAXLEASE 30000"]),
        (0.1, ["BACKOFF FIXED 700", "BACKOFF LINEAR 3000 JITTER 50"]),
    ):
        if chance.random() < share:
            line += f" {chance.choice(options)}"
    return line


def in_order(shared: Shared, mean_s: float) -> Script:
    """Push equals, each again and again until it is answered."""
    yield ["QUEUE CREATE fifo LEASE 1h ATTEMPTS 0"]
    while True:
        yield thinks(shared, mean_s)
        if shared.quiet:
            continue
        line = f"QPUSH fifo {shared.name()} ID fifo-{shared.name()}"
        while is_to_repeat((yield [line])[0]):
            yield thinks(shared, 1.0)


def parents(shared: Shared, mean_s: float) -> Script:
    """Push jobs that depend on others, and cancel some."""
    chance = shared.chance
    while True:
        yield thinks(shared, mean_s)
        if shared.quiet:
            continue
        queue, flow = chance.choice(("flow", "flow", "a")), f"f{chance.randrange(3)}"
        ids: list[bytes] = []
        is_fan = chance.random() < 0.4
        for _ in range(chance.randint(2, 6)):
            line = f"QPUSH {queue} {shared.name()} FLOW {flow}"
            if ids and chance.random() < 0.8:
                chosen = chance.sample(ids, min(len(ids), chance.randint(1, 2)))
                chosen = ids[:1] if is_fan else chosen
                line += f" DEPENDS {len(chosen)} {' '.join(each.decode() for each in chosen)}"
            if chance.random() < 0.3:
                line += chance.choice((" DELAY 5000", " KEEP 20000", " ATTEMPTS 1", " FRONT"))
            lines: list[Command] = [line]
            (reply,) = yield lines
            if isinstance(reply, bytes):
                ids.append(reply)
                shared.pushed(queue, reply)
        if chance.random() < 0.15:
            yield [f"QFLOW CANCEL {queue} {flow}"]


def scheduler(shared: Shared, mean_s: float) -> Script:
    """Make schedules, change them, and take them away."""
    chance = shared.chance
    while True:
        yield thinks(shared, mean_s)
        if shared.quiet:
            continue
        name = f"s{chance.randrange(4)}"
        kind = chance.random()
        if kind < 0.5:
            words = [b"QSCHED", b"ADD", b"cron", name.encode(), SLOT + shared.name().encode()]
            words += chance.choice(_RHYTHMS)
            for share, options in (
                (0.7, (b"CATCHUP NONE", b"CATCHUP ONE", b"CATCHUP ALL")),
                (0.3, (b"OVERLAP SKIP",)),
                (0.3, (b"JITTER 2000",)),
                (0.2, (b"KEEP 9000", b"DELAY 2000")),
            ):
                if chance.random() < share:
                    words += chance.choice(options).split()
            yield [words]
        else:
            verb = chance.choice(("DEL", "PAUSE", "RESUME", "SHOW", "NEXT"))
            yield [f"QSCHED {verb} cron {name}"]


_RHYTHMS = (
    *([b"EVERY", b"50s"], [b"EVERY", b"7s", b"MAXRUNS", b"9"], [b"EVERY", b"20m"]),
    *([b"CRON", b"* * * * *"], [b"CRON", b"*/7 * * * *", b"TZ", b"Europe/Berlin"]),
)

# Workers.


def worker(shared: Shared, name: str, mean_s: float) -> Script:
    """Ask for jobs, wait for them, and end them well, badly or not at all."""
    chance = shared.chance
    held: list[Delivery] = []
    while True:
        yield thinks(shared, mean_s)
        command = _pop(shared, name)
        # Some ask for more before they have the reply.
        lines: list[Command] = [command] * (3 if chance.random() < 0.15 else 1)
        for reply in (yield lines):
            given = deliveries(command, reply)
            shared.given(given)
            held += given
        if chance.random() < 0.04:
            held.clear()  # It died, and another has its name.
        while held and chance.random() < 0.85:
            if chance.random() < 0.4:
                yield chance.expovariate(1 / (40.0 if chance.random() < 0.05 else 1.0))
            count = 1 if chance.random() < 0.6 else chance.randint(1, len(held))
            ended, held = held[:count], held[count:]
            yield _end(shared, ended)


def _pop(shared: Shared, name: str) -> str:
    chance = shared.chance
    queue = chance.choice((*QUEUES, "flow", "cron", "flow", "cron"))
    line = f"QPOP {queue}"
    if chance.random() < 0.2:
        line = chance.choice(
            (
                *("QMPOP 3 a b g FAIR", "QMPOP 2 flow cron", "QMPOP 3 g a cron WEIGHTS 1 5 2"),
                "QMPOP 2 b flow STRICT",
            )
        )
    if chance.random() < 0.4:
        line += f" COUNT {chance.choice((1, 3, 20))}"
    if chance.random() < 0.5:
        line += f" BLOCK {chance.choice((1, 900, 15_000))}"
    if chance.random() < 0.3:
        line += f" LEASE {chance.choice((300, 4_000, 90_000))}"
    if chance.random() < 0.3:
        line += f" CONSUMER {name}"
    if chance.random() < 0.05:
        line += " NOACK"
    return line


def _end(shared: Shared, ended: list[Delivery]) -> list[Command]:
    """Return a pipeline that ends deliveries, or makes them last."""
    chance = shared.chance
    if chance.random() < 0.05 and shared.deliveries:
        ended = [*ended, chance.choice(shared.deliveries)]  # That is somebody else's.
    lines: list[Command] = []
    for queue, _, receipt in ended:
        name, proof = queue.decode(), receipt.decode()
        kind = chance.random()
        if kind < 0.6:
            lines.append(f"QACK {name} {proof}" + " RESULT fine" * (chance.random() < 0.1))
        elif kind < 0.8:
            how = chance.choice(("FAIL", "FAIL", "SILENT", "FATAL", "FAIL DELAY 3000", "FRONT"))
            if chance.random() < 0.1:
                how = "RATELIMIT 2000"
            lines.append(f"QNACK {name} {proof} {how}")
        elif kind < 0.9:
            lines.append(f"QTOUCH {name} {proof} LEASE {chance.choice((900, 20_000))} PROGRESS 5")
            lines.append(f"QACK {name} {proof}")
        else:
            target = chance.choice(QUEUES)
            lines.append(f"QMOVE {name} {target} {proof} PAYLOAD {shared.name()}")
    if chance.random() < 0.1:
        return ["MULTI", *lines, "EXEC"]
    return lines


def in_order_consumer(shared: Shared, mean_s: float) -> Script:
    """Take the equals one by one, alone, and end each well before the next."""
    while True:
        yield thinks(shared, mean_s)
        (reply,) = yield ["QPOP fifo BLOCK 5s"]
        for _, _, receipt in deliveries("QPOP fifo", reply):
            while is_to_repeat((yield [f"QACK fifo {receipt.decode()}"])[0]):
                yield 1.0


# Operators.


def operator(shared: Shared, mean_s: float) -> Script:
    """Look at everything, change settings, throw away, pause, order workers about."""
    chance = shared.chance
    for db in DATABASES:
        for name in (*QUEUES, "flow", "cron"):
            create = f"QUEUE CREATE {name}"
            yield [f"SELECT {db}", create, f"QUEUE SET {name} {_SETTINGS[name]}"]
    while True:
        yield thinks(shared, mean_s)
        if shared.quiet:
            continue
        queue, job = a_job(shared)
        what = chance.choice(_LOOKS if chance.random() < 0.4 else _ORDERS)
        yield [f"SELECT {chance.choice(DATABASES)}", what.format(q=queue, j=job)]


_SETTINGS = {
    "a": "MAXLEN 30 OVERFLOW REJECT KEEPDEAD 60000",
    "b": "MAXLEN 20 OVERFLOW DROPOLDEST KEEPDEAD 30000",
    "g": "MAXLEN 25 GROUPCONCURRENCY 1 FAIR YES KEEPDEAD 30000",
    "flow": "MAXLEN 40 KEEPDEAD 30000",
    "cron": "MAXLEN 15 OVERFLOW DROPOLDEST",
}

_LOOKS = (
    *("QLEN {q}", "QPEEK {q} COUNT 3", "QSHOW {q} {j}", "QHISTORY {q} {j}", "QEXPLAIN {q} {j}"),
    *("QSTATS {q}", "QSTATS", "QUEUE LIST", "QUEUE GET {q}", "QSCAN {q} 0", "QDLQ LIST {q}"),
    *(
        "QWORKER LIST",
        "QFLOW SHOW {q} f1",
        "QSCHED LIST",
        "PING",
        "DBSIZE",
        "QWAIT {q} {j} BLOCK 9s",
    ),
)
_ORDERS = (
    *("QKICK {q} COUNT 3", "QKICK {q} IDS 1 {j}", "QCANCEL {q} {j} REASON no", "QDEL {q} {j}"),
    *("QEDIT {q} {j} PRIORITY 2", "QEDIT {q} {j} DELAY 4s", "QEDIT {q} {j} PAYLOAD other"),
    *("QDLQ REDRIVE {q} COUNT 3", "QDLQ REDRIVE {q} TO a", "QDLQ REDRIVE {q} RATE 100"),
    *("QDLQ PURGE {q}", "QUEUE PURGE {q} STATE ready", "QUEUE PURGE {q} STATE dead"),
    *("QUEUE PURGE {q} STATE delayed", "QUEUE PURGE {q} STATE blocked", "QUEUE PURGE {q}"),
    *("QUEUE PAUSE {q} FOR 9s", "QUEUE PAUSE {q} OUT FOR 20s", "QUEUE PAUSE {q} ACK FOR 3s"),
    *("QUEUE RESUME {q}", "QUEUE RESUME {q}", "QUEUE SET {q} CONCURRENCY 3"),
    *("QUEUE SET {q} CONCURRENCY 0", "QUEUE SET {q} RATE 5 PER 10000", "QUEUE SET {q} NORATE"),
    *("QUEUE SET {q} KEEP 20000", "QUEUE SET {q} KEEP 0", "QUEUE SET {q} FAIR YES"),
    *("QUEUE SET {q} FAIR NO", "QUEUE SET g GROUPCONCURRENCY 2", "QUEUE SET g GROUPCONCURRENCY 1"),
    *("QUEUE SET {q} MAXBYTES 2000", "QUEUE SET {q} MAXBYTES 0", "QUEUE SET {q} LEASE 3s"),
    *("QUEUE SET {q} LEASE 30s", "QWORKER QUIET w1", "QWORKER STOP w2", "QWORKER RESUME w1"),
    *("QWORKER RESUME w2", "QFLOW CANCEL flow f1", "QSTATS RESET", "CLIENT KILL TYPE normal"),
    *("QUEUE DROP cron", "QUEUE CREATE cron MAXLEN 15 OVERFLOW DROPOLDEST", "CLIENT UNBLOCK 3"),
    *("QUEUE RENAME a b", "QUEUE SET {q} DUPLICATES REFUSE", "QUEUE SET {q} DUPLICATES ALLOW"),
)


def prober(shared: Shared, mean_s: float) -> Script:
    """Ask whether the server is there, and often while it is not, or not yet."""
    chance = shared.chance
    while True:
        probes = chance.sample(_PROBES, chance.randint(1, 4))
        lines: list[Command] = [each.format(name=shared.name()) for each in probes]
        if chance.random() < 0.2:
            lines = ["MULTI", *lines, "EXEC"]
        replies = yield ["PING", *lines]
        yield 0.3 if is_to_repeat(replies[0]) else thinks(shared, mean_s)


_PROBES = (
    *("HELLO", "SELECT 0", "CLIENT LIST", "CLIENT ID", "COMMAND COUNT", "CONFIG GET maxclients"),
    *("TIME", "INFO", "INFO everything", "PUBSUB NUMPAT", "QLEN a", "QPEEK g", "QSTATS"),
    *(
        "QPUSH probed {name}",
        "QPOP a BLOCK 900",
        "QPOP probed NOACK",
        "QUEUE DROP probed",
        "ECHO x",
    ),
)


def wanderer(shared: Shared, mean_s: float) -> Script:
    """Do the plainest things in one database and in the other, on one connection."""
    chance = shared.chance
    while True:
        yield thinks(shared, mean_s)
        lines: list[Command] = []
        for _ in range(chance.randint(1, 3)):
            queue = chance.choice(QUEUES)
            lines += [f"SELECT {chance.choice(DATABASES)}", f"QPOP {queue}"]
            if not shared.quiet:
                pushes = [f"QPUSH {queue} {shared.name()}" for _ in range(chance.randint(1, 3))]
                lines[-1:] = [*pushes, f"ECHO {shared.name()}"]
        yield lines


def comparer(shared: Shared, mean_s: float) -> Script:
    """Ask the same in both protocols."""
    chance = shared.chance
    while True:
        yield thinks(shared, mean_s)
        queue, job = a_job(shared)
        look = chance.choice(_SAME).format(q=queue, j=job)
        yield [f"SELECT {chance.choice(DATABASES)}", "HELLO 2", look, "HELLO 3", look, "HELLO 2"]


_SAME = (
    *("QLEN {q}", "QPEEK {q} COUNT 3", "QSHOW {q} {j}", "QHISTORY {q} {j}", "QEXPLAIN {q} {j}"),
    *("QSTATS {q} WITH ALL", "QSTATS", "QUEUE LIST", "QUEUE GET {q}", "QSCAN {q} 0"),
    *("QDLQ LIST {q}", "QWORKER LIST", "QWORKER SHOW w2", "QFLOW SHOW {q} f1", "QSCHED LIST"),
    *("COMMAND INFO QPUSH", "CONFIG GET *", "QPOP nothing", "TYPE {q}", "ECHO x"),
)


def talker(shared: Shared, mean_s: float) -> Script:
    """Hear what happens and ask all kinds of things meanwhile, as only RESP3 lets one do."""
    chance = shared.chance
    held: list[Delivery] = []
    while True:
        yield [f"PSUBSCRIBE {chance.choice(('q*', 'q:*', f'q@{OTHER_DB}:*'))}"]
        for _ in range(chance.randint(5, 60)):
            yield thinks(shared, mean_s)
            command = f"QPOP {chance.choice(QUEUES)}" + " BLOCK 900" * (chance.random() < 0.3)
            lines: list[Command] = [f"ECHO {shared.name()}", command, f"ECHO {shared.name()}"]
            lines += [f"QACK {queue.decode()} {receipt.decode()}" for queue, _, receipt in held]
            if not shared.quiet:
                lines.insert(chance.randrange(3), f"QPUSH {chance.choice(QUEUES)} {shared.name()}")
            replies = yield [*lines, f"ECHO {shared.name()}"]
            held = deliveries(command, replies[lines.index(command)])
        yield ["PUNSUBSCRIBE"]


def listener(shared: Shared) -> Script:
    """Hear what happens, for as long as the connection lasts."""
    while True:
        yield ["PSUBSCRIBE q:*"]
        yield shared.chance.expovariate(1 / 300.0)
        yield ["PUNSUBSCRIBE"]
        yield 30.0
