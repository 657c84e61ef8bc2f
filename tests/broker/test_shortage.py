"""What is refused while memory or the disk is short, and what goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from respq.broker.command import Flags
from respq.config import Settings
from respq.engine.engine import Engine
from respq.errors import DiskShort, ExecAbort, MemoryShort, NoAuth, RespqError
from respq.handlers import command_table
from respq.resp.replies import OK, Simple
from respq.runtime.zones import load_zone
from tests.handlers.real_redis import RealRedis, say
from tests.harness import START_MS, WAITS, Harness

OOM = MemoryShort("command not allowed when used memory > 'maxmemory'.")
MISCONF = DiskShort("the disk of the journal has room for 5 bytes")
QUEUED = Simple(b"QUEUED")
GROWING = [
    "QPUSH q x",
    "qpush q x",
    "QPUSH q x PRIORITY 5",
    "QPUSH new x",
    "QPUSH q",
    "QMPUSH q 2 a b",
    "QMOVE q sent {receipt}",
    "QEDIT q {id} PAYLOAD y",
    "QUEUE CREATE made",
    "QSCHED ADD q other x EVERY 1h",
    "QSCHED RUN q hourly",
    *("SET a x", "SETNX a x", "SETEX a 10 x", "PSETEX a 10 x", "GETSET a x", "MSET a x"),
    *("MSETNX a x", "APPEND a x", "SETRANGE a 1 x", "COPY a b"),
    *("INCR n", "DECR n", "INCRBY n 2", "DECRBY n 2", "INCRBYFLOAT n 2"),
    *("HSET h f v", "HSETNX h f v", "HMSET h f v", "HINCRBY h n 1", "HINCRBYFLOAT h n 1"),
    *("SADD s a", "SINTERSTORE s t", "SUNIONSTORE s t", "SDIFFSTORE s t"),
    "SORT s STORE t",
    *("LPUSH l a", "RPUSH l a", "LPUSHX l a", "RPUSHX l a", "LSET l 0 a", "LINSERT l BEFORE a b"),
    "SORT l ALPHA STORE m",
    *("LMOVE l m LEFT LEFT", "RPOPLPUSH l m", "BLMOVE l m LEFT LEFT 1", "BRPOPLPUSH l m 1"),
    *("ZADD z 1 a", "ZINCRBY z 1 a", "ZRANGESTORE z y 0 1", "ZUNIONSTORE z 1 y"),
    *("ZINTERSTORE z 1 y", "ZDIFFSTORE z 1 y", "XADD s 1-1 a 1", "XSETID s 1-1"),
]
HOUR_MS = 3_600_000


def refuse(harness: Harness, shortage: RespqError | None) -> None:
    """Have there be a shortage, or none any more."""
    harness.broker.refuse_growth(harness.now_ms, shortage)
    harness.settle()


class Stocked(Harness):
    """A queue with a ready job, a leased one and a schedule."""

    def __init__(self) -> None:
        super().__init__()
        self.say("QPUSH q leased")
        _, receipt, _ = self.say("QPOP q LEASE 1d")
        self.receipt = receipt.decode()
        self.id = self.say("QPUSH q ready").decode()
        self.say("QSCHED ADD q hourly x EVERY 1h")

    def line(self, line: str) -> str:
        return line.format(receipt=self.receipt, id=self.id)


@pytest.mark.parametrize("shortage", [OOM, MISCONF])
@pytest.mark.parametrize("line", GROWING)
def test_what_makes_the_state_grow_is_refused(line: str, shortage: RespqError) -> None:
    harness = Stocked()
    refuse(harness, shortage)

    assert harness.refusal(harness.line(line)) == f"{shortage.prefix} {shortage}"

    assert harness.broker.growth_refused[shortage.prefix] == 1
    assert sum(harness.broker.growth_refused.values()) == 1


def test_every_command_that_makes_the_state_grow_is_tried_here() -> None:
    tried = {command_of(line) for line in GROWING}

    assert tried == {each.name for each in command_table() if Flags.DENYOOM in each.flags}


def command_of(line: str) -> str:
    broker = Harness().broker
    return broker.resolve([word.encode() for word in line.split()]).name


def test_it_runs_again_when_the_shortage_is_over() -> None:
    harness = Stocked()
    refuse(harness, OOM)
    refuse(harness, MISCONF)
    assert harness.refusal("QPUSH q x").startswith("MISCONF")
    refuse(harness, None)

    for line in GROWING:
        if line != "QPUSH q":
            assert not isinstance(harness.say(harness.line(line)), RespqError), line
    replies = harness.default.pipeline("QPUSH q a", "QPUSH q b")
    assert [isinstance(each, bytes) for each in replies] == [True, True]


def test_what_ends_jobs_goes_on(harness: Harness) -> None:
    for _ in range(4):
        harness.say("QPUSH q x THEN next y")
    refuse(harness, OOM)

    receipts = [harness.say("QPOP q")[1].decode() for _ in range(4)]
    assert harness.say(f"QTOUCH q {receipts[0]} LEASE 1h") == [START_MS + HOUR_MS]
    assert harness.say(f"QACK q {receipts[0]} RESULT fine") == 1
    # What follows on a job takes its place.
    assert harness.say("QLEN next") == 1
    assert harness.say(f"QNACK q {receipts[1]} SILENT") == 1
    assert harness.say(f"QNACK q {receipts[2]} FATAL") == 1
    assert harness.say("QDLQ REDRIVE q") == 1
    assert harness.say("QUEUE SET q LEASE 1m") == OK
    assert harness.say("QUEUE PURGE q") == 3
    assert harness.say("DEL q next") == 2


def test_leases_end_and_who_waits_is_served(harness: Harness) -> None:
    client = harness.client()
    harness.say("QPUSH q x")
    harness.say("QPOP q LEASE 1s")
    refuse(harness, OOM)
    assert client.say("QPOP q BLOCK 0") is WAITS

    harness.pass_ms(1_000)

    ((_, _, payload),) = client.inbox
    assert payload == b"x"


def test_of_a_pipeline_each_push_is_refused_and_the_rest_is_done(harness: Harness) -> None:
    for payload in "ab":
        harness.say(f"QPUSH q {payload}")
    refuse(harness, OOM)

    replies = harness.default.pipeline(*["QPUSH q x"] * 3, "QPOP q", "QPOP q", "QLEN q")

    assert [str(each) for each in replies[:3]] == [f"OOM {OOM}"] * 3
    assert [each[2] for each in replies[3:5]] == [b"a", b"b"]
    assert replies[5] == 0
    assert harness.broker.growth_refused == {"OOM": 3, "MISCONF": 0}


def test_who_has_not_given_the_password_is_told_nothing_of_it() -> None:
    harness = Harness(Settings(password="secret"))
    refuse(harness, OOM)

    assert isinstance(harness.say("QPUSH q x"), NoAuth)


# Transactions.


@pytest.mark.parametrize("shortage", [OOM, MISCONF])
def test_a_transaction_that_would_make_the_state_grow_is_refused_whole(
    shortage: RespqError,
) -> None:
    harness = Stocked()
    for line in ("MULTI", f"QACK q {harness.receipt}", "QPUSH next y", "QLEN q"):
        harness.say(line)
    refuse(harness, shortage)

    refusal = harness.refusal("EXEC")

    expected = f"Transaction discarded because of: {shortage.prefix} {shortage}"
    assert refusal == f"EXECABORT {expected}"
    assert harness.broker.growth_refused[shortage.prefix] == 1
    assert str(harness.say("EXEC")) == "EXEC without MULTI"
    assert harness.say(f"QACK q {harness.receipt}") == 1


def test_a_push_is_refused_when_it_is_to_be_queued_and_the_transaction_with_it() -> None:
    harness = Stocked()
    refuse(harness, OOM)
    assert harness.say("MULTI") == OK
    assert harness.say(f"QACK q {harness.receipt}") == QUEUED

    assert str(harness.say("QPUSH next y")) == str(OOM)

    refuse(harness, None)
    refused = harness.say("EXEC")
    assert isinstance(refused, ExecAbort)
    assert str(refused) == "Transaction discarded because of previous errors."
    assert harness.say(f"QACK q {harness.receipt}") == 1


def test_a_transaction_that_only_ends_jobs_runs() -> None:
    harness = Stocked()
    refuse(harness, OOM)

    for line in ("MULTI", f"QACK q {harness.receipt}", "QPOP q"):
        harness.say(line)

    acked, (job, _, _) = harness.say("EXEC")
    assert (acked, job.decode()) == (1, harness.id)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRedis]:
    server = RealRedis(tmp_path_factory.mktemp("redis"))
    yield server
    server.close()


def test_a_transaction_is_refused_in_the_words_of_redis(redis: RealRedis) -> None:
    theirs, other = redis.connect(), redis.connect()
    harness = Harness()

    def ask_both(*lines: str) -> None:
        for line in lines:
            ours = say(harness.default, line.replace("SET k v", "QPUSH q x"))
            assert ours == theirs.say(line), line

    ask_both("MULTI", "SET k v")
    other.say("CONFIG SET maxmemory 1")
    refuse(harness, OOM)

    ask_both("EXEC", "SET k v", "MULTI", "SET k v", "EXEC")

    theirs.close()
    other.close()


# Schedules.


@pytest.mark.parametrize(("catchup", "pushed"), [("NONE", 0), ("ONE", 1), ("ALL", 3)])
def test_schedules_push_nothing_and_make_up_for_it_as_told(
    harness: Harness, catchup: str, pushed: int
) -> None:
    harness.say(f"QSCHED ADD q s x EVERY 1h CATCHUP {catchup}")
    refuse(harness, OOM)

    harness.pass_ms(3 * HOUR_MS + HOUR_MS // 2)
    assert harness.say("QLEN q") == 0
    refuse(harness, None)
    harness.pass_ms(0)

    assert harness.say("QLEN q") == pushed
    harness.pass_ms(HOUR_MS // 2 - 1)
    assert harness.say("QLEN q") == pushed
    harness.pass_ms(1)
    assert harness.say("QLEN q") == pushed + 1


def test_nothing_is_due_for_a_schedule_that_is_held(harness: Harness) -> None:
    harness.say("QSCHED ADD q s x EVERY 1s")
    refuse(harness, OOM)

    harness.now_ms += 10_000

    assert harness.broker.next_deadline_ms() > harness.now_ms
    assert not harness.broker.tick(harness.now_ms)


def test_one_that_fires_once_fires_when_the_shortage_is_over(harness: Harness) -> None:
    harness.say(f"QSCHED ADD q s x AT {START_MS + 1_000}")
    refuse(harness, MISCONF)
    harness.pass_ms(5_000)

    refuse(harness, None)

    assert harness.say("QPOP q")[2] == b"x"


def test_who_waits_gets_what_a_schedule_makes_up_for(harness: Harness) -> None:
    harness.say("QSCHED ADD q s x EVERY 1h")
    client = harness.client()
    client.say("QPOP q BLOCK 0")
    refuse(harness, OOM)
    harness.pass_ms(2 * HOUR_MS)
    assert client.inbox == []

    refuse(harness, None)

    ((_, _, payload),) = client.inbox
    assert payload == b"x"


def test_schedules_may_be_changed_meanwhile(harness: Harness) -> None:
    for name in ("gone", "paused", "resumed", "dropped"):
        harness.say(f"QSCHED ADD {name} s x EVERY 1h")
    harness.say("QSCHED PAUSE resumed s")
    refuse(harness, OOM)

    harness.say("QSCHED DEL gone s")
    harness.say("QSCHED PAUSE paused s")
    harness.say("QSCHED RESUME resumed s")
    harness.say("DEL dropped")
    harness.pass_ms(HOUR_MS)
    refuse(harness, None)

    lengths = [harness.say(f"QLEN {each}") for each in ("gone", "paused", "resumed", "dropped")]
    assert lengths == [0, 0, 1, 0]


def test_a_start_in_a_shortage_makes_up_for_nothing_before_it_is_over(harness: Harness) -> None:
    harness.say("QSCHED ADD q s x EVERY 1h")
    engine = Engine(harness.replayed(), load_zone)
    engine.hold_schedules(harness.now_ms, True)

    engine.start(harness.now_ms + HOUR_MS)
    assert engine.records == []
    engine.check()
    engine.hold_schedules(harness.now_ms + HOUR_MS, False)

    assert len(engine.records) == 2
    engine.check()


def test_a_crash_in_a_shortage_loses_no_fire(harness: Harness) -> None:
    harness.say("QSCHED ADD q s x EVERY 1h")
    refuse(harness, OOM)
    harness.pass_ms(HOUR_MS)

    harness.crash()

    assert harness.say("QLEN q") == 1
