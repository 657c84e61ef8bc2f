from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis._parsers.helpers import parse_command_resp3

from respq.broker.command import Command, Flags
from respq.broker.table import Container
from respq.errors import RespqError
from respq.handlers import command_table
from respq.resp.replies import Reply, Simple
from tests.handlers.real_redis import RealRedis, RedisConnection, Tree, say, tree
from tests.harness import Harness

TABLE = command_table()
NAMES = [command.full_name for command in TABLE]
# 7.0 miscounts GETKEYS and has no WITHSCORE, QUIT ignores what follows, and KILL may be any of
# its filters alone.
OTHER_ARITY = {"client|kill", "command|getkeys", "quit", "zrank", "zrevrank"}
SHARED = [
    *("ping", "echo", "hello", "auth", "reset", "select", "info", "time", "config", "config|get"),
    *("client", "client|id", "client|info", "client|list", "client|unblock", "client|no-evict"),
    *("command", "command|info", "command|docs", "command|list", "command|count", "command|help"),
    *("publish", "pubsub", "pubsub|channels", "pubsub|numsub", "pubsub|numpat", "pubsub|help"),
    *("subscribe", "psubscribe", "unsubscribe", "punsubscribe"),
    *("multi", "exec", "discard", "dbsize", "type", "exists", "del", "scan", "keys", "shutdown"),
    *("watch", "unwatch", "unlink", "touch", "rename", "renamenx", "copy", "move", "randomkey"),
    *("expire", "pexpire", "expireat", "pexpireat", "ttl", "pttl", "expiretime", "pexpiretime"),
    *("persist", "flushdb", "flushall", "object", "object|encoding", "object|refcount"),
    *("object|freq", "get", "set", "setnx", "setex", "psetex", "getset", "getdel", "getex", "mget"),
    *("mset", "msetnx", "append", "strlen", "incr", "decr", "incrby", "decrby", "incrbyfloat"),
    *("getrange", "substr", "setrange"),
    *("eval", "eval_ro", "evalsha", "evalsha_ro", "script", "script|load", "script|exists"),
    *("script|flush", "script|kill", "script|help"),
    *("hset", "hsetnx", "hmset", "hget", "hmget", "hgetall", "hdel", "hexists", "hlen", "hkeys"),
    *("hvals", "hstrlen", "hincrby", "hincrbyfloat", "hrandfield", "hscan"),
    *("sadd", "srem", "smembers", "sismember", "smismember", "scard", "spop", "srandmember"),
    *("smove", "sinter", "sintercard", "sinterstore", "sunion", "sunionstore", "sdiff"),
    *("sdiffstore", "sscan"),
    *("lpush", "rpush", "lpushx", "rpushx", "lpop", "rpop", "llen", "lrange", "lindex", "lpos"),
    *("lset", "linsert", "lrem", "ltrim", "lmove", "rpoplpush", "lmpop", "blpop", "brpop"),
    *("blmove", "brpoplpush", "blmpop"),
    *("zadd", "zincrby", "zrem", "zcard", "zscore", "zmscore", "zcount", "zlexcount", "zrange"),
    *("zrevrange", "zrangebyscore", "zrevrangebyscore", "zrangebylex", "zrevrangebylex"),
    *("zrangestore", "zremrangebyrank", "zremrangebyscore", "zremrangebylex", "zpopmin", "zpopmax"),
    *("zmpop", "bzpopmin", "bzpopmax", "bzmpop", "zrandmember", "zscan", "zunion", "zunionstore"),
    *("zinter", "zinterstore", "zintercard", "zdiff", "zdiffstore"),
    *("xadd", "xlen", "xrange", "xrevrange", "xread", "xtrim", "xdel", "xsetid", "xinfo|stream"),
]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisConnection]:
    server = RealRedis(Path(tmp_path_factory.mktemp("redis")))
    connection = server.connect()
    connection.say("HELLO 3")
    yield connection
    connection.close()
    server.close()


