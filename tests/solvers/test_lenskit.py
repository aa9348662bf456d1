"""LensKit's implicit ALS as a peer."""

import numpy as np
import pytest
from cases.solvers import awkward

from halfstep import SOLVERS, InputError
from halfstep.solvers.fit.start import starting_factors
from halfstep.solvers.inputs import as_csr
from halfstep.solvers.objective import objective, relative_residuals
from halfstep.solvers.peers import lenskit
from halfstep.solvers.peers.lenskit import LensKit

EXPRESSIBLE = [
    {"confidence": "linear", "alpha": 2.0},
    {"confidence": "log", "alpha": 3.0, "epsilon": 2.0},
    {"confidence": "binary", "background": 0.2},
]


@pytest.fixture(scope="module")
def present():
    reason = LensKit.unavailable()
    if reason:
        pytest.skip(reason)
    # Whichever test is first in a process starts LensKit's threads.
    pytest.importorskip("lenskit.als")


@pytest.mark.parametrize("convention", EXPRESSIBLE)
def test_lenskit_minimises_our_objective(present, convention):
    matrix = as_csr(awkward(negative=False))
    start = starting_factors(None, matrix.shape, 7, np.float32, 4)
    settings = {"factors": 7, "regularization": 0.5, "iterations": 6, "init_factors": start}
    model = LensKit(**settings, **convention).fit(matrix, show_progress=False)
    assert len(model.seconds_) == 6
    start = tuple(side.astype(np.float64) for side in start)
    exact = SOLVERS["cholesky"](
        **{**settings, "init_factors": start}, dtype=np.float64, **convention
    )
    sides = exact.weights(matrix)
    X, Y = model.user_factors, model.item_factors
    assert relative_residuals(sides[1].fixing(X), Y).max() < 1e-4
    exact.fit(matrix, show_progress=False)
    expected = objective(*sides, exact.user_factors, exact.item_factors)
    assert objective(*sides, X, Y) == pytest.approx(expected, rel=1e-4)
    users = model.weights(matrix)[0].fixing(Y)
    before = X.copy()
    assert relative_residuals(users, model.half_step(users, X)).max() < 1e-4
    assert np.array_equal(X, before)


def test_lenskit_stops_where_it_is_told_to(present):
    matrix = as_csr(awkward(negative=False))
    model = LensKit(factors=3, confidence="linear", iterations=9, random_state=0)
    model.fit(matrix, show_progress=False, callback=lambda i, s, loss: i == 1)
    assert len(model.seconds_) == 2


def test_what_lenskit_cannot_express_is_refused(present):
    for given, message in (
        ({"confidence": "explicit"}, "lenskit has no confidence 'explicit'"),
        ({"regularization_exponent": 1.0}, "regularization_exponent must be 0, got 1"),
        ({"regularization": 0.0}, "regularization must be positive for lenskit"),
        ({"dtype": np.float64}, "dtype must be float32 for lenskit, got float64"),
    ):
        with pytest.raises(InputError, match=message):
            LensKit(**given)
    with pytest.raises(InputError, match="needs stored values whose confidence is above 1"):
        LensKit(factors=3, confidence="linear").fit(awkward(), show_progress=False)


def test_lenskits_absence_is_a_reason_with_a_command(monkeypatch):
    monkeypatch.setattr(lenskit, "find_spec", lambda name: None)
    assert 'pip install "halfstep[lenskit]"' in LensKit.unavailable()
