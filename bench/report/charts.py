"""The report's three charts as SVG: objective over time, time over size, and quality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from halfstep import pictures
from halfstep.bench.report import numbers
from halfstep.bench.report.curves import Curve
from halfstep.bench.schema import Row
from halfstep.colours import LEVEL, LINES, PAPER, QUIET

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("-", "--", ":")
_LABEL_HEIGHT = 12.5  # points
# Height of a chart of lines, in inches, and the axes' share of it; many labels make it higher.
_LINE_CHART, _AXES_SHARE = 3.3, 0.78
# Inches a letter, and the number of letters that the margins have room for.
_LETTER, _USUAL_LETTERS = 0.075, 14


def unavailable() -> str | None:
    """Return the reason why no chart can be drawn here and what to install, or None."""
    if pictures.missing():
        return 'matplotlib is not installed: pip install "halfstep[bench]"'
    return None


def style_of(name: str, names: Sequence[str]) -> dict[str, str]:
    """Return a solver's colour, marker and dashes, the same in all charts of a report."""
    place = list(names).index(name)
    return {
        "color": LINES[place % len(LINES)],
        "marker": MARKERS[place % len(MARKERS)],
        "linestyle": DASHES[place // len(LINES) % len(DASHES)],
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
    with pictures.look():
        height = max(_LINE_CHART, len(curves) * _LABEL_HEIGHT / (72 * _AXES_SHARE))
        figure, axes = _figure(height, max((len(curve.name) for curve in curves), default=0))
        for curve in curves:
            axes.plot(curve.x, curve.y, **style_of(curve.name, names))
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.grid(True, which="major")
        axes.set_xlabel(x_label)
        axes.set_title(y_label, loc="left", fontsize=9.5)
        if level is not None:
            axes.axhline(level[0], color=LEVEL, linewidth=1, linestyle=(0, (2, 2)))
            axes.annotate(
                level[1],
                (0, level[0]),
                xycoords=("axes fraction", "data"),
                xytext=(3, 3),
                textcoords="offset points",
                fontsize=8.5,
                color=QUIET,
                bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.5},
            )
        for axis in (axes.xaxis, axes.yaxis):
            pictures.label_log_axis(axis)
        if len(x_ticks) > 1:
            axes.set_xticks(_apart(axes, x_ticks))
            axes.xaxis.set_major_formatter(lambda x, _: numbers.count(x))
        _label_ends(axes, curves, [style_of(curve.name, names) for curve in curves])
        return pictures.svg_element(pictures.svg_file(figure))


def quality_chart(rows: Sequence[Row], names: Sequence[str], metrics: Sequence[str]) -> str:
    """Return a chart with a panel for each metric: a dot and its interval for each row."""
    with pictures.look():
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
        return pictures.svg_element(pictures.svg_file(figure))


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


def _apart(axes: Any, ticks: Sequence[float]) -> list[float]:
    """Return those of the ticks, ascending, whose labels do not touch; the first and the last stay."""
    width = axes.get_window_extent().width / axes.figure.dpi
    low, high = np.log10(axes.get_xlim())
    inches = [width * (np.log10(tick) - low) / (high - low) for tick in ticks]
    halves = [_LETTER * (len(numbers.count(tick)) + 1) / 2 for tick in ticks]
    kept = [0]
    last = len(ticks) - 1
    for place in range(1, last):
        if all(
            abs(inches[place] - inches[other]) >= halves[place] + halves[other]
            for other in (kept[-1], last)
        ):
            kept.append(place)
    return [ticks[place] for place in [*kept, last]]


def _label_ends(axes: Any, curves: Sequence[Curve], looks: Sequence[dict[str, str]]) -> None:
    """Write each curve's mark and name right of the axes, as near to the height of its end as possible.

    Names have marks and no leading lines, which would cross where many curves end at one height.
    """
    if not curves:
        return
    box = axes.get_window_extent()
    pixels = axes.transData.transform([(curve.x[-1], curve.y[-1]) for curve in curves])
    unit = axes.figure.dpi / 72
    apart = _LABEL_HEIGHT * unit
    heights = _between(spread_apart([float(y) for _, y in pixels], apart), box.y0, box.y1, apart)
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


def _between(positions: Sequence[float], low: float, high: float, least: float) -> list[float]:
    """Return positions moved into low to high, still `least` apart and in order, if there is room."""
    order = np.argsort(positions, kind="stable")
    moved = np.maximum(np.asarray(positions)[order], low + least * np.arange(len(order)))
    moved = np.minimum(moved, high - least * np.arange(len(order))[::-1])
    return [float(x) for x in moved[np.argsort(order)]]


def _metric_name(metric: str) -> str:
    return metric.upper() if metric != "auc" else "AUC"


def _figure(height: float, longest: int, columns: int = 0) -> tuple[Any, Any]:
    """Return a figure with one axes and room for labels at its right, or with several axes side by side.

    The figure is wider where the longest label, in letters, needs more room than usual.
    """
    from matplotlib.figure import Figure

    extra = max(0.0, _LETTER * (longest - _USUAL_LETTERS))
    width = pictures.WIDTH + extra
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
        left=0.57 / width,
        right=1 - (1.6 + extra) / width,
        bottom=0.46 / height,
        top=1 - 0.26 / height,
    )
    return figure, axes