def info(line: str) -> list[Reply]:
    reply = Harness().say(f"COMMAND INFO {line}")
    assert isinstance(reply, list)
    found = reply[0]
    assert isinstance(found, list)
    return found


def words(reply: Reply) -> list[str]:
    assert isinstance(reply, list)
    return [each.text.decode() for each in reply]


def simple(node: Tree) -> list[bytes]:
    assert node[0] == "~"
    assert all(kind == "+" for kind, _ in node[1])
    return [word for _, word in node[1]]


@pytest.mark.parametrize("name", SHARED)
def test_a_command_that_redis_has_too_is_described_as_redis_describes_it(
    redis: RedisConnection, name: str
) -> None:
    theirs = redis.say(f"COMMAND INFO {name}")[1][0]
    ours = tree(Harness().say(f"COMMAND INFO {name}"), 3)[1][0]

    assert [kind for kind, _ in ours[1]] == [kind for kind, _ in theirs[1]]
    (name_, arity, flags, *keys, categories, _, specs, _) = ours[1]
    (r_name, r_arity, r_flags, *r_keys, r_categories, _, r_specs, _) = theirs[1]
    assert (name_, arity, keys) == (r_name, r_arity, r_keys)
    # In a transaction Redis answers a subscription with something that is no reply.
    more = {b"fast", b"loading", *([b"no_multi"] if name.endswith("subscribe") else [])}
    assert set(simple(flags)) - more <= set(simple(r_flags))
    speed = {b"@fast", b"@slow"}
    assert set(simple(categories)) - speed == set(simple(r_categories)) - speed
    assert [dict_of(spec, "find_keys") for spec in specs[1]] == [
        dict_of(spec, "find_keys") for spec in r_specs[1]
    ]


def dict_of(node: Tree, name: str) -> Tree:
    assert node[0] == "%"
    found: Tree = {key[1]: value for key, value in node[1]}[name.encode()]
    return found


def test_every_shared_command_has_the_arity_of_redis(redis: RedisConnection) -> None:
    shared = 0
    for command in TABLE:
        (_, theirs) = redis.say(f"COMMAND INFO {command.full_name}")[1][0]
        if theirs and command.full_name not in OTHER_ARITY:
            arity = -1 if command.name == "COMMAND" else command.arity
            assert arity == int(theirs[1][1]), command.full_name
            shared += 1
    assert shared > 25


def test_what_has_no_place_in_a_script_is_what_has_none_in_redis(redis: RedisConnection) -> None:
    shared = 0
    for command in TABLE:
        (_, theirs) = redis.say(f"COMMAND INFO {command.full_name}")[1][0]
        if theirs:
            refused = b"noscript" in simple(theirs[2])
            assert (Flags.NOSCRIPT in command.flags) == refused, command.full_name
            shared += refused
    assert shared > 20


def test_containers_nest_their_subcommands_as_redis_nests_them(redis: RedisConnection) -> None:
    theirs = redis.say("COMMAND INFO xgroup")[1][0][1]
    ours = tree(Harness().say("COMMAND INFO queue"), 3)[1][0][1]

    assert ours[1:9] == theirs[1:9]
    assert ours[9][0] == theirs[9][0]
    by_name = {node[0][1].partition(b"|")[2]: node for _, node in theirs[9][1]}
    for _, node in ours[9][1]:
        container, _, name = node[0][1].partition(b"|")
        assert container == b"queue"
        if name in (b"create", b"help"):
            shape = [kind for kind, _ in by_name[name]]
            assert [kind for kind, _ in node] == shape
            assert node[3:6] == by_name[name][3:6]  # First key, last key, step.


def kinds(docs: Tree, found: dict[str, set[str]], level: str) -> dict[str, set[str]]:
    """Collect which types the fields of a documentation have, by level and name."""
    for key, value in docs[1]:
        name = key[1].decode()
        found[f"{level}.{name}"].add(value[0])
        if name == "subcommands":
            for _, subcommand in value[1]:
                kinds(subcommand, found, "command")
        elif name == "arguments":
            for argument in value[1]:
                kinds(argument, found, "argument")
        elif name in ("flags", "type") and level == "argument":
            members = value[1] if name == "flags" else [value]
            for kind, word in members:
                found[f"{name}={word.decode()}"].add(kind)
    return found


