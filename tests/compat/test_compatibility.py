"""docs/compatibility.md is true of respq and of a real Redis."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from respq.handlers import command_table
from respq.resp.encoder import encode
from tests.compat.compatibility import DIFFERENCES, LEFT_OUT, PAGE, Difference, refreshed, words_of
from tests.handlers.real_redis import RealRedis
from tests.harness import Harness
from tests.rediscli import shown

OURS = {command.name for command in command_table()}
LEFT = {name for names in LEFT_OUT for name in words_of(names)}


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRedis]:
    server = RealRedis(Path(tmp_path_factory.mktemp("redis")))
    yield server
    server.close()


def is_left_out(name: str) -> bool:
    """Return whether it is named, or its container is."""
    return name in LEFT or name.split()[0] in LEFT


def names_of(redis: RealRedis) -> set[str]:
    """Return every command of a Redis, with the subcommands of its containers for them."""
    connection = redis.connect()
    _, commands = connection.say("COMMAND")
    connection.close()
    names = set()
    for _, facts in commands:
        name, subcommands = facts[0][1], facts[9][1] if len(facts) > 9 else []
        names |= {each[1][0][1] for each in subcommands} or {name}
    return {name.decode().upper().replace("|", " ") for name in names}


def test_the_page_is_fresh() -> None:
    text = PAGE.read_text(encoding="utf-8")

    assert text == refreshed(text), "`make pages` refreshes it"


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda each: each.command)
def test_a_difference_is_as_the_page_shows_it(redis: RealRedis, difference: Difference) -> None:
    client, connection = Harness().client(), redis.connect()
    connection.say("FLUSHALL")

    for line in (*difference.after, difference.command):
        request = [word.encode() for word in shlex.split(line)]
        ours = shown(encode(client.ask(*request), 2))
        connection.send(request)
        theirs = shown(connection.read_bytes())
    connection.close()

    assert (theirs, ours) == (difference.redis, difference.respq)
    assert theirs != ours


def test_every_command_of_redis_is_there_or_is_said_to_be_left_out(redis: RealRedis) -> None:
    missing = {name for name in names_of(redis) if not OURS & {name, name.split()[0]}}

    assert {name for name in missing if not is_left_out(name) and " HELP" not in name} == set()


def test_every_container_that_is_there_helps(redis: RealRedis) -> None:
    containers = {name.split()[0] for name in OURS if " " in name}

    for name in sorted(names_of(redis)):
        container, _, word = name.partition(" ")
        if word == "HELP" and container in containers:
            reply: Any = Harness().say(name)
            assert f"{container} <subcommand>" in str(reply[0])


def test_nothing_that_is_left_out_is_there() -> None:
    harness = Harness()

    assert {name for name in OURS if is_left_out(name)} == set()
    for name in LEFT:
        refusal = harness.refusal(name)
        assert "unknown command" in refusal or "unknown subcommand" in refusal
