"""Weights too large for the dtype: one warning on every rung; no word where float32 is as good."""

import re
import warnings

import numpy as np
import pytest
from cases.solvers import EXACT, awkward
from scipy import sparse

from halfstep import SOLVERS
from halfstep.errors import NotFinite, NumericalWarning
from halfstep.solvers.fit.precision import LIMIT, LIMIT_EXPLICIT, _rows, lost_precision
from halfstep.solvers.fit.start import starting_factors
from halfstep.solvers.objective import objective

SAID = r"^the weights are too large for float32: .* set dtype=numpy.float64, "


def model(solver="cholesky", matrix=None, **settings):
    shape = (awkward() if matrix is None else matrix).shape
    settings = {"factors": 5, "iterations": 6, "dtype": np.float32, **settings}
    start = starting_factors(None, shape, settings["factors"], np.float32, 0)
    start = tuple(side.astype(settings["dtype"]) for side in start)
    return (SOLVERS[solver] if isinstance(solver, str) else solver)(init_factors=start, **settings)


def fit(model, matrix=None):
    matrix = awkward(negative=False) if matrix is None else matrix
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumericalWarning)
        return model.fit(matrix, show_progress=False)


def error_of(name, matrix=None, **settings):
    """Return by how much of it float32 changes the objective of a fit with exact half-steps."""
    matrix = awkward(negative=False) if matrix is None else matrix
    exact = fit(model(matrix=matrix, dtype=np.float64, **settings), matrix)
    sides = exact.weights(matrix)
    single = fit(model(name, matrix, **settings, **EXACT.get(name, {})), matrix)
    return abs(
        objective(*sides, *single._fitted()) / objective(*sides, *exact._fitted()) - 1
    ), single


def said_by(model, matrix=None):
    """Return the warnings of a fit that are about its dtype."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(awkward(negative=False) if matrix is None else matrix, show_progress=False)
    return [warning for warning in caught if "too large for float" in str(warning.message)]


TOO_LARGE = [
    {"alpha": 1e8},
    {"alpha": 1e6, "confidence": "linear"},
    {"alpha": 1e9, "confidence": "log"},
    {"confidence": "binary", "background": 1e-9, "regularization": 1e-6},
    {"confidence": "explicit", "regularization": 1e-6},
]


@pytest.mark.parametrize("settings", TOO_LARGE)
def test_every_rung_says_the_same(rung, settings):
    try:
        said = said_by(model(rung, num_threads=1, **settings))
    except NotFinite:
        return  # an error is no silence either
    assert len(said) == 1
    assert re.match(SAID, str(said[0].message))
    assert said[0].category is NumericalWarning
    assert said[0].filename == __file__


@pytest.mark.parametrize("name", ["cholesky", "eigenbasis"])
@pytest.mark.parametrize(
    "settings",
    [{"alpha": alpha} for alpha in (1.0, 1e3, 1e5, 1e6, 1e8)]
    + [{"confidence": "explicit", "regularization": lam} for lam in (1.0, 0.1, 1e-4)]
    + [{"confidence": "linear", "alpha": a, "regularization": 1e-8} for a in (1e3, 1e7)],
)
def test_it_is_silent_only_where_float32_is_as_good(name, settings):
    error, single = error_of(name, **settings)
    lost = lost_precision(single, awkward(negative=False))
    limit = LIMIT_EXPLICIT if "explicit" in settings.values() else LIMIT
    assert error < 0.01 or lost > limit
    assert error > 1e-5 or lost < limit  # and where it speaks there is something to be said


def heavy(scale, users=150, items=90, seed=0):
    """Return counts with a long tail, the largest of them `scale`."""
    rng = np.random.default_rng(seed)
    matrix = sparse.random(users, items, 0.2, "csr", random_state=rng)
    matrix.data = np.ceil(rng.pareto(0.7, matrix.nnz) + 1)
    matrix.data[matrix.data > scale] = scale
    matrix.data[7] = scale
    return matrix


@pytest.mark.parametrize("alpha", [1, 40])
@pytest.mark.parametrize("name", ["cholesky", "eigenbasis", "conjugate_gradient"])
def test_raw_counts_are_fitted_without_a_word(name, alpha):
    matrix = heavy(4e5)
    one = model(name, matrix, alpha=alpha, num_threads=1)
    one.fit(matrix, show_progress=False)
    assert lost_precision(one, matrix) < LIMIT / 3
    if name == "cholesky":
        assert error_of(name, matrix, alpha=alpha)[0] < 1e-3


def test_a_single_entry_is_found():
    matrix = heavy(1e12)
    one = fit(model("eigenbasis", matrix), matrix)
    assert lost_precision(one, matrix) > LIMIT
    assert lost_precision(fit(model("eigenbasis", matrix, dtype=np.float64), matrix), matrix) == 0


def test_float64_has_its_own_limit():
    (said,) = said_by(model(alpha=1e16, dtype=np.float64))
    assert re.search(r"for float64: .* set a smaller alpha, or", str(said.message))
    assert said_by(model(alpha=1e8, dtype=np.float64)) == []


def test_a_share_is_what_dense_algebra_says():
    matrix = awkward(negative=False)
    one = fit(model(alpha=1e6, regularization=0.5, regularization_exponent=0.3))
    users, items = one.weights(matrix)
    means = []
    for side, Y in ((users, one.item_factors), (items, one.user_factors)):
        Y = Y.astype(np.float64)
        inverse = np.linalg.inv(Y.T @ Y + side.lam.mean() * np.eye(5))
        h = np.einsum("if,fg,ig->i", Y, inverse, Y)
        means.append(np.mean(np.abs(side.w) * h[side.indices]))
    expected = max(means) * np.finfo(np.float32).eps
    assert lost_precision(one, matrix) == pytest.approx(expected, rel=1e-3)


def test_entries_know_their_rows():
    indptr = np.array([0, 0, 3, 3, 4, 9, 9])
    rows = np.repeat(np.arange(6), np.diff(indptr))
    for start in range(9):
        for stop in range(start + 1, 10):
            assert _rows(indptr, start, stop - start).tolist() == rows[start:stop].tolist()
