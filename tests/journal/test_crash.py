"""`kill -9` at whatever moment: what was answered is there, and nothing is half there."""

import random
from pathlib import Path

import pytest

from respq.journal.disk import DiskJournal
from respq.journal.tail import read_tail
from tests.journal.history import expect, read_all
from tests.journal.processes import kill, read_until, start_writer

ROUNDS = 6


@pytest.mark.parametrize("fsync", ["always", "everysec", "no"])
def test_every_append_that_returned_is_there_after_kill(tmp_path: Path, fsync: str) -> None:
    seed = random.randrange(2**32)
    chance, answered = random.Random(seed), 0
    # Small segments: many of the kills fall into the making and the sealing of one.
    options = ("--fsync", fsync, "--body-bytes", "3000", "--segment-bytes", "20000")

    for _ in range(ROUNDS):
        writer = start_writer(tmp_path, *options)
        assert read_until(writer, "open") == ["open"], "recovery had something to report"
        read_until(writer, str(answered + chance.randrange(1, 60)))
        said = kill(writer)
        tail = read_tail(str(tmp_path / "tail"))
        assert tail is not None
        answered = max([tail.position, *(int(line) for line in said if line.isdigit())])

        journal = DiskJournal(str(tmp_path), fsync=fsync, segment_bytes=20_000)
        found = read_all(journal)
        journal.close()

        assert found == expect(len(found), body_bytes=3_000), f"seed {seed}"
        assert answered <= len(found) <= answered + 1, f"seed {seed}"
        answered = len(found)
