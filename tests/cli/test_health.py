from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner, Result

from respq.cli.main import main


class Probe(BaseHTTPRequestHandler):
    """Answers /healthz as a server does that is well, and /broken as one that is not."""

    def do_GET(self) -> None:
        if self.path == "/silent":
            return
        self.send_response({"/healthz": 200, "/broken": 503}.get(self.path, 404))
        self.end_headers()
        self.wfile.write(b'{"status": "ok"}\n')

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output to itself."""


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Probe) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def health(*flags: str, **environ: str) -> Result:
    return CliRunner().invoke(main, ["health", *flags], env=environ)


def test_a_server_that_answers_is_healthy(port: int) -> None:
    result = health("--url", f"http://127.0.0.1:{port}/healthz")

    assert result.exit_code == 0
    assert result.output == '{"status": "ok"}\n'


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_the_probe_is_where_the_settings_put_it(port: int, host: str) -> None:
    result = health(RESPQ_HTTP_PORT=str(port), RESPQ_HTTP_HOST=host, RESPQ_HOST="0.0.0.0")

    assert result.exit_code == 0


def test_a_proxy_of_the_environment_is_not_asked(port: int) -> None:
    result = health(RESPQ_HTTP_PORT=str(port), http_proxy="http://127.0.0.1:1")

    assert result.exit_code == 0


@pytest.mark.parametrize("path", ["/broken", "/absent", "/silent"])
def test_any_other_answer_is_status_1(port: int, path: str) -> None:
    result = health("--url", f"http://127.0.0.1:{port}{path}")

    assert result.exit_code == 1
    assert result.stderr.startswith("Error: no healthy answer from http://127.0.0.1:")


def test_no_server_is_status_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]

    result = health(RESPQ_HTTP_PORT=str(port))

    assert result.exit_code == 1
    assert "no healthy answer" in result.stderr


@pytest.mark.parametrize("url", ["file:///etc/passwd", "127.0.0.1:8479"])
def test_an_address_that_is_not_http_is_refused(url: str) -> None:
    result = health("--url", url)

    assert result.exit_code == 2
    assert f"not '{url}'" in result.stderr
