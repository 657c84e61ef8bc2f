from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis
from click.testing import CliRunner, Result

from respq.cli import reemit
from respq.cli.connection import Address, Connection
from respq.cli.main import main
from respq.engine.records import JobOptions
from respq.journal.gathering import Gathered
from respq.journal.moment import Moment
from respq.journal.reader import ReadOnlyJournal
from tests.crash.clients import connect
from tests.journal.processes import fingerprint
from tests.journal.recorded import Recorded
from tests.server_process import ServerProcess

PASSWORD = "p@ss/word"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    path = tmp_path_factory.mktemp("server")
    with ServerProcess(path / "data", "--unix-socket", str(path / "socket")) as server:
        yield server


@pytest.fixture
def client(server: ServerProcess) -> Iterator[redis.Redis]:
    """Connect to the server, which has nothing in it."""
    with connect(server.port) as client:
        for key in client.scan_iter():
            client.delete(key)
        yield client


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    """Leave a stopped journal, a change each second."""
    recorded = Recorded(tmp_path / "data")
    recorded.say("QPUSH mail hello ID a PRIORITY 7")  # position 1, at 22:13:20
    recorded.pass_ms(1_000)
    recorded.say("QPUSH mail 'to \\xff you'")  # 2
    recorded.pass_ms(1_000)
    recorded.say("QPUSH mail third")  # 3
    recorded.pass_ms(1_000)
    recorded.say("QPOP mail NOACK")  # 4
    recorded.pass_ms(1_000)
    _, receipt, _ = recorded.say("QPOP mail")  # 5
    recorded.say(f"QNACK mail {receipt.decode()} FATAL")  # 6
    recorded.close()
    return recorded


def run(path: Path, *words: str, **environ: str) -> Result:
    before = fingerprint(path / "data")
    command = ["replay", "--data-dir", str(path / "data"), *words]
    result = CliRunner().invoke(main, command, env=environ)
    assert fingerprint(path / "data") == before
    return result


def again(path: Path, server: ServerProcess, *words: str) -> Result:
    url = f"redis://127.0.0.1:{server.port}"
    base = ("--queue", "mail", "--from", "0", "--into", "again", "--server", url)
    return run(path, *base, *words)


def lines(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def popped(client: redis.Redis, queue: str = "again") -> list[tuple[str, str]]:
    jobs: Any = client.execute_command("QPOP", queue, "COUNT", 100, "NOACK")
    return [(job_id, payload) for job_id, _, payload in jobs]


def test_the_jobs_that_were_pushed_between_two_moments_are_pushed_again(
    recorded: Recorded, tmp_path: Path, server: ServerProcess, client: redis.Redis
) -> None:
    first = again(tmp_path, server, "--to", "1")
    second = again(tmp_path, server, "--from", "2023-11-14T22:13:21Z", "--to", "4")

    assert lines(first) == [
        "from position 0  to position 1",
        'queue "mail"  db 0  pushed 1  gone 0',
        'into "again"  pushed 1  already there 0',
    ]
    assert lines(second)[1:] == [
        'queue "mail"  db 0  pushed 1  gone 0',
        'into "again"  pushed 1  already there 0',
    ]
    assert first.stderr == second.stderr == ""
    assert popped(client) == [
        ("replay:1700000000000-2:a", "hello"),
        ("replay:1700000002000-4", "third"),
    ]


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ("acked", ["hello"]),
        ("dead", ["to \\xff you"]),
        ("pushed", ["hello", "to \\xff you", "third"]),
    ],
)
def test_which_of_them_is_said_by_what_had_happened(
    recorded: Recorded,
    tmp_path: Path,
    server: ServerProcess,
    client: redis.Redis,
    which: str,
    expected: list[str],
) -> None:
    shown = lines(again(tmp_path, server, "--which", which))

    assert shown[1] == f'queue "mail"  db 0  {which} {len(expected)}  gone 0'
    assert [payload for _, payload in popped(client)] == expected


