from __future__ import annotations

import pytest

from respq.config import QUEUED_COMMANDS_MAX, TRANSACTION_BYTES_MAX, Settings
from respq.engine.codec import transactions
from respq.errors import ExecAbort, RespqError, TooBig
from respq.resp.replies import NULL_ARRAY, OK, Simple
from tests.harness import WAITS, Client, Harness

QUEUED = Simple(b"QUEUED")


def begin(client: Client, *lines: str) -> None:
    """Begin a transaction of commands that can be queued."""
    assert client.say("MULTI") == OK
    for line in lines:
        assert client.say(line) == QUEUED


def committed(harness: Harness) -> list[list[str]]:
    """Return the names of the records of the last batch, by transaction."""
    return [[type(each).__name__ for each in one] for one in transactions(harness.journal[-1])]


def test_queued_commands_run_at_exec_and_not_before(harness: Harness) -> None:
    begin(harness.default, "QPUSH q a", "QLEN q", "QPOP q")
    assert harness.client().say("QLEN q") == 0

    replies = harness.say("EXEC")

    assert replies[1] == 1
    assert replies[2][2] == b"a"
    assert harness.say("QLEN q") == 0


def test_a_transaction_is_one_in_the_journal(harness: Harness) -> None:
    harness.say("QPUSH q a")
    receipt = harness.say("QPOP q")[1].decode()
    begin(harness.default, f"QACK q {receipt}", "QPUSH next b", "QPUSH next c")

    harness.say("EXEC")

    assert committed(harness) == [["JobsAcked", "QueueMade", "JobsPushed", "JobsPushed"]]


def test_a_transaction_of_one_record_needs_no_mark(harness: Harness) -> None:
    harness.say("QUEUE CREATE q")
    begin(harness.default, "QLEN q", "QPUSH q a")

    harness.say("EXEC")

    assert committed(harness) == [["JobsPushed"]]


def test_who_is_served_by_a_transaction_is_not_part_of_it(harness: Harness) -> None:
    client = harness.client()
    client.say("QPOP q BLOCK 0")
    harness.say("QUEUE CREATE q")
    begin(harness.default, "QPUSH q a", "QPUSH q b")

    harness.say("EXEC")

    assert committed(harness) == [["JobsPushed", "JobsPushed"], ["JobsLeased"]]


def test_several_records_of_one_command_are_one_transaction(harness: Harness) -> None:
    harness.say("QMPUSH q 2 a b IDMP me 1")

    assert committed(harness) == [["QueueMade", "JobsPushed", "AnswerKept"]]


def test_a_pipeline_is_no_transaction(harness: Harness) -> None:
    harness.say("QUEUE CREATE q")

    harness.default.pipeline("QPUSH q a", "QPUSH q b", "QPOP q", "QPOP q")

    assert committed(harness) == [["JobsPushed"], ["JobsLeased"]]


def test_a_discarded_transaction_leaves_nothing(harness: Harness) -> None:
    begin(harness.default, "QPUSH q a")

    assert harness.say("DISCARD") == OK

    assert harness.say("QUEUE EXISTS q") == 0
    assert isinstance(harness.say("EXEC"), RespqError)


def test_an_empty_transaction_has_no_replies(harness: Harness) -> None:
    begin(harness.default)

    assert harness.say("EXEC") == []


@pytest.mark.parametrize("line", ["BOGUS", "QPUSH q", "QUEUE BOGUS q", "QLEN q extra", "QUEUE"])
def test_a_command_that_cannot_be_queued_aborts_the_transaction(
    harness: Harness, line: str
) -> None:
    begin(harness.default, "QPUSH q a")
    assert isinstance(harness.say(line), RespqError)
    assert harness.say("QPUSH q b") == QUEUED

    reply = harness.say("EXEC")

    assert isinstance(reply, ExecAbort)
    assert str(reply) == "Transaction discarded because of previous errors."
    assert harness.say("QUEUE EXISTS q") == 0
    begin(harness.default, "QPUSH q a")
    assert len(harness.say("EXEC")) == 1


def test_a_refusal_within_a_transaction_leaves_the_others(harness: Harness) -> None:
    begin(
        harness.default,
        "QPUSH q a",
        "QPUSH q b PRIORITY high",
        "QPUSH q b BOGUS",
        "QUEUE CREATE q",
        "QPUSH q c",
    )

    replies = harness.say("EXEC")

    assert [isinstance(reply, RespqError) for reply in replies] == [False, True, True, True, False]
    assert harness.say("QLEN q") == 2


