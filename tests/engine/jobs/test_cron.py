from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from respq.engine.jobs.cron import EXPRESSION_BYTES_MAX, next_fire_ms
from respq.errors import BadCron
from respq.runtime.zones import load_zone

MINUTE_MS = 60_000
BERLIN = "Europe/Berlin"
NEW_YORK = "America/New_York"
LORD_HOWE = "Australia/Lord_Howe"  # its clocks change by half an hour


def unix_ms(text: str) -> int:
    """Read an instant such as ``2026-03-29T03:00+02:00``; without an offset it is UTC."""
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def fires(expression: str, after: str, count: int, zone: str = "UTC") -> list[str]:
    """List the next fires as local time with offset, to the minute."""
    found = []
    now_ms = unix_ms(after)
    for _ in range(count):
        next_ms = next_fire_ms(expression.encode(), zone.encode(), now_ms, load_zone)
        assert next_ms is not None
        assert next_ms > now_ms
        now_ms = next_ms
        local = datetime.fromtimestamp(now_ms / 1000, load_zone(zone))
        found.append(local.isoformat(timespec="minutes"))
    return found


def refusal(expression: bytes, zone: bytes = b"UTC") -> str:
    with pytest.raises(BadCron) as refused:
        next_fire_ms(expression, zone, unix_ms("2026-01-01T00:00"), load_zone)
    return str(refused.value)


class TestFires:
    def test_a_fire_is_strictly_after_the_instant_given(self) -> None:
        nine = unix_ms("2026-01-01T09:00")

        assert next_fire_ms(b"0 9 * * *", b"UTC", nine - 1, load_zone) == nine
        assert next_fire_ms(b"0 9 * * *", b"UTC", nine, load_zone) == nine + 86_400_000
        assert next_fire_ms(b"0 9 * * *", b"UTC", nine + 1, load_zone) == nine + 86_400_000

    def test_a_fire_is_on_the_wall_clock_of_its_zone(self) -> None:
        assert fires("0 9 * * *", "2026-07-01T00:00", 1, "Asia/Kathmandu") == [
            "2026-07-01T09:00+05:45"
        ]

    @pytest.mark.parametrize(
        ("nickname", "meaning"),
        [
            ("@hourly", "0 * * * *"),
            ("@daily", "0 0 * * *"),
            ("@midnight", "0 0 * * *"),
            ("@weekly", "0 0 * * 0"),
            ("@monthly", "0 0 1 * *"),
            ("@Yearly", "0 0 1 1 *"),
            ("@annually", "0 0 1 1 *"),
        ],
    )
    def test_a_nickname_fires_as_the_five_fields_it_stands_for(
        self, nickname: str, meaning: str
    ) -> None:
        after = "2026-05-13T12:34"

        assert fires(nickname, after, 3) == fires(meaning, after, 3)

    def test_two_restricted_day_fields_are_alternatives(self) -> None:
        assert fires("0 0 13 * FRI", "2026-11-01T00:00", 3) == [
            "2026-11-06T00:00+00:00",
            "2026-11-13T00:00+00:00",
            "2026-11-20T00:00+00:00",
        ]

    def test_a_day_field_that_begins_with_a_star_must_hold_as_well(self) -> None:
        assert fires("0 0 */2 * FRI", "2026-11-01T00:00", 2) == [
            "2026-11-13T00:00+00:00",
            "2026-11-27T00:00+00:00",
        ]

    @pytest.mark.parametrize(
        ("expression", "fire"),
        [
            ("0 0 L * *", "2026-11-30T00:00+00:00"),
            ("0 0 LW 1 *", "2027-01-29T00:00+00:00"),
            ("0 0 * * 5L", "2026-11-27T00:00+00:00"),
            ("0 0 * * MON#2", "2026-11-09T00:00+00:00"),
        ],
    )
    def test_last_and_nth_days_are_understood(self, expression: str, fire: str) -> None:
        assert fires(expression, "2026-11-01T00:00", 1) == [fire]

    def test_a_leap_day_that_must_be_a_sunday_is_found_over_forty_years_away(self) -> None:
        # 2100 is no leap year, so that Sundays on February 29 are forty years apart.
        assert fires("0 0 29 2 */7", "2088-03-01T00:00", 1) == ["2128-02-29T00:00+00:00"]


