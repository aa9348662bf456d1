"""The plots of a description: four distributions on logarithmic axes, and the long tail."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from halfstep import pictures
from halfstep.colours import INK, LINES
from halfstep.datasets.description.distributions import DISTRIBUTIONS
from halfstep.datasets.description.words import Words, shown

AFTER, BEFORE = LINES[:2]
MARKED = ("5", "25", "50", "75", "95", "99", "99.9")
_HEIGHT = 3.5  # inches


def draw_plots(described: dict[str, Any]) -> dict[str, bytes]:
    """Return the plots of a description: names and contents of SVG files.

    Parameters
    ----------
    described : dict
        As `halfstep.datasets.describe` returns it.

    Returns
    -------
    dict of str to bytes
        Four distributions and the long tail, each with a light and a dark look.

    Raises
    ------
    InputError
        Matplotlib is not installed.

    See Also
    --------
    halfstep.datasets.describe : The numbers that are drawn.

    Examples
    --------
    Five drawings take some seconds, so this example is not run as a test.

    >>> from halfstep import load_data
    >>> from halfstep.datasets import describe, draw_plots
    >>> sorted(draw_plots(describe(load_data("music-small"))))[:2]  # doctest: +SKIP
    ['artists-per-user.svg', 'audience-per-artist.svg']
    """
    pictures.require_matplotlib()
    plots = {
        f"{name.replace(' ', '-')}.svg": _draw(partial(_distribution, described, name))
        for name in DISTRIBUTIONS
    }
    plots["long-tail.svg"] = _draw(partial(_long_tail, described))
    return plots


def _draw(draw: Callable[[Any], None]) -> bytes:
    with pictures.look():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(pictures.WIDTH, _HEIGHT), layout="constrained")
        draw(figure.subplots())
        return pictures.svg_file(figure)


def _distribution(described: dict[str, Any], name: str, axes: Any) -> None:
    words = Words(described["item"])
    whose = "users" if name.endswith("user") else words("artists")
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
        if number == 0:  # a logarithmic axis has no place for it; the curve begins above it
            continue
        axes.plot([number], [share], "o", color=AFTER, markersize=5, zorder=4)
        # At the very top the label stands to the left, because the next mark is to the right.
        high = share > 0.98
        shift = {"95": -7, "99": 8, "99.9": 17}.get(percentile, -3)
        text = f"{percentile} % ≤ {shown(number)}"
        # Several percentiles may share a value; only the highest of them gets a label.
        if high or following is None or percentiles[following] != number:
            axes.annotate(
                text, (number, share), (-8 if high else 8, shift), fontsize=8,
                textcoords="offset points", ha="right" if high else "left", va="center", color=INK,
            )  # fmt: skip
    axes.set(
        ylim=(0, 1.14), xlabel=words(f"axis of {name}"),
        ylabel=f"share of {whose} with at most so many", title=words(f"title of {name}"),
    )  # fmt: skip
    _finish(axes, described)


def _long_tail(described: dict[str, Any], axes: Any) -> None:
    words = Words(described["item"])
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
    # On the curve: with few items the last of them may lead far beyond a half.
    there = described["prepared"]["concentration"]
    share = float(np.interp(half, there["artists"], there["share of plays"]))
    axes.plot([half], [share], "o", color=AFTER, markersize=5)
    axes.annotate(
        words("half", half=half, total=total), (half, share), (10, -4),
        textcoords="offset points", fontsize=8.5, va="top", color=INK,
    )  # fmt: skip
    axes.set(
        ylim=(0, 1.09), xlabel=words("axis of tail"),
        ylabel=words("share of tail"), title="The long tail",
    )  # fmt: skip
    _finish(axes, described)


def _finish(axes: Any, described: dict[str, Any]) -> None:
    from matplotlib.ticker import PercentFormatter

    if any(np.any(np.asarray(line.get_xdata()) > 0) for line in axes.lines):
        axes.set(xscale="log", xlabel=f"{axes.get_xlabel()} (logarithmic)")
        pictures.label_log_axis(axes.xaxis, least=2)
    axes.yaxis.set_major_formatter(PercentFormatter(1, 0))
    axes.grid(axis="both")
    if described["raw"] is not None:
        axes.legend(loc="lower right")
