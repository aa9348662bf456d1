"""`AlternatingLeastSquares` as a class: subclasses, their overrides, settings, copies and files."""

import copy
import inspect
import pickle
import pydoc
from unittest import mock

import numpy as np
import pytest
from cases.solvers import awkward

from halfstep import SOLVERS, AlternatingLeastSquares, InputError, Solver
from halfstep.solvers import from_implicit
from halfstep.solvers.eigenbasis import Eigenbasis

SETTINGS = {"factors": 4, "iterations": 2, "random_state": 0}


class Turned(AlternatingLeastSquares):
    """Takes items x users."""

    def fit(self, user_items, show_progress=True, **rest):
        return super().fit(user_items.T.tocsr(), show_progress, **rest)


class Named(AlternatingLeastSquares):
    def __init__(self, *arguments, title="untitled", **settings):
        super().__init__(*arguments, **settings)
        self.title = title


class Forgetful(AlternatingLeastSquares):
    """Its constructor takes an argument that it does not keep."""

    def __init__(self, name="x", **settings):
        super().__init__(**settings)
        self.called = name


class Halved(AlternatingLeastSquares):
    def half_step(self, problem, X):
        return super().half_step(problem, X) / 2


class Closed(AlternatingLeastSquares):
    def __init__(self):
        super().__init__(**SETTINGS)


def fitted(cls=AlternatingLeastSquares, **settings):
    return cls(**{**SETTINGS, **settings}).fit(awkward(), show_progress=False)


def test_it_has_the_arguments_of_all_solvers():
    own = inspect.signature(AlternatingLeastSquares).parameters
    for solver in SOLVERS.values():
        for name, default in solver.parameters().items():
            assert name in own, (solver.name, name)
            assert own[name].default in (None, default), (solver.name, name)
    assert all(p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) for p in own.values())


def test_help_and_completion_show_what_it_can_do():
    text = pydoc.render_doc(AlternatingLeastSquares, renderer=pydoc.plaintext)
    for name in ("fit", "recommend", "similar_items", "save", "load", "explain"):
        assert f" {name}(" in text
        assert name in dir(AlternatingLeastSquares)
    assert "cg_tolerance" in str(inspect.signature(AlternatingLeastSquares))


@pytest.mark.parametrize("wrong", [{"factor": 64}, {"solver": "eigenbasis", "factor": 64}])
def test_an_unknown_argument_is_an_error(wrong):
    with pytest.raises(TypeError, match="'factor'"):
        AlternatingLeastSquares(**wrong)


def test_what_it_makes_is_of_its_class_and_of_the_solver_s():
    model = AlternatingLeastSquares(solver="eigenbasis", cg_steps=3)
    assert isinstance(model, AlternatingLeastSquares)
    assert isinstance(model, Eigenbasis)
    assert type(model) is type(AlternatingLeastSquares(solver="eigenbasis"))
    assert type(model).__name__ == "AlternatingLeastSquares"
    assert not isinstance(Eigenbasis(), AlternatingLeastSquares)
    assert not isinstance(AlternatingLeastSquares(solver="naive"), Eigenbasis)
    assert not isinstance(model, Turned)


def test_a_subclass_is_what_comes_back_and_its_overrides_are_called(tmp_path):
    model = fitted(Turned)
    assert isinstance(model, Turned)
    assert model.user_factors.shape == (awkward().shape[1], 4)
    np.testing.assert_array_equal(
        model.user_factors,
        AlternatingLeastSquares(**SETTINGS).fit(awkward().T.tocsr(), False).user_factors,
    )
    whole, half = fitted(), fitted(Halved, iterations=1)
    assert np.abs(half.item_factors).max() < np.abs(whole.item_factors).max()
    with mock.patch.object(AlternatingLeastSquares, "fit", return_value=1):
        assert AlternatingLeastSquares().fit(awkward()) == 1
    assert fitted().user_factors is not None


