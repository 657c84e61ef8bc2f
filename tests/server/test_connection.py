"""Real sockets: order, back-pressure, limits, and the ends of connections."""

from __future__ import annotations

import contextlib
import os
import random
import re
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from respq.config import KIB, MIB, TURNS_HELD_MAX
from tests.server.disk import slow
from tests.server.waiting import stopped, until, until_blocked, until_connected
from tests.server.wire import Wire, request, requests, resident_mib
from tests.server_process import ServerProcess


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """A server that keeps nothing."""
    with ServerProcess(None) as server:
        yield server
        assert "Traceback" not in "".join(server.log)


@pytest.fixture(scope="module")
def durable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose replies wait for the disk."""
    with ServerProcess(tmp_path_factory.mktemp("durable")) as server:
        yield server
        assert "Traceback" not in "".join(server.log)


@pytest.fixture(scope="module")
def slow_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose replies wait long for the disk."""
    with ServerProcess(tmp_path_factory.mktemp("slow"), wrapper=slow(sync_ms=60)) as server:
        yield server


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Wire]:
    with Wire(server.port) as client:
        yield client


@pytest.fixture
def other(server: ServerProcess) -> Iterator[Wire]:
    with Wire(server.port) as other:
        yield other


# Order.


def mixed_commands(seed: int) -> list[bytes]:
    """Return 10,000 commands whose replies depend on their order, and on nothing else."""
    dice = random.Random(seed)
    commands: list[bytes] = []
    deliveries = 0

    def add(line: str, count: int = 1) -> None:
        commands.extend([requests(line)] * count)

    while len(commands) < 10_000:
        run = dice.choice((1, 1, 2, 5, 40))
        match dice.randrange(14):
            case 0 | 1:
                for _ in range(run):
                    add(f"QPUSH plain {'x' * dice.choice((0, 5, 500))}y")
            case 2:
                for _ in range(run):
                    number = dice.randrange(3_000)
                    add(f"QPUSH named n{number} ID j{number} PRIORITY {dice.randrange(4)}")
            case 3:
                add("QPOP plain", run)
            case 4:
                add("QPOP named", run)
            case 5:  # Some of these are right: fences count deliveries, ids are our own.
                deliveries += 1
                for _ in range(run):
                    receipt = f"{dice.randrange(1, 4_000)}:j{dice.randrange(3_000)}"
                    add(f"{dice.choice(('QACK', 'QACK', 'QNACK'))} named {receipt}")
            case 6:
                add(f"QPOP named COUNT {dice.randrange(1, 5)} LEASE 1h")
            case 7:
                add("QMPOP 3 nothing named plain COUNT 2")
            case 8:
                add("QMPUSH named 3 a b c PRIORITY 9")
            case 9:
                add(dice.choice(("PING", "ECHO hello", "QLEN plain", "QLEN named", "EXISTS named")))
            case 10:
                add(dice.choice(("QPEEK named", "QPEEK plain COUNT 3", "TYPE plain", "DBSIZE")))
            case 11:
                add("MULTI\nQPUSH named m\nQPOP named\nNOSUCH\nEXEC" if dice.random() < 0.3 else "")
                add("MULTI\nQPUSH plain m\nQPOP plain\nQLEN plain\nEXEC")
            case 12:
                add(dice.choice(("NOSUCH 1 2", "QPUSH plain", "QPUSH plain x FOO", "QPOP plain a")))
            case 13:
                add(dice.choice(("SELECT 1", "SELECT 0", "QPOP nothing BLOCK 1", "DEL plain")))
    return commands


def without_time(reply: Any) -> Any:
    """Return a reply with the milliseconds of made ids taken out."""
    if isinstance(reply, bytes):
        return re.sub(rb"\b1\d{12}-", b"T-", reply)
    return [without_time(each) for each in reply] if isinstance(reply, list) else reply


@pytest.fixture(scope="module")
def one_by_one() -> list[Any]:
    """The replies to the mixed commands, each sent when the one before was answered."""
    replies = []
    with ServerProcess(None) as server, Wire(server.port) as client:
        for command in mixed_commands(seed=1):
            client.send(command)
            replies += client.read_many(command.count(b"*"))
    return [without_time(reply) for reply in replies]


