"""Scripts on respq and on a real Redis 7: the same replies, the same texts of errors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.compat.scripts import BROKEN_JSON, BYTES, LIBRARY_VALUES, SCRIPTS, STRUCT_FORMATS
from tests.handlers.real_redis import RealRedis, Tree, tree
from tests.harness import Harness

UNHURRIED = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
TRANSCODE = "return cjson.encode(cjson.decode(ARGV[1]))"
SEPARATORS = [(",", ":"), (", ", ": "), (" ,\n", "\t: "), (",  ", ":\r\n")]
"""Of items, and of a key and its value, in JSON."""
REPACK = "return cmsgpack.pack(cjson.decode(ARGV[1]))"
UNPACK = "return {pcall(cmsgpack.unpack, ARGV[1])}"
STRUCT = "return {pcall(struct.unpack, ARGV[1], ARGV[2])}"
STRUCT_PACK = "return {pcall(struct.pack, ARGV[1], 1, -2, 3.7, 'abc', 5)}"
STRUCT_SIZE = "return {pcall(struct.size, ARGV[1])}"


class Both:
    """A client of each."""

    def __init__(self, redis: RealRedis) -> None:
        self.redis = redis
        self.harness = Harness()
        self.clients = {2: self.harness.client(), 3: self.harness.client()}
        self.clients[3].say("HELLO 3")
        self.connections = {2: redis.connect(), 3: redis.connect()}
        self.connections[3].say("HELLO 3")

    def run(self, protocol: int, script: str, *words: bytes) -> tuple[Tree, Tree]:
        """Run a script on both; return our reply and that of Redis."""
        request = [b"EVAL", script.encode(), b"0", *words]
        ours = tree(self.clients[protocol].ask(*request), protocol)
        self.connections[protocol].send(request)
        return ours, self.connections[protocol].read()


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    server = RealRedis(Path(tmp_path_factory.mktemp("redis")))
    both = Both(server)
    yield both
    for connection in both.connections.values():
        connection.close()
    server.close()


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_does_what_it_does_in_redis(both: Both, script: str, protocol: int) -> None:
    ours, theirs = both.run(protocol, script)

    assert ours == theirs


def test_json_is_read_and_written_as_redis_does(both: Both) -> None:
    @UNHURRIED
    @given(value=LIBRARY_VALUES, separators=st.sampled_from(SEPARATORS), is_ascii=st.booleans())
    def try_it(value: Any, separators: tuple[str, str], is_ascii: bool) -> None:
        text = json.dumps(value, separators=separators, ensure_ascii=is_ascii)
        ours, theirs = both.run(2, TRANSCODE, text.encode(errors="surrogatepass"))
        assert ours == theirs

    try_it()


def test_what_is_no_json_is_refused_in_the_same_words(both: Both) -> None:
    @UNHURRIED
    @given(text=BROKEN_JSON)
    def try_it(text: str) -> None:
        ours, theirs = both.run(2, TRANSCODE, text.encode())
        assert ours == theirs

    try_it()


def test_messagepack_is_written_as_redis_does(both: Both) -> None:
    @UNHURRIED
    @given(value=LIBRARY_VALUES)
    def try_it(value: Any) -> None:
        ours, theirs = both.run(2, REPACK, json.dumps(value).encode())
        assert ours == theirs

    try_it()


def test_messagepack_is_read_as_redis_does(both: Both) -> None:
    @UNHURRIED
    @given(data=BYTES)
    def try_it(data: bytes) -> None:
        ours, theirs = both.run(2, UNPACK, data)
        assert ours == theirs

    try_it()


@pytest.mark.parametrize("script", [STRUCT, STRUCT_PACK, STRUCT_SIZE])
def test_structs_are_those_of_redis(both: Both, script: str) -> None:
    @UNHURRIED
    @given(shape=STRUCT_FORMATS, data=BYTES)
    def try_it(shape: str, data: bytes) -> None:
        ours, theirs = both.run(2, script, shape.encode(), data)
        assert ours == theirs

    try_it()
