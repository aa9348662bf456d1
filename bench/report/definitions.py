"""What other libraries call by the names of our metrics, each by its definition, on one small example.

The definitions are written here in a few lines each, from the libraries' documentation; those of
implicit and irspack are tested against the libraries. `halfstep.bench.report.metrics_page` makes a page
of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log2
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

K = 3
# What each user has, what is held out, and the model's scores of the eight items.
TRAIN = ((0,), (1,), (2,), (7,))
TEST = ((1, 2), (0, 3, 4, 5), (6,), (3, 5))
SCORES = (
    (9, 8, 1, 7, 6, 5, 4, 3),
    (1, 9, 8, 7, 2, 6, 3, 4),
    (8, 7, 9, 6, 5, 4, 3, 2),
    (1, 2, 3, 4, 5, 6, 7, 8),
)
ITEMS = 8
LIBRARIES = ("implicit", "irspack", "LensKit", "RecBole", "trec_eval")


class Ranked(NamedTuple):
    """One user's items that are not in train, best first, and which of them are held out."""

    items: tuple[int, ...]
    hits: tuple[bool, ...]

    @property
    def top(self) -> tuple[bool, ...]:
        """The hits of the list of length K."""
        return self.hits[:K]

    @property
    def held_out(self) -> int:
        """Number of held-out items, n."""
        return sum(self.hits)

    @property
    def area(self) -> float:
        """Share of the pairs of a held-out and a negative item that are in the right order."""
        negatives = len(self.hits) - self.held_out
        above = sum(
            self.hits[better] and not self.hits[worse]
            for worse in range(len(self.hits))
            for better in range(worse)
        )
        return above / (self.held_out * negatives)


Definition = Callable[[Sequence[Ranked]], float]


def example() -> list[Ranked]:
    """Return the four users' rankings."""
    found = []
    for seen, wanted, scores in zip(TRAIN, TEST, SCORES, strict=True):
        unseen = [item for item in range(ITEMS) if item not in seen]
        items = tuple(sorted(unseen, key=lambda item, of=scores: -of[item]))  # type: ignore[misc]
        found.append(Ranked(items, tuple(item in wanted for item in items)))
    return found


def matrices() -> tuple[csr_matrix, csr_matrix]:
    """Return the example's train and test, shape (4, 8), with ones."""
    dense = np.zeros((2, len(TRAIN), ITEMS))
    for part, rows in zip(dense, (TRAIN, TEST), strict=True):
        for row, items in zip(part, rows, strict=True):
            row[list(items)] = 1
    return csr_matrix(dense[0]), csr_matrix(dense[1])


def average_precision(user: Ranked) -> float:
    """Return the sum of the precisions at the ranks of the hits of a list, not yet divided."""
    return float(sum(hit * sum(user.top[:r]) / r for r, hit in enumerate(user.top, 1)))


def gain(hits: Sequence[bool], clipped: bool = False) -> float:
    """Return the sum of 1 / log2(rank + 1) over hits; clipped: of 1 / max(1, log2(rank))."""
    return sum(
        hit / (max(1.0, log2(rank)) if clipped else log2(rank + 1))
        for rank, hit in enumerate(hits, 1)
    )


def _mean(of_user: Callable[[Ranked], float]) -> Definition:
    return lambda users: sum(map(of_user, users)) / len(users)


def _capped(user: Ranked) -> int:
    return min(K, user.held_out)


def _ndcg(clipped: bool) -> Definition:
    return _mean(lambda u: gain(u.top, clipped) / gain([True] * _capped(u), clipped))


def _implicit_precision(users: Sequence[Ranked]) -> float:
    return sum(sum(u.top) for u in users) / sum(map(_capped, users))


