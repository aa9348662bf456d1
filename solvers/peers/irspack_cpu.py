"""Reference: `irspack`'s iALS on the CPU behind this package's interface.

It has compiled conjugate gradients, Cholesky and iALS++. Its two losses are ours by another name
(verified by the float64 objective): with its matrix X = w, the excess weights,

* its `ORIGINAL` is c = alpha0 + X, p = 1: `linear`, `log`, and `implicit` with all confidences above 1;
* its `IALSPP` is X (1 - x.y)^2 beside alpha0 (x.y)^2 everywhere: `binary`, alpha0 the background;
* its regularisation has the same form, reg (n_u + alpha0 N)^nu.

What it cannot say is p = 0 for a stored entry, and `explicit`. It computes in float32. The wrapper
steps its trainer, which takes and gives factors after every pair of half-steps.
"""

from __future__ import annotations

import os
import time
import warnings
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

METHODS = ("cg", "cholesky", "ialspp")


@dataclass(eq=False, repr=False)
class IrspackCpu(Solver):
    """The peer `irspack` on the CPU.

    Parameters
    ----------
    method
        `"cg"`, `"cholesky"` or `"ialspp"`.
    cg_steps
        Conjugate gradient steps per half-step, for `"cg"`.
    """

    name: ClassVar[str] = "irspack_cpu"
    kind: ClassVar[str] = "reference"
    method: str = field(default="cg", kw_only=True)
    cg_steps: int = field(default=3, kw_only=True)

    @classmethod
    def unavailable(cls) -> str | None:
        """Return why `irspack` cannot be used here, or None."""
        try:
            _ials()
        except ImportError as error:
            return f'irspack is not installed ({error}): pip install "halfstep[bench]"'
        return None

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule or that irspack cannot express."""
        super().check()
        check_integers(self.get_params(), cg_steps=1)
        if self.method not in METHODS:
            raise InputError(f"method must be one of {', '.join(METHODS)}, got {self.method!r}")
        if self.method != "cg" and self.cg_steps != 3:
            raise InputError(
                f"cg_steps has no meaning with method {self.method!r}, got {self.cg_steps}"
            )
        if self.confidence == "explicit":
            raise InputError("irspack_cpu has no confidence 'explicit': its targets are 1")
        if np.dtype(self.dtype) != np.float32:
            raise InputError(
                f"dtype must be float32 for irspack_cpu, got {np.dtype(self.dtype).name}"
            )

    def half_step(self, problem: Problem, X: Floats) -> Floats:
        """Run one of irspack's epochs and return the side that it solves first."""
        with blas_threads(1):
            trainer = self._trainer(problem, X, problem.Y)
            trainer.run_epoch()
        solution: Floats = np.array(trainer.core_trainer.user)
        solution[np.diff(problem.indptr) == 0] = 0
        return solution

    def scratch_bytes(self, size: Size) -> int:
        """Return the bytes of weights, and of what the library copies: both matrices, all factors."""
        return (52 + 2 * size.itemsize) * size.entries + 2 * size.factor_bytes(
            size.users + size.items
        )

    def _alternate(self, users: Weights, items: Weights, X: Any, Y: Any, monitor: Monitor) -> None:
        with blas_threads(1):
            trainer = self._trainer(users, X, Y)
            for iteration in range(self.iterations):
                start = time.perf_counter()
                trainer.run_epoch()
                seconds = time.perf_counter() - start
                core = trainer.core_trainer
                if monitor(iteration, seconds, np.array(core.user), np.array(core.item)):
                    break

    def _trainer(self, side: Weights, X: Floats, Y: Floats) -> Any:
        ials = _ials()
        binary = self.confidence == "binary"
        w, t = side.of_entries(slice(None))
        expected = w if binary else w + w.dtype.type(1)
        if (w < 0).any() or not np.array_equal(t, expected):
            raise InputError(
                "irspack_cpu needs stored values whose confidence is above 1 and whose target is 1, "
                "got others"
            )
        trainer = ials.IALSTrainer(
            sparse.csr_matrix((w, side.indices, side.indptr), shape=(side.rows, side.columns)),
            n_components=self.factors,
            alpha0=side.a0,
            reg=self.regularization,
            nu=self.regularization_exponent,
            init_std=0.1,
            solver_type=getattr(ials.SolverType, self.method.upper()),
            max_cg_steps=self.cg_steps,
            ialspp_subspace_dimension=64,
            loss_type=ials.LossType.IALSPP if binary else ials.LossType.ORIGINAL,
            random_seed=0,
            n_threads=int(self.num_threads) or os.cpu_count() or 1,
            prediction_time_max_cg_steps=self.cg_steps,
            prediction_time_ialspp_iteration=1,
        )
        trainer.core_trainer.user = np.ascontiguousarray(X)
        trainer.core_trainer.item = np.ascontiguousarray(Y)
        return trainer


def _ials() -> Any:
    """Return irspack's iALS module, without the warnings about itself that importing it gives."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from irspack.recommenders import ials
    return ials
