from contextlib import closing
from pathlib import Path

import pytest

from respq.errors import JournalBroken, JournalRefused
from respq.journal.gathering import ACKED, DEAD, PUSHED, Harvest, gather
from respq.journal.moment import Moment, NotHeld
from respq.journal.reader import ReadOnlyJournal
from respq.journal.segment import Segment
from tests.harness import START_MS
from tests.journal.processes import fingerprint
from tests.journal.recorded import Recorded

SEGMENT_BYTES = 600
BEGINNING, END = Moment(position=0), Moment()


def gathered(
    path: Path,
    which: str,
    begin: Moment = BEGINNING,
    end: Moment = END,
    queue: tuple[int, bytes] = (0, b"mail"),
) -> Harvest:
    before, reports = fingerprint(path), list[str]()
    with closing(ReadOnlyJournal(str(path))) as journal:
        harvest = gather(journal, begin, end, queue, which, reports.append)
    assert fingerprint(path) == before
    assert reports == []
    return harvest


def payloads(harvest: Harvest) -> list[bytes]:
    assert (harvest.gone, harvest.nameless) == (0, 0)
    return [job.payload for job in harvest.jobs]


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    """Leave a journal for a test to write into, and to close."""
    return Recorded(tmp_path, SEGMENT_BYTES)


def test_a_range_has_what_was_after_its_begin_and_up_to_its_end(
    recorded: Recorded, tmp_path: Path
) -> None:
    positions = {}
    for number in range(6):
        recorded.pass_ms(10)
        recorded.say(f"QPUSH mail {number}")
        positions[recorded.position] = b"%d" % number
    recorded.close()

    for begin in range(recorded.position):
        for end in range(begin + 1, recorded.position + 1):
            inside = [payload for at, payload in positions.items() if begin < at <= end]
            harvest = gathered(tmp_path, PUSHED, Moment(position=begin), Moment(position=end))
            assert payloads(harvest) == inside
            assert (harvest.first, harvest.last) == (begin, end)
    for begin_ms, end_ms in ((0, START_MS + 10), (START_MS + 10, START_MS + 39)):
        harvest = gathered(tmp_path, PUSHED, Moment(at_ms=begin_ms), Moment(at_ms=end_ms))
        times = {payload: recorded.times[at] for at, payload in positions.items()}
        assert payloads(harvest) == [
            payload for payload, at_ms in times.items() if begin_ms < at_ms <= end_ms
        ]


def test_whatever_pushes_a_job_it_was_pushed(recorded: Recorded, tmp_path: Path) -> None:
    recorded.say("QMPUSH mail 2 a b")
    recorded.say("QSCHED ADD mail nightly fired AT 1700000001000")
    recorded.pass_ms(1_000)
    recorded.say("QPUSH first x THEN mail follows")
    _, receipt, _ = recorded.say("QPOP first")
    recorded.say(f"QACK first {receipt.decode()}")
    recorded.say("QPUSH first y")
    _, receipt, _ = recorded.say("QPOP first")
    recorded.say(f"QMOVE first mail {receipt.decode()} PAYLOAD moved")
    recorded.say("QPUSH first redriven")
    _, receipt, _ = recorded.say("QPOP first")
    recorded.say(f"QNACK first {receipt.decode()} FATAL")
    recorded.say("QDLQ REDRIVE first TO mail")
    recorded.close()

    assert payloads(gathered(tmp_path, PUSHED)) == [
        *(b"a", b"b", b"fired", b"follows", b"moved", b"redriven")
    ]


