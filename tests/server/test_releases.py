"""A journal goes from one release to another and back; a newer format is refused by name."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import respq
from respq.engine.batch import BatchHeader, encode_batch
from respq.engine.codec import encode_records
from respq.journal.reader import ReadOnlyJournal
from respq.journal.segment import Segment
from respq.journal.tail import read_tail
from tests.crash.clients import connect
from tests.server_process import ServerProcess

LATER = "0.1.9"
"""A release of the same format; this one is earlier."""


def release(data_dir: Path, version: str) -> ServerProcess:
    """Return a server of this release, or of another."""
    other = (sys.executable, "-m", "tests.release", version)
    wrapper = () if version == respq.__version__ else other
    return ServerProcess(data_dir, "--segment-bytes", "64kb", wrapper=wrapper)


def command(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command of this release."""
    return subprocess.run(
        [sys.executable, "-m", "respq", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def writers(data_dir: Path) -> list[str]:
    """Return which release began to write, one after the other, as the documentation says."""
    dumped = command("journal", "dump", "--data-dir", data_dir, "--json")
    lines = [json.loads(line) for line in dumped.stdout.splitlines() if "EpochStarted" in line]
    return [line["respq_version"] for line in lines]


def rows(data_dir: Path) -> list[tuple[int, bytes]]:
    """Return all batches as they lie there."""
    with closing(ReadOnlyJournal(str(data_dir))) as journal:
        return [*journal.read(1)]


@pytest.mark.parametrize("order", [(respq.__version__, LATER), (LATER, respq.__version__)])
def test_releases_of_one_format_go_on_with_each_others_journal(
    tmp_path: Path, order: tuple[str, str]
) -> None:
    """Forth, back and forth again, once behind a kill and once behind a stop."""
    history = [*order, *order]
    waiting: dict[str, str] = {}
    receipt = ""
    for turn, version in enumerate(history):
        with release(tmp_path, version) as server:
            client = connect(server.port)
            say = client.execute_command
            assert client.info("server")["respq_version"] == version
            found = {job: say("QSHOW", "q", job) for job in waiting}
            if receipt:
                assert say("QACK", "held", receipt) == 1
            payloads = [f"{turn} {number:0500}" for number in range(60)]
            pushed = say("QMPUSH", "q", len(payloads), *payloads, "PRIORITY", turn)
            waiting |= dict(zip(pushed, payloads, strict=True))
            say("QPUSH", "held", "x")
            fence = int(receipt.partition(":")[0] or 0)
            _, receipt, _ = say("QPOP", "held", "LEASE", "1h")
            assert int(receipt.partition(":")[0]) > fence
            client.close()
            if turn % 2:
                server.kill()
            else:
                assert server.stop() == 0
        assert len(found) == 60 * turn
        assert None not in found.values()

    assert writers(tmp_path) == history
    assert command("journal", "verify", "--data-dir", tmp_path).returncode == 0
    with release(tmp_path, order[0]) as server:
        client = connect(server.port)
        taken = client.execute_command("QPOP", "q", "COUNT", 10_000)
        assert {job: payload for job, _, payload in taken} == waiting
        client.close()


@pytest.mark.parametrize(
    ("version", "body"),
    [(2, encode_records([], [])), (1, b"\x92\x91\x91\x7f\x90")],
    ids=["format", "record"],
)
def test_what_stays_refused_is_what_only_a_newer_one_can_read(
    tmp_path: Path, version: int, body: bytes
) -> None:
    data = tmp_path / "data"
    with release(data, LATER) as server:
        client = connect(server.port)
        client.execute_command("QPUSH", "q", "x")
        client.close()
        assert server.stop() == 0
    tail = read_tail(str(data / "tail"))
    assert tail is not None
    newest = Segment(str(data / "segment-00000001"))
    newest.find_range()
    newest.open("always")
    header = BatchHeader(version, tail.position + 1, 1, 0, 9, 9, 1, 1)
    newest.append(header.position, encode_batch(header, body, tail.checksum)[0])
    newest.close()
    before = rows(data)

    served = command("serve", "--data-dir", data, "--port", "0", "--no-http")
    verified = command("journal", "verify", "--data-dir", data)
    repaired = command("journal", "repair", "--data-dir", data, "--yes")
    copied = command("backup", tmp_path / "copy", "--data-dir", data)

    said = f"the batch at position {header.position} is of a newer respq: it h"
    assert served.returncode == 1
    assert served.stderr.startswith(f"respq: {said}")
    assert served.stderr.endswith("; start that one\n")
    assert served.stderr.count("\n") == 1
    assert verified.returncode == 1
    assert f"position {header.position}: it is of a newer respq: it h" in verified.stdout
    assert repaired.returncode == copied.returncode == 1
    assert "of a newer respq" in repaired.stderr
    assert said in copied.stderr
    assert rows(data) == before
