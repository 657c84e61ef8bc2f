"""The rows: who is set beside whom, under which loads, and what is wanted.

A row is a line here; another server is a file in rivals/; another kind of row is a class with
`measure`, as in comparison.py and single.py. The targets are medians of ratios, measured as
README.md says.
"""

from __future__ import annotations

from dataclasses import replace

import keys
from backlog import Backlog
from cliffs import Cliff, ComingDue, Fairness, Situation
from compaction import CompactionCost
from comparison import Cell, Comparison, Side
from frameworks import BULLMQ, FRAMEWORKS, ONE_BY_ONE, TEN_AT_ONCE, beside_a_loop, on_both
from generator import Load, Workload
from latency import Latency
from result import Row
from rivals import (
    beanstalkd,
    faktory,
    nats,
    qrusty,
    queued,
    rabbitmq,
    redis,
    respq,
    rustqueue,
)
from server import Mode
from single import DepthCost, JobMemory, Replay, Startup

SINGLE = Load(pipeline=1)
PIPELINED = Load(pipeline=50)
ONE_CLIENT = Load(connections=1, pipeline=1)
ONE_CLIENT_PIPELINED = Load(connections=1, pipeline=50)
MANY_CLIENTS = Load(connections=4_000, pipeline=1)
MANY_IDLE = Load(pipeline=1, idle=4_000)
FIXED_RATES = tuple(Load(rate=rate, consumers=100) for rate in (5_000, 20_000))
"""So many consumers that some wait while the others' jobs and acks are on their way to the disk."""

WITHOUT_TARGET = (Cell(SINGLE, None), Cell(PIPELINED, None))

FILLING = Load(connections=8, pipeline=200)
MOST_CLIENTS = 9_900
"""With those that load, less than the 10,000 that respq lets in by default."""
CLIFF_RATIO_MAX = 1.5
"""Cost may grow with the logarithm of what there is, and with what no cache holds any more."""


def _first(workload: Workload) -> Workload:
    return replace(workload, steps=workload.steps[:1])


def _on_queues(count: int) -> Situation:
    """Return the cycle going round queues that hold a job each."""
    filling = replace(FILLING, count=count, queues=count)
    return Situation(
        respq.QUEUES_CYCLE,
        Load(queues=count),
        fillings=((_first(respq.QUEUES_CYCLE), filling),),
    )


def _blocked_on_queues(count: int) -> Situation:
    """Return jobs by the clock for as many consumers as queues, each waiting on one."""
    return Situation(respq.QUEUES_BLOCKED, Load(rate=5_000, consumers=count, queues=count))


def _cycle(mode: Mode) -> Side:
    return Side(respq.SERVER, mode, respq.CYCLE)


def _push(mode: Mode) -> Side:
    return Side(respq.SERVER, mode, respq.PUSH)


def _stream(mode: Mode) -> Side:
    return Side(redis.SERVER, mode, redis.STREAM_CYCLE)


def _paired_stream(mode: Mode) -> Side:
    return Side(redis.SERVER, mode, redis.STREAM_CYCLE_PAIRED)


def _lpush(mode: Mode) -> Side:
    return Side(redis.SERVER, mode, redis.LIST_PUSH)


def _list(mode: Mode) -> Side:
    return Side(redis.SERVER, mode, redis.LIST_CYCLE)


def _blocked(mode: Mode) -> Side:
    return Side(respq.SERVER, mode, respq.BLOCKED)


def _blocked_list(mode: Mode) -> Side:
    return Side(redis.SERVER, mode, redis.LIST_BLOCKED)


def _blocked_stream(mode: Mode) -> Side:
    return Side(redis.SERVER, mode, redis.STREAM_BLOCKED)


def _beanstalk(mode: Mode) -> Side:
    return Side(beanstalkd.SERVER, mode, beanstalkd.CYCLE)


def _nats(mode: Mode) -> Side:
    return Side(nats.SERVER, mode, nats.CYCLES[mode])


def _faktory() -> Side:
    return Side(faktory.SERVER, Mode.MEMORY, faktory.CYCLE)


def _rabbitmq(mode: Mode, cycle: Workload) -> Side:
    return Side(rabbitmq.SERVER, mode, cycle)


def _rustqueue(mode: Mode) -> Side:
    return Side(rustqueue.SERVER, mode, rustqueue.CYCLE)


