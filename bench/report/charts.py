"""The report's three charts as SVG: objective over time, time over size, and quality.

They are 5.2 inches wide, so that a phone shows the letters at about the size that they are set in.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from halfstep.bench.report import numbers
from halfstep.bench.report.curves import Curve
from halfstep.bench.schema import Row

WIDTH = 5.2
# The colours of Okabe and Ito, which the colour-blind can tell apart; a dark purple replaces their
# yellow, which is too pale on white.
COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#5E3C99",
)  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("-", "--", ":")
_INK, _RULE = "#222222", "#dddddd"
_LABEL_HEIGHT = 12.5  # points
# Inches a letter, and the number of letters that the margins have room for.
_LETTER, _USUAL_LETTERS = 0.075, 14
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": _INK,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": _RULE,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
}


def unavailable() -> str | None:
    """Return the reason why no chart can be drawn here and what to install, or None."""
    if importlib.util.find_spec("matplotlib") is None:
        return 'matplotlib is not installed: pip install "halfstep[bench]"'
    return None


def style_of(name: str, names: Sequence[str]) -> dict[str, str]:
    """Return a solver's colour, marker and dashes, the same in all charts of a report."""
    place = list(names).index(name)
    return {
        "color": COLOURS[place % len(COLOURS)],
        "marker": MARKERS[place % len(MARKERS)],
        "linestyle": DASHES[place // len(COLOURS) % len(DASHES)],
    }


def line_chart(
    curves: Sequence[Curve],
    names: Sequence[str],
    x_label: str,
    y_label: str,
    level: tuple[float, str] | None = None,
    x_ticks: Sequence[float] = (),
) -> str:
    """Return a log-log chart of lines, each labelled at its end.

    Parameters
    ----------
    names
        All solvers of the report, in the order that gives each its colour.
    level
        Ordinate and name of a horizontal line.
    """
    with _style():
        figure, axes = _figure(3.3, max((len(curve.name) for curve in curves), default=0))
        for curve in curves:
            axes.plot(curve.x, curve.y, **style_of(curve.name, names))
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.grid(True, which="major")
        axes.set_xlabel(x_label)
        axes.set_title(y_label, loc="left", fontsize=9.5)
        if x_ticks:
            axes.set_xticks(list(x_ticks), [numbers.count(x) for x in x_ticks])
            axes.minorticks_off()
        if level is not None:
            axes.axhline(level[0], color="#666666", linewidth=1, linestyle=(0, (2, 2)))
            axes.annotate(
                level[1],
                (0, level[0]),
                xycoords=("axes fraction", "data"),
                xytext=(3, 3),
                textcoords="offset points",
                fontsize=8.5,
                color="#555555",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            )
        _label_ends(axes, curves, [style_of(curve.name, names) for curve in curves])
        return _svg(figure)


def quality_chart(rows: Sequence[Row], names: Sequence[str], metrics: Sequence[str]) -> str:
    """Return a chart with a panel for each metric: a dot and its interval for each row."""
    with _style():
        longest = max((len(row.solver) for row in rows), default=0)
        figure, panels = _figure(0.9 + 0.27 * len(rows), longest, columns=len(metrics))
        for panel, metric in zip(panels, metrics, strict=True):
            for place, row in enumerate(rows):
                interval = row.quality[metric]
                look = style_of(row.solver, names)
                colour = look["color"]
                if interval.low is not None and interval.high is not None:
                    panel.plot([interval.low, interval.high], [place, place], color=colour)
                panel.plot(interval.mean, place, color=colour, marker=look["marker"], markersize=5)
            panel.set_title(_metric_name(metric), loc="left", fontsize=9.5)
            panel.set_ylim(len(rows) - 0.4, -0.6)
            panel.grid(True, axis="x")
            panel.locator_params(axis="x", nbins=4)
            panel.tick_params(axis="y", length=0)
            panel.set_yticks(range(len(rows)), [row.solver for row in rows])
        for panel in panels[1:]:
            panel.set_yticklabels([])
        return _svg(figure)


def spread_apart(positions: Sequence[float], least: float) -> list[float]:
    """Return positions at least `least` apart, in the same order, each cluster around its own middle."""
    order = np.argsort(positions, kind="stable")
    clusters: list[tuple[float, list[int]]] = []
    for index in order:
        members, middle = [int(index)], float(positions[index])
        while clusters:
            other_middle, others = clusters[-1]
            reach = least * (len(members) + len(others)) / 2
            if middle - other_middle >= reach:
                break
            clusters.pop()
            together = len(members) + len(others)
            middle = (middle * len(members) + other_middle * len(others)) / together
            members = others + members
        clusters.append((middle, members))
    result = [0.0] * len(positions)
    for middle, members in clusters:
        for place, index in enumerate(members):
            result[index] = middle + least * (place - (len(members) - 1) / 2)
    return result


def _label_ends(axes: Any, curves: Sequence[Curve], looks: Sequence[dict[str, str]]) -> None:
    """Write each curve's mark and name right of the axes, as near to the height of its end as possible.

    Names have marks and no leading lines, which would cross where many curves end at one height.
    """
    if not curves:
        return
    box = axes.get_window_extent()
    pixels = axes.transData.transform([(curve.x[-1], curve.y[-1]) for curve in curves])
    unit = axes.figure.dpi / 72
    heights = spread_apart([float(y) for _, y in pixels], _LABEL_HEIGHT * unit)
    for curve, look, height in zip(curves, looks, heights, strict=True):
        place = (height - box.y0) / box.height
        axes.plot(
            [1.03, 1.055, 1.08],
            [place] * 3,
            transform=axes.transAxes,
            clip_on=False,
            color=look["color"],
            linestyle=look["linestyle"],
            marker=look["marker"],
            markevery=[1],
        )
        axes.annotate(
            curve.name,
            (1.1, place),
            xycoords="axes fraction",
            va="center",
            fontsize=9,
            annotation_clip=False,
        )


def _metric_name(metric: str) -> str:
    return metric.upper() if metric != "auc" else "AUC"


def _figure(height: float, longest: int, columns: int = 0) -> tuple[Any, Any]:
    """Return a figure with one axes and room for labels at its right, or with several axes side by side.

    The figure is wider where the longest label, in letters, needs more room than usual.
    """
    from matplotlib.figure import Figure

    extra = max(0.0, _LETTER * (longest - _USUAL_LETTERS))
    width = WIDTH + extra
    figure = Figure(figsize=(width, height))
    if columns:
        left, bottom = (1.35 + extra) / width, 0.35 / height
        panels = figure.subplots(1, columns, squeeze=False)[0]
        figure.subplots_adjust(
            left=left, right=0.97, bottom=bottom, top=1 - 0.3 / height, wspace=0.12
        )
        return figure, panels
    axes = figure.subplots()
    figure.subplots_adjust(
        left=0.57 / width, right=1 - (1.6 + extra) / width, bottom=0.14, top=0.92
    )
    return figure, axes


def _style() -> Any:
    import matplotlib as mpl

    style: Any = _STYLE
    return mpl.rc_context(style)


def _svg(figure: Any) -> str:
    """Return the figure as an SVG element to put into a page: without prolog and namespaces."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None}, transparent=True)
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # HTML implies the namespaces.
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", text)
    head, rest = text.split(">", 1)
    head = re.sub(r'\s(width|height)="[^"]*"', "", head)
    return _with_own_ids(f"{head}>{rest}")


def _with_own_ids(svg: str) -> str:
    """Prefix all ids: Matplotlib gives the same ids to the next chart of the page."""
    prefix = f"c{hashlib.sha256(svg.encode()).hexdigest()[:8]}-"
    return re.sub(r'(\sid="|url\(#|href="#)', rf"\g<1>{prefix}", svg)
