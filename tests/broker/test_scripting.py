"""Scripts as a client sees them: what goes in, what comes out, and what the journal has of it."""

from __future__ import annotations

import sys
from hashlib import sha1
from typing import Any

import pytest
from hiredis import Reader

from respq import config
from respq.config import Settings
from respq.errors import DiskShort, RespqError, ScriptOverdue
from respq.resp.encoder import encode
from tests.harness import WAITS, Client, Harness

RUNS_ON = "while true do end"


def sha_of(script: str) -> str:
    return sha1(script.encode()).hexdigest()


def answer(client: Client, script: str, *words: str, command: str = "EVAL") -> Any:
    """Run a script; return its reply as a client reads it, an error as its line."""
    request = (command, script, *(words or ("0",)))
    reply = client.ask(*(word.encode() for word in request))
    assert reply is not WAITS
    if isinstance(reply, RespqError):
        return encode(reply, 2)[:-2].decode()
    reader = Reader()
    reader.feed(encode(reply, client.session.protocol))
    return reader.gets()


def wire(client: Client, script: str) -> bytes:
    """Run a script; return the bytes of its reply."""
    return encode(client.ask(b"EVAL", script.encode(), b"0"), client.session.protocol)


def in_resp3(harness: Harness) -> Client:
    client = harness.client()
    client.say("HELLO 3")
    return client


def test_a_container_that_does_something_alone_is_still_one(harness: Harness) -> None:
    client = harness.default

    alone = answer(client, "return #redis.call('COMMAND')")

    assert answer(client, "return redis.call('COMMAND', 'COUNT')") == alone
    assert answer(client, "return #redis.call('command')") == alone
    assert answer(client, "return redis.call('command', 'count')") == alone


@pytest.mark.parametrize("count", [1, 99, 100, 101, 250])
@pytest.mark.parametrize("keys", ["none", "one", "all but one", "all"])
def test_keys_and_arguments_are_told_apart_however_many_there_are(
    harness: Harness, count: int, keys: str
) -> None:
    numkeys = {"none": 0, "one": 1, "all but one": count - 1, "all": count}[keys]
    words = [str(number) for number in range(count)]
    script = "return {#KEYS, #ARGV, table.concat(KEYS, ' '), table.concat(ARGV, ' ')}"

    told = answer(harness.default, script, str(numkeys), *words)

    assert told[:2] == [numkeys, count - numkeys]
    assert told[2].split() == [word.encode() for word in words[:numkeys]]
    assert told[3].split() == [word.encode() for word in words[numkeys:]]


class Stopwatch:
    """Goes on by a step each time that it is looked at."""

    def __init__(self, step_s: float) -> None:
        self.now_s = 0.0
        self.step_s = step_s

    def __call__(self) -> float:
        self.now_s += self.step_s
        return self.now_s


def hurried(**settings: Any) -> Harness:
    """Return a server on which a second passes each time that a script is looked at."""
    harness = Harness(Settings(script_ms_max=5_000, script_written_ms_max=30_000, **settings))
    harness.broker.stopwatch_s = Stopwatch(1.0)
    return harness


def test_keys_and_arguments_are_told_apart_by_their_number() -> None:
    client = Harness().default

    script = "return {#KEYS, KEYS[1], KEYS[2], #ARGV, ARGV[1]}"
    assert answer(client, script, "2", "a", "b", "c") == [2, b"a", b"b", 1, b"c"]
    assert answer(client, script) == [0]
    assert answer(client, "return #ARGV", "0", *["x"] * 20_000) == 20_000
    assert answer(client, "return ARGV[1] == '\\0\\r\\n'", "0", "\0\r\n") == 1


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("return 'a'", b"a"),
        ("return 3.99", 3),
        ("return -3.99", -3),
        ("return 2^53", 2**53),
        ("return 1/0", -(2**63)),
        ("return true", 1),
        ("return false", None),
        ("return nil", None),
        ("return", None),
        ("return {1, nil, 3}", [1]),
        ("return {1, {2, 'x', false, true}}", [1, [2, b"x", None, 1]]),
        ("return {}", []),
        ("return {a = 1}", []),
        ("return function() end", None),
        ("return {ok = 'fine'}", b"fine"),
        ("return redis.status_reply('fine')", b"fine"),
        ("return {double = 3.5}", b"3.5"),
        ("return {map = {a = 1}}", [b"a", 1]),
        ("return {set = {a = true}}", [b"a"]),
        ("return {big_number = '123'}", b"123"),
        ("return {verbatim_string = {string = 'x', format = 'txt'}}", b"x"),
        ("return setmetatable({}, {__index = function() error('x') end})", []),
    ],
)
def test_what_a_script_returns_becomes_a_reply(script: str, expected: Any) -> None:
    assert answer(Harness().default, script) == expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("return true", b":1\r\n"),
        ("redis.setresp(3) return true", b"#t\r\n"),
        ("redis.setresp(3) return {false}", b"*1\r\n#f\r\n"),
        ("return false", b"_\r\n"),
        ("return {nil}", b"*0\r\n"),
        ("return {double = 3.5}", b",3.5\r\n"),
        ("return {map = {a = 1}}", b"%1\r\n$1\r\na\r\n:1\r\n"),
        ("return {set = {a = true}}", b"~1\r\n$1\r\na\r\n"),
        ("return {big_number = '123'}", b"(123\r\n"),
        ("return {verbatim_string = {string = 'x', format = 'mkd'}}", b"=5\r\nmkd:x\r\n"),
    ],
)
def test_a_client_of_resp3_gets_its_own_kinds(script: str, expected: bytes) -> None:
    assert wire(in_resp3(Harness()), script) == expected


