"""The file of a model that carries its ids: the same answers, nothing run, and no half of it."""

import contextlib
import json
import os
import zipfile

import numpy as np
import pandas as pd
import pytest
from cases.recommender import SETTINGS, made
from scipy import sparse

from halfstep import AlternatingLeastSquares, InputError, Recommender, Solver
from halfstep.datasets import Dataset
from halfstep.recommender.archive import NoIds


def answers(recommender, data):
    users, items = data.user_ids[:5].tolist(), data.item_ids[:4].tolist()
    return [
        *(recommender.recommend(user, 6) for user in users),
        *(recommender.similar_items(item, 4) for item in items),
        *(recommender.similar_users(user, 4) for user in users),
        *(recommender.explain(user, items[1], 3) for user in users),
        *(recommender.owned(user) for user in users),
        recommender.recommend_new(items),
        recommender.recommend_new(dict.fromkeys(items, 2.5), 30),
        [table.to_pylist() for table in recommender.recommend_all(4)],
    ]


def test_what_was_saved_answers_as_it_did_without_the_data(kind, tmp_path):
    data = made(kind)
    first = Recommender.fit(data, **SETTINGS)
    first.save(tmp_path / "model")
    again = Recommender.load(tmp_path / "model.npz")
    assert answers(again, data) == answers(first, data)
    assert os.listdir(tmp_path) == ["model.npz"]
    assert again.fingerprint == data.fingerprint
    assert again.is_of(made(kind))
    assert not again.is_of(made(kind, seed=1))
    assert again.provenance == data.provenance
    assert again.name == "shop"
    assert set(again.versions) == {"halfstep", "numpy", "format"}
    assert again.versions["numpy"] == np.__version__
    assert again.parameters == first.parameters
    for model in (
        Solver.load(tmp_path / "model.npz"),
        AlternatingLeastSquares.load(tmp_path / "model"),
    ):
        assert np.array_equal(model.user_factors, first.model.user_factors)
        assert model._rung() is first.model._rung()
    again.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").stat().st_size == (tmp_path / "model.npz").stat().st_size


def test_a_model_without_histories_says_what_it_needs(fitted, tmp_path):
    data = made()
    fitted.save(tmp_path / "model.npz", history=False)
    alone = Recommender.load(tmp_path / "model.npz")
    with zipfile.ZipFile(tmp_path / "model.npz") as file:
        assert not [name for name in file.namelist() if name.startswith("history")]
    user = int(data.user_ids[3])
    for ask in (
        lambda: alone.recommend(user),
        lambda: alone.explain(user, 53),
        lambda: alone.owned(user),
        lambda: list(alone.recommend_all()),
        lambda: alone.write_all(tmp_path / "lists.csv"),
    ):
        with pytest.raises(InputError, match="saved without what each user has: give that data"):
            ask()
    assert os.listdir(tmp_path) == ["model.npz"]
    assert alone.recommend(user, include_owned=True) == fitted.recommend(user, include_owned=True)
    assert alone.similar_items("311") == fitted.similar_items("311")
    assert alone.recommend_new(["311", 53]) == fitted.recommend_new(["311", 53])
    assert alone.with_history(data).recommend(user) == fitted.recommend(user)
    assert "without histories" in repr(alone)