@pytest.mark.parametrize("flags", [["--memory"], ["--fsync", "always"], ["--fsync", "no"]])
def test_a_pipeline_in_random_pieces_gives_the_replies_of_its_commands_one_by_one(
    tmp_path: Path, one_by_one: list[Any], flags: list[str]
) -> None:
    dice = random.Random(2)
    stream = b"".join(mixed_commands(seed=1))

    with ServerProcess(tmp_path / "data", *flags) as server, Wire(server.port) as client:
        place = 0
        while place < len(stream):
            size = dice.choice((1, 7, 100, 3_000, 30_000))
            client.send(stream[place : place + size])
            place += size
        replies = [without_time(reply) for reply in client.read_many(len(one_by_one))]
        client.send(requests("QUIT"))
        assert client.rest() == [b"OK"]

    assert replies == one_by_one
    kinds = [sum(isinstance(each, kind) for each in replies) for kind in (int, str, list, bytes)]
    assert min(kinds) > 100, "the commands do not do what they are there for"
    assert replies.count(1) > 20, "nothing was acknowledged"


def test_the_replies_of_one_read_leave_in_one_write(server: ServerProcess, client: Wire) -> None:
    count = 60

    client.send(request("PING") * count)

    assert client.socket.recv(64 * KIB) == b"+PONG\r\n" * count


def test_what_follows_a_blocked_pop_runs_when_it_is_answered(client: Wire, other: Wire) -> None:
    client.send(requests("PING\nQPOP waited BLOCK 0\nQLEN waited\nQPUSH behind x") + b"PING\r\n")
    until_blocked(other)
    client.send(requests("ECHO later\nQPOP waited BLOCK 0\nECHO last"))
    assert other.say("QLEN behind") == 0

    other.say("QPUSH waited first")

    assert client.read() == b"PONG"
    assert client.read()[2] == b"first"
    zero, job, pong, later = client.read_many(4)
    assert (zero, pong, later) == (0, b"PONG", b"later")
    assert isinstance(job, bytes)
    other.say("QPUSH waited second")
    assert client.read()[2] == b"second"
    assert client.read() == b"last"


@pytest.mark.parametrize(
    "answering", ["QPUSH waited x", "CLIENT UNBLOCK {}", "QPUSH waited x\nPING"]
)
def test_what_arrives_together_with_the_end_of_a_wait_is_answered_behind_it(
    client: Wire, other: Wire, server: ServerProcess, answering: str
) -> None:
    number = client.say("CLIENT ID")
    client.send(requests("QPOP waited BLOCK 0"))
    until_blocked(other)

    with stopped(server.pid):
        other.send(requests(answering.format(number)))
        client.send(requests("ECHO behind"))

    assert client.read() != b"behind"
    assert client.read() == b"behind"
    other.read_many(answering.count("\n") + 1)


# At the limit, below it by the few that may have been answered meanwhile, and far above it.
@pytest.mark.parametrize("turns", [*range(TURNS_HELD_MAX - 3, TURNS_HELD_MAX + 2), 200])
def test_a_client_with_many_replies_that_wait_for_the_disk_goes_on_after(
    slow_disk: ServerProcess, turns: int
) -> None:
    with Wire(slow_disk.port) as client, Wire(slow_disk.port) as other:
        for _ in range(turns):
            client.send(requests("QPUSH held x"))
            other.say("PING")  # So that each of them is a turn of its own.
        client.send(requests("QPOP nothing BLOCK 1\nQLEN nothing\nDEL held"))

        assert client.read_many(turns + 3)[turns:] == [None, 0, 1]


