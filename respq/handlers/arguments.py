"""How the arguments of commands are read: one type for each kind of word.

Durations are milliseconds, or a number with ``ms s m h d``; instants are unix
milliseconds. A value that cannot be used is named in the error.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

from respq.broker.command import Arg, ArgGroup
from respq.broker.glob import glob
from respq.config import COUNT_MAX, DURATION_MS_MAX, PARENTS_MAX, TAGS_MAX
from respq.engine.core import check_name, shown
from respq.engine.jobs.amend import EditTerms
from respq.engine.jobs.dedup import REJECT, REPLACE, RETURN, DedupTerms
from respq.engine.jobs.inspect import LATENCY, RATES, TIMINGS
from respq.engine.jobs.job import PHASE_NAMES, is_receipt
from respq.engine.jobs.push import PushTerms, check_meta
from respq.engine.jobs.rate import Rate
from respq.engine.jobs.retry import DEFAULT_BACKOFF, EXPONENTIAL, FIXED, LINEAR, Backoff
from respq.engine.jobs.schedule import ALLOW, CATCHUP_NAMES, SKIP
from respq.engine.records import FollowUp
from respq.errors import BadCron, RespqError, SyntaxFault

INTEGER_MAX = (1 << 63) - 1
RATE_MAX = 1_000_000
WEIGHT_MAX = 1_000_000
CURSOR_MAX = (1 << 64) - 1
ATTEMPTS_MAX = 1_000_000
NOT_AN_INTEGER = "value is not an integer or out of range"
"""Redis' text."""

_DURATION = re.compile(rb"(\d{1,18})(ms|s|m|h|d)?", re.IGNORECASE)
_TRACEPARENT = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
"""https://www.w3.org/TR/trace-context/: lower case, and no part that is all zeros."""
_UNITS_MS = {b"": 1, b"ms": 1, b"s": 1_000, b"m": 60_000, b"h": 3_600_000, b"d": 86_400_000}
_KINDS = {b"FIXED": FIXED, b"LINEAR": LINEAR, b"EXPONENTIAL": EXPONENTIAL}


def read_integer(raw: bytes) -> int:
    """Return a signed 64-bit integer, written as Redis wants it."""
    digits = raw[1:] if raw[:1] == b"-" else raw
    if not digits.isdigit() or len(digits) > 19 or (digits[:1] == b"0" and len(raw) > 1):
        raise SyntaxFault(f"{NOT_AN_INTEGER}: '{shown(raw)}'")
    number = int(raw)
    if not -INTEGER_MAX - 1 <= number <= INTEGER_MAX:
        raise SyntaxFault(f"{NOT_AN_INTEGER}: '{shown(raw)}'")
    return number


def integer_between(what: str, least: int, most: int) -> Callable[[bytes], int]:
    """Return a reader of integers from ``least`` to ``most``."""

    def read(raw: bytes) -> int:
        number = read_integer(raw)
        if not least <= number <= most:
            raise SyntaxFault(f"{what} is from {least} to {most}, not {number}")
        return number

    return read


def duration_between(what: str, least: int) -> Callable[[bytes], int]:
    """Return a reader of durations from ``least`` ms to a hundred years."""

    def read(raw: bytes) -> int:
        match = _DURATION.fullmatch(raw)
        if match is None:
            raise SyntaxFault(
                f"{what} is milliseconds, or a number with ms, s, m, h or d, not '{shown(raw)}'"
            )
        duration = int(match[1]) * _UNITS_MS[(match[2] or b"").lower()]
        if not least <= duration <= DURATION_MS_MAX:
            raise SyntaxFault(f"{what} is from {least} to {DURATION_MS_MAX} ms, not '{shown(raw)}'")
        return duration

    return read


