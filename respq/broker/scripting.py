"""Scripts: kept by the SHA-1 of their text, run as one command each.

A script runs to its end before anything else happens, and what it writes is part of the
transaction of the command that runs it. So the journal has the effects of scripts, never the
scripts: those are gone after a restart, and clients send them again on NOSCRIPT.

Lua and what is around it is in broker/lua; here is what a script means to the server: which
commands it may call, for how long, and what becomes of it if it does not end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha1
from typing import TYPE_CHECKING, Any

from respq.broker.call import Call
from respq.broker.command import Command
from respq.broker.lua.interpreter import STOP, Chunk, Interpreter, Returned, stop
from respq.broker.lua.shebang import ScriptFlags, read_shebang
from respq.broker.lua.tokens import Token, error_text, tokens
from respq.broker.session import Session
from respq.config import (
    SCRIPT_TOKENS_MAX,
    SCRIPTS_BYTES_MAX,
    SCRIPTS_MAX,
    TRANSACTION_BYTES_MAX,
)
from respq.errors import NoScript, RespqError, ScriptError, ScriptOverdue, SyntaxFault, TooBig
from respq.resp.replies import OK, Encoded, Reply, Simple

if TYPE_CHECKING:
    from respq.broker.broker import Broker

_LEVELS = ("debug", "debug", "info", "warning")
"""Of our log for Redis' DEBUG, VERBOSE, NOTICE and WARNING."""
_LOG_BYTES_MAX = 1_024
"""Of one line, as in Redis."""
_RANDOM_LOW = 0x330E
_RANDOM_START = 0x1234ABCD << 16 | _RANDOM_LOW
"""Of the generator of 48 bits that C libraries have, with their start."""
_RANDOM_MAX = 2**31 - 1
_KNOWN_MAX = 1_000
"""Names of commands, as scripts write them, that are remembered."""
_OK = True, b"s", OK.text
_RETURN = re.compile(rb"\breturn\b")


@dataclass(slots=True, eq=False)
class Script:
    """A script that compiled."""

    sha: bytes
    text: bytes
    flags: ScriptFlags
    chunk: Chunk
    """None if it has to be compiled again."""
    is_loaded: bool
    """Whether SCRIPT LOAD brought it: those that EVAL brought are forgotten before it."""
    return_line: int = field(init=False)
    """The line in which it returns; 0 if there are several such lines."""

    def __post_init__(self) -> None:
        self.return_line = 0
        first = _RETURN.search(self.text)
        if first is not None:
            end = self.text.find(b"\n", first.end())
            if end < 0 or _RETURN.search(self.text, end) is None:
                self.return_line = self.text.count(b"\n", 0, first.start()) + 1


