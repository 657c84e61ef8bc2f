"""``respq journal``: looks into a journal that no server is using, and repairs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import click

from respq.cli.options import data_dir_option, data_directory, one_line
from respq.errors import StartRefused

if TYPE_CHECKING:
    from respq.journal.repair import Plan
    from respq.journal.verify import Report

# The journal's modules are imported where they are used: `respq health` runs every few
# seconds and should not load them.


@click.group()
def journal() -> None:
    """Look into a journal, or repair it; its server must be stopped."""


@journal.command("verify")
@data_dir_option
def verify_journal(data_dir: str | None) -> None:
    """Check every batch; exit with 1 if a server would not start on the journal."""
    from respq.journal.verify import verify

    with one_line():
        report = verify(data_directory(data_dir))
    for line in _report_lines(report):
        click.echo(line)
    if not report.is_whole:
        raise SystemExit(1)


def _report_lines(report: Report) -> Iterator[str]:
    yield f"journal in {report.path}"
    for each in report.segments:
        held = f"positions {each.first} to {each.last}" if each.batches else "empty"
        yield (
            f"{each.name}  {held}  batches {each.batches}  bytes {each.blob_bytes}  "
            f"file {each.file_bytes}"
        )
        for fault in each.faults:
            yield f"  broken at position {fault.position}: {fault.reason}"
    if report.tail is not None:
        yield f"tail  position {report.tail.position}"
    if report.tail_fault is not None:
        yield f"  broken at position {report.tail_fault.position}: {report.tail_fault.reason}"
    for note in report.notes:
        yield f"note: {note}"
    yield "whole" if report.is_whole else "broken: a server will not start on it"


@journal.command("dump")
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="one JSON object a line")
@click.option("--from", "start", metavar="POSITION", type=click.IntRange(1), default=1)
def dump_journal(data_dir: str | None, as_json: bool, start: int) -> None:
    """Show batches and their records, a line each.

    Long values are cut in the text, whole in JSON. Bytes that are not UTF-8 are
    {"base64": ...} there.
    """
    from respq.cli.dump import UnreadableBatch, dump
    from respq.journal.reader import ReadOnlyJournal

    try:
        with closing(ReadOnlyJournal(data_directory(data_dir))) as journal:
            for line in dump(journal.read(start), as_json=as_json):
                click.echo(line)
    except (StartRefused, UnreadableBatch) as fault:
        raise click.ClickException(str(fault)) from None


@journal.command("repair")
@data_dir_option
@click.option("--yes", is_flag=True, help="do it; without this nothing is changed")
def repair_journal(data_dir: str | None, yes: bool) -> None:
    """Keep what is whole of a journal that no server starts on.

    That is everything up to the first damage: what lies behind it cannot be joined on. Shows what
    would be dropped; with --yes it is done, and the originals are kept beside the directory.
    Exits with 1 if a server would not start afterwards. Restore a backup rather, if there is one
    that holds more.
    """
    from respq.journal.reader import ReadOnlyJournal
    from respq.journal.repair import repair, survey

    with one_line(), closing(ReadOnlyJournal(data_directory(data_dir))) as journal:
        plan = survey(journal)
        for line in _plan_lines(journal.path, plan):
            click.echo(line)
        if not plan.is_needed:
            click.echo("whole: there is nothing to repair")
        elif yes:
            aside = repair(journal, plan)
            click.echo(f"repaired: what was there is kept in {aside}")
        else:
            click.echo("nothing was changed: do it with --yes")
            raise SystemExit(1)


def _plan_lines(path: str, plan: Plan) -> Iterator[str]:
    from respq.cli.values import instant

    kept, dropped = plan.kept, plan.dropped
    yield f"journal in {path}"
    for fault in plan.faults:
        yield f"broken at position {fault.position}: {fault.reason}"
    if kept.batches:
        yield (
            f"kept  positions {kept.first} to {kept.last}  batches {kept.batches}  "
            f"records {kept.records}  until {instant(kept.now_ms)}"
        )
    if dropped.last:
        yield (
            f"dropped  positions {dropped.first} to {dropped.last}  "
            f"batches {dropped.batches}  records {dropped.records.total()}  "
            f"damaged batches {dropped.damaged}"
        )
    if dropped.batches:
        yield f"  from {instant(dropped.from_ms)} to {instant(dropped.to_ms)}"
        yield "  " + "  ".join(f"{kind} {count}" for kind, count in dropped.records.most_common())
    if plan.missing is not None:
        first, last = plan.missing
        yield f"lost  positions {first} to {last} were answered for, and are nowhere"
