"""Reference: `implicit`'s CUDA model behind this package's interface.

The 0.7 series of `implicit` has properties that would make a comparison wrong without an error. The
wrapper handles each of them:

* Its `fit` never applies `alpha`. The wrapper weights the matrix first, as for the CPU reference.
* Without the version of RMM that it was built with, or without a path to the CUDA libraries, its factory
  trains on the CPU. The wrapper takes the class from `implicit.gpu.als` and checks `HAS_CUDA`.
* Its wheels have no search path for the CUDA libraries. The wrapper loads the libraries first, from
  where `cuda-pathfinder` finds them.
* `import implicit` already decides whether CUDA is there. If it was imported before the libraries were
  loaded, the wrapper executes `implicit.gpu` again.
* A second `fit` continues from the factors of the first. The wrapper makes a new model for every fit,
  which starts from the factors that all solvers start from.

It has conjugate gradients only (3 steps by default), 32-bit indices, and at most 992 factors, which it
stores in float32 or float16 and multiplies in float32.
"""

from __future__ import annotations

import importlib
import math
import warnings
from dataclasses import dataclass, field
from importlib import metadata
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np

from halfstep.errors import InputError
from halfstep.kernels.cuda.backend import CupyBackend
from halfstep.machine import why_no_gpu
from halfstep.solvers.base import Solver
from halfstep.solvers.fit.monitor import Monitor
from halfstep.solvers.inputs import check_integers
from halfstep.solvers.peers.implicit_cpu import (
    check_expressible,
    confidences,
    regularization_of,
    run_fit,
    scale_of,
)
from halfstep.solvers.problem import Problem, Weights
from halfstep.types import Floats

MAX_FACTORS = 992
STORAGES = ("float32", "float16")
_LIBRARIES = ("cudart", "cublasLt", "cublas", "curand")
_RMM = 'pip install "rmm-cu13==26.2.*" "librmm-cu13==26.2.*"'
_CUDA = "pip install nvidia-cuda-runtime nvidia-cublas nvidia-curand cuda-pathfinder"


@dataclass(eq=False, repr=False)
class ImplicitGpu(Solver):
    """The peer `implicit` on a CUDA device.

    The other parameters are those of `halfstep.Solver`.

    Parameters
    ----------
    cg_steps
        Conjugate gradient steps per half-step.
    storage
        How the device stores both factors: `"float32"` or `"float16"`. The model's factors are float32.

    See Also
    --------
    halfstep.solvers.peers.implicit_cpu.ImplicitCpu : The same on the CPU.

    Examples
    --------
    >>> import halfstep
    >>> from scipy import sparse
    >>> plays = sparse.csr_matrix([[5, 0, 3, 0], [0, 2, 0, 4], [1, 0, 0, 3]])
    >>> model = halfstep.SOLVERS["implicit_gpu"](factors=2, random_state=0)
    >>> model.fit(plays, show_progress=False).user_factors.shape  # doctest: +SKIP
    (3, 2)
    """

    name: ClassVar[str] = "implicit_gpu"
    kind: ClassVar[str] = "reference"
    device: ClassVar[str] = "gpu"
    cg_steps: int = field(default=3, kw_only=True)
    storage: str = field(default="float32", kw_only=True)

    @classmethod
    def unavailable(cls) -> str | None:
        """Return why implicit's CUDA backend cannot be used here, or None."""
        # `find_spec` does not import it: that would decide on CUDA before its libraries are loaded.
        if find_spec("implicit") is None:
            return 'implicit is not installed: pip install "halfstep[bench]"'
        gpu, reason = cuda_backend()
        if gpu is None:
            return reason
        return None

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule or that implicit cannot express."""
        super().check()
        check_expressible(self)
        check_integers(self._settings(), cg_steps=1)
        if self.storage not in STORAGES:
            raise InputError(f"storage must be one of {', '.join(STORAGES)}, got {self.storage!r}")
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
        solution, Y = (self._stored(gpu.Matrix(a * scale)) for a in (X, problem.Y))
        gramian = gpu.Matrix.zeros(self.factors, self.factors)
        solver.calculate_yty(Y, gramian, regularization_of(self, problem))
        matrix = gpu.CSRMatrix(confidences(problem))
        solver.least_squares(matrix, solution, gramian, Y, self.cg_steps)
        result: Floats = _to_host(solution) / scale
        return result

    def _stored(self, factors: Any) -> Any:
        """Return a float32 matrix of implicit's in the dtype in which the device is to store it."""
        return factors if self.storage == "float32" else factors.astype(np.dtype(self.storage))

    def _alternate(self, users: Weights, items: Weights, X: Any, Y: Any, monitor: Monitor) -> None:
        """Run implicit's own fit on the device from X and Y."""
        gpu = _require_backend()
        from implicit.gpu.als import AlternatingLeastSquares

        scale = np.float32(math.sqrt(scale_of(self, users)))
        model = AlternatingLeastSquares(
            factors=self.factors,
            regularization=regularization_of(self, users),
            alpha=1.0,
            dtype=np.dtype(self.storage),
            iterations=self.iterations,
        )
        model.cg_steps = self.cg_steps
        held = [_on_device(factors * scale) for factors in (X, Y)]
        model.user_factors, model.item_factors = (self._stored(gpu.Matrix(a)) for a in held)
        run_fit(
            model,
            confidences(users),
            lambda: (
                _to_host(model.user_factors) / scale,
                _to_host(model.item_factors) / scale,
            ),
            monitor,
        )


