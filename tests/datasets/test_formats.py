"""Formats that are no text tables, told by what is in a file and not by what it is called."""

import gzip

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from cases.tables.read import entries, refused
from pyarrow import feather, ipc, parquet
from scipy import sparse
from scipy.io import mmwrite

from halfstep import Dataset, load_data
from halfstep.datasets import load
from halfstep.datasets.formats.lightgcn import kind_of

BIG = 7_234_567_890_123_456_789
TABLE = pa.table(
    {
        "item_id": ["b", "a", "a"],
        "noise": [1, 2, 3],
        "user_id": pa.array([BIG, BIG + 1, None]),
        "plays": pa.array([3, 4, 5], pa.uint8()),
        "time": pa.array([1_400_000_000_000, 0, 0], pa.timestamp("ms")),
    }
)
EXPECTED = {(BIG, "b"): 3, (BIG + 1, "a"): 4}


def as_stream(table, path):
    with ipc.new_stream(path, table.schema) as file:
        file.write_table(table)


def as_file(table, path):
    with ipc.new_file(path, table.schema) as file:
        file.write_table(table)


WRITERS = {
    "parquet": parquet.write_table,
    "feather": feather.write_feather,
    "plain feather": lambda table, path: feather.write_feather(
        table, str(path), compression="uncompressed"
    ),
    "arrow file": as_file,
    "arrow stream": as_stream,
}


@pytest.mark.parametrize("end", ["", ".parquet", ".pq", ".txt", ".arrow"])
@pytest.mark.parametrize("writer", WRITERS)
def test_columns_with_types(tmp_path, writer, end):
    if writer != "parquet" and end in (".parquet", ".pq"):
        end = ".feather"
    path = tmp_path / f"plays{end}"
    WRITERS[writer](TABLE, path)
    dataset = load(path)
    assert entries(dataset) == EXPECTED
    assert dataset.times.tolist() == [1.4e9, 0.0]
    reading = dataset.provenance["reading"]
    assert reading["unused"] == ["noise"]
    assert reading["left_out"] == {"missing user": 1}
    assert reading["files"] == [path.name]
    assert entries(load_data(path, user="item_id", item=2, value="plays")) == {
        ("b", 1): 3,
        ("a", 2): 4,
        ("a", 3): 5,
    }
    refused(path, "'nobody'", str(path), user="nobody")
    refused(path, "--separator", "no meaning", separator=",")
    path.write_bytes(path.read_bytes()[:-40])
    refused(path, str(path))


def test_only_needed_columns_are_read(tmp_path, monkeypatch):
    parquet.write_table(TABLE, tmp_path / "a.parquet")
    read = []
    real = parquet.ParquetFile.read
    monkeypatch.setattr(
        parquet.ParquetFile,
        "read",
        lambda self, columns: read.append(columns) or real(self, columns=columns),
    )
    load(tmp_path / "a.parquet")
    assert read == [["user_id", "item_id", "plays", "time"]]


def test_parquet_types(tmp_path):
    path = tmp_path / "a.parquet"
    frame = pd.DataFrame({"rating": [5.0, np.nan], "item": [1, 2], "user": ["7", "07"]})
    frame.to_parquet(path)
    dataset = load(path)
    assert entries(dataset) == {("7", 1): 5}
    assert dataset.provenance["malformed"] == {"a.parquet": {"missing value": 1}}
    pd.DataFrame({"user": [1, None], "item": [5, 6]}).to_parquet(path)
    dataset = load(path)
    assert entries(dataset) == {(1, 5): 1}
    assert "floating-point" in dataset.provenance["reading"]["notes"][0]
    parquet.write_table(pa.table([[1], [2], [3]], names=["user", "item", "user"]), path)
    refused(path, "user")


