"""Half-steps on little data, in one compiled call, beside those in blocks of rows on all threads."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from cases.solvers import awkward
from scipy import sparse

from halfstep import SOLVERS
from halfstep.kernels.cpu.vectors import lanes
from halfstep.solvers import little_step
from halfstep.solvers.shared import frame_of

F = 7
LITTLE = little_step.LITTLE
HEAVY = {"alpha": 1e4}
SETTINGS = [
    {},
    {"confidence": "log", "regularization": 0.3},
    {"confidence": "binary", "background": 0.2},
    {"cg_max_steps": 2},
    {"relaxation": 1.7},
    HEAVY,
]


def model(dtype=np.float32, factors=F, **settings):
    return SOLVERS["eigenbasis"](factors, dtype=dtype, random_state=3, **settings)


def sides(of, matrix=None):
    return of.weights(awkward(negative=False) if matrix is None else matrix)


def start(rows, columns, dtype, factors=F):
    draws = np.random.default_rng(1)
    return [draws.normal(size=(n, factors)).astype(dtype) for n in (rows, columns)]


def was_little(weights):
    return little_step._NAME in vars(weights)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("least", [LITTLE, 1], ids=["whole", "in parts"])
def test_a_little_half_step_is_that_by_blocks(settings, dtype, least, monkeypatch):
    of = model(dtype, **settings)
    for weights in sides(of):
        X, Y = start(weights.rows, weights.columns, dtype)
        reports, found = [], []
        for most in (least, 0):
            monkeypatch.setattr(little_step, "LITTLE", most)
            problem = weights.fixing(Y, omega=1.4, reports=[])
            found.append(of.half_step(problem, X))
            reports += problem.reports
        assert was_little(weights)
        eps = 1e-8 if settings == HEAVY else float(np.finfo(dtype).eps)
        near = np.isclose(*found, rtol=0, atol=1e4 * eps * np.abs(found[1]).max()).all(axis=1)
        # Of a row of huge weights the last bit may decide which step is the last one.
        assert near.mean() > (0.9 if settings == HEAVY else 0.9999)
        little, blocks = reports
        assert little.rows == blocks.rows
        assert little.completed == blocks.completed
        assert abs(little.steps - blocks.steps) <= 2
        assert little.gained == pytest.approx(
            blocks.gained, rel=1e-4 if settings == HEAVY else 1e4 * eps
        )
        # Rows of all kinds, where vectors are so long that rows are padded to 32 numbers.
        if settings == HEAVY and lanes(np.dtype(dtype).itemsize) == 16:
            assert little.stepped < little.rows


@pytest.mark.parametrize("settings", [{}, HEAVY, {"compress": True}], ids=str)
def test_parts_have_the_same_bits_on_any_number_of_threads(settings, monkeypatch):
    monkeypatch.setattr(little_step, "LITTLE", 1)
    monkeypatch.setattr(little_step, "_ROTATED", 7)
    matrix = sparse.random(900, 300, 0.05, "csr", random_state=0, dtype=np.float32)
    matrix.data = np.ceil(9 * matrix.data)
    ends = []
    for threads in (1, 3):
        of = model(num_threads=threads, iterations=3, **settings)
        weights = sides(of, matrix)[0]
        X, Y = start(900, 300, np.float32)
        ends.append(of.half_step(weights.fixing(Y), X))
        assert len(vars(weights)[little_step._NAME].blocks) >= 3
        ends.append(of.fit(matrix, show_progress=False).user_factors)
    np.testing.assert_array_equal(ends[0], ends[2])
    np.testing.assert_array_equal(ends[1], ends[3])
    monkeypatch.setattr(little_step, "LITTLE", 0)
    by_blocks = of.half_step(weights.fixing(Y), X)
    assert np.isclose(ends[0], by_blocks, rtol=1e-2, atol=1e-2).mean() > 0.98


@pytest.mark.parametrize("factors", [1, 8, 33, 64])
def test_every_width_of_little_factors_fits_as_by_blocks(factors, monkeypatch):
    of = model(factors=factors, iterations=4, confidence="log", regularization=0.3)
    matrix = awkward(negative=False)
    little = of.fit(matrix, show_progress=False)._loss(sides(of))
    monkeypatch.setattr(little_step, "LITTLE", 0)
    assert of.fit(matrix, show_progress=False)._loss(sides(of)) == pytest.approx(little, rel=1e-4)


@pytest.mark.parametrize(
    "settings",
    [
        {"regularization_exponent": 0.5},
        {"confidence": "explicit"},
        {"compress": True},
        {"cg_steps": 2},
        {"exact": True},
        {"regularization": 0.0},
        {"factors": 65},
    ],
    ids=str,
)
def test_what_little_steps_cannot_do_goes_by_blocks(settings):
    of = model(**{"factors": F, **settings})
    weights = sides(of)[0]
    X, Y = start(weights.rows, weights.columns, np.float32, of.factors)
    assert np.isfinite(of.half_step(weights.fixing(Y, reports=[]), X)).all()
    assert not was_little(weights)


def test_a_lambda_that_rounding_loses_goes_by_blocks(monkeypatch):
    of = model(regularization=1e-25)
    weights = sides(of)[0]
    X, Y = start(weights.rows, weights.columns, np.float32)
    Y[:, 1] = Y[:, 0]
    solution = of.half_step(weights.fixing(Y), X)
    monkeypatch.setattr(little_step, "LITTLE", 0)
    np.testing.assert_array_equal(solution, of.half_step(weights.fixing(Y), X))


def test_a_nan_reaches_the_solution_and_the_sum_of_squares():
    of = model(confidence="log")
    weights = sides(of)[0]
    X, Y = start(weights.rows, weights.columns, np.float32)
    X[11, 2] = np.nan
    rule = of._stopping(frame_of(weights.fixing(Y)))
    problem = weights.fixing(Y)
    method = of._method(frame_of(problem))
    solution, tally = little_step.solve_little(problem, X, rule, (), lambda: method)
    assert weights.indptr[11] < weights.indptr[12]
    assert np.flatnonzero(~np.isfinite(solution).all(axis=1)).tolist() == [11]
    assert np.isnan(tally[-1])


def test_the_sum_of_squares_is_that_of_the_solution(monkeypatch):
    from halfstep.solvers import half_step

    of = model(confidence="log")
    weights = sides(of)[0]
    X, Y = start(weights.rows, weights.columns, np.float32)
    problem = weights.fixing(Y, omega=1.4)
    little = little_step.solve_little(
        problem, X, of._stopping(frame_of(problem)), (), lambda: of._method(frame_of(problem))
    )
    for solution, tally in (
        little,
        half_step.solve_rows(problem, X, 2, of._method(frame_of(problem))),
    ):
        assert tally[-1] == pytest.approx(np.square(solution, dtype=np.float64).sum(), rel=1e-5)


def test_a_side_is_prepared_once_and_again_for_another_model():
    of = model(confidence="log")
    weights = sides(of)[0]
    X, Y = start(weights.rows, weights.columns, np.float32)
    first = of.half_step(weights.fixing(Y), X)
    prepared = vars(weights)[little_step._NAME]
    np.testing.assert_array_equal(of.half_step(weights.fixing(Y), X), first)
    assert vars(weights)[little_step._NAME] is prepared
    other = model(confidence="log", cg_tolerance=0.3)
    other.half_step(weights.fixing(Y), X)
    assert vars(weights)[little_step._NAME] is not prepared


def test_two_half_steps_at_once_on_one_side_do_not_meet():
    of = model(confidence="log", factors=16)
    matrix = sparse.random(400, 300, 0.05, "csr", random_state=0, dtype=np.float32)
    weights = sides(of, matrix)[0]
    starts = [start(400, 300, np.float32, 16)[0] * scale for scale in (1, 2, 3, 4)]
    Y = start(400, 300, np.float32, 16)[1]
    alone = [of.half_step(weights.fixing(Y), X) for X in starts]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            together = list(pool.map(lambda X: of.half_step(weights.fixing(Y), X), starts))
            for one, other in zip(together, alone, strict=True):
                np.testing.assert_array_equal(one, other)
    assert was_little(weights)
