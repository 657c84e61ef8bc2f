"""bit and struct: the thin Lua part; what they compute is in `binary`."""

from __future__ import annotations

SOURCE = rb"""
local host, tools = ...
local next, select, tostring, type = next, select, tostring, type
local floor, table, unpack = math.floor, table, unpack
local raise = tools.raise

local bit, struct = {}, {}

-- Each name, how many arguments it takes at least, and at most.
local operations = {
    tobit = {1, 1}, bnot = {1, 1}, bswap = {1, 1}, band = {1}, bor = {1}, bxor = {1},
    lshift = {2, 2}, rshift = {2, 2}, arshift = {2, 2}, rol = {2, 2}, ror = {2, 2},
}
for name, counts in next, operations do
    local least, most = counts[1], counts[2]
    bit[name] = function(...)
        local count = select("#", ...)
        if most == nil and count < 2 then
            return host.bit("tobit", tools.number(1, name, (...), ...))
        end
        if most ~= nil or count == 2 then
            local first = tools.number(1, name, (...), ...)
            if least == 1 and most == 1 then return host.bit(name, first) end
            return host.bit(name, first, tools.number(2, name, (select(2, ...)), ...))
        end
        local value = tools.number(1, name, (...), ...)
        for place = 2, count do
            value = host.bit(name, value, tools.number(place, name, (select(place, ...)), ...))
        end
        return value
    end
end

function bit.tohex(...)
    local value = tools.number(1, "tohex", (...), ...)
    local digits = select(2, ...)
    return host.bit("tohex", value, digits == nil and 8 or tools.number(2, "tohex", digits, ...))
end

-- Nothing here is called last: a position would be lost (sandbox.py).
local function check(problem, place, name)
    if problem == nil then return end
    if problem == true then tools.stop(name) end
    if place == nil then raise(problem) end
    tools.bad_argument(place, name, problem)
end

local function format_of(name, ...)
    local value = ...
    if type(value) == "number" then return tostring(value) end
    tools.need("string", 1, name, ...)
    return value
end

function struct.pack(...)
    local shape = format_of("pack", ...)
    local missing, last = "nil", select("#", ...)
    for place = 2, last do
        local kind = type((select(place, ...)))
        if kind ~= "string" and kind ~= "number" then
            -- It is told when the format gets there.
            missing, last = kind, place - 1
            break
        end
    end
    local problem, packed, name = host.struct_pack(shape, missing, unpack({...}, 2, last))
    check(problem, packed, name)
    return packed
end

function struct.unpack(...)
    local shape = format_of("unpack", ...)
    local text, place = select(2, ...)
    if type(text) == "number" then text = tostring(text) end
    if type(text) ~= "string" then
        local got = select("#", ...) < 2 and "no value" or type(text)
        tools.bad_argument(2, "unpack", "string expected, got " .. got)
    end
    place = place == nil and 1 or floor(tools.number(3, "unpack", place, ...))
    local found = {host.struct_unpack(shape, text, place)}
    check(found[1], found[2], found[3])
    return unpack(found, 2, table.maxn(found))
end

function struct.size(...)
    local problem, size, name = host.struct_size(format_of("size", ...))
    check(problem, size, name)
    return size
end

return bit, struct
"""
