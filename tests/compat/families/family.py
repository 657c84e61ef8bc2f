"""The shape of a family: commands to be tried, and how to look at what they leave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

Request = list[bytes]
Commands = st.SearchStrategy[Request]
Normal = Callable[[Any], Any]
"""Takes a reply as a tree (tests/handlers/real_redis.py), and returns what must be the same."""

KEYS = st.sampled_from([b"a", b"b", b"c"])
"""Few, so that commands meet."""


@dataclass(frozen=True)
class Family:
    commands: list[Commands]
    """Each as likely as any other of all families."""
    looks: dict[bytes, list[list[str]]] = field(default_factory=dict)
    """By what TYPE says, the commands that show a value; ``{key}`` stands for its name."""
    normal: dict[bytes, Normal] = field(default_factory=dict)
    """By command, where replies may differ: what of them must be the same."""


def command(name: str, *arguments: Any) -> Commands:
    """Return a strategy for a command; an argument is bytes, text, or a strategy for either.

    A strategy may yield a list: these words stand there, perhaps none.
    """
    parts = [each if isinstance(each, st.SearchStrategy) else st.just(each) for each in arguments]
    return st.tuples(*parts).map(lambda values: words(name, *values))


def words(*values: Any) -> Request:
    """Return values as the words of a request."""
    found: Request = []
    for value in values:
        if isinstance(value, list | tuple):
            found += words(*value)
        else:
            found.append(value if isinstance(value, bytes) else str(value).encode())
    return found


def some_of(*options: Any) -> st.SearchStrategy[list[Any]]:
    """Return a strategy for none or one of these, often none."""
    return st.one_of(st.just([]), st.sampled_from([list(words(each)) for each in options]))


def in_any_order(reply: Any) -> Any:
    """Return an array whose order means nothing, sorted."""
    kind, items = reply
    return (kind, sorted(items)) if isinstance(items, list) else reply


def kind_alone(reply: Any) -> Any:
    """Return only what kind of reply it is, and whether it is null."""
    return reply[0], reply[1] is None
