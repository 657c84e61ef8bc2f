"""What COMMAND INFO and ACL rules say of a command, all of it read off its declaration.

Redis' shapes: ten fields a command, names and key specifications as bulk strings, flags
and categories as sets of simple strings.
"""

from __future__ import annotations

from dataclasses import dataclass

from respq.broker.command import Command, Flags
from respq.broker.table import Container
from respq.resp.replies import Reply, SetOf, Simple

_FLAG_WORDS = (
    (Flags.WRITE, b"write"),
    (Flags.READONLY, b"readonly"),
    (Flags.DENYOOM, b"denyoom"),
    (Flags.ADMIN, b"admin"),
    (Flags.PUBSUB, b"pubsub"),
    (Flags.BLOCKING, b"blocking"),
    (Flags.LOADING, b"loading"),
    (Flags.FAST, b"fast"),
    (Flags.NO_AUTH, b"no_auth"),
    (Flags.REFUSED_IN_MULTI, b"no_multi"),
    (Flags.NOSCRIPT, b"noscript"),
)
_FLAG_CATEGORIES = (
    (Flags.WRITE, "write"),
    (Flags.READONLY, "read"),
    (Flags.ADMIN, "admin"),
    (Flags.ADMIN, "dangerous"),
    (Flags.BLOCKING, "blocking"),
    (Flags.PUBSUB, "pubsub"),
)
_GROUP_CATEGORIES = {
    "connection": "connection",
    "hashes": "hash",
    "keys": "keyspace",
    "lists": "list",
    "queue": "queue",
    "schedule": "schedule",
    "scripting": "scripting",
    "sets": "set",
    "streams": "stream",
    "strings": "string",
    "transactions": "transaction",
    "worker": "worker",
    "zsets": "sortedset",
}
_SLOW = "slow"


@dataclass(frozen=True, slots=True)
class KeySpec:
    """Where keys stand.

    One at ``index``, all from there on or up to the options, or as many as ``index`` says.
    """

    index: int
    to_the_end: bool = False
    first_after: int = 0
    """How far behind the number of keys the first one stands; 0 if there is no number."""
    to_the_options: bool = False
    step: int = 1
    behind: int = 0
    """Words behind the last key, of those that go to the end."""
    option: bytes = b""
    """The one that has the key, wherever it stands."""
    keyword: bytes = b""
    """The word that stands before the first key; half of the words behind it are keys."""

    @property
    def moves(self) -> bool:
        """Whether where the keys are depends on the other words."""
        return bool(self.first_after or self.keyword or self.option) or self.to_the_options

    @property
    def last_key(self) -> int:
        """Where the last key stands: seen from the first one, or, if negative, from the end."""
        return -1 - self.behind if self.to_the_end else 0

    def reply(self, flags: list[bytes]) -> Reply:
        """Return the specification as COMMAND INFO shows it."""
        if self.option:
            unknown: Reply = {b"type": b"unknown", b"spec": {}}
            return {b"flags": word_set(flags), b"begin_search": unknown, b"find_keys": unknown}
        if self.to_the_options:
            # No kind of Redis' says this; clients then ask COMMAND GETKEYS.
            flags = [*flags, b"incomplete"]
            find: Reply = {b"type": b"unknown", b"spec": {}}
        elif self.keyword:
            spec = {b"lastkey": -1, b"keystep": 1, b"limit": 2}
            find = {b"type": b"range", b"spec": spec}
        elif self.first_after:
            spec = {b"keynumidx": 0, b"firstkey": self.first_after, b"keystep": 1}
            find = {b"type": b"keynum", b"spec": spec}
        else:
            spec = {b"lastkey": self.last_key, b"keystep": self.step, b"limit": 0}
            find = {b"type": b"range", b"spec": spec}
        return {
            b"flags": word_set(flags),
            b"begin_search": self._begin(),
            b"find_keys": find,
        }

    def _begin(self) -> Reply:
        if self.keyword:
            where: Reply = {b"keyword": self.keyword, b"startfrom": self.index}
            return {b"type": b"keyword", b"spec": where}
        return {b"type": b"index", b"spec": {b"index": self.index}}


