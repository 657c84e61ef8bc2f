from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respq.config import LABELLED_QUEUES_MAX, NAME_BYTES_MAX, SCRAPE_SLICE
from respq.engine.jobs.queue import TOTALS
from respq.http.queues import FOLDED_LABEL, QueueReader, Reading, queue_label
from tests.http.beside import Beside

BAD_NAMES = {
    b'quo"te': 'quo"te',
    b"back\\slash": r"back\\slash",
    b"\\n": r"\\n",
    b"line\nfeed\r": r"line\x0afeed\x0d",
    b"\x00\x1b\x7f": r"\x00\x1b\x7f",
    b"\xff\xfe": r"\xff\xfe",
    rb"\xff\xfe": r"\\xff\\xfe",
    b"{a=1} 2 # x": "{a=1} 2 # x",
    "Größe\u2028🦀".encode(): "Größe\u2028🦀",
    b"\xed\xa0\x80": r"\xed\xa0\x80",  # A surrogate: no UTF-8, whatever encoded it.
    b"~other": r"\x7eother",
    b" ": " ",
    b"q" * NAME_BYTES_MAX: "q" * NAME_BYTES_MAX,
}


def push_to(server: Beside, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        server.say(f"QPUSH q{number} x")


class Reader:
    """Reads the queues of a server again and again, without the text of them."""

    def __init__(self, server: Beside) -> None:
        self.server = server
        self.reader = QueueReader(server.core)

    def read(self) -> Reading:
        return self.server.run(self.reader.read())

    def folded(self, total: str) -> int:
        """Return a total of the folded queues of database 0."""
        [row] = (row for row in self.read().rows if (row.db, row.label) == (0, FOLDED_LABEL))
        return row.totals[TOTALS.index(total)]


@pytest.mark.parametrize(("name", "label"), BAD_NAMES.items())
def test_name_of_any_bytes_is_readable_text(name: bytes, label: str) -> None:
    assert queue_label(name) == label
    assert label.isprintable() or "\u2028" in label


@given(st.binary(min_size=1, max_size=8), st.binary(min_size=1, max_size=8))
def test_two_names_never_share_a_label(one: bytes, two: bytes) -> None:
    assert (queue_label(one) == queue_label(two)) is (one == two)


@given(st.binary(min_size=1, max_size=NAME_BYTES_MAX))
def test_every_label_is_utf8_without_control_characters(name: bytes) -> None:
    label = queue_label(name)

    assert label.encode().decode() == label
    assert not any(ord(character) < 32 or ord(character) == 127 for character in label)
    assert label != FOLDED_LABEL


def test_queues_with_bad_names_are_read_back_from_the_exposition(server: Beside) -> None:
    for name in BAD_NAMES:
        server.ask(b"QPUSH", name, b"x")

    metrics = server.metrics()

    assert metrics.labels("respq_jobs", "queue") == list(BAD_NAMES.values())
    for label in BAD_NAMES.values():
        assert metrics.value("respq_jobs_pushed_total", db="0", queue=label) == 1


def test_queues_of_one_name_in_two_databases_are_two(server: Beside) -> None:
    server.say("QPUSH mail a")
    server.say("SELECT 15")
    server.say("QPUSH mail b")
    server.say("QPUSH mail c")

    metrics = server.metrics()

    assert metrics.value("respq_jobs_pushed_total", db="0", queue="mail") == 1
    assert metrics.value("respq_jobs_pushed_total", db="15", queue="mail") == 2


def test_of_1500_queues_a_thousand_have_labels_and_the_rest_are_summed(server: Beside) -> None:
    server.say("QPUSH q1400 x")
    server.pass_ms(7_000)
    push_to(server, 1_500)

    metrics = server.metrics()

    labels = metrics.labels("respq_jobs", "queue")
    assert len(labels) == LABELLED_QUEUES_MAX + 1
    assert labels[0] == "q1400"
    assert labels[-2:] == ["q998", FOLDED_LABEL]
    assert metrics.value("respq_queues") == 1_500
    assert metrics.value("respq_queues_folded") == 500
    assert metrics.value("respq_jobs", db="0", queue=FOLDED_LABEL, phase="ready") == 500
    assert metrics.value("respq_jobs_pushed_total", db="0", queue=FOLDED_LABEL) == 500
    assert metrics.value("respq_jobs_pushed_total", db="0", queue="q1400") == 2
    pushed = [each for each in metrics.samples if each.name == "respq_jobs_pushed_total"]
    assert sum(each.value for each in pushed) == 1_501


def test_thousandth_queue_has_labels_and_the_next_has_not(server: Beside) -> None:
    reader = Reader(server)
    push_to(server, LABELLED_QUEUES_MAX)
    assert reader.read().rows[-1].label == f"q{LABELLED_QUEUES_MAX - 1}"

    push_to(server, 1, first=LABELLED_QUEUES_MAX)

    assert reader.read().rows[-1].label == FOLDED_LABEL


def test_folded_queues_are_summed_by_database_with_the_age_of_the_oldest(server: Beside) -> None:
    push_to(server, LABELLED_QUEUES_MAX)
    server.say("SELECT 3")
    server.say("QPUSH a x")
    server.pass_ms(1_000)
    server.say("QPUSH b x")
    server.say("SELECT 2")
    server.say("QPUSH c x DELAY 1000")
    server.say("QPUSH d x")
    server.pass_ms(500)

    folded = Reader(server).read().rows[LABELLED_QUEUES_MAX:]

    assert [(row.db, row.label) for row in folded] == [(2, FOLDED_LABEL), (3, FOLDED_LABEL)]
    assert [row.oldest_ms for row in folded] == [500, 1_500]
    assert [row.counts for row in folded] == [[1, 1, 0, 0, 0, 0], [2, 0, 0, 0, 0, 0]]


def test_counter_of_folded_queues_follows_what_they_do(server: Beside) -> None:
    reader = Reader(server)
    push_to(server, LABELLED_QUEUES_MAX + 2)
    assert (reader.folded("pushed"), reader.folded("acked")) == (2, 0)

    server.say("QPUSH q1001 y")
    server.say("QPOP q1000 NOACK")

    assert (reader.folded("pushed"), reader.folded("acked")) == (3, 1)


def test_counter_of_folded_queues_stays_when_one_of_them_vanishes(server: Beside) -> None:
    reader = Reader(server)
    push_to(server, LABELLED_QUEUES_MAX + 3)
    assert reader.folded("pushed") == 3

    server.say("QUEUE DROP q1002")
    server.say("QPUSH q1001 y")

    assert reader.folded("pushed") == 4
    assert reader.read().folded_count == 2
    assert reader.read().rows[-1].counts == [3, 0, 0, 0, 0, 0]


def test_counter_of_folded_queues_stays_when_one_of_them_gets_labels(server: Beside) -> None:
    reader = Reader(server)
    push_to(server, LABELLED_QUEUES_MAX + 2)
    assert reader.folded("pushed") == 2

    server.say("QUEUE DROP q7")
    server.say("QPUSH q1001 y")

    assert reader.folded("pushed") == 3
    assert reader.read().rows[-2].label == "q1000"


def test_counter_of_folded_queues_stays_when_all_of_them_vanish(server: Beside) -> None:
    reader = Reader(server)
    push_to(server, LABELLED_QUEUES_MAX + 1)
    assert reader.folded("pushed") == 1

    server.say("QUEUE DROP q1000")

    assert reader.folded("pushed") == 1
    assert reader.read().rows[-1].counts == [0, 0, 0, 0, 0, 0]


def test_queue_that_comes_back_is_counted_anew(server: Beside) -> None:
    reader = Reader(server)
    push_to(server, LABELLED_QUEUES_MAX + 1)
    assert reader.folded("pushed") == 1

    server.say("QUEUE DROP q1000")
    server.say("QPUSH q1000 x")

    assert reader.folded("pushed") == 2


def test_what_folded_queues_did_before_this_process_is_not_counted(server: Beside) -> None:
    push_to(server, LABELLED_QUEUES_MAX + 1)
    server.pass_ms(1)
    reader = Reader(server)

    assert reader.folded("pushed") == 0
    server.say("QPUSH q1000 y")
    assert reader.folded("pushed") == 1


def test_totals_of_vanished_queues_are_not_remembered(server: Beside) -> None:
    reader = Reader(server)
    push_to(server, LABELLED_QUEUES_MAX + 100)
    reader.read()
    assert reader.reader.folds.known_count == 100

    for number in range(100):
        server.say(f"QUEUE DROP q{LABELLED_QUEUES_MAX + number}")
    reader.read()

    assert reader.reader.folds.known_count == 0


def test_loop_turns_between_slices(server: Beside) -> None:
    push_to(server, 10 * SCRAPE_SLICE)
    turns = 0

    async def read() -> None:
        nonlocal turns
        reading = asyncio.create_task(QueueReader(server.core).read())
        while not reading.done():
            turns += 1
            await asyncio.sleep(0)

    server.run(read())

    assert turns >= 10


def test_queues_may_come_and_go_while_they_are_read(server: Beside) -> None:
    push_to(server, 5 * SCRAPE_SLICE)

    async def read() -> list[str]:
        reading = asyncio.create_task(QueueReader(server.core).read())
        await asyncio.sleep(0)
        for number in (0, SCRAPE_SLICE - 1, SCRAPE_SLICE, 3 * SCRAPE_SLICE):
            server.say(f"QUEUE DROP q{number}")
        server.say("QPUSH new x")
        return [row.label for row in (await reading).rows]

    labels = server.run(read())

    gone = {f"q{SCRAPE_SLICE}", f"q{3 * SCRAPE_SLICE}"}
    expected = [f"q{number}" for number in range(5 * SCRAPE_SLICE) if f"q{number}" not in gone]
    assert labels == [*expected, "new"]
