from itertools import pairwise

import numpy as np
import pytest
from cases.rows import FACTORS, ROW_CONVENTIONS, eps, problem

from halfstep.errors import InputError
from halfstep.solvers.objective import relative_residuals
from halfstep.solvers.subspace import Subspace


def solver(f, dtype="float32", **settings):
    return Subspace(factors=f, dtype=dtype, **settings)


def row_objectives(half, X):
    """Return x'Ax - 2 b'x of each row in float64, what a half-step lowers."""
    wide = half.fixing(half.Y.astype("float64"))
    X = X.astype("float64")
    return np.einsum(
        "uf,uf->u", X, wide.apply(X, wide.gramian()) - 2 * wide.scatter(wide.t.astype("float64"))
    )


@pytest.mark.parametrize("convention", ROW_CONVENTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("f", FACTORS)
def test_one_block_is_the_exact_solution(f, dtype, convention):
    half, X = problem(f, dtype, convention=convention)
    # The right-hand side is the start's residual: one far from the solution costs digits.
    solution = solver(f, dtype, block_size=f).half_step(half, X * X.dtype.type(0.01))
    assert solution.dtype == dtype
    assert not solution[0].any()
    residuals = relative_residuals(half, solution)
    assert (residuals < (1e6 if convention == "huge" else 3e3) * eps(dtype)).all(), residuals


@pytest.mark.parametrize("convention", ROW_CONVENTIONS)
def test_no_sweep_raises_a_row_s_objective(convention):
    half, X = problem(130, "float64", convention=convention)
    model = solver(130, "float64", block_size=16)
    values = [row_objectives(half, X)]
    for _ in range(4):
        X = model.half_step(half, X)
        values.append(row_objectives(half, X))
    slack = 1e-12 * np.abs(values[0])
    for before, after in pairwise(values):
        assert (after <= before + slack).all()
    assert (values[-1][1:] < values[0][1:]).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("f", [33, 130])
def test_sweeps_come_to_the_solution(f, dtype):
    half, X = problem(f, dtype, convention="log")
    model = solver(f, dtype, block_size=1)
    first = None
    for _ in range(60):
        X = model.half_step(half, X)
        first = relative_residuals(half, X) if first is None else first
    last = relative_residuals(half, X)
    assert (last < 1e3 * eps(dtype)).all() or np.median(last) < 1e-3 * np.median(first), last


def test_blocks_are_rounded_up_to_whole_vectors():
    half, X = problem(130)
    one, all_of_them, two = (
        solver(130, block_size=size).half_step(half, X) for size in (1, 32, 64)
    )
    assert np.array_equal(one, solver(130, block_size=2).half_step(half, X))
    assert not np.array_equal(all_of_them, two)


def test_threads_and_wide_indices_change_no_bit():
    half, X = problem(130)
    one = solver(130, num_threads=1).half_step(half, X)
    assert one.tobytes() == solver(130, num_threads=3).half_step(half, X).tobytes()
    object.__setattr__(half, "indices", half.indices.astype(np.int64))
    assert one.tobytes() == solver(130).half_step(half, X).tobytes()


@pytest.mark.parametrize("array", ["Y", "values", "X"])
def test_a_nan_reaches_the_solution(array):
    half, X = problem(33)
    target = {"Y": half.Y[half.indices[-1]], "values": half.values, "X": X[5]}[array]
    target[-1] = np.nan
    try:
        solution = solver(33).half_step(half, X)
    except (np.linalg.LinAlgError, FloatingPointError):
        return
    assert not np.isfinite(solution).all()


def test_a_block_has_at_least_one_coordinate():
    with pytest.raises(InputError, match="block_size must be at least 1, got 0"):
        Subspace(block_size=0)