def test_whoever_does_it_twice_pushes_nothing_twice(
    recorded: Recorded, tmp_path: Path, server: ServerProcess, client: redis.Redis
) -> None:
    again(tmp_path, server, "--to", "2")
    assert len(popped(client)) == 2

    shown = lines(again(tmp_path, server))

    assert shown[-1] == 'into "again"  pushed 1  already there 2'
    assert [payload for _, payload in popped(client)] == ["third"]
    assert lines(again(tmp_path, server, "--json"))[-1] == (
        '{"into": "again", "pushed": 0, "already_there": 3}'
    )


def test_a_job_has_what_its_push_gave_but_what_holds_it_back(
    tmp_path: Path, server: ServerProcess, client: redis.Redis
) -> None:
    recorded = Recorded(tmp_path / "data")
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    recorded.say("QPUSH mail parent ID parent")
    recorded.say(
        "QPUSH mail x PRIORITY 7 ATTEMPTS 5 BACKOFF FIXED 5s MAX 6s JITTER 0 LEASE 10s MAXLEASE 1m "
        "TTL 1h THEN other next GROUP g NAME n TAG t TAG u META '{\"a\": 1}' KEEP 2m "
        f"TRACE {trace} DELAY 5m DEDUP key FLOW f DEPENDS 1 parent FRONT"
    )
    recorded.close()

    result = again(tmp_path, server, "--from", "1")

    assert result.stderr == "note: 1 job waited for others by DEPENDS: pushed again without it\n"
    with connect(server.port, protocol=3) as third:
        shown: Any = third.execute_command("QSHOW", "again", "replay:1700000000000-3")
        kept = {name: shown[name] for name in ("phase", "dedup", "flow", "depends", "due_ms")}
        assert kept == {"phase": "ready", "dedup": "", "flow": "", "depends": [], "due_ms": 0}
        labels = {name: shown[name] for name in ("name", "tags", "meta", "trace", "group")}
        assert labels == {
            "name": "n",
            "tags": ["t", "u"],
            "meta": '{"a": 1}',
            "trace": trace,
            "group": "g",
        }
        assert (shown["priority"], shown["attempts_max"]) == ("7", 5)
        assert shown["expires_ms"] - shown["pushed_ms"] == 3_600_000
        _, receipt, _, facts = third.execute_command("QPOP", "again", "WITHMETA")
        [lease_ms] = third.execute_command("QTOUCH", "again", receipt, "LEASE", "5m")
        assert lease_ms - facts["lease_until_ms"] == 50_000
        [due_ms] = third.execute_command("QNACK", "again", receipt, "WITHDUE")
        now_s, now_us = third.time()
        assert 4_000 < due_ms - (now_s * 1_000 + now_us // 1_000) <= 5_000
        third.execute_command("QKICK", "again")
        _, receipt, _ = third.execute_command("QPOP", "again")
        third.execute_command("QACK", "again", receipt)
        assert [payload for _, payload in popped(third, "other")] == ["next"]
        done: Any = third.execute_command("QSHOW", "again", "replay:1700000000000-3")
        assert done["due_ms"] - done["since_ms"] == 120_000


def test_a_dry_run_shows_what_would_be_pushed_and_asks_no_server(
    recorded: Recorded, tmp_path: Path
) -> None:
    words = ("--queue", "mail", "--from", "0", "--into", "a b", "--server", "redis://nowhere.test")

    assert lines(run(tmp_path, *words, "--dry-run")) == [
        "from position 0  to position 6",
        'queue "mail"  db 0  pushed 3  gone 0',
        '  QPUSH "a b" "hello" ID replay:1700000000000-2:a NX PRIORITY 7',
        '  QPUSH "a b" "to \\\\xff you" ID replay:1700000001000-3 NX',
        '  QPUSH "a b" "third" ID replay:1700000002000-4 NX',
    ]
    selection, first, *_ = map(json.loads, lines(run(tmp_path, *words, "--dry-run", "--json")))
    assert selection == {
        "from": 0,
        "to": 6,
        "queue": "mail",
        "db": 0,
        "pushed": 3,
        "gone": 0,
        "nameless": 0,
    }
    assert first == {
        "position": 1,
        "id": "a",
        "command": [
            *("QPUSH", "a b", "hello"),
            *("ID", "replay:1700000000000-2:a", "NX", "PRIORITY", "7"),
        ],
    }


def test_an_id_is_that_of_no_other_job_and_never_too_long() -> None:
    def made(number: int, given: bytes) -> bytes:
        options = JobOptions(id=given)
        return reemit.new_id(Gathered(1, number, 1_700_000_000_000, b"", 0, options))

    assert made(2, b"a") == b"replay:1700000000000-2:a"
    assert made(3, b"a") == b"replay:1700000000000-3:a"
    assert made(2, b"x" * 231) == b"replay:1700000000000-2:" + b"x" * 231
    assert len(made(2, b"x" * 255)) == 255
    assert made(2, b"x" * 255) != made(3, b"x" * 255)


def test_a_refusal_stops_it_and_says_where_to_go_on(
    recorded: Recorded, tmp_path: Path, server: ServerProcess, client: redis.Redis
) -> None:
    client.execute_command("QUEUE", "CREATE", "again", "MAXLEN", 2)

    result = again(tmp_path, server)

    assert result.exit_code == 1
    assert result.stderr == (
        "Error: job 1700000002000-4 was refused: MAXLEN queue 'again' holds 2 jobs, 1 more would "
        "be over its MAXLEN of 2; pushed 2, already there 0, of 3 jobs: go on with --from 0\n"
    )
    client.execute_command("QUEUE", "SET", "again", "MAXLEN", 0)
    assert lines(again(tmp_path, server))[-1] == 'into "again"  pushed 1  already there 2'


def test_a_queue_that_takes_few_at_a_time_gets_all(
    recorded: Recorded, tmp_path: Path, server: ServerProcess, client: redis.Redis
) -> None:
    client.execute_command("QUEUE", "CREATE", "again", "PUSHRATE", 1, "PER", 200)

    assert lines(again(tmp_path, server))[-1] == 'into "again"  pushed 3  already there 0'
    assert [payload for _, payload in popped(client)] == ["hello", "to \\xff you", "third"]


def test_many_jobs_go_in_lots_in_their_order_and_progress_is_told(
    tmp_path: Path,
    server: ServerProcess,
    client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reemit, "WINDOW_JOBS", 3)
    monkeypatch.setattr(reemit, "WINDOW_BYTES", 10)
    monkeypatch.setattr(reemit, "PROGRESS_JOBS", 4)
    recorded = Recorded(tmp_path / "data")
    sizes = [1, 1, 1, 1, 8, 20, 1, 2, 9, 9]
    for size in sizes:
        recorded.say(f"QPUSH mail {'x' * size}")
    recorded.close()

    result = again(tmp_path, server)

    assert lines(result)[-1] == 'into "again"  pushed 10  already there 0'
    assert result.stderr.splitlines() == [
        "note: 5 of 10 jobs done, up to position 5",
        "note: 8 of 10 jobs done, up to position 8",
    ]
    assert [len(payload) for _, payload in popped(client)] == sizes


def test_a_server_that_is_killed_in_the_middle_has_each_job_once_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reemit, "WINDOW_JOBS", 5)
    monkeypatch.setattr(reemit, "PROGRESS_JOBS", 10)
    recorded = Recorded(tmp_path / "data")
    for number in range(30):
        recorded.say(f"QPUSH mail {number}")
    recorded.close()
    server = ServerProcess(tmp_path / "server")
    server.start()
    with closing(ReadOnlyJournal(str(tmp_path / "data"))) as journal:
        wanted = reemit.Range(Moment(position=0), Moment(), 0, b"mail", "pushed")
        jobs = reemit.select(journal, wanted, lambda _: None).jobs

    with (
        Connection(Address("127.0.0.1", server.port)) as connection,
        pytest.raises(reemit.Stopped, match=r"pushed 10, .* of 30 jobs: go on with --from 10$"),
    ):
        reemit.push_all(connection, jobs, b"again", reemit.Tally(), lambda _: server.kill())
    with server, connect(server.port) as client:
        assert lines(again(tmp_path, server))[-1] == 'into "again"  pushed 20  already there 10'
        assert [payload for _, payload in popped(client)] == [str(each) for each in range(30)]


