"""Top 10 for all users on the card beside `implicit`'s CUDA backend, evaluation, and an option.

Both recommend from the same factors and leave out the items that a user already likes; both take host
arrays and return host arrays, as callers use them. The peer is asked in batches, because it holds
users x items scores in memory. Where there is no time for all users fewer are asked, and the record
says how many.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from halfstep.bench.gpu.contest import memory_pool
from halfstep.evaluation.metrics.held_out import evaluate
from halfstep.kernels.device.options import OPTIONS, optional
from halfstep.solvers import SOLVERS
from halfstep.solvers.peers.implicit_gpu import cuda_backend

BATCHES = (1024, 8192)
_RUNG = "gpu_cg_7_half"
_FIRST, _COMPARED = 4096, 1000
_REPEATS = 2
Ask = Callable[[Any], Any]


class Fitted(NamedTuple):
    """A model of the GPU, the canonical matrix that it was fitted to, and what was held out."""

    model: Any
    train: sparse.csr_matrix
    test: sparse.csr_matrix


def fitted(matrix: sparse.csr_matrix, factors: int) -> Fitted:
    """Hold out one entry in ten of a canonical matrix, and fit the others."""
    train, test = held_out(matrix)
    solver: Any = SOLVERS[_RUNG]
    model = solver(
        factors=factors, iterations=2, random_state=0, confidence="log", regularization=20.0
    )
    return Fitted(model.fit(train, show_progress=False), train, test)


def measure(of: Fitted, seconds: float, peers: dict[str, Ask] | None = None) -> dict[str, Any]:
    """Return the seconds of recommendation and of evaluation, and the comparisons with peer and CPU.

    Parameters
    ----------
    seconds
        About how long this may take.
    peers
        By name, functions of an array of users that return (items, scores); None for `implicit`'s CUDA
        backend.
    """
    model, train, test = of
    reason = ""
    if peers is None:
        peers, reason = _implicit(model, train)
    work: dict[str, Ask] = {
        "halfstep": lambda users: model.recommend(users, _rows(train, users), N=10),
        **peers,
    }
    everyone = np.arange(train.shape[0])
    users, taken = _as_many_as_fit(work, everyone, 0.6 * seconds)
    times: dict[str, list[float]] = {name: [] for name in work}
    for repeat in range(_REPEATS):
        for name in list(work)[:: -1 if repeat % 2 else 1]:
            times[name].append(_seconds(partial(work[name], users)))
    medians = {name: float(np.median(each)) for name, each in times.items()}
    best = min((name for name in peers), key=lambda name: medians[name], default=None)
    return {
        "factors": model.factors,
        "items": train.shape[1],
        "users": len(everyone),
        "users_asked": len(users),
        "seconds": times,
        "first_seconds": taken,
        "reference": best,
        "speed_up": medians[best] / medians["halfstep"] if best else None,
        "same_lists": _overlap(work, best, everyone) if best else None,
        "no_reference": reason or None,
        "evaluation": _evaluation(model, train, test, 0.25 * seconds),
    }


def try_coarse(of: Fitted, seconds: float) -> dict[str, Any]:
    """Return what the option `coarse-top-k` changes: nothing but the seconds, if all is well."""
    name = "coarse-top-k"

    def plain(users: Any) -> Any:
        return of.model.recommend(users, _rows(of.train, users), N=10)

    def coarse(users: Any) -> Any:
        with optional(name):
            return plain(users)

    work: dict[str, Ask] = {"off": plain, "on": coarse}
    found: dict[str, Any] = {
        "option": name, "description": OPTIONS[name], "solver": _RUNG,
        "factors": of.model.factors, "objective_difference": None,
    }  # fmt: skip
    try:
        users, _ = _as_many_as_fit(work, np.arange(of.train.shape[0]), 0.6 * seconds)
        off, on = ([np.asarray(part) for part in ask(users)] for ask in work.values())
        times = [[_seconds(partial(ask, users)) for _ in range(_REPEATS)] for ask in work.values()]
    except Exception as error:  # what else was found must be recorded
        return {**found, "error": f"{type(error).__name__}: {error}"[:300], "equal": False}
    return {
        **found, "users": len(users),
        "equal": all(a.tobytes() == b.tobytes() for a, b in zip(off, on, strict=True)),
        "seconds_off": float(np.median(times[0])), "seconds_on": float(np.median(times[1])),
    }  # fmt: skip


def held_out(matrix: sparse.csr_matrix) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Return (train, test): one entry in ten, drawn at random, is in test; both canonical."""
    chosen = np.random.default_rng(1).random(matrix.nnz) < 0.1
    parts = []
    for kept in (~chosen, chosen):
        ends = np.concatenate([[0], np.cumsum(kept)])
        part = sparse.csr_matrix(
            (matrix.data[kept], matrix.indices[kept], ends[matrix.indptr]), shape=matrix.shape
        )
        part.has_canonical_format = True
        parts.append(part)
    return parts[0], parts[1]


