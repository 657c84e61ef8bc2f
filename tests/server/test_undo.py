"""Pops whose client was gone before the reply: put back, not counted, never lost."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.disk import slow
from tests.server.waiting import stopped, until, until_blocked, until_connected
from tests.server.wire import Wire, request, requests
from tests.server_process import ServerProcess


@pytest.fixture(scope="module", params=["memory", "always", "always, slow disk"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A server; only the slow disk makes sure that clients are gone before their replies."""
    data_dir = None if request.param == "memory" else tmp_path_factory.mktemp("data")
    wrapper = slow(sync_ms=4) if "slow" in request.param else ()
    with ServerProcess(data_dir, wrapper=wrapper) as server:
        yield server
        assert "Traceback" not in "".join(server.log)


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Wire]:
    with Wire(server.port) as client:
        yield client
        client.say("DEL work other")


def totals(client: Wire, queue: str) -> dict[str, int]:
    """Return what QSTATS counts of a queue."""
    facts = client.ask("QSTATS", queue)[1]
    return {name.decode(): value for name, value in zip(facts[::2], facts[1::2], strict=True)}


def accepted(server: ServerProcess) -> Wire:
    """Return a connection that the server has seen: one that ends before that says nothing."""
    client = Wire(server.port)
    assert client.say("PING") == b"PONG"
    return client


@pytest.mark.parametrize(
    "pop",
    [
        "QPOP work",
        "QPOP work COUNT 3",
        "QMPOP 2 nothing work COUNT 2",
        "MULTI\nQPOP work\nQLEN work\nEXEC",
        "QPOP work\nPING\nQPOP work",
        "QPOP work\nQPOP work\nQPOP work",
    ],
)
def test_pops_of_clients_that_are_gone_are_undone_or_leased_and_never_lost(
    server: ServerProcess, client: Wire, pop: str
) -> None:
    jobs = 60
    dice = random.Random(1)
    client.send(requests("".join(f"QPUSH work {number}\n" for number in range(jobs))))
    ids = client.read_many(jobs)

    for _ in range(60):
        gone = accepted(server)
        gone.send(requests(pop))
        if dice.random() < 0.2:  # Some are there for a while.
            client.say("PING")
        gone.reset()
    until_connected(client, 1)

    counts = totals(client, "work")
    assert counts["ready"] + counts["leased"] == jobs
    assert counts["popped_total"] - counts["undone_total"] == counts["leased"]
    assert counts["dead"] == counts["delayed"] == counts["expired_total"] == 0
    assert counts["undone_total"] > 0 or not server.wrapper, "nobody was gone in time"
    # What is ready is in its old place and was never counted; what is not, is held.
    ready = [client.say("QPOP work WITHMETA") for _ in range(counts["ready"])]
    places = [ids.index(delivery[0]) for delivery in ready]
    assert places == sorted(places)
    for delivery in ready:
        meta = dict(zip(delivery[3][::2], delivery[3][1::2], strict=True))
        assert meta[b"attempt"] == 1
    assert client.say("QPOP work") is None


def test_a_job_taken_for_good_by_a_client_that_is_gone_comes_back(
    server: ServerProcess, client: Wire
) -> None:
    for number in range(50):
        client.ask("QPUSH", "work", number)
        gone = accepted(server)
        gone.send(requests("QPOP work NOACK"))
        gone.reset()
    until_connected(client, 1)

    counts = totals(client, "work")
    kept = counts["pushed_total"] - counts["popped_total"] + counts["undone_total"]
    assert counts["ready"] == kept
    assert counts["leased"] == 0
    assert counts["undone_total"] > 0 or not server.wrapper, "nobody was gone in time"


def test_a_job_goes_past_a_waiter_that_is_gone_to_the_next(
    server: ServerProcess, client: Wire
) -> None:
    for number in range(30):
        with Wire(server.port) as patient:
            gone = Wire(server.port)
            for count, waiter in enumerate((gone, patient), start=1):
                waiter.send(requests("QPOP work BLOCK 0"))
                until_blocked(client, count)

            gone.reset()
            client.ask("QPUSH", "work", number)

            # Who is gone may still be taken for there; then the job is leased to nobody.
            until(lambda: b"blocked_clients:2\r" not in client.say("INFO clients"))
            if b"blocked_clients:0\r" in client.say("INFO clients"):
                _, receipt, payload = patient.read()
                assert payload == b"%d" % number
                assert client.ask("QACK", "work", receipt) == 1
        until_connected(client, 1)
        assert totals(client, "work")["ready"] == 0
        client.say("DEL work")


@pytest.mark.parametrize("pop", ["QPOP work", "QPOP work COUNT 2", "QPOP work NOACK"])
def test_what_a_client_popped_that_is_killed_in_the_same_moment_is_put_back(
    server: ServerProcess, client: Wire, pop: str
) -> None:
    client.send(requests("QMPUSH work 3 a b c"))
    ids = client.read()
    with accepted(server) as victim:
        with stopped(server.pid):
            victim.send(requests(pop))
            client.send(request("CLIENT", "KILL", "ADDR", victim.address))
        assert client.read() == 1
        assert victim.rest() == []
    until_connected(client, 1)

    assert [job for job, _ in client.say("QPEEK work COUNT 9")] == ids
    meta = client.say("QPOP work WITHMETA")[3]
    assert meta[meta.index(b"attempt") + 1] == 1


def test_what_was_undone_stays_undone_over_a_restart(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, wrapper=slow(sync_ms=4))
    with server:
        with Wire(server.port) as client:
            client.send(requests("QMPUSH work 5 a b c d e\nQPUSH other x"))
            client.read_many(2)
            for _ in range(30):
                gone = accepted(server)
                gone.send(requests("QPOP work COUNT 5"))
                gone.reset()
            until_connected(client, 1)
            before = totals(client, "work")
            assert before["undone_total"] > 0, "nobody was gone in time"
        server.kill()
        server.start()

        with Wire(server.port) as client:
            after = totals(client, "work")
            assert after | {"oldest_ready_ms": 0} == before | {"oldest_ready_ms": 0}
