"""Reference: `irspack`'s iALS on the CPU behind this package's interface.

`irspack` has compiled conjugate gradients, Cholesky and iALS++. With the excess weights w as the stored
values X of its matrix, its two losses are objectives of this package, as the float64 objective verifies:

* its `ORIGINAL` has c = alpha0 + X and p = 1: `linear`, `log`, and `implicit` with all confidences
  above 1;
* its `IALSPP` adds X (1 - x.y)^2 for a stored entry to alpha0 (x.y)^2 for every entry: `binary`, with
  alpha0 as the background;
* its regularisation has the form of this package's, reg (n_u + alpha0 N)^nu.

It cannot express p = 0 for a stored entry, nor `explicit`, and it computes in float32. The wrapper runs
its trainer for one pair of half-steps at a time, sets the starting factors and reads the results.
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

    The other parameters are those of `halfstep.Solver`.

    Parameters
    ----------
    method
        `"cg"`, `"cholesky"` or `"ialspp"`.
    cg_steps
        Conjugate gradient steps per half-step with `"cg"`; must keep its default otherwise.

    See Also
    --------
    halfstep.solvers.peers.implicit_cpu.ImplicitCpu : Another library on the CPU.

    Examples
    --------
    >>> import halfstep
    >>> from scipy import sparse
    >>> plays = sparse.csr_matrix([[5, 0, 3, 0], [0, 2, 0, 4], [1, 0, 0, 3]])
    >>> model = halfstep.SOLVERS["irspack_cpu"](factors=2, confidence="log")
    >>> model.fit(plays, show_progress=False).user_factors.shape
    (3, 2)
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
        check_integers(self._settings(), cg_steps=1)
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
        """Run one epoch of irspack's trainer and return the user side, which the epoch solves first."""
        with blas_threads(1):
            trainer = self._trainer(problem, X, problem.Y)
            trainer.run_epoch()
        solution: Floats = np.array(trainer.core_trainer.user)
        solution[np.diff(problem.indptr) == 0] = 0
        return solution

    def scratch_bytes(self, size: Size) -> int:
        """Return the bytes of the weights and of the library's copies of matrices and factors."""
        return (52 + 2 * size.itemsize) * size.entries + 2 * size.factor_bytes(
            size.users + size.items
        )

    def _alternate(self, users: Weights, items: Weights, X: Any, Y: Any, monitor: Monitor) -> None:
        """Run irspack's epochs from X and Y until the monitor ends the fit."""
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
        """Return irspack's trainer on a side, with X and Y as its factors."""
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
    """Return irspack's iALS module; importing it warns, and these warnings are suppressed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from irspack.recommenders import ials
    return ials
