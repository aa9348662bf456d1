"""Plot a split-ratio curve: held-out quality against the share of the data that a model is fitted on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from halfstep import pictures
from halfstep.colours import LEVEL, LINES, PALE
from halfstep.errors import InputError
from halfstep.evaluation.protocols.baselines import BASELINES
from halfstep.evaluation.protocols.validation import Summary, Validation
from halfstep.files import whole_file

# Grey for the baselines.
_GREYS, _COLOURS = (PALE, LEVEL), LINES[:4]
_DASHES = ("dotted", "dashed")


def curve_of(
    results: Validation, metric: str, *, random_state: int = 0
) -> dict[str, dict[int, Summary]]:
    """Return {model: {per cent to train: summary}} of a curve's parts; several draws are combined."""
    shares: dict[int, list[str]] = {}
    for label in results.parts:
        match = re.search(r"(\d+)% to train$", label)
        if match is None:
            raise InputError(f"the parts must be those of a ratio-curve, got {label!r}")
        shares.setdefault(int(match[1]), []).append(label)
    curve: dict[str, dict[int, Summary]] = {name: {} for name in results.judged}
    for share, labels in sorted(shares.items()):
        point = Validation(
            {name: [r for r in rows if r.part in labels] for name, rows in results.judged.items()}
        )
        for name in curve:
            curve[name][share] = point.summaries(name, random_state=random_state)[metric]
    return curve


def plot_curve(results: Validation, path: Path, title: str, *, random_state: int = 0) -> None:
    """Write an SVG file with a panel for the first NDCG and one for the AUC.

    The bands are the 95 % bootstrap intervals over users, as in the table.

    Raises
    ------
    InputError
        The parts are those of another protocol, matplotlib is missing, or the file cannot be written.
    """
    pictures.require_matplotlib()
    per_user = next(iter(results.judged.values()))[0].per_user
    metrics = [next(m for m in per_user if m.startswith("ndcg")), "auc"]
    with pictures.look():
        from matplotlib.figure import Figure
        from matplotlib.ticker import PercentFormatter

        figure = Figure(figsize=(9.2, 4.4), layout="constrained")
        panels = figure.subplots(1, len(metrics))
        for panel, metric in zip(panels, metrics, strict=True):
            curve = curve_of(results, metric, random_state=random_state)
            for name, points in curve.items():
                _line(panel, name, points, list(curve))
            panel.set_title(metric, loc="left")
            panel.set_xlabel("share of each user's entries to fit on; the rest is held out")
            panel.set_xticks(list(next(iter(curve.values()))))
            panel.xaxis.set_major_formatter(PercentFormatter(decimals=0))
            panel.grid(axis="y")
        panels[0].set_ylim(bottom=0)
        panels[0].set_ylabel("mean over users, 95 % interval")
        note = "Further right, less is held out and hits are rarer: compare with the baselines."
        figure.suptitle(f"{title}\n{note}", x=0.01, ha="left", fontsize=10.5)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", ncols=len(labels))
        drawn = pictures.svg_file(figure)
        with whole_file(path) as file:
            file.write(drawn)


def _line(panel: Any, name: str, points: dict[int, Summary], names: list[str]) -> None:
    shares, summaries = list(points), list(points.values())
    baselines = list(BASELINES)
    if name in BASELINES:
        place = baselines.index(name)
        look: dict[str, Any] = {"color": _GREYS[place], "linestyle": _DASHES[place]}
    else:
        place = [other for other in names if other not in BASELINES].index(name)
        # Hollow markers, so that two models of the same quality are both visible.
        face: dict[str, Any] = {"markerfacecolor": "none", "markersize": 8} if place else {}
        look = {"color": _COLOURS[place % len(_COLOURS)], "linestyle": "solid", **face}
    means = [s.mean for s in summaries]
    # A mark at 0 lies half below the axis.
    mark: dict[str, Any] = {"marker": "o", "markersize": 4, "label": name, "clip_on": False}
    panel.plot(shares, means, **(mark | look))
    band = {"color": look["color"], "alpha": 0.18, "linewidth": 0}
    panel.fill_between(shares, [s.low for s in summaries], [s.high for s in summaries], **band)
