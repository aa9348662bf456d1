"""Peer: LensKit's `ImplicitMFScorer`, whose half-steps are compiled from Rust.

It solves (Y'Y + reg + sum w r y y') x = sum (w r + 1) y for each row, with LensKit's `weight` w and
rating r, by Cholesky's method in float32: confidence 1 + w r, target 1, one `regularization` for all
rows (verified by the float64 objective). So it can express, with regularization exponent 0,

* `linear`, `log`, and `implicit` with all confidences above 1: weight times rating is the excess weight;
* `binary`, divided by a0: it is 1 / a0, with factors times sqrt(1 + a0) and the regularisation times
  (1 + a0) / a0.

It cannot express p = 0 for a stored entry, nor `explicit`. The wrapper calls LensKit's own half-epoch
from the common start; its data set, ids and scoring take no part. LensKit sets its number of threads
once in a process.

It is not in `SOLVERS`, because it comes with PyTorch, which takes seconds to import; it is a contestant
of the benchmark.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from halfstep.errors import InputError
from halfstep.solvers.base import Solver
from halfstep.solvers.fit.monitor import Monitor
from halfstep.solvers.problem import Problem, Weights
from halfstep.types import Floats


@dataclass(eq=False, repr=False)
class LensKit(Solver):
    """The peer `lenskit` on the CPU."""

    name: ClassVar[str] = "lenskit"
    kind: ClassVar[str] = "reference"
    exact_only: ClassVar[bool] = True

    @classmethod
    def unavailable(cls) -> str | None:
        """Return why LensKit cannot be used here, or None; does not import it."""
        try:
            found = find_spec("lenskit") is not None
        except (ImportError, ValueError):
            found = False
        return None if found else 'lenskit is not installed: pip install "halfstep[lenskit]"'

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule or that LensKit cannot express."""
        super().check()
        if self.confidence == "explicit":
            raise InputError("lenskit has no confidence 'explicit': its background weight is 1")
        if self.regularization_exponent != 0:
            raise InputError(
                "lenskit has one regularization for all rows: regularization_exponent must be 0, "
                f"got {self.regularization_exponent}"
            )
        if self.regularization <= 0:
            raise InputError(
                f"regularization must be positive for lenskit, got {self.regularization}"
            )
        if np.dtype(self.dtype) != np.float32:
            raise InputError(f"dtype must be float32 for lenskit, got {np.dtype(self.dtype).name}")

    def half_step(self, problem: Problem, X: Floats) -> Floats:
        """Run LensKit's half-epoch once on the side being solved."""
        self._start_threads()
        scale = self._scale(problem)
        solution = np.ascontiguousarray(X * scale)
        Y = np.ascontiguousarray(problem.Y * scale)
        _solve(self._entries(problem), solution, Y, self._regularization(problem))
        solution[np.diff(problem.indptr) == 0] = 0
        solution /= scale
        return solution

    def _alternate(self, users: Weights, items: Weights, X: Any, Y: Any, monitor: Monitor) -> None:
        """Run LensKit's half-epochs from X and Y until the monitor ends the fit."""
        self._start_threads()
        scale = self._scale(users)
        X, Y = X * scale, Y * scale
        matrices, regularization = (
            [self._entries(s) for s in (users, items)],
            self._regularization(users),
        )
        for side, factors in ((users, X), (items, Y)):
            # LensKit leaves a row without entries as it is; its solution is 0.
            factors[np.diff(side.indptr) == 0] = 0
        for iteration in range(self.iterations):
            start = time.perf_counter()
            _solve(matrices[0], X, Y, regularization)
            _solve(matrices[1], Y, X, regularization)
            seconds = time.perf_counter() - start
            if monitor(iteration, seconds, X / scale, Y / scale):
                break

    def _entries(self, side: Weights) -> Any:
        """Return a side's excess weights as LensKit's kernel reads them."""
        from lenskit.data.matrix import SparseRowArray

        w, t = side.of_entries(slice(None))
        if self.confidence == "binary":
            w = np.full_like(w, 1 / side.a0)
        elif (w < 0).any() or not np.array_equal(t, w + w.dtype.type(1)):
            raise InputError(
                "lenskit needs stored values whose confidence is above 1 and whose target is 1, "
                "got others"
            )
        shape = (side.rows, side.columns)
        matrix = sparse.csr_array((w, side.indices, side.indptr), shape=shape)
        return SparseRowArray.from_scipy(matrix)

    def _scale(self, side: Weights) -> np.float32:
        """Return LensKit's factors over ours."""
        scale: np.float32 = np.float32(math.sqrt(1 + side.a0) if self.confidence == "binary" else 1)
        return scale

    def _regularization(self, side: Weights) -> float:
        """Return LensKit's regularisation."""
        times = (1 + side.a0) / side.a0 if self.confidence == "binary" else 1.0
        return float(self.regularization) * times

    def _start_threads(self) -> None:
        """Give LensKit its threads at its first use, and leave BLAS as it was."""
        from threadpoolctl import ThreadpoolController

        from halfstep.kernels.cpu.threads import cores

        threads = cores(int(self.num_threads))
        before = {
            library.filepath: library.num_threads
            for library in ThreadpoolController().lib_controllers
        }
        from lenskit import parallel

        if parallel.config._config is None:
            parallel.initialize(processes=1, threads=threads, backend_threads=threads)
            for library in ThreadpoolController().lib_controllers:
                if library.filepath in before:
                    library.set_num_threads(before[library.filepath])
        have = parallel.get_parallel_config().threads
        if have != threads:
            raise InputError(
                f"lenskit keeps the threads that it started with in this process, {have}: "
                f"num_threads must be {have}, got {threads}"
            )


def _solve(matrix: Any, X: Floats, Y: Floats, regularization: float) -> None:
    """Replace X by the solution of its rows with Y fixed, both in LensKit's scale."""
    from lenskit.als._common import TrainContext
    from lenskit.als._implicit import ImplicitMFTrainer

    context = TrainContext.create("row", matrix, X, Y, regularization)
    # It uses nothing of the trainer, which would need a data set of LensKit's.
    half_epoch: Any = ImplicitMFTrainer.als_half_epoch
    half_epoch(None, 0, context)
