"""Saved models: round trips across solvers, refusals, and a failure that leaves the old file."""

import io
import json
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
        assert type(again) is any_solver
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


def scaled(factors, dtype, width=3):
    """Return factors of another dtype and width that rank as they did, in their first columns."""
    wide = np.zeros((len(factors), width), dtype)
    wide[:, :3] = factors[:, :width]
    return wide


ASSIGNED = {
    "float64": lambda m: setattr_both(m, lambda f: scaled(f, np.float64) / 3),
    "one side float64": lambda m: setattr(m, "item_factors", m.item_factors.astype(np.float64)),
    "big-endian": lambda m: setattr_both(m, lambda f: f.astype(">f4")),
    "big-endian float64": lambda m: setattr_both(m, lambda f: f.astype(">f8")),
    "wider": lambda m: setattr_both(m, lambda f: scaled(f, np.float32, 7)),
    "by columns": lambda m: setattr_both(m, np.asfortranarray),
    "every other row of more": lambda m: setattr_both(m, lambda f: np.repeat(f, 2, axis=0)[::2]),
    "more users": lambda m: setattr(m, "user_factors", np.repeat(m.user_factors, 2, axis=0)),
    "read-only": lambda m: setattr_both(m, read_only),
    "factors=": lambda m: m.set_params(factors=9),
    "dtype=": lambda m: m.set_params(dtype=np.float64),
    "attribute": lambda m: setattr(m, "factors", 1),
}


def setattr_both(model, change):
    model.user_factors, model.item_factors = change(model.user_factors), change(model.item_factors)


def read_only(factors):
    factors = factors.copy()
    factors.flags.writeable = False
    return factors


@pytest.mark.parametrize("what", ASSIGNED)
def test_what_was_assigned_is_what_the_file_carries(fitted, tmp_path, what):
    fitted.save(tmp_path / "model.npz")
    ASSIGNED[what](fitted)
    fitted.save(tmp_path / "model.npz")
    for again in (Solver.load(tmp_path / "model.npz"), type(fitted).load(tmp_path / "model.npz")):
        assert np.array_equal(again.user_factors, fitted.user_factors)
        assert np.array_equal(again.item_factors, fitted.item_factors)
        assert again.factors == again.user_factors.shape[1]
        assert again.dtype == again.user_factors.dtype == again.item_factors.dtype
        assert again.user_factors.dtype.isnative
        asked = (np.arange(43), awkward())
        ids, scores = fitted.recommend(*asked, N=5)
        found = again.recommend(*asked, N=5)
        assert np.array_equal(found[0], ids)
        assert found[1] == pytest.approx(scores, rel=1e-6)
        again.fit(awkward(), show_progress=False)  # its arguments are whole


