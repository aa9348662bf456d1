"""Saved models: round trips across solvers, refusals, and a failure that leaves the old file."""

import io
import os

import numpy as np
import pytest
from cases.solvers import awkward, dtypes, suited

from halfstep import SOLVERS, AlternatingLeastSquares, InputError, Solver


@pytest.fixture
def fitted():
    model = SOLVERS["conjugate_gradient"](
        factors=3, iterations=2, cg_steps=2, random_state=0, alpha=2.0
    )
    return model.fit(awkward(), show_progress=False)


def test_every_solver_and_dtype_comes_back(any_solver, tmp_path):
    for dtype in dtypes(any_solver):
        model = any_solver(factors=3, iterations=1, dtype=dtype, confidence="linear")
        model.fit(awkward(negative=False), show_progress=False).save(tmp_path / "model.npz")
        again = AlternatingLeastSquares.load(tmp_path / "model.npz")
        assert isinstance(again, any_solver)
        assert isinstance(again, AlternatingLeastSquares)
        assert again.dtype == dtype
        assert again.confidence == "linear"
        assert np.array_equal(again.user_factors, model.user_factors)
        assert np.array_equal(again.item_factors, model.item_factors)
    assert os.listdir(tmp_path) == ["model.npz"]


def test_a_model_can_be_read_as_another_solver(fitted, tmp_path):
    path = str(tmp_path / "model")
    fitted.save(path)
    assert Solver.load(path).cg_steps == 2
    other = SOLVERS["cholesky"].load(path)
    assert other.solver_ == "cholesky"
    assert other.alpha == 2.0
    assert np.array_equal(other.item_factors, fitted.item_factors)


def test_a_model_that_is_not_fitted_is_saved_as_such(any_solver, tmp_path):
    model = suited(any_solver, factors=3, iterations=2, random_state=23)
    model.save(tmp_path / "model.npz")
    for again in (model.load(tmp_path / "model.npz"), Solver.load(tmp_path / "model.npz")):
        assert again.__dict__ == model.__dict__
    model.set_params(random_state=np.random.default_rng(0)).save(tmp_path / "model.npz")
    assert model.load(tmp_path / "model.npz").random_state is None


def test_the_ending_is_added_as_numpy_does(fitted, tmp_path):
    for given in (str(tmp_path / "a"), tmp_path / "b.model", tmp_path / "c.npz"):
        fitted.save(given)
        assert np.array_equal(Solver.load(given).user_factors, fitted.user_factors)
    assert sorted(os.listdir(tmp_path)) == ["a.npz", "b.model.npz", "c.npz"]
    (tmp_path / "c.npz").rename(tmp_path / "renamed")
    assert np.array_equal(Solver.load(tmp_path / "renamed").user_factors, fitted.user_factors)


def test_a_model_of_a_device_that_is_not_here_is_read_on_the_cpu(
    fitted, tmp_path, monkeypatch, caplog
):

    gpu = type("Gpu", (SOLVERS["conjugate_gradient"],), {"name": "gpu_test", "device": "gpu"})
    monkeypatch.setitem(SOLVERS, "gpu_test", gpu)
    there = gpu(factors=3, alpha=2.0)
    there.user_factors, there.item_factors = fitted.user_factors, fitted.item_factors
    there.save(tmp_path / "model.npz")
    assert type(Solver.load(tmp_path / "model.npz")) is gpu
    gpu.unavailable = classmethod(lambda cls: "no device")
    here = AlternatingLeastSquares.load(tmp_path / "model.npz")
    assert (here.device, here.alpha) == ("cpu", 2.0)
    assert np.array_equal(here.item_factors, fitted.item_factors)
    assert "was saved by 'gpu_test', which cannot run here (no device)" in caplog.text


def test_factors_that_are_not_finite_are_refused(fitted, tmp_path):
    fitted.save(tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz") as archive:
        members = dict(archive)
    members["user_factors"][3, 1] = np.nan
    np.savez(tmp_path / "model.npz", **members)
    with pytest.raises(InputError, match="is damaged: factors that are not finite"):
        Solver.load(tmp_path / "model.npz")


def test_a_solver_that_is_not_known_here_is_named(fitted, tmp_path):
    class Mine(type(fitted)):
        name = "mine"

    mine = Mine(factors=3, random_state=0).fit(awkward(), show_progress=False)
    mine.save(tmp_path / "model.npz")
    assert np.array_equal(Mine.load(tmp_path / "model.npz").user_factors, mine.user_factors)
    with pytest.raises(InputError, match="saved by the solver 'mine', which is not known here"):
        Solver.load(tmp_path / "model.npz")


def test_others_may_read_it_as_the_umask_says(fitted, tmp_path):
    old = os.umask(0o022)
    try:
        fitted.save(tmp_path / "model.npz")
    finally:
        os.umask(old)
    assert (tmp_path / "model.npz").stat().st_mode & 0o777 == 0o644


def test_file_objects(fitted):
    stream = io.BytesIO()
    fitted.save(stream)
    stream.seek(0)
    assert np.array_equal(Solver.load(stream).user_factors, fitted.user_factors)


def test_what_is_not_a_model_is_refused_in_one_line(fitted, tmp_path):
    fitted.save(tmp_path / "model.npz")
    whole = (tmp_path / "model.npz").read_bytes()
    np.savez(tmp_path / "other.npz", user_factors=np.ones((2, 2)))
    np.savez(tmp_path / "pickled.npz", halfstep=np.array([object()], dtype=object))
    (tmp_path / "truncated.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.npz").write_text("user,item\n1,2\n")
    (tmp_path / "empty.npz").write_bytes(b"")
    for name in ("other", "pickled", "truncated", "text", "empty"):
        with pytest.raises(InputError, match=f"{name}.npz is not a halfstep model") as error:
            Solver.load(tmp_path / f"{name}.npz")
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=r"file must exist, got .*absent.npz"):
        Solver.load(tmp_path / "absent.npz")
    with pytest.raises(InputError, match="must be a file, got the folder"):
        Solver.load(tmp_path)


def test_factors_that_do_not_fit_the_arguments_are_refused(fitted, tmp_path):
    fitted.save(tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz") as archive:
        members = dict(archive)
    members["item_factors"] = members["item_factors"][:, :2]
    np.savez(tmp_path / "model.npz", **members)
    with pytest.raises(InputError, match=r"is damaged: factors of shapes \(43, 3\) and \(61, 2\)"):
        Solver.load(tmp_path / "model.npz")


def test_a_failed_save_leaves_the_old_file(fitted, tmp_path, monkeypatch):
    path = tmp_path / "model.npz"
    fitted.save(path)
    before = path.read_bytes()

    def full(file, **arrays):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        fitted.save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["model.npz"]
    with pytest.raises(InputError, match=r"the folder .* does not exist"):
        fitted.save(tmp_path / "nowhere" / "model.npz")


def test_none_means_the_default_of_a_solver_that_needs_a_number(matrix, tmp_path):
    model = SOLVERS["eigenbasis"](factors=3, iterations=1).fit(matrix, show_progress=False)
    assert model.cg_steps is None
    model.save(tmp_path / "model.npz")
    if SOLVERS["implicit_cpu"].unavailable() is None:
        assert SOLVERS["implicit_cpu"].load(tmp_path / "model.npz").cg_steps == 3
    assert SOLVERS["conjugate_gradient"].load(tmp_path / "model.npz").cg_steps is None
