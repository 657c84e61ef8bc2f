"""The first line of a script: ``#!lua flags=no-writes,allow-oom``."""

from __future__ import annotations

from dataclasses import dataclass

from respq.errors import RespqError

_FLAGS = (b"no-writes", b"allow-oom", b"allow-stale", b"no-cluster", b"allow-cross-slot-keys")


@dataclass(frozen=True, slots=True)
class ScriptFlags:
    """What a script says of itself; the flags that are about clusters say nothing here."""

    has_shebang: bool = False
    no_writes: bool = False
    allow_oom: bool = False


def read_shebang(text: bytes) -> tuple[ScriptFlags, bytes]:
    """Return the flags of a script, and its code, of which the lines are still the same.

    Raises:
        RespqError: the first line is a shebang that cannot be read.
    """
    if not text.startswith(b"#!"):
        return ScriptFlags(), text
    head, newline, code = text.partition(b"\n")
    words = head.split()
    if not newline or not words:
        raise RespqError("Invalid script shebang")
    if words[0] != b"#!lua":
        raise RespqError(f"Unexpected engine in script shebang: {_text(words[0])}")
    given: set[bytes] = set()
    for word in words[1:]:
        option, _, value = word.partition(b"=")
        if option != b"flags":
            raise RespqError(f"Unknown lua shebang option: {_text(word)}")
        for flag in filter(None, value.split(b",")):
            if flag not in _FLAGS:
                raise RespqError(f"Unexpected flag in script shebang: {_text(flag)}")
            given.add(flag)
    return ScriptFlags(True, b"no-writes" in given, b"allow-oom" in given), newline + code


def _text(word: bytes) -> str:
    return word[:64].decode("ascii", "backslashreplace")
