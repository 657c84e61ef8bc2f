"""``respq import``: moving in, with the keys of a Redis that runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from respq.cli.options import ended_as_by_an_exception
from respq.cli.values import plain, quoted
from respq.config import DATABASES

if TYPE_CHECKING:
    from respq.cli.connection import Address
    from respq.cli.moving import Left, Tally
    from respq.cli.sides import Side

LEFT = 3
"""Exit status where all was looked at, and some of it left."""
_NO_DATABASE = "the target has no such database"
_CLOCKS_MS = 1_000
"""So far apart clocks may be without a word."""


@click.command("import")
@click.argument("source", metavar="URL")
@click.option(
    "--db",
    "dbs",
    type=click.IntRange(0),
    multiple=True,
    help="database; again for more  [default: all]",
)
@click.option(
    "--server",
    metavar="URL",
    help="redis://host:port[/db] to copy into  [default: where `serve` would be]",
)
@click.option(
    "--replace", is_flag=True, help="write over keys that have another value at the target"
)
@click.option("--json", "as_json", is_flag=True, help="one JSON object a line")
def import_(
    source: str, dbs: tuple[int, ...], server: str | None, *, replace: bool, as_json: bool
) -> None:
    """Copy the keys of the Redis at URL, redis://host:port[/db], into a server that runs.

    Strings, lists, hashes, sets, sorted sets and streams without groups come with the instants at
    which they expire, into the databases that they are in. The Redis is only read, and each key is
    copied as it was at one moment. Keys that the target has are left as they are, and told if
    they differ. Whoever is interrupted does it again. docs/migration/import.md has the rest.

    The exit status is 0 if the target has all of it, 3 if something was left, 1 if it could not
    go on.
    """
    from respq.cli.connection import Address
    from respq.errors import BadSetting

    try:
        place = Address.parse_redis(source)
        target = Address.default() if server is None else Address.parse(server)
    except BadSetting as refusal:
        raise click.UsageError(str(refusal)) from None
    if place.db is not None and dbs:
        raise click.UsageError("the address names a database, and --db too: give one of them")
    chosen = dbs if place.db is None else (place.db,)
    if target.db is not None and len(chosen) != 1:
        raise click.UsageError("--server names a database: say which one is to be copied into it")
    report = _Report(as_json=as_json)
    with ended_as_by_an_exception():
        _import(place, target, chosen, report, replace=replace)
    if any(tally.left for tally in report.tallies):
        raise SystemExit(LEFT)


def _import(
    place: Address, target_place: Address, chosen: Sequence[int], report: _Report, *, replace: bool
) -> None:
    from respq.cli.connection import Connection, Unanswered
    from respq.cli.moving import Mover
    from respq.cli.sides import Side, Stopped

    try:
        with Connection(place, to_redis=True) as reads, Connection(target_place) as writes:
            source, target = Side(reads, "source"), Side(writes, "target")
            for sentence in doubts(source, target):
                _note(sentence)
            mover = Mover(source, target, replace=replace, tell=report.tell_left, note=_note)
            for tally, into in _plan(source, target_place, chosen):
                report.tallies.append(tally)
                if into < DATABASES:
                    mover.copy(tally, into)
                else:
                    tally.left[_NO_DATABASE] += tally.expected
    except (Stopped, Unanswered) as fault:
        raise click.ClickException(f"{fault}{report.way_on}") from None
    except KeyboardInterrupt:
        raise click.ClickException(f"interrupted{report.way_on}") from None
    finally:
        report.tell_sums()


def doubts(source: Side, target: Side) -> Iterator[str]:
    """Yield what should be known before.

    Raises:
        Stopped: it should not be done.
    """
    from respq.cli.sides import Stopped

    if "respq_version" not in target.info:
        raise Stopped("the target is no respq: it is to be given by --server")
    if source.info.get("run_id") == target.info.get("run_id"):
        raise Stopped("source and target are the same server")
    if source.info.get("cluster_enabled") == "1":
        yield "the source is one node of a cluster, and only what is there is copied"
    behind_ms = target.now_ms - source.now_ms
    if abs(behind_ms) > _CLOCKS_MS:
        yield (
            f"the clocks are {abs(behind_ms) / 1_000:.1f} s apart, that of the source being "
            f"{'behind' if behind_ms > 0 else 'ahead'}: what expires does so by that of the target"
        )


def _plan(
    source: Side, target_place: Address, chosen: Sequence[int]
) -> Iterator[tuple[Tally, int]]:
    """Yield each database that is to be copied, and which one at the target it goes to."""
    from respq.cli.moving import Tally

    keys = source.databases
    for db in sorted(set(chosen) or keys):
        yield Tally(db, keys.get(db, 0)), db if target_place.db is None else target_place.db


class _Report:
    """What is said on the standard output."""

    def __init__(self, *, as_json: bool) -> None:
        self.tallies: list[Tally] = []
        """Of the databases that it has come to."""
        self._as_json = as_json

    @property
    def way_on(self) -> str:
        """What to do when it has stopped."""
        return ": do it again, and it goes on" if self.tallies else ""

    def tell_left(self, left: Left) -> None:
        """Say which key was left, and why."""
        if self._as_json:
            facts = {"db": left.db, "key": plain(left.key), "left": left.reason}
            click.echo(json.dumps(facts | {"detail": left.detail} if left.detail else facts))
        else:
            detail = f": {left.detail}" if left.detail else ""
            click.echo(f"left  db {left.db}  {quoted(left.key)}  {left.reason}{detail}")

    def tell_sums(self) -> None:
        """Say what became of the keys, by database; and of all by type, and by reason."""
        for tally in self.tallies:
            click.echo(_json_sums(tally) if self._as_json else _sums(tally))
        if not self._as_json:
            for line in _totals(self.tallies):
                click.echo(line)


def _sums(tally: Tally) -> str:
    return (
        f"db {tally.db}  copied {tally.copied.total()}  already there {tally.there}  "
        f"gone {tally.gone}  left {tally.left.total()}"
    )


def _json_sums(tally: Tally) -> str:
    return json.dumps(
        {
            "db": tally.db,
            "copied": tally.copied,
            "already_there": tally.there,
            "gone": tally.gone,
            "left": tally.left,
        }
    )


def _totals(tallies: Sequence[Tally]) -> Iterator[str]:
    copied, left = Counter[str](), Counter[str]()
    for tally in tallies:
        copied += tally.copied
        left += tally.left
    if copied:
        yield "copied  " + "  ".join(f"{kind} {count}" for kind, count in sorted(copied.items()))
    for reason, count in left.most_common():
        yield f"left {count}  {reason}"


def _note(sentence: str) -> None:
    click.echo(f"note: {sentence}", err=True)
