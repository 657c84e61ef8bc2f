"""QACK STRICT, and what it says of a receipt that is stale."""

from __future__ import annotations

from tests.harness import Harness


def pop(harness: Harness, options: str = "") -> str:
    receipt: bytes = harness.say(f"QPOP q{options}")[1]
    return receipt.decode()


def test_good_receipts_are_acknowledged(harness: Harness) -> None:
    harness.say("QMPUSH q 2 a b")
    one, two = pop(harness), pop(harness)

    assert harness.say(f"QACK q {one} {two} {one} STRICT") == 2


def test_one_that_is_stale_keeps_all_from_being_acknowledged(harness: Harness) -> None:
    harness.say("QMPUSH q 2 a b")
    one, two = pop(harness), pop(harness)
    harness.say(f"QACK q {two}")

    refusal = harness.refusal(f"QACK q {one} {two} STRICT")

    assert refusal == f"BADRECEIPT receipt '{two}' is stale: the job is gone"
    assert harness.say(f"QACK q {one} STRICT") == 1


def test_the_refusal_says_since_when(harness: Harness) -> None:
    harness.say("QPUSH q a ATTEMPTS 3")
    first = pop(harness, " LEASE 1s")
    harness.pass_ms(1_000)
    assert harness.refusal(f"QACK q {first} STRICT").endswith(
        "the job is ready since 1700000001000"
    )
    second = pop(harness)
    assert harness.refusal(f"QACK q {first} STRICT").endswith(
        "the job was delivered again at 1700000001000"
    )
    harness.say(f"QNACK q {second} DELAY 5s")
    assert harness.refusal(f"QACK q {second} STRICT").endswith(
        "the job is delayed since 1700000001000"
    )
    harness.pass_ms(5_000)
    harness.say(f"QNACK q {pop(harness)} FATAL")
    assert harness.refusal(f"QACK q {second} STRICT").endswith("dead since 1700000006000")
    assert harness.refusal(f"QACK r {second} STRICT").endswith("the job is gone")


def test_a_lease_that_has_just_ended_is_stale_though_no_tick_has_come(harness: Harness) -> None:
    harness.say("QPUSH q a")
    receipt = pop(harness, " LEASE 1s")
    now_ms = harness.now_ms + 1_000

    call = harness.default.session
    reply = harness.broker.execute(call, [b"QACK", b"q", receipt.encode(), b"STRICT"], now_ms)

    assert str(reply).endswith(f"is stale: its lease ended at {now_ms}")


def test_what_is_no_receipt_is_a_syntax_error(harness: Harness) -> None:
    assert harness.refusal("QACK q junk").startswith("ERR 'junk' is not a receipt")
    assert harness.refusal("QACK q junk STRICT") == "ERR syntax error near 'junk'"
    assert harness.refusal("QACK q 5:a junk") == "ERR syntax error near 'junk'"
    assert harness.refusal("QACK q STRICT").startswith("ERR 'STRICT' is not a receipt")
