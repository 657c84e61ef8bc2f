"""``respq backup`` and ``respq restore``: a journal is copied whole and verified, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from respq.cli.options import data_dir_option, data_directory, ended_as_by_an_exception, one_line

if TYPE_CHECKING:
    from respq.journal.copy import Extent

# The journal's modules are imported where they are used: `respq health` runs every few
# seconds and should not load them.


@click.command()
@click.argument("directory", metavar="DIR")
@data_dir_option
def backup(directory: str, data_dir: str | None) -> None:
    """Copy the journal to DIR, while its server goes on or is stopped.

    Everything that was answered before the backup began is in it. DIR must not exist, or be
    empty; it is a data directory, which a server can be started on. There is nothing at DIR until
    all of it is there, read back and on the disk.
    """
    from respq.journal.copy import backup as copy_out

    with one_line(), ended_as_by_an_exception():
        source = data_directory(data_dir)
        extent = copy_out(source, directory, _note)
    _tell(extent)
    click.echo(f"backup of {source} in {directory}")


@click.command()
@click.argument("directory", metavar="BACKUP")
@data_dir_option
def restore(directory: str, data_dir: str | None) -> None:
    """Copy a backup to where a server is to have its journal.

    The data directory must not exist, or be empty. The backup is checked, and stays as it is.
    """
    from respq.journal.copy import restore as copy_back

    with one_line(), ended_as_by_an_exception():
        target = data_directory(data_dir)
        extent = copy_back(directory, target, _note)
    _tell(extent)
    click.echo(f"restored {directory} to {target}")


def _tell(extent: Extent) -> None:
    from respq.cli.values import instant

    when = instant(extent.now_ms) if extent.batches else "none"
    click.echo(
        f"position {extent.last}  time {when}  batches {extent.batches}  "
        f"records {extent.records}  bytes {extent.blob_bytes}"
    )


def _note(sentence: str) -> None:
    click.echo(f"note: {sentence}", err=True)
