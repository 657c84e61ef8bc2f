"""Bytes to requests, one `Parser` per connection, with every limit of the wire.

Four readers give the same answer for the same bytes; each leaves what it does not know
to the next:

    feed ──► run.py        many requests that differ in their last argument only
         ├─► pipeline.py   hiredis: many short requests, complete, at once, those for one key
         │                 that follow one another put together by run.py
         ├─► short.py      one short request, complete
         └─► `_advance`    everything, exactly: a token at a time

The exact reader alone decides what is a fault, and alone keeps state between feeds: a
line that has no end yet, the arguments of the request in progress, the bulk that is
arriving. It follows Redis to the letter (its texts, its limits, its tolerance: the two
bytes behind a bulk are skipped, not compared), but a NUL in a line is a byte like any
other, where Redis waits for more.

However a request is cut, it is refused, or fatal, at the same byte: a token is judged
when it is complete, and a bulk, which takes memory, when its header is.
"""

from __future__ import annotations

import re

from respq.config import (
    ARGUMENTS_MAX,
    BULK_BYTES_MAX,
    INLINE_BYTES_MAX,
    UNAUTHENTICATED_ARGUMENTS_MAX,
    UNAUTHENTICATED_BULK_BYTES_MAX,
)
from respq.errors import ProtocolFault, RespqError, TooBig
from respq.resp.inline import split_inline
from respq.resp.pipeline import (
    SLICE_BYTES,
    is_dense,
    read_arguments,
    read_requests,
    slice_before,
)
from respq.resp.run import Run, gather, read_run
from respq.resp.short import SIZES, Alone, Heads, read_alone, read_short

Arrived = list[list[bytes] | Run | RespqError]
"""What is made of a read: requests, runs of them, and errors where one was refused."""

_PIPELINE_BYTES_MIN = 1024
"""Below it the fixed cost of hiredis is more than it saves."""
_RUN_BYTES_MIN = 48
"""Two requests of a key and an argument have more."""
_RUN_MIN = 8
"""It takes a search of a whole slice to find that a run is short."""
_WIDE_ARGUMENTS_MIN = 100
"""hiredis is not shown the header of an array as long as this, only its elements."""

_STAR, _DOLLAR, _RETURN = b"*$\r"
_BLANK_LINES = re.compile(rb"(?:\r?\n)+").match
_INTEGER = re.compile(rb"0|-?[1-9]\d{0,18}").fullmatch
_INLINE, _COUNT_HEADER, _BULK_HEADER = "inline request", "mbulk count string", "bulk count string"


class _StrangerLimit(Exception):
    """What only the authenticated may send begins at ``position``."""

    def __init__(self, text: str, position: int) -> None:
        super().__init__(text)
        self.position = position