def test_the_next_script_speaks_resp2_again() -> None:
    client = in_resp3(Harness())

    assert wire(client, "redis.setresp(3) return true") == b"#t\r\n"
    assert wire(client, "return true") == b":1\r\n"


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("error('x')", "-ERR user_script:1: x script: {sha}, on @user_script:1."),
        ("\nerror('x')", "-ERR user_script:2: x script: {sha}, on @user_script:2."),
        ("error({err = 'FOO a'})", "-FOO a script: {sha}, on @user_script:1."),
        ("error({})", "-ERR unknown error script: {sha}, on @user_script:1."),
        ("return {err = 'a b'}", "-a b"),
        ("return {err = 'a\\r\\nb'}", "-a  b"),
        ("return redis.error_reply('My Err')", "-My Err"),
        ("return redis.error_reply('MY')", "-ERR MY"),
        ("return redis.error_reply('-MY err')", "-MY err"),
        (
            "return redis.call('NOPE')",
            "-ERR Unknown Redis command called from script script: {sha}, on @user_script:1.",
        ),
        ("return redis.pcall('NOPE')", "-ERR Unknown Redis command called from script"),
        (
            "local a = nil\nreturn a.b",
            "-ERR user_script:2: attempt to index local 'a' (a nil value) script: {sha}, "
            "on @user_script:2.",
        ),
        (
            "if ARGV[1] then\n return 1 end\nreturn redis.call('NOPE')",
            "-ERR Unknown Redis command called from script script: {sha}, on @user_script.",
        ),
        (
            "syntax error",
            "-ERR Error compiling script (new function): user_script:1: '=' expected near 'error'",
        ),
        (
            "return redis.call('ECHO')",
            "-ERR Wrong number of args calling Redis command from script script: {sha}, "
            "on @user_script:1.",
        ),
        (
            "redis.call('QPUSH', 'q', 'x', 'PRIORITY', 'high')",
            "-BADPRIORITY priority 'high' is not an integer script: {sha}, on @user_script:1.",
        ),
        (
            "return redis.call()",
            "-ERR Please specify at least one argument for this redis lib call script: {sha}, "
            "on @user_script:1.",
        ),
        (
            "return redis.call('ECHO', {})",
            "-ERR Lua redis lib command arguments must be strings or integers script: {sha}, "
            "on @user_script:1.",
        ),
        (
            "local t = {} for i = 1, 20 do t[i] = 1 end t[20] = {} redis.call(unpack(t))",
            "-ERR Lua redis lib command arguments must be strings or integers script: {sha}, "
            "on @user_script:1.",
        ),
    ],
)
def test_errors_are_those_of_redis(script: str, expected: str) -> None:
    assert answer(Harness().default, script) == expected.format(sha=sha_of(script))


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (["EVAL", "return 1", "x"], "-ERR value is not an integer or out of range: 'x'"),
        (["EVAL", "return 1", "-1"], "-ERR Number of keys can't be negative"),
        (
            ["EVAL", "return 1", "2", "a"],
            "-ERR Number of keys can't be greater than number of args",
        ),
        (["EVAL", "return 1"], "-ERR wrong number of arguments for 'eval' command"),
        (["EVALSHA", "abc", "0"], "-NOSCRIPT No matching script. Please use EVAL."),
        (["EVALSHA", "abc", "-1"], "-NOSCRIPT No matching script. Please use EVAL."),
        (["EVAL", "#!lua flags=foo\n", "0"], "-ERR Unexpected flag in script shebang: foo"),
        (["EVAL", "#!python\n", "0"], "-ERR Unexpected engine in script shebang: #!python"),
        (["EVAL", "#!lua bar=1\n", "0"], "-ERR Unknown lua shebang option: bar=1"),
        (["EVAL", "#!lua", "0"], "-ERR Invalid script shebang"),
        (
            ["EVAL_RO", "#!lua\nreturn 1", "0"],
            "-ERR Can not execute a script with write flag using *_ro command.",
        ),
        (["SCRIPT", "FLUSH", "foo"], "-ERR syntax error near 'foo'"),
        (["SCRIPT", "KILL"], "-NOTBUSY No scripts in execution right now."),
        (["SCRIPT", "EXISTS"], "-ERR wrong number of arguments for 'script|exists' command"),
    ],
)
def test_a_request_that_cannot_be_run_leaves_no_trace(request_: list[str], expected: str) -> None:
    harness = Harness()

    reply = harness.default.ask(*(word.encode() for word in request_))

    assert isinstance(reply, RespqError)
    assert encode(reply, 2)[:-2].decode() == expected
    assert not harness.journal