class TestTimesThatDoNotExist:
    @pytest.mark.parametrize("expression", ["30 2 * * *", "*/20 2 * * *", "0,15,30 2 * * *"])
    def test_a_time_of_day_in_the_gap_runs_once_when_the_gap_ends(self, expression: str) -> None:
        after = "2026-03-29T00:30+01:00"

        assert fires(expression, after, 2, BERLIN)[0] == "2026-03-29T03:00+02:00"
        assert fires(expression, after, 2, BERLIN)[1].startswith("2026-03-30T02:")

    def test_a_time_in_the_gap_and_one_at_its_end_are_one_fire(self) -> None:
        assert fires("30 2,3 * * *", "2026-03-08T00:00-05:00", 3, NEW_YORK) == [
            "2026-03-08T03:00-04:00",
            "2026-03-08T03:30-04:00",
            "2026-03-09T02:30-04:00",
        ]
        assert fires("0 2,3 * * *", "2026-03-08T00:00-05:00", 2, NEW_YORK) == [
            "2026-03-08T03:00-04:00",
            "2026-03-09T02:00-04:00",
        ]

    def test_the_gap_may_be_half_an_hour(self) -> None:
        assert fires("15 2 * * *", "2026-10-04T00:00+10:30", 2, LORD_HOWE) == [
            "2026-10-04T02:30+11:00",
            "2026-10-05T02:15+11:00",
        ]

    def test_the_gap_may_be_a_whole_day(self) -> None:
        assert fires("0 12 * * *", "2011-12-29T12:00-10:00", 2, "Pacific/Apia") == [
            "2011-12-31T00:00+14:00",
            "2011-12-31T12:00+14:00",
        ]

    def test_midnight_in_the_gap_runs_when_the_gap_ends(self) -> None:
        assert fires("@daily", "2026-04-23T12:00+02:00", 2, "Africa/Cairo") == [
            "2026-04-24T01:00+03:00",
            "2026-04-25T00:00+03:00",
        ]

    def test_a_rhythm_goes_on_by_elapsed_time_over_the_gap(self) -> None:
        assert fires("*/30 * * * *", "2026-03-29T01:00+01:00", 3, BERLIN) == [
            "2026-03-29T01:30+01:00",
            "2026-03-29T03:00+02:00",
            "2026-03-29T03:30+02:00",
        ]

    def test_a_rhythm_keeps_its_minute_over_a_gap_of_half_an_hour(self) -> None:
        assert fires("45 * * * *", "2026-10-04T00:50+10:30", 3, LORD_HOWE) == [
            "2026-10-04T01:45+10:30",
            "2026-10-04T02:45+11:00",
            "2026-10-04T03:45+11:00",
        ]


class TestTimesThatComeTwice:
    def test_a_time_of_day_runs_the_first_time_only(self) -> None:
        assert fires("30 1 * * *", "2026-11-01T00:00-04:00", 2, NEW_YORK) == [
            "2026-11-01T01:30-04:00",
            "2026-11-02T01:30-05:00",
        ]
        assert fires("30 2 * * *", "2026-10-25T00:00+02:00", 2, BERLIN) == [
            "2026-10-25T02:30+02:00",
            "2026-10-26T02:30+01:00",
        ]

    def test_asked_in_the_repeated_hour_a_time_of_day_waits_for_the_next_day(self) -> None:
        between = "2026-10-25T02:10+01:00"

        assert fires("30 2 * * *", between, 1, BERLIN) == ["2026-10-26T02:30+01:00"]
        assert fires("*/20 2 * * *", between, 1, BERLIN) == ["2026-10-26T02:00+01:00"]

    def test_a_rhythm_runs_through_both_hours(self) -> None:
        assert fires("*/30 * * * *", "2026-10-25T01:30+02:00", 5, BERLIN) == [
            "2026-10-25T02:00+02:00",
            "2026-10-25T02:30+02:00",
            "2026-10-25T02:00+01:00",
            "2026-10-25T02:30+01:00",
            "2026-10-25T03:00+01:00",
        ]

    def test_all_hours_written_out_are_a_rhythm_as_well(self) -> None:
        assert fires("0 0-23 * * *", "2026-10-25T01:30+02:00", 3, BERLIN) == [
            "2026-10-25T02:00+02:00",
            "2026-10-25T02:00+01:00",
            "2026-10-25T03:00+01:00",
        ]

    def test_a_rhythm_repeats_only_the_half_hour_that_comes_twice(self) -> None:
        assert fires("*/15 * * * *", "2026-04-05T01:15+11:00", 5, LORD_HOWE) == [
            "2026-04-05T01:30+11:00",
            "2026-04-05T01:45+11:00",
            "2026-04-05T01:30+10:30",
            "2026-04-05T01:45+10:30",
            "2026-04-05T02:00+10:30",
        ]


