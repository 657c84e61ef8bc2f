"""The HTTP sidecar: /healthz, /readyz and /metrics, in the loop of the server.

It answers from the start on, while the journal is being read back, until the end of the
drain. Whatever goes wrong in a request is a 500 and a line in the log; nothing here stops
the server or changes its state.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from respq import __version__
from respq.config import Settings
from respq.errors import StartRefused
from respq.http.health import Health
from respq.http.metrics import Encoder, Metrics
from respq.runtime.core import Core

log = logging.getLogger(__name__)

_CLOSE_S: Final = 1.0
"""How long the end waits for requests under way."""
_PATHS: Final = "/healthz, /readyz and /metrics"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Sidecar:
    """The HTTP server beside the queue server."""

    def __init__(self, core: Core, settings: Settings) -> None:
        self._settings = settings
        self._health = Health(core)
        self._metrics = Metrics(core, self._health)
        self._runner: web.AppRunner | None = None

    async def open(self) -> None:
        """Listen; raise `StartRefused` if the address cannot be had."""
        settings = self._settings
        app = web.Application(middlewares=[_answer_faults])
        app.router.add_get("/healthz", self._answer_health)
        app.router.add_get("/readyz", self._answer_ready)
        app.router.add_get("/metrics", self._answer_metrics)
        runner = web.AppRunner(
            app, handle_signals=False, access_log=None, logger=log, shutdown_timeout=_CLOSE_S
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, settings.http_host, settings.http_port).start()
        except OSError as error:
            await runner.cleanup()
            raise StartRefused(
                f"cannot listen on {settings.http_host}:{settings.http_port} for HTTP: "
                f"{error.strerror or error}; choose another --http-port, stop what listens "
                "there, or pass --no-http"
            ) from error
        self._runner = runner

    async def close(self) -> None:
        """Listen no more; a second call does nothing."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    @property
    def port(self) -> int:
        """The port it listens on; before `open`, the one it shall."""
        if self._runner is None:
            return self._settings.http_port
        port: int = self._runner.addresses[0][1]
        return port

    async def _answer_health(self, _: web.Request) -> web.Response:
        return self._answer_status(unready=200)

    async def _answer_ready(self, _: web.Request) -> web.Response:
        return self._answer_status(unready=503)

    def _answer_status(self, *, unready: int) -> web.Response:
        status = self._health.status()
        answer = {"status": status.word, "version": __version__}
        if status.is_ready:
            return web.json_response(answer)
        return web.json_response(answer | {"reason": status.reason}, status=unready)

    async def _answer_metrics(self, request: web.Request) -> web.Response:
        encode, content_type = _choose(", ".join(request.headers.getall("Accept", [])))
        body = await self._metrics.exposition(encode)
        return web.Response(body=body, headers={"Content-Type": content_type})


def _choose(accept: str) -> tuple[Encoder, str]:
    """Return how a client wants the metrics written, and what that is called."""
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):  # A version that is no version.
        return choose_encoder("")


@web.middleware
async def _answer_faults(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer what is refused, and what goes wrong, as JSON."""
    try:
        return await handler(request)
    except web.HTTPNotFound:
        return _fault(404, f"there is nothing here but {_PATHS}")
    except web.HTTPMethodNotAllowed as refusal:
        allowed = ", ".join(sorted(refusal.allowed_methods))
        answer = _fault(405, f"{request.method} is not possible here, {allowed} are")
        answer.headers["Allow"] = allowed
        return answer
    except Exception as error:
        log.exception("an HTTP request failed: %s", request.rel_url.raw_path, exc_info=error)
        return _fault(500, "internal error: the server's log has more")


def _fault(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)
