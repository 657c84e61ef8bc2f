"""All commands by name, and how a handler's signature becomes one of them.

A name of two words (``QUEUE CREATE``) is a subcommand of a container.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

from respq.broker.command import Arg, ArgGroup, Command, Flags, Option, RunFunction
from respq.resp.replies import Reply, Simple

if TYPE_CHECKING:
    from respq.broker.call import Call


@dataclass(slots=True)
class Container:
    """A command that is the first word of others; some, as COMMAND, do something alone too."""

    name: str
    group: str
    since: str
    categories: tuple[str, ...] = ()
    """ACL categories of HELP, besides its group's."""
    bare: Command | None = None
    subcommands: dict[bytes, Command] = field(default_factory=dict)
    help: Command = field(init=False)
    """Answers HELP; not one of the subcommands, because no page has to promise it."""

    def __post_init__(self) -> None:
        self.help = Command(
            f"{self.name} HELP",
            self.group,
            self.since,
            Flags.LOADING | Flags.STATELESS | Flags.DRAIN,
            self._show_help,
            "Show what the subcommands do",
            arguments=(),
            variadic=None,
            options=(),
            categories=self.categories,
        )

    def find(self, word: bytes) -> Command | None:
        """Return the subcommand of that upper-case name."""
        return self.help if word == b"HELP" else self.subcommands.get(word)

    def _show_help(self, _: Call) -> Reply:
        """Return the lines of ``X HELP``, made as Redis makes them."""
        lines = [f"{self.name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"]
        if self.bare is not None:
            lines += ["(no subcommand)", f"    {self.bare.summary}."]
        for command in (*self.subcommands.values(), self.help):
            lines += [command.syntax.removeprefix(f"{self.name} "), f"    {command.summary}."]
        return [Simple(line.encode()) for line in lines]


class CommandTable:
    """Every command by its upper-case name; containers hold their subcommands."""

    def __init__(self) -> None:
        self.entries: dict[bytes, Command | Container] = {}

    def command(
        self,
        name: str,
        *,
        group: str,
        since: str,
        flags: Flags,
        categories: tuple[str, ...] = (),
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Declare the decorated function as the handler of ``name``."""

        def declare(handler: Callable[..., Any]) -> Callable[..., Any]:
            self.add(_declared(name, group, since, flags, categories, handler))
            return handler

        return declare

    def run(
        self, name: str, *, besides: str = "", needs_queue: bool = True, resp2_only: bool = False
    ) -> Callable[[RunFunction], RunFunction]:
        """Declare the decorated function as a faster way to do ``name`` many times.

        It gets the engine, the time, a database, a key, and of several requests that have just
        that key and as many words behind it as there must be, a list for each of these words:
        ``HSET key field value`` has a list of fields and one of values. Of requests that have the
        key alone it is the word. The key is a queue that is there, unless the function looks
        for that itself; and nobody waits for it. It does what the
        handler would do for each, one after the other, and returns the encoded replies of as
        many as it did, from the first on, and their pops. The others are left to the handler,
        and so are all if it raises a `RespqError`, which it may before it changed anything, or
        those of clients who speak RESP3, if what it returns is for RESP2 only.
        """

        def declare(run: RunFunction) -> RunFunction:
            command = self.entries[name.encode()]
            assert isinstance(command, Command), name
            command.run = run
            command.run_besides = frozenset({besides} if besides else ())
            command.run_needs_queue = needs_queue
            command.run_resp2_only = resp2_only
            return run

        return declare

    def add(self, command: Command) -> None:
        """Add a command, to its container if its name has two words."""
        first, _, second = command.name.encode().partition(b" ")
        entry = self.entries.get(first)
        if not second and entry is None:
            self.entries[first] = command
            return
        if not isinstance(entry, Container):
            categories = command.categories
            entry = Container(first.decode(), command.group, command.since, categories, entry)
            self.entries[first] = entry
        if not second:
            assert entry.bare is None, command.name
            entry.bare = command
            return
        assert second not in entry.subcommands, command.name
        entry.subcommands[second] = command

    def merge(self, other: CommandTable) -> None:
        """Add every command of another table; each table counts its own calls."""
        for command in other:
            self.add(replace(command, calls=0, failures=0))

    def __iter__(self) -> Iterator[Command]:
        """Yield every command, subcommands included."""
        for entry in self.entries.values():
            if isinstance(entry, Command):
                yield entry
                continue
            if entry.bare is not None:
                yield entry.bare
            yield from entry.subcommands.values()


def _declared(
    name: str,
    group: str,
    since: str,
    flags: Flags,
    categories: tuple[str, ...],
    handler: Callable[..., Any],
) -> Command:
    """Read a handler's signature into a `Command`."""
    arguments: list[tuple[str, Arg]] = []
    variadic = last = None
    options: list[Option] = []
    # Not the return type: it is recursive, and says nothing about the syntax.
    annotations = {k: v for k, v in handler.__annotations__.items() if k != "return"}
    hints = get_type_hints(
        SimpleNamespace(__annotations__=annotations), handler.__globals__, include_extras=True
    )
    parameters = list(inspect.signature(handler).parameters.values())[1:]
    for parameter in parameters:
        hint = hints[parameter.name]
        assert get_origin(hint) is Annotated, f"{name}: {parameter.name} has no Arg"
        base, arg = get_args(hint)[:2]
        required = parameter.default is inspect.Parameter.empty
        if not required and parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD:
            assert parameter.default is None, f"{name}: {parameter.name} is None when left out"
            arg = replace(arg, optional=True)
        if isinstance(arg, ArgGroup):
            options += [
                Option(
                    field,
                    each,
                    each.read is bool,
                    required and bool(each.excludes),
                    parameter.name,
                    arg.make,
                )
                for field, each in arg.args.items()
            ]
            continue
        match parameter.kind:
            case inspect.Parameter.KEYWORD_ONLY if arg.last:
                last = (parameter.name, arg)
            case inspect.Parameter.KEYWORD_ONLY:
                assert arg.token or arg.words, f"{name}: {parameter.name} has no token"
                options.append(Option(parameter.name, arg, base is bool, required))
            case inspect.Parameter.VAR_POSITIONAL:
                variadic = (parameter.name, arg)
            case _:
                arguments.append((parameter.name, arg))
    return Command(
        name,
        group,
        since,
        flags,
        handler,
        (inspect.getdoc(handler) or "").splitlines()[0].rstrip("."),
        tuple(arguments),
        variadic,
        tuple(options),
        categories,
        last,
    )
