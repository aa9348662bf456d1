"""Reference: `implicit`'s CPU model behind this package's interface.

The wrapper gives `implicit` the weighted matrix and the start, runs and times its own `fit`, and takes
its factors after each iteration. `implicit` has one background weight, 1, and one regularisation for all
rows, so it can express these conventions with regularization exponent 0:

* `implicit`, `linear` and `log`: the stored value is the confidence c, negative where p = 0;
* `binary`: divided by a0, a row's system has c = s / a0 and lambda = s regularization / a0 with
  s = 1 + a0, and its factors are those of this package times sqrt(s).

BLAS must use one thread while the threads of `implicit` run. Otherwise both compete for the cores.
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
    """Raised in the callback of implicit's `fit`, which has no other way to stop early."""


@dataclass(eq=False, repr=False)
class ImplicitCpu(Solver):
    """The peer `implicit` on the CPU.

    The other parameters are those of `halfstep.Solver`.

    Parameters
    ----------
    use_cg
        True takes `cg_steps` conjugate gradient steps per half-step, False its Cholesky solver.
    cg_steps
        The number of steps; must keep its default without `use_cg`.

    See Also
    --------
    halfstep.from_implicit : Takes over a model of `implicit`.
    halfstep.compare : Compares solvers on one data set.

    Examples
    --------
    >>> import halfstep
    >>> from scipy import sparse
    >>> plays = sparse.csr_matrix([[5, 0, 3, 0], [0, 2, 0, 4], [1, 0, 0, 3]])
    >>> model = halfstep.SOLVERS["implicit_cpu"](factors=2, random_state=0)
    >>> model.fit(plays, show_progress=False).user_factors.shape
    (3, 2)
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
        check_integers(self._settings(), cg_steps=1)
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
        """Return the bytes of the weights and of the library's copies of matrices and factors."""
        return (28 + 2 * size.itemsize) * size.entries + 2 * size.factor_bytes(
            size.users + size.items
        )

    def _alternate(self, users: Weights, items: Weights, X: Any, Y: Any, monitor: Monitor) -> None:
        """Run implicit's own fit from X and Y."""
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
        """Return an unfitted model of implicit with this solver's settings."""
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
    """Run an implicit model's own `fit` and give the monitor its factors after each iteration.

    `factors` returns the model's factors in the scale of this package.
    """

    def callback(iteration: int, seconds: float, loss: float | None) -> None:
        if monitor(iteration, seconds, *factors()):
            raise _Stop

    try:
        model.fit(weighted, show_progress=False, callback=callback)
    except _Stop:
        pass


def check_expressible(solver: Solver) -> None:
    """Raise InputError for a convention that implicit cannot express."""
    if solver.confidence == "explicit":
        raise InputError(f"{solver.name} has no confidence 'explicit': its background weight is 1")
    if solver.regularization_exponent != 0:
        raise InputError(
            f"{solver.name} has one regularization for all rows: regularization_exponent must be 0, "
            f"got {solver.regularization_exponent}"
        )


def scale_of(solver: Solver, side: Weights) -> float:
    """Return s, implicit's products x.y divided by ours; the head of this module derives it."""
    return 1.0 + side.a0 if solver.confidence == "binary" else 1.0


def regularization_of(solver: Solver, side: Weights) -> float:
    """Return the regularisation that makes implicit's row systems multiples of ours."""
    return scale_of(solver, side) * solver.regularization / side.a0


def confidences(side: Weights) -> sparse.csr_matrix:
    """Return the matrix that implicit reads, (rows, columns): c where p = 1, -c where p = 0."""
    w, t = side.of_entries(slice(None))
    c = (w + w.dtype.type(side.a0)) / w.dtype.type(side.a0)
    signed = np.where(t > 0, c, -c).astype(np.float32)
    return sparse.csr_matrix((signed, side.indices, side.indptr), shape=(side.rows, side.columns))
