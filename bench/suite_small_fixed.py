"""What a fit costs however small its data: the whole call on a 10 x 10 matrix, and its parts."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse

from halfstep.bench.schema import Measure
from halfstep.bench.settings import BenchSettings
from halfstep.progress import progress_bar, stage
from halfstep.solvers.fit.memory import check_memory
from halfstep.solvers.fit.precision import warn_of_lost_precision
from halfstep.solvers.fit.start import starting_factors
from halfstep.solvers.inputs import as_csr

GROUP = "Fixed cost"
WHOLE_FIT = "fit"
_SIDE, _ENTRIES, _FACTORS = 10, 30, 8
_CALLS = 20


def tiny_matrix() -> sparse.csr_matrix:
    """Return a 10 x 10 matrix of counts with some 30 entries."""
    rng = np.random.default_rng(0)
    places = rng.integers(0, _SIDE, (2, _ENTRIES))
    counts = rng.integers(1, 5, _ENTRIES).astype(np.float32)
    matrix = sparse.csr_matrix((counts, (places[0], places[1])), shape=(_SIDE, _SIDE))
    matrix.sum_duplicates()
    return matrix


def fixed_cost(settings: BenchSettings, say: Callable[[str], None]) -> list[Measure]:
    """Return the seconds of a whole fit on next to no data, and of its parts; medians of 20 calls."""
    from halfstep import AlternatingLeastSquares

    matrix = tiny_matrix()
    arguments: dict[str, Any] = {
        **settings.convention(),
        "factors": _FACTORS,
        "iterations": settings.iterations,
        "num_threads": settings.num_threads,
        "random_state": settings.seed,
        "solver": "cpu",
    }
    model: Any = AlternatingLeastSquares(**arguments)
    model.fit(matrix, show_progress=False)
    users, items = model.weights(matrix)
    X, Y = starting_factors(None, matrix.shape, _FACTORS, np.float32, settings.seed)

    def shown() -> None:
        with stage("weighing the entries", True), progress_bar(1, True, "fit"):
            pass

    work: dict[str, Callable[[], Any]] = {
        "constructor": lambda: AlternatingLeastSquares(**arguments),
        WHOLE_FIT: lambda: model.fit(matrix, show_progress=False),
        f"{WHOLE_FIT}, progress shown": lambda: model.fit(matrix),
        "checks of the arguments": model.check,
        "check of the matrix": lambda: as_csr(matrix),
        "check of the memory": lambda: check_memory(model, matrix),
        "weights of both sides": lambda: model.weights(matrix),
        "starting factors": lambda: starting_factors(
            None, matrix.shape, _FACTORS, np.float32, settings.seed
        ),
        "progress bar": shown,
        "check of the precision": lambda: warn_of_lost_precision(model, matrix),
        "one half-step": lambda: model.half_step(users.fixing(Y), X),
    }
    say("small: the fixed cost of a fit")
    title = f"{GROUP} of a fit: {_SIDE} × {_SIDE}, f = {_FACTORS}, {settings.iterations} iterations"
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(settings.repeats):
        for name, call in work.items():
            seconds[name].append(_median(call))
    return [Measure(title, name, values, "", None) for name, values in seconds.items()]


def _median(call: Callable[[], Any]) -> float:
    """Return the median seconds of some calls."""
    taken = []
    for _ in range(_CALLS):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return float(np.median(taken))
