"""One record of every kind as this and every earlier version wrote it: the files never change.

A new kind, or a new layout under a new tag, gets an entry here; ``python -m
tests.golden.test_records`` writes the files that are not there yet.
"""

from pathlib import Path
from typing import Any, get_args

import pytest

from respq.engine.codec import decode_body, encode_records, transactions
from respq.engine.jobs.dedup import Dedup
from respq.engine.jobs.history import Event
from respq.engine.jobs.rate import Rate
from respq.engine.jobs.retry import LINEAR, Backoff
from respq.engine.keys.hashes import HashRemoved, HashSet
from respq.engine.keys.lists import (
    ListInserted,
    ListPopped,
    ListPushed,
    ListRemoved,
    ListSet,
)
from respq.engine.keys.records import (
    KeyExpires,
    KeyMade,
    KeyRemoved,
    KeyRenamed,
    KeyRestored,
    KeysFlushed,
    RestoreBegin,
    RestoreEnd,
    RestorePiece,
)
from respq.engine.keys.sets import SetAdded, SetRemoved
from respq.engine.keys.streams import StreamAdded, StreamDeleted, StreamSet, StreamTrimmed
from respq.engine.keys.strings import StringSet, StringWritten
from respq.engine.keys.zsets import ZsetAdded, ZsetRangeRemoved, ZsetRemoved
from respq.engine.records import (
    AnswerKept,
    AnyRecord,
    ChildrenDied,
    ChildrenFreed,
    EpochStarted,
    FlowCancelling,
    FollowUp,
    GateClosed,
    GateOpened,
    JobCancelled,
    JobDied,
    JobDone,
    JobDue,
    JobEdited,
    JobOptions,
    JobReleased,
    JobRemoved,
    JobRestored,
    JobReturned,
    JobsAcked,
    JobsLeased,
    JobsPushed,
    JobTouched,
    JobUndone,
    Labels,
    Pauses,
    QueueDropped,
    QueueMade,
    QueuePaused,
    QueuePurged,
    QueueRenamed,
    QueueSet,
    QueueSettings,
    Record,
    ScheduleFired,
    ScheduleRemoved,
    ScheduleSet,
    Trimmed,
    WindowClosed,
    WindowOpened,
    WorkerOrdered,
)

FILES = Path(__file__).parent / "records"
NOW_MS = 1_795_000_000_000

BACKOFF = Backoff(kind=LINEAR, base_ms=250, max_ms=60_000, jitter_pct=5)
LABELS = Labels(
    name=b"mail",
    tags=(b"eu", b"\xff"),
    meta=b'{"a": 1}',
    trace=b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01",
)
OPTIONS = JobOptions(
    id=b"order-7",
    attempts=5,
    backoff=BACKOFF,
    lease_ms=90_000,
    expires_ms=NOW_MS + 86_400_000,
    labels=LABELS,
    dedup=Dedup(b"=order-7", until_start=True),
    maxlease_ms=3_600_000,
    then=FollowUp(b"mail", b"\xff done"),
    keep_ms=60_000,
    group=b"tenant-7",
    depends=(40, 1 << 40),
    flow=b"order-7",
)
SETTINGS = QueueSettings(
    text=True,
    min_first=True,
    lease_ms=45_000,
    attempts=0,
    backoff=BACKOFF,
    ttl_ms=3_600_000,
    drop_expired=True,
    maxlen=1_000,
    drop_oldest=True,
    concurrency=8,
    keepdead_ms=604_800_000,
    rate=Rate(100, 60_000),
    push_rate=Rate(1_000, 1_000),
    refuse_duplicates=True,
    keep_ms=86_400_000,
    group_concurrency=1,
    fair=True,
    maxbytes=1 << 30,
    slo_ms=5_000,
)
FULL_JOB: dict[str, Any] = {
    "queue": 2,
    "number": 41,
    "payload": b"\x00\xff payload",
    "priority": b"high",
    "pushed_ms": NOW_MS,
    "due_ms": 0,
    "options": OPTIONS,
    "order": 77,
    "since_ms": NOW_MS + 5,
    "fence": 9,
    "holder": b"worker-1",
    "ready_ms": NOW_MS + 2,
    "failures": 2,
    "crashes": 1,
    "error": b"it broke",
    "cancelled": True,
    "progress": 40,
    "log": (b"fetched", b"\xff"),
    "result": b"\xff result",
    "history": (Event(NOW_MS, 0, b"worker-1"), Event(NOW_MS + 4, 1, b"worker-1", b"it broke")),
}

