from contextlib import closing
from pathlib import Path

import pytest

from respq.errors import JournalBroken
from respq.journal.moment import Moment, NotHeld, rebuild
from respq.journal.reader import ReadOnlyJournal
from respq.journal.segment import Segment
from tests.harness import START_MS, image
from tests.journal.processes import fingerprint
from tests.journal.recorded import Recorded

SEGMENT_BYTES = 600


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    """Leave a stopped journal of a busy minute."""
    recorded = Recorded(tmp_path, SEGMENT_BYTES)
    recorded.say("QUEUE CREATE fail ATTEMPTS 1")
    for number in range(6):
        recorded.pass_ms(10)
        recorded.say(f"QPUSH mail job-{number} DELAY {number}")
        recorded.say(f"QPUSH fail {number}")
        recorded.pass_ms(5)
        _, receipt, _ = recorded.say("QPOP fail")
        recorded.say(f"QNACK fail {receipt.decode()}")
        recorded.say("QPOP mail")
    recorded.say("QUEUE RENAME mail post")
    recorded.say("QUEUE PURGE fail")
    recorded.close()
    return recorded


def at(path: Path, moment: Moment) -> tuple[object, int]:
    before, reports = fingerprint(path), list[str]()
    with closing(ReadOnlyJournal(str(path))) as journal:
        state, replayed = rebuild(journal, moment, reports.append)
    assert fingerprint(path) == before
    assert reports == []
    return image(state)["queues"], replayed.next_position - 1


def test_every_position_gives_the_state_of_then(recorded: Recorded, tmp_path: Path) -> None:
    for position in range(1, recorded.position + 1):
        then = recorded.images[position]
        assert at(tmp_path, Moment(position=position)) == (then, position)


def test_a_time_gives_the_last_batch_of_its_millisecond_and_not_the_next(
    recorded: Recorded, tmp_path: Path
) -> None:
    for now_ms in {*recorded.times.values()}:
        last = max(each for each, at_ms in recorded.times.items() if at_ms == now_ms)
        assert at(tmp_path, Moment(at_ms=now_ms))[1] == last
        if now_ms > START_MS:
            before = max(each for each, at_ms in recorded.times.items() if at_ms < now_ms)
            assert at(tmp_path, Moment(at_ms=now_ms - 1))[1] == before


def test_without_a_time_it_is_the_end(recorded: Recorded, tmp_path: Path) -> None:
    end = recorded.images[recorded.position], recorded.position

    assert at(tmp_path, Moment()) == end
    assert at(tmp_path, Moment(at_ms=1 << 60)) == end


def test_a_position_behind_the_end_is_not_held(recorded: Recorded, tmp_path: Path) -> None:
    with pytest.raises(NotHeld, match="ends at") as caught:
        at(tmp_path, Moment(position=recorded.position + 1))

    assert caught.value.position == recorded.position
    assert caught.value.now_ms == recorded.times[recorded.position]


def test_a_time_before_the_beginning_is_not_held(recorded: Recorded, tmp_path: Path) -> None:
    with pytest.raises(NotHeld, match="begins later") as caught:
        at(tmp_path, Moment(at_ms=START_MS - 1))

    assert (caught.value.position, caught.value.now_ms) == (1, START_MS)
    assert recorded.position > 1


def test_damage_behind_the_moment_does_not_matter(recorded: Recorded, tmp_path: Path) -> None:
    numbers = sorted(each.name for each in tmp_path.glob("segment-*"))
    segment = Segment(str(tmp_path / numbers[1]))
    segment.find_range()
    first = segment.first
    (tmp_path / numbers[1] / "cache.db").write_bytes(b"no database")

    then = recorded.images[first - 2]
    assert at(tmp_path, Moment(position=first - 2)) == (then, first - 2)
    with pytest.raises(JournalBroken):
        at(tmp_path, Moment(position=first))


def test_what_compaction_has_forgotten_is_said_to_be_and_since_when(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path, SEGMENT_BYTES)
    for number in range(30):
        recorded.pass_ms(7)
        recorded.say(f"QPUSH mail job-{number:02}")
    recorded.forget(20)
    trimmed = recorded.position
    for number in range(5):
        recorded.pass_ms(7)
        recorded.say(f"QPUSH mail late-{number}")
    recorded.close()
    (first, _) = next(iter(recorded.disk.read(1)))
    assert 1 < first < trimmed

    for moment in (
        Moment(position=1),
        Moment(position=first),
        Moment(position=trimmed - 1),
        Moment(at_ms=recorded.times[trimmed] - 1),
    ):
        with pytest.raises(NotHeld, match="compaction has forgotten") as caught:
            at(tmp_path, moment)
        assert caught.value.position == trimmed
        assert caught.value.now_ms == recorded.times[trimmed]
    for position in range(trimmed, recorded.position + 1):
        then = recorded.images[position]
        assert at(tmp_path, Moment(position=position)) == (then, position)
