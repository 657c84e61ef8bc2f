"""The player of transcripts: what it accepts, and that it invents nothing."""

from __future__ import annotations

import pytest

from tests.transcripts import NotATranscript, Replay, requests


def test_replies_are_written_anew_and_comments_stay() -> None:
    transcript = "-- nothing is there\nA> QLEN mail\n(integer) 7\nand this\n-- so it seems\n"

    replay = Replay(transcript)

    assert replay.text == "-- nothing is there\nA> QLEN mail\n(integer) 0\n-- so it seems\n"
    assert Replay(replay.text).text == replay.text


def test_a_server_of_one_transcript_knows_nothing_of_another() -> None:
    first = Replay("A> QPUSH mail hello\n")
    second = Replay("A> QLEN mail\n")

    assert first.replies == [("A", b"1700000000000-2")]
    assert second.replies == [("A", 0)]


def test_everything_happens_in_its_own_millisecond_however_long_time_passes() -> None:
    replay = Replay(
        "A> QSCHED ADD chores tidy up EVERY 1s\n~ 2500 ms pass\nA> QPEEK chores COUNT 9\n"
    )

    assert replay.replies[-1] == ("A", [[b"1700000001000-3", b"up"], [b"1700000002000-4", b"up"]])


def test_a_reply_in_resp2_holds_the_same_data() -> None:
    transcript = "A> QPUSH mail hello\nA> QUEUE GET mail\nA> QPOP letters\nA> QSHOW letters x\n"

    in_resp2, in_resp3 = Replay(transcript, 2), Replay(transcript, 3)

    assert in_resp2.replies == in_resp3.replies
    assert in_resp2.text != in_resp3.text


def test_the_next_client_is_another_connection_after_one_has_gone() -> None:
    replay = Replay("A> CLIENT ID\nA> QUIT\nA> CLIENT ID\nB> CLIENT ID\n~ crash\nB> CLIENT ID\n")

    assert [reply for _, reply in replay.replies] == [1, b"OK", 2, 3, 1]


@pytest.mark.parametrize(
    "transcript",
    [
        "~ 5 bananas pass",
        "~5 ms pass",
        "a> PING",
        "> PING",
        "~ until tomorrow",
        "~ until 2001-01-01 00:00 UTC",
        "~ Z disconnects",
        "A> PING\n~ respq serve --memory",
        "A> QPUSH mail 'hello",
        "A> QPOP mail BLOCK 0\nA> PING",
    ],
)
def test_a_line_without_a_meaning_is_refused(transcript: str) -> None:
    with pytest.raises(NotATranscript):
        Replay(transcript)


def test_requests_are_split_as_redis_cli_splits_them() -> None:
    transcript = 'A> QPUSH mail "a \\x00 b" \n(waits)\n~ crash\nB> PING\n'

    assert list(requests(transcript)) == [[b"QPUSH", b"mail", b"a \x00 b"], [b"PING"]]
