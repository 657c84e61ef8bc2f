"""What every journal does, whatever it is made of."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from respq.errors import CommitFailed
from respq.journal.disk import DiskJournal
from respq.journal.journal import Journal, PositionTaken
from respq.journal.memory import MemoryJournal
from tests.journal.history import History, expect, read_all


@pytest.fixture(params=["memory", "always", "everysec", "no"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    if request.param == "memory":
        yield MemoryJournal()
        return
    journal = DiskJournal(str(tmp_path / "data"), fsync=request.param, segment_bytes=1_000)
    yield journal
    journal.close()


def test_a_new_journal_is_empty(journal: Journal) -> None:
    assert list(journal.read(1)) == []


def test_batches_come_back_in_order(journal: Journal) -> None:
    History().append_to(journal, 30)

    assert read_all(journal) == expect(30)


def test_reading_begins_where_it_is_asked_to(journal: Journal) -> None:
    History().append_to(journal, 30)

    for position in (1, 2, 15, 29, 30, 31, 32):
        found = [each for each, _ in journal.read(position)]
        assert found == list(range(position, 31))


def test_an_empty_blob_and_a_large_one_come_back(journal: Journal) -> None:
    large = bytes(range(256)) * 8_192
    journal.append(1, b"", 0)
    journal.append(2, large, 0)

    assert list(journal.read(1)) == [(1, b""), (2, large)]


@pytest.mark.parametrize("position", [1, 17, 30])
def test_a_taken_position_is_refused_and_keeps_its_batch(journal: Journal, position: int) -> None:
    History().append_to(journal, 30)

    with pytest.raises(PositionTaken, match=f"position {position} already"):
        journal.append(position, b"another writer's", 0)

    assert read_all(journal) == expect(30)


def test_a_taken_position_stops_the_process_as_any_failed_commit() -> None:
    assert issubclass(PositionTaken, CommitFailed)


def test_a_gap_is_refused(journal: Journal) -> None:
    History().append_to(journal, 3)

    with pytest.raises(ValueError, match="batch 5 would leave a gap after 3"):
        journal.append(5, b"blob", 0)


def test_the_size_grows_with_what_is_appended(journal: Journal) -> None:
    before = journal.size_bytes()

    journal.append(1, bytes(100_000), 0)

    assert journal.size_bytes() >= before + 100_000


def test_trim_keeps_everything_from_its_position_on(journal: Journal) -> None:
    History().append_to(journal, 30)

    journal.trim(20)

    found = [position for position, _ in journal.read(1)]
    assert found == list(range(found[0], 31))
    assert 10 < found[0] <= 20


def test_appending_goes_on_after_a_trim_of_everything(journal: Journal) -> None:
    history = History()
    history.append_to(journal, 30)

    journal.trim(31)
    history.append_to(journal, 1)

    assert [position for position, _ in journal.read(31)] == [31]


def test_an_iterator_gives_what_was_there_while_others_append(journal: Journal) -> None:
    history = History()
    history.append_to(journal, 10)

    rows = journal.read(1)
    found = [next(rows)[0]]
    history.append_to(journal, 30)
    found += [position for position, _ in rows]

    assert found[:10] == list(range(1, 11))
    assert found == list(range(1, len(found) + 1))


def test_sync_and_a_second_close_are_harmless(journal: Journal) -> None:
    History().append_to(journal, 3)

    journal.sync()
    journal.sync()
    journal.close()
    journal.close()
