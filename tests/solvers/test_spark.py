"""Spark's ALS as a peer: its row systems in float64, what is refused, and what is missing."""

import numpy as np
import pytest
from cases.solvers import awkward

from halfstep import SOLVERS, InputError, SolverUnavailable
from halfstep.solvers.als_wr import als_wr
from halfstep.solvers.inputs import as_csr
from halfstep.solvers.objective import objective, relative_residuals
from halfstep.solvers.peers import spark_session
from halfstep.solvers.peers.spark import Spark

REGULARIZATION = 0.1


@pytest.fixture(scope="module")
def running():
    reason = Spark.unavailable()
    if reason:
        pytest.skip(reason)
    yield
    spark_session.stop()


def spark_row(Y, ratings, implicit):
    """Solve one row by Spark's formula; ratings are dense (columns,), 0 where there is none."""
    stored = np.flatnonzero(ratings)
    liked = stored[ratings[stored] > 0] if implicit else stored
    weight = np.abs(ratings[stored]) if implicit else np.ones(len(stored))
    A = (Y[stored].T * weight) @ Y[stored] + REGULARIZATION * len(liked) * np.eye(Y.shape[1])
    if implicit:
        A += Y.T @ Y
    target = 1 + ratings[liked] if implicit else ratings[liked]
    return np.linalg.solve(A, target @ Y[liked])


def spark_objective(X, Y, ratings, implicit):
    """Return what those rows minimise, over the whole dense matrix."""
    Z, stored = X @ Y.T, ratings != 0
    liked = ratings > 0 if implicit else stored
    fit = (1 + abs(ratings)) * (liked - Z) ** 2 if implicit else stored * (ratings - Z) ** 2
    penalty = (liked.sum(1) * (X**2).sum(1)).sum() + (liked.sum(0) * (Y**2).sum(1)).sum()
    return fit.sum() + REGULARIZATION * penalty


def fitted(matrix, iterations, **convention):
    settings = {"factors": 5, "regularization": REGULARIZATION, "random_state": 0}
    if convention["confidence"] != "explicit":
        model = als_wr(Spark)(**settings, **convention, iterations=iterations, blocks=1)
        exact = als_wr(SOLVERS["cholesky"])
    else:
        convention = {**convention, "regularization_exponent": 1.0}
        model = Spark(**settings, **convention, iterations=iterations, blocks=1)
        exact = SOLVERS["cholesky"]
    model.set_params(num_threads=1).fit(matrix, show_progress=False)
    return model, exact(**settings, **convention, dtype=np.float64)


# Java takes seconds to start, and minutes of a busy machine.
@pytest.mark.soak
@pytest.mark.parametrize("confidence", ["linear", "explicit"])
def test_spark_comes_to_rest_where_our_objective_does(running, confidence):
    matrix = as_csr(awkward(50, 41))
    model, exact = fitted(matrix, 8, confidence=confidence)
    assert len(model.seconds_) == 8
    ratings, implicit = matrix.toarray(), confidence != "explicit"
    X, Y = model.user_factors.astype(np.float64), model.item_factors.astype(np.float64)
    rated = (ratings != 0).any(1)
    assert not X[~rated].any()
    # It solves users last; items are as far from their solution as the last iteration moved users.
    ours = np.array([spark_row(Y, ratings[u], implicit) for u in np.flatnonzero(rated)])
    np.testing.assert_allclose(X[rated], ours, rtol=0, atol=1e-5 * abs(ours).max())
    of_items = np.flatnonzero((ratings > 0).any(0) if implicit else (ratings != 0).any(0))
    ours = np.array([spark_row(X, ratings[:, i], implicit) for i in of_items])
    assert np.linalg.norm(Y[of_items] - ours) < 0.1 * np.linalg.norm(ours)
    sides = exact.weights(matrix)
    value = objective(*sides, X, Y)
    assert value == pytest.approx(spark_objective(X, Y, ratings, implicit), rel=1e-9)
    # Our exact half-steps from where Spark ended have almost nothing left to gain.
    exact.set_params(iterations=1, init_factors=(X, Y)).fit(matrix, show_progress=False)
    assert 0 <= 1 - objective(*sides, exact.user_factors, exact.item_factors) / value < 0.02


