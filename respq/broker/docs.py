"""What COMMAND DOCS says of a command: the syntax as a tree that redis-cli makes hints of.

redis-cli ends itself on a wrong type: names and summaries are bulk strings, the flags of an
argument simple strings, ``arguments`` an array. Names are the words of the page's syntax
line, so that the hint and the page say the same.
"""

from __future__ import annotations

from typing import Any

from respq.broker.command import Arg, Command, Option
from respq.broker.facts import word_set
from respq.broker.table import Container

Doc = dict[bytes, Any]


def documentation(entry: Command | Container) -> Doc:
    """Return what COMMAND DOCS says of a command or a container."""
    if isinstance(entry, Command):
        return _command(entry)
    if entry.bare is not None:
        doc = _command(entry.bare)
    else:
        doc = {
            b"summary": f"A container for commands: {entry.name} HELP shows them".encode(),
            b"since": entry.since.encode(),
            b"group": entry.group.encode(),
        }
    subcommands = (*entry.subcommands.values(), entry.help)
    doc[b"subcommands"] = {each.full_name.encode(): _command(each) for each in subcommands}
    return doc


def _command(command: Command) -> Doc:
    doc: Doc = {
        b"summary": command.summary.encode(),
        b"since": command.since.encode(),
        b"group": command.group.encode(),
    }
    arguments = [*_arguments(command), *_options(command)]
    for key_number, node in enumerate(each for each in arguments if each[b"type"] == b"key"):
        node[b"key_spec_index"] = key_number
    if arguments:
        doc[b"arguments"] = arguments
    return doc


def _arguments(command: Command) -> list[Doc]:
    """Return the arguments that stand in order, the variadic one last."""
    docs = []
    leading = _options(command, leading=True)
    for name, arg in command.arguments:
        optional = [b"optional"] if arg.optional else []
        if arg.behind_leads:
            docs += leading
        docs.append(_value(_label(name, arg), arg, flags=optional))
    if not any(arg.behind_leads for _, arg in command.arguments):
        docs += leading
    if command.variadic is not None:
        name, arg = command.variadic
        flags = [b"optional", b"multiple"] if arg.optional else [b"multiple"]
        if arg.token:
            docs.append(_lists(arg, flags))
        elif arg.step == 1:
            docs.append(_value(_label(name, arg), arg, flags=flags))
        else:
            docs.append(_group(arg, flags))
        if arg.rest:
            docs.append(_node(arg.rest, b"string", flags=flags))
    if command.last is not None:
        name, arg = command.last
        docs.append(_value(_label(name, arg), arg, flags=[]))
    return docs


def _group(arg: Arg, flags: list[bytes]) -> Doc:
    """Return words that belong together; only the first of them may be a key."""
    first, *others = arg.values
    parts = [_value(first, arg, flags=[])]
    parts += [_node(each, b"string", flags=[]) for each in others]
    if arg.is_key:
        parts[0][b"key_spec_index"] = 0
    return _node("_".join(arg.values), b"block", flags=flags, parts=parts)


def _lists(arg: Arg, flags: list[bytes]) -> Doc:
    """Return keys behind a token, and as many of each other thing behind them."""
    parts = [_value(arg.values[0], arg, flags=flags)]
    parts += [_node(each, b"string", flags=flags) for each in arg.values[1:]]
    parts[0][b"key_spec_index"] = 0
    return _node(arg.token.decode().lower(), b"block", token=arg.token, flags=[], parts=parts)


def _options(command: Command, *, leading: bool = False) -> list[Doc]:
    """Return the options; those that exclude one another stand together."""
    groups: dict[str, list[Option]] = {}
    for option in command.options:
        if option.arg.leads != leading:
            continue
        groups.setdefault(option.arg.excludes or option.parameter, []).append(option)
    docs = []
    for name, options in groups.items():
        flags = [] if all(option.is_required for option in options) else [b"optional"]
        if len(options) == 1:
            docs.append(_option(options[0], flags))
        else:
            docs.append(_node(name, b"oneof", flags=flags, parts=[_option(o, []) for o in options]))
    return docs


def _option(option: Option, flags: list[bytes]) -> Doc:
    arg = option.arg
    if arg.words:
        words = [_token(word) for word in arg.words]
        return _node(option.parameter, b"oneof", flags=flags, parts=words)
    if option.is_flag:
        return _token(arg.token, flags)
    return _with_token(arg, flags)


def _with_token(arg: Arg, flags: list[bytes]) -> Doc:
    """Return an option that has values behind its token, and perhaps options of its own."""
    if arg.repeats_max:
        flags = [*flags, b"multiple", b"multiple_token"]
    if len(arg.values) == 1 and not arg.parts and not (arg.many or arg.as_counted or arg.signs):
        return _value(arg.values[0], arg, token=arg.token, flags=flags)
    values = [_value(label, arg, flags=[]) for label in arg.values]
    if arg.many or arg.counted or arg.as_counted:
        values[-1] = _value(arg.values[-1], arg, flags=[b"multiple"])
    if arg.signs:
        signs = [_token(sign) for sign in arg.signs]
        values = [_node("operator", b"oneof", flags=[b"optional"], parts=signs), *values]
    parts = [_with_token(part, [b"optional"]) for part in arg.parts]
    name = arg.token.decode().lower()
    return _node(name, b"block", token=arg.token, flags=flags, parts=values + parts)


def _value(label: str, arg: Arg, *, token: bytes = b"", flags: list[bytes]) -> Doc:
    """Return one word; a label such as ``MAX|MIN`` is a choice of words."""
    if "|" not in label:
        return _node(label, arg.kind.encode(), token=token, flags=flags)
    words = [_token(word.encode()) for word in label.split("|")]
    name = (token.decode() or label.replace("|", "_")).lower()
    return _node(name, b"oneof", token=token, flags=flags, parts=words)


def _token(token: bytes, flags: list[bytes] | None = None) -> Doc:
    return _node(token.decode().lower(), b"pure-token", token=token, flags=flags or [])


def _node(
    name: str,
    kind: bytes,
    *,
    token: bytes = b"",
    flags: list[bytes],
    parts: list[Doc] | None = None,
) -> Doc:
    """Return one node of the tree, its fields in Redis' order."""
    doc: Doc = {b"name": name.encode(), b"type": kind}
    if parts is None:
        doc[b"display_text"] = name.encode()
    if token:
        doc[b"token"] = token
    if flags:
        doc[b"flags"] = word_set(flags)
    if parts is not None:
        doc[b"arguments"] = parts
    return doc


def _label(name: str, arg: Arg) -> str:
    return (arg.values or (name,))[0]
