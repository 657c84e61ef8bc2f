"""A bit flips in any file of a data directory, also behind `kill -9`: it is found, or harmless.

Found is a start that is refused in a line that says where and what to do. Harmless is a journal
that gives back every batch as it was written, takes more, and gives back those.
"""

from __future__ import annotations

import random
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
import redis

from respq.errors import StartRefused
from respq.journal.disk import DiskJournal
from tests.crash.clients import connect
from tests.journal.history import History, expect, read_all
from tests.journal.processes import make_killed
from tests.server_process import ServerProcess

COUNT, MORE = 45, 12
SEGMENT_BYTES = 1_800
"""Ten batches."""
FLIPS = 12
"""In each file; in small ones every bit."""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that may lie in a data directory, as `kill -9` leaves it."""
    path = tmp_path_factory.mktemp("killed") / "data"
    options = ("--count", str(COUNT), "--segment-bytes", str(SEGMENT_BYTES), "--hold", "23")
    make_killed(path, *options)
    (path / "ballast").write_bytes(bytes(4_096))
    shutil.copytree(path / "segment-00000002", path / "segment-00000000.retired")
    shutil.copytree(path / "segment-00000002", path / "segment-00000007.new")
    return path


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a stopped server leaves: all batches are in the databases, the last has room."""
    path = tmp_path_factory.mktemp("closed") / "data"
    journal = DiskJournal(str(path), fsync="no", segment_bytes=SEGMENT_BYTES)
    History().append_to(journal, COUNT - 2)
    journal.close()
    return path


def bits(path: Path, chance: random.Random, most: int) -> list[int]:
    """Choose bits of a file: half of them anywhere, half where there is something."""
    content = path.read_bytes()
    if len(content) <= 64:
        return [*range(8 * len(content))]
    used = [place for place, byte in enumerate(content) if byte] or [0]
    places = [chance.choice(used) for _ in range(most // 2)]
    places += [chance.randrange(len(content)) for _ in range(most - len(places))]
    return [8 * place + chance.randrange(8) for place in places]


def damaged(whole: Path, name: str, bit: int, to: Path) -> Path:
    """Copy a data directory, with a bit of one of its files flipped."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(whole, to)
    content = bytearray((to / name).read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    (to / name).write_bytes(content)
    return to


def is_told(line: str) -> bool:
    """Whether a refusal says where, and what to do."""
    where = re.search(r"broken at position \d+: .|segment-\d+ cannot be opened: .", line)
    return where is not None and "`respq " in line


def is_served(path: Path, count: int) -> bool:
    """Whether a journal starts, and then has every batch and takes more; else it says why."""
    refused = ""
    try:
        journal = DiskJournal(str(path), fsync="no", segment_bytes=SEGMENT_BYTES)
        try:
            found = read_all(journal)
            assert found == expect(count)
            history = History()
            for _ in found:
                history.next()
            history.append_to(journal, MORE)
        finally:
            journal.close()
    except StartRefused as refusal:
        refused = str(refusal)
    if refused:
        assert is_told(refused), refused
        return False
    journal = DiskJournal(str(path), fsync="no", segment_bytes=SEGMENT_BYTES)
    assert read_all(journal) == expect(count + MORE)
    journal.close()
    return True


def served(whole: Path, names: list[str], count: int, to: Path) -> Counter[str]:
    """Return of how many flips in each file the journal was served all the same."""
    counts = Counter[str]()
    for name in names:
        chance = random.Random(name)
        for bit in bits(whole / name, chance, FLIPS):
            counts[name] += is_served(damaged(whole, name, bit, to), count)
    return counts


def files(path: Path) -> list[str]:
    """Return the names of all files with something in them."""
    found = (each for each in path.rglob("*") if each.is_file() and each.stat().st_size)
    return sorted(str(each.relative_to(path)) for each in found)


@pytest.mark.timeout(300)
def test_no_flipped_bit_of_what_a_kill_leaves_is_served_wrong(killed: Path, scratch: Path) -> None:
    names = files(killed)
    # The segments are: sealed, with a log that a reader has kept, written to, made ahead.
    for name in ("segment-00000003", "segment-00000005", "segment-00000006"):
        assert {f"{name}/cache.db{end}" for end in ("", "-wal", "-shm")} <= {*names}

    counts = served(killed, names, COUNT, scratch / "damaged")

    # What holds no batch, or only what SQLite computes from the log.
    harmless = [name for name in names if name.endswith(("-shm", ".retired/cache.db"))]
    assert len(harmless) >= 4
    assert all(counts[name] == FLIPS for name in [*harmless, "ballast"])
    assert counts["lock"] == 8 * (killed / "lock").stat().st_size
    # What is checked bit by bit.
    assert counts["tail"] == 0
    assert counts["segment-00000003/cache.db-wal"] == counts["segment-00000005/cache.db-wal"] == 0


@pytest.mark.timeout(300)
def test_no_flipped_bit_of_what_a_stop_leaves_is_served_wrong(closed: Path, scratch: Path) -> None:
    names = [f"segment-0000000{number}/cache.db" for number in (1, 4, 5)]

    counts = served(closed, names, COUNT - 2, scratch / "damaged")

    assert all(0 < counts[name] < FLIPS for name in names)


def jobs(client: redis.Redis) -> dict[str, str]:
    """Take every job, and return its payload."""
    taken = client.execute_command("QPOP", "q", "COUNT", 10_000, "NOACK")
    return {job: payload for job, _, payload in taken}


@pytest.mark.timeout(300)
def test_a_server_refuses_or_serves_what_a_kill_and_a_flipped_bit_leave(
    tmp_path: Path, scratch: Path
) -> None:
    flags = ("--segment-bytes", "256kb", "--ballast-bytes", "1mb")
    with ServerProcess(tmp_path / "whole", *flags) as server:
        client = connect(server.port)
        payloads = [f"{number:01000}" for number in range(700)]
        pushed = dict(
            zip(
                [client.execute_command("QPUSH", "q", each) for each in payloads],
                payloads,
                strict=True,
            )
        )
        client.close()
    names, chance = files(tmp_path / "whole"), random.Random(5)
    counts = Counter[bool]()

    for name in names:
        bit = chance.choice(bits(tmp_path / "whole" / name, chance, 8))
        path = damaged(tmp_path / "whole", name, bit, scratch / "damaged")
        server = ServerProcess(path, *flags)
        server.launch()
        assert server._ready.wait(60)
        is_refused = server.port == 0
        counts[is_refused] += 1
        if is_refused:
            assert server.wait() == 1
            assert len(server.log) == 1
            assert is_told(server.log[0]), server.log
            continue
        client = connect(server.port)
        assert jobs(client) == pushed, (name, bit)
        client.close()
        server.kill()

    assert min(counts.values()) >= 2
