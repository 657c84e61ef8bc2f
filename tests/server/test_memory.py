"""What the machine and its cgroups say of the limit, in trees that the test makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from respq.config import Settings
from respq.server.logs import open_log
from respq.server.memory import find_limit, fit_memory, machine_bytes

GIB = 1 << 30
NO_LIMIT_V1 = "9223372036854771712\n"


def machine(root: Path, cgroups: str, files: dict[str, str]) -> Path:
    """Make what a process sees of its cgroups."""
    for name, text in {"proc/self/cgroup": cgroups, **files}.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def test_the_limit_of_a_cgroup_is_found(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        "0::/system.slice/respq.service\n",
        {"sys/fs/cgroup/system.slice/respq.service/memory.max": f"{GIB}\n"},
    )

    assert find_limit(8 * GIB, root) == (GIB, "cgroup")


def test_in_a_container_it_stands_at_the_root(tmp_path: Path) -> None:
    root = machine(tmp_path, "0::/\n", {"sys/fs/cgroup/memory.max": f"{GIB}\n"})

    assert find_limit(8 * GIB, root) == (GIB, "cgroup")


def test_the_smallest_of_those_above_holds(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        "0::/a/b\n",
        {
            "sys/fs/cgroup/a/b/memory.max": "max\n",
            "sys/fs/cgroup/a/memory.max": f"{GIB}\n",
            "sys/fs/cgroup/memory.max": f"{2 * GIB}\n",
            "sys/fs/memory.max": "1\n",
        },
    )

    assert find_limit(8 * GIB, root) == (GIB, "cgroup")


def test_cgroups_of_version_1_are_asked_too(tmp_path: Path) -> None:
    cgroups = "9:cpu,cpuacct:/a\n4:memory:/docker/0123\n0::/a\n"
    root = machine(tmp_path, cgroups, {"sys/fs/cgroup/memory/memory.limit_in_bytes": f"{GIB}\n"})

    assert find_limit(8 * GIB, root) == (GIB, "cgroup")


@pytest.mark.parametrize(
    ("cgroups", "files"),
    [
        ("0::/\n", {"sys/fs/cgroup/memory.max": "max\n"}),
        ("0::/\n", {"sys/fs/cgroup/memory.max": f"{16 * GIB}\n"}),
        ("4:memory:/\n", {"sys/fs/cgroup/memory/memory.limit_in_bytes": NO_LIMIT_V1}),
        ("0::/gone\n", {}),
    ],
)
def test_without_a_smaller_one_it_is_the_machine(
    tmp_path: Path, cgroups: str, files: dict[str, str]
) -> None:
    assert find_limit(8 * GIB, machine(tmp_path, cgroups, files)) == (8 * GIB, "machine")


def test_where_nothing_is_known_there_is_no_limit(tmp_path: Path) -> None:
    assert find_limit(0, tmp_path) == (0, "nowhere")


def test_what_is_set_holds_and_otherwise_what_is_found() -> None:
    log = open_log("error", "text")

    assert fit_memory(Settings(maxmemory=5), log).maxmemory == 5
    assert 0 < fit_memory(Settings(), log).maxmemory <= machine_bytes()
