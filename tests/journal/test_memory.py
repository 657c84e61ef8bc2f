from respq.journal.memory import MemoryJournal
from tests.journal.history import History


def test_trim_forgets_exactly_what_lies_before() -> None:
    journal = MemoryJournal()
    History().append_to(journal, 5)

    journal.trim(3)

    assert [position for position, _ in journal.read(1)] == [3, 4, 5]


def test_trim_beyond_the_end_leaves_the_next_position() -> None:
    journal, history = MemoryJournal(), History()
    history.append_to(journal, 5)

    journal.trim(100)
    history.append_to(journal, 1)

    assert [position for position, _ in journal.read(1)] == [6]


def test_size_is_that_of_the_blobs_kept() -> None:
    journal = MemoryJournal()
    journal.append(1, b"12345", 0)
    journal.append(2, b"123", 0)

    assert journal.size_bytes() == 8
    journal.trim(2)
    assert journal.size_bytes() == 3


def test_what_was_appended_is_still_there_after_close() -> None:
    journal = MemoryJournal()
    journal.append(1, b"blob", 0)

    journal.close()

    assert list(journal.read(1)) == [(1, b"blob")]


def test_no_batch_is_ever_cut() -> None:
    journal = MemoryJournal()
    journal.append(1, b"torn", 0)

    assert not journal.cut(1)
    assert list(journal.read(1)) == [(1, b"torn")]
