"""Who and what is judged: users without history, entries that are no likes, entries in both parts."""

import numpy as np
import pytest
from cases.solvers import require
from scipy import sparse

from halfstep import InputError
from halfstep.datasets.triples import from_triples
from halfstep.evaluation.metrics.auc import exact_auc
from halfstep.evaluation.metrics.held_out import evaluate
from halfstep.evaluation.protocols.early_stopping import EarlyStopping
from halfstep.evaluation.protocols.own_split import own_split
from halfstep.evaluation.protocols.part import Part
from halfstep.evaluation.protocols.part_result import SAMPLED
from halfstep.evaluation.protocols.partitions import parts_of
from halfstep.evaluation.protocols.validation import validate
from halfstep.evaluation.tuning.trial import Tuner


def tables(*rows):
    return sparse.csr_matrix(np.array(rows, float))


def scored(*rows):
    scores = np.array(rows, float)
    return np.eye(len(scores)), scores.T.copy()


def test_users_without_history_stand_in_a_row_of_their_own():
    X, Y = scored([4, 3, 2, 1], [0, 0, 0, 0], [1, 2, 3, 4], [9, 0, 0, 0])
    train = tables([1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1])
    test = tables([0, 1, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0])
    found = evaluate(X, Y, train, test, ks=(1, 2))
    np.testing.assert_array_equal(found.users, [0, 2])
    assert found.means()["hit_rate@1"] == 0.5
    assert found.coverage == {1: 2 / 4, 2: 3 / 4}
    newcomers = found.without_history
    np.testing.assert_array_equal(newcomers.users, [1])
    assert newcomers.means()["hit_rate@1"] == 0.25
    assert newcomers.means()["auc"] == 0.5
    np.testing.assert_array_equal(exact_auc(X, Y, train, test), [1, 0.5, 0, np.nan])
    # Where nobody has any history there is nobody to keep them apart from.
    alike = evaluate(X, Y, sparse.csr_matrix((4, 4)), test, ks=(1,))
    assert (len(alike.users), alike.without_history) == (3, None)
    assert evaluate(X, Y, train, test, users=[0, 2]).without_history is None


def test_a_validation_says_how_many_have_no_history():
    train = tables([1, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 1, 0, 0, 0], [1, 0, 0, 0, 0])
    test = tables([0, 1, 0, 0, 0], [1, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0, 0, 1, 0, 0])
    part = Part("", train, train, test, np.arange(4))
    found = validate({}, [part], ks=(1,), explain_auc=True)
    assert len(found.user_means("popularity")[0]) == 3
    assert found.without_history.users == 1
    # For popularity they are not unknown: item 0 is the most popular one.
    assert found.without_history.means["popularity"]["hit_rate@1"] == 1
    assert SAMPLED in found.without_history.means["random"]
    twice = validate(
        {}, [part, Part("again", train[:1], train[:1], test[:1], np.arange(1))], ks=(1,)
    )
    assert twice.without_history.users == 1
    assert (
        validate({}, [Part("", train[:1], train[:1], test[:1], np.arange(1))]).without_history
        is None
    )


def test_entries_below_the_least_value_are_neither_hits_nor_negatives():
    X, Y = scored([6, 5, 4, 3, 2, 1])
    train = tables([1, 0, 0, 0, 0, 0])
    test = tables([0, -1, 0, 5, 0, 3])
    found = evaluate(X, Y, train, test, ks=(1, 2))
    assert found.not_relevant == 1
    # Items 2 and 3 lead, since item 1 is not ranked; negatives are 2 and 4.
    assert found.means()["hit_rate@1"] == 0
    assert found.means()["precision@2"] == 0.5
    assert found.means()["auc"] == (1 + 0) / 4
    stricter = evaluate(X, Y, train, test, ks=(2,), min_value=4)
    assert stricter.not_relevant == 2
    assert stricter.means()["recall@2"] == 1
    assert stricter.means()["auc"] == 1 / 2
    assert evaluate(X, Y, train, test, min_value=-1).not_relevant == 0
    highest = (
        r"^--min-value .* is 6, and the highest of the values held out, 3 entries, is 5: choose"
    )
    for asked in (None, []):  # of nobody, since nobody has a relevant entry
        with pytest.raises(InputError, match=highest):
            evaluate(X, Y, train, test, users=asked, min_value=6)
    with pytest.raises(
        InputError, match=r"got 1 entry, none with a value above 0; the highest is -1"
    ):
        evaluate(X, Y, train, tables([0, -1, 0, 0, 0, 0]))
    for value, said in (("4", "must be a number, got '4'"), (np.nan, "must be finite, got nan")):
        with pytest.raises(InputError, match=said):
            evaluate(X, Y, train, test, min_value=value)


