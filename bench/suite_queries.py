"""The suite `queries`: recommendation and similarity against implicit, evaluation against the fit.

All contestants answer with the same factors, those of a short fit on the data. They take turns, each
repeat begins with the next one, and ratios are formed pair by pair. A score is one product of length f;
on a large catalogue the number of users is chosen so that they make about a billion scores.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from halfstep.bench.inputs import SplitDataset
from halfstep.bench.method.contestants import rotated
from halfstep.bench.method.timing import pairwise_ratio
from halfstep.bench.schema import Measure
from halfstep.bench.settings import BenchSettings
from halfstep.blas import blas_threads
from halfstep.evaluation.metrics.auc import sampled_auc
from halfstep.evaluation.metrics.held_out import evaluate
from halfstep.evaluation.trace import factors_of
from halfstep.solvers import SOLVERS, Solver

FACTORS = 64
ITERATIONS = 4
MOST_SCORES = 1_100_000_000
BATCHES = (256, 1024, 4096, 16384)
SINGLE_CALLS = 200

Work = dict[str, Callable[[], Any]]


def measure_queries(
    settings: BenchSettings, dataset: SplitDataset, say: Callable[[str], None]
) -> list[Measure]:
    """Return the seconds of every query, of this package and of its peers."""
    measures = []
    for factors in settings.factors or (FACTORS,):
        model = briefly_fitted(settings, dataset, factors)
        for group, reference, work in _groups(model, dataset):
            title = f"{group}, f = {factors}"
            measures += timed(title, reference, work, settings.repeats, say)
    return measures


def briefly_fitted(settings: BenchSettings, dataset: SplitDataset, factors: int) -> Solver:
    """Return the model that all contestants answer with."""
    model = SOLVERS["eigenbasis"](
        **settings.convention(),
        factors=factors,
        iterations=ITERATIONS,
        num_threads=settings.num_threads,
        random_state=settings.seed,
    )
    return model.fit(dataset.train, show_progress=False)


def timed(
    group: str, reference: str, work: Work, repeats: int, say: Callable[[str], None]
) -> list[Measure]:
    """Time each piece of work in turn, after one call that is not counted.

    Parameters
    ----------
    reference
        Whose seconds the speed-ups are formed with: a name in `work`, or the beginning of several names,
        of which the fastest counts; "" for none.
    """
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for repeat in range(-1, repeats):
        for name in rotated(list(work), max(0, repeat)):
            say(f"{group}: {name}, {'warming up' if repeat < 0 else f'repeat {repeat + 1}'}")
            began = time.perf_counter()
            work[name]()
            if repeat >= 0:
                seconds[name].append(time.perf_counter() - began)
    if reference in seconds:
        return compared(group, seconds, [reference])
    # A peer counts at its best setting.
    return compared(group, seconds, [name for name in seconds if name.startswith(reference)])


def compared(group: str, seconds: Mapping[str, list[float]], peers: Sequence[str]) -> list[Measure]:
    """Return a measure for each name, against the fastest of `peers`, or against nothing without any."""
    reference = min(peers, key=lambda name: float(np.median(seconds[name])), default="")
    return [
        Measure(
            group=group,
            name=name,
            seconds=values,
            reference=reference,
            speed_up=pairwise_ratio(seconds[reference], values) if reference else None,
        )
        for name, values in seconds.items()
    ]


def _groups(model: Solver, dataset: SplitDataset) -> list[tuple[str, str, Work]]:
    X, Y = factors_of(model)
    users = np.arange(min(len(X), max(1, MOST_SCORES // len(Y))))
    items = np.arange(min(len(Y), max(1, MOST_SCORES // len(Y))))
    train, test = dataset.train, dataset.test
    of_users, one = train[users], train[7]
    peer = implicit_model(X, Y)
    top: Work = {"halfstep": lambda: model.recommend(users, of_users, N=10)}
    alike: Work = {"halfstep": lambda: model.similar_items(items, N=10)}
    single: Work = {"halfstep": lambda: _often(lambda: model.recommend(7, one, N=10))}
    if peer is not None:
        for size in BATCHES:
            top[f"implicit, batches of {size}"] = lambda size=size: batches(  # type: ignore[misc]
                lambda part: peer.recommend(users[part], train[users[part]], N=10), users, size
            )
            alike[f"implicit, batches of {size}"] = lambda size=size: batches(  # type: ignore[misc]
                lambda part: peer.similar_items(items[part], N=10), items, size
            )
        single["implicit"] = lambda: _often(lambda: peer.recommend(7, one, N=10))
    weights = model.weights(train)
    held = np.flatnonzero(np.diff(test.indptr))
    some = np.intersect1d(held, users)

    def two_iterations() -> None:
        A, B = X, Y
        for _ in range(2):
            A = model.half_step(weights[0].fixing(B), A)
            B = model.half_step(weights[1].fixing(A), B)

    quality: Work = {
        "halfstep": lambda: evaluate(X, Y, train, test, ks=(10, 20), users=some),
        "two iterations of the fit": two_iterations,
        "the product of all factors alone, NumPy": lambda: _product(X, Y, some),
    }
    entries = f"{len(users):,} users of {len(Y):,} items"
    return [
        (f"Top 10 for {entries}, those liked left out", "implicit", top),
        (f"10 most similar of {len(Y):,} items, for {len(items):,}", "implicit", alike),
        (f"Top 10 for one user, {SINGLE_CALLS} times", "implicit", single),
        (
            f"NDCG@10, recall@20 and exact AUC of {len(some):,} users, {len(Y):,} items",
            "two iterations of the fit",
            quality,
        ),
        (
            f"Sampled AUC of {len(held):,} users, {test.nnz:,} held-out entries",
            "",
            {"halfstep": lambda: sampled_auc(X, Y, train, test, random_state=0)},
        ),
    ]


def implicit_model(X: Any, Y: Any) -> Any:
    """Return implicit's CPU model with these factors, or None where it is not installed."""
    if SOLVERS["implicit_cpu"].unavailable() is not None:
        return None
    from implicit.cpu.als import AlternatingLeastSquares

    with warnings.catch_warnings(), blas_threads(1):
        warnings.simplefilter("ignore")
        model = AlternatingLeastSquares(factors=X.shape[1])
    model.user_factors, model.item_factors = X, Y
    return model


def batches(ask: Callable[[slice], Any], ids: Any, size: int) -> None:
    """Ask implicit for all ids, `size` at a time, with one thread of the BLAS.

    It shares a batch among its own threads; with BLAS threads as well it takes up to twice as long.
    """
    with blas_threads(1):
        for start in range(0, len(ids), size):
            ask(slice(start, start + size))


def _often(ask: Callable[[], Any]) -> None:
    for _ in range(SINGLE_CALLS):
        ask()


def _product(X: Any, Y: Any, users: Any) -> None:
    block = np.empty((256, len(Y)), X.dtype)
    for start in range(0, len(users), 256):
        part = X[users[start : start + 256]]
        np.matmul(part, Y.T, out=block[: len(part)])
