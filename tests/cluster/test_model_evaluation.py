"""Held-out quality of a sharded model: the numbers of one process for the same users."""

import itertools
import logging

import numpy as np
import pyarrow as pa
import pytest
from cases.cluster.models import LARGE, cut, having, ids_of, model_of
from pyarrow import parquet
from scipy import sparse

from halfstep.distributed.model import kept
from halfstep.errors import InputError, NotEnoughMemory
from halfstep.evaluation import evaluate
from halfstep.evaluation.metrics.intervals import bootstrap_intervals


def held_out(matrix, seed=9, least=1):
    """Return entries that `matrix` does not have, of a third of the users and of the one without any."""
    rng = np.random.default_rng(seed)
    users, items = matrix.shape
    rows = np.append(rng.choice(users - 1, users // 3), users - 1)
    test = sparse.lil_matrix(matrix.shape, dtype=np.float32)
    for row in rows:
        columns = rng.integers(0, items, 4)
        test[row, columns] = rng.integers(least, 4, 4)
    test[matrix.nonzero()] = 0
    return test.tocsr()


def same(one, other):
    assert (one.users == other.users).all()
    assert one.means() == other.means()
    for name, values in other.per_user.items():
        assert (one.per_user[name] == values).all(), name
    assert one.coverage == other.coverage
    assert one.not_relevant == other.not_relevant
    assert (one.without_history is None) == (other.without_history is None)
    if one.without_history is not None:
        same(one.without_history, other.without_history)


@pytest.fixture(params=[False, True], ids=["different", "ties"])
def case(request, tmp_path):
    model, matrix = model_of(LARGE, ties=request.param), having(LARGE)
    return model, matrix, cut(tmp_path / "fit", model, matrix)


def files_of(folder, test, text=False, files=2, value=True, more=()):
    """Write held-out entries as Parquet files of ids, and return their pattern."""
    user_ids, item_ids = ids_of(test.shape, text)
    entries = test.tocoo()
    table = pa.table(
        {
            "item": [*item_ids[entries.col].tolist(), *(item for _, item in more)],
            "user": [*user_ids[entries.row].tolist(), *(user for user, _ in more)],
            "value": [*entries.data.tolist(), *(1.0 for _ in more)],
        }
    )
    table = table if value else table.drop_columns(["value"])
    folder.mkdir()
    cuts = np.linspace(0, len(table), files + 1).astype(int)
    for number, (first, stop) in enumerate(itertools.pairwise(cuts)):
        parquet.write_table(table.slice(first, stop - first), folder / f"part-{number}.parquet")
    return f"{folder}/*.parquet"


def test_all_numbers_are_those_of_one_process(case):
    model, matrix, sharded = case
    test = held_out(matrix)
    expected = evaluate(model.user_factors, model.item_factors, matrix, test, ks=(7,))
    found = sharded.evaluate(test, 7, show_progress=False)
    same(found, expected)
    assert found.without_history is not None
    values = [np.array(list(one.per_user.values())) for one in (found, expected)]
    assert (bootstrap_intervals(values[0]) == bootstrap_intervals(values[1])).all()


def test_values_and_overlap_are_judged_as_in_one_process(case):
    model, matrix, sharded = case
    test = held_out(matrix, least=-1)
    test = sparse.lil_matrix(test)
    test[2, :6] = 3  # which the user has
    sides = model.user_factors, model.item_factors
    for overlap in ("drop", "keep"):
        for least in (None, 2, -1):
            how = {"overlap": overlap, "min_value": least}
            same(
                sharded.evaluate(test, **how, show_progress=False),
                evaluate(*sides, matrix, test, **how),
            )
    with pytest.raises(
        InputError, match=r"share no entry with the data of the fit, got .* user \d+ with"
    ):
        sharded.evaluate(test)


def test_files_of_ids_are_the_matrix_of_them(case, tmp_path, caplog):
    model, matrix, sharded = case
    test = held_out(matrix)
    pattern = files_of(tmp_path / "test", test, more=[(3, 50), (1000, 51), (3, 51)])
    with caplog.at_level(logging.WARNING, "halfstep"):
        found = sharded.evaluate(pattern, 7, show_progress=False)
    assert (
        "2 rows left out, of users that the model does not know, and 1 row, of items" in caplog.text
    )
    expected = evaluate(model.user_factors, model.item_factors, matrix, test, ks=(7,))
    same(found, expected)
    same(sharded.evaluate(str(tmp_path / "test"), 7, show_progress=False), expected)
    same(sharded.evaluate(sorted((tmp_path / "test").iterdir()), 7, show_progress=False), expected)


def test_text_ids_and_no_values(tmp_path):
    model, matrix = model_of(LARGE), having(LARGE)
    sharded = cut(tmp_path / "fit", model, matrix, text=True, hub_entries=100)
    test = held_out(matrix)
    found = sharded.evaluate(files_of(tmp_path / "test", test, text=True, value=False), 5)
    same(found, evaluate(model.user_factors, model.item_factors, matrix, test, ks=(5,)))


def test_chosen_metrics_and_a_file_of_each_shard(case, tmp_path):
    model, matrix, sharded = case
    test = held_out(matrix)
    found = sharded.evaluate(test, 3, ("map", "ndcg"), folder=str(tmp_path / "got"))
    expected = evaluate(model.user_factors, model.item_factors, matrix, test, ks=(3,))
    assert found.means() == {name: expected.means()[name] for name in ("ndcg@3", "map@3")}
    table = pa.concat_tables(parquet.read_table(p) for p in sorted((tmp_path / "got").iterdir()))
    assert table.column_names == ["user", "has_history", "ndcg@3", "map@3"]
    known = table.filter(table["has_history"])
    assert (known["user"].to_numpy() == ids_of(LARGE)[0][expected.users]).all()
    assert (known["map@3"].to_numpy() == expected.per_user["map@3"]).all()
    assert len(table) == len(known) + 1


def test_bad_arguments_are_named(case, tmp_path, monkeypatch):
    _, matrix, sharded = case
    test = held_out(matrix)
    for wrong, said in [
        ({"test": test[:5]}, "test must have the shape of the fit's data"),
        ({"test": test, "k": 0}, "k must be an integer of at least 1, got 0"),
        ({"test": test, "metrics": ("ndcg@10",)}, "metrics must be some of precision, recall"),
        ({"test": test, "metrics": ()}, "metrics must be some of"),
        ({"test": test, "overlap": "no"}, "overlap must be one of"),
        ({"test": test, "min_value": "3"}, "min_value must be a number"),
        (
            {"test": test * 0},
            "test must hold out an entry with a value above 0 of a user, got none",
        ),
        (
            {"test": test, "min_value": 99},
            "a value from 99 on of a user, got none, the highest value is",
        ),
        ({"test": str(tmp_path / "nothing")}, "test must name Parquet files, got"),
        ({"test": 5}, "test must be a SciPy sparse matrix"),
    ]:
        with pytest.raises(InputError, match=said):
            sharded.evaluate(**wrong, show_progress=False)
    pattern = files_of(tmp_path / "test", test)
    with pytest.raises(
        InputError, match="must have a column 'buyer', got item, user, value: say with"
    ):
        sharded.evaluate(pattern, user="buyer")
    nobody = files_of(tmp_path / "nobody", sparse.csr_matrix(LARGE), more=[(3, 4)], files=1)
    with pytest.raises(InputError, match="must have users and items of the fit's data, got 1 row"):
        sharded.evaluate(nobody)
    (tmp_path / "odd.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match=r"odd\.parquet is no Parquet file"):
        sharded.evaluate(str(tmp_path / "odd.parquet"))
    parquet.write_table(pa.table({"user": ["a"], "item": [50]}), tmp_path / "text.parquet")
    with pytest.raises(InputError, match="the column 'user' must be int64 as in the fit's data"):
        sharded.evaluate(str(tmp_path / "text.parquet"))
    monkeypatch.setattr(kept, "SHARE", 0.0)
    with pytest.raises(
        NotEnoughMemory, match=r"evaluate needs all item factors, 0\.0141 MB, and they"
    ):
        sharded.evaluate(test)
