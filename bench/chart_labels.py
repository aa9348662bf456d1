"""Labels at the ends of lines, in place of a legend, moved apart where lines end together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from halfstep.bench.curves import Curve

_LINE_HEIGHT = 12.5  # points


def label_ends(axes: Any, curves: Sequence[Curve], colours: Sequence[str]) -> None:
    """Write each curve's name right of the axes, with a thin line to its end."""
    ends = [(curve.x[-1], curve.y[-1]) for curve in curves]
    pixels = axes.transData.transform(ends) if ends else []
    box = axes.get_window_extent()
    unit = axes.figure.dpi / 72
    heights = spread_apart([float(y) for _, y in pixels], _LINE_HEIGHT * unit)
    for curve, colour, end, height in zip(curves, colours, ends, heights, strict=True):
        axes.annotate(
            curve.name,
            end,
            xytext=(1.03, (height - box.y0) / box.height),
            textcoords="axes fraction",
            va="center",
            fontsize=9,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0.8,
                "shrinkA": 1,
                "shrinkB": 2,
            },
            annotation_clip=False,
        )


def spread_apart(positions: Sequence[float], least: float) -> list[float]:
    """Return positions at least `least` apart, in the same order, each cluster about its own middle."""
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
