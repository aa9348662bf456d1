"""Files of models whose factors or arguments were changed after the fit, and of one side."""

import io
import json
import os

import numpy as np
import pytest
from cases.solvers import awkward

from halfstep import SOLVERS, InputError, Solver


@pytest.fixture
def fitted():
    model = SOLVERS["conjugate_gradient"](
        factors=3, iterations=2, cg_steps=2, random_state=0, alpha=2.0
    )
    return model.fit(awkward(), show_progress=False)


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
