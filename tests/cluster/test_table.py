"""Tables are refused before anything runs; the message names the file, the column and the type."""

import numpy as np
import pandas as pd
import pytest

from halfstep.distributed.numbering.pieces import pieces_of
from halfstep.distributed.numbering.table import Columns, opened
from halfstep.errors import InputError

COLUMNS = Columns("u", "i", "v")
FRAME = pd.DataFrame({"u": [1, 2], "i": ["a", "b"], "v": [1.0, 2.0]})


def write(folder, **frames):
    folder.mkdir(exist_ok=True)
    for name, frame in frames.items():
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    return str(folder)


@pytest.mark.parametrize("pattern", ["", "/*.parquet", "/a.parquet"])
def test_paths_patterns_and_folders(tmp_path, pattern):
    table = opened(write(tmp_path / "t", a=FRAME) + pattern, COLUMNS, {})
    rows = sum(file.rows for file in table.files)
    assert (rows, table.id_types) == (2, {"user": "int64", "item": "string"})
    assert table.source["files"][0][::2] == ["a.parquet", 2]


def test_tables_in_memory():
    FRAME.to_parquet("memory://cluster-table/a.parquet", index=False)
    table = opened("memory://cluster-table/*.parquet", COLUMNS, {})
    (piece,) = pieces_of(table, 2, None)
    assert piece.read().to_pydict() == FRAME.to_dict("list")


@pytest.mark.parametrize(
    ("smallest", "memory", "rows"),
    [
        (1, None, [100] * 8 + [120, 80]),  # an eighth of it all: two threads, four pieces each
        (1 << 24, None, [1000]),
        (1, 24 * 2400, [100] * 9 + [50, 50]),  # as a thread has memory
    ],
)
def test_pieces_are_all_row_groups(tmp_path, monkeypatch, smallest, memory, rows):
    """Pieces have about the same size, whether files are cut or put together for it."""
    monkeypatch.setattr("halfstep.distributed.numbering.pieces._SMALLEST", smallest)
    frame = pd.DataFrame({"u": np.arange(1000), "i": np.arange(1000) % 7, "v": 1.0})
    frame[:900].to_parquet(tmp_path / "a.parquet", row_group_size=100)
    for k in range(10):
        frame[900 + 10 * k : 910 + 10 * k].to_parquet(tmp_path / f"b{k}.parquet")
    pieces = pieces_of(opened(str(tmp_path), COLUMNS, {}), 2, memory)
    tables = [piece.read().to_pandas() for piece in pieces]
    assert pd.concat(tables)["u"].tolist() == [*range(1000)]
    assert [len(table) for table in tables] == rows


def test_dataframes():
    import dask.dataframe as dd

    table = opened(dd.from_pandas(FRAME, npartitions=2), COLUMNS, {})
    assert (table.files, table.id_types) == ([], {"user": "int64", "item": "string"})
    with pytest.raises(InputError, match="the dataframe has no column 'w': it has u, i, v"):
        opened(dd.from_pandas(FRAME, npartitions=1), Columns("u", "i", "w"), {})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"u": ["1", "2"]}, r"'u' must have ids of one type: integers in '.*a.parquet', texts in"),
        ({"u": [1.0, 2.0]}, r"'u' of '.*b.parquet' must be integers of 64 bits or texts, got double"),
        ({"u": np.array([1, 2], np.uint64)}, r"'u' of '.*b.parquet' must be integers .*got uint64"),
        ({"v": ["x", "y"]}, r"'v' of '.*b.parquet' must be numbers, got "),
        ({"v": None}, r"b.parquet' has no column 'v': it has u, i"),
        ({"u": pd.array([1, None], "Int64")}, r"'u' of '.*b.parquet' must have an id in each row, 1 "),
    ],
)  # fmt: skip
def test_files_that_differ(tmp_path, change, words):
    other = FRAME.assign(**change)
    if change.get("v", 0) is None:
        other = other.drop(columns="v")
    with pytest.raises(InputError, match=words):
        opened(write(tmp_path / "t", a=FRAME, b=other), COLUMNS, {})


def test_nothing_to_read(tmp_path):
    with pytest.raises(InputError, match="no Parquet files match"):
        opened(str(tmp_path / "*.parquet"), COLUMNS, {})
    with pytest.raises(InputError, match="must have rows: its 1 Parquet files have none"):
        opened(write(tmp_path / "t", a=FRAME.head(0)), COLUMNS, {})
    (tmp_path / "text.parquet").write_text("user,item")
    with pytest.raises(InputError, match=r"text.parquet' cannot be read as Parquet"):
        opened(str(tmp_path / "text.parquet"), COLUMNS, {})
    with pytest.raises(InputError, match="must be different columns"):
        opened(str(tmp_path), Columns("u", "u", None), {})
