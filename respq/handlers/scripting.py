"""Redis' commands for scripts."""

from __future__ import annotations

from typing import Annotated

from respq.broker.call import Call
from respq.broker.command import Arg, Flags
from respq.broker.table import CommandTable
from respq.errors import NotBusy, RespqError
from respq.handlers.arguments import Bulk, read_integer
from respq.resp.replies import OK, Reply

TABLE = CommandTable()
_RUN = Flags.NOSCRIPT
_READ = Flags.NOSCRIPT | Flags.READONLY
_MANAGE = Flags.NOSCRIPT | Flags.STATELESS | Flags.DRAIN

NumKeys = Annotated[int, Arg(read_integer, kind="integer", counts=True)]
KeysAndArgs = Annotated[
    bytes, Arg(bytes, kind="key", values=("key",), is_key=True, optional=True, rest="arg")
]
Sha = Annotated[bytes, Arg(bytes, values=("sha1",))]
Mode = Annotated[bytes, Arg(bytes, words=(b"ASYNC", b"SYNC"))]


@TABLE.command("EVAL", group="scripting", since="0.1.0", flags=_RUN)
def evaluate(call: Call, script: Bulk, numkeys: NumKeys, *words: KeysAndArgs) -> Reply:
    """Run a script in Lua."""
    _check_count(numkeys, words)
    return call.broker.scripts.evaluate(call, script, numkeys, words, read_only=False)


@TABLE.command("EVAL_RO", group="scripting", since="0.1.0", flags=_READ)
def evaluate_read_only(call: Call, script: Bulk, numkeys: NumKeys, *words: KeysAndArgs) -> Reply:
    """Run a script in Lua that may not write."""
    _check_count(numkeys, words)
    return call.broker.scripts.evaluate(call, script, numkeys, words, read_only=True)


@TABLE.command("EVALSHA", group="scripting", since="0.1.0", flags=_RUN)
def evaluate_known(call: Call, sha1: Bulk, numkeys: NumKeys, *words: KeysAndArgs) -> Reply:
    """Run a script that the server has, by the SHA-1 of its text."""
    scripts = call.broker.scripts
    script = scripts.find(sha1)
    _check_count(numkeys, words)
    return scripts.run(call, script, numkeys, words, read_only=False)


@TABLE.command("EVALSHA_RO", group="scripting", since="0.1.0", flags=_READ)
def evaluate_known_read_only(
    call: Call, sha1: Bulk, numkeys: NumKeys, *words: KeysAndArgs
) -> Reply:
    """Run a script that the server has and that may not write, by the SHA-1 of its text."""
    scripts = call.broker.scripts
    script = scripts.find(sha1)
    _check_count(numkeys, words)
    return scripts.run(call, script, numkeys, words, read_only=True)


@TABLE.command("SCRIPT LOAD", group="scripting", since="0.1.0", flags=_MANAGE)
def script_load(call: Call, script: Bulk) -> Reply:
    """Keep a script without running it, and return its SHA-1."""
    return call.broker.scripts.load(script)


@TABLE.command("SCRIPT EXISTS", group="scripting", since="0.1.0", flags=_MANAGE)
def script_exists(call: Call, *sha1: Sha) -> Reply:
    """Tell of each SHA-1 whether the server has a script of it."""
    return [int(call.broker.scripts.exists(each)) for each in sha1]


@TABLE.command("SCRIPT FLUSH", group="scripting", since="0.1.0", flags=_MANAGE)
def script_flush(call: Call, *, mode: Mode = b"") -> Reply:
    """Forget all scripts."""
    call.broker.scripts.flush()
    return OK


@TABLE.command("SCRIPT KILL", group="scripting", since="0.1.0", flags=_MANAGE)
def script_kill(call: Call) -> Reply:
    """Stop the script that runs; there is never one when this is heard."""
    raise NotBusy("No scripts in execution right now.")


def _check_count(numkeys: int, words: tuple[bytes, ...]) -> None:
    """Raise if so many of the words cannot be keys."""
    if numkeys > len(words):
        raise RespqError("Number of keys can't be greater than number of args")
    if numkeys < 0:
        raise RespqError("Number of keys can't be negative")
