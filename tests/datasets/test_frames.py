"""Frames, arrays and matrices: what they hold comes back exactly, or is refused."""

import subprocess
import sys
from collections import Counter

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import sparse

import halfstep
from halfstep.datasets.tables.distinct import MISSING
from halfstep.datasets.tables.ids import _MARKERS
from halfstep.errors import InputError


def entries(dataset):
    matrix = dataset.interactions.tocoo()
    users, items = dataset.user_ids[matrix.row], dataset.item_ids[matrix.col]
    return dict(
        zip(zip(users.tolist(), items.tolist(), strict=True), matrix.data.tolist(), strict=True)
    )


MIB = 2**63 - 1
_characters = st.characters(exclude_categories=["Cs"])
TEXTS = st.one_of(
    st.text(_characters, max_size=6),
    st.sampled_from(
        ["007", "7", " 7", "7 ", "1e3", "NA", "nan", "none", "True", "-1", "x\0y", "ß"]
    ),
)
WHOLE = st.one_of(st.integers(-(2**63), MIB), st.integers(-3, 30)).filter(
    lambda number: number not in _MARKERS
)
# For each way to hold a column: (strategy of what a row holds, function to a column).
KINDS = {
    "text": (TEXTS, lambda rows: pd.Series(rows, dtype="str")),
    "object": (st.none() | TEXTS, lambda rows: pd.Series(rows, dtype=object)),
    "whole objects": (st.none() | WHOLE, lambda rows: pd.Series(rows, dtype=object)),
    "category": (st.none() | TEXTS, lambda rows: pd.Series(pd.Categorical(rows))),
    "whole category": (WHOLE, lambda rows: pd.Series(pd.Categorical(rows))),
    "int64": (WHOLE, lambda rows: pd.Series(rows, dtype="int64")),
    "nullable": (st.none() | WHOLE, lambda rows: pd.Series(rows, dtype="Int64")),
    "unsigned": (
        st.none() | st.integers(0, 2**64 - 1),
        lambda rows: pd.Series(rows, dtype="UInt64"),
    ),
    "arrow text": (
        st.none() | TEXTS,
        lambda rows: pd.Series(rows, dtype=pd.ArrowDtype(pa.string())),
    ),
    "arrow int": (st.none() | WHOLE, lambda rows: pd.Series(rows, dtype=pd.ArrowDtype(pa.int64()))),
    "float": (
        st.none() | st.integers(0, 2**53 - 1),
        lambda rows: pd.Series(rows, dtype="float64"),
    ),
}
SINKS = {
    "pandas": lambda frame: frame,
    "polars": lambda frame: pl.from_arrow(pa.Table.from_pandas(frame, preserve_index=False)),
    "arrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "chunks": lambda frame: pa.concat_tables(
        [pa.Table.from_pandas(frame.iloc[:1]), pa.Table.from_pandas(frame.iloc[1:])],
        promote_options="permissive",
    ),
}


def as_read(rows):
    """Return the id of each row, or None, by the rules that the documentation states."""
    large = any(isinstance(row, int) and row > MIB for row in rows)
    result = []
    for row in rows:
        if isinstance(row, str):
            cut = row.strip()
            result.append(None if cut in MISSING else cut)
        else:
            result.append(str(row) if large and row is not None else row)
    return result


@st.composite
def tables(draw):
    count = draw(st.integers(1, 12))
    columns = {}
    rows = {}
    for role in ("user", "item"):
        holds, make = KINDS[draw(st.sampled_from(sorted(KINDS)))]
        pool = draw(st.lists(holds, min_size=1, max_size=4))
        rows[role] = [draw(st.sampled_from(pool)) for _ in range(count)]
        columns[role] = make(rows[role])
    values = draw(st.lists(st.none() | st.integers(0, 999), min_size=count, max_size=count))
    columns["plays"] = pd.Series(values, dtype="Int64")
    return rows, values, pd.DataFrame(columns)


@settings(deadline=None, max_examples=120)
@given(tables(), st.sampled_from(sorted(SINKS)))
@example(({"user": [2**60 + 1, None], "item": ["7", "007"]}, [1, 2],
          pd.DataFrame({"user": pd.Series([2**60 + 1, None], dtype="Int64"),
                        "item": ["7", "007"], "plays": [1, 2]})), "pandas")  # fmt: skip
