"""Draw respq beside Redis as something grows: ``python bench/charts.py``.

Measures the charts of series.py and writes each as PNG, with one JSON of all the values beside
them; ``--from`` draws a kept JSON again. A run of some charts is kept in a file of their names, and
leaves the values of the others alone.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import report
from generator import compile_generator
from result import Bench
from rivals import redis, respq
from run import allow_many_files, leave
from series import CHARTS, measure
from server import MeasurementFailed

HERE = Path(__file__).parent


def main() -> int:
    options = read_arguments()
    signal.signal(signal.SIGTERM, leave)
    try:
        from draw import draw
    except ImportError:
        print("the charts need matplotlib: pip install -e '.[bench]'", file=sys.stderr)
        return 1
    try:
        document = json.loads(options.kept.read_text()) if options.kept else measured(options)
    except MeasurementFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: nothing is kept", file=sys.stderr)
        return 130
    options.out.mkdir(parents=True, exist_ok=True)
    for chart in document["charts"]:
        draw(chart, footer(document), options.out / f"{chart['name']}.png")
        for problem in [*chart.get("notes", []), *chart["problems"]]:
            print(f"{chart['name']}: {problem}", file=sys.stderr)
    if not options.kept:
        text = json.dumps(document, indent=1, ensure_ascii=False)
        (options.json or options.out / kept_name(document)).write_text(text + "\n")
    print(f"drawn into {options.out}")
    return 1 if any(chart["problems"] for chart in document["charts"]) else 0


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = ", ".join(chart.name for chart in CHARTS)
    parser.add_argument("--charts", default="", help=f"of {names}; parted by commas, default all")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each point")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each run")
    parser.add_argument("--deep", action="store_true", help="a queue of ten million jobs, too")
    parser.add_argument("--out", type=Path, default=HERE / "charts", help="where the files go")
    parser.add_argument("--json", type=Path, help="where the values are kept; default in --out")
    parser.add_argument("--from", type=Path, dest="kept", help="draw this JSON, measure nothing")
    parser.add_argument("--dir", help="where the servers keep their files; default the temp dir")
    return parser.parse_args()


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Measure the charts that are wanted and return them with what a number needs beside it."""
    wanted = [name for name in options.charts.split(",") if name]
    unknown = set(wanted) - {chart.name for chart in CHARTS}
    if unknown:
        sys.exit(f"no chart is called {', '.join(sorted(unknown))}; see --help")
    allow_many_files()
    compile_generator()
    with tempfile.TemporaryDirectory(prefix="respq-charts-", dir=options.dir) as directory:
        bench = Bench(options.rounds, options.seconds, Path(directory))
        document = report.document(bench, (respq.SERVER, redis.SERVER), [], complete=True)
        del document["lines"]
        document["charts"] = []
        for chart in CHARTS:
            if not wanted or chart.name in wanted:
                print(f"measuring {chart.name}", flush=True)
                document["charts"].append(measure(chart, bench, deep=options.deep))
    return document


def kept_name(document: dict[str, Any]) -> str:
    """Return what the file of values is called: charts.json only where all charts are in it."""
    names = [chart["name"] for chart in document["charts"]]
    return "charts.json" if len(names) == len(CHARTS) else f"{'-'.join(names)}.json"


def footer(document: dict[str, Any]) -> str:
    """Return what the pictures say about the run."""
    machine = document["machine"]
    servers = document["servers"]
    changed = "+" if document["changed_since_commit"] else ""
    found = servers["redis"].partition("v=")[2].split()
    redis_text = f"Redis {found[0]}" if found else "no Redis, which is missing"
    return (
        f"respq {document['commit'][:8]}{changed} beside {redis_text}, "
        f"{document['date'][:10]}, {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['filesystem']}\nmedians of {document['rounds']} rounds of "
        f"{document['seconds']:g} s, bands from least to greatest; payloads of "
        f"{document['payload_bytes']} bytes if nothing else is said; + is a commit with changes"
    )


if __name__ == "__main__":
    sys.exit(main())