@pytest.mark.soak
@pytest.mark.parametrize(
    "convention",
    [{"confidence": "log", "alpha": 2.0}, {"confidence": "binary", "background": 0.3}],
)
def test_spark_solves_the_rows_of_other_confidences(running, convention):
    matrix = as_csr(awkward(50, 41))
    model, exact = fitted(matrix, 12, **convention)  # more than ten: with a checkpoint
    users, items = exact.weights(matrix)
    X, Y = model.user_factors, model.item_factors
    assert relative_residuals(users.fixing(Y), X).max() < 1e-5
    assert np.quantile(relative_residuals(items.fixing(X), Y), 0.9) < 0.1


def test_als_wr_is_what_its_formula_says():
    matrix = as_csr(awkward())
    for confidence in ("linear", "explicit"):
        model = als_wr(SOLVERS["eigenbasis"])(regularization=0.5, confidence=confidence, factors=3)
        for side, stored in zip(model.weights(matrix), (matrix, matrix.T.tocsr()), strict=True):
            counted = stored > 0 if confidence == "linear" else stored != 0
            counts = np.asarray(counted.sum(1)).ravel()
            np.testing.assert_array_equal(side.lam, 0.5 * np.maximum(counts, 1))
    of_library = SOLVERS["cholesky"](
        regularization=0.5, confidence="explicit", regularization_exponent=1.0
    )
    scaled = als_wr(SOLVERS["cholesky"])(regularization=0.5, confidence="explicit")
    first, second = (m.weights(matrix)[0].lam for m in (of_library, scaled))
    stored = np.diff(matrix.indptr) > 0
    np.testing.assert_array_equal(first[stored], second[stored])


@pytest.mark.parametrize("name", ["cholesky", "eigenbasis", "subspace"])
def test_als_wr_reaches_the_same_objective_with_every_rung(name):
    matrix = as_csr(awkward())
    rng = np.random.default_rng(0)
    start = tuple(rng.normal(size=(rows, 4)) / 4 for rows in matrix.shape)
    found = []
    for solver, own in ((name, {"exact": True} if name == "eigenbasis" else {}), ("naive", {})):
        model = als_wr(SOLVERS[solver])(
            factors=4, confidence="linear", regularization=0.2, dtype=np.float64, iterations=12,
            init_factors=start, **own,
        )  # fmt: skip
        model.fit(matrix, show_progress=False)
        found.append(objective(*model.weights(matrix), model.user_factors, model.item_factors))
    assert found[0] == pytest.approx(found[1], rel=1e-3)


def test_who_has_no_als_wr_is_refused():
    for name in ("implicit_cpu", "irspack_cpu", "gpu_cholesky"):
        with pytest.raises(InputError, match=f"{name} has no ALS-WR"):
            als_wr(SOLVERS[name])
    with pytest.raises(InputError, match="regularization_exponent must be 0, got 1"):
        als_wr(SOLVERS["cholesky"])(regularization_exponent=1.0)


def test_what_spark_cannot_express_is_refused():
    for given, message in (
        ({"confidence": "linear"}, "scales each row's regularization .* --als-wr"),
        ({"confidence": "explicit"}, "'explicit' with regularization_exponent 1"),
        ({"dtype": np.float64}, "dtype must be float32 for spark, got float64"),
        ({"blocks": 0}, "blocks must be at least 1"),
    ):
        with pytest.raises(InputError, match=message):
            Spark(**given)
    model = als_wr(Spark)(factors=3, confidence="implicit")
    with pytest.raises(InputError, match="needs stored values whose confidence is above 1"):
        model.fit(awkward(), show_progress=False)


def test_what_is_missing_is_said_without_a_java(monkeypatch, tmp_path):
    monkeypatch.setattr(spark_session, "find_spec", lambda name: None)
    assert 'pip install "halfstep[spark]"' in Spark.unavailable()
    with pytest.raises(
        SolverUnavailable, match="'spark' cannot run here: pyspark is not installed"
    ):
        als_wr(Spark)(factors=3, confidence="linear").fit(awkward(), show_progress=False)
    monkeypatch.setattr(spark_session, "find_spec", lambda name: object())
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no command 'java': apt-get install default-jre-headless" in Spark.unavailable()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert f"JAVA_HOME names a folder without bin/java: {tmp_path}" in Spark.unavailable()
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.touch(0o755)
    assert Spark.unavailable() is None


def test_zero_iterations_need_no_spark(monkeypatch):
    monkeypatch.setattr("halfstep.solvers.peers.spark.session", None)
    model = als_wr(Spark)(factors=3, confidence="linear", iterations=0, random_state=1)
    assert model.fit(awkward(), show_progress=False).user_factors.shape == (43, 3)
