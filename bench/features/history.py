"""What attributes give to users of short history: the figure and the table of docs/side-information.md.

    python -m halfstep.bench.features.history docs/side-information.md

Generated listeners have three of thirty attributes, which explain a known share of their tastes, and
from 10 to 90 songs. A model is fitted to four fifths of them. Of each other listener it gets the first L
songs, in random order, and the attributes; it is judged by the songs beyond the first 32. Three ways to
use attributes are compared, each with the best of its settings for half of these listeners, and judged
on the other half:

* none: the plain model;
* *concatenated*: the attributes are columns beside the songs, as if they were songs that the listener
  plays, with a weight; a familiar trick that any ALS can do;
* *prior mean*: `fit(..., user_features=F)`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from halfstep import AlternatingLeastSquares, pictures
from halfstep.errors import InputError
from halfstep.evaluation.metrics.intervals import bootstrap_intervals
from halfstep.files import whole_file
from halfstep.marked_sections import rewrite_sections
from halfstep.types import Floats

LENGTHS = (0, 1, 2, 4, 8, 16, 32)
NAMES = ("no attributes", "concatenated", "prior mean")
LENGTH = 10
_RIDGES = (10.0, 30.0, 100.0)
_STRENGTHS = (1.0, 10.0, 100.0)  # of the attributes' ridge, in multiples of lambda
_SCALES = (0.1, 0.5, 2.0)  # of the attributes as plays
_DISCOUNTS = 1 / np.log2(np.arange(2, LENGTH + 2))


class Listeners(NamedTuple):
    """Listeners (users, songs) of plays, in the order in which each found them, and their attributes."""

    order: list[Any]
    attributes: sparse.csr_matrix
    songs: int


class Curve(NamedTuple):
    """NDCG@10 by length of history: means over users, with 95 % intervals; and the setting chosen."""

    mean: list[float]
    low: list[float]
    high: list[float]
    setting: str


def drawn(
    users: int = 3000, songs: int = 1500, kinds: int = 30, factors: int = 12, seed: int = 0
) -> Listeners:
    """Return listeners whose attributes explain 0.6 of the variance of their tastes."""
    rng = np.random.default_rng(seed)
    chosen = np.argsort(rng.random((users, kinds)), axis=1)[:, :3]
    ones = np.full(chosen.size, 3**-0.5)
    F = sparse.csr_matrix((ones, chosen.ravel(), np.arange(users + 1) * 3), (users, kinds))
    F.sort_indices()
    known = F @ rng.standard_normal((kinds, factors))
    tastes = np.sqrt(0.6) * known + np.sqrt(0.4) * rng.standard_normal((users, factors))
    of_songs = rng.standard_normal((songs, factors)) * 1.5 / np.sqrt(factors)
    drawn = 1.5 * tastes @ of_songs.T + rng.standard_normal(songs) + rng.gumbel(size=(users, songs))
    counts = np.clip(rng.lognormal(3.4, 0.6, users), 10, 90).astype(int)
    counts[: users // 5] = 45  # those who are judged
    order = [rng.permutation(np.argsort(-row)[:n]) for row, n in zip(drawn, counts, strict=True)]
    return Listeners(order, F, songs)


def matrix_of(order: list[Any], songs: int, most: int | None = None) -> sparse.csr_matrix:
    """Return the first `most` songs of each listener as a matrix of ones; None means all."""
    rows = [np.sort(row[:most]) for row in order]
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    columns = np.concatenate([*rows, np.empty(0, int)]).astype(np.int64)
    return sparse.csr_matrix((np.ones(len(columns)), columns, indptr), (len(rows), songs))


def curves(data: Listeners, seed: int = 0) -> dict[str, Curve]:
    """Return the quality by length of history of each way to use attributes."""
    judged = len(data.order) // 5
    train = matrix_of(data.order[judged:], data.songs)
    of_train, of_judged = data.attributes[judged:], data.attributes[:judged]
    histories = {most: matrix_of(data.order[:judged], data.songs, most) for most in LENGTHS}
    tuning, test = np.arange(0, judged, 2), np.arange(1, judged, 2)
    found = {}
    for name, ways in _ways(train, of_train, of_judged).items():
        results = []
        for setting, fit in ways.items():
            answer = fit()
            ndcg = np.stack([_ndcg(*answer(rows), rows, data) for rows in histories.values()])
            results.append((ndcg[:, tuning].mean(), ndcg[:, test], setting))
        _, best, setting = max(results, key=lambda result: result[0])
        low, high = bootstrap_intervals(best, random_state=seed).T.tolist()
        found[name] = Curve(best.mean(axis=1).tolist(), low, high, setting)
    return found


def _ways(
    train: sparse.csr_matrix, F: sparse.csr_matrix, of_judged: sparse.csr_matrix
) -> dict[str, dict[str, Callable[[], Any]]]:
    """Return, for each way and setting, what fits it: then called with histories it gives X and Y."""

    def model(lam: float, **more: Any) -> AlternatingLeastSquares:
        return AlternatingLeastSquares(
            12, confidence="linear", alpha=10.0, regularization=lam, random_state=0, **more
        )

    def plain(lam: float) -> Any:
        found = model(lam).fit(train, False)
        return lambda rows: (found.recalculate_user(_ids(rows), rows), found.item_factors)

    def concatenated(lam: float, scale: float) -> Any:
        found = model(lam).fit(sparse.hstack([train, scale * F], "csr"), False)

        def answer(rows: sparse.csr_matrix) -> tuple[Floats, Floats]:
            both = sparse.hstack([rows, scale * of_judged], "csr")
            return found.recalculate_user(_ids(rows), both), found.item_factors[: rows.shape[1]]

        return answer

    def prior(lam: float, strength: float) -> Any:
        found = model(lam, feature_regularization=strength * lam).fit(train, False, user_features=F)
        known = {"user_features": of_judged}
        return lambda rows: (
            found.recalculate_user(_ids(rows), rows, **known),
            found.item_factors,
        )

    ways: dict[str, dict[str, Callable[[], Any]]] = {name: {} for name in NAMES}
    for lam in _RIDGES:
        text = f"lambda {lam:g}"
        ways[NAMES[0]][text] = partial(plain, lam)
        for scale in _SCALES:
            name = f"{text}, attributes as {scale:g} plays"
            ways[NAMES[1]][name] = partial(concatenated, lam, scale)
        for strength in _STRENGTHS:
            ways[NAMES[2]][f"{text}, mu {strength * lam:g}"] = partial(prior, lam, strength)
    return ways


def _ids(rows: sparse.csr_matrix) -> Any:
    return np.arange(rows.shape[0])


def _ndcg(X: Floats, Y: Floats, history: sparse.csr_matrix, data: Listeners) -> Floats:
    """Return each judged listener's NDCG@10 over the songs beyond the first 32; ties in random order."""
    shuffled = np.random.default_rng(0).permutation(data.songs)
    scores = X @ Y[shuffled].T
    scores[history.toarray()[:, shuffled] > 0] = -np.inf
    left = [row[max(LENGTHS) :] for row in data.order[: len(X)]]
    top = shuffled[np.argsort(-scores, axis=1, kind="stable")[:, :LENGTH]]
    hits = np.array([np.isin(one, rest) for one, rest in zip(top, left, strict=True)])
    ideal = np.cumsum(_DISCOUNTS)[np.minimum([len(rest) for rest in left], LENGTH) - 1]
    gains: Floats = hits @ _DISCOUNTS / ideal
    return gains


