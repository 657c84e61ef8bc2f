from __future__ import annotations

import pytest
from redis._parsers.helpers import parse_client_info, parse_client_list

from respq.config import CLIENT_NAME_BYTES_MAX
from respq.errors import RespqError, Unblocked
from respq.resp.replies import NULL_ARRAY, OK
from tests.harness import WAITS, Client, Harness

# In the order of Redis 7.2.
FIELDS = (
    "id addr laddr fd name age idle flags db sub psub ssub multi qbuf qbuf-free argv-mem "
    "multi-mem rbs rbp obl oll omem tot-mem events cmd user redir resp lib-name lib-ver"
)


def listed(client: Client, line: str = "CLIENT LIST") -> list[dict[str, str]]:
    """Return what redis-py makes of the lines."""
    lines: list[dict[str, str]] = parse_client_list(client.say(line).text)
    return lines


def ids(client: Client, line: str = "CLIENT LIST") -> set[int]:
    return {int(each["id"]) for each in listed(client, line)}


def test_every_connection_has_a_line_of_redis_fields_in_redis_order() -> None:
    harness = Harness()
    harness.client()

    lines = harness.say("CLIENT LIST").text.decode().splitlines()

    assert len(lines) == 2
    for line in lines:
        assert " ".join(field.partition("=")[0] for field in line.split(" ")) == FIELDS


def test_a_line_tells_what_its_client_has_said() -> None:
    harness = Harness()
    client = harness.client()
    client.say("HELLO 3 SETNAME worker-1")
    client.say("SELECT 2")
    client.say("CLIENT SETINFO LIB-NAME redis-py")
    client.say("CLIENT SETINFO lib-ver 8.0.0")
    harness.pass_ms(61_000)
    client.say("QLEN mail")
    harness.pass_ms(5_999)

    line = listed(harness.default, f"CLIENT LIST ID {client.session.id}")[0]

    assert line["addr"] == client.session.address
    assert (line["name"], line["db"], line["resp"]) == ("worker-1", "2", "3")
    assert (line["lib-name"], line["lib-ver"]) == ("redis-py", "8.0.0")
    assert (line["age"], line["idle"]) == ("66", "5")
    assert (line["cmd"], line["user"], line["flags"]) == ("qlen", "default", "N")


def test_a_line_tells_that_a_client_waits_or_collects_a_transaction() -> None:
    harness = Harness()
    waiting, collecting = harness.client(), harness.client()
    assert waiting.say("QPOP mail BLOCK 0") is WAITS
    collecting.say("MULTI")
    collecting.say("QPUSH mail hello")
    collecting.say("QPUSH mail world")

    lines = listed(harness.default)

    assert [line["flags"] for line in lines] == ["N", "b", "x"]
    assert [line["multi"] for line in lines] == ["-1", "-1", "2"]
    assert [int(line["multi-mem"]) for line in lines] == [0, 0, 2 * len("QPUSHmailhello")]


def test_a_line_tells_what_the_connection_has_in_its_buffers() -> None:
    harness = Harness()
    session = harness.client().session
    session.fd, session.buffered = 9, lambda: (26, 400)

    line = listed(harness.default)[1]

    assert (line["fd"], line["qbuf"], line["obl"], line["tot-mem"]) == ("9", "26", "400", "426")


def test_info_is_the_line_of_the_connection_itself() -> None:
    harness = Harness()
    client = harness.client()

    info = parse_client_info(client.say("CLIENT INFO").text)

    assert info["id"] == client.session.id == client.say("CLIENT ID")
    assert info["cmd"] == "client|info"


def test_a_list_can_be_of_some_ids_or_of_a_type() -> None:
    harness = Harness()
    for _ in range(3):
        harness.client()

    assert ids(harness.default) == {1, 2, 3, 4}
    assert ids(harness.default, "CLIENT LIST ID 2 4 99") == {2, 4}
    assert ids(harness.default, "CLIENT LIST TYPE NORMAL") == {1, 2, 3, 4}
    assert ids(harness.default, "CLIENT LIST TYPE replica") == set()
    assert harness.refusal("CLIENT LIST ID").startswith("ERR syntax error near 'ID'")
    assert harness.refusal("CLIENT LIST ID 1 TYPE normal") == "ERR Invalid client ID"
    assert harness.refusal("CLIENT LIST TYPE normal ID 1") == "ERR syntax error near 'ID'"
    assert harness.refusal("CLIENT LIST ALL") == "ERR syntax error near 'ALL'"


def test_a_name_is_kept_until_it_is_taken_away() -> None:
    client = Harness().default
    assert client.say("CLIENT GETNAME") is None

    client.say("CLIENT SETNAME worker-1")
    assert client.say("CLIENT GETNAME") == b"worker-1"

    client.ask(b"CLIENT", b"SETNAME", b"")
    assert client.say("CLIENT GETNAME") is None


@pytest.mark.parametrize("name", [b"a b", b"a\nid=1", b"a\x00", b"\xff", b"\x7f"])
def test_a_name_cannot_break_the_list(name: bytes) -> None:
    client = Harness().default

    refusals = [
        client.ask(b"CLIENT", b"SETNAME", name),
        client.ask(b"HELLO", b"3", b"SETNAME", name),
        client.ask(b"CLIENT", b"SETINFO", b"LIB-NAME", name),
        client.ask(b"CLIENT", b"SETINFO", b"LIB-VER", name),
    ]

    assert [str(each).partition(" cannot contain")[0] for each in refusals] == [
        "Client names",
        "Client names",
        "LIB-NAME",
        "LIB-VER",
    ]
    session = client.session
    assert (session.name, session.library, session.library_version) == (b"", b"", b"")


