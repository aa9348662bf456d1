"""One interface: the same methods, arguments, defaults and meanings on every solver."""

import inspect
import pickle

import numpy as np
import pytest
from cases.solvers import CONVENTIONS, RUNGS, awkward, dtypes, suited
from scipy import sparse
from sklearn.base import clone

from halfstep import SOLVERS, InputError, Solver

RULE = {"cg_steps", "cg_tolerance", "cg_max_steps"}
DEVICES = {"deterministic", "devices", "memory_limit"}
OWN = {
    "conjugate_gradient": {"cg_steps", "cg_tolerance", "cg_max_steps"},
    "eigenbasis": {
        "cg_steps",
        "cg_tolerance",
        "cg_max_steps",
        "compress",
        "exact",
        "relaxation",
    },
    "gpu_cg_1_naive": {"cg_steps", *DEVICES},
    "gpu_cg_2_whitened": {"cg_steps", *DEVICES},
    "gpu_cg_3_warps": {"cg_steps", *DEVICES},
    "gpu_cg_4_shared": {"cg_steps", *DEVICES},
    "gpu_cg_5_binned": {*RULE, "relaxation", *DEVICES},
    "gpu_cg_6_split": {*RULE, "relaxation", *DEVICES},
    "gpu_cg_7_half": {*RULE, "relaxation", "storage", *DEVICES},
    "gpu_cg_8_tensor": {*RULE, "relaxation", "storage", *DEVICES},
    "gpu_cg_9_gramian": {*RULE, "relaxation", "storage", *DEVICES},
    "gpu_cholesky": DEVICES,
    "subspace": {"block_size"},
    "implicit_cpu": {"use_cg", "cg_steps"},
    "implicit_gpu": {"cg_steps", "storage"},
    "irspack_cpu": {"method", "cg_steps"},
}


def public(solver):
    return {
        name: inspect.signature(member)
        for name, member in inspect.getmembers(solver, inspect.isroutine)
        if not name.startswith("_")
    }


@pytest.mark.parametrize("name", list(SOLVERS))
def test_methods_and_arguments_are_the_same(name):
    assert public(SOLVERS[name]) == public(Solver)
    common = dict(inspect.signature(Solver).parameters)
    own = dict(inspect.signature(SOLVERS[name]).parameters)
    extra = {key: own.pop(key) for key in list(own) if key not in common}
    assert own == common
    assert set(extra) == OWN.get(name, set())
    assert SOLVERS[name].name == name


def test_registry_runs_from_the_baseline_up_the_ladder_to_the_references():
    kinds = [solver.kind for solver in SOLVERS.values()]
    assert kinds == sorted(kinds, key=["baseline", "rung", "reference"].index)
    assert RUNGS[:3] == ["naive", "cholesky", "conjugate_gradient"]


def test_the_first_arguments_are_those_of_implicit():
    assert list(inspect.signature(Solver).parameters)[:4] == [
        "factors", "regularization", "alpha", "dtype",
    ]  # fmt: skip
    from implicit.cpu.als import AlternatingLeastSquares as Peer

    for name, parameter in inspect.signature(Peer).parameters.items():
        if name not in ("use_native", "use_cg"):
            assert inspect.signature(Solver).parameters[name].default == parameter.default


def test_fit_returns_the_model_and_factors_of_the_stated_shape(any_solver, positive):
    for dtype in dtypes(any_solver):
        m = suited(any_solver, factors=5, iterations=2, dtype=dtype, random_state=1)
        assert m.fit(positive, show_progress=False) is m
        assert m.user_factors.shape == (43, 5)
        assert m.item_factors.shape == (61, 5)
        for factors in (m.user_factors, m.item_factors):
            assert factors.dtype == dtype
            assert factors.flags.c_contiguous


def test_same_seed_same_start_same_factors(any_solver, positive):
    def fitted(seed):
        m = suited(any_solver, factors=5, iterations=1, random_state=seed)
        return m.fit(positive, show_progress=False).item_factors

    assert np.array_equal(fitted(1), fitted(1))
    assert np.array_equal(fitted(1), fitted(np.random.default_rng(1)))
    if any_solver.kind != "baseline":
        assert not np.array_equal(fitted(1), fitted(2))
        state = fitted(np.random.RandomState(5))
        assert np.array_equal(state, fitted(np.random.RandomState(5)))


def test_zero_iterations_give_the_start(rung, matrix):
    rng = np.random.default_rng(0)
    start = tuple(rng.random((n, 4), np.float32) for n in matrix.shape)
    m = rung(factors=4, iterations=0, init_factors=start).fit(matrix, show_progress=False)
    assert np.array_equal(m.user_factors, start[0])
    assert m.user_factors is not start[0]


def test_every_argument_changes_something(rung, matrix):
    base = {"factors": 4, "iterations": 2, "random_state": 0, "dtype": np.float64}

    def fitted(**settings):
        m = rung(**{**base, **settings}).fit(matrix, show_progress=False)
        return m.item_factors

    reference = fitted()
    changes = [
        {"regularization": 0.5},
        {"alpha": 2.0},
        {"iterations": 3},
        {"random_state": 1},
        {"regularization_exponent": 0.5},
        {"transform": "tfidf"},
        {"transform": "bm25"},
        {"dtype": np.float32},
        *({**c} for name, c in CONVENTIONS.items() if name != "implicit"),
    ]
    for settings in changes:
        assert not np.array_equal(fitted(**settings), reference), settings
    log = {"confidence": "log"}
    assert not np.array_equal(fitted(**log), fitted(**log, epsilon=3.0))
    binary = {"confidence": "binary"}
    assert not np.array_equal(fitted(**binary), fitted(**binary, background=0.5))
    bm25 = {"transform": "bm25"}
    for settings in ({"bm25_k1": 10.0}, {"bm25_b": 0.5}):
        assert not np.array_equal(fitted(**bm25), fitted(**bm25, **settings)), settings


