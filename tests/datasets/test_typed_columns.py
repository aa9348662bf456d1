"""Columns with types: times called as a value, columns that cannot be ids, and the way out."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

import halfstep
from halfstep.errors import InputError

SECONDS = [1577836800, 1577836900, 1577837000]


def table(**columns):
    return pa.table({"user": [1, 2, 3], "item": [7, 8, 9], **columns})


def account(dataset):
    return dataset.provenance["reading"]


def in_parquet(table, folder):
    parquet.write_table(table, folder / "a.parquet")
    return halfstep.load_data(folder / "a.parquet")


def in_feather(table, folder):
    feather.write_feather(table, str(folder / "a.feather"))
    return halfstep.load_data(folder / "a.feather")


def in_json_lines(table, folder):
    text = "".join(json.dumps(row) + "\n" for row in table.to_pylist())
    (folder / "a.jsonl").write_text(text)
    return halfstep.load_data(folder / "a.jsonl")


def in_memory(table, folder):
    return halfstep.Dataset.from_frame(table)


@pytest.mark.parametrize("through", [in_parquet, in_feather, in_json_lines, in_memory])
def test_a_value_by_name_that_holds_times_is_no_value(tmp_path, through):
    found = through(table(times=SECONDS), tmp_path)
    assert found.interactions.data.tolist() == [1, 1, 1]
    assert found.times.tolist() == SECONDS
    assert account(found)["notes"] == ["times holds times, and is no value"]
    assert account(found)["columns"] == {"user": "user", "item": "item", "time": "times"}
    small = through(table(times=[3, 1, 2]), tmp_path)
    assert small.interactions.data.tolist() == [3, 1, 2]


def test_dates_called_as_a_value_are_none():
    dated = table(times=pa.array(SECONDS, pa.timestamp("s")), timestamp=[5, 6, 7])
    found = halfstep.Dataset.from_frame(dated)
    assert found.interactions.data.tolist() == [1, 1, 1]
    assert account(found)["columns"]["time"] == "timestamp"


def test_times_that_the_caller_calls_values_are_values():
    found = halfstep.Dataset.from_frame(table(times=SECONDS), value="times")
    assert found.interactions.data.tolist() == SECONDS


NESTED = [[7], [8], [9]]


@pytest.mark.parametrize(
    ("column", "role"),
    [("item", "item"), ("plays", "value"), ("timestamp", "time"), ("title", "name")],
)
def test_nested_columns_name_the_way_out(tmp_path, column, role):
    message = (
        rf"^\S*a.parquet: {role} column '{column}': holds list.*--{role}-column, in Python {role}="
    )
    with pytest.raises(InputError, match=message):
        in_parquet(table(**{column: NESTED}), tmp_path)


def test_nested_arrays_name_the_argument():
    with pytest.raises(InputError, match=r"items: holds list.* one number or text for each"):
        halfstep.Dataset.from_arrays([1, 2, 3], NESTED)


def test_sparse_columns_of_pandas_are_read():
    frame = pd.DataFrame({"user": [1, 2, 3], "item": pd.arrays.SparseArray([7, 8, 9])})
    found = halfstep.Dataset.from_frame(frame.assign(plays=pd.arrays.SparseArray([0.5, 0.0, 2])))
    assert found.item_ids.tolist() == [7, 8, 9]
    assert found.interactions.toarray().sum() == np.float64(2.5)


def test_columns_of_objects_name_the_way_out():
    for items in ([1, "2", 3], ["1", 2, 3]):
        with pytest.raises(InputError, match=r"column 'item' .*\.astype\(str\)"):
            halfstep.Dataset.from_frame(pd.DataFrame({"user": [1, 2, 3], "item": items}))
    objects = pl.Series([object(), object()], dtype=pl.Object)
    frame = pl.DataFrame({"user": [1, 2], "item": objects})
    with pytest.raises(InputError, match=r"column 'item' holds Python objects; .*map_elements"):
        halfstep.Dataset.from_frame(frame)