class Interrupted:
    """A server during whose second answer somebody presses Ctrl-C."""

    def __init__(self) -> None:
        self.answered = 0

    def ask(self, requests: Sequence[Sequence[bytes]]) -> list[Any]:
        if self.answered:
            raise KeyboardInterrupt
        self.answered += 1
        return [words[4] for words in requests]


def test_whoever_interrupts_it_is_told_where_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reemit, "WINDOW_JOBS", 2)
    jobs = [Gathered(position, position, 1, b"x", 0, None) for position in range(11, 17)]
    tally, reports = reemit.Tally(), list[str]()

    with pytest.raises(reemit.Stopped) as caught:
        reemit.push_all(Interrupted(), jobs, b"again", tally, reports.append)

    assert str(caught.value) == (
        "interrupted; pushed 2, already there 0, of 6 jobs: go on with --from 12"
    )
    assert reports == []


def test_what_compaction_has_deleted_is_counted_and_told(
    tmp_path: Path, server: ServerProcess, client: redis.Redis
) -> None:
    recorded = Recorded(tmp_path / "data", 600)
    recorded.say("QPUSH other x")
    for number in range(19):
        recorded.say(f"QPUSH mail job-{number:02}")
    recorded.say("QPOP other NOACK")
    recorded.say("QUEUE DROP other")
    recorded.say("QPOP mail NOACK")
    recorded.forget(20)
    recorded.say("QPOP mail NOACK")
    recorded.close()

    early = again(tmp_path, server, "--which", "acked")
    late = again(tmp_path, server, "--which", "acked", "--from", "20")

    assert early.exit_code == 1
    assert early.stderr.startswith("Error: compaction has forgotten a part of what happened since")
    assert early.stderr.endswith("2023-11-14T22:13:20.000Z\n")
    assert lines(late)[1:] == [
        'queue "mail"  db 0  acked 2  gone 1',
        'into "again"  pushed 1  already there 0',
    ]
    assert late.stderr.splitlines() == [
        "note: compaction has deleted what 1 job had: not to be pushed again",
        "note: 1 job left out, of queues whose names compaction has deleted: "
        "none of them is known to be meant",
    ]