def test_parts_of_parquet(tmp_path):
    folder = tmp_path / "log"
    folder.mkdir()
    parquet.write_table(TABLE.slice(0, 1), folder / "part-00000.snappy.parquet")
    other = TABLE.slice(1).set_column(3, "plays", pa.array([4, 5], pa.int64()))
    parquet.write_table(other.select(other.column_names[::-1]), folder / "part-00001")
    (folder / "_SUCCESS").write_bytes(b"")
    (folder / "_metadata").write_bytes(b"PAR1")
    (folder / ".part-00000.crc").write_bytes(b"PAR1")
    dataset = load(folder)
    assert entries(dataset) == EXPECTED
    assert dataset.name == "log"
    assert dataset.provenance["files"] == ["part-00000.snappy.parquet", "part-00001"]
    assert dataset.provenance["rows"] == 3
    parquet.write_table(TABLE.drop_columns("item_id"), folder / "part-2")
    refused(folder, "part-2", "'item_id'")
    text = TABLE.set_column(2, "user_id", pa.array(["a", "b", "c"]))
    parquet.write_table(text, folder / "part-2")
    refused(folder, "'user_id'", "int64, string")
    (folder / "old").mkdir()
    (folder / "part-2").rename(folder / "old" / "part-2")
    assert entries(load(folder)) == EXPECTED


def test_folders_named_by_a_column(tmp_path):
    for day in ("2014-05-13", "2014-05-14"):
        (tmp_path / f"date={day}").mkdir()
        part = pa.table({"user": ["u"], "item": [day[-1]]})
        parquet.write_table(part, tmp_path / f"date={day}" / "0.parquet")
    dataset = load(tmp_path)
    assert entries(dataset) == {("u", "3"): 1, ("u", "4"): 1}
    assert dataset.times.tolist() == [1399939200, 1400025600]


def test_packed_parquet_is_refused(tmp_path):
    parquet.write_table(TABLE, tmp_path / "a.parquet")
    packed = tmp_path / "a.parquet.gz"
    packed.write_bytes(gzip.compress((tmp_path / "a.parquet").read_bytes()))
    refused(packed, "unpack it first")


@pytest.mark.parametrize("field", ["real", "integer", "pattern"])
@pytest.mark.parametrize("packed", [False, True])
def test_matrix_market(tmp_path, field, packed):
    matrix = sparse.coo_matrix(np.array([[0, 2, 0], [0, 0, 5]]))
    path = tmp_path / "plays.mtx"
    mmwrite(path, matrix, field=field, comment="made up")
    if packed:
        path = tmp_path / "plays.mtx.gz"
        path.write_bytes(gzip.compress((tmp_path / "plays.mtx").read_bytes()))
    dataset = load(path)
    ones = field == "pattern"
    assert entries(dataset) == {(1, 2): 1 if ones else 2, (2, 3): 1 if ones else 5}
    assert dataset.item_ids.tolist() == [1, 2, 3]
    assert dataset.name == "plays"


def test_odd_matrix_market(tmp_path):
    path = tmp_path / "a.txt"
    head = "%%MatrixMarket matrix coordinate real "
    path.write_text(head + "symmetric\n2 2 2\n2 1 7\n2 2 1\n")
    assert entries(load(path)) == {(1, 2): 7, (2, 1): 7, (2, 2): 1}
    path.write_text(head + "general\n2 2 2\n1 1 -7\n2 2 1\n")
    refused(path, str(path), "1 of 2 values are below 0", "--negative drop")
    assert entries(load_data(path, negative="drop")) == {(2, 2): 1}
    refused(path, "--user-column", "mtx", user=1)
    path.write_text("%%MatrixMarket matrix coordinate complex general\n1 1 1\n1 1 1 2\n")
    refused(path, "complex")
    path.write_text(head + "general\n2 2 2\n1 1 x\n")
    refused(path, str(path), "not a Matrix Market file")
    path.write_text(head + "general\n3 3 1\n4 1 1\n")
    refused(path, str(path), "not a Matrix Market file")
    path.write_text(head + "general\n999999999999 3 1\n4 1 1\n")
    refused(path, str(path), "free")


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        (["0 1 2 3", "1 5", "2 4 7"], "lists"),
        (["0 1 2 3 9", "1 5 6 7 8", "2 4 5 6 7"], "lists"),
        (["0 1 5", "0 2 3", "1 1 4"], "table"),
        (["0\t1\t5\t99", "0\t2\t3\t99"], "table"),
        (["0 1", "1 2"], "table"),
        (["0 1 2", "1 2 3"], "unclear"),
        (["u1 i1 3", "u2 i2 4"], "table"),
        (["1 7 3 5 1400000000", "2 8 3 4 1400000001"], "unclear"),
        (["1 7 3 5 4", "2 8 3 4 4"], "unclear"),
        (["1\t7\t3\t5\t4", "2\t8\t3\t4\t5"], "table"),
        (["1,2,3", "2,3"], "table"),
        ([*["0 1 5", "0 2 3", "1 1 4"] * 9, "1 2"], "table"),
        (["0 1 2", "1", "2 x", "", "3 4 5 6"], "lists"),
        ([], "table"),
    ],
)
def test_lists_are_told_from_tables(lines, kind):
    assert kind_of(lines) == kind