def test_every_client_gets_its_own_replies_in_order_whatever_the_disk_does(tmp_path: Path) -> None:
    # Every fifth commit is slow: they run in the loop, in a thread, and change in between.
    wrapper = slow(sync_ms=3, every=5)
    with ServerProcess(tmp_path, "--uncommitted-bytes-max", "100kb", wrapper=wrapper) as server:
        clients = [Talker(server.port, number) for number in range(6)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()

    assert [client.wrong for client in clients] == [[]] * 6


class Talker(threading.Thread):
    """A client that says much at once, and knows most of the answers."""

    def __init__(self, port: int, number: int) -> None:
        super().__init__()
        self.port = port
        self.number = number
        self.wrong: list[tuple[Any, Any]] = []

    def run(self) -> None:
        """Talk, and keep what was answered wrongly."""
        dice = random.Random(self.number)
        with Wire(self.port) as client:
            for batch in range(60):
                stream, expected = self._batch(dice, batch)
                place = 0
                while place < len(stream):
                    size = dice.choice((100, 1_000, 100_000))
                    client.send(stream[place : place + size])
                    place += size
                replies = client.read_many(len(expected))
                self.wrong += [
                    (reply, wanted)
                    for reply, wanted in zip(replies, expected, strict=True)
                    if wanted not in (None, reply)
                ]

    def _batch(self, dice: random.Random, batch: int) -> tuple[bytes, list[bytes | None]]:
        """Return commands, and the reply to each; None where it may be any."""
        stream, expected = b"", []
        for count in range(dice.choice((1, 3, 30, 150))):
            name = f"{self.number}-{batch}-{count}"
            known: bytes | None = name.encode()
            match dice.randrange(6):
                case 0:
                    command = request("ECHO", name)
                case 1 | 2:
                    size = dice.choice((1, 100, 5_000))
                    command = request("QPUSH", "shared", "x" * size, "ID", name)
                case 3:
                    command, known = request("QPOP", "shared"), None
                case 4:
                    command, known = request("QPOP", "shared", "BLOCK", dice.choice((1, 3))), None
                case _:
                    command, known = request("PING"), b"PONG"
            stream += command
            expected.append(known)
        return stream, expected


def test_the_longest_waiter_is_served_first(server: ServerProcess, other: Wire) -> None:
    with contextlib.ExitStack() as all_of_them:
        waiters = [all_of_them.enter_context(Wire(server.port)) for _ in range(5)]
        for count, waiter in enumerate(waiters, start=1):
            waiter.send(requests("QPOP fair BLOCK 0"))
            until_blocked(other, count)

        other.send(requests("QMPUSH fair 5 a b c d e"))

        assert [waiter.read()[2] for waiter in waiters] == [b"a", b"b", b"c", b"d", b"e"]
        other.read()


def test_a_long_pipeline_lets_others_in_between(server: ServerProcess) -> None:
    count = 100_000
    stream = requests("QPUSH crowd x PRIORITY 5") * count

    with Wire(server.port) as crowd, Wire(server.port) as single:
        sender = threading.Thread(target=crowd.send, args=(stream,))
        sender.start()
        answered_meanwhile = 0
        while (done := single.say("QLEN crowd")) < count:
            assert single.say("PING") == b"PONG"
            answered_meanwhile += done > 0
        sender.join()

        assert answered_meanwhile > 0
        assert len(crowd.read_many(count)) == count
        assert single.say("DEL crowd") == 1


# Back-pressure.


def test_a_client_that_does_not_read_is_not_read_from(server: ServerProcess, other: Wire) -> None:
    echo = request("ECHO", b"x" * 64 * KIB)
    before_mib = resident_mib(server.pid)
    sent = 0

    with Wire(server.port, receive_bytes=64 * KIB) as deaf:
        deaf.socket.settimeout(1.0)
        with contextlib.suppress(TimeoutError):
            while sent < 256 * MIB:
                sent += deaf.socket.send(echo[sent % len(echo) :])

        assert sent < 64 * MIB
        assert resident_mib(server.pid) - before_mib < 32
        assert other.say("PING") == b"PONG"
        deaf.socket.settimeout(60.0)
        for _ in range(sent // len(echo)):
            assert len(deaf.read()) == 64 * KIB
        deaf.send(echo[sent % len(echo) :] if sent % len(echo) else b"")
        deaf.send(request("PING"))
        replies = deaf.read_many(1 + bool(sent % len(echo)))
        assert replies[-1] == b"PONG"


def test_a_small_pipeline_with_large_replies_takes_no_more_than_a_few(
    server: ServerProcess, other: Wire
) -> None:
    for _ in range(16):
        other.ask("QPUSH", "heavy", b"x" * MIB)
    before_mib = resident_mib(server.pid)

    with Wire(server.port, receive_bytes=64 * KIB) as deaf:
        deaf.send(requests("QPEEK heavy COUNT 16") * 30)
        until(lambda: deaf.socket.recv(1, socket.MSG_PEEK) == b"*")
        taken_mib = resident_mib(server.pid) - before_mib
        for _ in range(30):
            assert len(deaf.read()) == 16

    assert taken_mib < 96  # Of 480 that were asked for.
    assert other.say("DEL heavy") == 1


def test_a_pipeline_of_pops_of_large_payloads_takes_no_more_than_a_few(
    server: ServerProcess, other: Wire
) -> None:
    payload = b"x" * 512 * KIB
    for _ in range(400):
        other.ask("QPUSH", "large", payload)
    before_mib = resident_mib(server.pid)

    with Wire(server.port, receive_bytes=64 * KIB) as deaf:
        deaf.send(requests("QPOP large") * 400)
        until(lambda: deaf.socket.recv(1, socket.MSG_PEEK) == b"*")
        taken_mib = resident_mib(server.pid) - before_mib
        for _ in range(400):
            assert deaf.read()[2] == payload

    assert taken_mib < 100  # Of 200.
    assert other.say("DEL large") == 1


def test_replies_over_the_output_limit_end_the_connection_and_put_the_job_back(
    tmp_path: Path,
) -> None:
    path = str(tmp_path / "socket")
    flags = ("--unix-socket", path, "--output-buffer-bytes-max", "64kb")

    with ServerProcess(None, *flags) as server, Wire(path) as other:
        for _ in range(16):
            other.ask("QPUSH", "filler", b"x" * 60 * KIB)
        deaf = blocked_and_deaf(path, other)

        other.say("QPUSH wanted precious")
        until_connected(other, 1)

        assert other.say("QPOP wanted WITHMETA")[2:][0] == b"precious"
        facts = other.say("QSTATS wanted")[1]
        counts = dict(zip(facts[::2], facts[1::2], strict=True))
        assert (counts[b"popped_total"], counts[b"undone_total"]) == (2, 1)
        assert b"output_buffer_limit_disconnections:1\r" in other.say("INFO stats")
        said = "client closed: it does not read what is sent to it"
        until(lambda: any(said in line for line in server.log))
        deaf.close()


def blocked_and_deaf(path: str, other: Wire) -> Wire:
    """Return a client that waits for a job, and has not read a large reply before that.

    If that took its whole share of a turn, the pop waits until it reads: then another one tries.
    """
    while True:
        deaf = Wire(path)
        deaf.send(requests("QPEEK filler COUNT 16\nQPOP wanted BLOCK 0"))
        until(lambda: b"cmd=qp" in other.say("CLIENT LIST"))
        if b"cmd=qpop" in other.say("CLIENT LIST"):
            return deaf
        deaf.close()
        until_connected(other, 1)


def test_too_much_behind_a_blocked_pop_ends_the_connection(
    server: ServerProcess, other: Wire
) -> None:
    before_mib = resident_mib(server.pid)
    pings = request("PING") * 100_000
    sent = 0

    with Wire(server.port) as client:
        client.send(requests("QPOP never BLOCK 0"))
        until_blocked(other)
        while sent < 60 * MIB:
            client.send(pings)
            sent += len(pings)
        until(lambda: b"qbuf=%d " % sent in other.say("CLIENT LIST"))
        assert resident_mib(server.pid) - before_mib < 128

        with contextlib.suppress(ConnectionError):
            while sent < 256 * MIB:
                client.send(pings)
                sent += len(pings)

        text = f"over {64 * MIB} bytes behind a command that blocks"
        assert client.rest() in ([], [f"ERR Protocol error: there are {text}"])
        assert sent < 128 * MIB
    until_blocked(other, 0)


# Limits on connections.


def test_one_client_too_many_is_told_so_and_the_others_stay(tmp_path: Path) -> None:
    with ServerProcess(None, "--maxclients", "2") as server, Wire(server.port) as first:
        with Wire(server.port) as second:
            assert second.say("PING") == b"PONG"
            with Wire(server.port) as third:
                assert third.rest() == ["ERR max number of clients reached"]
            assert first.say("PING") == b"PONG"
        until_connected(first, 1)
        with Wire(server.port) as fourth:
            assert fourth.say("PING") == b"PONG"
        assert b"rejected_connections:1\r" in first.say("INFO stats")


def test_the_limit_of_open_files_is_raised_for_the_clients() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as all_of_them:
        resource.setrlimit(resource.RLIMIT_NOFILE, (60, limits[1]))
        try:
            server = all_of_them.enter_context(ServerProcess(None, "--maxclients", "200"))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)

        clients = [all_of_them.enter_context(Wire(server.port)) for _ in range(150)]
        assert {client.say("PING") for client in clients} == {b"PONG"}


def test_maxclients_is_lowered_to_what_the_process_may_open() -> None:
    # Root may raise every limit, unless it is left without that right.
    without = ["setpriv", "--bounding-set=-sys_resource"] if os.geteuid() == 0 else []
    limited = ["prlimit", "--nofile=150:150", *without]
    with ServerProcess(None, wrapper=limited) as server, Wire(server.port) as client:
        assert client.say("CONFIG GET maxclients") == [b"maxclients", b"22"]
        assert any("maxclients is lowered" in line for line in server.log)

        with contextlib.ExitStack() as all_of_them:
            clients = [all_of_them.enter_context(Wire(server.port)) for _ in range(40)]
            clients[-1].rest()
            assert client.say("PING") == b"PONG"


def test_connections_that_come_and_go_leave_nothing_behind(
    server: ServerProcess, other: Wire
) -> None:
    def come_and_go() -> int:
        with contextlib.ExitStack() as all_of_them:
            for _ in range(300):
                each = all_of_them.enter_context(Wire(server.port))
                each.ask("CLIENT", "SETNAME", "n" * 4_000)
        until_connected(other, 1)
        return resident_mib(server.pid)

    first_mib = come_and_go()
    assert max(come_and_go() for _ in range(8)) - first_mib < 8


def test_a_silent_client_is_closed_and_a_blocked_or_busy_one_is_not() -> None:
    with (
        ServerProcess(None, "--idle-timeout-ms", "200") as server,
        Wire(server.port) as busy,
        Wire(server.port) as blocked,
        Wire(server.port) as silent,
        Wire(server.port) as half,
    ):
        blocked.send(requests("QPOP q BLOCK 0"))
        assert silent.say("PING") == b"PONG"
        half.send(b"*3\r\n$5\r\nQPUSH\r\n")

        until_connected(busy, 2)

        assert silent.rest() == half.rest() == []
        busy.say("QPUSH q x")
        assert blocked.read()[2] == b"x"


def test_the_kernel_looks_after_clients_that_vanish(server: ServerProcess, client: Wire) -> None:
    client.say("PING")
    port = client.socket.getsockname()[1]

    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]

    [timer] = [
        row[5]
        for row in rows
        if (row[1], row[2]) == (f"0100007F:{server.port:04X}", f"0100007F:{port:04X}")
    ]
    assert timer.startswith("02:"), "no keepalive timer"


