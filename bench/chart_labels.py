"""Labels at the ends of lines, in place of a legend, moved apart where lines end together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from halfstep.bench.curves import Curve

_LINE_HEIGHT = 12.5  # points


def label_ends(axes: Any, curves: Sequence[Curve], looks: Sequence[dict[str, str]]) -> None:
    """Write each curve's mark and name right of the axes, as near the height of its end as may be.

    Marks and not leading lines: where many lines end at one height, those would cross.
    """
    if not curves:
        return
    box = axes.get_window_extent()
    pixels = axes.transData.transform([(curve.x[-1], curve.y[-1]) for curve in curves])
    unit = axes.figure.dpi / 72
    heights = spread_apart([float(y) for _, y in pixels], _LINE_HEIGHT * unit)
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
