"""Peer: `cmfrec`'s implicit-feedback model on the CPU, as far as it can be put behind this interface.

It takes no start and gives its factors at the end only, solves items before users, and cannot be called
for one half-step. So it is no entry of `SOLVERS` but a contestant of the benchmark, which fits it anew
for every number of iterations. With its matrix X its two methods minimise two objectives (found by
regression on its solutions, verified by the float64 objective):

* Cholesky: row systems (Y'Y + lambda + sum X y y') x = sum (X + 1) y. That is w = X and t = X + 1:
  `linear`, `log`, `implicit` with all confidences above 1; and `binary`, divided by a0, with
  X = 1 / a0, factors times sqrt(1 + a0) and lambda (1 + a0) / a0.
* conjugate gradients: (Y'Y + lambda + sum (X + 1) y y') x = sum X y. Of our conventions only `binary`
  has that form, with X = 1 / a0 - 1, factors times sqrt(1 - a0) and lambda (1 - a0) / a0; so it needs
  a background below 1.

Seconds are those of its whole fit less those of a fit of no iterations (copying, its own start).
"""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from halfstep.errors import InputError
from halfstep.solvers.base import Solver
from halfstep.solvers.fit.monitor import Monitor
from halfstep.solvers.inputs import check_integers
from halfstep.solvers.problem import DEFAULT_BACKGROUND, Problem, Weights
from halfstep.types import Floats


@dataclass(eq=False, repr=False)
class CmfrecCpu(Solver):
    """The peer `cmfrec` on the CPU; `use_cg=False` is its Cholesky.

    Its start is its own, drawn from `random_state`, an int; `init_factors` is not used.
    `callback` is called once, after the last iteration.
    """

    name: ClassVar[str] = "cmfrec_cpu"
    kind: ClassVar[str] = "reference"
    use_cg: bool = field(default=True, kw_only=True)
    cg_steps: int = field(default=3, kw_only=True)

    @classmethod
    def unavailable(cls) -> str | None:
        """Return why `cmfrec` cannot be used here, or None."""
        try:
            import cmfrec  # noqa: F401
        except ImportError as error:
            return f'cmfrec is not installed ({error}): pip install "halfstep[peers]"'
        return None

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule or that cmfrec cannot express."""
        super().check()
        check_integers(self.get_params(), cg_steps=1)
        if not self.use_cg and self.cg_steps != 3:
            raise InputError(f"cg_steps has no meaning with use_cg=False, got {self.cg_steps}")
        if self.confidence == "explicit":
            raise InputError("cmfrec_cpu has no confidence 'explicit': its background weight is 1")
        if self.regularization_exponent != 0:
            raise InputError(
                "cmfrec_cpu has one regularization for all rows: regularization_exponent must be 0, "
                f"got {self.regularization_exponent}"
            )
        background = DEFAULT_BACKGROUND if self.background is None else self.background
        if self.use_cg and not (self.confidence == "binary" and background < 1):
            raise InputError(
                "the conjugate gradients of cmfrec_cpu minimise another objective than its Cholesky, "
                "which of ours is only confidence 'binary' with a background below 1: "
                f"got {self.confidence!r}, background {self.background}; use_cg=False has the others"
            )

    def half_step(self, problem: Problem, X: Floats) -> Floats:
        """Raise: cmfrec fits as a whole."""
        raise NotImplementedError("cmfrec has no half-step of its own")

    def _alternate(self, users: Weights, items: Weights, X: Any, Y: Any, monitor: Monitor) -> None:
        values, scale, regularization = self._mapped(users)
        shape = (users.rows, users.columns)
        matrix = sparse.csr_matrix((values, users.indices, users.indptr), shape=shape).tocoo()
        seconds = []
        for iterations in (0, self.iterations):
            model = self._model(iterations, regularization)
            start = time.perf_counter()
            model.fit(matrix)
            seconds.append(time.perf_counter() - start)
        if self.iterations:
            each = max(0.0, seconds[1] - seconds[0]) / self.iterations
            monitor(self.iterations - 1, each, model.A_ / scale, model.B_ / scale)
            self.seconds_ = [each] * self.iterations

    def _mapped(self, side: Weights) -> tuple[Floats, np.float32, float]:
        """Return its values, the factor between its factors and ours, and its regularisation."""
        w, t = side.of_entries(slice(None))
        if self.confidence == "binary":
            sign = -1.0 if self.use_cg else 1.0
            square = 1 + sign * side.a0
            value = 1 / side.a0 - (1 if self.use_cg else 0)
            return (
                np.full_like(w, value),
                np.float32(math.sqrt(square)),
                square * self.regularization / side.a0,
            )
        if (w < 0).any() or not np.array_equal(t, w + w.dtype.type(1)):
            raise InputError(
                "cmfrec_cpu needs stored values whose confidence is above 1 and whose target is 1, "
                "got others"
            )
        return w, np.float32(1), self.regularization

    def _model(self, iterations: int, regularization: float) -> Any:
        from halfstep.kernels.cpu.threads import cores

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from cmfrec import CMF_implicit

        seed = self.random_state
        return CMF_implicit(
            k=self.factors,
            lambda_=float(regularization),
            alpha=1.0,
            niter=iterations,
            use_cg=self.use_cg,
            max_cg_steps=self.cg_steps,
            finalize_chol=False,
            use_float=np.dtype(self.dtype) == np.float32,
            precompute_for_predictions=False,
            produce_dicts=False,
            handle_interrupt=False,
            random_state=int(seed) if isinstance(seed, int | np.integer) else 0,
            nthreads=cores(int(self.num_threads)),
        )
