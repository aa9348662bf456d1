"""The gate: exact rows, and plain steps, give implicit's objective from the same start."""

import warnings
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
from cases.plain_steps import PlainSteps
from cases.solvers import CONVENTIONS, awkward, require
from scipy import sparse

from halfstep import SOLVERS, InputError, SolverUnavailable
from halfstep.solvers.fit.start import starting_factors
from halfstep.solvers.inputs import as_csr
from halfstep.solvers.objective import objective, relative_residuals
from halfstep.solvers.peers import implicit_gpu

EXPRESSIBLE = [name for name in CONVENTIONS if name != "explicit"]


def plays(users=401, items=303, seed=0):
    rng = np.random.default_rng(seed)
    matrix = sparse.random(users, items, 0.04, format="csr", random_state=rng)
    matrix.data = np.ceil(rng.lognormal(0.5, 1.2, matrix.nnz))
    matrix.data[::11] *= -1
    return sparse.csr_matrix(matrix)


def audited(name, matrix, start, convention, **own):
    solver = PlainSteps if name == "plain_steps" else require(name)
    model = solver(
        factors=33, iterations=10, regularization=0.1, init_factors=start, dtype=start[0].dtype,
        **convention, **own,
    )  # fmt: skip
    model.fit(matrix, show_progress=False)
    exact = SOLVERS["naive"](factors=33, regularization=0.1, dtype=np.float64, **convention)
    return model, objective(*exact.weights(as_csr(matrix)), model.user_factors, model.item_factors)