def _qrusty(mode: Mode, cycle: Workload) -> Side:
    return Side(qrusty.SERVER, mode, cycle)


def _keys(
    name: str, title: str, workload: Workload, pipelined: float, queues: int = 1
) -> tuple[Comparison, ...]:
    """Return rows of what both servers understand, in memory and with an fsync before replies."""
    return tuple(
        Comparison(
            f"{name}-{mode}",
            f"{mode}: {title} vs Redis, {redis_mode}",
            Side(respq.SERVER, mode, workload),
            Side(redis.SERVER, mode, workload),
            (
                Cell(replace(SINGLE, queues=queues), None),
                Cell(replace(PIPELINED, queues=queues), pipelined),
            ),
        )
        for mode, redis_mode in (
            (Mode.MEMORY, "persistence off"),
            (Mode.ALWAYS, "appendfsync always"),
        )
    )


ROWS: tuple[Row, ...] = (
    Comparison(
        "memory-cycle",
        "memory: cycle vs Redis Streams, persistence off",
        _cycle(Mode.MEMORY),
        _stream(Mode.MEMORY),
        (Cell(SINGLE, 1.1), Cell(PIPELINED, 1.8)),
    ),
    Comparison(
        "memory-cycle-vs-paired",
        "memory: cycle vs Redis Streams, XACK and XDEL in one write",
        _cycle(Mode.MEMORY),
        _paired_stream(Mode.MEMORY),
        (Cell(SINGLE, None),),
    ),
    Comparison(
        "memory-push",
        "memory: QPUSH vs LPUSH",
        _push(Mode.MEMORY),
        _lpush(Mode.MEMORY),
        (Cell(SINGLE, 0.8), Cell(PIPELINED, 0.65)),
    ),
    Comparison(
        "fsync-cycle",
        "fsync: cycle vs Redis Streams, appendfsync always",
        _cycle(Mode.ALWAYS),
        _stream(Mode.ALWAYS),
        (Cell(SINGLE, 1.1), Cell(PIPELINED, 1.8)),
    ),
    Comparison(
        "fsync-cycle-vs-paired",
        "fsync: cycle vs Redis Streams, XACK and XDEL in one write",
        _cycle(Mode.ALWAYS),
        _paired_stream(Mode.ALWAYS),
        (Cell(SINGLE, None),),
    ),
    Comparison(
        "fsync-push",
        "fsync: QPUSH vs LPUSH, appendfsync always",
        _push(Mode.ALWAYS),
        _lpush(Mode.ALWAYS),
        (Cell(SINGLE, 0.8), Cell(PIPELINED, 0.7)),
    ),
    Comparison(
        "fsync-cycle-vs-memory-streams",
        "fsync: cycle vs Redis Streams with no persistence at all",
        _cycle(Mode.ALWAYS),
        _stream(Mode.MEMORY),
        (Cell(SINGLE, 0.7), Cell(PIPELINED, 1.2)),
    ),
    Comparison(
        "fsync-cycle-vs-beanstalkd",
        "fsync: cycle vs beanstalkd, binlog with fsync per job",
        _cycle(Mode.ALWAYS),
        _beanstalk(Mode.ALWAYS),
        (Cell(SINGLE, 3), Cell(PIPELINED, 30)),
    ),
    Comparison(
        "memory-cycle-vs-beanstalkd",
        "memory: cycle vs beanstalkd without binlog",
        _cycle(Mode.MEMORY),
        _beanstalk(Mode.MEMORY),
        (Cell(SINGLE, 0.9), Cell(PIPELINED, 5)),
    ),
    Comparison(
        "everysec-cycle",
        "everysec: cycle vs Redis Streams, appendfsync everysec",
        _cycle(Mode.EVERYSEC),
        _stream(Mode.EVERYSEC),
        (Cell(SINGLE, 1.1), Cell(PIPELINED, 1.7)),
    ),
    Comparison(
        "memory-cycle-vs-list",
        "memory: cycle vs Redis lists (LPUSH, LMOVE, LREM), persistence off",
        _cycle(Mode.MEMORY),
        _list(Mode.MEMORY),
        WITHOUT_TARGET,
    ),
    Comparison(
        "everysec-cycle-vs-list",
        "everysec: cycle vs Redis lists, appendfsync everysec",
        _cycle(Mode.EVERYSEC),
        _list(Mode.EVERYSEC),
        WITHOUT_TARGET,
    ),
    Comparison(
        "fsync-cycle-vs-list",
        "fsync: cycle vs Redis lists, appendfsync always",
        _cycle(Mode.ALWAYS),
        _list(Mode.ALWAYS),
        WITHOUT_TARGET,
    ),
    Comparison(
        "memory-cycle-vs-nats",
        "memory: cycle vs NATS JetStream, memory storage",
        _cycle(Mode.MEMORY),
        _nats(Mode.MEMORY),
        WITHOUT_TARGET,
    ),
    Comparison(
        "everysec-cycle-vs-nats",
        "everysec: cycle vs NATS JetStream, sync_interval 1s",
        _cycle(Mode.EVERYSEC),
        _nats(Mode.EVERYSEC),
        WITHOUT_TARGET,
    ),
    Comparison(
        "fsync-cycle-vs-nats",
        "fsync: cycle vs NATS JetStream, sync_interval always",
        _cycle(Mode.ALWAYS),
        _nats(Mode.ALWAYS),
        WITHOUT_TARGET,
    ),
    Comparison(
        "memory-cycle-vs-faktory",
        "memory: cycle vs Faktory, whose Redis has snapshots alone",
        _cycle(Mode.MEMORY),
        _faktory(),
        WITHOUT_TARGET,
    ),
    Comparison(
        "fsync-cycle-vs-faktory",
        "fsync: cycle vs Faktory, whose Redis has snapshots alone",
        _cycle(Mode.ALWAYS),
        _faktory(),
        WITHOUT_TARGET,
    ),
    Comparison(
        "memory-cycle-vs-rabbitmq",
        "memory: cycle vs RabbitMQ, transient classic queue",
        _cycle(Mode.MEMORY),
        _rabbitmq(Mode.MEMORY, rabbitmq.TRANSIENT_CYCLE),
        WITHOUT_TARGET,
    ),
    Comparison(
        "fsync-cycle-vs-rabbitmq",
        "fsync: cycle vs RabbitMQ, durable classic queue",
        _cycle(Mode.ALWAYS),
        _rabbitmq(Mode.ALWAYS, rabbitmq.CLASSIC_CYCLE),
        WITHOUT_TARGET,
    ),
    Comparison(
        "fsync-cycle-vs-rabbitmq-quorum",
        "fsync: cycle vs RabbitMQ, quorum queue",
        _cycle(Mode.ALWAYS),
        _rabbitmq(Mode.ALWAYS, rabbitmq.QUORUM_CYCLE),
        WITHOUT_TARGET,
    ),
    Comparison(
        "memory-cycle-vs-rustqueue",
        "memory: cycle vs RustQueue, in memory",
        _cycle(Mode.MEMORY),
        _rustqueue(Mode.MEMORY),
        WITHOUT_TARGET,
    ),
    Comparison(
        "everysec-cycle-vs-rustqueue",
        "everysec: cycle vs RustQueue, hybrid storage",
        _cycle(Mode.EVERYSEC),
        _rustqueue(Mode.EVERYSEC),
        (Cell(ONE_CLIENT, None), Cell(ONE_CLIENT_PIPELINED, None), *WITHOUT_TARGET),
    ),
    Comparison(
        "fsync-cycle-vs-rustqueue",
        "fsync: cycle vs RustQueue, redb with an fsync for each write",
        _cycle(Mode.ALWAYS),
        _rustqueue(Mode.ALWAYS),
        WITHOUT_TARGET,
    ),
    Comparison(
        "memory-cycle-vs-qrusty-http",
        "memory: cycle vs Qrusty over HTTP",
        _cycle(Mode.MEMORY),
        _qrusty(Mode.MEMORY, qrusty.HTTP_CYCLE),
        WITHOUT_TARGET,
    ),
    Comparison(
        "memory-cycle-vs-qrusty-websocket",
        "memory: cycle vs Qrusty over WebSocket",
        _cycle(Mode.MEMORY),
        _qrusty(Mode.MEMORY, qrusty.WEBSOCKET_CYCLE),
        WITHOUT_TARGET,
    ),
    Comparison(
        "everysec-cycle-vs-qrusty-http",
        "everysec: cycle vs Qrusty on RocksDB (no fsync) over HTTP",
        _cycle(Mode.EVERYSEC),
        _qrusty(Mode.EVERYSEC, qrusty.HTTP_CYCLE),
        WITHOUT_TARGET,
    ),
    Comparison(
        "everysec-cycle-vs-qrusty-websocket",
        "everysec: cycle vs Qrusty on RocksDB (no fsync) over WebSocket",
        _cycle(Mode.EVERYSEC),
        _qrusty(Mode.EVERYSEC, qrusty.WEBSOCKET_CYCLE),
        WITHOUT_TARGET,
    ),
    Comparison(
        "fsync-cycle-vs-queued",
        "fsync: cycle vs queued over HTTP",
        _cycle(Mode.ALWAYS),
        Side(queued.SERVER, Mode.ALWAYS, queued.CYCLE),
        WITHOUT_TARGET,
    ),
    Comparison(
        "one-client-fsync-push",
        "one client, fsync: QPUSH vs LPUSH, appendfsync always",
        _push(Mode.ALWAYS),
        _lpush(Mode.ALWAYS),
        (Cell(ONE_CLIENT, 0.75),),
    ),
    Comparison(
        "many-clients-push",
        "memory, many connections: QPUSH vs LPUSH",
        _push(Mode.MEMORY),
        _lpush(Mode.MEMORY),
        (Cell(MANY_CLIENTS, 0.9), Cell(MANY_IDLE, None)),
    ),
    *(
        beside_a_loop(f"framework-{driver.package}", ONE_BY_ONE, driver)
        for driver in (*FRAMEWORKS, BULLMQ)
    ),
    beside_a_loop("framework-batches", TEN_AT_ONCE, FRAMEWORKS[0]),
    *(on_both(driver, Mode.MEMORY, "persistence off", 0.9) for driver in FRAMEWORKS),
    *(on_both(driver, Mode.ALWAYS, "appendfsync always", 0.8) for driver in FRAMEWORKS),
    *_keys("lpush", "LPUSH", keys.LPUSH, 0.5),
    *_keys("rpop", "LPUSH and RPOP", keys.RPOP, 0.5),
    *_keys("brpop", "LPUSH and BRPOP", keys.BRPOP, 0.5),
    *_keys("hset", "HSET, 1,000 fields", keys.HSET, 0.3, queues=1_000),
    *_keys("zadd", "ZADD", keys.ZADD, 0.3),
    *_keys("zpopmin", "ZADD and ZPOPMIN", keys.ZPOPMIN, 0.3),
    *_keys("script", "EVALSHA, two commands", keys.SMALL_SCRIPT, 0.4),
    *_keys("long-script", "EVALSHA, ten commands in 120 lines", keys.LARGE_SCRIPT, 0.4),
    Latency(
        "latency-memory-list",
        "memory: fixed rate vs LPUSH and BRPOP",
        _blocked(Mode.MEMORY),
        _blocked_list(Mode.MEMORY),
        FIXED_RATES,
        ratio_max=1.3,
    ),
    Latency(
        "latency-memory-streams",
        "memory: fixed rate vs Redis Streams",
        _blocked(Mode.MEMORY),
        _blocked_stream(Mode.MEMORY),
        FIXED_RATES,
        ratio_max=1.3,
    ),
    Latency(
        "latency-fsync-list",
        "fsync: fixed rate vs LPUSH and BRPOP, appendfsync always",
        _blocked(Mode.ALWAYS),
        _blocked_list(Mode.ALWAYS),
        FIXED_RATES,
        ratio_max=1.3,
    ),
    Latency(
        "latency-fsync-streams",
        "fsync: fixed rate vs Redis Streams, appendfsync always",
        _blocked(Mode.ALWAYS),
        _blocked_stream(Mode.ALWAYS),
        FIXED_RATES,
        ratio_max=1.3,
    ),
    JobMemory(
        "job-memory",
        "resident memory of a ready job, beside a stream's entry",
        _push(Mode.MEMORY),
        _stream(Mode.MEMORY),
        jobs=1_000_000,
        bytes_max=400,
    ),
    DepthCost(
        "depth-cost",
        "memory: cost at depth",
        _cycle(Mode.MEMORY),
        deep=1_000_000,
        shallow=1_000,
        ratio_max=1.3,
    ),
    Replay(
        "replay",
        "replay after kill -9",
        _push(Mode.EVERYSEC),
        records=1_000_000,
        rate_min=1_000_000,
    ),
    Startup(
        "startup",
        "start after kill -9, cold",
        _push(Mode.EVERYSEC),
        jobs=1_000_000,
    ),
    CompactionCost(
        "compaction-cost",
        "everysec: cycle and compaction",
        respq.CYCLE,
        PIPELINED,
        ratio_min=0.8,
        idle_percent_max=1.0,
    ),
    Cliff(
        "cliff-queues",
        "many queues",
        "100,000 queues, plain: 1,000",
        _on_queues(100_000),
        _on_queues(1_000),
        ratio_max=CLIFF_RATIO_MAX,
    ),
    Cliff(
        "cliff-delayed",
        "delayed jobs",
        "1,000,000 delayed",
        Situation(
            respq.CYCLE, Load(), fillings=((respq.DELAYED, replace(FILLING, count=1_000_000)),)
        ),
        Situation(respq.CYCLE, Load()),
        ratio_max=CLIFF_RATIO_MAX,
    ),
    Cliff(
        "cliff-due",
        "delayed jobs that come due meanwhile",
        "1,000,000 delayed by 8 s",
        Situation(respq.CYCLE, Load(), coming_due=ComingDue(replace(FILLING, count=1_000_000), 8)),
        Situation(respq.CYCLE, Load()),
        ratio_max=CLIFF_RATIO_MAX,
    ),
    Cliff(
        "cliff-leases",
        "leases",
        "1,000,000 leased",
        Situation(respq.CYCLE, Load(), fillings=((respq.HELD, replace(FILLING, count=1_000_000)),)),
        Situation(respq.CYCLE, Load()),
        ratio_max=CLIFF_RATIO_MAX,
    ),
    Cliff(
        "cliff-waiting",
        "clients that wait, on one queue",
        "9,900 blocked, 5,000 jobs/s",
        Situation(respq.BLOCKED, Load(rate=5_000, consumers=MOST_CLIENTS)),
        Situation(respq.BLOCKED, Load(rate=5_000, consumers=100)),
        ratio_max=CLIFF_RATIO_MAX,
    ),
    Cliff(
        "cliff-waiting-apart",
        "clients that wait, each on a queue of its own",
        "9,900 blocked on 9,900 queues, 5,000 jobs/s",
        _blocked_on_queues(MOST_CLIENTS),
        _blocked_on_queues(100),
        ratio_max=CLIFF_RATIO_MAX,
    ),
    Cliff(
        "cliff-priorities",
        "distinct priorities",
        "1,000 priorities, 100 jobs in each",
        Situation(
            respq.PRIORITY_CYCLE,
            Load(queues=1_000),
            commands=respq.PRIORITY_CYCLE.prepare,
            fillings=(
                (_first(respq.PRIORITY_CYCLE), replace(FILLING, count=100_000, queues=1_000)),
            ),
        ),
        Situation(respq.PRIORITY_CYCLE, Load(), commands=respq.PRIORITY_CYCLE.prepare),
        ratio_max=CLIFF_RATIO_MAX,
    ),
    Cliff(
        "cliff-growth",
        "a queue that has grown",
        "4,000,000 jobs",
        Situation(respq.PUSH, Load(), fillings=((respq.PUSH, replace(FILLING, count=4_000_000)),)),
        Situation(respq.PUSH, Load()),
        ratio_max=CLIFF_RATIO_MAX,
    ),
    Fairness(
        "cliff-pipeline",
        "p99 of a push beside a very long pipeline, and without",
        pipeline=100_000,
        load=Load(connections=10),
        p99_max_us=1_000,
    ),
)

LONG_ROWS: tuple[Row, ...] = (
    Startup(
        "startup-10m",
        "start after kill -9, cold",
        _push(Mode.EVERYSEC),
        jobs=10_000_000,
    ),
    Backlog(
        "backlog",
        "a backlog larger than memory",
        jobs=10_000_000,
        ready_seconds_max=60,
    ),
)
"""Rows that take minutes each: measured if they are named, and by ``--full``."""