def key_specs(command: Command) -> list[KeySpec]:
    """Return where the keys of a command stand."""
    specs = []
    place = command.words_count
    count_place = 0
    for _, arg in command.arguments:
        if arg.is_key:
            specs.append(KeySpec(place))
        if arg.counts:
            count_place = place
        place += 1
    if command.variadic is not None and command.variadic[1].is_key:
        if command.variadic[1].token:
            specs.append(KeySpec(place, keyword=command.variadic[1].token))
        elif count_place:
            specs.append(KeySpec(count_place, first_after=place - count_place))
        else:
            ends = command.variadic[1].matches is not None
            step = command.variadic[1].step
            behind = int(command.last is not None)
            specs.append(
                KeySpec(place, to_the_end=not ends, to_the_options=ends, step=step, behind=behind)
            )
    specs += [KeySpec(0, option=each.arg.token) for each in command.options if each.arg.is_key]
    return specs


def flag_words(command: Command) -> list[bytes]:
    """Return Redis' words for the flags of a command."""
    words = [word for flag, word in _FLAG_WORDS if flag in command.flags]
    if any(spec.moves for spec in key_specs(command)):
        words.append(b"movablekeys")
    return words


def acl_categories(command: Command | Container) -> list[str]:
    """Return the ACL categories of a command, without the ``@``."""
    if isinstance(command, Container):
        return [_SLOW] if command.bare is None else acl_categories(command.bare)
    categories = [_GROUP_CATEGORIES[command.group]] if command.group in _GROUP_CATEGORIES else []
    # A script that may not write is no reader by itself: what it calls is.
    flags = command.flags & ~Flags.READONLY if command.group == "scripting" else command.flags
    categories += [word for flag, word in _FLAG_CATEGORIES if flag in flags]
    categories.append("fast" if Flags.FAST in command.flags else _SLOW)
    return categories + [word for word in command.categories if word not in categories]


def information(entry: Command | Container) -> Reply:
    """Return what COMMAND INFO says of a command or a container."""
    command = entry.bare if isinstance(entry, Container) else entry
    subcommands: list[Reply] = SetOf()  # Redis: an empty set, but an array where there are some.
    if isinstance(entry, Container):
        subcommands = [information(each) for each in (*entry.subcommands.values(), entry.help)]
    categories = word_set([f"@{word}".encode() for word in acl_categories(entry)])
    if command is None:
        name = entry.name.lower().encode()
        return [name, -2, word_set([]), 0, 0, 0, categories, word_set([]), SetOf([]), subcommands]
    specs = key_specs(command)
    return [
        command.full_name.encode(),
        -command.words_count if isinstance(entry, Container) else command.arity,
        word_set(flag_words(command)),
        *_legacy_range(specs),
        categories,
        word_set([]),
        SetOf([spec.reply(_access_words(command)) for spec in specs]),
        subcommands,
    ]


def word_set(words: list[bytes]) -> SetOf:
    """Return words as a set of simple strings, in their order."""
    return SetOf([Simple(word) for word in words])


def _legacy_range(specs: list[KeySpec]) -> tuple[int, int, int]:
    """Return first key, last key and step, which know nothing of keys that move."""
    ranges = [spec for spec in specs if not spec.moves]
    if not ranges:
        return 0, 0, 0
    last = ranges[-1].last_key if ranges[-1].to_the_end else ranges[-1].index
    return ranges[0].index, last, ranges[-1].step


def _access_words(command: Command) -> list[bytes]:
    """Return what a command does with its keys, in the words of key specifications."""
    if Flags.WRITE not in command.flags:
        return [b"RO", b"access"]
    if Flags.DENYOOM in command.flags:
        return [b"RW", b"insert"]
    if Flags.BLOCKING in command.flags:
        return [b"RW", b"access", b"delete"]
    return [b"RW", b"update"]
