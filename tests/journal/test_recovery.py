from collections.abc import Iterator

import pytest

from respq.engine.batch import BatchHeader, decode_batch, encode_batch
from respq.engine.records import Trimmed
from respq.errors import JournalBroken, NewerJournal
from respq.journal.memory import MemoryJournal
from respq.journal.recovery import Chain, read_batches, read_records
from tests.journal.history import History, expect, read_all


class Rows:
    """A journal of given rows, which cuts what it is told was never answered for."""

    def __init__(self, rows: list[tuple[int, bytes]], unanswered: int = 0) -> None:
        self.rows = rows
        self.unanswered = unanswered

    def read(self, position: int) -> Iterator[tuple[int, bytes]]:
        yield from [row for row in self.rows if row[0] >= position]

    def cut(self, position: int) -> bool:
        if position == self.unanswered:
            self.rows.pop()
        return position == self.unanswered


def written(count: int) -> list[tuple[int, bytes]]:
    history = History()
    return [history.next()[:2] for _ in range(count)]


def flipped(blob: bytes, place: int = 90) -> bytes:
    return blob[:place] + bytes([blob[place] ^ 1]) + blob[place + 1 :]


def recover(journal: Rows, trimmed: Trimmed | None = None) -> tuple[list[int], list[str]]:
    reports: list[str] = []
    chain = Chain()
    positions = [header.position for header, *_ in read_batches(journal, reports.append, chain)]
    chain.check_begin(trimmed)
    return positions, reports


def broken_at(
    rows: list[tuple[int, bytes]],
    reason: str,
    unanswered: int = 0,
    trimmed: Trimmed | None = None,
) -> int:
    """Recover rows that must be refused; return where."""
    before = list(rows)
    with pytest.raises(JournalBroken, match=reason) as caught:
        recover(Rows(rows, unanswered), trimmed)
    assert rows == before
    return caught.value.position


def test_an_empty_journal_has_no_batches() -> None:
    assert recover(Rows([])) == ([], [])


def test_headers_and_bodies_come_back_in_order() -> None:
    journal = MemoryJournal()
    History().append_to(journal, 20)

    assert read_all(journal) == expect(20)


def test_each_batch_comes_with_the_checksum_that_the_next_must_name() -> None:
    journal, history = MemoryJournal(), History()
    history.append_to(journal, 3)

    *_, (_, _, checksum) = read_batches(journal, lambda report: None, Chain())

    assert checksum == history.checksum


def test_batches_before_the_damage_are_given_first() -> None:
    rows = written(5)
    rows[3] = (4, flipped(rows[3][1]))
    batches = read_batches(Rows(rows), lambda report: None, Chain())

    assert [next(batches)[0].position for _ in range(3)] == [1, 2, 3]
    with pytest.raises(JournalBroken):
        next(batches)


@pytest.mark.parametrize("place", [0, 9, 17, 30, 60, 79, 80, 179])
def test_a_flipped_byte_is_refused_with_its_position(place: int) -> None:
    rows = written(5)
    rows[2] = (3, flipped(rows[2][1], place))

    assert broken_at(rows, "checksum") == 3


def test_a_missing_batch_is_refused_with_its_position() -> None:
    rows = written(5)
    del rows[2]

    assert broken_at(rows, "it is missing, the next batch has position 4") == 3


def test_a_beginning_that_is_missing_is_refused() -> None:
    rows = written(5)[2:]

    assert broken_at(rows, "it is missing, the first batch has position 3") == 1
    assert broken_at(rows, "missing, the first batch has", trimmed=Trimmed(2, 0, 9)) == 2
    assert broken_at(rows, "does not follow", trimmed=Trimmed(3, 12345, 9)) == 3


def test_a_beginning_that_was_forgotten_on_purpose_is_not_missed() -> None:
    rows = written(5)
    _, _, checksum = decode_batch(rows[1][1], None)

    for trimmed in (Trimmed(3, checksum, 9), Trimmed(4, 12345, 9)):
        assert recover(Rows(rows[2:]), trimmed) == ([3, 4, 5], [])


def test_a_torn_first_batch_is_refused_wherever_it_lies() -> None:
    rows = written(5)[2:]
    rows[0] = (3, flipped(rows[0][1]))

    assert broken_at(rows, "checksum", trimmed=Trimmed(3, 0, 9)) == 3


