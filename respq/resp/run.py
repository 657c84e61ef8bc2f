"""A pipeline of one command: requests that differ in their last argument only.

    *3 $5 QPUSH $4 mail $5 hello   *3 $5 QPUSH $4 mail $3 bye   …
    └────── the head ─────┘        └────── the same ────┘

Producers and workers pipeline the same command for the same queue. Such bytes are split at
the head, by one call, into what lies between: the header of a last argument and its bytes.
It is a proof, not a guess: if each of the pieces has exactly the size that its header
announces, then no other reading of these bytes is possible. Where one has not (an argument
may well hold what looks like a request), the run ends before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

from respq.resp.short import SIZES, read_short

_SIZE_WORDS = {header[:-2]: size for header, size in SIZES.items()}


class Run:
    """Requests that differ in their last argument only: ``head + [last]`` for each of ``lasts``."""

    __slots__ = ("head", "lasts")

    def __init__(self, head: list[bytes], lasts: list[bytes]) -> None:
        self.head = head
        self.lasts = lasts

    def __len__(self) -> int:
        """Return the number of requests."""
        return len(self.lasts)

    @property
    def size_bytes(self) -> int:
        """Number of bytes of all arguments."""
        return sum(map(len, self.lasts)) + len(self.lasts) * sum(map(len, self.head))

    def first(self, count: int) -> Run:
        """Return the first ``count`` requests of the run."""
        return Run(self.head, self.lasts[:count])

    def after(self, count: int) -> Run:
        """Return the run without its first ``count`` requests."""
        return Run(self.head, self.lasts[count:])

    def __iter__(self) -> Iterator[list[bytes]]:
        """Yield each request."""
        head = self.head
        return ([*head, last] for last in self.lasts)


_NONE = Run([], [])


def read_run(data: bytes, position: int, bytes_max: int) -> tuple[Run, int]:
    """Return the run that begins at ``position``, and its end; an empty one if none does.

    It is not longer than ``bytes_max``.
    """
    short = read_short(data, position, bytes_max)
    if short is None or len(short[0]) == 1:
        return _NONE, position
    first, stop = short
    size = len(first[-1])
    header = b"$%d\r\n" % size
    begin = stop - 2 - size
    mark = begin - len(header)
    head = data[position:mark]
    if not data.startswith(head, stop):
        return _NONE, position
    # Most runs have arguments of one size: then the pieces are the arguments themselves.
    lasts = data[begin : position + bytes_max].split(b"\r\n" + head + header)
    _mend_tail(lasts, size)
    if len(lasts) > 1 and set(map(len, lasts)) == {size}:
        return Run(first[:-1], lasts), position + len(lasts) * (stop - position)
    pieces = data[mark : position + bytes_max].split(b"\r\n" + head)
    tail_header = pieces[-1].partition(b"\r\n")[0]
    _mend_tail(pieces, len(tail_header) + 2 + _SIZE_WORDS.get(tail_header, 0))
    parted = [piece.partition(b"\r\n") for piece in pieces]
    sizes = [_SIZE_WORDS.get(each[0]) for each in parted]
    lasts = [each[2] for each in parted]
    if sizes != list(map(len, lasts)):
        lasts = [last for size, last in takewhile(_is_whole, zip(sizes, lasts, strict=True))]
    if len(lasts) < 2:
        return _NONE, position
    pieces_bytes = sum(map(len, pieces[: len(lasts)]))
    return Run(first[:-1], lasts), position + pieces_bytes + len(lasts) * (len(head) + 2)


def _mend_tail(pieces: list[bytes], size: int) -> None:
    """Cut the last piece to ``size`` if a line ends there, and drop it otherwise."""
    tail = pieces.pop()
    if tail[size : size + 2] == b"\r\n":
        pieces.append(tail[:size])


def _is_whole(sized: tuple[int | None, bytes]) -> bool:
    size, argument = sized
    return size == len(argument)
