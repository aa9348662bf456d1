"""The suite `small`: whole calls of `fit` on little data, against the peers, and the fixed cost.

Each cell of the grid is generated data of one shape and number of entries, with one f. Everybody
fits the same weights from the same start (cmfrec draws its own) for as many iterations, in a warm
process, by its own library's call: no peer pays for this package's wrapper. Contestants take turns,
and ratios are formed pair by pair.

Speed at another quality says little. So each contestant's objective after the iterations stands beside
its time, relative to exact ALS, and it is timed once more for the iterations that it needs to come to
within 0.1 % of exact ALS after all of them.

The fixed cost is the time of a fit of a 10 x 10 matrix, and of its parts.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from halfstep.bench.method.contestants import FAILURES, rotated
from halfstep.bench.schema import Measure
from halfstep.bench.settings import BenchSettings
from halfstep.bench.suite_queries import compared
from halfstep.bench.suite_small_fixed import fixed_cost
from halfstep.blas import blas_threads
from halfstep.kernels.cpu.threads import cores
from halfstep.solvers import SOLVERS
from halfstep.solvers.fit.start import starting_factors
from halfstep.solvers.objective import objective
from halfstep.solvers.peers.cmfrec_cpu import CmfrecCpu
from halfstep.solvers.peers.implicit_cpu import confidences

FACTORS = (8, 16, 32)
GRID = ((2_000, 2_000, 20_000), (6_000, 4_000, 100_000), (20_000, 10_000, 500_000))
OURS = "halfstep"
WHOLE, TO_EXACT = "Whole fit", "To exact"
NEAR = 1e-3  # of the objective of exact ALS
_GROUPS, _OWN_GROUP = 20, 0.7

Factors = tuple[Any, Any]


@dataclass(frozen=True)
class Cell:
    """One shape of data with one f.

    Attributes
    ----------
    sides
        The weights of the users and of the items.
    weighted
        The confidences (users, items), as the peers that need them take them.
    start
        The starting factors of both sides.
    settings
        The arguments of this package's solvers.
    """

    matrix: sparse.csr_matrix
    sides: Any
    weighted: sparse.csr_matrix
    start: Factors
    settings: dict[str, Any]

    @property
    def name(self) -> str:
        """The shape, the entries and f, in words."""
        users, items = self.matrix.shape
        entries, f = self.matrix.nnz, self.settings["factors"]
        return f"{entries:,} entries, {users:,} × {items:,}, f = {f}"

    def objective(self, factors: Factors) -> float:
        """Return the float64 objective of both sides' factors."""
        return float(objective(*self.sides, *(np.ascontiguousarray(side) for side in factors)))


Fit = Callable[[Cell, int], Factors]


def measure_small(settings: BenchSettings, say: Callable[[str], None]) -> list[Measure]:
    """Return the seconds of every contestant in every cell, and the parts of the fixed cost."""
    found = fixed_cost(settings, say)
    for shape in GRID:
        matrix = generated(*shape, settings.seed)
        for factors in settings.factors or FACTORS:
            found += _measure(cell_of(settings, matrix, factors), settings, say)
    return found


def cell_of(settings: BenchSettings, matrix: sparse.csr_matrix, factors: int) -> Cell:
    """Return the cell of this data and f."""
    arguments = {
        **settings.convention(),
        "factors": factors,
        "num_threads": settings.num_threads,
    }
    users, items = SOLVERS["eigenbasis"](**arguments).weights(matrix)
    start = starting_factors(None, matrix.shape, factors, np.float32, settings.seed)
    return Cell(matrix, (users, items), confidences(users), start, arguments)


def generated(users: int, items: int, entries: int, seed: int) -> sparse.csr_matrix:
    """Return play counts (users, items): 20 groups of tastes, few items with most of the plays."""
    rng = np.random.default_rng(seed)
    keys = np.empty(0, np.int64)
    while len(keys) < entries:
        user = (users * rng.random(entries) ** 1.5).astype(np.int64)
        item = (items * rng.random(entries) ** 2.5).astype(np.int64)
        own = rng.random(entries) < _OWN_GROUP
        item[own] += (user[own] - item[own]) % _GROUPS
        keys = np.union1d(keys, user * items + item % items)
    keys = np.sort(rng.permutation(keys)[:entries])
    counts = np.ceil(rng.lognormal(0.7, 1.2, len(keys))).astype(np.float32)
    return sparse.csr_matrix((counts, np.divmod(keys, items)), shape=(users, items))