def test_train_and_test_of_lists_or_triples(tmp_path):
    (tmp_path / "train.txt").write_text("0 1 2\n1 0\n")
    (tmp_path / "test.txt").write_text("0 3\n1 1\n")
    for source in (tmp_path, tmp_path / "train.txt"):
        lists = load(source)
        assert entries(lists) == {(0, 1): 1, (0, 2): 1, (1, 0): 1}
        assert lists.test.toarray().tolist() == [[0, 0, 0, 1], [0, 1, 0, 0]]
    refused(tmp_path, "--user-column", "lightgcn", user=2)
    (tmp_path / "other.txt").write_text("0 1 2\n1 0\n")
    assert load(tmp_path / "other.txt").test is None
    (tmp_path / "train.txt").write_text("5 1 2\n5 7 4\n8 1 3\n")
    (tmp_path / "test.txt").write_text("8 3 1\n9 1 5\n9 9 1\n")
    triples = load(tmp_path)
    assert triples.name == tmp_path.name
    assert entries(triples) == {(5, 1): 2, (5, 7): 4, (8, 1): 3}
    assert triples.user_ids.tolist() == [5, 8, 9]
    assert triples.item_ids.tolist() == [1, 3, 7, 9]
    assert triples.test.toarray().tolist() == [[0] * 4, [0, 1, 0, 0], [5, 0, 0, 1]]
    assert triples.provenance["files"] == ["train.txt", "test.txt"]


def test_a_folder_with_one_table(tmp_path):
    (tmp_path / "README.md").write_text("# read me\n")
    (tmp_path / "ratings.csv").write_text("user,item,rating\n1,2,3\n")
    assert entries(load(tmp_path)) == {(1, 2): 3}
    (tmp_path / "movies.csv").write_text("item,title\n2,x\n")
    refused(tmp_path, "movies.csv, ratings.csv", "name one of them")


def test_options_have_no_meaning_for_some(tmp_path):
    refused("music-small", "--user-column", "the preset music-small", user="u")
    refused("music-small", "--no-header", header=False)
    sparse.save_npz(tmp_path / "a.npz", sparse.eye(2, format="csr"))
    refused(tmp_path / "a.npz", "--time-column", "npz", time=3)
    refused(f"npz:{tmp_path / 'a.npz'}", "--negative", negative="drop")
    refused(tmp_path / "a.npz", "negative must be one of error, drop, keep", negative="all")


def test_an_archive_keeps_times_and_the_account(tmp_path):
    dataset = Dataset.from_arrays(
        ["a", "b", "b"], [1, 2, 3], times=["2020-01-01", None, "2021-01-01"]
    )
    dataset.save(tmp_path / "a.npz")
    again = load(tmp_path / "a.npz")
    np.testing.assert_array_equal(again.times, dataset.times)
    assert again.provenance == dataset.provenance
    (tmp_path / "renamed.dat").write_bytes((tmp_path / "a.npz").read_bytes())
    assert load(tmp_path / "renamed.dat").content_hash == dataset.content_hash
    Dataset.from_arrays([1], [2]).save(tmp_path / "b.npz")
    assert load(tmp_path / "b.npz").times is None
    for spoilt in (np.zeros(2), np.array([0.0, 1, np.inf]), np.array([1, 2, 3]), np.zeros((3, 1))):
        members = dict(np.load(tmp_path / "a.npz"))
        np.savez(tmp_path / "c.npz", **members | {"times": spoilt})
        refused(tmp_path / "c.npz", "c.npz", "times")
