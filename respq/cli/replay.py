"""``respq replay``: the state of some moment, rebuilt from a journal that no server is using."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta

import click

from respq.cli.options import data_dir_option, data_directory, one_line

# The journal's modules are imported where they are used: `respq health` runs every few
# seconds and should not load them.

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _instant(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    """Return unix milliseconds for ISO 8601, in UTC where it does not say, or for themselves."""
    if value is None or (value.isascii() and value.isdigit()):
        return value if value is None else int(value)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(
            f"'{value}' is no time: give 2026-11-22T10:06:00Z or unix milliseconds"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _other(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[int | None, int | None] | None:
    """Return a position, or else unix milliseconds; digits are a position."""
    if value is None:
        return None
    if not (value.isascii() and value.isdigit()):
        return None, _instant(context, parameter, value)
    if int(value) == 0:
        raise click.BadParameter("positions begin at 1")
    return int(value), None


@click.command()
@data_dir_option
@click.option("--at", "at_ms", metavar="TIME", callback=_instant, help="as it was at that time")
@click.option(
    "--position", metavar="N", type=click.IntRange(1), help="as it was behind the batch at N"
)
@click.option("--queue", "name", metavar="NAME", help="show the jobs of this queue")
@click.option("--db", type=click.IntRange(0, 15), default=0, help="its database  [default: 0]")
@click.option(
    "--diff", "other", metavar="N|TIME", callback=_other, help="show what differs from that moment"
)
@click.option("--json", "as_json", is_flag=True, help="one JSON object a line")
def replay(
    data_dir: str | None,
    at_ms: int | None,
    position: int | None,
    name: str | None,
    db: int,
    other: tuple[int | None, int | None] | None,
    as_json: bool,
) -> None:
    """Show the queues as they were at a moment, from a journal or a backup.

    Nothing is changed, and no server may be using the directory: take a backup of one, and
    replay that. TIME is 2026-11-22T10:06:00Z or unix milliseconds; for --diff a number is a
    position. Without --at and --position it is the end. What was due by itself since the last
    batch has not happened.
    """
    from respq.cli.states import difference, overview
    from respq.journal.moment import Moment
    from respq.journal.reader import ReadOnlyJournal

    if at_ms is not None and position is not None:
        raise click.UsageError("--at and --position are two moments: give one of them")
    moment = Moment(position, at_ms)
    wanted = None if name is None else (db, name.encode(errors="surrogateescape"))
    with one_line(), closing(ReadOnlyJournal(data_directory(data_dir))) as journal:
        if other is None:
            lines = overview(journal, moment, wanted, _note, as_json=as_json)
        else:
            lines = difference(journal, Moment(*other), moment, wanted, _note, as_json=as_json)
        for line in lines:
            click.echo(line)


def _note(sentence: str) -> None:
    click.echo(f"note: {sentence}", err=True)
