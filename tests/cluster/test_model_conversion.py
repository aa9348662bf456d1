"""A sharded model in one process: the solver that a fit there would have left, with or without ids."""

import numpy as np
import pytest
from cases.cluster.models import SMALL, cut, having, ids_of, model_of

from halfstep import Recommender, Solver
from halfstep.distributed.blocks import join
from halfstep.errors import InputError, NotEnoughMemory
from halfstep.memory import VARIABLE


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_model_has_all_factors_and_the_course_of_the_fit(tmp_path, dtype):
    model, matrix = model_of(SMALL, dtype=dtype), having(SMALL)
    one = cut(tmp_path / "fit", model, matrix).to_model()
    assert type(one) is type(model)
    assert one.get_params() == model.get_params()
    for side in ("user_factors", "item_factors"):
        assert getattr(one, side).dtype == dtype
        assert (getattr(one, side) == getattr(model, side)).all()
    assert (one.loss_history_, one.seconds_, one.relaxation_) == (
        [3.0, 2.5],
        [0.1, 0.2],
        [1.0, 1.1],
    )
    assert (one.recalculate_user(0, matrix[0]) == model.recalculate_user(0, matrix[0])).all()
    one.save(tmp_path / "one.npz")
    assert (Solver.load(tmp_path / "one.npz").item_factors == model.item_factors).all()


@pytest.mark.parametrize("text", [False, True])
def test_a_recommender_has_ids_and_histories(tmp_path, text):
    model, matrix = model_of(SMALL), having(SMALL)
    sharded = cut(tmp_path / "fit", model, matrix, text=text, hub_entries=8)
    assert sharded.facts.hubs["user"]
    sharded.to_recommender().save(tmp_path / "one.npz")
    recommender = Recommender.load(tmp_path / "one.npz")
    user_ids, item_ids = ids_of(SMALL, text)
    assert recommender.catalogue.user_ids.tolist() == user_ids.tolist()
    assert recommender.catalogue.item_ids.tolist() == item_ids.tolist()
    assert (recommender.history != join(sharded.folder.child("data"))).nnz == 0
    assert recommender.name == "fit"
    for user in user_ids[[0, 2, 20]]:
        ids = [one.item for one in recommender.recommend(user, 5)]
        assert ids == sharded.recommend(user, 5)["item"].to_pylist()
    assert sharded.to_recommender(history=False).history is None


def test_a_copy_without_histories_makes_no_recommender(tmp_path):
    copy = cut(tmp_path / "fit", model_of(SMALL), having(SMALL)).save(tmp_path / "copy")
    copy.to_model()
    with pytest.raises(InputError, match="load the folder of the fit, or a copy by save"):
        copy.to_recommender()


def test_what_does_not_fit_is_not_begun(tmp_path, monkeypatch):
    sharded = cut(tmp_path / "fit", model_of(SMALL), having(SMALL))
    monkeypatch.setenv(VARIABLE, "0.000001")
    with pytest.raises(
        NotEnoughMemory, match=r"to_model needs 0\.00168 MB for factors, and 0\.001 MB"
    ):
        sharded.to_model()
    monkeypatch.setenv(VARIABLE, "0.000004")
    sharded.to_model()
    with pytest.raises(
        NotEnoughMemory, match=r"to_recommender needs .* for factors, ids and entries"
    ):
        sharded.to_recommender()


def test_an_unknown_solver_is_named(tmp_path):
    sharded = cut(tmp_path / "fit", model_of(SMALL), having(SMALL))
    path = tmp_path / "fit" / "model" / "model.json"
    path.write_text(path.read_text().replace('"cholesky"', '"other"'))
    with pytest.raises(InputError, match="by the solver 'other', which is not known here"):
        type(sharded).load(sharded.folder).to_model()