def likes_and_dislikes():
    """People of two tastes like half of the items, and have told more dislikes than likes."""
    rng = np.random.default_rng(0)
    users, items = 300, 80
    taste = rng.integers(2, size=users)
    liked = (np.arange(items) % 2)[None] == taste[:, None]
    told = rng.random((users, items)) < np.where(liked, 0.15, 0.3)
    rows, columns = told.nonzero()
    return sparse.csr_matrix(
        (np.where(liked[told], 7.0, -1.0), (rows, columns)), shape=(users, items)
    )


def test_als_is_better_than_random_on_likes_and_dislikes():
    parts = list(parts_of("per-user", likes_and_dislikes(), random_state=0))
    als = {"als": lambda: require("cholesky")(factors=4, iterations=5, random_state=0)}

    def ndcg(**how):
        found = validate(als, parts, **how)
        return {name: found.summaries(name)["ndcg@10"].mean for name in ("als", "random")}, found

    means, found = ndcg()
    assert means["als"] > 1.5 * means["random"]
    assert found.not_relevant == (parts[0].test.data < 0).sum() > 500
    confused, _ = ndcg(min_value=-1)  # as if a dislike were a hit
    assert confused["als"] < confused["random"]


def test_early_stopping_and_tuning_take_the_least_value():
    matrix = likes_and_dislikes()
    parts = list(parts_of("per-user", matrix, random_state=0))
    values = []
    for least in (None, -1.0):
        model = require("cholesky")(factors=4, iterations=2, random_state=0)
        stop = EarlyStopping(model, parts[0].history, parts[0].test, min_value=least)
        model.fit(parts[0].train, show_progress=False, callback=stop)
        tuner = Tuner(parts, iterations=2, solver="cholesky", min_value=least)
        value = tuner.run({"factors": 4}, lambda *_: False)["value"]
        assert value == pytest.approx(stop.best, rel=1e-6)
        values.append(value)
    assert values[0] != values[1]
    names = {Tuner(parts, min_value=least).name() for least in (None, -1.0)}
    assert len(names) == 2
    with pytest.raises(InputError, match="min_value must be finite"):
        Tuner(parts, min_value=np.inf)


def test_entries_in_both_parts_are_refused_dropped_or_kept():
    X, Y = scored([6, 5, 4, 3], [1, 2, 3, 4])
    train = tables([1, 1, 0, 0], [0, 1, 0, 1])
    test = tables([0, 1, 1, 0], [0, 1, 0, 0])
    with pytest.raises(
        InputError, match="test must share no entry with train, got 2, first at row 0, column 1"
    ):
        evaluate(X, Y, train, test)
    dropped = evaluate(X, Y, train, test, ks=(1,), overlap="drop")
    np.testing.assert_array_equal(dropped.users, [0])
    assert dropped.per_user["hit_rate@1"] == 1
    kept = evaluate(X, Y, train, test, ks=(1,), overlap="keep")
    np.testing.assert_array_equal(kept.users, [0, 1])
    np.testing.assert_array_equal(kept.per_user["hit_rate@1"], [1, 0])  # 1 before 2; 2 before 1
    np.testing.assert_array_equal(kept.per_user["auc"], [1, 1 / 2])
    assert kept.without_history is None
    with pytest.raises(InputError, match="overlap must be one of error, drop, keep, got 'add'"):
        evaluate(X, Y, train, test, overlap="add")


def test_an_error_names_the_file_the_users_and_the_items_in_both_parts():
    data = from_triples(["ann", "ann", "bob", "cy", "dee"], ["x", "y", "x", "y", "x"], name="plays")
    object.__setattr__(data, "test", data.interactions.copy())
    data.provenance["files"] = ["plays.csv"]
    with pytest.raises(InputError) as raised:
        own_split(data)
    assert str(raised.value).startswith(
        "plays.csv: 5 of 5 test entries are in the training part too "
        "(user ann item x, user ann item y, user bob item x, ...); `--overlap drop` "
    )
    assert own_split(data, "drop").test.nnz == 0
    assert own_split(data, "keep").test.nnz == 5
