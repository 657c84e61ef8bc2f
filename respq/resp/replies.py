"""The values that a handler returns; the encoder writes them for RESP2 or RESP3.

int                  an integer
bytes                a bulk string
None                 nothing: a null bulk string in RESP2
NULL_ARRAY           nothing, where an array would be: a null array in RESP2
list                 an array
tuple                an array of bulk strings only, which is written fastest
Simple               a simple string, as OK
RespqError           an error
dict                 a map; in RESP2 an array of keys and values
set, frozenset       a set; in RESP2 an array
bool                 a boolean; in RESP2 1 or 0
float                a double; in RESP2 a bulk string
Verbatim             text for people; in RESP2 a bulk string
Push                 out-of-band data; in RESP2 an array
Replies              several of these in a row, as SUBSCRIBE answers
Encoded              bytes of the wire, the same in both
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from respq.errors import RespqError


class NullArray:
    """The class of `NULL_ARRAY`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NULL_ARRAY"


NULL_ARRAY: Final = NullArray()
"""What a command that answers an array answers when there is none."""


@dataclass(frozen=True, slots=True)
class Simple:
    """A simple string: a word of the protocol, without CR and LF."""

    text: bytes
    line: bytes = field(init=False, repr=False, compare=False)
    """Its bytes on the wire."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "line", b"+%b\r\n" % self.text)


OK: Final = Simple(b"OK")


class SetOf(list["Reply"]):
    """A set that is written in this order, and may hold what has no hash."""


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Text that a client should show as it is."""

    text: bytes


@dataclass(slots=True)
class Push:
    """Data that answers no request, as a message of a channel.

    Many may be told the same one: its bytes are made once for each protocol, and kept.
    """

    items: Sequence[Reply]
    in_resp2: bytes = field(default=b"", init=False, repr=False, compare=False)
    in_resp3: bytes = field(default=b"", init=False, repr=False, compare=False)


class Replies(list["Reply"]):
    """Replies that follow one another; not one reply, so it stands in no other."""


@dataclass(slots=True)
class Encoded:
    """A reply that has been encoded, the same in both protocols."""

    data: bytes


# To mypy text is a sequence, too; the encoder refuses it.
Reply: TypeAlias = (
    "bool | int | float | bytes | NullArray | Simple | Verbatim | Push | Encoded | RespqError"
    " | Sequence[Reply] | Mapping[bytes, Reply] | AbstractSet[Reply] | None"
)