def test_a_script_is_known_by_its_sha_until_a_flush_or_a_restart() -> None:
    harness = Harness()
    script = "return 'known'"
    sha = sha_of(script)

    assert answer(harness.default, sha, command="EVALSHA").startswith("-NOSCRIPT")
    assert answer(harness.default, script) == b"known"
    assert answer(harness.default, sha, command="EVALSHA") == b"known"
    assert answer(harness.default, sha.upper(), command="EVALSHA_RO") == b"known"
    assert harness.say(f"SCRIPT EXISTS {sha} {sha.upper()} x") == [1, 1, 0]

    harness.say("SCRIPT FLUSH ASYNC")
    assert answer(harness.default, sha, command="EVALSHA").startswith("-NOSCRIPT")

    assert harness.default.ask(b"SCRIPT", b"LOAD", script.encode()) == sha.encode()
    assert answer(harness.default, sha, command="EVALSHA") == b"known"
    harness.crash()
    assert answer(harness.default, sha, command="EVALSHA").startswith("-NOSCRIPT")


def test_a_script_that_does_not_compile_is_not_kept() -> None:
    harness = Harness()

    reply = harness.default.ask(b"SCRIPT", b"LOAD", b"syntax error")

    assert isinstance(reply, RespqError)
    assert harness.say(f"SCRIPT EXISTS {sha_of('syntax error')}") == [0]


def test_of_many_scripts_those_that_were_not_loaded_go_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("respq.broker.scripting.SCRIPTS_MAX", 3)
    harness = Harness()
    harness.default.ask(b"SCRIPT", b"LOAD", b"return 1")
    for number in (2, 3, 4, 5):
        answer(harness.default, f"return {number}")

    shas = " ".join(sha_of(f"return {number}") for number in (1, 2, 3, 4, 5))
    assert harness.say(f"SCRIPT EXISTS {shas}") == [1, 0, 0, 1, 1]


def test_queue_commands_run_from_scripts() -> None:
    harness = Harness()
    client = harness.default
    script = """
        local id = redis.call('QPUSH', KEYS[1], ARGV[1], 'PRIORITY', 5)
        local job = redis.call('QPOP', KEYS[1])
        local left = redis.call('QPOP', KEYS[1], 'BLOCK', 0)
        return {id == job[1], job[3], left, redis.call('QACK', KEYS[1], job[2])}
    """

    assert answer(client, script, "1", "mail", "hello") == [1, b"hello", None, 1]
    assert harness.say("QLEN mail") == 0


def test_replies_of_all_kinds_reach_a_script_as_in_redis() -> None:
    harness = Harness()
    harness.say("QPUSH mail hello")

    client = harness.default
    assert answer(client, "return type(redis.call('QLEN', 'mail'))") == b"number"
    assert answer(client, "return type(redis.call('QPOP', 'none'))") == b"boolean"
    assert answer(client, "return redis.call('PING').ok") == b"PONG"
    assert answer(client, "return redis.call('SELECT', 1).ok") == b"OK"
    assert answer(client, "return #redis.call('QSTATS', 'mail')") > 0
    assert answer(client, "return #redis.call('INFO') > 100") == 1
    in3 = "redis.setresp(3) return "
    assert (
        answer(client, in3 + "type(redis.call('QSTATS', 'mail').map.mail.map.ready)") == b"number"
    )
    assert answer(client, in3 + "redis.call('INFO').verbatim_string.format") == b"txt"
    assert answer(client, in3 + "redis.call('QPOP', 'none') == nil") == 1
    assert answer(client, in3 + "redis.call('COMMAND', 'INFO', 'QLEN')[1][3].set.readonly") is None
    flags = "redis.call('COMMAND', 'INFO', 'QLEN')[1][3].set"
    assert answer(client, f"{in3} next({flags}).ok") in (b"readonly", b"fast")


