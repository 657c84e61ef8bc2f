"""Lua 5.1 in this process, so that nothing that a script does ends it.

What crosses the border is bytes, numbers and booleans, never a table of a script nor an object
of Python: Lua could not keep the one from being changed under way, nor scripts from what hangs
on the other. An exception that crossed it would be an object, too; so what is lent to Lua
returns instead, and the fault is kept for when the script has ended.

Lua refuses memory over its limit by a jump, over the frames of Python if they are on the way.
So whatever is handed to Lua is handed over only where there is room for it (`Interpreter.fits`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha1
from typing import Any

from respq.broker.lua import cjson, cmsgpack, commands, numbers, sandbox
from respq.broker.lua.binary import (
    BadFormat,
    bit,
    pack_double,
    pack_integer,
    struct_pack,
    struct_size,
    struct_unpack,
    unpack_double,
    unpack_integer,
)
from respq.broker.lua.tokens import double_text
from respq.config import (
    MIB,
    REDIS_VERSION,
    SCRIPT_COROUTINES_MAX,
    SCRIPT_REPLY_DEPTH_MAX,
    SCRIPT_STEPS,
)
from respq.errors import RespqError

try:
    from lupa import lua51
except ImportError:
    lua51 = None

_MARGIN_BYTES = 4_096
"""For what is handed over besides the bytes of a value, and to tell that there is no room."""
_PAIR_BYTES = 64
"""Of a value in Lua, besides its bytes."""
_GARBAGE_BYTES = 16 * MIB
"""A run that leaves more than that behind has it collected."""
_WORDS_FEW = 100
"""So many keys and arguments are handed over one by one."""
_NO_MEMORY = b"ERR not enough memory"

_GLUE = rb"""
local host, tools, commands, start_over, COROUTINES_MAX = ...
local begin, finish, run, clean = commands.begin, commands.finish, tools.run, tools.clean
local select, unpack = select, unpack

-- The keys and arguments follow as they are, or, if their number is said to be -1, as two tables.
return function(chunk, return_line, is_resp3, keys_count, ...)
    local keys, arguments
    if keys_count == 0 then keys, arguments = {}, {...}
    elseif keys_count == 1 then keys, arguments = {(...)}, {select(2, ...)}
    elseif keys_count < 0 then keys, arguments = ...
    else
        keys, arguments = {unpack({...}, 1, keys_count)}, {select(keys_count + 1, ...)}
    end
    begin(is_resp3)
    local result, kind, text, source, line = run(chunk, return_line, keys, arguments, finish)
    start_over()
    if clean() > COROUTINES_MAX then host.wear_out() end
    if kind == nil then return result end
    return result, kind, text, source, line
