"""Replies as the values from which Lua builds them."""

from __future__ import annotations

from typing import Any

import pytest

from respq.broker.lua.tokens import tokens
from respq.errors import NoQueue
from respq.resp.replies import NULL_ARRAY, OK, SetOf, Verbatim


@pytest.mark.parametrize(
    ("reply", "in_resp2", "in_resp3"),
    [
        (b"a", [b"a"], [b"a"]),
        (7, [7], [7]),
        (2**64 - 1, [float(2**64 - 1)], [float(2**64 - 1)]),
        (None, [False], [True, b"n"]),
        (NULL_ARRAY, [False], [True, b"n"]),
        (True, [1], [True, b"t"]),
        (False, [0], [False]),
        (1.5, [b"1.5"], [True, b"d", 1.5]),
        (OK, [True, b"s", b"OK"], [True, b"s", b"OK"]),
        (NoQueue("x"), [True, b"e", b"NOQUEUE x"], [True, b"e", b"NOQUEUE x"]),
        (Verbatim(b"x"), [b"x"], [True, b"v", b"x"]),
        ({b"a": 1}, [True, b"a", 2, b"a", 1], [True, b"m", 1, b"a", 1]),
        (SetOf([b"a"]), [True, b"a", 1, b"a"], [True, b"S", 1, b"a"]),
        ([[b"a"], ()], [True, b"a", 2, True, b"a", 1, b"a", True, b"a", 0], None),
    ],
)
def test_a_reply_in_tokens(reply: Any, in_resp2: list[Any], in_resp3: list[Any] | None) -> None:
    assert tokens(reply, 2) == in_resp2
    assert tokens(reply, 3) == (in_resp2 if in_resp3 is None else in_resp3)


def test_what_is_no_reply_is_a_fault() -> None:
    with pytest.raises(TypeError, match="object is no reply"):
        tokens(object(), 2)  # type: ignore[arg-type]