def test_what_a_frame_holds_comes_back(table, sink):
    rows, values, frame = table
    users, items = as_read(rows["user"]), as_read(rows["item"])
    expected = Counter()
    seen = set()
    left_out = 0
    for user, item, value in zip(users, items, values, strict=True):
        if user is None or item is None or value is None:
            left_out += 1
        else:
            expected[user, item] += value
            seen.add((user, item))
    held = SINKS[sink](frame)
    if not seen:
        with pytest.raises(InputError, match="no row is left"):
            halfstep.Dataset.from_frame(held)
        return
    dataset = halfstep.Dataset.from_frame(held)
    assert entries(dataset) == {pair: expected[pair] for pair in seen}
    reading = dataset.provenance["reading"]
    assert sum(reading["left_out"].values()) == left_out
    assert reading["duplicates"] == len(users) - left_out - len(seen)
    assert reading["rows"] == len(users)
    for ids in (dataset.user_ids.tolist(), dataset.item_ids.tolist()):
        assert ids == sorted(ids)


FRAME = pd.DataFrame(
    {
        "price": [1.5, 2.5, 3.5],
        "article_id": ["b", "a", "a"],
        "customer": pd.Series([7, 5, 7], dtype="int32"),
        "rating": [3.0, 4.0, 5.0],
        "timestamp": pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-03"]),
        "article_name": ["B", "A", "A"],
    }
)
MAKERS = {
    "pandas": lambda: FRAME,
    "polars": lambda: pl.from_pandas(FRAME),
    "table": lambda: pa.Table.from_pandas(FRAME),
    "batch": lambda: pa.RecordBatch.from_pandas(FRAME),
    "reader": lambda: pa.Table.from_pandas(FRAME).to_reader(),
    "index": lambda: FRAME.set_index(["customer", "article_id"]),
}


@pytest.mark.parametrize("maker", MAKERS)
def test_columns_are_found_by_name(maker):
    dataset = halfstep.Dataset.from_frame(MAKERS[maker](), title="shop")
    assert dataset.name == "shop"
    assert entries(dataset) == {(7, "b"): 3, (5, "a"): 4, (7, "a"): 5}
    assert dataset.item_names.tolist() == ["A", "B"]
    assert dataset.times.tolist() == [86400 * day for day in (18263, 18264, 18262)]
    reading = dataset.provenance["reading"]
    assert reading["columns"] == {
        "user": "customer",
        "item": "article_id",
        "value": "rating",
        "time": "timestamp",
        "name": "article_name",
    }
    assert reading["unused"] == ["price"]


@pytest.mark.parametrize("maker", MAKERS)
def test_columns_are_taken_as_told(maker):
    frame = MAKERS[maker]()
    dataset = halfstep.Dataset.from_frame(
        frame, user="article_id", item="customer", value="price", name="rating", duplicates="add"
    )
    assert entries(dataset) == {("b", 7): 1.5, ("a", 5): 2.5, ("a", 7): 3.5}
    assert dataset.item_names.tolist() == ["4", "5"]


def test_columns_that_cannot_be_told_or_are_not_there():
    frame = FRAME.rename(columns={"customer": "who"})
    with pytest.raises(InputError, match=r"'who'.*--user-column.*user="):
        halfstep.Dataset.from_frame(frame)
    with pytest.raises(InputError, match="'whom'"):
        halfstep.Dataset.from_frame(frame, user="whom")
    assert halfstep.Dataset.from_frame(frame, user=3).user_ids.tolist() == [5, 7]
    numbered = FRAME.set_axis(range(6), axis=1)
    with pytest.raises(InputError, match=r"user=2 may be column number 2.*user='2'"):
        halfstep.Dataset.from_frame(numbered, user=2, item="1")
    assert halfstep.Dataset.from_frame(numbered, user="2", item="1").user_ids.tolist() == [5, 7]
    twice = pd.concat([FRAME, FRAME[["customer"]]], axis=1)
    with pytest.raises(InputError, match="customer"):
        halfstep.Dataset.from_frame(twice)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (pd.DataFrame({"user": [1, "a"], "item": [1, 2]}), "'user'.*one type"),
        (pd.DataFrame({"user": [1, 2], "item": [[1], [2]]}), "list<"),
        (pd.DataFrame({"user": pd.period_range("2020", periods=2), "item": [1, 2]}), "period"),
        (pd.DataFrame({"user": [2**60 + 1, 0.5], "item": [1, 2]}, dtype=object), "'user'"),
        (pd.DataFrame({"user": [1], "item": [1], "plays": ["x"]}), "value not a number: 1"),
        (pd.DataFrame({"user": [], "item": []}), "no row is left"),
        (pd.DataFrame({"user": [1], "item": [1], "plays": [-1]}), "--negative drop"),
        (pd.Series([1, 2]), "got Series"),
        (pl.LazyFrame({"user": [1]}), "collect"),
        ([1, 2], "got list"),
    ],
)
def test_what_is_refused(frame, words):
    with pytest.raises(InputError, match=words) as caught:
        halfstep.Dataset.from_frame(frame)
    assert "\n" not in str(caught.value)


