"""Overflow, NaN and infinity: raised where they arise, with iteration, side and row."""

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from cases.solvers import awkward
from scipy import sparse

from halfstep import SOLVERS, InputError
from halfstep.errors import NotFinite
from halfstep.solvers.inputs import row_not_finite


@dataclass(eq=False, repr=False)
class Broken(SOLVERS["cholesky"]):
    """Spoils one number of one half-step, counted from 0 and users first."""

    at: int = 0
    row: int = 0
    value: float = np.nan

    def half_step(self, problem, X):
        self.taken = getattr(self, "taken", -1) + 1
        solution = super().half_step(problem, X)
        if self.taken == self.at:
            solution[self.row, 1] = self.value
        return solution


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", range(5))
def test_the_half_step_that_it_arises_in_is_named(at, value):
    good = SOLVERS["cholesky"](factors=3, iterations=at // 2, random_state=0)
    good.fit(awkward(), show_progress=False)
    model = Broken(factors=3, iterations=3, random_state=0, at=at, row=7, value=value)
    side = ("user", "item")[at % 2]
    message = f"iteration {at // 2}: the {side} factors of row 7 are not finite"
    with pytest.raises(FloatingPointError, match=message) as caught:
        model.fit(awkward(), show_progress=False)
    assert (caught.value.iteration, caught.value.side, caught.value.row) == (at // 2, side, 7)
    assert model.taken == at
    if at < 2:
        assert model.user_factors is model.item_factors is None  # never the random start
    else:
        assert np.array_equal(model.user_factors, good.user_factors)
        assert np.array_equal(model.item_factors, good.item_factors)
    assert len(model.seconds_) == at // 2


def test_the_error_can_cross_processes():
    error = pickle.loads(pickle.dumps(NotFinite("row 3 is not finite", 3, 2, "user")))
    assert str(error) == "iteration 2: row 3 is not finite"
    assert (error.row, error.iteration, error.side) == (3, 2, "user")


def test_large_but_finite_factors_are_not_refused():
    factors = np.ones((50, 4), np.float32)
    assert row_not_finite(factors) is None
    factors[20, 3] = 3e38  # its square overflows
    assert row_not_finite(factors) is None
    factors[30, 0] = np.inf
    factors[40, 0] = np.nan
    assert row_not_finite(factors) == 30


def overflowing(rung, dtype):
    """Return a fit whose numbers leave the range of `dtype`."""
    huge = float(np.finfo(dtype).max)
    matrix = awkward(negative=False).astype(np.float64)
    matrix.data *= huge / 1e4 / matrix.data.max()
    start = tuple(
        np.full((rows, 3), np.sqrt(huge), dtype) * np.arange(1, 4, dtype=dtype)
        for rows in matrix.shape
    )
    return rung(factors=3, iterations=3, dtype=dtype, init_factors=start, num_threads=1), matrix


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_overflow_raises_with_its_place_on_every_rung(rung, dtype):
    model, matrix = overflowing(rung, dtype)
    with pytest.raises(NotFinite) as caught:
        model.fit(matrix, show_progress=False)
    error = caught.value
    assert error.side in ("user", "item")
    assert error.iteration == len(model.seconds_)
    assert error.row is not None
    assert str(error).startswith(f"iteration {error.iteration}: ")
    assert f"row {error.row}" in str(error)
    for factors in (model.user_factors, model.item_factors):
        assert (factors is None) == (error.iteration == 0)
        assert factors is None or np.isfinite(factors).all()


def test_a_weight_that_overflows_is_refused_before_work(rung):
    matrix = sparse.csr_matrix(np.array([[1.0, 1e39], [0, 1]]))
    model = rung(factors=2)
    with pytest.raises(InputError, match="must fit float32"):
        model.fit(matrix, show_progress=False)
    assert model.user_factors is None