@pytest.mark.parametrize("line", ["LPOP l 1 2", "RPOP l 1 2", "PING a b"])
def test_words_beyond_what_may_be_left_out_are_refused_by_exec_alone(
    harness: Harness, line: str
) -> None:
    harness.say("MULTI")

    assert [str(harness.say(each)) for each in (line, "RPUSH l a")] == [str(QUEUED)] * 2
    refusal, length = harness.say("EXEC")
    assert str(refusal) == f"wrong number of arguments for '{line.split()[0].lower()}' command"
    assert length == 1


def test_nothing_blocks_in_a_transaction(harness: Harness) -> None:
    begin(harness.default, "QPOP q BLOCK 0", "QPOP q BLOCK 0 COUNT 2", "QMPOP 2 q r BLOCK 0")

    reply = harness.say("EXEC")

    assert reply == [NULL_ARRAY, [], NULL_ARRAY]
    assert harness.default.session.waiter is None
    assert harness.say("QPOP q BLOCK 0") is WAITS


def test_transactions_are_not_nested(harness: Harness) -> None:
    begin(harness.default, "QPUSH q a")

    assert str(harness.say("MULTI")) == "MULTI calls can not be nested"

    assert len(harness.say("EXEC")) == 1


@pytest.mark.parametrize("line", ["EXEC", "DISCARD"])
def test_there_is_nothing_to_end_without_a_beginning(harness: Harness, line: str) -> None:
    assert str(harness.say(line)) == f"{line} without MULTI"


def test_a_command_that_has_no_place_in_a_transaction_aborts_it(harness: Harness) -> None:
    begin(harness.default, "QPUSH q a")

    assert str(harness.say("SHUTDOWN")) == "Command not allowed inside a transaction"

    assert isinstance(harness.say("EXEC"), ExecAbort)
    assert not harness.broker.stop_wanted


def test_clients_queue_for_themselves(harness: Harness) -> None:
    other = harness.client()
    begin(harness.default, "QPUSH q a")

    assert other.say("QPUSH q b") is not None
    harness.say("EXEC")

    assert [payload for _, payload in other.say("QPEEK q COUNT 9")] == [b"b", b"a"]


def test_a_reset_forgets_the_transaction(harness: Harness) -> None:
    begin(harness.default, "QPUSH q a")

    harness.say("RESET")

    assert str(harness.say("EXEC")) == "EXEC without MULTI"


def test_too_many_commands_abort_the_transaction(harness: Harness) -> None:
    session, broker = harness.default.session, harness.broker
    harness.say("MULTI")
    for _ in range(QUEUED_COMMANDS_MAX):
        broker.execute(session, [b"QLEN", b"q"], harness.now_ms)

    assert isinstance(harness.say("QLEN q"), RespqError)

    assert isinstance(harness.say("EXEC"), ExecAbort)


def test_a_transaction_that_would_be_too_large_is_refused_whole() -> None:
    harness = Harness(Settings(payload_bytes_max=TRANSACTION_BYTES_MAX))
    payload = b"x" * (TRANSACTION_BYTES_MAX // 4)
    harness.say("MULTI")
    replies = [harness.default.ask(b"QPUSH", b"q", payload) for _ in range(4)]

    assert [isinstance(reply, TooBig) for reply in replies] == [False, False, False, True]
    assert isinstance(harness.say("EXEC"), ExecAbort)

    assert harness.say("QUEUE EXISTS q") == 0
    assert harness.journal == []


def test_an_unexpected_failure_in_a_transaction_spares_the_rest() -> None:
    harness = Harness()
    command = harness.broker.table.entries[b"QLEN"]
    command.handler = lambda *_: 1 // 0  # type: ignore[union-attr]
    begin(harness.default, "QPUSH q a", "QLEN q", "QPUSH q b")

    replies = harness.say("EXEC")

    assert str(replies[1]).startswith("internal error")
    assert [type(error) for error in harness.errors] == [ZeroDivisionError]
    assert len(harness.say("QPEEK q COUNT 9")) == 2


def test_what_is_kept_with_each_receipt_counts_for_each() -> None:
    harness = Harness()
    harness.say("MULTI")
    receipts = [b"%d:1-1" % number for number in range(9_000)]
    nack = [b"QNACK", b"q", *receipts, b"ERROR", b"e" * 4_000]
    assert harness.default.ask(*nack) == Simple(b"QUEUED")

    reply = harness.default.ask(*nack)

    assert isinstance(reply, TooBig)
    assert isinstance(harness.say("EXEC"), ExecAbort)
