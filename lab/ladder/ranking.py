"""The exercise of top-k: the best items of scores that come a tile at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from halfstep.lab.judging import Judged
from halfstep.lab.ladder.comparing import whole_numbers
from halfstep.lab.ladder.exercise import Call, Exercise, Function, Problem, judge_memory

Items: TypeAlias = npt.NDArray[np.int64]
Scores: TypeAlias = npt.NDArray[Any]


def _filled(found: Any, n: int) -> Items:
    best = np.full(n, -1, np.int64)
    best[: min(n, len(found))] = found[:n]
    return best


def _best(scores: Scores, n: int, tile: int, higher_first: bool = False) -> Items:
    items = np.arange(len(scores))
    return _filled(np.lexsort((-items if higher_first else items, -scores)), n)


def _best_by_higher(scores: Scores, n: int, tile: int) -> Items:
    return _best(scores, n, tile, higher_first=True)


def _within_tiles(scores: Scores, n: int, tile: int) -> Items:
    best = _best(scores, n, tile)
    return np.where(best < 0, best, best % tile)


def _whole_tiles(scores: Scores, n: int, tile: int) -> Items:
    return _best(scores[: len(scores) // tile * tile], n, tile)


def _last_tile(scores: Scores, n: int, tile: int) -> Items:
    first = (len(scores) - 1) // tile * tile
    best = _best(scores[first:], n, tile)
    return np.where(best < 0, best, best + first)


def _one_a_tile(scores: Scores, n: int, tile: int) -> Items:
    """Return the best of the tiles' best items."""
    firsts = np.arange(0, len(scores), tile)
    heads = np.array([first + int(np.argmax(scores[first : first + tile])) for first in firsts])
    return _filled(heads[np.lexsort((heads, -scores[heads]))], n)


def _by_number(scores: Scores, n: int, tile: int) -> Items:
    best = _best(scores, n, tile)
    return _filled(np.sort(best[best >= 0]), n)


def _catalogues() -> list[Problem]:
    rng = np.random.default_rng(29)
    few = np.array([0.2, 0.9, 0.4, 0.7, 0.1, 0.8, 0.3, 0.6])
    return [
        Problem("8 items, no two alike", (few, 3, 4)),
        Problem("50 items, many alike, a last tile of 1", (rng.integers(0, 6, 50) / 4, 12, 7)),
        Problem("best items in the last, shorter tile", (np.arange(11.0) ** 2, 4, 4)),
        Problem("fewer items than are asked for", (rng.standard_normal(5), 8, 2)),
        Problem("a single tile", (-few, 2, 100)),
    ]


def _streamed(function: Function) -> Iterator[Call]:
    items, n, tile = 60_000, 10, 500
    scores = np.random.default_rng(30).standard_normal(items).astype(np.float32)

    def judge() -> Judged:
        said = (
            f"as many as all {items:,} scores take; a tile of {tile} has {tile * scores.itemsize:,}"
        )
        return judge_memory(
            lambda: function(scores, n, tile), scores.nbytes, "a tile and the best so far", said
        )

    yield f"{items:,} items, tiles of {tile}", f"an array of shape ({n},)", judge


BEST_ITEMS = Exercise(
    what="the best items of scores, tile by tile",
    returns="an array (n,) of whole numbers",
    problems=_catalogues,
    right=_best,
    mistakes={
        "the worst items come first": lambda scores, n, tile: _best(-scores, n, tile),
        "the places are those within a tile": _within_tiles,
        "only the last tile counts": _last_tile,
        "a tile gives its best item only": _one_a_tile,
        "the best items stand in the order of their numbers": _by_number,
        "the best items stand in the reverse order": lambda scores, n, tile: _filled(
            [item for item in _best(scores, n, tile)[::-1] if item >= 0], n
        ),
        "of equal scores the higher item comes first": _best_by_higher,
        "the last, shorter tile is left out": _whole_tiles,
    },
    compare=whole_numbers,
    more=_streamed,
)
