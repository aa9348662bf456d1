"""The suite `evaluation`: metrics and lists of all users, against the product of all factors alone.

No evaluation that forms every score can be faster than the matrix product of all factors. So the
product is the yardstick: float32, at the BLAS's best, which is one BLAS thread for each core and blocks
of scores that stay in its cache; the shape of the blocks is the fastest of several. Contestants take
turns, and ratios are formed pair by pair.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from halfstep.bench.inputs import SplitDataset
from halfstep.bench.schema import Measure
from halfstep.bench.settings import BenchSettings
from halfstep.bench.suite_queries import (
    Work,
    batches,
    briefly_fitted,
    implicit_model,
    timed,
)
from halfstep.blas import blas_threads
from halfstep.evaluation.metrics.held_out import evaluate
from halfstep.evaluation.trace import factors_of
from halfstep.kernels.cpu.ranking import Lists, rank
from halfstep.kernels.cpu.threads import cores, spread

FACTORS = (64, 128)
CUT_OFFS = (10, 20)
PRODUCT = "the product of all factors alone, at the BLAS's best"
# Users and items of a block; and how many users a probe of each shape takes.
SHAPES = ((256, 1024), (1024, 512), (1024, 1024), (1024, 2048), (2048, 512))
PROBE = 4096
# What implicit was fastest with, of 256 to 16,384.
IMPLICIT_BATCH = 1024


def measure_evaluation(
    settings: BenchSettings, dataset: SplitDataset, say: Callable[[str], None]
) -> list[Measure]:
    """Return the seconds of all metrics and of all users' lists, and of the product alone."""
    measures = []
    for factors in settings.factors or FACTORS:
        model = briefly_fitted(settings, dataset, factors)
        for group, work in _groups(model, dataset, settings.num_threads):
            measures += timed(f"{group}, f = {factors}", PRODUCT, work, settings.repeats, say)
    return measures


def _groups(model: Any, dataset: SplitDataset, num_threads: int) -> list[tuple[str, Work]]:
    X, Y = factors_of(model)
    train, test = dataset.train, dataset.test
    users = np.flatnonzero(np.diff(test.indptr))
    of_users = train[users]
    liked = Lists(of_users.indptr.astype(np.int64), of_users.indices)
    shape = best_shape(X, Y, users, num_threads)

    def product() -> None:
        multiply(X, Y, users, shape, num_threads)

    def metrics(auc: bool) -> None:
        evaluate(X, Y, train, test, ks=CUT_OFFS, users=users, auc=auc, num_threads=num_threads)

    quality: Work = {
        PRODUCT: product,
        "halfstep, all metrics": lambda: metrics(True),
        "halfstep, all metrics but the AUC": lambda: metrics(False),
    }
    lists: Work = {
        PRODUCT: product,
        "halfstep": lambda: model.recommend(users, of_users, N=10),
        "halfstep, every score formed": lambda: rank(
            X, Y, users, 10, excluded=liked, num_threads=num_threads, bounded=False
        ),
    }
    peer = implicit_model(X, Y)
    if peer is not None:
        from implicit.evaluation import ranking_metrics_at_k

        def theirs() -> None:
            with blas_threads(1):
                ranking_metrics_at_k(
                    peer, train, test, K=20, show_progress=False, num_threads=num_threads
                )

        quality["implicit, metrics of 20 ranks"] = theirs
        lists["implicit"] = lambda: batches(
            lambda part: peer.recommend(users[part], of_users[part], N=10), users, IMPLICIT_BATCH
        )
    entries = f"{len(users):,} users of {len(Y):,} items"
    return [
        (f"Exact AUC, NDCG, recall, MAP and coverage of {entries}", quality),
        (f"Top 10 for {entries}, those liked left out", lists),
    ]


def best_shape(X: Any, Y: Any, users: Any, num_threads: int) -> tuple[int, int]:
    """Return the shape of `SHAPES` whose blocks are multiplied fastest, at the best of three tries."""

    def seconds(shape: tuple[int, int]) -> float:
        began = time.perf_counter()
        multiply(X, Y, users[:PROBE], shape, num_threads)
        return time.perf_counter() - began

    return min(SHAPES, key=lambda shape: min(seconds(shape) for _ in range(3)))


def multiply(X: Any, Y: Any, users: Any, shape: tuple[int, int], num_threads: int) -> None:
    """Form every score of the users, block by block, in a buffer for each thread."""
    few, items = shape

    def run(start: int, block: Any) -> None:
        part = X[users[start : start + few]]
        for first in range(0, len(Y), items):
            some = Y[first : first + items]
            # A block at the edge is written to the buffer's beginning, so that it is contiguous too.
            size = len(part), len(some)
            np.matmul(part, some.T, out=block[: size[0] * size[1]].reshape(size))

    with blas_threads(1):
        spread(
            range(0, len(users), few),
            cores(num_threads),
            lambda: np.empty(few * items, X.dtype),
            run,
        )
