from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import redis
from click.testing import CliRunner, Result

from respq.check.lines import Line
from respq.cli.main import main
from tests.check.recording import Recording
from tests.requirements import ROOT
from tests.server_process import ServerProcess


def run(*words: str | Path, **more: Any) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, words)], **more)


def lost_job() -> Recording:
    recording = Recording()
    recording.say("QPUSH mail hi", "1-1")
    recording.unanswered("QPOP mail")
    recording.gone("1-1")
    return recording


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Leave a history in which a job is lost."""
    path = tmp_path / "history.jsonl"
    path.write_bytes(b"".join(lost_job().raw()))
    return path


def test_a_history_without_a_finding_is_status_0(history: Path) -> None:
    history.write_bytes(b"".join(lost_job().raw()[:2]))

    result = run(history)

    assert result.exit_code == 0
    assert result.output == "2 requests, 1 answered, 1 job: no findings\n"


def test_each_finding_is_a_line_and_status_1(history: Path) -> None:
    result = run(history)

    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "lines 1 and 3: job mail/1-1 is lost: it was there, nobody ended it, and it is gone",
        "3 requests, 2 answered, 1 job: 1 finding",
    ]


def test_a_history_may_come_from_standard_input(history: Path) -> None:
    assert run("-", input=history.read_bytes()).exit_code == 1


def test_slack_and_skew_are_milliseconds(history: Path) -> None:
    assert run("--skew", "9", history).exit_code == 1
    assert run("--skew", "10", history).exit_code == 0
    assert run("--slack", "-1", history).exit_code == 2


def test_a_line_that_cannot_be_used_is_status_2_in_one_line(history: Path) -> None:
    history.write_bytes(history.read_bytes()[:-20])

    result = run(history)

    assert result.exit_code == 2
    assert re.fullmatch("Error: line 3: it is not a request in JSON: .*\n", result.output)


def test_a_file_that_cannot_be_read_is_status_2_in_one_line(tmp_path: Path) -> None:
    result = run(tmp_path / "none")

    assert result.exit_code == 2
    assert result.output == f"Error: cannot read {tmp_path / 'none'}: No such file or directory\n"


@pytest.mark.parametrize("lines", [b"", b"\n", b'{"down": 1}\n'])
def test_a_history_that_shows_nothing_is_status_2(history: Path, lines: bytes) -> None:
    history.write_bytes(lines)

    result = run(history)

    assert result.exit_code == 2
    assert result.output == f"Error: {history} holds no answered request: it shows nothing\n"


def page() -> str:
    return (ROOT / "docs" / "checking.md").read_text()


def test_the_example_of_the_page_is_what_it_says(tmp_path: Path) -> None:
    lines = re.findall(r'^    (\{"(?:client|down)".*\})$', page(), re.MULTILINE)
    path = tmp_path / "history.jsonl"
    path.write_text("\n".join(lines))

    result = run(path)

    assert len(lines) == 5
    assert (result.exit_code, result.output) == (
        0,
        "4 requests, 3 answered, 1 job: no findings\n",
    )


def test_every_name_of_a_line_is_in_the_table_of_the_page() -> None:
    named = re.findall(r"^\| `(\w+)` \|", page(), re.MULTILINE)

    assert sorted([*named, "down"]) == sorted(Line.__struct_fields__)


def test_the_recorder_of_the_page_writes_what_can_be_checked(tmp_path: Path) -> None:
    (recorder,) = re.findall(r"^```python\n(.*?)^```$", page(), re.MULTILINE | re.DOTALL)
    path = tmp_path / "history.jsonl"
    scope: dict[str, Any] = {"open": lambda *_: history}
    with path.open("a") as history, ServerProcess(tmp_path / "data") as server:
        exec(recorder, scope)
        client = scope["Recorded"](port=server.port, decode_responses=True, retry=None)
        job = client.execute_command("QPUSH", "mail", "hi")
        _, receipt, _ = client.execute_command("QPOP", "mail")
        client.execute_command("QACK", "mail", receipt)
        with pytest.raises(redis.ResponseError, match="NOJOB"):
            client.execute_command("QSHOW", "mail", job)
        server.kill()
        with pytest.raises(redis.ConnectionError):
            client.execute_command("QPUSH", "mail", "hi")
        client.close()

    result = run(path)

    last = json.loads(path.read_text().splitlines()[-1])
    assert last["command"] == ["QPUSH", "mail", "hi"]
    assert last["end"] is None
    assert (result.exit_code, result.output) == (
        0,
        "5 requests, 4 answered, 1 job: no findings\n",
    )
