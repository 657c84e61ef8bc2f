"""When a cron expression fires: wall-clock times of a zone, as unix milliseconds.

An expression has five fields (minute, hour, day of month, month, day of week) as in
Debian's cron, with names (``MON``, ``JAN``), lists, ranges, steps and the extensions
``L`` and ``LW`` (last day, last weekday of the month), ``5L`` (last Friday) and ``MON#2``
(second Monday). When both day fields are restricted, either suffices; when one begins
with a star, both must hold. ``@hourly @daily @midnight @weekly @monthly @yearly
@annually`` stand for the usual five. A sixth field for seconds is refused, because other
crons mean a year by it; EVERY covers what is shorter than a minute.

cronsim answers which *wall-clock* times match. What a wall-clock time means where the
clocks change is decided here:

    the hour field           time that does not exist       time that comes twice
    names some hours         runs when the gap ends, once   runs the first time only
    holds all 24 (``*``)     does not run                   runs both times

The first line is for "at half past two": it runs on every day that matches, once. The
second is for "every ten minutes": it is a rhythm, and a rhythm goes by elapsed time.
(cronsim's own rule looks at stars in the minute field too, would skip ``*/10 2 * * *`` on
one day a year, and may answer with a time in the past during the repeated hour.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo

from cronsim import CronSim, CronSimError

from respq.errors import BadCron

Zones = Callable[[str], tzinfo]
"""Returns the time zone of a name; raises KeyError for an unknown one."""

EXPRESSION_BYTES_MAX = 512
"""All minutes, hours, days, months and weekdays written out are 320 bytes."""

_NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_FIELDS = {
    "minute": "0-59",
    "hour": "0-23",
    "day-of-month": "1-31, L or LW, a day that the month has",
    "month": "1-12 or JAN-DEC",
    "day-of-week": "0-7 or SUN-SAT, with L or #n",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_SECOND = timedelta(seconds=1)


def next_fire_ms(expression: bytes, zone: bytes, after_ms: int, zones: Zones) -> int | None:
    """Return the first instant strictly after ``after_ms`` at which the expression fires.

    The search ends after 50 years; no date that exists is rarer than one in 40. That is
    14 ms at worst, for an expression that is refused, and well under 1 ms for a common one.

    Returns:
        Unix milliseconds, always a whole minute of the zone's wall clock; None when the
        calendar ends (the year 9999) before the expression fires again.

    Raises:
        BadCron: for an expression that cannot be read or never fires, or an unknown zone.
    """
    text = _readable(expression)
    clock = _zone(zone, zones)
    try:
        after = _EPOCH + after_ms * _MILLISECOND
        wall = after.astimezone(clock)
        matches = _matches(text, wall)
        if len(matches.hours) == 24:
            fire = _next_in_rhythm(text, after, clock)
        else:
            instants = (_first_existing(local, clock) for local in matches)
            fire = next((each for each in instants if each > after), None)
    except OverflowError:
        return None
    if fire is None:
        raise BadCron(f"cron expression '{text}' never fires: no date matches its day and month")
    return (fire - _EPOCH) // _MILLISECOND


def _readable(expression: bytes) -> str:
    """Return the five fields as text, a nickname replaced by what it stands for."""
    if len(expression) > EXPRESSION_BYTES_MAX:
        raise BadCron(
            f"a cron expression of {len(expression)} bytes is over the limit of "
            f"{EXPRESSION_BYTES_MAX}: use ranges and steps"
        )
    text = _shown(expression)
    text = _NICKNAMES.get(text.strip().lower(), text)
    count = len(text.split())
    if count != len(_FIELDS):
        raise BadCron(
            f"cron expression '{text}' has {count} fields: give the five fields "
            f"{' '.join(_FIELDS)}, or one of {' '.join(_NICKNAMES)}"
        )
    return text


def _shown(given: bytes) -> str:
    """Return bytes of a client as text for an error message, whatever they hold."""
    return given.decode("ascii", "backslashreplace")


def _zone(name: bytes, zones: Zones) -> tzinfo:
    try:
        return zones(name.decode())
    except (KeyError, UnicodeDecodeError):
        raise BadCron(
            f"unknown time zone '{_shown(name[:64])}': give a name such as UTC or Europe/Berlin"
        ) from None


def _matches(text: str, start: datetime) -> CronSim:
    """Return the wall-clock times after that of ``start`` that match, without end, in order."""
    try:
        # Without a zone cronsim leaves daylight saving time alone.
        return CronSim(text, start.replace(tzinfo=None))
    except CronSimError as fault:
        field = str(fault).removeprefix("Bad ")
        raise BadCron(
            f"cron expression '{text}' has a bad {field}: give {_FIELDS[field]}"
        ) from None


def _next_in_rhythm(text: str, after: datetime, zone: tzinfo) -> datetime | None:
    """Return the first instant after ``after`` whose wall-clock time matches."""
    wall = after.astimezone(zone)
    found = _next_instant(_matches(text, wall), after, zone)
    repeated = _offset(wall) - _offset(wall.replace(fold=1))
    if repeated:
        # The clocks are about to go back: what matches in the second pass comes before
        # what follows on the dial.
        again = _next_instant(_matches(text, wall - repeated), after, zone)
        found = min((each for each in (found, again) if each), default=None)
    return found


def _next_instant(matches: Iterator[datetime], after: datetime, zone: tzinfo) -> datetime | None:
    """Return the earliest instant after ``after`` of the first match that has one."""
    for local in matches:
        for fold in (0, 1):
            instant = local.replace(tzinfo=zone, fold=fold).astimezone(UTC)
            exists = instant.astimezone(zone).replace(tzinfo=None) == local
            if exists and instant > after:
                return instant
    return None


def _first_existing(local: datetime, zone: tzinfo) -> datetime:
    """Return the instant of a wall-clock time: its first, or the end of the gap it is in."""
    here = local.replace(tzinfo=zone)
    instant = here.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == local:
        return instant
    # With fold=1 a time in a gap is read by the offset that holds after the gap, which
    # gives an instant before it; with fold=0 one after it. The gap ends in between.
    before, behind = here.replace(fold=1).astimezone(UTC), instant
    new_offset = _offset(behind.astimezone(zone))
    while behind - before > _SECOND:
        middle = before + (behind - before) // 2
        middle = middle.replace(microsecond=0)
        if _offset(middle.astimezone(zone)) == new_offset:
            behind = middle
        else:
            before = middle
    return behind


def _offset(moment: datetime) -> timedelta:
    offset = moment.utcoffset()
    assert offset is not None, "a zone gives every moment an offset"
    return offset