def test_the_server_is_where_serve_would_be_or_where_the_address_says(
    recorded: Recorded, tmp_path: Path, server: ServerProcess, client: redis.Redis
) -> None:
    base = ("--queue", "mail", "--from", "0", "--into", "again")
    unix = f"unix://{Path(str(server.data_dir)).parent / 'socket'}"

    settings = run(tmp_path, *base, RESPQ_PORT=str(server.port), RESPQ_HOST="0.0.0.0")
    path = run(tmp_path, *base, "--server", unix)
    other = run(tmp_path, *base, "--server", f"redis://localhost:{server.port}/3")

    assert lines(settings)[-1] == 'into "again"  pushed 3  already there 0'
    assert lines(path)[-1] == 'into "again"  pushed 0  already there 3'
    assert lines(other)[-1] == 'into "again"  pushed 3  already there 0'
    client.execute_command("SELECT", 3)
    assert len(popped(client)) == 3


def test_a_password_is_in_the_address_or_in_the_settings(
    recorded: Recorded, tmp_path: Path
) -> None:
    base = ("--queue", "mail", "--from", "0", "--into", "again")
    with ServerProcess(None, "--password", PASSWORD) as server:
        place = f"127.0.0.1:{server.port}"
        given = run(tmp_path, *base, "--server", f"redis://:p%40ss%2Fword@{place}/1")
        named = run(tmp_path, *base, "--server", f"redis://default:p%40ss%2Fword@{place}/1")
        set_ = run(tmp_path, *base, "--server", f"redis://{place}", RESPQ_PASSWORD=PASSWORD)
        wrong = run(tmp_path, *base, "--server", f"redis://:x@{place}")
        without = run(tmp_path, *base, "--server", f"redis://{place}")

    assert lines(given)[-1] == 'into "again"  pushed 3  already there 0'
    assert lines(named)[-1] == 'into "again"  pushed 0  already there 3'
    assert lines(set_)[-1] == 'into "again"  pushed 3  already there 0'
    for refused, says in ((wrong, "WRONGPASS"), (without, "NOAUTH")):
        assert refused.exit_code == 1
        assert refused.stderr.startswith(f"Error: {place} does not let us in: {says}")
        assert refused.stderr.count("\n") == 1


