"""use_gpu, use_cg and use_native: which solver they mean, and what contradicts what."""

import numpy as np
import pytest

from halfstep import SOLVERS, AlternatingLeastSquares, InputError, SolverUnavailable
from halfstep.solvers import choose

BEST = "eigenbasis"


def without_gpu(monkeypatch):
    for name, solver in dict(SOLVERS).items():
        if solver.device != "cpu":
            monkeypatch.delitem(SOLVERS, name)


@pytest.fixture
def gpu(monkeypatch):
    """A rung on a GPU that is there, with conjugate gradients only."""
    kind = type("Gpu", (SOLVERS["conjugate_gradient"],),
                {"name": "gpu_test", "device": "gpu", "native": True})  # fmt: skip
    without_gpu(monkeypatch)
    monkeypatch.setitem(SOLVERS, "gpu_test", kind)
    return kind


@pytest.fixture
def no_gpu(monkeypatch):
    without_gpu(monkeypatch)


@pytest.mark.parametrize(
    ("arguments", "solver", "exact"),
    [
        ({}, BEST, False),
        ({"use_gpu": False}, BEST, False),
        ({"use_gpu": None, "use_cg": None, "use_native": None}, BEST, False),
        ({"use_cg": True, "use_native": True}, BEST, False),
        ({"use_cg": False}, BEST, True),
        ({"use_cg": np.bool_(False), "exact": True}, BEST, True),
        ({"use_native": False}, "conjugate_gradient", None),
        ({"use_native": False, "use_cg": False}, "cholesky", None),
        ({"solver": "cpu", "use_cg": False, "use_native": False}, "cholesky", None),
        ({"solver": BEST, "use_cg": False}, BEST, True),
        ({"solver": "cholesky", "use_cg": False, "use_gpu": False}, "cholesky", None),
        ({"solver": "naive", "use_native": False}, "naive", None),
    ],
)
def test_what_is_given_chooses_the_solver(no_gpu, arguments, solver, exact):
    model = AlternatingLeastSquares(**arguments)
    assert model.solver_ == solver
    assert getattr(model, "exact", None) is exact


def test_the_wrapped_model_has_its_own_use_cg():
    assert (
        SOLVERS["implicit_cpu"].unavailable()
        or not AlternatingLeastSquares(solver="implicit_cpu", use_cg=False).use_cg
    )


def test_a_gpu_that_is_there(gpu):
    assert AlternatingLeastSquares(use_gpu=True).solver_ == "gpu_test"
    assert AlternatingLeastSquares().solver_ == "gpu_test"
    assert AlternatingLeastSquares(use_gpu=False).device == "cpu"
    assert AlternatingLeastSquares(solver="gpu_test", use_gpu=True).solver_ == "gpu_test"
    # There is no exact rung on it, so the CPU's is taken where the device is free to choose.
    assert AlternatingLeastSquares(use_cg=False).solver_ == BEST
    assert choose("auto", uses={"use_native": False}).name == "conjugate_gradient"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"solver": "cholesky", "use_gpu": True},
            "contradicts use_gpu=True: 'cholesky' runs on the",
        ),
        ({"solver": "gpu_test", "use_gpu": False}, "contradicts use_gpu=False"),
        ({"solver": "gpu", "use_gpu": False}, "solver='gpu' contradicts use_gpu=False"),
        ({"solver": "cpu", "use_gpu": True}, "solver='cpu' contradicts use_gpu=True"),
        ({"solver": "cholesky", "use_cg": True}, "'cholesky' has no conjugate gradients"),
        ({"solver": "conjugate_gradient", "use_cg": False}, "does not solve rows exactly"),
        ({"solver": "naive", "use_native": True}, "'naive' is not compiled"),
        ({"solver": BEST, "use_native": False}, f"{BEST!r} is compiled"),
        ({"solver": BEST, "use_cg": True, "exact": True}, "use_cg=True contradicts exact=True"),
        ({"use_cg": False, "exact": False}, "use_cg=False contradicts exact=False"),
        ({"use_gpu": True, "use_cg": False}, "has no rung that suits all of"),
        ({"use_gpu": True, "use_native": False}, "has no rung that suits all of"),
        ({"use_gpu": "yes"}, "use_gpu must be True, False or None, got 'yes'"),
        ({"use_cg": 1}, "use_cg must be True, False or None, got 1"),
        (
            {"use_gpu": False, "fallback": "cpu"},
            "fallback must be None, or 'cpu' with solver 'gpu'",
        ),
    ],
)
def test_contradictions_are_errors(gpu, arguments, message):
    with pytest.raises(InputError, match=message) as error:
        AlternatingLeastSquares(**arguments)
    assert "\n" not in str(error.value)


def test_a_gpu_that_is_asked_for_and_not_there(gpu):
    gpu.unavailable = classmethod(lambda cls: "no device")
    with pytest.raises(SolverUnavailable, match="no device"):
        AlternatingLeastSquares(use_gpu=True)
    with pytest.warns(RuntimeWarning, match=f"no device.*falling back to '{BEST}'"):
        model = AlternatingLeastSquares(use_gpu=True, fallback="cpu")
    assert model.solver_ == BEST


def test_to_gpu_and_back(gpu):
    model = SOLVERS["conjugate_gradient"](factors=2, iterations=3, cg_steps=7, alpha=2.0)
    model.user_factors, model.item_factors = (
        np.ones((3, 2), np.float32),
        np.ones((4, 2), np.float32),
    )
    moved = model.to_gpu()
    assert (moved.solver_, moved.alpha, moved.iterations) == ("gpu_test", 2.0, 3)
    assert np.array_equal(moved.user_factors, model.user_factors)
    back = moved.to_cpu()
    assert back.device == "cpu"
    assert back.item_factors is not model.item_factors
    same = model.to_cpu()
    assert (type(same), same.cg_steps) == (type(model), 7)
    assert same.user_factors is not model.user_factors
    assert SOLVERS["cholesky"](factors=2).to_cpu().solver_ == "cholesky"
    gpu.unavailable = classmethod(lambda cls: "no device")
    with pytest.raises(SolverUnavailable, match="no device"):
        model.to_gpu()
