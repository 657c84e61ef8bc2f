"""Commands declared by their Python signature.

The parameters of a handler after ``call`` are the arguments of the command, each
``Annotated`` with an `Arg`:

    positional        an argument, in order; optional if its default is None, or where others
                      that must be given follow (``AUTH [username] password``) by its `Arg`
    *names            one argument or more; as many as a ``counts`` argument before it says,
                      else as far as ``matches`` holds, else all that is left; a ``token`` may
                      stand before them (``STREAMS key [key ...] id [id ...]``)
    keyword, last     the last word, behind the ``*names`` (``BLPOP key [key ...] timeout``)
    keyword-only      an option, in any order after the arguments: ``TOKEN value …``;
                      a bool is a bare token, ``words`` is one of several bare tokens; an
                      `ArgGroup` stands for many options that the handler gets as one value;
                      without a default one must be given of those that exclude one another

From the signature come the parser, the arity, the key positions, what COMMAND and
redis-cli show, and the facts block of the command's page. table.py makes a `Command` of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Flag, auto
from itertools import takewhile
from typing import Any

from respq.broker.session import Pop
from respq.config import ARGUMENTS_MAX
from respq.errors import SyntaxFault

NO_OPTIONS: dict[str, Any] = {}
RunAnswer = tuple[list[bytes], list[Pop]]
RunFunction = Callable[..., RunAnswer]
"""See `CommandTable.run`."""
Bound = tuple[list[Any], dict[str, Any]]
"""The positional and keyword arguments of a handler."""


class Flags(Flag):
    """What a command does, and when it may run."""

    WRITE = auto()
    READONLY = auto()
    DENYOOM = auto()
    """Makes the state grow: refused while memory or the disk is short."""
    BLOCKING = auto()
    FAST = auto()
    ADMIN = auto()
    NO_AUTH = auto()
    """Runs before AUTH."""
    LOADING = auto()
    """Runs while the journal is being replayed."""
    STATELESS = auto()
    """Reads nothing that a commit could change: its reply need not wait for one."""
    NO_MULTI = auto()
    """Runs at once between MULTI and EXEC, instead of being queued."""
    REFUSED_IN_MULTI = auto()
    """Has no place in a transaction; Redis calls this no_multi."""
    DRAIN = auto()
    """Still runs while the server drains."""
    PUBSUB = auto()
    """Has to do with channels."""
    SUBSCRIBED = auto()
    """Runs in RESP2 while the connection listens to channels."""
    NOSCRIPT = auto()
    """Has no place in a script."""


@dataclass(frozen=True, slots=True)
class Arg:
    """How one argument or option is read from bytes, and how it is shown."""

    read: Callable[..., Any]
    """From as many byte strings as ``values`` names; raises `RespqError`."""
    kind: str = "string"
    """Type in COMMAND DOCS: key, string, integer, double, unix-time, pattern."""
    values: tuple[str, ...] = ()
    """How the values are shown; () takes the parameter's name."""
    token: bytes = b""
    words: tuple[bytes, ...] = ()
    parts: tuple[Arg, ...] = ()
    """Options that may only follow right after this one; ``read`` gets a dict of them last."""
    excludes: str = ""
    """Options that share this word exclude one another."""
    is_key: bool = False
    optional: bool = False
    """Of a variadic: there may be none. Of an argument: it is None when the request has
    only words enough for those that must be given; a default of None says the same."""
    counted: bool = False
    """Of an option: its first value says how many others follow, each as the last of ``values``."""
    many: bool = False
    """Of an option: all words that are left are its values."""
    as_counted: bool = False
    """Of an option: it has as many values as the ``counts`` argument says there are keys."""
    signs: tuple[bytes, ...] = ()
    """Of an option: one of these may stand before its values; ``read`` gets it first, or none."""
    leads: bool = False
    """Of an option: it stands before the variadic, and may be given again."""
    behind_leads: bool = False
    """Of an argument: such options stand before it."""
    repeats_max: int = 0
    """Of an option: so often it may be given, and its value is a tuple; 0 for once, and none. Of a
    variadic: how many there may be; 0 for any number."""
    step: int = 1
    """Of a variadic: how many words belong together, as ``key value``; the handler gets all in a
    row. The first of them is the key, if it ``is_key``. Behind a ``token`` there are first all
    keys, and then all that belong to them."""
    shares_text: bool = False
    """Of a variadic: what an option says is written down with each of them."""
    counts: bool = False
    missing: str = ""
    """Of an argument that ``counts``: the error where fewer words follow."""
    rest: str = ""
    """Of a variadic that is counted: what else follows it, shown so, belongs to its values."""
    then_options: bool = False
    """Of the last argument: words behind it are no options, rather than too many words."""
    last: bool = False
    """Of a keyword: the one word behind a variadic; it is read first."""
    matches: Callable[[bytes], bool] | None = None
    """Of a variadic, or of an option with ``many``: its values end where this says no."""

    @property
    def is_plain(self) -> bool:
        """Whether the bytes are the value."""
        return self.read is bytes


