"""Charts as pictures: the median of each point, and a band from the least to the greatest round."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator
from PIL import Image

mpl.use("Agg")

OURS = "respq"
LOOKS = {
    OURS: ("#0072B2", "o"),
    "Redis Streams": ("#D55E00", "s"),
    "Redis lists": ("#009E73", "^"),
    "Redis LPUSH": ("#CC79A7", "D"),
}
"""Colour and marker by how a label begins, the same in every picture. The palette is one that
colour-blind people can tell apart; the markers do so without any."""
OTHER_LOOK = ("#E69F00", "v")
PANEL_INCHES = (4.6, 3.3)
COLUMNS_MAX = 4
HEADING_INCHES = 0.3
LEGEND_INCHES = 0.35
FOOTER_LINE_INCHES = 0.14
MARGIN_INCHES = 0.1
DOTS_PER_INCH = 80
BINARY_UNITS_FROM = 16_384
"""What is shorter fits beside an axis as it is."""
PALETTE_COLOURS = 128
"""A picture of a few hues, anti-aliased, shows no more; the file is less than half as long."""


def draw(chart: dict[str, Any], footer: str, path: Path) -> None:
    """Write one chart of a document (charts.py) as PNG."""
    panels = chart["panels"]
    columns = len(panels) if len(panels) < COLUMNS_MAX else (2 if len(panels) == 4 else COLUMNS_MAX)
    rows = -(-len(panels) // columns)
    width, height = PANEL_INCHES
    small = [*chart.get("notes", []), *chart["problems"], *footer.split("\n")]
    footer_inches = len(small) * FOOTER_LINE_INCHES + MARGIN_INCHES
    total = rows * height + HEADING_INCHES + LEGEND_INCHES + footer_inches
    figure = Figure(figsize=(columns * width, total), layout="constrained")
    figure.suptitle(chart["title"], fontsize=13, fontweight="bold")
    engine = figure.get_layout_engine()
    assert engine is not None
    # A legend "outside" would not keep off the footer: the layout knows nothing of texts.
    below = (footer_inches + LEGEND_INCHES) / total
    engine.set(rect=(0, below, 1, 1 - below))  # type: ignore[call-arg]
    small_look = {"fontsize": 7, "color": "#555555", "ha": "center", "va": "bottom"}
    figure.text(0.5, MARGIN_INCHES / 2 / total, "\n".join(small), **small_look)
    axes = figure.subplots(rows, columns, squeeze=False).flatten()
    for each, panel in zip(axes, panels, strict=True):
        _draw_panel(each, panel, chart)
    lines = {line.get_label(): line for each in axes for line in each.get_lines()}
    figure.legend(
        lines.values(),
        lines.keys(),
        loc="lower center",
        bbox_to_anchor=(0.5, footer_inches / total),
        ncols=len(lines),
        frameon=False,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    drawn = BytesIO()
    figure.savefig(drawn, dpi=DOTS_PER_INCH)
    with Image.open(drawn) as picture:
        picture.convert("RGB").quantize(PALETTE_COLOURS).save(path, optimize=True)


def _look(label: str) -> tuple[str, str]:
    return next((look for begin, look in LOOKS.items() if label.startswith(begin)), OTHER_LOOK)


def _draw_panel(axes: Axes, panel: dict[str, Any], chart: dict[str, Any]) -> None:
    xs = chart["xs"]
    is_number = isinstance(xs[0], int)
    places = xs if is_number else list(range(len(xs)))
    for curve in panel["curves"]:
        points = [
            (place, values) for place, values in zip(places, curve["values"], strict=True) if values
        ]
        if not points:
            continue
        colour, marker = _look(curve["label"])
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
        axes.set_xticks(places, [_tick(x) for x in xs])
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.set_xticks(places, xs)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))


def _tick(x: int) -> str:
    """Return a place on the x axis exactly, for 4,096 is no 4.1k; long ones in units."""
    for size, unit in ((1_000_000, "M"), (1_000, "k"), (1 << 20, "Mi"), (1 << 10, "Ki")):
        if x % size == 0 and (x >= BINARY_UNITS_FROM or size % 1_000 == 0):
            return f"{x // size}{unit}"
    return f"{x:,}"


def _short(value: float) -> str:
    """Return a number as it fits beside an axis: 1,500 is 1.5k."""
    for bound, unit in ((1_000_000, "M"), (1_000, "k")):
        if abs(value) >= bound:
            return f"{value / bound:.3g}{unit}"
    return f"{value:.3g}"
