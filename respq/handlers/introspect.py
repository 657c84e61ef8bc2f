"""COMMAND: what the commands are, all of it generated from their declarations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from respq.broker.call import Call
from respq.broker.command import Arg, Command, Flags
from respq.broker.docs import documentation
from respq.broker.facts import acl_categories, information, key_specs
from respq.broker.glob import glob
from respq.broker.table import CommandTable, Container
from respq.errors import RespqError, SyntaxFault
from respq.handlers.arguments import Bulk
from respq.resp.replies import Reply

TABLE = CommandTable()
_FLAGS = Flags.STATELESS | Flags.LOADING | Flags.DRAIN
_CONNECTION = ("connection",)
"""Redis lets whoever may use a connection ask what the commands are."""

Entry = Command | Container


def _read_filter(kind: bytes, value: bytes) -> tuple[bytes, bytes]:
    kind = kind.upper()
    if kind not in (b"MODULE", b"ACLCAT", b"PATTERN"):
        raise SyntaxFault("syntax error: FILTERBY is by MODULE, ACLCAT or PATTERN")
    return kind, value


Names = Annotated[bytes, Arg(bytes, values=("command-name",), optional=True)]
Words = Annotated[bytes, Arg(bytes, optional=True)]
FilterBy = Annotated[
    tuple[bytes, bytes] | None,
    Arg(_read_filter, values=("MODULE|ACLCAT|PATTERN", "value"), token=b"FILTERBY"),
]


@TABLE.command("COMMAND", group="server", since="0.1.0", flags=_FLAGS, categories=_CONNECTION)
def command(call: Call) -> Reply:
    """Describe every command to a program."""
    return _everything(call)


@TABLE.command("COMMAND COUNT", group="server", since="0.1.0", flags=_FLAGS, categories=_CONNECTION)
def command_count(call: Call) -> Reply:
    """Count the commands."""
    return len(call.broker.table.entries)


@TABLE.command("COMMAND INFO", group="server", since="0.1.0", flags=_FLAGS, categories=_CONNECTION)
def command_info(call: Call, *names: Names) -> Reply:
    """Describe commands to a program: arity, flags, keys, categories."""
    if not names:
        return _everything(call)
    found = (_find(call, name) for name in names)
    return [None if entry is None else information(entry) for entry in found]


@TABLE.command("COMMAND DOCS", group="server", since="0.1.0", flags=_FLAGS, categories=_CONNECTION)
def command_docs(call: Call, *names: Names) -> Reply:
    """Describe commands to people: summary, arguments, options."""
    entries: Iterator[Entry] = iter(call.broker.table.entries.values())
    if names:
        found = (_find(call, name) for name in names)
        entries = (entry for entry in found if entry is not None)
    return {_full_name(entry): documentation(entry) for entry in entries}


@TABLE.command("COMMAND LIST", group="server", since="0.1.0", flags=_FLAGS, categories=_CONNECTION)
def command_list(call: Call, *, filterby: FilterBy = None) -> Reply:
    """List the names of commands."""
    entries = _all_entries(call)
    if filterby is None:
        return [_full_name(entry) for entry in entries]
    kind, value = filterby
    if kind == b"MODULE":
        return []
    if kind == b"ACLCAT":
        wanted = value.decode("ascii", "replace").lower()
        return [_full_name(entry) for entry in entries if wanted in acl_categories(entry)]
    matches = glob(value.lower())
    return [name for name in map(_full_name, entries) if matches(name)]


@TABLE.command(
    "COMMAND GETKEYS", group="server", since="0.1.0", flags=_FLAGS, categories=_CONNECTION
)
def command_getkeys(call: Call, command: Bulk, *arg: Words) -> Reply:
    """Return the keys of a whole command."""
    request = [command, *arg]
    try:
        found = call.broker.resolve(request)
    except RespqError:
        raise RespqError("Invalid command specified") from None
    if not key_specs(found):
        raise RespqError("The command has no key arguments")
    try:
        found.check_arity(request)
    except RespqError:
        raise RespqError("Invalid number of arguments specified for command") from None
    keys: list[Reply] = [request[place] for place in found.key_positions(request)]
    if not keys and any(spec.first_after for spec in key_specs(found)):
        raise RespqError("Invalid arguments specified for command")
    return keys


def _everything(call: Call) -> Reply:
    return [information(entry) for entry in call.broker.table.entries.values()]


def _find(call: Call, full_name: bytes) -> Entry | None:
    """Return what a name such as ``queue|create`` names."""
    first, _, second = full_name.upper().partition(b"|")
    entry = call.broker.table.entries.get(first)
    if not second:
        return entry
    return entry.find(second) if isinstance(entry, Container) else None


def _all_entries(call: Call) -> Iterator[Entry]:
    """Yield every command and container, each container's subcommands behind it."""
    for entry in call.broker.table.entries.values():
        yield entry
        if isinstance(entry, Container):
            yield from entry.subcommands.values()
            yield entry.help


def _full_name(entry: Entry) -> bytes:
    name = entry.full_name if isinstance(entry, Command) else entry.name.lower()
    return name.encode()