def table(found: Mapping[str, Curve]) -> str:
    """Return the curves as a Markdown table."""
    head = " | ".join(["songs known", *map(str, LENGTHS)])
    lines = [f"| {head} |", f"| --- |{' ---: |' * len(LENGTHS)}"]
    for name, curve in found.items():
        cells = [
            f"{mean:.3f} ({low:.3f}–{high:.3f})"
            for mean, low, high in zip(curve.mean, curve.low, curve.high, strict=True)
        ]
        lines.append(" | ".join([f"| {name}, {curve.setting}", *cells]) + " |")
    return "\n".join(lines)


def draw(found: Mapping[str, Curve], path: Path) -> None:
    """Draw the curves as an SVG."""
    pictures.require_matplotlib()
    with pictures.look():
        from matplotlib.figure import Figure

        from halfstep.colours import INK, LINES

        figure = Figure(figsize=(pictures.WIDTH, 3.4), layout="constrained")
        panel = figure.subplots()
        places = range(len(LENGTHS))
        looks = zip((INK, *LINES), ("dotted", "dashed", "solid"), strict=False)
        for (name, curve), (colour, dashes) in zip(found.items(), looks, strict=True):
            panel.plot(
                places, curve.mean, marker="o", color=colour, linestyle=dashes, label=name,
                clip_on=False,
            )  # fmt: skip
            panel.fill_between(places, curve.low, curve.high, color=colour, alpha=0.18, linewidth=0)
        panel.set_xticks(list(places), [str(length) for length in LENGTHS])
        panel.set_ylim(bottom=0)
        panel.set_xlabel("songs known of a new listener")
        panel.set_ylabel("NDCG@10 on the others, 95 % interval")
        panel.grid(axis="y")
        panel.legend(loc="lower right")
        with whole_file(path) as file:
            file.write(pictures.svg_file(figure))


def main(arguments: list[str] | None = None) -> int:
    """Measure, and write the picture and the section of the page."""
    given = sys.argv[1:] if arguments is None else arguments
    if len(given) != 1:
        raise SystemExit("usage: python -m halfstep.bench.features.history PAGE")
    page = Path(given[0])
    try:
        found = curves(drawn())
        draw(found, page.parent / "pictures" / "history-length.svg")
        rewrite_sections(page, {"history-length": lambda: table(found)})
    except InputError as error:
        print(f"halfstep: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