def _to_host(matrix: Any) -> Floats:
    """Return a matrix of implicit's as a float32 array on the host."""
    stored: Floats = matrix.to_numpy()
    return stored.astype(np.float32, copy=False)


def _on_device(factors: Floats) -> Any:
    """Return factors (rows, f) as a CuPy array if CuPy can be used, else unchanged.

    implicit's `Matrix` uses a CuPy array without a copy and updates it in place. It does not check that
    the array is C-contiguous float32, and the caller must keep a reference to it.
    """
    if why_no_gpu() is not None:
        return factors
    return CupyBackend().to_device(factors)


def _require_backend() -> Any:
    """Return implicit's CUDA module, or raise SolverUnavailable with the reason."""
    gpu, reason = cuda_backend()
    if gpu is None:
        from halfstep.errors import SolverUnavailable

        raise SolverUnavailable(f"solver 'implicit_gpu' cannot run here: {reason}")
    return gpu


def cuda_backend() -> tuple[Any, str]:
    """Return implicit's CUDA module and "", or None and the reason why it cannot be used."""
    loaded = load_libraries()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            gpu = importlib.import_module("implicit.gpu")
            if loaded and not gpu.HAS_CUDA:
                gpu = importlib.reload(gpu)
        except Exception as error:
            return None, f"implicit.gpu cannot be imported: {error}"
    if gpu.HAS_CUDA:
        return gpu, ""
    return None, f"implicit has no CUDA here: {explain(_error())}"


def load_libraries() -> bool:
    """Load the CUDA libraries that implicit needs; return whether all of them were found."""
    try:
        from cuda.pathfinder import load_nvidia_dynamic_lib
    except ImportError:
        return False
    for library in _LIBRARIES:
        try:
            load_nvidia_dynamic_lib(library)
        except Exception:  # implicit's own error will name the missing library
            return False
    return True


def explain(error: str) -> str:
    """Return what an error of implicit's CUDA extension means and the command that repairs it."""
    if "No module named 'rmm" in error or "librmm" in error or "rapids_logger" in error:
        return f"it finds no RMM ({error}): {_RMM}"
    if "undefined symbol" in error:
        return (
            f"RMM {_version('rmm-cu13')} is not the one that implicit {_version('implicit')} was "
            f"built with, 26.2 ({error}): {_RMM}"
        )
    if "cannot open shared object file" in error:
        return f"a CUDA 13 library is missing or not found ({error}): {_CUDA}"
    if "No module named 'implicit.gpu._cuda" in error:
        return (
            "this build of implicit has no CUDA extension: pip install --force-reinstall "
            "--only-binary implicit implicit (its wheels for Linux have one)"
        )
    return f"its CUDA extension finds no device ({error or 'without a reason'})"


def _error() -> str:
    """Return the error of importing the extension or of counting devices with it; "" without one."""
    try:
        importlib.import_module("rmm")
        importlib.import_module("implicit.gpu._cuda").get_device_count()
    except Exception as error:
        return " ".join(str(error).split())
    return ""


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "of an unknown version"