class Parser:
    """Turn the bytes of one connection into requests.

    Args:
        bulk_bytes_max: a longer argument makes its request a `TooBig`.
        query_bytes_max: a longer request is a `ProtocolFault`.
        authenticated: False keeps to the limits for strangers until it is set.
    """

    __slots__ = (
        "_arguments",
        "_bulk",
        "_bulk_bytes_max",
        "_heads",
        "_held",
        "_line",
        "_missing",
        "_query_bytes_max",
        "_refusal",
        "_slice_bytes",
        "_spent",
        "_wanted",
        "authenticated",
        "failed",
    )

    def __init__(self, *, bulk_bytes_max: int, query_bytes_max: int, authenticated: bool) -> None:
        self.authenticated = authenticated
        self.failed = False
        self._bulk_bytes_max = bulk_bytes_max
        self._query_bytes_max = query_bytes_max
        # So short that nothing in it can pass a limit: only the exact reader looks at them.
        self._slice_bytes = min(SLICE_BYTES, bulk_bytes_max, query_bytes_max)
        self._heads: Heads = {}
        self._forget()

    def _forget(self) -> None:
        self._held = b""
        self._line = bytearray()  # a header, or an inline request, without its end
        self._arguments: list[bytes] = []  # of the request in progress
        self._missing = 0  # arguments still to come; 0 between requests
        self._bulk = bytearray()
        self._wanted = 0  # bytes still to come of a bulk and its CRLF; 0 before a header
        self._spent = 0  # bytes of the request in progress
        self._refusal: TooBig | None = None  # of the request in progress: none of it is kept

    @property
    def held(self) -> bool:
        """Whether bytes wait until it is decided who sent them.

        A pipeline may begin with AUTH and go on over the limits for strangers: execute
        what came, set `authenticated`, then feed ``b""``.
        """
        return bool(self._held)

    def feed_alone(self, data: bytes) -> Alone | None:
        """Return the request that ``data`` is; None, and nothing is taken, if it is not just one.

        Most reads are one request, short and whole. A client mostly asks for the same: then
        the words before its last argument are the same object.
        """
        if self._missing or self._held or self._line or self.failed:
            return None
        return read_alone(data, self._heads, self._slice_bytes)

    def feed(self, data: bytes) -> Arrived:
        """Return the requests that ``data`` completes, in order.

        A request with an argument over ``bulk_bytes_max`` is a `TooBig` in its place. Bytes
        that are no request end the list with a `ProtocolFault`; from then on `failed` is set,
        and every list is empty.
        """
        requests: Arrived = []
        if self.failed:
            return requests
        if self._held:
            data, self._held = self._held + data, b""
        try:
            if self._line:
                data = self._with_line(data)
            self._parse(data, requests)
        except _StrangerLimit as limit:
            if requests:
                self._held = data[limit.position :]
            else:
                self._fail(ProtocolFault(*limit.args), requests)
        except ProtocolFault as fault:
            self._fail(fault, requests)
        return requests

    def _fail(self, fault: ProtocolFault, requests: Arrived) -> None:
        self.failed = True
        self._forget()
        # Its traceback holds the frames that hold it, and the bytes: a cycle of any size.
        requests.append(fault.with_traceback(None))

    def _parse(self, data: bytes, requests: Arrived) -> None:
        position = no_run_before = 0
        while position < len(data):
            left = len(data) - position
            if (
                left >= _RUN_BYTES_MIN
                and data[position] == _STAR
                and not self._missing
                and self.authenticated
            ):
                if position >= no_run_before:
                    run, stop = read_run(data, position, self._slice_bytes)
                    if len(run) < _RUN_MIN:
                        # What is hardly worth its cost is not done again for each request.
                        no_run_before = stop + _PIPELINE_BYTES_MIN
                    if run:
                        requests.append(run)
                        position = stop
                        continue
                if left >= _PIPELINE_BYTES_MIN and is_dense(data, position):
                    position = self._take_pipeline(data, position, requests)
                    continue
            position = self._take_one(data, position, requests)

    def _take_pipeline(self, data: bytes, position: int, requests: Arrived) -> int:
        piece = slice_before(b"*", data, position, position + self._slice_bytes)
        whole = read_requests(piece) if piece else None
        if whole is not None:
            requests += gather(whole)
            return position + len(piece)
        # What hiredis did not read is not shown to it again.
        stop = min(position + (len(piece) or self._slice_bytes), len(data))
        position = self._take_one(data, position, requests)
        while position < stop:
            position = self._take_one(data, position, requests)
        return position

    def _take_one(self, data: bytes, position: int, requests: Arrived) -> int:
        if not self._missing:
            short = read_short(data, position, self._slice_bytes)
            if short is not None:
                requests.append(short[0])
                return short[1]
        return self._advance(data, position, requests)

    def _advance(self, data: bytes, position: int, requests: Arrived) -> int:
        """Read exactly, until a request is complete or the bytes are at their end."""
        if not self._missing:
            if data[position] != _STAR:
                return self._take_inline(data, position, requests)
            position = self._take_count(data, position)
        elif self._wanted:
            position = self._take_bulk(data, position)
        if self._missing:
            position = self._take_arguments(data, position)
        if not self._missing:
            if self._refusal is not None:
                requests.append(self._refusal)
                self._refusal = None
            elif self._arguments:
                requests.append(self._arguments)
                self._arguments = []
        return position

    def _take_inline(self, data: bytes, position: int, requests: Arrived) -> int:
        stop = data.find(b"\n", position) + 1
        if not stop:
            return self._keep_line(data, position)
        _check_line(stop - 1 - position, _INLINE)
        self._spent = 0
        self._spend(stop - position)
        line = data[position : stop - 1]
        words = split_inline(line.removesuffix(b"\r"))
        if words is None:
            raise ProtocolFault("Protocol error: unbalanced quotes in request")
        if not words:
            blank = _BLANK_LINES(data, stop)
            return stop if blank is None else blank.end()
        longest = max(map(len, words))
        requests.append(words if longest <= self._bulk_bytes_max else self._too_big(longest))
        return stop

    def _take_count(self, data: bytes, position: int) -> int:
        """Take the header of a request; a count of 0 or less is Redis' empty request."""
        stop = self._header_stop(data, position, _COUNT_HEADER)
        if not stop:
            return self._keep_line(data, position)
        self._spent = 0
        self._spend(stop - position)
        count = _integer(data[position + 1 : stop - 2])
        if count is None or count > ARGUMENTS_MAX:
            raise ProtocolFault("Protocol error: invalid multibulk length")
        if count > UNAUTHENTICATED_ARGUMENTS_MAX and not self.authenticated:
            raise _StrangerLimit("Protocol error: unauthenticated multibulk length", position)
        self._missing = max(count, 0)
        return stop

    def _take_arguments(self, data: bytes, position: int) -> int:
        trusted = True
        while self._missing and position < len(data):
            if trusted and self._missing >= _WIDE_ARGUMENTS_MIN and self._refusal is None:
                stop = self._take_wide(data, position)
                trusted = stop > position
            else:
                stop = self._take_plain(data, position)
                if self._missing and stop < len(data):
                    stop = self._take_argument(data, stop)
            position = stop
        return position

    def _take_wide(self, data: bytes, position: int) -> int:
        """Take as many arguments as hiredis reads; return ``position`` if it reads none."""
        if not is_dense(data, position):
            return position
        room = min(self._slice_bytes, self._query_bytes_max - self._spent)
        piece = slice_before(b"$", data, position, position + room)
        values = read_arguments(piece)
        if values is None or len(values) > self._missing:
            return position
        self._arguments += values
        self._missing -= len(values)
        self._spent += len(piece)
        return position + len(piece)

    def _take_plain(self, data: bytes, position: int) -> int:
        """Take the arguments that are short and complete; return where the first other begins."""
        if self._refusal is not None or self._bulk_bytes_max < len(SIZES):
            return position
        start, missing, arguments = position, self._missing, self._arguments
        end = min(len(data), position + self._query_bytes_max - self._spent)
        while missing:
            begin = data.find(b"\n", position) + 1
            size = SIZES.get(data[position:begin])
            if size is None or begin + size + 2 > end:
                break
            position = begin + size
            arguments.append(data[begin:position])
            position += 2
            missing -= 1
        self._spent += position - start
        self._missing = missing
        return position

    def _take_argument(self, data: bytes, position: int) -> int:
        """Take the header of an argument, whatever it is, and what is there of its bytes."""
        stop = self._header_stop(data, position, _BULK_HEADER)
        if not stop:
            return self._keep_line(data, position)
        if data[position] != _DOLLAR:
            got = data[position : position + 1].decode("utf-8", "surrogateescape")
            raise ProtocolFault(f"Protocol error: expected '$', got '{got}'")
        size = _integer(data[position + 1 : stop - 2])
        if size is None or not 0 <= size <= BULK_BYTES_MAX:
            raise ProtocolFault("Protocol error: invalid bulk length")
        if size > UNAUTHENTICATED_BULK_BYTES_MAX and not self.authenticated:
            raise _StrangerLimit("Protocol error: unauthenticated bulk length", position)
        if self._refusal is None:
            if size > self._bulk_bytes_max:
                self._refusal = self._too_big(size)
                self._arguments = []
            else:
                self._spend(stop - position + size + 2)
        end = stop + size + 2
        if end <= len(data) and self._refusal is None:
            self._arguments.append(data[stop : stop + size])
            self._missing -= 1
            return end
        self._wanted = size + 2
        return self._take_bulk(data, stop)

    def _take_bulk(self, data: bytes, position: int) -> int:
        stop = min(position + self._wanted, len(data))
        self._wanted -= stop - position
        if self._refusal is None:
            self._bulk += data[position:stop]
            if not self._wanted:
                del self._bulk[-2:]
                self._arguments.append(bytes(self._bulk))
                self._bulk = bytearray()
        if not self._wanted:
            self._missing -= 1
        return stop

    def _header_stop(self, data: bytes, position: int, kind: str) -> int:
        """Return where the header at ``position`` ends, or 0 if its end is not there yet."""
        # Redis looks for the CR, and takes any byte behind it for the LF.
        stop = data.find(b"\r", position) + 2
        if not 1 < stop <= len(data):
            return 0
        _check_line(stop - 2 - position, kind)
        return stop

    def _keep_line(self, data: bytes, position: int) -> int:
        self._line += data[position:]
        kind = self._line_kind()
        is_ending = kind != _INLINE and self._line[-1] == _RETURN
        _check_line(len(self._line) - is_ending, kind)
        return len(data)

    def _with_line(self, data: bytes) -> bytes:
        """Return the kept line and ``data``, or nothing while the line has no end."""
        # Only new bytes are searched: a long line may come one byte at a time.
        if self._line_kind() == _INLINE:
            is_ending = b"\n" in data
        else:
            is_ending = b"\r" in data or self._line[-1] == _RETURN
        if is_ending:
            data = b"".join((self._line, data))
            self._line = bytearray()
            return data
        self._keep_line(data, 0)
        return b""

    def _line_kind(self) -> str:
        if self._missing:
            return _BULK_HEADER
        return _COUNT_HEADER if self._line[0] == _STAR else _INLINE

    def _spend(self, count: int) -> None:
        self._spent += count
        if self._spent > self._query_bytes_max:
            raise ProtocolFault(
                f"Protocol error: too big request, over {self._query_bytes_max} bytes"
            )

    def _too_big(self, size: int) -> TooBig:
        return TooBig(
            f"argument of {size} bytes is over the limit of {self._bulk_bytes_max} bytes: "
            "keep the data elsewhere and send a reference"
        )


def _check_line(size: int, kind: str) -> None:
    if size > INLINE_BYTES_MAX:
        raise ProtocolFault(f"Protocol error: too big {kind}")


def _integer(text: bytes) -> int | None:
    """Return a number written as Redis wants it: no plus sign, no leading zero, 64 bits."""
    if _INTEGER(text) is None:
        return None
    value = int(text)
    return value if -(2**63) <= value < 2**63 else None
