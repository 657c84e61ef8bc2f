"""The commands that the harness itself sends: is it up, how does it run, begin anew."""

from __future__ import annotations

import http.client
import socket
import struct
from typing import BinaryIO

TIMEOUT_SECONDS = 60


def ask_redis(port: int, *words: str) -> bytes:
    """Send one command in the Redis protocol and return its reply, a bulk string unwrapped.

    Only replies of one line and bulk strings are understood.
    """
    parts = [f"*{len(words)}\r\n".encode()]
    parts += [f"${len(word.encode())}\r\n{word}\r\n".encode() for word in words]
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as connection:
        connection.sendall(b"".join(parts))
        with connection.makefile("rb") as replies:
            line = replies.readline().rstrip(b"\r\n")
            if line.startswith(b"$") and line != b"$-1":
                return replies.read(int(line[1:]))
            return line


def redis_info(port: int, *sections: str) -> dict[str, str]:
    """Return the fields of INFO, or of some of its sections."""
    lines = ask_redis(port, "INFO", *sections).decode(errors="replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def ask_line(port: int, line: str) -> bytes:
    """Send one line of a text protocol and return the first line of the reply."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as connection:
        connection.sendall(f"{line}\r\n".encode())
        with connection.makefile("rb") as replies:
            return replies.readline().rstrip(b"\r\n")


def ask_http(port: int, method: str, path: str, body: bytes = b"", kind: str = "") -> bytes:
    """Send one HTTP request and return the body of its response; a refusal begins with ``-``."""
    connection = http.client.HTTPConnection("127.0.0.1", port, TIMEOUT_SECONDS)
    try:
        connection.request(method, path, body, {"Content-Type": kind} if kind else {})
        response = connection.getresponse()
        answer = response.read()
    finally:
        connection.close()
    return answer if response.status < 300 else b"-" + (answer or response.reason.encode())


def ask_faktory(port: int, command: str) -> bytes:
    """Send one command to Faktory and return its reply, a bulk string unwrapped."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as connection:
        connection.sendall(f'HELLO {{"v":2}}\r\n{command}\r\n'.encode())
        with connection.makefile("rb") as replies:
            greeting, accepted = replies.readline(), replies.readline()
            if not greeting.startswith(b"+HI ") or not accepted.startswith(b"+OK"):
                return accepted.rstrip()
            line = replies.readline().rstrip()
            return replies.read(int(line[1:])) if line.startswith(b"$") else line


def ask_nats(port: int, subject: str, body: str = "") -> bytes:
    """Send one request and return the body of the reply; statuses are not understood."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as connection:
        request = f"PUB {subject} inbox {len(body.encode())}\r\n{body}\r\n"
        connection.sendall(f'CONNECT {{"verbose":false}}\r\nSUB inbox 1\r\n{request}'.encode())
        with connection.makefile("rb") as replies:
            for line in replies:
                if line.startswith(b"PING"):
                    connection.sendall(b"PONG\r\n")
                elif line.startswith(b"MSG "):
                    return replies.read(int(line.split()[-1]))
                elif line.startswith(b"-ERR"):
                    return line.rstrip()
    raise ConnectionError("NATS closed the connection before its reply")


def ask_amqp(port: int, method: tuple[int, int], arguments: bytes) -> bytes:
    """Call one method of AMQP 0-9-1 in a channel of its own, and return what its answer says.

    A refusal, which closes the channel or the connection, begins with ``-``.
    """
    greetings = (
        (0, (10, 11), b"\0\0\0\0\5PLAIN\0\0\0\x0c\0guest\0guest\5en_US"),
        (0, (10, 31), struct.pack(">HIH", 1, 128 * 1024, 0)),
        (0, (10, 40), b"\1/\0\0"),
        (1, (20, 10), b"\0"),
        (1, method, arguments),
    )
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as connection:
        connection.sendall(b"AMQP\0\0\x09\x01")
        with connection.makefile("rb") as replies:
            _hear_amqp(replies)
            for channel, (family, number), words in greetings:
                body = struct.pack(">HH", family, number) + words
                head = struct.pack(">BHI", 1, channel, len(body))
                connection.sendall(head + body + b"\xce")
                if number == 31:
                    continue  # the one that is not answered: the limits that were agreed on
                heard, answer = _hear_amqp(replies)
                if heard in ((10, 50), (20, 40)):
                    return b"-" + answer[3 : 3 + answer[2]]
    return answer


def _hear_amqp(replies: BinaryIO) -> tuple[tuple[int, int], bytes]:
    """Return the next method and its arguments."""
    head = replies.read(7)
    if len(head) < 7:
        raise ConnectionError("the broker closed the connection before its reply")
    body = replies.read(struct.unpack(">I", head[3:])[0] + 1)[:-1]
    family, number = struct.unpack(">HH", body[:4])
    return (family, number), body[4:]
