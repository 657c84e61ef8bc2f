"""Copying the keys of a Redis into a respq.

Each key is copied as it was at one moment, or not at all. The source watches it from before its
type is asked until all of it is read; if it has changed, it is read again. The target has it whole
at once: small keys are written by one transaction for many, of which each name is watched;
a larger one, in pieces, under a name of no meaning that is gone by itself unless it is renamed.

What is at the target is never overwritten unless that is wanted; and what is equal there, with
the same end, is left as it is. So going on after an interruption is doing it again.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TypeVar

import hiredis

from respq.cli.kinds import Item, Kind, Place, Reply, Request, String
from respq.cli.sides import Found, Refused, Side, Stopped
from respq.cli.values import quoted
from respq.config import ARGUMENTS_MAX
from respq.engine.keys.keyed import NO_TYPE, QUEUE

T = TypeVar("T")

SCAN_COUNT = 500
SMALL_ITEMS = 128
SMALL_BYTES = 64 * 1024
"""Of a key that is read whole, with others; the bytes as far as they are known."""
PIECE_ITEMS = 5_000
PIECE_BYTES = 1024 * 1024
"""Of what is read at once of a larger one, about."""
FIRST_ITEMS = 100
"""Of its first piece, where it is not known how large they are."""
COMMAND_ITEMS = 1_000
COMMAND_BYTES = 256 * 1024
"""Of what is written by one command."""
LOT_BYTES = 2 * 1024 * 1024
"""Of what is written by one transaction."""
WORD_BYTES = 16
"""What each word of an item takes besides its bytes, about."""
TRIES = 5
"""How often a key is read that changes meanwhile."""
PROGRESS_S = 5.0
SAME_END_MS = 1_000
"""So much the ends of two keys may differ that are the same: older servers tell it less exactly."""
TEMPORARY_MS = 600_000
"""So long a piece may take."""
_TEMPORARY = b"respq:import:"

OTHER_VALUE = "the target has another value"
IS_QUEUE = "the target has a queue of that name"
CHANGED = "it changed each time it was read"
GROUPS = "a stream with consumer groups"
FIELD_ENDS = "a hash whose fields expire"
OF_QUEUE = "a queue"
UNKNOWN_TYPE = "a type that respq has not"
TOO_LARGE = "larger than the target takes"
PASSED = "its end has passed by the clock of the target"
REFUSED = "refused by the "


@dataclass(frozen=True, slots=True)
class Left:
    """A key that is not at the target as it is at the source."""

    db: int
    key: bytes
    reason: str
    detail: str = ""


@dataclass(slots=True)
class Tally:
    """What became of the keys of one database."""

    db: int
    expected: int
    """Keys that there were in the beginning."""
    copied: Counter[str] = field(default_factory=Counter)
    """By type."""
    there: int = 0
    """The target had them already."""
    gone: int = 0
    """The source had them no more."""
    left: Counter[str] = field(default_factory=Counter)
    """By reason."""

    @property
    def done(self) -> int:
        """All of them."""
        return self.copied.total() + self.there + self.gone + self.left.total()


class _Leave(Exception):
    """A key is left for a reason, and a detail of it."""

    def __init__(self, reason: str, detail: object = "") -> None:
        super().__init__(reason, str(detail))
        self.reason = reason
        self.detail = str(detail)


@dataclass(frozen=True, slots=True)
class _Value:
    """A key that was read whole."""

    found: Found
    kind: Kind
    items: list[Item]

    @property
    def size(self) -> int:
        return _size(self.items) + len(self.found.name)

    @property
    def is_whole(self) -> bool:
        """Whether there was as much as there should be."""
        measure = self.found.measure
        return measure is not None and self.kind.length(self.items) == measure.length

    def requests(self) -> list[Request]:
        """Return what makes it where it is not."""
        found = self.found
        assert found.measure is not None
        made = self.kind.write(found.name, self.items) if self.items else []
        made += self.kind.finish(found.name, found.measure)
        if found.end_ms:
            made.append([b"PEXPIREAT", found.name, b"%d" % found.end_ms])
        return made


class Mover:
    """An import from one server into another."""

    def __init__(
        self,
        source: Side,
        target: Side,
        *,
        replace: bool,
        tell: Callable[[Left], None],
        note: Callable[[str], None],
    ) -> None:
        """Prepare to copy.

        Args:
            source: is only read.
            target: is written.
            replace: write over keys that differ at the target; over queues never.
            tell: is called with each key that is left.
            note: is called now and then with how far it has come.
        """
        self._source = source
        self._target = target
        self._replace = replace
        self._tell = tell
        self._note = note
        self._argument_bytes_max = _limit(target, b"proto-max-bulk-len")
        self._request_bytes_max = _limit(target, b"client-query-buffer-limit")
        self._together_bytes_max = min(
            LOT_BYTES, self._argument_bytes_max, self._request_bytes_max - LOT_BYTES
        )
        """Of a key: no limit of the target can be met."""
        self._tally = Tally(0, 0)
        self._run = secrets.token_hex(8).encode()
        self._temporaries = 0
        self._told_s = time.monotonic()

    def copy(self, tally: Tally, into: int) -> None:
        """Copy the keys of a database of the source, that of the tally, into one of the target.

        Raises:
            Stopped, Unanswered: it cannot go on; the tally has what was done.
        """
        self._tally = tally
        self._source.select(tally.db)
        self._target.select(into)
        cursor = b"0"
        while True:
            cursor, names = self._source.scan(cursor, SCAN_COUNT)
            if names:
                self._copy_together(list(dict.fromkeys(names)))
            self._progress("")
            if cursor == b"0":
                return

    def _copy_together(self, names: Sequence[bytes]) -> None:
        """Copy keys that are watched together: when one changes, half of them are tried again."""
        try:
            self._source.watch(names)
            found = self._source.look(names)
            values = self._read([each for each in found if _is_small(each)])
            unchanged = self._source.unchanged()
        except Refused:
            # One that may not be watched keeps the others from being watched.
            unchanged = False
        if not unchanged:
            if len(names) == 1:
                self._copy_alone(names[0])
            else:
                middle = len(names) // 2
                self._copy_together(names[:middle])
                self._copy_together(names[middle:])
            return
        for lot in _lots(values, lambda value: value.size, LOT_BYTES):
            self._write(lot)
        written = {each.found.name for each in values}
        for each in found:
            if not each.is_there:
                self._tally.gone += 1
            elif each.name not in written:
                self._copy_alone(each.name)

    def _read(self, small: Sequence[Found]) -> list[_Value]:
        """Return keys that were read whole, but those that are not to be written as they are."""
        asked = [(each, each.kind) for each in small if each.kind is not None]
        answers = self._source.ask([kind.whole(each.name) for each, kind in asked])
        values = [
            _Value(found, kind, kind.whole_items(answer))
            for (found, kind), answer in zip(asked, answers, strict=True)
            if not isinstance(answer, hiredis.ReplyError)
        ]
        # What has few items may be large all the same; and older servers do not notice by
        # themselves that a key has expired meanwhile.
        kept = [each for each in values if each.is_whole and each.size <= self._together_bytes_max]
        expiring = self._with_field_ends(kept)
        return [each for each in kept if each.found.name not in expiring]

    def _with_field_ends(self, values: Sequence[_Value]) -> set[bytes]:
        """Return the names of hashes of which some fields expire, or may do so."""
        if not self._source.has_field_ends:
            return set()
        requests = [
            (each.found.name, each.kind.ends(each.found.name, each.items)) for each in values
        ]
        asked = [(name, request) for name, request in requests if request is not None]
        answers = self._source.ask([request for _, request in asked])
        return {
            name
            for (name, _), ends in zip(asked, answers, strict=True)
            if isinstance(ends, hiredis.ReplyError) or any(end > 0 for end in ends)
        }

    def _check(self, found: Found, kind: Kind, items: list[Item]) -> None:
        """Leave what the target would not take, or not keep as it is."""
        if _size(items) + len(found.name) > self._together_bytes_max:
            for item in items:
                self._check_size(len(found.name), item)
        if self._with_field_ends([_Value(found, kind, items)]):
            raise _Leave(FIELD_ENDS)

    def _check_size(self, name_bytes: int, item: Item) -> None:
        """Leave what no request can hold."""
        size = _item_size(item) + name_bytes
        if (
            max(map(len, item)) > self._argument_bytes_max
            or size > self._request_bytes_max - SMALL_BYTES
            or len(item) > ARGUMENTS_MAX - SMALL_ITEMS
        ):
            raise _Leave(TOO_LARGE, f"some {size} bytes in one command")

    def _write(self, lot: Sequence[_Value]) -> None:
        """Write keys that the target has not; look at those that it has."""
        while lot:
            names = [each.found.name for each in lot]
            self._target.watch(names)
            types = self._target.ask([[b"TYPE", name] for name in names])
            now_ms = self._target.now_ms
            absent: list[_Value] = []
            others: list[_Value] = []
            for value, kind in zip(lot, types, strict=True):
                is_absent = kind == NO_TYPE and not _is_over(value.found, now_ms)
                (absent if is_absent else others).append(value)
            if not others:
                lot = self._write_absent(absent)
                continue
            # A watched key that changes all the time would keep the others from being written.
            self._target.one([b"UNWATCH"])
            self._meet(others)
            lot = absent

    def _write_absent(self, lot: Sequence[_Value]) -> Sequence[_Value]:
        """Write keys if no name was taken meanwhile; return those that are to be tried again."""
        requests = [each.requests() for each in lot]
        answers = self._target.ask([[b"MULTI"], *chain.from_iterable(requests), [b"EXEC"]])
        done = answers.pop()
        if done is None:
            return lot
        aborted = isinstance(done, hiredis.ReplyError)
        replies = iter(answers[1:] if aborted else done)
        again = []
        for value, some in zip(lot, requests, strict=True):
            error = _first_error(list(islice(replies, len(some))))
            if error is not None:
                self._target.ask([[b"DEL", value.found.name]] if not aborted else [])
                self._leave(value.found, REFUSED + self._target.name, error)
            elif aborted:
                again.append(value)
            else:
                self._tally.copied[value.found.type.decode()] += 1
        if len(again) == len(lot):
            raise Stopped(f"the {self._target.name} refuses: {done}")
        return again

    def _meet(self, values: Sequence[_Value]) -> None:
        """Look at keys that the target has, or has something else in the place of."""
        found = self._target.look([each.found.name for each in values])
        replies = self._target.ask(
            [each.kind.compare(each.found.name, 0, each.items) for each in values if each.items]
        )
        remaining = iter(replies)
        for value, there in zip(values, found, strict=True):
            same = not value.items or _is_same(value.kind, next(remaining), value.items)
            if same and _may_agree(value.found, there):
                self._tally.there += 1
            elif self._replace or not there.is_there:
                self._copy_alone(value.found.name)
            else:
                self._leave(value.found, IS_QUEUE if there.type == QUEUE else OTHER_VALUE)

    def _copy_alone(self, name: bytes) -> None:
        """Copy one key, in pieces if it is large, or leave it."""
        found = Found(name, b"", 0, None)
        for _ in range(TRIES):
            try:
                self._source.watch([name])
                [found] = self._source.look([name])
                if self._copy_watched(found):
                    return
            except _Leave as leave:
                if self._source.unchanged():
                    return self._leave(found, leave.reason, leave.detail)
            except Refused as refusal:
                if self._source.unchanged():
                    return self._leave(found, REFUSED + refusal.by, refusal.error)
        return self._leave(found, CHANGED)

    def _copy_watched(self, found: Found) -> bool:
        """Copy a key that is watched, and watch it no more; return False if it has changed.

        Raises:
            _Leave, Refused: it is to be left, unless it has changed.
        """
        if not found.is_there:
            self._source.unchanged()
            self._tally.gone += 1
            return True
        kind = _copyable(found)
        if len(found.name) > self._argument_bytes_max:
            raise _Leave(TOO_LARGE, f"a name of {len(found.name)} bytes")
        if _is_over(found, self._target.now_ms):
            raise _Leave(PASSED)
        [there] = self._target.look([found.name])
        if there.fault:
            raise _Leave(REFUSED + self._target.name, there.fault)
        if there.type == QUEUE:
            raise _Leave(IS_QUEUE)
        if _may_agree(found, there) and self._is_same(found, kind):
            unchanged = self._source.unchanged()
            self._tally.there += unchanged
            return unchanged
        if there.is_there and not self._replace:
            raise _Leave(OTHER_VALUE)
        self._temporaries += 1
        temporary = b"%b%b:%d" % (_TEMPORARY, self._run, self._temporaries)
        placed = False
        try:
            self._copy_to(temporary, found, kind)
            placed = self._source.unchanged() and self._place(temporary, found, kind)
        except (_Leave, Refused):
            self._target.ask([[b"DEL", temporary]])
            raise
        if placed:
            self._tally.copied[found.type.decode()] += 1
        else:
            self._target.ask([[b"DEL", temporary]])
        return placed

    def _copy_to(self, temporary: bytes, found: Found, kind: Kind) -> None:
        """Write the items of a key under another name."""
        most = self._argument_bytes_max
        if isinstance(kind, String) and found.measure is not None and found.measure.length > most:
            raise _Leave(TOO_LARGE, f"{found.measure.length} bytes")
        life = [b"PEXPIRE", temporary, b"%d" % TEMPORARY_MS]
        for _, items in self._pieces(found, kind):
            self._check(found, kind, items)
            commands = list(_lots(items, _item_size, COMMAND_BYTES, COMMAND_ITEMS))
            for lot in _lots(commands, _size, LOT_BYTES):
                written = chain.from_iterable(kind.write(temporary, some) for some in lot)
                self._target.transaction([*written, life])

    def _pieces(self, found: Found, kind: Kind) -> Iterator[tuple[int, list[Item]]]:
        """Yield the items of a key in pieces, each with how many there were before it."""
        place: Place | None = kind.start
        length = found.measure.length if found.measure is not None else 0
        at, count = 0, FIRST_ITEMS
        if found.memory_bytes:
            count = _piece_count(length, found.memory_bytes)
        while place is not None:
            reply = self._source.one(kind.piece(found.name, place, count))
            items, place = kind.piece_items(reply, place)
            if items:
                yield at, items
                at += len(items)
                count = _piece_count(len(items), _size(items))
                self._progress(f": {at} items of {quoted(found.name)}")

    def _is_same(self, found: Found, kind: Kind) -> bool:
        """Tell whether the target has the items of a key."""
        return all(
            _is_same(kind, self._target.ask([kind.compare(found.name, at, items)])[0], items)
            for at, items in self._pieces(found, kind)
        )

    def _place(self, temporary: bytes, found: Found, kind: Kind) -> bool:
        """Give what was written its name and its end; return False if the name is taken."""
        assert found.measure is not None
        finish = kind.finish(temporary, found.measure)
        measured = self._target.transaction([*finish, kind.measure(temporary)])[-1]
        if kind.measured(measured).length != found.measure.length:
            # Nothing was written for so long that it has gone.
            return False
        rename = b"RENAME" if self._replace else b"RENAMENX"
        end = [b"PEXPIREAT", temporary, b"%d" % found.end_ms]
        requests = [end if found.end_ms else [b"PERSIST", temporary]]
        try:
            answers = self._target.transaction([*requests, [rename, temporary, found.name]])
        except Refused:
            # What is over is not there to be renamed.
            if _is_over(found, self._target.now_ms):
                return False
            raise
        return bool(answers[-1] != 0)

    def _leave(self, found: Found, reason: str, detail: object = "") -> None:
        self._tally.left[reason] += 1
        self._tell(Left(self._tally.db, found.name, reason, str(detail)))

    def _progress(self, where: str) -> None:
        now_s = time.monotonic()
        if now_s - self._told_s >= PROGRESS_S:
            self._told_s = now_s
            tally = self._tally
            self._note(f"db {tally.db}: {tally.done} of {tally.expected} keys{where}")


def _limit(target: Side, name: bytes) -> int:
    return int(target.one([b"CONFIG", b"GET", name])[1])


def _is_small(found: Found) -> bool:
    if found.measure is None or found.measure.groups or found.memory_bytes > SMALL_BYTES:
        return False
    return found.measure.length <= (SMALL_BYTES if found.type == String.name else SMALL_ITEMS)


def _copyable(found: Found) -> Kind:
    """Return what a key is; raise `_Leave` for what is not copied."""
    kind = found.kind
    if found.fault:
        raise _Leave(REFUSED + "source", found.fault)
    if found.type == QUEUE:
        raise _Leave(OF_QUEUE)
    if kind is None:
        raise _Leave(UNKNOWN_TYPE, found.type.decode(errors="replace"))
    if found.measure is not None and found.measure.groups:
        raise _Leave(GROUPS)
    return kind


def _is_over(found: Found, now_ms: int) -> bool:
    return 0 < found.end_ms <= now_ms


def _may_agree(found: Found, there: Found) -> bool:
    """Tell whether two keys are the same but for their items, which were not looked at."""
    return (
        found.type == there.type
        and found.measure is not None
        and there.measure is not None
        and found.measure.agrees(there.measure)
        and bool(found.end_ms) == bool(there.end_ms)
        and abs(found.end_ms - there.end_ms) <= SAME_END_MS
    )


def _is_same(kind: Kind, reply: Reply, items: Sequence[Item]) -> bool:
    return not isinstance(reply, hiredis.ReplyError) and kind.same(reply, items)


def _piece_count(items: int, size: int) -> int:
    """Return how many make a piece, when so many are so large."""
    return min(max(PIECE_BYTES * items // size, 1), PIECE_ITEMS)


def _first_error(replies: Sequence[Reply]) -> Reply:
    return next((each for each in replies if isinstance(each, hiredis.ReplyError)), None)


def _size(items: Sequence[Item]) -> int:
    return sum(map(len, chain.from_iterable(items))) + WORD_BYTES * sum(map(len, items))


def _item_size(item: Item) -> int:
    return sum(map(len, item)) + WORD_BYTES * len(item)


def _lots(
    things: Sequence[T], size_of: Callable[[T], int], bytes_max: int, count_max: int | None = None
) -> Iterator[list[T]]:
    """Yield things in their order, up to so many bytes together, or one that has more."""
    lot: list[T] = []
    held = 0
    for each in things:
        size = size_of(each)
        if lot and (held + size > bytes_max or len(lot) == count_max):
            yield lot
            lot, held = [], 0
        lot.append(each)
        held += size
    if lot:
        yield lot
