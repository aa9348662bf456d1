"""Peer: `cmfrec`'s implicit-feedback model on the CPU, as far as this interface can express it.

`cmfrec` takes no starting factors, returns factors only at the end of a fit, solves items before users,
and cannot do a single half-step. So it is not in `SOLVERS`; it is a contestant of the benchmark, which
fits it anew for every number of iterations. Given a matrix with stored values X, its two methods
minimise two different objectives (found by regression on its solutions, verified by the float64
objective):

* Cholesky solves (Y'Y + lambda + sum X y y') x = sum (X + 1) y for each row, so w = X and t = X + 1.
  That is `linear`, `log`, and `implicit` with all confidences above 1. It is also `binary` divided by
  a0, with X = 1 / a0, factors times sqrt(1 + a0) and lambda (1 + a0) / a0.
* Conjugate gradients solve (Y'Y + lambda + sum (X + 1) y y') x = sum X y. Of the conventions of this
  package only `binary` has that form, with X = 1 / a0 - 1, factors times sqrt(1 - a0) and
  lambda (1 - a0) / a0, so the background must be below 1.

The reported seconds are those of its whole fit minus those of a fit of no iterations, which copies the
data and draws its start.
"""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from halfstep import defaults
from halfstep.errors import InputError
from halfstep.solvers.base import Solver
from halfstep.solvers.fit.monitor import Monitor
from halfstep.solvers.inputs import check_integers
from halfstep.solvers.problem import Problem, Weights
from halfstep.types import Floats


@dataclass(eq=False, repr=False)
class CmfrecCpu(Solver):
    """The peer `cmfrec` on the CPU.

    It draws its own start from `random_state`, an int, and ignores `init_factors`. `callback` is called
    once, after the last iteration.

    Parameters
    ----------
    use_cg
        True takes `cg_steps` conjugate gradient steps per half-step, False its Cholesky solver.
    cg_steps
        The number of steps; must keep its default without `use_cg`.
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
        check_integers(self._settings(), cg_steps=1)
        if not self.use_cg and self.cg_steps != 3:
            raise InputError(f"cg_steps has no meaning with use_cg=False, got {self.cg_steps}")
        if self.confidence == "explicit":
            raise InputError("cmfrec_cpu has no confidence 'explicit': its background weight is 1")
        if self.regularization_exponent != 0:
            raise InputError(
                "cmfrec_cpu has one regularization for all rows: regularization_exponent must be 0, "
                f"got {self.regularization_exponent}"
            )
        background = defaults.BACKGROUND if self.background is None else self.background
        if self.use_cg and not (self.confidence == "binary" and background < 1):
            raise InputError(
                "the conjugate gradients of cmfrec_cpu minimise another objective than its Cholesky, "
                "which of ours is only confidence 'binary' with a background below 1: "
                f"got {self.confidence!r}, background {self.background}; use_cg=False has the others"
            )

    def half_step(self, problem: Problem, X: Floats) -> Floats:
        """Raise NotImplementedError: cmfrec only runs whole fits."""
        raise NotImplementedError("cmfrec has no half-step of its own")

    def _alternate(self, users: Weights, items: Weights, X: Any, Y: Any, monitor: Monitor) -> None:
        """Run cmfrec's fit twice, without iterations and with all of them, and report once."""
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
        """Return cmfrec's stored values, its factors' scale over ours, and its regularisation."""
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
        """Return an unfitted model of cmfrec with this solver's settings."""
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
