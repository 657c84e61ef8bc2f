"""The bench measures: it is tried for a moment, and none of its numbers is looked at.

What a rate is depends on the machine; that a row gets one, and that every reply was as it should
be, does not.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.requirements import ROOT, missing, redis_server

MOMENT = ("--rounds", "1", "--seconds", "0.1")


def bench(program: str, *arguments: str) -> str:
    """Run a program of bench/ with the Python that runs the tests; return what it printed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, ROOT / "bench" / program, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"PATH": path},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def lines(tmp_path: Path, rows: str, *arguments: str) -> list[dict[str, Any]]:
    kept = tmp_path / "run.json"
    bench("run.py", "--rows", rows, *MOMENT, *arguments, "--json", str(kept))
    document = json.loads(kept.read_text())
    assert document["complete"]
    found: list[dict[str, Any]] = document["lines"]
    return found


@pytest.fixture(autouse=True)
def needs_gcc() -> None:
    if shutil.which("gcc") is None:
        missing("gcc")


def test_every_row_is_listed_once() -> None:
    names = [line.split()[0] for line in bench("run.py", "--list").splitlines()]

    assert len(names) == len(set(names)) > 30
    assert {"memory-cycle", "fsync-cycle", "startup-10m", "cliff-growth"} <= set(names)
    assert {"compaction-cost", "backlog"} <= set(names)


@pytest.mark.parametrize(
    "row",
    [
        *("memory-cycle", "fsync-push", "everysec-cycle-vs-list", "latency-fsync-streams"),
        *("zpopmin-memory", "script-always"),
    ],
)
def test_a_row_sets_respq_beside_redis(tmp_path: Path, row: str) -> None:
    redis_server()

    for line in lines(tmp_path, row):
        # A rate that is not kept is no fault of the bench, on a machine that is busy.
        problem = line["problem"] or "in time"
        assert "jobs/s" in problem or "in time" in problem
        assert len(line["ours"]) == len(line["theirs"]) == 1
        assert line["ratio"] > 0


@pytest.mark.parametrize("row", ["cliff-priorities", "cliff-pipeline", "compaction-cost"])
def test_a_row_sets_respq_beside_itself(tmp_path: Path, row: str) -> None:
    for line in lines(tmp_path, row):
        assert line["problem"] is None
        assert len(line["ours"]) == 1


def test_an_interval_in_which_compaction_begins_or_ends_counts_for_neither(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    compaction = importlib.import_module("compaction")
    samples = [
        compaction.Sample(float(second), commands, is_running, passes)
        for second, (commands, is_running, passes) in enumerate(
            [
                (0, False, 1),
                (100, False, 1),  # between: 100
                (1_000, True, 2),
                (1_080, True, 2),  # during: 80
                (1_150, True, 3),  # during: 70
                (2_000, False, 3),
                (3_000, False, 4),  # one has come and gone
            ]
        )
    ]
    seen = compaction.Intervals()

    seen.add(samples)

    assert seen.rate(True) == 75
    assert seen.rate(False) == 100
    assert seen.share == 2 / 3


def test_payloads_of_a_backlog_are_let_go_and_read_back(tmp_path: Path) -> None:
    found = lines(tmp_path, "backlog", "--jobs", "200000")

    assert [line["problem"] for line in found] == [None] * 4
    assert [len(line["ours"]) for line in found] == [1] * 4
    [pushing, resident, ready, popping] = found
    assert pushing["unit"] == popping["unit"] == "jobs/s"
    assert "payloads were let go" in resident["notes"]["ours"]
    assert len(ready["theirs"]) == 1
    assert "read back for 20,000" in popping["notes"]["ours"]


def test_a_backlog_that_memory_holds_has_no_number(tmp_path: Path) -> None:
    found = lines(tmp_path, "backlog", "--jobs", "10000")

    assert {line["problem"] for line in found} == {"10,000 payloads fit into 360 MiB"}
    assert all(line["ours"] == [] for line in found)


def test_a_program_that_is_not_there_is_named_in_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("gcc", "git", "as", "ld"):
        found = shutil.which(name)
        if found is not None:
            (tools / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(tools))

    [single, pipelined] = lines(tmp_path, "memory-cycle-vs-beanstalkd")

    assert single["problem"] == "beanstalkd is missing: apt-get install beanstalkd"
    assert len(single["ours"]) == len(pipelined["ours"]) == 1
    assert single["theirs"] == []
