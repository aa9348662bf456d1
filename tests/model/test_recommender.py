"""Models that carry ids and histories: their answers, by id, and nobody gets another's list."""

import numpy as np
import pandas as pd
import pytest
from cases.recommender import SETTINGS, made
from scipy import sparse

import halfstep
from halfstep import InputError, Recommender
from halfstep.datasets import Dataset


def test_the_answers_are_the_models_by_external_ids(kind):
    data = made(kind)
    recommender = Recommender.fit(data, **SETTINGS)
    model, matrix = recommender.model, data.interactions
    names = [""] * data.items if data.item_names is None else data.item_names.tolist()
    for row in (0, 7):
        user = data.user_ids[row]
        ids, scores = model.recommend(row, matrix[[row]], 5)
        for asked in (user, str(user)):
            found = recommender.recommend(asked, 5)
            assert [one.item for one in found] == data.item_ids[ids].tolist()
            assert [one.name for one in found] == [names[k] for k in ids]
            assert [one.score for one in found] == scores.tolist()
        everything, _ = model.recommend(row, None, data.items, False)
        found = recommender.recommend(user, data.items, include_owned=True)
        assert [one.item for one in found] == data.item_ids[everything].tolist()
        order = np.argsort(-matrix[[row]].data, kind="stable")
        owned = data.item_ids[matrix[[row]].indices[order]].tolist()
        assert [one.item for one in recommender.owned(user)] == owned
        explained = recommender.explain(user, data.item_ids[2], 3)
        solved, parts, _ = model.explain(row, matrix, 2, N=3)
        _, fitted = model.recommend(row, None, 1, False, items=[2])
        assert explained.score == pytest.approx(fitted[0], abs=1e-6)
        assert explained.unsolved == explained.score - solved
        assert [one.item for one in explained.contributions] == [data.item_ids[k] for k, _ in parts]
        assert explained.entries == matrix[[row]].nnz
    ids, cosines = model.similar_items(4, N=6)
    found = recommender.similar_items(data.item_ids[4], 5)
    assert [(one.item, one.score) for one in found] == [
        (data.item_ids[k], c) for k, c in zip(ids.tolist(), cosines.tolist(), strict=True) if k != 4
    ]
    ids, _ = model.similar_users(4, N=6)
    found = recommender.similar_users(data.user_ids[4], 5)
    assert [one.user for one in found] == [data.user_ids[k] for k in ids.tolist() if k != 4]


def test_with_one_customer_gone_and_one_new_nobody_gets_anothers_list(kind, tmp_path, caplog):
    data = made(kind)
    Recommender.fit(data, **SETTINGS).save(tmp_path / "model.npz")
    recommender = Recommender.load(tmp_path / "model.npz")
    # The first customer is gone and another one has come, so that all rows move by one.
    keep = np.arange(1, data.users)
    stranger = sparse.csr_matrix(np.ones((1, data.items), np.float32))
    matrix = sparse.csr_matrix(sparse.vstack([data.interactions[keep], stranger]))
    new_id = "newcomer" if kind == "text" else 999_999
    user_ids = np.append(data.user_ids[keep], np.array([new_id], data.user_ids.dtype))
    changed = Dataset("today", matrix, user_ids, data.item_ids)
    assert changed.interactions.shape == data.interactions.shape
    now = recommender.with_history(changed)
    assert "today: 1 user is not known to the model, and its 23 entries are left" in caplog.text
    assert "1 of the model's users is not in it" in caplog.text
    for user in data.user_ids[keep[:-1]].tolist():
        assert now.recommend(user, 8) == recommender.recommend(user, 8)
        assert now.owned(user) == recommender.owned(user)
    with pytest.raises(InputError, match="the data that was given does not"):
        now.recommend(data.user_ids[0])
    with pytest.raises(
        InputError, match=f"there is no user {new_id!r} among the 41 that the model"
    ):
        now.recommend(new_id)
    written = pd.concat([table.to_pandas() for table in now.recommend_all(5)])
    assert set(written.user) == set(data.user_ids[keep[:-1]].tolist())
    expected = recommender.recommend(data.user_ids[3], 5)
    assert written[written.user == data.user_ids[3]].item.tolist() == [one.item for one in expected]


