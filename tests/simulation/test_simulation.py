"""Fixed seeds of the simulation, which must be fine, and that a seed is a run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from functools import cache

import pytest

from tests.simulation.clients import DATABASES
from tests.simulation.run import play
from tests.simulation.world import FAULTS, World, name_of

SEEDS = range(1, 11)
HOURS = 1.0


@cache
def played(seed: int) -> World:
    return play(seed, HOURS, check_every=4)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_law_holds_in_hours_of_traffic_and_faults(seed: int) -> None:
    world = played(seed)

    assert world.timeline.now_s > HOURS * 3_600
    assert world.laws.replies > 500, "the simulation did not do what it is there for"
    assert world.laws.messages > 500
    assert world.laws.comparisons > 5
    assert world.count["replays"] > 3


def test_each_fault_happens_in_them() -> None:
    total = sum((played(seed).count for seed in SEEDS), Counter[str]())

    assert {what for what in map(name_of, FAULTS) if not total[what]} == set()
    assert total["starts"] > 30
    assert total["commits that failed"] > 5
    assert total["lost replies"] > 50
    assert total["jobs relocated"] > 1_000
    assert total["replies while loading"] > 500
    assert total["ends while loading"] > 3
    assert {played(seed).settings.fsync for seed in SEEDS} == {"always", "everysec", "no"}


def test_every_database_and_both_protocols_are_used_in_them() -> None:
    pushed: Counter[int] = Counter()
    for seed in SEEDS:
        ledger = played(seed).laws.ledger
        pushed.update(ledger.dbs[entry.queue] for entry in ledger.jobs.values())
    greetings = [str(each.greeting) for seed in SEEDS for each in played(seed).actors]

    assert pushed.keys() == {*DATABASES}
    assert min(pushed.values()) > 1_000
    assert 0 < sum("HELLO 3" in each for each in greetings) < len(greetings)


def test_the_same_seed_is_the_same_run() -> None:
    runs = [play(7, 0.3) for _ in range(2)]
    other = play(8, 0.3)

    first, second = (run.digest.hexdigest() for run in runs)
    assert first == second != other.digest.hexdigest()
    assert runs[0].count == runs[1].count


def test_it_is_so_in_another_process_with_other_hashes() -> None:
    code = "from tests.simulation.run import play; print(play(7, 0.3).digest.hexdigest())"
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert len(digests) == 1
