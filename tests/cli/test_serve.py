from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from respq import __version__
from respq.cli.main import main
from respq.config import Settings
from respq.journal.disk import DiskJournal


def serve(*flags: str, **environ: str) -> Result:
    return CliRunner().invoke(main, ["serve", *flags], env=environ)


def test_every_setting_is_a_flag_with_its_sentence() -> None:
    shown = " ".join(serve("--help").output.split())

    for setting in fields(Settings):
        flag = "--" + setting.name.replace("_", "-")
        if isinstance(setting.default, bool):
            flag += " / --no-" + setting.name.replace("_", "-")
        assert f"{flag} " in shown
        assert setting.metadata["doc"] in shown


def test_help_shows_units_choices_and_defaults() -> None:
    shown = " ".join(serve("--help").output.split())

    assert "--port PORT port for RESP; 0 takes a free one [default: 6479]" in shown
    assert "--fsync always|everysec|no when a commit is on the disk [default: always]" in shown
    assert "--payload-bytes-max BYTES largest payload of a job [default: 16mb]" in shown
    assert "[default: no]" in shown


@pytest.mark.parametrize(
    ("flags", "environ", "line"),
    [
        (
            ["--host", "0.0.0.0"],
            {},
            "respq: listening on 0.0.0.0 without a password would open the server to everyone: "
            "set a password (RESPQ_PASSWORD) or pass --no-protected-mode",
        ),
        (["--port", "70000"], {}, "respq: port is a port from 0 to 65535, not 70000"),
        (
            ["--fsync", "maybe"],
            {},
            "respq: fsync is one of always, everysec, no, not 'maybe'",
        ),
        (
            [],
            {"RESPQ_MEMORY": "perhaps"},
            "respq: memory is yes or no, not 'perhaps'",
        ),
        (
            [],
            {"RESPQ_PROT": "1"},
            "respq: unknown environment variable 'RESPQ_PROT': did you mean 'RESPQ_PORT'?",
        ),
        (
            ["--config", "absent.toml"],
            {},
            "respq: cannot read the settings file absent.toml: No such file or directory",
        ),
    ],
)
def test_a_setting_that_cannot_be_used_is_one_line_and_status_2(
    flags: list[str], environ: dict[str, str], line: str
) -> None:
    result = serve(*flags, **environ)

    assert result.exit_code == 2
    assert result.stderr == line + "\n"
    assert result.stdout == ""


def test_flags_go_before_variables() -> None:
    exposed = {"RESPQ_HOST": "0.0.0.0", "RESPQ_PROTECTED_MODE": "no"}
    protected = {"RESPQ_HOST": "0.0.0.0", "RESPQ_PROTECTED_MODE": "yes"}
    # A contradiction that is looked for last shows that the earlier check was passed.
    last = ["--payload-bytes-max", "1gb"]

    assert "without a password" in serve("--protected-mode", *last, **exposed).stderr
    assert serve("--no-protected-mode", *last, **protected).stderr.startswith(
        "respq: payload_bytes_max 1073741824 is larger than query_buffer_bytes_max"
    )


def process(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environ = {key: value for key, value in os.environ.items() if not key.startswith("RESPQ_")}
    environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    return subprocess.run(
        [sys.executable, "-m", "respq", *words],
        capture_output=True,
        text=True,
        check=False,
        env=environ,
        cwd=cwd,
        timeout=60,
    )


def test_a_data_directory_that_is_held_is_one_line_and_status_1(tmp_path: Path) -> None:
    flags = ("--port", "0", "--no-http", "--data-dir", "data")

    with closing(DiskJournal(str(tmp_path / "data"), fsync="no", segment_bytes=2**26)):
        ended = process("serve", *flags, cwd=tmp_path)

    assert ended.returncode == 1, ended.stderr
    assert ended.stdout == ""
    assert re.fullmatch(r"respq: the data directory '.*' is held by .*\n", ended.stderr)


def test_a_port_that_is_taken_is_one_line_and_status_1(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = process("serve", "--port", port, "--no-http", "--memory", cwd=tmp_path)

    assert ended.returncode == 1, ended.stderr
    assert ended.stdout == ""
    assert re.fullmatch(rf"respq: .*{port}.*\n", ended.stderr)


def test_the_module_runs_as_the_command(tmp_path: Path) -> None:
    assert process("--version", cwd=tmp_path).stdout == f"respq {__version__}\n"
