"""The roofline picture of a card: what it can gather and copy, and what each rung got of that.

A conjugate gradient rung gathers a row of the fixed side for each stored entry. The lines are the rates
at which rows of so many bytes come from tables of several sizes, the dots the bytes that a rung must
move in an iteration (counted, not measured) over the seconds that it took.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from halfstep import pictures
from halfstep.bench.gpu.plan import rounds
from halfstep.bench.gpu.record import GpuResults
from halfstep.bench.report.charts import DASHES, MARKERS
from halfstep.colours import AXIS, INK, LEVEL, LINES, PALE
from halfstep.files import whole_file

_SIZE = (8.0, 5.2)  # inches
_GREYS = (LEVEL, AXIS, PALE)


def draw(results: GpuResults, file: Path) -> bool:
    """Draw the picture as SVG; return False, and draw nothing, where no rung has been timed."""
    dots: dict[str, list[tuple[float, float]]] = {}
    mild = results.tables[0].shape if results.tables else ""
    for table in (table for table in results.tables if table.shape == mild):
        for row in table.case.rows:
            if row.counted_bytes and row.seconds_per_iteration:
                wide = table.case.factors * (2 if rounds(row.solver) else 4)
                rate = row.counted_bytes / row.seconds_per_iteration.median
                dots.setdefault(row.solver, []).append((wide, rate))
    if not dots:
        return False
    with pictures.look():
        drawn = pictures.svg_file(_figure(results, mild, dots))
    file.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(file) as stream:
        stream.write(drawn)
    return True


def _figure(results: GpuResults, mild: str, dots: dict[str, list[tuple[float, float]]]) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(_SIZE, layout="constrained")
    axes = figure.add_subplot()
    gathers: dict[float, list[tuple[float, float]]] = {}
    for one in results.ceilings:
        if one.get("what") == "gather":
            point = one["row_bytes"], one["bytes_per_second"]
            gathers.setdefault(one["table_megabytes"], []).append(point)
    for place, (megabytes, points) in enumerate(sorted(gathers.items())):
        x, y = zip(*sorted(points), strict=True)
        look: Any = {"color": _GREYS[place % 3], "linestyle": DASHES[place // 3 % 3]}
        axes.plot(x, y, **look, label=f"gathered from a table of {megabytes:g} MB")
    if results.peaks:
        peak = results.peaks.bytes_per_second
        axes.axhline(peak, color=INK, linestyle="--", label="copied (read and written)")
    for place, (name, points) in enumerate(sorted(dots.items())):
        x, y = zip(*sorted(points), strict=True)
        colour, marker = LINES[place % len(LINES)], MARKERS[place % len(MARKERS)]
        axes.plot(x, y, f"{marker}:", color=colour, label=name)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("bytes of a gathered row")
    axes.set_ylabel("bytes a second")
    low, high = axes.get_xlim()
    powers = [2**p for p in range(40) if low <= 2**p <= high]
    if len(powers) > 1:
        axes.set_xticks(powers, [f"{power:,}" for power in powers])
        axes.minorticks_off()
    else:
        pictures.label_log_axis(axes.xaxis)
    pictures.label_log_axis(axes.yaxis)
    axes.grid(True)
    where = "the emulator (no speeds)" if results.emulated else results.environment.gpu or "a card"
    axes.set_title(f"{mild} on {where.split(',')[0]}")
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