def test_docs_have_only_fields_types_and_words_that_redis_has(redis: RedisConnection) -> None:
    theirs: dict[str, set[str]] = defaultdict(set)
    ours: dict[str, set[str]] = defaultdict(set)
    for _, docs in redis.say("COMMAND DOCS")[1]:
        kinds(docs, theirs, "command")
    theirs["argument.display_text"] = {"$"}  # Since 7.2.

    for name, docs in tree(Harness().say("COMMAND DOCS"), 3)[1]:
        assert name[0] == "$"
        kinds(docs, ours, "command")

    assert {name: each for name, each in ours.items() if not each <= theirs[name]} == {}
    assert {"argument.key_spec_index", "flags=multiple", "type=block", "type=oneof"} <= set(ours)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_docs_that_say_what_its_page_says(name: str) -> None:
    command = next(each for each in TABLE if each.full_name == name)

    docs = Harness().say(f"COMMAND DOCS {name}")[name.encode()]

    assert docs[b"summary"] == command.summary.encode()
    assert docs[b"group"] == command.group.encode()
    assert docs[b"since"] == command.since.encode()


def test_redis_py_reads_every_command() -> None:
    described = parse_command_resp3(Harness().say("COMMAND"))

    assert set(described) == {entry.decode().lower() for entry in TABLE.entries}
    assert described["qpush"]["arity"] == -3
    assert described["qmpop"]["first_key_pos"] == 0


def test_bare_command_and_info_without_names_describe_everything() -> None:
    harness = Harness()

    everything = harness.say("COMMAND")

    assert len(everything) == harness.say("COMMAND COUNT") == len(TABLE.entries)
    assert everything == harness.say("COMMAND INFO")
    assert len(harness.say("COMMAND DOCS")) == len(everything)


def test_names_are_found_in_any_case_and_unknown_ones_are_null() -> None:
    harness = Harness()

    rows = harness.say("COMMAND INFO QPush nothing queue|CREATE queue|nothing qpush|nothing")

    assert [row and row[0] for row in rows] == [b"qpush", None, b"queue|create", None, None]
    assert list(harness.say("COMMAND DOCS nothing QUEUE|help qpush")) == [b"queue|help", b"qpush"]


def test_a_description_follows_from_the_declaration() -> None:
    name, arity, flags, first, last, step, categories, tips, specs, subcommands = info("qpush")

    assert (name, arity, (first, last, step)) == (b"qpush", -3, (1, 1, 1))
    assert words(flags) == ["write", "denyoom", "fast"]
    assert words(categories) == ["@queue", "@write", "@fast"]
    assert (tips, len(specs), subcommands) == ([], 1, [])  # type: ignore[arg-type]


def test_list_names_subcommands_and_help_behind_their_container() -> None:
    names = Harness().say("COMMAND LIST")

    start = names.index(b"qdlq")
    assert names[start : start + 6] == [
        b"qdlq",
        b"qdlq|count",
        b"qdlq|list",
        b"qdlq|redrive",
        b"qdlq|purge",
        b"qdlq|help",
    ]


