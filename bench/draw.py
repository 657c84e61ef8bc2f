"""Charts as pictures: the median of each point, and a band from the least to the greatest round."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

mpl.use("Agg")

OURS = "respq"
OUR_COLOUR = "#0072B2"
COLOURS = ("#D55E00", "#009E73", "#CC79A7", "#E69F00")
"""Of the others, in order; a palette that colour-blind people can tell apart."""
MARKERS = ("s", "^", "D", "v")
PANEL_INCHES = (4.6, 3.3)
COLUMNS_MAX = 4
FOOTER_SHARE = 0.025
DOTS_PER_INCH = 80


def draw(chart: dict[str, Any], footer: str, path: Path) -> None:
    """Write one chart of a document (charts.py) as PNG."""
    panels = chart["panels"]
    columns = len(panels) if len(panels) < COLUMNS_MAX else (2 if len(panels) == 4 else COLUMNS_MAX)
    rows = -(-len(panels) // columns)
    width, height = PANEL_INCHES
    figure = Figure(figsize=(columns * width, rows * height + 1.0), layout="constrained")
    figure.suptitle(chart["title"], fontsize=13, fontweight="bold")
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.set(rect=(0, FOOTER_SHARE, 1, 1 - FOOTER_SHARE))  # type: ignore[call-arg]
    figure.text(0.5, 0.005, footer, fontsize=7, color="#555555", ha="center")
    axes = figure.subplots(rows, columns, squeeze=False).flatten()
    looks = _looks(panels)
    for each, panel in zip(axes, panels, strict=True):
        _draw_panel(each, panel, chart, looks)
    lines = {line.get_label(): line for each in axes for line in each.get_lines()}
    figure.legend(
        lines.values(), lines.keys(), loc="outside lower center", ncols=len(lines), frameon=False
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DOTS_PER_INCH)


def _looks(panels: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """Return a colour and a marker for each label, the same in all panels."""
    labels = dict.fromkeys(curve["label"] for panel in panels for curve in panel["curves"])
    others = [label for label in labels if label != OURS]
    looks = dict(zip(others, zip(COLOURS, MARKERS, strict=True), strict=False))
    return {OURS: (OUR_COLOUR, "o"), **looks}


def _draw_panel(
    axes: Axes, panel: dict[str, Any], chart: dict[str, Any], looks: dict[str, tuple[str, str]]
) -> None:
    xs = chart["xs"]
    is_number = isinstance(xs[0], int)
    places = xs if is_number else list(range(len(xs)))
    for curve in panel["curves"]:
        points = [
            (place, values) for place, values in zip(places, curve["values"], strict=True) if values
        ]
        if not points:
            continue
        colour, marker = looks[curve["label"]]
        where = [place for place, _ in points]
        axes.plot(
            where,
            [median(values) for _, values in points],
            color=colour,
            marker=marker,
            markersize=4,
            linewidth=2.2 if curve["label"] == OURS else 1.4,
            label=curve["label"],
        )
        least = [min(values) for _, values in points]
        axes.fill_between(
            where, least, [max(values) for _, values in points], color=colour, alpha=0.15, lw=0
        )
    axes.set_title(panel["title"], fontsize=10)
    axes.set_xlabel(chart["x_label"], fontsize=9)
    axes.set_ylabel(panel["unit"], fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(visible=True, alpha=0.3)
    if is_number:
        axes.set_xscale("log")
        axes.set_xticks(places, [_short(x) for x in xs])
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.set_xticks(places, xs)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))


def _short(value: float) -> str:
    """Return a number as it fits beside an axis: 1,500 is 1.5k."""
    for bound, unit in ((1_000_000, "M"), (1_000, "k")):
        if abs(value) >= bound:
            return f"{value / bound:.3g}{unit}"
    return f"{value:.3g}"