EXPECTED: dict[str, Record] = {
    "01-epoch-started": EpochStarted(3, NOW_MS, "0.1.0"),
    "02-trimmed": Trimmed(1 << 40, 4_000_000_000, 1 << 41),
    "10-queue-made": QueueMade(2, 0, b"mail", NOW_MS, False, QueueSettings()),
    "10-queue-made-with-all": QueueMade(
        2,
        15,
        b"\x00\xffmail",
        NOW_MS,
        True,
        SETTINGS,
        totals=[9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 10],
        pauses=Pauses(NOW_MS + 60_000, 1 << 62, NOW_MS + 1, NOW_MS + 2),
        paid_until=NOW_MS * 1_000,
        push_paid_until=NOW_MS * 1_000 + 1,
        active_ms=NOW_MS + 3,
        purging={3: (1 << 40, NOW_MS)},
        orphaned={41: b"its parent is gone"},
    ),
    "11-queue-set": QueueSet(2, SETTINGS),
    "12-queue-renamed": QueueRenamed(2, b"post"),
    "13-queue-purged": QueuePurged(2, phase=-1, below=1 << 40, count=12),
    "13-queue-purged-of-a-phase": QueuePurged(2, 3, 1 << 40, 12, first=41, at_ms=NOW_MS),
    "14-queue-dropped": QueueDropped(2),
    "15-queue-paused": QueuePaused(2, Pauses(NOW_MS + 60_000, 1 << 62, NOW_MS + 1, NOW_MS + 2)),
    "20-jobs-pushed": JobsPushed(2, 41, [b"payload"], 0, NOW_MS, 0, None),
    "20-jobs-pushed-with-all": JobsPushed(
        2, 41, [b"\x00\xff payload", b""], b"high", NOW_MS, NOW_MS + 1_000, OPTIONS
    ),
    "20-jobs-pushed-least-priority": JobsPushed(2, 41, [b""], -(1 << 63), NOW_MS, 0, None),
    "20-jobs-pushed-largest-priority": JobsPushed(2, 41, [b""], (1 << 64) - 1, NOW_MS, 0, None),
    "20-jobs-pushed-in-front": JobsPushed(2, 41, [b"a", b"b"], 0, NOW_MS, 0, None, -7),
    "21-job-restored": JobRestored(**FULL_JOB, phase=3, reason=1),
    "22-jobs-leased": JobsLeased(2, [41, 40], NOW_MS + 30_000, 9, 1, NOW_MS, b"worker-1"),
    "23-job-touched": JobTouched(2, 41, NOW_MS + 60_000),
    "23-job-touched-with-all": JobTouched(2, 41, NOW_MS + 60_000, 99, b"nearly there"),
    "24-jobs-acked": JobsAcked(2, [41, 1 << 40]),
    "25-job-released": JobReleased(2, 41, 0, 78, NOW_MS + 1_000, NOW_MS, 2, 1, b"it broke"),
    "25-job-redriven": JobReleased(2, 41, 3, 78, 0, NOW_MS, 0, 0, b"", b"ops"),
    "26-job-due": JobDue(2, 41, 79, NOW_MS + 1_000),
    "26-job-kicked": JobDue(2, 41, 79, NOW_MS + 1_000, b"ops"),
    "27-job-died": JobDied(2, 41, 80, 0, 1, NOW_MS, 3, 0, b"it broke"),
    "27-job-died-for-a-while": JobDied(
        2, 41, 78, 0, 1, NOW_MS, 5, 0, b"it broke", NOW_MS + 604_800_000
    ),
    "28-job-undone": JobUndone(2, 41, NOW_MS),
    "29-job-removed": JobRemoved(2, 41, cause=1),
    "29-job-removed-as-taken": JobRemoved(2, 41, 0, NOW_MS),
    "30-job-returned": JobReturned(**FULL_JOB, phase=0, reason=0),
    "31-job-cancelled": JobCancelled(2, 41, b"obsolete", NOW_MS, b"10.0.0.9:52011"),
    "32-job-edited": JobEdited(
        2,
        41,
        b"\x00\xff payload",
        b"high",
        NOW_MS + 1_000,
        OPTIONS,
        1,
        -78,
        NOW_MS,
        NOW_MS,
        b"ops",
        b"delay",
    ),
    "33-job-done": JobDone(2, 41, NOW_MS + 60_000, NOW_MS, b"\xff result"),
    "34-children-freed": ChildrenFreed(2, 41, [42, 1 << 40], 90, NOW_MS),
    "35-children-died": ChildrenDied(2, 41, [42], 90, NOW_MS, b"its parent is dead", NOW_MS + 9),
    "35-children-died-in-part": ChildrenDied(2, 41, [42], 90, NOW_MS, b"gone", 0, more=True),
    "36-flow-cancelling": FlowCancelling(2, b"order-7", 1 << 40, b"obsolete", b"ops"),
    "40-schedule-set": ScheduleSet(
        number=5,
        queue=2,
        name=b"nightly",
        payload=b"report",
        cron=b"30 2 * * *",
        zone=b"Europe/Berlin",
        every_ms=0,
        at_ms=0,
        priority=7,
        delay_ms=1_000,
        ttl_ms=86_400_000,
        options=OPTIONS,
        catchup=2,
        runs_max=10,
        runs=3,
        next_ms=NOW_MS + 86_400_000,
        last_ms=NOW_MS,
        paused=True,
        made_ms=NOW_MS - 1,
        jitter_ms=60_000,
        skips_overlap=True,
        start_ms=NOW_MS - 9,
        end_ms=NOW_MS + 999_999_999,
        last_job=77,
        skipped=3,
    ),
    "41-schedule-fired": ScheduleFired(2, 5, 4, NOW_MS, NOW_MS + 86_400_000, 77, 3),
    "42-schedule-removed": ScheduleRemoved(2, 5),
    "51-window-opened": WindowOpened(2, 6, b"=order-7", b"1795000000000-41", NOW_MS + 60_000),
    "52-window-closed": WindowClosed(2, 6, b"=order-7"),
    "53-gate-closed": GateClosed(2, 44, b"tenant-7", NOW_MS + 30_000),
    "54-gate-opened": GateOpened(2, 44, b"tenant-7"),
    "50-answer-kept": AnswerKept(2, b"7:producer", [b"1795000000000-41", b"x"], NOW_MS + 600_000),
    "60-worker-ordered": WorkerOrdered(b"host-7:412", 2, NOW_MS, b"127.0.0.1:50412"),
    "70-key-made": KeyMade(41, 0, b"name", 0),
    "70-key-made-with-all": KeyMade(1 << 40, 15, b"\x00\xff name", 3, NOW_MS + 60_000),
    "71-key-removed": KeyRemoved(41),
    "72-key-expires": KeyExpires(41, NOW_MS + 60_000),
    "73-key-renamed": KeyRenamed(41, 15, b"\xff name"),
    "74-keys-flushed": KeysFlushed(15),
    "75-key-restored": KeyRestored(41, 15, b"name", 0, NOW_MS + 60_000, [2, b"\xff value"]),
    "76-restore-begin": RestoreBegin(41, 15, b"name", 0, NOW_MS + 60_000),
    "77-restore-piece": RestorePiece(41, [2, b"\xff value"]),
    "78-restore-end": RestoreEnd(41),
    "80-string-set": StringSet(41, b"\xff value"),
    "80-string-set-of-a-form": StringSet(41, b"1.5", 1),
    "81-string-written": StringWritten(41, 1 << 20, b"\xff part"),
    "100-hash-set": HashSet(41, [b"\xff field", b""], [b"", b"\x00 value"]),
    "100-hash-set-in-a-table": HashSet(41, [b"f"], [b"v"], True),
    "101-hash-removed": HashRemoved(41, [b"\xff field", b""]),
    "110-set-added": SetAdded(41, [b"\xff member", b""]),
    "110-set-added-in-a-form": SetAdded(41, [b"x"], 2),
    "111-set-removed": SetRemoved(41, [b"\xff member", b""]),
    "90-list-pushed": ListPushed(41, [b"\xff item", b""], True),
    "91-list-popped": ListPopped(41, 1 << 20, False),
    "92-list-set": ListSet(41, 1 << 20, b"\xff item"),
    "93-list-inserted": ListInserted(41, 0, b""),
    "94-list-removed": ListRemoved(41, [0, 7, 1 << 20]),
    "120-zset-added": ZsetAdded(41, [0.1, -0.0, float("inf")], [b"\xff member", b"", b"x"]),
    "121-zset-removed": ZsetRemoved(41, [b"\xff member", b""]),
    "122-zset-range-removed": ZsetRangeRemoved(41, float("-inf"), b"", 1e300, b"\xff member"),
    "130-stream-added": StreamAdded(41, NOW_MS, 7, 1 << 40, [b"\xff field", b"", b"f", b"v"]),
    "130-stream-added-at-the-end": StreamAdded(41, (1 << 64) - 1, (1 << 64) - 1, 1, [b"f", b"v"]),
    "131-stream-trimmed": StreamTrimmed(41, NOW_MS, 7),
    "132-stream-deleted": StreamDeleted(41, [NOW_MS, 7, NOW_MS + 1, 0]),
    "133-stream-set": StreamSet(41, NOW_MS, 7, 1 << 40, NOW_MS, 6),
}
SEVERAL = [
    JobsAcked(2, [40]),
    JobsLeased(2, [41], NOW_MS + 30_000, 9, 1, NOW_MS, b""),
    JobsLeased(2, [42], NOW_MS + 30_000, 10, 1, NOW_MS, b""),
    JobsAcked(2, [41]),
]


