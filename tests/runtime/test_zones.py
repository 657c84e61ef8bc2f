from __future__ import annotations

from datetime import UTC, datetime

import pytest

from respq.runtime.zones import load_zone


def test_a_zone_knows_its_summer_time() -> None:
    berlin = load_zone("Europe/Berlin")

    assert datetime(2026, 7, 1, tzinfo=UTC).astimezone(berlin).hour == 2
    assert datetime(2026, 1, 1, tzinfo=UTC).astimezone(berlin).hour == 1


def test_a_zone_is_read_once() -> None:
    assert load_zone("Europe/Berlin") is load_zone("Europe/Berlin")


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "Mars/Base",
        "Europe",
        "../etc/passwd",
        "/etc/passwd",
        "Europe/../Europe/Berlin",
        "Europe/Berlin\x00",
        "\x00",
        "zone.tab",
        "tzdata.zi",
        "x" * 5_000,
        "\udcff",
        "ä/ö",
        "Europe/Berlin/",
    ],
)
def test_a_name_that_is_no_zone_is_a_key_error(name: str) -> None:
    with pytest.raises(KeyError):
        load_zone(name)
