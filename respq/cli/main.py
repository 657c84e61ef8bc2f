"""The ``respq`` command and its parts."""

from __future__ import annotations

import click

from respq import __version__
from respq.cli.backup import backup, restore
from respq.cli.check import check
from respq.cli.health import health
from respq.cli.importing import import_
from respq.cli.journal import journal
from respq.cli.replay import replay
from respq.cli.serve import serve


@click.group()
@click.version_option(__version__, message="respq %(version)s")
def main() -> None:
    """A durable queue server that speaks the Redis protocol."""


main.add_command(serve)
main.add_command(backup)
main.add_command(restore)
main.add_command(replay)
main.add_command(import_)
main.add_command(journal)
main.add_command(health)
main.add_command(check)