def test_list_filters_by_pattern_and_by_category() -> None:
    harness = Harness()

    assert harness.say("COMMAND LIST FILTERBY PATTERN Q*PUSH") == [b"qpush", b"qmpush"]
    assert harness.say("command list filterby pattern queue|e*") == [b"queue|exists"]
    assert b"qpop" in harness.say("COMMAND LIST FILTERBY ACLCAT blocking")
    assert b"qack" not in harness.say("COMMAND LIST FILTERBY ACLCAT Blocking")
    assert harness.say("COMMAND LIST FILTERBY ACLCAT schedule")[0] == b"qsched|add"
    assert harness.say("COMMAND LIST FILTERBY MODULE json") == []
    assert harness.refusal("COMMAND LIST FILTERBY COLOUR red").startswith("ERR syntax error")
    assert harness.refusal("COMMAND LIST FILTERBY PATTERN").startswith("ERR syntax error near")


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        ("QPUSH mail hello PRIORITY 3", [b"mail"]),
        ("queue rename old new", [b"old", b"new"]),
        ("QMPOP 2 a b COUNT 3", [b"a", b"b"]),
        ("EXISTS a b a", [b"a", b"b", b"a"]),
        ("QSTATS", []),
        ("QSTATS a b", [b"a", b"b"]),
        ("QSTATS a b with all", [b"a", b"b"]),
        ("QSTATS WITH WITH", []),
        ("QSTATS a RESET b", [b"a"]),
    ],
)
def test_getkeys_finds_the_keys(line: str, keys: list[bytes]) -> None:
    assert Harness().say(f"COMMAND GETKEYS {line}") == keys


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("NOTHING a", "Invalid command specified"),
        ("QUEUE NOTHING a", "Invalid command specified"),
        ("QUEUE", "Invalid command specified"),
        ("PING", "The command has no key arguments"),
        ("QPUSH mail", "Invalid number of arguments specified for command"),
        ("QMPOP 3 a b", "Invalid arguments specified for command"),
        ("QMPOP none a b", "Invalid arguments specified for command"),
        ("QMPOP 0 a b", "Invalid arguments specified for command"),
        ("QMPOP " + "9" * 5_000 + " a", "Invalid arguments specified for command"),
    ],
)
def test_getkeys_says_why_it_finds_none(line: str, error: str) -> None:
    assert Harness().refusal(f"COMMAND GETKEYS {line}") == f"ERR {error}"


CONTAINERS = [entry for entry in TABLE.entries.values() if isinstance(entry, Container)]


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda each: each.name)
def test_every_container_has_help_made_of_its_declarations(container: Container) -> None:
    lines = Harness().say(f"{container.name.lower()} help")

    assert all(isinstance(line, Simple) for line in lines)
    text = [line.text.decode() for line in lines]
    assert text[0] == f"{container.name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    for command in container.subcommands.values():
        place = text.index(command.syntax.removeprefix(f"{container.name} "))
        assert text[place + 1] == f"    {command.summary}."
    assert text[-2:] == ["HELP", "    Show what the subcommands do."]


def test_help_takes_no_arguments_and_is_no_command_that_needs_a_page() -> None:
    harness = Harness()

    assert harness.refusal("QUEUE HELP me") == (
        "ERR wrong number of arguments for 'queue|help' command"
    )
    assert not any(command.name.endswith(" HELP") for command in TABLE)


def test_the_hint_of_an_unknown_subcommand_can_be_followed() -> None:
    harness = Harness()

    refused = harness.refusal("QDLQ NOTHING mail")

    assert refused == "ERR unknown subcommand 'NOTHING'. Try QDLQ HELP."
    assert not isinstance(harness.say("QDLQ HELP"), RespqError)


def test_each_table_counts_its_own_calls() -> None:
    first, second = Harness(), Harness()

    first.say("PING")

    entries = [each.broker.table.entries[b"PING"] for each in (first, second)]
    assert [each.calls for each in entries if isinstance(each, Command)] == [1, 0]


def test_replies_are_the_same_words_in_both_protocols() -> None:
    client = Harness().default
    in_resp2 = say(client, "COMMAND INFO qpush")
    client.say("HELLO 3")

    in_resp3 = say(client, "COMMAND INFO qpush")

    assert _flat(in_resp2) == _flat(in_resp3)


def _flat(node: Tree) -> list[Tree]:
    kind, value = node
    if kind == "%":
        return [leaf for pair in value for each in pair for leaf in _flat(each)]
    if isinstance(value, list):
        return [leaf for each in value for leaf in _flat(each)]
    return [node]