class Scripts:
    """The scripts of a server, and the one that runs."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self._scripts: dict[bytes, Script] = {}
        """By SHA-1 in hexadecimal, oldest first."""
        self._text_bytes = 0
        self._interpreter: Interpreter | None = None
        self._session = Session(broker, 0)
        """What commands of scripts see; it takes after that of the caller for each run."""
        self._start = 0
        """How many records there were before the run."""
        self._began_s = 0.0
        self._stops_s = 0.0
        """When it is to be stopped, if it has written nothing."""
        self._known: dict[bytes, Command] = {}
        """By name, as scripts write it."""
        self._written_bytes = 0
        self._read_only = False
        self._may_grow = False
        self._tokens: list[Token] = []
        """Of a reply that Lua has not fetched whole."""
        self._random = _RANDOM_START

    # Keeping scripts.

    def load(self, text: bytes) -> bytes:
        """Keep a script until FLUSH or a restart; return its SHA-1."""
        script = self._script(text)
        script.is_loaded = True
        return script.sha

    def exists(self, sha: bytes) -> bool:
        """Tell whether there is a script of that SHA-1."""
        return sha.lower() in self._scripts

    def flush(self) -> None:
        """Forget all scripts."""
        self._scripts.clear()
        self._text_bytes = 0
        self._interpreter = None

    def _script(self, text: bytes) -> Script:
        sha = sha1(text, usedforsecurity=False).hexdigest().encode()
        script = self._scripts.get(sha)
        if script is None:
            flags, code = read_shebang(text)
            script = Script(sha, code, flags, self._compile(code), is_loaded=False)
            self._scripts[sha] = script
            self._text_bytes += len(code)
            self._forget_oldest()
        return script

    def _compile(self, code: bytes) -> Chunk:
        try:
            return self._lua().compile(code)
        except RespqError as error:
            if self._interpreter is None:
                raise
            raise RespqError(f"Error compiling script (new function): {error}") from None

    def _lua(self) -> Interpreter:
        """Return the interpreter; a new one if there is none, or it is worn."""
        if self._interpreter is not None and self._interpreter.is_worn:
            self._interpreter = None
            for script in self._scripts.values():
                script.chunk = None
        if self._interpreter is None:
            lent: dict[str, Callable[..., Any]] = {
                "call_many": self._call_many,
                "more": self._more_tokens,
                "time_is_over": self._time_is_over,
                "speak": self._speak,
                "knows": self._knows,
                "log": self._log,
                "random": self._draw,
                "seed": self._seed,
            }
            limit = self.broker.settings.script_memory_bytes_max
            self._interpreter = Interpreter(lent, self._call, limit)
        return self._interpreter

    def _forget_oldest(self) -> None:
        """Keep within the limits; scripts that EVAL brought go first."""
        while len(self._scripts) > SCRIPTS_MAX or self._text_bytes > SCRIPTS_BYTES_MAX:
            *older, _ = self._scripts.values()
            oldest = next((each for each in older if not each.is_loaded), older[0])
            del self._scripts[oldest.sha]
            self._text_bytes -= len(oldest.text)

    # Running them.

    def evaluate(
        self,
        call: Call,
        text: bytes,
        keys_count: int,
        words: Sequence[bytes],
        *,
        read_only: bool,
    ) -> Reply:
        """Run a script by its text, and return what it returns."""
        return self.run(call, self._script(text), keys_count, words, read_only=read_only)

    def find(self, sha: bytes) -> Script:
        """Return the script of that SHA-1; raise `NoScript`."""
        script = self._scripts.get(sha) or self._scripts.get(sha.lower())
        if script is None:
            raise NoScript("No matching script. Please use EVAL.")
        return script

    def run(
        self,
        call: Call,
        script: Script,
        keys_count: int,
        words: Sequence[bytes],
        *,
        read_only: bool,
    ) -> Reply:
        """Run a script and return what it returns, or the error that it ends with.

        The first of the words are its keys, the others its arguments.

        Raises:
            RespqError: the script may not run now; nothing has happened.
            ScriptOverdue: it has written and does not end.
        """
        if script.flags.has_shebang:
            self._check_flags(script.flags, read_only)
        lua = self._lua()
        if script.chunk is None:
            script.chunk = self._compile(script.text)
        self._begin(call, script.flags, read_only)
        returned = lua.run(
            script.chunk,
            keys_count,
            words,
            return_line=script.return_line,
            is_resp3=call.session.protocol == 3,
        )
        self._tokens = []
        if lua.fault is not None:
            raise lua.fault
        return _reply(script, returned)

    def _check_flags(self, flags: ScriptFlags, read_only: bool) -> None:
        if read_only and not flags.no_writes:
            raise RespqError("Can not execute a script with write flag using *_ro command.")
        shortage = self.broker.shortage
        if shortage is not None and not (flags.allow_oom or flags.no_writes):
            raise type(shortage)(f"allow-oom flag is not set on the script, and {shortage}")

    def _begin(self, call: Call, flags: ScriptFlags, read_only: bool) -> None:
        caller, own = call.session, self._session
        own.id, own.address, own.name = caller.id, caller.address, caller.name
        own.select(caller.db)
        own.authenticated = caller.authenticated
        own.protocol = 2
        own.pops = caller.pops
        own.call.now_ms = call.now_ms
        self._start = len(self.broker.engine.records)
        self._began_s = self.broker.stopwatch_s()
        self._stops_s = self._began_s + self.broker.settings.script_ms_max / 1_000
        self._written_bytes = 0
        self._read_only = read_only or flags.no_writes
        self._may_grow = flags.allow_oom

    def own(self, session: Session) -> bool:
        """Tell whether it is a script that runs a command, rather than a client."""
        return session is self._session

    # What scripts are lent.

    def _call(self, *words: Token) -> Any:
        """Run a command; return its reply as commands.py wants it, or what `stop` says.

        It is lent as it is (see `Interpreter`), because nothing is called as often.
        """
        lua, broker, session = self._interpreter, self.broker, self._session
        assert lua is not None
        try:
            now_s = broker.stopwatch_s()
            if now_s >= self._stops_s:
                overdue = self._overdue(now_s)
                if overdue is not None:
                    return lua.fitting(overdue)
            request: list[Any] = [*words]
            for word in words:
                if word.__class__ is not bytes:
                    request = [*map(_word, words)]
                    break
            command = self._known.get(request[0])
            is_limited = self._read_only or broker.shortage is not None
            if command is None or is_limited or len(request) != command.words_min:
                try:
                    command = self._allowed(request)
                except RespqError as error:
                    return lua.fitting(_refusal(error))
            if command.writes:
                size = self._written_bytes + command.size_bytes(request)
                if size > TRANSACTION_BYTES_MAX:
                    return lua.fitting(_refusal(_too_big(size)))
                self._written_bytes = size
            reply = broker.execute_inside(session, command, request, session.call.now_ms)
            if reply.__class__ is bytes:
                return reply if lua.fits(len(reply)) else STOP
            if reply.__class__ is int:
                return reply
            if reply is OK:
                return _OK
            return lua.fitting(self._told(reply))
        except Exception as error:
            return lua.fail(error)

    def _told(self, reply: Any) -> Token | tuple[Token, ...]:
        """Return a reply, but of an integer, bytes or OK, as commands.py wants it."""
        kind, protocol = reply.__class__, self._session.protocol
        if reply is None and protocol == 2:
            return False
        if isinstance(reply, RespqError):
            return _refusal(reply)
        if kind is list and {*map(type, reply)} == {bytes}:
            reply, kind = tuple(reply), tuple
        if kind is tuple and len(reply) <= SCRIPT_TOKENS_MAX:
            return True, b"l", *reply
        found = tokens(reply, protocol)
        if len(found) == 1:
            return found[0]
        if len(found) <= SCRIPT_TOKENS_MAX:
            return tuple(found)
        found.reverse()
        self._tokens = found
        return True, b"+"

    def _call_many(self, sizes: bytes, text: bytes) -> Any:
        """Run a command whose words come as one text, and their sizes."""
        words: list[Token] = []
        start = 0
        for size in map(int, sizes.split(b",")):
            words.append(text[start : start + size])
            start += size
        return self._call(*words)

    def _more_tokens(self) -> tuple[Token, ...]:
        """Return the next of the tokens that are left."""
        found = self._tokens[: -SCRIPT_TOKENS_MAX - 1 : -1]
        del self._tokens[-SCRIPT_TOKENS_MAX:]
        return tuple(found)

    def _allowed(self, request: list[bytes]) -> Command:
        """Return the command that a request names; raise what keeps a script from it."""
        command = self._known.get(request[0])
        if command is None:
            command = self._named(request)
        if len(request) != command.arity:
            try:
                command.check_arity(request)
            except SyntaxFault:
                raise RespqError("Wrong number of args calling Redis command from script") from None
        if command.is_noscript:
            raise RespqError("This Redis command is not allowed from script")
        if command.writes:
            if self._read_only:
                raise RespqError("Write commands are not allowed from read-only scripts.")
            if self.broker.shortage is not None and not self._has_written and not self._may_grow:
                # Once it has written, what it began is to be finished.
                self.broker.check_growth(command)
        return command

    def _named(self, request: list[bytes]) -> Command:
        """Return the command that a request names; remember those for which a name is enough."""
        try:
            command = self.broker.resolve(request)
        except RespqError:
            raise RespqError("Unknown Redis command called from script") from None
        # A container that does something alone is known by its second word.
        is_plain = isinstance(self.broker.table.entries[request[0].upper()], Command)
        if is_plain and not command.is_noscript and len(self._known) < _KNOWN_MAX:
            self._known[request[0]] = command
        return command

    @property
    def _has_written(self) -> bool:
        return len(self.broker.engine.records) > self._start

    def _time_is_over(self) -> tuple[Token, ...] | None:
        return self._overdue(self.broker.stopwatch_s())

    def _overdue(self, now_s: float) -> tuple[Token, ...] | None:
        """Tell whether the script that runs is to be stopped, and for what reason."""
        settings = self.broker.settings
        if now_s < self._stops_s:
            return None
        if not self._has_written:
            return stop(
                f"the script was stopped after {settings.script_ms_max} ms: it had written nothing"
            )
        if (now_s - self._began_s) * 1_000 < settings.script_written_ms_max:
            return None
        raise ScriptOverdue(
            f"a script that has written did not end in {settings.script_written_ms_max} ms: "
            "what it wrote is not kept"
        )

    def _speak(self, protocol: int) -> None:
        self._session.protocol = protocol

    def _knows(self, *words: bytes) -> bool:
        try:
            self.broker.resolve(list(words))
        except RespqError:
            return False
        return True

    def _log(self, level: int, text: bytes) -> None:
        shown = text[:_LOG_BYTES_MAX].decode(errors="backslashreplace")
        self.broker.log(_LEVELS[level], shown)

    def _draw(self) -> float:
        """Return the next random number of Redis, from 0 to 1."""
        self._random = (self._random * 0x5DEECE66D + 0xB) & (2**48 - 1)
        return (self._random >> 17) % _RANDOM_MAX / _RANDOM_MAX

    def _seed(self, seed: float) -> None:
        # What does not fit becomes what it becomes in C.
        whole = int(seed) if abs(seed) < 2**31 else -(2**31)
        self._random = (whole & 0xFFFFFFFF) << 16 | _RANDOM_LOW


def _refusal(error: RespqError) -> tuple[Token, ...]:
    return True, b"e", error_text(error)


def _too_big(size: int) -> TooBig:
    return TooBig(f"the script writes {size} bytes, the limit is {TRANSACTION_BYTES_MAX}: split it")


def _word(word: Token) -> bytes:
    """Return an argument as the text that it is in Redis."""
    if isinstance(word, bytes):
        return word
    return b"%d" % word if isinstance(word, int) else b"%.17g" % word


def _reply(script: Script, returned: Returned) -> Reply:
    if not isinstance(returned, tuple):
        return returned
    _, kind, text, *where = returned
    match kind:
        case b"i":
            return int(text)
        case b"o":
            return Simple(text)
        case b"r":
            return Encoded(text)
    if where and where[0] is not None:
        source = b":".join(
            part if isinstance(part, bytes) else b"%d" % part for part in where if part is not None
        )
        text += b" script: %b, on %b." % (script.sha, source)
    if b" " not in text:
        return Encoded(b"-%b\r\n" % text)
    return ScriptError(text.decode(errors="surrogateescape"))
