"""Published results, run again: the machinery on made-up data, the numbers where the data is there."""

import numpy as np
import pytest
from cases.real_data import data_folder
from scipy import sparse

from halfstep import InputError
from halfstep.datasets import Dataset, load
from halfstep.evaluation import published
from halfstep.evaluation.published import NCF_ML_1M, Published, reproduce


def tiny(users=60, items=40):
    rng = np.random.default_rng(0)
    group = np.arange(users) % 2
    likes = rng.random((users, items)) < np.where(
        (np.arange(items) % 2) == group[:, None], 0.5, 0.05
    )
    likes[np.arange(users), 2 * rng.integers(items // 2, size=users) + group] = True
    test = np.array(
        [rng.choice(np.flatnonzero(row[g::2]) * 2 + g) for row, g in zip(likes, group, strict=True)]
    )
    train = likes.copy()
    train[np.arange(users), test] = False
    negatives = np.array([rng.choice(np.flatnonzero(~row), 10, replace=False) for row in likes])
    held_out = sparse.csr_matrix((np.ones(users), (np.arange(users), test)), shape=train.shape)
    return Dataset(
        name="tiny",
        interactions=sparse.csr_matrix(train.astype(np.float32)),
        user_ids=np.arange(users),
        item_ids=np.arange(items),
        test=held_out,
        negatives=negatives.astype(np.int32),
    )


@pytest.mark.parametrize("solver", ["eigenbasis", "cholesky"])
@pytest.mark.parametrize("start", [("normal", 0.1), ("uniform", 1.0)])
def test_rows_are_run_with_their_settings(monkeypatch, solver, start):
    settings = {"factors": 4, "confidence": "binary", "background": 0.1, "iterations": 5}
    row = Published(source="made up", hit_rate=0.9, ndcg=0.9, start=start, settings=settings)
    monkeypatch.setitem(published.PRESETS, "tiny", (row,))
    popularity, made_up = reproduce("tiny", tiny(), solver=solver)
    assert popularity.solver == "popularity"
    assert made_up.solver == solver
    assert made_up.hit_rate > 0.9
    assert made_up.ndcg > popularity.ndcg + 0.1
    assert not popularity.agrees


def test_what_cannot_be_reproduced_is_refused():
    with pytest.raises(InputError, match="preset must be one of ncf-ml-1m, got 'other'"):
        next(reproduce("other", tiny()))
    without = Dataset("bare", tiny().interactions, np.arange(60), np.arange(40))
    with pytest.raises(InputError, match="must have a test item and negatives per user, got bare"):
        next(reproduce("ncf-ml-1m", without))


def test_movielens_numbers(monkeypatch):
    folder = data_folder("ncf-ml-1m")
    monkeypatch.setitem(published.PRESETS, "ncf-ml-1m", NCF_ML_1M[:2])
    for row in reproduce("ncf-ml-1m", load(folder)):
        assert row.agrees, row
