from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respq.engine.jobs.job import READY, Job
from respq.engine.jobs.queue import CHUNK_BITS, SPARSE, Queue
from tests.harness import Harness


def walk(harness: Harness, words: str = "") -> list[bytes]:
    """Return the ids of a whole walk."""
    found: list[bytes] = []
    cursor = b"0"
    while True:
        cursor, ids = harness.say(f"QSCAN q {cursor.decode()} {words}")
        found += ids
        if cursor == b"0":
            return found


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 99])
def test_a_walk_finds_every_job_once_in_the_order_of_pushes(harness: Harness, count: int) -> None:
    ids = [harness.say(f"QPUSH q x PRIORITY {each % 3}") for each in range(7)]
    harness.say("QPUSH other x")
    harness.say("QPOP q COUNT 3")

    assert walk(harness, f"COUNT {count}") == ids


def test_a_walk_may_be_of_one_phase(harness: Harness) -> None:
    harness.say("QMPUSH q 3 a b c")
    held = harness.say("QPOP q")
    dead = harness.say("QPOP q")
    harness.say(f"QNACK q {dead[1].decode()} FATAL")
    delayed = harness.say("QPUSH q d DELAY 1h")

    assert walk(harness, "STATE leased") == [held[0]]
    assert walk(harness, "STATE DEAD COUNT 1") == [dead[0]]
    assert walk(harness, "STATE DELAYED") == [delayed]
    assert len(walk(harness, "STATE READY")) == 1


def test_what_stays_is_found_whatever_comes_and_goes_meanwhile(harness: Harness) -> None:
    ids = [harness.say(f"QPUSH q {each}") for each in range(6)]
    cursor, found = harness.say("QSCAN q 0 COUNT 2")
    harness.say(f"QDEL q {ids[1].decode()} {ids[3].decode()}")
    harness.say("QPUSH q new FRONT")
    harness.say("QPOP q COUNT 2")
    harness.crash()

    rest = harness.say(f"QSCAN q {cursor.decode()} COUNT 99")[1]

    assert found == ids[:2]
    assert rest[:3] == [ids[2], ids[4], ids[5]]
    assert len(rest) == 4


def test_a_queue_that_is_not_there_has_none(harness: Harness) -> None:
    assert harness.say("QSCAN nowhere 0") == [b"0", []]
    assert harness.say("QSCAN nowhere 18446744073709551615") == [b"0", []]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("-1", "ERR invalid cursor"),
        ("x", "ERR invalid cursor"),
        ("18446744073709551616", "ERR invalid cursor"),
        (
            "0 STATE gone",
            "ERR STATE is one of READY, DELAYED, LEASED, DEAD, DONE, BLOCKED, not 'gone'",
        ),
        ("0 COUNT 0", "ERR COUNT is from 1 to 10000, not 0"),
    ],
)
def test_what_cannot_be_read_is_named(harness: Harness, words: str, error: str) -> None:
    assert harness.refusal(f"QSCAN q {words}") == error


@given(
    st.lists(st.integers(1, 5 << CHUNK_BITS), unique=True, max_size=20),
    st.booleans(),
    st.integers(0, 5 << CHUNK_BITS),
)
def test_jobs_are_found_in_full_chunks_and_in_sparse_ones(
    numbers: list[int], dense: bool, start: int
) -> None:
    queue = Queue(1)
    wanted = (
        {*numbers, *range(1 << CHUNK_BITS, (1 << CHUNK_BITS) + SPARSE)} if dense else {*numbers}
    )
    for number in sorted(wanted, reverse=True):
        queue.keep(Job(queue, number, b"", 0, 0, 0, number, READY, 0, None))

    found = [job.number for job in queue.after(start)]

    assert found == sorted(number for number in wanted if number > start)
    queue.jobs.clear()
