from __future__ import annotations

import asyncio
import logging
import socket

import pytest

from respq import __version__
from respq.config import Settings
from respq.errors import StartRefused
from respq.http.app import Sidecar
from respq.journal.memory import MemoryJournal
from tests.http.beside import Beside, BrokenJournal, Lines

PATHS = ["/healthz", "/readyz", "/metrics"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_server_that_takes_work_is_ok(server: Beside, path: str) -> None:
    answer = server.get(path)

    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json == {"status": "ok", "version": __version__}


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("loading", "the journal is being read back"),
        ("draining", "the server is shutting down"),
    ],
)
def test_server_that_takes_no_work_is_healthy_but_not_ready(
    server: Beside, state: str, reason: str
) -> None:
    setattr(server.broker, state, True)

    health, ready = server.get("/healthz"), server.get("/readyz")

    assert (health.status, ready.status) == (200, 503)
    assert health.json == {"status": state, "version": __version__, "reason": reason}
    assert ready.json == health.json


def test_server_that_begins_to_drain_says_so_at_once(server: Beside) -> None:
    assert server.get("/readyz").status == 200

    server.broker.drain()

    assert server.get("/readyz").json["status"] == "draining"


@pytest.mark.parametrize(
    ("used_bytes", "free_bytes", "reason"),
    [
        (900, 5_000, "memory is short: 900 bytes are used, maxmemory is 1000; "),
        (0, 999, "the disk of the journal has room for 999 bytes; "),
    ],
)
def test_server_whose_memory_or_disk_is_short_is_degraded_and_not_ready(
    used_bytes: int, free_bytes: int, reason: str
) -> None:
    server = Beside(MemoryJournal())
    server.look(used_bytes=899)
    assert server.get("/readyz").status == 200

    server.look(used_bytes=used_bytes, free_bytes=free_bytes)

    health, ready = server.get("/healthz"), server.get("/readyz")
    assert (health.status, ready.status) == (200, 503)
    assert ready.json["status"] == "degraded"
    assert ready.json["reason"].startswith(reason)
    assert "what makes the state grow is refused" in ready.json["reason"]
    server.look(used_bytes=699, free_bytes=1_250)
    assert server.get("/readyz").json == {"status": "ok", "version": __version__}
    server.settle()
    server.close()


def test_server_whose_commit_failed_is_degraded_and_not_ready() -> None:
    server = Beside(BrokenJournal())
    server.say("QPUSH mail x")
    server.settle()

    health, ready = server.get("/healthz"), server.get("/readyz")
    metrics = server.metrics()
    server.close()

    assert (health.status, ready.status) == (200, 503)
    assert health.json["status"] == "degraded"
    assert ready.json["reason"] == "a commit failed: the process is stopping"
    assert metrics.value("respq_ready") == 0


@pytest.mark.parametrize("path", PATHS)
def test_head_answers_as_get_does_without_the_body(server: Beside, path: str) -> None:
    got, head = server.get(path), server.get(path, method="HEAD")

    assert head.status == got.status == 200
    assert head.headers["Content-Type"] == got.headers["Content-Type"]
    assert got.body
    assert head.body == ""


@pytest.mark.parametrize("path", ["/", "/metrics/", "/healthz/x", "/../etc/passwd", "/%00", "/é"])
def test_unknown_path_is_404_as_json(server: Beside, path: str) -> None:
    answer = server.get(path)

    assert answer.status == 404
    assert answer.json == {"error": "there is nothing here but /healthz, /readyz and /metrics"}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", PATHS)
def test_other_methods_are_405(server: Beside, path: str, method: str) -> None:
    answer = server.get(path, method=method)

    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD"
    assert answer.json == {"error": f"{method} is not possible here, GET, HEAD are"}


def test_scrape_that_fails_is_a_500_and_a_log_line_and_nothing_else() -> None:
    class UnreadableJournal(MemoryJournal):
        def size_bytes(self) -> int:
            raise OSError("the disk is gone")

    server = Beside(UnreadableJournal())
    lines = Lines()
    logging.getLogger("respq.http").addHandler(lines)

    failed, health = server.get("/metrics"), server.get("/healthz")
    logging.getLogger("respq.http").removeHandler(lines)
    server.close()

    assert failed.status == 500
    assert failed.json == {"error": "internal error: the server's log has more"}
    [line] = lines.records
    assert line.getMessage() == "an HTTP request failed: /metrics"
    assert line.exc_info is not None
    assert str(line.exc_info[1]) == "the disk is gone"
    assert health.status == 200


@pytest.mark.parametrize("garbage", [b"*1\r\n$4\r\nPING\r\n", b"\x16\x03\x01\x00\x05hello\r\n\r\n"])
def test_what_is_not_http_is_refused_and_others_are_served(server: Beside, garbage: bytes) -> None:
    async def send() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.sidecar.port)
        writer.write(garbage)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    assert server.run(send()).startswith(b"HTTP/1.0 400 ")
    assert server.get("/healthz").status == 200


def test_port_that_is_taken_refuses_the_start_and_names_it(server: Beside) -> None:
    taken = server.sidecar.port
    second = Sidecar(server.core, Settings(http_port=taken))

    with pytest.raises(StartRefused) as refusal:
        server.run(second.open())

    assert str(refusal.value).startswith(f"cannot listen on 127.0.0.1:{taken} for HTTP: ")
    assert "choose another --http-port" in str(refusal.value)
    assert server.get("/healthz").status == 200


def test_address_of_another_machine_refuses_the_start(server: Beside) -> None:
    elsewhere = Sidecar(server.core, Settings(http_host="192.0.2.1", http_port=0))

    with pytest.raises(StartRefused, match=r"^cannot listen on 192\.0\.2\.1:0 for HTTP: "):
        server.run(elsewhere.open())


def test_port_is_the_one_to_come_the_one_that_is_and_the_one_to_come_again(server: Beside) -> None:
    sidecar = Sidecar(server.core, Settings(http_port=0))

    before = sidecar.port
    server.run(sidecar.open())
    while_open = sidecar.port
    server.run(sidecar.close())

    assert (before, sidecar.port) == (0, 0)
    assert while_open > 0


def test_closed_sidecar_listens_no_more_and_can_be_closed_again(server: Beside) -> None:
    port = server.sidecar.port
    server.run(server.sidecar.close())

    server.run(server.sidecar.close())

    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        pass
