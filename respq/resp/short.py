"""One short request that is there as a whole, read without looking for anything.

Nearly every request begins with one of 81 headers, and nearly every size has one, two
or three digits: each is one look-up of as many bytes as it would have. What is not found
is left to the exact reader in parser.py, which gives the same answer for all that is.

A client mostly repeats itself: the same few commands for the same queue, with another last
argument. So for each of the 81 headers it is remembered how the last request with it went on
(`Heads`), and words that come again are not read again.
"""

from __future__ import annotations

import re

_HEADS = {
    b"*%d\r\n$%d\r\n" % (count, size): (count - 1, size)
    for count in range(1, 10)
    for size in range(1, 10)
}
"""The count of a request with the size of its first argument: how many more, and the size."""
SIZES = {b"$%d\r\n" % size: size for size in range(1_000)}
"""The size that the header of an argument announces."""
_LARGE_SIZE = re.compile(rb"\$([1-9]\d{3,6})\r\n").match


Words = tuple[bytes, ...]
Alone = tuple[Words, bytes]
"""One request: the words before its last argument, and that."""
Heads = dict[bytes, tuple[int, bytes, int, Words]]
"""By its first header, of the last request that was alone: its size; its bytes up to its last
argument; how many of them come before the header of that; the words that they are."""


def read_alone(data: bytes, heads: Heads, bytes_max: int) -> Alone | None:
    """Return the request that ``data`` is, as `read_short` would; None if it is not just one."""
    known = heads.get(data[:8])
    if known is not None:
        size, start, header, words = known
        if len(data) == size and data.startswith(start):
            return words, data[len(start) : -2]
        if data.startswith(start[:header]) and len(data) <= bytes_max:
            for begin in (header + 5, header + 4, header + 6):
                last_size = SIZES.get(data[header:begin])
                if last_size is not None:
                    if begin + last_size + 2 == len(data):
                        return words, data[begin:-2]
                    break
    short = read_short(data, 0, bytes_max)
    if short is None or short[1] != len(data):
        return None
    *before, last = short[0]
    words = tuple(before)
    begin = len(data) - 2 - len(last)
    heads[data[:8]] = len(data), data[:begin], begin - len(b"$%d\r\n" % len(last)), words
    return words, last


def read_short(data: bytes, position: int, bytes_max: int) -> tuple[list[bytes], int] | None:
    """Return the request at ``position`` and its end; None if it is cut, or not so plain.

    None also if it is longer than ``bytes_max``.
    """
    head = _HEADS.get(data[position : position + 8])
    if head is None:
        return None
    missing, first_size = head
    start = position + 8
    stop = start + first_size
    arguments = [data[start:stop]]
    while missing:
        header = stop + 2
        start = header + 4
        size = SIZES.get(data[header:start])
        if size is None:
            start = header + 5
            size = SIZES.get(data[header:start])
            if size is None:
                start = header + 6
                size = SIZES.get(data[header:start])
                if size is None:
                    large = _LARGE_SIZE(data, header)
                    if large is None:
                        return None
                    start, size = large.end(), int(large[1])
        stop = start + size
        arguments.append(data[start:stop])
        missing -= 1
    stop += 2
    return (arguments, stop) if stop <= len(data) and stop - position <= bytes_max else None
