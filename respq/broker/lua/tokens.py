"""A reply as the flat values from which Lua builds it (commands.py says how)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import Any

from respq.errors import RespqError
from respq.resp.encoder import encode
from respq.resp.replies import NullArray, Reply, SetOf, Simple, Verbatim

Token = bool | int | float | bytes
_INTEGER_MAX = 2**63


def tokens(reply: Reply, protocol: int) -> list[Token]:
    """Return a reply as a script sees it in RESP2 or RESP3."""
    found: list[Token] = []
    _add(reply, protocol == 3, found)
    return found


def error_text(error: RespqError) -> bytes:
    """Return an error as the line that a client would get, without the dash."""
    return encode(error, 2)[1:-2]


def double_text(number: float) -> bytes:
    """Return a double as it is written in RESP3."""
    return encode(float(number), 3)[1:-2]


def _add(reply: Reply, is_resp3: bool, found: list[Token]) -> None:
    match reply:
        case bytes():
            found.append(reply)
        case bool():
            found += _boolean(reply, is_resp3)
        case int():
            found.append(reply if abs(reply) < _INTEGER_MAX else float(reply))
        case None | NullArray():
            found += (True, b"n") if is_resp3 else (False,)
        case Simple():
            found += (True, b"s", reply.text)
        case RespqError():
            found += (True, b"e", error_text(reply))
        case float():
            found += (True, b"d", reply) if is_resp3 else (double_text(reply),)
        case Verbatim():
            found += (True, b"v", reply.text) if is_resp3 else (reply.text,)
        case Mapping():
            found += (True, b"m", len(reply)) if is_resp3 else (True, b"a", 2 * len(reply))
            _add_all(chain.from_iterable(reply.items()), is_resp3, found)
        case SetOf() | AbstractSet():
            found += (True, b"S" if is_resp3 else b"a", len(reply))
            _add_all(reply, is_resp3, found)
        case Sequence():
            found += (True, b"a", len(reply))
            _add_all(reply, is_resp3, found)
        case _:
            raise TypeError(f"{type(reply).__name__} is no reply for a script")


def _add_all(replies: Any, is_resp3: bool, found: list[Token]) -> None:
    for reply in replies:
        if reply.__class__ is bytes:
            found.append(reply)
        else:
            _add(reply, is_resp3, found)


def _boolean(value: bool, is_resp3: bool) -> tuple[Token, ...]:
    if not is_resp3:
        return (int(value),)
    return (True, b"t") if value else (False,)
