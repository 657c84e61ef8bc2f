"""redis-py's own tests, as they are, on a server of ours: both kinds of client, both protocols."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.compat.redis_py_suite import plugin
from tests.compat.redis_py_suite.left_out import FAILS, NOT_RUN
from tests.requirements import redis_py_suite
from tests.server_process import ServerProcess

RUN_S = 200.0
"""How long a run may take. It takes half a minute on a machine that has nothing else to do."""
AGAIN_MAX = 10
"""So many tests are run again when they have failed: many measure times, and the others disturb."""
TEST_S = 10
MODULES = {
    "sync": "commands pipeline lock scripting pubsub encoding connection connection_pool "
    "multiprocessing",
    "asyncio": "commands pipeline lock scripting pubsub encoding connection connection_pool "
    "usage_counter",
}
pytestmark = pytest.mark.timeout(3 * RUN_S)
FOLDERS = {"sync": "tests", "asyncio": "tests/test_asyncio"}
RUNS = [(kind, protocol) for kind in MODULES for protocol in (2, 3)]


@dataclass(frozen=True)
class Run:
    """What came of one run."""

    outcomes: Mapping[str, str]
    """By the id of the test: passed, failed, skipped, xfailed, xpassed."""
    failures: Mapping[str, str]
    """How they failed, by the id of the test."""
    means: Mapping[str, list[str]]
    """By pattern: the tests that it stands for, without parameters."""
    log: str


def run(kind: str, protocol: int, directory: Path, tests: Sequence[str] = ()) -> Run:
    """Run the tests of one kind of client, or some of them, on a server of their own."""
    directory.mkdir()
    expected = {"fails": patterns(FAILS), "not_run": patterns(NOT_RUN)}
    (directory / plugin.EXPECTED).write_text(json.dumps(expected))
    suite = redis_py_suite()
    options = [
        *("-p", "plugin", "-p", "pytest_asyncio.plugin", "-p", "pytest_timeout"),
        *("-p", "no:cacheprovider", "--quiet", "--tb=native", f"--timeout={TEST_S}"),
        *("-m", "not (onlycluster or redismod or ssl)", f"--protocol={protocol}"),
    ]
    tests = tests or [f"{FOLDERS[kind]}/test_{module}.py" for module in MODULES[kind].split()]
    python_path = os.pathsep.join([str(suite / "packages"), str(Path(plugin.__file__).parent)])
    with ServerProcess(None) as server:
        url = f"redis://127.0.0.1:{server.port}/0"
        told = subprocess.run(
            [sys.executable, "-m", "pytest", *options, f"--redis-url={url}", *tests],
            cwd=suite,
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")},
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                "PYTHONPATH": python_path,
                plugin.DIRECTORY_VARIABLE: str(directory),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=RUN_S,
        )
    log = told.stdout[-4_000:]
    assert told.returncode in (0, 1), log
    result = json.loads((directory / plugin.OUTCOMES).read_text())
    return Run(
        outcomes={test: outcome for test, outcome, _ in result["outcomes"]},
        failures={test: how for test, outcome, how in result["outcomes"] if outcome == "failed"},
        means=result["means"],
        log=log,
    )


def patterns(of: Mapping[str, str]) -> dict[str, str]:
    """Return the reason by pattern."""
    return {pattern: reason for reason, names in of.items() for pattern in names.split()}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[tuple[str, int], Run]:
    """All runs, side by side: much of the time they wait for a timeout to pass."""
    directory = tmp_path_factory.mktemp("suite")
    with ThreadPoolExecutor(len(RUNS)) as pool:
        begun = {each: pool.submit(run, *each, directory / f"{each[0]}-{each[1]}") for each in RUNS}
        first = {each: future.result() for each, future in begun.items()}
    return {
        each: replace(result, failures=again(*each, directory, result))
        for each, result in first.items()
    }


def again(kind: str, protocol: int, directory: Path, first: Run) -> Mapping[str, str]:
    """Return what fails again where nothing else runs."""
    if not 0 < len(first.failures) <= AGAIN_MAX:
        return first.failures
    return run(kind, protocol, directory / f"{kind}-{protocol}-again", [*first.failures]).failures


@pytest.mark.parametrize(("kind", "protocol"), RUNS)
def test_the_tests_of_redis_py_pass(
    runs: Mapping[tuple[str, int], Run], kind: str, protocol: int
) -> None:
    outcome = runs[kind, protocol]

    assert outcome.failures == {}, outcome.log
    assert list(outcome.outcomes.values()).count("passed") > 500


def test_no_test_that_is_left_out_would_pass(runs: Mapping[tuple[str, int], Run]) -> None:
    failing = {
        test.partition("[")[0]
        for run in runs.values()
        for test, outcome in run.outcomes.items()
        if outcome == "xfailed"
    }
    means = {
        pattern: {test for run in runs.values() for test in run.means[pattern]}
        for pattern in (*patterns(FAILS), *patterns(NOT_RUN))
    }

    assert [pattern for pattern, tests in means.items() if not tests] == []
    assert sorted({test for tests in means.values() for test in tests} - failing) == []
