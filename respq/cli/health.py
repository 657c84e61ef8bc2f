"""``respq health``: asks a running server how it is; what a container runs as its probe."""

from __future__ import annotations

import os
import urllib.request
from http.client import HTTPException
from urllib.error import HTTPError

import click

from respq.cli.settings import given
from respq.errors import BadSetting

_TIMEOUT_S = 5
_ANSWER_BYTES_MAX = 64 * 1024


@click.command()
@click.option("--url", help="address of the probe  [default: /healthz where `serve` has HTTP]")
def health(url: str | None) -> None:
    """Exit with 0 if the server answers its health probe, else with 1."""
    try:
        address = url or _default_url()
        if not address.startswith(("http://", "https://")):
            raise BadSetting(f"a probe's address begins with http:// or https://, not '{address}'")
    except BadSetting as refusal:
        raise click.UsageError(str(refusal)) from None
    try:
        click.echo(_answer(address))
    except (OSError, HTTPException, ValueError) as fault:
        raise click.ClickException(f"no healthy answer from {address}: {fault}") from None


def _default_url() -> str:
    """Return where a server with our environment and working directory serves HTTP."""
    host, port = given("http_host", os.environ), given("http_port", os.environ)
    # An address that stands for all interfaces can be listened on, not called.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/healthz"


def _answer(address: str) -> str:
    """Return what a probe answers; raise OSError for none, or for an error status."""
    # A proxy of the environment is for the world outside; the probe stays on this machine.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(address, timeout=_TIMEOUT_S) as answer:
            found: bytes = answer.read(_ANSWER_BYTES_MAX)
    except HTTPError as refusal:
        # It holds the connection open, and nothing in it is wanted.
        refusal.close()
        raise
    return found.decode(errors="replace").strip()
