"""respq and a real Redis, side by side.

The default run takes some seconds. For a long one::

    RESPQ_DIFFERENTIAL_EXAMPLES=5000 pytest tests/compat/test_differential.py
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.compat.differential import FAMILIES, Said, Step, first_difference, steps_of
from tests.compat.families import hashes, keys, sort, strings
from tests.compat.families.family import Family
from tests.handlers.real_redis import RealRedis

EXAMPLES = int(os.environ.get("RESPQ_DIFFERENTIAL_EXAMPLES", "30"))
UNHURRIED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRedis]:
    server = RealRedis(Path(tmp_path_factory.mktemp("redis")))
    yield server
    server.close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("protocol", [2, 3])
def test_random_commands_of_all_families_do_what_redis_does(
    redis: RealRedis, protocol: int
) -> None:
    @UNHURRIED
    @given(steps=steps_of())
    def try_them(steps: list[Step]) -> None:
        assert first_difference(steps, redis, protocol) == ""

    try_them()


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "family", FAMILIES[3:], ids=lambda family: next(iter(family.looks), "scripts")
)
def test_random_commands_of_one_family_do_what_redis_does(redis: RealRedis, family: Family) -> None:
    """They meet more often than among those of all."""

    @UNHURRIED
    @given(steps=steps_of((family, keys.TRANSACTIONS)))
    def try_them(steps: list[Step]) -> None:
        assert first_difference(steps, redis, 3) == ""

    try_them()


@pytest.mark.timeout(600)
def test_what_is_sorted_comes_as_it_comes_from_redis(redis: RealRedis) -> None:
    @UNHURRIED
    @given(steps=steps_of((sort.FAMILY, strings.FAMILY, hashes.FAMILY)))
    def try_them(steps: list[Step]) -> None:
        assert first_difference(steps, redis, 2) == ""

    try_them()


def test_a_difference_is_found(redis: RealRedis) -> None:
    steps: list[Step] = [Said(0, [b"SET", b"a", b"1", b"EX", b"5", b"EX", b"6"])]

    assert first_difference(steps, redis, 2).startswith("step 0")
