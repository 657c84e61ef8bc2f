"""Chooses among redis-py's own tests where they run, and writes down what came of each.

A plug-in for pytest. It is imported there as ``plugin``, and nothing else of ours is: redis-py's
tests are a package ``tests`` as well.
"""

from __future__ import annotations

import json
import os
import tracemalloc
from fnmatch import fnmatchcase
from itertools import filterfalse
from pathlib import Path

import pytest

DIRECTORY_VARIABLE = "RESPQ_REDIS_PY_SUITE"
"""Names the environment variable that says where the files below are."""
EXPECTED = "expected.json"
"""What is not to pass: ``{"fails": {pattern: reason}, "not_run": {pattern: reason}}``."""
OUTCOMES = "outcomes.json"
"""What came of it: ``[test, outcome, how it failed]``, and what each pattern means."""
_CLIENTS = {"r", "create_redis", "master_host", "redis_url", "connect_args", "request"}
"""The fixtures by which a test finds the server: without one it tests redis-py alone."""


class Suite:
    """One run of redis-py's tests."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._expected: dict[str, dict[str, str]] = json.loads((directory / EXPECTED).read_text())
        self._means: dict[str, list[str]] = {
            pattern: [] for patterns in self._expected.values() for pattern in patterns
        }
        self._outcomes: dict[str, tuple[str, str]] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        apart = [item for item in items if not _CLIENTS.intersection(_fixtures(item))]
        config.hook.pytest_deselected(items=apart)
        items[:] = [item for item in items if _CLIENTS.intersection(_fixtures(item))]
        for item in filterfalse(_is_skipped, items):
            for kind, patterns in self._expected.items():
                for pattern, reason in patterns.items():
                    if fnmatchcase(f"/{_bare(item.nodeid)}", f"*[/:]{pattern}"):
                        self._means[pattern].append(_bare(item.nodeid))
                        item.add_marker(pytest.mark.xfail(reason=reason, run=kind == "fails"))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        outcome: str = report.outcome
        if hasattr(report, "wasxfail"):
            outcome = "xpassed" if report.passed else "xfailed"
        elif report.when != "call" and report.passed:
            return  # Of what is before and behind a test only what goes wrong is told.
        if self._outcomes.get(report.nodeid, ("",))[0] != "failed":
            self._outcomes[report.nodeid] = (outcome, report.longreprtext)

    def pytest_sessionfinish(self) -> None:
        told = {
            "outcomes": [[test, *what] for test, what in self._outcomes.items()],
            "means": self._means,
        }
        (self._directory / OUTCOMES).write_text(json.dumps(told))


def _fixtures(item: pytest.Item) -> list[str]:
    return getattr(item, "fixturenames", [])


def _is_skipped(item: pytest.Item) -> bool:
    """Tell whether it is not for this server."""
    if item.get_closest_marker("skip"):
        return True
    return any(mark.args == (True,) for mark in item.iter_markers("skipif"))


def _bare(nodeid: str) -> str:
    return nodeid.partition("[")[0]


def pytest_configure(config: pytest.Config) -> None:
    directory = os.environ.get(DIRECTORY_VARIABLE)
    if directory is not None:
        config.pluginmanager.register(Suite(Path(directory)))
        # They trace every allocation, which takes half of the time, and look at none.
        tracemalloc.start = _trace_nothing


def _trace_nothing(frames: int = 1, /) -> None:
    pass