def test_long_replies_and_many_arguments_reach_whole() -> None:
    harness = Harness()
    count = config.SCRIPT_TOKENS_MAX + 500
    client = harness.default
    push = "return #redis.call('QMPUSH', 'q', #ARGV, unpack(ARGV))"

    assert answer(client, push, "0", *(f"job {n}" for n in range(count))) == count
    peek = f"local jobs = redis.call('QPEEK', 'q', 'COUNT', {count}) return {{#jobs, jobs[#jobs]}}"
    size, last = answer(client, peek)
    assert size == count
    assert f"job {count - 1}".encode() in last
    nested = f"return #redis.call('QPOP', 'q', 'COUNT', {count})"
    assert answer(client, nested) == count


def test_numbers_are_arguments_as_in_redis() -> None:
    client = Harness().default

    echo = "return redis.call('ECHO', %s)"
    assert answer(client, echo % "3") == b"3"
    assert answer(client, echo % "3.5") == b"3.5"
    assert answer(client, echo % "0.1") == b"0.10000000000000001"
    assert answer(client, echo % "-1e15") == b"-1000000000000000"
    halves = "local t = {} for i = 1, 20 do t[i] = i / 2 end "
    many = halves + "return redis.call('QMPUSH', 'q', 20, unpack(t))"
    assert len(answer(client, many)) == 20
    assert answer(client, "return redis.call('QPOP', 'q')[3]") == b"0.5"


def test_pcall_catches_what_call_raises() -> None:
    client = Harness().default

    assert answer(client, "return {pcall(redis.call, 'NOPE')}") == [
        None,
        b"ERR Unknown Redis command called from script",
    ]
    assert answer(client, "return redis.pcall('NOPE').err") == (
        b"ERR Unknown Redis command called from script"
    )


def test_the_effects_of_a_script_are_one_transaction_of_the_journal() -> None:
    harness = Harness()
    script = "for n = 1, 5 do redis.call('QPUSH', 'q', n) end return redis.call('QPOP', 'q')[3]"

    assert answer(harness.default, script) == b"1"

    assert len(harness.journal) == 1
    harness.crash()
    assert harness.say("QLEN q") == 4
    assert answer(harness.default, "return redis.call('QPOP', 'q')[3]") == b"2"


def test_what_was_written_before_an_error_stays_written() -> None:
    harness = Harness()

    reply = answer(harness.default, "redis.call('QPUSH', 'q', 'x') redis.call('NOPE')")

    assert reply.startswith("-ERR Unknown Redis command")
    harness.crash()
    assert harness.say("QLEN q") == 1


def test_a_push_in_a_script_is_given_to_those_who_wait_after_its_end() -> None:
    harness = Harness()
    waiting = harness.client()
    assert waiting.say("QPOP q BLOCK 0") is WAITS

    script = "redis.call('QPUSH', 'q', 'x') return redis.call('QLEN', 'q')"
    assert answer(harness.default, script) == 1

    assert waiting.inbox[0][2] == b"x"


def test_what_a_script_popped_goes_back_when_its_reply_is_lost() -> None:
    harness = Harness()
    harness.say("QPUSH q x")

    assert answer(harness.default, "return redis.call('QPOP', 'q')[3]") == b"x"
    harness.undo(harness.default)

    assert harness.say("QLEN q") == 1


def test_a_script_runs_in_a_transaction() -> None:
    harness = Harness()
    client = harness.default
    client.say("MULTI")
    client.say("QPUSH q one")
    client.ask(b"EVAL", b"return {redis.call('QLEN', 'q'), redis.call('QPUSH', 'q', 'two')}", b"0")

    replies = client.say("EXEC")

    assert len(replies) == 2
    assert harness.say("QLEN q") == 2
    assert len(harness.journal) == 1


