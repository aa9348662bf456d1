"""What attributes cost: fits with and without them, in turns in one process, compared by ratio."""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
from scipy import sparse

from halfstep.bench.features.data import unit_rows
from halfstep.bench.features.entrants import THREADS

TAGS_EACH = 6
ITERATIONS = 5


def random_tags(items: int, tags: int, seed: int = 0) -> sparse.csr_matrix:
    """Return about 6 of `tags` attributes for each item, the common ones as often as Zipf has it."""
    rng = np.random.default_rng(seed)
    share = 1 / np.arange(1, tags + 1)
    drawn = rng.choice(tags, size=(items, TAGS_EACH), p=share / share.sum())
    rows = np.repeat(np.arange(items), TAGS_EACH)
    given = sparse.csr_matrix(
        (np.ones(drawn.size, np.float32), (rows, drawn.ravel())), shape=(items, tags)
    )
    given.data[:] = 1
    return unit_rows(given)


def cost(
    data: str = "music-medium",
    factors: int = 64,
    tags: tuple[int, ...] = (100, 1000, 10_000),
    repeats: int = 5,
) -> list[dict[str, Any]]:
    """Return, for each number of attributes, the seconds of both fits and the median of their ratios."""
    from halfstep import AlternatingLeastSquares, load_data

    loaded = load_data(data)
    matrix = loaded.interactions
    rows = []
    for count in tags:
        attributes = random_tags(matrix.shape[1], count)
        seconds: dict[str, list[float]] = {"without": [], "with": []}
        for turn in range(repeats + 1):
            for name in ("without", "with") if turn % 2 else ("with", "without"):
                model = AlternatingLeastSquares(
                    factors=factors, confidence="log", regularization=20.0,
                    iterations=ITERATIONS, num_threads=THREADS, random_state=0,
                )  # fmt: skip
                given = {"item_features": attributes} if name == "with" else {}
                start = time.perf_counter()
                model.fit(matrix, show_progress=False, **given)
                if turn:  # the first turn compiles and warms up
                    seconds[name].append(time.perf_counter() - start)
        ratios = [a / b for a, b in zip(seconds["with"], seconds["without"], strict=True)]
        rows.append(
            {
                "data": loaded.name,
                "entries": int(matrix.nnz),
                "items": matrix.shape[1],
                "factors": factors,
                "iterations": ITERATIONS,
                "attributes": count,
                "seconds": seconds,
                "ratio": statistics.median(ratios),
                "ratios": ratios,
            }
        )
    return rows
