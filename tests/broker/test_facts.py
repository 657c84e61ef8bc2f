from __future__ import annotations

from typing import Annotated

import pytest

from respq.broker.call import Call
from respq.broker.command import Arg, Command, Flags
from respq.broker.facts import KeySpec, acl_categories, flag_words, information, key_specs
from respq.broker.table import CommandTable, Container
from respq.resp.replies import OK, Reply, SetOf, Simple

Key = Annotated[bytes, Arg(bytes, kind="key", is_key=True)]
Word = Annotated[bytes, Arg(bytes)]
KeyNotX = Annotated[bytes, Arg(bytes, kind="key", is_key=True, matches=lambda raw: raw != b"NX")]
NX = Annotated[bool, Arg(bool, token=b"NX")]
Pair = Annotated[bytes, Arg(bytes, kind="key", values=("key", "value"), is_key=True, step=2)]
Number = Annotated[int, Arg(int, kind="integer", counts=True)]


def one_key(call: Call, key: Key, word: Word) -> Reply:
    """Take one key."""
    return OK


def two_keys(call: Call, source: Key, destination: Key) -> Reply:
    """Take two keys."""
    return OK


def all_keys(call: Call, *key: Key) -> Reply:
    """Take keys to the end."""
    return OK


def pairs(call: Call, *pair: Pair) -> Reply:
    """Take keys and values."""
    return OK


def keys_before_options(call: Call, *key: KeyNotX, nx: NX = False) -> Reply:
    """Take keys up to an option."""
    return OK


def counted_keys(call: Call, destination: Key, numkeys: Number, *key: Key) -> Reply:
    """Take one key, and as many as a number says."""
    return OK


def no_keys(call: Call, *word: Word) -> Reply:
    """Take no key."""
    return OK


def declared(name: str, handler: object, flags: Flags, group: str = "keys", *also: str) -> Command:
    table = CommandTable()
    table.command(name, group=group, since="1.0.0", flags=flags, categories=also)(handler)  # type: ignore[arg-type]
    return next(iter(table))


@pytest.mark.parametrize(
    ("name", "handler", "specs", "legacy"),
    [
        ("GET", one_key, [KeySpec(1)], [1, 1, 1]),
        ("BOX GET", one_key, [KeySpec(2)], [2, 2, 1]),
        ("RENAME", two_keys, [KeySpec(1), KeySpec(2)], [1, 2, 1]),
        ("EXISTS", all_keys, [KeySpec(1, to_the_end=True)], [1, -1, 1]),
        ("ZUNION", counted_keys, [KeySpec(1), KeySpec(2, first_after=1)], [1, 1, 1]),
        ("SORT", keys_before_options, [KeySpec(1, to_the_options=True)], [0, 0, 0]),
        ("MSET", pairs, [KeySpec(1, to_the_end=True, step=2)], [1, -1, 2]),
        ("ECHO", no_keys, [], [0, 0, 0]),
    ],
)
def test_key_positions_follow_from_the_signature(
    name: str, handler: object, specs: list[KeySpec], legacy: list[int]
) -> None:
    command = declared(name, handler, Flags.READONLY)

    assert key_specs(command) == specs
    described = information(command)
    assert isinstance(described, list)
    assert described[3:6] == legacy


def test_flags_are_redis_words_and_ours_stay_at_home() -> None:
    flags = Flags.WRITE | Flags.DENYOOM | Flags.FAST | Flags.STATELESS | Flags.DRAIN
    command = declared("SET", one_key, flags)

    assert flag_words(command) == [b"write", b"denyoom", b"fast"]


def test_keys_that_are_counted_or_end_at_an_option_are_movable() -> None:
    assert b"movablekeys" in flag_words(declared("ZUNION", counted_keys, Flags.READONLY))
    assert b"movablekeys" in flag_words(declared("SORT", keys_before_options, Flags.READONLY))
    assert b"movablekeys" not in flag_words(declared("EXISTS", all_keys, Flags.READONLY))


def test_categories_come_from_flags_and_group() -> None:
    assert acl_categories(declared("GET", one_key, Flags.READONLY | Flags.FAST)) == [
        "keyspace",
        "read",
        "fast",
    ]
    stop = declared("STOP", no_keys, Flags.ADMIN, "server")
    assert acl_categories(stop) == ["admin", "dangerous", "slow"]
    pop = declared("POP", one_key, Flags.WRITE | Flags.BLOCKING, "queue")
    assert acl_categories(pop) == ["queue", "write", "blocking", "slow"]


def test_further_categories_can_be_declared_and_none_stands_twice() -> None:
    stop = declared("STOP", no_keys, Flags.ADMIN, "server", "dangerous", "connection")

    assert acl_categories(stop) == ["admin", "dangerous", "slow", "connection"]


def test_a_container_is_described_by_its_subcommands_and_help() -> None:
    table = CommandTable()
    table.add(declared("BOX OPEN", one_key, Flags.WRITE))

    box = table.entries[b"BOX"]
    assert isinstance(box, Container)
    described = information(box)

    assert isinstance(described, list)
    assert described[:7] == [b"box", -2, SetOf(), 0, 0, 0, SetOf([Simple(b"@slow")])]
    assert [each[0] for each in described[9]] == [b"box|open", b"box|help"]


def test_a_container_that_is_a_command_too_is_described_as_both() -> None:
    table = CommandTable()
    table.add(declared("BOX OPEN", one_key, Flags.WRITE))
    table.add(declared("BOX", no_keys, Flags.READONLY | Flags.FAST))

    described = information(table.entries[b"BOX"])

    assert isinstance(described, list)
    assert described[:3] == [b"box", -1, SetOf([Simple(b"readonly"), Simple(b"fast")])]
    assert [each[0] for each in described[9]] == [b"box|open", b"box|help"]
    assert [command.name for command in table] == ["BOX", "BOX OPEN"]
