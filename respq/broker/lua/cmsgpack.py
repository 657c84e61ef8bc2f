"""cmsgpack, as Redis has it: MessagePack to values and back."""

from __future__ import annotations

SOURCE = rb"""
local host, tools = ...
local byte, char, concat, floor, next, rawget, select, sub, tonumber, type =
    string.byte, string.char, table.concat, math.floor, next, rawget, select, string.sub, tonumber,
    type
local raise = tools.raise
local DEPTH_MAX = 16
-- What lies deeper is nil, as in Redis.

local function big_endian(value, size)
    local bytes = {}
    for place = size, 1, -1 do
        bytes[place] = char(value % 256)
        value = floor(value / 256)
    end
    return concat(bytes)
end

local function head(value, small, small_max, tags)
    if value <= small_max then return char(small + value) end
    for _, tag in next, tags do
        local code, size = tag[1], tag[2]
        if value < 256 ^ size then return char(code) .. big_endian(value, size) end
    end
end
local STRING = {{0xD9, 1}, {0xDA, 2}, {0xDB, 4}}
local ARRAY, MAP = {{0xDC, 2}, {0xDD, 4}}, {{0xDE, 2}, {0xDF, 4}}

local function pack_number(value)
    if value ~= floor(value) or value < -2 ^ 63 or value >= 2 ^ 63 or value ~= value then
        return host.pack_double(value)
    end
    if value >= 0 then
        if value < 0x80 then return char(value) end
        if value < 0x100 then return char(0xCC, value) end
        if value < 0x10000 then return char(0xCD) .. big_endian(value, 2) end
        if value < 0x100000000 then return char(0xCE) .. big_endian(value, 4) end
        return char(0xCF) .. host.pack_integer(value)
    end
    if value >= -32 then return char(256 + value) end
    if value >= -128 then return char(0xD0, 256 + value) end
    if value >= -32768 then return char(0xD1) .. big_endian(0x10000 + value, 2) end
    if value >= -2147483648 then return char(0xD2) .. big_endian(0x100000000 + value, 4) end
    return char(0xD3) .. host.pack_integer(value)
end

-- Return the length of an array; nil if the table is none.
local function array_length(value)
    local most, items = 0, 0
    for key in next, value do
        if type(key) ~= "number" or key <= 0 or key ~= floor(key) then return nil end
        if key > most then most = key end
        items = items + 1
    end
    return most == items and most or nil
end

local function pack_value(value, depth, put)
    local kind = type(value)
    if kind == "string" then put(head(#value, 0xA0, 31, STRING) .. value)
    elseif kind == "number" then put(pack_number(value))
    elseif kind == "boolean" then put(value and "\195" or "\194")
    elseif kind == "table" and depth < DEPTH_MAX then
        local length = array_length(value)
        if length ~= nil then
            put(head(length, 0x90, 15, ARRAY))
            for place = 1, length do pack_value(rawget(value, place), depth + 1, put) end
            return
        end
        local count = 0
        for _ in next, value do count = count + 1 end
        put(head(count, 0x80, 15, MAP))
        for key, item in next, value do
            pack_value(key, depth + 1, put)
            pack_value(item, depth + 1, put)
        end
    else put("\192") end
end

local function pack(...)
    local count = select("#", ...)
    if count == 0 then tools.bad_argument(0, "pack", "MessagePack pack needs input.") end
    local pieces, size = {}, 0
    for place = 1, count do
        pack_value((select(place, ...)), 0, function(piece)
            size = size + 1
            pieces[size] = piece
        end)
    end
    return concat(pieces)
end

local function bad() raise("Bad data format in input.") end

local function unsigned(text, place, size)
    local value = 0
    for at = place, place + size - 1 do
        local octet = byte(text, at)
        if octet == nil then raise("Missing bytes in input.") end
        value = value * 256 + octet
    end
    return value, place + size
end

local function signed(text, place, size)
    local value, after = unsigned(text, place, size)
    if value >= 256 ^ size / 2 then value = value - 256 ^ size end
    return value, after
end

local function take(text, place, size)
    if place + size - 1 > #text then raise("Missing bytes in input.") end
    return sub(text, place, place + size - 1), place + size
end

local read
local function read_array(text, place, count)
    local made = {}
    for number = 1, count do made[number], place = read(text, place) end
    return made, place
end

local function read_map(text, place, count)
    local made = {}
    for _ = 1, count do
        local key, value
        key, place = read(text, place)
        value, place = read(text, place)
        if key == nil then raise("table index is nil") end
        if key ~= key then raise("table index is NaN") end
        made[key] = value
    end
    return made, place
end

local function sized(size, what)
    return function(text, place)
        local count
        count, place = unsigned(text, place, size)
        local value, after = what(text, place, count)
        return value, after
    end
end

-- Nothing that may raise is called last here: a position would be lost (sandbox.py).
local readers = {
    [0xC0] = function(_, place) return nil, place end,
    [0xC2] = function(_, place) return false, place end,
    [0xC3] = function(_, place) return true, place end,
    [0xCA] = function(text, place)
        local bytes, after = take(text, place, 4)
        return host.unpack_double(bytes), after
    end,
    [0xCB] = function(text, place)
        local bytes, after = take(text, place, 8)
        return host.unpack_double(bytes), after
    end,
    [0xCC] = function(text, place)
        local value, after = unsigned(text, place, 1)
        return value, after
    end,
    [0xCD] = function(text, place)
        local value, after = unsigned(text, place, 2)
        return value, after
    end,
    [0xCE] = function(text, place)
        local value, after = unsigned(text, place, 4)
        return value, after
    end,
    [0xCF] = function(text, place)
        -- As in Redis, which has no larger ones.
        local bytes, after = take(text, place, 8)
        return host.unpack_integer(bytes, true), after
    end,
    [0xD0] = function(text, place)
        local value, after = signed(text, place, 1)
        return value, after
    end,
    [0xD1] = function(text, place)
        local value, after = signed(text, place, 2)
        return value, after
    end,
    [0xD2] = function(text, place)
        local value, after = signed(text, place, 4)
        return value, after
    end,
    [0xD3] = function(text, place)
        local bytes, after = take(text, place, 8)
        return host.unpack_integer(bytes, true), after
    end,
    [0xD9] = sized(1, take), [0xDA] = sized(2, take), [0xDB] = sized(4, take),
    [0xDC] = sized(2, read_array), [0xDD] = sized(4, read_array),
    [0xDE] = sized(2, read_map), [0xDF] = sized(4, read_map),
}

read = function(text, place)
    local code = byte(text, place)
    if code == nil then raise("Missing bytes in input.") end
    place = place + 1
    if code < 0x80 then return code, place end
    if code >= 0xE0 then return code - 256, place end
    local value
    if code < 0x90 then value, place = read_map(text, place, code - 0x80)
    elseif code < 0xA0 then value, place = read_array(text, place, code - 0x90)
    elseif code < 0xC0 then value, place = take(text, place, code - 0xA0)
    else
        local reader = readers[code]
        if reader == nil then bad() end
        value, place = reader(text, place)
    end
    return value, place
end

-- Read up to `limit` values behind `offset` bytes; all if it is 0.
local function unpack_some(text, limit, offset)
    if offset < 0 or limit < 0 then
        raise(("Invalid request to unpack with offset of %d and limit of %d."):format(
            offset, #text))
    end
    if offset > #text then
        raise(("Start offset %d greater than input length %d."):format(offset, #text))
    end
    local decode_all = limit == 0 and offset == 0
    if decode_all then limit = 2 ^ 31 end
    local values, count, place = {}, 0, offset + 1
    while place <= #text and count < limit do
        count = count + 1
        values[count], place = read(text, place)
    end
    local after = place > #text and -1 or place - 1
    return values, count, after, decode_all
end

local function text_of(name, ...)
    local text = ...
    if type(text) == "number" then return tostring(text) end
    tools.need("string", 1, name, ...)
    return text
end

local cmsgpack = {
    _NAME = "cmsgpack", _VERSION = "lua-cmsgpack 0.4.0",
    _COPYRIGHT = "Copyright (C) 2012, Redis Ltd.",
    _DESCRIPTION = "MessagePack C implementation for Lua",
    pack = pack,
}
local unpack = unpack

function cmsgpack.unpack(...)
    local values, count = unpack_some(text_of("unpack", ...), 0, 0)
    return unpack(values, 1, count)
end

function cmsgpack.unpack_one(...)
    local text, offset = text_of("unpack_one", ...), select(2, ...)
    offset = offset == nil and 0 or floor(tools.number(2, "unpack_one", offset, ...))
    local values, count, after = unpack_some(text, 1, offset)
    return after, unpack(values, 1, count)
end

function cmsgpack.unpack_limit(...)
    local text, limit, offset = text_of("unpack_limit", ...), select(2, ...)
    limit = floor(tools.number(2, "unpack_limit", limit, ...))
    offset = offset == nil and 0 or floor(tools.number(3, "unpack_limit", offset, ...))
    local values, count, after, all = unpack_some(text, limit, offset)
    if all then return unpack(values, 1, count) end
    return after, unpack(values, 1, count)
end

return cmsgpack
"""
