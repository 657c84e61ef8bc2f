"""What several commands have in common, most of all those that work on a journal."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import click

from respq.cli.settings import given
from respq.errors import JournalRefused, StartRefused

TERMINATED = 128 + signal.SIGTERM
"""Exit status of a command that SIGTERM ended, as shells have it."""


def data_dir_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``--data-dir``; `data_directory` says what it means."""
    return click.option(
        "--data-dir",
        metavar="DIR",
        help="directory of the journal  [default: where `serve` would have it]",
    )(command)


def data_directory(data_dir: str | None) -> str:
    """Return the directory that was given, or that a server would have."""
    return data_dir or str(given("data_dir", os.environ))


@contextmanager
def one_line() -> Iterator[None]:
    """Turn a refusal into one line and status 1."""
    try:
        yield
    except (StartRefused, JournalRefused) as refusal:
        raise click.ClickException(str(refusal)) from None


@contextmanager
def ended_as_by_an_exception() -> Iterator[None]:
    """Have SIGTERM end what is done here as an exception does: what is half made is deleted."""
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(*_: object) -> NoReturn:
    raise SystemExit(TERMINATED)
