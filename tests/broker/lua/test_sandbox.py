"""No script leaves its sandbox, ends the process, or leaves anything to the next one."""

from __future__ import annotations

import time
from typing import Any

import pytest

from respq.config import MIB, Settings
from tests.broker.test_scripting import answer
from tests.harness import Harness

MEMORY_BYTES = 16 * MIB
STOPPED = "-ERR the script was stopped after 300 ms: it had written nothing"


@pytest.fixture
def harness() -> Harness:
    """Return a server whose scripts have little time, of this machine's, and memory."""
    harness = Harness(Settings(script_ms_max=300, script_memory_bytes_max=MEMORY_BYTES))
    harness.broker.stopwatch_s = time.perf_counter
    return harness


def check_goes_on(harness: Harness) -> None:
    """Assert that the next script runs as if none had been before."""
    script = """
        local n = 0
        for i = 1, 50000 do n = n + 1 end
        local ok, text = pcall(error, 'caught', 0)
        local thread = coroutine.wrap(function() return redis.call('ECHO', 'alive') end)
        return {n, text, thread(), cjson.encode({1}), #KEYS}
    """
    assert answer(harness.default, script) == [50_000, b"caught", b"alive", b"[1]", 0]


@pytest.mark.parametrize(
    "script",
    [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "xpcall(function() while true do end end, function() while true do end end)",
        "coroutine.wrap(function() while true do end end)()",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "local f f = function() return pcall(f) end while true do f() end",
        "while true do redis.pcall('ECHO', 'x') end",
        "while true do redis.pcall('NOPE') end",
        "repeat until pcall(error) == 1",
        "while true do pcall(string.rep, 'x', 1e6) end",
        "local t = {} for i = 1, 60 do t = {t, t} end return cjson.encode(t)",
        "local t = {} for i = 1, 60 do t = {t, t, t, t} end return cmsgpack.pack(t)",
        "local t = {} for i = 1, 60 do t = {t, t} end return t",
        "local t = {} for i = 1, 60 do t = {t, t} end while true do pcall(cjson.encode, t) end",
        "local w = coroutine.wrap(function() while true do pcall(coroutine.yield) end end) "
        "while true do w() end",
        "string.gsub(('x'):rep(1e6), 'x', function() while true do end end)",
        "table.sort({3, 2, 1}, function() while true do end end)",
        "return setmetatable({}, {__index = function() while true do end end}).x",
        "load(function() return ' ' end)",
    ],
)
def test_a_script_that_does_not_end_is_stopped(harness: Harness, script: str) -> None:
    began_s = time.process_time()

    reply = answer(harness.default, script)

    assert reply.startswith((STOPPED, "-ERR not enough memory"))
    assert time.process_time() - began_s < 5
    check_goes_on(harness)


@pytest.mark.parametrize(
    "script",
    [
        "local s = 'x' while true do s = s .. s end",
        "local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end",
        "return ('x'):rep(1e9)",
        "return redis.call('ECHO', ('x'):rep(15e6))",
        "return redis.sha1hex(('x'):rep(1e8))",
        "local t = {} for i = 1, 1e8 do t[i] = i end",
        "return cjson.encode(('\\0'):rep(6e6))",
        "local s = ('x'):rep(5e6) return {s, s, s, s}",
        "return struct.pack('c0c0', ('x'):rep(6e6), ('x'):rep(6e6))",
        "local t = {} while true do pcall(function() while true do t[#t + 1] = ('x'):rep(99) .. #t "
        "end end) t[#t + 1] = redis.pcall('ECHO', 'a' .. #t) end",
        "local t = {} while true do pcall(function() while true do t[#t + 1] = ('x'):rep(99) .. #t "
        "end end) t[#t + 1] = redis.sha1hex('a' .. #t) end",
    ],
)
def test_a_script_that_takes_too_much_memory_gets_an_error(harness: Harness, script: str) -> None:
    reply = answer(harness.default, script)

    assert reply.startswith((STOPPED, "-ERR not enough memory"))
    interpreter = harness.broker.scripts._interpreter
    assert interpreter is not None
    assert interpreter._lua.get_memory_used() < 2 * MEMORY_BYTES
    check_goes_on(harness)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("local f f = function() return f() + 1 end return f()", "stack overflow"),
        (
            "return setmetatable({}, {__index = function(t, k) return t[k + 1] end})[1]",
            "C stack overflow",
        ),
        ("local t = {} t[1] = t return t", "reached lua stack limit"),
        ("local t = {} for i = 1, 50 do t[i] = t end return t", "reached lua stack limit"),
        ("local t = {} t.map = t return t", "reached lua stack limit"),
        ("local t = {} t.t = t return cjson.encode(t)", "excessive nesting (1001)"),
        ("return cjson.decode(('['):rep(1e6))", "too many nested data structures (1001)"),
        ("return cmsgpack.unpack(('\\145'):rep(50000))", "stack overflow"),
        ("return unpack({}, 1, 1e8)", "too many results to unpack"),
        ("return ('%99999d'):format(1)", "invalid format (width or precision too long)"),
        ("error(setmetatable({}, {__tostring = function() error('y') end}))", "unknown error"),
        ("error({err = {}})", "unknown error"),
        ("error(redis)", "unknown error"),
        ("xpcall(error, error) return redis.call('NOPE')", "Unknown Redis command"),
        ("return ('a'):rep(1e6):find(('a?'):rep(1e6))", "pattern too complex"),
        ("return string.gsub(('a'):rep(1e6), ('a?'):rep(1e6), '')", "pattern too complex"),
        ("return unpack({}, -2^31, 2^31 - 1)", "too many results to unpack"),
        ("return unpack({}, 2^31 - 2, 2^31 - 1)", "too many results to unpack"),
        ("return unpack({}, 0/0)", "too many results to unpack"),
        ("table.insert({}, -2^31, 1)", "position out of bounds"),
        ("return coroutine.yield(1)", "attempt to yield across"),
        (
            "local co co = coroutine.wrap(function() co() end) co()",
            "cannot resume running coroutine",
        ),
    ],
)
def test_a_script_that_goes_too_far_gets_an_error(
    harness: Harness, script: str, expected: str
) -> None:
    reply = answer(harness.default, script)

    assert reply.startswith("-ERR ")
    assert expected in reply
    check_goes_on(harness)


