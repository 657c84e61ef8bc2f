from __future__ import annotations

from pathlib import Path

import pytest

from tests import requirements


def test_a_missing_program_skips_with_a_line_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("PATH", "")

    with pytest.raises(pytest.skip.Exception, match="redis-server is missing: `make test`"):
        requirements.redis_server()
    with pytest.raises(pytest.skip.Exception, match=r"redis-py 4 in .* is missing"):
        requirements.redis_py(4)
    with pytest.raises(pytest.skip.Exception, match=r"nobodys in .* is missing"):
        requirements.framework("nobodys")


def test_a_missing_suite_of_redis_py_skips_likewise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(requirements, "ROOT", tmp_path)

    with pytest.raises(pytest.skip.Exception, match=r"the source of redis-py in .* is missing"):
        requirements.redis_py_suite()


def test_in_ci_a_missing_program_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("PATH", "")

    with pytest.raises(pytest.fail.Exception, match="strace is missing"):
        requirements.strace()


def test_a_program_that_is_there_is_its_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    program = tmp_path_factory.mktemp("programs") / "redis-cli"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(program.parent))

    assert requirements.redis_cli() == str(program)