def rate_of(word: str) -> Callable[[bytes, bytes, bytes], Rate]:
    """Return a reader of rates, ``n PER ms``."""

    def read(jobs: bytes, per: bytes, duration: bytes) -> Rate:
        if per.upper() != b"PER":
            raise SyntaxFault(f"{word} is n PER ms: PER should stand where '{shown(per)}' does")
        return Rate(
            integer_between(f"the number of {word}", 1, RATE_MAX)(jobs),
            duration_between(f"the time of {word}", 1)(duration),
        )

    return read


def rate(word: str) -> Arg:
    """Return an option that limits how many there may be in a time."""
    return Arg(rate_of(word), values=("n", "PER", "ms"), token=word.encode(), excludes=word.lower())


def no_rate(word: str) -> Arg:
    """Return the option that ends what `rate` set."""
    return Arg(bool, token=b"NO" + word.encode(), excludes=word.lower())


def queue_changes(
    *, norate: bool = False, nopushrate: bool = False, **changes: Any
) -> dict[str, Any]:
    """Return the settings that are named, by their fields."""
    ended = {"rate": None} if norate else {}
    return changes | ended | ({"push_rate": None} if nopushrate else {})


def read_dedup(key: bytes, parts: dict[bytes, Any]) -> DedupTerms:
    """Return a dedup key from its words."""
    check_name("the key of DEDUP", key)
    return DedupTerms(key, parts.get(b"UNTIL", False), parts.get(b"WINDOW", 0), parts.get(b"ON"))


def none_for_zero(read: Callable[[bytes], int]) -> Callable[[bytes], int | None]:
    """Return a reader for which 0 is none."""
    return lambda raw: read(raw) or None


def limit(word: str) -> Arg:
    """Return an option that limits how many there may be; 0 is no limit."""
    read = none_for_zero(integer_between(word, 0, INTEGER_MAX))
    return Arg(read, kind="integer", values=("n",), token=word.encode())


def read_instant(raw: bytes) -> int:
    """Return an instant in unix milliseconds."""
    try:
        instant = read_integer(raw)
    except RespqError:
        instant = -1
    if not 0 < instant <= DURATION_MS_MAX * 2:
        raise SyntaxFault(f"an instant is unix milliseconds, not '{shown(raw)}'")
    return instant


def one_of(what: str, words: dict[bytes, Any]) -> Callable[[bytes], Any]:
    """Return a reader that maps one of several words, in any case, to its value."""

    def read(raw: bytes) -> Any:
        try:
            return words[raw.upper()]
        except KeyError:
            names = ", ".join(word.decode() for word in words)
            raise SyntaxFault(f"{what} is one of {names}, not '{shown(raw)}'") from None

    return read


def read_backoff(kind: bytes, base: bytes, parts: dict[bytes, int]) -> Backoff:
    """Return a backoff from its words."""
    return Backoff(
        one_of("BACKOFF", _KINDS)(kind),
        duration_between("the base of BACKOFF", 0)(base),
        parts.get(b"MAX", DEFAULT_BACKOFF.max_ms),
        parts.get(b"JITTER", DEFAULT_BACKOFF.jitter_pct),
    )


def read_idmp(producer: bytes, number: bytes) -> tuple[bytes, int]:
    """Return a producer and its number for a push."""
    return producer, integer_between("the number of IDMP", 0, INTEGER_MAX)(number)


def counted(word: str, most: int) -> Callable[..., tuple[bytes, ...]]:
    """Return a reader of words that follow on their number."""

    def read(number: bytes, *words: bytes) -> tuple[bytes, ...]:
        integer_between(f"the number of {word}", 1, most)(number)
        return words

    return read


def read_name(what: str) -> Callable[[bytes], bytes]:
    """Return a reader of names of 1 to 255 bytes."""

    def read(raw: bytes) -> bytes:
        check_name(what, raw)
        return raw

    return read


def read_meta(raw: bytes) -> bytes:
    """Return JSON as it was given."""
    check_meta(raw)
    return raw


def read_trace(raw: bytes) -> bytes:
    """Return a traceparent of W3C Trace Context."""
    if _TRACEPARENT.fullmatch(raw) is None:
        raise SyntaxFault(
            f"TRACE is a traceparent, 00-<32 hex digits>-<16>-<2>, not '{shown(raw)}'"
        )
    return raw


