"""Programs that tests run against and that pip cannot install.

Without them a test is skipped with a line that says so. In CI (``CI=true``) a missing one
is a failure: a suite that skips what it is for proves nothing.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parent.parent


def redis_server() -> str:
    """Return the path of the real ``redis-server``."""
    return _program("redis-server")


def redis_cli() -> str:
    """Return the path of the real ``redis-cli``."""
    return _program("redis-cli")


def openssl() -> str:
    """Return the path of ``openssl``."""
    return _program("openssl")


def strace() -> str:
    """Return the path of ``strace``."""
    return _program("strace")


def redis_py(major: int) -> Path:
    """Return a directory that holds one major version of redis-py, for PYTHONPATH."""
    directory = ROOT / ".venv-redis" / str(major)
    if not (directory / "redis" / "__init__.py").is_file():
        missing(f"redis-py {major} in {directory}")
    return directory


def redis_py_suite() -> Path:
    """Return a directory that holds the source of redis-py, its tests, and what they need."""
    directory = ROOT / ".venv-redis" / "suite"
    if not (directory / "packages" / "pytest_asyncio").is_dir():
        missing(f"the source of redis-py in {directory}")
    return directory


def framework(name: str) -> Path:
    """Return a directory that holds a job framework and what it needs, for PYTHONPATH."""
    directory = ROOT / ".venv-frameworks" / name
    if not (directory / name).is_dir():
        missing(f"{name} in {directory}")
    return directory


def missing(what: str) -> NoReturn:
    """Skip the test, or all of a module, for want of ``what``; in CI fail it."""
    reason = f"{what} is missing: `make test` as root on Debian installs it"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason, allow_module_level=True)


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        missing(name)
    return path
