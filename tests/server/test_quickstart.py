"""The first minute of somebody who has never heard of respq: `make serve`, and what it prints."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.requirements import ROOT, missing, redis_cli

INSTALLED = ROOT / ".venv" / ".installed"


@pytest.fixture
def banner(tmp_path: Path) -> Iterator[list[str]]:
    """What `make serve` prints until it is ready; it serves as long as the test runs."""
    if not INSTALLED.is_file():
        missing(f"an installation in {INSTALLED.parent}")
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RESPQ_", "MAKE", "MFLAGS"))
    }
    data_dir = tmp_path / "respq-data"
    make = subprocess.Popen(
        ["make", "serve", f"ARGS=--port 0 --http-port 0 --data-dir {data_dir}"],
        cwd=ROOT,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert make.stdout is not None
    lines: list[str] = []
    for line in make.stdout:
        lines.append(line.rstrip("\n"))
        if "QACK" in line:
            break
    try:
        yield lines
    finally:
        os.killpg(make.pid, signal.SIGKILL)
        make.wait()
        make.stdout.close()


def run(line: str) -> list[str]:
    """Run a line in a shell, as a person would who copies it."""
    assert line.split()[0] == "redis-cli"
    shell = subprocess.run(
        line.replace("redis-cli", shlex.quote(redis_cli()), 1),
        shell=True,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return shell.stdout.splitlines()


def test_the_lines_that_make_serve_prints_work_as_printed(
    banner: list[str], tmp_path: Path
) -> None:
    facts = dict(line.split(maxsplit=1) for line in banner if re.match(r"  \w+ ", line))
    push, pop, ack = (line.strip() for line in banner[banner.index("  try") + 1 :])

    assert re.fullmatch(r"127\.0\.0\.1:\d+", facts["address"])
    assert facts["data"] == str(tmp_path / "respq-data")
    assert facts["durability"] == "always: a reply is sent when the disk has it"

    [job] = run(push)
    popped, receipt, payload = run(pop)
    assert (popped, payload) == (job, "hello")
    assert ack.endswith("RECEIPT   # the second line that QPOP printed")
    [refusal, *_] = run(ack)
    assert "'RECEIPT' is not a receipt" in refusal
    assert run(ack.replace("RECEIPT", receipt)) == ["1"]
    assert run(pop) == [""]
