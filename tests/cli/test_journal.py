from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from respq.cli.main import main
from respq.engine.batch import BatchHeader, encode_batch
from respq.engine.codec import encode_records
from respq.engine.records import EpochStarted, JobsAcked, Record
from respq.journal.disk import DiskJournal


def open_journal(path: Path) -> DiskJournal:
    return DiskJournal(str(path), fsync="no", segment_bytes=2**26)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Make a journal of three batches, and leave it as a server does that was stopped."""
    path = tmp_path / "data"
    checksum = 0
    with closing(open_journal(path)) as journal:
        for position in (1, 2, 3):
            records: list[Record] = [EpochStarted(1, 0, "0.1.0")]
            if position > 1:
                records = [
                    JobsAcked(queue=1, numbers=[position * 10]),
                    JobsAcked(queue=1, numbers=[7]),
                ]
            header = BatchHeader(1, position, 1, 1_000, 8, 9, 7, len(records))
            blob, checksum = encode_batch(header, encode_records(records, []), checksum)
            journal.append(position, blob, checksum)
    return path


def damage(data_dir: Path, position: int) -> None:
    (database,) = data_dir.glob("segment-*/cache.db")
    with closing(sqlite3.connect(database)) as connection, connection:
        ((blob,),) = connection.execute("SELECT value FROM Cache WHERE key = ?", (position,))
        broken = blob[:-1] + bytes([blob[-1] ^ 1])
        connection.execute("UPDATE Cache SET value = ? WHERE key = ?", (broken, position))


def contents(data_dir: Path) -> dict[str, bytes]:
    return {str(each): each.read_bytes() for each in data_dir.rglob("*") if each.is_file()}


def run(*words: str | Path, **environ: str) -> Result:
    return CliRunner().invoke(main, ["journal", *map(str, words)], env=environ)


class TestVerify:
    def test_a_whole_journal_is_status_0_and_stays_as_it_is(self, data_dir: Path) -> None:
        before = contents(data_dir)

        result = run("verify", "--data-dir", data_dir)

        assert result.exit_code == 0, result.output
        first, segment, tail, verdict = result.output.splitlines()
        assert first == f"journal in {data_dir}"
        assert segment.startswith("segment-00000001  positions 1 to 3  batches 3  bytes ")
        assert tail == "tail  position 3"
        assert verdict == "whole"
        assert contents(data_dir) == before

    def test_a_broken_journal_is_status_1_with_the_position(self, data_dir: Path) -> None:
        damage(data_dir, 2)

        result = run("verify", "--data-dir", data_dir)

        assert result.exit_code == 1
        assert "\n  broken at position 2: its checksum is " in result.output
        assert result.output.endswith("\nbroken: a server will not start on it\n")

    def test_a_journal_that_ends_before_its_tail_is_broken(self, data_dir: Path) -> None:
        (database,) = data_dir.glob("segment-*/cache.db")
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("DELETE FROM Cache WHERE key = 3")

        result = run("verify", "--data-dir", data_dir)

        assert result.exit_code == 1
        assert "tail  position 3\n  broken at position 3: " in result.output

    def test_the_journal_is_where_serve_would_have_it(self, data_dir: Path) -> None:
        result = run("verify", RESPQ_DATA_DIR=str(data_dir))

        assert result.output.startswith(f"journal in {data_dir}\n")


class TestDump:
    def test_every_batch_and_record_is_a_line(self, data_dir: Path) -> None:
        before = contents(data_dir)

        result = run("dump", "--data-dir", data_dir)

        assert result.exit_code == 0, result.output
        lines = result.output.splitlines()
        assert [each.split("  ")[0] for each in lines if each.startswith("batch")] == [
            "batch 1",
            "batch 2",
            "batch 3",
        ]
        assert lines[1] == "  EpochStarted  epoch 1  started_ms 0  respq_version 0.1.0"
        assert lines[-2:] == [
            "  JobsAcked  queue 1  numbers [30]",
            "  JobsAcked  queue 1  numbers [7]",
        ]
        assert contents(data_dir) == before

    def test_a_dump_can_begin_at_a_position_and_be_json(self, data_dir: Path) -> None:
        result = run("dump", "--data-dir", data_dir, "--json", "--from", "3")

        batch, record, _ = map(json.loads, result.output.splitlines())
        assert (batch["position"], batch["record_count"]) == (3, 2)
        assert record == {"position": 3, "record": "JobsAcked", "queue": 1, "numbers": [30]}

    def test_a_dump_shows_what_comes_before_damage_and_then_says_where_it_is(
        self, data_dir: Path
    ) -> None:
        damage(data_dir, 2)

        result = run("dump", "--data-dir", data_dir)

        assert result.exit_code == 1
        assert len(result.stdout.splitlines()) == 2
        assert result.stderr.startswith("Error: batch 2 cannot be read: its checksum is ")

    def test_positions_begin_at_1(self, data_dir: Path) -> None:
        result = run("dump", "--data-dir", data_dir, "--from", "0")

        assert result.exit_code == 2


class TestRepair:
    def test_a_whole_journal_is_status_0_and_stays_as_it_is(self, data_dir: Path) -> None:
        before = contents(data_dir)

        result = run("repair", "--data-dir", data_dir, "--yes")

        assert result.exit_code == 0, result.output
        assert result.output.splitlines() == [
            f"journal in {data_dir}",
            "kept  positions 1 to 3  batches 3  records 5  until 1970-01-01T00:00:01.000Z",
            "whole: there is nothing to repair",
        ]
        assert contents(data_dir) == before

    def test_without_yes_it_only_says_what_it_would_do(self, data_dir: Path) -> None:
        damage(data_dir, 2)
        before = contents(data_dir)

        result = run("repair", "--data-dir", data_dir)

        assert result.exit_code == 1
        where, damaged, tail, kept, dropped, times, kinds, verdict = result.output.splitlines()
        assert where == f"journal in {data_dir}"
        assert damaged.startswith("broken at position 2: its checksum is ")
        assert tail == "broken at position 2: what was answered for goes on to 3"
        assert kept == (
            "kept  positions 1 to 1  batches 1  records 1  until 1970-01-01T00:00:01.000Z"
        )
        assert dropped == "dropped  positions 2 to 3  batches 1  records 2  damaged batches 1"
        assert times == "  from 1970-01-01T00:00:01.000Z to 1970-01-01T00:00:01.000Z"
        assert kinds == "  JobsAcked 2"
        assert verdict == "nothing was changed: do it with --yes"
        assert contents(data_dir) == before

    def test_with_yes_the_journal_is_whole_afterwards(self, data_dir: Path) -> None:
        damage(data_dir, 2)

        result = run("repair", "--data-dir", data_dir, "--yes")

        assert result.exit_code == 0, result.output
        verdict = result.output.splitlines()[-1]
        assert verdict.startswith(f"repaired: what was there is kept in {data_dir}.before-repair-")
        assert run("verify", "--data-dir", data_dir).exit_code == 0
        assert run("verify", "--data-dir", verdict.split(" in ")[1]).exit_code == 1

    def test_what_is_nowhere_is_told(self, data_dir: Path) -> None:
        (database,) = data_dir.glob("segment-*/cache.db")
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("DELETE FROM Cache WHERE key = 3")

        result = run("repair", "--data-dir", data_dir)

        assert "\nlost  positions 3 to 3 were answered for, and are nowhere\n" in result.output

    def test_a_journal_without_a_beginning_is_refused_in_one_line(self, data_dir: Path) -> None:
        damage(data_dir, 1)

        result = run("repair", "--data-dir", data_dir, "--yes")

        assert result.exit_code == 1
        assert result.stderr.startswith("Error: nothing can be repaired: ")
        assert result.stderr.count("\n") == 1
        assert not list(data_dir.parent.glob("*repair*"))


@pytest.mark.parametrize("command", ["verify", "dump", "repair"])
class TestAll:
    def test_a_directory_that_a_server_holds_is_refused(self, data_dir: Path, command: str) -> None:
        with closing(open_journal(data_dir)):
            result = run(command, "--data-dir", data_dir)

        assert result.exit_code == 1
        assert result.stderr.startswith("Error: the data directory ")
        assert "is held by another process" in result.stderr

    @pytest.mark.parametrize("name", ["absent", "empty"])
    def test_a_directory_without_a_journal_is_refused(
        self, tmp_path: Path, name: str, command: str
    ) -> None:
        (tmp_path / "empty").mkdir()

        result = run(command, "--data-dir", tmp_path / name)

        assert result.exit_code == 1
        assert result.stderr.startswith("Error: ")
        assert result.stderr.count("\n") == 1
        assert not (tmp_path / "absent").exists()

    def test_a_setting_that_cannot_be_used_is_one_line(self, command: str) -> None:
        result = run(command, RESPQ_DATADIR="x")

        assert result.exit_code == 1
        assert "did you mean 'RESPQ_DATA_DIR'?" in result.stderr
        assert result.stderr.count("\n") == 1
