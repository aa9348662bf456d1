"""Pictures as SVG: one look, colours that follow the reader's mode, nothing cut off, readable log axes.

Matplotlib is imported where it is needed, since it is optional.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import math
import re
from collections.abc import Sequence
from typing import Any

from halfstep.colours import AXIS, INK, PAPER, RULE, variables, with_variables
from halfstep.errors import InputError

# Inches. A phone shows the letters of a picture this wide at about the size that they are set in.
WIDTH = 5.2
_POINTS = 72
_PAD = 0.04  # inches around what sticks out
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "halfstep",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": AXIS,
    "axes.labelcolor": INK,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "axes.facecolor": PAPER,
    "figure.facecolor": PAPER,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
}


def missing() -> str | None:
    """Return what to install if Matplotlib is missing, or None."""
    if importlib.util.find_spec("matplotlib") is None:
        return 'plots need matplotlib: pip install "halfstep[bench]"'
    return None


def require_matplotlib() -> None:
    """Raise InputError that says what to install if Matplotlib is missing."""
    if reason := missing():
        raise InputError(reason)


def look() -> Any:
    """Return Matplotlib's context with the look of all pictures."""
    import matplotlib as mpl

    style: Any = _STYLE
    return mpl.rc_context(style)


def svg_file(figure: Any) -> bytes:
    """Return a figure as an SVG file, which follows the reader's mode by itself."""
    text = _drawn(figure)
    start = text.index(">", text.index("<svg")) + 1
    style = f"<style>\n{variables('svg')}</style>"
    return f"{text[:start]}\n {style}{text[start:]}".encode()


def svg_element(file: bytes) -> str:
    """Return a file by `svg_file` as an element to put into a page: without prolog and own colours.

    The page has to define the colours with `halfstep.colours.variables`.
    """
    text = file.decode()
    text = re.sub(r"<style>.*?</style>", "", text[text.index("<svg") :], count=1, flags=re.DOTALL)
    # HTML implies the namespaces.
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", text)
    head, rest = text.split(">", 1)
    head = re.sub(r'\s(width|height)="[^"]*"', "", head)
    return _with_own_ids(f"{head}>{rest}")


def label_log_axis(axis: Any, least: float = 1.25) -> None:
    """Set the ticks of a logarithmic axis: at least two, all with labels; and fix its present limits.

    The limits become a factor of `least` apart, if they are closer.
    """
    from matplotlib.ticker import NullFormatter, NullLocator

    low, high = axis.get_view_interval()
    low, high = widened(low, high, least)
    getattr(axis.axes, f"set_{axis.axis_name}lim")(low, high)
    axis.set_ticks(log_ticks(low, high))
    axis.set_major_formatter(lambda value, _: number(value))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def log_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return 2 to `most` round numbers from `low` to `high`, both positive, for a logarithmic axis.

    Powers of ten where there are three; else 1, 2 and 5 times these; else the multiples of a step, for
    axes that span a small part of a decade. With `low` equal to `high` it is this number alone.
    """
    first, last = math.ceil(_log10(low)), math.floor(_log10(high))
    if last - first >= 2:
        step = -(-(last - first + 1) // most)
        # Multiples of the step, so that 1 is among them where it is in sight.
        powers = [float(f"1e{p}") for p in range(first, last + 1) if p % step == 0]
        inside = [power for power in powers if low <= power <= high]
        if len(inside) >= 2:
            return inside
    steps = [float(f"{m}e{p}") for p in range(first - 1, last + 1) for m in (1, 2, 5)]
    found = [step for step in steps if low <= step <= high]
    if 3 <= len(found) <= most or high <= low:
        return found or [low]
    if len(found) > most:
        return found[:: -(-len(found) // most)]
    from matplotlib.ticker import MaxNLocator

    for bins in range(3, 60):
        ticks = MaxNLocator(bins, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        inside = [float(t) for t in ticks if low <= t <= high]
        if len(inside) >= 2:
            return inside
    return [low, high]


def number(value: float) -> str:
    """Return a tick's label: 1,000 or 0.02, and powers of ten where these would be long."""
    if value == 0 or 1e-3 <= abs(value) < 1e6 * (1 - 1e-9):
        return f"{value:,.10g}"
    mantissa, _, exponent = f"{value:.6e}".partition("e")
    digits = f"{float(mantissa):g}"
    return rf"$\mathdefault{{{'' if digits == '1' else digits + ' · '}10^{{{int(exponent)}}}}}$"


def widened(low: float, high: float, least: float = 1.25) -> tuple[float, float]:
    """Return limits of a logarithmic axis that are a factor of `least` apart, around both given ones."""
    if high >= low * least:
        return low, high
    middle = math.sqrt(low) * math.sqrt(high)
    return middle / math.sqrt(least), middle * math.sqrt(least)


def _log10(value: float) -> float:
    """Return the logarithm, exact for powers of ten within a few units in the last place."""
    found = math.log10(value)
    return round(found) if abs(found - round(found)) < 1e-12 else found


def _drawn(figure: Any) -> str:
    """Return the figure as a whole SVG document; it grows by what sticks out at its edges."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.transforms import Bbox

    canvas: Any = FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    reach: Any = figure.get_tightbbox(canvas.get_renderer())
    width, height = figure.get_size_inches()
    corners: Sequence[float] = (
        min(0.0, reach.x0 - _PAD), min(0.0, reach.y0 - _PAD),
        max(width, reach.x1 + _PAD), max(height, reach.y1 + _PAD),
    )  # fmt: skip
    stream = io.StringIO()
    box = Bbox.from_extents(*corners)
    figure.savefig(stream, format="svg", metadata={"Date": None}, bbox_inches=box)
    text = re.sub(r"<metadata>.*?</metadata>", "", stream.getvalue(), flags=re.DOTALL)
    # The font of the reader's system; Matplotlib would list those that it knows.
    text = re.sub(r'font-family: [^;"]*', "font-family: system-ui, sans-serif", text)
    return with_variables(text)


def _with_own_ids(svg: str) -> str:
    """Prefix all ids: Matplotlib gives the same ids to the next chart of the page."""
    prefix = f"c{hashlib.sha256(svg.encode()).hexdigest()[:8]}-"
    return re.sub(r'(\sid="|url\(#|href="#)', rf"\g<1>{prefix}", svg)
