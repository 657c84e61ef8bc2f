from __future__ import annotations

from dataclasses import fields

import pytest

from respq.config import Settings
from respq.errors import RespqError
from tests.harness import START_MS, Harness


def config(harness: Harness, line: str) -> dict[bytes, bytes]:
    settings: dict[bytes, bytes] = harness.say(line)
    return settings


def test_time_is_seconds_and_microseconds_of_the_turn() -> None:
    harness = Harness()
    harness.pass_ms(1_234)

    assert START_MS % 1_000 == 0
    assert harness.say("TIME") == [b"%d" % (START_MS // 1_000 + 1), b"234000"]


def test_it_is_a_master_and_no_part_of_a_cluster() -> None:
    harness = Harness()

    assert harness.say("ROLE") == [b"master", 0, []]
    for line in ("CLUSTER SLOTS", "CLUSTER NODES", "CLUSTER KEYSLOT a"):
        assert harness.refusal(line) == "ERR This instance has cluster support disabled"


def test_config_tells_clients_what_they_ask_of_redis() -> None:
    harness = Harness(Settings(fsync="everysec", maxclients=77, idle_timeout_ms=90_500))

    assert config(harness, "CONFIG GET appendonly appendfsync save maxmemory maxmemory-policy") == {
        b"appendonly": b"yes",
        b"appendfsync": b"everysec",
        b"save": b"",
        b"maxmemory": b"0",
        b"maxmemory-policy": b"noeviction",
    }
    assert config(harness, "CONFIG GET maxclients timeout databases port bind") == {
        b"maxclients": b"77",
        b"timeout": b"90",
        b"databases": b"16",
        b"port": b"6479",
        b"bind": b"127.0.0.1",
    }
    assert config(harness, "CONFIG GET proto-max-bulk-len") == {b"proto-max-bulk-len": b"16777216"}


def test_config_tells_the_limit_that_holds() -> None:
    harness = Harness(Settings(maxmemory=3 << 20))

    assert config(harness, "CONFIG GET maxmemory") == {b"maxmemory": b"3145728"}


def test_config_of_a_server_without_a_journal_says_so() -> None:
    harness = Harness(Settings(memory=True))

    assert config(harness, "CONFIG GET appendonly") == {b"appendonly": b"no"}
    assert config(harness, "CONFIG GET memory") == {b"memory": b"yes"}


def test_config_knows_every_setting_by_its_own_name_but_the_password() -> None:
    harness = Harness(Settings(password="sesame"))
    harness.say("AUTH sesame")

    everything = config(harness, "CONFIG GET *")

    own = {each.name.encode() for each in fields(Settings)}
    assert own - everything.keys() == {b"password"}
    assert b"sesame" not in everything.values()
    assert config(harness, "CONFIG GET requirepass password") == {}


def test_config_takes_patterns_in_any_case_and_shows_each_setting_once() -> None:
    harness = Harness()

    shown = config(harness, "CONFIG GET MaxMem* maxmemory append[of]* nothing")

    assert list(shown) == [b"appendfsync", b"appendonly", b"maxmemory", b"maxmemory-policy"]


@pytest.mark.parametrize(
    ("line", "now"),
    [
        ("SHUTDOWN", False),
        ("shutdown nosave", False),
        ("SHUTDOWN SAVE", False),
        ("SHUTDOWN NOW FORCE", True),
    ],
)
def test_shutdown_asks_the_runtime_to_stop(line: str, now: bool) -> None:
    harness = Harness()
    assert not harness.broker.stop_wanted

    harness.say(line)

    assert harness.broker.stop_wanted
    assert harness.broker.stop_now is now
    assert harness.default.session.killed


@pytest.mark.parametrize("line", ["SHUTDOWN LATER", "SHUTDOWN SAVE NOSAVE", "SHUTDOWN NOW NOW"])
def test_a_shutdown_that_is_not_understood_does_not_stop(line: str) -> None:
    harness = Harness()

    assert harness.refusal(line).startswith("ERR syntax error near ")
    assert not harness.broker.stop_wanted


def test_shutdown_save_is_refused_where_nothing_is_kept_unless_forced() -> None:
    harness = Harness(Settings(memory=True))

    assert harness.refusal("SHUTDOWN SAVE").startswith("ERR Errors trying to SHUTDOWN")
    assert not harness.broker.stop_wanted
    harness.say("SHUTDOWN SAVE FORCE")
    assert harness.broker.stop_wanted


def test_shutdown_has_no_place_in_a_transaction() -> None:
    harness = Harness()
    harness.say("MULTI")

    refused = harness.say("SHUTDOWN")

    assert str(refused) == "Command not allowed inside a transaction"
    aborted = harness.say("EXEC")
    assert isinstance(aborted, RespqError)
    assert aborted.prefix == "EXECABORT"
    assert not harness.broker.stop_wanted
