"""cjson, as the lua-cjson 2.1 that Redis has: JSON to tables and back, with its texts."""

from __future__ import annotations

SOURCE = rb"""
local host, tools = ...
local next, rawget, select, tonumber, tostring, type =
    next, rawget, select, tonumber, tostring, type
local byte, char, find, format, gsub, lower, match, sub =
    string.byte, string.char, string.find, string.format, string.gsub, string.lower, string.match,
    string.sub
local concat, floor = table.concat, math.floor
local raise, bad_argument = tools.raise, tools.bad_argument
local null = tools.null
local HUGE = math.huge
local NAMES_MAX, NAME_BYTES = 500, 40
local QUOTE, COMMA, COLON, BLANK = byte('",: ', 1, 4)
local OPEN, CLOSE, OPEN_ARRAY, CLOSE_ARRAY = byte("{}[]", 1, 4)
-- By the byte that a value begins with.
local MEANT = {["true"] = true, ["false"] = false, null = null}
local WORDS = {[byte("t")] = "true", [byte("f")] = "false", [byte("n")] = "null"}
for place = 1, 11 do WORDS[byte("-0123456789", place)] = "number" end
local SPARE_PIECES, SPARE_BYTES = 64, 2000

local escapes = {
    ['"'] = '\\"', ["\\"] = "\\\\", ["/"] = "\\/", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n",
    ["\r"] = "\\r", ["\t"] = "\\t", ["\127"] = "\\u007f",
}
for code = 0, 31 do
    escapes[char(code)] = escapes[char(code)] or format("\\u%04x", code)
end
-- %z is the byte 0.
local ESCAPED = '[%z\1-\31"\\/\127]'

local unescapes = {
    ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t",
}

local function utf8(code)
    if code < 0x80 then return char(code) end
    if code < 0x800 then return char(0xC0 + floor(code / 0x40), 0x80 + code % 0x40) end
    if code < 0x10000 then
        return char(0xE0 + floor(code / 0x1000), 0x80 + floor(code / 0x40) % 0x40,
            0x80 + code % 0x40)
    end
    return char(0xF0 + floor(code / 0x40000), 0x80 + floor(code / 0x1000) % 0x40,
        0x80 + floor(code / 0x40) % 0x40, 0x80 + code % 0x40)
end

-- Return a text as it stands between quotes.
local function escaped(text)
    -- Most texts are of these; in others a class is searched for faster than a set, a byte by far.
    if find(text, "^[%w_ .:-]*$") or find(text, "^%C*$") and not find(text, '"', 1, true)
        and not find(text, "\\", 1, true) and not find(text, "/", 1, true)
    then
        return text
    end
    return (gsub(text, ESCAPED, escapes))
end

-- Keys of objects as they are written; there are few, and they are written again and again.
local names, names_left = {}, NAMES_MAX
local function name_text(key)
    local text = '"' .. escaped(key) .. '":'
    if #key <= NAME_BYTES then
        if names_left == 0 then names, names_left = {}, NAMES_MAX end
        names[key] = text
        names_left = names_left - 1
    end
    return text
end
local spare

local function new()
    local cjson = {_NAME = "cjson", _VERSION = "2.1.0", null = null}
    local sparse_convert, sparse_ratio, sparse_safe = false, 2, 10
    local encode_depth_max, decode_depth_max = 1000, 1000
    local precision, keep_buffer = 14, true
    local encode_invalid, decode_invalid = false, true
    local number_format, whole_max = "%.14g", 1e14

    -- Encoding: pieces of text go to `out`, and each function returns how many there are by then.
    local function cannot(kind, reason)
        raise("Cannot serialise " .. kind .. ": " .. reason)
    end

    local function number_text(value)
        if value % 1 == 0 and value > -whole_max and value < whole_max then
            -- "%d" takes half of the time, but knows no -0.
            return value ~= 0 and format("%d", value) or 1 / value > 0 and "0" or "-0"
        end
        if value ~= value or value == HUGE or value == -HUGE then
            if encode_invalid == false then cannot("number", "must not be NaN or Inf") end
            if encode_invalid == "null" then return "null" end
            return value ~= value and "nan" or value > 0 and "inf" or "-inf"
        end
        return format(number_format, value)
    end

    -- Return the length of an array; -1 if the table is none.
    local function array_length(value)
        local most, items = 0, 0
        for key in next, value do
            if type(key) ~= "number" or key < 1 or key % 1 ~= 0 then return -1 end
            if key > most then most = key end
            items = items + 1
        end
        if sparse_ratio > 0 and most > items * sparse_ratio and most > sparse_safe then
            if not sparse_convert then cannot("table", "excessively sparse array") end
            return -1
        end
        return most
    end

    local put_table
    local function put(out, size, value, depth)
        local kind = type(value)
        if kind == "string" then
            out[size + 1], out[size + 2], out[size + 3] = '"', escaped(value), '"'
            return size + 3
        end
        if kind == "table" then
            size = put_table(out, size, value, depth + 1)
            return size
        end
        if kind == "number" then out[size + 1] = number_text(value)
        elseif kind == "boolean" then out[size + 1] = value and "true" or "false"
        elseif value == nil or value == null then out[size + 1] = "null"
        else cannot(kind, "type not supported") end
        return size + 1
    end

    put_table = function(out, size, value, depth)
        if depth > encode_depth_max then
            raise("Cannot serialise, excessive nesting (" .. depth .. ")")
        end
        local first = next(value)
        local length = type(first) == "string" and -1 or array_length(value)
        if length > 0 then
            for place = 1, length do
                out[size + 1] = place > 1 and "," or "["
                size = put(out, size + 1, rawget(value, place), depth)
            end
            out[size + 1] = "]"
            return size + 1
        end
        local mark = "{"
        for key, item in next, value do
            local kind = type(key)
            out[size + 1] = mark
            if kind == "string" then out[size + 2] = names[key] or name_text(key)
            elseif kind == "number" then out[size + 2] = '"' .. number_text(key) .. '":'
            else cannot(kind, "table key must be a number or string") end
            size = put(out, size + 2, item, depth)
            mark = ","
        end
        out[size + 1] = first == nil and "{}" or "}"
        return size + 1
    end

    function cjson.encode(...)
        if select("#", ...) ~= 1 then bad_argument(1, "encode", "expected 1 argument") end
        -- A table that has its size already is quicker; one that an error left is not used again.
        local out = spare or {}
        spare = nil
        local size = put(out, 0, (...), 0)
        local text = concat(out, "", 1, size)
        if size <= SPARE_PIECES and #text <= SPARE_BYTES then spare = out end
        return text
    end

    -- Decoding. A token is its kind, its value, its place and the place behind it.
    local text, escape  -- What is read, and where the next backslash is.
    local marks = {
        ["{"] = "T_OBJ_BEGIN", ["}"] = "T_OBJ_END", ["["] = "T_ARR_BEGIN", ["]"] = "T_ARR_END",
        [","] = "T_COMMA", [":"] = "T_COLON", ["\0"] = "T_END",
    }

    local function code_unit(place)
        local digits = match(text, "^\\u(%x%x%x%x)", place)
        return digits and tonumber(digits, 16)
    end

    -- Return a character behind "\u" at a place, and the place behind it; nil if it is none.
    local function code_point(place)
        local code = code_unit(place)
        if code == nil then return nil end
        if code < 0xD800 or code > 0xDFFF then return utf8(code), place + 6 end
        if code >= 0xDC00 then return nil end
        local low = code_unit(place + 6)
        if low == nil or low < 0xDC00 or low > 0xDFFF then return nil end
        return utf8(0x10000 + (code - 0xD800) * 0x400 + low - 0xDC00), place + 12
    end

    local function string_token(start)
        local stop = find(text, '["\\]', start + 1)
        if stop ~= nil and byte(text, stop) == 34 then
            return "T_STRING", sub(text, start + 1, stop - 1), start, stop + 1
        end
        local parts, count, place = {}, 0, start + 1
        while true do
            stop = find(text, '["\\%z]', place)
            while stop ~= nil and byte(text, stop) == 0 and stop <= #text do
                stop = find(text, '["\\]', stop + 1)
            end
            if stop == nil then return "T_ERROR", "unexpected end of string", #text + 1 end
            count = count + 1
            parts[count] = sub(text, place, stop - 1)
            if byte(text, stop) == 34 then
                return "T_STRING", concat(parts), start, stop + 1
            end
            local letter = sub(text, stop + 1, stop + 1)
            local plain
            if letter == "u" then
                plain, place = code_point(stop)
                if plain == nil then return "T_ERROR", "invalid unicode escape code", stop end
            else
                plain, place = unescapes[letter], stop + 2
                if plain == nil then return "T_ERROR", "invalid escape code", stop end
            end
            count = count + 1
            parts[count] = plain
        end
    end

    local function number_token(start)
        local sign, place = 1, start
        local first = sub(text, start, start)
        if first == "-" or first == "+" then
            place = start + 1
            if first == "-" then sign = -1 end
        end
        local _, stop, digits = find(text, "^0[xX](%x+)", place)
        if stop ~= nil then
            local value = 0
            for digit in digits:gmatch(".") do value = value * 16 + tonumber(digit, 16) end
            return "T_NUMBER", sign * value, start, stop + 1
        end
        _, stop = find(text, "^%d+%.?%d*", place)
        if stop == nil then _, stop = find(text, "^%.%d+", place) end
        if stop ~= nil then
            local _, more = find(text, "^[eE][+-]?%d+", stop + 1)
            stop = more or stop
            return "T_NUMBER", sign * tonumber(sub(text, place, stop)), start, stop + 1
        end
        local word = lower(sub(text, place, place + 7))
        if sub(word, 1, 8) == "infinity" then return "T_NUMBER", sign * HUGE, start, place + 8 end
        if sub(word, 1, 3) == "inf" then return "T_NUMBER", sign * HUGE, start, place + 3 end
        if sub(word, 1, 3) == "nan" then return "T_NUMBER", sign * (0 / 0), start, place + 3 end
        return "T_ERROR", "invalid number", start
    end

    -- Whether what stands there is a number only for those who are not strict.
    local function is_invalid_number(place)
        if find(text, "^%+", place) then return true end
        if find(text, "^%-?0", place) then return find(text, "^%-?0[xX%d]", place) ~= nil end
        local word = lower(match(text, "^%-?(%a%a%a)", place) or "")
        return word == "inf" or word == "nan"
    end

    local function token(place)
        place = find(text, "[^ \t\n\r]", place)
        if place == nil then return "T_END", nil, #text + 1, #text + 1 end
        local first = sub(text, place, place)
        local mark = marks[first]
        if mark ~= nil then return mark, nil, place, place + 1 end
        if first == '"' then return string_token(place) end
        if find(first, "[%-%d]") then
            if not decode_invalid and is_invalid_number(place) then
                return "T_ERROR", "invalid number", place
            end
            return number_token(place)
        end
        if sub(text, place, place + 3) == "true" then return "T_BOOLEAN", true, place, place + 4 end
        if sub(text, place, place + 4) == "false" then
            return "T_BOOLEAN", false, place, place + 5
        end
        if sub(text, place, place + 3) == "null" then return "T_NULL", null, place, place + 4 end
        if decode_invalid and find(first, "[+iInN]") and is_invalid_number(place) then
            return number_token(place)
        end
        return "T_ERROR", "invalid token", place
    end

    local function unexpected(expected, kind, value, place)
        local found = kind == "T_ERROR" and value or kind
        raise("Expected " .. expected .. " but found " .. found .. " at character " .. place)
    end

    local function check_depth(depth, place)
        if depth > decode_depth_max then
            raise("Found too many nested data structures (" .. depth .. ") at character " .. place)
        end
    end

    -- What comes next is mostly told by a byte; else `token` looks past blanks, and knows what to
    -- say. Text in which nothing is escaped ends at the next quote, which is found at once.
    local read
    local function read_escaped(expected, place)
        local kind, value, start, stop = string_token(place)
        if kind ~= "T_STRING" then unexpected(expected, kind, value, start) end
        escape = find(text, "\\", stop, true) or HUGE
        return value, stop
    end

    local function read_object(place, depth)
        local made = {}
        local first = byte(text, place)
        if first == CLOSE then return made, place + 1 end
        if first ~= QUOTE then
            local kind, value, start, stop = token(place)
            if kind == "T_OBJ_END" then return made, stop end
            if kind ~= "T_STRING" then unexpected("object key string", kind, value, start) end
            place = start
        end
        while true do
            local key, item, second, third
            local quote = find(text, '"', place + 1, true)
            if quote ~= nil and quote < escape then
                key, place = sub(text, place + 1, quote - 1), quote + 1
            else
                key, place = read_escaped("object key string", place)
            end
            first, second, third = byte(text, place, place + 2)
            if first == COLON then
                place = place + 1
                if second == BLANK then place, second = place + 1, third end
            else
                local kind, value, start, stop = token(place)
                if kind ~= "T_COLON" then unexpected("colon", kind, value, start) end
                place, second = stop, byte(text, stop)
            end
            item, place = read(place, second, depth)
            made[key] = item
            first, second, third = byte(text, place, place + 2)
            if first == CLOSE then return made, place + 1 end
            if first == COMMA then
                place = place + 1
                if second == BLANK then place, second = place + 1, third end
            else
                local kind, value, start, stop = token(place)
                if kind == "T_OBJ_END" then return made, stop end
                if kind ~= "T_COMMA" then unexpected("comma or object end", kind, value, start) end
                place, second = stop, byte(text, stop)
            end
            if second ~= QUOTE then
                local kind, value, start = token(place)
                if kind ~= "T_STRING" then unexpected("object key string", kind, value, start) end
                place = start
            end
        end
    end

    local function read_array(place, depth)
        local made, count = {}, 0
        local first, second, third = byte(text, place)
        if first == CLOSE_ARRAY then return made, place + 1 end
        if first == nil or first <= BLANK then
            local kind, _, _, stop = token(place)
            if kind == "T_ARR_END" then return made, stop end
        end
        while true do
            count = count + 1
            made[count], place = read(place, first, depth)
            first, second, third = byte(text, place, place + 2)
            if first == CLOSE_ARRAY then return made, place + 1 end
            if first == COMMA then
                place, first = place + 1, second
                if first == BLANK then place, first = place + 1, third end
            else
                local kind, value, start, stop = token(place)
                if kind == "T_ARR_END" then return made, stop end
                if kind ~= "T_COMMA" then unexpected("comma or array end", kind, value, start) end
                place, first = stop, byte(text, stop)
            end
        end
    end

    -- Return the value at a place, and the place behind it; the byte that stands there is known.
    read = function(place, first, depth)
        local kind, value, start, stop
        local word = WORDS[first or 0]
        if first == QUOTE then
            stop = find(text, '"', place + 1, true)
            if stop ~= nil and stop < escape then
                return sub(text, place + 1, stop - 1), stop + 1
            end
            value, stop = read_escaped("value", place)
            return value, stop
        elseif first == OPEN then kind, start, stop = "T_OBJ_BEGIN", place, place + 1
        elseif first == OPEN_ARRAY then kind, start, stop = "T_ARR_BEGIN", place, place + 1
        elseif word == "number" and decode_invalid then
            local digits, more
            digits, stop, more = match(text, "^(-?%d+%.?%d*)()([eExX]?)", place)
            if more == "" then return digits * 1, stop end
        elseif word ~= nil and sub(text, place, place + #word - 1) == word then
            return MEANT[word], place + #word
        end
        if kind == nil then kind, value, start, stop = token(place) end
        if kind == "T_OBJ_BEGIN" or kind == "T_ARR_BEGIN" then
            check_depth(depth + 1, start)
            -- Not as the last call: a position would be lost (sandbox.py).
            if kind == "T_OBJ_BEGIN" then value, stop = read_object(stop, depth + 1)
            else value, stop = read_array(stop, depth + 1) end
            return value, stop
        end
        if kind == "T_STRING" or kind == "T_NUMBER" or kind == "T_BOOLEAN" or kind == "T_NULL" then
            return value, stop
        end
        unexpected("value", kind, value, start)
    end

    function cjson.decode(...)
        if select("#", ...) ~= 1 then bad_argument(1, "decode", "expected 1 argument") end
        local given = ...
        if type(given) == "number" then given = tostring(given) end
        if type(given) ~= "string" then tools.need("string", 1, "decode", given) end
        local first, second = byte(given, 1, 2)
        if second ~= nil and (first == 0 or second == 0) then
            raise("JSON parser does not support UTF-16 or UTF-32")
        end
        text, escape = given, find(given, "\\", 1, true) or HUGE
        local value, place = read(1, first, 0)
        if place <= #given then
            local kind, problem, start = token(place)
            if kind ~= "T_END" then unexpected("the end", kind, problem, start) end
        end
        text = nil
        return value
    end

    -- Options: each returns what it is from now on.
    local is_changed = false
    local function few(most, name, ...)
        is_changed = true
        if select("#", ...) > most then
            bad_argument(most + 1, name, "found too many arguments")
        end
    end
    local function whole(place, name, value, low, high, ...)
        if value == nil then return nil end
        local read = tools.number(place, name, value, ...)
        if read < low or read > high then
            bad_argument(place, name, format("expected integer between %d and %d", low, high))
        end
        return floor(read)
    end
    local function choice(place, name, value, may_be_null)
        if value == nil or type(value) == "boolean" then return value end
        if value == "on" or value == "off" then return value == "on" end
        if value == "null" and may_be_null then return value end
        if type(value) ~= "string" and type(value) ~= "number" then
            bad_argument(place, name, "string expected, got " .. type(value))
        end
        bad_argument(place, name, "invalid option '" .. value .. "'")
    end

    function cjson.encode_sparse_array(...)
        few(3, "encode_sparse_array", ...)
        local convert, ratio, safe = ...
        convert = choice(1, "encode_sparse_array", convert)
        ratio = whole(2, "encode_sparse_array", ratio, 0, 2147483647, ...)
        safe = whole(3, "encode_sparse_array", safe, 0, 2147483647, ...)
        if convert ~= nil then sparse_convert = convert end
        sparse_ratio, sparse_safe = ratio or sparse_ratio, safe or sparse_safe
        return sparse_convert, sparse_ratio, sparse_safe
    end
    function cjson.encode_max_depth(...)
        few(1, "encode_max_depth", ...)
        local most = whole(1, "encode_max_depth", (...), 1, 2147483647, ...)
        encode_depth_max = most or encode_depth_max
        return encode_depth_max
    end
    function cjson.decode_max_depth(...)
        few(1, "decode_max_depth", ...)
        local most = whole(1, "decode_max_depth", (...), 1, 2147483647, ...)
        decode_depth_max = most or decode_depth_max
        return decode_depth_max
    end
    function cjson.encode_number_precision(...)
        few(1, "encode_number_precision", ...)
        precision = whole(1, "encode_number_precision", (...), 1, 14, ...) or precision
        number_format, whole_max = format("%%.%dg", precision), 10 ^ precision
        return precision
    end
    function cjson.encode_keep_buffer(...)
        few(1, "encode_keep_buffer", ...)
        local keep = choice(1, "encode_keep_buffer", (...))
        if keep ~= nil then keep_buffer = keep end
        return keep_buffer
    end
    function cjson.encode_invalid_numbers(...)
        few(1, "encode_invalid_numbers", ...)
        local how = choice(1, "encode_invalid_numbers", (...), true)
        if how ~= nil then encode_invalid = how end
        return encode_invalid
    end
    function cjson.decode_invalid_numbers(...)
        few(1, "decode_invalid_numbers", ...)
        local how = choice(1, "decode_invalid_numbers", (...))
        if how ~= nil then decode_invalid = how end
        return decode_invalid
    end

    -- For the next script everything is as it was.
    local function start_over()
        text = nil
        if not is_changed then return end
        is_changed = false
        sparse_convert, sparse_ratio, sparse_safe = false, 2, 10
        encode_depth_max, decode_depth_max = 1000, 1000
        precision, keep_buffer = 14, true
        number_format, whole_max = "%.14g", 1e14
        encode_invalid, decode_invalid = false, true
    end
    cjson.new = new
    return cjson, start_over
end

return new()
"""
