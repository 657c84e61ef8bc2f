"""redis.*: commands from scripts, and what goes to and fro.

A reply comes as one value if it is a plain one. Else it comes as tokens, of which `true` says
that the next one is an operation: no reply of a plain value is `true`. What a script returns
goes back as bytes of the wire: only here is known what its tables are.
"""

from __future__ import annotations

SOURCE = rb"""
local host, tools, DEPTH_MAX, VERSION = ...
local concat, error, floor, format, next, rawget, select, tonumber, tostring, type =
    table.concat, error, math.floor, string.format, next, rawget, select,
    tonumber, tostring, type
local FEW = 12
-- More arguments than that are sent as one text with their lengths.
local PLAIN = {string = true, number = true}
local call = host.call

local build
local function items(tokens, place, count, take)
    for number = 1, count do
        local value
        value, place = build(tokens, place)
        take(number, value)
    end
    return place
end

local operations = {
    n = function(_, place) return nil, place end,
    t = function(_, place) return true, place end,
    s = function(tokens, place) return {ok = tokens[place]}, place + 1 end,
    e = function(tokens, place) return {err = tokens[place]}, place + 1 end,
    d = function(tokens, place) return {double = tokens[place]}, place + 1 end,
    v = function(tokens, place)
        return {verbatim_string = {string = tokens[place], format = "txt"}}, place + 1
    end,
    a = function(tokens, place)
        local made = {}
        place = items(tokens, place + 1, tokens[place], function(number, value)
            made[number] = value
        end)
        return made, place
    end,
    S = function(tokens, place)
        local made = {}
        place = items(tokens, place + 1, tokens[place], function(_, value)
            if value ~= nil then made[value] = true end
        end)
        return {set = made}, place
    end,
    m = function(tokens, place)
        local made, key = {}, nil
        place = items(tokens, place + 1, 2 * tokens[place], function(number, value)
            if number % 2 == 1 then key = value elseif key ~= nil then made[key] = value end
        end)
        return {map = made}, place
    end,
}

build = function(tokens, place)
    local value = tokens[place]
    if value ~= true then return value, place + 1 end
    return operations[tokens[place + 1]](tokens, place + 2)
end

local function append(tokens, ...)
    if (...) == true and select(2, ...) == "x" then tools.stop((select(3, ...))) end
    local size = #tokens
    local count = select("#", ...)
    for number, token in next, {...} do tokens[size + number] = token end
    return count
end

-- Return the reply and whether it is an error; the tokens of a long one are fetched.
local function reply(first, operation, ...)
    if first ~= true then return first, false end
    if operation == "e" then return (...), true end
    if operation == "x" then tools.stop(...) end
    if operation == "l" then return {...}, false end
    if operation == "s" then return {ok = (...)}, false end
    if operation ~= "+" then return (build({first, operation, ...}, 1)), false end
    local tokens = {...}
    while append(tokens, host.more()) > 0 do end
    return (build(tokens, 1)), false
end

local function text_of(number)
    if number == floor(number) and number > -1e17 and number < 1e17 then
        return format("%.0f", number)
    end
    return format("%.17g", number)
end

local function ask(...)
    local count = select("#", ...)
    if count == 0 then
        return "ERR Please specify at least one argument for this redis lib call", true
    end
    if count <= FEW then
        local first, second, third, fourth = ...
        local are_plain = PLAIN[type(first)] and (count < 2 or PLAIN[type(second)])
            and (count < 3 or PLAIN[type(third)]) and (count < 4 or PLAIN[type(fourth)])
        for place = 5, count do
            are_plain = are_plain and PLAIN[type((select(place, ...)))]
        end
        if not are_plain then
            return "ERR Lua redis lib command arguments must be strings or integers", true
        end
        return reply(call(...))
    end
    local words, sizes = {...}, {}
    for place = 1, count do
        local word = words[place]
        if type(word) == "number" then
            word = text_of(word)
            words[place] = word
        elseif type(word) ~= "string" then
            return "ERR Lua redis lib command arguments must be strings or integers", true
        end
        sizes[place] = #word
    end
    return reply(host.call_many(concat(sizes, ","), concat(words)))
end

local major, minor, patch = VERSION:match("(%d+)%.(%d+)%.(%d+)")
local redis = {
    REDIS_VERSION = VERSION, REDIS_VERSION_NUM = (major * 256 + minor) * 256 + patch,
    LOG_DEBUG = 0, LOG_VERBOSE = 1, LOG_NOTICE = 2, LOG_WARNING = 3,
    REPL_NONE = 0, REPL_AOF = 1, REPL_SLAVE = 2, REPL_REPLICA = 2, REPL_ALL = 3,
}

function redis.call(...)
    local value, is_error = ask(...)
    if is_error then
        error({err = value, ignore_error_stats_update = true})
    end
    return value
end

function redis.pcall(...)
    local value, is_error = ask(...)
    if is_error then return {err = value, ignore_error_stats_update = true} end
    return value
end

local function refuse(text)
    error({err = "ERR " .. text})
end

function redis.error_reply(...)
    local text = ...
    if select("#", ...) ~= 1 or type(text) ~= "string" then
        return {err = "ERR wrong number or type of arguments"}
    end
    text = text:gsub("^%-", "", 1)
    if not text:find(" ", 1, true) then text = "ERR " .. text end
    return {err = text}
end

function redis.status_reply(...)
    local text = ...
    if select("#", ...) ~= 1 or type(text) ~= "string" then
        return {err = "ERR wrong number or type of arguments"}
    end
    return {ok = text}
end

function redis.sha1hex(...)
    if select("#", ...) ~= 1 then refuse("wrong number of arguments") end
    local text = ...
    if type(text) == "number" then text = tostring(text) end
    return host.sha1hex(type(text) == "string" and text or "")
end

function redis.log(...)
    local count = select("#", ...)
    if count < 2 then refuse("redis.log() requires two arguments or more.") end
    local level = ...
    if type(level) ~= "number" then refuse("First argument must be a number (log level).") end
    if not (level >= 0 and level <= 3) then refuse("Invalid debug level.") end
    local words = {}
    for place = 2, count do
        local word = select(place, ...)
        if type(word) == "string" or type(word) == "number" then words[#words + 1] = word end
    end
    host.log(floor(level), concat(words, " "))
end

local speaks = 2
function redis.setresp(...)
    if select("#", ...) ~= 1 then refuse("redis.setresp() requires one argument.") end
    local version = tonumber((...))
    if version ~= 2 and version ~= 3 then refuse("RESP version must be 2 or 3.") end
    speaks = version
    host.speak(version)
end

function redis.set_repl(...)
    if select("#", ...) ~= 1 then refuse("redis.set_repl() requires two arguments.") end
    local flags = tonumber((...))
    if flags == nil or flags < 0 or flags > 3 or flags ~= floor(flags) then
        refuse("Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.")
    end
end

function redis.acl_check_cmd(...)
    local count = select("#", ...)
    if count == 0 then refuse("Please specify at least one argument for this redis lib call") end
    local words = {...}
    for place = 1, count do
        if type(words[place]) ~= "string" and type(words[place]) ~= "number" then
            refuse("redis.acl_check_cmd() require strings or integers arguments")
        end
    end
    if not host.knows(tostring(words[1]), tostring(words[2])) then
        refuse("Invalid command passed to redis.acl_check_cmd()")
    end
    return true
end

function redis.replicate_commands() return true end
function redis.breakpoint() return false end
function redis.debug() end

-- What a script returns.
local resp3, pieces
local function put(piece) pieces[#pieces + 1] = piece end
local put_value

local function put_map(map, depth)
    local count = 0
    for _ in next, map do count = count + 1 end
    put(resp3 and format("%%%d\r\n", count) or format("*%d\r\n", 2 * count))
    for key, value in next, map do
        put_value(key, depth)
        put_value(value, depth)
    end
end

local function put_set(set, depth)
    local count = 0
    for _ in next, set do count = count + 1 end
    put(format(resp3 and "~%d\r\n" or "*%d\r\n", count))
    for key in next, set do put_value(key, depth) end
end

local function put_bulk(text) put(format("$%d\r\n", #text) .. text .. "\r\n") end

local function line(text) return (tostring(text):gsub("[\r\n]", " ")) end

local function is_text(value) return type(value) == "string" or type(value) == "number" end

local function put_table(value, depth)
    local field = rawget(value, "err")
    if is_text(field) then return put("-" .. line(field) .. "\r\n") end
    field = rawget(value, "ok")
    if is_text(field) then return put("+" .. line(field) .. "\r\n") end
    field = rawget(value, "double")
    if type(field) == "number" then
        local text = host.double(field)
        if resp3 then return put("," .. text .. "\r\n") end
        return put_bulk(text)
    end
    field = rawget(value, "map")
    if type(field) == "table" then return put_map(field, depth) end
    field = rawget(value, "set")
    if type(field) == "table" then return put_set(field, depth) end
    field = rawget(value, "big_number")
    if is_text(field) then
        if resp3 then return put("(" .. line(field) .. "\r\n") end
        return put_bulk(line(field))
    end
    field = rawget(value, "verbatim_string")
    if type(field) == "table" then
        local text, kind = rawget(field, "string"), rawget(field, "format")
        if is_text(text) and is_text(kind) then
            text, kind = tostring(text), (tostring(kind) .. "   "):sub(1, 3)
            if not resp3 then return put_bulk(text) end
            return put(format("=%d\r\n", #text + 4) .. kind .. ":" .. text .. "\r\n")
        end
    end
    local count = 0
    while rawget(value, count + 1) ~= nil do count = count + 1 end
    put(format("*%d\r\n", count))
    for place = 1, count do put_value(rawget(value, place), depth) end
end

put_value = function(value, depth)
    local kind = type(value)
    if kind == "string" then put_bulk(value)
    elseif kind == "number" then put(format(":%d\r\n", value))
    elseif kind == "table" then
        if depth > DEPTH_MAX then error("reached lua stack limit", 0) end
        put_table(value, depth + 1)
    elseif kind == "boolean" and speaks == 3 then
        local yes, no = resp3 and "#t\r\n" or ":1\r\n", resp3 and "#f\r\n" or ":0\r\n"
        put(value and yes or no)
    elseif value == true then put(":1\r\n")
    else put(resp3 and "_\r\n" or "$-1\r\n") end
end

local commands = {redis = redis}

function commands.begin(is_resp3)
    resp3, pieces = is_resp3, nil
    speaks = 2
end

-- A text as it is; else true, a letter and what it is: "i" a number, "o" the text of a status,
-- "x" of an error, "r" the bytes of a reply.
function commands.finish(value)
    local kind = type(value)
    if kind == "string" then return value end
    if kind == "number" then return true, "i", format("%d", value) end
    if kind ~= "table" then
        if kind == "boolean" and (value or speaks == 3) then
            return true, "r", resp3 and speaks == 3 and (value and "#t\r\n" or "#f\r\n")
                or (value and ":1\r\n" or ":0\r\n")
        end
        return nil
    end
    local field = rawget(value, "err")
    if is_text(field) then return true, "x", line(field) end
    field = rawget(value, "ok")
    if is_text(field) then return true, "o", line(field) end
    pieces = {}
    put_value(value, 1)
    local bytes = concat(pieces)
    pieces = nil
    return true, "r", bytes
end

return commands
"""
