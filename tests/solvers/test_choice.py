"""Which solver `AlternatingLeastSquares` takes, and that it never falls back in silence."""

import inspect
import logging

import pytest
from cases.solvers import RUNGS

import halfstep
from halfstep import SOLVERS, AlternatingLeastSquares, InputError, SolverUnavailable
from halfstep.solvers import choose


def test_auto_takes_the_best_rung_and_says_so(caplog):
    with caplog.at_level(logging.INFO, "halfstep"):
        m = AlternatingLeastSquares(factors=3)
    assert isinstance(m, AlternatingLeastSquares)
    assert m.solver_ in RUNGS
    assert f"{m.solver_!r} is the fastest that runs here" in caplog.text
    assert AlternatingLeastSquares(7, 0.1, solver="naive").get_params()["regularization"] == 0.1
    assert AlternatingLeastSquares(solver="conjugate_gradient", cg_steps=5).cg_steps == 5
    assert "regularization" in inspect.signature(AlternatingLeastSquares).parameters


def no_gpu(monkeypatch):
    gpu = type("Gpu", (SOLVERS["cholesky"],), {"name": "gpu_test", "device": "gpu"})
    gpu.unavailable = classmethod(lambda cls: 'CuPy is missing: pip install "halfstep[cuda13]"')
    monkeypatch.setitem(halfstep.SOLVERS, "gpu_test", gpu)
    return gpu


def test_a_missing_gpu_is_an_error_unless_the_cpu_is_allowed(monkeypatch, caplog):
    no_gpu(monkeypatch)
    for asked in ("gpu", "gpu_test"):
        with pytest.raises(SolverUnavailable, match=r"pip install .halfstep\[cuda13\]"):
            AlternatingLeastSquares(solver=asked)
    with pytest.warns(RuntimeWarning, match="CuPy is missing.*falling back to"):
        m = AlternatingLeastSquares(solver="gpu", fallback="cpu", factors=3)
    assert m.device == "cpu"
    with caplog.at_level(logging.INFO, "halfstep"):
        assert choose("auto").device == "cpu"
    assert "CuPy is missing" in caplog.text


def test_a_gpu_that_is_there_is_taken(monkeypatch):
    gpu = no_gpu(monkeypatch)
    gpu.unavailable = classmethod(lambda cls: None)
    assert choose("auto") is gpu
    assert choose("gpu") is gpu
    assert choose("cpu").device == "cpu"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"solver": "fast"}, "solver must be one of auto, cpu, gpu, popularity, naive"),
        ({"solver": "naive", "cg_steps": 3}, "solver 'naive' has no argument 'cg_steps'"),
        ({"fallback": "cpu"}, "fallback must be None, or 'cpu' with solver 'gpu'"),
        ({"solver": "gpu", "fallback": "tpu"}, "fallback must be None, or 'cpu'"),
    ],
)
def test_wrong_choices(settings, message):
    with pytest.raises(InputError, match=message):
        AlternatingLeastSquares(**settings)
