"""Redis' glob patterns: ``*``, ``?``, ``[abc]``, ``[^a-z]`` and a backslash before any byte.

Between two stars stands a run of atoms that take one byte each, so its length is known:
the first run must stand at the start of the name, the last at its end, and each of the
others is taken where it is found first. That is O(name × pattern) for every pattern,
where a backtracking matcher takes exponential time for ``*a*a*a*a*b``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from respq.config import PATTERN_BYTES_MAX
from respq.errors import TooBig


def check_pattern(pattern: bytes) -> bytes:
    """Return a pattern that `glob` takes.

    Raises:
        TooBig: for a pattern over `PATTERN_BYTES_MAX`.
    """
    if len(pattern) > PATTERN_BYTES_MAX:
        raise TooBig(f"a pattern is up to {PATTERN_BYTES_MAX} bytes long, not {len(pattern)}")
    return pattern


@lru_cache(maxsize=256)
def glob(pattern: bytes) -> Callable[[bytes], bool]:
    """Return a function that tells whether a name matches, byte by byte.

    Raises:
        TooBig: for a pattern over `PATTERN_BYTES_MAX`.
    """
    runs = _runs(check_pattern(pattern))
    compiled = [re.compile(b"".join(run), re.DOTALL) for run in runs]
    first, middle, last = compiled[0], compiled[1:-1], compiled[-1]
    first_length, last_length = len(runs[0]), len(runs[-1])
    if len(runs) == 1:
        return lambda name: first.fullmatch(name) is not None

    def matches(name: bytes) -> bool:
        place = first_length
        end = len(name) - last_length
        if end < place or not first.match(name) or not last.match(name, end):
            return False
        for run in middle:
            found = run.search(name, place, end)
            if found is None:
                return False
            place = found.end()
        return True

    return matches


def _runs(pattern: bytes) -> list[list[bytes]]:
    """Return the atoms between the stars, as expressions that each match one byte."""
    runs: list[list[bytes]] = [[]]
    place = 0
    while place < len(pattern):
        byte = pattern[place : place + 1]
        place += 1
        if byte == b"*":
            runs.append([])
        elif byte == b"?":
            runs[-1].append(b".")
        elif byte == b"[":
            expression, place = _class(pattern, place)
            runs[-1].append(expression)
        else:
            if byte == b"\\" and place < len(pattern):
                byte = pattern[place : place + 1]
                place += 1
            runs[-1].append(re.escape(byte))
    return runs


def _class(pattern: bytes, place: int) -> tuple[bytes, int]:
    """Return the expression of the class that begins at ``place``, and where it ends."""
    negated = pattern[place : place + 1] == b"^"
    place += negated
    members: set[int] = set()
    while place < len(pattern) and pattern[place] != ord("]"):
        if pattern[place] == ord("\\") and place + 1 < len(pattern):
            members.add(pattern[place + 1])
            place += 2
        elif place + 2 < len(pattern) and pattern[place + 1] == ord("-"):
            low, high = sorted((pattern[place], pattern[place + 2]))
            members.update(range(low, high + 1))
            place += 3
        else:
            members.add(pattern[place])
            place += 1
    place += 1
    if not members:
        return (b"." if negated else b"(?!)"), place
    listed = b"".join(re.escape(bytes([member])) for member in sorted(members))
    return (b"[^%b]" if negated else b"[%b]") % listed, place