def test_a_subclass_keeps_its_own_arguments():
    model = fitted(Named, title="mine")
    assert model.title == "mine"
    assert repr(model) == "Named(factors=4, iterations=2, random_state=0, title='mine')"
    for again in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert type(again) is type(model)
        assert again.title == "mine"
        np.testing.assert_array_equal(again.item_factors, model.item_factors)
    assert Named(**model.get_params()).get_params() == model.get_params()
    assert model.set_params(title="other", factors=5).title == "other"
    assert "name" not in Forgetful("y").get_params()
    assert Forgetful("y").called == "y"
    with pytest.raises(InputError, match="Named has no argument 'rank'"):
        model.set_params(rank=3)


def test_files_give_back_the_class_that_reads_them(tmp_path):
    path = tmp_path / "model.npz"
    fitted(Named, solver="cholesky", alpha=2.0).save(path)
    for cls in (AlternatingLeastSquares, Named):
        again = cls.load(path)
        assert isinstance(again, cls)
        assert (again.solver_, again.alpha) == ("cholesky", 2.0)
    assert type(Solver.load(path)) is SOLVERS["cholesky"]
    assert b'"class": "Named"' in np.load(path)["halfstep"].item().encode()
    with pytest.raises(InputError, match="Closed must take the arguments of"):
        Closed.load(path)


def test_moving_keeps_the_class():
    model = fitted(Named, title="untitled")
    moved = model.to_cpu()
    assert type(moved) is type(model)
    np.testing.assert_array_equal(moved.item_factors, model.item_factors)
    assert not np.shares_memory(moved.item_factors, model.item_factors)
    assert fitted(Named, title="kept").to_cpu().title == "kept"
    assert Closed().fit(awkward(), show_progress=False).to_cpu().item_factors.shape == (61, 4)
    pytest.importorskip("implicit", reason="implicit is not installed")
    back = from_implicit(model.to_implicit())
    assert isinstance(back, AlternatingLeastSquares)
    np.testing.assert_array_equal(back.item_factors, model.item_factors)


def test_settings_that_are_left_to_the_solver_stay_so():
    model = AlternatingLeastSquares(use_cg=False)
    assert model.exact
    assert (model.get_params()["exact"], model.get_params()["use_cg"]) == (None, False)
    model.set_params(use_cg=True)
    assert not model.exact
    model = fitted(solver="subspace", block_size=8)
    model.set_params(solver="cholesky", block_size=None, factors=6)
    assert (model.solver_, model.factors) == ("cholesky", 6)
    assert not hasattr(model, "block_size")
    assert model.item_factors.shape == (61, 4)
    assert model.fit(awkward(), show_progress=False).item_factors.shape == (61, 6)
    with pytest.raises(InputError, match="solver 'cholesky' has no argument 'cg_steps'"):
        model.set_params(cg_steps=3)
    assert model.solver_ == "cholesky"
    model.exact = True
    assert model.get_params()["exact"] is None  # cholesky has no such argument


def test_a_class_may_have_a_name_of_its_own(tmp_path):
    class Mine(AlternatingLeastSquares):
        name = "mine"

    fitted(Mine).save(tmp_path / "model.npz")
    again = Mine.load(tmp_path / "model.npz")
    assert (again.solver_, again.name) == (AlternatingLeastSquares().solver_, "mine")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"relaxation": "x"},
            "relaxation must be between 0 and 2, or a list with such a number",
        ),
        ({"exact": 2}, "exact must be True or False, got 2"),
        ({"compress": "x"}, "compress must be True or False, got 'x'"),
        ({"dtype": ">f4"}, "dtype must be float32 or float64, got >f4"),
        ({"solver": ["cpu"]}, "solver must be one of auto, cpu, gpu"),
    ],
)
def test_wrong_values_are_named(settings, message):
    with pytest.raises(InputError, match=message):
        AlternatingLeastSquares(**settings)
