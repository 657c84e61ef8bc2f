"""What a worker sees does not depend on the version, the kind or the protocol of its client."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.requirements import redis_py
from tests.server_process import ServerProcess

ID, RECEIPT = "<id>", "<fence>:<id>"
BINARY = "\x00\xff\r\n$5\r\n"
NO_OPTION = {"error": "syntax error near 'FOO'"}
IN_A_ROW = [
    *[ID] * 5,
    *[[ID, RECEIPT, "x"]] * 3,
    [[ID, RECEIPT, "x"]] * 2,
    None,
    NO_OPTION,
    0,
    0,
    0,
]
EXPECTED = [
    0,
    ID,
    "j1",
    [ID, ID, ID],
    NO_OPTION,
    5,
    [["j1", BINARY], [ID, "hello"]],
    ["j1", "<fence>:j1", BINARY],
    ["<time>"],
    1,
    0,
    [[ID, RECEIPT, "hello"], [ID, RECEIPT, "a"]],
    1,
    ["<time>"],
    ["q", [[ID, RECEIPT, "hello"], [ID, RECEIPT, "b"], [ID, RECEIPT, "c"]]],
    None,
    None,
    [],
    None,
    ID,
    [ID, RECEIPT, "later"],
    ID,
    [ID, None, "now"],
    {"q": {"ready": 0, "delayed": 1, "leased": 4, "pushed_total": 7, "popped_total": 8}},
    IN_A_ROW,
    IN_A_ROW,
    {
        "other": {"ready": 0, "delayed": 0, "leased": 10, "pushed_total": 10, "popped_total": 10},
        "q": {"ready": 0, "delayed": 1, "leased": 4, "pushed_total": 7, "popped_total": 8},
    },
    {"error": "'junk' is not a receipt: one looks like 41:1763-17"},
    2,
]
"""The replies to the story of hot_path.py; of QSTATS, what is looked at."""


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with ServerProcess(None) as server:
        yield server


def as_map(reply: Any, protocol: str) -> dict[str, Any]:
    """Return the pairs of a map, which is a flat array in RESP2."""
    if protocol == "RESP3":
        assert list(reply) == ["map"]
        return dict(reply["map"])
    return dict(zip(reply[::2], reply[1::2], strict=True))


def looked_at(reply: Any, expected: Any, protocol: str) -> Any:
    """Return a reply; of statistics only what is expected."""
    if not isinstance(expected, dict) or "error" in expected:
        return reply
    return {
        queue: {
            name: value
            for name, value in as_map(facts, protocol).items()
            if name in expected.get(queue, ())
        }
        for queue, facts in as_map(reply, protocol).items()
    }


@pytest.mark.parametrize("parser", ["hiredis", "no-hiredis"])
@pytest.mark.parametrize("major", [5, 6, 7, 8])
def test_the_hot_path_has_the_same_replies_in_every_client(
    server: ServerProcess, major: int, parser: str
) -> None:
    told = subprocess.run(
        [sys.executable, Path(__file__).with_name("hot_path.py"), str(server.port), parser],
        env={**os.environ, "PYTHONPATH": str(redis_py(major))},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )

    assert told.returncode == 0, told.stderr
    assert told.stderr == ""
    stories = json.loads(told.stdout)
    assert stories.pop("version").startswith(f"{major}.")
    assert len(stories) == 4
    for kind, replies in stories.items():
        protocol = kind.split()[1]
        found = [each[0] if how == "single" else each for how, each in replies]
        assert len(found) == len(EXPECTED)
        for reply, expected in zip(found, EXPECTED, strict=True):
            assert looked_at(reply, expected, protocol) == expected, kind
