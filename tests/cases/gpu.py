"""What every GPU rung is proved on: rows of the lengths at which kernels go wrong, and the devices."""

import functools
from dataclasses import replace

import numpy as np
import oracle
import pytest
from emulator import ORDERS, EmulatorBackend, build
from emulator.backend import Launch
from scipy import sparse

from cases.solvers import CONVENTIONS
from halfstep import SOLVERS
from halfstep.bench.gpu.plan import rounds
from halfstep.kernels.cuda.backend import CupyBackend, using
from halfstep.machine import why_no_gpu
from halfstep.solvers.inputs import as_csr

# None, one, about a warp, more than shared memory keeps, none again, every column, and short ones:
# more rows than the emulated device has blocks at once, so that a block goes on to another row.
COLUMNS = 1100
LENGTHS = (0, 1, 31, 32, 33, 1000, 0, COLUMNS, 2, 5, 64, *range(3, 40))
FACTORS = (1, 7, 33, 64, 130)
CONVENTION_NAMES = list(CONVENTIONS)
# Steps that solve these well-conditioned rows to rounding.
SETTINGS = {name: {"cg_steps": 40} for name in SOLVERS if "_cg_" in name}
# Relative error of a solution: float32 adds up to 1100 entries one after another (336 eps), and one rung
# stores the fixed side in 16 bits.
TOLERANCE = {"float32": 4e-5, "float64": 1e-10, "float16": 4e-3}
DEVICES = [*ORDERS, pytest.param("cupy", marks=pytest.mark.gpu)]


def rows_of(lengths=LENGTHS, columns=COLUMNS, seed=0):
    """Return a row of each length; values from below 1 to above, one in thirty negative."""
    rng = np.random.default_rng(seed)
    indices = [np.sort(rng.choice(columns, n, replace=False)) for n in lengths]
    values = rng.lognormal(0.5, 0.7, sum(lengths))
    values[(rng.random(len(values)) < 1 / 30) & (np.arange(len(values)) > 0)] *= -1
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    shape = (len(lengths), columns)
    return as_csr(sparse.csr_matrix((values, np.concatenate(indices), indptr), shape=shape))


class Card(CupyBackend):
    """The current CUDA device, which notes its launches and uploads as the emulator does.

    Two of them are two devices to a solver, on one card.
    """

    _compiled = ({}, {})  # by all instances: a test must not load again what another one has loaded

    def __init__(self, shared_limit=None):
        super().__init__()
        self.shared_limit = shared_limit or self.shared_limit
        self._functions, self._modules = self._compiled
        self.launches, self.uploads = [], 0

    def launch(self, file, kernel, defines, grid, block, args, shared_mem=0):
        self.launches.append(Launch(file, kernel, tuple(defines), grid, block, shared_mem))
        super().launch(file, kernel, defines, grid, block, args, shared_mem)

    def upload(self, target, array, slot):
        self.uploads += 1
        super().upload(target, array, slot)

    def launched(self, kernel=None):
        """Return how often a kernel (or any) was launched."""
        return sum(kernel in (None, launch.kernel) for launch in self.launches)


def backend_of(name, *, shared_limit=None, **emulated):
    """Return an emulated device with an order of threads, or for "cupy" the card.

    Settings other than `shared_limit` are the emulator's alone. Skips where the machine lacks either.
    """
    settings = {} if shared_limit is None else {"shared_limit": shared_limit}
    reason = why_no_gpu() if name == "cupy" else build.why_not()
    if reason:
        pytest.skip(reason)
    if name == "cupy":
        return Card(**settings)
    return EmulatorBackend(order=name, **{"multiprocessors": 1, **settings, **emulated})


def mostly_long(values, *kept):
    """Return parameters; all but `kept` take long to compile, and run with `make kernels` alone."""
    return [
        value
        if value in kept
        else pytest.param(
            *(value if isinstance(value, tuple) else (value,)), marks=pytest.mark.kernels
        )
        for value in values
    ]


def device(name, **settings):
    """Return a context in which the GPU solvers use such a device."""
    return using(backend_of(name, **settings))


@functools.cache
def case(f, convention, exponent, dtype="float32", lengths=LENGTHS, columns=COLUMNS):
    """Return (matrix, Y, settings, exact solution) of a half-step; computed once."""
    matrix = rows_of(lengths, columns)
    Y = np.random.default_rng(f).normal(size=(columns, f)).astype(dtype)
    # As much as the data's largest eigenvalue, for which 1 is stored below.
    scale = float(np.linalg.norm(Y, 2) ** 2) / (columns**exponent)
    settings = {"regularization": 0.5 * scale, **CONVENTIONS[convention]}
    exact = oracle.solve(matrix, Y, exponent=exponent, **settings)
    return matrix, Y, {**settings, "regularization_exponent": exponent}, exact


def error_of(name, f, convention="implicit", exponent=0.0, dtype="float32", storage=None, **shape):
    """Return the largest error of a row's solution by a rung, relative to the solutions' norm."""
    matrix, Y, settings, exact = case(f, convention, exponent, dtype, **shape)
    stored = {} if storage is None else {"storage": storage}
    model = SOLVERS[name](factors=f, dtype=dtype, **SETTINGS.get(name, {}), **settings, **stored)
    users, _ = model.weights(matrix)
    start = np.random.default_rng(2).normal(size=exact.shape) * np.abs(exact).max()
    X = model.half_step(users.fixing(Y), start.astype(dtype))
    assert X.shape == exact.shape
    assert X.dtype == dtype
    assert not X[np.diff(matrix.indptr) == 0].any(), "a row without entries must be zero"
    errors = np.linalg.norm(X - exact, axis=1) / np.linalg.norm(exact, axis=1).max()
    return float(errors.max()) if np.isfinite(errors).all() else np.inf


def error_of_relaxed(name, steps=1, f=7, **shape):
    """Return by how much a rung's relaxed rows differ from its plain ones, relaxed in NumPy."""
    matrix, Y, settings, exact = case(f, "log", 0.0, **shape)
    model = SOLVERS[name](factors=f, **settings, cg_max_steps=steps, cg_tolerance=1e-6)
    users, _ = model.weights(matrix)
    start = np.random.default_rng(0).normal(size=exact.shape).astype(np.float32) / 100
    plain, relaxed = (
        model.half_step(replace(users.fixing(Y), omega=omega), start) for omega in (1.0, 1.4)
    )
    stored = np.diff(matrix.indptr) > 0
    expected = np.where(stored[:, None], start + 1.4 * (plain - start), 0)
    return float(np.abs(relaxed - expected).max() / np.abs(plain).max())


def tolerance(name, dtype="float32"):
    """Return the relative error that a rung may have."""
    return TOLERANCE["float16" if rounds(name) else dtype]


def kernels_of(name, dtype="float32"):
    """Return the kernels by which a rung with bins solves rows, a hub's aside."""
    if name == "gpu_cg_8_tensor" and dtype == "float32":
        return {"cg_5_short", "cg_8_warp"}
    return {"cg_5_short", "cg_4_shared", "cg_5_long"}


def float64_rungs(names):
    """Return those rungs that take float64."""
    return [name for name in names if not rounds(name)]
