import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cases.real_data import data_folder

import halfstep.datasets
from halfstep.datasets import FORMATS, PRESETS, load
from halfstep.errors import InputError


@pytest.mark.parametrize(
    ("folder", "shape", "entries", "heldout", "total"),
    [
        ("audioscrobbler_small", (50, 30_100), 48_943, None, 6_461_021),
        ("hetrec2011-lastfm-2k", (1_892, 17_632), 92_834, None, None),
        ("ncf-ml-1m", (6_040, 3_706), 994_169, 6_040, None),
        ("gowalla", (29_858, 40_981), 810_128, 217_242, 810_128),
    ],
)
def test_published_data(folder, shape, entries, heldout, total):
    source = data_folder(folder)
    dataset = load(source)
    assert dataset.interactions.shape == shape
    assert dataset.entries == entries
    assert (None if dataset.test is None else dataset.test.nnz) == heldout
    assert dataset.provenance["malformed"] == {}
    if total is not None:
        assert dataset.interactions.data.sum(dtype=np.float64) == total
    if folder == "ncf-ml-1m":
        assert dataset.negatives.shape == (6_040, 99)
        assert np.count_nonzero(dataset.negatives == -1) == 156
    if folder == "audioscrobbler_small":
        from halfstep.datasets.audioscrobbler.read import read_audioscrobbler

        raw = read_audioscrobbler(source, aliases="none")
        assert raw.interactions.shape == (50, 30_677)
        assert raw.entries == 49_481


def refused(source, *words):
    with pytest.raises(InputError) as caught:
        load(source)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_absent(tmp_path):
    refused("music-smal", "music-small", "'music-smal'")
    refused(tmp_path / "no.csv", "no.csv")
    refused(f"table:{tmp_path}/no.csv", "no.csv", "no such file")
    refused("", "source")
    refused(3, "source", "3")


def test_folders(tmp_path):
    refused(
        tmp_path,
        str(tmp_path),
        *(name for name, what in FORMATS.items() if what.startswith("folder")),
    )
    refused(f"npz:{tmp_path}", "must be a file")
    refused(f"table:{tmp_path}", "no file")
    refused(f"hetrec:{tmp_path}", "user_artists.dat")
    (tmp_path / "train.txt").write_text("0 1\n")
    (tmp_path / "user_artists.dat").write_text("u\ta\tw\n5\t6\t7\n")
    refused(tmp_path, "hetrec and lightgcn")
    assert load(f"hetrec:{tmp_path}").user_ids.tolist() == [5]
    assert load(f"lightgcn:{tmp_path}").interactions.shape == (1, 2)


def test_two_dumps_in_one_folder(tmp_path):
    for tag, plays in (("", 1), ("_small", 2)):
        (tmp_path / f"user_artist_data{tag}.txt").write_text(f"1 1 {plays}\n")
        (tmp_path / f"artist_data{tag}.txt").write_text(f"1\tname{tag}\n")
    refused(tmp_path, "user_artist_data.txt, user_artist_data_small.txt")
    small = load(f"audioscrobbler:{tmp_path}/user_artist_data_small.txt")
    assert small.interactions.data.tolist() == [2]
    assert small.item_names.tolist() == ["name_small"]
    assert load(tmp_path / "user_artist_data.txt").item_names.tolist() == ["name"]


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


@pytest.mark.parametrize("end", [".csv", ".npz", ".parquet", ".csv.gz", ".dat", ".png"])
@pytest.mark.parametrize(
    "content",
    [
        PNG,
        b"<!DOCTYPE html>\n<html>1,2,3</html>",
        b"",
        bytes(range(1, 256)),
        gzip.compress(b"1,2,3")[:-6],
    ],
    ids=["png", "html", "empty", "binary", "cut gzip"],
)
def test_another_format_under_a_wrong_name(tmp_path, end, content):
    if end == ".parquet":
        pytest.importorskip("pyarrow", reason="needs pyarrow")
    path = tmp_path / f"wrong{end}"
    path.write_bytes(content)
    refused(path, str(path))


def test_unreadable_table(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("hello\nworld\n")
    refused(path, "at least 2 columns", "'hello'")
    path.write_text("user,item,rating\n")
    refused(path, "no rows after the header")
    path.write_text("user,item,rating\n1,2,x\n3,4,y\n")
    refused(path, "no row is left: value not a number: 2 (line 2, 3)")


def test_force_a_format(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text("1 2 3\n4 5 2\n")
    refused(path, f"'table:{path}'", f"'lightgcn:{path}'")
    refused(tmp_path, f"'table:{tmp_path}'", f"'lightgcn:{tmp_path}'")
    assert load(f"table:{path}").entries == 2
    assert load(f"lightgcn:{path}").entries == 4


def test_import_is_light():
    code = "import sys, halfstep.datasets; sys.exit('pandas' in sys.modules or 'pyarrow' in sys.modules)"
    root = Path(halfstep.datasets.__file__).resolve().parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, check=False)
    assert done.returncode == 0


def test_presets_are_described():
    assert all("entries" in text for text in PRESETS.values())


def test_what_arrow_keeps_of_a_file_is_given_back(tmp_path, monkeypatch):
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table({"user": [1, 1, 2], "item": [5, 6, 5], "plays": [1, 2, 3]})
    parquet.write_table(table, tmp_path / "plays.parquet")
    pool, given_back = pa.default_memory_pool(), []

    class Pool:
        def __getattr__(self, name):
            return getattr(pool, name)

        def release_unused(self):
            given_back.append(True)

    monkeypatch.setattr(pa, "default_memory_pool", Pool)
    assert load(tmp_path / "plays.parquet").entries == 3
    assert given_back
