"""Models that carry ids, names and histories: the same answers without data, and nobody else's list."""

import contextlib
import json
import os
import signal
import zipfile

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import halfstep
from halfstep import AlternatingLeastSquares, InputError, Recommender, Solver
from halfstep.datasets import Dataset
from halfstep.datasets.triples import from_triples
from halfstep.recommender import lists, writing
from halfstep.recommender.archive import NoIds

SETTINGS = {"solver": "cholesky", "factors": 3, "iterations": 4, "random_state": 0}
KINDS = ("numbers", "text", "no names")


def made(kind="numbers", users=41, items=23, seed=0):
    """Return data whose ids are no indices; the last user has nothing, nor has anybody the last item."""
    rng = np.random.default_rng(seed)
    shape = (users - 1, items - 1)
    pairs = np.array(sorted({tuple(p) for p in rng.integers(0, shape, size=(6 * users, 2))}))
    user_ids, item_ids = 7 * np.arange(users) + 1000, 3 * np.arange(items) + 50
    if kind == "text":
        user_ids, item_ids = (
            np.array([f"é{n}" for n in ids], object) for ids in (user_ids, item_ids)
        )
    names = np.array([f'Item {n}, "the {n}th"' for n in range(items)], object)
    names[3], names[5] = "", "311"
    return from_triples(
        *pairs.T,
        rng.integers(1, 30, size=len(pairs)),
        name="shop",
        user_ids=user_ids,
        item_ids=item_ids,
        item_names=None if kind == "no names" else names,
        provenance={"format": "table", "reading": {"columns": {"user": "buyer"}}},
    )


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def fitted():
    return Recommender.fit(made(), **SETTINGS)


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
        assert type(model) is type(first.model)
    again.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").stat().st_size == (tmp_path / "model.npz").stat().st_size


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
        score, parts, _ = model.explain(row, matrix, 2, N=3)
        assert explained.score == score
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
    assert "today: 1 users are not known to the model, and their 23 entries are left" in caplog.text
    assert "1 of the model's users are not in it" in caplog.text
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


READERS = {
    "csv": lambda path: pd.read_csv(path, keep_default_na=False),
    "parquet": pd.read_parquet,
    "pq": pd.read_parquet,
    "jsonl": lambda path: pd.DataFrame(map(json.loads, path.read_text("utf-8").splitlines())),
}


@pytest.mark.parametrize("ending", READERS)
def test_all_lists_are_those_of_each_user(kind, ending, tmp_path, monkeypatch):
    data = made(kind)
    recommender = Recommender.fit(data, **SETTINGS)
    asked = []
    monkeypatch.setattr(lists, "_USERS", 7)
    monkeypatch.setattr(
        type(recommender.model),
        "recommend",
        lambda model, users, *rest: (
            asked.append(len(users)) or Solver.recommend(model, users, *rest)
        ),
    )
    path = tmp_path / f"lists.{ending}"
    path.write_text("an older file")
    written = recommender.write_all(path, 6)
    assert max(asked) == 7  # users in memory at a time
    monkeypatch.undo()
    assert written == writing.Written(40, 240, {"had no entries in the fit": 1}, 0)
    found = READERS[ending](path)
    assert list(found.columns) == ["user", "rank", "item", "name", "score"]
    assert list(found.user.unique()) == data.user_ids[:-1].tolist()
    for user, rows in found.groupby("user"):
        assert rows["rank"].tolist() == list(range(1, 7))
        expected = recommender.recommend(user, 6)
        assert rows["item"].tolist() == [one.item for one in expected]
        assert rows["name"].tolist() == [one.name for one in expected]
        assert rows["score"].tolist() == pytest.approx([one.score for one in expected], rel=1e-6)
    assert os.listdir(tmp_path) == [path.name]


def test_lists_of_some_users_in_their_order_and_short_ones(fitted, tmp_path):
    data = made()
    users = data.user_ids[[9, 2, 5]].tolist()
    fitted.write_all(tmp_path / "some.csv", 3, users=users)
    assert list(pd.read_csv(tmp_path / "some.csv").user.unique()) == users
    written = fitted.write_all(tmp_path / "all.csv", 100)
    assert written.short == 40
    assert written.rows == 40 * 23 - data.entries
    full = Dataset("full", sparse.csr_matrix(np.ones((41, 23))), data.user_ids, data.item_ids)
    written = fitted.with_history(full).write_all(tmp_path / "none.jsonl")
    assert written.without == {"had no entries in the fit": 1, "have every item already": 40}
    assert (tmp_path / "none.jsonl").read_bytes() == b""
    with pytest.raises(InputError, match="there is no user 3 among"):
        fitted.write_all(tmp_path / "x.csv", users=[3])
    with pytest.raises(
        InputError, match=r"must end in one of .parquet, .pq, .csv, .jsonl, .ndjson"
    ):
        fitted.write_all(tmp_path / "x.xlsx")
    with pytest.raises(InputError, match="n must be at least 1"):
        fitted.write_all(tmp_path / "x.csv", 0)
    assert not (tmp_path / "x.csv").exists()


@pytest.mark.parametrize("ending", READERS)
@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_what_ends_half_way_leaves_the_old_file(fitted, tmp_path, monkeypatch, ending, fault):
    path = tmp_path / f"lists.{ending}"
    path.write_text("an older file")
    monkeypatch.setattr(lists, "_USERS", 7)
    whole = lists.Lists._block

    def ends(self, users):
        if self.written > 20:
            raise fault
        return whole(self, users)

    monkeypatch.setattr(lists.Lists, "_block", ends)
    expected = KeyboardInterrupt if fault is KeyboardInterrupt else InputError
    with pytest.raises(expected):
        fitted.write_all(path)
    assert path.read_text() == "an older file"
    assert os.listdir(tmp_path) == [path.name]


def test_ctrl_c_leaves_no_half_file(fitted, tmp_path, monkeypatch, capsys):
    from halfstep.cli.main import run

    fitted.save(tmp_path / "model.npz")
    monkeypatch.setattr(lists, "_USERS", 7)
    monkeypatch.setattr(
        lists.Lists, "_leave_out", lambda self, *_: self.written > 20 and signal.raise_signal(2)
    )
    files = str(tmp_path / "model.npz"), str(tmp_path / "lists.parquet")
    assert run(["recommend", files[0], "--all", "-o", files[1]]) == 130
    assert capsys.readouterr().err == "halfstep: interrupted\n"
    assert os.listdir(tmp_path) == ["model.npz"]


def test_it_is_offered_at_the_top():
    assert halfstep.Recommender is Recommender
    assert "Recommender" in halfstep.__all__