@cache
def objective_of(ours, name, dtype):
    """Return the objective that one of our methods ends at, which two tests compare."""
    matrix = plays()
    start = starting_factors(None, matrix.shape, 33, dtype, 4)
    return audited(ours, matrix, start, CONVENTIONS[name])[1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", EXPRESSIBLE)
@pytest.mark.parametrize(("ours", "use_cg"), [("cholesky", False), ("plain_steps", True)])
def test_same_objective_as_implicit_after_ten_iterations(ours, use_cg, name, dtype):
    matrix, convention = plays(), CONVENTIONS[name]
    start = starting_factors(None, matrix.shape, 33, dtype, 4)
    reference, theirs = audited("implicit_cpu", matrix, start, convention, use_cg=use_cg)
    assert objective_of(ours, name, dtype) == pytest.approx(theirs, rel=1e-5)
    other = objective_of("plain_steps" if ours == "cholesky" else "cholesky", name, dtype)
    assert other != pytest.approx(theirs, rel=1e-9)  # the two methods can be told apart
    assert reference.loss_history_ == []


@pytest.mark.parametrize("name", EXPRESSIBLE)
def test_one_half_step_is_solved_by_implicits_cholesky(name):
    solver = require("implicit_cpu")
    model = solver(
        factors=7, dtype=np.float64, use_cg=False, regularization=0.5, **CONVENTIONS[name]
    )
    matrix = awkward()
    users, _ = model.weights(as_csr(matrix))
    rng = np.random.default_rng(0)
    problem = users.fixing(rng.normal(size=(61, 7)))
    solution = model.half_step(problem, np.zeros((43, 7)))
    # Its confidences are float32 whatever the factors are.
    assert relative_residuals(problem, solution).max() < 1e-5


def test_same_seed_gives_the_start_that_implicit_draws():
    require("implicit_cpu")
    from implicit.cpu.als import AlternatingLeastSquares

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = AlternatingLeastSquares(factors=5, iterations=0, random_state=3)
        peer.fit(plays(), show_progress=False)
    mine = SOLVERS["cholesky"](factors=5, iterations=0, random_state=3)
    mine.fit(plays(), show_progress=False)
    assert np.array_equal(mine.user_factors, peer.user_factors)
    assert np.array_equal(mine.item_factors, peer.item_factors)


@pytest.mark.parametrize("name", ["implicit_cpu", "implicit_gpu"])
def test_what_implicit_cannot_express_is_refused(name):
    with pytest.raises(InputError, match=f"{name} has no confidence 'explicit'"):
        SOLVERS[name](confidence="explicit")
    with pytest.raises(InputError, match=r"regularization_exponent must be 0, got 1"):
        SOLVERS[name](confidence="binary", regularization_exponent=1.0)


def test_limits_of_implicits_cuda_model():
    with pytest.raises(InputError, match="factors must be at most 992 for implicit_gpu, got 993"):
        SOLVERS["implicit_gpu"](factors=993)
    with pytest.raises(InputError, match="dtype must be float32 for implicit_gpu, got float64"):
        SOLVERS["implicit_gpu"](dtype=np.float64)
    with pytest.raises(InputError, match="storage must be one of float32, float16, got 'int8'"):
        SOLVERS["implicit_gpu"](storage="int8")


def test_implicits_cuda_model_stores_what_it_is_told_to(monkeypatch):
    made = []

    class Matrix:
        def __init__(self, array):
            self.array = array

        def astype(self, dtype):
            return Matrix(self.array.astype(dtype))

        def to_numpy(self):
            return self.array

        @classmethod
        def zeros(cls, *shape):
            return cls(np.zeros(shape, np.float32))

    class LeastSquares:
        def calculate_yty(self, Y, gramian, regularization):
            made.append(Y.array.dtype.name)

        def least_squares(self, matrix, solution, gramian, Y, cg_steps):
            made.append(solution.array.dtype.name)

    fake = SimpleNamespace(Matrix=Matrix, CSRMatrix=lambda m: m, LeastSquaresSolver=LeastSquares)
    monkeypatch.setattr(implicit_gpu, "cuda_backend", lambda: (fake, ""))
    rng = np.random.default_rng(0)
    Y, X = (rng.standard_normal((rows, 3), np.float32) for rows in (303, 401))
    for storage in ("float32", "float16"):
        model = SOLVERS["implicit_gpu"](factors=3, storage=storage)
        users, _ = model.weights(as_csr(plays()))
        solution = model.half_step(users.fixing(Y), X)
        assert solution.dtype == np.float32
        assert set(made) == {storage}
        np.testing.assert_array_equal(solution, X.astype(storage).astype(np.float32))
        made.clear()


def test_without_cuda_the_reference_is_refused_and_never_runs_on_the_cpu():
    solver = SOLVERS["implicit_gpu"]
    if solver.unavailable() is None:
        pytest.skip("implicit's CUDA backend works here")
    model = solver(factors=3, iterations=1)
    with pytest.raises(SolverUnavailable, match="solver 'implicit_gpu' cannot run here"):
        model.fit(plays(), show_progress=False)


def test_implicit_missing_is_a_reason_with_a_command(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "implicit", None)
    monkeypatch.setitem(sys.modules, "implicit.cpu.als", None)
    for name in ("implicit_cpu", "implicit_gpu"):
        assert 'pip install "halfstep[bench]"' in SOLVERS[name].unavailable()


@pytest.mark.parametrize("exponent", [0.0, 0.7])
@pytest.mark.parametrize("name", ["linear", "log", "binary"])
@pytest.mark.parametrize(("ours", "method"), [("cholesky", "cholesky"), ("plain_steps", "cg")])
def test_same_objective_as_irspack_after_ten_iterations(ours, method, name, exponent):
    matrix = abs(plays())
    convention = {**CONVENTIONS[name], "regularization_exponent": exponent}
    start = starting_factors(None, matrix.shape, 33, np.float32, 4)
    _, mine = audited(ours, matrix, start, convention)
    _, theirs = audited("irspack_cpu", matrix, start, convention, method=method)
    assert mine == pytest.approx(theirs, rel=1e-5)


def test_one_half_step_is_solved_by_irspacks_cholesky():
    model = require("irspack_cpu")(
        factors=7, method="cholesky", regularization=0.5, confidence="log"
    )
    matrix = awkward(negative=False)
    users, _ = model.weights(as_csr(matrix))
    rng = np.random.default_rng(0)
    problem = users.fixing(rng.normal(size=(61, 7)).astype(np.float32))
    solution = model.half_step(problem, np.zeros((43, 7), np.float32))
    assert relative_residuals(problem, solution).max() < 1e-4


def test_what_irspack_cannot_express_is_refused():
    solver = SOLVERS["irspack_cpu"]
    with pytest.raises(InputError, match="irspack_cpu has no confidence 'explicit'"):
        solver(confidence="explicit")
    with pytest.raises(InputError, match="dtype must be float32 for irspack_cpu, got float64"):
        solver(dtype=np.float64)
    with pytest.raises(InputError, match="method must be one of cg, cholesky, ialspp, got 'lu'"):
        solver(method="lu")
    with pytest.raises(InputError, match="cg_steps has no meaning with method 'ialspp', got 5"):
        solver(method="ialspp", cg_steps=5)
    for matrix, confidence in ((plays(), "linear"), (0.1 * abs(plays()), "implicit")):
        with pytest.raises(InputError, match="needs stored values whose confidence is above 1"):
            require("irspack_cpu")(factors=3, confidence=confidence).fit(
                matrix, show_progress=False
            )
