"""``respq replay``: the past, from a journal that no server is using; shown, or pushed again."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from respq.cli.options import data_dir_option, data_directory, one_line
from respq.config import NAME_BYTES_MAX

if TYPE_CHECKING:
    from respq.cli.connection import Address
    from respq.cli.reemit import Range
    from respq.journal.gathering import Harvest

# The journal's modules are imported where they are used: `respq health` runs every few
# seconds and should not load them.

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_Place = tuple[int | None, int | None]
"""A position, or else unix milliseconds."""


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


def _other(context: click.Context, parameter: click.Parameter, value: str | None) -> _Place | None:
    """Return a position, or else unix milliseconds; digits are a position."""
    if value is None:
        return None
    if not (value.isascii() and value.isdigit()):
        return None, _instant(context, parameter, value)
    if int(value) == 0:
        raise click.BadParameter("positions begin at 1")
    return int(value), None


def _beginning(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> _Place | None:
    """Return the same; position 0 is before everything."""
    return (0, None) if value == "0" else _other(context, parameter, value)


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
@click.option(
    "--from", "begin", metavar="N|TIME", callback=_beginning, help="push again what was after it"
)
@click.option(
    "--to", "end", metavar="N|TIME", callback=_other, help="and up to it  [default: the end]"
)
@click.option(
    "--which",
    type=click.Choice(["pushed", "acked", "dead"]),
    help="what had happened to them then  [default: pushed]",
)
@click.option("--into", metavar="NAME", help="queue of a running server to push them into")
@click.option(
    "--server", metavar="URL", help="redis://host:port/db  [default: where `serve` would be]"
)
@click.option("--dry-run", is_flag=True, help="show what would be pushed")
@click.option("--json", "as_json", is_flag=True, help="one JSON object a line")
def replay(
    data_dir: str | None,
    at_ms: int | None,
    position: int | None,
    name: str | None,
    db: int,
    other: _Place | None,
    begin: _Place | None,
    end: _Place | None,
    which: str | None,
    into: str | None,
    server: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Show the queues as they were at a moment, or push again what was in one.

    The journal, or the backup, is not changed, and no server may be using it: take a backup of
    one, and replay that. TIME is 2026-11-22T10:06:00Z or unix milliseconds; for --diff, --from and
    --to a number is a position. Without --at and --position it is the end. What was due by itself
    since the last batch has not happened.

    With --queue, --from and --into the jobs that were pushed into a queue between two moments, or
    acknowledged or dead in it (--which), are pushed into another queue of a running server. Whoever
    does so again within 10 minutes pushes none of them twice.
    """
    from respq.cli.states import difference, overview
    from respq.journal.moment import Moment
    from respq.journal.reader import ReadOnlyJournal

    if at_ms is not None and position is not None:
        raise click.UsageError("--at and --position are two moments: give one of them")
    wanted = None if name is None else (db, name.encode(errors="surrogateescape"))
    if into is not None:
        shows = {"--at": at_ms, "--position": position, "--diff": other}
        _refuse(shows, "shows what was, and --into pushes it again: give one of them")
        chosen = _range(wanted, begin, end, which)
        _reemit(data_dir, chosen, into, server, dry_run=dry_run, as_json=as_json)
        return
    pushes = {"--from": begin, "--to": end, "--which": which, "--server": server}
    _refuse(pushes | {"--dry-run": dry_run or None}, "is about --into: say into which queue")
    moment = Moment(position, at_ms)
    with one_line(), closing(ReadOnlyJournal(data_directory(data_dir))) as journal:
        if other is None:
            lines = overview(journal, moment, wanted, _note, as_json=as_json)
        else:
            lines = difference(journal, Moment(*other), moment, wanted, _note, as_json=as_json)
        for line in lines:
            click.echo(line)


def _refuse(options: Mapping[str, object], reason: str) -> None:
    for option, value in options.items():
        if value is not None:
            raise click.UsageError(f"{option} {reason}")


def _range(
    wanted: tuple[int, bytes] | None, begin: _Place | None, end: _Place | None, which: str | None
) -> Range:
    """Return what is to be pushed again."""
    from respq.cli.reemit import Range
    from respq.journal.moment import Moment

    if wanted is None:
        raise click.UsageError("--into needs --queue: whose jobs are to be pushed again")
    if begin is None:
        raise click.UsageError(
            "--into needs --from: since when; --from 0 is since the beginning of the journal"
        )
    if end is not None and any(
        one is not None and other is not None and one >= other
        for one, other in zip(begin, end, strict=True)
    ):
        raise click.UsageError("--from is not before --to: there is nothing between them")
    return Range(Moment(*begin), Moment(*(end or (None, None))), *wanted, which or "pushed")


def _reemit(
    data_dir: str | None,
    chosen: Range,
    into: str,
    server: str | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    from respq.cli.connection import Address
    from respq.cli.reemit import command_lines, select, selection_lines, selection_notes
    from respq.errors import BadSetting
    from respq.journal.reader import ReadOnlyJournal

    target = into.encode(errors="surrogateescape")
    if not 0 < len(target) <= NAME_BYTES_MAX:
        raise click.UsageError(f"--into is the name of a queue, 1 to {NAME_BYTES_MAX} bytes")
    try:
        address = Address.default() if server is None else Address.parse(server)
    except BadSetting as refusal:
        raise click.UsageError(str(refusal)) from None
    with one_line(), closing(ReadOnlyJournal(data_directory(data_dir))) as journal:
        harvest = select(journal, chosen, _note)
    for line in selection_lines(harvest, chosen, as_json=as_json):
        click.echo(line)
    for sentence in selection_notes(harvest):
        _note(sentence)
    if dry_run:
        for line in command_lines(harvest, target, as_json=as_json):
            click.echo(line)
    else:
        _push(address, harvest, target, as_json=as_json)


def _push(address: Address, harvest: Harvest, target: bytes, *, as_json: bool) -> None:
    from respq.cli.connection import Connection, Unanswered
    from respq.cli.reemit import Stopped, Tally, push_all, result_line

    tally = Tally()
    try:
        if harvest.jobs:
            with one_line(), Connection(address) as connection:
                push_all(connection, harvest.jobs, target, tally, _note)
    except (Stopped, Unanswered) as fault:
        raise click.ClickException(str(fault)) from None
    click.echo(result_line(target, tally, as_json=as_json))


def _note(sentence: str) -> None:
    click.echo(f"note: {sentence}", err=True)
