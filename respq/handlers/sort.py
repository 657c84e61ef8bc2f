"""Redis' commands that sort."""

from __future__ import annotations

from typing import Annotated

from respq.broker.call import Call
from respq.broker.command import Arg, Flags
from respq.broker.table import CommandTable
from respq.config import ARGUMENTS_MAX
from respq.engine.keys import lists
from respq.engine.keys.sort import Sorting, sorted_items
from respq.handlers.arguments import Key
from respq.handlers.members import Limit
from respq.resp.replies import Reply

TABLE = CommandTable()
_CATEGORIES = ("dangerous", "list", "set", "sortedset")
By = Annotated[bytes | None, Arg(bytes, kind="pattern", values=("pattern",), token=b"BY")]
Get = Annotated[
    tuple[bytes, ...],
    Arg(bytes, kind="pattern", values=("pattern",), token=b"GET", repeats_max=ARGUMENTS_MAX),
]
Order = Annotated[bytes, Arg(bytes, words=(b"ASC", b"DESC"), excludes="order")]
Alpha = Annotated[bool, Arg(bool, token=b"ALPHA")]
Store = Annotated[
    bytes | None,
    Arg(bytes, kind="key", values=("destination",), token=b"STORE", is_key=True),
]


@TABLE.command(
    "SORT",
    group="keys",
    since="0.1.0",
    flags=Flags.WRITE | Flags.DENYOOM,
    categories=_CATEGORIES,
)
def sort(
    call: Call,
    key: Key,
    *,
    by: By = None,
    limit: Limit = None,
    get: Get = (),
    order: Order = b"ASC",
    alpha: Alpha = False,
    store: Store = None,
) -> Reply:
    """Return what is in a list, a set or a sorted set in order, or make a list of it."""
    found = _sorted(call, key, by, limit, get, order, alpha, is_stored=store is not None)
    if store is None:
        return found
    items = [each or b"" for each in found]
    return lists.store(call.engine, call.db, store, items)


@TABLE.command(
    "SORT_RO",
    group="keys",
    since="0.1.0",
    flags=Flags.READONLY | Flags.DRAIN,
    categories=_CATEGORIES,
)
def sort_ro(
    call: Call,
    key: Key,
    *,
    by: By = None,
    limit: Limit = None,
    get: Get = (),
    order: Order = b"ASC",
    alpha: Alpha = False,
) -> Reply:
    """Return what is in a list, a set or a sorted set in order."""
    return _sorted(call, key, by, limit, get, order, alpha, is_stored=False)


def _sorted(
    call: Call,
    key: bytes,
    by: bytes | None,
    limit: tuple[int, int] | None,
    get: tuple[bytes, ...],
    order: bytes,
    alpha: bool,
    *,
    is_stored: bool,
) -> list[bytes | None]:
    offset, count = limit or (0, -1)
    sorting = Sorting(
        by=by,
        offset=offset,
        count=count,
        get=get,
        descending=order == b"DESC",
        alpha=alpha,
        repeatable=is_stored or call.broker.scripts.own(call.session),
    )
    return sorted_items(call.engine, call.now_ms, call.db, key, sorting)
