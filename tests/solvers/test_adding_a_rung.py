"""A new rung is a class with a half-step and a line in `SOLVERS`; all the rest knows it by that."""

import json
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import oracle
import pytest
from scipy import sparse

from halfstep import SOLVERS, AlternatingLeastSquares, InputError, Solver
from halfstep.bench.contestant_names import default_contestants
from halfstep.cli.main import run

NAME = "by_inverse"


@dataclass(eq=False, repr=False)
class ByInverse(Solver):
    """Each row's exact solution by the inverse of its matrix, G + Y_u' diag(w) Y_u + lambda_u I."""

    name: ClassVar[str] = NAME

    def half_step(self, problem, X):
        G, B, solution = problem.gramian(), problem.right_hand_side(), np.zeros_like(X)
        for u in np.flatnonzero(np.diff(problem.indptr)):
            stored = slice(problem.indptr[u], problem.indptr[u + 1])
            Y = problem.Y[problem.indices[stored]]
            A = G + (Y.T * problem.w[stored]) @ Y + problem.lam[u] * np.eye(self.factors)
            solution[u] = np.linalg.inv(A) @ B[u]
        return solution


@pytest.fixture(autouse=True)
def added(monkeypatch):
    monkeypatch.setitem(SOLVERS, NAME, ByInverse)


@pytest.fixture
def fitted(positive):
    model = AlternatingLeastSquares(solver=NAME, factors=7, iterations=3, random_state=0)
    return model.fit(positive, show_progress=False)


def test_a_rung_of_a_few_lines_is_right(convention, matrix):
    settings = {"regularization": 0.5, **convention}
    model = AlternatingLeastSquares(solver=NAME, factors=7, dtype=np.float64, **settings)
    users, _ = model.weights(matrix)
    Y = np.random.default_rng(0).normal(size=(61, 7))
    solution = model.half_step(users.fixing(Y), np.zeros((43, 7)))
    np.testing.assert_allclose(solution, oracle.solve(matrix, Y, **settings), rtol=1e-7, atol=1e-9)


def test_it_is_chosen_by_its_name_and_as_the_last_of_the_ladder():
    assert isinstance(AlternatingLeastSquares(solver=NAME), ByInverse)
    assert AlternatingLeastSquares(solver="cpu").solver_ == NAME
    with pytest.raises(InputError, match=f"must be one of auto, cpu, gpu, .*{NAME}"):
        AlternatingLeastSquares(solver="by_guess")


def test_a_fit_is_that_of_any_exact_rung(fitted, positive):
    exact = AlternatingLeastSquares(solver="cholesky", factors=7, iterations=3, random_state=0)
    exact.fit(positive, show_progress=False)
    size = np.abs(exact.item_factors).max()
    np.testing.assert_allclose(fitted.item_factors, exact.item_factors, rtol=0, atol=1e-3 * size)
    ids, scores = fitted.recommend(9, positive[9], N=5)
    assert not set(ids) & set(positive[9].indices)
    np.testing.assert_allclose(scores, exact.recommend(9, positive[9], N=5)[1], rtol=1e-2)


def test_its_settings_and_its_files_are_those_of_a_solver(fitted, positive, tmp_path):
    assert fitted.get_params()["factors"] == 7
    assert fitted.set_params(iterations=4).iterations == 4
    fitted.save(tmp_path / "model.npz")
    for again in (Solver.load(tmp_path / "model.npz"), ByInverse.load(tmp_path / "model.npz")):
        assert type(again) is ByInverse
        assert again._settings() == fitted._settings()
        np.testing.assert_array_equal(
            again.recommend(9, positive[9]), fitted.recommend(9, positive[9])
        )
    assert SOLVERS["naive"].load(tmp_path / "model.npz").solver_ == "naive"


def test_the_benchmark_and_the_commands_know_it(tmp_path, positive, capsys):
    assert NAME in default_contestants("quick")
    sparse.save_npz(tmp_path / "plays.npz", positive)
    settings = ["--data", str(tmp_path / "plays.npz"), "--factors", "5", "--iterations", "2"]
    assert run(["compare", "cholesky", NAME, *settings, "--json", str(tmp_path / "c.json")]) == 0
    assert json.loads((tmp_path / "c.json").read_text())["verdict"] == "equivalent"
    assert NAME in capsys.readouterr().out
    assert run(["bench", "--solvers", "by_guess", "--out", str(tmp_path / "bench")]) == 2
    assert NAME in capsys.readouterr().err
    assert run(["doctor"]) == 0
    assert NAME in capsys.readouterr().out