def _measure(cell: Cell, settings: BenchSettings, say: Callable[[str], None]) -> list[Measure]:
    rung: Any = SOLVERS["eigenbasis"]
    exact = rung(
        **cell.settings, exact=True, iterations=settings.iterations, init_factors=cell.start
    ).fit(cell.matrix, show_progress=False)
    target = cell.objective((exact.user_factors, exact.item_factors))
    found, near, gaps = {}, {}, {}
    for name, fit in contestants().items():
        say(f"small: {cell.name}, {name}, objective")
        try:
            gaps[name] = cell.objective(fit(cell, settings.iterations)) / target - 1
        except FAILURES as error:
            say(f"small: {name} cannot run: {error}")
            continue
        found[name] = fit
        needed = _iterations_to(cell, fit, target, settings.iterations)
        if needed is not None:
            near[name] = needed
    whole = {name: (fit, settings.iterations) for name, fit in found.items()}
    notes = {name: f"{gap:+.4%} of exact ALS" for name, gap in gaps.items()}
    measures = _timed(f"{WHOLE}: {cell.name}", cell, whole, notes, settings.repeats, say)
    reaching = {name: (found[name], needed) for name, needed in near.items()}
    notes = {name: f"after {needed} iterations" for name, needed in near.items()}
    return measures + _timed(
        f"{TO_EXACT}: {cell.name}", cell, reaching, notes, settings.repeats, say
    )


def _iterations_to(cell: Cell, fit: Fit, target: float, most: int) -> int | None:
    """Return the iterations after which a contestant is near the target; None for not in twice `most`.

    Objectives fall from one iteration to the next, so this halves an interval.
    """
    low, high = 0, 2 * most
    if cell.objective(fit(cell, high)) > target * (1 + NEAR):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if cell.objective(fit(cell, middle)) > target * (1 + NEAR):
            low = middle
        else:
            high = middle
    return high


def _timed(
    group: str,
    cell: Cell,
    work: dict[str, tuple[Fit, int]],
    notes: dict[str, str],
    repeats: int,
    say: Callable[[str], None],
) -> list[Measure]:
    """Time each contestant's fit in turn; of the peers the fastest is the reference."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    say(f"small: {group}")
    for repeat in range(repeats):
        for name in rotated(list(work), repeat):
            fit, iterations = work[name]
            began = time.perf_counter()
            fit(cell, iterations)
            seconds[name].append(time.perf_counter() - began)
    measures = compared(group, seconds, [name for name in work if name != OURS])
    return [
        replace(m, detail=f"{m.name}: {notes[m.name]}", x=float(cell.settings["factors"]))
        for m in measures
    ]


def contestants() -> dict[str, Fit]:
    """Return whose fits are compared; each returns both sides' factors after so many iterations."""
    fits: dict[str, Fit] = {OURS: _ours}
    if SOLVERS["implicit_cpu"].unavailable() is None:
        fits["implicit"] = _implicit
    if SOLVERS["irspack_cpu"].unavailable() is None:
        fits["irspack, CG"] = lambda cell, n: _irspack(cell, n, "cg")
        fits["irspack, iALS++"] = lambda cell, n: _irspack(cell, n, "ialspp")
    if CmfrecCpu.unavailable() is None:
        fits["cmfrec, Cholesky"] = _cmfrec
    return fits


def _ours(cell: Cell, iterations: int) -> Factors:
    from halfstep import AlternatingLeastSquares

    model = AlternatingLeastSquares(
        **cell.settings, iterations=iterations, init_factors=cell.start, solver="cpu"
    )
    model.fit(cell.matrix, show_progress=False)
    return model.user_factors, model.item_factors


def _implicit(cell: Cell, iterations: int) -> Factors:
    from implicit.cpu.als import AlternatingLeastSquares

    given = cell.settings
    with blas_threads(1):
        model = AlternatingLeastSquares(
            factors=given["factors"],
            regularization=given["regularization"],
            iterations=iterations,
            num_threads=given["num_threads"],
        )
        model.user_factors, model.item_factors = cell.start[0].copy(), cell.start[1].copy()
        model.fit(cell.weighted, show_progress=False)
    return model.user_factors, model.item_factors


def _irspack(cell: Cell, iterations: int, method: str) -> Factors:
    rung: Any = SOLVERS["irspack_cpu"]
    model = rung(**cell.settings, method=method)
    with blas_threads(1):
        trainer = model._trainer(cell.sides[0], *cell.start)
        for _ in range(iterations):
            trainer.run_epoch()
    return np.array(trainer.core_trainer.user), np.array(trainer.core_trainer.item)


def _cmfrec(cell: Cell, iterations: int) -> Factors:
    given = {**cell.settings, "num_threads": cores(cell.settings["num_threads"])}
    peer: Any = CmfrecCpu(**given, use_cg=False, random_state=0)
    with warnings.catch_warnings(), blas_threads(1):
        warnings.simplefilter("ignore")
        values, scale, regularization = peer._mapped(cell.sides[0])
        arrays = values, cell.sides[0].indices, cell.sides[0].indptr
        matrix = sparse.csr_matrix(arrays, shape=cell.matrix.shape).tocoo()
        model = peer._model(iterations, regularization)
        model.fit(matrix)
    return model.A_ / scale, model.B_ / scale