class Runs:
    """What a pickle can do when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_nothing_in_a_file_is_run(tmp_path, fitted):
    fitted.save(tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz") as archive:
        members = dict(archive)
    assert {
        "halfstep",
        "user_factors",
        "catalogue",
        "user_ids",
        "item_names.utf8",
        "history.data",
    } < (set(members))
    hostile = np.array([Runs(tmp_path / "ran")], object)
    for name in [*members, "anything", "fitted_to", "item_ids.ends", "history"]:
        path = tmp_path / "hostile.npz"
        np.savez(path, **{**members, name: hostile})
        refused = pytest.raises(InputError) if name in members else contextlib.nullcontext()
        with refused:
            Recommender.load(path)
        assert not (tmp_path / "ran").exists()
    # The file would have run it for whoever lets it.
    with np.load(path, allow_pickle=True) as archive:
        archive["history"]
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("catalogue", np.array("{")),
        ("catalogue", np.array(json.dumps({"format": "halfstep catalogue 9"}))),
        ("catalogue", np.array(json.dumps(["format"]))),
        ("user_ids", np.arange(5)),
        ("user_ids", np.arange(41.0)),
        ("user_ids", np.zeros(41, np.int64)),
        ("item_ids", np.arange(46).reshape(23, 2)),
        ("item_names.ends", np.arange(7)),
        ("item_names.utf8", np.full(999, 255, np.uint8)),
        ("audience", np.arange(23.0)),
        ("usual", np.full(23, np.nan)),
        ("usual", np.ones(4)),
        ("history.indices", np.full(195, 23, np.int32)),
        ("history.indptr", np.zeros(42, np.int32)),
        ("history.data", np.full(195, np.inf)),
        ("history.shape", np.array([41, 10**6])),
        ("history.shape", None),
        ("item_factors", np.ones((22, 3), np.float32)),
        ("user_factors", None),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(fitted, tmp_path, member, value):
    path = tmp_path / "model.npz"
    fitted.save(path)
    with np.load(path) as archive:
        members = dict(archive)
    assert member in members
    members[member] = value
    np.savez(path, **{name: array for name, array in members.items() if array is not None})
    with pytest.raises(InputError, match=r"model.npz is (damaged|not a halfstep model)") as error:
        Recommender.load(path)
    assert "\n" not in str(error.value)


def test_a_model_alone_says_what_to_do(fitted, tmp_path):
    fitted.model.save(tmp_path / "model.npz")
    with pytest.raises(NoIds, match="carries no ids: fit again, or give the data"):
        Recommender.load(tmp_path / "model.npz")
    (tmp_path / "text.npz").write_text("user,item\n")
    with pytest.raises(InputError, match=r"text.npz is not a halfstep model"):
        Recommender.load(tmp_path / "text.npz")
    with pytest.raises(InputError, match="file must exist"):
        Recommender.load(tmp_path / "absent.npz")


def test_what_does_not_fit_together_is_refused_and_leaves_the_old_file(fitted, tmp_path):
    path = tmp_path / "model.npz"
    fitted.save(path)
    before = path.read_bytes()
    X = fitted.model.user_factors
    for changed, says in (
        (X[:-1], "the factors are of 40 users x 23 items, the ids of 41 x 23"),
        (X.astype(np.int64), "must be float32 or float64"),
        (np.full_like(X, np.nan), "must be finite"),
    ):
        fitted.model.user_factors = changed
        with pytest.raises(InputError, match=says):
            fitted.save(path)
        assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["model.npz"]
    fitted.model.user_factors, data = X, made()
    with pytest.raises(InputError, match="the factors are of 41 users x 23 items"):
        Recommender(fitted.model, made(users=42))
    with pytest.raises(InputError, match="the model has no factors"):
        Recommender(AlternatingLeastSquares(), data)
    twice = Dataset("twice", data.interactions, np.zeros(41, np.int64), data.item_ids)
    with pytest.raises(
        InputError, match="user_ids must be different from each other, 0 occurs twice"
    ):
        Recommender.fit(twice, **SETTINGS)
    with pytest.raises(InputError, match=r"must be a halfstep.datasets.Dataset, got csr_matrix"):
        Recommender.fit(data.interactions)


def test_data_without_entries_has_a_file_too(tmp_path):
    data = made()
    empty = Dataset(
        "empty", sparse.csr_matrix((41, 23), dtype=np.float32), data.user_ids, data.item_ids
    )
    Recommender.fit(empty, **SETTINGS).save(tmp_path / "model.npz")
    again = Recommender.load(tmp_path / "model.npz")
    assert again.history.nnz == 0
    assert again.write_all(tmp_path / "lists.csv").without == {"had no entries in the fit": 41}
    assert len(pd.read_csv(tmp_path / "lists.csv")) == 0
