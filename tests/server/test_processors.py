"""What pins and cgroups leave of the processors, in trees that the test makes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from respq.server.processors import usable_processors
from tests.server.test_memory import machine

V1 = "sys/fs/cgroup/cpu"


def test_without_a_quota_it_is_those_that_the_process_may_run_on(tmp_path: Path) -> None:
    assert usable_processors(4, tmp_path) == 4
    assert usable_processors(root=tmp_path) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("cgroups", "files", "expected"),
    [
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "50000 100000\n"}, 0.5),
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "max 100000\n"}, 4),
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "900000 100000\n"}, 4),
        ("0::/a\n", {"sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        (
            "3:cpu,cpuacct:/a\n",
            {f"{V1}/a/cpu.cfs_quota_us": "200000\n", f"{V1}/a/cpu.cfs_period_us": "100000\n"},
            2,
        ),
        (
            "3:cpu,cpuacct:/\n",
            {f"{V1}/cpu.cfs_quota_us": "-1\n", f"{V1}/cpu.cfs_period_us": "100000\n"},
            4,
        ),
        ("3:cpu,cpuacct:/\n", {f"{V1}/cpu.cfs_quota_us": "200000\n"}, 4),
        ("0::/gone\n", {}, 4),
    ],
)
def test_the_smallest_quota_holds(
    tmp_path: Path, cgroups: str, files: dict[str, str], expected: float
) -> None:
    assert usable_processors(4, machine(tmp_path, cgroups, files)) == expected
