"""Commands of the other families, called from scripts."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.compat.families import hashes, lists, sets, streams, strings, zsets
from tests.compat.families.family import Commands, Family, Request
from tests.compat.families.keys import SHORT_MS

_SCRIPTS = [
    b"return redis.call(unpack(ARGV))",
    b"return redis.pcall(unpack(ARGV))",
    b"return {redis.pcall(unpack(ARGV)), redis.pcall(unpack(ARGV))}",
    b"redis.setresp(3) return redis.call(unpack(ARGV))",
    b"local reply = redis.pcall(unpack(ARGV)) "
    b"return {type(reply), redis.call('TYPE', ARGV[2] or '').ok}",
    b"redis.call('SET', 'a', '7') return {redis.pcall(unpack(ARGV)), redis.call('GET', 'a')}",
    b"redis.call(unpack(ARGV)) error('at the end', 0)",
    b"#!lua flags=no-writes\nreturn redis.call(unpack(ARGV))",
]


def _in_script(request: Request) -> Commands:
    return st.sampled_from(_SCRIPTS).map(lambda script: [b"EVAL", script, b"0", *request])


def _read_only(request: Request) -> Request:
    return [b"EVAL_RO", _SCRIPTS[0], b"0", *request]


_SHORT = str(SHORT_MS).encode()
_FAMILIES = (
    *(strings.FAMILY, lists.FAMILY, hashes.FAMILY, sets.FAMILY, zsets.FAMILY, streams.FAMILY),
)
_NOT_THE_SAME = {name for family in _FAMILIES for name in family.normal}
_COMMANDS = st.one_of([each for family in _FAMILIES for each in family.commands]).filter(
    lambda request: not {_SHORT, b"FOO", b"BLOCK"} & {*request} and request[0] not in _NOT_THE_SAME
)
"""Not what expires soon, nor what is no option and named by respq alone, nor what may be answered
in another order: the families try those. Nor BLOCK, which respq refuses after other faults."""

FAMILY = Family([_COMMANDS.flatmap(_in_script)] * 4 + [_COMMANDS.map(_read_only)])