def _implicit(model: Any, train: sparse.csr_matrix) -> tuple[dict[str, Ask], str]:
    gpu, reason = cuda_backend()
    if gpu is None:
        return {}, reason
    from implicit.gpu.als import AlternatingLeastSquares

    pool = memory_pool()
    if pool is not None:
        pool.free_all_blocks()  # the peer does not allocate from CuPy's pool
    peer = AlternatingLeastSquares(factors=model.factors)
    peer.user_factors = gpu.Matrix(model.user_factors)
    peer.item_factors = gpu.Matrix(model.item_factors)

    def in_batches(size: int) -> Ask:
        def ask(users: Any) -> Any:
            parts = [users[start : start + size] for start in range(0, len(users), size)]
            found = [peer.recommend(part, _rows(train, part), N=10)[0] for part in parts]
            return np.concatenate(found), None

        return ask

    return {f"implicit_gpu, batches of {size}": in_batches(size) for size in BATCHES}, ""


def _rows(matrix: sparse.csr_matrix, users: Any) -> sparse.csr_matrix:
    return matrix if len(users) == matrix.shape[0] else matrix[users]


def _as_many_as_fit(
    work: dict[str, Ask], everyone: Any, seconds: float
) -> tuple[Any, dict[str, float]]:
    """Return as many users as `seconds` allow for, and each solver's seconds for the first ones."""
    first, taken = everyone[:_FIRST], {}
    for name, ask in work.items():
        ask(first)  # compiles, and allocates
        taken[name] = _seconds(partial(ask, first))
    each = _REPEATS * sum(taken.values()) / len(first)
    return everyone[: max(len(first), int(seconds / each))], taken


def _overlap(work: dict[str, Ask], name: str, everyone: Any) -> float:
    """Return the share of recommended items that the lists of halfstep and of a peer have in common."""
    ours, theirs = (work[who](everyone[:_COMPARED])[0] for who in ("halfstep", name))
    pairs = zip(ours.tolist(), theirs.tolist(), strict=True)
    return float(np.mean([len({*a} & {*b}) / max(1, len({*a})) for a, b in pairs]))


def _evaluation(
    model: Any, train: sparse.csr_matrix, test: sparse.csr_matrix, seconds: float
) -> dict[str, Any]:
    """Time all metrics for all users on the card, and compare a thousand users with the CPU."""
    X, Y = model.user_factors, model.item_factors
    held = np.flatnonzero(np.diff(test.indptr))
    some = held[:_COMPARED]

    def on(device: str, users: Any) -> dict[str, float]:
        return evaluate(X, Y, train, test, ks=(10, 20), users=users, device=device).means()

    here, there = on("cpu", some), on("gpu", some)
    each = _seconds(lambda: on("gpu", some)) / len(some)
    users = held[: max(len(some), int(seconds / each))]
    began = time.perf_counter()
    means = on("gpu", users)
    return {
        "users": len(held),
        "users_evaluated": len(users),
        "seconds": time.perf_counter() - began,
        "means": {name: means[name] for name in ("ndcg@10", "recall@20", "auc")},
        "largest_difference_from_cpu": max(abs(here[name] - there[name]) for name in here),
    }


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