def test_select_in_a_script_is_for_the_script_alone() -> None:
    harness = Harness()

    answer(harness.default, "redis.call('SELECT', 3) redis.call('QPUSH', 'q', 'x')")

    assert harness.say("QLEN q") == 0
    assert answer(harness.default, "return redis.call('QLEN', 'q')") == 0
    harness.say("SELECT 3")
    assert harness.say("QLEN q") == 1


@pytest.mark.parametrize(
    "words",
    [
        *("MULTI", "EXEC", "DISCARD", "QUIT", "RESET", "HELLO 3", "AUTH x", "SUBSCRIBE c"),
        *("PSUBSCRIBE c", "UNSUBSCRIBE", "CLIENT ID", "CLIENT KILL x", "CONFIG GET save"),
        *("SHUTDOWN", "EVAL x 0", "EVALSHA x 0", "EVAL_RO x 0", "EVALSHA_RO x 0"),
        *("SCRIPT LOAD x", "SCRIPT FLUSH", "SCRIPT EXISTS x", "SCRIPT KILL"),
    ],
)
def test_commands_that_have_no_place_in_a_script(words: str) -> None:
    harness = Harness()
    call = ", ".join(f"'{word}'" for word in words.split())

    reply = answer(harness.default, f"return redis.call({call})")

    assert reply.startswith("-ERR This Redis command is not allowed from script script: ")


@pytest.mark.parametrize(
    ("command", "script"),
    [
        ("EVAL_RO", "redis.call('QPUSH', 'q', 'x')"),
        ("EVAL", "#!lua flags=no-writes\nredis.call('QPUSH', 'q', 'x')"),
        ("EVAL_RO", "#!lua flags=no-writes\nredis.call('QPUSH', 'q', 'x')"),
    ],
)
def test_a_script_that_may_not_write_does_not(command: str, script: str) -> None:
    harness = Harness()

    reply = answer(harness.default, script, command=command)

    assert reply.startswith("-ERR Write commands are not allowed from read-only scripts. script: ")
    assert not harness.journal


def test_a_script_that_only_reads_may_be_run_read_only() -> None:
    harness = Harness()
    harness.say("QPUSH q x")

    assert answer(harness.default, "return redis.call('QLEN', 'q')", command="EVAL_RO") == 1
    shebang = "#!lua flags=no-writes,allow-oom\nreturn redis.call('QLEN', 'q')"
    assert answer(harness.default, shebang, command="EVAL_RO") == 1


def test_while_the_disk_is_short_a_script_may_finish_what_it_began_but_not_grow() -> None:
    harness = Harness()
    harness.say("QPUSH q x")
    harness.broker.refuse_growth(harness.now_ms, DiskShort("the disk is short"))

    client = harness.default
    assert answer(client, "return redis.call('QPUSH', 'q', 'x')").startswith("-MISCONF the disk")
    assert answer(client, "return redis.call('QPOP', 'q')[3]") == b"x"
    assert answer(client, "#!lua\nreturn 1").startswith("-MISCONF allow-oom flag is not set")
    assert answer(client, "#!lua flags=no-writes\nreturn 1") == 1
    assert len(answer(client, "#!lua flags=allow-oom\nreturn redis.call('QPUSH', 'q', 'y')")) > 1


def test_a_script_that_writes_nothing_is_stopped_when_its_time_is_over() -> None:
    harness = hurried()
    harness.say("QPUSH q x")

    reply = answer(harness.default, "while true do redis.call('QLEN', 'q') end")

    assert reply.startswith("-ERR the script was stopped after 5000 ms: it had written nothing")
    assert answer(harness.default, "return redis.call('QLEN', 'q')") == 1


def test_a_script_may_take_just_less_than_its_time() -> None:
    harness = Harness()
    harness.broker.stopwatch_s = Stopwatch(4.999)

    assert answer(harness.default, "return redis.call('ECHO', 'x')") == b"x"
    harness.broker.stopwatch_s = Stopwatch(5.0)
    assert answer(harness.default, "return redis.call('ECHO', 'x')").startswith("-ERR the script")


def test_a_script_that_has_written_runs_on_to_a_later_limit() -> None:
    harness = hurried()
    script = "redis.call('QPUSH', 'q', 'x') for n = 1, 20 do redis.call('PING') end return 'done'"

    assert answer(harness.default, script) == b"done"


def test_a_script_that_has_written_and_does_not_end_takes_the_server_with_it() -> None:
    harness = hurried()
    answer(harness.default, "redis.call('QPUSH', 'q', 'kept')")

    with pytest.raises(ScriptOverdue, match="did not end in 30000 ms"):
        answer(harness.default, f"redis.call('QPUSH', 'q', 'lost') {RUNS_ON}")

    # What it emitted is in no batch: the process ends before the next commit.
    harness.crash()
    assert harness.say("QLEN q") == 1


