"""What keeps a command from running: no password yet, a journal not read, a server that leaves."""

from __future__ import annotations

import pytest

from respq.config import Settings
from respq.engine.jobs.job import LEASED
from respq.errors import ExecAbort, Loading, NoAuth, RespqError, ShuttingDown
from respq.resp.replies import OK, Simple
from tests.harness import Harness

EVERY_KIND = ["QPUSH q x", "QPOP q BLOCK 0", "QLEN q", "QACK q 1:1-1", "QUEUE CREATE q", "KEYS *"]


@pytest.fixture
def locked() -> Harness:
    return Harness(Settings(password="secret"))


@pytest.mark.parametrize("line", [*EVERY_KIND, "PING", "MULTI", "COMMAND", "INFO"])
def test_nothing_runs_before_the_password(locked: Harness, line: str) -> None:
    reply = locked.say(line)

    assert isinstance(reply, NoAuth)
    assert str(reply) == "Authentication required."
    assert locked.journal == []


@pytest.mark.parametrize("line", ["AUTH secret", "AUTH default secret"])
def test_everything_runs_after_the_password(locked: Harness, line: str) -> None:
    assert locked.say(line) == OK

    assert locked.say("QPUSH q x")
    assert locked.say("QLEN q") == 1


@pytest.mark.parametrize("line", ["AUTH wrong", "AUTH nobody secret", "AUTH ''"])
def test_a_wrong_password_opens_nothing(locked: Harness, line: str) -> None:
    assert isinstance(locked.say(line), RespqError)

    assert isinstance(locked.say("QLEN q"), NoAuth)


def test_a_password_is_given_by_each_client_and_again_after_a_reset(locked: Harness) -> None:
    other = locked.client()
    locked.say("AUTH secret")
    assert isinstance(other.say("QLEN q"), NoAuth)

    locked.say("RESET")

    assert isinstance(locked.say("QLEN q"), NoAuth)


@pytest.mark.parametrize("line", [*EVERY_KIND, "PING", "ECHO x", "EXISTS q", "DBSIZE"])
def test_nothing_that_needs_the_state_runs_while_it_is_read(harness: Harness, line: str) -> None:
    harness.broker.loading = True

    assert isinstance(harness.say(line), Loading)
    assert harness.journal == []


@pytest.mark.parametrize(
    "line", ["HELLO 3", "SELECT 1", "CLIENT ID", "COMMAND COUNT", "TIME", "INFO", "RESET"]
)
def test_what_needs_no_state_runs_while_it_is_read(harness: Harness, line: str) -> None:
    harness.broker.loading = True

    assert not isinstance(harness.say(line), RespqError)


def test_a_transaction_with_a_command_that_had_to_wait_for_the_state_is_aborted(
    harness: Harness,
) -> None:
    harness.broker.loading = True
    assert harness.say("MULTI") == OK
    assert isinstance(harness.say("QPUSH q x"), Loading)
    harness.broker.loading = False

    assert isinstance(harness.say("EXEC"), ExecAbort)


@pytest.mark.parametrize("line", ["QPUSH q x", "QPOP q", "QPOP q BLOCK 0", "QUEUE CREATE r"])
def test_a_server_that_drains_takes_no_new_work(harness: Harness, line: str) -> None:
    harness.broker.drain()

    assert isinstance(harness.say(line), ShuttingDown)


def test_a_server_that_drains_takes_what_ends_the_old_work(harness: Harness) -> None:
    receipts = []
    for _ in range(3):
        harness.say("QPUSH q x")
        receipts.append(harness.say("QPOP q")[1].decode())
    harness.broker.drain()

    assert harness.say(f"QTOUCH q {receipts[0]}")[0] > 0
    assert harness.say(f"QACK q {receipts[0]}") == 1
    assert harness.say(f"QNACK q {receipts[1]}") == 1
    assert harness.say("PING") == Simple(b"PONG")
    assert harness.say("QLEN q") == 0
    for line in ("MULTI", f"QACK q {receipts[2]}"):
        harness.say(line)
    assert harness.say("EXEC") == [1]


def test_guards_hold_within_a_pipeline_too(harness: Harness) -> None:
    harness.say("QUEUE CREATE q")
    harness.broker.drain()

    replies = harness.default.pipeline("QPUSH q a", "QPUSH q b", "QPOP q", "QPOP q")

    assert all("SHUTDOWN" in str(reply) for reply in replies)
    assert harness.say("QLEN q") == 0


def test_the_first_guard_is_the_password(locked: Harness) -> None:
    locked.broker.loading = True
    locked.broker.draining = True

    assert isinstance(locked.say("QPUSH q x"), NoAuth)
    locked.say("AUTH secret")
    assert isinstance(locked.say("QPUSH q x"), Loading)
    locked.broker.loading = False
    assert isinstance(locked.say("QPUSH q x"), ShuttingDown)


def test_a_transaction_is_refused_whole_if_one_command_may_not_run_any_more(
    harness: Harness,
) -> None:
    harness.say("QPUSH q x")
    receipt = harness.say("QPOP q")[1].decode()
    for line in ("MULTI", f"QACK q {receipt}", "QPUSH next y"):
        harness.say(line)
    harness.broker.drain()

    # The ack without the push would be a job lost.
    assert isinstance(harness.say("EXEC"), ShuttingDown)

    assert harness.queue("q").counts[LEASED] == 1
    assert harness.say(f"QACK q {receipt}") == 1
