from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from respq.config import Settings
from respq.errors import NoAuth, RespqError
from respq.resp.replies import NULL_ARRAY, OK, Simple
from tests.handlers.real_redis import RealRedis, say
from tests.harness import Client, Harness

WRONG = "WRONGPASS invalid username-password pair or user is disabled."


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRedis]:
    redis = RealRedis(Path(tmp_path_factory.mktemp("redis")))
    yield redis
    redis.close()


@pytest.fixture
def locked() -> Client:
    return Harness(Settings(password="sesame")).default


def error_of(client: Client, line: str) -> str:
    reply = client.say(line)
    assert isinstance(reply, RespqError)
    return f"{reply.prefix} {reply}"


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize(
    "line",
    [
        "PING",
        "PING hello",
        "PING a b",
        "ECHO hello",
        "ECHO",
        "SELECT 3",
        "SELECT 16",
        "SELECT -1",
        "RESET",
        "RESET now",
        "AUTH",
        "AUTH guess",
        "AUTH default guess",
        "AUTH somebody guess",
        "HELLO 4",
        "HELLO 1",
        "HELLO three",
        "HELLO 99999999999999999999",
        "HELLO 2 AUTH somebody guess",
        "CLIENT GETNAME",
        "CLIENT SETNAME worker",
        "CLIENT NO-EVICT ON",
        "CLIENT UNBLOCK 999999",
        "CLIENT KILL 1.2.3.4:5",
        "CLIENT KILL ID 999999",
        "CLIENT KILL ID none",
        "CLIENT KILL ID 0",
        "CLIENT KILL TYPE alien",
        "CLIENT KILL USER somebody",
        "CLIENT KILL",
        "CLIENT LIST TYPE alien",
        "CLIENT LIST TYPE pubsub",
        "CLIENT LIST ID none",
        "CLIENT",
        "CLIENT NONE",
        "CLIENT MAINT_NOTIFICATIONS ON",
        "CONFIG",
        "CONFIG GET",
        "CONFIG GET save",
        "CONFIG GET appendfsync-nothing",
        "INFO nothing",
        "COMMAND INFO nothing",
        "COMMAND DOCS nothing",
        "COMMAND NONE",
        "COMMAND GETKEYS ping now",
        "COMMAND GETKEYS nothing now",
        "COMMAND GETKEYS exists a b",
        "COMMAND LIST FILTERBY MODULE nothing",
        "COMMAND LIST FILTERBY ACLCAT nothing",
        "NOTHING a b",
        "TIME now",
        "DISCARD",
    ],
)
def test_the_reply_is_redis_own(redis: RealRedis, line: str, protocol: int) -> None:
    real, ours = redis.connect(), Harness().default
    if protocol == 3:
        real.say("HELLO 3")
        ours.say("HELLO 3")

    expected = real.say(line)
    real.close()

    assert say(ours, line) == expected


def test_hello_shows_the_server_in_the_shape_of_redis(redis: RealRedis) -> None:
    real, ours = redis.connect(), Harness().default

    for line in ("HELLO", "HELLO 2", "HELLO 3", "HELLO 3 SETNAME worker"):
        (expected_kind, expected), (kind, reply) = real.say(line), say(ours, line)

        assert kind == expected_kind
        assert len(reply) == len(expected)
        if kind == "%":
            assert [name for name, _ in reply] == [name for name, _ in expected]
            assert [value[0] for _, value in reply] == [value[0] for _, value in expected]
    assert real.say("CLIENT GETNAME") == say(ours, "CLIENT GETNAME") == ("$", b"worker")
    real.close()


def test_hello_without_a_version_keeps_the_protocol() -> None:
    client = Harness().default
    client.say("HELLO 3")

    reply = client.say("HELLO")

    assert reply[b"proto"] == 3
    assert client.session.protocol == 3


def test_hello_names_the_version_that_info_names() -> None:
    harness = Harness()

    version = harness.say("HELLO 3")[b"version"]

    assert b"redis_version:%b\r\n" % version in harness.say("INFO server").text


def test_a_refused_hello_changes_nothing() -> None:
    client = Harness().default

    assert isinstance(client.say("HELLO 3 AUTH somebody guess SETNAME me"), RespqError)
    assert isinstance(client.say("HELLO 4 SETNAME me"), RespqError)
    assert isinstance(client.say("HELLO AUTH default guess"), RespqError)

    assert client.session.protocol == 2
    assert client.session.name == b""


def test_with_a_password_nothing_but_the_door_is_open(locked: Client) -> None:
    for line in ("PING", "QPUSH mail hello", "MULTI", "CLIENT ID", "INFO", "COMMAND", "SHUTDOWN"):
        assert error_of(locked, line) == "NOAUTH Authentication required."

    assert isinstance(locked.say("HELLO 3"), NoAuth)
    assert locked.session.protocol == 2
    assert locked.say("RESET") == Simple(b"RESET")
    assert locked.say("AUTH sesame") is OK
    assert locked.say("PING") == Simple(b"PONG")


