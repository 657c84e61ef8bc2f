"""What `shown` prints, compared with the real redis-cli."""

from __future__ import annotations

import socket
import subprocess
from threading import Thread

import pytest

from respq.errors import NoQueue
from respq.resp.encoder import encode
from respq.resp.parser import Parser
from respq.resp.replies import NULL_ARRAY, OK, Reply, SetOf, Simple, Verbatim
from tests.rediscli import shown
from tests.requirements import redis_cli

REPLIES: dict[str, Reply] = {
    "simple": OK,
    "integer": -7,
    "bulk": b"hello",
    "escapes": b'a"b\\c\r\n\t\x07\x08\x00\xff',
    "null": None,
    "null array": NULL_ARRAY,
    "error": NoQueue("there is no queue 'mail'"),
    "double": 0.1,
    "booleans": [True, False],
    "text": Verbatim(b"# Server\r\nredis_mode:standalone"),
    "empty array": [],
    "empty map": {},
    "empty set": SetOf(),
    "job": (b"7-1", b"1:7-1", b"hello"),
    "nested arrays": [b"mail", [(b"7-1", b"1:7-1", b"hello"), (b"7-2", b"2:7-2", b"")], []],
    "twelve": [[number, b"x"] for number in range(12)],
    "map": {b"id": b"7-1", b"due_ms": 0, b"error": None},
    "map of maps": {b"mail": {b"ready": 1, b"tags": [b"a", b"b"]}, b"letters": {b"ready": 2}},
    "maps in arrays": [{b"name": b"a", b"runs": 1}, [{b"n": [1, 2]}]],
    "twelve names": {b"name-%d" % number: {b"a": number, b"b": [1]} for number in range(12)},
    "map of one": {b"a": [[1, 2]], b"b": [{b"c": 1}], b"d": {b"e": [1, 2]}, b"f": {b"g": [1]}},
    "map of nothing": {b"a": [], b"b": {}, b"c": SetOf(), b"d": 1},
    "sets": [b"get", SetOf([Simple(b"fast"), {b"flags": SetOf([Simple(b"RO"), Simple(b"RW")])}])],
}


def told_by_redis_cli(data: bytes, protocol: int) -> str:
    """Return what redis-cli prints on a terminal when a server answers with ``data``."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        thread = Thread(target=answer, args=(server, data))
        thread.start()
        command = [redis_cli(), "--no-raw", "-p", str(server.getsockname()[1])]
        options = ["-3"] if protocol == 3 else []
        printed = subprocess.check_output([*command, *options, "GET", "x"], timeout=30)
        thread.join()
    return printed.decode().rstrip("\n")


def answer(server: socket.socket, data: bytes) -> None:
    """Answer one client: HELLO as a Redis would, anything else with ``data``."""
    connection, _ = server.accept()
    parser = Parser(bulk_bytes_max=1024, query_bytes_max=1024, authenticated=True)
    with connection:
        while received := connection.recv(1024):
            for request in parser.feed(received):
                assert isinstance(request, list)
                is_hello = request[0].upper() == b"HELLO"
                connection.sendall(encode({b"proto": 3}, 3) if is_hello else data)


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_is_shown_as_redis_cli_prints_it(name: str, protocol: int) -> None:
    data = encode(REPLIES[name], protocol)

    text = shown(data)

    assert text == told_by_redis_cli(data, protocol)