REFUSED = {
    "integers": (lambda f: np.rint(f).astype(np.int64), "must be float32 or float64, got int64"),
    "float16": (lambda f: f.astype(np.float16), "must be float32 or float64, got float16"),
    "longdouble": (lambda f: f.astype(np.longdouble), "must be float32 or float64"),
    "complex": (lambda f: f.astype(np.complex64), "must be float32 or float64, got complex64"),
    "objects": (lambda f: f.astype(object), "must be float32 or float64, got object"),
    "1-D": (lambda f: f[:, 0], "must be a matrix"),
    "3-D": (lambda f: f[:, :, None], "must be a matrix"),
    "no columns": (lambda f: f[:, :0], "must be a matrix, .* got shape \\(43, 0\\)"),
    "a list": (lambda f: f.tolist(), "must be a NumPy array, got list"),
    "masked": (lambda f: np.ma.masked_less(f, 0), "must be a NumPy array, got MaskedArray"),
    "NaN": (lambda f: np.where(np.arange(len(f))[:, None] == 4, np.nan, f), "row 4 is not"),
    "infinite": (lambda f: f * np.float32(np.inf), "must be finite"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_load_would_not_take_is_refused_before_the_old_file_is_touched(fitted, tmp_path, what):
    change, says = REFUSED[what]
    path = tmp_path / "model.npz"
    fitted.save(path)
    before = path.read_bytes()
    with np.errstate(all="ignore"):
        setattr_both(fitted, change)
    for target in (path, stream := io.BytesIO()):
        with pytest.raises(InputError, match=says):
            fitted.save(target)
    assert stream.getvalue() == b""
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["model.npz"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"item_factors": np.ones((61, 4), np.float32)},
            r"as many columns, got shapes \(43, 3\) and \(61, 4\)",
        ),
        ({"alpha": -1.0}, "cannot be saved: alpha must be at least 0"),
        ({"alpha": float("nan")}, "cannot be saved: alpha must be at least 0"),
        ({"dtype": np.float16}, "dtype must be float32 or float64, got float16"),
        ({"confidence": "none"}, "cannot be saved: confidence must be"),
        ({"cg_steps": 0}, "cannot be saved: cg_steps must be"),
    ],
)
def test_attributes_that_load_would_not_take_are_refused(fitted, tmp_path, changes, says):
    path = tmp_path / "model.npz"
    fitted.save(path)
    before = path.read_bytes()
    for name, value in changes.items():
        setattr(fitted, name, value)
    with pytest.raises(InputError, match=says):
        fitted.save(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("side", ["user_factors", "item_factors"])
def test_one_side_comes_back_alone_and_is_not_taken_for_damage(fitted, tmp_path, side):
    path, other = tmp_path / "model.npz", {"user_factors", "item_factors"} - {side}
    fitted.save(path)
    with np.load(path) as archive:
        both = dict(archive)
    factors = getattr(fitted, side)
    setattr(fitted, other.pop(), None)
    fitted.set_params(factors=9)
    setattr(fitted, side, factors.astype(np.float64))
    fitted.save(path)
    for again in (Solver.load(path), type(fitted).load(path), SOLVERS["eigenbasis"].load(path)):
        assert [again.user_factors is None, again.item_factors is None].count(True) == 1
        assert np.array_equal(getattr(again, side), factors)
        assert (again.factors, again.dtype) == (3, np.float64)
    with np.load(path) as archive:
        members = dict(archive)
    for damaged in (
        {"halfstep": members["halfstep"]},  # the only side is lost
        {**both, "halfstep": members["halfstep"]},  # of another file
        {k: v for k, v in both.items() if k != side},
    ):
        np.savez(path, **damaged)
        with pytest.raises(InputError, match=r"model.npz is damaged: it must have .*factors"):
            Solver.load(path)


def test_a_file_that_names_no_sides_has_both_or_none(fitted, tmp_path):
    path = tmp_path / "model.npz"
    fitted.save(path)
    with np.load(path) as archive:
        members = dict(archive)
    header = json.loads(str(members["halfstep"]))
    assert header.pop("sides") == ["user_factors", "item_factors"]
    members["halfstep"] = np.array(json.dumps(header))
    np.savez(path, **members)
    assert np.array_equal(Solver.load(path).item_factors, fitted.item_factors)
    np.savez(path, halfstep=members["halfstep"])
    assert Solver.load(path).item_factors is None
    del members["item_factors"]
    np.savez(path, **members)
    with pytest.raises(
        InputError, match="it must have user_factors and item_factors, and has user"
    ):
        Solver.load(path)


def test_what_was_spoilt_after_a_query_is_refused_by_every_export(fitted, tmp_path):
    path = tmp_path / "model.npz"
    fitted.save(path)
    before = path.read_bytes()
    fitted.similar_items(4)  # which has found all factors finite
    fitted.item_factors[4, 1] = np.nan
    for export in (lambda: fitted.save(path), fitted.to_cpu):
        with pytest.raises(InputError, match="item_factors must be finite, row 4 is not"):
            export()
    assert path.read_bytes() == before


def test_a_copy_on_the_cpu_has_the_factors_as_they_are(fitted):
    X, Y = fitted.user_factors.astype(np.float64) / 3, fitted.item_factors.astype(np.float64) / 3
    for sides in ((X, Y), (np.c_[X, X], np.c_[Y, Y]), (None, Y), (X, None)):
        fitted.user_factors, fitted.item_factors = sides
        copied = fitted.to_cpu()
        for name, side in zip(("user_factors", "item_factors"), sides, strict=True):
            found = getattr(copied, name)
            assert np.array_equal(found, side) if side is not None else found is None
            assert found is None or not np.shares_memory(found, side)
        wide = {side.shape[1] for side in sides if side is not None}
        assert (copied.dtype, {copied.factors}) == (np.float64, wide)


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
