"""Whatever comes over the socket: an error or an end, never a traceback, never all memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from respq.config import BULK_BYTES_MAX, INLINE_BYTES_MAX, MIB
from tests.server.waiting import until_connected
from tests.server.wire import Wire, peak_mib, request, requests, resident_mib
from tests.server_process import ServerProcess

MUCH_MIB = 48
"""What an attack may take for a moment: far less than what it asks for."""
NOT_RESP = "ERR Protocol error: "
NAME = "n" * 255


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with ServerProcess(None) as server:
        with Wire(server.port) as client:
            client.say("QUEUE CREATE there")
        yield server
        assert "Traceback" not in "".join(server.log)


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Wire]:
    """Connect; and whatever the test did, the server still serves."""
    with Wire(server.port) as client:
        yield client
    with Wire(server.port) as other:
        assert other.say("PING") == b"PONG"


@contextlib.contextmanager
def bounded(server: ServerProcess, most_mib: int = MUCH_MIB) -> Iterator[None]:
    """Assert that the server never needs much more memory than before."""
    before_mib = resident_mib(server.pid)
    Path(f"/proc/{server.pid}/clear_refs").write_text("5")  # Starts the peak anew.
    yield
    assert peak_mib(server.pid) - before_mib < most_mib


# Bytes that are no request.


@pytest.mark.parametrize(
    ("stream", "text"),
    [
        (b"*abc\r\n", "invalid multibulk length"),
        (b"*2147483647\r\n", "invalid multibulk length"),
        (b"*99999999999999999999\r\n", "invalid multibulk length"),
        (b"*-99999999999999999999\r\n", "invalid multibulk length"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$-99\r\n", "invalid bulk length"),
        (b"*1\r\n$99999999999999999999\r\n", "invalid bulk length"),
        (b"*1\r\n*1\r\n$4\r\nPING\r\n", "expected '$', got '*'"),
        (b"*2\r\n$4\r\nECHO\r\n*1\r\n$1\r\nx\r\n", "expected '$', got '*'"),
        (b"*2\r\n$4\r\nECHO\r\n:5\r\n", "expected '$', got ':'"),
        (b"*2\r\n$4\r\nECHO\r\n+x\r\n", "expected '$', got '+'"),
        (b"*2\r\n$4\r\nECHO\r\n-x\r\n", "expected '$', got '-'"),
        (b"*2\r\n$4\r\nECHO\r\n#t\r\n", "expected '$', got '#'"),
        (b"*2\r\n$4\r\nECHO\r\n_\r\n", "expected '$', got '_'"),
        (b"*2\r\n$4\r\nECHO\r\n,1.5\r\n", "expected '$', got ','"),
        (b"*2\r\n$4\r\nECHO\r\n(12345\r\n", "expected '$', got '('"),
        (b"*2\r\n$4\r\nECHO\r\n=5\r\ntxt:x\r\n", "expected '$', got '='"),
        (b"*2\r\n$4\r\nECHO\r\n~1\r\n$1\r\nx\r\n", "expected '$', got '~'"),
        (b"*2\r\n$4\r\nECHO\r\n%1\r\n$1\r\nk\r\n$1\r\nv\r\n", "expected '$', got '%'"),
        (b"*2\r\n$4\r\nECHO\r\n>1\r\n$1\r\nx\r\n", "expected '$', got '>'"),
        (b"*2\r\n$4\r\nECHO\r\n|1\r\n$1\r\nk\r\n$1\r\nv\r\n", "expected '$', got '|'"),
        (b'ECHO "no end\r\n', "unbalanced quotes in request"),
        (b"x" * (INLINE_BYTES_MAX + 1), "too big inline request"),
        (b"*" + b"1" * INLINE_BYTES_MAX, "too big mbulk count string"),
        (b"*1\r\n$" + b"1" * INLINE_BYTES_MAX, "too big bulk count string"),
    ],
)
def test_no_request_is_an_error_behind_the_replies_before_it_and_the_end(
    server: ServerProcess, client: Wire, stream: bytes, text: str
) -> None:
    with bounded(server):
        client.send(requests("PING\nQLEN q") + stream + requests("QPUSH never x"))

        assert client.rest() == [b"PONG", 0, NOT_RESP + text]

    with Wire(server.port) as other:
        assert other.say("QLEN never") == 0


@pytest.mark.parametrize(
    "line",
    [
        b"\x00\x01\xff\xfe \x80 garbage",
        b"howdy there",
        b":5",
        b"#t",
        b"_",
        b",1.5",
        b"%1",
        b"~1",
        b">1",
        b"+OK",
        b"$5",
        b"x" * (INLINE_BYTES_MAX - 1),
        b"SSH-2.0-OpenSSH_9.2p1",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.0",
        b"OPTIONS sip:nm SIP/2.0",
    ],
)
def test_inline_garbage_is_an_error_and_the_connection_stays(client: Wire, line: bytes) -> None:
    client.send(line + b"\r\n")

    reply = client.read()
    assert isinstance(reply, str)
    assert reply.startswith(("ERR unknown command '", "ERR wrong number of arguments for 'get'"))
    assert len(reply) < 1_000
    assert client.say("PING") == b"PONG"


def test_empty_requests_get_no_reply(client: Wire) -> None:
    client.send(b"\r\n \t \r\n\n*0\r\n*-1\r\n*-5\r\n" + request("PING"))

    assert client.read() == b"PONG"


@pytest.mark.parametrize(
    "stream",
    [
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 14\r\n\r\nQPUSH never x\r\n",
        b"post / HTTP/1.1\r\n\r\nQPUSH never x\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n\r\nQPUSH never x\r\n",
        b"GET /healthz HTTP/1.1\r\nUser-Agent: curl/8\r\nhost: x\r\n\r\nQPUSH never x\r\n",
        request("POST", "/", "HTTP/1.1") + request("QPUSH", "never", "x"),
        request("MULTI") + b"POST / HTTP/1.1\r\n" + request("QPUSH", "never", "x"),
    ],
)
def test_http_ends_the_connection_before_its_body_is_run(
    server: ServerProcess, client: Wire, stream: bytes
) -> None:
    client.send(stream)

    for reply in client.rest():
        assert reply == b"OK" or reply.startswith("ERR "), reply
    with Wire(server.port) as other:
        assert other.say("QLEN never") == 0


# Bytes that take their time, and many of them.


def test_requests_may_come_one_byte_at_a_time(client: Wire) -> None:
    stream = requests("QPUSH bytewise hello\nQLEN bytewise") + b"PING\r\n" + requests("ECHO 'a b'")

    for byte in stream:
        client.send(bytes([byte]))

    assert client.read_many(4)[1:] == [1, b"PONG", b"a b"]


def test_half_a_command_takes_no_memory_and_keeps_nobody_waiting(server: ServerProcess) -> None:
    halves = [
        b"*3\r\n$5\r\nQPUSH\r\n$1\r\nq\r\n$16000000\r\nbegin",
        b"*1048576\r\n$4\r\nQACK\r\n",
        b"*2\r\n$4\r\nEC",
        b"QPUSH q hal",
        b"*",
    ]
    with contextlib.ExitStack() as all_of_them, bounded(server):
        silent = [all_of_them.enter_context(Wire(server.port)) for _ in range(200)]
        for number, each in enumerate(silent):
            each.send(halves[number % len(halves)])

        with Wire(server.port) as other:
            assert other.say("PING") == b"PONG"
            assert other.say("INFO clients").count(b"connected_clients:201") == 1
        # They were heard: what completes the command is answered.
        silent[2].send(b"HO\r\n$1\r\nx\r\n")
        assert silent[2].read() == b"x"


def test_a_hundred_thousand_arguments_are_answered(server: ServerProcess, client: Wire) -> None:
    receipts = [f"{number}:never-{number}" for number in range(100_000)]

    with bounded(server, 96):
        refused = client.ask("QACK", "q", *receipts)
        assert client.ask("DEL", *receipts) == 0
        too_many = client.ask("QMPUSH", "q", 100_000, *receipts)

    assert refused == "ERR 100000 receipts at once are over the limit of 10000"
    assert too_many == "ERR the count is from 1 to 10000, not 100000"
    assert client.say("QLEN q") == 0


def test_headers_that_promise_much_take_nothing(server: ServerProcess) -> None:
    with contextlib.ExitStack() as all_of_them, bounded(server):
        for _ in range(50):
            each = all_of_them.enter_context(Wire(server.port))
            each.send(b"*1048576\r\n$16777216\r\n")
        with Wire(server.port) as other:
            other.send(b"*1\r\n" * 200_000)  # Each an array whose first element is an array.
            assert other.rest() == [NOT_RESP + "expected '$', got '*'"]


def test_a_payload_over_the_limit_is_discarded_and_refused(
    server: ServerProcess, client: Wire
) -> None:
    size = 200 * MIB

    with bounded(server):
        client.send(b"*3\r\n$5\r\nQPUSH\r\n$5\r\nlarge\r\n$%d\r\n" % size)
        for _ in range(size // MIB):
            client.send(b"x" * MIB)
        client.send(b"\r\n")
        refusal = client.read()

    assert refusal.startswith(f"TOOBIG argument of {size} bytes is over the limit of {16 * MIB} ")
    assert client.say("QLEN large") == 0


def test_a_payload_of_the_limit_is_taken_and_one_byte_more_is_not(client: Wire) -> None:
    assert isinstance(client.ask("QPUSH", "limit", b"x" * 16 * MIB), bytes)
    assert client.ask("QPUSH", "limit", b"x" * (16 * MIB + 1)).startswith("TOOBIG ")
    assert client.ask("ECHO", b"x" * (16 * MIB + 1)).startswith("TOOBIG ")
    assert len(client.say("QPOP limit NOACK")[2]) == 16 * MIB


def test_a_bulk_over_512_mib_is_an_error_and_the_end(client: Wire) -> None:
    client.send(b"*3\r\n$5\r\nQPUSH\r\n$1\r\nq\r\n$%d\r\n" % (BULK_BYTES_MAX + 1))

    assert client.rest() == [NOT_RESP + "invalid bulk length"]


@pytest.mark.parametrize(
    "words",
    [
        ("QPUSH", "q", b"x", "FOO"),
        ("QPUSH", "q", b"x", "DELAY", "soon"),
        ("QPUSH", "q", b"x", "PRIORITY", "high"),
        ("QACK", "q", b"x"),
        ("SELECT", b"x"),
        ("NOSUCH", b"x"),
        ("QUEUE", b"x"),
        ("QSCHED", "ADD", "q", "s", b"x", "CRON", "* * * *"),
    ],
)
def test_a_large_request_that_is_refused_leaves_no_bytes_behind(
    server: ServerProcess, client: Wire, words: tuple[bytes | str, ...]
) -> None:
    large = [b"x" * 4 * MIB if word == b"x" else word for word in words]

    with bounded(server):
        for _ in range(30):
            assert isinstance(client.ask(*large), str)


@pytest.mark.parametrize(
    "begun",
    [
        b"*3\r\n$5\r\nQPUSH\r\n$1\r\nq\r\n$8000000\r\n" + b"x" * 4 * MIB,
        request("QPOP", "nothing", "BLOCK", 0) + b"x" * 4 * MIB,
        request("MULTI") + request("QPUSH", "q", b"x" * 4 * MIB),
    ],
)
def test_a_client_that_leaves_in_the_midst_of_much_leaves_no_bytes_behind(
    server: ServerProcess, client: Wire, begun: bytes
) -> None:
    with bounded(server):
        for _ in range(30):
            with Wire(server.port) as leaving:
                leaving.send(begun)
        until_connected(client, 1)


def test_a_transaction_takes_no_more_than_its_limit(server: ServerProcess, client: Wire) -> None:
    with bounded(server, 160):
        client.say("MULTI")
        replies = [client.ask("QPUSH", "q", b"x" * 4 * MIB) for _ in range(60)]
        assert replies[:15] == [b"QUEUED"] * 15
        assert replies[15].startswith("TOOBIG the transaction holds 67")
        assert client.say("EXEC").startswith("EXECABORT ")
    assert client.say("EXISTS q") == 0


def test_a_request_over_the_query_limit_is_an_error_and_the_end(server: ServerProcess) -> None:
    piece = b"$%d\r\n%b\r\n" % (MIB, b"x" * MIB)

    with bounded(server, 160), Wire(server.port) as client:
        client.send(b"*1000\r\n$6\r\nQMPUSH\r\n")
        with contextlib.suppress(ConnectionError):  # It does not take them all.
            for _ in range(200):
                client.send(piece)
        replies = client.rest()

    # A connection that is closed with bytes unread may lose what was said last.
    assert replies in ([], [NOT_RESP + f"too big request, over {64 * MIB} bytes"])


def test_strangers_may_not_say_much(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, "--password", "secret", "--fsync", "no") as server:
        for stream in (b"*11\r\n", b"*2\r\n$4\r\nAUTH\r\n$16385\r\n"):
            with Wire(server.port) as client:
                client.send(stream)
                assert client.rest()[0].startswith(NOT_RESP + "unauthenticated ")
        with Wire(server.port) as client:
            client.send(requests("PING\nQPUSH q x\nAUTH wrong\nAUTH secret\nQPUSH q x"))
            replies = client.read_many(5)
            assert [str(each)[:9] for each in replies[:3]] == [
                "NOAUTH Au",
                "NOAUTH Au",
                "WRONGPASS",
            ]
            assert replies[3] == b"OK"
            assert isinstance(replies[4], bytes)


@pytest.mark.parametrize("password", ["secret", "wrong"])
def test_what_comes_behind_an_auth_in_one_packet_is_judged_by_its_outcome(password: str) -> None:
    more = request("QMPUSH", "q", 20, *range(20)) + request("ECHO", b"x" * 100_000)

    with ServerProcess(None, "--password", "secret") as server, Wire(server.port) as client:
        client.send(request("AUTH", password) + more + request("PING"))

        if password == "secret":
            replies = client.read_many(4)
            assert [len(each) for each in replies] == [2, 20, 100_000, 4]
        else:
            wrong, fault = client.rest()
            assert wrong.startswith("WRONGPASS ")
            assert fault == NOT_RESP + "unauthenticated multibulk length"


# Requests that no command can take.


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        # Names: any 1 to 255 bytes.
        (["QPUSH", "", "x"], "ERR queue name is empty"),
        (["QPUSH", "n" * 300, "x"], "TOOBIG queue name is 300 bytes long, the limit is 255"),
        (["QMPUSH", "n" * 300, 1, "x"], "TOOBIG queue name is 300 "),
        (["QUEUE", "CREATE", ""], "ERR queue name is empty"),
        (["QUEUE", "CREATE", "n" * 256], "TOOBIG queue name is 256 "),
        (["QUEUE", "RENAME", "there", ""], "ERR new queue name is empty"),
        (["QUEUE", "RENAME", "there", "n" * 300], "TOOBIG new queue name is 300 "),
        (["QSCHED", "ADD", "n" * 300, "s", "x", "EVERY", 1], "TOOBIG queue name is 300 "),
        (["QSCHED", "ADD", "q", "", "x", "EVERY", 1], "ERR schedule name is empty"),
        (["QSCHED", "ADD", "q", "s" * 300, "x", "EVERY", 1], "TOOBIG schedule name is 300 "),
        (["QPUSH", "q", "x", "ID", ""], "ERR ID is empty"),
        (["QPUSH", "q", "x", "ID", "i" * 300], "TOOBIG ID is 300 "),
        (["QPUSH", "q", "x", "IDMP", "", 1], "ERR IDMP producer is empty"),
        (["QPUSH", "q", "x", "IDMP", "p" * 300, 1], "TOOBIG IDMP producer is 300 "),
        (["QPOP", "q", "CONSUMER", ""], "ERR consumer name is empty"),
        (["QPOP", "q", "CONSUMER", "c" * 300], "TOOBIG consumer name is 300 "),
        # Priorities: from the least signed to the largest unsigned 64-bit integer.
        (["QPUSH", "q", "x", "PRIORITY", 2**64], "BADPRIORITY priority 18446744073709551616 is"),
        (["QPUSH", "q", "x", "PRIORITY", -(2**63) - 1], "BADPRIORITY priority -92233720368547758"),
        (["QPUSH", "q", "x", "PRIORITY", "9" * 5_000], "BADPRIORITY "),
        (["QPUSH", "q", "x", "PRIORITY", ""], "BADPRIORITY "),
        (["QPUSH", "q", "x", "PRIORITY", "1.5"], "BADPRIORITY priority '1.5' is not an integer"),
        (["QPUSH", "q", "x", "PRIORITY", "+1"], "BADPRIORITY "),
        (["QPUSH", "q", "x", "PRIORITY", "1_0"], "BADPRIORITY "),
        (["QPUSH", "q", "x", "PRIORITY", "٣"], "BADPRIORITY "),
        # Integers and durations.
        (["QPUSH", "q", "x", "DELAY", -1], "ERR DELAY is milliseconds"),
        (["QPUSH", "q", "x", "DELAY", 2**63], "ERR DELAY is "),
        (["QPUSH", "q", "x", "DELAY", "9" * 5_000], "ERR DELAY is "),
        (["QPUSH", "q", "x", "DELAY", "1y"], "ERR DELAY is "),
        (["QPUSH", "q", "x", "AT", -5], "ERR an instant is unix milliseconds, not '-5'"),
        (["QPUSH", "q", "x", "AT", 2**64], "ERR an instant is unix milliseconds"),
        (["QPUSH", "q", "x", "ATTEMPTS", -1], "ERR ATTEMPTS is from 0 to "),
        (["QPUSH", "q", "x", "ATTEMPTS", 2**63], "ERR value is not an integer or out of range"),
        (["QPUSH", "q", "x", "LEASE", 0], "ERR LEASE is from 1 to "),
        (["QPUSH", "q", "x", "TTL", 0], "ERR TTL is from 1 to "),
        (["QPUSH", "q", "x", "IDMP", "p", -1], "ERR the number of IDMP is from 0 to "),
        (["QPUSH", "q", "x", "IDMP", "p", 2**63], "ERR value is not an integer or out of range"),
        (["QPUSH", "q", "x", "BACKOFF", "CUBIC", 1], "ERR BACKOFF is one of FIXED, LINEAR, "),
        (["QPUSH", "q", "x", "BACKOFF", "FIXED", 2**70], "ERR the base of BACKOFF is "),
        (["QPOP", "q", "COUNT", 0], "ERR COUNT is from 1 to 10000, not 0"),
        (["QPOP", "q", "COUNT", 10_001], "ERR COUNT is from 1 to 10000, not 10001"),
        (["QPOP", "q", "COUNT", "ten"], "ERR value is not an integer or out of range: 'ten'"),
        (["QPOP", "q", "BLOCK", -1], "ERR BLOCK is "),
        (["QPOP", "q", "BLOCK", 2**63], "ERR BLOCK is "),
        (["QMPOP", 0, "q"], "ERR the count is from 1 to 10000, not 0"),
        (["QMPOP", -1, "q"], "ERR the count is from 1 to "),
        (["QMPOP", 2**31, "q"], "ERR the count is from 1 to "),
        (["QMPOP", 2, "q"], "ERR syntax error: 2 arguments should follow, but there are 1"),
        (["QMPUSH", "q", 0, "x"], "ERR the count is from 1 to 10000, not 0"),
        (["QMPUSH", "q", 3, "x"], "ERR syntax error: 3 arguments should follow, but there are 1"),
        (["SELECT", 16], "ERR DB index is out of range"),
        (["SELECT", 2**64], "ERR value is not an integer or out of range"),
        # Options, and what they want.
        (["QPUSH", "q", "x", "FOO", 1], "ERR syntax error near 'FOO'"),
        (["QPUSH", "q", "x", "DELAY"], "ERR syntax error near 'DELAY'"),
        (["QPUSH", "q", "x", "DELAY", 1, "DELAY", 2], "ERR syntax error near 'DELAY'"),
        (["QPUSH", "q", "x", "DELAY", 1, "AT", 2], "ERR syntax error near 'AT'"),
        (["QPUSH", "q", "x", b"\r\n-ERR x"], "ERR syntax error near '  -ERR x'"),
        (["QPOP", "q", "STRICT"], "ERR syntax error near 'STRICT'"),
        (["QMPOP", 1, "q", "FOO"], "ERR syntax error near 'FOO'"),
        (["QUEUE", "CREATE", "new", "FOO", 5], "ERR syntax error near 'FOO'"),
        (["QNACK", "q", "5:a", "FOO"], "ERR syntax error near 'FOO'"),
        (["QPUSH", "q"], "ERR wrong number of arguments for 'qpush' command"),
        (["QACK", "q"], "ERR wrong number of arguments for 'qack' command"),
        # Receipts that are none.
        (["QACK", "q", "junk"], "ERR 'junk' is not a receipt: one looks like "),
        (["QACK", "q", ""], "ERR '' is not a receipt"),
        (["QACK", "q", "1:"], "ERR '1:' is not a receipt"),
        (["QACK", "q", ":1"], "ERR ':1' is not a receipt"),
        (["QACK", "q", "-1:1"], "ERR '-1:1' is not a receipt"),
        (["QACK", "q", "1:a", "2:b", "junk"], "ERR syntax error near 'junk'"),
        (["QACK", "q", "1:a", "STRICT"], "BADRECEIPT receipt '1:a' is stale"),
        (["QNACK", "q", "junk"], "ERR 'junk' is not a receipt"),
        (["QTOUCH", "q", "junk", "LEASE", "1s"], "ERR syntax error near 'junk'"),
        # Schedules that cannot fire, and places that are none.
        (["QSCHED", "ADD", "q", "s", "x", "CRON", "0 0 30 2 *"], "BADCRON "),
        (["QSCHED", "ADD", "q", "s", "x", "CRON", "99 * * * *"], "BADCRON "),
        (["QSCHED", "ADD", "q", "s", "x", "CRON", "* * * *"], "BADCRON "),
        (["QSCHED", "ADD", "q", "s", "x", "CRON", ""], "BADCRON "),
        (["QSCHED", "ADD", "q", "s", "x", "CRON", "x" * 100_000], "BADCRON "),
        (["QSCHED", "ADD", "q", "s", "x", "CRON", b"\xff\0 * * * *"], "BADCRON "),
        (["QSCHED", "ADD", "q", "s", "x", "CRON", "* * * * *", "TZ", "Mars/Base"], "BADCRON "),
        (["QSCHED", "ADD", "q", "s", "x", "CRON", "* * * * *", "TZ", ""], "BADCRON "),
        (["QSCHED", "ADD", "q", "s", "x", "CRON", "* * * * *", "TZ", "../passwd"], "BADCRON "),
        (["QSCHED", "ADD", "q", "s", "x", "CRON", "* * * * *", "TZ", "/etc/passwd"], "BADCRON "),
        (["QSCHED", "ADD", "q", "s", "x", "CRON", "* * * * *", "TZ", b"\xff\0"], "BADCRON "),
        (["QSCHED", "ADD", "q", "s", "x", "CRON", "* * * * *", "TZ", "z" * 9_999], "BADCRON "),
        (["QSCHED", "ADD", "q", "s", "x"], "ERR syntax error: give one of CRON, EVERY and AT"),
        # Commands that are none.
        ([""], "ERR unknown command ''"),
        (["FOO", "a" * 9_999], "ERR unknown command 'FOO', with args beginning with: 'aaa"),
        ([b"\xff\r\n\0"], "ERR unknown command '\\xff"),
        (["QUEUE"], "ERR wrong number of arguments for 'queue' command"),
        (["QUEUE", "FOO"], "ERR unknown subcommand 'FOO'. Try QUEUE HELP."),
    ],
)
def test_a_request_that_cannot_be_is_refused_in_one_line(
    client: Wire, words: list[bytes | str | int], refusal: str
) -> None:
    reply = client.ask(*words)

    assert isinstance(reply, str), reply
    assert reply.startswith(refusal)
    assert len(reply) < 2_000
    assert client.say("PING") == b"PONG"
    assert client.ask("EXISTS", "q", "new", "n" * 300) == 0, "it left a trace"


@pytest.mark.parametrize("name", [b"\0", b"a\0b", b"\r\n", b"\xff" * 255, b" ", NAME.encode()])
def test_any_bytes_are_a_name(client: Wire, name: bytes) -> None:
    job = client.ask("QPUSH", name, b"x", "ID", name)

    assert job == name
    _, receipt, _ = client.ask("QPOP", name, "CONSUMER", name)
    assert client.ask("QACK", name, receipt) == 1
    assert client.ask("DEL", name) == 1


def test_stale_and_foreign_receipts_never_touch_the_new_delivery(client: Wire) -> None:
    client.send(requests("QPUSH mine x\nQPUSH yours y"))
    client.read_many(2)
    stale = client.say("QPOP mine")[1]
    foreign = client.say("QPOP yours")[1]
    assert client.ask("QNACK", "mine", stale, "SILENT") == 1
    fresh = client.say("QPOP mine")[1]

    for receipt in (stale, foreign, b"99999999999999999999:" + fresh.partition(b":")[2]):
        assert client.ask("QACK", "mine", receipt) == 0
        assert client.ask("QNACK", "mine", receipt, "FATAL") == 0
        assert client.ask("QTOUCH", "mine", receipt) == [0]
    assert client.ask("QACK", "mine", stale, fresh, foreign) == 1
    assert client.ask("QACK", "yours", foreign) == 1
    client.say("DEL mine yours")
