"""``respq check``: whether what clients recorded agrees with what is promised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from respq.check import SLACK_MS

if TYPE_CHECKING:
    from respq.check.checker import Report

FOUND, UNUSABLE = 1, 2
"""Exit statuses: something is wrong, and nothing can be said."""


class Unusable(click.ClickException):
    """A history that shows nothing."""

    exit_code = UNUSABLE


@click.command()
@click.argument("history", metavar="HISTORY", type=click.Path(allow_dash=True))
@click.option(
    "--slack",
    "slack_ms",
    metavar="MS",
    type=click.FloatRange(0),
    default=SLACK_MS,
    help=f"how much shorter a lease may be than it should  [default: {SLACK_MS:g}]",
)
@click.option(
    "--skew",
    "skew_ms",
    metavar="MS",
    type=click.FloatRange(0),
    default=0.0,
    help="how far the clocks of the recording machines may be apart  [default: 0]",
)
def check(history: str, slack_ms: float, skew_ms: float) -> None:
    """Check what clients recorded: a file with a request a line, or - for standard input.

    docs/checking.md describes the lines. The exit status is 0 if nothing is wrong, 1 if
    something is, and 2 if the history cannot be used.
    """
    from respq.check.checker import check as checked
    from respq.check.lines import BadLine

    try:
        with click.open_file(history, "rb") as lines:
            report = checked(lines, slack_ms=slack_ms, skew_ms=skew_ms)
    except OSError as fault:
        raise Unusable(f"cannot read {history}: {fault.strerror}") from None
    except BadLine as fault:
        raise Unusable(str(fault)) from None
    if not report.answered:
        raise Unusable(f"{history} holds no answered request: it shows nothing")
    for each in report.findings:
        click.echo(str(each))
    click.echo(_summary(report))
    if report.findings:
        raise SystemExit(FOUND)


def _summary(report: Report) -> str:
    return (
        f"{_many(report.requests, 'request')}, {report.answered} answered, "
        f"{_many(report.jobs, 'job')}: {_many(len(report.findings), 'finding')}"
    )


def _many(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'s' * (count != 1)}"