def read_filled(what: str) -> Callable[[bytes], bytes]:
    """Return a reader of parts of a schedule: empty is what a part that is not given is."""

    def read(raw: bytes) -> bytes:
        if not raw:
            raise BadCron(f"the {what} is empty")
        return raw

    return read


def read_cursor(raw: bytes) -> int:
    """Return a cursor, as one reply gives it to the next call; Redis' text if it is none."""
    if not raw.isdigit() or len(raw) > 20 or int(raw) > CURSOR_MAX:
        raise SyntaxFault("invalid cursor")
    return int(raw)


Key = Annotated[bytes, Arg(bytes, kind="key", is_key=True)]
Keys = Annotated[bytes, Arg(bytes, kind="key", is_key=True, optional=True)]
StatsKeys = Annotated[
    bytes,
    Arg(
        bytes,
        kind="key",
        is_key=True,
        optional=True,
        matches=lambda raw: raw.upper() not in (b"WITH", b"RESET"),
    ),
]
"""Names of queues up to the options; one that reads like an option cannot be given."""
Bulk = Annotated[bytes, Arg(bytes)]
Pattern = Annotated[bytes, Arg(bytes, kind="pattern")]
Cursor = Annotated[int, Arg(read_cursor, kind="integer")]
ScanCount = Annotated[
    int,
    Arg(integer_between("COUNT", 1, 1 << 31), kind="integer", values=("count",), token=b"COUNT"),
]
Phase = Annotated[
    int | None,
    Arg(
        one_of("STATE", {name.upper(): code for code, name in enumerate(PHASE_NAMES)}),
        values=("|".join(name.decode().upper() for name in PHASE_NAMES),),
        token=b"STATE",
    ),
]
Integer = Annotated[int, Arg(read_integer, kind="integer")]
ItemsCount = Annotated[
    int, Arg(integer_between("the count", 1, COUNT_MAX), kind="integer", counts=True)
]
Receipt = Annotated[
    bytes,
    Arg(
        bytes,
        values=("receipt",),
        matches=is_receipt,
        repeats_max=COUNT_MAX,
        shares_text=True,
    ),
]
JobIds = Annotated[bytes, Arg(bytes, repeats_max=COUNT_MAX)]

PRIORITY = Arg(bytes, values=("priority",), token=b"PRIORITY")
DELAY = Arg(duration_between("DELAY", 0), kind="integer", values=("ms",), token=b"DELAY")
DELAY_OR_AT = replace(DELAY, excludes="delay")
AT = Arg(read_instant, kind="unix-time", values=("unix-ms",), token=b"AT", excludes="delay")
ATTEMPTS = Arg(
    integer_between("ATTEMPTS", 0, ATTEMPTS_MAX), kind="integer", values=("n",), token=b"ATTEMPTS"
)
BACKOFF = Arg(
    read_backoff,
    values=("FIXED|LINEAR|EXPONENTIAL", "base-ms"),
    token=b"BACKOFF",
    parts=(
        Arg(duration_between("MAX of BACKOFF", 1), kind="integer", values=("ms",), token=b"MAX"),
        Arg(integer_between("JITTER", 0, 100), kind="integer", values=("pct",), token=b"JITTER"),
    ),
)
LEASE = Arg(duration_between("LEASE", 1), kind="integer", values=("ms",), token=b"LEASE")
TTL = Arg(duration_between("TTL", 1), kind="integer", values=("ms",), token=b"TTL")
PAYLOAD = Arg(bytes, values=("payload",), token=b"PAYLOAD")
MAXLEASE = Arg(duration_between("MAXLEASE", 1), kind="integer", values=("ms",), token=b"MAXLEASE")
KEEP = Arg(duration_between("KEEP", 0), kind="integer", values=("ms",), token=b"KEEP")
GROUP = Arg(read_name("GROUP"), values=("group",), token=b"GROUP")
DEPENDS = Arg(
    counted("DEPENDS", PARENTS_MAX), values=("numids", "id"), token=b"DEPENDS", counted=True
)
FLOW = Arg(read_name("FLOW"), values=("flow",), token=b"FLOW")
THEN = Arg(FollowUp, values=("queue", "payload"), token=b"THEN")
ID = Arg(bytes, values=("id",), token=b"ID")
FRONT = Arg(bool, token=b"FRONT")
DEDUP = Arg(
    read_dedup,
    values=("key",),
    token=b"DEDUP",
    parts=(
        Arg(
            one_of("UNTIL", {b"START": True, b"DONE": False}),
            values=("START|DONE",),
            token=b"UNTIL",
        ),
        Arg(duration_between("WINDOW", 1), kind="integer", values=("ms",), token=b"WINDOW"),
        Arg(
            one_of("ON", {word: word for word in (RETURN, REJECT, REPLACE)}),
            values=("RETURN|REJECT|REPLACE",),
            token=b"ON",
        ),
    ),
)
NX = Arg(bool, token=b"NX")
IDMP = Arg(read_idmp, values=("producer", "n"), token=b"IDMP")
NAME = Arg(read_name("NAME"), values=("type",), token=b"NAME")
TAG = Arg(read_name("TAG"), values=("tag",), token=b"TAG", repeats_max=TAGS_MAX)
META = Arg(read_meta, values=("json",), token=b"META")
TRACE = Arg(read_trace, values=("traceparent",), token=b"TRACE")