@pytest.mark.parametrize(
    "name",
    [
        *("require", "module", "package", "io", "os", "debug", "dofile", "loadfile", "print"),
        *("getfenv", "setfenv", "newproxy", "python", "jit", "ffi", "lupa", "host", "tools"),
    ],
)
def test_what_could_reach_outside_is_not_there(harness: Harness, name: str) -> None:
    expected = (
        f"-ERR user_script:1: Script attempted to access nonexistent global variable '{name}'"
    )

    assert answer(harness.default, f"return {name}").startswith(expected)
    assert answer(harness.default, f"return _G.{name}").startswith(expected)
    assert answer(harness.default, f"return rawget(_G, '{name}')") is None
    loaded = answer(harness.default, f"return loadstring('return {name}')()")
    assert f"nonexistent global variable '{name}'" in loaded


READONLY = "Attempt to modify a readonly table"


@pytest.mark.parametrize(
    "script",
    [
        "x = 1",
        "_G.x = 1",
        "function f() end",
        "KEYS = 1",
        "redis = nil",
        "redis.call = 1",
        "string.upper = nil",
        "math.x = 1",
        "cjson.null = 1",
        "rawset(_G, 'x', 1)",
        "rawset(string, 'x', 1)",
        "rawset(redis, 'call', 1)",
        "table.insert(math, 1)",
        "table.insert(_G, 1, 1)",
        "setmetatable(_G, {})",
        "setmetatable(string, {__index = _G})",
        "getmetatable('').__index = {}",
        "getmetatable(_G).__index = nil",
        "rawset(getmetatable(''), '__index', {})",
        "loadstring('x = 1')()",
        "load(coroutine.wrap(function() coroutine.yield('x =') coroutine.yield(' 1') end))()",
        "coroutine.wrap(function() x = 1 end)()",
    ],
)
def test_what_scripts_share_cannot_be_changed(harness: Harness, script: str) -> None:
    reply = answer(harness.default, script)

    assert reply.startswith("-ERR ")
    assert READONLY in reply
    check_goes_on(harness)


@pytest.mark.parametrize(
    ("script", "look"),
    [
        ("KEYS[1] = 'x'", "return KEYS[1]"),
        ("cjson.encode_number_precision(3)", "return cjson.encode(1 / 3) == '0.333'"),
        ("cjson.encode_max_depth(1)", "return cjson.encode_max_depth() == 1"),
        ("collectgarbage('stop')", "return collectgarbage('count') < 0"),
        ("local s = getmetatable('') s = nil", "return ('x'):upper() ~= 'X'"),
    ],
)
def test_nothing_is_left_to_the_next_script(harness: Harness, script: str, look: str) -> None:
    answer(harness.default, script)

    assert answer(harness.default, look) is None


@pytest.mark.parametrize(
    "script",
    [
        "return loadstring(string.dump(function() return 1 end))",
        "return loadstring('\\27Lua' .. ('x'):rep(100))",
        "local code, done = string.dump(function() return 1 end), false "
        "return load(function() if not done then done = true return code end end)",
    ],
)
def test_bytecode_is_not_loaded(harness: Harness, script: str) -> None:
    assert answer(harness.default, script) is None


def test_bytecode_is_no_script(harness: Harness) -> None:
    assert answer(harness.default, "\x1bLuaQ").startswith("-ERR Error compiling script")


@pytest.mark.parametrize(
    "name", ["redis.call", "pcall", "cjson.encode", "coroutine.wrap", "bit.band"]
)
def test_what_a_function_of_ours_is_made_of_is_not_shown(harness: Harness, name: str) -> None:
    reply = answer(harness.default, f"return string.dump({name})")

    assert reply.startswith("-ERR user_script:1: unable to dump given function")