# Ends.


@pytest.mark.parametrize("kept", ["server", "durable"])
def test_what_was_sent_before_our_side_was_closed_is_answered(
    kept: str, request: pytest.FixtureRequest
) -> None:
    port = request.getfixturevalue(kept).port
    for count in (1, 3, 3_000):
        with Wire(port) as client:
            client.send(requests("QPUSH half x") * count + requests("QLEN half\nDEL half"))
            client.close_our_side()

            replies = client.rest()
            assert len(replies) == count + 2
            assert replies[-2:] == [count, 1]


@pytest.mark.parametrize("kept", ["server", "durable"])
def test_a_client_that_closed_its_side_waits_for_nothing(
    kept: str, request: pytest.FixtureRequest
) -> None:
    port = request.getfixturevalue(kept).port
    for waits in ("QPOP gone BLOCK 0", "QPUSH filler x\nQPOP gone BLOCK 0\nDEL filler"):
        with Wire(port) as client:
            client.send(requests(waits))
            client.close_our_side()

            replies = client.rest()
            assert len(replies) == waits.count("\n") + 1
            assert None in replies
    with Wire(port) as other:
        assert b"blocked_clients:0\r" in other.say("INFO clients")


@pytest.mark.parametrize("ending", ["reset", "close"])
@pytest.mark.parametrize("behind", ["", "PING\nQLEN q"])
def test_a_blocked_client_that_went_away_gets_nothing(
    server: ServerProcess, other: Wire, ending: str, behind: str
) -> None:
    with Wire(server.port) as client:
        client.send(requests(f"QPOP left BLOCK 0\n{behind}"))
        until_blocked(other)

        getattr(client, ending)()
        until_blocked(other, 0)

    other.say("QPUSH left x")
    assert other.say("QLEN left") == 1
    assert other.say("QPOP left NOACK")[2] == b"x"