def test_a_name_is_not_longer_than_the_limit() -> None:
    client = Harness().default

    assert client.ask(b"CLIENT", b"SETNAME", b"n" * CLIENT_NAME_BYTES_MAX) is OK
    refusal = client.ask(b"CLIENT", b"SETNAME", b"n" * (CLIENT_NAME_BYTES_MAX + 1))

    assert isinstance(refusal, RespqError)
    assert len(client.say("CLIENT GETNAME")) == CLIENT_NAME_BYTES_MAX


def test_only_the_library_can_be_told_by_setinfo() -> None:
    assert Harness().refusal("CLIENT SETINFO lib-mood fine") == (
        "ERR Unrecognized option 'lib-mood'"
    )


def test_maint_notifications_are_an_unknown_subcommand() -> None:
    assert Harness().refusal("CLIENT MAINT_NOTIFICATIONS ON") == (
        "ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP."
    )


def test_the_address_alone_kills_who_is_there() -> None:
    harness = Harness()
    other = harness.client()

    assert harness.say(f"CLIENT KILL {other.session.address}") is OK

    assert other.session.killed
    assert harness.broker.closing == [other.session]
    assert harness.refusal(f"CLIENT KILL {other.session.address}") == "ERR No such client"


def test_filters_kill_those_that_all_of_them_fit() -> None:
    harness = Harness()
    first, second = harness.client(), harness.client()
    second.session.local_address = "10.0.0.1:6479"
    number, address = first.session.id, first.session.address

    assert harness.say(f"CLIENT KILL ID {number} ADDR 10.9.9.9:1") == 0
    assert harness.say("CLIENT KILL TYPE pubsub") == 0
    assert harness.say(f"CLIENT KILL ID {number} ADDR {address} TYPE normal USER default") == 1
    assert first.session.killed
    assert harness.say("CLIENT KILL LADDR 10.0.0.1:6479") == 1
    assert second.session.killed


def test_a_client_spares_itself_unless_it_says_otherwise() -> None:
    harness = Harness()
    others = [harness.client(), harness.client()]
    me = harness.default.session

    assert harness.say("CLIENT KILL TYPE normal") == 2
    assert [each.session.killed for each in others] == [True, True]
    assert not me.closing

    assert harness.say("CLIENT KILL SKIPME no") == 1
    assert me.closing
    assert not me.killed  # It still gets the reply.


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("CLIENT KILL", "wrong number of arguments for 'client|kill' command"),
        ("CLIENT KILL ID", "syntax error near 'ID': ID client-id"),
        ("CLIENT KILL SKIPME maybe", "SKIPME is one of YES, NO, not 'maybe'"),
        ("CLIENT KILL 1.2.3.4:5 ID 3", "syntax error: an address alone, or filters"),
        ("CLIENT KILL COLOUR red", "syntax error near 'red'"),
    ],
)
def test_a_kill_that_is_not_understood_kills_nobody(line: str, error: str) -> None:
    harness = Harness()
    other = harness.client()

    assert harness.refusal(line) == f"ERR {error}"
    assert not other.session.killed


def test_nothing_is_popped_for_a_waiter_that_was_killed() -> None:
    harness = Harness()
    killed, alive = harness.client(), harness.client()
    killed.say("QPOP mail BLOCK 0")
    alive.say("QPOP mail BLOCK 0")

    harness.say(f"CLIENT KILL ID {killed.session.id}")
    harness.say("QPUSH mail hello")

    assert killed.inbox == []
    assert [reply[2] for reply in alive.inbox] == [b"hello"]
    assert killed.session.id not in ids(harness.default)


def test_unblock_ends_a_wait_as_if_its_time_were_over() -> None:
    harness = Harness()
    waiting = harness.client()
    waiting.say("QPOP mail BLOCK 0")

    assert harness.say(f"CLIENT UNBLOCK {waiting.session.id}") == 1

    assert waiting.inbox == [NULL_ARRAY]
    assert harness.say(f"CLIENT UNBLOCK {waiting.session.id} TIMEOUT") == 0
    harness.say("QPUSH mail hello")
    assert len(waiting.inbox) == 1


def test_unblock_can_end_a_wait_with_an_error() -> None:
    harness = Harness()
    waiting = harness.client()
    waiting.say("QPOP mail BLOCK 0")

    assert harness.say(f"CLIENT UNBLOCK {waiting.session.id} error") == 1

    assert isinstance(waiting.inbox[0], Unblocked)
    assert str(waiting.inbox[0]) == "client unblocked via CLIENT UNBLOCK"
    assert waiting.say("PING").text == b"PONG"


def test_unblock_leaves_those_alone_who_do_not_wait() -> None:
    harness = Harness()
    idle = harness.client()

    assert harness.say(f"CLIENT UNBLOCK {idle.session.id}") == 0
    assert harness.say("CLIENT UNBLOCK 99") == 0
    assert idle.inbox == []


def test_no_evict_shows_in_the_flags() -> None:
    client = Harness().default

    client.say("CLIENT NO-EVICT on")
    assert listed(client)[0]["flags"] == "e"
    client.say("CLIENT NO-EVICT OFF")
    assert listed(client)[0]["flags"] == "N"
    assert str(client.say("CLIENT NO-EVICT maybe")) == "NO-EVICT is one of ON, OFF, not 'maybe'"


def test_no_touch_shows_in_the_flags() -> None:
    client = Harness().default

    client.say("CLIENT NO-TOUCH on")
    assert listed(client)[0]["flags"] == "T"
    client.say("CLIENT NO-TOUCH OFF")
    assert listed(client)[0]["flags"] == "N"
    assert str(client.say("CLIENT NO-TOUCH maybe")) == "NO-TOUCH is one of ON, OFF, not 'maybe'"