def test_loss_falls_and_is_kept_only_when_asked_for(rung, convention, matrix):
    m = rung(factors=6, iterations=5, calculate_training_loss=True, random_state=0, **convention)
    losses = m.fit(matrix, show_progress=False).loss_history_
    assert len(losses) == len(m.seconds_) == 5
    assert losses == sorted(losses, reverse=True)
    assert rung(factors=2, iterations=1).fit(matrix, show_progress=False).loss_history_ == []


def test_callback_sees_each_iteration_and_ends_the_fit(any_solver, positive):
    seen = []

    def callback(iteration, seconds, loss):
        seen.append((iteration, seconds, loss, m.item_factors.copy()))
        return np.bool_(iteration == 1)

    m = suited(any_solver, factors=3, iterations=9, random_state=0, calculate_training_loss=True)
    m.fit(positive, show_progress=False, callback=callback)
    expected = 1 if any_solver.kind == "baseline" else 2
    assert [s[0] for s in seen] == list(range(expected))
    assert all(s[1] >= 0 for s in seen)
    assert [s[2] for s in seen] == m.loss_history_
    assert np.array_equal(seen[-1][3], m.item_factors)


def test_numpy_numbers_are_numbers(tmp_path, matrix):
    m = SOLVERS["cholesky"](
        factors=np.int64(3), regularization=np.float32(0.1), num_threads=np.int32(1), iterations=1
    )
    m.fit(matrix, show_progress=False).save(tmp_path / "m.npz")
    assert Solver.load(tmp_path / "m.npz").factors == 3


@pytest.mark.parametrize("confidence", ["implicit", "linear"])
@pytest.mark.filterwarnings("ignore::halfstep.NumericalWarning")
def test_large_weights_are_solved_never_left(rung, confidence):
    matrix = awkward(negative=False) * 1e12
    m = rung(factors=4, iterations=4, random_state=0, confidence=confidence)
    m.set_params(calculate_training_loss=True)
    losses = m.fit(matrix, show_progress=False).loss_history_
    settings = {"factors": 4, "iterations": 4, "random_state": 0, "confidence": confidence}
    exact = SOLVERS["naive"](**settings, calculate_training_loss=True, dtype=np.float64)
    best = exact.fit(matrix, show_progress=False).loss_history_[-1]
    assert losses[-1] < 20 * best


def test_parameters_clone_pickle_and_repr(any_solver, positive):
    m = suited(any_solver, factors=3, iterations=1, regularization=0.5, random_state=7)
    copy = clone(m)
    assert copy.get_params() == m.get_params()
    assert copy.set_params(factors=4).factors == 4
    assert repr(m).startswith(type(m).__name__)
    assert "regularization=0.5" in repr(m)
    assert "alpha" not in repr(m)
    m.fit(positive, show_progress=False)
    again = pickle.loads(pickle.dumps(m))
    assert np.array_equal(again.user_factors, m.user_factors)
    with pytest.raises(InputError, match="has no argument 'rank'"):
        m.set_params(rank=3)


def test_a_refit_starts_anew(rung, matrix):
    m = rung(factors=3, iterations=2, random_state=0)
    first = m.fit(matrix, show_progress=False).item_factors.copy()
    m.fit(awkward(users=20, items=33, seed=4), show_progress=False)
    assert m.item_factors.shape == (33, 3)
    assert np.array_equal(m.fit(matrix, show_progress=False).item_factors, first)


def test_more_factors_than_items(rung):
    m = rung(factors=20, iterations=8, confidence="linear", random_state=0, dtype=np.float64)
    tiny = sparse.csr_matrix(np.array([[1.0, 0, 2], [0, 3, 0]]))
    m.fit(tiny, show_progress=False)
    assert np.allclose(m.user_factors @ m.item_factors.T, tiny.toarray() > 0, atol=0.05)


def test_overflowing_weights_and_factors(rung):
    huge = sparse.csr_matrix(np.array([[3e38, 1.0], [1.0, 2.0]]))
    with pytest.raises(InputError, match=r"must fit float32, got alpha 10.0 times 3e\+38"):
        rung(factors=2, alpha=10.0).fit(huge, show_progress=False)


def test_a_solver_that_returns_nan_is_stopped_and_the_last_factors_kept(matrix):
    class Broken(SOLVERS["cholesky"]):
        calls = 0

        def half_step(self, problem, X):
            solution = super().half_step(problem, X)
            self.calls += 1
            if self.calls == 4:
                solution[9] = np.nan
            return solution

    m = Broken(factors=3, iterations=5, random_state=0)
    with pytest.raises(FloatingPointError, match="iteration 1: the item factors of row 9"):
        m.fit(matrix, show_progress=False)
    good = SOLVERS["cholesky"](factors=3, iterations=1, random_state=0)
    good.fit(matrix, show_progress=False)
    assert np.array_equal(m.item_factors, good.item_factors)