_SHARED = {
    "priority": PRIORITY,
    "delay_ms": DELAY_OR_AT,
    "at_ms": AT,
    "attempts": ATTEMPTS,
    "backoff": BACKOFF,
    "lease_ms": LEASE,
    "maxlease_ms": MAXLEASE,
    "ttl_ms": TTL,
    "then": THEN,
    "keep_ms": KEEP,
    "group": GROUP,
    "name": NAME,
    "tags": TAG,
    "meta": META,
    "trace": TRACE,
}
_PUSHED = {"depends": DEPENDS, "flow": FLOW, "idmp": IDMP, "nx": NX, "front": FRONT}
PushOptions = Annotated[
    PushTerms | None, ArgGroup(PushTerms, {**_SHARED, "id": ID, "dedup": DEDUP, **_PUSHED})
]
PushManyOptions = Annotated[PushTerms | None, ArgGroup(PushTerms, {**_SHARED, **_PUSHED})]
"""Without ID and DEDUP: they name one job."""
ScheduleOptions = Annotated[
    PushTerms | None,
    ArgGroup(
        PushTerms,
        {name: arg for name, arg in _SHARED.items() if name not in ("at_ms", "delay_ms")}
        | {"delay_ms": DELAY},
    ),
]
"""Without what belongs to a single push; AT is the schedule's own."""