def test_a_fault_of_a_command_is_told_and_ends_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = Harness()

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(harness.broker, "execute_inside", fail)

    reply = answer(harness.default, "pcall(redis.call, 'PING') return 'went on'")

    assert reply == "-ERR internal error: the server's log has more"
    assert isinstance(harness.errors[0], ZeroDivisionError)
    monkeypatch.undo()
    assert answer(harness.default, "return redis.call('PING').ok") == b"PONG"


def test_a_transaction_of_a_script_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("respq.broker.scripting.TRANSACTION_BYTES_MAX", 1_000)
    harness = Harness()
    script = "for n = 1, 20 do redis.call('QPUSH', 'q', ('x'):rep(100)) end"

    reply = answer(harness.default, script)

    assert reply.startswith("-TOOBIG the script writes 1")
    assert harness.say("QLEN q") == 9


def test_what_scripts_log_goes_to_the_log() -> None:
    harness = Harness()
    said: list[tuple[str, str]] = []
    harness.broker.log = lambda level, text: said.append((level, text))

    answer(harness.default, "redis.log(redis.LOG_WARNING, 'a', 1) redis.log(redis.LOG_DEBUG, 'b')")

    assert said == [("warning", "a 1"), ("debug", "b")]
    assert answer(harness.default, "redis.log(9, 'a')").startswith("-ERR Invalid debug level.")


def test_random_numbers_are_those_of_redis() -> None:
    client = Harness().default

    assert answer(client, "return math.random(1000)") == 397
    assert answer(client, "return tostring(math.random())") != answer(
        client, "return tostring(math.random())"
    )
    seeded = "math.randomseed(5) return {math.random(1000), tostring(math.random())}"
    assert answer(client, seeded) == [525, b"0.27285430173988"]
    for seed in ("1/0", "-1/0", "0/0", "2^31", "-2^31 - 1"):
        drawn = answer(client, f"math.randomseed({seed}) return math.random(1000)")
        assert drawn == answer(client, "math.randomseed(-2^31) return math.random(1000)")


def test_the_rest_of_the_redis_table() -> None:
    client = Harness().default

    assert answer(client, "return redis.sha1hex('a')") == sha_of("a").encode()
    assert answer(client, "return redis.sha1hex(12)") == sha_of("12").encode()
    assert answer(client, "return redis.replicate_commands()") == 1
    assert answer(client, "return redis.breakpoint()") is None
    assert answer(client, "return redis.set_repl(redis.REPL_ALL)") is None
    assert answer(client, "return redis.acl_check_cmd('QPUSH', 'q')") == 1
    assert answer(client, "return redis.acl_check_cmd('NOPE')").startswith("-ERR Invalid command")
    assert answer(client, "return redis.REDIS_VERSION") == config.REDIS_VERSION.encode()
    assert answer(client, "return redis.REDIS_VERSION_NUM == 0x00070204") == 1
    assert answer(client, "redis.setresp(4)").startswith("-ERR RESP version must be 2 or 3.")


def test_keys_of_a_script_are_found_by_their_number() -> None:
    harness = Harness()

    assert harness.say("COMMAND GETKEYS EVAL x 2 a b c") == [b"a", b"b"]
    assert harness.say("COMMAND GETKEYS EVALSHA x 1 a b c") == [b"a"]


def test_without_lua_a_script_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    interpreter = sys.modules["respq.broker.lua.interpreter"]
    monkeypatch.setattr(interpreter, "lua51", None)
    harness = Harness()

    for line in ("EVAL 'return 1' 0", "SCRIPT LOAD 'return 1'"):
        assert harness.refusal(line) == (
            "ERR scripts need Lua: install it with pip install 'respq[lua]', and restart the server"
        )
    assert harness.say("SCRIPT EXISTS x") == [0]
    assert harness.refusal("EVALSHA x 0") == "NOSCRIPT No matching script. Please use EVAL."


def test_a_script_gets_a_payload_that_is_not_in_memory(harness: Harness) -> None:
    harness.say("QPUSH q a")
    harness.say("QPUSH q b")
    harness.let_go()
    harness.reads = False

    script = "return {redis.call('QPOP', 'q')[3], redis.call('QPOP', 'q')[3]}"

    assert answer(harness.default, script) == [b"a", b"b"]
