"""Options, durations, receipts and maps, as they stand in commands and replies."""

from __future__ import annotations

import re
from typing import Any

from respq.check.lines import BadLine, Call, text

Options = dict[str, list[str]]
"""The values of each option that was given, by its name in capitals."""

COUNTED = -1
"""Takes a number, and as many values as it says."""

PUSH = {
    **dict.fromkeys(("NX", "FRONT"), 0),
    **dict.fromkeys(("PRIORITY", "DELAY", "AT", "ATTEMPTS", "LEASE", "MAXLEASE", "TTL", "KEEP"), 1),
    **dict.fromkeys(("GROUP", "NAME", "TAG", "META", "TRACE", "ID", "FLOW"), 1),
    **dict.fromkeys(("BACKOFF", "THEN", "IDMP"), 2),
    **dict.fromkeys(("MAX", "JITTER"), 1),  # of BACKOFF
    **dict.fromkeys(("DEDUP", "UNTIL", "WINDOW", "ON"), 1),
    "DEPENDS": COUNTED,
}
SCHEDULE = PUSH | dict.fromkeys(
    ("CRON", "EVERY", "TZ", "START", "END", "MAXRUNS", "CATCHUP", "OVERLAP"), 1
)
MOVE = PUSH | {"PAYLOAD": 1}
POP = {
    **dict.fromkeys(("NOACK", "WITHMETA", "STRICT", "FAIR"), 0),
    **dict.fromkeys(("COUNT", "BLOCK", "LEASE", "CONSUMER"), 1),
}
ACK = {"RESULT": 1, "STRICT": 0}
NACK = {
    **dict.fromkeys(("SILENT", "FAIL", "FATAL", "FRONT", "WITHDUE"), 0),
    **dict.fromkeys(("RATELIMIT", "DELAY", "ERROR"), 1),
}
TOUCH = {"LEASE": 1, "PROGRESS": 1, "LOG": 1}

_UNITS = {"": 1, "ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(\d+)(ms|s|m|h|d|)", re.IGNORECASE)
_RECEIPT = re.compile(r"\d+:.")


def options(call: Call, start: int, known: dict[str, int]) -> Options:
    """Read the options of a command from a word on.

    Raises:
        BadLine: for a word that is none, or that lacks values.
    """
    words, place, found = call.words, start, Options()
    while place < len(words):
        name = words[place].upper()
        count = known.get(name)
        if count is None:
            raise BadLine(call.line, f"{words[place]!r} is no option of {call.name}")
        if count == COUNTED:
            count = 1 + number(call, words[place + 1 : place + 2])
        values = words[place + 1 : place + 1 + count]
        if len(values) < count:
            raise BadLine(call.line, f"{name} of {call.name} has too few values")
        found[name] = values
        place += 1 + count
    return found


def number(call: Call, values: list[str]) -> int:
    """Return the one value as an integer."""
    try:
        return int(values[0])
    except (ValueError, IndexError):
        raise BadLine(call.line, f"{call.name} has {values} where a number should be") from None


def duration_ms(call: Call, found: Options, name: str) -> int | None:
    """Return the duration that an option gives, or None without it."""
    if name not in found:
        return None
    return read_duration_ms(call, found[name][0])


def read_duration_ms(call: Call, value: str) -> int:
    """Return a duration in milliseconds."""
    match = _DURATION.fullmatch(value)
    if match is None:
        raise BadLine(call.line, f"{value!r} is not a duration")
    return int(match[1]) * _UNITS[match[2].lower()]


def receipts(call: Call, start: int) -> tuple[list[str], int]:
    """Return the receipts from a word on, each once, and where they end."""
    end = start
    while end < len(call.words) and _RECEIPT.match(call.words[end]):
        end += 1
    return list(dict.fromkeys(call.words[start:end])), end


def split(receipt: str) -> tuple[int, str]:
    """Return the fence and the id of a receipt."""
    fence, _, job_id = receipt.partition(":")
    return int(fence), job_id


def mapping(call: Call, reply: Any) -> dict[str, Any]:
    """Return a map, which is a flat array in RESP2."""
    if isinstance(reply, list) and len(reply) % 2 == 0:
        pairs = zip(reply[::2], reply[1::2], strict=True)
        return {text(call.line, name): value for name, value in pairs}
    if isinstance(reply, dict):
        return reply
    raise unreadable(call)


def unreadable(call: Call) -> BadLine:
    """Return the fault of a reply that the command does not have."""
    shown = repr(call.reply)
    return BadLine(call.line, f"{shown[:80]} is no reply of {call.name}")
