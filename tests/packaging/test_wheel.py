from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

import respq
from tests.requirements import ROOT, missing

NOT_SOURCE = shutil.ignore_patterns(
    ".*", "build", "dist", "*.egg-info", "__pycache__", "respq-data"
)


def run(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    # Without variables of ours: what is tested is a stranger's machine.
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        words, capture_output=True, text=True, check=False, cwd=cwd, env=environ, timeout=110
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # A copy: a build writes into its source, and an earlier build's leftovers would get in.
    source = tmp_path_factory.mktemp("wheel") / "source"
    shutil.copytree(ROOT, source, ignore=NOT_SOURCE)
    pip: Sequence[str] = (sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation")
    built = run(*pip, "--wheel-dir", source.parent, source, cwd=source.parent)
    assert built.returncode == 0, built.stderr
    (found,) = source.parent.glob("*.whl")
    return found


def test_a_wheel_holds_the_typed_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    information = f"respq-{respq.__version__}.dist-info"
    assert {name.split("/")[0] for name in names} == {"respq", information}
    assert "respq/py.typed" in names
    assert f"{information}/licenses/LICENSE" in names


def test_a_wheel_holds_every_module(wheel: Path) -> None:
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".py")}

    assert packed == {str(each.relative_to(ROOT)) for each in (ROOT / "respq").rglob("*.py")}


def test_a_wheel_runs_from_a_bare_environment(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", tmp_path / "bare", cwd=tmp_path)
    python, command = tmp_path / "bare/bin/python", tmp_path / "bare/bin/respq"
    installed = run(python, "-m", "pip", "install", "--quiet", wheel, cwd=tmp_path)
    if re.search(r"NewConnectionError|timed out", installed.stderr):
        missing("a package index to install dependencies from")
    assert installed.returncode == 0, installed.stderr

    version = run(command, "--version", cwd=tmp_path)
    assert version.stdout == f"respq {respq.__version__}\n"
    # Help imports all of the command line and its dependencies.
    for words in (["--help"], ["serve", "--help"], ["journal", "--help"]):
        shown = run(command, *words, cwd=tmp_path)
        assert shown.returncode == 0, shown.stderr
    modules = "import respq.server.app, sys; sys.stdout.write(respq.__file__)"
    imported = run(python, "-c", modules, cwd=tmp_path)
    assert imported.stdout.startswith(str(tmp_path)), imported.stderr