def test_histories_come_from_the_data_that_is_given_however_it_is_numbered(fitted, caplog):
    data = made()
    rng = np.random.default_rng(1)
    rows, columns = rng.permutation(data.users), rng.permutation(data.items)[:-4]
    matrix = sparse.csr_matrix(data.interactions[rows][:, columns])
    # A new id that is no number turns the whole column into text.
    ids = [str(one) for one in data.user_ids[rows]]
    given = Dataset("part", matrix, np.array(ids, object), data.item_ids[columns])
    now = fitted.with_history(given)
    assert caplog.text == ""
    dense = np.zeros(data.interactions.shape)
    left = np.sort(columns)
    dense[:, left] = data.interactions.toarray()[:, left]
    assert np.array_equal(now.history.toarray(), dense)
    user = int(data.user_ids[2])
    assert {one.item for one in now.owned(user)} == set(
        data.item_ids[np.flatnonzero(dense[2])].tolist()
    )
    assert fitted.history.nnz == data.entries  # the other one is as it was


def test_data_of_other_people_or_things_is_refused(fitted):
    data = made()
    for users, items, what in ((1, 0, "41 users"), (0, 1, "23 items")):
        other = Dataset(
            "other", data.interactions, data.user_ids + users * 10**6, data.item_ids + items * 10**6
        )
        with pytest.raises(
            InputError, match=f"other: the model knows none of its {what}; they are"
        ):
            fitted.with_history(other)


def test_somebody_new_by_names_ids_and_values(fitted, caplog):
    data = made()
    matrix = data.interactions.toarray()
    usual = [matrix[:, c][matrix[:, c] > 0].mean() for c in (1, 5)]
    for history, values in (
        (['Item 1, "the 1th"', "311"], usual),
        ([int(data.item_ids[1]), "id:65"], usual),
        ({53: 4, "311": 2.5}, [4, 2.5]),
        ({53: 1, 'Item 1, "the 1th"': 3, 65: 2.5}, [4, 2.5]),
        (np.array([53, 65, 53]), usual),
        ((' item 1, "THE 1th"', "65"), usual),
    ):
        row = sparse.csr_matrix((np.float32(values), ([0, 0], [1, 5])), shape=(1, data.items))
        ids, scores = fitted.model.recommend(0, row, 6, recalculate_user=True)
        found = fitted.recommend_new(history, 6)
        assert [one.item for one in found] == data.item_ids[ids].tolist()
        assert [one.score for one in found] == pytest.approx(scores.tolist())
        assert not {53, 65} & {one.item for one in found}
    assert caplog.text == ""
    assert fitted.recommend_new([53, "zzz", "yyy"], 3) == fitted.recommend_new([53], 3)
    assert (
        "2 of 3 items of the history are not known to the model and left out: 'zzz'" in caplog.text
    )
    assert fitted.recommend_new({53: 1, "zzz": 2}, 3)


@pytest.mark.parametrize(
    ("history", "says"),
    [
        ([], "at least one item"),
        ({}, "at least one item"),
        (["zzz"], "there is no item 'zzz' among the 23 that the model knows"),
        ({"311": float("nan")}, "the value of '311' must be a finite number, got nan"),
        ({"311": "many"}, "must be a finite number, got 'many'"),
        ("311", "history must be a list of items or a mapping"),
    ],
)
def test_histories_that_are_none_are_refused(fitted, history, says):
    with pytest.raises(InputError, match=says):
        fitted.recommend_new(history)


def test_who_and_what_had_no_entries_in_the_fit_is_said(fitted):
    data = made()
    nobody, nothing = data.user_ids[-1], data.item_ids[-1]
    for ask in (fitted.recommend, fitted.similar_users):
        with pytest.raises(InputError, match="had no entries in the fit, so the model has nothing"):
            ask(nobody)
    with pytest.raises(InputError, match="has nothing, so no score can be explained"):
        fitted.explain(nobody, 53)
    with pytest.raises(InputError, match=r"nobody had the item .* so nothing is like it"):
        fitted.similar_items(nothing)
    for n in (0, -1, 2.5):
        for ask in (fitted.recommend, fitted.similar_items, fitted.similar_users):
            with pytest.raises(InputError, match="must be a"):
                ask(data.user_ids[0] if ask != fitted.similar_items else 53, n)
    with pytest.raises(InputError, match=r"no user '1001' .*; the nearest are '1001?"):
        fitted.recommend("1001")
    with pytest.raises(InputError, match="there is no item 54"):
        fitted.similar_items(54)


def test_it_is_offered_at_the_top():
    assert halfstep.Recommender is Recommender
    assert "Recommender" in halfstep.__all__