class TestRefusals:
    def test_a_date_that_no_year_has_is_refused(self) -> None:
        assert "day-of-month" in refusal(b"0 0 30 2 *")

    def test_a_day_that_never_comes_is_refused(self) -> None:
        # The first of a month is never its fifth Monday.
        assert "'0 0 */31 * MON#5' never fires" in refusal(b"0 0 */31 * MON#5")

    @pytest.mark.parametrize(
        ("expression", "field"),
        [
            (b"60 * * * *", "minute"),
            (b"* 24 * * *", "hour"),
            (b"* * 0 * *", "day-of-month"),
            (b"* * * JANUARY *", "month"),
            (b"* * * * 8", "day-of-week"),
            (b"*/0 * * * *", "minute"),
            (b"\xff * * * *", "minute"),
            ("٣ * * * *".encode(), "minute"),
        ],
    )
    def test_a_bad_field_is_named_together_with_what_it_takes(
        self, expression: bytes, field: str
    ) -> None:
        message = refusal(expression)

        assert f"has a bad {field}: give " in message
        assert expression.decode("ascii", "backslashreplace") in message

    @pytest.mark.parametrize("expression", [b"", b"* * * *", b"0 * * * * *", b"@reboot"])
    def test_any_other_number_of_fields_is_refused(self, expression: bytes) -> None:
        assert re.search(r"has \d fields: give the five fields minute", refusal(expression))

    def test_an_expression_over_its_limit_is_refused_unread(self) -> None:
        longest = b"0," * ((EXPRESSION_BYTES_MAX - 9) // 2) + b"0 * * * *"
        assert len(longest) <= EXPRESSION_BYTES_MAX
        next_fire_ms(longest, b"UTC", 0, load_zone)

        assert "over the limit" in refusal(b"0," * 1_000_000 + b"0 * * * *")

    @pytest.mark.parametrize("zone", [b"", b"Mars/Base", b"../etc/passwd", b"a\x00b", b"\xff"])
    def test_an_unknown_zone_is_refused(self, zone: bytes) -> None:
        assert "unknown time zone" in refusal(b"@daily", zone)

    def test_the_end_of_the_calendar_is_no_fire(self) -> None:
        assert next_fire_ms(b"0 0 1 1 *", b"UTC", unix_ms("9999-06-01T00:00"), load_zone) is None
        assert next_fire_ms(b"* * * * *", b"UTC", 2**63, load_zone) is None


FIELD = st.text("0123456789*/,-L#WMONJA", min_size=1, max_size=6)


@given(st.lists(FIELD, min_size=5, max_size=5), st.integers(0, 4_102_444_800_000))
@settings(max_examples=300)
def test_any_text_is_refused_or_fires_later(parts: list[str], after_ms: int) -> None:
    try:
        fire_ms = next_fire_ms(" ".join(parts).encode(), BERLIN.encode(), after_ms, load_zone)
    except BadCron:
        return

    assert fire_ms is not None
    assert fire_ms > after_ms


MINUTES = st.sampled_from(["*", "0", "30", "*/7", "5,59", "15-20"])
HOURS = st.sampled_from(["*", "0-23", "0", "1", "2", "3", "*/2", "1-3", "22-23"])
NEAR_A_CHANGE = st.sampled_from(
    [
        (BERLIN, "2026-03-29T01:00"),
        (BERLIN, "2026-10-25T01:00"),
        (NEW_YORK, "2026-03-08T07:00"),
        (NEW_YORK, "2026-11-01T06:00"),
        (LORD_HOWE, "2026-04-04T15:00"),
        (LORD_HOWE, "2026-10-03T15:30"),
        ("Africa/Cairo", "2026-04-23T22:00"),
        ("America/Havana", "2026-11-01T05:00"),
        ("UTC", "2026-01-01T00:00"),
    ]
)


def admitted(minute: str, hour: str, local: datetime) -> bool:
    """Tell whether a wall-clock time matches, by counting out the two fields of the test."""

    def values(text: str, size: int) -> set[int]:
        found: set[int] = set()
        for part in text.split(","):
            span, _, step = part.partition("/")
            low, _, high = span.partition("-")
            first, last = (0, size - 1) if low == "*" else (int(low), int(high or low))
            found.update(range(first, last + 1, int(step or 1)))
        return found

    return local.minute in values(minute, 60) and local.hour in values(hour, 24)


def expected(minute: str, hour: str, zone: tzinfo, after: datetime) -> datetime:
    """Find the next fire by walking the minutes of the zone's clock, one after another."""
    rhythm = hour in ("*", "0-23")
    seen: set[datetime] = set()
    instant = after.replace(second=0, microsecond=0) - timedelta(days=1)
    last = instant.astimezone(zone).replace(tzinfo=None)
    while True:
        instant += timedelta(minutes=1)
        local = instant.astimezone(zone).replace(tzinfo=None)
        passed = [local]
        if not rhythm:
            # A gap: all the minutes that it leaves out fall due together at its end.
            minutes = int((local - last) / timedelta(minutes=1))
            passed = [last + timedelta(minutes=each + 1) for each in range(minutes)]
        due = any(each not in seen and admitted(minute, hour, each) for each in passed)
        if not rhythm:
            seen.update(passed)
            seen.add(local)
        last = local
        if due and instant > after:
            return instant


@given(NEAR_A_CHANGE, MINUTES, HOURS, st.integers(-4 * 3_600_000, 4 * 3_600_000))
@settings(max_examples=300)
def test_fires_near_a_clock_change_are_those_of_a_walk_through_the_minutes(
    change: tuple[str, str], minute: str, hour: str, offset_ms: int
) -> None:
    zone, instant = change
    after_ms = unix_ms(instant) + offset_ms

    found = next_fire_ms(f"{minute} {hour} * * *".encode(), zone.encode(), after_ms, load_zone)

    after = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=after_ms)
    walked = expected(minute, hour, load_zone(zone), after)
    assert found == int(walked.timestamp()) * 1000
    assert found % MINUTE_MS == 0