def test_nothing_behind_quit_is_run(server: ServerProcess, durable: ServerProcess) -> None:
    for each in (server, durable):
        with Wire(each.port) as client:
            client.send(requests("QPUSH left x\nQUIT\nQPUSH never x") + b"PING\r\n")
            with contextlib.suppress(ConnectionError):
                client.send(requests("QPUSH never x") * 100)

            replies = client.rest()
            assert len(replies) == 2
            assert replies[1] == b"OK"
        with Wire(each.port) as other:
            assert other.say("EXISTS never left") == 1
            other.say("DEL left")


def test_a_killed_client_is_gone_at_once(server: ServerProcess, other: Wire) -> None:
    with Wire(server.port) as client, Wire(server.port) as blocked:
        number = client.say("CLIENT ID")
        blocked.send(requests("QPOP kept BLOCK 0"))
        until_blocked(other)

        assert other.ask("CLIENT", "KILL", "ADDR", blocked.address) == 1
        assert other.ask("CLIENT", "KILL", "ID", number) == 1
        assert other.ask("CLIENT", "KILL", "ID", number) == 0
        assert client.rest() == blocked.rest() == []

    other.say("QPUSH kept x")
    assert other.say("QLEN kept") == 1
    other.say("DEL kept")


def test_a_client_that_kills_itself_is_answered_first(server: ServerProcess) -> None:
    with Wire(server.port) as client:
        client.send(request("CLIENT", "KILL", client.address) + requests("QPUSH never x"))

        assert client.rest() == [b"OK"]
    with Wire(server.port) as other:
        assert other.say("EXISTS never") == 0


