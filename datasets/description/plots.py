"""The plots of a description: four distributions on logarithmic axes, and the long tail."""

from __future__ import annotations

import importlib.util
import io
from typing import Any

from halfstep.errors import InputError

BEFORE, AFTER, INK = "#D55E00", "#0072B2", "#222222"
MARKED = ("5", "25", "50", "75", "95", "99", "99.9")
_STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
}
_TITLES = {
    "plays per user": ("How much users listen", "plays of one user", "users"),
    "artists per user": ("How curious users are", "different artists of one user", "users"),
    "plays per artist": ("How much artists are played", "plays of one artist", "artists"),
    "audience per artist": ("How many people an artist reaches", "users of one artist", "artists"),
}


def check_matplotlib() -> None:
    """Raise InputError that says what to install if matplotlib is missing."""
    if importlib.util.find_spec("matplotlib") is None:
        raise InputError('plots need matplotlib: pip install "halfstep[bench]"')


def draw_plots(described: dict[str, Any]) -> dict[str, bytes]:
    """Return the plots of a description: file names and PNG bytes."""
    pngs = {
        f"{name.replace(' ', '-')}.png": _draw(
            lambda axes, name=name: _distribution(axes, described, name)
        )
        for name in _TITLES
    }
    pngs["long-tail.png"] = _draw(lambda axes: _long_tail(axes, described))
    return pngs


def _draw(draw: Any) -> bytes:
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 4.3), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure.subplots())
        file = io.BytesIO()
        figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def _distribution(axes: Any, described: dict[str, Any], name: str) -> None:
    title, value, whose = _TITLES[name]
    now = described["prepared"]["distributions"][name]
    if described["raw"] is not None:
        before = described["raw"]["distributions"][name]["curve"]
        axes.step(
            before["value"], before["share"], where="post", color=BEFORE, linestyle=(0, (2, 2)),
            linewidth=1.4, label="as read", zorder=3,
        )  # fmt: skip
    axes.step(
        now["curve"]["value"], now["curve"]["share"], where="post", color=AFTER, linewidth=2,
        label="prepared", zorder=2,
    )  # fmt: skip
    percentiles = now["percentiles"]
    for percentile, following in zip(MARKED, (*MARKED[1:], None), strict=True):
        number, share = percentiles[percentile], float(percentile) / 100
        axes.plot([max(number, 1)], [share], "o", color=AFTER, markersize=5, zorder=4)
        # At the very top the label stands to the left, because the next mark is to the right.
        high = share > 0.98
        shift = {"95": -7, "99": 8, "99.9": 17}.get(percentile, -3)
        text = f"{percentile} % ≤ {number:,}"
        # Several percentiles may share a value; only the highest of them gets a label.
        if high or following is None or percentiles[following] != number:
            axes.annotate(
                text, (max(number, 1), share), (-8 if high else 8, shift), fontsize=8.5,
                textcoords="offset points", ha="right" if high else "left", va="center", color=INK,
            )  # fmt: skip
    axes.set(
        xscale="log", ylim=(0, 1.09), xlabel=f"{value} (logarithmic)",
        ylabel=f"share of {whose} with at most so many", title=title,
    )  # fmt: skip
    _finish(axes, described)


def _long_tail(axes: Any, described: dict[str, Any]) -> None:
    for kind, colour, dashes, label in (
        ("prepared", AFTER, "-", "prepared"),
        ("raw", BEFORE, (0, (2, 2)), "as read"),
    ):
        if described[kind] is not None:
            curve = described[kind]["concentration"]
            axes.plot(
                curve["artists"], curve["share of plays"], color=colour, linestyle=dashes,
                linewidth=2 if kind == "prepared" else 1.4, label=label,
            )  # fmt: skip
    half = described["prepared"]["long tail"]["artists that make up half of all plays"]
    total = described["prepared"]["artists"]
    axes.plot([half], [0.5], "o", color=AFTER, markersize=5)
    axes.annotate(
        f"half of all plays go to\n{half:,} of {total:,} artists", (half, 0.5), (10, -4),
        textcoords="offset points", fontsize=9, va="top", color=INK,
    )  # fmt: skip
    axes.set(
        xscale="log", ylim=(0, 1.09), xlabel="the most played artists, how many (logarithmic)",
        ylabel="their share of all plays", title="The long tail",
    )  # fmt: skip
    _finish(axes, described)


def _finish(axes: Any, described: dict[str, Any]) -> None:
    from matplotlib.ticker import FuncFormatter, PercentFormatter

    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    least, most = axes.get_xlim()
    few = most < 100 * least  # labels at one or two powers of ten would not be enough
    between = FuncFormatter(lambda v, _: f"{v:,.0f}" if few and f"{v:e}"[0] in "25" else "")
    axes.xaxis.set_minor_formatter(between)
    axes.yaxis.set_major_formatter(PercentFormatter(1, 0))
    axes.grid(axis="both")
    axes.set_axisbelow(True)
    if described["raw"] is not None:
        axes.legend(loc="lower right", frameon=False)
