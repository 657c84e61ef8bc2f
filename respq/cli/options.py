"""What the commands that work on a journal have in common."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from respq.cli.settings import given
from respq.errors import JournalRefused, StartRefused


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
