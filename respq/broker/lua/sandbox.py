"""The environment of scripts: what they see, and what stops them.

Nothing that belongs to the interpreter is handed to a script as it is. It sees `shield`s, empty
tables whose metatables look things up and refuse every change, as Redis' read-only tables do,
and functions that know shields. So scripts can share one environment and yet not see each
other's globals: there are none but KEYS and ARGV, which are new for each run.

A hook runs every `STEPS` instructions and asks Python whether the time is over. From then on
every instruction of every coroutine raises, and so does whatever could have caught the error:
pcall, xpcall, coroutine.resume.
"""

from __future__ import annotations

SOURCE = rb"""
local host, STEPS = ...
local error, getinfo, next, pcall, rawget, rawset, select, setmetatable, tostring, type, xpcall =
    error, debug.getinfo, next, pcall, rawget, rawset, select, setmetatable, tostring, type, xpcall
local getmetatable, loadstring, setfenv, sethook = getmetatable, loadstring, setfenv, debug.sethook
local concat, format, insert = table.concat, string.format, table.insert
local gsub = string.gsub
local PATTERN_MAX = 5000
local OUR_POSITION = "^respq:%d+: "
local READONLY = "Attempt to modify a readonly table"
local OURS = "=respq"

local tools = {null = newproxy()}

-- Errors say where the script was, past the functions of ours that raise them. Of a call that is
-- the last thing a function does no more is left than that there was one: it can only have been
-- in the line of a `return`.
local return_line = 0
local function position(is_handler)
    -- To find a level takes as long as it is deep; JSON may be 1,000 arrays deep.
    for level = 2, 2500 do
        local info = getinfo(level, "Sl")
        if info == nil then return nil end
        if info.what == "tail" then
            return "@user_script", return_line > 0 and return_line or nil, "user_script"
        end
        if info.what == "C" then
            -- Of a function of C that calls ours there is no position, as in Redis.
            if not is_handler then return nil end
        elseif info.source ~= OURS then
            return info.source, info.currentline, info.short_src
        end
    end
end

local function raise(message)
    local _, line, name = position()
    if line ~= nil then message = name .. ":" .. line .. ": " .. message
    elseif name ~= nil then message = name .. ": " .. message end
    error(message, 0)
end
tools.raise = raise

-- Not as tail calls: those would lie between what is ours and the script.
function tools.bad_argument(place, name, message)
    if position() == nil then name = "?" end
    raise("bad argument #" .. place .. " to '" .. name .. "' (" .. message .. ")")
end

local function need(kind, place, name, ...)
    if select("#", ...) < place then
        tools.bad_argument(place, name, kind .. " expected, got no value")
    end
    local value = select(place, ...)
    if type(value) ~= kind then
        tools.bad_argument(place, name, kind .. " expected, got " .. type(value))
    end
end
tools.need = need

-- What a shield hides, by shield. Nothing that scripts have can write to a shield itself.
local behind = setmetatable({}, {__mode = "k"})
local function shield(hidden, missing)
    local face = {}
    behind[face] = hidden
    if missing ~= nil then setmetatable(hidden, {__index = missing}) end
    return setmetatable(face, {
        __index = hidden,
        __newindex = function() raise(READONLY) end,
        __metatable = false,
    })
end
tools.shield = shield

-- The end of a run that takes too long.
local over, is_running = nil, false
local hook
hook = function()
    if over == nil then
        if not is_running then return end
        local _, is_over, reason = host.time_is_over()
        if not is_over then return end
        over = reason
        sethook(hook, "l", 1)
    elseif getinfo(2, "S").source == OURS then
        return  -- What catches errors has to be able to end.
    end
    error(over, 0)
end
local threads = setmetatable({}, {__mode = "k"})
-- Stop the script; nothing that it has can catch this.
function tools.stop(reason)
    over = reason
    sethook(hook, "l", 1)
    error(over, 0)
end
-- Whatever Python lends may say that the script has to end.
local function sure(first, operation, reason)
    if first == true and operation == "x" then tools.stop(reason) end
    return first
end
for _, name in next, {
    "bit", "double", "knows", "log", "pack_double", "pack_integer", "random", "seed", "sha1hex",
    "speak", "unpack_double", "unpack_integer",
} do
    local lent = host[name]
    host[name] = function(...) return sure(lent(...)) end
end
local function watch(thread)
    threads[thread] = true
    if over ~= nil then sethook(thread, hook, "l", 1) else sethook(thread, hook, "", STEPS) end
end
sethook(hook, "", STEPS)

-- Errors that a script catches. As in Redis pcall gives the text of an error of a command.
local function caught(ok, ...)
    if over ~= nil then error(over, 0) end
    if ok then return true, ... end
    local problem = ...
    if type(problem) == "string" then return false, (gsub(problem, OUR_POSITION, "")) end
    if type(problem) == "table" then
        local text = rawget(problem, "err")
        if type(text) == "string" or type(text) == "number" then return false, text end
    end
    return false, ...
end
local function resumed(ok, ...)
    if over ~= nil then error(over, 0) end
    return ok, ...
end

local safe = {}
function safe.pcall(...)
    if select("#", ...) == 0 then tools.bad_argument(1, "pcall", "value expected") end
    return caught(pcall(...))
end
function safe.xpcall(body, handler, ...)
    if type(handler) ~= "function" then return resumed(xpcall(body, handler)) end
    return resumed(xpcall(body, function(problem)
        -- Here the hook does not run: a handler could stay as long as it likes.
        if over ~= nil then return problem end
        return handler(problem)
    end))
end

local env
local some_metatable = shield({})
function safe.getmetatable(...)
    if select("#", ...) == 0 then tools.bad_argument(1, "getmetatable", "value expected") end
    local value = ...
    if type(value) == "string" or value == env and env ~= nil then return some_metatable end
    if value ~= nil and behind[value] ~= nil then return nil end
    return getmetatable(value)
end
function safe.setmetatable(...)
    need("table", 1, "setmetatable", ...)
    local value, meta = ...
    if behind[value] ~= nil then error(READONLY, 0) end
    if meta ~= nil and type(meta) ~= "table" then
        tools.bad_argument(2, "setmetatable", "nil or table expected")
    end
    return setmetatable(value, meta)
end
function safe.rawset(...)
    need("table", 1, "rawset", ...)
    local value, key, item = ...
    if behind[value] ~= nil then error(READONLY, 0) end
    return rawset(value, key, item)
end
function safe.rawget(...)
    need("table", 1, "rawget", ...)
    local value, key = ...
    return rawget(behind[value] or value, key)
end
function safe.next(...)
    need("table", 1, "next", ...)
    local value, key = ...
    return next(behind[value] or value, key)
end
function safe.pairs(...)
    need("table", 1, "pairs", ...)
    local value = ...
    if behind[value] ~= nil then return safe.next, value, nil end
    return next, value, nil
end

-- Text only: bytecode could do anything. What begins with a blank is taken for text.
local function load_text(text, name)
    local chunk, problem = loadstring(" " .. text, name)
    if chunk == nil then return nil, problem end
    return setfenv(chunk, env)
end
function safe.loadstring(...)
    need("string", 1, "loadstring", ...)
    local text, name = ...
    return load_text(text, name == nil and text or name)
end
function safe.load(...)
    need("function", 1, "load", ...)
    local reader, name = ...
    local pieces = {}
    while true do
        local piece = reader()
        if piece == nil or piece == "" then break end
        if type(piece) ~= "string" then return nil, "reader function must return a string" end
        pieces[#pieces + 1] = piece
    end
    return load_text(concat(pieces), name == nil and "=(load)" or name)
end

-- How the garbage is collected is for all scripts to stay.
local collectgarbage = collectgarbage
function safe.collectgarbage(what, ...)
    if what == nil or what == "collect" or what == "count" or what == "step" then
        return collectgarbage(what, ...)
    end
    return 0
end

local create, resume = coroutine.create, coroutine.resume
local coroutines = {
    running = coroutine.running, status = coroutine.status, yield = coroutine.yield,
}
local made = 0
local function begin(name, body)
    if type(body) ~= "function" or getinfo(body, "S").what == "C" then
        tools.bad_argument(1, name, "Lua function expected")
    end
    local thread = create(body)
    made = made + 1
    watch(thread)
    return thread
end
function coroutines.create(body)
    return begin("create", body)
end
function coroutines.resume(...)
    if type((...)) ~= "thread" then tools.bad_argument(1, "resume", "coroutine expected") end
    return resumed(resume(...))
end
local function unwrapped(ok, ...)
    if over ~= nil then error(over, 0) end
    if ok then return ... end
    local problem = ...
    if type(problem) == "string" then raise(problem) end
    error(problem, 0)
end
function coroutines.wrap(...)
    local thread = begin("wrap", (...))
    return function(...) return unwrapped(resume(thread, ...)) end
end

-- As in Redis the numbers are the same from each start of the server on.
local function copy(from)
    local to = {}
    for name, value in next, from do to[name] = value end
    return to
end
local maths = copy(math)
local floor = math.floor
local function number(place, name, value, ...)
    local read = tonumber(value)
    if read == nil then
        local got = select("#", ...) < place and "no value" or type(value)
        tools.bad_argument(place, name, "number expected, got " .. got)
    end
    return read
end
tools.number = number
function maths.random(...)
    local count = select("#", ...)
    local drawn = host.random()
    if count == 0 then return drawn end
    if count > 2 then raise("wrong number of arguments") end
    local low, high = ...
    low = floor(number(1, "random", low, ...))
    if count == 1 then
        if low < 1 then tools.bad_argument(1, "random", "interval is empty") end
        return floor(drawn * low) + 1
    end
    high = floor(number(2, "random", high, ...))
    if low > high then tools.bad_argument(2, "random", "interval is empty") end
    return floor(drawn * (high - low + 1)) + low
end
function maths.randomseed(...)
    host.seed(number(1, "randomseed", (...), ...))
end

local strings = copy(string)
-- Lua's own searches go as deep as a pattern is long, and so deep is not the stack of the process.
for _, name in next, {"find", "gfind", "gmatch", "gsub", "match"} do
    local search = string[name]
    strings[name] = function(...)
        local _, pattern = ...
        local kind = type(pattern)
        if kind ~= "string" and kind ~= "number" then
            local called = getinfo(1, "n")
            local place = called.namewhat == "method" and 1 or 2
            local got = select("#", ...) < 2 and "no value" or kind
            tools.bad_argument(place, called.name or name, "string expected, got " .. got)
        end
        if kind == "string" and #pattern > PATTERN_MAX then raise("pattern too complex") end
        return search(...)
    end
end
local rep, dump = string.rep, string.dump
function strings.rep(...)
    local text, count = ...
    -- One instruction may be long.
    if type(count) == "number" and type(text) == "string" and #text * count > 100000 then
        local _, is_over, reason = host.time_is_over()
        if is_over then tools.stop(reason) end
    end
    return rep(...)
end
function strings.dump(...)
    need("function", 1, "dump", ...)
    local info = getinfo((...), "S")
    if info.what == "C" or info.source == OURS then raise("unable to dump given function") end
    return dump((...))
end
getmetatable("").__index = strings
getmetatable("").__metatable = false

-- Lua's own counts in 32 bits, and does not stop at their end.
local unpack = unpack
function safe.unpack(...)
    need("table", 1, "unpack", ...)
    local from, first, last = ...
    first = first == nil and 1 or number(2, "unpack", first, ...)
    last = last == nil and #from or number(3, "unpack", last, ...)
    if last < first then return end
    if not (last - first < 8000 and first > -2 ^ 31 and last < 2 ^ 31 - 1) then
        raise("too many results to unpack")
    end
    return unpack(from, first, last)
end

local tables = copy(table)
function tables.insert(...)
    local into, place = ...
    if into ~= nil and behind[into] ~= nil then error(READONLY, 0) end
    if select("#", ...) > 2 then
        local number = tonumber(place) or 1
        if not (number > -8000 and number < 2 ^ 31) then
            -- To move what is behind it would take for ever.
            tools.bad_argument(2, "insert", "position out of bounds")
        end
    end
    return insert(...)
end

local globals = {
    _VERSION = _VERSION,
    assert = assert, error = error, gcinfo = gcinfo, ipairs = ipairs, rawequal = rawequal,
    select = select, tonumber = tonumber, tostring = tostring, type = type,
    string = shield(strings), table = shield(tables), math = shield(maths),
    coroutine = shield(coroutines),
}
for name, value in next, safe do globals[name] = value end
env = shield(globals, function(_, name)
    raise("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'")
end)
globals._G = env

function tools.add_global(name, value)
    globals[name] = value
end

-- Return a function, or nil and what is wrong with the text.
function tools.compile(text)
    local chunk, problem = loadstring(" " .. text, "@user_script")
    if chunk == nil then return nil, problem end
    return setfenv(chunk, env)
end

local function handler(problem)
    if type(problem) == "string" and problem:find(OUR_POSITION) then
        -- A function of C says that it was called by ours, which was called by a script.
        local _, line, name = position(true)
        local shown = line ~= nil and name .. ":" .. line .. ": " or ""
        problem = shown .. gsub(problem, OUR_POSITION, "")
    end
    if over ~= nil and problem == over then problem = {err = over}
    elseif type(problem) ~= "table" then problem = {err = "ERR " .. tostring(problem)} end
    local source, line = position(true)
    if source ~= nil then
        rawset(problem, "source", source)
        rawset(problem, "line", line)
    end
    return problem
end

-- Run a script; return its result if it is plain, or what `finish` makes of it, or true, "x", the
-- error and its place.
function tools.run(chunk, line, keys, arguments, finish)
    globals.KEYS, globals.ARGV = keys, arguments
    return_line = line
    is_running = true
    local ok, result = xpcall(chunk, handler)
    if ok then
        local kind = type(result)
        if kind == "string" then return result end
        if kind == "number" and result % 1 == 0 and result > -2 ^ 53 and result < 2 ^ 53 then
            return result
        end
        local text
        ok, result, kind, text = pcall(finish, result)
        if ok then return result, kind, text end
        result = handler(result)
    end
    if type(result) ~= "table" then return true, "x", "ERR " .. tostring(result) end
    local problem, source = rawget(result, "err"), rawget(result, "source")
    if type(problem) == "number" then problem = tostring(problem) end
    if type(problem) ~= "string" then problem = "ERR unknown error" end
    if type(source) ~= "string" then return true, "x", problem end
    return true, "x", problem, source, rawget(result, "line")
end

-- Leave nothing behind; return how many coroutines there were.
function tools.clean()
    is_running = false
    globals.KEYS, globals.ARGV = nil, nil
    if over ~= nil then
        over = nil
        sethook(hook, "", STEPS)
    end
    if made > 0 then
        for thread in next, threads do
            sethook(thread)
            threads[thread] = nil
        end
    end
    return made
end

return tools
"""
