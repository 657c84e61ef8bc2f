"""The table for people, the JSON for later, and the facts that a number needs beside it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from generator import PAYLOAD_BYTES, WARM_UP_SECONDS
from result import Bench, Line
from server import Rival

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
HEADINGS = ("row", "load", "commits", "respq", "beside", "unit", "ratio", "spread", "target", "")


def heading() -> str:
    """Return the first two lines of the table, in Markdown."""
    return f"| {' | '.join(HEADINGS)} |\n|{'---|' * len(HEADINGS)}"


def table_line(line: Line) -> str:
    """Return one line of the table; what could not be measured is a dash."""
    spread = "–" if line.spread is None else f"{line.spread[0]:.2f}–{line.spread[1]:.2f}"
    cells = (
        line.title,
        line.load,
        line.facts.get("ours", {}).get("commit_mode", "–"),
        _side(line.ours, line.notes.get("ours")),
        _side(line.theirs, line.notes.get("theirs")),
        line.unit,
        "–" if line.ratio is None else f"{line.ratio:.2f}",
        spread,
        "–" if line.target is None else str(line.target),
        line.verdict,
    )
    return f"| {' | '.join(cells)} |"


def configuration(lines: Sequence[Line]) -> str:
    """Return the distinct command lines of the servers, one a line."""
    commands = {command for line in lines for command in line.commands.values()}
    return "\n".join(f"  {command}" for command in sorted(commands))


def origin(rivals: Sequence[Rival], directory: Path) -> dict[str, Any]:
    """Return what every kept number needs beside it: when, of what, and on which machine."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD") or "none",
        "changed_since_commit": bool(_git("status", "--porcelain", "--", "respq", "bench")),
        "machine": machine(directory),
        "servers": {
            each.name: each.version() if each.executable() else f"missing: {each.install}"
            for each in rivals
        },
    }


def document(
    bench: Bench, rivals: Sequence[Rival], lines: Sequence[Line], *, complete: bool
) -> dict[str, Any]:
    """Return everything about a run, for JSON."""
    return {
        "complete": complete,
        **origin(rivals, bench.directory),
        "rounds": bench.rounds,
        "seconds": bench.seconds,
        "warm_up_seconds": WARM_UP_SECONDS,
        "payload_bytes": PAYLOAD_BYTES,
        "lines": [_line_document(line) for line in lines],
    }


def save(content: dict[str, Any], path: Path | None, suffix: str = "") -> Path:
    """Write a run as JSON, by default under results/ with its time and commit as the name."""
    if path is None:
        moment = content["date"].replace(":", "").replace("-", "").split("+")[0]
        path = RESULTS / f"{moment}-{content['commit'][:8]}{suffix}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return path


def machine(directory: Path) -> dict[str, Any]:
    """Return what the rates depend on besides the programs."""
    cpus = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": cpus[0] if cpus else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(pages / 2**30, 1),
        "kernel": platform.release(),
        "filesystem": filesystem(directory),
        "python": platform.python_version(),
        "load_average": [round(each, 2) for each in os.getloadavg()],
    }


def filesystem(directory: Path) -> str:
    """Return the type of the filesystem that holds a directory."""
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        mount, fstype = line.split()[1:3]
        inside = directory.resolve().is_relative_to(mount)
        if inside and len(mount) >= len(best):
            best, kind = mount, fstype
    return kind


def _side(values: Sequence[float], note: str | None) -> str:
    if not values:
        return "–"
    middle = median(values)
    shown = f"{middle:,.2f}" if middle < 100 else f"{middle:,.0f}"
    return shown if note is None else f"{shown} ({note})"


def _line_document(line: Line) -> dict[str, Any]:
    content = asdict(line)
    content["target"] = None if line.target is None else str(line.target)
    content["ratio"] = line.ratio
    content["spread"] = line.spread
    content["verdict"] = line.verdict
    return content


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
