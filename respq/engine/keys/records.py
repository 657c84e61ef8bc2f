"""The records of keys, whatever they hold.

A key is made empty, and what is put into it follows in the records of its family, in the same
transaction; or it is said in full: small ones in one `KeyRestored`, others between `RestoreBegin`
and `RestoreEnd`. The pieces in between are of a copy that was taken at the begin. A replay keeps
what changes the key meanwhile until the end; without an end the pieces mean nothing.

A key that is there stays as it is when it is said again, as a job does.
"""

from __future__ import annotations

from typing import Any

from respq.engine.record import Record


class KeyMade(Record, tag=70):
    """A key exists, with nothing in it."""

    number: int
    db: int
    name: bytes
    kind: int
    """Of its family."""
    expires_ms: int = 0


class KeyRemoved(Record, tag=71):
    """A key is gone with what it held."""

    number: int


class KeyExpires(Record, tag=72):
    """A key is there until ``until_ms``; for ever if that is 0."""

    number: int
    until_ms: int


class KeyRenamed(Record, tag=73):
    """A key has this name, in this database, where no other has it."""

    number: int
    db: int
    name: bytes


class KeysFlushed(Record, tag=74):
    """Every key of a database is gone; queues are not."""

    db: int


class KeyRestored(Record, tag=75):
    """A key as it stands; full state."""

    number: int
    db: int
    name: bytes
    kind: int
    expires_ms: int
    items: list[Any]
    """The one piece of its value."""


class RestoreBegin(Record, tag=76):
    """The pieces of a copy of a key follow."""

    number: int
    db: int
    name: bytes
    kind: int
    expires_ms: int


class RestorePiece(Record, tag=77):
    """The next piece of it."""

    number: int
    items: list[Any]


class RestoreEnd(Record, tag=78):
    """That was all of it."""

    number: int
