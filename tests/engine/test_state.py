"""The one `apply`: what each record does, and that replay makes the same of it."""

from __future__ import annotations

import math
from typing import get_args

import msgspec
import pytest

from respq.engine.check import check
from respq.engine.codec import decode_records, encode_records
from respq.engine.jobs.dedup import Dedup
from respq.engine.jobs.job import (
    BY_LEASE_END,
    BY_NACK,
    BY_REDRIVE,
    BY_SILENT,
    BY_TTL,
    DEAD,
    DELAYED,
    DELETED,
    EVICTED,
    EXPIRED,
    FORGOTTEN,
    HELD_CANCELLED,
    HELD_EXPIRED,
    LEASED,
    MOVED,
    OVER,
    PURGED,
    READY,
    REPLACED,
    TAKEN,
)
from respq.engine.jobs.queue import FOREVER_MS
from respq.engine.jobs.rate import Rate
from respq.engine.keys.hashes import Hash, HashRemoved, HashSet
from respq.engine.keys.lists import (
    List,
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
from respq.engine.keys.sets import HASHTABLE, LISTPACK, Set, SetAdded, SetRemoved
from respq.engine.keys.streams import (
    Stream,
    StreamAdded,
    StreamDeleted,
    StreamSet,
    StreamTrimmed,
)
from respq.engine.keys.strings import AS_IT_IS, RAW, String, StringSet, StringWritten
from respq.engine.keys.zsets import Zset, ZsetAdded, ZsetRangeRemoved, ZsetRemoved
from respq.engine.records import (
    AnswerKept,
    AnyRecord,
    ChildrenDied,
    ChildrenFreed,
    EpochStarted,
    FlowCancelling,
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
from respq.engine.state import State
from tests.harness import START_MS, Harness, image

T = START_MS
OPTIONS = JobOptions(id=b"mine", attempts=9, expires_ms=T + 90_000)
MADE = QueueMade(1, 0, b"q", T, False, QueueSettings())
PUSHED = JobsPushed(1, 2, [b"a"], 0, T, 0, None)
DELAYED_PUSH = JobsPushed(1, 3, [b"b"], 5, T, T + 50, OPTIONS)
KEYED = JobsPushed(1, 2, [b"a"], 0, T, 0, JobOptions(dedup=Dedup(b"=k", until_start=True)))
WINDOW = WindowOpened(1, 6, b"=k", b"%d-2" % T, T + 50)
LEASED_NOW = JobsLeased(1, [2], T + 100, 1, 1, T, b"me")
RATED = QueueMade(1, 0, b"q", T, True, QueueSettings(rate=Rate(2, 50)))
DIED = JobDied(1, 2, 8, BY_NACK, 2, T, 1, 0, b"no")
DEAD_ONE = [MADE, PUSHED, LEASED_NOW, DIED]
DONE_ONE = [MADE, PUSHED, LEASED_NOW, JobDone(1, 2, T + 90, T, b"42")]
CHILD = JobsPushed(1, 3, [b"a"], 0, T, 0, JobOptions(depends=(2,), flow=b"f"))
CHILD_OF_TWO = JobsPushed(1, 3, [b"a"], 0, T, 0, JobOptions(depends=(2, 1)))
LATE_CHILD = JobsPushed(1, 3, [b"a"], 0, T, T + 50, JobOptions(depends=(2,)))
EDITED = JobOptions(attempts=2, expires_ms=T + 90)
LATER = msgspec.structs.replace(OPTIONS, expires_ms=T + 80)
DIED_FOR_A_WHILE = JobDied(1, 2, 8, BY_NACK, 2, T, 1, 0, b"no", T + 70)
SCHEDULE = ScheduleSet(
    *(4, 1, b"s", b"x", b"", b"", 10, 0, 0, 0, None, None, 1, 0, 0, T + 10, 0, False, T)
)
RESTORED = JobRestored(*(1, 9, b"c", 7, T, 0, OPTIONS, READY, 5, T, 3, b"", 1, 2, b"err", 0))
RETURNED = JobReturned(1, 2, b"a", 0, T, 0, None, READY, 2, T, 0, b"", 0, 0, b"", 0)

STRING = KeyMade(1, 0, b"s", String.code)
STRING_IS = StringSet(1, b"abc")
EXPIRING = KeyMade(1, 0, b"s", String.code, T + 50)
HASH = KeyMade(1, 0, b"h", Hash.code)
FIELDS = HashSet(1, [b"a", b"b", b"c"], [b"1", b"", b"3"])
SET = KeyMade(1, 0, b"s", Set.code)
MEMBERS = SetAdded(1, [b"a", b"b", b"c"], LISTPACK)
LIST = KeyMade(1, 0, b"l", List.code)
ITEMS = ListPushed(1, [b"a", b"b", b"c", b"d"], False)
ZSET = KeyMade(1, 0, b"z", Zset.code)
STREAM = KeyMade(1, 0, b"x", Stream.code)
LOGGED = [StreamAdded(1, T + at, at, at + 1, [b"f", b"%d" % at]) for at in range(4)]
ENTRIES = ZsetAdded(1, [1.0, 2.0, 2.0], [b"a", b"c", b"b"])
COPIED = [
    RestoreBegin(1, 0, b"s", String.code, T + 50),
    RestorePiece(1, [AS_IT_IS, b"ab"]),
    RestorePiece(1, [b"c"]),
]

QUIET_NOW = WorkerOrdered(b"w", 1, T, b"ops")

HISTORIES: dict[str, list[Record]] = {
    "epoch": [EpochStarted(3, T, "0.1.0")],
    "trimmed": [MADE, Trimmed(9, 1 << 40, 2)],
    "said again": [
        *(MADE, PUSHED, msgspec.structs.replace(MADE, totals=[1])),
        JobRestored(1, 2, b"a", 0, T, 0, None, READY, 2, T, 0, b"", 0, 0, b"", 0),
    ],
    "a purge that goes on, said again": [
        QueueMade(1, 0, b"q", T, True, QueueSettings(), [], Pauses(), 3, 4, T + 1, {READY: (3, T)}),
        PUSHED,
    ],
    "queue made": [MADE],
    "queue made with totals": [QueueMade(1, 3, b"q", T, True, QueueSettings(), list(range(11)))],
    "queue set": [MADE, QueueSet(1, QueueSettings(lease_ms=5))],
    "queue renamed": [MADE, QueueRenamed(1, b"r"), QueueMade(2, 0, b"q", T, False, MADE.settings)],
    "queue purged": [MADE, PUSHED, DELAYED_PUSH, QueuePurged(1, -1, 9, 2)],
    "the dead purged": [
        MADE,
        PUSHED,
        DELAYED_PUSH,
        LEASED_NOW,
        DIED,
        QueuePurged(1, DEAD, 9, 1, 0, T),
    ],
    "the ready purged": [MADE, PUSHED, DELAYED_PUSH, QueuePurged(1, READY, 9, 1, 0, T)],
    "a purge that goes on": [MADE, PUSHED, RESTORED, QueuePurged(1, READY, 12, 1, 3, T + 1)],
    "queue dropped": [MADE, PUSHED, SCHEDULE, QueueDropped(1)],
    "paused": [MADE, QueuePaused(1, Pauses(T + 9, FOREVER_MS, T + 8, T + 7))],
    "resumed": [
        MADE,
        QueuePaused(1, Pauses(T + 9, FOREVER_MS, T + 8, T + 7)),
        QueuePaused(1, Pauses()),
    ],
    "gate closed": [MADE, PUSHED, GateClosed(1, 6, b"", T + 9)],
    "gate closed for longer": [MADE, GateClosed(1, 6, b"g", T + 9), GateClosed(1, 7, b"g", T + 20)],
    "gate opened": [MADE, PUSHED, GateClosed(1, 6, b"", T + 9), GateOpened(1, 6, b"")],
    "ready push": [MADE, PUSHED],
    "pushed in front": [MADE, PUSHED, JobsPushed(1, 4, [b"f", b"g"], 0, T, 0, None, -2)],
    "delayed push": [MADE, DELAYED_PUSH],
    "restored ready": [MADE, PUSHED, RESTORED],
    "leased": [MADE, PUSHED, LEASED_NOW],
    "leased at a rate": [RATED, PUSHED, LEASED_NOW],
    "taken at a rate": [RATED, PUSHED, JobRemoved(1, 2, TAKEN, T + 3)],
    "another rate": [RATED, PUSHED, LEASED_NOW, QueueSet(1, QueueSettings(rate=Rate(3, 50)))],
    "leased again": [MADE, PUSHED, JobsLeased(1, [2], T + 9, 1, 2, T, b"")],
    "touched": [MADE, PUSHED, LEASED_NOW, JobTouched(1, 2, T + 500)],
    "acked": [MADE, PUSHED, LEASED_NOW, JobsAcked(1, [2])],
    "released": [MADE, PUSHED, LEASED_NOW, JobReleased(1, 2, BY_NACK, 8, 0, T, 1, 0, b"e")],
    "backing off": [MADE, PUSHED, LEASED_NOW, JobReleased(1, 2, BY_NACK, 8, T + 5, T, 1, 0, b"")],
    "given back": [MADE, PUSHED, LEASED_NOW, JobReleased(1, 2, BY_SILENT, 8, 0, T, 0, 0, b"")],
    "lease ended": [MADE, PUSHED, LEASED_NOW, JobReleased(1, 2, BY_LEASE_END, 8, 0, T, 0, 1, b"")],
    "due": [MADE, DELAYED_PUSH, JobDue(1, 3, 8, T + 50)],
    "died": [MADE, PUSHED, LEASED_NOW, DIED],
    "expired": [MADE, DELAYED_PUSH, JobDied(1, 3, 8, BY_TTL, 3, T, 0, 0, b"")],
    "redriven": [MADE, PUSHED, LEASED_NOW, DIED, JobReleased(1, 2, BY_REDRIVE, 9, 0, T, 0, 0, b"")],
    "kicked": [MADE, DELAYED_PUSH, JobDue(1, 3, 8, T + 5, b"me")],
    "due after a failure": [
        *(MADE, PUSHED, LEASED_NOW),
        JobReleased(1, 2, BY_NACK, 8, T + 5, T, 1, 0, b"e"),
        JobDue(1, 2, 9, T + 5),
    ],
    "undone": [MADE, PUSHED, LEASED_NOW, JobUndone(1, 2, T + 3)],
    "taken": [MADE, PUSHED, JobRemoved(1, 2, TAKEN)],
    "dropped": [MADE, DELAYED_PUSH, JobRemoved(1, 3, EXPIRED)],
    "dropped when held": [MADE, PUSHED, LEASED_NOW, JobRemoved(1, 2, HELD_EXPIRED)],
    "purged singly": [MADE, PUSHED, JobRemoved(1, 2, PURGED)],
    "deleted": [MADE, PUSHED, JobRemoved(1, 2, DELETED)],
    "evicted": [MADE, PUSHED, JobRemoved(1, 2, EVICTED)],
    "dead for a while": [MADE, PUSHED, LEASED_NOW, DIED_FOR_A_WHILE],
    "moved": [*DEAD_ONE, JobRemoved(1, 2, MOVED)],
    "forgotten": [MADE, PUSHED, LEASED_NOW, DIED_FOR_A_WHILE, JobRemoved(1, 2, FORGOTTEN)],
    "returned": [MADE, PUSHED, JobRemoved(1, 2, TAKEN), RETURNED],
    "a worker ordered": [QUIET_NOW, WorkerOrdered(b"v", 2, T, b""), WorkerOrdered(b"v", 1, T, b"")],
    "a worker resumed": [QUIET_NOW, WorkerOrdered(b"w", 0, T + 1, b"")],
    "schedule set": [MADE, SCHEDULE],
    "schedule fired": [MADE, SCHEDULE, ScheduleFired(1, 4, 1, T + 10, T + 20)],
    "schedule removed": [MADE, SCHEDULE, ScheduleRemoved(1, 4)],
    "cancelled": [MADE, PUSHED, LEASED_NOW, JobCancelled(1, 2, b"obsolete", T + 3, b"me")],
    "cancelled and gone": [MADE, PUSHED, LEASED_NOW, JobRemoved(1, 2, HELD_CANCELLED)],
    "said to be half done": [MADE, PUSHED, LEASED_NOW, JobTouched(1, 2, T + 50, 50, b"so far")],
    "a flow being cancelled": [MADE, PUSHED, CHILD, FlowCancelling(1, b"f", 3, b"no", b"ops")],
    "a flow cancelled": [
        MADE,
        FlowCancelling(1, b"f", 3, b"", b""),
        FlowCancelling(1, b"f", 0, b"", b""),
    ],
    "edited in its place": [
        MADE,
        PUSHED,
        JobEdited(1, 2, b"z", 0, 0, EDITED, READY, 2, T, T + 3, b"me", b"ttl"),
    ],
    "edited to move": [
        MADE,
        PUSHED,
        JobEdited(1, 2, b"z", 7, 0, None, READY, 9, T, T + 3, b"me", b"ttl"),
    ],
    "edited to wait": [
        MADE,
        PUSHED,
        JobEdited(1, 2, b"a", 0, T + 9, EDITED, DELAYED, 9, T, T + 3, b"me", b"ttl"),
    ],
    "edited while it waits": [
        MADE,
        DELAYED_PUSH,
        JobEdited(1, 3, b"b", 5, T + 9, LATER, 1, 3, T, T + 3, b"me", b"ttl"),
    ],
    "edited when dead": [
        *DEAD_ONE,
        JobEdited(1, 2, b"z", 7, 0, EDITED, DEAD, 8, T, T + 3, b"me", b"ttl"),
    ],
    "done": [MADE, PUSHED, LEASED_NOW, JobDone(1, 2, T + 90, T, b"42")],
    "done for long": [*DONE_ONE, JobRemoved(1, 2, OVER)],
    "done with a key": [MADE, KEYED, LEASED_NOW, JobDone(1, 2, T + 90, T, b"")],
    "purged when done": [*DONE_ONE, QueuePurged(1, -1, 9, 0)],
    "blocked": [MADE, PUSHED, CHILD],
    "freed": [MADE, PUSHED, CHILD, ChildrenFreed(1, 2, [3], 9, T + 5)],
    "freed by one of two": [MADE, PUSHED, CHILD_OF_TWO, ChildrenFreed(1, 2, [3], 9, T + 5)],
    "freed to wait": [MADE, PUSHED, LATE_CHILD, ChildrenFreed(1, 2, [3], 9, T + 5)],
    "freed too late": [MADE, PUSHED, LATE_CHILD, ChildrenFreed(1, 2, [3], 9, T + 50)],
    "some died with their parent": [
        *(MADE, PUSHED, CHILD, JobsPushed(1, 4, [b"a"], 0, T, 0, JobOptions(depends=(2,)))),
        JobRemoved(1, 2, DELETED),
        ChildrenDied(1, 2, [3], 9, T, b"no", T + 50, more=True),
    ],
    "all died with their parent": [
        *(MADE, PUSHED, CHILD, JobsPushed(1, 4, [b"a"], 0, T, 0, JobOptions(depends=(2,)))),
        JobRemoved(1, 2, DELETED),
        ChildrenDied(1, 2, [3], 9, T, b"no", T + 50, more=True),
        ChildrenDied(1, 2, [4], 10, T, b"no", T + 50),
    ],
    "died with its parent": [MADE, PUSHED, CHILD, ChildrenDied(1, 2, [3], 9, T, b"no", T + 50)],
    "died before its parent": [MADE, PUSHED, CHILD, JobDied(1, 3, 8, BY_TTL, 3, T, 0, 0, b"")],
    "purged with a child": [MADE, PUSHED, CHILD, QueuePurged(1, -1, 9, 2)],
    "a key": [MADE, KEYED],
    "a key let go at the start": [MADE, KEYED, LEASED_NOW],
    "a key let go at death": [MADE, KEYED, LEASED_NOW, DIED],
    "a key that is held": [MADE, KEYED, msgspec.structs.replace(KEYED, first=3)],
    "replaced": [MADE, KEYED, JobRemoved(1, 2, REPLACED)],
    "window": [MADE, WINDOW],
    "another window": [MADE, WINDOW, WindowOpened(1, 7, b"=k", b"x", T + 90)],
    "window closed": [MADE, WINDOW, WindowClosed(1, 6, b"=k")],
    "dropped with a window": [MADE, KEYED, WINDOW, QueueDropped(1)],
    "a string": [STRING, STRING_IS],
    "a string set again": [STRING, STRING_IS, StringSet(1, b"7", 1)],
    "a string written": [STRING, STRING_IS, StringWritten(1, 5, b"xy"), StringWritten(1, 1, b"z")],
    "a string removed": [STRING, STRING_IS, KeyRemoved(1)],
    "a string made again": [STRING, STRING_IS, KeyRemoved(1), KeyMade(2, 0, b"s", String.code)],
    "an expiring string": [EXPIRING, STRING_IS],
    "a string that came to expire": [STRING, STRING_IS, KeyExpires(1, T + 9)],
    "a string that stays": [EXPIRING, STRING_IS, KeyExpires(1, 0)],
    "a string renamed": [EXPIRING, STRING_IS, KeyRenamed(1, 0, b"t")],
    "a string moved": [EXPIRING, STRING_IS, KeyRenamed(1, 7, b"s"), KeyMade(2, 0, b"s", 0)],
    "one of two databases flushed": [
        *(EXPIRING, STRING_IS, KeyMade(2, 0, b"t", 0), KeyMade(3, 1, b"t", 0, T + 9)),
        KeysFlushed(0),
    ],
    "a string restored": [KeyRestored(1, 3, b"s", String.code, T + 50, [RAW, b"abc"])],
    "a string said again": [EXPIRING, STRING_IS, *COPIED, RestoreEnd(1)],
    "a string changed while it is said again": [
        *(EXPIRING, STRING_IS, *COPIED[:2]),
        *(StringWritten(1, 3, b"d"), KeyRenamed(1, 2, b"t"), COPIED[2], KeyExpires(1, 0)),
        *(RestoreEnd(1), StringWritten(1, 4, b"e")),
    ],
    "a string removed while it is said again": [
        *(EXPIRING, STRING_IS, *COPIED[:2]),
        *(KeyRemoved(1), KeyMade(2, 0, b"s", String.code)),
    ],
    "flushed while one is said again": [EXPIRING, STRING_IS, *COPIED[:2], KeysFlushed(0)],
    "a hash": [HASH, FIELDS],
    "a hash in a table": [HASH, FIELDS, HashSet(1, [b"d"], [b"4"], True), HashRemoved(1, [b"d"])],
    "a value that changed": [HASH, FIELDS, HashSet(1, [b"a", b"b"], [b"", b"longer"])],
    "fields removed": [HASH, FIELDS, HashRemoved(1, [b"c", b"a"])],
    "a hash emptied": [
        *(HASH, FIELDS, HashRemoved(1, [b"a", b"b", b"c"]), KeyMade(2, 0, b"h", Hash.code)),
        HashSet(2, [b"x"], [b"1"]),
    ],
    "a hash restored": [
        KeyRestored(1, 3, b"h", Hash.code, T + 50, [True, [b"a", b"b"], [b"1", b"2"]])
    ],
    "a hash changed while it is said again": [
        *(HASH, FIELDS, RestoreBegin(1, 0, b"h", Hash.code, 0)),
        *(RestorePiece(1, [False, [b"a"], [b"1"]]), HashSet(1, [b"c"], [b"new"])),
        *(HashRemoved(1, [b"a"]), RestorePiece(1, [False, [b"b"], [b""]]), RestoreEnd(1)),
    ],
    "a set": [SET, MEMBERS],
    "a set of integers": [SET, SetAdded(1, [b"1", b"-2"])],
    "a set in a table": [SET, MEMBERS, SetAdded(1, [b"d"], HASHTABLE), SetRemoved(1, [b"d"])],
    "members of a set removed": [SET, MEMBERS, SetRemoved(1, [b"c", b"a"])],
    "a set emptied": [
        *(SET, MEMBERS, SetRemoved(1, [b"a", b"b", b"c"]), KeyMade(2, 0, b"s", Set.code)),
        SetAdded(2, [b"1"]),
    ],
    "a set restored": [KeyRestored(1, 3, b"s", Set.code, T + 50, [LISTPACK, [b"a", b"b"]])],
    "a set changed while it is said again": [
        *(SET, MEMBERS, RestoreBegin(1, 0, b"s", Set.code, 0)),
        *(RestorePiece(1, [LISTPACK, [b"a"]]), SetAdded(1, [b"d"], HASHTABLE)),
        *(SetRemoved(1, [b"a"]), RestorePiece(1, [LISTPACK, [b"b", b"c"]]), RestoreEnd(1)),
    ],
    "a list": [LIST, ITEMS, ListPushed(1, [b"e", b"f"], True)],
    "items popped": [LIST, ITEMS, ListPopped(1, 1, True), ListPopped(1, 2, False)],
    "items changed": [
        *(LIST, ITEMS, ListSet(1, 2, b"x" * 9_000), ListInserted(1, 0, b"y"), ListSet(1, 3, b"z")),
        *(ListInserted(1, 5, b"z"), ListRemoved(1, [0, 2, 5])),
    ],
    "a list emptied": [
        *(LIST, ITEMS, ListPopped(1, 3, False), ListPopped(1, 1, True)),
        *(KeyMade(2, 0, b"l", List.code), ListPushed(2, [b"x"], True)),
    ],
    "a list emptied item by item": [LIST, ITEMS, ListRemoved(1, [0, 1, 2, 3])],
    "a list restored": [KeyRestored(1, 3, b"l", List.code, T + 50, [True, [b"a", b"a"]])],
    "a list changed while it is said again": [
        *(LIST, ITEMS, RestoreBegin(1, 0, b"l", List.code, 0)),
        *(RestorePiece(1, [False, [b"a", b"b"]]), ListPushed(1, [b"e"], False)),
        *(ListPopped(1, 1, True), RestorePiece(1, [False, [b"c", b"d"]]), RestoreEnd(1)),
    ],
    "a list emptied while it is said again": [
        *(LIST, ITEMS, RestoreBegin(1, 0, b"l", List.code, 0), ListPopped(1, 4, True)),
        *(KeyMade(2, 0, b"l", List.code), ListPushed(2, [b"x"], True)),
    ],
    "a sorted set": [ZSET, ENTRIES],
    "a score that changed": [ZSET, ENTRIES, ZsetAdded(1, [9.5, -math.inf], [b"a", b"d"])],
    "members removed": [ZSET, ENTRIES, ZsetRemoved(1, [b"c", b"a"])],
    "a range removed": [ZSET, ENTRIES, ZsetRangeRemoved(1, 2.0, b"b", 2.0, b"c")],
    "a sorted set emptied": [
        *(ZSET, ENTRIES, ZsetRangeRemoved(1, 1.0, b"a", 2.0, b"c"), KeyMade(2, 0, b"z", Zset.code)),
        ZsetAdded(2, [1.0], [b"x"]),
    ],
    "a sorted set emptied member by member": [ZSET, ENTRIES, ZsetRemoved(1, [b"a", b"b", b"c"])],
    "a sorted set restored": [
        KeyRestored(1, 3, b"z", Zset.code, T + 50, [True, [1.0, 2.0], [b"a", b"b"]])
    ],
    "a sorted set changed while it is said again": [
        *(ZSET, ENTRIES, RestoreBegin(1, 0, b"z", Zset.code, 0)),
        *(RestorePiece(1, [False, [1.0], [b"a"]]), ZsetAdded(1, [0.5], [b"c"])),
        *(ZsetRemoved(1, [b"a"]), RestorePiece(1, [False, [2.0], [b"b"]]), RestoreEnd(1)),
    ],
    "a stream": [STREAM, *LOGGED],
    "a stream trimmed": [STREAM, *LOGGED, StreamTrimmed(1, T + 1, 5)],
    "a stream trimmed to nothing": [STREAM, *LOGGED, StreamTrimmed(1, T + 9, 0), LOGGED[0]],
    "entries deleted": [STREAM, *LOGGED, StreamDeleted(1, [T, 0, T + 3, 3, T, 9])],
    "a stream without entries stays": [STREAM, *LOGGED[:1], StreamDeleted(1, [T, 0])],
    "a stream set": [STREAM, *LOGGED, StreamSet(1, T + 99, 0, 1_000, T + 98, 5)],
    "a stream restored": [
        KeyRestored(
            *(1, 3, b"x", Stream.code, T + 50),
            [[T + 9, 1, 7, T, 5], [T, 0, T + 8, 0], [[b"f", b"v"], [b"f", b"w", b"g", b""]]],
        )
    ],
    "a stream changed while it is said again": [
        *(STREAM, *LOGGED[:2], RestoreBegin(1, 0, b"x", Stream.code, 0)),
        *(RestorePiece(1, [[T + 1, 1, 2, 0, 0], [T, 0], [[b"f", b"0"]]]), LOGGED[2]),
        *(StreamDeleted(1, [T + 1, 1]), RestorePiece(1, [[], [T + 2, 2], [[b"f", b"2"]]])),
        *(LOGGED[3], RestoreEnd(1)),
    ],
    "answered": [MADE, AnswerKept(1, b"1:p", [b"x"], T + 600_000)],
}


def counters(state: State) -> State:
    """Set the counters as a batch header would."""
    state.next_number, state.next_fence = 100, 100
    state.first_order = -100
    return state


def live(history: list[Record]) -> State:
    state = counters(State())
    state.build_indexes()
    for record in history:
        state.apply(record)
        if not isinstance(record, KeyMade):  # The next record puts something into it.
            check(state)
    return state


def replay(history: list[Record]) -> State:
    state = counters(State())
    for record in decode_records(encode_records(history, [])):
        state.apply(record)
    state.build_indexes()
    check(state)
    return state


def test_every_kind_of_record_has_a_history() -> None:
    covered = {type(record) for history in HISTORIES.values() for record in history}

    assert covered == set(get_args(AnyRecord))


@pytest.mark.parametrize("name", HISTORIES)
def test_replay_makes_the_same_of_a_record_as_the_live_path(name: str) -> None:
    replayed, lived = replay(HISTORIES[name]), live(HISTORIES[name])

    while lived.graveyard or lived.keys.graveyard:
        lived.free(100)
        lived.keys.free(lived, 100)

    assert image(replayed) == image(lived)
    assert replayed.timers.entries() == lived.timers.entries()


@pytest.mark.parametrize("name", HISTORIES)
def test_a_record_is_not_changed_by_what_comes_after_it(name: str) -> None:
    history = HISTORIES[name]
    before = encode_records(history, [])

    live(history)

    # The writer thread encodes a batch while the next one is applied.
    assert encode_records(history, []) == before


DELTAS = [
    LEASED_NOW,
    JobTouched(1, 2, T),
    JobsAcked(1, [2]),
    JobReleased(1, 2, BY_NACK, 8, 0, T, 1, 0, b""),
    JobDue(1, 2, 8, T),
    DIED,
    JobUndone(1, 2, T + 3),
    JobRemoved(1, 2, TAKEN),
    ScheduleFired(1, 2, 1, T, T),
    ScheduleRemoved(1, 2),
    KeyRemoved(2),
    KeyExpires(2, T),
    KeyRenamed(2, 0, b"x"),
    StringSet(2, b"x"),
    StringWritten(2, 0, b"x"),
    HashSet(2, [b"x"], [b"1"]),
    HashRemoved(2, [b"x"]),
    SetAdded(2, [b"x"]),
    SetRemoved(2, [b"x"]),
    ListPushed(2, [b"x"], True),
    ListPopped(2, 1, False),
    ListSet(2, 0, b"x"),
    ListInserted(2, 0, b"x"),
    ListRemoved(2, [0]),
    ZsetAdded(2, [1.0], [b"x"]),
    ZsetRemoved(2, [b"x"]),
    ZsetRangeRemoved(2, 1.0, b"x", 2.0, b"y"),
    StreamAdded(2, T, 0, 1, [b"f", b"v"]),
    StreamTrimmed(2, T, 0),
    StreamDeleted(2, [T, 0]),
    StreamSet(2, T, 0, 1, 0, 0),
]


@pytest.mark.parametrize("record", DELTAS, ids=lambda record: type(record).__name__)
@pytest.mark.parametrize("has_queue", [False, True])
def test_a_change_of_an_absent_object_is_passed_over_and_remembered(
    record: Record, has_queue: bool
) -> None:
    state = replay([MADE, record] if has_queue else [record])

    assert state.passed_over == 2
    assert all(len(queue) == 0 for queue in state.queues.values())


@pytest.mark.parametrize("record", DELTAS[:8], ids=lambda record: type(record).__name__)
def test_totals_are_counted_whether_or_not_the_job_is_there(record: Record) -> None:
    leased = [] if isinstance(record, JobsLeased | JobDue | JobRemoved) else [LEASED_NOW]
    with_job = replay([MADE, PUSHED, *leased, record]) if not isinstance(record, JobDue) else None
    without_job = replay([MADE, *leased, record])

    totals = without_job.queues[1].totals
    if with_job is not None:
        totals.pushed += 1
        assert totals == with_job.queues[1].totals


def test_a_restored_job_bumps_no_total() -> None:
    assert sum(replay([MADE, RESTORED]).queues[1].totals.as_list()) == 0


def test_dead_letters_restored_in_any_order_stand_in_the_order_of_their_death() -> None:
    def restored(number: int, order: int) -> JobRestored:
        return JobRestored(1, number, b"", 0, T, 0, None, DEAD, order, T, 1, b"", 1, 0, b"", 2)

    state = replay([MADE, restored(5, 30), restored(6, 10), restored(7, 20)])

    assert list(state.queues[1].dead) == [6, 7, 5]


def test_a_leased_job_that_was_restored_can_be_acked() -> None:
    restored = JobRestored(*(1, 9, b"c", 7, T, T + 50, None, LEASED, 5, T, 3, b"me", 0, 0, b"", 0))

    state = replay([MADE, restored])

    assert list(state.queues[1].leases) == [b"3:%d-9" % T]
    state.apply(JobsAcked(1, [9]))
    check(state)
    assert len(state.queues[1]) == 0


def test_a_copy_makes_a_key_at_its_end_and_not_before() -> None:
    for made in (live, replay):
        assert len(made(COPIED).keys) == 0
        (key,) = made([*COPIED, RestoreEnd(1)]).keys
        assert (key.name, key.expires_ms, key.value.plain()) == (b"s", T + 50, (b"abc", AS_IT_IS))


def test_what_changes_a_key_while_a_copy_of_it_is_told_holds_in_a_replay_without_the_key() -> None:
    begin, first, last = COPIED
    told = [begin, StringWritten(1, 3, b"d"), first, KeyRenamed(1, 2, b"t"), last]
    told += [KeyExpires(1, T + 9), StringWritten(1, 4, b"e"), RestoreEnd(1)]

    state = replay([*told, StringWritten(1, 5, b"f")])

    (key,) = state.keys
    assert (key.db, key.name, key.expires_ms) == (2, b"t", T + 9)
    assert key.value.plain() == (b"abcdef", RAW)


@pytest.mark.parametrize("end", [KeyRemoved(1), KeysFlushed(0)], ids=lambda end: type(end).__name__)
def test_a_key_that_goes_while_a_copy_of_it_is_told_does_not_come_back(end: Record) -> None:
    taken = KeyMade(2, 0, b"s", String.code)

    for history in ([*COPIED, end, taken], [*COPIED[:2], end, taken, COPIED[2]]):
        assert [key.number for key in replay(history).keys] == [2]


def test_a_copy_of_a_set_may_be_of_several_moments() -> None:
    """What it has from before a change, or from behind it, comes out as the change says."""
    begin, end = RestoreBegin(1, 0, b"s", Set.code, 0), RestoreEnd(1)
    changes = [SetAdded(1, [b"d"], HASHTABLE), SetRemoved(1, [b"b"])]
    before = [LISTPACK, [b"a", b"b"]]
    behind = [HASHTABLE, [b"d", b"a"]]

    for items in (before, behind):
        piece = RestorePiece(1, items)
        for told in ([begin, *changes, piece, end], [begin, piece, *changes, end]):
            (key,) = replay(told).keys
            assert key.value.plain() == ([b"a", b"d"], HASHTABLE)
            key.value.check()


def test_a_copy_of_a_sorted_set_may_be_of_several_moments() -> None:
    """What it has from before a change, or from behind it, comes out as the change says."""
    begin, end = RestoreBegin(1, 0, b"z", Zset.code, 0), RestoreEnd(1)
    changes = [
        ZsetAdded(1, [5.0], [b"a"]),
        ZsetRemoved(1, [b"b"]),
        ZsetRangeRemoved(1, 3.0, b"", 3.0, b"z"),
        ZsetAdded(1, [3.0], [b"d"]),
    ]
    before = [1.0, 2.0, 3.0], [b"a", b"b", b"c"]
    behind = [3.0, 5.0], [b"d", b"a"]

    for scores, members in (before, behind):
        piece = RestorePiece(1, [False, scores, members])
        for told in ([begin, *changes, piece, end], [begin, piece, *changes, end]):
            (key,) = replay(told).keys
            assert key.value.plain() == ([(3.0, b"d"), (5.0, b"a")], False)
            key.value.check()


def test_a_copy_of_a_hash_may_be_of_several_moments() -> None:
    """What it has from before a change, or from behind it, comes out as the change says."""
    begin, end = RestoreBegin(1, 0, b"h", Hash.code, 0), RestoreEnd(1)
    changes = [
        HashSet(1, [b"a"], [b"new"]),
        HashRemoved(1, [b"b"]),
        HashSet(1, [b"d"], [b"4"], True),
    ]
    before = [False, [b"a", b"b", b"c"], [b"1", b"2", b"3"]]
    behind = [True, [b"d", b"c", b"a"], [b"4", b"3", b"new"]]

    for items in (before, behind):
        piece = RestorePiece(1, items)
        for told in ([begin, *changes, piece, end], [begin, piece, *changes, end]):
            (key,) = replay(told).keys
            assert key.value.plain() == ([(b"a", b"new"), (b"c", b"3"), (b"d", b"4")], True)
            key.value.check()


def test_a_copy_of_a_stream_may_be_of_several_moments() -> None:
    """What it has from before a change, or from behind it, comes out as the change says."""
    begin, end = RestoreBegin(1, 0, b"x", Stream.code, 0), RestoreEnd(1)
    rows = {at: [b"f", b"%d" % at] for at in range(1, 7)}
    changes = [
        StreamAdded(1, 5, 0, 5, rows[5]),
        StreamTrimmed(1, 2, 7),
        StreamDeleted(1, [5, 0]),
        StreamSet(1, 3, 5, 5, 2, 0),
        StreamAdded(1, 4, 0, 6, rows[4]),
        StreamAdded(1, 6, 0, 7, rows[6]),
    ]
    head = [4, 9, 4, 0, 0]

    for ids in ([1, 2, 3], [3], [3, 5], [1, 2, 3, 5, 6], [3, 6], [3, 4, 6]):
        copied = [part for at in ids for part in (at, 0)]
        piece = RestorePiece(1, [head, copied, [rows[at] for at in ids]])
        for told in ([begin, *changes, piece, end], [begin, piece, *changes, end]):
            (key,) = replay(told).keys
            left = [(at << 64, (b"f", b"%d" % at)) for at in (3, 4, 6)]
            assert key.value.plain() == ((6 << 64, 7, 2 << 64), left)
            key.value.check()


def test_a_change_that_is_refused_leaves_no_trace() -> None:
    harness = Harness()
    harness.say("QPUSH q x ID mine")

    for line in (
        "QPUSH q x PRIORITY high",
        "QUEUE CREATE q",
        "QUEUE SET q ORDER MIN",
        "QACK q junk",
        "QSCHED ADD q s x CRON bad",
        "QPUSH new x DELAY 1h TTL 1s",
        "QPUSH new x ID 1-1",
    ):
        harness.refusal(line)

    assert harness.say("QUEUE LIST") == [b"q"]
