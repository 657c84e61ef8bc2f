"""A pipeline of one command: requests for one key that differ in their last arguments.

    *3 $5 QPUSH $4 mail $5 hello   *3 $5 QPUSH $4 mail $3 bye   …
    └────── the head ─────┘        └────── the same ────┘

Producers and workers pipeline the same command for the same queue. Such bytes are split at
the head, by one call, into what lies between: the header of a last argument and its bytes.
It is a proof, not a guess: if each of the pieces has exactly the size that its header
announces, then no other reading of these bytes is possible. Where one has not (an argument
may well hold what looks like a request), the run ends before it.

Requests that differ in more than their last argument are read first, and then put together
(`gather`): one for one key after the other, as ``HSET key field value``.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, takewhile
from operator import itemgetter

from respq.resp.short import SIZES, read_short

_SIZE_WORDS = {header[:-2]: size for header, size in SIZES.items()}


class Run:
    """Requests that begin with the same words: ``[*head, *row]`` for each row of the columns."""

    __slots__ = ("columns", "head", "lasts")

    def __init__(self, head: list[bytes], *columns: list[bytes]) -> None:
        self.head = head
        self.columns = columns
        """What differs: for each word behind the head a list with that of each request."""
        self.lasts = columns[-1]

    @property
    def is_narrow(self) -> bool:
        """Whether they differ in their last argument only."""
        return len(self.columns) == 1

    def __len__(self) -> int:
        """Return the number of requests."""
        return len(self.lasts)

    @property
    def size_bytes(self) -> int:
        """Number of bytes of all arguments."""
        differing = sum(sum(map(len, column)) for column in self.columns)
        return differing + len(self.lasts) * sum(map(len, self.head))

    def first(self, count: int) -> Run:
        """Return the first ``count`` requests of the run."""
        return Run(self.head, *[column[:count] for column in self.columns])

    def after(self, count: int) -> Run:
        """Return the run without its first ``count`` requests."""
        return Run(self.head, *[column[count:] for column in self.columns])

    def __iter__(self) -> Iterator[list[bytes]]:
        """Yield each request."""
        head = self.head
        return ([*head, *row] for row in zip(*self.columns, strict=True))


_KEY = itemgetter(slice(2))
_WIDE_MIN = 4
"""Words of a request with more than one behind its key."""


def gather(requests: list[list[bytes]]) -> list[list[bytes] | Run]:
    """Put requests together that follow one another and have the same name and the same key.

    They must have the same number of words, and more than one behind the key: those that have
    one are found by `read_run` as they are read.
    """
    run = _run_of(requests)
    if run is not None:
        return [run]
    gathered: list[list[bytes] | Run] = []
    for _, found in groupby(requests, key=_KEY):
        alike = list(found)
        run = _run_of(alike)
        gathered += alike if run is None else [run]
    return gathered


def _run_of(requests: list[list[bytes]]) -> Run | None:
    """Return the run that requests are; None if they are none."""
    if len(requests) < 2 or len(requests[0]) < _WIDE_MIN or requests[0][:2] != requests[-1][:2]:
        return None
    if len(set(map(len, requests))) > 1:
        return None
    names, keys, *columns = zip(*requests, strict=True)
    if not names.count(names[0]) == keys.count(keys[0]) == len(requests):
        return None
    return Run(requests[0][:2], *map(list, columns))


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