# Listeners.


def test_a_unix_socket_serves_as_a_port_does(tmp_path: Path) -> None:
    path = tmp_path / "respq.sock"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()

    with ServerProcess(None, "--unix-socket", str(path)) as server:
        with Wire(str(path)) as client, Wire(server.port) as other:
            other.say("QPUSH q x")
            assert client.say("QPOP q")[2] == b"x"
            assert f"laddr={path}:0".encode() in client.say("CLIENT INFO")

            second = serve("--memory", "--unix-socket", str(path))
            assert second.returncode == 1
            assert second.stderr.startswith(f"respq: cannot listen on the Unix socket {path}: ")
            assert client.say("PING") == b"PONG"
        assert server.stop() == 0
    assert not path.exists()


def test_a_file_in_the_place_of_the_unix_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")

    refused = serve("--memory", "--unix-socket", str(path))

    assert refused.returncode == 1
    assert refused.stderr.startswith(f"respq: cannot listen on the Unix socket {path}: ")
    assert refused.stderr.count("\n") == 1
    assert path.read_text() == "data"


def test_where_there_is_no_uvloop_the_event_loop_of_python_serves(tmp_path: Path) -> None:
    (tmp_path / "uvloop.py").write_text("raise ImportError('not for this machine')")
    without = ["env", f"PYTHONPATH={tmp_path}"]

    with ServerProcess(tmp_path / "data", wrapper=without) as server, Wire(server.port) as client:
        client.send(requests("QPOP q BLOCK 1\n" + "QPUSH q x\n" * 500 + "QPOP q NOACK\nQLEN q"))
        replies = client.read_many(503)

        assert (replies[0], replies[-1]) == (None, 499)
        assert "/uvloop/" not in Path(f"/proc/{server.pid}/maps").read_text()
        assert server.stop() == 0


def test_the_second_server_of_a_data_directory_is_refused_in_one_line(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as first, Wire(first.port) as client:
        client.say("QPUSH q x")

        second = serve("--data-dir", str(tmp_path / "data"))

        assert second.returncode == 1
        assert second.stdout == ""
        assert second.stderr.count("\n") == 1
        assert f"is held by another process (pid {first.pid})" in second.stderr
        assert client.say("QPOP q")[2] == b"x"


def test_the_second_server_of_a_port_is_refused_and_its_journal_let_go(tmp_path: Path) -> None:
    with ServerProcess(None) as first:
        second = serve("--port", str(first.port), "--data-dir", str(tmp_path / "data"))

    assert second.returncode == 1
    assert re.fullmatch(
        rf"respq: cannot listen on 127.0.0.1:{first.port}: .*; choose another --port, .*\n",
        second.stderr,
    )
    with ServerProcess(tmp_path / "data") as third, Wire(third.port) as client:
        assert client.say("PING") == b"PONG"


def serve(*flags: str) -> subprocess.CompletedProcess[str]:
    """Run a server that is expected to end by itself."""
    port = () if "--port" in flags else ("--port", "0")
    return subprocess.run(
        [sys.executable, "-m", "respq", "serve", *port, "--no-http", *flags],
        capture_output=True,
        text=True,
        check=False,
        env={k: v for k, v in os.environ.items() if not k.startswith("RESPQ_")},
        timeout=60,
    )