def test_every_way_to_finish_a_job_is_an_ack_and_an_undone_pop_is_none(
    recorded: Recorded, tmp_path: Path
) -> None:
    recorded.say("QMPUSH mail 6 acked kept taken undone undone-then-taken leased")
    _, receipt, _ = recorded.say("QPOP mail")
    recorded.say(f"QACK mail {receipt.decode()}")
    recorded.say("QEDIT mail 1700000000000-3 PAYLOAD kept")
    recorded.say("QUEUE SET mail KEEP 1m")
    _, receipt, _ = recorded.say("QPOP mail")
    recorded.say(f"QACK mail {receipt.decode()} RESULT fine")
    recorded.say("QUEUE SET mail KEEP 0")
    recorded.say("QPOP mail NOACK")
    lost = recorded.client()
    lost.say("QPOP mail NOACK COUNT 2")
    taken = recorded.position
    recorded.undo(lost)
    recorded.say("QCANCEL mail 1700000000000-5")
    recorded.say("QPOP mail")
    recorded.close()

    harvest = gathered(tmp_path, ACKED, end=Moment(position=taken))
    assert payloads(harvest) == [b"acked", b"kept", b"taken", b"undone", b"undone-then-taken"]
    assert payloads(gathered(tmp_path, ACKED)) == [b"acked", b"kept", b"taken"]


def test_every_death_is_one_and_the_last_of_a_job_stands(
    recorded: Recorded, tmp_path: Path
) -> None:
    def fail(job_id: str, how: str) -> None:
        _, receipt, _ = recorded.say("QPOP mail")
        assert receipt.decode().endswith(job_id)
        recorded.say(f"QNACK mail {receipt.decode()} {how}")

    recorded.say("QPUSH mail 'dies twice' ID twice ATTEMPTS 1")
    recorded.say("QPUSH mail child DEPENDS 1 twice")
    fail("twice", "FAIL")
    recorded.say("QPUSH mail fatal ID fatal")
    fail("fatal", "FATAL")
    recorded.say("QPUSH mail expires TTL 1s")
    recorded.pass_ms(1_000)
    once = recorded.position
    recorded.say("QDLQ REDRIVE mail COUNT 1")
    recorded.pass_ms(10)
    fail("twice", "FATAL")
    recorded.close()

    before = gathered(tmp_path, DEAD, end=Moment(position=once))
    assert payloads(before) == [b"dies twice", b"child", b"fatal", b"expires"]
    harvest = gathered(tmp_path, DEAD)
    assert payloads(harvest) == [b"child", b"fatal", b"expires", b"dies twice"]
    assert harvest.jobs[-1].position == recorded.position
    assert harvest.jobs[-1].id == b"twice"


def test_a_job_is_what_it_was_when_it_happened(recorded: Recorded, tmp_path: Path) -> None:
    recorded.say("QPUSH mail first ID a PRIORITY 1 GROUP g")
    recorded.say("QEDIT mail a PAYLOAD second PRIORITY 2 META {}")
    recorded.say("QPOP mail NOACK")
    recorded.close()

    [pushed] = gathered(tmp_path, PUSHED).jobs
    [acked] = gathered(tmp_path, ACKED).jobs

    assert (pushed.payload, pushed.priority, pushed.id) == (b"first", 1, b"a")
    assert (acked.payload, acked.priority, acked.id) == (b"second", 2, b"a")
    assert pushed.options is not None
    assert acked.options is not None
    assert (pushed.options.group, pushed.options.labels) == (b"g", None)
    assert acked.options.group == b"g"
    assert acked.options.labels is not None


def test_a_queue_is_called_what_it_was_called_then(recorded: Recorded, tmp_path: Path) -> None:
    recorded.say("QPUSH mail a")
    recorded.say("QUEUE RENAME mail post")
    recorded.say("QPUSH post b")
    recorded.say("QPUSH mail c")
    recorded.say("QUEUE DROP mail")
    recorded.say("QPUSH mail d")
    recorded.say("SELECT 1")
    recorded.say("QPUSH mail e")
    recorded.close()

    assert payloads(gathered(tmp_path, PUSHED)) == [b"a", b"c", b"d"]
    assert payloads(gathered(tmp_path, PUSHED, queue=(0, b"post"))) == [b"b"]
    assert payloads(gathered(tmp_path, PUSHED, queue=(1, b"mail"))) == [b"e"]
    assert payloads(gathered(tmp_path, ACKED, queue=(1, b"mail"))) == []
    with pytest.raises(JournalRefused, match="there was no queue 'mail' in database 2"):
        gathered(tmp_path, PUSHED, queue=(2, b"mail"))


