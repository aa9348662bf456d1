"""Reference: `implicit`'s CUDA model behind this package's interface.

What its 0.7 series needs to be told, and what goes wrong in silence otherwise:

* its `fit` never applies `alpha`: the matrix is weighted before, as for the CPU reference;
* without RMM of the matching version it has no CUDA and its factory trains on the CPU: the class is
  taken from `implicit.gpu.als` itself, and `HAS_CUDA` is checked;
* its wheels carry no search path for the CUDA libraries: those are loaded first where
  `cuda-pathfinder` is there to find them;
* a second `fit` goes on from the first one's factors: here every fit makes a new model, and starts
  from the factors that all solvers start from.

It has conjugate gradients only (3 steps unless told), float32, 32-bit indices and at most 992 factors.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from halfstep.errors import InputError
from halfstep.solvers.arguments import check_integers
from halfstep.solvers.base import Solver
from halfstep.solvers.implicit_cpu import (
    check_expressible,
    confidences,
    regularization_of,
    run_fit,
    scale_of,
)
from halfstep.solvers.matrix import Floats
from halfstep.solvers.problem import Problem, Weights
from halfstep.solvers.report import Report

MAX_FACTORS = 992
_LIBRARIES = ("cudart", "cublasLt", "cublas", "curand")


@dataclass(eq=False, repr=False)
class ImplicitGpu(Solver):
    """The peer `implicit` on a CUDA device.

    Parameters
    ----------
    cg_steps
        Conjugate gradient steps per half-step.
    """

    name: ClassVar[str] = "implicit_gpu"
    kind: ClassVar[str] = "reference"
    device: ClassVar[str] = "gpu"
    cg_steps: int = field(default=3, kw_only=True)

    @classmethod
    def unavailable(cls) -> str | None:
        """Return why implicit's CUDA backend cannot be used here, or None."""
        try:
            import implicit  # noqa: F401
        except ImportError as error:
            return f'implicit is not installed ({error}): pip install "halfstep[bench]"'
        gpu, reason = _cuda_backend()
        if gpu is None:
            return reason
        return None

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule or that implicit cannot express."""
        super().check()
        check_expressible(self)
        check_integers(self.get_params(), cg_steps=1)
        if self.factors > MAX_FACTORS:
            raise InputError(
                f"factors must be at most {MAX_FACTORS} for {self.name}, got {self.factors}"
            )
        if np.dtype(self.dtype) != np.float32:
            raise InputError(
                f"dtype must be float32 for {self.name}, got {np.dtype(self.dtype).name}"
            )

    def half_step(self, problem: Problem, X: Floats) -> Floats:
        """Run implicit's CUDA row solver once on the side being solved."""
        gpu = _require_backend()
        scale = np.float32(math.sqrt(scale_of(self, problem)))
        solver = gpu.LeastSquaresSolver()
        solution, Y = gpu.Matrix(X * scale), gpu.Matrix(problem.Y * scale)
        gramian = gpu.Matrix.zeros(self.factors, self.factors)
        solver.calculate_yty(Y, gramian, regularization_of(self, problem))
        matrix = gpu.CSRMatrix(confidences(problem))
        solver.least_squares(matrix, solution, gramian, Y, self.cg_steps)
        result: Floats = solution.to_numpy() / scale
        return result

    def _alternate(self, users: Weights, items: Weights, X: Any, Y: Any, report: Report) -> None:
        gpu = _require_backend()
        from implicit.gpu.als import AlternatingLeastSquares

        scale = np.float32(math.sqrt(scale_of(self, users)))
        model = AlternatingLeastSquares(
            factors=self.factors,
            regularization=regularization_of(self, users),
            alpha=1.0,
            dtype=np.float32,
            iterations=self.iterations,
        )
        model.cg_steps = self.cg_steps
        model.user_factors, model.item_factors = gpu.Matrix(X * scale), gpu.Matrix(Y * scale)
        run_fit(
            model,
            confidences(users),
            lambda: (
                model.user_factors.to_numpy() / scale,
                model.item_factors.to_numpy() / scale,
            ),
            report,
        )


def _cuda_backend() -> tuple[Any, str]:
    """Return implicit's CUDA module, or None and the reason why it cannot work."""
    try:
        from cuda.pathfinder import load_nvidia_dynamic_lib
    except ImportError:
        pass
    else:
        for library in _LIBRARIES:
            try:
                load_nvidia_dynamic_lib(library)
            except Exception:  # what is missing shows in the import below, with its name
                break
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            import implicit.gpu as gpu
        except Exception as error:
            return None, f"implicit.gpu cannot be imported: {error}"
    if gpu.HAS_CUDA:
        return gpu, ""
    if not gpu.HAS_RMM:
        return None, (
            "implicit finds no RMM: pip install rmm-cu13==26.2.0 (an NVIDIA GPU with CUDA 13 is needed)"
        )
    said = str(caught[0].message) if caught else "its CUDA extension found no device"
    return None, f"implicit has no CUDA here: {said}"


def _require_backend() -> Any:
    gpu, reason = _cuda_backend()
    if gpu is None:
        from halfstep.errors import SolverUnavailable

        raise SolverUnavailable(f"solver 'implicit_gpu' cannot run here: {reason}")
    return gpu
