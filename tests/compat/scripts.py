"""Scripts whose results must be those of Redis 7, and values to try its libraries with."""

from __future__ import annotations

from hypothesis import strategies as st

SCRIPTS = r"""
return 'a'
return {3.99, -3.99, 1/0, 0/0, 1e18, -1e18, 2^63, -2^63}
return {1, nil, 3}
return {1, {2, 'x', false, true}}
return {true, false, nil}
return function() end
return redis
return cjson.null
return {ok = {}}
return {ok = 'fine', err = 'bad'}
return {err = 'a'}
return {err = 'a b'}
return {double = 3.5}
return {double = '1'}
return {map = {a = 1}}
return {set = {a = true}}
return {big_number = '123'}
return {verbatim_string = {string = 'x', format = 'txt'}}
return {{err = 'a b'}, {ok = 'c'}, {double = 1}}
redis.setresp(3) return {true, false, nil}
redis.setresp(3) return true
redis.setresp(3) return false
redis.setresp(3) return {map = {a = {double = 0.5}}}
redis.setresp(3) return {set = {a = true}}
redis.setresp(3) return {big_number = '123'}
redis.setresp(3) return {verbatim_string = {string = 'x', format = 'mkd'}}
redis.setresp(3) return redis.call('COMMAND', 'INFO', 'ECHO')[1][3].set ~= nil
redis.setresp('3')
redis.setresp(4)
redis.setresp()
error('x')
error('x', 0)
error('x', 2)
error()
error({err = 'FOO a'})
error({err = 'FOO'})
local function f() error('in f') end f()
local function f() error('in f', 2) end f()
return redis.error_reply('My Err')
return redis.error_reply('MY')
return redis.error_reply('-MY')
return redis.error_reply('-MY err')
return redis.error_reply({})
return redis.error_reply('a', 'b')
return redis.status_reply('x')
return redis.status_reply(1)
return redis.status_reply()
return redis.sha1hex()
return redis.sha1hex('a')
return redis.sha1hex(12)
return redis.sha1hex(1.5)
redis.log('a')
redis.log(9, 'a')
redis.log(redis.LOG_NOTICE)
return redis.replicate_commands()
return redis.breakpoint()
return tostring(redis.debug('a'))
return redis.set_repl(9)
return redis.set_repl()
return redis.set_repl(redis.REPL_ALL)
return redis.acl_check_cmd('echo')
return redis.acl_check_cmd()
return redis.acl_check_cmd('foo')
return {redis.LOG_DEBUG, redis.LOG_VERBOSE, redis.LOG_NOTICE, redis.LOG_WARNING}
return {redis.REPL_ALL, redis.REPL_AOF, redis.REPL_NONE, redis.REPL_REPLICA, redis.REPL_SLAVE}
return redis.call()
return redis.call({})
return redis.call('echo', {})
return redis.call('echo', true)
return redis.call('echo', nil)
return redis.call('foo')
return redis.call('echo')
return redis.call('echo', 'a', 'b')
return redis.call('multi')
return redis.call('script', 'load', 'x')
return redis.call('config', 'get', 'x')
return redis.call('client', 'foo')
return redis.call('echo', 3.5)
return redis.call('echo', 0.1)
return redis.call('echo', 123456789012)
return redis.call('echo', -0.5)
return redis.call('echo', 1e300)
return redis.call('ping')
return redis.call('ping').ok
return redis.call('select', 99)
return redis.pcall('foo')
return redis.pcall('foo').err
return {pcall(redis.call, 'foo')}
local ok, e = pcall(redis.call, 'foo') return {type(e), e}
local ok, e = pcall(error, {err = 'A b', x = 1}) return {type(e), e}
local ok, e = pcall(error, {a = 1}) return type(e)
return {pcall(error, 'x')}
return {xpcall(function() error('x', 0) end, function(e) return 'caught ' .. e end)}
return {select('#', pcall(function() return 1, nil, nil end))}
x = 1
return x
_G.x = 1
return _G.x
rawset(_G, 'x', 1)
setmetatable(_G, {})
getmetatable(_G).__index = 1
string.x = 1
rawset(string, 'x', 1)
getmetatable('').__index = 1
return {type(getmetatable(_G)), type(getmetatable('')), type(getmetatable(redis))}
redis.call = 1
KEYS = 1
KEYS[1] = 3 return KEYS[1]
return {tostring(loadstring('\27Lua'))}
return {loadstring('syntax err')}
return select(2, loadstring('syntax err'))
return loadstring('return y')()
return loadstring('return 1 + 1')()
return load(coroutine.wrap(function() coroutine.yield('return ') coroutine.yield('7') end))()
return math.random(0)
return math.random(1, 2, 3)
return math.random(5, 4)
return math.random('x')
math.randomseed(5) return {math.random(1000), tostring(math.random()), math.random(5, 10)}
math.randomseed(-7) return {math.random(1000), tostring(math.random())}
math.randomseed()
return setfenv
return print
return {unpack({1}, 1, 7999)}
return #{unpack({1, 2, 3, 4, 5}, 2, 4)}
return pairs(nil)
return pairs()
return ipairs(nil)
return next(nil)
return rawget(nil, 'x')
return rawset(1, 2, 3)
return setmetatable(1, {})
return setmetatable({}, 1)
return getmetatable()
return ('x'):foo()
return ('x').y
return #nil
return 1 + nil
return {} .. 'x'
return nil < 1
return ('%d %s %5.2f'):format(3, 'x', 1.5)
return ('%d'):format('x')
return {('a,b,c'):gsub(',', ';')}
return tostring(1e15) .. tostring(2^53) .. tostring(1/3)
return {tonumber('0x10'), tonumber('10', 2), tonumber('z', 36), tonumber('x')}
return table.concat({1, 2, 'x'}, '-')
return table.concat({{}})
table.insert(math, 1)
table.insert()
table.insert({})
local t = {1, 2} table.insert(t, 1, 0) table.insert(t, 5) return t
local at = ('abc'):find(nil) return at
local at = string.find('abc') return at
return ('abc'):match('(')
return string.gsub('abc', '%w', 1, 2)
return string.rep()
return unpack(nil)
return unpack({}, 'x')
local t = {3, 1, 2} table.sort(t) return t
return coroutine.wrap(function() return redis.call('echo', 'in co') end)()
return coroutine.wrap(function() error('in co') end)()
return {coroutine.resume(coroutine.create(function() error('in co') end))}
return coroutine.create()
return coroutine.yield(1)
local a = nil return a.b
goto x
return 1 1
return ...
return '\0\r\n\255'
return cjson.encode({})
return cjson.encode({{}, {}})
return cjson.encode({1, 2, nil, 4})
return cjson.encode({[1] = 1, [10] = 2})
return cjson.encode({[1] = 1, [11] = 2})
return cjson.encode({[1] = 1, [100] = 2})
return cjson.encode({[1.5] = 1})
return cjson.encode({[0] = 1})
return cjson.encode({[{}] = 1})
return cjson.encode({[true] = 1})
return cjson.encode({x = print1})
return cjson.encode(redis.call)
return cjson.encode({redis.call})
return cjson.encode(1/0)
return cjson.encode(nil)
return cjson.encode(cjson.null)
return cjson.encode('a/"\\\n\127\1\0')
return cjson.encode({1e15, 123456789012345678, 0.1, 1e100, -0.0, 3.0, 1/3, 2^53})
return cjson.encode(1, 2)
return cjson.encode()
local t = {} for i = 1, 999 do t = {t} end return #cjson.encode(t)
local t = {} for i = 1, 1000 do t = {t} end return #cjson.encode(t)
return #cjson.decode(string.rep('[', 1000) .. string.rep(']', 1000))
return #cjson.decode(string.rep('[', 1001) .. string.rep(']', 1001))
return cjson.decode('[1,2')
return cjson.decode('{"a":}')
return cjson.decode('x')
return cjson.decode('')
return cjson.decode('[1] x')
return cjson.decode('{"a" 1}')
return cjson.decode('{1:2}')
return cjson.decode('[1 2]')
return cjson.decode('"a')
return cjson.decode('"\\x"')
return cjson.decode('"\\ud83d\\ude00\\u00e9\\u20ac\\n\\/"')
return cjson.decode('"\\ud83d"')
return cjson.decode('"\\ud83d\\u0041"')
return cjson.decode('"\\ude00"')
return cjson.decode('"\\u12"')
return cjson.decode('"\\u0000"')
return cjson.decode('01')
return cjson.decode('[nan]')
return cjson.decode('[0x10, -0x1f]')
return cjson.decode('infinity')
return cjson.decode('-inf')
return cjson.decode('-nancy')
return cjson.decode(nil)
return cjson.decode()
return cjson.decode({})
return cjson.decode(12) + 1
return cjson.decode('[1,]')
return cjson.decode('{"a":1,}')
return cjson.decode('[tru]')
return cjson.decode('[true, false, null]')
return cjson.decode('-')
return cjson.decode('[1e]')
return cjson.decode('[1.]')
return cjson.decode('[+1]')
return cjson.decode('[.5]')
return tostring(cjson.decode('1e400'))
return tostring(cjson.decode('1e-2'))
return cjson.decode('{"a":1,"a":2}').a
return cjson.decode('{"a":{"b":[null]}}').a.b[1] == cjson.null
return cjson.decode('[1][')
return cjson.decode('{"a":1')
return cjson.decode('{')
return cjson.decode('[')
return cjson.decode(' \t\n[ 1 , 2 ] ')
return cjson.decode('a\0b')
return cjson.new().encode({1})
return cjson._VERSION .. cjson._NAME
return cjson.encode_max_depth(0)
return cjson.encode_max_depth('a')
return cjson.encode_max_depth(1, 2)
return cjson.encode_number_precision(20)
return cjson.encode_invalid_numbers('foo')
return cjson.encode_sparse_array('x')
return {tostring(cjson.encode_invalid_numbers()), tostring(cjson.decode_invalid_numbers())}
local c = cjson.new() c.encode_invalid_numbers(true) return c.encode({1/0, -1/0})
local c = cjson.new() c.encode_invalid_numbers('null') return c.encode({1/0, -1/0, 0/0})
local c = cjson.new() c.decode_invalid_numbers(false) return c.decode('[0x1]')
local c = cjson.new() c.encode_sparse_array(true, 1, 1) return c.encode({[1] = 1, [100] = 2})
local c = cjson.new() c.encode_number_precision(3) return c.encode(1/3)
local c = cjson.new() c.decode_max_depth(2) return c.decode('[[[1]]]')
cjson.null = 1
return cmsgpack.pack()
return cmsgpack.pack({})
return cmsgpack.pack(1, 'a', true, false, nil)
return cmsgpack.pack({1, 2, {a = 1}})
return cmsgpack.pack({[1] = 1, [3] = 3})
return cmsgpack.pack(('x'):rep(31)) .. cmsgpack.pack(('x'):rep(32))
return cmsgpack.pack(('x'):rep(255)) .. cmsgpack.pack(('x'):rep(256))
return cmsgpack.pack(('x'):rep(65535)) == '\218\255\255' .. ('x'):rep(65535)
return cmsgpack.pack(127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296, 2^52)
return cmsgpack.pack(-1, -32, -33, -128, -129, -32768, -32769, -2147483648, -2147483649)
return cmsgpack.pack(0.5, 0.1, 1e300, -0.25)
return cmsgpack.pack(redis.call)
local t = {} for i = 1, 20 do t = {t} end return cmsgpack.pack(t)
local t = {} for i = 1, 20 do t[i] = i end return cmsgpack.pack(t)
return {cmsgpack.unpack(cmsgpack.pack(1, 'a', true, false, nil, 2))}
return {cmsgpack.unpack(cmsgpack.pack({1, {2, 'x'}}))}
return cmsgpack.unpack(cmsgpack.pack({a = {b = 7}})).a.b
return tostring(cmsgpack.unpack(cmsgpack.pack(0.1)))
return {cmsgpack.unpack_one(cmsgpack.pack(1, 2, 3))}
return {cmsgpack.unpack_one(cmsgpack.pack(1, 2, 3), 1)}
return {cmsgpack.unpack_one(cmsgpack.pack(1, 2, 3), 2)}
return {cmsgpack.unpack_limit(cmsgpack.pack(1, 2, 3), 2)}
return {cmsgpack.unpack_limit(cmsgpack.pack(1, 2, 3), 2, 1)}
return {cmsgpack.unpack_one('abc', 9)}
return {cmsgpack.unpack_one('abc', -1)}
return {cmsgpack.unpack_limit('abc', -1)}
return cmsgpack.unpack('\193')
return cmsgpack.unpack('\217')
return cmsgpack.unpack('\218\0')
return cmsgpack.unpack('\146\1')
return cmsgpack.unpack('')
return cmsgpack.unpack(nil)
return cmsgpack.unpack()
return {cmsgpack._NAME, cmsgpack._VERSION}
return {bit.band(255, 15), bit.bor(1, 2, 4), bit.bxor(5, 1), bit.bnot(0), bit.tobit(2^32 + 5)}
return {bit.lshift(1, 31), bit.rshift(-1, 28), bit.arshift(-256, 4), bit.rol(1, 33), bit.ror(1, 1)}
return {bit.bswap(0x12345678), bit.tohex(255), bit.tohex(255, 4)}
return {bit.tohex(255, -4), bit.tohex(-1, 0), bit.tohex(1, 99)}
return {bit.band(1.5), bit.band(2.5), bit.band(-1.5), bit.band('7', '3')}
return bit.band()
return bit.band({})
return bit.band(1, nil)
return bit.lshift(1)
return bit.tohex(1, 'x')
return struct.pack('>i2', 258) .. struct.pack('<i2', 258) .. struct.pack('i', -1)
return struct.pack('bBhHlLT', -1, 255, -2, 65535, -3, 3, 9)
return struct.pack('>I3', 66051) .. struct.pack('<i16', -1)
return struct.pack('fd', 0.5, -0.1) .. struct.pack('>fd', 0.5, -0.1)
return struct.pack('s', 'ab') .. struct.pack('c3', 'abcd') .. struct.pack('c0', 'xyz')
return struct.pack('!4bi', 1, 2) .. struct.pack('!bd', 1, 2) .. struct.pack('bxb', 1, 2)
return struct.pack('c5', 'abc')
return struct.pack('i')
return struct.pack('i', 'x')
return struct.pack('i', '7')
return struct.pack('s', 7)
return struct.pack('s', {})
return struct.pack('z', 1)
return struct.pack('i33', 1)
return struct.pack('!3i', 1)
return struct.pack()
return {struct.unpack('>i2', '\1\2')}
return {struct.unpack('<i2I2', '\255\255\255\255')}
return {struct.unpack('bc3s', '\5abcde\0f')}
return {struct.unpack('bc0', '\3abcd')}
return {struct.unpack('c0', 'abc')}
return {struct.unpack('i', 'ab')}
return {struct.unpack('i', 'abcdefgh', 5)}
return {struct.unpack('i', 'abcdefgh', 6)}
return {struct.unpack('i', 'abcdefgh', 0)}
return {struct.unpack('s', 'abc')}
return {struct.unpack('>l', '\255\255\255\255\255\255\255\254')}
return tostring(struct.unpack('>d', struct.pack('>d', 0.1)))
return struct.unpack('i')
return {struct.size('i'), struct.size('!8bd'), struct.size('c7'), struct.size('bhlxfd')}
return struct.size('s')
return struct.size('c0')
""".strip().split("\n")

LIBRARY_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**33), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=1)
    ),
    max_leaves=12,
)
"""What JSON and MessagePack carry; of a map of several names the order would be by chance."""
BROKEN_JSON = st.text(alphabet='[]{}:,"\\ue0dnatrufls 1-+.', max_size=16)
BYTES = st.binary(max_size=12)
STRUCT_FORMATS = st.text(alphabet="<>!bBhHlLiIfdsxc0123 ", max_size=6)