_UNEDITED = ("ttl_ms", "then", "keep_ms", "group")
EditOptions = Annotated[
    EditTerms | None,
    ArgGroup(
        EditTerms,
        {
            "payload": PAYLOAD,
            **{name: arg for name, arg in _SHARED.items() if name not in _UNEDITED},
            "ttl_ms": replace(TTL, read=duration_between("TTL", 0)),
        },
    ),
]
NackDelay = Annotated[int | None, DELAY]
Lease = Annotated[int | None, LEASE]
Count = Annotated[
    int | None,
    Arg(integer_between("COUNT", 1, COUNT_MAX), kind="integer", values=("n",), token=b"COUNT"),
]
KickCount = Annotated[
    int | None,
    Arg(
        integer_between("COUNT", 1, COUNT_MAX),
        kind="integer",
        values=("n",),
        token=b"COUNT",
        excludes="which",
    ),
]
Block = Annotated[
    int | None,
    Arg(duration_between("BLOCK", 0), kind="integer", values=("ms",), token=b"BLOCK"),
]
Consumer = Annotated[bytes, Arg(read_name("consumer name"), values=("name",), token=b"CONSUMER")]
NoAck = Annotated[bool, Arg(bool, token=b"NOACK")]
WithMeta = Annotated[bool, Arg(bool, token=b"WITHMETA")]
Front = Annotated[bool, FRONT]
WithDue = Annotated[bool, Arg(bool, token=b"WITHDUE")]
Strict = Annotated[bool, Arg(bool, token=b"STRICT")]
Payload = Annotated[bytes | None, PAYLOAD]
Result = Annotated[bytes, Arg(bytes, values=("value",), token=b"RESULT")]
Progress = Annotated[
    int,
    Arg(integer_between("PROGRESS", 0, 100), kind="integer", values=("pct",), token=b"PROGRESS"),
]
LogLine = Annotated[bytes, Arg(bytes, values=("text",), token=b"LOG")]
PerSecond = Annotated[
    int, Arg(integer_between("RATE", 1, RATE_MAX), kind="integer", values=("n",), token=b"RATE")
]
ToQueue = Annotated[bytes | None, Arg(bytes, values=("queue",), token=b"TO")]
ErrorPattern = Annotated[
    Callable[[bytes], bool] | None,
    Arg(glob, kind="pattern", values=("pattern",), token=b"ERROR"),
]
DryRun = Annotated[bool, Arg(bool, token=b"DRYRUN")]
Reason = Annotated[bytes, Arg(bytes, values=("text",), token=b"REASON")]
KickIds = Annotated[
    tuple[bytes, ...],
    Arg(
        counted("IDS", COUNT_MAX),
        values=("numids", "id"),
        token=b"IDS",
        counted=True,
        excludes="which",
    ),
]
Turns = Annotated[bytes, Arg(bytes, words=(b"STRICT", b"FAIR"), excludes="turns")]
Weights = Annotated[
    tuple[int, ...],
    Arg(
        lambda *weights: tuple(map(integer_between("a weight", 1, WEIGHT_MAX), weights)),
        kind="integer",
        values=("weight",),
        token=b"WEIGHTS",
        many=True,
        matches=bytes.isdigit,
        excludes="turns",
    ),
]
Outcome = Annotated[bytes, Arg(bytes, words=(b"SILENT", b"FAIL", b"FATAL"), excludes="outcome")]
RateLimit = Annotated[
    int,
    Arg(
        duration_between("RATELIMIT", 1),
        kind="integer",
        values=("ms",),
        token=b"RATELIMIT",
        excludes="outcome",
    ),
]
ErrorText = Annotated[bytes, Arg(bytes, values=("text",), token=b"ERROR")]

