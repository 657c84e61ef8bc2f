"""Two servers for a module, and a table of kills at the end of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.compat.frameworks.both import Both, servers

KILL = "kill"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """A respq and a Redis that nobody kills."""
    with servers(tmp_path_factory.mktemp("servers")) as both:
        yield both


@pytest.fixture
def show(record_property: Callable[[str, object], None]) -> Callable[[str, Both], None]:
    """Show at the end of the run what a kill has left of a framework."""

    def show(name: str, survivals: Both) -> None:
        for kind in ("respq", "redis"):
            each = getattr(survivals, kind)
            counts = f"{len(each.answered):4} answered, {len(each.lost):4} never done"
            record_property(KILL, f"{name:10} {kind:6} {counts}")

    return show


def pytest_terminal_summary(terminalreporter: Any) -> None:
    shown = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == KILL and report.when == "call"
    ]
    if shown:
        terminalreporter.section("jobs of frameworks after kill -9 of the server")
        for line in shown:
            terminalreporter.write_line(line)