def test_arrays():
    dataset = halfstep.Dataset.from_arrays(
        ["b", "a", "b"],
        np.array([2**60 + 1, 3, 2**60 + 1]),
        (1, 2, 3),
        times=[10**9, 10**9, 2 * 10**9],
    )
    assert entries(dataset) == {("b", 2**60 + 1): 4, ("a", 3): 2}
    assert dataset.times.tolist() == [10**9, 2 * 10**9]
    last = halfstep.Dataset.from_arrays(
        pl.Series([1, 1]), pd.Series([5, 5]), [8, 9], duplicates="last"
    )
    assert entries(last) == {(1, 5): 9}
    masked = np.ma.array([1, 2], mask=[False, True])
    assert entries(halfstep.Dataset.from_arrays(masked, [5, 6])) == {(1, 5): 1}
    assert halfstep.Dataset.from_arrays([2**64 - 1], ["x"]).user_ids.tolist() == [str(2**64 - 1)]
    for arguments, words in (
        (([1], [1, 2]), "items must be as long as users"),
        (([1], [1], [1, 2]), "values must be as long"),
        (([], []), "must not be empty"),
        (([[1]], [1]), "list"),
        ((np.ones((2, 2)), [1, 2]), "users must be a column"),
        (([1, "a"], [1, 2]), "users must be a column of one type"),
        (([10**30], [1]), "users must be a column"),
        (([1], [1], [-2]), "negative="),
    ):
        with pytest.raises(InputError, match=words):
            halfstep.Dataset.from_arrays(*arguments)


@pytest.mark.parametrize("form", ["csr_matrix", "csc_array", "coo_array"])
def test_a_matrix_keeps_its_rows_and_columns(form):
    dense = np.array([[0, 2, 0], [0, 0, 0], [1.5, 0, 3]])
    matrix = getattr(sparse, form)(dense)
    plain = halfstep.Dataset.from_csr(matrix)
    assert plain.interactions.toarray().tolist() == dense.tolist()
    assert plain.user_ids.tolist() == plain.item_ids.tolist() == [0, 1, 2]
    told = halfstep.Dataset.from_csr(
        matrix, ["z", "y", "x"], pd.Series([9, 8, 7]), item_names=["A", None, "C"]
    )
    assert told.interactions.toarray().tolist() == dense.tolist()
    assert told.user_ids.tolist() == ["z", "y", "x"]
    assert told.item_ids.tolist() == [9, 8, 7]
    assert told.item_names.tolist() == ["A", "", "C"]


def test_matrices_that_are_refused():
    matrix = sparse.csr_matrix(np.array([[1.0, -2], [0, 3]]))
    with pytest.raises(InputError, match=r"1 of 3 values are below 0.*row 0, column 1.*negative="):
        halfstep.Dataset.from_csr(matrix)
    kept = halfstep.Dataset.from_csr(matrix, negative="keep")
    assert kept.interactions.toarray().tolist() == [[1, -2], [0, 3]]
    dropped = halfstep.Dataset.from_csr(matrix, negative="drop")
    assert dropped.interactions.toarray().tolist() == [[1, 0], [0, 3]]
    assert dropped.provenance["reading"]["left_out"] == {"negative value": 1}
    good = abs(matrix)
    for arguments, words in (
        ((np.ones((2, 2)),), "got ndarray"),
        ((sparse.csr_matrix((2, 2)),), "must have entries"),
        ((good * np.nan,), "finite"),
        ((good * 1j,), "numbers"),
        ((good, ["a"]), "user_ids must have 2 ids, got 1"),
        ((good, None, ["a", " a"]), "item_ids must differ, got 'a'"),
        ((good, [1, None]), "user_ids must not be missing"),
        ((good, ["a", "NA"]), "user_ids must not be missing"),
    ):
        with pytest.raises(InputError, match=words):
            halfstep.Dataset.from_csr(*arguments)
    with pytest.raises(InputError, match="item_names must have 2 rows"):
        halfstep.Dataset.from_csr(good, item_names=["a"])


def test_the_package_imports_neither_arrow_nor_pandas():
    code = (
        "import sys, halfstep; assert not {'pandas', 'pyarrow', 'numba'} & set(sys.modules); "
        "assert halfstep.Dataset.__name__ == 'Dataset'; assert callable(halfstep.load_data)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=halfstep.__path__[-1])
