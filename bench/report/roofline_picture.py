"""The roofline picture of a run: what each phase reached, under what the machine allows.

The abscissa is how many operations a phase has for each byte that it must move, the ordinate how many it
did a second. The slanted line is the bandwidth of the data's own gather, the level one the rate of
float32 products: no phase can lie above both.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from halfstep import pictures
from halfstep.bench.limits.record import PhaseCell
from halfstep.bench.report.charts import MARKERS
from halfstep.bench.schema import Results
from halfstep.colours import INK, LEVEL, LINES
from halfstep.files import whole_file
from halfstep.kernels.phases import PHASES

_SIZE = (8.0, 4.4)  # inches


def draw(results: Results, file: Path) -> None:
    """Draw the picture as SVG, one panel for each data set."""
    with pictures.look():
        drawn = pictures.svg_file(_figure(results))
    file.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(file) as stream:
        stream.write(drawn)


def points(cell: PhaseCell) -> dict[str, tuple[float, float]]:
    """Return, of each phase that moves and computes, operations a byte and operations a second."""
    return {
        phase.phase: (phase.operations / phase.bytes, phase.operations / seconds)
        for phase in cell.phases
        if phase.operations and phase.bytes and (seconds := phase.seconds(cell.threads))
    }


def _figure(results: Results) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(_SIZE, layout="constrained")
    there = sorted({cell.data for cell in results.phases})
    panels = figure.subplots(1, len(there), squeeze=False, sharey=True)[0]
    reached = [y for cell in results.phases for _, y in points(cell).values()]
    for axes, data in zip(panels, there, strict=True):
        cells = [cell for cell in results.phases if cell.data == data]
        _panel(axes, cells)
        axes.set_title(results.data[data].name)
        axes.set_xlabel("operations a byte")
    top = max(rate.per_second for cell in results.phases for rate in cell.rates[:1])
    panels[0].set_ylim(min(reached) / 1.5, top * 1.5)
    for axes in panels:
        for axis in (axes.xaxis, axes.yaxis):
            pictures.label_log_axis(axis)
    panels[0].set_ylabel("operations a second")
    panels[-1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _panel(axes: Any, cells: Sequence[PhaseCell]) -> None:
    found = [points(cell) for cell in cells]
    names = [name for name in PHASES if any(name in each for each in found)]
    for name in names:
        place = PHASES.index(name)
        marked = [
            (*each[name], cell.factors)
            for each, cell in zip(found, cells, strict=True)
            if name in each
        ]
        x, y, sizes = zip(*marked, strict=True)
        look: Any = {"color": LINES[place % len(LINES)], "marker": MARKERS[place % len(MARKERS)]}
        axes.plot(x, y, linestyle=":", linewidth=0.8, label=name, **look)
        for each in marked:
            axes.annotate(
                str(each[2]), each[:2], xytext=(4, -8), textcoords="offset points", fontsize=7.5
            )
    rates = {rate.what: rate.per_second for rate in cells[-1].rates[::-1]}
    low, high = min(x for each in found for x, _ in each.values()) / 2, 200.0
    peak, slope = rates["float32 products"], rates["gather"]
    knee = peak / slope
    axes.plot(
        [low, knee, high], [low * slope, peak, peak], color=INK, label="roof: gather, products"
    )
    axes.axhline(
        rates["loops"], color=LEVEL, linestyle="--", linewidth=1, label="our loops in cache"
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.grid(True)