def test_a_range_that_cannot_be_told_is_refused(recorded: Recorded, tmp_path: Path) -> None:
    for number in range(3):
        recorded.pass_ms(10)
        recorded.say(f"QPUSH mail {number}")
    recorded.close()

    for begin, end in (
        (Moment(position=3), Moment(at_ms=START_MS + 10)),
        (Moment(at_ms=START_MS + 30), Moment(position=2)),
    ):
        with pytest.raises(JournalRefused, match="ends before it begins"):
            gathered(tmp_path, PUSHED, begin, end)
    for begin, end in ((Moment(position=4), END), (BEGINNING, Moment(position=4))):
        with pytest.raises(NotHeld, match="the journal ends at") as caught:
            gathered(tmp_path, PUSHED, begin, end)
        assert caught.value.position == 3
    assert payloads(gathered(tmp_path, PUSHED, Moment(position=3))) == []


def test_damage_behind_the_range_does_not_matter(recorded: Recorded, tmp_path: Path) -> None:
    for number in range(20):
        recorded.say(f"QPUSH mail job-{number:02}")
    recorded.close()
    second = sorted(tmp_path.glob("segment-*"))[1]
    segment = Segment(str(second))
    segment.find_range()
    (second / "cache.db").write_bytes(b"no database")

    harvest = gathered(tmp_path, PUSHED, end=Moment(position=segment.first - 2))
    assert len(harvest.jobs) == segment.first - 2
    with pytest.raises(JournalBroken):
        gathered(tmp_path, PUSHED, end=Moment(position=segment.first))


class TestCompacted:
    @pytest.fixture
    def compacted(self, recorded: Recorded) -> Recorded:
        """Leave a journal whose first twenty batches have been forgotten, as far as segments go."""
        recorded.say("QPUSH other x")
        recorded.say("QPUSH dropped x")
        for number in range(18):
            recorded.say(f"QPUSH mail job-{number:02}")
        recorded.say("QPUSH mail late")
        recorded.say("QPOP other NOACK")
        recorded.say("QPOP dropped NOACK")
        recorded.say("QUEUE DROP dropped")
        recorded.say("QPOP mail NOACK")
        _, receipt, _ = recorded.say("QPOP mail")
        recorded.say(f"QNACK mail {receipt.decode()} FATAL")
        recorded.forget(20)
        recorded.say("QPUSH mail later")
        recorded.say("QPOP mail NOACK")
        recorded.close()
        return recorded

    def begin(self, recorded: Recorded) -> Moment:
        """Return the first moment since which all is held."""
        (first, _) = next(iter(recorded.disk.read(1)))
        assert 1 < first <= 21
        return Moment(position=first - 1)

    def test_what_was_forgotten_of_a_range_is_not_passed_over(
        self, compacted: Recorded, tmp_path: Path
    ) -> None:
        begin = self.begin(compacted)
        assert begin.position is not None

        for early in (BEGINNING, Moment(position=begin.position - 1), Moment(at_ms=START_MS - 1)):
            with pytest.raises(NotHeld, match=f"begin behind position {begin.position}") as caught:
                gathered(tmp_path, PUSHED, early)
            assert caught.value.position == begin.position + 1

    def test_a_queue_that_says_its_name_only_later_is_known_by_it(
        self, compacted: Recorded, tmp_path: Path
    ) -> None:
        harvest = gathered(tmp_path, PUSHED, self.begin(compacted))

        assert payloads(harvest)[-2:] == [b"late", b"later"]
        upto = gathered(tmp_path, PUSHED, self.begin(compacted), Moment(position=21))
        assert payloads(upto)[-1] == b"late"

    def test_acked_jobs_whose_payloads_are_deleted_are_counted(
        self, compacted: Recorded, tmp_path: Path
    ) -> None:
        harvest = gathered(tmp_path, ACKED, self.begin(compacted))

        assert [job.payload for job in harvest.jobs] == [b"job-02"]
        assert harvest.gone == 1
        assert harvest.nameless == 1

    def test_a_dead_job_that_was_said_again_is_there(
        self, compacted: Recorded, tmp_path: Path
    ) -> None:
        assert payloads(gathered(tmp_path, DEAD, self.begin(compacted))) == [b"job-01"]
