"""`evaluate`, `tune` and `compare`: which entries and users they judge, and what they say of it."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from halfstep.cli.main import run
from halfstep.datasets.triples import from_triples

FEW = ("--factors", "3", "--iterations", "2", "--solver", "cholesky")


@pytest.fixture
def evaluated(tmp_path, capsys, monkeypatch):
    """Return a function that evaluates a data set, and gives the exit code, the record and the words."""
    from halfstep import datasets
    from halfstep.evaluation.tuning import plot

    monkeypatch.setattr(plot, "missing", lambda: "a plot takes long")

    def command(data, *arguments, name="evaluate", few=FEW):
        monkeypatch.setattr(datasets, "load", lambda *_, **__: data)
        out = tmp_path / "record.json"
        out.unlink(missing_ok=True)
        code = run([name, *few, "--data", "x", "--json", str(out), *map(str, arguments)])
        printed = capsys.readouterr()
        said = " ".join((printed.out + printed.err).split())
        return code, json.loads(out.read_text()) if out.exists() else None, said

    return command


def some_plays(seed=0, users=80, items=40):
    rng = np.random.default_rng(seed)
    rows = np.repeat(np.arange(users), 12)
    columns = rows % 2 * 20 + rng.integers(20, size=len(rows))
    data = from_triples(rows * 3, columns, rng.integers(1, 6, len(rows)), name="plays")
    return replace(data, times=rng.integers(0, 10**9, data.entries).astype(float))


def renumbered(data, seed=0):
    """The same data set with users and items in another order."""
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(data.users), rng.permutation(data.items)
    matrix = data.interactions.copy()
    matrix.data = np.arange(1.0, data.entries + 1)
    matrix = sparse.csr_matrix(matrix[rows][:, columns])
    matrix.sort_indices()
    order = matrix.data.astype(int) - 1
    matrix.data = data.interactions.data[order]
    return replace(
        data, interactions=matrix, user_ids=data.user_ids[rows], item_ids=data.item_ids[columns],
        times=data.times[order],
    )  # fmt: skip


@pytest.mark.parametrize("protocol", ["per-user", "time"])
def test_baselines_are_the_same_whatever_the_numbering(evaluated, protocol):
    data = some_plays()
    found = []
    for form in (data, renumbered(data)):
        code, record, _ = evaluated(form, "--split", protocol, "--solver", "popularity")
        assert code == 0
        found.append(record["models"])
    for name in ("random", "popularity"):
        for metric, value in found[0][name].items():
            # Coverage and exposure are those of the lists that people get, where a tie has an order.
            if not metric.startswith(("coverage", "gini")) and value is not None:
                assert found[1][name][metric] == pytest.approx(value, rel=1e-6), (name, metric)


def test_compare_and_tune_judge_the_same_pairs_whatever_the_numbering(evaluated, tmp_path):
    data = some_plays()
    compared, tuned = [], []
    for place, form in enumerate((data, renumbered(data))):
        options = ("popularity", "popularity", "--factors", 2, "--iterations", 2)
        record = evaluated(form, *options, name="compare", few=())[1]
        compared.append(record["held_out"]["ndcg@10"]["means"])
        grid = ("--search", "grid", "--factors", "2", "--regularization", "1",
                "--alpha", "1", "--solver", "popularity", "--iterations", "1", "--out",
                tmp_path / f"{place}")  # fmt: skip
        record = evaluated(form, *grid, name="tune", few=())[1]
        tuned.append(
            [record["chosen"]["value"], record["test"]["models"]["tuned"]["ndcg@10"]["mean"]]
        )
    assert compared[0] == pytest.approx(compared[1], rel=1e-6)
    assert tuned[0] == pytest.approx(tuned[1], rel=1e-6)


def test_a_split_by_time_says_its_moment_and_who_came_later(evaluated):
    data = some_plays()
    times = data.times.copy()
    times[: data.interactions.indptr[3]] += 10**9
    data = replace(data, times=times)
    code, record, said = evaluated(data, "--time-from", "2000-01-01")
    assert code == 0
    assert record["protocol"] == "time"
    assert record["parts"] == ["from 2000-01-01 00:00:00"]
    assert "time, from 2000-01-01 00:00:00" in said
    assert "3 users have no entry to learn from" in said
    assert record["without_history"]["users"] == 3
    assert set(record["without_history"]["models"]) == {"random", "popularity", "cholesky"}
    _, record, said = evaluated(data, "--time-from", "2001-09-09")
    assert (record["users"], record["without_history"]) == (3, None)
    assert "None of the 3 users has an entry to learn from" in said
    code, record, _ = evaluated(data, "--last", 2)
    assert (code, record["protocol"], record["without_history"]) == (0, "last", None)
    for options, message in (
        (("--split", "time", "--repeats", "2"), "repeats has no meaning with protocol 'time'"),
        (("--split", "per-user", "--last", "2"), "last has no meaning with protocol 'per-user'"),
        (("--time-from", "May"), "--time-from must be a date like 2024-01-31"),
    ):
        code, record, said = evaluated(data, *options)
        assert (code, record) == (2, None)
        assert message in said
    code, _, said = evaluated(replace(data, times=None), "--split", "time")
    assert code == 2
    assert "--time-column" in said


def test_what_is_left_out_is_said(evaluated, tmp_path):
    data = some_plays()
    code, record, said = evaluated(data, "--min-value", "3")
    assert code == 0
    assert record["min_value"] == 3
    assert f"{record['not_relevant']:,} held-out entries are below 3" in said
    assert evaluated(data)[1]["not_relevant"] == 0
    record = evaluated(data, "--min-value", 3, "cholesky", "naive", name="compare",
                       few=("--factors", "2", "--iterations", "2"))[1]  # fmt: skip
    assert record["not_relevant"] > 0
    grid = ("--search", "grid", "--factors", "2", "--regularization", "1", "--alpha", "1",
            "--iterations", "1", "--min-value", 3, "--out", tmp_path / "t")  # fmt: skip
    code, record, said = evaluated(data, *grid, name="tune", few=())
    assert code == 0
    assert record["test"]["not_relevant"] > 0
    timed = (*grid[:-1], tmp_path / "timed", "--protocol", "last")
    assert evaluated(data, *timed, name="tune", few=())[0] == 0
    assert "held-out entries are below 3" in said
    assert "min_value must be finite" in evaluated(data, "--min-value", "nan")[2]


def test_entries_in_both_parts_are_refused_unless_one_says_what_to_do(evaluated):
    data = some_plays()
    test = data.interactions.copy()
    test.data[:] = 1
    half = sparse.csr_matrix(test.multiply(np.arange(data.items) % 2)).astype(np.float32)
    half.eliminate_zeros()
    train = data.interactions.copy()
    train.data[:] = 1
    train = (train - sparse.csr_matrix(train.multiply(np.arange(data.items) % 4 == 1))).tocsr()
    train.eliminate_zeros()
    both = replace(data, interactions=train.astype(np.float32), test=half, times=None)
    shared = train.multiply(half).nnz
    for name, options in (
        ("evaluate", FEW),
        ("compare", ("cholesky", "naive", "--factors", "2", "--iterations", "2")),
    ):
        code, record, said = evaluated(both, name=name, few=options)
        assert (code, record) == (2, None)
        assert (
            f"plays: {shared} of {half.nnz} test entries are in the training part too (user 0"
            in said
        )
        dropped, kept = (
            evaluated(both, "--overlap", how, name=name, few=options)[1] for how in ("drop", "keep")
        )
        assert (dropped["overlap"], kept["overlap"]) == ("drop", "keep")
    said = evaluated(data, "--overlap", "drop")[2]
    assert "--overlap is about a split that comes with the data, got 'drop' for plays" in said
    said = evaluated(both, "--overlap", "yes")[2]
    assert "--overlap must be one of error, drop, keep, got 'yes'" in said