@dataclass(frozen=True, slots=True)
class ArgGroup:
    """Options that several commands share: ``make`` gets those that were given by keyword."""

    make: Callable[..., Any]
    args: Mapping[str, Arg]


@dataclass(frozen=True, slots=True)
class Option:
    """A keyword-only parameter, or one option of an `ArgGroup`."""

    parameter: str
    arg: Arg
    is_flag: bool = False
    is_required: bool = False
    group: str = ""
    make: Callable[..., Any] | None = None


@dataclass(slots=True)
class Command:
    """One command: its name, its facts, and the function that carries it out."""

    name: str
    group: str
    since: str
    flags: Flags
    handler: Callable[..., Any]
    summary: str
    arguments: tuple[tuple[str, Arg], ...]
    variadic: tuple[str, Arg] | None
    options: tuple[Option, ...]
    categories: tuple[str, ...] = ()
    """ACL categories besides those that the flags and the group say."""
    last: tuple[str, Arg] | None = None
    """The word behind the variadic; there are no options then."""
    calls: int = 0
    """How often it ran."""
    failures: int = 0
    """How often it was refused."""
    arity: int = field(init=False)
    """Number of words with the name; negative means at least, as in COMMAND INFO."""
    words_min: int = field(init=False)
    """Number of words that it needs."""
    required_count: int = field(init=False)
    run: RunFunction | None = None
    """Carries out a run of plain requests for one queue or key; see `CommandTable.run`."""
    run_besides: frozenset[str] = frozenset()
    """Options that make no difference to what ``run`` carries out."""
    run_resp2_only: bool = False
    """Its replies are those of RESP2, and in RESP3 they are others."""
    run_needs_queue: bool = True
    """``run`` is for a queue that is there; other keys it looks up itself."""
    run_length: int = field(init=False)
    """Number of words of a request that may be part of a run."""
    words_count: int = field(init=False)
    step: int = field(init=False)
    """Of the words of the variadic that belong together, where nothing can follow them."""
    stateless: bool = field(init=False)
    writes: bool = field(init=False)
    is_noscript: bool = field(init=False)
    is_never_queued: bool = field(init=False)
    is_refused_in_multi: bool = field(init=False)
    blocking: bool = field(init=False)
    _words_max: int = field(init=False)
    _options: dict[str, Option] = field(init=False)
    """By parameter."""
    _required: list[Option] = field(init=False)
    _tokens: dict[bytes, Option] = field(init=False)
    _leading: dict[bytes, Option] = field(init=False)
    _leads_early: bool = field(init=False)
    """They stand before an argument."""
    plain_length: int = field(init=False)
    """Of a request whose words are the arguments as they are; -1 if there is none such.

    Arguments for which the handler has a value are left out. A variadic is one word in it. Whether
    one that does not match is an option, or nothing, is for the handler to say.
    """
    _plain_from: int = field(init=False)
    """The least length of a request whose words are the arguments as they are, if none of them
    leads; 0 if there is none such."""
    _least_length: int = field(init=False)
    """Of a request with no more words than it needs, if each is an argument; 0 if there is none
    such."""
    _least_reads: tuple[Callable[..., Any], ...] = field(init=False)
    """Read these words."""
    _least_absent: list[None] = field(init=False)
    """What stands for the arguments that are left out."""
    _count_at: int = field(init=False)
    """Where a number stands, if all other words of a request are arguments as they are; else 0."""
    _count: Callable[..., Any] = field(init=False)
    """Reads it."""

    def __post_init__(self) -> None:
        self.words_count = len(self.name.split())
        self.required_count = sum(not arg.optional for _, arg in self.arguments)
        variadic_words = 0 if self.variadic is None else self.variadic[1].step
        self.run_length = 1 + self.required_count + variadic_words + (self.last is not None)
        self.stateless = Flags.STATELESS in self.flags
        self.writes = Flags.WRITE in self.flags
        self.is_noscript = Flags.NOSCRIPT in self.flags
        self.is_never_queued = Flags.NO_MULTI in self.flags
        self.is_refused_in_multi = Flags.REFUSED_IN_MULTI in self.flags
        self.blocking = Flags.BLOCKING in self.flags
        self._options = {option.parameter: option for option in self.options}
        self._required = [option for option in self.options if option.is_required]
        self._tokens = {}
        for option in self.options:
            for token in option.arg.words or (option.arg.token,):
                self._tokens[token] = option
        self.arity = self._arity()
        self.words_min = abs(self.arity)
        ends = self.variadic is None and not self.options
        ends = ends and not any(arg.then_options for _, arg in self.arguments)
        self._words_max = self.words_count + len(self.arguments) if ends else ARGUMENTS_MAX
        self._leads_early = any(arg.behind_leads for _, arg in self.arguments)
        self._leading = {token: each for token, each in self._tokens.items() if each.arg.leads}
        uneven = self.variadic is not None and not self.options
        self.step = self.variadic[1].step if uneven and self.variadic is not None else 1
        self._note_plain()
        self._note_least()

    def _note_least(self) -> None:
        """Note how a request is read that has no more words than it needs."""
        words = [arg for _, arg in self.arguments]
        needed = words[: self.required_count]
        is_bare = self.variadic is None or (
            self.variadic[1].optional and not self.variadic[1].token
        )
        is_plain = not any(arg.optional or arg.behind_leads or arg.counts for arg in needed)
        has_more = self._required or self._leading or self.last is not None
        self._least_length = 0
        if is_bare and is_plain and not has_more:
            self._least_length = self.words_count + len(needed)
        self._least_reads = tuple(arg.read for arg in needed)
        self._least_absent = [None] * (len(words) - len(needed))

    def _note_plain(self) -> None:
        """Note which requests need not be read: their words are the arguments."""
        self.plain_length, self._plain_from = -1, 0
        self._count_at, self._count = 0, bytes
        words = [arg for _, arg in self.arguments]
        variadic = self.variadic[1] if self.variadic is not None else None
        if variadic is not None and variadic.rest and variadic.is_plain and not self.options:
            *first, count = words
            if all(arg.is_plain and not arg.optional for arg in first):
                self._count_at, self._count = self.words_count + len(first), count.read
        if variadic is not None:
            words.append(variadic)
        elif len(words) - self.required_count <= len(self.handler.__defaults__ or ()):
            del words[self.required_count :]
        plain = all(arg.is_plain and not arg.optional and not arg.counts for arg in words)
        if not plain or self._required or self.last is not None:
            return
        if variadic is None or variadic.step == 1:
            self.plain_length = self.words_count + len(words)
        if (
            variadic is None
            or self._leads_early
            or not all(each.arg.leads for each in self.options)
        ):
            return
        if not (variadic.matches or variadic.rest or variadic.repeats_max or variadic.token):
            self._plain_from = self.words_count + len(self.arguments) + variadic.step

    @property
    def full_name(self) -> str:
        """The name as COMMAND and the errors show it: ``queue|create``."""
        return self.name.lower().replace(" ", "|")

    def check_arity(self, request: list[bytes]) -> None:
        """Raise `SyntaxFault` if the request has too few or too many words by its arity.

        As in Redis, more than what may be left out are too many only when the command runs.
        """
        if len(request) < self.words_min or 0 < self.arity < len(request):
            raise self.wrong_arity()

    def wrong_arity(self) -> SyntaxFault:
        """Return Redis' error for too few or too many words."""
        return SyntaxFault(f"wrong number of arguments for '{self.full_name}' command")

    def bind(self, request: list[bytes]) -> Bound:
        """Read a request into the handler's positional and keyword arguments.

        Raises:
            RespqError: `SyntaxFault`, or what an argument's ``read`` raises.
        """
        length = len(request)
        if length == self.plain_length:
            return request[self.words_count :], NO_OPTIONS
        if length == self._least_length:
            given = zip(self._least_reads, request[self.words_count :])  # noqa: B905 - as long
            return [*[read(word) for read, word in given], *self._least_absent], NO_OPTIONS
        if 0 < self._count_at < length:
            place = self._count_at
            count = self._count(request[place])
            return [*request[self.words_count : place], count, *request[place + 1 :]], NO_OPTIONS
        if 0 < self._plain_from <= length and not (length - self._plain_from) % self.step:
            first = self.words_count + len(self.arguments)
            if not self._leading or request[first].upper() not in self._leading:
                return request[self.words_count :], NO_OPTIONS
        return self._bind(request)

    def run_columns(self, words: Sequence[bytes], *columns: list[bytes]) -> Sequence[list[bytes]]:
        """Return what `run` gets, of requests that begin with words and differ in the columns.

        For each word behind the key a list; for requests for a key alone, whose options make no
        difference, any list that is as long as there are requests.
        """
        if self.run_length <= 2:
            return columns[-1:]
        return [*[[word] * len(columns[0]) for word in words[2:]], *columns]

    def can_run(self, bound: Bound) -> bool:
        """Tell whether `run` can carry out a request for a key alone, with these options."""
        arguments, options = bound
        return self.run is not None and len(arguments) == 1 and options.keys() <= self.run_besides

    def size_bytes(self, request: list[bytes]) -> int:
        """Return how many bytes a request may have the journal hold, give or take a little."""
        if self.variadic is not None and self.variadic[1].shares_text:
            return len(request) * max(map(len, request))
        return sum(map(len, request))

    def key_positions(self, request: list[bytes]) -> list[int]:
        """Return where the keys of a request stand; it need not be valid beyond its arity.

        Where a number of keys is given that cannot be true, there are none.
        """
        positions: list[int] = []
        place = self.words_count
        count = None
        for _, arg in self.arguments:
            if place >= len(request):
                return positions
            if arg.is_key:
                positions.append(place)
            if arg.counts:
                digits = request[place]
                count = int(digits) if digits.isdigit() and len(digits) < 10 else 0
            place += 1
        if self.variadic is not None and self.variadic[1].is_key:
            if self.variadic[1].token:
                return self._positions_behind_token(request)
            matches = self.variadic[1].matches
            if count is None and matches is not None:
                count = len([*takewhile(matches, request[place:])])
            end = len(request) - (self.last is not None) if count is None else place + count
            step = self.variadic[1].step
            positions += range(place, end, step) if end <= len(request) else ()
        elif any(option.arg.is_key for option in self.options):
            positions += self._positions_in_options(request, place)
        return positions

    def _positions_in_options(self, request: list[bytes], place: int) -> list[int]:
        """Return where options have keys; one such has the key alone."""
        positions = []
        while place < len(request) - 1:
            option = self._tokens.get(request[place].upper())
            place += 1
            if option is None or option.is_flag or option.arg.words:
                continue
            if option.arg.is_key:
                positions.append(place)
            place += len(option.arg.values)
        return positions

    def _positions_behind_token(self, request: list[bytes]) -> list[int]:
        """Return where keys stand of which each has an argument behind all of them."""
        assert self.variadic is not None
        place = self.words_count
        while place < len(request):
            word = request[place].upper()
            place += 1
            if word == self.variadic[1].token:
                count = len(request) - place
                return [] if count % 2 else [*range(place, place + count // 2)]
            option = self._leading.get(word)
            place += 0 if option is None or option.is_flag else len(option.arg.values)
        return []

    def _arity(self) -> int:
        alternatives = {each.arg.excludes or each.parameter: each for each in self._required}
        required = sum(
            1 + (len(option.arg.values) or 1) * (not option.is_flag and not option.arg.words)
            for option in alternatives.values()
        )
        variadic = 0
        if self.variadic is not None and not self.variadic[1].optional:
            variadic = self.variadic[1].step + bool(self.variadic[1].token)
        least = self.words_count + self.required_count + variadic + required
        least += self.last is not None
        exact = (
            self.required_count == len(self.arguments)
            and self.variadic is None
            and not self.options
        )
        return least if exact else -least

    def _bind(self, request: list[bytes]) -> Bound:
        self.check_arity(request)
        if len(request) > self._words_max:
            raise self.wrong_arity()
        place = self.words_count
        named: dict[str, Any] = {}
        if self.last is not None:
            name, last = self.last
            named[name] = last.read(request[-1])
            request = request[:-1]
        if self.step > 1 and (len(request) - place - len(self.arguments)) % self.step:
            # Redis, too, finds this only when the command runs, not when it is queued.
            raise self.wrong_arity()
        values: list[Any] = []
        count = None
        spare = len(request) - self.words_min
        for _, arg in self.arguments:
            if arg.behind_leads:
                place = self._bind_leading(request, place, named)
                if place == len(request):
                    raise self.wrong_arity()
            if arg.optional:
                if spare <= 0 or request[place].upper() in self._tokens:
                    values.append(None)
                    continue
                spare -= 1
            value = arg.read(request[place])
            place += 1
            if arg.counts:
                count = value
                rest = self.variadic is not None and self.variadic[1].rest
                if value > len(request) - place and not rest:
                    raise SyntaxFault(
                        arg.missing
                        or f"syntax error: {value} arguments should follow, but there are "
                        f"{len(request) - place}"
                    )
            values.append(value)
        if self._leading:
            if not self._leads_early:
                place = self._bind_leading(request, place, named)
            named = self._gather_groups(named)
        if self.variadic is not None:
            if self.variadic[1].token:
                place = self._behind_token(request, place)
            end = self._variadic_end(request, place, count)
            most = self.variadic[1].repeats_max
            if 0 < most < end - place:
                what = (self.variadic[1].values or self.variadic)[0]
                raise SyntaxFault(f"{end - place} {what}s at once are over the limit of {most}")
            values += map(self.variadic[1].read, request[place:end])
            place = end
        if self.last is not None:
            return values, named
        options = self._bind_options(request, place, count)
        return values, {**named, **options} if named else options

    def _bind_leading(self, request: list[bytes], place: int, named: dict[str, Any]) -> int:
        """Read the options that stand at ``place``; return the place behind them."""
        excluded: set[str] = set()
        while place < len(request):
            option = self._leading.get(request[place].upper())
            if option is None:
                break
            if option.is_flag:
                named[option.parameter] = True
                place += 1
                continue
            if option.arg.excludes in excluded:
                raise SyntaxFault(near(request[place]))
            if option.arg.excludes:
                excluded.add(option.arg.excludes)
            named[option.parameter], place = _read_option(option.arg, request, place)
        return place

    def _behind_token(self, request: list[bytes], place: int) -> int:
        """Return where the words behind the token of the variadic begin, which must be even."""
        assert self.variadic is not None
        token = self.variadic[1].token
        if place >= len(request) - 1 or request[place].upper() != token:
            raise SyntaxFault(near(request[place]) if place < len(request) else "syntax error")
        if (len(request) - place - 1) % self.variadic[1].step:
            raise SyntaxFault(
                f"Unbalanced '{self.full_name}' list of streams: "
                "for each stream key an ID or '$' must be specified."
            )
        return place + 1

    def _variadic_end(self, request: list[bytes], place: int, count: int | None) -> int:
        assert self.variadic is not None
        if self.variadic[1].rest:
            return len(request)
        if count is not None:
            return place + count
        matches = self.variadic[1].matches
        end = place
        while end < len(request) and (matches is None or matches(request[end])):
            end += 1
        if end == place and not self.variadic[1].optional:
            if place == len(request) and self._leads_early:
                raise self.wrong_arity()
            raise SyntaxFault(near(request[place]) if place < len(request) else "syntax error")
        return end

    def _bind_options(
        self, request: list[bytes], place: int, counted: int | None
    ) -> dict[str, Any]:
        if place == len(request) and not self._required:
            return NO_OPTIONS
        named: dict[str, Any] = {}
        excluded: set[str] = set()
        while place < len(request):
            token = request[place].upper()
            option = self._tokens.get(token)
            if option is None or option.arg.leads or option.arg.excludes in excluded:
                raise SyntaxFault(near(request[place]))
            arg = option.arg
            if arg.repeats_max:
                value, place = _read_option(arg, request, place, counted)
                given = named[option.parameter] = (*named.get(option.parameter, ()), value)
                if len(given) > arg.repeats_max:
                    raise SyntaxFault(
                        f"{token.decode()} is given more than {arg.repeats_max} times"
                    )
                continue
            if option.parameter in named:
                raise SyntaxFault(near(request[place]))
            if arg.excludes:
                excluded.add(arg.excludes)
            if arg.words or option.is_flag:
                named[option.parameter] = token if arg.words else True
                place += 1
            else:
                named[option.parameter], place = _read_option(arg, request, place, counted)
        for option in self._required:
            if option.parameter not in named and option.arg.excludes not in excluded:
                what = option.arg.token or b" | ".join(option.arg.words)
                raise SyntaxFault(f"syntax error: {what.decode()} is missing")
        return self._gather_groups(named)

    def _gather_groups(self, named: dict[str, Any]) -> dict[str, Any]:
        gathered: dict[str, Any] = {}
        groups: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {}
        for parameter, value in named.items():
            option = self._options[parameter]
            if option.make is None:
                gathered[parameter] = value
            elif option.group in groups:
                groups[option.group][1][parameter] = value
            else:
                groups[option.group] = option.make, {parameter: value}
        for group, (make, given) in groups.items():
            gathered[group] = make(**given)
        return gathered

    @property
    def syntax(self) -> str:
        """The line that stands at the head of the command's page."""
        parts = [self.name]
        for name, arg in self.arguments:
            if arg.behind_leads:
                parts += self._shown_leading()
            shown = (arg.values or (name,))[0]
            parts.append(f"[{shown}]" if arg.optional else shown)
        if not self._leads_early:
            parts += self._shown_leading()
        if self.variadic is not None:
            arg = self.variadic[1]
            names = arg.values[: arg.step] or (self.variadic[0],)
            if arg.token:
                parts.append(arg.token.decode())
            for name in names if arg.token else (" ".join(names),):
                parts += [f"[{name} ...]"] if arg.optional else [name, f"[{name} ...]"]
            if self.variadic[1].rest:
                parts.append(f"[{self.variadic[1].rest} ...]")
        if self.last is not None:
            parts.append((self.last[1].values or self.last)[0])
        for shown, required in self._shown_options():
            parts.append(shown if required else f"[{shown}]")
        return " ".join(parts)

    def _shown_leading(self) -> list[str]:
        return [f"[{shown}]" for shown, _ in self._shown_options(leading=True)]

    def _shown_options(self, *, leading: bool = False) -> Iterator[tuple[str, bool]]:
        groups: dict[str, list[Option]] = {}
        for option in self.options:
            if option.arg.leads != leading:
                continue
            groups.setdefault(option.arg.excludes or option.parameter, []).append(option)
        for options in groups.values():
            text = " | ".join(_shown(option.arg, option.is_flag) for option in options)
            yield text, all(option.is_required for option in options)


def near(word: bytes) -> str:
    """Return the text of a syntax error at ``word``."""
    text = word[:64].decode("ascii", "backslashreplace")
    return f"syntax error near '{text}'"


def _read_option(
    arg: Arg, request: list[bytes], place: int, counted: int | None = None
) -> tuple[Any, int]:
    """Read the option whose token stands at ``place``; return its value and the next place."""
    count = len(request) - place - 1 if arg.many else len(arg.values) or 1
    if arg.many and arg.matches is not None:
        count = len([*takewhile(arg.matches, request[place + 1 :])])
    if arg.as_counted and counted is not None:
        count = counted
    if arg.counted:
        count = _count_of(arg, request, place) + 1
    sign: tuple[bytes, ...] = ()
    if arg.signs:
        has_sign = place + 2 < len(request) and request[place + 1] in arg.signs
        sign = (request[place + 1] if has_sign else b"",)
        place += has_sign
    raw = request[place + 1 : place + 1 + count]
    if not raw or len(raw) < count:
        raise SyntaxFault(f"{near(request[place])}: {_shown(arg, False)}")
    place += 1 + count
    if sign:
        return arg.read(*sign, *raw), place
    if not arg.parts:
        return arg.read(*raw), place
    parts: dict[bytes, Any] = {}
    known = {part.token: part for part in arg.parts}
    while place < len(request):
        token = request[place].upper()
        if token not in known or token in parts:
            break
        parts[token], place = _read_option(known[token], request, place)
    return arg.read(*raw, parts), place


def _count_of(arg: Arg, request: list[bytes], place: int) -> int:
    """Return how many values follow the one that counts them."""
    digits = request[place + 1] if place + 1 < len(request) else b""
    if not digits.isdigit() or len(digits) > 9 or not int(digits):
        raise SyntaxFault(f"{near(request[place])}: {_shown(arg, False)}")
    return int(digits)


def _shown(arg: Arg, is_flag: bool) -> str:
    if arg.words:
        return " | ".join(word.decode() for word in arg.words)
    token = arg.token.decode()
    if is_flag:
        return token
    parts = "".join(f" [{_shown(part, False)}]" for part in arg.parts)
    values = " ".join(arg.values)
    if arg.signs:
        values = f"[{' | '.join(sign.decode() for sign in arg.signs)}] {values}"
    more = f" [{arg.values[-1]} ...]" if arg.many or arg.counted or arg.as_counted else ""
    more += f" [{token} {values} ...]" if arg.repeats_max else ""
    return f"{token} {values}{parts}{more}"
