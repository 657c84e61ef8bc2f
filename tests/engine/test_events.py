"""What happens to jobs is told by name, to those who listen, and to nobody else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from respq.engine.jobs import purge
from tests.harness import Client, Harness


@pytest.fixture
def ear(harness: Harness) -> Client:
    """Hears all that happens in queues."""
    client = harness.client()
    client.say("PSUBSCRIBE q*")
    return client


def heard(ear: Client) -> list[tuple[str, str]]:
    """Return what was told since the last call: the event with its queue, and the payload."""
    messages = ear.messages()
    assert all(message[:2] == (b"pmessage", b"q*") for message in messages)
    return [(channel.decode(), payload.decode()) for _, _, channel, payload in messages]


def words(ear: Client) -> list[str]:
    """Return the names of the events that were told since the last call."""
    return [channel.rpartition(":")[2] for channel, _ in heard(ear)]


def test_a_push_a_pop_and_an_ack_are_told_with_the_id_of_the_job(
    harness: Harness, ear: Client
) -> None:
    job_id, receipt, _ = harness.say("QPUSH mail x ID a") and harness.say("QPOP mail")
    harness.say(f"QACK mail {receipt.decode()}")

    assert job_id == b"a"
    assert heard(ear) == [("q:mail:pushed", "a"), ("q:mail:leased", "a"), ("q:mail:acked", "a")]


def test_of_several_jobs_each_is_told_in_their_order(harness: Harness, ear: Client) -> None:
    ids = [each.decode() for each in harness.say("QMPUSH mail 3 x y z")]
    receipts = b" ".join(receipt for _, receipt, _ in harness.say("QPOP mail COUNT 3"))
    harness.say(f"QACK mail {receipts.decode()}")

    assert heard(ear) == [
        (f"q:mail:{word}", job_id) for word in ("pushed", "leased", "acked") for job_id in ids
    ]


def test_the_jobs_of_a_pipeline_are_told_one_by_one(harness: Harness, ear: Client) -> None:
    harness.say("QUEUE CREATE mail")
    ids = [each.decode() for each in harness.default.pipeline(*[f"QPUSH mail {n}" for n in "abc"])]

    assert heard(ear) == [("q:mail:pushed", job_id) for job_id in ids]


def test_other_databases_have_channels_of_their_own(harness: Harness, ear: Client) -> None:
    harness.say("SELECT 5")
    harness.say("QPUSH mail x ID a")

    assert heard(ear) == [("q@5:mail:pushed", "a")]


def test_a_delay_that_ends_is_told_at_its_millisecond(harness: Harness, ear: Client) -> None:
    harness.say("QPUSH mail x DELAY 1s")
    assert words(ear) == ["pushed"]

    harness.pass_ms(999)
    assert words(ear) == []
    harness.pass_ms(1)
    assert words(ear) == ["ready"]


def test_a_lease_that_ends_is_told_at_its_millisecond(harness: Harness, ear: Client) -> None:
    harness.say("QPUSH mail x")
    harness.say("QPOP mail LEASE 1s")
    assert words(ear) == ["pushed", "leased"]

    harness.pass_ms(999)
    assert words(ear) == []
    harness.pass_ms(1)
    assert words(ear) == ["expired"]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("QNACK mail {}", ["nacked"]),
        ("QNACK mail {} SILENT", ["nacked"]),
        ("QNACK mail {} FATAL", ["dead"]),
        ("QTOUCH mail {}", []),
        ("QMOVE mail other {}", ["pushed", "acked"]),
        ("QCANCEL mail a", ["cancelled"]),
        ("QDEL mail a", ["deleted"]),
        ("QUEUE PURGE mail", ["purged"]),
        ("QUEUE DROP mail", []),
    ],
)
def test_what_is_done_to_a_leased_job_is_told(
    harness: Harness, ear: Client, how: str, expected: list[str]
) -> None:
    harness.say("QPUSH mail x ID a")
    receipt = harness.say("QPOP mail")[1].decode()
    assert words(ear) == ["pushed", "leased"]

    harness.say(how.format(receipt))

    assert words(ear) == expected


@pytest.mark.parametrize(
    "end",
    [
        lambda harness, receipt: harness.say(f"QACK mail {receipt}"),
        lambda harness, receipt: harness.say(f"QNACK mail {receipt}"),
        lambda harness, _: harness.pass_ms(30_000),
        lambda harness, _: harness.undo(harness.default),
    ],
    ids=["acked", "nacked", "lease over", "undone"],
)
def test_a_held_job_that_is_cancelled_says_so_once(
    harness: Harness, ear: Client, end: Callable[[Harness, str], object]
) -> None:
    harness.say("QPUSH mail x ID a")
    receipt = harness.say("QPOP mail")[1].decode()
    harness.client().say("QCANCEL mail a")
    assert words(ear) == ["pushed", "leased", "cancelled"]

    end(harness, receipt)

    assert harness.phase("mail", b"a") == "gone"
    assert words(ear) == []


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("QCANCEL mail a", ["cancelled"]),
        ("QEDIT mail a PRIORITY 3", ["edited"]),
        ("QPOP mail NOACK", ["acked"]),
        ("QPUSH mail y DEDUP k ON REPLACE", ["replaced", "pushed"]),
        ("QPUSH mail y DEDUP k", []),
        ("QUEUE SET mail MAXLEN 1", []),
        ("QUEUE RENAME mail post", []),
    ],
)
def test_what_is_done_to_a_ready_job_is_told(
    harness: Harness, ear: Client, how: str, expected: list[str]
) -> None:
    harness.say("QPUSH mail x ID a DEDUP k")
    assert words(ear) == ["pushed"]

    harness.say(how)

    assert words(ear) == expected


def test_a_job_that_makes_room_is_told_before_the_one_that_needs_it(
    harness: Harness, ear: Client
) -> None:
    harness.say("QUEUE CREATE mail MAXLEN 1 OVERFLOW DROPOLDEST")
    harness.say("QPUSH mail x ID a")
    harness.say("QPUSH mail y ID b")

    assert heard(ear) == [("q:mail:pushed", "a"), ("q:mail:evicted", "a"), ("q:mail:pushed", "b")]


def test_a_delayed_job_that_is_kicked_is_ready(harness: Harness, ear: Client) -> None:
    harness.say("QPUSH mail x DELAY 1h")
    harness.say("QKICK mail")

    assert words(ear) == ["pushed", "ready"]


def test_a_dead_letter_is_told_when_it_dies_is_redriven_and_is_forgotten(
    harness: Harness, ear: Client
) -> None:
    harness.say("QUEUE CREATE mail ATTEMPTS 1 KEEPDEAD 1h")
    harness.say("QPUSH mail x ID a")
    harness.say("QPOP mail LEASE 1s")
    harness.pass_ms(1_000)
    assert words(ear) == ["pushed", "leased", "dead"]

    harness.say("QDLQ REDRIVE mail")
    assert words(ear) == ["redriven"]

    receipt = harness.say("QPOP mail")[1].decode()
    harness.say(f"QNACK mail {receipt} FATAL")
    harness.pass_ms(3_600_000)
    assert words(ear) == ["leased", "dead", "forgotten"]


def test_a_dead_letter_that_goes_to_another_queue_is_told_in_both(
    harness: Harness, ear: Client
) -> None:
    harness.say("QUEUE CREATE mail ATTEMPTS 1")
    harness.say("QPUSH mail x ID a")
    harness.say(f"QNACK mail {harness.say('QPOP mail')[1].decode()}")
    heard(ear)

    harness.say("QDLQ REDRIVE mail TO other")

    (there, _), here = heard(ear)
    assert there == "q:other:pushed"
    assert here == ("q:mail:redriven", "a")


def test_a_purge_says_how_many_went(harness: Harness, ear: Client) -> None:
    harness.say("QMPUSH mail 3 x y z")
    heard(ear)

    harness.say("QUEUE PURGE mail")

    assert heard(ear) == [("q:mail:purged", "3")]


def test_a_purge_in_slices_says_of_each_how_many_went(
    harness: Harness, ear: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purge, "PURGE_SLICE", 2)
    harness.say("QMPUSH mail 5 a b c d e")
    harness.say("QPUSH mail x DELAY 1h")
    heard(ear)

    assert harness.say("QUEUE PURGE mail STATE READY") == 5
    harness.pass_ms(0)

    assert heard(ear) == [("q:mail:purged", "2"), ("q:mail:purged", "2"), ("q:mail:purged", "1")]


def test_a_purge_of_what_was_done_says_nothing(harness: Harness, ear: Client) -> None:
    harness.say("QPUSH mail x KEEP 1h")
    harness.say(f"QACK mail {harness.say('QPOP mail')[1].decode()}")
    heard(ear)

    assert harness.say("QUEUE PURGE mail") == 1

    assert heard(ear) == []


def test_a_job_whose_ttl_is_over_is_dead_or_dropped(harness: Harness, ear: Client) -> None:
    harness.say("QUEUE CREATE strict EXPIRED DROP")
    for queue in ("mail", "strict"):
        harness.say(f"QPUSH {queue} x ID {queue} TTL 1s")
    heard(ear)

    harness.pass_ms(1_000)

    assert heard(ear) == [("q:mail:dead", "mail"), ("q:strict:dropped", "strict")]


def test_a_held_job_that_is_dropped_says_so_once(harness: Harness, ear: Client) -> None:
    harness.say("QUEUE CREATE mail EXPIRED DROP")
    harness.say("QPUSH mail x TTL 1s")
    harness.say("QPOP mail LEASE 2s")
    harness.pass_ms(2_000)

    harness.say("QPUSH mail y TTL 1s")
    receipt = harness.say("QPOP mail LEASE 2s")[1].decode()
    harness.pass_ms(1_000)
    harness.say(f"QNACK mail {receipt}")

    assert words(ear) == ["pushed", "leased", "dropped"] * 2


def test_a_job_that_is_kept_is_acked_and_then_over(harness: Harness, ear: Client) -> None:
    harness.say("QPUSH mail x KEEP 1s")
    harness.say(f"QACK mail {harness.say('QPOP mail')[1].decode()}")
    assert words(ear) == ["pushed", "leased", "acked"]

    harness.pass_ms(999)
    assert words(ear) == []
    harness.pass_ms(1)
    assert words(ear) == ["over"]


@pytest.mark.parametrize(
    ("options", "expected"), [("", ["leased", "undone"]), (" NOACK", ["acked", "undone"])]
)
def test_a_pop_that_is_undone_is_told(
    harness: Harness, ear: Client, options: str, expected: list[str]
) -> None:
    harness.say("QPUSH mail x ID a")
    heard(ear)

    harness.say(f"QPOP mail{options}")
    harness.undo(harness.default)

    assert heard(ear) == [(f"q:mail:{word}", "a") for word in expected]


def test_children_are_told_when_they_are_ready_at_once_and_when_they_die(
    harness: Harness, ear: Client
) -> None:
    harness.say("QPUSH mail p ID p")
    harness.say("QPUSH mail q ID q")
    harness.say("QPUSH mail both ID both DEPENDS 2 p q")
    harness.say("QPUSH mail now ID now DEPENDS 1 p")
    harness.say("QPUSH mail late ID late DEPENDS 1 p DELAY 1h")
    first, second = (receipt.decode() for _, receipt, _ in harness.say("QPOP mail COUNT 2"))
    heard(ear)

    harness.say(f"QACK mail {first}")
    assert heard(ear) == [("q:mail:acked", "p"), ("q:mail:ready", "now")]

    harness.say(f"QNACK mail {second} FATAL")
    assert heard(ear) == [("q:mail:dead", "q"), ("q:mail:dead", "both")]

    harness.pass_ms(3_600_000)
    assert heard(ear) == [("q:mail:ready", "late")]


def test_what_an_ack_and_a_schedule_push_is_told(harness: Harness, ear: Client) -> None:
    harness.say("QPUSH mail x THEN other y")
    harness.say(f"QACK mail {harness.say('QPOP mail')[1].decode()}")
    assert [channel for channel, _ in heard(ear)][-2:] == ["q:mail:acked", "q:other:pushed"]

    harness.say("QSCHED ADD mail hourly x EVERY 1h")
    assert words(ear) == []
    harness.pass_ms(3_600_000)
    assert words(ear) == ["pushed"]


@pytest.mark.parametrize(
    "line",
    ["QPUSH mail x PRIORITY no", "QACK mail 7:1-1", "QNACK mail junk", "QPOP mail", "QDEL mail z"],
)
def test_a_command_that_changes_nothing_says_nothing(
    harness: Harness, ear: Client, line: str
) -> None:
    harness.say("QUEUE CREATE mail")

    harness.say(line)

    assert heard(ear) == []


def test_while_nobody_listens_nothing_is_noted(harness: Harness) -> None:
    assert not harness.engine.listening

    harness.broker.execute(harness.default.session, [b"QPUSH", b"mail", b"x"], harness.now_ms)

    assert harness.engine.events == []
    harness.settle()


@pytest.mark.parametrize(
    ("line", "listens"),
    [
        ("SUBSCRIBE q:mail:dead", True),
        ("SUBSCRIBE q@1:mail:dead", True),
        ("SUBSCRIBE news queue", False),
        ("PSUBSCRIBE *", True),
        ("PSUBSCRIBE ?:mail:*", True),
        ("PSUBSCRIBE [pq]:*", True),
        ("PSUBSCRIBE \\\\q:*", True),
        ("PSUBSCRIBE news.*", False),
    ],
)
def test_events_are_noted_only_while_somebody_could_hear_them(
    harness: Harness, line: str, listens: bool
) -> None:
    client, other = harness.client(), harness.client()

    client.say(line)
    other.say(line)
    assert harness.engine.listening is listens
    client.say("RESET")
    assert harness.engine.listening is listens
    harness.broker.close_session(other.session)
    assert not harness.engine.listening


def test_a_listener_is_gone_with_its_connection(harness: Harness, ear: Client) -> None:
    harness.say("QPUSH mail x")
    harness.crash()

    assert not harness.engine.listening
    harness.say("QPUSH mail y")
    assert words(ear) == ["pushed"]
