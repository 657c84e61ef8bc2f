"""One function a command; the modules are named as the folders under commands/."""

from respq.broker.table import CommandTable
from respq.handlers import (
    administer,
    client,
    connection,
    dead,
    flow,
    hashes,
    info,
    introspect,
    keys,
    lists,
    pubsub,
    queue,
    schedule,
    scripting,
    server,
    sets,
    sort,
    streams,
    strings,
    transaction,
    worker,
    zsets,
)

_MODULES = (
    queue,
    dead,
    flow,
    administer,
    schedule,
    worker,
    keys,
    strings,
    lists,
    hashes,
    sets,
    zsets,
    streams,
    sort,
    transaction,
    scripting,
    pubsub,
    connection,
    client,
    server,
    info,
    introspect,
)


def command_table() -> CommandTable:
    """Return every command that the server knows."""
    table = CommandTable()
    for module in _MODULES:
        table.merge(module.TABLE)
    return table