QueueChanges = Annotated[
    dict[str, Any] | None,
    ArgGroup(
        queue_changes,
        {
            "min_first": Arg(
                one_of("ORDER", {b"MAX": False, b"MIN": True}),
                values=("MAX|MIN",),
                token=b"ORDER",
            ),
            "text": Arg(
                one_of("PRIORITIES", {b"NUMERIC": False, b"TEXT": True}),
                values=("NUMERIC|TEXT",),
                token=b"PRIORITIES",
            ),
            "lease_ms": LEASE,
            "attempts": ATTEMPTS,
            "backoff": BACKOFF,
            "ttl_ms": replace(TTL, read=none_for_zero(duration_between("TTL", 0))),
            "drop_expired": Arg(
                one_of("EXPIRED", {b"DEAD": False, b"DROP": True}),
                values=("DEAD|DROP",),
                token=b"EXPIRED",
            ),
            "maxlen": limit("MAXLEN"),
            "maxbytes": limit("MAXBYTES"),
            "drop_oldest": Arg(
                one_of("OVERFLOW", {b"REJECT": False, b"DROPOLDEST": True}),
                values=("REJECT|DROPOLDEST",),
                token=b"OVERFLOW",
            ),
            "concurrency": limit("CONCURRENCY"),
            "group_concurrency": limit("GROUPCONCURRENCY"),
            "fair": Arg(
                one_of("FAIR", {b"NO": False, b"YES": True}), values=("NO|YES",), token=b"FAIR"
            ),
            "keepdead_ms": Arg(
                none_for_zero(duration_between("KEEPDEAD", 0)),
                kind="integer",
                values=("ms",),
                token=b"KEEPDEAD",
            ),
            "keep_ms": replace(KEEP, read=none_for_zero(duration_between("KEEP", 0))),
            "refuse_duplicates": Arg(
                one_of("DUPLICATES", {b"ALLOW": False, b"REFUSE": True}),
                values=("ALLOW|REFUSE",),
                token=b"DUPLICATES",
            ),
            "rate": rate("RATE"),
            "norate": no_rate("RATE"),
            "push_rate": rate("PUSHRATE"),
            "nopushrate": no_rate("PUSHRATE"),
            "slo_ms": Arg(
                none_for_zero(duration_between("SLO", 0)),
                kind="integer",
                values=("ms",),
                token=b"SLO",
            ),
        },
    ),
]
"""The fields of `QueueSettings` that are named."""
Figures = Annotated[
    tuple[bytes, ...],
    Arg(
        one_of(
            "WITH",
            {kind: (kind,) for kind in (RATES, LATENCY, TIMINGS)}
            | {b"ALL": (RATES, LATENCY, TIMINGS)},
        ),
        values=("RATES|LATENCY|TIMINGS|ALL",),
        token=b"WITH",
        excludes="figures",
    ),
]
ResetFigures = Annotated[bool, Arg(bool, token=b"RESET", excludes="figures")]
Directions = Annotated[
    tuple[str, ...],
    ArgGroup(
        lambda **named: tuple(named),
        {
            "puts_ms": Arg(bool, token=b"IN"),
            "pops_ms": Arg(bool, token=b"OUT"),
            "acks_ms": Arg(bool, token=b"ACK"),
            "touches_ms": Arg(bool, token=b"TOUCH"),
        },
    ),
]
"""The fields of `Pauses` that are named."""
PauseFor = Annotated[
    int | None,
    Arg(duration_between("FOR", 1), kind="integer", values=("ms",), token=b"FOR"),
]

Cron = Annotated[
    bytes,
    Arg(read_filled("cron expression"), values=("expression",), token=b"CRON", excludes="rhythm"),
]
Zone = Annotated[bytes, Arg(read_filled("time zone"), values=("zone",), token=b"TZ")]
Every = Annotated[
    int,
    Arg(
        duration_between("EVERY", 1),
        kind="integer",
        values=("ms",),
        token=b"EVERY",
        excludes="rhythm",
    ),
]
RhythmAt = Annotated[
    int,
    Arg(read_instant, kind="unix-time", values=("unix-ms",), token=b"AT", excludes="rhythm"),
]
RhythmStart = Annotated[
    int, Arg(read_instant, kind="unix-time", values=("unix-ms",), token=b"START")
]
RhythmEnd = Annotated[int, Arg(read_instant, kind="unix-time", values=("unix-ms",), token=b"END")]
FireJitter = Annotated[
    int, Arg(duration_between("JITTER", 0), kind="integer", values=("ms",), token=b"JITTER")
]
Overlap = Annotated[
    int,
    Arg(
        one_of("OVERLAP", {b"ALLOW": ALLOW, b"SKIP": SKIP}),
        values=("ALLOW|SKIP",),
        token=b"OVERLAP",
    ),
]
MaxRuns = Annotated[
    int,
    Arg(
        integer_between("MAXRUNS", 1, INTEGER_MAX), kind="integer", values=("n",), token=b"MAXRUNS"
    ),
]
Catchup = Annotated[
    int,
    Arg(
        one_of("CATCHUP", {name: code for code, name in enumerate(CATCHUP_NAMES)}),
        values=("NONE|ONE|ALL",),
        token=b"CATCHUP",
    ),
]