def test_a_batch_that_comes_twice_is_refused() -> None:
    rows = written(5)
    rows.insert(3, rows[2])

    assert broken_at(rows, "here the batch of position 3 comes again") == 4


def test_a_batch_in_the_place_of_another_is_refused() -> None:
    rows = written(5)
    rows[2] = (3, rows[1][1])

    assert broken_at(rows, "follows a batch with checksum") == 3


def test_a_batch_written_for_another_position_is_refused() -> None:
    rows = written(2)
    checksum = encode_batch(History().header(1), History().body(1), 0)[1]
    rows[1] = (2, encode_batch(History().header(3), b"", checksum)[0])

    assert broken_at(rows, "the batch there was written for position 3") == 2


def test_a_changed_history_is_refused_where_it_was_joined() -> None:
    rows = written(5)
    rows[2] = (3, encode_batch(History().header(3), b"other records", 12345)[0])

    assert broken_at(rows, "follows a batch with checksum 00003039") == 3


def test_a_torn_last_batch_that_was_never_answered_is_cut_and_reported() -> None:
    rows = written(5)
    rows[4] = (5, rows[4][1][:-1])
    journal = Rows(rows, unanswered=5)

    positions, reports = recover(journal)

    assert positions == [1, 2, 3, 4]
    assert len(reports) == 1
    assert "cut the batch at position 5, never answered for" in reports[0]
    assert [position for position, _ in journal.rows] == [1, 2, 3, 4]


def test_a_torn_last_batch_that_may_be_answered_is_refused() -> None:
    rows = written(5)
    rows[4] = (5, rows[4][1][:-1])

    assert broken_at(rows, "checksum") == 5


def test_a_torn_batch_with_others_behind_it_is_never_cut() -> None:
    rows = written(5)
    rows[3] = (4, b"")

    assert broken_at(rows, "0 bytes are too few", unanswered=4) == 4


def test_a_whole_last_batch_that_follows_another_is_never_cut() -> None:
    rows = written(5)
    rows[4] = (5, encode_batch(History().header(5), b"", 12345)[0])

    assert broken_at(rows, "follows a batch", unanswered=5) == 5


def test_a_torn_only_batch_is_cut_as_any_last() -> None:
    assert recover(Rows([(1, b"torn")], unanswered=1))[0] == []


def epochs(*written_by: tuple[int, int]) -> list[tuple[int, bytes]]:
    """Make rows of ``(epoch, place of the batch it follows)``; the places count from 1."""
    checksums = {0: 0}
    rows = []
    for position, (epoch, follows) in enumerate(written_by, start=1):
        header = BatchHeader(1, position, epoch, 0, 1, 1, 1, 1)
        blob, checksums[position] = encode_batch(header, b"%d" % position, checksums[follows])
        rows.append((position, blob))
    return rows


def test_epochs_may_rise_and_skip() -> None:
    assert recover(Rows(epochs((1, 0), (1, 1), (2, 2), (5, 3)))) == ([1, 2, 3, 4], [])


def test_batches_of_a_fenced_writer_are_void_and_the_chain_goes_on_over_them() -> None:
    rows = epochs((1, 0), (1, 1), (2, 2), (1, 2), (1, 4), (2, 3))

    positions, reports = recover(Rows(rows))

    assert positions == [1, 2, 3, 6]
    assert len(reports) == 2
    assert "passed over the batch at position 4: its writer had been replaced" in reports[0]


def test_an_older_epoch_that_knows_the_newer_one_is_refused() -> None:
    assert (
        broken_at(epochs((1, 0), (2, 1), (1, 2)), "its writer has epoch 1, the one before 2") == 3
    )


def test_a_fork_within_an_epoch_is_refused() -> None:
    assert broken_at(epochs((2, 0), (2, 1), (2, 1)), "follows a batch") == 3


def test_a_newer_format_stops_the_start_without_calling_the_journal_broken() -> None:
    rows = written(2)
    rows[1] = (2, encode_batch(BatchHeader(2, 2, 1, 0, 1, 1, 1, 1), b"", 0)[0])

    with pytest.raises(NewerJournal, match="position 2 is of a newer respq: it has format 2"):
        recover(Rows(rows, unanswered=2))

    assert len(rows) == 2


def test_a_record_of_a_newer_version_stops_the_start_in_the_same_way() -> None:
    with pytest.raises(NewerJournal, match=r"position 7 is of a newer respq: .* cannot read") as it:
        read_records(7, b"\x92\x91\x91\x7f\x90")

    assert it.value.position == 7
