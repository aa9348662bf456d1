"""Reference: `implicit`'s CPU model behind this package's interface.

What is run and timed is its own `fit`; the wrapper hands it the weighted matrix and the start, and
takes its factors after each iteration. It knows one background weight (1) and one regularisation for
all rows, so of the conventions it can express

* `implicit`, `linear`, `log`: the stored value is the confidence c, negative where p = 0;
* `binary` with exponent 0: divided by a0, the row's system is one with c = s / a0 and
  lambda = s regularization / a0, where s = 1 + a0, whose factors are ours times sqrt(s).

Its BLAS must have one thread while its own threads run, or both fight for the cores.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from halfstep.blas import blas_threads
from halfstep.errors import InputError
from halfstep.solvers.base import Solver
from halfstep.solvers.fit.memory import Size
from halfstep.solvers.fit.monitor import Monitor
from halfstep.solvers.inputs import check_integers
from halfstep.solvers.problem import Problem, Weights
from halfstep.types import Floats


class _Stop(Exception):
    """Leaves implicit's `fit` from its callback, the only way out of it."""


@dataclass(eq=False, repr=False)
class ImplicitCpu(Solver):
    """The peer `implicit` on the CPU; `use_cg=False` is its Cholesky.

    Parameters
    ----------
    use_cg, cg_steps
        Conjugate gradients with so many steps, or Cholesky.
    """

    name: ClassVar[str] = "implicit_cpu"
    kind: ClassVar[str] = "reference"
    use_cg: bool = field(default=True, kw_only=True)
    cg_steps: int = field(default=3, kw_only=True)

    @classmethod
    def unavailable(cls) -> str | None:
        """Return why `implicit` cannot be used here, or None."""
        try:
            import implicit.cpu.als  # noqa: F401
        except ImportError as error:
            return f'implicit is not installed ({error}): pip install "halfstep[bench]"'
        return None

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule or that implicit cannot express."""
        super().check()
        check_expressible(self)
        check_integers(self.get_params(), cg_steps=1)
        if not self.use_cg and self.cg_steps != 3:
            raise InputError(f"cg_steps has no meaning with use_cg=False, got {self.cg_steps}")

    def half_step(self, problem: Problem, X: Floats) -> Floats:
        """Run implicit's row solver once on the side being solved."""
        scale = math.sqrt(scale_of(self, problem))
        solution = np.ascontiguousarray(X * X.dtype.type(scale))
        Y = np.ascontiguousarray(problem.Y * X.dtype.type(scale))
        with blas_threads(1):
            model = self._model(problem)
            model.solver(
                confidences(problem),
                solution,
                Y,
                model.regularization,
                num_threads=self.num_threads,
            )
        solution /= X.dtype.type(scale)
        return solution

    def scratch_bytes(self, size: Size) -> int:
        """Return the bytes of weights, and of what the library copies: both matrices, all factors."""
        return (28 + 2 * size.itemsize) * size.entries + 2 * size.factor_bytes(
            size.users + size.items
        )

    def _alternate(self, users: Weights, items: Weights, X: Any, Y: Any, monitor: Monitor) -> None:
        scale = X.dtype.type(math.sqrt(scale_of(self, users)))
        with blas_threads(1):
            model = self._model(users)
            model.user_factors, model.item_factors = X * scale, Y * scale
            run_fit(
                model,
                confidences(users),
                lambda: (model.user_factors / scale, model.item_factors / scale),
                monitor,
            )

    def _model(self, side: Weights) -> Any:
        from implicit.cpu.als import AlternatingLeastSquares

        model = AlternatingLeastSquares(
            factors=self.factors,
            regularization=regularization_of(self, side),
            alpha=1.0,
            dtype=np.dtype(self.dtype),
            use_cg=self.use_cg,
            iterations=self.iterations,
            num_threads=self.num_threads,
        )
        model.cg_steps = self.cg_steps
        return model


def run_fit(
    model: Any,
    weighted: sparse.csr_matrix,
    factors: Callable[[], tuple[Floats, Floats]],
    monitor: Monitor,
) -> None:
    """Run an implicit model's own `fit`, reporting its factors after each of its iterations."""

    def callback(iteration: int, seconds: float, loss: float | None) -> None:
        if monitor(iteration, seconds, *factors()):
            raise _Stop

    try:
        model.fit(weighted, show_progress=False, callback=callback)
    except _Stop:
        pass


def check_expressible(solver: Solver) -> None:
    """Raise InputError for a convention that implicit has no words for."""
    if solver.confidence == "explicit":
        raise InputError(f"{solver.name} has no confidence 'explicit': its background weight is 1")
    if solver.regularization_exponent != 0:
        raise InputError(
            f"{solver.name} has one regularization for all rows: regularization_exponent must be 0, "
            f"got {solver.regularization_exponent}"
        )


def scale_of(solver: Solver, side: Weights) -> float:
    """Return s, the factor between implicit's products x.y and ours: see the head of this module."""
    return 1.0 + side.a0 if solver.confidence == "binary" else 1.0


def regularization_of(solver: Solver, side: Weights) -> float:
    """Return the regularisation that makes implicit's row systems multiples of ours."""
    return scale_of(solver, side) * solver.regularization / side.a0


def confidences(side: Weights) -> sparse.csr_matrix:
    """Return the matrix that implicit reads: c where p = 1, -c where p = 0; (rows, columns)."""
    w, t = side.of_entries(slice(None))
    c = (w + w.dtype.type(side.a0)) / w.dtype.type(side.a0)
    signed = np.where(t > 0, c, -c).astype(np.float32)
    return sparse.csr_matrix((signed, side.indices, side.indptr), shape=(side.rows, side.columns))
