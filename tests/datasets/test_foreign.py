"""Files that are no tables say what they are, and files that are passed over are named."""

import zipfile

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from scipy import sparse

import halfstep
from halfstep.datasets import load
from halfstep.errors import InputError

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
OLD_EXCEL = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600)


def workbook(path, *members):
    with zipfile.ZipFile(path, "w") as archive:
        for member in ("[Content_Types].xml", *members):
            archive.writestr(member, "<x/>")
    return path


def refused(source, message, **options):
    with pytest.raises(InputError, match=message):
        halfstep.load_data(source, **options)


@pytest.fixture
def plays(tmp_path):
    path = tmp_path / "plays.csv"
    path.write_text("user,item_id,plays\nu,101,1\nu,102,2\nv,103,3\n")
    return path


@pytest.mark.parametrize("name", ["a.xlsx", "a.csv", "a.npz", "a.parquet"])
def test_a_workbook_is_an_excel_file_whatever_it_is_called(tmp_path, plays, name):
    path = workbook(tmp_path / name, "xl/workbook.xml", "xl/worksheets/sheet1.xml")
    refused(path, f"{name}: an Excel file: save its table as CSV")
    refused(plays, "an Excel file", item_names=path)
    for form in ("table", "json", "parquet", "mtx", "npz", "audioscrobbler"):
        with pytest.raises(InputError, match="an Excel file"):
            load(f"{form}:{path}")


def test_other_files_of_office(tmp_path):
    refused(workbook(tmp_path / "a.docx", "word/document.xml"), "an Office file: save")
    (tmp_path / "a.xls").write_bytes(OLD_EXCEL)
    refused(tmp_path / "a.xls", "an old Excel or other Office file: save")


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.npz", "a.feather", "train.txt"])
def test_a_pointer_of_git_lfs(tmp_path, plays, name):
    (tmp_path / name).write_bytes(POINTER)
    refused(tmp_path / name, f"{name}: a Git LFS pointer.* `git lfs pull`$")
    refused(plays, "a Git LFS pointer", item_names=tmp_path / name)


def test_a_part_that_is_a_pointer(tmp_path):
    parts = tmp_path / "parts"
    parts.mkdir()
    parquet.write_table(pa.table({"user": [1], "item": [2]}), parts / "0.parquet")
    (parts / "1.parquet").write_bytes(POINTER)
    refused(parts, r"1\.parquet: a Git LFS pointer.* `git lfs pull`$")


@pytest.mark.parametrize("start", ['"user","item"\n', '{"user": 1, "item": 2}\n', "\ufeffé,b\n"])
def test_a_nul_byte_names_its_line(tmp_path, start):
    path = tmp_path / "a.txt"
    path.write_bytes(f"{start}3,\0".encode() + b"4\n")
    refused(path, "the file holds a NUL byte in line 2: it is no text table")


def test_arrays_of_numpy_are_no_text_table(tmp_path, plays):
    path = tmp_path / "a.npz"
    sparse.save_npz(path, sparse.csr_matrix(np.eye(3)))
    refused(f"table:{path}", "a NumPy .npz of arrays, not a text table")
    refused(plays, "a NumPy .npz of arrays", item_names=path)
    assert halfstep.load_data(path).users == 3


@pytest.mark.parametrize("first", ["item_id,price\n", ""])
def test_numbers_are_no_names_unless_the_header_says_so(tmp_path, plays, first):
    path = tmp_path / "items.csv"
    path.write_text(f"{first}101,9.5\n102,3\n103,$7\n")
    refused(plays, "column 2 holds numbers only", item_names=path)
    path.write_text("item_id,title\n101,311\n102,1984\n")
    assert halfstep.load_data(plays, item_names=path).item_names.tolist() == ["311", "1984", ""]
    path.write_text("101,1984\n102,Air\n")
    assert halfstep.load_data(plays, item_names=path).item_names.tolist() == ["1984", "Air", ""]
    path.write_text("101,Air\n102,1984\n")
    assert halfstep.load_data(plays, item_names=path).item_names.tolist() == ["Air", "1984", ""]


def test_what_lies_beside_the_parts_is_named(tmp_path):
    parts = tmp_path / "parts"
    (parts / "year=2020").mkdir(parents=True)
    (parts / "old").mkdir()
    table = pa.table({"user": [1], "item": [2]})
    for name in ("0.parquet", "year=2020/1.parquet", "old/2.parquet"):
        parquet.write_table(table, parts / name)
    for name in ("other.csv", "_SUCCESS", "README.md", "year=2020/.crc", "year=2020/b.tsv"):
        (parts / name).write_text("user,item\n7,8\n")
    found = halfstep.load_data(parts)
    assert found.provenance["reading"]["notes"] == [
        "beside the Parquet files are left out: old/, other.csv, b.tsv"
    ]
    (parts / "only").mkdir()
    parquet.write_table(table, parts / "only" / "0.parquet")
    assert halfstep.load_data(parts / "only").provenance["reading"]["notes"] == []


@pytest.mark.parametrize("key", ["user_ids", "item_ids"])
@pytest.mark.parametrize("first", ["a", "7"])
def test_ids_of_a_packed_file_differ(tmp_path, key, first):
    path = tmp_path / "a.npz"
    ids = np.array([first, "8"], dtype=object) if first == "a" else np.array([int(first), 8])
    matrix = sparse.csr_matrix(np.ones((2, 2)))
    halfstep.Dataset("a", matrix, ids, ids).save(path)
    members = dict(np.load(path))
    if first == "a":
        members[f"{key}.utf8"] = np.frombuffer(b"aa", np.uint8)
    else:
        members[key] = np.array([7, 7])
    np.savez(path, **members)
    refused(path, f"{key} must differ, got {first} twice")


@pytest.mark.parametrize("ends", [[-1, 2], [2, 1], [1, 1], [1, 3]])
def test_ends_of_ids_that_do_not_fit(tmp_path, ends):
    path = tmp_path / "a.npz"
    ids = np.array(["a", "b"], dtype=object)
    halfstep.Dataset("a", sparse.csr_matrix(np.ones((2, 2))), ids, ids).save(path)
    np.savez(path, **dict(np.load(path)) | {"user_ids.ends": np.array(ends)})
    refused(path, "user_ids is cut short")