def test_no_object_of_python_is_within_reach(harness: Harness) -> None:
    script = """
        local seen, found = {}, {}
        local function walk(value, path)
            if seen[value] then return end
            seen[value] = true
            for key, item in pairs(value) do
                local here = path .. '.' .. tostring(key)
                if type(item) == 'userdata' then
                    found[#found + 1] = here .. tostring(getmetatable(item))
                elseif type(item) == 'table' then walk(item, here)
                end
                if type(item) == 'function' then
                    local ok, problem = pcall(item)
                    if type(problem) == 'userdata' then found[#found + 1] = here end
                end
            end
        end
        walk(_G, '')
        return found
    """
    assert answer(harness.default, script) == [b".cjson.nullnil"]


@pytest.mark.parametrize(
    "value", ["redis.call", "cjson.null", "{}", "coroutine.create(pcall)", "nil"]
)
def test_no_value_but_text_and_numbers_crosses_to_commands(harness: Harness, value: str) -> None:
    few = answer(harness.default, f"return redis.pcall('ECHO', {value} or false)")
    many = answer(
        harness.default,
        f"local t = {{}} for i = 1, 50 do t[i] = 'x' end t[50] = {value} or false "
        "return redis.pcall(unpack(t))",
    )

    assert few == many == "-ERR Lua redis lib command arguments must be strings or integers"


def test_a_table_of_a_script_is_not_asked_for_what_it_is(harness: Harness) -> None:
    """Its metatable could do anything when the reply is made."""
    evil = "setmetatable({%s}, {__index = function() error('asked') end, __len = error})"

    assert answer(harness.default, f"return {evil % ''}") == []
    assert answer(harness.default, f"return {evil % '1, 2'}") == [1, 2]
    assert answer(harness.default, f"return cjson.encode({evil % '1, 2'})") == b"[1,2]"


def test_pairs_sees_through_what_is_read_only(harness: Harness) -> None:
    script = """
        local names = {}
        for name, value in pairs(redis) do names[name] = value end
        return {names.call == redis.call, next(math) ~= nil, rawget(string, 'rep') == string.rep}
    """
    assert answer(harness.default, script) == [1, 1, 1]


VALUES = """
    nil, true, 0, -1, 1.5, 2^31, 2^53, 2^64, -2^70, 1/0, -1/0, 0/0, '', '0', 'x', '<i4', 's', '\\0',
    ('x'):rep(300), {}, {1, 2}, {a = 1}, print_, cjson.null, redis, _G,
    coroutine.create(function() end)
"""
LIBRARIES = [
    *("redis", "cjson", "cmsgpack", "bit", "struct"),
    *("string", "table", "math", "coroutine", "_G"),
]


@pytest.mark.parametrize("library", LIBRARIES)
def test_no_function_is_at_a_loss_with_any_values(library: str) -> None:
    harness = Harness(Settings(script_ms_max=60_000))
    values = VALUES.replace("print_", "function() end")
    script = f"""
        local function all(...)
            local count, values = select('#', ...), {{...}}
            local skipped = {{yield = true, error = true, assert = true}}
            for name, call in pairs({library}) do
                if type(call) == 'function' and not skipped[name] then
                    pcall(call)
                    for first = 1, count do
                        pcall(call, values[first])
                        for second = 1, count do
                            pcall(call, values[first], values[second])
                            pcall(call, values[first], values[second], values[first])
                        end
                    end
                end
            end
            return 'done'
        end
        return all({values})
    """

    assert answer(harness.default, script) == b"done"
    assert not harness.errors
    check_goes_on(harness)
    # Alone this looks at the tables that scripts share as they are: nothing is in them.
    for shared in LIBRARIES:
        assert answer(harness.default, f"return table.foreach({shared}, tostring)") is None


def test_many_coroutines_leave_nothing(monkeypatch: pytest.MonkeyPatch, harness: Harness) -> None:
    monkeypatch.setattr("respq.broker.lua.interpreter.SCRIPT_COROUTINES_MAX", 100)
    script = "for i = 1, %d do coroutine.wrap(function() end)() end return 'done'"

    assert answer(harness.default, script % 100) == b"done"
    first = harness.broker.scripts._interpreter
    assert answer(harness.default, "return 1") == 1
    assert harness.broker.scripts._interpreter is first

    assert answer(harness.default, script % 1) == b"done"
    assert answer(harness.default, "return 1") == 1
    assert harness.broker.scripts._interpreter is not first


def test_a_script_that_waits_in_the_error_handler_is_stopped(harness: Harness) -> None:
    script = "return {xpcall(function() error('x') end, function() while true do end end)}"

    reply: Any = answer(harness.default, script)

    assert isinstance(reply, str)
    assert reply.startswith(STOPPED)
    check_goes_on(harness)