def test_an_unknown_command_is_told_before_auth_as_redis_does(locked: Client) -> None:
    assert error_of(locked, "NOTHING") == (
        "ERR unknown command 'NOTHING', with args beginning with: "
    )


@pytest.mark.parametrize(
    "line",
    [
        "AUTH sesame",
        "AUTH default sesame",
        "HELLO 3 AUTH default sesame",
        "HELLO 2 AUTH default sesame",
    ],
)
def test_the_password_opens(locked: Client, line: str) -> None:
    assert not isinstance(locked.say(line), RespqError)

    assert locked.session.authenticated
    assert locked.say("QPOP mail") is NULL_ARRAY


@pytest.mark.parametrize(
    "line",
    ["AUTH Sesame", "AUTH sesam", "AUTH sesamee", "AUTH root sesame", "HELLO 3 AUTH default x"],
)
def test_anything_but_the_password_does_not(locked: Client, line: str) -> None:
    assert error_of(locked, line) == WRONG

    assert not locked.session.authenticated
    assert error_of(locked, "PING") == "NOAUTH Authentication required."


def test_a_wrong_password_does_not_lock_who_is_in(locked: Client) -> None:
    locked.say("AUTH sesame")

    assert error_of(locked, "AUTH guess") == WRONG
    assert locked.say("PING") == Simple(b"PONG")


def test_a_password_that_is_not_ascii_works() -> None:
    client = Harness(Settings(password="öffne dich")).default

    assert client.ask(b"AUTH", "öffne".encode()).prefix == "WRONGPASS"
    assert client.ask(b"AUTH", b"\xff\x00").prefix == "WRONGPASS"
    assert client.ask(b"AUTH", "öffne dich".encode()) is OK


def test_quit_answers_and_then_closes() -> None:
    client = Harness().default

    assert client.say("QUIT") is OK

    assert client.session.closing


def test_quit_and_reset_run_at_once_within_multi() -> None:
    client = Harness().default
    client.say("MULTI")
    client.say("QPUSH mail hello")

    assert client.say("RESET") == Simple(b"RESET")
    assert error_of(client, "EXEC") == "ERR EXEC without MULTI"
    client.say("MULTI")
    assert client.say("QUIT") is OK
    assert client.session.closing


def test_hello_and_select_within_multi_are_queued() -> None:
    client = Harness().default
    client.say("MULTI")
    assert client.say("SELECT 3") == Simple(b"QUEUED")
    assert client.say("HELLO 3") == Simple(b"QUEUED")
    assert (client.session.db, client.session.protocol) == (0, 2)

    client.say("EXEC")

    assert (client.session.db, client.session.protocol) == (3, 3)


def test_reset_brings_the_connection_back_to_its_start(locked: Client) -> None:
    locked.say("HELLO 3 AUTH default sesame SETNAME me")
    locked.say("SELECT 3")
    locked.say("CLIENT NO-EVICT ON")
    locked.say("CLIENT NO-TOUCH ON")

    locked.say("RESET")

    session = locked.session
    assert (session.protocol, session.db, session.name) == (2, 0, b"")
    assert (session.no_evict, session.no_touch) == (False, False)
    assert error_of(locked, "PING") == "NOAUTH Authentication required."


def test_databases_are_namespaces_of_their_own() -> None:
    client = Harness().default
    client.say("QPUSH mail hello")

    assert client.say("SELECT 1") is OK
    assert client.say("QLEN mail") == 0
    assert client.say("SELECT 0") is OK
    assert client.say("QLEN mail") == 1


@pytest.mark.parametrize("line", ["SELECT 1.0", "SELECT one", "SELECT 99999999999999999999"])
def test_a_database_is_an_integer(line: str) -> None:
    assert Harness().refusal(line).startswith("ERR value is not an integer or out of range")


def test_while_loading_only_the_listed_commands_run() -> None:
    harness = Harness()
    harness.broker.loading = True

    for line in ("PING", "ECHO hello", "QLEN mail", "DBSIZE", "SHUTDOWN"):
        assert error_of(harness.default, line).startswith("LOADING ")
    for line in (
        "HELLO 3",
        "SELECT 1",
        "CLIENT ID",
        "CLIENT LIST",
        "CONFIG GET save",
        "INFO",
        "COMMAND COUNT",
        "COMMAND DOCS",
        "TIME",
        "QUEUE HELP",
        "MULTI",
        "RESET",
        "QUIT",
    ):
        assert not isinstance(harness.say(line), RespqError), line


def test_while_draining_a_connection_can_still_be_looked_after() -> None:
    harness = Harness()
    harness.broker.drain()

    for line in ("PING", "HELLO 3", "CLIENT LIST", "INFO", "CONFIG GET save", "TIME", "COMMAND"):
        assert not isinstance(harness.say(line), RespqError), line
    assert error_of(harness.default, "QPUSH mail hello").startswith("SHUTDOWN ")