end
"""
Function = Callable[..., Any]
Chunk = Any
"""A compiled script."""
Returned = None | bytes | int | tuple[Any, ...]
"""What a script returned: nothing, a plain value, or what `finish` in commands.py says."""


class BadScript(RespqError):
    """A script that Lua cannot compile."""


class Interpreter:
    """Compiles and runs scripts, with what ``host`` lends them.

    What is behind `redis.call` is lent without a guard: it has to keep to the rules itself, by
    `fail` and `fitting`.
    """

    def __init__(self, host: dict[str, Function], call: Function, memory_bytes_max: int) -> None:
        """Start Lua; raise `RespqError` if it is not installed."""
        if lua51 is None:
            raise RespqError(
                "scripts need Lua: install it with pip install 'respq[lua]', and restart the server"
            )
        self.memory_bytes_max = memory_bytes_max
        self.fault: Exception | None = None
        """What went wrong in Python while the last script ran."""
        self.is_worn = False
        """It is to be replaced by a new one."""
        self._limit_bytes = 0
        self._lua = lua51.LuaRuntime(
            encoding=None,
            source_encoding="latin-1",
            attribute_filter=_refuse,
            register_eval=False,
            register_builtins=False,
            unpack_returned_tuples=True,
            max_memory=0,
        )
        self._used_bytes = self._lua.get_memory_used
        self._set_up(_LENT | host, call)

    def _set_up(self, host: dict[str, Function], call: Function) -> None:
        lent = self._lua.table_from(
            {name.encode(): self._lend(function) for name, function in host.items()}
        )
        lent[b"wear_out"] = self._wear_out
        lent[b"call"] = call
        tools = self._load(sandbox.SOURCE, lent, SCRIPT_STEPS)
        called = self._load(
            commands.SOURCE, lent, tools, SCRIPT_REPLY_DEPTH_MAX, REDIS_VERSION.encode()
        )
        json, start_over = self._load(cjson.SOURCE, lent, tools)
        bits, structs = self._load(numbers.SOURCE, lent, tools)
        parts = {
            b"redis": called[b"redis"],
            b"cjson": json,
            b"cmsgpack": self._load(cmsgpack.SOURCE, lent, tools),
            b"bit": bits,
            b"struct": structs,
        }
        for name, part in parts.items():
            tools[b"add_global"](name, tools[b"shield"](part))
        self._compile = tools[b"compile"]
        self._run = self._load(_GLUE, lent, tools, called, start_over, SCRIPT_COROUTINES_MAX)

    def _load(self, source: bytes, *arguments: Any) -> Any:
        return self._lua.execute(source, *arguments, name=b"=respq")

    def _wear_out(self) -> None:
        self.is_worn = True

    def _lend(self, function: Function) -> Function:
        """Return a function for Lua that keeps what it raises, and returns only what fits."""

        def lent(*arguments: Any) -> Any:
            try:
                returned = function(*arguments)
            except Exception as error:
                return self.fail(error)
            return self.fitting(returned)

        return lent

    def fail(self, error: Exception) -> Any:
        """Keep what was raised in Python for the end of the run; return what stops the script."""
        self.fault = self.fault or error
        return STOP

    def fitting(self, returned: Any) -> Any:
        """Return what Python is to return to Lua, or what stops the script if it does not fit."""
        if returned.__class__ is bytes:
            size = len(returned)
        elif returned.__class__ is tuple:
            size = _size(returned)
        else:
            return returned
        return returned if self.fits(size) else STOP

    def fits(self, size: int) -> bool:
        """Tell whether so many bytes may be handed to Lua; make room for a few if not."""
        used = self._used_bytes()
        if used + size + _MARGIN_BYTES <= self._limit_bytes:
            return True
        self._lua.set_max_memory(used + _MARGIN_BYTES)
        return False

    def _make_room(self, size: int) -> None:
        self._limit_bytes = self._used_bytes() + self.memory_bytes_max + size
        self._lua.set_max_memory(self._limit_bytes)

    def compile(self, text: bytes) -> Chunk:
        """Compile a script, of text only; raise `BadScript`."""
        self._make_room(3 * len(text))
        try:
            compiled = self._compile(text)
        except lua51.LuaError as error:
            self.is_worn = True
            raise BadScript(str(error).partition("\n")[0]) from None
        if compiled.__class__ is tuple:
            raise BadScript(compiled[1].decode(errors="surrogateescape"))
        return compiled

    def run(
        self,
        chunk: Chunk,
        keys_count: int,
        words: Sequence[bytes],
        *,
        return_line: int,
        is_resp3: bool,
    ) -> Returned:
        """Run a script and return what it did, or (True, b"x", error[, source[, line]]).

        Its keys and arguments are ``words``. The line in which it returns is where errors are said
        to be whose place Lua forgets.

        If `fault` is set then, what was returned means nothing.
        """
        lua = self._lua
        self.fault = None
        size = sum(map(len, words)) + _PAIR_BYTES * len(words)
        before = self._used_bytes()
        self._limit_bytes = limit = before + self.memory_bytes_max + 2 * size
        lua.set_max_memory(limit)
        try:
            if len(words) <= _WORDS_FEW:
                returned = self._run(chunk, return_line, is_resp3, keys_count, *words)
            else:
                keys = lua.table_from(words[:keys_count])
                arguments = lua.table_from(words[keys_count:])
                returned = self._run(chunk, return_line, is_resp3, -1, keys, arguments)
        except lua51.LuaError as error:
            # Memory ran out where nothing could catch it any more, or an error in an error.
            self.is_worn = True
            reason = str(error).partition("\n")[0]
            text = _NO_MEMORY if isinstance(error, MemoryError) else f"ERR {reason}".encode()
            returned = True, b"x", text
        if self._used_bytes() - before > _GARBAGE_BYTES:
            lua.gccollect()
        return returned  # type: ignore[no-any-return]


STOP = (True, b"x", _NO_MEMORY)
"""What a lent function returns if the script is to be stopped and cannot prevent it."""


def stop(reason: str) -> tuple[bool, bytes, bytes]:
    """Return `STOP` for another reason."""
    return True, b"x", f"ERR {reason}".encode()


def _size(values: Sequence[Any]) -> int:
    """Return how much values take in Lua, give or take a little."""
    texts = sum([len(value) for value in values if value.__class__ is bytes])
    return texts + _PAIR_BYTES * len(values)


def _refuse(_: object, name: object, __: bool) -> object:
    """Let no attribute of an object of Python be seen from Lua."""
    raise AttributeError(name)


def _told(function: Function) -> Function:
    """Have a function of the library struct return what is wrong in front of what is right."""

    def told(*arguments: Any) -> tuple[Any, ...]:
        try:
            returned = function(*arguments)
        except BadFormat as problem:
            text, *where = problem.args
            return (text.encode("latin-1"), *(_encoded(word) for word in where))
        return (None, *returned) if isinstance(returned, tuple) else (None, returned)

    return told


def _encoded(word: str | int) -> bytes | int:
    return word.encode() if isinstance(word, str) else word


_LENT: dict[str, Function] = {
    "bit": bit,
    "double": double_text,
    "pack_double": pack_double,
    "pack_integer": pack_integer,
    "sha1hex": lambda text: sha1(text, usedforsecurity=False).hexdigest().encode(),
    "struct_pack": _told(struct_pack),
    "struct_size": _told(struct_size),
    "struct_unpack": _told(struct_unpack),
    "unpack_double": unpack_double,
    "unpack_integer": unpack_integer,
}
"""What needs nothing of the server."""