def test_no_server_is_one_line_and_status_1(recorded: Recorded, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    base = ("--queue", "mail", "--from", "0", "--into", "again")

    for url in (f"redis://127.0.0.1:{port}", f"unix://{tmp_path}/socket"):
        result = run(tmp_path, *base, "--server", url)

        assert result.exit_code == 1
        assert result.stderr.startswith("Error: no answer from ")
        assert result.stderr.count("\n") == 1


def test_a_server_that_ends_stops_it(recorded: Recorded, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"+OK\r\n")
                connection.recv(4096)
                connection.sendall(b"$1\r\na\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        result = again(tmp_path, ServerProcess(None, port=port))
        thread.join()

    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: no answer from 127.0.0.1:{port}: ")
    assert result.stderr.endswith("; pushed 0, already there 0, of 3 jobs: go on with --from 0\n")


INTO = ("--queue", "mail", "--from", "0", "--into", "again")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--from", "1"), "--from is about --into"),
        (("--to", "1"), "--to is about --into"),
        (("--which", "dead"), "--which is about --into"),
        (("--server", "redis://x"), "--server is about --into"),
        (("--dry-run",), "--dry-run is about --into"),
        (("--into", "again", "--from", "0"), "--into needs --queue"),
        (("--into", "again", "--queue", "mail"), "--into needs --from"),
        ((*INTO, "--at", "1"), "--at shows what was"),
        ((*INTO, "--position", "1"), "--position shows what was"),
        ((*INTO, "--diff", "1"), "--diff shows what was"),
        ((*INTO, "--to", "0"), "positions begin at 1"),
        ((*INTO, "--from", "2", "--to", "2"), "--from is not before --to"),
        (
            (*INTO, "--from", "2023-11-14T22:13:21Z", "--to", "2023-11-14T22:13:20Z"),
            "--from is not before --to",
        ),
        ((*INTO, "--from", "yesterday"), "'yesterday' is no time"),
        ((*INTO, "--which", "lost"), "'lost' is not one of"),
        ((*INTO, "--into", ""), "--into is the name of a queue, 1 to 255 bytes"),
        ((*INTO, "--into", "x" * 256), "--into is the name of a queue, 1 to 255 bytes"),
        ((*INTO, "--server", "localhost:6479"), "'localhost:6479' is no address of a server"),
        ((*INTO, "--server", "rediss://localhost"), "'rediss://localhost' is no address"),
        ((*INTO, "--server", "redis://"), "'redis://' is no address of a server"),
        ((*INTO, "--server", "unix://"), "'unix://' is no address of a server"),
        ((*INTO, "--server", "redis://:secret@x:high"), "'redis://x:high' is no address"),
        ((*INTO, "--server", "redis://x/16"), "'redis://x/16' has no database"),
        ((*INTO, "--server", "redis://x/mail"), "they are 0 to 15, not 'mail'"),
        ((*INTO, "--server", "redis://x?db=1"), "'redis://x?db=1' says more"),
    ],
)
def test_what_does_not_go_together_is_bad_usage(
    recorded: Recorded, tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    result = run(tmp_path, *words)

    assert result.exit_code == 2
    assert says in " ".join(result.stderr.split())
    assert "secret" not in result.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--queue", "post"), "there was no queue 'post' in database 0"),
        (("--db", "1"), "there was no queue 'mail' in database 1"),
        (("--to", "7"), "the journal ends at position 6, 2023-11-14T22:13:24.000Z"),
        (("--from", "3", "--to", "2023-11-14T22:13:21Z"), "the range ends before it begins"),
    ],
)
def test_a_range_without_an_answer_is_one_line(
    recorded: Recorded, tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    result = run(tmp_path, *INTO, *words)

    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {says}")
    assert result.stderr.count("\n") == 1
