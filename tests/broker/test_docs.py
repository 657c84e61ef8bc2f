from __future__ import annotations

from typing import Annotated

from respq.broker.call import Call
from respq.broker.command import Arg, Flags
from respq.broker.docs import Doc, documentation
from respq.broker.table import CommandTable
from respq.resp.replies import OK, Reply, SetOf, Simple

Key = Annotated[bytes, Arg(bytes, kind="key", is_key=True)]
Word = Annotated[bytes, Arg(bytes)]
MaybeWord = Annotated[bytes | None, Arg(bytes)]
Words = Annotated[bytes, Arg(bytes, optional=True)]
Count = Annotated[int, Arg(int, kind="integer", values=("n",), token=b"COUNT")]
Order = Annotated[bytes, Arg(bytes, values=("MAX|MIN",), token=b"ORDER")]
Pair = Annotated[bytes, Arg(bytes, values=("producer", "n"), token=b"IDMP")]
Ids = Annotated[bytes, Arg(bytes, kind="integer", values=("id",), token=b"ID", many=True)]
Flag = Annotated[bool, Arg(bool, token=b"NX")]
Mood = Annotated[bytes, Arg(bytes, words=(b"FAIL", b"FATAL"))]
Backoff = Annotated[
    bytes,
    Arg(
        bytes,
        values=("FIXED|LINEAR", "base-ms"),
        token=b"BACKOFF",
        parts=(Arg(int, kind="integer", values=("ms",), token=b"MAX"),),
    ),
]
Delay = Annotated[int, Arg(int, values=("ms",), token=b"DELAY", excludes="delay")]
At = Annotated[int, Arg(int, kind="unix-time", values=("unix-ms",), token=b"AT", excludes="delay")]

TABLE = CommandTable()


@TABLE.command("ARGUMENTS", group="queue", since="1.2.3", flags=Flags.WRITE)
def arguments(call: Call, key: Key, word: Word, *more: Words) -> Reply:
    """Take arguments."""
    return OK


@TABLE.command("LEFT", group="queue", since="1.2.3", flags=Flags.WRITE)
def left(call: Call, word: MaybeWord = None) -> Reply:
    """Take an argument that may be left out."""
    return OK


@TABLE.command("OPTIONS", group="queue", since="1.2.3", flags=Flags.WRITE)
def options(
    call: Call,
    *,
    needed: Count,
    order: Order = b"",
    idmp: Pair = b"",
    ids: Ids = b"",
    nx: Flag = False,
    mood: Mood = b"",
    backoff: Backoff = b"",
    delay_ms: Delay = 0,
    at_ms: At = 0,
) -> Reply:
    """Take options."""
    return OK


@TABLE.command("BOX OPEN", group="queue", since="1.2.3", flags=Flags.WRITE)
def box_open(call: Call) -> Reply:
    """Open the box."""
    return OK


OPTIONAL = SetOf([Simple(b"optional")])


def word(name: bytes, kind: bytes = b"string", **fields: object) -> Doc:
    more = {key.encode(): value for key, value in fields.items()}
    return {b"name": name, b"type": kind, b"display_text": name, **more}


def token(name: bytes, **fields: object) -> Doc:
    return word(name.lower(), b"pure-token", token=name, **fields)


def node(name: bytes, kind: bytes, parts: list[Doc], **fields: object) -> Doc:
    more = {key.encode(): value for key, value in fields.items()}
    return {b"name": name, b"type": kind, **more, b"arguments": parts}


def docs(name: bytes) -> Doc:
    return documentation(TABLE.entries[name])


def option(place: int) -> Doc:
    found: Doc = docs(b"OPTIONS")[b"arguments"][place]
    return found


def test_a_command_has_summary_since_and_group() -> None:
    assert documentation(TABLE.entries[b"LEFT"]) == {
        b"summary": b"Take an argument that may be left out",
        b"since": b"1.2.3",
        b"group": b"queue",
        b"arguments": [word(b"word", flags=OPTIONAL)],
    }


def test_arguments_stand_in_order_and_keys_name_their_specification() -> None:
    assert docs(b"ARGUMENTS")[b"arguments"] == [
        word(b"key", b"key", key_spec_index=0),
        word(b"word"),
        word(b"more", flags=SetOf([Simple(b"optional"), Simple(b"multiple")])),
    ]


def test_an_option_with_a_value_has_a_token_and_only_some_must_be_given() -> None:
    assert option(0) == word(b"n", b"integer", token=b"COUNT")


def test_a_choice_of_words_is_a_oneof_of_tokens() -> None:
    choice = [token(b"MAX"), token(b"MIN")]
    assert option(1) == node(b"order", b"oneof", choice, token=b"ORDER", flags=OPTIONAL)
    bare = [token(b"FAIL"), token(b"FATAL")]
    assert option(5) == node(b"mood", b"oneof", bare, flags=OPTIONAL)


def test_several_values_are_a_block_behind_the_token() -> None:
    pair = [word(b"producer"), word(b"n")]
    assert option(2) == node(b"idmp", b"block", pair, token=b"IDMP", flags=OPTIONAL)


def test_values_to_the_end_are_a_block_of_one_that_is_repeated() -> None:
    ids = [word(b"id", b"integer", flags=SetOf([Simple(b"multiple")]))]
    assert option(3) == node(b"id", b"block", ids, token=b"ID", flags=OPTIONAL)


def test_a_flag_is_a_token_alone() -> None:
    assert option(4) == token(b"NX", flags=OPTIONAL)


def test_options_of_an_option_stand_in_its_block() -> None:
    parts = [
        node(b"fixed_linear", b"oneof", [token(b"FIXED"), token(b"LINEAR")]),
        word(b"base-ms"),
        word(b"ms", b"integer", token=b"MAX", flags=OPTIONAL),
    ]
    assert option(6) == node(b"backoff", b"block", parts, token=b"BACKOFF", flags=OPTIONAL)


def test_options_that_exclude_one_another_are_a_oneof() -> None:
    parts = [word(b"ms", token=b"DELAY"), word(b"unix-ms", b"unix-time", token=b"AT")]
    assert option(7) == node(b"delay", b"oneof", parts, flags=OPTIONAL)
    assert len(docs(b"OPTIONS")[b"arguments"]) == 8


def test_a_container_holds_the_docs_of_its_subcommands_and_help() -> None:
    box = docs(b"BOX")

    assert b"arguments" not in box
    assert list(box[b"subcommands"]) == [b"box|open", b"box|help"]
    assert box[b"subcommands"][b"box|open"][b"summary"] == b"Open the box"
    assert b"BOX HELP" in box[b"summary"]
