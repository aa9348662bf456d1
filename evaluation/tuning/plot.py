"""Plot a search: the metric against each parameter, with intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from halfstep import pictures
from halfstep.colours import INK, LINES, PALE, QUIET
from halfstep.errors import InputError
from halfstep.evaluation.tuning.search import Search
from halfstep.evaluation.tuning.space import Choice
from halfstep.evaluation.tuning.store import Trial
from halfstep.files import whole_file

# From few factors to many.
_COLOURS = tuple(LINES[place] for place in (4, 0, 2, 5, 3))
_BEST = LINES[1]
_NORMAL = 1.96
_PANEL = (3.4, 3.0)
missing = pictures.missing


def plot_search(search: Search, path: Path, title: str) -> None:
    """Write an SVG file with a panel for each parameter that varied.

    Every dot is a trial at its value of the parameter. The other parameters vary as well, so the upper
    edge of a cloud shows how good a value can be. The bar is the 95 % interval over users, 1.96
    standard errors each way; all trials are evaluated on the same users, so their differences are more
    certain. Grey dots without bars are pruned trials. Trials far below the rest are only counted, at
    the lower edge, so that they do not flatten the others.

    Parameters
    ----------
    search : Search
        With at least one trial that was not pruned.
    path : Path
        The SVG file to write; the drawing has both a light and a dark look.
    title : str
        A line above the panels.

    Raises
    ------
    InputError
        There is no complete trial, matplotlib is missing, or the file cannot be written.

    See Also
    --------
    halfstep.evaluation.tune : What makes a search.

    Examples
    --------
    A drawing takes some seconds, so this example is not run as a test.

    >>> from pathlib import Path
    >>> from halfstep import load_data
    >>> from halfstep.evaluation import Choice, Tuner, parts_of, plot_search, tune
    >>> parts = list(parts_of("per-user", load_data("music-small").interactions))
    >>> tuner = Tuner(parts, fixed={"confidence": "log"}, iterations=2, users=200)
    >>> search = tune(tuner, {"factors": Choice((4, 8))}, search="grid")
    >>> plot_search(search, Path("search.svg"), "two sizes")  # doctest: +SKIP
    """
    pictures.require_matplotlib()
    if not search.complete:
        raise InputError("the search must have a complete trial, got none")
    names = _varied(search.trials)
    columns = min(len(names), 3)
    rows = -(-len(names) // columns)
    with pictures.look():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(_PANEL[0] * columns, _PANEL[1] * rows + 0.9), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
        for panel, name in zip(panels, names, strict=False):
            _panel(panel, search, name)
        for panel in panels[len(names) :]:
            panel.set_axis_off()
        for row in range(rows):
            panels[row * columns].set_ylabel(search.metric)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10.5)
        handles, labels = _legend(search)
        figure.legend(handles, labels, loc="outside lower left", ncols=4, fontsize=8.5)
        drawn = pictures.svg_file(figure)
        with whole_file(path) as file:
            file.write(drawn)


def _varied(trials: list[Trial]) -> list[str]:
    """Return the names with more than one value: parameters of the search first, then the factors."""
    names = list(dict.fromkeys(name for t in trials for name in [*t.params, "factors"]))
    varied = [n for n in names if len({_value(t, n) for t in trials}) > 1]
    return varied or names[:1]


def _value(trial: Trial, name: str) -> Any:
    return trial.params.get(name, trial.settings.get(name))


def _panel(panel: Any, search: Search, name: str) -> None:
    axis = search.space.get(name)
    values = sorted({_value(t, name) for t in search.trials if _value(t, name) is not None})
    numeric = all(isinstance(v, int | float) for v in values)
    logarithmic = numeric and min(values) > 0 and max(values) >= 4 * min(values)
    few = isinstance(axis, Choice) or name == "factors"
    places = {v: float(k) for k, v in enumerate(values)} if few else {}
    sizes = _sizes(search)
    floor, below = _floor(search)
    rng = np.random.default_rng(0)

    def x_of(trial: Trial) -> float:
        value = _value(trial, name)
        # Dots at one value are spread a little, so that they do not hide each other.
        return places[value] + rng.uniform(-0.18, 0.18) if few else float(value)

    for trial in search.trials:
        if trial.value < floor:
            continue
        if trial.pruned:
            panel.plot(x_of(trial), trial.value, "o", color=PALE, markersize=3, zorder=1)
            continue
        place = x_of(trial)
        colour = _COLOURS[sizes.index(trial.settings.get("factors", 0)) % len(_COLOURS)]
        bar = {"color": colour, "markersize": 4, "elinewidth": 0.7, "zorder": 2}
        panel.errorbar(place, trial.value, _NORMAL * trial.error, fmt="o", **bar)
        if trial is search.simplest:
            panel.plot(place, trial.value, "s", color=INK, fillstyle="none", markersize=9)
        if trial is search.best:
            panel.plot(place, trial.value, "*", color=_BEST, markersize=13, zorder=3)
    if below:
        text = f"{below} trial{'s' * (below > 1)} lower"
        look = {"fontsize": 7.5, "color": QUIET, "ha": "right"}
        panel.annotate(text, (0.99, 0.02), xycoords="axes fraction", **look)
    if few:
        panel.set_xticks(list(places.values()), [_text(v) for v in values])
        panel.set_xlim(-0.6, len(values) - 0.4)
    elif logarithmic:
        panel.set_xscale("log")
        pictures.label_log_axis(panel.xaxis)
    lowest = min([floor, *(_low_end(t) for t in search.complete if t.value >= floor)])
    panel.set_ylim(bottom=lowest - 0.04 * (search.best.value - lowest))
    panel.grid(axis="y")
    panel.set_xlabel(name)


def _low_end(trial: Trial) -> float:
    """Return where the bar of a trial ends below."""
    return trial.value - _NORMAL * trial.error


def _floor(search: Search) -> tuple[float, int]:
    """Return the lowest value that is drawn, and how many trials lie below it."""
    values = np.array([t.value for t in search.trials])
    best = search.best.value
    reach = (
        3 * (best - float(np.median([t.value for t in search.complete]))) + 4 * search.best.error
    )
    floor = max(float(values.min()), best - reach, 0.0)
    return floor, int((values < floor).sum())


def _sizes(search: Search) -> list[int]:
    return sorted({t.settings.get("factors", 0) for t in search.trials})


def _legend(search: Search) -> tuple[list[Any], list[str]]:
    from matplotlib.lines import Line2D

    def dot(colour: str, marker: str = "o", **look: Any) -> Any:
        return Line2D([], [], color=colour, marker=marker, linestyle="none", **look)

    entries = [
        (dot(_COLOURS[k % len(_COLOURS)]), f"{size:,} factors")
        for k, size in enumerate(_sizes(search))
        if any(t.settings.get("factors", 0) == size for t in search.complete)
    ]
    if any(t.pruned for t in search.trials):
        entries.append((dot(PALE, markersize=3), "pruned"))
    entries.append((dot(_BEST, "*", markersize=11), "best"))
    square = dot(INK, "s", fillstyle="none", markersize=8)
    entries.append((square, "simplest within one standard error"))
    handles, labels = zip(*entries, strict=True)
    return list(handles), list(labels)


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
