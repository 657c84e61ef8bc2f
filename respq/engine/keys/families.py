"""All families of keys, and all records of keys.

tags 70-79  keys, whatever they hold      100-109  hashes
     80-89  strings                       110-119  sets
     90-99  lists                         120-127  sorted sets; 130-149 streams
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from respq.engine.keys.hashes import Hash, HashRecord
from respq.engine.keys.lists import List, ListRecord
from respq.engine.keys.records import (
    KeyExpires,
    KeyMade,
    KeyRemoved,
    KeyRenamed,
    KeyRestored,
    KeysFlushed,
    RestoreBegin,
    RestoreEnd,
    RestorePiece,
)
from respq.engine.keys.sets import Set, SetRecord
from respq.engine.keys.streams import Stream, StreamRecord
from respq.engine.keys.strings import String, StringRecord
from respq.engine.keys.value import Value
from respq.engine.keys.zsets import Zset, ZsetRecord
from respq.engine.record import Record

FAMILIES: Final[tuple[type[Value], ...]] = (String, List, Hash, Set, Zset, Stream)

KeyRecord = (
    KeyMade
    | KeyRemoved
    | KeyExpires
    | KeyRenamed
    | KeysFlushed
    | KeyRestored
    | RestoreBegin
    | RestorePiece
    | RestoreEnd
    | StringRecord
    | ListRecord
    | HashRecord
    | SetRecord
    | ZsetRecord
    | StreamRecord
)

BY_CODE: Final = {family.code: family for family in FAMILIES}
CHANGES: Final[dict[type[Record], Callable[[Any, Any], Value | None]]] = {
    record: change for family in FAMILIES for record, change in family.applies.items()
}
"""What each record of a family does to a value of it."""