def _implicit_area(user: Ranked) -> float:
    """Area of a curve that is known up to rank K and goes straight to its end from there.

    All items that are not held out are negatives, those that the user has in train too.
    """
    positives = user.held_out
    negatives = ITEMS - positives
    hits, misses, area = 0, 0, 0.0
    for hit in user.top:
        hits, misses, area = hits + hit, misses + (not hit), area + (0 if hit else hits)
    area += (hits + positives) / 2 * (negatives - misses)
    return area / (positives * negatives)


def _grouped_area(users: Sequence[Ranked]) -> float:
    return sum(u.held_out * u.area for u in users) / sum(u.held_out for u in users)


def _exposure(users: Sequence[Ranked]) -> list[int]:
    listed = [item for user in users for item in user.items[:K]]
    return sorted(listed.count(item) for item in range(ITEMS))


def _coverage(users: Sequence[Ranked]) -> float:
    return sum(count > 0 for count in _exposure(users)) / ITEMS


def _gini(users: Sequence[Ranked]) -> float:
    counts = _exposure(users)
    pairs = sum(abs(a - b) for a in counts for b in counts)
    return pairs / (2 * ITEMS * sum(counts))


_PRECISION = _mean(lambda u: sum(u.top) / K)
_RECALL = _mean(lambda u: sum(u.top) / u.held_out)
_RECALL_CAPPED = _mean(lambda u: sum(u.top) / _capped(u))
_NDCG = _ndcg(clipped=False)
_MAP = _mean(lambda u: average_precision(u) / _capped(u))
_MAP_BY_ALL = _mean(lambda u: average_precision(u) / u.held_out)
_HIT = _mean(lambda u: float(any(u.top)))

# For each metric of ours, the name and the definition of it in each library that has something like it.
THEIRS: dict[str, dict[str, tuple[str, Definition]]] = {
    "precision": {
        "implicit": ("precision", _implicit_precision),
        "irspack": ("precision", _PRECISION),
        "LensKit": ("Precision", _PRECISION),
        "RecBole": ("precision", _PRECISION),
        "trec_eval": ("P", _PRECISION),
    },
    "recall": {
        "irspack": ("recall", _RECALL),
        "RecBole": ("recall", _RECALL),
        "trec_eval": ("recall", _RECALL),
    },
    "recall_capped": {"LensKit": ("Recall", _RECALL_CAPPED)},
    "ndcg": {
        "implicit": ("ndcg", _NDCG),
        "irspack": ("ndcg", _NDCG),
        "LensKit": ("NDCG", _ndcg(clipped=True)),
        "RecBole": ("ndcg", _NDCG),
        "trec_eval": ("ndcg_cut", _NDCG),
    },
    "map": {
        "implicit": ("map", _MAP),
        "irspack": ("map", _MAP_BY_ALL),
        "LensKit": ("AveragePrecision", _MAP),
        "RecBole": ("map", _MAP),
        "trec_eval": ("map_cut", _MAP_BY_ALL),
    },
    "hit_rate": {
        "irspack": ("hit", _HIT),
        "LensKit": ("Hit", _HIT),
        "RecBole": ("hit", _HIT),
        "trec_eval": ("success", _HIT),
    },
    "auc": {
        "implicit": ("auc", _mean(_implicit_area)),
        "RecBole": ("gauc", _grouped_area),
    },
    "coverage": {
        "irspack": ("catalog_coverage", _coverage),
        "RecBole": ("itemcoverage", _coverage),
    },
    "gini": {
        "irspack": ("gini_index", _gini),
        "RecBole": ("giniindex", _gini),
    },
}


def ours() -> dict[str, float]:
    """Return our metrics of the example, by the names of `THEIRS`."""
    from halfstep.evaluation.metrics.held_out import evaluate

    train, test = matrices()
    found = evaluate(np.array(SCORES, float), np.eye(ITEMS), train, test, ks=(K,), beyond=True)
    means = {name.removesuffix(f"@{K}"): value for name, value in found.means().items()}
    return {**means, "coverage": found.coverage[K], "gini": found.gini[K]}