def content(name: str) -> bytes:
    return (FILES / f"{name}.bin").read_bytes()


def test_every_kind_of_record_has_a_file() -> None:
    assert {type(record) for record in EXPECTED.values()} == set(get_args(AnyRecord))
    assert {f"{name}.bin" for name in [*EXPECTED, "transactions"]} == {
        path.name for path in FILES.iterdir()
    }


@pytest.mark.parametrize("name", EXPECTED)
def test_a_record_of_a_released_version_loads(name: str) -> None:
    assert decode_body(content(name)) == ([EXPECTED[name]], [])


@pytest.mark.parametrize("name", EXPECTED)
def test_this_version_writes_a_record_as_it_was_released(name: str) -> None:
    assert encode_records([EXPECTED[name]], []) == content(name)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_record_is_filed_under_its_tag(name: str) -> None:
    assert type(EXPECTED[name]).__struct_config__.tag == int(name.partition("-")[0])


def test_transactions_of_a_released_version_load() -> None:
    assert list(transactions(content("transactions"))) == [SEVERAL[:1], SEVERAL[1:3], SEVERAL[3:]]
    assert encode_records(SEVERAL, [1, 2]) == content("transactions")


def write_missing_files() -> None:
    """Write the files of new entries; those that are there stay as they are."""
    bodies = {name: encode_records([record], []) for name, record in EXPECTED.items()}
    bodies["transactions"] = encode_records(SEVERAL, [1, 2])
    for name, body in bodies.items():
        path = FILES / f"{name}.bin"
        if not path.exists():
            path.write_bytes(body)


if __name__ == "__main__":
    write_missing_files()
